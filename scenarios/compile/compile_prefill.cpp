#include "scenarios/compile/compile_prefill.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {

namespace {

/// Of what a data sheet says of the links within a node, so much is left for blocks that are copied
/// [estimate: NCCL and CUDA copies reach 80 to 90 %, 2024].
constexpr double link_share = 0.8;
/// Between two GPUs of a node, one way.
std::int64_t within_a_node(const Gpu& gpu) {
    return static_cast<std::int64_t>(one_way_link_bytes_per_second(gpu) * link_share);
}

}  // namespace

std::string compile_kv_role(const ModelServer& server, const KvCapacity& c, bool shared_prefixes,
                            ServerParts& parts) {
    if (server.kv_role == KvRole::none || server.kv_role == KvRole::both) return "";
    if (c.profile.generation != EngineGeneration::v1)
        return "prefill and decode on different servers are simulated for the V1 engine only, allowed: V1";
    if (c.pipeline_parallel > 1)
        return "found --pipeline-parallel-size " + std::to_string(c.pipeline_parallel) +
               " beside KV transfer between servers, allowed: 1 (tensor parallelism)";
    if (server.batching)
        return "servers of whole batches hand over no KV, allowed: an engine that batches continuously";
    parts.hands_over = server.kv_role == KvRole::producer;
    parts.receives = server.kv_role == KvRole::consumer;
    if (parts.hands_over && parts.long_prefill_threshold > 0 && parts.prefix_caching && shared_prefixes)
        return "--long-prefill-token-threshold of a server that computes prompts for others is not simulated "
               "beside prompts that share prefixes, allowed: one of them";
    std::int64_t groups = 0;
    for (const KvGroup& g : c.groups) groups += g.count;
    parts.kv_block_bytes = c.bytes_per_block * std::max<std::int64_t>(groups, 1) * c.tensor_parallel;
    return "";
}

std::size_t find_workload(const CompiledScenario& compiled, const WorkloadSpec& spec) {
    const auto found = std::find_if(compiled.workloads.begin(), compiled.workloads.end(),
                                    [&](const CompiledWorkload& w) { return w.name == spec.name; });
    return static_cast<std::size_t>(found - compiled.workloads.begin());
}

void compile_prefill(const Scenario& scenario, const WorkloadSpec& spec, std::size_t answers,
                     std::size_t prompts, CompiledScenario& out, Problems& errors) {
    const CompiledWorkload &decode = out.workloads[answers], &prefill = out.workloads[prompts];
    if (decode.model.empty() || prefill.model.empty()) return;  // reported
    const std::string path = spec.path + ".prefill";
    const auto refuse = [&](std::string message) {
        errors.push_back({spec.prefilled_by[0].where, path, std::move(message)});
    };
    const std::vector<std::uint32_t>& direct = out.parts.workload_of_model;
    if (std::find(direct.begin(), direct.end(), static_cast<std::uint32_t>(prompts)) != direct.end())
        refuse(prefill.target + " answers requests of its own too, allowed: one that only computes prompts");
    for (const ScenarioEvent& e : scenario.events)
        if (e.kind == EventKind::load_test && e.target == prefill.target)
            errors.push_back(
                {e.where, e.path,
                 prefill.target + " only computes prompts, allowed: a load test of " + decode.target});
    const KvCapacity &d = decode.capacity, &p = prefill.capacity;
    const auto longest = [&](std::size_t w) {
        const std::int32_t server = out.parts.templates[out.parts.workloads[w].first_template].plan.server;
        return out.parts.servers[static_cast<std::size_t>(server)].max_model_len;
    };
    if (decode.model != prefill.model)
        refuse(fmt::format("found {} of {} and {} of {}, allowed: one model on both sides", prefill.model,
                           prefill.target, decode.model, decode.target));
    else if (d.block_size != p.block_size)
        refuse(fmt::format(
            "found blocks of {} tokens in {} and of {} in {}, allowed: the same --block-size on both sides",
            p.block_size, prefill.target, d.block_size, decode.target));
    else if (d.kv_type != p.kv_type)
        refuse(fmt::format("found another --kv-cache-dtype in {} than in {}, allowed: the same on both sides",
                           prefill.target, decode.target));
    else if (longest(prompts) < longest(answers))
        refuse(
            fmt::format("found requests of up to {} tokens in {} and of up to {} in {}, allowed: at least as "
                        "long prompts where they are computed (--max-model-len, the size of the KV pool)",
                        longest(prompts), prefill.target, longest(answers), decode.target));
    PrefillPlan& plan = out.parts.workloads[answers].prefill;
    const auto group = [&](std::size_t w) { return out.parts.workloads[w].ordinals.group_size; };
    plan.workload = static_cast<std::int32_t>(prompts);
    plan.threshold = static_cast<std::uint32_t>(spec.prefill.threshold_tokens);
    plan.latency = spec.prefill.latency;
    plan.hold = spec.prefill.hold;
    plan.link_bytes_per_s = spec.prefill.link_bytes_per_s;
    plan.local_bytes_per_s =
        spec.prefill.local_bytes_per_s > 0 ? spec.prefill.local_bytes_per_s : within_a_node(d.gpu);
    plan.fails = spec.prefill.fails.value_or(scenario.server_of(spec)->kv_loss_fails) ? 1 : 0;
    plan.nodes = std::max(1u, std::min(group(answers), group(prompts)));
}

}  // namespace windtunnel
