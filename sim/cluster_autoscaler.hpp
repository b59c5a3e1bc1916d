#pragma once
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// The cluster autoscaler's scan: nodes for pods that fit nowhere; empty nodes that were not needed for long.
template <class Layout, class Owner>
class ClusterAutoscaler {
public:
    using State = ClusterState<Layout, Owner>;

    WT_HD_COLD void start() { m_last_addition = Tick{INT64_MIN / 2}; }

    WT_HD_COLD void scan(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        if (fleet.scheduler().has_pending()) {
            for (std::uint32_t n = 0; n < b.node_slots; ++n)
                if (s.node(n).state == NodeState::provisioning) s.node(n).planned = s.node(n).free;
            for (std::uint32_t p = fleet.scheduler().first_pending(); p != no_index; p = s.pod(p).next)
                plan_node_for(fleet, s.template_of(s.pod(p)), now, fault);
        }
        for (std::uint32_t n = 0; n < b.node_slots; ++n) {
            const ClusterNode& node = s.node(n);
            if (node.state != NodeState::ready || node.pods != 0) continue;
            if (now - node.empty_since < b.node_scaling.unneeded_time ||
                now - m_last_addition < b.node_scaling.delay_after_add)
                continue;
            if (s.tally().pools[node.pool].nodes.value <=
                static_cast<std::int64_t>(b.pools[node.pool].minimum))
                continue;
            s.drop_node(n, now);
        }
    }

private:
    /// A node on which the pending pod will fit, coming or newly asked for.
    WT_HD_COLD void plan_node_for(Fleet<Layout, Owner>& fleet, const TemplatePlan& plan, Tick now,
                                  Fault& fault) {
        State& s = fleet.state();
        for (std::uint32_t n = 0; n < s.blueprint().node_slots; ++n) {
            ClusterNode& node = s.node(n);
            if (node.state != NodeState::provisioning || !plan.shapes.has(node.shape) ||
                !fits(plan.needs, node.planned))
                continue;
            node.planned -= plan.needs;
            return;
        }
        const std::uint32_t shape = fleet.node_pools().cheapest_shape(s, plan);
        if (shape == no_index) return;  // pending until a node leaves or the limit is raised
        const std::uint32_t n = fleet.node_pools().launch(s, shape, now, fault);
        s.node(n).planned = s.node(n).free - plan.needs;
        m_last_addition = now;
    }

    Tick m_last_addition;  ///< when a node was last asked for
};

}  // namespace windtunnel
