#pragma once
#include "models/time.hpp"
#include "policies/hpa.hpp"

#include <cstdint>

/// KEDA's ScaledObject: the polling loop that decides between zero and some, what happens when a scaler
/// fails, and the HPA that KEDA generates. Rules: kubernetes.md 2, of kedacore/keda 8b4f083c (2026-08-20).
namespace windtunnel {

enum class KedaFallbackBehavior : std::uint8_t {
    fixed,                       ///< `static`: fallback.replicas
    current_replicas,            ///< what the target has now
    current_replicas_if_higher,  ///< the larger of both
    current_replicas_if_lower,   ///< the smaller of both
    scaling_modifiers,           ///< the formula decides: a failed trigger's value is nil in it
};

struct KedaFallback {
    bool configured = false;
    std::int32_t failure_threshold = 0;
    std::int32_t replicas = 0;
    KedaFallbackBehavior behavior = KedaFallbackBehavior::fixed;
};

/// Defaults: kubernetes.md 2.1.
struct KedaScaledObject {
    std::int32_t min_replicas = 0;
    std::int32_t max_replicas = 100;
    bool has_idle_replicas = false;
    std::int32_t idle_replicas = 0;
    Tick polling_interval = seconds(30);
    Tick cooldown = seconds(300);
    Tick initial_cooldown = seconds(0);
    KedaFallback fallback;
    Tick created;         ///< creation of the ScaledObject; may lie before t = 0
    bool paused = false;  ///< annotation `paused` = true, or `paused-replicas`
    bool paused_scale_in = false;
    bool paused_scale_out = false;
    bool force_activation = false;
};

/// What KEDA keeps in the object's status.
struct KedaState {
    bool ever_active = false;
    Tick last_active;
};

/// A condition after a poll. `unchanged` = this poll does not touch it.
enum class KedaCondition : std::uint8_t { unchanged, yes, no, unknown };
enum class KedaActiveReason : std::uint8_t { unchanged, scaler_active, scaler_not_active, scaler_cooldown };
enum class KedaReadyReason : std::uint8_t { unchanged, ready, partial_trigger_error, trigger_error };

struct KedaDecision {
    std::int32_t replicas = 0;          ///< what spec.replicas is, or has to become
    bool rescale = false;               ///< write `replicas`
    bool last_active_time_set = false;  ///< the state's last_active became now
    KedaCondition active = KedaCondition::unchanged;
    KedaActiveReason active_reason = KedaActiveReason::unchanged;
    KedaCondition ready = KedaCondition::unchanged;
    KedaReadyReason ready_reason = KedaReadyReason::unchanged;
};

/// Whether the cooldown that applies has passed: since the last activity, or since creation for an object
/// that was never active. Strict: equality is still cooling down.
WT_HD constexpr bool cooldown_passed(const KedaScaledObject& object, const KedaState& state, Tick now) {
    return state.ever_active ? state.last_active + object.cooldown < now
                             : object.created + object.initial_cooldown < now;
}

/// One poll (upstream RequestScale). `current` = the target's spec.replicas; `active` = any trigger is
/// active; `error` = any trigger failed. KEDA only moves between zero (or idle) and min (or 1); between
/// min and max its HPA does.
WT_HD constexpr KedaDecision request_scale(const KedaScaledObject& object, KedaState& state,
                                           std::int32_t current, bool active, bool error, Tick now) {
    KedaDecision decision;
    decision.replicas = current;
    if (!error) {
        decision.ready = KedaCondition::yes;
        decision.ready_reason = KedaReadyReason::ready;
    }
    if (object.paused) return decision;

    const bool running = active || object.force_activation;
    decision.active = running ? KedaCondition::yes : KedaCondition::no;
    decision.active_reason = running ? KedaActiveReason::scaler_active : KedaActiveReason::scaler_not_active;
    const auto scale_to = [&](std::int32_t replicas) {
        decision.replicas = replicas;
        decision.rescale = replicas != current;
    };
    const auto refresh_activity = [&] {
        state.ever_active = true;
        state.last_active = now;
        decision.last_active_time_set = true;
    };

    if (running) {
        if ((object.has_idle_replicas && current < object.min_replicas) || current == 0) {
            if (object.paused_scale_out) return decision;
            scale_to(object.min_replicas > 0 ? object.min_replicas : 1);
            refresh_activity();
        } else if (error) {
            decision.ready = KedaCondition::unknown;
            decision.ready_reason = KedaReadyReason::partial_trigger_error;
        } else {
            refresh_activity();
        }
        return decision;
    }
    if (error && object.fallback.configured && object.fallback.replicas != 0) return decision;
    if (error && !object.fallback.configured) {
        // Never to zero on an error: silence of the event source is no proof of silence.
        decision.ready = KedaCondition::no;
        decision.ready_reason = KedaReadyReason::trigger_error;
        return decision;
    }
    if ((object.has_idle_replicas && current > object.idle_replicas) ||
        (current > 0 && object.min_replicas == 0)) {
        if (object.paused_scale_in) return decision;
        if (cooldown_passed(object, state, now))
            scale_to(object.has_idle_replicas ? object.idle_replicas : object.min_replicas);
        else
            decision.active_reason = KedaActiveReason::scaler_cooldown;
    } else if (!object.has_idle_replicas && current < object.min_replicas) {
        scale_to(object.min_replicas);
    }
    return decision;
}

/// One metric request with its failure counter. Both loops advance the counter: every poll and every
/// query of the HPA.
struct KedaHealth {
    std::int32_t failures = 0;
    bool failing = false;
};

struct KedaMetricAnswer {
    bool error = false;      ///< the HPA sees a failed metric
    bool fell_back = false;  ///< the value stands in for a failed scaler; counts as activity
    std::int64_t value_milli = 0;
    bool is_nil = false;  ///< fell back to nothing: the formula of scalingModifiers sees nil
};

/// A fallback with a negative number is as good as none.
WT_HD constexpr bool is_valid(const KedaFallback& fallback) {
    return fallback.configured && fallback.failure_threshold >= 0 && fallback.replicas >= 0;
}

/// Whether a metric with this health is falling back now (condition Fallback of the object = any is).
WT_HD constexpr bool is_falling_back(const KedaFallback& fallback, const KedaHealth& health) {
    return is_valid(fallback) && health.failing && health.failures > fallback.failure_threshold;
}

/// How many replicas a fallback stands for.
WT_HD constexpr std::int32_t fallback_replicas(const KedaFallback& fallback, std::int32_t current) {
    switch (fallback.behavior) {
        case KedaFallbackBehavior::fixed:
            break;
        case KedaFallbackBehavior::current_replicas:
            return current;
        case KedaFallbackBehavior::current_replicas_if_higher:
            return current > fallback.replicas ? current : fallback.replicas;
        case KedaFallbackBehavior::current_replicas_if_lower:
            return current < fallback.replicas ? current : fallback.replicas;
        case KedaFallbackBehavior::scaling_modifiers:
            break;
    }
    return fallback.replicas;
}

/// Counts success or failure and says what the HPA gets to see: the scaler's value; an error while the
/// failures are at most the threshold; after that `target * replicas`, which an AverageValue target turns
/// back into exactly that many replicas. A Value target (`average` false) divides by the ready pods.
/// Applies to External metrics only, not to cpu and memory triggers.
WT_HD constexpr KedaMetricAnswer metric_with_fallback(const KedaFallback& fallback, KedaHealth& health,
                                                      bool scaler_ok, std::int64_t value_milli,
                                                      std::int64_t target_milli, bool average,
                                                      std::int32_t current, std::int32_t ready_pods) {
    if (scaler_ok) {
        health = {};
        return {false, false, value_milli};
    }
    health.failing = true;
    ++health.failures;
    if (!is_falling_back(fallback, health)) return {true, false, 0};
    if (fallback.behavior == KedaFallbackBehavior::scaling_modifiers) return {false, true, 0, true};
    const std::int64_t total = target_milli * fallback_replicas(fallback, current);
    if (average) return {false, true, total};
    if (ready_pods == 0) return {true, false, 0};
    return {false, true, total / ready_pods};
}

/// One trigger as a poll found it.
struct KedaTriggerReading {
    bool resource = false;   ///< a cpu or memory trigger: only a metric of the HPA
    bool active = false;     ///< value above its activation threshold
    bool error = false;      ///< the scaler failed and no fallback stands in
    bool fell_back = false;  ///< a fallback stands in: counts as activity
};

struct KedaObjectActivity {
    bool active = false;
    bool error = false;
};

/// What a poll hands to `request_scale`: active if any trigger is. cpu and memory triggers never wake a
/// target by themselves; an object that has nothing else is always active, unless in error.
WT_HD constexpr KedaObjectActivity object_activity(const KedaTriggerReading* triggers, std::int32_t count) {
    KedaObjectActivity result;
    bool only_resources = count > 0;
    for (std::int32_t i = 0; i < count; ++i) {
        const KedaTriggerReading& trigger = triggers[i];
        result.error = result.error || trigger.error;
        if (trigger.resource) continue;
        only_resources = false;
        result.active = result.active || trigger.active || trigger.fell_back;
    }
    if (only_resources) result.active = !result.error;
    return result;
}

/// Whether the counts of a ScaledObject agree: idle below min (a missing min is 0), min at most max.
WT_HD constexpr bool has_valid_bounds(const KedaScaledObject& object) {
    return object.min_replicas <= object.max_replicas &&
           (!object.has_idle_replicas || object.idle_replicas < object.min_replicas);
}

/// The HPA that KEDA creates: never below one replica (zero is KEDA's own business), one External metric
/// per trigger, `behavior` only where the ScaledObject gives one. The caller adds metrics with
/// `add_external_metric` and copies behavior and tolerances.
WT_HD constexpr HpaSpec generated_hpa(const KedaScaledObject& object) {
    HpaSpec spec;
    spec.min_replicas = object.min_replicas > 0 ? object.min_replicas : 1;
    spec.max_replicas = object.max_replicas;
    return spec;
}

/// Adds a trigger's metric; false where the HPA has no room for more.
[[nodiscard]] WT_HD constexpr bool add_external_metric(HpaSpec& spec, std::int64_t target_milli,
                                                       bool average) {
    if (spec.metric_count >= hpa_max_metrics) return false;
    spec.metrics[spec.metric_count++] = {HpaMetricKind::external,
                                         average ? HpaTargetKind::average_value : HpaTargetKind::value, false,
                                         target_milli};
    return true;
}

}  // namespace windtunnel
