#pragma once
#include "models/job.hpp"

#include <cstdint>

namespace windtunnel {

/// The decoding jobs of a server, ordered by the step at which each is done: a 4-ary heap of
/// (end step, job) packed into 64 bits. Keys never change while a job decodes.
template <class Layout>
class StepHeap {
public:
    StepHeap() = default;
    WT_HD explicit StepHeap(ArenaArray<std::uint64_t, Layout> entries) : m_entries(entries) {}

    [[nodiscard]] WT_HD bool empty() const { return m_size == 0; }
    [[nodiscard]] WT_HD std::uint32_t size() const { return m_size; }
    [[nodiscard]] WT_HD std::uint32_t first_step() const {
        return static_cast<std::uint32_t>(m_entries[0] >> 32);
    }
    [[nodiscard]] WT_HD JobIndex job_at(std::uint32_t i) const { return static_cast<JobIndex>(m_entries[i]); }

    WT_HD void push(std::uint32_t end_step, JobIndex job) {
        sift_up(m_size++, (static_cast<std::uint64_t>(end_step) << 32) | job);
    }
    WT_HD JobIndex pop() {
        const JobIndex job = job_at(0);
        remove_at(0);
        return job;
    }
    /// Takes a job out of the middle: a linear search, for preemption and aborts only.
    WT_HD_CALL void remove(std::uint32_t end_step, JobIndex job) {
        const std::uint64_t entry = (static_cast<std::uint64_t>(end_step) << 32) | job;
        for (std::uint32_t i = 0; i < m_size; ++i)
            if (m_entries[i] == entry) return remove_at(i);
    }
    WT_HD void clear() { m_size = 0; }

private:
    WT_HD void remove_at(std::uint32_t hole) {
        const std::uint64_t moved = m_entries[--m_size];
        if (hole == m_size) return;
        if (hole > 0 && moved < m_entries[(hole - 1) / 4])
            sift_up(hole, moved);
        else
            sift_down(hole, moved);
    }
    WT_HD void sift_up(std::uint32_t hole, std::uint64_t entry) {
        while (hole > 0) {
            const std::uint32_t parent = (hole - 1) / 4;
            if (m_entries[parent] <= entry) break;
            m_entries[hole] = m_entries[parent];
            hole = parent;
        }
        m_entries[hole] = entry;
    }
    WT_HD_CALL void sift_down(std::uint32_t hole, std::uint64_t entry) {
        for (;;) {
            const std::uint32_t first = hole * 4 + 1;
            if (first >= m_size) break;
            const std::uint32_t end = first + 4 < m_size ? first + 4 : m_size;
            std::uint32_t least = first;
            for (std::uint32_t i = first + 1; i < end; ++i)
                if (m_entries[i] < m_entries[least]) least = i;
            if (m_entries[least] >= entry) break;
            m_entries[hole] = m_entries[least];
            hole = least;
        }
        m_entries[hole] = entry;
    }

    ArenaArray<std::uint64_t, Layout> m_entries;
    std::uint32_t m_size = 0;
};

}  // namespace windtunnel
