#include "models/request_work.hpp"
#include "sim/laws.hpp"
#include "tests/support/random_cluster.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

using namespace windtunnel;

namespace {

constexpr std::int64_t price = 1000;  // nano-USD per hour

/// One replica of one GPU on one of `nodes` nodes; a request a second that keeps it busy for eight steps of 10 ms.
struct NodeUseCase {
    BlueprintParts parts;
    std::vector<Request> requests;

    explicit NodeUseCase(std::uint32_t nodes) {
        ServerParts s;
        s.max_num_seqs = 4;
        s.max_num_batched_tokens = 64;
        s.max_model_len = 64;
        s.usable_blocks = 16;
        s.cost.decode_step.assign(5, milliseconds(10));
        s.cost.mixed_step.assign(65, milliseconds(10));
        s.cost.attention = {{0, Tick{}, 0}};
        parts.servers = {s};
        WorkloadPlan w;
        w.pod_slots = 8;
        w.initial_replicas = 1;
        TemplateParts t = lab::one_gpu_pods(100, 100);
        t.stages = {{-1, 0, {}, seconds(60)}};
        t.plan.grace = seconds(30);
        t.plan.pre_stop = seconds(10);
        parts.add(w, t);
        PoolPlan p;
        p.node_slots = p.initial = p.minimum = nodes;
        ShapePlan shape = lab::one_gpu_nodes(1000, 1000);
        shape.nano_usd_per_hour = price;
        parts.add(p, shape);
        parts.span = seconds(3600);
        parts.drain_limit = seconds(60);
        parts.goodput.ttft = milliseconds(500);
        parts.goodput.minutes = 60;
        for (Tick at; at < parts.span; at += seconds(1)) {
            Request r;
            r.arrival = at;
            r.prompt_tokens = 4;
            r.output_tokens = 8;
            requests.push_back(r);
        }
    }
    TrialOutcome run() const {
        const BlueprintBlock block = build(parts);
        TrialArena arena;
        TrialOutcome o =
            run_trial(block.blueprint(), {requests.data(), requests.size(), parts.span}, {1, 0}, arena);
        const std::vector<std::string> broken = broken_laws(block.blueprint(), o);
        if (!broken.empty()) FAIL(broken.front());
        return o;
    }
};

/// Seconds of a whole node in a cell: row 0 is the workload, row 1 what no pod took.
double node_seconds(const TrialOutcome& o, std::size_t row, NodeUse use) {
    const WideSum cell = o.node_use[row * node_uses + static_cast<std::size_t>(use)];
    return cell.to_double() / static_cast<double>(node_shares) / static_cast<double>(price) /
           static_cast<double>(ticks_per_second);
}

}  // namespace

TEST_CASE("node use: a replica is busy while its steps run, idle between them, and a node without pods is idle") {
    const TrialOutcome o = NodeUseCase(2).run();
    // 3,600 requests x (one prefill step + 7 decode steps) x 10 ms = 288 s of 3,600 s.
    CHECK(node_seconds(o, 0, NodeUse::busy) == Approx(288));
    CHECK(node_seconds(o, 0, NodeUse::idle) == Approx(3312));
    CHECK(node_seconds(o, 1, NodeUse::idle) == Approx(3600));
    CHECK(node_seconds(o, 0, NodeUse::starting) == 0);
    CHECK(o.tally.degraded_minutes == 0);
}

TEST_CASE("node use: a rollout's new pod starts for a minute, its old one drains for its preStop") {
    NodeUseCase c(2);
    const std::uint32_t revision = c.parts.add_revision(0, c.parts.templates[0]);
    c.parts.events.push_back({seconds(1000), ClusterEventKind::rollout, {}, 0, 1, revision});
    const TrialOutcome o = c.run();
    // The surge pod is bound at 1,000 s and Ready at 1,060 s. The old pod is deleted then and gone 10 s later,
    // in which it works on what still reaches it: drained and worked, 10 s. Until 1,000 s one node is empty and
    // from 1,070 s the other.
    CHECK(node_seconds(o, 0, NodeUse::starting) == Approx(60).margin(1.1));
    CHECK(node_seconds(o, 0, NodeUse::draining) == Approx(10).margin(1));
    CHECK(node_seconds(o, 1, NodeUse::idle) == Approx(1000 + 3600 - 1070).margin(1.1));
    CHECK(node_seconds(o, 0, NodeUse::busy) + node_seconds(o, 0, NodeUse::idle) +
              node_seconds(o, 0, NodeUse::starting) + node_seconds(o, 0, NodeUse::draining) +
              node_seconds(o, 1, NodeUse::idle) ==
          Approx(7200));
}

TEST_CASE("node use: a dead node's time is lost until it is gone, and its minutes are degraded") {
    NodeUseCase c(1);
    c.parts.events.push_back({seconds(600), ClusterEventKind::lose_node, {}, 0, 1, 0});
    const TrialOutcome o = c.run();
    // Noticed 50 to 55 s later, given up 300 s after that: then the node goes.
    CHECK(node_seconds(o, 0, NodeUse::lost) == Approx(352.5).margin(2.6));
    // Then the pool's minimum brings another node, on which the pod starts for a minute: it serves again 1,013 to
    // 1,024 s after t = 0. Minutes 10 to 16 are degraded, and 17 when it is late.
    CHECK(node_seconds(o, 0, NodeUse::starting) == Approx(60).margin(2));
    CHECK(node_seconds(o, 0, NodeUse::busy) + node_seconds(o, 0, NodeUse::idle) + node_seconds(o, 0, NodeUse::lost) +
              node_seconds(o, 0, NodeUse::starting) ==
          Approx(3600).margin(15));
    CHECK(o.tally.degraded_minutes >= 7);
    CHECK(o.tally.degraded_minutes <= 8);
}

TEST_CASE("node use: pods take their share of a node's GPUs, and what no pod takes is nobody's") {
    NodeUseCase c(1);
    ShapePlan& shape = c.parts.shapes[0];
    shape.capacity = shape.allocatable = resource_amounts(4, 1000, 1000, 110);
    shape.gpus = 4;
    const TrialOutcome o = c.run();
    // A quarter of the node: 288 s of steps count as 72 node-seconds.
    CHECK(node_seconds(o, 0, NodeUse::busy) == Approx(72));
    CHECK(node_seconds(o, 0, NodeUse::idle) == Approx(828));
    CHECK(node_seconds(o, 1, NodeUse::idle) == Approx(2700));
}

TEST_CASE("node use: the work of a request is its part of a replica full of requests like it, and its tenant's") {
    NodeUseCase c(1);
    const BlueprintBlock block = build(c.parts);
    const ServerConfig& server = block.blueprint().servers[0];
    const auto ms = [](const ServerConfig& of, std::int64_t prompt, std::int64_t output) {
        return work_of(of, prompt, output).to_double() / static_cast<double>(ticks_per_millisecond);
    };
    // Four prompts of 4 tokens fill the 4 seats of a step of 10 ms: 2.5 ms. Then 7 steps with 4 in each.
    CHECK(ms(server, 4, 8) == 2.5 + 7 * 2.5);
    // One prompt of 40 is all that a step of 64 tokens holds; 59 tokens take 4 of 16 blocks, so 4 decode together.
    CHECK(ms(server, 40, 20) == 10 + 19 * 2.5);
    CHECK(ms(server, 40, 1) == 10);
    CHECK(ms(server, 100, 1) == 20);  // two steps
    CHECK(ms(server, 0, 0) == 0);     // never prefilled
    // With half the blocks only 2 decode together, and each takes twice as much of a step.
    NodeUseCase half(1);
    half.parts.servers[0].usable_blocks = 8;
    const BlueprintBlock small = build(half.parts);
    CHECK(ms(small.blueprint().servers[0], 40, 20) == 10 + 19 * 5);

    // Tenants 1 and 2 of the only model take turns.
    c.parts.first_account = {0, 3};
    for (std::size_t i = 0; i < c.requests.size(); ++i) {
        c.requests[i].tenant = static_cast<std::uint16_t>(1 + i % 2);
        if (i % 2 == 1) c.requests[i].prompt_tokens = 40, c.requests[i].output_tokens = 20;
    }
    const TrialOutcome o = c.run();
    REQUIRE(o.node_use.size() == 2 * node_uses + 3 + 2 * 3);  // work, then prompt and output tokens
    const auto seconds_of = [&](std::size_t account) {
        return o.node_use[2 * node_uses + account].to_double() / static_cast<double>(ticks_per_second);
    };
    CHECK(seconds_of(0) == 0);
    CHECK(seconds_of(1) == 36);      // 1,800 x 20 ms
    CHECK(seconds_of(2) == 103.5);   // 1,800 x 57.5 ms
    // Their tokens: 1,800 x 4 and 8 of tenant 1, 1,800 x 40 and 20 of tenant 2.
    const std::vector<WideSum> tokens(o.node_use.end() - 6, o.node_use.end());
    CHECK(tokens == std::vector<WideSum>{{}, {}, {7'200, 0}, {14'400, 0}, {72'000, 0}, {36'000, 0}});
}

namespace {

/// Nodes of one shape are reserved, from the start or later; in the end they go, or go on on demand.
void reserve_some(BlueprintParts& parts, std::uint64_t seed) {
    if (parts.shapes.empty()) return;
    const std::size_t index = seed / 2 % parts.shapes.size();
    std::uint32_t rows = 0;
    for (const ShapePlan& shape : parts.shapes) rows = std::max(rows, shape.bill + 1);
    ShapePlan& shape = parts.shapes[index];
    shape.reserved = static_cast<std::uint32_t>(1 + seed % 3);
    shape.reserved_bill = rows;
    shape.reserved_absorbs = seed % 4 == 0;
    shape.reserved_late = seed % 6 == 0;
    const auto event = [&](ClusterEventKind kind, std::int64_t eighths, std::uint32_t revision) {
        ClusterEventPlan e;
        e.at = Tick{parts.span.count / 8 * eighths};
        e.kind = kind;
        e.target = static_cast<std::uint32_t>(index);
        e.revision = revision;
        parts.events.push_back(e);
    };
    if (shape.reserved_late) event(ClusterEventKind::reservation_opens, 2, 0);
    if (seed % 10 != 0) event(ClusterEventKind::reservation_closes, 5, seed % 3 == 0 ? 1 : 0);
    if (seed % 10 != 0) event(ClusterEventKind::reservation_ends, 6, seed % 8 < 4 ? 1 : 0);
    std::stable_sort(parts.events.begin(), parts.events.end(), [](const ClusterEventPlan& a, const ClusterEventPlan& b) { return a.at < b.at; });
}

}  // namespace

TEST_CASE("node use: on random clusters with prices the uses add up to the bill, whatever the server and the layout") {
    std::uint32_t uses_seen = 0, reserved_seen = 0;
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        std::vector<Request> requests;
        BlueprintParts parts = lab::random_cluster(seed, requests);
        for (std::size_t i = 0; i < parts.shapes.size(); ++i)
            parts.shapes[i].nano_usd_per_hour = static_cast<std::int64_t>(800'000'000 + 7 * i + seed);
        if (seed % 2 == 0) reserve_some(parts, seed);
        parts.first_account.resize(parts.workload_of_model.size() + 1);  // one tenant each
        std::iota(parts.first_account.begin(), parts.first_account.end(), 0u);
        const BlueprintBlock block = build(parts, 16);
        const WorkloadView view{requests.data(), requests.size(), parts.span};
        TrialArena arena;
        const TrialOutcome fast = run_trial(block.blueprint(), view, {seed, 0}, arena);
        if (fast.tally.status != TrialStatus::complete) continue;
        const std::vector<std::string> broken = broken_laws(block.blueprint(), fast);
        INFO("seed " << seed);
        if (!broken.empty()) FAIL(broken.front());
        CHECK(lab::differences(fast, run_trial(block.blueprint(), view, {seed, 0}, arena, ServerKind::stepwise)) == "");
        for (std::size_t i = 0; i < fast.node_use.size(); ++i)
            if (!(fast.node_use[i] == WideSum{})) uses_seen |= 1u << i % node_uses;
        for (const ShapePlan& shape : parts.shapes) reserved_seen += shape.reserved > 0 && fast.tally.pools[shape.reserved_bill].nodes.most > 0 ? 1 : 0;
    }
    CHECK(reserved_seen > 20);
    CHECK(uses_seen >= 0b01111);
}
