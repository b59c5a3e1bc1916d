#pragma once
#include "policies/replica_set.hpp"
#include "policies/rollout.hpp"
#include "policies/rollout_status.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// The controllers of workloads: how many pods of which revision, and which of them go first.
///
/// A workload with one revision is its ReplicaSet. With more, the Deployment's controller moves the sizes of
/// the revisions' ReplicaSets (policies/rollout.hpp), and each set makes or deletes its own pods.
template <class Layout, class Owner>
class WorkloadControllers {
public:
    using State = ClusterState<Layout, Owner>;

    /// Somebody writes spec.replicas.
    WT_HD_COLD void set_replicas(Fleet<Layout, Owner>& fleet, std::uint32_t w, std::uint32_t replicas,
                                 Tick now, Fault& fault) {
        fleet.state().workload(w).desired = replicas;
        sync(fleet, w, now, fault);
    }

    /// Somebody applies another pod template: a rollout starts.
    WT_HD_COLD void roll_out(Fleet<Layout, Owner>& fleet, std::uint32_t w, std::uint32_t revision, Tick now,
                             Fault& fault) {
        State& s = fleet.state();
        WorkloadState& state = s.workload(w);
        if (state.revision == revision) return;
        state.revision = revision;
        state.rolling = 1;
        state.progressed = now;
        s.revision(revision).set.created = now.count + 1;
        s.owner().note(OccurrenceRecord{Occurrence::rollout_started, w, revision, 0, now});
        sync(fleet, w, now, fault);
    }

    /// A pod of the workload became ready, unready or available, or is gone.
    WT_HD void pod_event(Fleet<Layout, Owner>& fleet, std::uint32_t w, Tick now, Fault& fault) {
        if (fleet.state().workload(w).rolling) sync(fleet, w, now, fault);
    }

    /// The controller looks at the workload until it has nothing more to do.
    WT_HD_COLD void sync(Fleet<Layout, Owner>& fleet, std::uint32_t w, Tick now, Fault& fault) {
        State& s = fleet.state();
        WorkloadState& state = s.workload(w);
        state.sync_due = 1;
        if (state.syncing) return;
        state.syncing = 1;
        while (state.sync_due && !fault.broken() && s.tally().status == TrialStatus::complete) {
            state.sync_due = 0;
            if (size_sets(s, w, now)) state.sync_due = 1;
            make_pods(fleet, w, now, fault);
        }
        state.syncing = 0;
        if (state.rolling) note_progress(s, w, now);
    }

private:
    [[nodiscard]] WT_HD static RolloutSpec spec_of(const WorkloadPlan& plan, const WorkloadState& state) {
        RolloutSpec spec;
        spec.replicas = static_cast<std::int32_t>(state.desired);
        spec.strategy = plan.strategy;
        spec.max_surge = plan.max_surge;
        spec.max_unavailable = plan.max_unavailable;
        return spec;
    }

    /// One sync of the Deployment: the sizes of its ReplicaSets. Whether any changed.
    WT_HD_COLD static bool size_sets(State& s, std::uint32_t w, Tick now) {
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        WorkloadState& state = s.workload(w);
        const RolloutSpec spec = spec_of(plan, state);
        ReplicaSetState newest, old[rollout_max_sets];
        std::uint32_t which[rollout_max_sets] = {};
        std::int32_t old_count = 0;
        bool old_pods_exist = false;
        for (std::uint32_t t = plan.first_template; t < plan.first_template + plan.template_count; ++t) {
            RevisionState& r = s.revision(t);
            r.set.available = static_cast<std::int32_t>(available(s, w, t, now));
            if (t == state.revision) {
                newest = r.set;
                continue;
            }
            old_pods_exist = old_pods_exist || r.existing > 0;
            if (old_count < rollout_max_sets - 1) {
                which[old_count] = t;
                old[old_count++] = r.set;
            }
        }
        (void)sync_rollout(spec, {&newest, old, old_count}, old_pods_exist);
        bool changed = store(s, state.revision, newest, spec, now);
        for (std::int32_t i = 0; i < old_count; ++i)
            changed = store(s, which[i], old[i], spec, now) || changed;
        if (changed) state.progressed = now;
        return changed;
    }
    /// Keeps a decided size. A set that is scaled is annotated with what the Deployment then wanted.
    WT_HD static bool store(State& s, std::uint32_t t, const ReplicaSetState& decided, const RolloutSpec& spec,
                            Tick now) {
        ReplicaSetState& set = s.revision(t).set;
        const std::int32_t before = set.replicas;
        const bool changed = before != decided.replicas;
        set = decided;
        if (changed) {
            s.owner().note(OccurrenceRecord{Occurrence::set_scaled, t,
                                            static_cast<std::uint32_t>(decided.replicas), before, now});
            set.annotated_desired = spec.replicas;
            set.annotated_max = spec.replicas + effective_max_surge(spec);
        }
        return changed;
    }

    /// Pods of a revision that have been Ready for minReadySeconds. Wakes the workload when more will have.
    [[nodiscard]] WT_HD_COLD static std::uint32_t available(State& s, std::uint32_t w, std::uint32_t revision,
                                                            Tick now) {
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        if (plan.min_ready == Tick{0} || !s.workload(w).rolling) return s.revision(revision).ready;
        std::uint32_t count = 0;
        Tick next = never;
        for (std::uint32_t p = plan.first_pod; p < plan.first_pod + plan.pod_slots; ++p) {
            const Pod& pod = s.pod(p);
            if (pod.state != PodState::ready || pod.revision != revision) continue;
            if (is_available(true, pod.ready_since, plan.min_ready, now))
                ++count;
            else
                next = min(next, pod.ready_since + plan.min_ready + seconds(1));  // kubernetes.md 3.1.4
        }
        if (next != Tick{never}) s.wake_workload(w, next);
        return count;
    }

    /// The ReplicaSets: as many pods of each revision as its set wants; deletions first.
    WT_HD_COLD static void make_pods(Fleet<Layout, Owner>& fleet, std::uint32_t w, Tick now, Fault& fault) {
        State& s = fleet.state();
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        const std::uint32_t end = plan.first_template + plan.template_count;
        for (std::uint32_t t = plan.first_template; t < end; ++t)
            while (s.revision(t).active > static_cast<std::uint32_t>(s.revision(t).set.replicas) &&
                   !fault.broken())
                fleet.delete_pod(pod_to_delete(s, w, t, now), now, fault);
        for (std::uint32_t t = plan.first_template; t < end; ++t)
            while (s.revision(t).active < static_cast<std::uint32_t>(s.revision(t).set.replicas)) {
                const std::uint32_t p = s.create_pod(w, t, now);
                if (p == no_index) {
                    s.tally().status = TrialStatus::outgrew_arena;
                    return;
                }
                fleet.scheduler().enqueue(s, p);
            }
        fleet.scheduler().schedule(fleet, now);
    }

    WT_HD_COLD static void note_progress(State& s, std::uint32_t w, Tick now) {
        WorkloadState& state = s.workload(w);
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        RolloutCounts counts;
        counts.updated = static_cast<std::int32_t>(s.revision(state.revision).active);
        for (std::uint32_t t = plan.first_template; t < plan.first_template + plan.template_count; ++t) {
            counts.replicas += static_cast<std::int32_t>(s.revision(t).active);
            counts.available += static_cast<std::int32_t>(available(s, w, t, now));
        }
        if (!rollout_is_complete(static_cast<std::int32_t>(state.desired), counts))
            return;
        state.rolling = 0;
        ++s.tally().rollouts;
        s.owner().note(OccurrenceRecord{Occurrence::rollout_completed, w, state.revision, 0, now});
    }

    [[nodiscard]] WT_HD_COLD static std::uint32_t pod_to_delete(const State& s, std::uint32_t w,
                                                                std::uint32_t revision, Tick now) {
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        ReplicaSetPod first;
        std::uint32_t first_index = no_index;
        for (std::uint32_t p = plan.first_pod; p < plan.first_pod + plan.pod_slots; ++p) {
            if (!s.pod(p).active() || s.pod(p).revision != revision) continue;
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
