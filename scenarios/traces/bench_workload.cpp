#include "scenarios/traces/bench_workload.hpp"

#include "models/random.hpp"
#include "scenarios/traces/kv_groups.hpp"
#include "scenarios/traces/renewal.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace windtunnel {

namespace {

constexpr std::int64_t most_tokens = 10'000'000;

Problems problems_of(const BenchSpec& s) {
    Problems problems;
    const auto demand = [&](bool holds, const char* flag, const auto& found, const char* allowed) {
        if (!holds) problems.push_back({{}, flag, fmt::format("found {}, allowed: {}", found, allowed)});
    };
    demand(s.input_len >= 1 && s.input_len <= most_tokens, "--input-len", s.input_len,
           "1 to 10000000 tokens");
    demand(s.output_len >= 1 && s.output_len <= most_tokens, "--output-len", s.output_len,
           "1 to 10000000 tokens");
    demand(s.random_range_ratio >= 0 && s.random_range_ratio <= 1, "--random-range-ratio",
           s.random_range_ratio, "0 to 1: lengths are drawn from [ratio * len, len]");
    demand(s.num_prompts >= 1 && s.num_prompts <= 100'000'000, "--num-prompts", s.num_prompts,
           "1 to 100000000");
    demand(s.max_concurrency >= 0 && s.max_concurrency <= 1'000'000, "--max-concurrency", s.max_concurrency,
           "1 to 1000000, or 0 for no limit");
    if (s.request_rate)
        demand(*s.request_rate > 0 && *s.request_rate <= 1e6, "--request-rate", *s.request_rate,
               "above 0, at most 1000000 per second, or inf");
    demand(s.burstiness > 0 && s.burstiness <= 1e6, "--burstiness", s.burstiness,
           "above 0, at most 1000000; or inf for equal gaps");
    if (s.request_rate && *s.request_rate > 0)
        demand(static_cast<double>(s.num_prompts) / *s.request_rate < 1e7, "--request-rate", *s.request_rate,
               "a rate at which all is sent within 10000000 s");
    return problems;
}

/// Uniform on [floor(ratio * length), length], at least 1.
std::uint32_t draw_length(RandomStream& stream, std::int64_t length, double ratio) {
    const auto least =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(ratio * static_cast<double>(length))));
    return static_cast<std::uint32_t>(
        least + static_cast<std::int64_t>(stream.below(static_cast<std::uint64_t>(length - least + 1))));
}

std::vector<Tick> send_times(const BenchSpec& s) {
    std::vector<Tick> times(static_cast<std::size_t>(s.num_prompts));
    if (!s.request_rate) return times;
    // From a shape of a million on the gaps vary by less than a thousandth: equal.
    const bool constant = s.burstiness >= 1e6;
    const UnitGaps gaps(constant ? GapFamily::constant : GapFamily::gamma, constant ? 1 : s.burstiness);
    RandomStream stream(s.seed, 0, StreamPurpose::arrivals, 0);
    std::vector<double> sent(times.size());
    double now = 0;
    for (double& t : sent) t = now += gaps.next(stream);
    const double scale = static_cast<double>(s.num_prompts) / *s.request_rate / now;
    for (std::size_t i = 0; i < times.size(); ++i) times[i] = from_seconds(sent[i] * scale);
    return times;
}

}  // namespace

Result<Trace> bench_trace(const BenchSpec& spec) {
    if (Problems problems = problems_of(spec); !problems.empty()) return problems;
    Trace trace;
    trace.format = "bench";
    const std::vector<Tick> times = send_times(spec);
    RandomStream prompts(spec.seed, 0, StreamPurpose::prompt_length, 0),
        outputs(spec.seed, 0, StreamPurpose::output_length, 0);
    trace.requests.resize(times.size());
    for (std::size_t i = 0; i < times.size(); ++i) {
        Request& r = trace.requests[i];
        r.arrival = times[i];
        r.prompt_tokens = draw_length(prompts, spec.input_len, spec.random_range_ratio);
        r.output_tokens = draw_length(outputs, spec.output_len, spec.random_range_ratio);
    }
    trace.span = times.back();
    return trace;
}

ServerParts server_parts(const KvCapacity& c, const StepTimeOptions& options, bool shared_prefixes) {
    ServerParts out;
    out.max_num_seqs = c.limits.max_num_seqs;
    out.max_num_batched_tokens = c.limits.max_num_batched_tokens;
    out.block_size = c.block_size;
    out.max_model_len = c.max_model_len;
    const bool one_group = c.groups.size() == 1 && c.groups.front().count == 1;
    const std::int64_t null_blocks = c.profile.generation == EngineGeneration::v1 ? 1 : 0;
    out.usable_blocks = one_group ? c.num_gpu_blocks - null_blocks : c.kv_cache_tokens / c.block_size;
    out.prefix_caching = c.profile.prefix_caching && c.profile.generation == EngineGeneration::v1;
    if (has_windows(c)) use_windows(c, c.num_gpu_blocks, shared_prefixes, out);
    if (has_states(c)) (void)use_states(c, c.num_gpu_blocks, out);
    // vLLM's start-up check does not count the null block, so the longest request may be one block too long
    // for the pool.
    out.max_model_len =
        static_cast<std::int32_t>(longest_alone(out, 0, c.max_model_len));
    out.watermark_blocks =
        static_cast<std::int64_t>(c.profile.kv_watermark * static_cast<double>(c.num_gpu_blocks));
    out.chunked_prefill = c.profile.chunked_prefill;
    out.pipeline_stages = c.pipeline_parallel;
    out.prefill_first = c.profile.generation == EngineGeneration::v0 && !out.chunked_prefill && c.pipeline_parallel == 1 &&
                        out.max_num_batched_tokens >= out.max_model_len;
    if (out.prefill_first) {  // V0 keeps its watermark and a block for the next token
        const std::int64_t most = (out.usable_blocks - out.watermark_blocks - 1) * c.block_size;
        out.max_model_len = static_cast<std::int32_t>(std::min<std::int64_t>(out.max_model_len, most));
    }
    out.reserve_full_sequence = c.profile.full_sequence_guard;
    out.asynchronous = c.profile.generation == EngineGeneration::v1 && c.pipeline_parallel == 1 && options.asynchronous_scheduling.value_or(c.profile.asynchronous_scheduling);
    out.cost = step_cost_table(c, options);
    return out;
}

BlueprintParts bench_parts(const ServerParts& server, std::uint32_t engines, std::int64_t max_concurrency,
                           const ClientDelays& delays, Tick span) {
    BlueprintParts parts;
    parts.span = span;
    parts.drain_limit = seconds(10'000'000);
    parts.max_concurrency = static_cast<std::uint32_t>(max_concurrency);
    parts.job_capacity = std::max<std::uint32_t>(4096, parts.max_concurrency);
    parts.turnaround = delays.turnaround + delays.front_end;
    parts.servers = {server};
    WorkloadPlan workload;
    workload.pod_slots = workload.initial_replicas = engines;
    workload.routing = Routing::least_requests;
    workload.hold = 1;
    TemplateParts engine;
    engine.plan.server = 0;
    engine.plan.needs = resource_amounts(1, 0, 0, 1);
    engine.plan.shapes.add(0);
    parts.add(workload, engine);
    PoolPlan pool;
    pool.node_slots = pool.initial = pool.minimum = engines;
    ShapePlan node;
    node.capacity = node.allocatable = resource_amounts(1, 0, 0, 1);
    node.gpus = 1;
    parts.add(pool, node);
    return parts;
}

void delay_arrivals(Trace& trace, const ClientDelays& delays) {
    for (Request& r : trace.requests) r.arrival += delays.front_end;
    trace.span += delays.front_end;
}

}  // namespace windtunnel
