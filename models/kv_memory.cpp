#include "models/kv_memory.hpp"

#include "models/bytes.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

double activation_peak(const LlmShape& shape, const Gpu& gpu, const EngineProfile& profile,
                       const BatchLimits& limits, ModelParallelism parallelism, bool last_stage) {
    for (const MeasuredActivation& m : shape.measured_activations)
        if (m.tensor_parallel == parallelism.tensor &&
            m.max_num_batched_tokens == limits.max_num_batched_tokens)
            return m.gib * gib;
    // V0 with latent attention: workspaces of 6.37 GiB (DeepSeek-R1 on 8 H200, vLLM 0.7.3 log, 2025-03).
    if (shape.mla && profile.generation == EngineGeneration::v0 && shape.layers > 50) return 6.37 * gib;

    // 38.6 bytes per logit: fp32 logits, their sort with indices, softmax and cumulative sum; not split by
    // TP.
    const double sampler = last_stage ? 38.6 * limits.max_num_seqs * shape.vocabulary_size : 0.0;
    const double tokens = limits.max_num_batched_tokens, tp = parallelism.tensor;
    double mlp = tokens * 2 * 3 * (shape.intermediate_size / tp + shape.hidden_size);
    if (shape.moe) {
        // Each token's copies before and after its experts' first product, and the residual stream.
        const double per_copy = 2.0 * shape.moe->expert_intermediate_size / tp + shape.hidden_size;
        mlp = tokens * 2 * (shape.moe->experts_per_token * per_copy + 3.0 * shape.hidden_size);
    }
    // Cards before sm80 have no FlashAttention 2; the fallback keeps one more copy of the attention output
    // (Qwen2.5-1.5B on a T4, vLLM 0.7.3 logs, 2025-03: 2.02 GiB).
    if (gpu.compute_capability() > 0 && gpu.compute_capability() < 80) mlp += tokens * 2 * shape.hidden_size;
    return std::max(sampler, mlp);
}

double non_torch(const LlmShape& shape, const Gpu& gpu, const EngineProfile& profile,
                 ModelParallelism parallelism) {
    if (profile.capacity == CapacityProfile::p0) return 0;  // not charged
    const int tp = parallelism.tensor;
    if (shape.mla && profile.generation == EngineGeneration::v0 && tp >= 8)
        return 7.16 * gib;  // same log as above
    // What allocators keep counts as used in P1: 0.6 GiB more than torch's peak (Llama-2-7B on A100, 0.2.5).
    if (profile.capacity == CapacityProfile::p1) return (tp >= 4 ? 1.4 : 0.6) * gib;
    if (tp == 1)
        return (static_cast<double>(gpu.memory_bytes) >= 70 * gib && !gpu.name.starts_with("a100") ? 0.13
                                                                                                   : 0.05) *
               gib;
    if (gpu.link_bytes_per_second <= 0) return 0.22 * gib;  // no custom all-reduce (8 L40S, 0.10.2 log)
    return (tp == 2 ? 0.55 : 0.60) * gib;
}

/// From 0.21 the pool is charged with a marginal cost per graph (the graphs share one pool, so this is more
/// than they take). Few logs tell that cost: 0.98 MiB per layer of a 62-layer MoE at TP 2 (0.80 acted as
/// 0.758 of 120 GiB with 86 graphs, GB10, 2026-06); dense models grew by 0.4 to 0.8 MiB per layer and graph
/// in logs of 0.8 to 0.10. An estimate, and reports name it so.
double cuda_graph_charge(const LlmShape& shape, const EngineProfile& profile, int layers,
                         std::size_t graphs) {
    if (profile.capacity != CapacityProfile::p7) return 0;
    constexpr double mib = 1048576.0;
    const double marginal = std::max(1.0, (shape.moe ? 0.98 : 0.4) * layers) * mib;
    return marginal * static_cast<double>(graphs);
}

}  // namespace

StartupMemory startup_memory(const LlmShape& shape, const Gpu& gpu, const EngineProfile& profile,
                             const BatchLimits& limits, ModelParallelism parallelism, int layers_on_rank,
                             bool last_stage, std::size_t graphs) {
    return {activation_peak(shape, gpu, profile, limits, parallelism, last_stage),
            non_torch(shape, gpu, profile, parallelism),
            cuda_graph_charge(shape, profile, layers_on_rank, graphs)};
}

}  // namespace windtunnel
