#include "reports/over_trials.hpp"

#include "reports/comparison.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

using Json = nlohmann::ordered_json;

Json bounds(const std::optional<Interval>& i) { return i ? Json::array({i->first, i->second}) : Json(nullptr); }

/// Fewer resamples of many trials: each says more.
Bootstrap bootstrap_of(const RunResults& results) {
    Bootstrap how;
    how.seed = results.seed;
    const std::size_t affordable = 4'000'000 / std::max<std::size_t>(results.trials.size(), 1);
    how.resamples = static_cast<std::uint32_t>(std::clamp<std::size_t>(affordable, 200, 2000));
    return how;
}

Json quantiles_of(const std::vector<double>& values, const Bootstrap& how) {
    Json out = Json::object(), intervals = Json::object();
    for (const auto& [name, q] : {std::pair{"p5", 0.05}, std::pair{"p50", 0.5}, std::pair{"p95", 0.95}}) {
        out[name] = quantile_of(values, q);
        intervals[name] = bounds(quantile_interval(values, q, how));
    }
    out["ci95"] = std::move(intervals);
    return out;
}

struct Sums {
    std::vector<double> above, below;
};
template <class Above, class Below>
Json ratio_of(const RunResults& results, const Bootstrap& how, Above above, Below below) {
    Sums s;
    double a = 0, b = 0;
    for (const TrialNumbers& t : results.trials) {
        s.above.push_back(above(t));
        s.below.push_back(below(t));
        a += s.above.back();
        b += s.below.back();
    }
    if (b == 0) return Json{{"value", nullptr}, {"ci95", nullptr}};
    return Json{{"value", a / b}, {"ci95", bounds(ratio_interval(s.above, s.below, how))}};
}

}  // namespace

std::vector<MetProbability> met_probabilities(const RunResults& results) {
    std::vector<MetProbability> out(results.thresholds.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        for (const TrialNumbers& t : results.trials) {
            ++out[i].judged;
            out[i].met += t.thresholds[i] && results.thresholds[i].holds(*t.thresholds[i]) ? 1 : 0;
        }
        if (out[i].judged == 0) continue;
        out[i].value = static_cast<double>(out[i].met) / static_cast<double>(out[i].judged);
        out[i].ci95 = probability_interval(out[i].met, out[i].judged);
    }
    return out;
}

nlohmann::ordered_json over_trials_json(const RunResults& results) {
    const Bootstrap how = bootstrap_of(results);
    Json out, thresholds = Json::array(), quantiles = Json::object(), ratios = Json::object();
    const std::vector<MetProbability> met = met_probabilities(results);
    for (std::size_t i = 0; i < met.size(); ++i)
        thresholds.push_back(Json{{"expr", results.thresholds[i].expression},
                                  {"probability", met[i].value ? Json(*met[i].value) : Json(nullptr)},
                                  {"ci95", bounds(met[i].ci95)}});
    for (const ComparedMetric& m : compared_metrics()) {
        const std::string_view name = m.name;
        if (name != "p99_ttft_ms" && name != "p99_e2el_ms" && name != "goodput" && name != "cost_per_month") continue;
        std::vector<double> values;
        for (const TrialNumbers& t : results.trials)
            if (const auto v = m.of(t, results.span_s / 3600)) values.push_back(*v);
        if (values.size() >= 2) quantiles[m.name] = quantiles_of(values, how);
    }
    const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
    ratios["availability"] = ratio_of(
        results, how, [&](const TrialNumbers& t) { return number(t.requests.completed); },
        [&](const TrialNumbers& t) { return number(t.requests.arrived); });
    if (results.has_goodput)
        ratios["goodput"] = ratio_of(
            results, how, [&](const TrialNumbers& t) { return number(t.good); },
            [&](const TrialNumbers& t) { return number(t.requests.arrived); });
    if (!results.pools.empty())
        ratios["usd_per_million_output_tokens"] = ratio_of(
            results, how, [&](const TrialNumbers& t) { return static_cast<double>(t.micro_usd()); },
            [&](const TrialNumbers& t) { return number(t.output_tokens); });
    out["thresholds"] = std::move(thresholds);
    out["quantiles"] = std::move(quantiles);
    out["ratios"] = std::move(ratios);
    return out;
}

}  // namespace windtunnel
