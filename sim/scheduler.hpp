#pragma once
#include "policies/placement.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// kube-scheduler: pods without a node, oldest first, and where they go.
template <class Layout, class Owner>
class Scheduler {
public:
    using State = ClusterState<Layout, Owner>;

    WT_HD_COLD void start() { m_first = m_last = no_index; }

    [[nodiscard]] WT_HD bool has_pending() const { return m_first != no_index; }
    [[nodiscard]] WT_HD std::uint32_t first_pending() const { return m_first; }

    WT_HD void enqueue(State& s, std::uint32_t p) {
        if (m_last == no_index)
            m_first = p;
        else
            s.pod(m_last).next = p;
        m_last = p;
    }
    WT_HD void drop(State& s, std::uint32_t p) {
        std::uint32_t before = no_index;
        for (std::uint32_t q = m_first; q != p; q = s.pod(q).next) before = q;
        unlink(s, p, before);
    }

    /// Binds every pending pod that fits somewhere, oldest first.
    WT_HD_COLD void schedule(Fleet<Layout, Owner>& fleet, Tick now) {
        State& s = fleet.state();
        std::uint32_t before = no_index;
        for (std::uint32_t p = m_first; p != no_index;) {
            const std::uint32_t after = s.pod(p).next;
            const BestNode best = find_node(s, s.template_of(s.pod(p)));
            if (best.found) {
                unlink(s, p, before);
                s.bind(p, best.node, now);
                fleet.kubelet().begin(fleet, p, now);
            } else {
                before = p;
                if (!s.pod(p).unschedulable) {
                    s.pod(p).unschedulable = 1;
                    fleet.pod_unschedulable(p, now);
                }
            }
            p = after;
        }
    }

private:
    [[nodiscard]] WT_HD static BestNode find_node(const State& s, const TemplatePlan& plan) {
        BestNode best;
        for (std::uint32_t n = 0; n < s.blueprint().node_slots; ++n) {
            const ClusterNode& node = s.node(n);
            if (node.state != NodeState::ready || !plan.shapes.has(node.shape) ||
                !fits(plan.needs, node.free))
                continue;
            const ResourceAmounts& all = s.shape_of(node).allocatable;
            best.offer({n, node.free[resource_cpu_milli] - plan.needs[resource_cpu_milli],
                        all[resource_cpu_milli],
                        node.free[resource_memory_bytes] - plan.needs[resource_memory_bytes],
                        all[resource_memory_bytes]});
        }
        return best;
    }
    WT_HD void unlink(State& s, std::uint32_t p, std::uint32_t before) {
        if (before == no_index)
            m_first = s.pod(p).next;
        else
            s.pod(before).next = s.pod(p).next;
        if (m_last == p) m_last = before;
        s.pod(p).next = no_index;
    }

    std::uint32_t m_first = no_index, m_last = no_index;  ///< pods without a node, oldest first
};

}  // namespace windtunnel
