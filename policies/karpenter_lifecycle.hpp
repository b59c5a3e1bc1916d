#pragma once
#include "models/time.hpp"

#include <cstdint>

/// Karpenter's timers around planning and removal: the batch window, offerings without capacity, launch and
/// registration limits, draining (provisioning/batcher.go, node termination, aws cache.go; karpenter
/// 22664681, AWS provider 1d927085, 2026-08).
namespace windtunnel {

inline constexpr Tick karpenter_batch_idle = seconds(1);
inline constexpr Tick karpenter_batch_longest = seconds(10);
inline constexpr Tick karpenter_launch_timeout = seconds(300);
inline constexpr Tick karpenter_registration_timeout = seconds(900);
/// How long a planned node is kept from disruption.
inline constexpr Tick karpenter_nomination = seconds(20);
/// How long a (type, zone, capacity type) that had no capacity is left out of planning.
inline constexpr Tick karpenter_unavailable = seconds(180);

/// The window in which pending pods are gathered into one batch.
struct BatchWindow {
    bool open = false;
    Tick opened;
    Tick last_new_pod;
};

/// A pod that is new to the window arrived. The first one opens it.
WT_HD constexpr void note_pending_pod(BatchWindow& window, Tick now) {
    if (!window.open) window = {true, now, now};
    window.last_new_pod = now;
}

/// When the window closes if no further pod comes; `never` while closed.
WT_HD constexpr Tick batch_closes_at(const BatchWindow& window) {
    return window.open
               ? min(window.last_new_pod + karpenter_batch_idle, window.opened + karpenter_batch_longest)
               : never;
}

/// Pods are evicted tier by tier; a tier starts when the one before is gone: non-critical pods, then
/// non-critical daemons, then critical pods, then critical daemons.
WT_HD constexpr std::int32_t drain_tier(bool critical, bool daemon) {
    return (critical ? 2 : 0) + (daemon ? 1 : 0);
}

/// With a terminationGracePeriod on the node, when a pod is deleted whatever its PDB says: early enough for
/// its own grace.
WT_HD constexpr Tick forced_deletion_at(Tick node_deleted, Tick node_grace, Tick pod_grace) {
    return node_deleted + node_grace - pod_grace;
}

}  // namespace windtunnel
