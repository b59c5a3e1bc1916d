#include "cli/load_run.hpp"

#include "scenarios/compile.hpp"
#include "scenarios/workload_source.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <iostream>

namespace windtunnel {

namespace {

/// Flags that stand in for the scenario's own values.
Problems apply_flags(const RunFlags& flags, Scenario& scenario) {
    Problems problems;
    if (flags.seed) scenario.seed = *flags.seed;
    if (flags.trials) {
        if (*flags.trials < 1 || *flags.trials > 100'000'000)
            problems.push_back(
                {{}, "--trials", fmt::format("found {}, allowed: 1 to 100000000", *flags.trials)});
        else
            scenario.trials = static_cast<std::int32_t>(*flags.trials);
    }
    if (std::uint64_t{flags.first_trial} + static_cast<std::uint64_t>(std::max(scenario.trials, 1)) >
        4'294'967'295U)
        problems.push_back(
            {{},
             "--first-trial",
             fmt::format("found {} with {} trials, allowed: numbers of trials below 4294967295",
                         flags.first_trial, scenario.trials)});
    if (flags.duration_s) {
        if (!(*flags.duration_s > 0 && *flags.duration_s < 4e7))
            problems.push_back(
                {{},
                 "--duration",
                 fmt::format("found {}, allowed: above 0, below 40000000 seconds", *flags.duration_s)});
        else
            scenario.duration = from_seconds(*flags.duration_s);
    }
    if (!flags.start.empty()) scenario.start = flags.start == "cold" ? StartState::cold : StartState::warm;
    for (const std::string& expression : flags.thresholds) {
        Result<Threshold> threshold = parse_threshold(expression);
        if (threshold && threshold->looks_at_goodput() && scenario.goodput.empty())
            problems.push_back({{},
                                "--threshold",
                                "found \"" + expression +
                                    "\", but the scenario says of no request when it is good, allowed with: "
                                    "goodput: {ttft_ms: ..., tpot_ms: ...}"});
        else if (threshold)
            scenario.thresholds.push_back(std::move(*threshold));
        else
            for (Problem& p : threshold.take_problems()) {
                p.path = "--threshold";
                problems.push_back(std::move(p));
            }
    }
    return problems;
}

}  // namespace

Result<LoadedRun> load_run(const RunFlags& flags) {
    ScenarioInputs inputs;
    inputs.scenario_file = flags.scenario;
    inputs.manifests = flags.manifests;
    inputs.trace = flags.trace;
    inputs.assignments = flags.assignments;
    Result<Scenario> scenario = read_scenario(inputs, std::cin);
    if (!scenario) return scenario.take_problems();
    if (Problems problems = apply_flags(flags, *scenario); !problems.empty()) return problems;
    Result<WorkloadSource> made = WorkloadSource::make(*scenario, scenario->seed);
    if (!made) return made.take_problems();
    const auto source = std::make_shared<const WorkloadSource>(std::move(*made));
    Result<CompiledScenario> compiled = compile_scenario(*scenario, *source);
    if (!compiled) return compiled.take_problems();
    LoadedRun run;
    run.scenario = std::move(*compiled);
    run.workload = [source](std::uint32_t trial) { return source->trial(trial); };
    run.thresholds = scenario->thresholds;
    run.seed = scenario->seed;
    run.trials = static_cast<std::uint32_t>(scenario->trials);
    run.source = std::make_shared<const Scenario>(std::move(*scenario));
    return run;
}

}  // namespace windtunnel
