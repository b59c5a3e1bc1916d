#pragma once
#include "models/blob_span.hpp"
#include "models/time.hpp"
#include "policies/active_interval.hpp"
#include "policies/alert_rule.hpp"
#include "policies/hpa.hpp"
#include "policies/keda.hpp"
#include "policies/keda_formula.hpp"
#include "policies/keda_jobs.hpp"
#include "policies/promql_program.hpp"
#include "policies/sample_store.hpp"

#include <cstdint>

namespace windtunnel {

/// What a scraped series shows. Per pod unless said otherwise.
enum class SeriesKind : std::uint8_t {
    requests_running,
    requests_waiting,
    kv_cache_usage,  ///< 0..1
    requests_swapped,   ///< V0
    swap_space_usage,   ///< V0, 0..1
    preemptions_total,
    prompt_tokens_total,
    generation_tokens_total,
    prefix_queries_total,
    prefix_hits_total,
    request_success_total,  ///< `extra` = FinishedReason
    gpu_utilization,   ///< 0..100, busy share since the last scrape
    histogram_bucket,  ///< `extra` = bucket (cumulative, the last is +Inf) of histogram `histogram`
    histogram_sum,
    histogram_count,
    queue_length,      ///< per workload: requests that wait for a replica
    queue_in_flight,   ///< per workload: requests that a replica works on
    queue_oldest_age,  ///< per workload: seconds since the arrival of the first that waits
    requests_total,    ///< per workload: arrivals at the router
    replicas_desired,  ///< per workload: spec.replicas
    replicas_active,   ///< per workload: status.replicas
    replicas_ready,    ///< per workload
    replicas_unavailable,  ///< per workload: desired and not ready
    queue_messages,        ///< per workload: waiting and in flight
    gpu_active,            ///< gpu_utilization as a share, 0..1
    cpu_seconds_total,
    memory_bytes,
    gpu_memory_used_mib,
    gpu_memory_free_mib,
    up,  ///< whether the pod's own /metrics answers
    responses_total,     ///< per workload: what requests were answered with; `extra` = RequestEnd, from completed to failed
    hpa_minimum,         ///< per workload: of its autoscaler
    hpa_maximum,
    pool_average_queue,  ///< per workload: waiting requests, a mean over its engines, as of now
    pool_average_kv,     ///< the same of the used share of their KV caches
    pod_ready,     ///< of a pod that exists; `extra` = condition true, false, unknown
    pod_phase,     ///< `extra` = Pending, Running, Succeeded, Failed, Unknown
    pod_restarts,  ///< of its containers
    pod_waiting,         ///< of a pod with a node: its container waits
    pod_waiting_reason,  ///< ... for this reason; `extra` = ContainerStatus; only the present one is exposed
    pod_running,         ///< its container runs
    pod_scheduled,       ///< `extra` = condition true, false, unknown
    pod_unschedulable,   ///< exposed while the scheduler has found no node
    one,   ///< always 1
};

/// Who serves a series to Prometheus.
enum class ScrapeTarget : std::uint8_t {
    own,      ///< the pod itself
    node,     ///< an exporter on its node: DCGM's, cadvisor
    cluster,  ///< one for all: kube-state-metrics, queues, gateways
};

/// Why a request's generation ended, as vLLM counts it.
enum class FinishedReason : std::uint8_t { stop, length, abort };
inline constexpr std::uint32_t finished_reasons = 3;

enum class HistogramKind : std::uint8_t {
    time_to_first_token,
    e2e_request_latency,
    request_time_per_output_token,
    time_per_output_token,  ///< of every token: those of one request count with its mean
    request_decode_time,
    request_prompt_tokens,
    request_generation_tokens,
    request_queue_time,
    request_prefill_time,   ///< from its first schedule to its first token
    request_inference_time  ///< ... to its last
};
/// Its bounds and sum are tokens; else ticks.
WT_HD constexpr bool counts_tokens(HistogramKind kind) {
    return kind == HistogramKind::request_prompt_tokens || kind == HistogramKind::request_generation_tokens;
}

/// It asks when a request left its server's queue.
WT_HD constexpr bool counts_stages(HistogramKind kind) {
    return kind == HistogramKind::request_queue_time || kind == HistogramKind::request_prefill_time ||
           kind == HistogramKind::request_inference_time;
}

/// A Prometheus histogram that every pod keeps because some query reads it.
struct HistogramPlan {
    HistogramKind kind = HistogramKind::time_to_first_token;
    std::uint8_t padding[3] = {};
    std::uint32_t first_bound = 0;  ///< into Blueprint::histogram_bounds, ascending upper bounds (<=)
    std::uint32_t bound_count = 0;
};

/// Where the values of stream i of the sample store come from.
struct StreamSource {
    SeriesKind source = SeriesKind::requests_waiting;
    ScrapeTarget target = ScrapeTarget::own;
    std::uint16_t histogram = 0;  ///< index into Blueprint::histograms
    std::uint32_t workload = 0;
    std::int32_t extra = 0;
};

/// A compiled query's place in the blueprint's arrays.
struct QueryPlan {
    std::uint32_t first_instruction = 0, first_word = 0, first_number = 0;
    std::int32_t instruction_count = 0;
    PromqlSemantics semantics = PromqlSemantics::prometheus_2;
    std::uint8_t is_scalar = 0;
    std::uint8_t padding[2] = {};
    PromqlWorkspaceSize workspace;
};

enum class TriggerSource : std::uint8_t {
    query,      ///< PromQL; KEDA's prometheus scaler, or an HPA's External or Object metric
    pod_query,  ///< PromQL with one element a pod: an HPA's Pods metric
    pod_cpu,    ///< an HPA's Resource or ContainerResource metric cpu (KEDA's cpu trigger)
    pod_memory,  ///< the same of memory, in bytes
    queue,      ///< length of the workload's queue
    cron,       ///< `value` inside the intervals, 0 outside
};

/// One metric of an autoscaler. Its target stands in HpaSpec::metrics at the same index, or, for a trigger
/// that is only an operand of scalingModifiers, nowhere: then `target_milli` is the formula's.
struct TriggerPlan {
    TriggerSource kind = TriggerSource::query;
    std::uint8_t counts_in_flight = 1;    ///< queue: messages being worked on count too
    std::uint8_t ignore_null_values = 1;  ///< KEDA's prometheus scaler
    std::uint8_t sums_series = 0;  ///< query: an External metric of an HPA adds the result's elements up
    std::uint8_t is_cached = 0;    ///< useCachedMetrics: the HPA sees what the last poll read
    std::uint8_t is_sidecar = 0;   ///< pod_cpu, pod_memory: of a container that uses nothing
    std::uint8_t is_average = 1;   ///< KEDA: metricType AverageValue
    std::uint8_t padding = 0;
    std::int32_t metric = -1;      ///< index into HpaSpec::metrics; -1 = an operand of the formula alone
    std::int32_t more_padding = 0;
    std::uint32_t query = 0;       ///< index into Blueprint::queries
    std::uint32_t workload = 0;    ///< queue: whose
    std::uint32_t first_interval = 0, interval_count = 0;  ///< cron
    std::int64_t target_milli = 0;                         ///< KEDA: per replica, or in all
    std::int64_t request_milli = 0;                        ///< pod_cpu, pod_memory: what a pod requests, in thousandths
    double value = 0;
    double activation = 0;  ///< KEDA: active above
};

/// What pendingPodConditions of a ScaledJob may name.
enum class PodMilestone : std::uint8_t { scheduled, initialized, ready };

/// An HPA, or a KEDA ScaledObject with the HPA that it generates.
struct AutoscalerPlan {
    std::uint32_t workload = 0;
    std::uint8_t is_keda = 0;
    std::uint8_t paused = 0;                  ///< nobody scales: KEDA removes its HPA
    std::uint8_t scales_jobs = 0;             ///< a ScaledJob: its polls start Jobs, there is no HPA
    std::uint8_t pending_until = 0;           ///< of its Jobs: bit per PodMilestone; 0 = until they run
    HpaSpec hpa;
    KedaScaledObject keda;
    KedaScaledJob jobs;
    std::uint32_t trigger_count = 0;
    HpaLogCapacity log;
    TriggerPlan triggers[hpa_max_metrics];
    std::int32_t formula_metric = -1;  ///< scalingModifiers: index into HpaSpec::metrics of what the formula gives
    std::int32_t formula_padding = 0;
    double formula_activation = 0;     ///< active above
    KedaFormulaProgram formula;

    [[nodiscard]] WT_HD bool reads(TriggerSource kind) const {
        for (std::uint32_t t = 0; t < trigger_count; ++t)
            if (triggers[t].kind == kind) return true;
        return false;
    }
};

/// An alerting rule. Its answer's elements are its alerts.
struct AlertPlan {
    std::uint32_t query = 0;  ///< index into Blueprint::queries
    std::uint32_t instance_capacity = 1;
    std::uint32_t first_instance = 0;  ///< filled in by build(), which multiplies the capacity by its growth
    std::uint32_t padding = 0;
    AlertRule rule;
};

/// Rules that are evaluated together, one after another.
struct AlertGroupPlan {
    std::uint32_t first_alert = 0, alert_count = 0;
    Tick interval = seconds(60);
};

/// A target is scraped at one of so many offsets within its interval.
inline constexpr std::uint32_t scrape_phases = 16;

/// What answers nothing for a while.
enum class OutageKind : std::uint8_t {
    prometheus,      ///< it scrapes nothing, answers no query and evaluates no rule
    metrics_server,  ///< metrics.k8s.io: cpu and memory of pods
    workload,        ///< the /metrics of a workload's pods
};
struct OutagePlan {
    Tick from, until;
    OutageKind kind = OutageKind::prometheus;
    std::uint8_t padding[3] = {};
    std::uint32_t workload = 0;
};

/// Prometheus and metrics-server.
struct ScrapePlan {
    Tick delay;                                      ///< how old the answers are that autoscalers get
    Tick metrics_server_resolution = seconds(15);
    std::int32_t series_count = 0;
    std::int64_t sample_count = 0;
    PromqlWorkspaceSize workspace;  ///< the largest that a query needs
};

}  // namespace windtunnel
