#pragma once
#include "models/time.hpp"
#include "policies/karpenter_provisioning.hpp"

#include <cstdint>

/// Which nodes Karpenter takes away or replaces by cheaper ones (kubernetes-sigs/karpenter
/// pkg/controllers/disruption, 22664681, 2026-08-20).
namespace windtunnel {

/// controllers/disruption constants.
struct KarpenterDisruptionRules {
    Tick poll = seconds(10);              ///< the loop, when idle
    Tick validation_delay = seconds(15);  ///< between finding a command and carrying it out
    std::int32_t multi_node_candidates = 100;
    bool spot_to_spot = false;             ///< gate SpotToSpotConsolidation
    std::int32_t spot_to_spot_types = 15;  ///< cheaper types that a single-node spot replacement needs
};

/// A node as disruption sees it, parallel to the KarpenterNode of the same index.
struct DisruptionNode {
    std::int32_t pool = 0;
    bool initialized = true;
    bool deleting = false;
    bool nominated = false;          ///< planned for pods within the last 20 s
    bool do_not_disrupt = false;     ///< the annotation, on the node or on a running pod
    bool budget_blocked = false;     ///< a pod with a PDB that allows nothing, or under two PDBs
    bool consolidate_never = false;  ///< consolidateAfter: Never
    bool only_when_empty = false;    ///< consolidationPolicy WhenEmpty
    Tick consolidate_after;
    Tick last_pod_event;         ///< a pod bound, removed or ended; before any, the initialisation
    std::int32_t first_pod = 0;  ///< its reschedulable pods in the scene's array
    std::int32_t pod_count = 0;
    double eviction_cost = 0.0;  ///< sum of max(0, eviction_cost(pod)) over these
};

/// What evicting one pod counts: 1 for an ordinary one, in [-10, 10].
WT_HD constexpr double eviction_cost(std::int32_t deletion_cost, std::int32_t priority) {
    const double cost =
        1.0 + static_cast<double>(deletion_cost) / 134217728.0 + static_cast<double>(priority) / 33554432.0;
    return cost < -10.0 ? -10.0 : cost > 10.0 ? 10.0 : cost;
}

/// Whether a node may be disrupted voluntarily at all.
WT_HD constexpr bool is_candidate(const DisruptionNode& node) {
    return node.initialized && !node.deleting && !node.nominated && !node.do_not_disrupt &&
           !node.budget_blocked;
}

/// Whether nothing has happened on the node for consolidateAfter.
WT_HD constexpr bool is_settled(const DisruptionNode& node, Tick now) {
    return !node.consolidate_never && now - node.last_pod_event >= node.consolidate_after;
}

/// Empty = evicting what is on it costs nothing.
WT_HD constexpr bool is_empty(const DisruptionNode& node) { return node.eviction_cost <= 0.0; }

/// Dearest node per disturbed pod first: price / (1 + eviction cost).
WT_HD constexpr double candidate_value(const DisruptionNode& node, const KarpenterOffering& offering) {
    return static_cast<double>(offering.price_nano_usd_per_hour) / (1.0 + node.eviction_cost);
}

/// The cluster, and memory to try things out in; everything belongs to the caller.
struct ConsolidationScene {
    const KarpenterOffering* offerings = nullptr;
    std::int32_t offering_count = 0;
    const KarpenterPool* pools = nullptr;
    std::int32_t pool_count = 0;
    const KarpenterNode* nodes = nullptr;   ///< [node_count]
    const DisruptionNode* views = nullptr;  ///< [node_count]
    std::int32_t node_count = 0;
    const KarpenterPod* pods = nullptr;      ///< reschedulable pods, contiguous per node
    KarpenterPool* scratch_pools = nullptr;  ///< [pool_count]
    KarpenterNode* scratch_nodes = nullptr;  ///< [node_count]
    KarpenterPod* scratch_pods = nullptr;    ///< [all pods]
};

enum class ConsolidationAction : std::uint8_t { none, remove, replace };

struct Consolidation {
    ConsolidationAction action = ConsolidationAction::none;
    OfferingSet replacement;  ///< what the replacement may be launched from
    std::int32_t pool = 0;    ///< and from which pool
};

namespace karpenter_detail {

/// The dearest offering of a type in the capacity type that a launch would use: reserved, then spot, then
/// on-demand; -1 where the set has none.
WT_HD constexpr std::int64_t worst_price(const KarpenterOffering* offerings, std::int32_t count,
                                         const OfferingSet& set, std::int32_t type) {
    std::int64_t price = -1;
    OfferingKind used = OfferingKind::on_demand;
    for (std::int32_t i = 0; i < count; ++i) {
        if (!set.has(i) || offerings[i].type != type) continue;
        const KarpenterOffering& offering = offerings[i];
        if (price < 0 || offering.kind < used ||
            (offering.kind == used && offering.price_nano_usd_per_hour > price)) {
            price = offering.price_nano_usd_per_hour;
            used = offering.kind;
        }
    }
    return price;
}

/// The types of `set` whose worst launch price lies strictly below `limit`.
WT_HD constexpr OfferingSet cheaper_than(const KarpenterOffering* offerings, std::int32_t count,
                                         const OfferingSet& set, std::int64_t limit) {
    OfferingSet kept = set;
    for (std::int32_t i = 0; i < count; ++i)
        if (kept.has(i) && worst_price(offerings, count, set, offerings[i].type) >= limit) kept.remove(i);
    return kept;
}

WT_HD constexpr bool has_offering_kind(const KarpenterOffering* offerings, std::int32_t count,
                                       const OfferingSet& set, OfferingKind type) {
    for (std::int32_t i = 0; i < count; ++i)
        if (set.has(i) && offerings[i].kind == type) return true;
    return false;
}

WT_HD constexpr OfferingSet only_spot(const KarpenterOffering* offerings, std::int32_t count,
                                      OfferingSet set) {
    for (std::int32_t i = 0; i < count; ++i)
        if (set.has(i) && offerings[i].kind != OfferingKind::spot) set.remove(i);
    return set;
}

/// Keeps the `wanted` cheapest types; nothing where there are fewer.
WT_HD constexpr OfferingSet cheapest_types(const KarpenterOffering* offerings, std::int32_t count,
                                           const OfferingSet& set, std::int32_t wanted) {
    OfferingSet left = set, kept;
    for (; wanted > 0; --wanted) {
        std::int32_t best = -1;
        for (std::int32_t i = 0; i < count; ++i)
            if (left.has(i) &&
                (best < 0 || offerings[i].price_nano_usd_per_hour < offerings[best].price_nano_usd_per_hour))
                best = i;
        if (best < 0) return {};
        for (std::int32_t i = 0; i < count; ++i) {
            if (!left.has(i) || offerings[i].type != offerings[best].type) continue;
            kept.add(i);
            left.remove(i);
        }
    }
    return kept;
}

}  // namespace karpenter_detail

/// What would become of the cluster without `candidates` (node indices): everything fits elsewhere
/// (remove), everything fits with one new node that is surely cheaper than all candidates together
/// (replace), or neither. Nodes that are not settled receive no pods. Limits count the candidates as gone.
WT_HD constexpr Consolidation try_consolidation(const ConsolidationScene& scene,
                                                const KarpenterDisruptionRules& rules,
                                                const std::int32_t* candidates, std::int32_t candidate_count,
                                                Tick now) {
    using namespace karpenter_detail;
    const auto* offerings = scene.offerings;
    const std::int32_t count = scene.offering_count;
    for (std::int32_t i = 0; i < scene.pool_count; ++i) scene.scratch_pools[i] = scene.pools[i];
    std::int32_t nodes = 0, pods = 0;
    std::int64_t price = 0;
    bool all_spot = true;
    for (std::int32_t n = 0; n < scene.node_count; ++n) {
        bool chosen = false;
        for (std::int32_t c = 0; c < candidate_count && !chosen; ++c) chosen = candidates[c] == n;
        const DisruptionNode& view = scene.views[n];
        if (!chosen) {
            if (!view.deleting && is_settled(view, now)) scene.scratch_nodes[nodes++] = scene.nodes[n];
            continue;
        }
        const KarpenterOffering& offering = offerings[scene.nodes[n].offering];
        price += offering.price_nano_usd_per_hour;
        all_spot = all_spot && offering.kind == OfferingKind::spot;
        scene.scratch_pools[view.pool].remaining += offering.capacity;
        ++scene.scratch_pools[view.pool].remaining_nodes;
        for (std::int32_t p = 0; p < view.pod_count; ++p)
            scene.scratch_pods[pods++] = scene.pods[view.first_pod + p];
    }
    KarpenterClaim claim;
    const ProvisioningPlan plan =
        plan_batch({offerings, count, scene.scratch_pools, scene.pool_count, scene.scratch_pods, pods,
                    scene.scratch_nodes, nodes, &claim, 1});
    // A second new node would not find room among the claims, so it shows as unscheduled pods.
    if (plan.unscheduled > 0) return {};
    if (plan.claim_count == 0) return {ConsolidationAction::remove, {}, 0};

    OfferingSet set = claim.offerings;
    const bool may_be_spot = has_offering_kind(offerings, count, set, OfferingKind::spot);
    if (all_spot && may_be_spot) {
        if (!rules.spot_to_spot) return {};
        set = cheaper_than(offerings, count, only_spot(offerings, count, set), price);
        // Without a wide choice a spot node would be exchanged for the next cheapest, over and over.
        if (candidate_count == 1) set = cheapest_types(offerings, count, set, rules.spot_to_spot_types);
    } else {
        set = cheaper_than(offerings, count, set, price);
        // Prices were judged as spot; launching on-demand instead could cost more than what is replaced.
        if (has_offering_kind(offerings, count, set, OfferingKind::spot) &&
            has_offering_kind(offerings, count, set, OfferingKind::on_demand))
            set = only_spot(offerings, count, set);
    }
    if (set.empty()) return {};
    return {ConsolidationAction::replace, set, claim.pool};
}

/// Drops from a multi-node replacement what would only keep a node of a type that is being removed: it has
/// to be cheaper than every candidate of a type that it may be.
WT_HD constexpr OfferingSet without_same_type(const ConsolidationScene& scene, const OfferingSet& set,
                                              const std::int32_t* candidates, std::int32_t candidate_count) {
    std::int64_t limit = INT64_MAX;
    for (std::int32_t c = 0; c < candidate_count; ++c) {
        const KarpenterOffering& held = scene.offerings[scene.nodes[candidates[c]].offering];
        if (karpenter_detail::worst_price(scene.offerings, scene.offering_count, set, held.type) < 0)
            continue;
        if (held.price_nano_usd_per_hour < limit) limit = held.price_nano_usd_per_hour;
    }
    return karpenter_detail::cheaper_than(scene.offerings, scene.offering_count, set, limit);
}

/// The longest prefix (of at least two) of `candidates` that can be removed or replaced together, by
/// bisection as upstream does it; `taken` = its length, 0 where there is none. `candidates` are sorted by
/// candidate_value descending and already cut to the budgets.
WT_HD constexpr Consolidation consolidate_many(const ConsolidationScene& scene,
                                               const KarpenterDisruptionRules& rules,
                                               const std::int32_t* candidates, std::int32_t candidate_count,
                                               Tick now, std::int32_t& taken) {
    Consolidation found;
    taken = 0;
    std::int32_t low = 1;
    std::int32_t high =
        (candidate_count < rules.multi_node_candidates ? candidate_count : rules.multi_node_candidates) - 1;
    while (low <= high) {
        const std::int32_t middle = (low + high) / 2;
        Consolidation tried = try_consolidation(scene, rules, candidates, middle + 1, now);
        bool good = tried.action == ConsolidationAction::remove;
        if (tried.action == ConsolidationAction::replace) {
            tried.replacement = without_same_type(scene, tried.replacement, candidates, middle + 1);
            good = !tried.replacement.empty();
        }
        if (good) {
            found = tried;
            taken = middle + 1;
            low = middle + 1;
        } else {
            high = middle - 1;
        }
    }
    return found;
}

}  // namespace windtunnel
