#pragma once
#include "gpu/replay.hpp"
#include "reports/results.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace windtunnel {

/// What is kept of a trial: an outcome's sketches are 300 KiB, its numbers 1 KiB.
struct FinishedTrial {
    std::uint64_t cell = 0;            ///< trial x number of configurations + configuration, from the grid's first trial
    TrialNumbers numbers;
    std::vector<std::string> reasons;  ///< why it is our mistake; empty: it is none
};

/// Cells of a grid that are to be run.
struct TrialWork {
    const ReplayGrid& grid;  ///< its `cells` are what has to be done, `finished` is not set
    std::function<FinishedTrial(std::uint64_t cell, const TrialOutcome&)> numbers_of;  ///< from any thread
    std::function<void(FinishedTrial&&)> keep;                                         ///< from any thread, once for each
    const std::vector<FinishedTrial>& known;  ///< further cells, which this process had from a file
    std::uint64_t identity = 0;  ///< equal where the runs are: scenario hashes, seed, first trial
};

/// Who runs the trials of this program: this process, or many of them.
class TrialExecutor {
public:
    virtual ~TrialExecutor() = default;

    /// Runs the work's cells, or as many as there is time for before an interruption.
    virtual void run(const TrialWork& work) = 0;
    /// Whether this process prints and writes; of several, one does.
    [[nodiscard]] virtual bool speaks() const { return true; }
    /// Threads of this process where nobody says how many; 0 = all cores.
    [[nodiscard]] virtual int default_threads() const { return 0; }
};

/// This process's own threads, or its GPU.
class LocalExecutor : public TrialExecutor {
public:
    void run(const TrialWork& work) override;
};

/// The program's. Local unless its main() says otherwise, before anything runs.
[[nodiscard]] TrialExecutor& trial_executor();
void set_trial_executor(std::unique_ptr<TrialExecutor> executor);

}  // namespace windtunnel
