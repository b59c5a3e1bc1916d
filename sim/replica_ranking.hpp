#pragma once
#include "models/arena.hpp"

#include <cstdint>

namespace windtunnel {

/// Which replica of a workload has the fewest requests in flight: a tournament tree over its pod slots.
/// Among equals the one that was chosen longest ago wins, as a round robin among equals does.
template <class Layout>
class ReplicaRanking {
public:
    static constexpr std::uint64_t absent = ~std::uint64_t{0};

    WT_HD void take_memory(Arena<Layout>& arena, std::uint32_t replicas) {
        m_leaves = 1;
        while (m_leaves < replicas) m_leaves *= 2;
        m_key = arena.template take<std::uint64_t>(2 * m_leaves);
    }
    WT_HD void clear() {
        for (std::uint32_t i = 0; i < 2 * m_leaves; ++i) m_key[i] = absent;
        m_turn = 0;
        m_present = 0;
    }
    [[nodiscard]] WT_HD std::uint32_t present() const { return m_present; }
    [[nodiscard]] WT_HD bool contains(std::uint32_t replica) const {
        return m_key[m_leaves + replica] != absent;
    }
    /// `requests`: what it holds already, when it comes back.
    WT_HD void insert(std::uint32_t replica, std::uint32_t requests) {
        ++m_present;
        put(replica, requests, replica);
    }
    WT_HD void erase(std::uint32_t replica) {
        --m_present;
        store(replica, absent);
    }
    /// The replica with the fewest; requires present() > 0.
    [[nodiscard]] WT_HD std::uint32_t least() const {
        std::uint32_t node = 1;
        while (node < m_leaves) node = m_key[2 * node] <= m_key[2 * node + 1] ? 2 * node : 2 * node + 1;
        return node - m_leaves;
    }
    [[nodiscard]] WT_HD std::uint32_t requests_of(std::uint32_t replica) const {
        return static_cast<std::uint32_t>(m_key[m_leaves + replica] >> 40);
    }
    /// One more request for a replica that was just chosen; one that is not ranked stays so.
    WT_HD void add_request(std::uint32_t replica) {
        if (contains(replica)) put(replica, requests_of(replica) + 1, ++m_turn);
    }
    WT_HD void drop_request(std::uint32_t replica) {
        if (contains(replica)) store(replica, m_key[m_leaves + replica] - (std::uint64_t{1} << 40));
    }

private:
    WT_HD void put(std::uint32_t replica, std::uint64_t requests, std::uint64_t turn) {
        store(replica, (requests << 40) | (turn & ((std::uint64_t{1} << 40) - 1)));
    }
    WT_HD void store(std::uint32_t replica, std::uint64_t key) {
        std::uint32_t node = m_leaves + replica;
        m_key[node] = key;
        while (node > 1) {
            const std::uint64_t a = m_key[node], b = m_key[node ^ 1];
            node /= 2;
            const std::uint64_t best = a < b ? a : b;
            if (m_key[node] == best) break;
            m_key[node] = best;
        }
    }

    ArenaArray<std::uint64_t, Layout> m_key;  ///< leaves from m_leaves on, inner nodes hold the least below
    std::uint32_t m_leaves = 1;
    std::uint32_t m_present = 0;
    std::uint64_t m_turn = 0;
};

}  // namespace windtunnel
