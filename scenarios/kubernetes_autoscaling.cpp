#include "scenarios/kubernetes_autoscaling.hpp"

#include <algorithm>

#include "scenarios/command_line.hpp"

namespace windtunnel {
namespace {

const std::vector<std::pair<std::string, MetricTargetType>> target_types = {{"Utilization", MetricTargetType::utilization},
                                                                            {"AverageValue", MetricTargetType::average_value},
                                                                            {"Value", MetricTargetType::value}};

ScaleTarget decode_scale_target(Decoder target) {
    ScaleTarget out;
    out.where = target.where();
    const auto kind = target.text("kind");
    if (kind) {
        const std::vector<std::pair<std::string, int>> kinds = {{"Deployment", 0}, {"StatefulSet", 0}, {"ReplicaSet", 0}};
        if (target.choice("kind", kinds)) out.kind = *kind;
    }
    out.name = target.required_text("name");
    target.quiet({"apiVersion", "envSourceContainerName"});
    target.finish();
    return out;
}

/// Reads `target:` of a v2 metric.
void decode_metric_target(Decoder target, HpaMetric& out, bool resource) {
    if (!target.has("type")) target.missing("type", "Utilization, AverageValue or Value");
    const auto type = target.choice("type", target_types);
    const auto utilization = target.int32("averageUtilization", 1);
    const auto average = target.quantity("averageValue");
    const auto value = target.quantity("value");
    target.finish();
    if (!type) return;
    out.target = *type;
    const char* wanted = *type == MetricTargetType::utilization ? "averageUtilization" : *type == MetricTargetType::value ? "value" : "averageValue";
    if (resource && *type == MetricTargetType::value) target.error("type", "found Value, allowed for a resource: Utilization or AverageValue");
    if (!resource && *type == MetricTargetType::utilization)
        target.error("type", "found Utilization, allowed for this metric: AverageValue" +
                                 std::string(out.source == MetricSource::pods ? "" : " or Value"));
    if (out.source == MetricSource::pods && *type == MetricTargetType::value) target.error("type", "found Value, allowed for a Pods metric: AverageValue");
    if (*type == MetricTargetType::utilization) {
        if (!utilization && !target.has("averageUtilization")) target.missing(wanted, "a percentage of the request, such as 80");
        out.utilization_percent = utilization.value_or(100);
        return;
    }
    const auto& amount = *type == MetricTargetType::value ? value : average;
    if (!amount && !target.has(wanted)) target.missing(wanted, "a quantity above 0");
    if (!amount) return;
    out.target_milli = amount->milli_ceil();
    if (out.target_milli <= 0) target.error(wanted, "found a target of 0 or less, allowed: above 0");
}

HpaMetric decode_metric(Decoder& item) {
    HpaMetric out;
    out.where = item.where();
    const std::vector<std::pair<std::string, MetricSource>> sources = {{"Resource", MetricSource::resource},
                                                                       {"ContainerResource", MetricSource::container_resource},
                                                                       {"Pods", MetricSource::pods},
                                                                       {"Object", MetricSource::object},
                                                                       {"External", MetricSource::external}};
    const std::vector<std::string> blocks = {"resource", "containerResource", "pods", "object", "external"};
    if (!item.has("type")) item.missing("type", "Resource, ContainerResource, Pods, Object or External");
    const auto source = item.choice("type", sources);
    if (!source) {
        item.quiet(blocks);
        item.finish();
        return out;
    }
    out.source = *source;
    const std::string& key = blocks[static_cast<std::size_t>(*source)];
    if (!item.has(key)) item.missing(key, "the block that belongs to the type");
    for (const std::string& block : blocks)
        if (block != key && item.has(block)) item.error(block, "is the block of another type, allowed here: " + key);
    item.quiet(blocks);
    if (!item.has(key)) return out;
    Decoder block = item.child(key);
    if (*source == MetricSource::resource || *source == MetricSource::container_resource) {
        out.name = block.required_text("name");
        if (!out.name.empty() && out.name != "cpu" && out.name != "memory")
            block.error("name", "found " + out.name + ", allowed: cpu or memory (metrics-server has no others; GPU use is a Pods or External metric)");
        if (*source == MetricSource::container_resource) out.container = block.required_text("container");
    } else {
        Decoder metric = block.child("metric");
        out.name = metric.required_text("name");
        out.selector = decode_label_selector(metric.child("selector"));
        metric.finish();
        if (*source == MetricSource::object) {
            Decoder object = block.child("describedObject");
            out.object_kind = object.required_text("kind");
            out.object_name = object.required_text("name");
            object.quiet({"apiVersion"});
            object.finish();
        }
    }
    if (!block.has("target")) block.missing("target", "type and value of the target");
    else decode_metric_target(block.child("target"), out, *source == MetricSource::resource || *source == MetricSource::container_resource);
    block.finish();
    item.finish();
    return out;
}

ScalingRules decode_rules(Decoder rules) {
    ScalingRules out;
    if (const auto window = rules.int32("stabilizationWindowSeconds", 0, 3600)) out.stabilization_window = seconds(*window);
    out.select_policy = rules.choice<SelectPolicy>("selectPolicy", {{"Max", SelectPolicy::max}, {"Min", SelectPolicy::min}, {"Disabled", SelectPolicy::disabled}});
    if (rules.has("policies")) {
        out.policies.emplace();
        for (Decoder& item : rules.children("policies")) {
            ScalingPolicy policy;
            if (!item.has("type")) item.missing("type", "Pods or Percent");
            policy.percent = item.choice<bool>("type", {{"Pods", false}, {"Percent", true}}).value_or(false);
            if (!item.has("value")) item.missing("value", "an integer above 0");
            policy.value = item.int32("value", 1).value_or(1);
            if (!item.has("periodSeconds")) item.missing("periodSeconds", "an integer from 1 to 1800");
            policy.period = seconds(item.int32("periodSeconds", 1, 1800).value_or(15));
            item.finish();
            out.policies->push_back(policy);
        }
        if (out.policies->empty()) rules.error("policies", "is empty, allowed: at least one policy");
    }
    if (const auto tolerance = rules.quantity("tolerance")) {
        out.tolerance_milli = tolerance->milli_ceil();
        if (tolerance->whole < 0) rules.error("tolerance", "found a negative tolerance, allowed: at least 0");
    }
    rules.finish();
    return out;
}

std::optional<ScalingBehavior> decode_behavior(Decoder& owner) {
    if (!owner.take("behavior")) return std::nullopt;
    Decoder behavior = owner.child("behavior");
    ScalingBehavior out{decode_rules(behavior.child("scaleUp")), decode_rules(behavior.child("scaleDown"))};
    behavior.finish();
    return out;
}

/// A number in a trigger's metadata, which is text there.
double metadata_number(Decoder& metadata, const std::string& key, double fallback, bool required, bool positive) {
    const auto value = metadata.text(key);
    if (!value) {
        if (required && !metadata.has(key)) metadata.missing(key, "a number in quotes");
        return fallback;
    }
    const Node number = resolve_plain_scalar(*value);
    const bool numeric = number.kind == Node::Kind::integer || number.kind == Node::Kind::number;
    if (!numeric || (positive && number.number <= 0) || !(number.number > -1e18 && number.number < 1e18)) {
        metadata.error(key, "found \"" + *value + "\", allowed: a number" + (positive ? " above 0" : ""));
        return fallback;
    }
    return number.number;
}

bool metadata_bool(Decoder& metadata, const std::string& key, bool fallback) {
    return metadata.choice<bool>(key, {{"true", true}, {"false", false}, {"True", true}, {"False", false}}).value_or(fallback);
}

/// The queue scalers: where each keeps the target per replica, its default, its activation threshold and
/// the queue's name. Defaults from KEDA's scalers (kedacore/keda, pkg/scalers, read August 2026).
struct QueueScaler {
    const char* type;
    const char* target;
    double fallback;
    const char* activation;
    const char* queue;
};
constexpr QueueScaler queue_scalers[] = {
    {"aws-sqs-queue", "queueLength", 5, "activationQueueLength", "queueURL"},
    {"redis", "listLength", 5, "activationListLength", "listName"},
    {"redis-streams", "pendingEntriesCount", 5, "activationLagCount", "stream"},
    {"kafka", "lagThreshold", 10, "activationLagThreshold", "topic"},
    {"rabbitmq", "value", 20, "activationValue", "queueName"},
    {"nats-jetstream", "lagThreshold", 10, "activationLagThreshold", "stream"},
    {"azure-servicebus", "messageCount", 5, "activationMessageCount", "queueName"},
    {"azure-queue", "queueLength", 5, "activationQueueLength", "queueName"},
    {"gcp-pubsub", "value", 10, "activationValue", "subscriptionName"},
};

void decode_prometheus(Decoder& metadata, Trigger& out) {
    out.query = metadata.required_text("query");
    out.threshold = metadata_number(metadata, "threshold", 1, true, true);
    out.activation_threshold = metadata_number(metadata, "activationThreshold", 0, false, false);
    out.ignore_null_values = metadata_bool(metadata, "ignoreNullValues", true);
    if (!metadata.has("serverAddress")) metadata.missing("serverAddress", "Prometheus' address");
    metadata.quiet({"serverAddress", "metricName", "namespace", "authModes", "customHeaders", "queryParameters", "unsafeSsl", "timeout", "cortexOrgID"});
    metadata.finish();
}

void decode_cron(Decoder& metadata, Trigger& out) {
    out.timezone = metadata.required_text("timezone");
    out.start = metadata.required_text("start");
    out.end = metadata.required_text("end");
    out.desired_replicas = static_cast<std::int32_t>(std::min(1e9, metadata_number(metadata, "desiredReplicas", 1, true, true)));
    metadata.finish();
    if (!out.timezone.empty() && !is_time_zone(out.timezone))
        metadata.error("timezone", "found \"" + out.timezone + "\", allowed: an IANA time zone such as Asia/Kolkata");
    for (const char* key : {"start", "end"}) {
        const std::string& expression = key[0] == 's' ? out.start : out.end;
        if (!expression.empty() && split_words(expression).size() != 5)
            metadata.error(key, "found \"" + expression + "\", allowed: five cron fields (minute hour day month weekday)");
    }
    if (!out.start.empty() && out.start == out.end) metadata.error("end", "found the same schedule as start, allowed: another one");
    out.threshold = 1;  // value = desiredReplicas, target AverageValue 1
}

void decode_resource_trigger(Decoder& trigger, Decoder& metadata, Trigger& out) {
    std::string type = trigger.has("metricType") ? "" : metadata.text("type").value_or("");
    metadata.quiet({"type", "activationValue"});
    if (!type.empty()) {
        const auto old = metadata.choice("type", target_types);
        out.metric_type = old.value_or(MetricTargetType::utilization);
    } else if (!trigger.has("metricType")) {
        trigger.missing("metricType", "Utilization or AverageValue");
    }
    const std::string value = metadata.required_text("value");
    out.container = metadata.text("containerName").value_or("");
    metadata.finish();
    if (value.empty()) return;
    if (out.metric_type == MetricTargetType::utilization) {
        const double percent = metadata_number(metadata, "value", 80, true, true);
        out.utilization_percent = static_cast<std::int32_t>(std::min(1e9, percent));
    } else if (auto quantity = parse_quantity(value)) {
        out.target_milli = quantity->milli_ceil();
        if (out.target_milli <= 0) metadata.error("value", "found \"" + value + "\", allowed: a quantity above 0");
    } else {
        metadata.error("value", quantity.problems()[0].message);
    }
}

void decode_queue(Decoder& metadata, const QueueScaler& scaler, Trigger& out) {
    out.queue = metadata.text(scaler.queue).value_or("");
    std::string key = scaler.target;
    if (out.type == "rabbitmq" && metadata.has("queueLength")) key = "queueLength";  // the older name
    if (out.type == "gcp-pubsub" && metadata.has("subscriptionSize")) key = "subscriptionSize";
    if (out.type == "redis-streams" && metadata.has("lagCount")) key = "lagCount";
    if (out.type == "redis-streams" && metadata.has("streamLength")) key = "streamLength";
    out.threshold = metadata_number(metadata, key, scaler.fallback, false, true);
    out.activation_threshold = metadata_number(metadata, scaler.activation, 0, false, false);
    out.queue_counts_in_flight = metadata_bool(metadata, "scaleOnInFlight", true);
    if (out.type == "rabbitmq") {
        const std::string mode = metadata.text("mode").value_or("QueueLength");
        if (mode != "QueueLength") metadata.error("mode", "found " + mode + ", allowed: QueueLength (rates are not simulated)");
    }
    // The rest says where the queue is and how to reach it. A kafka topic's partitions are a bound on
    // replicas that its metadata does not state.
}

Trigger decode_trigger(Decoder& trigger) {
    Trigger out;
    out.where = trigger.where();
    out.type = trigger.required_text("type");
    out.name = trigger.text("name").value_or("");
    out.use_cached_metrics = trigger.boolean("useCachedMetrics").value_or(false);
    out.metric_type = trigger.choice("metricType", target_types).value_or(MetricTargetType::average_value);
    trigger.quiet({"authenticationRef"});
    out.metadata = trigger.text_map("metadata");
    Decoder metadata = trigger.child("metadata");
    if (out.type == "prometheus") {
        decode_prometheus(metadata, out);
    } else if (out.type == "cron") {
        out.kind = TriggerKind::cron;
        decode_cron(metadata, out);
    } else if (out.type == "cpu" || out.type == "memory") {
        out.kind = out.type == "cpu" ? TriggerKind::cpu : TriggerKind::memory;
        decode_resource_trigger(trigger, metadata, out);
    } else {
        out.kind = TriggerKind::queue;
        const QueueScaler* found = nullptr;
        std::vector<std::string> names = {"prometheus", "cron", "cpu", "memory"};
        for (const QueueScaler& scaler : queue_scalers) {
            names.emplace_back(scaler.type);
            if (out.type == scaler.type) found = &scaler;
        }
        if (found) decode_queue(metadata, *found, out);
        else if (!out.type.empty())
            trigger.error("type", "found \"" + out.type + "\", which is not simulated, allowed: " + join(names) + did_you_mean(out.type, names));
    }
    const bool resource = out.kind == TriggerKind::cpu || out.kind == TriggerKind::memory;
    if (!resource && out.metric_type == MetricTargetType::utilization && trigger.has("metricType"))
        trigger.error("metricType", "found Utilization, allowed for this trigger: AverageValue or Value");
    trigger.finish();
    return out;
}

/// The value of a KEDA annotation, which is text.
bool is_set(const ObjectMeta& meta, const std::string& name) {
    const auto found = meta.annotations.find("autoscaling.keda.sh/" + name);
    return found != meta.annotations.end() && found->second != "false";
}

}  // namespace

HorizontalPodAutoscaler decode_horizontal_pod_autoscaler(Decoder& object, ObjectMeta meta, const std::string& api_version) {
    HorizontalPodAutoscaler out;
    out.meta = std::move(meta);
    if (!object.has("spec")) object.missing("spec", "the autoscaler's spec");
    Decoder spec = object.child("spec");
    if (!spec.has("scaleTargetRef")) spec.missing("scaleTargetRef", "kind and name of what is scaled");
    else out.target = decode_scale_target(spec.child("scaleTargetRef"));
    out.min_replicas = spec.int32("minReplicas", 0).value_or(1);
    if (spec.has("minReplicas") && out.min_replicas == 0)
        spec.error("minReplicas", "found 0, allowed: at least 1 (the HPA alone cannot leave zero; a KEDA ScaledObject can)");
    if (!spec.has("maxReplicas")) spec.missing("maxReplicas", "an integer of at least 1");
    out.max_replicas = spec.int32("maxReplicas", 1).value_or(std::max(1, out.min_replicas));
    if (out.min_replicas > out.max_replicas)
        spec.error("minReplicas", "found " + std::to_string(out.min_replicas) + " above maxReplicas " +
                                      std::to_string(out.max_replicas) + ", allowed: at most maxReplicas");
    HpaMetric cpu;
    cpu.name = "cpu";
    cpu.utilization_percent = 80;  // the API server's default
    cpu.where = spec.where();
    if (api_version == "autoscaling/v1") {
        if (const auto percent = spec.int32("targetCPUUtilizationPercentage", 1)) {
            cpu.utilization_percent = *percent;
            cpu.where = spec.where("targetCPUUtilizationPercentage");
        }
    } else {
        for (Decoder& item : spec.children("metrics")) out.metrics.push_back(decode_metric(item));
        out.behavior = decode_behavior(spec);
        spec.unsupported({"selectionStrategy"}, "the pods an HPA counts are those its target's selector matches");
    }
    if (out.metrics.empty()) out.metrics.push_back(cpu);
    spec.finish();
    return out;
}

ScaledObject decode_scaled_object(Decoder& object, ObjectMeta meta) {
    ScaledObject out;
    out.meta = std::move(meta);
    if (!object.has("spec")) object.missing("spec", "the ScaledObject's spec");
    Decoder spec = object.child("spec");
    if (!spec.has("scaleTargetRef")) spec.missing("scaleTargetRef", "name of what is scaled");
    else out.target = decode_scale_target(spec.child("scaleTargetRef"));
    out.polling_interval = seconds(spec.int32("pollingInterval", 1, 40'000'000).value_or(30));
    out.cooldown_period = seconds(spec.int32("cooldownPeriod", 0, 40'000'000).value_or(300));
    out.initial_cooldown_period = seconds(spec.int32("initialCooldownPeriod", 0, 40'000'000).value_or(0));
    out.idle_replicas = spec.int32("idleReplicaCount", 0);
    out.min_replicas = spec.int32("minReplicaCount", 0).value_or(0);
    out.max_replicas = spec.int32("maxReplicaCount", 1).value_or(100);
    if (out.min_replicas > out.max_replicas)
        spec.error("minReplicaCount", "found " + std::to_string(out.min_replicas) + " above maxReplicaCount " +
                                          std::to_string(out.max_replicas) + ", allowed: at most maxReplicaCount");
    if (out.idle_replicas && *out.idle_replicas >= out.min_replicas)
        spec.error("idleReplicaCount", "found " + std::to_string(*out.idle_replicas) + ", allowed: below minReplicaCount " + std::to_string(out.min_replicas));
    if (spec.has("fallback")) {
        Decoder fallback = spec.child("fallback");
        Fallback value;
        value.failure_threshold = fallback.int32("failureThreshold", 0).value_or(0);
        value.replicas = fallback.int32("replicas", 0).value_or(0);
        value.behavior = fallback.choice<FallbackBehavior>("behavior", {{"static", FallbackBehavior::fixed},
                                                                        {"currentReplicas", FallbackBehavior::current_replicas},
                                                                        {"currentReplicasIfHigher", FallbackBehavior::current_replicas_if_higher},
                                                                        {"currentReplicasIfLower", FallbackBehavior::current_replicas_if_lower},
                                                                        {"scalingModifiers", FallbackBehavior::scaling_modifiers}})
                             .value_or(FallbackBehavior::fixed);
        fallback.finish();
        out.fallback = value;
    }
    spec.quiet({"fallback"});
    Decoder advanced = spec.child("advanced");
    advanced.quiet({"restoreToOriginalReplicaCount"});
    Decoder config = advanced.child("horizontalPodAutoscalerConfig");
    config.quiet({"name"});
    out.behavior = decode_behavior(config);
    config.finish();
    if (advanced.has("scalingModifiers")) {
        Decoder modifiers = advanced.child("scalingModifiers");
        ScalingModifiers value;
        value.formula = modifiers.required_text("formula");
        value.target = metadata_number(modifiers, "target", 1, true, true);
        value.activation_target = metadata_number(modifiers, "activationTarget", 0, false, false);
        value.metric_type = modifiers.choice("metricType", target_types).value_or(MetricTargetType::average_value);
        modifiers.finish();
        out.modifiers = value;
    }
    advanced.quiet({"scalingModifiers"});
    advanced.finish();
    if (!spec.has("triggers")) spec.missing("triggers", "at least one trigger");
    for (Decoder& item : spec.children("triggers")) out.triggers.push_back(decode_trigger(item));
    if (spec.has("triggers") && out.triggers.empty()) spec.error("triggers", "is empty, allowed: at least one trigger");
    const bool only_resources = std::all_of(out.triggers.begin(), out.triggers.end(), [](const Trigger& t) {
        return t.kind == TriggerKind::cpu || t.kind == TriggerKind::memory;
    });
    if (!out.triggers.empty() && only_resources && out.min_replicas == 0)
        spec.warn("triggers", "scales on cpu or memory alone, so KEDA never reaches zero: minReplicaCount counts as 1");
    spec.finish();
    out.paused = is_set(out.meta, "paused");
    out.paused_scale_in = is_set(out.meta, "paused-scale-in");
    out.paused_scale_out = is_set(out.meta, "paused-scale-out");
    out.force_activation = is_set(out.meta, "force-activation");
    if (const auto found = out.meta.annotations.find("autoscaling.keda.sh/paused-replicas"); found != out.meta.annotations.end()) {
        const Node value = resolve_plain_scalar(found->second);
        if (value.kind == Node::Kind::integer && value.integer >= 0 && value.integer <= INT32_MAX)
            out.paused_replicas = static_cast<std::int32_t>(value.integer);
        else
            object.error("metadata", "has paused-replicas \"" + found->second + "\", allowed: an integer of at least 0");
    }
    return out;
}

MetricsMonitor decode_metrics_monitor(Decoder& object, ObjectMeta meta) {
    MetricsMonitor out;
    out.meta = std::move(meta);
    out.selects_services = out.meta.kind == "ServiceMonitor";
    Decoder spec = object.child("spec");
    out.selector = decode_label_selector(spec.child("selector"));
    const bool pod_monitor = out.meta.kind == "PodMonitor";  // Google's PodMonitoring has endpoints too
    for (Decoder& endpoint : spec.children(pod_monitor ? "podMetricsEndpoints" : "endpoints")) {
        // Prometheus writes durations as Go does, with days and weeks besides; scrape intervals are short.
        if (const auto interval = endpoint.go_duration("interval")) {
            if (interval->count <= 0) endpoint.error("interval", "found an interval of 0 or less, allowed: above 0");
            else out.interval = out.interval ? min(*out.interval, *interval) : *interval;
        }
    }
    return out;
}

}  // namespace windtunnel
