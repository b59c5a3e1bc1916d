#pragma once
#include "scenarios/traces/synthetic_spec.hpp"

#include <vector>

namespace windtunnel {

/// A stretch of time over which the rate's factor is linear.
struct RateSegment {
    double from_s = 0, to_s = 0;
    double from = 0, to = 0;  ///< the factor at both ends

    /// Requests per unit rate: the integral of the factor.
    [[nodiscard]] double area() const { return (to_s - from_s) * (from + to) / 2; }
    /// The time at which the integral from the segment's start is `part`; requires 0 <= part <= area().
    [[nodiscard]] double time_of(double part) const;
};

/// The factor of a spec's rate over [from_s, to_s) as segments, back to back. Profiles, ramps and bursts
/// multiply; where two of them change at once the product's parabola is cut into short chords.
[[nodiscard]] std::vector<RateSegment> rate_segments(const SyntheticSpec& spec, double from_s, double to_s);

}  // namespace windtunnel
