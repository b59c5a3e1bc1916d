#pragma once
#include "sim/blueprint.hpp"

namespace windtunnel {

/// Which images each node has, of those whose sizes are known; the scheduler prefers nodes that have a pod's images
/// (kubernetes.md 7.3, ImageLocality). The kubelet tells of a new image within seconds, here at once.
template <class Layout>
class NodeImages {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_there = arena.template take<std::uint8_t>(std::size_t{b.node_slots} * b.images);
        m_nodes = arena.template take<std::uint32_t>(b.images);
    }
    WT_HD_COLD void start(const Blueprint& b) {
        m_images = b.images;
        for (std::size_t i = 0; i < std::size_t{b.node_slots} * b.images; ++i) m_there[i] = 0;
        for (std::uint32_t i = 0; i < b.images; ++i) m_nodes[i] = 0;
    }
    /// A stage is over on a node: where it is an image's, the node has that.
    WT_HD void note(const StagePlan& stage, std::uint32_t n) {
        if (stage.image < 0 || has(n, stage.image)) return;
        m_there[cell(n, stage.image)] = 1;
        ++m_nodes[static_cast<std::size_t>(stage.image)];
    }
    WT_HD void node_gone(std::uint32_t n) {
        for (std::uint32_t i = 0; i < m_images; ++i) {
            std::uint8_t& there = m_there[std::size_t{n} * m_images + i];
            m_nodes[i] -= there;
            there = 0;
        }
    }
    [[nodiscard]] WT_HD bool has(std::uint32_t n, std::int32_t image) const { return m_there[cell(n, image)] != 0; }
    /// On how many nodes it is.
    [[nodiscard]] WT_HD std::uint32_t nodes_with(std::int32_t image) const { return m_nodes[static_cast<std::size_t>(image)]; }

private:
    [[nodiscard]] WT_HD std::size_t cell(std::uint32_t n, std::int32_t image) const {
        return std::size_t{n} * m_images + static_cast<std::size_t>(image);
    }
    ArenaArray<std::uint8_t, Layout> m_there;   ///< [node][image]
    ArenaArray<std::uint32_t, Layout> m_nodes;  ///< [image]
    std::uint32_t m_images = 0;
};

}  // namespace windtunnel
