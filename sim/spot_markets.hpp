#pragma once
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// What the cloud does to spot nodes, and who reacts: recommendations, notices, the machine's end; capacity that
/// comes and goes; prices; the replacements that a node group makes by itself.
template <class Layout, class Owner>
class SpotMarkets {
public:
    using State = ClusterState<Layout, Owner>;
    using Parts = Fleet<Layout, Owner>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_missing = arena.template take<std::uint32_t>(b.spot_markets.size() > 0 ? b.pools.size() : 0);
    }
    WT_HD_COLD void start(State& s) {
        if (s.spot().count() == 0) return;
        for (std::uint32_t p = 0; p < s.blueprint().pools.size(); ++p) m_missing[p] = 0;
        for (std::uint32_t m = 0; m < s.spot().count(); ++m) s.wake_market(m, s.spot().next_change(m));
    }
    /// t = 0: recorded nodes that were there from the start are.
    WT_HD_COLD void populate(Parts& fleet, Fault& fault) {
        State& s = fleet.state();
        for (std::uint32_t m = 0; m < s.spot().count(); ++m)
            while (!fault.broken() && s.spot().next_change(m) <= Tick{}) advance_market(fleet, m, Tick{}, fault);
    }
    /// The cloud had no node for a pool at t = 0, or took one from a group: the group asks for another.
    WT_HD_COLD void refill(State& s, std::uint32_t pool, Tick at) {
        if (s.spot().count() == 0) return;
        ++m_missing[pool];
        s.wake_pool(pool, min(s.pool_due(pool), at));
    }

    /// Something of a node is due: a recommendation, the notice, the machine's end.
    WT_HD_COLD void advance_node(Parts& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        ClusterNode& node = s.node(n);
        s.wake_spot(n, never);
        switch (node.spot) {
            case SpotStage::running:
                if (now < node.notice_at) {
                    node.spot = SpotStage::recommended;
                    ++s.tally().rebalance_recommendations;
                    s.owner().note(OccurrenceRecord{Occurrence::spot_rebalance, n, no_object, 0, now});
                    s.wake_spot(n, node.notice_at);
                    if (plan_of(s, n).replaces_early) replace_early(fleet, n, now, fault);
                    return;
                }
                return give_notice(fleet, n, now, fault);
            case SpotStage::recommended:
                return give_notice(fleet, n, now, fault);
            case SpotStage::noticed:
                return take(fleet, n, now, fault);
            case SpotStage::none:
            case SpotStage::gone:
                return;
        }
    }

    WT_HD_COLD void advance_market(Parts& fleet, std::uint32_t m, Tick now, Fault& fault) {
        State& s = fleet.state();
        if (s.spot().next_change(m) <= now) {
            const std::int64_t before = s.spot().plan(m).price_count > 0 ? price_of(s, m) : 0;
            if (s.spot().plan(m).price_count > 0) settle_prices(s, m, now);
            const SpotMarketTurn turn = s.spot().advance(m, now);
            if (turn.price) change_price(s, m, price_of(s, m) - before, now);
            if (turn.capacity) s.note_market(m);
            if (turn.take_share > 0) take_share(fleet, m, turn, now, fault);
            if (turn.capacity) take_excess(fleet, m, now, fault);
            if (turn.life >= 0) come(fleet, m, static_cast<std::uint32_t>(turn.life), now, fault);
        }
        s.wake_market(m, s.spot().next_change(m));
    }

    /// A group makes up for what the cloud took; where there is nothing to be had it tries again.
    WT_HD_COLD void advance_pool(Parts& fleet, std::uint32_t p, Tick now, Fault& fault) {
        State& s = fleet.state();
        s.wake_pool(p, never);
        while (m_missing[p] > 0 && !fault.broken()) {
            if (!s.has_free_node(p)) {
                m_missing[p] = 0;  // its autoscaler was faster
                return;
            }
            const std::uint32_t shape = fleet.node_pools().next_shape(s, p);
            if (shape == no_index) {
                s.wake_pool(p, now + refill_retry);
                return;
            }
            --m_missing[p];
            (void)fleet.node_pools().launch(s, shape, now, fault);
        }
    }

    /// The cloud takes the node. Requires that it is a spot node that has had no notice yet.
    WT_HD_COLD void give_notice(Parts& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        ClusterNode& node = s.node(n);
        const SpotMarketPlan& plan = plan_of(s, n);
        node.spot = SpotStage::noticed;
        if (node.gone_at == never) node.gone_at = now + plan.notice;
        const std::uint32_t pool = node.pool;
        const Tick gone_at = node.gone_at;
        ++s.tally().spot_evictions;
        ++s.tally().pools[s.shape_of(node).bill].noticed;
        s.owner().note(OccurrenceRecord{Occurrence::spot_noticed, n, no_object, (gone_at - now).count, now});
        s.wake_spot(n, gone_at);
        if (s.blueprint().pools[pool].refills && node.replaced_by == no_index) refill(s, pool, gone_at);
        react(fleet, n, now, fault);
    }

    /// It has had no notice yet.
    [[nodiscard]] WT_HD static bool is_open(const State& s, std::uint32_t n) {
        return s.node(n).spot == SpotStage::running || s.node(n).spot == SpotStage::recommended;
    }

    /// A node has become Ready: perhaps one that it replaces may go.
    WT_HD_COLD void node_ready(Parts& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        if (s.spot().count() == 0) return;
        if (s.node(n).spot == SpotStage::noticed) return react(fleet, n, now, fault);  // it was noticed while it came
        if (!s.node(n).is_replacement) return;
        const IndexSet<Layout>& ready = s.nodes_in(NodeState::ready);
        for (std::uint32_t old = ready.first(); old != no_index; old = ready.next(old + 1)) {
            if (s.node(old).replaced_by != n) continue;
            return fleet.node_pools().drain(fleet, old, Drainer::kubectl, now, fault);
        }
    }

    /// The cloud ends a machine: whatever is still on it dies.
    WT_HD_COLD void end_machine(Parts& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        ClusterNode& node = s.node(n);
        node.spot = SpotStage::gone;
        if (node.state == NodeState::provisioning) {
            const bool karpenter = s.blueprint().pools[node.pool].provisioner == Provisioner::karpenter;
            s.wake_node(n, never);
            s.drop_node(n, now);
            if (karpenter) fleet.karpenter().claim_failed(s, now);
            return;
        }
        if (node.state == NodeState::lost) return s.end_bill(n, now);
        const bool expected = node.state == NodeState::draining;
        fleet.node_loss().lose(fleet, n, now);
        if (expected)  // who drained it knows of its end, and removes what is left of it
            fleet.node_loss().remove(fleet, n, now, fault);
        else
            s.end_bill(n, now);
    }

private:
    /// How often a group asks again for what it did not get [estimate: EC2 Auto Scaling and managed instance groups
    /// retry within minutes and say no number; docs, 2025].
    static constexpr Tick refill_retry = seconds(60);

    [[nodiscard]] WT_HD static const SpotMarketPlan& plan_of(const State& s, std::uint32_t n) {
        return s.spot().plan(static_cast<std::uint32_t>(s.shape_of(s.node(n)).market));
    }
    [[nodiscard]] WT_HD static bool is_of(const State& s, std::uint32_t n, std::uint32_t m) {
        return s.node(n).state != NodeState::none && s.node(n).spot != SpotStage::none &&
               s.shape_of(s.node(n)).market == static_cast<std::int32_t>(m);
    }

    // ---- one node --------------------------------------------------------------------------------------

    /// What its handler does about a notice.
    WT_HD_COLD void react(Parts& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        const SpotMarketPlan& plan = plan_of(s, n);
        const Provisioner provisioner = s.blueprint().pools[s.node(n).pool].provisioner;
        const std::uint32_t incarnation = s.node(n).incarnation;
        const Tick gone_at = s.node(n).gone_at;
        if (s.node(n).state == NodeState::cordoned) s.set_node_state(n, NodeState::ready, now);
        if (s.node(n).state != NodeState::ready || plan.handler == SpotHandler::none) return;
        if (plan.handler == SpotHandler::evictions)
            return fleet.node_pools().drain(fleet, n, provisioner == Provisioner::karpenter ? Drainer::karpenter : Drainer::kubectl, now, fault);
        fleet.node_pools().taint(fleet, n, Drainer::kubectl, now, fault);
        for (std::uint32_t p = s.node(n).first_pod; p != no_index && !fault.broken();) {
            const std::uint32_t after = s.pod(p).next_on_node, w = s.pod(p).workload;
            if (s.pod(p).active()) {
                s.pod(p).longest_grace = gone_at - now;
                fleet.delete_pod(p, now, fault);
                fleet.controllers().sync(fleet, w, now, fault);
            }
            if (s.node(n).incarnation != incarnation || s.node(n).state != NodeState::draining) return;
            p = after != no_index && s.pod(after).node != n ? s.node(n).first_pod : after;
        }
    }

    /// The machine is gone, with whatever is still on it.
    WT_HD_COLD void take(Parts& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        ClusterNode& node = s.node(n);
        ++s.tally().pools[s.shape_of(node).bill].taken;
        s.owner().note(OccurrenceRecord{Occurrence::spot_taken, n, no_object, node.pods, now});
        refund(s, n, now);
        end_machine(fleet, n, now, fault);
    }
    WT_HD_COLD static void refund(State& s, std::uint32_t n, Tick now) {
        const ClusterNode& node = s.node(n);
        const Tick until = min(now, s.blueprint().span);
        if (now - node.launched >= plan_of(s, n).free_before || until <= node.launched) return;
        const ShapePlan& shape = s.shape_of(node);
        s.tally().pools[shape.bill].refund.merge(s.spot().cost(shape, node.launched, until));
    }

    /// A replacement first, then the node is drained (EC2 capacity rebalancing).
    WT_HD_COLD void replace_early(Parts& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        const std::uint32_t pool = s.node(n).pool;
        if (s.node(n).state != NodeState::ready || !s.has_free_node(pool)) return;
        const std::uint32_t shape = fleet.node_pools().next_shape(s, pool);
        if (shape == no_index) return;
        const std::uint32_t other = fleet.node_pools().launch(s, shape, now, fault);
        s.node(other).is_replacement = 1;
        s.node(n).replaced_by = other;
    }

    // ---- a market --------------------------------------------------------------------------------------

    /// Every node of the market with the same probability; the seat decides.
    WT_HD_COLD void take_share(Parts& fleet, std::uint32_t m, const SpotMarketTurn& turn, Tick now, Fault& fault) {
        State& s = fleet.state();
        for (std::uint32_t n = 0; n < s.blueprint().node_slots && !fault.broken(); ++n) {
            if (!is_of(s, n, m) || !is_open(s, n)) continue;
            if (is_taken(s.spot().plan(m), s.spot().data(), s.node(n).seat, turn.taking, turn.take_share)) give_notice(fleet, n, now, fault);
        }
    }
    /// There is less than is rented: the highest seats go.
    WT_HD_COLD void take_excess(Parts& fleet, std::uint32_t m, Tick now, Fault& fault) {
        State& s = fleet.state();
        if (s.spot().plan(m).capacity_count == 0) return;  // a drought takes the share that it says
        for (;;) {
            std::int64_t open = 0;
            std::uint32_t last = no_index;
            for (std::uint32_t n = 0; n < s.blueprint().node_slots; ++n) {
                if (!is_of(s, n, m) || !is_open(s, n)) continue;
                ++open;
                if (last == no_index || s.node(n).seat > s.node(last).seat) last = n;
            }
            if (last == no_index || open <= s.spot().market(m).capacity() || fault.broken()) return;
            give_notice(fleet, last, now, fault);
        }
    }
    /// A recorded node is there, and it is known when it goes.
    WT_HD_COLD void come(Parts& fleet, std::uint32_t m, std::uint32_t life, Tick now, Fault& fault) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        std::uint32_t shape = 0;
        while (shape < b.shapes.size() && b.shapes[shape].market != static_cast<std::int32_t>(m)) ++shape;
        if (!WT_CHECK(fault, shape < b.shapes.size() && s.has_free_node(b.shapes[shape].pool))) return;
        const std::uint32_t n = s.add_node(shape, now, fault);
        ClusterNode& node = s.node(n);
        node.gone_at = b.spot_lives[life].goes;
        node.notice_at = node.gone_at == never ? Tick{never} : max(now, node.gone_at - s.spot().plan(m).notice);
        s.wake_spot(n, node.notice_at);
        fleet.node_pools().become_ready(fleet, n, now, fault);
    }

    // ---- prices ----------------------------------------------------------------------------------------

    [[nodiscard]] WT_HD static std::int64_t price_of(const State& s, std::uint32_t m) {
        return s.spot().market(m).price(s.spot().plan(m), s.spot().data(), 0);
    }
    /// What the market's nodes were used for is counted at the price up to now.
    WT_HD_COLD void settle_prices(State& s, std::uint32_t m, Tick now) {
        for (std::uint32_t n = 0; n < s.blueprint().node_slots; ++n)
            if (is_of(s, n, m)) s.owner().node_price_ends(n, now);
    }
    WT_HD_COLD void change_price(State& s, std::uint32_t m, std::int64_t by, Tick now) {
        const Blueprint& b = s.blueprint();
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) {
            if (b.shapes[i].market != static_cast<std::int32_t>(m)) continue;
            s.tally().pools[b.shapes[i].bill].price.change(now, b.span, by * static_cast<std::int64_t>(s.nodes_of(i)));
        }
    }

    ArenaArray<std::uint32_t, Layout> m_missing;  ///< [pool] nodes that its group is to make up for
};

}  // namespace windtunnel
