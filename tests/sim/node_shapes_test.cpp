#include "tests/support/node_lab.hpp"

#include <algorithm>

using namespace windtunnel;
using namespace windtunnel::lab;

namespace {

/// Two zones with two instance types each: shapes (zone 0, type 0), (0, 1), (1, 0), (1, 1); type 1 is dearer.
std::vector<ShapePlan> two_zones(std::int64_t gpus = 1) {
    std::vector<ShapePlan> shapes;
    for (std::uint32_t zone = 0; zone < 2; ++zone)
        for (std::int32_t type = 0; type < 2; ++type) {
            ShapePlan shape = gpu_nodes(gpus, 2 + 2 * type);
            shape.zone = zone;
            shape.type = shape.family = type;
            shapes.push_back(shape);
        }
    return shapes;
}

BlueprintParts growing(std::uint32_t pods, Tick at = seconds(103)) {
    BlueprintParts parts = up_and_down(pods, seconds(2 * 3600));
    parts.templates[0].plan.shapes = ShapeSet::first(4);
    parts.workloads[0].initial_replicas = 0;
    parts.schedule = {{at, 0, pods}};
    return parts;
}

ShapeSet set_of(std::initializer_list<std::int32_t> shapes) {
    ShapeSet set;
    for (const std::int32_t i : shapes) set.add(i);
    return set;
}

/// The shapes of the nodes that were asked for after t = 0, with their times.
std::vector<NodeChange> asked(const NodeLog& log) {
    std::vector<NodeChange> found;
    for (const NodeChange& c : log.changes)
        if (c.state == NodeState::provisioning && c.at > 0) found.push_back(c);
    return found;
}

/// Pods of one GPU for a NodePool that may buy spot (shape 0, 1 USD/h) and on demand (shape 1, 4 USD/h).
BlueprintParts spot_first() {
    BlueprintParts parts = growing(2);
    parts.templates[0].plan.shapes = ShapeSet::first(2);
    PoolPlan pool;
    pool.node_slots = 8;
    pool.provisioner = Provisioner::karpenter;
    pool.karpenter = 0;
    std::vector<ShapePlan> shapes{gpu_nodes(1, 1), gpu_nodes(1, 4)};
    shapes[0].spot = 1;
    shapes[0].kind = OfferingKind::spot;
    parts.add(pool, shapes);
    parts.karpenter_pools = {KarpenterPoolPlan{}};
    parts.karpenter_pools[0].consolidate_after = never;
    return parts;
}
/// A dear node of two GPUs for two pods; from 1000 s on one pod is left, which a cheaper node would hold.
BlueprintParts one_pod_left_on_two_gpus() {
    BlueprintParts parts = spot_first();
    parts.shapes[1] = gpu_nodes(2, 4);
    parts.shapes[1].type = 1;
    parts.shapes[0] = gpu_nodes(1, 3);
    parts.shapes[0].kind = OfferingKind::on_demand;
    parts.workloads[0].initial_replicas = 2;
    parts.templates[0].plan.needs = resource_amounts(1, 1000, 1000, 1);
    parts.schedule = {{seconds(1000), 0, 1}};
    parts.karpenter_pools[0].consolidate_after = Tick{};
    KarpenterBudgetPlan all;
    all.budget.nodes = percent(100);
    parts.karpenter_budgets = {all};
    parts.karpenter_pools[0].budget_count = 1;
    return parts;
}

}  // namespace

TEST_CASE("node group: nodes go to the emptiest zone, as the first instance type that can be had") {
    Runs runs;
    BlueprintParts parts = growing(4);
    PoolPlan pool;
    pool.node_slots = 8;
    parts.add(pool, two_zones());
    (void)runs.run(parts);
    std::vector<std::uint32_t> shapes;
    for (const NodeChange& c : asked(*runs.log)) shapes.push_back(c.shape);
    CHECK(shapes == std::vector<std::uint32_t>{0, 2, 0, 2});
    // Without the first type in zone 0 the second stands in; without zone 1 all are in zone 0.
    sell_out(parts, set_of({0}), seconds(50), seconds(500));
    (void)runs.run(parts);
    shapes.clear();
    for (const NodeChange& c : asked(*runs.log)) shapes.push_back(c.shape);
    CHECK(shapes == std::vector<std::uint32_t>{1, 2, 1, 2});
    parts.capacity_sets = {set_of({2, 3})};
    (void)runs.run(parts);
    shapes.clear();
    for (const NodeChange& c : asked(*runs.log)) shapes.push_back(c.shape);
    CHECK(shapes == std::vector<std::uint32_t>{0, 0, 0, 0});
}

TEST_CASE("node group: a distribution buys its base on demand and rounds the share above up") {
    Runs runs;
    BlueprintParts parts = growing(5);
    parts.templates[0].plan.shapes = ShapeSet::first(2);
    PoolPlan pool;
    pool.node_slots = 8;
    pool.on_demand_base = 1;
    pool.on_demand_percent = 50;
    std::vector<ShapePlan> shapes{gpu_nodes(1, 4), gpu_nodes(1, 1)};
    shapes[1].spot = 1;
    shapes[1].bill = 1;
    parts.add(pool, shapes);
    const TrialOutcome outcome = runs.run(parts);
    // Of five nodes the first is the base; of the other four half.
    CHECK(outcome.tally.pools[0].nodes.value == 3);
    CHECK(outcome.tally.pools[1].nodes.value == 2);
    CHECK(outcome.tally.pools[0].price.value == 12'000'000'000);
}

TEST_CASE("cluster autoscaler: zones as groups have bounds of their own and are balanced where the pool says so") {
    Runs runs;
    BlueprintParts parts = growing(4);
    PoolPlan pool;
    pool.node_slots = 8;
    pool.zone_groups = 1;
    pool.group_maximum = 3;
    parts.add(pool, two_zones());
    (void)runs.run(parts);
    // One option is taken per iteration, and it is one zone: three nodes there, the fourth in the other.
    std::vector<int> zones(2);
    std::vector<NodeChange> nodes = asked(*runs.log);
    REQUIRE(nodes.size() == 4);
    for (const NodeChange& c : nodes) ++zones[c.shape / 2];
    CHECK(*std::max_element(zones.begin(), zones.end()) == 3);
    CHECK(nodes[2].at == nodes[0].at);
    CHECK(nodes[3].at > nodes[2].at);
    parts.pools[0].balances = 1;
    (void)runs.run(parts);
    nodes = asked(*runs.log);
    zones = {0, 0};
    for (const NodeChange& c : nodes) ++zones[c.shape / 2];
    CHECK(zones == std::vector<int>{2, 2});
}

TEST_CASE("cluster autoscaler: a stock-out backs the group off for 5 min, then for 10") {
    Runs runs;
    BlueprintParts parts = growing(1);
    parts.templates[0].plan.shapes = ShapeSet::first(1);
    PoolPlan pool;
    pool.node_slots = 2;
    parts.add(pool, gpu_nodes(1, 4));
    sell_out(parts, set_of({0}), Tick{}, seconds(1000));
    (void)runs.run(parts);
    // The pod comes at 103 s and is helped at 113.02 s: nothing to be had, the group rests until 413.02 s, `until`
    // included. The next scan tries again and fails: 600 s. The capacity is back at 1000 s, but the group rests.
    const std::vector<NodeChange> nodes = asked(*runs.log);
    REQUIRE(nodes.size() == 1);
    CHECK(nodes[0].at > 413 + 600);
    CHECK(nodes[0].at < 413 + 600 + 2 * 10 + 5);
}

TEST_CASE("cluster autoscaler: nodes that do not come within 15 min are given up") {
    Runs runs;
    BlueprintParts parts = growing(1);
    parts.templates[0].plan.shapes = ShapeSet::first(1);
    PoolPlan pool;
    pool.node_slots = 2;
    ShapePlan slow = gpu_nodes(1, 4);
    slow.provisioning = seconds(1000);
    parts.add(pool, slow);
    (void)runs.run(parts);
    const std::vector<double> gone = runs.log->times(NodeState::none);
    REQUIRE(gone.size() >= 2);
    CHECK(gone[0] > 113 + 900);
    CHECK(gone[0] < 113 + 900 + 25);
    CHECK(runs.log->times(NodeState::ready).empty());
    const std::vector<NodeChange> nodes = asked(*runs.log);
    CHECK(nodes[1].at > gone[0] + 300);  // and the group has rested
    CHECK(nodes[1].at < gone[0] + 300 + 25);
}

TEST_CASE("karpenter: without spot capacity it marks the offering for 3 min and buys on demand at the next batch") {
    Runs runs;
    BlueprintParts parts = spot_first();
    parts.workloads[0].pod_slots = 16;
    parts.schedule = {{seconds(103), 0, 1}, {seconds(260), 0, 2}, {seconds(300), 0, 3}};
    sell_out(parts, set_of({0}), seconds(100), seconds(250));
    (void)runs.run(parts);
    const std::vector<NodeChange> nodes = asked(*runs.log);
    REQUIRE(nodes.size() == 3);
    // The batch closes at 104 s; the launch fails; the next batch a second later has no spot to plan with.
    CHECK(nodes[0].at == Approx(105.0));
    CHECK(nodes[0].shape == 1);
    // Spot is back at 250 s, but marked until 284 s.
    CHECK(nodes[1].at == Approx(261.0));
    CHECK(nodes[1].shape == 1);
    CHECK(nodes[2].at == Approx(301.0));
    CHECK(nodes[2].shape == 0);
}

TEST_CASE("karpenter: it launches by the spot prices in force, not by the list's") {
    // By the list type 0 is the cheaper (1 and 2 USD), by the record type 1 (3 and 2 USD). Which of them is deep at a
    // launch is a coin each, so that the cheaper one is launched three times of four.
    Runs runs;
    BlueprintParts parts = spot_first();
    parts.shapes[1] = gpu_nodes(1, 2);
    parts.shapes[1].spot = 1;
    parts.shapes[1].type = 1;
    parts.shapes[1].kind = OfferingKind::spot;
    parts.pools[0].node_slots = 16;
    parts.workloads[0].pod_slots = 32;
    parts.schedule.clear();
    for (std::uint32_t i = 1; i <= 12; ++i) parts.schedule.push_back({seconds(100 * i), 0, i});
    const auto launched_as = [&](std::uint32_t shape) {
        (void)runs.run(parts);
        const std::vector<NodeChange> nodes = asked(*runs.log);
        CHECK(nodes.size() == 12);
        return std::count_if(nodes.begin(), nodes.end(), [&](const NodeChange& c) { return c.shape == shape; });
    };
    const auto by_list = launched_as(0);
    CHECK(by_list > 6);
    SpotMarketPlan market;
    market.notice = seconds(120);
    market.price_count = 1;
    parts.spot_markets = {market, market};
    parts.spot_markets[1].entity = parts.spot_markets[1].first_price = 1;
    parts.spot_prices = {{Tick{}, 3'000'000'000}, {Tick{}, 2'000'000'000}};
    parts.shapes[0].market = 0;
    parts.shapes[1].market = 1;
    CHECK(launched_as(1) > 6);
    // A reservation comes before anything on spot, and is there when the cloud has nothing else.
    parts.shapes[1] = gpu_nodes(1, 4);
    parts.shapes[1].type = 1;
    parts.shapes[1].reserved = 2;
    sell_out(parts, set_of({1}), seconds(1), seconds(7000));
    CHECK(launched_as(1) == 2);
    CHECK(asked(*runs.log)[0].shape == 1);
    CHECK(asked(*runs.log)[1].shape == 1);
}

TEST_CASE("node group: a quota of the cloud stops launches, of vCPUs over all that it limits") {
    Runs runs;
    BlueprintParts parts = growing(4);
    PoolPlan pool;
    pool.node_slots = 8;
    parts.add(pool, two_zones());
    CHECK(runs.run(parts).tally.nodes.most == 4);
    // Nodes of 8 vCPUs: 20 vCPUs are two of them, wherever they stand.
    CloudQuotaPlan quota;
    quota.shapes = set_of({0, 1, 2, 3});
    quota.limit = 20;
    parts.cloud_quotas = {quota};
    CHECK(runs.run(parts).tally.nodes.most == 2);
    parts.cloud_quotas[0].of_gpus = 1;
    parts.cloud_quotas[0].limit = 3;
    CHECK(runs.run(parts).tally.nodes.most == 3);
    // A quota of the cheaper type alone: the dearer fills up what is missing.
    parts.cloud_quotas[0].shapes = set_of({0, 2});
    parts.cloud_quotas[0].limit = 1;
    CHECK(runs.run(parts).tally.nodes.most == 4);
}

TEST_CASE("scheduler: a pod goes to the node that it prefers, though the other is as empty") {
    Runs runs;
    for (const std::uint32_t wanted : {0u, 1u}) {
        BlueprintParts parts = growing(1);
        parts.templates[0].plan.shapes = ShapeSet::first(2);
        for (const std::int64_t price : {1, 4}) {
            PoolPlan pool;
            pool.node_slots = pool.initial = 1;
            parts.add(pool, gpu_nodes(1, price));
        }
        parts.shapes[1].bill = 1;
        parts.templates[0].wishes.resize(2);
        parts.templates[0].wishes[wanted].preference = 10;
        // cluster-autoscaler removes the node that stayed empty.
        const TrialOutcome outcome = runs.run(parts);
        CHECK(outcome.tally.pools[wanted].nodes.value == 1);
        CHECK(outcome.tally.pools[1 - wanted].nodes.value == 0);
        // A PreferNoSchedule taint that it does not tolerate weighs 3 to the preference's 2.
        parts.templates[0].wishes[wanted].soft_taints = 1;
        CHECK(runs.run(parts).tally.pools[wanted].nodes.value == 0);
    }
}

TEST_CASE("karpenter: preferred node affinity is required until nothing meets it") {
    Runs runs;
    BlueprintParts parts = spot_first();
    parts.templates[0].wishes = {{0, 0}, {1, 0}};  // on demand, which is dearer
    parts.templates[0].plan.unmarked = ShapeSet::first(2);
    parts.templates[0].preferred_terms = {set_of({1})};
    (void)runs.run(parts);
    REQUIRE(asked(*runs.log).size() == 2);
    CHECK(asked(*runs.log)[0].shape == 1);
    CHECK(asked(*runs.log)[1].shape == 1);
    // The pod's requirements allow no such node: the preference is dropped within the same batch.
    parts.templates[0].plan.shapes = set_of({0});
    (void)runs.run(parts);
    REQUIRE(asked(*runs.log).size() == 2);
    CHECK(asked(*runs.log)[0].shape == 0);
    CHECK(asked(*runs.log)[0].at == Approx(104.0));
}

TEST_CASE("karpenter: what pods ask for softly is given up one after the other") {
    Runs runs;
    const auto shapes_asked = [&](const BlueprintParts& parts) {
        (void)runs.run(parts);
        std::vector<std::uint32_t> shapes;
        for (const NodeChange& c : asked(*runs.log)) shapes.push_back(c.shape);
        return shapes;
    };
    // Of two OR-ed required terms only the first counts until nothing meets it: the second would be the cheaper.
    BlueprintParts parts = spot_first();
    parts.templates[0].required_terms = {set_of({1}), set_of({0})};
    CHECK(shapes_asked(parts) == std::vector<std::uint32_t>{1, 1});
    parts.templates[0].required_terms = {ShapeSet{}, set_of({1})};
    CHECK(shapes_asked(parts) == std::vector<std::uint32_t>{1, 1});
    // Two preferences: the heavier is given up for want of such nodes, the lighter still holds.
    parts.templates[0].required_terms.clear();
    parts.templates[0].wishes = {{0, 0}, {1, 0}};
    parts.templates[0].plan.unmarked = ShapeSet::first(2);
    parts.templates[0].preferred_terms = {ShapeSet{}, set_of({1})};
    CHECK(shapes_asked(parts) == std::vector<std::uint32_t>{1, 1});
    // A PreferNoSchedule taint is tolerated last: it would have kept pods from the dearer shape, and the preference for
    // that shape goes first.
    parts.templates[0].wishes = {{0, 0}, {1, 1}};
    parts.templates[0].plan.unmarked = set_of({0});
    parts.templates[0].preferred_terms = {set_of({1})};
    CHECK(shapes_asked(parts) == std::vector<std::uint32_t>{0, 0});
    parts.templates[0].plan.shapes = set_of({1});
    CHECK(shapes_asked(parts) == std::vector<std::uint32_t>{1, 1});
}

TEST_CASE("karpenter: pods that prefer to be apart get a node each, as long as one may be bought") {
    Runs runs;
    BlueprintParts parts = spot_first();
    parts.shapes[0] = parts.shapes[1] = gpu_nodes(2, 4);  // room for both pods
    parts.shapes[1].type = 1;
    TopologyCounterPlan counter;
    counter.key = topology_hostname;
    counter.shapes = ShapeSet::first(2);
    parts.counters = {counter};
    parts.templates[0].counted_by = {0};
    parts.templates[0].plan.needs = resource_amounts(1, 1000, 1000, 1);
    (void)runs.run(parts);
    CHECK(asked(*runs.log).size() == 1);
    parts.templates[0].affinity = {{0, topology_hostname, -100, AffinityKind::preferred, 1}};
    (void)runs.run(parts);
    CHECK(asked(*runs.log).size() == 2);
    // The term of another's pods, seen from this one, is none that Karpenter plans for.
    parts.templates[0].affinity[0].own = 0;
    (void)runs.run(parts);
    CHECK(asked(*runs.log).size() == 1);
    // Its pool may have one node: the preference is given up within the batch.
    parts.templates[0].affinity[0].own = 1;
    parts.karpenter_pools[0].node_limit = 1;
    (void)runs.run(parts);
    CHECK(asked(*runs.log).size() == 1);
}

TEST_CASE("karpenter: a claim without a node after 15 min is deleted and its pods are planned again") {
    Runs runs;
    BlueprintParts parts = spot_first();
    for (ShapePlan& shape : parts.shapes) shape.provisioning = seconds(1000);
    parts.schedule = {{seconds(103), 0, 1}};
    (void)runs.run(parts);
    const std::vector<NodeChange> nodes = asked(*runs.log);
    REQUIRE(nodes.size() >= 2);
    CHECK(nodes[0].at == Approx(104.0));
    CHECK(runs.log->times(NodeState::none)[0] == Approx(1004.0));
    CHECK(nodes[1].at == Approx(1005.0));
}

TEST_CASE("karpenter: pods that are not to be disrupted hold an expired node until its grace period ends") {
    Runs runs;
    BlueprintParts parts = spot_first();
    parts.schedule.clear();
    parts.workloads[0].initial_replicas = 1;
    parts.karpenter_pools[0].expire_after = seconds(3000);
    parts.templates[0].plan.grace = seconds(30);
    parts.templates[0].plan.do_not_disrupt = 1;
    CHECK(runs.run(parts).tally.evictions == 0);
    // For ever: only the node that was asked for in its place expires in its turn.
    const std::uint32_t held = runs.log->changes.at(0).node;
    for (const NodeChange& c : runs.log->changes) CHECK((c.state != NodeState::none || c.node != held));
    parts.karpenter_pools[0].termination_grace = seconds(600);
    (void)runs.run(parts);
    // Deleted at 3000 s (a poll of 10 s), the pod 30 s before 3600 s; it ends at once and the node goes.
    REQUIRE(runs.log->times(NodeState::none).size() >= 1);
    CHECK(runs.log->times(NodeState::none)[0] == Approx(3570).margin(12));
    // The pod of the node that is being deleted is part of the next batch (9.3.1): its new node is asked for one second
    // after the poll that deleted the old one, not when the pod is gone.
    REQUIRE(asked(*runs.log).size() >= 1);
    CHECK(asked(*runs.log)[0].at == Approx(3006).margin(6));
}

TEST_CASE("karpenter: a replacement that takes longer than a command is retried leaves the old node as it was") {
    Runs runs;
    BlueprintParts parts = one_pod_left_on_two_gpus();
    parts.shapes[0].provisioning = seconds(700);  // the cheaper node takes this long to come
    parts.templates[0].plan.shapes = ShapeSet::first(2);
    (void)runs.run(parts);
    const std::vector<double> tainted = runs.log->times(NodeState::cordoned);
    REQUIRE(tainted.size() >= 1);
    // 600 s later, at a poll of 10 s, the taint is taken away and nothing was drained.
    const std::vector<double> ready = runs.log->times(NodeState::ready);
    CHECK(std::any_of(ready.begin(), ready.end(), [&](double at) { return at >= tainted[0] + 600 && at <= tainted[0] + 610.1; }));
    const std::vector<double> gone = runs.log->times(NodeState::none);
    CHECK((gone.empty() || gone[0] > tainted[0] + 610));
    // One that comes in time takes its place.
    parts.shapes[0].provisioning = seconds(500);
    CHECK(runs.run(parts).tally.pools[0].price.value == 3'000'000'000);
}

TEST_CASE("karpenter: a disruption budget for pods that allows nothing keeps their node from consolidation") {
    Runs runs;
    BlueprintParts parts = one_pod_left_on_two_gpus();
    parts.templates[0].plan.shapes = set_of({1});
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 1);
    parts.templates[0].plan.shapes = ShapeSet::first(2);
    CHECK(runs.run(parts).tally.pools[0].price.value == 3'000'000'000);
    parts.budgets = {holds_all()};
    CHECK(runs.run(parts).tally.pools[0].price.value > 3'000'000'000);
}

TEST_CASE("kinds of GPU: the server follows the node, and where the model does not run the pod restarts for ever") {
    Runs runs;
    BlueprintParts parts = growing(2, seconds(10));
    parts.templates[0].plan.shapes = ShapeSet::first(2);
    parts.templates[0].stages = {{-1, 0, {}, seconds(5)}};
    parts.templates[0].kind_servers = {0, no_fit_server};
    PoolPlan pool;
    pool.node_slots = pool.initial = 1;
    pool.provisioner = Provisioner::fixed;
    ShapePlan good = gpu_nodes(1, 4), bad = gpu_nodes(1, 4);
    bad.gpu_kind = 1;
    parts.add(pool, good);
    parts.add(pool, bad);
    const TrialOutcome outcome = runs.run(parts);
    CHECK(outcome.tally.ready_replicas.value == 1);
    // 5 s of start; restarts after 0, 10, 20, 40, 80, 160, 300, 300 ... s: about thirty in two hours.
    CHECK(outcome.tally.container_restarts > 20);
    CHECK(outcome.tally.container_restarts < 40);
}
