// HorizontalPodAutoscaler: autoscaling/v2, v2beta2, v2beta1 and v1 with its alpha annotations, held to the
// API server's validation and conversions [from general knowledge, not re-read, 2026-11].
#include "scenarios/kubernetes/autoscaling_fields.hpp"

#include <algorithm>
#include <map>

namespace windtunnel {

const std::vector<std::pair<std::string, MetricTargetType>>& metric_target_types() {
    static const std::vector<std::pair<std::string, MetricTargetType>> types = {
        {"Utilization", MetricTargetType::utilization},
        {"AverageValue", MetricTargetType::average_value},
        {"Value", MetricTargetType::value}};
    return types;
}

ScaleTarget decode_scale_target(Decoder target) {
    ScaleTarget out;
    out.where = target.where();
    const auto kind = target.text("kind");
    if (kind) {
        const std::vector<std::pair<std::string, int>> kinds = {
            {"Deployment", 0}, {"StatefulSet", 0}, {"ReplicaSet", 0}, {"ReplicationController", 0}, {"LeaderWorkerSet", 0}, {"Rollout", 0}};
        if (target.choice("kind", kinds)) out.kind = *kind;
    }
    out.name = target.required_text("name");
    target.quiet({"apiVersion", "envSourceContainerName"});
    target.finish();
    return out;
}

namespace {

constexpr const char* alpha_prefix = "autoscaling.alpha.kubernetes.io/";

bool is_resource(const HpaMetric& metric) {
    return metric.source == MetricSource::resource || metric.source == MetricSource::container_resource;
}

/// A target's quantity in thousandths; has to be above 0, as the API server wants it.
void take_amount(Decoder& owner, const std::string& key, MetricTargetType type, HpaMetric& out) {
    const auto amount = owner.quantity(key);
    if (!amount) return;
    out.target = type;
    out.target_milli = amount->milli_ceil();
    if (out.target_milli <= 0) owner.error(key, "found a target of 0 or less, allowed: above 0");
}

/// The type of the only target that is given, where the controller looks at that and not at `type`: of all but Object
/// metrics, and only where such a metric can have it (horizontal.go, computeStatusForExternalMetric and its like [read in v1.20.2, 2026-11]).
std::optional<MetricTargetType> only_target(Decoder& target, MetricSource source) {
    const bool resource = source == MetricSource::resource || source == MetricSource::container_resource;
    std::optional<MetricTargetType> given;
    for (const auto& [key, type] : {std::pair("averageUtilization", MetricTargetType::utilization), std::pair("averageValue", MetricTargetType::average_value), std::pair("value", MetricTargetType::value)}) {
        if (!target.has(key)) continue;
        const bool possible = type == MetricTargetType::average_value || (type == MetricTargetType::utilization ? resource : source == MetricSource::external);
        if (given || !possible || source == MetricSource::object) return std::nullopt;
        given = type;
    }
    return given;
}

/// Reads `target:` of a v2 metric.
void decode_metric_target(Decoder target, HpaMetric& out) {
    const bool resource = is_resource(out);
    if (!target.has("type")) target.missing("type", "Utilization, AverageValue or Value");
    auto type = target.choice("type", metric_target_types());
    if (!type) {
        target.quiet({"averageUtilization", "averageValue", "value"});
        target.finish();
        return;
    }
    if (const auto given = only_target(target, out.source); given && *given != *type) {
        target.warn("type", "found " + *target.text("type") + " beside another target: the controller goes by the one that is given, whatever the type says");
        type = given;
    }
    const char* wanted = *type == MetricTargetType::utilization ? "averageUtilization"
                         : *type == MetricTargetType::value     ? "value"
                                                                : "averageValue";
    if (resource && *type == MetricTargetType::value)
        target.error("type", "found Value, allowed for a resource: Utilization or AverageValue");
    if (!resource && *type == MetricTargetType::utilization)
        target.error("type", "found Utilization, allowed for this metric: AverageValue" +
                                 std::string(out.source == MetricSource::pods ? "" : " or Value"));
    if (out.source == MetricSource::pods && *type == MetricTargetType::value)
        target.error("type", "found Value, allowed for a Pods metric: AverageValue");
    for (const char* other : {"averageUtilization", "averageValue", "value"})
        if (std::string(other) != wanted && target.has(other))
            target.error(other, "stands beside type " + std::string(*target.text("type")) + ", allowed: " + wanted +
                                    " alone, or the type that belongs to " + other);
    out.target = *type;
    if (*type == MetricTargetType::utilization) {
        const auto percent = target.int32("averageUtilization", 1);
        if (!percent && !target.has(wanted)) target.missing(wanted, "a percentage of the request, such as 80");
        out.utilization_percent = percent.value_or(100);
    } else {
        if (!target.has(wanted)) target.missing(wanted, "a quantity above 0");
        take_amount(target, wanted, *type, out);
    }
    target.quiet({"averageUtilization", "averageValue", "value"});
    target.finish();
}

/// The targets of v2beta1 and of v1's annotation stand in the block itself, under their older names.
void decode_flat_target(Decoder& block, HpaMetric& out) {
    const bool resource = is_resource(out);
    const std::string average = resource || out.source == MetricSource::pods || out.source == MetricSource::external
                                    ? "targetAverageValue"
                                    : "averageValue";
    const std::string other = resource ? "targetAverageUtilization" : "targetValue";
    const bool may_have_other = out.source != MetricSource::pods;
    // An Object's targetValue is a required field of that version and 0 where averageValue counts.
    if (block.has(average) && out.source == MetricSource::object) {
        block.quiet({other});
        return take_amount(block, average, MetricTargetType::average_value, out);
    }
    if (block.has(average) && may_have_other && block.has(other))
        block.error(other, "stands beside " + average + ", allowed: one of them");
    if (block.has(average)) return take_amount(block, average, MetricTargetType::average_value, out);
    if (!may_have_other || !block.has(other))
        return block.missing(may_have_other ? other : average, "the metric's target");
    if (!resource) return take_amount(block, other, MetricTargetType::value, out);
    out.target = MetricTargetType::utilization;
    out.utilization_percent = block.int32(other, 1).value_or(100);
}

void decode_described_object(Decoder object, HpaMetric& out) {
    out.object_kind = object.required_text("kind");
    out.object_name = object.required_text("name");
    object.quiet({"apiVersion"});
    object.finish();
}

void decode_metric_block(Decoder block, bool flat, HpaMetric& out) {
    if (is_resource(out)) {
        out.name = block.required_text("name");
        if (!out.name.empty() && out.name != "cpu" && out.name != "memory")
            block.error("name", "found " + out.name +
                                    ", allowed: cpu or memory (metrics-server has no others; GPU use is a Pods or "
                                    "External metric)");
        if (out.source == MetricSource::container_resource) out.container = block.required_text("container");
    } else if (flat) {
        out.name = block.required_text("metricName");
        out.selector = decode_label_selector(
            block.child(out.source == MetricSource::external ? "metricSelector" : "selector"));
        if (out.source == MetricSource::object) {
            if (!block.has("target")) block.missing("target", "kind and name of the object");
            else decode_described_object(block.child("target"), out);
        }
    } else {
        if (!block.has("metric")) block.missing("metric", "name (and selector) of the metric");
        else {
            Decoder metric = block.child("metric");
            out.name = metric.required_text("name");
            out.selector = decode_label_selector(metric.child("selector"));
            metric.finish();
        }
        if (out.source == MetricSource::object) {
            if (!block.has("describedObject")) block.missing("describedObject", "kind and name of the object");
            else decode_described_object(block.child("describedObject"), out);
        }
    }
    if (flat) decode_flat_target(block, out);
    else if (!block.has("target")) block.missing("target", "type and value of the target");
    else decode_metric_target(block.child("target"), out);
    block.finish();
}

HpaMetric decode_metric(Decoder& item, bool flat) {
    HpaMetric out;
    out.where = item.where();
    const std::vector<std::pair<std::string, MetricSource>> sources = {
        {"Resource", MetricSource::resource},
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
    for (const std::string& block : blocks)
        if (block != key && item.has(block)) item.error(block, "is the block of another type, allowed here: " + key);
    if (!item.has(key)) item.missing(key, "the block that belongs to the type");
    else decode_metric_block(item.child(key), flat, out);
    item.quiet(blocks);
    item.finish();
    return out;
}

ScalingRules decode_rules(Decoder rules) {
    ScalingRules out;
    if (const auto window = rules.int32("stabilizationWindowSeconds", 0, 3600))
        out.stabilization_window = seconds(*window);
    out.select_policy = rules.choice<SelectPolicy>(
        "selectPolicy",
        {{"Max", SelectPolicy::max}, {"Min", SelectPolicy::min}, {"Disabled", SelectPolicy::disabled}});
    rules.quiet({"policies"});  // null is as good as absent, and no unknown key
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
        out.tolerance = tolerance->to_double();
        if (tolerance->whole < 0) rules.error("tolerance", "found a negative tolerance, allowed: at least 0");
    }
    rules.finish();
    return out;
}

ScalingBehavior decode_directions(Decoder& behavior) {
    ScalingBehavior out{decode_rules(behavior.child("scaleUp")), decode_rules(behavior.child("scaleDown"))};
    behavior.finish();
    return out;
}

/// Gives every part of a document that came out of an annotation the annotation's place.
void move_to(Node& node, std::int32_t line, std::int32_t column) {
    node.line = line;
    node.column = column;
    for (Node& child : node.children) move_to(child, line, column);
}

/// The behavior annotation carries the internal type's field names, which begin with capitals, and Go reads either.
void lower_first_letters(Node& node) {
    if (!node.key.empty() && node.key[0] >= 'A' && node.key[0] <= 'Z') node.key[0] = static_cast<char>(node.key[0] - 'A' + 'a');
    for (Node& child : node.children) lower_first_letters(child);
}

/// The JSON in one of v1's alpha annotations; nullopt where there is none (or it cannot be read: an error).
std::optional<Document> annotation_json(Decoder& object, const ObjectMeta& meta, const std::string& name) {
    const auto found = meta.annotations.find(alpha_prefix + name);
    if (found == meta.annotations.end()) return std::nullopt;
    const Node* metadata = object.node().find("metadata");
    const Node* annotations = metadata != nullptr ? metadata->find("annotations") : nullptr;
    const Node* text = annotations != nullptr ? annotations->find(found->first) : nullptr;
    // A list is wrapped, because documents are maps.
    auto documents = parse_documents("{\"value\": " + found->second + "}", object.file());
    if (!documents || documents->size() != 1 || (*documents)[0].root.find("value") == nullptr) {
        object.error("metadata", "found the annotation " + found->first + " with \"" + found->second.substr(0, 60) +
                                     "\", allowed: the JSON that the API server writes there");
        return std::nullopt;
    }
    if (text != nullptr) move_to((*documents)[0].root, text->line, text->column);
    return std::move((*documents)[0]);
}

void decode_annotations(Decoder& object, HorizontalPodAutoscaler& out) {
    const std::string path = "metadata.annotations.";
    if (const auto document = annotation_json(object, out.meta, "metrics")) {
        Decoder wrapped(document->root, path + alpha_prefix + "metrics", object.file(), object.findings());
        std::vector<HpaMetric> metrics;
        for (Decoder& item : wrapped.children("value")) metrics.push_back(decode_metric(item, true));
        // The conversion puts the CPU target behind the annotation's metrics [from general knowledge, not re-read, 2026-11].
        metrics.insert(metrics.end(), out.metrics.begin(), out.metrics.end());
        out.metrics = std::move(metrics);
    }
    if (auto document = annotation_json(object, out.meta, "behavior")) {
        lower_first_letters(document->root);
        Decoder wrapped(document->root, path + alpha_prefix + "behavior", object.file(), object.findings());
        Decoder behavior = wrapped.child("value");
        out.behavior = decode_directions(behavior);
    }
}

/// What a dump of a live cluster says: where the workload starts.
void decode_status(Decoder& object, HorizontalPodAutoscaler& out) {
    const Node* status = object.node().find("status");
    if (status == nullptr || !status->is_map()) return;
    const Node* current = status->find("currentReplicas");
    if (current != nullptr && current->kind == Node::Kind::integer && current->integer >= 0 &&
        current->integer <= INT32_MAX)
        out.current_replicas = static_cast<std::int32_t>(current->integer);
}

/// The controller looks the kind up in the group that the target names; in another it finds none and scales nothing.
void check_group(Decoder& target) {
    const std::map<std::string, std::string> groups = {{"Deployment", "apps/"}, {"StatefulSet", "apps/"}, {"ReplicaSet", "apps/"}, {"LeaderWorkerSet", "leaderworkerset.x-k8s.io/"}, {"Rollout", "argoproj.io/"}};
    const std::string kind = target.text("kind").value_or(""), version = target.text("apiVersion").value_or("");
    const auto group = groups.find(kind);
    if (group != groups.end() && !version.starts_with(group->second))
        target.warn("apiVersion", "found \"" + version + "\", where the controller finds no " + kind + " and scales nothing (FailedGetScale); it is simulated as " + group->second + "...");
}

}  // namespace

std::optional<ScalingBehavior> decode_behavior(Decoder& owner) {
    if (!owner.take("behavior")) return std::nullopt;
    Decoder behavior = owner.child("behavior");
    return decode_directions(behavior);
}

HorizontalPodAutoscaler decode_horizontal_pod_autoscaler(Decoder& object, ObjectMeta meta,
                                                         const std::string& api_version) {
    HorizontalPodAutoscaler out;
    out.meta = std::move(meta);
    if (!object.has("spec")) object.missing("spec", "the autoscaler's spec");
    Decoder spec = object.child("spec");
    if (!spec.has("scaleTargetRef")) spec.missing("scaleTargetRef", "kind and name of what is scaled");
    else {
        Decoder target = spec.child("scaleTargetRef");
        if (!target.has("kind")) target.missing("kind", "Deployment, StatefulSet or ReplicaSet");
        check_group(target);
        out.target = decode_scale_target(std::move(target));
    }
    out.min_replicas = spec.int32("minReplicas", 0).value_or(1);
    if (spec.has("minReplicas") && out.min_replicas == 0)
        spec.error("minReplicas", "found 0, allowed: at least 1 (the HPA alone cannot leave zero; a KEDA "
                                  "ScaledObject can)");
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
            out.metrics.push_back(cpu);
        }
    } else {
        const bool flat = api_version == "autoscaling/v2beta1";
        for (Decoder& item : spec.children("metrics")) out.metrics.push_back(decode_metric(item, flat));
        if (!flat) out.behavior = decode_behavior(spec);
        // KEP-5325: with OwnerReferences only the target's own pods count. Selectors that overlap are refused,
        // so both strategies count the same pods here.
        spec.choice<int>("selectionStrategy", {{"LabelSelector", 0}, {"OwnerReferences", 1}});
    }
    decode_annotations(object, out);
    if (out.metrics.empty()) out.metrics.push_back(cpu);
    spec.finish();
    decode_status(object, out);
    return out;
}

}  // namespace windtunnel
