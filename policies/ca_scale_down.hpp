#pragma once
#include "models/time.hpp"
#include "policies/resources.hpp"

#include <cstdint>

/// When cluster-autoscaler gives a node back, and how long a node group rests after a failed scale-up
/// (kubernetes.md 10.6, 10.7; cluster-autoscaler 1.37).
namespace windtunnel {

/// A pod as scale-down looks at it.
struct CaPod {
    ResourceAmounts request;
    bool daemonset = false;
    bool mirror = false;
    bool deleting = false;
    Tick deletion_timestamp;   ///< counts only while deleting
    Tick grace = seconds(30);  ///< its terminationGracePeriodSeconds
};

/// A node as scale-down looks at it. `gpu` is the place of its GPU resource, -1 for a node without one.
struct CaNodeView {
    ResourceAmounts allocatable;
    std::int32_t gpu = -1;
    bool ready = true;
    bool scale_down_disabled = false;  ///< annotation scale-down-disabled
    bool autoscaled = true;            ///< belongs to an autoscaled group
    bool marked_for_deletion = false;
    Tick marked_at;
    const CaPod* pods = nullptr;
    std::int32_t pod_count = 0;
};

struct CaScaleDownRules {
    double utilization_threshold = 0.5;
    double gpu_utilization_threshold = 0.5;
    bool ignore_daemonsets = false;
    bool ignore_mirror_pods = false;
    bool unready_enabled = true;  ///< scale-down-unready-enabled
    Tick unneeded_time = seconds(600);
    Tick unready_time = seconds(1200);
    Tick delay_after_add = seconds(600);
    Tick delay_after_delete = seconds(0);
    Tick delay_after_failure = seconds(180);
};

struct CaUtilization {
    bool error = false;  ///< a resource is not allocatable at all
    double cpu = 0.0;
    double memory = 0.0;
    double gpu = 0.0;
    double utilization = 0.0;  ///< GPU nodes: gpu alone; others: the larger of cpu and memory
};

/// Whether a pod should have gone long ago: its deletion and its grace lie more than 30 s back (kubernetes.md
/// 10.7.2; the 30 s [from general knowledge, not re-read, 2026-11]).
WT_HD constexpr bool is_long_terminating(const CaPod& pod, Tick now) {
    return pod.deleting && pod.deletion_timestamp + pod.grace + seconds(30) < now;
}

namespace ca_detail {

/// Requests over allocatable of one resource; negative where nothing is allocatable.
WT_HD constexpr double share_of(const CaNodeView& node, const CaScaleDownRules& rules, std::int32_t kind,
                                Tick now) {
    if (node.allocatable[kind] <= 0) return -1.0;
    std::int64_t requested = 0, left_out = 0;
    for (std::int32_t i = 0; i < node.pod_count; ++i) {
        const CaPod& pod = node.pods[i];
        if ((rules.ignore_daemonsets && pod.daemonset) || (rules.ignore_mirror_pods && pod.mirror))
            left_out += pod.request[kind];
        else if (!is_long_terminating(pod, now))
            requested += pod.request[kind];
    }
    return static_cast<double>(requested) / static_cast<double>(node.allocatable[kind] - left_out);
}

}  // namespace ca_detail

WT_HD constexpr CaUtilization node_utilization(const CaNodeView& node, const CaScaleDownRules& rules,
                                               Tick now) {
    CaUtilization result;
    if (node.gpu >= 0) {
        // A GPU label without an allocatable GPU (driver not up yet, or broken) counts as idle.
        const double share = ca_detail::share_of(node, rules, node.gpu, now);
        result.gpu = result.utilization = share < 0.0 ? 0.0 : share;
        return result;
    }
    result.cpu = ca_detail::share_of(node, rules, resource_cpu_milli, now);
    result.memory = ca_detail::share_of(node, rules, resource_memory_bytes, now);
    result.error = result.cpu < 0.0 || result.memory < 0.0;
    result.utilization = result.cpu > result.memory ? result.cpu : result.memory;
    return result;
}

enum class CaUnremovable : std::uint8_t {
    no_reason,
    currently_being_deleted,
    scale_down_disabled_annotation,
    not_autoscaled,
    scale_down_unready_disabled,
    unexpected_error,
    not_underutilized
};

/// Whether a node may be considered for removal at all; placing its pods elsewhere is checked after this.
WT_HD constexpr CaUnremovable scale_down_eligibility(const CaNodeView& node, const CaScaleDownRules& rules,
                                                     Tick now) {
    // A deletion mark older than 5 min is taken as failed [from general knowledge, not re-read, 2026-11].
    if (node.marked_for_deletion && now - node.marked_at < seconds(300))
        return CaUnremovable::currently_being_deleted;
    if (node.scale_down_disabled) return CaUnremovable::scale_down_disabled_annotation;
    if (!node.autoscaled) return CaUnremovable::not_autoscaled;
    if (!rules.unready_enabled && !node.ready) return CaUnremovable::scale_down_unready_disabled;
    const CaUtilization utilization = node_utilization(node, rules, now);
    if (utilization.error) return CaUnremovable::unexpected_error;
    const double threshold = node.gpu >= 0 ? rules.gpu_utilization_threshold : rules.utilization_threshold;
    return utilization.utilization > threshold ? CaUnremovable::not_underutilized : CaUnremovable::no_reason;
}

/// Whether deletions may start now. Timers of single nodes keep running meanwhile.
WT_HD constexpr bool scale_down_cooled(const CaScaleDownRules& rules, Tick last_scale_up, Tick last_delete,
                                       Tick last_failure, Tick now) {
    return last_scale_up + rules.delay_after_add <= now && last_failure + rules.delay_after_failure <= now &&
           last_delete + rules.delay_after_delete <= now;
}

/// Whether a node has been unneeded for long enough; strict.
WT_HD constexpr bool unneeded_long_enough(const CaScaleDownRules& rules, bool ready, Tick unneeded_since,
                                          Tick now) {
    return unneeded_since + (ready ? rules.unneeded_time : rules.unready_time) < now;
}

/// Defaults: kubernetes.md 10.1.
struct CaBackoffRules {
    Tick initial = seconds(300);
    Tick longest = seconds(1800);
    Tick reset_after = seconds(10'800);
};

/// One node group's memory of failed scale-ups. `known` false = no record.
struct CaBackoff {
    bool known = false;
    Tick duration;
    Tick until;
    Tick last_failure;
};

WT_HD constexpr bool is_backed_off(const CaBackoff& backoff, Tick now) {
    return backoff.known && backoff.until >= now;
}

/// A scale-up failed. The duration doubles only if the group was not resting any more, so that several
/// failures at once count as one.
WT_HD constexpr void back_off(const CaBackoffRules& rules, CaBackoff& backoff, Tick now) {
    Tick duration = rules.initial;
    if (backoff.known)
        duration = backoff.until < now ? min(2 * backoff.duration, rules.longest) : backoff.duration;
    backoff = {true, duration, now + duration, now};
}

/// Whether the record is so old that it is forgotten.
WT_HD constexpr bool is_stale(const CaBackoffRules& rules, const CaBackoff& backoff, Tick now) {
    return backoff.known && backoff.last_failure + rules.reset_after < now;
}

}  // namespace windtunnel
