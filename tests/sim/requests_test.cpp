// What happens to requests when things go wrong: retries, a queue in front, ill servers, connections.
#include "tests/support/random_cluster.hpp"
#include "tests/support/request_ends.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;
using lab::differences;
using lab::Ends;

namespace {

/// Pods of one GPU that make a token every 100 ms for each of their requests, on four nodes.
struct Case {
    BlueprintParts parts;
    WorkloadPlan w;
    TemplateParts pods = lab::one_gpu_pods(1000, 1 << 20);
    std::vector<Request> requests;
    std::map<std::uint32_t, RequestRecord> ends;
    ShapePlan node = lab::one_gpu_nodes(2000, 1 << 21);
    std::uint32_t nodes = 4;

    Case() {
        parts.span = seconds(600);
        parts.drain_limit = seconds(600);
        parts.job_capacity = 1 << 12;
        w.pod_slots = 8;
        w.initial_replicas = 1;
        w.routing = Routing::least_requests;
    }
    void request(Tick at, std::uint32_t tokens) {
        Request r;
        r.arrival = at;
        r.prompt_tokens = 1;
        r.output_tokens = tokens;
        requests.push_back(r);
    }
    void every_second(std::uint32_t from, std::uint32_t to, std::uint32_t tokens) {
        for (std::uint32_t s = from; s < to; ++s) request(seconds(s), tokens);
    }
    void scale(Tick at, std::uint32_t to) { parts.schedule.push_back({at, 0, to}); }
    void degrade(Tick at, DegradationPlan plan, Tick until = never) {
        if (plan.slowdown_milli != 1000) {
            plan.first_slow = 0;
            parts.slow_servers = {1};
        }
        plan.count = 1;
        parts.degradations = {plan};
        parts.events.push_back({at, ClusterEventKind::degrade, {}, 0, 1, 0});
        if (until != never) parts.events.push_back({until, ClusterEventKind::recover, {}, 0, 1, 0});
    }
    [[nodiscard]] static ServerParts server(Tick step) {
        ServerParts s;
        s.max_num_seqs = 64;
        s.max_num_batched_tokens = 64;
        s.max_model_len = 1 << 14;
        s.usable_blocks = 1 << 20;
        s.cost.decode_step.assign(65, step);
        s.cost.mixed_step.assign(65, step);
        s.cost.attention = {{0, Tick{}, 0}};
        return s;
    }
    template <class Bank>
    TrialOutcome run_with(const Blueprint& b) {
        Ends seen(b);
        TrialArena arena;
        const TrialOutcome o = run_trial<ContiguousLayout, Bank>(b, {requests.data(), requests.size(), parts.span},
                                                                 {7, 3}, arena, seen);
        CHECK(broken_laws(b, o) == std::vector<std::string>{});
        CHECK(seen.broken == std::vector<std::string>{});
        CHECK(seen.of.size() == requests.size());
        ends = std::move(seen.of);
        return o;
    }
    Tally run() {
        parts.servers = {server(milliseconds(100)), server(milliseconds(200))};
        parts.add(w, pods);
        PoolPlan p;
        p.node_slots = p.initial = p.minimum = nodes;
        parts.add(p, node);
        const BlueprintBlock block = build(parts);
        const TrialOutcome slow = run_with<StepwiseBank>(block.blueprint());
        const TrialOutcome fast = run_with<ArenaBank<ContiguousLayout>>(block.blueprint());
        CHECK(differences(fast, slow).empty());
        return fast.tally;
    }
    /// One node, whose GPU two pods share by time.
    void share_one_gpu() {
        nodes = 1;
        w.initial_replicas = 2;
        node.allocatable[resource_gpus] = node.capacity[resource_gpus] = 2;
        node.devices[0] = {0, 1, 2, 1, 1, 2};
        parts.most_turns = 2;
        parts.turn_servers = {1, -1};
    }
    /// A queue of single jobs in front.
    void queue(Tick visibility, std::uint32_t hand_outs, bool returns) {
        w.per_replica_limit = 1;
        w.hold = 1;
        w.visibility_timeout = visibility;
        w.hand_outs = hand_outs;
        w.returns = returns ? 1 : 0;
    }
};

}  // namespace

TEST_CASE("time slicing: a pod has its GPU alone while the other is idle, and half of its time while both work") {
    // Alone: 10 tokens at 0.1 s. The other's request comes at 0.55 s: from the boundary at 0.6 s (6 tokens) both make
    // steps of 0.2 s, the other at 0.75, 0.95 and 1.15 s, its last. The first then ends its step at 1.2 s (9 tokens) and
    // makes the last one in 0.1 s.
    Case c;
    c.share_one_gpu();
    c.request(Tick{}, 10);
    c.request(milliseconds(550), 3);
    const Tally t = c.run();
    CHECK(c.ends[0].pod != c.ends[1].pod);
    CHECK(c.ends[1].finish == milliseconds(1150));
    CHECK(c.ends[0].finish == milliseconds(1300));
    // 1.3 s of the one and 0.6 s of the other, each of half a GPU.
    CHECK(t.gpu_busy.low == static_cast<std::uint64_t>(milliseconds(950).count));
    // On GPUs of their own neither knows of the other.
    Case apart;
    apart.w.initial_replicas = 2;
    apart.request(Tick{}, 10);
    apart.request(milliseconds(550), 3);
    (void)apart.run();
    CHECK(apart.ends[0].finish == seconds(1));
    CHECK(apart.ends[1].finish == milliseconds(850));
}

TEST_CASE("time slicing: two processes that reserve more memory than the GPU has do not run beside each other") {
    for (const std::int32_t milli : {500, 501}) {
        Case c;
        c.share_one_gpu();
        c.pods.plan.device_memory_milli = milli;
        c.request(seconds(5), 3);
        const Tally t = c.run();
        CHECK(t.ready_replicas.most == (milli == 500 ? 2 : 1));
        CHECK((t.container_restarts > 0) == (milli == 501));
    }
}

TEST_CASE("image pulls: while the registry fails, tries come 10, 20, 40, ... s after the one before, at the pod's sync") {
    const auto finish = [](bool part_of_node, std::uint8_t pull, bool fails) {
        Case c;
        c.w.hold = 1;
        c.w.initial_replicas = 0;
        c.scale(seconds(10), 1);
        c.pods.plan.pull = pull;
        if (!part_of_node) {
            c.pods.stages = {{-1, 1, {}, seconds(2)}};
            c.pods.plan.container_stage = 1;
        }
        if (fails) {
            c.parts.events.push_back({Tick{}, ClusterEventKind::no_image, {}, 0});
            c.parts.events.push_back({seconds(50), ClusterEventKind::image_returns, {}, 0});
        }
        c.request(Tick{}, 1);
        (void)c.run();
        return to_seconds(c.ends[0].finish);
    };
    CHECK(finish(false, 0, false) == Approx(12.1));
    CHECK(finish(true, 0, true) == Approx(10.1));  // the node has it, and nobody asks
    // Tries at 10 s, 10 to 15 s later, 20 to 30 s later (40 to 55 s), 40 to 60 s later (80 to 115 s): the first after
    // 50 s succeeds. Syncs are at whole seconds of the wait.
    for (const double at : {finish(false, 0, true), finish(true, pull_always, true)}) {
        CHECK(at >= 50);
        CHECK(at <= 10 + 16 + 31 + 61 + 2.2);
    }
    // No such image: it never starts, and its request never ends.
    Case c;
    c.w.hold = 1;
    c.w.initial_replicas = 0;
    c.scale(seconds(1), 1);
    c.pods.plan.pull = pull_fails;
    c.request(seconds(1), 1);
    const Tally t = c.run();
    CHECK(t.requests.unfinished == 1);
    CHECK(t.container_restarts == 0);
}

TEST_CASE("retries: a client comes again after 1, 2, 4, 8 s, and its latency counts from its first arrival") {
    // No endpoint before 10 s: the attempts at 0, 1, 3 and 7 s fail, that at 15 s gets its first token 0.1 s later.
    const auto four_backoffs = [](std::uint32_t attempts) {
        Case c;
        c.w.initial_replicas = 0;
        c.scale(seconds(10), 1);
        c.w.retry.attempts = attempts;
        c.w.retry.backoff = seconds(1);
        c.request(Tick{}, 10);
        return c;
    };
    Case c = four_backoffs(5);
    const Tally t = c.run();
    CHECK(t.requests.arrived == 1);
    CHECK(t.requests.completed == 1);
    CHECK(t.retried == 4);
    CHECK(c.ends[0].first_token == milliseconds(15'100));
    CHECK(t.ttft.most == milliseconds(15'100));
    CHECK(t.e2el.most == seconds(16));

    Case few = four_backoffs(4);
    const Tally failed = few.run();
    CHECK(failed.requests.failed == 1);
    CHECK(failed.retried == 3);
    CHECK(few.ends[0].finish == seconds(7));
    // The client that gives up altogether does so between two attempts.
    Case patience = four_backoffs(5);
    patience.w.request_timeout = seconds(12);
    const Tally given_up = patience.run();
    CHECK(given_up.requests.timed_out == 1);
    CHECK(given_up.retried == 3);
    CHECK(patience.ends[0].finish == seconds(12));
}

TEST_CASE("retries: an attempt's own time-out frees the server, and what it had done is lost") {
    // 100 tokens take 10 s. The first attempt is cut at 4 s, after 40 tokens; the second, from 5 s on, at 9 s.
    Case c;
    c.w.retry.attempts = 2;
    c.w.retry.backoff = seconds(1);
    c.w.retry.attempt_timeout = seconds(4);
    c.request(Tick{}, 100);
    const Tally t = c.run();
    CHECK(t.requests.timed_out == 1);
    CHECK(t.retried == 1);
    CHECK(t.lost_attempts == 2);
    CHECK(t.lost_output_tokens == 80);
    CHECK(t.lost_prompt_tokens == 2);
    CHECK(t.lost_time == [] {
        WideSum s;
        s.add(static_cast<std::uint64_t>(seconds(8).count));
        return s;
    }());
    CHECK(c.ends[0].finish == seconds(9));
}

TEST_CASE("retries: work that a dying pod loses is done again elsewhere") {
    // One replica ends at 5 s with 50 tokens made and drops them; the other comes at 8 s. The attempts at 6 s and
    // 8 s (after 1 and 2 s): the first finds no endpoint; the second arrives before the control plane acts at 8 s.
    Case c;
    c.w.retry.attempts = 10;
    c.w.retry.backoff = seconds(1);
    c.scale(seconds(5), 0);
    c.scale(seconds(8), 1);
    c.request(Tick{}, 100);
    const Tally t = c.run();
    CHECK(t.lost_output_tokens == 50);
    CHECK(t.requests.completed == 1);
    CHECK(t.retried == 3);  // at 6, 8 and 12 s
    CHECK(c.ends[0].finish == seconds(22));
}

TEST_CASE("queue: a message that becomes visible too early is worked on twice, and answered once") {
    // 10 s of work, visible again after 4 s: worker 2 has it from 4 s on; at 8 s it waits for a third worker. Worker
    // 1 answers at 10 s, the waiting message goes; worker 2 answers at 14 s what was answered.
    Case c;
    c.w.initial_replicas = 2;
    c.queue(seconds(4), 3, false);
    c.request(Tick{}, 100);
    const Tally t = c.run();
    CHECK(t.requests.completed == 1);
    CHECK(c.ends[0].finish == seconds(10));
    CHECK(t.redelivered == 1);
    CHECK(t.duplicate_output_tokens == 100);
    CHECK(t.dead_lettered == 0);
    // Two hand-outs and no more: at 8 s it is dead, whatever its workers still do.
    Case dead;
    dead.w.initial_replicas = 2;
    dead.queue(seconds(4), 2, false);
    dead.request(Tick{}, 100);
    const Tally lost = dead.run();
    CHECK(lost.requests.failed == 1);
    CHECK(lost.dead_lettered == 1);
    CHECK(dead.ends[0].finish == seconds(8));
    CHECK(lost.duplicate_output_tokens == 200);
}

TEST_CASE("queue: what a removed worker had comes back at once, after its time-out, or not at all") {
    // The only worker goes at 5 s, 50 tokens into 100; the next comes at 20 s.
    const auto removed = [](Tick visibility, std::uint32_t hand_outs, bool returns) {
        Case c;
        c.queue(visibility, hand_outs, returns);
        c.scale(seconds(5), 0);
        c.scale(seconds(20), 1);
        c.request(Tick{}, 100);
        return c;
    };
    Case at_once = removed(never, 2, true), later = removed(seconds(60), 2, false), never_again = removed(never, 1, false);
    const Tally a = at_once.run(), b = later.run(), c = never_again.run();
    CHECK(at_once.ends[0].finish == seconds(30));
    CHECK(a.longest_hold == seconds(20));
    CHECK(later.ends[0].finish == seconds(70));
    for (const Tally* t : {&a, &b}) {
        CHECK(t->requests.completed == 1);
        CHECK(t->redelivered == 1);
        CHECK(t->lost_output_tokens == 50);
        CHECK(t->duplicate_output_tokens == 0);
    }
    CHECK(c.requests.failed == 1);
    CHECK(never_again.ends[0].finish == seconds(5));
    // A drain lets it finish: nothing is lost.
    Case drained = removed(seconds(60), 2, false);
    drained.pods.plan.drains = 1;
    drained.pods.plan.grace = seconds(30);
    const Tally d = drained.run();
    CHECK(drained.ends[0].finish == seconds(10));
    CHECK(d.lost_attempts == 0);
}

TEST_CASE("queue: a message that comes back has its old place") {
    // One worker, 10 s each: A from 0 s, B and C wait. A's worker goes at 5 s, the next comes at 20 s: A again until
    // 30 s, then B until 40 s, then C.
    Case c;
    c.queue(never, 2, true);
    c.scale(seconds(5), 0);
    c.scale(seconds(20), 1);
    for (int i = 0; i < 3; ++i) c.request(Tick{i}, 100);
    (void)c.run();
    for (std::uint32_t i = 0; i < 3; ++i) CHECK(c.ends[i].finish == seconds(30 + 10 * i));
}

TEST_CASE("connections: those of before a scale-up stay with the old pods; per-request balancing reaches the new") {
    const auto scaled_up = [](std::uint32_t connections) {
        Case c;
        c.w.routing = Routing::random;
        c.w.connections = connections;
        c.w.initial_replicas = 2;
        c.scale(seconds(100), 4);
        c.every_second(0, 300, 5);
        const Tally t = c.run();
        CHECK(t.requests.completed == 300);
        std::array<int, 4> late{};
        for (const auto& [id, r] : c.ends)
            if (r.arrival > seconds(100)) ++late[r.pod];
        return late;
    };
    const auto pinned = scaled_up(8), free = scaled_up(0);
    CHECK(pinned[2] + pinned[3] == 0);
    CHECK(pinned[0] + pinned[1] == 199);
    for (const int n : free) CHECK(n == Approx(199 / 4.0).margin(20));  // 3 standard deviations are 18
}

TEST_CASE("connections: a pod that ends closes its own, and their clients open new ones") {
    Case c;
    c.w.routing = Routing::random;
    c.w.connections = 4;
    c.w.initial_replicas = 2;
    c.scale(seconds(100), 1);
    c.every_second(0, 300, 5);
    const Tally t = c.run();
    CHECK(t.requests.completed >= 299);  // one may be in flight at the pod that goes
    for (const auto& [id, r] : c.ends)
        if (r.arrival > seconds(100)) CHECK(r.end == RequestEnd::completed);
}

TEST_CASE("endpoints: kube-proxy falls back to terminating pods that still serve; a gateway does not") {
    // The only pod is deleted at 10 s and sleeps for 60 s before SIGTERM. The router hears of it 1 s later.
    const auto deleted = [](Routing routing) {
        Case c;
        c.w.routing = routing;
        c.pods.plan.pre_stop = seconds(60);
        c.pods.plan.grace = seconds(90);
        c.pods.plan.endpoint_delay = seconds(1);
        c.scale(seconds(10), 0);
        c.every_second(0, 100, 5);
        return c.run().requests.completed;
    };
    CHECK(deleted(Routing::random) == 70);          // arrivals of 0 to 69 s; the one at 70 s is cut by SIGTERM
    CHECK(deleted(Routing::round_robin) == 12);     // of 0 to 11 s: at 11 s requests come before the router hears
}

TEST_CASE("degraded: steps take twice their time from the next boundary on, until it recovers") {
    // 51 tokens by 5.1 s, the end of the step that is under way at 5.05 s; then 49 of 0.2 s.
    DegradationPlan slow;
    slow.slowdown_milli = 2000;
    Case c;
    c.request(Tick{}, 100);
    c.degrade(milliseconds(5'050), slow);
    (void)c.run();
    CHECK(c.ends[0].finish == milliseconds(14'900));
    // Well again at 10 s: 25 slow ones end at 10.1 s, 24 quick ones follow.
    Case well;
    well.request(Tick{}, 100);
    well.degrade(milliseconds(5'050), slow, seconds(10));
    (void)well.run();
    CHECK(well.ends[0].finish == milliseconds(12'500));
}

TEST_CASE("degraded: a liveness probe that runs an inference finds the pod, one of /health does not") {
    // Errors only, from 95 s on. The probes of 100, 110 and 120 s fail at once; the third kills the container.
    const auto ill = [](bool infers, DegradationPlan plan) {
        Case c;
        ContainerProbeRules& rules = c.pods.plan.probes.rules;
        rules.has_startup = rules.has_liveness = true;
        rules.startup.failure_threshold = 60;
        c.pods.plan.probes.infers[2] = infers ? 1 : 0;
        c.pods.plan.probes.takes = Tick{};
        c.pods.plan.probes.inference_takes = milliseconds(500);
        c.pods.stages = {{-1, 0, {}, seconds(30)}};
        c.every_second(0, 300, 1);
        c.degrade(seconds(95), plan);
        return c;
    };
    DegradationPlan errors;
    errors.error_share = share_one;
    Case seen = ill(true, errors);
    const Tally t = seen.run();
    CHECK(t.container_restarts == 1);
    // Requests of 96 to 120 s; the third probe's answer comes half a second after 120 s.
    CHECK(t.error_answers == 25);
    CHECK(seen.ends[120].end == RequestEnd::failed);
    CHECK(seen.ends[121].end == RequestEnd::failed);     // no process
    // Up to 1 s until the restart, 30 s of loading, up to 10 s until the startup probe looks.
    CHECK(seen.ends[163].end == RequestEnd::completed);
    Case unseen = ill(false, errors);
    const Tally u = unseen.run();
    CHECK(u.container_restarts == 0);
    CHECK(u.error_answers == 204);
    // Slow: the inference takes 2 s, twice the probe's time-out, and is a failure after 1 s.
    DegradationPlan slow;
    slow.slowdown_milli = 4000;
    CHECK(ill(true, slow).run().container_restarts == 1);
    CHECK(ill(false, slow).run().container_restarts == 0);
    // Only wrong: requests complete, none of them is good, and the probe that looks at the answer notices.
    DegradationPlan wrong;
    wrong.wrong_share = share_one;
    Case garbage = ill(false, wrong);
    const Tally g = garbage.run();
    CHECK(g.requests.completed == 300);
    CHECK(g.wrong_answers == 205);  // that of 95 s is under way
    CHECK(g.good == 95);
    CHECK(ill(true, wrong).run().container_restarts == 1);
}

TEST_CASE("degraded: an ill pod that fails at once draws what least-requests routing sends, at random its share") {
    const auto failed = [](Routing routing) {
        Case c;
        c.w.routing = routing;
        c.w.initial_replicas = 4;
        // Two requests a second of 4 s each: sound pods always hold some.
        for (std::uint32_t i = 0; i < 400; ++i) c.request(milliseconds(500) * i, 40);
        DegradationPlan errors;
        errors.error_share = share_one;
        c.degrade(seconds(50) + Tick{1}, errors);
        return c.run().requests.failed;
    };
    // A sound pod gets a request when it holds none, which is once in 4 s at most: three of them take at most 3 of
    // 8 requests, and more only while they still hold what they had.
    const std::uint64_t drawn = failed(Routing::least_requests);
    CHECK(drawn >= 299 * 5 / 8 - 8);
    CHECK(drawn <= 299);
    CHECK(failed(Routing::random) == Approx(299 / 4.0).margin(23));  // 3 standard deviations
}

TEST_CASE("degraded: answers grow by the factor, up to what the client allows") {
    DegradationPlan longer;
    longer.output_milli = 1500;
    Case c;
    c.degrade(seconds(1), longer);
    c.request(seconds(2), 100);
    c.request(seconds(2), 100);
    c.requests[1].max_tokens = 120;
    const Tally t = c.run();
    CHECK(t.output_tokens == 150 + 120);
}
