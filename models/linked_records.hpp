#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

/// A list of records that are linked both ways through their members `next` and `previous`, which are its own while they are
/// in it. `records[i]` gives a record.
struct LinkedRecords {
    static constexpr std::uint32_t none = 0xffffffffu;

    std::uint32_t head = none, tail = none;

    [[nodiscard]] WT_HD bool empty() const { return head == none; }

    /// Puts `i` in front of `after`, which is in this list, or at the end when that is `none`.
    template <class Records>
    WT_HD void insert_before(const Records& records, std::uint32_t i, std::uint32_t after) {
        const std::uint32_t before = after == none ? tail : records[after].previous;
        records[i].previous = before;
        records[i].next = after;
        (before == none ? head : records[before].next) = i;
        (after == none ? tail : records[after].previous) = i;
    }
    template <class Records>
    WT_HD void push_back(const Records& records, std::uint32_t i) {
        insert_before(records, i, none);
    }
    /// Takes `i` out, wherever it stands. Requires that it is in this list.
    template <class Records>
    WT_HD void remove(const Records& records, std::uint32_t i) {
        const std::uint32_t before = records[i].previous, after = records[i].next;
        (before == none ? head : records[before].next) = after;
        (after == none ? tail : records[after].previous) = before;
    }
};

}  // namespace windtunnel
