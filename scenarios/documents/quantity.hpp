#pragma once
#include "models/problem.hpp"
#include "models/time.hpp"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace windtunnel {

// What the texts of the user's files mean: Kubernetes quantities, durations, percentages, money.
// Each parser returns the value or one Problem whose message says what was found and what is allowed
// (its position and path are filled in by the decoder).

/// A Kubernetes quantity, exact to a billionth (finer digits are rounded up in magnitude, as Kubernetes
/// does): value = whole + nano / 1e9, with 0 <= nano < 1e9.
struct Quantity {
    std::int64_t whole = 0;
    std::int64_t nano = 0;

    auto operator<=>(const Quantity&) const = default;
    /// The value rounded up to an integer (what Kubernetes uses for bytes and GPUs).
    [[nodiscard]] std::int64_t ceil() const { return whole + (nano > 0 ? 1 : 0); }
    /// Thousandths, rounded up (what Kubernetes uses for CPU and for metric values). Saturates.
    [[nodiscard]] std::int64_t milli_ceil() const;
    [[nodiscard]] bool is_integer() const { return nano == 0; }
    [[nodiscard]] double to_double() const;
};

/// `100m`, `1Gi`, `1e3`, `500M`, `0.5`, `-1`: digits with at most one of the suffixes n u m k M G T P E,
/// Ki Mi Gi Ti Pi Ei, or a decimal exponent.
[[nodiscard]] Result<Quantity> parse_quantity(std::string_view text);

/// A Go duration: `300ms`, `1.5h`, `1h30m`, `-5s`, `0`. Units ns us ms s m h. Exact to a tick (10 ps).
[[nodiscard]] Result<Tick> parse_go_duration(std::string_view text);

/// A count, or a percentage of something, as in maxSurge.
struct IntOrPercent {
    std::int64_t value = 0;
    bool percent = false;

    bool operator==(const IntOrPercent&) const = default;
};
/// `25%` (integers only, as Kubernetes).
[[nodiscard]] Result<IntOrPercent> parse_percent(std::string_view text);

/// Money as an exact decimal with at most nine fractional digits, in billionths of a US dollar: `1.006`.
[[nodiscard]] Result<std::int64_t> parse_nano_usd(std::string_view text);

/// A wall-clock time as seconds since 1970-01-01T00:00:00Z: `2026-03-02`, `2026-03-02T08:00`,
/// `2026-03-02T08:00:00Z`, `2026-03-02T08:00:00+05:30`. Without Z or an offset it is read in `zone`
/// (an IANA name).
[[nodiscard]] Result<std::int64_t> parse_wall_clock(const std::string& text, const std::string& zone);

/// Whether the system's time zone database knows the IANA name.
[[nodiscard]] bool is_time_zone(const std::string& name);

}  // namespace windtunnel
