#include "policies/keda.hpp"

#include "conformance/conformance.hpp"
#include "policies/cron_schedule.hpp"
#include "policies/keda_scalers.hpp"

#include <sstream>
#include <stdexcept>

namespace windtunnel::conformance {
namespace {

const char* to_text(KedaCondition condition, const char* before) {
    switch (condition) {
        case KedaCondition::unchanged:
            break;
        case KedaCondition::yes:
            return "True";
        case KedaCondition::no:
            return "False";
        case KedaCondition::unknown:
            return "Unknown";
    }
    return before;
}

const char* to_text(KedaActiveReason reason) {
    switch (reason) {
        case KedaActiveReason::unchanged:
            break;
        case KedaActiveReason::scaler_active:
            return "ScalerActive";
        case KedaActiveReason::scaler_not_active:
            return "ScalerNotActive";
        case KedaActiveReason::scaler_cooldown:
            return "ScalerCooldown";
    }
    return "";
}

KedaFallback read_fallback(const Json& input) {
    const Json& fallback = field(input, "fallback");
    if (fallback.is_null()) return {};
    KedaFallback result{true, value_or(fallback, "failure_threshold", 0), value_or(fallback, "replicas", 0),
                        KedaFallbackBehavior::fixed};
    const std::string behavior = value_or<std::string>(fallback, "behavior", "static");
    if (behavior == "currentReplicas")
        result.behavior = KedaFallbackBehavior::current_replicas;
    else if (behavior == "currentReplicasIfHigher")
        result.behavior = KedaFallbackBehavior::current_replicas_if_higher;
    else if (behavior == "currentReplicasIfLower")
        result.behavior = KedaFallbackBehavior::current_replicas_if_lower;
    else if (behavior == "scalingModifiers")
        result.behavior = KedaFallbackBehavior::scaling_modifiers;
    else if (behavior != "static")
        throw std::runtime_error("found fallback behavior '" + behavior +
                                 "', allowed: static, currentReplicas, currentReplicasIfHigher, "
                                 "currentReplicasIfLower, scalingModifiers");
    return result;
}

/// Annotations are text. A flag holds unless it says false in one of the ways that Go's ParseBool knows:
/// a text that is no truth value is taken as wanting what it names.
bool flag(const Json& annotations, const char* name) {
    const Json& value = field(annotations, ("autoscaling.keda.sh/" + std::string(name)).c_str());
    if (value.is_null()) return false;
    if (!value.is_string()) return read<bool>(value);
    for (const char* no : {"0", "f", "F", "false", "FALSE", "False"})
        if (value == no) return false;
    return true;
}

/// Text of a field that the cases write as a string or a number.
std::optional<std::string> text(const Json& object, const char* key) {
    const Json& value = field(object, key);
    if (value.is_null()) return std::nullopt;
    return value.is_string() ? value.get<std::string>() : value.dump();
}

Result<CronTrigger> read_trigger(const Json& input) {
    return parse_cron_trigger(
        {text(input, "timezone"), text(input, "start"), text(input, "end"), text(input, "desiredReplicas")});
}

}  // namespace

std::optional<Json> run_keda_scale_executor(const Case& c) {
    if (c.kind != "request_scale") return std::nullopt;
    const Json& input = c.input;
    const Json defaults = c.file.value("defaults", Json::object());
    const Json& annotations = field(input, "annotations");
    KedaScaledObject object;
    object.min_replicas = value_or(input, "min_replica_count", 0);
    object.max_replicas = value_or(input, "max_replica_count", 100);
    object.has_idle_replicas = given(input, "idle_replica_count");
    object.idle_replicas = value_or(input, "idle_replica_count", 0);
    object.cooldown = ticks_or(input, "cooldown_period_s", value_or(defaults, "cooldown_period_s", 300.0));
    object.initial_cooldown =
        ticks_or(input, "initial_cooldown_period_s", value_or(defaults, "initial_cooldown_period_s", 0.0));
    object.fallback = read_fallback(input);
    object.created = ticks(-value_or(input, "object_age_s", 1e9));
    object.paused = given(annotations, "autoscaling.keda.sh/paused-replicas") || flag(annotations, "paused");
    object.paused_scale_in = flag(annotations, "paused-scale-in");
    object.paused_scale_out = flag(annotations, "paused-scale-out");
    object.force_activation = flag(annotations, "force-activation");
    KedaState state;
    state.ever_active = given(input, "last_active_age_s");
    state.last_active = ticks(-value_or(input, "last_active_age_s", 0.0));
    const KedaDecision decision =
        request_scale(object, state, required<std::int32_t>(input, "current_replicas"),
                      value_or(input, "is_active", false), value_or(input, "is_error", false), Tick{0});
    return Json{{"replicas", decision.replicas},
                {"scaled", decision.rescale},
                {"last_active_time_set", decision.last_active_time_set},
                {"active_condition", to_text(decision.active, "Unknown")},
                {"active_reason", to_text(decision.active_reason)},
                {"ready_condition", to_text(decision.ready, "True")}};
}

std::optional<Json> run_keda_cron(const Case& c) {
    const auto trigger = read_trigger(c.input);
    const auto now_text = value_or<std::string>(c.input, "now", "");
    const auto trigger_index = value_or(c.input, "trigger_index", 0);
    if (c.kind == "cron_validate") return Json{{"error", !trigger.ok()}};
    if (c.kind != "cron_metric_name" && c.kind != "cron_activity") return std::nullopt;
    if (!trigger) return Json{{"error", true}};
    if (c.kind == "cron_metric_name")
        return Json{{"metric_name", cron_metric_name(*trigger, trigger_index)},
                    {"target_average_value", cron_target_average}};
    UtcSeconds now;
    std::istringstream stream(now_text);
    stream >> date::parse("%FT%TZ", now);
    if (!stream) throw std::runtime_error("found a time that is not YYYY-MM-DDTHH:MM:SSZ");
    const bool active = is_active(*trigger, now);
    return Json{{"active", active}, {"value", active ? trigger->desired_replicas : 0}};
}

std::optional<Json> run_keda_fallback(const Case& c) {
    if (c.kind != "fallback") return std::nullopt;
    const Json& input = c.input;
    const KedaFallback fallback = read_fallback(input);
    KedaHealth health{value_or(input, "failures_before", 0), value_or(input, "failures_before", 0) > 0};
    const auto milli = [&](const char* key) { return keda_metric_milli(value_or(input, key, 0.0)); };
    const KedaMetricAnswer answer =
        metric_with_fallback(fallback, health, required<bool>(input, "scaler_ok"), milli("scaler_value"),
                             milli("target_average_value"), true, value_or(input, "current_replicas", 0), 0);
    const KedaHealth other{value_or(input, "other_trigger_failures", 0),
                           value_or(input, "other_trigger_failures", 0) > 0};
    Json got{{"error", answer.error},
             {"failures_after", health.failures},
             {"health_status", health.failing ? "Failing" : "Happy"},
             {"fallback_condition", is_falling_back(fallback, health) || is_falling_back(fallback, other)}};
    if (!answer.error) got["metric_value"] = static_cast<double>(answer.value_milli) / 1000.0;
    return got;
}

}  // namespace windtunnel::conformance
