#pragma once
#include "models/time.hpp"

#include <cstdint>

/// A Deployment's Progressing condition (kubernetes.md 3.2.7). It only tells: nothing is rolled back or
/// stopped.
namespace windtunnel {

/// progressDeadlineSeconds where the manifest gives none (kubernetes.md 3.2).
inline constexpr Tick default_progress_deadline = seconds(600);

/// What the Deployment's status counts. Pods being deleted are in none of the numbers.
struct RolloutCounts {
    std::int32_t replicas = 0;   ///< pods of all ReplicaSets
    std::int32_t updated = 0;    ///< of the newest
    std::int32_t ready = 0;      ///< of all
    std::int32_t available = 0;  ///< of all
};

/// The reason of the Progressing condition.
enum class RolloutReason : std::uint8_t {
    none,               ///< no condition yet
    new_set_created,    ///< NewReplicaSetCreated
    set_updated,        ///< ReplicaSetUpdated
    new_set_available,  ///< NewReplicaSetAvailable: complete; never times out
    deadline_exceeded,  ///< ProgressDeadlineExceeded: status False
};

struct RolloutProgress {
    RolloutReason reason = RolloutReason::none;
    Tick last_update;  ///< of the condition; the deadline counts from here
    RolloutCounts seen;
};

WT_HD constexpr bool rollout_is_complete(std::int32_t replicas, const RolloutCounts& counts) {
    return counts.updated == replicas && counts.replicas == replicas && counts.available == replicas;
}

/// More updated pods, fewer old ones, more ready or more available ones than at the last look.
WT_HD constexpr bool rollout_moved(const RolloutCounts& before, const RolloutCounts& after) {
    return after.updated > before.updated ||
           after.replicas - after.updated < before.replicas - before.updated || after.ready > before.ready ||
           after.available > before.available;
}

/// A new ReplicaSet was made: the deadline starts.
WT_HD constexpr void rollout_began(RolloutProgress& progress, Tick now) {
    progress.reason = RolloutReason::new_set_created;
    progress.last_update = now;
}

/// Brings the condition up to date. `deadline` = `never` where the manifest switches it off
/// (progressDeadlineSeconds of 2^31-1). Returns whether the reason changed.
///
/// A complete rollout whose counts still fit is left alone: scaling it or losing a pod starts no deadline.
WT_HD constexpr bool sync_rollout_progress(RolloutProgress& progress, std::int32_t replicas,
                                           const RolloutCounts& counts, Tick deadline, Tick now) {
    const RolloutReason before = progress.reason;
    const bool was_complete = before == RolloutReason::new_set_available && counts.replicas == counts.updated;
    if (!was_complete && deadline != never) {
        if (rollout_is_complete(replicas, counts)) {
            progress.reason = RolloutReason::new_set_available;
            if (before != progress.reason) progress.last_update = now;
        } else if (rollout_moved(progress.seen, counts)) {
            progress.reason = RolloutReason::set_updated;
            progress.last_update = now;
        } else if (before != RolloutReason::none && before != RolloutReason::new_set_available &&
                   progress.last_update + deadline < now) {
            progress.reason = RolloutReason::deadline_exceeded;
        }
    }
    progress.seen = counts;
    return progress.reason != before;
}

/// When the controller looks again for the deadline by itself, one second after it (requeueStuckDeployment);
/// `never` when nothing is waited for.
WT_HD constexpr Tick progress_check_at(const RolloutProgress& progress, Tick deadline) {
    const bool waits =
        progress.reason == RolloutReason::new_set_created || progress.reason == RolloutReason::set_updated;
    return waits && deadline != never ? progress.last_update + deadline + seconds(1) : never;
}

}  // namespace windtunnel
