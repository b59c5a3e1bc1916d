#pragma once
#include "policies/count_or_percent.hpp"

#include <cstdint>

/// PodDisruptionBudgets: how many evictions are allowed, and what an eviction request gets
/// (kubernetes.md 6, 1.30-1.36 cycle).
/// They govern evictions only: not rollouts, not scale-down, not node failure, not direct deletes.
namespace windtunnel {

/// One of the two is given.
struct DisruptionBudgetSpec {
    CountOrPercent min_available;
    CountOrPercent max_unavailable;
    /// Releases before about 1.20 refuse every disruption where a matching pod has no controller and the
    /// budget needs the controllers' scale; later ones leave such pods out of the scale.
    bool unowned_pods_block = false;
};

/// What the budget sees.
struct DisruptionBudgetInput {
    std::int32_t matching_pods = 0;
    std::int32_t healthy_pods = 0;      ///< Ready, not being deleted, not recorded as disrupted within 2 min
    std::int32_t controller_scale = 0;  ///< sum of spec.replicas of the pods' controllers, each once
    bool has_unowned_pod = false;
};

struct DisruptionBudgetStatus {
    std::int32_t expected_pods = 0;
    std::int32_t desired_healthy = 0;
    std::int32_t current_healthy = 0;
    std::int32_t disruptions_allowed = 0;
};

/// An integer minAvailable counts the matching pods; everything else counts what the controllers should
/// have. Percentages round up for both fields.
WT_HD constexpr DisruptionBudgetStatus budget_status(const DisruptionBudgetSpec& spec,
                                                     const DisruptionBudgetInput& input) {
    DisruptionBudgetStatus status;
    status.current_healthy = input.healthy_pods;
    const bool by_scale =
        spec.max_unavailable.is_given() || spec.min_available.kind == CountOrPercent::Kind::percent;
    if (by_scale && input.has_unowned_pod && spec.unowned_pods_block) return status;
    if (!by_scale && !spec.min_available.is_given())
        return status;  // a budget that says nothing allows nothing
    status.expected_pods = by_scale ? input.controller_scale : input.matching_pods;
    if (spec.max_unavailable.is_given())
        status.desired_healthy =
            status.expected_pods - spec.max_unavailable.resolve(status.expected_pods, true);
    else
        status.desired_healthy = spec.min_available.resolve(status.expected_pods, true);
    if (status.desired_healthy < 0) status.desired_healthy = 0;
    const std::int32_t spare = status.current_healthy - status.desired_healthy;
    status.disruptions_allowed = status.expected_pods > 0 && spare > 0 ? spare : 0;
    return status;
}

enum class UnhealthyEvictionPolicy : std::uint8_t { if_healthy_budget, always_allow };

/// How long a pod stays recorded as disrupted while it has not gone.
inline constexpr std::int64_t disruption_record_seconds = 120;

enum class EvictionAnswer : std::uint8_t {
    evict,              ///< deleted; the budget is untouched
    evict_and_count,    ///< deleted; one allowed disruption was used, the pod is to be recorded
    too_many_requests,  ///< 429: the drainer tries again
    two_budgets,        ///< 500: more than one budget matches, never allowed
};

/// Whether the pod is on its way out.
WT_HD constexpr bool is_evicted(EvictionAnswer answer) {
    return answer == EvictionAnswer::evict || answer == EvictionAnswer::evict_and_count;
}

/// Answers an eviction request and charges the budget. `budget` is null where none matches, `budgets` how
/// many do; `unchecked` = the pod is Pending, terminal or already being deleted.
WT_HD constexpr EvictionAnswer request_eviction(DisruptionBudgetStatus* budget, std::int32_t budgets,
                                                bool unchecked, bool running_not_ready,
                                                UnhealthyEvictionPolicy policy) {
    if (unchecked || budgets == 0) return EvictionAnswer::evict;
    if (budgets > 1) return EvictionAnswer::two_budgets;
    if (running_not_ready &&
        (policy == UnhealthyEvictionPolicy::always_allow ||
         (budget->desired_healthy > 0 && budget->current_healthy >= budget->desired_healthy)))
        return EvictionAnswer::evict;
    if (budget->disruptions_allowed <= 0) return EvictionAnswer::too_many_requests;
    --budget->disruptions_allowed;
    return EvictionAnswer::evict_and_count;
}

}  // namespace windtunnel
