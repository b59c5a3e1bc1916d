#pragma once
#include "reports/configurations.hpp"
#include "reports/field_changes.hpp"
#include "reports/perfect_autoscaler.hpp"
#include "reports/plan_search.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// A finalist and what trials that the search had not seen say of it.
struct Finalist {
    Configuration configuration;
    Standing standing;
    bool holds = false;  ///< met all objectives in a large enough share of them
};

/// A step away from the answer in one dimension.
struct PlanStep {
    std::size_t dimension = 0;
    std::string from, to;
    Configuration configuration;  ///< over the search's trials, or the finalists' when it is one
    bool is_finalist = false;
};

/// What a plan found.
struct PlanReport {
    std::string scenario, hash;
    std::uint64_t seed = 1;
    std::vector<Threshold> objectives;
    std::vector<Measure> measures;  ///< measures_of(objectives)
    double probability = 0.9;       ///< of a future to meet all of them
    std::vector<Dimension> dimensions;
    std::uint64_t size = 1;  ///< of the space
    std::uint32_t search_trials = 4, final_trials = 32;
    std::vector<Configuration> tried;   ///< by the search, in its order
    bool settled = false;               ///< it ended because nothing better is to be expected
    bool complete = true;               ///< false: interrupted
    std::uint64_t trials_run = 0;       ///< of all kinds
    std::optional<Finalist> now;        ///< the manifests as they are, over the finalists' trials
    std::vector<Finalist> finalists;    ///< in the order they were run in
    std::optional<std::size_t> answer;  ///< in `finalists`
    Configuration sought;               ///< the answer over the search's trials
    std::vector<PlanStep> steps;        ///< about the answer
    std::vector<FieldChange> changes;   ///< from now to the answer
    std::optional<PerfectAutoscaler> perfect;
    Problems warnings;

    /// cost_per_month; where nothing has a price, the mean number of replicas.
    [[nodiscard]] const Measure& cost() const;
    /// Mean cost, in units of cost().
    [[nodiscard]] double mean_cost(const Configuration& c) const;
    /// What a step costs beyond the answer, over the same trials.
    [[nodiscard]] double change_of(const PlanStep& step) const;
    /// The tried one that comes nearest to meeting all objectives; nullptr when none ran.
    [[nodiscard]] const Configuration* nearest() const;
};

/// By how much a trial's number misses a threshold, as the logarithm of a ratio: of shares that of what is
/// missing from 100 %.
[[nodiscard]] double excess_of(const Threshold& threshold, std::optional<double> value);
/// A configuration as the search sees it: each objective's excess is that which `probability` of the trials
/// keep.
[[nodiscard]] PlaceResult place_result(const Configuration& configuration,
                                       const std::vector<Threshold>& objectives, const Measure& cost,
                                       double probability);
/// Whether so many of `count` trials are enough.
[[nodiscard]] bool enough(std::uint64_t met, std::size_t count, double probability);

/// windtunnel.plan/v1.
[[nodiscard]] std::string plan_json(const PlanReport& report);
/// `command`: "windtunnel plan SCENARIO", for the lines that say what may come next; "" = none.
[[nodiscard]] std::string plan_text(const PlanReport& report, bool coloured, const std::string& command);

}  // namespace windtunnel
