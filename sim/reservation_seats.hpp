#pragma once
#include "sim/blueprint.hpp"
#include "sim/cluster_objects.hpp"

namespace windtunnel {

/// How many nodes of each shape's reservation there are, and how many it gives just now.
template <class Layout>
class ReservationSeats {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_nodes = arena.template take<std::uint32_t>(b.shapes.size());
        m_room = arena.template take<std::uint32_t>(b.shapes.size());
    }
    /// `sold_out`: gets what is bought in a reservation alone that is not there yet.
    WT_HD_COLD void start(const Blueprint& b, ShapeSet& sold_out) {
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) {
            m_nodes[i] = 0;
            open(b.shapes[i], i, !b.shapes[i].reserved_late);
            correct(b.shapes[i], i, sold_out);
        }
    }
    WT_HD_COLD void open(const ShapePlan& plan, std::uint32_t shape, bool open) { m_room[shape] = open ? plan.reserved : 0; }
    WT_HD void count(std::uint32_t shape, std::int32_t by) { m_nodes[shape] += static_cast<std::uint32_t>(by); }
    [[nodiscard]] WT_HD bool has_left(std::uint32_t shape) const { return m_nodes[shape] < m_room[shape]; }
    /// A shape with places left is there whatever the cloud has; one bought in its reservation alone is not without them.
    WT_HD void correct(const ShapePlan& plan, std::uint32_t shape, ShapeSet& sold_out) const {
        if (has_left(shape))
            sold_out.remove(static_cast<std::int32_t>(shape));
        else if (plan.reserved_only)
            sold_out.add(static_cast<std::int32_t>(shape));
    }

private:
    ArenaArray<std::uint32_t, Layout> m_nodes, m_room;
};

/// Free places of a reservation take in nodes that are there and billed on demand.
template <class State>
WT_HD_COLD void take_into_reservation(State& s, std::uint32_t shape, Tick now) {
    const PoolPlan& pool = s.blueprint().pools[s.blueprint().shapes[shape].pool];
    for (std::uint32_t n = pool.first_node; n < pool.first_node + pool.node_slots && s.has_reservation_left(shape); ++n) {
        const auto& node = s.node(n);
        if (node.state != NodeState::none && node.shape == shape && !node.reserved && !node.unbilled) s.rebook(n, true, now);
    }
}

}  // namespace windtunnel
