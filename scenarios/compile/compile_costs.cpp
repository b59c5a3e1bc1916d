#include "scenarios/compile/compile_costs.hpp"

#include "models/nearest_name.hpp"
#include "scenarios/documents/quantity.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

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

/// The one kind of node that a reservation is about.
struct ReservedShape {
    const PoolDraft* pool = nullptr;
    const ShapeDraft* draft = nullptr;
    std::size_t index = 0;  ///< in the blueprint
};

ReservedShape find_shape(const ReservationSpec& r, std::int32_t number, const std::vector<PoolDraft>& pools, Problems& errors) {
    std::vector<std::string> known, shapes;
    ReservedShape found;
    for (const PoolDraft& pool : pools) {
        known.push_back(pool.spec.name);
        if (pool.spec.name != r.pool) continue;
        // A NodePool that asks for the capacity type reserved has shapes of each reservation.
        const bool apart = std::any_of(pool.shapes.begin(), pool.shapes.end(), [&](const ShapeDraft& s) { return s.reservation == number; });
        for (std::size_t i = 0; i < pool.shapes.size(); ++i) {
            const ShapeDraft& shape = pool.shapes[i];
            if (shape.capacity != CapacityType::on_demand || shape.reservation != (apart ? number : -1)) continue;
            shapes.push_back(shape.instance_type + (shape.zone.empty() ? "" : " in " + shape.zone));
            if ((!r.zone.empty() && r.zone != shape.zone) || (!r.instance_type.empty() && r.instance_type != shape.instance_type)) continue;
            if (found.draft != nullptr) {
                errors.push_back({r.where, r.path, fmt::format("reserves nodes of {}, which has several kinds on demand, allowed: one of them, by zone and instance_type: {}", r.pool, spoken_list(shapes))});
                return {};
            }
            found = {&pool, &shape, pool.first_shape + i};
        }
    }
    if (found.draft == nullptr)
        errors.push_back({r.where, r.path + (shapes.empty() ? ".pool" : ""),
                          shapes.empty() ? fmt::format("found {}, which has no nodes on demand, allowed: a pool that has, of {}", r.pool, spoken_list(known))
                                         : fmt::format("names nodes that {} never has, allowed: {}", r.pool, spoken_list(shapes))});
    return found;
}

/// Seconds from the run's start; nothing where it is not said, or wrong, which is an error.
std::optional<double> seconds_of(const ReservationTime& time, const ReservationSpec& r, const char* name, const std::string& time_zone, const CompiledScenario& out, Problems& errors) {
    if (time.date.empty()) return time.at_s;
    const auto at = parse_wall_clock(time.date, time_zone);  // as start_time
    if (!at) {
        errors.push_back({r.where, r.path + "." + name, at.problems().front().message});
        return std::nullopt;
    }
    return static_cast<double>(*at - out.clock.start_unix_s);
}

/// How long before its end EC2 terminates a capacity block's instances, and how long before that Karpenter drains their nodes
/// (Amazon EC2 User Guide, Capacity Blocks for ML: 30 minutes, UltraServers 60; Karpenter documentation, capacity
/// reservations: 10 minutes) [from general knowledge, not re-read, 2026-11].
constexpr Tick aws_block_ends_before = seconds(1800), karpenter_block_drain = seconds(600);

/// When a reservation's places open and close, and what becomes of the nodes on them.
void schedule(const ReservationSpec& r, const ReservedShape& found, std::optional<double> from_s, std::optional<double> until_s, CloudKind cloud,
              CompiledScenario& out, Problems& errors) {
    ShapePlan& shape = out.parts.shapes[found.index];
    const Tick horizon = out.parts.span + out.parts.drain_limit;
    const auto ticks = [&](double s) { return from_seconds(std::clamp(s, -1e6, to_seconds(horizon) + 1e6)); };
    const auto event = [&](ClusterEventKind kind, Tick at, bool machines) {
        if (at >= horizon) return;
        ClusterEventPlan plan;
        plan.at = max(at, Tick{});
        plan.kind = kind;
        plan.target = static_cast<std::uint32_t>(found.index);
        plan.revision = machines ? 1 : 0;
        out.parts.events.push_back(plan);
    };
    if (from_s && *from_s > 0) {
        shape.reserved_late = 1;
        event(ClusterEventKind::reservation_opens, ticks(*from_s), false);
    }
    if (!until_s) return;
    Tick end = ticks(*until_s), drain{};
    if (r.block) {
        if (!r.nodes_end_before && cloud != CloudKind::aws) {
            errors.push_back({r.where, r.path + ".nodes_end_before_s", "found none, allowed: how many seconds before the block's end its machines go (on AWS 1800 by default)"});
            return;
        }
        end = end - r.nodes_end_before.value_or(aws_block_ends_before);
        drain = r.drain_before.value_or(found.pool->by_karpenter ? karpenter_block_drain : Tick{});
    }
    if (end <= Tick{} || (from_s && end <= ticks(*from_s))) shape.reserved_late = 1;
    if (end <= Tick{}) return;
    if (r.block && end < out.parts.span)
        out.warnings.push_back({r.where, r.path, fmt::format("is a block whose machines go {:.0f} s into the run, {}{}: what runs on them then {}", to_seconds(end),
                                                             *until_s > to_seconds(end) ? fmt::format("{:.0f} s before it ends", *until_s - to_seconds(end)) : std::string("when it ends"),
                                                             drain > Tick{} ? fmt::format(", drained {:.0f} s before", to_seconds(drain)) : std::string(),
                                                             drain > Tick{} ? "has to find another node" : "is lost")});
    if (drain > Tick{}) event(ClusterEventKind::reservation_closes, end - drain, true);
    event(ClusterEventKind::reservation_ends, end, r.block);
}

/// Nodes of one shape that are kept for the pool, billed in a row of their own, and paid for whether they are used or not.
void reserve(const Scenario& scenario, std::size_t number, const std::vector<PoolDraft>& pools, CompiledScenario& out, Problems& errors) {
    const ReservationSpec& r = scenario.cluster.reservations[number];
    const ReservedShape found = find_shape(r, static_cast<std::int32_t>(number), pools, errors);
    if (found.draft == nullptr) return;
    if (found.pool->spec.never_reserved) {
        errors.push_back({r.where, r.path + ".pool", fmt::format("reserves nodes of {}, whose manifest takes none of a reservation (reservationAffinity NO_RESERVATION), allowed: a pool that does (ANY_RESERVATION or SPECIFIC_RESERVATION)", r.pool)});
        return;
    }
    ShapePlan& shape = out.parts.shapes[found.index];
    if (shape.reserved > 0) {
        errors.push_back({r.where, r.path, fmt::format("reserves nodes of {} that are reserved already, allowed: once", r.pool)});
        return;
    }
    const std::size_t before = errors.size();
    const auto from = seconds_of(r.from, r, "start", scenario.time_zone, out, errors), until = seconds_of(r.until, r, "end", scenario.time_zone, out, errors);
    if (errors.size() > before) return;
    if (from && until && *until <= *from) {
        errors.push_back({r.where, r.path + ".end", "is not after the reservation's start, allowed: a later time"});
        return;
    }
    const double span_s = to_seconds(out.parts.span);
    if ((until && *until <= 0) || (from && *from >= span_s))
        out.warnings.push_back({r.where, r.path, fmt::format("is a reservation that {}: it costs nothing here and gives no nodes", until && *until <= 0 ? "ends before the run begins" : "begins after the run's span")});
    shape.reserved = static_cast<std::uint32_t>(r.nodes);
    shape.reserved_only = found.draft->reservation >= 0 || found.pool->spec.only_reserved || r.block ? 1 : 0;
    shape.reserved_absorbs = shape.reserved_only ? 0 : 1;
    schedule(r, found, from, until, scenario.cluster.cloud, out, errors);

    // Where the bill's nodes are all of this reservation, the row is the reservation's.
    const auto shapes = std::count_if(out.parts.shapes.begin(), out.parts.shapes.end(), [&](const ShapePlan& s) { return s.bill == shape.bill; });
    const bool alone = shapes == 1 && shape.reserved_only && (r.block || !until);
    if (alone && shape.committed > 0) {
        errors.push_back({r.where, r.path, fmt::format("reserves all nodes of {}, to which costs.committed commits besides, allowed: one of them (usd_per_hour is what a reserved node costs)", r.pool)});
        return;
    }
    CompiledPool row = out.pools[shape.bill];
    CompiledPool& bought = out.pools[shape.bill];
    row.capacity_type = "reserved";
    row.reserved = true;
    row.instance_type = found.draft->instance_type;
    row.zone = found.draft->zone;
    row.gpus_per_node = shape.gpus;
    row.minimum = row.maximum = row.committed_nodes = r.nodes;
    row.committed_nano_usd_per_hour = r.nano_usd_per_hour.value_or(shape.nano_usd_per_hour);
    if (r.nano_usd_upfront && from && until)
        row.committed_nano_usd_per_hour = std::llround(static_cast<double>(*r.nano_usd_upfront) / r.nodes / ((*until - *from) / 3600));
    row.nano_usd_per_hour = row.committed_nano_usd_per_hour;
    if (from) row.paid_from = from_seconds(std::clamp(*from, 0.0, span_s));
    if (until) row.paid_until = from_seconds(std::clamp(*until, 0.0, span_s));
    if (alone) {
        shape.reserved_bill = shape.bill;
        bought = row;
        return;
    }
    if (!from && !until) {  // it is always there: the others are bought
        bought.minimum = std::max<std::int64_t>(0, bought.minimum - r.nodes);
        if (!bought.by_karpenter) bought.maximum = std::max<std::int64_t>(bought.minimum, bought.maximum - r.nodes);
    }
    shape.reserved_bill = static_cast<std::uint32_t>(out.pools.size());
    out.pools.push_back(std::move(row));
}

/// Reservations of one pool and type in several zones are rows of their own, which their zones tell apart.
void tell_zones_apart(CompiledScenario& out) {
    std::vector<std::size_t> alike;
    for (std::size_t i = 0; i < out.pools.size(); ++i)
        for (std::size_t j = 0; j < out.pools.size(); ++j) {
            const CompiledPool &one = out.pools[i], &other = out.pools[j];
            if (i != j && one.reserved && other.reserved && one.name == other.name && one.instance_type == other.instance_type && one.zone != other.zone) {
                alike.push_back(i);
                break;
            }
        }
    for (const std::size_t i : alike) out.pools[i].instance_type += " in " + out.pools[i].zone;
}

/// Nodes that the cloud ends by itself would change a run that is longer.
void check_longest_runs(const std::vector<PoolDraft>& pools, const CompiledScenario& out, Problems& errors) {
    for (const PoolDraft& pool : pools)
        if (pool.spec.longest_run && *pool.spec.longest_run < out.parts.span + out.parts.drain_limit)
            errors.push_back({pool.spec.where, pool.spec.path, fmt::format("ends its nodes after {:.0f} s (maxRunDuration), which would change the result and is not simulated, allowed: a run that is shorter, or nodes without that end",
                                                                           to_seconds(*pool.spec.longest_run))});
}

/// Pools whose manifests let them use nothing but a reservation have none beyond it.
void check_only_reserved(const Scenario& scenario, const std::vector<PoolDraft>& pools, CompiledScenario& out, Problems& errors) {
    for (const PoolDraft& pool : pools) {
        if (!pool.spec.only_reserved) continue;
        const auto& all = scenario.cluster.reservations;
        if (std::none_of(all.begin(), all.end(), [&](const ReservationSpec& r) { return r.pool == pool.spec.name; }))
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
        reserve(scenario, c, pools, out, errors);
    tell_zones_apart(out);
    if (out.pools.size() > max_pools)
        errors.push_back({{scenario.file, 0, 0}, "cluster.reservations", fmt::format("found {} pools, spot, reserved and on demand apart, allowed: at most {}", out.pools.size(), max_pools)});
    check_only_reserved(scenario, pools, out, errors);
    check_longest_runs(pools, out, errors);
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
