#pragma once
#include "policies/drain.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// The cloud's side of the pools: nodes that are asked for come after a while.
template <class Layout, class Owner>
class NodePools {
public:
    using State = ClusterState<Layout, Owner>;

    /// Asks for a node. Requires that the shape's pool has a free slot. A node of Karpenter's that has not come
    /// within the registration timeout is given up then (kubernetes.md 9.4.4); cluster-autoscaler looks itself.
    WT_HD_COLD std::uint32_t launch(State& s, std::uint32_t shape, Tick now, Fault& fault) {
        const std::uint32_t n = s.add_node(shape, now, fault);
        const ShapePlan& plan = s.blueprint().shapes[shape];
        Tick delay = plan.provisioning;
        if (plan.provisioning_table >= 0)
            delay = {s.blueprint().tables[static_cast<std::size_t>(plan.provisioning_table)].sample(
                s.node_draw(StreamPurpose::node_provisioning, n))};
        s.node(n).comes_at = now + delay;
        s.node(n).driver = driver_of(s.blueprint(), plan.pool, now);
        const bool claim = s.blueprint().pools[plan.pool].provisioner == Provisioner::karpenter;
        s.wake_node(n, claim ? min(now + delay, claim_times_out_at(ClaimPhase::launched, now)) : now + delay);
        return n;
    }

    /// What the cloud makes the next node of a node group: the shapes [first, first + count), one pool's. It goes
    /// to the group's emptiest zone that has capacity, and is there the shape that the group's allocation
    /// strategy picks; spot or on demand as the group's distribution wants it. `no_index` = stock-out.
    [[nodiscard]] WT_HD_COLD std::uint32_t next_shape(State& s, std::uint32_t first, std::uint32_t count) const {
        const Blueprint& b = s.blueprint();
        const PoolPlan& pool = b.pools[b.shapes[first].pool];
        for (std::uint32_t i = first; i < first + count; ++i)
            if (s.has_reservation_left(i)) return i;  // paid for already
        const std::int32_t wanted = capacity_type_of_next(s, pool, first, count);
        s.next_launch();
        std::uint32_t best = no_index, best_nodes = 0;
        for (std::uint32_t from = first; from < first + count;) {
            std::uint32_t to = from + 1;
            while (to < first + count && b.shapes[to].zone == b.shapes[from].zone) ++to;
            const std::uint32_t nodes = s.nodes_of(from, to - from);
            if (best == no_index || nodes < best_nodes) {
                const std::uint32_t here = pick(s, pool.choice, from, to, wanted);
                if (here != no_index) {
                    best = here;
                    best_nodes = nodes;
                }
            }
            from = to;
        }
        return best;
    }
    /// The same of a whole pool.
    [[nodiscard]] WT_HD std::uint32_t next_shape(State& s, std::uint32_t pool) const {
        const PoolPlan& plan = s.blueprint().pools[pool];
        return next_shape(s, plan.first_shape, plan.shape_count);
    }

    /// A node that is there at once: t = 0.
    WT_HD_COLD std::uint32_t place(Fleet<Layout, Owner>& fleet, std::uint32_t shape, Fault& fault) {
        const std::uint32_t n = fleet.state().add_node(shape, Tick{}, fault);
        become_ready(fleet, n, Tick{}, fault);
        return n;
    }

    /// Something about a node is due: it has come up, or refused evictions are tried again.
    WT_HD_COLD void advance(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        s.wake_node(n, never);
        if (s.node(n).state == NodeState::draining) {
            go_on(fleet, n, now, fault);
        } else if (now < s.node(n).comes_at) {
            s.drop_node(n, now);
            fleet.karpenter().claim_failed(s, now);
        } else {
            become_ready(fleet, n, now, fault);
        }
    }

    /// The node takes no more pods; those it has are evicted, and it goes with the last of them. By whose rules is
    /// `drainer`'s: Karpenter deletes the node's claim (kubernetes.md 9.8), pods go tier by tier, those that are not
    /// to be disrupted stay, and a terminationGracePeriod overrules them and every budget.
    WT_HD_COLD void drain(Fleet<Layout, Owner>& fleet, std::uint32_t n, Drainer drainer, Tick now, Fault& fault) {
        taint(fleet, n, drainer, now, fault);
        go_on(fleet, n, now, fault);
    }
    /// Its first half.
    WT_HD_COLD void taint(Fleet<Layout, Owner>& fleet, std::uint32_t n, Drainer drainer, Tick now, Fault& fault) {
        State& s = fleet.state();
        ClusterNode& node = s.node(n);
        if (!WT_CHECK(fault, node.state == NodeState::ready || node.state == NodeState::cordoned)) return;
        node.drainer = drainer;
        node.deleted_at = now;
        for (std::uint32_t p = node.first_pod; p != no_index; p = s.pod(p).next_on_node) {
            s.pod(p).evictions_refused = 0;
            s.pod(p).ask_again_at = now;
        }
        s.set_node_state(n, NodeState::draining, now);
        if (drainer == Drainer::karpenter) fleet.karpenter().note_deleted_node(s, n, now);
    }
    /// Asks for the evictions that are due.
    WT_HD_COLD void go_on(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        if (s.node(n).state != NodeState::draining) return;
        if (s.node(n).pods == 0)
            leave(s, n, now);
        else if (s.node(n).drainer == Drainer::karpenter)
            evict_tier(fleet, n, now, fault);
        else
            evict_all(fleet, n, now, fault);
    }

    /// Takes a Ready node out of scheduling, or back in.
    WT_HD void set_cordoned(State& s, std::uint32_t n, bool cordoned, Tick now) {
        s.set_node_state(n, cordoned ? NodeState::cordoned : NodeState::ready, now);
    }

    /// A pod has left the node.
    WT_HD void pod_left(State& s, std::uint32_t n, Tick now) {
        if (s.node(n).state != NodeState::draining) return;
        if (s.node(n).pods > 0) {
            if (s.node(n).drainer == Drainer::karpenter) s.wake_node(n, now);  // perhaps the next tier's turn
            return;
        }
        leave(s, n, now);
    }

    WT_HD void become_ready(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        s.wake_node(n, never);
        s.node(n).empty_since = s.node(n).last_pod_event = now;
        s.set_node_state(n, NodeState::ready, now);
        fleet.scheduler().schedule(fleet, now);
        fleet.spot().node_ready(fleet, n, now, fault);
    }

    /// The cheapest shape with room in its pool whose empty node fits the pod; `no_index` when there is none.
    /// Only pools of cluster-autoscaler: Karpenter plans for itself, and a fixed pool has what it has.
    [[nodiscard]] WT_HD std::uint32_t cheapest_shape(const State& s, const TemplatePlan& plan) const {
        const Blueprint& b = s.blueprint();
        std::uint32_t best = no_index;
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) {
            const ShapePlan& shape = b.shapes[i];
            if (s.sold_out().has(static_cast<std::int32_t>(i))) continue;
            if (!plan.shapes.has(static_cast<std::int32_t>(i)) || !fits(plan.needs, shape.room()) ||
                !s.has_free_node(shape.pool) ||
                b.pools[shape.pool].provisioner != Provisioner::cluster_autoscaler)
                continue;
            if (best == no_index || shape.nano_usd_per_hour < b.shapes[best].nano_usd_per_hour) best = i;
        }
        return best;
    }

private:
    /// The last pod has left a node that is drained. One that the cloud takes anyway stays until then, unless Karpenter
    /// ends the machine itself.
    WT_HD void leave(State& s, std::uint32_t n, Tick now) {
        s.wake_node(n, never);
        if (s.node(n).spot != SpotStage::noticed || s.node(n).drainer == Drainer::karpenter) s.drop_node(n, now);
    }
    /// What the image of a node that is launched now makes of its driver: such whiles may overlap, the last begun
    /// holds.
    [[nodiscard]] WT_HD static std::uint8_t driver_of(const Blueprint& b, std::uint32_t pool, Tick now) {
        std::uint8_t driver = 0;
        for (const ClusterEventPlan& e : b.events)
            if (e.kind == ClusterEventKind::driver_breaks && e.target == pool && e.at <= now && now < e.until)
                driver = e.revision == 0 ? no_cuda : static_cast<std::uint8_t>(e.revision);
        return driver;
    }

    /// The two classes that every cluster has are critical (kubernetes.md 9.8.2; scheduling.SystemCriticalPriority).
    static constexpr std::int32_t critical_priority = 2'000'000'000;

    /// What a group that buys both ways buys next: 1 = spot, 0 = on demand; -1 where it has one way only.
    [[nodiscard]] WT_HD std::int32_t capacity_type_of_next(const State& s, const PoolPlan& pool, std::uint32_t first,
                                                           std::uint32_t count) const {
        const Blueprint& b = s.blueprint();
        std::uint32_t nodes = 0, on_demand = 0;
        bool has_spot = false, has_on_demand = false;
        for (std::uint32_t i = first; i < first + count; ++i) {
            nodes += s.nodes_of(i);
            on_demand += b.shapes[i].spot ? 0 : s.nodes_of(i);
            has_spot = has_spot || b.shapes[i].spot;
            has_on_demand = has_on_demand || !b.shapes[i].spot;
        }
        if (!has_spot || !has_on_demand) return -1;
        return on_demand < pool.on_demand_of(nodes + 1) ? 0 : 1;
    }
    /// Among the shapes [from, to) of one zone, in the order of the pool's list.
    [[nodiscard]] WT_HD std::uint32_t pick(const State& s, ShapeChoice choice, std::uint32_t from, std::uint32_t to,
                                           std::int32_t wanted) const {
        const Blueprint& b = s.blueprint();
        std::uint32_t best = no_index;
        bool best_deep = false;
        for (std::uint32_t i = from; i < to; ++i) {
            const ShapePlan& shape = b.shapes[i];
            if (s.sold_out().has(static_cast<std::int32_t>(i)) || (wanted >= 0 && shape.spot != wanted)) continue;
            const bool deep = choice == ShapeChoice::deep && shape.spot && s.is_deep(i);
            if (best == no_index ||
                (choice != ShapeChoice::listed &&
                 (deep != best_deep ? deep : shape.nano_usd_per_hour < b.shapes[best].nano_usd_per_hour))) {
                best = i;
                best_deep = deep;
            }
        }
        return best;
    }

    /// Karpenter's drain: the lowest tier that still has pods.
    WT_HD_COLD void evict_tier(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        const Tick deleted = s.node(n).deleted_at;
        const std::int32_t k = s.blueprint().pools[s.node(n).pool].karpenter;
        const Tick grace = k < 0 ? Tick{never} : s.blueprint().karpenter_pools[static_cast<std::size_t>(k)].termination_grace;
        if (now >= forced_termination_at(deleted, grace)) return terminate(fleet, n, now, fault);
        const std::int32_t tier = lowest_tier(s, n);
        Tick next = never;
        for (std::uint32_t p = s.node(n).first_pod; p != no_index && !fault.broken();) {
            const std::uint32_t after = s.pod(p).next_on_node;
            const TemplatePlan& plan = s.template_of(s.pod(p));
            if (s.pod(p).node != n) {  // it went with the one before: the rest is looked at anew
                next = now;
                break;
            }
            if (s.pod(p).active()) {
                const Tick forced = grace == never ? Tick{never} : forced_deletion_at(deleted, grace, plan.grace);
                if (forced <= now) {
                    fleet.delete_pod(p, now, fault);
                    fleet.controllers().sync(fleet, s.pod(p).workload, now, fault);
                } else {
                    next = min(next, forced);
                    if (tier_of(plan) == tier && !plan.do_not_disrupt)
                        next = min(next, ask(fleet, n, p, now, fault).at);
                }
            }
            p = after;
        }
        if (s.node(n).state != NodeState::draining || s.node(n).pods == 0) return;
        if (lowest_tier(s, n) != tier) next = now;  // it went at once
        s.wake_node(n, min(next, forced_termination_at(deleted, grace)));
    }
    [[nodiscard]] WT_HD static std::int32_t lowest_tier(const State& s, std::uint32_t n) {
        std::int32_t left[4] = {};
        for (std::uint32_t p = s.node(n).first_pod; p != no_index; p = s.pod(p).next_on_node)
            ++left[tier_of(s.template_of(s.pod(p)))];
        return tier_to_drain(left);
    }
    [[nodiscard]] WT_HD static std::int32_t tier_of(const TemplatePlan& plan) {
        return drain_tier(plan.priority >= critical_priority, false);
    }
    /// The instance goes with whatever is still on it.
    WT_HD_COLD void terminate(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        while (s.node(n).state == NodeState::draining && s.node(n).first_pod != no_index && !fault.broken()) {
            const std::uint32_t p = s.node(n).first_pod, w = s.pod(p).workload;
            if (s.pod(p).active()) fleet.delete_pod(p, now, fault);
            if (s.node(n).first_pod == p) fleet.pod_gone(p, now);
            fleet.controllers().sync(fleet, w, now, fault);
        }
    }

    WT_HD_COLD void evict_all(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        Tick next = never;
        for (std::uint32_t p = s.node(n).first_pod; p != no_index && !fault.broken();) {
            const std::uint32_t after = s.pod(p).next_on_node;
            if (s.pod(p).node != n) {  // it went with the one before: the rest is looked at anew
                next = now;
                break;
            }
            if (s.pod(p).active()) {
                const EvictionRetry retry = ask(fleet, n, p, now, fault);
                if (retry.gives_up) return give_up(fleet, n, now);
                next = min(next, retry.at);
            }
            p = after;
        }
        if (s.node(n).state == NodeState::draining && s.node(n).pods > 0) s.wake_node(n, next);
    }
    /// Asks for a pod's eviction, if its time has come. Gives when to ask again; `never` when it is on its way.
    WT_HD_COLD EvictionRetry ask(Fleet<Layout, Owner>& fleet, std::uint32_t n, std::uint32_t p, Tick now, Fault& fault) {
        State& s = fleet.state();
        Pod& pod = s.pod(p);
        if (pod.ask_again_at > now) return {false, pod.ask_again_at};
        const Drainer drainer = s.node(n).drainer;
        if (drainer == Drainer::cluster_autoscaler)
            pod.longest_grace = s.blueprint().cluster_autoscaler.max_graceful_termination;
        const EvictionAnswer answer = fleet.eviction().evict(fleet, p, now, fault);
        if (is_evicted(answer)) return {};
        const EvictionRetry retry = eviction_retry(drainer, answer, ++pod.evictions_refused, s.node(n).deleted_at, now,
                                                   s.blueprint().cluster_autoscaler.max_pod_eviction);
        pod.ask_again_at = retry.at;
        return retry;
    }
    /// The drain has failed. kubectl leaves the node cordoned, cluster-autoscaler takes its taint away.
    WT_HD_COLD void give_up(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now) {
        State& s = fleet.state();
        s.wake_node(n, never);
        if (s.node(n).drainer == Drainer::kubectl) return s.set_node_state(n, NodeState::cordoned, now);
        for (std::uint32_t p = s.node(n).first_pod; p != no_index; p = s.pod(p).next_on_node)
            if (s.pod(p).active()) s.pod(p).longest_grace = never;
        s.node(n).unneeded_since = never;
        s.set_node_state(n, NodeState::ready, now);
        fleet.cluster_autoscaler().drain_failed(now);
        fleet.scheduler().schedule(fleet, now);
    }
};

}  // namespace windtunnel
