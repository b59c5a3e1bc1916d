#pragma once
#include "scenarios/pods/kubernetes_pods.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// A list of {key, value, effect}, as Nodes, NodePools and node groups write it.
[[nodiscard]] std::vector<Taint> decode_taint_list(Decoder& map, const std::string& key);

/// The same, or eksctl's older map KEY: "VALUE:EFFECT".
[[nodiscard]] std::vector<Taint> decode_taint_list_or_map(Decoder& map, const std::string& key);

}  // namespace windtunnel
