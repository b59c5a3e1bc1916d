#pragma once
#include "scenarios/compile/compiled_scenario.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace windtunnel {

/// What the peak asks for of a resource, and what of that can be had, whatever the scheduler does.
struct PeakDemand {
    std::string resource;                 ///< "nvidia.com/gpu"
    std::int64_t wanted = 0, placed = 0;  ///< units of all workloads at their maxima; the most of them that find a place
    std::vector<std::string> demands;     ///< who wants them: "Deployment/chat 8 x 4"
    std::vector<std::string> workloads;   ///< that get too few
    std::vector<std::string> limits;      ///< what is full: "pool l4 (at most 4 nodes)", "ResourceQuota/gpus"

    [[nodiscard]] bool is_short() const { return placed < wanted; }
};

/// Whether all workloads at their largest can be placed at once: a maximum flow of units of a resource (GPUs, slices) from
/// quotas through workloads to the pools that admit and fit their pods, and through the cloud's quotas (Boost.Graph,
/// push-relabel). GPUs of a node that are too few for a pod of that workload do not count for it. What fits here may
/// yet not fit a real cluster (pods cannot be cut up over nodes); what does not fit here never does.
[[nodiscard]] std::vector<PeakDemand> peak_demands(const CompiledScenario& scenario);

/// Those that cannot be met.
[[nodiscard]] std::vector<PeakDemand> find_shortages(const CompiledScenario& scenario);

/// The same as warnings.
void warn_of_shortages(CompiledScenario& scenario);

}  // namespace windtunnel
