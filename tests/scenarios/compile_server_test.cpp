#include "scenarios/compile/compile_server.hpp"
#include "scenarios/traces/kv_groups.hpp"
#include "tests/support/server_lab.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;

namespace {

ModelServer serving(const char* model, const char* version = "0.11.0") {
    ModelServer s;
    s.model = model;
    s.vllm_version = version;
    s.max_model_len = 8192;
    return s;
}

struct CompiledServer {
    ServerParts parts;
    CompiledWorkload facts;
    Problems warnings;
};
CompiledServer compiled(const ModelServer& server, const char* gpu, bool shared_prefixes = false) {
    CompiledServer out;
    const Result<ServerParts> parts = compile_server(server, gpu, {}, shared_prefixes, out.facts, out.warnings);
    if (!parts) FAIL(to_string(parts.problems().front()));
    out.parts = *parts;
    return out;
}

}  // namespace

TEST_CASE("compile server: pipeline stages are batches in flight, not a second step planned ahead") {
    ModelServer s = serving("Qwen/Qwen3-32B", "0.19.0");
    s.pipeline_parallel = 2;
    const CompiledServer two = compiled(s, "h100-sxm-80gb");
    CHECK(two.parts.pipeline_stages == 2);
    CHECK_FALSE(two.parts.asynchronous);
    s.pipeline_parallel = 1;
    const CompiledServer one = compiled(s, "h100-sxm-80gb");
    CHECK(one.parts.asynchronous);
    // Half of the layers lie on each GPU: their weights, and twice as many tokens for every byte of KV cache.
    CHECK(two.facts.capacity.weights_gib == Approx(one.facts.capacity.weights_gib / 2).epsilon(0.05));
    CHECK(two.parts.usable_blocks > 2 * one.parts.usable_blocks);
    s.pipeline_parallel = 2;
    s.speculation = Speculation{"ngram", "", 3};
    CompiledServer out;
    CHECK_FALSE(compile_server(s, "h100-sxm-80gb", {}, false, out.facts, out.warnings).ok());
}

TEST_CASE("compile server: drafts of the model's own layers leave scheduling asynchronous, others do not") {
    ModelServer s = serving("Qwen/Qwen3-32B", "0.19.0");
    s.speculation = Speculation{"eagle3", "a/b", 3};
    const CompiledServer eagle = compiled(s, "h100-sxm-80gb");
    CHECK(eagle.parts.asynchronous);
    CHECK(eagle.parts.drops_last_hit);
    CHECK(eagle.parts.lookahead_tokens == 3);
    s.speculation->padded_batches = false;
    CHECK_FALSE(compiled(s, "h100-sxm-80gb").parts.asynchronous);
    s.speculation = Speculation{"ngram", "", 3};
    const CompiledServer ngram = compiled(s, "h100-sxm-80gb");
    CHECK_FALSE(ngram.parts.asynchronous);
    CHECK_FALSE(ngram.parts.drops_last_hit);
    // A release that schedules synchronously goes on doing so.
    ModelServer old = serving("Qwen/Qwen3-32B", "0.12.0");
    old.speculation = Speculation{"eagle3", "a/b", 3};
    CHECK_FALSE(compiled(old, "h100-sxm-80gb").parts.asynchronous);
}

TEST_CASE("compile server: the data parallel engines of a mixture hold a share of its experts each") {
    // 235 billion weights in 16 bits are 438 GiB: no GPU holds them, eight that share the experts do, whether these are
    // whole (expert parallel) or cut. About 8 billion weights are not in experts: 15 GiB on each, and 53 of the experts.
    ModelServer s = serving("Qwen/Qwen3-235B-A22B");
    s.data_parallel = 8;
    const CompiledServer cut = compiled(s, "h200-sxm-141gb");
    s.expert_parallel = true;
    const CompiledServer whole = compiled(s, "h200-sxm-141gb");
    CHECK(whole.parts.data_parallel == 8);
    CHECK(whole.facts.capacity.weights_gib == Approx(68).margin(3));
    CHECK(cut.facts.capacity.weights_gib == Approx(whole.facts.capacity.weights_gib));
    s.data_parallel = 1;
    CompiledServer out;
    CHECK_FALSE(compile_server(s, "h200-sxm-141gb", {}, false, out.facts, out.warnings).ok());
    // A dense model's engines are copies.
    ModelServer dense = serving("Qwen/Qwen3-32B");
    const double alone = compiled(dense, "h100-sxm-80gb").facts.capacity.weights_gib;
    dense.data_parallel = 2;
    CHECK(compiled(dense, "h100-sxm-80gb").facts.capacity.weights_gib == alone);
}

TEST_CASE("compile server: windows give their blocks back, unless drafts make them count as full") {
    // gpt-oss-20b: twelve layers see 128 tokens, twelve see all; a block covers twelve layers of a kind.
    const ModelServer s = serving("openai/gpt-oss-20b");
    const auto warns = [](const CompiledServer& c) {
        return std::any_of(c.warnings.begin(), c.warnings.end(), [](const Problem& p) {
            return p.message.find("sliding windows count as full attention") != std::string::npos;
        });
    };
    for (const bool shared_prefixes : {false, true}) {
        const CompiledServer own = compiled(s, "l4-24gb", shared_prefixes);
        CHECK(own.parts.full_groups == 1);
        CHECK(own.parts.window_groups == 1);
        CHECK(own.parts.window_tokens == 128);
        CHECK(own.parts.usable_blocks == own.facts.capacity.num_gpu_blocks - 1);
        CHECK(own.parts.prefix_caching == shared_prefixes);
        CHECK_FALSE(warns(own));
    }
    ModelServer drafting = s;
    drafting.speculation = Speculation{"eagle3", "a/b", 3};
    const CompiledServer drafts = compiled(drafting, "l4-24gb", true);
    CHECK(drafts.parts.window_groups == 0);
    CHECK(drafts.parts.prefix_caching);
    CHECK(drafts.parts.usable_blocks < drafts.facts.capacity.num_gpu_blocks / 2);
    CHECK(warns(drafts));
    // Blocks of 16 tokens. A window of 128 beside chunks of 2048 spans at most 2175 tokens, 136 blocks and one begun: of
    // 1000 blocks 863 are left for full attention, 13,808 tokens.
    ServerParts parts;
    parts.window_groups = 1;
    parts.window_tokens = 128;
    parts.max_num_batched_tokens = 2048;
    parts.usable_blocks = 1000;
    CHECK(longest_alone(parts, 0, 100'000) == 13'808);
    CHECK(longest_alone(parts, 0, 5'000) == 5'000);
}

TEST_CASE("compile server: gpt-oss serves twice as many long prompts at once as with full attention, shared beginnings or not") {
    // 4,000 blocks, prompts of 4,096 tokens, the first 1,024 of which are the same: 64 blocks that all share. Each request
    // has 192 of its own in the full group, 12 more when its 192 output tokens are there, and 9 in the windowed one. They
    // begin one after the other, so 18 (of 213) to 19 (of 207) fit. When windows counted as full attention half of the
    // blocks were there: 9 (of 204) to 10 (of 192). All but the first find the beginning, unless its end, which no window
    // looks at any more, has been taken in the meantime: three compute it anew.
    ModelServer s = serving("openai/gpt-oss-20b");
    s.num_gpu_blocks_override = 4001;
    const auto most_and_hits = [](const ServerParts& parts) {
        lab::Experiment e;
        e.cost = parts.cost;
        auto& l = e.limits;
        l.max_num_seqs = parts.max_num_seqs;
        l.max_num_batched_tokens = parts.max_num_batched_tokens;
        l.max_model_len = parts.max_model_len;
        l.usable_blocks = parts.usable_blocks;
        l.prefix_caching = parts.prefix_caching;
        l.full_groups = parts.full_groups;
        l.window_groups = parts.window_groups;
        l.window_tokens = parts.window_tokens;
        e.tokens_per_node = 1024;
        for (std::uint32_t i = 0; i < 40; ++i) e.arrivals.push_back({0, 4096, 192, -1, {0, 4 * i + 1, 4 * i + 2, 4 * i + 3}});
        for (std::int64_t at = 1; at < 2000; ++at) e.scrapes.push_back(at * ticks_per_second / 10);
        const lab::Seen seen = lab::observe<BatchServer>(e);
        CHECK(std::count_if(seen.jobs.begin(), seen.jobs.end(), [](const auto& j) { return j.end == 'f'; }) == 40);
        std::int64_t most = 0;
        for (const ServerGauges& g : seen.gauges) most = std::max(most, g.running);
        return std::pair{most, seen.gauges.back().prefix_hits / 1024};
    };
    ServerParts parts = compiled(s, "l4-24gb", true).parts;
    CHECK(most_and_hits(parts) == std::pair<std::int64_t, std::uint64_t>{19, 36});
    parts.window_groups = 0;
    parts.usable_blocks = 2000;
    CHECK(most_and_hits(parts) == std::pair<std::int64_t, std::uint64_t>{10, 39});
}

TEST_CASE("compile server: V0 swaps with --preemption-mode swap, V1 does not know how") {
    // Llama-3-8B: 16 tokens x 2 x 8 heads x 128 x 2 bytes x 32 layers are 2 MiB a block: 2,048 of them in 4 GiB, each
    // 83.89 us over a PCIe 4 bus at 25 GB/s.
    ModelServer s = serving("meta-llama/Meta-Llama-3-8B-Instruct", "0.6.2");
    s.swap_preemption = true;
    const CompiledServer c = compiled(s, "a100-sxm-80gb");
    CHECK(c.parts.swaps);
    CHECK(c.parts.swap_blocks == 2048);
    CHECK(c.parts.swap_block_time == Tick{8'388'608});
    s.swap_space_gib = 1;
    CHECK(compiled(s, "a100-sxm-80gb").parts.swap_blocks == 512);
    for (const bool v1 : {true, false}) {
        s.vllm_version = v1 ? "0.11.0" : "0.6.2";
        s.chunked_prefill = true;
        CompiledServer out;
        const Result<ServerParts> refused = compile_server(s, "a100-sxm-80gb", {}, false, out.facts, out.warnings);
        REQUIRE_FALSE(refused.ok());
        CHECK(refused.problems().front().message.find("--preemption-mode swap") != std::string::npos);
    }
}
