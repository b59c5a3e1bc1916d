#pragma once
#include "scenarios/scenario.hpp"

namespace windtunnel {

/// What the manifests say of a workload and the engine does not simulate yet: an error where it would change
/// the result, a warning where that is unlikely. Whoever implements one takes its line away.
void refuse_unsimulated(const Scenario& scenario, const WorkloadObject& workload, Problems& errors, Problems& warnings);

/// The same for what belongs to no workload: jobs with GPUs whose run time is not known.
void refuse_unsimulated(const Scenario& scenario, Problems& errors);

}  // namespace windtunnel
