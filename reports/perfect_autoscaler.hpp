#pragma once
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/threshold.hpp"
#include "scenarios/traces/trace.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// What an autoscaler that knows the future would need.
struct PerfectAutoscaler {
    Tick window;                 ///< how often it may change its mind, at no cost
    double gpu_hours = 0;        ///< at least
    double gpus_mean = 0;        ///< over the span
    std::int64_t gpus_most = 0;  ///< in the windows that need most
    std::optional<double>
        usd;                ///< at the cheapest price per GPU of the scenario's pools; empty without prices
    std::string objective;  ///< that binds: "p99 ttft_ms < 1500"
    bool reachable = true;  ///< false: no number of replicas meets it
    bool complete = true;   ///< false: interrupted
    std::vector<std::int64_t> gpus;  ///< [window]: a schedule that needs so little
};

/// A lower bound on the GPUs that a scenario's workloads need for their objectives, whatever scales them.
///
/// The span is cut into windows. In each, the window's requests are replayed by the engine on k replicas that
/// are Ready from the start, empty, and behind a router that sees their queues, for every k that matters:
/// cold starts, floors, nodes, evictions and what earlier windows left behind are gone. Every objective on a
/// quantile or a share of the requests is a sum over requests: so much of it may be missed over the whole
/// span, wherever that is cheapest. The least replica-time within that budget is bounded from below by its
/// Lagrangian dual (for each objective by itself; the largest of these bounds is given).
///
/// Other objectives (means, costs, counts, throughputs, inter-token gaps) do not take part: they can only ask
/// for more; without any that does, the result is empty. Same inputs, same bits, for any number of threads.
[[nodiscard]] std::optional<PerfectAutoscaler> perfect_autoscaler(const CompiledScenario& scenario,
                                                                  const std::vector<Threshold>& thresholds,
                                                                  const Trace& requests, Tick window,
                                                                  int threads,
                                                                  const bool* interrupted = nullptr);

}  // namespace windtunnel
