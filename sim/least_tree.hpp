#pragma once
#include "models/arena.hpp"

#include <cstdint>

namespace windtunnel {

/// The least of a fixed number of keys, and whose it is: a tournament tree. Among equal keys the lower place wins. Setting
/// a key costs log2(places) where it is or was the least, and less the sooner another one beats it; asking costs nothing.
template <class Layout>
class LeastTree {
public:
    using Key = std::uint64_t;

    WT_HD void take_memory(Arena<Layout>& arena, std::uint32_t places) {
        m_leaves = 1;
        while (m_leaves < places) m_leaves *= 2;
        m_nodes = arena.template take<Node>(2 * m_leaves);
    }
    WT_HD void fill(Key key) {
        for (std::uint32_t i = 2 * m_leaves; i-- > 1;) m_nodes[i] = i >= m_leaves ? node_of(key, i - m_leaves) : m_nodes[2 * i];
    }
    WT_HD_CALL void set(std::uint32_t place, Key key) {
        std::uint32_t at = m_leaves + place;
        Node least = node_of(key, place);
        if (m_nodes[at] == least) return;
        m_nodes[at] = least;
        while (at > 1) {
            const Node other = m_nodes[at ^ 1];
            least = other < least ? other : least;
            at /= 2;
            if (m_nodes[at] == least) return;  // nothing changes from here on
            m_nodes[at] = least;
        }
    }
    [[nodiscard]] WT_HD Key operator[](std::uint32_t place) const { return key_of(m_nodes[m_leaves + place]); }
    [[nodiscard]] WT_HD Key least() const { return key_of(m_nodes[1]); }
    [[nodiscard]] WT_HD std::uint32_t place_of_least() const { return static_cast<std::uint32_t>(m_nodes[1]); }

private:
    /// A key and, below it, its place: who comes first of two takes one comparison and no branch, which nobody could predict.
    __extension__ typedef unsigned __int128 Node;
    [[nodiscard]] WT_HD static Node node_of(Key key, std::uint32_t place) { return static_cast<Node>(key) << 64 | place; }
    [[nodiscard]] WT_HD static Key key_of(Node node) { return static_cast<Key>(node >> 64); }

    ArenaArray<Node, Layout> m_nodes;  ///< leaves from m_leaves on; an inner node, from 1 on, is the least below it
    std::uint32_t m_leaves = 1;
};

}  // namespace windtunnel
