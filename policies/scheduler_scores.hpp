#pragma once
#include "policies/scheduler_rules.hpp"

/// kube-scheduler's default scores and their normalisation, 0 .. 100 per plugin (kubernetes.md 7.3). Whole
/// GPUs take no part unless a resource list names them.
namespace windtunnel {

inline constexpr std::int64_t max_node_score = 100;
inline constexpr std::int32_t max_scored_resources = 4;
inline constexpr std::int32_t max_ratio_points = 8;

/// How NodeResourcesFit scores a node.
enum class FitScoring : std::uint8_t { least_allocated, most_allocated, requested_to_capacity_ratio };

struct ScoredResource {
    std::int32_t kind = resource_cpu_milli;
    std::int64_t weight = 1;
};
/// A point of RequestedToCapacityRatio's shape: utilisation in percent, score 0 .. 10 as in the
/// configuration.
struct RatioPoint {
    std::int64_t utilization = 0;
    std::int64_t score = 0;
};

/// The scheduler's profile: weights and resource lists. Defaults: kubernetes.md 7.3, v1.31.13.
struct SchedulerProfile {
    std::int64_t taint_toleration = 3;
    std::int64_t node_affinity = 2;
    std::int64_t topology_spread = 2;
    std::int64_t inter_pod_affinity = 2;
    std::int64_t resources_fit = 1;
    std::int64_t balanced_allocation = 1;
    std::int64_t image_locality = 1;
    FitScoring fit_scoring = FitScoring::least_allocated;
    ScoredResource fit[max_scored_resources] = {{resource_cpu_milli, 1}, {resource_memory_bytes, 1}};
    std::int32_t fit_count = 2;
    std::int32_t balanced[max_scored_resources] = {resource_cpu_milli, resource_memory_bytes};
    std::int32_t balanced_count = 2;
    RatioPoint ratio[max_ratio_points] = {{0, 0}, {100, 10}};
    std::int32_t ratio_count = 2;
    std::int64_t percentage_of_nodes = 0;  ///< percentageOfNodesToScore; 0 = adaptive
};

/// cpu and memory in use on a node as the scores see them: 100 mCPU and 200 MiB for containers that ask for
/// nothing.
struct ScoringUse {
    std::int64_t cpu_milli = 0;
    std::int64_t memory_bytes = 0;
};

WT_HD constexpr std::int64_t least_requested_score(std::int64_t requested, std::int64_t capacity) {
    if (capacity <= 0 || requested > capacity) return 0;
    // Upstream multiplies by 100 in 64 bits; capacities are below 2^56 bytes, so this cannot overflow.
    return (capacity - requested) * max_node_score / capacity;
}
WT_HD constexpr std::int64_t most_requested_score(std::int64_t requested, std::int64_t capacity) {
    if (capacity <= 0) return 0;
    return (requested > capacity ? capacity : requested) * max_node_score / capacity;
}
/// The broken line through the profile's points, in integers; scores of 0 .. 10 count tenfold.
WT_HD constexpr std::int64_t ratio_score(const SchedulerProfile& profile, std::int64_t requested,
                                         std::int64_t capacity) {
    const std::int64_t p = capacity <= 0 || requested > capacity ? 100 : requested * 100 / capacity;
    for (std::int32_t i = 0; i < profile.ratio_count; ++i) {
        const RatioPoint& b = profile.ratio[i];
        if (p > b.utilization) continue;
        if (i == 0) return b.score * 10;
        const RatioPoint& a = profile.ratio[i - 1];
        return a.score * 10 +
               (b.score - a.score) * 10 * (p - a.utilization) / (b.utilization - a.utilization);
    }
    return profile.ratio[profile.ratio_count - 1].score * 10;
}

/// NodeResourcesFit. A resource other than cpu and memory counts only for pods that ask for it and on nodes
/// that have it (7.3.1).
WT_HD constexpr std::int64_t fit_score(const SchedulerProfile& profile, const PodRules& rules,
                                       const ResourceAmounts& free, const ResourceAmounts& allocatable,
                                       const ScoringUse& used) {
    std::int64_t sum = 0, weights = 0;
    for (std::int32_t i = 0; i < profile.fit_count; ++i) {
        const ScoredResource& r = profile.fit[i];
        const std::int64_t capacity = allocatable[r.kind];
        if (capacity <= 0) continue;
        std::int64_t requested = 0;
        if (r.kind == resource_cpu_milli)
            requested = used.cpu_milli + rules.scoring_cpu_milli;
        else if (r.kind == resource_memory_bytes)
            requested = used.memory_bytes + rules.scoring_memory;
        else if (rules.needs[r.kind] > 0)
            requested = capacity - free[r.kind] + rules.needs[r.kind];
        else
            continue;
        std::int64_t score = 0;
        switch (profile.fit_scoring) {
            case FitScoring::least_allocated:
                score = least_requested_score(requested, capacity);
                break;
            case FitScoring::most_allocated:
                score = most_requested_score(requested, capacity);
                break;
            case FitScoring::requested_to_capacity_ratio:
                score = ratio_score(profile, requested, capacity);
                if (score <= 0) continue;  // its resources of score 0 weigh nothing
                break;
        }
        sum += score * r.weight;
        weights += r.weight;
    }
    if (weights == 0) return 0;
    if (profile.fit_scoring == FitScoring::requested_to_capacity_ratio)  // math.Round of a positive quotient
        return (2 * sum + weights) / (2 * weights);
    return sum / weights;
}

/// A square root in plain IEEE steps (Heron), the same on every compiler and device; 0 for x <= 0.
WT_HD constexpr double scheduler_sqrt(double x) {
    if (!(x > 0)) return 0;
    double y = x > 1 ? x : 1;
    for (int i = 0; i < 64; ++i) {
        const double next = 0.5 * (y + x / y);
        if (!(next < y)) break;
        y = next;
    }
    return y;
}

/// NodeResourcesBalancedAllocation, of real requests: fractions cut at 1; the standard deviation of more
/// than two resources.
WT_HD_CALL constexpr std::int64_t balanced_score(const SchedulerProfile& profile, const PodRules& rules,
                                            const ResourceAmounts& free, const ResourceAmounts& allocatable) {
    double fraction[max_scored_resources] = {};
    std::int32_t n = 0;
    double total = 0;
    for (std::int32_t i = 0; i < profile.balanced_count; ++i) {
        const std::int32_t kind = profile.balanced[i];
        if (allocatable[kind] <= 0) continue;
        if (kind >= resource_extended && rules.needs[kind] <= 0) continue;
        const double f = static_cast<double>(allocatable[kind] - free[kind] + rules.needs[kind]) /
                         static_cast<double>(allocatable[kind]);
        fraction[n] = f > 1 ? 1 : f;
        total += fraction[n++];
    }
    double deviation = 0;
    if (n == 2) {
        deviation = (fraction[0] - fraction[1]) / 2;
        if (deviation < 0) deviation = -deviation;
    } else if (n > 2) {
        const double mean = total / n;
        double sum = 0;
        for (std::int32_t i = 0; i < n; ++i) sum += (fraction[i] - mean) * (fraction[i] - mean);
        deviation = scheduler_sqrt(sum / n);
    }
    return static_cast<std::int64_t>((1 - deviation) * static_cast<double>(max_node_score));
}

inline constexpr std::int64_t not_scored = INT64_MIN;

/// What the scores of a node's room come to, weighted: they hang on nothing but the node and what the pod asks for.
WT_HD_CALL constexpr std::int64_t room_score(const SchedulerProfile& profile, const PodRules& rules, const ResourceAmounts& free,
                                             const ResourceAmounts& allocatable, const ScoringUse& used) {
    return profile.resources_fit * fit_score(profile, rules, free, allocatable, used) +
           profile.balanced_allocation * balanced_score(profile, rules, free, allocatable);
}

/// ImageLocality of `bytes` = sum over the pod's images on the node of size x (share of nodes that have it).
WT_HD constexpr std::int64_t image_score(std::int64_t bytes, std::int32_t containers) {
    const std::int64_t mebibyte = 1024 * 1024, low = 23 * mebibyte, high = 1000 * mebibyte * containers;
    if (bytes <= low) return 0;
    if (bytes > high) bytes = high;
    return high > low ? max_node_score * (bytes - low) / (high - low) : 0;
}

/// DefaultNormalizeScore: the largest becomes 100; reversed, the largest becomes 0.
WT_HD constexpr std::int64_t normalized_score(std::int64_t score, std::int64_t largest, bool reverse) {
    if (largest == 0) return reverse ? max_node_score : score;
    const std::int64_t s = max_node_score * score / largest;
    return reverse ? max_node_score - s : s;
}
/// InterPodAffinity: the least becomes 0, the largest 100.
WT_HD constexpr std::int64_t affinity_score(std::int64_t score, std::int64_t least, std::int64_t largest) {
    if (largest <= least) return 0;
    return static_cast<std::int64_t>(
        static_cast<double>(max_node_score) *
        (static_cast<double>(score - least) / static_cast<double>(largest - least)));
}
/// PodTopologySpread: fewest matching pods win.
WT_HD constexpr std::int64_t spread_score(std::int64_t score, std::int64_t least, std::int64_t largest) {
    return largest == 0 ? max_node_score : max_node_score * (largest + least - score) / largest;
}

/// The natural logarithm of a whole number >= 1 in plain IEEE steps: ln(m 2^e) = e ln 2 + 2
/// artanh((m-1)/(m+1)), m in [3/4, 3/2). Within 2 ulp, the same on every compiler and device.
WT_HD constexpr double scheduler_log(std::int64_t n) {
    double m = static_cast<double>(n);
    int e = 0;
    while (m >= 1.5) {
        m *= 0.5;
        ++e;
    }
    const double z = (m - 1) / (m + 1), z2 = z * z;
    double sum = 0;
    for (int k = 31; k >= 1; k -= 2) sum = sum * z2 + 1.0 / k;
    return e * 0.69314718055994530942 + 2 * z * sum;
}

}  // namespace windtunnel
