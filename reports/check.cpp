#include "reports/check.hpp"

#include "reports/human.hpp"
#include "reports/over_trials.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <set>

namespace windtunnel {

namespace {

bool is_cost(ThresholdMetric m) {
    return m == ThresholdMetric::cost_per_hour || m == ThresholdMetric::cost_per_month ||
           m == ThresholdMetric::cost_total || m == ThresholdMetric::usd_per_million_output_tokens ||
           m == ThresholdMetric::nodes_mean || m == ThresholdMetric::nodes_max;
}

/// The autoscaler of a compiled workload: its position at its upper bound, and of the object.
struct AutoscalerPlace {
    SourcePosition bound, object;
};
std::optional<AutoscalerPlace> autoscaler_of(const Scenario& source, const CompiledWorkload& workload) {
    const Manifests& m = source.manifests;
    for (const HorizontalPodAutoscaler& h : m.horizontal_pod_autoscalers)
        if (h.meta.title() == workload.autoscaler)
            return AutoscalerPlace{m.where(h.meta, "spec.maxReplicas"), m.where(h.meta, "spec")};
    for (const ScaledObject& s : m.scaled_objects)
        if (s.meta.title() == workload.autoscaler)
            return AutoscalerPlace{m.where(s.meta, "spec.maxReplicaCount"), m.where(s.meta, "spec")};
    return std::nullopt;
}

SourcePosition pool_place(const Scenario& source, const std::string& pool) {
    for (const PoolSpec& p : source.cluster.pools)
        if (p.name == pool) return p.where;
    for (const KarpenterNodePool& p : source.manifests.node_pools)
        if (p.meta.name == pool) return source.manifests.where(p.meta, "spec");
    return {};
}

Culprit costly_pool(const Scenario& source, const CompiledScenario& scenario, const RunResults& results) {
    const Summary summary = summarise(results);
    std::size_t most = 0;
    for (std::size_t p = 1; p < summary.pools.size(); ++p)
        if (summary.pools[p].micro_usd > summary.pools[most].micro_usd) most = p;
    if (summary.pools.empty() || summary.total_micro_usd == 0) return {};
    const double share = static_cast<double>(summary.pools[most].micro_usd) / static_cast<double>(summary.total_micro_usd);
    return {pool_place(source, scenario.pools[most].name),
            fmt::format("pool {} is {} of the cost", scenario.pools[most].name, short_percent(share))};
}

Culprit reached_bound(const Scenario& source, const CompiledScenario& scenario, const RunResults& results) {
    std::uint64_t most_replicas = 0;
    for (const TrialNumbers& t : results.trials) most_replicas = std::max(most_replicas, t.replicas_max);
    if (scenario.workloads.size() == 1) {
        const CompiledWorkload& w = scenario.workloads[0];
        if (const auto place = autoscaler_of(source, w);
            place && most_replicas >= static_cast<std::uint64_t>(std::max(w.maximum_replicas, 0)))
            return {place->bound, fmt::format("{} reached its maximum of {} replicas", w.autoscaler, w.maximum_replicas)};
    }
    for (std::size_t p = 0; p < scenario.pools.size(); ++p) {
        const CompiledPool& pool = scenario.pools[p];
        std::int64_t most = 0;
        for (const TrialNumbers& t : results.trials) most = std::max(most, t.pools[p].nodes_most);
        if (!pool.by_karpenter && pool.maximum > pool.minimum && most >= pool.maximum)
            return {pool_place(source, pool.name),
                    fmt::format("pool {} reached its maximum of {} nodes", pool.name, pool.maximum)};
    }
    for (const CompiledWorkload& w : scenario.workloads)
        if (const auto place = autoscaler_of(source, w))
            return {place->object, fmt::format("{} scales {}", w.autoscaler, w.target)};
    if (!scenario.workloads.empty())
        return {scenario.workloads[0].where, fmt::format("{} serves the requests", scenario.workloads[0].target)};
    return {};
}

std::string slug(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.')
            out += c;
        else if (!out.empty() && out.back() != '-')
            out += '-';
    }
    while (!out.empty() && out.back() == '-') out.pop_back();
    return out;
}

std::string interval_text(ThresholdMetric unit, const std::optional<Interval>& i) {
    if (!i) return "";
    return fmt::format(" [{}, {}]", in_unit_of(unit, std::max(0.0, i->first)), in_unit_of(unit, i->second));
}

}  // namespace

std::size_t CheckReport::count(Verdict v) const {
    return static_cast<std::size_t>(
        std::count_if(rows.begin(), rows.end(), [v](const CheckRow& r) { return r.verdict == v; }));
}

Verdict CheckReport::verdict() const {
    if (count(Verdict::fail) > 0) return Verdict::fail;
    for (const CheckRow& r : rows)
        if (r.kind == CheckRow::Kind::threshold && r.verdict == Verdict::inconclusive) return Verdict::inconclusive;
    return Verdict::pass;
}

Culprit culprit_of(ThresholdMetric metric, const Scenario& source, const CompiledScenario& scenario,
                   const RunResults& results) {
    return is_cost(metric) ? costly_pool(source, scenario, results) : reached_bound(source, scenario, results);
}

namespace {

bool is_about_alerts(ThresholdMetric m) {
    return m == ThresholdMetric::alerts || m == ThresholdMetric::alert_minutes;
}

/// The first rule that a threshold is about and that fired.
Culprit fired_alert(const Threshold& threshold, const CompiledScenario& scenario, const RunResults& results) {
    for (const CompiledAlert& a : scenario.alerts) {
        if (!threshold.alert.empty() && a.name != threshold.alert) continue;
        const AlertSummary s = summarise_alert(results, {a.name, a.group, a.severity, a.index, a.not_evaluated});
        if (s.fired == 0) continue;
        return {a.where, fmt::format("alert {} first fires {} s into the run", a.name,
                                     std::llround(s.first_fired_s.value.value_or(0)))};
    }
    return {};
}

}  // namespace

std::vector<CheckRow> threshold_rows(const Scenario& source, const CompiledScenario& scenario,
                                     const RunResults& results) {
    const Summary summary = summarise(results);
    const std::vector<MetProbability> met = met_probabilities(results);
    std::vector<CheckRow> rows;
    std::set<std::string> ids;
    for (std::size_t i = 0; i < results.thresholds.size(); ++i) {
        const Threshold& t = results.thresholds[i];
        const ThresholdResult& r = summary.thresholds[i];
        CheckRow row;
        row.id = slug(t.expression.substr(0, t.expression.find_first_of("<>=")));
        for (int n = 2; !ids.insert(row.id).second; ++n)
            row.id = fmt::format("{}-{}", slug(t.expression.substr(0, t.expression.find_first_of("<>="))), n);
        row.expr = t.expression;
        row.number = r.estimate.value;
        row.ci95 = r.estimate.ci95;
        row.limit = t.limit;
        row.verdict = r.verdict;
        row.value = r.estimate.value ? in_unit_of(t.metric, *r.estimate.value) + interval_text(t.metric, row.ci95)
                                     : "no value: nothing completed";
        if (results.trials.size() >= 2) {
            row.probability = met[i].value;
            row.note = fmt::format("met in {} of {} trials", met[i].met, met[i].judged);
        }
        row.where = t.where;
        if (row.verdict != Verdict::pass) {
            const Culprit c = is_about_alerts(t.metric) ? fired_alert(t, scenario, results)
                                                        : culprit_of(t.metric, source, scenario, results);
            row.cause = c.cause;
            if (!c.where.file.empty()) row.where = c.where;
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

std::vector<CheckRow> regression_rows(const std::vector<Regression>& regressions, const Scenario& source,
                                      const CompiledScenario& scenario, const RunResults& results) {
    std::vector<CheckRow> rows;
    for (const Regression& r : regressions) {
        const ComparedMetric& m = *r.row.metric;
        CheckRow row;
        row.kind = CheckRow::Kind::regression;
        row.id = std::string("regression-") + m.name;
        row.expr = fmt::format("{} no more than {} worse", m.name,
                               change_in_unit_of(m.unit, r.allowed).substr(r.allowed == 0 ? 0 : 1));
        row.base = r.row.base;
        row.number = r.row.candidate;
        row.ci95 = r.row.difference.ci95;
        row.limit = r.allowed;
        row.p = r.p;
        row.verdict = r.regressed ? Verdict::fail : r.suspect ? Verdict::inconclusive : Verdict::pass;
        row.value = fmt::format("{} → {}", in_unit_of(m.unit, *row.base), in_unit_of(m.unit, *row.number));
        row.note = change_in_unit_of(m.unit, r.row.difference.value);
        if (row.ci95)
            row.note += fmt::format(" [{}, {}]", change_in_unit_of(m.unit, row.ci95->first),
                                    change_in_unit_of(m.unit, row.ci95->second));
        if (row.verdict != Verdict::pass) {
            const Culprit c = culprit_of(m.unit, source, scenario, results);
            row.where = c.where;
            row.cause = c.cause;
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

std::string check_text(const CheckReport& report, bool coloured) {
    const Style style(coloured);
    std::size_t expr = 0, value = 0;
    for (const CheckRow& r : report.rows) {
        expr = std::max(expr, display_width(r.expr));
        value = std::max(value, display_width(r.value));
    }
    std::string out;
    for (const CheckRow& r : report.rows) {
        const std::string mark = r.verdict == Verdict::pass   ? style.green("✓")
                                 : r.verdict == Verdict::fail ? style.red("✗")
                                                              : style.yellow("≈");
        std::string line = mark + ' ' + padded_right(r.expr, expr) + "   " + padded_right(r.value, value);
        if (!r.note.empty()) line += "   " + r.note;
        if (r.verdict == Verdict::inconclusive) line += "   " + style.yellow(fmt::format("inconclusive after {} trials", report.trials));
        out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
        if (r.verdict != Verdict::pass && !r.where.file.empty()) {
            out += "    " + r.where.file + (r.where.line > 0 ? fmt::format(":{}", r.where.line) : "");
            if (!r.cause.empty()) out += "  " + r.cause;
            out += '\n';
        }
    }
    if (!report.against.empty())
        out += fmt::format("Compared with {}{}\n", report.against,
                           report.pairing.empty() ? "" : ": " + report.pairing);
    const std::size_t passed = report.count(Verdict::pass), failed = report.count(Verdict::fail),
                      open = report.count(Verdict::inconclusive);
    std::string last = fmt::format("{} {}: {} passed, {} failed, {} inconclusive · {} {}, seed {}", report.rows.size(),
                                   report.rows.size() == 1 ? "check" : "checks", passed, failed, open, report.trials,
                                   report.trials == 1 ? "trial" : "trials", report.seed);
    if (!report.complete) last += " · interrupted";
    return out + (report.verdict() == Verdict::pass   ? style.green(last)
                  : report.verdict() == Verdict::fail ? style.red(last)
                                                      : style.yellow(last)) +
           '\n';
}

}  // namespace windtunnel
