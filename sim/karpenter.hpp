#pragma once
#include "policies/karpenter_launch.hpp"
#include "policies/karpenter_lifecycle.hpp"
#include "policies/karpenter_rounds.hpp"
#include "sim/cluster_state.hpp"
#include "sim/eviction.hpp"
#include "sim/karpenter_offers.hpp"
#include "sim/karpenter_pods.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// Karpenter (kubernetes.md, section 9): batches of pending pods become nodes; nodes that are empty or too
/// dear go. It decides with policies/karpenter_*; here is what these look at and what becomes of it.
///
/// One command is validated at a time; beside it tainted nodes wait for their replacements (kubernetes.md 9.6.11).
template <class Layout, class Owner>
class Karpenter {
public:
    using State = ClusterState<Layout, Owner>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        const bool used = b.karpenter_pools.size() > 0;
        const std::size_t nodes = used ? b.node_slots : 0, pods = used ? b.pod_slots : 0,
                          pools = b.karpenter_pools.size();
        m_offers.take_memory(arena, b, used);
        m_known.take_memory(arena, b, used);
        m_topology = arena.template take_plain<KarpenterTopology>(used ? 2 : 0);
        m_roomy.take_memory(arena, nodes);
        m_pods = arena.template take_plain<KarpenterPod>(pods);
        m_scratch_pods = arena.template take_plain<KarpenterPod>(pods);
        m_nodes = arena.template take_plain<KarpenterNode>(nodes);
        m_ids = arena.template take_plain<std::uint32_t>(nodes);
        m_views = arena.template take_plain<DisruptionNode>(nodes);
        m_places = arena.template take_plain<std::int32_t>(5 * nodes);
        m_chosen = arena.template take_plain<NodeName>(nodes);
        m_waits = arena.template take<Wait>(nodes);
        m_claims = arena.template take_plain<KarpenterClaim>(nodes);
        m_pools = arena.template take_plain<KarpenterPool>(pools);
        m_scratch_pools = arena.template take_plain<KarpenterPool>(pools);
        m_allowance = arena.template take_plain<DisruptionAllowance>(pools);
        m_left = arena.template take_plain<std::int32_t>(pools);
        m_pool_nodes = arena.template take_plain<std::int32_t>(pools);
        m_pool_leaving = arena.template take_plain<std::int32_t>(pools);
    }

    WT_HD_COLD void start(State& s) {
        const Blueprint& b = s.blueprint();
        m_window = {};
        m_command = {};
        m_stage = Stage::looking;
        m_nothing_at = never;
        m_calm_until = Tick{INT64_MIN};
        if (b.karpenter_pools.size() == 0) return;
        m_roomy.clear();
        for (std::uint32_t n = 0; n < b.node_slots; ++n) m_waits[n] = Wait{};
        m_offers.start(b);
        m_mine = ShapeSet{};
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i)
            if (b.pools[b.shapes[i].pool].provisioner == Provisioner::karpenter) m_mine.add(static_cast<std::int32_t>(i));
        m_known.start(b);
        s.wake_disruption(b.karpenter.poll);
    }

    /// The scheduler found no node for a pod.
    WT_HD void note_unschedulable(State& s, const TemplatePlan& plan, Tick now) {
        if (s.blueprint().karpenter_pools.size() == 0 || !is_for_me(plan)) return;
        note_pending_pod(m_window, now);
        s.wake_batch(batch_closes_at(m_window));
    }

    /// A node of its pools is being deleted: its pods take part in the next batch (9.3.1).
    WT_HD void note_deleted_node(State& s, std::uint32_t n, Tick now) {
        if (s.blueprint().pools[s.node(n).pool].karpenter < 0 || s.node(n).pods == 0) return;
        note_pending_pod(m_window, now);
        s.wake_batch(batch_closes_at(m_window));
    }

    /// The batch window has closed: plans its pods and launches what is planned.
    WT_HD_COLD void provision(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        State& s = fleet.state();
        m_window.open = false;
        s.wake_batch(never);
        const ProvisioningBatch batch = gather_batch(fleet, now);
        if (batch.pod_count == 0) return;
        const ProvisioningPlan plan = plan_batch(batch);
        for (std::int32_t i = 0; i < batch.pod_count; ++i)
            if (m_pods[i].node != karpenter_unplaced)
                s.node(m_ids[m_pods[i].node]).nominated_until = now + karpenter_nomination;
        bool failed = false;
        for (std::int32_t c = 0; c < plan.claim_count && !fault.broken(); ++c) {
            const std::uint32_t n = launch(fleet, m_claims[c].offerings, now, fault);
            if (n == no_index)
                failed = true;
            else
                s.node(n).nominated_until = now + karpenter_nomination;
        }
        // Where a launch failed the pods are planned again in the next batch; pods that stay pending come
        // up again by themselves (provisioning/controller.go, every 10 s).
        s.wake_batch(now + (failed ? Tick{karpenter_batch_idle} : Tick{karpenter_batch_longest}));
    }

    /// t = 0: what it would launch for the pods that wait is there at once, and they are bound.
    WT_HD_COLD void place_now(Fleet<Layout, Owner>& fleet, Fault& fault) {
        State& s = fleet.state();
        if (s.blueprint().karpenter_pools.size() == 0) return;
        const ProvisioningBatch batch = gather_batch(fleet, Tick{});
        if (batch.pod_count == 0) return;
        const ProvisioningPlan plan = plan_batch(batch);
        for (std::int32_t c = 0; c < plan.claim_count && !fault.broken(); ++c) {
            const LaunchAnswer answer = m_offers.answer_of(s, m_claims[c].offerings);
            if (answer.offering >= 0 &&
                s.has_free_node(s.blueprint().shapes[static_cast<std::uint32_t>(answer.offering)].pool))
                fleet.node_pools().place(fleet, static_cast<std::uint32_t>(answer.offering), fault);
        }
    }

    /// A claim did not become a node in time: its pods are planned again.
    WT_HD void claim_failed(State& s, Tick now) { s.wake_batch(now + karpenter_batch_idle); }

    /// The disruption loop's turn.
    WT_HD_COLD void disrupt(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        State& s = fleet.state();
        const Tick poll = now + s.blueprint().karpenter.poll;
        s.wake_disruption(poll);
        expire(fleet, now, fault);
        settle(fleet, now, fault);
        switch (m_stage) {
            case Stage::looking:
                look(fleet, DisruptionMethod::none, now);
                break;
            case Stage::validating:
                m_stage = Stage::looking;
                if (still_valid(fleet, now))
                    carry_out(fleet, now, fault);
                else
                    look(fleet, m_command.method, now);
                break;
        }
    }

private:
    enum class Stage : std::uint8_t { looking, validating };
    /// A node slot in one of its lives.
    struct NodeName {
        std::uint32_t node = no_index, incarnation = 0;
    };
    /// A tainted node that goes when its replacement is there.
    struct Wait {
        NodeName replacement;  ///< node no_index: it waits for none
        std::uint32_t incarnation = 0;
        Tick since;
    };

    /// The pods that wait for nodes of its pools and those of nodes that are being deleted, beside the cluster.
    WT_HD_COLD ProvisioningBatch gather_batch(Fleet<Layout, Owner>& fleet, Tick now) {
        State& s = fleet.state();
        (void)m_offers.look_at_prices(s, now);
        const Blueprint& b = s.blueprint();
        ProvisioningBatch batch;
        gather_pending(fleet, batch);
        gather_deleted(s, batch);
        if (batch.pod_count == 0) return batch;
        gather_pools(s, now);
        batch.offerings = m_offers.all();
        batch.offering_count = static_cast<std::int32_t>(b.shapes.size());
        batch.pools = m_pools;
        batch.pool_count = static_cast<std::int32_t>(b.karpenter_pools.size());
        batch.groups = m_known.groups();
        batch.pods = m_pods;
        batch.nodes = m_nodes;
        batch.node_count = gather_open_nodes(s);
        batch.claims = m_claims;
        batch.claim_capacity = static_cast<std::int32_t>(b.node_slots);
        batch.topology = &m_topology[0];
        m_known.count_zones(s, m_topology[0]);
        return batch;
    }
    WT_HD_COLD void gather_pending(Fleet<Layout, Owner>& fleet, ProvisioningBatch& batch) {
        State& s = fleet.state();
        for (std::uint32_t p = fleet.scheduler().first_pending(); p != no_index; p = s.pod(p).next)
            if (is_for_me(s.template_of(s.pod(p)))) gather_pod(s, p, batch.pod_count++);
    }
    WT_HD void gather_pod(State& s, std::uint32_t p, std::int32_t at) {
        KarpenterPod& to = m_pods[at] = KarpenterPod{};
        to.group = static_cast<std::int32_t>(s.pod(p).revision);
        to.created = s.pod(p).created.count;
        to.uid = s.pod_draw(StreamPurpose::scheduling_tie, p, 0);
    }
    /// Adds the pods of nodes that Karpenter deletes or has tainted for a command; terminating ones are replaced already,
    /// but for those that come back under their name.
    WT_HD_COLD void gather_deleted(State& s, ProvisioningBatch& batch) {
        for (const NodeState state : {NodeState::draining, NodeState::cordoned}) {
            const IndexSet<Layout>& nodes = s.nodes_in(state);
            for (std::uint32_t n = nodes.first(); n != no_index; n = nodes.next(n + 1)) {
                const bool mine = state == NodeState::draining ? s.node(n).drainer == Drainer::karpenter &&
                                                                     s.blueprint().pools[s.node(n).pool].karpenter >= 0
                                                               : is_waiting(s, n);
                for (std::uint32_t p = mine ? s.node(n).first_pod : no_index; p != no_index; p = s.pod(p).next_on_node)
                    if (is_reschedulable(s, p) && is_for_me(s.template_of(s.pod(p)))) gather_pod(s, p, batch.pod_count++);
            }
        }
    }
    [[nodiscard]] WT_HD bool is_waiting(const State& s, std::uint32_t n) const {
        return m_waits[n].replacement.node != no_index && m_waits[n].incarnation == s.node(n).incarnation;
    }
    [[nodiscard]] WT_HD bool is_for_me(const TemplatePlan& plan) const {
        ShapeSet shapes = plan.shapes;
        shapes &= m_mine;
        return !shapes.empty();
    }

    /// The pools with what their limits leave, and the offerings that may be launched now.
    WT_HD_COLD void gather_pools(State& s, Tick now) {
        const Blueprint& b = s.blueprint();
        for (std::uint32_t k = 0; k < b.karpenter_pools.size(); ++k) {
            const KarpenterPoolPlan& plan = b.karpenter_pools[k];
            KarpenterPool& pool = m_pools[k];
            pool = KarpenterPool{};
            pool.limited = plan.limited;
            pool.remaining = plan.limits;
            // Node slots bound the pool where its limits do not: they are sized so that none is missed.
            const auto& slots = b.pools[plan.pool];
            const std::int64_t most = plan.node_limit >= 0 && plan.node_limit < slots.node_slots
                                          ? plan.node_limit
                                          : std::int64_t{slots.node_slots};
            pool.limits_nodes = true;
            pool.remaining_nodes = most - s.nodes_of(slots.first_shape, slots.shape_count);
            pool.min_types = plan.min_types;
            pool.min_families = plan.min_families;
            for (std::uint32_t i = 0; i < slots.shape_count; ++i)
                if (m_offers.may_be_had(slots.first_shape + i, now))
                    pool.offerings.add(static_cast<std::int32_t>(slots.first_shape + i));
            if (pool.limited == 0) continue;
            for (std::uint32_t i = slots.first_shape; i < slots.first_shape + slots.shape_count; ++i)
                for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
                    pool.remaining[kind] -= b.shapes[i].capacity[kind] * std::int64_t{s.nodes_of(i)};
        }
    }

    /// Nodes that pods may go to, initialised ones first; their number.
    WT_HD_COLD std::int32_t gather_open_nodes(State& s) {
        return gather_nodes(s, NodeState::provisioning, gather_nodes(s, NodeState::ready, 0));
    }
    /// Adds the nodes in a state behind the first `count`, but for those that wait for their replacement; gives how many
    /// there are then.
    WT_HD_COLD std::int32_t gather_nodes(State& s, NodeState state, std::int32_t count) {
        const IndexSet<Layout>& nodes = s.nodes_in(state);
        for (std::uint32_t n = nodes.first(); n != no_index; n = nodes.next(n + 1)) {
            if (state == NodeState::cordoned && is_waiting(s, n)) continue;
            m_ids[count] = n;
            KarpenterNode& to = m_nodes[count++];
            to = KarpenterNode{};
            to.free = s.node(n).free;
            to.offering = s.node(n).shape;
            m_known.count_on(s, s.node(n), to);
        }
        return count;
    }

    /// Launches one node from a set of offerings and marks those that had no capacity; `no_index` when none
    /// had any.
    WT_HD_COLD std::uint32_t launch(Fleet<Layout, Owner>& fleet, const OfferingSet& set, Tick now,
                                    Fault& fault) {
        State& s = fleet.state();
        const LaunchAnswer answer = m_offers.answer_of(s, set);
        m_offers.note_failed(answer, now);
        if (answer.offering < 0) return no_index;
        // A replacement stands beside what it replaces for a while: the pool needs a slot for both.
        if (!s.has_free_node(s.blueprint().shapes[static_cast<std::uint32_t>(answer.offering)].pool))
            return no_index;
        return fleet.node_pools().launch(s, static_cast<std::uint32_t>(answer.offering), now, fault);
    }

    // ---- disruption ------------------------------------------------------------------------------------

    /// The cluster as disruption sees it at `now`.
    WT_HD_COLD ConsolidationScene build_scene(Fleet<Layout, Owner>& fleet, Tick now) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        if (m_offers.look_at_prices(s, now)) m_nothing_at = never;  // what was too dear may not be so now
        gather_pools(s, now);
        m_known.note_changes(s);
        m_known.note_budgets(s);
        m_roomy.clear();
        const NodeRoom<Layout>& room = fleet.scheduler().room(s);
        for (std::uint32_t c = 0; c < b.fit_classes.size(); ++c) {
            const IndexSet<Layout>& open = room.open(c);
            for (std::uint32_t n = open.first(); n != no_index; n = open.next(n + 1)) m_roomy.add(n);
        }
        m_known.count_zones(s, m_topology[0]);
        ConsolidationScene scene;
        scene.topology = &m_topology[0];
        scene.scratch_topology = &m_topology[1];
        scene.offerings = m_offers.all();
        scene.offering_count = static_cast<std::int32_t>(b.shapes.size());
        scene.pools = m_pools;
        scene.pool_count = static_cast<std::int32_t>(b.karpenter_pools.size());
        scene.groups = m_known.groups();
        scene.group_count = m_known.group_count();
        scene.nodes = m_nodes;
        scene.views = m_views;
        const std::int32_t open = gather_open_nodes(s);
        // Who is cordoned by hand takes no pods, but may go like any other.
        scene.node_count = gather_nodes(s, NodeState::cordoned, open);
        scene.pods = m_known.standing();
        scene.scratch_pools = m_scratch_pools;
        scene.scratch_pods = m_scratch_pods;
        scene.claims = m_claims;
        scene.claim_capacity = static_cast<std::int32_t>(b.node_slots);
        scene.destinations = m_places;
        for (std::int32_t i = 0; i < scene.node_count; ++i) view_node(s, i, now);
        reserve(fleet, scene, open);
        count_pools(s);
        for (std::int32_t k = 0; k < scene.pool_count; ++k) m_allowance[k] = allowance_of(s, k, now);
        open_scene(scene, now);
        return scene;
    }
    /// Pods that wait for a node, and those of nodes that are going already, take part in every trial: the room that they
    /// will take on the first `open` nodes is not there for others.
    WT_HD_COLD void reserve(Fleet<Layout, Owner>& fleet, const ConsolidationScene& scene, std::int32_t open) {
        ProvisioningBatch batch;
        gather_pending(fleet, batch);
        gather_deleted(fleet.state(), batch);
        if (batch.pod_count == 0) return;
        batch.offerings = scene.offerings;
        batch.groups = m_known.groups();
        batch.pods = m_pods;
        batch.nodes = m_nodes;
        batch.node_count = open;
        batch.topology = &m_topology[0];
        (void)plan_batch(batch);  // without pools: what finds no room would have to have a node of its own
    }
    WT_HD void view_node(State& s, std::int32_t i, Tick now) {
        const Blueprint& b = s.blueprint();
        const std::uint32_t n = m_ids[i];
        const ClusterNode& node = s.node(n);
        const auto& seen = m_known.seen(n);
        DisruptionNode& view = m_views[i];
        view = DisruptionNode{};
        view.initialized = node.state != NodeState::provisioning;
        view.full = node.state == NodeState::cordoned || (node.state == NodeState::ready && !m_roomy.has(n));
        view.first_pod = seen.first_pod;
        view.pod_count = seen.pod_count;
        view.pods_do_not_disrupt = seen.do_not_disrupt;
        view.eviction_cost = seen.eviction_cost;
        const std::int32_t k = b.pools[node.pool].karpenter;
        if (k < 0) {
            view.do_not_disrupt = true;  // not Karpenter's, but room for pods
            return;
        }
        const KarpenterPoolPlan& plan = b.karpenter_pools[k];
        view.pool = k;
        view.reserved = node.reserved != 0;
        view.do_not_disrupt = plan.do_not_disrupt != 0 || node.protected_node != 0;
        view.nominated = node.nominated_until > now;
        view.consolidate_never = plan.consolidate_after == never;
        view.consolidate_after = plan.consolidate_after;
        view.only_when_empty = plan.only_when_empty != 0;
        view.has_termination_grace = plan.termination_grace != never;
        view.last_pod_event = node.last_pod_event;
        // Pods that differ may find another order of the destinations where their own node was one.
        if (seen.only_room && (seen.alike || view.full))
            view.kind = KarpenterPods<Layout, Owner>::spread_bits(
                            seen.pods_kind + (std::uint64_t{node.shape} << 32) + (std::uint64_t{node.reserved} << 63)) |
                        1;
        view.budget_blocked = m_known.is_held(s, node);
    }
    /// The nodes that a pool's budgets are about: initialised ones, and of these those that do not answer or
    /// are on their way out (9.7).
    WT_HD_COLD void count_pools(const State& s) {
        const Blueprint& b = s.blueprint();
        for (std::uint32_t k = 0; k < b.karpenter_pools.size(); ++k) m_pool_nodes[k] = m_pool_leaving[k] = 0;
        for (const NodeState state :
             {NodeState::ready, NodeState::draining, NodeState::cordoned, NodeState::lost}) {
            const IndexSet<Layout>& nodes = s.nodes_in(state);
            for (std::uint32_t n = nodes.first(); n != no_index; n = nodes.next(n + 1)) {
                const std::int32_t k = b.pools[s.node(n).pool].karpenter;
                if (k < 0) continue;
                ++m_pool_nodes[k];
                const bool up = state == NodeState::ready || (state == NodeState::cordoned && !is_waiting(s, n)) ||
                                (state == NodeState::lost && s.node(n).loss == LossStage::unnoticed);
                m_pool_leaving[k] += up ? 0 : 1;
            }
        }
    }
    [[nodiscard]] WT_HD DisruptionAllowance allowance_of(State& s, std::int32_t k, Tick now) const {
        const Blueprint& b = s.blueprint();
        const KarpenterPoolPlan& plan = b.karpenter_pools[k];
        const std::int32_t nodes = m_pool_nodes[k], disrupting = m_pool_leaving[k];
        const auto left = [&](DisruptionReason reason) {
            std::int32_t least = max_i32;
            for (std::uint32_t i = 0; i < plan.budget_count; ++i) {
                const KarpenterBudgetPlan& budget = b.karpenter_budgets[plan.first_budget + i];
                KarpenterBudget now_active = budget.budget;
                if (budget.scheduled && budget.interval_count > 0)
                    now_active.active = is_active(&b.intervals[budget.first_interval],
                                                  static_cast<std::int32_t>(budget.interval_count), now);
                else if (budget.scheduled)
                    now_active.active = false;
                const std::int32_t one = remaining_disruptions(&now_active, 1, reason, nodes, disrupting);
                if (one < least) least = one;
            }
            return least;
        };
        return {left(DisruptionReason::empty), left(DisruptionReason::drifted),
                left(DisruptionReason::underutilized)};
    }
    [[nodiscard]] WT_HD DisruptionRound round_of(const State& s) const {
        const std::uint32_t nodes = s.blueprint().node_slots;
        DisruptionRound round;
        round.allowance = m_allowance;
        round.left = m_left;
        round.candidates = m_places + nodes;
        round.turns = m_places + 2 * nodes;
        return round;
    }

    /// Tries the methods behind `after`: that of a command which has just been dropped, and with it what came before it.
    WT_HD_COLD void look(Fleet<Layout, Owner>& fleet, DisruptionMethod after, Tick now) {
        State& s = fleet.state();
        // Nothing was found, and since then nothing has changed that could be.
        if (m_nothing_at != never && m_nothing_changes == s.changes() && now < m_calm_until) return;
        const ConsolidationScene scene = build_scene(fleet, now);
        DisruptionRound round = round_of(s);
        // Consolidation found nothing, and since then nothing has changed and no node has come to rest.
        round.consolidated = m_nothing_at != never && m_nothing_version == s.version();
        for (std::int32_t i = 0; i < scene.node_count && round.consolidated; ++i) {
            const DisruptionNode& view = scene.views[i];
            round.consolidated = view.do_not_disrupt || view.consolidate_never ||
                                 is_settled(view, m_nothing_at) == is_settled(view, now);
        }
        m_command = find_disruption(scene, s.blueprint().karpenter, round, now, after);
        if (m_command.method == DisruptionMethod::none) {
            if (after != DisruptionMethod::none) return;  // the methods before were not asked
            m_nothing_at = now;
            m_nothing_version = s.version();
            m_nothing_changes = s.changes();
            m_calm_until = calm_until(s, scene, now);
            return;
        }
        for (std::int32_t c = 0; c < m_command.candidate_count; ++c) {
            const std::uint32_t n = m_ids[round.candidates[c]];
            m_chosen[c] = {n, s.node(n).incarnation};
        }
        m_stage = Stage::validating;
        s.wake_disruption(now + s.blueprint().karpenter.validation_delay);
    }

    /// When time alone can change what was looked at: a node comes to rest or is nominated no more, an
    /// offering may be had again, a budget's schedule begins or ends.
    [[nodiscard]] WT_HD_COLD Tick calm_until(const State& s, const ConsolidationScene& scene,
                                             Tick now) const {
        const Blueprint& b = s.blueprint();
        Tick until = never;
        const auto note = [&](Tick at) {
            if (at > now) until = min(until, at);
        };
        if (b.spot_prices.size() > 0) note(m_offers.prices_until());
        for (std::int32_t i = 0; i < scene.node_count; ++i) {
            const DisruptionNode& view = scene.views[i];
            if (view.do_not_disrupt) continue;
            if (!view.consolidate_never) note(view.last_pod_event + view.consolidate_after);
            if (view.nominated) note(s.node(m_ids[i]).nominated_until);
        }
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) note(m_offers.unavailable_until(i));
        for (const KarpenterBudgetPlan& budget : b.karpenter_budgets)
            for (std::uint32_t i = 0; budget.scheduled && i < budget.interval_count; ++i) {
                note(b.intervals[budget.first_interval + i].from);
                note(b.intervals[budget.first_interval + i].to);
            }
        return until;
    }

    [[nodiscard]] WT_HD_COLD bool still_valid(Fleet<Layout, Owner>& fleet, Tick now) {
        State& s = fleet.state();
        const std::uint32_t slots = s.blueprint().node_slots;
        const ConsolidationScene scene = build_scene(fleet, now);
        std::int32_t *index = m_places + 3 * slots, *nodes = m_places + 4 * slots;
        for (std::uint32_t n = 0; n < slots; ++n) index[n] = -1;
        for (std::int32_t i = 0; i < scene.node_count; ++i) index[m_ids[i]] = i;
        for (std::int32_t c = 0; c < m_command.candidate_count; ++c) {
            nodes[c] = index[m_chosen[c].node];
            if (nodes[c] < 0 || s.node(m_chosen[c].node).incarnation != m_chosen[c].incarnation) return false;
        }
        return is_still_valid(scene, s.blueprint().karpenter, round_of(s), m_command, nodes, now);
    }

    /// Taints the nodes, launches the replacement if there is to be one, else drains at once.
    WT_HD_COLD void carry_out(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        State& s = fleet.state();
        if (m_command.action == ConsolidationAction::remove) {
            for (std::int32_t c = 0; c < m_command.candidate_count && !fault.broken(); ++c)
                delete_claim(fleet, m_chosen[c].node, now, fault);
            s.wake_disruption(now + milliseconds(20));  // at once after a success
            return;
        }
        const std::uint32_t n = launch(fleet, m_command.replacement, now, fault);
        if (n == no_index) return;
        s.node(n).nominated_until = never;
        for (std::int32_t c = 0; c < m_command.candidate_count; ++c) {
            if (s.node(m_chosen[c].node).state != NodeState::cordoned)
                fleet.node_pools().set_cordoned(s, m_chosen[c].node, true, now);
            m_waits[m_chosen[c].node] = {{n, s.node(n).incarnation}, m_chosen[c].incarnation, now};
        }
        s.wake_disruption(now + milliseconds(20));
    }

    /// Nodes whose replacement has come go; those whose replacement failed, or took longer than a command is retried,
    /// stay and lose their taint.
    WT_HD_COLD void settle(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        State& s = fleet.state();
        const IndexSet<Layout>& cordoned = s.nodes_in(NodeState::cordoned);
        for (std::uint32_t n = cordoned.first(); n != no_index && !fault.broken(); n = cordoned.next(n + 1)) {
            if (!is_waiting(s, n)) continue;
            const Wait wait = m_waits[n];
            ClusterNode& node = s.node(wait.replacement.node);
            const bool there = node.incarnation == wait.replacement.incarnation && node.state != NodeState::none;
            const bool comes = there && node.state == NodeState::provisioning;
            if (comes && now < wait.since + karpenter_command_retry) continue;
            m_waits[n] = Wait{};
            if (there) node.nominated_until = now + karpenter_nomination;
            fleet.node_pools().set_cordoned(s, n, false, now);
            if (there && !comes) fleet.node_pools().drain(fleet, n, Drainer::karpenter, now, fault);
        }
    }

    /// A node goes, cordoned or not.
    WT_HD_COLD void delete_claim(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        m_waits[n] = Wait{};
        fleet.node_pools().drain(fleet, n, Drainer::karpenter, now, fault);
    }
    /// Nodes past expireAfter go, whatever budgets say; nothing is launched for them beforehand.
    WT_HD_COLD void expire(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        for (std::uint32_t k = 0; k < b.karpenter_pools.size(); ++k) {
            const KarpenterPoolPlan& plan = b.karpenter_pools[k];
            if (plan.expire_after == never || now < plan.expire_after) continue;
            const PoolPlan& slots = b.pools[plan.pool];
            const std::uint32_t end = slots.first_node + slots.node_slots;
            for (const NodeState state : {NodeState::ready, NodeState::cordoned}) {
                const IndexSet<Layout>& nodes = s.nodes_in(state);
                for (std::uint32_t n = nodes.next(slots.first_node); n < end; n = nodes.next(n + 1))
                    if (s.node(n).launched + plan.expire_after <= now) delete_claim(fleet, n, now, fault);
            }
        }
    }

    KarpenterOffers<State> m_offers;
    KarpenterPods<Layout, Owner> m_known;
    KarpenterTopology* m_topology = nullptr;     ///< as it is, and one to try things out in
    IndexSet<Layout> m_roomy;                    ///< Ready nodes with room for something
    KarpenterPod* m_pods = nullptr;              ///< [pod_slots]
    KarpenterPod* m_scratch_pods = nullptr;      ///< [pod_slots]
    KarpenterNode* m_nodes = nullptr;            ///< [node_slots]
    std::uint32_t* m_ids = nullptr;              ///< [node_slots] node slot of m_nodes[i]
    DisruptionNode* m_views = nullptr;           ///< [node_slots] of m_nodes[i]
    std::int32_t* m_places = nullptr;            ///< five arrays of [node_slots]
    NodeName* m_chosen = nullptr;                ///< [node_slots] the command's nodes
    ArenaArray<Wait, Layout> m_waits;            ///< [node_slots] of tainted nodes
    KarpenterClaim* m_claims = nullptr;          ///< [node_slots]
    KarpenterPool* m_pools = nullptr;            ///< [karpenter_pools]
    KarpenterPool* m_scratch_pools = nullptr;    ///< [karpenter_pools]
    DisruptionAllowance* m_allowance = nullptr;  ///< [karpenter_pools]
    std::int32_t* m_left = nullptr;              ///< [karpenter_pools]
    std::int32_t *m_pool_nodes = nullptr, *m_pool_leaving = nullptr;  ///< [karpenter_pools] see count_pools
    ShapeSet m_mine;
    BatchWindow m_window;
    DisruptionCommand m_command;
    Stage m_stage = Stage::looking;
    Tick m_nothing_at = never;  ///< when consolidation last found nothing
    Tick m_calm_until;          ///< ... and until when time alone cannot change that
    std::uint64_t m_nothing_version = 0, m_nothing_changes = 0;
};

}  // namespace windtunnel
