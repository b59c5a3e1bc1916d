#include "cli/run_trials.hpp"

#include "cli/progress.hpp"

namespace windtunnel {

namespace {

/// Watches the first trial; nothing when interrupted.
std::optional<ObservedTrial> watch_first(const LoadedRun& run, TrialKey key, ServerKind server,
                                         ObservationPlan plan, bool silent) {
    const std::shared_ptr<const Trace> trace = run.workload(key.trial);
    Progress progress("requests", trace->view().count, silent);
    plan.progress = [&](std::uint64_t ended) { progress.update(ended); };
    ObservedTrial seen = observe_trial(
        [&run](std::uint32_t growth) { return build(run.scenario.parts, growth); }, trace->view(), key, server,
        plan);
    if (!seen.complete) return std::nullopt;
    return seen;
}

}  // namespace

TrialRun run_trials(const LoadedRun& run, const RunFlags& flags, const ObservationPlan& watch,
                    const InterruptGuard& interrupt, TrialLog* log) {
    const ServerKind server = flags.server == "stepwise" ? ServerKind::stepwise : ServerKind::fast;
    const bool silent = flags.quiet || flags.no_progress;
    const bool first_is_ours = !flags.shard || flags.shard->holds(0);
    const bool watched = first_is_ours && (watch.requests || watch.slices > 0 || watch.csv_slices > 0 || watch.cluster != nullptr);
    ObservationPlan plan = watch;
    plan.interrupted = interrupt.flag();

    TrialRun out;
    TrialGrid grid({&run}, flags, interrupt);
    if (log != nullptr) grid.keep_in(*log, flags.shard);
    const bool only_watched = run.trials == 1 && !flags.precision && watched;
    bool complete = true;
    if (!only_watched) complete = flags.precision ? extend_until_precise(grid, flags) : grid.extend_to(run.trials);
    if (watched && !interrupt.raised())
        out.first = watch_first(run, {run.seed, flags.first_trial}, server, plan, silent);
    if (only_watched) {
        if (out.first) grid.add_first(out.first->outcome);
        complete = out.first.has_value();
    }
    out.results = std::move(grid.results(0));
    out.results.complete = complete;
    if (out.first && out.first->cluster) {
        out.results.cluster = out.first->cluster;
        out.results.cluster->trial = flags.first_trial;
    }
    out.broken = grid.broken();
    return out;
}

}  // namespace windtunnel
