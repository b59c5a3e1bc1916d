#pragma once
#include "scenarios/scenario.hpp"

#include <string>

namespace windtunnel {

struct PeakFinding {
    std::string text;      ///< a line for each kind of GPU; "" = nothing asks for one, or nobody says what nodes there are
    bool short_of = false;  ///< something would wait for ever
    Problems unscaled;      ///< warnings of workloads that have no replica and get none (unscaled_targets)
    Problems refused;       ///< what a run of this scenario, whatever its requests, would refuse; `text` says it where the
                            ///< workloads are those of manifests alone, which a scenario may complete
};

/// Whether all workloads at their largest find a place at once (find_shortages), without any requests, and which get no replica:
/// what `windtunnel validate` says of it. Requires that the scenario was read without errors.
[[nodiscard]] PeakFinding peak_of(const Scenario& scenario);

}  // namespace windtunnel
