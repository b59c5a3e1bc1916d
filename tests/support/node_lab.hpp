#pragma once
#include "sim/laws.hpp"
#include "tests/support/random_cluster.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

/// Clusters of pods to which nobody sends a request, for what their nodes do, and a log of it.
namespace windtunnel::lab {

struct NodeChange {
    std::uint32_t node;
    NodeState state;
    std::uint32_t shape;
    double at;
};

/// The laws, and every change of a node.
struct NodeLog : LawObserver {
    using LawObserver::LawObserver;
    void node_changed(std::uint32_t n, const ClusterNode& node, Tick now) override {
        LawObserver::node_changed(n, node, now);
        changes.push_back({n, node.state, node.shape, to_seconds(now)});
    }
    [[nodiscard]] std::vector<double> times(NodeState state) const {
        std::vector<double> found;
        for (const NodeChange& c : changes)
            if (c.state == state && c.at > 0) found.push_back(c.at);
        return found;
    }
    std::vector<NodeChange> changes;
};

inline ShapePlan gpu_nodes(std::int64_t gpus, std::int64_t price) {
    ShapePlan shape;
    shape.gpus = gpus;
    shape.capacity = shape.allocatable = resource_amounts(gpus, 8000 * gpus, 64'000 * gpus, 110);
    shape.nano_usd_per_hour = price * 1'000'000'000;
    shape.provisioning = seconds(60);
    return shape;
}

/// One Deployment of one-GPU pods: 1 replica, at 103 s `most`, at 1000 s 1 again.
inline BlueprintParts up_and_down(std::uint32_t most, Tick span) {
    BlueprintParts parts;
    parts.span = span;
    WorkloadPlan workload;
    workload.pod_slots = 2 * most;
    workload.initial_replicas = 1;
    TemplateParts pods;
    pods.plan.server = 0;
    parts.servers = {plain_server()};
    pods.plan.needs = resource_amounts(1, 1000, 1000, 1);
    pods.plan.shapes = ShapeSet::first(2);
    parts.add(workload, pods);
    parts.schedule = {{seconds(103), 0, most}, {seconds(1000), 0, 1}};
    return parts;
}

/// A budget that lets no pod of the first workload go.
inline DisruptionBudgetPlan holds_all() {
    DisruptionBudgetPlan budget;
    budget.spec.max_unavailable = integer(0);
    budget.workloads[0] = 1;
    return budget;
}
/// kubectl gives up at 100 s, as two budgets cover the pods, and leaves a node cordoned; its pods end at 200 s.
inline void leave_cordoned(BlueprintParts& parts) {
    parts.schedule = {{seconds(200), 0, 0}};
    parts.events = {{seconds(100), ClusterEventKind::drain_node, {}, 0, 1, 0, {}}};
    parts.budgets = {holds_all(), holds_all()};
}

template <class Layout = ContiguousLayout>
TrialOutcome run_logged(const BlueprintParts& parts, NodeLog*& log,
                        std::vector<std::unique_ptr<NodeLog>>& keep, std::vector<BlueprintBlock>& blocks) {
    blocks.push_back(build(parts));
    const Blueprint& b = blocks.back().blueprint();
    keep.push_back(std::make_unique<NodeLog>(b));
    log = keep.back().get();
    TrialArena arena;
    const TrialOutcome outcome =
        run_trial<Layout, ArenaBank<Layout>>(b, WorkloadView{}, TrialKey{7, 0}, arena, *log);
    CHECK(log->broken == std::vector<std::string>{});
    CHECK(broken_laws(b, outcome) == std::vector<std::string>{});
    return outcome;
}

struct Runs {
    std::vector<std::unique_ptr<NodeLog>> logs;
    std::vector<BlueprintBlock> blocks;
    NodeLog* log = nullptr;
    template <class Layout = ContiguousLayout>
    TrialOutcome run(const BlueprintParts& parts) {
        return run_logged<Layout>(parts, log, logs, blocks);
    }
};

/// The cloud gives no such nodes for a while.
inline void sell_out(BlueprintParts& parts, const ShapeSet& shapes, Tick from, Tick to) {
    const auto set = static_cast<std::uint32_t>(parts.capacity_sets.size());
    parts.capacity_sets.push_back(shapes);
    parts.events.push_back({from, ClusterEventKind::no_capacity, {}, set, 1, 0, to});
    parts.events.push_back({to, ClusterEventKind::capacity_returns, {}, set, 1, 0, to});
}

}  // namespace windtunnel::lab
