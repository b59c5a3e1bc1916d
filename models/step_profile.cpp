#include "models/step_profile.hpp"

#include "models/embedded_model_data.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

namespace windtunnel {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* schema = "windtunnel.profile/v1";
constexpr double most_share = 1.2;  // what the reader of coefficients allows

/// Which group a key of step_time.json belongs to, by what it is called, so that a model that grows a
/// coefficient per kernel has its group. None: not a time or a speed of its own.
std::optional<CostGroup> group_of(std::string_view key) {
    const auto starts = [&](std::string_view with) { return key.starts_with(with); };
    if (starts("weight_bandwidth") || starts("expert_bandwidth")) return CostGroup::weight_reading;
    if (starts("kv_bandwidth")) return CostGroup::cache_reading;
    if (starts("gemm")) return CostGroup::products;
    if (key == "attention_flops") return CostGroup::prefill_attention;
    if (starts("all_reduce") || starts("link_bandwidth")) return CostGroup::links;
    if (starts("layer") || starts("expert_layer") || starts("narrow_layer") || starts("matrix"))
        return CostGroup::layers;
    if (starts("step_") || starts("row_")) return CostGroup::steps;
    if (starts("host_") && key.ends_with("_us")) return CostGroup::host;
    return std::nullopt;
}

bool is_time(std::string_view key) { return key.ends_with("_us"); }

/// A GPU's section of step_time.json: the default's values, its architecture's, its own.
Json shipped(const Gpu& gpu) {
    static const Json file = Json::parse(embedded_model_data("step_time.json"));
    Json out = Json::object();
    const auto add = [&](const Json& section) {
        for (const auto& [key, value] : section.items())
            if (value.is_number()) out[key] = value;
    };
    add(file.at("default"));
    const std::string card = gpu.name.substr(0, gpu.name.find('/'));
    for (const auto& [section, name] :
         {std::pair<const char*, const std::string&>{"by_architecture", gpu.architecture}, {"by_gpu", card}})
        if (file.at(section).contains(name)) add(file.at(section).at(name));
    return out;
}

Problem wrong(const std::string& file, std::string path, std::string message) {
    return {{file}, std::move(path), std::move(message)};
}

}  // namespace

const char* name_of(CostGroup group) {
    switch (group) {
        case CostGroup::weight_reading:
            return "reading weights";
        case CostGroup::cache_reading:
            return "reading the KV cache";
        case CostGroup::products:
            return "matrix products";
        case CostGroup::prefill_attention:
            return "prefill attention";
        case CostGroup::links:
            return "all-reduces";
        case CostGroup::layers:
            return "fixed time per layer";
        case CostGroup::steps:
            return "fixed time per step";
        case CostGroup::host:
            return "host time";
    }
    return "";
}

std::string step_time_coefficients_json(const Gpu& gpu, const CostFactors& factors,
                                        const std::string& source) {
    Json out = shipped(gpu);
    for (auto& [key, value] : out.items())
        if (const std::optional<CostGroup> group = group_of(key)) {
            const double factor = factors[static_cast<std::size_t>(*group)], number = value.get<double>();
            value = is_time(key) ? number * factor : std::min(most_share, number / factor);
        }
    out["source"] = source;
    return out.dump();
}

std::string step_profile_json(const StepProfile& p) {
    Json out;
    out["schema"] = schema;
    out["gpu"] = p.gpu;
    out["device"] = p.device.empty() ? Json(nullptr) : Json(p.device);
    out["driver"] = p.driver.empty() ? Json(nullptr) : Json(p.driver);
    out["date"] = p.date;
    out["source"] = p.source;
    out["front_end_ms"] = p.front_end_ms > 0 ? Json(p.front_end_ms) : Json(nullptr);
    out["coefficients"] = Json::parse(p.coefficients);
    out["residuals"] = Json::parse(p.residuals);
    return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<StepProfile> read_step_profile(std::string_view text, const std::string& file) {
    const Json in = Json::parse(text, nullptr, false);
    if (in.is_discarded() || !in.is_object())
        return wrong(
            file, "",
            "found text that is no JSON object, allowed: a profile that `windtunnel calibrate` wrote");
    Problems problems;
    StepProfile out;
    const auto string = [&](const char* key, std::string& into, bool needed) {
        if (const auto at = in.find(key); at != in.end() && at->is_string())
            into = at->get<std::string>();
        else if (needed || (at != in.end() && !at->is_null()))
            problems.push_back(
                wrong(file, key,
                      fmt::format("found {}, allowed: a string", at == in.end() ? "nothing" : at->dump())));
    };
    std::string found;
    string("schema", found, true);
    if (problems.empty() && found != schema)
        problems.push_back(
            wrong(file, "schema", fmt::format("found \"{}\", allowed: \"{}\"", found, schema)));
    string("gpu", out.gpu, true);
    string("device", out.device, false);
    string("driver", out.driver, false);
    string("date", out.date, false);
    string("source", out.source, false);
    if (in.contains("coefficients") && in.at("coefficients").is_object())
        out.coefficients = in.at("coefficients").dump();
    else
        problems.push_back(
            wrong(file, "coefficients", "found nothing, allowed: an object of step-time coefficients"));
    if (in.contains("residuals")) out.residuals = in.at("residuals").dump();
    if (in.contains("front_end_ms") && in.at("front_end_ms").is_number())
        out.front_end_ms = in.at("front_end_ms").get<double>();
    if (!problems.empty()) return problems;
    return out;
}

Result<StepProfile> read_step_profile_file(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in)
        return wrong(file, "", "cannot be read, allowed: a profile that `windtunnel calibrate --out` wrote");
    return read_step_profile(std::string{std::istreambuf_iterator<char>(in), {}}, file);
}

Result<StepTimeCoefficients> coefficients_of(const StepProfile& profile, const Gpu& gpu,
                                             const std::string& file) {
    if (profile.gpu != gpu.name)
        return wrong(file, "gpu",
                     fmt::format("found a profile of {}, allowed here: one of {}", profile.gpu, gpu.name));
    Result<StepTimeCoefficients> out =
        read_step_time_coefficients(profile.coefficients, step_time_coefficients(gpu));
    if (out) return out;
    Problems problems = out.take_problems();
    for (Problem& p : problems) p.where.file = file, p.path = "coefficients." + p.path;
    return problems;
}

}  // namespace windtunnel
