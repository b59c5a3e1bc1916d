#pragma once
#include "policies/scheduler_preemption.hpp"
#include "sim/disruption_status.hpp"
#include "sim/node_room.hpp"

namespace windtunnel {

/// The cluster as the scheduler's functions look at it (policies/scheduler_rules.hpp,
/// scheduler_preemption.hpp). Nodes are numbered over those that are Ready.
template <class State, class Room>
class SchedulerView {
public:
    WT_HD SchedulerView(State& state, const Room& room, std::uint32_t first_pending)
        : m_state(state), m_room(room), m_pending(first_pending) {}

    [[nodiscard]] WT_HD static PodRules rules_of(const Blueprint& b, const TemplatePlan& plan) {
        PodRules r;
        r.needs = plan.needs;
        r.scoring_cpu_milli = plan.scoring_cpu_milli;
        r.scoring_memory = plan.scoring_memory;
        r.priority = plan.priority;
        r.spread = b.spread_rules.data() + plan.first_spread;
        r.spread_count = static_cast<std::int32_t>(plan.spread_count);
        r.affinity = b.affinity_rules.data() + plan.first_affinity;
        r.affinity_count = static_cast<std::int32_t>(plan.affinity_count);
        r.containers = plan.containers;
        r.starts_affinity = plan.starts_affinity != 0;
        r.system_default_spread = plan.default_spread != 0;
        r.preempts = plan.preempts != 0;
        return r;
    }
    /// The pod that is being placed.
    WT_HD void look_for(std::uint32_t pod) {
        m_pod = pod;
        m_template = &m_state.template_of(m_state.pod(pod));
        m_all_nodes = m_state.registered_nodes();
    }
    [[nodiscard]] WT_HD std::uint32_t slot(std::int32_t node) const { return m_room.slot(node); }
    [[nodiscard]] WT_HD std::int32_t index_of(std::uint32_t slot_number) const {
        return m_state.node(slot_number).state == NodeState::ready ? m_room.number_of(slot_number) : no_node;
    }

    [[nodiscard]] WT_HD std::int32_t nodes() const { return m_room.nodes(); }
    /// Whether candidates are only those that pass every filter up to NodeResourcesFit. With pods nominated somewhere
    /// every node is one: they count as if they were there.
    [[nodiscard]] WT_HD bool knows_room() const { return !m_state.has_nominated(); }
    [[nodiscard]] WT_HD std::int32_t next_candidate(std::int32_t n) const {
        if (n >= nodes() || !knows_room()) return n;
        const std::uint32_t next = m_room.open(m_template->fit_class).next(slot(n));
        return next == no_index ? nodes() : m_room.number_of(next);
    }
    [[nodiscard]] WT_HD RejectionCounts refusals() const {
        if (!knows_room()) return {};
        return m_room.refusals(m_state.blueprint(), m_template->fit_class);
    }
    [[nodiscard]] WT_HD NodeVerdict before_fit(const PodRules&, std::int32_t n) const {
        const std::int32_t shape = at(n).shape;
        if (m_template->shapes.has(shape)) return {};
        if (m_template->tainted.has(shape)) return refuse(Rejection::taint, m_state.shape_of(at(n)).taint);
        return refuse(Rejection::node_affinity);
    }
    [[nodiscard]] WT_HD NodeVerdict volumes(const PodRules&, std::int32_t) const { return {}; }
    [[nodiscard]] WT_HD const ResourceAmounts& free(std::int32_t n) const { return at(n).free; }
    [[nodiscard]] WT_HD const ResourceAmounts& allocatable(std::int32_t n) const {
        return m_state.shape_of(at(n)).allocatable;
    }
    [[nodiscard]] WT_HD ResourceAmounts nominated(const PodRules& rules, std::int32_t n) const {
        ResourceAmounts sum;
        if (!m_state.has_nominated()) return sum;
        for (std::uint32_t p = m_pending; p != no_index; p = m_state.pod(p).next) {
            const TemplatePlan& plan = m_state.template_of(m_state.pod(p));
            if (p != m_pod && m_state.pod(p).nominated == slot(n) && plan.priority >= rules.priority)
                sum += plan.needs;
        }
        return sum;
    }
    [[nodiscard]] WT_HD std::int32_t domain(std::int32_t key, std::int32_t n) const {
        return m_state.domain(key, slot(n));
    }
    [[nodiscard]] WT_HD std::int32_t domains(std::int32_t key) const {
        const Blueprint& b = m_state.blueprint();
        return key == topology_hostname ? static_cast<std::int32_t>(b.node_slots)
                                        : b.topology_domains[static_cast<std::size_t>(key - 1)];
    }
    [[nodiscard]] WT_HD std::int32_t pods_in(std::int32_t counter, std::int32_t d) const {
        return m_state.topology().pods_in(counter, d);
    }
    [[nodiscard]] WT_HD std::int32_t nodes_in(std::int32_t counter, std::int32_t d) const {
        return m_state.topology().nodes_in(counter, d);
    }
    [[nodiscard]] WT_HD std::int32_t pods_of(std::int32_t counter) const {
        std::int32_t sum = 0;
        const auto count = static_cast<std::int32_t>(
            m_state.blueprint().counters[static_cast<std::size_t>(counter)].domains);
        for (std::int32_t d = 0; d < count; ++d) sum += pods_in(counter, d);
        return sum;
    }
    [[nodiscard]] WT_HD ScoringUse used(std::int32_t n) const { return at(n).used; }
    /// Of the pod's fit class; `not_scored` until somebody writes it.
    [[nodiscard]] WT_HD std::int64_t& kept_room_score(std::int32_t n) const {
        return m_room.kept_score(m_template->fit_class, slot(n));
    }
    [[nodiscard]] WT_HD std::int64_t soft_taints(const PodRules&, std::int32_t n) const { return wish(n).soft_taints; }
    [[nodiscard]] WT_HD std::int64_t preference(const PodRules&, std::int32_t n) const { return wish(n).preference; }
    /// Of the pod's images that the node has: size x share of the nodes that have it, each cut to whole bytes.
    [[nodiscard]] WT_HD std::int64_t image_bytes(const PodRules&, std::int32_t n) const {
        const Blueprint& b = m_state.blueprint();
        std::int64_t sum = 0;
        for (std::uint32_t i = 0; b.images > 0 && i < m_template->stage_count; ++i) {
            const StagePlan& stage = b.stages[m_template->first_stage + i];
            if (stage.image < 0 || !m_state.images().has(slot(n), stage.image)) continue;
            sum += static_cast<std::int64_t>(
                static_cast<double>(stage.image_bytes) *
                (static_cast<double>(m_state.images().nodes_with(stage.image)) / static_cast<double>(m_all_nodes)));
        }
        return sum;
    }
    [[nodiscard]] WT_HD bool is_hostname(std::int32_t key) const { return key == topology_hostname; }

    WT_HD void remove(std::int32_t p) { change(p, -1); }
    WT_HD void restore(std::int32_t p) { change(p, 1); }
    [[nodiscard]] WT_HD std::int32_t first_pod(std::int32_t n) const { return number(at(n).first_pod); }
    [[nodiscard]] WT_HD std::int32_t next_pod(std::int32_t p) const { return number(pod(p).next_on_node); }
    [[nodiscard]] WT_HD std::int32_t priority(std::int32_t p) const {
        return m_state.template_of(pod(p)).priority;
    }
    [[nodiscard]] WT_HD Tick started(std::int32_t p) const { return pod(p).bound; }
    /// The i-th PodDisruptionBudget that covers a pod (7.4.4.1).
    [[nodiscard]] WT_HD std::int32_t budget(std::int32_t p, std::int32_t i) const {
        const BlobSpan<DisruptionBudgetPlan>& budgets = m_state.blueprint().budgets;
        for (std::uint32_t b = 0; b < budgets.size(); ++b)
            if (budgets[b].covers(pod(p).workload) && i-- == 0) return static_cast<std::int32_t>(b);
        return -1;
    }
    [[nodiscard]] WT_HD std::int32_t disruptions_allowed(std::int32_t b) const {
        return disruption_status(m_state, m_state.blueprint().budgets[static_cast<std::size_t>(b)]).disruptions_allowed;
    }

private:
    [[nodiscard]] WT_HD static std::int32_t number(std::uint32_t i) {
        return i == no_index ? -1 : static_cast<std::int32_t>(i);
    }
    [[nodiscard]] WT_HD const ClusterNode& at(std::int32_t n) const { return m_state.node(slot(n)); }
    [[nodiscard]] WT_HD const Pod& pod(std::int32_t p) const {
        return m_state.pod(static_cast<std::uint32_t>(p));
    }
    [[nodiscard]] WT_HD ShapeWish wish(std::int32_t n) const {
        if (m_template->first_wish < 0) return {};
        return m_state.blueprint().shape_wishes[static_cast<std::size_t>(m_template->first_wish) + at(n).shape];
    }
    WT_HD_CALL void change(std::int32_t p, std::int32_t by) {
        const Pod& changed = pod(p);
        m_state.charge(changed, changed.node, by);
        if (changed.spread_counted) m_state.charge_spread(changed, changed.node, by);
    }

    State& m_state;
    const Room& m_room;
    std::uint32_t m_pending;
    std::uint32_t m_pod = no_index;
    const TemplatePlan* m_template = nullptr;
    std::uint32_t m_all_nodes = 0;  ///< whatever their state
};

}  // namespace windtunnel
