#pragma once
#include "policies/replica_set.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// The controllers of workloads: as many pods as are desired, and which of them go first.
template <class Layout, class Owner>
class WorkloadControllers {
public:
    using State = ClusterState<Layout, Owner>;

    /// Creates or deletes pods until `replicas` are active.
    WT_HD_COLD void set_replicas(Fleet<Layout, Owner>& fleet, std::uint32_t w, std::uint32_t replicas,
                                 Tick now, Fault& fault) {
        State& s = fleet.state();
        WorkloadState& state = s.workload(w);
        state.desired = replicas;
        while (state.active < replicas) {
            const std::uint32_t p = s.create_pod(w, now);
            if (p == no_index) {
                s.tally().status = TrialStatus::outgrew_arena;
                return;
            }
            fleet.scheduler().enqueue(s, p);
        }
        while (state.active > replicas && !fault.broken())
            fleet.delete_pod(pod_to_delete(s, w, now), now, fault);
        fleet.scheduler().schedule(fleet, now);
    }

private:
    [[nodiscard]] WT_HD_COLD static std::uint32_t pod_to_delete(const State& s, std::uint32_t w, Tick now) {
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        ReplicaSetPod first;
        std::uint32_t first_index = no_index;
        for (std::uint32_t p = plan.first_pod; p < plan.first_pod + plan.pod_slots; ++p) {
            if (!s.pod(p).active()) continue;
            const ReplicaSetPod c = as_replica_set_sees(s, p);
            if (first_index == no_index || deleted_before(c, first, now)) {
                first = c;
                first_index = p;
            }
        }
        return first_index;
    }

    [[nodiscard]] WT_HD_COLD static ReplicaSetPod as_replica_set_sees(const State& s, std::uint32_t p) {
        const Pod& pod = s.pod(p);
        ReplicaSetPod c;
        c.assigned = pod.node != no_index;
        c.ready = pod.state == PodState::ready;
        c.phase = c.ready || (c.assigned && pod.stage >= s.template_of(pod).container_stage)
                      ? PodPhase::running
                      : PodPhase::pending;
        if (c.assigned)
            for (std::uint32_t q = s.node(pod.node).first_pod; q != no_index; q = s.pod(q).next_on_node)
                c.rank += s.pod(q).workload == pod.workload && s.pod(q).active() ? 1 : 0;
        c.ready_since = pod.ready_since;
        c.created = pod.created;
        c.uid = s.pod_draw(StreamPurpose::scheduling_tie, p, 0);
        return c;
    }
};

}  // namespace windtunnel
