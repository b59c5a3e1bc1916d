#pragma once
#include "cli/backend.hpp"
#include "cli/interrupt.hpp"
#include "cli/load_run.hpp"
#include "cli/trial_executor.hpp"
#include "cli/trial_log.hpp"
#include "reports/results.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace windtunnel {

/// A trial that broke, or kept a law no longer: our mistake.
struct BrokenTrial {
    std::uint32_t trial = 0;
    std::vector<std::string> reasons;
    std::size_t run = 0;  ///< of the grid's
};

/// The trials of one run or of several, which grow together: whoever needs to be surer asks for more, and what is
/// there is kept. Every trial is checked against the laws.
class TrialGrid {
public:
    /// The runs outlive the grid; their seeds are equal.
    TrialGrid(std::vector<const LoadedRun*> runs, const RunFlags& flags, const InterruptGuard& interrupt);

    /// Called after every trial, from any thread, in place of the grid's own progress.
    void report_each(std::function<void()> each) { m_each = std::move(each); }

    /// Until every run has so many trials. False when interrupted before: what is finished is there.
    bool extend_to(std::uint32_t trials);

    /// From now on the trials of the only run are kept in a file as they finish, those in it are not run again, and
    /// of all trials only those of the shard are run: the others' numbers stay empty.
    void keep_in(TrialLog& log, std::optional<Shard> shard);

    /// The first trial of the only run, which ran elsewhere (watched).
    void add_first(const TrialOutcome& outcome);

    [[nodiscard]] std::uint32_t trials() const;
    [[nodiscard]] const RunResults& results(std::size_t run) const { return m_results[run]; }
    [[nodiscard]] RunResults& results(std::size_t run) { return m_results[run]; }
    [[nodiscard]] const std::vector<BrokenTrial>& broken() const { return m_broken; }  ///< at most a few

private:
    [[nodiscard]] FinishedTrial finished(std::uint64_t cell, const TrialOutcome& outcome) const;
    void take(FinishedTrial&& trial);
    [[nodiscard]] std::uint64_t identity() const;

    const std::vector<const LoadedRun*> m_runs;
    const RunFlags& m_flags;
    const InterruptGuard& m_interrupt;
    const Backend m_backend;
    std::vector<BlueprintBlock> m_blocks;
    std::vector<RunResults> m_results;
    std::vector<std::uint8_t> m_there;  ///< [trial][run]
    std::vector<BrokenTrial> m_broken;
    TrialLog* m_log = nullptr;
    std::optional<Shard> m_shard;
    std::mutex m_guard;
    std::function<void()> m_each;
};

/// Extends the grid until all numbers that matter are as precise as flags.precision asks, or flags.max_trials is
/// reached (reports/precision.hpp). False when interrupted.
bool extend_until_precise(TrialGrid& grid, const RunFlags& flags);

}  // namespace windtunnel
