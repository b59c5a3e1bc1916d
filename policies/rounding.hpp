#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

inline constexpr std::int32_t max_i32 = 2147483647;

/// Cuts an integer to what an int32 holds; replica counts saturate instead of wrapping.
WT_HD constexpr std::int32_t saturate_i32(std::int64_t value) {
    if (value > max_i32) return max_i32;
    if (value < -std::int64_t{max_i32} - 1) return -max_i32 - 1;
    return static_cast<std::int32_t>(value);
}

/// The smallest integer not below `value`, cut to int32; NaN gives 0. Exact: no library call is involved,
/// so host and device agree to the bit.
WT_HD constexpr std::int32_t ceil_to_i32(double value) {
    if (value != value) return 0;
    if (value >= static_cast<double>(max_i32)) return max_i32;
    if (value <= -static_cast<double>(max_i32)) return -max_i32;
    const auto whole = static_cast<std::int32_t>(value);
    return static_cast<double>(whole) < value ? whole + 1 : whole;
}

/// As `ceil_to_i32`, for milli-units.
WT_HD constexpr std::int64_t ceil_to_i64(double value) {
    if (value != value) return 0;
    if (value >= 9223372036854775807.0) return INT64_MAX;
    if (value <= -9223372036854775807.0) return INT64_MIN;
    const auto whole = static_cast<std::int64_t>(value);
    return static_cast<double>(whole) < value ? whole + 1 : whole;
}

/// Cuts towards zero, as Go's int32(x) does, but saturating; NaN gives 0.
WT_HD constexpr std::int32_t trunc_to_i32(double value) {
    if (value != value) return 0;
    if (value >= static_cast<double>(max_i32)) return max_i32;
    if (value <= -static_cast<double>(max_i32)) return -max_i32;
    return static_cast<std::int32_t>(value);
}

/// a + b for values of at least 0, stopping at the largest int64.
WT_HD constexpr std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
    return b > INT64_MAX - a ? INT64_MAX : a + b;
}

}  // namespace windtunnel
