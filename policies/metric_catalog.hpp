#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace windtunnel {

using LabelSet = std::map<std::string, std::string>;

enum class MetricKind : std::uint8_t { gauge, counter, histogram_bucket, histogram_sum, histogram_count };
enum class MetricScope : std::uint8_t { per_pod, per_workload, global };

/// One exposed time-series family: all samples with the same `__name__`.
struct MetricFamily {
    std::string name;
    MetricKind kind = MetricKind::gauge;
    MetricScope scope = MetricScope::per_pod;
    /// The family's own dimension: one label set for each series that a pod (or workload) exposes: the
    /// buckets' `le`, the reasons. One empty set when there is none.
    std::vector<LabelSet> extras = {{}};
    std::vector<std::int32_t> workloads;  ///< which workloads expose it; empty = all. Unused for global ones
    std::vector<std::string> hidden_labels;  ///< labels of the workload that this exporter does not carry
    LabelSet constant_labels;                ///< labels of its own, which win over the workload's
    bool own_endpoint = false;               ///< the pods serve it themselves: MetricWorkload::endpoint_labels
    std::int64_t scrape_interval_ms = 15'000;
};

/// A workload as its exporters label it.
struct MetricWorkload {
    std::string name;
    LabelSet labels;              ///< namespace, job, service, deployment, container, model_name ...
    std::int32_t pod_slots = 0;   ///< the most pods that exist at one time
    std::string pod_name_prefix;  ///< all its pods are called prefix + something: `chat-`
    /// Labels with a value for each pod, with some values as they might be. Their matchers must accept all
    /// examples or none; a matcher that tells pods of one workload apart is refused.
    std::map<std::string, std::vector<std::string>> pod_labels;
    /// What stands in place of `labels` on the series that its pods serve themselves, where a monitor's rules say
    /// which these are; labels of the pod's own hold pod_label_placeholder.
    std::optional<LabelSet> endpoint_labels;
};

/// What the simulated cluster exposes to Prometheus; all of it is known before the first trial.
struct MetricCatalog {
    std::vector<MetricFamily> families;
    std::vector<MetricWorkload> workloads;

    /// Adds a workload with the labels `pod` and `instance` and names as a Deployment gives them. Returns its
    /// index.
    std::int32_t add_workload(std::string name, LabelSet labels, std::int32_t pod_slots);
    /// Adds a gauge or counter. Returns the family's index.
    std::int32_t add(std::string name, MetricKind kind, MetricScope scope,
                     std::vector<LabelSet> extras = {{}});
    /// Adds `name_bucket` (labels `le` as Python's client writes them: "0.5", "1.0", "+Inf"), `name_sum` and
    /// `name_count`, at consecutive indices. `bounds` ascend, without +Inf. Returns the index of the buckets.
    std::int32_t add_histogram(const std::string& name, const std::vector<double>& bounds,
                               MetricScope scope = MetricScope::per_pod);
};

/// An upper bound as vLLM's client library writes it: shortest digits, always with a point ("10.0", "0.005").
[[nodiscard]] std::string bucket_label(double bound);

}  // namespace windtunnel
