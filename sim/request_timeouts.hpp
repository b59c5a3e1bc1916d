#pragma once
// Parts of RequestPath: sim/request_path.hpp includes this at its end.

/// What clients and queues do when their time is over: parts of RequestPath.
namespace windtunnel {

/// Clients give up, messages become visible again, clients come again.
template <class Layout, class Bank, class Observer, class Self>
WT_HD_COLD void RequestPath<Layout, Bank, Observer, Self>::meet_clients() {
    Tick next = never;
    for (std::uint32_t w = 0; w < m_blueprint.workloads.size(); ++w) {
        Router<Layout>& router = m_routers[w];
        next = min(next, meet_deadlines(router.deadlines, router));
        next = min(next, meet_deadlines(router.limits, router));
    }
    m_next_client = next;
    while (m_retries.first_time() <= m_now && m_tally->status == TrialStatus::complete) retry(m_retries.pop());
    m_next_client = min(m_next_client, m_retries.first_time());
    if (m_dispatches > 0) dispatch_all();
}

template <class Layout, class Bank, class Observer, class Self>
WT_HD_COLD void RequestPath<Layout, Bank, Observer, Self>::give_up_track(std::uint32_t t, Router<Layout>& router) {
    RequestTrack& track = m_attempts[t];
    track.cut = 0;
    // A job that waits for its next attempt is let go when that is due.
    if (track.current == no_job || m_jobs[track.current].replica == waits_to_retry)
        return end_track(t, RequestEnd::timed_out, m_now);
    give_up(track.current, router);
}

/// The attempt's own time is over: the message's visibility time-out, or the client's patience with it.
template <class Layout, class Bank, class Observer, class Self>
WT_HD_COLD void RequestPath<Layout, Bank, Observer, Self>::end_attempt(std::uint32_t t, Router<Layout>& router) {
    RequestTrack& track = m_attempts[t];
    const WorkloadPlan& plan = m_blueprint.workloads[track.workload];
    if (plan.hands_out()) return become_visible(t, plan);
    const JobIndex index = track.current;
    if (m_jobs[index].replica == waits_to_retry) return;
    if (m_jobs[index].replica == held_by_router) {
        note_hold(m_jobs[index], m_now);
        router.held.remove(m_jobs, index);
        return attempt_failed(index, RequestEnd::timed_out, m_now);
    }
    if (m_jobs[index].aborted) return;  // its client has gone altogether
    track.cut = 1;
    abort(index);
}

/// The worker that has it, if there still is one, does not know.
template <class Layout, class Bank, class Observer, class Self>
WT_HD_COLD void RequestPath<Layout, Bank, Observer, Self>::become_visible(std::uint32_t t, const WorkloadPlan& plan) {
    RequestTrack& track = m_attempts[t];
    if (track.current != no_job && m_jobs[track.current].replica >= waits_to_retry) return;  // it came back before
    if (track.attempt >= plan.hand_outs) {
        ++m_tally->dead_lettered;
        return end_track(t, RequestEnd::failed, m_now);
    }
    const JobIndex copy = m_jobs.take();
    if (copy == no_job) {
        m_tally->status = TrialStatus::outgrew_arena;
        return;
    }
    fill(copy, track.request, track.arrival);
    m_attempts.attach(copy, t, m_now);
    track.current = copy;
    put_back(copy, m_routers[track.workload]);
}

}  // namespace windtunnel
