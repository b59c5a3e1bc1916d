#pragma once
#include "scenarios/scenario.hpp"
#include "scenarios/search/search_space.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// What a plan may turn when nobody says it: families of fields that are in the manifests or the scenario.
///
///   replicas   of workloads that no autoscaler scales
///   floor      the autoscalers' fewest replicas
///   ceiling    the autoscalers' most replicas
///   threshold  the metric targets of HPAs, the thresholds of KEDA's triggers
///   window     scale-down stabilisation; KEDA's cool-down where it goes to zero
///   schedule   replicas that a cron trigger asks for
///   batch      --max-num-seqs
///   tp         --tensor-parallel-size together with the pod's GPUs
///   gpu        the instance types of node groups and pools: the smallest of each GPU that has as many GPUs
///   and a price in the region spot       whether node groups and pools are spot
[[nodiscard]] const std::vector<std::string>& knob_families();
/// Those turned unless told otherwise.
[[nodiscard]] const std::vector<std::string>& usual_knobs();

/// A dimension for each field of these families, with a few values about the present one (which is among
/// them).
[[nodiscard]] std::vector<Dimension> knobs_of(const Scenario& scenario,
                                              const std::vector<std::string>& families);

}  // namespace windtunnel
