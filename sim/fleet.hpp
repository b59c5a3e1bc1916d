#pragma once
#include "models/arena.hpp"
#include "models/fault.hpp"
#include "policies/placement.hpp"
#include "policies/replica_set.hpp"
#include "sim/blueprint.hpp"
#include "sim/calendar.hpp"
#include "sim/tally.hpp"

namespace windtunnel {

inline constexpr std::uint32_t no_index = 0xffffffffu;

enum class PodState : std::uint8_t {
    none,
    pending,      ///< created, no node yet
    starting,     ///< on a node, in one of its cold-start stages
    ready,        ///< behind the router
    terminating,  ///< deleted: no new requests, preStop runs
    draining,     ///< got SIGTERM, finishes what is in flight within its grace
};

struct Pod {
    PodState state = PodState::none;
    std::uint8_t stage = 0;
    std::uint16_t workload = 0;
    std::uint32_t node = no_index;
    std::uint32_t next = no_index;  ///< in the free list of its workload or the list of pending pods
    std::uint32_t incarnation = 0;  ///< how many pods have used this slot
    Tick created, bound, ready_since, deleted;
};

enum class NodeState : std::uint8_t { none, provisioning, ready };

struct ClusterNode {
    NodeState state = NodeState::none;
    std::uint16_t pool = 0;
    std::uint32_t pods = 0;
    std::uint32_t incarnation = 0;
    NodeResources free;
    NodeResources planned;  ///< scratch of one node-scaling scan: what pending pods leave of a coming node
    std::uint64_t seen[max_workloads / 64] = {};  ///< workloads whose once-per-node stages have run here
    Tick launched, empty_since;
};

struct WorkloadState {
    std::uint32_t desired = 0;
    std::uint32_t active = 0;  ///< pods without a deletion time: status.replicas
    std::uint32_t ready = 0;
    std::uint32_t free_pods = no_index;
};

/// Order of what happens at one tick in the control plane, first to last; requests and engine steps of the
/// same tick come before all of it (sim/trial.hpp).
///   nodes become ready or leave -> pods go on -> scheduled scalings -> metrics are scraped -> KEDA polls ->
///   HPAs sync -> nodes are scaled -> the span ends
struct ControlSlots {
    std::uint32_t nodes = 0, pods = 0, schedule = 0, scrape = 0, keda = 0, hpa = 0, node_scaling = 0,
                  span_end = 0;
    std::uint32_t first_timer = 0;  ///< slots below it are nodes and pods
    std::uint32_t count = 0;

    WT_HD static ControlSlots of(const Blueprint& b, std::uint32_t autoscalers) {
        ControlSlots s;
        s.pods = b.node_slots;
        s.first_timer = s.schedule = s.pods + b.pod_slots;
        s.scrape = s.schedule + 1;
        s.keda = s.scrape + 1;
        s.hpa = s.keda + autoscalers;
        s.node_scaling = s.hpa + autoscalers;
        s.span_end = s.node_scaling + 1;
        s.count = s.span_end + 1;
        return s;
    }
};

/// Pods and nodes: the replica sets, the scheduler, cold starts, termination, node pools.
///
/// `Owner` hears: pod_ready(pod), pod_unready(pod) (out of the router), pod_killed(pod) (the process is
/// gone), requests_of(pod) (in flight there), and the observer's events.
template <class Layout, class Owner>
class Fleet {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, const Blueprint& b) {
        m_pods = arena.template take<Pod>(b.pod_slots);
        m_nodes = arena.template take<ClusterNode>(b.node_slots);
        m_workloads = arena.template take<WorkloadState>(b.workloads.size());
    }

    WT_HD_COLD void start(const Blueprint& b, TrialKey key, Owner& owner, Calendar<Layout>& calendar,
                          Tally& tally, ControlSlots slots) {
        m_blueprint = &b;
        m_key = key;
        m_owner = &owner;
        m_calendar = &calendar;
        m_tally = &tally;
        m_slots = slots;
        m_pending = no_index;
        m_pending_tail = no_index;
        m_last_addition = Tick{INT64_MIN / 2};
        for (std::uint32_t p = 0; p < b.pools.size(); ++p)
            for (std::uint32_t i = 0; i < b.pools[p].node_slots; ++i) {
                ClusterNode& n = m_nodes[b.pools[p].first_node + i];
                n = ClusterNode{};
                n.pool = static_cast<std::uint16_t>(p);
            }
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) {
            const WorkloadPlan& plan = b.workloads[w];
            m_workloads[w] = WorkloadState{};
            for (std::uint32_t i = plan.pod_slots; i-- > 0;) {
                Pod& pod = m_pods[plan.first_pod + i];
                pod = Pod{};
                pod.workload = static_cast<std::uint16_t>(w);
                pod.next = m_workloads[w].free_pods;
                m_workloads[w].free_pods = plan.first_pod + i;
            }
        }
    }

    [[nodiscard]] WT_HD Pod& pod(std::uint32_t i) const { return m_pods[i]; }
    [[nodiscard]] WT_HD ClusterNode& node(std::uint32_t i) const { return m_nodes[i]; }
    [[nodiscard]] WT_HD WorkloadState& workload(std::uint32_t i) const { return m_workloads[i]; }

    /// t = 0: the pools' initial nodes are Ready, and so are the initial replicas, on them or (where a pool
    /// may grow) on nodes added for them; with `cold`, the replicas are only created.
    WT_HD_COLD void populate(Fault& fault) {
        const Blueprint& b = *m_blueprint;
        for (std::uint32_t p = 0; p < b.pools.size(); ++p)
            for (std::uint32_t i = 0; i < b.pools[p].initial; ++i)
                node_ready(launch(p, Tick{}, fault), Tick{});
        for (std::uint32_t w = 0; w < b.workloads.size(); ++w) {
            set_replicas(w, b.workloads[w].initial_replicas, Tick{}, fault);
            if (b.cold) continue;
            for (std::uint32_t i = 0; i < b.workloads[w].initial_replicas; ++i) {
                const std::uint32_t first = b.workloads[w].first_pod;
                if (m_pods[first + i].state == PodState::pending) {
                    const std::uint32_t pool = cheapest_pool(b.workloads[w]);
                    if (pool == no_index) break;
                    node_ready(launch(pool, Tick{}, fault), Tick{});
                }
                if (m_pods[first + i].state == PodState::starting) become_ready(first + i, Tick{});
            }
        }
    }

    /// The replica set controller: creates or deletes pods until `replicas` are active.
    WT_HD_COLD void set_replicas(std::uint32_t w, std::uint32_t replicas, Tick now, Fault& fault) {
        WorkloadState& state = m_workloads[w];
        state.desired = replicas;
        while (state.active < replicas) {
            if (state.free_pods == no_index) {
                m_tally->status = TrialStatus::outgrew_arena;
                return;
            }
            create_pod(w, now);
        }
        while (state.active > replicas && !fault.broken()) delete_pod(pod_to_delete(w, now), now, fault);
        schedule_pending(now);
    }

    /// Something in slot `slot` of the control calendar is due, and it is a node or a pod.
    WT_HD_COLD void advance(std::uint32_t slot, Tick now, Fault& fault) {
        m_calendar->set(slot, never);
        if (slot < m_slots.pods)
            node_ready(slot, now);
        else
            pod_due(slot - m_slots.pods, now, fault);
    }

    /// A draining pod's last request has ended.
    WT_HD void pod_idle(std::uint32_t p, Tick now) {
        if (m_pods[p].state == PodState::draining) pod_gone(p, now);
    }

    /// The cluster autoscaler's scan: nodes for pods that fit nowhere; empty nodes that were not needed for
    /// long.
    WT_HD_COLD void scale_nodes(Tick now, Fault& fault) {
        const Blueprint& b = *m_blueprint;
        if (m_pending != no_index) {
            for (std::uint32_t n = 0; n < b.node_slots; ++n)
                if (m_nodes[n].state == NodeState::provisioning) m_nodes[n].planned = m_nodes[n].free;
            for (std::uint32_t p = m_pending; p != no_index; p = m_pods[p].next)
                plan_node_for(b.workloads[m_pods[p].workload], now, fault);
        }
        for (std::uint32_t n = 0; n < b.node_slots; ++n) {
            const ClusterNode& node = m_nodes[n];
            if (node.state != NodeState::ready || node.pods != 0) continue;
            const PoolPlan& pool = b.pools[node.pool];
            if (now - node.empty_since < b.node_scaling.unneeded_time ||
                now - m_last_addition < b.node_scaling.delay_after_add)
                continue;
            if (m_tally->pools[node.pool].nodes.value <= static_cast<std::int64_t>(pool.minimum)) continue;
            remove_node(n, now);
        }
    }

    [[nodiscard]] WT_HD bool has_pending() const { return m_pending != no_index; }

    /// The bills of nodes that live on at the end of the span.
    WT_HD void settle(Tick now) {
        const Tick span = m_blueprint->span;
        m_tally->ready_replicas.settle(now, span);
        m_tally->nodes.settle(now, span);
        m_tally->gpus.settle(now, span);
        for (std::uint32_t p = 0; p < m_blueprint->pools.size(); ++p)
            m_tally->pools[p].nodes.settle(now, span);
    }

private:
    // ---- pods ------------------------------------------------------------------------------------------

    WT_HD_COLD void create_pod(std::uint32_t w, Tick now) {
        WorkloadState& state = m_workloads[w];
        const std::uint32_t p = state.free_pods;
        Pod& pod = m_pods[p];
        state.free_pods = pod.next;
        const std::uint32_t incarnation = pod.incarnation + 1;
        pod = Pod{};
        pod.workload = static_cast<std::uint16_t>(w);
        pod.incarnation = incarnation;
        pod.state = PodState::pending;
        pod.created = now;
        ++state.active;
        if (m_pending_tail == no_index)
            m_pending = p;
        else
            m_pods[m_pending_tail].next = p;
        m_pending_tail = p;
        m_owner->pod_changed(p, now);
    }

    [[nodiscard]] WT_HD_COLD std::uint32_t pod_to_delete(std::uint32_t w, Tick now) const {
        const WorkloadPlan& plan = m_blueprint->workloads[w];
        ReplicaSetPod first;
        std::uint32_t first_index = no_index;
        for (std::uint32_t p = plan.first_pod; p < plan.first_pod + plan.pod_slots; ++p) {
            const Pod& pod = m_pods[p];
            if (pod.state == PodState::none || pod.state >= PodState::terminating) continue;
            ReplicaSetPod c;
            c.assigned = pod.node != no_index;
            c.phase = pod.state == PodState::ready || (c.assigned && pod.stage >= plan.container_stage)
                          ? PodPhase::running
                          : PodPhase::pending;
            c.ready = pod.state == PodState::ready;
            for (std::uint32_t q = plan.first_pod; c.assigned && q < plan.first_pod + plan.pod_slots; ++q)
                c.rank += m_pods[q].node == pod.node && m_pods[q].state != PodState::none &&
                                  m_pods[q].state < PodState::terminating
                              ? 1
                              : 0;
            c.ready_since = pod.ready_since;
            c.created = pod.created;
            c.uid = pod_draw(StreamPurpose::scheduling_tie, p, 0);
            if (first_index == no_index || deleted_before(c, first, now)) {
                first = c;
                first_index = p;
            }
        }
        return first_index;
    }

    WT_HD_COLD void delete_pod(std::uint32_t p, Tick now, Fault& fault) {
        Pod& pod = m_pods[p];
        if (!WT_CHECK(fault, pod.state != PodState::none && pod.state < PodState::terminating)) return;
        --m_workloads[pod.workload].active;
        pod.deleted = now;
        if (pod.state == PodState::pending) {
            drop_pending(p);
            free_slot(p, now);
        } else if (pod.state == PodState::starting) {
            m_calendar->set(m_slots.pods + p, never);
            pod_gone(p, now);
        } else {
            leave_ready(p, now);
            pod.state = PodState::terminating;
            m_owner->pod_changed(p, now);
            const WorkloadPlan& plan = m_blueprint->workloads[pod.workload];
            m_calendar->set(m_slots.pods + p, now + min(plan.pre_stop, plan.grace));
        }
    }

    WT_HD_COLD void pod_due(std::uint32_t p, Tick now, Fault& fault) {
        Pod& pod = m_pods[p];
        const WorkloadPlan& plan = m_blueprint->workloads[pod.workload];
        switch (pod.state) {
            case PodState::starting:
                ++pod.stage;
                continue_start(p, now);
                break;
            case PodState::terminating:  // preStop is over: SIGTERM
                if (plan.drains && plan.pre_stop < plan.grace && m_owner->requests_of(p) > 0) {
                    pod.state = PodState::draining;
                    m_calendar->set(m_slots.pods + p, pod.deleted + plan.grace);
                } else {
                    pod_gone(p, now);
                }
                break;
            case PodState::draining:
                pod_gone(p, now);
                break;
            default:
                (void)WT_CHECK(fault, pod.state == PodState::starting);
                break;
        }
    }

    WT_HD void bind(std::uint32_t p, std::uint32_t n, Tick now) {
        Pod& pod = m_pods[p];
        ClusterNode& node = m_nodes[n];
        node.free.take(m_blueprint->workloads[pod.workload].needs);
        ++node.pods;
        pod.node = n;
        pod.bound = now;
        pod.state = PodState::starting;
        pod.stage = 0;
        m_owner->pod_changed(p, now);
        continue_start(p, now);
    }

    /// Enters the pod's stage, skipping those that its node has been through for this workload.
    WT_HD_COLD void continue_start(std::uint32_t p, Tick now) {
        Pod& pod = m_pods[p];
        ClusterNode& node = m_nodes[pod.node];
        const WorkloadPlan& plan = m_blueprint->workloads[pod.workload];
        std::uint64_t& seen = node.seen[pod.workload / 64];
        const std::uint64_t bit = std::uint64_t{1} << (pod.workload % 64);
        for (; pod.stage < plan.stage_count; ++pod.stage) {
            const StagePlan& stage = m_blueprint->stages[plan.first_stage + pod.stage];
            if (stage.once_per_node && (seen & bit)) continue;
            m_calendar->set(m_slots.pods + p, now + duration_of(stage, p, pod.stage));
            m_owner->pod_changed(p, now);
            return;
        }
        ++m_tally->cold_starts;
        become_ready(p, now);
    }

    WT_HD_COLD void become_ready(std::uint32_t p, Tick now) {
        Pod& pod = m_pods[p];
        m_calendar->set(m_slots.pods + p, never);
        m_nodes[pod.node].seen[pod.workload / 64] |= std::uint64_t{1} << (pod.workload % 64);
        pod.state = PodState::ready;
        pod.ready_since = now;
        ++m_workloads[pod.workload].ready;
        m_tally->ready_replicas.change(now, m_blueprint->span, 1);
        m_owner->pod_ready(p, now);
        m_owner->pod_changed(p, now);
    }

    WT_HD void leave_ready(std::uint32_t p, Tick now) {
        --m_workloads[m_pods[p].workload].ready;
        m_tally->ready_replicas.change(now, m_blueprint->span, -1);
        m_owner->pod_unready(p, now);
    }

    /// Its containers have stopped: the node's resources are free, the object is deleted.
    WT_HD_COLD void pod_gone(std::uint32_t p, Tick now) {
        Pod& pod = m_pods[p];
        m_calendar->set(m_slots.pods + p, never);
        if (pod.state >= PodState::terminating) m_owner->pod_killed(p, now);
        ClusterNode& node = m_nodes[pod.node];
        node.free.give(m_blueprint->workloads[pod.workload].needs);
        if (--node.pods == 0) node.empty_since = now;
        free_slot(p, now);
        schedule_pending(now);
    }

    WT_HD void free_slot(std::uint32_t p, Tick now) {
        Pod& pod = m_pods[p];
        pod.state = PodState::none;
        pod.node = no_index;
        pod.next = m_workloads[pod.workload].free_pods;
        m_workloads[pod.workload].free_pods = p;
        m_owner->pod_changed(p, now);
    }

    // ---- scheduling ------------------------------------------------------------------------------------

    /// Binds every pending pod that fits somewhere, oldest first.
    WT_HD_COLD void schedule_pending(Tick now) {
        std::uint32_t before = no_index;
        for (std::uint32_t p = m_pending; p != no_index;) {
            const std::uint32_t after = m_pods[p].next;
            const BestNode best = find_node(m_blueprint->workloads[m_pods[p].workload]);
            if (best.found) {
                unlink_pending(p, before);
                bind(p, best.node, now);
            } else {
                before = p;
            }
            p = after;
        }
    }

    [[nodiscard]] WT_HD BestNode find_node(const WorkloadPlan& plan) const {
        BestNode best;
        for (std::uint32_t n = 0; n < m_blueprint->node_slots; ++n) {
            const ClusterNode& node = m_nodes[n];
            if (node.state != NodeState::ready || (plan.pools >> node.pool & 1) == 0 ||
                !node.free.fits(plan.needs))
                continue;
            const NodeResources& all = m_blueprint->pools[node.pool].capacity;
            best.offer({n, node.free.cpu_milli - plan.needs.cpu_milli, all.cpu_milli,
                        node.free.memory_bytes - plan.needs.memory_bytes, all.memory_bytes});
        }
        return best;
    }

    WT_HD void unlink_pending(std::uint32_t p, std::uint32_t before) {
        if (before == no_index)
            m_pending = m_pods[p].next;
        else
            m_pods[before].next = m_pods[p].next;
        if (m_pending_tail == p) m_pending_tail = before;
        m_pods[p].next = no_index;
    }
    WT_HD void drop_pending(std::uint32_t p) {
        std::uint32_t before = no_index;
        for (std::uint32_t q = m_pending; q != p; q = m_pods[q].next) before = q;
        unlink_pending(p, before);
    }

    // ---- nodes -----------------------------------------------------------------------------------------

    /// A node on which the pending pod will fit, coming or newly asked for.
    WT_HD_COLD void plan_node_for(const WorkloadPlan& plan, Tick now, Fault& fault) {
        for (std::uint32_t n = 0; n < m_blueprint->node_slots; ++n) {
            ClusterNode& node = m_nodes[n];
            if (node.state != NodeState::provisioning || (plan.pools >> node.pool & 1) == 0 ||
                !node.planned.fits(plan.needs))
                continue;
            node.planned.take(plan.needs);
            return;
        }
        const std::uint32_t pool = cheapest_pool(plan);
        if (pool == no_index) return;  // pending until a node leaves or the limit is raised
        const std::uint32_t n = launch(pool, now, fault);
        ClusterNode& node = m_nodes[n];
        node.planned = node.free;
        node.planned.take(plan.needs);
        m_last_addition = now;
        const PoolPlan& p = m_blueprint->pools[pool];
        Tick delay = p.provisioning;
        if (p.provisioning_table >= 0)
            delay = {m_blueprint->tables[p.provisioning_table].sample(
                node_draw(StreamPurpose::node_provisioning, n))};
        m_calendar->set(n, now + delay);
    }

    /// The cheapest pool with room whose empty node fits the pod; `no_index` when there is none.
    [[nodiscard]] WT_HD std::uint32_t cheapest_pool(const WorkloadPlan& plan) const {
        std::uint32_t best = no_index;
        for (std::uint32_t p = 0; p < m_blueprint->pools.size(); ++p) {
            const PoolPlan& pool = m_blueprint->pools[p];
            if ((plan.pools >> p & 1) == 0 || !pool.capacity.fits(plan.needs) ||
                free_node_slot(p) == no_index)
                continue;
            if (best == no_index || pool.price_rank < m_blueprint->pools[best].price_rank) best = p;
        }
        return best;
    }
    [[nodiscard]] WT_HD std::uint32_t free_node_slot(std::uint32_t pool) const {
        const PoolPlan& plan = m_blueprint->pools[pool];
        for (std::uint32_t n = plan.first_node; n < plan.first_node + plan.node_slots; ++n)
            if (m_nodes[n].state == NodeState::none) return n;
        return no_index;
    }

    /// Asks for a node of a pool; it is billed from here on. Requires that the pool has a free slot.
    WT_HD_COLD std::uint32_t launch(std::uint32_t pool, Tick now, Fault& fault) {
        std::uint32_t n = free_node_slot(pool);
        if (!WT_CHECK(fault, n != no_index)) n = m_blueprint->pools[pool].first_node;
        ClusterNode& node = m_nodes[n];
        const std::uint32_t incarnation = node.incarnation + 1;
        node = ClusterNode{};
        node.pool = static_cast<std::uint16_t>(pool);
        node.incarnation = incarnation;
        node.state = NodeState::provisioning;
        node.free = m_blueprint->pools[pool].capacity;
        node.launched = now;
        ++m_tally->pools[pool].launched;
        count_node(pool, now, 1);
        m_owner->node_changed(n, now);
        return n;
    }

    WT_HD void node_ready(std::uint32_t n, Tick now) {
        ClusterNode& node = m_nodes[n];
        node.state = NodeState::ready;
        node.empty_since = now;
        m_owner->node_changed(n, now);
        schedule_pending(now);
    }

    WT_HD void remove_node(std::uint32_t n, Tick now) {
        ClusterNode& node = m_nodes[n];
        const PoolPlan& pool = m_blueprint->pools[node.pool];
        count_node(node.pool, now, -1);
        const Tick life = now - node.launched;
        if (life < pool.minimum_billing && now < m_blueprint->span)
            m_tally->pools[node.pool].minimum_extra.add(
                static_cast<std::uint64_t>((pool.minimum_billing - life).count));
        node.state = NodeState::none;
        m_owner->node_changed(n, now);
    }

    WT_HD void count_node(std::uint32_t pool, Tick now, std::int64_t by) {
        const Tick span = m_blueprint->span;
        m_tally->pools[pool].nodes.change(now, span, by);
        m_tally->nodes.change(now, span, by);
        m_tally->gpus.change(now, span, by * m_blueprint->pools[pool].capacity.gpus);
    }

    // ---- random durations ------------------------------------------------------------------------------

    // Streams are named by workload or pool and place in it, and by incarnation: independent of how many
    // slots other workloads have.
    [[nodiscard]] WT_HD std::uint64_t pod_draw(StreamPurpose purpose, std::uint32_t p,
                                               std::uint32_t number) const {
        const Pod& pod = m_pods[p];
        const std::uint32_t local = p - m_blueprint->workloads[pod.workload].first_pod;
        return RandomStream(m_key.seed, m_key.trial, purpose, (std::uint32_t{pod.workload} << 24) | local,
                            pod.incarnation * 64 + number)
            .next_u64();
    }
    [[nodiscard]] WT_HD std::uint64_t node_draw(StreamPurpose purpose, std::uint32_t n) const {
        const ClusterNode& node = m_nodes[n];
        const std::uint32_t local = n - m_blueprint->pools[node.pool].first_node;
        return RandomStream(m_key.seed, m_key.trial, purpose, (std::uint32_t{node.pool} << 24) | local,
                            node.incarnation)
            .next_u64();
    }
    [[nodiscard]] WT_HD Tick duration_of(const StagePlan& stage, std::uint32_t p,
                                         std::uint32_t number) const {
        if (stage.table < 0) return stage.fixed;
        return {m_blueprint->tables[stage.table].sample(pod_draw(StreamPurpose::cold_start, p, number))};
    }

    const Blueprint* m_blueprint = nullptr;
    TrialKey m_key;
    Owner* m_owner = nullptr;
    Calendar<Layout>* m_calendar = nullptr;
    Tally* m_tally = nullptr;
    ControlSlots m_slots;
    ArenaArray<Pod, Layout> m_pods;
    ArenaArray<ClusterNode, Layout> m_nodes;
    ArenaArray<WorkloadState, Layout> m_workloads;
    std::uint32_t m_pending = no_index;  ///< pods without a node, oldest first
    std::uint32_t m_pending_tail = no_index;
    Tick m_last_addition;  ///< when a node was last asked for
};

}  // namespace windtunnel
