#pragma once
#include "policies/ca_scale_up.hpp"
#include "sim/supposition.hpp"

namespace windtunnel {

/// Node groups of cluster-autoscaler, grown in mind: the Fit of estimate_nodes (policies/ca_estimator.hpp).
/// New nodes stand in free slots of their pool, pods are put on them as the scheduler's filters allow it.
template <class Layout, class Owner>
class CaNodeTrial {
public:
    using State = ClusterState<Layout, Owner>;
    using Mind = Supposition<State, Layout>;

    /// Pending pods of one template, of which `pod` is one.
    struct Pending {
        std::int32_t count = 0;
        std::uint32_t pod = no_index;
        std::int32_t placed = 0;  ///< others that find room on coming nodes
    };

    WT_HD CaNodeTrial(State& state, Mind& mind, const NodeRoom<Layout>& room, const Pending* pending,
                      std::uint32_t first_pending, std::uint32_t* opened, std::uint32_t shape)
        : m_state(state),
          m_mind(mind),
          m_room(room),
          m_pending(pending),
          m_first_pending(first_pending),
          m_opened(opened),
          m_shape(shape),
          m_from(mind.mark()),
          m_next_free(state.first_free_node(state.blueprint().shapes[shape].pool)) {}

    [[nodiscard]] WT_HD std::int32_t opened() const { return m_count; }
    [[nodiscard]] WT_HD bool is_used(std::int32_t i) const { return m_mind.guests(m_opened[i]) > 0; }
    [[nodiscard]] WT_HD bool may_relent(const CaPodGroup& group) const {
        return m_mind.has_rules(static_cast<std::uint32_t>(group.source));
    }
    [[nodiscard]] WT_HD CaRefusal try_opened(const CaPodGroup& group, std::int32_t i) {
        return try_on(group, m_opened[i]);
    }
    [[nodiscard]] WT_HD_COLD bool try_others(const CaPodGroup& group) {
        const TemplatePlan& plan = template_of(group);
        const IndexSet<Layout>& open = m_room.open(plan.fit_class);
        for (std::uint32_t n = open.first(); n != no_index; n = open.next(n + 1))
            if (try_other(group, n)) return true;
        const IndexSet<Layout>& coming = m_state.nodes_in(NodeState::provisioning);
        for (std::uint32_t n = coming.first(); n != no_index; n = coming.next(n + 1))
            if (plan.shapes.has(m_state.node(n).shape) && try_other(group, n)) return true;
        for (std::int32_t i = 0; i + 1 < m_count; ++i)
            if (try_on(group, m_opened[i]) == CaRefusal::none) return true;
        return false;
    }
    [[nodiscard]] WT_HD_COLD bool try_open() {
        if (m_next_free == no_index || !m_mind.has_memory_for(2)) return false;
        m_opened[m_count] = m_next_free;
        m_next_free = m_state.node(m_next_free).next;
        m_mind.open(m_state, m_opened[m_count++], m_shape);
        return true;
    }
    [[nodiscard]] WT_HD std::int32_t used() const {
        std::int32_t sum = m_used_others;
        for (std::int32_t i = 0; i < m_count; ++i) sum += is_used(i) ? 1 : 0;
        return sum;
    }
    /// Everything is as it was before.
    WT_HD void close() { m_mind.undo(m_state, m_from); }

private:
    [[nodiscard]] WT_HD const TemplatePlan& template_of(const CaPodGroup& group) const {
        return m_state.blueprint().templates[static_cast<std::uint32_t>(group.source)];
    }
    WT_HD CaRefusal try_on(const CaPodGroup& group, std::uint32_t n) {
        const TemplatePlan& plan = template_of(group);
        if (!fits(plan.needs, m_state.node(n).free) || !m_mind.has_memory_for(1)) return CaRefusal::resources;
        const auto t = static_cast<std::uint32_t>(group.source);
        if (m_mind.has_rules(t)) {
            const NodeVerdict v = m_mind.verdict(m_state, m_first_pending, m_pending[t].pod, plan, n);
            if (!v.passes())
                return v.reason == Rejection::spread && spreads_over_hosts(plan) ? CaRefusal::spread
                                                                                 : CaRefusal::resources;
        }
        m_mind.put(m_state, m_pending[t].pod, n);
        return CaRefusal::none;
    }
    /// A node that was there before.
    WT_HD bool try_other(const CaPodGroup& group, std::uint32_t n) {
        const bool is_new = !m_mind.has_put_since(m_from, n);
        if (try_on(group, n) != CaRefusal::none) return false;
        m_used_others += is_new ? 1 : 0;
        return true;
    }
    [[nodiscard]] WT_HD bool spreads_over_hosts(const TemplatePlan& plan) const {
        const Blueprint& b = m_state.blueprint();
        for (std::uint32_t i = 0; i < plan.spread_count; ++i) {
            const SpreadRule& rule = b.spread_rules[plan.first_spread + i];
            if (rule.hard && rule.key == topology_hostname) return true;
        }
        return false;
    }

    State& m_state;
    Mind& m_mind;
    const NodeRoom<Layout>& m_room;
    const Pending* m_pending;
    std::uint32_t m_first_pending;
    std::uint32_t* m_opened;  ///< slots of the nodes that are opened
    std::uint32_t m_shape;
    std::uint32_t m_from;
    std::uint32_t m_next_free;
    std::int32_t m_count = 0;
    std::int32_t m_used_others = 0;
};

}  // namespace windtunnel
