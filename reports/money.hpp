#pragma once
#include "models/wide_sum.hpp"

#include <cstdint>
#include <string>

namespace windtunnel {

/// Hours in a month of the price lists.
inline constexpr double hours_per_month = 730;

/// What `node_time` (ticks) costs at a price, in micro-USD: exact in integers, rounded once, halves to even.
/// Requires nano_usd_per_hour >= 0 and a bill below 9.2e12 USD.
[[nodiscard]] std::int64_t micro_usd_of(WideSum node_time, std::int64_t nano_usd_per_hour);

/// The same of a sum of times multiplied by their prices (ticks x nano-USD per hour).
[[nodiscard]] inline std::int64_t micro_usd_of(WideSum priced_time) { return micro_usd_of(priced_time, 1); }

/// numerator / denominator rounded to an integer, halves to even. Requires numerator >= 0, denominator > 0.
[[nodiscard]] std::int64_t divided_half_even(std::int64_t numerator, std::int64_t denominator);

/// micro_usd per million of `tokens` tokens, in micro-USD. Requires tokens > 0.
[[nodiscard]] std::int64_t micro_usd_per_million(std::int64_t micro_usd, std::uint64_t tokens);

/// "12.345678".
[[nodiscard]] std::string decimal_usd(std::int64_t micro_usd);
/// The same of a sum in USD that is not exact (the bound of an interval); negative bounds keep their sign.
[[nodiscard]] std::string decimal_usd(double usd);

}  // namespace windtunnel
