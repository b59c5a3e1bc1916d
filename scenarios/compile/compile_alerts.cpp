#include "scenarios/compile/compile_alerts.hpp"

#include "scenarios/documents/suggest.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <set>

namespace windtunnel {

namespace {

/// Samples that one alert may add to every trial's memory: 64 MiB.
constexpr std::int64_t most_samples = std::int64_t{1} << 22;

/// Why an alert is not evaluated; "" = it is.
std::string reason_against(const QueryCompiler::Attempt& attempt) {
    if (!attempt.program) {
        const std::string& message = attempt.program.problems().front().message;
        return "its expression is not supported: " + message;
    }
    if (attempt.program->absent_of_nothing)
        return "it fires where something is absent that is not simulated";
    const auto& unknown = attempt.program->unknown_metrics;
    const bool reads_nothing = std::none_of(
        attempt.program->instructions.begin(), attempt.program->instructions.end(),
        [](const PromqlInstruction& op) { return op.op == PromqlOp::select || op.op == PromqlOp::range_select; });
    if (!unknown.empty() && reads_nothing)
        return fmt::format("nothing here exposes {}", fmt::join(std::set<std::string>(unknown.begin(), unknown.end()), ", "));
    if (attempt.more_samples > most_samples)
        return fmt::format("its windows need {} samples more in every trial, allowed: {}", attempt.more_samples, most_samples);
    return "";
}

}  // namespace

Problems check_alert_thresholds(const std::vector<Threshold>& thresholds, const std::vector<CompiledAlert>& alerts) {
    Problems problems;
    for (const Threshold& t : thresholds) {
        if (t.metric != ThresholdMetric::alerts && t.metric != ThresholdMetric::alert_minutes) continue;
        const std::string path = t.path.empty() ? "--threshold" : t.path;
        const auto refuse = [&](const std::string& why) { problems.push_back({t.where, path, "found \"" + t.expression + "\", " + why}); };
        std::vector<std::string> names;
        bool known = false, evaluated = false;
        std::string reason;
        for (const CompiledAlert& a : alerts) {
            names.push_back(a.name);
            if (!t.alert.empty() && a.name != t.alert) continue;
            known = true;
            evaluated = evaluated || a.index >= 0;
            if (reason.empty()) reason = a.not_evaluated;
        }
        if (alerts.empty()) refuse("but the manifests have no alerting rules, allowed with: a PrometheusRule");
        else if (!known) refuse("but no rule of the manifests is called " + t.alert + ", allowed: " + join(names) + did_you_mean(t.alert, names));
        else if (!evaluated) refuse("but the alert is not evaluated: " + reason);
    }
    return problems;
}

void compile_alerts(const Scenario& scenario, QueryCompiler& queries, CompiledScenario& out, Problems& warnings) {
    BlueprintParts& parts = out.parts;
    std::vector<std::string> left_out;
    const AlertingRule* first_left_out = nullptr;
    const AlertingRule* before = nullptr;
    for (const AlertingRule& rule : scenario.manifests.rules.alerting) {
        CompiledAlert facts{rule.name, rule.group, rule.severity, -1, "", rule.where};
        const std::string path = "expr of " + rule.name;
        const QueryCompiler::Attempt attempt = queries.attempt(rule.expression, rule.where, path);
        facts.not_evaluated = reason_against(attempt);
        if (!facts.not_evaluated.empty()) {
            left_out.push_back(rule.name);
            if (first_left_out == nullptr) first_left_out = &rule;
            out.alerts.push_back(std::move(facts));
            continue;
        }
        for (const Problem& w : attempt.program->warnings)  // an expression may say one thing twice
            if (std::none_of(warnings.begin(), warnings.end(), [&](const Problem& known) {
                    return known.message == w.message && known.where.line == w.where.line && known.where.file == w.where.file;
                }))
                warnings.push_back(w);
        AlertPlan plan;
        plan.query = queries.take(rule.expression, rule.where, path);
        // One for each element, and for as many again that fire on after their element has gone.
        plan.instance_capacity = static_cast<std::uint32_t>(std::clamp<std::int64_t>(2 * attempt.program->cardinality + 8, 1, 1 << 20));
        plan.rule = {rule.hold_for, rule.keep_firing_for};
        facts.index = static_cast<std::int32_t>(parts.alerts.size());
        const Tick interval = rule.interval.value_or(scenario.prometheus.evaluation_interval);
        const bool goes_on = before != nullptr && before->group == rule.group && before->where.file == rule.where.file &&
                             parts.alert_groups.back().interval == interval;
        if (!goes_on) parts.alert_groups.push_back({static_cast<std::uint32_t>(parts.alerts.size()), 0, interval});
        ++parts.alert_groups.back().alert_count;
        parts.alerts.push_back(plan);
        out.alerts.push_back(std::move(facts));
        before = &rule;
    }
    if (left_out.empty()) return;
    const std::size_t all = left_out.size();
    if (all > 6) left_out.resize(6);
    warnings.push_back({first_left_out->where, "", fmt::format("{} of {} alerting rules are not evaluated: {}{} (the results say why, each)", all,
                                                               scenario.manifests.rules.alerting.size(), fmt::join(left_out, ", "), all > 6 ? ", ..." : "")});
}

}  // namespace windtunnel
