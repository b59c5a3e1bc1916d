#include "scenarios/traces/trace_stats.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace windtunnel {
namespace {

using nlohmann::ordered_json;

double rounded(double value, double digits) { return std::round(value * digits) / digits; }

ordered_json summary_json(const DistributionSummary& summary) {
    if (summary.count == 0) return nullptr;
    ordered_json out;
    out["mean"] = rounded(summary.mean, 1e6);
    out["stddev"] = rounded(summary.stddev, 1e6);
    out["cv"] = rounded(summary.cv(), 1e6);
    for (std::size_t i = 0; i < summary.quantiles.size(); ++i)
        out[fmt::format("p{}", DistributionSummary::levels[i])] = rounded(summary.quantiles[i], 1e6);
    return out;
}

/// `share` of 1 as a bar of eighths, at most `width` characters.
std::string bar(double share, int width) {
    static constexpr const char* eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int parts = static_cast<int>(std::lround(share * width * 8));
    std::string out;
    for (int i = 0; i < parts / 8; ++i) out += "█";
    return out + eighths[parts % 8];
}

/// One character per value, from ▁ to █, at most `width` of them (neighbours are averaged).
std::string sparkline(const std::vector<double>& values, std::size_t width) {
    static constexpr const char* levels[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const std::size_t columns = std::min(width, values.size());
    std::vector<double> means;
    for (std::size_t i = 0; i < columns; ++i) {
        const std::size_t from = i * values.size() / columns, to = (i + 1) * values.size() / columns;
        double sum = 0;
        for (std::size_t j = from; j < to; ++j) sum += values[j];
        means.push_back(sum / static_cast<double>(to - from));
    }
    const double most = *std::max_element(means.begin(), means.end());
    std::string out;
    for (const double mean : means)
        out += levels[most > 0 ? std::min(7, static_cast<int>(mean / most * 8)) : 0];
    return out;
}

std::string number(double value) {
    if (value == 0) return "0";
    if (value >= 1000 || value == std::floor(value)) return fmt::format("{:.0f}", value);
    return fmt::format("{:.4g}", value);  // at most 9 characters
}

/// Bars over token counts in steps of two.
std::string histogram(const char* title, const std::array<std::uint64_t, 32>& counts,
                      std::uint64_t requests) {
    std::string out = fmt::format("\n {}\n", title);
    const auto used = [](std::uint64_t count) { return count > 0; };
    const auto first = std::find_if(counts.begin(), counts.end(), used);
    const auto last = std::find_if(counts.rbegin(), counts.rend(), used).base();
    for (auto it = first; it != last; ++it) {
        const std::uint64_t from = std::uint64_t{1} << (it - counts.begin());
        const double share = static_cast<double>(*it) / static_cast<double>(requests);
        out +=
            fmt::format("  {:>8} – {:<8} {:>5.1f}%  {}\n", from, 2 * from - 1, share * 100, bar(share, 40));
    }
    return out;
}

}  // namespace

ordered_json to_json(const TraceStats& stats) {
    ordered_json out;
    out["requests"] = stats.requests;
    out["prompt_tokens"] = stats.prompt_tokens;
    out["output_tokens"] = stats.output_tokens;
    out["span_s"] = rounded(stats.span_s, 1e9);
    out["format"] = stats.format;
    out["start"] = stats.start.empty() ? ordered_json(nullptr) : ordered_json(stats.start);
    out["first_arrival_s"] = rounded(stats.first_arrival_s, 1e9);
    out["covered_s"] = rounded(stats.covered_s, 1e9);
    const bool spans = stats.span_s > 0;
    const auto rate = [&](std::uint64_t count) {
        return spans ? ordered_json(rounded(static_cast<double>(count) / stats.span_s, 1e6))
                     : ordered_json(nullptr);
    };
    out["request_rate_rps"] = rate(stats.requests);
    out["prompt_tokens_per_s"] = rate(stats.prompt_tokens);
    out["output_tokens_per_s"] = rate(stats.output_tokens);
    out["prompt"] = summary_json(stats.prompt);
    out["output"] = summary_json(stats.output);
    out["prompt_output_correlation"] = rounded(stats.prompt_output_correlation, 1e6);
    out["interarrival_s"] = summary_json(stats.gap_s);
    out["ties"] = stats.ties;
    out["peak_1s_rps"] = stats.window_1s.peak;
    out["peak_60s_rps"] = rounded(static_cast<double>(stats.window_60s.peak) / 60, 1e6);
    out["index_of_dispersion_1s"] = rounded(stats.window_1s.index_of_dispersion, 1e6);
    out["index_of_dispersion_10s"] = rounded(stats.window_10s.index_of_dispersion, 1e6);
    out["index_of_dispersion_60s"] = rounded(stats.window_60s.index_of_dispersion, 1e6);
    out["rate_per_5min_rps"] = ordered_json::array();
    for (const double value : stats.rate_per_5min_rps)
        out["rate_per_5min_rps"].push_back(rounded(value, 1e6));
    out["tenants"] = stats.tenants;
    out["models"] = stats.models;
    out["prefix_hashes"] = stats.prefix_hashes;
    out["prefix_reuse_ratio"] =
        stats.prefix_hashes == 0
            ? ordered_json(nullptr)
            : ordered_json(rounded(1 - static_cast<double>(stats.distinct_prefix_hashes) /
                                           static_cast<double>(stats.prefix_hashes),
                                   1e6));
    out["notes"] = ordered_json::array();
    for (const Problem& note : stats.notes) out["notes"].push_back(note.message);
    return out;
}

std::string to_table(const TraceStats& stats) {
    std::string out = fmt::format(" Trace     {} requests over {} s", stats.requests, number(stats.span_s));
    if (stats.span_s > 0)
        out += fmt::format(" ({} requests/s)", number(static_cast<double>(stats.requests) / stats.span_s));
    out += fmt::format(", format {}\n", stats.format);
    if (!stats.start.empty()) out += fmt::format(" Start     {}\n", stats.start);
    out += fmt::format(" Tokens    {} prompt, {} output; correlation {:.2f}\n", stats.prompt_tokens,
                       stats.output_tokens, stats.prompt_output_correlation);
    out += fmt::format(
        " Arrivals  peak {} in 1 s, {} in 60 s; gap CV {}; index of dispersion {} (1 s), {} (60 s); {} "
        "ties\n",
        stats.window_1s.peak, stats.window_60s.peak, number(stats.gap_s.cv()),
        number(stats.window_1s.index_of_dispersion), number(stats.window_60s.index_of_dispersion),
        stats.ties);
    if (stats.tenants > 1 || stats.models > 1)
        out += fmt::format(" Names     {} models, {} tenants\n", stats.models, stats.tenants);
    if (stats.prefix_hashes > 0)
        out += fmt::format(" Prefixes  {} hashes, {} distinct ({:.1f}% seen before)\n", stats.prefix_hashes,
                           stats.distinct_prefix_hashes,
                           100 - 100 * static_cast<double>(stats.distinct_prefix_hashes) /
                                     static_cast<double>(stats.prefix_hashes));
    out += fmt::format("\n {:<16}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}\n", "", "mean", "p1", "p50",
                       "p90", "p99", "p99.9", "max");
    const auto row = [&](const char* name, const DistributionSummary& s) {
        if (s.count == 0) return;
        out += fmt::format(" {:<16}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}\n", name, number(s.mean),
                           number(s.quantiles[1]), number(s.quantiles[5]), number(s.quantiles[7]),
                           number(s.quantiles[9]), number(s.quantiles[10]), number(s.quantiles[11]));
    };
    row("prompt_tokens", stats.prompt);
    row("output_tokens", stats.output);
    row("interarrival_s", stats.gap_s);
    out += histogram("Prompt tokens", stats.prompt_histogram, stats.requests) +
           histogram("Output tokens", stats.output_histogram, stats.requests);
    if (stats.rate_per_5min_rps.size() > 1) {
        out += fmt::format(
            "\n Requests/s over time, most {} in 5 minutes\n  {}\n",
            number(*std::max_element(stats.rate_per_5min_rps.begin(), stats.rate_per_5min_rps.end())),
            sparkline(stats.rate_per_5min_rps, 72));
    }
    for (const Problem& note : stats.notes) out += fmt::format("\n Note: {}", note.message);
    return stats.notes.empty() ? out : out + "\n";
}

}  // namespace windtunnel
