// Manifests in the style of public charts, tutorials and of `kubectl get -o yaml`: what they carry besides
// what is simulated must not stop them, and the labels they select nodes by must be there.
#include "scenarios/kubernetes/kubernetes.hpp"
#include "scenarios/node_labels.hpp"
#include "tests/support/imported_manifests.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

PoolSpec pool_of(const std::string& type) {
    PoolSpec pool;
    pool.name = "gpus";
    pool.instance_types = {type};
    pool.path = "cluster.pools[0]";
    return pool;
}

ClusterSpec cluster_in(CloudKind cloud, const std::string& region) {
    ClusterSpec cluster;
    cluster.cloud = cloud;
    cluster.region = region;
    return cluster;
}

const char* dumped = R"yaml(apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata:
    annotations: {deployment.kubernetes.io/revision: "3"}
    creationTimestamp: "2026-01-12T09:31:22Z"
    generation: 7
    managedFields: [{manager: kubectl, operation: Update, fieldsV1: {"f:spec": {"f:replicas": {}}}}]
    name: chat
    namespace: inference
    resourceVersion: "123456789"
    uid: 0f6e1c1a-1111-2222-3333-444444444444
  spec:
    progressDeadlineSeconds: 600
    revisionHistoryLimit: 10
    selector: {matchLabels: {app: chat}}
    strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}
    template:
      metadata: {creationTimestamp: null, labels: {app: chat}, annotations: {prometheus.io/scrape: "true"}}
      spec:
        affinity:
          nodeAffinity:
            preferredDuringSchedulingIgnoredDuringExecution:
            - {weight: 50, preference: {matchExpressions: [{key: karpenter.sh/capacity-type, operator: In, values: [spot]}]}}
            requiredDuringSchedulingIgnoredDuringExecution:
              nodeSelectorTerms: [{matchExpressions: [{key: nvidia.com/gpu.product, operator: In, values: [NVIDIA-L4, NVIDIA-A10G]}]}]
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.9.1
          args: [--model, meta-llama/Llama-3.1-8B-Instruct, --served-model-name, llama, --kv-transfer-config, '{"kv_connector":"LMCacheConnectorV1","kv_role":"kv_both"}']
          resources: {limits: {nvidia.com/gpu: "1"}, requests: {nvidia.com/gpu: "1", cpu: "2", memory: 12Gi}}
          readinessProbe: {httpGet: {path: /health, port: 8000, scheme: HTTP}, successThreshold: 1}
          terminationMessagePath: /dev/termination-log
        dnsPolicy: ClusterFirst
        restartPolicy: Always
        runtimeClassName: nvidia
        schedulerName: default-scheduler
        volumes: [{name: shm, emptyDir: {medium: Memory}}]
  status: {replicas: 2, conditions: [{type: Available, status: "True"}]}
- apiVersion: apps/v1
  kind: ReplicaSet
  metadata: {name: chat-6d5f, namespace: inference, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: chat, controller: true}]}
  spec: {selector: {matchLabels: {app: chat}}, template: {metadata: {labels: {app: chat}}, spec: {containers: [{name: vllm, image: "vllm/vllm-openai:v0.9.1", resources: {limits: {nvidia.com/gpu: 1}}}]}}}
- apiVersion: v1
  kind: Pod
  metadata: {name: chat-6d5f-x2x, namespace: inference, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: chat-6d5f, controller: true}]}
  spec: {containers: [{name: vllm, resources: {limits: {nvidia.com/gpu: 1}}}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: chat-77aa-y3y, namespace: inference, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: chat-77aa, controller: true}]}
  spec: {containers: [{name: vllm, resources: {limits: {nvidia.com/gpu: 1}}}]}
- apiVersion: keda.sh/v1alpha1
  kind: ScaledObject
  metadata: {name: chat, namespace: inference}
  spec:
    scaleTargetRef: {name: chat}
    triggers: [{type: prometheus, metadata: {serverAddress: "http://p:9090", query: "sum(vllm:num_requests_waiting)", threshold: "5"}}]
  status: {hpaName: keda-hpa-chat}
- apiVersion: autoscaling/v2
  kind: HorizontalPodAutoscaler
  metadata: {name: keda-hpa-chat, namespace: inference, ownerReferences: [{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: chat, controller: true}]}
  spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: chat}, maxReplicas: 100, metrics: []}
)yaml";

}  // namespace

TEST_CASE("public manifests: a dump of a namespace holds what controllers made, which is not read twice") {
    const Imported dump = import_text(dumped);
    INFO(lines(dump.findings.errors));
    CHECK(dump.findings.errors.empty());
    REQUIRE(dump.manifests.workloads.size() == 1);
    CHECK(dump.manifests.workloads[0].meta.title() == "Deployment/chat");
    CHECK(dump.manifests.horizontal_pod_autoscalers.empty());
    const std::string notes = lines(dump.findings.notes);
    CHECK_THAT(notes, Contains("ReplicaSet/chat-6d5f is made by Deployment/chat"));
    CHECK_THAT(notes, Contains("Pod/chat-6d5f-x2x is made by"));
    CHECK_THAT(notes, Contains("Pod/chat-77aa-y3y is made by Deployment/chat"));
    CHECK_THAT(notes, Contains("HorizontalPodAutoscaler/keda-hpa-chat is made by ScaledObject/chat"));
    CHECK(dump.manifests.workloads[0].pod.preferred_node_affinity.at(0).weight == 50);

    const PodTemplate& pod = dump.manifests.workloads[0].pod;
    const ClusterSpec aws = cluster_in(CloudKind::aws, "us-east-1");
    CHECK(may_run_on(pod, pool_of("g6.2xlarge"), aws));
    CHECK(may_run_on(pod, pool_of("g5.xlarge"), aws));
    CHECK_THAT(exclusion_of(pod, pool_of("g4dn.xlarge"), aws), Contains("nvidia.com/gpu.product, of which the nodes have Tesla-T4"));
}

TEST_CASE("public manifests: transfers between prefill and decode servers say which side a server is") {
    std::string split = dumped;
    split.replace(split.find("kv_both"), 7, "kv_producer");
    const Imported imported = import_text(split);
    CHECK_THAT(lines(imported.findings.errors), Catch::Equals(""));
    REQUIRE(imported.manifests.workloads.at(0).server);
    CHECK(imported.manifests.workloads[0].server->kv_role == KvRole::producer);
}

TEST_CASE("public manifests: kinds of gateways and operators are notes, warnings or refusals, none unknown") {
    const auto object = [](const std::string& kind) { return "apiVersion: x/v1\nkind: " + kind + "\nmetadata: {name: x}\nspec: {}\n"; };
    for (const char* kind : {"HTTPRoute", "Gateway", "NetworkPolicy", "Ingress", "IngressRoute", "PeerAuthentication", "TriggerAuthentication", "ClusterPolicy",
                             "PodTemplate", "VolumeSnapshot", "ApplicationSet", "Certificate", "ServiceAccount", "SecretProviderClass", "ResourceSlice", "VerticalPodAutoscalerCheckpoint",
                             "NVIDIADriver", "EnvoyFilter", "IngressClassParams", "PodIdentityAssociation"}) {
        INFO(kind);
        const Findings f = import_text(object(kind)).findings;
        CHECK(f.errors.empty());
        CHECK_THAT(lines(f.notes), Contains("does not change the result"));
    }
    for (const char* kind : {"InferencePool", "InferenceModel", "InferenceObjective", "DestinationRule", "VirtualService", "BackendConfig", "HealthCheckPolicy", "CacheServer", "DatadogMetric", "LocalModelCache", "HelmChart", "LoraAdapter", "ModelAdapter"}) {
        INFO(kind);
        const Findings f = import_text(object(kind)).findings;
        CHECK(f.errors.empty());
        CHECK(f.warnings.size() == 1);
    }
    for (const char* kind : {"InferenceGraph", "JobSet", "CapacityBuffer", "Nodegroup", "VerticalPodAutoscaler", "StormService"}) {
        INFO(kind);
        CHECK_THAT(lines(import_text(object(kind)).findings.errors), Contains("would change the result and is not simulated"));
    }
    for (const char* version : {"fsx.services.k8s.aws/v1alpha1\nkind: FileSystem", "autoscaling.internal.knative.dev/v1alpha1\nkind: PodAutoscaler", "serving.knative.dev/v1\nkind: Revision"}) {
        INFO(version);
        const Findings f = import_text(std::string("apiVersion: ") + version + "\nmetadata: {name: x}\nspec: {}\n").findings;
        CHECK(f.errors.empty());
        CHECK_THAT(lines(f.notes), Contains("does not change the result"));
    }
    CHECK_THAT(lines(import_text(object("InferenceService")).findings.errors), Contains("apiVersion: found x/v1, allowed for InferenceService: serving.kserve.io/VERSION"));
    const std::string monitoring = "apiVersion: monitoring.googleapis.com/v1\nkind: PodMonitoring\nmetadata: {name: m}\nspec: {selector: {matchLabels: {app: chat}}, endpoints: [{port: 8000, interval: 20s}]}\n";
    const Imported google = import_text(monitoring);
    CHECK(google.findings.errors.empty());
    REQUIRE(google.manifests.monitors.size() == 1);
    CHECK(*google.manifests.monitors[0].interval == seconds(20));
    CHECK_FALSE(google.manifests.monitors[0].selects_services);
}

TEST_CASE("public manifests: Kueue's objects change nothing until a workload names a queue; what renders others is a warning") {
    const std::string queue = "apiVersion: kueue.x-k8s.io/v1beta1\nkind: ClusterQueue\nmetadata: {name: q}\nspec: {namespaceSelector: {}}\n";
    CHECK(import_text(queue).findings.errors.empty());
    CHECK_THAT(lines(import_text(queue).findings.notes), Contains("ClusterQueue/q does not change the result"));
    for (const char* rendered : {"apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: x}\nspec: {}\n",
                                 "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: x}\nspec: {path: ./apps}\n"}) {
        const Findings f = import_text(rendered).findings;
        CHECK(f.errors.empty());
        CHECK_THAT(lines(f.warnings), Contains("windtunnel run -f -"));
    }
    // kustomize's own file: a list of files that are there says nothing more; what it patches is not in them.
    const std::string listed = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: chat\nresources: [k8s.yaml]\n";
    CHECK(import_text(listed).findings.errors.empty());
    CHECK_THAT(lines(import_text("resources: [../base]\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n").findings.errors), Contains("names ../base, which is not among the manifests"));
    CHECK_THAT(lines(import_text(listed + "replicas: [{name: chat, count: 3}]\n").findings.errors), Contains("replicas: would change the result") && Contains("kustomize build"));
}

TEST_CASE("public manifests: a budget without a selector matches no pod, one with an empty selector all of the namespace") {
    const auto covers = [](const std::string& selector) {
        const Imported in = import_text("apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: b}\nspec: {" + selector + "maxUnavailable: 1}\n");
        return in.manifests.pod_disruption_budgets.at(0).covers("default", {{"app", "chat"}});
    };
    CHECK_FALSE(covers(""));
    CHECK(covers("selector: {}, "));
    CHECK(covers("selector: {matchLabels: {app: chat}}, "));
    CHECK_FALSE(covers("selector: {matchLabels: {app: code}}, "));
}

TEST_CASE("public manifests: an unrendered template is one error") {
    std::string text = dumped;
    text.replace(text.find("v0.9.1"), 6, "{{ .Values.tag }}");
    const Findings f = import_text(text).findings;
    REQUIRE(f.errors.size() == 1);
    CHECK_THAT(f.errors[0].message, Contains("text of a template"));
}

TEST_CASE("node labels: the clouds' and operators' names of a pool's GPUs") {
    struct Case {
        CloudKind cloud;
        const char *region, *type, *key, *value;
    };
    const Case cases[] = {
        {CloudKind::gcp, "us-central1", "g2-standard-8", "cloud.google.com/gke-accelerator", "nvidia-l4"},
        {CloudKind::gcp, "us-central1", "g2-standard-8", "cloud.google.com/gke-accelerator-count", "1"},
        {CloudKind::gcp, "us-central1", "g2-standard-8", "cloud.google.com/machine-family", "g2"},
        {CloudKind::gcp, "us-central1", "g2-standard-8", "node.kubernetes.io/instance-type", "g2-standard-8"},
        {CloudKind::gcp, "us-central1", "a2-highgpu-1g", "cloud.google.com/gke-accelerator", "nvidia-tesla-a100"},
        {CloudKind::gcp, "us-central1", "a3-highgpu-8g", "cloud.google.com/gke-accelerator", "nvidia-h100-80gb"},
        {CloudKind::aws, "us-east-1", "g6.2xlarge", "k8s.amazonaws.com/accelerator", "nvidia-l4"},
        {CloudKind::aws, "us-east-1", "g6.2xlarge", "nvidia.com/gpu.product", "NVIDIA-L4"},
        {CloudKind::aws, "us-east-1", "g6.12xlarge", "nvidia.com/gpu.count", "4"},
        {CloudKind::aws, "us-east-1", "g6.2xlarge", "nvidia.com/gpu.present", "true"},
        {CloudKind::aws, "us-east-1", "g6.2xlarge", "karpenter.sh/capacity-type", "on-demand"},
        {CloudKind::aws, "us-east-1", "g6.2xlarge", "karpenter.k8s.aws/instance-gpu-name", "l4"},
        {CloudKind::aws, "us-east-1", "g6.2xlarge", "karpenter.k8s.aws/instance-family", "g6"},
        {CloudKind::aws, "us-east-1", "g6.2xlarge", "karpenter.k8s.aws/instance-category", "g"},
        {CloudKind::aws, "us-east-1", "g6.2xlarge", "karpenter.k8s.aws/instance-generation", "6"},
        {CloudKind::aws, "us-east-1", "g6.2xlarge", "karpenter.k8s.aws/instance-size", "2xlarge"},
        {CloudKind::azure, "eastus", "Standard_NC24ads_A100_v4", "nvidia.com/gpu.product", "NVIDIA-A100-80GB-PCIe"},
        {CloudKind::azure, "eastus", "Standard_NC24ads_A100_v4", "kubernetes.azure.com/accelerator", "nvidia"},
    };
    for (const Case& c : cases) {
        const Labels labels = node_labels(pool_of(c.type), cluster_in(c.cloud, c.region), c.type, "");
        INFO(c.type << " " << c.key);
        REQUIRE(labels.contains(c.key));
        CHECK(labels.at(c.key) == c.value);
    }
    // A pool's own labels win; a pool of an eksctl file is no node of Karpenter's.
    PoolSpec own = pool_of("g6.2xlarge");
    own.labels = {{"k8s.amazonaws.com/accelerator", "l4"}};
    own.path = "managedNodeGroups[0]";
    const Labels labels = node_labels(own, cluster_in(CloudKind::aws, "us-east-1"), "g6.2xlarge", "");
    CHECK(labels.at("k8s.amazonaws.com/accelerator") == "l4");
    CHECK_FALSE(labels.contains("karpenter.sh/capacity-type"));
}

TEST_CASE("node labels: GKE's own taint on GPU nodes keeps no GPU pod away, others do") {
    PodTemplate pod;
    pod.containers.resize(1);
    pod.containers[0].resources.extended["nvidia.com/gpu"] = 1;
    pod.node_selector = {{"cloud.google.com/gke-accelerator", "nvidia-l4"}, {"cloud.google.com/gke-gpu-driver-version", "latest"}};
    PoolSpec pool = pool_of("g2-standard-8");
    pool.taints = {{"nvidia.com/gpu", "present", TaintEffect::no_schedule}};
    const ClusterSpec gke = cluster_in(CloudKind::gcp, "us-central1");
    CHECK(exclusion_of(pod, pool, gke).empty());
    pool.taints.push_back({"team", "search", TaintEffect::no_schedule});
    CHECK(exclusion_of(pod, pool, gke) == "it does not tolerate the nodes' taint team=search");
    pool.taints.pop_back();
    pod.node_selector["cloud.google.com/gke-accelerator"] = "nvidia-tesla-t4";
    CHECK(exclusion_of(pod, pool, gke) == "its nodeSelector asks for cloud.google.com/gke-accelerator: nvidia-tesla-t4, the nodes have nvidia-l4");
    CHECK_FALSE(may_run_on(pod, pool, cluster_in(CloudKind::aws, "us-east-1")));
}
