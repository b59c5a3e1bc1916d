#pragma once
#include "models/block_cache.hpp"
#include "models/linked_records.hpp"
#include "models/request.hpp"
#include "models/time.hpp"

#include <cstdint>

namespace windtunnel {

using JobIndex = std::uint32_t;
inline constexpr JobIndex no_job = 0xffffffffu;

/// Where a job is. With its server:
enum class JobState : std::uint8_t {
    held,         ///< with none
    arriving,     ///< in its front end
    waiting,      ///< in its queue
    swapped,      ///< in its host's memory
    remote,       ///< in its queue, while another server holds the KV of its prompt
    receiving,    ///< that KV is on its way into blocks that it has
    received,     ///< in the queue again, with these blocks
    prefilling,   ///< between two chunks
    fresh,        ///< in the step being scheduled, on its own, for a token; with pipeline stages: in a batch that is
                  ///< on its way
    landing,      ///< decoding, while the token of its prefill is still on its way (asynchronous scheduling)
    decoding,     ///< a token in every step
    stalled,      ///< decoding, but left out of the last step
    retiring,     ///< its last token is on its way
    overrunning,  ///< its last token is on its way, and it is in the step behind it for nothing
    unread,       ///< it has ended; its blocks wait until another server has read them
};

/// A request in flight: from its arrival until it has ended. 64 bytes, in a pool shared by all replicas.
struct Job {
    Tick arrival;
    Tick first_token;            ///< `never` until there is one; kept across preemptions
    Tick last_token;             ///< of one that is not decoding: when it got its last token;
                                 ///< before its first token: from when on its server sees it in the queue
    std::uint32_t end_step = 0;  ///< while decoding: the server's step count at which it is done;
                                 ///< while stalled: its tokens that have been hashed; with drafts: its blocks, and
                                 ///< what models/draft_steps.hpp says;
                                 ///< while receiving: blocks that were here; while unread: its blocks
    JobState state = JobState::waiting;
    std::uint8_t aborted : 1 = 0;  ///< its client has gone; it leaves at the next step boundary
    std::uint8_t rank : 7 = 0;     ///< of its server's engines, the one that holds it
    std::uint16_t replica = 0;  ///< the server that holds it
    std::uint32_t request = 0;  ///< index into the workload
    std::uint32_t prompt_tokens = 0;
    std::uint32_t output_tokens = 0;  ///< where it will stop. Read when a token is made, never by a decision
    std::uint32_t outputs = 0;        ///< tokens made so far; up to date while it is not decoding
    std::uint32_t computed = 0;       ///< tokens whose KV exists; up to date while it is in prefill. Of one in a queue:
                                      ///< prompt tokens whose KV another server holds, or has sent
    JobIndex next = no_job;           ///< in a queue or the free list
    JobIndex previous = no_job;
    std::uint32_t place = 0;  ///< in its replica's order of admission; of one that receives KV: in the order of those
};
static_assert(sizeof(Job) == 64);

/// When its server first took a request out of the queue: the begin of that step, and how long it had waited. What it does
/// again after a preemption does not count (vLLM's SCHEDULED event).
struct FirstSchedule {
    Tick at, waited;
};

/// The jobs of a trial. A pool that runs out is reported (the trial outgrew its arena), never hidden.
template <class Layout>
struct JobPool {
    ArenaArray<Job, Layout> jobs;
    std::uint32_t capacity = 0;
    std::uint32_t fresh = 0;  ///< jobs from here on were never used
    JobIndex free_list = no_job;
    ArenaArray<JobBlocks, Layout> blocks;  ///< beside each job, where a server caches prefixes
    const Request* requests = nullptr;     ///< of the workload, and what their prompts have in common
    PrefixView prefixes;
    std::uint64_t seed = 0;                ///< of the trial, for what is drawn by request
    std::uint32_t trial = 0;
    ArenaArray<FirstSchedule, Layout> schedules;  ///< beside each job, where somebody asks for it
    bool keeps_schedules = false;

    WT_HD Job& operator[](JobIndex i) const { return jobs[i]; }

    /// A job with undefined content, or `no_job` when the pool is used up.
    [[nodiscard]] WT_HD JobIndex take() {
        if (free_list != no_job) {
            const JobIndex i = free_list;
            free_list = jobs[i].next;
            return i;
        }
        return fresh < capacity ? fresh++ : no_job;
    }
    /// A job joins its server's queue.
    WT_HD void note_queued(JobIndex i, Tick seen_from) const {
        jobs[i].last_token = seen_from;
        if (keeps_schedules) schedules[i] = {never, Tick{}};
    }
    /// Its server takes it out, for the step that begins at `at`.
    WT_HD void note_scheduled(JobIndex i, Tick at) const {
        if (keeps_schedules && schedules[i].at == never) schedules[i] = {at, max(at, jobs[i].last_token) - jobs[i].last_token};
    }
    WT_HD void give_back(JobIndex i) {
        jobs[i].next = free_list;
        free_list = i;
    }
};

/// A first-come-first-served queue of jobs, linked through them; a preempted job goes back to the front.
template <class Layout>
struct JobQueue : LinkedRecords {
    std::uint32_t size = 0;

    WT_HD void push_back(const JobPool<Layout>& pool, JobIndex i) { insert_before(pool, i, no_job); }
    WT_HD void push_front(const JobPool<Layout>& pool, JobIndex i) { insert_before(pool, i, head); }
    WT_HD void insert_before(const JobPool<Layout>& pool, JobIndex i, JobIndex after) {
        LinkedRecords::insert_before(pool, i, after);
        ++size;
    }
    WT_HD void remove(const JobPool<Layout>& pool, JobIndex i) {
        LinkedRecords::remove(pool, i);
        --size;
    }
    WT_HD JobIndex pop_front(const JobPool<Layout>& pool) {
        const JobIndex i = head;
        remove(pool, i);
        return i;
    }
};

}  // namespace windtunnel
