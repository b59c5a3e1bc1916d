#pragma once
#include "models/time.hpp"

#include <cstdint>

/// Karpenter's timers around planning and removal: the batch window, offerings without capacity, launch and
/// registration limits, draining (kubernetes.md 9.1, 9.2, 9.4, 9.8).
namespace windtunnel {

inline constexpr Tick karpenter_batch_idle = seconds(1);
inline constexpr Tick karpenter_batch_longest = seconds(10);
inline constexpr Tick karpenter_launch_timeout = seconds(300);
inline constexpr Tick karpenter_registration_timeout = seconds(900);
/// How long a planned node is kept from disruption.
inline constexpr Tick karpenter_nomination = seconds(20);
/// How long a disruption command waits for its replacements before its nodes lose their taint (9.1 says 10 min to 1 h;
/// the longer times belong to many commands at once, which are not counted here).
inline constexpr Tick karpenter_command_retry = seconds(600);
/// Pod events on a node this soon after the last recorded one are not recorded (consolidateAfter).
inline constexpr Tick karpenter_pod_event_spacing = seconds(10);

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

/// How far a NodeClaim has come.
enum class ClaimPhase : std::uint8_t { launching, launched, registered, initialized };

/// When a claim that comes no further is deleted and its pods are planned again; `never` once registered.
WT_HD constexpr Tick claim_times_out_at(ClaimPhase phase, Tick created) {
    if (phase == ClaimPhase::launching) return created + karpenter_launch_timeout;
    if (phase == ClaimPhase::launched) return created + karpenter_registration_timeout;
    return never;
}

/// Initialized: the node is Ready, its startup taints and the known ephemeral ones are gone, and every
/// extended resource that was asked for is there. A Ready node without GPUs yet is not.
WT_HD constexpr bool is_initialized(bool ready, bool startup_taints_gone, std::int64_t gpus_expected,
                                    std::int64_t gpus_allocatable) {
    return ready && startup_taints_gone && (gpus_expected == 0 || gpus_allocatable > 0);
}

/// A pod was bound to a node, or one there was removed or ended; daemon pods do not count. Postpones
/// consolidation by consolidateAfter.
WT_HD constexpr void note_pod_event(Tick& last, bool& any, Tick now) {
    if (any && now - last < karpenter_pod_event_spacing) return;
    last = now;
    any = true;
}

/// The tier that a drain works on: the lowest that still has pods; -1 once all are gone. `left` counts the
/// pods still on the node, by drain_tier.
WT_HD constexpr std::int32_t tier_to_drain(const std::int32_t (&left)[4]) {
    for (std::int32_t tier = 0; tier < 4; ++tier)
        if (left[tier] > 0) return tier;
    return -1;
}

/// When the instance goes although pods are left; `never` without a terminationGracePeriod.
WT_HD constexpr Tick forced_termination_at(Tick node_deleted, Tick node_grace) {
    return node_grace == never ? Tick{never} : node_deleted + node_grace;
}

}  // namespace windtunnel
