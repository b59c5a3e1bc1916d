// What pods and the objects around them say, field by field, and what the API server would refuse.
#include "scenarios/kubernetes/kubernetes.hpp"
#include "tests/support/problem_lines.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

struct WorkloadsRead {
    Manifests manifests;
    Findings findings;
};

WorkloadsRead read_workloads(const std::string& text) {
    auto documents = parse_documents(text, "k8s.yaml");
    if (!documents) FAIL(to_string(documents.problems()[0]));
    WorkloadsRead out;
    out.manifests = import_kubernetes(std::move(*documents), out.findings);
    return out;
}

std::string errors(const std::string& text) { return lines(read_workloads(text).findings.errors); }

/// A Deployment whose pod spec has these members besides one container, and the container these.
std::string pod(const std::string& members, const std::string& container = "") {
    return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n"
           "    spec: {" + members + (members.empty() ? "" : ", ") + "containers: [{name: c, image: x" + (container.empty() ? "" : ", ") + container + "}]}\n";
}

PodTemplate decoded(const std::string& members, const std::string& container = "") {
    const WorkloadsRead r = read_workloads(pod(members, container));
    INFO(lines(r.findings.errors));
    REQUIRE(r.findings.errors.empty());
    return r.manifests.workloads.at(0).pod;
}

std::string object(const std::string& api, const std::string& kind, const std::string& rest) {
    return "---\napiVersion: " + api + "\nkind: " + kind + "\nmetadata: {name: x}\n" + rest + "\n";
}

}  // namespace

TEST_CASE("pod templates: what the scheduler reads") {
    const PodTemplate p = decoded(
        "nodeName: n1, schedulerName: volcano, priorityClassName: system-node-critical, preemptionPolicy: Never, schedulingGates: [{name: g}], hostNetwork: true, "
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: cores, operator: Gt, values: ['3']}], "
        "matchFields: [{key: metadata.name, operator: NotIn, values: [n7]}]}]}, preferredDuringSchedulingIgnoredDuringExecution: [{weight: 7, preference: "
        "{matchExpressions: [{key: spot, operator: Exists}]}}]}, podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone, labelSelector: "
        "{matchLabels: {a: b}}, namespaces: [q], matchLabelKeys: [pod-template-hash]}]}, podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: "
        "[{weight: 9, podAffinityTerm: {topologyKey: host, namespaceSelector: {}}}]}}, topologySpreadConstraints: [{maxSkew: 2, topologyKey: zone, whenUnsatisfiable: "
        "DoNotSchedule, minDomains: 3, nodeAffinityPolicy: Ignore, nodeTaintsPolicy: Honor, labelSelector: {matchLabels: {a: b}}, matchLabelKeys: [k]}]",
        "ports: [{containerPort: 80, hostPort: 8080, protocol: UDP}]");
    CHECK(p.node_name == "n1");
    CHECK(p.scheduler_name == "volcano");
    CHECK(p.preempts == false);
    CHECK(p.scheduling_gates == std::vector<std::string>{"g"});
    CHECK(p.required_node_affinity.at(0).expressions.at(0).op == SelectorOperator::greater_than);
    CHECK(p.required_node_affinity[0].fields.at(0).values.at(0) == "n7");
    CHECK(p.preferred_node_affinity.at(0).weight == 7);
    CHECK(p.pod_affinity.at(0).required);
    CHECK(p.pod_affinity[0].namespaces.at(0) == "q");
    CHECK(p.pod_affinity[0].match_label_keys.size() == 1);
    CHECK_FALSE(p.pod_affinity[0].namespace_selector.has_value());
    CHECK(p.pod_anti_affinity.at(0).weight == 9);
    CHECK_FALSE(p.pod_anti_affinity[0].selects);  // no labelSelector: matches no pod
    CHECK(p.pod_anti_affinity[0].namespace_selector->empty());
    CHECK(p.topology_spread.at(0).min_domains == 3);
    CHECK_FALSE(p.topology_spread[0].honors_affinity);
    CHECK(p.topology_spread[0].honors_taints);
    REQUIRE(p.host_ports().size() == 1);
    CHECK(p.host_ports()[0].port == 8080);
    CHECK(p.host_ports()[0].protocol == "UDP");
}

TEST_CASE("pod templates: requests add up as the scheduler adds them") {
    // Containers 2 CPUs and a sidecar of 1 that stands before an init container of 4: the peak is 1 + 4.
    const std::string inits = "initContainers: [{name: s, restartPolicy: Always, resources: {requests: {cpu: 1, memory: 1Gi}}}, {name: i, resources: {requests: {cpu: 4}}}]";
    const std::string two = "resources: {requests: {cpu: 2, memory: 3Gi, ephemeral-storage: 1Gi}, limits: {nvidia.com/mig-1g.10gb: 2, vendor.com/nic: 1}}";
    PodTemplate p = decoded(inits, two);
    CHECK(p.cpu_request_milli() == 5000);
    CHECK(p.memory_request_bytes() == 4LL << 30);
    CHECK(p.ephemeral_storage_bytes() == 1LL << 30);
    CHECK(p.gpus() == 2);
    CHECK(p.extended_requests() == std::map<std::string, std::int64_t>{{"nvidia.com/mig-1g.10gb", 2}, {"vendor.com/nic", 1}});
    CHECK_FALSE(p.best_effort());
    CHECK(decoded(inits + ", overhead: {cpu: 250m}", two).cpu_request_milli() == 5250);
    CHECK(decoded(inits + ", resources: {requests: {cpu: 6}}", two).cpu_request_milli() == 6000);
    // The pod's own limit is its request only where no container requests any.
    CHECK(decoded("resources: {limits: {cpu: 8}}", two).cpu_request_milli() == 2000);
    CHECK(decoded("resources: {limits: {cpu: 8}}").cpu_request_milli() == 8000);
    CHECK_THAT(errors(pod("resources: {requests: {cpu: 1}}", two)), Contains("asks for less cpu than its containers together"));
    CHECK(decoded("").best_effort());
    // Limits likewise; overhead counts where there is one.
    const std::string limited = "initContainers: [{name: i, resources: {limits: {cpu: 8}}}], overhead: {cpu: 250m, memory: 1Gi}";
    p = decoded(limited, "resources: {limits: {cpu: 7}}");
    CHECK(p.cpu_limit_milli() == 8250);
    CHECK(p.memory_limit_bytes() == 0);
}

TEST_CASE("pod templates: a container without a request counts 100 mCPU and 200 MiB in scores") {
    const std::string beside = "containers: [{name: c, image: x, resources: {requests: {cpu: 4}}}, {name: d, image: x}]";
    const auto of = [&](const std::string& containers) {
        return read_workloads(object("apps/v1", "Deployment", "spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {" + containers + "}}}")).manifests.workloads.at(0).pod;
    };
    CHECK(of(beside).scored_cpu_milli() == 4100);
    CHECK(of(beside).scored_memory_bytes() == 400LL << 20);
    CHECK(of(beside + ", resources: {requests: {cpu: 6}}, overhead: {cpu: 250m}").scored_cpu_milli() == 6250);
    CHECK(of("containers: [{name: c, image: x, resources: {requests: {cpu: 0}}}]").scored_cpu_milli() == 0);
    // While it starts, an init container of 1 CPU beside the sidecar before it; then the two that stay.
    CHECK(of("initContainers: [{name: s, image: x, restartPolicy: Always}, {name: i, image: x, resources: {requests: {cpu: 1}}}], " "containers: [{name: c, image: x}]").scored_cpu_milli() == 1100);
}

TEST_CASE("pod templates: volumes, annotations and hooks") {
    const PodTemplate p = decoded("volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 2Gi}}, {name: w, persistentVolumeClaim: {claimName: m}}]",
                                  "volumeMounts: [{name: w, mountPath: /models}]");
    CHECK(p.volumes.at(0).kind == VolumeKind::memory);
    CHECK(*p.volumes[0].size_bytes == 2LL << 30);
    CHECK(p.volumes.at(1).claim == "m");
    CHECK_FALSE(p.has_local_storage());
    CHECK(decoded("volumes: [{name: t, emptyDir: {}}]").has_local_storage());
    CHECK(decoded("volumes: [{name: t, hostPath: {path: /x}}]").has_local_storage());

    const auto hook = [](const std::string& text) { return *decoded("", "lifecycle: {preStop: " + text + "}").containers.at(0).pre_stop; };
    CHECK(*hook("{sleep: {seconds: 20}}").time == seconds(20));
    CHECK(*hook("{exec: {command: [/bin/sh, -c, 'sleep 10; sleep 1m']}}").time == seconds(70));
    CHECK(hook("{httpGet: {port: 8000, path: /drain}}").calls_only);
    CHECK(hook("{exec: {command: [sh, -c, 'while curl -s localhost:8000/metrics | grep num_requests_running; do sleep 1; done']}}").waits_until_idle);

    std::string text = pod("");
    text.replace(text.find("{labels: {a: b}}"), 16, "{labels: {a: b}, annotations: {controller.kubernetes.io/pod-deletion-cost: '-5', cluster-autoscaler.kubernetes.io/safe-to-evict: 'false', karpenter.sh/do-not-disrupt: 'true'}}");
    const PodTemplate annotated = read_workloads(text).manifests.workloads.at(0).pod;
    CHECK(annotated.deletion_cost == -5);
    CHECK(annotated.safe_to_evict == false);
    CHECK(annotated.do_not_disrupt);
}

TEST_CASE("pod templates: what the API server would refuse is an error that says what to write") {
    const struct {
        const char *members, *container, *message;
    } cases[] = {
        {"", "livenessProbe: {exec: {command: [x]}, successThreshold: 2}", "found 2, allowed for this probe: 1"},
        {"", "readinessProbe: {exec: {command: [x]}, terminationGracePeriodSeconds: 2}", "which kills nothing"},
        {"", "readinessProbe: {exec: {command: [x]}, tcpSocket: {port: 1}}", "exactly one of httpGet"},
        {"", "resources: {requests: {memory: 100mi}}", "did you mean 100Mi"},
        {"", "resources: {requests: {nvidia.com/gpu: 1}}", "without a limit"},
        {"", "resources: {requests: {nvidia.com/gpu: 1}, limits: {nvidia.com/gpu: 2}}", "the same number in both"},
        {"", "resources: {limits: {nvidia.com/gpu: 0.5}}", "devices are not divided"},
        {"initContainers: [{name: c, image: y}]", "", "each container's name once"},
        {"initContainers: [{name: i, livenessProbe: {exec: {command: [x]}}}]", "", "only with restartPolicy Always"},
        {"restartPolicy: Never", "", "found Never, allowed here: Always"},
        {"affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 101, preference: {}}]}}", "", "from 1 to 100"},
        {"topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: ScheduleAnyway, minDomains: 2}]", "", "with whenUnsatisfiable DoNotSchedule"},
        {"affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}", "", "is empty, allowed: at least one term"},
        {"", "livenessProbe: {tcpSocket: {port: 65536}}", "found 65536, allowed: 1 to 65535"},
        {"volumes: [{name: v, emptyDir: {}}, {name: v, persistentVolumeClaim: {claimName: m}}]", "", "found \"v\" a second time"},
        {"volumes: [{name: v, emptyDir: {}, persistentVolumeClaim: {claimName: m}}]", "", "persistentVolumeClaim: is a second source of the volume v"},
        {"topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: ScheduleAnyway}, {maxSkew: 2, topologyKey: z, whenUnsatisfiable: ScheduleAnyway}]", "", "found z a second time"},
        {"", "ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]", "found \"a\" a second time"},
        {"", "env: [{name: A, valueFrom: {configMapRef: {name: c, key: k}}}]", "did you mean configMapKeyRef"},
        {"", "env: [{name: A, value: b, valueFrom: {secretKeyRef: {name: c, key: k}}}]", "stands beside value"},
        {"", "envFrom: [{configMapref: {name: c}}]", "did you mean configMapRef"},
        {"tolerations: [{key: a, operator: Exists, tolerationSeconds: 5}]", "", "NoExecute"},
        {"volumes: [{name: v, emptyDir: {medium: memory}}]", "", "did you mean Memory"},
        {"nodeSelektor: {a: b}", "", "did you mean nodeSelector"},
    };
    for (const auto& c : cases) {
        INFO(c.members << c.container);
        CHECK_THAT(errors(pod(c.members, c.container)), Contains(c.message));
    }
}

TEST_CASE("workloads: StatefulSets, LeaderWorkerSets, DaemonSets and bare pods come out typed") {
    const std::string pods = "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: x, resources: {requests: {cpu: 1}}}]}}";
    const WorkloadObject sts = read_workloads(object("apps/v1", "StatefulSet", "spec: {replicas: 3, selector: {matchLabels: {a: b}}, podManagementPolicy: Parallel, updateStrategy: {rollingUpdate: "
        "{partition: 2, maxUnavailable: 50%}}, ordinals: {start: 5}, persistentVolumeClaimRetentionPolicy: {whenScaled: Delete}, volumeClaimTemplates: [{metadata: {name: w}, spec: "
        "{accessModes: [ReadWriteOnce], storageClassName: gp3, resources: {requests: {storage: 100Gi}}}}], " + pods + "}")).manifests.workloads.at(0);
    CHECK(sts.parallel);
    CHECK(sts.partition == 2);
    CHECK(sts.max_unavailable == IntOrPercent{50, true});
    CHECK(sts.first_ordinal == 5);
    CHECK(sts.delete_claims_when_scaled);
    CHECK(sts.volume_claims.at(0).request_bytes == 100LL << 30);
    CHECK(*sts.volume_claims[0].storage_class == "gp3");

    const WorkloadsRead lws = read_workloads(object("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "spec: {replicas: 2, startupPolicy: LeaderReady, leaderWorkerTemplate: {size: 4, restartPolicy: None, workerTemplate: "
        "{spec: {containers: [{name: c, image: x}]}}}}"));
    CHECK(lws.findings.errors.empty());
    CHECK(lws.manifests.workloads.at(0).group_size == 4);
    CHECK(lws.manifests.workloads[0].starts_after_leader_ready);
    CHECK_FALSE(lws.manifests.workloads[0].restarts_group);

    const DaemonSetObject daemon = read_workloads(object("apps/v1", "DaemonSet", "spec: {selector: {matchLabels: {a: b}}, " + pods + "}")).manifests.daemon_sets.at(0);
    const auto tolerates = [&](const Taint& t) { return std::any_of(daemon.pod.tolerations.begin(), daemon.pod.tolerations.end(), [&](const Toleration& x) { return x.tolerates(t); }); };
    CHECK(tolerates({"node.kubernetes.io/unschedulable", "", TaintEffect::no_schedule}));
    CHECK_FALSE(tolerates({"nvidia.com/gpu", "", TaintEffect::no_schedule}));
    CHECK(read_workloads(object("v1", "Pod", "spec: {restartPolicy: Never, containers: [{name: c, resources: {requests: {cpu: 3}}}]}")).manifests.bare_pods.at(0).pod.cpu_request_milli() == 3000);
    CHECK(read_workloads(object("v1", "ReplicationController", "spec: {" + pods + "}")).manifests.workloads.at(0).selector.match_labels.at("a") == "b");
}

TEST_CASE("jobs: what a CronJob's command scales is read, declared, or said to be unknown") {
    const std::string hpa = object("autoscaling/v2", "HorizontalPodAutoscaler", "spec: {scaleTargetRef: {kind: Deployment, name: d}, maxReplicas: 9}");
    const auto cron = [&](const std::string& command, const std::string& annotations = "") {
        return pod("", "resources: {requests: {cpu: 1}}") + hpa + "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: up" + annotations + "}\nspec:\n  schedule: 0 8 * * *\n  concurrencyPolicy: Forbid\n"
               "  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: k, image: kubectl, command: " + command + "}]}}}}\n";
    };
    const auto jobs = [&](const std::string& text) {
        const WorkloadsRead r = read_workloads(text);
        INFO(lines(r.findings.errors));
        REQUIRE(r.findings.errors.empty());
        return r.manifests.scaling_cron_jobs;
    };
    CHECK(jobs(cron("[kubectl, -n, default, scale, deploy, d, --replicas, '4']")).at(0).replicas == 4);
    CHECK(jobs(cron("[sh, -c, 'kubectl scale deployment/d --replicas=2 && kubectl scale deployment d --replicas=3']")).at(1).replicas == 3);
    const auto patch = jobs(cron("[kubectl, patch, hpa, x, --patch, '{\"spec\":{\"minReplicas\":5}}']"));
    CHECK(patch.at(0).target.kind == "HorizontalPodAutoscaler");
    CHECK(*patch[0].min_replicas == 5);
    CHECK(jobs(cron("[kubectl, patch, deployment, d, --type=json, -p, '[{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":6}]']")).at(0).replicas == 6);
    CHECK(jobs(cron("[./prescale.sh]", ", annotations: {windtunnel.dev/scales: 'Deployment/d=8; hpa/x=min:2,max:7'}")).at(1).max_replicas == 7);
    CHECK(jobs(cron("[./report.sh]")).empty());
    CHECK_THAT(lines(read_workloads(cron("[./report.sh]")).findings.notes), Contains("windtunnel.dev/scales"));
    CHECK_THAT(errors(cron("[sh, -c, 'kubectl scale deployment/$WHICH --replicas=2']")), Contains("or declare it"));
    CHECK_THAT(errors(cron("[kubectl, scale, deployment/e, --replicas=2]")), Contains("no manifest has"));
}

TEST_CASE("quotas and limit ranges: keys, defaults, and what admission would refuse") {
    const WorkloadsRead quota = read_workloads(object("v1", "ResourceQuota", "spec: {hard: {cpu: '10', requests.nvidia.com/gpu: 4, pods: 20}, scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [high]}]}}"));
    CHECK(quota.manifests.resource_quotas.at(0).hard == std::map<std::string, std::int64_t>{{"requests.cpu", 10'000}, {"requests.nvidia.com/gpu", 4}, {"pods", 20}});
    CHECK(quota.manifests.resource_quotas[0].scopes.at(0).values.at(0) == "high");
    CHECK_THAT(errors(object("v1", "ResourceQuota", "spec: {hard: {limits.nvidia.com/gpu: 4}}")), Contains("allowed: requests.nvidia.com/gpu"));
    CHECK_THAT(errors(object("v1", "ResourceQuota", "spec: {hard: {request.cpu: 4}}")), Contains("did you mean requests.cpu"));

    const auto quota_of = [](const std::string& spec) { return errors(object("v1", "ResourceQuota", "spec: {" + spec + "}")); };
    CHECK_THAT(quota_of("hard: {requests.nvidia.com/gpu: 0.5}"), Contains("found a part of one"));
    CHECK(quota_of("hard: {cpu: 500m, memory: 1.5Gi, pods: 2}").empty());
    CHECK_THAT(quota_of("hard: {pods: 2}, scopes: [Terminating, NotTerminating]"), Contains("allowed: one of them"));
    CHECK_THAT(quota_of("hard: {pods: 2}, scopeSelector: {matchExpressions: [{scopeName: BestEffort, operator: In, values: [a]}]}"), Contains("takes no values"));
    CHECK_THAT(quota_of("hard: {pods: 2}, scopeSelector: {matchExpressions: [{scopeName: BestEffort}]}"), Contains("operator: is missing"));
    const auto priority = [](const std::string& name, const std::string& rest) { return "---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: " + name + "}\n" + rest + "\n"; };
    CHECK_THAT(errors(priority("a", "value: 1000000001")), Contains("allowed: at most 1000000000"));
    CHECK_THAT(errors(priority("a", "value: 1\nglobalDefault: true") + priority("b", "value: 2\nglobalDefault: true")), Contains("as that of PriorityClass/a is"));

    // A maximum is also the default limit, which is also the default request.
    const std::string range = object("v1", "LimitRange", "spec: {limits: [{type: Container, max: {cpu: 2}, defaultRequest: {memory: 1Gi}}]}");
    const PodTemplate p = read_workloads(pod("") + range).manifests.workloads.at(0).pod;
    CHECK(p.cpu_request_milli() == 2000);
    CHECK(p.memory_request_bytes() == 1LL << 30);
    CHECK_FALSE(p.containers[0].resources.memory_limit_bytes.has_value());
    CHECK_THAT(errors(pod("", "resources: {limits: {cpu: 3}}") + range), Contains("may use more cpu than the maximum"));

    // Rules that contradict themselves, and another system's.
    const auto rule = [](const std::string& text) { return object("v1", "LimitRange", "spec: {limits: [{" + text + "}]}"); };
    CHECK_THAT(errors(rule("type: Container, max: {cpu: 1}, default: {cpu: 2}")), Contains("default: is above max for cpu"));
    CHECK_THAT(errors(rule("type: Container, default: {cpu: 1}, defaultRequest: {cpu: 2}")), Contains("defaultRequest: is above default for cpu"));
    CHECK_THAT(errors(rule("type: Container, min: {cpu: 2}, defaultRequest: {cpu: 1}")), Contains("min: is above defaultRequest for cpu"));
    CHECK_THAT(errors(rule("type: Container, maxLimitRequestRatio: {cpu: 500m}")), Contains("is below 1 for cpu"));
    CHECK(errors(rule("type: openshift.io/Image, max: {storage: 1Gi}")).empty());

    // Of a whole pod its limits count, and what has none is refused; so is a ratio of which one half is missing.
    const auto of_pod = [](const std::string& rule) { return object("v1", "LimitRange", "spec: {limits: [{type: Pod, " + rule + "}]}"); };
    const auto both = [](const char* request, const char* limit) { return pod("", std::string("resources: {requests: {cpu: ") + request + "}, limits: {cpu: " + limit + "}}"); };
    CHECK(errors(both("1", "2") + of_pod("max: {cpu: 2}, min: {cpu: 1}, maxLimitRequestRatio: {cpu: 2}")).empty());
    CHECK_THAT(errors(both("1", "3") + of_pod("max: {cpu: 2}")), Contains("may use more cpu in all its containers than the maximum"));
    CHECK_THAT(errors(both("1", "3") + of_pod("maxLimitRequestRatio: {cpu: 2}")), Contains("has a larger ratio of limit to request in cpu, or none, in all its containers"));
    CHECK_THAT(errors(pod("", "resources: {requests: {cpu: 1}}") + of_pod("max: {cpu: 2}")), Contains("may use more cpu in all its containers"));
    CHECK_THAT(errors(pod("", "resources: {limits: {memory: 1Gi}}") + of_pod("min: {cpu: 1}")), Contains("requests less cpu in all its containers"));
}

TEST_CASE("dumps: nodes and owned pods are the start state, harmless objects are one note") {
    const WorkloadsRead r = read_workloads(pod("") +
        object("v1", "Node", "spec: {unschedulable: true, taints: [{key: k, effect: NoExecute, timeAdded: '2026-01-01T00:00:00Z'}]}\nstatus: {capacity: {cpu: 8, memory: 32Gi, nvidia.com/gpu: 1, pods: 58}, "
               "allocatable: {cpu: 7910m, memory: 30Gi, nvidia.com/gpu: 1, pods: 58}, conditions: [{type: Ready, status: Unknown}]}") +
        "---\napiVersion: v1\nkind: Pod\nmetadata: {name: d-1-a, generateName: d-1-, creationTimestamp: '2026-01-01T00:00:00Z', labels: {a: b}, ownerReferences: [{kind: ReplicaSet, name: d-1}]}\n"
        "spec: {nodeName: x, containers: [{name: c, image: x, resources: {requests: {cpu: 1}}}]}\n"
        "status: {phase: Running, startTime: '2026-01-01T00:00:05Z', conditions: [{type: Ready, status: 'True', lastTransitionTime: '2026-01-01T00:01:00Z'}], containerStatuses: [{name: c, restartCount: 3}]}\n" +
        object("v1", "Secret", "") + object("rbac.authorization.k8s.io/v1", "Role", "") + object("cert-manager.io/v1", "Challenge", ""));
    INFO(lines(r.findings.errors));
    CHECK(r.findings.errors.empty());
    const NodeObject& node = *r.manifests.live.find_node("x");
    CHECK(node.unschedulable);
    CHECK_FALSE(node.ready);
    CHECK(node.allocatable.cpu_milli == 7910);
    CHECK(node.allocatable.extended.at("nvidia.com/gpu") == 1);
    CHECK(node.capacity.pods == 58);
    CHECK(node.taints.at(0).effect == TaintEffect::no_execute);
    const auto pods = r.manifests.live.pods_of(r.manifests.workloads.at(0).meta);
    REQUIRE(pods.size() == 1);
    CHECK(pods[0]->node == "x");
    CHECK(pods[0]->ready);
    CHECK(pods[0]->phase == LivePodPhase::running);
    CHECK(pods[0]->restarts == 3);
    CHECK(*pods[0]->ready_since_unix_s - *pods[0]->started_unix_s == 55);
    CHECK(pods[0]->owner_revision == "d-1");
    CHECK(pods[0]->pod.cpu_request_milli() == 1000);
    CHECK_THAT(lines(r.findings.notes), Contains("3 objects do not change the result"));
}

TEST_CASE("manifests: a misspelt key is one error, which says what was meant") {
    const auto errors = [](const std::string& text) {
        auto documents = parse_documents(text, "k8s.yaml");
        REQUIRE(documents);
        Findings findings;
        (void)import_kubernetes(std::move(*documents), findings);
        std::string out;
        for (const Problem& p : findings.errors) out += to_string(p) + "\n";
        return out;
    };
    CHECK(errors("apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvaleu: 1000\n") == "k8s.yaml:4:8: valeu: is no known key; did you mean value?\n");
    CHECK(errors("apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: p}\nspec:\n  selector: {matchLabels: {a: b}}\n  podMetricsEndpoints: [{port: http, intervall: 5s}]\n") ==
          "k8s.yaml:6:49: spec.podMetricsEndpoints[0].intervall: is no known key; did you mean interval?\n");
    CHECK_THAT(errors("apiVersion: v1\nkind: LimitRange\nmetadata: {name: l}\nspec: {limits: [{type: Container, max: {cpus: 2}}]}\n"), Contains("is no resource of such a rule; did you mean cpu?"));
    const std::string pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: c, image: \"IMAGE\"}\n";
    const auto image = [&](const std::string& reference) {
        std::string text = pod;
        return errors(text.replace(text.find("IMAGE"), 5, reference));
    };
    for (const char* good : {"nginx", "vllm/vllm-openai:v0.10.2", "registry.example.com:5000/a/b-c_d.e:1.0@sha256:0123456789abcdef0123456789abcdef", "us-docker.pkg.dev/x/y/z:2025_RC01", "localhost/x"})
        CHECK(image(good) == "");
    for (const char* bad : {"vllm/VLLM-openai:v1", "vllm/vllm-openai:", "my image:1", "a//b", "x:1:2"}) CHECK_THAT(image(bad), Contains("InvalidImageName"));
}

TEST_CASE("limit ranges: devices and claims are bounded like cpu") {
    const std::string range = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: l}\nspec:\n  limits:\n  - {type: Pod, max: {nvidia.com/gpu: 2}}\n  - {type: PersistentVolumeClaim, max: {storage: 10Gi}}\n---\n";
    const auto errors = [&](const std::string& text) {
        auto documents = parse_documents(range + text, "k8s.yaml");
        REQUIRE(documents);
        Findings findings;
        (void)import_kubernetes(std::move(*documents), findings);
        std::string out;
        for (const Problem& p : findings.errors) out += to_string(p) + "\n";
        return out;
    };
    const auto pod = [](int gpus) { return "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: x, resources: {limits: {nvidia.com/gpu: " + std::to_string(gpus) + "}}}]}\n"; };
    CHECK(errors(pod(2)) == "");
    CHECK_THAT(errors(pod(3)), Contains("asks for more nvidia.com/gpu in all its containers than the maximum of LimitRange/l"));
    const auto claim = [](const char* size) { return std::string("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: p}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: ") + size + "}}}\n"; };
    CHECK(errors(claim("10Gi")) == "");
    CHECK_THAT(errors(claim("11Gi")), Contains("asks for more storage than the maximum"));
}
