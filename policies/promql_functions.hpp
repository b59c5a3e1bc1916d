#pragma once
#include "models/host_device.hpp"
#include "policies/promql_program.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

/// The arithmetic of PromQL over plain numbers and points: what rate() or a quantile *is*. Imitates
/// Prometheus' engine down to the order of its floating-point operations; no function of a mathematical
/// library is used but those that IEEE 754 rounds correctly (sqrt, floor, ceil, fmod).
namespace windtunnel {

inline constexpr double promql_infinity = std::numeric_limits<double>::infinity();
inline constexpr double promql_nan = std::numeric_limits<double>::quiet_NaN();

WT_HD inline bool is_nan(double v) { return v != v; }
WT_HD inline bool is_infinite(double v) { return v == promql_infinity || v == -promql_infinity; }
WT_HD inline double absolute(double v) { return v < 0 ? -v : v; }

/// A sum with Neumaier's compensation: `sum + rest` is the result.
struct CompensatedSum {
    double sum = 0;
    double rest = 0;

    WT_HD void add(double term) {
        const double total = sum + term;
        rest += absolute(sum) >= absolute(term) ? (sum - total) + term : (term - total) + sum;
        sum = total;
    }
    WT_HD double result() const { return is_infinite(sum) ? sum : sum + rest; }
};

/// Go's math.Min and math.Max, which clamp() uses: an infinity beats NaN, NaN beats a number.
WT_HD inline double lesser(double a, double b) {
    if (a == -promql_infinity || b == -promql_infinity) return -promql_infinity;
    if (is_nan(a) || is_nan(b)) return promql_nan;
    return a < b ? a : b;
}
WT_HD inline double greater_of(double a, double b) {
    if (a == promql_infinity || b == promql_infinity) return promql_infinity;
    if (is_nan(a) || is_nan(b)) return promql_nan;
    return a > b ? a : b;
}

/// The average by running mean, which cannot overflow; an infinite mean stays unless contradicted.
struct RunningMean {
    CompensatedSum mean;
    double count = 0;

    WT_HD void add(double value, bool compensated) {
        count += 1;
        if (is_infinite(mean.sum)) {
            if (is_infinite(value) && (mean.sum > 0) == (value > 0)) return;
            if (!is_infinite(value) && !is_nan(value)) return;
        }
        const double step = value / count - mean.sum / count;
        if (compensated)
            mean.add(step);
        else
            mean.sum += step;
    }
    WT_HD double result() const { return mean.result(); }
};

/// x to a small power: an integer from -64 to 64 or one half (what the compiler lets through).
WT_HD inline double small_power(double x, double exponent) {
    if (exponent == 0.5) return x == -promql_infinity ? promql_infinity : std::sqrt(x);
    double product = 1, square = x;
    for (int n = static_cast<int>(absolute(exponent)); n > 0; n >>= 1) {
        if (n & 1) product *= square;
        if (n > 1) square *= square;
    }
    return exponent < 0 ? 1 / product : product;
}

/// The value of an operator. For comparisons 1 or 0: whether it holds.
WT_HD_CALL inline double apply_binary(PromqlBinary op, double a, double b) {
    switch (op) {
        case PromqlBinary::add:
            return a + b;
        case PromqlBinary::subtract:
            return a - b;
        case PromqlBinary::multiply:
            return a * b;
        case PromqlBinary::divide:
            return a / b;
        case PromqlBinary::modulo:
            return std::fmod(a, b);
        case PromqlBinary::power:
            return small_power(a, b);
        case PromqlBinary::equal:
            return a == b ? 1 : 0;
        case PromqlBinary::not_equal:
            return a != b ? 1 : 0;
        case PromqlBinary::less:
            return a < b ? 1 : 0;
        case PromqlBinary::less_equal:
            return a <= b ? 1 : 0;
        case PromqlBinary::greater:
            return a > b ? 1 : 0;
        case PromqlBinary::greater_equal:
            return a >= b ? 1 : 0;
        default:
            return promql_nan;
    }
}
WT_HD inline bool is_comparison(PromqlBinary op) {
    return op >= PromqlBinary::equal && op <= PromqlBinary::greater_equal;
}

/// rate(), increase() and delta() of a window of `count` >= 2 samples: its last and first sample, and by how much
/// it has changed between them (counter resets added back), extrapolated towards the window's edges. A gap at an
/// edge of less than 1.1 average sample distances is bridged, a longer one only for half a distance, and a counter
/// is not extrapolated below zero.
WT_HD_CALL inline double extrapolate(const PromqlPoint& first, const PromqlPoint& last, std::int32_t count, double change,
                                std::int64_t start_ms, std::int64_t end_ms, bool is_counter, bool per_second,
                                     PromqlSemantics semantics) {
    double to_start = static_cast<double>(first.time_ms - start_ms) / 1000;
    double to_end = static_cast<double>(end_ms - last.time_ms) / 1000;
    const double sampled = static_cast<double>(last.time_ms - first.time_ms) / 1000;
    const double average_distance = sampled / static_cast<double>(count - 1);
    const double threshold = average_distance * 1.1;
    const bool may_hit_zero = is_counter && change > 0 && first.value >= 0;
    double covered = 0;
    if (semantics == PromqlSemantics::prometheus_2) {
        if (may_hit_zero) {
            const double to_zero = sampled * (first.value / change);
            if (to_zero < to_start) to_start = to_zero;
        }
        covered = sampled;
        covered += to_start < threshold ? to_start : average_distance / 2;
        covered += to_end < threshold ? to_end : average_distance / 2;
    } else {
        if (to_start >= threshold) to_start = average_distance / 2;
        if (may_hit_zero) {
            const double to_zero = sampled * (first.value / change);
            if (to_zero < to_start) to_start = to_zero;
        }
        if (to_end >= threshold) to_end = average_distance / 2;
        covered = sampled + to_start + to_end;
    }
    double factor = covered / sampled;
    if (per_second) factor /= static_cast<double>(end_ms - start_ms) / 1000;
    return change * factor;
}

/// The same from all samples of the window. False when there are fewer than two.
WT_HD inline bool extrapolated_rate(const PromqlPoint* points, std::int32_t count, std::int64_t start_ms,
                                    std::int64_t end_ms, bool is_counter, bool per_second,
                                    PromqlSemantics semantics, double& result) {
    if (count < 2) return false;
    double change = points[count - 1].value - points[0].value;
    if (is_counter) {
        for (std::int32_t i = 1; i < count; ++i)
            if (points[i].value < points[i - 1].value) change += points[i - 1].value;
    }
    result = extrapolate(points[0], points[count - 1], count, change, start_ms, end_ms, is_counter, per_second,
                         semantics);
    return true;
}

/// irate() and idelta(): the last two samples.
WT_HD inline bool instant_change(const PromqlPoint* points, std::int32_t count, bool is_rate,
                                 double& result) {
    if (count < 2) return false;
    const PromqlPoint& last = points[count - 1];
    const PromqlPoint& previous = points[count - 2];
    result = is_rate && last.value < previous.value ? last.value : last.value - previous.value;
    if (last.time_ms == previous.time_ms) return false;
    if (is_rate) result /= static_cast<double>(last.time_ms - previous.time_ms) / 1000;
    return true;
}

/// Least squares through the points: slope per second, and the value at `origin_ms`.
WT_HD inline void linear_regression(const PromqlPoint* points, std::int32_t count, std::int64_t origin_ms,
                                    double& slope, double& at_origin) {
    CompensatedSum x_sum, y_sum, xy_sum, xx_sum;
    double n = 0;
    bool constant = true;
    for (std::int32_t i = 0; i < count; ++i) {
        if (i > 0 && points[i].value != points[0].value) constant = false;
        n += 1;
        const double x = static_cast<double>(points[i].time_ms - origin_ms) / 1e3;
        x_sum.add(x);
        y_sum.add(points[i].value);
        xy_sum.add(x * points[i].value);
        xx_sum.add(x * x);
    }
    if (constant) {
        const bool infinite = is_infinite(points[0].value);
        slope = infinite ? promql_nan : 0;
        at_origin = infinite ? promql_nan : points[0].value;
        return;
    }
    const double sum_x = x_sum.sum + x_sum.rest, sum_y = y_sum.sum + y_sum.rest;
    const double covariance = (xy_sum.sum + xy_sum.rest) - sum_x * sum_y / n;
    const double variance = (xx_sum.sum + xx_sum.rest) - sum_x * sum_x / n;
    slope = covariance / variance;
    at_origin = sum_y / n - slope * sum_x / n;
}

/// NaN before everything, as Prometheus sorts; strict.
WT_HD inline bool sorts_before(double a, double b) { return a < b || (is_nan(a) && !is_nan(b)); }

/// Sorts by value, ascending, NaN first: heap sort, in place, no recursion.
WT_HD inline void sort_by_value(PromqlPoint* points, std::int32_t count) {
    auto sift = [points](std::int64_t root, std::int64_t end) {
        for (std::int64_t child = 2 * root + 1; child < end; child = 2 * root + 1) {
            if (child + 1 < end && sorts_before(points[child].value, points[child + 1].value)) ++child;
            if (!sorts_before(points[root].value, points[child].value)) return;
            const PromqlPoint kept = points[root];
            points[root] = points[child];
            points[child] = kept;
            root = child;
        }
    };
    for (std::int64_t root = count / 2 - 1; root >= 0; --root) sift(root, count);
    for (std::int64_t end = count - 1; end > 0; --end) {
        const PromqlPoint largest = points[0];
        points[0] = points[end];
        points[end] = largest;
        sift(0, end);
    }
}

/// The q-quantile by linear interpolation between ranks. Sorts `points`.
WT_HD_CALL inline double quantile_of(double q, PromqlPoint* points, std::int32_t count) {
    if (count == 0 || is_nan(q)) return promql_nan;
    if (q < 0) return -promql_infinity;
    if (q > 1) return promql_infinity;
    sort_by_value(points, count);
    const double n = static_cast<double>(count);
    const double rank = q * (n - 1);
    const double lower = std::floor(rank);
    const double upper = lower + 1 < n - 1 ? lower + 1 : n - 1;
    const double weight = rank - std::floor(rank);
    return points[static_cast<std::int32_t>(lower)].value * (1 - weight) +
           points[static_cast<std::int32_t>(upper)].value * weight;
}

/// Population variance of the points, by Welford's recurrence with compensated sums.
WT_HD inline double variance_over_time(const PromqlPoint* points, std::int32_t count) {
    CompensatedSum mean, squares;
    double n = 0;
    for (std::int32_t i = 0; i < count; ++i) {
        n += 1;
        const double delta = points[i].value - (mean.sum + mean.rest);
        mean.add(delta / n);
        squares.add(delta * (points[i].value - (mean.sum + mean.rest)));
    }
    return (squares.sum + squares.rest) / n;
}

/// A function over the samples of one series in a range, oldest first. False: no value. Requires count > 0.
WT_HD_CALL inline bool apply_range_function(PromqlRangeFunction function, PromqlPoint* points, std::int32_t count,
                                            std::int64_t start_ms, std::int64_t end_ms, std::int64_t now_ms,
                                            double parameter, PromqlSemantics semantics, double& result) {
    using F = PromqlRangeFunction;
    switch (function) {
        case F::rate:
            return extrapolated_rate(points, count, start_ms, end_ms, true, true, semantics, result);
        case F::increase:
            return extrapolated_rate(points, count, start_ms, end_ms, true, false, semantics, result);
        case F::delta:
            return extrapolated_rate(points, count, start_ms, end_ms, false, false, semantics, result);
        case F::irate:
            return instant_change(points, count, true, result);
        case F::idelta:
            return instant_change(points, count, false, result);
        case F::deriv:
        case F::predict_linear: {
            if (count < 2) return false;
            double slope = 0, at_origin = 0;
            const bool derivative = function == F::deriv;
            linear_regression(points, count, derivative ? points[0].time_ms : now_ms, slope, at_origin);
            result = derivative ? slope : slope * parameter + at_origin;
            return true;
        }
        case F::avg: {
            RunningMean mean;
            for (std::int32_t i = 0; i < count; ++i) mean.add(points[i].value, true);
            result = mean.result();
            return true;
        }
        case F::sum: {
            CompensatedSum sum;
            for (std::int32_t i = 0; i < count; ++i) sum.add(points[i].value);
            result = sum.result();
            return true;
        }
        case F::min:
        case F::max: {
            const bool maximum = function == F::max;
            result = points[0].value;
            for (std::int32_t i = 0; i < count; ++i) {
                const double v = points[i].value;
                if ((maximum ? v > result : v < result) || is_nan(result)) result = v;
            }
            return true;
        }
        case F::count:
            result = static_cast<double>(count);
            return true;
        case F::last:
            result = points[count - 1].value;
            return true;
        case F::present:
            result = 1;
            return true;
        case F::stddev:
            result = std::sqrt(variance_over_time(points, count));
            return true;
        case F::stdvar:
            result = variance_over_time(points, count);
            return true;
        case F::quantile:
            result = quantile_of(parameter, points, count);
            return true;
        case F::changes:
        case F::resets: {
            std::int32_t n = 0;
            for (std::int32_t i = 1; i < count; ++i) {
                const double a = points[i - 1].value, b = points[i].value;
                n += function == F::resets ? (b < a ? 1 : 0) : (a != b && !(is_nan(a) && is_nan(b)) ? 1 : 0);
            }
            result = static_cast<double>(n);
            return true;
        }
    }
    return false;
}

/// minute(), hour() ... of a Unix time in seconds, in UTC.
WT_HD_CALL inline double calendar_part(PromqlMap part, double unix_seconds) {
    if (!(absolute(unix_seconds) < 1e14)) return promql_nan;
    const std::int64_t second = static_cast<std::int64_t>(unix_seconds);
    std::int64_t day = second / 86400;
    if (second < day * 86400) --day;
    const std::int64_t in_day = second - day * 86400;
    if (part == PromqlMap::minute) return static_cast<double>(in_day / 60 % 60);
    if (part == PromqlMap::hour) return static_cast<double>(in_day / 3600);
    if (part == PromqlMap::day_of_week)
        return static_cast<double>(((day + 4) % 7 + 7) % 7);  // day 0: a Thursday
    // Civil date of a day count: years start in March, 400-year eras of 146,097 days.
    const std::int64_t shifted = day + 719468;
    const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    const std::int64_t in_era = shifted - era * 146097;
    const std::int64_t year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    const std::int64_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t march_month = (5 * in_year + 2) / 153;
    const std::int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    if (part == PromqlMap::year) return static_cast<double>(year);
    if (part == PromqlMap::month) return static_cast<double>(month);
    if (part == PromqlMap::day_of_year) {  // in_year counts from 1 March
        const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        return static_cast<double>(month > 2 ? in_year + 60 + (leap ? 1 : 0) : in_year - 305);
    }
    if (part == PromqlMap::day_of_month)
        return static_cast<double>(in_year - (153 * march_month + 2) / 5 + 1);
    if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/// The functions that change one value at a time. `a`, `b`: their scalar parameters.
WT_HD_CALL inline double apply_map(PromqlMap function, double v, double a, double b) {
    switch (function) {
        case PromqlMap::negate:
            return -v;
        case PromqlMap::abs:
            return absolute(v) == 0 ? 0 : absolute(v);
        case PromqlMap::ceil:
            return std::ceil(v);
        case PromqlMap::floor:
            return std::floor(v);
        case PromqlMap::round: {  // to the nearest multiple of a, halves upwards
            const double inverse = 1.0 / a;
            return std::floor(v * inverse + 0.5) / inverse;
        }
        case PromqlMap::sqrt:
            return std::sqrt(v);
        case PromqlMap::sgn:
            return v < 0 ? -1 : (v > 0 ? 1 : v);
        case PromqlMap::clamp:
            return greater_of(a, lesser(b, v));
        case PromqlMap::clamp_min:
            return greater_of(a, v);
        case PromqlMap::clamp_max:
            return lesser(a, v);
        case PromqlMap::timestamp:
        case PromqlMap::evaluation_time:
            return v;
        default:
            return calendar_part(function, v);
    }
}

}  // namespace windtunnel
