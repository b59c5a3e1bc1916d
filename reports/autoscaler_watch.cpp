// Reasons and messages: pkg/controller/podautoscaler/horizontal.go (v1.37 cycle) and KEDA's
// apis/keda/v1alpha1/condition_types.go, pkg/eventreason (2.20); messages from general knowledge, shortened.
#include "reports/autoscaler_watch.hpp"

#include <fmt/format.h>

namespace windtunnel {

namespace {

struct Words {
    const char* reason;
    const char* message;
};

Words words_of(HpaAbleToScale a) {
    switch (a) {
        case HpaAbleToScale::succeeded_get_scale:
            return {"SucceededGetScale", "the HPA controller was able to get the target's current scale"};
        case HpaAbleToScale::ready_for_new_scale:
            return {"ReadyForNewScale", "recommended size matches current size"};
        case HpaAbleToScale::scale_up_stabilized:
            return {"ScaleUpStabilized",
                    "recent recommendations were lower than current one, applying the lowest recent recommendation"};
        case HpaAbleToScale::scale_down_stabilized:
            return {"ScaleDownStabilized",
                    "recent recommendations were higher than current one, applying the highest recent "
                    "recommendation"};
        case HpaAbleToScale::succeeded_rescale:
            return {"SucceededRescale", "the HPA controller was able to update the target scale"};
    }
    return {"", ""};
}

Words words_of(HpaScalingActive a) {
    switch (a) {
        case HpaScalingActive::unset:
            break;
        case HpaScalingActive::valid_metric_found:
            return {"ValidMetricFound", "the HPA was able to successfully calculate a replica count"};
        case HpaScalingActive::scaling_disabled:
            return {"ScalingDisabled", "scaling is disabled since the replica count of the target is zero"};
        case HpaScalingActive::invalid_selector:
            return {"InvalidSelector", "the HPA target's scale has no valid selector"};
        case HpaScalingActive::failed_get_resource_metric:
            return {"FailedGetResourceMetric", "the HPA was unable to compute the replica count"};
        case HpaScalingActive::failed_get_container_resource_metric:
            return {"FailedGetContainerResourceMetric", "the HPA was unable to compute the replica count"};
        case HpaScalingActive::failed_get_pods_metric:
            return {"FailedGetPodsMetric", "the HPA was unable to compute the replica count"};
        case HpaScalingActive::failed_get_object_metric:
            return {"FailedGetObjectMetric", "the HPA was unable to compute the replica count"};
        case HpaScalingActive::failed_get_external_metric:
            return {"FailedGetExternalMetric", "the HPA was unable to compute the replica count"};
        case HpaScalingActive::invalid_metric_source_type:
            return {"InvalidMetricSourceType", "the HPA was unable to compute the replica count"};
    }
    return {"", ""};
}

Words words_of(HpaScalingLimited l) {
    switch (l) {
        case HpaScalingLimited::unset:
            break;
        case HpaScalingLimited::desired_within_range:
            return {"DesiredWithinRange", "the desired count is within the acceptable range"};
        case HpaScalingLimited::too_few_replicas:
            return {"TooFewReplicas", "the desired replica count is less than the minimum replica count"};
        case HpaScalingLimited::too_many_replicas:
            return {"TooManyReplicas", "the desired replica count is more than the maximum replica count"};
        case HpaScalingLimited::scale_up_limit:
            return {"ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate"};
        case HpaScalingLimited::scale_down_limit:
            return {"ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate"};
    }
    return {"", ""};
}

const char* status_text(KedaCondition c) {
    return c == KedaCondition::yes ? "True" : c == KedaCondition::no ? "False" : "Unknown";
}

Words words_of(KedaActiveReason r) {
    switch (r) {
        case KedaActiveReason::scaler_active:
            return {"ScalerActive", "Scaling is performed because triggers are active"};
        case KedaActiveReason::scaler_not_active:
            return {"ScalerNotActive", "Scaling is not performed because triggers are not active"};
        case KedaActiveReason::scaler_cooldown:
            return {"ScalerCooldown", "Scaler cooling down because triggers are not active"};
        case KedaActiveReason::unchanged:
            break;
    }
    return {"", ""};
}

Words words_of(KedaReadyReason r) {
    switch (r) {
        case KedaReadyReason::ready:
            return {"ScaledObjectReady", "ScaledObject is defined correctly and is ready for scaling"};
        case KedaReadyReason::partial_trigger_error:
            return {"PartialTriggerError", "Some triggers defined in ScaledObject are not working correctly"};
        case KedaReadyReason::trigger_error:
            return {"TriggerError", "Triggers defined in ScaledObject are not working correctly"};
        case KedaReadyReason::unchanged:
            break;
    }
    return {"", ""};
}

}  // namespace

void ConditionHistory::set(Tick now, const std::string& status, const std::string& reason,
                           const std::string& message) {
    if (m_current >= 0) {
        const HeldCondition& c = m_held[static_cast<std::size_t>(m_current)];
        if (c.reason == reason && c.status == status && c.message == message) return;
        m_time[static_cast<std::size_t>(m_current)] += now - m_since;
    }
    m_since = now;
    for (std::size_t i = 0; i < m_held.size(); ++i) {
        if (m_held[i].reason != reason || m_held[i].status != status || m_held[i].message != message) continue;
        ++m_held[i].times;
        m_current = static_cast<int>(i);
        return;
    }
    m_current = static_cast<int>(m_held.size());
    m_held.push_back({m_type, status, reason, message, 0, 1, to_seconds(now)});
    m_time.emplace_back();
}

void ConditionHistory::finish(Tick end, std::vector<HeldCondition>& out) {
    if (m_current >= 0 && end > m_since) m_time[static_cast<std::size_t>(m_current)] += end - m_since;
    m_since = end;
    for (std::size_t i = 0; i < m_held.size(); ++i) {
        m_held[i].held_s = to_seconds(m_time[i]);
        out.push_back(m_held[i]);
    }
}

AutoscalerWatch::AutoscalerWatch(const CompiledAutoscaler& names, const AutoscalerPlan& plan)
    : m_names(names), m_plan(plan) {
    m_log.name = names.name;
    m_log.hpa = names.hpa;
    m_log.target = names.target;
    m_log.minimum = plan.is_keda ? plan.keda.min_replicas : plan.hpa.min_replicas;
    m_log.maximum = plan.hpa.max_replicas;
}

std::string AutoscalerWatch::metric_name(std::int32_t index) const {
    return index >= 0 && static_cast<std::size_t>(index) < m_names.metrics.size()
               ? m_names.metrics[static_cast<std::size_t>(index)]
               : std::string();
}

void AutoscalerWatch::show_conditions(const HpaSyncRecord& r, EventBook& events) {
    const std::string object = "HorizontalPodAutoscaler/" + m_names.hpa;
    const Words able = words_of(r.decision.able_to_scale), active = words_of(r.decision.scaling_active),
                limited = words_of(r.decision.scaling_limited);
    m_able.set(r.at, "True", able.reason, able.message);
    if (r.decision.scaling_active != HpaScalingActive::unset) {
        const bool valid = r.decision.scaling_active == HpaScalingActive::valid_metric_found;
        m_active.set(r.at, valid ? "True" : "False", active.reason, active.message);
        if (!valid && r.decision.scaling_active != HpaScalingActive::scaling_disabled) {
            events.warning(r.at, object, active.reason, active.message);
            events.warning(r.at, object, "FailedComputeMetricsReplicas",
                           "invalid metrics: no replica count could be computed from what the metrics API answered");
        }
    }
    if (r.decision.scaling_limited != HpaScalingLimited::unset)
        m_limited.set(r.at,
                      r.decision.scaling_limited == HpaScalingLimited::desired_within_range ? "False" : "True",
                      limited.reason, limited.message);
    const bool at_maximum = r.decision.scaling_limited == HpaScalingLimited::too_many_replicas;
    if (at_maximum && m_at_maximum_since == never) {
        m_at_maximum_since = r.at;
        if (!m_first_at_maximum) m_first_at_maximum = r.at;
    } else if (!at_maximum && m_at_maximum_since != never) {
        m_at_maximum += r.at - m_at_maximum_since;
        m_at_maximum_since = never;
    }
}

void AutoscalerWatch::synced(const HpaSyncRecord& r, EventBook& events) {
    show_conditions(r, events);
    if (!r.decision.rescale) return;
    const std::string metric = metric_name(r.decision.winning_metric);
    std::string reason;
    if (r.current > m_plan.hpa.max_replicas)
        reason = "Current number of replicas above Spec.MaxReplicas";
    else if (r.current < m_plan.hpa.min_replicas)
        reason = "Current number of replicas below Spec.MinReplicas";
    else if (r.decision.desired_replicas > r.current)
        reason = metric + " above target";
    else
        reason = "All metrics below target";
    events.normal(r.at, "HorizontalPodAutoscaler/" + m_names.hpa, "SuccessfulRescale",
                  fmt::format("New size: {}; reason: {}", r.decision.desired_replicas, reason));
    m_log.scalings.push_back({to_seconds(r.at), static_cast<std::uint32_t>(r.current),
                              static_cast<std::uint32_t>(r.decision.desired_replicas), "HPA", metric, reason});
}

void AutoscalerWatch::polled(const KedaPollRecord& r, EventBook& events) {
    const KedaDecision& d = r.decision;
    if (d.active != KedaCondition::unchanged) {
        const Words w = words_of(d.active_reason);
        m_keda_active.set(r.at, status_text(d.active), w.reason, w.message);
    }
    if (d.ready != KedaCondition::unchanged) {
        const Words w = words_of(d.ready_reason);
        m_keda_ready.set(r.at, status_text(d.ready), w.reason, w.message);
    }
    if (m_plan.keda.fallback.configured) {
        if (r.falling_back != 0)
            m_keda_fallback.set(r.at, "True", "FallbackExists",
                                "At least one trigger is falling back on this scaled object");
        else
            m_keda_fallback.set(r.at, "False", "NoFallbackFound",
                                "No fallbacks are active on this scaled object");
    }
    for (std::size_t t = 0; t < m_names.triggers.size(); ++t)
        if (r.failing >> t & 1)
            events.warning(r.at, m_names.name, "KEDAScalerFailed",
                           fmt::format("error getting metric for trigger {}", m_names.triggers[t]));
    if (!d.rescale) return;
    if (m_plan.scales_jobs) {
        const std::string created = fmt::format("Created {} jobs", d.replicas - r.current);
        events.normal(r.at, m_names.name, "KEDAJobsCreated", created);
        m_log.scalings.push_back({to_seconds(r.at), static_cast<std::uint32_t>(r.current),
                                  static_cast<std::uint32_t>(d.replicas), "KEDA", "", "KEDAJobsCreated"});
        return;
    }
    const bool up = d.replicas > r.current;
    const std::string scale = fmt::format("{}/{} from {} to {}", m_names.name_space, m_names.target, r.current,
                                          d.replicas);
    const std::string reason = up ? "KEDAScaleTargetActivated" : "KEDAScaleTargetDeactivated";
    events.normal(r.at, m_names.name, reason, (up ? "Scaled " : "Deactivated ") + scale);
    m_log.scalings.push_back({to_seconds(r.at), static_cast<std::uint32_t>(r.current),
                              static_cast<std::uint32_t>(d.replicas), "KEDA", "", reason});
}

void AutoscalerWatch::scaled(const ScaleRecord& s) {
    if (!m_log.scalings.empty() && m_log.scalings.back().at_s == to_seconds(s.at) &&
        m_log.scalings.back().to == s.to)
        return;  // its own
    m_log.scalings.push_back({to_seconds(s.at), s.from, s.to, "schedule", "", ""});
}

AutoscalerLog AutoscalerWatch::finish(Tick end) {
    for (ConditionHistory* c :
         {&m_able, &m_active, &m_limited, &m_keda_ready, &m_keda_active, &m_keda_fallback})
        c->finish(end, m_log.conditions);
    if (m_at_maximum_since != never && end > m_at_maximum_since) m_at_maximum += end - m_at_maximum_since;
    if (m_first_at_maximum)
        m_log.limits.push_back({"maxReplicas", m_plan.hpa.max_replicas, to_seconds(m_at_maximum),
                                to_seconds(*m_first_at_maximum), m_names.maximum_where, m_names.maximum_path});
    return std::move(m_log);
}

}  // namespace windtunnel
