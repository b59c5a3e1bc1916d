#pragma once
#include "scenarios/kubernetes/gpu_sharing.hpp"
#include "scenarios/kubernetes/kubernetes.hpp"
#include "sim/cluster_plan.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// The resources besides cpu, memory and pods that take part in a run, each in a place of ResourceAmounts: GPUs, slices
/// and shares of GPUs that some pod asks for, and ephemeral storage where a quota bounds it. nvidia.com/gpu is first.
class ExtendedResources {
public:
    /// Of everything that the manifests' pods ask for. More names than the engine has places are an error.
    [[nodiscard]] static ExtendedResources of(const Manifests& manifests, Problems& errors);

    /// The place of a name, as an index of ResourceAmounts; -1 = nobody asks for it.
    [[nodiscard]] std::int32_t place(const std::string& name) const;
    [[nodiscard]] const std::vector<std::string>& names() const { return m_names; }

    /// What the scheduler counts of one pod.
    [[nodiscard]] ResourceAmounts needs_of(const PodTemplate& pod) const;
    /// Fills in what a pod takes of its node, and what of it the scheduler's scores see.
    void ask(const PodTemplate& pod, TemplatePlan& plan) const;

    /// Fills in what a node has: units by name, and the devices behind them. Ephemeral storage bounds no node.
    void put(const std::vector<DeviceUnits>& devices, ShapePlan& shape) const;

private:
    std::vector<std::string> m_names{"nvidia.com/gpu"};
};

}  // namespace windtunnel
