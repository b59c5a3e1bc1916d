#pragma once
#include "models/time.hpp"
#include "policies/karpenter_provisioning.hpp"

/// What a planned node is launched from, and what happens where there is no capacity (kubernetes.md 9.4;
/// AWS provider 1d927085, 2026-08).
namespace windtunnel {

/// How long a (type, zone, capacity type) that had no capacity is left out of planning.
inline constexpr Tick karpenter_unavailable = seconds(180);

/// How often it asks for spot prices (aws/karpenter-provider-aws, the pricing controller's RequeueAfter; from general knowledge, 2025, not re-read).
inline constexpr Tick karpenter_price_refresh = seconds(12 * 3600);
/// Instance types that one launch request may name.
inline constexpr std::int32_t karpenter_launch_types = 60;

/// The offering that is preferred among `set`: the first capacity type (reserved, spot, on-demand) that any
/// of them has, and of those the cheapest (equal prices: the earlier type). -1 for an empty set.
WT_HD constexpr std::int32_t choose_offering(const KarpenterOffering* offerings, const OfferingSet& set) {
    std::int32_t best = -1;
    for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1)) {
        if (best < 0) {
            best = i;
            continue;
        }
        const KarpenterOffering& a = offerings[i];
        const KarpenterOffering& b = offerings[best];
        const bool better = a.kind != b.kind ? a.kind < b.kind
                            : a.price_nano_usd_per_hour != b.price_nano_usd_per_hour
                                ? a.price_nano_usd_per_hour < b.price_nano_usd_per_hour
                                : a.type < b.type;
        if (better) best = i;
    }
    return best;
}

/// What one launch request asks for: the offerings of one capacity type, reserved before spot before
/// on-demand, and of these the `karpenter_launch_types` cheapest instance types. Never a mixed fleet.
WT_HD constexpr OfferingSet launch_request(const KarpenterOffering* offerings, const OfferingSet& set) {
    const std::int32_t preferred = choose_offering(offerings, set);
    if (preferred < 0) return {};
    OfferingSet left = set, request, types;
    for (std::int32_t i = left.next(0); i >= 0; i = left.next(i + 1)) {
        if (offerings[i].kind != offerings[preferred].kind)
            left.remove(i);
        else
            types.add(offerings[i].type);
    }
    if (types.count() <= karpenter_launch_types) return left;
    for (std::int32_t wanted = karpenter_launch_types; wanted > 0; --wanted) {
        const std::int32_t type = offerings[choose_offering(offerings, left)].type;
        for (std::int32_t i = left.next(0); i >= 0; i = left.next(i + 1)) {
            if (offerings[i].type != type) continue;
            request.add(i);
            left.remove(i);
        }
    }
    return request;
}

/// What became of a launch request.
struct LaunchAnswer {
    std::int32_t offering = -1;  ///< launched; -1 = insufficient capacity everywhere, the claim is deleted
    OfferingSet failed;          ///< tried in vain: unavailable for planning for `karpenter_unavailable`
};

/// Launches one node. `empty` = offerings without capacity at this instant. On-demand and reserved take the
/// cheapest that has some. Spot is price-capacity-optimized: the cheapest among the `deep` pools, those
/// with the most spare capacity just now, and the cheapest of all where none is deep.
WT_HD constexpr LaunchAnswer launch_claim(const KarpenterOffering* offerings, const OfferingSet& claim,
                                          const OfferingSet& empty, const OfferingSet& deep) {
    OfferingSet request = launch_request(offerings, claim);
    LaunchAnswer answer;
    while (!request.empty()) {
        OfferingSet choice = request;
        choice &= deep;
        if (choice.empty() || offerings[choice.next(0)].kind != OfferingKind::spot) choice = request;
        const std::int32_t tried = choose_offering(offerings, choice);
        if (!empty.has(tried)) {
            answer.offering = tried;
            return answer;
        }
        answer.failed.add(tried);
        request.remove(tried);
    }
    return answer;
}

}  // namespace windtunnel
