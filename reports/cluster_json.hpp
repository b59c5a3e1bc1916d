#pragma once
#include "reports/cluster_log.hpp"

#include <nlohmann/json_fwd.hpp>

namespace windtunnel {

/// Adds what the watched trial's cluster said to the results, as sections of their own (reports/README.md):
/// observed_trial, autoscalers, pods, nodes, events.
void add_cluster_sections(const ClusterLog& log, nlohmann::ordered_json& results);

}  // namespace windtunnel
