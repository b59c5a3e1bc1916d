#pragma once
#include <string>

#include "scenarios/scenario.hpp"

namespace windtunnel {

/// The value of a label; "" where there is none.
[[nodiscard]] std::string label_value(const Labels& labels, const std::string& key);

/// The labels of a pool's nodes: its own, and those that clouds and GPU operators set: instance type, zone,
/// pool name, capacity type and GPU, as EKS, GKE, AKS, Karpenter and NVIDIA's GPU feature discovery name them.
/// A pool's own labels win.
[[nodiscard]] Labels node_labels(const PoolSpec& pool, const ClusterSpec& cluster, const std::string& instance_type, const std::string& zone);

/// The first of the pod's selectors and required node affinities that these labels do not answer, with what the
/// nodes carry instead; "" = none.
[[nodiscard]] std::string unmet_label(const PodTemplate& pod, const Labels& labels);

/// The first hard taint that the pod does not tolerate; "" = none. GKE's admission tolerates GPU taints for pods
/// that ask for GPUs.
[[nodiscard]] std::string untolerated_taint(const PodTemplate& pod, const std::vector<Taint>& taints, CloudKind cloud);

/// The weights of its preferred node-affinity terms that a node with these labels matches, added up.
[[nodiscard]] std::int32_t preference_for(const PodTemplate& pod, const Labels& labels);
/// Whether the node matches a term: all of its expressions hold.
[[nodiscard]] bool matches(const NodeAffinityTerm& term, const Labels& labels);
/// How many PreferNoSchedule taints the pod does not tolerate.
[[nodiscard]] std::int32_t soft_taints_for(const PodTemplate& pod, const std::vector<Taint>& taints);

/// What keeps a pod off a pool's nodes: the first taint that it does not tolerate, or the selector or
/// affinity that no node of the pool answers, with what the nodes carry instead. "" = it may run there.
/// Resources and GPU counts are for the compiler.
[[nodiscard]] std::string exclusion_of(const PodTemplate& pod, const PoolSpec& pool, const ClusterSpec& cluster);

[[nodiscard]] inline bool may_run_on(const PodTemplate& pod, const PoolSpec& pool, const ClusterSpec& cluster) {
    return exclusion_of(pod, pool, cluster).empty();
}

}  // namespace windtunnel
