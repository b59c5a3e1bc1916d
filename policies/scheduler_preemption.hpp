#pragma once
#include "models/time.hpp"
#include "policies/scheduler_cycle.hpp"

/// kube-scheduler's DefaultPreemption: which pods would have to go so that a pod fits
/// (kubernetes.md 7.4).
///
/// Besides the filters' View the caller's class has
///   void remove(pod), void restore(pod)     takes a running pod out of free room and counters, puts it back
///   std::int32_t first_pod(node), next_pod(pod)   pods on a node; -1 ends. Order does not matter.
///   std::int32_t priority(pod); Tick started(pod)
///   std::int32_t budget(pod, i)             i-th PodDisruptionBudget that matches it, -1 = no more
///   std::int32_t disruptions_allowed(budget)
/// remove and restore leave everything as it was when a dry run ends.
namespace windtunnel {

/// minCandidateNodesPercentage, minCandidateNodesAbsolute (defaults).
inline constexpr std::int32_t preemption_least_percentage = 10;
inline constexpr std::int32_t preemption_least_candidates = 100;

/// One pod that a dry run took off a node.
struct PreemptionVictim {
    std::int32_t pod = -1;
    std::int32_t priority = 0;
    Tick started;
    bool violates = false;  ///< its eviction would break a PodDisruptionBudget
    bool out = true;        ///< not reprieved: it has to go
};

/// What preempting on one node would cost.
struct PreemptionCandidate {
    std::int32_t node = no_node;
    std::int32_t violations = 0;
    std::int32_t highest_priority = 0;
    std::int64_t priority_sum = 0;  ///< each offset by 2^31 to be positive
    std::int32_t victims = 0;
    Tick latest_start;  ///< earliest start among victims of the highest priority
};

/// Whether `a` is to be kept rather than `b`: higher priority, then running for longer.
WT_HD constexpr bool more_important(const PreemptionVictim& a, const PreemptionVictim& b) {
    if (a.priority != b.priority) return a.priority > b.priority;
    if (a.started != b.started) return a.started < b.started;
    return a.pod < b.pod;
}

/// The five steps of the choice (7.4.4): -1 = `a` is better, 1 = `b` is better, 0 = equal.
WT_HD constexpr int compare_candidates(const PreemptionCandidate& a, const PreemptionCandidate& b) {
    if (a.violations != b.violations) return a.violations < b.violations ? -1 : 1;
    if (a.highest_priority != b.highest_priority) return a.highest_priority < b.highest_priority ? -1 : 1;
    if (a.priority_sum != b.priority_sum) return a.priority_sum < b.priority_sum ? -1 : 1;
    if (a.victims != b.victims) return a.victims < b.victims ? -1 : 1;
    if (a.latest_start != b.latest_start) return a.latest_start > b.latest_start ? -1 : 1;
    return 0;
}

/// How many candidates end the search (GetOffsetAndNumCandidates), of `nodes` that preemption may help on.
WT_HD constexpr std::int32_t preemption_candidates_wanted(std::int32_t nodes) {
    const std::int64_t share = std::int64_t{nodes} * preemption_least_percentage / 100;
    const std::int64_t n = share < preemption_least_candidates ? preemption_least_candidates : share;
    return static_cast<std::int32_t>(n < nodes ? n : nodes);
}

/// Which victims' evictions would break a budget: in order of importance each uses one of what every
/// matching budget allows; who finds it exhausted violates (7.4.4.1).
template <class Cluster, class Victims>
WT_HD void mark_violations(const Cluster& cluster, Victims& victims, std::int32_t count) {
    for (std::int32_t v = 0; v < count; ++v) {
        victims[v].violates = false;
        for (std::int32_t i = 0;; ++i) {
            const std::int32_t b = cluster.budget(victims[v].pod, i);
            if (b < 0) break;
            std::int32_t used = 1;
            for (std::int32_t u = 0; u < v; ++u)
                for (std::int32_t j = 0;; ++j) {
                    const std::int32_t other = cluster.budget(victims[u].pod, j);
                    if (other < 0) break;
                    used += other == b ? 1 : 0;
                }
            if (used > cluster.disruptions_allowed(b)) victims[v].violates = true;
        }
    }
}

/// Tries a node: removes every pod of lower priority, then reprieves the most important ones as long as the
/// pod still fits, those that would violate a budget first. Gives false where it does not fit or there is
/// nobody to remove (`*found` = 0; else `*unfit` says what still refuses it). `victims` (in order of
/// importance; `out` tells who goes) has room for a node's pods, and holds `*found` of them.
template <class Cluster, class Victims>
WT_HD_CALL bool dry_run_preemption(Cluster& cluster, const PodRules& rules, std::int32_t node, Victims& victims,
                                   std::int32_t* found, NodeVerdict* unfit, PreemptionCandidate* candidate) {
    std::int32_t count = 0;
    for (std::int32_t p = cluster.first_pod(node); p >= 0; p = cluster.next_pod(p)) {
        if (cluster.priority(p) >= rules.priority) continue;
        PreemptionVictim v;
        v.pod = p;
        v.priority = cluster.priority(p);
        v.started = cluster.started(p);
        std::int32_t at = count++;
        for (; at > 0 && more_important(v, victims[at - 1]); --at) victims[at] = victims[at - 1];
        victims[at] = v;
    }
    *found = count;
    if (count == 0) return false;
    // The dry run's filters see the counts of the whole cluster without the removed pods.
    const auto verdict = [&] { return filter_node(cluster, rules, prefilter(cluster, rules), node); };
    for (std::int32_t v = 0; v < count; ++v) cluster.remove(victims[v].pod);
    *unfit = verdict();
    if (!unfit->passes()) {
        for (std::int32_t v = 0; v < count; ++v) cluster.restore(victims[v].pod);
        return false;
    }
    mark_violations(cluster, victims, count);
    for (int round = 0; round < 2; ++round)
        for (std::int32_t v = 0; v < count; ++v) {
            if (victims[v].violates != (round == 0)) continue;
            cluster.restore(victims[v].pod);
            victims[v].out = !verdict().passes();
            if (victims[v].out) cluster.remove(victims[v].pod);
        }
    *candidate = PreemptionCandidate{};
    candidate->node = node;
    for (std::int32_t v = 0; v < count; ++v) {
        if (!victims[v].out) continue;
        cluster.restore(victims[v].pod);
        if (candidate->victims++ == 0) {
            candidate->highest_priority = victims[v].priority;
            candidate->latest_start = victims[v].started;
        }
        if (victims[v].priority == candidate->highest_priority)
            candidate->latest_start = min(candidate->latest_start, victims[v].started);
        candidate->violations += victims[v].violates ? 1 : 0;
        candidate->priority_sum += std::int64_t{victims[v].priority} + 2147483648;
    }
    return candidate->victims > 0;
}

/// What an attempt to preempt found.
struct PreemptionResult {
    PreemptionCandidate chosen;    ///< node = no_node: nothing can be preempted
    std::int32_t not_helpful = 0;  ///< nodes that the removal of pods would not cure
    std::int32_t no_victims = 0;   ///< nodes without pods of lower priority
    RejectionCounts unfit;         ///< nodes that refuse the pod even without those of lower priority
    [[nodiscard]] WT_HD bool found() const { return chosen.node != no_node; }
};

/// Looks for a node on which removing pods of lower priority makes room. Requires that no node passes the
/// filters and that the pod may preempt (preemptionPolicy, 7.4.1; no terminating victim on its nominated
/// node, 7.4.5). `offset` and `tie`: uniform bits (random start, choice among equals). The caller repeats
/// dry_run_preemption on the chosen node to learn its victims.
template <class Cluster, class Victims>
WT_HD_CALL PreemptionResult find_preemption(Cluster& cluster, const PodRules& rules, std::uint64_t offset,
                                            std::uint64_t tie, Victims& victims) {
    PreemptionResult result;
    const std::int32_t nodes = cluster.nodes();
    if (nodes == 0) return result;
    const FilterState state = prefilter(cluster, rules);
    std::int32_t potential = 0;
    for (std::int32_t n = 0; n < nodes; ++n)
        potential += filter_node(cluster, rules, state, n).removal_helps ? 1 : 0;
    result.not_helpful = nodes - potential;
    if (potential == 0) return result;
    const std::int32_t wanted = preemption_candidates_wanted(potential);
    // The random start is among the potential nodes.
    std::int32_t skip = static_cast<std::int32_t>(offset % static_cast<std::uint64_t>(potential));
    std::int32_t first = 0;
    for (;; ++first)
        if (filter_node(cluster, rules, state, first).removal_helps && skip-- == 0) break;
    std::int32_t clean = 0, dirty = 0;
    std::uint64_t ties = 0;
    for (std::int32_t i = 0; i < nodes && !(clean > 0 && clean + dirty >= wanted); ++i) {
        const std::int32_t n = first + i < nodes ? first + i : first + i - nodes;
        if (!filter_node(cluster, rules, state, n).removal_helps) continue;
        PreemptionCandidate candidate;
        std::int32_t found = 0;
        NodeVerdict unfit;
        if (!dry_run_preemption(cluster, rules, n, victims, &found, &unfit, &candidate)) {
            if (found == 0)
                ++result.no_victims;
            else
                result.unfit.count(unfit);
            continue;
        }
        (candidate.violations == 0 ? clean : dirty) += 1;
        const int order = result.found() ? compare_candidates(candidate, result.chosen) : -1;
        if (order < 0) ties = 0;
        // Reservoir of one: the k-th equal candidate replaces with probability 1/k.
        if (order <= 0) {
            ++ties;
            tie = tie * 6364136223846793005u + 1442695040888963407u;
            if (order < 0 || (tie >> 33) % ties == 0) result.chosen = candidate;
        }
    }
    return result;
}

}  // namespace windtunnel
