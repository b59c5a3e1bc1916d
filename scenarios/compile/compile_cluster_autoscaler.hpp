#pragma once
#include "scenarios/compile/compile_pools.hpp"
#include "scenarios/scenario.hpp"
#include "sim/blueprint_builder.hpp"

#include <vector>

namespace windtunnel {

/// cluster-autoscaler's flags, as its Deployment states them or by default.
void compile_cluster_autoscaler(const Scenario& scenario, BlueprintParts& parts);

/// --balance-similar-node-groups: pools whose nodes have the same labels, but for those of their place and their group, get
/// one number. The cluster-autoscaler compares their sizes too, which the engine does.
void mark_similar_pools(const Scenario& scenario, std::vector<PoolDraft>& pools);

/// Marks the templates whose pods keep cluster-autoscaler from removing their node (kubernetes.md 10.7.4).
/// One object per workload, in their order; budgets have been compiled.
void mark_removal_blockers(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                           BlueprintParts& parts);

}  // namespace windtunnel
