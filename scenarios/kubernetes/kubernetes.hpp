#pragma once
#include "models/problem.hpp"
#include "models/time.hpp"
#include "scenarios/documents/decoder.hpp"
#include "scenarios/documents/document.hpp"
#include "scenarios/kubernetes/cluster_autoscaler_flags.hpp"
#include "scenarios/kubernetes/gpu_sharing.hpp"
#include "scenarios/kubernetes/kubernetes_autoscaling.hpp"
#include "scenarios/kubernetes/kubernetes_clouds.hpp"
#include "scenarios/kubernetes/kubernetes_jobs.hpp"
#include "scenarios/kubernetes/kubernetes_karpenter.hpp"
#include "scenarios/kubernetes/kubernetes_live.hpp"
#include "scenarios/kubernetes/kubernetes_monitoring.hpp"
#include "scenarios/kubernetes/kubernetes_nodes.hpp"
#include "scenarios/kubernetes/kubernetes_policy_objects.hpp"
#include "scenarios/kubernetes/kubernetes_workloads.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// Everything the user's manifests say that can change the result, typed, in the order of the files.
/// Plain data; names are not yet replaced by indices.
struct Manifests {
    std::vector<WorkloadObject> workloads;        ///< Deployments, StatefulSets, ReplicaSets, LeaderWorkerSets, ...
    std::vector<DaemonSetObject> daemon_sets;
    std::vector<BarePod> bare_pods;
    std::vector<JobObject> jobs;
    std::vector<CronJobObject> cron_jobs;         ///< all; those that scale are also in scaling_cron_jobs
    std::vector<ScaledJobObject> scaled_jobs;
    std::vector<Service> services;
    std::vector<HorizontalPodAutoscaler> horizontal_pod_autoscalers;
    std::vector<ScaledObject> scaled_objects;
    std::vector<NodeGroup> node_groups;           ///< of eksctl, GKE, AKS and the Cluster API
    std::optional<NodeAutoProvisioning> auto_provisioning;  ///< GKE's, where a cluster has it on
    std::vector<ComputeClass> compute_classes;    ///< GKE's
    std::vector<KarpenterNodePool> node_pools;    ///< Karpenter's
    std::vector<KarpenterNodeClass> node_classes; ///< EC2NodeClasses and AKSNodeClasses
    std::optional<ClusterAutoscalerSettings> cluster_autoscaler;  ///< of its Deployment
    std::map<std::int32_t, std::vector<std::string>> expander_priorities;  ///< of its priority expander's ConfigMap
    std::vector<KarpenterOverlay> node_overlays;
    std::vector<KarpenterNodeClaim> node_claims;  ///< of a dump
    GpuSharing gpu_sharing;                       ///< of the device plugin, mig-parted and the GPU operator
    bool incomplete = false;                      ///< an object could not be read at all: what names it is not checked
    std::string cluster_region;                   ///< the ClusterConfig's; "" = none
    std::vector<PodDisruptionBudget> pod_disruption_budgets;
    std::vector<PriorityClass> priority_classes;
    std::vector<ResourceQuotaObject> resource_quotas;
    std::vector<LimitRangeObject> limit_ranges;   ///< already applied to the pods
    std::vector<StorageClassObject> storage_classes;
    std::vector<VolumeClaim> volume_claims;
    std::vector<PersistentVolumeObject> persistent_volumes;
    std::map<std::string, Labels> namespaces;     ///< labels of the Namespace objects
    LiveState live;                               ///< of a dump
    std::vector<ScalingCronJob> scaling_cron_jobs;  ///< what CronJobs do to replicas
    std::vector<MetricsMonitor> monitors;         ///< ServiceMonitors and PodMonitors
    PrometheusRules rules;                        ///< of PrometheusRules and rule files
    std::vector<AdapterRule> adapter_rules;       ///< of prometheus-adapter's ConfigMap
    std::vector<Document> documents;              ///< what they were read from; ObjectMeta::document indexes it

    /// The class that admission gives a pod: the one that it names, else the global default; null where there is none.
    [[nodiscard]] const PriorityClass* priority_class_of(const PodTemplate& pod) const;
    [[nodiscard]] const WorkloadObject* find_workload(const std::string& kind, const std::string& name,
                                                      const std::string& name_space) const;
    /// The position of a field of an object ("spec.maxReplicas"), or of the nearest ancestor that stands
    /// in the file. For findings about a field that was decoded long ago.
    [[nodiscard]] SourcePosition where(const ObjectMeta& object, const std::string& path) const;
};

/// Imports documents. Wrong fields, unsupported kinds and fields that would change the result, unknown
/// kinds and fields, and objects that do not fit together (selectors, targets, bounds) are errors; what
/// cannot change the result is a note. The Manifests hold what could be read even where there are errors.
[[nodiscard]] Manifests import_kubernetes(std::vector<Document> documents, Findings& findings);

/// The checks across objects, which import_kubernetes makes last.
void check_references(const Manifests& manifests, Findings& findings);

}  // namespace windtunnel
