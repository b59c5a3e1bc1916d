#pragma once
#include "scenarios/traces/synthetic_spec.hpp"
#include "scenarios/traces/trace_reader.hpp"
#include "scenarios/traces/trace_writer.hpp"

#include <filesystem>
#include <string>

namespace windtunnel {

enum class TraceOutput { table, json };

/// `windtunnel trace stats FILE`: what to print on standard output.
[[nodiscard]] Result<std::string> run_trace_stats(const std::filesystem::path& file,
                                                  const TraceReadOptions& options, TraceOutput output);

/// `windtunnel trace convert IN OUT`: writes plain CSV (compressed by OUT's name) and returns one line that
/// says what was written, followed by the reader's notes, one a line.
[[nodiscard]] Result<std::string> run_trace_convert(const std::filesystem::path& in,
                                                    const std::filesystem::path& out,
                                                    const TraceReadOptions& options, const TraceEdit& edit);

/// `windtunnel trace synth OUT`: as convert, from a drawn workload.
[[nodiscard]] Result<std::string> run_trace_synth(const SyntheticSpec& spec, std::uint64_t seed,
                                                  std::uint32_t trial, const std::filesystem::path& out);

}  // namespace windtunnel
