#pragma once
#include "models/time.hpp"

#include <cstdint>

/// cluster-autoscaler's loop: when an iteration runs, which pods it helps, how far a group may grow and
/// how many nodes may go at once (kubernetes.md 10.1 to 10.3, 10.7;
/// cluster-autoscaler 1.37).
namespace windtunnel {

/// Defaults: kubernetes.md 10.1.
struct CaLoopRules {
    Tick scan_interval = seconds(10);
    bool frequent_loops = true;   ///< default true since 1.35
    Tick young_pod = seconds(2);  ///< the oldest pending pod must be at least this old
    Tick new_pod_scale_up_delay = seconds(0);
    std::int32_t expendable_priority = -10;  ///< pods below it are ignored
    std::int32_t max_nodes_per_scale_up = 1000;
    Tick max_node_provision_time = seconds(900);
    std::int32_t ok_total_unready = 3;             ///< so many unready nodes are never too many
    double max_total_unready_percentage = 45;
};

/// Whether a cluster's or a group's nodes are well enough for it to be scaled (ok-total-unready-count,
/// max-total-unready-percentage).
WT_HD constexpr bool is_healthy(const CaLoopRules& rules, std::int32_t unready, std::int32_t total) {
    return unready <= rules.ok_total_unready ||
           static_cast<double>(unready) <= rules.max_total_unready_percentage / 100.0 * static_cast<double>(total);
}

/// When the next iteration starts. `productive` = the last one scaled up or deleted a node;
/// `unschedulable_at` = when a pod was last found unschedulable, `never` if none since the last iteration.
WT_HD constexpr Tick next_iteration(const CaLoopRules& rules, Tick ended, bool productive,
                                    Tick unschedulable_at) {
    const Tick plain = ended + rules.scan_interval;
    if (!rules.frequent_loops) return plain;
    if (productive) return ended;
    return min(plain, max(ended, unschedulable_at));
}

/// Whether a pending pod is looked at.
WT_HD constexpr bool is_helpable(const CaLoopRules& rules, std::int32_t priority, Tick created, Tick now) {
    return priority >= rules.expendable_priority && created + rules.new_pod_scale_up_delay <= now;
}

/// Whether an iteration does anything for pending pods whose oldest was created at `oldest`. A lone new pod
/// wakes the loop and is then passed over as too young.
WT_HD constexpr bool pods_old_enough(const CaLoopRules& rules, Tick oldest, Tick now) {
    return oldest + rules.young_pod <= now;
}

/// How many nodes a scale-up really asks for.
WT_HD constexpr std::int32_t capped_scale_up(const CaLoopRules& rules, std::int32_t wanted,
                                             std::int32_t target_size, std::int32_t max_size) {
    std::int32_t allowed = max_size - target_size;
    if (rules.max_nodes_per_scale_up < allowed) allowed = rules.max_nodes_per_scale_up;
    if (allowed < 0) allowed = 0;
    return wanted < allowed ? wanted : allowed;
}

/// How many of a group's empty and of its occupied unneeded nodes may be deleted now: bulk for empty ones,
/// `max_drain` (1 by default) for those with pods, `max_parallel` (10) in all, never below the group's
/// minimum. `deleting` = deletions under way.
struct CaDeletionQuota {
    std::int32_t empty = 0;
    std::int32_t occupied = 0;
};
WT_HD constexpr CaDeletionQuota deletion_quota(std::int32_t empty, std::int32_t occupied,
                                               std::int32_t target_size, std::int32_t min_size,
                                               std::int32_t deleting, std::int32_t draining,
                                               std::int32_t max_parallel = 10, std::int32_t max_drain = 1) {
    std::int32_t room = target_size - min_size;
    if (max_parallel - deleting < room) room = max_parallel - deleting;
    if (room < 0) room = 0;
    CaDeletionQuota quota;
    quota.empty = empty < room ? empty : room;
    room -= quota.empty;
    if (max_drain - draining < room) room = max_drain > draining ? max_drain - draining : 0;
    quota.occupied = occupied < room ? occupied : room;
    return quota;
}

}  // namespace windtunnel
