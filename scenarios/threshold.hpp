#pragma once
#include "models/problem.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace windtunnel {

/// What a threshold looks at.
enum class ThresholdMetric : std::uint8_t {
    ttft_ms, tpot_ms, itl_ms, e2el_ms,   ///< a latency, with a statistic; milliseconds
    goodput,                             ///< share of arrived requests that met the goodput objectives, 0 to 1
    availability,                        ///< share of arrived requests that completed, 0 to 1
    request_goodput, request_throughput, output_throughput, total_token_throughput,  ///< per second
    cost_per_hour, cost_per_month, cost_total, usd_per_million_output_tokens,        ///< USD; a month is 730 h
    rejected, timed_out, failed, unfinished, completed,                              ///< counts of requests
    replicas_mean, replicas_max, nodes_mean, nodes_max, cold_starts, spot_evictions,
    kv_preemptions, gpu_busy_ratio,
    alerts,           ///< how often alerts of the manifests' rules began to fire; of one rule, or of all
    alert_minutes,    ///< how long they fired
    degraded_minutes  ///< minutes whose arrivals met the goodput objectives in less than the share that the
                      ///< scenario's goodput threshold asks for (99% without one)
};

enum class Statistic : std::uint8_t { none, mean, quantile };

enum class Comparison : std::uint8_t { less, less_or_equal, greater, greater_or_equal };

/// `p99 ttft_ms < 2000`, ready to be compared with a measured value in the same unit.
struct Threshold {
    std::string expression;  ///< as written
    ThresholdMetric metric = ThresholdMetric::ttft_ms;
    Statistic statistic = Statistic::none;
    std::string alert;       ///< of alerts and alert_minutes: the rule's name; "" = all
    double quantile = 0;     ///< of Statistic::quantile: 0.99 for p99, 0.999 for p99.9
    Comparison comparison = Comparison::less;
    double limit = 0;        ///< milliseconds, USD, a share from 0 to 1, a rate per second, or a count
    SourcePosition where;
    std::string path;        ///< `thresholds[0]`

    [[nodiscard]] bool holds(double value) const;
    /// Whether it asks the same of the same number, however it is written.
    [[nodiscard]] bool asks_same(const Threshold& other) const;
    /// Whether it needs to know when a request is good.
    [[nodiscard]] bool looks_at_goodput() const;
};

/// Reads `[STATISTIC] METRIC COMPARISON NUMBER [UNIT]`.
///
/// STATISTIC: mean, median, pNN or pNN.N, only and always with ttft, tpot, itl, e2el (with or without
/// `_ms`); `p99_ttft_ms` is the same as `p99 ttft_ms`. A METRIC's name may be written with spaces for its
/// underscores (`degraded minutes < 3`). COMPARISON: < <= > >=. UNIT: ms, s, %, USD where
/// the metric has one. `alert NAME < 1` and `alert NAME minutes < 3` speak of one alerting rule. Shares are written as 99% or 0.99.
[[nodiscard]] Result<Threshold> parse_threshold(std::string_view expression);

[[nodiscard]] std::string metric_name(ThresholdMetric metric);

}  // namespace windtunnel
