#pragma once
#include "policies/scheduler_preemption.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// Words of a cluster that the scheduler's messages use.
struct SchedulerWords {
    std::vector<std::string> resources;  ///< by ResourceKind: "cpu", "memory", "", "nvidia.com/gpu", ...
    std::vector<std::string> taints;     ///< by NodeVerdict::detail: "nvidia.com/gpu: present"
};

/// Why a pod has no preemption.
enum class PreemptionRefusal : std::uint8_t { tried, policy_never, victims_terminating, not_tried };

/// A pod's PodScheduled=False message, as kubectl describe shows it (its wording from general
/// knowledge, not re-read, 2026-11): "0/12 nodes are available: 3 Insufficient nvidia.com/gpu, 9 node(s) had
/// untolerated taint {nvidia.com/gpu: present}. preemption: 0/12 nodes are available: ...". Host only.
[[nodiscard]] std::string unschedulable_message(const RejectionCounts& counts, const SchedulerWords& words,
                                                PreemptionRefusal refusal = PreemptionRefusal::not_tried,
                                                const PreemptionResult& preemption = {});

}  // namespace windtunnel
