#include "tests/support/server_lab.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace windtunnel;
using namespace windtunnel::lab;

namespace {

/// WINDTUNNEL_LONG=1 (make test-all) runs 50,000 random workloads instead of 2,000.
std::uint64_t workloads() { return std::getenv("WINDTUNNEL_LONG") ? 50'000 : 2'000; }

Experiment plain(std::vector<Arrival> arrivals) {
    Experiment e;
    e.arrivals = std::move(arrivals);
    e.cost.decode_step.assign(9, Tick{100});
    e.cost.mixed_step.assign(65, Tick{1000});
    e.cost.attention = {{0, Tick{0}, 1}};
    return e;
}

}  // namespace

TEST_CASE("batch server: jumps give the stepwise server's ticks, gauges and gaps on random workloads") {
    std::uint64_t requests = 0, preemptions = 0, hits = 0;
    for (std::uint64_t seed = 1; seed <= workloads(); ++seed) {
        const Experiment e = random_experiment(seed);
        const Seen fast = observe<BatchServer>(e);
        requests += e.arrivals.size();
        preemptions += fast.preemptions;
        if (!fast.gauges.empty()) hits += fast.gauges.back().prefix_hits;
        if (fast.broken || fast != observe<StepwiseServer>(e)) {
            UNSCOPED_INFO("seed " << seed << ", shrunk:\n" << describe(shrink(e, differs)));
            FAIL("fast and stepwise servers differ");
        }
        if (fast.free_at_end != e.limits.usable_blocks) FAIL("blocks were lost, seed " << seed);
    }
    WARN(requests << " requests, " << preemptions << " preemptions compared");
    CHECK(preemptions > workloads());  // the pools are small enough to matter
    CHECK(hits > 10 * workloads());    // tokens
}

TEST_CASE("batch server: cutting every jump at every arrival changes nothing") {
    for (std::uint64_t seed = 1; seed <= workloads() / 4; ++seed) {
        Experiment e = random_experiment(seed);
        const Seen once = observe<BatchServer>(e);
        e.limits.extra_cuts = true;
        if (observe<BatchServer>(e) != once) FAIL("extra cuts changed the result, seed " << seed);
    }
    SUCCEED();
}

TEST_CASE("batch server: one request, by hand") {
    // Prompt 10: one prefill step of mixed_step = 1000 ticks, then 3 decodes. The decode that makes output
    // k+1 reads 10 + k tokens and its own: 100 + 11, 100 + 12, 100 + 13. Finish = 1000 + 300 + 36.
    const Seen s = observe<BatchServer>(plain({{0, 10, 4, -1}}));
    CHECK(s.jobs[0].first == 1000);
    CHECK(s.jobs[0].finish == 1336);
    CHECK(s.gap_ticks == 336);
}

TEST_CASE("batch server: a request that arrives at a boundary's very tick is in the step that starts there") {
    // The first request's prefill ends at 1000; the second arrives at 1000 and shares the next step (mixed).
    const Seen s = observe<BatchServer>(plain({{0, 10, 4, -1}, {1000, 5, 1, -1}}));
    CHECK(s.jobs[1].first == 1000 + 1000 + 11);
}

TEST_CASE(
    "batch server: with one block short the last admitted is preempted, readmitted first, outputs kept") {
    // Blocks of 4, three in the pool. Two prompts of 4 take one each; both need a second for their second
    // output, one is free: the second request gives way, and its output of the prefill step stays.
    Experiment e = plain({{0, 4, 6, -1}, {0, 4, 2, -1}});
    e.limits.block_size = 4;
    e.limits.usable_blocks = 3;
    e.limits.max_model_len = 12;
    const Seen s = observe<BatchServer>(e);
    CHECK(s.preemptions == 1);
    CHECK(s.jobs[0].first == 1000);
    CHECK(s.jobs[1].first == 1000);
    CHECK(s.jobs[1].finish > s.jobs[0].finish);
    CHECK(s.gap_count == 5 + 1);
    CHECK(s == observe<StepwiseServer>(e));
}

TEST_CASE("batch server: a big head of the queue blocks a small follower that would fit") {
    Experiment e = plain({{0, 40, 20, -1}, {10, 60, 2, -1}, {20, 1, 2, -1}});
    e.limits.block_size = 4;
    e.limits.usable_blocks = 20;  // 15 for the first at its end; the second needs 15
    e.limits.max_model_len = 80;
    e.limits.reserve_full_sequence = true;
    const Seen s = observe<BatchServer>(e);
    CHECK(s.jobs[2].first >= s.jobs[1].first);
    CHECK(s.jobs[1].first > s.jobs[0].finish);
}

TEST_CASE("batch server: an aborted request gives its blocks back and gets no more tokens") {
    Experiment e = plain({{0, 10, 200, 5000}});
    const Seen s = observe<BatchServer>(e);
    CHECK(s.jobs[0].end == 'a');
    CHECK(s.jobs[0].finish >= 5000);
    CHECK(s.jobs[0].finish < 5000 + 200);
    CHECK(s.free_at_end == e.limits.usable_blocks);
}

namespace {

/// Blocks of 4 tokens, a node of the prefix tree for each; a prefill step of n tokens takes 1000 + n ticks.
Experiment cached(std::vector<Arrival> arrivals, std::int64_t blocks) {
    Experiment e = plain(std::move(arrivals));
    for (std::size_t n = 0; n < e.cost.mixed_step.size(); ++n) e.cost.mixed_step[n].count += static_cast<std::int64_t>(n);
    e.limits.block_size = 4;
    e.limits.usable_blocks = blocks;
    e.limits.max_model_len = 16;
    e.limits.prefix_caching = true;
    e.tokens_per_node = 4;
    return e;
}

}  // namespace

TEST_CASE("prefix caching: a prompt seen before is prefilled from the first missing block on, and never not at all") {
    // 12 tokens are three full blocks, but a lookup leaves the last token out (vllm.md 2.4): 2 of 3 are found, 4 tokens
    // computed. 13 tokens of which 12 are the same: all 3 are found.
    const Experiment e = cached({{0, 12, 1, -1, {0, 1, 2}}, {5000, 12, 1, -1, {0, 1, 2}}, {9000, 13, 1, -1, {0, 1, 2}}}, 8);
    Experiment scraped = e;
    scraped.scrapes = {20'000};
    const Seen s = observe<BatchServer>(scraped);
    CHECK(s.jobs[0].first == 1012);
    CHECK(s.jobs[1].first == 5000 + 1004);
    CHECK(s.jobs[2].first == 9000 + 1001);
    CHECK(s.gauges[0].prefix_queries == 12 + 12 + 13);
    CHECK(s.gauges[0].prefix_hits == 8 + 12);
    CHECK(s == observe<StepwiseServer>(scraped));
}

TEST_CASE("prefix caching: a request that is admitted in the same step finds what another's chunk holds") {
    // Blocks are entered when their tokens are scheduled (vllm.md 2.5): 12 + 4 tokens in the first step.
    const Seen s = observe<BatchServer>(cached({{0, 12, 1, -1, {0, 1, 2}}, {0, 12, 1, -1, {0, 1, 2}}}, 8));
    CHECK(s.jobs[1].first == 1000 + 12 + 4);
}

TEST_CASE("prefix caching: free blocks are taken oldest first, and a request's last block before its first") {
    // Four blocks. The first request frees its second block, then its first, behind the two that were never used. One of
    // 12 tokens takes three: those two and the second block. What is left of the prefix is its first block.
    const Experiment e = cached({{0, 8, 1, -1, {0, 1}}, {5000, 12, 1, -1}, {9000, 9, 1, -1, {0, 1}}}, 4);
    const Seen s = observe<BatchServer>(e);
    CHECK(s.jobs[2].first == 9000 + 1000 + 5);
    // With a fifth block all of it is.
    const Seen more = observe<BatchServer>(cached({{0, 8, 1, -1, {0, 1}}, {5000, 12, 1, -1}, {9000, 9, 1, -1, {0, 1}}}, 5));
    CHECK(more.jobs[2].first == 9000 + 1000 + 1);
}

TEST_CASE("prefix caching: a preempted request finds its own blocks again, outputs and all") {
    // Three blocks; as without caching, the second request gives way when both need a second block. It had computed its
    // prompt, one full block, and comes back with prompt and one output: that block is found if nobody took it.
    Experiment e = cached({{0, 4, 3, -1}, {0, 4, 2, -1}}, 3);
    const Seen s = observe<BatchServer>(e);
    CHECK(s.preemptions == 1);
    // Its block is the only free one, and it needs another beside it: it waits until the first request has its 3 outputs,
    // and then prefills one token where it would have prefilled 5.
    CHECK(s.jobs[1].finish == 1008 + 105 + 106 + 1001);
    CHECK(s == observe<StepwiseServer>(e));
}
