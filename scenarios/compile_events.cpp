#include "scenarios/compile_events.hpp"

#include <algorithm>

namespace windtunnel {

void compile_events(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                    BlueprintParts& parts, Problems& errors) {
    const std::vector<PoolSpec>& pools = scenario.cluster.pools;
    const auto node_event = [&](const ScenarioEvent& e, ClusterEventKind kind) {
        for (std::uint32_t p = 0; p < pools.size(); ++p)
            if (pools[p].name == e.target)
                parts.events.push_back({e.at, kind, {}, p, static_cast<std::uint32_t>(e.count), 0});
    };
    for (const ScenarioEvent& e : scenario.events) {
        switch (e.kind) {
            case EventKind::rollout:
                break;  // with its revision
            case EventKind::scale:
                for (std::uint32_t w = 0; w < objects.size(); ++w)
                    if (objects[w]->meta.title() == e.target)
                        parts.schedule.push_back({e.at, w, static_cast<std::uint32_t>(e.count)});
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
            case EventKind::no_capacity:
            case EventKind::no_metrics:
                errors.push_back({e.where, e.path,
                                  "this kind of event is not simulated, allowed: rollout, scale, lose_node, "
                                  "drain_node, add_node"});
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
            if (objects[w]->meta.name_space != budget.meta.name_space ||
                !budget.selector.matches(objects[w]->pod.labels))
                continue;
            plan.workloads[w / 64] |= std::uint64_t{1} << (w % 64);
            covers = true;
        }
        if (covers) parts.budgets.push_back(plan);
    }
}

}  // namespace windtunnel
