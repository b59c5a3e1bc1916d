#include "cli/configuration_runner.hpp"

#include "cli/progress.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <atomic>

namespace windtunnel {

namespace {

/// Configurations that are in memory at a time; after so many, what is finished is written down.
constexpr std::size_t batch_size = 16;

}  // namespace

std::string refusal_of(const Problems& problems) {
    std::string out = to_string(problems.front());
    std::replace(out.begin(), out.end(), '\n', ' ');
    if (problems.size() > 1) out += fmt::format(" (and {} more)", problems.size() - 1);
    return out;
}

ConfigurationRunner::ConfigurationRunner(const RunFlags& flags, const InterruptGuard& interrupt)
    : m_flags(flags), m_interrupt(interrupt) {}

Result<LoadedRun> ConfigurationRunner::load(const Configuration& configuration) {
    RunFlags own = m_flags;
    for (std::string& a : configuration.point.assignments()) own.assignments.push_back(std::move(a));
    return m_loader.load(own);
}

bool ConfigurationRunner::extend(const std::vector<Configuration*>& configurations, std::uint32_t trials) {
    // Those that have equally many trials can go on together.
    std::vector<Configuration*> waiting;
    std::uint64_t cells = 0;
    for (Configuration* c : configurations) {
        if (c->state == ConfigurationState::refused || c->trials.count() >= trials) continue;
        waiting.push_back(c);
        cells += trials - c->trials.count();
    }
    std::stable_sort(waiting.begin(), waiting.end(), [](const Configuration* a, const Configuration* b) {
        return a->trials.count() > b->trials.count();
    });
    Progress progress("trials", cells, m_flags.quiet || m_flags.no_progress);
    std::atomic<std::uint64_t> done{0};
    for (std::size_t first = 0; first < waiting.size();) {
        std::vector<Configuration*> batch;
        while (first < waiting.size() && batch.size() < batch_size &&
               (batch.empty() || waiting[first]->trials.count() == batch.front()->trials.count()))
            batch.push_back(waiting[first++]);
        const bool finished = run_batch(batch, trials, [&] { progress.update(++done); });
        if (m_each && m_broken.empty()) m_each(batch);
        if (!finished) return false;
    }
    return true;
}

bool ConfigurationRunner::run_batch(const std::vector<Configuration*>& batch, std::uint32_t trials,
                                    const std::function<void()>& each) {
    std::vector<LoadedRun> runs;
    std::vector<Configuration*> loaded;
    runs.reserve(batch.size());
    for (Configuration* c : batch) {
        if (m_interrupt.raised()) return false;
        Result<LoadedRun> run = load(*c);
        if (run) {
            runs.push_back(std::move(*run));
            loaded.push_back(c);
        } else {
            c->state = ConfigurationState::refused;
            c->reason = refusal_of(run.problems());
        }
    }
    if (loaded.empty()) return true;
    std::vector<const LoadedRun*> pointers;
    for (const LoadedRun& r : runs) pointers.push_back(&r);
    RunFlags flags = m_flags;
    const auto had = static_cast<std::uint32_t>(loaded.front()->trials.count());
    flags.first_trial += had;
    TrialGrid grid(pointers, flags, m_interrupt);
    grid.report_each(each);
    const bool finished = grid.extend_to(trials - had);
    m_trials_run += std::uint64_t{grid.trials()} * loaded.size();
    if (!grid.broken().empty()) {
        m_broken = grid.broken();
        m_broken_at = loaded[m_broken.front().run];
        return false;
    }
    for (std::size_t i = 0; i < loaded.size(); ++i) {
        ConfigurationTrials more = trials_of(grid.results(i));
        more.series.hash = fmt::format("{:016x}", runs[i].scenario.hash);
        append(loaded[i]->trials, more);
    }
    return finished;
}

}  // namespace windtunnel
