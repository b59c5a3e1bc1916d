#include "cli/run_trials.hpp"

#include "cli/progress.hpp"
#include "gpu/replay.hpp"
#include "sim/laws.hpp"

#include <fmt/format.h>
#include <algorithm>

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

std::function<BlueprintBlock(std::uint32_t)> blueprint_of(const LoadedRun& run) {
    return [&run](std::uint32_t growth) { return build(run.scenario.parts, growth); };
}

TrialWorkload workload_of(const LoadedRun& run, std::uint32_t trial) {
    std::shared_ptr<const Trace> trace = run.workload(trial);
    const WorkloadView view = trace->view();
    return {view, std::move(trace)};
}

/// Outcomes come in batches and become numbers at once: an outcome's sketches are 300 KiB, its numbers 1 KiB.
constexpr std::uint32_t trials_per_batch = 512;

/// Makes numbers of outcomes, and keeps what broke.
class Collector {
public:
    Collector(const LoadedRun& run, std::uint32_t first_trial, TrialRun& out)
        : m_run(run), m_first_trial(first_trial), m_block(build(run.scenario.parts)), m_out(out) {}

    void add(const TrialOutcome& outcome) {
        const auto trial = m_first_trial + static_cast<std::uint32_t>(m_out.results.trials.size());
        std::vector<std::string> reasons = reasons_of(m_block.blueprint(), outcome);
        if (!reasons.empty() && m_out.broken.size() < most_broken)
            m_out.broken.push_back({trial, std::move(reasons)});
        m_out.results.trials.push_back(numbers_of(m_run.scenario, m_run.thresholds, outcome));
    }

private:
    const LoadedRun& m_run;
    const std::uint32_t m_first_trial;
    const BlueprintBlock m_block;
    TrialRun& m_out;
};

/// Replays all trials, as far as nothing interrupts.
void replay_all(const LoadedRun& run, const RunFlags& flags, ServerKind server,
                const InterruptGuard& interrupt, bool silent, Collector& collector) {
    Progress progress("trials", run.trials, silent);
    ReplayPlan plan;
    plan.blueprint = blueprint_of(run);
    plan.workload = [&run](std::uint32_t trial) { return workload_of(run, trial); };
    plan.seed = run.seed;
    plan.server = server;
    plan.threads = flags.threads;
    plan.interrupted = interrupt.flag();
    for (std::uint32_t before = 0; before < run.trials && !interrupt.raised(); before += plan.trials) {
        plan.first_trial = flags.first_trial + before;
        plan.trials = std::min(trials_per_batch, run.trials - before);
        plan.progress = [&, before](std::uint32_t done) { progress.update(before + done); };
        for (const TrialOutcome& outcome : replay(plan)) collector.add(outcome);
    }
}

/// Watches the first trial; nothing when interrupted.
std::optional<ObservedTrial> watch_first(const LoadedRun& run, TrialKey key, ServerKind server,
                                         ObservationPlan plan, bool silent) {
    const TrialWorkload workload = workload_of(run, key.trial);
    Progress progress("requests", workload.view.count, silent);
    plan.progress = [&](std::uint64_t ended) { progress.update(ended); };
    ObservedTrial seen = observe_trial(blueprint_of(run), workload.view, key, server, plan);
    if (!seen.complete) return std::nullopt;
    return seen;
}

}  // namespace

TrialRun run_trials(const LoadedRun& run, const RunFlags& flags, const ObservationPlan& watch,
                    const InterruptGuard& interrupt) {
    const ServerKind server = flags.server == "stepwise" ? ServerKind::stepwise : ServerKind::fast;
    const bool silent = flags.quiet || flags.no_progress;
    ObservationPlan plan = watch;
    plan.interrupted = interrupt.flag();

    TrialRun out;
    out.results = results_of(run.scenario, run.thresholds, run.seed, replay_backend());
    Collector collector(run, flags.first_trial, out);
    const bool only_watched = run.trials == 1 && (watch.requests || watch.slices > 0);
    if (!only_watched) replay_all(run, flags, server, interrupt, silent, collector);
    if ((watch.requests || watch.slices > 0) && !interrupt.raised())
        out.first = watch_first(run, {run.seed, flags.first_trial}, server, plan, silent);
    if (only_watched && out.first) collector.add(out.first->outcome);
    out.results.complete = out.results.trials.size() == run.trials;
    return out;
}

}  // namespace windtunnel
