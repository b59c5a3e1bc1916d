#pragma once
#include "policies/ca_estimator.hpp"
#include "policies/ca_loop.hpp"
#include "policies/ca_scale_down.hpp"
#include "scenarios/documents/decoder.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {


/// `--nodes=MIN:MAX:NAME`.
struct CaNodeGroupFlag {
    std::int32_t min = 0;
    std::int32_t max = 0;
    std::string name;
};

/// How a cluster's autoscaler is set up: the flags of its container, with the defaults of its version
/// (kubernetes.md 10.1).
struct ClusterAutoscalerSettings {
    ObjectMeta meta;                            ///< of its Deployment
    std::int32_t minor_version = 37;            ///< 1.x of the image's tag; without one: the newest read
    CaLoopRules loop;
    CaScaleDownRules scale_down;
    CaBackoffRules backoff;
    bool scale_down_enabled = true;
    std::vector<CaExpander> expanders;          ///< a chain, in order
    std::vector<CaNodeGroupFlag> groups;
    std::vector<std::string> auto_discovery;    ///< --node-group-auto-discovery
    bool balance_similar_groups = false;
    bool skip_system_pods = true, skip_local_storage = true, skip_custom_controller_pods = true;
    std::int32_t max_scale_down_parallelism = 10, max_drain_parallelism = 1;
    Tick max_graceful_termination = seconds(600);
    Tick max_pod_eviction = seconds(120);
    Tick unremovable_recheck = seconds(300);
    std::int32_t max_nodes_total = 0;           ///< 0 = no bound
    SourcePosition where;
};

/// The settings when the container runs the cluster-autoscaler, else nothing. Flags that would change the
/// result and are not simulated, unknown ones and wrong values are errors at the container.
[[nodiscard]] std::optional<ClusterAutoscalerSettings> read_cluster_autoscaler(const Container& container, const ObjectMeta& meta, Findings& findings);

/// The `priorities` of the ConfigMap cluster-autoscaler-priority-expander: priority -> regular expressions of
/// group names. `text` is YAML.
[[nodiscard]] std::map<std::int32_t, std::vector<std::string>> read_expander_priorities(const std::string& text, const SourcePosition& where, Findings& findings);

}  // namespace windtunnel
