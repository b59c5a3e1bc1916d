#include "scenarios/traces/trace_commands.hpp"

#include "scenarios/traces/synthetic.hpp"
#include "scenarios/traces/trace_stats.hpp"
#include "scenarios/traces/trace_time.hpp"

#include <fmt/format.h>

namespace windtunnel {
namespace {

Result<std::string> write_and_tell(const Trace& trace, const std::filesystem::path& out) {
    Problems problems = write_trace(out, trace);
    if (!problems.empty()) return problems;
    std::string text = fmt::format("{}: {} requests over {} s, from {}\n", out.string(),
                                   trace.requests.size(), format_seconds(trace.span), trace.format);
    for (const Problem& note : trace.notes) text += fmt::format("note: {}\n", to_string(note));
    return text;
}

}  // namespace

Result<std::string> run_trace_stats(const std::filesystem::path& file, const TraceReadOptions& options,
                                    TraceOutput output) {
    Result<Trace> trace = read_trace(file, options);
    if (!trace) return trace.take_problems();
    const TraceStats stats = trace_stats(*trace);
    return output == TraceOutput::json
               ? to_json(stats).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"
               : to_table(stats);
}

Result<std::string> run_trace_convert(const std::filesystem::path& in, const std::filesystem::path& out,
                                      const TraceReadOptions& options, const TraceEdit& edit) {
    Result<Trace> trace = read_trace(in, options);
    if (!trace) return trace.take_problems();
    Result<Trace> edited = edit_trace(std::move(*trace), edit);
    if (!edited) return edited.take_problems();
    return write_and_tell(*edited, out);
}

Result<std::string> run_trace_synth(const SyntheticSpec& spec, std::uint64_t seed, std::uint32_t trial,
                                    const std::filesystem::path& out) {
    Result<Trace> trace = synthesise(spec, seed, trial);
    if (!trace) return trace.take_problems();
    return write_and_tell(*trace, out);
}

}  // namespace windtunnel
