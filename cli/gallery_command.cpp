#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"
#include "cli/interrupt.hpp"
#include "cli/run_trials.hpp"
#include "reports/gallery_report.hpp"
#include "scenarios/documents/suggest.hpp"

#include <fmt/format.h>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

namespace fs = std::filesystem;

struct GalleryFlags {
    std::string folder;  ///< "" = the program's own
    std::string name;
    std::string output = "table";
    RunFlags run;
};

/// Where the program's gallery is: installed beside it, else where it was built from.
std::string own_gallery() {
    std::error_code error;
    const fs::path program = fs::read_symlink("/proc/self/exe", error);
    if (!error) {
        const fs::path installed = program.parent_path().parent_path() / "share" / "windtunnel" / "gallery";
        if (fs::is_directory(installed, error)) return installed.string();
    }
    return WINDTUNNEL_GALLERY;
}

Result<std::vector<GalleryRow>> rows_of(const GalleryFlags& flags) {
    return read_gallery(flags.folder.empty() ? own_gallery() : flags.folder);
}

int list(const GalleryFlags& flags) {
    const Result<std::vector<GalleryRow>> rows = rows_of(flags);
    if (!rows) return refuse(rows.problems());
    const std::string text = flags.output == "json" ? gallery_list_json(*rows) : gallery_list(*rows, terminal_width());
    return print_data(text) ? answered : run_broke;
}

/// Runs one variant; its results/v1 document, or nothing and the exit code.
std::optional<nlohmann::ordered_json> run_variant(const GalleryVariant& variant, RunFlags flags,
                                                  const InterruptGuard& interrupt, int& code) {
    flags.scenario = variant.file;
    const Result<LoadedRun> run = load_run(flags);
    if (!run) {
        code = refuse(run.problems());
        return std::nullopt;
    }
    ObservationPlan watch;
    watch.cluster = &run->scenario;  // rows show what it says: starts by stage, conditions
    const TrialRun done = run_trials(*run, flags, watch, interrupt);
    for (const BrokenTrial& b : done.broken)
        for (const std::string& reason : b.reasons)
            print_error(fmt::format("{}, trial {}: {}", variant.label, b.trial, reason));
    if (!done.broken.empty() || !done.results.complete) {
        code = interrupt.raised() ? interrupt.exit_code() : static_cast<int>(run_broke);
        return std::nullopt;
    }
    return nlohmann::ordered_json::parse(results_json(done.results));
}

/// A variant that must be refused; what the program says of it, or nothing when it is not.
std::optional<std::string> refusal_of(const GalleryVariant& variant, RunFlags flags) {
    flags.scenario = variant.file;
    const Result<LoadedRun> run = load_run(flags);
    if (run) return std::nullopt;
    return run.problems().front().message;
}

int run_row(const GalleryFlags& flags) {
    const Result<std::vector<GalleryRow>> rows = rows_of(flags);
    if (!rows) return refuse(rows.problems());
    std::vector<std::string> names;
    const GalleryRow* row = nullptr;
    for (const GalleryRow& r : *rows) {
        names.push_back(r.name);
        if (r.name == flags.name) row = &r;
    }
    if (row == nullptr) {
        print_error(fmt::format("found no gallery row '{}'{}", flags.name, did_you_mean(flags.name, names)));
        print_line("windtunnel gallery list shows all of them");
        return bad_input;
    }
    const InterruptGuard interrupt;
    std::vector<nlohmann::ordered_json> results;
    GalleryRow shown = *row;
    std::erase_if(shown.variants, [](const GalleryVariant& v) { return v.refused; });
    for (const GalleryVariant& variant : row->variants) {
        if (!variant.refused) continue;
        const std::optional<std::string> why = refusal_of(variant, flags.run);
        if (!why) {
            print_error(fmt::format("{} was not refused: {}", variant.label, variant.file));
            return run_broke;
        }
        if (flags.output == "table" && !print_data(fmt::format("{} is refused: {}\n", variant.label, *why))) return run_broke;
    }
    for (const GalleryVariant& variant : shown.variants) {
        int code = answered;
        auto result = run_variant(variant, flags.run, interrupt, code);
        if (!result) return code;
        results.push_back(std::move(*result));
    }
    const Result<GalleryComparison> comparison = compare_variants(shown, results);
    if (!comparison) return refuse(comparison.problems());
    const std::string text =
        flags.output == "json" ? gallery_json(*comparison) : gallery_table(*comparison, terminal_width());
    if (!print_data(text)) return run_broke;
    if (flags.output == "table" && !flags.run.quiet)
        for (const GalleryVariant& variant : row->variants)
            print_line(fmt::format("{}: windtunnel run {}", variant.label, variant.file));
    return answered;
}

}  // namespace

void add_gallery_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<GalleryFlags>();
    CLI::App* gallery = app.add_subcommand(
        "gallery", "What goes wrong with inference on Kubernetes, and what helps: scenarios that show it");
    gallery->require_subcommand(1);
    const auto add_common = [&](CLI::App& command) {
        command.add_option("--gallery", flags->folder, "folder of rows, in place of the program's own");
        add_output_flag(command, flags->output);
    };
    CLI::App* listing = gallery->add_subcommand("list", "The rows, a line each");
    add_common(*listing);
    listing->callback([flags, &invocation] { invocation.action = [flags] { return list(*flags); }; });
    CLI::App* run = gallery->add_subcommand("run", "Runs a row's scenarios and puts what they show side by side");
    run->add_option("name", flags->name, "a row's name")->required();
    add_common(*run);
    run->add_option("--seed", flags->run.seed, "which future; the same for all variants");
    run->add_option("--trials", flags->run.trials, "how many futures; numbers are means, counts sums");
    run->add_option("-j,--threads", flags->run.threads, "threads; default: all cores");
    run->add_flag("-q,--quiet", flags->run.quiet, "no progress, no suggestions");
    run->footer(
        "\nExit codes: 0 answered; 2 usage or input error; 3 a run broke; 130 interrupted.\n\n"
        "Examples:\n"
        "  windtunnel gallery list\n"
        "  windtunnel gallery run grace-too-short\n");
    run->callback([flags, &invocation] { invocation.action = [flags] { return run_row(*flags); }; });
}

}  // namespace windtunnel
