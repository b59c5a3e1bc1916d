#pragma once
#include "policies/karpenter_launch.hpp"
#include "policies/karpenter_lifecycle.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

/// What Karpenter knows of what the cloud offers: prices as it last asked for them, offerings that had no capacity a
/// while ago, reservations that have nodes left.
template <class State>
class KarpenterOffers {
public:
    template <class Layout>
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b, bool used) {
        m_offerings = arena.template take_plain<KarpenterOffering>(used ? b.shapes.size() : 0);
        m_unavailable = arena.template take_plain<Tick>(used ? b.shapes.size() : 0);
    }
    WT_HD_COLD void start(const Blueprint& b) {
        m_prices_until = Tick{};
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) {
            const ShapePlan& shape = b.shapes[i];
            m_offerings[i] = {shape.capacity,
                              shape.planned_room(),
                              shape.nano_usd_per_hour + shape.overlay_nano_usd_per_hour,
                              shape.kind,
                              static_cast<std::int32_t>(shape.zone),
                              shape.type,
                              shape.family};
            m_unavailable[i] = Tick{INT64_MIN / 2};
        }
    }

    /// By index into Blueprint::shapes.
    [[nodiscard]] WT_HD const KarpenterOffering* all() const { return m_offerings; }
    /// It has not lately had no capacity.
    [[nodiscard]] WT_HD bool may_be_had(std::uint32_t shape, Tick now) const { return m_unavailable[shape] <= now; }
    [[nodiscard]] WT_HD Tick unavailable_until(std::uint32_t shape) const { return m_unavailable[shape]; }
    [[nodiscard]] WT_HD Tick prices_until() const { return m_prices_until; }

    /// What the cloud gives for a launch request.
    [[nodiscard]] WT_HD_COLD LaunchAnswer answer_of(State& s, const OfferingSet& set) const {
        OfferingSet deep;
        s.next_launch();
        for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1))
            if (m_offerings[i].kind == OfferingKind::spot && s.is_deep(static_cast<std::uint32_t>(i))) deep.add(i);
        return launch_claim(m_offerings, set, s.sold_out(), deep);
    }
    /// Marks those that had no capacity.
    WT_HD_COLD void note_failed(const LaunchAnswer& answer, Tick now) {
        for (std::int32_t i = answer.failed.next(0); i >= 0; i = answer.failed.next(i + 1))
            m_unavailable[i] = now + karpenter_unavailable;
    }

    /// The prices that it plans with: those in force when it last asked. A reservation that has nodes left comes first
    /// (9.4.1) and costs nothing more. Gives whether a spot price is another now.
    [[nodiscard]] WT_HD_COLD bool look_at_prices(State& s, Tick now) {
        const Blueprint& b = s.blueprint();
        const bool anew = now >= m_prices_until;
        bool moved = false;
        if (anew) m_prices_until = now + karpenter_price_refresh;
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) {
            const ShapePlan& shape = b.shapes[i];
            const std::int64_t overlay = shape.overlay_nano_usd_per_hour;  // as a sum, also where prices are recorded
            if (anew && shape.market >= 0 && m_offerings[i].price_nano_usd_per_hour != s.spot().price(shape) + overlay) {
                m_offerings[i].price_nano_usd_per_hour = s.spot().price(shape) + overlay;
                moved = true;
            }
            if (shape.reserved == 0) continue;
            const bool left = s.has_reservation_left(i);
            m_offerings[i].kind = left ? OfferingKind::reserved : shape.kind;
            m_offerings[i].price_nano_usd_per_hour = left ? 0 : shape.nano_usd_per_hour + overlay;
        }
        return moved;
    }

private:
    KarpenterOffering* m_offerings = nullptr;  ///< [shapes]
    Tick* m_unavailable = nullptr;             ///< [shapes] left out of planning before
    Tick m_prices_until;                       ///< spot prices are looked at again then
};

}  // namespace windtunnel
