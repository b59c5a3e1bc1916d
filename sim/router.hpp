#pragma once
#include "models/job.hpp"
#include "models/random.hpp"
#include "sim/blueprint.hpp"
#include "sim/replica_ranking.hpp"

namespace windtunnel {

/// When something about a request in flight is due: an entry of a ring in order of time.
struct RequestDeadline {
    JobIndex job = no_job;
    std::uint32_t request = 0;
    Tick at;
};

/// A workload's way from arrival to replica: who may get requests, and the requests that wait for one.
/// Replicas are numbered from the workload's first pod.
template <class Layout>
struct Router {
    ReplicaRanking<Layout> ranking;           ///< ready replicas by requests in flight
    ArenaArray<std::uint32_t, Layout> ready;  ///< ready replicas, ascending
    std::uint32_t ready_count = 0;
    std::uint32_t turn = 0;                         ///< round robin
    JobQueue<Layout> held;                          ///< requests without a replica to go to
    ArenaArray<RequestDeadline, Layout> deadlines;  ///< when clients give up: a ring in order of arrival
    std::uint32_t deadline_head = 0, deadline_count = 0;
    std::uint64_t arrived = 0;  ///< requests that came to this workload
    std::uint32_t sent = 0;     ///< requests at its replicas
    std::uint8_t dispatch_due = 0;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const WorkloadPlan& plan, std::uint32_t jobs) {
        ranking.take_memory(arena, plan.pod_slots);
        ready = arena.template take<std::uint32_t>(plan.pod_slots);
        deadlines = arena.template take<RequestDeadline>(plan.request_timeout == never ? 0 : jobs);
    }
    WT_HD_COLD void clear() {
        ranking.clear();
        ready_count = turn = 0;
        held = {};
        dispatch_due = 0;
        deadline_head = deadline_count = 0;
        arrived = 0;
        sent = 0;
    }
    /// `requests`: what the replica holds already, when it comes back.
    WT_HD_COLD void add_replica(std::uint32_t local, std::uint32_t requests) {
        ranking.insert(local, requests);
        std::uint32_t at = ready_count++;
        for (; at > 0 && ready[at - 1] > local; --at) ready[at] = ready[at - 1];
        ready[at] = local;
    }
    WT_HD_COLD void remove_replica(std::uint32_t local) {
        ranking.erase(local);
        std::uint32_t kept = 0;
        for (std::uint32_t i = 0; i < ready_count; ++i)
            if (ready[i] != local) ready[kept++] = ready[i];
        ready_count = kept;
    }

    /// The replica that the next request goes to, or `no_index` when none can take one.
    [[nodiscard]] WT_HD std::uint32_t choose(const WorkloadPlan& plan, TrialKey key, std::uint32_t request) {
        if (ready_count == 0) return no_index;
        std::uint32_t local = 0;
        switch (plan.routing) {
            case Routing::random:
                local = ready[RandomStream(key.seed, key.trial, StreamPurpose::routing, request)
                                  .below(ready_count)];
                break;
            case Routing::round_robin:
                local = ready[turn++ % ready_count];
                break;
            case Routing::least_requests:
                local = ranking.least();
                break;
        }
        if (plan.per_replica_limit > 0 && ranking.requests_of(local) >= plan.per_replica_limit)
            return no_index;
        return local;
    }
};

}  // namespace windtunnel
