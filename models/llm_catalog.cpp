#include "models/llm_catalog.hpp"

#include "models/embedded_model_data.hpp"
#include "models/expects.hpp"
#include "models/nearest_name.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace windtunnel {
namespace {

using nlohmann::json;

std::optional<WindowedLayers> read_window(const json& entry, const char* key) {
    if (!entry.contains(key) || entry.at(key).is_null()) return std::nullopt;
    return WindowedLayers{entry.at(key).at("tokens"), entry.at(key).at("layers")};
}

LlmShape read_entry(const json& entry) {
    LlmShape s;
    s.id = entry.at("id");
    s.layers = entry.at("layers");
    s.hidden_size = entry.at("hidden_size");
    s.attention_heads = entry.at("attention_heads");
    s.kv_heads = entry.at("kv_heads");
    s.head_dim = entry.at("head_dim");
    s.intermediate_size = entry.at("intermediate_size");
    s.vocabulary_size = entry.at("vocabulary_size");
    s.parameters = entry.at("parameters");
    s.active_parameters = entry.value("active_parameters", s.parameters);
    s.max_positions = entry.at("max_positions");
    const auto type = find_number_type(entry.at("stored_dtype").get<std::string>());
    WT_EXPECTS(type.has_value());
    s.stored_type = *type;
    s.tied_embeddings = entry.value("tied_embeddings", false);
    s.gated_mlp = entry.value("gated_mlp", true);
    s.encoder_only = entry.value("encoder_only", false);
    s.multimodal = entry.value("multimodal", false);
    if (entry.contains("moe")) {
        const json& m = entry.at("moe");
        s.moe = MixtureOfExperts{m.at("experts"), m.at("experts_per_token"), m.at("expert_intermediate_size"),
                                 m.at("shared_experts"), m.at("dense_layers")};
    }
    if (entry.contains("mla")) {
        const json& a = entry.at("mla");
        s.mla = LatentAttention{a.at("kv_lora_rank"), a.at("q_lora_rank"), a.at("nope_head_dim"),
                                a.at("rope_head_dim"), a.at("value_head_dim")};
    }
    s.sliding_window = read_window(entry, "sliding_window");
    s.chunked_attention = read_window(entry, "chunked_attention");
    if (entry.contains("measured_activation"))
        for (const json& row : entry.at("measured_activation"))
            s.measured_activations.push_back(
                {row.at("gib"), row.at("tensor_parallel"), row.at("max_num_batched_tokens")});
    s.source = entry.at("source");
    return s;
}

std::string without_organisation(const std::string& name) {
    const std::size_t slash = name.rfind('/');
    return slash == std::string::npos ? name : name.substr(slash + 1);
}

/// A name reduced to what decides the shape: no organisation, no "meta-", no tuning or date suffixes.
std::string shape_key(std::string name) {
    name = without_organisation(folded_name(name));
    if (name.starts_with("meta-llama-")) name.erase(0, 5);
    static constexpr std::array<std::string_view, 17> suffixes = {
        "-instruct", "-chat", "-it",   "-hf",   "-base", "-pt",   "-v1.0", "-thinking", "-gguf",
        "-2507",     "-2407", "-2411", "-2501", "-2503", "-2506", "-0528", "-preview"};
    for (bool cut = true; cut;) {
        cut = false;
        for (const std::string_view suffix : suffixes)
            if (name.size() > suffix.size() && name.ends_with(suffix)) {
                name.resize(name.size() - suffix.size());
                cut = true;
            }
    }
    return name;
}

/// How quantised copies of a checkpoint are called on Hugging Face; longer suffixes first.
struct QuantisedSuffix {
    std::string_view text;
    NumberType type;
};
constexpr std::array<QuantisedSuffix, 26> quantised_suffixes = {{
    {"-quantized.w4a16", NumberType::int4},
    {"-quantized.w8a8", NumberType::int8},
    {"-quantized.w8a16", NumberType::int8},
    {"-fp8-dynamic", NumberType::fp8},
    {"-fp8-block", NumberType::fp8},
    {"-fp8-kv", NumberType::fp8},
    {"-awq-int4", NumberType::int4},
    {"-gptq-int4", NumberType::int4},
    {"-gptq-int8", NumberType::int8},
    {"-awq-4bit", NumberType::int4},
    {"-gptq-4bit", NumberType::int4},
    {"-bnb-4bit", NumberType::int4},
    {"-unsloth-bnb-4bit", NumberType::int4},
    {"-nvfp4", NumberType::nvfp4},
    {"-mxfp4", NumberType::mxfp4},
    {"-fp4", NumberType::nvfp4},
    {"-fp8", NumberType::fp8},
    {"-awq", NumberType::int4},
    {"-gptq", NumberType::int4},
    {"-int4", NumberType::int4},
    {"-int8", NumberType::int8},
    {"-w4a16", NumberType::int4},
    {"-w8a8", NumberType::int8},
    {"-4bit", NumberType::int4},
    {"-bf16", NumberType::bf16},
    {"-fp16", NumberType::fp16},
}};

struct LlmCatalog {
    std::vector<LlmShape> models;
    std::vector<std::string> ids;
    std::map<std::string, std::size_t> by_id;   ///< folded, with and without organisation
    std::map<std::string, std::size_t> by_key;  ///< shape_key; the first of the file wins
};

const LlmCatalog& llm_catalog() {
    static const LlmCatalog the_catalog = [] {
        LlmCatalog c;
        std::map<std::string, json> entries;
        const json file = json::parse(embedded_model_data("llms.json"));
        for (json entry : file.at("models")) {
            if (entry.contains("like")) {
                json merged = entries.at(entry.at("like").get<std::string>());
                merged.erase("aliases");
                for (auto& [key, value] : entry.items()) merged[key] = value;
                merged.erase("like");
                entry = merged;
            }
            const std::string id = entry.at("id");
            entries[id] = entry;
            const std::size_t index = c.models.size();
            c.models.push_back(read_entry(entry));
            std::vector<std::string> names = {id};
            if (entry.contains("aliases"))
                for (const json& alias : entry.at("aliases")) names.push_back(alias);
            for (const std::string& name : names) {
                c.ids.push_back(name);
                c.by_id.emplace(folded_name(name), index);
                c.by_id.emplace(without_organisation(folded_name(name)), index);
                c.by_key.emplace(shape_key(name), index);
            }
        }
        return c;
    }();
    return the_catalog;
}

std::optional<std::size_t> find_exact(const std::string& folded) {
    const auto& names = llm_catalog().by_id;
    auto found = names.find(folded);
    if (found == names.end()) found = names.find(without_organisation(folded));
    if (found == names.end()) return std::nullopt;
    return found->second;
}

Result<ResolvedLlm> read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        return Problem{
            {path, 0, 0}, "model", "found no readable file there, allowed: a Hugging Face config.json"};
    std::stringstream text;
    text << in.rdbuf();
    Result<LlmShape> shape = read_huggingface_config(text.str(), path);
    if (!shape) return shape.take_problems();
    return ResolvedLlm{std::move(*shape), {}};
}

}  // namespace

std::vector<std::string> all_llm_ids() { return llm_catalog().ids; }

Result<ResolvedLlm> get_llm(std::string_view name) {
    const std::string path(name);
    std::error_code ignored;
    if (name.ends_with(".json")) return read_file(path);
    if (!name.empty() && std::filesystem::is_directory(path, ignored) &&
        std::filesystem::exists(path + "/config.json", ignored))
        return read_file(path + "/config.json");

    std::string folded = folded_name(name);
    if (const auto index = find_exact(folded)) return ResolvedLlm{llm_catalog().models[*index], {}};

    std::optional<NumberType> type;
    for (bool cut = true; cut;) {
        cut = false;
        for (const QuantisedSuffix& suffix : quantised_suffixes)
            if (folded.size() > suffix.text.size() && folded.ends_with(suffix.text)) {
                folded.resize(folded.size() - suffix.text.size());
                if (!type) type = suffix.type;
                cut = true;
                break;
            }
    }
    std::optional<std::size_t> index = find_exact(folded);
    bool renamed = false;
    if (!index && !shape_key(folded).empty()) {
        const auto found = llm_catalog().by_key.find(shape_key(folded));
        if (found != llm_catalog().by_key.end()) {
            index = found->second;
            renamed = true;
        }
    }
    if (!index)
        return Problem{
            {},
            "model",
            fmt::format(
                "found '{}', which is no model of the catalogue; did you mean {}? A model that it lacks "
                "can be given as the path of its Hugging Face config.json",
                name, spoken_list(nearest_names(name, llm_catalog().ids)))};
    ResolvedLlm resolved{llm_catalog().models[*index], {}};
    if (type) resolved.shape.stored_type = *type;
    if (renamed)
        resolved.note = fmt::format("'{}' read as '{}', which has the same shape", name, resolved.shape.id);
    if (type) {
        if (!resolved.note.empty()) resolved.note += "; ";
        resolved.note += fmt::format("weights in {} by its suffix", to_string(*type));
    }
    return resolved;
}

}  // namespace windtunnel
