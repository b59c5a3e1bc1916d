#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"
#include "scenarios/spot_stats.hpp"

#include <memory>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

struct SpotFlags {
    std::string file, output = "table", ones;
    std::optional<double> step_s;
};

Result<SpotHistory> read_history(const SpotFlags& f) {
    SpotReadOptions options;
    if (!f.ones.empty()) options.ones_are_available = f.ones == "available";
    options.step_s = f.step_s;
    return read_spot_history(f.file, options);
}

int run_stats(const SpotFlags& f) {
    const Result<SpotHistory> history = read_history(f);
    if (!history) {
        print_errors(history.problems());
        return bad_input;
    }
    for (const Problem& warning : history->warnings) print_line("warning: " + to_string(warning));
    const std::string text =
        f.output == "json" ? spot_stats_json(*history).dump(2) + "\n" : spot_stats_table(*history);
    return print_data(text) ? answered : run_broke;
}

void add_read_flags(CLI::App& command, SpotFlags& f) {
    command.add_option("file", f.file, "recorded spot market, of any format, also .gz or .zst")->required();
    command
        .add_option("--ones", f.ones,
                    "what a 1 means in arrays of 0 and 1 that do not say it: available or preempted")
        ->check(CLI::IsMember({"available", "preempted"}));
    command.add_option("--step", f.step_s, "seconds between the samples of arrays that do not say it");
    add_output_flag(command, f.output);
}

}  // namespace

void add_spot_command(CLI::App& app, Invocation& invocation) {
    CLI::App* spot = app.add_subcommand("spot", "Recorded spot markets: availability, preemptions, prices");
    spot->footer(
        "\nFormats are recognised by content: ms,add|remove,node; date, time, nodes available; logs of "
        "created instances;\n"
        "JSON arrays of availability; `aws ec2 describe-spot-price-history`; a GCP preemption study.\n\n"
        "Examples:\n"
        "  windtunnel spot stats p3-trace.csv\n"
        "  windtunnel spot stats us-west-2a.json --ones available --step 600\n");
    const auto flags = std::make_shared<SpotFlags>();
    CLI::App* stats =
        spot->add_subcommand("stats", "What is in a recorded spot market: nodes that came and went, prices");
    add_read_flags(*stats, *flags);
    stats->callback([flags, &invocation] { invocation.action = [flags] { return run_stats(*flags); }; });
    spot->callback([spot, &invocation] {
        if (spot->get_subcommands().empty())
            invocation.action = [spot] {
                print_line(spot->help());
                return static_cast<int>(bad_input);
            };
    });
}

}  // namespace windtunnel
