#pragma once
#include "scenarios/scenario.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// Something that a cloud sells: an instance type in a zone, spot or on demand.
struct NodeOffering {
    const InstanceType* type = nullptr;
    std::string zone;                      ///< "" = the cluster names no zone
    CapacityType capacity = CapacityType::on_demand;
    std::int64_t nano_usd_per_hour = 0;          ///< as billed
    std::int64_t weighed_nano_usd_per_hour = 0;  ///< as Karpenter compares it: a NodeOverlay may say another price
    Labels labels;                         ///< of its nodes, the pool's own included
    std::int32_t reservation = -1;         ///< of capacity type reserved: which of ClusterSpec::reservations
};

/// The labels by which Karpenter's requirements choose instance types (karpenter.k8s.aws/instance-...,
/// karpenter.azure.com/sku-...), as far as the catalogue's facts say them.
[[nodiscard]] Labels karpenter_labels(const InstanceType& type);

/// What a Karpenter pool may launch: the catalogue's types of the cluster's cloud, in the zones of the node
/// class, of the requirements or of the cluster, spot and on demand where they have a price; of these the ones
/// whose labels meet all requirements. Sorted by price, then type, zone and capacity type.
///
/// Requirements that leave nothing are an error that names the one which excluded the last offering and what
/// was left before it; an instance type that the catalogue lacks is one that names the nearest. A pool that
/// asks for CPU families only has no offerings and gets a warning. Fewer distinct values than minValues is an
/// error.
[[nodiscard]] std::vector<NodeOffering> karpenter_offerings(const KarpenterNodePool& pool, const Manifests& manifests,
                                                            const ClusterSpec& cluster, Findings& findings);

}  // namespace windtunnel
