#include "scenarios/traces/trace_writer.hpp"

#include "models/random.hpp"
#include "scenarios/documents/byte_source.hpp"
#include "scenarios/traces/trace_builder.hpp"
#include "scenarios/traces/trace_time.hpp"

#include <csv.h>
#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <system_error>

namespace windtunnel {
namespace {

/// Gathers text and hands it on in large pieces.
class Lines {
public:
    explicit Lines(ByteSink& sink) : m_sink(sink) { m_text.reserve(capacity + 4096); }

    void add(std::string_view text) { m_text += text; }
    template <class Integer>
    void add_number(Integer value) {
        char digits[24];
        m_text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
    }
    void add_seconds(Tick time) {
        char digits[40];
        m_text.append(digits, write_seconds(digits, time));
    }
    /// A name as a CSV field, quoted by libcsv where it must be.
    void add_name(const std::string& name) {
        if (name.find_first_of(",\"\r\n# \t") == std::string::npos) return add(name);
        std::string field(2 * name.size() + 2, '\0');
        field.resize(csv_write(field.data(), field.size(), name.data(), name.size()));
        add(field);
    }
    void end() {
        m_text += '\n';
        if (m_text.size() >= capacity) flush();
    }
    void flush() {
        m_sink.write(m_text);
        m_text.clear();
    }

private:
    static constexpr std::size_t capacity = std::size_t{1} << 18;
    ByteSink& m_sink;
    std::string m_text;
};

}  // namespace

Result<Trace> edit_trace(Trace trace, const TraceEdit& edit) {
    Problems problems;
    const auto refuse = [&](const char* path, std::string message) {
        problems.push_back(problem_at({}, 0, path, std::move(message)));
    };
    if (!(edit.keep > 0 && edit.keep <= 1))
        refuse("keep", fmt::format("found {}, allowed: a number above 0 and at most 1", edit.keep));
    if (!(edit.rate_scale >= 1e-6 && edit.rate_scale <= 1e6))
        refuse("rate_scale",
               fmt::format("found {}, allowed: a number from 0.000001 to 1000000", edit.rate_scale));
    const Tick from = edit.from.value_or(Tick{}), to = edit.to.value_or(trace.span + Tick{1});
    if (from < Tick{} || from >= to)
        refuse("from", fmt::format("found {} s, allowed: at least 0 and before the end at {} s",
                                   format_seconds(from), format_seconds(to)));
    if (problems.empty() && to_seconds(trace.span) / edit.rate_scale >= static_cast<double>(longest_span_s))
        refuse("rate_scale",
               fmt::format("found {}, at which the trace lasts {:.0f} s, allowed: less than {} s",
                           edit.rate_scale, to_seconds(trace.span) / edit.rate_scale, longest_span_s));
    if (!problems.empty()) return problems;

    RandomStream stream(edit.seed, 0, StreamPurpose::thinning, 0);
    const auto scaled = [&](Tick time) {
        if (edit.rate_scale == 1) return time;
        return Tick{
            static_cast<std::int64_t>(std::floor(static_cast<double>(time.count) / edit.rate_scale + 0.5))};
    };
    std::size_t kept = 0;
    for (Request request : trace.requests) {
        const bool chosen =
            edit.keep == 1 || stream.uniform_open() < edit.keep;  // one draw each, clipped or not
        if (request.arrival < from || request.arrival >= to || !chosen) continue;
        request.arrival = scaled(request.arrival - from);
        trace.requests[kept++] = request;
    }
    trace.requests.resize(kept);
    if (kept == 0)
        return problem_at({}, 0, "from",
                          fmt::format("found no request from {} s to {} s, allowed: a range that holds one",
                                      format_seconds(from), format_seconds(to)));
    trace.span = scaled(min(to, trace.span) - from);
    if (trace.start && from > Tick{}) {
        const std::int64_t nanoseconds = trace.start->nanoseconds + from.count % ticks_per_second / 100;
        trace.start->seconds += from.count / ticks_per_second + nanoseconds / 1'000'000'000;
        trace.start->nanoseconds = static_cast<std::int32_t>(nanoseconds % 1'000'000'000);
    }
    return trace;
}

bool write_trace(std::ostream& out, const Trace& trace, std::string_view encoding) {
    const auto any = [&](auto member) {
        return std::any_of(trace.requests.begin(), trace.requests.end(),
                           [&](const Request& r) { return r.*member != 0; });
    };
    const bool model = any(&Request::model), tenant = any(&Request::tenant),
               priority = any(&Request::priority);
    const bool limit = any(&Request::max_tokens), prefix = any(&Request::prefix_count);

    ByteSink sink(out, encoding);
    Lines lines(sink);
    if (trace.start) {
        lines.add("# start: " + format_wall_clock(trace.start->seconds, trace.start->nanoseconds));
        lines.end();
    }
    if (trace.requests.empty() || trace.span != trace.requests.back().arrival) {
        lines.add("# span_s: ");
        lines.add_seconds(trace.span);
        lines.end();
    }
    if (prefix) {
        lines.add("# tokens_per_hash: ");
        lines.add_number(trace.tokens_per_hash);
        lines.end();
    }
    lines.add("arrival_s,prompt_tokens,output_tokens");
    if (model) lines.add(",model");
    if (tenant) lines.add(",tenant");
    if (priority) lines.add(",priority");
    if (limit) lines.add(",max_tokens");
    if (prefix) lines.add(",prefix_hashes");
    lines.end();
    for (const Request& request : trace.requests) {
        lines.add_seconds(request.arrival);
        lines.add(",");
        lines.add_number(request.prompt_tokens);
        lines.add(",");
        lines.add_number(request.output_tokens);
        if (model) lines.add(","), lines.add_name(trace.models[request.model]);
        if (tenant) lines.add(","), lines.add_name(trace.tenants[request.tenant]);
        if (priority) lines.add(","), lines.add_number(request.priority);
        if (limit) lines.add(","), lines.add_number(request.max_tokens);
        if (prefix) lines.add(",");
        for (std::uint32_t i = 0; i < request.prefix_count; ++i) {
            if (i > 0) lines.add(" ");
            lines.add_number(trace.prefix_hashes[request.prefix - 1 + i]);
        }
        lines.end();
    }
    lines.flush();
    return sink.finish();
}

Problems write_trace(const std::filesystem::path& file, const Trace& trace) {
    const std::string extension = file.extension().string();
    const std::string_view encoding = extension == ".gz" ? "gzip" : extension == ".zst" ? "zstd" : "plain";
    std::filesystem::path beside = file;
    beside += ".partial";
    std::error_code error;
    {
        std::ofstream out(beside, std::ios::binary);
        if (!out)
            return {problem_at(file.string(), 0, {},
                               "found a place that cannot be written, allowed: a file in a writable folder")};
        if (!write_trace(out, trace, encoding)) {
            out.close();
            std::filesystem::remove(beside, error);
            return {problem_at(file.string(), 0, {}, "writing failed: is the disk full?")};
        }
    }
    std::filesystem::rename(beside, file, error);
    if (!error) return {};
    const std::string reason = error.message();
    std::filesystem::remove(beside, error);
    return {problem_at(file.string(), 0, {},
                       "found a name that cannot be written (" + reason + "), allowed: a file")};
}

}  // namespace windtunnel
