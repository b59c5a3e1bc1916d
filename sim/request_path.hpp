#pragma once
#include "models/request.hpp"
#include "sim/attempts.hpp"
#include "sim/degraded_answers.hpp"
#include "sim/fleet.hpp"
#include "sim/good_minutes.hpp"
#include "sim/metrics_board.hpp"
#include "sim/observer.hpp"
#include "sim/prefill_pairs.hpp"
#include "sim/router.hpp"

namespace windtunnel {

/// A trial's requests, from arrival to end: who answers them, who holds them meanwhile, when clients give up or
/// come again, and what the servers say of them. `Self` is the trial, which owns the loop and the control plane
/// (sim/trial.hpp).
///
/// A job is one attempt at a request. Where every request is tried once, it is the request. Elsewhere a track
/// (sim/attempts.hpp) ties the attempts together: whatever happens to them, the request ends once.
template <class Layout, class Bank, class Observer, class Self>
class RequestPath {
public:
    WT_HD RequestPath(const Blueprint& blueprint, WorkloadView workload, TrialKey key, Bank& bank,
                      Observer& observer)
        : m_blueprint(blueprint), m_workload(workload), m_key(key), m_servers(bank), m_observer(observer) {}

    // ---- what the servers tell (Sink) -----------------------------------------------------------------

    WT_HD void first_token(JobIndex index, Tick now) {
        if (m_pairs.enabled()) static_cast<Self*>(this)->answered(index, now);
        if (m_board.enabled())
            m_board.observe(m_jobs[index].replica, HistogramKind::time_to_first_token, now - served_since(index));
    }
    WT_HD void gaps(Tick first, Tick increment, std::int64_t steps, std::uint64_t rows) {
        m_sketches.itl.add_progression(first, increment, steps, rows);
    }
    WT_HD_CALL void finished(JobIndex index, Tick now) {
        if (m_pairs.is_prefill(index)) return static_cast<Self*>(this)->prefill_finished(index, now);
        const Job& job = m_jobs[index];
        if (job.aborted) {
            m_jobs[index].outputs = job.output_tokens;
            return aborted(index, now);
        }
        if (m_blueprint.keeps_accounts()) static_cast<Self*>(this)->charge(index, job.output_tokens);
        if (m_attempts.enabled() && !is_first_answer(index, now)) return;
        const Tick ttft = job.first_token - job.arrival, e2el = now - job.arrival;
        Tick tpot;
        m_sketches.ttft.add(ttft);
        m_sketches.e2el.add(e2el);
        if (job.output_tokens > 1) {
            tpot = {(now - job.first_token).count / (job.output_tokens - 1)};
            m_sketches.tpot.add(tpot);
        }
        const GoodputPlan& g = m_blueprint.goodput;
        bool good = ttft <= g.ttft && tpot <= g.tpot && e2el <= g.e2el;
        const Pod& pod = m_fleet.pod(job.replica);
        if (pod.degradation != 0 && answers_wrongly(m_blueprint, m_key, pod, job)) {
            ++m_tally->wrong_answers;
            good = false;
        }
        if (good) {
            ++m_tally->good;
            m_minutes.was_good(job.arrival);
        }
        static_cast<Self*>(this)->count_tokens(job);
        if (m_jobs.keeps_schedules) m_board.stages_finished(job, m_jobs.schedules[index], now);
        if (m_board.enabled()) m_board.request_finished(job, m_workload.requests[job.request], now - served_since(index), tpot, now);
        end_job(index, RequestEnd::completed, now);
    }
    /// Its client, or the attempt's own time-out, gave it up; its server has let it go.
    WT_HD_CALL void aborted(JobIndex index, Tick now) {
        if (m_pairs.is_prefill(index)) return static_cast<Self*>(this)->prefill_aborted(index, now);
        if (m_pairs.is_without_kv(index)) return lost(index, now);
        count_lost(index, now);
        if (m_board.enabled()) m_board.count_finished(m_jobs[index].replica, FinishedReason::abort);
        const std::uint32_t t = track_of(index);
        if (t == no_track) return end_job(index, RequestEnd::timed_out, now);
        RequestTrack& track = m_attempts[t];
        if (track.done || track.current != index) return release(index);
        if (!track.cut) return end_job(index, RequestEnd::timed_out, now);
        track.cut = 0;
        attempt_failed(index, RequestEnd::timed_out, now);
    }
    /// Its server is gone.
    WT_HD_CALL void lost(JobIndex index, Tick now) {
        if (m_pairs.is_prefill(index)) return static_cast<Self*>(this)->prefill_lost(index, now);
        count_lost(index, now);
        attempt_failed(index, RequestEnd::failed, now);
    }

protected:
    static constexpr std::uint16_t held_by_router = 0xffffu;
    static constexpr std::uint16_t waits_to_retry = 0xfffeu;  ///< in m_retries
    /// Pods whose servers a core's own caches hold, an estimate: some 2 KiB each, with what is scraped, in an L2 of 1 MiB.
    /// Of no more than these nothing is told ahead.
    static constexpr std::uint32_t caches_hold = 512;

    WT_HD_COLD void take_router_memory(Arena<Layout>& arena) {
        const Blueprint& b = m_blueprint;
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) {
            Router<Layout> dry;
            Router<Layout>& r = m_routers.valid() ? m_routers[w] : dry;
            r.take_memory(arena, b.workloads[w], b.job_capacity);
        }
        m_releases = arena.template take<Tick>(b.max_concurrency);
        m_minutes.take_memory(arena, b.goodput);
        bool tracked = false;
        for (const WorkloadPlan& plan : b.workloads) tracked = tracked || plan.tracked();
        m_attempts.take_memory(arena, tracked ? b.job_capacity : 0);
        m_retries.take_memory(arena, tracked ? b.job_capacity : 0);
        m_pairs.take_memory(arena, b);
    }

    WT_HD_COLD void start_requests() {
        const Blueprint& b = m_blueprint;
        m_next_client = never;
        m_attempts.clear();
        m_retries.clear();
        m_pairs.start();
        m_last_step = Tick{-1};
        m_cursor = 0;
        m_in_flight = 0;
        m_dispatches = 0;
        m_jobs.fresh = 0;
        m_jobs.free_list = no_job;
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) m_routers[w].clear(b.workloads[w]);
        m_minutes.start(b.goodput);
        m_release_head = 0;
        m_release_count = b.max_concurrency;
        for (std::uint32_t i = 0; i < b.max_concurrency; ++i) m_releases[i] = Tick{};
    }

    WT_HD void report_unfinished() {
        for (JobIndex j = 0; j < m_jobs.fresh; ++j)
            if (m_jobs[j].request != no_request && track_of(j) == no_track && !m_pairs.is_prefill(j))
                record(j, RequestEnd::unfinished, m_tally->ended_at);
        for (std::uint32_t t = 0; t < m_attempts.used(); ++t)
            if (m_attempts[t].request != no_request && !m_attempts[t].done)
                record_track(m_attempts[t], RequestEnd::unfinished, m_tally->ended_at);
    }
    WT_HD void settle_holds(Tick now) {
        for (std::uint32_t w = 0; w < m_blueprint.workloads.size(); ++w)
            if (!m_routers[w].held.empty()) note_hold(m_jobs[m_routers[w].held.head], now);
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

    WT_HD_CALL void arrive() {
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
        fill(index, number, m_now);
        if (m_attempts.enabled() && !begin_track(index, number, w, plan)) return;
        // vLLM's front end: prompt and the most it may answer must fit the model's length (vllm.md 1.12).
        if (static_cast<std::uint64_t>(request.prompt_tokens) + request.asked() >
            static_cast<std::uint64_t>(server.max_model_len))
            return end_job(index, RequestEnd::rejected, m_now);
        if (plan.request_timeout != never) {
            const std::uint32_t t = track_of(index);
            expect(m_routers[w].deadlines, {t == no_track ? index : t, number, 0, m_now + plan.request_timeout});
        }
        route(index, w);
        if (m_dispatches > 0) dispatch_all();
    }

    /// A job before its attempt.
    WT_HD void fill(JobIndex index, std::uint32_t number, Tick arrival) {
        const Request& request = m_workload.requests[number];
        Job& job = m_jobs[index];
        job.arrival = arrival;
        job.first_token = never;
        job.request = number;
        job.prompt_tokens = request.prompt_tokens;
        job.output_tokens = request.answered();
        job.outputs = job.computed = 0;
        m_pairs.forget(index);
        job.aborted = 0, job.rank = 0;
        job.state = JobState::held;
        job.replica = held_by_router;
    }

    WT_HD_HOT void route(JobIndex index, std::uint32_t w) {
        Router<Layout>& router = m_routers[w];
        ++router.arrived;
        const WorkloadPlan& plan = m_blueprint.workloads[w];
        const std::uint32_t local = router.held.empty() ? choose(router, plan, index) : no_index;
        if (local != no_index) return send(index, w, local);
        if (!plan.hold) return attempt_failed(index, RequestEnd::failed, m_now);
        if (plan.hold_limit > 0 && router.held.size >= plan.hold_limit)
            return plan.hands_out() ? end_job(index, RequestEnd::rejected, m_now)
                                    : attempt_failed(index, RequestEnd::rejected, m_now);
        router.held.push_back(m_jobs, index);
    }

    [[nodiscard]] WT_HD_CALL std::uint32_t choose(Router<Layout>& router, const WorkloadPlan& plan, JobIndex index) {
        const std::uint32_t t = track_of(index);
        return router.choose(plan, m_key, m_jobs[index].request, t == no_track ? 1 : m_attempts[t].attempt);
    }

    WT_HD_HOT void send(JobIndex index, std::uint32_t w, std::uint32_t local) {
        Router<Layout>& router = m_routers[w];
        const WorkloadPlan& plan = m_blueprint.workloads[w];
        const std::uint32_t p = plan.first_pod + local;
        if (m_blueprint.pod_slots > caches_hold) expect_send(p, w);
        router.ranking.add_request(local);
        ++router.sent;
        m_jobs[index].replica = static_cast<std::uint16_t>(p);
        if (m_attempts.enabled()) note_sent(index, plan);
        const Pod& pod = m_fleet.pod(p);
        if (!pod.serves()) {
            router.close_connections(plan, local);
            return attempt_failed(index, RequestEnd::failed, m_now);  // refused
        }
        if (pod.degradation != 0 && meets_error(m_blueprint, m_key, pod, m_workload, m_jobs[index])) {
            ++m_tally->error_answers;
            return attempt_failed(index, RequestEnd::failed, m_now);
        }
        if (plan.prefill.workload >= 0 && static_cast<Self*>(this)->prefills_elsewhere(index, plan.prefill)) return;
        hand_to_server(index, p);
    }
    /// Tells the memory what `send` is about to touch.
    WT_HD void expect_send(std::uint32_t p, std::uint32_t w) const {
        expect_memory(&m_fleet.pod(p));
        m_servers[p].expect();
        if (m_board.enabled()) m_board.expect_pod(p, w);
    }
    WT_HD_HOT void hand_to_server(JobIndex index, std::uint32_t p) {
        if (m_blueprint.most_turns > 1) static_cast<Self*>(this)->engine_works(p, true);
        if (m_board.enabled()) m_board.server_works(p);
        m_servers[p].arrive(m_jobs, index, m_now, seen_from(p));
        m_server_calendar.set(p, m_servers[p].next_change());
    }

    /// The first tick whose step boundary on replica p can still see what happens now: this tick's may be over. Where p
    /// has several engines and this is a step of its own, it knows of which.
    [[nodiscard]] WT_HD Tick seen_from(std::uint32_t p) const {
        if (m_now != m_last_step || p > m_last_replica) return m_now;
        return p == m_last_replica && m_servers[p].has_ranks() ? m_now : m_now + Tick{1};
    }

    /// Lets held requests go while there is a replica for them.
    WT_HD_CALL void dispatch(std::uint32_t w) {
        Router<Layout>& router = m_routers[w];
        const WorkloadPlan& plan = m_blueprint.workloads[w];
        while (!router.held.empty()) {
            const std::uint32_t local = choose(router, plan, router.held.head);
            if (local == no_index) return;
            note_hold(m_jobs[router.held.head], m_now);
            send(router.held.pop_front(m_jobs), w, local);
        }
    }

    /// What a dispatch gives back (an error at once, a refusal) goes on at the same instant.
    WT_HD_COLD void dispatch_all() {
        while (m_dispatches > 0) {
            m_dispatches = 0;
            for (std::uint32_t w = 0; w < m_blueprint.workloads.size(); ++w) {
                if (!m_routers[w].dispatch_due) continue;
                m_routers[w].dispatch_due = 0;
                dispatch(w);
            }
        }
    }
    WT_HD void expect_dispatch(Router<Layout>& router) {
        if (router.held.empty() || router.dispatch_due) return;
        router.dispatch_due = 1;
        ++m_dispatches;
    }
    WT_HD void note_hold(const Job& job, Tick now) {
        m_tally->longest_hold = max(m_tally->longest_hold, now - job.arrival);
    }

    // ---- ends ------------------------------------------------------------------------------------------

    /// The request that this job stands for ends, and the job with it.
    WT_HD_HOT void end_job(JobIndex index, RequestEnd how, Tick now) {
        count_answer(index, how);
        record(index, how, now);
        const std::uint32_t t = track_of(index);
        if (t != no_track) m_attempts.end(t);
        release(index);
        count_end(how, now);
    }
    /// A request ends of which there is no job, or only such as stay where they are.
    WT_HD_COLD void end_track(std::uint32_t t, RequestEnd how, Tick now) {
        record_track(m_attempts[t], how, now);
        m_attempts.end(t);
        count_end(how, now);
    }
    WT_HD_HOT void count_end(RequestEnd how, Tick now) {
        m_tally->requests.count(how);
        m_tally->ended_at = now;
        --m_in_flight;
        if (m_blueprint.max_concurrency > 0) {
            std::uint32_t at = m_release_head + m_release_count++;
            if (at >= m_blueprint.max_concurrency) at -= m_blueprint.max_concurrency;
            m_releases[at] = now + m_blueprint.turnaround;
            find_next_arrival();
        }
    }
    /// What a gateway in front of the workload sees of an attempt.
    WT_HD void count_answer(JobIndex index, RequestEnd how) {
        const std::uint16_t model = m_workload.requests[m_jobs[index].request].model;
        ++m_routers[m_blueprint.workload_of_model[model]].answered[static_cast<std::size_t>(how)];
    }
    /// The job is over; what it stood for may go on.
    WT_HD_HOT void release(JobIndex index) {
        leave_replica(index);
        if (m_attempts.enabled()) m_attempts.detach(index);
        m_jobs[index].request = no_request;
        m_jobs.give_back(index);
    }
    WT_HD_HOT void leave_replica(JobIndex index) {
        Job& job = m_jobs[index];
        if (m_pairs.enabled()) static_cast<Self*>(this)->part_from_prefill(index);
        if (job.replica >= waits_to_retry) return;
        const std::uint32_t w = m_fleet.pod(job.replica).workload;
        Router<Layout>& router = m_routers[w];
        --router.sent;
        router.ranking.drop_request(job.replica - m_blueprint.workloads[w].first_pod);
        expect_dispatch(router);
    }

    WT_HD void record(JobIndex index, RequestEnd how, Tick now) {
        if constexpr (Observer::enabled) {
            const Job& job = m_jobs[index];
            const std::uint32_t p = job.replica >= waits_to_retry ? no_index : job.replica;
            m_observer.request_ended({job.request, job.prompt_tokens, job.output_tokens, job.arrival,
                                      job.first_token, now, how, p,
                                      p == no_index ? 0 : m_fleet.pod(p).revision, m_pairs.enabled() ? m_pairs[index].story : PrefillStory{}});
        }
    }
    WT_HD void record_track(const RequestTrack& track, RequestEnd how, Tick now) {
        if constexpr (Observer::enabled) {
            if (track.current != no_job) return record(track.current, how, now);
            const Request& r = m_workload.requests[track.request];
            m_observer.request_ended(
                {track.request, r.prompt_tokens, r.answered(), track.arrival, never, now, how, no_index, 0, {}});
        }
    }

    // ---- attempts --------------------------------------------------------------------------------------

    /// The job's track; `no_track` where its request is tried once.
    [[nodiscard]] WT_HD std::uint32_t track_of(JobIndex index) const {
        return m_attempts.enabled() ? m_attempts.of(index) : no_track;
    }
    [[nodiscard]] WT_HD Tick began(JobIndex index) const {
        return track_of(index) == no_track ? m_jobs[index].arrival : m_attempts.began(index);
    }
    /// When its server got it: what that server's own histograms count from.
    [[nodiscard]] WT_HD Tick served_since(JobIndex index) const {
        return m_pairs.enabled() && m_pairs[index].story.prefilled != never ? m_pairs[index].story.prefilled : began(index);
    }

    /// False when there is no room for it.
    WT_HD_COLD bool begin_track(JobIndex index, std::uint32_t number, std::uint32_t w, const WorkloadPlan& plan) {
        std::uint32_t t = no_track;
        if (plan.tracked()) {
            t = m_attempts.open(number, w, m_now);
            if (t == no_track) {
                m_tally->status = TrialStatus::outgrew_arena;
                return false;
            }
            m_attempts[t].current = index;
        }
        m_attempts.attach(index, t, m_now);
        if (t != no_track && !plan.hands_out()) begin_attempt(t, plan);
        return true;
    }
    /// A client begins an attempt, or a worker is handed a message.
    WT_HD_COLD void begin_attempt(std::uint32_t t, const WorkloadPlan& plan) {
        RequestTrack& track = m_attempts[t];
        ++track.attempt;
        track.cut = 0;
        const Tick limit = plan.hands_out() ? plan.visibility_timeout : plan.retry.attempt_timeout;
        if (limit != never)
            expect(m_routers[track.workload].limits, {t, track.request, track.attempt, m_now + limit});
    }
    WT_HD_COLD void note_sent(JobIndex index, const WorkloadPlan& plan) {
        m_attempts.began(index) = m_now;
        const std::uint32_t t = m_attempts.of(index);
        if (t == no_track || !plan.hands_out()) return;
        begin_attempt(t, plan);
        m_tally->redelivered += m_attempts[t].attempt > 1 ? 1 : 0;
    }

    /// An attempt has ended without an answer: the client comes again, the message goes to another worker, or the
    /// request ends so.
    WT_HD_CALL void attempt_failed(JobIndex index, RequestEnd how, Tick now) {
        if (!m_attempts.enabled() || m_attempts.of(index) == no_track) return end_job(index, how, now);
        try_again(index, m_attempts.of(index), how, now);
    }
    WT_HD_COLD void try_again(JobIndex index, std::uint32_t t, RequestEnd how, Tick now) {
        RequestTrack& track = m_attempts[t];
        if (track.done || track.current != index) return release(index);
        const WorkloadPlan& plan = m_blueprint.workloads[track.workload];
        if (plan.hands_out()) {
            if (plan.visibility_timeout != never && !plan.returns) {
                track.current = no_job;  // nobody knows before the message's time is over
                return release(index);
            }
            if (track.attempt >= plan.hand_outs) {
                ++m_tally->dead_lettered;
                return end_job(index, how, now);
            }
            leave_replica(index);
            fill(index, track.request, track.arrival);
            return put_back(index, m_routers[track.workload]);
        }
        if (track.attempt >= plan.retry.attempts) return end_job(index, how, now);
        count_answer(index, how);
        leave_replica(index);
        m_jobs[index].replica = waits_to_retry;
        RandomStream draws(m_key.seed, m_key.trial, StreamPurpose::retry_jitter, track.request, track.attempt);
        // A client counts from the moment at which it gave the attempt up; its server may have seen that later.
        const Tick from = how == RequestEnd::timed_out ? m_attempts.began(index) + plan.retry.attempt_timeout : now;
        const Tick at = max(now, from + retry_delay(plan.retry, track.attempt, draws.next_u64()));
        m_retries.push(at, track.request, index);
        m_next_client = min(m_next_client, at);
    }
    WT_HD_COLD void put_back(JobIndex index, Router<Layout>& router) {
        router.put_back(m_jobs, index);
        expect_dispatch(router);
    }

    /// A client comes again.
    WT_HD_COLD void retry(JobIndex index) {
        const std::uint32_t t = m_attempts.of(index);
        if (m_attempts[t].done) return release(index);  // it gave up meanwhile
        ++m_tally->retried;
        const std::uint32_t w = m_attempts[t].workload;
        fill(index, m_attempts[t].request, m_attempts[t].arrival);
        m_attempts.began(index) = m_now;
        begin_attempt(t, m_blueprint.workloads[w]);
        route(index, w);
    }

    /// The first answer takes the request's other jobs out of the queue; those at workers go on: work done twice.
    [[nodiscard]] WT_HD_COLD bool is_first_answer(JobIndex index, Tick now) {
        const std::uint32_t t = m_attempts.of(index);
        if (t == no_track) return true;
        RequestTrack& track = m_attempts[t];
        if (track.done) {
            const Job& job = m_jobs[index];
            m_tally->duplicate_prompt_tokens += job.prompt_tokens;
            m_tally->duplicate_output_tokens += job.output_tokens;
            m_tally->duplicate_time.add(static_cast<std::uint64_t>((now - m_attempts.began(index)).count));
            release(index);
            return false;
        }
        const JobIndex other = track.current;
        track.current = index;
        if (other != index && other != no_job && m_jobs[other].replica == held_by_router) {
            m_routers[track.workload].held.remove(m_jobs, other);
            release(other);
        }
        return true;
    }

    /// What a server did for an attempt that it does not finish.
    WT_HD_COLD void count_lost(JobIndex index, Tick now) {
        const Job& job = m_jobs[index];
        ++m_tally->lost_attempts;
        if (job.first_token != never) m_tally->lost_prompt_tokens += job.prompt_tokens;
        m_tally->lost_output_tokens += job.outputs;
        if (m_blueprint.keeps_accounts()) static_cast<Self*>(this)->charge(index, job.outputs);
        m_tally->lost_time.add(static_cast<std::uint64_t>((now - began(index)).count));
    }

    // ---- clients' time-outs and returns ------------------------------------------------------------------

    WT_HD void expect(DeadlineRing<Layout>& ring, RequestDeadline d) {
        if (ring.full())
            while (!ring.empty() && is_stale(ring.first())) ring.pop();
        if (ring.full()) {
            m_tally->status = TrialStatus::outgrew_arena;
            return;
        }
        ring.push(d);
        m_next_client = min(m_next_client, d.at);
    }
    /// What a deadline was for has ended.
    [[nodiscard]] WT_HD bool is_stale(const RequestDeadline& d) const {
        if (d.attempt == 0 && (!m_attempts.enabled() || !of_tracked(d))) return m_jobs[d.index].request != d.request;
        const RequestTrack& track = m_attempts[d.index];
        return track.request != d.request || track.done || (d.attempt > 0 && track.attempt != d.attempt);
    }
    /// Its index is a track's.
    [[nodiscard]] WT_HD bool of_tracked(const RequestDeadline& d) const {
        const Request& request = m_workload.requests[d.request];
        return m_blueprint.workloads[m_blueprint.workload_of_model[request.model]].tracked();
    }

    WT_HD_COLD void meet_clients();
    /// Gives the time of the ring's next deadline.
    WT_HD_COLD Tick meet_deadlines(DeadlineRing<Layout>& ring, Router<Layout>& router) {
        while (!ring.empty() && ring.first().at <= m_now) {
            const RequestDeadline d = ring.first();
            ring.pop();
            if (is_stale(d)) continue;
            if (d.attempt > 0)
                end_attempt(d.index, router);
            else if (m_attempts.enabled() && of_tracked(d))
                give_up_track(d.index, router);
            else
                give_up(d.index, router);
        }
        return ring.empty() ? Tick{never} : ring.first().at;
    }
    WT_HD void give_up(JobIndex index, Router<Layout>& router) {
        if (m_jobs[index].replica != held_by_router) return abort(index);
        note_hold(m_jobs[index], m_now);
        router.held.remove(m_jobs, index);
        end_job(index, RequestEnd::timed_out, m_now);
    }
    WT_HD_COLD void give_up_track(std::uint32_t t, Router<Layout>& router);
    WT_HD_COLD void end_attempt(std::uint32_t t, Router<Layout>& router);
    WT_HD_COLD void become_visible(std::uint32_t t, const WorkloadPlan& plan);
    WT_HD void abort(JobIndex index) {
        if (m_pairs.enabled() && m_pairs[index].stage == PrefillStage::computed_elsewhere) return aborted(index, m_now);
        const std::uint16_t p = m_jobs[index].replica;
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
    AttemptTable<Layout> m_attempts;
    RetryHeap<Layout> m_retries;
    PrefillPairs<Layout> m_pairs;  ///< prompts that are computed elsewhere
    ArenaArray<Router<Layout>, Layout> m_routers;
    ArenaArray<Tick, Layout> m_releases;  ///< closed loop: when the client may send again, a ring
    Tick m_now;
    Tick m_next_arrival = never;
    Tick m_next_client = never;  ///< when a client gives up or comes again, or a message becomes visible
    Tick m_last_step{-1};  ///< the last tick at which a step ended, and of which replica
    std::uint32_t m_last_replica = 0;
    std::uint64_t m_cursor = 0;  ///< next request of the workload
    std::uint32_t m_in_flight = 0, m_dispatches = 0;
    std::uint32_t m_release_head = 0, m_release_count = 0;
};

}  // namespace windtunnel

#include "sim/request_timeouts.hpp"
