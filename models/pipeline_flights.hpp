#pragma once
#include "models/arena.hpp"
#include "models/job.hpp"
#include "models/time.hpp"

namespace windtunnel {

/// The batches that are on their way through the pipeline stages of an engine, the oldest first: at most as
/// many as there are stages (vllm.md 1.13). Every stage takes an equal share of a batch's time, and one batch at
/// a time: a batch enters a stage when it has left the stage before and the batch ahead has left this one.
template <class Layout>
class PipelineFlights {
public:
    /// Nothing for engines with one stage.
    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::int32_t stages, std::int32_t max_num_seqs) {
        const auto slots = static_cast<std::size_t>(stages > 1 ? stages : 0);
        m_width = static_cast<std::uint32_t>(max_num_seqs);
        m_flights = arena.template take<Flight>(slots);
        m_stage_free = arena.template take<Tick>(slots);
        m_rows = arena.template take<JobIndex>(slots * m_width);
    }
    WT_HD_COLD void start(std::int32_t stages) {
        m_stages = static_cast<std::uint32_t>(stages);
        m_oldest = m_count = 0;
        if (m_stages > 1)
            for (std::uint32_t s = 0; s < m_stages; ++s) m_stage_free[s] = Tick{};
    }

    [[nodiscard]] WT_HD bool pipelined() const { return m_stages > 1; }
    [[nodiscard]] WT_HD bool empty() const { return m_count == 0; }
    [[nodiscard]] WT_HD bool full() const { return m_count == m_stages; }
    [[nodiscard]] WT_HD Tick oldest_ends() const { return m_flights[m_oldest].ends; }

    /// A batch that takes `whole` alone starts at `now`; the first `count` of `jobs` get a token from it.
    WT_HD_COLD void send(Tick now, Tick whole, const ArenaArray<JobIndex, Layout>& jobs, std::uint32_t count) {
        const std::uint32_t slot = slot_of(m_count++);
        const Tick share{(whole.count + m_stages - 1) / m_stages};
        Tick at = now;
        for (std::uint32_t s = 0; s < m_stages; ++s) at = m_stage_free[s] = max(at, m_stage_free[s]) + share;
        m_flights[slot].ends = at;
        m_flights[slot].rows = count;
        for (std::uint32_t i = 0; i < count; ++i) m_rows[slot * m_width + i] = jobs[i];
    }
    /// Rows of the oldest batch; one whose job has gone is `no_job`.
    [[nodiscard]] WT_HD std::uint32_t oldest_rows() const { return m_flights[m_oldest].rows; }
    [[nodiscard]] WT_HD JobIndex oldest_row(std::uint32_t i) const { return m_rows[m_oldest * m_width + i]; }
    WT_HD void pop_oldest() {
        m_oldest = m_oldest + 1 == m_stages ? 0 : m_oldest + 1;
        --m_count;
    }

    /// Whether a batch is going to give the job a token; a job is in one at most.
    [[nodiscard]] WT_HD_COLD bool has(JobIndex job) const { return find(job) != none; }
    /// Nobody waits for the job's token any more.
    WT_HD_COLD void drop(JobIndex job) {
        const std::uint32_t at = find(job);
        if (at != none) m_rows[at] = no_job;
    }

private:
    struct Flight {
        Tick ends;
        std::uint32_t rows = 0;
    };
    static constexpr std::uint32_t none = 0xffffffffu;

    [[nodiscard]] WT_HD std::uint32_t slot_of(std::uint32_t n) const { return (m_oldest + n) % m_stages; }
    [[nodiscard]] WT_HD std::uint32_t find(JobIndex job) const {
        for (std::uint32_t n = 0; n < m_count; ++n) {
            const std::uint32_t slot = slot_of(n);
            for (std::uint32_t i = 0; i < m_flights[slot].rows; ++i)
                if (m_rows[slot * m_width + i] == job) return slot * m_width + i;
        }
        return none;
    }

    ArenaArray<Flight, Layout> m_flights;    ///< a ring
    ArenaArray<Tick, Layout> m_stage_free;   ///< when the last batch leaves each stage
    ArenaArray<JobIndex, Layout> m_rows;     ///< [slot][row]
    std::uint32_t m_width = 0, m_stages = 1;
    std::uint32_t m_oldest = 0, m_count = 0;
};

}  // namespace windtunnel
