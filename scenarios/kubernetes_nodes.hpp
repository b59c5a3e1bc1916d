#pragma once
#include "scenarios/decoder.hpp"
#include "scenarios/kubernetes_pods.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// A node group of an eksctl ClusterConfig.
struct NodeGroup {
    ObjectMeta meta;                          ///< of the ClusterConfig; `name` below is the group's
    std::string name;
    bool managed = true;                      ///< managedNodeGroups; else nodeGroups
    std::vector<std::string> instance_types;  ///< at least one
    bool spot = false;                        ///< all of it is spot
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
    LabelSelector selector;
    std::optional<IntOrPercent> min_available;    ///< exactly one of the two is set
    std::optional<IntOrPercent> max_unavailable;
    bool always_allow_unhealthy = false;          ///< unhealthyPodEvictionPolicy AlwaysAllow
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
