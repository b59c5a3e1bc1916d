#pragma once
#include "sim/observer.hpp"
#include "sim/run_trial.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// What vLLM's client prints of one latency, in milliseconds; all empty when nothing was measured.
struct BenchLatency {
    std::optional<double> mean, median, stddev, p90, p99;  ///< stddev of the population, as numpy's default
};

/// `vllm bench serve`'s numbers, by its definitions: only completed requests count; a request's TPOT is
/// (e2el - ttft) / (output tokens - 1), for those of more than one token; ITL pools the gaps of all requests;
/// the duration runs from the start to the last request's end; percentiles interpolate linearly.
struct BenchReport {
    std::uint64_t completed = 0, failed = 0;
    std::uint64_t total_input_tokens = 0, total_output_tokens = 0;
    double duration_s = 0;
    std::optional<double> request_throughput, output_throughput, total_token_throughput;  ///< per second
    BenchLatency ttft, tpot, e2el;  ///< exact, from the records
    BenchLatency itl;               ///< mean exact, the rest to 0.4 %: its gaps are kept in buckets
};

/// `records` of all requests with the arrival as the client's sending time; `itl` the trial's pooled gaps.
[[nodiscard]] BenchReport bench_report(const std::vector<RequestRecord>& records, const Distribution& itl);

/// Mean, median and so on of exact values; empty for none.
[[nodiscard]] BenchLatency bench_latency(std::vector<Tick> durations);

/// What a report was made for, printed beside it.
struct BenchSubject {
    std::string model, gpu, vllm_version;
    int tp = 1, pp = 1, dp = 1;
    std::string step_times;  ///< where the step times come from
    std::optional<std::int64_t> max_concurrency;
    std::optional<double> request_rate;  ///< per second; empty = all at once
    std::vector<std::string> notes;
};

/// vLLM's keys; ends with a newline.
[[nodiscard]] std::string bench_json(const BenchReport& report, const BenchSubject& subject);
/// The table that vLLM's client prints, with what it was predicted from; ends with a newline.
[[nodiscard]] std::string bench_table(const BenchReport& report, const BenchSubject& subject);

}  // namespace windtunnel
