#pragma once
#include "policies/metric_catalog.hpp"
#include "scenarios/scenario.hpp"

#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// A label's name as Prometheus' service discovery writes a Kubernetes label's.
[[nodiscard]] std::string sanitized_label(const std::string& name);

/// The labels that the Prometheus Operator (or Google's managed Prometheus) gives the series of a workload's own
/// /metrics, by the first monitor that selects its pods: namespace, pod, container, job, instance, what
/// podTargetLabels and targetLabels name, and its relabelings. Labels of the pod's own, such as its name, hold
/// pod_label_placeholder. Empty: no monitor of the manifests selects them.
[[nodiscard]] std::optional<LabelSet> endpoint_labels_of(const Scenario& scenario, const WorkloadObject& workload);

/// What metricRelabelings make of a series: its labels with `__name__`, or nothing where they drop it.
[[nodiscard]] std::optional<LabelSet> relabelled(const std::vector<RelabelRule>& rules, LabelSet labels);

}  // namespace windtunnel
