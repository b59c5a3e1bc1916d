#include "models/huggingface_reader.hpp"

#include <algorithm>
#include <cmath>

namespace windtunnel {
namespace {

using nlohmann::json;

double number(const json& config, std::initializer_list<const char*> keys, double otherwise) {
    for (const char* key : keys) {
        if (!config.contains(key)) continue;
        const json& whole = config.at(key);
        const json& value = whole.is_array() && !whole.empty() ? whole.front() : whole;
        if (value.is_number()) return value.get<double>();
    }
    return otherwise;
}

/// A transformer encoder: four attention matrices and an MLP for each layer, an embedding of patches, and a projection
/// into the language model's width. Keys that a file leaves out are the common ones of CLIP-L (2021).
double encoder_parameters(const json& tower, double out_width) {
    const double layers = number(tower, {"num_hidden_layers", "depth", "layers", "n_layers", "encoder_layers"}, 24);
    const double hidden = number(tower, {"hidden_size", "embed_dim", "width", "d_model"}, 1024);
    const double inner = number(tower, {"intermediate_size", "encoder_ffn_dim"}, number(tower, {"mlp_ratio"}, 4) * hidden);
    const json act = tower.value("hidden_act", json(""));
    const bool gated = act == "silu" || tower.value("model_type", json("")) == "pixtral";
    const double patch = number(tower, {"patch_size", "spatial_patch_size"}, 14);
    const double global = number(tower, {"num_global_layers"}, 0);
    double sum = (layers + global) * (4 * hidden * hidden + (gated ? 3 : 2) * hidden * inner) + 3 * patch * patch * hidden;
    const double merge = number(tower, {"spatial_merge_size"}, 1), merged = merge * merge * hidden;
    if (merge > 1 && tower.contains("depth"))
        sum += merged * merged + merged * out_width;  // Qwen's merger
    else
        sum += number(tower, {"vision_output_dim"}, hidden) * out_width;
    return sum;
}

}  // namespace

double tower_parameters(const json& whole, int hidden_size) {
    double sum = 0;
    const auto add_towers_of = [&](const json& holder) {
        for (const char* key : {"vision_config", "audio_config"})
            if (holder.contains(key) && holder.at(key).is_object()) sum += encoder_parameters(holder.at(key), hidden_size);
    };
    add_towers_of(whole);
    if (whole.contains("thinker_config")) add_towers_of(whole.at("thinker_config"));
    return std::isfinite(sum) ? std::clamp(sum, 0.0, 1e12) : 0;
}

json class_defaults(const std::string& family) {
    const auto shape = [](int hidden, int inner, int layers, int heads, int kv, int vocab, int positions) {
        return json{{"hidden_size", hidden}, {"intermediate_size", inner}, {"num_hidden_layers", layers},
                    {"num_attention_heads", heads}, {"num_key_value_heads", kv}, {"vocab_size", vocab},
                    {"max_position_embeddings", positions}};
    };
    if (family == "gemma3_text") {
        json gemma = shape(2304, 9216, 26, 8, 4, 262208, 131072);
        gemma["head_dim"] = 256;
        gemma["sliding_window"] = 4096;
        return gemma;
    }
    if (family == "mistral") return shape(4096, 14336, 32, 32, 8, 32000, 131072);
    if (family == "llama") {
        json llama = shape(4096, 11008, 32, 32, 32, 32000, 2048);
        llama.erase("num_key_value_heads");  // as many as heads
        return llama;
    }
    if (family == "qwen2") return shape(4096, 22016, 32, 32, 32, 151936, 32768);
    return json::object();
}

}  // namespace windtunnel
