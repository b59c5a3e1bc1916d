#include "tests/support/node_lab.hpp"
#include "tests/support/three_ways.hpp"

#include <random>

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

void sell_out(BlueprintParts& parts, const ShapeSet& shapes, Tick from, Tick to) {
    const auto set = static_cast<std::uint32_t>(parts.capacity_sets.size());
    parts.capacity_sets.push_back(shapes);
    parts.events.push_back({from, ClusterEventKind::no_capacity, {}, set, 1, 0, to});
    parts.events.push_back({to, ClusterEventKind::capacity_returns, {}, set, 1, 0, to});
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
    parts.templates[0].plan.preferred = set_of({1});
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
    DisruptionBudgetPlan budget;
    budget.spec.max_unavailable = integer(0);
    budget.workloads[0] = 1;
    parts.budgets = {budget};
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

namespace {

/// Two workloads on three pools of several shapes, in seconds: Karpenter, cluster-autoscaler and fixed ones.
BlueprintParts random_shapes(std::uint64_t seed, std::vector<Request>& requests) {
    std::mt19937_64 rng(seed * 91);
    const auto pick = [&](std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(high - low + 1));
    };
    BlueprintParts parts;
    parts.span = seconds(pick(1500, 5000));
    parts.drain_limit = seconds(100);
    parts.job_capacity = 256;
    for (int i = 0; i < 2; ++i) {
        ServerParts s;
        s.max_num_seqs = 4 * (i + 1);
        s.max_num_batched_tokens = 64;
        s.max_model_len = 4096;
        s.usable_blocks = 256 + 100 * i;
        s.cost.decode_step.assign(static_cast<std::size_t>(s.max_num_seqs) + 1, milliseconds(pick(20, 200)));
        s.cost.mixed_step.assign(65, milliseconds(pick(50, 300)));
        s.cost.attention = {{0, Tick{}, 0}};
        parts.servers.push_back(s);
    }
    const std::uint32_t pools = static_cast<std::uint32_t>(pick(1, 3));
    std::int32_t shapes = 0, karpenter = 0;
    for (std::uint32_t p = 0; p < pools; ++p) {
        PoolPlan pool;
        pool.node_slots = static_cast<std::uint32_t>(pick(2, 10));
        pool.provisioner = static_cast<Provisioner>(pick(p == 0 ? 1 : 0, 2));
        pool.choice = static_cast<ShapeChoice>(pick(0, 2));
        pool.zone_groups = static_cast<std::uint8_t>(pick(0, 1));
        pool.balances = static_cast<std::uint8_t>(pick(0, 1));
        pool.group_maximum = static_cast<std::uint32_t>(pick(1, 6));
        pool.on_demand_base = static_cast<std::uint32_t>(pick(0, 2));
        pool.on_demand_percent = static_cast<std::uint32_t>(pick(0, 4) * 25);
        if (pool.provisioner == Provisioner::fixed) pool.initial = static_cast<std::uint32_t>(pick(0, pool.node_slots));
        std::vector<ShapePlan> of_pool;
        const std::int64_t zones = pick(1, 3), types = pick(1, 3);
        for (std::int64_t zone = 0; zone < zones; ++zone)
            for (std::int64_t type = 0; type < types; ++type) {
                ShapePlan shape = gpu_nodes(std::int64_t{1} << type, pick(1, 9));
                shape.zone = static_cast<std::uint32_t>(zone);
                shape.type = shape.family = static_cast<std::int32_t>(type);
                shape.gpu_kind = static_cast<std::uint32_t>(pick(0, 1));
                shape.spot = static_cast<std::uint8_t>(pick(0, 1));
                shape.kind = shape.spot ? OfferingKind::spot : OfferingKind::on_demand;
                shape.bill = p;
                shape.provisioning = seconds(pick(0, 9) == 0 ? 1000 : pick(10, 200));
                shape.minimum_billing = seconds(pick(0, 60));
                of_pool.push_back(shape);
            }
        shapes += static_cast<std::int32_t>(of_pool.size());
        if (pool.provisioner == Provisioner::karpenter) {
            pool.karpenter = karpenter++;
            KarpenterPoolPlan plan;
            plan.pool = p;
            plan.consolidate_after = seconds(pick(0, 120));
            if (pick(0, 3) == 0) plan.expire_after = seconds(pick(300, 1500));
            if (pick(0, 2) == 0) plan.termination_grace = seconds(pick(30, 300));
            if (pick(0, 1)) {
                plan.limited = 1u << resource_gpus;
                plan.limits[resource_gpus] = pick(2, 12);
            }
            if (pick(0, 3) == 0) plan.node_limit = pick(1, 5);
            plan.only_when_empty = static_cast<std::uint8_t>(pick(0, 1));
            KarpenterBudgetPlan budget;
            budget.budget.nodes = percent(static_cast<std::int32_t>(pick(0, 100)));
            plan.first_budget = static_cast<std::uint32_t>(parts.karpenter_budgets.size());
            plan.budget_count = 1;
            parts.karpenter_budgets.push_back(budget);
            parts.karpenter_pools.push_back(plan);
        }
        parts.add(pool, of_pool);
    }
    // Some pods spread over zones or shun each other on a host: a counter of each for each workload.
    for (const ShapePlan& shape : parts.shapes) parts.shape_domains.push_back(static_cast<std::int32_t>(shape.zone));
    parts.topology_domains = {3};
    parts.zone_key = 1;
    std::mt19937_64 rules(seed * 92);
    for (std::uint32_t w = 0; w < 2; ++w) {
        TopologyCounterPlan by_host, by_zone;
        by_host.shapes = by_zone.shapes = ShapeSet::first(shapes);
        by_zone.key = 1;
        by_zone.counts_terminating = false;
        parts.counters.push_back(by_host);
        parts.counters.push_back(by_zone);
    }
    for (std::uint32_t w = 0; w < 2; ++w) {
        WorkloadPlan workload;
        workload.pod_slots = 24;
        workload.initial_replicas = static_cast<std::uint32_t>(pick(0, 4));
        workload.hold = static_cast<std::uint8_t>(pick(0, 1));
        TemplateParts pods;
        pods.plan.server = 0;
        pods.kind_servers = {0, pick(0, 5) == 0 ? no_fit_server : 1};
        pods.plan.needs = resource_amounts(pick(1, 2), pick(100, 4000), pick(1000, 30'000), 1);
        for (std::int32_t i = 0; i < shapes; ++i)
            if (pick(0, 3) != 0) pods.plan.shapes.add(i);
        pods.plan.grace = seconds(pick(0, 60));
        pods.plan.drains = static_cast<std::uint8_t>(pick(0, 1));
        pods.plan.do_not_disrupt = static_cast<std::uint8_t>(pick(0, 4) == 0);
        pods.stages = {{-1, 1, {}, seconds(pick(1, 60))}, {-1, 0, {}, seconds(pick(1, 60))}};
        pods.counted_by = {2 * w, 2 * w + 1};
        if (rules() % 3 == 0) pods.affinity = {{static_cast<std::int32_t>(2 * w), topology_hostname, 0, AffinityKind::anti}};
        if (rules() % 3 == 0)
            pods.spread = {{static_cast<std::int32_t>(2 * w + 1), 1, static_cast<std::int32_t>(1 + rules() % 2), 1, true, true}};
        pods.plan.blocks_removal = rules() % 8 == 0 ? 1 : 0;
        parts.add(workload, pods);
        for (std::int64_t n = pick(1, 12); n > 0; --n)
            parts.schedule.push_back({Tick{pick(0, parts.span.count)}, w, static_cast<std::uint32_t>(pick(0, 8))});
    }
    std::sort(parts.schedule.begin(), parts.schedule.end(),
              [](const ScheduledScale& a, const ScheduledScale& b) { return a.at < b.at; });
    parts.workload_of_model = {0, 1};
    for (std::int64_t n = pick(0, 3); n > 0; --n) {
        ShapeSet sold;
        for (std::int32_t i = 0; i < shapes; ++i)
            if (pick(0, 1)) sold.add(i);
        const Tick from{pick(0, parts.span.count)};
        sell_out(parts, sold, from, from + seconds(pick(1, 1500)));
    }
    for (std::int64_t n = pick(0, 2); n > 0; --n)
        parts.events.push_back({Tick{pick(0, parts.span.count)},
                                pick(0, 1) ? ClusterEventKind::lose_node : ClusterEventKind::drain_node,
                                {},
                                static_cast<std::uint32_t>(pick(0, pools - 1)),
                                1,
                                0,
                                {}});
    std::stable_sort(parts.events.begin(), parts.events.end(),
                     [](const ClusterEventPlan& a, const ClusterEventPlan& b) { return a.at < b.at; });
    if (pick(0, 1)) {
        DisruptionBudgetPlan budget;
        budget.spec.max_unavailable = integer(static_cast<std::int32_t>(pick(0, 2)));
        budget.workloads[0] = static_cast<std::uint64_t>(pick(1, 3));
        parts.budgets.push_back(budget);
    }
    parts.cold = pick(0, 3) == 0;
    requests.clear();
    for (int i = 0; i < 150; ++i) {
        Request r;
        r.arrival = Tick{pick(0, parts.span.count - 1)};
        r.prompt_tokens = static_cast<std::uint32_t>(pick(1, 500));
        r.output_tokens = static_cast<std::uint32_t>(pick(1, 300));
        r.model = static_cast<std::uint16_t>(pick(0, 1));
        requests.push_back(r);
    }
    std::sort(requests.begin(), requests.end(), [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
    return parts;
}

}  // namespace

TEST_CASE("random pools of several shapes: fast = stepwise = interleaved, the laws and the limits hold") {
    const std::uint64_t trials = std::getenv("WINDTUNNEL_LONG") ? 5000 : 150;
    std::uint64_t completed = 0, launched = 0, dropped = 0;
    for (std::uint64_t seed = 1; seed <= trials; ++seed) {
        INFO("seed " << seed);
        std::vector<Request> requests;
        const BlueprintParts parts = random_shapes(seed, requests);
        const TrialOutcome one = lab::run_three_ways(parts, requests, {seed, 1});
        completed += one.tally.requests.completed;
        for (const PoolTally& pool : one.tally.pools) {
            launched += pool.launched;
            dropped += pool.launched - static_cast<std::uint64_t>(pool.nodes.value);
        }
    }
    CHECK(completed > 1000);
    CHECK(launched > 500);
    CHECK(dropped > 200);
}
