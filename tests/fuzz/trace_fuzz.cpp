#include "scenarios/traces/synthetic.hpp"
#include "scenarios/traces/trace_reader.hpp"
#include "scenarios/traces/trace_stats.hpp"
#include "scenarios/traces/trace_writer.hpp"

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>

/// Any bytes are either refused with at least one problem, or read into a trace that keeps its promises
/// (sorted, counts of at least 1, prefixes within the array) and that, written as plain CSV, reads back as
/// the same requests.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace windtunnel;
    TraceReadOptions options;
    if (size > 0 && data[size - 1] % 2 == 0) {
        options.arrival_rate_rps = 10;
        options.keep_failed = true;
    }
    std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
    const Result<Trace> trace = read_trace(in, "fuzz", options);
    if (!trace) {
        if (trace.problems().empty()) std::abort();
        return 0;
    }
    Tick last;
    for (const Request& r : trace->requests) {
        if (r.arrival < last || r.prompt_tokens == 0 || r.output_tokens == 0) std::abort();
        if (r.tenant >= trace->tenants.size() || r.model >= trace->models.size()) std::abort();
        if (r.prefix_count > 0 && r.prefix - 1 + std::uint64_t{r.prefix_count} > trace->prefix_hashes.size())
            std::abort();
        last = r.arrival;
    }
    if (trace->requests.empty() || trace->span < last) std::abort();
    if (to_table(trace_stats(*trace)).empty()) std::abort();
    std::ostringstream out;
    if (!write_trace(out, *trace)) std::abort();
    std::istringstream written(out.str());
    const Result<Trace> again = read_trace(written, "written");
    if (!again || again->requests.size() != trace->requests.size() || again->span != trace->span)
        std::abort();
    for (std::size_t i = 0; i < trace->requests.size(); ++i) {
        const Request &a = trace->requests[i], &b = again->requests[i];
        if (a.arrival != b.arrival || a.prompt_tokens != b.prompt_tokens ||
            a.output_tokens != b.output_tokens || a.max_tokens != b.max_tokens || a.priority != b.priority ||
            a.prefix_count != b.prefix_count)
            std::abort();
        if (a.prefix_count > 0 &&
            std::memcmp(&trace->prefix_hashes[a.prefix - 1], &again->prefix_hashes[b.prefix - 1],
                        a.prefix_count * sizeof(std::uint64_t)) != 0)
            std::abort();
    }
    return 0;
}
