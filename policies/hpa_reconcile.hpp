#pragma once
#include "policies/hpa_behavior.hpp"
#include "policies/hpa_replica_calculator.hpp"

/// One sync of the HPA controller (kubernetes.md 1.3, 1.4).
namespace windtunnel {

/// The combined answer of all metrics: the largest proposal (ties keep the earlier metric). With all
/// metrics failed, or some failed and the rest below the present count, the whole computation fails:
/// nothing scales down on partial information.
struct HpaCombined {
    bool usable = false;  ///< replicas counts
    bool error = false;   ///< at least one metric failed
    std::int32_t replicas = 0;
    std::int32_t winning_metric = -1;
    HpaScalingActive reason = HpaScalingActive::unset;
};

WT_HD constexpr HpaScalingActive failure_reason(HpaMetricKind kind) {
    switch (kind) {
        case HpaMetricKind::resource:
            return HpaScalingActive::failed_get_resource_metric;
        case HpaMetricKind::container_resource:
            return HpaScalingActive::failed_get_container_resource_metric;
        case HpaMetricKind::pods:
            return HpaScalingActive::failed_get_pods_metric;
        case HpaMetricKind::object:
            return HpaScalingActive::failed_get_object_metric;
        case HpaMetricKind::external:
            return HpaScalingActive::failed_get_external_metric;
        case HpaMetricKind::invalid:
            break;
    }
    return HpaScalingActive::invalid_metric_source_type;
}

WT_HD constexpr HpaCombined combine_metrics(const HpaSpec& spec, const HpaSnapshot& snapshot, Tick now) {
    HpaCombined combined;
    if (!snapshot.selector_valid) {
        combined.error = true;
        combined.reason = HpaScalingActive::invalid_selector;
        return combined;
    }
    std::int32_t failed = 0;
    for (std::int32_t i = 0; i < spec.metric_count; ++i) {
        const HpaProposal proposal =
            propose_replicas(spec, spec.metrics[i], snapshot.metrics[i], snapshot, now);
        if (proposal.error != HpaMetricError::none) {
            if (failed == 0) combined.reason = failure_reason(spec.metrics[i].kind);
            ++failed;
        } else if (combined.winning_metric < 0 || proposal.replicas > combined.replicas) {
            combined.replicas = proposal.replicas;
            combined.winning_metric = i;
        }
    }
    combined.error = failed > 0;
    combined.usable =
        failed < spec.metric_count && (failed == 0 || combined.replicas >= snapshot.spec_replicas);
    if (combined.usable) combined.reason = HpaScalingActive::valid_metric_found;
    return combined;
}

/// Whether an HPA looks at a target of zero replicas at all. Without scale-to-zero it never does: leaving
/// zero is KEDA's or a person's work. With it, only a zero that the HPA wrote itself may be left.
WT_HD constexpr bool scaling_disabled(const HpaSpec& spec, const HpaState& state, std::int32_t current) {
    return current == 0 && !(spec.min_replicas == 0 && spec.scale_to_zero && state.scaled_to_zero);
}

/// Decides one sync and remembers it. The caller writes `desired_replicas` where `rescale` is set; the
/// write is taken as successful (conflicts are retried within the same sync upstream).
WT_HD constexpr HpaDecision reconcile_hpa(const HpaSpec& spec, HpaState& state, const HpaSnapshot& snapshot,
                                          Tick now) {
    HpaDecision decision;
    const std::int32_t current = snapshot.spec_replicas;
    decision.desired_replicas = current;
    // A controller without memory holds the present size for one window.
    if (state.recommendations.count == 0 && !state.recommendations.try_append({current, now}))
        decision.log_full = true;

    if (scaling_disabled(spec, state, current)) {
        decision.scaling_active = HpaScalingActive::scaling_disabled;
        return decision;
    }
    if (current > spec.max_replicas) {
        decision.desired_replicas = spec.max_replicas;
    } else if (current < spec.min_replicas) {
        decision.desired_replicas = spec.min_replicas;
    } else {
        const HpaCombined combined = combine_metrics(spec, snapshot, now);
        decision.error = combined.error;
        decision.scaling_active = combined.reason;
        if (!combined.usable) return decision;
        decision.winning_metric = combined.winning_metric;
        decision.proposal = combined.replicas > 0 ? combined.replicas : 0;

        const HpaStabilized stabilized =
            spec.has_behavior ? stabilize_with_behavior(state.recommendations, current, decision.proposal,
                                                        spec.scale_up.stabilization_window,
                                                        spec.scale_down.stabilization_window, now)
                              : stabilize_without_behavior(state.recommendations, decision.proposal,
                                                           spec.downscale_stabilization, now);
        if (!stabilized.recorded) decision.log_full = true;
        decision.able_to_scale = HpaAbleToScale::ready_for_new_scale;
        if (stabilized.replicas != decision.proposal)
            decision.able_to_scale = spec.has_behavior && decision.proposal >= current
                                         ? HpaAbleToScale::scale_up_stabilized
                                         : HpaAbleToScale::scale_down_stabilized;
        const HpaLimited limited =
            spec.has_behavior
                ? limit_with_behavior(spec, state, current, stabilized.replicas, now)
                : clamp_without_behavior(current, stabilized.replicas, spec.min_replicas, spec.max_replicas);
        decision.desired_replicas = limited.replicas;
        decision.scaling_limited = limited.reason;
    }

    const std::int32_t desired = decision.desired_replicas;
    decision.rescale = desired != current;
    if (!decision.rescale) return decision;
    decision.able_to_scale = HpaAbleToScale::succeeded_rescale;
    state.scaled_to_zero = desired == 0;
    if (spec.has_behavior) {
        const bool stored =
            desired > current ? store_scale_event(state.scale_ups, spec.scale_up, desired - current, now)
                              : store_scale_event(state.scale_downs, spec.scale_down, current - desired, now);
        if (!stored) decision.log_full = true;
    }
    return decision;
}

}  // namespace windtunnel
