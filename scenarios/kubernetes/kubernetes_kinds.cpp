// Kinds that the importer knows and does not read, and files that are no Kubernetes objects.
#include "scenarios/kubernetes/kubernetes_kinds.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

constexpr KindRow other_kinds[] = {
    // They say who may do what, hold text, or move traffic and logs: no replica, node or request changes.
    {"ConfigMap", KindRole::note}, {"Secret", KindRole::note}, {"SealedSecret", KindRole::note}, {"ExternalSecret", KindRole::note},
    {"SecretStore", KindRole::note}, {"ClusterSecretStore", KindRole::note}, {"ServiceAccount", KindRole::note},
    {"Role", KindRole::note}, {"RoleBinding", KindRole::note}, {"ClusterRole", KindRole::note}, {"ClusterRoleBinding", KindRole::note},
    {"Ingress", KindRole::note}, {"IngressClass", KindRole::note}, {"NetworkPolicy", KindRole::note},
    {"Endpoints", KindRole::note}, {"EndpointSlice", KindRole::note}, {"CustomResourceDefinition", KindRole::note},
    {"Probe", KindRole::note}, {"TriggerAuthentication", KindRole::note},
    {"ClusterTriggerAuthentication", KindRole::note}, {"Certificate", KindRole::note}, {"Issuer", KindRole::note}, {"ClusterIssuer", KindRole::note},
    {"Gateway", KindRole::note}, {"GatewayClass", KindRole::note}, {"HTTPRoute", KindRole::note}, {"GRPCRoute", KindRole::note},
    {"APIService", KindRole::note}, {"PodSecurityPolicy", KindRole::note}, {"RuntimeClass", KindRole::note}, {"CSIDriver", KindRole::note},
    {"ValidatingWebhookConfiguration", KindRole::note}, {"MutatingWebhookConfiguration", KindRole::note}, {"Lease", KindRole::note},
    {"Event", KindRole::note}, {"Application", KindRole::note}, {"ApplicationSet", KindRole::note}, {"AppProject", KindRole::note},
    {"GrafanaDashboard", KindRole::note}, {"GrafanaDatasource", KindRole::note}, {"Grafana", KindRole::note}, {"GrafanaFolder", KindRole::note},
    {"Prometheus", KindRole::note}, {"Alertmanager", KindRole::note}, {"AlertmanagerConfig", KindRole::note}, {"ScrapeConfig", KindRole::note},
    {"OpenTelemetryCollector", KindRole::note}, {"Instrumentation", KindRole::note}, {"Telemetry", KindRole::note},
    {"NIMCache", KindRole::note}, {"FrontendConfig", KindRole::note}, {"ManagedCertificate", KindRole::note}, {"ReferenceGrant", KindRole::note}, {"Middleware", KindRole::note},
    {"IngressRoute", KindRole::note}, {"TargetGroupBinding", KindRole::note}, {"TLSRoute", KindRole::note}, {"TCPRoute", KindRole::note},
    {"PeerAuthentication", KindRole::note}, {"RequestAuthentication", KindRole::note}, {"AuthorizationPolicy", KindRole::note},
    {"ServiceEntry", KindRole::note}, {"Sidecar", KindRole::note}, {"CiliumNetworkPolicy", KindRole::note}, {"VolumeSnapshot", KindRole::note},
    {"VolumeSnapshotClass", KindRole::note}, {"VolumeAttributesClass", KindRole::note}, {"SecretProviderClass", KindRole::note},
    {"DatadogAgent", KindRole::note}, {"DatadogMonitor", KindRole::note}, {"DatadogDashboard", KindRole::note}, {"DatadogSLO", KindRole::note}, {"IngressClassParams", KindRole::note},
    {"EnvoyFilter", KindRole::note}, {"XListenerSet", KindRole::note}, {"PodIdentityAssociation", KindRole::note}, {"Addon", KindRole::note}, {"AccessEntry", KindRole::note},
    {"ThanosRuler", KindRole::note}, {"Module", KindRole::note}, {"KnativeServing", KindRole::note}, {"InterceptorRoute", KindRole::note}, {"LocalModelNodeGroup", KindRole::note}, {"InferencePoolImport", KindRole::note}, {"ServingRuntime", KindRole::note}, {"ClusterServingRuntime", KindRole::note}, {"LLMInferenceServiceConfig", KindRole::note}, {"ClusterStorageContainer", KindRole::note},
    {"Status", KindRole::note}, {"ComponentStatus", KindRole::note}, {"CSINode", KindRole::note}, {"CSIStorageCapacity", KindRole::note}, {"VolumeAttachment", KindRole::note},
    {"FlowSchema", KindRole::note}, {"PriorityLevelConfiguration", KindRole::note}, {"NodeMetrics", KindRole::note}, {"NodeFeature", KindRole::note}, {"NodeFeatureRule", KindRole::note},
    {"PodTemplate", KindRole::note}, {"ControllerRevision", KindRole::note}, {"PodMetrics", KindRole::note}, {"ClusterPolicy", KindRole::note}, {"AnalysisTemplate", KindRole::note}, {"ClusterAnalysisTemplate", KindRole::note}, {"AnalysisRun", KindRole::note}, {"NVIDIADriver", KindRole::note},
    {"ResourceSlice", KindRole::note}, {"ResourceClaim", KindRole::note}, {"ResourceClaimTemplate", KindRole::note}, {"DeviceClass", KindRole::note}, {"VerticalPodAutoscalerCheckpoint", KindRole::note}, {"NodeFeatureDiscovery", KindRole::note}, {"ValidatingAdmissionPolicy", KindRole::note}, {"ValidatingAdmissionPolicyBinding", KindRole::note},
    // They say how requests find a replica, which the scenario says here.
    {"VirtualService", KindRole::warn, "its routes, retries and time-outs are not read; the scenario's workload says routing, timeout_s and retry"},
    {"DestinationRule", KindRole::warn, "its load balancing is not read; the scenario's workload says routing"},
    {"BackendConfig", KindRole::warn, "its time-outs are not read; the scenario's workload says timeout_s"},
    {"GCPBackendPolicy", KindRole::warn, "its time-outs are not read; the scenario's workload says timeout_s"},
    {"BackendTrafficPolicy", KindRole::warn, "its load balancing and time-outs are not read; the scenario's workload says routing and timeout_s"},
    {"HealthCheckPolicy", KindRole::warn, "the load balancer's health checks are not simulated; pods take requests when they are Ready"},
    {"VLLMRouter", KindRole::warn, "the production stack's router is not simulated; the scenario's workload says routing"},
    {"InferencePool", KindRole::warn, "the gateway's endpoint picker is not simulated; the scenario's workload says routing"},
    {"InferenceModel", KindRole::warn, "the gateway's endpoint picker is not simulated; the scenario's workload says routing"},
    {"InferenceObjective", KindRole::warn, "the gateway's endpoint picker is not simulated; the scenario's workload says routing"},
    {"HelmChart", KindRole::warn, "what its chart makes is not among these manifests; render it: helm template ... | windtunnel run -f -"},
    {"ResourceGraphDefinition", KindRole::warn, "what its instances make is not read through it; write the objects themselves"},
    {"AutoscalingMetric", KindRole::warn, "the metric that it exports has no series here; say its value in the scenario's metrics"},
    {"VariantAutoscaling", KindRole::warn, "llm-d's workload variant autoscaler is not simulated: the metric that it exports (wva_desired_replicas, earlier inferno_desired_replicas) has no series here; say its value in the scenario's metrics"},
    {"LocalModelCache", KindRole::warn, "the weights that it keeps on nodes are not there before a first start; the scenario's workload says cold_start"},
    {"XBackendTrafficPolicy", KindRole::warn, "its load balancing and retries are not read; the scenario's workload says routing and retry"},
    {"LoraAdapter", KindRole::warn, "a request to the adapter takes as long as one to its base model; its memory is that of the slots of --enable-lora"},
    {"ModelAdapter", KindRole::warn, "a request to the adapter takes as long as one to its base model; its memory is that of the slots of --enable-lora"},
    {"Canary", KindRole::warn, "its shifting of traffic between two sets of pods is not simulated: its target is taken as one Deployment, which a rollout event replaces at once"},
    {"MetricTemplate", KindRole::note}, {"AlertProvider", KindRole::note}, {"KeptnMetric", KindRole::note}, {"KeptnMetricsProvider", KindRole::note}, {"KeptnTaskDefinition", KindRole::note},
    {"KeptnEvaluationDefinition", KindRole::note}, {"AnalysisDefinition", KindRole::note},
    {"Queue", KindRole::warn, "the queue's capability and weight are not simulated; a ResourceQuota limits what a namespace may have"},
    {"KVCache", KindRole::warn, "the KV cache that it keeps for the servers is not simulated: every prompt is computed where it arrives"},
    {"DatadogMetric", KindRole::warn, "its query is Datadog's own; say the value of the metric datadogmetric@NAMESPACE:NAME in the scenario's metrics"},
    {"CacheServer", KindRole::warn, "the KV cache that it keeps for the servers is not simulated: every prompt is computed where it arrives"},
    {"HelmRelease", KindRole::warn, "what its chart makes is not among these manifests; render it: helm template ... | windtunnel run -f -"},
    {"Kustomization", KindRole::warn, "what its folder makes is not read through it; build it: kustomize build FOLDER | windtunnel run -f -"},
    // They decide about replicas, nodes, placement or admission.
    {"Provisioner", KindRole::refuse, "an object of Karpenter before v0.32; write it as a NodePool (apiVersion karpenter.sh/v1): spec.requirements, taints and labels go into spec.template, ttlSecondsAfterEmpty and consolidation into spec.disruption (karpenter-convert does it)"},
    {"AWSNodeTemplate", KindRole::refuse, "an object of Karpenter before v0.32; write it as an EC2NodeClass (apiVersion karpenter.k8s.aws/v1)"},
    {"VerticalPodAutoscaler", KindRole::refuse, "vertical autoscaling; with updatePolicy.updateMode \"Off\" it only recommends"},
   
    {"DatadogPodAutoscaler", KindRole::refuse, "Datadog's own autoscaler; write the HorizontalPodAutoscaler or ScaledObject"},
    {"StormService", KindRole::refuse, "AIBrix' groups of roles; write the Deployments or the LeaderWorkerSet it makes"},
    {"RayClusterFleet", KindRole::refuse, "AIBrix over Ray; write the LeaderWorkerSet or Deployment it makes"},
    {"NIMPipeline", KindRole::refuse, "NVIDIA's NIM operator; write its NIMServices"},
    {"RayJob", KindRole::refuse, "Ray; write a Job"},
    {"InferenceGraph", KindRole::refuse, "KServe; write the Deployments it makes"},
    {"RAGEngine", KindRole::refuse, "KAITO; write the Deployment it makes, and cluster.pools with its instanceType"},
    {"ModelService", KindRole::refuse, "llm-d's model service; render its chart: helm template ... | windtunnel run -f -"},
    {"DynamoComponentDeployment", KindRole::refuse, "Dynamo; write the Deployment it makes"},
    {"PodCliqueSet", KindRole::refuse, "Grove's groups of pods; write the LeaderWorkerSets or Deployments they come to"},
    {"PodGroup", KindRole::refuse, "gang scheduling"},
    {"JobSet", KindRole::refuse, "Jobs that start together; write a Job, or a LeaderWorkerSet for a server"},
    {"PyTorchJob", KindRole::refuse, "training; write a Job with the annotation windtunnel.dev/run-time-s"},
    {"Workflow", KindRole::refuse, "Argo's steps; write the Jobs they run"},
    {"AppWrapper", KindRole::refuse, "a wrapper of other objects; write what it wraps"},
    {"CloneSet", KindRole::refuse, "OpenKruise; write a Deployment"},
    {"ProvisioningRequest", KindRole::refuse, "nodes that the cluster-autoscaler makes ahead of pods; write cluster.pools with min"},
    {"CapacityBuffer", KindRole::refuse, "nodes kept ahead of pods; write pause pods, a Deployment of low priority"},
    {"Nodegroup", KindRole::refuse, "the EKS controller's node group; write eksctl's managedNodeGroups or cluster.pools"},
   
};

/// Groups whose kinds configure access, traffic, certificates, text or observation: a kind of theirs that is in
/// no table cannot change the result either.
constexpr const char* harmless_groups[] = {
    "rbac.authorization.k8s.io", "networking.k8s.io", "gateway.networking.k8s.io", "apiextensions.k8s.io", "admissionregistration.k8s.io", "apiregistration.k8s.io",
    "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "flowcontrol.apiserver.k8s.io", "node.k8s.io", "storage.k8s.io",
    "snapshot.storage.k8s.io", "secrets-store.csi.x-k8s.io", "cert-manager.io", "acme.cert-manager.io", "external-secrets.io", "bitnami.com", "traefik.io",
    "traefik.containo.us", "security.istio.io", "telemetry.istio.io", "extensions.istio.io", "cilium.io", "crd.projectcalico.org", "kyverno.io", "policies.kyverno.io", "wgpolicyk8s.io",
    "templates.gatekeeper.sh", "constraints.gatekeeper.sh", "grafana.integreatly.org", "opentelemetry.io", "logging.banzaicloud.io", "jaegertracing.io",
    "nfd.k8s-sigs.io", "elbv2.k8s.aws", "vpcresources.k8s.aws", "crd.k8s.amazonaws.com", "cloud.google.com", "networking.gke.io", "source.toolkit.fluxcd.io",
    "notification.toolkit.fluxcd.io", "velero.io", "longhorn.io", "ceph.rook.io", "metrics.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
    "image.toolkit.fluxcd.io", "externaldns.k8s.io", "eventing.keda.sh", "tekton.dev", "triggers.tekton.dev", "external-dns.io", "generators.external-secrets.io",
    "internal.apiserver.k8s.io", "storagemigration.k8s.io", "k8s.cni.cncf.io", "sriovnetwork.openshift.io", "mellanox.com", "linkerd.io", "policy.linkerd.io",
    "gateway.envoyproxy.io", "aigateway.envoyproxy.io", "gateway.kgateway.dev", "kuadrant.io", "operators.coreos.com", "operator.openshift.io", "config.openshift.io",
    "route.openshift.io", "image.openshift.io", "project.openshift.io", "security.openshift.io", "user.openshift.io", "oauth.openshift.io",
    // What Knative makes of its Services, which are read themselves.
    "serving.knative.dev", "networking.internal.knative.dev", "autoscaling.internal.knative.dev", "caching.internal.knative.dev",
    // Kueue admits workloads that name a queue (label kueue.x-k8s.io/queue-name), which are refused there.
    "kueue.x-k8s.io", "visibility.kueue.x-k8s.io"};

}  // namespace

const Node* find_template(const Node& node) {
    if (node.is_text())
        for (const char* mark : {"{{ .Values", "{{.Values", "{{ .Release", "{{.Release", "{{ include", "{{- include", "{{ template", "{{ .Chart"})
            if (node.text.find(mark) != std::string::npos) return &node;
    for (const Node& child : node.children)
        if (const Node* found = find_template(child)) return found;
    return nullptr;
}

std::string advice_for(const Document& document) {
    const auto has = [&](const char* key) { return document.root.find(key) != nullptr; };
    const std::string name = document.file.substr(document.file.rfind('/') + 1);
    const std::string folder = document.file.size() > name.size() ? document.file.substr(0, document.file.size() - name.size() - 1) : ".";
    if (name.starts_with("kustomization.")) return "; an overlay, build it first: kustomize build " + folder + " | windtunnel run -f -";
    if (has("services") && !has("servingEngineSpec")) return "; it looks like a Docker Compose file, leave it out";
    if (has("scrape_configs") || has("global")) return "; it looks like Prometheus' own configuration, whose scrape interval is prometheus.scrape_interval_s in the scenario; leave it out";
    if (has("AWSTemplateFormatVersion") || has("Resources")) return "; it looks like a CloudFormation template, leave it out";
    if (has("jobs") && has("on")) return "; it looks like a workflow of GitHub Actions, leave it out";
    if (has("workload") || has("manifests")) return "; a scenario needs apiVersion: windtunnel/v1 and kind: Scenario";
    if (!has("apiVersion") && !has("kind")) return "; if these are values of a chart, render it first: helm template NAME CHART -f " + name + " | windtunnel run -f -";
    if (name == "Chart.yaml") return "; a chart, render it first: helm template NAME " + folder + " | windtunnel run -f -";
    return "";
}

bool is_kustomization(const Document& document) {
    const std::string name = document.file.substr(document.file.rfind('/') + 1);
    const std::string version = document.root.text_at({"apiVersion"});
    return version.starts_with("kustomize.config.k8s.io/") || (version.empty() && name.starts_with("kustomization."));
}

void read_kustomization(Decoder& object, const std::vector<Document>& documents) {
    const std::string folder = object.file().find('/') == std::string::npos ? "" : object.file().substr(0, object.file().rfind('/') + 1);
    const std::string build = "allowed: a list of files; for more, build it first: kustomize build " + (folder.empty() ? "." : folder) + " | windtunnel run -f -";
    for (const char* key : {"resources", "bases"})
        for (const std::string& entry : object.texts(key)) {
            const std::string path = folder + (entry.starts_with("./") ? entry.substr(2) : entry);
            const bool read = std::any_of(documents.begin(), documents.end(), [&](const Document& d) {
                return d.file == path || d.file.starts_with(path.ends_with("/") ? path : path + "/");
            });
            if (!read) object.error(key, "names " + entry + ", which is not among the manifests; " + build);
        }
    object.unsupported({"patches", "patchesStrategicMerge", "patchesJson6902", "images", "replicas", "namePrefix", "nameSuffix", "configMapGenerator",
                        "components", "generators", "transformers", "replacements", "vars", "helmCharts", "helmChartInflationGenerator"},
                       build);
    object.quiet({"apiVersion", "kind", "metadata", "namespace", "commonLabels", "commonAnnotations", "labels", "secretGenerator", "generatorOptions", "configurations",
                  "crds", "openapi", "buildMetadata", "sortOptions", "helmGlobals", "validators"});
    object.finish();
}

const KindRow* find_kind(const std::string& kind) {
    const auto* found = std::find_if(std::begin(other_kinds), std::end(other_kinds), [&](const KindRow& row) { return kind == row.kind; });
    return found == std::end(other_kinds) ? nullptr : found;
}

std::vector<std::string> other_kind_names() {
    std::vector<std::string> names;
    for (const KindRow& row : other_kinds) names.emplace_back(row.kind);
    return names;
}

bool is_object_name(const std::string& name) {
    const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    if (name.empty() || name.size() > 253 || !alphanumeric(name.front()) || !alphanumeric(name.back())) return false;
    return std::all_of(name.begin(), name.end(), [&](char c) { return alphanumeric(c) || c == '-' || c == '.'; });
}

bool is_harmless_group(const std::string& group) {
    return std::any_of(std::begin(harmless_groups), std::end(harmless_groups), [&](const char* g) { return group == g; });
}

}  // namespace windtunnel
