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
    WT_HD_CALL constexpr void add_product(std::uint64_t value, std::uint64_t times) {
        const std::uint64_t a0 = value & 0xffffffffu, a1 = value >> 32;
        const std::uint64_t b0 = times & 0xffffffffu, b1 = times >> 32;
        const std::uint64_t p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
        const std::uint64_t middle = (p00 >> 32) + (p01 & 0xffffffffu) + (p10 & 0xffffffffu);
        const std::uint64_t product_low = (middle << 32) | (p00 & 0xffffffffu);
        const std::uint64_t product_high = p11 + (p01 >> 32) + (p10 >> 32) + (middle >> 32);
        add(product_low);
        high += product_high;
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
