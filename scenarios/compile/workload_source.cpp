#include "scenarios/compile/workload_source.hpp"

#include "models/expects.hpp"
#include "scenarios/traces/resampling.hpp"
#include "scenarios/traces/synthetic.hpp"
#include "scenarios/traces/trace_reader.hpp"
#include "scenarios/traces/trace_writer.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {

namespace {

/// Keeps what arrives before the scenario's duration; a longer duration than the workload stays as it is
/// said.
void cut(Trace& trace, std::optional<Tick> duration) {
    if (!duration) return;
    const auto end = std::lower_bound(trace.requests.begin(), trace.requests.end(), *duration,
                                      [](const Request& r, Tick at) { return r.arrival < at; });
    trace.requests.erase(end, trace.requests.end());
    trace.span = *duration;
}

}  // namespace

Result<WorkloadSource> WorkloadSource::make(const Scenario& scenario, std::uint64_t seed) {
    WorkloadSource source;
    source.m_duration = scenario.duration;
    source.m_seed = seed;
    Problems problems;
    std::uint32_t nodes = 0;  // of all prefix trees
    std::vector<WorkloadSpec> specs = scenario.workloads;
    specs.insert(specs.end(), scenario.load_tests.begin(), scenario.load_tests.end());
    for (const WorkloadSpec& spec : specs) {
        Stream stream{spec, nullptr, {}};
        stream.first_node = nodes;
        if (spec.synthetic) {
            // Nothing is drawn that the scenario's duration would cut off again; a count of requests that
            // fills a duration at no given rate keeps its meaning.
            std::optional<double>& drawn_s = stream.spec.synthetic->duration_s;
            if (scenario.duration && drawn_s && spec.synthetic->rate_rps)
                drawn_s = std::min(*drawn_s, std::max(1.0, to_seconds(*scenario.duration)));
            source.m_random = true;
            if (spec.offset.count == 0) source.m_formats.push_back("synthetic");
        } else {
            TraceReadOptions options;
            options.seed = seed;
            Result<Trace> trace = read_trace(spec.trace, options);
            if (trace && spec.rate_scale != 1) {
                TraceEdit edit;
                edit.rate_scale = spec.rate_scale;
                trace = edit_trace(std::move(*trace), edit);
            }
            if (!trace) {
                for (Problem& p : trace.take_problems()) problems.push_back(std::move(p));
                continue;
            }
            if (trace->start && !source.m_start) source.m_start = trace->start;
            source.m_formats.push_back(trace->format);
            for (const Problem& note : trace->notes) source.m_notes.push_back(note);
            if (!trace->prefix_hashes.empty()) stream.nodes = prefix_tree(*trace, nodes);
            if (spec.resample) {
                for (const Problem& p : problems_of(*spec.resample, *trace)) problems.push_back(p);
                source.m_random = true;
            }
            stream.trace = std::make_shared<const Trace>(std::move(*trace));
        }
        const std::uint32_t grain = stream.trace == nullptr  ? tokens_per_node_of(*stream.spec.synthetic)
                                    : stream.nodes.empty() ? 0
                                                           : stream.trace->tokens_per_hash;
        if (grain > 0 && source.m_tokens_per_hash > 0 && grain != source.m_tokens_per_hash)
            problems.push_back({spec.where, spec.path,
                                fmt::format("its prefix hashes stand for {} tokens each, another workload's for {}, allowed: "
                                            "the same in all",
                                            grain, source.m_tokens_per_hash)});
        source.m_tokens_per_hash = std::max(source.m_tokens_per_hash, grain);
        for (const std::uint32_t node : stream.nodes) nodes = std::max(nodes, node + 1);
        if (spec.synthetic) nodes += prefix_nodes_of(*spec.synthetic);
        source.m_streams.push_back(std::move(stream));
    }
    if (!problems.empty()) return problems;
    Result<Trace> first = source.merged(0);
    if (!first) return first.take_problems();
    for (const Problem& note : first->notes) source.m_notes.push_back(note);
    if (first->requests.empty())
        return Problem{
            {scenario.file, 0, 0}, "workload", "found no request within the duration, allowed: at least one"};
    source.m_span = first->span;
    source.m_first = std::make_shared<const Trace>(std::move(*first));
    return source;
}

std::vector<std::vector<std::string>> WorkloadSource::tenants() const {
    std::vector<std::vector<std::string>> out;
    bool named = false;
    for (const Stream& stream : m_streams) {
        std::vector<std::string> names = stream.trace ? stream.trace->tenants : std::vector<std::string>{""};
        for (std::string& name : names) {
            if (name.empty()) name = stream.spec.tenant;
            named = named || !name.empty();
        }
        out.push_back(std::move(names));
    }
    if (!named) out.clear();
    return out;
}

std::shared_ptr<const Trace> WorkloadSource::trial(std::uint32_t trial) const {
    if (trial == 0 || !m_random) return m_first;
    Result<Trace> drawn = merged(trial);
    WT_EXPECTS(drawn.ok());  // trial 0 was drawn from the same description
    return std::make_shared<const Trace>(std::move(*drawn));
}

Result<Trace> WorkloadSource::merged(std::uint32_t trial) const {
    Trace all;
    if (m_tokens_per_hash > 0) all.tokens_per_hash = m_tokens_per_hash;
    Problems problems;
    bool first = true;
    for (std::size_t w = 0; w < m_streams.size(); ++w) {
        const Stream& stream = m_streams[w];
        Trace part;
        if (stream.trace && stream.spec.resample) {
            part = resample(*stream.trace, *stream.spec.resample, m_seed, trial, static_cast<std::uint32_t>(w), m_duration);
            part.prefix_nodes = stream.nodes;  // requests keep their places in the table
        } else if (stream.trace) {
            part.requests = stream.trace->requests;
            part.span = stream.trace->span;
            part.prefix_nodes = stream.nodes;
        } else {
            Result<Trace> drawn = synthesise(*stream.spec.synthetic, m_seed, trial,
                                             static_cast<std::uint32_t>(w), stream.spec.path + ".synthetic");
            if (!drawn) {
                for (Problem& p : drawn.take_problems()) {
                    if (p.where.file.empty()) p.where = stream.spec.where;
                    problems.push_back(std::move(p));
                }
                continue;
            }
            part = std::move(*drawn);
        }
        if (stream.spec.offset.count > 0) {  // of a load test, which lasts no longer than the rest
            for (Request& r : part.requests) r.arrival += stream.spec.offset;
            cut(part, all.span);
        }
        cut(part, m_duration);
        const auto before = static_cast<std::uint32_t>(all.prefix_nodes.size());
        for (const std::uint32_t node : part.prefix_nodes)
            all.prefix_nodes.push_back(stream.trace ? node : stream.first_node + node);
        for (Request& r : part.requests) {
            if (r.prefix_count > 0) r.prefix += before;
            r.model = static_cast<std::uint16_t>(w);
            if (stream.spec.max_tokens && r.max_tokens == 0)
                r.max_tokens = static_cast<std::uint32_t>(*stream.spec.max_tokens);
        }
        all.span = max(all.span, part.span);
        all.notes.insert(all.notes.end(), part.notes.begin(), part.notes.end());
        if (first) {
            all.requests = std::move(part.requests);
            first = false;
            continue;
        }
        const auto middle = static_cast<std::ptrdiff_t>(all.requests.size());
        all.requests.insert(all.requests.end(), part.requests.begin(), part.requests.end());
        std::inplace_merge(all.requests.begin(), all.requests.begin() + middle, all.requests.end(),
                           [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
    }
    if (!problems.empty()) return problems;
    return all;
}

}  // namespace windtunnel
