#pragma once
#include "sim/blueprint.hpp"
#include "sim/cluster_objects.hpp"
#include "sim/tally.hpp"

namespace windtunnel {

/// What a node's life is billed as: at least the minimum, and whole units.
[[nodiscard]] WT_HD inline Tick billed_life(const ShapePlan& plan, Tick life) {
    const Tick least = max(life, plan.minimum_billing);
    if (plan.billing_unit.count == 0) return least;
    return plan.billing_unit * ((least.count + plan.billing_unit.count - 1) / plan.billing_unit.count);
}

/// How many nodes more a commitment covers when `by` nodes come to `before` of the bill.
[[nodiscard]] WT_HD inline std::int64_t newly_covered(const ShapePlan& shape, std::int64_t before, std::int64_t by) {
    const std::int64_t limit = shape.committed, after = before + by;
    return (after < limit ? after : limit) - (before < limit ? before : limit);
}

/// GPU time of a spot machine that has had its notice.
WT_HD_COLD inline void count_noticed(const ShapePlan& shape, Tick from, Tick until, PoolTally& bill) {
    if (until > from)
        bill.noticed_gpus.add_product(static_cast<std::uint64_t>((until - from).count), static_cast<std::uint64_t>(shape.gpus));
}

/// What a life that has ended costs beyond itself: the minimum, the rest of a unit. Not of a machine that is free, or paid for
/// anyway.
template <class SpotSeatsOf>
WT_HD void bill_rest(const Blueprint& b, const ClusterNode& node, const SpotSeatsOf& spot, Tick now, PoolTally& bill) {
    const ShapePlan& plan = b.shapes[node.shape];
    const auto market = static_cast<std::uint32_t>(plan.market);
    if (plan.market >= 0 && node.spot >= SpotStage::noticed && node.gone_at != never)
        count_noticed(plan, max(node.launched, node.gone_at - spot.plan(market).notice), min(now, b.span), bill);
    const Tick life = now - node.launched, extra = billed_life(plan, life) - life;
    const bool free = plan.market >= 0 && node.spot == SpotStage::gone && life < spot.plan(market).free_before;
    if (extra.count > 0 && now < b.span && !free && !node.reserved) bill.bill_extra(extra, spot.price(plan), plan.gpus);
}

/// Shapes of which one node more would pass a quota of the cloud. `nodes`: of each shape.
template <class Counts>
WT_HD_COLD void add_beyond_quotas(const Blueprint& b, const Counts& nodes, ShapeSet& out) {
    for (std::uint32_t q = 0; q < b.cloud_quotas.size(); ++q) {
        const CloudQuotaPlan& quota = b.cloud_quotas[q];
        std::int64_t used = 0;
        for (std::int32_t i = quota.shapes.next(0); i >= 0; i = quota.shapes.next(i + 1)) {
            const auto shape = static_cast<std::uint32_t>(i);
            used += quota.units(b.shapes[shape]) * std::int64_t{nodes[shape]};
        }
        for (std::int32_t i = quota.shapes.next(0); i >= 0; i = quota.shapes.next(i + 1))
            if (used + quota.units(b.shapes[static_cast<std::uint32_t>(i)]) > quota.limit) out.add(i);
    }
}

/// Whether a pool that buys both ways now has nodes on demand that it would have on spot by its own distribution.
/// `nodes`: of each shape.
template <class Counts>
WT_HD_COLD void count_fallback(const Blueprint& b, std::uint32_t p, const Counts& nodes, Tick now, Tally& tally) {
    const PoolPlan& pool = b.pools[p];
    std::uint32_t spot = 0, on_demand = 0, bill = 0;
    bool has_spot = false, has_on_demand = false;
    for (std::uint32_t i = pool.first_shape; i < pool.first_shape + pool.shape_count; ++i) {
        const ShapePlan& shape = b.shapes[i];
        has_spot = has_spot || shape.spot;
        (shape.spot ? spot : on_demand) += nodes[i];
        if (shape.spot || shape.reserved > 0) continue;
        has_on_demand = true;
        bill = shape.bill;
    }
    if (!has_spot || !has_on_demand) return;
    TimeIntegral& fallback = tally.pools[bill].fallback;
    fallback.change(now, b.span, (on_demand > pool.on_demand_of(spot + on_demand) ? 1 : 0) - fallback.value);
}

}  // namespace windtunnel
