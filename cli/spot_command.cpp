#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"
#include "scenarios/markets/spot_fit.hpp"
#include "scenarios/markets/spot_stats.hpp"

#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

struct SpotFlags {
    std::string file, output = "table", ones;
    std::optional<double> step_s;
    double holdout = 0.5;
    std::vector<std::string> against;
};

struct Unseen {
    std::string file;
    std::size_t nodes = 0;
    std::optional<double> distance;  ///< nothing: its record says no lifetimes
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

std::vector<SpotLifetime> lives_of(const SpotHistory& history) {
    std::vector<SpotLifetime> out;
    for (const SpotMarketRecord& m : history.markets)
        for (const SpotLifetime& life : lifetimes_of(m)) out.push_back(life);
    return out;
}

/// How far the fit is from records that it has not seen.
Result<std::vector<Unseen>> compare(const SpotFlags& f, const SpotFit& fit) {
    std::vector<Unseen> out;
    Problems problems;
    for (const std::string& file : f.against) {
        SpotFlags other = f;
        other.file = file;
        const Result<SpotHistory> history = read_history(other);
        if (!history) {
            for (const Problem& p : history.problems()) problems.push_back(p);
            continue;
        }
        const std::vector<SpotLifetime> lives = lives_of(*history);
        Unseen row{file, lives.size(), std::nullopt};
        if (history->names_nodes && !lives.empty()) row.distance = ks_distance(fit, survival_of(lives));
        out.push_back(std::move(row));
    }
    if (!problems.empty()) return problems;
    return out;
}

std::string fit_text(const SpotFit& fit) {
    std::string out = fmt::format(" one market fitted to {} recorded\n\n", fit.markets);
    out += fmt::format(" interruptions   {:.5f} per node and hour, by {}; {} taken alone, {} lived on\n", fit.interruptions_per_hour,
                       fit.ages_matter ? "the age at which nodes were taken" : "this rate", fit.lives.taken, fit.lives.lived_on);
    if (fit.reclaims_per_day > 0) out += fmt::format(" reclaims        {:.3f} a day, of {:.1f}% of the nodes\n", fit.reclaims_per_day, 100 * fit.reclaim_share);
    if (!fit.drought_hours.empty()) out += fmt::format(" droughts        {} whiles without capacity\n", fit.drought_hours.size());
    return out + (fit.ages_known ? fmt::format(" Kolmogorov-Smirnov distance to the record {:.4f}", fit.distance)
                                 : std::string(" the record does not say which node went: there are no lifetimes to compare with"));
}

int run_fit(const SpotFlags& f) {
    const Result<SpotHistory> history = read_history(f);
    if (!history) {
        print_errors(history.problems());
        return bad_input;
    }
    for (const Problem& warning : history->warnings) print_line("warning: " + to_string(warning));
    const Result<SpotFit> fit = fit_spot_market(*history, f.file);
    if (!fit) {
        print_errors(fit.problems());
        return bad_input;
    }
    // What the first part of the record says about the rest.
    std::optional<double> unseen;
    const auto before = fit_spot_market(first_part(*history, f.holdout), f.file);
    const std::vector<SpotLifetime> after = lives_of(last_part(*history, f.holdout));
    const Result<std::vector<Unseen>> others = compare(f, *fit);
    if (!others) {
        print_errors(others.problems());
        return bad_input;
    }
    if (history->names_nodes && before && !after.empty()) unseen = ks_distance(*before, survival_of(after));
    if (f.output == "json") {
        nlohmann::ordered_json out = spot_fit_json(*fit);
        out["holdout"] = {{"share", f.holdout}, {"nodes", after.size()}, {"ks_distance", unseen ? nlohmann::ordered_json(*unseen) : nlohmann::ordered_json(nullptr)}};
        nlohmann::ordered_json rows = nlohmann::ordered_json::array();
        for (const Unseen& u : *others)
            rows.push_back({{"file", u.file}, {"nodes", u.nodes}, {"ks_distance", u.distance ? nlohmann::ordered_json(*u.distance) : nlohmann::ordered_json(nullptr)}});
        if (!rows.empty()) out["against"] = std::move(rows);
        return print_data(out.dump(2) + "\n") ? answered : run_broke;
    }
    std::string text = fit_text(*fit);
    if (unseen) text += fmt::format(";\n fitted to the first {:.0f}% of it, to the {} nodes of the rest {:.4f}", 100 * f.holdout, after.size(), *unseen);
    for (const Unseen& u : *others)
        text += u.distance ? fmt::format("\n to the {} nodes of {}, which it has not seen, {:.4f}", u.nodes, u.file, *u.distance)
                           : fmt::format("\n {} does not say which node went: there are no lifetimes to compare with", u.file);
    return print_data(text + "\n") ? answered : run_broke;
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
        "  windtunnel spot stats us-west-2a.json --ones available --step 600\n"
        "  windtunnel spot fit p3-trace.csv\n");
    const auto flags = std::make_shared<SpotFlags>();
    CLI::App* stats =
        spot->add_subcommand("stats", "What is in a recorded spot market: nodes that came and went, prices");
    add_read_flags(*stats, *flags);
    stats->callback([flags, &invocation] { invocation.action = [flags] { return run_stats(*flags); }; });
    CLI::App* fit = spot->add_subcommand("fit", "Fits a stochastic market to a recorded one, and says how far it is from it");
    add_read_flags(*fit, *flags);
    fit->add_option("--holdout", flags->holdout, "also fit this share of the record, and compare with the rest")->check(CLI::Range(0.05, 0.95))->capture_default_str();
    add_list(*fit, "--against", flags->against, "another record, that the fit has not seen, to compare it with; repeatable");
    fit->callback([flags, &invocation] { invocation.action = [flags] { return run_fit(*flags); }; });
    spot->callback([spot, &invocation] {
        if (spot->get_subcommands().empty())
            invocation.action = [spot] {
                print_line(spot->help());
                return static_cast<int>(bad_input);
            };
    });
}

}  // namespace windtunnel
