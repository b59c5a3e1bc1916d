#include "scenarios/compile/validate_peak.hpp"

#include "scenarios/compile/compile.hpp"
#include "scenarios/compile/feasibility.hpp"
#include "scenarios/compile/workload_source.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace windtunnel {

namespace {

/// As long as schedules take to come around, for workloads whose length only their trace says.
constexpr double a_week_s = 7 * 86400;

/// The scenario with one request to each workload, over the same time: what it asks for at its largest does not depend on the requests.
Scenario with_one_request_each(const Scenario& scenario) {
    Scenario out = scenario;
    if (out.workloads.empty())  // manifests alone
        for (const WorkloadObject& object : scenario.manifests.workloads) {
            if (!object.server || (object.meta.kind != "Deployment" && object.meta.kind != "StatefulSet")) continue;
            WorkloadSpec spec;
            spec.name = spec.target_name = object.meta.name;
            spec.target_kind = object.meta.kind;
            spec.where = object.meta.where;
            out.workloads.push_back(std::move(spec));
        }
    for (WorkloadSpec& spec : out.workloads) {
        const std::optional<double> lasts = spec.trace.empty() && spec.synthetic ? spec.synthetic->duration_s : std::nullopt;
        spec.trace.clear();
        spec.resample.reset();
        spec.rate_scale = 1;
        SyntheticSpec one;
        one.requests = 1;
        one.duration_s = scenario.duration ? to_seconds(*scenario.duration) : lasts.value_or(a_week_s);
        LengthSpec length;
        length.kind = LengthKind::fixed;
        length.tokens = 1;
        one.prompt = one.output = length;
        spec.synthetic = one;
    }
    out.load_tests.clear();
    out.duration.reset();
    std::erase_if(out.events, [](const ScenarioEvent& e) { return e.kind == EventKind::load_test; });
    return out;
}

}  // namespace

PeakFinding peak_of(const Scenario& scenario) {
    const bool has_nodes = !scenario.cluster.pools.empty() || !scenario.manifests.node_pools.empty();
    const Scenario probe = with_one_request_each(scenario);
    if (probe.workloads.empty()) return {};
    const Result<WorkloadSource> source = WorkloadSource::make(probe, probe.seed);
    const auto unknown = [&](const std::string& why) { return PeakFinding{has_nodes ? "not known" + why + "\n" : "", false, {}, {}}; };
    if (!source) return unknown(": " + to_string(source.problems().front()));
    const Result<CompiledScenario> compiled = compile_scenario(probe, *source);
    if (!compiled && !scenario.workloads.empty()) return {"", false, {}, compiled.problems()};
    if (!compiled) return unknown(", a run would be refused: " + to_string(compiled.problems().front()));
    PeakFinding out;
    out.unscaled = compiled->unscaled;
    if (!has_nodes) return out;
    for (const PeakDemand& peak : peak_demands(*compiled)) {
        out.text += fmt::format("{} {} at once ({}): ", peak.wanted, peak.resource, fmt::join(peak.demands, ", "));
        if (!peak.is_short()) {
            out.text += "all can be placed\n";
            continue;
        }
        out.short_of = true;
        out.text += fmt::format("{} cannot be placed; {} would wait{}{}\n", peak.wanted - peak.placed,
                                fmt::join(peak.workloads, ", "), peak.limits.empty() ? "" : " for ",
                                fmt::join(peak.limits, ", "));
    }
    return out;
}

}  // namespace windtunnel
