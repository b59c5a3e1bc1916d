#pragma once
#include "models/time.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace windtunnel {

/// A point in time as a trace writes it, before it is related to the trace's start: whole seconds and the
/// ticks within the second (0 .. ticks_per_second - 1). Unix times do not fit into a Tick; these do.
struct Instant {
    std::int64_t seconds = 0;
    std::int64_t ticks = 0;

    constexpr auto operator<=>(const Instant&) const = default;
};

/// How a decimal number of time units could not be read.
enum class DecimalError { none, not_a_number, negative, too_large };

/// Reads "12", "0.5", "1e-3", "+7." exactly, by integers: digits beyond 10 ps are rounded, halves up.
/// `unit_exponent` is 0 for seconds, -3 for milliseconds, -6 and -9. Refuses NaN, infinities and signs below
/// 0 (but takes "-0"), and more than 10^12 s.
[[nodiscard]] DecimalError parse_decimal_time(std::string_view text, int unit_exponent, Instant& out);

/// Reads ISO 8601 dates with a time of day: `2023-11-16 18:15:46.6805900`, `2024-05-10T00:00:00+00:00`,
/// `...Z`, `+0530`, `-08`; any number of fraction digits; no offset means UTC. Remembers the last date, so
/// that a file of sorted rows costs one date computation a day.
class TimestampParser {
public:
    [[nodiscard]] bool parse(std::string_view text, Instant& out);

private:
    std::string m_date;          // the ten characters of the last date
    std::int64_t m_seconds = 0;  // its midnight, Unix time
};

/// "12.5": the shortest decimal that reads back as exactly `time`; at most 11 fraction digits.
[[nodiscard]] std::string format_seconds(Tick time);
/// As format_seconds, without allocation; returns the end of what it wrote. `into` holds at least 32.
char* write_seconds(char* into, Tick time);

/// "2023-11-16T18:15:46.68059Z".
[[nodiscard]] std::string format_wall_clock(std::int64_t seconds, std::int32_t nanoseconds);

}  // namespace windtunnel
