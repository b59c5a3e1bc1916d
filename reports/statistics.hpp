#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace windtunnel {

// Statistics over trials. Everything is computed in the order of the trials, on one thread, and from streams of its
// own where it draws: same values, same bits.

using Interval = std::pair<double, double>;

/// Student's interval of the mean; empty for fewer than two values.
[[nodiscard]] std::optional<Interval> mean_interval(const std::vector<double>& values, double confidence = 0.95);

/// Wilson's interval of a probability, of `hits` among `n`. Resampling trials that all agree would give an interval
/// of no width; this one knows what has not been seen. Empty for n = 0.
[[nodiscard]] std::optional<Interval> probability_interval(std::uint64_t hits, std::uint64_t n, double confidence = 0.95);

/// How a bootstrap draws: trials with replacement, so many times, from the stream of `seed`.
struct Bootstrap {
    std::uint64_t seed = 1;
    std::uint32_t resamples = 2000;
    double confidence = 0.95;
};

/// The q-quantile of values by linear interpolation between ranks (numpy's). Requires at least one.
[[nodiscard]] double quantile_of(std::vector<double> values, double q);

/// Interval of the q-quantile over trials: bootstrap percentiles. Empty for fewer than two values.
[[nodiscard]] std::optional<Interval> quantile_interval(const std::vector<double>& values, double q,
                                                        const Bootstrap& how = {});

/// Interval of sum(numerators) / sum(denominators), trials being drawn as pairs: bootstrap-t, each resample's
/// ratio measured in its own standard error (Efron and Tibshirani 1993, section 12.5; the error of a ratio by
/// linearisation). Empty for fewer than two trials or no denominator.
[[nodiscard]] std::optional<Interval> ratio_interval(const std::vector<double>& numerators,
                                                     const std::vector<double>& denominators,
                                                     const Bootstrap& how = {});

/// A difference of two configurations' means and how sure it is.
struct Difference {
    double value = 0;               ///< candidate - base
    std::optional<Interval> ci95;
    std::optional<double> p;        ///< two-sided, of no difference at all; empty: nothing can be said
    double standard_error = 0;
    double degrees = 0;             ///< of freedom
    bool paired = false;

    [[nodiscard]] bool significant(double level = 0.05) const { return p && *p < level; }
    /// The chance of an estimate this far above `least`, were the true difference `least` (one-sided).
    [[nodiscard]] std::optional<double> p_above(double least) const;
};

/// Trial by trial: both met the same weather. Requires equally many values.
[[nodiscard]] Difference paired_difference(const std::vector<double>& base, const std::vector<double>& candidate);
/// Of independent trials (Welch 1947). A single trial on one side is taken to spread as the other side does.
[[nodiscard]] Difference unpaired_difference(const std::vector<double>& base, const std::vector<double>& candidate);

/// Where a series stops being warm-up, by MSER-5 (White, Cobb and Spratt 2000): means of batches of five, and the cut
/// that makes the standard error of what remains smallest.
struct WarmUp {
    std::size_t cut = 0;     ///< values before it are warm-up
    bool settled = true;     ///< false: the best cut lies in the last half; the series is too short to tell
};
[[nodiscard]] WarmUp warm_up_of(const std::vector<double>& series);

}  // namespace windtunnel
