#pragma once
#include "scenarios/compile/compile_queries.hpp"

namespace windtunnel {

/// Fills in the alerting rules of the manifests. An alert changes nothing in the cluster, so one that cannot be
/// evaluated is no error: CompiledScenario::alerts says why it is not, and `warnings` name those that could have been
/// meant to be. Requires the queries of the autoscalers.
void compile_alerts(const Scenario& scenario, QueryCompiler& queries, CompiledScenario& out, Problems& warnings);

/// Thresholds that speak of an alert which no rule of the manifests has, or which is not evaluated, are errors.
[[nodiscard]] Problems check_alert_thresholds(const std::vector<Threshold>& thresholds, const std::vector<CompiledAlert>& alerts);

}  // namespace windtunnel
