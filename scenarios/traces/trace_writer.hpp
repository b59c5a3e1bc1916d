#pragma once
#include "scenarios/traces/trace.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <ostream>

namespace windtunnel {

/// How `trace convert` changes a trace, in this order: clip, thin, scale.
struct TraceEdit {
    std::optional<Tick> from,
        to;                 ///< keeps arrivals in [from, to); `from` becomes t = 0, `to` - `from` the span
    double keep = 1;        ///< keeps each request with this probability, 0 < keep <= 1, drawn from `seed`
    double rate_scale = 1;  ///< divides all times (and the span): 2 = twice the rate, in half the time
    std::uint64_t seed = 1;
};

/// The edited trace; or every reason why not (values out of range, nothing left).
[[nodiscard]] Result<Trace> edit_trace(Trace trace, const TraceEdit& edit);

/// Writes plain CSV: arrival_s,prompt_tokens,output_tokens and, where any request has one, model, tenant,
/// priority, max_tokens, prefix_hashes; start, span and tokens per hash as comments where they are not what a
/// reader assumes. read_trace() gives the same requests back, to the tick. `encoding` is "plain", "gzip" or
/// "zstd". False when the stream refused anything.
[[nodiscard]] bool write_trace(std::ostream& out, const Trace& trace, std::string_view encoding = "plain");

/// As above into a file: gzip for names in .gz, zstd for .zst. Writes beside it and renames, so that `file`
/// is never half written. The problems are empty on success.
[[nodiscard]] Problems write_trace(const std::filesystem::path& file, const Trace& trace);

}  // namespace windtunnel
