#pragma once
#include "models/time.hpp"
#include "policies/hpa.hpp"

#include <cstdint>

/// Which pods a ReplicaSet deletes first, when a pod counts as available, and when a refused creation is
/// tried again (kubernetes.md 3.1, v1.31.13).
namespace windtunnel {

/// What the order of deletion looks at.
struct ReplicaSetPod {
    bool assigned = false;  ///< to a node
    PodPhase phase = PodPhase::pending;
    bool ready = false;
    std::int32_t deletion_cost = 0;  ///< annotation controller.kubernetes.io/pod-deletion-cost
    std::int32_t rank = 0;           ///< active pods of the same controller on its node, itself included
    std::int32_t restarts = 0;       ///< the largest of its containers
    Tick ready_since;
    Tick created;
    std::uint64_t uid = 0;  ///< drawn at random per pod: breaks ties of age
};

namespace replica_set_detail {

/// trunc(log2(age in nanoseconds)), -1 for no age at all: ages within a factor of two are about equal.
WT_HD constexpr std::int32_t age_class(Tick since, Tick now) {
    std::int64_t nanoseconds = (now - since).count / 100;  // a tick is 10 ps
    std::int32_t result = -1;
    for (; nanoseconds > 0; nanoseconds >>= 1) ++result;
    return result;
}

WT_HD constexpr std::int32_t phase_order(PodPhase phase) {
    return phase == PodPhase::pending ? 0 : phase == PodPhase::unknown ? 1 : 2;
}

}  // namespace replica_set_detail

/// Whether `a` is deleted before `b`. A strict weak order for distinct uids at one instant.
WT_HD constexpr bool deleted_before(const ReplicaSetPod& a, const ReplicaSetPod& b, Tick now) {
    using replica_set_detail::age_class;
    using replica_set_detail::phase_order;
    if (a.assigned != b.assigned) return !a.assigned;
    if (phase_order(a.phase) != phase_order(b.phase)) return phase_order(a.phase) < phase_order(b.phase);
    if (a.ready != b.ready) return !a.ready;
    if (a.deletion_cost != b.deletion_cost) return a.deletion_cost < b.deletion_cost;
    if (a.rank != b.rank) return a.rank > b.rank;
    if (a.ready && b.ready && a.ready_since != b.ready_since) {
        const std::int32_t ca = age_class(a.ready_since, now), cb = age_class(b.ready_since, now);
        return ca != cb ? ca < cb : a.uid < b.uid;
    }
    if (a.restarts != b.restarts) return a.restarts > b.restarts;
    if (a.created != b.created) {
        const std::int32_t ca = age_class(a.created, now), cb = age_class(b.created, now);
        if (ca != cb) return ca < cb;
    }
    return a.uid < b.uid;
}

/// Available = Ready for strictly longer than minReadySeconds (at once where that is 0).
WT_HD constexpr bool is_available(bool ready, Tick ready_since, Tick min_ready, Tick now) {
    return ready && (min_ready == Tick{0} || ready_since + min_ready < now);
}

/// When the controller looks whether a pod that became Ready is available: a second after minReadySeconds
/// (the set is looked at again then, 3.1.4), so up to a second late. At once where that is 0.
WT_HD constexpr Tick availability_check_at(Tick ready_since, Tick min_ready) {
    return min_ready == Tick{0} ? ready_since : ready_since + min_ready + seconds(1);
}

/// Delay before the next try after the k-th refused creation in a row, k >= 1: 5 ms doubling up to 1000 s
/// (workqueue's default limiter). One success clears the count.
WT_HD constexpr Tick creation_retry_delay(std::int32_t failures) {
    Tick delay = milliseconds(5);
    for (std::int32_t i = 1; i < failures && delay < seconds(1000); ++i) delay = 2 * delay;
    return min(delay, seconds(1000));
}

/// Size of slow-start batch `index` of creations: 1, 2, 4, ... A failure in a batch ends the sync.
WT_HD constexpr std::int32_t creation_batch(std::int32_t index) { return index < 9 ? 1 << index : 500; }

}  // namespace windtunnel
