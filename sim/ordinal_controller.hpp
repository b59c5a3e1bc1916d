#pragma once
#include "policies/replica_set.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// StatefulSets and LeaderWorkerSets: each ordinal is one pod, or a group of pods of which the first leads. Slot
/// i of the workload is the pod of ordinal i, so that a successor can only come when its predecessor is gone.
///
/// A group is as ready as the least of its pods; when one of them goes or restarts, all go (restartPolicy
/// RecreateGroupOnPodRestart), and the group is made anew when the last has gone.
template <class Layout, class Owner>
class OrdinalController {
public:
    using State = ClusterState<Layout, Owner>;
    using Parts = Fleet<Layout, Owner>;

    /// One sync. False when a creation was refused.
    WT_HD_COLD static bool sync(Parts& fleet, std::uint32_t w, Tick now, Fault& fault) {
        State& s = fleet.state();
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        WorkloadState& state = s.workload(w);
        const auto units = static_cast<std::int32_t>(plan.pod_slots / plan.ordinals.group_size);
        state.check_at = never;
        for (std::int32_t u = 0; u < units; ++u) keep_whole(fleet, w, u, now, fault);
        StatefulSetSpec spec;
        spec.replicas = min_of(static_cast<std::int32_t>(state.desired), units);
        spec.management = plan.ordinals.management;
        spec.on_delete = plan.ordinals.on_delete != 0;
        spec.partition = plan.ordinals.partition;
        spec.max_unavailable = plan.max_unavailable;
        bool accepted = sync_stateful_set(
            spec, units, [&](std::int32_t u) { return unit(s, w, u, now); },
            [&](std::int32_t u, bool updated) {
                return fleet.create_pod(w, updated ? state.revision : state.old_revision, first_of(plan, u), now);
            },
            [&](std::int32_t u) { remove(fleet, w, u, now, fault); });
        for (std::int32_t u = 0; u < units && accepted; ++u) accepted = make_workers(fleet, w, u, now);
        if (state.rolling && is_complete(s, w, spec, now)) {
            state.rolling = 0;
            ++s.tally().rollouts;
            s.owner().note(OccurrenceRecord{Occurrence::rollout_completed, w, state.revision, 0, now});
        }
        return accepted;
    }

private:
    [[nodiscard]] WT_HD static std::int32_t min_of(std::int32_t a, std::int32_t b) { return a < b ? a : b; }
    [[nodiscard]] WT_HD static std::uint32_t first_of(const WorkloadPlan& plan, std::int32_t u) {
        return plan.first_pod + static_cast<std::uint32_t>(u) * plan.ordinals.group_size;
    }

    [[nodiscard]] WT_HD_COLD static StatefulPod unit(State& s, std::uint32_t w, std::int32_t u, Tick now) {
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        WorkloadState& state = s.workload(w);
        const std::uint32_t first = first_of(plan, u);
        StatefulPod out;
        out.ready = out.available = out.updated = true;
        for (std::uint32_t k = 0; k < plan.ordinals.group_size; ++k) {
            const Pod& pod = s.pod(first + k);
            const bool ready = pod.state == PodState::ready;
            if (pod.exists()) out.exists = true;
            if (pod.exists() && !pod.active()) out.terminating = true;
            out.ready = out.ready && ready;
            const bool available = is_available(ready, pod.ready_since, plan.min_ready, now);
            out.available = out.available && available;
            if (ready && !available)
                state.check_at = min(state.check_at, availability_check_at(pod.ready_since, plan.min_ready));
        }
        const Pod& leader = s.pod(first);
        if (leader.exists())
            out.updated = leader.revision == state.revision;
        else
            out.terminating = out.exists;  // its workers go after it
        return out;
    }

    WT_HD_COLD static void remove(Parts& fleet, std::uint32_t w, std::int32_t u, Tick now, Fault& fault) {
        State& s = fleet.state();
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        for (std::uint32_t k = 0; k < plan.ordinals.group_size; ++k) {
            const std::uint32_t p = first_of(plan, u) + k;
            if (!s.pod(p).active()) continue;
            s.pod(p).removed = true;
            fleet.delete_pod(p, now, fault);
        }
    }

    /// A group of which a pod has gone, goes, or has restarted: the others follow.
    WT_HD_COLD static void keep_whole(Parts& fleet, std::uint32_t w, std::int32_t u, Tick now, Fault& fault) {
        State& s = fleet.state();
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        const std::uint32_t first = first_of(plan, u), size = plan.ordinals.group_size;
        if (size == 1) return;
        std::uint32_t active = 0;
        bool broken = false;
        for (std::uint32_t k = 0; k < size; ++k) {
            const Pod& pod = s.pod(first + k);
            active += pod.active() ? 1 : 0;
            broken = broken || (pod.exists() && !pod.active()) || (pod.active() && pod.restarted);
        }
        if (active == 0) return;
        Pod& leader = s.pod(first);
        if (active == size) leader.formed = true;
        const bool leads = leader.active();
        if (!leads || (restarts_group(plan.ordinals.group_restart) && (broken || (leader.formed && active < size))))
            remove(fleet, w, u, now, fault);
    }

    /// The workers that are missing beside a leader. False when one was refused.
    [[nodiscard]] WT_HD_COLD static bool make_workers(Parts& fleet, std::uint32_t w, std::int32_t u, Tick now) {
        State& s = fleet.state();
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        const std::uint32_t first = first_of(plan, u);
        if (plan.ordinals.group_size == 1 || !s.pod(first).active()) return true;
        WorkerGroup group;
        group.size = static_cast<std::int32_t>(plan.ordinals.group_size);
        group.leader_exists = true;
        group.leader_ready = s.pod(first).state == PodState::ready;
        for (std::uint32_t k = 0; k < plan.ordinals.group_size; ++k) group.exist += s.pod(first + k).exists() ? 1 : 0;
        if (workers_to_create(group, plan.ordinals.group_startup) == 0) return true;
        const std::int32_t from = s.template_of(s.pod(first)).worker_template;
        for (std::uint32_t k = 1; k < plan.ordinals.group_size; ++k)
            if (!s.pod(first + k).exists() &&
                !fleet.create_pod(w, from < 0 ? s.pod(first).revision : static_cast<std::uint32_t>(from), first + k, now))
                return false;
        return true;
    }

    [[nodiscard]] WT_HD_COLD static bool is_complete(State& s, std::uint32_t w, const StatefulSetSpec& spec, Tick now) {
        for (std::int32_t u = 0; u < spec.replicas; ++u) {
            const StatefulPod pod = unit(s, w, u, now);
            if (!pod.exists || pod.terminating || !pod.available || (u >= spec.partition && !pod.updated)) return false;
        }
        return true;
    }
};

}  // namespace windtunnel
