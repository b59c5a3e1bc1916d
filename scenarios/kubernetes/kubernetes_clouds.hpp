#pragma once
#include "scenarios/documents/document.hpp"
#include "scenarios/kubernetes/kubernetes_nodes.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

// Node pools as the clouds' own objects and tools write them: Config Connector and gcloud (GKE), the Azure Service
// Operator and az (AKS), the Cluster API and its providers. Field names from the CRDs and tools of 2025 [from
// general knowledge, not re-read, 2026-11].

/// GKE's node auto-provisioning: pools that are made for pods that no pool takes.
struct NodeAutoProvisioning {
    std::map<std::string, std::int64_t> limits;  ///< resourceLimits: cpu (cores), memory (GB), nvidia-l4, ...
    std::string region;
    std::vector<std::string> zones;  ///< empty: the region's
    SourcePosition where;
    std::string path;
};

/// One rule of a ComputeClass, in the order of preference.
struct ComputeClassRule {
    std::string machine_family, machine_type;
    std::string gpu;  ///< as GKE's accelerator label has it
    std::int32_t gpu_count = 0;
    std::optional<bool> spot;
    std::int32_t min_cores = 0;
    std::int64_t min_memory_gb = 0;
    std::vector<std::string> pools;  ///< existing node pools, in place of everything else
};

/// A ComputeClass of GKE: pods that select it get nodes by its rules.
struct ComputeClass {
    ObjectMeta meta;
    std::vector<ComputeClassRule> rules;
    bool creates_pools = false;     ///< nodePoolAutoCreation
    bool scales_up_anyway = false;  ///< whenUnsatisfiable ScaleUpAnyway
};

/// Whether a document without apiVersion and kind is what `gcloud container` or `az aks` print.
[[nodiscard]] bool is_gcloud_pool(const Node& node);
[[nodiscard]] bool is_gcloud_cluster(const Node& node);
[[nodiscard]] bool is_az_pool(const Node& node);
[[nodiscard]] bool is_az_cluster(const Node& node);

[[nodiscard]] NodeGroup decode_gcloud_pool(Decoder& pool);
/// `gcloud container clusters describe`: its node pools, and auto-provisioning where it is on.
[[nodiscard]] std::vector<NodeGroup> decode_gcloud_cluster(Decoder& cluster, std::optional<NodeAutoProvisioning>& provisioning);
[[nodiscard]] NodeGroup decode_container_node_pool(Decoder& object, const ObjectMeta& meta);
[[nodiscard]] std::vector<NodeGroup> decode_container_cluster(Decoder& object, const ObjectMeta& meta, std::optional<NodeAutoProvisioning>& provisioning);
[[nodiscard]] ComputeClass decode_compute_class(Decoder& object, ObjectMeta meta);

[[nodiscard]] NodeGroup decode_az_pool(Decoder& pool);
[[nodiscard]] std::vector<NodeGroup> decode_az_cluster(Decoder& cluster);
/// Kinds ManagedClustersAgentPool and ManagedCluster of the Azure Service Operator.
[[nodiscard]] NodeGroup decode_agent_pool(Decoder& object, const ObjectMeta& meta);
[[nodiscard]] std::vector<NodeGroup> decode_managed_cluster(Decoder& object, const ObjectMeta& meta);

/// MachineDeployments, MachineSets and MachinePools of the Cluster API with the templates and pools of their
/// infrastructure providers (AWSMachineTemplate, AzureManagedMachinePool, ...), joined by name. `documents` are all
/// of the import; `at` is the one to read. Nothing where its infrastructure is among no document (an error).
[[nodiscard]] std::optional<NodeGroup> decode_machine_group(Decoder& object, const ObjectMeta& meta, const std::vector<Document>& documents);

/// GKE counts per zone; the zones of a pool that names a region only.
void fill_zones(NodeGroup& group, const std::string& location);

}  // namespace windtunnel
