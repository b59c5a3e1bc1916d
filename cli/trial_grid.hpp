#pragma once
#include "cli/interrupt.hpp"
#include "cli/load_run.hpp"
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

    /// The first trial of the only run, which ran elsewhere (watched).
    void add_first(const TrialOutcome& outcome);

    [[nodiscard]] std::uint32_t trials() const;
    [[nodiscard]] const RunResults& results(std::size_t run) const { return m_results[run]; }
    [[nodiscard]] RunResults& results(std::size_t run) { return m_results[run]; }
    [[nodiscard]] const std::vector<BrokenTrial>& broken() const { return m_broken; }  ///< at most a few

private:
    void take(std::size_t run, std::uint32_t index, const TrialOutcome& outcome);

    const std::vector<const LoadedRun*> m_runs;
    const RunFlags& m_flags;
    const InterruptGuard& m_interrupt;
    std::vector<BlueprintBlock> m_blocks;
    std::vector<RunResults> m_results;
    std::vector<BrokenTrial> m_broken;
    std::mutex m_guard;
    std::function<void()> m_each;
};

/// Extends the grid until all numbers that matter are as precise as flags.precision asks, or flags.max_trials is
/// reached (reports/precision.hpp). False when interrupted.
bool extend_until_precise(TrialGrid& grid, const RunFlags& flags);

}  // namespace windtunnel
