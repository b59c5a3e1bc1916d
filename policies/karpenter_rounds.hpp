#pragma once
#include "policies/karpenter_budget.hpp"
#include "policies/karpenter_disruption.hpp"

/// One round of Karpenter's disruption loop (kubernetes.md 9.6): Emptiness, Drift, MultiNodeConsolidation,
/// SingleNodeConsolidation; the first that finds something ends the round. What was found is validated
/// 15 s later and carried out only if it still holds.
namespace windtunnel {

enum class DisruptionMethod : std::uint8_t { none, emptiness, drift, multi_node, single_node };

WT_HD constexpr DisruptionReason reason_of(DisruptionMethod method) {
    return method == DisruptionMethod::emptiness ? DisruptionReason::empty
           : method == DisruptionMethod::drift   ? DisruptionReason::drifted
                                                 : DisruptionReason::underutilized;
}

/// What a round wants. Its nodes stand in the first `candidate_count` places of DisruptionRound::candidates.
struct DisruptionCommand {
    DisruptionMethod method = DisruptionMethod::none;
    ConsolidationAction action = ConsolidationAction::none;
    std::int32_t candidate_count = 0;
    std::int32_t pool = 0;          ///< consolidation: which pool the one replacement comes from
    OfferingSet replacement;        ///< and from which offerings
    std::int32_t replacements = 0;  ///< drift: claims in scene.claims; consolidation: 0 or 1
};

/// How many more nodes of each pool the budgets let go for one reason (remaining_disruptions).
struct DisruptionAllowance {
    std::int32_t empty = 0, drifted = 0, underutilized = 0;

    [[nodiscard]] WT_HD constexpr std::int32_t of(DisruptionReason reason) const {
        return reason == DisruptionReason::empty     ? empty
               : reason == DisruptionReason::drifted ? drifted
                                                     : underutilized;
    }
};

/// Memory and inputs of a round; the arrays belong to the caller.
struct DisruptionRound {
    const DisruptionAllowance* allowance = nullptr;  ///< [pool_count]
    std::int32_t* left = nullptr;                    ///< [pool_count] scratch
    std::int32_t* candidates = nullptr;              ///< [node_count]
    std::int32_t* turns = nullptr;                   ///< [node_count] scratch
    /// Nothing in the cluster has changed since consolidation last found nothing: it is not tried again.
    bool consolidated = false;
};

namespace karpenter_detail {

WT_HD constexpr void reset_left(const ConsolidationScene& scene, const DisruptionRound& round,
                                DisruptionReason reason) {
    for (std::int32_t p = 0; p < scene.pool_count; ++p) round.left[p] = round.allowance[p].of(reason);
}

/// Dearest per disturbed pod first; equals in the order of the nodes.
struct ByValue {
    const ConsolidationScene* scene;
    WT_HD constexpr bool operator()(std::int32_t a, std::int32_t b) const {
        const double x = candidate_value(scene->views[a], scene->offerings[scene->nodes[a].offering]);
        const double y = candidate_value(scene->views[b], scene->offerings[scene->nodes[b].offering]);
        return x != y ? x > y : a < b;
    }
};

/// Takes a candidate off its pool's budget; false when that is used up.
WT_HD constexpr bool try_charge(const ConsolidationScene& scene, const DisruptionRound& round, std::int32_t n) {
    std::int32_t& left = round.left[scene.views[n].pool];
    if (left <= 0) return false;
    --left;
    return true;
}
/// Keeps the candidates that their pools' budgets still allow, in order.
WT_HD constexpr std::int32_t within_budgets(const ConsolidationScene& scene, const DisruptionRound& round,
                                            std::int32_t count) {
    std::int32_t kept = 0;
    for (std::int32_t c = 0; c < count; ++c)
        if (try_charge(scene, round, round.candidates[c])) round.candidates[kept++] = round.candidates[c];
    return kept;
}

WT_HD_CALL constexpr DisruptionCommand find_empty(const ConsolidationScene& scene,
                                                  const DisruptionRound& round, Tick now) {
    std::int32_t count = 0;
    for (std::int32_t n = 0; n < scene.node_count; ++n)
        if (is_candidate(scene.views[n]) && is_settled(scene.views[n], now) && is_empty(scene.views[n]))
            round.candidates[count++] = n;
    heap_sort(round.candidates, count, ByValue{&scene});
    reset_left(scene, round, DisruptionReason::empty);
    count = within_budgets(scene, round, count);
    if (count == 0) return {};
    return {DisruptionMethod::emptiness, ConsolidationAction::remove, count, 0, {}, 0};
}

/// Drifted nodes: those without pods all at once; else the one that drifted first and whose pods find room,
/// with as many new nodes as that takes.
WT_HD_CALL constexpr DisruptionCommand find_drifted(const ConsolidationScene& scene,
                                                    const DisruptionRound& round) {
    std::int32_t count = 0;
    for (std::int32_t n = 0; n < scene.node_count; ++n)
        if (is_drift_candidate(scene.views[n])) round.candidates[count++] = n;
    heap_sort(round.candidates, count, [&scene](std::int32_t a, std::int32_t b) {
        const Tick x = scene.views[a].drifted_at, y = scene.views[b].drifted_at;
        return x != y ? x < y : a < b;
    });
    reset_left(scene, round, DisruptionReason::drifted);
    count = within_budgets(scene, round, count);
    std::int32_t empty = 0;
    for (std::int32_t c = 0; c < count; ++c)
        if (is_empty(scene.views[round.candidates[c]])) {
            const std::int32_t n = round.candidates[c];
            round.candidates[c] = round.candidates[empty];
            round.candidates[empty++] = n;
        }
    if (empty > 0) return {DisruptionMethod::drift, ConsolidationAction::remove, empty, 0, {}, 0};
    for (std::int32_t c = 0; c < count; ++c) {
        const ProvisioningPlan plan = plan_without(scene, &round.candidates[c], 1, scene.claim_capacity);
        if (plan.unscheduled > 0) continue;
        round.candidates[0] = round.candidates[c];
        return {DisruptionMethod::drift,
                plan.claim_count > 0 ? ConsolidationAction::replace : ConsolidationAction::remove,
                1,
                0,
                {},
                plan.claim_count};
    }
    return {};
}

/// Nodes that are not empty and whose pool consolidates underutilised nodes, in the order of the scene. Empty ones are Emptiness'
/// business: where its budget kept one, consolidation must not take it.
WT_HD constexpr std::int32_t gather_underutilized(const ConsolidationScene& scene,
                                                  const DisruptionRound& round, Tick now) {
    std::int32_t count = 0;
    for (std::int32_t n = 0; n < scene.node_count; ++n) {
        const DisruptionNode& view = scene.views[n];
        if (is_candidate(view) && is_settled(view, now) && !view.only_when_empty && !is_empty(view))
            round.candidates[count++] = n;
    }
    reset_left(scene, round, DisruptionReason::underutilized);
    return count;
}

WT_HD_CALL constexpr DisruptionCommand find_many(const ConsolidationScene& scene,
                                                 const KarpenterDisruptionRules& rules,
                                                 const DisruptionRound& round, Tick now) {
    // The best within their pools' budgets, as many as are looked at together.
    const std::int32_t gathered = gather_underutilized(scene, round, now);
    std::int32_t count = 0;
    Heap<std::int32_t, ByValue> best(round.candidates, gathered, ByValue{&scene});
    while (!best.empty() && count < rules.multi_node_candidates) {
        const std::int32_t n = best.take();
        if (try_charge(scene, round, n)) round.turns[count++] = n;
    }
    for (std::int32_t c = 0; c < count; ++c) round.candidates[c] = round.turns[c];
    if (count < 2) return {};
    std::int32_t taken = 0;
    const Consolidation found = consolidate_many(scene, rules, round.candidates, count, taken);
    if (taken == 0) return {};
    return {DisruptionMethod::multi_node,
            found.action,
            taken,
            found.pool,
            found.replacement,
            found.action == ConsolidationAction::replace ? 1 : 0};
}

/// A few kinds of nodes (DisruptionNode::kind).
class KindSet {
public:
    [[nodiscard]] WT_HD constexpr bool has(std::uint64_t kind) const {
        for (std::int32_t i = 0; i < m_count; ++i)
            if (m_kinds[i] == kind) return true;
        return false;
    }
    /// False when the kind says nothing, or there is no more room.
    WT_HD constexpr bool try_add(std::uint64_t kind) {
        if (kind == 0 || m_count == most) return false;
        m_kinds[m_count++] = kind;
        return true;
    }

private:
    static constexpr std::int32_t most = 64;
    std::uint64_t m_kinds[most] = {};
    std::int32_t m_count = 0;
};

/// Whether some candidate may be consolidated by itself: one of each kind is tried. Mostly no kind has a chance, and
/// the candidates need not be put in order.
WT_HD_CALL constexpr bool has_hope(const ConsolidationScene& scene, const KarpenterDisruptionRules& rules,
                                   const DisruptionRound& round, std::int32_t count, KindSet& hopeless) {
    for (std::int32_t c = 0; c < count; ++c) {
        const std::uint64_t kind = scene.views[round.candidates[c]].kind;
        if (hopeless.has(kind)) continue;
        if (kind == 0 ||
            try_consolidation(scene, rules, &round.candidates[c], 1).action != ConsolidationAction::none ||
            !hopeless.try_add(kind))
            return true;
    }
    return false;
}

WT_HD_CALL constexpr DisruptionCommand find_one(const ConsolidationScene& scene,
                                                const KarpenterDisruptionRules& rules,
                                                const DisruptionRound& round, Tick now) {
    const std::int32_t gathered = gather_underutilized(scene, round, now);
    KindSet hopeless;
    std::int32_t count = 0;  // of pools whose budget allows one at all
    for (std::int32_t c = 0; c < gathered; ++c)
        if (round.left[scene.views[round.candidates[c]].pool] > 0)
            round.candidates[count++] = round.candidates[c];
    if (!has_hope(scene, rules, round, count, hopeless)) return {};
    heap_sort(round.candidates, count, ByValue{&scene});
    // Interleaved over the pools: every pool's best, then every pool's second, ...
    for (std::int32_t p = 0; p < scene.pool_count; ++p) round.left[p] = 0;
    for (std::int32_t c = 0; c < count; ++c)
        round.turns[round.candidates[c]] = round.left[scene.views[round.candidates[c]].pool]++;
    const std::int32_t* turns = round.turns;
    heap_sort(round.candidates, count, [&scene, turns](std::int32_t a, std::int32_t b) {
        if (turns[a] != turns[b]) return turns[a] < turns[b];
        return scene.views[a].pool < scene.views[b].pool;  // one candidate per pool and turn
    });
    for (std::int32_t c = 0; c < count; ++c) {
        const std::uint64_t kind = scene.views[round.candidates[c]].kind;
        if (hopeless.has(kind)) continue;
        const Consolidation found = try_consolidation(scene, rules, &round.candidates[c], 1);
        if (found.action == ConsolidationAction::none) {
            (void)hopeless.try_add(kind);
            continue;
        }
        round.candidates[0] = round.candidates[c];
        return {DisruptionMethod::single_node,
                found.action,
                1,
                found.pool,
                found.replacement,
                found.action == ConsolidationAction::replace ? 1 : 0};
    }
    return {};
}

}  // namespace karpenter_detail

/// One round over a scene that open_scene has prepared for `now`; of the methods behind `after` only.
WT_HD constexpr DisruptionCommand find_disruption(const ConsolidationScene& scene,
                                                  const KarpenterDisruptionRules& rules,
                                                  const DisruptionRound& round, Tick now,
                                                  DisruptionMethod after = DisruptionMethod::none) {
    using namespace karpenter_detail;
    DisruptionCommand command;
    const auto goes_on = [&](DisruptionMethod method) { return command.method == DisruptionMethod::none && after < method; };
    if (goes_on(DisruptionMethod::emptiness)) command = find_empty(scene, round, now);
    if (goes_on(DisruptionMethod::drift)) command = find_drifted(scene, round);
    if (goes_on(DisruptionMethod::multi_node) && !round.consolidated) command = find_many(scene, rules, round, now);
    if (goes_on(DisruptionMethod::single_node) && !round.consolidated) command = find_one(scene, rules, round, now);
    return command;
}

/// Whether a command found earlier still holds: every node is still a candidate within its budget, and the
/// same trial comes out the same way (a replacement may not have become narrower than what will be sent).
/// Drift is not validated. The scene is that of `now`, `nodes` the command's nodes in it.
WT_HD_CALL constexpr bool is_still_valid(const ConsolidationScene& scene, const KarpenterDisruptionRules& rules,
                                         const DisruptionRound& round, const DisruptionCommand& command,
                                         const std::int32_t* nodes, Tick now) {
    using namespace karpenter_detail;
    if (command.method == DisruptionMethod::drift) return true;
    reset_left(scene, round, reason_of(command.method));
    for (std::int32_t c = 0; c < command.candidate_count; ++c) {
        const DisruptionNode& view = scene.views[nodes[c]];
        if (!is_candidate(view) || !is_settled(view, now) || round.left[view.pool]-- <= 0) return false;
        if (command.method == DisruptionMethod::emptiness && !is_empty(view)) return false;
    }
    if (command.method == DisruptionMethod::emptiness) return true;
    const Consolidation again = try_consolidation(scene, rules, nodes, command.candidate_count);
    return again.action == command.action && command.replacement.is_subset_of(again.replacement);
}

}  // namespace windtunnel
