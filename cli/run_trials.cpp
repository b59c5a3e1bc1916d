#include "cli/run_trials.hpp"

#include "cli/progress.hpp"
#include "gpu/replay.hpp"
#include "sim/laws.hpp"

#include <fmt/format.h>

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

/// The only trial, watched while it runs.
std::vector<TrialOutcome> watch_only_trial(const LoadedRun& run, TrialKey key, ServerKind server,
                                           ObservationPlan watch, bool silent,
                                           std::optional<ObservedTrial>& first) {
    const TrialWorkload workload = workload_of(run, key.trial);
    Progress progress("requests", workload.view.count, silent);
    watch.progress = [&](std::uint64_t ended) { progress.update(ended); };
    first = observe_trial(blueprint_of(run), workload.view, key, server, watch);
    if (first->complete) return {first->outcome};
    first.reset();
    return {};
}

std::vector<TrialOutcome> replay_all(const LoadedRun& run, const RunFlags& flags, ServerKind server,
                                     const InterruptGuard& interrupt, bool silent) {
    Progress progress("trials", run.trials, silent);
    ReplayPlan plan;
    plan.blueprint = blueprint_of(run);
    plan.workload = [&run](std::uint32_t trial) { return workload_of(run, trial); };
    plan.seed = run.seed;
    plan.first_trial = flags.first_trial;
    plan.trials = run.trials;
    plan.server = server;
    plan.threads = flags.threads;
    plan.progress = [&](std::uint32_t done) { progress.update(done); };
    plan.interrupted = interrupt.flag();
    return replay(plan);
}

}  // namespace

TrialRun run_trials(const LoadedRun& run, const RunFlags& flags, const ObservationPlan& watch,
                    const InterruptGuard& interrupt) {
    const ServerKind server = flags.server == "stepwise" ? ServerKind::stepwise : ServerKind::fast;
    const bool silent = flags.quiet || flags.no_progress;
    const TrialKey first_key{run.seed, flags.first_trial};
    const bool watched = watch.requests || watch.slices > 0;
    ObservationPlan plan = watch;
    plan.interrupted = interrupt.flag();

    TrialRun out;
    out.results = results_of(run.scenario, run.thresholds, run.seed, replay_backend());
    std::vector<TrialOutcome> outcomes;
    if (watched && run.trials == 1)
        outcomes = watch_only_trial(run, first_key, server, plan, silent, out.first);
    else
        outcomes = replay_all(run, flags, server, interrupt, silent);
    out.results.complete = outcomes.size() == run.trials;
    if (watched && run.trials > 1 && !outcomes.empty() && !interrupt.raised()) {
        const TrialWorkload workload = workload_of(run, first_key.trial);
        out.first = observe_trial(blueprint_of(run), workload.view, first_key, server, plan);
        if (!out.first->complete) out.first.reset();
    }

    const BlueprintBlock block = build(run.scenario.parts);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        std::vector<std::string> reasons = reasons_of(block.blueprint(), outcomes[i]);
        if (!reasons.empty() && out.broken.size() < most_broken)
            out.broken.push_back({flags.first_trial + static_cast<std::uint32_t>(i), std::move(reasons)});
        out.results.trials.push_back(numbers_of(run.scenario, run.thresholds, outcomes[i]));
    }
    return out;
}

}  // namespace windtunnel
