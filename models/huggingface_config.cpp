#include "models/llm_catalog.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <initializer_list>

namespace windtunnel {
namespace {

using nlohmann::json;

/// Looks keys up under their several spellings and collects what is wrong.
class ConfigReader {
public:
    ConfigReader(const json& config, std::string file) : m_config(config), m_file(std::move(file)) {}

    std::optional<int> optional_int(std::initializer_list<const char*> keys, int least = 0,
                                    int most = 1'000'000) {
        for (const char* key : keys) {
            if (!m_config.contains(key) || m_config.at(key).is_null()) continue;
            const json& value = m_config.at(key);
            if (!value.is_number_integer() || value.get<std::int64_t>() < least ||
                value.get<std::int64_t>() > most) {
                add(key,
                    fmt::format("found {}, allowed: an integer from {} to {}", value.dump(), least, most));
                return least;
            }
            return value.get<int>();
        }
        return std::nullopt;
    }
    int required_int(std::initializer_list<const char*> keys, int most = 1'000'000) {
        if (const auto value = optional_int(keys, 1, most)) return *value;
        add(*keys.begin(), "found nothing, allowed: an integer of at least 1");
        return 1;
    }
    void add(const std::string& path, std::string message) {
        m_problems.push_back({{m_file, 0, 0}, path, std::move(message)});
    }
    Problems& problems() { return m_problems; }

private:
    const json& m_config;
    std::string m_file;
    Problems m_problems;
};

/// The stored type: the quantisation section's, else torch_dtype.
NumberType stored_type(const json& config, ConfigReader& reader) {
    if (config.contains("quantization_config") && config.at("quantization_config").is_object()) {
        const json& q = config.at("quantization_config");
        const std::string method = q.value("quant_method", "");
        const int bits = q.contains("bits") && q.at("bits").is_number_integer() ? q.at("bits").get<int>() : 0;
        if (method == "fp8" || method == "fbgemm_fp8") return NumberType::fp8;
        if (method == "mxfp4") return NumberType::mxfp4;
        if (method == "awq" || method == "gptq" || method == "gptq_marlin" || method == "auto-round")
            return bits == 8 ? NumberType::int8 : NumberType::int4;
        if (method == "bitsandbytes")
            return q.value("load_in_8bit", false) ? NumberType::int8 : NumberType::int4;
        if (method == "modelopt")
            return q.value("quant_algo", std::string("FP8")).find("FP4") != std::string::npos
                       ? NumberType::nvfp4
                       : NumberType::fp8;
        if (method == "compressed-tensors" && q.contains("config_groups"))
            for (const auto& [name, group] : q.at("config_groups").items()) {
                if (!group.contains("weights") || !group.at("weights").is_object()) continue;
                const json& w = group.at("weights");
                const int n = w.value("num_bits", 8);
                if (w.value("type", "int") == "float") return n == 4 ? NumberType::nvfp4 : NumberType::fp8;
                return n == 4 ? NumberType::int4 : NumberType::int8;
            }
        reader.add("quantization_config.quant_method",
                   fmt::format("found '{}', allowed: fp8, fbgemm_fp8, mxfp4, awq, gptq, bitsandbytes, "
                               "modelopt or compressed-tensors",
                               method));
        return NumberType::bf16;
    }
    for (const char* key : {"torch_dtype", "dtype"})
        if (config.contains(key) && config.at(key).is_string()) {
            const auto type = find_number_type(config.at(key).get<std::string>());
            if (type) return *type;
            reader.add(key,
                       fmt::format("found {}, allowed: float32, float16 or bfloat16", config.at(key).dump()));
        }
    return NumberType::bf16;
}

/// Layers whose attention is windowed, from `layer_types` where the config lists them, else by family.
int windowed_layers(const json& config, const std::string& family, int layers, const char* listed_as) {
    if (config.contains("layer_types") && config.at("layer_types").is_array())
        return static_cast<int>(
            std::count(config.at("layer_types").begin(), config.at("layer_types").end(), json(listed_as)));
    if (family.starts_with("gemma3")) {
        const int pattern = config.value("sliding_window_pattern", 6);
        return pattern > 0 ? layers - layers / pattern : layers;
    }
    if (family == "gemma2" || family == "gpt_oss") return layers - layers / 2;
    if (config.contains("sliding_window_pattern") &&
        config.at("sliding_window_pattern").is_number_integer()) {
        const int pattern = config.at("sliding_window_pattern");
        if (pattern > 0) return layers - layers / pattern;
    }
    return layers;
}

std::int64_t counted_parameters(const LlmShape& s) {
    const LayerParameters p = layer_parameters(s, 1);
    const int routed = expert_layers(s);
    const double norms = (2.0 * s.layers + 1) * s.hidden_size;
    const double tables =
        static_cast<double>(s.vocabulary_size) * s.hidden_size * (s.tied_embeddings ? 1 : 2);
    const double count = tables + norms + p.attention * s.layers + p.mlp * (s.layers - routed) +
                         (p.experts + p.shared + p.router) * routed;
    return static_cast<std::int64_t>(std::min(count, 9e18));  // absurd shapes must not overflow
}

std::int64_t counted_active(const LlmShape& s) {
    if (!s.moe) return s.parameters;
    const LayerParameters p = layer_parameters(s, 1);
    const double idle = (p.experts - p.one_expert * s.moe->experts_per_token) * expert_layers(s);
    return s.parameters - static_cast<std::int64_t>(std::min(idle, static_cast<double>(s.parameters)));
}

Result<LlmShape> read_config(const json& whole, const std::string& file) {
    // Multimodal wrappers keep the language model's keys one level down.
    const bool wrapped = whole.contains("text_config") && whole.at("text_config").is_object();
    const json& config = wrapped ? whole.at("text_config") : whole;
    ConfigReader reader(config, file);
    const std::string family = config.contains("model_type") && config.at("model_type").is_string()
                                   ? config.at("model_type").get<std::string>()
                                   : std::string();
    LlmShape s;
    s.id = file;
    s.source = file;
    s.multimodal = wrapped;
    s.layers = reader.required_int({"num_hidden_layers", "n_layer", "num_layers"}, 10'000);
    s.hidden_size = reader.required_int({"hidden_size", "n_embd", "d_model"});
    s.attention_heads = reader.required_int({"num_attention_heads", "n_head"}, 65'536);
    s.kv_heads =
        reader.optional_int({"num_key_value_heads", "num_kv_heads", "multi_query_group_num"}, 1, 65'536)
            .value_or(s.attention_heads);
    if (family == "falcon" && config.value("multi_query", false) &&
        !config.value("new_decoder_architecture", false))
        s.kv_heads = 1;
    s.head_dim =
        reader.optional_int({"head_dim"}, 1, 65'536).value_or(std::max(1, s.hidden_size / s.attention_heads));
    s.intermediate_size =
        reader.optional_int({"intermediate_size", "ffn_hidden_size", "ffn_dim", "n_inner"}, 1)
            .value_or(4 * s.hidden_size);
    s.vocabulary_size = reader.required_int({"vocab_size", "padded_vocab_size"}, 100'000'000);
    s.max_positions = reader.required_int(
        {"max_position_embeddings", "n_positions", "seq_length", "max_seq_len"}, 1'000'000'000);
    s.gated_mlp =
        family != "opt" && family != "gpt2" && family != "falcon" && family != "bert" && family != "gpt_neox";
    s.encoder_only = family == "bert" || family == "roberta" || family == "xlm-roberta";
    const bool tied_by_default =
        family.starts_with("gemma") || family == "opt" || family == "gpt2" || family == "falcon";
    const auto flag = [&](const char* key, bool otherwise) {
        const json& from = config.contains(key) ? config : whole;
        return from.contains(key) && from.at(key).is_boolean() ? from.at(key).get<bool>() : otherwise;
    };
    s.tied_embeddings = flag("tie_word_embeddings", tied_by_default);
    s.stored_type = stored_type(
        config.contains("quantization_config") || config.contains("torch_dtype") ? config : whole, reader);

    if (const auto experts = reader.optional_int({"num_local_experts", "num_experts", "n_routed_experts"});
        experts && *experts > 1) {
        MixtureOfExperts m;
        m.experts = *experts;
        m.experts_per_token = reader.required_int({"num_experts_per_tok", "moe_topk"});
        m.expert_intermediate_size =
            reader.optional_int({"moe_intermediate_size"}, 1).value_or(s.intermediate_size);
        m.shared_experts =
            reader.optional_int({"n_shared_experts"}).value_or(family.starts_with("llama4") ? 1 : 0);
        m.dense_layers = std::min(s.layers, reader.optional_int({"first_k_dense_replace"}).value_or(0));
        s.moe = m;
    }
    if (const auto rank = reader.optional_int({"kv_lora_rank"}); rank && *rank > 0) {
        LatentAttention a;
        a.kv_lora_rank = *rank;
        a.q_lora_rank = reader.optional_int({"q_lora_rank"}).value_or(0);
        a.nope_head_dim = reader.required_int({"qk_nope_head_dim"});
        a.rope_head_dim = reader.required_int({"qk_rope_head_dim"});
        a.value_head_dim = reader.required_int({"v_head_dim"});
        s.mla = a;
        s.head_dim = a.nope_head_dim + a.rope_head_dim;
    }
    // Qwen configs carry a window that is switched off by use_sliding_window.
    const auto window = reader.optional_int({"sliding_window"}, 1);
    if (window && *window < s.max_positions && flag("use_sliding_window", !family.starts_with("qwen")))
        s.sliding_window =
            WindowedLayers{*window, windowed_layers(config, family, s.layers, "sliding_attention")};
    if (const auto chunk = reader.optional_int({"attention_chunk_size"}, 1);
        chunk && family.starts_with("llama4"))
        s.chunked_attention = WindowedLayers{*chunk, s.layers - s.layers / 4};

    if (reader.problems().empty() && s.moe && s.moe->experts_per_token > s.moe->experts)
        reader.add("num_experts_per_tok", fmt::format("found {}, allowed: at most the {} experts",
                                                      s.moe->experts_per_token, s.moe->experts));
    if (reader.problems().empty() && s.attention_heads % s.kv_heads != 0)
        reader.add("num_key_value_heads",
                   fmt::format("found {}, allowed: a divisor of num_attention_heads ({})", s.kv_heads,
                               s.attention_heads));
    if (!reader.problems().empty()) return std::move(reader.problems());
    s.parameters = counted_parameters(s);
    s.active_parameters = counted_active(s);
    return s;
}

}  // namespace

Result<LlmShape> read_huggingface_config(std::string_view text, const std::string& file) {
    const json whole = json::parse(text, nullptr, false);
    if (whole.is_discarded() || !whole.is_object())
        return Problem{
            {file, 0, 0}, "", "found text that is no JSON object, allowed: a Hugging Face config.json"};
    try {
        return read_config(whole, file);
    } catch (const json::exception& wrong_type) {
        return Problem{{file, 0, 0},
                       "",
                       fmt::format("found a key of the wrong type ({}), allowed: a Hugging Face config.json",
                                   wrong_type.what())};
    }
}

}  // namespace windtunnel
