#include "scenarios/node_auto_provisioning.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "models/bytes.hpp"
#include "models/gpu_catalog.hpp"
#include "models/instance_types.hpp"
#include "scenarios/node_allocatable.hpp"
#include "scenarios/node_labels.hpp"

namespace windtunnel {
namespace {

const char* const accelerator_label = "cloud.google.com/gke-accelerator";
const char* const class_label = "cloud.google.com/compute-class";
const char* const spot_label = "cloud.google.com/gke-spot";
/// By which pods ask for slices and shares of GPUs, and nodes have them.
const char* const division_labels[] = {"cloud.google.com/gke-gpu-partition-size", "cloud.google.com/gke-gpu-sharing-strategy",
                                       "cloud.google.com/gke-max-shared-clients-per-gpu"};

/// What a pod asks of the machines that are made for it.
struct Demand {
    const PodTemplate* pod = nullptr;
    std::string gpu;  ///< GKE's name of the accelerator
    std::int64_t gpus = 0, cpu_milli = 0, memory_bytes = 0;
    bool spot = false;
};

/// The value that a pod's selector, or the first of its required node affinity, asks of a label; "" = none.
std::string asked(const PodTemplate& pod, const std::string& key) {
    if (const auto found = pod.node_selector.find(key); found != pod.node_selector.end()) return found->second;
    for (const NodeAffinityTerm& term : pod.required_node_affinity)
        for (const SelectorExpression& e : term.expressions)
            if (e.key == key && e.op == SelectorOperator::in && !e.values.empty()) return e.values.front();
    return "";
}

Demand demand_of(const PodTemplate& pod) {
    Demand d;
    d.pod = &pod;
    d.gpu = asked(pod, accelerator_label);
    d.gpus = pod.gpus();
    d.cpu_milli = pod.cpu_request_milli();
    d.memory_bytes = pod.memory_request_bytes();
    d.spot = asked(pod, spot_label) == "true" || asked(pod, "cloud.google.com/gke-provisioning") == "spot";
    return d;
}

/// The cheapest machine that holds the pod and that `allowed` admits; nullptr when there is none.
template <class Allowed>
const InstanceType* cheapest_machine(const Demand& d, const ClusterSpec& cluster, bool spot, Allowed allowed) {
    const InstanceType* best = nullptr;
    std::int64_t least = 0;
    for (const InstanceType& type : all_instance_types()) {
        if (type.cloud != "gcp" || type.name.find("-t4") != std::string::npos || !allowed(type)) continue;
        const auto price = instance_price(type, cluster.region, spot ? CapacityType::spot : CapacityType::on_demand);
        const auto memory = static_cast<std::int64_t>(type.memory_gib * gib);
        if (!price || allocatable_cpu(std::int64_t{type.vcpus} * 1000) < d.cpu_milli || allocatable_memory(memory, CloudKind::gcp) < d.memory_bytes) continue;
        if (best != nullptr && *price >= least) continue;
        best = &type;
        least = *price;
    }
    return best;
}

/// Machines with at least the pod's GPUs, of its kind; general ones for pods without.
auto with_gpus(std::string gpu, std::int64_t count) {
    if (const auto known = get_gpu(gpu); !gpu.empty() && known) gpu = known->gpu.name;
    return [gpu, count](const InstanceType& type) {
        return count == 0 ? type.gpu_count == 0 : type.gpu == gpu && type.gpu_count >= count;
    };
}

class Provisioning {
public:
    Provisioning(Scenario& scenario, Findings& findings) : m_scenario(scenario), m_findings(findings) {}

    void add() {
        for (const ComputeClass& c : m_scenario.manifests.compute_classes) add_class(c);
        if (!m_scenario.manifests.auto_provisioning) return;
        for (const WorkloadObject& w : m_scenario.manifests.workloads) add_for(w.pod, w.meta);
        for (const JobObject& j : m_scenario.manifests.jobs) add_for(j.pod, j.meta);
        for (const BarePod& p : m_scenario.manifests.bare_pods) add_for(p.pod, p.meta);
    }

private:
    PoolSpec pool_of(const std::string& name, const InstanceType& type, bool spot, const SourcePosition& where, const std::string& path) const {
        PoolSpec pool;
        pool.name = name;
        pool.instance_types = {type.name};
        pool.capacity = spot ? CapacityType::spot : CapacityType::on_demand;
        pool.zone_groups = true;
        pool.balances = !spot;
        pool.autoscaled = true;
        pool.where = where;
        pool.path = path;
        if (type.gpu_count > 0) pool.taints.push_back({"nvidia.com/gpu", "present", TaintEffect::no_schedule});
        if (const auto& nap = m_scenario.manifests.auto_provisioning; nap && !nap->zones.empty()) pool.zones = nap->zones;
        if (pool.zones.empty()) pool.zones = m_scenario.cluster.zones;
        if (pool.zones.empty()) {
            NodeGroup group;
            group.instance_types = pool.instance_types;
            fill_zones(group, m_scenario.cluster.region);
            pool.zones = group.availability_zones;
        }
        pool.max_nodes = bounded(type, pool);
        return pool;
    }
    /// As many nodes as the cluster's resource limits allow of this machine alone.
    [[nodiscard]] std::int32_t bounded(const InstanceType& type, const PoolSpec& pool) const {
        std::int64_t most = 1000;  // GKE's default maximum of an auto-provisioned pool [documentation, 2025]
        const auto& nap = m_scenario.manifests.auto_provisioning;
        if (!nap) return static_cast<std::int32_t>(most);
        for (const auto& [name, limit] : nap->limits) {
            if (name == "cpu") most = std::min<std::int64_t>(most, limit / std::max(1, type.vcpus));
            else if (name == "memory") most = std::min(most, static_cast<std::int64_t>(static_cast<double>(limit) / std::max(1.0, type.memory_gib)));
            else if (const auto gpu = get_gpu(name); gpu && type.gpu_count > 0 && gpu->gpu.name == type.gpu) most = std::min<std::int64_t>(most, limit / type.gpu_count);
        }
        (void)pool;
        return static_cast<std::int32_t>(std::max<std::int64_t>(most, 0));
    }

    /// The GPUs of nodes made for a pod are divided as it asks.
    static void divide(const PodTemplate& pod, PoolSpec& pool) {
        for (const char* label : division_labels)
            if (const std::string value = asked(pod, label); !value.empty()) {
                pool.labels[label] = value;
                pool.name += "-" + value;
            }
    }

    void append(PoolSpec pool) {
        const auto same = [&](const PoolSpec& p) { return p.name == pool.name; };
        std::vector<PoolSpec>& pools = m_scenario.cluster.pools;
        if (std::any_of(pools.begin(), pools.end(), same)) return;  // two pods that want the same machines
        if (pool.max_nodes < 1) return;
        m_findings.notes.push_back({pool.where, pool.path, "GKE would make the pool " + pool.name + " of " + pool.instance_types.front() + " for pods that no other takes"});
        pools.push_back(std::move(pool));
    }

    void add_for(const PodTemplate& pod, const ObjectMeta& meta) {
        const ClusterSpec& cluster = m_scenario.cluster;
        const Demand d = demand_of(pod);
        if (!asked(pod, class_label).empty()) return;
        for (const PoolSpec& pool : cluster.pools)
            if (may_run_on(pod, pool, cluster)) return;
        if (d.gpus > 0 && d.gpu.empty()) {
            m_findings.warnings.push_back({meta.where, meta.title(), std::string("asks for GPUs without naming the kind: node auto-provisioning makes no pool for it, allowed: nodeSelector ") + accelerator_label});
            return;
        }
        const InstanceType* type = cheapest_machine(d, cluster, d.spot, with_gpus(d.gpu, d.gpus));
        if (type == nullptr) {
            m_findings.warnings.push_back({meta.where, meta.title(), "node auto-provisioning knows no machine for it in " + cluster.region});
            return;
        }
        PoolSpec pool = pool_of(fmt::format("nap-{}{}", type->name, d.spot ? "-spot" : ""), *type, d.spot, m_scenario.manifests.auto_provisioning->where, m_scenario.manifests.auto_provisioning->path);
        divide(pod, pool);
        // Labels that the pod selects and tolerates as a taint separate its nodes from others' (workload separation).
        for (const auto& [key, value] : pod.node_selector) {
            if (key.starts_with("cloud.google.com/") || key.find("kubernetes.io/") != std::string::npos) continue;
            const Taint taint{key, value, TaintEffect::no_schedule};
            const bool tolerated = std::any_of(pod.tolerations.begin(), pod.tolerations.end(), [&](const Toleration& t) { return t.tolerates(taint); });
            if (!tolerated) continue;
            pool.labels[key] = value;
            pool.taints.push_back(taint);
            pool.name += "-" + value;
        }
        append(std::move(pool));
    }

    void add_class(const ComputeClass& c) {
        const ClusterSpec& cluster = m_scenario.cluster;
        std::vector<Demand> demands;
        for (const WorkloadObject& w : m_scenario.manifests.workloads)
            if (asked(w.pod, class_label) == c.meta.name) demands.push_back(demand_of(w.pod));
        std::int32_t rank = 0;
        for (const ComputeClassRule& rule : c.rules) {
            --rank;
            for (PoolSpec& pool : m_scenario.cluster.pools)
                if (std::find(rule.pools.begin(), rule.pools.end(), pool.name) != rule.pools.end()) {
                    pool.priority = rank;
                    pool.labels.try_emplace(class_label, c.meta.name);
                }
            if (!rule.pools.empty() || !c.creates_pools) continue;
            for (const Demand& d : demands) {
                const bool spot = rule.spot.value_or(d.spot);
                const std::string gpu = !rule.gpu.empty() ? rule.gpu : d.gpu;
                const auto gpus = with_gpus(gpu, d.gpus);
                const auto allowed = [&](const InstanceType& type) {
                    const bool any_gpu = d.gpus > 0 && gpu.empty() && type.gpu_count >= d.gpus;
                    return (any_gpu || gpus(type)) && (rule.machine_type.empty() || type.name == rule.machine_type) &&
                           (rule.machine_family.empty() || type.name.starts_with(rule.machine_family + "-")) && type.gpu_count >= rule.gpu_count && type.vcpus >= rule.min_cores && type.memory_gib >= static_cast<double>(rule.min_memory_gb);
                };
                const InstanceType* type = cheapest_machine(d, cluster, spot, allowed);
                if (type == nullptr) continue;
                PoolSpec pool = pool_of(fmt::format("{}-{}{}", c.meta.name, type->name, spot ? "-spot" : ""), *type, spot, c.meta.where, c.meta.title());
                pool.priority = rank;
                divide(*d.pod, pool);
                pool.labels[class_label] = c.meta.name;
                pool.taints.push_back({class_label, c.meta.name, TaintEffect::no_schedule});
                append(std::move(pool));
            }
        }
    }

    Scenario& m_scenario;
    Findings& m_findings;
};

}  // namespace

void add_provisioned_pools(Scenario& scenario, Findings& findings) {
    if (!scenario.manifests.auto_provisioning && scenario.manifests.compute_classes.empty()) return;
    if (scenario.cluster.cloud == CloudKind::none) scenario.cluster.cloud = CloudKind::gcp;
    if (scenario.cluster.region.empty() && scenario.manifests.auto_provisioning)
        scenario.cluster.region = scenario.manifests.auto_provisioning->region;
    Provisioning(scenario, findings).add();
}

}  // namespace windtunnel
