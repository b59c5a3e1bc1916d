#include "scenarios/traces/rate_curve.hpp"

#include "scenarios/traces/workload_presets.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace windtunnel {
namespace {

/// The hourly profile, linear between the middles of its hours, periodic.
double hourly_factor(std::span<const double> hours, double at_s) {
    const double n = static_cast<double>(hours.size());
    double hour = std::fmod(at_s / 3600 - 0.5, n);
    if (hour < 0) hour += n;
    const auto i = std::min(static_cast<std::size_t>(hour), hours.size() - 1);
    const double part = hour - static_cast<double>(i);
    return hours[i] + (hours[(i + 1) % hours.size()] - hours[i]) * part;
}

double custom_factor(const std::vector<ProfilePoint>& points, double at_s) {
    const auto after = std::upper_bound(points.begin(), points.end(), at_s,
                                        [](double t, const ProfilePoint& p) { return t < p.at_s; });
    if (after == points.begin()) return after->factor;
    const ProfilePoint& a = *(after - 1);
    if (after == points.end()) return a.factor;
    return a.factor + (after->factor - a.factor) * (at_s - a.at_s) / (after->at_s - a.at_s);
}

double profile_factor(const SyntheticSpec& spec, double at_s) {
    switch (spec.profile) {
        case RateProfile::daily:
            return hourly_factor(daily_profile(), at_s);
        case RateProfile::weekly:
            return hourly_factor(weekly_profile(), at_s);
        case RateProfile::custom:
            return custom_factor(spec.points, at_s);
        case RateProfile::flat:
            break;
    }
    return 1;
}

double ramp_factor(const Ramp& ramp, double at_s) {
    if (at_s <= ramp.at_s) return 1;
    if (at_s >= ramp.at_s + ramp.duration_s) return ramp.factor;
    return 1 + (ramp.factor - 1) * (at_s - ramp.at_s) / ramp.duration_s;
}

/// Everything continuous; bursts are steps and constant within a segment.
double smooth_factor(const SyntheticSpec& spec, double at_s) {
    double factor = profile_factor(spec, at_s);
    for (const Ramp& ramp : spec.ramps) {
        // A ramp of no duration is a step; at its instant both sides are asked for from within their
        // segments.
        if (ramp.duration_s > 0) factor *= ramp_factor(ramp, at_s);
    }
    return factor;
}

double step_factor(const SyntheticSpec& spec, double within_s) {
    double factor = 1;
    for (const Burst& burst : spec.bursts)
        if (within_s >= burst.at_s && within_s < burst.at_s + burst.duration_s) factor *= burst.factor;
    for (const Ramp& ramp : spec.ramps)
        if (ramp.duration_s == 0 && within_s >= ramp.at_s) factor *= ramp.factor;
    return factor;
}

}  // namespace

double RateSegment::time_of(double part) const {
    // from x + (to - from) / (2 length) x^2 = part, solved so that it holds for equal ends and for a zero
    // end.
    const double length = to_s - from_s;
    const double root = std::sqrt(std::max(0.0, from * from + 2 * (to - from) / length * part));
    const double x = part > 0 ? 2 * part / (from + root) : 0;
    return std::min(from_s + x, to_s);
}

std::vector<RateSegment> rate_segments(const SyntheticSpec& spec, double from_s, double to_s) {
    std::vector<double> cuts{from_s, to_s};
    const auto cut = [&](double at_s) {
        if (at_s > from_s && at_s < to_s) cuts.push_back(at_s);
    };
    if (spec.profile == RateProfile::daily || spec.profile == RateProfile::weekly)
        for (double at = (std::floor(from_s / 3600) + 0.5) * 3600; at < to_s; at += 3600) cut(at);
    for (const ProfilePoint& point : spec.points) cut(point.at_s);
    for (const Burst& burst : spec.bursts) {
        cut(burst.at_s);
        cut(burst.at_s + burst.duration_s);
    }
    for (const Ramp& ramp : spec.ramps) {
        constexpr int chords = 64;
        for (int i = 0; i <= chords; ++i) cut(ramp.at_s + ramp.duration_s * i / chords);
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    std::vector<RateSegment> segments;
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
        const double step = step_factor(spec, cuts[i] + (cuts[i + 1] - cuts[i]) / 2);
        segments.push_back({cuts[i], cuts[i + 1], step * smooth_factor(spec, cuts[i]),
                            step * smooth_factor(spec, cuts[i + 1])});
    }
    return segments;
}

}  // namespace windtunnel
