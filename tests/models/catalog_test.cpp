#include "models/gpu_catalog.hpp"
#include "models/llm_catalog.hpp"
#include "models/llm_weights.hpp"
#include "models/nearest_name.hpp"
#include "tests/models/shared_data.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <fstream>
#include <set>

using namespace windtunnel;
using nlohmann::json;

TEST_CASE("GPUs are found by every name of the contract") {
    for (const char* name :
         {"t4-16gb",        "v100-16gb",        "v100-32gb",      "a10g-24gb",      "l4-24gb",
          "a40-48gb",       "a6000-48gb",       "l40-48gb",       "l40s-48gb",      "a100-sxm-40gb",
          "a100-pcie-40gb", "a100-sxm-80gb",    "a100-pcie-80gb", "h100-pcie-80gb", "h100-sxm-80gb",
          "h200-sxm-141gb", "b200-sxm-180gb",   "gh200-96gb",     "mi300x-192gb",   "rtx-3090-24gb",
          "rtx-4090-24gb",  "rtx-pro-6000-96gb"}) {
        INFO(name);
        REQUIRE(get_gpu(name).ok());
        CHECK(get_gpu(name)->gpu.name == name);
    }
    CHECK(get_gpu("nvidia-l4")->gpu.name == "l4-24gb");
    CHECK(get_gpu("NVIDIA-H100-80GB-HBM3")->gpu.name == "h100-sxm-80gb");
    CHECK(get_gpu("A10G")->gpu.name == "a10g-24gb");
    CHECK(get_gpu("nvidia-tesla-t4")->gpu.name == "t4-16gb");
    CHECK(get_gpu("A100")->note.find("several sizes") != std::string::npos);
}

TEST_CASE("every GPU's facts are of the right order") {
    std::set<std::string> names;
    for (const Gpu& gpu : all_gpus()) {
        INFO(gpu.name);
        CHECK(names.insert(gpu.name).second);
        CHECK(gpu.memory_bytes > (std::int64_t{7} << 30));
        CHECK(gpu.memory_bytes < (std::int64_t{300} << 30));
        CHECK(gpu.bytes_per_second > 1e11);
        CHECK(gpu.fp16_flops > 1e13);
        CHECK(gpu.flops(NumberType::fp8) >= gpu.fp16_flops);
        CHECK_FALSE(gpu.source.empty());
    }
    CHECK(get_gpu("t4-16gb")->gpu.compute_capability() == 75);
    CHECK(get_gpu("mi300x-192gb")->gpu.compute_capability() == 0);
    CHECK(get_gpu("a100-sxm-80gb")->gpu.flops(NumberType::fp8) == 312e12);  // weight-only: 16-bit arithmetic
}

TEST_CASE("a MIG slice has its share of memory, bandwidth and multiprocessors") {
    const Gpu slice = get_gpu("a100-sxm-80gb/1g.10gb")->gpu;
    CHECK(slice.name == "a100-sxm-80gb/1g.10gb");
    CHECK(slice.memory_bytes == std::int64_t{19} << 29);  // 9.5 GiB
    CHECK(slice.bytes_per_second == 2039e9 / 8);
    CHECK(slice.bf16_flops == Approx(312e12 * 14 / 108));
    CHECK(slice.link_bytes_per_second == 0);
    const auto wrong = get_gpu("a100-sxm-80gb/1g.5gb");
    REQUIRE_FALSE(wrong.ok());
    CHECK(wrong.problems()[0].message.find("'1g.10gb'") != std::string::npos);
    CHECK_FALSE(get_gpu("l4-24gb/1g.10gb").ok());
}

TEST_CASE("unknown names are answered with the nearest ones") {
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("", "abc") == 3);
    const auto gpu = get_gpu("h100-sxm-88gb");
    REQUIRE_FALSE(gpu.ok());
    CHECK(gpu.problems()[0].message.find("did you mean 'h100-sxm-80gb'") != std::string::npos);
    const auto llm = get_llm("meta-llama/Lama-3.1-8B");
    REQUIRE_FALSE(llm.ok());
    CHECK(llm.problems()[0].message.find("'meta-llama/Llama-3.1-8B'") != std::string::npos);
    CHECK(llm.problems()[0].message.find("config.json") != std::string::npos);
}

TEST_CASE("LLMs are found without organisation, in any case, and as tutorials misspell them") {
    const auto plain = get_llm("llama-3.1-8b-instruct");
    REQUIRE(plain.ok());
    CHECK(plain->shape.id == "meta-llama/Llama-3.1-8B");
    CHECK(plain->note.empty());
    const auto misspelt = get_llm("meta-llama/Llama-3-8B-Instruct");
    REQUIRE(misspelt.ok());
    CHECK(misspelt->shape.id == "meta-llama/Meta-Llama-3-8B");
    CHECK(misspelt->note.find("read as") != std::string::npos);
    CHECK(get_llm("meta-llama/Llama-3-70b-chat-hf")->shape.layers == 80);
    CHECK(get_llm("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic")->shape.stored_type == NumberType::fp8);
    CHECK(get_llm("Qwen/Qwen2.5-7B-Instruct-AWQ")->shape.stored_type == NumberType::int4);
    CHECK(get_llm("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8")->shape.stored_type == NumberType::int8);
    CHECK(get_llm("nvidia/Llama-3.3-70B-Instruct-NVFP4")->shape.stored_type == NumberType::nvfp4);
    CHECK(get_llm("openai/gpt-oss-120b")->shape.stored_type == NumberType::mxfp4);
    CHECK(get_llm("Qwen/Qwen3-30B-A3B-Instruct-2507-FP8")->shape.max_positions == 262144);
    CHECK_FALSE(get_llm("mistralai/Mistral-7B-Instruct-v0.2")->shape.sliding_window.has_value());
    CHECK_FALSE(get_llm("").ok());
}

TEST_CASE("every dense model's parameter count follows from its shape") {
    for (const std::string& id : all_llm_ids()) {
        const LlmShape s = get_llm(id)->shape;
        INFO(id);
        CHECK(s.attention_heads % s.kv_heads == 0);
        CHECK(s.active_parameters <= s.parameters);
        if (s.multimodal || s.encoder_only || s.moe) continue;
        // What tables and layers do not explain (norms, biases, positions) (OPT learns its positions) is
        // below two per cent.
        CHECK(other_parameters(s) < 0.02 * static_cast<double>(s.parameters));
        const LayerParameters p = layer_parameters(s, 1);
        const double tables =
            static_cast<double>(s.vocabulary_size) * s.hidden_size * (s.tied_embeddings ? 1 : 2);
        CHECK(s.layers * (p.attention + p.mlp) + tables <= 1.001 * static_cast<double>(s.parameters));
    }
}

TEST_CASE("the shapes agree with the published ones") {
    const std::string path = shared_data_file("catalog/model_shapes.json");
    if (path.empty()) {
        WARN("shared data not found: skipped");
        return;
    }
    std::ifstream in(path);
    const json file = json::parse(in);
    for (const json& m : file.at("models")) {
        std::string id = m.at("model");
        id = id.substr(0, id.find(' '));
        INFO(id);
        const auto found = get_llm(id);
        REQUIRE(found.ok());
        CHECK(found->shape.layers == m.at("layers"));
        CHECK(found->shape.kv_heads == m.at("kv_heads"));
        CHECK(found->shape.head_dim == m.at("head_dim"));
        CHECK(found->shape.vocabulary_size == m.at("vocab"));
        CHECK(found->shape.tied_embeddings == m.value("tied", false));
    }
}

TEST_CASE("a config.json is read into the same shape as the catalogue's") {
    const auto qwen = read_huggingface_config(
        R"({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "head_dim": 128,
        "hidden_size": 4096, "intermediate_size": 12288, "max_position_embeddings": 40960, "max_window_layers": 36,
        "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8, "sliding_window": null,
        "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_sliding_window": false, "vocab_size": 151936})",
        "config.json");
    REQUIRE(qwen.ok());
    const LlmShape known = get_llm("Qwen/Qwen3-8B")->shape;
    CHECK(qwen->kv_heads == known.kv_heads);
    CHECK(static_cast<double>(qwen->parameters) ==
          Approx(static_cast<double>(known.parameters)).epsilon(1e-5));

    const auto deepseek = read_huggingface_config(
        R"({"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432,
        "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
        "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
        "first_k_dense_replace": 3, "num_attention_heads": 128, "num_key_value_heads": 128, "num_hidden_layers": 61,
        "max_position_embeddings": 163840, "vocab_size": 129280, "torch_dtype": "bfloat16", "tie_word_embeddings": false,
        "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}})",
        "v3/config.json");
    REQUIRE(deepseek.ok());
    REQUIRE(deepseek->mla.has_value());
    CHECK(deepseek->stored_type == NumberType::fp8);
    CHECK(static_cast<double>(deepseek->parameters) == Approx(671.03e9).epsilon(0.001));
    CHECK(static_cast<double>(deepseek->active_parameters) == Approx(37.5e9).epsilon(0.02));

    const auto gemma = read_huggingface_config(
        R"({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", "hidden_size": 5376,
        "intermediate_size": 21504, "num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128, "num_hidden_layers": 62,
        "sliding_window": 1024, "vocab_size": 262208, "max_position_embeddings": 131072}, "torch_dtype": "bfloat16"})",
        "gemma");
    REQUIRE(gemma.ok());
    CHECK(gemma->sliding_window->layers == 52);
    CHECK(gemma->tied_embeddings);
    CHECK(gemma->multimodal);

    const auto oss = read_huggingface_config(
        R"({"model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "head_dim": 64,
        "num_attention_heads": 64, "num_key_value_heads": 8, "num_hidden_layers": 4, "num_local_experts": 32, "num_experts_per_tok": 4,
        "sliding_window": 128, "vocab_size": 201088, "max_position_embeddings": 131072, "layer_types": ["sliding_attention",
        "full_attention", "sliding_attention", "full_attention"], "quantization_config": {"quant_method": "mxfp4"}})",
        "oss");
    REQUIRE(oss.ok());
    CHECK(oss->sliding_window->layers == 2);
    CHECK(oss->stored_type == NumberType::mxfp4);
    CHECK(oss->moe->experts == 32);
}

TEST_CASE("a broken config.json lists everything that is wrong with it") {
    const auto empty = read_huggingface_config("{}", "c.json");
    REQUIRE_FALSE(empty.ok());
    CHECK(empty.problems().size() >= 5);
    CHECK(to_string(empty.problems()[0]).starts_with("c.json: num_hidden_layers: found nothing"));
    CHECK_FALSE(read_huggingface_config("not json", "c.json").ok());
    CHECK_FALSE(read_huggingface_config(R"({"quantization_config": {"quant_method": 4}})", "c.json").ok());
    CHECK_FALSE(get_llm("/nonexistent/config.json").ok());
    // Numbers that no model has are refused before they can overflow anything.
    const auto absurd =
        read_huggingface_config(R"({"num_hidden_layers": 99999999, "hidden_size": 1000000000000,
        "num_attention_heads": -3, "vocab_size": 1.5, "max_position_embeddings": 4096})",
                                "c.json");
    REQUIRE_FALSE(absurd.ok());
    CHECK(absurd.problems().size() == 4);
}

TEST_CASE("weights of all ranks add up to the model, in 16 bits") {
    const LlmShape s = get_llm("meta-llama/Llama-3.1-70B")->shape;
    double bytes = 0;
    for (int stage = 0; stage < 2; ++stage) {
        const StageWeights w = stage_weights(s, NumberType::bf16, {4, 2}, stage);
        bytes += 4 * (w.total() - w.rotary - w.other) + w.other;
    }
    CHECK(bytes == Approx(2.0 * static_cast<double>(s.parameters)).epsilon(1e-6));
}
