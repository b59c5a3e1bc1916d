// Knative Serving: the Deployment of a Service's newest revision (serving.knative.dev/v1, annotations of autoscaling as
// documented in 2025, from general knowledge, not re-read, 2026-11).
#include <algorithm>

#include "scenarios/operators/derived_workloads.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

namespace windtunnel {
namespace {

constexpr const char* annotation_prefix = "autoscaling.knative.dev/";
const std::vector<std::string> scaling_annotations = {
    "class", "metric", "target", "target-utilization-percentage", "target-burst-capacity", "min-scale", "max-scale", "initial-scale", "activation-scale",
    "scale-down-delay", "scale-to-zero-pod-retention-period", "window", "panic-window-percentage", "panic-threshold-percentage"};

/// Annotations of a revision, by their newest spelling without the prefix (`minScale` is min-scale).
std::map<std::string, std::string> scaling_of(Decoder& metadata) {
    std::map<std::string, std::string> out;
    for (const auto& [key, value] : metadata.text_map("annotations")) {
        if (!key.starts_with(annotation_prefix)) continue;
        std::string name;
        for (const char c : key.substr(std::string(annotation_prefix).size())) {
            if (c >= 'A' && c <= 'Z') name += std::string("-") + static_cast<char>(c - 'A' + 'a');
            else name += c;
        }
        if (std::find(scaling_annotations.begin(), scaling_annotations.end(), name) == scaling_annotations.end())
            metadata.error("annotations", "found " + key + ", allowed of autoscaling.knative.dev: " + join(scaling_annotations) + did_you_mean(name, scaling_annotations));
        out[name] = value;
    }
    return out;
}

}  // namespace

void derive_knative_service(Derivation& d) {
    // A dump has the Deployments of its revisions, whatever their numbers.
    const bool is_made = std::any_of(d.given().begin(), d.given().end(), [&](const Document& other) {
        return other.root.text_at({"kind"}) == "Deployment" && other.root.text_at({"metadata", "labels", "serving.knative.dev/service"}) == d.name();
    });
    if (is_made) return;
    Decoder object = d.decoder();
    if (!object.has("spec")) return object.missing("spec", "template");
    Decoder spec = object.child("spec");
    if (!spec.has("template")) return spec.missing("template", "the pod template of its revisions");
    Decoder revision = spec.child("template");
    Decoder metadata = revision.child("metadata");
    std::map<std::string, std::string> scaling = scaling_of(metadata);
    const auto number = [&](const std::string& name, std::int64_t absent) {
        if (!scaling.contains(name)) return absent;
        const auto value = to_integer(scaling[name]);
        if (!value || *value < 0) metadata.error("annotations", "found " + (annotation_prefix + name) + " \"" + scaling[name] + "\", allowed: an integer of at least 0");
        return value.value_or(absent);
    };
    const std::int64_t least = number("min-scale", 0), most = number("max-scale", 0), initial = number("initial-scale", 1);
    const std::string metric = scaling.contains("metric") ? scaling["metric"] : "concurrency";
    const bool by_hpa = scaling["class"].starts_with("hpa.") && (metric == "cpu" || metric == "memory");
    const bool fixed = least > 0 && most == least;
    for (const auto& [key, value] : metadata.text_map("annotations"))
        if (key.starts_with("windtunnel.dev/")) d.declare(key, value);
    if (!fixed && !by_hpa)
        return spec.error("template", "found " + d.title() + " scaled by Knative on " + metric + " (means over windows of 60 and 6 s, with an activator), which is not simulated, allowed: " + annotation_prefix +
                                          "min-scale equal to max-scale, its class hpa.autoscaling.knative.dev with the metric cpu, or the Deployment with an HTTPScaledObject (scalingMetric.concurrency) or a ScaledObject");
    if (by_hpa && !fixed && most == 0) return spec.error("template", "found no max-scale, which an HPA needs, allowed: " + (annotation_prefix + std::string("max-scale")));
    if (const Node* traffic = spec.take("traffic"); traffic && traffic->children.size() > 1)
        spec.error("traffic", "would change the result and is not simulated: revisions that share the traffic, allowed: one");
    Decoder pod = revision.child("spec");
    const std::int64_t limit = pod.int32("containerConcurrency", 0).value_or(0);
    if (limit > 0)
        pod.warn("containerConcurrency", "holds requests back at " + std::to_string(limit) + " of a replica; here they reach the server unless the scenario's workload says routing: queue with queue.per_replica_concurrency " + std::to_string(limit));
    if (pod.has("timeoutSeconds")) pod.warn("timeoutSeconds", "is not read; the scenario's workload says timeout_s");
    Node pod_spec = pod.node();
    pod_spec.key.clear();
    for (const char* key : {"containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds"}) erase_key(pod_spec, key);
    for (Node& container : list_at(pod_spec, "containers").children) {
        if (container.is_map() && !container.find("name")) put(container, "name", make_text("user-container", container));
        if (list_at(pod_spec, "containers").children.size() == 1) default_readiness(container);
    }
    spec.quiet({"traffic"});
    spec.finish();
    const std::string name = d.name() + "-00001-deployment";
    d.add_deployment(name, std::move(pod_spec), {{"serving.knative.dev/service", d.name()}}, fixed ? least : std::max(least, initial));
    if (fixed) return;
    Node metrics = make_list(d.root());
    metrics.children.push_back(utilization_metric(metric, number("target", 80), d.root()));
    d.add_autoscaler(name, std::max<std::int64_t>(least, 1), most, std::move(metrics));
}

}  // namespace windtunnel
