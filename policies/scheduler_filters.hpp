#pragma once
#include "policies/scheduler_rules.hpp"

/// kube-scheduler's filters over a View (scheduler_rules.hpp), kubernetes.md 7.2.
namespace windtunnel {

/// What the filters need to know of the whole cluster, once per attempt (their PreFilter).
struct FilterState {
    std::int32_t least[max_spread_rules] = {};  ///< globalMin of each hard constraint
    bool first_of_its_kind = false;  ///< no pod matches the required affinity, and the pod matches itself
};

/// NodeResourcesFit: every short resource is named. A node whose whole capacity is too small is not helped
/// by removing pods. `extra`: pods that will come (nominated ones).
WT_HD constexpr NodeVerdict resource_verdict(const ResourceAmounts& needs, const ResourceAmounts& free,
                                             const ResourceAmounts& allocatable,
                                             const ResourceAmounts& extra) {
    NodeVerdict v;
    for (std::int32_t kind = 0; kind < resource_kinds; ++kind) {
        if (needs[kind] <= 0 || needs[kind] <= free[kind] - extra[kind]) continue;
        v.reason = Rejection::resources;
        v.detail = static_cast<std::uint16_t>(v.detail | 1u << kind);
        if (needs[kind] > allocatable[kind]) v.removal_helps = false;
    }
    return v;
}

namespace scheduler_detail {

/// The smallest count of the domains that exist, 0 where fewer exist than minDomains asks for.
template <class View>
WT_HD std::int32_t least_count(const View& view, const SpreadRule& rule) {
    std::int32_t least = 2147483647, existing = 0;
    const std::int32_t domains = view.domains(rule.key);
    for (std::int32_t d = 0; d < domains; ++d) {
        if (view.nodes_in(rule.counter, d) <= 0) continue;
        ++existing;
        const std::int32_t pods = view.pods_in(rule.counter, d);
        if (pods < least) least = pods;
    }
    return existing < rule.min_domains || existing == 0 ? 0 : least;
}

template <class View>
WT_HD NodeVerdict spread_verdict(const View& view, const PodRules& rules, const FilterState& state,
                                 std::int32_t node) {
    for (std::int32_t i = 0; i < rules.spread_count; ++i) {
        const SpreadRule& rule = rules.spread[i];
        if (!rule.hard) continue;
        const std::int32_t d = view.domain(rule.key, node);
        if (d < 0) return refuse(Rejection::spread_label);
        const std::int32_t here = view.nodes_in(rule.counter, d) > 0 ? view.pods_in(rule.counter, d) : 0;
        if (here + (rule.self ? 1 : 0) - state.least[i] > rule.max_skew) return refuse(Rejection::spread);
    }
    return {};
}

/// Required affinity first, then the pod's own anti-affinity, then that of running pods.
template <class View>
WT_HD NodeVerdict affinity_verdict(const View& view, const PodRules& rules, const FilterState& state,
                                   std::int32_t node) {
    bool anti = false, existing = false;
    for (std::int32_t i = 0; i < rules.affinity_count; ++i) {
        const AffinityRule& rule = rules.affinity[i];
        if (rule.kind == AffinityKind::preferred) continue;
        const std::int32_t d = view.domain(rule.key, node);
        const bool some = d >= 0 && view.pods_in(rule.counter, d) > 0;
        switch (rule.kind) {
            case AffinityKind::required:
                if (d < 0 || (!some && !state.first_of_its_kind)) return refuse(Rejection::affinity);
                break;
            case AffinityKind::anti:
                anti |= some;
                break;
            default:
                existing |= some;
                break;
        }
    }
    if (anti) return refuse(Rejection::anti_affinity);
    if (existing) return refuse(Rejection::existing_anti_affinity);
    return {};
}

/// The filters behind NodeResourcesFit, of a node that passes those before and has room.
template <class View>
WT_HD NodeVerdict filter_with_room(const View& view, const PodRules& rules, const FilterState& state,
                                   std::int32_t node) {
    NodeVerdict v = view.volumes(rules, node);
    if (!v.passes()) return v;
    v = spread_verdict(view, rules, state, node);
    if (!v.passes()) return v;
    return affinity_verdict(view, rules, state, node);
}

template <class View>
WT_HD NodeVerdict filter_once(const View& view, const PodRules& rules, const FilterState& state,
                              std::int32_t node, const ResourceAmounts& extra) {
    NodeVerdict v = view.before_fit(rules, node);
    if (!v.passes()) return v;
    v = resource_verdict(rules.needs, view.free(node), view.allocatable(node), extra);
    if (!v.passes()) return v;
    return filter_with_room(view, rules, state, node);
}

}  // namespace scheduler_detail

template <class View>
WT_HD_CALL FilterState prefilter(const View& view, const PodRules& rules) {
    FilterState state;
    for (std::int32_t i = 0; i < rules.spread_count; ++i)
        if (rules.spread[i].hard) state.least[i] = scheduler_detail::least_count(view, rules.spread[i]);
    if (rules.starts_affinity) {
        state.first_of_its_kind = true;
        for (std::int32_t i = 0; i < rules.affinity_count; ++i)
            if (rules.affinity[i].kind == AffinityKind::required &&
                view.pods_of(rules.affinity[i].counter) > 0)
                state.first_of_its_kind = false;
    }
    return state;
}

/// All filters, in the default order; the first that refuses names the reason. Pods nominated to the node
/// with at least this pod's priority count as if they were there (resources only).
template <class View>
WT_HD_CALL NodeVerdict filter_node(const View& view, const PodRules& rules, const FilterState& state,
                                   std::int32_t node) {
    return scheduler_detail::filter_once(view, rules, state, node, view.nominated(rules, node));
}

}  // namespace windtunnel
