#pragma once
#include "sim/disruption_status.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// The eviction API with its PodDisruptionBudgets. Who drains a node asks it again and again (sim/node_pools.hpp).
template <class Layout, class Owner>
class Eviction {
public:
    using State = ClusterState<Layout, Owner>;

    /// Asks for a pod's eviction; it is deleted where its budget allows it.
    WT_HD_COLD EvictionAnswer evict(Fleet<Layout, Owner>& fleet, std::uint32_t p, Tick now, Fault& fault) {
        State& s = fleet.state();
        const Pod& pod = s.pod(p);
        if (!pod.active()) return EvictionAnswer::evict;
        DisruptionBudgetStatus status;
        const DisruptionBudgetPlan* budget = nullptr;
        std::int32_t budgets = 0;
        for (const DisruptionBudgetPlan& b : s.blueprint().budgets) {
            if (!b.covers(pod.workload)) continue;
            budget = &b;
            ++budgets;
        }
        if (budget != nullptr) status = disruption_status(s, *budget);
        const bool pending = pod.state == PodState::pending ||
                             (pod.state == PodState::starting && pod.stage < s.template_of(pod).container_stage);
        const EvictionAnswer answer = request_eviction(
            budget != nullptr ? &status : nullptr, budgets, pending, pod.state == PodState::starting,
            budget != nullptr ? budget->unhealthy : UnhealthyEvictionPolicy::if_healthy_budget);
        if (!is_evicted(answer)) {
            ++s.tally().evictions_refused;
            const bool one = answer == EvictionAnswer::too_many_requests && budget != nullptr;
            s.owner().note(OccurrenceRecord{
                Occurrence::eviction_refused, p,
                one ? static_cast<std::uint32_t>(budget - s.blueprint().budgets.begin()) : no_object, 0, now});
            return answer;
        }
        ++s.tally().evictions;
        s.owner().note(OccurrenceRecord{Occurrence::evicted, p, no_object, 0, now});
        fleet.delete_pod(p, now, fault);
        fleet.controllers().sync(fleet, pod.workload, now, fault);
        return answer;
    }
};

}  // namespace windtunnel
