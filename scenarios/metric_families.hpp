#pragma once
#include "policies/metric_catalog.hpp"
#include "sim/autoscaler_plan.hpp"

#include <vector>

namespace windtunnel {

/// What the simulated cluster exposes to Prometheus, and how the engine makes it.
struct ExposedMetrics {
    MetricCatalog catalog;
    std::vector<StreamSource>
        sources;  ///< by family: kind and histogram; workload and extra are the stream's
    std::vector<HistogramPlan> histograms;
    std::vector<Tick> bounds;
    std::vector<std::string> speaks_of_others;  ///< families that carry exported_pod and its like too
};

/// The families of vLLM, the DCGM exporter and kube-state-metrics, under their own names. Workloads are added
/// by the caller.
[[nodiscard]] ExposedMetrics exposed_metrics();

}  // namespace windtunnel
