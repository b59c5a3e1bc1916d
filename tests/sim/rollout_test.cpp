#include "sim/laws.hpp"
#include "tests/support/three_ways.hpp"

#include <catch2/catch.hpp>
#include <algorithm>
#include <map>
#include <vector>

using namespace windtunnel;
using lab::differences;

namespace {

/// Counts a workload's pods at every change.
struct PodCounter : LawObserver {
    using LawObserver::LawObserver;
    std::map<std::uint32_t, Pod> pods;
    std::vector<Tick> losses;
    std::size_t least_ready = SIZE_MAX, most_active = 0;
    Tick done;  ///< the last change
    void pod_changed(std::uint32_t p, const Pod& pod, Tick now) override {
        LawObserver::pod_changed(p, pod, now);
        pods[p] = pod;
        std::size_t ready = 0, active = 0;
        for (const auto& [slot, each] : pods) {
            ready += each.state == PodState::ready ? 1 : 0;
            active += each.active() ? 1 : 0;
        }
        if (now > Tick{}) least_ready = std::min(least_ready, ready);
        most_active = std::max(most_active, active);
        done = now;
    }
    [[nodiscard]] std::size_t of_revision(std::uint32_t revision) const {
        return static_cast<std::size_t>(std::count_if(pods.begin(), pods.end(), [&](const auto& p) {
            return p.second.state == PodState::ready && p.second.revision == revision;
        }));
    }
};

/// Replicas of one GPU each, a minute to start and ten seconds to end, on `nodes` nodes of one GPU.
BlueprintParts replicas_on(std::uint32_t replicas, std::uint32_t nodes) {
    BlueprintParts parts;
    parts.servers = {lab::plain_server()};
    WorkloadPlan w;
    w.pod_slots = 3 * replicas + 4;
    w.initial_replicas = replicas;
    w.routing = Routing::round_robin;
    TemplateParts t = lab::one_gpu_pods(100, 100);
    t.stages = {{-1, 0, {}, seconds(60)}};
    t.plan.pre_stop = seconds(10);
    t.plan.grace = seconds(30);
    parts.add(w, t);
    PoolPlan p;
    p.node_slots = p.initial = p.minimum = nodes;
    parts.add(p, lab::one_gpu_nodes(1000, 1000));
    parts.span = seconds(3600);
    parts.drain_limit = seconds(60);
    return parts;
}

void roll_out(BlueprintParts& parts, Tick at) {
    const std::uint32_t revision = parts.add_revision(0, parts.templates[0]);
    parts.events.push_back({at, ClusterEventKind::rollout, {}, 0, 1, revision});
}

/// A request every second.
std::vector<Request> ticking(Tick span) {
    std::vector<Request> requests;
    for (Tick t; t < span; t += seconds(1)) {
        Request r;
        r.arrival = t;
        r.prompt_tokens = 4;
        r.output_tokens = 8;
        requests.push_back(r);
    }
    return requests;
}

TrialOutcome watch(const Blueprint& b, const std::vector<Request>& requests, PodCounter& seen) {
    TrialArena arena;
    TrialOutcome o = run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(
        b, {requests.data(), requests.size(), b.span}, {1, 0}, arena, seen);
    const std::vector<std::string> laws = broken_laws(b, o);
    if (!laws.empty()) FAIL(laws.front());
    if (!seen.broken.empty()) FAIL(seen.broken.front());
    return o;
}

struct Ran {
    TrialOutcome outcome;
    PodCounter seen;
};
Ran run(const BlueprintParts& parts) {
    const BlueprintBlock block = build(parts);
    PodCounter seen(block.blueprint());
    TrialOutcome o = watch(block.blueprint(), ticking(parts.span), seen);
    return {std::move(o), std::move(seen)};
}

}  // namespace

TEST_CASE("rollout: with a spare GPU and maxUnavailable 0 no replica is missing") {
    BlueprintParts parts = replicas_on(3, 4);
    parts.workloads[0].max_surge = integer(1);
    parts.workloads[0].max_unavailable = integer(0);
    roll_out(parts, seconds(100));
    const Ran r = run(parts);
    CHECK(r.outcome.tally.rollouts == 1);
    CHECK(r.seen.least_ready == 3);
    CHECK(r.seen.most_active == 4);
    CHECK(r.seen.of_revision(1) == 3);
    CHECK(r.outcome.tally.requests.completed == 3600);
    // Three times a start of 60 s; the second and third wait 10 s for the GPU of the pod before them.
    CHECK(r.seen.done == seconds(100 + 60 + 10 + 60 + 10 + 60 + 10));
}

TEST_CASE("rollout: without a spare GPU the surge pod waits for ever, and maxUnavailable 1 costs a replica") {
    BlueprintParts stuck = replicas_on(3, 3);
    stuck.workloads[0].max_surge = integer(1);
    stuck.workloads[0].max_unavailable = integer(0);
    roll_out(stuck, seconds(100));
    const Ran waiting = run(stuck);
    CHECK(waiting.outcome.tally.rollouts == 0);
    CHECK(waiting.seen.of_revision(0) == 3);
    CHECK(waiting.seen.most_active == 4);

    BlueprintParts moving = replicas_on(3, 3);
    moving.workloads[0].max_surge = integer(0);
    moving.workloads[0].max_unavailable = integer(1);
    roll_out(moving, seconds(100));
    const Ran moved = run(moving);
    CHECK(moved.outcome.tally.rollouts == 1);
    CHECK(moved.seen.least_ready == 2);
    CHECK(moved.seen.most_active == 3);
    CHECK(moved.seen.of_revision(1) == 3);
}

TEST_CASE("rollout: the only warm replica goes with maxUnavailable 1, and requests fail until its successor") {
    BlueprintParts parts = replicas_on(1, 1);
    parts.workloads[0].max_surge = integer(0);
    parts.workloads[0].max_unavailable = integer(1);
    roll_out(parts, seconds(100));
    const Ran r = run(parts);
    CHECK(r.seen.least_ready == 0);
    CHECK(r.outcome.tally.requests.failed == 70);  // 10 s to end and 60 s to start, one request a second
}

TEST_CASE("rollout: Recreate waits for every old pod; minReadySeconds slows each step") {
    BlueprintParts parts = replicas_on(3, 6);
    parts.workloads[0].strategy = RolloutStrategy::recreate;
    roll_out(parts, seconds(100));
    const Ran recreated = run(parts);
    CHECK(recreated.seen.least_ready == 0);
    CHECK(recreated.seen.most_active == 3);
    CHECK(recreated.seen.done == seconds(100 + 10 + 60));

    parts = replicas_on(2, 3);
    parts.workloads[0].max_surge = integer(1);
    parts.workloads[0].max_unavailable = integer(0);
    parts.workloads[0].min_ready = seconds(30);
    roll_out(parts, seconds(100));
    const Ran slow = run(parts);
    CHECK(slow.outcome.tally.rollouts == 1);
    // Each step: start, 30 s of readiness seen a second late; then 10 s for the GPU.
    CHECK(slow.seen.done == seconds(100 + 60 + 31 + 10 + 60 + 31 + 10));
}

TEST_CASE("node loss: requests fail until it is noticed, and the pod is replaced when its toleration ends") {
    BlueprintParts parts = replicas_on(2, 3);
    parts.events.push_back({seconds(100), ClusterEventKind::lose_node, {}, 0, 1, 0});
    const Ran r = run(parts);
    // Every second request goes to the dead replica until it is noticed: 50 s after its last heartbeat, which lies up to
    // 10 s before the loss, and at the next look, which is taken every 5 s.
    CHECK(r.outcome.tally.requests.failed >= 20);
    CHECK(r.outcome.tally.requests.failed <= 28);
    CHECK(r.seen.least_ready == 1);
    CHECK(r.seen.done >= seconds(100 + 40 + 300 + 60));
    CHECK(r.seen.done <= seconds(100 + 55 + 300 + 60));
    CHECK(r.seen.of_revision(0) == 2);
    CHECK(r.outcome.tally.pools[0].nodes.value == 2);
}

TEST_CASE("node loss: a pod stays for as long as it tolerates that its node does not answer") {
    const auto tolerating = [](Tick time) {
        BlueprintParts parts = replicas_on(2, 3);
        parts.events.push_back({seconds(100), ClusterEventKind::lose_node, {}, 0, 1, 0});
        for (TemplateParts& t : parts.templates) t.plan.lost_toleration = time;
        return run(parts);
    };
    const Ran soon = tolerating(seconds(30)), usual = tolerating(seconds(300)), later = tolerating(seconds(400));
    CHECK(usual.seen.done - soon.seen.done == seconds(270));
    CHECK(later.seen.done - usual.seen.done == seconds(100));
    CHECK(soon.outcome.tally.pools[0].nodes.value == 2);
    // Nobody replaces a pod that stays for ever, and its node is not given up until somebody takes the pod.
    const Ran stays = tolerating(never);
    CHECK(stays.seen.of_revision(0) == 1);
    CHECK(stays.outcome.tally.pools[0].nodes.value == 3);
    BlueprintParts parts = replicas_on(2, 3);
    parts.events.push_back({seconds(100), ClusterEventKind::lose_node, {}, 0, 1, 0});
    roll_out(parts, seconds(600));
    for (TemplateParts& t : parts.templates) t.plan.lost_toleration = never;
    const Ran taken = run(parts);
    CHECK(taken.seen.of_revision(1) == 2);
    CHECK(taken.outcome.tally.pools[0].launched == stays.outcome.tally.pools[0].launched + 1);  // in its place
}

TEST_CASE("node loss: whether a zone that mostly does not answer is tainted goes by its own nodes, not by the cluster's") {
    // From 55% and three nodes on a zone of at most 50 nodes is left alone, however large the other is. The first few
    // are tainted before so many are noticed; they leave 6 of 10 at the least.
    for (const std::uint32_t lost : {3u, 9u}) {
        BlueprintParts parts = replicas_on(10, 10);
        PoolPlan elsewhere;
        elsewhere.node_slots = elsewhere.initial = elsewhere.minimum = 60;
        ShapePlan shape = lab::one_gpu_nodes(1000, 1000);
        shape.zone = 1;
        parts.add(elsewhere, shape);
        parts.events.push_back({seconds(100), ClusterEventKind::lose_node, {}, 0, lost, 0});
        CAPTURE(lost);
        const std::size_t ready = run(parts).seen.of_revision(0);
        // Their pods fit on no other pool: they come back on nodes that take the place of those that are given up.
        if (lost == 3)
            CHECK(ready == 10);
        else
            CHECK(ready <= 5);
    }
}

TEST_CASE("drain: a budget holds the last warm replica until its successor serves") {
    for (const bool budget : {false, true}) {
        BlueprintParts parts = replicas_on(2, 3);
        parts.shapes[0].capacity = parts.shapes[0].allocatable = resource_amounts(2, 1000, 1000, 10);
        parts.pools[0].initial = 2;
        parts.pools[0].node_slots = 3;
        parts.workloads[0].initial_replicas = 2;
        parts.events.push_back({seconds(100), ClusterEventKind::drain_node, {}, 0, 1, 0});
        parts.events.push_back({seconds(100), ClusterEventKind::drain_node, {}, 0, 1, 0});
        parts.events.push_back({seconds(200), ClusterEventKind::add_node, {}, 0, 1, 0});
        parts.shapes[0].provisioning = seconds(30);
        if (budget) {
            DisruptionBudgetPlan plan;
            plan.spec.min_available = integer(1);
            plan.workloads[0] = 1;
            parts.budgets.push_back(plan);
        }
        const Ran r = run(parts);
        CAPTURE(budget);
        CHECK(r.outcome.tally.evictions >= 2);
        CHECK((r.outcome.tally.evictions_refused > 0) == budget);
        CHECK(r.seen.least_ready == (budget ? 1u : 0u));
        CHECK((r.outcome.tally.requests.failed == 0) == budget);
        CHECK(r.outcome.tally.pools[0].launched >= 3);
    }
}

TEST_CASE("rollouts, drains and losses in random clusters: fast = stepwise = interleaved, and the laws hold") {
    std::uint64_t rollouts = 0, evictions = 0, refused = 0;
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        INFO("seed " << seed);
        std::vector<Request> requests;
        BlueprintParts parts = lab::random_cluster(seed, requests);
        std::mt19937_64 rng(seed);
        const auto pick = [&](std::int64_t low, std::int64_t high) {
            return low + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(high - low + 1));
        };
        for (WorkloadPlan& w : parts.workloads) {
            w.pod_slots *= 4;
            w.max_surge = pick(0, 1) ? percent(static_cast<std::int32_t>(pick(0, 100)))
                                     : integer(static_cast<std::int32_t>(pick(0, 2)));
            w.max_unavailable = integer(static_cast<std::int32_t>(pick(0, 2)));
            w.strategy = static_cast<RolloutStrategy>(pick(0, 5) == 0);
            if (pick(0, 2) == 0) w.min_ready = Tick{pick(1, parts.span.count / 20 + 1)};
        }
        for (std::int64_t i = pick(1, 6); i > 0; --i) {
            const Tick at{pick(0, parts.span.count)};
            const auto kind = static_cast<ClusterEventKind>(pick(0, 3));
            const auto target = static_cast<std::uint32_t>(pick(0, 1));
            std::uint32_t revision = 0;
            if (kind == ClusterEventKind::rollout) {
                TemplateParts next = parts.templates[parts.workloads[target].first_template];
                next.plan.drains = static_cast<std::uint8_t>(pick(0, 1));
                next.plan.pre_stop = Tick{pick(0, 1000)};
                next.plan.grace = Tick{pick(0, parts.span.count / 10)};
                revision = parts.add_revision(target, next);
            }
            parts.events.push_back({at, kind, {}, target, static_cast<std::uint32_t>(pick(1, 2)), revision});
        }
        std::stable_sort(parts.events.begin(), parts.events.end(),
                         [](const ClusterEventPlan& a, const ClusterEventPlan& b) { return a.at < b.at; });
        if (pick(0, 1)) {
            DisruptionBudgetPlan budget;
            budget.spec.max_unavailable = integer(static_cast<std::int32_t>(pick(0, 2)));
            budget.workloads[0] = static_cast<std::uint64_t>(pick(1, 3));
            parts.budgets.push_back(budget);
        }
        const TrialOutcome one = lab::run_three_ways(parts, requests, {seed, 3});
        rollouts += one.tally.rollouts;
        evictions += one.tally.evictions;
        refused += one.tally.evictions_refused;
    }
    CHECK(rollouts > 20);
    CHECK(evictions > 20);
    CHECK(refused > 5);
}
