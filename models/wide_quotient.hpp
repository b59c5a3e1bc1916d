#pragma once
#include "models/wide_sum.hpp"

#include <cstdint>

namespace windtunnel {

inline constexpr std::uint64_t largest_quotient = UINT64_MAX;

/// The leading zeros of a word. Requires word != 0.
WT_HD constexpr int leading_zeros(std::uint64_t word) {
    int zeros = 0;
    for (int step = 32; step > 0; step /= 2)
        if (word >> (64 - step) == 0) {
            word <<= step;
            zeros += step;
        }
    return zeros;
}

/// A 128-bit number divided by one of 64 bits, rounded down: schoolbook division with two digits of 32 bits
/// (Knuth, TAOCP volume 2, 4.3.1, algorithm D). `largest_quotient` where the quotient does not fit 64 bits.
/// Requires divisor != 0.
WT_HD_CALL constexpr std::uint64_t divide_wide(WideSum dividend, std::uint64_t divisor) {
    if (dividend.high == 0) return dividend.low / divisor;
    if (dividend.high >= divisor) return largest_quotient;
    constexpr std::uint64_t base = std::uint64_t{1} << 32, digit = base - 1;
    const int shift = leading_zeros(divisor);
    divisor <<= shift;
    const std::uint64_t d1 = divisor >> 32, d0 = divisor & digit;
    const std::uint64_t high =
        shift == 0 ? dividend.high : dividend.high << shift | dividend.low >> (64 - shift);
    const std::uint64_t low = dividend.low << shift;
    std::uint64_t rest = high, quotient = 0;
    for (int place = 1; place >= 0; --place) {
        const std::uint64_t next = low >> (32 * place) & digit;
        std::uint64_t q = rest / d1, r = rest % d1;
        while (q >= base || q * d0 > (r << 32 | next)) {
            --q;
            r += d1;
            if (r >= base) break;
        }
        rest = (rest << 32 | next) - q * divisor;  // modulo 2^64: the true value is below the divisor
        quotient = quotient << 32 | q;
    }
    return quotient;
}

/// a * b / c, rounded down or up; `largest_quotient` where it does not fit. Requires c != 0.
WT_HD_CALL constexpr std::uint64_t multiply_divide(std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                                   bool up = false) {
    WideSum product;
    product.add_product(a, b);
    if (up) product.add(c - 1);
    return divide_wide(product, c);
}

}  // namespace windtunnel
