#pragma once
#include "models/quantile_table.hpp"
#include "scenarios/traces/synthetic_spec.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// What is known of a public trace, as a workload to draw from. Prompt and output lengths are drawn
/// independently; their correlation in the trace is given so that this can be judged.
struct WorkloadPreset {
    const char* name;
    const char* source;
    double rate_rps;  ///< the trace's mean; 0 = it has no arrivals
    ArrivalProcess process;
    double cv;           ///< of the gaps
    double correlation;  ///< of prompt and output tokens, Pearson; NaN = unknown (lengths known apart only)
    std::span<const int> prompt, output;  ///< tokens at preset_probabilities()
};

[[nodiscard]] std::span<const WorkloadPreset> workload_presets();
/// Null when there is no preset of that name.
[[nodiscard]] const WorkloadPreset* find_preset(std::string_view name);
/// "arxiv-summarization, azure-conv-2023, ...".
[[nodiscard]] std::string preset_names();

/// The probabilities at which the presets' quantiles stand: 0, 0.001 ... 0.9999, 1.
[[nodiscard]] std::span<const double> preset_probabilities();
[[nodiscard]] std::vector<QuantilePoint> preset_points(std::span<const int> tokens);

/// Factors of the rate per hour, mean 1; each stands for the middle of its hour.
[[nodiscard]] std::span<const double> daily_profile();   ///< 24
[[nodiscard]] std::span<const double> weekly_profile();  ///< 168

}  // namespace windtunnel
