#pragma once
#include "models/host_device.hpp"

#include <compare>
#include <cstdint>

namespace windtunnel {

/// An unsigned 128-bit sum in two words: ticks over requests or nodes outgrow 64 bits
/// (2,000 nodes for a day are 1.7e19 ticks). Exact, order-independent, the same on host and device.
struct WideSum {
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    WT_HD constexpr void add(std::uint64_t value) {
        low += value;
        high += low < value ? 1 : 0;
    }
    /// Adds `value * times`, exact. Both factors may use all 64 bits.
    WT_HD constexpr void add_product(std::uint64_t value, std::uint64_t times) {
        __extension__ using Wide = unsigned __int128;
        const Wide product = static_cast<Wide>(value) * times;
        add(static_cast<std::uint64_t>(product));
        high += static_cast<std::uint64_t>(product >> 64);
    }
    WT_HD constexpr void merge(const WideSum& other) {
        add(other.low);
        high += other.high;
    }
    /// Requires other <= *this.
    WT_HD constexpr void subtract(const WideSum& other) {
        high -= other.high + (low < other.low ? 1 : 0);
        low -= other.low;
    }
    /// The nearest double (to within one unit in the last place of the high word's conversion).
    WT_HD constexpr double to_double() const {
        return static_cast<double>(high) * 18446744073709551616.0 + static_cast<double>(low);
    }
    WT_HD constexpr bool operator==(const WideSum&) const = default;
};

}  // namespace windtunnel
