#pragma once
#include "sim/run_trial.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace windtunnel {

/// The requests of one trial, kept alive as long as this is.
struct TrialWorkload {
    WorkloadView view;
    std::shared_ptr<const void> owner;
};

/// One of the configurations whose trials run together.
struct ReplayConfiguration {
    std::function<BlueprintBlock(std::uint32_t growth)>
        blueprint;  ///< called with 1, larger where a trial outgrows it
    std::function<TrialWorkload(std::uint32_t trial)> workload;  ///< called from any thread
};

struct BatchPlan;
using BatchReplay = void (*)(const BatchPlan&);

/// Configurations x trials as one index space, over which threads are spread. A trial's random numbers are keyed by
/// (seed, trial) alone: trial 7 of every configuration meets the same weather (common random numbers).
struct ReplayGrid {
    std::vector<ReplayConfiguration> configurations;
    std::uint64_t seed = 1;
    std::uint32_t first_trial = 0;
    std::uint32_t trials = 1;  ///< of each configuration
    /// Which of them are to be run, ascending, as trial x configurations + configuration; empty: all.
    std::optional<std::vector<std::uint64_t>> cells;
    ServerKind server = ServerKind::fast;
    int threads = 0;  ///< 0 = all cores
    /// What becomes of the outcome of trial first_trial + `index`; called from any thread, once for each.
    std::function<void(std::uint32_t configuration, std::uint32_t index, TrialOutcome&& outcome)> finished;
    /// A trial did not fit its arena and runs again in a larger one, on this machine's threads. May be empty; from any
    /// thread.
    std::function<void(std::uint64_t cell)> outgrew;
    const bool* interrupted = nullptr;  ///< stops before the next trial once true
    BatchReplay batch = nullptr;        ///< a device that runs them all at once; null: this machine's threads
    std::size_t batch_memory = 0;       ///< of the device, for a wave; 0: it knows
};

/// Runs the grid trial by trial, all configurations of one before the next begins, over this machine's threads (Thrust's
/// TBB system); or configuration by configuration on `batch`. Gives how many trials, counted from the first, have all their cells finished that were to
/// be run: fewer than asked for when interrupted.
[[nodiscard]] std::uint32_t replay_grid(const ReplayGrid& grid);

/// Many trials of one configuration.
struct ReplayPlan {
    std::function<BlueprintBlock(std::uint32_t growth)>
        blueprint;  ///< called with 1, larger where a trial outgrows it
    std::function<TrialWorkload(std::uint32_t trial)> workload;  ///< called from any thread
    std::uint64_t seed = 1;
    std::uint32_t first_trial = 0;
    std::uint32_t trials = 1;
    ServerKind server = ServerKind::fast;
    int threads = 0;                                   ///< 0 = all cores
    std::function<void(std::uint32_t done)> progress;  ///< may be empty; called from any thread
    const bool* interrupted = nullptr;                 ///< stops before the next trial once true
};

/// Runs the trials over Thrust's device system of this build (TBB on a CPU) and gives their outcomes in order
/// of trial, whatever the order they ran in. Fewer than asked for when interrupted.
[[nodiscard]] std::vector<TrialOutcome> replay(const ReplayPlan& plan);

}  // namespace windtunnel
