#pragma once
#include "reports/results.hpp"
#include "reports/statistics.hpp"

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace windtunnel {

/// Which way a number gets better. `neither`: it explains, it is not judged.
enum class Better : std::uint8_t { lower, higher, neither };

/// A number by which two runs are compared.
struct ComparedMetric {
    const char* name;
    ThresholdMetric unit;  ///< written as this one is
    Better better;
    bool judged;           ///< its worsening is a regression
    std::optional<double> (*of)(const TrialNumbers& trial, double span_hours);
};
[[nodiscard]] const std::vector<ComparedMetric>& compared_metrics();

/// What a run says, trial by trial: enough to compare it with another, now or from a file.
struct TrialSeries {
    std::string scenario, hash;
    std::uint64_t seed = 1;
    std::uint32_t first_trial = 0;
    std::size_t trials = 0;
    bool complete = true;
    std::map<std::string, std::vector<std::optional<double>>> values;  ///< by a compared metric's name
};
[[nodiscard]] TrialSeries series_of(const RunResults& results);

/// results/v1's `per_trial`: the first trials of a run, number by number.
[[nodiscard]] nlohmann::ordered_json per_trial_json(const RunResults& results);
/// Reads a windtunnel.results/v1 file. One without `per_trial` that holds a single trial is that trial's.
[[nodiscard]] Result<TrialSeries> read_results_file(const std::string& file);

struct ComparedRow {
    const ComparedMetric* metric = nullptr;
    std::optional<double> base, candidate;  ///< means over the trials compared
    Difference difference;

    /// Candidate over base, less one; empty where there is no base.
    [[nodiscard]] std::optional<double> relative() const;
};

/// Number by number: trial by trial where both ran the same trials of one seed, else as independent samples.
[[nodiscard]] std::vector<ComparedRow> compare(const TrialSeries& base, const TrialSeries& candidate);

/// What counts as worse.
struct RegressionRule {
    double tolerance = 0.05;               ///< of the base's number
    double share_tolerance = 0.005;        ///< of shares, absolute: half a percentage point
    std::map<std::string, double> metric;  ///< by name, in place of these
    /// Chance of any false alarm among all numbers of one check (Holm 1979). Strict, because a check runs on every
    /// change of a repository.
    double level = 0.001;
};

struct Regression {
    ComparedRow row;
    double allowed = 0;        ///< how much worse it may be, in its unit
    std::optional<double> p;   ///< one-sided, of being no worse than that
    bool regressed = false;
    bool suspect = false;      ///< worse than allowed as it stands, but not surely
};
[[nodiscard]] std::vector<Regression> judge_regressions(const std::vector<ComparedRow>& rows, const RegressionRule& rule);

/// A value as its metric is written: "612 ms", "98.1%", "118.40 USD".
[[nodiscard]] std::string in_unit_of(ThresholdMetric metric, double value);
/// A difference likewise, with its sign; of shares in percentage points.
[[nodiscard]] std::string change_in_unit_of(ThresholdMetric metric, double value);

}  // namespace windtunnel
