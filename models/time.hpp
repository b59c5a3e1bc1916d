#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

/// A point in simulated time or a duration: a 64-bit count of 10 ps.
///
/// Integer, so that sums do not depend on order, compiler or device. The range of 2^62 ticks that the
/// engine allows is 1.46 years. Every duration is rounded to ticks once, where it enters the engine.
struct Tick {
    std::int64_t count = 0;

    WT_HD constexpr Tick& operator+=(Tick other) {
        count += other.count;
        return *this;
    }
    WT_HD constexpr Tick& operator-=(Tick other) {
        count -= other.count;
        return *this;
    }
};

// By value and by hand: nvcc takes neither the address of a namespace-scope constant nor a defaulted <=> on a
// device.
WT_HD constexpr bool operator==(Tick a, Tick b) { return a.count == b.count; }
WT_HD constexpr bool operator!=(Tick a, Tick b) { return a.count != b.count; }
WT_HD constexpr bool operator<(Tick a, Tick b) { return a.count < b.count; }
WT_HD constexpr bool operator<=(Tick a, Tick b) { return a.count <= b.count; }
WT_HD constexpr bool operator>(Tick a, Tick b) { return a.count > b.count; }
WT_HD constexpr bool operator>=(Tick a, Tick b) { return a.count >= b.count; }
WT_HD constexpr Tick operator+(Tick a, Tick b) { return {a.count + b.count}; }
WT_HD constexpr Tick operator-(Tick a, Tick b) { return {a.count - b.count}; }
WT_HD constexpr Tick operator*(Tick a, std::int64_t n) { return {a.count * n}; }
WT_HD constexpr Tick operator*(std::int64_t n, Tick a) { return {a.count * n}; }
WT_HD constexpr Tick min(Tick a, Tick b) { return a < b ? a : b; }
WT_HD constexpr Tick max(Tick a, Tick b) { return a < b ? b : a; }

inline constexpr std::int64_t ticks_per_second = 100'000'000'000;
inline constexpr std::int64_t ticks_per_millisecond = 100'000'000;
inline constexpr std::int64_t ticks_per_microsecond = 100'000;

/// Later than everything that happens: "never by itself".
inline constexpr Tick never{INT64_MAX};
/// The clock stays below this; a scenario whose span could pass it is refused.
inline constexpr Tick end_of_time{std::int64_t{1} << 62};
/// The longest step a blueprint may contain (704 s), see ARCHITECTURE.md, "Bounds".
inline constexpr Tick longest_step{std::int64_t{1} << 46};

WT_HD constexpr Tick seconds(std::int64_t s) { return {s * ticks_per_second}; }
WT_HD constexpr Tick milliseconds(std::int64_t ms) { return {ms * ticks_per_millisecond}; }

/// Rounds a duration in seconds to the nearest tick, halves away from zero. Host and device agree: one
/// multiplication and one conversion, both exact IEEE operations. Requires |s| < 4.6e7.
WT_HD constexpr Tick from_seconds(double s) {
    const double t = s * static_cast<double>(ticks_per_second);
    return {static_cast<std::int64_t>(t < 0 ? t - 0.5 : t + 0.5)};
}
WT_HD constexpr double to_seconds(Tick t) {
    return static_cast<double>(t.count) / static_cast<double>(ticks_per_second);
}
WT_HD constexpr double to_milliseconds(Tick t) {
    return static_cast<double>(t.count) / static_cast<double>(ticks_per_millisecond);
}

}  // namespace windtunnel
