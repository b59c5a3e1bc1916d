#pragma once
#include "models/problem.hpp"
#include "sim/run_trial.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

// What the cluster of one trial would have said: conditions, events, reasons. Times are seconds since t = 0,
// names and words are Kubernetes' own.

/// A condition with one status and reason, and for how long it held in all.
struct HeldCondition {
    std::string type, status, reason, message;
    double held_s = 0;
    std::uint64_t times = 0;  ///< how often it came about
    double first_s = 0;
};

/// A write of spec.replicas.
struct ScalingEntry {
    double at_s = 0;
    std::uint32_t from = 0, to = 0;
    std::string by;      ///< "HPA", "KEDA", or "schedule"
    std::string metric;  ///< that asked for it; "" = a bound or a poll
    std::string reason;  ///< as the autoscaler's event has it
};

/// A limit that kept something smaller than it was asked to be.
struct BindingLimit {
    std::string limit;  ///< "maxReplicas", "pool maximum"
    std::int64_t value = 0;
    double held_s = 0, first_s = 0;
    SourcePosition where;
    std::string path;
};

struct AutoscalerLog {
    std::string name, hpa, target;  ///< "ScaledObject/chat", "keda-hpa-chat", "Deployment/chat"
    std::int32_t minimum = 0, maximum = 0;
    std::vector<HeldCondition> conditions;  ///< the HPA's, then KEDA's
    std::vector<ScalingEntry> scalings;
    std::vector<BindingLimit> limits;
};

/// Why pods of a workload had no node, in the scheduler's words.
struct PendingReason {
    std::string target, message;
    std::uint64_t pods = 0;  ///< that the message was about at some time
    double pod_s = 0, longest_s = 0, first_s = 0;
};

/// How the requests of one revision went.
struct RevisionLog {
    std::uint32_t number = 1;
    std::map<std::string, std::string> labels;  ///< of its pods, where a rollout changes them
    std::uint64_t completed = 0, failed = 0;
    Distribution ttft, tpot, e2el;
};

struct RolloutLog {
    std::uint32_t revision = 1;
    double started_s = 0;
    std::optional<double> completed_s;
    bool deadline_exceeded = false;
};

struct WorkloadLog {
    std::string target;
    std::uint64_t pods_created = 0, pods_deleted = 0;
    std::uint64_t restarts = 0, startup_kills = 0, liveness_kills = 0;
    double crash_loop_pod_s = 0;  ///< waiting in CrashLoopBackOff
    std::uint64_t evictions = 0, evictions_refused = 0, preempted = 0, creates_refused = 0;
    std::vector<RolloutLog> rollouts;
    std::vector<RevisionLog> revisions;  ///< that were sent requests
};

/// A part of the way to Ready.
struct StartStep {
    std::string stage;
    double s = 0;
};
/// How pods of a workload came to be Ready, those of t = 0 apart.
struct StartLog {
    struct Stage {
        std::string stage;
        std::uint64_t runs = 0;  ///< in the other starts its result was there
        double mean_s = 0, longest_s = 0;
    };
    /// A layer of its image.
    struct Layer {
        std::string name;
        double gb = 0;  ///< compressed
        std::uint64_t downloads = 0, found = 0, unpacks = 0;  ///< found: its node had it from another image
        double download_s = 0, unpack_s = 0;                  ///< means
    };
    std::string target;
    std::uint64_t starts = 0;
    double mean_s = 0, longest_s = 0;  ///< from the pod's creation to Ready
    std::vector<StartStep> path;       ///< the longest path through each start, means over all
    std::vector<Stage> stages;
    std::vector<Layer> layers;
    std::vector<StartStep> planned_path;  ///< of the graph at its medians, alone on a new node
    double first_s = 0, again_s = 0;      ///< its length; the same where the node has been through it
};

/// GPUs that were free and unusable while pods of a workload waited for some, at the moment when they were most.
struct FragmentationLog {
    struct Unusable {
        std::string reason;
        std::int64_t gpus = 0, nodes = 0;
    };
    std::string target;
    double at_s = 0;
    std::int64_t needs = 0, free = 0;  ///< GPUs of one pod, on one node; free on all
    std::vector<Unusable> unusable;
};

struct PoolLog {
    std::string pool;
    std::uint64_t launched = 0, launch_failures = 0, lost = 0;
    std::optional<BindingLimit> limit;  ///< full while pods that it could take had no node
};

/// From then on it is so much.
struct SpotStep {
    double at_s = 0, value = 0;
};
/// What happened to a spot node.
struct SpotEviction {
    double at_s = 0;
    const char* what = "";  ///< rebalance, notice, taken
    std::int64_t pods = 0;  ///< that were on it
};
/// A spot market: an instance type in a zone.
struct SpotMarketLog {
    std::string market;
    std::uint64_t launched = 0, launch_failures = 0;
    std::uint64_t taken_empty = 0, taken_with_pods = 0;  ///< machines that the cloud took
    std::vector<SpotEviction> evictions;                 ///< by time
    double notice_s = 0;                                 ///< that nodes were given; 0 = there was none
    std::optional<double> notice_used_s;                 ///< until the last pod had left, mean
    double available = 1;                                ///< share of the span in which there were nodes to be had
    std::vector<SpotStep> nodes;                         ///< of the cluster's
    std::vector<SpotStep> price;                         ///< USD per hour of a node
    std::vector<SpotStep> capacity;                      ///< the most nodes that there are; -1 = any number; empty: no such limit
};

/// An Event, as the recorder aggregates them: equal ones are counted.
struct EventEntry {
    double first_s = 0, last_s = 0;
    std::uint64_t count = 1;
    bool warning = false;
    std::string reason, object, message;
};

struct ClusterLog {
    std::uint32_t trial = 0;
    std::vector<AutoscalerLog> autoscalers;
    std::vector<PendingReason> pending;  ///< longest first
    std::vector<WorkloadLog> workloads;
    std::vector<PoolLog> pools;
    std::vector<StartLog> starts;
    std::vector<FragmentationLog> fragmentation;
    std::vector<SpotMarketLog> spot;  ///< those that nodes were asked for in
    std::vector<EventEntry> events;  ///< by time
    std::uint64_t events_omitted = 0;
};

}  // namespace windtunnel
