#include "cli/command_line.hpp"
#include "cli/run_flags.hpp"
#include "cli/trial_grid.hpp"
#include "reports/atomic_file.hpp"
#include "reports/cost.hpp"
#include "scenarios/documents/suggest.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <fstream>
#include <memory>

namespace windtunnel {

namespace {

struct CostFlags {
    RunFlags run;
    std::string by = "pool,workload,use";
    std::string output = "table";
    bool share_idle = false;
};

Result<std::vector<std::string>> read_by(const std::string& text) {
    std::vector<std::string> out;
    const std::vector<std::string>& known = cost_dimensions();
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t comma = std::min(text.find(',', at), text.size());
        const std::string name = text.substr(at, comma - at);
        if (std::find(known.begin(), known.end(), name) == known.end() ||
            std::find(out.begin(), out.end(), name) != out.end())
            return Problem{{}, "--by", "found \"" + name + "\"" + (std::find(out.begin(), out.end(), name) != out.end() ? " twice" : "") +
                                           ", allowed: a list of " + join(known)};
        out.push_back(name);
        at = comma + 1;
    }
    return out;
}

bool is_results_file(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::string head(4096, '\0');
    in.read(head.data(), static_cast<std::streamsize>(head.size()));
    return head.find("\"windtunnel.results/v1\"") != std::string::npos;
}

int show(const CostFlags& flags, CostBreakdown breakdown, const std::vector<std::string>& by) {
    if (flags.share_idle) breakdown = with_idle_shared(std::move(breakdown));
    const std::string text = flags.output == "json"  ? cost_json(breakdown, by)
                             : flags.output == "csv" ? cost_csv(breakdown, by)
                                                     : cost_table(breakdown, by, wants_color(color_choice(flags.run.color)));
    if (!flags.run.out.empty()) {
        if (const Problems failed = write_file(flags.run.out, text); !failed.empty()) return refuse(failed);
        return answered;
    }
    return print_data(text) ? answered : run_broke;
}

int run_cost(const CostFlags& flags, const std::string& command) {
    const Result<std::vector<std::string>> by = read_by(flags.by);
    if (!by) return refuse(by.problems());
    if (is_results_file(flags.run.scenario)) {
        const Result<CostBreakdown> breakdown = read_cost_breakdown(flags.run.scenario);
        if (!breakdown) return refuse(breakdown.problems());
        return show(flags, *breakdown, *by);
    }
    if (const Problems problems = problems_of_flags(flags.run); !problems.empty()) return refuse(problems);
    const Result<LoadedRun> run = load_run(flags.run);
    if (!run) return refuse(run.problems());
    if (run->scenario.pools.empty())
        return refuse({{{flags.run.scenario, 0, 0},
                        "cluster.pools",
                        "found no nodes that cost anything, allowed: node pools in the manifests or the scenario"}});
    const InterruptGuard interrupt;
    TrialGrid grid({&*run}, flags.run, interrupt);
    const bool finished = flags.run.precision ? extend_until_precise(grid, flags.run) : grid.extend_to(run->trials);
    if (!grid.broken().empty()) return report_broken(grid.broken(), run->seed, command);
    grid.results(0).complete = finished;
    const int code = grid.trials() > 0 ? show(flags, cost_breakdown(grid.results(0)), *by) : answered;
    if (finished) return code;
    print_line(fmt::format("interrupted: {} trials ran", grid.trials()));
    return interrupt.exit_code();
}

}  // namespace

void add_cost_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<CostFlags>();
    CLI::App* command = app.add_subcommand("cost", "Who pays for what: the bill by pool, workload and use, per month");
    add_input_flags(*command, flags->run);
    add_trial_flags(*command, flags->run);
    constexpr const char* output = "Output";
    command->add_option("--by", flags->by, "branches of the tree: " + join(cost_dimensions()) + "; default pool,workload,use")
        ->group(output);
    command->add_flag("--share-idle", flags->share_idle, "shares what is no tenant's own (idle, starting, lost, other) out among the tenants")
        ->group(output);
    command->add_option("-o,--output", flags->output, "table, json or csv")
        ->check(CLI::IsMember({"table", "json", "csv"}))
        ->group(output);
    command->add_option("--out", flags->run.out, "writes to this file in place of standard output")->group(output);
    add_talk_flags(*command, flags->run);
    command->footer(
        "\nIn place of a scenario, the results of a finished run (results.json) will do.\n"
        "Uses: busy = engine steps run; idle = ready and nothing to do, or room that no pod took; starting = nodes that\n"
        "come up, pods that pull and load; draining = pods that end, nodes that leave; lost = nodes that died, minimum\n"
        "billing time; unused = reserved or committed and not there; other = what is no node's time. A month is 730 hours of the same. Parts add up to their totals to the micro-dollar.\n\n"
        "Tenants: a workload's busy time is divided among those whose requests it worked for (the trace's tenant column,\n"
        "workload.tenant), by the time that each request would take of a replica full of requests like it. All other time\n"
        "of pods labelled with a tenant (cluster.costs.tenant_label) is theirs; what is left is shared.\n\n"
        "Examples:\n"
        "  windtunnel cost scenario.yaml\n"
        "  windtunnel cost results.json --by workload,use -o csv\n"
        "  windtunnel cost scenario.yaml --by tenant,workload,use --share-idle\n");
    command->callback([flags, &invocation] {
        invocation.action = [flags, &invocation] { return run_cost(*flags, invocation.command); };
    });
}

}  // namespace windtunnel
