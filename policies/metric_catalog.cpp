#include "policies/metric_catalog.hpp"

#include <charconv>
#include <cmath>

namespace windtunnel {

std::int32_t MetricCatalog::add_workload(std::string name, LabelSet labels, std::int32_t pod_slots) {
    MetricWorkload workload;
    workload.pod_name_prefix = name + "-";
    // Names as a ReplicaSet makes them (hash of the template, five random characters); letters and digits
    // that Kubernetes uses for them, so that a pattern for "any pod of this Deployment" accepts all three.
    workload.pod_labels["pod"] = {name + "-5d8f7c9b6d-x2k8z", name + "-7b9c5d4f6-hjq4v",
                                  name + "-c6f4d8b5b9-9mzwt"};
    workload.pod_labels["instance"] = {"10.0.3.17:8000", "172.31.44.201:8000", "192.168.5.6:8000"};
    workload.name = std::move(name);
    workload.labels = std::move(labels);
    workload.pod_slots = pod_slots;
    workloads.push_back(std::move(workload));
    return static_cast<std::int32_t>(workloads.size()) - 1;
}

std::int32_t MetricCatalog::add(std::string name, MetricKind kind, MetricScope scope,
                                std::vector<LabelSet> extras) {
    MetricFamily family;
    family.name = std::move(name);
    family.kind = kind;
    family.scope = scope;
    family.extras = std::move(extras);
    families.push_back(std::move(family));
    return static_cast<std::int32_t>(families.size()) - 1;
}

std::int32_t MetricCatalog::add_histogram(const std::string& name, const std::vector<double>& bounds,
                                          MetricScope scope) {
    std::vector<LabelSet> extras;
    for (const double bound : bounds) extras.push_back({{"le", bucket_label(bound)}});
    extras.push_back({{"le", "+Inf"}});
    const std::int32_t first = add(name + "_bucket", MetricKind::histogram_bucket, scope, std::move(extras));
    add(name + "_sum", MetricKind::histogram_sum, scope);
    add(name + "_count", MetricKind::histogram_count, scope);
    return first;
}

std::string bucket_label(double bound) {
    if (std::isinf(bound)) return bound > 0 ? "+Inf" : "-Inf";
    char text[32];
    const auto [end, error] = std::to_chars(text, text + sizeof text, bound);
    std::string label(text, end);
    if (label.find_first_of(".e") == std::string::npos) label += ".0";
    return label;
}

}  // namespace windtunnel
