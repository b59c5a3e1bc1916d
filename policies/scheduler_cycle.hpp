#pragma once
#include "policies/scheduler_filters.hpp"
#include "policies/scheduler_scores.hpp"

/// One scheduling cycle: find feasible nodes, score them, choose (kubernetes.md 7.3).
namespace windtunnel {

inline constexpr std::int32_t no_node = -1;

/// numFeasibleNodesToFind: all below 100 nodes; else a share of them, adaptive unless a percentage is set.
WT_HD constexpr std::int32_t feasible_nodes_to_find(std::int32_t nodes, std::int64_t percentage = 0) {
    const std::int64_t least = 100;
    if (nodes < least) return nodes;
    std::int64_t p = percentage;
    if (p == 0) {
        p = 50 - nodes / 125;
        if (p < 5) p = 5;
    }
    const std::int64_t n = static_cast<std::int64_t>(nodes) * p / 100;
    return n < least ? 100 : static_cast<std::int32_t>(n < nodes ? n : nodes);
}

/// A feasible node and its raw scores, in the caller's memory ([nodes] of them).
struct FeasibleNode {
    std::int32_t node = 0;
    bool spread_ignored = false;  ///< lacks a key of a soft constraint: 0 for spreading
    std::int64_t soft_taints = 0, preference = 0, spread = 0, affinity = 0;
    std::int64_t score = 0;  ///< the weighted sum
};

struct ScheduleResult {
    std::int32_t node = no_node;
    std::int32_t next_start = 0;  ///< where the next cycle starts looking
    std::int32_t evaluated = 0;   ///< nodes that were looked at
    std::int32_t feasible = 0;
    RejectionCounts rejected;
};

namespace scheduler_detail {

/// How many domains of a key the feasible nodes lie in, without those that spreading ignores.
template <class View, class Feasible>
WT_HD std::int64_t distinct_domains(const View& view, std::int32_t key, const Feasible& feasible, std::int32_t count) {
    std::int64_t distinct = 0;
    const std::int32_t all = view.domains(key);
    for (std::int32_t first = 0; first < all; first += 64) {
        std::uint64_t seen = 0;
        for (std::int32_t f = 0; f < count; ++f) {
            const std::int32_t d = view.domain(key, feasible[f].node);
            if (!feasible[f].spread_ignored && d >= first && d < first + 64) seen |= std::uint64_t{1} << (d - first);
        }
        for (; seen != 0; seen &= seen - 1) ++distinct;
    }
    return distinct;
}

/// Raw spreading and inter-pod scores of the feasible nodes.
template <class View, class Feasible>
WT_HD_CALL void score_topology(const View& view, const PodRules& rules, Feasible& feasible, std::int32_t count) {
    std::int32_t counted = count;
    for (std::int32_t f = 0; f < count; ++f) {
        FeasibleNode& c = feasible[f];
        c.spread_ignored = false;
        // With the pod's own constraints a node must carry all keys; the cluster's defaults do without.
        for (std::int32_t i = 0; i < rules.spread_count && !rules.system_default_spread; ++i)
            if (!rules.spread[i].hard && view.domain(rules.spread[i].key, c.node) < 0)
                c.spread_ignored = true;
        if (c.spread_ignored) --counted;
        c.affinity = 0;
        for (std::int32_t i = 0; i < rules.affinity_count; ++i) {
            const AffinityRule& rule = rules.affinity[i];
            if (rule.kind != AffinityKind::preferred) continue;
            const std::int32_t d = view.domain(rule.key, c.node);
            if (d >= 0) c.affinity += std::int64_t{rule.weight} * view.pods_in(rule.counter, d);
        }
    }
    // A constraint's part of a node's score: matching pods in its domain x ln(domains + 2) + maxSkew - 1
    // (scoreForCount, topologyNormalizingWeight).
    double weight[max_spread_rules] = {};
    for (std::int32_t i = 0; i < rules.spread_count; ++i) {
        const SpreadRule& rule = rules.spread[i];
        if (rule.hard) continue;
        std::int64_t domains = counted;  // hostname: the feasible nodes; other keys: their distinct values
        if (!view.is_hostname(rule.key)) domains = distinct_domains(view, rule.key, feasible, count);
        weight[i] = scheduler_log(domains + 2);
    }
    for (std::int32_t f = 0; f < count; ++f) {
        FeasibleNode& c = feasible[f];
        double sum = 0;
        for (std::int32_t i = 0; i < rules.spread_count; ++i) {
            const SpreadRule& rule = rules.spread[i];
            if (rule.hard || c.spread_ignored) continue;
            const std::int32_t d = view.domain(rule.key, c.node);
            if (d < 0) continue;
            sum += static_cast<double>(view.pods_in(rule.counter, d)) * weight[i] +
                   static_cast<double>(rule.max_skew - 1);
        }
        c.spread = static_cast<std::int64_t>(sum + 0.5);
    }
}

struct ScoreRange {
    std::int64_t least = INT64_MAX, largest = INT64_MIN;
    WT_HD void see(std::int64_t score) {
        if (score < least) least = score;
        if (score > largest) largest = score;
    }
};

/// A node's `room_score`; a view that keeps them works one out once for all pods alike, until the node changes.
template <class View>
WT_HD std::int64_t room_score_of(const View& view, const SchedulerProfile& profile, const PodRules& rules, std::int32_t node) {
    const auto score = [&] { return room_score(profile, rules, view.free(node), view.allocatable(node), view.used(node)); };
    if constexpr (requires { view.kept_room_score(node); }) {
        std::int64_t& kept = view.kept_room_score(node);
        if (kept == not_scored) kept = score();
        return kept;
    } else {
        return score();
    }
}

/// Raw scores, normalised and summed.
template <class View, class Feasible>
WT_HD_CALL void score_nodes(const View& view, const SchedulerProfile& profile, const PodRules& rules,
                            Feasible& feasible, std::int32_t count) {
    bool soft_spread = false;
    for (std::int32_t i = 0; i < rules.spread_count; ++i) soft_spread |= !rules.spread[i].hard;
    score_topology(view, rules, feasible, count);
    ScoreRange taints, preference, spread, affinity;
    for (std::int32_t f = 0; f < count; ++f) {
        FeasibleNode& c = feasible[f];
        c.soft_taints = view.soft_taints(rules, c.node);
        c.preference = view.preference(rules, c.node);
        taints.see(c.soft_taints);
        preference.see(c.preference);
        affinity.see(c.affinity);
        if (!c.spread_ignored) spread.see(c.spread);
    }
    for (std::int32_t f = 0; f < count; ++f) {
        FeasibleNode& c = feasible[f];
        c.score = profile.taint_toleration * normalized_score(c.soft_taints, taints.largest, true) +
                  profile.node_affinity * normalized_score(c.preference, preference.largest, false) +
                  profile.inter_pod_affinity * affinity_score(c.affinity, affinity.least, affinity.largest) +
                  room_score_of(view, profile, rules, c.node) +
                  profile.image_locality * image_score(view.image_bytes(rules, c.node), rules.containers);
        if (soft_spread && !c.spread_ignored)
            c.score += profile.topology_spread * spread_score(c.spread, spread.least, spread.largest);
    }
}

}  // namespace scheduler_detail

/// One attempt to place a pod. `nominated` = its nominated node, tried first and taken without scoring where
/// it fits (7.4.5). `start`: where the previous cycle stopped. `tie`: uniform bits that choose among equals.
/// `feasible` has room for all nodes. On failure `rejected` says why of every node.
///
/// The cycle asks node by node, round the ring from `start`, until it has enough feasible ones. A view that knows
/// which nodes have room lets it skip the others; what is found and where the next cycle starts is the same.
template <class View, class Feasible>
WT_HD_CALL ScheduleResult schedule_one(const View& view, const SchedulerProfile& profile, const PodRules& rules,
                                       std::int32_t nominated, std::int32_t start, std::uint64_t tie,
                                       Feasible feasible) {
    ScheduleResult result;
    const std::int32_t nodes = view.nodes();
    result.next_start = nodes > 0 ? start % nodes : 0;
    result.rejected.nodes = nodes;
    if (nodes == 0) return result;
    const FilterState state = prefilter(view, rules);
    if (nominated >= 0 && nominated < nodes) {
        ++result.evaluated;
        if (filter_node(view, rules, state, nominated).passes()) {
            result.feasible = 1;
            result.node = nominated;
            return result;
        }
    }
    const std::int32_t wanted = feasible_nodes_to_find(nodes, profile.percentage_of_nodes);
    const std::int32_t first = result.next_start;
    std::int32_t looked = nodes;  // round the ring, unless enough are found before
    const auto look = [&](std::int32_t n, bool has_room) {
        const NodeVerdict v = has_room ? scheduler_detail::filter_with_room(view, rules, state, n)
                                       : filter_node(view, rules, state, n);
        if (!v.passes()) return result.rejected.count(v);
        feasible[result.feasible++].node = n;
        if (result.feasible == wanted) looked = n < first ? n - first + nodes + 1 : n - first + 1;
    };
    if constexpr (requires { view.next_candidate(first); }) {
        const bool has_room = view.knows_room();
        for (std::int32_t n = view.next_candidate(first); n < nodes && result.feasible < wanted;
             n = view.next_candidate(n + 1))
            look(n, has_room);
        for (std::int32_t n = view.next_candidate(0); n < first && result.feasible < wanted;
             n = view.next_candidate(n + 1))
            look(n, has_room);
        if (result.feasible == 0) result.rejected.add(view.refusals());
    } else {
        for (std::int32_t n = first; n < nodes && result.feasible < wanted; ++n) look(n, false);
        for (std::int32_t n = 0; n < first && result.feasible < wanted; ++n) look(n, false);
    }
    result.evaluated += looked;
    result.next_start = (first + looked) % nodes;
    if (result.feasible == 0) return result;
    result.node = feasible[0].node;
    if (result.feasible == 1) return result;

    scheduler_detail::score_nodes(view, profile, rules, feasible, result.feasible);
    std::int64_t best = feasible[0].score;
    std::uint64_t ties = 0;
    for (std::int32_t f = 0; f < result.feasible; ++f) {
        if (feasible[f].score > best) {
            best = feasible[f].score;
            ties = 0;
        }
        if (feasible[f].score == best) ++ties;
    }
    std::uint64_t chosen = tie % ties;
    for (std::int32_t f = 0; f < result.feasible; ++f)
        if (feasible[f].score == best && chosen-- == 0) {
            result.node = feasible[f].node;
            break;
        }
    return result;
}

}  // namespace windtunnel
