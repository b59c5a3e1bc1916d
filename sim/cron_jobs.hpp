#pragma once
#include "policies/cron_job.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// CronJobs that start Jobs (kubernetes.md 3.3). What a CronJob does to replicas is a scheduled scaling instead.
template <class Layout, class Owner>
class CronJobs {
public:
    using State = ClusterState<Layout, Owner>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_states = arena.template take_plain<CronJobState>(b.crons.size());
    }
    WT_HD_COLD void start(State& s) {
        const Blueprint& b = s.blueprint();
        for (std::uint32_t c = 0; c < b.crons.size(); ++c) {
            m_states[c] = CronJobState{};
            if (b.crons[c].hit_count > 0) s.wake_cron(c, b.cron_hits[b.crons[c].first_hit] + cron_job_delay);
        }
    }

    /// One sync: at a hit of the schedule, or at a Job's end.
    WT_HD_COLD void advance(Fleet<Layout, Owner>& fleet, std::uint32_t c, Tick now, Fault& fault) {
        State& s = fleet.state();
        const CronPlan& plan = s.blueprint().crons[c];
        CronJobSpec spec;
        spec.hits = s.blueprint().cron_hits.data() + plan.first_hit;
        spec.hit_count = static_cast<std::int32_t>(plan.hit_count);
        spec.concurrency = plan.concurrency;
        spec.has_starting_deadline = plan.starting_deadline != never;
        spec.starting_deadline = plan.starting_deadline;
        bool active = false;
        for (std::uint32_t i = 0; i < plan.workload_count; ++i)
            active = active || s.workload(plan.first_workload + i).job_runs;
        const CronJobDecision decision = sync_cron_job(spec, m_states[c], active, now);
        s.wake_cron(c, decision.next_sync == Tick{never} ? Tick{never} : max(decision.next_sync, now + Tick{1}));
        if (decision.delete_active)
            for (std::uint32_t i = 0; i < plan.workload_count; ++i)
                fleet.controllers().abandon_job(fleet, plan.first_workload + i, now, fault);
        if (!decision.start) return;
        for (std::uint32_t i = 0; i < plan.workload_count; ++i)
            if (!s.workload(plan.first_workload + i).job_runs)
                return fleet.controllers().begin_job(fleet, plan.first_workload + i, now, fault);
        ++s.tally().jobs_skipped;  // more at once than the blueprint has room for
    }

private:
    CronJobState* m_states = nullptr;
};

}  // namespace windtunnel
