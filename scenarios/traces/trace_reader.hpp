#pragma once
#include "scenarios/traces/trace.hpp"

#include <cstdint>
#include <filesystem>
#include <istream>
#include <optional>
#include <string>

namespace windtunnel {

/// What a reader may assume where a file does not say.
struct TraceReadOptions {
    /// For sources that hold lengths without arrivals: Poisson arrivals at this rate, drawn from `seed`.
    /// Without it such a source is refused.
    std::optional<double> arrival_rate_rps;
    /// For what is sampled while reading: arrivals of lengths-only sources, ServeGen client models.
    std::uint64_t seed = 1;
    /// Failed requests (BurstGPT: 0 response tokens; vLLM bench: 0 output tokens) have no true output length.
    /// They are dropped and counted in a note; true keeps them as requests of one output token.
    bool keep_failed = false;
    /// Prompt tokens per prefix hash; 0 = the source's own, else 512 (Mooncake's block).
    std::uint32_t tokens_per_hash = 0;
};

/// Reads a workload, whatever its format; format and compression are recognised by content.
///
/// | format        | recognised by |
/// |---------------|---------------|
/// | azure         | CSV with TIMESTAMP, ContextTokens, GeneratedTokens (2023: no zone; 2024: with zone) |
/// | burstgpt      | CSV with Timestamp (s), Request tokens, Response tokens; Model and Log Type become model
/// and tenant | | plain-csv     | CSV with arrival_s (or arrival_ms), prompt_tokens, output_tokens, and by
/// choice model, tenant, priority, max_tokens, prefix_hashes | | lengths-csv   | CSV with num_prefill_tokens,
/// num_decode_tokens (or the plain names) and no arrivals | | mooncake      | JSON lines with timestamp (ms),
/// input_length, output_length, hash_ids; vLLM's timed_trace is the same | | qwen-bailian  | the same with
/// parent_chat_id: timestamps in seconds | | request-log   | JSON of any nesting, or CSV, with a moment and token
/// counts under the names of LiteLLM, Langfuse, OpenTelemetry and others (request_log.hpp); sorted by arrival | | plain-jsonl   | JSON lines with
/// arrival_s (or arrival_time, arrived_at), prompt_tokens, output_tokens, ... | | vllm-bench    | vLLM bench
/// result with input_lens, output_lens and start_times | | servegen      | CSV with client, start_s,
/// rate_rps, cv, pattern, shape, scale; lengths from the sibling folder |
///
/// CSV columns stand in any order, named without regard to case, spaces and underscores; fields may be
/// quoted; blank lines and lines that begin with '#' are skipped ("# start: 2024-05-10T00:00:00Z", "# span_s:
/// 3600" and "# tokens_per_hash: 512" are read); line ends may be CRLF; a byte-order mark and a missing last
/// newline are fine. Columns that mean nothing here are ignored with a note. Prefix hashes are unsigned
/// 64-bit numbers with spaces between, or the further fields of the row when the column is the last. What one stands for
/// is what the source or the caller says, else 512 tokens, or where prompts have more hashes than that the block size that
/// fits them all. Columns are separated by commas, semicolons or tabs.
///
/// t = 0 is the first request where times are civil times, and the source's own zero otherwise. Times are
/// read exactly, by integers. One pass; memory is the requests. The first thing wrong ends the reading, with
/// one problem that names line and row: times that go backward or below zero, token counts that are not
/// integers from 1 to 2,147,483,647, missing columns, damaged compression, no rows.
[[nodiscard]] Result<Trace> read_trace(const std::filesystem::path& file,
                                       const TraceReadOptions& options = {});

/// As above from a stream. `name` stands in messages. A ServeGen client file cannot be read so: its lengths
/// lie in a folder beside the file.
[[nodiscard]] Result<Trace> read_trace(std::istream& in, const std::string& name,
                                       const TraceReadOptions& options = {});

}  // namespace windtunnel
