#pragma once
#include "reports/comparison.hpp"
#include "scenarios/scenario.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// One question that `check` answers.
struct CheckRow {
    enum class Kind : std::uint8_t { threshold, regression };
    Kind kind = Kind::threshold;
    std::string id;       ///< unique within a check: "p99-ttft_ms", "regression-cost_per_month"
    std::string expr;     ///< "p99 ttft_ms < 800", "cost_per_month no more than 5% worse"
    std::string value;    ///< for people: "612 ms [581 ms, 643 ms]"
    Verdict verdict = Verdict::inconclusive;
    SourcePosition where; ///< what to look at; file "" = unknown
    std::string cause;    ///< why there, a clause: "ScaledObject/chat reached its maximum of 16 replicas"; may be ""
    std::string note;     ///< "from 910 ms, paired over 20 trials"; may be ""
    // The same as numbers.
    std::optional<double> number, base, limit;
    std::optional<Interval> ci95;
    std::optional<double> probability;  ///< of a threshold: share of the trials that met it
    std::optional<double> p;            ///< of a regression
};

struct CheckReport {
    std::string scenario, hash;
    std::uint64_t seed = 1;
    std::size_t trials = 0;
    bool complete = true;
    std::string against;  ///< what it was compared with: "results.json", "git:main"; "" = nothing
    std::string pairing;  ///< "trial by trial", "as independent samples (...)"; "" = nothing was compared
    std::vector<CheckRow> rows;
    Problems warnings;

    [[nodiscard]] std::size_t count(Verdict v) const;
    /// fail when any row failed; else inconclusive when a threshold is; else pass. A regression that nobody can be
    /// sure of does not fail a change.
    [[nodiscard]] Verdict verdict() const;
};

/// Which line of which file a number comes from: the bound that was reached, the autoscaler that lags, the pool that
/// costs; else the threshold itself.
struct Culprit {
    SourcePosition where;
    std::string cause;
};
[[nodiscard]] Culprit culprit_of(ThresholdMetric metric, const Scenario& source, const CompiledScenario& scenario,
                                 const RunResults& results);

/// The rows of a run's thresholds.
[[nodiscard]] std::vector<CheckRow> threshold_rows(const Scenario& source, const CompiledScenario& scenario,
                                                   const RunResults& results);
/// The rows of a comparison.
[[nodiscard]] std::vector<CheckRow> regression_rows(const std::vector<Regression>& regressions, const Scenario& source,
                                                    const CompiledScenario& scenario, const RunResults& results);

// The same report for different readers. All end with a newline.
[[nodiscard]] std::string check_text(const CheckReport& report, bool coloured);
[[nodiscard]] std::string check_json(const CheckReport& report);
/// One suite; a row's identity is its classname and name, its text stands in message and body.
[[nodiscard]] std::string check_junit(const CheckReport& report);
/// A comment for a pull request: begins with a hidden mark so that one comment can be kept up to date.
[[nodiscard]] std::string check_markdown(const CheckReport& report);
/// SARIF 2.1.0: failed and inconclusive rows.
[[nodiscard]] std::string check_sarif(const CheckReport& report);
/// Workflow commands of GitHub Actions.
[[nodiscard]] std::string check_github(const CheckReport& report);
/// GitLab's Code Quality.
[[nodiscard]] std::string check_gitlab(const CheckReport& report);

}  // namespace windtunnel
