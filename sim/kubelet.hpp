#pragma once
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// A pod on its node: its start, stage by stage, and its end within its grace.
template <class Layout, class Owner>
class Kubelet {
public:
    using State = ClusterState<Layout, Owner>;

    /// The pod has been bound to its node.
    WT_HD void begin(Fleet<Layout, Owner>& fleet, std::uint32_t p, Tick now) { go_on(fleet, p, now); }

    /// Ready at once, with everything in place: t = 0.
    WT_HD_COLD void finish_start(Fleet<Layout, Owner>& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        const Pod& pod = s.pod(p);
        s.wake_pod(p, never);
        s.node(pod.node).seen[pod.workload / 64] |= std::uint64_t{1} << (pod.workload % 64);
        s.become_ready(p, now);
    }

    /// The pod has been deleted and is on a node. Its containers get preStop, SIGTERM and their grace.
    WT_HD_COLD void terminate(Fleet<Layout, Owner>& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        Pod& pod = s.pod(p);
        if (pod.state == PodState::starting) return fleet.pod_gone(p, now);
        s.leave_ready(p, now);
        pod.state = PodState::terminating;
        s.owner().pod_changed(p, now);
        const TemplatePlan& plan = s.template_of(pod);
        s.wake_pod(p, now + min(plan.pre_stop, plan.grace));
    }

    /// What the pod waited for is due.
    WT_HD_COLD void advance(Fleet<Layout, Owner>& fleet, std::uint32_t p, Tick now, Fault& fault) {
        State& s = fleet.state();
        Pod& pod = s.pod(p);
        const TemplatePlan& plan = s.template_of(pod);
        switch (pod.state) {
            case PodState::starting:
                ++pod.stage;
                go_on(fleet, p, now);
                break;
            case PodState::terminating:  // preStop is over: SIGTERM
                if (plan.drains && plan.pre_stop < plan.grace && s.owner().requests_of(p) > 0) {
                    pod.state = PodState::draining;
                    s.wake_pod(p, pod.deleted + plan.grace);
                } else {
                    fleet.pod_gone(p, now);
                }
                break;
            case PodState::draining:
                fleet.pod_gone(p, now);
                break;
            default:
                (void)WT_CHECK(fault, pod.state == PodState::starting);
                break;
        }
    }

    /// A pod's last request has ended.
    WT_HD void idle(Fleet<Layout, Owner>& fleet, std::uint32_t p, Tick now) {
        if (fleet.state().pod(p).state == PodState::draining) fleet.pod_gone(p, now);
    }

private:
    /// Enters the pod's stage, skipping those that its node has been through for this workload.
    WT_HD_COLD void go_on(Fleet<Layout, Owner>& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        Pod& pod = s.pod(p);
        const TemplatePlan& plan = s.template_of(pod);
        const std::uint64_t seen = s.node(pod.node).seen[pod.workload / 64] >> (pod.workload % 64) & 1;
        for (; pod.stage < plan.stage_count; ++pod.stage) {
            const StagePlan& stage = s.blueprint().stages[plan.first_stage + pod.stage];
            if (stage.once_per_node && seen) continue;
            s.wake_pod(p, now + duration_of(s, stage, p, pod.stage));
            s.owner().pod_changed(p, now);
            return;
        }
        ++s.tally().cold_starts;
        finish_start(fleet, p, now);
    }

    [[nodiscard]] WT_HD static Tick duration_of(const State& s, const StagePlan& stage, std::uint32_t p,
                                                std::uint32_t number) {
        if (stage.table < 0) return stage.fixed;
        return {s.blueprint().tables[static_cast<std::size_t>(stage.table)].sample(
            s.pod_draw(StreamPurpose::cold_start, p, number))};
    }
};

}  // namespace windtunnel
