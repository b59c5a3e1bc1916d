#pragma once
#include "models/blob_span.hpp"
#include "models/quantile_table.hpp"
#include "models/server_config.hpp"
#include "models/time.hpp"
#include "sim/autoscaler_plan.hpp"

#include <cstdint>

namespace windtunnel {

inline constexpr std::uint32_t max_pools = 32;
inline constexpr std::uint32_t max_workloads = 256;

/// What a pod asks for and what a node offers.
struct NodeResources {
    std::int64_t gpus = 0;
    std::int64_t cpu_milli = 0;
    std::int64_t memory_bytes = 0;
    std::int64_t pods = 0;

    [[nodiscard]] WT_HD bool fits(const NodeResources& ask) const {
        return ask.gpus <= gpus && ask.cpu_milli <= cpu_milli && ask.memory_bytes <= memory_bytes &&
               ask.pods <= pods;
    }
    WT_HD void take(const NodeResources& r) { add(r, -1); }
    WT_HD void give(const NodeResources& r) { add(r, 1); }

private:
    WT_HD void add(const NodeResources& r, std::int64_t sign) {
        gpus += sign * r.gpus;
        cpu_milli += sign * r.cpu_milli;
        memory_bytes += sign * r.memory_bytes;
        pods += sign * r.pods;
    }
};

/// One stage of a pod's cold start, in order.
struct StagePlan {
    std::int32_t table = -1;         ///< index into Blueprint::tables; -1 = `fixed`
    std::uint8_t once_per_node = 0;  ///< skipped where this workload has run through it on the node before
    std::uint8_t padding[3] = {};
    Tick fixed;
};

enum class Routing : std::uint8_t {
    random,  ///< kube-proxy: uniform over the ready endpoints, per request
    round_robin,
    least_requests,  ///< fewest in flight; among equals the one chosen longest ago
};

/// A set of replicas behind one router, and how requests reach them.
struct WorkloadPlan {
    std::uint32_t server = 0;     ///< index into Blueprint::servers
    std::uint32_t first_pod = 0;  ///< its pod slots are [first_pod, first_pod + pod_slots)
    std::uint32_t pod_slots = 0;
    std::uint32_t initial_replicas = 0;
    std::int32_t autoscaler = -1;         ///< index into Blueprint::autoscalers
    std::uint32_t per_replica_limit = 0;  ///< requests a replica takes at once; 0 = no limit
    std::uint32_t first_stage = 0;
    std::uint32_t stage_count = 0;
    std::uint32_t container_stage = 0;  ///< from this stage on its containers run (phase Running)
    std::uint32_t hold_limit =
        0;  ///< requests that may wait for a replica, more are rejected; 0 = any number
    CpuUsePlan cpu;
    NodeResources needs;           ///< of one pod
    std::uint64_t pools = 0;       ///< bit p: its pods may run on pool p (selectors, taints)
    Tick pre_stop;                 ///< between deletion and SIGTERM
    Tick grace;                    ///< between deletion and SIGKILL
    Tick request_timeout = never;  ///< the client gives up this long after arrival
    Routing routing = Routing::random;
    std::uint8_t hold = 0;    ///< requests without a replica to go to wait (1) or fail (0)
    std::uint8_t drains = 0;  ///< on SIGTERM: finish what is in flight (1) or drop it (0)
    std::uint8_t padding[5] = {};
};

/// Nodes of one kind that one provisioner adds and removes.
struct PoolPlan {
    std::uint32_t first_node = 0;
    std::uint32_t node_slots = 0;
    std::uint32_t minimum = 0;
    std::uint32_t initial = 0;
    NodeResources capacity;                ///< of one node, after system reservations
    std::int32_t provisioning_table = -1;  ///< request to node ready; -1 = `provisioning`
    std::int32_t padding = 0;
    Tick provisioning;
    Tick minimum_billing;
    std::int64_t price_rank = 0;  ///< the cheaper of two pools that fit is grown (any unit; ties: the first)
};

/// The cluster-autoscaler's clock (kubernetes.md, section 10; its flags' defaults).
struct NodeScalingPlan {
    Tick scan_interval = seconds(10);
    Tick unneeded_time = seconds(600);
    Tick delay_after_add = seconds(600);
};

/// Somebody sets a workload's replicas at a fixed time: a CronJob that scales, a person. Sorted by time.
struct ScheduledScale {
    Tick at;
    std::uint32_t workload = 0;
    std::uint32_t replicas = 0;
};

struct GoodputPlan {
    Tick ttft = never;
    Tick tpot = never;
    Tick e2el = never;
};

/// Everything a trial reads besides the requests: one block of memory without addresses, made by
/// BlueprintBuilder. Indices instead of names, ticks instead of durations.
struct Blueprint {
    std::uint64_t bytes = 0;         ///< of the whole block
    Tick span;                       ///< arrivals and cost are counted over [0, span)
    Tick drain_limit;                ///< after the span, for what is in flight
    std::uint32_t job_capacity = 0;  ///< requests in flight that the arena has room for
    std::uint32_t pod_slots = 0;
    std::uint32_t node_slots = 0;
    std::uint32_t max_concurrency =
        0;                  ///< closed loop: the client keeps at most this many in flight; 0 = open
    std::uint8_t cold = 0;  ///< start without replicas Ready
    std::uint8_t padding[7] = {};
    Tick turnaround;  ///< closed loop: from a request's end to its successor's arrival
    GoodputPlan goodput;
    NodeScalingPlan node_scaling;
    std::int64_t epoch_ms = 0;                  ///< Unix time of t = 0
    BlobSpan<std::uint32_t> workload_of_model;  ///< Request::model -> workload
    BlobSpan<WorkloadPlan> workloads;
    BlobSpan<ServerConfig> servers;
    BlobSpan<StagePlan> stages;
    BlobSpan<QuantileTable> tables;
    BlobSpan<PoolPlan> pools;
    ScrapePlan scrape;
    BlobSpan<StreamPlan> streams;           ///< what is scraped: the series that some query reads
    BlobSpan<StreamSource> stream_sources;  ///< [streams]
    BlobSpan<HistogramPlan> histograms;
    BlobSpan<Tick> histogram_bounds;
    BlobSpan<QueryPlan> queries;
    BlobSpan<PromqlInstruction> instructions;
    BlobSpan<std::int32_t> words;
    BlobSpan<double> numbers;
    BlobSpan<ActiveInterval> intervals;
    BlobSpan<AutoscalerPlan> autoscalers;
    BlobSpan<ScheduledScale> schedule;
};

/// Which future: the same seed and trial are the same weather, whatever the configuration.
struct TrialKey {
    std::uint64_t seed = 1;
    std::uint32_t trial = 0;
};

}  // namespace windtunnel
