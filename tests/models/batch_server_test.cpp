#include "tests/support/rounds.hpp"
#include "tests/support/server_lab.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;
using namespace windtunnel::lab;

namespace {

std::uint64_t workloads() { return lab::rounds(2'000, 50'000); }

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

TEST_CASE("batch server: beside sliding windows cached prefixes are found, kept and forgotten as block by block") {
    // The reference has every block of every group, its content and its place in the free list (stepwise_blocks.hpp).
    std::uint64_t count = 0, preemptions = 0, hits = 0;
    for (std::uint64_t seed = 1'000'000; count < workloads() / 2; ++seed) {
        Experiment e = random_experiment(seed);
        if (!e.limits.prefix_caching || e.limits.window_groups == 0) continue;
        ++count;
        const Seen fast = observe<BatchServer>(e);
        preemptions += fast.preemptions;
        if (!fast.gauges.empty()) hits += fast.gauges.back().prefix_hits;
        if (fast.broken || fast != observe<StepwiseServer>(e)) {
            UNSCOPED_INFO("seed " << seed << ", shrunk:\n" << describe(shrink(e, differs)));
            FAIL("fast and stepwise servers differ");
        }
        if (fast.free_at_end != e.limits.usable_blocks) FAIL("blocks were lost, seed " << seed);
        e.limits.extra_cuts = true;
        if (observe<BatchServer>(e) != fast) FAIL("extra cuts changed the result, seed " << seed);
    }
    CHECK(preemptions > 5 * count);
    CHECK(hits > 10 * count);  // tokens
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

TEST_CASE("prefix caching: who finds blocks of two prompts that were computed in turns holds and frees just these") {
    // Two prompts with the same beginning, 8 tokens of each in a step: both compute the same blocks, each for itself. A
    // third finds blocks of both (the oldest copies that are left), and when all have gone none is held.
    Experiment e = plain({{0, 64, 1, -1, {0, 1}}, {0, 64, 40, -1, {0, 1}}, {9000, 64, 4, -1, {0, 1}}, {9500, 60, 9, -1, {0, 2}}});
    e.tokens_per_node = 32;
    e.limits.prefix_caching = true;
    e.limits.block_size = 8;
    e.limits.long_prefill_threshold = 8;
    e.limits.max_model_len = 128;
    e.limits.usable_blocks = 22;
    e.scrapes = {20'000};
    const Seen s = observe<BatchServer>(e);
    CHECK(s == observe<StepwiseServer>(e));
    CHECK(s.gauges[0].prefix_hits > 0);
    CHECK(s.free_at_end == 22);
}

TEST_CASE("sliding windows: a sequence gives back the blocks that its window has left") {
    // Blocks of 4, one group of full attention and one with a window of 8. A step that brings token c + 1 gives back the
    // windowed blocks wholly left of c + 1 - 8: the first at c = 11. Steps: prefill until 1000, then 101 + c, so that
    // c = 10 begins at 1645, c = 11 at 1756, c = 12 at 1868. They hold 3 + 3 blocks, 3 + 2, and 4 + 3.
    Experiment e = plain({{0, 4, 20, -1}});
    e.limits.block_size = 4;
    e.limits.window_groups = 1;
    e.limits.window_tokens = 8;
    e.scrapes = {1700, 1757, 1869};
    const Seen s = observe<BatchServer>(e);
    CHECK(s.gauges[0].used_blocks == 6);
    CHECK(s.gauges[1].used_blocks == 5);
    CHECK(s.gauges[2].used_blocks == 7);
    CHECK(s == observe<StepwiseServer>(e));
}

TEST_CASE("sliding windows: a block that a window gives back admits the head of the queue") {
    // The same in a pool of 9 blocks. The second wants 2 + 2 for its prompt of 8. While the first holds 3 + 3 (from c = 8
    // on, at 1426) it is refused; at c = 11, at 1756, the first holds 5, and the second joins that step: a mixed step
    // beside 12 tokens of context.
    Experiment e = plain({{0, 4, 20, -1}, {1400, 8, 1, -1}});
    e.limits.block_size = 4;
    e.limits.window_groups = 1;
    e.limits.window_tokens = 8;
    e.limits.max_model_len = 24;
    e.limits.usable_blocks = 9;
    const Seen s = observe<BatchServer>(e);
    CHECK(s.jobs[1].first == 1756 + 1000 + 12);
    CHECK(s == observe<StepwiseServer>(e));
}

TEST_CASE("pipeline stages: as many batches are in flight, each a stage behind the one before") {
    // Two stages, prompts of 64 in a budget of 64: the batches take 1000, 500 in each stage. The first leaves them at
    // 500 and 1000, the second, which starts beside it, at 1000 and 1500. The first's decode (100 + 65 of context: 83 in
    // each stage) enters at 1000 and waits for the second stage until 1500.
    Experiment e = plain({{0, 64, 2, -1}, {0, 64, 2, -1}});
    e.limits.pipeline_stages = 2;
    Seen s = observe<BatchServer>(e);
    CHECK(s.jobs[0].first == 1000);
    CHECK(s.jobs[1].first == 1500);
    CHECK(s.jobs[0].finish == 1500 + 83);
    // The chunks of one prompt follow each other too; a token waits for the one before.
    e = plain({{0, 128, 2, -1}});
    e.limits.pipeline_stages = 2;
    s = observe<BatchServer>(e);
    CHECK(s.jobs[0].first == 1500);
    CHECK(s.jobs[0].finish == 1500 + 115 + 115);  // 100 + 129 of context
    // Who comes while the engine waits for a batch is seen when that has come out, free stages or not.
    e = plain({{0, 10, 1, -1}, {1, 10, 1, -1}});
    e.limits.pipeline_stages = 2;
    CHECK(observe<BatchServer>(e).jobs[1].first == 2000);
    CHECK(observe<BatchServer>(e) == observe<StepwiseServer>(e));
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

TEST_CASE("asynchronous scheduling: a request that arrives during a step is in the step after the next") {
    // Alone, a request is as fast as without: prefill 1000, decodes 111, 112, 113.
    Experiment e = plain({{0, 10, 4, -1}});
    e.limits.asynchronous = true;
    CHECK(observe<BatchServer>(e).jobs[0].finish == 1336);
    // Steps end at 1000, 1111, 1223, ... Who arrives at 1050 is seen at 1111, when the step up to 1223 is planned already;
    // the one that prefills it costs 1000 and 10 + 3 tokens of context. Synchronously it starts at 1111, with 12 tokens.
    e = plain({{0, 10, 20, -1}, {1050, 5, 1, -1}});
    CHECK(observe<BatchServer>(e).jobs[1].first == 1111 + 1012);
    e.limits.asynchronous = true;
    CHECK(observe<BatchServer>(e).jobs[1].first == 1223 + 1013);
}

TEST_CASE("asynchronous scheduling: who stops at its limit is in no further step, who stops early in exactly one") {
    // The first has its two tokens at 1111. Asked for no more, it leaves an idle engine, and the second starts at once.
    Experiment e = plain({{0, 10, 2, -1}, {1112, 5, 1, -1}});
    e.limits.asynchronous = true;
    CHECK(observe<BatchServer>(e).jobs[1].first == 1112 + 1000);
    // Had it been asked for more, a step for its third token would run from 1111 to 1223.
    e.arrivals[0].unsaid = 5;
    const Seen s = observe<BatchServer>(e);
    CHECK(s.jobs[0].finish == 1111);
    CHECK(s.jobs[1].first == 1223 + 1000);
    CHECK(s.gap_count == 1);
}

TEST_CASE("asynchronous scheduling: the slot of one that finished is taken a step later") {
    // One sequence at a time. The first has its tokens at 1111; synchronously the second starts there. Asynchronously a
    // step would have been planned at 1000 already, which saw no free slot: nothing runs, and it starts at 1111 too. With
    // two slots the third request waits for the step that was planned behind the first one's last.
    Experiment e = plain({{0, 10, 2, -1}, {0, 10, 20, -1}, {1, 10, 1, -1}});
    e.limits.max_num_seqs = 2;
    // Both prefilled at 1000; the step to 1122 gives the first its last token. The next has one row: 112.
    CHECK(observe<BatchServer>(e).jobs[2].first == 1122 + 1012);
    e.limits.asynchronous = true;
    CHECK(observe<BatchServer>(e).jobs[2].first == 1122 + 112 + 1013);
}

TEST_CASE("priority: the queue and who gives way go by priority, then by arrival") {
    Experiment e = plain({{0, 10, 2, -1}, {10, 10, 2, -1}, {20, 10, 2, -1}});
    e.limits.max_num_seqs = 1;
    e.arrivals[2].priority = -1;
    CHECK(observe<BatchServer>(e).jobs[1].first < observe<BatchServer>(e).jobs[2].first);
    e.limits.by_priority = true;
    CHECK(observe<BatchServer>(e).jobs[2].first < observe<BatchServer>(e).jobs[1].first);

    // Three blocks of 4. At 2005 the first request holds two and the second needs another: first come, first served the
    // second gives way; by priority the first, though it was admitted before. 105 ticks later the second is done.
    e = plain({{0, 4, 6, -1}, {1, 4, 2, -1}});
    e.limits.block_size = 4;
    e.limits.usable_blocks = 3;
    e.limits.max_model_len = 12;
    e.arrivals[0].priority = 1;
    CHECK(observe<BatchServer>(e).jobs[1].finish > observe<BatchServer>(e).jobs[0].finish);
    e.limits.by_priority = true;
    const Seen s = observe<BatchServer>(e);
    CHECK(s.preemptions == 1);
    CHECK(s.jobs[1].first == 1000 + 1005);
    CHECK(s.jobs[1].finish == 2005 + 105);
    CHECK(s.jobs[0].finish > s.jobs[1].finish);
}

TEST_CASE("priority: one that gives way to those behind it ends the step's walk, and the engine sleeps a millisecond") {
    // Three blocks of 4 tokens. From 2005 on the first request holds two of them, the second, which matters more, one. Three
    // steps later both need another: the first has its turn first, and is itself the one to give way.
    Experiment e = plain({{0, 4, 8, -1}, {1, 1, 6, -1}});
    e.limits.block_size = 4;
    e.limits.usable_blocks = 3;
    e.limits.max_model_len = 12;
    e.limits.by_priority = true;
    e.arrivals[0].priority = 1;
    const Seen s = observe<BatchServer>(e);
    CHECK(s.preemptions == 1);
    CHECK(s.jobs[1].finish > pause_after_nothing.count);
    CHECK(s == observe<StepwiseServer>(e));
}

TEST_CASE("long prefill threshold: a prompt gets no more than so many tokens in a step, and several prompts do") {
    // 40 tokens in chunks of 16, 16 and 8, a step of 1000 each. The second prompt's chunks ride in the same steps.
    Experiment e = plain({{0, 40, 1, -1}, {0, 20, 1, -1}});
    CHECK(observe<BatchServer>(e).jobs[0].first == 1000);
    e.limits.long_prefill_threshold = 16;
    const Seen s = observe<BatchServer>(e);
    CHECK(s.jobs[0].first == 3000);
    CHECK(s.jobs[1].first == 2000);
}

TEST_CASE("V0: prompts are prefilled in steps of their own, while those that decode wait") {
    // The second request arrives in the step up to 1111 and is prefilled, alone, from there to 2111; its neighbour's third
    // token comes with the step after that, which both are in: 100 + 12 + 6. V1 would have mixed them.
    Experiment e = plain({{0, 10, 3, -1}, {1050, 5, 2, -1}});
    e.limits.prefill_first = true;
    e.limits.chunked_prefill = false;
    e.limits.max_model_len = e.limits.max_num_batched_tokens;
    const Seen s = observe<BatchServer>(e);
    CHECK(s.jobs[1].first == 1111 + 1000);
    CHECK(s.jobs[0].finish == 2111 + 118);
    CHECK(s.jobs[1].finish == 2111 + 118);
    CHECK(s.gap_ticks == 111 + (2229 - 1111) + 118);
    CHECK(s == observe<StepwiseServer>(e));
}

TEST_CASE("V0: admission leaves the watermark, and decoding wants a free block whether it takes one or not") {
    // Ten blocks of 4, one kept: a prompt of 36 tokens is admitted beside nothing, one of 4 beside it is not.
    Experiment e = plain({{0, 32, 4, -1}, {0, 4, 2, -1}});
    e.limits.prefill_first = true;
    e.limits.chunked_prefill = false;
    e.limits.block_size = 4;
    e.limits.usable_blocks = 10;
    e.limits.watermark_blocks = 2;
    e.limits.max_model_len = 28 + 8;
    CHECK(observe<BatchServer>(e).jobs[1].first > observe<BatchServer>(e).jobs[0].finish);
    e.limits.watermark_blocks = 1;
    CHECK(observe<BatchServer>(e).jobs[1].first == 1000);
}

TEST_CASE("V0: who gives way may keep its blocks in the host's memory, and is back before anybody is admitted") {
    // Four blocks of 4, two prompts of 4: from 1110 on both hold two blocks, and decoding wants a free one. The second moves
    // its two out, 50 each, in a step with 6 tokens of context: until 1110 + 106 + 100. While the first goes on (107, 108,
    // 109; a third block at 8 tokens), its 2 + 1 blocks are not free. From 1640 on they are: back in, with 6 tokens of
    // context. A third request that came at 1200 waits until nobody is out any more.
    Experiment e = plain({{0, 4, 6, -1}, {0, 4, 3, -1}, {1200, 1, 1, -1}});
    e.limits.prefill_first = e.limits.swaps = true;
    e.limits.chunked_prefill = false;
    e.limits.block_size = 4;
    e.limits.usable_blocks = 4;
    e.limits.max_model_len = 12;
    e.limits.swap_blocks = 2;
    e.limits.swap_block_time = 50;
    e.scrapes = {1400, 1700};
    const Seen s = observe<BatchServer>(e);
    CHECK(s.preemptions == 1);
    CHECK(s.jobs[0].finish == 1110 + 206 + 107 + 108 + 109);
    CHECK(s.jobs[1].finish == 1640 + 206);
    CHECK(s.jobs[2].first == 1846 + 1000);
    CHECK(s.gauges[0].swapped == 1);
    CHECK(s.gauges[0].swap_blocks == 2);
    CHECK(s.gauges[1].swapped == 0);
    CHECK(s == observe<StepwiseServer>(e));
    // Without room for its blocks the engine raises an error, and everything is lost.
    e.limits.swap_blocks = 1;
    const Seen dead = observe<BatchServer>(e);
    CHECK(dead.deaths == 1);
    CHECK(dead.jobs[0].end == 'l');
    CHECK(dead.jobs[0].finish == 1110);
    CHECK(dead.jobs[2].first == 1200 + 1000);
    CHECK(dead == observe<StepwiseServer>(e));
}

TEST_CASE("speculative decoding: accepted drafts come with the token behind them, in one step") {
    // Prompt 10, 9 tokens, 3 drafts that are always accepted: the prefill's token, then 4 in each of two steps, which read
    // 11 and 15 tokens of context.
    Experiment e = plain({{0, 10, 9, -1}});
    e.limits.draft_tokens = 3;
    e.limits.acceptance = 1;
    Seen s = observe<BatchServer>(e);
    CHECK(s.jobs[0].first == 1000);
    CHECK(s.jobs[0].finish == 1000 + 111 + 115);
    CHECK(s.gap_count == 8);  // two of a step, six of tokens that came with others
    CHECK(s.gap_ticks == 111 + 115);
    // None accepted: a token in each step, as without.
    e.limits.acceptance = 0;
    s = observe<BatchServer>(e);
    CHECK(s.gap_count == 8);
    CHECK(s.jobs[0].finish == 1000 + 8 * 100 + (11 + 18) * 4);
}

TEST_CASE("speculative decoding: a step gives 1 + a + a^2 + a^3 tokens in the mean") {
    Experiment e = plain({{0, 10, 4000, -1}});
    e.limits.max_model_len = 8000;
    e.limits.usable_blocks = 1000;
    e.limits.draft_tokens = 3;
    e.limits.acceptance = 0.5;
    for (Tick& t : e.cost.decode_step) t = Tick{100};
    e.cost.attention = {{0, Tick{}, 0}};
    // A step takes 100 ticks and gives 1.875 tokens; their variance is below 1.3, so the mean of 2,100 steps lies within
    // 0.1 (four deviations).
    const double steps = static_cast<double>(observe<BatchServer>(e).gap_ticks) / 100;
    CHECK(4000.0 / steps == Approx(1.875).margin(0.1));
}

TEST_CASE("speculative decoding: asynchronously a step is planned as if all drafts of the one ahead were accepted") {
    // As above, all accepted. The second step is planned at 0, behind the prefill; the third at 1000, with five tokens on
    // their way, whose context the GPU knows: 15. At 1111 five tokens are there and four are on their way; one of them is
    // not enough for nine, so that a fourth step is planned (vllm.md 1.13.6). It runs for nothing, 1226 to 1345, and
    // the second request, which comes at 1200, waits for it. Its prefill is planned at 1226.
    Experiment e = plain({{0, 10, 9, -1}, {1200, 5, 1, -1}});
    e.limits.asynchronous = true;
    e.limits.draft_tokens = 3;
    e.limits.acceptance = 1;
    Seen s = observe<BatchServer>(e);
    CHECK(s.jobs[0].first == 1000);
    CHECK(s.jobs[0].finish == 1000 + 111 + 115);
    CHECK(s.jobs[1].first == 1226 + 119 + 1000);
    CHECK(s == observe<StepwiseServer>(e));
    // None accepted: it is known when the last step is on its way, and nothing runs for nothing.
    e.limits.acceptance = 0;
    e.arrivals[1].at = 1900;
    s = observe<BatchServer>(e);
    CHECK(s.jobs[0].finish == 1000 + 8 * 100 + (11 + 18) * 4);
    CHECK(s.jobs[1].first == s.jobs[0].finish + 1000);
    CHECK(s == observe<StepwiseServer>(e));
}

TEST_CASE("speculative decoding: asynchronously blocks are taken for drafts that may be rejected") {
    // Blocks of 4, prompt 4, 3 drafts, none accepted. At 0 the prefill takes a block and the step behind it, tokens 4 to 7,
    // another; at 1000 the next counts on these four and takes a third. Synchronously it has one, then two.
    for (const bool asynchronous : {false, true}) {
        Experiment e = plain({{0, 4, 9, -1}});
        e.limits.block_size = 4;
        e.limits.asynchronous = asynchronous;
        e.limits.draft_tokens = 3;
        e.scrapes = {500, 1050};
        const Seen s = observe<BatchServer>(e);
        CHECK(s.gauges[0].used_blocks == (asynchronous ? 2 : 1));
        CHECK(s.gauges[1].used_blocks == (asynchronous ? 3 : 2));
        CHECK(s == observe<StepwiseServer>(e));
    }
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

TEST_CASE("prefix caching: EAGLE and MTP compute the last of the cached blocks anew") {
    // The same requests: of 2 and of 3 blocks that are cached, 1 and 2 are found (vllm.md 2.4).
    Experiment e = cached({{0, 12, 1, -1, {0, 1, 2}}, {5000, 12, 1, -1, {0, 1, 2}}, {9000, 13, 1, -1, {0, 1, 2}}}, 12);
    e.limits.draft_tokens = 1;
    e.limits.drops_last_hit = true;
    e.scrapes = {20'000};
    const Seen s = observe<BatchServer>(e);
    CHECK(s.jobs[1].first == 5000 + 1008);
    CHECK(s.jobs[2].first == 9000 + 1005);
    CHECK(s.gauges[0].prefix_hits == 4 + 8);
    CHECK(s == observe<StepwiseServer>(e));
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

TEST_CASE("prefix caching: a prompt that turns off in the middle of another's leaves the rest where it stood") {
    // Eight blocks of 4 tokens. The first request leaves 3 2 1 0 (front to back) behind four that were never used. The
    // second has 0 and 1 in common with it, takes them and a fresh one, x, and frees x 1 0: the list is f f f 3 2 x 1 0.
    // The third takes four of them, and of the first prompt 0, 1 and 2 are left; or five, and 0 and 1 are.
    for (const std::uint32_t third : {16u, 20u}) {
        Experiment e = cached({{0, 16, 1, -1, {0, 1, 2, 3}}, {5000, 12, 1, -1, {0, 1, 4}}, {9000, third, 1, -1}, {15'000, 17, 1, -1, {0, 1, 2, 3}}}, 8);
        e.limits.max_model_len = 24;
        e.scrapes = {8000, 20'000};
        const Seen s = observe<BatchServer>(e);
        CHECK(s.gauges[0].prefix_hits == 8);
        CHECK(s.gauges[1].prefix_hits == (third == 16 ? 8 + 12 : 8 + 8));
        CHECK(s == observe<StepwiseServer>(e));
    }
}

TEST_CASE("prefix caching: what two prompts of one path go on to is a branch for each") {
    // The same path for the first and the third (the lab gives it to requests with the same beginning): the second leaves
    // a block behind that follows the first's only one, otherwise; the third goes on from it too, and the fourth finds
    // the second's.
    Experiment e = cached({{0, 4, 1, -1, {0, 1}}, {3000, 8, 1, -1, {0, 2}}, {6000, 8, 1, -1, {0, 1}}, {9000, 8, 1, -1, {0, 1}}, {12'000, 12, 1, -1, {0, 2, 3}}, {15'000, 12, 1, -1, {0, 1}}}, 12);
    e.scrapes = {20'000};
    const Seen s = observe<BatchServer>(e);
    CHECK(s.gauges[0].prefix_hits == 4 + 4 + 4 + 8 + 8);
    CHECK(s == observe<StepwiseServer>(e));
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

TEST_CASE("prefix caching: beside sliding windows a hit holds in every group, in the windowed ones at its end") {
    // Blocks of 4, one group of full attention and one with a window of 8: a hit there needs ceil(7 / 4) = 2 blocks. Ten
    // blocks: the first request leaves w3 w2 w1 w0 f3 f2 f1 f0 behind two that were never used. One of 8 tokens takes
    // those two, w3 and w2; of 12 tokens also w1 and w0, and then all that the full group still has is of no use.
    for (const auto& [other, hit] : {std::pair{0u, 16u}, std::pair{8u, 8u}, std::pair{12u, 0u}, std::pair{16u, 0u}}) {
        Experiment e = cached({{0, 16, 1, -1, {0, 1, 2, 3}}, {5000, other == 0 ? 1 : other, 1, -1}, {9000, 17, 1, -1, {0, 1, 2, 3}}}, 10);
        if (other == 0) e.arrivals.erase(e.arrivals.begin() + 1);
        e.limits.max_model_len = 20;
        e.limits.window_groups = 1;
        e.limits.window_tokens = 8;
        e.scrapes = {20'000};
        const Seen s = observe<BatchServer>(e);
        CHECK(s.gauges[0].prefix_hits == hit);
        CHECK(s == observe<StepwiseServer>(e));
    }
}

TEST_CASE("prefix caching: what a window has left is found until its blocks are taken") {
    // The same groups. The first request leaves its windowed blocks 0 and 1 when 11 and 15 tokens are computed, at 1230 and
    // 1684, and runs on until 2274: the second finds both prompt blocks, in the one group held, in the other free. With
    // twelve blocks, ten of which the first has had, the third has taken the two that were left and those two before
    // the second comes, and the full group's blocks, which are still held, are of no use.
    for (const std::int64_t blocks : {40, 12}) {
        Experiment e = cached({{0, 9, 12, -1, {0, 1}}, {2900, 9, 1, -1, {0, 1}}, {1810, 8, 1, -1}}, blocks);
        e.limits.max_model_len = 24;
        e.limits.window_groups = 1;
        e.limits.window_tokens = 8;
        e.scrapes = {1805, 20'000};
        const Seen s = observe<BatchServer>(e);
        CHECK(s.gauges[0].used_blocks == 5 + 3);
        CHECK(s.gauges[1].prefix_hits == (blocks == 40 ? 8 : 0));
        CHECK(s == observe<StepwiseServer>(e));
    }
}
