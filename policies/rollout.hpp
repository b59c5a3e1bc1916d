#pragma once
#include "policies/count_or_percent.hpp"

#include <cstdint>

/// A Deployment's way from old ReplicaSets to the new one (kubernetes.md 3.2).
///
/// The functions change `replicas` of the sets they are given: that is the decision. They return whether
/// anything changed; one sync scales either the new set or the old ones.
namespace windtunnel {

inline constexpr std::int32_t rollout_max_sets = 64;

enum class RolloutStrategy : std::uint8_t { rolling_update, recreate };

/// Defaults: kubernetes.md 3.2.
struct RolloutSpec {
    std::int32_t replicas = 1;
    RolloutStrategy strategy = RolloutStrategy::rolling_update;
    CountOrPercent max_surge = percent(25);
    CountOrPercent max_unavailable = percent(25);
};

struct ReplicaSetState {
    std::int32_t replicas = 0;           ///< spec.replicas
    std::int32_t available = 0;          ///< status.availableReplicas
    std::int64_t created = 0;            ///< larger = newer
    std::int32_t annotated_desired = 0;  ///< the Deployment's size when this set was last scaled
    std::int32_t annotated_max = 0;      ///< that size plus surge
};

/// The sets of one Deployment. `newest` may be null (the template changed and its set is not made yet).
struct RolloutSets {
    ReplicaSetState* newest = nullptr;
    ReplicaSetState* old = nullptr;
    std::int32_t old_count = 0;  ///< at most rollout_max_sets - 1
};

struct Fenceposts {
    std::int32_t surge = 0;
    std::int32_t unavailable = 0;
};

/// Surge rounds up, unavailability down; were both nothing, the rollout could not move, so one may miss.
WT_HD constexpr Fenceposts resolve_fenceposts(CountOrPercent max_surge, CountOrPercent max_unavailable,
                                              std::int32_t replicas) {
    Fenceposts posts{max_surge.resolve(replicas, true), max_unavailable.resolve(replicas, false)};
    if (posts.surge == 0 && posts.unavailable == 0) posts.unavailable = 1;
    return posts;
}

WT_HD constexpr std::int32_t effective_max_unavailable(const RolloutSpec& spec) {
    if (spec.strategy == RolloutStrategy::recreate || spec.replicas == 0) return 0;
    const std::int32_t unavailable =
        resolve_fenceposts(spec.max_surge, spec.max_unavailable, spec.replicas).unavailable;
    return unavailable < spec.replicas ? unavailable : spec.replicas;
}

WT_HD constexpr std::int32_t effective_max_surge(const RolloutSpec& spec) {
    if (spec.strategy == RolloutStrategy::recreate) return 0;
    return resolve_fenceposts(spec.max_surge, spec.max_unavailable, spec.replicas).surge;
}

/// How large the new set may be, given the size of all sets together.
WT_HD constexpr std::int32_t new_set_replicas(const RolloutSpec& spec, std::int32_t newest,
                                              std::int32_t all) {
    if (spec.strategy == RolloutStrategy::recreate) return spec.replicas;
    const std::int32_t cap = spec.replicas + spec.max_surge.resolve(spec.replicas, true);
    if (all >= cap) return newest;
    const std::int32_t room = cap - all;
    const std::int32_t wanted = spec.replicas - newest;
    return newest + (room < wanted ? room : wanted);
}

WT_HD constexpr std::int32_t total_replicas(const RolloutSets& sets) {
    std::int32_t total = sets.newest != nullptr ? sets.newest->replicas : 0;
    for (std::int32_t i = 0; i < sets.old_count; ++i) total += sets.old[i].replicas;
    return total;
}
WT_HD constexpr std::int32_t total_available(const RolloutSets& sets) {
    std::int32_t total = sets.newest != nullptr ? sets.newest->available : 0;
    for (std::int32_t i = 0; i < sets.old_count; ++i) total += sets.old[i].available;
    return total;
}

/// Scales the new set towards the Deployment's size. Requires a new set.
WT_HD constexpr bool reconcile_new_set(const RolloutSpec& spec, RolloutSets sets) {
    ReplicaSetState& newest = *sets.newest;
    const std::int32_t before = newest.replicas;
    newest.replicas =
        before >= spec.replicas ? spec.replicas : new_set_replicas(spec, before, total_replicas(sets));
    return newest.replicas != before;
}

namespace rollout_detail {

/// The next set from old to new among those not yet in `done`; -1 when all are.
WT_HD constexpr std::int32_t next_oldest(const RolloutSets& sets, std::uint64_t done) {
    std::int32_t oldest = -1;
    for (std::int32_t i = 0; i < sets.old_count; ++i)
        if ((done >> i & 1) == 0 && (oldest < 0 || sets.old[i].created < sets.old[oldest].created))
            oldest = i;
    return oldest;
}

/// Takes up to `budget` replicas off the old sets, oldest first: all of a set's, or only unhealthy ones.
WT_HD constexpr std::int32_t take_from_old(RolloutSets sets, std::int32_t budget, bool unhealthy_only) {
    std::int32_t taken = 0;
    std::uint64_t done = 0;
    for (std::int32_t i = next_oldest(sets, done); i >= 0 && taken < budget; i = next_oldest(sets, done)) {
        done |= std::uint64_t{1} << i;
        ReplicaSetState& set = sets.old[i];
        const std::int32_t removable = unhealthy_only ? set.replicas - set.available : set.replicas;
        if (removable <= 0) continue;
        const std::int32_t part = removable < budget - taken ? removable : budget - taken;
        set.replicas -= part;
        taken += part;
    }
    return taken;
}

}  // namespace rollout_detail

/// Removes at most `budget` unhealthy replicas of old sets; returns how many.
WT_HD constexpr std::int32_t cleanup_unhealthy(RolloutSets sets, std::int32_t budget) {
    return rollout_detail::take_from_old(sets, budget, true);
}

/// Removes old replicas as far as enough of the `available` stay; returns how many.
WT_HD constexpr std::int32_t scale_down_old(const RolloutSpec& spec, RolloutSets sets, std::int32_t available) {
    const std::int32_t spare = available - (spec.replicas - effective_max_unavailable(spec));
    return spare > 0 ? rollout_detail::take_from_old(sets, spare, false) : 0;
}

/// Scales the old sets down. New pods that are not available block this; unhealthy old ones go first. Pods of a set that
/// wants none any more do not count as available.
WT_HD constexpr bool reconcile_old_sets(const RolloutSpec& spec, RolloutSets sets) {
    const std::int32_t new_replicas = sets.newest != nullptr ? sets.newest->replicas : 0;
    const std::int32_t new_available = sets.newest != nullptr ? sets.newest->available : 0;
    const std::int32_t total = total_replicas(sets);
    if (total == new_replicas) return false;
    const std::int32_t least = spec.replicas - effective_max_unavailable(spec);
    const std::int32_t budget = total - least - (new_replicas - new_available);
    if (budget <= 0) return false;
    std::int32_t leaving = 0;
    for (std::int32_t i = 0; i < sets.old_count; ++i)
        if (sets.old[i].replicas == 0) leaving += sets.old[i].available;
    const std::int32_t cleaned = cleanup_unhealthy(sets, budget);
    return cleaned + scale_down_old(spec, sets, total_available(sets) - leaving) > 0;
}

/// Whether the Deployment was resized since its sets were last scaled.
WT_HD constexpr bool is_scaling_event(const RolloutSpec& spec, const RolloutSets& sets) {
    if (sets.newest != nullptr && sets.newest->replicas > 0 &&
        sets.newest->annotated_desired != spec.replicas)
        return true;
    for (std::int32_t i = 0; i < sets.old_count; ++i)
        if (sets.old[i].replicas > 0 && sets.old[i].annotated_desired != spec.replicas) return true;
    return false;
}

/// Spreads a resize over all active sets in proportion to their sizes; what rounding leaves over goes to
/// the largest. With one active set (or none) that set (or the newest) takes everything; behind a
/// saturated new set the old ones go to zero. Updates the annotations.
WT_HD constexpr void scale_proportionally(const RolloutSpec& spec, RolloutSets sets) {
    ReplicaSetState* active[rollout_max_sets] = {};
    std::int32_t count = 0;
    ReplicaSetState* latest = sets.newest;
    if (sets.newest != nullptr && sets.newest->replicas > 0) active[count++] = sets.newest;
    for (std::int32_t i = 0; i < sets.old_count; ++i) {
        if (sets.old[i].replicas > 0) active[count++] = &sets.old[i];
        if (sets.newest == nullptr && (latest == nullptr || sets.old[i].created > latest->created))
            latest = &sets.old[i];
    }
    if (latest == nullptr) return;
    const std::int32_t allowed = spec.replicas > 0 ? spec.replicas + effective_max_surge(spec) : 0;
    const auto annotate = [&](ReplicaSetState& set) {
        set.annotated_desired = spec.replicas;
        set.annotated_max = spec.replicas + effective_max_surge(spec);
    };
    if (count <= 1) {
        ReplicaSetState& only = count == 1 ? *active[0] : *latest;
        only.replicas = spec.replicas;
        annotate(only);
        return;
    }
    const ReplicaSetState* newest = sets.newest;
    if (newest != nullptr && newest->replicas == spec.replicas &&
        newest->annotated_desired == spec.replicas && newest->available == spec.replicas) {
        for (std::int32_t i = 0; i < sets.old_count; ++i) sets.old[i].replicas = 0;
        return;
    }
    if (spec.strategy != RolloutStrategy::rolling_update) return;

    const std::int32_t to_add = allowed - total_replicas(sets);
    // Largest first; of equals the newer one when adding, the older one when removing.
    for (std::int32_t i = 1; i < count; ++i)
        for (std::int32_t j = i; j > 0; --j) {
            const ReplicaSetState& a = *active[j - 1];
            const ReplicaSetState& b = *active[j];
            const bool by_age = to_add > 0 ? b.created > a.created : b.created < a.created;
            if (b.replicas < a.replicas || (b.replicas == a.replicas && !by_age)) break;
            ReplicaSetState* swapped = active[j - 1];
            active[j - 1] = active[j];
            active[j] = swapped;
        }
    std::int32_t added = 0;
    const std::int32_t before = total_replicas(sets);
    for (std::int32_t i = 0; i < count && to_add != 0; ++i) {
        ReplicaSetState& set = *active[i];
        std::int32_t share = -set.replicas;
        if (spec.replicas > 0) {
            // Round half away from zero; all quantities are positive. Unannotated sets count as they are.
            const std::int64_t base = set.annotated_max > 0 ? set.annotated_max : before;
            share =
                static_cast<std::int32_t>((std::int64_t{2} * set.replicas * allowed + base) / (2 * base)) -
                set.replicas;
        }
        const std::int32_t left = to_add - added;
        if (left == 0) share = 0;
        if (to_add > 0 ? share > left : share < left) share = left;
        set.replicas += share;
        added += share;
    }
    active[0]->replicas += to_add - added;
    if (active[0]->replicas < 0) active[0]->replicas = 0;
    for (std::int32_t i = 0; i < count; ++i) annotate(*active[i]);
}

/// The size that the template's new ReplicaSet is created with (getNewReplicaSet): what the surge leaves room for
/// beside the old sets. The sync that creates it goes on to the old sets at once.
WT_HD constexpr ReplicaSetState new_set_at_creation(const RolloutSpec& spec, const RolloutSets& old,
                                                    std::int64_t created) {
    ReplicaSetState set;
    set.created = created;
    set.replicas = new_set_replicas(spec, 0, total_replicas(old));
    set.annotated_desired = spec.replicas;
    set.annotated_max = spec.replicas + effective_max_surge(spec);
    return set;
}

/// One sync of the Deployment. `old_pods_exist` = pods of old sets in a non-terminal phase, terminating ones
/// included; a Recreate rollout waits for them. Requires a new set.
WT_HD constexpr bool sync_rollout(const RolloutSpec& spec, RolloutSets sets, bool old_pods_exist) {
    if (is_scaling_event(spec, sets)) {
        const std::int32_t before = total_replicas(sets);
        scale_proportionally(spec, sets);
        return total_replicas(sets) != before;
    }
    if (spec.strategy == RolloutStrategy::recreate) {
        bool changed = false;
        for (std::int32_t i = 0; i < sets.old_count; ++i) {
            changed = changed || sets.old[i].replicas > 0;
            sets.old[i].replicas = 0;
        }
        return changed || (!old_pods_exist && reconcile_new_set(spec, sets));
    }
    return reconcile_new_set(spec, sets) || reconcile_old_sets(spec, sets);
}

}  // namespace windtunnel
