#include "tests/support/scheduler_lab.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace windtunnel;
using namespace windtunnel::lab;

namespace {

/// The lab's cluster, and an index of the nodes with room; counts how many nodes are asked the filters up to
/// NodeResourcesFit, and how many those behind it. `room_known` = the cycle may take the index's word for the former.
struct IndexedCluster : LabCluster {
    const PodRules* asked = nullptr;
    bool room_known;
    mutable std::int64_t looks = 0, looks_behind_fit = 0;
    std::vector<bool> open;

    IndexedCluster(const LabCluster& c, const PodRules& rules, bool room_known_of_open)
        : LabCluster(c), asked(&rules), room_known(room_known_of_open) {
        counts.cells = cells.data();
        counts.plans = plans.data();
        for (std::int32_t n = 0; n < nodes(); ++n) open.push_back(verdict(n).passes());
    }
    [[nodiscard]] NodeVerdict verdict(std::int32_t n) const {
        const NodeVerdict v = LabCluster::before_fit(*asked, n);
        return v.passes() ? resource_verdict(asked->needs, free(n), allocatable(n), {}) : v;
    }
    [[nodiscard]] NodeVerdict before_fit(const PodRules& rules, std::int32_t n) const {
        ++looks;
        return LabCluster::before_fit(rules, n);
    }
    [[nodiscard]] NodeVerdict volumes(const PodRules& rules, std::int32_t n) const {
        ++looks_behind_fit;
        return LabCluster::volumes(rules, n);
    }
    [[nodiscard]] bool knows_room() const { return room_known; }
    [[nodiscard]] std::int32_t next_candidate(std::int32_t n) const {
        while (n < nodes() && !open[static_cast<std::size_t>(n)]) ++n;
        return n;
    }
    [[nodiscard]] RejectionCounts refusals() const {
        RejectionCounts counted;
        for (std::int32_t n = 0; n < nodes(); ++n)
            if (!open[static_cast<std::size_t>(n)]) counted.count(verdict(n));
        return counted;
    }
};

/// The lab's cluster with a label of racks besides, whose pods a counter of its own counts.
struct RackCluster : LabCluster {
    static constexpr std::int32_t rack_key = 2, rack_counter = 2 * sets;
    std::vector<std::int32_t> racks;  ///< [node] -1: no label

    explicit RackCluster(const LabCluster& c) : LabCluster(c) {
        counts.cells = cells.data();
        counts.plans = plans.data();
    }
    [[nodiscard]] std::int32_t domain(std::int32_t key, std::int32_t n) const {
        return key == rack_key ? racks[static_cast<std::size_t>(n)] : LabCluster::domain(key, n);
    }
    [[nodiscard]] std::int32_t domains(std::int32_t key) const {
        return key == rack_key ? nodes() : LabCluster::domains(key);
    }
    [[nodiscard]] std::int32_t pods_in(std::int32_t counter, std::int32_t d) const {
        if (counter != rack_counter) return LabCluster::pods_in(counter, d);
        return static_cast<std::int32_t>(std::count_if(
            pods.begin(), pods.end(), [&](const LabPod& p) { return racks[static_cast<std::size_t>(p.node)] == d; }));
    }
};

bool same(const RejectionCounts& a, const RejectionCounts& b) {
    return a.nodes == b.nodes && a.unresolvable == b.unresolvable &&
           std::equal(std::begin(a.by_reason), std::end(a.by_reason), std::begin(b.by_reason)) &&
           std::equal(std::begin(a.short_of), std::end(a.short_of), std::begin(b.short_of)) &&
           std::equal(std::begin(a.by_taint), std::end(a.by_taint), std::begin(b.by_taint));
}

}  // namespace

TEST_CASE("scheduler: with an index of nodes with room a cycle ends as without") {
    std::mt19937_64 random(11);
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<std::uint64_t>(n)); };
    int placed = 0, failed = 0, stopped_early = 0;
    for (int round = 0; round < 400; ++round) {
        const int nodes = round % 4 == 0 ? 100 + below(300) : 1 + below(30);
        LabCluster cluster = lab_cluster(nodes, amounts(4, 8000, 64, 110));
        for (LabNode& n : cluster.node_list) {
            n.cordoned = below(12) == 0;
            n.taint = below(10) == 0 ? below(3) : -1;
            if (below(10) == 0) n.zone = -1;
        }
        cluster.make_counters(true);
        PodRules filler = rules_for(amounts(1 + below(3), 1000, 4));
        PodRules rules = rules_for(amounts(1 + below(4), 2000, 8));
        SpreadRule spread[2] = {{1, zone_key, 1 + below(3), 1, below(2) == 0, true, {}},
                                {0, hostname_key, 1 + below(3), 1, below(2) == 0, true, {}}};
        AffinityRule anti{0, hostname_key, 0, AffinityKind::anti, {}};
        rules.spread = spread;
        rules.spread_count = below(3);
        if (below(3) == 0) {
            rules.affinity = &anti;
            rules.affinity_count = 1;
        }
        const int fillers = nodes * (below(2) == 0 ? 12 : below(5));
        for (int p = 0; p < fillers; ++p) {
            const int n = below(nodes);
            if (!fits(filler.needs, cluster.free(n))) continue;
            LabPod pod;
            pod.rules = &filler;
            pod.set = below(2);
            (void)cluster.bind(pod, n);
        }
        const std::uint64_t tie = random();
        const int start = below(2 * nodes);
        const ScheduleResult plain = cluster.schedule(rules, tie, -1, start);
        IndexedCluster indexed(cluster, rules, below(2) == 0);
        std::vector<FeasibleNode> feasible(static_cast<std::size_t>(nodes));
        const ScheduleResult quick =
            schedule_one(indexed, SchedulerProfile{}, rules, -1, start, tie, feasible.data());
        CHECK(quick.node == plain.node);
        CHECK(quick.next_start == plain.next_start);
        CHECK(quick.evaluated == plain.evaluated);
        CHECK(quick.feasible == plain.feasible);
        if (plain.feasible == 0) CHECK(same(quick.rejected, plain.rejected));
        placed += plain.feasible > 0 ? 1 : 0;
        failed += plain.feasible == 0 ? 1 : 0;
        stopped_early += plain.feasible > 0 && plain.evaluated < nodes ? 1 : 0;
    }
    CHECK(placed > 100);
    CHECK(failed > 50);
    CHECK(stopped_early > 10);
}

TEST_CASE("scheduler: a cycle looks at the nodes with room, however many are full") {
    const PodRules rules = rules_for(amounts(1, 100, 1));
    for (const int nodes : {10, 100, 2000}) {
        LabCluster cluster = lab_cluster(nodes, amounts(1, 8000, 64, 110));
        for (int n = 0; n < nodes - 3; ++n)
            cluster.node_list[static_cast<std::size_t>(n)].free = amounts(0, 0, 0, 0);
        for (const bool room_known : {false, true}) {
            const IndexedCluster indexed(cluster, rules, room_known);
            std::vector<FeasibleNode> feasible(static_cast<std::size_t>(nodes));
            const ScheduleResult found =
                schedule_one(indexed, SchedulerProfile{}, rules, -1, 5, 0, feasible.data());
            CHECK(found.feasible == 3);
            CHECK(found.next_start == 5);  // round the whole ring, as if it had asked every node
            CHECK(indexed.looks == (room_known ? 0 : 3));
            CHECK(indexed.looks_behind_fit == 3);
        }
    }
}

TEST_CASE("scheduler scores: a node without one of the keys counts in no domain of the others") {
    LabCluster cluster = lab_cluster(3, amounts(8, 8000, 64, 110));
    cluster.make_counters(true);
    for (int n = 0; n < 3; ++n) cluster.node_list[static_cast<std::size_t>(n)].zone = n;
    PodRules rules = rules_for(amounts(1, 100, 1));
    for (const int node : {0, 0, 1}) {
        LabPod pod;
        pod.rules = &rules;
        (void)cluster.bind(pod, node);
    }
    RackCluster racks(cluster);
    racks.racks = {0, 0, -1};
    const SpreadRule spread[] = {{1, zone_key, 1, 1, false, true, {}},
                                 {RackCluster::rack_counter, RackCluster::rack_key, 1, 1, false, true, {}}};
    rules.spread = spread;
    rules.spread_count = 2;
    std::vector<FeasibleNode> feasible(3);
    for (int n = 0; n < 3; ++n) feasible[static_cast<std::size_t>(n)].node = n;
    scheduler_detail::score_topology(racks, rules, feasible, 3);
    // Two zones count (ln 4 each pod) and one rack (ln 3): 2 x 1.386 + 3 x 1.099 and 1 x 1.386 + 3 x 1.099.
    CHECK(feasible[0].spread == 6);
    CHECK(feasible[1].spread == 5);
    CHECK(feasible[2].spread_ignored);
}
