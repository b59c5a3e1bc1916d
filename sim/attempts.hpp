#pragma once
#include "models/arena.hpp"
#include "models/job.hpp"

namespace windtunnel {

inline constexpr std::uint32_t no_track = 0xffffffffu;
inline constexpr std::uint32_t no_request = 0xffffffffu;

/// A request that may be tried more than once: a client that comes again, a message that is handed out again.
///
/// At most one job stands for it (`current`): it waits for a replica, waits for its next attempt, or is at a
/// replica. There is none while its message is hidden and its worker is gone. Other jobs of it are copies at
/// workers that were too slow: the first to finish answers the request.
struct RequestTrack {
    Tick arrival;
    JobIndex current = no_job;
    std::uint32_t request = no_request;
    std::uint32_t attempt = 0;  ///< number of the present attempt, from 1; 0 = not handed out yet
    std::uint32_t copies = 0;   ///< jobs that belong to it
    std::uint32_t next = no_track;
    std::uint16_t workload = 0;
    std::uint8_t done = 0;  ///< it has ended
    std::uint8_t cut = 0;   ///< the present attempt was aborted by its own time-out
};

/// The tracks of a trial, as many as there is room for jobs; nothing where no workload tries twice.
template <class Layout>
class AttemptTable {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::uint32_t capacity) {
        m_capacity = capacity;
        m_tracks = arena.template take<RequestTrack>(capacity);
        m_jobs = arena.template take<Link>(capacity);
    }
    WT_HD_COLD void clear() {
        m_used = 0;
        m_free = no_track;
    }
    [[nodiscard]] WT_HD bool enabled() const { return m_capacity > 0; }
    [[nodiscard]] WT_HD std::uint32_t used() const { return m_used; }
    [[nodiscard]] WT_HD RequestTrack& operator[](std::uint32_t t) const { return m_tracks[t]; }
    /// A job's track, or `no_track`.
    [[nodiscard]] WT_HD std::uint32_t of(JobIndex job) const { return m_jobs[job].track; }
    /// When the job's attempt began, or it was handed out.
    [[nodiscard]] WT_HD Tick& began(JobIndex job) const { return m_jobs[job].began; }

    /// A new track, or `no_track` when there is no room.
    [[nodiscard]] WT_HD_COLD std::uint32_t open(std::uint32_t request, std::uint32_t workload, Tick now) {
        std::uint32_t t = m_free;
        if (t != no_track)
            m_free = m_tracks[t].next;
        else if (m_used < m_capacity)
            t = m_used++;
        else
            return no_track;
        m_tracks[t] = RequestTrack{};
        m_tracks[t].arrival = now;
        m_tracks[t].request = request;
        m_tracks[t].workload = static_cast<std::uint16_t>(workload);
        return t;
    }
    WT_HD void attach(JobIndex job, std::uint32_t t, Tick now) {
        m_jobs[job] = {t, now};
        if (t != no_track) ++m_tracks[t].copies;
    }
    WT_HD void detach(JobIndex job) {
        const std::uint32_t t = m_jobs[job].track;
        if (t == no_track) return;
        m_jobs[job].track = no_track;
        --m_tracks[t].copies;
        close(t);
    }
    /// The request has ended; its copies may still be at work.
    WT_HD void end(std::uint32_t t) {
        m_tracks[t].done = 1;
        m_tracks[t].current = no_job;
        close(t);
    }

private:
    struct Link {
        std::uint32_t track = no_track;
        Tick began;
    };

    WT_HD void close(std::uint32_t t) {
        RequestTrack& track = m_tracks[t];
        if (!track.done || track.copies > 0) return;
        track.request = no_request;
        track.next = m_free;
        m_free = t;
    }

    ArenaArray<RequestTrack, Layout> m_tracks;
    ArenaArray<Link, Layout> m_jobs;
    std::uint32_t m_capacity = 0;
    std::uint32_t m_used = 0;  ///< tracks from here on were never used
    std::uint32_t m_free = no_track;
};

/// Jobs by the time at which they come again: a binary heap. Those of one instant come in the order of their
/// requests.
template <class Layout>
class RetryHeap {
public:
    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::uint32_t capacity) {
        m_entries = arena.template take<Entry>(capacity);
    }
    WT_HD void clear() { m_size = 0; }
    [[nodiscard]] WT_HD Tick first_time() const { return m_size > 0 ? m_entries[0].at : Tick{never}; }

    /// Requires room: a job is in it once.
    WT_HD_COLD void push(Tick at, std::uint32_t request, JobIndex job) {
        std::uint32_t i = m_size++;
        const Entry entry{at, request, job};
        for (; i > 0 && before(entry, m_entries[(i - 1) / 2]); i = (i - 1) / 2) m_entries[i] = m_entries[(i - 1) / 2];
        m_entries[i] = entry;
    }
    [[nodiscard]] WT_HD_COLD JobIndex pop() {
        const JobIndex first = m_entries[0].job;
        const Entry last = m_entries[--m_size];
        std::uint32_t i = 0;
        while (2 * i + 1 < m_size) {
            std::uint32_t child = 2 * i + 1;
            if (child + 1 < m_size && before(m_entries[child + 1], m_entries[child])) ++child;
            if (!before(m_entries[child], last)) break;
            m_entries[i] = m_entries[child];
            i = child;
        }
        m_entries[i] = last;
        return first;
    }

private:
    struct Entry {
        Tick at;
        std::uint32_t request;
        JobIndex job;
    };
    [[nodiscard]] WT_HD static bool before(const Entry& a, const Entry& b) {
        return a.at < b.at || (a.at == b.at && a.request < b.request);
    }

    ArenaArray<Entry, Layout> m_entries;
    std::uint32_t m_size = 0;
};

}  // namespace windtunnel
