#pragma once
#include "policies/creation.hpp"
#include "policies/heap_sort.hpp"
#include "policies/replica_set.hpp"
#include "policies/rollout.hpp"
#include "policies/rollout_status.hpp"
#include "sim/cluster_state.hpp"
#include "sim/job_controller.hpp"
#include "sim/ordinal_controller.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// The controllers of workloads: how many pods of which revision, and which of them go first.
///
/// A workload with one revision is its ReplicaSet. With more, the Deployment's controller moves the sizes of
/// the revisions' ReplicaSets (policies/rollout.hpp), and each set makes or deletes its own pods. StatefulSets,
/// LeaderWorkerSets and Jobs have controllers of their own (sim/ordinal_controller.hpp, sim/job_controller.hpp).
///
/// A creation that a quota refuses ends the sync; the workload is looked at again when the work queue's limiter
/// lets it, or when something happens to one of its own pods (kubernetes.md 3.1.2).
template <class Layout, class Owner>
class WorkloadControllers {
public:
    using State = ClusterState<Layout, Owner>;
    using Parts = Fleet<Layout, Owner>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        std::uint32_t most = 0;
        for (const WorkloadPlan& w : b.workloads)
            if (w.controller == WorkloadController::deployment && w.pod_slots > most) most = w.pod_slots;
        m_candidates = arena.template take_plain<Candidate>(most);
        m_old = arena.template take_plain<ReplicaSetState>(rollout_max_sets);
        m_old_revisions = arena.template take_plain<std::uint32_t>(rollout_max_sets);
    }
    WT_HD_COLD void start() { m_retries = RetryBucket{}; }

    /// Somebody writes spec.replicas.
    WT_HD_COLD void set_replicas(Parts& fleet, std::uint32_t w, std::uint32_t replicas, Tick now, Fault& fault) {
        fleet.state().workload(w).desired = replicas;
        sync(fleet, w, now, fault);
    }

    /// Somebody applies another pod template: a rollout starts, unless it is paused.
    WT_HD_COLD void roll_out(Parts& fleet, std::uint32_t w, std::uint32_t revision, Tick now, Fault& fault) {
        State& s = fleet.state();
        WorkloadState& state = s.workload(w);
        if (state.revision == revision || s.blueprint().workloads[w].paused) return;
        state.old_revision = state.revision;
        state.revision = revision;
        state.rolling = 1;
        state.progress = RolloutProgress{};
        rollout_began(state.progress, now);
        s.revision(revision).set.created = now.count + 1;
        s.owner().note(OccurrenceRecord{Occurrence::rollout_started, w, revision, 0, now});
        sync(fleet, w, now, fault);
    }

    /// A Job is created, or deleted.
    WT_HD_COLD void begin_job(Parts& fleet, std::uint32_t w, Tick now, Fault& fault) {
        JobController<Layout, Owner>::begin(fleet.state(), w, now);
        fleet.state().workload(w).desired = static_cast<std::uint32_t>(fleet.state().blueprint().workloads[w].job.parallelism);
        sync(fleet, w, now, fault);
    }
    WT_HD_COLD void abandon_job(Parts& fleet, std::uint32_t w, Tick now, Fault& fault) {
        JobController<Layout, Owner>::abandon(fleet, w, now, fault);
    }

    /// The controller looks at the workload until it has nothing more to do.
    WT_HD_COLD void sync(Parts& fleet, std::uint32_t w, Tick now, Fault& fault) {
        State& s = fleet.state();
        WorkloadState& state = s.workload(w);
        state.sync_due = 1;
        if (state.syncing) return;
        state.syncing = 1;
        bool accepted = true;
        while (state.sync_due && accepted && !fault.broken() && s.tally().status == TrialStatus::complete) {
            state.sync_due = 0;
            accepted = sync_once(fleet, w, now, fault);
            fleet.scheduler().schedule(fleet, now);
        }
        state.syncing = 0;
        if (!accepted) {
            state.retry_at = retry_at(m_retries, ++state.failures, now);
        } else {
            state.failures = 0;
            state.retry_at = never;
        }
        const bool has_deadline = s.blueprint().workloads[w].controller == WorkloadController::deployment;
        if (state.rolling && has_deadline) note_progress(s, w, now);
        Tick next = min(state.check_at, state.retry_at);
        if (state.rolling && has_deadline)
            next = min(next, progress_check_at(state.progress, s.blueprint().workloads[w].progress_deadline));
        if (next != Tick{never}) s.wake_workload(w, max(next, now + Tick{1}));
    }

private:
    /// A pod of a ReplicaSet that is to be made smaller.
    struct Candidate {
        ReplicaSetPod seen;
        std::uint32_t pod = no_index;
    };

    [[nodiscard]] WT_HD_COLD bool sync_once(Parts& fleet, std::uint32_t w, Tick now, Fault& fault) {
        State& s = fleet.state();
        WorkloadState& state = s.workload(w);
        switch (s.blueprint().workloads[w].controller) {
            case WorkloadController::ordinals:
                return OrdinalController<Layout, Owner>::sync(fleet, w, now, fault);
            case WorkloadController::batch_job:
                return JobController<Layout, Owner>::sync(fleet, w, now, fault);
            case WorkloadController::bare_pod:
                if (state.made || state.desired == 0) return true;
                state.made = fleet.create_pod(w, state.revision, no_index, now) ? 1 : 0;
                return true;  // nobody tries again
            case WorkloadController::deployment:
                break;
        }
        state.check_at = never;
        if (size_sets(s, w, now)) state.sync_due = 1;
        return make_pods(fleet, w, now);
    }

    [[nodiscard]] WT_HD static RolloutSpec spec_of(const WorkloadPlan& plan, const WorkloadState& state) {
        RolloutSpec spec;
        spec.replicas = static_cast<std::int32_t>(state.desired);
        spec.strategy = plan.strategy;
        spec.max_surge = plan.max_surge;
        spec.max_unavailable = plan.max_unavailable;
        return spec;
    }

    /// One sync of the Deployment: the sizes of its ReplicaSets. Whether any changed.
    WT_HD_COLD bool size_sets(State& s, std::uint32_t w, Tick now) {
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        WorkloadState& state = s.workload(w);
        const RolloutSpec spec = spec_of(plan, state);
        ReplicaSetState newest;
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
                m_old_revisions[old_count] = t;
                m_old[old_count++] = r.set;
            }
        }
        (void)sync_rollout(spec, {&newest, m_old, old_count}, old_pods_exist);
        bool changed = store(s, state.revision, newest, spec, now);
        for (std::int32_t i = 0; i < old_count; ++i)
            changed = store(s, m_old_revisions[i], m_old[i], spec, now) || changed;
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
        const std::uint32_t end = plan.first_pod + plan.pod_slots;
        for (std::uint32_t p = s.existing().next(plan.first_pod); p < end; p = s.existing().next(p + 1)) {
            const Pod& pod = s.pod(p);
            if (pod.state != PodState::ready || pod.revision != revision) continue;
            if (is_available(true, pod.ready_since, plan.min_ready, now))
                ++count;
            else
                s.workload(w).check_at = min(s.workload(w).check_at, availability_check_at(pod.ready_since, plan.min_ready));
        }
        return count;
    }

    /// The ReplicaSets: as many pods of each revision as its set wants; deletions first. False when a creation
    /// was refused, which ends the sync of that set.
    [[nodiscard]] WT_HD_COLD bool make_pods(Parts& fleet, std::uint32_t w, Tick now) {
        State& s = fleet.state();
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        const std::uint32_t end = plan.first_template + plan.template_count;
        for (std::uint32_t t = plan.first_template; t < end; ++t) delete_surplus(fleet, w, t, now);
        bool accepted = true;
        for (std::uint32_t t = plan.first_template; t < end; ++t) {
            const std::int32_t missing = s.revision(t).set.replicas - static_cast<std::int32_t>(s.revision(t).active);
            const CreationResult made =
                create_in_batches(missing, [&] { return fleet.create_pod(w, t, no_index, now); });
            accepted = accepted && made.refused == 0;
            if (made.refused == 0 && made.created < missing) s.workload(w).sync_due = 1;  // more than one sync's burst
        }
        return accepted;
    }

    WT_HD_COLD static void note_progress(State& s, std::uint32_t w, Tick now) {
        WorkloadState& state = s.workload(w);
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        RolloutCounts counts;
        counts.updated = static_cast<std::int32_t>(s.revision(state.revision).active);
        for (std::uint32_t t = plan.first_template; t < plan.first_template + plan.template_count; ++t) {
            counts.replicas += static_cast<std::int32_t>(s.revision(t).active);
            counts.ready += static_cast<std::int32_t>(s.revision(t).ready);
            counts.available += static_cast<std::int32_t>(available(s, w, t, now));
        }
        const bool changed = sync_rollout_progress(state.progress, static_cast<std::int32_t>(state.desired), counts,
                                                   plan.progress_deadline, now);
        if (changed && state.progress.reason == RolloutReason::deadline_exceeded) {
            ++s.tally().rollouts_stuck;
            s.owner().note(OccurrenceRecord{Occurrence::rollout_deadline, w, state.revision, 0, now});
        }
        if (!rollout_is_complete(static_cast<std::int32_t>(state.desired), counts))
            return;
        state.rolling = 0;
        ++s.tally().rollouts;
        s.owner().note(OccurrenceRecord{Occurrence::rollout_completed, w, state.revision, 0, now});
    }

    /// Deletes what a ReplicaSet has too many of. All are chosen as they stand before the first of them goes: the ranks are
    /// counted once (getPodsToDelete), so that two on one node may both go although either alone would rank like the rest.
    WT_HD_COLD void delete_surplus(Parts& fleet, std::uint32_t w, std::uint32_t revision, Tick now) {
        State& s = fleet.state();
        const auto wanted = static_cast<std::uint32_t>(s.revision(revision).set.replicas);
        if (s.revision(revision).active <= wanted) return;
        std::uint32_t surplus = s.revision(revision).active - wanted;
        if (surplus > replica_set_burst) {
            surplus = replica_set_burst;
            s.workload(w).sync_due = 1;
        }
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        std::int32_t count = 0;
        const std::uint32_t end = plan.first_pod + plan.pod_slots;
        for (std::uint32_t p = s.existing().next(plan.first_pod); p < end; p = s.existing().next(p + 1))
            if (s.pod(p).active() && s.pod(p).revision == revision) m_candidates[count++] = {as_replica_set_sees(fleet, p), p};
        Heap candidates(m_candidates, count, [now](const Candidate& a, const Candidate& b) {
            return deleted_before(a.seen, b.seen, now);
        });
        for (; surplus > 0 && !candidates.empty(); --surplus) {
            const std::uint32_t p = candidates.take().pod;
            if (!s.pod(p).active()) continue;  // preempted since, for one that found room
            s.pod(p).removed = true;
            fleet.delete_active_pod(p, now);
        }
    }

    [[nodiscard]] WT_HD_COLD static ReplicaSetPod as_replica_set_sees(const Parts& fleet, std::uint32_t p) {
        const State& s = fleet.state();
        const Pod& pod = s.pod(p);
        ReplicaSetPod c;
        c.assigned = pod.node != no_index;
        c.ready = pod.state == PodState::ready;
        c.phase = c.ready || (c.assigned && pod.stage >= s.template_of(pod).container_stage)
                      ? PodPhase::running
                      : PodPhase::pending;
        if (c.assigned) {
            for (std::uint32_t q = s.node(pod.node).first_pod; q != no_index; q = s.pod(q).next_on_node)
                c.rank += s.pod(q).workload == pod.workload && s.pod(q).active() ? 1 : 0;
            c.restarts = static_cast<std::int32_t>(fleet.kubelet().restarts(p));
        }
        c.ready_since = pod.ready_since;
        c.created = pod.created;
        c.uid = s.pod_draw(StreamPurpose::scheduling_tie, p, 0);
        return c;
    }

    Candidate* m_candidates = nullptr;         ///< scratch of one deletion
    ReplicaSetState* m_old = nullptr;          ///< scratch of one sync: the sets of the old revisions
    std::uint32_t* m_old_revisions = nullptr;  ///< ... and whose they are
    RetryBucket m_retries;                     ///< of the controllers' work queues
};

}  // namespace windtunnel
