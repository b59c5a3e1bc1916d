#pragma once
#include "reports/observed_trial.hpp"
#include "reports/results.hpp"

#include <cstddef>
#include <string>

namespace windtunnel {

/// How the summary is to look.
struct TerminalOptions {
    bool coloured = false;
    bool all_warnings = false;
    std::size_t width = 100;  ///< columns
    std::string command;      ///< as it was typed, for the suggested next one; "" = no suggestion
    bool events = false;      ///< the list of events, too
};

/// `windtunnel run` for people: what was run, thresholds, latencies, capacity, cost, what went wrong. `first`
/// is the first trial as observed (its timeline makes the sparklines; its losses say why requests were lost).
[[nodiscard]] std::string terminal_summary(const CompiledScenario& scenario, const RunResults& results,
                                           const ObservedTrial* first, const TerminalOptions& options);

}  // namespace windtunnel
