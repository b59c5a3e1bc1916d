#include "scenarios/compile/compile_costs.hpp"

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

/// Nodes of one shape that are kept for the pool, and paid for whether they are used or not.
void reserve(const CommitmentSpec& c, std::int32_t number, const std::vector<PoolDraft>& pools, CompiledScenario& out, Problems& errors) {
    std::vector<std::string> known, shapes;
    const ShapeDraft* found = nullptr;
    std::size_t index = 0;
    bool only_reserved = false;
    for (const PoolDraft& pool : pools) {
        known.push_back(pool.spec.name);
        if (pool.spec.name != c.pool) continue;
        // A NodePool that asks for the capacity type reserved has shapes of each reservation.
        const bool apart = std::any_of(pool.shapes.begin(), pool.shapes.end(), [&](const ShapeDraft& s) { return s.reservation == number; });
        for (std::size_t i = 0; i < pool.shapes.size(); ++i) {
            const ShapeDraft& shape = pool.shapes[i];
            if (shape.capacity != CapacityType::on_demand || shape.reservation != (apart ? number : -1)) continue;
            shapes.push_back(shape.instance_type + (shape.zone.empty() ? "" : " in " + shape.zone));
            if ((!c.zone.empty() && c.zone != shape.zone) ||
                (!c.instance_type.empty() && c.instance_type != shape.instance_type))
                continue;
            if (found != nullptr) {
                errors.push_back({c.where, c.path, fmt::format("reserves nodes of {}, which has several kinds on demand, allowed: one of them, by zone and instance_type: {}", c.pool, spoken_list(shapes))});
                return;
            }
            found = &shape;
            only_reserved = pool.spec.only_reserved;
            index = pool.first_shape + i;
        }
    }
    if (found == nullptr) {
        errors.push_back({c.where, c.path + (shapes.empty() ? ".pool" : ""),
                          shapes.empty() ? fmt::format("found {}, which has no nodes on demand, allowed: a pool that has, of {}", c.pool, spoken_list(known))
                                         : fmt::format("names nodes that {} never has, allowed: {}", c.pool, spoken_list(shapes))});
        return;
    }
    ShapePlan& shape = out.parts.shapes[index];
    CompiledPool& bill = out.pools[shape.bill];
    if (shape.reserved > 0 || shape.committed > 0) {
        errors.push_back({c.where, c.path, fmt::format("reserves nodes of {} that are reserved or committed already, allowed: once", c.pool)});
        return;
    }
    const std::int64_t price = c.reserved_nano_usd_per_hour.value_or(shape.nano_usd_per_hour);
    const std::int64_t all = bill.committed_nodes * bill.committed_nano_usd_per_hour + c.nodes * price;
    shape.reserved = static_cast<std::uint32_t>(c.nodes);
    shape.reserved_only = found->reservation >= 0 || only_reserved ? 1 : 0;
    bill.committed_nodes += c.nodes;
    bill.committed_nano_usd_per_hour = all / bill.committed_nodes;
}

/// Pools whose manifests let them use nothing but a reservation have none beyond it.
void check_only_reserved(const Scenario& scenario, const std::vector<PoolDraft>& pools, CompiledScenario& out, Problems& errors) {
    for (const PoolDraft& pool : pools) {
        if (!pool.spec.only_reserved) continue;
        const auto& all = scenario.cluster.reservations;
        if (std::none_of(all.begin(), all.end(), [&](const CommitmentSpec& c) { return c.pool == pool.spec.name; }))
            errors.push_back({pool.spec.where, pool.spec.path, fmt::format("takes its nodes from a reservation alone, and the scenario says of none how large it is, allowed: cluster.reservations: [{{pool: {}, nodes: N}}]", pool.spec.name)});
        for (std::size_t i = 0; i < pool.shapes.size(); ++i) out.parts.shapes[pool.first_shape + i].reserved_only = 1;
    }
}

void limit(const CloudQuotaSpec& q, const std::vector<PoolDraft>& pools, CompiledScenario& out, Problems& errors) {
    CloudQuotaPlan plan;
    plan.limit = q.vcpus ? *q.vcpus : q.gpus.value_or(0);
    plan.of_gpus = q.gpus ? 1 : 0;
    std::vector<std::string> known;
    for (const PoolDraft& pool : pools)
        for (std::size_t i = 0; i < pool.shapes.size(); ++i) {
            const ShapeDraft& shape = pool.shapes[i];
            if (std::find(known.begin(), known.end(), shape.instance_type) == known.end()) known.push_back(shape.instance_type);
            const auto begins = [&](const std::string& type) { return shape.instance_type.starts_with(type); };
            if ((!q.types.empty() && std::none_of(q.types.begin(), q.types.end(), begins)) ||
                (!q.gpu.empty() && q.gpu != shape.gpu) || (q.capacity && *q.capacity != shape.capacity))
                continue;
            plan.shapes.add(static_cast<std::int32_t>(pool.first_shape + i));
        }
    if (plan.shapes.empty()) {
        errors.push_back({q.where, q.path, fmt::format("limits nodes that no pool has, allowed: types, gpu and capacity_type of {}", spoken_list(known))});
        return;
    }
    out.parts.cloud_quotas.push_back(plan);
    out.cloud_quotas.push_back(q.name);
}

}  // namespace

void compile_costs(const Scenario& scenario, const std::vector<PoolDraft>& pools, CompiledScenario& out, Problems& errors) {
    const CostSpec& costs = scenario.cluster.costs;
    if (costs.per_hour)
        for (ShapePlan& shape : out.parts.shapes) shape.billing_unit = seconds(3600);
    for (const CommitmentSpec& c : costs.commitments) commit(c, out, errors);
    for (const CloudQuotaSpec& q : scenario.cluster.quotas) limit(q, pools, out, errors);
    for (std::size_t c = 0; c < scenario.cluster.reservations.size(); ++c)
        reserve(scenario.cluster.reservations[c], static_cast<std::int32_t>(c), pools, out, errors);
    check_only_reserved(scenario, pools, out, errors);
    if (costs.volume_gib > 0) {
        CompiledCost volumes;
        volumes.name = "volumes";
        volumes.shares = CostShares::nodes;
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
    if (costs.balancer_nano_usd_per_hour > 0) {
        CompiledCost balancer;
        balancer.name = "load balancer";
        balancer.shares = CostShares::tokens;
        balancer.nano_usd_per_hour = costs.balancer_nano_usd_per_hour;
        balancer.nano_usd_per_output_token = balancer.nano_usd_per_prompt_token =
            gb_per_token * static_cast<double>(costs.balancer_nano_usd_per_gb);
        out.other_costs.push_back(std::move(balancer));
    }
    if (costs.egress_nano_usd_per_gb > 0) {
        CompiledCost egress;
        egress.name = "egress";
        egress.shares = CostShares::output_tokens;
        egress.nano_usd_per_output_token = gb_per_token * static_cast<double>(costs.egress_nano_usd_per_gb);
        out.other_costs.push_back(egress);
    }
    if (costs.cross_zone_nano_usd_per_gb > 0) {
        CompiledCost crossing;
        crossing.name = "cross-zone traffic";
        crossing.shares = CostShares::tokens;
        crossing.nano_usd_per_output_token = crossing.nano_usd_per_prompt_token =
            gb_per_token * costs.cross_zone_share * static_cast<double>(costs.cross_zone_nano_usd_per_gb);
        out.other_costs.push_back(crossing);
    }
}

}  // namespace windtunnel
