#include "reports/statistics.hpp"

#include "models/expects.hpp"
#include "models/random.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>

namespace windtunnel {

namespace {

/// Below this, a spread is the rounding of equal values.
constexpr double rounding = 1e-12;

double mean_of(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
}

/// Of a sample: divided by n - 1.
double variance_of(const std::vector<double>& values, double mean) {
    double squares = 0, largest = 0;
    for (const double v : values) {
        squares += (v - mean) * (v - mean);
        largest = std::max(largest, std::fabs(v));
    }
    const double variance = squares / static_cast<double>(values.size() - 1);
    return std::sqrt(variance) <= rounding * largest ? 0 : variance;
}

double t_quantile(double degrees, double p) {
    return boost::math::quantile(boost::math::students_t(degrees), p);
}

/// Chance of a t beyond `t`.
double t_beyond(double degrees, double t) {
    return boost::math::cdf(boost::math::complement(boost::math::students_t(degrees), t));
}

Difference judged(double value, double standard_error, double degrees, bool paired) {
    Difference out{value, std::nullopt, std::nullopt, standard_error, degrees, paired};
    if (degrees < 1) return out;
    if (standard_error == 0) {  // every trial says the same
        out.ci95 = {value, value};
        out.p = value == 0 ? 1.0 : 0.0;
        return out;
    }
    const double t = t_quantile(degrees, 0.975);
    out.ci95 = {value - t * standard_error, value + t * standard_error};
    out.p = std::min(1.0, 2 * t_beyond(degrees, std::fabs(value) / standard_error));
    return out;
}

/// Calls `take` with every resample: `n` numbers of trials.
template <class Take>
void resample(std::size_t n, const Bootstrap& how, Take take) {
    std::vector<std::uint32_t> chosen(n);
    for (std::uint32_t i = 0; i < how.resamples; ++i) {
        RandomStream stream(how.seed, i, StreamPurpose::bootstrap, static_cast<std::uint32_t>(n));
        for (std::uint32_t& c : chosen) c = static_cast<std::uint32_t>(stream.below(n));
        take(chosen);
    }
}

/// A ratio of sums and its standard error by linearisation.
struct Ratio {
    double value = 0, error = 0;
};
template <class Index>
Ratio ratio_of(const std::vector<double>& above, const std::vector<double>& below, std::size_t n, Index index) {
    double a = 0, b = 0;
    for (std::size_t i = 0; i < n; ++i) {
        a += above[index(i)];
        b += below[index(i)];
    }
    if (b == 0) return {std::numeric_limits<double>::quiet_NaN(), 0};
    const double ratio = a / b;
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double residual = above[index(i)] - ratio * below[index(i)];
        squares += residual * residual;
    }
    const auto count = static_cast<double>(n);
    return {ratio, std::sqrt(squares * count / (count - 1)) / b};
}

}  // namespace

std::optional<Interval> mean_interval(const std::vector<double>& values, double confidence) {
    if (values.size() < 2) return std::nullopt;
    const double mean = mean_of(values), n = static_cast<double>(values.size());
    const double half = t_quantile(n - 1, 0.5 + confidence / 2) * std::sqrt(variance_of(values, mean) / n);
    return Interval{mean - half, mean + half};
}

std::optional<Interval> probability_interval(std::uint64_t hits, std::uint64_t n, double confidence) {
    if (n == 0) return std::nullopt;
    const double z = boost::math::quantile(boost::math::normal(), 0.5 + confidence / 2);
    const double count = static_cast<double>(n), p = static_cast<double>(hits) / count;
    const double middle = (p + z * z / (2 * count)) / (1 + z * z / count);
    const double half =
        z / (1 + z * z / count) * std::sqrt(p * (1 - p) / count + z * z / (4 * count * count));
    return Interval{hits == 0 ? 0 : std::max(0.0, middle - half), hits == n ? 1 : std::min(1.0, middle + half)};
}

double quantile_of(std::vector<double> values, double q) {
    WT_EXPECTS(!values.empty() && q >= 0 && q <= 1);
    std::sort(values.begin(), values.end());
    const double rank = q * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(rank);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (rank - static_cast<double>(below)) * (values[above] - values[below]);
}

std::optional<Interval> quantile_interval(const std::vector<double>& values, double q, const Bootstrap& how) {
    if (values.size() < 2) return std::nullopt;
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    std::vector<double> found;
    found.reserve(how.resamples);
    std::vector<double> drawn(values.size());
    resample(values.size(), how, [&](const std::vector<std::uint32_t>& chosen) {
        for (std::size_t i = 0; i < chosen.size(); ++i) drawn[i] = sorted[chosen[i]];
        found.push_back(quantile_of(drawn, q));
    });
    const double tail = (1 - how.confidence) / 2;
    return Interval{quantile_of(found, tail), quantile_of(found, 1 - tail)};
}

std::optional<Interval> ratio_interval(const std::vector<double>& numerators,
                                       const std::vector<double>& denominators, const Bootstrap& how) {
    WT_EXPECTS(numerators.size() == denominators.size());
    const std::size_t n = numerators.size();
    if (n < 2) return std::nullopt;
    const Ratio whole = ratio_of(numerators, denominators, n, [](std::size_t i) { return i; });
    if (std::isnan(whole.value)) return std::nullopt;
    if (whole.error <= rounding * std::fabs(whole.value)) return Interval{whole.value, whole.value};
    std::vector<double> pivots;
    pivots.reserve(how.resamples);
    resample(n, how, [&](const std::vector<std::uint32_t>& chosen) {
        const Ratio r = ratio_of(numerators, denominators, n, [&](std::size_t i) { return chosen[i]; });
        if (r.error > 0) pivots.push_back((r.value - whole.value) / r.error);
    });
    if (pivots.empty()) return std::nullopt;
    const double tail = (1 - how.confidence) / 2;
    return Interval{whole.value - quantile_of(pivots, 1 - tail) * whole.error,
                    whole.value - quantile_of(pivots, tail) * whole.error};
}

std::optional<double> Difference::p_above(double least) const {
    if (!p) return std::nullopt;
    if (standard_error == 0) return value > least ? 0.0 : 1.0;
    return t_beyond(degrees, (value - least) / standard_error);
}

Difference paired_difference(const std::vector<double>& base, const std::vector<double>& candidate) {
    WT_EXPECTS(base.size() == candidate.size());
    if (base.empty()) return judged(0, 0, 0, true);
    std::vector<double> differences(base.size());
    double largest = 0;
    for (std::size_t i = 0; i < base.size(); ++i) {
        differences[i] = candidate[i] - base[i];
        largest = std::max(largest, std::fabs(base[i]));
    }
    const double mean = mean_of(differences), n = static_cast<double>(base.size());
    if (base.size() < 2) return judged(mean, 0, 0, true);
    double variance = variance_of(differences, mean);
    if (std::sqrt(variance) <= rounding * largest) variance = 0;
    return judged(mean, std::sqrt(variance / n), n - 1, true);
}

Difference unpaired_difference(const std::vector<double>& base, const std::vector<double>& candidate) {
    if (base.empty() || candidate.empty()) return judged(0, 0, 0, false);
    const double mean_base = mean_of(base), mean_candidate = mean_of(candidate);
    const double n = static_cast<double>(base.size()), m = static_cast<double>(candidate.size());
    if (base.size() < 2 && candidate.size() < 2) return judged(mean_candidate - mean_base, 0, 0, false);
    if (base.size() < 2 || candidate.size() < 2) {  // the one is taken to spread as the many do
        const double spread = base.size() < 2 ? variance_of(candidate, mean_candidate) : variance_of(base, mean_base);
        return judged(mean_candidate - mean_base, std::sqrt(spread * (1 / n + 1 / m)), std::max(n, m) - 1, false);
    }
    const double a = variance_of(base, mean_base) / n, b = variance_of(candidate, mean_candidate) / m;
    if (a + b == 0) return judged(mean_candidate - mean_base, 0, n + m - 2, false);
    const double degrees = (a + b) * (a + b) / (a * a / (n - 1) + b * b / (m - 1));
    return judged(mean_candidate - mean_base, std::sqrt(a + b), degrees, false);
}

WarmUp warm_up_of(const std::vector<double>& series) {
    constexpr std::size_t batch = 5;
    const std::size_t batches = series.size() / batch;
    if (batches < 4) return {0, false};
    std::vector<double> means(batches);
    for (std::size_t i = 0; i < batches; ++i) {
        double sum = 0;
        for (std::size_t j = 0; j < batch; ++j) sum += series[i * batch + j];
        means[i] = sum / batch;
    }
    // From the end: mean and squares of what remains, by Welford's update.
    double mean = 0, squares = 0, least = std::numeric_limits<double>::infinity();
    std::size_t best = 0;
    for (std::size_t i = batches; i-- > 0;) {
        const double count = static_cast<double>(batches - i), step = means[i] - mean;
        mean += step / count;
        squares += step * (means[i] - mean);
        if (batches - i < 2 || i > batches - batches / 4) continue;  // the last few say nothing
        const double error = squares / (count * count);
        if (error <= least) {
            least = error;
            best = i;
        }
    }
    return {best * batch, best <= batches / 2};
}

}  // namespace windtunnel
