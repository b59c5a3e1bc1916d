#pragma once
#include "scenarios/traces/synthetic_spec.hpp"
#include "scenarios/traces/trace.hpp"

#include <cstdint>
#include <string>

namespace windtunnel {

/// Draws a workload. The same spec, seed, trial and workload give the same bytes; `workload` tells apart
/// several synthetic workloads of one scenario.
///
/// Arrivals are a stationary renewal process of the wanted CV in operational time, which the integral of the
/// rate turns into time: a changing rate keeps the CV of the gaps, relative to the rate of the moment (Cox's
/// time change). The expected number of requests in any interval is the integral of the rate. Exceptions to
/// stationarity: constant gaps begin with an arrival at t = 0, and where duration and number of requests are
/// both given without a rate the arrivals are rescaled so that exactly that many fit.
///
/// Refuses, with all problems at once and paths below `path`, what cannot be drawn: fewer than two of rate,
/// duration and requests, names of no preset, factors below 0, and the like.
[[nodiscard]] Result<Trace> synthesise(const SyntheticSpec& spec, std::uint64_t seed, std::uint32_t trial,
                                       std::uint32_t workload = 0, const std::string& path = "synthetic");

/// What synthesise() would refuse; empty when nothing.
[[nodiscard]] Problems problems_of(const SyntheticSpec& spec, const std::string& path = "synthetic");

}  // namespace windtunnel
