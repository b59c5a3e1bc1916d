#pragma once
#include "scenarios/compile/compile_pools.hpp"

namespace windtunnel {

/// Fills what the scheduler needs to know of the templates in `out.parts` (one workload per object, in their
/// order; all pools added): priorities, affinity between pods and topology spread as rules over counters,
/// taints, and the words of its messages.
void compile_scheduling(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                        const std::vector<PoolDraft>& pools, CompiledScenario& out);

}  // namespace windtunnel
