#pragma once
#include "policies/karpenter_launch.hpp"
#include "policies/karpenter_lifecycle.hpp"
#include "policies/karpenter_rounds.hpp"
#include "sim/cluster_state.hpp"
#include "sim/eviction.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// Karpenter (kubernetes.md, section 9): batches of pending pods become nodes; nodes that are empty or too
/// dear go. It decides with policies/karpenter_*; here is what these look at and what becomes of it.
///
/// One disruption is carried out at a time: the next is looked for when the replacement is there.
template <class Layout, class Owner>
class Karpenter {
public:
    using State = ClusterState<Layout, Owner>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        const bool used = b.karpenter_pools.size() > 0;
        const std::size_t nodes = used ? b.node_slots : 0, pods = used ? b.pod_slots : 0,
                          pools = b.karpenter_pools.size();
        m_offerings = arena.template take_plain<KarpenterOffering>(used ? b.shapes.size() : 0);
        m_unavailable = arena.template take_plain<Tick>(used ? b.shapes.size() : 0);
        m_groups = arena.template take_plain<KarpenterPodGroup>(used ? 2 * b.templates.size() : 0);
        m_topology = arena.template take_plain<KarpenterTopology>(used ? 2 : 0);
        m_refuses = arena.template take_plain<std::uint8_t>(used ? b.budgets.size() : 0);
        m_pods = arena.template take_plain<KarpenterPod>(pods);
        m_scratch_pods = arena.template take_plain<KarpenterPod>(pods);
        m_nodes = arena.template take_plain<KarpenterNode>(nodes);
        m_ids = arena.template take_plain<std::uint32_t>(nodes);
        m_views = arena.template take_plain<DisruptionNode>(nodes);
        m_places = arena.template take_plain<std::int32_t>(5 * nodes);
        m_chosen = arena.template take_plain<NodeName>(nodes);
        m_claims = arena.template take_plain<KarpenterClaim>(nodes);
        m_pools = arena.template take_plain<KarpenterPool>(pools);
        m_scratch_pools = arena.template take_plain<KarpenterPool>(pools);
        m_allowance = arena.template take_plain<DisruptionAllowance>(pools);
        m_left = arena.template take_plain<std::int32_t>(pools);
    }

    WT_HD_COLD void start(State& s) {
        const Blueprint& b = s.blueprint();
        m_window = {};
        m_command = {};
        m_stage = Stage::looking;
        m_nothing_at = never;
        if (b.karpenter_pools.size() == 0) return;
        m_mine = ShapeSet{};
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) {
            const ShapePlan& shape = b.shapes[i];
            m_offerings[i] = {shape.capacity,
                              shape.planned_room(),
                              shape.nano_usd_per_hour,
                              shape.kind,
                              static_cast<std::int32_t>(shape.zone),
                              shape.type,
                              shape.family};
            m_unavailable[i] = Tick{INT64_MIN / 2};
            if (b.pools[shape.pool].provisioner == Provisioner::karpenter)
                m_mine.add(static_cast<std::int32_t>(i));
        }
        form_groups(b);
        s.wake_disruption(b.karpenter.poll);
    }

    /// The scheduler found no node for a pod.
    WT_HD void note_unschedulable(State& s, const TemplatePlan& plan, Tick now) {
        if (s.blueprint().karpenter_pools.size() == 0 || !is_for_me(plan)) return;
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
            const LaunchAnswer answer = answer_of(s, m_claims[c].offerings);
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
        switch (m_stage) {
            case Stage::looking:
                look(s, now);
                if (m_stage == Stage::validating)
                    s.wake_disruption(now + s.blueprint().karpenter.validation_delay);
                break;
            case Stage::validating:
                m_stage = Stage::looking;
                if (still_valid(s, now)) carry_out(fleet, now, fault);
                break;
            case Stage::replacing:
                await_replacement(fleet, now, fault);
                break;
        }
    }

private:
    enum class Stage : std::uint8_t { looking, validating, replacing };
    /// A node slot in one of its lives.
    struct NodeName {
        std::uint32_t node = no_index, incarnation = 0;
    };

    // ---- what it knows of pods -------------------------------------------------------------------------

    /// One group for each template as it stands, and one (the second half) without its soft spreading.
    WT_HD_COLD void form_groups(const Blueprint& b) {
        const auto templates = static_cast<std::uint32_t>(b.templates.size());
        m_label_count = m_exclusive_count = 0;
        for (std::uint32_t t = 0; t < templates; ++t) {
            const TemplatePlan& plan = b.templates[t];
            for (const bool soft : {true, false}) {
                KarpenterPodGroup& group = m_groups[soft ? t : templates + t];
                group = KarpenterPodGroup{};
                group.request = plan.needs;
                group.allowed = plan.shapes;
                bool has_soft = false;
                for (std::uint32_t i = 0; i < plan.spread_count; ++i) {
                    const SpreadRule& rule = b.spread_rules[plan.first_spread + i];
                    if (!rule.hard && (!soft || plan.default_spread)) continue;
                    has_soft = has_soft || !rule.hard;
                    spread(group, rule, b.zone_key);
                }
                if (soft && has_soft) group.relaxed = static_cast<std::int32_t>(templates + t);
                for (std::uint32_t i = 0; i < plan.affinity_count; ++i) {
                    const AffinityRule& rule = b.affinity_rules[plan.first_affinity + i];
                    if (rule.kind == AffinityKind::anti && rule.key == topology_hostname &&
                        is_counted(b, plan, rule.counter))
                        group.exclusive |= exclusive_bit(rule.counter);
                }
            }
        }
        for (std::uint32_t g = 0; g < 2 * templates; ++g)
            for (std::int32_t l = 0; l < m_label_count; ++l)
                if (is_counted(b, b.templates[g % templates], m_labels[l]))
                    m_groups[g].labels |= static_cast<std::uint8_t>(1 << l);
    }
    WT_HD void spread(KarpenterPodGroup& group, const SpreadRule& rule, std::int32_t zone_key) {
        if (rule.key != topology_hostname && rule.key != zone_key) return;
        std::int32_t label = 0;
        while (label < m_label_count && m_labels[label] != rule.counter) ++label;
        if (label == m_label_count) {
            if (label == karpenter_spread_labels) return;
            m_labels[m_label_count++] = rule.counter;
        }
        (rule.key == topology_hostname ? group.host_label : group.zone_label) = label;
        (rule.key == topology_hostname ? group.host_skew : group.zone_skew) = rule.max_skew;
    }
    WT_HD std::uint64_t exclusive_bit(std::int32_t counter) {
        std::int32_t at = 0;
        while (at < m_exclusive_count && m_exclusive[at] != counter) ++at;
        if (at == 64) return 0;
        if (at == m_exclusive_count) m_exclusive[m_exclusive_count++] = counter;
        return std::uint64_t{1} << at;
    }
    [[nodiscard]] WT_HD static bool is_counted(const Blueprint& b, const TemplatePlan& plan, std::int32_t counter) {
        for (std::uint32_t i = 0; i < plan.counted_count; ++i)
            if (b.counted_by[plan.first_counted + i] == static_cast<std::uint32_t>(counter)) return true;
        return false;
    }
    /// Pods of each spread label in each zone, as they stand.
    WT_HD_COLD void count_zones(const State& s, KarpenterTopology& out) const {
        const Blueprint& b = s.blueprint();
        out = KarpenterTopology{};
        if (m_label_count == 0 || b.zone_key < 0) return;
        std::uint64_t seen = 0;
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) {
            const std::uint32_t zone = b.shapes[i].zone;
            if ((seen >> zone & 1) != 0) continue;
            seen |= std::uint64_t{1} << zone;
            const std::int32_t domain =
                b.shape_domains[static_cast<std::size_t>(b.zone_key - 1) * b.shapes.size() + i];
            for (std::int32_t l = 0; l < m_label_count && domain >= 0; ++l)
                if (static_cast<std::int32_t>(b.counters[static_cast<std::size_t>(m_labels[l])].key) == b.zone_key)
                    out.in_zone[l][zone] = s.topology().pods_in(m_labels[l], domain);
        }
    }

    /// The pods that wait for nodes of its pools, beside the cluster.
    WT_HD_COLD ProvisioningBatch gather_batch(Fleet<Layout, Owner>& fleet, Tick now) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        ProvisioningBatch batch;
        for (std::uint32_t p = fleet.scheduler().first_pending(); p != no_index; p = s.pod(p).next) {
            const Pod& pod = s.pod(p);
            if (!is_for_me(s.template_of(pod))) continue;
            KarpenterPod& to = m_pods[batch.pod_count++];
            to = KarpenterPod{};
            to.group = static_cast<std::int32_t>(pod.revision);
            to.created = pod.created.count;
            to.uid = s.pod_draw(StreamPurpose::scheduling_tie, p, 0);
        }
        if (batch.pod_count == 0) return batch;
        gather_pools(s, now);
        batch.offerings = m_offerings;
        batch.offering_count = static_cast<std::int32_t>(b.shapes.size());
        batch.pools = m_pools;
        batch.pool_count = static_cast<std::int32_t>(b.karpenter_pools.size());
        batch.groups = m_groups;
        batch.pods = m_pods;
        batch.nodes = m_nodes;
        batch.node_count = gather_nodes(s);
        batch.claims = m_claims;
        batch.claim_capacity = static_cast<std::int32_t>(b.node_slots);
        batch.topology = &m_topology[0];
        count_zones(s, m_topology[0]);
        return batch;
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
                if (m_unavailable[slots.first_shape + i] <= now)
                    pool.offerings.add(static_cast<std::int32_t>(slots.first_shape + i));
            if (pool.limited == 0) continue;
            for (std::uint32_t n = slots.first_node; n < slots.first_node + slots.node_slots; ++n)
                if (s.node(n).state != NodeState::none) pool.remaining -= s.shape_of(s.node(n)).capacity;
        }
    }

    /// Nodes that pods may go to, initialised ones first.
    WT_HD_COLD std::int32_t gather_nodes(State& s) {
        std::int32_t count = 0;
        for (const NodeState state : {NodeState::ready, NodeState::provisioning})
            for (std::uint32_t n = 0; n < s.blueprint().node_slots; ++n) {
                const ClusterNode& node = s.node(n);
                if (node.state != state) continue;
                m_ids[count] = n;
                KarpenterNode& to = m_nodes[count++];
                to = KarpenterNode{};
                to.free = node.free;
                to.offering = node.shape;
                if (m_label_count == 0 && m_exclusive_count == 0) continue;
                for (std::uint32_t p = node.first_pod; p != no_index; p = s.pod(p).next_on_node) {
                    const KarpenterPodGroup& group = m_groups[s.pod(p).revision];
                    to.exclusive |= group.exclusive;
                    karpenter_detail::count_labels(group, to.labelled, 1);
                }
            }
        return count;
    }

    /// Launches one node from a set of offerings and marks those that had no capacity; `no_index` when none
    /// had any.
    WT_HD_COLD std::uint32_t launch(Fleet<Layout, Owner>& fleet, const OfferingSet& set, Tick now,
                                    Fault& fault) {
        State& s = fleet.state();
        const LaunchAnswer answer = answer_of(s, set);
        for (std::int32_t i = answer.failed.next(0); i >= 0; i = answer.failed.next(i + 1))
            m_unavailable[i] = now + karpenter_unavailable;
        if (answer.offering < 0) return no_index;
        // A replacement stands beside what it replaces for a while: the pool needs a slot for both.
        if (!s.has_free_node(s.blueprint().shapes[static_cast<std::uint32_t>(answer.offering)].pool)) return no_index;
        return fleet.node_pools().launch(s, static_cast<std::uint32_t>(answer.offering), now, fault);
    }
    /// What the cloud gives for a launch request.
    WT_HD_COLD LaunchAnswer answer_of(State& s, const OfferingSet& set) const {
        OfferingSet deep;
        s.next_launch();
        for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1))
            if (m_offerings[i].kind == OfferingKind::spot && s.is_deep(static_cast<std::uint32_t>(i))) deep.add(i);
        return launch_claim(m_offerings, set, s.sold_out(), deep);
    }

    // ---- disruption ------------------------------------------------------------------------------------

    /// The cluster as disruption sees it at `now`.
    WT_HD_COLD ConsolidationScene build_scene(State& s, Tick now) {
        const Blueprint& b = s.blueprint();
        gather_pools(s, now);
        for (std::size_t i = 0; i < b.budgets.size(); ++i)
            m_refuses[i] = disruption_status(s, b.budgets[i]).disruptions_allowed <= 0;
        count_zones(s, m_topology[0]);
        ConsolidationScene scene;
        scene.topology = &m_topology[0];
        scene.scratch_topology = &m_topology[1];
        scene.offerings = m_offerings;
        scene.offering_count = static_cast<std::int32_t>(b.shapes.size());
        scene.pools = m_pools;
        scene.pool_count = static_cast<std::int32_t>(b.karpenter_pools.size());
        scene.groups = m_groups;
        scene.group_count = 2 * static_cast<std::int32_t>(b.templates.size());
        scene.nodes = m_nodes;
        scene.views = m_views;
        scene.node_count = gather_nodes(s);
        scene.pods = m_pods;
        scene.scratch_pools = m_scratch_pools;
        scene.scratch_pods = m_scratch_pods;
        scene.claims = m_claims;
        scene.claim_capacity = static_cast<std::int32_t>(b.node_slots);
        scene.destinations = m_places;
        std::int32_t pods = 0;
        for (std::int32_t i = 0; i < scene.node_count; ++i) pods = view_node(s, i, pods, now);
        for (std::int32_t k = 0; k < scene.pool_count; ++k) m_allowance[k] = allowance_of(s, k, now);
        open_scene(scene, now);
        return scene;
    }
    WT_HD std::int32_t view_node(State& s, std::int32_t i, std::int32_t pods, Tick now) {
        const Blueprint& b = s.blueprint();
        const ClusterNode& node = s.node(m_ids[i]);
        DisruptionNode& view = m_views[i];
        view = DisruptionNode{};
        view.initialized = node.state == NodeState::ready;
        view.first_pod = pods;
        const std::int32_t k = b.pools[node.pool].karpenter;
        if (k < 0) {
            view.do_not_disrupt = true;  // not Karpenter's, but room for pods
        } else {
            const KarpenterPoolPlan& plan = b.karpenter_pools[k];
            view.pool = k;
            view.nominated = node.nominated_until > now;
            view.consolidate_never = plan.consolidate_after == never;
            view.consolidate_after = plan.consolidate_after;
            view.only_when_empty = plan.only_when_empty != 0;
            view.has_termination_grace = plan.termination_grace != never;
            view.last_pod_event = node.last_pod_event;
        }
        for (std::uint32_t p = node.first_pod; p != no_index; p = s.pod(p).next_on_node) {
            const Pod& pod = s.pod(p);
            if (!pod.active()) continue;
            m_pods[pods] = KarpenterPod{};
            m_pods[pods].group = static_cast<std::int32_t>(pod.revision);
            m_pods[pods++].created = pod.created.count;
            ++view.pod_count;
            const TemplatePlan& made_from = s.template_of(pod);
            view.pods_do_not_disrupt = view.pods_do_not_disrupt || made_from.do_not_disrupt;
            view.budget_blocked = view.budget_blocked || is_protected(b, pod.workload);
            const double cost = eviction_cost(0, made_from.priority);
            view.eviction_cost += cost > 0 ? cost : 0;
        }
        return pods;
    }
    /// Whether a disruption budget refuses the workload's pods now, or two cover them (the API refuses those).
    [[nodiscard]] WT_HD bool is_protected(const Blueprint& b, std::uint32_t workload) const {
        std::int32_t covering = 0;
        for (std::size_t i = 0; i < b.budgets.size(); ++i) {
            if (!b.budgets[i].covers(workload)) continue;
            if (m_refuses[i] || ++covering > 1) return true;
        }
        return false;
    }
    [[nodiscard]] WT_HD DisruptionAllowance allowance_of(State& s, std::int32_t k, Tick now) const {
        const Blueprint& b = s.blueprint();
        const KarpenterPoolPlan& plan = b.karpenter_pools[k];
        const PoolPlan& slots = b.pools[plan.pool];
        std::int32_t nodes = 0, disrupting = 0;
        for (std::uint32_t n = slots.first_node; n < slots.first_node + slots.node_slots; ++n) {
            const NodeState state = s.node(n).state;
            const bool leaving = state == NodeState::draining || state == NodeState::cordoned;
            nodes += leaving || state == NodeState::ready ? 1 : 0;
            disrupting += leaving ? 1 : 0;
        }
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

    WT_HD_COLD void look(State& s, Tick now) {
        const ConsolidationScene scene = build_scene(s, now);
        DisruptionRound round = round_of(s);
        // Consolidation found nothing, and since then nothing has changed and no node has come to rest.
        round.consolidated = m_nothing_at != never && m_nothing_version == s.version();
        for (std::int32_t i = 0; i < scene.node_count && round.consolidated; ++i) {
            const DisruptionNode& view = scene.views[i];
            round.consolidated = view.do_not_disrupt || view.consolidate_never ||
                                 is_settled(view, m_nothing_at) == is_settled(view, now);
        }
        m_command = find_disruption(scene, s.blueprint().karpenter, round, now);
        if (m_command.method == DisruptionMethod::none) {
            m_nothing_at = now;
            m_nothing_version = s.version();
            return;
        }
        for (std::int32_t c = 0; c < m_command.candidate_count; ++c) {
            const std::uint32_t n = m_ids[round.candidates[c]];
            m_chosen[c] = {n, s.node(n).incarnation};
        }
        m_stage = Stage::validating;
    }

    [[nodiscard]] WT_HD_COLD bool still_valid(State& s, Tick now) {
        const std::uint32_t slots = s.blueprint().node_slots;
        const ConsolidationScene scene = build_scene(s, now);
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
                fleet.node_pools().delete_claim(fleet, m_chosen[c].node, now, fault);
            s.wake_disruption(now + milliseconds(20));  // at once after a success
            return;
        }
        const std::uint32_t n = launch(fleet, m_command.replacement, now, fault);
        if (n == no_index) return;
        m_replacement = {n, s.node(n).incarnation};
        s.node(n).nominated_until = never;
        for (std::int32_t c = 0; c < m_command.candidate_count; ++c)
            fleet.node_pools().set_cordoned(s, m_chosen[c].node, true, now);
        m_stage = Stage::replacing;
    }

    WT_HD_COLD void await_replacement(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        State& s = fleet.state();
        ClusterNode& node = s.node(m_replacement.node);
        const bool there = node.incarnation == m_replacement.incarnation && node.state != NodeState::none;
        if (there && node.state == NodeState::provisioning) return;
        m_stage = Stage::looking;
        if (there) node.nominated_until = now + karpenter_nomination;
        for (std::int32_t c = 0; c < m_command.candidate_count && !fault.broken(); ++c) {
            const NodeName& old = m_chosen[c];
            if (s.node(old.node).incarnation != old.incarnation ||
                s.node(old.node).state != NodeState::cordoned)
                continue;
            fleet.node_pools().set_cordoned(s, old.node, false, now);
            if (there) fleet.node_pools().delete_claim(fleet, old.node, now, fault);
        }
    }

    /// Nodes past expireAfter go, whatever budgets say; nothing is launched for them beforehand.
    WT_HD_COLD void expire(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        for (std::uint32_t k = 0; k < b.karpenter_pools.size(); ++k) {
            const KarpenterPoolPlan& plan = b.karpenter_pools[k];
            if (plan.expire_after == never || now < plan.expire_after) continue;
            const PoolPlan& slots = b.pools[plan.pool];
            for (std::uint32_t n = slots.first_node; n < slots.first_node + slots.node_slots; ++n)
                if (s.node(n).state == NodeState::ready && s.node(n).launched + plan.expire_after <= now)
                    fleet.node_pools().delete_claim(fleet, n, now, fault);
        }
    }

    KarpenterOffering* m_offerings = nullptr;    ///< [shapes]
    Tick* m_unavailable = nullptr;               ///< [shapes] left out of planning before
    KarpenterPodGroup* m_groups = nullptr;       ///< two arrays of [templates]
    KarpenterTopology* m_topology = nullptr;     ///< as it is, and one to try things out in
    std::uint8_t* m_refuses = nullptr;           ///< [budgets] allows no eviction now
    std::int32_t m_labels[karpenter_spread_labels] = {};  ///< the counter of each spread label
    std::int32_t m_exclusive[64] = {};                    ///< of each exclusive set
    std::int32_t m_label_count = 0, m_exclusive_count = 0;
    KarpenterPod* m_pods = nullptr;              ///< [pod_slots]
    KarpenterPod* m_scratch_pods = nullptr;      ///< [pod_slots]
    KarpenterNode* m_nodes = nullptr;            ///< [node_slots]
    std::uint32_t* m_ids = nullptr;              ///< [node_slots] node slot of m_nodes[i]
    DisruptionNode* m_views = nullptr;           ///< [node_slots] of m_nodes[i]
    std::int32_t* m_places = nullptr;            ///< five arrays of [node_slots]
    NodeName* m_chosen = nullptr;                ///< [node_slots] the command's nodes
    KarpenterClaim* m_claims = nullptr;          ///< [node_slots]
    KarpenterPool* m_pools = nullptr;            ///< [karpenter_pools]
    KarpenterPool* m_scratch_pools = nullptr;    ///< [karpenter_pools]
    DisruptionAllowance* m_allowance = nullptr;  ///< [karpenter_pools]
    std::int32_t* m_left = nullptr;              ///< [karpenter_pools]
    ShapeSet m_mine;
    BatchWindow m_window;
    DisruptionCommand m_command;
    Stage m_stage = Stage::looking;
    NodeName m_replacement;
    Tick m_nothing_at = never;  ///< when consolidation last found nothing
    std::uint64_t m_nothing_version = 0;
};

}  // namespace windtunnel
