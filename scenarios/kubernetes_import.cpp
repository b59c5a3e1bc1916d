#include <algorithm>
#include <map>

#include "scenarios/assignment.hpp"
#include "scenarios/kubernetes.hpp"

namespace windtunnel {
namespace {

/// What the importer does with an object of a kind that it does not read.
enum class KindRole : std::uint8_t { note, warn, refuse, gpu_refuse };

struct KindRow {
    const char* kind;
    KindRole role;
    const char* why = "";
};

constexpr KindRow other_kinds[] = {
    // They say who may do what, hold text, or move traffic and logs: no replica, node or request changes.
    {"ConfigMap", KindRole::note}, {"Secret", KindRole::note}, {"SealedSecret", KindRole::note}, {"ExternalSecret", KindRole::note},
    {"SecretStore", KindRole::note}, {"ClusterSecretStore", KindRole::note}, {"ServiceAccount", KindRole::note},
    {"Role", KindRole::note}, {"RoleBinding", KindRole::note}, {"ClusterRole", KindRole::note}, {"ClusterRoleBinding", KindRole::note},
    {"Namespace", KindRole::note}, {"Ingress", KindRole::note}, {"IngressClass", KindRole::note}, {"NetworkPolicy", KindRole::note},
    {"PersistentVolumeClaim", KindRole::note}, {"PersistentVolume", KindRole::note}, {"StorageClass", KindRole::note},
    {"Endpoints", KindRole::note}, {"EndpointSlice", KindRole::note}, {"CustomResourceDefinition", KindRole::note},
    {"PrometheusRule", KindRole::note}, {"Probe", KindRole::note}, {"TriggerAuthentication", KindRole::note},
    {"ClusterTriggerAuthentication", KindRole::note}, {"Certificate", KindRole::note}, {"Issuer", KindRole::note}, {"ClusterIssuer", KindRole::note},
    {"Gateway", KindRole::note}, {"GatewayClass", KindRole::note}, {"HTTPRoute", KindRole::note}, {"GRPCRoute", KindRole::note},
    {"APIService", KindRole::note}, {"PodSecurityPolicy", KindRole::note}, {"RuntimeClass", KindRole::note}, {"CSIDriver", KindRole::note},
    {"ValidatingWebhookConfiguration", KindRole::note}, {"MutatingWebhookConfiguration", KindRole::note}, {"Lease", KindRole::note},
    {"Event", KindRole::note}, {"Application", KindRole::note}, {"ApplicationSet", KindRole::note}, {"AppProject", KindRole::note},
    {"GrafanaDashboard", KindRole::note}, {"GrafanaDatasource", KindRole::note}, {"Grafana", KindRole::note}, {"GrafanaFolder", KindRole::note},
    {"Prometheus", KindRole::note}, {"Alertmanager", KindRole::note}, {"AlertmanagerConfig", KindRole::note}, {"ScrapeConfig", KindRole::note},
    {"OpenTelemetryCollector", KindRole::note}, {"Instrumentation", KindRole::note}, {"Telemetry", KindRole::note},
    {"FrontendConfig", KindRole::note}, {"ManagedCertificate", KindRole::note}, {"ReferenceGrant", KindRole::note}, {"Middleware", KindRole::note},
    {"IngressRoute", KindRole::note}, {"TargetGroupBinding", KindRole::note}, {"TLSRoute", KindRole::note}, {"TCPRoute", KindRole::note},
    {"PeerAuthentication", KindRole::note}, {"RequestAuthentication", KindRole::note}, {"AuthorizationPolicy", KindRole::note},
    {"ServiceEntry", KindRole::note}, {"Sidecar", KindRole::note}, {"CiliumNetworkPolicy", KindRole::note}, {"VolumeSnapshot", KindRole::note},
    {"VolumeSnapshotClass", KindRole::note}, {"VolumeAttributesClass", KindRole::note}, {"SecretProviderClass", KindRole::note},
    {"PodTemplate", KindRole::note}, {"ControllerRevision", KindRole::note}, {"PodMetrics", KindRole::note}, {"ClusterPolicy", KindRole::note},
    {"NodeFeatureDiscovery", KindRole::note}, {"ValidatingAdmissionPolicy", KindRole::note}, {"ValidatingAdmissionPolicyBinding", KindRole::note},
    // They say how requests find a replica, which the scenario says here.
    {"VirtualService", KindRole::warn, "its routes, retries and time-outs are not read; the scenario's workload says routing, timeout_s and retry"},
    {"DestinationRule", KindRole::warn, "its load balancing is not read; the scenario's workload says routing"},
    {"BackendConfig", KindRole::warn, "its time-outs are not read; the scenario's workload says timeout_s"},
    {"GCPBackendPolicy", KindRole::warn, "its time-outs are not read; the scenario's workload says timeout_s"},
    {"BackendTrafficPolicy", KindRole::warn, "its load balancing and time-outs are not read; the scenario's workload says routing and timeout_s"},
    {"HealthCheckPolicy", KindRole::warn, "the load balancer's health checks are not simulated; pods take requests when they are Ready"},
    {"InferencePool", KindRole::warn, "the gateway's endpoint picker is not simulated; the scenario's workload says routing"},
    {"InferenceModel", KindRole::warn, "the gateway's endpoint picker is not simulated; the scenario's workload says routing"},
    {"InferenceObjective", KindRole::warn, "the gateway's endpoint picker is not simulated; the scenario's workload says routing"},
    // They run pods; without GPUs they only take CPU and memory, which is not counted.
    {"DaemonSet", KindRole::gpu_refuse, "a DaemonSet whose pods use GPUs"},
    {"Job", KindRole::gpu_refuse, "a Job whose pods use GPUs"},
    {"Pod", KindRole::gpu_refuse, "a bare pod that uses GPUs; write a Deployment"},
    // They decide about replicas, nodes, placement or admission.
    {"Provisioner", KindRole::refuse, "an object of Karpenter before v0.32; write it as a NodePool (apiVersion karpenter.sh/v1): spec.requirements, taints and labels go into spec.template, ttlSecondsAfterEmpty and consolidation into spec.disruption (karpenter-convert does it)"},
    {"AWSNodeTemplate", KindRole::refuse, "an object of Karpenter before v0.32; write it as an EC2NodeClass (apiVersion karpenter.k8s.aws/v1)"},
    {"NodeOverlay", KindRole::refuse, "prices and capacities that an overlay changes; write cluster.pools with price_usd_per_hour"},
    {"VerticalPodAutoscaler", KindRole::refuse, "vertical autoscaling"},
    {"ScaledJob", KindRole::refuse, "KEDA jobs; write a ScaledObject over a Deployment"},
    {"ResourceQuota", KindRole::refuse, "quotas"},
    {"LimitRange", KindRole::refuse, "default requests; write them on the containers"},
    {"Kustomization", KindRole::refuse, "an overlay; build it first: kustomize build . | windtunnel run -f -"},
    {"HelmRelease", KindRole::refuse, "a chart; render it first: helm template ... | windtunnel run -f -"},
    {"LeaderWorkerSet", KindRole::refuse, "a server over several nodes"},
    {"InferenceService", KindRole::refuse, "KServe; write the Deployment it makes"},
    {"ServingRuntime", KindRole::refuse, "KServe; write the Deployment it makes"},
    {"RayService", KindRole::refuse, "Ray; write a Deployment"},
    {"RayCluster", KindRole::refuse, "Ray; write a Deployment"},
    {"ClusterServingRuntime", KindRole::refuse, "KServe; write the Deployment it makes"},
    {"LLMInferenceService", KindRole::refuse, "KServe; write the Deployment it makes"},
    {"InferenceGraph", KindRole::refuse, "KServe; write the Deployments it makes"},
    {"HTTPScaledObject", KindRole::refuse, "KEDA's HTTP add-on; write a ScaledObject"},
    {"VLLMRuntime", KindRole::refuse, "the production stack's operator; write the Deployment it makes"},
    {"ComputeClass", KindRole::refuse, "nodes that GKE chooses; write cluster.pools in the scenario"},
    {"MachineSet", KindRole::refuse, "nodes of the Cluster API; write cluster.pools in the scenario"},
    {"MachineDeployment", KindRole::refuse, "nodes of the Cluster API; write cluster.pools in the scenario"},
    {"ClusterQueue", KindRole::refuse, "Kueue's admission"},
    {"LocalQueue", KindRole::refuse, "Kueue's admission"},
    {"ResourceFlavor", KindRole::refuse, "Kueue's admission"},
    {"PodGroup", KindRole::refuse, "gang scheduling"},
    {"Rollout", KindRole::refuse, "Argo rollouts; write a Deployment"},
    {"Node", KindRole::refuse, "single nodes; write cluster.pools in the scenario"},
    {"ReplicationController", KindRole::refuse, "an obsolete kind; write a Deployment"},
    {"ResourceClaim", KindRole::refuse, "dynamic resource allocation"},
    {"ResourceClaimTemplate", KindRole::refuse, "dynamic resource allocation"},
    {"DeviceClass", KindRole::refuse, "dynamic resource allocation"},
};

const std::vector<std::string> read_kinds = {"Deployment", "StatefulSet", "ReplicaSet", "Service", "HorizontalPodAutoscaler", "ScaledObject",
                                             "ClusterConfig", "PodDisruptionBudget", "PriorityClass", "CronJob", "ServiceMonitor", "PodMonitor",
                                             "PodMonitoring", "ClusterPodMonitoring", "NodePool", "EC2NodeClass",
                                             "AKSNodeClass", "NodeClaim"};

/// Which API versions each kind that is read may come in.
const std::map<std::string, std::vector<std::string>> api_versions = {
    {"Deployment", {"apps/v1"}}, {"StatefulSet", {"apps/v1"}}, {"ReplicaSet", {"apps/v1"}}, {"Service", {"v1"}},
    {"HorizontalPodAutoscaler", {"autoscaling/v2", "autoscaling/v2beta2", "autoscaling/v2beta1", "autoscaling/v1"}},
    {"ScaledObject", {"keda.sh/v1alpha1"}}, {"ClusterConfig", {"eksctl.io/v1alpha5"}}, {"PodDisruptionBudget", {"policy/v1", "policy/v1beta1"}},
    {"PriorityClass", {"scheduling.k8s.io/v1"}}, {"CronJob", {"batch/v1", "batch/v1beta1"}},
    {"ServiceMonitor", {"monitoring.coreos.com/v1"}}, {"PodMonitor", {"monitoring.coreos.com/v1"}},
    {"PodMonitoring", {"monitoring.googleapis.com/v1"}}, {"ClusterPodMonitoring", {"monitoring.googleapis.com/v1"}},
    {"NodePool", {"karpenter.sh/v1", "karpenter.sh/v1beta1"}}, {"NodeClaim", {"karpenter.sh/v1", "karpenter.sh/v1beta1"}},
    {"EC2NodeClass", {"karpenter.k8s.aws/v1", "karpenter.k8s.aws/v1beta1"}},
    {"AKSNodeClass", {"karpenter.azure.com/v1alpha2", "karpenter.azure.com/v1beta1"}}};

/// Whether any pod spec below this node asks for a GPU.
bool asks_for_gpu(const Node& node) {
    if (node.is_map() && (node.find("nvidia.com/gpu") || node.find("amd.com/gpu"))) return true;
    return std::any_of(node.children.begin(), node.children.end(), asks_for_gpu);
}

/// The first text below a node that a template engine should have replaced.
const Node* find_template(const Node& node) {
    if (node.is_text())
        for (const char* mark : {"{{ .Values", "{{.Values", "{{ .Release", "{{.Release", "{{ include", "{{- include", "{{ template", "{{ .Chart"})
            if (node.text.find(mark) != std::string::npos) return &node;
    for (const Node& child : node.children)
        if (const Node* found = find_template(child)) return found;
    return nullptr;
}

class Importer {
public:
    Importer(Manifests& out, Findings& findings) : m_out(out), m_findings(findings) {
        for (const Document& document : out.documents) {
            if (document.root.text_at({"kind"}) != "ConfigMap") continue;
            const std::string name_space = document.root.text_at({"metadata", "namespace"});
            const Node* data = document.root.find("data");
            if (data) m_config_maps[(name_space.empty() ? "default" : name_space) + "|" + document.root.text_at({"metadata", "name"})] = data;
        }
    }

    void read(std::size_t index) {
        const Document& document = m_out.documents[index];
        if (!document.root.is_map()) {
            m_findings.errors.push_back({document.where(), "", "found " + describe(document.root) + ", allowed: a Kubernetes object with apiVersion and kind"});
            return;
        }
        Decoder object(document.root, "", document.file, m_findings);
        if (!object.has("kind") || !object.has("apiVersion")) {
            const bool values = document.file.ends_with("values.yaml") || document.file.ends_with("Chart.yaml");
            m_findings.errors.push_back({document.where(), "", std::string("has no apiVersion and kind, allowed: Kubernetes objects") +
                                                                   (values ? "; render the chart first: helm template ... | windtunnel run -f -" : "")});
            return;
        }
        if (const std::string owner = made_by(document.root); !owner.empty()) {
            object.note("", document.root.text_at({"kind"}) + "/" + document.root.text_at({"metadata", "name"}) + " is made by " + owner + ", from which it follows");
            return;
        }
        const std::string kind = object.text("kind").value_or("");
        const std::string api_version = object.text("apiVersion").value_or("");
        if (kind.empty() || api_version.empty()) return;
        if (kind != "ConfigMap" && kind != "PrometheusRule" && kind != "GrafanaDashboard")
            if (const Node* left = find_template(document.root)) {
                m_out.incomplete = true;
                m_findings.errors.push_back({document.where(*left), "", "found " + describe(*left) + ", text of a template, allowed: rendered manifests (helm template ... | windtunnel run -f -)"});
                return;
            }
        if (kind == "ConfigMap" && document.root.text_at({"metadata", "name"}) == "cluster-autoscaler-priority-expander") {
            const Node* data = document.root.find("data");
            const Node* text = data ? data->find("priorities") : nullptr;
            if (text && text->is_text()) m_out.expander_priorities = read_expander_priorities(text->text, document.where(*text), m_findings);
            else object.missing("data.priorities", "YAML text: a priority with a list of regular expressions");
            return;
        }
        if (std::find(read_kinds.begin(), read_kinds.end(), kind) == read_kinds.end()) {
            other(object, kind, document);
            return;
        }
        const auto& versions = api_versions.at(kind);
        if (std::find(versions.begin(), versions.end(), api_version) == versions.end()) {
            object.error("apiVersion", "found " + api_version + ", allowed for " + kind + ": " + join(versions));
            return;
        }
        ObjectMeta meta = decode_meta(object, kind, index);
        const auto [first, added] = m_seen.try_emplace(kind + "|" + meta.name_space + "|" + meta.name, meta.where);
        if (!added) {
            m_findings.errors.push_back({meta.where, "metadata.name", "found " + meta.title() + " a second time (first in " + first->second.file + ":" +
                                                                          std::to_string(first->second.line) + "), allowed: each object once"});
            return;
        }
        dispatch(object, kind, api_version, std::move(meta));
    }

private:
    /// The object among the documents that controls this one (`kubectl get all` prints both), or "".
    [[nodiscard]] std::string made_by(const Node& object) const {
        const Node* metadata = object.find("metadata");
        const Node* owners = metadata && metadata->is_map() ? metadata->find("ownerReferences") : nullptr;
        if (!owners || !owners->is_list()) return "";
        for (const Node& owner : owners->children) {
            const std::string kind = owner.text_at({"kind"}), name = owner.text_at({"name"});
            // A pod's ReplicaSet may have been left out: its name is the Deployment's and a hash.
            const std::string deployment = kind == "ReplicaSet" ? name.substr(0, name.rfind('-')) : "";
            for (const Document& d : m_out.documents) {
                if (d.root.text_at({"metadata", "namespace"}) != object.text_at({"metadata", "namespace"})) continue;
                const std::string here = d.root.text_at({"kind"}), its_name = d.root.text_at({"metadata", "name"});
                if (!kind.empty() && ((here == kind && its_name == name) || (here == "Deployment" && its_name == deployment))) return here + "/" + its_name;
            }
        }
        return "";
    }

    ObjectMeta decode_meta(Decoder& object, const std::string& kind, std::size_t index) {
        ObjectMeta meta;
        meta.kind = kind;
        meta.where = object.where();
        meta.document = index;
        if (!object.has("metadata")) object.missing("metadata", "a map with the object's name");
        Decoder metadata = object.child("metadata");
        meta.name = object.has("metadata") ? metadata.required_text("name") : "";
        meta.name_space = metadata.text("namespace").value_or("default");
        meta.labels = metadata.text_map("labels");
        meta.annotations = metadata.text_map("annotations");
        metadata.quiet({"creationTimestamp", "uid", "resourceVersion", "generation", "managedFields", "ownerReferences", "finalizers",
                        "generateName", "selfLink", "deletionTimestamp"});
        if (kind == "ClusterConfig") metadata.quiet({"region", "version", "tags"});
        metadata.finish();
        object.quiet({"apiVersion", "kind", "status"});
        return meta;
    }

    void dispatch(Decoder& object, const std::string& kind, const std::string& api_version, ObjectMeta meta) {
        if (kind == "Deployment" || kind == "StatefulSet" || kind == "ReplicaSet") {
            m_out.workloads.push_back(decode_workload(object, std::move(meta)));
            const WorkloadObject& workload = m_out.workloads.back();
            for (const Container& container : workload.pod.containers) {
                auto settings = read_cluster_autoscaler(container, workload.meta, m_findings);
                if (!settings) continue;
                if (m_out.cluster_autoscaler)
                    object.error("", workload.meta.title() + " is a second cluster-autoscaler beside " + m_out.cluster_autoscaler->meta.title() + ", allowed: one");
                m_out.cluster_autoscaler = std::move(settings);
            }
        } else if (kind == "Service") {
            m_out.services.push_back(decode_service(object, std::move(meta)));
        } else if (kind == "HorizontalPodAutoscaler") {
            m_out.horizontal_pod_autoscalers.push_back(decode_horizontal_pod_autoscaler(object, std::move(meta), api_version));
        } else if (kind == "ScaledObject") {
            m_out.scaled_objects.push_back(decode_scaled_object(object, std::move(meta)));
        } else if (kind == "ClusterConfig") {
            std::string region;
            for (NodeGroup& group : decode_cluster_config(object, meta, region)) m_out.node_groups.push_back(std::move(group));
            if (!m_out.cluster_region.empty() && !region.empty() && region != m_out.cluster_region)
                object.error("metadata", "found the region " + region + " besides " + m_out.cluster_region + ", allowed: one region");
            m_out.cluster_region = region;
        } else if (kind == "PodDisruptionBudget") {
            m_out.pod_disruption_budgets.push_back(decode_pod_disruption_budget(object, std::move(meta)));
        } else if (kind == "PriorityClass") {
            m_out.priority_classes.push_back(decode_priority_class(object, std::move(meta)));
        } else if (kind == "NodePool") {
            m_out.node_pools.push_back(decode_node_pool(object, std::move(meta), api_version.ends_with("v1beta1")));
        } else if (kind == "EC2NodeClass") {
            m_out.node_classes.push_back(decode_ec2_node_class(object, std::move(meta), api_version.ends_with("v1beta1")));
        } else if (kind == "AKSNodeClass") {
            m_out.node_classes.push_back(decode_aks_node_class(object, std::move(meta)));
        } else if (kind == "NodeClaim") {
            m_out.node_claims.push_back(decode_node_claim(object, std::move(meta)));
        } else if (kind == "CronJob") {
            if (auto job = decode_cron_job(object, std::move(meta))) m_out.scaling_cron_jobs.push_back(std::move(*job));
            object.quiet({"spec"});
        } else {
            m_out.monitors.push_back(decode_metrics_monitor(object, std::move(meta)));
        }
        object.finish();
    }

    WorkloadObject decode_workload(Decoder& object, ObjectMeta meta);
    void fill_environment(Container& container, const std::string& name_space) const;
    static Service decode_service(Decoder& object, ObjectMeta meta);

    void other(Decoder& object, const std::string& kind, const Document& document) {
        std::vector<std::string> names = read_kinds;
        for (const KindRow& row : other_kinds) {
            names.emplace_back(row.kind);
            if (kind != row.kind) continue;
            const std::string title = kind + "/" + document.root.text_at({"metadata", "name"});
            if (row.role == KindRole::warn)
                object.warn("", title + ": " + row.why);
            else if (row.role == KindRole::note || (row.role == KindRole::gpu_refuse && !asks_for_gpu(document.root)))
                object.note("", title + " does not change the result");
            else
                object.error("", title + " would change the result and is not simulated: " + row.why);
            return;
        }
        object.error("kind", "found " + kind + ", which is no known kind" + did_you_mean(kind, names) +
                                 "; if it cannot change the result, leave its file out");
    }

    Manifests& m_out;
    Findings& m_findings;
    std::map<std::string, SourcePosition> m_seen;
    std::map<std::string, const Node*> m_config_maps;  ///< "namespace|name" -> data
};

/// Variables that come from ConfigMaps among the manifests get their values.
void Importer::fill_environment(Container& container, const std::string& name_space) const {
    const auto data_of = [&](const std::string& name) -> const Node* {
        const auto found = m_config_maps.find(name_space + "|" + name);
        return found == m_config_maps.end() ? nullptr : found->second;
    };
    for (EnvironmentVariable& variable : container.environment) {
        const Node* data = variable.known ? nullptr : data_of(variable.config_map);
        const Node* value = data ? data->find(variable.config_key) : nullptr;
        if (!value || !value->is_text()) continue;
        variable.value = value->text;
        variable.known = true;
    }
    std::vector<EnvironmentVariable> all;
    for (const std::string& name : container.config_maps)
        if (const Node* data = data_of(name))
            for (const Node& member : data->children)
                if (member.is_text()) all.push_back({member.key, member.text, true, name, member.key});
    all.insert(all.end(), container.environment.begin(), container.environment.end());  // `env` wins: it comes later
    container.environment = std::move(all);
}

WorkloadObject Importer::decode_workload(Decoder& object, ObjectMeta meta) {
    WorkloadObject out;
    out.meta = std::move(meta);
    const bool stateful = out.meta.kind == "StatefulSet";
    out.kind = stateful ? WorkloadKind::stateful_set : out.meta.kind == "ReplicaSet" ? WorkloadKind::replica_set : WorkloadKind::deployment;
    if (!object.has("spec")) object.missing("spec", "the workload's spec");
    Decoder spec = object.child("spec");
    out.replicas_given = spec.has("replicas");
    out.replicas = spec.int32("replicas", 0).value_or(1);
    if (!spec.has("selector")) spec.missing("selector", "matchLabels that the template's labels carry");
    out.selector = decode_label_selector(spec.child("selector"));
    if (!spec.has("template")) spec.missing("template", "the pod template");
    out.pod = decode_pod_template(spec.child("template"));
    if (spec.has("selector") && spec.has("template") && !out.selector.matches(out.pod.labels))
        spec.error("selector", "matches none of the template's labels, allowed: labels of spec.template.metadata.labels");
    out.min_ready = seconds(spec.int32("minReadySeconds", 0).value_or(0));
    if (stateful) {
        // Treated as a Deployment that takes one pod down at a time.
        object.note("", out.meta.title() + " is treated as a Deployment with maxUnavailable 1: the order of its pods is not simulated");
        out.max_surge = {0, false};
        out.max_unavailable = {1, false};
        Decoder strategy = spec.child("updateStrategy");
        const auto type = strategy.text("type").value_or("RollingUpdate");
        if (type != "RollingUpdate") strategy.error("type", "found " + type + ", allowed: RollingUpdate");
        strategy.harmless({"rollingUpdate"});
        strategy.finish();
        spec.harmless({"volumeClaimTemplates", "persistentVolumeClaimRetentionPolicy"});
        spec.quiet({"serviceName", "podManagementPolicy", "ordinals"});
    } else if (out.kind == WorkloadKind::deployment) {
        Decoder strategy = spec.child("strategy");
        out.recreate = strategy.choice<bool>("type", {{"RollingUpdate", false}, {"Recreate", true}}).value_or(false);
        if (out.recreate && strategy.has("rollingUpdate")) strategy.error("rollingUpdate", "stands beside type Recreate, allowed: only with RollingUpdate");
        Decoder rolling = strategy.child("rollingUpdate");
        out.max_surge = rolling.int_or_percent("maxSurge").value_or(out.max_surge);
        out.max_unavailable = rolling.int_or_percent("maxUnavailable").value_or(out.max_unavailable);
        if (rolling.has("maxSurge") && rolling.has("maxUnavailable") && out.max_surge.value == 0 && out.max_unavailable.value == 0)
            rolling.error("maxUnavailable", "found 0 with maxSurge 0, allowed: at least one of them above 0");
        rolling.finish();
        strategy.finish();
        out.progress_deadline = seconds(spec.int32("progressDeadlineSeconds", 0).value_or(600));
        out.paused = spec.boolean("paused").value_or(false);
    }
    spec.quiet({"revisionHistoryLimit"});
    spec.finish();

    for (std::size_t i = 0; i < out.pod.containers.size() && !out.server; ++i) {
        fill_environment(out.pod.containers[i], out.meta.name_space);
        out.server = read_model_server(out.pod.containers[i], m_findings);
        out.server_container = i;
    }
    for (const auto* annotations : {&out.meta.annotations, &out.pod.annotations}) {
        const bool template_ones = annotations == &out.pod.annotations;
        const std::string path = template_ones ? "spec.template.metadata.annotations" : "metadata.annotations";
        auto declared = read_server_annotations(*annotations, out.server.value_or(ModelServer{}), m_out.where(out.meta, path), path, m_findings);
        if (!declared) continue;
        const bool recognised = out.server.has_value();
        out.server = std::move(declared);
        if (recognised) continue;
        out.server_container = 0;
        for (std::size_t i = 0; i < out.pod.containers.size(); ++i)
            if (out.pod.containers[i].resources.gpus() > 0) out.server_container = i;
    }
    if (!out.server && out.pod.gpus() > 0)
        object.warn("", out.meta.title() + " uses GPUs and is no model server that is known; declare it with workload.server in the scenario or windtunnel.dev/model annotations");
    return out;
}

Service Importer::decode_service(Decoder& object, ObjectMeta meta) {
    Service out;
    out.meta = std::move(meta);
    Decoder spec = object.child("spec");
    out.selector = spec.text_map("selector");
    out.client_ip_affinity = spec.choice<bool>("sessionAffinity", {{"None", false}, {"ClientIP", true}}).value_or(false);
    out.headless = spec.text("clusterIP").value_or("") == "None";
    out.publish_not_ready = spec.boolean("publishNotReadyAddresses").value_or(false);
    spec.quiet({"ports", "type", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges",
                "externalTrafficPolicy", "internalTrafficPolicy", "externalIPs", "externalName", "healthCheckNodePort",
                "allocateLoadBalancerNodePorts", "sessionAffinityConfig", "trafficDistribution"});
    spec.finish();
    return out;
}

}  // namespace

const WorkloadObject* Manifests::find_workload(const std::string& kind, const std::string& name, const std::string& name_space) const {
    for (const WorkloadObject& w : workloads)
        if (w.meta.kind == kind && w.meta.name == name && w.meta.name_space == name_space) return &w;
    return nullptr;
}

SourcePosition Manifests::where(const ObjectMeta& object, const std::string& path) const {
    if (object.document >= documents.size()) return object.where;
    const Document& document = documents[object.document];
    const Node* node = &document.root;
    const auto steps = parse_path(path);
    if (!steps) return object.where;
    for (const PathStep& step : *steps) {
        const Node* next = step.index ? (*step.index < node->children.size() ? &node->children[*step.index] : nullptr) : node->find(step.key);
        if (!next) break;
        node = next;
    }
    return document.where(*node);
}

Manifests import_kubernetes(std::vector<Document> documents, Findings& findings) {
    Manifests out;
    out.documents = std::move(documents);
    Importer importer(out, findings);
    for (std::size_t i = 0; i < out.documents.size(); ++i) importer.read(i);
    if (!out.incomplete) check_references(out, findings);
    return out;
}

}  // namespace windtunnel
