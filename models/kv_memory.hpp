#pragma once
#include "models/engine_profile.hpp"
#include "models/llm_weights.hpp"

namespace windtunnel {

/// Bytes of one GPU that are gone before the KV pool, besides the weights.
struct StartupMemory {
    double activation = 0;   ///< peak of the profile run
    double non_torch = 0;    ///< CUDA context, NCCL, custom all-reduce
    double cuda_graphs = 0;  ///< what the release charges for graphs (estimate, 0.21 on)
};

/// The closed forms that were fitted to 23 logged ledgers (vLLM start-up logs, 2024-01 to 2026-06).
/// The activation peak is the larger of the dummy sampler over max_num_seqs rows and the widest MLP over
/// max_num_batched_tokens. `graphs` counts captured graphs over all modes.
[[nodiscard]] StartupMemory startup_memory(const LlmShape& shape, const Gpu& gpu,
                                           const EngineProfile& profile, const BatchLimits& limits,
                                           ModelParallelism parallelism, int layers_on_rank, bool last_stage,
                                           std::size_t graphs);

}  // namespace windtunnel
