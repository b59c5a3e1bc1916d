#include "scenarios/compile/workload_kinds.hpp"

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
    for (const WorkloadSpec& spec : scenario.workloads) {
        targets.insert(scenario.target_of(spec));
        for (const WorkloadSpec& by : spec.prefilled_by) targets.insert(scenario.target_of(by));
    }
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
    plan.job.counts_restarts = job.pod.restart_policy == RestartPolicy::on_failure;
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

void compile_daemon_sets(const Scenario& scenario, std::vector<PoolDraft>& pools, CompiledScenario& out) {
    for (const DaemonSetObject& set : scenario.manifests.daemon_sets) {
        const ResourceAmounts needs = out.extended.needs_of(set.pod);
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
                shape.daemon_scoring_cpu_milli += set.pod.scored_cpu_milli();
                shape.daemon_scoring_memory += set.pod.scored_memory_bytes();
            }
            if (small)
                out.warnings.push_back({set.meta.where, set.meta.title(),
                                    fmt::format("its pod does not fit on the nodes of pool {}, where it stays Pending",
                                                pool.spec.name)});
        }
    }
}

}  // namespace windtunnel
