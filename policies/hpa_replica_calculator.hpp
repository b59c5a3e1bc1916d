#pragma once
#include "policies/hpa.hpp"
#include "policies/rounding.hpp"

/// Replica proposals of one metric (kubernetes.md 1.5, 1.6).
namespace windtunnel {

/// One metric's proposal. `replicas` counts only where `error` is none.
struct HpaProposal {
    HpaMetricError error = HpaMetricError::none;
    std::int32_t replicas = 0;
    std::int64_t usage_milli = 0;          ///< reported average (per-pod kinds) or value
    std::int32_t utilization_percent = 0;  ///< utilization targets only
};

/// Which group a pod belongs to; the first rule that matches wins.
enum class HpaPodGroup : std::uint8_t { ignored, unready, missing, ready };

/// 1 - down <= ratio <= 1 + up, in doubles, both ends inclusive. NaN is not within.
WT_HD constexpr bool within_tolerance(const HpaTolerance& tolerance, double ratio) {
    return 1.0 - tolerance.down <= ratio && ratio <= 1.0 + tolerance.up;
}

/// Groups a pod for a metric. `cpu` = the metric is the resource cpu, for which a young or never ready
/// pod's sample is not trusted; for every other metric a Running pod with a sample counts fully.
WT_HD constexpr HpaPodGroup group_pod(const HpaPod& pod, const HpaPodSample& sample, bool cpu, Tick now,
                                      Tick cpu_initialization_period, Tick initial_readiness_delay) {
    if (pod.deleting || pod.phase == PodPhase::failed || pod.phase == PodPhase::succeeded)
        return HpaPodGroup::ignored;
    if (pod.phase == PodPhase::pending) return HpaPodGroup::unready;
    if (!sample.present) return HpaPodGroup::missing;
    if (!cpu) return HpaPodGroup::ready;
    if (pod.ready == ReadyCondition::absent || !pod.started) return HpaPodGroup::unready;
    const bool not_ready = pod.ready == ReadyCondition::no;
    bool unready = false;
    if (pod.start + cpu_initialization_period > now)
        // Start-up work may distort the sample until one full window lies after readiness.
        unready = not_ready || sample.timestamp < pod.ready_transition + sample.window;
    else
        // Never ready after its first seconds: its usage says nothing about load.
        unready = not_ready && pod.start + initial_readiness_delay > pod.ready_transition;
    return unready ? HpaPodGroup::unready : HpaPodGroup::ready;
}

/// Pods that are Running and Ready; ones being deleted are not left out.
WT_HD constexpr std::int32_t count_ready_pods(const HpaPod* pods, std::int32_t count) {
    std::int32_t ready = 0;
    for (std::int32_t i = 0; i < count; ++i)
        if (pods[i].phase == PodPhase::running && pods[i].ready == ReadyCondition::yes) ++ready;
    return ready;
}

/// Whether a proposal needs to know the pods: their samples, or with a target `value` how many of them are Ready.
WT_HD constexpr bool asks_for_pods(const HpaMetricSpec& metric) {
    const bool of_value = metric.kind == HpaMetricKind::object || metric.kind == HpaMetricKind::external;
    return !of_value || metric.target == HpaTargetKind::value;
}

namespace hpa_detail {

/// Sums over the samples that count.
struct UsageSum {
    std::int64_t usage = 0;
    std::int64_t request = 0;
    std::int64_t pods = 0;     ///< samples of listed pods
    std::int64_t entries = 0;  ///< all samples, those of unlisted pods too
};

/// The ratio of usage to target, with what is reported. Utilization first becomes an integer percentage
/// (upstream divides integers), and only that is compared with the target.
struct UsageRatio {
    double ratio = 0.0;
    std::int64_t average_milli = 0;
    std::int32_t utilization_percent = 0;
};

WT_HD constexpr UsageRatio usage_ratio(const UsageSum& sum, bool utilization, std::int64_t target) {
    if (!utilization) {
        const std::int64_t average = sum.usage / sum.entries;
        return {static_cast<double>(average) / static_cast<double>(target), average, 0};
    }
    // Beyond 2^63 / 100 milli-units the hundredfold would overflow; it stops at the largest int64.
    const std::int64_t hundredfold = sum.usage > INT64_MAX / 100 ? INT64_MAX : sum.usage * 100;
    const std::int32_t percent = saturate_i32(hundredfold / sum.request);
    return {static_cast<double>(percent) / static_cast<double>(target), sum.usage / sum.pods, percent};
}

}  // namespace hpa_detail

/// Proposal of a metric with one sample per pod: Resource and ContainerResource (utilization or
/// averageValue) and Pods. Missing pods count against the direction of change, unready pods as idle on the
/// way up, and a correction may cancel the change but never turn it round.
WT_HD constexpr HpaProposal propose_from_pods(const HpaSpec& spec, const HpaMetricSpec& metric,
                                              const HpaMetricInput& input, const HpaSnapshot& snapshot,
                                              Tick now) {
    using hpa_detail::UsageSum;
    const bool utilization = metric.target == HpaTargetKind::utilization;
    const bool cpu = metric.cpu && metric.kind != HpaMetricKind::pods;
    const std::int32_t current = snapshot.spec_replicas;
    if (input.failed) return {HpaMetricError::no_metrics};

    UsageSum sum;
    std::int64_t returned = input.stray_count;
    std::int32_t ready = 0, unready = 0, missing = 0;
    bool request_missing = false;
    std::int64_t missing_fill = 0;  // what missing pods add on the way down
    std::int64_t missing_request = 0, unready_request = 0;
    const std::int64_t fallback_percent = metric.target_milli > 100 ? metric.target_milli : 100;
    for (std::int32_t i = 0; i < snapshot.pod_count; ++i) {
        const HpaPodSample& sample = input.samples[i];
        if (sample.present) ++returned;
        if (utilization && !sample.has_request) request_missing = true;
        switch (group_pod(snapshot.pods[i], sample, cpu, now, spec.cpu_initialization_period,
                          spec.initial_readiness_delay)) {
            case HpaPodGroup::ignored:
                break;
            case HpaPodGroup::unready:
                ++unready;
                unready_request += sample.request_milli;
                break;
            case HpaPodGroup::missing:
                ++missing;
                missing_request += sample.request_milli;
                missing_fill = saturating_add(
                    missing_fill,
                    utilization ? sample.request_milli * fallback_percent / 100 : metric.target_milli);
                break;
            case HpaPodGroup::ready:
                ++ready;
                ++sum.pods;
                sum.usage = saturating_add(sum.usage, sample.value_milli);
                sum.request += sample.request_milli;
                break;
        }
    }
    if (returned == 0) return {HpaMetricError::no_metrics};
    if (snapshot.pod_count == 0) return {HpaMetricError::no_pods};
    sum.entries = sum.pods + input.stray_count;
    if (sum.entries == 0) return {HpaMetricError::no_usable_samples};
    if (utilization) {
        if (request_missing) return {HpaMetricError::missing_request};
        if (sum.request == 0) return {HpaMetricError::no_known_pods};
    } else {
        // Unlisted pods have no request and so do not touch a utilization, but they do touch an average.
        sum.usage = saturating_add(sum.usage, input.stray_total_milli);
    }

    const auto first = hpa_detail::usage_ratio(sum, utilization, metric.target_milli);
    HpaProposal proposal{HpaMetricError::none, current, first.average_milli, first.utilization_percent};
    const bool count_unready = unready > 0 && first.ratio > 1.0;
    if (!count_unready && missing == 0) {
        if (!within_tolerance(spec.tolerance, first.ratio))
            proposal.replicas = ceil_to_i32(first.ratio * static_cast<double>(ready));
        return proposal;
    }
    if (missing > 0 && first.ratio != 1.0) {
        if (first.ratio < 1.0) sum.usage = saturating_add(sum.usage, missing_fill);
        sum.request += missing_request;
        sum.pods += missing;
        sum.entries += missing;
    }
    if (count_unready) {
        sum.request += unready_request;
        sum.pods += unready;
        sum.entries += unready;
    }
    const double ratio = hpa_detail::usage_ratio(sum, utilization, metric.target_milli).ratio;
    if (within_tolerance(spec.tolerance, ratio) || (first.ratio < 1.0 && ratio > 1.0) ||
        (first.ratio > 1.0 && ratio < 1.0))
        return proposal;
    const std::int32_t replicas = ceil_to_i32(ratio * static_cast<double>(sum.entries));
    if ((ratio < 1.0 && replicas > current) || (ratio > 1.0 && replicas < current)) return proposal;
    proposal.replicas = replicas;
    return proposal;
}

/// Proposal of an Object or External metric. With `value` the number of Ready pods is multiplied by the
/// ratio; with `averageValue` the answer is ceil(metric / target), and "unchanged" means status.replicas.
WT_HD constexpr HpaProposal propose_from_value(const HpaSpec& spec, const HpaMetricSpec& metric,
                                               const HpaMetricInput& input, const HpaSnapshot& snapshot) {
    if (input.failed || input.value_count == 0) return {HpaMetricError::no_metrics};
    std::int64_t total = 0;
    for (std::int32_t i = 0; i < input.value_count; ++i) total = saturating_add(total, input.values_milli[i]);
    const auto usage = static_cast<double>(total);
    const auto target = static_cast<double>(metric.target_milli);

    if (metric.target == HpaTargetKind::average_value) {
        const std::int32_t pods = snapshot.status_replicas;
        const auto existing = static_cast<double>(pods);
        HpaProposal proposal{HpaMetricError::none, pods, total, 0};
        // With no pod the ratio is infinite (or 0/0): never within the tolerance.
        if (pods == 0 || !within_tolerance(spec.tolerance, usage / (target * existing)))
            proposal.replicas = ceil_to_i32(usage / target);
        if (pods > 0) proposal.usage_milli = ceil_to_i64(usage / existing);
        return proposal;
    }
    const double ratio = usage / target;
    HpaProposal proposal{HpaMetricError::none, snapshot.spec_replicas, total, 0};
    if (snapshot.spec_replicas == 0) {
        proposal.replicas = ceil_to_i32(ratio);
    } else if (!within_tolerance(spec.tolerance, ratio)) {
        if (snapshot.pod_count == 0) return {HpaMetricError::no_pods};
        proposal.replicas = ceil_to_i32(ratio * static_cast<double>(snapshot.ready_pods));
    }
    return proposal;
}

/// Proposal of any metric.
WT_HD constexpr HpaProposal propose_replicas(const HpaSpec& spec, const HpaMetricSpec& metric,
                                             const HpaMetricInput& input, const HpaSnapshot& snapshot,
                                             Tick now) {
    switch (metric.kind) {
        case HpaMetricKind::resource:
        case HpaMetricKind::container_resource:
        case HpaMetricKind::pods:
            return propose_from_pods(spec, metric, input, snapshot, now);
        case HpaMetricKind::object:
        case HpaMetricKind::external:
            return propose_from_value(spec, metric, input, snapshot);
        case HpaMetricKind::invalid:
            break;
    }
    return {HpaMetricError::invalid_source};
}

}  // namespace windtunnel
