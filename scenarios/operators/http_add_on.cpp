// KEDA's HTTP add-on: the ScaledObject that its operator makes of an HTTPScaledObject (http.keda.sh/v1alpha1, v0.8 to
// v0.11, from general knowledge, not re-read, 2026-11).
#include <algorithm>

#include "scenarios/documents/quantity.hpp"
#include "scenarios/operators/derived_workloads.hpp"

namespace windtunnel {
namespace {

constexpr std::int64_t default_target = 100, most_by_default = 100, default_scale_down_s = 300;

/// Requests that came to the target a second, over `window`, from the series that Envoy has of the Service.
Node rate_trigger(Derivation& d, const std::string& service, const std::string& window, const std::string& target) {
    const std::string host = "outbound|80||" + service + "." + (d.root().text_at({"metadata", "namespace"}).empty() ? "default" : d.root().text_at({"metadata", "namespace"})) + ".svc.cluster.local";
    Node out = make_map(d.root());
    put(out, "type", make_text("prometheus", d.root()));
    Node& metadata = map_at(out, "metadata");
    put(metadata, "serverAddress", make_text("http://interceptor", d.root()));
    put(metadata, "query", make_text("sum(rate(envoy_cluster_upstream_rq_total{envoy_cluster_name=\"" + host + "\"}[" + window + "]))", d.root()));
    put(metadata, "threshold", make_text(target, d.root()));
    return out;
}

/// The trigger that `scalingMetric` comes to.
Node http_trigger(Derivation& d, Decoder& spec, const std::string& service) {
    Decoder metric = spec.child("scalingMetric");
    Decoder concurrency = metric.child("concurrency"), rate = metric.child("requestRate");
    const std::int64_t old_target = spec.int32("targetPendingRequests", 1).value_or(default_target);  // of releases before 0.8
    const std::int64_t requests = concurrency.int32("targetValue", 1).value_or(static_cast<std::int32_t>(old_target));
    const std::int64_t per_second = rate.int32("targetValue", 1).value_or(default_target);
    const std::string window = rate.text("window").value_or("1m");
    if (metric.has("concurrency") && metric.has("requestRate")) metric.error("requestRate", "stands beside concurrency, allowed: one of them");
    if (rate.has("window") && !parse_go_duration(window)) rate.error("window", "found \"" + window + "\", allowed: a duration such as 1m");
    rate.quiet({"granularity"});
    concurrency.finish();
    if (metric.has("requestRate")) {
        rate.warn("", "counts requests in steps of its granularity; it is simulated as a rate over the window at the scrape interval");
        rate.finish();
        metric.finish();
        return rate_trigger(d, service, window, std::to_string(per_second));
    }
    metric.finish();
    return concurrency_trigger(d.root(), d.name(), std::to_string(requests));
}

}  // namespace

Node concurrency_trigger(const Node& at, const std::string& name, const std::string& target) {
    Node out = make_map(at);
    put(out, "type", make_text("external-push", at));
    Node& metadata = map_at(out, "metadata");
    put(metadata, "scalerAddress", make_text("keda-add-ons-http-external-scaler.keda:9090", at));
    put(metadata, "httpScaledObject", make_text(name, at));
    put(metadata, "targetConcurrency", make_text(target, at));
    return out;
}

void derive_http_scaled_object(Derivation& d) {
    Decoder object = d.decoder();
    if (!object.has("spec")) return object.missing("spec", "hosts, scaleTargetRef and replicas");
    Decoder spec = object.child("spec");
    if (!spec.has("scaleTargetRef")) return spec.missing("scaleTargetRef", "name, kind and apiVersion of what is scaled, with its service");
    Decoder target = spec.child("scaleTargetRef");
    const std::string old_name = target.text("deployment").value_or("");  // of releases before 0.6
    const std::string name = old_name.empty() ? target.required_text("name") : old_name;
    const std::string kind = target.text("kind").value_or("Deployment"), service = target.text("service").value_or(name);
    const std::string version = target.text("apiVersion").value_or("apps/v1");
    target.quiet({"port", "portName"});
    target.finish();
    const bool has_service = std::any_of(d.given().begin(), d.given().end(), [&](const Document& other) {
        return other.root.text_at({"kind"}) == "Service" && other.root.text_at({"metadata", "name"}) == service;
    });
    Decoder replicas = spec.child("replicas");
    const std::int64_t least = replicas.int32("min", 0).value_or(0), most = replicas.int32("max", 1).value_or(most_by_default);
    if (most < least) replicas.error("max", "found " + std::to_string(most) + " below min " + std::to_string(least) + ", allowed: at least min");
    replicas.finish();
    const Node trigger = http_trigger(d, spec, has_service ? service : name);
    const std::int64_t cooldown = spec.int32("scaledownPeriod", 0).value_or(default_scale_down_s);
    const std::int64_t initial = spec.int32("initialCooldownPeriod", 0).value_or(0);
    spec.unsupported({"coldStartTimeoutFailoverRef"}, "requests that go to another service while a replica starts");
    if (spec.has("timeouts") || least == 0)
        spec.warn(spec.has("timeouts") ? "timeouts" : "", "its interceptor gives up on a request that has waited for a replica (20 s unless it is told otherwise), which is not simulated; the scenario's workload says timeout_s");
    spec.quiet({"hosts", "pathPrefixes", "headers", "scalingSet", "timeouts"});
    spec.finish();

    Node out = d.object("keda.sh/v1alpha1", "ScaledObject", d.name());
    Node made = make_map(d.root());
    Node& reference = map_at(made, "scaleTargetRef");
    put(reference, "apiVersion", make_text(version, d.root()));
    put(reference, "kind", make_text(kind, d.root()));
    put(reference, "name", make_text(name, d.root()));
    // Its scaler pushes: the first request starts a replica at once.
    put(made, "pollingInterval", make_integer(1, d.root()));
    put(made, "cooldownPeriod", make_integer(cooldown, d.root()));
    put(made, "initialCooldownPeriod", make_integer(initial, d.root()));
    put(made, "minReplicaCount", make_integer(least, d.root()));
    put(made, "maxReplicaCount", make_integer(most, d.root()));
    list_at(made, "triggers").children.push_back(trigger);
    put(out, "spec", std::move(made));
    d.add(std::move(out));
}

}  // namespace windtunnel
