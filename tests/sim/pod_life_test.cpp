#include "sim/laws.hpp"
#include "tests/support/random_cluster.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;

namespace {

/// Requests of one token a second apart, of which each takes `service` on an otherwise idle engine.
struct PodLife {
    BlueprintParts parts;
    std::vector<Request> requests;
    TemplateParts pods = lab::one_gpu_pods(1000, 1 << 20);
    std::uint32_t replicas = 1;
    Tick step = milliseconds(100);
    std::int64_t swap_blocks = -1;  ///< of a small V0 engine that swaps; -1 = the engine is another

    PodLife() {
        parts.span = seconds(600);
        parts.drain_limit = seconds(3600);
        pods.plan.grace = seconds(30);
    }
    void requests_of(std::uint32_t count, Tick gap, std::uint32_t tokens) {
        for (std::uint32_t i = 0; i < count; ++i) {
            Request r;
            r.arrival = gap * i;
            r.prompt_tokens = 1;
            r.output_tokens = tokens;
            requests.push_back(r);
        }
    }
    void scale(Tick at, std::uint32_t to) { parts.schedule.push_back({at, 0, to}); }
    Tally run() {
        ServerParts s;
        s.max_num_seqs = 64;
        s.max_num_batched_tokens = 64;
        s.max_model_len = 1 << 14;
        s.usable_blocks = 1 << 20;
        s.cost.decode_step.assign(65, step);
        s.cost.mixed_step.assign(65, step);
        s.cost.attention = {{0, Tick{}, 0}};
        if (swap_blocks >= 0) {
            s.prefill_first = s.swaps = true;
            s.chunked_prefill = false;
            s.max_model_len = 12;
            s.block_size = 4;
            s.usable_blocks = 4;
            s.swap_blocks = swap_blocks;
            s.swap_block_time = milliseconds(10);
        }
        WorkloadPlan w;
        w.pod_slots = 8;
        w.initial_replicas = replicas;
        w.routing = Routing::round_robin;
        parts.add(w, pods);
        PoolPlan p;
        p.node_slots = p.initial = p.minimum = 4;
        parts.add(p, lab::one_gpu_nodes(2000, 1 << 21));
        parts.servers = {s};
        parts.job_capacity = 1 << 12;
        const BlueprintBlock block = build(parts);
        LawObserver laws(block.blueprint());
        TrialArena arena;
        const TrialOutcome o = run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(
            block.blueprint(), {requests.data(), requests.size(), parts.span}, {7, 3}, arena, laws);
        CHECK(broken_laws(block.blueprint(), o).empty());
        CHECK(laws.broken.empty());
        return o.tally;
    }
};

/// A second pod comes at 60 s: 20 s of image pull, then a container that loads for 200 s.
PodLife scale_out() {
    PodLife c;
    c.pods.stages = {{-1, 0, {}, seconds(20)}, {-1, 0, {}, seconds(200)}};
    c.pods.plan.container_stage = 1;
    c.pods.plan.endpoint_delay = seconds(1);
    c.pods.plan.probes.rules.has_readiness = true;
    c.scale(seconds(60), 2);
    c.requests_of(400, seconds(1), 1);
    return c;
}

}  // namespace

TEST_CASE(
    "pod life: a readiness probe that answers before the model is loaded sends requests to a pod that cannot "
    "serve") {
    PodLife honest = scale_out();
    const Tally waits = honest.run();
    CHECK(waits.requests.failed == 0);
    CHECK(waits.requests.completed == 400);

    PodLife lying = scale_out();
    lying.pods.plan.probes.early[1] = 1;
    const Tally lies = lying.run();
    // Ready about 1 s after its container at 80 s, routed to 1 s later, serving at 280 s: every other
    // request.
    CHECK(lies.requests.failed >= 98);
    CHECK(lies.requests.failed <= 100);
}

TEST_CASE("pod life: a V0 engine without swap space left raises an error, and its container starts again") {
    // Two requests of 1 + 7 tokens and four blocks of 4 tokens: when both hold two, the next step wants a free one and
    // the second gives way with its two. Without room for them in the host's memory the engine dies, with both; the third
    // request, a minute later, finds it restarted.
    for (const std::int64_t room : {2, 1}) {
        PodLife c;
        c.swap_blocks = room;
        c.requests_of(3, Tick{}, 7);
        c.requests[2].arrival = seconds(60);
        const Tally t = c.run();
        CHECK(t.container_restarts == (room == 2 ? 0 : 1));
        CHECK(t.kv_preemptions == (room == 2 ? 1 : 0));
        CHECK(t.requests.completed == (room == 2 ? 3 : 1));
        CHECK(t.requests.failed == (room == 2 ? 0 : 2));
    }
}

TEST_CASE(
    "pod life: a liveness probe that does not wait for the model restarts it for ever; a startup probe cures "
    "it") {
    PodLife loop = scale_out();
    ContainerProbeRules& rules = loop.pods.plan.probes.rules;
    rules.has_liveness = true;
    rules.liveness.initial_delay = seconds(30);
    loop.requests.clear();
    loop.requests_of(590, seconds(1), 1);
    const Tally never_ready = loop.run();
    CHECK(never_ready.ready_replicas.most == 1);
    // Killed about 60 s after each start; 0, 10, 20, 40 s of back-off: starts near 80, 140, 215, 300, 400 s.
    CHECK(never_ready.container_restarts >= 4);
    CHECK(never_ready.container_restarts <= 6);

    PodLife cured = scale_out();
    cured.pods.plan.probes.rules = rules;
    cured.pods.plan.probes.rules.has_startup = true;
    cured.pods.plan.probes.rules.startup.failure_threshold = 60;
    const Tally ready = cured.run();
    CHECK(ready.container_restarts == 0);
    CHECK(ready.ready_replicas.most == 2);
}

TEST_CASE("pod life: generations longer than the grace end broken; a drain within a longer one does not") {
    // Two pods, generations of 100 s; at 150 s one of the pods goes.
    const auto scale_in = [](Tick grace, bool drains) {
        PodLife c;
        c.replicas = 2;
        c.requests_of(200, seconds(1), 1000);
        c.scale(seconds(150), 1);
        c.pods.plan.grace = grace;
        c.pods.plan.pre_stop_drains = drains ? 1 : 0;
        c.pods.plan.endpoint_delay = seconds(1);
        c.pods.plan.exit_takes = seconds(1);
        return c.run();
    };
    const Tally aborted = scale_in(seconds(30), false);
    CHECK(aborted.requests.failed >= 49);  // all that it held, and what came before the router knew
    const Tally cut = scale_in(seconds(30), true);
    CHECK(cut.requests.failed >= 30);
    CHECK(cut.requests.failed < aborted.requests.failed);
    const Tally drained = scale_in(seconds(600), true);
    CHECK(drained.requests.failed == 0);
    CHECK(drained.requests.completed == 200);
}

TEST_CASE(
    "pod life: requests sent after SIGTERM and before the router knows fail; a preStop sleep avoids it") {
    const auto failures = [](Tick sleep) {
        PodLife c;
        c.replicas = 2;
        c.step = milliseconds(1);
        c.requests_of(2000, milliseconds(100), 1);
        c.scale(milliseconds(100'050), 1);
        c.pods.plan.endpoint_delay = seconds(2);
        c.pods.plan.exit_takes = seconds(3);
        c.pods.plan.pre_stop = sleep;
        return c.run().requests.failed;
    };
    CHECK(failures(seconds(0)) == 10);  // every other one of 2 s
    CHECK(failures(seconds(5)) == 0);
}
