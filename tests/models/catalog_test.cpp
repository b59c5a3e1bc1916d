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

namespace {

double billions(const char* config) {
    const auto shape = read_huggingface_config(config, "config.json");
    if (!shape) FAIL(to_string(shape.problems()[0]));
    return static_cast<double>(shape->parameters) / 1e9;
}

}  // namespace

TEST_CASE("config.json: layers without attention, with experts in some of them, and with an MLP alone") {
    // Qwen3-Next: 36 of 48 layers are gated delta rules. 16 x 128 keys and 32 x 128 values: a layer has 2048 x (2 x 2048 +
    // 2 x 4096 + 2 x 32) + 8192 x 4 + 4096 x 2048 weights and, for a sequence, 3 x 8192 and 4096 x 128 16-bit numbers.
    const char* qwen = R"({"model_type": "qwen3_next", "hidden_size": 2048, "intermediate_size": 5120, "num_hidden_layers": 48,
        "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256, "full_attention_interval": 4,
        "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16,
        "linear_num_value_heads": 32, "num_experts": 512, "num_experts_per_tok": 10, "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512, "decoder_sparse_step": 1, "mlp_only_layers": [], "vocab_size": 151936,
        "max_position_embeddings": 262144, "tie_word_embeddings": false, "torch_dtype": "bfloat16"})";
    const auto next = read_huggingface_config(qwen, "next");
    REQUIRE(next.ok());
    CHECK(attention_layers(*next) == 12);
    CHECK(next->recurrent->layers == 36);
    CHECK(next->recurrent->parameters == 2048.0 * (4096 + 8192 + 64) + 8192 * 4 + 4096.0 * 2048);
    CHECK(recurrent_state_bytes(*next, 1) == 2 * (3 * 8192 + 4096 * 128));
    CHECK(recurrent_state_bytes(*next, 2) == 3 * 8192 + 4096 * 128);
    CHECK(billions(qwen) == Approx(79.7).epsilon(0.005));

    // Jamba: every eighth layer attends, every second has experts: 51.6 billion weights (AI21, 2024).
    const char* jamba = R"({"model_type": "jamba", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "attn_layer_period": 8, "attn_layer_offset": 4,
        "expert_layer_period": 2, "expert_layer_offset": 1, "num_experts": 16, "num_experts_per_tok": 2, "mamba_d_state": 16,
        "mamba_d_conv": 4, "mamba_expand": 2, "mamba_dt_rank": 256, "vocab_size": 65536, "max_position_embeddings": 262144,
        "tie_word_embeddings": false})";
    const auto mixed = read_huggingface_config(jamba, "jamba");
    REQUIRE(mixed.ok());
    CHECK(attention_layers(*mixed) == 4);
    CHECK(expert_layers(*mixed) == 16);
    CHECK(dense_layers(*mixed) == 16);
    CHECK(billions(jamba) == Approx(51.6).epsilon(0.005));

    // Nemotron-H: M, * and - are Mamba, attention and MLP layers, each of one thing; MLPs of two matrices. 8.1 billion.
    const char* nemotron = R"({"model_type": "nemotron_h", "hidden_size": 4096, "intermediate_size": 21504,
        "num_hidden_layers": 52, "num_attention_heads": 32, "num_key_value_heads": 8, "attention_head_dim": 128,
        "hybrid_override_pattern": "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-", "mamba_num_heads": 128,
        "mamba_head_dim": 64, "ssm_state_size": 128, "n_groups": 8, "conv_kernel": 4, "mlp_hidden_act": "relu2",
        "vocab_size": 131072, "max_position_embeddings": 8192, "tie_word_embeddings": false})";
    const auto h = read_huggingface_config(nemotron, "nemotron");
    REQUIRE(h.ok());
    CHECK(attention_layers(*h) == 4);
    CHECK(h->recurrent->layers == 24);
    CHECK(dense_layers(*h) == 24);
    CHECK(billions(nemotron) == Approx(8.1).epsilon(0.005));

    // Llama 4 Maverick: experts in every second layer, an MLP of its own width in the others; 400 billion, 17 active.
    const auto maverick = read_huggingface_config(
        R"({"model_type": "llama4", "text_config": {"model_type": "llama4_text", "hidden_size": 5120, "intermediate_size": 8192,
        "intermediate_size_mlp": 16384, "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8,
        "head_dim": 128, "num_local_experts": 128, "num_experts_per_tok": 1, "interleave_moe_layer_step": 2,
        "attention_chunk_size": 8192, "vocab_size": 202048, "max_position_embeddings": 1048576}, "torch_dtype": "bfloat16"})",
        "maverick");
    REQUIRE(maverick.ok());
    CHECK(expert_layers(*maverick) == 24);
    CHECK(maverick->chunked_attention->layers == 36);
    CHECK(static_cast<double>(maverick->parameters) == Approx(400.7e9).epsilon(0.005));
    CHECK(static_cast<double>(maverick->active_parameters) == Approx(17.2e9).epsilon(0.02));

    // A layer list that does not fit, and layers that nothing describes.
    const auto wrong = read_huggingface_config(
        R"({"model_type": "x", "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 100,
        "layer_types": ["mamba", "full_attention"]})", "x");
    REQUIRE_FALSE(wrong.ok());
    CHECK(wrong.problems()[0].message.find("found 2 layers") != std::string::npos);
}

TEST_CASE("config.json: what an inner object leaves out is its class's default; lengths follow scaled positions") {
    // Gemma-3 4B as published: no heads, no vocabulary. 3.88 billion weights of language model.
    const auto gemma = read_huggingface_config(
        R"({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240,
        "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}})", "gemma");
    REQUIRE(gemma.ok());
    CHECK(gemma->attention_heads == 8);
    CHECK(gemma->head_dim == 256);
    CHECK(gemma->max_positions == 131072);
    CHECK(gemma->sliding_window->layers == 29);
    CHECK(static_cast<double>(gemma->parameters) == Approx(3.88e9).epsilon(0.002));

    const auto length = [](const std::string& keys) {
        const auto shape = read_huggingface_config(R"({"model_type": "x", "hidden_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "vocab_size": 100)" + keys + "}", "x");
        return shape.ok() ? shape->max_positions : 0;
    };
    CHECK(length("") == 2048);  // what vLLM assumes
    CHECK(length(R"(, "max_position_embeddings": 8192, "model_max_length": 131072)") == 131072);
    CHECK(length(R"(, "max_position_embeddings": 32768, "rope_scaling": {"type": "yarn", "factor": 4.0,
        "original_max_position_embeddings": 32768})") == 131072);
    CHECK(length(R"(, "max_position_embeddings": 131072, "rope_scaling": {"rope_type": "llama3", "factor": 8.0})") == 131072);
}

TEST_CASE("config.json: what a quantised checkpoint keeps in 16 bits, and what its groups cost") {
    const std::string mixture = R"({"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432,
        "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
        "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
        "first_k_dense_replace": 3, "num_attention_heads": 128, "num_hidden_layers": 61, "max_position_embeddings": 163840,
        "vocab_size": 129280, "quantization_config": )";
    const auto read = [&](const char* section) { return *read_huggingface_config(mixture + section + "}", "x"); };
    const LlmShape fp4 = read(R"({"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8",
        "ignore": ["lm_head", "model.layers.*.self_attn*"]})");
    CHECK(fp4.stored_type == NumberType::nvfp4);
    CHECK(fp4.sixteen_bit_attention);
    CHECK(fp4.declares_fp8_cache);
    // One layer's attention: 7168 x 1536 + 1536 x 128 x 192 + 7168 x 576 + 512 x 128 x 256 + 128 x 128 x 7168 = 187.1 million.
    const StageWeights w = stage_weights(fp4, NumberType::nvfp4, {1, 1, 1}, 0);
    CHECK(w.attention == Approx(2 * 61 * 187'105'280.0).epsilon(1e-9));

    const LlmShape int4 = read(R"({"quant_method": "compressed-tensors", "ignore": ["re:.*self_attn.*", "lm_head"],
        "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 32}}}})");
    CHECK(int4.stored_type == NumberType::int4);
    CHECK(quantises_experts_only(int4, NumberType::int4));
    // A 16-bit scale for 32 weights: 0.5625 bytes each. 58 layers of 256 experts of 3 x 7168 x 2048.
    CHECK(stage_weights(int4, NumberType::int4, {1, 1, 1}, 0).experts ==
          Approx(0.5625 * 58 * 256 * 3 * 7168.0 * 2048).epsilon(1e-9));
    const LlmShape awq = read(R"({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": true})");
    CHECK_FALSE(quantises_experts_only(awq, NumberType::int4));
    CHECK(read(R"({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3"}}})").stored_type ==
          NumberType::fp8);
    CHECK_FALSE(read_huggingface_config(mixture + R"({"quant_method": "aqlm"}})", "x").ok());
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
