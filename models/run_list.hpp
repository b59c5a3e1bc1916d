#pragma once
#include "models/arena.hpp"
#include "models/linked_records.hpp"

#include <cstdint>

namespace windtunnel {

/// The runs of blocks that a cache has records of, and its free list: those from whose front blocks are taken
/// and to whose back they are freed. A Run has `next` and `previous`, which are its place in that list while
/// it is in it and the owner's to use while it is not.
template <class Run, class Layout>
class RunList {
public:
    static constexpr std::uint32_t none = LinkedRecords::none;

    WT_HD_COLD void take_memory(Arena<Layout>& arena, std::size_t capacity) {
        m_runs = arena.template take<Run>(capacity);
    }
    WT_HD void start() {
        m_unused = none;
        m_fresh = 0;
        m_free = {};
    }
    WT_HD Run& operator[](std::uint32_t index) const { return m_runs[index]; }
    [[nodiscard]] WT_HD std::uint32_t first() const { return m_free.head; }
    [[nodiscard]] WT_HD std::uint32_t last() const { return m_free.tail; }

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
    WT_HD void push_back(std::uint32_t index) { m_free.push_back(m_runs, index); }
    /// `index` comes next after `before`, which is in the list.
    WT_HD void insert_behind(std::uint32_t before, std::uint32_t index) {
        m_free.insert_before(m_runs, index, m_runs[before].next);
    }
    WT_HD void unlink(std::uint32_t index) { m_free.remove(m_runs, index); }

private:
    ArenaArray<Run, Layout> m_runs;
    std::uint32_t m_fresh = 0, m_unused = none;  ///< runs that were never used; a list of those that were
    LinkedRecords m_free;
};

}  // namespace windtunnel
