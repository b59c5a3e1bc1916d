#pragma once
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"

#include <vector>

namespace windtunnel {

/// The manifests' ResourceQuotas, over the pods of `objects`, the blueprint's workloads in their order; `out.quotas` gets
/// their names. Those over pods and what these ask for, they act when the run makes pods; over objects that
/// the manifests hold, what they hold already must fit. What else a run could break is an error: nothing is dropped.
void compile_quotas(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                    CompiledScenario& out, Problems& errors);

}  // namespace windtunnel
