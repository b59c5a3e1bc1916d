#pragma once
#include "policies/node_lifecycle.hpp"
#include "sim/cluster_state.hpp"

namespace windtunnel {

template <class Layout, class Owner>
class Fleet;

/// A node that dies without notice (kubernetes.md 5.7). What its pods worked on is lost at once; the cluster
/// knows nothing of it until the heartbeat has been missing for the grace period: until then requests still
/// go to these pods, and fail. Then they leave the endpoints. The node is tainted, where several are lost in
/// one zone one after another, and the pods are replaced when their toleration of the taint ends.
///
/// That all zones of a cluster are down, which stops all taints, is never so here: the nodes of the cluster's
/// own services, which scenarios leave out, are taken to be up.
template <class Layout, class Owner>
class NodeLoss {
public:
    using State = ClusterState<Layout, Owner>;

    WT_HD_COLD void start(const State& s) {
        for (Tick& next : m_next_taint) next = Tick{INT64_MIN / 2};
        m_phase =
            phase_of(s.controller_draw(StreamPurpose::controller_phase, 0, no_index), node_monitor_period);
    }

    WT_HD_COLD void lose(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now) {
        State& s = fleet.state();
        ClusterNode& node = s.node(n);
        s.set_node_state(n, NodeState::lost, now);
        for (std::uint32_t p = node.first_pod; p != no_index; p = s.pod(p).next_on_node) {
            Pod& pod = s.pod(p);
            fleet.kubelet().node_died(fleet, p, now);
            pod.lost = 1;
        }
        const Tick renewals = phase_of(s.node_draw(StreamPurpose::node_provisioning, n), node_lease_renewal);
        s.wake_node(n, max(now, loss_detected_at(last_renewal(now, renewals), m_phase, node_monitor_grace)));
    }

    /// What is left of a node is removed, with its pods: their controllers make others.
    WT_HD_COLD void remove(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        give_up(fleet, n, now, fault);
    }

    /// The node controller notices; it may set the taint; the pods' toleration ends.
    WT_HD_COLD void advance(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        switch (fleet.state().node(n).loss) {
            case LossStage::unnoticed:
                notice(fleet, n, now);
                if (fleet.state().node(n).spot == SpotStage::gone) return await_collection(fleet.state(), n, now);
                return try_taint(fleet.state(), n, now);
            case LossStage::noticed:
                return try_taint(fleet.state(), n, now);
            case LossStage::tainted:
                if (fleet.state().node(n).spot == SpotStage::gone) return give_up(fleet, n, now, fault);
                return evict(fleet, n, now, fault);
        }
    }

private:
    [[nodiscard]] WT_HD static Tick phase_of(std::uint64_t draw, Tick period) {
        return Tick{static_cast<std::int64_t>(draw >> 1) % period.count};
    }

    WT_HD_COLD void notice(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now) {
        State& s = fleet.state();
        ClusterNode& node = s.node(n);
        node.loss = LossStage::noticed;
        s.owner().note(OccurrenceRecord{Occurrence::node_unreachable, n, no_object, 0, now});
        for (std::uint32_t p = node.first_pod; p != no_index; p = s.pod(p).next_on_node) {
            Pod& pod = s.pod(p);
            fleet.kubelet().unroute(fleet, p, now);
            if (pod.state != PodState::ready) continue;
            s.leave_ready(p, now);
            pod.state = PodState::starting;  // active, on a node, not ready
            s.owner().pod_changed(p, now);
        }
    }
    /// The cloud's node controller finds that there is no such machine and deletes the node; its pods are orphans,
    /// which are removed by the garbage collector, at the latest after a quarantine of 40 s and its next look, every
    /// 20 s (kube-controller-manager, podgc [from general knowledge, not re-read, 2026-11]).
    WT_HD_COLD void await_collection(State& s, std::uint32_t n, Tick now) {
        s.node(n).loss = LossStage::tainted;
        s.wake_node(n, now + seconds(60));
    }
    /// Taints the node if the limiter of its zone lets it; else it waits for its turn, or for the zone to
    /// recover.
    WT_HD_COLD void try_taint(State& s, std::uint32_t n, Tick now) {
        const std::uint32_t zone = s.shape_of(s.node(n)).zone;
        const Tick interval = interval_of(s, zone);
        const Tick at = interval == never ? now + node_monitor_period : max(m_next_taint[zone], now);
        if (at > now) return s.wake_node(n, at);
        m_next_taint[zone] = next_taint_at(now, interval, now);
        s.node(n).loss = LossStage::tainted;
        s.node(n).tainted_at = now;
        s.wake_node(n, next_eviction(s, n, now));
    }
    /// When the first toleration of its pods ends; without pods that wait for theirs, when the node is taken to be
    /// given up: the default toleration after the taint. Where all tolerate it for ever it is looked at every minute:
    /// somebody else may have taken them.
    [[nodiscard]] WT_HD_COLD static Tick next_eviction(const State& s, std::uint32_t n, Tick now) {
        const Tick tainted = s.node(n).tainted_at;
        Tick first = never;
        bool waits = false;
        for (std::uint32_t p = s.node(n).first_pod; p != no_index; p = s.pod(p).next_on_node) {
            if (!s.pod(p).active()) continue;
            waits = true;
            const Tick toleration = s.template_of(s.pod(p)).lost_toleration;
            if (toleration != never) first = min(first, tainted + toleration);
        }
        if (!waits) return tainted + default_lost_toleration;
        return first == never ? now + seconds(60) : first;
    }
    /// Pods whose toleration has ended are replaced. The node stays while one is left that tolerates its taint.
    WT_HD_COLD void evict(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        const Tick tainted = s.node(n).tainted_at;
        for (std::uint32_t p = s.node(n).first_pod; p != no_index && !fault.broken();) {
            const Tick toleration = s.template_of(s.pod(p)).lost_toleration;
            if (!s.pod(p).active() || toleration == never || now < tainted + toleration) {
                p = s.pod(p).next_on_node;
                continue;
            }
            const std::uint32_t w = s.pod(p).workload;
            fleet.delete_pod(p, now, fault);
            fleet.controllers().sync(fleet, w, now, fault);
            p = s.node(n).first_pod;  // a sync may take others with it
        }
        const Tick next = next_eviction(s, n, now);
        if (next > now) return s.wake_node(n, next);
        give_up(fleet, n, now, fault);
    }
    /// Between two taints in a zone, by how many of its nodes do not answer.
    [[nodiscard]] WT_HD_COLD static Tick interval_of(const State& s, std::uint32_t zone) {
        std::int32_t up = 0, down = 0;
        for (const NodeState state :
             {NodeState::ready, NodeState::cordoned, NodeState::draining, NodeState::lost}) {
            const IndexSet<Layout>& in_state = s.nodes_in(state);
            for (std::uint32_t n = in_state.first(); n != no_index; n = in_state.next(n + 1)) {
                if (s.shape_of(s.node(n)).zone != zone) continue;
                const bool silent = state == NodeState::lost && s.node(n).loss != LossStage::unnoticed;
                ++(silent ? down : up);
            }
        }
        return taint_interval(zone_health(up, down), false, up + down);
    }
    WT_HD_COLD void give_up(Fleet<Layout, Owner>& fleet, std::uint32_t n, Tick now, Fault& fault) {
        State& s = fleet.state();
        ClusterNode& node = s.node(n);
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

    Tick m_next_taint[karpenter_max_zones];  ///< of each zone
    Tick m_phase;                            ///< of the controller's looks
};

}  // namespace windtunnel
