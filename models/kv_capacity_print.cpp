#include "models/kv_capacity.hpp"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace windtunnel {
namespace {

double rounded(double value, double steps_per_unit) {
    return std::round(value * steps_per_unit) / steps_per_unit;
}

}  // namespace

std::string kv_capacity_json(const KvCapacity& c) {
    nlohmann::ordered_json out;
    out["num_gpu_blocks"] = c.num_gpu_blocks;
    out["kv_cache_tokens"] = c.kv_cache_tokens;
    out["max_concurrency"] = rounded(c.max_concurrency, 1e4);
    out["kv_cache_gib"] = rounded(c.kv_cache_gib, 1e4);
    out["weights_gib"] = rounded(c.weights_gib, 1e4);
    out["activation_gib"] = rounded(c.activation_gib, 1e4);
    out["non_torch_gib"] = rounded(c.non_torch_gib, 1e4);
    out["bytes_per_block"] = c.bytes_per_block;
    out["fits"] = c.fits;
    if (!c.fits) out["refusal"] = c.refusal;
    out["model"] = c.shape.id;
    out["gpu"] = c.gpu.name;
    out["vllm_version"] = to_string(c.profile.version);
    out["engine"] = c.profile.generation == EngineGeneration::v0 ? "v0" : "v1";
    out["memory_profile"] = to_string(c.profile.capacity);
    out["tp"] = c.tensor_parallel;
    out["pp"] = c.pipeline_parallel;
    out["dtype"] = to_string(c.weights_type);
    out["kv_cache_dtype"] = to_string(c.kv_type);
    out["block_size"] = c.block_size;
    out["max_model_len"] = c.max_model_len;
    out["longest_that_fits_tokens"] = c.longest_that_fits;
    out["max_num_seqs"] = c.limits.max_num_seqs;
    out["max_num_batched_tokens"] = c.limits.max_num_batched_tokens;
    out["gpu_memory_utilization"] = c.gpu_memory_utilization;
    out["gpu_memory_bytes"] = c.gpu.memory_bytes;
    out["cuda_graph_gib"] = rounded(c.cuda_graph_gib, 1e4);
    if (c.lora_gib > 0) out["lora_gib"] = rounded(c.lora_gib, 1e4);
    if (c.profile.generation == EngineGeneration::v0) out["num_cpu_blocks"] = c.num_cpu_blocks;
    out["kv_groups"] = nlohmann::ordered_json::array();
    for (const KvGroup& g : c.groups) {
        nlohmann::ordered_json group;
        group["window_tokens"] =
            g.window_tokens > 0 ? nlohmann::ordered_json(g.window_tokens) : nlohmann::ordered_json(nullptr);
        group["count"] = g.count;
        if (g.state) group["state"] = true;
        out["kv_groups"].push_back(std::move(group));
    }
    out["notes"] = c.notes;
    return out.dump(2) + "\n";
}

std::string kv_capacity_table(const KvCapacity& c) {
    std::string out;
    const auto line = [&out](std::string_view name, const std::string& value) {
        out += fmt::format(" {:<26}{}\n", name, value);
    };
    const auto gib_line = [&](std::string_view name, double value) {
        out += fmt::format(" {:<26}{:>10.2f} GiB\n", name, value);
    };
    line("model", fmt::format("{} ({}), TP {}, PP {}", c.shape.id, to_string(c.weights_type),
                              c.tensor_parallel, c.pipeline_parallel));
    line("GPU", c.gpu.name);
    line("engine", fmt::format("vLLM {} ({}, memory profile {})", to_string(c.profile.version),
                               c.profile.generation == EngineGeneration::v0 ? "V0" : "V1",
                               to_string(c.profile.capacity)));
    gib_line("memory of one GPU", c.total_gib);
    gib_line(fmt::format("x utilisation {:.2f}", c.gpu_memory_utilization),
             c.total_gib * c.gpu_memory_utilization);
    gib_line("- weights", c.weights_gib);
    gib_line("- activation peak", c.activation_gib);
    gib_line("- non-torch", c.non_torch_gib);
    if (c.cuda_graph_gib > 0) gib_line("- CUDA graphs (estimate)", c.cuda_graph_gib);
    if (c.lora_gib > 0) gib_line("- slots for LoRA adapters", c.lora_gib);
    gib_line("= KV cache", c.kv_cache_gib);
    line("blocks", fmt::format("{:>10} of {} tokens, {:.3f} MiB each", c.num_gpu_blocks, c.block_size,
                               static_cast<double>(c.bytes_per_block) / 1048576.0));
    line("tokens", fmt::format("{:>10}", c.kv_cache_tokens));
    line("max concurrency",
         fmt::format("{:>10.2f}x requests of {} tokens", c.max_concurrency, c.max_model_len));
    for (const std::string& note : c.notes) out += " note: " + note + "\n";
    if (!c.fits) out += " " + c.refusal + "\n";
    return out;
}

}  // namespace windtunnel
