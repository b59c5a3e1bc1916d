#pragma once
#include "scenarios/scenario.hpp"

#include <cmath>
#include <vector>

namespace windtunnel {

// Parts of the scenario file that have a file of their own.

inline constexpr double longest_scenario_s = 4.5e7;  // the clock's range, models/time.hpp

/// 10^9 bytes, as a whole number of bytes; 0 for none.
[[nodiscard]] inline std::int64_t gigabytes(const std::optional<double>& gb) { return gb ? std::llround(*gb * 1e9) : 0; }

/// `cold_start`: a list of stages, or a map of what the manifests do not say (scenario_starts.cpp).
void decode_cold_start(Decoder& workload, WorkloadSpec& out);
/// `cluster.sources`.
void decode_sources(Decoder& cluster, ClusterSpec& out);

/// An event that says the time of day in place of seconds.
struct ClockTime {
    std::size_t event = 0;
    std::string text;  ///< "10:00", "10:00:30"
};
/// `events` (scenario_events.cpp).
[[nodiscard]] std::vector<ClockTime> decode_events(Decoder& root, Scenario& out);
/// Turns times of day into seconds after the start, when that has been read.
void set_clock_times(Decoder& root, const std::vector<ClockTime>& times, Scenario& out);

}  // namespace windtunnel
