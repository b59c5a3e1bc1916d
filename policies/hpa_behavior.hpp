#pragma once
#include "policies/hpa.hpp"
#include "policies/rounding.hpp"

/// From a raw proposal to a replica count: stabilisation, rates, minimum and maximum, with the memory
/// that they need (kubernetes.md 1.7, 1.8). "Younger" and "older" are strict in both directions.
namespace windtunnel {

/// A replica count and what limited it.
struct HpaLimited {
    std::int32_t replicas = 0;
    HpaScalingLimited reason = HpaScalingLimited::desired_within_range;
};

/// A stabilised count; `recorded` is false where the log had no room for the new recommendation.
struct HpaStabilized {
    std::int32_t replicas = 0;
    bool recorded = true;
};

namespace hpa_detail {

/// Overwrites entry `outdated` or, where that is -1, appends.
template <class Entry>
[[nodiscard]] WT_HD constexpr bool record(BoundedLog<Entry>& log, std::int32_t outdated, const Entry& entry) {
    if (outdated < 0) return log.try_append(entry);
    log.entries[outdated] = entry;
    return true;
}

}  // namespace hpa_detail

/// Without `behavior`: the highest recommendation of the last `window`, the new one included. The last
/// entry (in the order of the log) that is older than the window makes room for the new one.
WT_HD constexpr HpaStabilized stabilize_without_behavior(BoundedLog<HpaRecommendation>& log,
                                                         std::int32_t desired, Tick window, Tick now) {
    std::int32_t highest = desired;
    std::int32_t outdated = -1;
    for (std::int32_t i = 0; i < log.count; ++i) {
        if (log.entries[i].at < now - window)
            outdated = i;
        else if (log.entries[i].replicas > highest)
            highest = log.entries[i].replicas;
    }
    const bool recorded = hpa_detail::record(log, outdated, HpaRecommendation{desired, now});
    return {highest, recorded};
}

/// With `behavior`: the present count moves only as far as the recommendations of both windows force it.
WT_HD constexpr HpaStabilized stabilize_with_behavior(BoundedLog<HpaRecommendation>& log,
                                                      std::int32_t current, std::int32_t desired,
                                                      Tick up_window, Tick down_window, Tick now) {
    std::int32_t up = desired, down = desired;
    std::int32_t outdated = -1;
    for (std::int32_t i = 0; i < log.count; ++i) {
        const HpaRecommendation& entry = log.entries[i];
        if (entry.at > now - up_window && entry.replicas < up) up = entry.replicas;
        if (entry.at > now - down_window && entry.replicas > down) down = entry.replicas;
        if (entry.at < now - up_window && entry.at < now - down_window) outdated = i;
    }
    std::int32_t replicas = current;
    if (replicas < up) replicas = up;
    if (replicas > down) replicas = down;
    const bool recorded = hpa_detail::record(log, outdated, HpaRecommendation{desired, now});
    return {replicas, recorded};
}

/// Sum of the changes younger than `period`.
WT_HD constexpr std::int64_t change_within(const BoundedLog<HpaScaleEvent>& log, Tick period, Tick now) {
    std::int64_t sum = 0;
    for (std::int32_t i = 0; i < log.count; ++i)
        if (log.entries[i].at > now - period) sum += log.entries[i].change;
    return sum;
}

/// The highest count that scale-up rules allow now; may lie below `current` after recent scale-ups.
WT_HD constexpr std::int32_t scale_up_limit(std::int32_t current, const BoundedLog<HpaScaleEvent>& ups,
                                            const BoundedLog<HpaScaleEvent>& downs,
                                            const HpaScalingRules& rules, Tick now) {
    if (rules.select == HpaSelectPolicy::disabled) return current;
    const bool smallest = rules.select == HpaSelectPolicy::min;
    std::int32_t limit = smallest ? max_i32 : -max_i32 - 1;
    for (std::int32_t i = 0; i < rules.policy_count; ++i) {
        const HpaScalingPolicy& policy = rules.policies[i];
        const std::int64_t start =
            current - change_within(ups, policy.period, now) + change_within(downs, policy.period, now);
        const std::int32_t proposal =
            policy.type == HpaPolicyType::pods
                ? saturate_i32(start + policy.value)
                : ceil_to_i32(static_cast<double>(start) * (1.0 + static_cast<double>(policy.value) / 100.0));
        if (smallest ? proposal < limit : proposal > limit) limit = proposal;
    }
    return limit;
}

/// The lowest count that scale-down rules allow now; may lie above `current` after recent scale-downs.
WT_HD constexpr std::int32_t scale_down_limit(std::int32_t current, const BoundedLog<HpaScaleEvent>& ups,
                                              const BoundedLog<HpaScaleEvent>& downs,
                                              const HpaScalingRules& rules, Tick now) {
    if (rules.select == HpaSelectPolicy::disabled) return current;
    const bool smallest = rules.select == HpaSelectPolicy::min;
    std::int32_t limit = smallest ? -max_i32 - 1 : max_i32;
    for (std::int32_t i = 0; i < rules.policy_count; ++i) {
        const HpaScalingPolicy& policy = rules.policies[i];
        const std::int64_t start =
            current - change_within(ups, policy.period, now) + change_within(downs, policy.period, now);
        const std::int32_t proposal = policy.type == HpaPolicyType::pods
                                          ? saturate_i32(start - policy.value)
                                          : trunc_to_i32(static_cast<double>(start) *
                                                         (1.0 - static_cast<double>(policy.value) / 100.0));
        if (smallest ? proposal > limit : proposal < limit) limit = proposal;
    }
    return limit;
}

/// Without `behavior`: at most twice the present count or 4, whichever is more, and never outside
/// [minimum, maximum].
WT_HD constexpr HpaLimited clamp_without_behavior(std::int32_t current, std::int32_t desired,
                                                  std::int32_t minimum, std::int32_t maximum) {
    const std::int32_t doubled = saturate_i32(std::int64_t{2} * current);
    const std::int32_t limit = doubled > 4 ? doubled : 4;
    const std::int32_t upper = maximum > limit ? limit : maximum;
    if (desired < minimum) return {minimum, HpaScalingLimited::too_few_replicas};
    if (desired > upper)
        return {upper,
                maximum > limit ? HpaScalingLimited::scale_up_limit : HpaScalingLimited::too_many_replicas};
    return {desired, HpaScalingLimited::desired_within_range};
}

/// With `behavior`: limits the change to what the policies of its direction allow.
WT_HD constexpr HpaLimited limit_with_behavior(const HpaSpec& spec, const HpaState& state,
                                               std::int32_t current, std::int32_t desired, Tick now) {
    if (desired > current) {
        std::int32_t limit = scale_up_limit(current, state.scale_ups, state.scale_downs, spec.scale_up, now);
        if (limit < current) limit = current;
        const bool by_rate = spec.max_replicas > limit;
        const std::int32_t upper = by_rate ? limit : spec.max_replicas;
        if (desired > upper)
            return {upper,
                    by_rate ? HpaScalingLimited::scale_up_limit : HpaScalingLimited::too_many_replicas};
    } else if (desired < current) {
        std::int32_t limit =
            scale_down_limit(current, state.scale_ups, state.scale_downs, spec.scale_down, now);
        if (limit > current) limit = current;
        const bool by_rate = spec.min_replicas < limit;
        const std::int32_t lower = by_rate ? limit : spec.min_replicas;
        if (desired < lower)
            return {lower,
                    by_rate ? HpaScalingLimited::scale_down_limit : HpaScalingLimited::too_few_replicas};
    }
    return {desired, HpaScalingLimited::desired_within_range};
}

/// Remembers a change of `change` > 0 replicas in one direction's log. Returns false where the log has no
/// room. Entries older than the direction's longest period become outdated; the last one is overwritten.
[[nodiscard]] WT_HD constexpr bool store_scale_event(BoundedLog<HpaScaleEvent>& log,
                                                     const HpaScalingRules& rules, std::int32_t change,
                                                     Tick now) {
    Tick longest;
    for (std::int32_t i = 0; i < rules.policy_count; ++i) longest = max(longest, rules.policies[i].period);
    std::int32_t outdated = -1;
    for (std::int32_t i = 0; i < log.count; ++i) {
        if (log.entries[i].at < now - longest) log.entries[i].outdated = true;
        if (log.entries[i].outdated) outdated = i;
    }
    return hpa_detail::record(log, outdated, HpaScaleEvent{change, false, now});
}

/// How many entries an HPA's logs can ever hold. An entry is kept while its age is at most the window (or
/// the longest period); within a span of w there are at most w / sync_period + 1 syncs, and the entry of
/// the very first sync is doubled by the start-up recommendation.
WT_HD constexpr HpaLogCapacity hpa_log_capacity(const HpaSpec& spec) {
    const Tick period = spec.sync_period.count > 0 ? spec.sync_period : Tick{1};
    const Tick window = spec.has_behavior
                            ? max(spec.scale_up.stabilization_window, spec.scale_down.stabilization_window)
                            : spec.downscale_stabilization;
    HpaLogCapacity capacity;
    capacity.recommendations = saturate_i32(window.count / period.count + 2);
    if (!spec.has_behavior) return capacity;
    Tick up, down;
    for (std::int32_t i = 0; i < spec.scale_up.policy_count; ++i)
        up = max(up, spec.scale_up.policies[i].period);
    for (std::int32_t i = 0; i < spec.scale_down.policy_count; ++i)
        down = max(down, spec.scale_down.policies[i].period);
    capacity.scale_ups = saturate_i32(up.count / period.count + 1);
    capacity.scale_downs = saturate_i32(down.count / period.count + 1);
    return capacity;
}

}  // namespace windtunnel
