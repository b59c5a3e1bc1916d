#pragma once
#include "reports/comparison.hpp"
#include "scenarios/search/search_space.hpp"

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// What is kept of the trials of one configuration among many: every number that is compared, and what each
/// threshold looks at, trial by trial.
struct ConfigurationTrials {
    TrialSeries series;
    std::vector<std::vector<std::optional<double>>> thresholds;  ///< [threshold][trial]

    [[nodiscard]] std::size_t count() const { return series.trials; }
    /// The first `n` of them.
    [[nodiscard]] ConfigurationTrials first(std::size_t n) const;
};
[[nodiscard]] ConfigurationTrials trials_of(const RunResults& results);
/// `more` are the trials that follow.
void append(ConfigurationTrials& trials, const ConfigurationTrials& more);

/// Where a configuration of a sweep stands.
enum class ConfigurationState : std::uint8_t {
    waiting,  ///< has not all of its trials yet
    finished,
    dropped,  ///< lost a race: no more trials for it
    refused   ///< cannot be run: its input is wrong, or does not fit
};

/// One point of a space and what its trials said.
struct Configuration {
    std::uint32_t index = 0;  ///< in its design, from 0
    SpacePoint point;
    ConfigurationState state = ConfigurationState::waiting;
    ConfigurationTrials trials;
    std::string reason;  ///< why it was dropped or refused
};

/// Something that configurations are compared by: a threshold's number, or a compared metric.
struct Measure {
    std::string name;      ///< "p99 ttft_ms", "cost_per_month"
    ThresholdMetric unit;  ///< written as this one is
    Better better = Better::neither;
    std::optional<std::size_t> threshold;  ///< index; else
    const ComparedMetric* metric = nullptr;

    [[nodiscard]] const std::vector<std::optional<double>>& of(const ConfigurationTrials& trials) const;
    [[nodiscard]] Estimate estimate_of(const ConfigurationTrials& trials) const;
};
/// All of them: the thresholds first, then the metrics that no threshold looks at already.
[[nodiscard]] std::vector<Measure> measures_of(const std::vector<Threshold>& thresholds);
/// By name (spaces and underscores are the same); nullptr when there is none.
[[nodiscard]] const Measure* find_measure(const std::vector<Measure>& measures, const std::string& name);

/// How a configuration does against all thresholds together.
struct Standing {
    std::vector<ThresholdResult> thresholds;
    Verdict verdict = Verdict::inconclusive;  ///< pass: all hold; fail: one does not
    std::uint64_t met = 0;                    ///< trials that met all of them
};
[[nodiscard]] Standing standing_of(const ConfigurationTrials& trials,
                                   const std::vector<Threshold>& thresholds);

/// One line of a sweep's file: point, state, means with intervals, verdicts, and the trials themselves.
[[nodiscard]] nlohmann::ordered_json configuration_json(const Configuration& configuration,
                                                        const std::vector<Dimension>& dimensions,
                                                        const std::vector<Threshold>& thresholds,
                                                        bool with_trials = true);
/// Takes back what a line says into the configuration of its index; false when it is none of these.
[[nodiscard]] bool take_configuration(const nlohmann::ordered_json& line, std::size_t thresholds,
                                      Configuration& into);

[[nodiscard]] const char* to_string(ConfigurationState state);

}  // namespace windtunnel
