#include "scenarios/compile/compile_server.hpp"

#include "models/bytes.hpp"
#include "models/step_time.hpp"
#include "scenarios/compile/compile_batching.hpp"
#include "scenarios/compile/compile_prefill.hpp"
#include "scenarios/servers/other_servers.hpp"
#include "scenarios/servers/speculation.hpp"
#include "scenarios/traces/kv_groups.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace windtunnel {

namespace {

/// vLLM's --quantization as the weights' number type; "" = what the checkpoint says.
std::string weight_type(const ModelServer& s) {
    const std::string& q = s.quantization;
    if (q.empty() || q == "compressed-tensors") return s.dtype;
    if (q.find("fp8") != std::string::npos) return "fp8";
    if (q == "mxfp4") return "mxfp4";
    if (q.find("fp4") != std::string::npos) return "nvfp4";
    if (q.find("awq") != std::string::npos || q.find("gptq") != std::string::npos || q == "bitsandbytes")
        return "int4";
    return s.dtype;
}

/// vLLM names 16-bit types in full.
std::string short_type(const std::string& name) {
    if (name == "bfloat16") return "bf16";
    if (name == "float16" || name == "half") return "fp16";
    return name;
}

}  // namespace

KvRequest kv_request_of(const ModelServer& s, const std::string& gpu) {
    KvRequest r;
    r.model = s.model;
    r.gpu = gpu;
    r.tensor_parallel = s.tensor_parallel;
    r.pipeline_parallel = s.pipeline_parallel;
    r.data_parallel = s.data_parallel;
    r.expert_parallel = s.expert_parallel ? s.tensor_parallel * s.data_parallel : 0;
    // --dtype auto, bfloat16 and float16 name the computation; a quantised checkpoint keeps its own weights.
    const std::string weights = short_type(weight_type(s));
    r.dtype = weights == "bf16" || weights == "fp16" ? (s.quantization.empty() ? weights : "auto") : weights;
    r.kv_cache_dtype = s.kv_cache_dtype.rfind("fp8", 0) == 0 ? "fp8" : short_type(s.kv_cache_dtype);
    r.engine = s.engine_generation;
    r.vllm_version = s.vllm_version;
    r.gpu_memory_utilization = s.gpu_memory_utilization;
    if (s.max_model_len) r.max_model_len = static_cast<int>(*s.max_model_len);
    r.max_num_seqs = s.max_num_seqs;
    r.max_num_batched_tokens = s.max_num_batched_tokens;
    r.block_size = s.block_size;
    r.max_cudagraph_capture_size = s.max_cudagraph_capture_size;
    r.gpu_memory_bytes = s.gpu_memory_bytes;
    if (s.kv_cache_bytes) r.kv_cache_gib = static_cast<double>(*s.kv_cache_bytes) / gib;
    r.kv_shape = s.kv_shape;
    r.enforce_eager = s.enforce_eager.value_or(false);
    if (s.enable_lora) r.lora = s.lora;
    if (s.swap_space_gib) r.swap_space_gib = *s.swap_space_gib;
    return r;
}

namespace {

/// Whether `server` is another one, or that one while it is ill.
bool is_or_slows(const BlueprintParts& parts, std::size_t sound, std::size_t server) {
    if (sound == server) return true;
    for (const DegradationPlan& d : parts.degradations)
        if (d.first_slow >= 0 && static_cast<std::size_t>(parts.slow_servers[static_cast<std::size_t>(d.first_slow) + sound]) == server) return true;
    return false;
}

/// What the front end does for a request, in seconds of a core (vllm.md, 11.5: estimates and the published regression of
/// inference-sim, 2025): HTTP, JSON and tokenisation, and for each token that is streamed its text and its event.
constexpr double front_end_request_s = 3e-3, front_end_prompt_token_s = 1e-6, front_end_output_token_s = 46e-6;

/// Where a CPU limit leaves the API server and the engine core less than a core each, `share` thousandths of it.
template <class Warn>
void throttle(std::int64_t share, ServerParts& parts, StepTimeOptions& options, const Warn& warn) {
    const double slower = 1000.0 / static_cast<double>(share);
    parts.front_request = from_seconds(front_end_request_s * slower);
    parts.front_prompt_token = from_seconds(front_end_prompt_token_s * slower);
    parts.front_output_token = from_seconds(front_end_output_token_s * slower);
    StepTimeCoefficients& k = *options.coefficients;
    k.host_step_s *= slower;
    k.host_row_s *= slower;
    k.host_overlapped_s *= slower;
    // What the host takes longer than it would, the GPU waits, unless the step after is scheduled meanwhile.
    if (!parts.asynchronous && parts.pipeline_stages == 1) parts.host_wait = from_seconds(k.host_step_s * (1 - 1 / slower));
    warn(fmt::format("the container's CPU limit leaves its API server and its engine {:.2f} cores each: requests queue for tokenisation and "
                     "steps wait for the host; from 2 cores on neither does",
                     static_cast<double>(share) / 1000));
}

/// Of KV blocks between a GPU and its host: in practice about 25 of the 32 GB/s of a PCIe 4 x16 bus (vllm.md 4.8), and
/// as large a share of the others.
double swap_bytes_per_second(const Gpu& gpu) { return pcie_bytes_per_second(gpu) * (25.0 / 32); }

/// Where the simulated V0 engine is not vLLM's.
template <class Warn>
void v0_notes(const ModelServer& server, const ServerParts& parts, const KvCapacity& c, const Warn& warn) {
    if (parts.pipeline_stages > 1)
        warn("V0's engines of pipeline stages are simulated by V1's scheduler, with V0's memory and watermark");
    else if (!parts.prefill_first)
        warn(fmt::format("vLLM {} runs the V0 engine; with chunked prefill it is simulated by V1's scheduler, with V0's "
                         "memory and watermark",
                         to_string(c.profile.version)));
    if (server.prefix_caching.value_or(false))
        warn("V0's prefix caching is not simulated: every prompt is computed in full");
}

}  // namespace

void warn_of_idle_profiles(const Scenario& scenario, CompiledScenario& out) {
    for (const OwnStepTimes& p : scenario.cluster.profiles) {
        const bool used = std::any_of(out.workloads.begin(), out.workloads.end(), [&](const CompiledWorkload& w) {
            return (", " + w.gpu + ", ").find(", " + p.gpu + ", ") != std::string::npos;
        });
        if (!used)
            out.warnings.push_back({p.where, p.path, fmt::format("{} is a profile of {}, on which no workload serves", p.file, p.gpu)});
    }
}

Result<ServerParts> compile_server(const ModelServer& server, const std::string& gpu, const std::vector<OwnStepTimes>& profiles,
                                   bool shared_prefixes, CompiledWorkload& facts, Problems& warnings) {
    Problems errors;
    const auto refuse = [&](std::string message) {
        errors.push_back({server.where, server.path, std::move(message)});
    };
    const auto warn = [&](std::string message) {
        warnings.push_back({server.where, server.path, std::move(message)});
    };
    if (server.batching) return compile_batching_server(server, gpu, profiles, facts, warnings);
    // The others batch continuously too; the importer has warned.
    if (!is_simulated_as_vllm(server.engine)) refuse(fmt::format("found the model server {}, allowed: one that batches continuously, as vLLM", server.engine));
    if (server.model.empty())
        refuse(
            "found no model, allowed: --model, the model as vllm serve's argument, or workload.server.model");
    if (server.data_parallel > 128)
        refuse(fmt::format("found --data-parallel-size {}, allowed: at most 128 engines in a pod", server.data_parallel));
    if (!errors.empty()) return errors;

    const Result<KvCapacity> capacity = kv_capacity(kv_request_of(server, gpu));
    if (!capacity) {
        for (Problem p : capacity.problems()) {
            p.where = server.where;
            p.path = server.path + (p.path.empty() ? "" : ": " + p.path);
            errors.push_back(std::move(p));
        }
        return errors;
    }
    const KvCapacity& c = *capacity;
    if (!c.fits) {
        const std::string why = c.refusal.starts_with("does not fit: ") ? c.refusal.substr(14) : c.refusal;
        return Problem{server.where, server.path,
                       fmt::format("{} does not fit on {} x {}: {}", c.shape.id,
                                   c.tensor_parallel * c.pipeline_parallel, c.gpu.name, why)};
    }
    for (const std::string& note : c.notes) warn(note);

    ServerParts parts;
    parts.max_num_seqs = c.limits.max_num_seqs;
    parts.max_num_batched_tokens = std::max(c.limits.max_num_batched_tokens, c.limits.max_num_seqs);
    parts.block_size = c.block_size;
    parts.max_model_len = c.max_model_len;
    const bool v1 = c.profile.generation == EngineGeneration::v1;
    std::int64_t blocks = server.num_gpu_blocks_override.value_or(has_states(c) ? c.num_gpu_blocks : c.kv_cache_tokens / c.block_size);
    parts.usable_blocks = blocks - (v1 ? 1 : 0);  // V1 keeps the null block (vllm.md 2.1)
    parts.watermark_blocks = static_cast<std::int64_t>(c.profile.kv_watermark * static_cast<double>(blocks));
    // V0 cuts prompts by default where they may be longer than 32,768 tokens (0.5.4 on; vllm.md, section 5).
    const bool cuts = v1 || (c.profile.version >= EngineVersion{5, 4} && c.max_model_len > 32768);
    parts.chunked_prefill = server.chunked_prefill.value_or(cuts);
    parts.pipeline_stages = c.pipeline_parallel;
    parts.prefill_first = !v1 && !parts.chunked_prefill && c.pipeline_parallel == 1;
    if (server.swap_preemption) {
        if (!parts.prefill_first)
            return Problem{server.where, server.path,
                           fmt::format("found --preemption-mode swap for vLLM {}{}, allowed: with the V0 engine (0.8 and earlier), without "
                                       "chunked prefill and pipeline stages; V1 does not swap",
                                       to_string(c.profile.version), v1 ? "" : ", V0 with chunked prefill or stages")};
        parts.swaps = true;
        parts.swap_blocks = c.num_cpu_blocks;
        parts.swap_block_time = from_seconds(static_cast<double>(c.bytes_per_block) / swap_bytes_per_second(c.gpu));
    }
    parts.reserve_full_sequence = c.profile.full_sequence_guard;
    // With a pipeline the stages' batches are what is in flight; what the host does is hidden behind them (0.15 on).
    parts.asynchronous = v1 && c.pipeline_parallel == 1 && server.async_scheduling.value_or(c.profile.asynchronous_scheduling);
    parts.by_priority = server.priority_scheduling;
    parts.long_prefill_threshold = server.long_prefill_token_threshold.value_or(0);
    parts.prefix_caching = server.prefix_caching.value_or(c.profile.prefix_caching) && v1;
    if (!parts.chunked_prefill)
        parts.max_num_batched_tokens = std::max(parts.max_num_batched_tokens, parts.max_model_len);
    // V0 keeps its watermark and a block for the next token.
    const std::int64_t kept = parts.prefill_first ? parts.watermark_blocks + 1 : 0;
    if (has_windows(c)) {
        if (server.speculation || server.kv_role != KvRole::none) {
            warn("beside drafts, or KV from other servers, the layers' sliding windows count as full attention in the scheduler; the "
                 "pool's size does not");
        } else {
            blocks = server.num_gpu_blocks_override.value_or(c.num_gpu_blocks);
            use_windows(c, blocks, shared_prefixes, parts);
        }
    }
    if (has_states(c)) {
        const std::int64_t set_aside = use_states(c, blocks, parts);
        warn(fmt::format("layers without attention keep a state for each request that runs: {} blocks are set aside for them, and the "
                         "scheduler shares out the others; prompts are not cached",
                         set_aside));
    }
    if (const std::int64_t most = longest_alone(parts, kept, parts.max_model_len); parts.max_model_len > most) {
        if (most < 1)
            return Problem{server.where, server.path,
                           fmt::format("found a KV pool of {} blocks, allowed: at least two", blocks)};
        warn(fmt::format(
            "requests longer than {} tokens are refused: the pool of {} blocks holds no longer one", most,
            blocks));
        parts.max_model_len = static_cast<std::int32_t>(most);
    }
    if (std::string why = compile_kv_role(server, c, shared_prefixes, parts); !why.empty()) return Problem{server.where, server.path, std::move(why)};
    parts.data_parallel = server.data_parallel;
    if (server.data_parallel > 1 && c.shape.moe)
        warn("the data parallel engines of a mixture of experts are simulated each for itself; vLLM's step together");
    if (!v1)
        v0_notes(server, parts, c, warn);
    if (c.pipeline_parallel > 128)
        return Problem{server.where, server.path, fmt::format("found --pipeline-parallel-size {}, allowed: at most 128 stages", c.pipeline_parallel)};
    if (c.pipeline_parallel > 1 && server.speculation)
        return Problem{server.where, server.path, "speculation beside pipeline stages is not simulated, allowed: one of them"};
    if (!v1 && (parts.by_priority || parts.long_prefill_threshold > 0 || server.speculation))
        return Problem{server.where, server.path,
                       "priorities, thresholds and speculation are not simulated for the V0 engine, allowed: V1, or none of them"};
    StepTimeOptions options;
    options.coefficients = step_times_of(c.gpu, profiles);
    options.asynchronous_scheduling = server.async_scheduling;
    options.enforce_eager = server.enforce_eager.value_or(false);
    options.max_cudagraph_capture_size = server.max_cudagraph_capture_size;
    if (const std::int64_t share = cpu_share_milli(server); share < 1000) throttle(share, parts, options, warn);
    KvCapacity sized = c;
    sized.limits.max_num_batched_tokens = parts.max_num_batched_tokens;
    parts.cost = step_cost_table(sized, options);
    if (server.speculation) {
        std::vector<std::string> notes;
        if (const auto wrong = apply_speculation(server, sized, options, parts, notes)) return Problem{server.where, server.path, *wrong};
        for (const std::string& note : notes) warn(note);
    } else if (server.acceptance_rate) {
        return Problem{server.where, server.path, "found an acceptance rate without --speculative-config, allowed: both or neither"};
    }
    if (longest_step_of(parts) > longest_step)
        return Problem{
            server.where, server.path,
            fmt::format("a step could take longer than {:.0f} s at max_num_batched_tokens {} and "
                        "max_model_len {}, allowed: smaller values",
                        to_seconds(longest_step), parts.max_num_batched_tokens, parts.max_model_len)};
    facts.model = c.shape.id;
    facts.gpu = c.gpu.name;
    facts.step_time_source = options.coefficients->source;
    facts.capacity = c;
    return parts;
}

ServerParts slowed(ServerParts server, std::int64_t milli) {
    const auto scale = [&](std::int64_t ticks) { return ticks * milli / 1000; };
    StepCostTable& cost = server.cost;
    for (std::vector<Tick>* table : {&cost.decode_step, &cost.mixed_step})
        for (Tick& t : *table) t = {std::max<std::int64_t>(scale(t.count), t.count > 0 ? 1 : 0)};
    for (ContextSegment& c : cost.attention) {
        c.at_from = {scale(c.at_from.count)};
        c.ticks_per_token = scale(c.ticks_per_token);
    }
    cost.per_sampled_row = {scale(cost.per_sampled_row.count)};
    cost.prefill_ticks_per_pair_q16 = scale(cost.prefill_ticks_per_pair_q16);
    return server;
}

void compile_turns(BlueprintParts& parts, Problems& errors) {
    for (const ShapePlan& shape : parts.shapes)
        for (const DeviceRange& range : shape.devices)
            if (range.takes_turns) parts.most_turns = std::max<std::uint32_t>(parts.most_turns, range.clients);
    const std::size_t servers = parts.servers.size();
    if (parts.most_turns == 1) return;
    const auto shares = [&](std::size_t server) {
        for (const TemplateParts& t : parts.templates)
            for (std::size_t s = 0; s < parts.shapes.size(); ++s)
                for (std::int32_t k = 0; k < extended_kinds; ++k) {
                    const auto kind = parts.shapes[s].gpu_kind;
                    const std::int32_t here = t.kind_servers.empty() ? t.plan.server : t.kind_servers[kind];
                    if (parts.shapes[s].devices[k].takes_turns && t.plan.needs[resource_extended + k] > 0 && here >= 0 &&
                        t.plan.shapes.has(static_cast<std::int32_t>(s)) && is_or_slows(parts, static_cast<std::size_t>(here), server))
                        return true;
                }
        return false;
    };
    std::vector<bool> needed(servers);
    for (std::size_t s = 0; s < servers; ++s) needed[s] = shares(s);
    std::vector<ServerParts> made;
    for (std::uint32_t n = 2; n <= parts.most_turns; ++n)
        for (std::size_t s = 0; s < servers; ++s) {
            parts.turn_servers.push_back(needed[s] ? static_cast<std::int32_t>(servers + made.size()) : -1);
            if (!needed[s]) continue;
            made.push_back(slowed(parts.servers[s], std::int64_t{1000} * n));
            if (longest_step_of(made.back()) <= longest_step || !errors.empty()) continue;
            errors.push_back({{}, "", fmt::format("a step of a server whose GPU {} pods share could take {:.0f} s, allowed: {:.0f} s; smaller "
                                                  "max_num_batched_tokens or max_model_len",
                                                  n, to_seconds(longest_step_of(made.back())), to_seconds(longest_step))});
        }
    // The engine looks them up by the number of all servers.
    std::vector<std::int32_t> table;
    const std::size_t all = servers + made.size();
    for (std::uint32_t n = 2; n <= parts.most_turns; ++n) {
        const auto row = parts.turn_servers.begin() + static_cast<std::ptrdiff_t>((n - 2) * servers);
        table.insert(table.end(), row, row + static_cast<std::ptrdiff_t>(servers));
        table.resize((n - 1) * all, -1);
    }
    parts.turn_servers = std::move(table);
    for (ServerParts& s : made) parts.servers.push_back(std::move(s));
}

}  // namespace windtunnel
