#pragma once
#include "models/kv_capacity.hpp"
#include "models/problem.hpp"
#include "models/step_time.hpp"
#include "reports/bench_report.hpp"
#include "scenarios/traces/bench_workload.hpp"
#include "scenarios/traces/trace.hpp"

#include <cstdint>
#include <vector>

namespace windtunnel {

/// How the requests of a benchmark meet the server.
struct BenchLoad {
    std::uint32_t engines = 1;  ///< copies of the engine behind one address
    std::int64_t max_concurrency =
        0;  ///< requests in flight at most; 0 = all are sent at their arrival times
    ClientDelays delays;
    std::uint64_t seed = 1;
    ServerKind server = ServerKind::fast;
};

/// What `vllm bench serve` would print, and the requests behind it with the client's sending time as arrival.
struct BenchPrediction {
    BenchReport report;
    std::vector<RequestRecord> requests;
};

/// Runs the trace against the server of `capacity`. Problems: a step that could take longer than the engine
/// counts. The laws of sim/LAWS.md are checked; a broken one is an InternalError.
[[nodiscard]] Result<BenchPrediction> predict_bench(const KvCapacity& capacity,
                                                    const StepTimeOptions& options, Trace trace,
                                                    const BenchLoad& load);

}  // namespace windtunnel
