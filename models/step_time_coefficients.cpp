#include "models/step_time.hpp"

#include "models/embedded_model_data.hpp"
#include "models/expects.hpp"
#include "models/nearest_name.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

namespace windtunnel {
namespace {

using nlohmann::json;

/// A key of the file: the member it sets, what one unit of the file is in the member's, and the largest
/// value.
struct Coefficient {
    const char* key;
    double StepTimeCoefficients::*member;
    double unit;
    double most;
};
constexpr Coefficient coefficient_keys[] = {
    {"weight_bandwidth", &StepTimeCoefficients::weight_bandwidth, 1, 1.2},
    {"weight_bandwidth_8bit", &StepTimeCoefficients::weight_bandwidth_8bit, 1, 1.2},
    {"weight_bandwidth_4bit", &StepTimeCoefficients::weight_bandwidth_4bit, 1, 1.2},
    {"kv_bandwidth", &StepTimeCoefficients::kv_bandwidth, 1, 1.2},
    {"kv_bandwidth_8bit", &StepTimeCoefficients::kv_bandwidth_8bit, 1, 1.2},
    {"gemm_16bit", &StepTimeCoefficients::gemm_16bit, 1, 1.2},
    {"gemm_8bit", &StepTimeCoefficients::gemm_8bit, 1, 1.2},
    {"gemm_4bit", &StepTimeCoefficients::gemm_4bit, 1, 1.2},
    {"matrix_16bit_us", &StepTimeCoefficients::matrix_16bit_s, 1e-6, 1e4},
    {"matrix_8bit_us", &StepTimeCoefficients::matrix_8bit_s, 1e-6, 1e4},
    {"matrix_4bit_us", &StepTimeCoefficients::matrix_4bit_s, 1e-6, 1e4},
    {"tile_loss_16bit", &StepTimeCoefficients::tile_loss_16bit, 1, 1.2},
    {"tile_loss_8bit", &StepTimeCoefficients::tile_loss_8bit, 1, 1.2},
    {"tile_loss_4bit", &StepTimeCoefficients::tile_loss_4bit, 1, 1.2},
    {"expert_bandwidth_16bit", &StepTimeCoefficients::expert_bandwidth_16bit, 1, 1.2},
    {"expert_bandwidth_8bit", &StepTimeCoefficients::expert_bandwidth_8bit, 1, 1.2},
    {"expert_bandwidth_4bit", &StepTimeCoefficients::expert_bandwidth_4bit, 1, 1.2},
    {"expert_bandwidth_weight_only", &StepTimeCoefficients::expert_bandwidth_weight_only, 1, 1.2},
    {"expert_bandwidth_mxfp4", &StepTimeCoefficients::expert_bandwidth_mxfp4, 1, 1.2},
    {"gemm_experts_mxfp4", &StepTimeCoefficients::gemm_experts_mxfp4, 1, 1.2},
    {"gemm_experts", &StepTimeCoefficients::gemm_experts, 1, 1.2},
    {"gemm_experts_16bit", &StepTimeCoefficients::gemm_experts_16bit, 1, 1.2},
    {"gemm_experts_4bit", &StepTimeCoefficients::gemm_experts_4bit, 1, 1.2},
    {"gemm_experts_weight_only", &StepTimeCoefficients::gemm_experts_weight_only, 1, 1.2},
    {"attention_tile_tokens", &StepTimeCoefficients::attention_tile_tokens, 1, 1e4},
    {"attention_flops", &StepTimeCoefficients::attention_flops, 1, 1.2},
    {"all_reduce_us", &StepTimeCoefficients::all_reduce_s, 1e-6, 1e4},
    {"link_bandwidth", &StepTimeCoefficients::link_bandwidth, 1, 1.2},
    {"step_us", &StepTimeCoefficients::step_s, 1e-6, 1e6},
    {"layer_us", &StepTimeCoefficients::layer_s, 1e-6, 1e4},
    {"layer_piecewise_us", &StepTimeCoefficients::layer_piecewise_s, 1e-6, 1e4},
    {"layer_uncaptured_us", &StepTimeCoefficients::layer_uncaptured_s, 1e-6, 1e4},
    {"expert_layer_us", &StepTimeCoefficients::expert_layer_s, 1e-6, 1e4},
    {"expert_layer_uncaptured_us", &StepTimeCoefficients::expert_layer_uncaptured_s, 1e-6, 1e4},
    {"narrow_layer_us", &StepTimeCoefficients::narrow_layer_s, 1e-6, 1e4},
    {"row_us", &StepTimeCoefficients::row_s, 1e-6, 1e4},
    {"host_step_us", &StepTimeCoefficients::host_step_s, 1e-6, 1e6},
    {"host_row_us", &StepTimeCoefficients::host_row_s, 1e-6, 1e4},
    {"host_bound_share", &StepTimeCoefficients::host_bound_share, 1, 1.2},
    {"host_overlapped_us", &StepTimeCoefficients::host_overlapped_s, 1e-6, 1e6},
};

const Coefficient& known_coefficient(std::string_view key) {
    const auto* const c = std::find_if(std::begin(coefficient_keys), std::end(coefficient_keys),
                                       [&](const Coefficient& one) { return key == one.key; });
    WT_EXPECTS(c != std::end(coefficient_keys));
    return *c;
}

/// Of a section of the file: what only the file knows.
bool is_about_the_fit(const std::string& key) { return key == "cards" || key == "residuals"; }

Result<StepTimeCoefficients> read_object(const json& object, const StepTimeCoefficients& base) {
    StepTimeCoefficients out = base;
    Problems problems;
    std::vector<std::string> known = {"source"};
    for (const Coefficient& c : coefficient_keys) known.push_back(c.key);
    for (const auto& [key, value] : object.items()) {
        if (is_about_the_fit(key)) continue;
        if (key == "source" && value.is_string()) {
            out.source = value.get<std::string>();
            continue;
        }
        const auto* const c = std::find_if(std::begin(coefficient_keys), std::end(coefficient_keys),
                                           [&](const Coefficient& one) { return key == one.key; });
        if (c == std::end(coefficient_keys)) {
            problems.push_back({{},
                                key,
                                fmt::format("found an unknown key, did you mean {}?",
                                            spoken_list(nearest_names(key, known)))});
            continue;
        }
        const bool is_share = c->unit == 1;
        const double number = value.is_number() ? value.get<double>() : -1;
        if (!(number >= 0) || number > c->most || (is_share && number == 0)) {
            problems.push_back({{},
                                key,
                                fmt::format("found {}, allowed: a number {} 0, at most {}", value.dump(),
                                            is_share ? "above" : "from", c->most)});
            continue;
        }
        out.*(c->member) = number * c->unit;
    }
    if (!problems.empty()) return problems;
    return out;
}

}  // namespace

Result<StepTimeCoefficients> read_step_time_coefficients(std::string_view json_text,
                                                         const StepTimeCoefficients& base) {
    const json object = json::parse(json_text, nullptr, false);
    if (object.is_discarded() || !object.is_object())
        return Problem{{}, "", "found text that is no JSON object, allowed: step-time coefficients"};
    return read_object(object, base);
}

std::string step_time_coefficients_json(const StepTimeCoefficients& coefficients) {
    nlohmann::ordered_json out;
    for (const Coefficient& c : coefficient_keys) out[c.key] = coefficients.*(c.member) / c.unit;
    out["source"] = coefficients.source;
    return out.dump();
}

double step_time_coefficient(const StepTimeCoefficients& coefficients, std::string_view key) {
    const Coefficient& c = known_coefficient(key);
    return coefficients.*(c.member) / c.unit;
}

void set_step_time_coefficient(StepTimeCoefficients& coefficients, std::string_view key, double value) {
    const Coefficient& c = known_coefficient(key);
    coefficients.*(c.member) = value * c.unit;
}

StepTimeCoefficients step_time_coefficients(const Gpu& gpu) {
    static const json file = json::parse(embedded_model_data("step_time.json"));
    const std::string card = gpu.name.substr(0, gpu.name.find('/'));
    Result<StepTimeCoefficients> out = read_object(file.at("default"), {});
    WT_EXPECTS(out.ok());
    const char* kind = "data-sheet roofline with efficiencies typical of other cards";
    for (const auto& [section, name] :
         {std::pair<const char*, const std::string&>{"by_architecture", gpu.architecture},
          {"by_gpu", card}}) {
        if (!file.at(section).contains(name)) continue;
        const json& entry = file.at(section).at(name);
        out = read_object(entry, *out);
        WT_EXPECTS(out.ok());
        const json cards = entry.value("cards", json::array());
        kind = std::find(cards.begin(), cards.end(), card) != cards.end()
                   ? "calibrated"
                   : "data-sheet roofline with efficiencies of the same architecture";
    }
    out->source = fmt::format("{} ({})", kind, out->source);
    return *out;
}

}  // namespace windtunnel
