#pragma once
#include "policies/resources.hpp"

#include <cstdint>

/// What kube-scheduler knows of a pod and says of a node (v1.31.13; numbers
/// of clauses are kubernetes.md's). Selectors, labels and taints are resolved when a scenario is compiled:
/// a pod's rules name *counters* (how many pods of a set stand in each domain of a topology key).
///
/// The functions of scheduler_*.hpp look at the cluster through a `View` that the caller writes:
///   std::int32_t nodes()                                     nodes in the scheduler's cache, 0 .. n-1
///   NodeVerdict before_fit(rules, node)                      the filters up to NodePorts
///   NodeVerdict volumes(rules, node)                         the four volume filters
///   const ResourceAmounts& free(node), allocatable(node)     free: less the requests of all pods on it
///   ResourceAmounts nominated(rules, node)                   requests of pods nominated to it (7.4.5) that
///                                                            have at least the pod's priority, without
///                                                            itself
///   std::int32_t domain(key, node)                           -1 = the node lacks the label
///   std::int32_t domains(key)                                domains are 0 .. domains(key)-1
///   std::int32_t pods_in(counter, domain), nodes_in(counter, domain), pods_of(counter)
/// A view that knows more offers
///   std::int32_t next_candidate(node)                        the next node from `node` on that the filters up to
///                                                            NodeResourcesFit let pass, or nodes()
///   RejectionCounts refusals()                               why they refuse the others
/// and, for scores:
///   ScoringUse used(node)                                    with 100 mCPU / 200 MiB for containers that ask
///                                                            for nothing
///   std::int64_t soft_taints(rules, node), preference(rules, node), image_bytes(rules, node)
///   bool is_hostname(key)
namespace windtunnel {

/// Why a filter refuses a node; in the order of the default filters (7.2).
enum class Rejection : std::uint8_t {
    none,
    unschedulable,           ///< NodeUnschedulable: cordoned
    node_name,               ///< NodeName
    taint,                   ///< TaintToleration; detail = which taint
    node_affinity,           ///< NodeAffinity: selector or required affinity
    ports,                   ///< NodePorts
    resources,               ///< NodeResourcesFit; detail = bit per ResourceKind that is short
    volume_conflict,         ///< VolumeRestrictions
    volume_limit,            ///< NodeVolumeLimits
    volume_binding,          ///< VolumeBinding
    volume_zone,             ///< VolumeZone
    spread_label,            ///< PodTopologySpread: the node lacks the key
    spread,                  ///< PodTopologySpread: too skew
    affinity,                ///< InterPodAffinity, own required affinity
    anti_affinity,           ///< InterPodAffinity, own required anti-affinity
    existing_anti_affinity,  ///< InterPodAffinity, a running pod's required anti-affinity
    kinds,
};

/// What the filters say of one node.
struct NodeVerdict {
    Rejection reason = Rejection::none;
    bool removal_helps = true;  ///< false: UnschedulableAndUnresolvable, preemption skips the node
    std::uint16_t detail = 0;

    [[nodiscard]] WT_HD constexpr bool passes() const { return reason == Rejection::none; }
};

/// Whether the removal of pods from the node could cure this refusal (7.4.2). Resources: see
/// resource_verdict.
WT_HD constexpr bool removal_may_help(Rejection reason) {
    switch (reason) {
        case Rejection::unschedulable:
        case Rejection::node_name:
        case Rejection::taint:
        case Rejection::node_affinity:
        case Rejection::volume_binding:
        case Rejection::volume_zone:
        case Rejection::spread_label:
        case Rejection::affinity:
            return false;
        default:
            return true;
    }
}

WT_HD constexpr NodeVerdict refuse(Rejection reason, std::uint16_t detail = 0) {
    return {reason, removal_may_help(reason), detail};
}

inline constexpr std::int32_t max_counted_taints = 16;

/// How many nodes were refused for what in one attempt. A node that is short of two resources counts in
/// both, as in the scheduler's message.
struct RejectionCounts {
    std::int32_t nodes = 0;         ///< all nodes of the cluster
    std::int32_t unresolvable = 0;  ///< of the refused: removing pods would not help
    std::int32_t by_reason[static_cast<int>(Rejection::kinds)] = {};
    std::int32_t short_of[resource_kinds] = {};
    std::int32_t by_taint[max_counted_taints] = {};

    /// `nodes_like_it`: how many nodes are refused in this way.
    WT_HD constexpr void count(const NodeVerdict& v, std::int32_t nodes_like_it = 1) {
        by_reason[static_cast<int>(v.reason)] += nodes_like_it;
        unresolvable += v.removal_helps ? 0 : nodes_like_it;
        if (v.reason == Rejection::resources)
            for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
                short_of[kind] += (v.detail >> kind & 1) * nodes_like_it;
        if (v.reason == Rejection::taint)
            by_taint[v.detail < max_counted_taints ? v.detail : max_counted_taints - 1] += nodes_like_it;
    }
    /// Those of other nodes as well; `nodes` stays.
    WT_HD constexpr void add(const RejectionCounts& other) {
        unresolvable += other.unresolvable;
        for (int r = 0; r < static_cast<int>(Rejection::kinds); ++r) by_reason[r] += other.by_reason[r];
        for (std::int32_t kind = 0; kind < resource_kinds; ++kind) short_of[kind] += other.short_of[kind];
        for (std::int32_t t = 0; t < max_counted_taints; ++t) by_taint[t] += other.by_taint[t];
    }
    /// Bit per Rejection that refused some node: what must change before the pod is worth another attempt.
    [[nodiscard]] WT_HD constexpr std::uint32_t reasons() const {
        std::uint32_t mask = 0;
        for (int r = 1; r < static_cast<int>(Rejection::kinds); ++r)
            if (by_reason[r] > 0) mask |= std::uint32_t{1} << r;
        return mask;
    }
};

/// A topologySpreadConstraint (7.2.5). Its counter counts pods that match the selector and are not being
/// deleted, on nodes that carry all keys of the pod's hard constraints and satisfy its node affinity.
struct SpreadRule {
    std::int32_t counter = 0;
    std::int32_t key = 0;
    std::int32_t max_skew = 1;
    std::int32_t min_domains = 1;
    bool hard = true;  ///< DoNotSchedule; otherwise ScheduleAnyway
    bool self = true;  ///< the pod matches its own selector
    std::uint8_t padding[2] = {};
};

enum class AffinityKind : std::uint8_t {
    required,       ///< counter: pods that match *all* required affinity terms of the pod
    anti,           ///< counter: pods that match the term
    existing_anti,  ///< counter: pods that own a required anti-affinity term which matches this pod
    preferred,      ///< weight > 0 attracts, < 0 repels; running pods' own preferences are such rules too
};

/// An inter-pod (anti-)affinity term. Its counter counts terminating pods, too.
struct AffinityRule {
    std::int32_t counter = 0;
    std::int32_t key = 0;
    std::int32_t weight = 0;
    AffinityKind kind = AffinityKind::required;
    std::uint8_t own = 0;  ///< the pod's own term, not one of those that run
    std::uint8_t padding[2] = {};
};

inline constexpr std::int32_t max_spread_rules = 8;

/// What the scheduler needs to know of a pod; pods of one template share it. The arrays are the caller's.
struct PodRules {
    ResourceAmounts needs;                    ///< resource_pods must be 1
    std::int64_t scoring_cpu_milli = 100;     ///< for scores: a container without a request counts 100 mCPU
    std::int64_t scoring_memory = 209715200;  ///< and 200 MiB (7.3)
    std::int32_t priority = 0;
    std::int32_t containers = 1;
    const SpreadRule* spread = nullptr;
    std::int32_t spread_count = 0;  ///< at most max_spread_rules
    const AffinityRule* affinity = nullptr;
    std::int32_t affinity_count = 0;
    bool starts_affinity = false;        ///< matches all its own required affinity terms (7.2.4)
    bool system_default_spread = false;  ///< `spread` is the cluster's default, not the pod's own (7.3)
    bool preempts = true;                ///< preemptionPolicy is not Never
};

}  // namespace windtunnel
