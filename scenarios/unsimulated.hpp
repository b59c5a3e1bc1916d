#pragma once
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// What the manifests say of a workload and the engine does not simulate yet: an error where it would change
/// the result, a warning where that is unlikely. Whoever implements one takes its line away.
void refuse_unsimulated(const Scenario& scenario, const WorkloadObject& workload, Problems& errors, Problems& warnings);

/// The same for what belongs to no workload: quotas, jobs, daemons and bare pods with GPUs, patches of autoscalers.
void refuse_unsimulated(const Scenario& scenario, Problems& errors, Problems& warnings);

}  // namespace windtunnel
