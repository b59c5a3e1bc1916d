#pragma once
#include "scenarios/compile/compile_pools.hpp"
#include "scenarios/scenario.hpp"

#include <deque>

namespace windtunnel {

/// Something of the manifests that makes pods to which no request goes: a workload without a stream of requests, a bare
/// pod, a Job, what a CronJob starts.
struct OtherWorkload {
    WorkloadObject object;  ///< a Job's or bare pod's template stands in one
    WorkloadSpec spec;      ///< of a stream without requests: what the scenario would say by default
    const JobObject* job = nullptr;
    const CronJobObject* cron = nullptr;
    const ScaledJobObject* scaled_job = nullptr;
    bool bare = false;
};

/// All of them, in the order of the manifests. Jobs whose run time is not declared and that use no GPUs are left out.
[[nodiscard]] std::deque<OtherWorkload> other_workloads(const Scenario& scenario);

/// Which controller makes an object's pods and by which rules. Call it when `plan` has its slots for `most` replicas;
/// ordinals have exactly as many.
void compile_kind(const WorkloadObject& object, std::int32_t most, WorkloadPlan& plan);
/// The same of bare pods, Jobs and CronJobs.
void compile_kind(const OtherWorkload& other, WorkloadPlan& plan, TemplatePlan& pod);

/// The CronJobs that start Jobs: `first` is the blueprint's index of the first of `others`.
void compile_cron_jobs(const std::deque<OtherWorkload>& others, std::size_t first, std::int64_t start_unix_s,
                       const Scenario& scenario, BlueprintParts& parts, Problems& errors);

/// Takes from the shapes what the pods of DaemonSets need on each of their nodes.
void compile_daemon_sets(const Scenario& scenario, std::vector<PoolDraft>& pools, CompiledScenario& out);

}  // namespace windtunnel
