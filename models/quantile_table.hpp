#pragma once
#include "models/host_device.hpp"
#include "models/random.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace windtunnel {

/// An inverse distribution function in integers: draws of any distribution from uniform bits, the same on
/// host and device, without a transcendental function.
///
/// `values` are quantiles (ticks, tokens) at fixed probabilities p_0 = 0 < ... < p_(size-1) = 1 that are
/// log-spaced in both tails: each octave of the distance to the nearer end, from [1/4, 1/2) down to
/// [2^-25, 2^-24), holds `cells` equal cells; what is beyond is one cell. Between two of them the quantile
/// is linear. With p = min(p, 1-p): value i of the lower half stands at
///     p_0 = 0, p_(1 + (octaves-1-o) * cells + j) = 2^-(o+2) * (1 + j / cells),
/// and the upper half mirrors it.
struct QuantileTable {
    static constexpr int octaves = 24;
    static constexpr int cells = 8;
    static constexpr int size = 2 * (octaves * cells + 1) + 1;

    std::int64_t values[size];  ///< ascending, |value| < 2^62

    /// The quantile at (bits + 1/2) / 2^64, rounded to the nearest integer.
    WT_HD constexpr std::int64_t sample(std::uint64_t bits) const {
        const bool upper = bits >> 63 != 0;
        const std::uint64_t tail = upper ? ~bits : bits;  // distance to the nearer end, below 2^63
        int cell = 0;
        std::uint64_t fraction = 0;  // of the cell, in 2^-64
        constexpr int outer_bits = 63 - octaves;
        if (tail >> outer_bits == 0) {
            fraction = tail << (64 - outer_bits);
        } else {
            int octave = 0;
            std::uint64_t shifted = tail << 1;  // leading one of octave 0 at bit 63
            while (shifted >> 63 == 0) {
                shifted <<= 1;
                ++octave;
            }
            shifted <<= 1;
            cell = 1 + (octaves - 1 - octave) * cells + static_cast<int>(shifted >> 61);
            fraction = shifted << 3;
        }
        const std::int64_t from = values[upper ? size - 1 - cell : cell];
        const std::int64_t to = values[upper ? size - 2 - cell : cell + 1];
        const std::uint64_t width = static_cast<std::uint64_t>(upper ? from - to : to - from);
        const std::uint64_t low = width * fraction;
        const auto step = static_cast<std::int64_t>(multiply_high(width, fraction) + (low >> 63));
        return upper ? from - step : from + step;
    }
};

/// Where value `index` stands: `p` from below and `q` = 1 - p, both exact.
struct TableProbability {
    double p, q;
};
[[nodiscard]] TableProbability table_probability(int index);

/// A table of any distribution. `quantile(p, q)` with q = 1 - p returns the quantile in the caller's unit; it
/// is called for 0 < p < 1 only, the ends being taken at an eighth of the outermost probability. Values are
/// rounded to integers and held within [smallest, largest].
[[nodiscard]] QuantileTable make_quantile_table(const std::function<double(double p, double q)>& quantile,
                                                std::int64_t smallest, std::int64_t largest);

inline constexpr std::int64_t largest_table_value = (std::int64_t{1} << 62) - 1;

// All parameters in the unit of the values. Requires finite, positive parameters (sigma and stddev: at least
// 0).
[[nodiscard]] QuantileTable constant_table(std::int64_t value);
[[nodiscard]] QuantileTable uniform_table(std::int64_t smallest, std::int64_t largest);
[[nodiscard]] QuantileTable exponential_table(double mean);
/// exp(N(ln median, sigma^2)), held within [smallest, largest].
[[nodiscard]] QuantileTable lognormal_table(double median, double sigma, std::int64_t smallest = 0,
                                            std::int64_t largest = largest_table_value);
[[nodiscard]] QuantileTable gamma_table(double shape, double scale);
[[nodiscard]] QuantileTable weibull_table(double shape, double scale);
/// Held at 0 from below.
[[nodiscard]] QuantileTable normal_table(double mean, double stddev);

/// A quantile known from data: `value` at `probability`.
struct QuantilePoint {
    double probability = 0;
    double value = 0;
};
/// Linear between the points. Requires at least one point, probabilities strictly ascending within [0, 1] and
/// values ascending; outside the first and last point their values hold.
[[nodiscard]] QuantileTable points_table(const std::vector<QuantilePoint>& points);

/// The mean of what sample() draws, before rounding to integers.
[[nodiscard]] double table_mean(const QuantileTable& table);

}  // namespace windtunnel
