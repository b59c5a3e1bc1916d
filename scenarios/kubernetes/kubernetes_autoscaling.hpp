#pragma once
#include "models/time.hpp"
#include "scenarios/documents/decoder.hpp"
#include "scenarios/documents/quantity.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// Which object is scaled.
struct ScaleTarget {
    std::string kind = "Deployment";
    std::string name;
    SourcePosition where;
};

enum class MetricSource : std::uint8_t { resource, container_resource, pods, object, external };
enum class MetricTargetType : std::uint8_t { utilization, average_value, value };

/// One entry of an HPA's spec.metrics.
struct HpaMetric {
    MetricSource source = MetricSource::resource;
    std::string name;                    ///< "cpu", "memory", or the metric's name
    std::string container;               ///< of container_resource
    LabelSelector selector;              ///< of pods, object and external metrics
    std::string object_kind;             ///< of object metrics
    std::string object_name;
    MetricTargetType target = MetricTargetType::utilization;
    std::int32_t utilization_percent = 0;
    std::int64_t target_milli = 0;       ///< averageValue or value in thousandths
    SourcePosition where;
};

enum class SelectPolicy : std::uint8_t { max, min, disabled };

struct ScalingPolicy {
    bool percent = false;                ///< Percent; else Pods
    std::int32_t value = 0;
    Tick period;
};

/// One direction of `behavior`; what is absent is defaulted by the policy.
struct ScalingRules {
    std::optional<Tick> stabilization_window;
    std::optional<SelectPolicy> select_policy;
    std::optional<std::vector<ScalingPolicy>> policies;
    std::optional<double> tolerance;        ///< of this direction; empty: the controller's
};

struct ScalingBehavior {
    ScalingRules scale_up;
    ScalingRules scale_down;
};

struct HorizontalPodAutoscaler {
    ObjectMeta meta;
    ScaleTarget target;
    std::int32_t min_replicas = 1;
    std::int32_t max_replicas = 1;
    std::vector<HpaMetric> metrics;           ///< never empty: defaulted to cpu at 80 %
    std::optional<ScalingBehavior> behavior;  ///< empty: the path without behavior
    std::optional<std::int32_t> current_replicas;  ///< of a dump's status: where the workload starts
};

/// What kind of event source a trigger asks. `series`: something outside the cluster, whose values the
/// scenario's `metrics` map has to give.
enum class TriggerKind : std::uint8_t { prometheus, cron, cpu, memory, queue, series };

/// One trigger of a ScaledObject.
struct Trigger {
    TriggerKind kind = TriggerKind::prometheus;
    std::string type;                          ///< as written: "prometheus", "aws-sqs-queue", ...
    std::string name;                          ///< for scalingModifiers; may be ""
    MetricTargetType metric_type = MetricTargetType::average_value;
    bool use_cached_metrics = false;
    std::map<std::string, std::string> metadata;  ///< all of it, as written

    double threshold = 0;                      ///< prometheus: threshold; queue: messages per replica
    double activation_threshold = 0;
    std::string query;                         ///< prometheus: PromQL
    bool ignore_null_values = true;            ///< prometheus: an empty result is 0
    std::string timezone, start, end;          ///< cron: IANA name, 5-field expressions
    std::int32_t desired_replicas = 0;         ///< cron
    std::int64_t target_milli = 0;             ///< cpu, memory: averageValue; 0 with a utilization target
    std::int32_t utilization_percent = 0;      ///< cpu, memory
    std::string container;                     ///< cpu, memory: of one container; "" = the pod
    std::string queue;                         ///< queue: queueURL, queueName, topic, listName, ... ; "" = none
    bool queue_counts_in_flight = true;        ///< messages being worked on count: aws-sqs-queue, rabbitmq, streams
    bool queue_at_gateway = false;             ///< the requests at a gateway or the servers: whatever the routing
    bool queue_rate = false;                   ///< rabbitmq MessageRate: messages per second published
    SourcePosition where;
};

enum class FallbackBehavior : std::uint8_t { fixed, current_replicas, current_replicas_if_higher, current_replicas_if_lower, scaling_modifiers };

struct Fallback {
    std::int32_t failure_threshold = 0;
    std::int32_t replicas = 0;
    FallbackBehavior behavior = FallbackBehavior::fixed;
};

struct ScalingModifiers {
    std::string formula;
    double target = 0;
    double activation_target = 0;
    MetricTargetType metric_type = MetricTargetType::average_value;
};

struct ScaledObject {
    ObjectMeta meta;
    ScaleTarget target;
    Tick polling_interval = seconds(30);
    Tick cooldown_period = seconds(300);
    Tick initial_cooldown_period{0};
    std::optional<std::int32_t> idle_replicas;
    std::int32_t min_replicas = 0;
    std::int32_t max_replicas = 100;
    std::optional<Fallback> fallback;
    std::optional<ScalingBehavior> behavior;
    std::optional<ScalingModifiers> modifiers;
    std::string hpa_name;                         ///< of the HPA that KEDA makes; an HPA it takes over is no second one
    std::vector<Trigger> triggers;
    std::optional<std::int32_t> paused_replicas;  ///< annotation autoscaling.keda.sh/paused-replicas
    bool paused = false;                          ///< annotation autoscaling.keda.sh/paused
    bool paused_scale_in = false;
    bool paused_scale_out = false;
    bool force_activation = false;
    bool transfers_hpa = false;                   ///< annotation transfer-hpa-ownership: takes over the HPA `hpa_name`
};

/// One thing that a CronJob does to replicas. A target of kind HorizontalPodAutoscaler or ScaledObject has
/// its bounds changed, any other its replicas.
struct ScalingCronJob {
    ObjectMeta meta;
    std::string schedule;                  ///< 5 fields
    std::string timezone = "Etc/UTC";
    ScaleTarget target;
    std::int32_t replicas = 0;
    bool suspended = false;
    std::optional<std::int32_t> min_replicas;  ///< of an autoscaler
    std::optional<std::int32_t> max_replicas;
};

/// A rule of `relabelings` or `metricRelabelings` (prometheus/prometheus, docs/configuration, relabel_config).
struct RelabelRule {
    std::vector<std::string> sources;
    std::string separator = ";";
    std::string regex = "(.*)";            ///< compiles
    std::string target;
    std::string replacement = "$1";
    std::string action = "replace";        ///< in lower case
};

/// A ServiceMonitor or PodMonitor: how often the pods it selects are scraped, and how their series are labelled.
struct MetricsMonitor {
    ObjectMeta meta;
    LabelSelector selector;
    bool selects_services = true;          ///< ServiceMonitor; else PodMonitor
    bool any_namespace = false;            ///< else those in `name_spaces`; none = its own
    std::vector<std::string> name_spaces;
    std::optional<Tick> interval;          ///< empty: Prometheus' global interval
    std::string job_label;                 ///< of the service (or pod): its value is the series' job
    std::string port;                      ///< of its first endpoint
    std::vector<std::pair<std::string, std::string>> pod_target_labels;  ///< pod's label -> series' label
    std::vector<std::string> target_labels;                              ///< of the service
    std::vector<RelabelRule> relabelings, metric_relabelings;            ///< of its first endpoint

    /// Whether it looks into a namespace.
    [[nodiscard]] bool covers(const std::string& name_space) const;
};

[[nodiscard]] HorizontalPodAutoscaler decode_horizontal_pod_autoscaler(Decoder& object, ObjectMeta meta,
                                                                       const std::string& api_version);
[[nodiscard]] ScaledObject decode_scaled_object(Decoder& object, ObjectMeta meta);
[[nodiscard]] MetricsMonitor decode_metrics_monitor(Decoder& object, ObjectMeta meta);

}  // namespace windtunnel
