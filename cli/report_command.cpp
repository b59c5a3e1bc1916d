#include "cli/command_line.hpp"
#include "cli/run_flags.hpp"
#include "cli/run_trials.hpp"
#include "reports/atomic_file.hpp"
#include "reports/report_page.hpp"

#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

constexpr std::uint32_t page_slices = 240;

/// The page goes to its file, and where that is to standard output.
int finish(const RunFlags& flags, const PageContent& content) {
    if (const Problems failed = write_file(flags.out, report_page(content)); !failed.empty()) return refuse(failed);
    return print_data(flags.out + "\n") ? answered : run_broke;
}

/// A finished run: what it says over all, without a timeline.
int report_results(const RunFlags& flags, const std::string& text) {
    PageContent content;
    content.results_json = text;
    return finish(flags, content);
}

std::string results_text(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (text.find("\"windtunnel.results/v1\"") == std::string::npos) return "";
    const nlohmann::json root = nlohmann::json::parse(text, nullptr, false);
    return root.is_discarded() ? "" : text;
}

int run_report(const RunFlags& flags, const std::string& command) {
    if (!has_report_page()) {
        print_error("found a program that was built without the report page, allowed: a build where npm is "
                    "(cmake -DWINDTUNNEL_PAGE=ON)");
        return bad_input;
    }
    if (const Problems problems = problems_of_flags(flags); !problems.empty()) return refuse(problems);
    if (const std::string text = results_text(flags.scenario); !text.empty()) return report_results(flags, text);
    const Result<LoadedRun> run = load_run(flags);
    if (!run) return refuse(run.problems());
    ObservationPlan watch;
    watch.requests = watch.starts = true;
    watch.slices = page_slices;
    watch.cluster = &run->scenario;
    const InterruptGuard interrupt;
    const TrialRun done = run_trials(*run, flags, watch, interrupt);
    if (!done.broken.empty()) return report_broken(done.broken, run->seed, command);
    PageContent content;
    content.results_json = results_json(done.results);
    content.results = &done.results;
    content.source = run->source.get();
    content.scenario = &run->scenario;
    content.first = done.first ? &*done.first : nullptr;
    const int code = finish(flags, content);
    if (done.results.complete) return code;
    print_line(fmt::format("interrupted: {} trials ran; the page shows these", done.results.trials.size()));
    return interrupt.exit_code();
}

}  // namespace

void add_report_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<RunFlags>();
    flags->out = "report.html";
    CLI::App* command = app.add_subcommand("report", "Writes one HTML page: verdict, timeline, latency, cost, cold starts");
    add_input_flags(*command, *flags);
    add_trial_flags(*command, *flags);
    command->add_option("--out", flags->out, "the page's file; default report.html")->group("Output");
    add_talk_flags(*command, *flags);
    command->footer(
        "\nThe page needs no other file and no network. In place of a scenario, the results of a finished run (results.json)\n"
        "will do, without its timeline.\n\n"
        "Examples:\n"
        "  windtunnel report scenario.yaml --trials 20 --out report.html\n");
    command->callback([flags, &invocation] {
        invocation.action = [flags, &invocation] { return run_report(*flags, invocation.command); };
    });
}

}  // namespace windtunnel
