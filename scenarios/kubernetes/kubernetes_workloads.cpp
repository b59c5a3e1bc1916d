// Objects that run pods without an end, and the Services before them.
#include "scenarios/kubernetes/kubernetes_workloads.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

/// The counts of a dump's status.
std::optional<WorkloadStatus> decode_status(Decoder& object) {
    if (!object.has("status")) return std::nullopt;
    Decoder status = object.child("status");
    if (!status.has("replicas") && !status.has("observedGeneration")) return std::nullopt;
    WorkloadStatus out;
    out.replicas = status.int32("replicas", 0).value_or(0);
    out.ready = status.int32("readyReplicas", 0).value_or(0);
    out.available = status.int32("availableReplicas", 0).value_or(out.ready);
    out.updated = status.int32("updatedReplicas", 0).value_or(0);
    return out;
}

void check_selector(Decoder& spec, const LabelSelector& selector, const PodTemplate& pod) {
    if (spec.has("selector") && spec.has("template") && !selector.matches(pod.labels))
        spec.error("selector", "matches none of the template's labels, allowed: labels of spec.template.metadata.labels");
    if (spec.has("selector") && selector.empty()) spec.error("selector", "is empty, allowed: matchLabels that the template's labels carry");
}

void decode_rolling(Decoder rolling, IntOrPercent& surge, IntOrPercent& unavailable) {
    surge = rolling.int_or_percent("maxSurge").value_or(surge);
    unavailable = rolling.int_or_percent("maxUnavailable").value_or(unavailable);
    if (unavailable.percent && unavailable.value > 100) rolling.error("maxUnavailable", "found " + std::to_string(unavailable.value) + "%, allowed: at most 100%");
    if (rolling.has("maxSurge") && rolling.has("maxUnavailable") && surge.value == 0 && unavailable.value == 0)
        rolling.error("maxUnavailable", "found 0 with maxSurge 0, allowed: at least one of them above 0");
    rolling.finish();
}

void decode_deployment(Decoder& spec, WorkloadObject& out) {
    Decoder strategy = spec.child("strategy");
    out.recreate = strategy.choice<bool>("type", {{"RollingUpdate", false}, {"Recreate", true}}).value_or(false);
    if (out.recreate && strategy.has("rollingUpdate")) strategy.error("rollingUpdate", "stands beside type Recreate, allowed: only with RollingUpdate");
    decode_rolling(strategy.child("rollingUpdate"), out.max_surge, out.max_unavailable);
    strategy.finish();
    out.progress_deadline = spec.whole_seconds("progressDeadlineSeconds", 0).value_or(seconds(600));
    if (out.progress_deadline <= out.min_ready) {
        if (spec.has("progressDeadlineSeconds")) spec.error("progressDeadlineSeconds", "found no more than minReadySeconds, allowed: more");
        else spec.error("minReadySeconds", "found no less than progressDeadlineSeconds, which is 600 where it is not set, allowed: less");
    }
    out.paused = spec.boolean("paused").value_or(false);
}

/// Argo's Rollout: a Deployment whose new revision comes in steps. The bounds of its pods are the strategy's (25% each
/// unless it says so; a blue-green one has both sets whole).
void decode_rollout(Decoder& spec, WorkloadObject& out) {
    spec.unsupported({"workloadRef"}, "a Rollout over a Deployment's template; write the template into it");
    if (!spec.has("strategy")) spec.missing("strategy", "canary or blueGreen");
    Decoder strategy = spec.child("strategy");
    if (strategy.has("canary") == strategy.has("blueGreen")) strategy.error("", "has " + std::string(strategy.has("canary") ? "both" : "none") + " of canary and blueGreen, allowed: one of them");
    for (const char* key : {"canary", "blueGreen"}) {
        if (!strategy.has(key)) continue;
        Decoder kind = strategy.child(key);
        if (key == std::string("blueGreen")) {
            out.max_surge = {100, true};
            out.max_unavailable = {0, false};
        }
        out.max_surge = kind.int_or_percent("maxSurge").value_or(out.max_surge);
        out.max_unavailable = kind.int_or_percent("maxUnavailable").value_or(out.max_unavailable);
        strategy.warn(key, "its steps, pauses, analyses and weights are not simulated: a rollout event replaces its pods as a Deployment's, within maxSurge and maxUnavailable");
    }
    strategy.finish();
    out.progress_deadline = spec.whole_seconds("progressDeadlineSeconds", 0).value_or(seconds(600));
    out.paused = spec.boolean("paused").value_or(false);
    spec.quiet({"analysis", "progressDeadlineAbort", "rollbackWindow", "restartAt"});
}

void decode_stateful_set(Decoder& spec, WorkloadObject& out) {
    out.max_surge = {0, false};
    out.max_unavailable = {1, false};
    out.parallel = spec.choice<bool>("podManagementPolicy", {{"OrderedReady", false}, {"Parallel", true}}).value_or(false);
    Decoder strategy = spec.child("updateStrategy");
    out.on_delete = strategy.choice<bool>("type", {{"RollingUpdate", false}, {"OnDelete", true}}).value_or(false);
    if (out.on_delete && strategy.has("rollingUpdate")) strategy.error("rollingUpdate", "stands beside type OnDelete, allowed: only with RollingUpdate");
    Decoder rolling = strategy.child("rollingUpdate");
    out.partition = rolling.int32("partition", 0).value_or(0);
    out.max_unavailable = rolling.int_or_percent("maxUnavailable").value_or(out.max_unavailable);
    if (rolling.has("maxUnavailable") && out.max_unavailable.value == 0) rolling.error("maxUnavailable", "found 0, allowed: at least 1");
    rolling.finish();
    strategy.finish();
    for (Decoder& item : spec.children("volumeClaimTemplates")) {
        ObjectMeta meta = out.meta;
        Decoder metadata = item.child("metadata");
        meta.kind = "PersistentVolumeClaim";
        meta.name = metadata.required_text("name");
        out.volume_claims.push_back(decode_volume_claim(item.child("spec"), std::move(meta)));
        item.quiet({"apiVersion", "kind", "status"});
        item.finish();
    }
    Decoder retention = spec.child("persistentVolumeClaimRetentionPolicy");
    const std::vector<std::pair<std::string, bool>> policies = {{"Retain", false}, {"Delete", true}};
    out.delete_claims_when_scaled = retention.choice("whenScaled", policies).value_or(false);
    (void)retention.choice("whenDeleted", policies);
    retention.finish();
    Decoder ordinals = spec.child("ordinals");
    out.first_ordinal = ordinals.int32("start", 0).value_or(0);
    ordinals.finish();
    spec.quiet({"serviceName"});
}

/// leaderworkerset.x-k8s.io/v1: replicas are groups; `leaderWorkerTemplate` has the pods.
void decode_leader_worker_set(Decoder& spec, WorkloadObject& out) {
    out.max_surge = {0, false};
    out.max_unavailable = {1, false};
    if (!spec.has("leaderWorkerTemplate")) spec.missing("leaderWorkerTemplate", "size and workerTemplate");
    Decoder group = spec.child("leaderWorkerTemplate");
    out.group_size = group.int32("size", 1, 10'000).value_or(1);
    if (group.has("leaderTemplate")) out.leader = decode_pod_template(group.child("leaderTemplate"));
    if (spec.has("leaderWorkerTemplate") && !group.has("workerTemplate")) group.missing("workerTemplate", "the pod template of a group's workers");
    if (group.has("workerTemplate")) out.pod = decode_pod_template(group.child("workerTemplate"));
    out.restarts_group = group.choice<bool>("restartPolicy", {{"RecreateGroupOnPodRestart", true}, {"Default", true}, {"None", false}, {"RecreateGroupAfterStart", true}}).value_or(true);
    group.harmless({"volumeClaimTemplates", "persistentVolumeClaimRetentionPolicy", "resourceClaimTemplates"});
    group.unsupported({"subGroupPolicy"}, "sub-groups that are placed together");
    group.finish();
    out.starts_after_leader_ready = spec.choice<bool>("startupPolicy", {{"LeaderCreated", false}, {"LeaderReady", true}}).value_or(false);
    Decoder strategy = spec.child("rolloutStrategy");
    (void)strategy.choice<bool>("type", {{"RollingUpdate", true}});
    Decoder rolling = strategy.child("rollingUpdateConfiguration");
    out.partition = rolling.int32("partition", 0).value_or(0);
    decode_rolling(std::move(rolling), out.max_surge, out.max_unavailable);
    strategy.finish();
    spec.harmless({"networkConfig"});
    // Its controller gives the pods these labels, by which Services and budgets select them.
    for (PodTemplate* pod : {&out.pod, out.leader ? &*out.leader : nullptr})
        if (pod) pod->labels["leaderworkerset.sigs.k8s.io/name"] = out.meta.name;
    out.selector.match_labels = {{"leaderworkerset.sigs.k8s.io/name", out.meta.name}};
}

}  // namespace

VolumeClaim decode_volume_claim(Decoder spec, ObjectMeta meta) {
    VolumeClaim out;
    out.meta = std::move(meta);
    out.storage_class = spec.text("storageClassName");
    const std::vector<std::string> modes = {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"};
    out.access_modes = spec.texts("accessModes");
    for (const std::string& mode : out.access_modes)
        if (std::find(modes.begin(), modes.end(), mode) == modes.end())
            spec.error("accessModes", "found " + mode + ", allowed: " + join(modes) + did_you_mean(mode, modes));
    if (!spec.has("accessModes")) spec.missing("accessModes", join(modes));
    Decoder resources = spec.child("resources");
    Decoder requests = resources.child("requests");
    if (!requests.has("storage")) requests.missing("storage", "a size such as 100Gi");
    if (const auto size = requests.quantity("storage")) {
        out.request_bytes = size->ceil();
        if (out.request_bytes <= 0) requests.error("storage", "found 0 or less, allowed: a size such as 100Gi");
    }
    requests.finish();
    resources.quiet({"limits"});
    resources.finish();
    out.volume = spec.text("volumeName").value_or("");
    out.block = spec.choice<bool>("volumeMode", {{"Filesystem", false}, {"Block", true}}).value_or(false);
    spec.quiet({"selector", "dataSource", "dataSourceRef", "volumeAttributesClassName"});
    spec.finish();
    return out;
}

WorkloadObject decode_workload(Decoder& object, ObjectMeta meta) {
    WorkloadObject out;
    out.meta = std::move(meta);
    const std::string& kind = out.meta.kind;
    out.kind = kind == "StatefulSet"             ? WorkloadKind::stateful_set
               : kind == "ReplicaSet"            ? WorkloadKind::replica_set
               : kind == "ReplicationController" ? WorkloadKind::replication_controller
               : kind == "LeaderWorkerSet"       ? WorkloadKind::leader_worker_set
                                                 : WorkloadKind::deployment;
    if (!object.has("spec")) object.missing("spec", "the workload's spec");
    Decoder spec = object.child("spec");
    out.replicas_given = spec.has("replicas");
    out.replicas = spec.int32("replicas", 0).value_or(1);
    out.status = decode_status(object);
    if (out.kind == WorkloadKind::leader_worker_set) {
        decode_leader_worker_set(spec, out);
        spec.finish();
        return out;
    }
    const bool controller = out.kind == WorkloadKind::replication_controller;
    if (!spec.has("template")) spec.missing("template", "the pod template");
    out.pod = decode_pod_template(spec.child("template"));
    if (controller) {
        out.selector.match_labels = spec.has("selector") ? spec.text_map("selector") : out.pod.labels;
    } else {
        if (!spec.has("selector")) spec.missing("selector", "matchLabels that the template's labels carry");
        out.selector = decode_label_selector(spec.child("selector"));
    }
    check_selector(spec, out.selector, out.pod);
    out.min_ready = spec.whole_seconds("minReadySeconds", 0).value_or(seconds(0));
    if (out.kind == WorkloadKind::stateful_set) decode_stateful_set(spec, out);
    if (kind == "Rollout") decode_rollout(spec, out);
    else if (out.kind == WorkloadKind::deployment) decode_deployment(spec, out);
    spec.quiet({"revisionHistoryLimit", "podReplacementPolicy"});
    spec.finish();
    return out;
}

DaemonSetObject decode_daemon_set(Decoder& object, ObjectMeta meta) {
    DaemonSetObject out;
    out.meta = std::move(meta);
    if (!object.has("spec")) object.missing("spec", "the DaemonSet's spec");
    Decoder spec = object.child("spec");
    if (!spec.has("selector")) spec.missing("selector", "matchLabels that the template's labels carry");
    out.selector = decode_label_selector(spec.child("selector"));
    if (!spec.has("template")) spec.missing("template", "the pod template");
    out.pod = decode_pod_template(spec.child("template"));
    check_selector(spec, out.selector, out.pod);
    out.min_ready = spec.whole_seconds("minReadySeconds", 0).value_or(seconds(0));
    Decoder strategy = spec.child("updateStrategy");
    out.on_delete = strategy.choice<bool>("type", {{"RollingUpdate", false}, {"OnDelete", true}}).value_or(false);
    decode_rolling(strategy.child("rollingUpdate"), out.max_surge, out.max_unavailable);
    strategy.finish();
    spec.quiet({"revisionHistoryLimit"});
    spec.finish();
    // What the controller adds [from general knowledge, not re-read, 2026-11].
    const auto tolerate = [&](const char* key, TaintEffect effect) {
        Toleration toleration;
        toleration.key = key;
        toleration.exists = true;
        toleration.effect = effect;
        out.pod.tolerations.push_back(std::move(toleration));
    };
    tolerate("node.kubernetes.io/not-ready", TaintEffect::no_execute);
    tolerate("node.kubernetes.io/unreachable", TaintEffect::no_execute);
    for (const char* key : {"node.kubernetes.io/disk-pressure", "node.kubernetes.io/memory-pressure", "node.kubernetes.io/pid-pressure", "node.kubernetes.io/unschedulable"})
        tolerate(key, TaintEffect::no_schedule);
    if (out.pod.host_network) tolerate("node.kubernetes.io/network-unavailable", TaintEffect::no_schedule);
    return out;
}

BarePod decode_bare_pod(Decoder& object, ObjectMeta meta) {
    BarePod out;
    out.meta = std::move(meta);
    out.pod = decode_pod_template(Decoder(object.node(), "", object.file(), object.findings()), {RestartPolicy::always, RestartPolicy::on_failure, RestartPolicy::do_not});
    object.quiet({"spec", "status"});
    return out;
}

Service decode_service(Decoder& object, ObjectMeta meta) {
    Service out;
    out.meta = std::move(meta);
    Decoder spec = object.child("spec");
    out.selector = spec.text_map("selector");
    out.client_ip_affinity = spec.choice<bool>("sessionAffinity", {{"None", false}, {"ClientIP", true}}).value_or(false);
    out.headless = spec.text("clusterIP").value_or("") == "None";
    out.publish_not_ready = spec.boolean("publishNotReadyAddresses").value_or(false);
    (void)spec.choice<int>("type", {{"ClusterIP", 0}, {"NodePort", 0}, {"LoadBalancer", 0}, {"ExternalName", 0}});
    for (Decoder& port : spec.children("ports")) {
        (void)port.int32("port", 1, 65535);
        if (!port.has("port")) port.missing("port", "a port number");
        port.quiet({"name", "protocol", "targetPort", "nodePort", "appProtocol"});
        port.finish();
    }
    for (const char* key : {"internalTrafficPolicy", "trafficDistribution"})
        if (spec.has(key) && spec.text(key) != "Cluster") spec.warn(key, "prefers near endpoints; simulated are requests from outside the nodes, which it does not sort");
    spec.quiet({"clusterIPs", "ipFamilies", "ipFamilyPolicy", "loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges",
                "externalTrafficPolicy", "externalIPs", "externalName", "healthCheckNodePort",
                "allocateLoadBalancerNodePorts", "sessionAffinityConfig"});
    spec.finish();
    return out;
}

}  // namespace windtunnel
