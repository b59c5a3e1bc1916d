#pragma once
#include "reports/configurations.hpp"

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// A sweep: a design over a space, and what its configurations say so far.
struct SweepReport {
    std::string scenario, hash;  ///< of the first configuration that can be run
    std::uint64_t seed = 1;
    std::uint32_t first_trial = 0, trials = 1;  ///< of each configuration
    std::string design = "grid";                ///< "grid", "lhs", "sobol"
    std::uint32_t samples = 0;                  ///< asked for; of a grid 0
    std::string race;                           ///< the metric raced by; "" = no race
    std::string shard;                          ///< "1/4"; "" = all
    std::vector<Dimension> dimensions;
    std::vector<Threshold> thresholds;
    std::vector<Measure> measures;              ///< measures_of(thresholds)
    std::string against;                        ///< what cost is weighed against: a measure's name
    std::vector<Configuration> configurations;  ///< in order of index
    bool complete = true;
    Problems warnings;

    [[nodiscard]] const Measure& cost() const;  ///< cost_per_month; where nothing has a price, replicas_mean
    [[nodiscard]] const Measure& weighed() const;  ///< `against`
};

/// The configurations that no other beats in cost and in the measure it is weighed against, by their means;
/// cheapest first.
[[nodiscard]] std::vector<const Configuration*> pareto_front(const SweepReport& report);

/// The cheapest that meets all thresholds (by interval; where none surely does, by its means); nullptr
/// without one.
[[nodiscard]] const Configuration* cheapest_that_meets(const SweepReport& report);

/// Means over the configurations that share the values of two dimensions.
struct Heatmap {
    std::size_t x = 0, y = 0;  ///< dimensions
    const Measure* measure = nullptr;
    std::vector<std::string> xs, ys;
    std::vector<std::vector<std::optional<double>>> means;  ///< [y][x]
    std::vector<std::vector<std::string>> marks;  ///< "✓", "✗", "?" where one configuration is meant; else ""
};
/// Of every pair of dimensions (of the three that matter most where there are more), for cost and the measure
/// it is weighed against.
[[nodiscard]] std::vector<Heatmap> heatmaps(const SweepReport& report);

/// How much of a measure's variance between configurations the values of one dimension explain, and the
/// means.
struct Effect {
    std::size_t dimension = 0;
    const Measure* measure = nullptr;
    double share = 0;  ///< 0 to 1; the shares of a full grid add up to at most 1
    std::vector<std::pair<std::string, double>> means;  ///< by value; of an interval by fifths
};
[[nodiscard]] std::vector<Effect> effects(const SweepReport& report);

/// The file's first line: everything that makes two sweeps the same.
[[nodiscard]] nlohmann::ordered_json sweep_header(const SweepReport& report);
/// The whole file: header, one line for each configuration that has anything to say.
[[nodiscard]] std::string sweep_lines(const SweepReport& report);
/// One document: header, configurations, Pareto front, heatmaps, effects, the cheapest.
[[nodiscard]] std::string sweep_json(const SweepReport& report);
/// One row for each configuration.
[[nodiscard]] std::string sweep_csv(const SweepReport& report);
/// `command`: what the sweep was started with up to its flags, for the line that runs the cheapest; "" =
/// none.
[[nodiscard]] std::string sweep_text(const SweepReport& report, bool coloured, const std::string& command);

/// " --set A=1 --set B=2", quoted for a shell.
[[nodiscard]] std::string set_flags(const SpacePoint& point);

}  // namespace windtunnel
