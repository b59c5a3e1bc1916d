#pragma once
#include "models/problem.hpp"
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/compile/workload_source.hpp"
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// Makes the blueprint's parts of a scenario: names become indices, durations ticks, queries programs; the
/// catalogues are asked for GPUs, models and prices. Everything that does not fit together is a problem, all
/// at once: a model that does not fit its GPU (with the arithmetic), a pod that fits no pool, a missing
/// price, a query that cannot parse, a feature that would change the result and is not simulated.
[[nodiscard]] Result<CompiledScenario> compile_scenario(const Scenario& scenario,
                                                        const WorkloadSource& source);

/// The price of one node of a pool in nano-USD per hour and where it is from, or why there is none.
struct PoolPrice {
    std::int64_t nano_usd_per_hour = 0;
    std::string source;
};
[[nodiscard]] Result<PoolPrice> pool_price(const PoolSpec& pool, const ClusterSpec& cluster);

}  // namespace windtunnel
