#include "models/huggingface_reader.hpp"

#include <algorithm>
#include <string_view>

namespace windtunnel {
namespace {

using nlohmann::json;

/// How many layers there are of each kind.
struct LayerKinds {
    int full = 0, windowed = 0, chunked = 0, recurrent = 0, mlp_only = 0;
    int mlps = 0;     ///< with an MLP; of Nemotron-H those alone
    int experts = -1; ///< with experts; -1 = told elsewhere
};

/// `layer_types`, or under its other names: one word for each layer.
void count_types(const json& types, LayerKinds& kinds) {
    for (const json& entry : types) {
        const std::string type = entry.is_string() ? entry.get<std::string>() : std::string();
        if (type == "sliding_attention")
            ++kinds.windowed;
        else if (type == "chunked_attention")
            ++kinds.chunked;
        else if (type == "linear_attention" || type == "mamba" || type == "mamba2" || type == "conv" ||
                 type == "recurrent" || type == "minimax_linear")
            ++kinds.recurrent;
        else if (type == "mlp" || type == "moe")
            ++kinds.mlp_only;
        else
            ++kinds.full;
    }
}

int multiples(int layers, int period, int offset) {
    int count = 0;
    for (int i = 0; i < layers; ++i) count += period > 0 && i % period == offset;
    return count;
}

/// How a window's period is spelled: one layer in so many sees everything.
int without_every(int layers, int period) { return period > 0 ? layers - layers / period : layers; }

/// Layers that see a window, where no list of layers says which do.
int windowed_layers(ConfigReader& reader, const std::string& family, int layers) {
    if (const std::string letters = reader.word("sliding_window_pattern"); !letters.empty()) {  // "LLLG"
        int local = 0;
        for (std::size_t i = 0; i < static_cast<std::size_t>(layers); ++i) local += letters[i % letters.size()] == 'L';
        return local;
    }
    if (reader.has("sliding_window_pattern") || family.starts_with("gemma3") || family.starts_with("cohere2")) {
        const int usual = family.starts_with("cohere2") ? 4 : 6;
        return without_every(layers, reader.optional_int({"sliding_window_pattern"}).value_or(usual));
    }
    if (family == "gemma2" || family == "gpt_oss") return layers - layers / 2;
    // From this layer on they see a window (Qwen2 and 3, where use_sliding_window is on).
    if (reader.has("max_window_layers") && family.starts_with("qwen"))
        return std::max(0, layers - reader.optional_int({"max_window_layers"}).value_or(layers));
    return reader.has("sliding_window") ? layers : 0;
}

LayerKinds kinds_of(ConfigReader& reader, const std::string& family, const LlmShape& s) {
    LayerKinds kinds;
    const int layers = s.layers;
    kinds.mlps = layers;
    for (const char* key : {"layer_types", "layers_block_type"})
        if (const json* const types = reader.list(key); types && !types->empty()) {
            count_types(*types, kinds);
            const auto listed = static_cast<int>(types->size());
            if (listed != layers)
                reader.add(key, fmt::format("found {} layers, allowed: num_hidden_layers ({})", listed, layers));
            return kinds;
        }
    if (const std::string pattern = reader.word("hybrid_override_pattern"); !pattern.empty()) {  // Nemotron-H
        for (const char c : pattern) {
            kinds.recurrent += c == 'M';
            kinds.full += c == '*';
            kinds.mlp_only += c == '-' || c == 'E';
        }
        kinds.mlps = kinds.mlp_only;
        kinds.experts = static_cast<int>(std::count(pattern.begin(), pattern.end(), 'E'));
        return kinds;
    }
    if (const json* const types = reader.list("attn_type_list")) {  // MiniMax: 0 = linear
        for (const json& type : *types) ++(type == 0 ? kinds.recurrent : kinds.full);
        return kinds;
    }
    if (const json* const attending = reader.list("attn_layer_indices")) {  // Bamba
        kinds.full = static_cast<int>(attending->size());
    } else if (reader.has("attn_layer_period")) {  // Jamba
        kinds.full = multiples(layers, reader.optional_int({"attn_layer_period"}, 1).value_or(1),
                               reader.optional_int({"attn_layer_offset"}).value_or(0));
    } else if (reader.has("full_attention_interval")) {  // Qwen3-Next: the last of each interval
        kinds.full = layers / reader.optional_int({"full_attention_interval"}, 1).value_or(1);
    } else {
        kinds.full = layers;
    }
    kinds.recurrent = std::max(0, layers - kinds.full);
    if (kinds.recurrent > 0) return kinds;

    if (reader.has("attention_chunk_size") && family.starts_with("llama4")) {
        // Every fourth layer has no positions and sees everything (Llama 4, 2025).
        kinds.chunked = without_every(layers, 4);
        kinds.full = layers - kinds.chunked;
        return kinds;
    }
    kinds.windowed = windowed_layers(reader, family, layers);
    kinds.full = layers - kinds.windowed;
    return kinds;
}

/// Layers that route, of all layers with an MLP.
int routed_layers(ConfigReader& reader, int layers) {
    if (reader.has("mlp_only_layers") || reader.has("decoder_sparse_step")) {  // Qwen
        const int step = reader.optional_int({"decoder_sparse_step"}, 1).value_or(1);
        const json only = reader.config().value("mlp_only_layers", json::array());
        int count = 0;
        for (int i = 0; i < layers; ++i)
            count += (i + 1) % step == 0 && std::find(only.begin(), only.end(), json(i)) == only.end();
        return count;
    }
    if (const json* const routed = reader.list("moe_layers"); routed && !routed->empty())
        return static_cast<int>(routed->size());  // Llama 4, written out
    if (const auto step = reader.optional_int({"interleave_moe_layer_step"}, 1)) return layers / *step;
    if (reader.has("expert_layer_period"))  // Jamba
        return multiples(layers, reader.optional_int({"expert_layer_period"}, 1).value_or(1),
                         reader.optional_int({"expert_layer_offset"}).value_or(0));
    if (const json* const routes = reader.list("moe_layer_freq"))  // 1 = routes
        return static_cast<int>(std::count(routes->begin(), routes->end(), json(1)));
    if (reader.has("moe_layer_start_index")) {  // ERNIE 4.5
        const int from = reader.optional_int({"moe_layer_start_index"}).value_or(0);
        const int to = std::min(layers - 1, reader.optional_int({"moe_layer_end_index"}, -1).value_or(layers - 1));
        const int step = reader.optional_int({"moe_layer_interval"}, 1).value_or(1);
        return std::max(0, ((to < 0 ? layers - 1 : to) - from + 1) / step);
    }
    const int dense = reader.optional_int({"first_k_dense_replace", "num_dense_layers", "n_dense_layers"}).value_or(0);
    const int step = reader.optional_int({"moe_layer_freq"}, 1).value_or(1);
    return std::max(0, (layers - dense) / step);
}

void read_experts(ConfigReader& reader, const std::string& family, const LayerKinds& kinds, LlmShape& s) {
    const auto experts = reader.optional_int(
        {"num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts"}, 0, 100'000);
    if (!experts || *experts <= 1) return;
    MixtureOfExperts m;
    m.experts = *experts;
    m.experts_per_token = reader.required_int(
        {"num_experts_per_tok", "moe_topk", "moe_k", "top_k_experts", "num_experts_per_token", "moe_top_k", "experts_per_token"});
    m.expert_intermediate_size =
        reader.optional_int({"moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size"}, 1)
            .value_or(s.intermediate_size);
    m.shared_experts =
        reader.optional_int({"n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts"})
            .value_or(family.starts_with("llama4") ? 1 : 0);
    const auto shared_width = reader.optional_int(
        {"shared_expert_intermediate_size", "shared_intermediate_size", "moe_shared_expert_intermediate_size"});
    if (shared_width && *shared_width > 0) {
        m.shared_experts = std::max(1, m.shared_experts);
        m.shared_intermediate_size = *shared_width;
    }
    const int mlps = kinds.mlps;
    m.dense_layers = mlps - std::clamp(kinds.experts >= 0 ? kinds.experts : routed_layers(reader, s.layers), 0, mlps);
    if (m.dense_layers < mlps) s.moe = m;
    // Llama 4's key for layers without experts.
    s.intermediate_size = reader.optional_int({"intermediate_size_mlp"}, 1).value_or(s.intermediate_size);
}

/// Mamba-2 (2024): one projection to gate, input, B, C and the step sizes, a convolution over input, B and C, a projection
/// back. Mamba-1: the step sizes come from a projection of their own.
RecurrentLayers read_mamba(ConfigReader& reader, const LlmShape& s) {
    RecurrentLayers r;
    const double h = s.hidden_size;
    const double state = reader.optional_int({"mamba_d_state", "ssm_state_size", "state_size"}, 1).value_or(16);
    const double kernel = reader.optional_int({"mamba_d_conv", "conv_kernel", "conv_kernel_size"}, 1).value_or(4);
    const auto heads = reader.optional_int({"mamba_n_heads", "mamba_num_heads"}, 1);
    if (heads) {
        const auto given = reader.optional_int({"mamba_d_head", "mamba_head_dim"}, 1);
        const double expand = reader.optional_int({"mamba_expand", "expand"}, 1).value_or(2);
        const double head = given ? *given : expand * h / *heads, inner = *heads * head;
        const double groups = reader.optional_int({"mamba_n_groups", "n_groups"}, 1).value_or(1);
        const double convolved = inner + 2 * groups * state;
        r.parameters = h * (inner + convolved + *heads) + convolved * (kernel + 1) + inner * h + inner;
        r.convolution_elements = convolved * (kernel - 1);
        r.state_elements = inner * state;
    } else {
        const double inner = reader.optional_int({"mamba_expand", "expand"}, 1).value_or(2) * h;
        const double rank = reader.optional_int({"mamba_dt_rank"}, 1).value_or(static_cast<int>((h + 15) / 16));
        r.parameters = 2 * h * inner + inner * (kernel + 1) + inner * (rank + 2 * state) + rank * inner +
                       inner * (state + 2) + inner * h;
        r.convolution_elements = inner * (kernel - 1);
        r.state_elements = inner * state;
    }
    return r;
}
/// Gated delta rule (Qwen3-Next, 2025): queries, keys, values and a gate, a convolution over the first three, two numbers
/// for each value head.
RecurrentLayers read_delta_rule(ConfigReader& reader, const LlmShape& s) {
    RecurrentLayers r;
    const double h = s.hidden_size;
    const double value_heads = reader.required_int({"linear_num_value_heads"});
    const double keys = static_cast<double>(reader.required_int({"linear_num_key_heads"})) *
                        reader.required_int({"linear_key_head_dim"});
    const double value_dim = reader.required_int({"linear_value_head_dim"}), values = value_heads * value_dim;
    const double kernel = reader.optional_int({"linear_conv_kernel_dim"}, 1).value_or(4);
    r.parameters = h * (2 * keys + 2 * values + 2 * value_heads) + (2 * keys + values) * kernel + values * h;
    r.convolution_elements = (2 * keys + values) * (kernel - 1);
    r.state_elements = values * reader.required_int({"linear_key_head_dim"});
    return r;
}
/// Lightning attention (MiniMax-Text-01, 2025): queries, keys, values, an output gate; a matrix for each head.
RecurrentLayers read_lightning(const LlmShape& s) {
    RecurrentLayers r;
    const double width = static_cast<double>(s.attention_heads) * s.head_dim;
    r.parameters = 5.0 * s.hidden_size * width;
    r.state_elements = width * s.head_dim;
    return r;
}
/// Gated short convolutions (LFM2, 2025).
RecurrentLayers read_short_convolution(ConfigReader& reader, const LlmShape& s) {
    RecurrentLayers r;
    const double h = s.hidden_size, kernel = reader.optional_int({"conv_L_cache"}, 1).value_or(3);
    r.parameters = 4 * h * h + h * kernel;
    r.convolution_elements = h * (kernel - 1);
    return r;
}

void read_recurrent(ConfigReader& reader, const LayerKinds& kinds, LlmShape& s) {
    RecurrentLayers r;
    if (reader.has("linear_num_value_heads"))
        r = read_delta_rule(reader, s);
    else if (reader.has("mamba_d_state") || reader.has("ssm_state_size") || reader.has("mamba_n_heads"))
        r = read_mamba(reader, s);
    else if (reader.has("conv_L_cache"))
        r = read_short_convolution(reader, s);
    else if (reader.has("attn_type_list") || reader.has("linear_attn_hidden_ratio") || reader.has("full_attn_alpha_factor"))
        r = read_lightning(s);
    else
        reader.add("layer_types", "found layers without attention whose state no key describes, allowed: the keys of "
                                  "Mamba, gated delta rules, lightning attention or short convolutions");
    r.layers = kinds.recurrent;
    for (const char* key : {"mamba_ssm_cache_dtype", "mamba_ssm_dtype"})
        if (reader.word(key) == "float32") r.state_element_bytes = 4;
    s.recurrent = r;
    s.kv_layers = kinds.full + kinds.windowed + kinds.chunked;
    if (kinds.mlp_only > 0) s.mlp_layers = kinds.mlps;
}

}  // namespace

void read_layer_kinds(ConfigReader& reader, const std::string& family, LlmShape& s) {
    const LayerKinds kinds = kinds_of(reader, family, s);
    const int told = kinds.full + kinds.windowed + kinds.chunked + kinds.recurrent + kinds.mlp_only;
    if (told != s.layers && reader.problems().empty())
        reader.add("num_hidden_layers", fmt::format("found {}, allowed: {}, of which the kinds are told", s.layers, told));
    read_experts(reader, family, kinds, s);
    if (kinds.recurrent > 0) read_recurrent(reader, kinds, s);
    // Qwen configs carry a window that is switched off by use_sliding_window.
    const auto window = reader.optional_int({"sliding_window", "sliding_window_size"}, 1, 1'000'000'000);
    if (window && *window < s.max_positions && kinds.windowed > 0 &&
        reader.flag("use_sliding_window", !family.starts_with("qwen")))
        s.sliding_window = WindowedLayers{*window, kinds.windowed};
    const auto chunk = reader.optional_int({"attention_chunk_size"}, 1);
    if (chunk && kinds.chunked > 0) s.chunked_attention = WindowedLayers{*chunk, kinds.chunked};
}

}  // namespace windtunnel
