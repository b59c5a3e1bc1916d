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
    std::uint64_t requests = 0, preemptions = 0;
    for (std::uint64_t seed = 1; seed <= workloads(); ++seed) {
        const Experiment e = random_experiment(seed);
        const Seen fast = observe<BatchServer>(e);
        requests += e.arrivals.size();
        preemptions += fast.preemptions;
        if (fast.broken || fast != observe<StepwiseServer>(e)) {
            UNSCOPED_INFO("seed " << seed << ", shrunk:\n" << describe(shrink(e, differs)));
            FAIL("fast and stepwise servers differ");
        }
        if (fast.free_at_end != e.limits.usable_blocks) FAIL("blocks were lost, seed " << seed);
    }
    WARN(requests << " requests, " << preemptions << " preemptions compared");
    CHECK(preemptions > workloads());  // the pools are small enough to matter
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
