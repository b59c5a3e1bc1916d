#pragma once
#include <filesystem>
#include <string>

namespace windtunnel {

/// How large a cluster the manifests below describe.
struct ControlPlaneSize {
    int workloads = 200;
    int replicas = 50;       ///< of one workload in the afternoon, on average; a third of it at night
    bool karpenter = false;  ///< who adds nodes: cluster-autoscaler's node groups, or Karpenter
    double hours = 24;
    double requests_per_second = 20;  ///< of all workloads together: the control plane is what is measured
};

/// Writes manifests and a scenario for a large cluster into `folder`, as a user could have them: Deployments
/// with probes, default spreading, PodDisruptionBudgets, KEDA ScaledObjects on PromQL and cron, HPAs on a
/// pods' metric and on CPU, pools of 4 and 8 GPUs in several zones, a rollout of every tenth workload in the
/// morning, nodes that are drained and lost. At 200 workloads of 50 replicas: 10,000 pods on 2,000 nodes.
/// Gives the path of the scenario.
std::string write_control_plane(const std::filesystem::path& folder, const ControlPlaneSize& size);

}  // namespace windtunnel
