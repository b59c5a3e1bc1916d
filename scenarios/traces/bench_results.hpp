#pragma once
#include "models/problem.hpp"
#include "scenarios/traces/bench_workload.hpp"

#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// One result of `vllm bench serve --save-result` (or the older benchmark_serving.py), or of `vllm bench
/// throughput` and `vllm bench latency` with --output-json: how the load was made and what was measured.
struct BenchResult {
    std::string file;
    std::int64_t line = 0;  ///< of a file of several (--append-result); 0 = the only one
    std::string model_id, date;
    std::int64_t num_prompts = 0, completed = 0, total_input_tokens = 0, total_output_tokens = 0;
    double duration_s = 0, burstiness = 1;
    std::optional<double> request_rate;           ///< per second; empty: all at once
    std::optional<std::int64_t> max_concurrency;  ///< empty: open loop
    std::optional<double> mean_ttft_ms, mean_tpot_ms, p99_ttft_ms, p99_tpot_ms, output_throughput;
    std::optional<int> tensor_parallel;  ///< from --metadata tp=N or tensor_parallel_size=N
    /// --save-detailed; empty without: of every request, in the order of sending.
    std::vector<std::int64_t> input_lens, output_lens;
    std::vector<double> start_times_s;

    [[nodiscard]] std::string words() const;  ///< "c64.json, concurrency 64" or "r8.json, 8 requests/s"
};

/// What results of `vllm bench throughput` and `latency` do not say of their own load.
struct OfflineLengths {
    std::optional<std::int64_t> input_len, output_len, batch_size;
};
struct BenchResults {
    std::vector<BenchResult> results;
    std::vector<std::string> notes;  ///< what was left out of a folder, and why
};
/// All results in one file: JSON objects one after the other (one per line or not), or an array of them. NaN
/// and Infinity, which Python writes, are read as nothing. Of a folder, all its *.json and *.jsonl, those in
/// its folders too (`vllm bench sweep`); JSON that is no result is noted.
[[nodiscard]] Result<BenchResults> read_bench_results(const std::string& path,
                                                      const OfflineLengths& offline = {});
/// Leaves one of results that are the same run (a sweep's summary holds them again), with notes.
void drop_repeated(BenchResults& results);

/// What was sent. Lengths and sending times are the recorded ones where the file has them; else every request
/// has the mean lengths (or, with `range_ratio` below 1, lengths drawn from [ratio * L, L] whose mean is the
/// recorded one) and gaps are drawn as the client draws them.
[[nodiscard]] Result<Trace> trace_of(const BenchResult& result, double range_ratio);

}  // namespace windtunnel
