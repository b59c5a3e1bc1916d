#include "scenarios/node_labels.hpp"

#include <algorithm>
#include <fmt/format.h>

#include "models/lower_case.hpp"
#include "models/gpu_catalog.hpp"
#include "models/instance_types.hpp"

namespace windtunnel {
namespace {

/// How a card is called by node labels: `nvidia.com/gpu.product` is the name that nvidia-smi prints with dashes
/// for blanks (GPU feature discovery), `cloud.google.com/gke-accelerator` is GKE's (its documentation, 2026),
/// the last is Karpenter's `karpenter.k8s.aws/instance-gpu-name` (EC2's names, 2026).
struct GpuLabelRow {
    const char* gpu;
    const char* product;
    const char* gke;
    const char* karpenter;
};
constexpr GpuLabelRow gpu_labels[] = {
    {"t4-16gb", "Tesla-T4", "nvidia-tesla-t4", "t4"},
    {"v100-16gb", "Tesla-V100-SXM2-16GB", "nvidia-tesla-v100", "v100"},
    {"v100-32gb", "Tesla-V100-SXM2-32GB", "", "v100"},
    {"a10g-24gb", "NVIDIA-A10G", "", "a10g"},
    {"a10-24gb", "NVIDIA-A10", "", ""},
    {"l4-24gb", "NVIDIA-L4", "nvidia-l4", "l4"},
    {"l40-48gb", "NVIDIA-L40", "", ""},
    {"l40s-48gb", "NVIDIA-L40S", "", "l40s"},
    {"a40-48gb", "NVIDIA-A40", "", ""},
    {"a6000-48gb", "NVIDIA-RTX-A6000", "", ""},
    {"a100-sxm-40gb", "NVIDIA-A100-SXM4-40GB", "nvidia-tesla-a100", "a100"},
    {"a100-pcie-40gb", "NVIDIA-A100-PCIE-40GB", "", ""},
    {"a100-sxm-80gb", "NVIDIA-A100-SXM4-80GB", "nvidia-a100-80gb", "a100"},
    {"a100-pcie-80gb", "NVIDIA-A100-80GB-PCIe", "", ""},
    {"h100-sxm-80gb", "NVIDIA-H100-80GB-HBM3", "nvidia-h100-80gb", "h100"},
    {"h100-pcie-80gb", "NVIDIA-H100-PCIe", "", ""},
    {"h100-nvl-94gb", "NVIDIA-H100-NVL", "", ""},
    {"h20-96gb", "NVIDIA-H20", "", ""},
    {"h200-sxm-141gb", "NVIDIA-H200", "nvidia-h200-141gb", "h200"},
    {"b200-sxm-180gb", "NVIDIA-B200", "nvidia-b200", "b200"},
    {"gb200-186gb", "NVIDIA-GB200", "nvidia-gb200", "gb200"},
    {"rtx-pro-6000-96gb", "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "nvidia-rtx-pro-6000", ""},
};

struct NodeGpus {
    std::string name;  ///< of the catalogue; "" = none, or unknown
    int count = 0;
};

NodeGpus gpus_of(const PoolSpec& pool, const ClusterSpec& cluster, const std::string& instance_type) {
    NodeGpus out{pool.gpu, pool.gpus_per_node};
    if (cluster.cloud != CloudKind::none)
        if (const auto type = get_instance_type(cloud_name(cluster.cloud), instance_type)) {
            if (out.name.empty()) out.name = (*type)->gpu;
            if (out.count == 0) out.count = (*type)->gpu_count;
        }
    if (const auto gpu = get_gpu(out.name); gpu && !out.name.empty()) out.name = gpu->gpu.name;
    return out;
}

/// What Karpenter writes on a node of EC2: "g6.2xlarge" is of category g, generation 6, family g6.
void add_karpenter(Labels& labels, const PoolSpec& pool, const std::string& instance_type) {
    labels.try_emplace("karpenter.sh/capacity-type", pool.capacity == CapacityType::spot ? "spot" : "on-demand");
    labels.try_emplace("karpenter.sh/nodepool", pool.name);
    const std::string family = instance_type.substr(0, instance_type.find('.'));
    const std::size_t digits = std::min(family.find_first_of("0123456789"), family.size());
    const std::size_t end = std::min(family.find_first_not_of("0123456789", digits), family.size());
    labels.try_emplace("karpenter.k8s.aws/instance-family", family);
    labels.try_emplace("karpenter.k8s.aws/instance-category", family.substr(0, digits));
    labels.try_emplace("karpenter.k8s.aws/instance-generation", family.substr(digits, end - digits));
    if (family.size() < instance_type.size()) labels.try_emplace("karpenter.k8s.aws/instance-size", instance_type.substr(family.size() + 1));
}

void add_gpus(Labels& labels, const PoolSpec& pool, CloudKind cloud, const NodeGpus& gpus, const std::string& instance_type) {
    if (gpus.name.empty() || gpus.count == 0) return;
    const auto row = std::find_if(std::begin(gpu_labels), std::end(gpu_labels), [&](const GpuLabelRow& r) { return gpus.name == r.gpu; });
    const bool known = row != std::end(gpu_labels);
    labels.try_emplace("nvidia.com/gpu.present", "true");
    labels.try_emplace("nvidia.com/gpu.count", std::to_string(gpus.count));
    if (known) labels.try_emplace("nvidia.com/gpu.product", row->product);
    std::string accelerator = known ? row->gke : "";
    if (instance_type.starts_with("a3-megagpu")) accelerator = "nvidia-h100-mega-80gb";
    if (cloud == CloudKind::gcp) {
        if (!accelerator.empty()) labels.try_emplace("cloud.google.com/gke-accelerator", accelerator);
        labels.try_emplace("cloud.google.com/gke-accelerator-count", std::to_string(gpus.count));
    }
    if (cloud == CloudKind::aws) {
        // The label by which the cluster autoscaler knows GPU nodes; its value is the cluster owner's choice.
        if (known) labels.try_emplace("k8s.amazonaws.com/accelerator", accelerator.empty() ? lower_case(row->product) : accelerator);
        if (pool.path.starts_with("cluster.pools") && known && *row->karpenter != '\0') {
            labels.try_emplace("karpenter.k8s.aws/instance-gpu-name", row->karpenter);
            labels.try_emplace("karpenter.k8s.aws/instance-gpu-manufacturer", "nvidia");
            labels.try_emplace("karpenter.k8s.aws/instance-gpu-count", std::to_string(gpus.count));
        }
    }
    if (cloud == CloudKind::azure)
        for (const char* key : {"accelerator", "kubernetes.azure.com/accelerator"}) labels.try_emplace(key, "nvidia");
}

/// Labels that say how a node was set up, which a pool does not state and a result does not follow from.
bool is_set_up_label(const std::string& key) {
    return key == "cloud.google.com/gke-gpu-driver-version" || key == "cloud.google.com/gke-boot-disk" || key == "nvidia.com/gpu.deploy.driver" ||
           key == "nvidia.com/gpu.deploy.device-plugin" || key == "nvidia.com/gpu.deploy.operands";
}

std::string shown(const Labels& labels, const std::string& key) {
    const auto found = labels.find(key);
    return found == labels.end() ? "no such label" : found->second;
}

}  // namespace

std::string unmet_label(const PodTemplate& pod, const Labels& labels) {
    for (const auto& [key, value] : pod.node_selector) {
        if (is_set_up_label(key)) continue;
        const auto found = labels.find(key);
        if (found == labels.end() || found->second != value) return fmt::format("its nodeSelector asks for {}: {}, the nodes have {}", key, value, shown(labels, key));
    }
    if (pod.required_node_affinity.empty()) return "";
    std::string reason;
    for (const NodeAffinityTerm& term : pod.required_node_affinity) {
        if (term.empty()) {
            if (reason.empty()) reason = "its node affinity has a term without expressions, which matches no node";
            continue;
        }
        const auto failed = std::find_if(term.expressions.begin(), term.expressions.end(),
                                         [&](const SelectorExpression& e) { return !is_set_up_label(e.key) && !e.matches(labels); });
        if (failed == term.expressions.end()) return "";
        if (reason.empty()) reason = fmt::format("its node affinity is about {}, of which the nodes have {}", failed->key, shown(labels, failed->key));
    }
    return reason;
}

std::string untolerated_taint(const PodTemplate& pod, const std::vector<Taint>& taints, CloudKind cloud) {
    for (const Taint& taint : taints) {
        // GKE adds this toleration to every pod that asks for GPUs (its ExtendedResourceToleration admission).
        // For pods that select a ComputeClass it tolerates the class's taint.
        const auto chosen = pod.node_selector.find(taint.key);
        const bool of_class = taint.key == "cloud.google.com/compute-class" && chosen != pod.node_selector.end() && chosen->second == taint.value;
        const bool added = cloud == CloudKind::gcp && ((taint.key == "nvidia.com/gpu" && pod.gpus() > 0) || of_class);
        const bool tolerated = added || std::any_of(pod.tolerations.begin(), pod.tolerations.end(), [&](const Toleration& t) { return t.tolerates(taint); });
        if (taint.effect != TaintEffect::prefer_no_schedule && !tolerated)
            return fmt::format("it does not tolerate the nodes' taint {}{}", taint.key, taint.value.empty() ? "" : "=" + taint.value);
    }
    return "";
}

bool matches(const NodeAffinityTerm& term, const Labels& labels) {
    return !term.empty() && std::all_of(term.expressions.begin(), term.expressions.end(), [&](const SelectorExpression& e) { return is_set_up_label(e.key) || e.matches(labels); });
}

std::int32_t preference_for(const PodTemplate& pod, const Labels& labels) {
    std::int32_t sum = 0;
    for (const PreferredNodeTerm& t : pod.preferred_node_affinity)
        if (matches(t.term, labels)) sum += t.weight;
    return sum;
}

std::int32_t soft_taints_for(const PodTemplate& pod, const std::vector<Taint>& taints) {
    return static_cast<std::int32_t>(std::count_if(taints.begin(), taints.end(), [&](const Taint& taint) {
        return taint.effect == TaintEffect::prefer_no_schedule &&
               std::none_of(pod.tolerations.begin(), pod.tolerations.end(), [&](const Toleration& t) { return t.tolerates(taint); });
    }));
}

Labels node_labels(const PoolSpec& pool, const ClusterSpec& cluster, const std::string& instance_type, const std::string& zone) {
    Labels labels = pool.labels;
    const bool spot = pool.capacity == CapacityType::spot;
    labels.try_emplace("node.kubernetes.io/instance-type", instance_type);
    labels.try_emplace("beta.kubernetes.io/instance-type", instance_type);
    labels.try_emplace("kubernetes.io/os", "linux");
    std::string arch = "amd64";
    if (cluster.cloud != CloudKind::none)
        if (const auto type = get_instance_type(cloud_name(cluster.cloud), instance_type)) arch = (*type)->arch;
    labels.try_emplace("kubernetes.io/arch", arch);
    if (!cluster.region.empty()) labels.try_emplace("topology.kubernetes.io/region", cluster.region);
    if (!zone.empty()) labels.try_emplace("topology.kubernetes.io/zone", zone);
    // Names from the clouds' documentation, 2025.
    switch (cluster.cloud) {
        case CloudKind::aws:
            labels.try_emplace("eks.amazonaws.com/nodegroup", pool.name);
            labels.try_emplace("alpha.eksctl.io/nodegroup-name", pool.name);
            labels.try_emplace("eks.amazonaws.com/capacityType", spot ? "SPOT" : "ON_DEMAND");
            if (pool.path.starts_with("cluster.pools")) add_karpenter(labels, pool, instance_type);
            break;
        case CloudKind::gcp:
            labels.try_emplace("cloud.google.com/gke-nodepool", pool.name);
            labels.try_emplace("cloud.google.com/machine-family", instance_type.substr(0, instance_type.find('-')));
            labels.try_emplace("cloud.google.com/gke-provisioning", spot ? "spot" : "standard");
            if (spot) labels.try_emplace("cloud.google.com/gke-spot", "true");
            break;
        case CloudKind::azure:
            labels.try_emplace("agentpool", pool.name);
            labels.try_emplace("kubernetes.azure.com/agentpool", pool.name);
            if (spot) labels.try_emplace("kubernetes.azure.com/scalesetpriority", "spot");
            break;
        case CloudKind::oci:  // none of its own that pods select by
        case CloudKind::none: break;
    }
    add_gpus(labels, pool, cluster.cloud, gpus_of(pool, cluster, instance_type), instance_type);
    return labels;
}

std::string exclusion_of(const PodTemplate& pod, const PoolSpec& pool, const ClusterSpec& cluster) {
    if (std::string taint = untolerated_taint(pod, pool.taints, cluster.cloud); !taint.empty()) return taint;
    std::vector<std::string> zones = pool.zones.empty() ? cluster.zones : pool.zones;
    if (zones.empty()) zones.emplace_back();
    std::string reason;
    for (const std::string& type : pool.instance_types)
        for (const std::string& zone : zones) {
            std::string here = unmet_label(pod, node_labels(pool, cluster, type, zone));
            if (here.empty()) return "";
            if (reason.empty()) reason = std::move(here);
        }
    return reason;
}

std::string label_value(const Labels& labels, const std::string& key) {
    const auto found = labels.find(key);
    return found == labels.end() ? "" : found->second;
}

}  // namespace windtunnel
