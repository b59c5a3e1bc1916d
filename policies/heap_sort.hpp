#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

namespace heap_detail {

/// Puts items[root] where it belongs in a heap of `end` items whose root comes last.
template <class T, class Before>
WT_HD constexpr void sift(T* items, std::int32_t root, std::int32_t end, const Before& before) {
    const T moved = items[root];
    for (std::int32_t child = 2 * root + 1; child < end; child = 2 * root + 1) {
        if (child + 1 < end && before(items[child], items[child + 1])) ++child;
        if (!before(moved, items[child])) break;
        items[root] = items[child];
        root = child;
    }
    items[root] = moved;
}

}  // namespace heap_detail

/// Sorts in place without memory, in n log n whatever the order. Not stable: `before` has to tell equals
/// apart where their order matters.
template <class T, class Before>
WT_HD constexpr void heap_sort(T* items, std::int32_t count, Before before) {
    for (std::int32_t i = count / 2; i-- > 0;) heap_detail::sift(items, i, count, before);
    for (std::int32_t end = count - 1; end > 0; --end) {
        const T last = items[end];
        items[end] = items[0];
        items[0] = last;
        heap_detail::sift(items, 0, end, before);
    }
}

/// Gives items one by one in the order that heap_sort would put them in: n steps for the first, log n for
/// each.
template <class T, class Before>
class Heap {
public:
    WT_HD constexpr Heap(T* items, std::int32_t count, Before before)
        : m_items(items), m_count(count), m_after{before} {
        for (std::int32_t i = count / 2; i-- > 0;) heap_detail::sift(m_items, i, m_count, m_after);
    }
    [[nodiscard]] WT_HD constexpr bool empty() const { return m_count == 0; }
    /// Requires that it is not empty.
    WT_HD constexpr T take() {
        const T first = m_items[0];
        m_items[0] = m_items[--m_count];
        if (m_count > 0) heap_detail::sift(m_items, 0, m_count, m_after);
        return first;
    }

private:
    struct After {
        Before before;
        WT_HD constexpr bool operator()(const T& a, const T& b) const { return before(b, a); }
    };
    T* m_items;
    std::int32_t m_count;
    After m_after;
};

}  // namespace windtunnel
