#include "cli/trial_grid.hpp"

#include "cli/backend.hpp"
#include "cli/console.hpp"
#include "cli/progress.hpp"
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
    : m_runs(std::move(runs)),
      m_flags(flags),
      m_interrupt(interrupt),
      m_backend(backend_for(flags, m_runs.front()->trials)) {
    for (const LoadedRun* run : m_runs) {
        m_blocks.push_back(build(run->scenario.parts));
        m_results.push_back(results_of(run->scenario, run->thresholds, run->seed, m_backend.name));
        m_results.back().first_trial = flags.first_trial;
    }
}

std::uint32_t TrialGrid::trials() const { return static_cast<std::uint32_t>(m_results.front().trials.size()); }

void TrialGrid::keep_in(TrialLog& log, std::optional<Shard> shard) {
    m_log = &log;
    m_shard = shard;
}

FinishedTrial TrialGrid::finished(std::uint64_t cell, const TrialOutcome& outcome) const {
    const std::size_t run = cell % m_runs.size();
    return {cell, numbers_of(m_runs[run]->scenario, m_runs[run]->thresholds, outcome),
            reasons_of(m_blocks[run].blueprint(), outcome)};
}

void TrialGrid::take(FinishedTrial&& trial) {
    const std::size_t run = trial.cell % m_runs.size();
    const auto index = static_cast<std::uint32_t>(trial.cell / m_runs.size());
    if (m_log != nullptr && trial.reasons.empty()) m_log->add(index, trial.numbers);
    m_results[run].trials[index] = std::move(trial.numbers);
    m_there[trial.cell] = 1;
    if (trial.reasons.empty()) return;
    const std::lock_guard<std::mutex> lock(m_guard);
    m_broken.push_back({m_flags.first_trial + index, std::move(trial.reasons), run});
}

void TrialGrid::add_first(const TrialOutcome& outcome) {
    m_results.front().trials.resize(1);
    m_there.resize(1);
    take(finished(0, outcome));
}

std::uint64_t TrialGrid::identity() const {
    std::uint64_t out = m_flags.first_trial;
    for (const LoadedRun* run : m_runs) out = (out * 0x9E3779B97F4A7C15u + run->scenario.hash) ^ run->seed;
    return out;
}

bool TrialGrid::extend_to(std::uint32_t wanted) {
    const std::uint32_t had = trials();
    if (wanted <= had) return true;
    const std::size_t width = m_runs.size();
    for (RunResults& r : m_results) r.trials.resize(wanted);
    m_there.resize(wanted * width);

    ReplayGrid grid;
    for (const LoadedRun* run : m_runs) grid.configurations.push_back(configuration_of(*run));
    grid.seed = m_runs.front()->seed;
    grid.first_trial = m_flags.first_trial;
    grid.trials = wanted;
    grid.server = m_flags.server == "stepwise" ? ServerKind::stepwise : ServerKind::fast;
    grid.threads = m_flags.threads > 0 ? m_flags.threads : trial_executor().default_threads();
    grid.interrupted = m_interrupt.flag();
    grid.batch = m_backend.batch;
    std::atomic<std::uint64_t> outgrew{0};
    grid.outgrew = [&](std::uint64_t) { ++outgrew; };
    std::vector<std::uint64_t> missing;
    std::vector<FinishedTrial> known;
    for (std::uint64_t cell = had * width; cell < m_there.size(); ++cell) {
        if (m_shard && !m_shard->holds(cell)) continue;
        if (const TrialNumbers* numbers = m_log ? m_log->find(static_cast<std::uint32_t>(cell)) : nullptr) {
            m_results.front().trials[cell] = *numbers;
            m_there[cell] = 1;
            known.push_back({cell, *numbers, {}});
        } else {
            missing.push_back(cell);
        }
    }
    Progress progress("trials", missing.size(), m_flags.quiet || m_flags.no_progress || m_each);
    grid.cells = std::move(missing);
    std::atomic<std::uint64_t> done{0};
    const TrialWork work{grid, [this](std::uint64_t cell, const TrialOutcome& outcome) { return finished(cell, outcome); },
                         [&](FinishedTrial&& trial) {
                             take(std::move(trial));
                             progress.update(++done);
                             if (m_each) m_each();
                         },
                         known, identity()};
    trial_executor().run(work);
    if (m_backend.batch != nullptr && outgrew > 0 && !m_flags.quiet)
        print_line(fmt::format("{} trials outgrew their memory on the GPU and ran on this machine's cores", outgrew.load()));

    std::uint64_t kept = had * width;
    while (kept < m_there.size() && (m_there[kept] || (m_shard && !m_shard->holds(kept)))) ++kept;
    for (RunResults& r : m_results) r.trials.resize(kept / width);
    m_there.resize(kept / width * width);
    std::sort(m_broken.begin(), m_broken.end(),
              [](const BrokenTrial& a, const BrokenTrial& b) { return a.trial != b.trial ? a.trial < b.trial : a.run < b.run; });
    if (m_broken.size() > most_broken) m_broken.resize(most_broken);
    return kept == wanted * width;
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
