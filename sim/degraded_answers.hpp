#pragma once
#include "models/job.hpp"
#include "models/random.hpp"
#include "models/request.hpp"
#include "sim/blueprint.hpp"
#include "sim/cluster_state.hpp"

/// What requests meet at a server that is ill (sim/cluster_plan.hpp, DegradationPlan). Whether an attempt is hit is
/// drawn by its request and replica, so that a client that comes again to the same replica meets the same.
namespace windtunnel {

[[nodiscard]] WT_HD_COLD inline bool is_drawn(TrialKey key, const Job& job, StreamPurpose purpose,
                                              std::uint32_t share) {
    if (share == 0) return false;
    return RandomStream(key.seed, key.trial, purpose, job.request, job.replica).below(share_one) < share;
}

/// Whether it answers with an error at once. If not, it says more or less than a sound one would.
[[nodiscard]] WT_HD_COLD inline bool meets_error(const Blueprint& b, TrialKey key, const Pod& pod,
                                                 WorkloadView workload, Job& job) {
    const DegradationPlan& plan = b.degradations[pod.degradation - 1u];
    if (is_drawn(key, job, StreamPurpose::degraded_error, plan.error_share)) return true;
    const Request& request = workload.requests[job.request];
    const auto server = static_cast<std::size_t>(b.templates[pod.revision].server);
    const std::int64_t room = std::int64_t{b.servers[server].max_model_len} - job.prompt_tokens;
    std::int64_t tokens = static_cast<std::int64_t>(job.output_tokens) * plan.output_milli / 1000;
    if (request.max_tokens > 0 && tokens > request.max_tokens) tokens = request.max_tokens;
    if (tokens > room) tokens = room;
    job.output_tokens = static_cast<std::uint32_t>(tokens > 1 ? tokens : 1);
    return false;
}
[[nodiscard]] WT_HD_COLD inline bool answers_wrongly(const Blueprint& b, TrialKey key, const Pod& pod,
                                                     const Job& job) {
    return is_drawn(key, job, StreamPurpose::degraded_answer, b.degradations[pod.degradation - 1u].wrong_share);
}

}  // namespace windtunnel
