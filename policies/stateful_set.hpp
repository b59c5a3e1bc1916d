#pragma once
#include "policies/count_or_percent.hpp"

#include <cstdint>

/// A StatefulSet's sync [from general knowledge of its API and controller, not re-read, 2026-11]: pods have
/// ordinals that they keep, come up in ascending order and go in descending order, one at a time and each
/// waiting for the one before (OrderedReady), or all at once (Parallel); a rolling update replaces from the
/// highest ordinal down, as far as maxUnavailable lets it, and leaves ordinals below `partition` alone.
namespace windtunnel {

enum class PodManagement : std::uint8_t { ordered_ready, parallel };

struct StatefulSetSpec {
    std::int32_t replicas = 1;
    PodManagement management = PodManagement::ordered_ready;
    bool on_delete = false;  ///< updateStrategy OnDelete: nothing is replaced by the controller
    std::int32_t partition = 0;
    CountOrPercent max_unavailable;  ///< absent = 1; percent rounds down, at least 1
};

/// The pod of one ordinal.
struct StatefulPod {
    bool exists = false;
    bool terminating = false;
    bool failed = false;     ///< phase Failed or Succeeded
    bool ready = false;      ///< Running and Ready
    bool available = false;  ///< Ready for minReadySeconds
    bool updated = false;    ///< of the newest revision
};

WT_HD constexpr std::int32_t stateful_max_unavailable(const StatefulSetSpec& spec) {
    if (!spec.max_unavailable.is_given()) return 1;
    const std::int32_t most = spec.max_unavailable.resolve(spec.replicas, false);
    return most < 1 ? 1 : most;
}

/// Whether a pod created at this ordinal is of the newest revision.
WT_HD constexpr bool creates_updated(const StatefulSetSpec& spec, std::int32_t ordinal) {
    return ordinal >= spec.partition;
}

/// One sync. `pod(ordinal)` gives a StatefulPod for ordinals [0, ordinals); `create(ordinal, updated)` says
/// whether a creation was accepted, `remove(ordinal)` deletes. Returns false when a creation was refused: the
/// sync failed and is tried again by the work queue's limiter.
template <class PodAt, class Create, class Remove>
WT_HD bool sync_stateful_set(const StatefulSetSpec& spec, std::int32_t ordinals, PodAt pod, Create create,
                             Remove remove) {
    const bool ordered = spec.management == PodManagement::ordered_ready;
    // The first unhealthy pod, replicas ascending and then those to go: the only unhealthy one that an
    // ordered scale-down may delete.
    std::int32_t first_unhealthy = -1;
    for (std::int32_t i = 0; i < ordinals && first_unhealthy < 0; ++i) {
        const StatefulPod p = pod(i);
        const bool wanted = i < spec.replicas;
        if ((wanted && !p.exists) || (p.exists && (!p.ready || p.terminating))) first_unhealthy = i;
    }
    bool accepted = true;
    for (std::int32_t i = 0; i < spec.replicas; ++i) {
        const StatefulPod p = i < ordinals ? pod(i) : StatefulPod{};
        if (p.exists && p.failed && !p.terminating) {
            remove(i);  // made again once it has gone
            if (ordered) return accepted;
            continue;
        }
        if (!p.exists) {
            if (!create(i, creates_updated(spec, i))) accepted = false;
            if (ordered || !accepted) return accepted;
            continue;
        }
        if (ordered && (p.terminating || !p.ready || !p.available)) return accepted;
    }
    for (std::int32_t i = ordinals; i-- > spec.replicas;) {
        const StatefulPod p = pod(i);
        if (!p.exists) continue;
        if (p.terminating) {
            if (ordered) return accepted;
            continue;
        }
        if (ordered && (!p.ready || !p.available) && i != first_unhealthy) return accepted;
        remove(i);
        if (ordered) return accepted;
    }
    if (spec.on_delete) return accepted;
    if (!spec.max_unavailable.is_given()) {
        // One at a time: the highest old pod goes once everything above it is healthy.
        for (std::int32_t i = spec.replicas; i-- > spec.partition;) {
            const StatefulPod p = i < ordinals ? pod(i) : StatefulPod{};
            if (p.exists && !p.updated && !p.terminating) {
                remove(i);
                return accepted;
            }
            if (!p.exists || !p.ready || !p.available || p.terminating) return accepted;
        }
        return accepted;
    }
    std::int32_t unavailable = 0;
    for (std::int32_t i = 0; i < spec.replicas; ++i) {
        const StatefulPod p = i < ordinals ? pod(i) : StatefulPod{};
        unavailable += !p.exists || !p.ready || !p.available || p.terminating ? 1 : 0;
    }
    std::int32_t budget = stateful_max_unavailable(spec) - unavailable;
    for (std::int32_t i = spec.replicas; budget > 0 && i-- > spec.partition;) {
        const StatefulPod p = i < ordinals ? pod(i) : StatefulPod{};
        if (!p.exists || p.updated || p.terminating) continue;
        remove(i);
        --budget;
    }
    return accepted;
}

}  // namespace windtunnel
