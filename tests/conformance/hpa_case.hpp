#pragma once
#include "conformance/conformance.hpp"
#include "policies/hpa.hpp"

#include <stdexcept>
#include <vector>

/// Reading what several HPA schemas share: pods, scaling rules, logs.
namespace windtunnel::conformance {

inline PodPhase read_phase(const std::string& name) {
    if (name == "Pending") return PodPhase::pending;
    if (name == "Running") return PodPhase::running;
    if (name == "Succeeded") return PodPhase::succeeded;
    if (name == "Failed") return PodPhase::failed;
    if (name == "Unknown" || name.empty()) return PodPhase::unknown;
    throw std::runtime_error("found phase '" + name +
                             "', allowed: Pending, Running, Succeeded, Failed, Unknown");
}

inline ReadyCondition read_ready(const Json& pod) {
    const Json& ready = field(pod, "ready");
    if (ready.is_null()) return ReadyCondition::absent;
    if (ready.is_boolean()) return ready.get<bool>() ? ReadyCondition::yes : ReadyCondition::no;
    if (ready == "True") return ReadyCondition::yes;
    if (ready == "False") return ReadyCondition::no;
    if (ready == "Unknown") return ReadyCondition::unknown;
    throw std::runtime_error("found ready " + ready.dump() + ", allowed: True, False, Unknown");
}

/// The time that upstream's fixtures do not set: very long ago.
inline constexpr double unset_time_s = -1e9;

/// A pod whose stamps are relative to now = 0.
inline HpaPod read_pod(const Json& pod) {
    HpaPod result;
    result.phase = read_phase(value_or<std::string>(pod, "phase", "Running"));
    result.deleting = value_or(pod, "deleting", false);
    result.started = given(pod, "start_offset_s");
    result.start = ticks_or(pod, "start_offset_s", 0.0);
    result.ready = read_ready(pod);
    result.ready_transition = ticks_or(pod, "ready_transition_offset_s", unset_time_s);
    return result;
}

/// Rules of one direction; what is null keeps the default.
inline HpaScalingRules read_rules(const Json& rules, HpaScalingRules defaults) {
    if (rules.is_null()) return defaults;
    if (given(rules, "stabilization_window_s"))
        defaults.stabilization_window = ticks_or(rules, "stabilization_window_s", 0.0);
    const std::string select = value_or<std::string>(rules, "select_policy", "Max");
    if (select == "Min")
        defaults.select = HpaSelectPolicy::min;
    else if (select == "Disabled")
        defaults.select = HpaSelectPolicy::disabled;
    else if (select != "Max")
        throw std::runtime_error("found select_policy '" + select + "', allowed: Max, Min, Disabled");
    if (!list(rules, "policies").empty()) {
        defaults.policy_count = 0;
        for (const Json& policy : list(rules, "policies")) {
            if (defaults.policy_count == hpa_max_policies)
                throw std::runtime_error("more policies than allowed");
            const auto type = required<std::string>(policy, "type");
            if (type != "Pods" && type != "Percent")
                throw std::runtime_error("found policy type '" + type + "', allowed: Pods, Percent");
            defaults.policies[defaults.policy_count++] = {
                type == "Pods" ? HpaPolicyType::pods : HpaPolicyType::percent,
                required<std::int32_t>(policy, "value"), ticks(required<double>(policy, "period_s"))};
        }
    }
    return defaults;
}

/// A log over its own memory, with room for one more entry than it holds.
template <class Entry>
struct OwnedLog {
    std::vector<Entry> entries;

    BoundedLog<Entry> view() {
        const auto count = static_cast<std::int32_t>(entries.size());
        entries.resize(entries.size() + 2);
        return {entries.data(), count + 2, count};
    }
};

inline OwnedLog<HpaRecommendation> read_recommendations(const Json& object, const char* key) {
    OwnedLog<HpaRecommendation> log;
    for (const Json& entry : list(object, key))
        log.entries.push_back(
            {required<std::int32_t>(entry, "replicas"), ticks(-required<double>(entry, "age_s"))});
    return log;
}

inline OwnedLog<HpaScaleEvent> read_events(const Json& object, const char* key) {
    OwnedLog<HpaScaleEvent> log;
    for (const Json& entry : list(object, key))
        log.entries.push_back(
            {required<std::int32_t>(entry, "change"), false, ticks(-required<double>(entry, "age_s"))});
    return log;
}

inline const char* to_text(HpaScalingLimited reason) {
    switch (reason) {
        case HpaScalingLimited::unset:
            break;
        case HpaScalingLimited::desired_within_range:
            return "DesiredWithinRange";
        case HpaScalingLimited::too_few_replicas:
            return "TooFewReplicas";
        case HpaScalingLimited::too_many_replicas:
            return "TooManyReplicas";
        case HpaScalingLimited::scale_up_limit:
            return "ScaleUpLimit";
        case HpaScalingLimited::scale_down_limit:
            return "ScaleDownLimit";
    }
    return "";
}

}  // namespace windtunnel::conformance
