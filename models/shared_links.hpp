#pragma once
#include "models/arena.hpp"
#include "models/index_set.hpp"
#include "models/time.hpp"
#include "models/wide_quotient.hpp"

#include <cstdint>

namespace windtunnel {

inline constexpr std::uint32_t no_link = 0xffffffffu;
inline constexpr std::int32_t longest_route = 3;
/// Bytes per second of a link that never binds.
inline constexpr std::int64_t fastest_link = 1'000'000'000'000;

/// What a transfer goes over: a source that many share (a bucket, a registry, a file server), the network and
/// the disk of its node. Unused places are `no_link`.
struct Route {
    std::uint32_t links[longest_route] = {no_link, no_link, no_link};
};

/// Transfers that share links: a passive state machine over integer time.
///
/// Every moment the bandwidth is shared out max-min fairly, as many TCP streams over one bottleneck share it:
/// all transfers grow alike until a link is full or a transfer is as fast as it can be by itself; those stop
/// growing, the others go on. With one link and no limits that is processor sharing: each of n transfers gets
/// 1/n of it.
///
/// Exact: rates are fractions (a link's rest over those who share it), bytes are counted in 2^-20. What is
/// left of a transfer is reckoned anew only when its own rate changes, so that nothing else, and no looking
/// in between, can move its end; a finish is the first tick at which all bytes have come.
template <class Layout>
class SharedLinks {
public:
    static constexpr std::uint32_t none = IndexSet<Layout>::none;
    static constexpr int fraction_bits = 20;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::size_t links, std::size_t transfers) {
        m_link_count = static_cast<std::uint32_t>(links);
        m_links = arena.template take<Link>(links);
        m_transfers = arena.template take<Transfer>(transfers);
        m_running.take_memory(arena, transfers);
        m_open.take_memory(arena, transfers);
        m_used.take_memory(arena, links);
    }
    WT_HD_COLD void start() {
        for (std::uint32_t i = 0; i < m_link_count; ++i) m_links[i] = Link{};
        m_running.clear();
        m_open.clear();
        m_used.clear();
        m_next = never;
        m_all_at_limit = false;
    }

    /// Bytes per second that a link carries from now on. Links begin without bandwidth.
    WT_HD_COLD void set_capacity(std::uint32_t link, std::int64_t bytes_per_second, Tick now) {
        m_links[link].capacity = fixed_point(bytes_per_second);
        if (m_running.size() > 0) share_out(now);
    }
    [[nodiscard]] WT_HD std::int64_t capacity(std::uint32_t link) const {
        return static_cast<std::int64_t>(m_links[link].capacity >> fraction_bits);
    }

    /// `bytes` are to come over `route`; alone they would take `alone`, which says how fast the transfer is
    /// by itself. Requires that transfer `t` is not running, bytes > 0 and alone > 0.
    WT_HD_COLD void begin(std::uint32_t t, std::int64_t bytes, Tick alone, const Route& route, Tick now) {
        Transfer& transfer = m_transfers[t];
        transfer = Transfer{};
        transfer.left = fixed_point(bytes);
        transfer.limit = multiply_divide(transfer.left, static_cast<std::uint64_t>(ticks_per_second),
                                         static_cast<std::uint64_t>(alone.count));
        if (transfer.limit > largest_rate) transfer.limit = largest_rate;
        if (transfer.limit == 0) transfer.limit = 1;
        transfer.alone = alone;
        transfer.whole = transfer.left;
        transfer.route = route;
        transfer.began = transfer.since = now;
        m_running.add(t);
        if (!try_add_at_limit(t, now)) share_out(now);
    }
    /// It is given up, or has been taken note of at its end.
    WT_HD_COLD void end(std::uint32_t t, Tick now) {
        if (!m_running.has(t)) return;
        m_running.remove(t);
        if (!m_all_at_limit) return share_out(now);
        // Nobody was kept from anything, so nobody else changes.
        for (const std::uint32_t l : m_transfers[t].route.links)
            if (l != no_link) m_links[l].wanted -= m_transfers[t].limit;
        if (m_transfers[t].ends == m_next) find_next();
    }
    [[nodiscard]] WT_HD bool running(std::uint32_t t) const { return m_running.has(t); }
    [[nodiscard]] WT_HD std::uint32_t size() const { return m_running.size(); }

    /// When the next transfer is through, if nothing changes before.
    [[nodiscard]] WT_HD Tick next_change() const { return m_next; }
    /// A transfer that is through at `now`, the first by number; `none` when there is none.
    [[nodiscard]] WT_HD_COLD std::uint32_t first_through(Tick now) const {
        if (m_next > now) return none;
        for (std::uint32_t t = m_running.first(); t != none; t = m_running.next(t + 1))
            if (m_transfers[t].ends <= now) return t;
        return none;
    }
    /// When a transfer began, the last of its number.
    [[nodiscard]] WT_HD Tick began(std::uint32_t t) const { return m_transfers[t].began; }
    /// When a running transfer is through, if nothing changes before.
    [[nodiscard]] WT_HD Tick ends(std::uint32_t t) const { return m_transfers[t].ends; }
    /// Bytes of a running transfer that have not come by `now`, rounded up.
    [[nodiscard]] WT_HD std::int64_t bytes_left(std::uint32_t t, Tick now) const {
        const std::uint64_t one = std::uint64_t{1} << fraction_bits;
        return static_cast<std::int64_t>((left_at(m_transfers[t], now) + one - 1) / one);
    }

private:
    /// Rates count 2^-20 bytes per second: links of up to 10^12 bytes a second fit.
    static constexpr std::uint64_t largest_rate = std::uint64_t{1} << 60;
    [[nodiscard]] WT_HD static std::uint64_t fixed_point(std::int64_t n) {
        const auto most = static_cast<std::int64_t>(largest_rate >> fraction_bits);
        return static_cast<std::uint64_t>(n < 0 ? 0 : n > most ? most : n) << fraction_bits;
    }

    struct Link {
        std::uint64_t capacity = 0;
        std::uint64_t taken = 0;  ///< by transfers whose rate is settled, rounded up
        std::uint32_t open = 0;   ///< transfers over it whose rate is not
        std::uint32_t padding = 0;
        std::uint64_t wanted = 0;  ///< by its transfers together, each as fast as it can be by itself; at most 2^62
        [[nodiscard]] WT_HD std::uint64_t rest() const { return capacity > taken ? capacity - taken : 0; }
        [[nodiscard]] WT_HD std::uint64_t level() const { return rest() / open; }
    };
    /// A rate of rate / shares.
    struct Transfer {
        std::uint64_t left = 0, whole = 0;  ///< at `since`; of all
        std::uint64_t limit = 0;            ///< as fast as it can be by itself
        std::uint64_t rate = 0, shares = 1;
        Tick began, since, ends = never;
        Tick alone;  ///< it takes, as fast as it can be
        Route route;
        std::uint32_t limited = 0;  ///< its own limit is its rate
    };

    [[nodiscard]] WT_HD static std::uint64_t left_at(const Transfer& t, Tick now) {
        const auto time = static_cast<std::uint64_t>((now - t.since).count);
        const std::uint64_t come =
            multiply_divide(t.rate, time, t.shares * static_cast<std::uint64_t>(ticks_per_second));
        return come < t.left ? t.left - come : 0;
    }
    [[nodiscard]] WT_HD static Tick end_of(const Transfer& t) {
        if (t.limited != 0 && t.left == t.whole) return t.since + t.alone;  // its own word, to the tick
        if (t.left == 0) return t.since;
        if (t.rate == 0) return never;
        const std::uint64_t time =
            multiply_divide(t.left, t.shares * static_cast<std::uint64_t>(ticks_per_second), t.rate, true);
        return time < static_cast<std::uint64_t>((end_of_time - t.since).count)
                   ? t.since + Tick{static_cast<std::int64_t>(time)}
                   : never;
    }

    /// Settles a transfer's rate for now; only a rate that is another one changes the transfer.
    WT_HD void settle(std::uint32_t n, std::uint64_t rate, std::uint64_t shares, bool limited, Tick now) {
        Transfer& t = m_transfers[n];
        for (const std::uint32_t l : t.route.links)
            if (l != no_link) {
                m_links[l].taken += (rate + shares - 1) / shares;
                --m_links[l].open;
            }
        m_open.remove(n);
        set_rate(t, rate, shares, limited, now);
    }
    WT_HD static void set_rate(Transfer& t, std::uint64_t rate, std::uint64_t shares, bool limited, Tick now) {
        if (t.rate == rate && t.shares == shares && (t.limited != 0) == limited && t.ends != never) return;
        t.left = left_at(t, now);
        t.since = now;
        t.rate = rate;
        t.shares = shares;
        t.limited = limited ? 1 : 0;
        t.ends = end_of(t);
    }
    [[nodiscard]] WT_HD bool crosses(const Transfer& t, std::uint32_t link) const {
        for (const std::uint32_t l : t.route.links)
            if (l == link) return true;
        return false;
    }

    /// Where everybody, it included, is as fast as they can be by themselves, it alone has to be settled. False, and
    /// nothing changed, elsewhere.
    [[nodiscard]] WT_HD bool try_add_at_limit(std::uint32_t n, Tick now) {
        if (!m_all_at_limit) return false;
        Transfer& t = m_transfers[n];
        // A route crosses a link once, so the links can be looked at one by one.
        for (const std::uint32_t l : t.route.links)
            if (l != no_link && (m_used.has(l) ? m_links[l].wanted : 0) + t.limit > m_links[l].capacity) return false;
        for (const std::uint32_t l : t.route.links)
            if (l != no_link) {
                m_links[l].wanted = (m_used.has(l) ? m_links[l].wanted : 0) + t.limit;
                m_used.add(l);
            }
        set_rate(t, t.limit, 1, true, now);
        m_all_at_limit = t.ends != never;
        m_next = min(m_next, t.ends);
        return true;
    }
    WT_HD void find_next() {
        m_next = never;
        for (std::uint32_t t = m_running.first(); t != none; t = m_running.next(t + 1))
            m_next = min(m_next, m_transfers[t].ends);
    }

    /// Progressive filling: the link that is full first, or the transfers that are as fast as they can be
    /// first, are settled; and so on with the rest.
    WT_HD_COLD void share_out(Tick now) {
        for (std::uint32_t l = m_used.first(); l != none; l = m_used.next(l + 1))
            m_links[l].taken = m_links[l].wanted = m_links[l].open = 0;
        m_used.clear();
        for (std::uint32_t t = m_running.first(); t != none; t = m_running.next(t + 1)) {
            for (const std::uint32_t l : m_transfers[t].route.links)
                if (l != no_link) {
                    m_used.add(l);
                    ++m_links[l].open;
                    m_links[l].wanted = least_of(m_links[l].wanted + m_transfers[t].limit, std::uint64_t{1} << 62);
                }
        }
        bool enough = true;
        for (std::uint32_t l = m_used.first(); l != none; l = m_used.next(l + 1))
            enough = enough && m_links[l].wanted <= m_links[l].capacity;
        if (enough)  // as nearly always: everybody is as fast as they can be, which filling would find one by one
            for (std::uint32_t t = m_running.first(); t != none; t = m_running.next(t + 1))
                set_rate(m_transfers[t], m_transfers[t].limit, 1, true, now);
        else
            fill(now);
        find_next();
        m_all_at_limit = enough && m_next != never;
    }
    [[nodiscard]] WT_HD static std::uint64_t least_of(std::uint64_t a, std::uint64_t b) { return a < b ? a : b; }
    WT_HD_COLD void fill(Tick now) {
        m_open.copy(m_running);
        while (m_open.size() > 0) {
            std::uint32_t full = none;
            for (std::uint32_t l = m_used.first(); l != none; l = m_used.next(l + 1))
                if (m_links[l].open > 0 && (full == none || m_links[l].level() < m_links[full].level()))
                    full = l;
            std::uint64_t least = largest_rate;
            for (std::uint32_t t = m_open.first(); t != none; t = m_open.next(t + 1))
                if (m_transfers[t].limit < least) least = m_transfers[t].limit;
            if (full == none || least <= m_links[full].level()) {
                for (std::uint32_t t = m_open.first(); t != none; t = m_open.next(t + 1))
                    if (m_transfers[t].limit <= least) settle(t, m_transfers[t].limit, 1, true, now);
                continue;
            }
            // Links that are full at the same level are settled one after the other: what the first leaves
            // the second is the same.
            const std::uint64_t rest = m_links[full].rest(), shares = m_links[full].open;
            for (std::uint32_t t = m_open.first(); t != none; t = m_open.next(t + 1))
                if (crosses(m_transfers[t], full)) settle(t, rest, shares, false, now);
        }
    }

    std::uint32_t m_link_count = 0;
    ArenaArray<Link, Layout> m_links;
    ArenaArray<Transfer, Layout> m_transfers;
    IndexSet<Layout> m_running, m_open;
    IndexSet<Layout> m_used;  ///< links with a running transfer
    Tick m_next = never;
    bool m_all_at_limit = false;  ///< every running transfer is as fast as it can be, and `wanted` of the links is true
};

}  // namespace windtunnel
