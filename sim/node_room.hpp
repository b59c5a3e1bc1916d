#pragma once
#include "policies/scheduler_filters.hpp"
#include "policies/scheduler_scores.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

/// Which Ready nodes have room for which pods, kept up to date node by node as they change, so that the
/// scheduler need not ask all nodes for every pod.
///
/// Templates that ask for the same and may go to the same shapes are one *fit class*. For each class there is
/// the set of nodes that pass every filter up to NodeResourcesFit (kubernetes.md 7.2), and of the others how
/// many are refused for what. Pods that are nominated to a node are left out: while there are any, the
/// scheduler asks.
template <class Layout>
class NodeRoom {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        const std::size_t classes = b.fit_classes.size();
        m_slots = b.node_slots;
        m_classes = arena.template take<Class>(classes);
        m_verdicts = arena.template take<std::uint16_t>(classes * b.node_slots);
        for (std::size_t c = 0; c < classes; ++c) {
            Class dry;
            (m_classes.valid() ? m_classes[c] : dry).open.take_memory(arena, b.node_slots);
        }
        m_scores = arena.template take<std::int64_t>(classes * b.node_slots);
        m_shape = arena.template take<std::uint16_t>(b.node_slots);
        m_ready_by_shape = arena.template take<std::uint32_t>(b.shapes.size());
        m_rank = arena.template take<std::uint32_t>(b.node_slots);
        m_nodes = arena.template take<std::uint32_t>(b.node_slots);
    }
    WT_HD_COLD void start(const Blueprint& b) {
        for (std::size_t c = 0; c < b.fit_classes.size(); ++c) {
            m_classes[c].open.clear();
            m_classes[c].refused = RejectionCounts{};
        }
        for (std::size_t i = 0; i < b.fit_classes.size() * m_slots; ++i) {
            m_verdicts[i] = not_ready;
            m_scores[i] = not_scored;
        }
        for (std::size_t n = 0; n < m_slots; ++n) m_shape[n] = no_shape;
        for (std::size_t i = 0; i < b.shapes.size(); ++i) m_ready_by_shape[i] = 0;
        m_count = 0;
    }

    /// Looks at the nodes that have changed since the last call. A node that came or went changes its
    /// domains, too.
    template <class State>
    WT_HD_COLD void refresh(State& s) {
        bool renumber = false;
        IndexSet<Layout>& changed = s.changed_nodes(NodeWatcher::scheduler);
        for (std::uint32_t n = changed.first(); n != no_index; n = changed.next(n + 1)) {
            changed.remove(n);
            const ClusterNode& node = s.node(n);
            const bool ready = node.state == NodeState::ready;
            if (ready != node.in_topology) s.count_node_domains(n, ready);
            if (ready != (m_shape[n] != no_shape)) renumber = true;
            look_at(s, n, ready);
        }
        if (!renumber) return;
        m_count = 0;
        const IndexSet<Layout>& ready = s.nodes_in(NodeState::ready);
        for (std::uint32_t n = ready.first(); n != no_index; n = ready.next(n + 1)) {
            m_rank[n] = m_count;
            m_nodes[m_count++] = n;
        }
    }

    /// Ready nodes, numbered in the order of their slots.
    [[nodiscard]] WT_HD std::int32_t nodes() const { return static_cast<std::int32_t>(m_count); }
    [[nodiscard]] WT_HD std::uint32_t slot(std::int32_t node) const {
        return m_nodes[static_cast<std::size_t>(node)];
    }
    /// The number of a Ready node.
    [[nodiscard]] WT_HD std::int32_t number_of(std::uint32_t slot_number) const {
        return static_cast<std::int32_t>(m_rank[slot_number]);
    }

    /// The slots of the nodes with room for pods of a class.
    [[nodiscard]] WT_HD const IndexSet<Layout>& open(std::uint32_t fit_class) const {
        return m_classes[fit_class].open;
    }
    /// What a class's pods score for a node's room; `not_scored` since the node changed.
    [[nodiscard]] WT_HD std::int64_t& kept_score(std::uint32_t fit_class, std::uint32_t n) const {
        return m_scores[fit_class * m_slots + n];
    }
    /// Why the other Ready nodes have none.
    [[nodiscard]] WT_HD_COLD RejectionCounts refusals(const Blueprint& b, std::uint32_t fit_class) const {
        RejectionCounts counts = m_classes[fit_class].refused;
        const TemplatePlan& plan = b.templates[b.fit_classes[fit_class]];
        counts.nodes = nodes();
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) {
            const auto shape = static_cast<std::int32_t>(i);
            if (m_ready_by_shape[i] == 0 || plan.shapes.has(shape)) continue;
            const NodeVerdict v = plan.tainted.has(shape) ? refuse(Rejection::taint, b.shapes[i].taint)
                                                          : refuse(Rejection::node_affinity);
            counts.count(v, static_cast<std::int32_t>(m_ready_by_shape[i]));
        }
        return counts;
    }

private:
    /// A verdict in 16 bits: which resources are short, whether removing pods would help; or one of these.
    static constexpr std::uint16_t helps = 0x8000, not_ready = 0x4000, other_shape = 0x2000;
    static constexpr std::uint16_t no_shape = 0xffff;

    struct Class {
        IndexSet<Layout> open;
        RejectionCounts refused;  ///< for want of resources
    };

    template <class State>
    WT_HD void look_at(State& s, std::uint32_t n, bool ready) {
        const Blueprint& b = s.blueprint();
        const ClusterNode& node = s.node(n);
        const ShapePlan& shape = b.shapes[node.shape];
        if (m_shape[n] != no_shape) --m_ready_by_shape[m_shape[n]];
        m_shape[n] = ready ? node.shape : no_shape;
        if (ready) ++m_ready_by_shape[node.shape];
        for (std::uint32_t c = 0; c < b.fit_classes.size(); ++c) {
            Class& of = m_classes[c];
            m_scores[c * m_slots + n] = not_scored;
            std::uint16_t& kept = m_verdicts[c * m_slots + n];
            std::uint16_t now = not_ready;
            if (ready) {
                const TemplatePlan& plan = b.templates[b.fit_classes[c]];
                now = plan.shapes.has(node.shape)
                          ? packed(
                                resource_verdict(plan.needs, node.free, shape.allocatable, ResourceAmounts{}))
                          : other_shape;
            }
            if (now == kept) continue;
            if (is_short(kept)) of.refused.count(unpacked(kept), -1);
            if (is_short(now)) of.refused.count(unpacked(now), 1);
            of.open.set(n, now == 0);
            kept = now;
        }
    }
    [[nodiscard]] WT_HD static bool is_short(std::uint16_t v) {
        return v != 0 && (v & (not_ready | other_shape)) == 0;
    }
    [[nodiscard]] WT_HD static std::uint16_t packed(const NodeVerdict& v) {
        if (v.passes()) return 0;
        return static_cast<std::uint16_t>(v.detail | (v.removal_helps ? helps : 0));
    }
    [[nodiscard]] WT_HD static NodeVerdict unpacked(std::uint16_t v) {
        return {Rejection::resources, (v & helps) != 0, static_cast<std::uint16_t>(v & 0xff)};
    }

    ArenaArray<Class, Layout> m_classes;
    ArenaArray<std::uint16_t, Layout> m_verdicts;  ///< [class][node slot]
    ArenaArray<std::int64_t, Layout> m_scores;     ///< [class][node slot], for the node's room
    ArenaArray<std::uint16_t, Layout> m_shape;     ///< [node slot] at the last look; no_shape = not Ready
    ArenaArray<std::uint32_t, Layout> m_ready_by_shape;  ///< [shape] Ready nodes
    ArenaArray<std::uint32_t, Layout> m_rank;            ///< [node slot] its number
    ArenaArray<std::uint32_t, Layout> m_nodes;           ///< [number] its slot
    std::size_t m_slots = 0;
    std::uint32_t m_count = 0;
};

}  // namespace windtunnel
