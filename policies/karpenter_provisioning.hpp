#pragma once
#include "policies/heap_sort.hpp"
#include "policies/offering_set.hpp"
#include "policies/resources.hpp"

#include <cstdint>

/// Karpenter's scheduling of one batch of pending pods: on nodes that exist, on nodes already planned in
/// this batch, or on a new node from the first node pool that can (kubernetes-sigs/karpenter
/// kubernetes.md 9.3, 22664681, 2026-08-20).
///
/// A planned node is not an instance type but the set of *offerings* (type, zone, capacity type) that still
/// suit all its pods; what is launched is decided when the batch is done (karpenter_launch.hpp). Labels and
/// taints are resolved to offering sets when the scenario is compiled.
///
/// Pods of one template are alike and share a group. Room only shrinks while a batch is planned, so a group
/// remembers up to where it was refused: n like pods look at every node once, not n times.
namespace windtunnel {

/// In the order in which Karpenter prefers them.
enum class OfferingKind : std::uint8_t { reserved, spot, on_demand };

struct KarpenterOffering {
    ResourceAmounts capacity;     ///< of the whole instance; limits count this
    ResourceAmounts allocatable;  ///< less overhead and daemon sets; pods fit into this
    std::int64_t price_nano_usd_per_hour = 0;
    OfferingKind kind = OfferingKind::on_demand;
    std::int32_t zone = 0;    ///< below karpenter_max_zones
    std::int32_t type = 0;    ///< instance type, below karpenter_max_offerings; equal prices are ordered by
                              ///< it (the order of names)
    std::int32_t family = 0;  ///< instance family, below karpenter_max_offerings
};

inline constexpr std::int32_t karpenter_max_zones = 64;
inline constexpr std::int32_t karpenter_spread_labels = 8;

/// A node pool; pools come by weight descending, equal weights by name descending.
struct KarpenterPool {
    OfferingSet offerings;      ///< that its requirements allow; unavailable ones are left out by the caller
    std::uint32_t limited = 0;  ///< bit per ResourceKind that `remaining` limits
    ResourceAmounts remaining;  ///< limits less the capacity of its nodes, launching ones included
    bool limits_nodes = false;
    std::int64_t remaining_nodes = 0;
    std::int32_t min_types = 0;     ///< minValues of node.kubernetes.io/instance-type
    std::int32_t min_families = 0;  ///< minValues of karpenter.k8s.aws/instance-family
};

inline constexpr std::int32_t karpenter_unplaced = -1;

/// Pods that are alike: one template in one state of relaxation.
struct KarpenterPodGroup {
    ResourceAmounts request;       ///< resource_pods must be 1
    OfferingSet allowed;           ///< by its selectors, affinity and tolerations
    std::uint64_t exclusive = 0;   ///< bits of sets of which a node takes one pod at most (anti-affinity)
    std::uint8_t labels = 0;       ///< bit l: its pods count under spread label l
    std::int32_t host_label = -1;  ///< DoNotSchedule spread over hosts: at most `host_skew` of it on a node
    std::int32_t host_skew = 0;
    std::int32_t zone_label = -1;  ///< DoNotSchedule spread over zones
    std::int32_t zone_skew = 0;
    std::int32_t relaxed = -1;  ///< the group of the same pods with one soft constraint less; -1 = none left

    std::int32_t next_node = 0;   ///< scratch: nodes before it refuse the group
    std::int32_t next_claim = 0;  ///< scratch: claims before it refuse the group
};

/// A pending pod, or one of a node that is being deleted.
struct KarpenterPod {
    std::int32_t group = 0;                   ///< changes when soft constraints are relaxed
    std::int64_t created = 0;                 ///< breaks ties of size
    std::uint64_t uid = 0;                    ///< breaks ties of age
    std::int32_t node = karpenter_unplaced;   ///< result: index of an existing node
    std::int32_t claim = karpenter_unplaced;  ///< result: index of a planned node
    std::int32_t to_next = 1;                 ///< in a scene of nodes with pods: how far on its node's next one stands
};

/// A node that exists or is being launched: initialised ones first, then by name.
struct KarpenterNode {
    ResourceAmounts free;
    std::uint64_t exclusive = 0;  ///< sets that its pods belong to
    std::int32_t offering = 0;
    bool closed = false;                                   ///< takes no pods (it is leaving)
    std::uint16_t labelled[karpenter_spread_labels] = {};  ///< its pods under each spread label
};

/// A planned node.
struct KarpenterClaim {
    OfferingSet offerings;    ///< that suit all its pods
    ResourceAmounts request;  ///< sum of its pods
    ResourceAmounts room;     ///< largest allocatable of any offering, each resource by itself, less request
    std::uint64_t exclusive = 0;
    std::int32_t pool = 0;
    std::int32_t pod_count = 0;
    std::uint16_t labelled[karpenter_spread_labels] = {};
};

/// Pods per spread label and zone, of the whole cluster; planning adds what it places.
struct KarpenterTopology {
    std::int32_t in_zone[karpenter_spread_labels][karpenter_max_zones] = {};
};

struct ProvisioningPlan {
    std::int32_t claim_count = 0;
    std::int32_t unscheduled = 0;
    bool claim_memory_full = false;  ///< the caller's claim array was too small: the trial needs more
};

/// Everything that one batch reads and writes; the arrays belong to the caller.
struct ProvisioningBatch {
    const KarpenterOffering* offerings = nullptr;
    std::int32_t offering_count = 0;
    KarpenterPool* pools = nullptr;  ///< limits are charged
    std::int32_t pool_count = 0;
    KarpenterPodGroup* groups = nullptr;
    KarpenterPod* pods = nullptr;  ///< reordered by planned_before; results are written
    std::int32_t pod_count = 0;
    KarpenterNode* nodes = nullptr;  ///< free room is charged
    std::int32_t node_count = 0;
    KarpenterClaim* claims = nullptr;  ///< [claim_capacity] written
    std::int32_t claim_capacity = 0;
    KarpenterTopology* topology = nullptr;  ///< required where a group spreads over zones
    /// The nodes worth looking at, ascending, [node_count]; null = all of `nodes`.
    const std::int32_t* destinations = nullptr;
};

namespace karpenter_detail {

/// The offerings of `from` that hold `request`.
WT_HD constexpr OfferingSet fitting(const KarpenterOffering* offerings, OfferingSet from,
                                    const ResourceAmounts& request) {
    for (std::int32_t i = from.next(0); i >= 0; i = from.next(i + 1))
        if (!fits(request, offerings[i].allocatable)) from.remove(i);
    return from;
}

/// The offerings of `from` whose whole capacity the pool's limits still allow.
WT_HD_CALL constexpr OfferingSet within_limits(const KarpenterOffering* offerings, OfferingSet from,
                                               const KarpenterPool& pool) {
    if (pool.limits_nodes && pool.remaining_nodes < 1) return {};
    if (pool.limited == 0) return from;
    for (std::int32_t i = from.next(0); i >= 0; i = from.next(i + 1))
        for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
            if ((pool.limited >> kind & 1) != 0 && offerings[i].capacity[kind] > pool.remaining[kind])
                from.remove(i);
    return from;
}

/// Charges the largest capacity that a planned node may still become.
WT_HD constexpr void charge(const KarpenterOffering* offerings, const OfferingSet& set, KarpenterPool& pool) {
    ResourceAmounts largest;
    for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1))
        for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
            if (offerings[i].capacity[kind] > largest[kind]) largest[kind] = offerings[i].capacity[kind];
    pool.remaining -= largest;
    --pool.remaining_nodes;
}

/// Whether as many instance types and families are left as the pool's minValues demand (Strict).
WT_HD_CALL constexpr bool is_wide_enough(const KarpenterOffering* offerings, const OfferingSet& set,
                                         const KarpenterPool& pool) {
    if (pool.min_types <= 1 && pool.min_families <= 1) return true;
    OfferingSet types, families;
    for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1)) {
        types.add(offerings[i].type);
        families.add(offerings[i].family);
    }
    return types.count() >= pool.min_types && families.count() >= pool.min_families;
}

WT_HD constexpr ResourceAmounts room_in(const KarpenterOffering* offerings, const OfferingSet& set,
                                        const ResourceAmounts& request) {
    ResourceAmounts largest;
    for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1))
        for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
            if (offerings[i].allocatable[kind] > largest[kind])
                largest[kind] = offerings[i].allocatable[kind];
    return largest - request;
}

WT_HD constexpr std::uint64_t zones_of(const KarpenterOffering* offerings, const OfferingSet& set) {
    std::uint64_t zones = 0;
    for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1))
        zones |= std::uint64_t{1} << offerings[i].zone;
    return zones;
}

/// The zone of `choice` with the fewest pods of the group's label, if one more there keeps the skew against
/// the emptiest zone that the group may use at all; -1 otherwise. Equals: the lower zone.
WT_HD constexpr std::int32_t spread_zone(const ProvisioningBatch& batch, const KarpenterPodGroup& group,
                                         std::uint64_t choice) {
    const std::int32_t* counts = batch.topology->in_zone[group.zone_label];
    const std::uint64_t usable = zones_of(batch.offerings, group.allowed);
    std::int32_t least = INT32_MAX, best = -1;
    for (std::int32_t zone = 0; zone < karpenter_max_zones; ++zone) {
        if ((usable >> zone & 1) != 0 && counts[zone] < least) least = counts[zone];
        if ((choice >> zone & 1) != 0 && (best < 0 || counts[zone] < counts[best])) best = zone;
    }
    if (best < 0 || counts[best] + 1 - least > group.zone_skew) return -1;
    return best;
}

/// Narrows `set` to the zone that the group's spread picks; empties it where no zone will do.
WT_HD_CALL constexpr OfferingSet spread_over_zones(const ProvisioningBatch& batch,
                                                   const KarpenterPodGroup& group, OfferingSet set) {
    if (group.zone_label < 0) return set;
    const std::int32_t zone = spread_zone(batch, group, zones_of(batch.offerings, set));
    for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1))
        if (batch.offerings[i].zone != zone) set.remove(i);
    return set;
}

WT_HD constexpr bool takes(const KarpenterPodGroup& group, std::uint64_t exclusive,
                           const std::uint16_t* labelled) {
    return (group.exclusive & exclusive) == 0 &&
           (group.host_label < 0 || labelled[group.host_label] + 1 <= group.host_skew);
}

WT_HD constexpr void count_labels(const KarpenterPodGroup& group, std::uint16_t* labelled, std::int32_t by) {
    for (std::int32_t l = 0; l < karpenter_spread_labels; ++l)
        if ((group.labels >> l & 1) != 0) labelled[l] = static_cast<std::uint16_t>(labelled[l] + by);
}

/// Counts a pod in its zone; nowhere while a planned node may still come up in several.
WT_HD constexpr void count_zone(const ProvisioningBatch& batch, const KarpenterPodGroup& group,
                                std::uint64_t zones, std::int32_t by) {
    if (batch.topology == nullptr || group.labels == 0 || zones == 0 || (zones & (zones - 1)) != 0) return;
    std::int32_t zone = 0;
    while ((zones >> zone & 1) == 0) ++zone;
    for (std::int32_t l = 0; l < karpenter_spread_labels; ++l)
        if ((group.labels >> l & 1) != 0) batch.topology->in_zone[l][zone] += by;
}

WT_HD_CALL constexpr bool place_on_node(const ProvisioningBatch& batch, KarpenterPod& pod) {
    KarpenterPodGroup& group = batch.groups[pod.group];
    // A zone that is too full may be allowed again once others have caught up: such groups start over.
    std::int32_t at = group.zone_label < 0 ? group.next_node : 0;
    for (; at < batch.node_count; ++at) {
        const std::int32_t n = batch.destinations != nullptr ? batch.destinations[at] : at;
        KarpenterNode& node = batch.nodes[n];
        if (node.closed || !group.allowed.has(node.offering) ||
            !takes(group, node.exclusive, node.labelled) || !fits(group.request, node.free))
            continue;
        const std::uint64_t zone = std::uint64_t{1} << batch.offerings[node.offering].zone;
        if (group.zone_label >= 0 && spread_zone(batch, group, zone) < 0) continue;
        node.free -= group.request;
        node.exclusive |= group.exclusive;
        count_labels(group, node.labelled, 1);
        count_zone(batch, group, zone, 1);
        pod.node = n;
        group.next_node = at;
        return true;
    }
    group.next_node = at;
    return false;
}

/// Undoes place_on_node.
WT_HD constexpr void take_from_node(const ProvisioningBatch& batch, const KarpenterPod& pod) {
    const KarpenterPodGroup& group = batch.groups[pod.group];
    KarpenterNode& node = batch.nodes[pod.node];
    node.free += group.request;
    node.exclusive &= ~group.exclusive;  // no bit of it was set before: takes() demanded that
    count_labels(group, node.labelled, -1);
    count_zone(batch, group, std::uint64_t{1} << batch.offerings[node.offering].zone, -1);
}

WT_HD_CALL constexpr bool place_on_claim(const ProvisioningBatch& batch, std::int32_t claim_count,
                                         KarpenterPod& pod) {
    KarpenterPodGroup& group = batch.groups[pod.group];
    std::int32_t best = karpenter_unplaced;
    OfferingSet best_set;
    bool all_refused = group.zone_label < 0;
    for (std::int32_t c = group.zone_label < 0 ? group.next_claim : 0; c < claim_count; ++c) {
        const KarpenterClaim& claim = batch.claims[c];
        if (best >= 0 && claim.pod_count >= batch.claims[best].pod_count) continue;
        OfferingSet set;
        if (takes(group, claim.exclusive, claim.labelled) && fits(group.request, claim.room)) {
            set = claim.offerings;
            set &= group.allowed;
            set = fitting(batch.offerings, set, claim.request + group.request);
            set = spread_over_zones(batch, group, set);
        }
        if (set.empty() || !is_wide_enough(batch.offerings, set, batch.pools[claim.pool])) {
            if (all_refused) group.next_claim = c + 1;
            continue;
        }
        all_refused = false;
        best = c;
        best_set = set;
    }
    if (best < 0) return false;
    KarpenterClaim& claim = batch.claims[best];
    claim.offerings = best_set;
    claim.request += group.request;
    claim.room = room_in(batch.offerings, best_set, claim.request);
    claim.exclusive |= group.exclusive;
    ++claim.pod_count;
    count_labels(group, claim.labelled, 1);
    count_zone(batch, group, zones_of(batch.offerings, best_set), 1);
    pod.claim = best;
    return true;
}

WT_HD_CALL constexpr bool place_on_new_claim(const ProvisioningBatch& batch, ProvisioningPlan& plan,
                                             KarpenterPod& pod) {
    const KarpenterPodGroup& group = batch.groups[pod.group];
    for (std::int32_t p = 0; p < batch.pool_count; ++p) {
        OfferingSet set = batch.pools[p].offerings;
        set &= group.allowed;
        set = within_limits(batch.offerings, set, batch.pools[p]);
        set = fitting(batch.offerings, set, group.request);
        set = spread_over_zones(batch, group, set);
        if (set.empty() || !is_wide_enough(batch.offerings, set, batch.pools[p])) continue;
        if (plan.claim_count == batch.claim_capacity) {
            plan.claim_memory_full = true;
            return false;
        }
        charge(batch.offerings, set, batch.pools[p]);
        KarpenterClaim& claim = batch.claims[plan.claim_count];
        claim = KarpenterClaim{};
        claim.offerings = set;
        claim.request = group.request;
        claim.room = room_in(batch.offerings, set, group.request);
        claim.exclusive = group.exclusive;
        claim.pool = p;
        claim.pod_count = 1;
        count_labels(group, claim.labelled, 1);
        count_zone(batch, group, zones_of(batch.offerings, set), 1);
        pod.claim = plan.claim_count++;
        return true;
    }
    return false;
}

}  // namespace karpenter_detail

/// Whether `a` is planned before `b`: more cpu, then more memory, then older, then by uid. GPUs take no
/// part.
WT_HD constexpr bool planned_before(const KarpenterPod& a, const KarpenterPod& b,
                                    const KarpenterPodGroup* groups) {
    const ResourceAmounts& x = groups[a.group].request;
    const ResourceAmounts& y = groups[b.group].request;
    if (x[resource_cpu_milli] != y[resource_cpu_milli]) return x[resource_cpu_milli] > y[resource_cpu_milli];
    if (x[resource_memory_bytes] != y[resource_memory_bytes])
        return x[resource_memory_bytes] > y[resource_memory_bytes];
    return a.created != b.created ? a.created < b.created : a.uid < b.uid;
}

/// Plans one batch. Each pod goes to the first existing node with room, else to the planned node with the
/// fewest pods that has an offering for all, else to a new node of the first pool that has one. A pod that
/// finds nothing gives up one soft constraint and is tried again behind all others, round after round until
/// a whole round changes nothing.
WT_HD_CALL constexpr ProvisioningPlan plan_batch(const ProvisioningBatch& batch) {
    using namespace karpenter_detail;
    const KarpenterPodGroup* groups = batch.groups;
    heap_sort(batch.pods, batch.pod_count, [groups](const KarpenterPod& a, const KarpenterPod& b) {
        return planned_before(a, b, groups);
    });
    for (std::int32_t i = 0; i < batch.pod_count; ++i) {
        batch.pods[i].node = batch.pods[i].claim = karpenter_unplaced;
        for (std::int32_t g = batch.pods[i].group; g >= 0; g = batch.groups[g].relaxed)
            batch.groups[g].next_node = batch.groups[g].next_claim = 0;
    }
    ProvisioningPlan plan;
    for (bool progress = true; progress && !plan.claim_memory_full;) {
        progress = false;
        plan.unscheduled = 0;
        for (std::int32_t i = 0; i < batch.pod_count; ++i) {
            KarpenterPod& pod = batch.pods[i];
            if (pod.node != karpenter_unplaced || pod.claim != karpenter_unplaced) continue;
            if (place_on_node(batch, pod) || place_on_claim(batch, plan.claim_count, pod) ||
                place_on_new_claim(batch, plan, pod)) {
                progress = true;
                continue;
            }
            ++plan.unscheduled;
            if (groups[pod.group].relaxed < 0) continue;
            pod.group = groups[pod.group].relaxed;
            progress = true;
        }
        progress = progress && plan.unscheduled > 0;
    }
    return plan;
}

}  // namespace windtunnel
