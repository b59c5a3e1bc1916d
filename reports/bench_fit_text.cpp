#include "reports/bench_fit.hpp"
#include "reports/human.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {
namespace {

std::string ms(const std::optional<double>& v) { return v ? fmt::format("{:.4g}", *v) : "–"; }
std::string off(const std::optional<double>& predicted, const std::optional<double>& measured) {
    if (!predicted || !measured) return "–";
    return fmt::format("{:+.1f}%", 100 * (*predicted / *measured - 1));
}
std::string mean_percent(const std::optional<double>& v) {
    return v ? fmt::format("{:.1f}%", 100 * *v) : "–";
}

std::string row(const std::vector<std::string>& cells, std::size_t first) {
    std::string out = "  " + padded_right(cells[0], first);
    for (std::size_t i = 1; i < cells.size(); ++i) out += padded_left(cells[i], 11);
    return out + "\n";
}

}  // namespace

std::string bench_fit_table(const BenchFit& fit, const StepProfile& profile) {
    std::size_t first = 10;
    for (const FittedRun& run : fit.runs) first = std::max(first, display_width(run.words));
    const bool held = std::any_of(fit.runs.begin(), fit.runs.end(),
                                  [](const FittedRun& r) { return r.held_out.has_value(); });
    std::string out =
        fmt::format("{}: fitted to {} result{}, {} simulations\n\n", profile.gpu, fit.runs.size(),
                    fit.runs.size() == 1 ? "" : "s", thousands(static_cast<std::int64_t>(fit.simulations)));
    const auto table = [&](const char* title, std::optional<double> BenchMeans::*which) {
        if (std::none_of(fit.runs.begin(), fit.runs.end(),
                         [&](const FittedRun& r) { return (r.measured.*which).has_value(); }))
            return;
        std::vector<std::string> head = {title, "measured", "shipped", "fitted"};
        if (held) head.push_back("held out");
        out += row(head, first);
        for (const FittedRun& run : fit.runs) {
            std::vector<std::string> cells = {run.words, ms(run.measured.*which),
                                              off(run.shipped.*which, run.measured.*which),
                                              off(run.fitted.*which, run.measured.*which)};
            if (held) cells.push_back(run.held_out ? off((*run.held_out).*which, run.measured.*which) : "–");
            out += row(cells, first);
        }
        std::vector<std::string> mean = {"mean error", "",
                                         mean_percent(mean_error(fit, which, &FittedRun::shipped)),
                                         mean_percent(mean_error(fit, which, &FittedRun::fitted))};
        if (held) mean.push_back(mean_percent(mean_held_out_error(fit, which)));
        out += row(mean, first) + "\n";
    };
    table("mean TPOT, ms", &BenchMeans::tpot_ms);
    table("mean TTFT, ms", &BenchMeans::ttft_ms);
    table("output tokens/s", &BenchMeans::output_throughput);
    out += "  What is slower (above 1) or faster than shipped, and how sure that is:\n";
    for (const FittedFactor& part : fit.parts)
        out += fmt::format(
            "  {} {:>5.2f}  {}\n", padded_right(part.name, 40), part.factor,
            part.told
                ? fmt::format("to {:.0f}%{}", 100 * part.sigma,
                              part.share >= 0.005 ? fmt::format("; {:.0f}% of TPOT", 100 * part.share) : "")
                : "not told by these results: left near what is shipped");
    const std::optional<double> ttft = mean_error(fit, &BenchMeans::ttft_ms, &FittedRun::fitted);
    if (ttft && *ttft > 0.3)
        out +=
            "  note: times to the first token do not fit: the load was probably another than the results "
            "say. Lengths of every "
            "request\n  (--save-detailed) or their spread (--random-range-ratio) help; prompts with a common "
            "beginning are not known here.\n";
    if (held) out += "  held out: each result predicted by a fit to the others.\n";
    return out;
}

std::string bench_fit_residuals(const BenchFit& fit) {
    using Json = nlohmann::ordered_json;
    const auto means = [](const BenchMeans& m) {
        const auto number = [](const std::optional<double>& v) { return v ? Json(*v) : Json(nullptr); };
        return Json{{"mean_ttft_ms", number(m.ttft_ms)},
                    {"mean_tpot_ms", number(m.tpot_ms)},
                    {"output_throughput", number(m.output_throughput)}};
    };
    Json out = Json::array();
    for (const FittedRun& run : fit.runs) {
        Json one{{"what", run.words},
                 {"measured", means(run.measured)},
                 {"shipped", means(run.shipped)},
                 {"fitted", means(run.fitted)}};
        one["held_out"] = run.held_out ? means(*run.held_out) : Json(nullptr);
        out.push_back(std::move(one));
    }
    return out.dump();
}

}  // namespace windtunnel
