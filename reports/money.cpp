#include "reports/money.hpp"

#include "models/expects.hpp"
#include "models/time.hpp"

#include <fmt/format.h>
#include <cmath>

namespace windtunnel {

namespace {

__extension__ typedef unsigned __int128 Wide;

std::int64_t half_even(Wide numerator, Wide denominator) {
    Wide quotient = numerator / denominator;
    const Wide rest = numerator % denominator, other = denominator - rest;
    if (rest > other || (rest == other && quotient % 2 == 1)) ++quotient;
    WT_EXPECTS(quotient <= static_cast<Wide>(INT64_MAX));
    return static_cast<std::int64_t>(quotient);
}

}  // namespace

std::int64_t micro_usd_of(WideSum node_time, std::int64_t nano_usd_per_hour) {
    WT_EXPECTS(nano_usd_per_hour >= 0);
    constexpr Wide ticks_per_hour = Wide{3600} * ticks_per_second;
    const Wide ticks = static_cast<Wide>(node_time.high) << 64 | node_time.low;
    const auto price = static_cast<Wide>(nano_usd_per_hour);
    const Wide hours = ticks / ticks_per_hour;
    WT_EXPECTS(hours < Wide{1} << 62);
    // Whole hours and the rest apart: each product stays below 2^126.
    const Wide nano_times_ticks = hours * price % 1000 * ticks_per_hour + ticks % ticks_per_hour * price;
    const Wide whole = hours * price / 1000;
    WT_EXPECTS(whole < Wide{1} << 62);
    // Adding an even or odd whole must not change what half rounds to.
    const auto even_part = static_cast<std::int64_t>(whole - whole % 2);
    return even_part + half_even(nano_times_ticks + whole % 2 * 1000 * ticks_per_hour, 1000 * ticks_per_hour);
}

std::int64_t divided_half_even(std::int64_t numerator, std::int64_t denominator) {
    WT_EXPECTS(numerator >= 0 && denominator > 0);
    return half_even(static_cast<Wide>(numerator), static_cast<Wide>(denominator));
}

std::int64_t micro_usd_per_million(std::int64_t micro_usd, std::uint64_t tokens) {
    WT_EXPECTS(micro_usd >= 0 && tokens > 0);
    return half_even(static_cast<Wide>(micro_usd) * 1'000'000, tokens);
}

std::string decimal_usd(std::int64_t micro_usd) {
    const std::int64_t size = micro_usd < 0 ? -micro_usd : micro_usd;
    return fmt::format("{}{}.{:06}", micro_usd < 0 ? "-" : "", size / 1'000'000, size % 1'000'000);
}

std::string decimal_usd(double usd) {
    return decimal_usd(static_cast<std::int64_t>(std::llround(usd * 1e6)));
}

}  // namespace windtunnel
