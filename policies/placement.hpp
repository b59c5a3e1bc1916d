#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

/// What the scheduler looks at in one node that fits a pod.
struct NodeCandidate {
    std::uint32_t node = 0;
    std::int64_t free_cpu_milli = 0, cpu_milli = 0;        ///< after the pod would be there; allocatable
    std::int64_t free_memory_bytes = 0, memory_bytes = 0;
};

/// kube-scheduler's NodeResourcesFit score, LeastAllocated over cpu and memory (kubernetes.md 7.3): the integer
/// mean of the two free percentages. GPUs are not part of it, so GPU pods are spread by CPU and memory.
WT_HD constexpr std::int64_t least_allocated_score(const NodeCandidate& c) {
    const std::int64_t cpu = c.cpu_milli > 0 ? c.free_cpu_milli * 100 / c.cpu_milli : 0;
    const std::int64_t memory = c.memory_bytes > 0 ? c.free_memory_bytes / ((c.memory_bytes + 99) / 100) : 0;
    return (cpu + memory) / 2;
}

/// Keeps the best of the candidates shown to it; among equals the first shown (nodes in order of their slots).
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

/// What the ReplicaSet controller compares when it has to delete pods (kubernetes.md 3.1, rule 3).
struct DeletionCandidate {
    std::uint32_t pod = 0;
    bool assigned = false;       ///< bound to a node
    bool running = false;        ///< its containers run
    bool ready = false;
    std::uint32_t rank = 0;      ///< active pods of the same controller on its node, itself included
    std::int64_t ready_age = 0;  ///< ticks
    std::int64_t age = 0;        ///< ticks since creation
    std::uint64_t uid = 0;       ///< pseudo-random
};

/// floor(log2(age in nanoseconds)), -1 for ages of at most 0: times are compared in classes (3.2).
WT_HD constexpr std::int32_t age_class(std::int64_t ticks) {
    std::int64_t ns = ticks / 100;
    std::int32_t c = -1;
    while (ns > 0) {
        ns >>= 1;
        ++c;
    }
    return c;
}

/// True when `a` is deleted before `b`.
WT_HD constexpr bool deleted_before(const DeletionCandidate& a, const DeletionCandidate& b) {
    if (a.assigned != b.assigned) return !a.assigned;
    if (a.running != b.running) return !a.running;
    if (a.ready != b.ready) return !a.ready;
    if (a.rank != b.rank) return a.rank > b.rank;
    if (a.ready && a.ready_age != b.ready_age) {
        const std::int32_t ca = age_class(a.ready_age), cb = age_class(b.ready_age);
        return ca != cb ? ca < cb : a.uid < b.uid;
    }
    if (a.age != b.age) {
        const std::int32_t ca = age_class(a.age), cb = age_class(b.age);
        return ca != cb ? ca < cb : a.uid < b.uid;
    }
    return a.uid < b.uid;
}

}  // namespace windtunnel
