#include "reports/comparison.hpp"

#include "models/expects.hpp"
#include "reports/human.hpp"
#include "reports/money.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

namespace windtunnel {

namespace {

/// Trials that a results file lists one by one; later ones are in its means only.
constexpr std::size_t most_listed = 10'000;

using Value = std::optional<double>;
using Get = Value (*)(const TrialNumbers&, double);

Value share(std::uint64_t part, std::uint64_t whole) {
    if (whole == 0) return std::nullopt;
    return static_cast<double>(part) / static_cast<double>(whole);
}
double usd_of(const TrialNumbers& t) { return static_cast<double>(t.micro_usd()) / 1e6; }

bool is_share(ThresholdMetric metric) {
    return metric == ThresholdMetric::goodput || metric == ThresholdMetric::availability ||
           metric == ThresholdMetric::gpu_busy_ratio;
}

#define WT_VALUE(member) [](const TrialNumbers& t, double) -> Value { return t.member; }
#define WT_NUMBER(member) [](const TrialNumbers& t, double) -> Value { return static_cast<double>(t.member); }

std::vector<ComparedMetric> make_metrics() {
    using enum ThresholdMetric;
    const Get availability_of = [](const TrialNumbers& t, double) { return share(t.requests.completed, t.requests.arrived); };
    const Get goodput_of = [](const TrialNumbers& t, double) -> Value {
        return t.request_goodput ? share(t.good, t.requests.arrived) : std::nullopt;
    };
    const Get degraded_of = [](const TrialNumbers& t, double) -> Value {
        return t.degraded_minutes ? Value(static_cast<double>(*t.degraded_minutes)) : std::nullopt;
    };
    const Get monthly = [](const TrialNumbers& t, double hours) -> Value {
        return t.pools.empty() || hours <= 0 ? std::nullopt : Value(usd_of(t) / hours * hours_per_month);
    };
    const Get per_million = [](const TrialNumbers& t, double) -> Value {
        return t.pools.empty() || t.output_tokens == 0
                   ? std::nullopt
                   : Value(usd_of(t) * 1e6 / static_cast<double>(t.output_tokens));
    };
    return {
        {"mean_ttft_ms", ttft_ms, Better::lower, true, WT_VALUE(ttft.mean)},
        {"p50_ttft_ms", ttft_ms, Better::lower, false, WT_VALUE(ttft.p50)},
        {"p99_ttft_ms", ttft_ms, Better::lower, true, WT_VALUE(ttft.p99)},
        {"mean_tpot_ms", tpot_ms, Better::lower, true, WT_VALUE(tpot.mean)},
        {"p99_tpot_ms", tpot_ms, Better::lower, true, WT_VALUE(tpot.p99)},
        {"p99_itl_ms", itl_ms, Better::lower, false, WT_VALUE(itl.p99)},
        {"mean_e2el_ms", e2el_ms, Better::lower, false, WT_VALUE(e2el.mean)},
        {"p99_e2el_ms", e2el_ms, Better::lower, true, WT_VALUE(e2el.p99)},
        {"availability", availability, Better::higher, true, availability_of},
        {"goodput", goodput, Better::higher, true, goodput_of},
        {"degraded_minutes", degraded_minutes, Better::lower, true, degraded_of},
        {"request_throughput", request_throughput, Better::neither, false, WT_VALUE(request_throughput)},
        {"output_throughput", output_throughput, Better::neither, false, WT_VALUE(output_throughput)},
        {"replicas_mean", replicas_mean, Better::neither, false, WT_VALUE(replicas_mean)},
        {"replicas_max", replicas_max, Better::neither, false, WT_NUMBER(replicas_max)},
        {"nodes_mean", nodes_mean, Better::neither, false, WT_VALUE(nodes_mean)},
        {"cold_starts", cold_starts, Better::neither, false, WT_NUMBER(cold_starts)},
        {"spot_evictions", spot_evictions, Better::lower, false, WT_NUMBER(spot_evictions)},
        {"kv_preemptions", kv_preemptions, Better::lower, false, WT_NUMBER(kv_preemptions)},
        {"gpu_busy_ratio", gpu_busy_ratio, Better::neither, false, WT_VALUE(gpu_busy_ratio)},
        {"cost_per_month", cost_per_month, Better::lower, true, monthly},
        {"usd_per_million_output_tokens", usd_per_million_output_tokens, Better::lower, false, per_million},
    };
}

/// Trials [first, first + count) of both, those with a value in both.
struct Pairs {
    std::vector<double> base, candidate;
};
Pairs pairs_of(const TrialSeries& b, const TrialSeries& c, const std::vector<Value>& base,
               const std::vector<Value>& candidate) {
    Pairs out;
    if (b.seed != c.seed) return out;
    const std::size_t first = std::max(b.first_trial, c.first_trial);
    for (std::size_t t = first; t - b.first_trial < base.size() && t - c.first_trial < candidate.size(); ++t) {
        const Value &x = base[t - b.first_trial], &y = candidate[t - c.first_trial];
        if (!x || !y) continue;
        out.base.push_back(*x);
        out.candidate.push_back(*y);
    }
    return out;
}

std::vector<double> known(const std::vector<Value>& values) {
    std::vector<double> out;
    for (const Value& v : values)
        if (v) out.push_back(*v);
    return out;
}
Value mean(const std::vector<double>& values) {
    if (values.empty()) return std::nullopt;
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double allowed_of(const ComparedRow& row, const RegressionRule& rule) {
    const ComparedMetric& m = *row.metric;
    const auto own = rule.metric.find(m.name);
    if (is_share(m.unit)) return own != rule.metric.end() ? own->second : rule.share_tolerance;
    const double of_base = (own != rule.metric.end() ? own->second : rule.tolerance) * std::fabs(*row.base);
    return m.unit == ThresholdMetric::degraded_minutes ? std::max(1.0, of_base) : of_base;
}

}  // namespace

const std::vector<ComparedMetric>& compared_metrics() {
    static const std::vector<ComparedMetric> metrics = make_metrics();
    return metrics;
}

TrialSeries series_of(const RunResults& results) {
    TrialSeries out;
    out.scenario = results.scenario;
    out.seed = results.seed;
    out.first_trial = results.first_trial;
    out.trials = results.trials.size();
    out.complete = results.complete;
    for (const ComparedMetric& m : compared_metrics()) {
        std::vector<Value>& values = out.values[m.name];
        for (const TrialNumbers& t : results.trials) values.push_back(m.of(t, results.span_s / 3600));
    }
    return out;
}

nlohmann::ordered_json per_trial_json(const RunResults& results) {
    nlohmann::ordered_json out;
    out["first_trial"] = results.first_trial;
    for (const ComparedMetric& m : compared_metrics()) {
        nlohmann::ordered_json& row = out[m.name] = nlohmann::ordered_json::array();
        for (std::size_t i = 0; i < std::min(results.trials.size(), most_listed); ++i) {
            const Value v = m.of(results.trials[i], results.span_s / 3600);
            row.push_back(v ? nlohmann::ordered_json(*v) : nlohmann::ordered_json(nullptr));
        }
    }
    return out;
}

std::optional<double> ComparedRow::relative() const {
    if (!base || *base == 0) return std::nullopt;
    return difference.value / std::fabs(*base);
}

std::vector<ComparedRow> compare(const TrialSeries& base, const TrialSeries& candidate) {
    std::vector<ComparedRow> out;
    for (const ComparedMetric& m : compared_metrics()) {
        const auto b = base.values.find(m.name), c = candidate.values.find(m.name);
        if (b == base.values.end() || c == candidate.values.end()) continue;
        const Pairs pairs = pairs_of(base, candidate, b->second, c->second);
        ComparedRow row;
        row.metric = &m;
        if (pairs.base.size() >= 2 || pairs.base == pairs.candidate) {
            row.base = mean(pairs.base);
            row.candidate = mean(pairs.candidate);
            row.difference = paired_difference(pairs.base, pairs.candidate);
            if (!row.difference.p && row.difference.value == 0 && !pairs.base.empty()) row.difference.p = 1;
        }
        if (!row.base) {
            const std::vector<double> all_base = known(b->second), all_candidate = known(c->second);
            row.base = mean(all_base);
            row.candidate = mean(all_candidate);
            row.difference = unpaired_difference(all_base, all_candidate);
        }
        if (row.base || row.candidate) out.push_back(std::move(row));
    }
    return out;
}

std::vector<Regression> judge_regressions(const std::vector<ComparedRow>& rows, const RegressionRule& rule) {
    std::vector<Regression> out;
    for (const ComparedRow& row : rows) {
        if (!row.metric->judged || !row.base || !row.candidate) continue;
        Regression r;
        r.row = row;
        r.allowed = allowed_of(row, rule);
        Difference worse = row.difference;
        if (row.metric->better == Better::higher) worse.value = -worse.value;
        r.p = worse.p_above(r.allowed);
        r.suspect = worse.value > r.allowed;
        out.push_back(std::move(r));
    }
    std::vector<std::size_t> order(out.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return out[a].p.value_or(2) < out[b].p.value_or(2); });
    for (std::size_t i = 0; i < order.size(); ++i) {
        Regression& r = out[order[i]];
        if (!r.p || *r.p > rule.level / static_cast<double>(order.size() - i)) break;
        r.regressed = true;
        r.suspect = false;
    }
    return out;
}

std::string in_unit_of(ThresholdMetric metric, double value) {
    switch (metric) {
        case ThresholdMetric::ttft_ms:
        case ThresholdMetric::tpot_ms:
        case ThresholdMetric::itl_ms:
        case ThresholdMetric::e2el_ms:
            return short_milliseconds(value);
        case ThresholdMetric::goodput:
        case ThresholdMetric::availability:
        case ThresholdMetric::gpu_busy_ratio:
            return short_percent(value);
        case ThresholdMetric::cost_per_hour:
        case ThresholdMetric::cost_per_month:
        case ThresholdMetric::cost_total:
        case ThresholdMetric::usd_per_million_output_tokens:
            return short_usd(value) + " USD";
        default:
            return short_number(value);
    }
}

std::string change_in_unit_of(ThresholdMetric metric, double value) {
    if (value == 0) return "0";
    const std::string sign = value < 0 ? "−" : "+";
    if (is_share(metric)) return sign + short_number(std::fabs(value) * 100) + " pp";
    return sign + in_unit_of(metric, std::fabs(value));
}

}  // namespace windtunnel
