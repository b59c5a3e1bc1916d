// What Jobs and CronJobs do to replicas and to the bounds of autoscalers.
#include "policies/cron_schedule.hpp"
#include "scenarios/compile/compile_autoscalers.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

/// What a job's action does to a workload: its replicas, or the bounds of its autoscaler; empty: nothing.
std::optional<ScheduledScale> scheduled(const Scenario& scenario, const WorkloadObject& object, std::uint32_t w,
                                        const ObjectMeta& job, const ScaleTarget& target, std::int32_t replicas,
                                        std::optional<std::int32_t> minimum, std::optional<std::int32_t> maximum,
                                        const BlueprintParts& parts) {
    if (object.meta.name_space != job.name_space) return std::nullopt;
    ScheduledScale out;
    if (!minimum && !maximum) {
        if (object.meta.name != target.name || object.meta.kind != target.kind) return std::nullopt;
        out.workload = w;
        out.replicas = static_cast<std::uint32_t>(replicas);
        return out;
    }
    const ScalerOf scaler = scaler_of(scenario, object);
    const bool its = (target.kind == "ScaledObject" && scaler.scaled_object && scaler.scaled_object->meta.name == target.name) ||
                     (target.kind == "HorizontalPodAutoscaler" && !scaler.scaled_object && scaler.hpa && scaler.hpa->meta.name == target.name);
    if (!its || parts.workloads[w].autoscaler < 0) return std::nullopt;
    out.kind = ScaleTargetKind::bounds;
    out.workload = static_cast<std::uint32_t>(parts.workloads[w].autoscaler);
    out.minimum = minimum.value_or(-1);
    out.maximum = maximum.value_or(-1);
    return out;
}

}  // namespace

/// CronJobs that run `kubectl scale`: a replica count at each of their times, 100 ms after the minute.
void compile_schedule(const Scenario& scenario, const std::vector<const WorkloadObject*>& workloads,
                      const StartClock& clock, BlueprintParts& parts, Problems& errors) {
    for (const ScalingCronJob& job : scenario.manifests.scaling_cron_jobs) {
        if (job.suspended) continue;
        const auto at = [&](const std::string& path) { return scenario.manifests.where(job.meta, path); };
        const auto schedule = CronSchedule::parse(job.schedule, CronDescriptors::allowed, at("spec.schedule"),
                                                  job.meta.title() + ":spec.schedule");
        const auto zone =
            find_time_zone(job.timezone, at("spec.timeZone"), job.meta.title() + ":spec.timeZone");
        if (!schedule) errors.insert(errors.end(), schedule.problems().begin(), schedule.problems().end());
        if (!zone) errors.insert(errors.end(), zone.problems().begin(), zone.problems().end());
        if (!schedule || !zone) continue;
        for (std::uint32_t w = 0; w < workloads.size(); ++w) {
            const std::optional<ScheduledScale> scale = scheduled(scenario, *workloads[w], w, job.meta, job.target, job.replicas,
                                                                  job.min_replicas, job.max_replicas, parts);
            if (!scale) continue;
            const std::int64_t start = clock.start_unix_s;
            UtcSeconds now{std::chrono::seconds{start}};
            while (const auto next = schedule->next_after(now, *zone)) {
                const Tick when = seconds((next->time_since_epoch()).count() - start) +
                                  milliseconds(100);  // kubernetes.md 3.3.1
                if (when > parts.span + parts.drain_limit || parts.schedule.size() > 100'000) break;
                parts.schedule.push_back(*scale);
                parts.schedule.back().at = when;
                now = *next;
            }
        }
    }
    // A plain Job scales once, when it is applied: at t = 0.
    for (const JobObject& job : scenario.manifests.jobs)
        for (const ScaleAction& action : job.actions)
            for (std::uint32_t w = 0; w < workloads.size() && !job.suspended; ++w)
                if (const auto scale = scheduled(scenario, *workloads[w], w, job.meta, action.target, action.replicas.value_or(0),
                                                 action.min_replicas, action.max_replicas, parts))
                    parts.schedule.push_back(*scale);
    std::stable_sort(parts.schedule.begin(), parts.schedule.end(),
                     [](const ScheduledScale& a, const ScheduledScale& b) { return a.at < b.at; });
}

}  // namespace windtunnel
