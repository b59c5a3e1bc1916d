#include "cli/run_command.hpp"

#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"
#include "cli/interrupt.hpp"
#include "cli/run_trials.hpp"
#include "gpu/replay.hpp"
#include "reports/atomic_file.hpp"
#include "reports/human.hpp"
#include "reports/terminal.hpp"

#include <fmt/format.h>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>

namespace windtunnel {

namespace {

constexpr std::uint32_t timeline_slices = 24;

/// What can be known to fail before anything long is done.
Problems problems_of(const RunFlags& flags) {
    Problems problems;
    if (flags.scenario.empty() && flags.manifests.empty())
        problems.push_back(
            {{}, "", "nothing to run, allowed: a scenario file, or -f with manifests and -t with a trace"});
    if (flags.backend == "cuda" && std::strcmp(replay_backend(), "cuda") != 0)
        problems.push_back({{},
                            "--backend",
                            "found cuda, but this program was built without device code, allowed: auto or "
                            "cpu, or a build with `cmake --preset cuda` where nvcc is"});
    if (flags.threads < 0)
        problems.push_back(
            {{},
             "-j",
             fmt::format("found {}, allowed: 1 or more threads, or 0 for all cores", flags.threads)});
    for (const std::string& file : {flags.out, flags.requests}) {
        if (file.empty()) continue;
        for (Problem& p : problems_of_writing(file)) problems.push_back(std::move(p));
        std::error_code none;
        for (const std::string& input : {flags.scenario, flags.trace})
            if (!input.empty() && std::filesystem::equivalent(file, input, none))
                problems.push_back(
                    {{file, 0, 0}, "", "found an input of this run as its output, allowed: another file"});
    }
    return problems;
}

int refuse(const Problems& problems) {
    print_errors(problems);
    return bad_input;
}

int report_broken(const TrialRun& run, const std::string& command) {
    for (const BrokenTrial& b : run.broken) {
        for (const std::string& reason : b.reasons) print_error(fmt::format("trial {}: {}", b.trial, reason));
        print_line(fmt::format("trial {} alone: {} --seed {} --first-trial {} --trials 1", b.trial, command,
                               run.results.seed, b.trial));
    }
    print_line("This is a mistake of windtunnel's own; nothing was reported.");
    return run_broke;
}

void tell_pace(const RunResults& results, double wall_s) {
    const double simulated = results.span_s * static_cast<double>(results.trials.size());
    std::string text = fmt::format("simulated {} in {}", spoken_duration(simulated), spoken_duration(wall_s));
    if (wall_s > 0 && simulated > wall_s)
        text += fmt::format(" ({} times real time)", short_number(simulated / wall_s));
    print_line(text);
}

int run_flags(const RunFlags& flags, const std::string& command) {
    if (const Problems problems = problems_of(flags); !problems.empty()) return refuse(problems);
    const Result<LoadedRun> run = load_run(flags);
    if (!run) return refuse(run.problems());
    return run_loaded(*run, flags, command);
}

ColorChoice color_choice(const std::string& name) {
    return name == "always" ? ColorChoice::on : name == "never" ? ColorChoice::off : ColorChoice::by_terminal;
}

}  // namespace

int run_loaded(const LoadedRun& run, const RunFlags& flags, const std::string& command) {
    const bool table = flags.output == "table";
    ObservationPlan watch;
    watch.requests = !flags.requests.empty();
    watch.slices = table ? timeline_slices : 0;
    const InterruptGuard interrupt;
    const auto start = std::chrono::steady_clock::now();
    const TrialRun done = run_trials(run, flags, watch, interrupt);
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    if (!done.broken.empty()) return report_broken(done, command);

    if (!flags.requests.empty() && done.first)
        if (const Problems failed = write_file(flags.requests, requests_csv(done.first->requests));
            !failed.empty())
            return refuse(failed);
    if (!flags.out.empty())
        if (const Problems failed = write_file(flags.out, results_json(done.results)); !failed.empty())
            return refuse(failed);
    if (table) {
        TerminalOptions options{wants_color(color_choice(flags.color)), flags.verbose, terminal_width(),
                                flags.quiet ? "" : command};
        if (!print_data(
                terminal_summary(run.scenario, done.results, done.first ? &*done.first : nullptr, options)))
            return run_broke;
    } else if (flags.out.empty()) {
        if (!print_data(results_json(done.results))) return run_broke;
    }
    if (table && !flags.quiet) tell_pace(done.results, wall.count());
    if (!done.results.complete) {
        print_line(fmt::format("interrupted: {} of {} trials ran", done.results.trials.size(), run.trials));
        return interrupt.raised() ? interrupt.exit_code() : static_cast<int>(run_broke);
    }
    return answered;
}

void add_run_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<RunFlags>();
    CLI::App* command =
        app.add_subcommand("run", "Simulates a cluster under a workload: latency, capacity, cost");
    command->add_option("scenario", flags->scenario, "scenario file (YAML or JSON)");
    constexpr const char* input = "Input";
    add_list(*command, "-f,--manifests", flags->manifests,
             "Kubernetes manifests: file, folder or - (standard input); repeatable")
        ->group(input);
    command->add_option("-t,--trace", flags->trace, "request trace, in place of the scenario's")
        ->group(input);
    add_list(*command, "--set", flags->assignments,
             "PATH=VALUE of the scenario, or Kind/name:spec.path=VALUE of a manifest; repeatable")
        ->group(input);
    command->add_option("--duration", flags->duration_s, "simulate only the first so many seconds")
        ->group(input);
    command->add_option("--start", flags->start, "warm (replicas Ready at t = 0) or cold")
        ->check(CLI::IsMember({"warm", "cold"}))
        ->group(input);
    constexpr const char* trials = "Trials";
    command->add_option("--seed", flags->seed, "which future; the same seed is the same weather")
        ->group(trials);
    command
        ->add_option("--trials", flags->trials,
                     "how many futures; from two on numbers have confidence intervals")
        ->group(trials);
    command->add_option("--first-trial", flags->first_trial, "number of the first one, to see one again")
        ->group(trials);
    command->add_option("-j,--threads", flags->threads, "threads; default: all cores")->group(trials);
    command->add_option("--backend", flags->backend, "auto, cpu or cuda")
        ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
        ->group(trials);
    command->add_option("--server", flags->server, "fast, or stepwise (the step-by-step reference)")
        ->check(CLI::IsMember({"fast", "stepwise"}))
        ->group(trials);
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
    command->add_option("--color", flags->color, "auto, always or never")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->group(output);
    command->add_flag("-v,--verbose", flags->verbose, "show all warnings")->group(output);
    command->add_flag("-q,--quiet", flags->quiet, "no progress, no suggestions")->group(output);
    command->add_flag("--no-progress", flags->no_progress, "no progress")->group(output);
    command->footer(
        "\nExit codes: 0 answered, whatever the thresholds say; 2 usage or input error; 3 the run itself "
        "broke; 130 interrupted.\n\n"
        "Examples:\n"
        "  windtunnel run scenario.yaml\n"
        "  windtunnel run scenario.yaml --trials 20 --set cluster.pools[0].max=4 -o json --out results.json\n"
        "  helm template chat ./chart | windtunnel run -f - -t requests.csv.gz --set cluster.cloud=aws\n");
    command->callback([flags, &invocation] {
        invocation.action = [flags, &invocation] { return run_flags(*flags, invocation.command); };
    });
}

}  // namespace windtunnel
