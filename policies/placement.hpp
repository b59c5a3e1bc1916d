#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

/// What the scheduler looks at in one node that fits a pod.
struct NodeCandidate {
    std::uint32_t node = 0;
    std::int64_t free_cpu_milli = 0, cpu_milli = 0;  ///< after the pod would be there; allocatable
    std::int64_t free_memory_bytes = 0, memory_bytes = 0;
};

/// kube-scheduler's NodeResourcesFit score, LeastAllocated over cpu and memory (kubernetes.md 7.3): the
/// integer mean of the two free percentages. GPUs are not part of it, so GPU pods are spread by CPU and
/// memory.
WT_HD constexpr std::int64_t least_allocated_score(const NodeCandidate& c) {
    const std::int64_t cpu = c.cpu_milli > 0 ? c.free_cpu_milli * 100 / c.cpu_milli : 0;
    const std::int64_t memory = c.memory_bytes > 0 ? c.free_memory_bytes / ((c.memory_bytes + 99) / 100) : 0;
    return (cpu + memory) / 2;
}

/// Keeps the best of the candidates shown to it; among equals the first shown (nodes in order of their
/// slots).
struct BestNode {
    bool found = false;
    std::uint32_t node = 0;
    std::int64_t score = -1;

    WT_HD constexpr void offer(const NodeCandidate& c) {
        const std::int64_t s = least_allocated_score(c);
        if (s > score) {
            found = true;
            node = c.node;
            score = s;
        }
    }
};

}  // namespace windtunnel
