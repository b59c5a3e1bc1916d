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
            delay = {s.blueprint().tables[static_cast<std::size_t>(plan.provisioning_table)].sample(
                s.node_draw(StreamPurpose::node_provisioning, n))};
        s.wake_node(n, now + delay);
        return n;
    }

    /// A node that is there at once: t = 0.
    WT_HD_COLD std::uint32_t place(Fleet<Layout, Owner>& fleet, std::uint32_t shape, Fault& fault) {
        const std::uint32_t n = fleet.state().add_node(shape, Tick{}, fault);
        become_ready(fleet, n, Tick{});
        return n;
    }

    /// Something about a node is due: it has come up, or refused evictions are tried again.
    WT_HD_COLD void advance(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        fleet.state().wake_node(n, never);
        if (fleet.state().node(n).state == NodeState::draining)
            evict_all(fleet, n, now, fault);
        else
            become_ready(fleet, n, now);
    }

    /// The node takes no more pods; those it has are evicted, and it goes with the last of them.
    WT_HD_COLD void drain(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        if (!WT_CHECK(fault, s.node(n).state == NodeState::ready)) return;
        s.set_node_state(n, NodeState::draining, now);
        if (s.node(n).pods == 0) return s.drop_node(n, now);
        evict_all(fleet, n, now, fault);
    }

    /// Takes a Ready node out of scheduling, or back in.
    WT_HD void set_cordoned(State& s, std::uint32_t n, bool cordoned, Tick now) {
        s.set_node_state(n, cordoned ? NodeState::cordoned : NodeState::ready, now);
    }

    /// A pod has left the node.
    WT_HD void pod_left(State& s, std::uint32_t n, Tick now) {
        if (s.node(n).state != NodeState::draining || s.node(n).pods > 0) return;
        s.wake_node(n, never);
        s.drop_node(n, now);
    }

    WT_HD void become_ready(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now) {
        State& s = fleet.state();
        s.wake_node(n, never);
        s.node(n).empty_since = s.node(n).last_pod_event = now;
        s.set_node_state(n, NodeState::ready, now);
        fleet.scheduler().schedule(fleet, now);
    }

    /// The cheapest shape with room in its pool whose empty node fits the pod; `no_index` when there is none.
    [[nodiscard]] WT_HD std::uint32_t cheapest_shape(const State& s, const TemplatePlan& plan) const {
        const Blueprint& b = s.blueprint();
        std::uint32_t best = no_index;
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) {
            const ShapePlan& shape = b.shapes[i];
            if (!plan.shapes.has(static_cast<std::int32_t>(i)) || !fits(plan.needs, shape.room()) ||
                !s.has_free_node(shape.pool))
                continue;
            if (best == no_index || shape.nano_usd_per_hour < b.shapes[best].nano_usd_per_hour) best = i;
        }
        return best;
    }

private:
    /// Between two tries of an eviction that a disruption budget refuses (kubectl
    /// pkg/drain, from general knowledge, not re-read; the others' waits are of this order).
    static constexpr Tick eviction_retry = seconds(5);

    WT_HD_COLD void evict_all(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        bool refused = false;
        for (std::uint32_t p = s.node(n).first_pod; p != no_index;) {
            const std::uint32_t after = s.pod(p).next_on_node;
            if (s.pod(p).active()) refused = !fleet.evict(p, now, fault) || refused;
            p = after;
        }
        if (refused) s.wake_node(n, now + eviction_retry);
    }
};

}  // namespace windtunnel
