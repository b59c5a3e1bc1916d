#include "scenarios/traces/trace_stats.hpp"

#include "models/expects.hpp"
#include "scenarios/traces/trace_time.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_set>

namespace windtunnel {
namespace {

/// Sorts `values`.
template <class T>
DistributionSummary summarise(std::vector<T>& values, double unit) {
    DistributionSummary out;
    out.count = values.size();
    if (values.empty()) return out;
    std::sort(values.begin(), values.end());
    double sum = 0, squares = 0;
    for (const T value : values) sum += static_cast<double>(value);
    const auto n = static_cast<double>(values.size());
    const double mean = sum / n;
    for (const T value : values)
        squares += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);
    out.mean = mean * unit;
    out.stddev = std::sqrt(squares / n) * unit;
    for (std::size_t i = 0; i < out.quantiles.size(); ++i) {
        const double rank = DistributionSummary::levels[i] / 100 * (n - 1);
        const auto below = static_cast<std::size_t>(rank);
        const auto above = std::min(below + 1, values.size() - 1);
        const auto from = static_cast<double>(values[below]), to = static_cast<double>(values[above]);
        out.quantiles[i] = (from + (to - from) * (rank - static_cast<double>(below))) * unit;
    }
    return out;
}

/// Calls `each(index, count)` for every window that holds an arrival, in order; returns how many windows
/// there are.
template <class Each>
std::uint64_t count_windows(const std::vector<Request>& requests, Tick width, Each each) {
    const Tick first = requests.front().arrival;
    std::int64_t window = 0;
    std::uint64_t count = 0;
    for (const Request& request : requests) {
        const std::int64_t at = (request.arrival - first).count / width.count;
        if (at != window) {
            each(window, count);
            window = at;
            count = 0;
        }
        ++count;
    }
    each(window, count);
    return static_cast<std::uint64_t>(window) + 1;
}

WindowSummary windows_of(const std::vector<Request>& requests, Tick width) {
    WindowSummary out;
    double squares = 0;
    const auto n = static_cast<double>(count_windows(requests, width, [&](std::int64_t, std::uint64_t count) {
        out.peak = std::max(out.peak, count);
        squares += static_cast<double>(count) * static_cast<double>(count);
    }));
    const double mean = static_cast<double>(requests.size()) / n;
    out.index_of_dispersion = (squares / n - mean * mean) / mean;
    return out;
}

double correlation(const std::vector<Request>& requests, double prompt_mean, double output_mean) {
    double both = 0, prompts = 0, outputs = 0;
    for (const Request& r : requests) {
        const double p = r.prompt_tokens - prompt_mean, o = r.output_tokens - output_mean;
        both += p * o;
        prompts += p * p;
        outputs += o * o;
    }
    return prompts > 0 && outputs > 0 ? both / std::sqrt(prompts * outputs) : 0;
}

std::size_t names_in_use(const std::vector<Request>& requests, std::uint16_t Request::*member,
                         std::size_t names) {
    std::vector<bool> used(names, false);
    for (const Request& r : requests) used[r.*member] = true;
    return static_cast<std::size_t>(std::count(used.begin(), used.end(), true));
}

}  // namespace

TraceStats trace_stats(const Trace& trace) {
    const std::vector<Request>& requests = trace.requests;
    WT_EXPECTS(!requests.empty());
    TraceStats out;
    out.format = trace.format;
    if (trace.start) out.start = format_wall_clock(trace.start->seconds, trace.start->nanoseconds);
    out.requests = requests.size();
    out.span_s = to_seconds(requests.back().arrival - requests.front().arrival);
    out.first_arrival_s = to_seconds(requests.front().arrival);
    out.covered_s = to_seconds(trace.span);
    out.notes = trace.notes;
    std::unordered_set<std::uint64_t> distinct;
    {
        std::vector<std::uint32_t> tokens;
        tokens.reserve(requests.size());
        for (const Request& r : requests) {
            out.prompt_tokens += r.prompt_tokens;
            tokens.push_back(r.prompt_tokens);
            ++out.prompt_histogram[static_cast<std::size_t>(std::bit_width(r.prompt_tokens) - 1)];
            ++out.output_histogram[static_cast<std::size_t>(std::bit_width(r.output_tokens) - 1)];
            out.prefix_hashes += r.prefix_count;
            for (std::uint32_t i = 0; i < r.prefix_count; ++i)
                distinct.insert(trace.prefix_hashes[r.prefix - 1 + i]);
        }
        out.prompt = summarise(tokens, 1);
        tokens.clear();
        for (const Request& r : requests) {
            out.output_tokens += r.output_tokens;
            tokens.push_back(r.output_tokens);
        }
        out.output = summarise(tokens, 1);
    }
    out.distinct_prefix_hashes = distinct.size();
    std::vector<std::int64_t> gaps;
    gaps.reserve(requests.size());
    for (std::size_t i = 1; i < requests.size(); ++i) {
        gaps.push_back((requests[i].arrival - requests[i - 1].arrival).count);
        if (gaps.back() == 0) ++out.ties;
    }
    out.gap_s = summarise(gaps, 1 / static_cast<double>(ticks_per_second));
    out.window_1s = windows_of(requests, seconds(1));
    out.window_10s = windows_of(requests, seconds(10));
    out.window_60s = windows_of(requests, seconds(60));
    count_windows(requests, seconds(300), [&](std::int64_t window, std::uint64_t count) {
        out.rate_per_5min_rps.resize(static_cast<std::size_t>(window), 0);
        out.rate_per_5min_rps.push_back(static_cast<double>(count) / 300);
    });
    out.tenants = names_in_use(requests, &Request::tenant, trace.tenants.size());
    out.models = names_in_use(requests, &Request::model, trace.models.size());
    out.prompt_output_correlation = correlation(requests, out.prompt.mean, out.output.mean);
    return out;
}

}  // namespace windtunnel
