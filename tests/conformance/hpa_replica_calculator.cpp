#include "policies/hpa_replica_calculator.hpp"

#include "conformance/hpa_case.hpp"

#include <map>

namespace windtunnel::conformance {
namespace {

/// Pods, samples and the snapshot over them.
struct Scene {
    std::vector<HpaPod> pods;
    std::vector<HpaPodSample> samples;
    std::vector<std::int64_t> values;
    HpaSnapshot snapshot;
};

/// The usage of one returned sample; nothing where a container that counts lacks the resource.
std::optional<std::int64_t> usage_of(const Json& sample, const std::optional<std::string>& container) {
    if (given(sample, "value_milli")) return required<std::int64_t>(sample, "value_milli");
    const Json& containers = field(sample, "containers");
    if (containers.empty()) return std::nullopt;
    std::optional<std::int64_t> sum = 0;
    for (const auto& [name, value] : containers.items()) {
        const bool counts = !container || name == *container;
        const auto usage = value_or<std::int64_t>(containers, name.c_str(), -1);
        if (counts && usage < 0) sum.reset();
        if (counts && sum) *sum += usage;
    }
    return sum;
}

/// Requests of the containers that count.
HpaPodSample read_requests(const Json& pod, const std::optional<std::string>& container) {
    HpaPodSample sample;
    for (const Json& item : list(pod, "containers")) {
        const bool has_request = given(item, "cpu_request_milli");
        if (value_or<std::string>(item, "name", "") != container.value_or(item.value("name", ""))) continue;
        if (has_request)
            sample.request_milli += required<std::int64_t>(item, "cpu_request_milli");
        else
            sample.has_request = false;
    }
    return sample;
}

/// The container whose metric is asked for; none where the pods' are.
std::optional<std::string> container_of(const Json& input) {
    const auto name = value_or<std::string>(input, "container", "");
    return name.empty() ? std::nullopt : std::optional(name);
}

Scene read_scene(const Json& input, HpaMetricInput& metric) {
    Scene scene;
    std::map<std::string, std::size_t> index;
    const std::optional<std::string> container = container_of(input);
    for (const Json& pod : list(input, "pods")) {
        index[required<std::string>(pod, "name")] = scene.pods.size();
        scene.pods.push_back(read_pod(pod));
        scene.samples.push_back(read_requests(pod, container));
    }
    for (const Json& item : list(input, "pod_metrics")) {
        // A container metric needs an entry for that container in every sample that is returned.
        if (container && !field(item, "containers").contains(*container)) metric.failed = true;
        const auto usage = usage_of(item, container);
        const auto found = index.find(required<std::string>(item, "pod"));
        const Tick timestamp = ticks_or(item, "timestamp_offset_s", unset_time_s);
        const Tick window = ticks_or(item, "window_s", 0.0);
        if (!usage) continue;
        if (found == index.end()) {
            ++metric.stray_count;
            metric.stray_total_milli += *usage;
            continue;
        }
        HpaPodSample& sample = scene.samples[found->second];
        sample.present = true;
        sample.value_milli = *usage;
        sample.timestamp = timestamp;
        sample.window = window;
    }
    for (const Json& value : list(input, "metric_values_milli"))
        scene.values.push_back(read<std::int64_t>(value));
    metric.samples = scene.samples.data();
    metric.values_milli = scene.values.data();
    metric.value_count = static_cast<std::int32_t>(scene.values.size());
    HpaSnapshot& snapshot = scene.snapshot;
    snapshot.spec_replicas = snapshot.status_replicas = required<std::int32_t>(input, "current_replicas");
    snapshot.pods = scene.pods.data();
    snapshot.pod_count = static_cast<std::int32_t>(scene.pods.size());
    snapshot.ready_pods = count_ready_pods(snapshot.pods, snapshot.pod_count);
    return scene;
}

std::optional<HpaMetricSpec> read_metric(const std::string& kind, const Json& input) {
    const auto target = value_or<std::int64_t>(input, "target_milli", 0);
    const bool cpu = value_or<std::string>(input, "resource", "") == "cpu";
    if (kind == "resource_utilization")
        return HpaMetricSpec{
            container_of(input) ? HpaMetricKind::container_resource : HpaMetricKind::resource,
            HpaTargetKind::utilization, cpu, value_or<std::int64_t>(input, "target_utilization_percent", 0)};
    if (kind == "pods_average")
        return HpaMetricSpec{HpaMetricKind::pods, HpaTargetKind::average_value, false, target};
    if (kind == "object_value")
        return HpaMetricSpec{HpaMetricKind::object, HpaTargetKind::value, false, target};
    if (kind == "object_average")
        return HpaMetricSpec{HpaMetricKind::object, HpaTargetKind::average_value, false, target};
    if (kind == "external_value")
        return HpaMetricSpec{HpaMetricKind::external, HpaTargetKind::value, false, target};
    if (kind == "external_average")
        return HpaMetricSpec{HpaMetricKind::external, HpaTargetKind::average_value, false, target};
    return std::nullopt;
}

HpaSpec read_periods(const Json& file) {
    HpaSpec spec;
    const Json defaults = file.value("defaults", Json::object());
    spec.cpu_initialization_period = ticks_or(defaults, "cpu_initialization_period_s", 300.0);
    spec.initial_readiness_delay = ticks_or(defaults, "initial_readiness_delay_s", 30.0);
    return spec;
}

}  // namespace

std::optional<Json> run_hpa_replica_calculator(const Case& c) {
    const auto metric = read_metric(c.kind, c.input);
    if (!metric) return std::nullopt;
    HpaSpec spec = read_periods(c.file);
    spec.tolerance = {value_or(c.input, "tolerance_down", 0.1), value_or(c.input, "tolerance_up", 0.1)};
    HpaMetricInput input;
    const Scene scene = read_scene(c.input, input);
    const HpaProposal proposal = propose_replicas(spec, *metric, input, scene.snapshot, Tick{0});
    if (proposal.error != HpaMetricError::none) return Json{{"error", true}};
    return Json{{"replicas", proposal.replicas},
                {"usage_milli", proposal.usage_milli},
                {"raw_average_milli", proposal.usage_milli},
                {"utilization_percent", proposal.utilization_percent}};
}

std::optional<Json> run_hpa_group_pods(const Case& c) {
    if (c.kind != "group_pods") return std::nullopt;
    const HpaSpec spec = read_periods(c.file);
    std::map<std::string, HpaPodSample> samples;
    for (const Json& item : list(c.input, "pod_metrics")) {
        HpaPodSample sample;
        sample.present = true;
        sample.timestamp = ticks_or(item, "timestamp_offset_s", unset_time_s);
        sample.window = ticks_or(item, "window_s", 0.0);
        samples[required<std::string>(item, "pod")] = sample;
    }
    const bool cpu = value_or<std::string>(c.input, "resource", "") == "cpu";
    Json got{{"ready_pod_count", 0},
             {"unready", Json::array()},
             {"missing", Json::array()},
             {"ignored", Json::array()}};
    for (const Json& pod : list(c.input, "pods")) {
        const std::string name = required<std::string>(pod, "name");
        switch (group_pod(read_pod(pod), samples[name], cpu, Tick{0}, spec.cpu_initialization_period,
                          spec.initial_readiness_delay)) {
            case HpaPodGroup::ignored:
                got["ignored"].push_back(name);
                break;
            case HpaPodGroup::unready:
                got["unready"].push_back(name);
                break;
            case HpaPodGroup::missing:
                got["missing"].push_back(name);
                break;
            case HpaPodGroup::ready:
                got["ready_pod_count"] = got["ready_pod_count"].get<int>() + 1;
                break;
        }
    }
    return got;
}

}  // namespace windtunnel::conformance
