#include "scenarios/compile/compile_quotas.hpp"

#include "models/lower_case.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {
namespace {

/// `priority_class` is the name that admission has written into the pod; "" = none.
bool holds(const QuotaScopeRule& rule, const PodTemplate& pod, const std::string& priority_class) {
    switch (rule.scope) {
        case QuotaScope::terminating: return pod.active_deadline.has_value();
        case QuotaScope::not_terminating: return !pod.active_deadline.has_value();
        case QuotaScope::best_effort: return pod.best_effort();
        case QuotaScope::not_best_effort: return !pod.best_effort();
        case QuotaScope::volume_attributes_class: return false;  // of claims
        case QuotaScope::cross_namespace_pod_affinity: {
            const auto crosses = [](const PodAffinityTerm& t) { return !t.namespaces.empty() || t.namespace_selector; };
            return std::any_of(pod.pod_affinity.begin(), pod.pod_affinity.end(), crosses) ||
                   std::any_of(pod.pod_anti_affinity.begin(), pod.pod_anti_affinity.end(), crosses);
        }
        case QuotaScope::priority_class: {
            const bool named = std::find(rule.values.begin(), rule.values.end(), priority_class) != rule.values.end();
            switch (rule.op) {
                case SelectorOperator::in: return named;
                case SelectorOperator::not_in: return !named;  // as a selector does: also without a class
                case SelectorOperator::does_not_exist: return priority_class.empty();
                default: return !priority_class.empty();
            }
        }
    }
    return false;
}

/// Where a quota's key stands among the engine's resources; -1 = it bounds nothing that a run makes.
std::int32_t kind_of(const std::string& key, const ExtendedResources& extended, bool* over_limits) {
    *over_limits = key.starts_with("limits.");
    if (key == "pods" || key == "count/pods") return resource_pods;
    if (key == "cpu" || key == "requests.cpu" || key == "limits.cpu") return resource_cpu_milli;
    if (key == "memory" || key == "requests.memory" || key == "limits.memory") return resource_memory_bytes;
    if (key.ends_with("ephemeral-storage")) return extended.place("ephemeral-storage");
    return key.starts_with("requests.") ? extended.place(key.substr(9)) : -1;
}

/// The container that does not state what a quota over it makes every container state (kubernetes.md 7.5.3), or "".
std::string silent_container(const PodTemplate& pod, std::int32_t kind, bool over_limits) {
    for (const auto* list : {&pod.init_containers, &pod.containers})
        for (const Container& c : *list) {
            const Resources& r = c.resources;
            const bool stated = kind == resource_cpu_milli
                                    ? (over_limits ? r.cpu_limit_milli : r.cpu_request_milli).has_value()
                                    : (over_limits ? r.memory_limit_bytes : r.memory_request_bytes).has_value();
            if (!stated && !pod.pod_resources) return c.name;
        }
    return "";
}

/// Its limits of cpu, memory and ephemeral storage, as quotas charge them.
ResourceAmounts limits_of(const PodTemplate& pod, const ExtendedResources& extended) {
    ResourceAmounts limits;
    limits[resource_cpu_milli] = pod.cpu_limit_milli();
    limits[resource_memory_bytes] = pod.memory_limit_bytes();
    if (const std::int32_t disk = extended.place("ephemeral-storage"); disk >= 0) limits[disk] = pod.ephemeral_storage_limit_bytes();
    return limits;
}

/// "deployments.apps" is the resource of kind Deployment in the group apps; the core group has none.
bool is_resource(const std::string& resource, const std::string& kind, const std::string& api_version) {
    const std::size_t dot = resource.find('.');
    const std::string plural = resource.substr(0, dot), group = dot == std::string::npos ? "" : resource.substr(dot + 1);
    const std::size_t slash = api_version.find('/');
    if (group != (slash == std::string::npos ? "" : api_version.substr(0, slash))) return false;
    const std::string name = lower_case(kind);
    return plural == name + "s" || plural == name + "es" || (name.ends_with("y") && plural == name.substr(0, name.size() - 1) + "ies");
}

class QuotaCheck {
public:
    QuotaCheck(const Scenario& scenario, const ResourceQuotaObject& quota, Problems& errors)
        : m_scenario(scenario), m_manifests(scenario.manifests), m_quota(quota), m_errors(errors) {}

    /// A key that bounds no pods: what it counts stands in the manifests, or is made while the run goes on.
    void check(const std::string& key, std::int64_t hard) {
        const std::string resource = key.starts_with("count/") ? key.substr(6) : key;
        if (resource.find("hugepages-") != std::string::npos) return refuse_where(key, "huge pages", asks_hugepages());
        if (key.starts_with("requests.") && key.find('/') != std::string::npos && key.find(".storageclass.") == std::string::npos)
            return refuse_where(key, key.substr(9), asks(key.substr(9)));
        const bool storage = resource == "persistentvolumeclaims" || key == "requests.storage" || key.find(".storageclass.storage.k8s.io/") != std::string::npos;
        if (storage) {
            refuse_where(key, "the claims that a StatefulSet's pods make", makes_claims());
            if (resource != "persistentvolumeclaims") return storage_fits(key, hard);
        }
        if (resource == "replicasets.apps") return at_most(key, hard, revisions(), "ReplicaSets, one for each revision of its Deployments");
        if (resource == "jobs.batch") refuse_where(key, "the Jobs that a CronJob starts", starts_jobs());
        if (key == "services.loadbalancers" || key == "services.nodeports")
            return at_most(key, hard, services(key == "services.nodeports" ? "NodePort" : "LoadBalancer"), "such Services");
        std::int64_t objects = 0;
        for (const Document& d : m_manifests.documents) {
            const std::string where = d.root.text_at({"metadata", "namespace"});
            if ((where.empty() ? "default" : where) == m_quota.meta.name_space && is_resource(resource, d.root.text_at({"kind"}), d.root.text_at({"apiVersion"}))) ++objects;
        }
        at_most(key, hard, objects, "of them");
    }

private:
    void refuse(const std::string& key, std::string message) {
        const std::string path = "spec.hard." + key;
        m_errors.push_back({m_manifests.where(m_quota.meta, "spec.hard"), m_quota.meta.title() + ":" + path, std::move(message)});
    }
    void refuse_where(const std::string& key, const std::string& what, bool given) {
        if (given) refuse(key, fmt::format("would change the result and is not simulated: a bound on {} in namespace {}, allowed: leave it out", what, m_quota.meta.name_space));
    }
    void at_most(const std::string& key, std::int64_t hard, std::int64_t found, const std::string& what) {
        if (found > hard) refuse(key, fmt::format("allows {}, but the manifests bring {} {}: the API server refuses the last", hard, found, what));
    }
    [[nodiscard]] bool here(const ObjectMeta& meta) const { return meta.name_space == m_quota.meta.name_space; }

    template <class Test>
    [[nodiscard]] bool any_pod(Test test) const {
        const auto in = [&](const auto& objects, auto pod) {
            return std::any_of(objects.begin(), objects.end(), [&](const auto& o) { return here(o.meta) && test(pod(o)); });
        };
        return in(m_manifests.workloads, [](const WorkloadObject& o) { return o.pod; }) || in(m_manifests.bare_pods, [](const BarePod& o) { return o.pod; }) ||
               in(m_manifests.jobs, [](const JobObject& o) { return o.pod; }) || in(m_manifests.cron_jobs, [](const CronJobObject& o) { return o.job.pod; });
    }
    [[nodiscard]] bool asks(const std::string& name) const {
        return any_pod([&](const PodTemplate& pod) { return pod.extended_requests().contains(name); });
    }
    [[nodiscard]] bool asks_hugepages() const {
        return any_pod([](const PodTemplate& pod) { return std::any_of(pod.containers.begin(), pod.containers.end(), [](const Container& c) { return !c.resources.hugepages.empty(); }); });
    }
    [[nodiscard]] bool makes_claims() const {
        return std::any_of(m_manifests.workloads.begin(), m_manifests.workloads.end(), [&](const WorkloadObject& w) { return here(w.meta) && !w.volume_claims.empty(); });
    }
    [[nodiscard]] bool starts_jobs() const {
        return std::any_of(m_manifests.cron_jobs.begin(), m_manifests.cron_jobs.end(), [&](const CronJobObject& c) { return here(c.meta) && c.job.run_time && !c.suspended; });
    }
    [[nodiscard]] std::int64_t revisions() const {
        std::int64_t sum = 0;
        for (const WorkloadObject& w : m_manifests.workloads) {
            if (!here(w.meta) || w.meta.kind != "Deployment") continue;
            ++sum;
            for (const ScenarioEvent& e : m_scenario.events) sum += e.kind == EventKind::rollout && e.target == w.meta.title() ? 1 : 0;
        }
        return sum;
    }
    [[nodiscard]] std::int64_t services(const std::string& type) const {
        std::int64_t sum = 0;
        for (const Document& d : m_manifests.documents) {
            const std::string where = d.root.text_at({"metadata", "namespace"}), its = d.root.text_at({"spec", "type"});
            const bool counts = its == type || (type == "NodePort" && its == "LoadBalancer");  // which takes ports of the nodes, too
            sum += d.root.text_at({"kind"}) == "Service" && (where.empty() ? "default" : where) == m_quota.meta.name_space && counts ? 1 : 0;
        }
        return sum;
    }
    void storage_fits(const std::string& key, std::int64_t hard) {
        const std::size_t cut = key.find(".storageclass.storage.k8s.io/");
        const std::string storage_class = cut == std::string::npos ? "" : key.substr(0, cut);
        const bool counts = cut != std::string::npos && key.ends_with("/persistentvolumeclaims");
        std::int64_t sum = 0;
        for (const VolumeClaim& c : m_manifests.volume_claims) {
            if (!here(c.meta) || (!storage_class.empty() && c.storage_class.value_or("") != storage_class)) continue;
            sum += counts ? 1 : c.request_bytes;
        }
        at_most(key, hard, sum, counts ? "claims of that class" : "bytes of claims");
    }

    const Scenario& m_scenario;
    const Manifests& m_manifests;
    const ResourceQuotaObject& m_quota;
    Problems& m_errors;
};

}  // namespace

void compile_quotas(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                    CompiledScenario& out, Problems& errors) {
    for (std::uint32_t w = 0; w < objects.size(); ++w)
        for (TemplateParts& t : out.parts.templates)
            if (t.plan.workload == w) t.plan.limits = limits_of(objects[w]->pod, out.extended);
    for (const ResourceQuotaObject& quota : scenario.manifests.resource_quotas) {
        QuotaPlan plans[2];
        for (std::uint32_t w = 0; w < objects.size(); ++w) {
            const PodTemplate& pod = objects[w]->pod;
            const PriorityClass* given = scenario.manifests.priority_class_of(pod);
            const std::string priority_class = given != nullptr ? given->meta.name : pod.priority_class;
            if (objects[w]->meta.name_space != quota.meta.name_space ||
                !std::all_of(quota.scopes.begin(), quota.scopes.end(),
                             [&](const QuotaScopeRule& rule) { return holds(rule, pod, priority_class); }))
                continue;
            for (QuotaPlan& plan : plans) plan.workloads[w / 64] |= std::uint64_t{1} << (w % 64);
            for (const auto& [key, amount] : quota.hard) {
                bool limits = false;
                const std::int32_t kind = kind_of(key, out.extended, &limits);
                if (kind != resource_cpu_milli && kind != resource_memory_bytes) continue;
                if (const std::string silent = silent_container(pod, kind, limits); !silent.empty())
                    errors.push_back({scenario.manifests.where(objects[w]->meta, pod.path + ".containers"),
                                      objects[w]->meta.title(),
                                      fmt::format("container {} states no {}, which {} makes every container of namespace "
                                                  "{} state: the API server refuses its pods",
                                                  silent, key, quota.meta.title(), quota.meta.name_space)});
            }
        }
        for (const auto& [key, amount] : quota.hard) {
            bool limits = false;
            const std::int32_t kind = kind_of(key, out.extended, &limits);
            if (kind < 0) {
                QuotaCheck(scenario, quota, errors).check(key, amount);
                continue;
            }
            QuotaPlan& plan = plans[limits ? 1 : 0];
            plan.over_limits = limits ? 1 : 0;
            plan.hard[kind] = (plan.limited >> kind & 1) != 0 ? std::min(plan.hard[kind], amount) : amount;
            plan.limited |= 1u << kind;
        }
        for (const QuotaPlan& plan : plans) {
            if (plan.limited == 0) continue;
            out.parts.quotas.push_back(plan);
            out.quotas.push_back({quota.meta.title(), quota.meta.name_space, plan.over_limits != 0});
        }
    }
}

}  // namespace windtunnel
