#include "scenarios/compile/compile_cluster_autoscaler.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace windtunnel {
namespace {

bool has_budget(const BlueprintParts& parts, std::uint32_t workload) {
    return std::any_of(parts.budgets.begin(), parts.budgets.end(),
                       [&](const DisruptionBudgetPlan& budget) { return budget.covers(workload); });
}

/// Labels that --balance-similar-node-groups does not compare: where and what a node is, and the names of its group
/// (cluster-autoscaler 1.30 to 1.33, processors/nodegroupset, of each cloud; from general knowledge, not re-read, 2026-11).
constexpr const char* unlike_labels[] = {
    "kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region", "beta.kubernetes.io/fluentd-ds-ready", "kops.k8s.io/instancegroup", "alpha.eksctl.io/instance-id",
    "alpha.eksctl.io/nodegroup-name", "eks.amazonaws.com/nodegroup", "eks.amazonaws.com/nodegroup-image", "k8s.amazonaws.com/eniConfig", "lifecycle",
    "topology.ebs.csi.aws.com/zone", "agentpool", "kubernetes.azure.com/agentpool", "topology.disk.csi.azure.com/zone", "cloud.google.com/gke-nodepool",
    "topology.gke.io/zone", "karpenter.sh/nodepool"};

Labels compared_labels(const PoolDraft& pool) {
    Labels out = pool.shapes.empty() ? Labels{} : pool.shapes.front().labels;
    for (const char* key : unlike_labels) out.erase(key);
    return out;
}

}  // namespace

void mark_similar_pools(const Scenario& scenario, std::vector<PoolDraft>& pools) {
    const auto& settings = scenario.manifests.cluster_autoscaler;
    if (!settings || !settings->balance_similar_groups) return;
    std::map<Labels, std::int32_t> numbers;
    for (PoolDraft& pool : pools)
        pool.plan.similar = numbers.try_emplace(compared_labels(pool), static_cast<std::int32_t>(numbers.size())).first->second;
}

void compile_cluster_autoscaler(const Scenario& scenario, BlueprintParts& parts) {
    ClusterAutoscalerPlan& plan = parts.cluster_autoscaler;
    plan.down.unneeded_time = scenario.cluster.scale_down_unneeded;
    if (const auto& settings = scenario.manifests.cluster_autoscaler) {
        const Node* cluster = scenario.document.root.find("cluster");
        plan.loop = settings->loop;
        plan.down = settings->scale_down;
        plan.backoff = settings->backoff;
        plan.max_parallel = settings->max_scale_down_parallelism;
        plan.max_drain = settings->max_drain_parallelism;
        plan.max_graceful_termination = settings->max_graceful_termination;
        plan.max_pod_eviction = settings->max_pod_eviction;
        plan.unremovable_recheck = settings->unremovable_recheck;
        plan.max_nodes_total = settings->max_nodes_total;
        if (cluster && cluster->find("scale_down_unneeded_s"))  // the scenario's own word holds
            plan.down.unneeded_time = scenario.cluster.scale_down_unneeded;
        if (!settings->scale_down_enabled) plan.down.unneeded_time = seconds(365 * 86400);
        plan.expander_count = 0;
        for (const CaExpander expander : settings->expanders)
            if (plan.expander_count < ca_longest_chain) plan.expanders[plan.expander_count++] = expander;
    }
    // GKE prefers the pools of a ComputeClass by the order of its rules, before anything else.
    const auto ranked = [](const PoolSpec& pool) { return pool.priority.has_value(); };
    const std::vector<PoolSpec>& pools = scenario.cluster.pools;
    if (std::any_of(pools.begin(), pools.end(), ranked) && plan.expander_count < ca_longest_chain) {
        for (std::int32_t i = plan.expander_count++; i > 0; --i) plan.expanders[i] = plan.expanders[i - 1];
        plan.expanders[0] = CaExpander::priority;
    }
}

void mark_removal_blockers(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects,
                           BlueprintParts& parts) {
    const ClusterAutoscalerSettings defaults;
    const auto& given = scenario.manifests.cluster_autoscaler;
    const ClusterAutoscalerSettings& settings = given ? *given : defaults;
    for (TemplateParts& t : parts.templates) {
        const std::uint32_t w = t.plan.workload;
        const PodTemplate& pod = objects[w]->pod;
        if (pod.safe_to_evict) {
            t.plan.blocks_removal = *pod.safe_to_evict ? 0 : 1;
            continue;
        }
        const bool bare = parts.workloads[w].controller == WorkloadController::bare_pod;
        const bool local = settings.skip_local_storage && pod.has_local_storage();
        const bool system = settings.skip_system_pods && objects[w]->meta.name_space == "kube-system" &&
                            !has_budget(parts, w);
        t.plan.blocks_removal = bare || local || system ? 1 : 0;
    }
}

}  // namespace windtunnel
