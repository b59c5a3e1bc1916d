#pragma once
#include "policies/active_interval.hpp"
#include "policies/count_or_percent.hpp"
#include "policies/rounding.hpp"

#include <cstdint>

/// NodePool disruption budgets (kubernetes.md 9.7, karpenter 22664681, 2026-08-20).
/// They limit drift, emptiness and consolidation; not expiry, spot interruption, repair or deletion by hand.
namespace windtunnel {

enum class DisruptionReason : std::uint8_t { underutilized = 1, empty = 2, drifted = 4 };

struct KarpenterBudget {
    CountOrPercent nodes = percent(10);
    std::uint8_t reasons = 0;  ///< bits of DisruptionReason; 0 = all
    bool valid = true;         ///< an invalid budget allows nothing
    bool active = true;        ///< its schedule holds now (karpenter_schedule.hpp)
};

/// Whether `now` lies in one of the sorted, disjoint intervals that a budget's cron schedule was compiled
/// into (karpenter_schedule.hpp).
WT_HD constexpr bool is_active(const ActiveInterval* intervals, std::int32_t count, Tick now) {
    std::int32_t low = 0, high = count;  // the first that ends after now
    while (low < high) {
        const std::int32_t middle = low + (high - low) / 2;
        if (intervals[middle].to <= now)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && intervals[low].from <= now;
}

/// What one budget allows among `nodes` nodes; percentages round up. Unlimited while inactive.
WT_HD constexpr std::int32_t allowed_disruptions(const KarpenterBudget& budget, std::int32_t nodes) {
    if (!budget.valid) return 0;
    return budget.active ? budget.nodes.resolve(nodes, true) : max_i32;
}

/// What all budgets of a pool together allow for one reason: the smallest.
WT_HD constexpr std::int32_t allowed_disruptions(const KarpenterBudget* budgets, std::int32_t count,
                                                 DisruptionReason reason, std::int32_t nodes) {
    std::int32_t allowed = max_i32;
    for (std::int32_t i = 0; i < count; ++i) {
        if (budgets[i].reasons != 0 && (budgets[i].reasons & static_cast<std::uint8_t>(reason)) == 0)
            continue;
        const std::int32_t one = allowed_disruptions(budgets[i], nodes);
        if (one < allowed) allowed = one;
    }
    return allowed;
}

/// What is left after the nodes that are disrupted already. `nodes` = the pool's managed, initialised nodes
/// whose instance is not terminating; `disrupting` = of these NotReady or marked for deletion.
WT_HD constexpr std::int32_t remaining_disruptions(const KarpenterBudget* budgets, std::int32_t count,
                                                   DisruptionReason reason, std::int32_t nodes,
                                                   std::int32_t disrupting) {
    const std::int32_t left = allowed_disruptions(budgets, count, reason, nodes) - disrupting;
    return left > 0 ? left : 0;
}

}  // namespace windtunnel
