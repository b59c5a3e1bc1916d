#pragma once
#include "policies/promql_eval.hpp"
#include "sim/fleet.hpp"

namespace windtunnel {

/// The trial's Prometheus: what pods count, what is scraped, what queries answer.
///
/// `Host` gives readings: gauges_of(pod, now), workload_reading(source, workload), and the fleet.
template <class Layout>
class MetricsBoard {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        const auto series = static_cast<std::size_t>(b.scrape.series_count);
        m_store.series = arena.template take_plain<SeriesState>(series);
        m_store.samples =
            arena.template take_plain<MetricSample>(static_cast<std::size_t>(b.scrape.sample_count));
        m_workspace.elements =
            arena.template take_plain<PromqlElement>(static_cast<std::size_t>(b.scrape.workspace.elements));
        m_workspace.points =
            arena.template take_plain<PromqlPoint>(static_cast<std::size_t>(b.scrape.workspace.points));
        m_first_of_pods = arena.template take_plain<std::int32_t>(b.workloads.size());
        m_next = arena.template take_plain<std::int32_t>(b.streams.size());
        const bool scraped = is_scraped(b);
        m_pods = arena.template take<PodCounters>(scraped ? b.pod_slots : 0);
        m_buckets = arena.template take<std::uint64_t>(
            scraped ? std::size_t{b.pod_slots} * (b.histogram_bounds.size() + b.histograms.size()) : 0);
        m_sums =
            arena.template take<std::int64_t>(scraped ? std::size_t{b.pod_slots} * b.histograms.size() : 0);
    }

    WT_HD_COLD void start(const Blueprint& b) {
        m_blueprint = &b;
        m_enabled = is_scraped(b);
        m_store.streams = b.streams.data();
        m_store.stream_count = static_cast<std::int32_t>(b.streams.size());
        m_store.epoch_ms = b.epoch_ms;
        m_workspace.element_capacity = b.scrape.workspace.elements;
        m_workspace.point_capacity = b.scrape.workspace.points;
        for (std::int32_t i = 0; i < b.scrape.series_count; ++i) m_store.series[i] = SeriesState{};
        m_first_of_all = no_stream;
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) m_first_of_pods[w] = no_stream;
        for (auto i = static_cast<std::int32_t>(b.streams.size()); i-- > 0;) {
            std::int32_t& first = b.streams[static_cast<std::size_t>(i)].first_pod < 0
                                      ? m_first_of_all
                                      : m_first_of_pods[b.stream_sources[static_cast<std::size_t>(i)].workload];
            m_next[i] = first;
            first = i;
        }
    }

    /// Whether anything is scraped at all.
    [[nodiscard]] WT_HD bool enabled() const { return m_enabled; }

    // ---- what pods count themselves ---------------------------------------------------------------------

    WT_HD_COLD void pod_started(std::uint32_t p) {
        m_pods[p] = PodCounters{};
        const std::size_t width = m_blueprint->histogram_bounds.size() + m_blueprint->histograms.size();
        for (std::size_t i = 0; i < width; ++i) m_buckets[p * width + i] = 0;
        for (std::size_t h = 0; h < m_blueprint->histograms.size(); ++h)
            m_sums[p * m_blueprint->histograms.size() + h] = 0;
    }
    WT_HD void count_success(std::uint32_t p) { ++m_pods[p].successes; }
    WT_HD_COLD void observe(std::uint32_t p, HistogramKind kind, Tick value) {
        const Blueprint& b = *m_blueprint;
        for (std::size_t h = 0; h < b.histograms.size(); ++h) {
            const HistogramPlan& plan = b.histograms[h];
            if (plan.kind != kind) continue;
            std::uint32_t i = 0;
            while (i < plan.bound_count && b.histogram_bounds[plan.first_bound + i] < value) ++i;
            ++m_buckets[bucket_index(p, h, i)];
            m_sums[p * b.histograms.size() + h] += value.count;
        }
    }

    /// Its pod is gone: the series end at once, the slot's next pod starts new ones.
    WT_HD_COLD void pod_gone(std::uint32_t p, std::uint32_t workload, Tick now) {
        const auto slot = static_cast<std::int32_t>(p - m_blueprint->workloads[workload].first_pod);
        for (std::int32_t s = m_first_of_pods[workload]; s != no_stream; s = m_next[s])
            end_series(m_store, s, slot, now);
    }

    // ---- scraping and asking ----------------------------------------------------------------------------

    template <class Host>
    WT_HD_COLD void scrape(const Host& host, Tick now) {
        const Blueprint& b = *m_blueprint;
        for (std::int32_t s = m_first_of_all; s != no_stream; s = m_next[s])
            (void)try_append(m_store, s, 0, now, workload_value(host, b.stream_sources[static_cast<std::size_t>(s)]));
        const auto& serving = host.serving_pods();
        for (std::uint32_t p = serving.first(); p != no_index; p = serving.next(p + 1)) {
            look_at(host, p, now);
            const std::uint32_t w = host.pod(p).workload;
            const auto slot = static_cast<std::int32_t>(p - b.workloads[w].first_pod);
            for (std::int32_t s = m_first_of_pods[w]; s != no_stream; s = m_next[s])
                (void)try_append(m_store, s, slot, now, value_of(b.stream_sources[static_cast<std::size_t>(s)], p));
        }
    }

    [[nodiscard]] WT_HD_COLD PromqlResult ask(std::uint32_t query, Tick now) {
        const Blueprint& b = *m_blueprint;
        const QueryPlan& q = b.queries[query];
        PromqlProgramView view;
        view.instructions = b.instructions.data() + q.first_instruction;
        view.words = b.words.data() + q.first_word;
        view.numbers = b.numbers.data() + q.first_number;
        view.instruction_count = q.instruction_count;
        view.semantics = q.semantics;
        view.is_scalar = q.is_scalar != 0;
        view.workspace = q.workspace;
        return evaluate(view, m_store.view(), now, m_workspace);
    }

    /// CPU use of a pod at the last scrape, in milli-cores.
    [[nodiscard]] WT_HD std::int64_t cpu_milli(std::uint32_t p) const { return m_pods[p].cpu_milli; }
    [[nodiscard]] WT_HD bool has_cpu(std::uint32_t p) const { return m_pods[p].scrapes > 1; }

private:
    /// Some query reads series, or some autoscaler the pods' CPU (which is metrics-server's, not a query's).
    [[nodiscard]] WT_HD_COLD static bool is_scraped(const Blueprint& b) {
        if (b.streams.size() > 0) return true;
        for (const AutoscalerPlan& plan : b.autoscalers)
            for (std::uint32_t t = 0; t < plan.trigger_count; ++t)
                if (plan.triggers[t].kind == TriggerSource::pod_cpu) return true;
        return false;
    }

    struct PodCounters {
        ServerGauges gauges;  ///< at the last scrape
        Tick busy_before, scraped_at;
        std::uint64_t successes = 0;
        std::uint64_t scrapes = 0;
        double utilization = 0;  ///< between the last two scrapes, 0..1
        std::int64_t cpu_milli = 0;
        double cpu_seconds = 0;  ///< used since the pod became Ready
        std::int64_t blocks = 1;
    };

    [[nodiscard]] WT_HD std::size_t bucket_index(std::uint32_t p, std::size_t histogram,
                                                 std::uint32_t bucket) const {
        const std::size_t width = m_blueprint->histogram_bounds.size() + m_blueprint->histograms.size();
        return p * width + m_blueprint->histograms[histogram].first_bound + histogram + bucket;
    }

    template <class Host>
    WT_HD_COLD void look_at(const Host& host, std::uint32_t p, Tick now) {
        PodCounters& c = m_pods[p];
        const WorkloadPlan& plan = m_blueprint->workloads[host.pod(p).workload];
        const std::int32_t server = host.server_of(p);
        if (server < 0) return;
        c.gauges = host.gauges_of(p, now);
        c.blocks = m_blueprint->servers[static_cast<std::size_t>(server)].usable_blocks;
        const Tick since = c.scrapes > 0 ? c.scraped_at : host.pod(p).ready_since;
        if (now > since)
            c.utilization = static_cast<double>((c.gauges.busy - c.busy_before).count) /
                            static_cast<double>((now - since).count);
        c.cpu_milli = plan.cpu.idle_milli +
                      static_cast<std::int64_t>(
                          static_cast<double>(plan.cpu.busy_milli - plan.cpu.idle_milli) * c.utilization);
        if (now > since) c.cpu_seconds += static_cast<double>(c.cpu_milli) / 1000.0 * to_seconds(now - since);
        c.busy_before = c.gauges.busy;
        c.scraped_at = now;
        ++c.scrapes;
    }

    /// A series of a whole workload, some of them sums of the host's readings.
    template <class Host>
    [[nodiscard]] WT_HD_COLD static double workload_value(const Host& host, const StreamSource& s) {
        if (s.source == SeriesKind::queue_messages)
            return host.workload_reading(SeriesKind::queue_length, s.workload) +
                   host.workload_reading(SeriesKind::queue_in_flight, s.workload);
        if (s.source == SeriesKind::replicas_unavailable) {
            const double missing = host.workload_reading(SeriesKind::replicas_desired, s.workload) -
                                   host.workload_reading(SeriesKind::replicas_ready, s.workload);
            return missing > 0 ? missing : 0;
        }
        return host.workload_reading(s.source, s.workload);
    }

    [[nodiscard]] WT_HD_COLD double value_of(const StreamSource& s, std::uint32_t p) const {
        const PodCounters& c = m_pods[p];
        switch (s.source) {
            case SeriesKind::requests_running:
                return static_cast<double>(c.gauges.running);
            case SeriesKind::requests_waiting:
                return static_cast<double>(c.gauges.waiting);
            case SeriesKind::kv_cache_usage:
                return static_cast<double>(c.gauges.used_blocks) / static_cast<double>(c.blocks);
            case SeriesKind::preemptions_total:
                return static_cast<double>(c.gauges.preemptions);
            case SeriesKind::prompt_tokens_total:
                return static_cast<double>(c.gauges.prompt_tokens);
            case SeriesKind::generation_tokens_total:
                return static_cast<double>(c.gauges.generation_tokens);
            case SeriesKind::request_success_total:
                return static_cast<double>(c.successes);
            case SeriesKind::gpu_utilization:
                return c.utilization * 100.0;
            case SeriesKind::cpu_usage_milli:
                return static_cast<double>(c.cpu_milli);
            case SeriesKind::gpu_active:
                return c.utilization;
            case SeriesKind::cpu_seconds_total:
                return c.cpu_seconds;
            case SeriesKind::memory_bytes:
                return static_cast<double>(m_blueprint->workloads[s.workload].cpu.memory_bytes);
            case SeriesKind::one:
                return 1;
            case SeriesKind::histogram_bucket:
                return static_cast<double>(count_up_to(s.histogram, p, static_cast<std::uint32_t>(s.extra)));
            case SeriesKind::histogram_count:
                return static_cast<double>(
                    count_up_to(s.histogram, p, m_blueprint->histograms[s.histogram].bound_count));
            case SeriesKind::histogram_sum:
                return to_seconds(Tick{m_sums[p * m_blueprint->histograms.size() + s.histogram]});
            default:
                return 0;
        }
    }
    [[nodiscard]] WT_HD std::uint64_t count_up_to(std::size_t histogram, std::uint32_t p,
                                                  std::uint32_t bucket) const {
        std::uint64_t n = 0;
        for (std::uint32_t i = 0; i <= bucket; ++i) n += m_buckets[bucket_index(p, histogram, i)];
        return n;
    }

    static constexpr std::int32_t no_stream = -1;

    const Blueprint* m_blueprint = nullptr;
    bool m_enabled = false;
    std::int32_t m_first_of_all = no_stream;  ///< streams that speak of a whole workload, linked by m_next
    std::int32_t* m_first_of_pods = nullptr;  ///< [workloads] those with a series for each of its pods
    std::int32_t* m_next = nullptr;           ///< [streams]
    SampleStore m_store;
    PromqlWorkspace m_workspace;
    ArenaArray<PodCounters, Layout> m_pods;
    ArenaArray<std::uint64_t, Layout> m_buckets;  ///< [pod][histogram bounds and +Inf], not cumulative
    ArenaArray<std::int64_t, Layout> m_sums;      ///< [pod][histogram], ticks
};

}  // namespace windtunnel
