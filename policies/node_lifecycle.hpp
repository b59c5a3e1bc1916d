#pragma once
#include "models/time.hpp"

#include <cstdint>

/// A node that stops answering (kubernetes.md 5.7, 1.36 cycle): detection on the controller's grid, endpoints
/// at once, NoExecute taints through a limiter per zone, pods deleted when their toleration ends.
namespace windtunnel {

inline constexpr Tick node_lease_renewal = seconds(10);  ///< 0.25 of the lease's 40 s
inline constexpr Tick node_monitor_period = seconds(5);
inline constexpr Tick node_monitor_grace = seconds(50);  ///< since 1.32; 40 s before
/// tolerationSeconds that admission adds for not-ready and unreachable (defaulttolerationseconds).
inline constexpr Tick default_lost_toleration = seconds(300);

/// The last renewal at or before `lost` of a node that renews every 10 s from `phase` in [0, 10 s) on.
WT_HD constexpr Tick last_renewal(Tick lost, Tick phase) {
    const std::int64_t since = (lost - phase).count;
    if (since < 0) return phase - node_lease_renewal;
    return phase + node_lease_renewal * (since / node_lease_renewal.count);
}

/// The first look of the controller, every 5 s from `phase` in [0, 5 s) on, that finds no renewal for longer
/// than the grace period.
WT_HD constexpr Tick loss_detected_at(Tick renewed, Tick phase, Tick grace) {
    const std::int64_t since = (renewed + grace - phase).count;
    return since < 0 ? phase : phase + node_monitor_period * (since / node_monitor_period.count + 1);
}

enum class ZoneHealth : std::uint8_t { normal, partial_disruption, full_disruption };

/// Health of a zone by its nodes' Ready conditions: more than two and at least 55 % not ready is partial.
WT_HD constexpr ZoneHealth zone_health(std::int32_t ready, std::int32_t not_ready) {
    if (ready == 0 && not_ready > 0) return ZoneHealth::full_disruption;
    if (not_ready > 2 && std::int64_t{100} * not_ready >= std::int64_t{55} * (ready + not_ready))
        return ZoneHealth::partial_disruption;
    return ZoneHealth::normal;
}

/// Time between two taints in a zone of `nodes` nodes (setLimiterInZone; --node-eviction-rate 0.1, --secondary-node-eviction-rate 0.01,
/// --large-cluster-size-threshold 50); `never` = none.
WT_HD constexpr Tick taint_interval(ZoneHealth health, bool all_zones_disrupted, std::int32_t nodes) {
    if (all_zones_disrupted) return {INT64_MAX};
    if (health != ZoneHealth::partial_disruption) return seconds(10);
    return nodes > 50 ? seconds(100) : Tick{INT64_MAX};
}

/// When the next taint of a zone may be set: bucket of one.
WT_HD constexpr Tick next_taint_at(Tick last_taint, Tick interval, Tick now) {
    if (interval.count == INT64_MAX) return {INT64_MAX};
    const Tick free = last_taint + interval;
    return free > now ? free : now;
}

}  // namespace windtunnel
