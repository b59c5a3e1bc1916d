#include "scenarios/compile/unscaled_targets.hpp"

#include "scenarios/compile/compile_autoscalers.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {
namespace {

/// Why nothing leads the workload out of zero replicas; "" = something may.
std::string reason_for_none(const Scenario& scenario, const WorkloadObject& object) {
    const ScalerOf scaler = scaler_of(scenario, object);
    if (scaler.scaled_job != nullptr) return "";
    if (const ScaledObject* scaled = scaler.scaled_object) {
        if (scaled->paused_replicas) return fmt::format("{} is paused at {} replicas", scaled->meta.title(), *scaled->paused_replicas);
        return scaled->paused ? fmt::format("{} is paused", scaled->meta.title()) : "";
    }
    if (scaler.hpa != nullptr)  // kubernetes.md 1.3.3
        return fmt::format("{} does not touch a target of 0 replicas (ScalingDisabled)", scaler.hpa->meta.title());
    return "nothing scales it";
}

}  // namespace

Problems unscaled_targets(const Scenario& scenario, const std::vector<const WorkloadObject*>& objects, const CompiledScenario& compiled) {
    Problems out;
    const BlueprintParts& parts = compiled.parts;
    for (std::size_t w = 0; w < objects.size() && w < compiled.workloads.size(); ++w) {
        const auto index = static_cast<std::uint32_t>(w);
        const bool asked = std::find(parts.workload_of_model.begin(), parts.workload_of_model.end(), index) != parts.workload_of_model.end() ||
                           std::any_of(parts.workloads.begin(), parts.workloads.end(), [&](const WorkloadPlan& p) { return p.prefill.workload == static_cast<std::int32_t>(w); });
        const bool raised = std::any_of(parts.schedule.begin(), parts.schedule.end(), [&](const ScheduledScale& s) {
            return s.kind == ScaleTargetKind::replicas && s.workload == index && s.replicas > 0 && s.at < parts.span;
        });
        if (!asked || raised || parts.workloads[w].initial_replicas > 0) continue;
        const std::string why = reason_for_none(scenario, *objects[w]);
        if (why.empty()) continue;
        out.push_back({objects[w]->meta.where, objects[w]->meta.title(),
                       fmt::format("starts with 0 replicas and {}: every request to it waits and none is answered; write replicas "
                                   "(or the workload's initial_replicas) of at least 1, or an autoscaler that leaves 0, such as a ScaledObject of KEDA",
                                   why)});
    }
    return out;
}

}  // namespace windtunnel
