#include "scenarios/compile/compile_batching.hpp"

#include <fmt/format.h>
#include <algorithm>

#include "models/step_time.hpp"

namespace windtunnel {

Result<ServerParts> compile_batching_server(const ModelServer& server, const std::string& gpu,
                                            const std::vector<OwnStepTimes>& profiles, CompiledWorkload& facts, Problems& warnings) {
    const BatchServing& b = *server.batching;
    const auto refuse = [&](std::string message) {
        return Problem{server.where, server.path, std::move(message)};
    };
    ServerParts parts;
    parts.kind = ReplicaKind::whole_batches;
    parts.max_num_seqs = b.max_batch_size;
    parts.instances = b.instances;
    parts.queue_delay = from_seconds(b.queue_delay_ms / 1000);
    parts.delay_from_pick = b.delay_from_pick;
    parts.preferred_sizes = b.preferred_sizes;
    parts.block_size = 1024;
    parts.max_model_len =
        static_cast<std::int32_t>(std::min<std::int64_t>(server.max_model_len.value_or(1 << 20), 1 << 20));
    parts.usable_blocks = 1024;
    // A GPU is one device that instances share; CPUs are as many as the limit says, or one for each instance.
    parts.capacity_milli =
        gpu.empty()
            ? static_cast<std::int32_t>(server.cpu_limit_milli.value_or(std::int64_t{1000} * b.instances))
            : 1000;
    if (b.timed()) {
        parts.timed = true;
        parts.batch_base = from_seconds(b.batch_ms.value_or(0) / 1e3);
        parts.batch_request = from_seconds(b.request_ms.value_or(0) / 1e3);
        parts.batch_token = from_seconds(b.token_us.value_or(0) / 1e6);
        if (parts.batch_base.count + parts.batch_request.count + parts.batch_token.count == 0)
            return refuse(
                "found batches that take no time, allowed: batch_ms, request_ms or token_us above 0");
        parts.max_num_batched_tokens = parts.max_num_seqs;
        parts.cost.decode_step.assign(static_cast<std::size_t>(parts.max_num_seqs) + 1, Tick{1});
        parts.cost.mixed_step.assign(static_cast<std::size_t>(parts.max_num_seqs) + 1, Tick{1});
        parts.cost.attention = {{0, Tick{}, 0}};
        facts.model = server.model;
        facts.gpu = gpu;
        facts.step_time_source = "batch_ms, request_ms and token_us as declared";
        return parts;
    }
    if (server.model.empty() || gpu.empty())
        return refuse(
            "found a server of whole batches and not how long they take, allowed: batch_ms, request_ms, "
            "token_us, or a model on a GPU");
    KvRequest request;
    request.model = server.model;
    request.gpu = gpu;
    request.tensor_parallel = server.tensor_parallel;
    if (server.max_model_len) request.max_model_len = static_cast<int>(*server.max_model_len);
    request.max_num_seqs = b.max_batch_size;
    request.max_num_batched_tokens = std::max(8192, b.max_batch_size);
    request.enforce_eager = true;
    const Result<KvCapacity> capacity = kv_capacity(request);
    if (!capacity) {
        Problems problems;
        for (Problem p : capacity.problems()) problems.push_back({server.where, server.path, p.message});
        return problems;
    }
    if (!capacity->fits)
        return refuse(fmt::format("{} does not fit on {}: {}", capacity->shape.id, capacity->gpu.name,
                                  capacity->refusal));
    StepTimeOptions options;
    options.coefficients = step_times_of(capacity->gpu, profiles);
    options.asynchronous_scheduling = false;
    options.enforce_eager = true;
    parts.cost = step_cost_table(*capacity, options);
    parts.max_num_batched_tokens = capacity->limits.max_num_batched_tokens;
    parts.max_model_len = capacity->max_model_len;
    facts.model = capacity->shape.id;
    facts.gpu = capacity->gpu.name;
    facts.step_time_source = options.coefficients->source;
    facts.capacity = *capacity;
    warnings.push_back({server.where, server.path,
                        fmt::format("{} generates in whole batches: as long as the longest answer of each, "
                                    "with the step times of an engine "
                                    "without CUDA graphs",
                                    capacity->shape.id)});
    return parts;
}

std::int64_t cpu_share_milli(const ModelServer& server) {
    // The API server and the engine core are a process each, and neither uses more than a core.
    return std::min<std::int64_t>(1000, server.cpu_limit_milli.value_or(2000) / 2);
}

}  // namespace windtunnel
