#include "scenarios/validate_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "scenarios/node_offerings.hpp"

namespace windtunnel {
namespace {

std::string at(const SourcePosition& where) { return fmt::format("({}:{})", where.file, where.line); }

std::string metric_text(const HpaMetric& metric) {
    const std::string name = metric.container.empty() ? metric.name : metric.name + " of " + metric.container;
    const double target = static_cast<double>(metric.target_milli) / 1000;
    switch (metric.target) {
        case MetricTargetType::utilization: return fmt::format("{} at {}% of its request", name, metric.utilization_percent);
        case MetricTargetType::average_value: return fmt::format("{} / {} per pod", name, target);
        case MetricTargetType::value: return fmt::format("{} at {}", name, target);
    }
    return name;
}

std::string trigger_text(const Trigger& trigger) {
    switch (trigger.kind) {
        case TriggerKind::prometheus: return fmt::format("prometheus: {} / {}", trigger.query, trigger.threshold);
        case TriggerKind::cron: return fmt::format("cron: {} replicas from {} to {} {}", trigger.desired_replicas, trigger.start, trigger.end, trigger.timezone);
        case TriggerKind::queue:
        case TriggerKind::series: return fmt::format("{}{}{} / {}", trigger.type, trigger.queue.empty() ? "" : ": ", trigger.queue, trigger.threshold);
        case TriggerKind::cpu:
        case TriggerKind::memory: break;
    }
    if (trigger.metric_type == MetricTargetType::utilization) return fmt::format("{} at {}% of its request", trigger.type, trigger.utilization_percent);
    return fmt::format("{} / {} per pod", trigger.type, static_cast<double>(trigger.target_milli) / 1000);
}

std::string scaler_text(const Scenario& scenario, const WorkloadObject& workload) {
    const auto scales = [&](const ObjectMeta& meta, const ScaleTarget& target) {
        return target.kind == workload.meta.kind && target.name == workload.meta.name && meta.name_space == workload.meta.name_space;
    };
    for (const auto& hpa : scenario.manifests.horizontal_pod_autoscalers) {
        if (!scales(hpa.meta, hpa.target)) continue;
        std::vector<std::string> parts;
        for (const HpaMetric& metric : hpa.metrics) parts.push_back(metric_text(metric));
        return fmt::format("{} {}: {} to {} replicas on {}", hpa.meta.title(), at(hpa.meta.where), hpa.min_replicas, hpa.max_replicas, join(parts, "; "));
    }
    for (const auto& object : scenario.manifests.scaled_objects) {
        if (!scales(object.meta, object.target)) continue;
        std::vector<std::string> parts;
        for (const Trigger& trigger : object.triggers) parts.push_back(trigger_text(trigger));
        return fmt::format("{} {}: {} to {} replicas on {}", object.meta.title(), at(object.meta.where), object.min_replicas, object.max_replicas, join(parts, "; "));
    }
    return fmt::format("nothing: {} replicas", workload.replicas);
}

std::string server_text(const ModelServer& server) {
    std::string text = server.engine + (server.vllm_version.empty() ? "" : " " + server.vllm_version) + ", " + (server.model.empty() ? "no model" : server.model);
    text += fmt::format(", tp {}", server.tensor_parallel);
    if (server.pipeline_parallel > 1) text += fmt::format(", pp {}", server.pipeline_parallel);
    if (server.data_parallel > 1) text += fmt::format(", dp {}", server.data_parallel);
    return text;
}

std::string pool_text(const PoolSpec& pool, const std::function<std::string(const PoolSpec&)>& price_text) {
    std::string text = fmt::format("{} ({}, {}, {} to {} nodes", pool.name, join(pool.instance_types, "|"), pool.capacity == CapacityType::spot ? "spot" : "on-demand", pool.min_nodes, pool.max_nodes);
    if (pool.price_nano_usd_per_hour) text += fmt::format(", {} USD/h", static_cast<double>(*pool.price_nano_usd_per_hour) / 1e9);
    else if (const std::string price = price_text ? price_text(pool) : ""; !price.empty()) text += ", " + price;
    return text + ")";
}

/// "NodePool/gpu (24 offerings of 6 instance types, g6.xlarge spot in us-east-1a 0.2 USD/h to ...)".
std::string offerings_text(const KarpenterNodePool& pool, const Scenario& scenario) {
    Findings findings;
    const auto offerings = karpenter_offerings(pool, scenario.manifests, scenario.cluster, findings);
    if (!findings.errors.empty()) return "its offerings are not known: " + findings.errors.front().message;
    if (offerings.empty()) return "nothing: " + (findings.warnings.empty() ? "no offering" : findings.warnings.front().message);
    std::vector<std::string> types;
    for (const NodeOffering& o : offerings)
        if (std::find(types.begin(), types.end(), o.type->name) == types.end()) types.push_back(o.type->name);
    const auto one = [](const NodeOffering& o) {
        return fmt::format("{} {}{} {:g} USD/h", o.type->name, to_string(o.capacity), o.zone.empty() ? "" : " in " + o.zone, static_cast<double>(o.nano_usd_per_hour) / 1e9);
    };
    return fmt::format("{} offerings of {} instance types, from {} to {}", offerings.size(), types.size(), one(offerings.front()), one(offerings.back()));
}

std::string routing_text(RoutingSpec routing) {
    switch (routing) {
        case RoutingSpec::random: return "random";
        case RoutingSpec::least_requests: return "least-requests";
        case RoutingSpec::round_robin: return "round-robin";
        case RoutingSpec::queue: break;
    }
    return "queue";
}

}  // namespace

std::string validate_text(const Scenario& scenario, const Findings& findings, bool with_notes,
                          const std::function<std::string(const PoolSpec&)>& price_text) {
    std::string out;
    for (const WorkloadObject& workload : scenario.manifests.workloads) {
        out += fmt::format("{} {}\n", workload.meta.title(), at(workload.meta.where));
        const ModelServer* server = workload.server ? &*workload.server : nullptr;
        for (const WorkloadSpec& spec : scenario.workloads) {
            if (scenario.target_of(spec) != &workload) continue;
            out += fmt::format("  requests   {}, routing {}\n", spec.synthetic ? "synthetic" + (spec.synthetic->preset.empty() ? "" : " " + spec.synthetic->preset) : spec.trace, routing_text(spec.routing));
            server = scenario.server_of(spec);
        }
        if (server) out += fmt::format("  serves     {}\n", server_text(*server));
        out += fmt::format("  scaled by  {}\n", scaler_text(scenario, workload));
        std::vector<std::string> pools;
        for (const PoolSpec& pool : scenario.cluster.pools)
            if (may_run_on(workload.pod, pool, scenario.cluster)) pools.push_back(pool_text(pool, price_text));
        out += fmt::format("  runs on    {}\n", pools.empty() ? "no pool that is named" : join(pools));
    }
    for (const KarpenterNodePool& pool : scenario.manifests.node_pools)
        out += fmt::format("{} {}\n  launches   {}\n", pool.meta.title(), at(pool.meta.where), offerings_text(pool, scenario));
    for (const Problem& p : findings.errors) out += "error: " + to_string(p) + "\n";
    for (const Problem& p : findings.warnings) out += "warning: " + to_string(p) + "\n";
    if (with_notes)
        for (const Problem& p : findings.notes) out += "note: " + to_string(p) + "\n";
    out += fmt::format("errors: {}, warnings: {}, notes: {}\n", findings.errors.size(), findings.warnings.size(), findings.notes.size());
    return out;
}

}  // namespace windtunnel
