#pragma once
#include "models/arena.hpp"

#include <cstdint>

namespace windtunnel {

/// The runs of blocks that a cache has records of, and its free list: those from whose front blocks are taken
/// and to whose back they are freed. A Run has `next` and `previous`, which are its place in that list while
/// it is in it and the owner's to use while it is not.
template <class Run, class Layout>
class RunList {
public:
    static constexpr std::uint32_t none = 0xffffffffu;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::size_t capacity) {
        m_runs = arena.template take<Run>(capacity);
    }
    WT_HD void start() {
        m_unused = m_first = m_last = none;
        m_fresh = 0;
    }
    WT_HD Run& operator[](std::uint32_t index) const { return m_runs[index]; }
    [[nodiscard]] WT_HD std::uint32_t first() const { return m_first; }
    [[nodiscard]] WT_HD std::uint32_t last() const { return m_last; }

    /// A record with undefined content, in no list.
    [[nodiscard]] WT_HD std::uint32_t take() {
        if (m_unused == none) return m_fresh++;
        const std::uint32_t index = m_unused;
        m_unused = m_runs[index].next;
        return index;
    }
    WT_HD void give_back(std::uint32_t index) {
        m_runs[index].next = m_unused;
        m_unused = index;
    }
    WT_HD void push_back(std::uint32_t index) {
        Run& run = m_runs[index];
        run.next = none;
        run.previous = m_last;
        if (m_last != none)
            m_runs[m_last].next = index;
        else
            m_first = index;
        m_last = index;
    }
    /// `index` comes next after `before`, which is in the list.
    WT_HD void insert_behind(std::uint32_t before, std::uint32_t index) {
        Run &run = m_runs[index], &front = m_runs[before];
        run.previous = before;
        run.next = front.next;
        if (front.next != none)
            m_runs[front.next].previous = index;
        else
            m_last = index;
        front.next = index;
    }
    WT_HD void unlink(std::uint32_t index) {
        const Run& run = m_runs[index];
        if (run.previous != none)
            m_runs[run.previous].next = run.next;
        else
            m_first = run.next;
        if (run.next != none)
            m_runs[run.next].previous = run.previous;
        else
            m_last = run.previous;
    }

private:
    ArenaArray<Run, Layout> m_runs;
    std::uint32_t m_fresh = 0, m_unused = none;   ///< runs that were never used; a list of those that were
    std::uint32_t m_first = none, m_last = none;  ///< the free list
};

}  // namespace windtunnel
