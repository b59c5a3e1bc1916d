// KEDA's ScaledObject (kedacore/keda, apis/keda/v1alpha1 and its webhook's checks, August 2026).
#include "scenarios/kubernetes/autoscaling_fields.hpp"

#include <algorithm>
#include <map>

namespace windtunnel {
namespace {

/// The value of a KEDA annotation; "" when it is not there.
std::string annotation(const ObjectMeta& meta, const std::string& name) {
    const auto found = meta.annotations.find("autoscaling.keda.sh/" + name);
    return found == meta.annotations.end() ? "" : found->second;
}

/// A flag among the annotations, which are text.
bool flag(Decoder& object, const ObjectMeta& meta, const std::string& name) {
    const std::string value = annotation(meta, name);
    if (value.empty() || value == "false") return false;
    if (value != "true")
        object.error("metadata", "has autoscaling.keda.sh/" + name + " \"" + value + "\", allowed: \"true\" or \"false\"");
    return true;
}

void decode_annotations(Decoder& object, ScaledObject& out) {
    out.paused = flag(object, out.meta, "paused");
    out.paused_scale_in = flag(object, out.meta, "paused-scale-in");
    out.paused_scale_out = flag(object, out.meta, "paused-scale-out");
    out.force_activation = flag(object, out.meta, "force-activation");
    const std::string paused_replicas = annotation(out.meta, "paused-replicas");
    if (!paused_replicas.empty()) {
        const Node value = resolve_plain_scalar(paused_replicas);
        if (value.kind == Node::Kind::integer && value.integer >= 0 && value.integer <= INT32_MAX)
            out.paused_replicas = static_cast<std::int32_t>(value.integer);
        else
            object.error("metadata",
                         "has paused-replicas \"" + paused_replicas + "\", allowed: an integer of at least 0");
    }
    static const std::vector<std::string> known = {"paused", "paused-replicas", "paused-scale-in", "paused-scale-out",
                                                   "force-activation"};
    for (const auto& [name, value] : out.meta.annotations) {
        const std::string prefix = "autoscaling.keda.sh/";
        if (!name.starts_with(prefix)) continue;
        const std::string own = name.substr(prefix.size());
        if (std::find(known.begin(), known.end(), own) == known.end())
            object.warn("metadata", "has the annotation " + name + ", which KEDA does not know" + did_you_mean(own, known));
    }
    const auto transfer = out.meta.annotations.find("scaledobject.keda.sh/transfer-hpa-ownership");
    out.transfers_hpa = transfer != out.meta.annotations.end() && transfer->second == "true";
}

void decode_fallback(Decoder& spec, ScaledObject& out) {
    if (!spec.has("fallback")) return;
    Decoder fallback = spec.child("fallback");
    Fallback value;
    if (!fallback.has("failureThreshold")) fallback.missing("failureThreshold", "an integer of at least 0");
    value.failure_threshold = fallback.int32("failureThreshold", 0).value_or(0);
    value.replicas = fallback.int32("replicas", 0).value_or(0);
    value.behavior = fallback
                         .choice<FallbackBehavior>(
                             "behavior", {{"static", FallbackBehavior::fixed},
                                          {"currentReplicas", FallbackBehavior::current_replicas},
                                          {"currentReplicasIfHigher", FallbackBehavior::current_replicas_if_higher},
                                          {"currentReplicasIfLower", FallbackBehavior::current_replicas_if_lower},
                                          {"scalingModifiers", FallbackBehavior::scaling_modifiers}})
                         .value_or(FallbackBehavior::fixed);
    fallback.finish();
    out.fallback = value;
}

void decode_modifiers(Decoder& advanced, ScaledObject& out) {
    if (!advanced.has("scalingModifiers")) return;
    Decoder modifiers = advanced.child("scalingModifiers");
    ScalingModifiers value;
    value.formula = modifiers.required_text("formula");
    value.target = metadata_number(modifiers, "target", 1, true, true);
    value.activation_target = metadata_number(modifiers, "activationTarget", 0, false, false);
    value.metric_type =
        modifiers.choice("metricType", metric_target_types()).value_or(MetricTargetType::average_value);
    if (value.metric_type == MetricTargetType::utilization)
        modifiers.error("metricType", "found Utilization, allowed for a formula: AverageValue or Value");
    modifiers.finish();
    out.modifiers = value;
    // KEDA's webhook: every trigger that the formula names has a name, and no two have the same.
    bool any_named = false;
    for (const Trigger& trigger : out.triggers) any_named = any_named || !trigger.name.empty();
    if (!value.formula.empty() && !any_named)
        advanced.error("scalingModifiers", "has a formula, but no trigger has a name, allowed: names on the triggers that it uses");
}

void check_trigger_names(Decoder& spec, const std::vector<Trigger>& triggers) {
    std::map<std::string, std::size_t> seen;
    for (std::size_t i = 0; i < triggers.size(); ++i) {
        if (triggers[i].name.empty()) continue;
        const auto [first, added] = seen.try_emplace(triggers[i].name, i);
        if (added) continue;
        spec.findings().errors.push_back(
            {triggers[i].where, spec.path() + ".triggers[" + std::to_string(i) + "].name",
             "found the name " + triggers[i].name + " a second time (first on triggers[" + std::to_string(first->second) +
                 "]), allowed: each name once"});
    }
}

void check_bounds(Decoder& spec, const ScaledObject& out) {
    if (out.min_replicas > out.max_replicas)
        spec.error("minReplicaCount", "found " + std::to_string(out.min_replicas) + " above maxReplicaCount " +
                                          std::to_string(out.max_replicas) + ", allowed: at most maxReplicaCount");
    if (out.idle_replicas && *out.idle_replicas >= out.min_replicas)
        spec.error("idleReplicaCount", "found " + std::to_string(*out.idle_replicas) +
                                           ", allowed: below minReplicaCount " + std::to_string(out.min_replicas));
    if (out.idle_replicas && *out.idle_replicas > 0)
        spec.warn("idleReplicaCount", "is above 0: while idle the HPA that KEDA makes still raises the replicas to its own minimum, so only 0 has an effect");
}

}  // namespace

ScaledObject decode_scaled_object(Decoder& object, ObjectMeta meta) {
    ScaledObject out;
    out.meta = std::move(meta);
    if (!object.has("spec")) object.missing("spec", "the ScaledObject's spec");
    Decoder spec = object.child("spec");
    if (!spec.has("scaleTargetRef")) spec.missing("scaleTargetRef", "name of what is scaled");
    else out.target = decode_scale_target(spec.child("scaleTargetRef"));
    out.polling_interval = spec.whole_seconds("pollingInterval", 1).value_or(seconds(30));
    out.cooldown_period = spec.whole_seconds("cooldownPeriod", 0).value_or(seconds(300));
    out.initial_cooldown_period = spec.whole_seconds("initialCooldownPeriod", 0).value_or(seconds(0));
    out.idle_replicas = spec.int32("idleReplicaCount", 0);
    out.min_replicas = spec.int32("minReplicaCount", 0).value_or(0);
    out.max_replicas = spec.int32("maxReplicaCount", 1).value_or(100);
    check_bounds(spec, out);
    decode_fallback(spec, out);
    if (!spec.has("triggers")) spec.missing("triggers", "at least one trigger");
    for (Decoder& item : spec.children("triggers")) out.triggers.push_back(decode_trigger(item));
    if (spec.has("triggers") && out.triggers.empty()) spec.error("triggers", "is empty, allowed: at least one trigger");
    check_trigger_names(spec, out.triggers);
    Decoder advanced = spec.child("advanced");
    // It restores the count when the ScaledObject is deleted, which no scenario does.
    advanced.quiet({"restoreToOriginalReplicaCount"});
    Decoder config = advanced.child("horizontalPodAutoscalerConfig");
    out.hpa_name = config.text("name").value_or("keda-hpa-" + out.meta.name);
    out.behavior = decode_behavior(config);
    config.finish();
    decode_modifiers(advanced, out);
    advanced.quiet({"scalingModifiers"});
    advanced.finish();
    const bool only_resources = std::all_of(out.triggers.begin(), out.triggers.end(), [](const Trigger& t) {
        return t.kind == TriggerKind::cpu || t.kind == TriggerKind::memory;
    });
    if (!out.triggers.empty() && only_resources && out.min_replicas == 0)
        spec.warn("triggers", "scales on cpu or memory alone, so KEDA never reaches zero: minReplicaCount counts as 1");
    if (out.fallback && only_resources && !out.triggers.empty())
        spec.error("fallback", "stands over cpu and memory triggers alone, allowed: with another trigger (KEDA refuses it)");
    spec.quiet({"fallback", "advanced"});
    spec.finish();
    decode_annotations(object, out);
    return out;
}

}  // namespace windtunnel
