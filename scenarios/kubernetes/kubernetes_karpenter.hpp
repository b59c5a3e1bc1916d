#pragma once
#include "policies/karpenter_schedule.hpp"
#include "scenarios/documents/decoder.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

// Karpenter's objects (karpenter.sh/v1 and v1beta1, karpenter.k8s.aws/v1 and v1beta1,
// karpenter.azure.com/v1alpha2 and v1beta1).

/// One entry of a NodePool's requirements. All must hold of a node's labels.
struct NodeRequirement {
    SelectorExpression expression;
    std::int32_t min_values = 0;    ///< so many distinct values must stay launchable; 0 = no demand
    SourcePosition where;
    std::string path;

    /// "karpenter.sh/capacity-type In [spot, on-demand]", as messages say it.
    [[nodiscard]] std::string text() const;
};

enum class ConsolidationPolicy : std::uint8_t { when_empty, when_empty_or_underutilized, balanced };

/// An entry of spec.disruption.budgets.
struct NodePoolBudget {
    IntOrPercent nodes{10, true};
    std::uint8_t reasons = 0;                ///< bits of DisruptionReason; 0 = all
    std::optional<std::string> schedule;     ///< cron in UTC; with `duration` or neither
    std::optional<Tick> duration;
    BudgetSchedule active;                   ///< the two, read
    SourcePosition where;
};

/// Defaults: kubernetes.md 9.1.
struct KarpenterNodePool {
    ObjectMeta meta;
    std::vector<NodeRequirement> requirements;
    Labels labels;
    std::vector<Taint> taints;
    std::vector<Taint> startup_taints;       ///< gone before pods land; planning ignores them
    std::map<std::string, Quantity> limits;  ///< cpu, memory, nvidia.com/gpu, nodes, ...
    std::int32_t weight = 1;
    ConsolidationPolicy consolidation = ConsolidationPolicy::when_empty_or_underutilized;
    std::optional<Tick> consolidate_after = Tick{0};       ///< empty: Never
    std::vector<NodePoolBudget> budgets{NodePoolBudget{}};
    std::optional<Tick> expire_after = seconds(720 * 3600);  ///< empty: Never
    std::optional<Tick> termination_grace;
    bool do_not_disrupt = false;             ///< template annotation karpenter.sh/do-not-disrupt: of all its nodes
    std::optional<std::int32_t> replicas;    ///< a static pool keeps so many nodes
    std::string node_class_kind;             ///< "EC2NodeClass", "AKSNodeClass", ...
    std::string node_class;                  ///< its name
    std::optional<std::int64_t> max_pods, pods_per_core;  ///< v1beta1: spec.template.spec.kubelet
    std::map<std::string, Quantity> kube_reserved, system_reserved;
    SourcePosition where;
};

/// An EC2NodeClass, AKSNodeClass or GCENodeClass: what its nodes are made from, as far as it reaches the result.
struct KarpenterNodeClass {
    ObjectMeta meta;
    std::vector<std::string> zones;          ///< of status.subnets, in a dump; empty: not known
    std::optional<std::int64_t> max_pods;    ///< kubelet.maxPods; AKS: maxPods
    std::optional<std::int64_t> pods_per_core;  ///< kubelet.podsPerCore
    std::map<std::string, Quantity> kube_reserved, system_reserved;
    bool instance_store = false;             ///< instanceStorePolicy RAID0
    std::int64_t root_volume_bytes = 0;      ///< of blockDeviceMappings, the root one; 0 = the family's own
    bool selects_reservations = false;       ///< capacityReservationSelectorTerms
    std::vector<std::string> reservations;   ///< of its status, in a dump: "cr-1 (g6.xlarge in us-east-1a, until ...)"
};

/// A NodeOverlay (gate NodeOverlay, alpha): the price that Karpenter takes for the offerings it matches. It decides what
/// is launched and consolidated, not what the cloud bills.
struct KarpenterOverlay {
    ObjectMeta meta;
    std::vector<NodeRequirement> requirements;
    std::int32_t weight = 0;                     ///< the heaviest that matches holds; of equals the last by name
    std::optional<std::int64_t> nano_usd;        ///< spec.price
    std::optional<std::int64_t> plus_nano_usd;   ///< spec.priceAdjustment such as "-0.5"
    std::optional<std::int64_t> plus_ppm;        ///< ... or "+10%", in millionths
    SourcePosition where;

    [[nodiscard]] bool matches(const Labels& labels) const;
    /// The price per hour in place of `nano`; never below 0.
    [[nodiscard]] std::int64_t price(std::int64_t nano) const;
};

/// A NodeClaim of a dump: a node that exists or is being launched.
struct KarpenterNodeClaim {
    ObjectMeta meta;
    std::string pool;                        ///< label karpenter.sh/nodepool
    std::string node;                        ///< status.nodeName; "" = not registered yet
    bool initialized = false;
};

/// Calls neither finish on `object` nor reads metadata and status of NodePools (the importer does).
[[nodiscard]] KarpenterNodePool decode_node_pool(Decoder& object, ObjectMeta meta, bool beta);
[[nodiscard]] KarpenterNodeClass decode_ec2_node_class(Decoder& object, ObjectMeta meta, bool beta);
[[nodiscard]] KarpenterNodeClass decode_aks_node_class(Decoder& object, ObjectMeta meta);
[[nodiscard]] KarpenterNodeClass decode_gce_node_class(Decoder& object, ObjectMeta meta);
[[nodiscard]] KarpenterOverlay decode_node_overlay(Decoder& object, ObjectMeta meta);
[[nodiscard]] KarpenterNodeClaim decode_node_claim(Decoder& object, ObjectMeta meta);

}  // namespace windtunnel
