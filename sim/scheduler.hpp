#pragma once
#include "sim/gpu_devices.hpp"
#include "sim/scheduler_view.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// kube-scheduler: pods without a node by priority, then age; where they go, and who has to go for them.
///
/// Every event that can help calls schedule(), and the pods that wait are tried again at once: since 1.33 an
/// idle scheduler takes pods out of their back-off (kubernetes.md 7.1.2.2), and this one, whose attempts take
/// no time, is always idle. Pods of one template that failed are not tried twice without a change, and none for
/// which no node has room (sim/node_room.hpp): an attempt costs what there is to choose from.
template <class Layout, class Owner>
class Scheduler {
public:
    using State = ClusterState<Layout, Owner>;
    using View = SchedulerView<State, NodeRoom<Layout>>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_room.take_memory(arena, b);
        m_feasible = arena.template take_plain<FeasibleNode>(b.node_slots);
        m_victims = arena.template take_plain<PreemptionVictim>(b.pod_slots);
        m_templates = arena.template take<Waiting>(b.templates.size());
        m_waiting_in = arena.template take<std::uint32_t>(b.fit_classes.size());
    }
    WT_HD_COLD void start(State& s) {
        const Blueprint& b = s.blueprint();
        m_room.start(b);
        m_first = m_last = no_index;
        m_start = 0;
        m_stamp = m_pass = m_counting_pass = 0;
        m_failed = m_failed_counting = m_waiting = m_fresh = m_preemptors = 0;
        m_running = m_again = false;
        m_lowest_priority = INT32_MAX;
        for (const TemplatePlan& plan : b.templates) m_lowest_priority = lesser_of(m_lowest_priority, plan.priority);
        for (std::uint32_t c = 0; c < b.fit_classes.size(); ++c) m_waiting_in[c] = 0;
        for (std::uint32_t t = 0; t < b.templates.size(); ++t) {
            Waiting& w = m_templates[t] = Waiting{};
            const TemplatePlan& plan = b.templates[t];
            w.may_preempt = plan.preempts != 0 && m_lowest_priority < plan.priority;
            w.counts = w.may_preempt;
            for (std::uint32_t i = 0; i < plan.spread_count; ++i)
                w.counts = w.counts || b.spread_rules[plan.first_spread + i].hard;
            for (std::uint32_t i = 0; i < plan.affinity_count; ++i)
                w.counts = w.counts || b.affinity_rules[plan.first_affinity + i].kind != AffinityKind::preferred;
        }
    }

    [[nodiscard]] WT_HD bool has_pending() const { return m_first != no_index; }
    [[nodiscard]] WT_HD std::uint32_t first_pending() const { return m_first; }

    /// Which nodes have room for which pods, as of now.
    [[nodiscard]] WT_HD const NodeRoom<Layout>& room(State& s) {
        m_room.refresh(s);
        return m_room;
    }

    /// A new pod: behind those of at least its priority.
    WT_HD_COLD void enqueue(State& s, std::uint32_t p) {
        const TemplatePlan& plan = s.template_of(s.pod(p));
        std::uint32_t before = m_last;
        while (before != no_index && s.template_of(s.pod(before)).priority < plan.priority)
            before = s.pod(before).previous;
        const std::uint32_t after = before == no_index ? m_first : s.pod(before).next;
        s.pod(p).previous = before;
        s.pod(p).next = after;
        (before == no_index ? m_first : s.pod(before).next) = p;
        (after == no_index ? m_last : s.pod(after).previous) = p;
        ++m_fresh;
        Waiting& w = m_templates[s.pod(p).revision];
        if (w.pods++ > 0) return;
        ++m_waiting;
        ++m_waiting_in[plan.fit_class];
        m_preemptors += w.may_preempt ? 1 : 0;
        count_failed(w, 1);
    }
    WT_HD_COLD void drop(State& s, std::uint32_t p) {
        nominate(s, p, no_index);
        Pod& pod = s.pod(p);
        (pod.previous == no_index ? m_first : s.pod(pod.previous).next) = pod.next;
        (pod.next == no_index ? m_last : s.pod(pod.next).previous) = pod.previous;
        pod.next = pod.previous = no_index;
        m_fresh -= pod.unschedulable ? 0 : 1;
        Waiting& w = m_templates[pod.revision];
        if (--w.pods > 0) return;
        --m_waiting;
        --m_waiting_in[s.template_of(pod).fit_class];
        m_preemptors -= w.may_preempt ? 1 : 0;
        count_failed(w, -1);
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
    /// The waiting pods of one template.
    struct Waiting {
        std::uint32_t pods = 0;
        bool may_preempt = false;
        bool counts = false;  ///< a bound pod may let it in: it counts other pods, or may preempt them
        std::uint64_t failed_in = 0;  ///< the pass in which a pod of it found no place
    };
    [[nodiscard]] WT_HD static std::int32_t lesser_of(std::int32_t a, std::int32_t b) { return a < b ? a : b; }

    /// Whether some waiting pod has a node to be tried on, or others to preempt.
    [[nodiscard]] WT_HD_COLD bool is_hopeful(const State& s) const {
        if (m_preemptors > 0 || s.has_nominated()) return true;
        for (std::uint32_t c = 0; c < s.blueprint().fit_classes.size(); ++c)
            if (m_waiting_in[c] > 0 && m_room.open(c).size() > 0) return true;
        return false;
    }
    [[nodiscard]] WT_HD bool has_failed(const Waiting& w) const {
        return w.failed_in == (w.counts ? m_counting_pass : m_pass);
    }
    WT_HD void count_failed(const Waiting& w, std::int32_t by) {
        if (has_failed(w)) (w.counts ? m_failed_counting : m_failed) += by;
    }
    WT_HD void set_failed(Waiting& w) {
        if (has_failed(w)) return;
        w.failed_in = w.counts ? m_counting_pass : m_pass;
        ++(w.counts ? m_failed_counting : m_failed);
    }
    /// Those that count other pods may be tried again.
    WT_HD void forget_counting() {
        m_counting_pass = ++m_stamp;
        m_failed_counting = 0;
    }

    WT_HD_COLD void pass(Fleet<Layout, Owner>& fleet, Tick now) {
        State& s = fleet.state();
        m_room.refresh(s);
        m_start = m_room.nodes() > 0 ? m_start % m_room.nodes() : 0;
        if (m_fresh == 0 && !is_hopeful(s)) return;
        m_pass = ++m_stamp;
        m_failed = 0;
        forget_counting();
        for (std::uint32_t p = m_first; p != no_index && !m_again;) {
            const bool all_failed = m_failed + m_failed_counting == static_cast<std::int32_t>(m_waiting);
            if (all_failed && m_fresh == 0 && !s.has_nominated()) return;
            const std::uint32_t after = s.pod(p).next;
            const std::uint32_t node = place(fleet, p, now);
            if (node != no_index) {
                drop(s, p);
                s.bind(p, node, now);
                give_devices(s, p);
                m_room.refresh(s);
                fleet.kubelet().begin(fleet, p, now);
                forget_counting();  // a bound pod may meet another's affinity or end a skew
            } else if (!s.pod(p).unschedulable) {
                s.pod(p).unschedulable = 1;
                --m_fresh;
                fleet.pod_unschedulable(p, now);
            }
            p = after;
        }
    }

    /// The node for the next pod of the queue, `no_index` where it stays.
    WT_HD_COLD std::uint32_t place(Fleet<Layout, Owner>& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        const Pod& pod = s.pod(p);
        Waiting& w = m_templates[pod.revision];
        if (pod.nominated != no_index) return attempt(fleet, p, now);
        if (has_failed(w)) return no_index;
        // An attempt could only say once more what it said before.
        const bool no_room = !w.may_preempt && m_room.open(s.template_of(pod).fit_class).size() == 0;
        if (!pod.unschedulable || !no_room) return attempt(fleet, p, now);
        set_failed(w);
        return no_index;
    }

    /// The node for a pod; `no_index` when none fits, after a preemption has been started where one helps.
    WT_HD_COLD std::uint32_t attempt(Fleet<Layout, Owner>& fleet, std::uint32_t p, Tick now) {
        State& s = fleet.state();
        View view(s, m_room, m_first);
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
            set_failed(m_templates[s.pod(p).revision]);
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

    SchedulerProfile m_profile;
    NodeRoom<Layout> m_room;
    FeasibleNode* m_feasible = nullptr;
    PreemptionVictim* m_victims = nullptr;
    ArenaArray<Waiting, Layout> m_templates;
    ArenaArray<std::uint32_t, Layout> m_waiting_in;  ///< [fit class] templates with waiting pods
    std::uint64_t m_stamp = 0, m_pass = 0, m_counting_pass = 0;
    std::int32_t m_failed = 0, m_failed_counting = 0;  ///< waiting templates that have failed in this pass
    std::uint32_t m_waiting = 0;                       ///< templates with waiting pods
    std::uint32_t m_fresh = 0;                         ///< waiting pods of which nobody has said that they wait
    std::uint32_t m_preemptors = 0;                    ///< waiting templates that may preempt
    std::uint32_t m_first = no_index, m_last = no_index;  ///< pods without a node, in the queue's order
    std::int32_t m_start = 0;                             ///< where the last search stopped
    std::int32_t m_lowest_priority = 0;
    bool m_running = false, m_again = false;
};

}  // namespace windtunnel
