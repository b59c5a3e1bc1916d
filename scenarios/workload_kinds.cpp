#include "scenarios/workload_kinds.hpp"

#include "policies/cron_schedule.hpp"
#include "scenarios/node_labels.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <map>
#include <set>

namespace windtunnel {
namespace {

/// Runs of one CronJob with concurrencyPolicy Allow that may overlap; a hit beyond them is counted as skipped.
constexpr std::uint32_t overlapping_jobs = 4;

OtherWorkload with_pod(const ObjectMeta& meta, const PodTemplate& pod) {
    OtherWorkload out;
    out.object.meta = meta;
    out.object.pod = pod;
    out.object.replicas = 1;
    out.object.replicas_given = true;
    return out;
}

bool is_simulated(const JobObject& job) { return job.run_time.has_value(); }

}  // namespace

std::deque<OtherWorkload> other_workloads(const Scenario& scenario) {
    std::deque<OtherWorkload> out;
    const auto add = [&](OtherWorkload other) {
        other.spec.name = other.object.meta.title();
        other.spec.where = other.object.meta.where;
        other.spec.path = "workload";
        out.push_back(std::move(other));
    };
    std::set<const WorkloadObject*> targets;
    for (const WorkloadSpec& spec : scenario.workloads) targets.insert(scenario.target_of(spec));
    for (const WorkloadObject& object : scenario.manifests.workloads) {
        if (targets.contains(&object)) continue;
        OtherWorkload other;
        other.object = object;
        other.spec.target_kind = object.meta.kind;
        other.spec.target_name = object.meta.name;
        add(std::move(other));
    }
    for (const BarePod& pod : scenario.manifests.bare_pods) {
        OtherWorkload other = with_pod(pod.meta, pod.pod);
        other.bare = true;
        add(std::move(other));
    }
    for (const JobObject& job : scenario.manifests.jobs) {
        if (!is_simulated(job)) continue;
        OtherWorkload other = with_pod(job.meta, job.pod);
        other.job = &job;
        add(std::move(other));
    }
    for (const CronJobObject& cron : scenario.manifests.cron_jobs) {
        if (!is_simulated(cron.job) || cron.suspended) continue;
        const bool allow = cron.concurrency == ConcurrencyPolicy::allow;
        for (std::uint32_t i = 0; i < (allow ? overlapping_jobs : 1); ++i) {
            OtherWorkload other = with_pod(cron.meta, cron.job.pod);
            other.job = &cron.job;
            other.cron = &cron;
            add(std::move(other));
        }
    }
    for (const ScaledJobObject& scaled : scenario.manifests.scaled_jobs) {
        if (!is_simulated(scaled.job)) continue;
        OtherWorkload other = with_pod(scaled.meta, scaled.job.pod);
        other.job = &scaled.job;
        other.scaled_job = &scaled;
        add(std::move(other));
    }
    return out;
}

void compile_kind(const WorkloadObject& object, std::int32_t most, WorkloadPlan& plan) {
    plan.paused = object.paused ? 1 : 0;
    const bool groups = object.kind == WorkloadKind::leader_worker_set;
    if (object.kind != WorkloadKind::stateful_set && !groups) return;
    plan.controller = WorkloadController::ordinals;
    OrdinalPlan& o = plan.ordinals;
    o.management = groups || object.parallel ? PodManagement::parallel : PodManagement::ordered_ready;
    o.on_delete = object.on_delete ? 1 : 0;
    o.partition = object.partition;
    o.group_size = static_cast<std::uint32_t>(std::max(object.group_size, 1));
    o.group_restart = object.restarts_group ? GroupRestart::recreate_group : GroupRestart::none;
    o.group_startup = object.starts_after_leader_ready ? GroupStartup::leader_ready : GroupStartup::leader_created;
    plan.pod_slots = static_cast<std::uint32_t>(std::max(most, 1)) * o.group_size;
}

void compile_kind(const OtherWorkload& other, WorkloadPlan& plan, TemplatePlan& pod) {
    if (other.bare) plan.controller = WorkloadController::bare_pod;
    if (other.job == nullptr) return;
    const JobObject& job = *other.job;
    plan.controller = WorkloadController::batch_job;
    plan.job.parallelism = job.parallelism;
    plan.job.completions = job.completions.value_or(-1);
    // Neither given: one pod, once.
    if (!job.completions && job.parallelism <= 1) plan.job.completions = 1;
    plan.job.backoff_limit = job.backoff_limit;
    plan.job.active_deadline = job.active_deadline.value_or(never);
    plan.initial_replicas = job.suspended ? 0 : 1;
    plan.pod_slots = static_cast<std::uint32_t>(2 * std::max(job.parallelism, 1) + 4);
    pod.run_time = job.run_time.value_or(never);
    if (other.scaled_job == nullptr) return;
    // A pod for each of its Jobs. A Job replaces a pod that it has lost; how often is not counted for each alone.
    plan.scaled_jobs = 1;
    plan.job = {0, INT32_MAX, INT32_MAX, never};
    plan.initial_replicas = 0;
    plan.pod_slots = static_cast<std::uint32_t>(other.scaled_job->max_replicas + other.scaled_job->max_replicas / 2 + 4);
}

void compile_cron_jobs(const std::deque<OtherWorkload>& others, std::size_t first, std::int64_t start_unix_s,
                       const Scenario& scenario, BlueprintParts& parts, Problems& errors) {
    for (std::size_t i = 0; i < others.size(); ++i) {
        const CronJobObject* cron = others[i].cron;
        if (cron == nullptr) continue;
        const auto w = static_cast<std::uint32_t>(first + i);
        if (i > 0 && others[i - 1].cron == cron) {
            parts.workloads[w].cron = static_cast<std::int32_t>(parts.crons.size()) - 1;
            ++parts.crons.back().workload_count;
            continue;
        }
        const auto at = [&](const std::string& path) { return scenario.manifests.where(cron->meta, path); };
        const auto schedule = CronSchedule::parse(cron->schedule, CronDescriptors::allowed, at("spec.schedule"),
                                                  cron->meta.title() + ":spec.schedule");
        const auto zone = find_time_zone(cron->timezone, at("spec.timeZone"), cron->meta.title() + ":spec.timeZone");
        if (!schedule) errors.insert(errors.end(), schedule.problems().begin(), schedule.problems().end());
        if (!zone) errors.insert(errors.end(), zone.problems().begin(), zone.problems().end());
        if (!schedule || !zone) continue;
        CronPlan plan;
        plan.first_workload = w;
        plan.concurrency = cron->concurrency == ConcurrencyPolicy::forbid    ? CronConcurrency::forbid
                           : cron->concurrency == ConcurrencyPolicy::replace ? CronConcurrency::replace
                                                                             : CronConcurrency::allow;
        plan.starting_deadline = cron->starting_deadline.value_or(never);
        plan.first_hit = static_cast<std::uint32_t>(parts.cron_hits.size());
        UtcSeconds now{std::chrono::seconds{start_unix_s}};
        while (const auto next = schedule->next_after(now, *zone)) {
            const Tick when = seconds(next->time_since_epoch().count() - start_unix_s);
            if (when > parts.span || plan.hit_count > 100'000) break;
            parts.cron_hits.push_back(when);
            ++plan.hit_count;
            now = *next;
        }
        parts.workloads[w].cron = static_cast<std::int32_t>(parts.crons.size());
        parts.crons.push_back(plan);
    }
}

ResourceAmounts needs_of(const PodTemplate& pod) {
    return resource_amounts(pod.gpus(), pod.cpu_request_milli(), pod.memory_request_bytes(), 1);
}

ResourceAmounts limits_of(const PodTemplate& pod) {
    ResourceAmounts sum;
    const auto add = [&](const Resources& r) {
        sum[resource_cpu_milli] += r.cpu_limit_milli.value_or(0);
        sum[resource_memory_bytes] += r.memory_limit_bytes.value_or(0);
    };
    if (pod.pod_resources) {
        add(*pod.pod_resources);
        return sum;
    }
    for (const Container& c : pod.containers) add(c.resources);
    for (const Container& c : pod.init_containers)
        if (c.restartable_init) add(c.resources);
    return sum;
}

void compile_daemon_sets(const Scenario& scenario, std::vector<PoolDraft>& pools, Problems& warnings) {
    const PodRules defaults;  // what a pod without requests counts in scores
    for (const DaemonSetObject& set : scenario.manifests.daemon_sets) {
        const ResourceAmounts needs = needs_of(set.pod);
        for (PoolDraft& pool : pools) {
            if (pool.refused || !untolerated_taint(set.pod, pool.spec.taints, scenario.cluster.cloud).empty()) continue;
            bool small = false;
            for (ShapeDraft& draft : pool.shapes) {
                ShapePlan& shape = draft.plan;
                if (!unmet_label(set.pod, draft.labels).empty()) continue;
                if (!fits(needs, shape.room())) {
                    small = true;
                    continue;
                }
                shape.daemons += needs;
                shape.daemon_scoring_cpu_milli +=
                    needs[resource_cpu_milli] > 0 ? needs[resource_cpu_milli] : defaults.scoring_cpu_milli;
                shape.daemon_scoring_memory +=
                    needs[resource_memory_bytes] > 0 ? needs[resource_memory_bytes] : defaults.scoring_memory;
            }
            if (small)
                warnings.push_back({set.meta.where, set.meta.title(),
                                    fmt::format("its pod does not fit on the nodes of pool {}, where it stays Pending",
                                                pool.spec.name)});
        }
    }
}

namespace {

bool holds(const QuotaScopeRule& rule, const PodTemplate& pod) {
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
            const bool named = std::find(rule.values.begin(), rule.values.end(), pod.priority_class) != rule.values.end();
            switch (rule.op) {
                case SelectorOperator::in: return named;
                case SelectorOperator::not_in: return !pod.priority_class.empty() && !named;
                case SelectorOperator::does_not_exist: return pod.priority_class.empty();
                default: return !pod.priority_class.empty();
            }
        }
    }
    return false;
}

/// Where a quota's key stands among the engine's resources; -1 = it bounds nothing that a run makes.
std::int32_t kind_of(const std::string& key, bool* over_limits) {
    *over_limits = key.starts_with("limits.");
    if (key == "pods" || key == "count/pods") return resource_pods;
    if (key == "cpu" || key == "requests.cpu" || key == "limits.cpu") return resource_cpu_milli;
    if (key == "memory" || key == "requests.memory" || key == "limits.memory") return resource_memory_bytes;
    if (key.starts_with("requests.") && is_gpu_resource(key.substr(9))) return resource_gpus;
    return -1;
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

}  // namespace

void compile_quotas(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                    CompiledScenario& out, Problems& errors) {
    for (std::uint32_t w = 0; w < objects.size(); ++w)
        for (TemplateParts& t : out.parts.templates)
            if (t.plan.workload == w) t.plan.limits = limits_of(objects[w]->pod);
    for (const ResourceQuotaObject& quota : scenario.manifests.resource_quotas) {
        QuotaPlan plans[2];
        for (std::uint32_t w = 0; w < objects.size(); ++w) {
            const PodTemplate& pod = objects[w]->pod;
            if (objects[w]->meta.name_space != quota.meta.name_space ||
                !std::all_of(quota.scopes.begin(), quota.scopes.end(),
                             [&](const QuotaScopeRule& rule) { return holds(rule, pod); }))
                continue;
            for (QuotaPlan& plan : plans) plan.workloads[w / 64] |= std::uint64_t{1} << (w % 64);
            for (const auto& [key, amount] : quota.hard) {
                bool limits = false;
                const std::int32_t kind = kind_of(key, &limits);
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
            const std::int32_t kind = kind_of(key, &limits);
            if (kind < 0) continue;
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
