#pragma once
#include "policies/rounding.hpp"

#include <cstdint>

namespace windtunnel {

/// Kubernetes' IntOrString as a number: absent, an integer, or whole percent of a total.
struct CountOrPercent {
    enum class Kind : std::uint8_t { absent, integer, percent };
    Kind kind = Kind::absent;
    std::int32_t value = 0;

    [[nodiscard]] WT_HD constexpr bool is_given() const { return kind != Kind::absent; }

    /// The number for `total`; a percentage is rounded as asked, an absent value is 0. Integers only, so
    /// there is nothing to round twice.
    [[nodiscard]] WT_HD constexpr std::int32_t resolve(std::int32_t total, bool round_up) const {
        if (kind == Kind::absent) return 0;
        if (kind == Kind::integer) return value;
        const std::int64_t product = std::int64_t{value} * total;
        const std::int64_t whole = product / 100;  // cut towards zero
        if (round_up && product % 100 > 0) return saturate_i32(whole + 1);
        if (!round_up && product % 100 < 0) return saturate_i32(whole - 1);
        return saturate_i32(whole);
    }
};

WT_HD constexpr CountOrPercent integer(std::int32_t value) { return {CountOrPercent::Kind::integer, value}; }
WT_HD constexpr CountOrPercent percent(std::int32_t value) { return {CountOrPercent::Kind::percent, value}; }

}  // namespace windtunnel
