#pragma once
#include "scenarios/documents/decoder.hpp"
#include "scenarios/kubernetes/gpu_sharing.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

enum class CloudKind : std::uint8_t { none, aws, gcp, azure, oci };
/// As the catalogue of instance types and the price lists name it; "" where there is none.
[[nodiscard]] std::string cloud_name(CloudKind cloud);

/// Which of a pool's instance types the next node is.
enum class AllocationSpec : std::uint8_t {
    listed,    ///< the first that can be had, in the order of the list
    cheapest,  ///< the cheapest that can be had
    deep,      ///< spot: the cheapest among those with spare capacity just then
};

/// A node group of an eksctl ClusterConfig, or a node pool as another cloud or the Cluster API writes it
/// (scenarios/kubernetes_clouds.hpp).
struct NodeGroup {
    ObjectMeta meta;                          ///< of the object it stands in; `name` below is the group's
    std::string name;
    CloudKind cloud = CloudKind::aws;
    std::string region;                       ///< "" = not said
    bool managed = true;                      ///< managedNodeGroups; else nodeGroups
    std::vector<std::string> instance_types;  ///< at least one
    bool spot = false;                        ///< all of it is spot
    bool only_reserved = false;               ///< nothing beyond its reservations
    bool never_reserved = false;              ///< takes no node of a reservation
    std::optional<Tick> longest_run;          ///< after which the cloud ends a node
    AllocationSpec allocation = AllocationSpec::listed;
    bool buys_both = false;                   ///< on demand and spot, shared out by the next two
    std::int32_t on_demand_base = 0, on_demand_percent = 100;
    bool zone_groups = false;                 ///< every zone is a node group with bounds of its own
    bool balances = false;                    ///< with zone_groups: new nodes are spread over the zones
    std::int32_t zone_min = 0;
    std::optional<std::int32_t> zone_max;
    std::optional<bool> autoscaled;           ///< empty: as the cluster is
    std::string accelerator;                  ///< GKE: cards attached to the machine; "" = none
    std::int32_t accelerator_count = 0;
    GpuDivision division;                     ///< of its GPUs
    std::int64_t max_pods = 0;                ///< of a node; 0 = not said
    std::int32_t min_size = 0;
    std::int32_t max_size = 0;
    std::int32_t desired_capacity = 0;
    Labels labels;
    std::vector<Taint> taints;
    std::vector<std::string> availability_zones;  ///< empty: the cluster's
    SourcePosition where;
    std::string path;
};

struct PodDisruptionBudget {
    ObjectMeta meta;
    std::optional<LabelSelector> selector;        ///< none matches no pod, an empty one all of the namespace (policy/v1)
    std::optional<IntOrPercent> min_available;    ///< exactly one of the two is set
    std::optional<IntOrPercent> max_unavailable;
    bool always_allow_unhealthy = false;          ///< unhealthyPodEvictionPolicy AlwaysAllow

    [[nodiscard]] bool covers(const std::string& name_space, const Labels& pod_labels) const {
        return selector && name_space == meta.name_space && selector->matches(pod_labels);
    }
};

struct PriorityClass {
    ObjectMeta meta;
    std::int32_t value = 0;
    bool global_default = false;
    bool preempts = true;                         ///< preemptionPolicy is not Never
};

[[nodiscard]] std::vector<NodeGroup> decode_cluster_config(Decoder& object, const ObjectMeta& meta, std::string& region);
[[nodiscard]] PodDisruptionBudget decode_pod_disruption_budget(Decoder& object, ObjectMeta meta);
[[nodiscard]] PriorityClass decode_priority_class(Decoder& object, ObjectMeta meta);

}  // namespace windtunnel
