#pragma once
#include "reports/results.hpp"
#include "reports/statistics.hpp"

#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace windtunnel {

/// How likely a future is to meet a threshold.
struct MetProbability {
    std::uint64_t met = 0, judged = 0;  ///< trials; one without a value has not met it
    std::optional<double> value;
    std::optional<Interval> ci95;
};
[[nodiscard]] std::vector<MetProbability> met_probabilities(const RunResults& results);

/// results/v1's `over_trials`: what the trials say besides their mean: the chance to meet each threshold, the good and
/// the bad futures (5 %, 50 % and 95 % of cost and latency), and ratios of all trials' requests together.
[[nodiscard]] nlohmann::ordered_json over_trials_json(const RunResults& results);

}  // namespace windtunnel
