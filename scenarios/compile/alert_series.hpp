#pragma once
#include "policies/promql_compiler.hpp"
#include "scenarios/kubernetes/kubernetes_monitoring.hpp"

#include <vector>

namespace windtunnel {

/// The series ALERTS{alertname=..., alertstate=..., ...} that Prometheus writes of alerting rules (rules/alerting.go,
/// v2.42), as expressions: 1 for each element of the rule's answer, `pending` until it has been there for the rule's `for`,
/// and then `firing`, as of the last evaluation of the rule's group. `interval` is that of groups without their own.
[[nodiscard]] std::vector<PromqlMetricPart> alert_series(const std::vector<AlertingRule>& rules, Tick interval);

/// An expression whose elements carry a rule's labels besides, but for those that templates fill.
[[nodiscard]] std::string with_rule_labels(std::string expression, const LabelSet& labels);

}  // namespace windtunnel
