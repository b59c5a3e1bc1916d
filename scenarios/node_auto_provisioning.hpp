#pragma once
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// The node pools that GKE would make by itself for the manifests' pods, appended to cluster.pools: for pods that
/// no pool takes (node auto-provisioning), and for pods that select a ComputeClass (a pool for each of its rules,
/// preferred in their order). Needs cluster.cloud and cluster.region.
void add_provisioned_pools(Scenario& scenario, Findings& findings);

}  // namespace windtunnel
