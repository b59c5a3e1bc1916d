#include "models/huggingface_reader.hpp"
#include "models/llm_catalog.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

using nlohmann::json;

std::int64_t counted_parameters(const LlmShape& s) {
    const double norms = (2.0 * s.layers + 1) * s.hidden_size;
    const double tables =
        static_cast<double>(s.vocabulary_size) * s.hidden_size * (s.tied_embeddings ? 1 : 2);
    const double count = tables + norms + layers_parameters(s);
    return static_cast<std::int64_t>(std::min(count, 9e18));  // absurd shapes must not overflow
}

std::int64_t counted_active(const LlmShape& s) {
    if (!s.moe) return s.parameters;
    const LayerParameters p = layer_parameters(s, 1);
    const double idle = (p.experts - p.one_expert * s.moe->experts_per_token) * expert_layers(s);
    return s.parameters - static_cast<std::int64_t>(std::min(idle, static_cast<double>(s.parameters)));
}

/// Multimodal wrappers keep the language model's keys one level down (of an omni model, two); what the inner object leaves
/// out is its class's default.
json language_model_of(const json& whole, int depth = 0) {
    for (const char* key : {"text_config", "llm_config", "language_config", "thinker_config"}) {
        if (depth > 2 || !whole.contains(key) || !whole.at(key).is_object()) continue;
        const json inner = language_model_of(whole.at(key), depth + 1);
        json merged = class_defaults(inner.value("model_type", std::string()));
        merged.update(inner);
        for (const char* outer : {"quantization_config", "torch_dtype", "dtype", "tie_word_embeddings"})
            if (!merged.contains(outer) && whole.contains(outer)) merged[outer] = whole.at(outer);
        return merged;
    }
    // DBRX and MPT keep attention and MLP in sections of their own.
    json flat = whole;
    for (const char* section : {"attn_config", "ffn_config"})
        if (whole.contains(section) && whole.at(section).is_object())
            for (const auto& [key, value] : whole.at(section).items())
                if (!flat.contains(key) || key == "ffn_hidden_size") flat[key] = value;
    return flat;
}

/// Two matrices per MLP instead of three.
bool is_plain_mlp(const ConfigReader& reader, const std::string& family) {
    for (const char* plain : {"opt", "gpt2", "falcon", "bert", "gpt_neox", "gpt_neo", "gptj", "gpt_bigcode", "starcoder2",
                              "bloom", "mpt", "phi", "codegen", "nemotron", "nemotron_h", "whisper", "apertus", "arcee"})
        if (family == plain) return true;
    return reader.word("hidden_act") == "relu2" || reader.word("mlp_hidden_act") == "relu2";
}

/// Whose class ties the LM head to the embedding table unless the file says otherwise (transformers 4.57, 2025).
bool ties_by_default(const std::string& family) {
    for (const char* tying : {"gemma", "cohere"})
        if (family.starts_with(tying)) return true;
    for (const char* tying : {"opt", "gpt2", "falcon", "bloom", "mpt", "gpt_bigcode", "starcoder2", "smollm3", "lfm2", "lfm2_moe"})
        if (family == tying) return true;
    return false;
}

/// The longest context, with what vLLM makes of a scaled rotary embedding (its max_model_len, 0.5 to 0.24): the original
/// length times the factor, unless the type says that the stated length is scaled already.
int longest_context(ConfigReader& reader, const std::string& family) {
    constexpr int most = 1'000'000'000;
    std::int64_t longest =
        reader.optional_int({"model_max_length"}, 1, most)  // Cohere's
            .value_or(reader.optional_int({"max_position_embeddings", "n_positions", "max_seq_len", "seq_length",
                                           "max_sequence_length", "max_target_positions"},
                                          1, most)
                          .value_or(2048));  // vLLM's assumption where no key says it
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
        if (!reader.has(key) || !reader.config().at(key).is_object()) continue;
        const json& rope = reader.config().at(key);
        const std::string type = rope.value("rope_type", rope.value("type", std::string()));
        if (!rope.contains("factor") || !rope.at("factor").is_number() || type == "su" || type == "longrope" ||
            type == "llama3" || type == "default" || family.starts_with("gemma3"))
            break;
        if (type == "yarn" && rope.contains("original_max_position_embeddings") &&
            rope.at("original_max_position_embeddings").is_number_integer())
            longest = rope.at("original_max_position_embeddings").get<std::int64_t>();
        longest = static_cast<std::int64_t>(
            std::clamp(static_cast<double>(longest) * rope.at("factor").get<double>(), 1.0, double{most}));
        break;
    }
    return static_cast<int>(std::clamp<std::int64_t>(longest, 1, most));
}

void read_attention(ConfigReader& reader, const std::string& family, LlmShape& s) {
    s.attention_heads = reader.required_int({"num_attention_heads", "n_head", "n_heads", "num_heads"}, 65'536);
    s.kv_heads = reader.optional_int({"num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num", "kv_n_heads",
                                      "num_attention_groups"},
                                     1, 65'536)
                     .value_or(s.attention_heads);
    // One head for all queries (Falcon 7B, GPT-BigCode), or as many as there are where the flag says otherwise.
    if ((family == "falcon" || family == "gpt_bigcode") && !reader.flag("new_decoder_architecture", false))
        s.kv_heads = reader.flag("multi_query", true) ? 1 : s.attention_heads;
    s.head_dim = reader.optional_int({"head_dim", "attention_head_dim", "kv_channels"}, 1, 65'536)
                     .value_or(std::max(1, s.hidden_size / s.attention_heads));
    s.gated_attention = reader.flag("attn_output_gate", family.starts_with("qwen3_next"));
    const auto rank = reader.optional_int({"kv_lora_rank"});
    if (!rank || *rank == 0) return;
    LatentAttention a;
    a.kv_lora_rank = *rank;
    a.q_lora_rank = reader.optional_int({"q_lora_rank"}).value_or(0);
    a.nope_head_dim = reader.required_int({"qk_nope_head_dim"});
    a.rope_head_dim = reader.required_int({"qk_rope_head_dim"});
    a.value_head_dim = reader.required_int({"v_head_dim"});
    s.mla = a;
    s.head_dim = a.nope_head_dim + a.rope_head_dim;
    if (const auto heads = reader.optional_int({"index_n_heads"}, 1))
        s.indexer = SparseIndexer{*heads, reader.required_int({"index_head_dim"}), reader.required_int({"index_topk"})};
}

Result<LlmShape> read_config(const json& whole, const std::string& file) {
    const json config = language_model_of(whole);
    ConfigReader reader(config, file);
    const std::string family = reader.word("model_type");
    LlmShape s;
    s.id = file;
    s.source = file;
    s.multimodal = whole.contains("vision_config") || whole.contains("text_config") || whole.contains("audio_config");
    s.layers = reader.required_int({"num_hidden_layers", "n_layer", "num_layers", "n_layers"}, 10'000);
    s.hidden_size = reader.required_int({"hidden_size", "n_embd", "d_model", "n_embed"});
    read_attention(reader, family, s);
    s.intermediate_size =
        reader.optional_int({"intermediate_size", "ffn_hidden_size", "ffn_dim", "n_inner", "inner_hidden_size"}, 1)
            .value_or(4 * s.hidden_size);
    s.vocabulary_size = reader.required_int({"vocab_size", "padded_vocab_size"}, 100'000'000);
    if (reader.problems().size() >= 4 && !reader.has("max_position_embeddings"))
        reader.add("max_position_embeddings", "found nothing, allowed: an integer of at least 1");
    s.max_positions = longest_context(reader, family);
    s.gated_mlp = !is_plain_mlp(reader, family);
    s.encoder_only = family == "bert" || family == "roberta" || family == "xlm-roberta" || family == "modernbert";
    s.tied_embeddings = reader.flag("tie_word_embeddings", ties_by_default(family));
    read_layer_kinds(reader, family, s);
    read_stored_type(reader, s);

    if (reader.problems().empty() && s.moe && s.moe->experts_per_token > s.moe->experts)
        reader.add("num_experts_per_tok", fmt::format("found {}, allowed: at most the {} experts",
                                                      s.moe->experts_per_token, s.moe->experts));
    if (reader.problems().empty() && s.attention_heads % s.kv_heads != 0)
        reader.add("num_key_value_heads",
                   fmt::format("found {}, allowed: a divisor of num_attention_heads ({})", s.kv_heads,
                               s.attention_heads));
    if (!reader.problems().empty()) return std::move(reader.problems());
    s.parameters = counted_parameters(s) + static_cast<std::int64_t>(tower_parameters(whole, s.hidden_size));
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
