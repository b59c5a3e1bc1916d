#include "scenarios/compile/compile_cluster_autoscaler.hpp"

#include <algorithm>
#include <vector>

#include "scenarios/node_labels.hpp"

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

Labels compared_labels(const PoolSpec& pool, const ClusterSpec& cluster) {
    Labels out = node_labels(pool, cluster, pool.instance_types.empty() ? "" : pool.instance_types.front(), "");
    for (const char* key : unlike_labels) out.erase(key);
    return out;
}

/// --balance-similar-node-groups: groups whose nodes differ in a label are not similar, however large they are. Where no two
/// pools are, only the zones of a pool are balanced; where some are and others not, a warning names two that are not.
void compile_balancing(const Scenario& scenario, BlueprintParts& parts, Problems& warnings) {
    const std::vector<PoolSpec>& pools = scenario.cluster.pools;
    const PoolSpec* unlike[2] = {nullptr, nullptr};
    bool any_alike = false;
    for (std::size_t i = 0; i < pools.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) {
            if (pools[i].instance_types != pools[j].instance_types) continue;  // of other sizes mostly, which the engine compares
            if (compared_labels(pools[i], scenario.cluster) == compared_labels(pools[j], scenario.cluster)) any_alike = true;
            else unlike[0] = &pools[j], unlike[1] = &pools[i];
        }
    if (any_alike && unlike[0])
        warnings.push_back({unlike[1]->where, unlike[1]->path, "--balance-similar-node-groups spreads new nodes over " + unlike[0]->name + " and " + unlike[1]->name +
                                                                   " here, though their labels differ: the cluster-autoscaler balances only those that are alike"});
    parts.cluster_autoscaler.balance_similar = any_alike ? 1 : 0;
}

}  // namespace

void compile_cluster_autoscaler(const Scenario& scenario, BlueprintParts& parts, Problems& warnings) {
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
        if (settings->balance_similar_groups) compile_balancing(scenario, parts, warnings);
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
