#pragma once
#include "sim/supposition.hpp"

namespace windtunnel {

/// Which nodes cluster-autoscaler could do without (kubernetes.md 10.7): those that are little used and whose
/// pods all find a place elsewhere. Nodes that change are judged anew; the others stay as they were judged.
template <class Layout, class Owner>
class CaNodeRemoval {
public:
    using State = ClusterState<Layout, Owner>;
    using Mind = Supposition<State, Layout>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b, bool used) {
        m_little_used.take_memory(arena, used ? b.node_slots : 0);
        m_moves = arena.template take_plain<Move>(used ? 4 * b.pod_slots : 0);
        m_capacity = used ? 4 * b.pod_slots : 0;
        m_allowed = arena.template take_plain<std::int32_t>(used ? b.budgets.size() : 0);
        m_covering = arena.template take_plain<Covering>(used ? b.workloads.size() : 0);
    }
    WT_HD_COLD void start(const Blueprint& b) {
        m_little_used.clear();
        m_any_expendable = false;
        if (m_capacity == 0) return;
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) m_covering[w] = Covering{};
        for (std::uint32_t i = 0; i < b.budgets.size(); ++i)
            for (std::uint32_t w = b.budgets[i].next_covered(0); w < b.workloads.size();
                 w = b.budgets[i].next_covered(w + 1))
                if (m_covering[w].count++ == 0) m_covering[w].first = i;
        for (const TemplatePlan& plan : b.templates)
            m_any_expendable = m_any_expendable || is_expendable(b, plan);
    }

    /// Judges the nodes that have changed, and starts the timers of those that could go (unneeded_since), or
    /// ends them. Pods are moved in mind; `room` is what the nodes have without that.
    WT_HD_COLD void look(State& s, Mind& mind, const NodeRoom<Layout>& room, std::uint32_t first_pending,
                         Tick now) {
        const Blueprint& b = s.blueprint();
        IndexSet<Layout>& changed = s.changed_nodes(NodeWatcher::cluster_autoscaler);
        for (std::uint32_t n = changed.first(); n != no_index; n = changed.next(n + 1)) {
            changed.remove(n);
            const bool little_used = is_eligible(s, n, now);
            m_little_used.set(n, little_used);
            if (!little_used) s.node(n).unneeded_since = never;
        }
        if (m_little_used.size() == 0) return;
        for (std::uint32_t i = 0; i < b.budgets.size(); ++i) m_allowed[i] = not_asked;
        m_move_count = 0;
        m_room = &room;
        m_first_pending = first_pending;
        // Empty nodes first, then nodes with pods.
        for (std::int32_t with_pods = 0; with_pods < 2; ++with_pods)
            for (std::uint32_t n = m_little_used.first(); n != no_index; n = m_little_used.next(n + 1)) {
                ClusterNode& node = s.node(n);
                if ((node.pods > 0) != (with_pods == 1)) continue;
                node.unneeded_since = could_go(s, mind, n, now) ? min(node.unneeded_since, now) : Tick{never};
            }
    }
    /// Nodes of which some could go: those with unneeded_since.
    [[nodiscard]] WT_HD const IndexSet<Layout>& little_used() const { return m_little_used; }

private:
    static constexpr std::int32_t not_asked = -1;
    struct Move {
        std::uint32_t pod, from;
        bool counted;  ///< its budgets were charged
    };
    struct Covering {
        std::uint32_t first = 0, count = 0;
    };

    [[nodiscard]] WT_HD static bool is_expendable(const Blueprint& b, const TemplatePlan& plan) {
        return plan.priority < b.cluster_autoscaler.loop.expendable_priority;
    }

    /// Whether a node may be considered at all. Pods below the cut-off are not there for cluster-autoscaler.
    [[nodiscard]] WT_HD_COLD bool is_eligible(const State& s, std::uint32_t n, Tick now) const {
        const Blueprint& b = s.blueprint();
        const ClusterNode& node = s.node(n);
        if ((node.state != NodeState::ready && node.state != NodeState::cordoned) ||
            b.pools[node.pool].provisioner != Provisioner::cluster_autoscaler)
            return false;
        const ShapePlan& shape = s.shape_of(node);
        CaPod pods[2];  // requests of one node add up: its pods stand as one, those of daemon sets as another
        pods[0].request = shape.daemons;
        pods[0].daemonset = true;
        pods[1].request = shape.room() - node.free;
        for (std::uint32_t p = node.first_pod; m_any_expendable && p != no_index; p = s.pod(p).next_on_node)
            if (is_expendable(b, s.template_of(s.pod(p)))) pods[1].request -= s.template_of(s.pod(p)).needs;
        CaNodeView view;
        view.allocatable = shape.allocatable;
        view.gpu = shape.allocatable[resource_gpus] > 0 || shape.gpu_labelled ? resource_gpus : -1;
        view.scale_down_disabled = node.protected_node != 0;
        view.pods = pods;
        view.pod_count = 2;
        return scale_down_eligibility(view, b.cluster_autoscaler.down, now) == CaUnremovable::no_reason;
    }

    /// Whether everything on a node finds room elsewhere. What is moved in mind stays moved, so that two
    /// nodes do not count on the same room.
    [[nodiscard]] WT_HD_COLD bool could_go(State& s, Mind& mind, std::uint32_t n, Tick now) {
        ClusterNode& node = s.node(n);
        if (now < node.unremovable_until) return false;
        const std::uint32_t mark = mind.mark(), moved = m_move_count;
        bool goes = true;
        // Pods that were moved here in mind have to go on; then its own.
        for (std::uint32_t i = 0; i < moved && goes && mind.guests(n) > 0; ++i)
            if (s.pod(m_moves[i].pod).planned_node == n) goes = move(s, mind, m_moves[i].pod, n, false);
        for (std::uint32_t p = node.first_pod; p != no_index && goes; p = s.pod(p).next_on_node) {
            const TemplatePlan& plan = s.template_of(s.pod(p));
            if (!s.pod(p).active() || (m_any_expendable && is_expendable(s.blueprint(), plan))) continue;
            goes = !plan.blocks_removal && may_be_evicted(s, s.pod(p).workload) && move(s, mind, p, n, true);
        }
        if (goes) return true;
        mind.undo(s, mark);
        while (m_move_count > moved) {
            const Move& back = m_moves[--m_move_count];
            s.pod(back.pod).planned_node = back.from;
            if (back.counted) charge_budgets(s, s.pod(back.pod).workload, 1);
        }
        node.unremovable_until = now + s.blueprint().cluster_autoscaler.unremovable_recheck;
        return false;
    }
    WT_HD bool move(State& s, Mind& mind, std::uint32_t p, std::uint32_t from, bool counted) {
        if (m_move_count == m_capacity || !mind.has_memory_for(2)) return false;
        mind.lift(s, p, from);
        const std::uint32_t to = room_elsewhere(s, mind, from, p);
        if (to == no_index) return false;
        mind.put(s, p, to);
        m_moves[m_move_count++] = {p, from, counted};
        s.pod(p).planned_node = to;
        if (counted) charge_budgets(s, s.pod(p).workload, -1);
        return true;
    }
    /// The nodes that have room as it is are all that can have any in mind: it is only given away, and an
    /// unneeded node is no refuge, for it may go itself.
    [[nodiscard]] WT_HD std::uint32_t room_elsewhere(State& s, const Mind& mind, std::uint32_t from,
                                                     std::uint32_t p) const {
        const TemplatePlan& plan = s.template_of(s.pod(p));
        const IndexSet<Layout>& open = m_room->open(plan.fit_class);
        for (std::uint32_t n = open.first(); n != no_index; n = open.next(n + 1)) {
            const ClusterNode& node = s.node(n);
            if (n != from && node.unneeded_since == never && fits(plan.needs, node.free) &&
                (!mind.has_rules(s.pod(p).revision) || mind.verdict(s, m_first_pending, p, plan, n).passes()))
                return n;
        }
        return no_index;
    }

    /// Whether the budgets that cover a workload's pods have room for one more disruption.
    [[nodiscard]] WT_HD bool may_be_evicted(const State& s, std::uint32_t w) {
        const Covering& covering = m_covering[w];
        std::uint32_t left = covering.count;
        for (std::uint32_t i = covering.first; left > 0; ++i) {
            if (!s.blueprint().budgets[i].covers(w)) continue;
            if (m_allowed[i] == not_asked)
                m_allowed[i] = disruption_status(s, s.blueprint().budgets[i]).disruptions_allowed;
            if (m_allowed[i] <= 0) return false;
            --left;
        }
        return true;
    }
    WT_HD void charge_budgets(const State& s, std::uint32_t w, std::int32_t by) {
        std::uint32_t left = m_covering[w].count;
        for (std::uint32_t i = m_covering[w].first; left > 0; ++i) {
            if (!s.blueprint().budgets[i].covers(w)) continue;
            m_allowed[i] += by;
            --left;
        }
    }

    IndexSet<Layout> m_little_used;  ///< nodes that may be considered
    Move* m_moves = nullptr;         ///< [m_capacity] in mind, in order
    std::uint32_t m_move_count = 0, m_capacity = 0;
    std::int32_t* m_allowed = nullptr;  ///< [budgets] evictions that a budget has left, or not_asked
    Covering* m_covering = nullptr;     ///< [workloads] the budgets over it: the first, and how many
    const NodeRoom<Layout>* m_room = nullptr;
    std::uint32_t m_first_pending = no_index;
    bool m_any_expendable = false;
};

}  // namespace windtunnel
