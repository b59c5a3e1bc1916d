#pragma once
#include "scenarios/scenario.hpp"
#include "sim/blueprint_builder.hpp"

#include <vector>

namespace windtunnel {

/// cluster-autoscaler's flags, as its Deployment states them or by default.
void compile_cluster_autoscaler(const Scenario& scenario, BlueprintParts& parts, Problems& warnings);

/// Marks the templates whose pods keep cluster-autoscaler from removing their node (kubernetes.md 10.7.4).
/// One object per workload, in their order; budgets have been compiled.
void mark_removal_blockers(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                           BlueprintParts& parts);

}  // namespace windtunnel
