#include "cli/run_command.hpp"

#include "cli/backend.hpp"
#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"
#include "cli/interrupt.hpp"
#include "cli/run_flags.hpp"
#include "cli/run_trials.hpp"
#include "models/version.hpp"
#include "reports/atomic_file.hpp"
#include "reports/human.hpp"
#include "reports/precision.hpp"
#include "reports/terminal.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <chrono>
#include <memory>

namespace windtunnel {

namespace {

constexpr std::uint32_t timeline_slices = 24;

void tell_pace(const RunResults& results, double wall_s) {
    const double simulated = results.span_s * static_cast<double>(results.trials.size());
    std::string text = fmt::format("simulated {} in {}", spoken_duration(simulated), spoken_duration(wall_s));
    if (wall_s > 0 && simulated > wall_s)
        text += fmt::format(" ({} times real time)", short_number(simulated / wall_s));
    print_line(text);
}

void tell_precision(const RunResults& results, double wanted) {
    const Imprecision worst = least_precise(results);
    const bool reached = worst.half_width <= wanted;
    print_line(fmt::format("precision {} {} after {} trials: {} is known to within {}", short_percent(wanted),
                           reached ? "reached" : "NOT reached", results.trials.size(), worst.what,
                           short_percent(worst.half_width)));
}

int run_flags(const RunFlags& flags, const std::string& command) {
    if (const Problems problems = problems_of_flags(flags); !problems.empty()) return refuse(problems);
    const Result<LoadedRun> run = load_run(flags);
    if (!run) return refuse(run.problems());
    return run_loaded(*run, flags, command);
}

/// Where this process is to keep its trials; none of many processes but the one that speaks keeps any.
Result<std::unique_ptr<TrialLog>> open_log(const LoadedRun& run, const RunFlags& flags) {
    const std::string& file = flags.shard ? flags.out : flags.checkpoint;
    if (file.empty() || !trial_executor().speaks()) return std::unique_ptr<TrialLog>();
    PartHead head{version, flags.shard, std::nullopt, {}};
    if (flags.shard) head.trials = run.trials;
    head.run = results_of(run.scenario, run.thresholds, run.seed, backend_for(flags, run.trials).name);
    head.run.first_trial = flags.first_trial;
    return TrialLog::open(file, head);
}

/// The end of a part: no results, but a file that is whole.
int finish_shard(const RunFlags& flags, const TrialRun& done, TrialLog* log, const InterruptGuard& interrupt,
                 std::uint32_t trials) {
    if (log == nullptr) return answered;
    const Shard& shard = *flags.shard;
    const std::uint32_t wanted = trials / shard.count + (trials % shard.count > shard.index ? 1 : 0);
    if (!done.results.complete) {
        print_line(fmt::format("interrupted: {} of {} trials of part {} are in {}; the same command goes on from there",
                               log->size(), wanted, shard.index, log->file()));
        return interrupt.raised() ? interrupt.exit_code() : static_cast<int>(run_broke);
    }
    if (const Problems failed = log->finish(cluster_sections_json(done.results)); !failed.empty())
        return refuse(failed);
    if (!flags.quiet)
        print_line(fmt::format("part {} of {}: {} of {} trials in {}; `windtunnel merge` puts the parts together",
                               shard.index, shard.count, wanted, trials, log->file()));
    return answered;
}

}  // namespace

int run_loaded(const LoadedRun& run, const RunFlags& flags, const std::string& command) {
    const bool table = flags.output == "table";
    ObservationPlan watch;
    watch.requests = !flags.requests.empty();
    watch.slices = table ? timeline_slices : 0;
    watch.cluster = &run.scenario;
    if (flags.events) watch.most_events = 1'000'000;
    if (!flags.timeline.empty())
        watch.csv_slices = static_cast<std::uint32_t>(
            std::clamp<std::int64_t>(run.scenario.parts.span.count / seconds(60).count, 24, 10'000));
    const InterruptGuard interrupt;
    const auto start = std::chrono::steady_clock::now();
    const Result<std::unique_ptr<TrialLog>> opened = open_log(run, flags);
    if (!opened) return refuse(opened.problems());
    TrialLog* const log = opened->get();
    if (flags.shard && log != nullptr && log->complete()) {
        if (!flags.quiet) print_line(log->file() + " holds all trials of this part already");
        return answered;
    }
    const TrialRun done = run_trials(run, flags, watch, interrupt, log);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    if (!done.broken.empty()) return report_broken(done.broken, run.seed, command);
    if (flags.shard) return finish_shard(flags, done, log, interrupt, run.trials);
    if (log != nullptr && done.results.complete)
        if (const Problems failed = log->finish(cluster_sections_json(done.results)); !failed.empty())
            return refuse(failed);

    if (!flags.requests.empty() && done.first)
        if (const Problems failed = write_file(flags.requests, requests_csv(done.first->requests));
            !failed.empty())
            return refuse(failed);
    if (!flags.timeline.empty() && done.first && done.first->fine_timeline)
        if (const Problems failed =
                write_file(flags.timeline, timeline_csv(*done.first->fine_timeline, run.scenario.parts.span));
            !failed.empty())
            return refuse(failed);
    if (!flags.out.empty())
        if (const Problems failed = write_file(flags.out, results_json(done.results)); !failed.empty())
            return refuse(failed);
    if (table) {
        TerminalOptions options{wants_color(color_choice(flags.color)), flags.verbose, terminal_width(),
                                flags.quiet ? "" : command, flags.events};
        if (!print_data(
                terminal_summary(run.scenario, done.results, done.first ? &*done.first : nullptr, options)))
            return run_broke;
    } else if (flags.out.empty()) {
        if (!print_data(results_json(done.results))) return run_broke;
    }
    if (flags.precision && done.results.complete) tell_precision(done.results, *flags.precision);
    if (table && !flags.quiet) tell_pace(done.results, wall.count());
    if (!done.results.complete) {
        print_line(flags.precision ? fmt::format("interrupted: {} trials ran", done.results.trials.size())
                                   : fmt::format("interrupted: {} of {} trials ran", done.results.trials.size(),
                                                 run.trials));
        if (log != nullptr) print_line(fmt::format("they are in {}; the same command goes on from there", log->file()));
        return interrupt.raised() ? interrupt.exit_code() : static_cast<int>(run_broke);
    }
    return answered;
}

void add_run_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<RunFlags>();
    CLI::App* command =
        app.add_subcommand("run", "Simulates a cluster under a workload: latency, capacity, cost");
    add_input_flags(*command, *flags);
    add_trial_flags(*command, *flags);
    add_shard_flag(*command, *flags, "trials");
    command
        ->add_option("--checkpoint", flags->checkpoint,
                     "keep trials in this file as they finish; the same command goes on from there after it was stopped")
        ->group("Parts");
    constexpr const char* output = "Output";
    add_output_flag(*command, flags->output)->group(output);
    command
        ->add_option("--out", flags->out,
                     "writes the results as JSON to this file (with -o json: in place of standard output)")
        ->group(output);
    command
        ->add_option("--requests", flags->requests,
                     "writes one CSV row per request of the first trial to this file")
        ->group(output);
    command
        ->add_option("--timeline", flags->timeline,
                     "writes the first trial minute by minute as CSV to this file: requests, pods and nodes by state")
        ->group(output);
    command->add_flag("--events", flags->events, "the first trial's events, as kubectl get events prints them")
        ->group(output);
    command->add_flag("-v,--verbose", flags->verbose, "show all warnings")->group(output);
    add_talk_flags(*command, *flags);
    command->footer(
        "\nExit codes: 0 answered, whatever the thresholds say; 2 usage or input error; 3 the run itself "
        "broke; 130 interrupted.\n\n"
        "Examples:\n"
        "  windtunnel run scenario.yaml\n"
        "  windtunnel run scenario.yaml --trials 1000 --shard 2/7 --out part-2.jsonl\n"
        "  windtunnel run scenario.yaml --trials 20 --set cluster.pools[0].max=4 -o json --out results.json\n"
        "  helm template chat ./chart | windtunnel run -f - -t requests.csv.gz --set cluster.cloud=aws\n");
    command->callback([flags, &invocation] {
        invocation.action = [flags, &invocation] { return run_flags(*flags, invocation.command); };
    });
}

}  // namespace windtunnel
