#pragma once
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"

#include <vector>

namespace windtunnel {

/// Warns of workloads that requests go to, that start without replicas and to which nothing adds any: what is sent to
/// them waits for ever. `objects`: the workloads at their indices in the blueprint. Requires the autoscalers and the
/// schedule.
void warn_of_unscaled_targets(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects, CompiledScenario& out);

}  // namespace windtunnel
