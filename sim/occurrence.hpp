#pragma once
#include "models/time.hpp"
#include "policies/hpa.hpp"
#include "policies/keda.hpp"

#include <cstdint>

namespace windtunnel {

/// What a cluster's components write Events about, besides what pods and nodes become (an observer sees these
/// change anyway). Each comment says what `subject`, `object` and `value` of the record are.
enum class Occurrence : std::uint8_t {
    probe_killed,        ///< pod; value: 0 = its startup probe, 1 = its liveness probe
    container_exited,    ///< pod that lives on; value: restarts so far, this one included
    container_backs_off, ///< pod; value: ticks until its container may start again
    container_restarted, ///< pod
    image_pull_failed,   ///< pod (ErrImagePull, then ImagePullBackOff); value: ticks until the next try
    evicted,             ///< pod
    eviction_refused,    ///< pod; object: index of the budget, or `no_object` where two budgets cover it
    preempted,           ///< pod; object: the pod that takes its place
    create_refused,      ///< workload whose pod was not created; object: index of the quota; value: tries so far
    rollout_started,     ///< workload; object: template
    rollout_completed,   ///< workload; object: template
    rollout_deadline,    ///< workload: ProgressDeadlineExceeded; object: template
    set_scaled,          ///< template (a ReplicaSet); object: its size now; value: its size before
    nodes_requested,     ///< shape; object: how many; value: nodes that its pool had
    nodes_not_requested, ///< pod that no group helps; object: groups at their maximum; value: groups in back-off
    node_launch_failed,  ///< shape: the cloud had none, or the pool is full
    node_unreachable,    ///< node: the cluster has noticed that it is dead
    spot_rebalance,      ///< node: it is at an elevated risk of being taken
    spot_noticed,        ///< node: the cloud takes it; value: ticks until the machine is gone
    spot_taken,          ///< node: the machine is gone; value: pods that were still on it
    job_ended,           ///< workload; value: a BatchJobOutcome
    alert_fired,         ///< alert: so many more of its series fire; value: how many do now
    alert_resolved,      ///< the same of series that fire no more
    stage_began,         ///< pod; object: a stage of its start
    stage_ended,         ///< the same
    layer_downloaded,    ///< pod; object: a layer of Blueprint::layers; value: ticks, 0 = its node had it
    layer_unpacked,      ///< the same
    metrics_silent,      ///< Prometheus answers nothing from now on; value: for so many ticks
};

inline constexpr std::uint32_t no_object = 0xffffffffu;

struct OccurrenceRecord {
    Occurrence what = Occurrence::evicted;
    std::uint32_t subject = 0;
    std::uint32_t object = no_object;
    std::int64_t value = 0;
    Tick at;
};

/// One sync of an autoscaler's HPA, with what it saw. Conditions that are `unset` stay what they were.
struct HpaSyncRecord {
    std::uint32_t autoscaler = 0;
    std::int32_t current = 0;  ///< spec.replicas before
    const HpaSnapshot* seen = nullptr;
    HpaDecision decision;
    Tick at;
};

/// One poll of KEDA's loop.
struct KedaPollRecord {
    std::uint32_t autoscaler = 0;
    std::int32_t current = 0;
    std::uint32_t failing = 0;       ///< bit per trigger whose scaler failed
    std::uint32_t falling_back = 0;  ///< bit per trigger for which the fallback stands in
    KedaDecision decision;
    Tick at;
};

}  // namespace windtunnel
