#include "policies/hpa_reconcile.hpp"

#include "conformance/hpa_case.hpp"

#include <list>

namespace windtunnel::conformance {
namespace {

const char* to_text(HpaAbleToScale reason) {
    switch (reason) {
        case HpaAbleToScale::succeeded_get_scale:
            return "SucceededGetScale";
        case HpaAbleToScale::ready_for_new_scale:
            return "ReadyForNewScale";
        case HpaAbleToScale::scale_up_stabilized:
            return "ScaleUpStabilized";
        case HpaAbleToScale::scale_down_stabilized:
            return "ScaleDownStabilized";
        case HpaAbleToScale::succeeded_rescale:
            return "SucceededRescale";
    }
    return "";
}

const char* to_text(HpaScalingActive reason) {
    switch (reason) {
        case HpaScalingActive::unset:
            break;
        case HpaScalingActive::valid_metric_found:
            return "ValidMetricFound";
        case HpaScalingActive::scaling_disabled:
            return "ScalingDisabled";
        case HpaScalingActive::invalid_selector:
            return "InvalidSelector";
        case HpaScalingActive::failed_get_resource_metric:
            return "FailedGetResourceMetric";
        case HpaScalingActive::failed_get_container_resource_metric:
            return "FailedGetContainerResourceMetric";
        case HpaScalingActive::failed_get_pods_metric:
            return "FailedGetPodsMetric";
        case HpaScalingActive::failed_get_object_metric:
            return "FailedGetObjectMetric";
        case HpaScalingActive::failed_get_external_metric:
            return "FailedGetExternalMetric";
        case HpaScalingActive::invalid_metric_source_type:
            return "InvalidMetricSourceType";
    }
    return "";
}

/// Samples by pod: the first belong to the pods of the list, what is left over to pods outside it.
/// `values` is marked as looked at by list().
void read_samples(const Json& values, const std::vector<HpaPodSample>& pods,
                  std::vector<HpaPodSample>& samples, HpaMetricInput& input) {
    samples = pods;
    std::size_t i = 0;
    for (const Json& value : values) {
        if (i < samples.size()) {
            samples[i].present = true;
            samples[i].value_milli = read<std::int64_t>(value);
        } else {
            ++input.stray_count;
            input.stray_total_milli += read<std::int64_t>(value);
        }
        ++i;
    }
    input.samples = samples.data();
}

HpaMetricSpec read_metric_spec(const Json& metric) {
    const std::string type = required<std::string>(metric, "type");
    const auto target = value_or<std::int64_t>(metric, "target_milli", 1);
    if (type == "pods_average") return {HpaMetricKind::pods, HpaTargetKind::average_value, false, target};
    if (type == "object_value") return {HpaMetricKind::object, HpaTargetKind::value, false, target};
    if (type == "object_average") return {HpaMetricKind::object, HpaTargetKind::average_value, false, target};
    if (type == "external_value") return {HpaMetricKind::external, HpaTargetKind::value, false, target};
    if (type == "external_average")
        return {HpaMetricKind::external, HpaTargetKind::average_value, false, target};
    if (type == "invalid") return {HpaMetricKind::invalid, HpaTargetKind::value, false, target};
    throw std::runtime_error(
        "found metric type '" + type +
        "', allowed: pods_average, object_value, object_average, external_value, external_average, invalid");
}

HpaSpec read_spec(const Json& input) {
    HpaSpec spec;
    spec.min_replicas = value_or(input, "min", 1);
    spec.max_replicas = required<std::int32_t>(input, "max");
    spec.scale_to_zero = spec.min_replicas == 0;
    spec.downscale_stabilization = ticks_or(input, "downscale_stabilization_window_s", 300.0);
    const double tolerance = value_or(input, "tolerance", 0.1);
    spec.tolerance = {value_or(input, "behavior_tolerance_down", tolerance),
                      value_or(input, "behavior_tolerance_up", tolerance)};
    const Json& scale_up = field(input, "behavior_scale_up");
    spec.has_behavior = !scale_up.is_null() || given(input, "behavior_tolerance_up") ||
                        given(input, "behavior_tolerance_down");
    spec.scale_up = read_rules(scale_up, default_scale_up_rules());
    spec.scale_down = default_scale_down_rules(spec.downscale_stabilization);
    return spec;
}

}  // namespace

std::optional<Json> run_hpa_reconcile(const Case& c) {
    if (c.kind != "reconcile") return std::nullopt;
    const Json& input = c.input;
    HpaSpec spec = read_spec(input);
    HpaSnapshot snapshot;
    snapshot.spec_replicas = required<std::int32_t>(input, "spec_replicas");
    snapshot.status_replicas = required<std::int32_t>(input, "status_replicas");

    // Pods are Running and Ready. Where no requests are listed there are status_replicas pods: without any if the list
    // is empty, with 1 CPU each, as upstream's fixture has it, if there is no list.
    std::vector<HpaPodSample> requests;
    for (const Json& request : list(input, "pods_cpu_request_milli")) {
        HpaPodSample sample;
        sample.request_milli = read<std::int64_t>(request);
        requests.push_back(sample);
    }
    if (requests.empty()) {
        HpaPodSample sample;
        sample.has_request = !given(input, "pods_cpu_request_milli");
        sample.request_milli = sample.has_request ? 1000 : 0;
        requests.assign(static_cast<std::size_t>(snapshot.status_replicas), sample);
    }
    std::vector<HpaPod> pods(requests.size());
    for (HpaPod& pod : pods) {
        pod.phase = PodPhase::running;
        pod.ready = ReadyCondition::yes;
        pod.started = true;
        pod.start = pod.ready_transition = ticks(-1e9);
    }
    snapshot.pods = pods.data();
    snapshot.pod_count = snapshot.ready_pods = static_cast<std::int32_t>(pods.size());

    std::list<std::vector<HpaPodSample>> samples;
    std::list<std::vector<std::int64_t>> values;
    const Json& reported = list(input, "pods_metric_milli");
    const bool cpu_by_default = list(input, "other_metrics").empty();
    if (given(input, "cpu_target_percent") || cpu_by_default) {
        // An empty list of metrics means cpu utilization 80 % (upstream DefaultCPUUtilization).
        const auto percent = value_or<std::int64_t>(input, "cpu_target_percent", 80);
        spec.metrics[spec.metric_count] = {HpaMetricKind::resource, HpaTargetKind::utilization, true,
                                           percent};
        read_samples(reported, requests, samples.emplace_back(), snapshot.metrics[spec.metric_count++]);
    }
    for (const Json& metric : list(input, "other_metrics")) {
        if (spec.metric_count == hpa_max_metrics) throw std::runtime_error("more metrics than allowed");
        HpaMetricInput& metric_input = snapshot.metrics[spec.metric_count];
        spec.metrics[spec.metric_count++] = read_metric_spec(metric);
        metric_input.failed = value_or(metric, "fails", false);
        const Json& own = list(metric, "values_milli");
        const Json& metric_values = given(metric, "values_from")
                                        ? list(input, required<std::string>(metric, "values_from").c_str())
                                        : own;
        if (spec.metrics[spec.metric_count - 1].kind == HpaMetricKind::pods) {
            read_samples(metric_values, requests, samples.emplace_back(), metric_input);
            continue;
        }
        std::vector<std::int64_t>& series = values.emplace_back();
        // Of an object there is one value; a list that other metrics use as well begins with it.
        const bool single = spec.metrics[spec.metric_count - 1].kind == HpaMetricKind::object;
        for (const Json& value : metric_values)
            if (!single || series.empty()) series.push_back(read<std::int64_t>(value));
        metric_input.values_milli = series.data();
        metric_input.value_count = static_cast<std::int32_t>(series.size());
    }

    // An empty log that exists already is one whose entries say nothing; the start-up entry is not made.
    OwnedLog<HpaRecommendation> recommendations;
    HpaState state;
    if (given(input, "prior_recommendations"))
        recommendations = read_recommendations(input, "prior_recommendations");
    const bool exists_but_empty = given(input, "prior_recommendations") && recommendations.entries.empty();
    if (exists_but_empty) recommendations.entries.push_back({0, ticks(-1e9)});
    OwnedLog<HpaScaleEvent> ups, downs;
    state.recommendations = recommendations.view();
    state.scale_ups = ups.view();
    state.scale_downs = downs.view();
    state.scaled_to_zero = spec.min_replicas == 0;

    const HpaDecision decision = reconcile_hpa(spec, state, snapshot, Tick{0});
    return Json{{"desired_replicas", decision.desired_replicas},
                {"scale_written", decision.rescale},
                {"error", decision.error},
                {"able_to_scale_reason", to_text(decision.able_to_scale)},
                {"scaling_active_reason", to_text(decision.scaling_active)},
                {"scaling_limited_reason", conformance::to_text(decision.scaling_limited)}};
}

}  // namespace windtunnel::conformance
