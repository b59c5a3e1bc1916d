#include "scenarios/compile/compile_scheduling.hpp"

#include "scenarios/compile/node_places.hpp"
#include "scenarios/node_labels.hpp"

#include <algorithm>
#include <set>

namespace windtunnel {
namespace {

using Workloads = std::set<std::uint32_t>;

class SchedulingCompiler {
public:
    SchedulingCompiler(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                       const std::vector<PoolDraft>& pools, CompiledScenario& out)
        : m_scenario(scenario), m_objects(objects), m_shapes(all_shapes(pools)), m_out(out) {}

    void compile() {
        words();
        for (std::uint32_t w = 0; w < m_objects.size(); ++w) {
            const PodTemplate& pod = m_objects[w]->pod;
            TemplateParts rules;
            priority(pod, rules.plan);
            spread(w, rules);
            own_affinity(w, rules);
            for (std::uint32_t other = 0; other < m_objects.size(); ++other) others_affinity(w, other, rules);
            ShapeSet tainted;
            for (std::size_t i = 0; i < m_shapes.size(); ++i)
                if (!tolerates(pod, *m_shapes[i].pool)) tainted.add(static_cast<std::int32_t>(i));
            wish(pod, rules);
            for (std::size_t at = 0; at < m_out.parts.templates.size(); ++at) {
                TemplateParts& t = m_out.parts.templates[at];
                if (t.plan.workload != w) continue;
                t.wishes = rules.wishes;
                t.required_terms = rules.required_terms;
                t.preferred_terms = rules.preferred_terms;
                t.plan.unmarked = rules.plan.unmarked;
                t.plan.priority = rules.plan.priority;
                t.plan.deletion_cost = pod.deletion_cost;
                t.plan.containers = static_cast<std::int32_t>(pod.containers.size() + pod.init_containers.size());
                t.plan.preempts = rules.plan.preempts;
                t.plan.starts_affinity = rules.plan.starts_affinity;
                t.plan.default_spread = rules.plan.default_spread;
                t.plan.tainted = tainted;
                t.spread = rules.spread;
                // A hash of the template among matchLabelKeys: a revision counts its own pods alone.
                for (const RevisionRule& r : m_revision_rules)
                    t.spread[r.rule].counter = counter(r.matched, static_cast<std::uint32_t>(t.spread[r.rule].key), r.shapes, false, static_cast<std::int32_t>(at));
                t.affinity = rules.affinity;
            }
        }
        count();
        const auto zone = std::find(m_keys.begin(), m_keys.end(), "topology.kubernetes.io/zone");
        if (zone != m_keys.end()) m_out.parts.zone_key = static_cast<std::int32_t>(zone - m_keys.begin()) + 1;
    }

private:
    struct Counter {
        Workloads workloads;
        std::int32_t revision = -1;  ///< counts the pods of this template alone
        TopologyCounterPlan plan;
    };

    /// A spread rule that tells revisions apart.
    struct RevisionRule {
        std::size_t rule = 0;
        Workloads matched;
        ShapeSet shapes;
    };

    void words() {
        SchedulerWords& words = m_out.scheduler_words;
        words.resources = {"cpu", "memory", "pods"};
        words.resources.insert(words.resources.end(), m_out.extended.names().begin(), m_out.extended.names().end());
        for (std::size_t i = 0; i < m_shapes.size(); ++i)
            for (const Taint& taint : m_shapes[i].pool->spec.taints) {
                if (taint.effect == TaintEffect::prefer_no_schedule) continue;
                const std::string text = taint.key + ": " + taint.value;
                auto known = std::find(words.taints.begin(), words.taints.end(), text);
                if (known == words.taints.end() && words.taints.size() < max_counted_taints)
                    known = words.taints.insert(words.taints.end(), text);
                if (known != words.taints.end())
                    m_out.parts.shapes[i].taint = static_cast<std::uint8_t>(known - words.taints.begin());
                break;
            }
    }

    /// kubernetes.md 7.4.1; the two classes that every cluster has, by their documented values.
    void priority(const PodTemplate& pod, TemplatePlan& plan) const {
        bool preempts = true;
        if (const PriorityClass* its = m_scenario.manifests.priority_class_of(pod)) {
            plan.priority = its->value;
            preempts = its->preempts;
        }
        if (pod.priority_class == "system-cluster-critical") plan.priority = 2'000'000'000;
        if (pod.priority_class == "system-node-critical") plan.priority = 2'000'001'000;
        plan.priority = pod.priority.value_or(plan.priority);
        plan.preempts = pod.preempts.value_or(preempts) ? 1 : 0;
    }

    /// Preferences between nodes: what the scheduler adds up, and the terms that Karpenter takes as required one after the
    /// other (kubernetes.md 9.3.5).
    void wish(const PodTemplate& pod, TemplateParts& out) const {
        if (pod.required_node_affinity.size() > 1)
            for (const NodeAffinityTerm& term : pod.required_node_affinity) out.required_terms.push_back(matching(term));
        std::vector<const PreferredNodeTerm*> preferred;
        for (const PreferredNodeTerm& t : pod.preferred_node_affinity) preferred.push_back(&t);
        std::stable_sort(preferred.begin(), preferred.end(), [](const auto* a, const auto* b) { return a->weight > b->weight; });
        for (const PreferredNodeTerm* t : preferred) out.preferred_terms.push_back(matching(t->term));
        bool any = !preferred.empty();
        for (std::size_t i = 0; i < m_shapes.size(); ++i) {
            const std::int32_t taints = soft_taints_for(pod, m_shapes[i].pool->spec.taints);
            out.wishes.push_back({preference_for(pod, m_shapes[i].shape->labels), taints});
            any = any || taints > 0;
            if (taints == 0) out.plan.unmarked.add(static_cast<std::int32_t>(i));
        }
        if (!any) out.wishes.clear();
    }
    [[nodiscard]] ShapeSet matching(const NodeAffinityTerm& term) const {
        ShapeSet shapes;
        for (std::size_t i = 0; i < m_shapes.size(); ++i)
            if (windtunnel::matches(term, m_shapes[i].shape->labels)) shapes.add(static_cast<std::int32_t>(i));
        return shapes;
    }

    [[nodiscard]] bool tolerates(const PodTemplate& pod, const PoolDraft& pool) const {
        return untolerated_taint(pod, pool.spec.taints, m_scenario.cluster.cloud).empty();
    }

    // ---- topology keys and counters --------------------------------------------------------------------

    /// Index of a topology key; its domains are the values that the pools' nodes carry.
    std::uint32_t key_of(const std::string& key) {
        if (key == "kubernetes.io/hostname") return topology_hostname;
        const auto known = std::find(m_keys.begin(), m_keys.end(), key);
        if (known != m_keys.end()) return static_cast<std::uint32_t>(known - m_keys.begin()) + 1;
        m_keys.push_back(key);
        std::vector<std::string> values;
        for (const PlacedShape& placed : m_shapes) {
            const Labels& labels = placed.shape->labels;
            const auto label = labels.find(key);
            if (label == labels.end()) {
                m_out.parts.shape_domains.push_back(-1);
                continue;
            }
            auto value = std::find(values.begin(), values.end(), label->second);
            if (value == values.end()) value = values.insert(values.end(), label->second);
            m_out.parts.shape_domains.push_back(static_cast<std::int32_t>(value - values.begin()));
        }
        m_out.parts.topology_domains.push_back(static_cast<std::int32_t>(values.size()));
        return static_cast<std::uint32_t>(m_keys.size());
    }
    [[nodiscard]] ShapeSet every_shape() const {
        return ShapeSet::first(static_cast<std::int32_t>(m_shapes.size()));
    }
    std::int32_t counter(const Workloads& workloads, std::uint32_t key, const ShapeSet& shapes,
                         bool terminating, std::int32_t revision = -1) {
        for (std::size_t c = 0; c < m_counters.size(); ++c) {
            const Counter& known = m_counters[c];
            bool same = known.workloads == workloads && known.revision == revision && known.plan.key == key &&
                        known.plan.counts_terminating == terminating;
            same = same && known.plan.shapes.is_subset_of(shapes) && shapes.is_subset_of(known.plan.shapes);
            if (same) return static_cast<std::int32_t>(c);
        }
        Counter made;
        made.workloads = workloads;
        made.revision = revision;
        made.plan.key = key;
        made.plan.shapes = shapes;
        made.plan.counts_terminating = terminating;
        m_counters.push_back(made);
        return static_cast<std::int32_t>(m_counters.size()) - 1;
    }
    void count() {
        BlueprintParts& parts = m_out.parts;
        for (std::uint32_t c = 0; c < m_counters.size(); ++c) {
            parts.counters.push_back(m_counters[c].plan);
            for (std::size_t t = 0; t < parts.templates.size(); ++t)
                if (m_counters[c].workloads.contains(parts.templates[t].plan.workload) &&
                    (m_counters[c].revision < 0 || m_counters[c].revision == static_cast<std::int32_t>(t)))
                    parts.templates[t].counted_by.push_back(c);
        }
    }

    // ---- spread ----------------------------------------------------------------------------------------

    void spread(std::uint32_t w, TemplateParts& rules) {
        const WorkloadObject& object = *m_objects[w];
        m_revision_rules.clear();
        if (object.pod.topology_spread.empty()) return default_spread(w, rules);
        // Counts are taken over nodes that carry all keys of the hard (or of the soft) constraints and that
        // the pod's node affinity admits (7.2.5).
        for (const TopologySpread& c : object.pod.topology_spread) {
            if (rules.spread.size() == max_spread_rules) break;
            ShapeSet shapes;
            for (std::size_t i = 0; i < m_shapes.size(); ++i) {
                const Labels& labels = m_shapes[i].shape->labels;
                bool counts = true;
                for (const TopologySpread& other : object.pod.topology_spread)
                    if (other.do_not_schedule == c.do_not_schedule &&
                        other.topology_key != "kubernetes.io/hostname")
                        counts = counts && labels.contains(other.topology_key);
                if (c.honors_affinity && !unmet_label(object.pod, labels).empty()) counts = false;
                if (c.honors_taints && !tolerates(object.pod, *m_shapes[i].pool)) counts = false;
                if (counts) shapes.add(static_cast<std::int32_t>(i));
            }
            Workloads matched;
            for (std::uint32_t o = 0; o < m_objects.size(); ++o)
                if (c.selects && m_objects[o]->meta.name_space == object.meta.name_space &&
                    c.selector.matches(m_objects[o]->pod.labels) &&
                    agree(object, *m_objects[o], c.match_label_keys))
                    matched.insert(o);
            SpreadRule rule;
            rule.key = static_cast<std::int32_t>(key_of(c.topology_key));
            rule.counter = counter(matched, static_cast<std::uint32_t>(rule.key), shapes, false);
            rule.max_skew = c.max_skew;
            rule.min_domains = c.min_domains;
            rule.hard = c.do_not_schedule;
            rule.self = matched.contains(w);
            const auto is_hash = [](const std::string& key) { return key == "pod-template-hash" || key == "controller-revision-hash" || key == "rollouts-pod-template-hash"; };
            if (rule.self && std::any_of(c.match_label_keys.begin(), c.match_label_keys.end(), is_hash)) m_revision_rules.push_back({rules.spread.size(), {w}, shapes});
            rules.spread.push_back(rule);
        }
    }
    /// The cluster's defaults for pods of a ReplicaSet or StatefulSet without constraints of their own (7.3).
    void default_spread(std::uint32_t w, TemplateParts& rules) {
        rules.plan.default_spread = 1;
        const std::uint32_t zone = key_of("topology.kubernetes.io/zone");
        rules.spread = {
            {counter({w}, topology_hostname, every_shape(), false), topology_hostname, 3, 1, false, true},
            {counter({w}, zone, every_shape(), false), static_cast<std::int32_t>(zone), 5, 1, false, true}};
    }
    [[nodiscard]] static bool agree(const WorkloadObject& a, const WorkloadObject& b,
                                    const std::vector<std::string>& keys) {
        return std::all_of(keys.begin(), keys.end(), [&](const std::string& key) {
            const auto x = a.pod.labels.find(key), y = b.pod.labels.find(key);
            return x == a.pod.labels.end() || (y != b.pod.labels.end() && x->second == y->second);
        });
    }

    // ---- affinity between pods -------------------------------------------------------------------------

    [[nodiscard]] bool matches(const PodAffinityTerm& term, const WorkloadObject& owner,
                               const WorkloadObject& other) const {
        const std::string& ns = other.meta.name_space;
        bool in =
            term.namespaces.empty() && !term.namespace_selector
                ? ns == owner.meta.name_space
                : std::find(term.namespaces.begin(), term.namespaces.end(), ns) != term.namespaces.end();
        if (!in && term.namespace_selector) {
            const auto labels = m_scenario.manifests.namespaces.find(ns);
            in = term.namespace_selector->matches(
                labels == m_scenario.manifests.namespaces.end() ? Labels{} : labels->second);
        }
        for (const std::string& key : term.mismatch_label_keys)
            if (owner.pod.labels.contains(key) && agree(owner, other, {key})) return false;
        return in && term.selects && term.selector.matches(other.pod.labels) &&
               agree(owner, other, term.match_label_keys);
    }
    [[nodiscard]] Workloads matched_by(const PodAffinityTerm& term, const WorkloadObject& owner) const {
        Workloads matched;
        for (std::uint32_t o = 0; o < m_objects.size(); ++o)
            if (matches(term, owner, *m_objects[o])) matched.insert(o);
        return matched;
    }
    void add(TemplateParts& rules, AffinityKind kind, const Workloads& counted, const std::string& key,
             std::int32_t weight, bool own) {
        AffinityRule rule;
        const std::uint32_t index = key_of(key);
        rule.key = static_cast<std::int32_t>(index);
        rule.counter = counter(counted, index, every_shape(), true);
        rule.weight = weight;
        rule.kind = kind;
        rule.own = own ? 1 : 0;
        rules.affinity.push_back(rule);
    }
    void own_affinity(std::uint32_t w, TemplateParts& rules) {
        const WorkloadObject& object = *m_objects[w];
        Workloads all;  // pods that match all required affinity terms
        for (std::uint32_t o = 0; o < m_objects.size(); ++o)
            if (std::all_of(object.pod.pod_affinity.begin(), object.pod.pod_affinity.end(),
                            [&](const auto& t) { return !t.required || matches(t, object, *m_objects[o]); }))
                all.insert(o);
        for (const PodAffinityTerm& t : object.pod.pod_affinity)
            if (t.required)
                add(rules, AffinityKind::required, all, t.topology_key, 0, true);
            else
                add(rules, AffinityKind::preferred, matched_by(t, object), t.topology_key, t.weight, true);
        rules.plan.starts_affinity = all.contains(w) ? 1 : 0;
        for (const PodAffinityTerm& t : object.pod.pod_anti_affinity)
            if (t.required)
                add(rules, AffinityKind::anti, matched_by(t, object), t.topology_key, 0, true);
            else
                add(rules, AffinityKind::preferred, matched_by(t, object), t.topology_key, -t.weight, true);
    }
    /// Terms of running pods that are about this one: anti-affinity keeps it away, preferences weigh, and
    /// required affinity weighs 1 (hardPodAffinityWeight).
    void others_affinity(std::uint32_t w, std::uint32_t other, TemplateParts& rules) {
        const WorkloadObject &owner = *m_objects[other], &object = *m_objects[w];
        for (const PodAffinityTerm& t : owner.pod.pod_affinity)
            if (matches(t, owner, object))
                add(rules, AffinityKind::preferred, {other}, t.topology_key, t.required ? 1 : t.weight, false);
        for (const PodAffinityTerm& t : owner.pod.pod_anti_affinity) {
            if (!matches(t, owner, object)) continue;
            if (t.required)
                add(rules, AffinityKind::existing_anti, {other}, t.topology_key, 0, false);
            else
                add(rules, AffinityKind::preferred, {other}, t.topology_key, -t.weight, false);
        }
    }

    const Scenario& m_scenario;
    const std::vector<const WorkloadObject*>& m_objects;
    const std::vector<PlacedShape> m_shapes;  ///< by their index in the blueprint
    CompiledScenario& m_out;
    std::vector<std::string> m_keys;
    std::vector<Counter> m_counters;
    std::vector<RevisionRule> m_revision_rules;  ///< of the workload at hand
};

}  // namespace

void compile_scheduling(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                        const std::vector<PoolDraft>& pools, CompiledScenario& out) {
    SchedulingCompiler(scenario, objects, pools, out).compile();
}

}  // namespace windtunnel
