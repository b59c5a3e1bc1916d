#pragma once
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// The cloud's side of the pools: nodes that are asked for come after a while.
template <class Layout, class Owner>
class NodePools {
public:
    using State = ClusterState<Layout, Owner>;

    /// Asks for a node. Requires that the shape's pool has a free slot.
    WT_HD_COLD std::uint32_t launch(State& s, std::uint32_t shape, Tick now, Fault& fault) {
        const std::uint32_t n = s.add_node(shape, now, fault);
        const ShapePlan& plan = s.blueprint().shapes[shape];
        Tick delay = plan.provisioning;
        if (plan.provisioning_table >= 0)
            delay = {s.blueprint()
                         .tables[static_cast<std::size_t>(plan.provisioning_table)]
                         .sample(s.node_draw(StreamPurpose::node_provisioning, n))};
        s.wake_node(n, now + delay);
        return n;
    }

    /// A node that is there at once: t = 0.
    WT_HD_COLD std::uint32_t place(Fleet<Layout, Owner>& fleet, std::uint32_t shape, Fault& fault) {
        const std::uint32_t n = fleet.state().add_node(shape, Tick{}, fault);
        become_ready(fleet, n, Tick{});
        return n;
    }

    WT_HD void become_ready(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now) {
        State& s = fleet.state();
        s.wake_node(n, never);
        s.node(n).state = NodeState::ready;
        s.node(n).empty_since = now;
        s.owner().node_changed(n, now);
        fleet.scheduler().schedule(fleet, now);
    }

    /// The cheapest shape with room in its pool whose empty node fits the pod; `no_index` when there is none.
    [[nodiscard]] WT_HD std::uint32_t cheapest_shape(const State& s, const TemplatePlan& plan) const {
        const Blueprint& b = s.blueprint();
        std::uint32_t best = no_index;
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) {
            const ShapePlan& shape = b.shapes[i];
            if (!plan.shapes.has(static_cast<std::int32_t>(i)) || !fits(plan.needs, shape.allocatable) ||
                !s.has_free_node(shape.pool))
                continue;
            if (best == no_index || shape.nano_usd_per_hour < b.shapes[best].nano_usd_per_hour) best = i;
        }
        return best;
    }
};

}  // namespace windtunnel
