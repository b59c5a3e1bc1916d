#include "sim/node_room.hpp"
#include "tests/support/random_cluster.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <set>

using namespace windtunnel;

namespace {

/// Nodes that a test changes as it likes, in place of the engine's cluster.
struct Nodes {
    explicit Nodes(const Blueprint& b) : plan(&b), all(b.node_slots) {
        const auto take = [&](Arena<ContiguousLayout>& arena) {
            changed.take_memory(arena, b.node_slots);
            ready.take_memory(arena, b.node_slots);
            room.take_memory(arena, b);
        };
        Arena<ContiguousLayout> dry;
        take(dry);
        memory.resize(dry.used() / sizeof(Line) + 1);
        Arena<ContiguousLayout> real(memory.data(), memory.size() * sizeof(Line), 0);
        take(real);
        changed.clear();
        ready.clear();
        room.start(b);
    }
    [[nodiscard]] const Blueprint& blueprint() const { return *plan; }
    [[nodiscard]] ClusterNode& node(std::uint32_t n) { return all[n]; }
    [[nodiscard]] IndexSet<ContiguousLayout>& changed_nodes(NodeWatcher) { return changed; }
    [[nodiscard]] const IndexSet<ContiguousLayout>& nodes_in(NodeState) const { return ready; }
    void count_node_domains(std::uint32_t n, bool present) {
        all[n].in_topology = present;
        ++domain_changes;
    }

    struct alignas(64) Line {
        unsigned char bytes[64];
    };
    const Blueprint* plan;
    std::vector<ClusterNode> all;
    std::vector<Line> memory;
    IndexSet<ContiguousLayout> changed, ready;
    NodeRoom<ContiguousLayout> room;
    int domain_changes = 0;
};

}  // namespace

TEST_CASE("index set: members in order, across empty stretches") {
    std::mt19937_64 random(5);
    for (const std::uint32_t bound : {1u, 64u, 65u, 4096u, 10'000u}) {
        std::vector<unsigned char> memory(bound + 1024);
        void* at = memory.data();
        std::size_t space = memory.size();
        REQUIRE(std::align(64, 512, at, space) != nullptr);
        Arena<ContiguousLayout> arena(at, space / 64 * 64, 0);
        IndexSet<ContiguousLayout> set;
        set.take_memory(arena, bound);
        REQUIRE_FALSE(arena.overflowed());
        set.clear();
        std::set<std::uint32_t> expected;
        for (int i = 0; i < 300; ++i) {
            const auto member = static_cast<std::uint32_t>(random() % bound);
            if (random() % 3 == 0) {
                set.remove(member);
                expected.erase(member);
            } else {
                set.add(member);
                expected.insert(member);
            }
            const auto from = static_cast<std::uint32_t>(random() % (bound + 70));
            const auto next = expected.lower_bound(from);
            CHECK(set.next(from) == (next == expected.end() ? IndexSet<ContiguousLayout>::none : *next));
            CHECK(set.size() == expected.size());
            CHECK(set.has(member) == expected.contains(member));
        }
    }
}

TEST_CASE("fit classes: pods that are scored otherwise are of another, whatever they need") {
    BlueprintParts parts;
    parts.workload_of_model = {};
    parts.span = seconds(1);
    PoolPlan pool;
    pool.node_slots = 1;
    parts.add(pool, lab::one_gpu_nodes(4000, 64));
    for (const std::int64_t containers : {1, 1, 2}) {  // without requests
        TemplateParts pod = lab::one_gpu_pods(0, 0);
        pod.plan.server = -1;
        pod.plan.scoring_cpu_milli = 100 * containers;
        WorkloadPlan w;
        w.pod_slots = 1;
        parts.add(w, pod);
    }
    const BlueprintBlock block = build(parts);
    const Blueprint& b = block.blueprint();
    CHECK(b.fit_classes.size() == 2);
    CHECK(b.templates[0].fit_class == b.templates[1].fit_class);
    CHECK(b.templates[0].fit_class != b.templates[2].fit_class);
}

TEST_CASE("node room: after any changes it knows what asking every node would say") {
    std::mt19937_64 random(3);
    const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    BlueprintParts parts;
    parts.workload_of_model = {};
    parts.span = seconds(1);
    for (int i = 0; i < 3; ++i) {
        PoolPlan pool;
        pool.node_slots = 70;
        ShapePlan shape = lab::one_gpu_nodes(4000 * (i + 1), 64);
        shape.allocatable[resource_gpus] = 2 * i;
        shape.taint = static_cast<std::uint8_t>(i);
        parts.add(pool, shape);
    }
    for (std::uint32_t t = 0; t < 6; ++t) {
        TemplateParts pod = lab::one_gpu_pods(500 + 500 * (t / 2), 8);
        pod.plan.server = -1;
        pod.plan.shapes.words[0] = 1 + t / 2 * 3;  // of two that follow each other the same: one fit class
        pod.plan.tainted.words[0] = 6 & ~pod.plan.shapes.words[0];
        WorkloadPlan w;
        w.pod_slots = 1;
        parts.add(w, pod);
    }
    const BlueprintBlock block = build(parts);
    const Blueprint& b = block.blueprint();
    REQUIRE(b.fit_classes.size() == 3);
    Nodes nodes(b);
    for (int round = 0; round < 400; ++round) {
        for (std::uint32_t change = below(4); change < 5; ++change) {
            const std::uint32_t n = below(b.node_slots);
            ClusterNode& node = nodes.node(n);
            node.state = below(3) == 0 ? NodeState::draining : NodeState::ready;
            node.shape = static_cast<std::uint16_t>(n / 70);
            nodes.ready.set(n, node.state == NodeState::ready);
            node.free = b.shapes[node.shape].allocatable;
            for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
                node.free[kind] -=
                    static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(node.free[kind] + 1));
            nodes.changed.add(n);
        }
        std::vector<std::int64_t> scores;
        for (std::uint32_t n = 0; n < b.node_slots; ++n) {
            scores.push_back(nodes.changed.has(n) ? not_scored : n);
            for (std::uint32_t c = 0; c < b.fit_classes.size(); ++c) nodes.room.kept_score(c, n) = n;
        }
        nodes.room.refresh(nodes);
        for (std::uint32_t n = 0; n < b.node_slots; ++n)
            for (std::uint32_t c = 0; c < b.fit_classes.size(); ++c) CHECK(nodes.room.kept_score(c, n) == scores[n]);
        CHECK(nodes.changed.size() == 0);
        std::int32_t number = 0;
        for (std::uint32_t n = 0; n < b.node_slots; ++n) {
            CHECK(nodes.node(n).in_topology == nodes.ready.has(n));
            if (!nodes.ready.has(n)) continue;
            CHECK(nodes.room.number_of(n) == number);
            CHECK(nodes.room.slot(number++) == n);
        }
        CHECK(nodes.room.nodes() == number);
        for (std::uint32_t t = 0; t < b.templates.size(); ++t) {
            const TemplatePlan& plan = b.templates[t];
            RejectionCounts expected;
            expected.nodes = number;
            for (std::uint32_t n = 0; n < b.node_slots; ++n) {
                const ClusterNode& node = nodes.node(n);
                NodeVerdict v;
                if (!nodes.ready.has(n)) {
                    CHECK_FALSE(nodes.room.open(plan.fit_class).has(n));
                    continue;
                }
                if (!plan.shapes.has(node.shape))
                    v = plan.tainted.has(node.shape) ? refuse(Rejection::taint, b.shapes[node.shape].taint)
                                                     : refuse(Rejection::node_affinity);
                else
                    v = resource_verdict(plan.needs, node.free, b.shapes[node.shape].allocatable, {});
                CHECK(nodes.room.open(plan.fit_class).has(n) == v.passes());
                if (!v.passes()) expected.count(v);
            }
            const RejectionCounts found = nodes.room.refusals(b, plan.fit_class);
            CHECK(found.nodes == expected.nodes);
            CHECK(found.unresolvable == expected.unresolvable);
            CHECK(std::equal(std::begin(found.by_reason), std::end(found.by_reason),
                             std::begin(expected.by_reason)));
            CHECK(std::equal(std::begin(found.short_of), std::end(found.short_of),
                             std::begin(expected.short_of)));
            CHECK(std::equal(std::begin(found.by_taint), std::end(found.by_taint),
                             std::begin(expected.by_taint)));
        }
    }
}
