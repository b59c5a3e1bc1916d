#pragma once
#include "models/arena.hpp"
#include "models/time.hpp"

#include <cstdint>

namespace windtunnel {

/// When each component next changes by itself: a tournament tree of fixed size over slots. The earliest slot
/// wins; at one tick the lower slot does, so that what happens first is a matter of the slots' order (see
/// sim/trial.hpp, "ranks") and not an accident of a heap. Setting a slot costs log2(slots) where it is or was the
/// earliest, and less the sooner another one beats it.
template <class Layout>
class Calendar {
public:
    WT_HD void take_memory(Arena<Layout>& arena, std::uint32_t slots) {
        m_leaves = 1;
        while (m_leaves < slots) m_leaves *= 2;
        m_time = arena.template take<Tick>(m_leaves);
        m_winner = arena.template take<std::uint32_t>(m_leaves);  // of inner node i; 1 is the root
    }
    WT_HD void clear() {
        for (std::uint32_t i = 0; i < m_leaves; ++i) m_time[i] = never;
        for (std::uint32_t i = m_leaves; i-- > 1;) m_winner[i] = left_winner(i);
        m_first = 0;
        m_first_time = never;
    }
    WT_HD_CALL void set(std::uint32_t slot, Tick time) {
        if (m_time[slot] == time) return;
        m_time[slot] = time;
        if (m_leaves == 1) {
            m_first_time = time;
            return;
        }
        std::uint32_t winner = slot;
        Tick best = time;
        for (std::uint32_t node = slot + m_leaves; node > 1; node /= 2) {
            const std::uint32_t rival = contender(node ^ 1);
            const Tick rival_time = m_time[rival];
            if (rival_time < best || (rival_time == best && rival < winner)) {
                winner = rival;
                best = rival_time;
            }
            if (winner != slot && m_winner[node / 2] == winner) return;  // nothing has changed from here on
            m_winner[node / 2] = winner;
        }
        m_first = winner;
        m_first_time = best;
    }
    [[nodiscard]] WT_HD Tick time(std::uint32_t slot) const { return m_time[slot]; }
    [[nodiscard]] WT_HD std::uint32_t first() const { return m_first; }
    [[nodiscard]] WT_HD Tick first_time() const { return m_first_time; }

private:
    [[nodiscard]] WT_HD std::uint32_t contender(std::uint32_t node) const {
        return node >= m_leaves ? node - m_leaves : m_winner[node];
    }
    [[nodiscard]] WT_HD std::uint32_t left_winner(std::uint32_t node) const { return contender(2 * node); }

    ArenaArray<Tick, Layout> m_time;
    ArenaArray<std::uint32_t, Layout> m_winner;
    std::uint32_t m_leaves = 1;
    std::uint32_t m_first = 0;
    Tick m_first_time = never;
};

}  // namespace windtunnel
