#pragma once
#include "sim/cluster_autoscaler.hpp"
#include "sim/cluster_events.hpp"
#include "sim/cluster_state.hpp"
#include "sim/cron_jobs.hpp"
#include "sim/eviction.hpp"
#include "sim/karpenter.hpp"
#include "sim/kubelet.hpp"
#include "sim/node_loss.hpp"
#include "sim/node_pools.hpp"
#include "sim/quota_admission.hpp"
#include "sim/scheduler.hpp"
#include "sim/spot_markets.hpp"
#include "sim/workload_controllers.hpp"

namespace windtunnel {

/// Pods and nodes: the parts of the control plane over one cluster state, and what they do together. Each
/// part has a header of its own and gets the fleet handed in.
///
/// `Owner` hears: process_serves(pod), process_gone(pod), endpoint_added(pod), endpoint_removed(pod) (what the
/// router knows), requests_of(pod) (in flight there), pod_changed(pod), node_changed(node),
/// pod_unschedulable(pod), note(record) (the observer's events).
template <class Layout, class Owner>
class Fleet {
public:
    using State = ClusterState<Layout, Owner>;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_state.take_memory(arena, b);
        m_kubelet.take_memory(arena, b);
        m_controllers.take_memory(arena, b);
        m_quotas.take_memory(arena, b);
        m_crons.take_memory(arena, b);
        m_scheduler.take_memory(arena, b);
        m_spot.take_memory(arena, b);
        m_cluster_autoscaler.take_memory(arena, b);
        m_karpenter.take_memory(arena, b);
    }

    WT_HD_COLD void start(const Blueprint& b, TrialKey key, Owner& owner, Calendar<Layout>& calendar,
                          Tally& tally, ControlSlots slots) {
        m_slots = slots;
        m_state.start(b, key, owner, calendar, tally, slots);
        m_kubelet.start(b);
        m_controllers.start();
        m_quotas.start(b);
        m_crons.start(m_state);
        m_scheduler.start(m_state);
        m_events.start();
        m_node_loss.start(m_state);
        if (b.events.size() > 0) calendar.set(slots.events, m_events.next_change(b));
        m_spot.start(m_state);
        m_cluster_autoscaler.start(b);
        m_karpenter.start(m_state);
    }

    // ---- the parts -------------------------------------------------------------------------------------

    [[nodiscard]] WT_HD State& state() { return m_state; }
    [[nodiscard]] WT_HD const State& state() const { return m_state; }
    [[nodiscard]] WT_HD WorkloadControllers<Layout, Owner>& controllers() { return m_controllers; }
    [[nodiscard]] WT_HD Scheduler<Layout, Owner>& scheduler() { return m_scheduler; }
    [[nodiscard]] WT_HD Kubelet<Layout, Owner>& kubelet() { return m_kubelet; }
    [[nodiscard]] WT_HD const Kubelet<Layout, Owner>& kubelet() const { return m_kubelet; }
    [[nodiscard]] WT_HD NodePools<Layout, Owner>& node_pools() { return m_node_pools; }
    [[nodiscard]] WT_HD Eviction<Layout, Owner>& eviction() { return m_eviction; }
    [[nodiscard]] WT_HD SpotMarkets<Layout, Owner>& spot() { return m_spot; }
    [[nodiscard]] WT_HD NodeLoss<Layout, Owner>& node_loss() { return m_node_loss; }
    [[nodiscard]] WT_HD const QuotaAdmission<Layout, Owner>& quotas() const { return m_quotas; }
    [[nodiscard]] WT_HD ClusterAutoscaler<Layout, Owner>& cluster_autoscaler() { return m_cluster_autoscaler; }
    [[nodiscard]] WT_HD Karpenter<Layout, Owner>& karpenter() { return m_karpenter; }

    [[nodiscard]] WT_HD Pod& pod(std::uint32_t i) const { return m_state.pod(i); }
    [[nodiscard]] WT_HD ClusterNode& node(std::uint32_t i) const { return m_state.node(i); }
    [[nodiscard]] WT_HD std::int32_t server_of(std::uint32_t p) const { return m_state.server_of(pod(p)); }
    [[nodiscard]] WT_HD WorkloadState& workload(std::uint32_t i) const { return m_state.workload(i); }

    // ---- what the trial asks for -----------------------------------------------------------------------

    /// t = 0: the pools' initial nodes are Ready, and so are the initial replicas, on them or (where a pool
    /// may grow) on nodes added for them, the most important first; with `cold`, the replicas are only created, as
    /// are those that a dump shows unready. Jobs that no CronJob starts are created.
    WT_HD_COLD void populate(Fault& fault) {
        const Blueprint& b = m_state.blueprint();
        m_spot.populate(*this, fault);
        for (std::uint32_t p = 0; p < b.pools.size(); ++p)
            for (std::uint32_t i = 0; i < b.pools[p].initial; ++i) {
                const std::uint32_t shape = m_node_pools.next_shape(m_state, p);
                if (shape != no_index)
                    protect(m_node_pools.place(*this, shape, fault));
                else
                    m_spot.refill(m_state, p, Tick{});
            }
        std::int32_t priority = INT32_MAX;
        for (bool more = true; more && !fault.broken();) {
            std::int32_t next = INT32_MIN;
            more = false;
            for (std::uint32_t w = 0; w < b.workloads.size(); ++w) {
                const std::int32_t own = m_state.current_template(w).priority;
                if (own == priority) populate(w, fault);
                if (own >= priority) continue;
                next = own > next ? own : next;
                more = true;
            }
            priority = next;
        }
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w)
            if (b.workloads[w].controller == WorkloadController::batch_job && b.workloads[w].cron < 0 &&
                (b.workloads[w].initial_replicas > 0 || b.workloads[w].scaled_jobs))
                m_controllers.begin_job(*this, w, Tick{}, fault);
    }

    WT_HD_COLD void set_replicas(std::uint32_t w, std::uint32_t replicas, Tick now, Fault& fault) {
        m_controllers.set_replicas(*this, w, replicas, now, fault);
    }

    /// The scenario's next event is due; gives the time of the one after it.
    WT_HD_COLD Tick meet_event(Tick now, Fault& fault) {
        m_events.advance(*this, now, fault);
        return m_events.next_change(m_state.blueprint());
    }

    /// Something in slot `slot` of the control calendar is due, and it is below ControlSlots::first_timer.
    WT_HD_COLD void advance(std::uint32_t slot, Tick now, Fault& fault) {
        if (slot < m_slots.pods) {
            const std::uint32_t n = slot - m_slots.nodes;
            if (node(n).state == NodeState::lost)
                m_node_loss.advance(*this, n, now, fault);
            else
                m_node_pools.advance(*this, n, now, fault);
        } else if (slot >= m_slots.spot_pools) {
            m_spot.advance_pool(*this, slot - m_slots.spot_pools, now, fault);
        } else if (slot >= m_slots.spot_markets) {
            m_spot.advance_market(*this, slot - m_slots.spot_markets, now, fault);
        } else if (slot >= m_slots.spot_nodes) {
            m_spot.advance_node(*this, slot - m_slots.spot_nodes, now, fault);
        } else if (slot == m_slots.transfers) {
            m_kubelet.starts().end_transfers(m_state, now);
        } else if (slot >= m_slots.crons) {
            m_crons.advance(*this, slot - m_slots.crons, now, fault);
        } else if (slot == m_slots.quota) {
            m_quotas.recount(m_state, now);
        } else if (slot >= m_slots.workloads) {
            m_state.clear_workload(slot - m_slots.workloads);
            m_controllers.sync(*this, slot - m_slots.workloads, now, fault);
        } else {
            m_state.wake_pod(slot - m_slots.pods, never);
            m_kubelet.advance(*this, slot - m_slots.pods, now, fault);
        }
    }

    /// A node has come up or is gone: it fills its cache, or what was going on there stops.
    WT_HD_COLD void node_changed(std::uint32_t n, Tick now) {
        const Blueprint& b = m_state.blueprint();
        if (b.prefetches.size() == 0) return;
        const NodeState state = node(n).state;
        if (state == NodeState::ready) m_kubelet.starts().node_ready(m_state, n, now == Tick{} && !b.cold, now);
        if (state == NodeState::none || state == NodeState::lost) m_kubelet.starts().node_gone(m_state, n, now);
    }

    /// A pod's last request has ended.
    WT_HD void pod_idle(std::uint32_t p, Tick now) { m_kubelet.idle(*this, p, now); }

    WT_HD_COLD void scale_nodes(Tick now, Fault& fault) {
        m_state.wake_autoscaler(never);
        const Tick next = m_cluster_autoscaler.iterate(*this, now, fault);
        m_state.wake_autoscaler(min(next, m_state.autoscaler_due()));
    }

    WT_HD_COLD void run_karpenter(std::uint32_t slot, Tick now, Fault& fault) {
        if (slot == m_slots.karpenter_batch)
            m_karpenter.provision(*this, now, fault);
        else
            m_karpenter.disrupt(*this, now, fault);
    }

    /// The bills of nodes that live on at the end of the span.
    WT_HD void settle(Tick now) {
        const Tick span = m_state.blueprint().span;
        Tally& t = m_state.tally();
        t.ready_replicas.settle(now, span);
        t.nodes.settle(now, span);
        t.gpus.settle(now, span);
        for (std::uint32_t row = 0; row < m_state.blueprint().bills; ++row) t.pools[row].settle(now, span);
    }

    // ---- what the parts ask of each other --------------------------------------------------------------

    /// A controller makes a pod: in the slot of an ordinal, or in any (`at` = no_index). False when a quota
    /// refuses it, or the arena has no room (which ends the trial).
    WT_HD_COLD bool create_pod(std::uint32_t w, std::uint32_t revision, std::uint32_t at, Tick now) {
        const std::int32_t refusing = m_quotas.admit(m_state, w, m_state.blueprint().templates[revision]);
        if (refusing >= 0) {
            ++m_state.tally().creations_refused;
            m_state.owner().note(OccurrenceRecord{Occurrence::create_refused, w, static_cast<std::uint32_t>(refusing),
                                                  m_state.workload(w).failures + 1, now});
            return false;
        }
        std::uint32_t p = at;
        if (at == no_index)
            p = m_state.create_pod(w, revision, now);
        else
            m_state.create_pod_at(at, revision, now);
        if (p == no_index) {
            m_state.tally().status = TrialStatus::outgrew_arena;
            return false;
        }
        m_scheduler.enqueue(m_state, p);
        return true;
    }

    /// Somebody deletes a pod: a controller, an eviction, a preemption.
    WT_HD_COLD void delete_pod(std::uint32_t p, Tick now, Fault& fault) {
        const Pod& pod = m_state.pod(p);
        if (WT_CHECK(fault, pod.active())) delete_active_pod(p, now);
    }
    /// The same, of a pod that is known to be active.
    WT_HD_COLD void delete_active_pod(std::uint32_t p, Tick now) {
        Pod& pod = m_state.pod(p);
        m_state.leave_active(p);
        pod.deleted = now;
        if (pod.state == PodState::pending) {
            m_scheduler.drop(m_state, p);
            forget(p, now);
        } else if (pod.lost) {
            if (pod.state == PodState::ready) m_state.leave_ready(p, now);  // its loss was not noticed yet
            pod_gone(p, now);
        } else {
            m_kubelet.terminate(*this, p, now);
        }
    }
    /// Its containers have ended by themselves: the work of a job's pod is done, or has failed.
    WT_HD_COLD void pod_ends(std::uint32_t p, bool succeeded, Tick now) {
        Pod& pod = m_state.pod(p);
        pod.succeeded = succeeded;
        if (pod.state == PodState::ready) m_state.leave_ready(p, now);
        if (pod.active()) m_state.leave_active(p);
        pod_gone(p, now);
    }

    /// The scheduler found no node for a pod, for the first time.
    WT_HD void pod_unschedulable(std::uint32_t p, Tick now) {
        m_karpenter.note_unschedulable(m_state, m_state.template_of(pod(p)), now);
        if (m_state.blueprint().pools.size() == 0) return;
        m_state.wake_autoscaler(
            m_cluster_autoscaler.note_unschedulable(m_state.blueprint(), m_state.autoscaler_due(), now));
    }

    /// Its containers have stopped: the node's resources are free, the object is deleted.
    WT_HD_COLD void pod_gone(std::uint32_t p, Tick now) {
        m_state.wake_pod(p, never);
        m_kubelet.forget(*this, p, now);
        const std::uint32_t n = pod(p).node;
        m_state.unbind(p, now);
        forget(p, now);
        m_node_pools.pod_left(m_state, n, now);
        m_scheduler.schedule(*this, now);
    }

private:
    /// The initial replicas of a workload that is no Job.
    WT_HD_COLD void populate(std::uint32_t w, Fault& fault) {
        const Blueprint& b = m_state.blueprint();
        const WorkloadPlan& plan = b.workloads[w];
        if (plan.controller == WorkloadController::batch_job) return;
        set_replicas(w, plan.initial_replicas, Tick{}, fault);
        if (b.cold) return;
        m_karpenter.place_now(*this, fault);
        const std::uint32_t group = plan.ordinals.group_size;
        for (std::uint32_t i = 0; i + plan.late_replicas < plan.initial_replicas; ++i) {
            // A group's leader serves when its workers do.
            for (std::uint32_t k = group; k-- > 0;)
                if (!warm_up(plan.first_pod + i * group + k, fault)) return;
            if (plan.controller == WorkloadController::ordinals) m_controllers.sync(*this, w, Tick{}, fault);
        }
    }
    /// The first nodes of a pool are those that a dump shows annotated.
    WT_HD void protect(std::uint32_t n) {
        ClusterNode& node = m_state.node(n);
        const PoolPlan& pool = m_state.blueprint().pools[node.pool];
        node.protected_node = m_state.nodes_of(pool.first_shape, pool.shape_count) <= pool.protected_nodes ? 1 : 0;
    }
    /// A pod that exists is Ready at once. False when there is no room for it.
    WT_HD_COLD bool warm_up(std::uint32_t p, Fault& fault) {
        if (pod(p).state == PodState::pending) {
            const std::uint32_t shape = m_node_pools.cheapest_shape(m_state, m_state.template_of(pod(p)));
            if (shape == no_index) return false;
            m_node_pools.place(*this, shape, fault);
        }
        if (pod(p).active() && pod(p).node != no_index) m_kubelet.finish_start(*this, p, Tick{});
        return true;
    }

    /// The object is deleted; its charge goes back.
    WT_HD_COLD void forget(std::uint32_t p, Tick now) {
        const Pod& pod = m_state.pod(p);
        const bool of_job = m_state.blueprint().workloads[pod.workload].controller == WorkloadController::batch_job;
        if (of_job) JobController<Layout, Owner>::pod_gone(m_state, pod, now);
        if (m_state.blueprint().quotas.size() > 0)
            m_quotas.release(m_state, pod.workload, m_state.template_of(pod), pod.lost != 0, now);
        m_state.forget_pod(p, now);
    }

    ControlSlots m_slots;
    State m_state;
    QuotaAdmission<Layout, Owner> m_quotas;
    CronJobs<Layout, Owner> m_crons;
    WorkloadControllers<Layout, Owner> m_controllers;
    Scheduler<Layout, Owner> m_scheduler;
    Kubelet<Layout, Owner> m_kubelet;
    NodePools<Layout, Owner> m_node_pools;
    ClusterAutoscaler<Layout, Owner> m_cluster_autoscaler;
    Eviction<Layout, Owner> m_eviction;
    NodeLoss<Layout, Owner> m_node_loss;
    SpotMarkets<Layout, Owner> m_spot;
    ClusterEvents<Layout, Owner> m_events;
    Karpenter<Layout, Owner> m_karpenter;
};

}  // namespace windtunnel
