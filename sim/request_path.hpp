#pragma once
#include "models/request.hpp"
#include "sim/fleet.hpp"
#include "sim/good_minutes.hpp"
#include "sim/metrics_board.hpp"
#include "sim/observer.hpp"
#include "sim/router.hpp"

namespace windtunnel {

/// A trial's requests, from arrival to end: who answers them, who holds them meanwhile, when clients give up,
/// and what the servers say of them. `Self` is the trial, which owns the loop and the control plane
/// (sim/trial.hpp).
template <class Layout, class Bank, class Observer, class Self>
class RequestPath {
public:
    WT_HD RequestPath(const Blueprint& blueprint, WorkloadView workload, TrialKey key, Bank& bank,
                      Observer& observer)
        : m_blueprint(blueprint), m_workload(workload), m_key(key), m_servers(bank), m_observer(observer) {}

    // ---- what the servers tell (Sink) -----------------------------------------------------------------

    WT_HD void first_token(JobIndex index, Tick now) {
        if (m_board.enabled()) {
            const Job& job = m_jobs[index];
            m_board.observe(job.replica, HistogramKind::time_to_first_token, now - job.arrival);
        }
    }
    WT_HD void gaps(Tick first, Tick increment, std::int64_t steps, std::uint64_t rows) {
        m_sketches.itl.add_progression(first, increment, steps, rows);
    }
    WT_HD void finished(JobIndex index, Tick now) {
        const Job& job = m_jobs[index];
        if (job.aborted) return end_job(index, RequestEnd::timed_out, now);
        const Tick ttft = job.first_token - job.arrival, e2el = now - job.arrival;
        Tick tpot;
        m_sketches.ttft.add(ttft);
        m_sketches.e2el.add(e2el);
        if (job.output_tokens > 1) {
            tpot = {(now - job.first_token).count / (job.output_tokens - 1)};
            m_sketches.tpot.add(tpot);
        }
        const GoodputPlan& g = m_blueprint.goodput;
        if (ttft <= g.ttft && tpot <= g.tpot && e2el <= g.e2el) {
            ++m_tally->good;
            m_minutes.was_good(job.arrival);
        }
        m_tally->prompt_tokens += job.prompt_tokens;
        m_tally->output_tokens += job.output_tokens;
        if (m_board.enabled()) {
            m_board.count_success(job.replica);
            m_board.observe(job.replica, HistogramKind::e2e_request_latency, e2el);
            if (job.output_tokens > 1)
                m_board.observe(job.replica, HistogramKind::request_time_per_output_token, tpot);
        }
        end_job(index, RequestEnd::completed, now);
    }
    WT_HD void aborted(JobIndex index, Tick now) { end_job(index, RequestEnd::timed_out, now); }
    WT_HD void lost(JobIndex index, Tick now) { end_job(index, RequestEnd::failed, now); }

protected:
    static constexpr std::uint32_t no_request = 0xffffffffu;
    static constexpr std::uint16_t held_by_router = 0xffffu;

    WT_HD_COLD void take_router_memory(Arena<Layout>& arena) {
        const Blueprint& b = m_blueprint;
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) {
            Router<Layout> dry;
            Router<Layout>& r = m_routers.valid() ? m_routers[w] : dry;
            r.take_memory(arena, b.workloads[w], b.job_capacity);
        }
        m_releases = arena.template take<Tick>(b.max_concurrency);
        m_minutes.take_memory(arena, b.goodput);
    }

    WT_HD_COLD void start_requests() {
        const Blueprint& b = m_blueprint;
        m_next_deadline = never;
        m_last_step = Tick{-1};
        m_cursor = 0;
        m_in_flight = 0;
        m_dispatches = 0;
        m_jobs.fresh = 0;
        m_jobs.free_list = no_job;
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) m_routers[w].clear();
        m_minutes.start(b.goodput);
        m_release_head = 0;
        m_release_count = b.max_concurrency;
        for (std::uint32_t i = 0; i < b.max_concurrency; ++i) m_releases[i] = Tick{};
    }

    WT_HD void report_unfinished() {
        for (JobIndex j = 0; j < m_jobs.fresh; ++j)
            if (m_jobs[j].request != no_request) record(m_jobs[j], RequestEnd::unfinished, m_tally->ended_at);
    }

    // ---- requests --------------------------------------------------------------------------------------

    WT_HD void find_next_arrival() {
        m_next_arrival = never;
        if (m_cursor >= m_workload.count) return;
        const Tick nominal = m_workload.requests[m_cursor].arrival;
        if (m_blueprint.max_concurrency == 0)
            m_next_arrival = nominal;
        else if (m_release_count > 0)
            m_next_arrival = max(nominal, m_releases[m_release_head]);
    }

    WT_HD void arrive() {
        const auto number = static_cast<std::uint32_t>(m_cursor++);
        const Request& request = m_workload.requests[number];
        if (m_blueprint.max_concurrency > 0) {
            m_release_head = m_release_head + 1 == m_blueprint.max_concurrency ? 0 : m_release_head + 1;
            --m_release_count;
        }
        find_next_arrival();
        ++m_tally->requests.arrived;
        m_minutes.arrived(m_now);
        const std::uint32_t w = m_blueprint.workload_of_model[request.model];
        const WorkloadPlan& plan = m_blueprint.workloads[w];
        const ServerConfig& server =
            m_blueprint.servers[static_cast<std::size_t>(m_fleet.state().current_template(w).server)];

        const JobIndex index = m_jobs.take();
        if (index == no_job) {
            m_tally->status = TrialStatus::outgrew_arena;
            return;
        }
        ++m_in_flight;
        Job& job = m_jobs[index];
        job.arrival = m_now;
        job.first_token = never;
        job.request = number;
        job.prompt_tokens = request.prompt_tokens;
        const std::uint32_t asked = request.max_tokens > 0 ? request.max_tokens : request.output_tokens;
        job.output_tokens = asked < request.output_tokens ? asked : request.output_tokens;
        job.outputs = job.computed = 0;
        job.aborted = 0;
        job.state = JobState::held;
        job.replica = held_by_router;
        // vLLM's front end: prompt and the most it may answer must fit the model's length (vllm.md 1.12).
        if (static_cast<std::uint64_t>(request.prompt_tokens) + asked >
            static_cast<std::uint64_t>(server.max_model_len))
            return end_job(index, RequestEnd::rejected, m_now);
        if (plan.request_timeout != never) expect_deadline(index, m_routers[w], plan.request_timeout);
        route(index, w);
    }

    WT_HD void route(JobIndex index, std::uint32_t w) {
        Router<Layout>& router = m_routers[w];
        ++router.arrived;
        const WorkloadPlan& plan = m_blueprint.workloads[w];
        const std::uint32_t local =
            router.held.empty() ? router.choose(plan, m_key, m_jobs[index].request) : no_index;
        if (local != no_index) return send(index, router, plan, local);
        if (!plan.hold) return end_job(index, RequestEnd::failed, m_now);
        if (plan.hold_limit > 0 && router.held.size >= plan.hold_limit)
            return end_job(index, RequestEnd::rejected, m_now);
        router.held.push_back(m_jobs, index);
    }

    WT_HD void send(JobIndex index, Router<Layout>& router, const WorkloadPlan& plan, std::uint32_t local) {
        const std::uint32_t p = plan.first_pod + local;
        router.ranking.add_request(local);
        ++router.sent;
        m_jobs[index].replica = static_cast<std::uint16_t>(p);
        if (!m_fleet.pod(p).serves()) return end_job(index, RequestEnd::failed, m_now);  // refused
        m_servers[p].arrive(m_jobs, index, m_now, seen_from(p));
        m_server_calendar.set(p, m_servers[p].next_change());
    }

    /// The first tick whose step boundary on replica p can still see what happens now: in the order of ranks
    /// its boundary at this very tick may be over.
    [[nodiscard]] WT_HD Tick seen_from(std::uint32_t p) const {
        return m_now == m_last_step && p <= m_last_replica ? m_now + Tick{1} : m_now;
    }

    /// Lets held requests go while there is a replica for them.
    WT_HD void dispatch(std::uint32_t w) {
        Router<Layout>& router = m_routers[w];
        const WorkloadPlan& plan = m_blueprint.workloads[w];
        while (!router.held.empty()) {
            const std::uint32_t local = router.choose(plan, m_key, m_jobs[router.held.head].request);
            if (local == no_index) return;
            send(router.held.pop_front(m_jobs), router, plan, local);
        }
    }

    WT_HD void end_job(JobIndex index, RequestEnd how, Tick now) {
        Job& job = m_jobs[index];
        m_tally->requests.count(how);
        record(job, how, now);
        m_tally->ended_at = now;
        if (job.replica != held_by_router) {
            const std::uint32_t w = m_fleet.pod(job.replica).workload;
            Router<Layout>& router = m_routers[w];
            --router.sent;
            router.ranking.drop_request(job.replica - m_blueprint.workloads[w].first_pod);
            if (!router.held.empty() && !router.dispatch_due) {
                router.dispatch_due = 1;
                ++m_dispatches;
            }
        }
        job.request = no_request;
        m_jobs.give_back(index);
        --m_in_flight;
        if (m_blueprint.max_concurrency > 0) {
            std::uint32_t at = m_release_head + m_release_count++;
            if (at >= m_blueprint.max_concurrency) at -= m_blueprint.max_concurrency;
            m_releases[at] = now + m_blueprint.turnaround;
            find_next_arrival();
        }
    }

    WT_HD void record(const Job& job, RequestEnd how, Tick now) {
        if constexpr (Observer::enabled) {
            const std::uint32_t p = job.replica == held_by_router ? no_index : job.replica;
            m_observer.request_ended({job.request, job.prompt_tokens, job.output_tokens, job.arrival,
                                      job.first_token, now, how, p,
                                      p == no_index ? 0 : m_fleet.pod(p).revision});
        }
    }

    // ---- client time-outs ------------------------------------------------------------------------------

    WT_HD void expect_deadline(JobIndex index, Router<Layout>& router, Tick timeout) {
        const std::uint32_t capacity = m_blueprint.job_capacity;
        if (router.deadline_count == capacity) {
            m_tally->status = TrialStatus::outgrew_arena;
            return;
        }
        std::uint32_t at = router.deadline_head + router.deadline_count++;
        if (at >= capacity) at -= capacity;
        router.deadlines[at] = {index, m_jobs[index].request, m_now + timeout};
        m_next_deadline = min(m_next_deadline, m_now + timeout);
    }

    WT_HD_COLD void meet_deadlines() {
        Tick next = never;
        for (std::uint32_t w = 0; w < m_blueprint.workloads.size(); ++w) {
            Router<Layout>& router = m_routers[w];
            for (; router.deadline_count > 0; --router.deadline_count) {
                const RequestDeadline d = router.deadlines[router.deadline_head];
                if (d.at > m_now) {
                    next = min(next, d.at);
                    break;
                }
                router.deadline_head =
                    router.deadline_head + 1 == m_blueprint.job_capacity ? 0 : router.deadline_head + 1;
                if (m_jobs[d.job].request == d.request) give_up(d.job, router);
            }
        }
        m_next_deadline = next;
    }

    WT_HD void give_up(JobIndex index, Router<Layout>& router) {
        const std::uint16_t p = m_jobs[index].replica;
        if (p == held_by_router) {
            router.held.remove(m_jobs, index);
            return end_job(index, RequestEnd::timed_out, m_now);
        }
        m_servers[p].abort(m_jobs, index, seen_from(p));
        m_server_calendar.set(p, m_servers[p].next_change());
    }
    const Blueprint& m_blueprint;
    const WorkloadView m_workload;
    const TrialKey m_key;
    Bank& m_servers;
    Observer& m_observer;
    Fault m_fault;
    Tally* m_tally = nullptr;
    Sketches<Layout> m_sketches;
    JobPool<Layout> m_jobs;
    Calendar<Layout> m_server_calendar;
    Fleet<Layout, Self> m_fleet;
    MetricsBoard<Layout> m_board;
    GoodMinutes<Layout> m_minutes;
    ArenaArray<Router<Layout>, Layout> m_routers;
    ArenaArray<Tick, Layout> m_releases;  ///< closed loop: when the client may send again, a ring
    Tick m_now;
    Tick m_next_arrival = never;
    Tick m_next_deadline = never;
    Tick m_last_step{-1};  ///< the last tick at which a step ended, and of which replica
    std::uint32_t m_last_replica = 0;
    std::uint64_t m_cursor = 0;  ///< next request of the workload
    std::uint32_t m_in_flight = 0;
    std::uint32_t m_dispatches = 0;
    std::uint32_t m_release_head = 0, m_release_count = 0;
};

}  // namespace windtunnel
