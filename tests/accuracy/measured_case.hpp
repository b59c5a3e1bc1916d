#pragma once
#include "models/kv_capacity.hpp"
#include "models/step_time.hpp"
#include "scenarios/traces/bench_workload.hpp"
#include "scenarios/traces/trace.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel::accuracy {

/// One number that somebody measured; milliseconds for latencies.
struct Measured {
    std::string metric;  ///< as `windtunnel bench` names it, without its unit: "mean_ttft"
    double value = 0;
};

/// One measured run of vLLM, as the arguments of `windtunnel bench` and what was measured.
struct MeasuredCase {
    std::string id, source;
    std::string group;        ///< cases that share model, card and protocol: one line of the tables
    std::string family;       ///< what the aims are stated for: "dense", "moe", "per request", "open loop"
    std::string not_counted;  ///< why it is shown but left out of the errors; empty = counted
    KvRequest server;
    StepTimeOptions options;
    BenchSpec spec;
    std::optional<Trace> trace;  ///< in place of spec
    ClientDelays delays;
    std::vector<Measured> measured;
};

/// Everything under `data`/measured. Throws std::runtime_error where a file is not what it should be.
[[nodiscard]] std::vector<MeasuredCase> closed_loop_cases(const std::filesystem::path& data);
[[nodiscard]] std::vector<MeasuredCase> open_loop_cases(const std::filesystem::path& data);
[[nodiscard]] std::vector<MeasuredCase> per_request_cases(const std::filesystem::path& data);

/// A table with a header; every row has as many fields. Plain or gzip.
struct CsvTable {
    std::vector<std::string> names;
    std::vector<std::vector<std::string>> rows;
    [[nodiscard]] std::size_t column(std::string_view name) const;
};
[[nodiscard]] CsvTable read_csv(const std::filesystem::path& file);

}  // namespace windtunnel::accuracy
