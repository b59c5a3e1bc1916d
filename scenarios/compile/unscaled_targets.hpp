#pragma once
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"

#include <vector>

namespace windtunnel {

/// Workloads that requests go to, that start without replicas and to which nothing adds any: what is sent to them waits
/// for ever. Bounds that a job sets on an HPA add none, since an HPA leaves a target of 0 replicas alone. `objects`: the
/// workloads at their indices in the blueprint. Requires the autoscalers and the schedule.
[[nodiscard]] Problems unscaled_targets(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects, const CompiledScenario& compiled);

}  // namespace windtunnel
