#include "models/kv_capacity.hpp"
#include "tests/models/shared_data.hpp"

#include "tests/support/kv_arguments.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

using namespace windtunnel;
using nlohmann::json;

namespace {

KvRequest ask(std::string model, std::string gpu) {
    KvRequest request;
    request.model = std::move(model);
    request.gpu = std::move(gpu);
    return request;
}

KvCapacity answer(const KvRequest& request) {
    Result<KvCapacity> result = kv_capacity(request);
    if (!result) {
        for (const Problem& p : result.problems()) UNSCOPED_INFO(to_string(p));
    }
    REQUIRE(result.ok());
    return std::move(*result);
}

std::string only_problem(const KvRequest& request) {
    const Result<KvCapacity> result = kv_capacity(request);
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.problems().size() == 1);
    return to_string(result.problems()[0]);
}

/// The logged start-ups of the shared data, or null where they are not there.
json logged_cases() {
    const std::string path = shared_data_file("measured/kv_capacity_cases.json");
    if (path.empty()) return nullptr;
    std::ifstream in(path);
    return json::parse(in).at("cases");
}

}  // namespace

TEST_CASE("a block's bytes follow from heads, dimension, element size and tensor parallelism") {
    // Llama-3-8B, 16 tokens: 2 (K, V) * 16 * 8 heads * 128 * 2 bytes = 65,536 per layer, 2 MiB over 32
    // layers.
    KvBlockLayout gqa{16, 8, 128, 0, 2};
    CHECK(gqa.bytes_per_block() == 65536);
    CHECK(gqa.bytes_per_token() == 4096);
    CHECK(gqa.value_offset() == 16 * 8 * 128);
    CHECK(gqa.key_offset(1, 0, 0) == 2 * 16 * 8 * 128);
    CHECK(gqa.key_offset(0, 3, 2) == 2 * 16 * 128 + 3 * 128);  // one head's 16 tokens are one run
    // DeepSeek: 576 elements a token whatever TP is: 16 * 576 * 2 = 18,432 per layer.
    KvBlockLayout latent{16, 0, 0, 576, 2};
    CHECK(latent.bytes_per_block() == 18432);
    CHECK(latent.value_offset() == 0);
    CHECK(latent.key_offset(2, 3, 0) == (2 * 16 + 3) * 576);
    CHECK(kv_heads_per_rank(8, 2) == 4);
    CHECK(kv_heads_per_rank(8, 16) == 1);
    static_assert(KvBlockLayout{16, 8, 128, 0, 1}.bytes_per_block() == 32768, "fp8 halves it");
}

TEST_CASE("Llama-3.1-8B on an H100: the ledger by hand") {
    KvRequest r = ask("meta-llama/Llama-3.1-8B-Instruct", "h100-sxm-80gb");
    r.vllm_version = "0.11.0";
    const KvCapacity c = answer(r);
    // 8,030,261,248 parameters * 2 B = 14.957 GiB, and 131072 * 128 * 2 B of rotary cache = 0.031: logs
    // say 14.9889.
    CHECK(c.weights_gib == Approx(14.9889).margin(0.002));
    // The sampler's 38.6 B * 1024 rows * 128256 words = 4.721 GiB; 8192 * 6 * (14336 + 4096) B = 0.84 GiB is
    // less.
    CHECK(c.activation_gib == Approx(38.6 * 1024 * 128256 / 1073741824.0));
    CHECK(c.non_torch_gib == Approx(0.13));
    CHECK(c.cuda_graph_gib == 0);
    CHECK(c.kv_cache_gib == Approx(0.9 * 79.18 - c.weights_gib - c.activation_gib - 0.13).margin(0.01));
    CHECK(c.bytes_per_block == 2097152);
    CHECK(c.num_gpu_blocks == static_cast<std::int64_t>(c.kv_cache_gib * 1073741824.0 / 2097152));
    CHECK(c.kv_cache_tokens == 16 * c.num_gpu_blocks);
    CHECK(c.max_concurrency == Approx(static_cast<double>(c.num_gpu_blocks) / 8192));
    CHECK(c.fits);
}

TEST_CASE("fp8 halves the cache and, where asked, the linear layers") {
    KvRequest r = ask("Llama-3.1-8B", "l40s-48gb");
    r.vllm_version = "0.11.0";
    r.max_model_len = 8192;
    const KvCapacity half = answer(r);
    r.kv_cache_dtype = "fp8";
    CHECK(answer(r).bytes_per_block * 2 == half.bytes_per_block);
    r.dtype = "fp8";
    // 2 tables of 128256 * 4096 stay in 16 bits: (8.030e9 - 1.051e9) * 1 B + 1.051e9 * 2 B = 8.457 GiB, +
    // 0.03.
    CHECK(answer(r).weights_gib == Approx(8.49).margin(0.01));
}

TEST_CASE("NVIDIA's fp8 checkpoints bring an fp8 cache from 0.13 on, unless told otherwise") {
    KvRequest r = ask("nvidia/Llama-3.1-8B-Instruct-FP8", "h100-sxm-80gb");
    r.vllm_version = "0.12.0";
    CHECK(answer(r).kv_type == NumberType::bf16);
    r.vllm_version = "0.13.0";
    CHECK(answer(r).kv_type == NumberType::fp8);
    r.kv_cache_dtype = "bf16";
    CHECK(answer(r).kv_type == NumberType::bf16);
}

TEST_CASE("latent attention is the same on every rank, and replicated heads never fall below one") {
    KvRequest r = ask("deepseek-ai/DeepSeek-R1", "h200-sxm-141gb");
    r.tensor_parallel = 8;
    r.block_size = 16;
    r.vllm_version = "0.12.0";
    r.max_model_len = 8192;
    const KvCapacity r1 = answer(r);
    CHECK(r1.bytes_per_block == 61 * 16 * 576 * 2);
    CHECK(r1.weights_type == NumberType::fp8);
    CHECK(r1.weights_gib == Approx(80).margin(2.5));              // 79.74 logged by 0.12 on eight ranks
    KvRequest wide = ask("Qwen/Qwen2.5-7B-Instruct", "l4-24gb");  // 4 KV heads, 28 heads
    wide.tensor_parallel = 4;
    const std::int64_t four = answer(wide).bytes_per_block;
    CHECK(four == 28 * 2 * 16 * 1 * 128 * 2);
    wide.model = "Llama-3.1-8B";
    wide.tensor_parallel = 16;  // 8 KV heads over 16 ranks: one each, twice
    CHECK(answer(wide).bytes_per_block == 32 * 2 * 16 * 1 * 128 * 2);
}

TEST_CASE("hybrid models: Gemma-3 is cut into seven groups of ten layers") {
    KvRequest r = ask("google/gemma-3-27b-it", "b200-sxm-180gb");
    r.vllm_version = "0.11.0";
    const KvCapacity c = answer(r);
    // 10 full layers and 52 with a window of 1024: groups of 10 -> 1 + ceil(52/10) = 6. A block covers ten
    // layers.
    REQUIRE(c.groups.size() == 2);
    CHECK(c.groups[0].count == 1);
    CHECK(c.groups[1].count == 6);
    CHECK(c.bytes_per_block == 10 * 2 * 16 * 16 * 128 * 2);
    CHECK(c.kv_cache_tokens == c.num_gpu_blocks / 7 * 16);
    // A request of 131072 tokens: 8192 blocks, and six times ceil((1023 + 8192)/16) + 1 = 577: 11,654.
    CHECK(blocks_per_request(c.groups, 16, 131072, 8192) == 8192 + 6 * 577);
    // Start-up log, vLLM 0.11.0: 89,994 blocks, 205,696 tokens, 50.05x for requests of 4096 tokens:
    // 256 + 6 * (256 + 1) = 1798 blocks each.
    r.kv_cache_gib = 89994.5 * 1310720 / 1073741824.0;
    r.max_model_len = 4096;
    const KvCapacity logged = answer(r);
    CHECK(logged.num_gpu_blocks == 89994);
    CHECK(logged.kv_cache_tokens == 205696);
    CHECK(logged.max_concurrency == Approx(50.05).margin(0.005));
    r.vllm_version = "0.10.0";
    CHECK(answer(r).groups.size() == 1);
    CHECK(answer(r).bytes_per_block == 62 * 2 * 16 * 16 * 128 * 2);
}

TEST_CASE("EXAONE-4 has four groups, and windows of all layers make one") {
    KvRequest r = ask("LGAI-EXAONE/EXAONE-4.0-32B", "h100-sxm-80gb");
    r.vllm_version = "0.11.0";
    r.max_model_len = 32768;
    const KvCapacity exaone = answer(r);
    REQUIRE(exaone.groups.size() == 2);
    CHECK(exaone.groups[0].count + exaone.groups[1].count == 4);
    r.model = "mistralai/Mistral-7B-v0.1";
    const KvCapacity mistral = answer(r);
    REQUIRE(mistral.groups.size() == 1);
    CHECK(mistral.groups[0].window_tokens == 4096);
}

TEST_CASE("a pipeline stage holds its share of the layers and the tightest stage decides") {
    KvRequest r = ask("Qwen/Qwen3-30B-A3B", "gh200-96gb");
    r.tensor_parallel = 4;
    r.pipeline_parallel = 2;
    const KvCapacity c = answer(r);
    CHECK(c.bytes_per_block == 24 * 2 * 16 * 1 * 128 * 2);
    CHECK(layers_of_stage(10, 3, 0) == 3);
    CHECK(layers_of_stage(10, 3, 1) == 4);
    CHECK(layers_of_stage(10, 3, 2) == 3);
}

TEST_CASE("what does not fit says the arithmetic and what would fit") {
    const KvCapacity whole = answer(ask("meta-llama/Llama-3.1-70B-Instruct", "h100-sxm-80gb"));
    CHECK_FALSE(whole.fits);
    CHECK(whole.refusal.find("less weights 131.") != std::string::npos);
    CHECK(whole.refusal.find("TP 4 would fit") != std::string::npos);
    // Llama-3-8B with its whole context on 24 GB: 131072 tokens * 128 KiB = 16 GiB.
    KvRequest r = ask("meta-llama/Llama-3.1-8B-Instruct", "l4-24gb");
    const KvCapacity length = answer(r);
    CHECK_FALSE(length.fits);
    CHECK(length.refusal.find("needs 16.00 GiB") != std::string::npos);
    r.max_model_len = static_cast<int>(length.longest_that_fits);
    CHECK(answer(r).fits);
    r.max_model_len = static_cast<int>(length.longest_that_fits) + 1;
    CHECK_FALSE(answer(r).fits);
    // A 70B in 8 bits alone on an H100: 67.7 GiB of weights leave less than nothing (log: -1.44 GiB).
    KvRequest fp8 = ask("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "h100-sxm-80gb");
    fp8.vllm_version = "0.11.0";
    fp8.max_model_len = 16000;
    CHECK_FALSE(answer(fp8).fits);
    CHECK(answer(fp8).kv_cache_gib == Approx(-1.44).margin(0.2));
}

TEST_CASE("usage errors name the flag, what was found and what is allowed") {
    KvRequest r = ask("meta-llama/Llama-3.1-8B", "h100-sxm-80gb");
    r.tensor_parallel = 3;
    CHECK_FALSE(kv_capacity(r).ok());
    r.tensor_parallel = 1;
    r.max_model_len = 200000;
    CHECK(only_problem(r) ==
          "max-model-len: found 200000, allowed: at most 131072, the longest context of "
          "meta-llama/Llama-3.1-8B");
    r.max_model_len = 4096;
    r.gpu_memory_utilization = 1.5;
    CHECK(only_problem(r).starts_with("gpu-memory-utilization: found 1.5"));
    r.gpu_memory_utilization.reset();
    r.engine = "v0";
    r.vllm_version = "0.19.0";
    CHECK(only_problem(r).find("before 0.11") != std::string::npos);
    r.engine.clear();
    r.vllm_version = "0.29.1rc1";
    CHECK(answer(r).notes.back().find("newer than what is modelled") != std::string::npos);
    r.vllm_version = "1.2";
    CHECK(only_problem(r).starts_with("vllm-version: found '1.2'"));
    r.vllm_version.clear();
    r.max_num_seqs = 2'000'000'000;
    CHECK(only_problem(r) == "max-num-seqs: found 2000000000, allowed: 1 to 1000000");
    r.max_num_seqs.reset();
    r.dtype = "fp7";
    CHECK(only_problem(r).starts_with("dtype: found 'fp7'"));
    r.dtype = "bf16";
    r.gpu = "t4-16gb";
    CHECK(only_problem(r).find("allowed: fp16") != std::string::npos);
    CHECK_FALSE(read_kv_shape("32,8").ok());
    CHECK_FALSE(read_kv_shape("32,8,128,").ok());
    CHECK(read_kv_shape("32,8,128")->head_dim == 128);
    CHECK_FALSE(kv_capacity(ask("BAAI/bge-large-en-v1.5", "l4-24gb")).ok());
    CHECK(kv_capacity(ask("no-such-model", "no-such-gpu")).problems().size() == 2);
}

TEST_CASE("batch limits and captured sizes follow the release and the card") {
    const Gpu h100 = get_gpu("h100-sxm-80gb")->gpu, a100 = get_gpu("a100-sxm-80gb")->gpu,
              a10g = get_gpu("a10g-24gb")->gpu;
    const auto limits = [](const char* version, const Gpu& gpu, std::optional<int> seqs = {}) {
        return default_batch_limits(*engine_profile(*read_engine_version(version), std::nullopt), gpu, 8192,
                                    seqs, std::nullopt);
    };
    CHECK(limits("0.11.0", h100).max_num_seqs == 1024);
    CHECK(limits("0.11.0", h100).max_num_batched_tokens == 8192);
    CHECK(limits("0.11.0", a100).max_num_seqs == 256);
    CHECK(limits("0.8.5", a100).max_num_seqs == 1024);
    CHECK(limits("0.11.0", a10g).max_num_batched_tokens == 2048);
    CHECK(limits("0.6.3", h100).max_num_batched_tokens == 8192);
    const EngineProfile now = *engine_profile(std::nullopt, std::nullopt);
    CHECK(captured_batch_sizes(now, {4, 8192}, {}) == std::vector<int>{1, 2, 4, 8});
    CHECK(captured_batch_sizes(now, {1024, 8192}, {}).size() == 51);
    CHECK(captured_batch_sizes(now, {1024, 8192}, {}).back() == 512);
    CHECK(captured_batch_sizes(now, {1024, 8192}, 257).back() == 256);
    CHECK(captured_batch_sizes(*engine_profile(EngineVersion{8, 5}, {}), {1024, 8192}, {}).size() == 67);
    CHECK(now.capacity == CapacityProfile::p7);
    CHECK(now.gpu_memory_utilization == 0.92);
    CHECK(engine_profile(EngineVersion{7, 3}, {})->capacity == CapacityProfile::p3);
}

TEST_CASE("logged start-ups: given the cache's size, the blocks are exact") {
    const json cases = logged_cases();
    if (cases.is_null()) {
        WARN("shared data not found: skipped");
        return;
    }
    int checked = 0;
    for (const json& one : cases) {
        if (!one.contains("cli") || !one.at("cli").contains("exact")) continue;
        const json& exact = one.at("cli").at("exact");
        const KvCapacity c = answer(lab::kv_request_of(exact.at("args")));
        INFO(one.at("id") << " " << c.num_gpu_blocks << " in " << exact.at("num_gpu_blocks_between"));
        CHECK(c.fits);
        CHECK(c.num_gpu_blocks >= exact.at("num_gpu_blocks_between")[0].get<std::int64_t>());
        CHECK(c.num_gpu_blocks <= exact.at("num_gpu_blocks_between")[1].get<std::int64_t>());
        ++checked;
    }
    CHECK(checked >= 10);
}

TEST_CASE("logged start-ups: page bytes, CPU blocks and concurrency lines are exact") {
    const json cases = logged_cases();
    if (cases.is_null()) {
        WARN("shared data not found: skipped");
        return;
    }
    int lines = 0;
    for (const json& one : cases) {
        if (!one.contains("max_concurrency") ||
            one.at("model").get<std::string>().find("hybrid") != std::string::npos)
            continue;
        const std::int64_t tokens = one.at("max_concurrency").at("tokens_per_request");
        const int block_size = one.at("block_size");
        const std::int64_t blocks = one.contains("num_gpu_blocks")
                                        ? one.at("num_gpu_blocks").get<std::int64_t>()
                                        : one.at("kv_cache_tokens").get<std::int64_t>() / block_size;
        EngineProfile profile = *engine_profile(std::nullopt, std::nullopt);
        const std::string version = one.at("vllm_version");
        if (const auto read = read_engine_version(version.substr(0, version.find_first_of(" /,-")));
            read.ok())
            profile.concurrency_in_blocks = *read >= EngineVersion{9, 1};
        const double x = max_concurrency(profile, {{0, 1}}, blocks, block_size, tokens, 2048);
        INFO(one.at("id") << " " << x);
        CHECK(std::abs(x - one.at("max_concurrency").at("x").get<double>()) <= 0.0101);
        ++lines;
    }
    CHECK(lines >= 20);
}

TEST_CASE("logged start-ups: predicted from model and GPU alone, blocks are within a few percent") {
    const json cases = logged_cases();
    if (cases.is_null()) {
        WARN("shared data not found: skipped");
        return;
    }
    std::vector<double> errors;
    for (const json& one : cases) {
        if (!one.contains("cli") || !one.at("cli").contains("end_to_end")) continue;
        const json& e2e = one.at("cli").at("end_to_end");
        const KvCapacity c = answer(lab::kv_request_of(e2e.at("args")));
        const double logged = e2e.at("num_gpu_blocks");
        const double error = std::abs(static_cast<double>(c.num_gpu_blocks) / logged - 1);
        UNSCOPED_INFO(one.at("id") << ": " << c.num_gpu_blocks << " against " << logged << ", " << 100 * error
                                   << " %");
        if (e2e.at("judged").get<bool>()) errors.push_back(error);
    }
    REQUIRE(errors.size() >= 5);
    std::sort(errors.begin(), errors.end());
    CHECK(errors[errors.size() / 2] < 0.03);
    CHECK(errors.back() < 0.10);
}

namespace {

/// A config.json of its own for a test.
class ConfigFile {
public:
    explicit ConfigFile(const std::string& text)
        : m_path(std::filesystem::temp_directory_path() / ("kv_capacity_test_" + std::to_string(::getpid()) + ".json")) {
        std::ofstream(m_path) << text;
    }
    ~ConfigFile() { std::filesystem::remove(m_path); }
    ConfigFile(const ConfigFile&) = delete;
    ConfigFile& operator=(const ConfigFile&) = delete;
    [[nodiscard]] std::string path() const { return m_path.string(); }

private:
    std::filesystem::path m_path;
};

}  // namespace

TEST_CASE("kv: a recurrent layer's state takes the place of a block, which is as long as that takes") {
    // Qwen3-Next: a state of 2 x (3 x 8192 + 4096 x 128) = 1,097,728 bytes; attention keeps 2 x 2 x 256 x 2 = 2,048 bytes a
    // token, 32,768 in steps of 16 tokens: 34 steps, 544 tokens (what vLLM 0.11 logs). 12 layers attend, 36 do not: a
    // group of 12 and three of states. A block of 12 layers is 13,369,344 bytes: 1,285 in 16 GiB. A request of 2,048
    // tokens takes 4 of the one and one of each of the three.
    const ConfigFile file(R"({"model_type": "qwen3_next", "hidden_size": 2048, "intermediate_size": 5120,
        "num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256,
        "full_attention_interval": 4, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
        "linear_num_key_heads": 16, "linear_num_value_heads": 32, "num_experts": 512, "num_experts_per_tok": 10,
        "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512, "vocab_size": 151936,
        "max_position_embeddings": 262144, "torch_dtype": "bfloat16"})");
    KvRequest request = ask(file.path(), "h200");
    request.kv_cache_gib = 16;
    request.max_model_len = 2048;
    request.vllm_version = "0.11.0";
    const KvCapacity c = answer(request);
    CHECK(c.block_size == 544);
    REQUIRE(c.groups.size() == 2);
    CHECK(c.groups[0].count == 1);
    CHECK(c.groups[1].count == 3);
    CHECK(c.groups[1].state);
    CHECK(c.bytes_per_block == 544 * 2048 * 12);
    CHECK(c.num_gpu_blocks == 1285);
    CHECK(c.max_concurrency == Approx(1285.0 / 7));
}

TEST_CASE("kv: a stage of a pipeline whose layers all attend has no group of states") {
    // One of 4 layers is recurrent: of two stages the first has it, and 2 of the 3 that attend; the second attends in one. That
    // one is the tighter: it computes the logits of 500,000 words. 16 tokens of 2 x 8 x 128 x 2 bytes are a block.
    const ConfigFile file(R"({"model_type": "x", "hidden_size": 1024, "intermediate_size": 2048, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 500000,
        "layer_types": ["conv", "full_attention", "full_attention", "full_attention"], "conv_L_cache": 3,
        "max_position_embeddings": 4096, "tie_word_embeddings": false, "torch_dtype": "bfloat16"})");
    KvRequest request = ask(file.path(), "h200");
    request.pipeline_parallel = 2;
    request.vllm_version = "0.11.0";
    const KvCapacity c = answer(request);
    REQUIRE(c.groups.size() == 1);
    CHECK_FALSE(c.groups[0].state);
    CHECK(c.bytes_per_block == 16 * 4096);
}

TEST_CASE("kv: sparse attention keeps fp8 rows of 656 bytes and its indexer's keys beside them") {
    // DeepSeek-V3.2: 512 + 4 x 4 + 2 x 64 bytes (vllm.md 3.1), and 128 + 4 of the indexer; blocks of 64 tokens, 61 layers.
    const ConfigFile file(R"({"model_type": "deepseek_v32", "hidden_size": 7168, "intermediate_size": 18432,
        "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
        "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
        "first_k_dense_replace": 3, "num_attention_heads": 128, "num_hidden_layers": 61, "max_position_embeddings": 163840,
        "vocab_size": 129280, "index_head_dim": 128, "index_n_heads": 64, "index_topk": 2048,
        "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}})");
    KvRequest request = ask(file.path(), "h200");
    request.tensor_parallel = 8;
    request.vllm_version = "0.11.0";
    KvCapacity c = answer(request);
    CHECK(c.block_size == 64);
    CHECK(c.bytes_per_block == (656 + 132) * 64 * 61);
    request.kv_cache_dtype = "bf16";
    c = answer(request);
    CHECK(c.bytes_per_block == (1152 + 132) * 64 * 61);
    // 61 indexers of 1536 x 64 x 128 + 7168 x (128 + 64) weights beside V3's 671.03 billion.
    CHECK(static_cast<double>(c.shape.parameters) == Approx(671.03e9 + 61 * (12'582'912.0 + 1'376'256)).epsilon(1e-4));
}

TEST_CASE("kv: slots for LoRA adapters are taken off the pool") {
    // Llama-3.1-8B, for one rank of an adapter and a layer: q, k, v and o have 4 x 4096 + 2 x 4096 + 2 x 1024 rows and columns,
    // gate, up and down 3 x 4096 + 3 x 14336: 81,920. Of 32 layers, 64 ranks, 4 slots, 16 bits: 1.25 GiB.
    KvRequest request = ask("meta-llama/Llama-3.1-8B", "l40s");
    const double without = answer(request).kv_cache_gib;
    request.lora = {4, 64};
    const KvCapacity c = answer(request);
    CHECK(c.lora_gib == Approx(1.25));
    CHECK(c.kv_cache_gib == Approx(without - 1.25));
    CHECK_THAT(kv_capacity_json(c), Catch::Matchers::Contains("\"lora_gib\": 1.25"));
    CHECK_THAT(kv_capacity_table(c), Catch::Matchers::Contains("- slots for LoRA adapters       1.25 GiB"));
    // On two ranks what is split halves: 4 x 4096 stay, 2 x 4096 and 2 x 1024 halve; 3 x 4096 stay, 3 x 14336 halve.
    request.tensor_parallel = 2;
    CHECK(answer(request).lora_gib == Approx(1.25 * (16'384 + 4'096 + 1'024 + 12'288 + 21'504) / 81'920));
    request.lora.fully_sharded = true;
    CHECK(answer(request).lora_gib == Approx(1.25 / 2));
    request.lora.slots = 0;
    CHECK(answer(request).lora_gib == 0);
    request.lora.rank = 0;
    CHECK_FALSE(kv_capacity(request).ok());
}
