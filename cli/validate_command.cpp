#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "scenarios/compile/compile.hpp"
#include "scenarios/compile/unsimulated.hpp"
#include "scenarios/compile/validate_peak.hpp"
#include "scenarios/compile/validate_text.hpp"

#include <iostream>
#include <memory>

namespace windtunnel {

namespace {

struct ValidateFlags {
    ScenarioInputs inputs;
    bool strict = false;
    bool verbose = false;
};

int run_validate(const ValidateFlags& flags) {
    if (flags.inputs.scenario_file.empty() && flags.inputs.manifests.empty()) {
        print_error("nothing to validate, allowed: a scenario file, or -f with manifests");
        return bad_input;
    }
    Scenario scenario;
    Findings findings;
    read_scenario_into(flags.inputs, std::cin, scenario, findings);
    // What a run would refuse of the model servers and whatever else takes GPUs.
    for (const WorkloadObject& workload : scenario.manifests.workloads)
        if (workload.server || workload.pod.gpus() > 0) refuse_unsimulated(scenario, workload, findings.errors, findings.warnings);
    PeakFinding peak;
    if (findings.errors.empty()) peak = peak_of(scenario);
    findings.warnings.insert(findings.warnings.end(), peak.unscaled.begin(), peak.unscaled.end());
    findings.errors.insert(findings.errors.end(), peak.refused.begin(), peak.refused.end());
    const std::string text = validate_text(scenario, findings, flags.verbose, [&](const PoolSpec& pool) {
        const auto price = pool_price(pool, scenario.cluster);
        return price ? std::optional<double>(static_cast<double>(price->nano_usd_per_hour) / 1e9)
                     : std::nullopt;
    });
    if (!findings.errors.empty()) {  // nothing that another program should go on with
        print_line(text.substr(0, text.find_last_not_of('\n') + 1));
        return bad_input;
    }
    const std::size_t summary = text.rfind("errors: ");
    std::string shown = text;
    if (!peak.text.empty()) shown.insert(summary == std::string::npos ? shown.size() : summary, "peak " + peak.text);
    if (!print_data(shown)) return run_broke;
    return flags.strict && (!findings.warnings.empty() || peak.short_of) ? negative_verdict : answered;
}

}  // namespace

void add_validate_command(CLI::App& app, Invocation& invocation) {
    auto flags = std::make_shared<ValidateFlags>();
    flags->inputs.workload_required = false;
    CLI::App* command = app.add_subcommand(
        "validate", "Reads and checks a scenario or manifests, and shows what they come to");
    command->add_option("scenario", flags->inputs.scenario_file, "scenario file");
    add_list(*command, "-f,--manifests", flags->inputs.manifests,
             "file, folder or - (standard input); repeatable");
    command->add_option("-t,--trace", flags->inputs.trace, "trace in place of the scenario's");
    add_list(*command, "--set", flags->inputs.assignments,
             "PATH=VALUE or Kind/name:spec.path=VALUE; repeatable");
    command->add_flag("--strict", flags->strict, "exit 1 when there are warnings");
    command->add_flag("-v,--verbose", flags->verbose, "show notes too");
    command->footer(
        "\nExit codes: 0 valid; 1 warnings, with --strict; 2 errors.\n\n"
        "Examples:\n"
        "  windtunnel validate -f k8s/\n"
        "  helm template chat ./chart | windtunnel validate -f - --strict\n");
    command->callback([flags, &invocation] { invocation.action = [flags] { return run_validate(*flags); }; });
}

}  // namespace windtunnel
