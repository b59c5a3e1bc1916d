#pragma once
#include "policies/metric_catalog.hpp"
#include "sim/autoscaler_plan.hpp"

#include <vector>

namespace windtunnel {

/// Which workloads have series of a family.
enum class Exposer : std::uint8_t {
    all,
    servers,        ///< whose pods answer requests
    tgi_servers,    ///< of these, the ones that run that server
    sglang_servers,
    deployments,    ///< of that kind
    stateful_sets,  ///< of that kind, and LeaderWorkerSets, whose groups are some
    autoscaled,     ///< with an HPA
};

/// What the simulated cluster exposes to Prometheus, and how the engine makes it.
struct ExposedMetrics {
    MetricCatalog catalog;
    std::vector<StreamSource>
        sources;  ///< by family: kind and histogram; workload and extra are the stream's
    std::vector<Exposer> exposers;  ///< by family
    std::vector<HistogramPlan> histograms;
    std::vector<Tick> bounds;
    std::vector<std::string> speaks_of_others;  ///< families that carry exported_pod and its like too
};

/// The families of vLLM, the exporters and the gateways, under their own names. Workloads are added
/// by the caller.
[[nodiscard]] ExposedMetrics exposed_metrics();

}  // namespace windtunnel
