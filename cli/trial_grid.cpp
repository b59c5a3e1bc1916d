#include "cli/trial_grid.hpp"

#include "cli/progress.hpp"
#include "gpu/replay.hpp"
#include "reports/precision.hpp"
#include "sim/laws.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <atomic>

namespace windtunnel {

namespace {

constexpr std::size_t most_broken = 3;

std::vector<std::string> reasons_of(const Blueprint& blueprint, const TrialOutcome& outcome) {
    const Tally& t = outcome.tally;
    if (t.status == TrialStatus::broken)
        return {fmt::format("at {:.6f} s: {} ({}:{})", to_seconds(t.fault_at),
                            t.fault.expression != nullptr ? t.fault.expression : "an expectation",
                            t.fault.file != nullptr ? t.fault.file : "?", t.fault.line)};
    return broken_laws(blueprint, outcome);
}

ReplayConfiguration configuration_of(const LoadedRun& run) {
    return {[&run](std::uint32_t growth) { return build(run.scenario.parts, growth); },
            [&run](std::uint32_t trial) {
                std::shared_ptr<const Trace> trace = run.workload(trial);
                const WorkloadView view = trace->view();
                return TrialWorkload{view, std::move(trace)};
            }};
}

}  // namespace

TrialGrid::TrialGrid(std::vector<const LoadedRun*> runs, const RunFlags& flags, const InterruptGuard& interrupt)
    : m_runs(std::move(runs)), m_flags(flags), m_interrupt(interrupt) {
    for (const LoadedRun* run : m_runs) {
        m_blocks.push_back(build(run->scenario.parts));
        m_results.push_back(results_of(run->scenario, run->thresholds, run->seed, replay_backend()));
        m_results.back().first_trial = flags.first_trial;
    }
}

std::uint32_t TrialGrid::trials() const { return static_cast<std::uint32_t>(m_results.front().trials.size()); }

void TrialGrid::take(std::size_t run, std::uint32_t index, const TrialOutcome& outcome) {
    std::vector<std::string> reasons = reasons_of(m_blocks[run].blueprint(), outcome);
    m_results[run].trials[index] = numbers_of(m_runs[run]->scenario, m_runs[run]->thresholds, outcome);
    if (reasons.empty()) return;
    const std::lock_guard<std::mutex> lock(m_guard);
    m_broken.push_back({m_flags.first_trial + index, std::move(reasons), run});
}

void TrialGrid::add_first(const TrialOutcome& outcome) {
    m_results.front().trials.resize(1);
    take(0, 0, outcome);
}

bool TrialGrid::extend_to(std::uint32_t wanted) {
    const std::uint32_t had = trials();
    if (wanted <= had) return true;
    Progress progress("trials", std::uint64_t{wanted - had} * m_runs.size(), m_flags.quiet || m_flags.no_progress || m_each);
    for (RunResults& r : m_results) r.trials.resize(wanted);
    std::atomic<std::uint64_t> done{0};
    ReplayGrid grid;
    for (const LoadedRun* run : m_runs) grid.configurations.push_back(configuration_of(*run));
    grid.seed = m_runs.front()->seed;
    grid.first_trial = m_flags.first_trial + had;
    grid.trials = wanted - had;
    grid.server = m_flags.server == "stepwise" ? ServerKind::stepwise : ServerKind::fast;
    grid.threads = m_flags.threads;
    grid.interrupted = m_interrupt.flag();
    // An outcome's sketches are 300 KiB, its numbers 1 KiB: only these are kept.
    grid.finished = [&](std::uint32_t c, std::uint32_t index, TrialOutcome&& outcome) {
        take(c, had + index, outcome);
        progress.update(++done);
        if (m_each) m_each();
    };
    const std::uint32_t kept = replay_grid(grid);
    for (RunResults& r : m_results) r.trials.resize(had + kept);
    std::sort(m_broken.begin(), m_broken.end(),
              [](const BrokenTrial& a, const BrokenTrial& b) { return a.trial != b.trial ? a.trial < b.trial : a.run < b.run; });
    if (m_broken.size() > most_broken) m_broken.resize(most_broken);
    return kept == wanted - had;
}

bool extend_until_precise(TrialGrid& grid, const RunFlags& flags) {
    // A spread judged from fewer trials than this is no spread: the rule would stop by luck.
    constexpr std::uint32_t fewest = 10;
    const std::uint32_t most = std::max(fewest, flags.max_trials.value_or(default_max_trials));
    std::uint32_t wanted = std::min(most, std::max(fewest, flags.trials.value_or(fewest)));
    while (true) {
        if (!grid.extend_to(wanted)) return false;
        if (!grid.broken().empty() || wanted == most) return true;
        if (least_precise(grid.results(0)).half_width <= *flags.precision) return true;
        wanted = std::min(most, wanted + wanted / 2);
    }
}

}  // namespace windtunnel
