#include "scenarios/compile_costs.hpp"

#include "models/nearest_name.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {
namespace {

/// Months of price lists have 730 hours.
constexpr double hours_of_month = 730;

void commit(const CommitmentSpec& c, CompiledScenario& out, Problems& errors) {
    std::vector<std::string> known;
    for (std::uint32_t row = 0; row < out.pools.size(); ++row) {
        CompiledPool& pool = out.pools[row];
        if (pool.capacity_type != "on-demand") continue;
        known.push_back(pool.name);
        if (pool.name != c.pool) continue;
        if (pool.committed_nodes > 0) {
            errors.push_back({c.where, c.path + ".pool", fmt::format("commits to {} a second time, allowed: once", c.pool)});
            return;
        }
        for (ShapePlan& shape : out.parts.shapes) {
            if (shape.bill != row) continue;
            if (shape.nano_usd_per_hour != pool.nano_usd_per_hour) {
                errors.push_back({c.where, c.path + ".pool", fmt::format("commits to {}, whose nodes have several prices, allowed: a pool of one instance type at one price", c.pool)});
                return;
            }
            shape.committed = static_cast<std::uint32_t>(c.nodes);
        }
        pool.committed_nodes = c.nodes;
        pool.committed_nano_usd_per_hour = c.nano_usd_per_hour;
        return;
    }
    errors.push_back({c.where, c.path + ".pool", fmt::format("found {}, which has no nodes on demand, allowed: {}", c.pool, spoken_list(known))});
}

}  // namespace

void compile_costs(const Scenario& scenario, CompiledScenario& out, Problems& errors) {
    const CostSpec& costs = scenario.cluster.costs;
    if (costs.per_hour)
        for (ShapePlan& shape : out.parts.shapes) shape.billing_unit = seconds(3600);
    for (const CommitmentSpec& c : costs.commitments) commit(c, out, errors);
    if (costs.volume_gib > 0) {
        CompiledCost volumes;
        volumes.name = "volumes";
        volumes.nano_usd_per_node_hour = costs.volume_gib * static_cast<double>(costs.volume_nano_usd_per_gib_month) / hours_of_month;
        out.other_costs.push_back(volumes);
    }
    for (const HourlyCostSpec& h : costs.hourly) {
        CompiledCost cost;
        cost.name = h.name;
        cost.nano_usd_per_hour = h.nano_usd_per_hour;
        out.other_costs.push_back(std::move(cost));
    }
    const double gb_per_token = costs.bytes_per_token / 1e9;
    if (costs.egress_nano_usd_per_gb > 0) {
        CompiledCost egress;
        egress.name = "egress";
        egress.nano_usd_per_output_token = gb_per_token * static_cast<double>(costs.egress_nano_usd_per_gb);
        out.other_costs.push_back(egress);
    }
    if (costs.cross_zone_nano_usd_per_gb > 0) {
        CompiledCost crossing;
        crossing.name = "cross-zone traffic";
        crossing.nano_usd_per_output_token = crossing.nano_usd_per_prompt_token =
            gb_per_token * costs.cross_zone_share * static_cast<double>(costs.cross_zone_nano_usd_per_gb);
        out.other_costs.push_back(crossing);
    }
}

}  // namespace windtunnel
