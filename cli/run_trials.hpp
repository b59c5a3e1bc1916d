#pragma once
#include "cli/interrupt.hpp"
#include "cli/load_run.hpp"
#include "cli/trial_grid.hpp"
#include "reports/observed_trial.hpp"
#include "reports/results.hpp"

#include <optional>
#include <vector>

namespace windtunnel {

struct TrialRun {
    RunResults results;
    std::optional<ObservedTrial> first;  ///< the first trial, watched; where it was asked for
    std::vector<BrokenTrial> broken;     ///< at most a few
};

/// Replays the trials and checks every one against the laws. `interrupt` ends it early, with what is
/// finished. With a log, finished trials are kept there and found there; flags.shard leaves holes in the results.
[[nodiscard]] TrialRun run_trials(const LoadedRun& run, const RunFlags& flags, const ObservationPlan& watch,
                                  const InterruptGuard& interrupt, TrialLog* log = nullptr);

}  // namespace windtunnel
