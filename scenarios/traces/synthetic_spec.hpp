#pragma once
#include "models/quantile_table.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// How the gaps between arrivals are distributed.
enum class ArrivalProcess { poisson, gamma, weibull, constant };

/// How the rate changes over time, before bursts and ramps. Daily and weekly profiles have mean 1 over their period;
/// t = 0 is their hour 0.
enum class RateProfile { flat, daily, weekly, custom };

/// A point of a custom profile: the rate is `factor` times rate_rps at `at_s`, linear between points, held before
/// the first and after the last.
struct ProfilePoint {
    double at_s = 0;
    double factor = 1;
};

/// The rate is multiplied by `factor` from at_s on, for duration_s.
struct Burst {
    double at_s = 0;
    double duration_s = 0;
    double factor = 1;
};

/// The rate's factor goes in a straight line from 1 at at_s to `factor` at at_s + duration_s, and stays there.
struct Ramp {
    double at_s = 0;
    double duration_s = 0;
    double factor = 1;
};

enum class LengthKind { preset, quantiles, fixed, uniform, lognormal };

/// A distribution of prompt or output lengths, in tokens. Only the members of its kind are read. Draws are integers
/// of at least 1.
struct LengthSpec {
    LengthKind kind = LengthKind::preset;
    std::string preset;                    ///< preset: a workload preset's name; "" = SyntheticSpec::preset
    std::vector<QuantilePoint> quantiles;  ///< quantiles: ascending in both; linear between
    std::int64_t tokens = 0;               ///< fixed
    std::int64_t smallest = 1;             ///< uniform: both ends included; lognormal: held within
    std::int64_t largest = 131'072;        ///< as smallest
    double median = 0, sigma = 0;          ///< lognormal: exp(N(ln median, sigma^2))
};

/// What drawn prompts have in common: a system prompt, few-shot examples, a document that many ask about.
struct SharedPrefixSpec {
    std::int64_t tokens = 0;   ///< how long; a prompt that begins with it has at least one token more
    std::int64_t groups = 1;   ///< how many there are, each as likely as any other
    double share = 1;          ///< of the requests that begin with one
};

/// A workload to draw. Two of rate_rps, duration_s and requests decide how much: rate and duration leave the number
/// of requests to chance; rate and requests stop at the last request; duration and requests put exactly so many
/// into the duration. With all three, whichever of duration and requests is reached first ends it.
struct SyntheticSpec {
    std::string preset;               ///< lengths, arrival process and rate where nothing else says so; "" = none
    std::optional<double> rate_rps;   ///< mean rate where the profile's factor is 1
    std::optional<double> duration_s;
    std::optional<std::uint64_t> requests;
    std::optional<ArrivalProcess> process;  ///< left out: the preset's, else poisson
    std::optional<double> cv;               ///< of the gaps, for gamma and weibull: standard deviation / mean
    RateProfile profile = RateProfile::flat;
    std::vector<ProfilePoint> points;  ///< of profile custom; at_s strictly ascending
    std::vector<Burst> bursts;
    std::vector<Ramp> ramps;
    std::optional<LengthSpec> prompt, output;  ///< left out: the preset's
    std::optional<SharedPrefixSpec> shared_prefix;
};

/// Prompt tokens that a node of its prefix tree stands for, 0 = nothing is shared; and how many nodes it has.
[[nodiscard]] std::uint32_t tokens_per_node_of(const SyntheticSpec& spec);
[[nodiscard]] std::uint32_t prefix_nodes_of(const SyntheticSpec& spec);

}  // namespace windtunnel
