#pragma once
#include "policies/karpenter_disruption.hpp"
#include "sim/disruption_status.hpp"

namespace windtunnel {

/// Whether a pod on a node would need another place if the node went: one that terminates has been replaced already, but
/// for those of ordinal sets, which come back under their names (kubernetes.md 9.6.4).
template <class State>
[[nodiscard]] WT_HD bool is_reschedulable(const State& s, std::uint32_t p) {
    return s.pod(p).active() || s.blueprint().workloads[s.pod(p).workload].controller == WorkloadController::ordinals;
}


/// Pods as Karpenter sees them: what their templates ask for (groups), what those that stand on a node make
/// of it, and which of them a disruption budget holds. Nodes are looked at anew only when something on them
/// has changed.
template <class Layout, class Owner>
class KarpenterPods {
public:
    using State = ClusterState<Layout, Owner>;

    /// What the pods of a node make of it; kept as the node changes.
    struct NodeSeen {
        std::int32_t first_pod = 0, pod_count = 0;  ///< in m_standing
        bool do_not_disrupt = false;
        bool alike = true;      ///< they are all of one fit class
        bool only_room = true;  ///< and ask for nothing but room
        double eviction_cost = 0;
        std::uint64_t pods_kind = 0;  ///< which fit classes, and how many of each
    };

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b, bool used) {
        m_groups = arena.template take_plain<KarpenterPodGroup>(used ? group_count(b) : 0);
        m_held = arena.template take_plain<std::uint8_t>(used ? b.workloads.size() : 0);
        m_standing = arena.template take_plain<KarpenterPod>(used ? b.pod_slots : 0);
        m_seen = arena.template take<NodeSeen>(used ? b.node_slots : 0);
    }
    WT_HD_COLD void start(const Blueprint& b) {
        for (std::uint32_t n = 0; n < b.node_slots; ++n) m_seen[n] = NodeSeen{};
        form_groups(b);
    }

    /// One group for each template as it stands, by its number; behind them those in which it has given up something.
    [[nodiscard]] WT_HD KarpenterPodGroup* groups() const { return m_groups; }
    [[nodiscard]] WT_HD std::int32_t group_count() const { return m_group_count; }
    /// Pods on nodes, by their slots.
    [[nodiscard]] WT_HD const KarpenterPod* standing() const { return m_standing; }
    [[nodiscard]] WT_HD const NodeSeen& seen(std::uint32_t n) const { return m_seen[n]; }

    /// What a node's pods count for spreading and take of its exclusive sets.
    WT_HD void count_on(const State& s, const ClusterNode& node, KarpenterNode& to) const {
        if (m_label_count == 0 && m_exclusive_count == 0) return;
        for (std::uint32_t p = node.first_pod; p != no_index; p = s.pod(p).next_on_node) {
            const KarpenterPodGroup& group = m_groups[s.pod(p).revision];
            to.exclusive |= group.exclusive;
            karpenter_detail::count_labels(group, to.labelled, 1);
        }
    }
    /// Whether a budget holds some pod of the node, as of note_budgets.
    [[nodiscard]] WT_HD bool is_held(const State& s, const ClusterNode& node) const {
        bool held = false;
        for (std::uint32_t p = node.first_pod; p != no_index && m_any_held && !held;
             p = s.pod(p).next_on_node)
            held = s.pod(p).active() && (m_held[s.pod(p).workload] & refused) != 0;
        return held;
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
                if (static_cast<std::int32_t>(b.counters[static_cast<std::size_t>(m_labels[l])].key) ==
                    b.zone_key)
                    out.in_zone[l][zone] = s.topology().pods_in(m_labels[l], domain);
        }
    }
    /// What pods make of their nodes, of the nodes that have changed.
    WT_HD_COLD void note_changes(State& s) {
        IndexSet<Layout>& changed = s.changed_nodes(NodeWatcher::karpenter);
        for (std::uint32_t n = changed.first(); n != no_index; n = changed.next(n + 1)) {
            changed.remove(n);
            m_seen[n] = see(s, n);
        }
    }
    /// Workloads whose pods a disruption budget holds now, or that two cover (the API refuses those).
    WT_HD_COLD void note_budgets(const State& s) {
        const Blueprint& b = s.blueprint();
        m_any_held = false;
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) m_held[w] = 0;
        for (const DisruptionBudgetPlan& budget : b.budgets) {
            const bool refuses = disruption_status(s, budget).disruptions_allowed <= 0;
            for (std::uint32_t w = budget.next_covered(0); w < b.workloads.size();
                 w = budget.next_covered(w + 1)) {
                if (refuses || (m_held[w] & covered) != 0) m_held[w] |= refused;
                m_held[w] |= covered;
                m_any_held = m_any_held || (m_held[w] & refused) != 0;
            }
        }
    }

    /// splitmix64's finaliser.
    [[nodiscard]] WT_HD static std::uint64_t spread_bits(std::uint64_t x) {
        x += 0x9e3779b97f4a7c15u;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        return x ^ x >> 31;
    }

private:
    /// How much of each kind a pod asks for softly, or has given up of it: Karpenter drops one after the other until the
    /// pod finds a place, in this order (kubernetes.md 9.3.5). What it plans nothing for (preferred affinity between
    /// pods, anti-affinity over anything but hosts) is not there to be dropped.
    struct SoftParts {
        std::uint32_t node_terms = 0;      ///< OR-ed required node-affinity terms before the last, the first first
        std::uint32_t apart = 0;           ///< preferred anti-affinity, the heaviest first
        std::uint32_t preferred = 0;       ///< preferred node affinity, likewise
        std::uint32_t spreads = 0;         ///< ScheduleAnyway, in their order
        std::uint32_t soft_taints = 0;     ///< PreferNoSchedule is respected

        WT_HD std::uint32_t all() const { return node_terms + apart + preferred + spreads + soft_taints; }
        /// The first `steps` of these.
        WT_HD SoftParts first(std::uint32_t steps) const {
            SoftParts out;
            const auto take = [&steps](std::uint32_t of) {
                const std::uint32_t n = steps < of ? steps : of;
                steps -= n;
                return n;
            };
            out.node_terms = take(node_terms);
            out.apart = take(apart);
            out.preferred = take(preferred);
            out.spreads = take(spreads);
            out.soft_taints = take(soft_taints);
            return out;
        }
    };
    [[nodiscard]] WT_HD static bool keeps_apart(const Blueprint& b, const TemplatePlan& plan, const AffinityRule& rule) {
        return rule.kind == AffinityKind::preferred && rule.own != 0 && rule.weight < 0 && rule.key == topology_hostname &&
               is_counted(b, plan, rule.counter);
    }
    [[nodiscard]] WT_HD_COLD static SoftParts soft_parts(const Blueprint& b, const TemplatePlan& plan) {
        SoftParts soft;
        soft.node_terms = plan.required_terms > 1 ? plan.required_terms - 1 : 0;
        for (std::uint32_t i = 0; i < plan.affinity_count; ++i)
            soft.apart += keeps_apart(b, plan, b.affinity_rules[plan.first_affinity + i]) ? 1 : 0;
        soft.preferred = plan.preferred_terms;
        for (std::uint32_t i = 0; i < plan.spread_count && plan.default_spread == 0; ++i)
            soft.spreads += b.spread_rules[plan.first_spread + i].hard ? 0 : 1;
        soft.soft_taints = plan.first_wish >= 0 && !plan.shapes.is_subset_of(plan.unmarked) ? 1 : 0;
        return soft;
    }
    [[nodiscard]] WT_HD_COLD static std::size_t group_count(const Blueprint& b) {
        std::size_t n = b.templates.size();
        for (const TemplatePlan& plan : b.templates) n += soft_parts(b, plan).all();
        return n;
    }

    WT_HD_COLD void form_groups(const Blueprint& b) {
        m_group_count = static_cast<std::int32_t>(group_count(b));
        const auto templates = static_cast<std::uint32_t>(b.templates.size());
        m_label_count = m_exclusive_count = 0;
        std::uint32_t next = templates;
        for (std::uint32_t t = 0; t < templates; ++t) {
            const SoftParts soft = soft_parts(b, b.templates[t]);
            for (std::uint32_t steps = 0; steps <= soft.all(); ++steps) {
                KarpenterPodGroup& group = m_groups[steps == 0 ? t : next++];
                form_group(b, b.templates[t], soft.first(steps), group);
                if (steps < soft.all()) group.relaxed = static_cast<std::int32_t>(next);
            }
        }
        next = templates;  // once all labels are known
        for (std::uint32_t t = 0; t < templates; ++t) {
            std::uint8_t labels = 0;
            for (std::int32_t l = 0; l < m_label_count; ++l)
                if (is_counted(b, b.templates[t], m_labels[l])) labels |= static_cast<std::uint8_t>(1 << l);
            for (std::int32_t g = static_cast<std::int32_t>(t); g >= 0; g = m_groups[g].relaxed) m_groups[g].labels = labels;
        }
    }
    /// A template's pods when they have given up so much.
    WT_HD_COLD void form_group(const Blueprint& b, const TemplatePlan& plan, const SoftParts& given_up, KarpenterPodGroup& group) {
        group = KarpenterPodGroup{};
        group.request = plan.needs;
        group.allowed = plan.shapes;
        if (plan.required_terms > 1) group.allowed &= b.node_terms[plan.first_node_term + given_up.node_terms];
        if (given_up.preferred < plan.preferred_terms)
            group.allowed &= b.node_terms[plan.first_node_term + plan.required_terms + given_up.preferred];
        if (plan.first_wish >= 0 && given_up.soft_taints == 0) group.allowed &= plan.unmarked;
        std::uint32_t soft_spreads = 0;
        for (std::uint32_t i = 0; i < plan.spread_count; ++i) {
            const SpreadRule& rule = b.spread_rules[plan.first_spread + i];
            if (!rule.hard && (plan.default_spread != 0 || soft_spreads++ < given_up.spreads)) continue;
            spread(group, rule, b.zone_key);
        }
        for (std::uint32_t i = 0; i < plan.affinity_count; ++i) {
            const AffinityRule& rule = b.affinity_rules[plan.first_affinity + i];
            if (rule.kind == AffinityKind::anti && rule.key == topology_hostname && is_counted(b, plan, rule.counter))
                group.exclusive |= exclusive_bit(rule.counter);
            if (keeps_apart(b, plan, rule) && heavier_than(b, plan, i) >= given_up.apart) {
                SpreadRule one_per_host;
                one_per_host.counter = rule.counter;
                one_per_host.key = topology_hostname;
                spread(group, one_per_host, b.zone_key);
            }
        }
    }
    /// How many preferred anti-affinity terms are given up before the template's rule `at`.
    [[nodiscard]] WT_HD static std::uint32_t heavier_than(const Blueprint& b, const TemplatePlan& plan, std::uint32_t at) {
        const std::int32_t weight = b.affinity_rules[plan.first_affinity + at].weight;
        std::uint32_t n = 0;
        for (std::uint32_t i = 0; i < plan.affinity_count; ++i) {
            const AffinityRule& rule = b.affinity_rules[plan.first_affinity + i];
            if (keeps_apart(b, plan, rule) && (rule.weight < weight || (rule.weight == weight && i < at))) ++n;
        }
        return n;
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
    [[nodiscard]] WT_HD static bool is_counted(const Blueprint& b, const TemplatePlan& plan,
                                               std::int32_t counter) {
        for (std::uint32_t i = 0; i < plan.counted_count; ++i)
            if (b.counted_by[plan.first_counted + i] == static_cast<std::uint32_t>(counter)) return true;
        return false;
    }
    [[nodiscard]] WT_HD NodeSeen see(State& s, std::uint32_t n) {
        NodeSeen seen;
        bool alike = true;
        std::uint32_t first_class = 0, last = no_index;
        for (std::uint32_t p = s.node(n).first_pod; p != no_index; p = s.pod(p).next_on_node) {
            const Pod& pod = s.pod(p);
            if (!is_reschedulable(s, p)) continue;
            const TemplatePlan& made_from = s.template_of(pod);
            KarpenterPod& standing = m_standing[p];
            standing = KarpenterPod{};
            standing.group = static_cast<std::int32_t>(pod.revision);
            standing.created = pod.created.count;
            if (last == no_index) {
                seen.first_pod = static_cast<std::int32_t>(p);
                first_class = made_from.fit_class;
            } else {
                m_standing[last].to_next = static_cast<std::int32_t>(p) - static_cast<std::int32_t>(last);
            }
            last = p;
            ++seen.pod_count;
            seen.do_not_disrupt = seen.do_not_disrupt || (made_from.do_not_disrupt && pod.active());
            const double cost = eviction_cost(made_from.deletion_cost, made_from.priority);
            seen.eviction_cost += cost > 0 ? cost : 0;
            alike = alike && made_from.fit_class == first_class;
            seen.pods_kind += spread_bits(made_from.fit_class + 1);  // whatever their order
            seen.only_room = seen.only_room && asks_for_room_only(m_groups[pod.revision]);
        }
        seen.alike = alike;
        return seen;
    }
    [[nodiscard]] WT_HD static bool asks_for_room_only(const KarpenterPodGroup& group) {
        return group.relaxed < 0 && group.labels == 0 && group.exclusive == 0 && group.host_label < 0 && group.zone_label < 0;
    }

    static constexpr std::uint8_t covered = 1, refused = 2;

    KarpenterPodGroup* m_groups = nullptr;                ///< [templates], and what they become
    std::int32_t m_labels[karpenter_spread_labels] = {};  ///< the counter of each spread label
    std::int32_t m_exclusive[64] = {};                    ///< of each exclusive set
    std::int32_t m_label_count = 0, m_exclusive_count = 0, m_group_count = 0;
    std::uint8_t* m_held = nullptr;  ///< [workloads] covered, refused
    bool m_any_held = false;
    KarpenterPod* m_standing = nullptr;   ///< [pod_slots]
    ArenaArray<NodeSeen, Layout> m_seen;  ///< [node_slots]
};

}  // namespace windtunnel
