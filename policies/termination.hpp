#pragma once
#include "models/time.hpp"

#include <cstdint>

/// How a pod's containers end (kubernetes.md 4.6, 4.10, 5.1 to 5.5, v1.31.13 and newer).
namespace windtunnel {

/// A container always gets this long between SIGTERM and SIGKILL (minimumGracePeriodInSeconds).
inline constexpr Tick least_kill_window = seconds(2);

/// A pod's deletion: when it was asked for, and the grace that counts.
struct PodDeletion {
    bool requested = false;
    Tick at;
    Tick grace;

    /// A request to delete with `wanted` of grace; a later one can only bring the end forward. The kubelet
    /// gives at least 1 s. Returns whether anything changed.
    WT_HD bool request(Tick now, Tick wanted) {
        const Tick least = seconds(1);
        wanted = max(wanted, least);
        if (!requested) {
            requested = true;
            at = now;
            grace = wanted;
            return true;
        }
        if (now + wanted >= deadline()) return false;
        grace = max(now + wanted - at, least);
        return true;
    }
    /// deletionTimestamp.
    [[nodiscard]] WT_HD Tick deadline() const { return at + grace; }
};

/// The grace of a container that a probe kills: the probe's own if it has one (`probe_grace` >= 0), else the
/// pod's; while the pod is being deleted its deletion's wins over both (4.6).
WT_HD constexpr Tick probe_kill_grace(Tick pod_grace, Tick probe_grace, const PodDeletion& deletion) {
    if (deletion.requested) return deletion.grace;
    return probe_grace.count >= 0 ? probe_grace : pod_grace;
}

/// One container's clock from the moment it is to stop. Containers do not share their grace.
struct KillClock {
    Tick from;   ///< preStop begins
    Tick grace;  ///< from then on

    /// preStop, which would last until `hook_end`, is inside the grace.
    [[nodiscard]] WT_HD Tick sigterm(Tick hook_end) const { return max(from, min(hook_end, from + grace)); }
    /// The grace that is left after whole seconds of preStop, and never less than 2 s.
    [[nodiscard]] WT_HD Tick sigkill(Tick sigterm_at) const {
        const std::int64_t spent = (sigterm_at - from).count / ticks_per_second;
        const Tick least = seconds(2);
        return sigterm_at + max(grace - seconds(spent), least);
    }
};

/// One container of a pod that stops, and what became of it.
struct StoppingContainer {
    bool sidecar = false;  ///< a restartable init container; declared in this order
    Tick pre_stop;         ///< how long its hook runs if nothing cuts it
    Tick exits_after;      ///< after SIGTERM, by itself; `never` = only SIGKILL ends it
    Tick sigterm, gone;    ///< results
};

/// Stops a pod's containers from `now` on; returns when the last has gone, and with it the node's resources
/// are free (5.5).
///
/// Main containers stop in parallel. Sidecars run their hooks at once, but get SIGTERM only after all main
/// containers, and the sidecars declared after them, have gone; the waiting uses up their grace (5.4).
WT_HD inline Tick stop_containers(StoppingContainer* containers, std::int32_t count, Tick now, Tick grace) {
    const KillClock clock{now, grace};
    Tick gone = now;
    for (std::int32_t i = 0; i < count; ++i) {
        StoppingContainer& c = containers[i];
        if (c.sidecar) continue;
        c.sigterm = clock.sigterm(now + c.pre_stop);
        const Tick kill = clock.sigkill(c.sigterm);
        c.gone = c.exits_after == never ? kill : min(c.sigterm + c.exits_after, kill);
        gone = max(gone, c.gone);
    }
    for (std::int32_t i = count; i-- > 0;) {
        StoppingContainer& c = containers[i];
        if (!c.sidecar) continue;
        const Tick hook = clock.sigterm(now + c.pre_stop);
        const std::int64_t hook_spent = (hook - now).count / ticks_per_second;
        const Tick none{0};
        const Tick left = max(grace - seconds(hook_spent), none);
        c.sigterm = max(hook, min(gone, hook + left));
        const std::int64_t waited = (c.sigterm - hook).count / ticks_per_second;
        const Tick least = seconds(2);
        const Tick kill = c.sigterm + max(left - seconds(waited), least);
        c.gone = c.exits_after == never ? kill : min(c.sigterm + c.exits_after, kill);
        gone = max(gone, c.gone);
    }
    return gone;
}

/// A pod as an EndpointSlice shows it (4.10.1).
struct EndpointConditions {
    bool ready = false;
    bool serving = false;
    bool terminating = false;
};
WT_HD constexpr EndpointConditions endpoint_conditions(bool pod_ready, bool deleting,
                                                       bool publish_not_ready) {
    return {publish_not_ready || (pod_ready && !deleting), pod_ready, deleting};
}

/// Whether a proxy sends to an endpoint: to ready ones; while there is none, to those that terminate but
/// still serve (4.10.2).
WT_HD constexpr bool receives_traffic(EndpointConditions endpoint, bool any_ready) {
    return endpoint.ready || (!any_ready && endpoint.serving && endpoint.terminating);
}

}  // namespace windtunnel
