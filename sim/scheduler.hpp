#pragma once
#include "sim/scheduler_view.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// kube-scheduler: pods without a node by priority, then age; where they go, and who has to go for them.
///
/// Every event that can help calls schedule(), and the pods that wait are tried again at once: since 1.33 an
/// idle scheduler takes pods out of their back-off (kubernetes.md 7.1.2.2), and this one, whose attempts take
/// no time, is always idle. Pods of one template that failed are not tried twice without a change.
template <class Layout, class Owner>
class Scheduler {
public:
    using State = ClusterState<Layout, Owner>;
    using View = SchedulerView<State>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_nodes = arena.template take_plain<std::uint32_t>(b.node_slots);
        m_feasible = arena.template take_plain<FeasibleNode>(b.node_slots);
        m_victims = arena.template take_plain<PreemptionVictim>(b.pod_slots);
        m_failed_in = arena.template take<std::uint64_t>(b.templates.size());
    }
    WT_HD_COLD void start(State& s) {
        const Blueprint& b = s.blueprint();
        m_first = m_last = no_index;
        m_start = 0;
        m_pass = 0;
        m_running = m_again = false;
        m_lowest_priority = INT32_MAX;
        for (std::uint32_t t = 0; t < b.templates.size(); ++t) {
            m_failed_in[t] = 0;
            if (b.templates[t].priority < m_lowest_priority) m_lowest_priority = b.templates[t].priority;
        }
    }

    [[nodiscard]] WT_HD bool has_pending() const { return m_first != no_index; }
    [[nodiscard]] WT_HD std::uint32_t first_pending() const { return m_first; }

    /// A new pod: behind those of at least its priority.
    WT_HD_COLD void enqueue(State& s, std::uint32_t p) {
        const std::int32_t priority = s.template_of(s.pod(p)).priority;
        std::uint32_t before = m_last;
        if (m_last != no_index && s.template_of(s.pod(m_last)).priority < priority) {
            before = no_index;
            for (std::uint32_t q = m_first; s.template_of(s.pod(q)).priority >= priority; q = s.pod(q).next)
                before = q;
        }
        std::uint32_t& link = before == no_index ? m_first : s.pod(before).next;
        s.pod(p).next = link;
        link = p;
        if (m_last == before) m_last = p;
    }
    WT_HD_COLD void drop(State& s, std::uint32_t p) {
        std::uint32_t before = no_index;
        for (std::uint32_t q = m_first; q != p; q = s.pod(q).next) before = q;
        unlink(s, p, before);
        nominate(s, p, no_index);
    }

    /// Something changed: binds every waiting pod that fits somewhere, in the order of the queue; starts
    /// preemptions.
    WT_HD_COLD void schedule(Fleet<Layout, Owner>& fleet, Tick now) {
        m_again = true;
        if (m_running) return;  // a victim went at once: the pass that removed it is followed by another
        m_running = true;
        while (m_again && m_first != no_index) {
            m_again = false;
            pass(fleet, now);
        }
        m_running = m_again = false;
    }

private:
    WT_HD_COLD void pass(Fleet<Layout, Owner>& fleet, Tick now) {
        State& s = fleet.state();
        find_nodes(s);
        ++m_pass;
        std::uint32_t before = no_index;
        for (std::uint32_t p = m_first; p != no_index && !m_again;) {
            const std::uint32_t after = s.pod(p).next;
            const std::uint32_t revision = s.pod(p).revision;
            std::uint32_t node = no_index;
            if (m_failed_in[revision] != m_pass || s.pod(p).nominated != no_index)
                node = attempt(fleet, p, now);
            if (node != no_index) {
                unlink(s, p, before);
                nominate(s, p, no_index);
                s.bind(p, node, now);
                fleet.kubelet().begin(fleet, p, now);
                // A bound pod may meet another's affinity or end a skew.
                if (s.blueprint().counters.size() > 0) ++m_pass;
            } else {
                before = p;
                if (!s.pod(p).unschedulable) {
                    s.pod(p).unschedulable = 1;
                    fleet.pod_unschedulable(p, now);
                }
            }
            p = after;
        }
    }

    /// The node for a pod; `no_index` when none fits, after a preemption has been started where one helps.
    WT_HD_COLD std::uint32_t attempt(Fleet<Layout, Owner>& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        View view(s, m_nodes, m_node_count, m_first);
        view.look_for(p);
        const PodRules rules = View::rules_of(s.blueprint(), s.template_of(s.pod(p)));
        const std::uint32_t nominated = s.pod(p).nominated;
        const ScheduleResult found =
            schedule_one(view, m_profile, rules, nominated == no_index ? no_node : view.index_of(nominated),
                         m_start, s.pod_draw(StreamPurpose::scheduling_tie, p, 1), m_feasible);
        m_start = found.next_start;
        if (found.node != no_node) return view.slot(found.node);
        PreemptionResult preemption;
        if (rules.preempts && !waits_for_victims(s, p, rules)) {
            if (m_lowest_priority < rules.priority) {
                preemption = find_preemption(view, rules, s.pod_draw(StreamPurpose::scheduling_tie, p, 2),
                                             s.pod_draw(StreamPurpose::scheduling_tie, p, 3), m_victims);
            } else {  // nobody in the scenario has a lower priority
                preemption.not_helpful = found.rejected.unresolvable;
                preemption.no_victims = found.rejected.nodes - found.rejected.unresolvable;
            }
            nominate(s, p, no_index);
        }
        s.owner().pod_unschedulable(p, found.rejected, preemption, now);
        if (preemption.found())
            preempt(fleet, view, p, rules, preemption.chosen.node, now);
        else if (s.pod(p).nominated == no_index)
            m_failed_in[s.pod(p).revision] = m_pass;
        return no_index;
    }

    WT_HD_COLD void preempt(Fleet<Layout, Owner>& fleet, View& view, std::uint32_t p, const PodRules& rules,
                            std::int32_t node, Tick now) {
        State& s = fleet.state();
        std::int32_t count = 0;
        NodeVerdict unfit;
        PreemptionCandidate candidate;
        if (!dry_run_preemption(view, rules, node, m_victims, &count, &unfit, &candidate)) return;
        nominate(s, p, view.slot(node));
        for (std::int32_t v = 0; v < count; ++v) {
            const auto victim = static_cast<std::uint32_t>(m_victims[v].pod);
            if (!m_victims[v].out || !s.pod(victim).active()) continue;
            ++s.tally().pods_preempted;
            s.owner().note(OccurrenceRecord{Occurrence::preempted, victim, p, 0, now});
            s.wake_workload(s.pod(victim).workload, now);  // its controller makes another
            fleet.delete_active_pod(victim, now);
        }
    }

    /// Whether pods of lower priority still terminate on its nominated node (7.4.5).
    [[nodiscard]] WT_HD static bool waits_for_victims(const State& s, std::uint32_t p,
                                                      const PodRules& rules) {
        const std::uint32_t n = s.pod(p).nominated;
        if (n == no_index || s.node(n).state != NodeState::ready) return false;
        for (std::uint32_t q = s.node(n).first_pod; q != no_index; q = s.pod(q).next_on_node)
            if (!s.pod(q).active() && s.template_of(s.pod(q)).priority < rules.priority) return true;
        return false;
    }

    WT_HD static void nominate(State& s, std::uint32_t p, std::uint32_t node) {
        std::uint32_t& now_at = s.pod(p).nominated;
        s.count_nominated((node != no_index ? 1 : 0) - (now_at != no_index ? 1 : 0));
        now_at = node;
    }

    /// The nodes that are Ready, in the order of their slots; those that came count in their domains.
    WT_HD void find_nodes(State& s) {
        m_node_count = 0;
        for (std::uint32_t n = 0; n < s.blueprint().node_slots; ++n) {
            const bool ready = s.node(n).state == NodeState::ready;
            if (ready) m_nodes[m_node_count++] = n;
            if (ready != s.node(n).in_topology) s.count_node_domains(n, ready);
        }
    }
    WT_HD void unlink(State& s, std::uint32_t p, std::uint32_t before) {
        if (before == no_index)
            m_first = s.pod(p).next;
        else
            s.pod(before).next = s.pod(p).next;
        if (m_last == p) m_last = before;
        s.pod(p).next = no_index;
    }

    SchedulerProfile m_profile;
    std::uint32_t* m_nodes = nullptr;  ///< slots of Ready nodes
    std::uint32_t m_node_count = 0;
    FeasibleNode* m_feasible = nullptr;
    PreemptionVictim* m_victims = nullptr;
    ArenaArray<std::uint64_t, Layout>
        m_failed_in;  ///< per template: the pass in which a pod of it found no place
    std::uint64_t m_pass = 0;
    std::uint32_t m_first = no_index, m_last = no_index;  ///< pods without a node, in the queue's order
    std::int32_t m_start = 0;                             ///< where the last search stopped
    std::int32_t m_lowest_priority = 0;
    bool m_running = false, m_again = false;
};

}  // namespace windtunnel
