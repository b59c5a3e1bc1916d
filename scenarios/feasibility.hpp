#pragma once
#include "scenarios/compiled_scenario.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace windtunnel {

/// GPUs that the peak needs and that cannot be had, whatever the scheduler does.
struct Shortage {
    std::int64_t wanted = 0, placed = 0;  ///< GPUs of all workloads at their maxima; the most of them that find a place
    std::vector<std::string> workloads;   ///< that get too few
    std::vector<std::string> limits;      ///< what is full: "pool l4 (4 nodes of 1 GPU)", "ResourceQuota/gpus"
};

/// Whether all workloads at their largest can be placed at once: a maximum flow of GPUs from quotas through
/// workloads to the pools that admit and fit their pods (Boost.Graph, push-relabel). GPUs of a node that are too
/// few for a pod of that workload do not count for it. What fits here may yet not fit a real cluster (pods cannot
/// be cut up over nodes); what does not fit here never does. Nothing: it can be placed.
[[nodiscard]] std::vector<Shortage> find_shortages(const CompiledScenario& scenario);

/// The same as warnings.
void warn_of_shortages(CompiledScenario& scenario);

}  // namespace windtunnel
