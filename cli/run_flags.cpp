#include "cli/run_flags.hpp"

#include "cli/backend.hpp"
#include "cli/command_line.hpp"
#include "reports/atomic_file.hpp"

#include <fmt/format.h>
#include <charconv>
#include <filesystem>

namespace windtunnel {

namespace {

/// "2%" or "0.02"; nothing when it is neither.
std::optional<double> share_of(std::string_view text) {
    const bool percent = text.ends_with('%');
    if (percent) text.remove_suffix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    value = percent ? value / 100 : value;
    if (!(value > 0 && value < 1)) return std::nullopt;
    return value;
}

}  // namespace

CLI::Option* add_share_flag(CLI::App& command, const std::string& name, std::optional<double>& into,
                            const std::string& description) {
    return command
        .add_option_function<std::string>(
            name, [&into](const std::string& text) { into = share_of(text); }, description)
        ->type_name("SHARE")
        ->check(CLI::Validator(
            [](const std::string& text) {
                return share_of(text) ? std::string()
                                      : "found '" + text + "', allowed: a share such as 2% or 0.02";
            },
            ""));
}

void add_input_flags(CLI::App& command, RunFlags& flags) {
    constexpr const char* input = "Input";
    command.add_option("scenario", flags.scenario, "scenario file (YAML or JSON)");
    add_list(command, "-f,--manifests", flags.manifests,
             "Kubernetes manifests: file, folder or - (standard input); repeatable")
        ->group(input);
    command.add_option("-t,--trace", flags.trace, "request trace, in place of the scenario's")->group(input);
    add_list(command, "--profile", flags.profiles,
             "step times of a GPU that `windtunnel calibrate --out` wrote, in place of the shipped ones; repeatable")
        ->group(input);
    add_list(command, "--set", flags.assignments,
             "PATH=VALUE of the scenario, or Kind/name:spec.path=VALUE of a manifest; repeatable")
        ->group(input);
    command.add_option("--duration", flags.duration_s, "simulate only the first so many seconds")
        ->group(input);
    command.add_option("--start", flags.start, "warm (replicas Ready at t = 0) or cold")
        ->check(CLI::IsMember({"warm", "cold"}))
        ->group(input);
}

void add_trial_flags(CLI::App& command, RunFlags& flags) {
    constexpr const char* trials = "Trials";
    command.add_option("--seed", flags.seed, "which future; the same seed is the same weather")
        ->group(trials);
    command
        .add_option("--trials", flags.trials,
                    "how many futures; from two on numbers have confidence intervals")
        ->group(trials);
    add_share_flag(command, "--precision", flags.precision,
                   "run trials until thresholds, mean TTFT and cost are known to within this share (2%)")
        ->group(trials);
    command.add_option("--max-trials", flags.max_trials, "the most trials that may be spent on being sure")
        ->group(trials);
    command.add_option("--first-trial", flags.first_trial, "number of the first one, to see one again")
        ->group(trials);
    command.add_option("-j,--threads", flags.threads, "threads; default: all cores")->group(trials);
    command.add_option("--backend", flags.backend, "auto (a GPU from 8192 trials on, where one answers), cpu or cuda")
        ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
        ->group(trials);
    command.add_option("--server", flags.server, "fast, or stepwise (the step-by-step reference)")
        ->check(CLI::IsMember({"fast", "stepwise"}))
        ->group(trials);
}

void add_shard_flag(CLI::App& command, RunFlags& flags, const std::string& what) {
    command
        .add_option_function<std::string>(
            "--shard",
            [&flags](const std::string& text) {
                const Result<Shard> shard = parse_shard(text);
                if (shard) flags.shard = *shard;
            },
            "i/N: run only the i-th of N parts of the " + what +
                " (from 0) and write it to --out; goes on where it was stopped. `windtunnel merge` puts the parts together")
        ->type_name("I/N")
        ->check(CLI::Validator(
            [](const std::string& text) {
                const Result<Shard> shard = parse_shard(text);
                return shard ? std::string() : shard.problems().front().message;
            },
            ""))
        ->group("Parts");
}

void add_talk_flags(CLI::App& command, RunFlags& flags) {
    constexpr const char* output = "Output";
    command.add_option("--color", flags.color, "auto, always or never")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->group(output);
    command.add_flag("-q,--quiet", flags.quiet, "no progress, no suggestions")->group(output);
    command.add_flag("--no-progress", flags.no_progress, "no progress")->group(output);
}

Problems problems_of_output(const RunFlags& flags, const std::string& file) {
    if (file.empty()) return {};
    Problems problems = problems_of_writing(file);
    std::error_code none;
    for (const std::string& input : {flags.scenario, flags.trace})
        if (!input.empty() && std::filesystem::equivalent(file, input, none))
            problems.push_back(
                {{file, 0, 0}, "", "found an input of this run as its output, allowed: another file"});
    return problems;
}

Problems problems_of_flags(const RunFlags& flags) {
    Problems problems;
    if (flags.scenario.empty() && flags.manifests.empty())
        problems.push_back(
            {{}, "", "nothing to run, allowed: a scenario file, or -f with manifests and -t with a trace"});
    for (Problem& p : problems_of_backend(flags)) problems.push_back(std::move(p));
    if (flags.threads < 0)
        problems.push_back(
            {{},
             "-j",
             fmt::format("found {}, allowed: 1 or more threads, or 0 for all cores", flags.threads)});
    if (flags.max_trials && (*flags.max_trials < 1 || *flags.max_trials > 100'000'000))
        problems.push_back({{}, "--max-trials", fmt::format("found {}, allowed: 1 to 100000000", *flags.max_trials)});
    if (flags.shard) {
        const auto with = [&](bool given, const char* flag, const char* allowed) {
            if (given) problems.push_back({{}, flag, std::string("found beside --shard, allowed: ") + allowed});
        };
        if (flags.out.empty())
            problems.push_back({{}, "--shard", "found without --out, allowed: with --out FILE, which takes the part"});
        with(flags.precision.has_value(), "--precision", "--trials N: how many are enough shows in all parts together");
        with(!flags.checkpoint.empty(), "--checkpoint", "neither: --out keeps the trials of a part as they finish");
        with(!flags.requests.empty(), "--requests", "a run that is not divided");
        with(!flags.timeline.empty(), "--timeline", "a run that is not divided");
        with(flags.events, "--events", "a run that is not divided");
    }
    for (const std::string& file : {flags.out, flags.requests, flags.timeline, flags.checkpoint}) {
        for (Problem& p : problems_of_output(flags, file)) problems.push_back(std::move(p));
    }
    return problems;
}

ColorChoice color_choice(const std::string& name) {
    return name == "always" ? ColorChoice::on : name == "never" ? ColorChoice::off : ColorChoice::by_terminal;
}

int report_broken(const std::vector<BrokenTrial>& broken, std::uint64_t seed, const std::string& command) {
    for (const BrokenTrial& b : broken) {
        for (const std::string& reason : b.reasons) print_error(fmt::format("trial {}: {}", b.trial, reason));
        print_line(fmt::format("trial {} alone: {} --seed {} --first-trial {} --trials 1", b.trial, command,
                               seed, b.trial));
    }
    print_line("This is a mistake of windtunnel's own; nothing was reported.");
    return run_broke;
}

}  // namespace windtunnel
