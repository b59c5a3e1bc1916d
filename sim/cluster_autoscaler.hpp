#pragma once
#include "policies/drain.hpp"
#include "sim/ca_node_removal.hpp"
#include "sim/ca_node_trial.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// cluster-autoscaler (kubernetes.md, section 10): one iteration of its loop. A pool is a node group, or
/// every zone of it is. It takes a group's first shape for all of it (an ASG of several instance types, a
/// managed group over several zones); what comes is the cloud's choice (NodePools::next_shape).
template <class Layout, class Owner>
class ClusterAutoscaler {
public:
    using State = ClusterState<Layout, Owner>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        const bool used = has_groups(b);
        m_pending = arena.template take_plain<Pending>(b.templates.size());
        m_waiting = arena.template take_plain<std::uint32_t>(b.templates.size());
        m_groups = arena.template take_plain<CaPodGroup>(b.templates.size());
        m_backoff = arena.template take_plain<CaBackoff>(b.shapes.size());
        m_options = arena.template take_plain<CaOption>(ca_max_groups);
        m_option_groups = arena.template take_plain<NodeGroup>(ca_max_groups);
        m_nodes = arena.template take_plain<std::uint32_t>(used ? b.node_slots : 0);
        m_mind.take_memory(arena, b, used);
        m_removal.take_memory(arena, b, used);
    }

    WT_HD_COLD void start(const Blueprint& b) {
        m_last_scale_up = m_last_delete = m_last_failure = Tick{INT64_MIN / 2};
        m_unschedulable_at = never;
        m_iterations = 0;
        m_used = has_groups(b);
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) m_backoff[i] = CaBackoff{};
        m_mind.start(b);
        m_removal.start(b);
    }
    /// It has not been able to drain a node: for a while no other goes.
    WT_HD void drain_failed(Tick now) { m_last_failure = now; }

    /// A pod was found unschedulable for the first time. Gives when the next iteration is now due, which
    /// was planned for `planned`.
    [[nodiscard]] WT_HD Tick note_unschedulable(const Blueprint& b, Tick planned, Tick now) {
        m_unschedulable_at = min(m_unschedulable_at, now);
        if (!m_used) return never;
        return b.cluster_autoscaler.loop.frequent_loops ? min(planned, now + watch_latency) : planned;
    }

    /// One iteration; gives when the next one starts.
    WT_HD_COLD Tick iterate(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        const ClusterAutoscalerPlan& plan = fleet.state().blueprint().cluster_autoscaler;
        if (!m_used) return never;
        ++m_iterations;
        m_unschedulable_at = never;
        bool productive = false;
        give_up_overdue(fleet.state(), now);
        if (!is_cluster_healthy(fleet.state())) return now + plan.loop.scan_interval;
        const NodeRoom<Layout>& room = fleet.scheduler().room(fleet.state());
        const Helpable helpable = gather(fleet, now);
        const bool too_young = helpable.pods > 0 && !pods_old_enough(plan.loop, helpable.oldest, now);
        if (!too_young && helpable.pods > 0) productive = scale_up(fleet, room, now, fault);
        m_mind.undo(fleet.state(), 0);
        if (!too_young && !productive) productive = scale_down(fleet, room, now, fault);
        // What the iteration itself made unschedulable (pods of a drained node) wakes the next.
        const Tick next = next_iteration(plan.loop, now, productive, m_unschedulable_at);
        return max(next, now + watch_latency);
    }

private:
    using NodeTrial = CaNodeTrial<Layout, Owner>;
    using Pending = typename NodeTrial::Pending;
    /// The shapes [first, first + count) of a pool. Its record of failures stands at `first`.
    struct NodeGroup {
        std::uint32_t pool = 0, first = 0, count = 0;
    };
    struct Helpable {
        std::int32_t pods = 0;
        Tick oldest = never;
    };
    /// A controller sees another's write after a moment (kubernetes.md 11.1).
    static constexpr Tick watch_latency = milliseconds(20);

    [[nodiscard]] WT_HD static bool has_groups(const Blueprint& b) {
        for (const PoolPlan& pool : b.pools)
            if (pool.provisioner == Provisioner::cluster_autoscaler) return true;
        return false;
    }
    /// The group that begins with a shape.
    [[nodiscard]] WT_HD static NodeGroup group_from(const Blueprint& b, std::uint32_t first) {
        const std::uint32_t pool = b.shapes[first].pool;
        const std::uint32_t end = b.pools[pool].first_shape + b.pools[pool].shape_count;
        std::uint32_t to = b.pools[pool].zone_groups ? first + 1 : end;
        while (to < end && b.shapes[to].zone == b.shapes[first].zone) ++to;
        return {pool, first, to - first};
    }
    /// The group that a shape belongs to.
    [[nodiscard]] WT_HD static NodeGroup group_of(const Blueprint& b, std::uint32_t shape) {
        const PoolPlan& pool = b.pools[b.shapes[shape].pool];
        std::uint32_t first = pool.zone_groups ? shape : pool.first_shape;
        while (first > pool.first_shape && b.shapes[first - 1].zone == b.shapes[shape].zone &&
               pool.zone_groups)
            --first;
        return group_from(b, first);
    }
    /// How many nodes a group may have: its own bound, and what the pool's leaves it.
    [[nodiscard]] WT_HD static std::int64_t most_of(const State& s, const NodeGroup& group) {
        const PoolPlan& pool = s.blueprint().pools[group.pool];
        const std::int64_t own = s.nodes_of(group.first, group.count);
        const std::int64_t others = s.nodes_of(pool.first_shape, pool.shape_count) - own;
        const std::int64_t left = std::int64_t{pool.node_slots} - others;
        return pool.zone_groups && pool.group_maximum < left ? std::int64_t{pool.group_maximum} : left;
    }
    /// How many of its nodes may go: what its own minimum and the pool's leave.
    [[nodiscard]] WT_HD static std::int32_t spare_of(const State& s, const NodeGroup& group) {
        const PoolPlan& pool = s.blueprint().pools[group.pool];
        std::int64_t spare = std::int64_t{s.nodes_of(pool.first_shape, pool.shape_count)} - pool.minimum;
        const std::int64_t own = std::int64_t{s.nodes_of(group.first, group.count)} - pool.group_minimum;
        if (pool.zone_groups && own < spare) spare = own;
        return static_cast<std::int32_t>(spare);
    }

    /// A node that was asked for did not come: its group rests.
    WT_HD_COLD void launch_failed(State& s, std::uint32_t group, Tick now) {
        s.owner().note(OccurrenceRecord{Occurrence::node_launch_failed, group, no_object, 0, now});
        back_off(s.blueprint().cluster_autoscaler.backoff, m_backoff[group], now);
    }
    /// Nodes that have not come within max-node-provision-time are no longer waited for (10.3.5).
    WT_HD_COLD void give_up_overdue(State& s, Tick now) {
        const Blueprint& b = s.blueprint();
        const IndexSet<Layout>& coming = s.nodes_in(NodeState::provisioning);
        for (std::uint32_t n = coming.first(); n != no_index; n = coming.next(n + 1)) {
            const ClusterNode& node = s.node(n);
            if (!is_mine(b, node.pool) || !is_overdue(b.cluster_autoscaler.loop, node.launched, now))
                continue;
            launch_failed(s, group_of(b, node.shape).first, now);
            s.wake_node(n, never);
            s.drop_node(n, now);
        }
    }

    /// With too many nodes unready, of whatever pools, it does nothing at all.
    [[nodiscard]] WT_HD_COLD static bool is_cluster_healthy(const State& s) {
        const IndexSet<Layout>& lost = s.nodes_in(NodeState::lost);
        std::int32_t unready = 0;
        for (std::uint32_t n = lost.first(); n != no_index; n = lost.next(n + 1))
            unready += s.node(n).loss != LossStage::unnoticed ? 1 : 0;
        return is_healthy(s.blueprint().cluster_autoscaler.loop, unready, static_cast<std::int32_t>(s.registered_nodes()));
    }
    [[nodiscard]] WT_HD static bool is_mine(const Blueprint& b, std::uint32_t pool) {
        return b.pools[pool].provisioner == Provisioner::cluster_autoscaler;
    }

    /// Counts the pending pods by template: not those below the cut-off, those for whose sake others are
    /// being preempted, and those that coming nodes will hold, on which they are put in mind.
    WT_HD_COLD Helpable gather(Fleet<Layout, Owner>& fleet, Tick now) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        Helpable found;
        if (!fleet.scheduler().has_pending()) return found;
        for (std::uint32_t t = 0; t < b.templates.size(); ++t) m_pending[t] = Pending{};
        for (std::uint32_t p = fleet.scheduler().first_pending(); p != no_index; p = s.pod(p).next) {
            const Pod& pod = s.pod(p);
            if (pod.nominated != no_index ||
                !is_helpable(b.cluster_autoscaler.loop, s.template_of(pod).priority, pod.created, now))
                continue;
            ++m_pending[pod.revision].count;
            m_pending[pod.revision].pod = p;
            ++found.pods;
        }
        const IndexSet<Layout>& coming = s.nodes_in(NodeState::provisioning);
        for (std::uint32_t n = coming.first(); n != no_index && found.pods > 0; n = coming.next(n + 1))
            m_mind.admit(s, n);
        std::uint32_t waiting = 0;
        for (std::uint32_t t = 0; t < b.templates.size(); ++t)
            if (m_pending[t].count > 0) m_waiting[waiting++] = t;
        for (std::uint32_t n = coming.first(); n != no_index && found.pods > 0; n = coming.next(n + 1))
            for (std::uint32_t i = 0; i < waiting && found.pods > 0; ++i) {
                const std::uint32_t t = m_waiting[i];
                if (m_pending[t].count == 0 || !b.templates[t].shapes.has(s.node(n).shape)) continue;
                found.pods -= put_on(fleet, t, n);
            }
        found.oldest = oldest_left(fleet, now);
        return found;
    }
    /// When the oldest of the pods was made that find no room on coming nodes. Like pods take it in the queue's order.
    [[nodiscard]] WT_HD_COLD Tick oldest_left(Fleet<Layout, Owner>& fleet, Tick now) {
        State& s = fleet.state();
        Tick oldest = never;
        for (std::uint32_t p = fleet.scheduler().first_pending(); p != no_index; p = s.pod(p).next) {
            const Pod& pod = s.pod(p);
            if (pod.nominated != no_index ||
                !is_helpable(s.blueprint().cluster_autoscaler.loop, s.template_of(pod).priority, pod.created, now))
                continue;
            Pending& pending = m_pending[pod.revision];
            if (pending.placed > 0)
                --pending.placed;
            else
                oldest = min(oldest, pod.created);
        }
        return oldest;
    }
    /// Puts as many pending pods of a template on a node, in mind, as it takes; their number.
    WT_HD_COLD std::int32_t put_on(Fleet<Layout, Owner>& fleet, std::uint32_t t, std::uint32_t n) {
        State& s = fleet.state();
        const TemplatePlan& plan = s.blueprint().templates[t];
        Pending& pending = m_pending[t];
        std::int32_t placed = 0;
        const std::int32_t most = pods_that_fit(plan.needs, s.node(n).free, pending.count);
        for (; placed < most && m_mind.has_memory_for(1); ++placed) {
            if (m_mind.has_rules(t) &&
                !m_mind.verdict(s, fleet.scheduler().first_pending(), pending.pod, plan, n).passes())
                break;
            m_mind.put(s, pending.pod, n);
        }
        pending.count -= placed;
        pending.placed += placed;
        return placed;
    }

    /// The pods that `shape` could help, in groups; the number of groups.
    WT_HD std::int32_t groups_for(const Blueprint& b, std::uint32_t shape) {
        std::int32_t groups = 0;
        for (std::uint32_t t = 0; t < b.templates.size(); ++t) {
            if (m_pending[t].count == 0 || !b.templates[t].shapes.has(static_cast<std::int32_t>(shape)))
                continue;
            CaPodGroup& group = m_groups[groups++];
            group = CaPodGroup{};
            group.request = b.templates[t].needs;
            group.count = m_pending[t].count;
            group.source = static_cast<std::int32_t>(t);
        }
        return groups;
    }

    /// Grows the best group. False where none helps.
    WT_HD_COLD bool scale_up(Fleet<Layout, Owner>& fleet, const NodeRoom<Layout>& room, Tick now,
                             Fault& fault) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        const ClusterAutoscalerPlan& plan = b.cluster_autoscaler;
        std::int32_t count = 0, at_most = 0, resting = 0;
        for (std::uint32_t i = 0; i < b.shapes.size() && count < ca_max_groups;) {
            const NodeGroup group = group_from(b, i);
            i += group.count;
            if (!is_mine(b, group.pool)) continue;
            const CaSkipped skipped = estimate_group(fleet, room, group, m_options[count], now);
            if (skipped == CaSkipped::not_skipped) m_option_groups[count++] = group;
            at_most += skipped == CaSkipped::at_max ? 1 : 0;
            resting += skipped == CaSkipped::backed_off ? 1 : 0;
        }
        m_mind.undo(s, 0);
        if (count == 0) {
            s.owner().note(OccurrenceRecord{Occurrence::nodes_not_requested,
                                            fleet.scheduler().first_pending(),
                                            static_cast<std::uint32_t>(at_most), resting, now});
            return false;
        }
        const std::int32_t chosen =
            choose_option(plan.expanders, plan.expander_count, m_options, count,
                          s.controller_draw(StreamPurpose::expander_choice, m_iterations));
        const NodeGroup& best = m_option_groups[chosen];
        const std::int64_t before = s.nodes_of(best.first, best.count);
        const std::int32_t launched = grow(fleet, chosen, count, now, fault);
        if (launched > 0) {
            m_last_scale_up = now;
            s.owner().note(OccurrenceRecord{Occurrence::nodes_requested, best.first,
                                            static_cast<std::uint32_t>(launched), before, now});
        }
        return launched > 0;
    }
    /// Whether growing a group would help, and how; or why it is no option.
    WT_HD_COLD CaSkipped estimate_group(Fleet<Layout, Owner>& fleet, const NodeRoom<Layout>& room,
                                        const NodeGroup& group, CaOption& option, Tick now) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        const ClusterAutoscalerPlan& plan = b.cluster_autoscaler;
        const ShapePlan& shape = b.shapes[group.first];
        const auto target = static_cast<std::int32_t>(s.nodes_of(group.first, group.count));
        const auto most = static_cast<std::int32_t>(most_of(s, group));
        CaBackoff& backoff = m_backoff[group.first];
        if (is_stale(plan.backoff, backoff, now)) backoff = CaBackoff{};
        const CaSkipped skipped =
            skip_group(target, most, backoff, is_healthy(plan.loop, unready_of(s, group), target), now);
        if (skipped != CaSkipped::not_skipped) return skipped;
        const std::int32_t groups = groups_for(b, group.first);
        if (groups == 0) return CaSkipped::no_pod_fits;
        const std::int32_t left = nodes_left(s);
        std::int32_t wanted = capped_scale_up(plan.loop, most, target, most);
        if (left < wanted) wanted = left;
        if (wanted == 0) return CaSkipped::at_max;
        NodeTrial trial(s, m_mind, room, m_pending, fleet.scheduler().first_pending(), m_nodes, group.first);
        const CaEstimate estimate = estimate_nodes(m_groups, groups, shape.room(), trial, wanted);
        trial.close();
        if (estimate.scheduled_pods == 0) return CaSkipped::no_pod_fits;
        option = CaOption{};
        option.node = shape.capacity;
        option.node_count = estimate.nodes;
        option.pod_count = estimate.scheduled_pods;
        for (std::int32_t g = 0; g < groups; ++g)
            for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
                option.pods[kind] += m_groups[g].request[kind] * m_groups[g].scheduled;
        option.price_micro_usd = shape.nano_usd_per_hour / 1000 * estimate.nodes;
        option.priority = shape.priority;
        option.has_priority = shape.has_priority != 0;
        return CaSkipped::not_skipped;
    }
    /// Nodes of a group that are there and do not answer.
    [[nodiscard]] WT_HD static std::int32_t unready_of(const State& s, const NodeGroup& group) {
        std::int32_t unready = 0;
        const IndexSet<Layout>& lost = s.nodes_in(NodeState::lost);
        for (std::uint32_t n = lost.first(); n != no_index; n = lost.next(n + 1)) {
            const ClusterNode& node = s.node(n);
            unready += node.loss != LossStage::unnoticed && node.shape >= group.first &&
                       node.shape < group.first + group.count;
        }
        return unready;
    }
    /// How many more nodes --max-nodes-total allows, of whatever pools.
    [[nodiscard]] WT_HD static std::int32_t nodes_left(const State& s) {
        const std::int32_t most = s.blueprint().cluster_autoscaler.max_nodes_total;
        if (most == 0) return INT32_MAX;
        const auto nodes =
            static_cast<std::int32_t>(s.nodes_of(0, static_cast<std::uint32_t>(s.blueprint().shapes.size())));
        return nodes < most ? most - nodes : 0;
    }
    /// Launches the chosen option's nodes, over the groups like it where they are balanced. What a group
    /// cannot get nobody makes up for. Gives how many were launched.
    WT_HD_COLD std::int32_t grow(Fleet<Layout, Owner>& fleet, std::int32_t chosen, std::int32_t count,
                                 Tick now, Fault& fault) {
        State& s = fleet.state();
        std::int32_t sizes[ca_max_groups], most[ca_max_groups], like[ca_max_groups], groups = 0, launched = 0;
        for (std::int32_t i = 0; i < count; ++i) {
            if (i != chosen && !is_balanced_with(s, i, chosen)) continue;
            const NodeGroup& group = m_option_groups[i];
            sizes[groups] = static_cast<std::int32_t>(s.nodes_of(group.first, group.count));
            most[groups] = static_cast<std::int32_t>(most_of(s, group));
            like[groups++] = i;
        }
        (void)balance_groups(sizes, most, groups, m_options[chosen].node_count);
        for (std::int32_t i = 0; i < groups; ++i) {
            const NodeGroup& group = m_option_groups[like[i]];
            std::int32_t left = sizes[i] - static_cast<std::int32_t>(s.nodes_of(group.first, group.count));
            for (; left > 0 && !fault.broken() && s.has_free_node(group.pool); --left) {
                const std::uint32_t shape = fleet.node_pools().next_shape(s, group.first, group.count);
                if (shape == no_index) {
                    launch_failed(s, group.first, now);
                    break;
                }
                launched += fleet.node_pools().launch(s, shape, now, fault) != no_index ? 1 : 0;
            }
        }
        return launched;
    }
    /// Whether new nodes are spread over two options: nodes of the same size that take the same pods, of one
    /// pool that balances its zones, or of similar pools.
    [[nodiscard]] WT_HD bool is_balanced_with(const State& s, std::int32_t i, std::int32_t chosen) const {
        const std::uint32_t pool = m_option_groups[chosen].pool, other = m_option_groups[i].pool;
        const PoolPlan &plan = s.blueprint().pools[pool], &its = s.blueprint().pools[other];
        return ((plan.balances && other == pool) || (plan.similar >= 0 && plan.similar == its.similar)) &&
               m_options[i].node == m_options[chosen].node &&
               m_options[i].pod_count == m_options[chosen].pod_count;
    }

    /// Keeps the timers of nodes that could go, and lets go those that could for long enough: empty ones in
    /// bulk, then those with pods.
    WT_HD_COLD bool scale_down(Fleet<Layout, Owner>& fleet, const NodeRoom<Layout>& room, Tick now,
                               Fault& fault) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        const ClusterAutoscalerPlan& plan = b.cluster_autoscaler;
        m_removal.look(s, m_mind, room, fleet.scheduler().first_pending(), now);
        m_mind.undo(s, 0);
        if (!scale_down_cooled(plan.down, m_last_scale_up, m_last_delete, m_last_failure, now)) return false;
        std::int32_t deleting = 0, count = 0;
        const IndexSet<Layout>& leaving = s.nodes_in(NodeState::draining);
        for (std::uint32_t n = leaving.first(); n != no_index; n = leaving.next(n + 1))
            deleting += is_mine(b, s.node(n).pool) ? 1 : 0;
        std::int32_t draining = deleting;
        const IndexSet<Layout>& candidates = m_removal.little_used();
        for (std::int32_t with_pods = 0; with_pods < 2; ++with_pods)
            for (std::uint32_t n = candidates.first(); n != no_index; n = candidates.next(n + 1)) {
                const ClusterNode& node = s.node(n);
                if ((node.pods > 0) != (with_pods == 1) || node.unneeded_since == never ||
                    !unneeded_long_enough(plan.down, true, node.unneeded_since, now))
                    continue;
                const NodeGroup group = group_of(b, node.shape);
                std::int32_t spare = spare_of(s, group);  // less those that are to go with it
                for (std::int32_t i = 0; i < count; ++i)
                    spare -= b.pools[group.pool].zone_groups
                                 ? group_of(b, s.node(m_nodes[i]).shape).first == group.first
                                 : s.node(m_nodes[i]).pool == group.pool;
                const CaDeletionQuota quota = deletion_quota(1 - with_pods, with_pods, spare, 0, deleting,
                                                             draining, plan.max_parallel, plan.max_drain);
                if (quota.empty + quota.occupied == 0) continue;
                ++deleting;
                draining += with_pods;
                m_nodes[count++] = n;
            }
        for (std::int32_t i = 0; i < count && !fault.broken(); ++i)
            fleet.node_pools().taint(fleet, m_nodes[i], Drainer::cluster_autoscaler, now, fault);
        for (std::int32_t i = 0; i < count && !fault.broken(); ++i)
            fleet.node_pools().go_on(fleet, m_nodes[i], now, fault);
        if (count > 0) m_last_delete = now;
        return count > 0;
    }

    Supposition<State, Layout> m_mind;
    CaNodeRemoval<Layout, Owner> m_removal;
    std::uint32_t* m_nodes = nullptr;      ///< [node_slots] scratch: nodes opened in mind, or to be drained
    Pending* m_pending = nullptr;          ///< [templates]
    std::uint32_t* m_waiting = nullptr;    ///< the templates with pods, ascending
    CaPodGroup* m_groups = nullptr;        ///< [templates]
    CaBackoff* m_backoff = nullptr;        ///< [shapes], of the group that begins with it
    CaOption* m_options = nullptr;         ///< [ca_max_groups]
    NodeGroup* m_option_groups = nullptr;  ///< [ca_max_groups]
    Tick m_last_scale_up, m_last_delete, m_last_failure;
    Tick m_unschedulable_at = never;  ///< since the last iteration
    std::uint32_t m_iterations = 0;
    bool m_used = false;  ///< some pool is its
};

}  // namespace windtunnel
