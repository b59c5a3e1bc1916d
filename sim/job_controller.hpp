#pragma once
#include "policies/batch_job.hpp"
#include "policies/creation.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// Batch Jobs: pods that run to their end (kubernetes.md 3.4). A pod that somebody else deletes has failed.
template <class Layout, class Owner>
class JobController {
public:
    using State = ClusterState<Layout, Owner>;
    using Parts = Fleet<Layout, Owner>;

    /// The Job is created. Requires that it does not run.
    WT_HD_COLD static void begin(State& s, std::uint32_t w, Tick now) {
        WorkloadState& state = s.workload(w);
        state.job = BatchJobCounts{};
        state.job.started = now;
        state.job_runs = 1;
    }

    /// A pod of the Job is no longer there.
    WT_HD_COLD static void pod_gone(State& s, const Pod& pod, Tick now) {
        WorkloadState& state = s.workload(pod.workload);
        if (!state.job_runs || pod.removed) return;
        if (pod.succeeded && s.blueprint().workloads[pod.workload].scaled_jobs) {
            --state.desired;
            ++s.tally().jobs_complete;
            s.owner().note(OccurrenceRecord{Occurrence::job_ended, pod.workload, no_object,
                                            static_cast<std::int64_t>(BatchJobOutcome::complete), now});
        }
        if (pod.succeeded) {
            ++state.job.succeeded;
            state.job.failed_in_a_row = 0;
        } else {
            ++state.job.failed;
            ++state.job.failed_in_a_row;
            state.job.last_failure = now;
        }
    }

    /// One sync. False when a creation was refused.
    WT_HD_COLD static bool sync(Parts& fleet, std::uint32_t w, Tick now, Fault& fault) {
        State& s = fleet.state();
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        WorkloadState& state = s.workload(w);
        state.check_at = never;
        if (!state.job_runs) {
            remove(fleet, w, static_cast<std::int32_t>(state.active), now, fault);
            return true;
        }
        BatchJobSpec spec = plan.job;
        spec.parallelism = static_cast<std::int32_t>(state.desired);
        state.job.active = static_cast<std::int32_t>(state.active);
        if (spec.counts_restarts) state.job.restarts = restarts_of_active(fleet, plan);
        const BatchJobDecision decision = sync_batch_job(spec, state.job, now);
        state.check_at = decision.look_again;
        if (decision.outcome != BatchJobOutcome::running) {
            state.job_runs = 0;
            ++(decision.outcome == BatchJobOutcome::complete ? s.tally().jobs_complete : s.tally().jobs_failed);
            s.owner().note(OccurrenceRecord{Occurrence::job_ended, w, no_object, static_cast<std::int64_t>(decision.outcome), now});
        }
        remove(fleet, w, decision.remove, now, fault);
        const CreationResult made = create_in_batches(
            decision.create, [&] { return fleet.create_pod(w, state.revision, no_index, now); });
        if (decision.outcome != BatchJobOutcome::running && plan.cron >= 0)
            s.wake_cron(static_cast<std::uint32_t>(plan.cron), now);
        return made.refused == 0;
    }

    /// The Job is deleted (concurrencyPolicy Replace).
    WT_HD_COLD static void abandon(Parts& fleet, std::uint32_t w, Tick now, Fault& fault) {
        State& s = fleet.state();
        s.workload(w).job_runs = 0;
        remove(fleet, w, static_cast<std::int32_t>(s.workload(w).active), now, fault);
    }

private:
    [[nodiscard]] WT_HD_COLD static std::int32_t restarts_of_active(const Parts& fleet, const WorkloadPlan& plan) {
        std::int32_t sum = 0;
        for (std::uint32_t p = plan.first_pod; p < plan.first_pod + plan.pod_slots; ++p)
            if (fleet.state().pod(p).active()) sum += static_cast<std::int32_t>(fleet.kubelet().restarts(p));
        return sum;
    }
    /// Deletes `count` pods, those without a node first.
    WT_HD_COLD static void remove(Parts& fleet, std::uint32_t w, std::int32_t count, Tick now, Fault& fault) {
        State& s = fleet.state();
        const WorkloadPlan& plan = s.blueprint().workloads[w];
        for (int placed = 0; placed < 2; ++placed)
            for (std::uint32_t p = plan.first_pod; p < plan.first_pod + plan.pod_slots && count > 0; ++p) {
                if (!s.pod(p).active() || (s.pod(p).node != no_index) != (placed == 1)) continue;
                s.pod(p).removed = true;
                fleet.delete_pod(p, now, fault);
                --count;
            }
    }
};

}  // namespace windtunnel
