#include "scenarios/compile/compile_events.hpp"

#include "scenarios/compile/compile_server.hpp"

#include "scenarios/documents/suggest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <cmath>

namespace windtunnel {

namespace {

/// What the cloud has none of from `e.at` to the end of its duration: shapes of the pool it names, or of all.
void compile_shortage(const ScenarioEvent& e, const std::vector<PoolDraft>& pools, BlueprintParts& parts,
                      Problems& errors) {
    ShapeSet shapes;
    for (const PoolDraft& pool : pools)
        for (std::size_t i = 0; i < pool.shapes.size(); ++i) {
            const ShapeDraft& shape = pool.shapes[i];
            if ((e.target == "*" || pool.spec.name == e.target) && (!e.capacity || *e.capacity == shape.capacity) &&
                (e.zone.empty() || e.zone == shape.zone) &&
                (e.instance_type.empty() || e.instance_type == shape.instance_type))
                shapes.add(static_cast<std::int32_t>(pool.first_shape + i));
        }
    if (shapes.empty()) {
        errors.push_back({e.where, e.path, "names a capacity type, zone or instance type that the pool's nodes never have, allowed: "
                                           "those of its nodes"});
        return;
    }
    ClusterEventPlan plan;
    plan.at = e.at;
    plan.kind = ClusterEventKind::no_capacity;
    plan.target = static_cast<std::uint32_t>(parts.capacity_sets.size());
    plan.until = e.at + e.duration;
    parts.capacity_sets.push_back(shapes);
    parts.events.push_back(plan);
    plan.kind = ClusterEventKind::capacity_returns;
    plan.at = plan.until;
    parts.events.push_back(plan);
}

std::uint32_t share_of(double share) { return static_cast<std::uint32_t>(std::lround(share * share_one)); }
std::int32_t milli_of(double factor) { return static_cast<std::int32_t>(std::lround(factor * 1000)); }

/// How servers are ill; those of the workloads get a slower one each where that is a part of it. Returns its number.
std::uint32_t compile_illness(const ScenarioEvent& e, const std::vector<std::uint32_t>& workloads, BlueprintParts& parts,
                              Problems& errors) {
    const DegradeSpec& spec = e.degrade;
    const auto number = static_cast<std::uint32_t>(parts.degradations.size());
    DegradationPlan plan;
    plan.count = static_cast<std::uint32_t>(spec.count);
    plan.pod_share = share_of(spec.share);
    plan.error_share = share_of(spec.error_share);
    plan.wrong_share = share_of(spec.wrong_share);
    plan.output_milli = milli_of(spec.output_factor);
    plan.slowdown_milli = milli_of(spec.slowdown);
    if (plan.slowdown_milli != 1000) {
        plan.first_slow = static_cast<std::int32_t>(parts.slow_servers.size());
        std::vector<std::int32_t> slow(parts.servers.size(), -1);
        const auto slow_down = [&](std::int32_t server) {
            if (server < 0 || slow[static_cast<std::size_t>(server)] >= 0) return;
            slow[static_cast<std::size_t>(server)] = static_cast<std::int32_t>(parts.servers.size());
            parts.servers.push_back(slowed(parts.servers[static_cast<std::size_t>(server)], plan.slowdown_milli));
            const Tick longest = longest_step_of(parts.servers.back());
            if (longest > longest_step)
                errors.push_back({e.where, e.path + ".slowdown",
                                  fmt::format("makes a step of up to {:.0f} s, allowed: steps of at most {:.0f} s",
                                              to_seconds(longest), to_seconds(longest_step))});
        };
        for (const std::uint32_t w : workloads) {
            const WorkloadPlan& workload = parts.workloads[w];
            for (std::uint32_t t = workload.first_template; t < workload.first_template + workload.template_count; ++t) {
                slow_down(parts.templates[t].plan.server);
                for (const std::int32_t server : parts.templates[t].kind_servers) slow_down(server);
            }
        }
        parts.slow_servers.insert(parts.slow_servers.end(), slow.begin(), slow.end());
    }
    parts.degradations.push_back(plan);
    if (number == 253)
        errors.push_back({e.where, e.path, "is the 254th degradation, allowed: at most 253"});
    return number;
}

void compile_degradation(const ScenarioEvent& e, std::uint32_t w, BlueprintParts& parts, Problems& errors) {
    const std::uint32_t number = compile_illness(e, {w}, parts, errors);
    parts.events.push_back({e.at, ClusterEventKind::degrade, {}, w, 1, number});
    if (e.degrade.until) parts.events.push_back({*e.degrade.until, ClusterEventKind::recover, {}, w, 1, number});
}

/// The new revision of a rollout is ill.
void compile_bad_version(const ScenarioEvent& e, std::uint32_t w, BlueprintParts& parts, Problems& errors) {
    const std::uint32_t number = compile_illness(e, {w}, parts, errors);
    for (const ClusterEventPlan& plan : parts.events)
        if (plan.kind == ClusterEventKind::rollout && plan.target == w && plan.at == e.at)
            parts.templates[plan.revision].plan.degradation = static_cast<std::uint8_t>(number + 1);
}

/// Nodes of the pool that come up for a while have no usable CUDA: servers end, or run on the CPU.
void compile_driver_fault(const ScenarioEvent& e, const std::vector<PoolDraft>& pools, BlueprintParts& parts, Problems& errors) {
    ClusterEventPlan plan;
    plan.at = e.at;
    plan.kind = ClusterEventKind::driver_breaks;
    plan.until = e.at + e.duration;
    if (e.ill) {
        std::vector<std::uint32_t> all;
        for (std::uint32_t w = 0; w < parts.workloads.size(); ++w) all.push_back(w);
        plan.revision = compile_illness(e, all, parts, errors) + 1;
    }
    for (std::uint32_t p = 0; p < pools.size(); ++p) {
        if (pools[p].spec.name != e.target) continue;
        plan.target = p;
        parts.events.push_back(plan);
    }
}

/// All nodes of a zone die; for the event's duration the cloud has none there.
void compile_zone_loss(const ScenarioEvent& e, const std::vector<PoolDraft>& pools, BlueprintParts& parts, Problems& errors) {
    std::vector<std::string> zones;
    ClusterEventPlan plan;
    plan.at = e.at;
    plan.kind = ClusterEventKind::lose_zone;
    bool found = false;
    for (const PoolDraft& pool : pools)
        for (const ShapeDraft& shape : pool.shapes) {
            if (std::find(zones.begin(), zones.end(), shape.zone) == zones.end()) zones.push_back(shape.zone);
            if (shape.zone != e.target) continue;
            found = true;
            plan.target = shape.plan.zone;
        }
    if (!found) {
        errors.push_back({e.where, e.path,
                          fmt::format("found the zone \"{}\", where no pool has nodes{}, allowed: {}", e.target,
                                      did_you_mean(e.target, zones), fmt::join(zones, ", "))});
        return;
    }
    parts.events.push_back(plan);
    if (e.duration.count == 0) return;
    ScenarioEvent shortage = e;
    shortage.target = "*";
    shortage.zone = e.target;
    compile_shortage(shortage, pools, parts, errors);
}

/// A source gives a part of its bandwidth for a while.
void compile_slow_source(const ScenarioEvent& e, const ClusterSpec& cluster, BlueprintParts& parts) {
    for (std::uint32_t i = 0; i < cluster.sources.size(); ++i) {
        if (cluster.sources[i].name != e.target) continue;
        ClusterEventPlan plan;
        plan.at = e.at;
        plan.kind = ClusterEventKind::source_changes;
        plan.target = i;
        plan.value = std::llround(static_cast<double>(cluster.sources[i].bytes_per_second) * e.factor);
        parts.events.push_back(plan);
        plan.at = e.at + e.duration;
        plan.value = cluster.sources[i].bytes_per_second;
        parts.events.push_back(plan);
    }
}

}  // namespace

void compile_events(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                    const std::vector<PoolDraft>& pools, BlueprintParts& parts, Problems& errors) {
    const auto node_event = [&](const ScenarioEvent& e, ClusterEventKind kind) {
        for (std::uint32_t p = 0; p < pools.size(); ++p)
            if (pools[p].spec.name == e.target)
                parts.events.push_back({e.at, kind, {}, p, static_cast<std::uint32_t>(e.count), 0, {}});
    };
    for (const ScenarioEvent& e : scenario.events) {
        switch (e.kind) {
            case EventKind::rollout:  // with its revision
                for (std::uint32_t w = 0; w < objects.size() && e.ill; ++w)
                    if (objects[w]->meta.title() == e.target) compile_bad_version(e, w, parts, errors);
                break;
            case EventKind::slow_source:
                compile_slow_source(e, scenario.cluster, parts);
                break;
            case EventKind::lose_zone:
                compile_zone_loss(e, pools, parts, errors);
                break;
            case EventKind::lose_gpu:
                node_event(e, ClusterEventKind::lose_gpu);
                break;
            case EventKind::driver_fault:
                compile_driver_fault(e, pools, parts, errors);
                break;
            case EventKind::load_test:
                break;  // among the requests
            case EventKind::scale:
                for (std::uint32_t w = 0; w < objects.size(); ++w)
                    if (objects[w]->meta.title() == e.target)
                        parts.schedule.push_back({e.at, w, static_cast<std::uint32_t>(e.count)});
                break;
            case EventKind::interrupt_node:
                for (const PoolDraft& pool : pools)
                    if (pool.spec.name == e.target && std::none_of(pool.shapes.begin(), pool.shapes.end(), [](const ShapeDraft& s) { return s.plan.spot != 0; }))
                        errors.push_back({e.where, e.path + ".interrupt_node", fmt::format("found {}, which has no spot nodes, allowed: a pool with some", e.target)});
                node_event(e, ClusterEventKind::interrupt_node);
                break;
            case EventKind::lose_node:
                node_event(e, ClusterEventKind::lose_node);
                break;
            case EventKind::drain_node:
                node_event(e, ClusterEventKind::drain_node);
                break;
            case EventKind::add_node:
                node_event(e, ClusterEventKind::add_node);
                break;
            case EventKind::degrade:
                for (std::uint32_t w = 0; w < objects.size(); ++w)
                    if (objects[w]->meta.title() == e.target) compile_degradation(e, w, parts, errors);
                break;
            case EventKind::no_image:
                for (std::uint32_t w = 0; w < objects.size(); ++w) {
                    if (objects[w]->meta.title() != e.target) continue;
                    parts.events.push_back({e.at, ClusterEventKind::no_image, {}, w});
                    parts.events.push_back({e.at + e.duration, ClusterEventKind::image_returns, {}, w});
                }
                break;
            case EventKind::no_capacity:
                compile_shortage(e, pools, parts, errors);
                break;
            case EventKind::no_metrics:
                parts.outages.push_back({e.at, e.at + e.duration,
                                         e.target == "prometheus"       ? OutageKind::prometheus
                                         : e.target == "metrics-server" ? OutageKind::metrics_server
                                                                        : OutageKind::workload,
                                         {}, 0});
                for (std::uint32_t w = 0; w < objects.size(); ++w)
                    if (objects[w]->meta.title() == e.target) parts.outages.back().workload = w;
                break;
        }
    }
    std::stable_sort(parts.events.begin(), parts.events.end(),
                     [](const ClusterEventPlan& a, const ClusterEventPlan& b) { return a.at < b.at; });
}

void compile_budgets(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                     BlueprintParts& parts) {
    const auto count = [](const IntOrPercent& n) {
        return n.percent ? percent(static_cast<std::int32_t>(n.value))
                         : integer(static_cast<std::int32_t>(n.value));
    };
    for (const PodDisruptionBudget& budget : scenario.manifests.pod_disruption_budgets) {
        DisruptionBudgetPlan plan;
        if (budget.min_available) plan.spec.min_available = count(*budget.min_available);
        if (budget.max_unavailable) plan.spec.max_unavailable = count(*budget.max_unavailable);
        if (budget.always_allow_unhealthy) plan.unhealthy = UnhealthyEvictionPolicy::always_allow;
        bool covers = false;
        for (std::size_t w = 0; w < objects.size(); ++w) {
            if (!budget.covers(objects[w]->meta.name_space, objects[w]->pod.labels)) continue;
            plan.workloads[w / 64] |= std::uint64_t{1} << (w % 64);
            covers = true;
        }
        if (covers) parts.budgets.push_back(plan);
    }
}

}  // namespace windtunnel
