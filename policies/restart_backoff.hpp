#pragma once
#include "models/time.hpp"

#include <cstdint>

/// How long the kubelet waits before it does something again that failed (kubernetes.md 4.11, 4.12,
/// 3.4, v1.31.13).
namespace windtunnel {

/// A pod's restartPolicy: which of its ended containers the kubelet starts again.
enum class RestartPolicy : std::uint8_t { always, on_failure, do_not };

/// A doubling delay per key that forgets after a quiet time.
struct BackoffRules {
    Tick initial = seconds(10);
    Tick longest = seconds(300);
    Tick forget = seconds(600);  ///< 2 x 300 s; stays so where `longest` is lowered (KEP-4603)
};

/// Containers and images alike: 10 s, 20, 40, ... 300 s.
inline constexpr BackoffRules kubelet_backoff{};

/// A container's restarts (key: pod, container, spec).
///
/// The first exit restarts at once and opens the record at 10 s; the following wait for what the record says,
/// counted from the container's exit, and double it. Exit codes make no difference, nor do liveness kills. A
/// record is dropped 10 min after the last decision to start the container, be it running or waiting then (the
/// kubelet's housekeeping: HandlePodCleanups calls backOff.GC [kubelet_pods.go, read in v1.20.2, 2026-11]): one
/// that runs for 350 s never waits longer than 250 s, and begins anew after that.
struct RestartBackoff {
    Tick delay;          ///< 0 = no record
    Tick last_decision;  ///< to start the container again

    [[nodiscard]] WT_HD bool lapsed(Tick now, const BackoffRules& rules) const {
        return delay.count == 0 || now - last_decision > rules.forget;
    }
    /// When the back-off of a container that exited at `exit` is over, if its record stays.
    [[nodiscard]] WT_HD Tick expires(Tick exit, const BackoffRules& rules) const {
        return lapsed(exit, rules) ? exit : exit + delay;
    }
    /// The pod is synced at `now`: may the container start, in which case the record moves on? Waiting until
    /// then it is in CrashLoopBackOff.
    [[nodiscard]] WT_HD bool try_restart(Tick exit, Tick now, const BackoffRules& rules) {
        const bool anew = lapsed(now, rules);
        if (!anew && now < exit + delay) return false;
        delay = anew ? rules.initial : min(2 * delay, rules.longest);
        last_decision = now;
        return true;
    }
};

/// The pod's next sync while a container waits in back-off (4.11.2), `draw` uniform 64 bits: kubelets up to
/// 1.34 look every 10 s x U[1, 1.5]; since 1.35 when the rest of the back-off, at most 60 s, x U[1, 1.5] has
/// passed (kubernetes.md 4.11.2). The work queue is looked through once a second.
WT_HD constexpr Tick backoff_resync(Tick now, Tick expires, std::uint64_t draw, bool since_1_35) {
    const Tick rest = expires > now ? expires - now : Tick{0};
    const Tick wait = since_1_35 ? min(rest, seconds(60)) : seconds(10);
    const std::int64_t jitter = (wait.count / 2 >> 16) * static_cast<std::int64_t>(draw >> 48);
    const std::int64_t whole = (wait.count + jitter + ticks_per_second - 1) / ticks_per_second;
    return now + seconds(whole > 0 ? whole : 1);
}

/// An image's failed pulls (key: pod, image): 10 s doubling to 300 s, from the failure. Unlike a restart, the
/// first failure waits too; the record lapses when more than 600 s lie between two failures.
struct PullBackoff {
    Tick delay;
    Tick last_failure;

    /// Returns when the image may be pulled again.
    WT_HD Tick failed(Tick now, const BackoffRules& rules) {
        const bool lapsed = delay.count == 0 || now - last_failure > rules.forget;
        delay = lapsed ? rules.initial : min(2 * delay, rules.longest);
        last_failure = now;
        return now + delay;
    }
};

enum class ImagePullPolicy : std::uint8_t { if_not_present, always, present_only };

/// Whether the node asks the registry for an image. `always` does for an image that is there, too: its
/// manifest is compared and no layer moves.
WT_HD constexpr bool asks_registry(ImagePullPolicy policy, bool present) {
    return policy == ImagePullPolicy::always || (policy == ImagePullPolicy::if_not_present && !present);
}

}  // namespace windtunnel
