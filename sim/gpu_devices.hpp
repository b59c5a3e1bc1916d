#pragma once
#include "sim/cluster_state.hpp"

namespace windtunnel {

// Which of its node's GPUs, or slices of GPUs, a pod has, and who shares them (kubernetes.md 8.1 to 8.3). Devices
// that have one client each are given to one pod at a time: law L5. Of devices with several clients NVIDIA's
// plugin gives the one that has the fewest [k8s-device-plugin's "distributed" allocation, from general knowledge,
// not re-read, 2026-11].

/// How many pods of a node have each of its devices.
template <class State>
WT_HD std::int32_t clients_of(const State& s, std::uint32_t n, std::uint32_t device) {
    std::int32_t clients = 0;
    for (std::uint32_t p = s.node(n).first_pod; p != no_index; p = s.pod(p).next_on_node)
        clients += static_cast<std::int32_t>(s.pod(p).devices >> device & 1);
    return clients;
}

/// The pod has been bound: it gets its devices, each unit another one while there are. The scheduler's count of units
/// sees to it that there are enough.
template <class State>
WT_HD_COLD void give_devices(State& s, std::uint32_t p) {
    Pod& pod = s.pod(p);
    const ResourceAmounts& needs = s.template_of(pod).needs;
    const ShapePlan& shape = s.shape_of(s.node(pod.node));
    pod.devices = 0;
    for (std::int32_t kind = resource_extended; kind < resource_kinds; ++kind) {
        const DeviceRange& range = shape.devices[kind - resource_extended];
        for (std::int64_t unit = 0; range.count > 0 && unit < needs[kind]; ++unit) {
            std::int32_t fewest = range.clients;
            std::uint32_t best = no_index;
            for (std::uint32_t d = range.first; d < range.first + range.count; ++d) {
                if (((pod.devices | s.node(pod.node).dead_devices) >> d & 1) != 0) continue;
                const std::int32_t clients = clients_of(s, pod.node, d);
                if (clients >= fewest) continue;
                fewest = clients;
                best = d;
            }
            if (best != no_index) pod.devices |= std::uint64_t{1} << best;
        }
    }
}

/// One of the node's GPUs that still work falls off its bus, each as likely as any other: the device plugin takes
/// its units out of what the node has (kubernetes.md 8.1). The pods that have it keep it until they are deleted.
template <class State>
WT_HD_COLD std::uint64_t lose_device(State& s, std::uint32_t n, RandomStream& draws) {
    ClusterNode& node = s.node(n);
    const ShapePlan& shape = s.shape_of(node);
    std::uint32_t left = 0;
    for (const DeviceRange& range : shape.devices)
        for (std::uint32_t d = range.first; d < std::uint32_t{range.first} + range.count; ++d)
            left += (node.dead_devices >> d & 1) == 0 ? 1 : 0;
    if (left == 0) return 0;
    std::uint64_t chosen = draws.below(left);
    for (std::int32_t kind = 0; kind < extended_kinds; ++kind) {
        const DeviceRange& range = shape.devices[kind];
        for (std::uint32_t d = range.first; d < std::uint32_t{range.first} + range.count; ++d) {
            if ((node.dead_devices >> d & 1) != 0 || chosen-- != 0) continue;
            node.dead_devices |= std::uint64_t{1} << d;
            node.free[resource_extended + kind] -= range.clients;
            s.changed_room(n);
            return std::uint64_t{1} << d;
        }
    }
    return 0;
}

/// Whether CUDA cannot be had where the pod is: its GPU is gone, or its node's driver does not fit.
template <class State>
[[nodiscard]] WT_HD bool lacks_cuda(const State& s, std::uint32_t p) {
    const Pod& pod = s.pod(p);
    const ClusterNode& node = s.node(pod.node);
    bool wants = false;
    for (std::int32_t kind = resource_extended; kind < resource_kinds; ++kind)
        wants = wants || s.template_of(pod).needs[kind] > 0;
    return wants && (node.driver == no_cuda || (node.dead_devices & pod.devices) != 0);
}

/// The devices of a node whose clients take turns.
WT_HD constexpr std::uint64_t timed_devices(const ShapePlan& shape) {
    std::uint64_t mask = 0;
    for (const DeviceRange& range : shape.devices)
        if (range.takes_turns)
            for (std::uint32_t d = range.first; d < range.first + range.count; ++d) mask |= std::uint64_t{1} << d;
    return mask;
}

/// How many working engines take turns on the devices of a pod that itself works: of the busiest of them.
template <class State>
[[nodiscard]] WT_HD_COLD std::uint8_t turns_of(const State& s, std::uint32_t p) {
    const Pod& pod = s.pod(p);
    const std::uint64_t mine = pod.devices & timed_devices(s.shape_of(s.node(pod.node)));
    std::uint32_t most = 1;
    for (std::uint32_t d = 0; d < 64 && mine >> d != 0; ++d) {
        if ((mine >> d & 1) == 0) continue;
        std::uint32_t working = 0;
        for (std::uint32_t q = s.node(pod.node).first_pod; q != no_index; q = s.pod(q).next_on_node)
            working += s.pod(q).works && (s.pod(q).devices >> d & 1) != 0 ? 1 : 0;
        most = most < working ? working : most;
    }
    return static_cast<std::uint8_t>(most);
}

/// Whether its process finds the device memory that it reserves: what takes turns shares the memory, and every
/// process takes its part of the whole device when it starts (vLLM's check of free memory against
/// --gpu-memory-utilization).
template <class State>
[[nodiscard]] WT_HD_COLD bool finds_device_memory(const State& s, std::uint32_t p) {
    const Pod& pod = s.pod(p);
    const std::int32_t own = s.template_of(pod).device_memory_milli;
    if (own == 0 || pod.devices == 0) return true;
    const std::uint64_t mine = pod.devices & timed_devices(s.shape_of(s.node(pod.node)));
    for (std::uint32_t d = 0; d < 64 && mine >> d != 0; ++d) {
        if ((mine >> d & 1) == 0) continue;
        std::int32_t taken = own;
        for (std::uint32_t q = s.node(pod.node).first_pod; q != no_index; q = s.pod(q).next_on_node)
            if (q != p && s.pod(q).serving && (s.pod(q).devices >> d & 1) != 0)
                taken += s.template_of(s.pod(q)).device_memory_milli;
        if (taken > 1000) return false;
    }
    return true;
}

}  // namespace windtunnel
