#pragma once
#include "models/request_work.hpp"
#include "sim/alerts.hpp"
#include "sim/autoscaling.hpp"
#include "sim/node_use.hpp"
#include "sim/prefill_path.hpp"

namespace windtunnel {

/// One trial: the engine. The same code on one CPU thread, on many, and on a GPU.
///
/// Its loop takes whatever is due first: the next request's arrival, the next change of a replica's server,
/// the next change in the control plane. At one tick (the *ranks*):
///   1. requests arrive, in the workload's order; clients give up, or come again;
///   2. engine steps end, lower replicas first;
///   3. the control plane acts, in the order of ControlSlots.
/// Requests that a step's end lets go on (out of a queue, or from a closed loop's client) follow at once; a
/// replica whose step has ended at this very tick sees them at its next boundary.
///
/// `Bank` holds the servers: BatchServers in the arena, or the stepwise reference. `Observer` sees every
/// change and changes nothing.
template <class Layout, class Bank, class Observer>
class Trial : public PrefillPath<Layout, Bank, Observer, Trial<Layout, Bank, Observer>> {
    using Path = PrefillPath<Layout, Bank, Observer, Trial>;

public:
    WT_HD Trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key, Bank& bank,
                Observer& observer)
        : Path(blueprint, workload, key, bank, observer) {}

    /// Takes every array, in a fixed order. With a dry arena this gives the trial's size.
    WT_HD_COLD void take_memory(Arena<Layout>& arena) {
        const Blueprint& b = m_blueprint;
        m_slots = ControlSlots::of(b, static_cast<std::uint32_t>(b.autoscalers.size()));
        m_sketches.take_memory(arena);
        m_jobs.capacity = b.job_capacity;
        m_jobs.jobs = arena.template take<Job>(b.job_capacity);
        bool caching = false;
        for (const ServerConfig& server : b.servers) caching = caching || server.prefix_caching;
        m_jobs.blocks = arena.template take<JobBlocks>(caching ? b.job_capacity : 0);
        for (const HistogramPlan& h : b.histograms) m_jobs.keeps_schedules = m_jobs.keeps_schedules || counts_stages(h.kind);
        m_jobs.schedules = arena.template take<FirstSchedule>(m_jobs.keeps_schedules ? b.job_capacity : 0);
        m_jobs.requests = m_workload.requests;
        m_jobs.prefixes = m_workload.prefixes;
        m_jobs.seed = m_key.seed;
        m_jobs.trial = m_key.trial;
        m_server_calendar.take_memory(arena, b.pod_slots);
        m_control_calendar.take_memory(arena, m_slots.count);
        m_fleet.take_memory(arena, b);
        m_routers = arena.template take<Router<Layout>>(b.workloads.size());
        m_servers.take_memory(arena, b);
        Path::take_router_memory(arena);
        m_board.take_memory(arena, b);
        m_autoscaling.take_memory(arena, b);
        m_alerts.take_memory(arena, b);
        m_node_use.take_memory(arena, b);
    }

    WT_HD void run(Tally& tally) {
        m_tally = &tally;
        tally = Tally{};
        start();
        while (!m_fault.broken() && tally.status == TrialStatus::complete) {
            const Tick arrival = m_next_arrival, step = m_server_calendar.first_time(),
                       control = m_control_calendar.first_time();
            const Tick next = min(min(arrival, m_next_client), min(step, control));
            if (next > m_blueprint.span && is_over(next)) break;
            if (!WT_CHECK(m_fault, next >= m_now)) break;  // law: the clock never goes back
            m_now = next;
            ++tally.events;
            if (arrival == next)
                Path::arrive();
            else if (m_next_client == next)
                Path::meet_clients();
            else if (step == next)
                end_step(m_server_calendar.first());
            else
                act(m_control_calendar.first());
        }
        finish();
    }

    [[nodiscard]] WT_HD const Sketches<Layout>& sketches() const { return m_sketches; }
    [[nodiscard]] WT_HD const NodeTimeUse<Layout, Trial>& node_use() const { return m_node_use; }

    [[nodiscard]] WT_HD const Alerts<Layout>& alerts() const { return m_alerts; }

    // ---- what the fleet tells (Owner) -----------------------------------------------------------------

    WT_HD_COLD void process_serves(std::uint32_t p, Tick) {
        const std::int32_t server = m_fleet.state().server_of(m_fleet.pod(p));
        if (server < 0) return;  // it serves no requests
        m_node_use.engine_starts(m_fleet.state(), p, m_now);
        m_fleet.state().pod(p).turns = 1;
        m_servers[p].start(config_of(p));
        if (m_board.enabled()) m_board.pod_started(p, m_fleet.pod(p), m_now);
    }
    WT_HD_COLD void endpoint_added(std::uint32_t p, Tick) {
        const Pod& pod = m_fleet.pod(p);
        if (m_fleet.state().template_of(pod).server < 0) return;
        const WorkloadPlan& plan = m_blueprint.workloads[pod.workload];
        m_routers[pod.workload].add_replica(p - plan.first_pod, requests_of(p));
        Path::dispatch(pod.workload);
    }
    WT_HD_COLD void endpoint_removed(std::uint32_t p, Tick) {
        const Pod& pod = m_fleet.pod(p);
        if (m_fleet.state().template_of(pod).server < 0) return;
        m_routers[pod.workload].remove_replica(p - m_blueprint.workloads[pod.workload].first_pod);
    }
    /// It is being deleted and still serves; and no more.
    WT_HD_COLD void endpoint_leaving(std::uint32_t p, bool serves) {
        const Pod& pod = m_fleet.pod(p);
        if (m_fleet.state().template_of(pod).server < 0) return;
        const std::uint32_t local = p - m_blueprint.workloads[pod.workload].first_pod;
        if (serves)
            m_routers[pod.workload].add_leaving(local);
        else
            m_routers[pod.workload].remove_leaving(local);
    }
    /// It takes no more requests on connections that it has.
    WT_HD_COLD void connections_closed(std::uint32_t p) {
        const WorkloadPlan& plan = m_blueprint.workloads[m_fleet.pod(p).workload];
        m_routers[m_fleet.pod(p).workload].close_connections(plan, p - plan.first_pod);
    }
    /// It has fallen ill or got well, and steps take another time from its next one on.
    WT_HD_COLD void server_changed(std::uint32_t p) {
        if (!has_server(p)) return;
        m_servers[p].reconfigure(config_of(p), Path::seen_from(p));
        m_server_calendar.set(p, m_servers[p].next_change());
    }
    /// Its engine has got work, or has none any more: those on the same devices take turns anew, each from its next step
    /// on.
    WT_HD_COLD void engine_works(std::uint32_t p, bool works) {
        auto& s = m_fleet.state();
        Pod& pod = s.pod(p);
        if (pod.works == works || pod.devices == 0 || pod.node == no_index) return;
        pod.works = works;
        for (std::uint32_t q = s.node(pod.node).first_pod; q != no_index; q = s.pod(q).next_on_node) {
            Pod& other = s.pod(q);
            if ((other.devices & pod.devices) == 0) continue;
            const std::uint8_t turns = turns_of(s, q);
            if (turns == other.turns) continue;
            other.turns = turns;
            server_changed(q);
        }
    }
    /// Requires that it served.
    WT_HD_COLD void process_gone(std::uint32_t p, Tick now) {
        if (!has_server(p)) return;
        connections_closed(p);
        Path::kill_server(p, now);
        close_books(p, now);
        m_node_use.engine_ended(m_fleet.state(), p, m_servers[p].gauges(m_jobs, now).busy, now);
        m_server_calendar.set(p, never);
        if (m_board.enabled()) m_board.server_gone(p);
        if (m_blueprint.most_turns > 1) engine_works(p, false);
    }
    [[nodiscard]] WT_HD std::uint32_t requests_of(std::uint32_t p) {
        return has_server(p) ? m_servers[p].in_flight() + m_pairs.away(p) : 0;
    }
    WT_HD void pod_changed(std::uint32_t p, Tick now) {
        const Pod& pod = m_fleet.pod(p);
        if (pod.state == PodState::none && m_board.enabled()) m_board.pod_gone(p, pod.workload, now);
        if (pod.state == PodState::starting && m_board.enabled()) m_board.pod_discovered(p, pod);
        m_node_use.pod_changed(m_fleet.state(), p, busy_of(p, now), now);
        if constexpr (Observer::enabled) m_observer.pod_changed(p, pod, now);
    }
    WT_HD void node_changed(std::uint32_t n, Tick now) {
        m_node_use.node_changed(m_fleet.state(), n, now);
        m_fleet.node_changed(n, now);
        if (m_fleet.node(n).state == NodeState::lost)
            for (std::uint32_t p = m_fleet.node(n).first_pod; p != no_index; p = m_fleet.pod(p).next_on_node)
                m_node_use.pod_changed(m_fleet.state(), p, busy_of(p, now), now);
        if constexpr (Observer::enabled) m_observer.node_changed(n, m_fleet.node(n), now);
    }
    WT_HD void set_transfers_due(Tick at) { m_control_calendar.set(m_slots.kv, at); }
    /// A server did this for whoever sent the request, whether it was of use or not. Requires that accounts are kept.
    /// A prompt is the server's that computed it.
    WT_HD_COLD void charge(JobIndex index, std::uint32_t outputs) {
        const Job& job = m_jobs[index];
        const std::int32_t server = has_server(job.replica) ? m_fleet.server_of(job.replica) : -1;
        if (server < 0 || job.first_token == never) return;
        const ServerConfig& config = m_blueprint.servers[static_cast<std::size_t>(server)];
        const bool elsewhere = m_pairs.enabled() && m_pairs[index].story.received != never;
        m_node_use.count_work(m_blueprint, m_workload.requests[job.request],
                              elsewhere ? request_work_detail::decode_work(config, job.prompt_tokens, outputs)
                                        : work_of(config, job.prompt_tokens, outputs));
    }
    /// The answer that counts is complete.
    WT_HD void count_tokens(const Job& job) {
        m_tally->prompt_tokens += job.prompt_tokens;
        m_tally->output_tokens += job.output_tokens;
        m_node_use.count_tokens(m_blueprint, m_workload.requests[job.request], job.prompt_tokens, job.output_tokens);
    }
    /// The price of a node is about to change: what it was used for so far is counted at the old one.
    WT_HD_COLD void node_price_ends(std::uint32_t n, Tick now) {
        for (std::uint32_t p = m_fleet.node(n).first_pod; p != no_index; p = m_fleet.pod(p).next_on_node)
            m_node_use.settle_pod(m_fleet.state(), p, busy_of(p, now), now);
        m_node_use.settle_node(m_fleet.state(), n, now);
    }
    WT_HD_COLD void node_bill_ends(std::uint32_t n, Tick now) {
        node_price_ends(n, now);
        m_node_use.bill_ends(n);
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

    [[nodiscard]] WT_HD Tick now() const { return m_now; }
    [[nodiscard]] WT_HD ContainerStatus container_status_of(std::uint32_t p, Tick now) const {
        return container_status(m_fleet.state().pod(p), m_fleet.kubelet().pod(p), now);
    }
    [[nodiscard]] WT_HD std::uint32_t restarts_of(std::uint32_t p) const { return m_fleet.kubelet().restarts(p); }
    [[nodiscard]] WT_HD double responses(std::uint32_t w, std::uint32_t how) const {
        return static_cast<double>(m_routers[w].answered[how]);
    }
    [[nodiscard]] WT_HD const Pod& pod(std::uint32_t p) const { return m_fleet.pod(p); }
    [[nodiscard]] WT_HD const WorkloadState& workload(std::uint32_t w) const { return m_fleet.workload(w); }
    [[nodiscard]] WT_HD const IndexSet<Layout>& existing_pods() const { return m_fleet.state().existing(); }
    [[nodiscard]] WT_HD const IndexSet<Layout>& serving_pods() const { return m_fleet.state().serving(); }
    [[nodiscard]] WT_HD std::int32_t server_of(std::uint32_t p) const {
        return m_fleet.server_of(p);
    }
    [[nodiscard]] WT_HD ServerGauges gauges_of(std::uint32_t p, Tick now) const {
        return m_servers[p].gauges(m_jobs, now);
    }
    WT_HD void expect_gauges_of(std::uint32_t p) const { m_servers[p].expect(); }
    /// Whether its server has nothing to do until a request comes.
    [[nodiscard]] WT_HD bool server_rests(std::uint32_t p) const { return m_servers[p].next_change() == never; }
    [[nodiscard]] WT_HD double workload_reading(SeriesKind source, std::uint32_t w) const {
        switch (source) {
            case SeriesKind::queue_length:
                return static_cast<double>(m_routers[w].held.size);
            case SeriesKind::queue_in_flight:
                return static_cast<double>(m_routers[w].sent);
            case SeriesKind::queue_oldest_age: {
                const JobQueue<Layout>& held = m_routers[w].held;
                return held.empty() ? 0 : to_seconds(m_now - m_jobs[held.head].arrival);
            }
            case SeriesKind::requests_total:
                return static_cast<double>(m_routers[w].arrived);
            case SeriesKind::replicas_desired:
                return static_cast<double>(m_fleet.workload(w).desired);
            case SeriesKind::replicas_active:
                return static_cast<double>(m_fleet.workload(w).active);
            case SeriesKind::replicas_ready:
                return static_cast<double>(m_fleet.workload(w).ready);
            case SeriesKind::hpa_minimum:
            case SeriesKind::hpa_maximum: {
                const std::int32_t a = m_blueprint.workloads[w].autoscaler;
                if (a < 0) return 0;
                const auto scaler = static_cast<std::uint32_t>(a);
                return source == SeriesKind::hpa_minimum ? m_autoscaling.minimum(scaler) : m_autoscaling.maximum(scaler);
            }
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
    /// After the span: every request has arrived and ended, and so has their instant, or the drain limit has passed.
    [[nodiscard]] WT_HD bool is_over(Tick next) const {
        return (m_in_flight == 0 && m_cursor == m_workload.count && next > m_now) ||
               next > m_blueprint.span + m_blueprint.drain_limit;
    }

    // ---- start and end ---------------------------------------------------------------------------------

    WT_HD_COLD void start() {
        const Blueprint& b = m_blueprint;
        m_now = Tick{};
        m_sketches.clear();
        m_server_calendar.clear();
        m_control_calendar.clear();
        Path::start_requests();
        m_board.start(b, m_key);
        m_node_use.start(b);
        m_fleet.start(b, m_key, *this, m_control_calendar, *m_tally, m_slots);
        m_fleet.populate(m_fault);
        if (b.pools.size() > 0) m_control_calendar.set(m_slots.node_scaling, b.cluster_autoscaler.loop.scan_interval);
        m_autoscaling.start(b, m_key, m_control_calendar, m_slots);
        m_board.begin(*this);
        m_control_calendar.set(m_slots.scrape, m_board.enabled() ? m_board.next_scrape() : Tick{never});
        if (m_board.reads_cpu()) {
            RandomStream phase(m_key.seed, m_key.trial, StreamPurpose::metrics_server_phase, 0);
            const auto resolution = static_cast<std::uint64_t>(b.scrape.metrics_server_resolution.count);
            m_control_calendar.set(m_slots.metrics_server, Tick{static_cast<std::int64_t>(phase.below(resolution))});
        }
        m_alerts.start(b, m_key, m_control_calendar, m_slots);
        m_scheduled = 0;
        if (b.schedule.size() > 0) m_control_calendar.set(m_slots.schedule, b.schedule[0].at);
        m_control_calendar.set(m_slots.span_end, b.span);
        Path::find_next_arrival();
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
        Path::settle_holds(m_tally->ended_at);
        if constexpr (Observer::enabled) Path::report_unfinished();
        m_fleet.settle(b.span);
        for (std::uint32_t p = 0; p < b.pod_slots; ++p)
            if (has_server(p)) {
                m_servers[p].settle(*this, m_tally->ended_at);
                count_engine(p);
            }
        m_tally->degraded_minutes = m_minutes.degraded(b.goodput);
        m_tally->ttft = m_sketches.ttft.totals();
        m_tally->tpot = m_sketches.tpot.totals();
        m_tally->itl = m_sketches.itl.totals();
        m_tally->e2el = m_sketches.e2el.totals();
    }

    // ---- steps and the control plane --------------------------------------------------------------------

    WT_HD void end_step(std::uint32_t p) {
        // An engine that is woken takes its step after those of replicas behind it.
        m_last_replica = m_last_step == m_now && m_last_replica > p ? m_last_replica : p;
        m_last_step = m_now;
        m_servers[p].advance(m_jobs, *this, m_fault);
        if (m_servers[p].died()) m_fleet.kubelet().process_dies(m_fleet, p, m_now);
        m_server_calendar.set(p, m_servers[p].next_change());
        if (m_servers[p].in_flight() == 0 && m_pairs.away(p) == 0) {
            m_fleet.pod_idle(p, m_now);
            if (m_blueprint.most_turns > 1) engine_works(p, false);
        }
        if (m_dispatches > 0) Path::dispatch_all();
    }

    WT_HD_COLD void act(std::uint32_t slot) {
        m_last_step = m_now;  // every step of this tick is over
        m_last_replica = no_index;
        if (m_server_calendar.first_time() != never) m_servers[m_server_calendar.first()].expect();
        if (slot < m_slots.first_timer) {
            m_fleet.advance(slot, m_now, m_fault);
        } else if (slot == m_slots.events) {
            m_control_calendar.set(slot, m_fleet.meet_event(m_now, m_fault));
        } else if (slot == m_slots.schedule) {
            const ScheduledScale& next = m_blueprint.schedule[m_scheduled++];
            m_control_calendar.set(slot, m_scheduled < m_blueprint.schedule.size()
                                             ? m_blueprint.schedule[m_scheduled].at
                                             : Tick{never});
            if (next.kind == ScaleTargetKind::bounds)
                m_autoscaling.set_bounds(next.workload, next.minimum, next.maximum);
            else
                scale(next.workload, static_cast<std::int32_t>(next.replicas), -1, m_now);
        } else if (slot == m_slots.scrape) {
            m_board.scrape(*this, m_now);
            m_control_calendar.set(slot, m_board.next_scrape());
        } else if (slot == m_slots.metrics_server) {
            m_control_calendar.set(slot, m_now + m_blueprint.scrape.metrics_server_resolution);
            m_board.look_at_cpu(*this, m_now);
        } else if (slot < m_slots.keda) {
            bool fits = true;
            m_control_calendar.set(
                slot, m_alerts.evaluate(slot - m_slots.rules, *this, m_board, m_now, m_fault, fits));
            if (!fits) m_tally->status = TrialStatus::outgrew_arena;
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
        } else if (slot == m_slots.kv) {
            Path::meet_transfers();
        } else if (slot == m_slots.span_end) {
            m_control_calendar.set(slot, never);
            m_alerts.settle(m_now);
            for (std::uint32_t p = 0; p < m_blueprint.pod_slots; ++p) {
                if (has_server(p)) count_busy(p, m_now);
                m_node_use.settle_pod(m_fleet.state(), p, busy_of(p, m_now), m_now);
            }
            for (std::uint32_t n = 0; n < m_blueprint.node_slots; ++n)
                m_node_use.settle_node(m_fleet.state(), n, m_now);
        }
        if (m_dispatches > 0) Path::dispatch_all();
    }

    /// Its engine runs.
    [[nodiscard]] WT_HD bool has_server(std::uint32_t p) {
        const Pod& pod = m_fleet.pod(p);
        return pod.serves() && m_fleet.state().template_of(pod).server >= 0;
    }

    /// How long its engine has been in steps since it started.
    [[nodiscard]] WT_HD Tick busy_of(std::uint32_t p, Tick now) {
        return has_server(p) ? m_servers[p].gauges(m_jobs, now).busy : m_node_use.last_busy(p);
    }
    /// What the server of a pod that has one runs by: its template's on the GPUs of its node, or a slower one while it is ill.
    [[nodiscard]] WT_HD const ServerConfig& config_of(std::uint32_t p) {
        const Pod& pod = m_fleet.pod(p);
        auto server = static_cast<std::uint32_t>(m_fleet.state().server_of(pod));
        if (pod.degradation != 0) {
            const DegradationPlan& plan = m_blueprint.degradations[pod.degradation - 1u];
            if (plan.first_slow >= 0)
                server = static_cast<std::uint32_t>(
                    m_blueprint.slow_servers[static_cast<std::uint32_t>(plan.first_slow) + server]);
        }
        if (pod.turns > 1)
            server = static_cast<std::uint32_t>(
                m_blueprint.turn_servers[(pod.turns - 2u) * m_blueprint.servers.size() + server]);
        return m_blueprint.servers[server];
    }

    WT_HD void close_books(std::uint32_t p, Tick now) {
        count_engine(p);
        if (now < m_blueprint.span) count_busy(p, now);
    }
    WT_HD void count_engine(std::uint32_t p) {
        const ServerGauges totals = m_servers[p].totals();
        m_tally->kv_preemptions += totals.preemptions;
        m_tally->prefix_queries += totals.prefix_queries;
        m_tally->prefix_hits += totals.prefix_hits;
    }
    WT_HD void count_busy(std::uint32_t p, Tick now) {
        const Tick busy = m_servers[p].gauges(m_jobs, now).busy;
        const auto& s = m_fleet.state();
        const Pod& pod = m_fleet.pod(p);
        const TemplatePlan& plan = s.template_of(pod);
        for (std::int32_t i = 0; i < extended_kinds; ++i) {
            const auto units = static_cast<std::uint64_t>(plan.needs[resource_extended + i]) * plan.busy_pods;
            if (units == 0) continue;
            const DeviceRange unit = pod.node == no_index ? DeviceRange{} : s.shape_of(s.node(pod.node)).devices[i];
            if (unit.clients == 0) continue;  // no device
            m_tally->gpu_busy.add_product(static_cast<std::uint64_t>(busy.count) / unit.den, units * unit.num);
        }
    }

    using Path::m_blueprint, Path::m_board, Path::m_cursor, Path::m_dispatches, Path::m_fault, Path::m_fleet;
    using Path::m_in_flight, Path::m_jobs, Path::m_key, Path::m_last_replica, Path::m_last_step, Path::m_minutes;
    using Path::m_pairs, Path::m_next_arrival, Path::m_next_client, Path::m_now, Path::m_observer, Path::m_routers;
    using Path::m_server_calendar, Path::m_servers, Path::m_sketches, Path::m_tally, Path::m_workload;

    ControlSlots m_slots;
    Calendar<Layout> m_control_calendar;
    Autoscaling<Layout> m_autoscaling;
    Alerts<Layout> m_alerts;
    NodeTimeUse<Layout, Trial> m_node_use;
    std::uint32_t m_scheduled = 0;  ///< next of the scheduled scalings
};

}  // namespace windtunnel
