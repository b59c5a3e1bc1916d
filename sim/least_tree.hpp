#pragma once
#include "models/arena.hpp"

#include <cstdint>

namespace windtunnel {

/// The least of a fixed number of keys: a tournament tree. Among equal keys the lower place wins. Setting a key costs
/// log2(places) where it is or was the least, and less the sooner another one beats it; asking which is the least,
/// log2(places).
template <class Key, class Layout>
class LeastTree {
public:
    WT_HD void take_memory(Arena<Layout>& arena, std::uint32_t places) {
        m_leaves = 1;
        while (m_leaves < places) m_leaves *= 2;
        m_key = arena.template take<Key>(2 * m_leaves);
    }
    WT_HD void fill(Key key) {
        for (std::uint32_t i = 1; i < 2 * m_leaves; ++i) m_key[i] = key;
    }
    WT_HD_CALL void set(std::uint32_t place, Key key) {
        std::uint32_t node = m_leaves + place;
        if (m_key[node] == key) return;
        m_key[node] = key;
        while (node > 1) {
            const Key a = m_key[node], b = m_key[node ^ 1], less = b < a ? b : a;
            node /= 2;
            if (m_key[node] == less) return;  // nothing changes from here on
            m_key[node] = less;
        }
    }
    [[nodiscard]] WT_HD Key operator[](std::uint32_t place) const { return m_key[m_leaves + place]; }
    [[nodiscard]] WT_HD Key least() const { return m_key[1]; }
    [[nodiscard]] WT_HD std::uint32_t place_of_least() const {
        std::uint32_t node = 1;
        while (node < m_leaves) node = 2 * node + (m_key[2 * node + 1] < m_key[2 * node] ? 1 : 0);
        return node - m_leaves;
    }

private:
    ArenaArray<Key, Layout> m_key;  ///< leaves from m_leaves on; an inner node, from 1 on, holds the least below it
    std::uint32_t m_leaves = 1;
};

}  // namespace windtunnel
