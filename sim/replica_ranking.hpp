#pragma once
#include "sim/least_tree.hpp"

#include <cstdint>

namespace windtunnel {

/// Which replica of a workload has the fewest requests in flight, of its pod slots.
/// Among equals the one that was chosen longest ago wins, as a round robin among equals does.
template <class Layout>
class ReplicaRanking {
public:
    static constexpr std::uint64_t absent = ~std::uint64_t{0};

    WT_HD void take_memory(Arena<Layout>& arena, std::uint32_t replicas) { m_keys.take_memory(arena, replicas); }
    WT_HD void clear() {
        m_keys.fill(absent);
        m_turn = 0;
        m_present = 0;
    }
    [[nodiscard]] WT_HD std::uint32_t present() const { return m_present; }
    [[nodiscard]] WT_HD bool contains(std::uint32_t replica) const { return m_keys[replica] != absent; }
    /// `requests`: what it holds already, when it comes back.
    WT_HD void insert(std::uint32_t replica, std::uint32_t requests) {
        ++m_present;
        put(replica, requests, replica);
    }
    WT_HD void erase(std::uint32_t replica) {
        --m_present;
        m_keys.set(replica, absent);
    }
    /// The replica with the fewest; requires present() > 0.
    [[nodiscard]] WT_HD std::uint32_t least() const { return m_keys.place_of_least(); }
    [[nodiscard]] WT_HD std::uint32_t requests_of(std::uint32_t replica) const {
        return static_cast<std::uint32_t>(m_keys[replica] >> 40);
    }
    /// One more request for a replica that was just chosen; one that is not ranked stays so.
    WT_HD void add_request(std::uint32_t replica) {
        if (contains(replica)) put(replica, requests_of(replica) + 1, ++m_turn);
    }
    WT_HD void drop_request(std::uint32_t replica) {
        if (contains(replica)) m_keys.set(replica, m_keys[replica] - (std::uint64_t{1} << 40));
    }

private:
    WT_HD void put(std::uint32_t replica, std::uint64_t requests, std::uint64_t turn) {
        m_keys.set(replica, (requests << 40) | (turn & ((std::uint64_t{1} << 40) - 1)));
    }

    LeastTree<Layout> m_keys;
    std::uint32_t m_present = 0;
    std::uint64_t m_turn = 0;
};

}  // namespace windtunnel
