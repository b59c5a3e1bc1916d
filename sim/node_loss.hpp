#pragma once
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// A node that dies without notice (kubernetes.md 5.7). What its pods worked on is lost at once; the cluster
/// knows nothing of it until the heartbeat has been missing for the grace period: until then requests still go to
/// these pods, and fail. Then they leave the endpoints; they are replaced when their toleration of the taint ends.
template <class Layout, class Owner>
class NodeLoss {
public:
    using State = ClusterState<Layout, Owner>;

    static constexpr Tick monitor_grace = seconds(50);  ///< node-monitor-grace-period since 1.32 (node-status docs)
    static constexpr Tick monitor_period = seconds(5);  ///< the node controller's look, at an arbitrary phase
    static constexpr Tick toleration = seconds(300);    ///< added by admission (defaulttolerationseconds)

    WT_HD_COLD void lose(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now) {
        State& s = fleet.state();
        ClusterNode& node = s.node(n);
        s.set_node_state(n, NodeState::lost, now);
        for (std::uint32_t p = node.first_pod; p != no_index; p = s.pod(p).next_on_node) {
            Pod& pod = s.pod(p);
            fleet.kubelet().node_died(fleet, p, now);
            pod.lost = 1;
        }
        const auto phase = static_cast<std::int64_t>(s.node_draw(StreamPurpose::node_provisioning, n) >> 1);
        s.wake_node(n, now + monitor_grace + Tick{phase % monitor_period.count});
    }

    /// The node controller notices, or the pods' toleration ends.
    WT_HD_COLD void advance(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        ClusterNode& node = s.node(n);
        if (!node.unreachable) {
            node.unreachable = 1;
            s.owner().note(OccurrenceRecord{Occurrence::node_unreachable, n, no_object, 0, now});
            for (std::uint32_t p = node.first_pod; p != no_index; p = s.pod(p).next_on_node) {
                Pod& pod = s.pod(p);
                fleet.kubelet().unroute(fleet, p, now);
                if (pod.state != PodState::ready) continue;
                s.leave_ready(p, now);
                pod.state = PodState::starting;  // active, on a node, not ready
                s.owner().pod_changed(p, now);
            }
            s.wake_node(n, now + toleration);
            return;
        }
        s.wake_node(n, never);
        while (node.first_pod != no_index && !fault.broken()) {
            const std::uint32_t p = node.first_pod;
            const std::uint32_t w = s.pod(p).workload;
            if (s.pod(p).active())
                fleet.delete_pod(p, now, fault);
            else
                fleet.pod_gone(p, now);
            fleet.controllers().sync(fleet, w, now, fault);
        }
        s.drop_node(n, now);
    }
};

}  // namespace windtunnel
