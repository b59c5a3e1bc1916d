#pragma once
#include "scenarios/compile/compile_pools.hpp"
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// How node time is billed, what is committed, and what is billed besides (`cluster.costs`). Call it when pools and
/// shapes are in the blueprint.
void compile_costs(const Scenario& scenario, const std::vector<PoolDraft>& pools, CompiledScenario& out, Problems& errors);

}  // namespace windtunnel
