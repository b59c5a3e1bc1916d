#pragma once
#include "models/kv_capacity.hpp"
#include "models/step_time.hpp"
#include "scenarios/traces/trace.hpp"
#include "sim/blueprint_builder.hpp"

#include <cstdint>
#include <optional>

namespace windtunnel {

/// What `vllm bench serve --dataset-name random` sends.
struct BenchSpec {
    std::int64_t input_len = 1024;  ///< tokens
    std::int64_t output_len = 128;  ///< tokens; every request generates all of its own (--ignore-eos)
    double random_range_ratio = 1;  ///< lengths are uniform integers on [floor(ratio * len), len]
    std::int64_t num_prompts = 1000;
    std::optional<double> request_rate;  ///< per second; empty: everything is sent at once
    double burstiness = 1;               ///< shape of the gamma-distributed gaps; 1 = Poisson
    std::int64_t max_concurrency = 0;    ///< requests in flight at most; 0 = no limit
    std::uint64_t seed = 1;
};

/// The requests. Gaps follow a gamma distribution of mean 1 / rate and are rescaled so that the last request
/// is sent at exactly num_prompts / rate, as vLLM's client does (vllm/benchmarks/serve.py, 0.11 to 0.24).
/// Problems have the flag's name as path.
[[nodiscard]] Result<Trace> bench_trace(const BenchSpec& spec);

/// The server that vLLM would start with this capacity. Hybrid models share one pool of as many tokens as
/// vLLM reports for it.
[[nodiscard]] ServerParts server_parts(const KvCapacity& capacity, const StepTimeOptions& options,
                                       bool shared_prefixes = false);

/// What lies between the engine and the client's stopwatch, for one API server process and the Python client on
/// the same machine. Front end (HTTP, JSON, tokenising, delivery): closed-loop runs on H100, H200
/// and B200 (InferenceX, 2025 and 2026) are met best with 5 ms. Turnaround (event loop, next request built and sent):
/// below what those runs resolve; longer ones let fixed lengths fall into step, which measured runs do not.
struct ClientDelays {
    Tick front_end = milliseconds(5);  ///< from sending to the engine's queue, the way back included
    Tick turnaround = milliseconds(1);  ///< closed loop: from a request's end to the next one's sending
};

/// One deployment of `engines` such servers behind one client, all Ready at t = 0 on nodes of their own. The
/// trace's requests are sent at their arrival times or, with `max_concurrency` in flight, as soon as one has
/// ended.
[[nodiscard]] BlueprintParts bench_parts(const ServerParts& server, std::uint32_t engines,
                                         std::int64_t max_concurrency, const ClientDelays& delays, Tick span);

/// Moves arrivals from the client's sending to the engine's queue.
void delay_arrivals(Trace& trace, const ClientDelays& delays);

}  // namespace windtunnel
