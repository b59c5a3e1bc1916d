#include "reports/atomic_file.hpp"
#include "tests/accuracy/fit.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

/// Fits models/data/step_time.json to public measurements: operators first, each architecture from its own
/// tables; then, where runs of whole servers were measured, what operators do not tell (fixed times, the
/// host) and, held near what the tables say, the efficiencies.
namespace windtunnel::accuracy {
namespace {

using Json = nlohmann::ordered_json;

struct Architecture {
    std::string name;
    std::vector<std::string> tables;  ///< cards with operator tables
    std::vector<std::string> served;  ///< cards with measured runs
    std::string source;
};
const std::vector<Architecture>& architectures() {
    static const std::vector<Architecture> all = {
        {"sm90",
         {"h100-sxm-80gb", "h200-sxm-141gb"},
         {"h100-sxm-80gb", "h200-sxm-141gb"},
         "vLLM operator tables of H100 and H200 and served runs on both, vLLM 0.10 to 0.18 (aiconfigurator, "
         "inference-sim; 2026-06)"},
        {"sm100",
         {"b200-sxm-180gb"},
         {"b200-sxm-180gb", "b300-sxm-270gb"},
         "vLLM operator tables of B200 and served runs on B200 and B300, vLLM 0.10 to 0.19 (aiconfigurator; "
         "2026-06)"},
        {"sm120",
         {"rtx-pro-6000-96gb"},
         {"rtx-pro-6000-96gb"},
         "vLLM operator tables and layers of RTX PRO 6000 and one served run, vLLM 0.19 (aiconfigurator, "
         "LLMServingSim; 2026-06)"},
        {"sm89",
         {"l40s-48gb"},
         {},
         "vLLM operator tables of L40S (aiconfigurator; 2026-06); fixed times as fitted on Hopper"},
        {"sm80",
         {"a100-sxm-80gb"},
         {},
         "vLLM operator tables of A100 (aiconfigurator; 2026-06); fixed times as fitted on Hopper"}};
    return all;
}

/// What only served runs tell, in the file's units, and where their fit starts.
const Profile& first_guess() {
    static const Profile guess = {{"step_us", 200},           {"layer_us", 17},
                                  {"layer_piecewise_us", 15}, {"layer_uncaptured_us", 40},
                                  {"expert_layer_us", 40},    {"expert_layer_uncaptured_us", 600},
                                  {"narrow_layer_us", 15},    {"row_us", 0.5},
                                  {"host_step_us", 1400},     {"host_row_us", 20},
                                  {"host_bound_share", 0.7},  {"host_overlapped_us", 200}};
    return guess;
}

/// Kernels whose tables were measured with other versions or shapes than those that serve are held less.
double hold_of(const std::string& key) {
    if (first_guess().count(key) != 0) return 0.2;
    if (key.starts_with("kv_bandwidth") || key.starts_with("gemm_experts") ||
        key == "expert_bandwidth_weight_only" || key == "expert_bandwidth_mxfp4")
        return 0.4;
    return 1.5;
}

std::vector<FreeCoefficient> free_coefficients(const Profile& operators) {
    std::vector<FreeCoefficient> out;
    for (const auto& [key, value] : first_guess())
        if (key != "host_bound_share" && key != "host_overlapped_us") out.push_back({key, hold_of(key)});
    for (const auto& [key, value] : operators) out.push_back({key, hold_of(key)});
    for (const char* key : {"expert_bandwidth_mxfp4", "gemm_experts_mxfp4"})
        out.push_back({key, hold_of(key)});
    return out;
}

double median(std::vector<double> v) {
    if (v.empty()) return NAN;
    std::sort(v.begin(), v.end());
    return v.size() % 2 == 1 ? v[v.size() / 2] : (v[v.size() / 2 - 1] + v[v.size() / 2]) / 2;
}

/// Median absolute error in percent, by what `name` makes of a case, and metric.
using Errors = std::map<std::pair<std::string, std::string>, std::vector<double>>;
void note_errors(Errors& errors, const std::vector<const MeasuredCase*>& cases,
                 const StepTimeCoefficients& k) {
    for (const MeasuredCase* c : cases) {
        const std::vector<double> e = log_errors(*c, &k);
        for (std::size_t i = 0; i < e.size(); ++i)
            for (const std::string& name : {c->group, "all: " + c->family})
                errors[{name, c->measured[i].metric}].push_back(100 * std::abs(std::exp(e[i]) - 1));
    }
}

class Fit {
public:
    Fit(std::filesystem::path data, int rounds) : m_data(std::move(data)), m_rounds(rounds) {
        for (auto* read : {closed_loop_cases, open_loop_cases, per_request_cases})
            for (MeasuredCase& c : read(m_data))
                if (c.not_counted.empty()) m_cases.push_back(std::move(c));
    }

    [[nodiscard]] Json file() {
        Json sections = Json::object();
        std::map<std::string, std::vector<double>> efficiencies;
        StepTimeCoefficients hopper = with_profile({}, first_guess());
        Profile fixed = first_guess();
        for (const Architecture& a : architectures()) {
            fmt::print(stderr, "{}\n", a.name);
            OperatorFit operators = operators_of(a, hopper);
            Profile profile = fixed;
            for (const auto& [key, value] : operators.profile) {
                profile[key] = value;
                efficiencies[key].push_back(value);
            }
            const auto served = cases_of(a.served);
            if (!served.empty()) {
                const StepTimeCoefficients start = with_profile(hopper, profile);
                for (const auto& [key, value] :
                     fit_runs(served, start, free_of(a, operators.profile), m_rounds))
                    profile[key] = value;
            }
            if (a.name == "sm90") {
                hopper = with_profile(hopper, profile);
                for (auto& [key, value] : fixed) value = profile[key];
                for (const char* key : {"expert_bandwidth_mxfp4", "gemm_experts_mxfp4"})
                    efficiencies[key].push_back(profile[key]);
            }
            sections[a.name] = section(a, profile, operators.residuals, served);
        }
        sections["sm103"] = sections["sm100"];
        Json typical = Json::object();
        for (const auto& [key, values] : efficiencies) {
            double logs = 0;
            for (const double v : values) logs += std::log(v);
            typical[key] = rounded(std::exp(logs / static_cast<double>(values.size())));
        }
        for (const auto& [key, value] : fixed) typical[key] = rounded(value);
        typical["source"] = "geometric means over the measured cards; fixed times as fitted on Hopper";
        return Json{{"schema", "windtunnel.step_time/v1"},
                    {"default", typical},
                    {"by_architecture", sections},
                    {"by_gpu", by_gpu(hopper)}};
    }

    /// Each group of runs predicted by a fit that has not seen any run of its model.
    [[nodiscard]] std::string cross_validation() {
        Errors seen, unseen;
        for (const Architecture& a : architectures()) {
            const auto served = cases_of(a.served);
            std::set<std::string> models;
            for (const MeasuredCase* c : served) models.insert(model_of(*c));
            if (models.size() < 2) continue;
            const StepTimeCoefficients base = with_profile({}, first_guess());
            const OperatorFit operators = operators_of(a, base);
            const auto free = free_of(a, operators.profile);
            const StepTimeCoefficients start = with_profile(base, operators.profile);
            const StepTimeCoefficients whole = with_profile(start, fit_runs(served, start, free, m_rounds));
            note_errors(seen, served, whole);
            for (const std::string& model : models) {
                fmt::print(stderr, "{} without {}\n", a.name, model);
                std::vector<const MeasuredCase*> train, test;
                for (const MeasuredCase* c : served) (model_of(*c) == model ? test : train).push_back(c);
                note_errors(unseen, test, with_profile(start, fit_runs(train, start, free, m_rounds)));
            }
        }
        std::string out =
            "| runs | metric | count | median error, model in the fit | median error, model not in the fit "
            "|\n|---|---|--:|--:|--:|\n";
        for (const auto& [key, values] : unseen)
            out += fmt::format("| {} | {} | {} | {:.1f} % | {:.1f} % |\n", key.first, key.second,
                               values.size(), median(seen[key]), median(values));
        return out;
    }

private:
    static double rounded(double v) { return std::stod(fmt::format("{:.3g}", v)); }
    static std::string model_of(const MeasuredCase& c) {
        return c.family == "open loop" ? "open loop" : c.group.substr(0, c.group.find(' '));
    }

    std::vector<const MeasuredCase*> cases_of(const std::vector<std::string>& cards) const {
        std::vector<const MeasuredCase*> out;
        for (const MeasuredCase& c : m_cases)
            if (std::find(cards.begin(), cards.end(), c.server.gpu) != cards.end()) out.push_back(&c);
        return out;
    }
    OperatorFit operators_of(const Architecture& a, const StepTimeCoefficients& base) const {
        OperatorFit out = fit_operators(m_data, a.tables, base);
        if (a.name != "sm120") return out;
        const OperatorFit layers = fit_layers(m_data, "RTXPRO6000", "rtx-pro-6000-96gb", base);
        for (const auto& [key, value] : layers.profile) out.profile[key] = value;
        out.residuals.insert(out.residuals.end(), layers.residuals.begin(), layers.residuals.end());
        return out;
    }
    /// One run decides on little: there the fixed times move, and what its steps consist of.
    std::vector<FreeCoefficient> free_of(const Architecture& a, const Profile& operators) const {
        if (a.name != "sm120") return free_coefficients(operators);
        std::vector<FreeCoefficient> out;
        for (const char* key : {"step_us", "layer_us", "layer_uncaptured_us", "row_us"})
            out.push_back({key, 0.2});
        for (const char* key : {"weight_bandwidth", "kv_bandwidth", "matrix_16bit_us", "attention_flops"})
            out.push_back({key, 0.4});
        return out;
    }
    static Json section(const Architecture& a, const Profile& profile, const std::vector<Residual>& residuals,
                        const std::vector<const MeasuredCase*>& served) {
        Json out{{"cards", a.tables}, {"source", a.source}};
        for (const std::string& card : a.served)
            if (std::find(a.tables.begin(), a.tables.end(), card) == a.tables.end())
                out["cards"].push_back(card);
        for (const auto& [key, value] : profile) out[key] = rounded(value);
        Json left = Json::object();
        for (const Residual& r : residuals)
            left[r.table] =
                Json{{"rows", r.rows}, {"median", rounded(r.median_error)}, {"p90", rounded(r.p90_error)}};
        Errors errors;
        note_errors(errors, served, with_profile({}, profile));
        for (const auto& [key, values] : errors)
            if (key.first.starts_with("all"))
                left["served, " + key.first.substr(5) + ", " + key.second] =
                    Json{{"rows", values.size()}, {"median", rounded(median(values) / 100)}};
        out["residuals"] = left;
        return out;
    }
    Json by_gpu(const StepTimeCoefficients& base) const {
        const OperatorFit f = fit_layers(m_data, "RTX4090", "rtx-4090-24gb", base);
        Json card{{"cards", {"rtx-4090-24gb"}},
                  {"source",
                   "vLLM 0.19 layers of RTX 4090 (LLMServingSim; 2026-06); fixed times as fitted on Hopper"}};
        for (const auto& [key, value] : f.profile) card[key] = rounded(value);
        for (const Residual& r : f.residuals)
            card["residuals"][r.table] =
                Json{{"rows", r.rows}, {"median", rounded(r.median_error)}, {"p90", rounded(r.p90_error)}};
        return Json{{"rtx-4090-24gb", card}};
    }

    std::filesystem::path m_data;
    int m_rounds;
    std::vector<MeasuredCase> m_cases;
};

int run(int argc, char** argv) {
    CLI::App app("Fits the step-time profiles to public measurements");
    std::string data = "../shared/data", out;
    int rounds = 8;
    bool cross = false;
    app.add_option("--data", data, "folder with ops/, layers/ and measured/");
    app.add_option("--out", out, "models/data/step_time.json; else standard output");
    app.add_option("--rounds", rounds, "of each fit to served runs, at most");
    app.add_flag("--cross-validate", cross, "fits without each model in turn and prints both errors");
    CLI11_PARSE(app, argc, argv);
    Fit fit(data, rounds);
    const std::string text = cross ? fit.cross_validation() : fit.file().dump(1) + "\n";
    if (out.empty()) {
        fmt::print("{}", text);
        return 0;
    }
    for (const Problem& p : write_file(out, text)) throw std::runtime_error(to_string(p));
    return 0;
}

}  // namespace
}  // namespace windtunnel::accuracy

int main(int argc, char** argv) {
    try {
        return windtunnel::accuracy::run(argc, argv);
    } catch (const std::exception& e) {
        fmt::print(stderr, "error: {}\n", e.what());
        return 2;
    }
}
