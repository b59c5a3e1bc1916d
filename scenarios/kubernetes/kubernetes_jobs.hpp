#pragma once
#include "models/time.hpp"
#include "scenarios/documents/decoder.hpp"
#include "scenarios/kubernetes/kubernetes_autoscaling.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

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
    std::string rule_of_its_end;               ///< podFailurePolicy, successPolicy, ...: the first that it has; "" = none
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

/// How KEDA takes running Jobs off the queue length (ScaledJob's scalingStrategy).
enum class JobStrategy : std::uint8_t { normal, custom, accurate, eager };

/// KEDA's ScaledJob: Jobs that are started for what waits in a queue.
struct ScaledJobObject {
    ObjectMeta meta;
    JobObject job;                             ///< jobTargetRef; its meta is the ScaledJob's
    Tick polling_interval = seconds(30);
    std::int32_t min_replicas = 0;
    std::int32_t max_replicas = 100;
    JobStrategy strategy = JobStrategy::normal;
    std::int32_t custom_queue_deduction = 0;   ///< of custom
    double custom_running_percentage = 0;
    std::string calculation = "max";           ///< multipleScalersCalculation: max, min, avg or sum
    std::vector<std::string> pending_pod_conditions;
    bool gradual = false;                      ///< rollout.strategy gradual: running Jobs end by themselves
    std::vector<Trigger> triggers;
};

[[nodiscard]] ScaledJobObject decode_scaled_job(Decoder& object, ObjectMeta meta);
[[nodiscard]] JobObject decode_job(Decoder& object, ObjectMeta meta);
[[nodiscard]] CronJobObject decode_cron_job_object(Decoder& object, ObjectMeta meta);
/// The CronJob's actions on replicas, one entry each.
[[nodiscard]] std::vector<ScalingCronJob> scaling_cron_jobs_of(const CronJobObject& job);

}  // namespace windtunnel
