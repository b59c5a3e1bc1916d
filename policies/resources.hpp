#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

/// The resources that node autoscalers pack, in fixed places. Extended resources (GPUs, MIG slices) have a
/// place per kind, given out when the scenario is compiled.
enum ResourceKind : std::int32_t {
    resource_cpu_milli,
    resource_memory_bytes,
    resource_pods,
    resource_extended,  ///< the first extended resource; the others follow
    resource_kinds = 8,
};

/// An amount of every resource: a request, a capacity, what is free.
struct ResourceAmounts {
    std::int64_t amount[resource_kinds] = {};

    WT_HD constexpr std::int64_t& operator[](std::int32_t kind) { return amount[kind]; }
    WT_HD constexpr std::int64_t operator[](std::int32_t kind) const { return amount[kind]; }
    WT_HD constexpr ResourceAmounts& operator+=(const ResourceAmounts& other) {
        for (std::int32_t i = 0; i < resource_kinds; ++i) amount[i] += other.amount[i];
        return *this;
    }
    WT_HD constexpr ResourceAmounts& operator-=(const ResourceAmounts& other) {
        for (std::int32_t i = 0; i < resource_kinds; ++i) amount[i] -= other.amount[i];
        return *this;
    }
    constexpr bool operator==(const ResourceAmounts&) const = default;
};

WT_HD constexpr ResourceAmounts operator+(ResourceAmounts a, const ResourceAmounts& b) { return a += b; }
WT_HD constexpr ResourceAmounts operator-(ResourceAmounts a, const ResourceAmounts& b) { return a -= b; }

/// Whether `request` finds room in `free`. What is not requested is not looked at.
WT_HD constexpr bool fits(const ResourceAmounts& request, const ResourceAmounts& free) {
    for (std::int32_t i = 0; i < resource_kinds; ++i)
        if (request.amount[i] > 0 && request.amount[i] > free.amount[i]) return false;
    return true;
}

}  // namespace windtunnel
