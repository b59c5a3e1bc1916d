#pragma once
#include "models/job.hpp"
#include "models/random.hpp"
#include "sim/blueprint.hpp"
#include "sim/replica_ranking.hpp"

namespace windtunnel {

/// When something about a request in flight is due.
struct RequestDeadline {
    std::uint32_t index = 0;    ///< a job; of a request that may be tried more than once, its track
    std::uint32_t request = 0;  ///< that it had then
    std::uint32_t attempt = 0;  ///< what is due concerns this attempt only; 0 = the request
    Tick at;
};

/// Deadlines in the order in which they were set, which is that of their times: each comes the same time after.
template <class Layout>
class DeadlineRing {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::uint32_t capacity) {
        m_capacity = capacity;
        m_entries = arena.template take<RequestDeadline>(capacity);
    }
    WT_HD void clear() { m_head = m_count = 0; }
    [[nodiscard]] WT_HD bool empty() const { return m_count == 0; }
    [[nodiscard]] WT_HD bool full() const { return m_count == m_capacity; }
    [[nodiscard]] WT_HD const RequestDeadline& first() const { return m_entries[m_head]; }
    /// Requires room.
    WT_HD void push(const RequestDeadline& d) {
        std::uint32_t at = m_head + m_count++;
        if (at >= m_capacity) at -= m_capacity;
        m_entries[at] = d;
    }
    WT_HD void pop() {
        m_head = m_head + 1 == m_capacity ? 0 : m_head + 1;
        --m_count;
    }

private:
    ArenaArray<RequestDeadline, Layout> m_entries;
    std::uint32_t m_capacity = 0, m_head = 0, m_count = 0;
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
    DeadlineRing<Layout> deadlines;           ///< when clients give up
    DeadlineRing<Layout> limits;              ///< when attempts do: a client's with one, a message's visibility
    ArenaArray<std::uint32_t, Layout> leaving;  ///< replicas that end and still serve, ascending
    std::uint32_t leaving_count = 0;
    ArenaArray<std::uint32_t, Layout> connections;  ///< [client connection]: 1 + its replica; 0 = not open
    std::uint64_t arrived = 0;  ///< requests that came to this workload
    std::uint64_t answered[4] = {};  ///< attempts by RequestEnd, from completed to failed
    std::uint32_t sent = 0;     ///< requests at its replicas
    std::uint8_t dispatch_due = 0;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, const WorkloadPlan& plan, std::uint32_t jobs) {
        ranking.take_memory(arena, plan.pod_slots);
        ready = arena.template take<std::uint32_t>(plan.pod_slots);
        leaving = arena.template take<std::uint32_t>(plan.pod_slots);
        connections = arena.template take<std::uint32_t>(plan.connections);
        deadlines.take_memory(arena, plan.request_timeout == never ? 0 : jobs);
        const Tick limit = plan.hands_out() ? plan.visibility_timeout : plan.retry.attempt_timeout;
        limits.take_memory(arena, limit == never ? 0 : jobs);
    }
    WT_HD_COLD void clear(const WorkloadPlan& plan) {
        ranking.clear();
        ready_count = leaving_count = turn = 0;
        held = {};
        dispatch_due = 0;
        deadlines.clear();
        limits.clear();
        for (std::uint32_t c = 0; c < plan.connections; ++c) connections[c] = 0;
        arrived = 0;
        for (std::uint64_t& n : answered) n = 0;
        sent = 0;
    }
    /// `requests`: what the replica holds already, when it comes back.
    WT_HD_COLD void add_replica(std::uint32_t local, std::uint32_t requests) {
        ranking.insert(local, requests);
        insert(ready, ready_count, local);
    }
    WT_HD_COLD void remove_replica(std::uint32_t local) {
        ranking.erase(local);
        erase(ready, ready_count, local);
    }
    /// A replica that is being deleted still serves: a proxy falls back to it when there is no other.
    WT_HD_COLD void add_leaving(std::uint32_t local) { insert(leaving, leaving_count, local); }
    WT_HD_COLD void remove_leaving(std::uint32_t local) { erase(leaving, leaving_count, local); }
    /// A replica ends its connections; their clients open new ones with their next requests.
    WT_HD_COLD void close_connections(const WorkloadPlan& plan, std::uint32_t local) {
        for (std::uint32_t c = 0; c < plan.connections; ++c)
            if (connections[c] == local + 1) connections[c] = 0;
    }

    /// A request that waited before has its old place again.
    WT_HD_COLD void put_back(const JobPool<Layout>& jobs, JobIndex index) {
        const Job& job = jobs[index];
        JobIndex after = held.head;
        while (after != no_job && (jobs[after].arrival < job.arrival ||
                                   (jobs[after].arrival == job.arrival && jobs[after].request < job.request)))
            after = jobs[after].next;
        held.insert_before(jobs, index, after);
    }

    /// The replica that the next request goes to, or `no_index` when none can take one. `attempt`: from 1.
    [[nodiscard]] WT_HD std::uint32_t choose(const WorkloadPlan& plan, TrialKey key, std::uint32_t request,
                                             std::uint32_t attempt) {
        if (plan.connections > 0) return choose_connected(plan, key, request, attempt);
        if (ready_count == 0) return leaving_count == 0 ? no_index : pick(leaving, leaving_count, key, request, attempt);
        std::uint32_t local = 0;
        switch (plan.routing) {
            case Routing::random:
                local = pick(ready, ready_count, key, request, attempt);
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

private:
    using List = ArenaArray<std::uint32_t, Layout>;

    [[nodiscard]] WT_HD static std::uint32_t pick(const List& from, std::uint32_t count, TrialKey key,
                                                  std::uint32_t request, std::uint32_t attempt) {
        return from[RandomStream(key.seed, key.trial, StreamPurpose::routing, request, attempt - 1).below(count)];
    }
    /// kube-proxy chooses per connection: the requests on one stay with its replica, ready or not, for as long
    /// as that lives (kubernetes.md 4.10.3).
    [[nodiscard]] WT_HD_COLD std::uint32_t choose_connected(const WorkloadPlan& plan, TrialKey key,
                                                            std::uint32_t request, std::uint32_t attempt) {
        std::uint32_t& connection =
            connections[RandomStream(key.seed, key.trial, StreamPurpose::connection, request, attempt - 1)
                            .below(plan.connections)];
        if (connection > 0) return connection - 1;
        if (ready_count + leaving_count == 0) return no_index;
        const std::uint32_t local = ready_count > 0 ? pick(ready, ready_count, key, request, attempt)
                                                    : pick(leaving, leaving_count, key, request, attempt);
        connection = local + 1;
        return local;
    }
    WT_HD_COLD static void insert(List& list, std::uint32_t& count, std::uint32_t local) {
        std::uint32_t at = count++;
        for (; at > 0 && list[at - 1] > local; --at) list[at] = list[at - 1];
        list[at] = local;
    }
    WT_HD_COLD static void erase(List& list, std::uint32_t& count, std::uint32_t local) {
        std::uint32_t kept = 0;
        for (std::uint32_t i = 0; i < count; ++i)
            if (list[i] != local) list[kept++] = list[i];
        count = kept;
    }
};

}  // namespace windtunnel
