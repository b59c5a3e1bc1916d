#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

/// Sorts in place without memory, in n log n whatever the order. Not stable: `before` has to tell equals
/// apart where their order matters.
template <class T, class Before>
WT_HD constexpr void heap_sort(T* items, std::int32_t count, Before before) {
    const auto sift = [&](std::int32_t root, std::int32_t end) {
        const T moved = items[root];
        for (std::int32_t child = 2 * root + 1; child < end; child = 2 * root + 1) {
            if (child + 1 < end && before(items[child], items[child + 1])) ++child;
            if (!before(moved, items[child])) break;
            items[root] = items[child];
            root = child;
        }
        items[root] = moved;
    };
    for (std::int32_t i = count / 2; i-- > 0;) sift(i, count);
    for (std::int32_t end = count - 1; end > 0; --end) {
        const T last = items[end];
        items[end] = items[0];
        items[0] = last;
        sift(0, end);
    }
}

}  // namespace windtunnel
