#pragma once
#include "scenarios/scenario.hpp"

#include <string>

namespace windtunnel {

/// Which side of a pair a workload says it is: by llm-d's label, its server's flags, or LMCache's
/// environment.
[[nodiscard]] PairSide pair_side_of(const WorkloadObject& object);

/// Ties a workload whose target goes on from others' prompts to the one that computes them: the scenario's
/// `prefill.target`, else the only one of the manifests that says it does so for the same model.
void pair_up(const Scenario& scenario, WorkloadSpec& workload, const WorkloadObject& target,
             Findings& findings);

}  // namespace windtunnel
