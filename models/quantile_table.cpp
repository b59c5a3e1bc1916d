#include "models/quantile_table.hpp"

#include "models/expects.hpp"

#include <algorithm>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>

namespace windtunnel {
namespace {

constexpr int half = QuantileTable::octaves * QuantileTable::cells + 1;  // index of the median

double ends_in(double p) { return p > 0 ? p : std::ldexp(1.0, -(QuantileTable::octaves + 4)); }

/// The standard normal quantile from whichever of p and q is small.
double normal_quantile(double p, double q) {
    constexpr double root_two = 1.4142135623730950488;
    return p < q ? -root_two * boost::math::erfc_inv(2 * p) : root_two * boost::math::erfc_inv(2 * q);
}

}  // namespace

TableProbability table_probability(int index) {
    const bool upper = index > half;
    const int mirrored = upper ? QuantileTable::size - 1 - index : index;
    double tail = 0;
    if (mirrored > 0) {
        const int octave = QuantileTable::octaves - 1 - (mirrored - 1) / QuantileTable::cells;
        const int cell = (mirrored - 1) % QuantileTable::cells;
        tail = std::ldexp(1.0 + cell / static_cast<double>(QuantileTable::cells), -(octave + 2));
    }
    return upper ? TableProbability{1 - tail, tail} : TableProbability{tail, 1 - tail};
}

QuantileTable make_quantile_table(const std::function<double(double, double)>& quantile,
                                  std::int64_t smallest, std::int64_t largest) {
    WT_EXPECTS(smallest <= largest);
    QuantileTable table{};
    std::int64_t previous = smallest;
    for (int i = 0; i < QuantileTable::size; ++i) {
        const TableProbability at = table_probability(i);
        const double value = quantile(ends_in(at.p), ends_in(at.q));
        WT_EXPECTS(!std::isnan(value));
        const double held = std::clamp(value, static_cast<double>(smallest), static_cast<double>(largest));
        previous = std::clamp(static_cast<std::int64_t>(std::floor(held + 0.5)), previous, largest);
        table.values[i] = previous;
    }
    return table;
}

QuantileTable constant_table(std::int64_t value) {
    QuantileTable table{};
    std::fill(std::begin(table.values), std::end(table.values), value);
    return table;
}

QuantileTable uniform_table(std::int64_t smallest, std::int64_t largest) {
    WT_EXPECTS(smallest <= largest);
    QuantileTable table{};
    // Each integer gets the same width: from smallest - 1/2 to largest + 1/2 before rounding.
    const double from = static_cast<double>(smallest) - 0.5;
    const double width = static_cast<double>(largest) - static_cast<double>(smallest) + 1;
    for (int i = 0; i < QuantileTable::size; ++i) {
        const double value = std::floor(from + width * table_probability(i).p + 0.5);
        table.values[i] = std::clamp(static_cast<std::int64_t>(value), smallest, largest);
    }
    return table;
}

QuantileTable exponential_table(double mean) {
    return make_quantile_table(
        [mean](double p, double q) { return -mean * (p < q ? std::log1p(-p) : std::log(q)); }, 0,
        largest_table_value);
}

QuantileTable lognormal_table(double median, double sigma, std::int64_t smallest, std::int64_t largest) {
    return make_quantile_table(
        [=](double p, double q) { return median * std::exp(sigma * normal_quantile(p, q)); }, smallest,
        largest);
}

QuantileTable gamma_table(double shape, double scale) {
    return make_quantile_table(
        [=](double p, double q) {
            return scale * (p < q ? boost::math::gamma_p_inv(shape, p) : boost::math::gamma_q_inv(shape, q));
        },
        0, largest_table_value);
}

QuantileTable weibull_table(double shape, double scale) {
    return make_quantile_table(
        [=](double p, double q) {
            return scale * std::pow(-(p < q ? std::log1p(-p) : std::log(q)), 1 / shape);
        },
        0, largest_table_value);
}

QuantileTable normal_table(double mean, double stddev) {
    return make_quantile_table([=](double p, double q) { return mean + stddev * normal_quantile(p, q); }, 0,
                               largest_table_value);
}

QuantileTable points_table(const std::vector<QuantilePoint>& points) {
    WT_EXPECTS(!points.empty());
    QuantileTable table{};
    std::size_t next = 0;
    for (int i = 0; i < QuantileTable::size; ++i) {
        const double p = table_probability(i).p;
        while (next < points.size() && points[next].probability <= p) ++next;
        double value = next == 0 ? points.front().value : points[next - 1].value;
        if (next > 0 && next < points.size()) {
            const QuantilePoint &a = points[next - 1], &b = points[next];
            value += (b.value - a.value) * (p - a.probability) / (b.probability - a.probability);
        }
        table.values[i] = static_cast<std::int64_t>(std::floor(value + 0.5));
    }
    return table;
}

double table_mean(const QuantileTable& table) {
    double mean = 0;
    for (int i = 0; i + 1 < QuantileTable::size; ++i) {
        const TableProbability a = table_probability(i), b = table_probability(i + 1);
        const double width = i < half ? b.p - a.p : a.q - b.q;
        mean += width * (static_cast<double>(table.values[i]) + static_cast<double>(table.values[i + 1])) / 2;
    }
    return mean;
}

}  // namespace windtunnel
