#pragma once
#include "models/arena.hpp"
#include "models/index_set.hpp"
#include "models/spot_market.hpp"
#include "models/wide_sum.hpp"
#include "sim/blueprint.hpp"

namespace windtunnel {

/// The spot markets of a trial and who sits on their seats: part of the cluster's state. It decides nothing.
template <class Layout>
class SpotSeats {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_count = static_cast<std::uint32_t>(b.spot_markets.size());
        m_words = m_count > 0 ? (b.node_slots + 63) / 64 : 0;
        m_markets = arena.template take<SpotMarket>(m_count);
        m_nodes = arena.template take<std::uint32_t>(m_count);
        m_seats = arena.template take<std::uint64_t>(std::size_t{m_count} * m_words);
    }
    WT_HD_COLD void start(const Blueprint& b, std::uint64_t seed, std::uint32_t trial) {
        m_data = {&b.tables, &b.spot_capacities, &b.spot_prices, &b.spot_lives, seed, trial};
        m_plans = &b.spot_markets;
        for (std::uint32_t m = 0; m < m_count; ++m) {
            m_markets[m].start(b.spot_markets[m], m_data);
            m_nodes[m] = 0;
        }
        for (std::size_t i = 0; i < std::size_t{m_count} * m_words; ++i) m_seats[i] = 0;
    }

    [[nodiscard]] WT_HD std::uint32_t count() const { return m_count; }
    [[nodiscard]] WT_HD const SpotMarketPlan& plan(std::uint32_t m) const { return (*m_plans)[m]; }
    [[nodiscard]] WT_HD const SpotMarketData& data() const { return m_data; }
    [[nodiscard]] WT_HD SpotMarket& market(std::uint32_t m) const { return m_markets[m]; }
    [[nodiscard]] WT_HD std::uint32_t nodes(std::uint32_t m) const { return m_nodes[m]; }
    [[nodiscard]] WT_HD Tick next_change(std::uint32_t m) const { return m_markets[m].next_change(plan(m), m_data); }
    [[nodiscard]] WT_HD SpotMarketTurn advance(std::uint32_t m, Tick now) { return m_markets[m].advance_to(plan(m), m_data, now); }

    /// The lowest free seat. Requires that there is one: a market has as many as the trial has node slots.
    WT_HD_COLD std::uint32_t take(std::uint32_t m) {
        ++m_nodes[m];
        for (std::uint32_t w = 0; w < m_words; ++w) {
            std::uint64_t& word = m_seats[std::size_t{m} * m_words + w];
            if (word == ~std::uint64_t{0}) continue;
            const std::uint32_t bit = lowest_bit(~word);
            word |= std::uint64_t{1} << bit;
            return w * 64 + bit;
        }
        return 0;
    }
    WT_HD_COLD void release(std::uint32_t m, std::uint32_t seat) {
        --m_nodes[m];
        m_seats[std::size_t{m} * m_words + seat / 64] &= ~(std::uint64_t{1} << (seat % 64));
    }
    /// Whether the cloud gives another node.
    [[nodiscard]] WT_HD bool has_room(std::uint32_t m) const {
        return static_cast<std::int64_t>(m_nodes[m]) < m_markets[m].capacity();
    }
    /// What a node of a shape costs just now.
    [[nodiscard]] WT_HD_CALL std::int64_t price(const ShapePlan& shape) const {
        if (shape.market < 0) return shape.nano_usd_per_hour;
        const auto m = static_cast<std::uint32_t>(shape.market);
        return m_markets[m].price(plan(m), m_data, shape.nano_usd_per_hour);
    }
    /// Ticks x nano-USD per hour of a node of a shape over [from, to).
    [[nodiscard]] WT_HD_COLD WideSum cost(const ShapePlan& shape, Tick from, Tick to) const {
        WideSum out;
        const auto m = static_cast<std::uint32_t>(shape.market);
        if (shape.market >= 0 && plan(m).price_count > 0)
            add_recorded_cost(plan(m), m_data, from, to, out);
        else if (to > from)
            out.add_product(static_cast<std::uint64_t>((to - from).count), static_cast<std::uint64_t>(shape.nano_usd_per_hour));
        return out;
    }

private:
    const BlobSpan<SpotMarketPlan>* m_plans = nullptr;
    SpotMarketData m_data;
    std::uint32_t m_count = 0, m_words = 0;
    ArenaArray<SpotMarket, Layout> m_markets;
    ArenaArray<std::uint32_t, Layout> m_nodes;  ///< of each market
    ArenaArray<std::uint64_t, Layout> m_seats;  ///< bit per seat
};

}  // namespace windtunnel
