#include "scenarios/traces/synthetic.hpp"

#include "models/random.hpp"
#include "scenarios/traces/rate_curve.hpp"
#include "scenarios/traces/renewal.hpp"
#include "scenarios/traces/trace_builder.hpp"
#include "scenarios/traces/workload_presets.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <numeric>
#include <cmath>

namespace windtunnel {
namespace {

constexpr double longest_s = static_cast<double>(longest_span_s);
constexpr double most_requests = 4294967295.0;
constexpr double window_s = 86'400;  // how much of the rate curve is laid out at a time

/// Collects problems with the paths below one prefix.
class Checker {
public:
    Checker(Problems& problems, std::string path) : m_problems(problems), m_path(std::move(path)) {}

    void require(bool good, const std::string& key, const std::string& found, const std::string& allowed) {
        if (!good)
            m_problems.push_back(
                problem_at({}, 0, m_path + "." + key, "found " + found + ", allowed: " + allowed));
    }
    void number(double value, const std::string& key, double above_or_at, double most,
                const std::string& allowed) {
        require(std::isfinite(value) && value >= above_or_at && value <= most, key, fmt::format("{}", value),
                allowed);
    }

private:
    Problems& m_problems;
    std::string m_path;
};

void check_length(const LengthSpec& length, const std::string& preset, const std::string& key,
                  Checker& check) {
    const auto tokens = [&](std::int64_t value, const char* what) {
        check.require(value >= 1 && value <= static_cast<std::int64_t>(most_tokens), key + what,
                      fmt::format("{}", value), fmt::format("an integer from 1 to {}", most_tokens));
    };
    switch (length.kind) {
        case LengthKind::preset: {
            const std::string& name = length.preset.empty() ? preset : length.preset;
            if (name.empty())
                check.require(false, key, "neither a distribution nor a preset", "one of them");
            else if (!length.preset.empty())
                check.require(find_preset(name) != nullptr, key + ".preset", shown(name), preset_names());
            break;
        }
        case LengthKind::fixed:
            tokens(length.tokens, ".tokens");
            break;
        case LengthKind::lognormal:
            check.number(length.median, key + ".median", 1, static_cast<double>(most_tokens),
                         "tokens, at least 1");
            check.number(length.sigma, key + ".sigma", 0, 10, "a number from 0 to 10");
            [[fallthrough]];
        case LengthKind::uniform:
            tokens(length.smallest, ".smallest");
            tokens(length.largest, ".largest");
            check.require(length.smallest <= length.largest, key,
                          fmt::format("smallest {} above largest {}", length.smallest, length.largest),
                          "smallest <= largest");
            break;
        case LengthKind::quantiles:
            check.require(!length.quantiles.empty(), key + ".quantiles", "none", "at least one point");
            for (std::size_t i = 0; i < length.quantiles.size(); ++i) {
                const QuantilePoint& point = length.quantiles[i];
                const std::string at = fmt::format("{}.quantiles[{}]", key, i);
                check.number(point.probability, at + ".probability", 0, 1, "a number from 0 to 1");
                check.number(point.value, at + ".value", 1, static_cast<double>(most_tokens),
                             "tokens, at least 1");
                if (i > 0)
                    check.require(
                        point.probability > length.quantiles[i - 1].probability &&
                            point.value >= length.quantiles[i - 1].value,
                        at,
                        fmt::format("({}, {}) after ({}, {})", point.probability, point.value,
                                    length.quantiles[i - 1].probability, length.quantiles[i - 1].value),
                        "points that ascend");
            }
            break;
    }
}

/// The spec with what its preset says filled in.
struct Resolved {
    const WorkloadPreset* preset = nullptr;
    std::optional<double> rate_rps;
    GapFamily family = GapFamily::exponential;
    double shape = 1;
    LengthSpec prompt, output;
};

ArrivalProcess process_of(const SyntheticSpec& spec, const WorkloadPreset* preset) {
    if (spec.process) return *spec.process;
    if (spec.cv) return ArrivalProcess::gamma;
    return preset ? preset->process : ArrivalProcess::poisson;
}

Resolved resolve(const SyntheticSpec& spec) {
    Resolved out;
    out.preset = find_preset(spec.preset);
    out.rate_rps = spec.rate_rps;
    // With a number of requests and a duration the rate follows from them; a preset's does not interfere.
    if (!out.rate_rps && out.preset && out.preset->rate_rps > 0 && !(spec.requests && spec.duration_s))
        out.rate_rps = out.preset->rate_rps;
    const double cv = spec.cv ? *spec.cv : out.preset && !spec.process ? out.preset->cv : 1;
    switch (process_of(spec, out.preset)) {
        case ArrivalProcess::poisson:
            break;
        case ArrivalProcess::constant:
            out.family = GapFamily::constant;
            break;
        case ArrivalProcess::gamma:
            out.family = GapFamily::gamma;
            break;
        case ArrivalProcess::weibull:
            out.family = GapFamily::weibull;
            break;
    }
    out.shape = shape_of_cv(out.family, cv);
    out.prompt = spec.prompt.value_or(LengthSpec{});
    out.output = spec.output.value_or(LengthSpec{});
    return out;
}

/// Draws lengths: exactly for fixed and uniform, by table for the others.
class LengthSampler {
public:
    LengthSampler(const LengthSpec& spec, const std::string& preset, bool prompt, RandomStream stream)
        : m_spec(spec), m_stream(stream), m_table{} {
        if (spec.kind == LengthKind::preset) {
            const WorkloadPreset* from = find_preset(spec.preset.empty() ? preset : spec.preset);
            m_table = points_table(preset_points(prompt ? from->prompt : from->output));
        } else if (spec.kind == LengthKind::quantiles) {
            m_table = points_table(spec.quantiles);
        } else if (spec.kind == LengthKind::lognormal) {
            m_table = lognormal_table(spec.median, spec.sigma, spec.smallest, spec.largest);
        }
    }
    std::uint32_t next() {
        if (m_spec.kind == LengthKind::fixed) return static_cast<std::uint32_t>(m_spec.tokens);
        if (m_spec.kind == LengthKind::uniform)
            return static_cast<std::uint32_t>(
                m_spec.smallest + static_cast<std::int64_t>(m_stream.below(
                                      static_cast<std::uint64_t>(m_spec.largest - m_spec.smallest + 1))));
        return static_cast<std::uint32_t>(std::max<std::int64_t>(1, m_table.sample(m_stream.next_u64())));
    }

private:
    LengthSpec m_spec;
    RandomStream m_stream;
    QuantileTable m_table;
};

double area_of(const SyntheticSpec& spec, double to_s) {
    double area = 0;
    for (double from = 0; from < to_s; from += window_s)
        for (const RateSegment& segment : rate_segments(spec, from, std::min(from + window_s, to_s)))
            area += segment.area();
    return area;
}

}  // namespace

Problems problems_of(const SyntheticSpec& spec, const std::string& path) {
    Problems problems;
    Checker check(problems, path);
    const WorkloadPreset* preset = find_preset(spec.preset);
    check.require(spec.preset.empty() || preset != nullptr, "preset", shown(spec.preset), preset_names());
    if (spec.rate_rps)
        check.number(*spec.rate_rps, "rate_rps", 1e-9, 1e9, "requests per second, from 1e-9 to 1e9");
    if (spec.duration_s)
        check.number(*spec.duration_s, "duration_s", 1e-9, longest_s,
                     fmt::format("seconds, above 0 and at most {}", longest_span_s));
    if (spec.requests)
        check.require(*spec.requests >= 1 && static_cast<double>(*spec.requests) <= most_requests, "requests",
                      fmt::format("{}", *spec.requests), "an integer from 1 to 4294967295");
    const bool rate_known = spec.rate_rps || (preset && preset->rate_rps > 0);
    const int known = (rate_known ? 1 : 0) + (spec.duration_s ? 1 : 0) + (spec.requests ? 1 : 0);
    check.require(known >= 2, "rate_rps", "too little", "two of rate_rps, duration_s and requests");
    const ArrivalProcess process = process_of(spec, preset);
    if (spec.cv) {
        check.number(*spec.cv, "cv", 0.05, 20, "a number from 0.05 to 20");
        check.require(process == ArrivalProcess::gamma || process == ArrivalProcess::weibull, "cv",
                      "a cv for poisson or constant arrivals", "one for gamma or weibull");
    } else if (spec.process && (process == ArrivalProcess::gamma || process == ArrivalProcess::weibull)) {
        check.require(false, "cv", "none", "a number for gamma or weibull arrivals");
    }
    check.require((spec.profile == RateProfile::custom) == !spec.points.empty(), "points",
                  spec.points.empty() ? "none" : "some",
                  "at least one for profile custom, none for the others");
    for (std::size_t i = 0; i < spec.points.size(); ++i) {
        const std::string at = fmt::format("points[{}]", i);
        check.number(spec.points[i].at_s, at + ".at_s", 0, longest_s, "seconds, at least 0");
        check.number(spec.points[i].factor, at + ".factor", 0, 1e6, "a number from 0 to 1000000");
        if (i > 0)
            check.require(spec.points[i].at_s > spec.points[i - 1].at_s, at + ".at_s",
                          fmt::format("{} after {}", spec.points[i].at_s, spec.points[i - 1].at_s),
                          "times that ascend");
    }
    const auto change = [&](const std::string& at, double at_s, double duration_s, double factor) {
        check.number(at_s, at + ".at_s", 0, longest_s, "seconds, at least 0");
        check.number(duration_s, at + ".duration_s", 0, longest_s, "seconds, at least 0");
        check.number(factor, at + ".factor", 0, 1e6, "a number from 0 to 1000000");
    };
    for (std::size_t i = 0; i < spec.bursts.size(); ++i)
        change(fmt::format("bursts[{}]", i), spec.bursts[i].at_s, spec.bursts[i].duration_s,
               spec.bursts[i].factor);
    for (std::size_t i = 0; i < spec.ramps.size(); ++i)
        change(fmt::format("ramps[{}]", i), spec.ramps[i].at_s, spec.ramps[i].duration_s,
               spec.ramps[i].factor);
    check_length(spec.prompt.value_or(LengthSpec{}), spec.preset, "prompt", check);
    check_length(spec.output.value_or(LengthSpec{}), spec.preset, "output", check);
    if (spec.shared_prefix) {
        const SharedPrefixSpec& p = *spec.shared_prefix;
        check.require(p.tokens >= 1 && p.tokens <= 1'000'000, "shared_prefix.tokens", fmt::format("{}", p.tokens),
                      "an integer from 1 to 1000000");
        check.require(p.groups >= 1 && p.groups <= 1'000'000, "shared_prefix.groups", fmt::format("{}", p.groups),
                      "an integer from 1 to 1000000");
        check.number(p.share, "shared_prefix.share", 0, 1, "a number from 0 to 1");
    }
    if (problems.empty() && spec.duration_s) {
        const double area = area_of(spec, *spec.duration_s);
        const double expected = area * resolve(spec).rate_rps.value_or(0);
        check.require(expected < most_requests || spec.requests, "rate_rps",
                      fmt::format("{:.0f} requests in all", expected), "at most 4294967295");
        check.require(area > 0, "factor", "a rate of 0 throughout", "a rate above 0 somewhere");
    }
    return problems;
}

// Nodes of this many tokens: shorter than any block, so that no cached block is lost to their grain.
constexpr std::uint32_t shared_grain = 16;

std::uint32_t tokens_per_node_of(const SyntheticSpec& spec) { return spec.shared_prefix ? shared_grain : 0; }
std::uint32_t prefix_nodes_of(const SyntheticSpec& spec) {
    if (!spec.shared_prefix) return 0;
    return static_cast<std::uint32_t>(spec.shared_prefix->groups * (spec.shared_prefix->tokens / shared_grain));
}

namespace {

/// Which requests begin with which shared prefix.
class PrefixSampler {
public:
    PrefixSampler(const SyntheticSpec& spec, RandomStream stream, Trace& trace)
        : m_spec(spec.shared_prefix.value_or(SharedPrefixSpec{})), m_stream(stream) {
        if (!spec.shared_prefix) return;
        m_length = static_cast<std::uint32_t>(m_spec.tokens / shared_grain);
        trace.tokens_per_hash = shared_grain;
        trace.prefix_nodes.resize(prefix_nodes_of(spec));
        std::iota(trace.prefix_nodes.begin(), trace.prefix_nodes.end(), 0u);
    }
    void begin(Request& request) {
        if (m_spec.tokens == 0) return;
        const bool shares = m_stream.uniform_open() < m_spec.share;
        const auto group = static_cast<std::uint32_t>(m_stream.below(static_cast<std::uint64_t>(m_spec.groups)));
        if (!shares) return;
        request.prompt_tokens = std::max(request.prompt_tokens, static_cast<std::uint32_t>(m_spec.tokens) + 1);
        if (m_length == 0) return;
        request.prefix = group * m_length + 1;
        request.prefix_count = static_cast<std::uint16_t>(std::min<std::uint32_t>(m_length, 65'535));
    }

private:
    SharedPrefixSpec m_spec;
    RandomStream m_stream;
    std::uint32_t m_length = 0;  ///< nodes of a prefix
};

}  // namespace

Result<Trace> synthesise(const SyntheticSpec& spec, std::uint64_t seed, std::uint32_t trial,
                         std::uint32_t workload, const std::string& path) {
    Problems problems = problems_of(spec, path);
    if (!problems.empty()) return problems;
    const Resolved resolved = resolve(spec);
    const UnitGaps gaps(resolved.family, resolved.shape);
    const RandomStream arrivals(seed, trial, StreamPurpose::arrivals, workload);
    LengthSampler prompts(resolved.prompt, spec.preset, true,
                          {seed, trial, StreamPurpose::prompt_length, workload});
    LengthSampler outputs(resolved.output, spec.preset, false,
                          {seed, trial, StreamPurpose::output_length, workload});

    const std::uint64_t most = spec.requests.value_or(static_cast<std::uint64_t>(most_requests));
    const double end_s = spec.duration_s.value_or(longest_s);
    const bool exact = !resolved.rate_rps;  // duration and requests are given
    RandomStream stream = arrivals;
    double rate = resolved.rate_rps.value_or(0);
    double left = 0;  // requests' worth of rate until the next arrival
    if (exact) {
        // requests + 1 gaps fill the duration; constant ones begin at 0 and so leave their gap at the end.
        double total = 0;
        for (std::uint64_t i = 0; i <= most; ++i) total += gaps.next(stream);
        if (resolved.family == GapFamily::constant) total -= gaps.next(stream);
        rate = total / area_of(spec, end_s);
        stream = arrivals;
        left = resolved.family == GapFamily::constant ? 0 : gaps.next(stream);
    } else {
        left = gaps.first(stream);
    }

    Trace trace;
    trace.format = "synthetic";
    PrefixSampler prefixes(spec, {seed, trial, StreamPurpose::shared_prefix, workload}, trace);
    double expected = static_cast<double>(most);
    if (spec.duration_s && !exact) expected = std::min(expected, rate * area_of(spec, end_s) * 1.02 + 64);
    trace.requests.reserve(static_cast<std::size_t>(expected));
    const std::int64_t last_tick = from_seconds(end_s).count;
    for (double from = 0; from < end_s && trace.requests.size() < most; from += window_s) {
        for (const RateSegment& segment : rate_segments(spec, from, std::min(from + window_s, end_s))) {
            const double area = rate * segment.area();
            while (left < area && trace.requests.size() < most) {
                Request request;
                request.arrival = {std::min(from_seconds(segment.time_of(left / rate)).count, last_tick)};
                request.prompt_tokens = prompts.next();
                request.output_tokens = outputs.next();
                prefixes.begin(request);
                trace.requests.push_back(request);
                left += gaps.next(stream);
            }
            left -= area;
        }
    }
    // The sum of gaps and the area agree but for rounding; a request on the very end belongs to it.
    while (exact && trace.requests.size() < most) {
        Request request;
        request.arrival = {last_tick};
        request.prompt_tokens = prompts.next();
        request.output_tokens = outputs.next();
        prefixes.begin(request);
        trace.requests.push_back(request);
    }
    const bool unfinished = spec.requests && !spec.duration_s && trace.requests.size() < most;
    if (unfinished || trace.requests.empty()) {
        return problem_at(
            {}, 0, path + (spec.requests ? ".requests" : ".rate_rps"),
            fmt::format("found {} requests in {} s at this rate, allowed: {}", trace.requests.size(), end_s,
                        spec.requests ? "a number that is reached within 1.46 years" : "at least one"));
    }
    const bool whole = spec.duration_s && (!spec.requests || exact || trace.requests.size() < most);
    trace.span = whole ? from_seconds(end_s) : trace.requests.back().arrival;
    if (resolved.preset && resolved.prompt.kind == LengthKind::preset &&
        resolved.output.kind == LengthKind::preset && !std::isnan(resolved.preset->correlation)) {
        trace.notes.push_back(problem_at(
            {}, 0, path + ".preset",
            fmt::format("prompt and output lengths are drawn independently; in the trace behind {} their "
                        "correlation is {:.2f}",
                        resolved.preset->name, resolved.preset->correlation)));
    }
    return trace;
}

}  // namespace windtunnel
