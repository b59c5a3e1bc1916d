#pragma once
#include "models/time.hpp"

#include <cstdint>

/// The HorizontalPodAutoscaler v2 as plain data: what is configured, what it remembers, what it sees and
/// what it decides. The rules stand in hpa_replica_calculator.hpp (one metric), hpa_behavior.hpp
/// (stabilisation and rates) and hpa_reconcile.hpp (one whole sync).
///
/// Rules: kubernetes.md 1, of kubernetes/kubernetes in the v1.37 cycle (mid 2026). Metric values and targets
/// are int64 milli-units throughout.
namespace windtunnel {

inline constexpr std::int32_t hpa_max_metrics = 8;
inline constexpr std::int32_t hpa_max_policies = 8;

enum class PodPhase : std::uint8_t { pending, running, succeeded, failed, unknown };
/// A pod's Ready condition; `absent` = the pod has none yet.
enum class ReadyCondition : std::uint8_t { absent, no, yes, unknown };

enum class HpaMetricKind : std::uint8_t { resource, container_resource, pods, object, external, invalid };
enum class HpaTargetKind : std::uint8_t { utilization, average_value, value };

struct HpaMetricSpec {
    HpaMetricKind kind = HpaMetricKind::resource;
    HpaTargetKind target = HpaTargetKind::utilization;
    bool cpu = false;               ///< resource kinds: whether the resource is cpu (readiness rules apply)
    std::int64_t target_milli = 0;  ///< value or averageValue in milli-units; percent for utilization; > 0
};

enum class HpaPolicyType : std::uint8_t { pods, percent };
/// Which policy's proposal counts: the one with the largest change, the smallest, or no change at all.
enum class HpaSelectPolicy : std::uint8_t { max, min, disabled };

struct HpaScalingPolicy {
    HpaPolicyType type = HpaPolicyType::pods;
    std::int32_t value = 0;
    Tick period;
};

/// One direction of `behavior`, defaults filled in.
struct HpaScalingRules {
    Tick stabilization_window;
    HpaSelectPolicy select = HpaSelectPolicy::max;
    std::int32_t policy_count = 0;
    HpaScalingPolicy policies[hpa_max_policies];
};

/// API server's defaults for a direction that `behavior` does not mention
/// (kubernetes.md 1.2.1, v1.37 cycle).
WT_HD constexpr HpaScalingRules default_scale_up_rules() {
    return {seconds(0),
            HpaSelectPolicy::max,
            2,
            {{HpaPolicyType::pods, 4, seconds(15)}, {HpaPolicyType::percent, 100, seconds(15)}}};
}
/// The window of scale-down is the controller's, unless the object gives one.
WT_HD constexpr HpaScalingRules default_scale_down_rules(Tick downscale_stabilization) {
    return {downscale_stabilization, HpaSelectPolicy::max, 1, {{HpaPolicyType::percent, 100, seconds(15)}}};
}

/// How far a ratio may be from 1 without any change, per direction; both ends included.
struct HpaTolerance {
    double down = 0.1;
    double up = 0.1;
};

/// One HPA object together with its controller's flags. Defaults: kube-controller-manager's
/// (kubernetes.md 1.1, v1.37 cycle).
struct HpaSpec {
    std::int32_t min_replicas = 1;
    std::int32_t max_replicas = 1;
    std::int32_t metric_count = 0;
    HpaMetricSpec metrics[hpa_max_metrics];
    bool has_behavior = false;  ///< without it the older path applies: x2 (at least 4) up, no rate down
    HpaScalingRules scale_up = default_scale_up_rules();
    HpaScalingRules scale_down = default_scale_down_rules(seconds(300));
    HpaTolerance tolerance;  ///< the global one, or behavior's own per direction (KEP-4951, on since 1.35)
    bool scale_to_zero = false;  ///< gate HPAScaleToZero (KEP-2021); needed for min_replicas = 0
    Tick downscale_stabilization = seconds(300);
    Tick sync_period = seconds(15);
    Tick cpu_initialization_period = seconds(300);
    Tick initial_readiness_delay = seconds(30);
};

/// A list over memory that the caller owns. Appending beyond the capacity is refused, never silent.
template <class Entry>
struct BoundedLog {
    Entry* entries = nullptr;
    std::int32_t capacity = 0;
    std::int32_t count = 0;

    [[nodiscard]] WT_HD constexpr bool try_append(const Entry& entry) {
        if (count >= capacity) return false;
        entries[count++] = entry;
        return true;
    }
};

struct HpaRecommendation {
    std::int32_t replicas = 0;  ///< the raw proposal, before any limit
    Tick at;
};
struct HpaScaleEvent {
    std::int32_t change = 0;  ///< how many replicas were added or removed; positive
    bool outdated = false;    ///< older than every policy's period: may be overwritten
    Tick at;
};

/// What the controller remembers between syncs; lost when it restarts (clear the counts).
struct HpaState {
    BoundedLog<HpaRecommendation> recommendations;
    BoundedLog<HpaScaleEvent> scale_ups;
    BoundedLog<HpaScaleEvent> scale_downs;
    bool scaled_to_zero = false;  ///< the HPA itself wrote the present zero, so it may leave it again
};

/// One pod that the selector matches.
struct HpaPod {
    PodPhase phase = PodPhase::pending;
    bool deleting = false;  ///< has a deletionTimestamp
    bool started = false;   ///< has a startTime
    ReadyCondition ready = ReadyCondition::absent;
    Tick start;             ///< startTime
    Tick ready_transition;  ///< the Ready condition's lastTransitionTime
};

/// What the metrics API says about one pod, in the order of HpaSnapshot::pods.
struct HpaPodSample {
    bool present = false;     ///< false: no sample for this pod ("missing")
    bool has_request = true;  ///< false: some container that counts has no request
    std::int64_t value_milli = 0;
    std::int64_t request_milli = 0;  ///< sum over the containers that count; resource kinds only
    Tick timestamp;
    Tick window;  ///< the sample's averaging window
};

struct HpaMetricInput {
    bool failed = false;                         ///< the metrics API answered with an error
    const std::int64_t* values_milli = nullptr;  ///< object: one value; external: every returned series
    std::int32_t value_count = 0;
    const HpaPodSample* samples = nullptr;  ///< resource and pods kinds: [pod_count]
    std::int64_t stray_total_milli = 0;     ///< samples of pods that are not listed: sum and count
    std::int32_t stray_count = 0;
};

/// What one sync reads.
struct HpaSnapshot {
    std::int32_t spec_replicas = 0;    ///< scale.spec.replicas
    std::int32_t status_replicas = 0;  ///< scale.status.replicas: pods that exist, ready or not
    std::int32_t pod_count = 0;        ///< pods that the selector matches; where no metric asks_for_pods: 0
    std::int32_t ready_pods = 0;       ///< of these Running and Ready (count_ready_pods)
    const HpaPod* pods = nullptr;      ///< [pod_count]
    HpaMetricInput metrics[hpa_max_metrics];
    bool selector_valid = true;  ///< present, parsed, and no other HPA selects the same pods
};

/// Why a metric gave no proposal.
enum class HpaMetricError : std::uint8_t {
    none,
    invalid_source,
    no_metrics,
    no_pods,
    no_usable_samples,
    missing_request,
    no_known_pods
};

/// Reasons of the conditions, named as Kubernetes names them.
enum class HpaAbleToScale : std::uint8_t {
    succeeded_get_scale,
    ready_for_new_scale,
    scale_up_stabilized,
    scale_down_stabilized,
    succeeded_rescale
};
enum class HpaScalingActive : std::uint8_t {
    unset,
    valid_metric_found,
    scaling_disabled,
    invalid_selector,
    failed_get_resource_metric,
    failed_get_container_resource_metric,
    failed_get_pods_metric,
    failed_get_object_metric,
    failed_get_external_metric,
    invalid_metric_source_type
};
enum class HpaScalingLimited : std::uint8_t {
    unset,
    desired_within_range,
    too_few_replicas,
    too_many_replicas,
    scale_up_limit,
    scale_down_limit
};

struct HpaDecision {
    std::int32_t desired_replicas = 0;  ///< what spec.replicas is, or has to become
    bool rescale = false;               ///< write desired_replicas
    bool error = false;                 ///< some metric failed (also where scaling up went on)
    bool log_full = false;              ///< a log outgrew its memory: the trial has to be run with more
    std::int32_t winning_metric = -1;   ///< index of the metric whose proposal counted; -1 none
    std::int32_t proposal = 0;          ///< that proposal, before stabilisation and limits
    HpaAbleToScale able_to_scale = HpaAbleToScale::succeeded_get_scale;
    HpaScalingActive scaling_active = HpaScalingActive::unset;
    HpaScalingLimited scaling_limited = HpaScalingLimited::unset;
};

/// Capacities that HpaState needs so that no log can outgrow its memory, as long as syncs are at least
/// spec.sync_period apart.
struct HpaLogCapacity {
    std::int32_t recommendations = 0;
    std::int32_t scale_ups = 0;
    std::int32_t scale_downs = 0;
};

}  // namespace windtunnel
