#include "scenarios/metric_families.hpp"

namespace windtunnel {

namespace {

// vLLM's histogram bounds since 0.8.5 (vllm/engine/metrics.py and vllm/v1/metrics/loggers.py), in seconds.
const std::vector<double> ttft_bounds{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                      1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
const std::vector<double> request_bounds{0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                         30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680};
const std::vector<double> token_bounds{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5,
                                       0.75, 1,     2.5,  5,     7.5, 10,   20,  40,  80};

class Families {
public:
    explicit Families(ExposedMetrics& out) : m_out(out) {}

    void add(const char* name, MetricKind kind, MetricScope scope, SeriesKind source,
             std::vector<LabelSet> extras = {{}}) {
        m_out.catalog.add(name, kind, scope, std::move(extras));
        m_out.sources.push_back({source, 0, 0, 0, 0});
    }
    /// Python's client says "_total" at the end of a counter's name.
    void counter(const char* name, SeriesKind source, std::vector<LabelSet> extras = {{}}) {
        add(name, MetricKind::counter, MetricScope::per_pod, source, std::move(extras));
        m_out.catalog.families.back().own_endpoint = true;
    }
    void gauge(const char* name, SeriesKind source) {
        add(name, MetricKind::gauge, MetricScope::per_pod, source);
        m_out.catalog.families.back().own_endpoint = true;
    }
    /// A series about a pod that an exporter of its own serves: with the pod's labels, and again as Prometheus
    /// renames them where the exporter is scraped without honorLabels.
    void exported(const char* name, MetricKind kind, SeriesKind source) {
        add(name, kind, MetricScope::per_pod, source);
        m_out.speaks_of_others.emplace_back(name);
    }
    void histogram(const char* name, HistogramKind kind, const std::vector<double>& bounds) {
        const auto index = static_cast<std::uint16_t>(m_out.histograms.size());
        m_out.histograms.push_back({kind,
                                    {},
                                    static_cast<std::uint32_t>(m_out.bounds.size()),
                                    static_cast<std::uint32_t>(bounds.size())});
        for (const double b : bounds) m_out.bounds.push_back(from_seconds(b));
        m_out.catalog.add_histogram(name, bounds);
        for (auto family = m_out.catalog.families.end() - 3; family != m_out.catalog.families.end(); ++family)
            family->own_endpoint = true;
        for (const SeriesKind part :
             {SeriesKind::histogram_bucket, SeriesKind::histogram_sum, SeriesKind::histogram_count})
            m_out.sources.push_back({part, 0, index, 0, 0});
    }

private:
    ExposedMetrics& m_out;
};

}  // namespace

ExposedMetrics exposed_metrics() {
    ExposedMetrics out;
    Families f(out);
    f.gauge("vllm:num_requests_running", SeriesKind::requests_running);
    f.gauge("vllm:num_requests_waiting", SeriesKind::requests_waiting);
    f.gauge("vllm:gpu_cache_usage_perc", SeriesKind::kv_cache_usage);  // until 0.10
    f.gauge("vllm:kv_cache_usage_perc", SeriesKind::kv_cache_usage);   // since
    f.counter("vllm:num_preemptions_total", SeriesKind::preemptions_total);
    f.counter("vllm:prompt_tokens_total", SeriesKind::prompt_tokens_total);
    f.counter("vllm:generation_tokens_total", SeriesKind::generation_tokens_total);
    f.counter("vllm:request_success_total", SeriesKind::request_success_total,
              {{{"finished_reason", "length"}}});
    f.histogram("vllm:time_to_first_token_seconds", HistogramKind::time_to_first_token, ttft_bounds);
    f.histogram("vllm:e2e_request_latency_seconds", HistogramKind::e2e_request_latency, request_bounds);
    f.histogram("vllm:request_time_per_output_token_seconds", HistogramKind::request_time_per_output_token,
                token_bounds);
    f.gauge("vllm:num_requests_swapped", SeriesKind::zero);    // V0; preempted requests are recomputed
    f.gauge("vllm:cpu_cache_usage_perc", SeriesKind::zero);    // V0
    f.gauge("up", SeriesKind::one);
    // Exporters that speak about other pods: DCGM's, the kubelet's cadvisor.
    f.exported("DCGM_FI_DEV_GPU_UTIL", MetricKind::gauge, SeriesKind::gpu_utilization);
    f.exported("DCGM_FI_PROF_GR_ENGINE_ACTIVE", MetricKind::gauge, SeriesKind::gpu_active);
    f.exported("container_cpu_usage_seconds_total", MetricKind::counter, SeriesKind::cpu_seconds_total);
    f.exported("container_memory_working_set_bytes", MetricKind::gauge, SeriesKind::memory_bytes);
    f.exported("container_memory_usage_bytes", MetricKind::gauge, SeriesKind::memory_bytes);
    // What queues' exporters show: redis_exporter, RabbitMQ's own, kafka_exporter, YACE for SQS.
    for (const auto& [name, source] :
         {std::pair{"redis_key_size", SeriesKind::queue_length},
          std::pair{"rabbitmq_queue_messages_ready", SeriesKind::queue_length},
          std::pair{"rabbitmq_queue_messages_unacked", SeriesKind::queue_in_flight},
          std::pair{"rabbitmq_queue_messages", SeriesKind::queue_messages},
          std::pair{"kafka_consumergroup_lag", SeriesKind::queue_messages},
          std::pair{"kafka_consumergroup_lag_sum", SeriesKind::queue_messages},
          std::pair{"aws_sqs_approximate_number_of_messages_visible_average", SeriesKind::queue_length},
          std::pair{"aws_sqs_approximate_number_of_messages_visible_maximum", SeriesKind::queue_length},
          std::pair{"aws_sqs_approximate_age_of_oldest_message_maximum", SeriesKind::queue_oldest_age},
          std::pair{"aws_sqs_approximate_number_of_messages_not_visible_average", SeriesKind::queue_in_flight}})
        f.add(name, MetricKind::gauge, MetricScope::per_workload, source);
    for (const auto& [name, source] : {std::pair{"kube_statefulset_replicas", SeriesKind::replicas_desired},
                                       std::pair{"kube_statefulset_status_replicas", SeriesKind::replicas_active},
                                       std::pair{"kube_statefulset_status_replicas_ready", SeriesKind::replicas_ready},
                                       std::pair{"kube_horizontalpodautoscaler_status_current_replicas", SeriesKind::replicas_active},
                                       std::pair{"kube_horizontalpodautoscaler_status_desired_replicas", SeriesKind::replicas_desired},
                                       std::pair{"kube_deployment_status_replicas_unavailable", SeriesKind::replicas_unavailable}})
        f.add(name, MetricKind::gauge, MetricScope::per_workload, source);
    for (const auto& [name, source] :
         {std::pair{"kube_deployment_spec_replicas", SeriesKind::replicas_desired},
          std::pair{"kube_deployment_status_replicas", SeriesKind::replicas_active},
          std::pair{"kube_deployment_status_replicas_ready", SeriesKind::replicas_ready},
          std::pair{"kube_deployment_status_replicas_available", SeriesKind::replicas_ready}})
        f.add(name, MetricKind::gauge, MetricScope::per_workload, source);
    return out;
}

}  // namespace windtunnel
