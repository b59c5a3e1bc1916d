#pragma once
#include "policies/ca_scale_up.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// cluster-autoscaler (kubernetes.md, section 10): one iteration of its loop. A pool is a node group, or every
/// zone of it is. It takes a group's first shape for all of it (an ASG of several instance types, a managed group
/// over several zones); what comes is the cloud's choice (NodePools::next_shape).
template <class Layout, class Owner>
class ClusterAutoscaler {
public:
    using State = ClusterState<Layout, Owner>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        std::uint32_t most = 0;
        for (std::uint32_t p = 0; p < b.pools.size(); ++p)
            most = b.pools[p].node_slots > most ? b.pools[p].node_slots : most;
        m_capacity = static_cast<std::int32_t>(most) + 1;
        m_estimated = arena.template take_plain<CaNode>(most + 1);
        m_pending = arena.template take_plain<Pending>(b.templates.size());
        m_groups = arena.template take_plain<CaPodGroup>(b.templates.size());
        m_backoff = arena.template take_plain<CaBackoff>(b.shapes.size());
        m_options = arena.template take_plain<CaOption>(ca_max_groups);
        m_option_groups = arena.template take_plain<NodeGroup>(ca_max_groups);
    }

    WT_HD_COLD void start(const Blueprint& b) {
        m_last_scale_up = m_last_delete = m_last_failure = Tick{INT64_MIN / 2};
        m_unschedulable_at = never;
        m_iterations = 0;
        for (std::uint32_t i = 0; i < b.shapes.size(); ++i) m_backoff[i] = CaBackoff{};
    }

    /// A pod was found unschedulable for the first time. Gives when the next iteration is now due, which
    /// was planned for `planned`.
    [[nodiscard]] WT_HD Tick note_unschedulable(const Blueprint& b, Tick planned, Tick now) {
        m_unschedulable_at = min(m_unschedulable_at, now);
        return b.cluster_autoscaler.loop.frequent_loops ? min(planned, now + watch_latency) : planned;
    }


    /// One iteration; gives when the next one starts.
    WT_HD_COLD Tick iterate(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        const ClusterAutoscalerPlan& plan = fleet.state().blueprint().cluster_autoscaler;
        ++m_iterations;
        m_unschedulable_at = never;
        bool productive = false;
        give_up_overdue(fleet.state(), now);
        const Helpable helpable = gather(fleet, now);
        const bool too_young = helpable.pods > 0 && !pods_old_enough(plan.loop, helpable.oldest, now);
        if (!too_young) {
            if (helpable.pods > 0) productive = scale_up(fleet, now, fault);
            if (!productive) productive = scale_down(fleet, now, fault);
        }
        // What the iteration itself made unschedulable (pods of a drained node) wakes the next.
        const Tick next = next_iteration(plan.loop, now, productive, m_unschedulable_at);
        return max(next, now + watch_latency);
    }

private:
    /// Pending pods of one template.
    struct Pending {
        std::int32_t count = 0;
    };
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
        while (first > pool.first_shape && b.shapes[first - 1].zone == b.shapes[shape].zone && pool.zone_groups) --first;
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
        m_last_failure = now;
    }
    /// Nodes that have not come within max-node-provision-time are no longer waited for (10.3.5).
    WT_HD_COLD void give_up_overdue(State& s, Tick now) {
        const Blueprint& b = s.blueprint();
        for (std::uint32_t n = 0; n < b.node_slots; ++n) {
            const ClusterNode& node = s.node(n);
            if (node.state != NodeState::provisioning || !is_mine(b, node.pool) ||
                !is_overdue(b.cluster_autoscaler.loop, node.launched, now))
                continue;
            launch_failed(s, group_of(b, node.shape).first, now);
            s.wake_node(n, never);
            s.drop_node(n, now);
        }
    }

    [[nodiscard]] WT_HD static bool is_mine(const Blueprint& b, std::uint32_t pool) {
        return b.pools[pool].provisioner == Provisioner::cluster_autoscaler;
    }

    /// Counts the pending pods by template, without those that coming nodes will hold.
    WT_HD_COLD Helpable gather(Fleet<Layout, Owner>& fleet, Tick now) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        Helpable found;
        if (!fleet.scheduler().has_pending()) return found;
        for (std::uint32_t t = 0; t < b.templates.size(); ++t) m_pending[t] = Pending{};
        for (std::uint32_t p = fleet.scheduler().first_pending(); p != no_index; p = s.pod(p).next) {
            const Pod& pod = s.pod(p);
            if (!is_helpable(b.cluster_autoscaler.loop, 0, pod.created, now)) continue;
            ++m_pending[pod.revision].count;
            ++found.pods;
            found.oldest = min(found.oldest, pod.created);
        }
        for (std::uint32_t n = 0; n < b.node_slots && found.pods > 0; ++n) {
            ClusterNode& node = s.node(n);
            if (node.state != NodeState::provisioning) continue;
            ResourceAmounts free = node.free;
            for (std::uint32_t t = 0; t < b.templates.size() && found.pods > 0; ++t) {
                if (m_pending[t].count == 0 || !b.templates[t].shapes.has(node.shape)) continue;
                const std::int32_t placed = pods_that_fit(b.templates[t].needs, free, m_pending[t].count);
                for (std::int32_t i = 0; i < placed; ++i) free -= b.templates[t].needs;
                m_pending[t].count -= placed;
                found.pods -= placed;
            }
        }
        return found;
    }

    /// The groups that `shape` could help; their number.
    WT_HD std::int32_t groups_for(const Blueprint& b, std::uint32_t shape) {
        std::int32_t groups = 0;
        for (std::uint32_t t = 0; t < b.templates.size(); ++t) {
            if (m_pending[t].count == 0 || !b.templates[t].shapes.has(static_cast<std::int32_t>(shape)))
                continue;
            CaPodGroup& group = m_groups[groups++];
            group = CaPodGroup{};
            group.request = b.templates[t].needs;
            group.count = m_pending[t].count;
        }
        return groups;
    }

    /// Grows the best group. False where none helps.
    WT_HD_COLD bool scale_up(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        const ClusterAutoscalerPlan& plan = b.cluster_autoscaler;
        std::int32_t count = 0, at_most = 0, resting = 0;
        for (std::uint32_t i = 0; i < b.shapes.size() && count < ca_max_groups;) {
            const NodeGroup group = group_from(b, i);
            i += group.count;
            if (!is_mine(b, group.pool)) continue;
            const CaSkipped skipped = estimate_group(s, group, m_options[count], now);
            if (skipped == CaSkipped::not_skipped) m_option_groups[count++] = group;
            at_most += skipped == CaSkipped::at_max ? 1 : 0;
            resting += skipped == CaSkipped::backed_off ? 1 : 0;
        }
        if (count == 0) {
            s.owner().note(OccurrenceRecord{Occurrence::nodes_not_requested, fleet.scheduler().first_pending(),
                                            static_cast<std::uint32_t>(at_most), resting, now});
            return false;
        }
        const std::int32_t chosen =
            choose_option(plan.expanders, plan.expander_count, m_options, count,
                          s.controller_draw(StreamPurpose::expander_choice, m_iterations));
        const bool balanced = plan.balance_similar || b.pools[m_option_groups[chosen].pool].balances;
        const NodeGroup& best = m_option_groups[chosen];
        const std::int64_t before = s.nodes_of(best.first, best.count);
        std::int32_t launched = 0;
        for (std::int32_t left = m_options[chosen].node_count; left > 0 && !fault.broken(); --left) {
            const std::int32_t at = balanced ? smallest_similar(s, chosen, count, now) : chosen;
            if (at < 0) break;
            const NodeGroup& group = m_option_groups[at];
            const std::uint32_t shape = fleet.node_pools().next_shape(s, group.first, group.count);
            if (shape == no_index)
                launch_failed(s, group.first, now);
            else if (fleet.node_pools().launch(s, shape, now, fault) != no_index)
                ++launched;
            if (shape == no_index && !balanced) break;
        }
        if (launched > 0) {
            m_last_scale_up = now;
            s.owner().note(OccurrenceRecord{Occurrence::nodes_requested, best.first,
                                            static_cast<std::uint32_t>(launched), before, now});
        }
        return launched > 0;
    }
    /// Whether growing a group would help, and how; or why it is no option.
    WT_HD_COLD CaSkipped estimate_group(State& s, const NodeGroup& group, CaOption& option, Tick now) {
        const Blueprint& b = s.blueprint();
        const ClusterAutoscalerPlan& plan = b.cluster_autoscaler;
        const ShapePlan& shape = b.shapes[group.first];
        const auto target = static_cast<std::int32_t>(s.nodes_of(group.first, group.count));
        const auto most = static_cast<std::int32_t>(most_of(s, group));
        CaBackoff& backoff = m_backoff[group.first];
        if (is_stale(plan.backoff, backoff, now)) backoff = CaBackoff{};
        const CaSkipped skipped = skip_group(target, most, backoff, true, now);
        if (skipped != CaSkipped::not_skipped) return skipped;
        const std::int32_t groups = groups_for(b, group.first);
        if (groups == 0) return CaSkipped::no_pod_fits;
        CaNode node;
        node.free = shape.room();
        const std::int32_t room = capped_scale_up(plan.loop, most, target, most);
        const CaEstimate estimate = estimate_nodes(m_groups, groups, node, m_estimated, 0, m_capacity, room);
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
    /// Of the options that are like the chosen one (nodes of the same size that take the same pods), the group
    /// with the fewest nodes that may still grow; -1 when none may.
    [[nodiscard]] WT_HD std::int32_t smallest_similar(const State& s, std::int32_t chosen, std::int32_t count,
                                                      Tick now) const {
        const CaOption& like = m_options[chosen];
        const bool everywhere = s.blueprint().cluster_autoscaler.balance_similar != 0;
        std::int32_t best = -1;
        std::uint32_t fewest = 0;
        for (std::int32_t i = 0; i < count; ++i) {
            const NodeGroup& group = m_option_groups[i];
            const std::uint32_t nodes = s.nodes_of(group.first, group.count);
            if ((!everywhere && group.pool != m_option_groups[chosen].pool) || !(m_options[i].node == like.node) ||
                m_options[i].pod_count != like.pod_count || most_of(s, group) <= nodes ||
                is_backed_off(m_backoff[group.first], now))
                continue;
            if (best >= 0 && nodes >= fewest) continue;
            best = i;
            fewest = nodes;
        }
        return best;
    }

    /// Keeps the timers of nodes that could go, and lets go those that could for long enough.
    WT_HD_COLD bool scale_down(Fleet<Layout, Owner>& fleet, Tick now, Fault& fault) {
        State& s = fleet.state();
        const Blueprint& b = s.blueprint();
        const ClusterAutoscalerPlan& plan = b.cluster_autoscaler;
        std::int32_t deleting = 0;
        for (std::uint32_t n = 0; n < b.node_slots; ++n) {
            ClusterNode& node = s.node(n);
            node.planned = node.free;
            deleting += node.state == NodeState::draining && is_mine(b, node.pool) ? 1 : 0;
        }
        std::int32_t draining = deleting;
        const bool cooled = scale_down_cooled(plan.down, m_last_scale_up, m_last_delete, m_last_failure, now);
        bool deleted = false;
        // Empty nodes first, in bulk; then nodes with pods.
        for (std::int32_t with_pods = 0; with_pods < 2 && !fault.broken(); ++with_pods)
            for (std::uint32_t n = 0; n < b.node_slots; ++n) {
                ClusterNode& node = s.node(n);
                if (node.state != NodeState::ready || !is_mine(b, node.pool) ||
                    (node.pods > 0) != (with_pods == 1))
                    continue;
                if (!could_go(s, n, now)) {
                    node.unneeded_since = never;
                    continue;
                }
                node.unneeded_since = min(node.unneeded_since, now);
                if (!cooled || !unneeded_long_enough(plan.down, true, node.unneeded_since, now)) continue;
                const CaDeletionQuota quota =
                    deletion_quota(1 - with_pods, with_pods, spare_of(s, group_of(b, node.shape)), 0, deleting,
                                   draining, plan.max_parallel, plan.max_drain);
                if (quota.empty + quota.occupied == 0) continue;
                ++deleting;
                draining += with_pods;
                deleted = true;
                fleet.node_pools().drain(fleet, n, now, fault);
            }
        if (deleted) m_last_delete = now;
        return deleted;
    }

    /// Whether a node is little used and everything on it finds room elsewhere. What is moved in mind stays
    /// moved (ClusterNode::planned), so that two nodes do not count on the same room.
    [[nodiscard]] WT_HD_COLD bool could_go(State& s, std::uint32_t n, Tick now) {
        const Blueprint& b = s.blueprint();
        const ClusterAutoscalerPlan& plan = b.cluster_autoscaler;
        ClusterNode& node = s.node(n);
        if (now < node.unremovable_until) return false;
        CaPod all;  // requests of one node add up: its pods stand as one
        CaNodeView view;
        view.allocatable = s.shape_of(node).allocatable;
        all.request = view.allocatable - node.free;
        view.gpu = view.allocatable[resource_gpus] > 0 || s.shape_of(node).gpu_labelled ? resource_gpus : -1;
        view.pods = &all;
        view.pod_count = 1;
        if (scale_down_eligibility(view, plan.down, now) != CaUnremovable::no_reason) return false;
        for (std::uint32_t p = node.first_pod; p != no_index; p = s.pod(p).next_on_node) {
            const Pod& pod = s.pod(p);
            if (!pod.active()) continue;
            const std::uint32_t to = room_elsewhere(s, n, s.template_of(pod));
            if (to == no_index) {
                put_back(s, node, p);
                node.unremovable_until = now + plan.unremovable_recheck;
                return false;
            }
            s.node(to).planned -= s.template_of(pod).needs;
            s.pod(p).planned_node = to;
        }
        return true;
    }
    [[nodiscard]] WT_HD static std::uint32_t room_elsewhere(const State& s, std::uint32_t from,
                                                            const TemplatePlan& plan) {
        for (std::uint32_t n = 0; n < s.blueprint().node_slots; ++n) {
            const ClusterNode& node = s.node(n);
            // An unneeded node is no refuge: it may go itself.
            if (n != from && node.state == NodeState::ready && node.unneeded_since == never &&
                plan.shapes.has(node.shape) && fits(plan.needs, node.planned))
                return n;
        }
        return no_index;
    }
    /// Undoes what could_go moved in mind before it failed at pod `failed`.
    WT_HD static void put_back(const State& s, const ClusterNode& node, std::uint32_t failed) {
        for (std::uint32_t p = node.first_pod; p != failed; p = s.pod(p).next_on_node)
            if (s.pod(p).active()) s.node(s.pod(p).planned_node).planned += s.template_of(s.pod(p)).needs;
    }

    CaNode* m_estimated = nullptr;  ///< [m_capacity]
    std::int32_t m_capacity = 0;
    Pending* m_pending = nullptr;    ///< [templates]
    CaPodGroup* m_groups = nullptr;  ///< [templates]
    CaBackoff* m_backoff = nullptr;  ///< [shapes], of the group that begins with it
    CaOption* m_options = nullptr;   ///< [ca_max_groups]
    NodeGroup* m_option_groups = nullptr;  ///< [ca_max_groups]
    Tick m_last_scale_up, m_last_delete, m_last_failure;
    Tick m_unschedulable_at = never;  ///< since the last iteration
    std::uint32_t m_iterations = 0;
};

}  // namespace windtunnel
