#pragma once
#include "sim/scheduler_view.hpp"

namespace windtunnel {

/// Every node slot, as a SchedulerView's room: its number is its slot. For looking at nodes that are not
/// Ready.
struct NodeSlots {
    std::int32_t count = 0;
    [[nodiscard]] WT_HD std::int32_t nodes() const { return count; }
    [[nodiscard]] WT_HD std::uint32_t slot(std::int32_t node) const {
        return static_cast<std::uint32_t>(node);
    }
    [[nodiscard]] WT_HD std::int32_t number_of(std::uint32_t n) const { return static_cast<std::int32_t>(n); }
};

/// What would be if pods stood elsewhere and nodes were there: the cluster's room and counters are changed as
/// if, so that the scheduler's own filters can be asked, and changed back before anybody else looks.
template <class State, class Layout>
class Supposition {
public:
    using View = SchedulerView<State, NodeSlots>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b, bool used) {
        m_capacity = used ? 4 * b.pod_slots + 2 * b.node_slots : 0;
        m_steps = arena.template take_plain<Step>(m_capacity);
        m_guests = arena.template take_plain<std::uint32_t>(used ? b.node_slots : 0);
        m_has_rules = arena.template take_plain<std::uint8_t>(used ? b.templates.size() : 0);
    }
    WT_HD_COLD void start(const Blueprint& b) {
        m_count = 0;
        m_any_rules = false;
        m_slots.count = static_cast<std::int32_t>(b.node_slots);
        if (m_capacity == 0) return;
        for (std::uint32_t n = 0; n < b.node_slots; ++n) m_guests[n] = 0;
        for (std::uint32_t t = 0; t < b.templates.size(); ++t) {
            m_has_rules[t] = counts_pods(b, b.templates[t]) ? 1 : 0;
            m_any_rules = m_any_rules || m_has_rules[t] != 0;
        }
    }

    /// Whether pods of a template ask for more than room: hard spreading or required (anti-)affinity.
    [[nodiscard]] WT_HD bool has_rules(std::uint32_t t) const { return m_has_rules[t] != 0; }
    /// How many pods stand on a node only in mind.
    [[nodiscard]] WT_HD std::uint32_t guests(std::uint32_t n) const { return m_guests[n]; }
    /// Whether so many more changes can be remembered.
    [[nodiscard]] WT_HD bool has_memory_for(std::uint32_t steps) const {
        return m_count + steps <= m_capacity;
    }

    [[nodiscard]] WT_HD std::uint32_t mark() const { return m_count; }
    [[nodiscard]] WT_HD bool has_put_since(std::uint32_t from, std::uint32_t n) const {
        for (std::uint32_t i = from; i < m_count; ++i)
            if (m_steps[i].what == What::put && m_steps[i].node == n) return true;
        return false;
    }

    /// The pod stands on node `n`, too; it does not stand there.
    WT_HD void put(State& s, std::uint32_t pod, std::uint32_t n) { change(s, {What::put, pod, n}); }
    WT_HD void lift(State& s, std::uint32_t pod, std::uint32_t n) { change(s, {What::lifted, pod, n}); }
    /// A free slot is an empty node of `shape`, Ready; a coming node is Ready.
    WT_HD_COLD void open(State& s, std::uint32_t n, std::uint32_t shape) {
        const ShapePlan& plan = s.blueprint().shapes[shape];
        s.node(n).shape = static_cast<std::uint16_t>(shape);
        s.node(n).free = plan.room();
        admit(s, n);
    }
    WT_HD void admit(State& s, std::uint32_t n) {
        if (m_any_rules) change(s, {What::node, no_index, n});
    }
    /// Takes back everything since `to`.
    WT_HD_COLD void undo(State& s, std::uint32_t to) {
        while (m_count > to) apply(s, m_steps[--m_count], -1);
    }

    /// What the scheduler's filters say of a pod like `pod` on node `n`, as things are supposed to be. `plan`
    /// is its template.
    [[nodiscard]] WT_HD_COLD NodeVerdict verdict(State& s, std::uint32_t first_pending, std::uint32_t pod,
                                                 const TemplatePlan& plan, std::uint32_t n) const {
        View view(s, m_slots, first_pending);
        view.look_for(pod);
        const PodRules rules = View::rules_of(s.blueprint(), plan);
        if (!fits(plan.needs, s.node(n).free)) return refuse(Rejection::resources);
        return filter_node(view, rules, prefilter(view, rules), static_cast<std::int32_t>(n));
    }

private:
    enum class What : std::uint8_t { put, lifted, node };
    struct Step {
        What what;
        std::uint32_t pod, node;
    };

    [[nodiscard]] WT_HD static bool counts_pods(const Blueprint& b, const TemplatePlan& plan) {
        for (std::uint32_t i = 0; i < plan.spread_count; ++i)
            if (b.spread_rules[plan.first_spread + i].hard) return true;
        for (std::uint32_t i = 0; i < plan.affinity_count; ++i)
            if (b.affinity_rules[plan.first_affinity + i].kind != AffinityKind::preferred) return true;
        return false;
    }
    WT_HD_CALL void change(State& s, const Step& step) {
        m_steps[m_count++] = step;
        apply(s, step, 1);
    }
    WT_HD void apply(State& s, const Step& step, std::int32_t by) {
        switch (step.what) {
            case What::put:
                s.suppose(s.pod(step.pod), step.node, by);
                m_guests[step.node] += static_cast<std::uint32_t>(by);
                break;
            case What::lifted:
                s.suppose(s.pod(step.pod), step.node, -by);
                break;
            case What::node:
                s.count_node_domains(step.node, by > 0);
                break;
        }
    }

    NodeSlots m_slots;
    Step* m_steps = nullptr;  ///< [m_capacity]
    std::uint32_t m_count = 0, m_capacity = 0;
    std::uint32_t* m_guests = nullptr;    ///< [node_slots]
    std::uint8_t* m_has_rules = nullptr;  ///< [templates]
    bool m_any_rules = false;
};

}  // namespace windtunnel
