#include <algorithm>
#include <map>

#include "scenarios/documents/assignment.hpp"
#include "scenarios/kubernetes/kubernetes.hpp"
#include "scenarios/kubernetes/kubernetes_kinds.hpp"
#include "scenarios/operators/derived_workloads.hpp"
#include "scenarios/servers/other_servers.hpp"

namespace windtunnel {
namespace {

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
        if (read_tool_output(document.root, "", document.file)) return;
        if (!document.root.is_map()) {
            m_findings.errors.push_back({document.where(), "", "found " + describe(document.root) + ", allowed: a Kubernetes object with apiVersion and kind"});
            return;
        }
        Decoder object(document.root, "", document.file, m_findings);
        if (!object.has("kind") || !object.has("apiVersion")) {
            if (document.root.find("groups") && document.root.find("groups")->is_list() && !object.has("kind")) return read_rule_file(object);
            if (is_kustomization(document)) return read_kustomization(object, m_out.documents);
            m_findings.errors.push_back({document.where(), "", "has no apiVersion and kind, allowed: Kubernetes objects" + advice_for(document)});
            return;
        }
        if (is_derived_kind(document.root.text_at({"kind"}), document.root.text_at({"apiVersion"}))) {
            if (document.root.text_at({"metadata", "name"}).empty()) (void)decode_meta(object, document.root.text_at({"kind"}), index);
            return;  // what it makes stands among the documents
        }
        if (read_live(object, index)) return;
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
        if (kind == "ClusterPolicy" && api_version.starts_with("nvidia.com/")) {
            decode_cluster_policy(object, m_out.gpu_sharing);
            return;
        }
        if (is_kustomization(document)) return read_kustomization(object, m_out.documents);
        const ReadRow* row = find_row(kind);
        if (row == nullptr) {
            other(object, kind, api_version, document);
            return;
        }
        const auto is_version = [&](const std::string& v) { return v.ends_with("*") ? api_version.starts_with(v.substr(0, v.size() - 1)) : v == api_version; };
        if (std::none_of(row->versions.begin(), row->versions.end(), is_version)) {
            m_out.incomplete = true;
            object.error("apiVersion", "found " + api_version + ", allowed for " + kind + ": " + join(row->versions));
            return;
        }
        ObjectMeta meta = decode_meta(object, kind, index);
        const auto [first, added] = m_seen.try_emplace(kind + "|" + meta.name_space + "|" + meta.name, meta.where);
        if (!added) {
            m_findings.errors.push_back({meta.where, "metadata.name", "found " + meta.title() + " a second time (first in " + first->second.file + ":" +
                                                                          std::to_string(first->second.line) + "), allowed: each object once"});
            return;
        }
        const std::size_t errors = m_findings.errors.size(), warnings = m_findings.warnings.size();
        const std::string title = meta.title();
        (this->*row->read)(object, std::move(meta));
        object.finish();
        if (document.made_from.empty()) return;
        // Paths of an object that no file holds say whose they are.
        for (std::size_t i = errors; i < m_findings.errors.size(); ++i) m_findings.errors[i].path = title + ":" + m_findings.errors[i].path;
        for (std::size_t i = warnings; i < m_findings.warnings.size(); ++i) m_findings.warnings[i].path = title + ":" + m_findings.warnings[i].path;
    }

    /// What needs all documents: admission's defaults, and one line for everything that was left aside.
    void finish() {
        const auto admit = [&](PodTemplate& pod, const ObjectMeta& meta) {
            for (const LimitRangeObject& range : m_out.limit_ranges)
                if (range.meta.name_space == meta.name_space) apply_limit_range(range, pod, meta.title(), m_findings);
        };
        for (WorkloadObject& w : m_out.workloads) {
            admit(w.pod, w.meta);
            if (w.leader) admit(*w.leader, w.meta);
        }
        for (DaemonSetObject& d : m_out.daemon_sets) admit(d.pod, d.meta);
        for (const LimitRangeObject& range : m_out.limit_ranges)
            for (const VolumeClaim& claim : m_out.volume_claims)
                if (range.meta.name_space == claim.meta.name_space) check_claim(range, claim, m_findings);
        for (BarePod& p : m_out.bare_pods) admit(p.pod, p.meta);
        for (JobObject& j : m_out.jobs) admit(j.pod, j.meta);
        for (CronJobObject& j : m_out.cron_jobs) admit(j.job.pod, j.meta);
        for (ScaledJobObject& j : m_out.scaled_jobs) admit(j.job.pod, j.meta);
        if (m_aside.empty()) return;
        std::size_t objects = 0;
        std::string names;
        for (const auto& [kind, titles] : m_aside) {
            objects += titles.size();
            names += (names.empty() ? "" : "; ") + kind + " " + (titles.size() > 3 ? "(" + std::to_string(titles.size()) + ")" : join(titles));
        }
        if (objects == 1) names = m_aside.begin()->first + "/" + m_aside.begin()->second.front() + " does not change the result";
        else names = std::to_string(objects) + " objects do not change the result: " + names;
        m_findings.notes.push_back({m_first_aside, "", names});
    }

private:
    /// What `gcloud container` and `az aks` print has no kind: pools and clusters, alone or in a list.
    bool read_tool_output(const Node& node, const std::string& path, const std::string& file) {
        if (node.is_list() && !node.children.empty()) {
            const auto known = [](const Node& n) { return is_gcloud_pool(n) || is_gcloud_cluster(n) || is_az_pool(n) || is_az_cluster(n); };
            if (!std::all_of(node.children.begin(), node.children.end(), known)) return false;
            for (std::size_t i = 0; i < node.children.size(); ++i) (void)read_tool_output(node.children[i], path + "[" + std::to_string(i) + "]", file);
            return true;
        }
        Decoder object(node, path, file, m_findings);
        if (is_gcloud_pool(node)) m_out.node_groups.push_back(decode_gcloud_pool(object));
        else if (is_gcloud_cluster(node)) take_groups(decode_gcloud_cluster(object, m_out.auto_provisioning));
        else if (is_az_cluster(node)) take_groups(decode_az_cluster(object));
        else if (is_az_pool(node)) m_out.node_groups.push_back(decode_az_pool(object));
        else return false;
        return true;
    }
    void take_groups(std::vector<NodeGroup> groups) {
        for (NodeGroup& group : groups) m_out.node_groups.push_back(std::move(group));
    }

    using Reader = void (Importer::*)(Decoder&, ObjectMeta);
    struct ReadRow {
        std::string kind;
        std::vector<std::string> versions;  ///< the API versions it may come in
        Reader read;
    };

    /// The kinds that are read: one row each.
    static const std::vector<ReadRow>& rows() {
        static const std::vector<ReadRow> table = {
            {"Deployment", {"apps/v1"}, &Importer::read_workload},
            {"StatefulSet", {"apps/v1"}, &Importer::read_workload},
            {"ReplicaSet", {"apps/v1"}, &Importer::read_workload},
            {"ReplicationController", {"v1"}, &Importer::read_workload},
            {"LeaderWorkerSet", {"leaderworkerset.x-k8s.io/v1"}, &Importer::read_workload},
            {"Rollout", {"argoproj.io/v1alpha1"}, &Importer::read_workload},
            {"DaemonSet", {"apps/v1"}, &Importer::read_daemon_set},
            {"Pod", {"v1"}, &Importer::read_pod},
            {"Job", {"batch/v1"}, &Importer::read_job},
            {"CronJob", {"batch/v1", "batch/v1beta1"}, &Importer::read_cron_job},
            {"Service", {"v1"}, &Importer::read_service},
            {"Node", {"v1"}, &Importer::read_node},
            {"Namespace", {"v1"}, &Importer::read_namespace},
            {"ResourceQuota", {"v1"}, &Importer::read_quota},
            {"LimitRange", {"v1"}, &Importer::read_limit_range},
            {"StorageClass", {"storage.k8s.io/v1"}, &Importer::read_storage_class},
            {"PersistentVolumeClaim", {"v1"}, &Importer::read_claim},
            {"PersistentVolume", {"v1"}, &Importer::read_volume},
            {"HorizontalPodAutoscaler", {"autoscaling/v2", "autoscaling/v2beta2", "autoscaling/v2beta1", "autoscaling/v1"}, &Importer::read_autoscaler},
            {"ScaledObject", {"keda.sh/v1alpha1"}, &Importer::read_scaled_object},
            {"ScaledJob", {"keda.sh/v1alpha1"}, &Importer::read_scaled_job},
            {"ClusterConfig", {"eksctl.io/v1alpha5"}, &Importer::read_cluster_config},
            {"NodePool", {"karpenter.sh/v1", "karpenter.sh/v1beta1"}, &Importer::read_node_pool},
            {"NodeClaim", {"karpenter.sh/v1", "karpenter.sh/v1beta1"}, &Importer::read_node_claim},
            {"EC2NodeClass", {"karpenter.k8s.aws/v1", "karpenter.k8s.aws/v1beta1"}, &Importer::read_node_class},
            {"AKSNodeClass", {"karpenter.azure.com/v1alpha2", "karpenter.azure.com/v1beta1"}, &Importer::read_node_class},
            {"GCENodeClass", {"karpenter.k8s.gcp/*"}, &Importer::read_node_class},
            {"NodeOverlay", {"karpenter.sh/*"}, &Importer::read_node_overlay},
            {"NodeClass", {"eks.amazonaws.com/v1"}, &Importer::read_node_class},
            {"ContainerNodePool", {"container.cnrm.cloud.google.com/v1beta1"}, &Importer::read_container_node_pool},
            {"ContainerCluster", {"container.cnrm.cloud.google.com/v1beta1"}, &Importer::read_container_cluster},
            {"ComputeClass", {"cloud.google.com/v1"}, &Importer::read_compute_class},
            {"ManagedClustersAgentPool", {"containerservice.azure.com/*"}, &Importer::read_agent_pool},
            {"ManagedCluster", {"containerservice.azure.com/*"}, &Importer::read_managed_cluster},
            {"MachineDeployment", {"cluster.x-k8s.io/*"}, &Importer::read_machines},
            {"MachineSet", {"cluster.x-k8s.io/*"}, &Importer::read_machines},
            {"MachinePool", {"cluster.x-k8s.io/*"}, &Importer::read_machines},
            {"PodDisruptionBudget", {"policy/v1", "policy/v1beta1"}, &Importer::read_budget},
            {"PriorityClass", {"scheduling.k8s.io/v1"}, &Importer::read_priority_class},
            {"ServiceMonitor", {"monitoring.coreos.com/v1"}, &Importer::read_monitor},
            {"PodMonitor", {"monitoring.coreos.com/v1"}, &Importer::read_monitor},
            {"PodMonitoring", {"monitoring.googleapis.com/v1"}, &Importer::read_monitor},
            {"ClusterPodMonitoring", {"monitoring.googleapis.com/v1"}, &Importer::read_monitor},
            {"PrometheusRule", {"monitoring.coreos.com/v1"}, &Importer::read_rules},
            {"Rules", {"monitoring.googleapis.com/v1"}, &Importer::read_rules},
            {"ClusterRules", {"monitoring.googleapis.com/v1"}, &Importer::read_rules},
        };
        return table;
    }
    static const ReadRow* find_row(const std::string& kind) {
        for (const ReadRow& row : rows())
            if (row.kind == kind) return &row;
        return nullptr;
    }
    /// The object among the documents that controls this one (`kubectl get all` prints both), or "".
    [[nodiscard]] std::string made_by(const Node& object) const {
        const Node* metadata = object.find("metadata");
        const Node* owners = metadata && metadata->is_map() ? metadata->find("ownerReferences") : nullptr;
        if (!owners || !owners->is_list()) return "";
        for (const Node& owner : owners->children) {
            const std::string kind = owner.text_at({"kind"}), name = owner.text_at({"name"});
            if (is_derived_kind(kind, owner.text_at({"apiVersion"}))) continue;  // the made object says more than its maker
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

    /// A pod that a controller made is part of the start state; its owner has it.
    bool read_live(Decoder& object, std::size_t index) {
        const Node& root = object.node();
        if (root.text_at({"kind"}) != "Pod" || root.text_at({"apiVersion"}) != "v1") return false;
        const Node* metadata = root.find("metadata");
        const Node* owners = metadata && metadata->is_map() ? metadata->find("ownerReferences") : nullptr;
        if (!owners || !owners->is_list() || owners->children.empty()) return false;
        Findings aside;
        Decoder quiet(root, "", object.file(), aside);
        LivePod pod = decode_live_pod(quiet, decode_meta(quiet, "Pod", index));
        const std::string owner = made_by(root);
        const std::size_t slash = owner.find('/');
        pod.owner_kind = slash == std::string::npos ? owners->children[0].text_at({"kind"}) : owner.substr(0, slash);
        pod.owner_name = slash == std::string::npos ? owners->children[0].text_at({"name"}) : owner.substr(slash + 1);
        if (owners->children[0].text_at({"kind"}) == "ReplicaSet") {
            pod.owner_revision = owners->children[0].text_at({"name"});
            for (const Document& d : m_out.documents)
                if (d.root.text_at({"kind"}) == "ReplicaSet" && d.root.text_at({"metadata", "name"}) == pod.owner_revision &&
                    d.root.text_at({"metadata", "namespace"}) == root.text_at({"metadata", "namespace"})) {
                    const auto number = to_integer(d.root.text_at({"metadata", "annotations", "deployment.kubernetes.io/revision"}));
                    if (d.root.text_at({"kind"}) == "ReplicaSet" && owner.starts_with("ReplicaSet/")) {
                        // The ReplicaSet stands among the documents; its own owner has the pod.
                        const std::string above = made_by(d.root);
                        if (const std::size_t cut = above.find('/'); cut != std::string::npos) {
                            pod.owner_kind = above.substr(0, cut);
                            pod.owner_name = above.substr(cut + 1);
                        }
                    }
                    if (number) pod.revision = static_cast<std::int32_t>(*number);
                }
        }
        object.note("", pod.meta.title() + " is made by " + pod.owner_kind + "/" + pod.owner_name + ", from which it follows");
        m_out.live.pods.push_back(std::move(pod));
        return true;
    }

    ObjectMeta decode_meta(Decoder& object, const std::string& kind, std::size_t index) {
        ObjectMeta meta;
        meta.kind = kind;
        meta.where = object.where();
        meta.document = index;
        if (!object.has("metadata")) object.missing("metadata", "a map with the object's name");
        Decoder metadata = object.child("metadata");
        meta.name = object.has("metadata") ? metadata.required_text("name") : "";
        m_out.incomplete = m_out.incomplete || meta.name.empty();
        if (!meta.name.empty() && !is_object_name(meta.name))
            metadata.error("name", "found \"" + meta.name + "\", allowed: lower-case letters, digits, - and ., with a letter or digit at both ends" +
                                       (meta.name.find('$') != std::string::npos ? "; the variable was not replaced (envsubst < FILE | windtunnel run -f -)" : ""));
        meta.name_space = metadata.text("namespace").value_or("default");
        meta.labels = metadata.text_map("labels");
        meta.annotations = metadata.text_map("annotations");
        metadata.quiet({"creationTimestamp", "uid", "resourceVersion", "generation", "managedFields", "ownerReferences", "finalizers",
                        "generateName", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"});
        if (kind == "ClusterConfig") metadata.quiet({"region", "version", "tags"});
        metadata.finish();
        object.quiet({"apiVersion", "kind", "status"});
        return meta;
    }

    void read_workload(Decoder& object, ObjectMeta meta) {
        const std::string& maker = m_out.documents[meta.document].made_from;
        m_out.workloads.push_back(decode_workload(object, std::move(meta)));
        m_out.workloads.back().made_from = maker;
        read_server(object, m_out.workloads.back());
        const WorkloadObject& workload = m_out.workloads.back();
        for (const Container& container : workload.pod.containers) {
            auto settings = read_cluster_autoscaler(container, workload.meta, m_findings);
            if (!settings) continue;
            if (m_out.cluster_autoscaler)
                object.error("", workload.meta.title() + " is a second cluster-autoscaler beside " + m_out.cluster_autoscaler->meta.title() + ", allowed: one");
            m_out.cluster_autoscaler = std::move(settings);
        }
    }
    void read_node_pool(Decoder& object, ObjectMeta meta) {
        const bool beta = object.text("apiVersion").value_or("").ends_with("v1beta1");
        m_out.node_pools.push_back(decode_node_pool(object, std::move(meta), beta));
    }
    void read_node_class(Decoder& object, ObjectMeta meta) {
        const bool beta = object.text("apiVersion").value_or("").ends_with("v1beta1");
        if (meta.kind == "NodeClass") {  // EKS Auto Mode: nothing of it says which machines
            KarpenterNodeClass out;
            out.meta = std::move(meta);
            object.quiet({"spec"});
            m_out.node_classes.push_back(std::move(out));
            return;
        }
        m_out.node_classes.push_back(meta.kind == "AKSNodeClass"   ? decode_aks_node_class(object, std::move(meta))
                                     : meta.kind == "GCENodeClass" ? decode_gce_node_class(object, std::move(meta))
                                                                   : decode_ec2_node_class(object, std::move(meta), beta));
    }
    void read_node_overlay(Decoder& object, ObjectMeta meta) { m_out.node_overlays.push_back(decode_node_overlay(object, std::move(meta))); }
    void read_container_node_pool(Decoder& object, ObjectMeta meta) { m_out.node_groups.push_back(decode_container_node_pool(object, meta)); }
    void read_container_cluster(Decoder& object, ObjectMeta meta) { take_groups(decode_container_cluster(object, meta, m_out.auto_provisioning)); }
    void read_compute_class(Decoder& object, ObjectMeta meta) { m_out.compute_classes.push_back(decode_compute_class(object, std::move(meta))); }
    void read_agent_pool(Decoder& object, ObjectMeta meta) { m_out.node_groups.push_back(decode_agent_pool(object, meta)); }
    void read_managed_cluster(Decoder& object, ObjectMeta meta) { take_groups(decode_managed_cluster(object, meta)); }
    void read_machines(Decoder& object, ObjectMeta meta) {
        if (auto group = decode_machine_group(object, meta, m_out.documents)) m_out.node_groups.push_back(std::move(*group));
    }
    void read_node_claim(Decoder& object, ObjectMeta meta) { m_out.node_claims.push_back(decode_node_claim(object, std::move(meta))); }
    void read_daemon_set(Decoder& object, ObjectMeta meta) {
        m_out.daemon_sets.push_back(decode_daemon_set(object, std::move(meta)));
        for (const Container& c : m_out.daemon_sets.back().pod.containers) decode_device_plugin_container(c, m_out.gpu_sharing);
    }
    void read_pod(Decoder& object, ObjectMeta meta) {
        if (object.has("status") && !object.node().text_at({"spec", "nodeName"}).empty()) {
            Findings aside;
            Decoder quiet(object.node(), "", object.file(), aside);
            m_out.live.pods.push_back(decode_live_pod(quiet, meta));
        }
        m_out.bare_pods.push_back(decode_bare_pod(object, std::move(meta)));
    }
    void read_job(Decoder& object, ObjectMeta meta) { m_out.jobs.push_back(decode_job(object, std::move(meta))); }
    void read_cron_job(Decoder& object, ObjectMeta meta) {
        m_out.cron_jobs.push_back(decode_cron_job_object(object, std::move(meta)));
        for (ScalingCronJob& job : scaling_cron_jobs_of(m_out.cron_jobs.back())) m_out.scaling_cron_jobs.push_back(std::move(job));
    }
    void read_service(Decoder& object, ObjectMeta meta) { m_out.services.push_back(decode_service(object, std::move(meta))); }
    void read_node(Decoder& object, ObjectMeta meta) { m_out.live.nodes.push_back(decode_node(object, std::move(meta))); }
    void read_namespace(Decoder& object, ObjectMeta meta) {
        meta.labels.try_emplace("kubernetes.io/metadata.name", meta.name);
        m_out.namespaces[meta.name] = meta.labels;
        object.quiet({"spec"});
    }
    void read_quota(Decoder& object, ObjectMeta meta) { m_out.resource_quotas.push_back(decode_resource_quota(object, std::move(meta))); }
    void read_limit_range(Decoder& object, ObjectMeta meta) { m_out.limit_ranges.push_back(decode_limit_range(object, std::move(meta))); }
    void read_storage_class(Decoder& object, ObjectMeta meta) { m_out.storage_classes.push_back(decode_storage_class(object, std::move(meta))); }
    void read_claim(Decoder& object, ObjectMeta meta) {
        if (!object.has("spec")) object.missing("spec", "accessModes and resources");
        m_out.volume_claims.push_back(decode_volume_claim(object.child("spec"), std::move(meta)));
    }
    void read_volume(Decoder& object, ObjectMeta meta) { m_out.persistent_volumes.push_back(decode_persistent_volume(object, std::move(meta))); }
    void read_autoscaler(Decoder& object, ObjectMeta meta) {
        const std::string version = object.text("apiVersion").value_or("");
        m_out.horizontal_pod_autoscalers.push_back(decode_horizontal_pod_autoscaler(object, std::move(meta), version));
    }
    void read_scaled_object(Decoder& object, ObjectMeta meta) { m_out.scaled_objects.push_back(decode_scaled_object(object, std::move(meta))); }
    void read_scaled_job(Decoder& object, ObjectMeta meta) {
        m_out.scaled_jobs.push_back(decode_scaled_job(object, std::move(meta)));
        const ScaledJobObject& made = m_out.scaled_jobs.back();
        if (made.job.pod.gpus() == 0 && !made.job.run_time) object.note("", made.meta.title() + " starts Jobs without GPUs that do not say how long they run (annotation windtunnel.dev/run-time-s): they are not simulated");
    }
    void read_cluster_config(Decoder& object, ObjectMeta meta) {
        std::string region;
        for (NodeGroup& group : decode_cluster_config(object, meta, region)) m_out.node_groups.push_back(std::move(group));
        if (!m_out.cluster_region.empty() && !region.empty() && region != m_out.cluster_region)
            object.error("metadata", "found the region " + region + " besides " + m_out.cluster_region + ", allowed: one region");
        m_out.cluster_region = region;
    }
    void read_budget(Decoder& object, ObjectMeta meta) { m_out.pod_disruption_budgets.push_back(decode_pod_disruption_budget(object, std::move(meta))); }
    void read_priority_class(Decoder& object, ObjectMeta meta) { m_out.priority_classes.push_back(decode_priority_class(object, std::move(meta))); }
    void read_rules(Decoder& object, ObjectMeta) {
        Decoder spec = object.child("spec");
        m_out.rules.add(decode_rule_groups(spec));
        spec.finish();
    }
    /// A rule file as Prometheus reads it: `groups:` and no more.
    void read_rule_file(Decoder& object) {
        m_out.rules.add(decode_rule_groups(object));
        object.finish();
    }
    void read_monitor(Decoder& object, ObjectMeta meta) { m_out.monitors.push_back(decode_metrics_monitor(object, std::move(meta))); }

    void read_server(Decoder& object, WorkloadObject& out);
    void fill_environment(Container& container, const std::string& name_space) const;
    [[nodiscard]] ServerSurroundings surroundings_of(const Container& container, const PodTemplate& pod, const WorkloadObject& workload) const;

    void leave_aside(const std::string& kind, const Document& document) {
        if (m_aside.empty()) m_first_aside = document.where();
        const std::string name = document.root.text_at({"metadata", "name"});
        m_aside[kind].push_back(name.empty() ? document.root.text_at({"metadata", "generateName"}) : name);
    }

    void other(Decoder& object, const std::string& kind, const std::string& api_version, const Document& document) {
        std::vector<std::string> names;
        for (const ReadRow& row : rows()) names.push_back(row.kind);
        if (kind == "ConfigMap") {
            std::vector<AdapterRule> rules = decode_adapter_config(document.root, document.file, m_findings);
            m_out.adapter_rules.insert(m_out.adapter_rules.end(), rules.begin(), rules.end());
            PrometheusRules recorded = decode_rule_config(document.root, document.file, m_findings);
            const bool is_rule_file = !recorded.empty();
            m_out.rules.add(std::move(recorded));
            const auto read = [](const GpuSharing& s) { return s.plugin_configs.size() + s.mig_layouts.size(); };
            const std::size_t before = read(m_out.gpu_sharing);
            decode_gpu_config(document.root, document.file, m_out.gpu_sharing, m_findings);
            if (!rules.empty() || is_rule_file || read(m_out.gpu_sharing) > before) return;
        }
        for (std::string& other_name : other_kind_names()) names.push_back(std::move(other_name));
        if (const KindRow* row = find_kind(kind)) {
            const std::string name = document.root.text_at({"metadata", "name"});
            const std::string title = name.empty() ? kind : kind + "/" + name;
            // A recommender that nobody follows.
            const bool only_recommends = kind == "VerticalPodAutoscaler" && document.root.text_at({"spec", "updatePolicy", "updateMode"}) == "Off";
            if (only_recommends) leave_aside(kind, document);
            else if (row->role == KindRole::warn) object.warn("", title + ": " + row->why);
            else if (row->role == KindRole::note) leave_aside(kind, document);
            else object.error("", title + " would change the result and is not simulated: " + row->why);
            return;
        }
        const std::string group = api_version.substr(0, api_version.find('/'));
        // Machines of the Cluster API reach the result through the group that names them; Amazon's, Google's and Azure's
        // operators make accounts, networks and storage.
        const bool operators = group.ends_with("cluster.x-k8s.io") || group.ends_with(".cnrm.cloud.google.com") || group.ends_with(".services.k8s.aws") ||
                               (group.ends_with(".azure.com") && group != "karpenter.azure.com");
        if (operators || is_harmless_group(group)) {
            leave_aside(kind, document);
            return;
        }
        if (const std::string operator_group = group_of_derived_kind(kind); !operator_group.empty()) {
            object.error("apiVersion", "found " + api_version + ", allowed for " + kind + ": " + operator_group + "/VERSION");
            return;
        }
        m_out.incomplete = true;
        object.error("kind", "found " + kind + ", which is no known kind" + did_you_mean(kind, names) +
                                 "; if it cannot change the result, leave its file out");
    }

    std::map<std::string, std::vector<std::string>> m_aside;  ///< kind -> names of what cannot change the result
    SourcePosition m_first_aside;
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

/// The files of ConfigMap volumes that a container sees, and what a LeaderWorkerSet's controller tells its leader.
ServerSurroundings Importer::surroundings_of(const Container& container, const PodTemplate& pod, const WorkloadObject& workload) const {
    ServerSurroundings out;
    out.pods = workload.group_size;
    if (workload.kind == WorkloadKind::leader_worker_set)
        out.environment = {{"LWS_GROUP_SIZE", std::to_string(workload.group_size)}, {"LWS_WORKER_INDEX", "0"}, {"LWS_LEADER_ADDRESS", "$(LWS_LEADER_ADDRESS)"}};
    for (const VolumeMount& mount : container.volume_mounts)
        for (const Volume& volume : pod.volumes) {
            if (volume.name != mount.volume) continue;
            for (const ConfigMapFiles& files : volume.config_maps) {
                const auto map = m_config_maps.find(workload.meta.name_space + "|" + files.name);
                if (map == m_config_maps.end()) continue;
                for (const Node& member : map->second->children) {
                    const auto item = files.items.find(member.key);
                    if (!member.is_text() || (!files.items.empty() && item == files.items.end())) continue;
                    const std::string path = item == files.items.end() ? member.key : item->second;
                    if (mount.sub_path.empty()) out.files[mount.path + (mount.path.ends_with("/") ? "" : "/") + path] = member.text;
                    else if (mount.sub_path == path) out.files[mount.path] = member.text;
                }
            }
        }
    return out;
}

/// What the workload's containers serve, from their command lines and from annotations.
void Importer::read_server(Decoder& object, WorkloadObject& out) {
    // A LeaderWorkerSet's leader serves for its group.
    PodTemplate& serving = out.leader ? *out.leader : out.pod;
    for (std::size_t i = 0; i < serving.containers.size() && !out.server; ++i) {
        fill_environment(serving.containers[i], out.meta.name_space);
        out.server = read_model_server(serving.containers[i], m_findings, surroundings_of(serving.containers[i], serving, out));
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
    if (out.server && out.server_container < serving.containers.size())
        out.server->cpu_limit_milli = serving.containers[out.server_container].resources.cpu_limit_milli;
    if (out.server || out.pod.gpus() == 0) return;
    std::string name;
    for (const Container& c : out.pod.containers)
        if (name.empty()) name = name_of_unsimulated_server(c);
    object.warn("", out.meta.title() + (name.empty() ? " uses GPUs and is no model server that is known; declare it" : " runs " + name + ", whose engine is not simulated; to simulate it as a vLLM server declare it") +
                        " with workload.server in the scenario or windtunnel.dev/model annotations");
}

}  // namespace

const PriorityClass* Manifests::priority_class_of(const PodTemplate& pod) const {
    const auto is_its = [&](const PriorityClass& c) { return pod.priority_class.empty() ? c.global_default : c.meta.name == pod.priority_class; };
    const auto found = std::find_if(priority_classes.begin(), priority_classes.end(), is_its);
    return found == priority_classes.end() ? nullptr : &*found;
}

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
    derive_workloads(out.documents, findings);
    Importer importer(out, findings);
    for (std::size_t i = 0; i < out.documents.size(); ++i) importer.read(i);
    importer.finish();
    if (!out.incomplete) check_references(out, findings);
    return out;
}

}  // namespace windtunnel
