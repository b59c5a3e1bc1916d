#include "scenarios/node_allocatable.hpp"

#include "models/bytes.hpp"

#include <algorithm>

namespace windtunnel {

/// CPU: 6% of the first core, 1% of the second, 0.5% of the next two, 0.25% of the rest (GKE and EKS
/// documentation, 2025).
std::int64_t allocatable_cpu(std::int64_t milli) {
    std::int64_t reserved = 0, from = 0;
    const struct {
        std::int64_t to, share;
    } bands[] = {{1000, 600}, {2000, 100}, {4000, 50}, {INT64_MAX, 25}};
    for (const auto& band : bands) {
        if (milli > from) reserved += (std::min(milli, band.to) - from) * band.share / 10000;
        from = band.to;
    }
    return milli - reserved;
}

/// Memory: EKS keeps 255 MiB + 11 MiB a pod slot (58 on mid-size instances) and 100 MiB for eviction; GKE and
/// AKS, and others as they do, 25% of the first 4 GiB, 20% of the next 4, 10% of the next 8, 6% up to 128, 2% above, and 100 MiB
/// (docs, 2025).
std::int64_t allocatable_memory(std::int64_t bytes, CloudKind cloud) {
    constexpr std::int64_t mib = 1 << 20;
    if (cloud == CloudKind::aws) return bytes - (255 + 11 * 58 + 100) * mib;
    std::int64_t reserved = 100 * mib, from = 0;
    const struct {
        std::int64_t to, percent;
    } bands[] = {{4 * gib, 25}, {8 * gib, 20}, {16 * gib, 10}, {128 * gib, 6}, {INT64_MAX, 2}};
    for (const auto& band : bands) {
        if (bytes > from) reserved += (std::min(bytes, band.to) - from) / 100 * band.percent;
        from = band.to;
    }
    return bytes - reserved;
}

}  // namespace windtunnel
