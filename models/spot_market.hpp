#pragma once
#include "models/blob_span.hpp"
#include "models/quantile_table.hpp"
#include "models/random.hpp"
#include "models/time.hpp"

#include <cstdint>

namespace windtunnel {

inline constexpr std::uint32_t spot_share_one = 1u << 30;  ///< shares are counted in 2^-30
inline constexpr std::int32_t spot_unlimited = INT32_MAX;

/// Recorded: from `at` on the cloud has at most so many nodes.
struct SpotCapacityChange {
    Tick at;
    std::int32_t capacity = 0;
    std::uint32_t padding = 0;
};
/// Recorded: from `at` on a node costs so much.
struct SpotPriceChange {
    Tick at;
    std::int64_t nano_usd_per_hour = 0;
};
/// Recorded: a node came and went.
struct SpotNodeLife {
    Tick comes;
    Tick goes = never;
};

/// Who reacts to an interruption notice.
enum class SpotHandler : std::uint8_t {
    none,       ///< nobody: pods run until the machine is gone
    evictions,  ///< the node is cordoned and drained through the eviction API (handlers of EKS and AKS, Karpenter's)
    shutdown,   ///< the kubelet ends all pods, budgets or not (GKE's graceful node shutdown)
};

/// The market of one instance type in one zone: who is interrupted when, how much there is, at which price.
struct SpotMarketPlan {
    std::uint32_t entity = 0;       ///< names its random streams: the same market, the same weather in every scenario
    std::uint32_t zone_entity = 0;  ///< of what happens to a whole zone
    /// Interruptions of one node per hour, in millionths, by hour of the day (in the scenario's time zone).
    std::uint32_t hourly_rate[24] = {};
    std::int32_t lifetime_table = -1;     ///< besides: a node is interrupted at this age; -1 = at none
    std::int32_t reclaim_gap_table = -1;  ///< between two reclaims of a whole zone; -1 = there are none
    std::uint32_t reclaim_share = 0;      ///< of the market's nodes that a reclaim takes
    std::int32_t plenty_table = -1;       ///< how long there is capacity; -1 = always
    std::int32_t drought_table = -1;      ///< how long there is none
    std::uint32_t drought_share = 0;      ///< of the market's nodes that go when a drought begins
    std::uint32_t drought_at_start = 0;   ///< probability that a trial begins in one
    std::uint32_t first_capacity = 0, capacity_count = 0;
    std::uint32_t first_price = 0, price_count = 0;
    std::uint32_t first_life = 0, life_count = 0;  ///< its nodes are these and no others
    std::int32_t exponential_table = -1;  ///< the exponential distribution of mean one hour; needed by hourly_rate
    SpotHandler handler = SpotHandler::evictions;
    std::uint8_t replaces_early = 0;      ///< at a rebalance recommendation a replacement is started, then the node drained
    std::uint8_t padding[6] = {};
    Tick notice;                          ///< from the notice to the machine's end
    Tick rebalance_lead = never;          ///< a recommendation comes this long before the notice; `never` = none
    Tick free_before;                     ///< a node that the cloud takes sooner costs nothing
    Tick day_phase;                       ///< time of day at t = 0

    [[nodiscard]] WT_HD bool has_capacity_process() const { return capacity_count > 0 || plenty_table >= 0; }
    /// Anything happens to it besides what happens to single nodes.
    [[nodiscard]] WT_HD bool has_process() const {
        return has_capacity_process() || reclaim_gap_table >= 0 || price_count > 0 || life_count > 0;
    }
};

/// What the plans of all markets refer to.
struct SpotMarketData {
    const BlobSpan<QuantileTable>* tables = nullptr;
    const BlobSpan<SpotCapacityChange>* capacities = nullptr;
    const BlobSpan<SpotPriceChange>* prices = nullptr;
    const BlobSpan<SpotNodeLife>* lives = nullptr;
    std::uint64_t seed = 1;
    std::uint32_t trial = 0;

    [[nodiscard]] WT_HD RandomStream stream(StreamPurpose purpose, std::uint32_t entity, std::uint32_t block) const {
        return {seed, trial, purpose, entity, block};
    }
    [[nodiscard]] WT_HD Tick draw(std::int32_t table, StreamPurpose purpose, std::uint32_t entity, std::uint32_t block) const {
        return Tick{(*tables)[static_cast<std::size_t>(table)].sample(stream(purpose, entity, block).next_u64())};
    }
};

/// The stream of one seat of a market. A market's nodes sit on seats, the lowest free one first: what happens to a
/// seat depends on nothing that a cluster does, so that two policies under one seed meet the same weather.
WT_HD constexpr std::uint32_t seat_entity(std::uint32_t market, std::uint32_t seat) {
    return market + (seat + 1) * 0x9e3779b9u;
}

/// The next interruption of a node on `seat` that starts at `now` by the hazard of the hour: the first point after
/// `now` of the seat's Poisson process, whose rate is constant within an hour of the day. Gives `never` beyond `horizon`.
WT_HD inline Tick next_interruption(const SpotMarketPlan& m, const SpotMarketData& data, std::uint32_t seat, Tick now,
                                    Tick horizon) {
    if (m.exponential_table < 0) return never;
    constexpr std::int64_t hour = 3600 * ticks_per_second;
    const QuantileTable& unit = (*data.tables)[static_cast<std::size_t>(m.exponential_table)];
    for (std::int64_t cell = (now + m.day_phase).count / hour;; ++cell) {
        const Tick start = Tick{cell * hour} - m.day_phase, end = start + Tick{hour};
        if (start > horizon) return never;
        const std::int64_t rate = m.hourly_rate[cell % 24];
        if (rate == 0) continue;
        RandomStream draws = data.stream(StreamPurpose::spot_eviction, seat_entity(m.entity, seat), static_cast<std::uint32_t>(cell) * 4096);
        for (Tick at = start;;) {
            const std::int64_t gap = unit.sample(draws.next_u64());  // at a rate of one
            if (gap / rate > hour / 1'000'000) break;                // beyond this hour, and nothing overflows below
            at += Tick{gap / rate * 1'000'000 + gap % rate * 1'000'000 / rate};
            if (at >= end) break;
            if (at > now) return at < horizon ? at : Tick{never};
        }
    }
}

/// When a node that starts at `now` on `seat` is given its notice by hazard or age, whichever comes first.
WT_HD inline Tick interruption_of(const SpotMarketPlan& m, const SpotMarketData& data, std::uint32_t seat, Tick now, Tick horizon) {
    Tick at = next_interruption(m, data, seat, now, horizon);
    if (m.lifetime_table >= 0) {
        const auto second = static_cast<std::uint32_t>(now.count / ticks_per_second);
        const Tick age = data.draw(m.lifetime_table, StreamPurpose::spot_eviction, seat_entity(m.entity, seat), 0x80000000u | second);
        at = min(at, now + age);
    }
    return at < horizon ? at : Tick{never};
}

/// What changed in a market.
struct SpotMarketTurn {
    bool price = false, capacity = false;
    std::uint32_t take_share = 0;    ///< of its nodes that are interrupted now; the number of the taking is `taking`
    std::uint32_t taking = 0;
    std::int32_t life = -1;          ///< a recorded node comes: index into the lives
};

/// A market's own state: capacity that comes and goes, reclaims of its zone, recorded prices. Passive: it says when it
/// changes next, and becomes what it is then.
class SpotMarket {
public:
    WT_HD void start(const SpotMarketPlan& m, const SpotMarketData& data) {
        *this = SpotMarket{};
        if (m.reclaim_gap_table >= 0) m_reclaim_at = data.draw(m.reclaim_gap_table, StreamPurpose::spot_market, m.zone_entity, 0);
        if (m.plenty_table >= 0) {
            const std::uint64_t bits = data.stream(StreamPurpose::spot_market, m.entity, 0).next_u64() >> 34;
            m_drought = bits < m.drought_at_start;
            m_toggle_at = toggle_after(m, data, Tick{});
        }
        while (m_capacity_at < m.capacity_count && (*data.capacities)[m.first_capacity + m_capacity_at].at <= Tick{})
            m_recorded = (*data.capacities)[m.first_capacity + m_capacity_at++].capacity;
        while (m_price_at < m.price_count && (*data.prices)[m.first_price + m_price_at].at <= Tick{}) ++m_price_at;
    }

    [[nodiscard]] WT_HD Tick next_change(const SpotMarketPlan& m, const SpotMarketData& data) const {
        Tick next = min(m_reclaim_at, m_toggle_at);
        if (m_capacity_at < m.capacity_count) next = min(next, (*data.capacities)[m.first_capacity + m_capacity_at].at);
        if (m_price_at < m.price_count) next = min(next, (*data.prices)[m.first_price + m_price_at].at);
        if (m_life_at < m.life_count) next = min(next, (*data.lives)[m.first_life + m_life_at].comes);
        return next;
    }

    /// Becomes what it is at `now`, its next change; one thing at a time, in this order at one instant: prices, recorded
    /// capacity, droughts, reclaims, recorded nodes.
    WT_HD SpotMarketTurn advance_to(const SpotMarketPlan& m, const SpotMarketData& data, Tick now) {
        SpotMarketTurn turn;
        if (m_price_at < m.price_count && (*data.prices)[m.first_price + m_price_at].at <= now) {
            ++m_price_at;
            turn.price = true;
        } else if (m_capacity_at < m.capacity_count && (*data.capacities)[m.first_capacity + m_capacity_at].at <= now) {
            m_recorded = (*data.capacities)[m.first_capacity + m_capacity_at++].capacity;
            turn.capacity = true;
        } else if (m_toggle_at <= now) {
            m_drought = !m_drought;
            ++m_toggles;
            m_toggle_at = toggle_after(m, data, now);
            turn.capacity = true;
            turn.take_share = m_drought ? m.drought_share : 0;
            turn.taking = 2 * m_toggles;
        } else if (m_reclaim_at <= now) {
            turn.take_share = m.reclaim_share;
            turn.taking = 2 * ++m_reclaims + 1;
            m_reclaim_at = now + data.draw(m.reclaim_gap_table, StreamPurpose::spot_market, m.zone_entity, m_reclaims);
        } else if (m_life_at < m.life_count) {
            turn.life = static_cast<std::int32_t>(m.first_life + m_life_at++);
        }
        return turn;
    }

    /// The most nodes that the cloud gives just now.
    [[nodiscard]] WT_HD std::int32_t capacity() const { return m_drought ? 0 : m_recorded; }
    /// The price in force; `otherwise` where none is recorded. Before the first record that one holds.
    [[nodiscard]] WT_HD std::int64_t price(const SpotMarketPlan& m, const SpotMarketData& data, std::int64_t otherwise) const {
        if (m.price_count == 0) return otherwise;
        return (*data.prices)[m.first_price + (m_price_at > 0 ? m_price_at - 1 : 0)].nano_usd_per_hour;
    }

private:
    [[nodiscard]] WT_HD Tick toggle_after(const SpotMarketPlan& m, const SpotMarketData& data, Tick now) const {
        const std::int32_t table = m_drought ? m.drought_table : m.plenty_table;
        return now + data.draw(table, StreamPurpose::spot_market, m.entity, 1 + m_toggles);
    }

    Tick m_reclaim_at = never, m_toggle_at = never;
    std::uint32_t m_reclaims = 0, m_toggles = 0;
    std::uint32_t m_capacity_at = 0, m_price_at = 0, m_life_at = 0;
    std::int32_t m_recorded = spot_unlimited;
    bool m_drought = false;
};

/// Whether a taking of a share of a market takes the node on `seat`.
WT_HD inline bool is_taken(const SpotMarketPlan& m, const SpotMarketData& data, std::uint32_t seat, std::uint32_t taking, std::uint32_t share) {
    return (data.stream(StreamPurpose::spot_eviction, seat_entity(m.entity, seat), 0x40000000u | taking).next_u64() >> 34) < share;
}

/// What a node costs over [from, to) by the recorded prices: ticks x nano-USD per hour are added to `out`.
template <class Sum>
WT_HD void add_recorded_cost(const SpotMarketPlan& m, const SpotMarketData& data, Tick from, Tick to, Sum& out) {
    for (std::uint32_t i = 0; i < m.price_count; ++i) {
        const SpotPriceChange& p = (*data.prices)[m.first_price + i];
        const Tick begins = i == 0 ? from : max(from, p.at);
        const Tick ends = i + 1 == m.price_count ? to : min(to, (*data.prices)[m.first_price + i + 1].at);
        if (ends > begins) out.add_product(static_cast<std::uint64_t>((ends - begins).count), static_cast<std::uint64_t>(p.nano_usd_per_hour));
    }
}

}  // namespace windtunnel
