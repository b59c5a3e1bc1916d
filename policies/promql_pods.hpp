#pragma once
#include "policies/promql_compiler.hpp"

#include <cstdint>
#include <vector>

namespace windtunnel {

/// A query whose answer is only looked at for the pods of one workload (an HPA's Pods metric): where every
/// element of the answer comes from series of its own pod alone, the series of other workloads are no longer
/// read. That is so for one selector with functions, arithmetic with scalars and aggregations by pod around
/// it; other programs, and those in which another workload's series could cause an error, stay as they are.
/// Returns whether it was done.
bool read_only_pods_of(PromqlProgram& program, const std::vector<StreamPlan>& streams, std::int32_t workload);

}  // namespace windtunnel
