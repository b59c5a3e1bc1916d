#pragma once
#include "sim/cluster_state.hpp"
#include "sim/spot_markets.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// What the scenario says happens to the cluster at fixed times.
template <class Layout, class Owner>
class ClusterEvents {
public:
    using State = ClusterState<Layout, Owner>;

    WT_HD_COLD void start() { m_next = 0; }

    /// When the next event is due.
    [[nodiscard]] WT_HD Tick next_change(const Blueprint& b) const {
        return m_next < b.events.size() ? b.events[m_next].at : Tick{never};
    }

    /// Carries out the next event.
    WT_HD_COLD void advance(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        State& s = fleet.state();
        const std::uint32_t number = m_next;
        const ClusterEventPlan& e = s.blueprint().events[m_next++];
        switch (e.kind) {
            case ClusterEventKind::rollout:
                fleet.controllers().roll_out(fleet, e.target, e.revision, now, fault);
                break;
            case ClusterEventKind::add_node:
                for (std::uint32_t i = 0; i < e.count && s.has_free_node(e.target); ++i) {
                    const std::uint32_t shape = fleet.node_pools().next_shape(s, e.target);
                    if (shape == no_index) break;
                    (void)fleet.node_pools().launch(s, shape, now, fault);
                }
                break;
            case ClusterEventKind::no_capacity:
            case ClusterEventKind::capacity_returns:
                s.withhold(sold_out_at(s.blueprint(), now));
                break;
            case ClusterEventKind::interrupt_node:
            case ClusterEventKind::lose_node:
            case ClusterEventKind::drain_node:
                for (std::uint32_t i = 0; i < e.count; ++i) {
                    const std::uint32_t n = busiest_node(s, e.target, e.kind == ClusterEventKind::interrupt_node);
                    if (n == no_index) break;
                    if (e.kind == ClusterEventKind::lose_node)
                        fleet.node_loss().lose(fleet, n, now);
                    else if (e.kind == ClusterEventKind::interrupt_node)
                        fleet.spot().give_notice(fleet, n, now, fault);
                    else
                        fleet.node_pools().drain(fleet, n, Drainer::kubectl, now, fault);
                }
                break;
            case ClusterEventKind::lose_zone:
                for (const NodeState state : {NodeState::ready, NodeState::cordoned, NodeState::draining})
                    lose_all(fleet, state, e.target, now);
                break;
            case ClusterEventKind::lose_gpu:
                for (std::uint32_t i = 0; i < e.count; ++i) lose_gpu(fleet, e.target, number + 1000 * i, now);
                break;
            case ClusterEventKind::source_changes:
                fleet.kubelet().starts().set_source(s, e.target, e.value, now);
                break;
            case ClusterEventKind::driver_breaks:
                break;  // nodes look when they are launched
            case ClusterEventKind::reservation_opens:
                s.open_reservation(e.target, true, now);
                break;
            case ClusterEventKind::reservation_closes:
                s.open_reservation(e.target, false, now);
                if (e.revision > 0) drain_reserved(fleet, e.target, now, fault);
                break;
            case ClusterEventKind::reservation_ends:
                s.open_reservation(e.target, false, now);
                end_reserved(fleet, e.target, e.revision > 0, now, fault);
                break;
            case ClusterEventKind::no_image:
                ++s.workload(e.target).no_image;
                break;
            case ClusterEventKind::image_returns:
                --s.workload(e.target).no_image;
                break;
            case ClusterEventKind::degrade:
                degrade(fleet, e, number, now);
                break;
            case ClusterEventKind::recover: {
                const WorkloadPlan& plan = s.blueprint().workloads[e.target];
                for (std::uint32_t p = plan.first_pod; p < plan.first_pod + plan.pod_slots; ++p)
                    if (s.pod(p).degradation == e.revision + 1) fleet.kubelet().recover(fleet, p, now);
                break;
            }
        }
    }

private:
    WT_HD_COLD static void drain_reserved(Fleet<Layout, Owner>& fleet, std::uint32_t shape, Tick now, Fault& fault) {
        State& s = fleet.state();
        for (std::uint32_t n = 0; n < s.blueprint().node_slots && !fault.broken(); ++n) {
            const ClusterNode& node = s.node(n);
            if (!node.reserved || node.shape != shape || node.state != NodeState::ready) continue;
            const bool karpenter = s.blueprint().pools[node.pool].provisioner == Provisioner::karpenter;
            fleet.node_pools().drain(fleet, n, karpenter ? Drainer::karpenter : Drainer::kubectl, now, fault);
        }
    }
    /// A reservation's time is over: its machines end, whatever is on them, or go on on demand.
    WT_HD_COLD static void end_reserved(Fleet<Layout, Owner>& fleet, std::uint32_t shape, bool go, Tick now, Fault& fault) {
        State& s = fleet.state();
        for (std::uint32_t n = 0; n < s.blueprint().node_slots && !fault.broken(); ++n) {
            const ClusterNode& node = s.node(n);
            if (!node.reserved || node.shape != shape || node.state == NodeState::none || node.unbilled) continue;
            if (go)
                fleet.spot().end_machine(fleet, n, now, fault);
            else
                s.rebook(n, false, now);
        }
    }
    /// All nodes of a zone in a state die. They leave the set as they go.
    WT_HD_COLD static void lose_all(Fleet<Layout, Owner>& fleet, NodeState state, std::uint32_t zone, Tick now) {
        State& s = fleet.state();
        const IndexSet<Layout>& nodes = s.nodes_in(state);
        for (std::uint32_t n = nodes.first(); n != no_index; n = nodes.next(n + 1))
            if (s.shape_of(s.node(n)).zone == zone) fleet.node_loss().lose(fleet, n, now);
    }
    /// Of the busiest node of a pool. The processes that use it die.
    WT_HD_COLD static void lose_gpu(Fleet<Layout, Owner>& fleet, std::uint32_t pool, std::uint32_t draw, Tick now) {
        State& s = fleet.state();
        const std::uint32_t n = busiest_node(s, pool, false);
        if (n == no_index) return;
        RandomStream draws = s.stream(StreamPurpose::fault, draw);
        const std::uint64_t device = lose_device(s, n, draws);
        for (std::uint32_t p = s.node(n).first_pod; p != no_index;) {
            const std::uint32_t after = s.pod(p).next_on_node;
            if ((s.pod(p).devices & device) != 0) fleet.kubelet().process_dies(fleet, p, now);
            p = after;
        }
    }
    /// What the cloud has none of at `now`: such whiles may overlap.
    [[nodiscard]] WT_HD static ShapeSet sold_out_at(const Blueprint& b, Tick now) {
        ShapeSet sold_out;
        for (const ClusterEventPlan& e : b.events)
            if (e.kind == ClusterEventKind::no_capacity && e.at <= now && now < e.until)
                sold_out |= b.capacity_sets[e.target];
        return sold_out;
    }
    [[nodiscard]] WT_HD static bool answers(const State& s, std::uint32_t p) {
        return s.pod(p).serves() && s.template_of(s.pod(p)).server >= 0;
    }
    /// As many of the workload's serving pods as the plan says fall ill, each set of them as likely as any other.
    WT_HD_COLD static void degrade(Fleet<Layout, Owner>& fleet, const ClusterEventPlan& e, std::uint32_t number,
                                   Tick now) {
        State& s = fleet.state();
        const WorkloadPlan& plan = s.blueprint().workloads[e.target];
        const DegradationPlan& ill = s.blueprint().degradations[e.revision];
        std::uint32_t serving = 0;
        for (std::uint32_t p = plan.first_pod; p < plan.first_pod + plan.pod_slots; ++p)
            serving += answers(s, p) ? 1 : 0;
        std::uint32_t wanted = ill.count;
        if (wanted == 0)
            wanted = static_cast<std::uint32_t>((std::uint64_t{serving} * ill.pod_share + share_one - 1) / share_one);
        RandomStream draws = s.stream(StreamPurpose::fault, number);
        for (std::uint32_t p = plan.first_pod; p < plan.first_pod + plan.pod_slots && wanted > 0; ++p) {
            if (!answers(s, p)) continue;
            const bool chosen = draws.below(serving--) < wanted;
            if (!chosen) continue;
            --wanted;
            fleet.kubelet().degrade(fleet, p, e.revision, now);
        }
    }

    /// The Ready node of a pool with the most pods; of equals the first: the loss that a plan has to stand.
    [[nodiscard]] WT_HD static std::uint32_t busiest_node(const State& s, std::uint32_t pool, bool spot) {
        const PoolPlan& plan = s.blueprint().pools[pool];
        std::uint32_t best = no_index;
        for (std::uint32_t n = plan.first_node; n < plan.first_node + plan.node_slots; ++n)
            if (s.node(n).state == NodeState::ready && (!spot || SpotMarkets<Layout, Owner>::is_open(s, n)) && (best == no_index || s.node(n).pods > s.node(best).pods))
                best = n;
        return best;
    }

    std::uint32_t m_next = 0;
};

}  // namespace windtunnel
