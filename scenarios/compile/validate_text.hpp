#pragma once
#include <functional>
#include <optional>
#include <string>

#include "scenarios/node_labels.hpp"
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// What `windtunnel validate` prints: one chain per workload (who sends requests to it, what it serves, what a pod asks
/// for, who reaches, scales and guards it, on which pools its pods can run and what that costs), the pools, what takes no
/// GPUs, then every finding.
///
///     Deployment/chat (k8s/chat.yaml:1)
///       requests   chat.csv.gz, routing random
///       serves     vllm 0.8.5, meta-llama/Llama-3.1-8B-Instruct, tp 1, up to 8192 tokens
///       each pod   1 nvidia.com/gpu, CPU 3, memory 10 GiB
///       reached by Service/chat
///       scaled by  ScaledObject/chat (k8s/keda.yaml:1): 1 to 8 replicas on prometheus: sum(vllm:num_requests_waiting) / 5
///       runs on    g6 (g6.xlarge, on-demand, 0 to 8 nodes, 0.8048 USD/h)
///       costs      0.8048 USD/h a replica, 0.8048 to 6.4384 USD/h in all
///       starts     image_pull 333 s -> weights_download 61 s -> ... = 470 s; on a node that has been through it 80 s
///     errors: 0, warnings: 1, notes: 2
///
/// `price` says what a node of a pool costs in USD an hour, for those without their own price.
[[nodiscard]] std::string validate_text(const Scenario& scenario, const Findings& findings, bool with_notes,
                                        const std::function<std::optional<double>(const PoolSpec&)>& price = {});

}  // namespace windtunnel
