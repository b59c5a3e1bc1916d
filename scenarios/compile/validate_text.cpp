#include "scenarios/compile/validate_text.hpp"

#include "models/bytes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "scenarios/compile/compile_autoscalers.hpp"
#include "scenarios/compile/compile_server.hpp"
#include "scenarios/compile/compile_start.hpp"
#include "scenarios/compile/node_offerings.hpp"

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

/// Who scales a workload, between which counts.
struct ScaledBy {
    std::string text;
    std::int32_t least = 0, most = 0;
};

ScaledBy scaled_by(const Scenario& scenario, const WorkloadObject& workload) {
    const ScalerOf scaler = scaler_of(scenario, workload);
    const auto describe = [](const ObjectMeta& meta, std::int32_t least, std::int32_t most, const std::vector<std::string>& parts) {
        return ScaledBy{fmt::format("{} {}: {} to {} replicas on {}", meta.title(), at(meta.where), least, most, join(parts, "; ")), least, most};
    };
    if (const HorizontalPodAutoscaler* hpa = scaler.hpa) {
        std::vector<std::string> parts;
        for (const HpaMetric& metric : hpa->metrics) parts.push_back(metric_text(metric));
        return describe(hpa->meta, hpa->min_replicas, hpa->max_replicas, parts);
    }
    if (const ScaledObject* object = scaler.scaled_object) {
        std::vector<std::string> parts;
        for (const Trigger& trigger : object->triggers) parts.push_back(trigger_text(trigger));
        ScaledBy scaled = describe(object->meta, object->min_replicas, object->max_replicas, parts);
        if (object->idle_replicas) {
            scaled.text += fmt::format("; {} while no trigger is active", *object->idle_replicas);
            scaled.least = std::min(scaled.least, *object->idle_replicas);
        }
        return scaled;
    }
    return {fmt::format("nothing: {} {}", workload.replicas, workload.replicas == 1 ? "replica" : "replicas"), workload.replicas, workload.replicas};
}

std::string server_text(const ModelServer& server) {
    std::string text = server.engine + (!server.vllm_version.empty() ? " " + server.vllm_version : server.engine == "vllm" ? " (newest profile)" : " (as vLLM)") + ", " + (server.model.empty() ? "no model" : server.model);
    text += fmt::format(", tp {}", server.tensor_parallel);
    if (server.pipeline_parallel > 1) text += fmt::format(", pp {}", server.pipeline_parallel);
    if (server.data_parallel > 1) text += fmt::format(", dp {}", server.data_parallel);
    if (server.max_model_len) text += fmt::format(", up to {} tokens", *server.max_model_len);
    if (server.max_num_seqs) text += fmt::format(", {} sequences at once", *server.max_num_seqs);
    if (server.kv_cache_dtype != "auto") text += ", KV cache in " + server.kv_cache_dtype;
    return text;
}

/// "1 nvidia.com/gpu, CPU 3, memory 10 GiB".
std::string needs_text(const PodTemplate& pod) {
    std::vector<std::string> parts;
    for (const auto& [name, amount] : pod.extended_requests())
        if (amount > 0) parts.push_back(fmt::format("{} {}", amount, name));
    if (parts.empty()) parts.emplace_back("no GPU");
    if (const auto cpu = pod.cpu_request_milli(); cpu > 0) parts.push_back(fmt::format("CPU {:g}", static_cast<double>(cpu) / 1000));
    if (const auto memory = pod.memory_request_bytes(); memory > 0) parts.push_back(fmt::format("memory {:.4g} GiB", static_cast<double>(memory) / gib));
    return join(parts);
}

std::string reached_text(const Scenario& scenario, const WorkloadObject& workload) {
    std::vector<std::string> services;
    const PodTemplate& pod = workload.leader ? *workload.leader : workload.pod;
    for (const Service& service : scenario.manifests.services) {
        LabelSelector selector;
        selector.match_labels = service.selector;
        if (!service.selector.empty() && service.meta.name_space == workload.meta.name_space && selector.matches(pod.labels)) services.push_back(service.meta.title());
    }
    return join(services);
}

std::string guarded_text(const Scenario& scenario, const WorkloadObject& workload) {
    std::vector<std::string> budgets;
    const auto amount = [](const IntOrPercent& n) { return std::to_string(n.value) + (n.percent ? "%" : ""); };
    for (const PodDisruptionBudget& budget : scenario.manifests.pod_disruption_budgets) {
        if (!budget.covers(workload.meta.name_space, workload.pod.labels)) continue;
        budgets.push_back(budget.meta.title() + (budget.min_available ? ": at least " + amount(*budget.min_available) + " stay" : budget.max_unavailable ? ": at most " + amount(*budget.max_unavailable) + " away" : ""));
    }
    return join(budgets);
}

using Price = std::function<std::optional<double>(const PoolSpec&)>;

std::optional<double> price_of(const PoolSpec& pool, const Price& price) {
    if (pool.price_nano_usd_per_hour) return static_cast<double>(*pool.price_nano_usd_per_hour) / 1e9;
    return price ? price(pool) : std::nullopt;
}

std::string pool_text(const PoolSpec& pool, const Price& price) {
    std::string text = fmt::format("{} ({}, {}, {} to {} nodes", pool.name, join(pool.instance_types, "|"), pool.capacity == CapacityType::spot ? "spot" : "on-demand", pool.min_nodes, pool.max_nodes);
    if (const auto usd = price_of(pool, price)) text += fmt::format(", {:g} USD/h", *usd);
    return text + ")";
}

/// GPUs of a pool's nodes; 0 = not known.
std::int64_t gpus_of(const PoolSpec& pool, const ClusterSpec& cluster) {
    if (pool.gpus_per_node > 0) return pool.gpus_per_node;
    const char* cloud = cluster.cloud == CloudKind::aws ? "aws" : cluster.cloud == CloudKind::gcp ? "gcp" : cluster.cloud == CloudKind::azure ? "azure" : cluster.cloud == CloudKind::oci ? "oci" : nullptr;
    if (!cloud || pool.instance_types.empty()) return 0;
    const auto type = get_instance_type(cloud, pool.instance_types.front());
    return type ? (*type)->gpu_count : 0;
}

/// Why a pod cannot run on a pool; "" = it can, as far as labels, taints and GPUs go.
std::string why_not(const PodTemplate& pod, const PoolSpec& pool, const ClusterSpec& cluster) {
    if (const std::string excluded = exclusion_of(pod, pool, cluster); !excluded.empty()) return excluded;
    const std::int64_t gpus = gpus_of(pool, cluster);
    const bool known = gpus > 0 || cluster.cloud != CloudKind::none;
    // Slices and shares are counted when the run is compiled.
    const std::string resource = pod.gpu_resource();
    const bool whole = (resource.empty() || resource == "nvidia.com/gpu") && pool.division.whole();
    return known && whole && gpus < pod.gpus() ? fmt::format("a node has {} GPUs", gpus) : "";
}

/// "0.8 USD/h a replica, 0.8 to 3.2 USD/h in all": the share of a node that a replica's GPUs are, on the cheapest and
/// the dearest pool. "" = not known.
std::string cost_text(const WorkloadObject& workload, const std::vector<const PoolSpec*>& pools, const ClusterSpec& cluster, const ScaledBy& scaler, const Price& price) {
    double cheapest = 0, dearest = 0;
    for (const PoolSpec* pool : pools) {
        const auto usd = price_of(*pool, price);
        const std::int64_t gpus = gpus_of(*pool, cluster);
        if (!usd || gpus == 0) return "";
        const double share = *usd * static_cast<double>(workload.pod.gpus() * workload.group_size) / static_cast<double>(gpus);
        cheapest = pool == pools.front() ? share : std::min(cheapest, share);
        dearest = std::max(dearest, share);
    }
    if (pools.empty() || workload.pod.gpus() == 0) return "";
    const auto range = [](double a, double b) { return b > a ? fmt::format("{:.4g} to {:.4g}", a, b) : fmt::format("{:.4g}", a); };
    return fmt::format("{} USD/h a replica, {} USD/h in all", range(cheapest, dearest), range(cheapest * scaler.least, dearest * scaler.most));
}

/// "24 offerings of 6 instance types, from g6.xlarge spot in us-east-1a 0.2 USD/h to ...". Requires one.
std::string offerings_text(const std::vector<NodeOffering>& offerings) {
    std::vector<std::string> types;
    for (const NodeOffering& o : offerings)
        if (std::find(types.begin(), types.end(), o.type->name) == types.end()) types.push_back(o.type->name);
    const auto one = [](const NodeOffering& o) {
        return fmt::format("{} {}{} {:g} USD/h", o.type->name, to_string(o.capacity), o.zone.empty() ? "" : " in " + o.zone, static_cast<double>(o.nano_usd_per_hour) / 1e9);
    };
    return fmt::format("{} offerings of {} instance types, from {} to {}", offerings.size(), types.size(), one(offerings.front()), one(offerings.back()));
}

std::string launches_text(const KarpenterNodePool& pool, const Scenario& scenario) {
    Findings findings;
    const auto offerings = karpenter_offerings(pool, scenario.manifests, scenario.cluster, findings);
    if (!findings.errors.empty()) return "its offerings are not known: " + findings.errors.front().message;
    if (offerings.empty()) return "nothing: " + (findings.warnings.empty() ? "no offering" : findings.warnings.front().message);
    return offerings_text(offerings);
}

/// The offerings of a Karpenter pool on which the pod may run, as far as taints, labels and sizes go.
std::vector<NodeOffering> offerings_for(const PodTemplate& pod, const KarpenterNodePool& pool, const Scenario& scenario) {
    if (!untolerated_taint(pod, pool.taints, scenario.cluster.cloud).empty()) return {};
    Findings findings;
    std::vector<NodeOffering> out = karpenter_offerings(pool, scenario.manifests, scenario.cluster, findings);
    std::erase_if(out, [&](const NodeOffering& o) {
        Labels labels = o.labels;
        // A label that only the pool's requirements name: a node gets the value that its pods ask for.
        for (const NodeRequirement& r : pool.requirements)
            if (const auto asked = pod.node_selector.find(r.expression.key);
                asked != pod.node_selector.end() && !labels.contains(asked->first) && r.expression.matches({{asked->first, asked->second}}))
                labels.insert(*asked);
        const bool too_small = o.type->gpu_count < pod.gpus() || o.type->vcpus * 1000 < pod.cpu_request_milli() ||
                               o.type->memory_gib * gib < static_cast<double>(pod.memory_request_bytes());
        return too_small || !unmet_label(pod, labels).empty();
    });
    return out;
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

class Chains {
public:
    Chains(const Scenario& scenario, const Price& price) : m_scenario(scenario), m_price(price) {}

    std::string text() {
        std::vector<std::string> aside;
        for (const WorkloadObject& workload : m_scenario.manifests.workloads) {
            if (!m_scenario.is_target(workload) && !workload.server && workload.pod.gpus() == 0) aside.push_back(workload.meta.title());
            else chain(workload);
        }
        for (const PoolSpec& pool : m_scenario.cluster.pools)
            if (!m_used.contains(&pool)) line_of("pool", pool_text(pool, m_price) + ": no model server runs there");
        if (!aside.empty()) line_of("no GPUs", join(aside));
        return std::move(m_out);
    }

private:
    /// `the prompts of Deployment/chat, routing random; their KV moves over the nodes' networks`
    static std::string prefills_text(const WorkloadSpec& spec, const WorkloadSpec& by) {
        std::string out = fmt::format("the prompts of {}/{}, routing {}", spec.target_kind, spec.target_name, routing_text(by.routing));
        if (spec.prefill.threshold_tokens > 0) out += fmt::format(", from {} uncached tokens on", spec.prefill.threshold_tokens);
        out += spec.prefill.link_bytes_per_s > 0 ? fmt::format("; their KV moves at {:g} GB/s a node", static_cast<double>(spec.prefill.link_bytes_per_s) / 1e9) : "; their KV moves over the nodes' networks";
        return out;
    }
    void line(const char* key, const std::string& value) {
        if (!value.empty()) m_out += fmt::format("  {:<10} {}\n", key, value);
    }
    void line_of(const char* key, const std::string& value) { m_out += fmt::format("{:<12} {}\n", key, value); }

    void chain(const WorkloadObject& workload) {
        m_out += fmt::format("{} {}{}\n", workload.meta.title(), at(workload.meta.where), workload.made_from.empty() ? "" : ", made from " + workload.made_from);
        const ModelServer* server = workload.server ? &*workload.server : nullptr;
        for (const WorkloadSpec& spec : m_scenario.workloads) {
            for (const WorkloadSpec& by : spec.prefilled_by)
                if (m_scenario.target_of(by) == &workload) {
                    line("prefills", prefills_text(spec, by));
                    server = m_scenario.server_of(by);
                }
            if (m_scenario.target_of(spec) != &workload) continue;
            for (const WorkloadSpec& by : spec.prefilled_by) line("prompts", fmt::format("computed by {}/{}", by.target_kind, by.target_name));
            line("requests", fmt::format("{}, routing {}", spec.synthetic ? "synthetic" + (spec.synthetic->preset.empty() ? "" : " " + spec.synthetic->preset) : spec.trace, routing_text(spec.routing)));
            server = m_scenario.server_of(spec);
        }
        line("serves", server ? server_text(*server) : "nothing that is known");
        line("each pod", (workload.group_size > 1 ? std::to_string(workload.group_size) + " pods a group; " : "") + needs_text(workload.pod));
        line("reached by", reached_text(m_scenario, workload));
        const ScaledBy scaler = scaled_by(m_scenario, workload);
        line("scaled by", scaler.text);
        line("guarded by", guarded_text(m_scenario, workload));
        if (workload.status) line("now", fmt::format("{} replicas, {} Ready", workload.status->replicas, workload.status->ready));
        const ClusterSpec& cluster = m_scenario.cluster;
        std::vector<const PoolSpec*> pools;
        std::vector<std::string> names, reasons;
        for (const PoolSpec& pool : cluster.pools) {
            const std::string why = why_not(workload.pod, pool, cluster);
            if (!why.empty()) {
                reasons.push_back(pool.name + ": " + why);
                continue;
            }
            m_used.insert(&pool);
            pools.push_back(&pool);
            names.push_back(pool_text(pool, m_price));
        }
        for (const KarpenterNodePool& pool : m_scenario.manifests.node_pools) {
            const std::vector<NodeOffering> offerings = offerings_for(workload.pod, pool, m_scenario);
            if (!offerings.empty()) names.push_back(pool.meta.title() + ": " + offerings_text(offerings));
            else if (const std::string taint = untolerated_taint(workload.pod, pool.taints, cluster.cloud); !taint.empty()) reasons.push_back(pool.meta.title() + ": " + taint);
            else reasons.push_back(pool.meta.title() + ": none of its offerings has what the pod asks for");
        }
        line("runs on", !names.empty() ? join(names) : reasons.empty() ? "no pool that is named" : "no pool: " + join(reasons, "; "));
        line("costs", cost_text(workload, pools, cluster, scaler, m_price));
        if (server != nullptr && !pools.empty()) line("starts", start_line(workload, *server, *pools.front()));
    }

    /// The longest path through a pod's start on the pool's nodes, at the medians.
    [[nodiscard]] std::string start_line(const WorkloadObject& workload, const ModelServer& server, const PoolSpec& pool) const {
        const auto spec = std::find_if(m_scenario.workloads.begin(), m_scenario.workloads.end(),
                                       [&](const WorkloadSpec& w) { return m_scenario.target_of(w) == &workload; });
        std::string gpu = pool.gpu;
        const auto type = get_instance_type(cloud_name(m_scenario.cluster.cloud), pool.instance_types.front());
        if (gpu.empty() && type) gpu = (*type)->gpu;
        const auto capacity = kv_capacity(kv_request_of(server, gpu));
        const auto graph = start_graph_of(m_scenario, spec != m_scenario.workloads.end() ? *spec : WorkloadSpec{}, workload, &server,
                                          capacity ? &*capacity : nullptr);
        return capacity && graph ? start_text(*graph) : "";
    }

    const Scenario& m_scenario;
    const Price& m_price;
    std::string m_out;
    std::set<const PoolSpec*> m_used;
};

}  // namespace

std::string validate_text(const Scenario& scenario, const Findings& findings, bool with_notes, const std::function<std::optional<double>(const PoolSpec&)>& price) {
    std::string out = Chains(scenario, price).text();
    for (const KarpenterNodePool& pool : scenario.manifests.node_pools)
        out += fmt::format("{} {}\n  launches   {}\n", pool.meta.title(), at(pool.meta.where), launches_text(pool, scenario));
    for (const Problem& p : findings.errors) out += "error: " + to_string(p) + "\n";
    for (const Problem& p : findings.warnings) out += "warning: " + to_string(p) + "\n";
    if (with_notes)
        for (const Problem& p : findings.notes) out += "note: " + to_string(p) + "\n";
    out += fmt::format("errors: {}, warnings: {}, notes: {}\n", findings.errors.size(), findings.warnings.size(), findings.notes.size());
    return out;
}

}  // namespace windtunnel
