#pragma once
#include "reports/cluster_log.hpp"
#include "scenarios/compile/compiled_scenario.hpp"
#include "sim/observer.hpp"

#include <vector>

namespace windtunnel {

/// Watches the room of nodes, and says of pods that wait for GPUs how many are free and why none of them will do.
class FragmentationWatch {
public:
    FragmentationWatch(const CompiledScenario& scenario, const Blueprint& blueprint);

    void pod_changed(std::uint32_t p, const Pod& pod);
    void node_changed(std::uint32_t n, const ClusterNode& node);
    /// A pod found no node: the moment with the most free GPUs is kept, by workload.
    void pod_unschedulable(const Pod& pod, Tick now);

    [[nodiscard]] std::vector<FragmentationLog> finish() const;

private:
    struct Node {
        NodeState state = NodeState::none;
        std::uint32_t shape = 0;
        ResourceAmounts free;
    };
    struct Place {
        std::uint32_t node = no_index, revision = 0;
    };

    const CompiledScenario& m_scenario;
    const Blueprint& m_blueprint;
    std::vector<Node> m_nodes;
    std::vector<Place> m_pods;
    std::vector<FragmentationLog> m_worst;  ///< by workload
};

}  // namespace windtunnel
