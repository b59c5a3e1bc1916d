#pragma once
#include "scenarios/compile/compile_pools.hpp"
#include "scenarios/scenario.hpp"
#include "sim/blueprint_builder.hpp"

#include <vector>

namespace windtunnel {

/// What the scenario says happens at fixed times, besides rollouts (which come with their revisions).
/// `objects`: the workloads at their places in the blueprint. Leaves `parts.events` sorted.
void compile_events(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                    const std::vector<PoolDraft>& pools, BlueprintParts& parts, Problems& errors);

/// The manifests' PodDisruptionBudgets that cover a workload of the blueprint.
void compile_budgets(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                     BlueprintParts& parts);

}  // namespace windtunnel
