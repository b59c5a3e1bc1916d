#pragma once
#include "models/time.hpp"
#include "scenarios/decoder.hpp"
#include "scenarios/kubernetes_autoscaling.hpp"
#include "scenarios/kubernetes_pods.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// What a job's container does to another object: `kubectl scale` or `kubectl patch`, read from its command
/// or declared by the annotation windtunnel.dev/scales ("Deployment/chat=4; HorizontalPodAutoscaler/chat=min:2,max:8").
struct ScaleAction {
    ScaleTarget target;                        ///< also HorizontalPodAutoscaler and ScaledObject
    std::optional<std::int32_t> replicas;      ///< spec.replicas of a workload
    std::optional<std::int32_t> min_replicas;  ///< minReplicas or minReplicaCount
    std::optional<std::int32_t> max_replicas;
};

/// A Job: pods that run to their end.
struct JobObject {
    ObjectMeta meta;
    PodTemplate pod;
    std::int32_t parallelism = 1;
    std::optional<std::int32_t> completions;   ///< empty with parallelism: a work queue
    std::int32_t backoff_limit = 6;
    bool indexed = false;
    bool suspended = false;
    std::optional<Tick> active_deadline;
    std::optional<Tick> ttl_after_finished;
    std::optional<Tick> run_time;              ///< annotation windtunnel.dev/run-time-s: of each pod
    std::vector<ScaleAction> actions;
    bool effect_declared = false;              ///< what it does is known; else it only holds its resources
};

enum class ConcurrencyPolicy : std::uint8_t { allow, forbid, replace };

/// A CronJob: starts a Job at each time of its schedule.
struct CronJobObject {
    ObjectMeta meta;
    std::string schedule;                      ///< 5 fields, or a descriptor such as @hourly
    std::string timezone = "Etc/UTC";
    bool suspended = false;
    ConcurrencyPolicy concurrency = ConcurrencyPolicy::allow;
    std::optional<Tick> starting_deadline;
    JobObject job;                             ///< its meta is the CronJob's
};

[[nodiscard]] JobObject decode_job(Decoder& object, ObjectMeta meta);
[[nodiscard]] CronJobObject decode_cron_job_object(Decoder& object, ObjectMeta meta);
/// The CronJob's actions on replicas, one entry each.
[[nodiscard]] std::vector<ScalingCronJob> scaling_cron_jobs_of(const CronJobObject& job);

}  // namespace windtunnel
