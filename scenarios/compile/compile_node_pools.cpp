#include "scenarios/compile/compile_pools.hpp"
#include "scenarios/compile/node_offerings.hpp"
#include "scenarios/node_allocatable.hpp"
#include "scenarios/node_labels.hpp"

#include "models/bytes.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace windtunnel {
namespace {

/// Every pod template of the manifests: what Karpenter may ever have to place.
std::vector<const PodTemplate*> pods_of(const Manifests& m) {
    std::vector<const PodTemplate*> out;
    for (const WorkloadObject& w : m.workloads) {
        out.push_back(&w.pod);
        if (w.leader) out.push_back(&*w.leader);
    }
    for (const JobObject& j : m.jobs) out.push_back(&j.pod);
    for (const CronJobObject& j : m.cron_jobs) out.push_back(&j.job.pod);
    for (const BarePod& p : m.bare_pods) out.push_back(&p.pod);
    return out;
}

/// Values of a label that pods ask for: by selector or by required node affinity.
std::set<std::string> asked_values(const std::vector<const PodTemplate*>& pods, const std::string& key) {
    std::set<std::string> out;
    for (const PodTemplate* pod : pods) {
        if (const auto found = pod->node_selector.find(key); found != pod->node_selector.end()) out.insert(found->second);
        for (const NodeAffinityTerm& term : pod->required_node_affinity)
            for (const SelectorExpression& e : term.expressions)
                if (e.key == key && e.op == SelectorOperator::in) out.insert(e.values.begin(), e.values.end());
    }
    return out;
}

class NodePoolCompiler {
public:
    NodePoolCompiler(const Scenario& scenario, CompiledScenario& out, std::vector<PoolDraft>& drafts, Problems& errors)
        : m_scenario(scenario),
          m_extended(out.extended),
          m_parts(out.parts),
          m_drafts(drafts),
          m_errors(errors),
          m_warnings(out.warnings),
          m_pods(pods_of(scenario.manifests)) {}

    void compile() {
        std::vector<const KarpenterNodePool*> pools;
        for (const KarpenterNodePool& pool : m_scenario.manifests.node_pools) pools.push_back(&pool);
        // Weight descending, equal weights by name descending (kubernetes.md 9.3.2).
        std::sort(pools.begin(), pools.end(), [](const auto* a, const auto* b) {
            return std::tie(a->weight, a->meta.name) > std::tie(b->weight, b->meta.name);
        });
        std::size_t taken = 0;
        for (const PoolDraft& draft : m_drafts) taken += draft.shapes.size();
        m_share = pools.empty() ? 0 : (static_cast<std::size_t>(max_shapes) - std::min<std::size_t>(taken, max_shapes)) / pools.size();
        for (const KarpenterNodePool* pool : pools) add(*pool);
    }

private:
    void add(const KarpenterNodePool& pool) {
        PoolDraft draft;
        draft.by_karpenter = true;
        draft.spec.name = pool.meta.name;
        draft.spec.labels = pool.labels;
        draft.spec.taints = pool.taints;  // startup taints are gone before pods land (9.5)
        draft.spec.where = pool.where;
        const auto same = [&](const PoolDraft& d) { return d.spec.name == draft.spec.name; };
        if (std::any_of(m_drafts.begin(), m_drafts.end(), same))
            m_errors.push_back({pool.where, "metadata.name", fmt::format("found {}, the name of another pool, allowed: each name once", pool.meta.name)});
        Findings findings;
        std::vector<NodeOffering> offerings =
            with_own_labels(pool, karpenter_offerings(pool, m_scenario.manifests, m_scenario.cluster, findings));
        m_errors.insert(m_errors.end(), findings.errors.begin(), findings.errors.end());
        m_warnings.insert(m_warnings.end(), findings.warnings.begin(), findings.warnings.end());
        draft.refused = !findings.errors.empty();
        if (offerings.empty()) {
            if (draft.refused) m_drafts.push_back(std::move(draft));
            return;
        }
        narrow(pool, offerings);
        std::stable_sort(offerings.begin(), offerings.end(),
                         [](const NodeOffering& a, const NodeOffering& b) { return a.zone < b.zone; });
        Problems undivided;
        for (const NodeOffering& offering : offerings) draft.shapes.push_back(shape_of(pool, offering, &undivided));
        const auto divided = [](const ShapeDraft& s) {
            return std::any_of(s.devices.begin(), s.devices.end(), [](const DeviceUnits& d) { return d.num != d.den; });
        };
        if (std::any_of(draft.shapes.begin(), draft.shapes.end(), divided))
            m_warnings.push_back({pool.where, pool.meta.title(), "its nodes divide their GPUs, of which Karpenter knows nothing: it plans new nodes with whole GPUs (nvidia.com/gpu), and launches none for slices or shares of other names"});
        if (!undivided.empty()) {
            m_errors.push_back(undivided.front());
            draft.refused = true;
        }
        describe_provisioning(draft.spec, cloud_name(m_scenario.cluster.cloud), draft, m_parts, m_errors);
        plan(pool, draft);
        m_drafts.push_back(std::move(draft));
    }

    /// Labels that requirements put on nodes although no instance type has them: one value stands on all; of
    /// several, or any (Exists), a node gets the one that its pods ask for.
    std::vector<NodeOffering> with_own_labels(const KarpenterNodePool& pool, std::vector<NodeOffering> offerings) const {
        for (const NodeRequirement& r : pool.requirements) {
            const SelectorExpression& e = r.expression;
            if (e.op != SelectorOperator::in && e.op != SelectorOperator::exists) continue;
            if (std::any_of(offerings.begin(), offerings.end(), [&](const NodeOffering& o) { return o.labels.contains(e.key); })) continue;
            std::set<std::string> values = asked_values(m_pods, e.key);
            std::erase_if(values, [&](const std::string& v) { return !e.matches({{e.key, v}}); });
            if (values.empty() && e.op == SelectorOperator::in) values = {e.values.front()};
            if (values.empty()) continue;
            std::vector<NodeOffering> labelled;
            for (const NodeOffering& o : offerings)
                for (const std::string& value : values) {
                    labelled.push_back(o);
                    labelled.back().labels[e.key] = value;
                }
            offerings = std::move(labelled);
        }
        return offerings;
    }

    /// Leaves out what no pod of the manifests can use, which Karpenter never launches; then, where there are
    /// more than the engine takes, the dearest types.
    void narrow(const KarpenterNodePool& pool, std::vector<NodeOffering>& offerings) {
        std::vector<NodeOffering> useful;
        for (const NodeOffering& o : offerings) {
            const ShapeDraft shape = shape_of(pool, o);
            const bool used = std::any_of(m_pods.begin(), m_pods.end(), [&](const PodTemplate* pod) {
                return fits(m_extended.needs_of(*pod), shape.plan.allocatable) && unmet_label(*pod, o.labels).empty();
            });
            if (used) useful.push_back(o);
        }
        if (useful.empty()) useful = {offerings.front()};  // for messages: what it would launch
        if (useful.size() > m_share) {
            std::vector<std::string> types;
            std::map<std::string, std::size_t> counts;
            for (const NodeOffering& o : useful)
                if (counts[o.type->name]++ == 0) types.push_back(o.type->name);
            std::set<std::string> kept;
            std::size_t sum = 0;
            for (const std::string& type : types) {
                if (sum + counts[type] > m_share) break;
                sum += counts[type];
                kept.insert(type);
            }
            m_warnings.push_back({pool.where, pool.meta.title(),
                                  fmt::format("may launch {} kinds of nodes (instance types x zones x capacity types); the {} cheapest of {} instance types take part", useful.size(), kept.size(), types.size())});
            std::erase_if(useful, [&](const NodeOffering& o) { return !kept.contains(o.type->name); });
        }
        offerings = std::move(useful);
    }

    [[nodiscard]] const KarpenterNodeClass* class_of(const KarpenterNodePool& pool) const {
        for (const KarpenterNodeClass& c : m_scenario.manifests.node_classes)
            if (c.meta.kind == pool.node_class_kind && c.meta.name == pool.node_class) return &c;
        return nullptr;
    }

    /// A node that cannot advertise its GPUs as its labels say is among `undivided`, and has none.
    [[nodiscard]] ShapeDraft shape_of(const KarpenterNodePool& pool, const NodeOffering& offering, Problems* undivided = nullptr) const {
        const KarpenterNodeClass* node_class = class_of(pool);
        const InstanceType& type = *offering.type;
        ShapeDraft out;
        out.instance_type = type.name;
        out.zone = offering.zone;
        out.capacity = offering.capacity;
        out.gpu = type.gpu;
        out.labels = offering.labels;
        out.price_source = (*get_cloud(type.cloud))->price_source;
        ShapePlan& plan = out.plan;
        plan.gpus = type.gpu_count;
        plan.nano_usd_per_hour = offering.nano_usd_per_hour;
        plan.overlay_nano_usd_per_hour = offering.weighed_nano_usd_per_hour - offering.nano_usd_per_hour;
        plan.spot = offering.capacity == CapacityType::spot ? 1 : 0;
        out.reservation = offering.reservation;
        plan.kind = out.reservation >= 0 ? OfferingKind::reserved : plan.spot ? OfferingKind::spot : OfferingKind::on_demand;
        const std::int64_t cpu = std::int64_t{type.vcpus} * 1000;
        const auto memory = static_cast<std::int64_t>(type.memory_gib * gib);
        std::int64_t pods = pool.max_pods ? *pool.max_pods : node_class && node_class->max_pods ? *node_class->max_pods : 110;
        // The kubelet's podsPerCore is a further bound; 0 is none.
        const auto per_core = pool.pods_per_core ? pool.pods_per_core : node_class ? node_class->pods_per_core : std::nullopt;
        if (per_core && *per_core > 0) pods = std::min(pods, *per_core * type.vcpus);
        plan.capacity = resource_amounts(0, cpu, memory, pods);
        plan.allocatable = plan.capacity;
        plan.allocatable[resource_cpu_milli] = allocatable_cpu(cpu);
        plan.allocatable[resource_memory_bytes] = allocatable_memory(memory, m_scenario.cluster.cloud);
        // Reservations that the kubelet is told replace the defaults, resource by resource.
        constexpr std::int64_t eviction = 100 << 20;  // evictionHard memory.available [kubelet's default]
        std::vector<const std::map<std::string, Quantity>*> reserved{&pool.kube_reserved, &pool.system_reserved};
        if (node_class != nullptr) reserved.insert(reserved.end(), {&node_class->kube_reserved, &node_class->system_reserved});
        std::int64_t own_cpu = 0, own_memory = 0;
        for (const auto* amounts : reserved)
            for (const auto& [name, amount] : *amounts) {
                if (name == "cpu") own_cpu += amount.milli_ceil();
                if (name == "memory") own_memory += amount.ceil();
            }
        if (own_cpu > 0) plan.allocatable[resource_cpu_milli] = cpu - own_cpu;
        if (own_memory > 0) plan.allocatable[resource_memory_bytes] = memory - own_memory - eviction;
        PoolSpec spec;
        spec.where = pool.where;
        spec.path = pool.meta.title();
        const Problems problems = describe_devices(spec, m_scenario, m_extended, out);
        if (undivided != nullptr) undivided->insert(undivided->end(), problems.begin(), problems.end());
        return out;
    }

    void plan(const KarpenterNodePool& pool, PoolDraft& draft) {
        draft.plan.choice = ShapeChoice::cheapest;
        if (pool.replicas) {  // a static pool keeps so many nodes
            draft.by_karpenter = false;
            draft.plan.provisioner = Provisioner::fixed;
            draft.plan.initial = draft.plan.minimum = static_cast<std::uint32_t>(*pool.replicas);
            draft.plan.node_slots = std::max(1u, draft.plan.initial);
            return;
        }
        draft.plan.provisioner = Provisioner::karpenter;
        draft.plan.karpenter = static_cast<std::int32_t>(m_parts.karpenter_pools.size());
        KarpenterPoolPlan out;
        out.pool = static_cast<std::uint32_t>(m_drafts.size());
        limits(pool, out);
        for (const NodeRequirement& r : pool.requirements) {
            if (r.min_values == 0) continue;
            if (r.expression.key == "node.kubernetes.io/instance-type")
                out.min_types = std::max(out.min_types, r.min_values);
            else if (r.expression.key == "karpenter.k8s.aws/instance-family")
                out.min_families = std::max(out.min_families, r.min_values);
            else
                m_warnings.push_back({r.where, r.path + ".minValues", fmt::format("minValues of {} is not held while nodes are planned, allowed: of node.kubernetes.io/instance-type and karpenter.k8s.aws/instance-family", r.expression.key)});
        }
        out.consolidate_after = pool.consolidate_after.value_or(never);
        out.expire_after = pool.expire_after.value_or(never);
        out.termination_grace = pool.termination_grace.value_or(never);
        out.do_not_disrupt = pool.do_not_disrupt ? 1 : 0;
        out.only_when_empty = pool.consolidation == ConsolidationPolicy::when_empty ? 1 : 0;
        out.first_budget = static_cast<std::uint32_t>(m_parts.karpenter_budgets.size());
        for (const NodePoolBudget& budget : pool.budgets) m_parts.karpenter_budgets.push_back(budget_of(budget));
        out.budget_count = static_cast<std::uint32_t>(pool.budgets.size());
        m_parts.karpenter_pools.push_back(out);
    }

    void limits(const KarpenterNodePool& pool, KarpenterPoolPlan& out) {
        const auto limit = [&](std::int32_t kind, std::int64_t amount) {
            out.limited |= 1u << kind;
            out.limits[kind] = amount;
        };
        for (const auto& [name, amount] : pool.limits) {
            if (name == "cpu")
                limit(resource_cpu_milli, amount.milli_ceil());
            else if (name == "memory")
                limit(resource_memory_bytes, amount.ceil());
            else if (name == "nodes")
                out.node_limit = amount.ceil();
            else if (m_extended.place(name) >= 0)
                limit(m_extended.place(name), amount.ceil());
            else if (!is_gpu_resource(name))  // GPUs that nobody asks for: nothing is launched for them
                m_warnings.push_back({pool.where, pool.meta.title() + ":spec.limits." + name, "a limit on this resource is not held, allowed: cpu, memory, nvidia.com/gpu and nodes"});
        }
    }

    KarpenterBudgetPlan budget_of(const NodePoolBudget& budget) {
        KarpenterBudgetPlan out;
        out.budget.nodes = budget.nodes.percent ? percent(static_cast<std::int32_t>(budget.nodes.value))
                                                : integer(static_cast<std::int32_t>(budget.nodes.value));
        out.budget.reasons = budget.reasons;
        if (budget.active.always) return out;
        out.scheduled = 1;
        out.first_interval = static_cast<std::uint32_t>(m_parts.intervals.size());
        const UtcSeconds origin{std::chrono::seconds{m_parts.epoch_ms / 1000}};
        const auto intervals = active_intervals(budget.active, origin, Tick{}, m_parts.span + m_parts.drain_limit);
        m_parts.intervals.insert(m_parts.intervals.end(), intervals.begin(), intervals.end());
        out.interval_count = static_cast<std::uint32_t>(intervals.size());
        return out;
    }

    const Scenario& m_scenario;
    const ExtendedResources& m_extended;
    BlueprintParts& m_parts;
    std::vector<PoolDraft>& m_drafts;
    Problems& m_errors;
    Problems& m_warnings;
    std::vector<const PodTemplate*> m_pods;
    std::size_t m_share = 0;  ///< kinds of nodes that one pool may have
};

}  // namespace

void compile_node_pools(const Scenario& scenario, CompiledScenario& out, std::vector<PoolDraft>& drafts, Problems& errors) {
    NodePoolCompiler(scenario, out, drafts, errors).compile();
}

void size_karpenter_pools(const BlueprintParts& parts, std::vector<PoolDraft>& drafts) {
    for (PoolDraft& draft : drafts) {
        if (draft.plan.provisioner != Provisioner::karpenter) continue;
        // A pod has one node at most; slots count its successor and predecessors already. Besides: nodes that
        // are empty or replacements.
        std::int64_t most = 8;
        for (std::size_t w = 0; w < parts.workloads.size(); ++w) {
            const bool here = std::any_of(parts.templates.begin(), parts.templates.end(), [&](const TemplateParts& t) {
                bool any = false;
                for (std::size_t i = 0; i < draft.shapes.size(); ++i)
                    any = any || t.plan.shapes.has(static_cast<std::int32_t>(draft.first_shape + i));
                return any && t.plan.workload == w;
            });
            if (here) most += parts.workloads[w].pod_slots;
        }
        const KarpenterPoolPlan& plan = parts.karpenter_pools[static_cast<std::size_t>(draft.plan.karpenter)];
        // Limits bound what is planned; a replacement stands beside what it replaces.
        if (plan.node_limit >= 0) most = std::min(most, plan.node_limit + 2);
        for (std::int32_t kind = 0; kind < resource_kinds; ++kind) {
            if ((plan.limited >> kind & 1) == 0) continue;
            std::int64_t least = INT64_MAX;
            for (const ShapeDraft& shape : draft.shapes) least = std::min(least, shape.plan.capacity[kind]);
            if (least > 0 && least < INT64_MAX) most = std::min(most, plan.limits[kind] / least + 2);
        }
        draft.plan.node_slots = static_cast<std::uint32_t>(std::max<std::int64_t>(most, 1));
    }
}

}  // namespace windtunnel
