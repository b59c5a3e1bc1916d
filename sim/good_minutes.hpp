#pragma once
#include "models/arena.hpp"
#include "sim/blueprint.hpp"

namespace windtunnel {

/// Minute by minute, how many requests arrived and how many of these were good. Takes no room where the scenario
/// says of no request when it is good.
template <class Layout>
class GoodMinutes {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const GoodputPlan& plan) {
        m_minutes = arena.template take<Counts>(plan.minutes);
    }
    WT_HD_COLD void start(const GoodputPlan& plan) {
        m_count = plan.minutes;
        for (std::uint32_t i = 0; i < m_count; ++i) m_minutes[i] = Counts{};
    }
    WT_HD void arrived(Tick at) {
        if (m_count > 0) ++m_minutes[minute_of(at)].arrived;
    }
    /// A request that arrived at `arrival` was good.
    WT_HD void was_good(Tick arrival) {
        if (m_count > 0) ++m_minutes[minute_of(arrival)].good;
    }
    /// Minutes with too small a share of good ones; without arrivals none is missing.
    [[nodiscard]] WT_HD_COLD std::uint64_t degraded(const GoodputPlan& plan) const {
        std::uint64_t out = 0;
        for (std::uint32_t i = 0; i < m_count; ++i) {
            const Counts c = m_minutes[i];
            out += std::uint64_t{c.good} * 1'000'000 < std::uint64_t{c.arrived} * plan.good_per_million ? 1 : 0;
        }
        return out;
    }

private:
    struct Counts {
        std::uint32_t arrived = 0, good = 0;
    };
    [[nodiscard]] WT_HD std::uint32_t minute_of(Tick at) const {
        const std::int64_t minute = at.count / (60 * ticks_per_second), last = std::int64_t{m_count} - 1;
        return static_cast<std::uint32_t>(minute < last ? minute : last);
    }

    ArenaArray<Counts, Layout> m_minutes;
    std::uint32_t m_count = 0;
};

}  // namespace windtunnel
