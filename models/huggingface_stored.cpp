#include "models/huggingface_reader.hpp"

namespace windtunnel {
namespace {

using nlohmann::json;

/// Of compressed-tensors: the first group's weights.
std::optional<NumberType> type_of_groups(const json& quantisation) {
    if (!quantisation.contains("config_groups") || !quantisation.at("config_groups").is_object()) return std::nullopt;
    for (const auto& [name, group] : quantisation.at("config_groups").items()) {
        if (!group.contains("weights") || !group.at("weights").is_object()) continue;
        const json& w = group.at("weights");
        const int bits = w.value("num_bits", 8);
        if (w.value("type", "int") == "float") {
            if (bits != 4) return NumberType::fp8;
            const bool by_32 = w.contains("group_size") && w.at("group_size") == 32;
            return by_32 ? NumberType::mxfp4 : NumberType::nvfp4;
        }
        return bits == 4 ? NumberType::int4 : NumberType::int8;
    }
    return std::nullopt;
}

std::optional<NumberType> quantised_type(const json& q, const std::string& method) {
    const int bits = q.contains("bits") && q.at("bits").is_number_integer() ? q.at("bits").get<int>() : 0;
    if (method == "fp8" || method == "fbgemm_fp8" || method == "ptpc_fp8") return NumberType::fp8;
    if (method == "mxfp4") return NumberType::mxfp4;
    if (method == "experts_int8") return NumberType::int8;
    if (method == "awq" || method == "awq_marlin" || method == "gptq" || method == "gptq_marlin" ||
        method == "auto-round" || method == "intel/auto-round" || method == "hqq")
        return bits == 8 ? NumberType::int8 : NumberType::int4;
    if (method == "bitsandbytes")
        return q.value("load_in_8bit", false) || q.value("_load_in_8bit", false) ? NumberType::int8
                                                                                  : NumberType::int4;
    if (method == "modelopt" || method == "modelopt_fp4") {
        const std::string algorithm = q.value("quant_algo", std::string(method == "modelopt" ? "" : "NVFP4"));
        if (algorithm.empty())
            if (const auto type = type_of_groups(q)) return type;
        return algorithm.find("FP4") != std::string::npos ? NumberType::nvfp4 : NumberType::fp8;
    }
    if (method == "compressed-tensors") return type_of_groups(q);
    if (method == "quark" && q.contains("global_quant_config") && q.at("global_quant_config").contains("weight")) {
        const json& weight = q.at("global_quant_config").at("weight");
        const json& first = weight.is_array() && !weight.empty() ? weight.front() : weight;
        const std::string type = first.value("dtype", "");
        if (type.starts_with("fp8")) return NumberType::fp8;
        if (type == "fp4") return NumberType::mxfp4;
        if (type == "int8") return NumberType::int8;
        if (type == "int4" || type == "uint4") return NumberType::int4;
    }
    return std::nullopt;
}

/// How many weights share a scale; not positive: all of a row.
std::optional<int> group_size(const json& q) {
    const json* at = &q;
    if (q.contains("config_groups") && q.at("config_groups").is_object() && !q.at("config_groups").empty()) {
        const json& group = *q.at("config_groups").begin();
        if (group.contains("weights") && group.at("weights").is_object()) at = &group.at("weights");
    }
    if (!at->contains("group_size") || !at->at("group_size").is_number_integer()) return std::nullopt;
    return at->at("group_size").get<int>();
}

/// Whether the modules that stay in 16 bits have the attention of most layers among them: a pattern over all layers, or one
/// entry for each.
bool leaves_attention_out(const json& q, int layers) {
    int entries = 0;
    for (const char* key : {"ignore", "modules_to_not_convert", "exclude_modules", "exclude"}) {
        if (!q.contains(key) || !q.at(key).is_array()) continue;
        for (const json& entry : q.at(key)) {
            if (!entry.is_string()) continue;
            const std::string name = entry.get<std::string>();
            if (name.find("self_attn") == std::string::npos && name.find("attention") == std::string::npos) continue;
            if (name.find("vision") != std::string::npos || name.find("visual") != std::string::npos) continue;
            if (name.find("layers.") == std::string::npos || name.find('*') != std::string::npos) return true;
            ++entries;
        }
    }
    return 2 * entries >= layers;
}

}  // namespace

void read_stored_type(ConfigReader& reader, LlmShape& shape) {
    const json& config = reader.config();
    for (const char* section : {"quantization_config", "compression_config"})
        if (config.contains(section) && config.at(section).is_object()) {
            const json& q = config.at(section);
            const std::string method = q.value("quant_method", "");
            const auto type = quantised_type(q, method);
            if (!type) {
                reader.add(std::string(section) + ".quant_method",
                           fmt::format("found '{}', allowed: fp8, fbgemm_fp8, mxfp4, awq, gptq, auto-round, hqq, "
                                       "bitsandbytes, modelopt, quark, experts_int8 or compressed-tensors with the "
                                       "type of its weights",
                                       method));
                return;
            }
            shape.stored_type = *type;
            shape.sixteen_bit_attention =
                method == "experts_int8" || leaves_attention_out(q, shape.layers);
            shape.int4_everywhere = !shape.sixteen_bit_attention;
            shape.declares_fp8_cache = method.starts_with("modelopt") && q.value("kv_cache_quant_algo", json("")) == "FP8";
            // 128 weights share a scale as a rule.
            if (const auto group = group_size(q); group && *group != 128)
                shape.int4_bytes = *group > 0 ? 0.5 + (q.value("zero_point", false) ? 2.5 : 2.0) / *group : 0.5;
            return;
        }
    for (const char* key : {"torch_dtype", "dtype"})
        if (config.contains(key) && config.at(key).is_string()) {
            if (const auto type = find_number_type(config.at(key).get<std::string>()))
                shape.stored_type = *type;
            else
                reader.add(key, fmt::format("found {}, allowed: float32, float16 or bfloat16", config.at(key).dump()));
            return;
        }
}

}  // namespace windtunnel
