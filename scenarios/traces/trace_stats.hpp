#pragma once
#include "scenarios/traces/trace.hpp"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace windtunnel {

/// One quantity over all requests (or gaps). Quantiles interpolate linearly, as numpy's default does.
struct DistributionSummary {
    static constexpr std::array<double, 12> levels{0,  1,  5,  10, 25,   50,
                                                   75, 90, 95, 99, 99.9, 100};  ///< percent

    std::uint64_t count = 0;
    double mean = 0, stddev = 0;  ///< stddev of the population (divided by count)
    std::array<double, 12> quantiles{};

    [[nodiscard]] double cv() const { return mean > 0 ? stddev / mean : 0; }
};

/// Arrivals counted in windows of one width, from the first arrival on; the last window may reach past the
/// end.
struct WindowSummary {
    std::uint64_t peak = 0;          ///< most arrivals in one window
    double index_of_dispersion = 0;  ///< variance / mean of the counts; 1 for Poisson
};

/// What `windtunnel trace stats` says.
struct TraceStats {
    std::string format;
    std::string start;  ///< civil time of t = 0; "" = unknown
    std::uint64_t requests = 0, prompt_tokens = 0, output_tokens = 0;
    double span_s = 0;           ///< from the first arrival to the last
    double first_arrival_s = 0;  ///< behind t = 0
    double covered_s = 0;        ///< the workload's span: what a simulation of it covers
    DistributionSummary prompt, output, gap_s;
    std::array<std::uint64_t, 32> prompt_histogram{},
        output_histogram{};  ///< [i]: requests of 2^i .. 2^(i+1)-1 tokens
    std::uint64_t ties = 0;  ///< gaps of exactly 0
    WindowSummary window_1s, window_10s, window_60s;
    std::vector<double> rate_per_5min_rps;
    std::size_t tenants = 0, models = 0;  ///< how many names requests bear
    std::uint64_t prefix_hashes = 0, distinct_prefix_hashes = 0;
    double prompt_output_correlation = 0;  ///< Pearson; 0 where one of them does not vary
    Problems notes;
};

/// Requires at least one request.
[[nodiscard]] TraceStats trace_stats(const Trace& trace);

/// {"requests":N,"prompt_tokens":N,"output_tokens":N,"span_s":x,...}; a statistic of nothing is null.
[[nodiscard]] nlohmann::ordered_json to_json(const TraceStats& stats);

/// A table with histograms, for people.
[[nodiscard]] std::string to_table(const TraceStats& stats);

}  // namespace windtunnel
