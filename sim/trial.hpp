#pragma once
#include "models/request.hpp"
#include "sim/autoscaling.hpp"
#include "sim/fleet.hpp"
#include "sim/observer.hpp"
#include "sim/replica_ranking.hpp"

namespace windtunnel {

/// One trial: the engine. The same code on one CPU thread, on many, and on a GPU.
///
/// Its loop takes whatever is due first: the next request's arrival, the next change of a replica's server,
/// the next change in the control plane. At one tick (the *ranks*):
///   1. requests arrive, in the workload's order, and clients give up;
///   2. engine steps end, lower replicas first;
///   3. the control plane acts, in the order of ControlSlots.
/// Requests that a step's end lets go on (out of a queue, or from a closed loop's client) follow at once; a
/// replica whose step has ended at this very tick sees them at its next boundary.
///
/// `Bank` holds the servers: BatchServers in the arena, or the stepwise reference. `Observer` sees every
/// change and changes nothing.
template <class Layout, class Bank, class Observer>
class Trial {
public:
    WT_HD Trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key, Bank& bank,
                Observer& observer)
        : m_blueprint(blueprint), m_workload(workload), m_key(key), m_servers(bank), m_observer(observer) {}

    /// Takes every array, in a fixed order. With a dry arena this gives the trial's size.
    WT_HD_COLD void take_memory(Arena<Layout>& arena) {
        const Blueprint& b = m_blueprint;
        m_slots = ControlSlots::of(b, static_cast<std::uint32_t>(b.autoscalers.size()));
        m_sketches.take_memory(arena);
        m_jobs.capacity = b.job_capacity;
        m_jobs.jobs = arena.template take<Job>(b.job_capacity);
        m_server_calendar.take_memory(arena, b.pod_slots);
        m_control_calendar.take_memory(arena, m_slots.count);
        m_fleet.take_memory(arena, b);
        m_routers = arena.template take<Router>(b.workloads.size());
        m_servers.take_memory(arena, b);
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) {
            Router dry;
            Router& r = m_routers.valid() ? m_routers[w] : dry;
            r.ranking.take_memory(arena, b.workloads[w].pod_slots);
            r.ready = arena.template take<std::uint32_t>(b.workloads[w].pod_slots);
            r.deadlines =
                arena.template take<Deadline>(b.workloads[w].request_timeout == never ? 0 : b.job_capacity);
        }
        m_releases = arena.template take<Tick>(b.max_concurrency);
        m_board.take_memory(arena, b);
        m_autoscaling.take_memory(arena, b);
    }

    WT_HD void run(Tally& tally) {
        m_tally = &tally;
        tally = Tally{};
        start();
        while (!m_fault.broken() && tally.status == TrialStatus::complete) {
            const Tick arrival = m_next_arrival, step = m_server_calendar.first_time(),
                       control = m_control_calendar.first_time();
            const Tick next = min(min(arrival, m_next_deadline), min(step, control));
            if (next > m_blueprint.span && is_over(next)) break;
            if (!WT_CHECK(m_fault, next >= m_now)) break;  // law: the clock never goes back
            m_now = next;
            ++tally.events;
            if (arrival == next)
                arrive();
            else if (m_next_deadline == next)
                meet_deadlines();
            else if (step == next)
                end_step(m_server_calendar.first());
            else
                act(m_control_calendar.first());
        }
        finish();
    }

    [[nodiscard]] WT_HD const Sketches<Layout>& sketches() const { return m_sketches; }

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
        m_tally->good += ttft <= g.ttft && tpot <= g.tpot && e2el <= g.e2el ? 1 : 0;
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

    // ---- what the fleet tells (Owner) -----------------------------------------------------------------

    WT_HD_COLD void process_serves(std::uint32_t p, Tick) {
        const std::int32_t server = m_fleet.state().template_of(m_fleet.pod(p)).server;
        if (server < 0) return;  // it serves no requests
        m_servers[p].start(m_blueprint.servers[static_cast<std::size_t>(server)]);
        if (m_board.enabled()) m_board.pod_started(p);
    }
    WT_HD_COLD void endpoint_added(std::uint32_t p, Tick) {
        const Pod& pod = m_fleet.pod(p);
        if (m_fleet.state().template_of(pod).server < 0) return;
        const WorkloadPlan& plan = m_blueprint.workloads[pod.workload];
        Router& router = m_routers[pod.workload];
        const std::uint32_t local = p - plan.first_pod;
        router.ranking.insert(local, requests_of(p));
        std::uint32_t at = router.ready_count++;
        for (; at > 0 && router.ready[at - 1] > local; --at) router.ready[at] = router.ready[at - 1];
        router.ready[at] = local;
        dispatch(pod.workload);
    }
    WT_HD_COLD void endpoint_removed(std::uint32_t p, Tick) {
        const Pod& pod = m_fleet.pod(p);
        if (m_fleet.state().template_of(pod).server < 0) return;
        Router& router = m_routers[pod.workload];
        const std::uint32_t local = p - m_blueprint.workloads[pod.workload].first_pod;
        router.ranking.erase(local);
        std::uint32_t kept = 0;
        for (std::uint32_t i = 0; i < router.ready_count; ++i)
            if (router.ready[i] != local) router.ready[kept++] = router.ready[i];
        router.ready_count = kept;
    }
    /// Requires that it served.
    WT_HD_COLD void process_gone(std::uint32_t p, Tick now) {
        if (!has_server(p)) return;
        m_servers[p].kill(m_jobs, *this, now);
        close_books(p, now);
        m_server_calendar.set(p, never);
    }
    [[nodiscard]] WT_HD std::uint32_t requests_of(std::uint32_t p) {
        return has_server(p) ? m_servers[p].in_flight() : 0;
    }
    WT_HD void pod_changed(std::uint32_t p, Tick now) {
        const Pod& pod = m_fleet.pod(p);
        if (pod.state == PodState::none && m_board.enabled()) m_board.pod_gone(p, pod.workload, now);
        if constexpr (Observer::enabled) m_observer.pod_changed(p, pod, now);
    }
    WT_HD void node_changed(std::uint32_t n, Tick now) {
        if constexpr (Observer::enabled) m_observer.node_changed(n, m_fleet.node(n), now);
    }
    WT_HD void pod_unschedulable(std::uint32_t p, const RejectionCounts& why, const PreemptionResult& tried, Tick now) {
        if constexpr (Observer::enabled) m_observer.pod_unschedulable(p, m_fleet.pod(p), why, tried, now);
    }
    /// Something that only an observer is told.
    template <class Record>
    WT_HD void note(const Record& r) {
        if constexpr (Observer::enabled) m_observer.occurred(r);
    }

    // ---- what the metrics and the autoscalers ask (Host) ------------------------------------------------

    [[nodiscard]] WT_HD const Pod& pod(std::uint32_t p) const { return m_fleet.pod(p); }
    [[nodiscard]] WT_HD const WorkloadState& workload(std::uint32_t w) const { return m_fleet.workload(w); }
    [[nodiscard]] WT_HD ServerGauges gauges_of(std::uint32_t p, Tick now) const {
        return m_servers[p].gauges(m_jobs, now);
    }
    [[nodiscard]] WT_HD double workload_reading(SeriesKind source, std::uint32_t w) const {
        switch (source) {
            case SeriesKind::queue_length:
                return static_cast<double>(m_routers[w].held.size);
            case SeriesKind::queue_in_flight:
                return static_cast<double>(m_routers[w].sent);
            case SeriesKind::requests_total:
                return static_cast<double>(m_routers[w].arrived);
            case SeriesKind::replicas_desired:
                return static_cast<double>(m_fleet.workload(w).desired);
            case SeriesKind::replicas_active:
                return static_cast<double>(m_fleet.workload(w).active);
            case SeriesKind::replicas_ready:
                return static_cast<double>(m_fleet.workload(w).ready);
            default:
                return 0;
        }
    }
    WT_HD_COLD void scale(std::uint32_t w, std::int32_t replicas, std::int32_t metric, Tick now) {
        const std::uint32_t from = m_fleet.workload(w).desired;
        const auto to = static_cast<std::uint32_t>(replicas);
        if (to > from) ++m_tally->scale_ups;
        if (to < from) ++m_tally->scale_downs;
        if constexpr (Observer::enabled) m_observer.scaled({w, from, to, metric, now});
        m_fleet.set_replicas(w, to, now, m_fault);
    }

private:
    struct Deadline {
        JobIndex job = no_job;
        std::uint32_t request = 0;
        Tick at;
    };
    /// A workload's way from arrival to replica.
    struct Router {
        ReplicaRanking<Layout> ranking;           ///< ready replicas by requests in flight
        ArenaArray<std::uint32_t, Layout> ready;  ///< ready replicas, ascending
        std::uint32_t ready_count = 0;
        std::uint32_t turn = 0;                  ///< round robin
        JobQueue<Layout> held;                   ///< requests without a replica to go to
        ArenaArray<Deadline, Layout> deadlines;  ///< when clients give up: a ring in order of arrival
        std::uint32_t deadline_head = 0, deadline_count = 0;
        std::uint64_t arrived = 0;  ///< requests that came to this workload
        std::uint32_t sent = 0;     ///< requests at its replicas
        std::uint8_t dispatch_due = 0;
    };
    static constexpr std::uint32_t no_request = 0xffffffffu;
    static constexpr std::uint16_t held_by_router = 0xffffu;

    /// After the span: every request has arrived and ended, or the drain limit has passed.
    [[nodiscard]] WT_HD bool is_over(Tick next) const {
        return (m_in_flight == 0 && m_cursor == m_workload.count) ||
               next > m_blueprint.span + m_blueprint.drain_limit;
    }

    // ---- start and end ---------------------------------------------------------------------------------

    WT_HD_COLD void start() {
        const Blueprint& b = m_blueprint;
        m_now = Tick{};
        m_next_deadline = never;
        m_last_step = Tick{-1};
        m_cursor = 0;
        m_in_flight = 0;
        m_dispatches = 0;
        m_jobs.fresh = 0;
        m_jobs.free_list = no_job;
        m_sketches.clear();
        m_server_calendar.clear();
        m_control_calendar.clear();
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) {
            Router& r = m_routers[w];
            r.ranking.clear();
            r.ready_count = r.turn = 0;
            r.held = {};
            r.dispatch_due = 0;
            r.deadline_head = r.deadline_count = 0;
            r.arrived = 0;
            r.sent = 0;
        }
        m_release_head = 0;
        m_release_count = b.max_concurrency;
        for (std::uint32_t i = 0; i < b.max_concurrency; ++i) m_releases[i] = Tick{};
        m_board.start(b);
        m_fleet.start(b, m_key, *this, m_control_calendar, *m_tally, m_slots);
        m_fleet.populate(m_fault);
        if (b.pools.size() > 0) m_control_calendar.set(m_slots.node_scaling, b.cluster_autoscaler.loop.scan_interval);
        if (m_board.enabled()) m_control_calendar.set(m_slots.scrape, Tick{});
        m_autoscaling.start(b, m_key, m_control_calendar, m_slots);
        m_scheduled = 0;
        if (b.schedule.size() > 0) m_control_calendar.set(m_slots.schedule, b.schedule[0].at);
        m_control_calendar.set(m_slots.span_end, b.span);
        find_next_arrival();
    }

    WT_HD_COLD void finish() {
        const Blueprint& b = m_blueprint;
        if (m_fault.broken()) {
            m_tally->status = TrialStatus::broken;
            m_tally->fault = m_fault;
            m_tally->fault_at = m_now;
            return;
        }
        if (m_tally->status != TrialStatus::complete) return;
        m_tally->requests.unfinished += m_in_flight;
        if (m_in_flight > 0) m_tally->ended_at = b.span + b.drain_limit;
        m_tally->ended_at = max(m_tally->ended_at, b.span);
        if constexpr (Observer::enabled) report_unfinished();
        m_fleet.settle(b.span);
        for (std::uint32_t p = 0; p < b.pod_slots; ++p)
            if (has_server(p)) {
                m_servers[p].settle(*this, m_tally->ended_at);
                m_tally->kv_preemptions += m_servers[p].preemptions();
            }
        m_tally->ttft = m_sketches.ttft.totals();
        m_tally->tpot = m_sketches.tpot.totals();
        m_tally->itl = m_sketches.itl.totals();
        m_tally->e2el = m_sketches.e2el.totals();
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
        Router& router = m_routers[w];
        ++router.arrived;
        const WorkloadPlan& plan = m_blueprint.workloads[w];
        const std::uint32_t local =
            router.held.empty() ? choose(router, plan, m_jobs[index].request) : no_index;
        if (local != no_index) return send(index, router, plan, local);
        if (!plan.hold) return end_job(index, RequestEnd::failed, m_now);
        if (plan.hold_limit > 0 && router.held.size >= plan.hold_limit)
            return end_job(index, RequestEnd::rejected, m_now);
        router.held.push_back(m_jobs, index);
    }

    /// The replica that the next request goes to, or `no_index` when none can take one.
    [[nodiscard]] WT_HD std::uint32_t choose(Router& router, const WorkloadPlan& plan,
                                             std::uint32_t request) {
        if (router.ready_count == 0) return no_index;
        std::uint32_t local = 0;
        switch (plan.routing) {
            case Routing::random:
                local = router.ready[RandomStream(m_key.seed, m_key.trial, StreamPurpose::routing, request)
                                         .below(router.ready_count)];
                break;
            case Routing::round_robin:
                local = router.ready[router.turn++ % router.ready_count];
                break;
            case Routing::least_requests:
                local = router.ranking.least();
                break;
        }
        if (plan.per_replica_limit > 0 && router.ranking.requests_of(local) >= plan.per_replica_limit)
            return no_index;
        return local;
    }

    WT_HD void send(JobIndex index, Router& router, const WorkloadPlan& plan, std::uint32_t local) {
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
        Router& router = m_routers[w];
        const WorkloadPlan& plan = m_blueprint.workloads[w];
        while (!router.held.empty()) {
            const std::uint32_t local = choose(router, plan, m_jobs[router.held.head].request);
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
            Router& router = m_routers[w];
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

    WT_HD void expect_deadline(JobIndex index, Router& router, Tick timeout) {
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
            Router& router = m_routers[w];
            for (; router.deadline_count > 0; --router.deadline_count) {
                const Deadline d = router.deadlines[router.deadline_head];
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

    WT_HD void give_up(JobIndex index, Router& router) {
        const std::uint16_t p = m_jobs[index].replica;
        if (p == held_by_router) {
            router.held.remove(m_jobs, index);
            return end_job(index, RequestEnd::timed_out, m_now);
        }
        m_servers[p].abort(m_jobs, index, seen_from(p));
        m_server_calendar.set(p, m_servers[p].next_change());
    }

    // ---- steps and the control plane --------------------------------------------------------------------

    WT_HD void end_step(std::uint32_t p) {
        m_last_step = m_now;
        m_last_replica = p;
        m_servers[p].advance(m_jobs, *this, m_fault);
        m_server_calendar.set(p, m_servers[p].next_change());
        if (m_servers[p].in_flight() == 0) m_fleet.pod_idle(p, m_now);
        if (m_dispatches > 0) dispatch_all();
    }

    WT_HD_COLD void dispatch_all() {
        m_dispatches = 0;
        for (std::uint32_t w = 0; w < m_blueprint.workloads.size(); ++w) {
            if (!m_routers[w].dispatch_due) continue;
            m_routers[w].dispatch_due = 0;
            dispatch(w);
        }
    }

    WT_HD_COLD void act(std::uint32_t slot) {
        m_last_step = m_now;  // every step of this tick is over
        m_last_replica = no_index;
        if (slot < m_slots.first_timer) {
            m_fleet.advance(slot, m_now, m_fault);
        } else if (slot == m_slots.events) {
            m_control_calendar.set(slot, m_fleet.meet_event(m_now, m_fault));
        } else if (slot == m_slots.schedule) {
            const ScheduledScale& next = m_blueprint.schedule[m_scheduled++];
            m_control_calendar.set(slot, m_scheduled < m_blueprint.schedule.size()
                                             ? m_blueprint.schedule[m_scheduled].at
                                             : Tick{never});
            scale(next.workload, static_cast<std::int32_t>(next.replicas), -1, m_now);
        } else if (slot == m_slots.scrape) {
            m_control_calendar.set(slot, m_now + m_blueprint.scrape.interval);
            m_board.scrape(*this, m_now);
        } else if (slot < m_slots.hpa) {
            const std::uint32_t a = slot - m_slots.keda;
            m_control_calendar.set(slot, m_now + m_blueprint.autoscalers[a].keda.polling_interval);
            m_autoscaling.poll(a, *this, m_board, m_now, m_fault);
        } else if (slot < m_slots.node_scaling) {
            const std::uint32_t a = slot - m_slots.hpa;
            m_control_calendar.set(slot, m_now + m_blueprint.autoscalers[a].hpa.sync_period);
            m_autoscaling.sync(a, *this, m_board, m_now, m_fault);
        } else if (slot == m_slots.node_scaling) {
            m_fleet.scale_nodes(m_now, m_fault);
        } else if (slot < m_slots.span_end) {
            m_fleet.run_karpenter(slot, m_now, m_fault);
        } else if (slot == m_slots.span_end) {
            m_control_calendar.set(slot, never);
            for (std::uint32_t p = 0; p < m_blueprint.pod_slots; ++p)
                if (has_server(p)) count_busy(p, m_now);
        }
        if (m_dispatches > 0) dispatch_all();
    }

    /// Its engine runs.
    [[nodiscard]] WT_HD bool has_server(std::uint32_t p) {
        const Pod& pod = m_fleet.pod(p);
        return pod.serves() && m_fleet.state().template_of(pod).server >= 0;
    }

    WT_HD void close_books(std::uint32_t p, Tick now) {
        m_tally->kv_preemptions += m_servers[p].preemptions();
        if (now < m_blueprint.span) count_busy(p, now);
    }
    WT_HD void count_busy(std::uint32_t p, Tick now) {
        const Tick busy = m_servers[p].gauges(m_jobs, now).busy;
        const std::int64_t gpus = m_fleet.state().template_of(m_fleet.pod(p)).needs[resource_gpus];
        m_tally->gpu_busy.add_product(static_cast<std::uint64_t>(busy.count),
                                      static_cast<std::uint64_t>(gpus));
    }

    const Blueprint& m_blueprint;
    const WorkloadView m_workload;
    const TrialKey m_key;
    Bank& m_servers;
    Observer& m_observer;
    Fault m_fault;
    Tally* m_tally = nullptr;
    ControlSlots m_slots;
    Sketches<Layout> m_sketches;
    JobPool<Layout> m_jobs;
    Calendar<Layout> m_server_calendar;
    Calendar<Layout> m_control_calendar;
    Fleet<Layout, Trial> m_fleet;
    MetricsBoard<Layout> m_board;
    Autoscaling<Layout> m_autoscaling;
    ArenaArray<Router, Layout> m_routers;
    ArenaArray<Tick, Layout> m_releases;  ///< closed loop: when the client may send again, a ring
    Tick m_now;
    Tick m_next_arrival = never;
    Tick m_next_deadline = never;
    Tick m_last_step{-1};  ///< the last tick at which a step ended, and of which replica
    std::uint32_t m_last_replica = 0;
    std::uint64_t m_cursor = 0;     ///< next request of the workload
    std::uint32_t m_scheduled = 0;  ///< next of the scheduled scalings
    std::uint32_t m_in_flight = 0;
    std::uint32_t m_dispatches = 0;
    std::uint32_t m_release_head = 0, m_release_count = 0;
};

}  // namespace windtunnel
