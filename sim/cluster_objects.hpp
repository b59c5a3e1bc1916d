#pragma once
#include "models/time.hpp"
#include "policies/batch_job.hpp"
#include "policies/drain.hpp"
#include "policies/replica_set.hpp"
#include "policies/restart_backoff.hpp"
#include "policies/rollout_status.hpp"
#include "policies/scheduler_scores.hpp"
#include "sim/cluster_plan.hpp"

#include <cstdint>

/// The objects of a trial's cluster as they stand: pods, nodes, workloads (sim/cluster_state.hpp changes them).
namespace windtunnel {

inline constexpr std::uint32_t no_index = 0xffffffffu;

enum class PodState : std::uint8_t {
    none,
    pending,      ///< created, no node yet
    starting,     ///< on a node and not Ready: in a stage of its start, or its probes fail
    ready,        ///< its Ready condition is true
    terminating,  ///< deleted: no new requests, preStop runs
    draining,     ///< got SIGTERM, finishes what is in flight within its grace
};

struct Pod {
    PodState state = PodState::none;
    std::uint8_t stage = 0;
    std::uint8_t lost = 0;              ///< its node is dead, which nobody knows at first (sim/node_loss.hpp)
    bool serving = false;               ///< its engine runs, whatever its probes say
    std::uint16_t workload = 0;
    std::uint8_t degradation = 0;       ///< 1 + index into Blueprint::degradations: its process is ill
    std::uint32_t revision = 0;         ///< index into Blueprint::templates
    std::uint32_t node = no_index;
    std::uint32_t next = no_index;      ///< in the free list of its workload or the list of pending pods
    std::uint32_t previous = no_index;  ///< in the list of pending pods
    std::uint32_t next_on_node = no_index, previous_on_node = no_index;
    std::uint32_t incarnation = 0;      ///< how many pods have used this slot
    std::uint64_t devices = 0;          ///< of its node, a bit each (sim/gpu_devices.hpp)
    bool works = false;                 ///< its engine has requests, on devices that take turns
    std::uint8_t turns = 1;             ///< so many engines take turns there
    std::uint32_t nominated = no_index; ///< pending: the node on which victims make room for it
    bool spread_counted = false;        ///< on a node and not being deleted
    std::uint32_t planned_node = no_index;  ///< scratch of scale-down: where it stands in mind
    std::uint8_t unschedulable = 0;     ///< the scheduler has said so once
    std::int32_t evictions_refused = 0; ///< in a row, since its node is being drained
    Tick ask_again_at;                  ///< for its eviction
    Tick longest_grace = never;         ///< who deletes it allows no more than that (--max-graceful-termination-sec)
    bool removed = false;    ///< deleted by its own controller
    bool succeeded = false;  ///< ended by itself, its work done
    bool restarted = false;  ///< a container of it has been restarted
    bool formed = false;     ///< a group's leader: all of its workers have been made
    Tick created, bound, ready_since, deleted;

    [[nodiscard]] WT_HD bool exists() const { return state != PodState::none; }
    /// Created and not deleted: what a replica set counts.
    [[nodiscard]] WT_HD bool active() const {
        return state != PodState::none && state < PodState::terminating;
    }
    /// Its engine runs.
    [[nodiscard]] WT_HD bool serves() const { return serving; }
};

enum class NodeState : std::uint8_t {
    none,
    provisioning,
    ready,
    draining,  ///< leaving: no new pods, the ones it has are evicted
    cordoned,  ///< takes no new pods
    lost,      ///< dead: its pods stay until they are given up
};
inline constexpr int node_states = static_cast<int>(NodeState::lost) + 1;

/// What the cluster knows of a dead node.
enum class LossStage : std::uint8_t { unnoticed, noticed, tainted };

/// What a spot node has been told. A node that is not on spot stays at `none`.
enum class SpotStage : std::uint8_t { none, running, recommended, noticed, gone };

/// Who keeps account of nodes as they change.
enum class NodeWatcher : std::uint8_t { scheduler, cluster_autoscaler, karpenter };
inline constexpr int node_watchers = 3;

/// ClusterNode::driver: what needs a GPU ends when it starts.
inline constexpr std::uint8_t no_cuda = 255;

struct ClusterNode {
    NodeState state = NodeState::none;
    LossStage loss = LossStage::unnoticed;  ///< lost: how much of it the cluster knows
    SpotStage spot = SpotStage::none;
    std::uint8_t is_replacement = 0;       ///< another waits for it to be Ready, and goes then
    std::uint8_t unbilled = 0;             ///< the machine is gone, its object still there
    std::uint8_t reserved = 0;             ///< it is one of its shape's reservation
    std::uint8_t protected_node = 0;       ///< annotated: neither Karpenter nor cluster-autoscaler takes it of its own accord
    std::uint16_t pool = 0;
    std::uint16_t shape = 0;               ///< index into Blueprint::shapes
    std::uint32_t pods = 0;
    std::uint32_t first_pod = no_index;    ///< list of the pods on it, the latest first
    std::uint32_t next = no_index;         ///< in the free list of its pool
    std::uint32_t incarnation = 0;
    ResourceAmounts free;
    ScoringUse used;  ///< what its pods count in the scheduler's scores
    bool in_topology = false;  ///< counted as a node of its domains
    Tick launched, empty_since;
    Tick unneeded_since = never;  ///< cluster-autoscaler: since when it could go; `never` = it is needed
    Tick nominated_until;   ///< Karpenter: planned for pods, not to be disrupted before
    Tick last_pod_event;    ///< Karpenter: a pod came or went; before any, when it became Ready
    bool had_pod_event = false;
    Drainer drainer = Drainer::kubectl;  ///< draining: by whose rules
    std::uint8_t driver = 0;  ///< no_cuda, or 1 + index into Blueprint::degradations: how servers without CUDA run
    std::uint64_t dead_devices = 0;  ///< fallen off the bus, a bit each
    Tick comes_at;                ///< provisioning: when it will be Ready, if nobody gives it up before
    Tick deleted_at;              ///< draining: since when
    Tick tainted_at;              ///< lost: since when its taint drives pods away
    Tick unremovable_until;       ///< cluster-autoscaler: not looked at again before
    std::uint32_t seat = 0;       ///< spot: its seat in the market
    std::uint32_t replaced_by = no_index;  ///< spot: the node that comes for it
    Tick notice_at = never, gone_at = never;  ///< spot
};

/// The ReplicaSet of one revision.
struct RevisionState {
    ReplicaSetState set;       ///< what the Deployment's controller sees and decides
    std::uint32_t active = 0;  ///< pods without a deletion time
    std::uint32_t ready = 0;
    std::uint32_t existing = 0;  ///< terminating ones too
};

struct WorkloadState {
    std::uint32_t desired = 0;
    std::uint32_t active = 0;  ///< pods without a deletion time: status.replicas
    std::uint32_t ready = 0;
    std::uint32_t revision = 0;  ///< index into Blueprint::templates: what new pods are made from
    std::uint32_t free_pods = no_index;
    std::uint8_t syncing = 0;   ///< its controller is at work
    std::uint8_t sync_due = 0;  ///< something changed meanwhile
    std::uint8_t rolling = 0;   ///< a rollout is not complete
    std::uint8_t made = 0;      ///< of a bare pod: it has been
    std::uint8_t job_runs = 0;  ///< of a job: started, and neither complete nor failed
    std::uint8_t no_image = 0;  ///< so many whiles in which its images cannot be pulled
    std::uint32_t old_revision = 0;  ///< ordinals: what pods below the partition are made from
    std::int32_t failures = 0;  ///< syncs in a row in which a creation was refused
    Tick retry_at = never;      ///< when the work queue lets it try again
    Tick check_at = never;      ///< when a pod will be available, or a job's back-off or deadline ends
    RolloutProgress progress;
    BatchJobCounts job;         ///< `active` is the workload's own
};

}  // namespace windtunnel
