#pragma once
#include "models/fault.hpp"
#include "sim/blueprint.hpp"
#include "sim/latency_sketch.hpp"

namespace windtunnel {

enum class TrialStatus : std::uint8_t {
    complete,
    outgrew_arena,  ///< needs a larger arena: run again with one, nothing was dropped silently
    broken,         ///< an expectation failed; see `fault`
};

/// A request's end. Every request that arrived has exactly one (law L1).
enum class RequestEnd : std::uint8_t { completed, rejected, timed_out, failed, unfinished };

struct RequestCounts {
    std::uint64_t arrived = 0, completed = 0, rejected = 0, timed_out = 0, failed = 0, unfinished = 0;
    bool operator==(const RequestCounts&) const = default;

    /// A request's end; those unfinished are counted together when the trial is over.
    WT_HD void count(RequestEnd how) {
        completed += how == RequestEnd::completed ? 1 : 0;
        rejected += how == RequestEnd::rejected ? 1 : 0;
        timed_out += how == RequestEnd::timed_out ? 1 : 0;
        failed += how == RequestEnd::failed ? 1 : 0;
    }
};

/// The integral over time of a count that changes in steps, up to the end of the span.
struct TimeIntegral {
    WideSum ticks;
    Tick since;
    std::int64_t value = 0;
    std::int64_t most = 0;

    WT_HD_CALL void change(Tick now, Tick span, std::int64_t by) {
        settle(now, span);
        value += by;
        if (now < span && value > most) most = value;
    }
    WT_HD_CALL void settle(Tick now, Tick span) {
        const Tick until = min(now, span);
        if (until > since) {
            ticks.add_product(static_cast<std::uint64_t>((until - since).count),
                              static_cast<std::uint64_t>(value));
            since = until;
        }
    }
    bool operator==(const TimeIntegral&) const = default;
};

/// What the billed time of nodes went into. Every part of every node-tick is in exactly one.
enum class NodeUse : std::uint8_t {
    busy,      ///< its GPUs run an engine's step
    idle,      ///< ready to work and not working: a replica between steps, or room that no pod took
    starting,  ///< a node that comes up; a pod that pulls, loads, or does not serve
    draining,  ///< a pod that ends, or a node that leaves
    lost,      ///< of a node that died and is not gone yet
};
inline constexpr std::uint32_t node_uses = 5;
/// A node's billed time is divided into so many shares: a multiple of every usual number of GPUs.
inline constexpr std::uint64_t node_shares = 2'882'880;

struct PoolTally {
    TimeIntegral nodes;  ///< from launch to termination
    TimeIntegral price;  ///< of these nodes, nano-USD per hour
    TimeIntegral gpus;   ///< of these nodes
    TimeIntegral covered;  ///< of these nodes, those within a commitment (ShapePlan::committed)
    TimeIntegral covered_price;  ///< what these would cost without it, nano-USD per hour
    TimeIntegral fallback;       ///< 1 while its pool, which buys both ways, has more on demand than its base
    /// Billed beyond the lifetime, for the minimum billing time: node-ticks, and the same times price and GPUs.
    WideSum minimum_extra, minimum_extra_price, minimum_extra_gpus;
    WideSum refund;  ///< of `price`: what nodes cost that the cloud took back too soon to charge for them
    std::uint64_t launched = 0;
    std::uint64_t noticed = 0, taken = 0;  ///< spot nodes: interruption notices, machines that the cloud took
    WideSum noticed_gpus;  ///< of `gpus`: from the notice to the machine's end, when it is paid for and takes no new work
    bool operator==(const PoolTally&) const = default;

    /// A new node, or (`by` = -1) one that leaves; `newly_covered` of them by a commitment.
    WT_HD void count(Tick now, Tick span, std::int64_t by, std::int64_t nano_usd_per_hour, std::int64_t node_gpus,
                     std::int64_t newly_covered) {
        covered.change(now, span, newly_covered);
        covered_price.change(now, span, newly_covered * nano_usd_per_hour);
        nodes.change(now, span, by);
        price.change(now, span, by * nano_usd_per_hour);
        gpus.change(now, span, by * node_gpus);
    }
    WT_HD void bill_extra(Tick time, std::int64_t nano_usd_per_hour, std::int64_t node_gpus) {
        const auto ticks = static_cast<std::uint64_t>(time.count);
        minimum_extra.add(ticks);
        minimum_extra_price.add_product(ticks, static_cast<std::uint64_t>(nano_usd_per_hour));
        minimum_extra_gpus.add_product(ticks, static_cast<std::uint64_t>(node_gpus));
    }
    WT_HD_CALL void settle(Tick now, Tick span) {
        nodes.settle(now, span);
        price.settle(now, span);
        gpus.settle(now, span);
        covered.settle(now, span);
        covered_price.settle(now, span);
        fallback.settle(now, span);
    }
};

/// What a trial adds up, besides its sketches' buckets. Plain integers, merged and compared exactly.
struct Tally {
    TrialStatus status = TrialStatus::complete;
    Fault fault;
    Tick fault_at;
    Tick ended_at;  ///< the span's end or the last request's, whichever is later
    RequestCounts requests;
    std::uint64_t prompt_tokens = 0;  ///< of completed requests
    std::uint64_t output_tokens = 0;
    std::uint64_t good = 0;  ///< completed within all goodput objectives
    std::uint64_t degraded_minutes = 0;  ///< whose arrivals were good in too small a share (GoodputPlan)
    LatencyTotals ttft, tpot, itl, e2el;
    std::uint64_t retried = 0;        ///< attempts of clients that came again
    std::uint64_t redelivered = 0;    ///< messages handed out again
    std::uint64_t dead_lettered = 0;  ///< messages given up after their last hand-out
    std::uint64_t error_answers = 0, wrong_answers = 0;  ///< of degraded servers; wrong ones complete
    /// Attempts that a server did not finish, and what it had done for them: prompts whose prefill was over,
    /// tokens generated, time since they began.
    std::uint64_t lost_attempts = 0, lost_prompt_tokens = 0, lost_output_tokens = 0;
    WideSum lost_time;
    /// Answers to requests that had one already.
    std::uint64_t duplicate_prompt_tokens = 0, duplicate_output_tokens = 0;
    WideSum duplicate_time;
    Tick longest_hold;  ///< the longest that a request waited, since its arrival, for a replica to take it
    std::uint64_t kv_preemptions = 0;
    std::uint64_t prefix_queries = 0;  ///< prompt tokens that were looked up in a prefix cache
    std::uint64_t prefix_hits = 0;     ///< of these, found
    std::uint64_t remote_prefills = 0, local_prefills = 0;  ///< of workloads whose prompts are computed elsewhere
    std::uint64_t kv_transfers = 0, kv_failures = 0;  ///< begun; KV that was lost before it was there
    WideSum kv_bytes;                                 ///< of those begun
    /// Of first tokens that came by such KV: how many, and the times that they are the sum of, from the prefill
    /// server's getting the request on.
    std::uint64_t kv_answers = 0;
    WideSum prefill_time, kv_wait_time, kv_transfer_time, kv_decode_time;
    std::uint64_t cold_starts = 0;
    std::uint64_t container_restarts = 0;  ///< of pods that live on
    std::uint64_t spot_evictions = 0;  ///< interruption notices
    std::uint64_t rebalance_recommendations = 0;
    std::uint64_t scale_ups = 0, scale_downs = 0;
    std::uint64_t rollouts = 0;           ///< completed
    std::uint64_t rollouts_stuck = 0;     ///< times that a progress deadline passed
    std::uint64_t creations_refused = 0;  ///< of pods, by quotas (FailedCreate)
    std::uint64_t pods_preempted = 0;     ///< made room for a pod of higher priority
    std::uint64_t jobs_complete = 0, jobs_failed = 0;
    std::uint64_t jobs_skipped = 0;       ///< hits of CronJobs that found all of their jobs running
    std::uint64_t evictions = 0, evictions_refused = 0;
    TimeIntegral ready_replicas;
    TimeIntegral nodes;
    TimeIntegral gpus;  ///< of all nodes
    WideSum gpu_busy;   ///< GPU-ticks inside engine steps, within the span
    std::uint64_t events = 0;
    PoolTally pools[max_pools];
};

/// The four latency distributions of a trial.
template <class Layout>
struct Sketches {
    LatencySketch<Layout> ttft, tpot, itl, e2el;

    WT_HD void take_memory(Arena<Layout>& arena) {
        ttft.take_memory(arena);
        tpot.take_memory(arena);
        itl.take_memory(arena);
        e2el.take_memory(arena);
    }
    WT_HD void clear() {
        ttft.clear();
        tpot.clear();
        itl.clear();
        e2el.clear();
    }
};

}  // namespace windtunnel
