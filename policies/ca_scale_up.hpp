#pragma once
#include "policies/ca_estimator.hpp"
#include "policies/ca_loop.hpp"
#include "policies/ca_scale_down.hpp"

/// Which node group cluster-autoscaler grows, and why another one cannot (kubernetes.md 10.3 and 10.5;
/// core/scaleup/orchestrator, processors/nodegroupset; cluster-autoscaler-release-1.37, a16f0ae8).
namespace windtunnel {

/// Why a node group is no option.
enum class CaSkipped : std::uint8_t { not_skipped, at_max, backed_off, unhealthy, no_pod_fits };

WT_HD constexpr CaSkipped skip_group(std::int32_t target_size, std::int32_t max_size,
                                     const CaBackoff& backoff, bool healthy, Tick now) {
    if (target_size >= max_size) return CaSkipped::at_max;
    if (!healthy) return CaSkipped::unhealthy;
    return is_backed_off(backoff, now) ? CaSkipped::backed_off : CaSkipped::not_skipped;
}

/// Narrows the options down by a chain of expanders, in order, until one is left; among several the caller's
/// `draw` decides. Requires 1 <= count <= 64.
WT_HD constexpr std::int32_t choose_option(const CaExpander* chain, std::int32_t links,
                                           const CaOption* options, std::int32_t count, std::uint64_t draw) {
    std::uint64_t kept = count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
    for (std::int32_t i = 0; i < links && (kept & (kept - 1)) != 0 && chain[i] != CaExpander::random; ++i)
        kept = expand(chain[i], options, count, kept);
    std::uint64_t left = 0;
    for (std::uint64_t rest = kept; rest != 0; rest &= rest - 1) ++left;
    std::uint64_t skip = draw % left;
    for (std::int32_t i = 0;; ++i) {
        if ((kept >> i & 1) == 0) continue;
        if (skip == 0) return i;
        --skip;
    }
}

/// Spreads `nodes` over similar groups (balance-similar-node-groups): one by one to the smallest that may
/// still grow, the earlier among equals. `sizes` are changed. Gives how many found a place.
WT_HD constexpr std::int32_t balance_groups(std::int32_t* sizes, const std::int32_t* max_sizes,
                                            std::int32_t count, std::int32_t nodes) {
    std::int32_t placed = 0;
    for (; placed < nodes; ++placed) {
        std::int32_t smallest = -1;
        for (std::int32_t i = 0; i < count; ++i)
            if (sizes[i] < max_sizes[i] && (smallest < 0 || sizes[i] < sizes[smallest])) smallest = i;
        if (smallest < 0) break;
        ++sizes[smallest];
    }
    return placed;
}

/// Whether a requested node that has not registered is given up: strictly after max-node-provision-time.
WT_HD constexpr bool is_overdue(const CaLoopRules& rules, Tick requested, Tick now) {
    return requested + rules.max_node_provision_time < now;
}

/// How many pods with `request` find room in `free`, at most `wanted`.
WT_HD constexpr std::int32_t pods_that_fit(const ResourceAmounts& request, const ResourceAmounts& free,
                                           std::int32_t wanted) {
    std::int64_t most = wanted;
    for (std::int32_t kind = 0; kind < resource_kinds; ++kind) {
        if (request[kind] <= 0) continue;
        const std::int64_t here = free[kind] > 0 ? free[kind] / request[kind] : 0;
        if (here < most) most = here;
    }
    return static_cast<std::int32_t>(most);
}

}  // namespace windtunnel
