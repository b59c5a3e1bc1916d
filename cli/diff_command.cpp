#include "cli/base_source.hpp"
#include "cli/command_line.hpp"
#include "cli/run_flags.hpp"
#include "cli/trial_grid.hpp"
#include "reports/atomic_file.hpp"
#include "reports/diff.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <memory>

namespace windtunnel {

namespace {

/// Pairs that a difference is judged from unless told otherwise.
constexpr std::uint32_t usual_trials = 16;

struct DiffFlags {
    RunFlags run;
    std::string base;
    std::string output = "table";
    bool exit_code = false;
};

std::string written(const DiffFlags& flags, const DiffReport& report) {
    if (flags.output == "json") return diff_json(report);
    if (flags.output == "markdown") return diff_markdown(report);
    return diff_text(report, wants_color(color_choice(flags.run.color)));
}

int run_diff(DiffFlags& flags, const std::string& command) {
    Problems problems = problems_of_flags(flags.run);
    if (flags.base.empty())
        problems.push_back({{}, "--base", "found none, allowed: a folder, git:REF, a scenario file or results.json"});
    if (!problems.empty()) return refuse(problems);
    Result<BaseSource> source = BaseSource::open(flags.base, flags.run);
    if (!source) return refuse(source.problems());
    std::optional<TrialSeries> file;
    if (source->is_results()) {
        Result<TrialSeries> series = read_results_file(source->results_file());
        if (!series) return refuse(series.problems());
        file = std::move(*series);
        if (!flags.run.seed) flags.run.seed = file->seed;
    }
    const Result<LoadedRun> candidate = load_run(flags.run);
    if (!candidate) return refuse(candidate.problems());
    std::optional<LoadedRun> base;
    if (!file) {
        RunFlags own = source->flags();
        own.seed = candidate->seed;
        Result<LoadedRun> run = load_run(own);
        if (!run) return refuse(run.problems());
        base = std::move(*run);
    }

    const InterruptGuard interrupt;
    std::vector<const LoadedRun*> runs{&*candidate};
    if (base) runs.push_back(&*base);
    TrialGrid grid(runs, flags.run, interrupt);
    const std::uint32_t trials = flags.run.trials.value_or(std::max(candidate->trials, usual_trials));
    const bool finished = flags.run.precision ? extend_until_precise(grid, flags.run) : grid.extend_to(trials);
    if (!grid.broken().empty()) return report_broken(grid.broken(), candidate->seed, command);

    DiffReport report;
    report.base = flags.base;
    report.candidate = candidate->scenario.name;
    report.seed = candidate->seed;
    report.trials = grid.trials();
    report.complete = finished;
    report.has_fields = base.has_value();
    if (base) report.fields = field_changes(*base->source, *candidate->source);
    if (grid.trials() > 0)
        report.rows = compare(file ? *file : series_of(grid.results(1)), series_of(grid.results(0)));
    const bool paired = !report.rows.empty() && report.rows.front().difference.paired;
    report.pairing = paired ? "trial by trial under the same weather" : "as independent samples";
    if (!flags.run.out.empty())
        if (const Problems failed = write_file(flags.run.out, written(flags, report)); !failed.empty()) return refuse(failed);
    if (flags.run.out.empty() || flags.output == "table")
        if (!print_data(written(flags, report))) return run_broke;
    if (!finished) {
        print_line(fmt::format("interrupted: {} trials of each ran", report.trials));
        return interrupt.exit_code();
    }
    return flags.exit_code && report.differs() ? negative_verdict : answered;
}

}  // namespace

void add_diff_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<DiffFlags>();
    CLI::App* command = app.add_subcommand("diff", "Compares two configurations: fields, and what they do to latency, cost and risk");
    add_input_flags(*command, flags->run);
    command->add_option("--base", flags->base, "what to compare with: DIR, git:REF, a scenario file or results.json")->group("Input");
    add_trial_flags(*command, flags->run);
    constexpr const char* output = "Output";
    command->add_option("-o,--output", flags->output, "table, json or markdown")
        ->check(CLI::IsMember({"table", "json", "markdown"}))
        ->group(output);
    command->add_option("--out", flags->run.out, "writes the comparison to this file")->group(output);
    command->add_flag("--exit-code", flags->exit_code, "exit 1 when something differs")->group(output);
    add_talk_flags(*command, flags->run);
    command->footer(
        "\nBoth meet the same weather, trial by trial: a difference is theirs, not the dice's. Marked ones are significant at\n"
        "95 % each.\n\n"
        "Exit codes: 0 answered; with --exit-code 1 when a field differs or a number surely does; 2 usage or input error;\n"
        "3 a run broke; 130 interrupted.\n\n"
        "Examples:\n"
        "  windtunnel diff scenario.yaml --base git:main\n"
        "  windtunnel diff -f k8s-new/ -t trace.csv.gz --base k8s-old/ -o markdown\n"
        "  windtunnel diff scenario.yaml --set ScaledObject/chat:spec.maxReplicaCount=20 --base scenario.yaml\n");
    command->callback([flags, &invocation] {
        invocation.action = [flags, &invocation] { return run_diff(*flags, invocation.command); };
    });
}

}  // namespace windtunnel
