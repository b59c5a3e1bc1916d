#include "scenarios/traces/resampling.hpp"

#include "models/expects.hpp"
#include "models/random.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace windtunnel {

namespace {

/// Draws that may lie over each other, and so how far a trace may grow.
constexpr std::uint32_t most_copies = 64;

using RequestAt = std::vector<Request>::const_iterator;

RequestAt first_from(const Trace& trace, Tick at) {
    return std::lower_bound(trace.requests.begin(), trace.requests.end(), at,
                            [](const Request& r, Tick t) { return r.arrival < t; });
}

/// Where in the trace the block that begins at `at` comes from.
class BlockSource {
public:
    BlockSource(const Trace& trace, const ResamplingSpec& spec, RandomStream stream)
        : m_span(trace.span.count), m_block(spec.block->count), m_spec(spec), m_stream(stream) {}

    Tick draw(std::int64_t at) {
        if (!m_spec.within && !m_spec.period) return Tick{below(m_span)};
        const std::int64_t last = m_span - m_block;  // a block that starts here is still whole
        std::int64_t place = std::min(at, last);
        if (m_spec.period) {
            const std::int64_t period = m_spec.period->count, phase = at % period;
            // The first period holds every phase (problems_of), so there is at least one.
            place = phase <= last ? phase + period * below((last - phase) / period + 1) : last;
        }
        if (!m_spec.within) return Tick{place};
        const std::int64_t low = std::max<std::int64_t>(0, place - m_spec.within->count),
                           high = std::min(last, place + m_spec.within->count);
        return Tick{low + below(high - low + 1)};
    }

private:
    std::int64_t below(std::int64_t bound) {
        return static_cast<std::int64_t>(m_stream.below(static_cast<std::uint64_t>(bound)));
    }

    const std::int64_t m_span, m_block;
    const ResamplingSpec& m_spec;
    RandomStream m_stream;
};

/// One draw of the whole trace, in order of arrival.
std::vector<Request> drawn(const Trace& trace, const ResamplingSpec& spec, Tick until, RandomStream stream) {
    // What arrives at the span's very end belongs to the trace, and to the block that reaches up to it.
    const auto inside = [&](const Request& r, Tick end) { return r.arrival < end || (end == trace.span && r.arrival == end); };
    const auto end_of = [&](Tick end) { return end == trace.span ? trace.requests.end() : first_from(trace, end); };
    if (!spec.block) return {trace.requests.begin(), end_of(until)};
    std::vector<Request> out;
    out.reserve(trace.requests.size());
    BlockSource source(trace, spec, stream);
    for (Tick at{0}; at < until; at += *spec.block) {
        const Tick from = source.draw(at.count);
        const Tick length = std::min(*spec.block, until - at);
        const auto copy = [&](Tick begin, Tick end, Tick to) {
            for (RequestAt r = first_from(trace, begin); r != trace.requests.end() && inside(*r, end); ++r) {
                out.push_back(*r);
                out.back().arrival = to + (r->arrival - begin);
            }
        };
        const Tick until_end = std::min(from + length, trace.span);
        copy(from, until_end, at);
        if (from + length > trace.span) copy(Tick{0}, from + length - trace.span, at + (trace.span - from));
    }
    return out;
}

/// Keeps a request of the copy-th draw with the part of the growth that falls to it.
void thin(std::vector<Request>& requests, const ResamplingSpec& spec, std::uint32_t copy, RandomStream stream) {
    std::erase_if(requests, [&](const Request& r) {
        const double share = spec.growth_at(to_seconds(r.arrival)) - copy;
        return stream.uniform_open() > share;  // one draw per request, whatever the share
    });
}

}  // namespace

double ResamplingSpec::growth_at(double at_s) const {
    if (growth.empty()) return 1;
    if (at_s <= growth.front().at_s) return growth.front().factor;
    for (std::size_t i = 1; i < growth.size(); ++i) {
        const ProfilePoint &a = growth[i - 1], &b = growth[i];
        if (at_s < b.at_s) return a.factor + (b.factor - a.factor) * (at_s - a.at_s) / (b.at_s - a.at_s);
    }
    return growth.back().factor;
}

Problems problems_of(const ResamplingSpec& spec, const Trace& trace) {
    Problems problems;
    const auto refuse = [&](const char* key, const std::string& message) {
        problems.push_back({spec.where, spec.path + "." + key, message});
    };
    const double span_s = to_seconds(trace.span);
    if (spec.block && *spec.block > trace.span)
        refuse("block_s", fmt::format("found {}, allowed: at most the trace's span of {} s", to_seconds(*spec.block), span_s));
    if (spec.period && spec.block && *spec.period + *spec.block > trace.span)
        refuse("period_s", fmt::format("found {}, allowed with this block_s: at most {}, so that the trace of {} s holds a "
                                       "whole period and the block after it",
                                       to_seconds(*spec.period), span_s - to_seconds(*spec.block), span_s));
    double most = 1;
    for (const ProfilePoint& p : spec.growth) most = std::max(most, p.factor);
    if (most > most_copies)
        refuse("growth", fmt::format("found {}, allowed: at most {} (rate_scale makes a trace faster)", most, most_copies));
    if (most > 1 && !spec.block)
        refuse("growth", fmt::format("found {} without block_s, allowed: at most 1: the same arrivals a second time would "
                                     "come in pairs; with block_s other draws of the trace are laid over it",
                                     most));
    return problems;
}

Trace resample(const Trace& trace, const ResamplingSpec& spec, std::uint64_t seed, std::uint32_t trial, std::uint32_t workload,
               std::optional<Tick> until) {
    WT_EXPECTS(problems_of(spec, trace).empty());
    Trace out;
    out.span = trace.span;
    double most = spec.growth.empty() ? 1 : 0;
    for (const ProfilePoint& p : spec.growth) most = std::max(most, p.factor);
    const auto copies = static_cast<std::uint32_t>(std::ceil(most));
    const Tick end = until ? std::min(*until, trace.span) : trace.span;
    for (std::uint32_t copy = 0; copy < copies; ++copy) {
        // A workload's arrivals are drawn from here or from synthesise(), never from both.
        const std::uint32_t entity = copy << 16 | workload;
        std::vector<Request> part = drawn(trace, spec, end, RandomStream(seed, trial, StreamPurpose::arrivals, entity));
        if (!spec.growth.empty()) thin(part, spec, copy, RandomStream(seed, trial, StreamPurpose::thinning, entity + 1));
        const auto middle = static_cast<std::ptrdiff_t>(out.requests.size());
        out.requests.insert(out.requests.end(), part.begin(), part.end());
        std::inplace_merge(out.requests.begin(), out.requests.begin() + middle, out.requests.end(),
                           [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
    }
    return out;
}

}  // namespace windtunnel
