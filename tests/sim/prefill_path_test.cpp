// Prompts that are computed on other servers than those that answer.
#include "tests/support/random_cluster.hpp"
#include "tests/support/request_ends.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;
using lab::differences;
using lab::Ends;

namespace {

/// One answering pod and one for prompts, each on a node of its own. A step with n prompt tokens takes n ms,
/// one without 10 ms. A block of 16 tokens is 1,000 bytes; 1,000 of them move in a millisecond, and 2 ms are
/// lost to each transfer.
struct PathCase {
    BlueprintParts parts;
    WorkloadPlan answers, prompts;
    TemplateParts pods = lab::one_gpu_pods(1000, 1 << 20);
    std::vector<Request> requests;
    std::map<std::uint32_t, RequestRecord> ends;
    std::vector<ServerParts> servers{server(), server()};

    PathCase() {
        parts.span = seconds(600);
        parts.drain_limit = seconds(600);
        parts.job_capacity = 1 << 10;
        for (WorkloadPlan* w : {&answers, &prompts}) {
            w->pod_slots = 1;
            w->initial_replicas = 1;
        }
        answers.prefill.workload = 1;
        answers.prefill.latency = milliseconds(2);
        answers.prefill.link_bytes_per_s = 1'000'000;
        servers[0].receives = true;
        servers[0].kv_block_bytes = 1000;
        servers[1].hands_over = true;
    }
    static ServerParts server() {
        ServerParts s;
        s.max_num_seqs = 64;
        s.max_num_batched_tokens = 256;
        s.max_model_len = 256;
        s.usable_blocks = 64;
        s.cost.decode_step.assign(65, milliseconds(10));
        s.cost.mixed_step.push_back(Tick{});
        for (std::int64_t n = 1; n <= 256; ++n) s.cost.mixed_step.push_back(milliseconds(n));
        s.cost.attention = {{0, Tick{}, 0}};
        return s;
    }
    void request(Tick at, std::uint32_t prompt, std::uint32_t tokens) {
        Request r;
        r.arrival = at;
        r.prompt_tokens = prompt;
        r.output_tokens = tokens;
        requests.push_back(r);
    }
    /// The node of the answering pod (pool 0) or of the one for prompts (pool 1) dies.
    void lose(std::uint32_t pool, Tick at) {
        parts.events.push_back({at, ClusterEventKind::lose_node, {}, pool, 1, 0});
    }

    template <class Bank>
    TrialOutcome run_with(const Blueprint& b) {
        Ends seen(b);
        TrialArena arena;
        const TrialOutcome o = run_trial<ContiguousLayout, Bank>(
            b, {requests.data(), requests.size(), parts.span}, {7, 3}, arena, seen);
        CHECK(broken_laws(b, o) == std::vector<std::string>{});
        CHECK(seen.broken == std::vector<std::string>{});
        CHECK(seen.of.size() == requests.size());
        ends = std::move(seen.of);
        return o;
    }
    Tally run() {
        parts.servers = servers;
        for (std::int32_t w = 0; w < 2; ++w) {
            TemplateParts t = pods;
            t.plan.server = w;
            t.plan.shapes = {};
            t.plan.shapes.add(w);
            parts.add(w == 0 ? answers : prompts, t);
            PoolPlan p;
            p.node_slots = p.initial = p.minimum = 1;
            parts.add(p, lab::one_gpu_nodes(2000, 1 << 21));
        }
        const BlueprintBlock block = build(parts);
        const TrialOutcome slow = run_with<StepwiseBank>(block.blueprint());
        const TrialOutcome fast = run_with<ArenaBank<ContiguousLayout>>(block.blueprint());
        CHECK(differences(fast, slow).empty());
        return fast.tally;
    }
};

}  // namespace

TEST_CASE(
    "prefill elsewhere: one request is its prompt, its KV's way, the last token again, and its decode "
    "steps") {
    // 64 tokens in 64 ms; 4 blocks are 4 ms on the link and 2 ms besides: 70 ms. The last token of the prompt
    // is computed again in a step of 1 ms, whose token is the client's first; two more follow in 10 ms each.
    PathCase c;
    c.request(Tick{}, 64, 3);
    const Tally t = c.run();
    CHECK(c.ends[0].prefill.prefilled == milliseconds(64));
    CHECK(c.ends[0].prefill.transfer_began == milliseconds(64));
    CHECK(c.ends[0].prefill.received == milliseconds(70));
    CHECK(c.ends[0].prefill.bytes == 4000);
    CHECK(c.ends[0].first_token == milliseconds(71));
    CHECK(c.ends[0].finish == milliseconds(91));
    CHECK(c.ends[0].pod == 0);
    CHECK(c.ends[0].prefill.pod == 1);
    CHECK(t.kv_transfers == 1);
    CHECK(t.kv_bytes.low == 4000);
    CHECK(t.kv_transfer_time.low == static_cast<std::uint64_t>(milliseconds(6).count));
    CHECK(t.requests.completed == 1);
    // 64 ms of the one GPU, and of the other 1 ms and two decode steps.
    CHECK(t.gpu_busy.low == static_cast<std::uint64_t>(milliseconds(85).count));
}

TEST_CASE("prefill elsewhere: two transfers share the link") {
    // Both prompts in one step of 128 ms. Alone each would take 6 ms; together 8,000 bytes take the link 8
    // ms, in which the 2 ms of each are hidden. Then a step of 2 ms for both.
    PathCase c;
    c.request(Tick{}, 64, 1);
    c.request(Tick{}, 64, 1);
    (void)c.run();
    CHECK(c.ends[0].prefill.received == milliseconds(136));
    CHECK(c.ends[1].prefill.received == milliseconds(136));
    CHECK(c.ends[1].first_token == milliseconds(138));
}

TEST_CASE("prefill elsewhere: blocks are held until they are read, and a full answering server reads late") {
    // The answering server has 5 blocks: the first request takes 4 and then all of them until 71 + 10 x 10 =
    // 171 ms. The prefill server has 4: the second prompt can begin when the first has been read (70 ms), the
    // third when the second has: asked for at 171 ms, there at 177 ms. (What is freed between two steps
    // counts from the next tick on.)
    PathCase c;
    c.servers[0].usable_blocks = 5;
    c.servers[0].max_model_len = 80;
    c.servers[1].usable_blocks = 4;
    c.servers[1].max_model_len = 64;
    c.request(Tick{}, 64, 11);
    c.request(milliseconds(1), 64, 1);
    c.request(milliseconds(2), 64, 1);
    (void)c.run();
    CHECK(c.ends[0].finish == milliseconds(171));
    CHECK(c.ends[1].prefill.prefilled == milliseconds(134) + Tick{1});
    CHECK(c.ends[1].prefill.transfer_began == milliseconds(171));
    CHECK(c.ends[1].first_token == milliseconds(178));
    CHECK(c.ends[2].prefill.prefilled == milliseconds(177 + 64) + Tick{1});
    CHECK(c.ends[2].first_token == milliseconds(177 + 64 + 6 + 1) + Tick{1});
}

TEST_CASE(
    "prefill elsewhere: a prefill server that dies during the transfer leaves the prompt to the answering "
    "one") {
    // At 66 ms: 64 tokens are computed anew, in 64 ms.
    PathCase c;
    c.request(Tick{}, 64, 1);
    c.lose(1, milliseconds(66));
    const Tally t = c.run();
    CHECK(c.ends[0].first_token == milliseconds(130));
    CHECK(t.kv_failures == 1);
    // kv_load_failure_policy fail.
    PathCase fails;
    fails.request(Tick{}, 64, 1);
    fails.lose(1, milliseconds(66));
    fails.answers.prefill.fails = 1;
    (void)fails.run();
    CHECK(fails.ends[0].end == RequestEnd::failed);
    // One that dies over the prompt fails the attempt. The next, when the cluster knows, finds no prefill
    // server.
    PathCase early;
    early.request(Tick{}, 64, 1);
    early.lose(1, milliseconds(30));
    early.answers.retry.attempts = 2;
    early.answers.retry.backoff = early.answers.retry.max_backoff = seconds(100);
    const Tally again = early.run();
    CHECK(again.retried == 1);
    CHECK(early.ends[0].end == RequestEnd::completed);
}

TEST_CASE("prefill elsewhere: an answering server that dies takes its requests along, wherever they are") {
    for (const std::int64_t at : {30, 66, 75}) {
        PathCase c;
        c.request(Tick{}, 64, 3);
        c.lose(0, milliseconds(at));
        (void)c.run();
        CHECK(c.ends[0].end == RequestEnd::failed);
    }
    // What it did not read is held for so long: the second prompt finds no blocks before 64 + 100 ms.
    PathCase held;
    held.servers[1].usable_blocks = 4;
    held.servers[1].max_model_len = 64;
    held.answers.prefill.hold = milliseconds(100);
    held.answers.prefill.latency = seconds(1);
    held.request(Tick{}, 64, 3);
    held.request(milliseconds(1), 64, 1);
    (void)held.run();
    CHECK(held.ends[0].first_token == milliseconds(164 + 64));  // it lost its KV by then
    CHECK(held.ends[1].prefill.prefilled == milliseconds(164 + 64) + Tick{1});
}

TEST_CASE(
    "prefill elsewhere: short prompts, and all while no prefill replica is ready, stay where they are "
    "answered") {
    PathCase c;
    c.answers.prefill.threshold = 65;
    c.request(Tick{}, 64, 1);
    const Tally t = c.run();
    CHECK(c.ends[0].first_token == milliseconds(64));
    CHECK(t.local_prefills == 1);
    PathCase none;
    none.prompts.initial_replicas = 0;
    none.request(Tick{}, 64, 1);
    (void)none.run();
    CHECK(none.ends[0].first_token == milliseconds(64));
}

TEST_CASE(
    "prefill elsewhere: what the answering server has cached does not move, and what is short enough stays") {
    // The second prompt has its first 48 tokens in common with the first: one block moves, in 1 + 2 ms.
    const std::vector<std::uint32_t> nodes{1, 2, 3, 4, 1, 2, 3, 5};
    for (const std::uint32_t threshold : {0u, 17u}) {
        PathCase c;
        c.parts.shared_prefixes = true;
        c.servers[0].prefix_caching = true;
        c.answers.prefill.threshold = threshold;
        c.request(Tick{}, 64, 1);
        c.request(seconds(1), 64, 1);
        c.requests[0].prefix = 1;
        c.requests[1].prefix = 5;
        c.requests[0].prefix_count = c.requests[1].prefix_count = 4;
        c.parts.servers = c.servers;
        for (std::int32_t w = 0; w < 2; ++w) {
            TemplateParts p = c.pods;
            p.plan.server = w;
            p.plan.shapes = {};
            p.plan.shapes.add(w);
            c.parts.add(w == 0 ? c.answers : c.prompts, p);
            PoolPlan pool;
            pool.node_slots = pool.initial = pool.minimum = 1;
            c.parts.add(pool, lab::one_gpu_nodes(2000, 1 << 21));
        }
        const BlueprintBlock block = build(c.parts);
        Ends seen(block.blueprint());
        TrialArena arena;
        const WorkloadView view{c.requests.data(), 2, c.parts.span, {nodes.data(), nodes.size(), 16}};
        (void)run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(block.blueprint(), view, {7, 3}, arena,
                                                                       seen);
        if (threshold == 0) {
            CHECK(seen.of[1].prefill.bytes == 1000);
            CHECK(seen.of[1].prefill.received == milliseconds(1064 + 3));
        } else {  // 16 tokens are missing, fewer than 17: they are computed here
            CHECK(seen.of[1].first_token == milliseconds(1016));
        }
    }
}
