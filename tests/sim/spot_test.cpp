#include "tests/support/node_lab.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;
using namespace windtunnel::lab;

namespace {

/// A Deployment of `replicas` pods of one GPU, which take 30 s to start, on a fixed pool of spot nodes at 3.6 USD an
/// hour (a micro-USD a millisecond); `extra` nodes stand empty.
struct SpotCase {
    BlueprintParts parts;

    explicit SpotCase(std::uint32_t replicas, std::uint32_t extra = 0) {
        parts.span = seconds(3600);
        parts.drain_limit = seconds(60);
        parts.servers = {plain_server()};
        WorkloadPlan w;
        w.pod_slots = 4 * replicas;
        w.initial_replicas = replicas;
        TemplateParts pods;
        pods.plan.server = 0;
        pods.plan.needs = resource_amounts(1, 1000, 1000, 1);
        pods.plan.shapes = ShapeSet::first(1);
        pods.plan.grace = seconds(60);
        pods.plan.pre_stop = seconds(50);
        pods.stages = {{-1, 0, {}, seconds(30)}};
        parts.add(w, pods);
        PoolPlan pool;
        pool.provisioner = Provisioner::fixed;
        pool.node_slots = replicas + extra + 2;
        pool.initial = pool.minimum = replicas + extra;
        pool.refills = 1;
        ShapePlan shape = gpu_nodes(1, 0);
        shape.nano_usd_per_hour = 3'600'000'000;
        shape.spot = 1;
        shape.market = 0;
        parts.add(pool, shape);
        SpotMarketPlan market;
        market.notice = seconds(120);
        parts.spot_markets = {market};
    }
    SpotMarketPlan& market() { return parts.spot_markets[0]; }
    void interrupt(Tick at, std::uint32_t count = 1) {
        ClusterEventPlan e;
        e.at = at;
        e.kind = ClusterEventKind::interrupt_node;
        e.count = count;
        parts.events.push_back(e);
    }
    [[nodiscard]] static double node_seconds(const TrialOutcome& o) {
        return o.tally.pools[0].nodes.ticks.to_double() / static_cast<double>(ticks_per_second);
    }
};

double usd(const PoolTally& pool) {
    WideSum price = pool.price.ticks;
    price.subtract(pool.refund);
    return price.to_double() / static_cast<double>(ticks_per_second) / 3600 / 1e9;
}

}  // namespace

TEST_CASE("spot: a drained node's pod ends in peace and starts elsewhere, the machine is rented until it is taken") {
    SpotCase c(1, 1);
    c.interrupt(seconds(1000));
    Runs runs;
    const TrialOutcome o = runs.run(c.parts);
    CHECK(o.tally.spot_evictions == 1);
    CHECK(o.tally.evictions == 1);
    // 0: two nodes. 1000: notice, drain; its pod gone at 1050, the node stays. 1120: taken; the group asks for another,
    // which is there at 1180.
    CHECK(runs.log->times(NodeState::draining) == std::vector<double>{1000});
    CHECK(runs.log->times(NodeState::lost) == std::vector<double>{1120});
    CHECK(runs.log->times(NodeState::none) == std::vector<double>{1120});
    CHECK(runs.log->times(NodeState::provisioning) == std::vector<double>{1120});
    CHECK(runs.log->times(NodeState::ready) == std::vector<double>{1180});
    CHECK(SpotCase::node_seconds(o) == Approx(2 * 3600));  // one goes when the next is asked for
    CHECK(usd(o.tally.pools[0]) == Approx(7.2));
}

TEST_CASE("spot: nobody handles the notice: the cluster finds out 50 s after the machine is gone, and pays to its end only") {
    SpotCase c(1);
    c.market().handler = SpotHandler::none;
    c.parts.pools[0].refills = 0;
    c.interrupt(seconds(1000));
    Runs runs;
    const TrialOutcome o = runs.run(c.parts);
    CHECK(o.tally.evictions == 0);
    const auto gone = runs.log->times(NodeState::none);
    CHECK(runs.log->times(NodeState::lost) == std::vector<double>{1120});
    REQUIRE(gone.size() == 1);
    // Last renewal up to 10 s before, 50 s of grace, a look every 5 s; then the collector, 60 s.
    CHECK(gone[0] > 1120 + 40 + 60);
    CHECK(gone[0] <= 1120 + 55 + 60);
    CHECK(SpotCase::node_seconds(o) == Approx(1120));
    CHECK(usd(o.tally.pools[0]) == Approx(1.12));
}

TEST_CASE("spot: the kubelet's shutdown asks no budget and cuts the grace to the notice") {
    SpotCase c(1, 1);
    c.market().handler = SpotHandler::shutdown;
    c.market().notice = seconds(30);
    DisruptionBudgetPlan budget;
    budget.spec.min_available = integer(1);
    budget.workloads[0] = 1;
    c.parts.budgets = {budget};
    c.interrupt(seconds(1000));
    Runs runs;
    const TrialOutcome o = runs.run(c.parts);
    CHECK(o.tally.evictions == 0);
    CHECK(o.tally.evictions_refused == 0);
    CHECK(runs.log->times(NodeState::none) == std::vector<double>{1030});
    c.market().handler = SpotHandler::evictions;
    const TrialOutcome held = runs.run(c.parts);
    CHECK(held.tally.evictions_refused == 7);  // at 1000, 1005, ... 1030, when it is taken
}

TEST_CASE("spot: a machine that is taken too soon costs nothing, one that is not costs to the second") {
    SpotCase c(1);
    c.market().free_before = seconds(1500);
    c.interrupt(seconds(1000));
    Runs runs;
    TrialOutcome o = runs.run(c.parts);
    // Taken at 1120, before 1500: free. Its successor from 1120 to 3600.
    CHECK(usd(o.tally.pools[0]) == Approx(2.48));
    c.market().free_before = seconds(1100);
    o = runs.run(c.parts);
    CHECK(usd(o.tally.pools[0]) == Approx(3.6));
}

TEST_CASE("spot: the price in force is what is paid, and what nodes were used for adds up to it") {
    SpotCase c(1, 1);
    c.parts.spot_prices = {{Tick{}, 1'000'000'000}, {seconds(600), 3'000'000'000}, {seconds(1800), 500'000'000}};
    c.market().price_count = 3;
    Runs runs;
    const TrialOutcome o = runs.run(c.parts);  // checks law L8
    // 2 nodes x (600 s at 1, 1200 at 3, 1800 at 0.5) = 2 x (1/6 + 1 + 1/4).
    CHECK(usd(o.tally.pools[0]) == Approx(2 * (1.0 / 6 + 1 + 0.25)));
}

TEST_CASE("spot: recorded nodes come and go to the tick, with what is on them") {
    SpotCase c(2);
    c.parts.pools[0].initial = c.parts.pools[0].minimum = 0;
    c.parts.pools[0].refills = 0;
    c.parts.pools[0].node_slots = 8;
    c.parts.spot_lives = {{Tick{}, seconds(1000)}, {Tick{}, seconds(30)}, {seconds(500), never}, {seconds(900), seconds(950)}};
    c.market().life_count = 4;
    for (const SpotHandler handler : {SpotHandler::evictions, SpotHandler::shutdown, SpotHandler::none}) {
        c.market().handler = handler;
        Runs runs;
        const TrialOutcome o = runs.run(c.parts);
        CHECK(SpotCase::node_seconds(o) == Approx(1000 + 30 + 3100 + 50));
        CHECK(o.tally.pools[0].launched == 4);
        CHECK(o.tally.spot_evictions == 3);
        CHECK(runs.log->times(NodeState::lost) == std::vector<double>{30, 950, 1000});
        CHECK(runs.log->times(NodeState::ready) == std::vector<double>{500, 900});
    }
}

TEST_CASE("spot: where capacity ends nodes are told in time, and the group gets none until there is some again") {
    SpotCase c(2);
    // Recorded: 2 until 1000, 1 until 2000. Compiled with 120 s of foresight.
    c.parts.spot_capacities = {{Tick{}, 2, 0}, {seconds(880), 1, 0}, {seconds(2000), 2, 0}};
    c.market().capacity_count = 3;
    Runs runs;
    const TrialOutcome o = runs.run(c.parts);
    CHECK(o.tally.spot_evictions == 1);
    CHECK(runs.log->times(NodeState::draining) == std::vector<double>{880});
    CHECK(runs.log->times(NodeState::none) == std::vector<double>{1000});
    // It asks at 1000, 1060, ... and gets one at 2020.
    CHECK(runs.log->times(NodeState::provisioning) == std::vector<double>{2020});
    CHECK(SpotCase::node_seconds(o) == Approx(3600 + 1000 + 1580));
}

TEST_CASE("spot: a recommendation brings the replacement first, and the node is drained when it is Ready") {
    SpotCase c(1);
    c.parts.tables = {constant_table(seconds(1000).count)};
    c.market().lifetime_table = 0;
    c.market().rebalance_lead = seconds(300);
    c.market().replaces_early = 1;
    Runs runs;
    const TrialOutcome o = runs.run(c.parts);
    // 700: recommendation, a node is asked for; 760: it is Ready, the old one is drained, its pod ends at 810 and the
    // node goes. The second one is recommended at 700 + 700 and so on.
    CHECK(o.tally.spot_evictions == 0);
    CHECK(o.tally.rebalance_recommendations == 4);
    CHECK(runs.log->times(NodeState::draining) == std::vector<double>{760, 1460, 2160, 2860});
    CHECK(runs.log->times(NodeState::none) == std::vector<double>{810, 1510, 2210, 2910});
}

TEST_CASE("spot: a reclaim takes its share of a market's nodes, the same ones whatever the policy") {
    SpotCase c(40);
    c.parts.tables = {constant_table(seconds(1000).count)};
    c.market().reclaim_gap_table = 0;
    c.market().reclaim_share = spot_share_one / 4;
    c.parts.pools[0].refills = 0;
    Runs runs;
    const TrialOutcome drained = runs.run(c.parts);
    const auto first = runs.log->times(NodeState::draining);
    // 40 nodes at 1000, 2000 and 3000 s, a quarter each: 10, 7.5, 5.6.
    CHECK(drained.tally.spot_evictions >= 13);
    CHECK(drained.tally.spot_evictions <= 34);
    c.market().handler = SpotHandler::none;
    const TrialOutcome left = runs.run(c.parts);
    CHECK(left.tally.spot_evictions == drained.tally.spot_evictions);
    CHECK(std::count(first.begin(), first.end(), 1000.0) > 3);
}

TEST_CASE("spot: lanes of a batch and the trial alone give the same") {
    SpotCase c(6, 2);
    c.parts.tables = {exponential_table(static_cast<double>(seconds(3600).count)), exponential_table(static_cast<double>(seconds(900).count))};
    c.market().exponential_table = 0;
    for (std::uint32_t& rate : c.market().hourly_rate) rate = 1'500'000;
    c.market().plenty_table = c.market().drought_table = 1;
    c.market().drought_share = spot_share_one / 2;
    c.market().free_before = seconds(1200);
    Runs runs;
    const TrialOutcome one = runs.run<ContiguousLayout>(c.parts);
    const TrialOutcome lanes = runs.run<InterleavedLayout>(c.parts);
    CHECK(one.tally.spot_evictions > 3);
    CHECK(one.tally.spot_evictions == lanes.tally.spot_evictions);
    CHECK(one.tally.pools[0] == lanes.tally.pools[0]);
    CHECK(one.node_use == lanes.node_use);
}

TEST_CASE("billing: a life is rounded up to the minimum and to whole hours, committed nodes are counted apart") {
    SpotCase c(1);
    c.parts.pools[0].refills = 0;
    c.market().handler = SpotHandler::none;
    c.interrupt(seconds(1000));
    c.parts.shapes[0].billing_unit = seconds(3600);
    Runs runs;
    TrialOutcome o = runs.run(c.parts);
    // Gone at 1120 s: an hour is paid, when the machine ends and not when its object does.
    CHECK(o.tally.pools[0].minimum_extra.to_double() == Approx(static_cast<double>(seconds(2480).count)));
    c.parts.shapes[0].billing_unit = Tick{};
    c.parts.shapes[0].minimum_billing = seconds(1500);
    o = runs.run(c.parts);
    CHECK(o.tally.pools[0].minimum_extra.to_double() == Approx(static_cast<double>(seconds(380).count)));
    SpotCase two(2);
    two.parts.shapes[0].committed = 1;
    o = runs.run(two.parts);
    CHECK(o.tally.pools[0].covered.ticks.to_double() == Approx(static_cast<double>(seconds(3600).count)));
}

namespace {

/// Two replicas of one GPU come after 100 s; two zones, of which the second has one reserved node.
BlueprintParts with_reservation() {
    BlueprintParts parts;
    parts.span = seconds(3600);
    parts.drain_limit = seconds(60);
    parts.servers = {plain_server()};
    WorkloadPlan w;
    w.pod_slots = 4;
    w.initial_replicas = 0;
    TemplateParts pods;
    pods.plan.server = 0;
    pods.plan.needs = resource_amounts(1, 1000, 1000, 1);
    pods.plan.shapes = ShapeSet::first(2);
    parts.add(w, pods);
    PoolPlan pool;
    pool.node_slots = 4;
    ShapePlan here = gpu_nodes(1, 0), there = gpu_nodes(1, 0);
    there.zone = 1;
    here.nano_usd_per_hour = there.nano_usd_per_hour = 1000;
    there.reserved = 1;
    there.reserved_bill = 1;
    parts.add(pool, std::vector<ShapePlan>{here, there});
    parts.schedule = {{seconds(100), 0, 2}};
    return parts;
}
ClusterEventPlan of_reservation(ClusterEventKind kind, Tick at, bool machines = false) {
    ClusterEventPlan e;
    e.at = at;
    e.kind = kind;
    e.target = 1;  // the shape
    e.revision = machines ? 1 : 0;
    return e;
}
double ticks_of(const TimeIntegral& integral) { return integral.ticks.to_double() / static_cast<double>(ticks_per_second); }

}  // namespace

TEST_CASE("reservations: reserved nodes are there when the cloud has none, are used first, and are billed apart") {
    BlueprintParts parts = with_reservation();
    Runs runs;
    TrialOutcome o = runs.run(parts);
    // One of the two nodes is the reserved one, for as long as it is there.
    CHECK(o.tally.nodes.most == 2);
    CHECK(o.tally.pools[0].nodes.most == 1);
    CHECK(o.tally.pools[1].nodes.most == 1);
    CHECK(o.tally.pools[1].launched == 1);
    CHECK(ticks_of(o.tally.pools[0].nodes) == Approx(ticks_of(o.tally.pools[1].nodes)));
    // The cloud has nothing from the start: the reserved node comes all the same, the other does not.
    ClusterEventPlan none;
    none.kind = ClusterEventKind::no_capacity;
    none.target = 0;
    none.until = seconds(3600);
    parts.capacity_sets = {ShapeSet::first(2)};
    parts.events = {none};
    o = runs.run(parts);
    CHECK(o.tally.pools[0].nodes.most == 0);
    CHECK(o.tally.pools[1].nodes.most == 1);
}

TEST_CASE("reservations: one that opens later takes in a node that is there, one that ends gives it back to on demand") {
    BlueprintParts parts = with_reservation();
    parts.shapes[1].reserved_late = parts.shapes[1].reserved_absorbs = 1;
    parts.events = {of_reservation(ClusterEventKind::reservation_opens, seconds(1000)),
                    of_reservation(ClusterEventKind::reservation_ends, seconds(3000))};
    Runs runs;
    TrialOutcome o = runs.run(parts);
    const double all = ticks_of(o.tally.nodes);
    CHECK(o.tally.nodes.most == 2);
    CHECK(ticks_of(o.tally.pools[1].nodes) == Approx(2000));
    CHECK(ticks_of(o.tally.pools[0].nodes) == Approx(all - 2000));
    CHECK(o.tally.pools[1].launched == 0);
    // Without that it stays on demand, and nobody is in the reservation.
    parts.shapes[1].reserved_absorbs = 0;
    o = runs.run(parts);
    CHECK(ticks_of(o.tally.pools[1].nodes) == 0);
    CHECK(ticks_of(o.tally.nodes) == Approx(all));
}

TEST_CASE("reservations: a pool has no nodes of one that has not begun, whatever it starts with") {
    BlueprintParts parts = with_reservation();
    parts.pools[0].initial = 3;
    parts.shapes[1].reserved_late = parts.shapes[1].reserved_only = 1;
    parts.shapes[1].bill = 1;
    Runs runs;
    TrialOutcome o = runs.run(parts);
    CHECK(o.tally.pools[1].nodes.most == 0);
    CHECK(o.tally.pools[0].nodes.most == 3);  // in the zone that has no reservation
    parts.shapes[1].reserved_late = 0;
    o = runs.run(parts);
    CHECK(o.tally.pools[1].nodes.most == 1);
    CHECK(o.tally.pools[0].nodes.most == 2);
}

TEST_CASE("reservations: the machines of a capacity block go at its end, drained before where somebody drains") {
    BlueprintParts parts = with_reservation();
    parts.shapes[1].reserved_only = 1;
    Runs runs;
    const double came_at = 3600 - ticks_of(runs.run(parts).tally.pools[1].nodes);  // without an end it stays to the span's
    parts.events = {of_reservation(ClusterEventKind::reservation_ends, seconds(2000), true)};
    TrialOutcome o = runs.run(parts);
    // The machine is billed to 2,000 s and no longer; it dies with its pod. The shape has none afterwards.
    CHECK(o.tally.pools[1].launched == 1);
    CHECK(o.tally.pools[1].nodes.most == 1);
    CHECK(ticks_of(o.tally.pools[1].nodes) == Approx(2000 - came_at));
    CHECK(o.tally.pools[0].nodes.most == 2);  // its pod's successor gets a node on demand
    // Drained 600 s before, the node goes with its last pod.
    parts.events.insert(parts.events.begin(), of_reservation(ClusterEventKind::reservation_closes, seconds(1400), true));
    const TrialOutcome drained = runs.run(parts);
    CHECK(ticks_of(drained.tally.pools[1].nodes) < ticks_of(o.tally.pools[1].nodes) - 500);
    CHECK(drained.tally.evictions >= 1);
}

TEST_CASE("spot: from its notice on a machine's GPU time is counted, with what was noticed and taken, by pool") {
    SpotCase c(1);
    c.interrupt(seconds(1000));
    Runs runs;
    const TrialOutcome o = runs.run(c.parts);
    CHECK(o.tally.pools[0].noticed == 1);
    CHECK(o.tally.pools[0].taken == 1);
    // From 1,000 to 1,120 s; its pod drains for 50 s of that, and the machine stays for the cloud to take.
    CHECK(o.tally.pools[0].noticed_gpus.to_double() == Approx(static_cast<double>(seconds(120).count)));
    CHECK(o.tally.pools[0].fallback.ticks == WideSum{});
}
