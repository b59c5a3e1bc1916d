#pragma once
#include "policies/resources.hpp"

#include <cstdint>

/// Karpenter's scheduling of one batch of pending pods: on nodes that exist, on nodes already planned in
/// this batch, or on a new node from the first node pool that can (kubernetes-sigs/karpenter
/// pkg/controllers/provisioning/scheduling, 22664681, 2026-08-20).
///
/// A planned node is not an instance type but the set of *offerings* (type, zone, capacity type) that still
/// suit all its pods; what is launched is decided when the batch is done. Zones, capacity types, labels and
/// taints are resolved to offering sets when the scenario is compiled.
namespace windtunnel {

inline constexpr std::int32_t karpenter_max_offerings = 512;

/// A set of offerings, by index.
struct OfferingSet {
    std::uint64_t words[karpenter_max_offerings / 64] = {};

    WT_HD constexpr bool has(std::int32_t i) const { return (words[i / 64] >> (i % 64) & 1) != 0; }
    WT_HD constexpr void add(std::int32_t i) { words[i / 64] |= std::uint64_t{1} << (i % 64); }
    WT_HD constexpr void remove(std::int32_t i) { words[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
    WT_HD constexpr bool empty() const {
        for (const std::uint64_t word : words)
            if (word != 0) return false;
        return true;
    }
    WT_HD constexpr OfferingSet& operator&=(const OfferingSet& other) {
        for (std::int32_t i = 0; i < karpenter_max_offerings / 64; ++i) words[i] &= other.words[i];
        return *this;
    }
    /// The first `count` offerings.
    WT_HD static constexpr OfferingSet first(std::int32_t count) {
        OfferingSet set;
        for (std::int32_t i = 0; i < count; ++i) set.add(i);
        return set;
    }
};

/// In the order in which Karpenter prefers them.
enum class OfferingKind : std::uint8_t { reserved, spot, on_demand };

struct KarpenterOffering {
    ResourceAmounts capacity;     ///< of the whole instance; limits count this
    ResourceAmounts allocatable;  ///< less overhead and daemon sets; pods fit into this
    std::int64_t price_nano_usd_per_hour = 0;
    OfferingKind kind = OfferingKind::on_demand;
    std::int32_t zone = 0;
    std::int32_t type = 0;  ///< instance type; equal prices are ordered by it (the order of names)
};

/// A node pool; pools come by weight descending, equal weights by name descending.
struct KarpenterPool {
    OfferingSet offerings;      ///< that its requirements allow; unavailable ones are left out by the caller
    std::uint32_t limited = 0;  ///< bit per ResourceKind that `remaining` limits
    ResourceAmounts remaining;  ///< limits less the capacity of its nodes, launching ones included
    bool limits_nodes = false;
    std::int64_t remaining_nodes = 0;
};

inline constexpr std::int32_t karpenter_unplaced = -1;

/// A pending pod, or one of a node that is being deleted.
struct KarpenterPod {
    ResourceAmounts request;  ///< resource_pods must be 1
    OfferingSet allowed;      ///< by its selectors, affinity and tolerations
    std::uint64_t exclusive =
        0;  ///< bits of groups of which a node takes one pod at most (hostname anti-affinity)
    std::int64_t created = 0;                 ///< breaks ties of size
    std::int32_t node = karpenter_unplaced;   ///< result: index of an existing node
    std::int32_t claim = karpenter_unplaced;  ///< result: index of a planned node
};

/// A node that exists or is being launched: initialised ones first, then by name.
struct KarpenterNode {
    ResourceAmounts free;
    std::uint64_t exclusive = 0;  ///< groups that its pods belong to
    std::int32_t offering = 0;
};

/// A planned node.
struct KarpenterClaim {
    OfferingSet offerings;    ///< that suit all its pods
    ResourceAmounts request;  ///< sum of its pods
    std::uint64_t exclusive = 0;
    std::int32_t pool = 0;
    std::int32_t pod_count = 0;
};

struct ProvisioningPlan {
    std::int32_t claim_count = 0;
    std::int32_t unscheduled = 0;
    bool claim_memory_full = false;  ///< the caller's claim array was too small: the trial needs more
};

namespace karpenter_detail {

/// The offerings of `from` that hold `request`.
WT_HD constexpr OfferingSet fitting(const KarpenterOffering* offerings, std::int32_t count, OfferingSet from,
                                    const ResourceAmounts& request) {
    for (std::int32_t i = 0; i < count; ++i)
        if (from.has(i) && !fits(request, offerings[i].allocatable)) from.remove(i);
    return from;
}

/// The offerings of `from` whose whole capacity the pool's limits still allow.
WT_HD constexpr OfferingSet within_limits(const KarpenterOffering* offerings, std::int32_t count,
                                          OfferingSet from, const KarpenterPool& pool) {
    if (pool.limits_nodes && pool.remaining_nodes < 1) return {};
    for (std::int32_t i = 0; i < count; ++i)
        for (std::int32_t kind = 0; kind < resource_kinds && from.has(i); ++kind)
            if ((pool.limited >> kind & 1) != 0 && offerings[i].capacity[kind] > pool.remaining[kind])
                from.remove(i);
    return from;
}

/// Charges the largest capacity that a planned node may still become.
WT_HD constexpr void charge(const KarpenterOffering* offerings, std::int32_t count, const OfferingSet& set,
                            KarpenterPool& pool) {
    for (std::int32_t kind = 0; kind < resource_kinds; ++kind) {
        std::int64_t largest = 0;
        for (std::int32_t i = 0; i < count; ++i)
            if (set.has(i) && offerings[i].capacity[kind] > largest) largest = offerings[i].capacity[kind];
        pool.remaining[kind] -= largest;
    }
    --pool.remaining_nodes;
}

}  // namespace karpenter_detail

/// Whether `a` is planned before `b`: more cpu, then more memory, then older. GPUs take no part.
WT_HD constexpr bool planned_before(const KarpenterPod& a, const KarpenterPod& b) {
    if (a.request[resource_cpu_milli] != b.request[resource_cpu_milli])
        return a.request[resource_cpu_milli] > b.request[resource_cpu_milli];
    if (a.request[resource_memory_bytes] != b.request[resource_memory_bytes])
        return a.request[resource_memory_bytes] > b.request[resource_memory_bytes];
    return a.created < b.created;
}

/// Everything that one batch reads and writes; the arrays belong to the caller.
struct ProvisioningBatch {
    const KarpenterOffering* offerings = nullptr;
    std::int32_t offering_count = 0;
    KarpenterPool* pools = nullptr;  ///< limits are charged
    std::int32_t pool_count = 0;
    KarpenterPod* pods = nullptr;  ///< reordered by planned_before; results are written
    std::int32_t pod_count = 0;
    KarpenterNode* nodes = nullptr;  ///< free room is charged
    std::int32_t node_count = 0;
    KarpenterClaim* claims = nullptr;  ///< [claim_capacity] written
    std::int32_t claim_capacity = 0;
};

/// Plans one batch. Each pod goes to the first existing node with room, else to the planned node with the
/// fewest pods that has an offering for all, else to a new node of the first pool that has one.
WT_HD constexpr ProvisioningPlan plan_batch(const ProvisioningBatch& batch) {
    using namespace karpenter_detail;
    for (std::int32_t i = 1; i < batch.pod_count; ++i)  // stable; batches are small or nearly sorted
        for (std::int32_t j = i; j > 0 && planned_before(batch.pods[j], batch.pods[j - 1]); --j) {
            const KarpenterPod moved = batch.pods[j];
            batch.pods[j] = batch.pods[j - 1];
            batch.pods[j - 1] = moved;
        }

    ProvisioningPlan plan;
    const auto try_nodes = [&](KarpenterPod& pod) {
        for (std::int32_t n = 0; n < batch.node_count; ++n) {
            KarpenterNode& node = batch.nodes[n];
            if (!pod.allowed.has(node.offering) || (pod.exclusive & node.exclusive) != 0 ||
                !fits(pod.request, node.free))
                continue;
            node.free -= pod.request;
            node.exclusive |= pod.exclusive;
            pod.node = n;
            return true;
        }
        return false;
    };
    const auto try_claims = [&](KarpenterPod& pod) {
        std::int32_t best = karpenter_unplaced;
        OfferingSet best_set;
        for (std::int32_t c = 0; c < plan.claim_count; ++c) {
            const KarpenterClaim& claim = batch.claims[c];
            if ((pod.exclusive & claim.exclusive) != 0) continue;
            if (best >= 0 && claim.pod_count >= batch.claims[best].pod_count) continue;
            OfferingSet set = claim.offerings;
            set &= pod.allowed;
            set = fitting(batch.offerings, batch.offering_count, set, claim.request + pod.request);
            if (set.empty()) continue;
            best = c;
            best_set = set;
        }
        if (best < 0) return false;
        KarpenterClaim& claim = batch.claims[best];
        claim.offerings = best_set;
        claim.request += pod.request;
        claim.exclusive |= pod.exclusive;
        ++claim.pod_count;
        pod.claim = best;
        return true;
    };
    const auto try_pools = [&](KarpenterPod& pod) {
        for (std::int32_t p = 0; p < batch.pool_count; ++p) {
            OfferingSet set = batch.pools[p].offerings;
            set &= pod.allowed;
            set = within_limits(batch.offerings, batch.offering_count, set, batch.pools[p]);
            set = fitting(batch.offerings, batch.offering_count, set, pod.request);
            if (set.empty()) continue;
            if (plan.claim_count == batch.claim_capacity) {
                plan.claim_memory_full = true;
                return false;
            }
            charge(batch.offerings, batch.offering_count, set, batch.pools[p]);
            batch.claims[plan.claim_count] = {set, pod.request, pod.exclusive, p, 1};
            pod.claim = plan.claim_count++;
            return true;
        }
        return false;
    };
    for (std::int32_t i = 0; i < batch.pod_count; ++i) {
        KarpenterPod& pod = batch.pods[i];
        pod.node = pod.claim = karpenter_unplaced;
        if (!try_nodes(pod) && !try_claims(pod) && !try_pools(pod)) ++plan.unscheduled;
    }
    return plan;
}

/// The offering that a planned node is launched from: the preferred capacity type that any remaining
/// offering has, and of those the cheapest (equal prices: the earlier type). -1 for an empty set. Spot
/// allocation may choose dearer ones by capacity; a spot market model passes the set it allows.
WT_HD constexpr std::int32_t choose_offering(const KarpenterOffering* offerings, std::int32_t count,
                                             const OfferingSet& set) {
    std::int32_t best = -1;
    for (std::int32_t i = 0; i < count; ++i) {
        if (!set.has(i)) continue;
        if (best < 0) {
            best = i;
            continue;
        }
        const KarpenterOffering& a = offerings[i];
        const KarpenterOffering& b = offerings[best];
        const bool better = a.kind != b.kind ? a.kind < b.kind
                            : a.price_nano_usd_per_hour != b.price_nano_usd_per_hour
                                ? a.price_nano_usd_per_hour < b.price_nano_usd_per_hour
                                : a.type < b.type;
        if (better) best = i;
    }
    return best;
}

}  // namespace windtunnel
