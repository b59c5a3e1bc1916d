#pragma once
#include "policies/disruption_budget.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

/// What a budget says now, from the counters of the workloads that it covers. A pod that has been evicted is
/// out of them at once, so that no record of disrupted pods is needed.
template <class State>
[[nodiscard]] WT_HD DisruptionBudgetStatus disruption_status(const State& s, const DisruptionBudgetPlan& budget) {
    DisruptionBudgetInput input;
    const auto workloads = static_cast<std::uint32_t>(s.blueprint().workloads.size());
    for (std::uint32_t w = budget.next_covered(0); w < workloads; w = budget.next_covered(w + 1)) {
        const WorkloadState& state = s.workload(w);
        input.matching_pods += static_cast<std::int32_t>(state.active);
        input.healthy_pods += static_cast<std::int32_t>(state.ready);
        input.controller_scale += static_cast<std::int32_t>(state.desired);
    }
    return budget_status(budget.spec, input);
}

}  // namespace windtunnel
