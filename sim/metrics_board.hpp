#pragma once
#include "models/job.hpp"
#include "models/request.hpp"
#include "policies/promql_eval.hpp"
#include "sim/container_status.hpp"
#include "sim/fleet.hpp"
#include "sim/object_series.hpp"
#include "sim/pod_histograms.hpp"

namespace windtunnel {

/// The trial's Prometheus and metrics-server: what pods count, what is scraped when, what queries answer.
///
/// Every target is scraped at an offset of its own within its interval, one of `scrape_phases`: a pod's own
/// /metrics in its monitor's interval, the exporters on a node (DCGM's, cadvisor) and those of the cluster
/// (kube-state-metrics, queues, gateways) in Prometheus' own. A target that does not answer ends its series
/// until it answers again.
///
/// A pod to whose server nothing has happened since the last scrape says what it said then. Once its series
/// repeat in step it sleeps: no scrape visits it, and who asks for its series, or wakes it, writes down what
/// they owe.
///
/// `Host` gives readings: gauges_of(pod, now), server_rests(pod), workload_reading(source, workload),
/// responses(workload, which), restarts_of(pod), and the fleet.
template <class Layout>
class MetricsBoard {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        const auto series = static_cast<std::size_t>(b.scrape.series_count);
        m_store.series = arena.template take_plain<SeriesState>(series);
        m_store.samples = arena.template take_plain<SampleRun>(static_cast<std::size_t>(b.scrape.sample_count));
        m_store.activity = arena.template take_plain<StreamActivity>(b.streams.size());
        m_store.marks = arena.template take_plain<SlotMarks>(mark_count(b));
        m_store.begins = arena.template take_plain<WindowBegin>(series);
        m_workspace.elements =
            arena.template take_plain<PromqlElement>(static_cast<std::size_t>(b.scrape.workspace.elements));
        m_workspace.points =
            arena.template take_plain<PromqlPoint>(static_cast<std::size_t>(b.scrape.workspace.points));
        m_streams = arena.template take_plain<WorkloadStreams>(b.workloads.size());
        m_next = arena.template take_plain<std::int32_t>(b.streams.size());
        m_due = arena.template take_plain<Tick>(b.scrape_loops.size());
        m_turn = arena.template take_plain<std::uint64_t>(b.scrape_loops.size());
        m_enabled = is_scraped(b);
        // Of each loop the pods by offset, and behind them those whose nodes' exporters are scraped then.
        const std::size_t sets = m_enabled ? (b.scrape_loops.size() + 1) * scrape_phases : 0;
        m_targets = arena.template take_plain<IndexSet<Layout>>(sets);
        m_clocks =
            arena.template take_plain<ScrapeClock>(m_enabled ? b.scrape_loops.size() * scrape_phases : 0);
        m_store.clocks = m_clocks;
        for (std::size_t i = 0; i < sets; ++i) {
            IndexSet<Layout> set;
            set.take_memory(arena, b.pod_slots);
            if (m_targets != nullptr) m_targets[i] = set;
        }
        m_pods = arena.template take<PodWatch>(m_enabled ? b.pod_slots : 0);
        m_histograms.take_memory(arena, b, m_enabled);
    }

    WT_HD_COLD void start(const Blueprint& b, TrialKey key) {
        m_blueprint = &b;
        m_histograms.start(b);
        m_key = key;
        m_store.streams = b.streams.data();
        m_store.stream_count = static_cast<std::int32_t>(b.streams.size());
        m_store.epoch_ms = b.epoch_ms;
        m_workspace.element_capacity = b.scrape.workspace.elements;
        m_workspace.point_capacity = b.scrape.workspace.points;
        m_store.newest_ms = StreamActivity::always;
        for (std::int32_t i = 0; i < b.scrape.series_count; ++i) m_store.series[i] = SeriesState{};
        for (std::size_t i = 0; i < b.streams.size(); ++i) m_store.activity[i] = StreamActivity{};
        for (std::size_t i = 0; i < mark_count(b); ++i) m_store.marks[i] = SlotMarks{};
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) {
            m_streams[w] = WorkloadStreams{};
            m_streams[w].phase = draw_phase(StreamPurpose::exporter_phase, 0x80000000u | w, 0);
        }
        for (auto i = static_cast<std::int32_t>(b.streams.size()); i-- > 0;) {
            const StreamSource& source = b.stream_sources[static_cast<std::size_t>(i)];
            WorkloadStreams& of = m_streams[source.workload];
            std::int32_t& first = source.target == ScrapeTarget::own                     ? of.own
                                  : source.target == ScrapeTarget::node                  ? of.node
                                  : b.streams[static_cast<std::size_t>(i)].first_pod < 0 ? of.cluster
                                                                                         : of.cluster_pods;
            m_next[i] = first;
            first = i;
        }
        if (!m_enabled) return;
        for (std::size_t i = 0; i < (b.scrape_loops.size() + 1) * scrape_phases; ++i) m_targets[i].clear();
        for (std::size_t i = 0; i < b.scrape_loops.size() * scrape_phases; ++i) m_clocks[i] = ScrapeClock{};
        for (std::uint32_t p = 0; p < b.pod_slots; ++p) m_pods[p] = PodWatch{};
        m_asleep = 0;
        for (std::size_t i = 0; i < b.scrape_loops.size(); ++i) {
            m_due[i] = Tick{};
            m_turn[i] = 0;
        }
    }

    /// t = 0: what was scraped before, at each target's last offset.
    template <class Host>
    WT_HD_COLD void begin(const Host& host) {
        if (!m_enabled) return;
        for (std::uint32_t loop = 0; loop < m_blueprint->scrape_loops.size(); ++loop)
            for (std::uint32_t phase = 0; phase < scrape_phases; ++phase)
                scrape_phase(host, loop, phase, offset_of(loop, phase) - m_blueprint->scrape_loops[loop]);
        // metrics-server has seen the pods that run already, and that they did nothing.
        look_at_cpu(host, Tick{});
        look_at_cpu(host, Tick{});
    }

    /// Whether anything is scraped at all.
    [[nodiscard]] WT_HD bool enabled() const { return m_enabled; }
    /// When the next target is scraped.
    [[nodiscard]] WT_HD_COLD Tick next_scrape() const {
        Tick next = never;
        for (std::size_t i = 0; m_blueprint->streams.size() > 0 && i < m_blueprint->scrape_loops.size(); ++i)
            next = min(next, m_due[i]);
        return next;
    }

    // ---- what pods count themselves ---------------------------------------------------------------------

    WT_HD_COLD void pod_started(std::uint32_t p, const Pod& pod, Tick now) {
        stir(p);
        const PodWatch before = m_pods[p];
        m_pods[p] = PodWatch{};
        m_pods[p].own_set = before.own_set;
        m_pods[p].node_set = before.node_set;
        m_pods[p].cpu_milli = m_blueprint->workloads[pod.workload].cpu.idle_milli;
        m_pods[p].started = m_pods[p].looked_at = m_pods[p].cpu_looked_at = now;
        m_histograms.restart(p);
        pod_discovered(p, pod);
    }
    /// It has a node: Prometheus' service discovery knows it.
    WT_HD_COLD void pod_discovered(std::uint32_t p, const Pod& pod) {
        PodWatch& watch = m_pods[p];
        const WorkloadStreams& streams = m_streams[pod.workload];
        if (watch.own_set == no_set && streams.own != no_stream) {
            const std::uint32_t loop = m_blueprint->workloads[pod.workload].scrape_loop;
            watch.own_set = static_cast<std::uint16_t>(
                loop * scrape_phases + draw_phase(StreamPurpose::scrape_phase, p, pod.incarnation));
            m_targets[watch.own_set].add(p);
        }
        if (watch.node_set == no_set && streams.node != no_stream) {
            watch.node_set = static_cast<std::uint16_t>(m_blueprint->scrape_loops.size() * scrape_phases +
                draw_phase(StreamPurpose::exporter_phase, pod.node == no_index ? p : pod.node, 0));
            m_targets[watch.node_set].add(p);
        }
    }
    /// Tells the memory that something happens to a pod's engine soon.
    WT_HD void expect_pod(std::uint32_t p, std::uint32_t w) const {
        expect_memory(&m_pods[p]);
        const auto slot = slot_of(p, w);
        for (std::int32_t s = m_streams[w].own; s != no_stream; s = m_next[s])
            expect_memory(&m_store.series[m_store.streams[s].first_series + slot]);
    }
    /// A request comes to its server: from now on it says something else.
    WT_HD void server_works(std::uint32_t p) { stir(p); }
    /// Its engine is gone.
    WT_HD void server_gone(std::uint32_t p) { stir(p); }
    WT_HD void count_finished(std::uint32_t p, FinishedReason reason) {
        stir(p);
        ++m_pods[p].finished[static_cast<std::size_t>(reason)];
    }
    /// A request has been answered in full, after `e2el` at its server.
    WT_HD_COLD void request_finished(const Job& job, const Request& request, Tick e2el, Tick tpot, Tick now) {
        const std::uint32_t p = job.replica;
        const bool cut = request.max_tokens > 0 && job.output_tokens >= request.max_tokens;
        count_finished(p, cut ? FinishedReason::length : FinishedReason::stop);
        observe(p, HistogramKind::e2e_request_latency, e2el);
        observe(p, HistogramKind::request_decode_time, now - job.first_token);
        observe(p, HistogramKind::request_prompt_tokens, Tick{job.prompt_tokens});
        observe(p, HistogramKind::request_generation_tokens, Tick{job.output_tokens});
        if (job.output_tokens < 2) return;
        observe(p, HistogramKind::request_time_per_output_token, tpot);
        observe(p, HistogramKind::time_per_output_token, tpot, job.output_tokens - 1);
    }
    /// The same request's stages, which vLLM tells when it has ended.
    WT_HD_COLD void stages_finished(const Job& job, const FirstSchedule& first, Tick now) {
        observe(job.replica, HistogramKind::request_queue_time, first.waited);
        observe(job.replica, HistogramKind::request_prefill_time, job.first_token - first.at);
        observe(job.replica, HistogramKind::request_inference_time, now - first.at);
    }
    /// So many observations (`weight`) of a duration, or of a number of tokens.
    WT_HD void observe(std::uint32_t p, HistogramKind kind, Tick value, std::int64_t weight = 1) {
        stir(p);
        m_histograms.observe(p, kind, value, weight);
    }

    /// Its pod is gone: the series end at once, the slot's next pod starts new ones.
    WT_HD_COLD void pod_gone(std::uint32_t p, std::uint32_t workload, Tick now) {
        stir(p);
        PodWatch& watch = m_pods[p];
        if (watch.own_set != no_set) m_targets[watch.own_set].remove(p);
        if (watch.node_set != no_set) m_targets[watch.node_set].remove(p);
        watch = PodWatch{};
        const auto slot = slot_of(p, workload);
        const WorkloadStreams& streams = m_streams[workload];
        const std::int32_t firsts[] = {streams.own, streams.node, streams.cluster_pods};
        for (const std::int32_t first : firsts)
            for (std::int32_t s = first; s != no_stream; s = m_next[s]) end_series(m_store, s, slot, now);
    }

    // ---- scraping and asking ----------------------------------------------------------------------------

    /// Scrapes whatever is due now.
    template <class Host>
    WT_HD_COLD void scrape(const Host& host, Tick now) {
        const bool down = is_out(OutageKind::prometheus, 0, now);
        for (std::uint32_t loop = 0; loop < m_blueprint->scrape_loops.size(); ++loop) {
            if (m_due[loop] != now) continue;
            const auto phase = static_cast<std::uint32_t>(m_turn[loop] % scrape_phases);
            if (!down)
                scrape_phase(host, loop, phase, now);
            else
                wake_all();  // their samples end here
            const std::uint64_t turn = ++m_turn[loop];
            const Tick interval = m_blueprint->scrape_loops[loop];
            m_due[loop] = Tick{interval.count * static_cast<std::int64_t>(turn / scrape_phases)} +
                          offset_of(loop, static_cast<std::uint32_t>(turn % scrape_phases));
        }
    }

    /// What Prometheus answers now.
    [[nodiscard]] WT_HD_COLD PromqlResult ask(std::uint32_t query, Tick now) {
        const Blueprint& b = *m_blueprint;
        if (is_out(OutageKind::prometheus, 0, now)) {
            PromqlResult silent;
            silent.status = PromqlStatus::unavailable;
            return silent;
        }
        const QueryPlan& q = b.queries[query];
        PromqlProgramView view;
        view.instructions = b.instructions.data() + q.first_instruction;
        view.words = b.words.data() + q.first_word;
        view.numbers = b.numbers.data() + q.first_number;
        view.instruction_count = q.instruction_count;
        view.semantics = q.semantics;
        view.is_scalar = q.is_scalar != 0;
        view.workspace = q.workspace;
        return evaluate(view, m_store, now, m_workspace);
    }
    /// What an autoscaler hears: an answer as old as the scenario's delay, at first the one of t = 0.
    [[nodiscard]] WT_HD_COLD PromqlResult ask_for_autoscaler(std::uint32_t query, Tick now) {
        const Tick then = now > m_blueprint->scrape.delay ? now - m_blueprint->scrape.delay : Tick{};
        if (is_out(OutageKind::prometheus, 0, now)) return ask(query, now);
        return ask(query, then);
    }

    // ---- metrics-server ----------------------------------------------------------------------------------

    /// The kubelets' numbers of all pods whose CPU somebody scales by.
    template <class Host>
    WT_HD_COLD void look_at_cpu(const Host& host, Tick now) {
        if (is_out(OutageKind::metrics_server, 0, now)) return;
        for (const AutoscalerPlan& plan : m_blueprint->autoscalers) {
            if (!plan.reads(TriggerSource::pod_cpu)) continue;
            const WorkloadPlan& w = m_blueprint->workloads[plan.workload];
            const auto& existing = host.existing_pods();
            for (std::uint32_t p = existing.next(w.first_pod); p < w.first_pod + w.pod_slots;
                 p = existing.next(p + 1)) {
                if (!host.pod(p).serves() || host.server_of(p) < 0) continue;
                PodWatch& watch = m_pods[p];
                const Tick busy = host.gauges_of(p, now).busy;
                if (now > watch.cpu_looked_at)
                    watch.cpu_milli =
                        w.cpu.idle_milli +
                        static_cast<std::int64_t>(static_cast<double>(w.cpu.busy_milli - w.cpu.idle_milli) *
                                                  (static_cast<double>((busy - watch.cpu_busy_before).count) /
                                                   static_cast<double>((now - watch.cpu_looked_at).count)));
                watch.cpu_busy_before = busy;
                watch.cpu_looked_at = now;
                ++watch.cpu_looks;
            }
        }
    }
    [[nodiscard]] WT_HD_COLD bool reads_cpu() const {
        for (const AutoscalerPlan& plan : m_blueprint->autoscalers)
            if (plan.reads(TriggerSource::pod_cpu)) return true;
        return false;
    }
    /// CPU use of a pod between metrics-server's last two looks, in milli-cores. A rate needs two.
    [[nodiscard]] WT_HD std::int64_t cpu_milli(std::uint32_t p) const { return m_pods[p].cpu_milli; }
    [[nodiscard]] WT_HD bool has_cpu(std::uint32_t p) const { return m_pods[p].cpu_looks > 1; }
    [[nodiscard]] WT_HD Tick cpu_time(std::uint32_t p) const { return m_pods[p].cpu_looked_at; }

    /// Whether something answers nothing now.
    [[nodiscard]] WT_HD_COLD bool is_out(OutageKind kind, std::uint32_t workload, Tick now) const {
        for (const OutagePlan& o : m_blueprint->outages)
            if (o.kind == kind && (kind != OutageKind::workload || o.workload == workload) && o.from <= now &&
                now < o.until)
                return true;
        return false;
    }

private:
    static constexpr std::int32_t no_stream = -1;
    static constexpr std::uint16_t no_set = 0xffffu;

    /// Some query reads series, or some autoscaler the pods' CPU (which is metrics-server's, not a query's).
    [[nodiscard]] WT_HD_COLD static bool is_scraped(const Blueprint& b) {
        if (b.streams.size() > 0) return true;
        for (const AutoscalerPlan& plan : b.autoscalers)
            if (plan.reads(TriggerSource::pod_cpu)) return true;
        return false;
    }

    [[nodiscard]] WT_HD static std::size_t mark_count(const Blueprint& b) {
        return static_cast<std::size_t>(
            marks_needed(b.scrape.series_count, static_cast<std::int32_t>(b.streams.size())));
    }

    /// A workload's streams by who serves them, linked by m_next, and when its exporters are scraped.
    struct WorkloadStreams {
        std::int32_t own = no_stream, node = no_stream, cluster = no_stream;
        std::int32_t cluster_pods = no_stream;  ///< kube-state-metrics' series of single pods
        std::uint32_t phase = 0;
    };

    struct PodWatch {
        std::uint16_t own_set = no_set, node_set = no_set;  ///< which of m_targets it is in
        bool was_up = false;                                ///< at the last scrape of its own /metrics
        bool quiet =
            false;  ///< its own /metrics say what they said at the last scrape, until a request comes
        bool asleep = false;          ///< quiet, and not visited
        std::uint32_t workload = 0;   ///< while it sleeps
        ServerGauges gauges;          ///< at the last scrape of its own /metrics
        Tick started;                 ///< its engine
        Tick busy_before, looked_at;  ///< the node's exporters' last look
        double utilization = 0;       ///< between their last two, 0..1
        Tick busy;                    ///< at their last look
        Tick cpu_busy_before, cpu_looked_at;
        std::uint64_t cpu_looks = 0;
        std::int64_t cpu_milli = 0;
        std::uint64_t finished[finished_reasons] = {};
        std::int64_t blocks = 1, swap_blocks = 1;
    };

    [[nodiscard]] WT_HD std::uint32_t draw_phase(StreamPurpose purpose, std::uint32_t entity,
                                                 std::uint32_t incarnation) const {
        RandomStream draws(m_key.seed, m_key.trial, purpose, entity, incarnation);
        return static_cast<std::uint32_t>(draws.below(scrape_phases));
    }
    [[nodiscard]] WT_HD Tick offset_of(std::uint32_t loop, std::uint32_t phase) const {
        return {m_blueprint->scrape_loops[loop].count * phase / scrape_phases};
    }

    /// A pod's place in the streams of its workload.
    [[nodiscard]] WT_HD std::int32_t slot_of(std::uint32_t p, std::uint32_t workload) const {
        return static_cast<std::int32_t>(p - m_blueprint->workloads[workload].first_pod);
    }

    /// Something happens to a pod's engine: what its own /metrics say may change.
    WT_HD void stir(std::uint32_t p) {
        if (!m_pods[p].quiet) return;
        m_pods[p].quiet = false;
        if (m_pods[p].asleep) wake(p);
    }
    WT_HD_COLD void wake(std::uint32_t p) {
        PodWatch& watch = m_pods[p];
        const auto slot = slot_of(p, watch.workload);
        for (std::int32_t s = m_streams[watch.workload].own; s != no_stream; s = m_next[s])
            wake_up(m_store, s, slot);
        m_targets[watch.own_set].add(p);
        watch.asleep = false;
        --m_asleep;
    }
    WT_HD_COLD void wake_all() {
        for (std::uint32_t p = 0; m_asleep > 0 && p < m_blueprint->pod_slots; ++p)
            if (m_pods[p].asleep) wake(p);
    }
    /// After a scrape that repeated everything: whether the next ones, too, will do so without being told.
    WT_HD void try_sleep(std::uint32_t p, std::uint32_t workload, std::int32_t slot, Tick now) {
        const Blueprint& b = *m_blueprint;
        const Tick interval = b.scrape_loops[b.workloads[workload].scrape_loop];
        if (now < Tick{} || interval.count % ticks_per_millisecond != 0) return;
        for (std::int32_t s = m_streams[workload].own; s != no_stream; s = m_next[s])
            if (!repeats_in_step(m_store, s, slot, interval.count / ticks_per_millisecond)) return;
        for (const OutagePlan& o : b.outages)
            if (o.kind == OutageKind::workload && o.workload == workload) return;
        PodWatch& watch = m_pods[p];
        for (std::int32_t s = m_streams[workload].own; s != no_stream; s = m_next[s])
            let_sleep(m_store, s, slot, watch.own_set);
        m_targets[watch.own_set].remove(p);
        watch.asleep = true;
        watch.workload = workload;
        ++m_asleep;
    }
    template <class Host>
    WT_HD_COLD void scrape_phase(const Host& host, std::uint32_t loop, std::uint32_t phase, Tick now) {
        ScrapeClock& clock = m_clocks[loop * scrape_phases + phase];
        clock.last_ms = to_unix_ms(m_store.epoch_ms, now);
        ++clock.turns;
        if (m_store.newest_ms < clock.last_ms) m_store.newest_ms = clock.last_ms;
        const IndexSet<Layout>& own = m_targets[loop * scrape_phases + phase];
        // Where they are in memory has nothing to do with when they are scraped: it is told ahead, in three stages.
        std::uint32_t pods = own.first(), series = pods, samples = pods;
        const auto look_ahead = [&](int stage) {
            if (pods != no_index) {
                expect_memory(&host.pod(pods));
                pods = own.next(pods + 1);
            }
            if (stage > 2 && series != no_index) {
                expect_scrape(host, series);
                series = own.next(series + 1);
            }
            if (stage > 5 && samples != no_index) {
                expect_samples(host, samples);
                samples = own.next(samples + 1);
            }
        };
        for (int stage = 0; stage < 8; ++stage) look_ahead(stage);
        for (std::uint32_t p = own.first(); p != no_index; p = own.next(p + 1)) {
            look_ahead(8);
            scrape_pod(host, p, now);
        }
        if (loop != 0) return;
        const IndexSet<Layout>& on_nodes =
            m_targets[m_blueprint->scrape_loops.size() * scrape_phases + phase];
        for (std::uint32_t p = on_nodes.first(); p != no_index; p = on_nodes.next(p + 1))
            scrape_node_of(host, p, now);
        for (std::uint32_t w = 0; w < m_blueprint->workloads.size(); ++w)
            if (m_streams[w].phase == phase) scrape_cluster(host, w, now);
    }

    /// Tells the memory what scrape_pod is about to touch.
    template <class Host>
    WT_HD void expect_scrape(const Host& host, std::uint32_t p) const {
        host.expect_gauges_of(p);
        expect_pod(p, host.pod(p).workload);
    }
    template <class Host>
    WT_HD void expect_samples(const Host& host, std::uint32_t p) const {
        const std::uint32_t w = host.pod(p).workload;
        const auto slot = slot_of(p, w);
        for (std::int32_t s = m_streams[w].own; s != no_stream; s = m_next[s]) expect_append(m_store, s, slot);
    }

    /// A pod's own /metrics. Until its engine runs, and while it is cut off, it is not up and its series end.
    template <class Host>
    WT_HD_COLD void scrape_pod(const Host& host, std::uint32_t p, Tick now) {
        const Blueprint& b = *m_blueprint;
        const Pod& pod = host.pod(p);
        const auto slot = slot_of(p, pod.workload);
        const std::int32_t server = host.server_of(p);
        const bool up = pod.serves() && server >= 0 && !is_out(OutageKind::workload, pod.workload, now);
        PodWatch& watch = m_pods[p];
        if (up && watch.quiet) {
            for (std::int32_t s = m_streams[pod.workload].own; s != no_stream; s = m_next[s])
                repeat_newest(m_store, s, slot, now);
            try_sleep(p, pod.workload, slot, now);
            return;
        }
        watch.quiet = false;
        if (up) {
            const ServerGauges gauges = host.gauges_of(p, max(now, Tick{}));
            watch.quiet = watch.was_up && gauges == watch.gauges && gauges.running == 0 &&
                          gauges.waiting == 0 && host.server_rests(p);
            watch.gauges = gauges;
            watch.blocks = b.servers[static_cast<std::size_t>(server)].usable_blocks *
                           b.servers[static_cast<std::size_t>(server)].data_parallel;
            const std::int64_t swap = b.servers[static_cast<std::size_t>(server)].swap_blocks;
            watch.swap_blocks = swap > 0 ? swap : 1;
        }
        watch.was_up = up;
        for (std::int32_t s = m_streams[pod.workload].own; s != no_stream; s = m_next[s]) {
            const StreamSource& source = b.stream_sources[static_cast<std::size_t>(s)];
            if (source.source == SeriesKind::up)
                (void)try_append(m_store, s, slot, now, up ? 1 : 0);
            else if (up)
                (void)try_append(m_store, s, slot, now, value_of(source, p));
            else
                mark_stale(m_store, s, slot, now);
        }
        if (watch.quiet) try_sleep(p, pod.workload, slot, now);
    }

    /// What its node's exporters say of a pod.
    template <class Host>
    WT_HD_COLD void scrape_node_of(const Host& host, std::uint32_t p, Tick now) {
        const Blueprint& b = *m_blueprint;
        const Pod& pod = host.pod(p);
        const auto slot = slot_of(p, pod.workload);
        const bool runs = pod.serves() && host.server_of(p) >= 0;
        PodWatch& watch = m_pods[p];
        if (runs) {
            watch.busy = host.gauges_of(p, max(now, Tick{})).busy;
            if (now > watch.looked_at)
                watch.utilization = static_cast<double>((watch.busy - watch.busy_before).count) /
                                    static_cast<double>((now - watch.looked_at).count);
            watch.busy_before = watch.busy;
            watch.looked_at = max(now, watch.looked_at);
        }
        for (std::int32_t s = m_streams[pod.workload].node; s != no_stream; s = m_next[s]) {
            if (runs)
                (void)try_append(m_store, s, slot, now,
                                 value_of(b.stream_sources[static_cast<std::size_t>(s)], p));
            else
                mark_stale(m_store, s, slot, now);
        }
    }

    template <class Host>
    WT_HD_COLD void scrape_cluster(const Host& host, std::uint32_t w, Tick now) {
        const Blueprint& b = *m_blueprint;
        const WorkloadStreams& streams = m_streams[w];
        for (std::int32_t s = streams.cluster; s != no_stream; s = m_next[s])
            (void)try_append(m_store, s, 0, now,
                             workload_value(b, host, b.stream_sources[static_cast<std::size_t>(s)]));
        if (streams.cluster_pods == no_stream) return;
        const WorkloadPlan& plan = b.workloads[w];
        const auto& existing = host.existing_pods();
        for (std::uint32_t p = existing.next(plan.first_pod); p < plan.first_pod + plan.pod_slots;
             p = existing.next(p + 1))
            for (std::int32_t s = streams.cluster_pods; s != no_stream; s = m_next[s]) {
                const auto slot = slot_of(p, w);
                const double value =
                    pod_object_value(b, host, b.stream_sources[static_cast<std::size_t>(s)], p, now);
                if (value < 0)
                    mark_stale(m_store, s, slot, now);
                else
                    (void)try_append(m_store, s, slot, now, value);
            }
    }

    [[nodiscard]] WT_HD_COLD double value_of(const StreamSource& s, std::uint32_t p) const {
        const PodWatch& c = m_pods[p];
        const CpuUsePlan& use = m_blueprint->workloads[s.workload].cpu;
        switch (s.source) {
            case SeriesKind::requests_running:
                return static_cast<double>(c.gauges.running);
            case SeriesKind::requests_waiting:
                return static_cast<double>(c.gauges.waiting);
            case SeriesKind::kv_cache_usage:
                return static_cast<double>(c.gauges.used_blocks) / static_cast<double>(c.blocks);
            case SeriesKind::requests_swapped:
                return static_cast<double>(c.gauges.swapped);
            case SeriesKind::swap_space_usage:
                return static_cast<double>(c.gauges.swap_blocks) / static_cast<double>(c.swap_blocks);
            case SeriesKind::preemptions_total:
                return static_cast<double>(c.gauges.preemptions);
            case SeriesKind::prompt_tokens_total:
                return static_cast<double>(c.gauges.prompt_tokens);
            case SeriesKind::generation_tokens_total:
                return static_cast<double>(c.gauges.generation_tokens);
            case SeriesKind::prefix_queries_total:
                return static_cast<double>(c.gauges.prefix_queries);
            case SeriesKind::prefix_hits_total:
                return static_cast<double>(c.gauges.prefix_hits);
            case SeriesKind::request_success_total:
                return static_cast<double>(c.finished[s.extra]);
            case SeriesKind::gpu_utilization:
                return c.utilization * 100.0;
            case SeriesKind::gpu_active:
                return c.utilization;
            case SeriesKind::gpu_memory_used_mib:
                return static_cast<double>(use.gpu_memory_used_mib);
            case SeriesKind::gpu_memory_free_mib:
                return static_cast<double>(use.gpu_memory_mib - use.gpu_memory_used_mib);
            case SeriesKind::cpu_seconds_total:  // since it started, from whole ticks
                return (static_cast<double>(use.idle_milli) * to_seconds(c.looked_at - c.started) +
                        static_cast<double>(use.busy_milli - use.idle_milli) * to_seconds(c.busy)) / 1000.0;
            case SeriesKind::memory_bytes:
                return static_cast<double>(use.memory_bytes);
            case SeriesKind::one:
                return 1;
            case SeriesKind::histogram_bucket:
                return m_histograms.bucket(s.histogram, p, static_cast<std::uint32_t>(s.extra));
            case SeriesKind::histogram_count:
                return m_histograms.count(s.histogram, p);
            case SeriesKind::histogram_sum:
                return m_histograms.sum(s.histogram, p);
            default:
                return 0;
        }
    }

    const Blueprint* m_blueprint = nullptr;
    TrialKey m_key;
    bool m_enabled = false;
    WorkloadStreams* m_streams = nullptr;  ///< [workloads]
    std::int32_t* m_next = nullptr;        ///< [streams]
    Tick* m_due = nullptr;                 ///< [scrape_loops] when its next offset is
    std::uint64_t* m_turn = nullptr;       ///< [scrape_loops] offsets that have passed
    IndexSet<Layout>* m_targets = nullptr;  ///< [loop, or behind the last: exporters on nodes][phase] pods awake
    ScrapeClock* m_clocks = nullptr;  ///< [loop][phase]
    std::uint32_t m_asleep = 0;       ///< pods
    SampleStore m_store;
    PromqlWorkspace m_workspace;
    ArenaArray<PodWatch, Layout> m_pods;
    PodHistograms<Layout> m_histograms;
};

}  // namespace windtunnel
