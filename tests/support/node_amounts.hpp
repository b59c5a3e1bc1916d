#pragma once
#include "policies/resources.hpp"

#include <cstdint>

namespace windtunnel::lab {

/// What a node has or a pod asks for: cpu in milli, memory in bytes, pods, and GPUs as the extended resource.
inline ResourceAmounts node_amounts(std::int64_t cpu, std::int64_t memory, std::int64_t pods, std::int64_t gpus = 0) {
    ResourceAmounts result;
    result[resource_cpu_milli] = cpu;
    result[resource_memory_bytes] = memory;
    result[resource_pods] = pods;
    result[resource_extended] = gpus;
    return result;
}

}  // namespace windtunnel::lab
