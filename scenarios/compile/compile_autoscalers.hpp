#pragma once
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// Fills in what scales the workloads: autoscalers with their queries, the scraped series, scheduled
/// scalings. `workloads` are the scenario's target objects at their indices in the blueprint (parts.workloads
/// is there).
void compile_autoscalers(const Scenario& scenario, const std::vector<const WorkloadObject*>& workloads,
                         const StartClock& clock, CompiledScenario& out, Problems& errors,
                         Problems& warnings);

/// The autoscaler of a workload, if any.
struct ScalerOf {
    const ScaledObject* scaled_object = nullptr;
    const HorizontalPodAutoscaler* hpa = nullptr;
    const ScaledJobObject* scaled_job = nullptr;  ///< the workload is its Jobs
};
[[nodiscard]] ScalerOf scaler_of(const Scenario& scenario, const WorkloadObject& workload);

/// Whether what stands before a workload keeps requests until there is a replica, whatever the scenario says of
/// on_no_endpoints: the interceptor of an HTTPScaledObject, Ray Serve's router.
[[nodiscard]] bool gateway_holds(const Scenario& scenario, const WorkloadObject& workload);

/// Fills BlueprintParts::schedule from the manifests' Jobs and CronJobs, beside the scenario's events. Requires the autoscalers.
void compile_schedule(const Scenario& scenario, const std::vector<const WorkloadObject*>& workloads,
                      const StartClock& clock, BlueprintParts& parts, Problems& errors);

}  // namespace windtunnel
