#pragma once
#include "cli/trial_grid.hpp"
#include "reports/configurations.hpp"

#include <functional>
#include <string>
#include <vector>

namespace windtunnel {

/// Runs configurations of one scenario: each is its point's assignments behind those of the command line.
class ConfigurationRunner {
public:
    /// The flags outlive it; their --set come first.
    ConfigurationRunner(const RunFlags& flags, const InterruptGuard& interrupt);

    /// Reads and compiles one.
    [[nodiscard]] Result<LoadedRun> load(const Configuration& configuration);

    /// Until each of them that can be run has so many trials: a few configurations at a time, all of them
    /// trial by trial. What cannot be run is refused, with the reason; what has been asked of a configuration
    /// but not run yet is there after an interruption as far as it came. False when interrupted, or when a
    /// trial broke.
    bool extend(const std::vector<Configuration*>& configurations, std::uint32_t trials);

    /// Called after every few configurations that got trials, or were refused.
    void report_batches(std::function<void(const std::vector<Configuration*>&)> each) {
        m_each = std::move(each);
    }

    /// Mistakes of windtunnel's own, and of which configuration.
    [[nodiscard]] const std::vector<BrokenTrial>& broken() const { return m_broken; }
    [[nodiscard]] const Configuration* broken_at() const { return m_broken_at; }
    /// Trials that ran, of all configurations together.
    [[nodiscard]] std::uint64_t trials_run() const { return m_trials_run; }

private:
    bool run_batch(const std::vector<Configuration*>& batch, std::uint32_t trials,
                   const std::function<void()>& each);

    const RunFlags& m_flags;
    const InterruptGuard& m_interrupt;
    RunLoader m_loader;
    std::function<void(const std::vector<Configuration*>&)> m_each;
    std::vector<BrokenTrial> m_broken;
    const Configuration* m_broken_at = nullptr;
    std::uint64_t m_trials_run = 0;
};

/// Why a configuration cannot be run, on one line.
[[nodiscard]] std::string refusal_of(const Problems& problems);

}  // namespace windtunnel
