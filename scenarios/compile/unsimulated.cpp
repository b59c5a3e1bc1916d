#include "scenarios/compile/unsimulated.hpp"

#include "scenarios/compile/compile_pod_life.hpp"

#include <algorithm>

namespace windtunnel {

void refuse_unsimulated(const Scenario& scenario, const WorkloadObject& workload, Problems& errors, Problems& warnings) {
    const PodTemplate& pod = workload.pod;
    const std::string& spec = pod.path;
    const auto at = [&](Problems& to, const std::string& key, const std::string& message) {
        const std::string path = spec + "." + key;
        to.push_back({scenario.manifests.where(workload.meta, path), workload.meta.title() + ":" + path, message});
    };
    const auto refuse = [&](bool given, const char* key, const std::string& what) {
        if (given) at(errors, key, "would change the result and is not simulated: " + what);
    };
    refuse(!pod.node_name.empty(), "nodeName", "pods bound to a node by name");
    refuse(!pod.resource_claims.empty(), "resourceClaims", "dynamic resource allocation, but for whole GPUs (deviceClassName gpu.nvidia.com) that a ResourceClaimTemplate gives to one container; use nvidia.com/gpu limits");
    refuse(!pod.readiness_gates.empty(), "readinessGates", "conditions set by other controllers");
    refuse(!pod.scheduling_gates.empty(), "schedulingGates", "gates opened by other controllers");
    refuse(pod.scheduler_name != "default-scheduler", "schedulerName", "schedulers other than default-scheduler, allowed: no schedulerName, with which the default one places the pods");
    for (const auto* labels : {&workload.meta.labels, &pod.labels})
        if (labels->contains("kueue.x-k8s.io/queue-name")) {
            errors.push_back({workload.meta.where, workload.meta.title(), "would change the result and is not simulated: the label kueue.x-k8s.io/queue-name, by which Kueue holds pods back; a ResourceQuota limits what is admitted"});
            break;
        }
    const auto has_fields = [](const NodeAffinityTerm& t) { return !t.fields.empty(); };
    const auto prefers_fields = [&](const PreferredNodeTerm& t) { return has_fields(t.term); };
    refuse(std::any_of(pod.required_node_affinity.begin(), pod.required_node_affinity.end(), has_fields) ||
               std::any_of(pod.preferred_node_affinity.begin(), pod.preferred_node_affinity.end(), prefers_fields), "affinity", "matchFields; write matchExpressions over node labels");
    if (const auto early = pod.annotations.find(early_health_annotation); early != pod.annotations.end() && early->second != "true" && early->second != "false")
        errors.push_back({pod.where, spec, "metadata.annotations: " + std::string(early_health_annotation) + ": found \"" + early->second + "\", allowed: \"true\" or \"false\""});
    if (workload.kind == WorkloadKind::leader_worker_set && workload.group_size > 1)
        warnings.push_back({workload.meta.where, workload.meta.title(), "its servers stand on several nodes (size " + std::to_string(workload.group_size) + "): their steps are taken as fast as on one node, without the network between the nodes"});
    if (workload.starts_after_leader_ready && workload.group_size > 1)
        errors.push_back({workload.meta.where, workload.meta.title(), "would change the result and is not simulated: startupPolicy LeaderReady, allowed: LeaderCreated"});
}

void refuse_unsimulated(const Scenario& scenario, Problems& errors) {
    const Manifests& m = scenario.manifests;
    const auto refuse_gpus = [&](const ObjectMeta& meta, const PodTemplate& pod, const char* what) {
        if (pod.gpus() > 0) errors.push_back({meta.where, meta.title(), std::string("would change the result and is not simulated: ") + what});
    };
    const auto refuse_rule = [&](const ObjectMeta& meta, const JobObject& job) {
        if (job.run_time && !job.rule_of_its_end.empty())
            errors.push_back({meta.where, meta.title(), "would change the result and is not simulated: " + job.rule_of_its_end + ", allowed: completions, parallelism, backoffLimit and activeDeadlineSeconds"});
    };
    for (const JobObject& j : m.jobs) refuse_rule(j.meta, j);
    for (const CronJobObject& j : m.cron_jobs) refuse_rule(j.meta, j.job);
    for (const ScaledJobObject& j : m.scaled_jobs) refuse_rule(j.meta, j.job);
    const std::string untimed = "a Job with GPUs that does not say how long its pods run, allowed: annotation windtunnel.dev/run-time-s: \"600\"";
    for (const JobObject& j : m.jobs)
        if (!j.run_time) refuse_gpus(j.meta, j.pod, untimed.c_str());
    for (const CronJobObject& j : m.cron_jobs)
        if (!j.job.run_time) refuse_gpus(j.meta, j.job.pod, untimed.c_str());
    for (const ScaledJobObject& j : m.scaled_jobs)
        if (!j.job.run_time)
            refuse_gpus(j.meta, j.job.pod, "a ScaledJob whose Jobs use GPUs and that does not say how long they run, allowed: annotation windtunnel.dev/run-time-s: \"600\"");
        else if (j.job.parallelism > 1 || j.job.completions.value_or(1) > 1)
            errors.push_back({j.meta.where, j.meta.title(), "would change the result and is not simulated: Jobs of several pods, allowed: parallelism and completions of 1"});
}

}  // namespace windtunnel
