#pragma once
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// The nodes of a dump (`kubectl get nodes -o yaml`) as the start state: those of a pool that the scenario or a node
/// group names are its nodes at t = 0; all others become pools of as many nodes as there are, which stay. Cloud and
/// region follow from the nodes where the scenario does not say them. Nodes that are not Ready, that are cordoned or
/// that Karpenter made are left out, with a warning.
void add_live_nodes(Scenario& scenario, Findings& findings);

}  // namespace windtunnel
