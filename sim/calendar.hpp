#pragma once
#include "models/arena.hpp"
#include "models/time.hpp"

#include <cstdint>

namespace windtunnel {

/// When each component next changes by itself: a tournament tree of fixed size over slots. The earliest slot
/// wins; at one tick the lower slot does, so that what happens first is a matter of the slots' order (see
/// sim/trial.hpp, "ranks") and not an accident of a heap. Setting a slot costs log2(slots) where it is or was the
/// earliest, and less the sooner another one beats it; asking for the earliest, log2(slots).
template <class Layout>
class Calendar {
public:
    WT_HD void take_memory(Arena<Layout>& arena, std::uint32_t slots) {
        m_leaves = 1;
        while (m_leaves < slots) m_leaves *= 2;
        m_time = arena.template take<Tick>(2 * m_leaves);
    }
    WT_HD void clear() {
        for (std::uint32_t i = 1; i < 2 * m_leaves; ++i) m_time[i] = never;
    }
    WT_HD_CALL void set(std::uint32_t slot, Tick time) {
        std::uint32_t node = m_leaves + slot;
        if (m_time[node] == time) return;
        m_time[node] = time;
        while (node > 1) {
            const Tick earlier = min(m_time[node], m_time[node ^ 1]);
            node /= 2;
            if (m_time[node] == earlier) return;  // nothing changes from here on
            m_time[node] = earlier;
        }
    }
    [[nodiscard]] WT_HD Tick time(std::uint32_t slot) const { return m_time[m_leaves + slot]; }
    [[nodiscard]] WT_HD std::uint32_t first() const {
        std::uint32_t node = 1;
        while (node < m_leaves) node = 2 * node + (m_time[2 * node + 1] < m_time[2 * node] ? 1 : 0);
        return node - m_leaves;
    }
    [[nodiscard]] WT_HD Tick first_time() const { return m_time[1]; }

private:
    ArenaArray<Tick, Layout> m_time;  ///< leaves from m_leaves on; an inner node, from 1 on, holds the earlier below it
    std::uint32_t m_leaves = 1;
};

}  // namespace windtunnel
