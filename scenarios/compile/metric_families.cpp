#include "scenarios/compile/metric_families.hpp"

namespace windtunnel {

namespace {

// vLLM's histogram bounds since 0.8.5 (vllm/engine/metrics.py and vllm/v1/metrics/loggers.py), in seconds.
const std::vector<double> ttft_bounds{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                      1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
const std::vector<double> request_bounds{0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                         30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680};
const std::vector<double> token_bounds{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5,
                                       0.75, 1,     2.5,  5,     7.5, 10,   20,  40,  80};
// build_1_2_5_buckets(max_model_len) of the same files, in tokens; up to 200,000 whatever the model's length.
const std::vector<double> length_bounds{1,    2,    5,     10,    20,    50,    100,    200,   500,
                                        1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000};

/// What a gateway answers with, by RequestEnd: completed; rejected, as vLLM refuses a prompt that is too long; given up
/// by the client; failed.
std::vector<LabelSet> codes(const char* label, const char* given_up) {
    return {{{label, "200"}}, {{label, "400"}}, {{label, given_up}}, {{label, "503"}}};
}

class Families {
public:
    explicit Families(ExposedMetrics& out) : m_out(out) {}

    void add(const char* name, MetricKind kind, MetricScope scope, StreamSource source, Exposer exposer,
             std::vector<LabelSet> extras = {{}}) {
        m_out.catalog.add(name, kind, scope, std::move(extras));
        m_out.catalog.families.back().own_endpoint = source.target == ScrapeTarget::own;
        m_out.sources.push_back(source);
        m_out.exposers.push_back(exposer);
    }
    /// Of vLLM's own /metrics. Python's client says "_total" at the end of a counter's name.
    void counter(const char* name, SeriesKind source, std::vector<LabelSet> extras = {{}}) {
        add(name, MetricKind::counter, MetricScope::per_pod, {source}, Exposer::servers, std::move(extras));
    }
    void gauge(const char* name, SeriesKind source, Exposer exposer = Exposer::servers) {
        add(name, MetricKind::gauge, MetricScope::per_pod, {source}, exposer);
    }
    /// A series about a pod that an exporter on its node serves: with the pod's labels, and again as Prometheus
    /// renames them where the exporter is scraped without honorLabels.
    void on_node(const char* name, MetricKind kind, SeriesKind source, const LabelSet& exporter) {
        add(name, kind, MetricScope::per_pod, {source, ScrapeTarget::node}, Exposer::servers);
        m_out.catalog.families.back().constant_labels = exporter;
        m_out.speaks_of_others.emplace_back(name);
    }
    /// A series about a pod, of whatever workload, that one exporter for the whole cluster serves.
    void about_pods(const char* name, MetricKind kind, SeriesKind source, const LabelSet& exporter, std::vector<LabelSet> extras) {
        add(name, kind, MetricScope::per_pod, {source, ScrapeTarget::cluster}, Exposer::all, std::move(extras));
        m_out.catalog.families.back().constant_labels = exporter;
    }
    /// Of one exporter for the whole cluster.
    void cluster(const char* name, MetricKind kind, SeriesKind source, Exposer exposer, const LabelSet& exporter,
                 std::vector<LabelSet> extras = {{}}) {
        add(name, kind, MetricScope::per_workload, {source, ScrapeTarget::cluster}, exposer, std::move(extras));
        m_out.catalog.families.back().constant_labels = exporter;
    }
    void histogram(const char* name, HistogramKind kind, const std::vector<double>& bounds) {
        const auto index = static_cast<std::uint16_t>(m_out.histograms.size());
        m_out.histograms.push_back({kind,
                                    {},
                                    static_cast<std::uint32_t>(m_out.bounds.size()),
                                    static_cast<std::uint32_t>(bounds.size())});
        for (const double b : bounds)
            m_out.bounds.push_back(counts_tokens(kind) ? Tick{static_cast<std::int64_t>(b)} : from_seconds(b));
        m_out.catalog.add_histogram(name, bounds);
        for (auto family = m_out.catalog.families.end() - 3; family != m_out.catalog.families.end(); ++family)
            family->own_endpoint = true;
        for (const SeriesKind part :
             {SeriesKind::histogram_bucket, SeriesKind::histogram_sum, SeriesKind::histogram_count}) {
            m_out.sources.push_back({part, ScrapeTarget::own, index, 0, 0});
            m_out.exposers.push_back(Exposer::servers);
        }
    }

private:
    ExposedMetrics& m_out;
};

void add_vllm(Families& f) {
    f.gauge("vllm:num_requests_running", SeriesKind::requests_running);
    f.gauge("vllm:num_requests_waiting", SeriesKind::requests_waiting);
    f.gauge("vllm:gpu_cache_usage_perc", SeriesKind::kv_cache_usage);  // until 0.10
    f.gauge("vllm:kv_cache_usage_perc", SeriesKind::kv_cache_usage);   // since
    f.counter("vllm:num_preemptions_total", SeriesKind::preemptions_total);
    f.counter("vllm:prompt_tokens_total", SeriesKind::prompt_tokens_total);
    f.counter("vllm:generation_tokens_total", SeriesKind::generation_tokens_total);
    for (const char* name : {"vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"})  // since 0.10, and before
        f.counter(name, SeriesKind::prefix_queries_total);
    for (const char* name : {"vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"})
        f.counter(name, SeriesKind::prefix_hits_total);
    f.counter("vllm:request_success_total", SeriesKind::request_success_total,
              {{{"finished_reason", "stop"}}, {{"finished_reason", "length"}}, {{"finished_reason", "abort"}}});
    f.histogram("vllm:time_to_first_token_seconds", HistogramKind::time_to_first_token, ttft_bounds);
    f.histogram("vllm:e2e_request_latency_seconds", HistogramKind::e2e_request_latency, request_bounds);
    f.histogram("vllm:request_queue_time_seconds", HistogramKind::request_queue_time, request_bounds);
    f.histogram("vllm:request_prefill_time_seconds", HistogramKind::request_prefill_time, request_bounds);
    f.histogram("vllm:request_decode_time_seconds", HistogramKind::request_decode_time, request_bounds);
    f.histogram("vllm:request_inference_time_seconds", HistogramKind::request_inference_time, request_bounds);
    f.histogram("vllm:request_time_per_output_token_seconds", HistogramKind::request_time_per_output_token,
                token_bounds);
    f.histogram("vllm:time_per_output_token_seconds", HistogramKind::time_per_output_token, token_bounds);  // until 0.10
    f.histogram("vllm:inter_token_latency_seconds", HistogramKind::time_per_output_token, token_bounds);    // since
    f.histogram("vllm:request_prompt_tokens", HistogramKind::request_prompt_tokens, length_bounds);
    f.histogram("vllm:request_generation_tokens", HistogramKind::request_generation_tokens, length_bounds);
    f.gauge("vllm:num_requests_swapped", SeriesKind::requests_swapped);  // V0
    f.gauge("vllm:cpu_cache_usage_perc", SeriesKind::swap_space_usage);  // V0
    f.gauge("up", SeriesKind::up);
}

/// The names of servers that are simulated as vLLM (text-generation-inference, docs/source/reference/metrics.md, 3.0, 2025;
/// sglang, python/sglang/srt/metrics/collector.py, 0.4, 2025).
void add_other_servers(Families& f) {
    f.gauge("tgi_queue_size", SeriesKind::requests_waiting, Exposer::tgi_servers);
    f.gauge("tgi_batch_current_size", SeriesKind::requests_running, Exposer::tgi_servers);
    f.gauge("sglang:num_queue_reqs", SeriesKind::requests_waiting, Exposer::sglang_servers);
    f.gauge("sglang:num_running_reqs", SeriesKind::requests_running, Exposer::sglang_servers);
    f.gauge("sglang:token_usage", SeriesKind::kv_cache_usage, Exposer::sglang_servers);
}

/// DCGM's exporter and the kubelet's cadvisor.
void add_node_exporters(Families& f) {
    const LabelSet dcgm = {{"job", "dcgm-exporter"}, {"service", "dcgm-exporter"}};
    f.on_node("DCGM_FI_DEV_GPU_UTIL", MetricKind::gauge, SeriesKind::gpu_utilization, dcgm);
    f.on_node("DCGM_FI_PROF_GR_ENGINE_ACTIVE", MetricKind::gauge, SeriesKind::gpu_active, dcgm);
    f.on_node("DCGM_FI_DEV_FB_USED", MetricKind::gauge, SeriesKind::gpu_memory_used_mib, dcgm);
    f.on_node("DCGM_FI_DEV_FB_FREE", MetricKind::gauge, SeriesKind::gpu_memory_free_mib, dcgm);
    const LabelSet cadvisor = {{"job", "kubelet"}, {"service", "kubelet"}, {"metrics_path", "/metrics/cadvisor"}};
    f.on_node("container_cpu_usage_seconds_total", MetricKind::counter, SeriesKind::cpu_seconds_total, cadvisor);
    f.on_node("container_memory_working_set_bytes", MetricKind::gauge, SeriesKind::memory_bytes, cadvisor);
    f.on_node("container_memory_usage_bytes", MetricKind::gauge, SeriesKind::memory_bytes, cadvisor);
}

/// redis_exporter, RabbitMQ's own, kafka_exporter, YACE for SQS.
void add_queues(Families& f) {
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
        f.cluster(name, MetricKind::gauge, source, Exposer::servers, {});
}

/// kube-state-metrics, docs/metrics (v2.13, 2024), and the names of its first version.
void add_kube_state(Families& f) {
    const LabelSet exporter = {{"job", "kube-state-metrics"}, {"service", "kube-state-metrics"}};
    using K = SeriesKind;
    struct Row {
        const char* name;
        K source;
        Exposer exposer;
    };
    for (const Row& row : {Row{"kube_deployment_spec_replicas", K::replicas_desired, Exposer::deployments},
                           Row{"kube_deployment_status_replicas", K::replicas_active, Exposer::deployments},
                           Row{"kube_deployment_status_replicas_ready", K::replicas_ready, Exposer::deployments},
                           Row{"kube_deployment_status_replicas_available", K::replicas_ready, Exposer::deployments},
                           Row{"kube_deployment_status_replicas_unavailable", K::replicas_unavailable, Exposer::deployments},
                           Row{"kube_statefulset_replicas", K::replicas_desired, Exposer::stateful_sets},
                           Row{"kube_statefulset_status_replicas", K::replicas_active, Exposer::stateful_sets},
                           Row{"kube_statefulset_status_replicas_current", K::replicas_active, Exposer::stateful_sets},
                           Row{"kube_statefulset_status_replicas_ready", K::replicas_ready, Exposer::stateful_sets},
                           Row{"kube_horizontalpodautoscaler_status_current_replicas", K::replicas_active, Exposer::autoscaled},
                           Row{"kube_horizontalpodautoscaler_status_desired_replicas", K::replicas_desired, Exposer::autoscaled},
                           Row{"kube_horizontalpodautoscaler_spec_min_replicas", K::hpa_minimum, Exposer::autoscaled},
                           Row{"kube_horizontalpodautoscaler_spec_max_replicas", K::hpa_maximum, Exposer::autoscaled},
                           Row{"kube_hpa_status_current_replicas", K::replicas_active, Exposer::autoscaled},
                           Row{"kube_hpa_status_desired_replicas", K::replicas_desired, Exposer::autoscaled},
                           Row{"kube_hpa_spec_min_replicas", K::hpa_minimum, Exposer::autoscaled},
                           Row{"kube_hpa_spec_max_replicas", K::hpa_maximum, Exposer::autoscaled}})
        f.cluster(row.name, MetricKind::gauge, row.source, row.exposer, exporter);
    const auto of_pods = [&](const char* name, MetricKind kind, K source, std::vector<LabelSet> extras = {{}}) {
        f.about_pods(name, kind, source, exporter, std::move(extras));
    };
    of_pods("kube_pod_status_ready", MetricKind::gauge, K::pod_ready,
            {{{"condition", "true"}}, {{"condition", "false"}}, {{"condition", "unknown"}}});
    of_pods("kube_pod_status_phase", MetricKind::gauge, K::pod_phase,
            {{{"phase", "Pending"}}, {{"phase", "Running"}}, {{"phase", "Succeeded"}}, {{"phase", "Failed"}}, {{"phase", "Unknown"}}});
    of_pods("kube_pod_container_status_restarts_total", MetricKind::counter, K::pod_restarts);
    of_pods("kube_pod_container_status_waiting", MetricKind::gauge, K::pod_waiting);
    of_pods("kube_pod_container_status_waiting_reason", MetricKind::gauge, K::pod_waiting_reason,
            {{{"reason", "ContainerCreating"}}, {{"reason", "CrashLoopBackOff"}}, {{"reason", "ErrImagePull"}}, {{"reason", "ImagePullBackOff"}}});
    of_pods("kube_pod_container_status_running", MetricKind::gauge, K::pod_running);
    of_pods("kube_pod_container_status_ready", MetricKind::gauge, K::pod_ready);
    of_pods("kube_pod_status_scheduled", MetricKind::gauge, K::pod_scheduled,
            {{{"condition", "true"}}, {{"condition", "false"}}, {{"condition", "unknown"}}});
    of_pods("kube_pod_status_unschedulable", MetricKind::gauge, K::pod_unschedulable);
    of_pods("kube_pod_info", MetricKind::gauge, K::one);
    of_pods("kube_pod_labels", MetricKind::gauge, K::one);
    of_pods("kube_pod_owner", MetricKind::gauge, K::one);
}

/// What stands in front of the servers, each under its own names (Istio's standard metrics, Envoy's cluster
/// statistics, ingress-nginx, Traefik, the Gateway API inference extension, the vLLM production stack's router; 2025).
void add_gateways(Families& f) {
    const auto counter = MetricKind::counter;
    const auto gauge = MetricKind::gauge;
    f.cluster("istio_requests_total", counter, SeriesKind::responses_total, Exposer::servers,
              {{"reporter", "destination"}, {"request_protocol", "http"}}, codes("response_code", "0"));
    f.cluster("envoy_cluster_upstream_rq_total", counter, SeriesKind::requests_total, Exposer::servers, {});
    f.cluster("envoy_cluster_upstream_rq_active", gauge, SeriesKind::queue_in_flight, Exposer::servers, {});
    f.cluster("envoy_cluster_upstream_rq_pending_active", gauge, SeriesKind::queue_length, Exposer::servers, {});
    f.cluster("nginx_ingress_controller_requests", counter, SeriesKind::responses_total, Exposer::servers,
              {{"controller_class", "k8s.io/ingress-nginx"}}, codes("status", "499"));
    f.cluster("traefik_service_requests_total", counter, SeriesKind::responses_total, Exposer::servers, {}, codes("code", "499"));
    f.cluster("inference_pool_average_queue_size", gauge, SeriesKind::pool_average_queue, Exposer::servers, {});
    f.cluster("inference_pool_average_kv_cache_utilization", gauge, SeriesKind::pool_average_kv, Exposer::servers, {});
    f.cluster("inference_pool_ready_pods", gauge, SeriesKind::replicas_ready, Exposer::servers, {});
    for (const char* name : {"inference_model_request_total", "inference_objective_request_total"})
        f.cluster(name, counter, SeriesKind::requests_total, Exposer::servers, {});
    for (const char* name : {"inference_model_running_requests", "inference_objective_running_requests"})
        f.cluster(name, gauge, SeriesKind::queue_in_flight, Exposer::servers, {});
    f.cluster("vllm:healthy_pods_total", gauge, SeriesKind::replicas_ready, Exposer::servers, {});
}

}  // namespace

ExposedMetrics exposed_metrics() {
    ExposedMetrics out;
    Families f(out);
    add_vllm(f);
    add_other_servers(f);
    add_node_exporters(f);
    add_queues(f);
    add_kube_state(f);
    add_gateways(f);
    return out;
}

}  // namespace windtunnel
