#include "cli/command_line.hpp"
#include "cli/planner.hpp"
#include "cli/run_flags.hpp"
#include "cli/space_flags.hpp"
#include "reports/atomic_file.hpp"
#include "scenarios/documents/suggest.hpp"
#include "scenarios/search/changed_manifests.hpp"
#include "scenarios/search/knobs.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

struct PlanFlags {
    RunFlags run;
    SpaceFlags space;
    PlanRules rules;
    std::vector<std::string> over;
    std::optional<double> probability;
    std::string output = "table", manifests_out;
};

Problems problems_of(const PlanFlags& flags) {
    Problems problems = problems_of_flags(flags.run);
    if (flags.run.precision)
        problems.push_back(
            {{},
             "--precision",
             "found in a plan, allowed: --trials N for the finalists, --search-trials N for the search"});
    for (const std::string& family : flags.over)
        if (std::find(knob_families().begin(), knob_families().end(), family) == knob_families().end())
            problems.push_back({{},
                                "--over",
                                "found \"" + family + "\", allowed: " + join(knob_families()) +
                                    did_you_mean(family, knob_families())});
    if (flags.rules.search_trials < 1 || flags.rules.search_trials > 10'000)
        problems.push_back(
            {{}, "--search-trials", fmt::format("found {}, allowed: 1 to 10000", flags.rules.search_trials)});
    if (flags.rules.budget && (*flags.rules.budget < 2 || *flags.rules.budget > 10'000))
        problems.push_back(
            {{},
             "--budget",
             fmt::format("found {}, allowed: 2 to 10000 configurations", *flags.rules.budget)});
    if (!(flags.rules.window_s >= 1 && flags.rules.window_s < 1e7))
        problems.push_back({{},
                            "--perfect-window",
                            fmt::format("found {}, allowed: 1 to 10000000 seconds", flags.rules.window_s)});
    if (!flags.manifests_out.empty() && std::filesystem::exists(flags.manifests_out) &&
        (!std::filesystem::is_directory(flags.manifests_out) ||
         !std::filesystem::is_empty(flags.manifests_out)))
        problems.push_back(
            {{flags.manifests_out, 0, 0},
             "",
             "found something there, allowed for --manifests-out: a folder that is empty or not there yet"});
    return problems;
}

/// What is varied: the command line's, the file's, and the families of --over; without any the usual
/// families.
Result<std::vector<Dimension>> dimensions_of(const PlanFlags& flags, const Scenario& scenario) {
    Result<std::vector<Dimension>> named = read_space(flags.space, false);
    if (!named) return named;
    std::vector<Dimension> out = std::move(*named);
    if (!flags.over.empty() || out.empty())
        for (Dimension& d : knobs_of(scenario, flags.over.empty() ? usual_knobs() : flags.over)) {
            // What the user names himself is not varied a second time.
            const bool known = std::any_of(out.begin(), out.end(), [&](const Dimension& o) {
                return !d.paths.empty() && o.paths == d.paths;
            });
            if (!known) out.push_back(std::move(d));
        }
    if (out.empty())
        return Problem{{},
                       "--over",
                       "found nothing of " + join(flags.over.empty() ? usual_knobs() : flags.over) +
                           " in the manifests, allowed: other families (" + join(knob_families()) +
                           "), --vary PATH=VALUES or --space FILE"};
    Problems problems = finish_space(out, "--vary");
    for (Problem& p : make_discrete(out, "--vary")) problems.push_back(std::move(p));
    if (!problems.empty()) return problems;
    return out;
}

std::string command_of(const PlanFlags& flags, const char* name) {
    std::string out = std::string("windtunnel ") + name;
    if (!flags.run.scenario.empty()) out += ' ' + flags.run.scenario;
    for (const std::string& m : flags.run.manifests) out += " -f " + m;
    if (!flags.run.trace.empty()) out += " -t " + flags.run.trace;
    for (const std::string& p : flags.run.profiles) out += " --profile " + p;
    for (const std::string& a : flags.run.assignments) out += " --set '" + a + '\'';
    return out;
}

Problems write_manifests(const std::string& folder, const std::vector<ManifestFile>& files) {
    std::error_code error;
    for (const ManifestFile& f : files) {
        const std::filesystem::path file = std::filesystem::path(folder) / f.path;
        std::filesystem::create_directories(file.parent_path(), error);
        if (error) return {{{file.string(), 0, 0}, "", "its folder could not be made: " + error.message()}};
        if (Problems failed = write_file(file, f.text); !failed.empty()) return failed;
    }
    return {};
}

std::string changed_text(const std::vector<ManifestFile>& files) {
    std::string out;
    for (const ManifestFile& f : files)
        if (f.changed)
            out += (out.empty() ? "# " : "---\n# ") + f.path + '\n' + f.text +
                   (f.text.ends_with('\n') ? "" : "\n");
    return out.empty() ? "# nothing changes\n" : out;
}

int run_plan(PlanFlags& flags, const std::string& command) {
    if (const Problems problems = problems_of(flags); !problems.empty()) return refuse(problems);
    const InterruptGuard interrupt;
    Planner planner(flags.run, flags.rules, interrupt);
    if (const Problems problems = planner.load(); !problems.empty()) return refuse(problems);
    if (planner.now().thresholds.empty())
        return refuse({{{flags.run.scenario, 0, 0},
                        "thresholds",
                        "found no objective, allowed: thresholds in the scenario, or --slo EXPR such as "
                        "--slo \"p99 ttft_ms < 800\""}});
    Result<std::vector<Dimension>> dimensions = dimensions_of(flags, *planner.now().source);
    if (!dimensions) return refuse(dimensions.problems());
    if (flags.rules.finalist_trials == 0)
        flags.rules.finalist_trials =
            flags.run.trials.value_or(std::max<std::uint32_t>(32, planner.now().trials));
    if (const Problems problems = planner.plan(std::move(*dimensions), flags.run.checkpoint); !problems.empty())
        return refuse(problems);
    if (planner.taken_up() > 0 && !flags.run.quiet)
        print_line(fmt::format("{} held {} configurations of this plan", flags.run.checkpoint, planner.taken_up()));
    if (!planner.broken().empty())
        return report_broken(planner.broken(), planner.report().seed,
                             command_of(flags, "run") + planner.broken_flags());

    const PlanReport& report = planner.report();
    if (!flags.run.out.empty())
        if (const Problems failed = write_file(flags.run.out, plan_json(report)); !failed.empty())
            return refuse(failed);
    std::string text;
    if (flags.output == "json")
        text = plan_json(report);
    else if (flags.output == "table")
        text = plan_text(report, wants_color(color_choice(flags.run.color)),
                         flags.run.quiet ? "" : command_of(flags, "plan"));
    if (report.answer && planner.answer() != nullptr) {
        const Scenario &before = *planner.now().source, &after = *planner.answer()->source;
        if (flags.output == "patch") {
            std::vector<std::string> own;
            for (const FieldChange& c : report.changes)
                if (c.object == "scenario")
                    own.push_back(fmt::format("{} {} → {}", c.path, c.before.empty() ? "(absent)" : c.before,
                                              c.after.empty() ? "(absent)" : c.after));
            text = kustomization(before, after, own);
        }
        if (flags.output == "yaml" || !flags.manifests_out.empty()) {
            const Result<std::vector<ManifestFile>> files = changed_manifests(before, after);
            if (!files) return refuse(files.problems());
            if (flags.output == "yaml") text = changed_text(*files);
            if (!flags.manifests_out.empty())
                if (const Problems failed = write_manifests(flags.manifests_out, *files); !failed.empty())
                    return refuse(failed);
        }
    } else if (flags.output == "patch" || flags.output == "yaml") {
        print_line(plan_text(report, false, ""));
    }
    if (!print_data(text)) return run_broke;
    if (!report.complete) {
        print_line(fmt::format("interrupted: {} configurations were tried; what is said is of these{}",
                               report.tried.size(),
                               flags.run.checkpoint.empty()
                                   ? "; with --checkpoint FILE they would have been kept"
                                   : ", and " + flags.run.checkpoint + " keeps them; go on with: " + command));
        return interrupt.exit_code();
    }
    return report.answer ? answered : negative_verdict;
}

}  // namespace

void add_plan_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<PlanFlags>();
    CLI::App* command =
        app.add_subcommand("plan", "Finds the cheapest configuration that meets the objectives, as a patch");
    add_input_flags(*command, flags->run);
    constexpr const char* objectives = "Objectives";
    add_list(*command, "--slo,--threshold", flags->run.thresholds,
             "EXPR besides the scenario's thresholds, such as \"p99 ttft_ms < 800\"; repeatable")
        ->group(objectives);
    add_share_flag(*command, "--probability", flags->probability,
                   "share of the futures that have to meet all objectives; default 90%")
        ->group(objectives);
    add_space_flags(*command, flags->space);
    command
        ->add_option("--over", flags->over,
                     "families to vary, with commas: " + join(knob_families()) +
                         "; default without --vary: " + join(usual_knobs(), ","))
        ->delimiter(',')
        ->take_all()
        ->allow_extra_args(false)
        ->group("Space");
    constexpr const char* search = "Search";
    command
        ->add_option("--budget", flags->rules.budget,
                     "configurations that the search may try; default: a tenth of the space, at least 8 and "
                     "2 for each dimension")
        ->group(search);
    command
        ->add_option("--search-trials", flags->rules.search_trials,
                     "futures of each configuration in the search")
        ->capture_default_str()
        ->group(search);
    command
        ->add_option("--perfect-window", flags->rules.window_s,
                     "seconds between two decisions of the autoscaler that knows the future")
        ->capture_default_str()
        ->group(search);
    command
        ->add_option("--checkpoint", flags->run.checkpoint,
                     "keeps what ran in this file as it finishes; an interrupted plan goes on from it")
        ->group(search);
    add_trial_flags(*command, flags->run);
    constexpr const char* output = "Output";
    command
        ->add_option("-o,--output", flags->output,
                     "what goes to standard output: table, json, patch (a kustomization) or yaml (the "
                     "changed manifests)")
        ->check(CLI::IsMember({"table", "json", "patch", "yaml"}))
        ->capture_default_str()
        ->group(output);
    command->add_option("--out", flags->run.out, "writes the plan as JSON to this file")->group(output);
    command
        ->add_option("--manifests-out", flags->manifests_out,
                     "DIR: writes all manifests there, with the changes")
        ->group(output);
    add_talk_flags(*command, flags->run);
    command->footer(
        "\nThe search tries a spread of configurations, learns what cost and objectives look like, and goes "
        "on where most is to be\n"
        "saved. The cheapest that promise to hold are run again under futures that the search has not seen "
        "(--trials of them,\n"
        "default 32), and the first that meets all objectives in enough of them is the answer. Nothing is "
        "ever applied.\n\n"
        "Exit codes: 0 answered; 1 nothing meets the objectives (the nearest is shown); 2 usage or input "
        "error; 3 a run broke;\n"
        "130 interrupted.\n\n"
        "Examples:\n"
        "  windtunnel plan scenario.yaml --slo 'p99 ttft_ms < 800' --probability 95%\n"
        "  windtunnel plan scenario.yaml --over floor,threshold,spot -o patch > kustomization.yaml\n"
        "  windtunnel plan -f k8s/ -t trace.csv.gz --slo 'p99 e2el_ms < 20 s' --vary "
        "Deployment/chat:spec.replicas=1:12:1\n");
    command->callback([flags, &invocation] {
        invocation.action = [flags, &invocation] {
            flags->rules.probability = flags->probability.value_or(0.9);
            return run_plan(*flags, invocation.command);
        };
    });
}

}  // namespace windtunnel
