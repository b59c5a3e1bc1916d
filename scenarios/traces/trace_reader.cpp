#include "scenarios/traces/trace_reader.hpp"

#include "scenarios/traces/request_log.hpp"
#include "scenarios/traces/trace_builder.hpp"
#include "scenarios/traces/trace_formats.hpp"

#include <fmt/format.h>
#include <fstream>
#include <system_error>
#include <vector>

namespace windtunnel {
namespace {

constexpr const char* known_formats =
    "a trace as CSV (Azure, BurstGPT, ServeGen clients, or columns arrival_s,prompt_tokens,output_tokens), "
    "JSON lines (Mooncake, vLLM timed_trace), a vLLM bench result or a log of requests with their token counts "
    "(LiteLLM, Langfuse, OpenTelemetry, ...), each plain, gzip or zstd";

char first_meaningful(std::string_view bytes) {
    const std::size_t at = bytes.find_first_not_of(" \t\r\n");
    return at == std::string_view::npos ? '\0' : bytes[at];
}

Result<Trace> read_any(std::istream& in, const std::string& name, const std::filesystem::path& file,
                       const TraceReadOptions& options) {
    ByteSource source(in);
    TextInput text(source);
    const auto damaged = [&] {
        return problem_at(name, text.line() + 1, {}, source.error() + ", allowed: complete data");
    };
    const std::string_view first = text.buffered();
    if (first.empty()) {
        if (!source.error().empty()) return damaged();
        return problem_at(name, 0, {}, std::string("found an empty file, allowed: ") + known_formats);
    }
    if (first.find('\0') != std::string_view::npos)
        return problem_at(name, 0, {}, std::string("found binary data, allowed: ") + known_formats);
    const char c = first_meaningful(first);
    if (const std::string other = found_instead(first.substr(0, 1 << 16)); !other.empty())
        return problem_at(name, 1, {}, other);
    Result<Trace> trace = c != '{' && c != '['                      ? read_csv_trace(text, name, file, options)
                          : is_json_log(first.substr(0, 1 << 16)) ? read_json_log(text, name, options)
                                                                    : read_json_trace(text, name, options);
    // Damage to compressed data shows itself as a cut or senseless row, and by its checksum at the end only;
    // it is the truer message, so the rest is decompressed to see.
    if (!trace.ok() && source.encoding() != "plain") {
        std::vector<char> rest(1 << 16);
        while (source.read(rest.data(), rest.size()) > 0) {
        }
    }
    if (!source.error().empty()) return damaged();
    return trace;
}

}  // namespace

Result<Trace> read_trace(std::istream& in, const std::string& name, const TraceReadOptions& options) {
    return read_any(in, name, {}, options);
}

Result<Trace> read_trace(const std::filesystem::path& file, const TraceReadOptions& options) {
    std::error_code ignored;
    if (std::filesystem::is_directory(file, ignored))
        return problem_at(file.string(), 0, {}, "found a folder, allowed: a trace file");
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        const bool there = std::filesystem::exists(file, ignored);
        return problem_at(file.string(), 0, {},
                          there ? "found a file that cannot be opened, allowed: a readable trace file"
                                : "found no such file, allowed: a trace file");
    }
    return read_any(in, file.string(), file, options);
}

}  // namespace windtunnel
