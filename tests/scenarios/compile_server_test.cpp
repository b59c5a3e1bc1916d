#include "scenarios/compile/compile_server.hpp"
#include "scenarios/traces/kv_groups.hpp"

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

struct Compiled {
    ServerParts parts;
    CompiledWorkload facts;
    Problems warnings;
};
Compiled compiled(const ModelServer& server, const char* gpu, bool shared_prefixes = false) {
    Compiled out;
    const Result<ServerParts> parts = compile_server(server, gpu, {}, shared_prefixes, out.facts, out.warnings);
    if (!parts) FAIL(to_string(parts.problems().front()));
    out.parts = *parts;
    return out;
}

}  // namespace

TEST_CASE("compile server: pipeline stages are batches in flight, not a second step planned ahead") {
    ModelServer s = serving("Qwen/Qwen3-32B", "0.19.0");
    s.pipeline_parallel = 2;
    const Compiled two = compiled(s, "h100-sxm-80gb");
    CHECK(two.parts.pipeline_stages == 2);
    CHECK_FALSE(two.parts.asynchronous);
    s.pipeline_parallel = 1;
    const Compiled one = compiled(s, "h100-sxm-80gb");
    CHECK(one.parts.asynchronous);
    // Half of the layers lie on each GPU: their weights, and twice as many tokens for every byte of KV cache.
    CHECK(two.facts.capacity.weights_gib == Approx(one.facts.capacity.weights_gib / 2).epsilon(0.05));
    CHECK(two.parts.usable_blocks > 2 * one.parts.usable_blocks);
    s.pipeline_parallel = 2;
    s.speculation = Speculation{"ngram", "", 3};
    Compiled out;
    CHECK_FALSE(compile_server(s, "h100-sxm-80gb", {}, false, out.facts, out.warnings).ok());
}

TEST_CASE("compile server: drafts of the model's own layers leave scheduling asynchronous, others do not") {
    ModelServer s = serving("Qwen/Qwen3-32B", "0.19.0");
    s.speculation = Speculation{"eagle3", "a/b", 3};
    const Compiled eagle = compiled(s, "h100-sxm-80gb");
    CHECK(eagle.parts.asynchronous);
    CHECK(eagle.parts.drops_last_hit);
    CHECK(eagle.parts.lookahead_tokens == 3);
    s.speculation->padded_batches = false;
    CHECK_FALSE(compiled(s, "h100-sxm-80gb").parts.asynchronous);
    s.speculation = Speculation{"ngram", "", 3};
    const Compiled ngram = compiled(s, "h100-sxm-80gb");
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
    const Compiled cut = compiled(s, "h200-sxm-141gb");
    s.expert_parallel = true;
    const Compiled whole = compiled(s, "h200-sxm-141gb");
    CHECK(whole.parts.data_parallel == 8);
    CHECK(whole.facts.capacity.weights_gib == Approx(68).margin(3));
    CHECK(cut.facts.capacity.weights_gib == Approx(whole.facts.capacity.weights_gib));
    s.data_parallel = 1;
    Compiled out;
    CHECK_FALSE(compile_server(s, "h200-sxm-141gb", {}, false, out.facts, out.warnings).ok());
    // A dense model's engines are copies.
    ModelServer dense = serving("Qwen/Qwen3-32B");
    const double alone = compiled(dense, "h100-sxm-80gb").facts.capacity.weights_gib;
    dense.data_parallel = 2;
    CHECK(compiled(dense, "h100-sxm-80gb").facts.capacity.weights_gib == alone);
}

TEST_CASE("compile server: windows give their blocks back, unless prompts share what the cache finds") {
    // gpt-oss-20b: twelve layers see 128 tokens, twelve see all; a block covers twelve layers of a kind.
    const ModelServer s = serving("openai/gpt-oss-20b");
    const Compiled own = compiled(s, "l4-24gb");
    CHECK(own.parts.full_groups == 1);
    CHECK(own.parts.window_groups == 1);
    CHECK(own.parts.window_tokens == 128);
    CHECK(own.parts.usable_blocks == own.facts.capacity.num_gpu_blocks - 1);
    const Compiled shared = compiled(s, "l4-24gb", true);
    CHECK(shared.parts.window_groups == 0);
    CHECK(shared.parts.prefix_caching);
    CHECK(shared.parts.usable_blocks == own.facts.capacity.num_gpu_blocks / 2 - 1);
    CHECK(std::any_of(shared.warnings.begin(), shared.warnings.end(), [](const Problem& p) {
        return p.message.find("sliding windows count as full attention") != std::string::npos;
    }));
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

TEST_CASE("compile server: V0 swaps with --preemption-mode swap, V1 does not know how") {
    // Llama-3-8B: 16 tokens x 2 x 8 heads x 128 x 2 bytes x 32 layers are 2 MiB a block: 2,048 of them in 4 GiB, each
    // 83.89 us over a PCIe 4 bus at 25 GB/s.
    ModelServer s = serving("meta-llama/Meta-Llama-3-8B-Instruct", "0.6.2");
    s.swap_preemption = true;
    const Compiled c = compiled(s, "a100-sxm-80gb");
    CHECK(c.parts.swaps);
    CHECK(c.parts.swap_blocks == 2048);
    CHECK(c.parts.swap_block_time == Tick{8'388'608});
    s.swap_space_gib = 1;
    CHECK(compiled(s, "a100-sxm-80gb").parts.swap_blocks == 512);
    for (const bool v1 : {true, false}) {
        s.vllm_version = v1 ? "0.11.0" : "0.6.2";
        s.chunked_prefill = true;
        Compiled out;
        const Result<ServerParts> refused = compile_server(s, "a100-sxm-80gb", {}, false, out.facts, out.warnings);
        REQUIRE_FALSE(refused.ok());
        CHECK(refused.problems().front().message.find("--preemption-mode swap") != std::string::npos);
    }
}
