#include "scenarios/live_pools.hpp"

#include <algorithm>

#include "models/gpu_catalog.hpp"

namespace windtunnel {
namespace {

/// The labels by which clouds and tools name the group that a node belongs to.
constexpr const char* group_labels[] = {"eks.amazonaws.com/nodegroup", "alpha.eksctl.io/nodegroup-name", "cloud.google.com/gke-nodepool", "kubernetes.azure.com/agentpool", "agentpool",
                                        "kops.k8s.io/instancegroup", "cluster.x-k8s.io/deployment-name"};

std::string group_of(const NodeObject& node) {
    for (const char* label : group_labels)
        if (const std::string name = node.label(label); !name.empty()) return name;
    return "";
}

bool is_spot(const NodeObject& node) {
    return node.label("eks.amazonaws.com/capacityType") == "SPOT" || node.label("karpenter.sh/capacity-type") == "spot" || node.label("cloud.google.com/gke-spot") == "true" ||
           node.label("cloud.google.com/gke-provisioning") == "spot" || node.label("cloud.google.com/gke-preemptible") == "true" || node.label("kubernetes.azure.com/scalesetpriority") == "spot" ||
           node.label("node.kubernetes.io/lifecycle") == "spot";
}

CloudKind cloud_of(const NodeObject& node) {
    if (node.provider_id.starts_with("aws://")) return CloudKind::aws;
    if (node.provider_id.starts_with("gce://")) return CloudKind::gcp;
    if (node.provider_id.starts_with("azure://")) return CloudKind::azure;
    if (node.provider_id.starts_with("ocid1.")) return CloudKind::oci;
    return CloudKind::none;
}

std::string region_of(const NodeObject& node) {
    const std::string region = node.label("topology.kubernetes.io/region");
    return region.empty() ? node.label("failure-domain.beta.kubernetes.io/region") : region;
}

std::int64_t gpus_of(const NodeObject& node) {
    std::int64_t sum = 0;
    for (const auto& [name, amount] : node.allocatable.extended)
        if (is_gpu_resource(name)) sum += amount;
    return sum;
}

/// Its GPUs are advertised in slices, or several times each.
bool is_divided(const NodeObject& node) {
    const auto clients = to_integer(node.label("nvidia.com/gpu.replicas"));
    const bool sliced = node.label("nvidia.com/gpu.product").find("-MIG-") != std::string::npos;
    return sliced || (clients && *clients > 1) ||
           std::any_of(node.allocatable.extended.begin(), node.allocatable.extended.end(), [](const auto& r) { return r.first.starts_with("nvidia.com/mig-") || r.first.ends_with(".shared"); });
}

/// The GPU that a node's labels name, or "".
std::string gpu_of(const NodeObject& node) {
    for (const char* label : {"nvidia.com/gpu.product", "cloud.google.com/gke-accelerator", "karpenter.k8s.aws/instance-gpu-name", "karpenter.azure.com/sku-gpu-name", "k8s.amazonaws.com/accelerator"})
        if (std::string name = node.label(label); !name.empty()) {
            for (const char* suffix : {"-MIG-", "-SHARED"})  // GPU feature discovery's, of slices and shares
                if (const std::size_t at = name.find(suffix); at != std::string::npos) name.resize(at);
            if (get_gpu(name)) return name;
        }
    return "";
}

/// Taints that say how a node is, not what it is for.
bool is_condition(const Taint& taint) {
    return taint.key.starts_with("node.kubernetes.io/") || taint.key.starts_with("node.cloudprovider.kubernetes.io/") || taint.key == "ToBeDeletedByClusterAutoscaler" ||
           taint.key == "DeletionCandidateOfClusterAutoscaler" || taint.key == "karpenter.sh/disrupted";
}

bool same_kind(const NodeObject& a, const NodeObject& b) {
    return group_of(a) == group_of(b) && a.instance_type() == b.instance_type() && a.zone() == b.zone() && is_spot(a) == is_spot(b) && gpus_of(a) == gpus_of(b) &&
           a.allocatable.cpu_milli == b.allocatable.cpu_milli && a.taints.size() == b.taints.size();
}

constexpr const char* scale_down_disabled = "cluster-autoscaler.kubernetes.io/scale-down-disabled";

bool is_annotated(const NodeObject& node, const std::string& key) {
    const auto found = node.meta.annotations.find(key);
    return found != node.meta.annotations.end() && found->second == "true";
}

class LiveNodes {
public:
    LiveNodes(Scenario& scenario, Findings& findings) : m_scenario(scenario), m_findings(findings) {}

    void add() {
        std::vector<const NodeObject*> nodes;
        for (const NodeObject& node : m_scenario.manifests.live.nodes)
            if (counts(node)) nodes.push_back(&node);
        for (const NodeObject* node : nodes) place(*node);
        m_named = m_scenario.cluster.pools.size();
        while (!nodes.empty()) {
            const NodeObject& first = *nodes.front();
            const auto same = std::stable_partition(nodes.begin(), nodes.end(), [&](const NodeObject* n) { return same_kind(*n, first); });
            const auto count = static_cast<std::int32_t>(same - nodes.begin());
            take(first, count, static_cast<std::int32_t>(std::count_if(nodes.begin(), same, [](const NodeObject* n) { return is_annotated(*n, scale_down_disabled); })));
            nodes.erase(nodes.begin(), same);
        }
    }

private:
    void warn(const NodeObject& node, const std::string& message) { m_findings.warnings.push_back({node.meta.where, "", node.meta.title() + " " + message}); }

    bool counts(const NodeObject& node) {
        if (!node.ready) return warn(node, "is not Ready and is left out: its pods count as lost, its cost is not counted"), false;
        if (node.unschedulable) return warn(node, "is cordoned and is left out: its pods and its cost are not counted"), false;
        const std::string karpenter = node.label("karpenter.sh/nodepool");
        const auto& pools = m_scenario.manifests.node_pools;
        if (!karpenter.empty() && is_annotated(node, "karpenter.sh/do-not-disrupt"))
            warn(node, "is annotated karpenter.sh/do-not-disrupt, which is not simulated of single nodes: it may be consolidated");
        if (!karpenter.empty() && std::any_of(pools.begin(), pools.end(), [&](const KarpenterNodePool& p) { return p.meta.name == karpenter; }))
            return m_findings.notes.push_back({node.meta.where, "", node.meta.title() + " is of NodePool/" + karpenter + ", which has the nodes that the pods at t = 0 need"}), false;
        return true;
    }

    /// Cloud and region where nobody has said them.
    void place(const NodeObject& node) {
        ClusterSpec& cluster = m_scenario.cluster;
        if (cluster.cloud == CloudKind::none) cluster.cloud = cloud_of(node);
        if (cluster.region.empty() && cloud_of(node) == cluster.cloud) cluster.region = region_of(node);
    }

    /// `kept` of them are not to be taken by the cluster-autoscaler.
    void take(const NodeObject& node, std::int32_t count, std::int32_t kept) {
        const std::string group = group_of(node);
        for (std::size_t p = 0; p < m_named; ++p) {
            PoolSpec& pool = m_scenario.cluster.pools[p];
            const bool typed = std::find(pool.instance_types.begin(), pool.instance_types.end(), node.instance_type()) != pool.instance_types.end();
            const bool zoned = pool.zones.empty() || std::find(pool.zones.begin(), pool.zones.end(), node.zone()) != pool.zones.end();
            if (group.empty() ? !(typed && zoned && (pool.capacity == CapacityType::spot) == is_spot(node)) : pool.name != group) continue;
            if (!m_filled.contains(pool.name)) pool.initial_nodes = 0;  // what runs stands over what was desired
            m_filled.insert(pool.name);
            pool.initial_nodes += count;
            pool.protected_nodes += kept;
            if (pool.initial_nodes > pool.max_nodes) {
                m_findings.warnings.push_back({pool.where, pool.path, "has " + std::to_string(pool.initial_nodes) + " nodes in the dump, above its maximum of " + std::to_string(pool.max_nodes) + ", which is raised to that"});
                pool.max_nodes = pool.initial_nodes;
            }
            return;
        }
        make_pool(node, group, count);
    }

    void make_pool(const NodeObject& node, const std::string& group, std::int32_t count) {
        const std::string type = node.instance_type();
        const bool known = !cloud_name(m_scenario.cluster.cloud).empty() && get_instance_type(cloud_name(m_scenario.cluster.cloud), type);
        if (!known && gpus_of(node) == 0)
            return warn(node, "has no GPU and is of the type \"" + type + "\", whose price is not known: its kind is left out");
        PoolSpec pool;
        pool.name = group.empty() ? (type.empty() ? node.meta.name : type + (node.zone().empty() ? "" : "-" + node.zone())) : group;
        const std::string base = pool.name;
        const auto taken = [&] { return std::any_of(m_scenario.cluster.pools.begin(), m_scenario.cluster.pools.end(), [&](const PoolSpec& p) { return p.name == pool.name; }); };
        for (int n = 2; taken(); ++n) pool.name = base + "-" + std::to_string(n);
        pool.instance_types = {type.empty() ? node.meta.name : type};
        pool.capacity = is_spot(node) ? CapacityType::spot : CapacityType::on_demand;
        pool.min_nodes = pool.max_nodes = pool.initial_nodes = count;
        pool.autoscaled = false;  // nobody said who would add to them
        pool.cpu_milli = node.allocatable.cpu_milli;
        pool.memory_bytes = node.allocatable.memory_bytes;
        pool.gpus_per_node = static_cast<std::int32_t>(gpus_of(node));
        if (is_divided(node)) pool.gpus_per_node = known ? 0 : static_cast<std::int32_t>(to_integer(node.label("nvidia.com/gpu.count")).value_or(1));
        if (!known) pool.gpu = gpu_of(node);
        if (!node.zone().empty()) pool.zones = {node.zone()};
        pool.labels = node.meta.labels;
        pool.labels.erase("kubernetes.io/hostname");
        for (const Taint& taint : node.taints)
            if (!is_condition(taint)) pool.taints.push_back(taint);
        pool.where = node.meta.where;
        pool.path = node.meta.title();
        m_scenario.cluster.pools.push_back(std::move(pool));
    }

    Scenario& m_scenario;
    Findings& m_findings;
    std::size_t m_named = 0;  ///< pools that the scenario and the node groups name; the others are made here
    std::set<std::string> m_filled;
};

}  // namespace

void add_live_nodes(Scenario& scenario, Findings& findings) { LiveNodes(scenario, findings).add(); }

}  // namespace windtunnel
