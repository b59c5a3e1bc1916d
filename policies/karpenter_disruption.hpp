#pragma once
#include "models/time.hpp"
#include "policies/karpenter_provisioning.hpp"

#include <cstdint>

/// Which nodes Karpenter takes away or replaces by cheaper ones (kubernetes-sigs/karpenter
/// kubernetes.md 9.6, 22664681, 2026-08-20).
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
    bool initialized = true;             ///< one that is coming takes pods, but nobody goes for its sake
    bool deleting = false;
    bool nominated = false;              ///< planned for pods within the last 20 s
    bool do_not_disrupt = false;         ///< the annotation on the node
    bool pods_do_not_disrupt = false;    ///< the annotation on a running pod
    bool budget_blocked = false;         ///< a pod with a PDB that allows nothing, or under two PDBs
    bool has_termination_grace = false;  ///< its pool sets terminationGracePeriod: drift ignores pods' wishes
    bool consolidate_never = false;      ///< consolidateAfter: Never
    bool only_when_empty = false;        ///< consolidationPolicy WhenEmpty
    bool full = false;                   ///< known to have room for no pod of any group
    bool reserved = false;               ///< runs in a reservation: without it nothing is saved
    bool drifted = false;
    Tick drifted_at;
    Tick consolidate_after;
    Tick last_pod_event;         ///< a pod bound, removed or ended; before any, the initialisation
    /// Nodes of one kind (not 0) are alike, and so are all pods on them, which ask for room only: what holds of the
    /// removal of one holds of the others.
    std::uint64_t kind = 0;
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
           !node.pods_do_not_disrupt && !node.budget_blocked;
}

/// Whether drift may replace a node: with a terminationGracePeriod its pods cannot object.
WT_HD constexpr bool is_drift_candidate(const DisruptionNode& node) {
    return node.drifted && node.initialized && !node.deleting && !node.nominated && !node.do_not_disrupt &&
           (node.has_termination_grace || (!node.pods_do_not_disrupt && !node.budget_blocked));
}

/// Whether nothing has happened on the node for consolidateAfter.
WT_HD constexpr bool is_settled(const DisruptionNode& node, Tick now) {
    return !node.consolidate_never && now - node.last_pod_event >= node.consolidate_after;
}

/// Empty = evicting what is on it costs nothing.
WT_HD constexpr bool is_empty(const DisruptionNode& node) { return node.eviction_cost <= 0.0; }

/// What goes with the node for an hour. A reservation is paid for with or without nodes in it.
WT_HD constexpr std::int64_t saved_price(const DisruptionNode& node, const KarpenterOffering& offering) {
    return node.reserved ? 0 : offering.price_nano_usd_per_hour;
}
/// Dearest node per disturbed pod first: price / (1 + eviction cost).
WT_HD constexpr double candidate_value(const DisruptionNode& node, const KarpenterOffering& offering) {
    return static_cast<double>(saved_price(node, offering)) / (1.0 + node.eviction_cost);
}

/// The cluster, and memory to try things out in; everything belongs to the caller.
struct ConsolidationScene {
    const KarpenterOffering* offerings = nullptr;
    std::int32_t offering_count = 0;
    const KarpenterPool* pools = nullptr;
    std::int32_t pool_count = 0;
    KarpenterPodGroup* groups = nullptr;
    std::int32_t group_count = 0;
    KarpenterNode* nodes = nullptr;         ///< [node_count]; tried on, and left as they were
    const DisruptionNode* views = nullptr;  ///< [node_count]
    std::int32_t node_count = 0;
    const KarpenterPod* pods = nullptr;           ///< reschedulable pods; KarpenterPod::to_next leads from one of a node to the next
    const KarpenterTopology* topology = nullptr;  ///< required where a group spreads over zones
    KarpenterTopology* scratch_topology = nullptr;
    KarpenterPool* scratch_pools = nullptr;  ///< [pool_count]
    KarpenterPod* scratch_pods = nullptr;    ///< [all pods]
    KarpenterClaim* claims = nullptr;        ///< [claim_capacity], at least 1
    std::int32_t claim_capacity = 0;
    std::int32_t* destinations = nullptr;  ///< [node_count]; open_scene fills it
    std::int32_t destination_count = 0;
};

/// Looks up which nodes could take anything at all: staying, settled or still coming, with room for a pod of
/// some group. Most nodes of a busy cluster are full, so trials look at few. Call once per round.
WT_HD constexpr void open_scene(ConsolidationScene& scene, Tick now) {
    scene.destination_count = 0;
    for (std::int32_t n = 0; n < scene.node_count; ++n) {
        const DisruptionNode& view = scene.views[n];
        scene.nodes[n].closed = false;
        if (view.full || view.deleting || (view.initialized && !is_settled(view, now))) continue;
        bool room = false;
        for (std::int32_t g = 0; g < scene.group_count && !room; ++g)
            room = scene.groups[g].allowed.has(scene.nodes[n].offering) &&
                   fits(scene.groups[g].request, scene.nodes[n].free);
        if (room) scene.destinations[scene.destination_count++] = n;
    }
}

enum class ConsolidationAction : std::uint8_t { none, remove, replace };

struct Consolidation {
    ConsolidationAction action = ConsolidationAction::none;
    OfferingSet replacement;  ///< what the replacement may be launched from
    std::int32_t pool = 0;    ///< and from which pool
};

namespace karpenter_detail {

/// The dearest offering of a type in the capacity type that a launch would use: reserved, then spot, then
/// on-demand; -1 where the set has none.
WT_HD constexpr std::int64_t worst_price(const KarpenterOffering* offerings, const OfferingSet& set,
                                         std::int32_t type) {
    std::int64_t price = -1;
    OfferingKind used = OfferingKind::on_demand;
    for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1)) {
        const KarpenterOffering& offering = offerings[i];
        if (offering.type != type) continue;
        if (price < 0 || offering.kind < used ||
            (offering.kind == used && offering.price_nano_usd_per_hour > price)) {
            price = offering.price_nano_usd_per_hour;
            used = offering.kind;
        }
    }
    return price;
}

/// The types of `set` whose worst launch price lies strictly below `limit`.
WT_HD_CALL constexpr OfferingSet cheaper_than(const KarpenterOffering* offerings, const OfferingSet& set,
                                              std::int64_t limit) {
    OfferingSet kept = set;
    for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1))
        if (worst_price(offerings, set, offerings[i].type) >= limit) kept.remove(i);
    return kept;
}

WT_HD constexpr bool has_offering_kind(const KarpenterOffering* offerings, const OfferingSet& set,
                                       OfferingKind kind) {
    for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1))
        if (offerings[i].kind == kind) return true;
    return false;
}

WT_HD constexpr OfferingSet only_spot(const KarpenterOffering* offerings, OfferingSet set) {
    for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1))
        if (offerings[i].kind != OfferingKind::spot) set.remove(i);
    return set;
}

/// Keeps the `wanted` cheapest types; nothing where there are fewer.
WT_HD_CALL constexpr OfferingSet cheapest_types(const KarpenterOffering* offerings, const OfferingSet& set,
                                                std::int32_t wanted) {
    OfferingSet left = set, kept;
    for (; wanted > 0; --wanted) {
        std::int32_t best = -1;
        for (std::int32_t i = left.next(0); i >= 0; i = left.next(i + 1))
            if (best < 0 || offerings[i].price_nano_usd_per_hour < offerings[best].price_nano_usd_per_hour)
                best = i;
        if (best < 0) return {};
        for (std::int32_t i = left.next(0); i >= 0; i = left.next(i + 1)) {
            if (offerings[i].type != offerings[best].type) continue;
            kept.add(i);
            left.remove(i);
        }
    }
    return kept;
}

/// Plans the pods of `candidates` onto the scene's destinations and at most `claim_limit` new nodes (in
/// scene.claims), the candidates counted as gone from pools and topology, and puts every node back as it
/// was.
WT_HD_CALL constexpr ProvisioningPlan plan_without(const ConsolidationScene& scene, const std::int32_t* candidates,
                                                   std::int32_t candidate_count, std::int32_t claim_limit) {
    ProvisioningBatch batch;
    batch.offerings = scene.offerings;
    batch.offering_count = scene.offering_count;
    batch.pools = scene.scratch_pools;
    batch.pool_count = scene.pool_count;
    batch.groups = scene.groups;
    batch.pods = scene.scratch_pods;
    batch.nodes = scene.nodes;
    batch.node_count = scene.destination_count;
    batch.destinations = scene.destinations;
    batch.claims = scene.claims;
    batch.claim_capacity = claim_limit < scene.claim_capacity ? claim_limit : scene.claim_capacity;
    if (scene.topology != nullptr) {
        *scene.scratch_topology = *scene.topology;
        batch.topology = scene.scratch_topology;
    }
    for (std::int32_t i = 0; i < scene.pool_count; ++i) scene.scratch_pools[i] = scene.pools[i];
    for (std::int32_t c = 0; c < candidate_count; ++c) {
        const DisruptionNode& view = scene.views[candidates[c]];
        KarpenterNode& node = scene.nodes[candidates[c]];
        const KarpenterOffering& offering = scene.offerings[node.offering];
        node.closed = true;
        scene.scratch_pools[view.pool].remaining += offering.capacity;
        ++scene.scratch_pools[view.pool].remaining_nodes;
        for (std::int32_t p = view.first_pod, left = view.pod_count; left > 0; --left) {
            const KarpenterPod& pod = scene.pods[p];
            p += pod.to_next;
            scene.scratch_pods[batch.pod_count++] = pod;
            count_zone(batch, scene.groups[pod.group], std::uint64_t{1} << offering.zone, -1);
        }
    }
    ProvisioningPlan plan = plan_batch(batch);
    for (std::int32_t p = 0; p < batch.pod_count; ++p) {
        if (batch.pods[p].node == karpenter_unplaced) continue;
        // A node that is still coming may yet fail: what would go there has no place (helpers.go, SimulateScheduling
        // [from general knowledge, not re-read, 2026-11]).
        plan.unscheduled += scene.views[batch.pods[p].node].initialized ? 0 : 1;
        take_from_node(batch, batch.pods[p]);
    }
    // Nothing looks at `closed` of a node that is no destination, so opening all is putting them back.
    for (std::int32_t c = 0; c < candidate_count; ++c) scene.nodes[candidates[c]].closed = false;
    return plan;
}

}  // namespace karpenter_detail

/// What would become of the cluster without `candidates` (node indices): everything fits elsewhere
/// (remove), everything fits with one new node that is surely cheaper than all candidates together
/// (replace), or neither. Only the scene's destinations receive pods. Limits count the candidates as gone.
WT_HD_CALL constexpr Consolidation try_consolidation(const ConsolidationScene& scene,
                                                     const KarpenterDisruptionRules& rules,
                                                     const std::int32_t* candidates,
                                                     std::int32_t candidate_count) {
    using namespace karpenter_detail;
    const auto* offerings = scene.offerings;
    std::int64_t price = 0;
    bool all_spot = true;
    for (std::int32_t c = 0; c < candidate_count; ++c) {
        const KarpenterOffering& offering = offerings[scene.nodes[candidates[c]].offering];
        price += saved_price(scene.views[candidates[c]], offering);
        all_spot = all_spot && offering.kind == OfferingKind::spot;
    }
    const ProvisioningPlan plan = plan_without(scene, candidates, candidate_count, 1);
    // A second new node would not find room among the claims, so it shows as unscheduled pods.
    if (plan.unscheduled > 0) return {};
    if (plan.claim_count == 0) return {ConsolidationAction::remove, {}, 0};

    OfferingSet set = scene.claims[0].offerings;
    const bool may_be_spot = has_offering_kind(offerings, set, OfferingKind::spot);
    if (all_spot && may_be_spot) {
        if (!rules.spot_to_spot) return {};
        set = cheaper_than(offerings, only_spot(offerings, set), price);
        // Without a wide choice a spot node would be exchanged for the next cheapest, over and over.
        if (candidate_count == 1) set = cheapest_types(offerings, set, rules.spot_to_spot_types);
    } else {
        set = cheaper_than(offerings, set, price);
        // Prices were judged as spot; launching on-demand instead could cost more than what is replaced.
        if (has_offering_kind(offerings, set, OfferingKind::spot) &&
            has_offering_kind(offerings, set, OfferingKind::on_demand))
            set = only_spot(offerings, set);
    }
    // What is left has to satisfy the pool's minValues as well.
    if (set.empty() || !is_wide_enough(offerings, set, scene.pools[scene.claims[0].pool])) return {};
    return {ConsolidationAction::replace, set, scene.claims[0].pool};
}

/// Drops from a multi-node replacement what would only keep a node of a type that is being removed: it has
/// to be cheaper than every candidate of a type that it may be.
WT_HD constexpr OfferingSet without_same_type(const ConsolidationScene& scene, const OfferingSet& set,
                                              const std::int32_t* candidates, std::int32_t candidate_count) {
    std::int64_t limit = INT64_MAX;
    for (std::int32_t c = 0; c < candidate_count; ++c) {
        const KarpenterOffering& held = scene.offerings[scene.nodes[candidates[c]].offering];
        if (karpenter_detail::worst_price(scene.offerings, set, held.type) < 0) continue;
        const std::int64_t price = saved_price(scene.views[candidates[c]], held);
        if (price < limit) limit = price;
    }
    return karpenter_detail::cheaper_than(scene.offerings, set, limit);
}

/// The longest prefix (of at least two) of `candidates` that can be removed or replaced together, by
/// bisection as upstream does it; `taken` = its length, 0 where there is none. `candidates` are sorted by
/// candidate_value descending and already cut to the budgets.
WT_HD_CALL constexpr Consolidation consolidate_many(const ConsolidationScene& scene,
                                                    const KarpenterDisruptionRules& rules,
                                               const std::int32_t* candidates, std::int32_t candidate_count,
                                                    std::int32_t& taken) {
    Consolidation found;
    taken = 0;
    std::int32_t low = 1;
    std::int32_t high =
        (candidate_count < rules.multi_node_candidates ? candidate_count : rules.multi_node_candidates) - 1;
    while (low <= high) {
        const std::int32_t middle = (low + high) / 2;
        Consolidation tried = try_consolidation(scene, rules, candidates, middle + 1);
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
