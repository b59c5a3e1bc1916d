#pragma once
#include "scenarios/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// A pool on its way into the blueprint.
struct PoolDraft {
    const PoolSpec* spec = nullptr;
    CompiledPool facts;
    PoolPlan plan;
    ShapePlan shape;
    std::string gpu;       ///< catalogue name; "" = nodes without GPUs
    bool refused = false;  ///< its nodes could not be described, which is among the errors
};

/// Resolves instance types, prices and provisioning of the scenario's pools; adds quantile tables to `parts`.
[[nodiscard]] std::vector<PoolDraft> compile_pools(const Scenario& scenario, BlueprintParts& parts,
                                                   Problems& errors, Problems& warnings);

}  // namespace windtunnel
