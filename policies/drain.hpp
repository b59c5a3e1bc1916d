#pragma once
#include "models/time.hpp"
#include "policies/disruption_budget.hpp"

#include <cstdint>

/// What empties a node through the eviction API, and how each goes on after a refusal (kubernetes.md 6.2.4,
/// which leaves the intervals open: those below are from general knowledge of each project, not re-read,
/// 2026-11; only max-pod-eviction-time is kubernetes.md 10.1).
namespace windtunnel {

enum class Drainer : std::uint8_t { kubectl, cluster_autoscaler, karpenter };

/// `kubectl drain` asks again every 5 s, without end unless --timeout is given.
inline constexpr Tick kubectl_eviction_retry = seconds(5);
/// cluster-autoscaler: every 10 s, for at most max-pod-eviction-time, which is 2 min by default.
inline constexpr Tick ca_eviction_retry = seconds(10);
inline constexpr Tick ca_longest_eviction = seconds(120);
/// Karpenter: a limiter per pod, 100 ms doubling to 10 s.
inline constexpr Tick karpenter_eviction_base = milliseconds(100);
inline constexpr Tick karpenter_eviction_longest = seconds(10);

struct EvictionRetry {
    bool gives_up = false;  ///< the drain of this pod has failed
    Tick at = never;
};

/// After the k-th refusal in a row (k >= 1) of a pod whose drain began at `began`. `longest` is
/// --max-pod-eviction-time.
WT_HD constexpr EvictionRetry eviction_retry(Drainer drainer, EvictionAnswer answer, std::int32_t refusals,
                                             Tick began, Tick now, Tick longest = ca_longest_eviction) {
    switch (drainer) {
        case Drainer::kubectl:
            // Anything but 429 is an error to it.
            if (answer == EvictionAnswer::two_budgets) return {true, Tick{INT64_MAX}};
            return {false, now + kubectl_eviction_retry};
        case Drainer::cluster_autoscaler:
            if (now + ca_eviction_retry >= began + longest) return {true, Tick{INT64_MAX}};
            return {false, now + ca_eviction_retry};
        case Drainer::karpenter: {
            Tick delay = karpenter_eviction_base;
            for (std::int32_t i = 1; i < refusals && delay < karpenter_eviction_longest; ++i)
                delay = 2 * delay;
            return {false, now + (delay < karpenter_eviction_longest ? delay : seconds(10))};
        }
    }
    return {true, Tick{INT64_MAX}};
}

}  // namespace windtunnel
