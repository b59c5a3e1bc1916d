#pragma once
#include "scenarios/compile/compiled_scenario.hpp"
#include "sim/cluster_state.hpp"

#include <string>

namespace windtunnel {

/// Names of what the engine numbers, as the objects' makers give them. The random parts of pods' names come from
/// the pod's number and life, so that a name is the same in every run.
class ObjectNames {
public:
    explicit ObjectNames(const CompiledScenario& scenario) : m_scenario(scenario) {}

    /// "Pod/chat-7b9c5d4f6-hjq4v"; a StatefulSet's "Pod/chat-0".
    [[nodiscard]] std::string pod(std::uint32_t p, std::uint32_t revision, std::uint32_t incarnation) const;
    [[nodiscard]] std::string pod_name(std::uint32_t p, std::uint32_t revision, std::uint32_t incarnation) const;
    /// "chat-7b9c5d4f6".
    [[nodiscard]] std::string replica_set_name(std::uint32_t revision) const;
    /// "l4-spot-3".
    [[nodiscard]] std::string node_name(std::uint32_t n, std::uint32_t incarnation) const;
    [[nodiscard]] const CompiledWorkload& workload_of(std::uint32_t revision) const;
    /// 1 for a workload's first revision.
    [[nodiscard]] std::uint32_t revision_number(std::uint32_t revision) const;
    [[nodiscard]] std::string pool_name(std::uint32_t pool) const;
    /// Whether ReplicaSets stand between a workload and its pods.
    [[nodiscard]] bool is_deployment(std::uint32_t workload) const;

private:
    [[nodiscard]] const WorkloadPlan& plan_of(std::uint32_t revision) const;
    const CompiledScenario& m_scenario;
};

}  // namespace windtunnel
