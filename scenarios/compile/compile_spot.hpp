#pragma once
#include "scenarios/compile/compile_pools.hpp"

namespace windtunnel {

/// Gives every spot shape of the pools its market: the one that the pool or `cluster.spot` describes, else what is
/// publicly known of the cloud's, which becomes a warning that says so. A pool whose nodes are recorded becomes one
/// that nobody scales. Adds markets, recorded changes and tables to the blueprint's parts.
void compile_spot_markets(const Scenario& scenario, CompiledScenario& out, std::vector<PoolDraft>& drafts, Problems& errors);

}  // namespace windtunnel
