#pragma once
#include "models/host_device.hpp"
#include "models/index_set.hpp"

#include <cstdint>
#include <limits>

namespace windtunnel {

/// What is known of 64 slots of a stream, a bit each, so that a query walks through those alone that matter to it.
struct SlotMarks {
    std::uint64_t live = 0;     ///< the newest run is of values
    std::uint64_t nonzero = 0;  ///< of these: not +0
    std::uint64_t stirred = 0;  ///< the newest run may have begun at `StreamActivity::settled_ms` or later
    std::uint64_t varied = 0;   ///< of these: a pod's value may have changed since then
};

/// What is known of all slots of a stream. A slot that is live and not stirred *rests*: in a window that begins at
/// `settled_ms` or later it has one finite value. The times are bounds, found anew by a survey when they no longer
/// serve.
struct StreamActivity {
    static constexpr std::int64_t always = std::numeric_limits<std::int64_t>::min() / 2,
                                  no_time = std::numeric_limits<std::int64_t>::max();

    std::int64_t settled_ms = always;
    std::int64_t span_ms = 0;          ///< the longest window asked for so far: what is older is settled
    std::int64_t live_ms = no_time;    ///< no live slot's newest sample is older
    std::int64_t rests_ms = no_time;   ///< no resting slot's newest but one sample is older
    std::int64_t surveyed_ms = always; ///< when both were found last
};

/// Walks through set bits of the marks of a stream in the order of its slots: `visit(slot)`, until it says false.
template <class Bits, class Visit>
WT_HD void for_slots(const SlotMarks* marks, std::int32_t slots, const Bits& bits_of, const Visit& visit) {
    for (std::int32_t word = 0; word * 64 < slots; ++word)
        for (std::uint64_t bits = bits_of(marks[word]); bits != 0; bits &= bits - 1)
            if (!visit(word * 64 + static_cast<std::int32_t>(lowest_bit(bits)))) return;
}

}  // namespace windtunnel
