#pragma once
#include "models/problem.hpp"
#include "models/time.hpp"
#include "scenarios/traces/synthetic_spec.hpp"
#include "scenarios/traces/trace.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// How every trial gets a future of its own out of one recorded trace.
struct ResamplingSpec {
    /// Length of the blocks that the trace is put together from anew, drawn with replacement: within a block arrivals,
    /// lengths and their order are the trace's. Empty: the trace stays as it was.
    std::optional<Tick> block;
    std::optional<Tick> within;  ///< a block is drawn from at most so far before or after its place
    std::optional<Tick> period;  ///< a block is drawn from its own place in another of the trace's periods
    /// Requests are this many times as many: below 1 thinned, above it further draws are laid over the first. Linear
    /// between points, held before the first and after the last. Empty: 1.
    std::vector<ProfilePoint> growth;
    SourcePosition where;
    std::string path;  ///< `workload.resample`

    [[nodiscard]] double growth_at(double at_s) const;
};

/// What resample() would refuse for this trace; empty when nothing.
[[nodiscard]] Problems problems_of(const ResamplingSpec& spec, const Trace& trace);

/// Another future of the trace, over the same span, up to `until`.
///
/// Blocks, by default, are drawn from anywhere in the trace, which goes on at its start after its end (circular block
/// bootstrap; Politis and Romano 1992): every moment of the trace is as likely everywhere. `within` keeps what
/// moves slowly, such as the time of day, in place (local block bootstrap; Paparoditis and Politis 2002), `period`
/// what repeats (seasonal block bootstrap; Politis 2001). The second and further draws that growth above 1 lays over
/// the first are independent of it.
///
/// The same trace, spec, seed, trial and workload give the same bytes: no other configuration changes the draws, so
/// configurations are compared under the same futures.
[[nodiscard]] Trace resample(const Trace& trace, const ResamplingSpec& spec, std::uint64_t seed, std::uint32_t trial,
                             std::uint32_t workload, std::optional<Tick> until = {});

}  // namespace windtunnel
