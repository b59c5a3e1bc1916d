#pragma once
#include "models/llm_shape.hpp"

#include <cstdint>

namespace windtunnel {

/// How a model is cut: each of `pipeline` stages holds a run of layers, each layer is split over `tensor`
/// ranks; expert parallelism within them deals the experts out whole (the same bytes).
struct ModelParallelism {
    int tensor = 1;
    int pipeline = 1;
    int expert_groups = 1;  ///< data-parallel engines that share one set of experts, each holding its part
};

/// Layers of pipeline stage `stage` (from 0): as even as can be, the longer stages in the middle and none
/// of the extra ones on the last stage, which also holds the LM head (vLLM 0.6 to 0.24).
[[nodiscard]] int layers_of_stage(int layers, int pipeline, int stage);

/// Bytes of weights that one rank of one stage keeps on its GPU.
struct StageWeights {
    int layers = 0;
    int routed_layers = 0;  ///< of them with experts
    int dense_layers = 0;   ///< with an MLP without
    int attention_layers = 0;
    int recurrent_layers = 0;
    double recurrent = 0;  ///< all of these
    double attention = 0;   ///< all layers
    double dense_mlp = 0;   ///< dense layers and shared experts
    double experts = 0;     ///< all routed experts of all layers
    double one_expert = 0;  ///< one expert of one layer
    double router = 0;
    double embedding = 0;  ///< the table, where this stage holds it
    double head = 0;       ///< the LM head where it is not the table
    double other = 0;      ///< norms, biases, vision tower
    double rotary = 0;     ///< cached cosines and sines, max_positions rows
    double absorbed = 0;   ///< latent attention: 16-bit copies of the up-projections
    [[nodiscard]] double total() const {
        return attention + recurrent + dense_mlp + experts + router + embedding + head + other + rotary + absorbed;
    }
    /// Bytes that every step reads whatever the batch is: not the embedding table (rows are looked up),
    /// not the experts. A tied table is read as the head.
    double read_every_step = 0;
};

/// Room for LoRA adapters, which vLLM sets aside when it starts (--enable-lora).
struct LoraSlots {
    int slots = 0;  ///< adapters that a batch may use (--max-loras); 0 = none
    int rank = 16;  ///< --max-lora-rank
    bool fully_sharded = false;
};

/// Bytes of these slots on one rank of a stage with `weights`: two 16-bit matrices for each projection of attention, dense
/// MLP and shared experts, the half that is not split over ranks whole on each of them unless fully sharded (vLLM 0.6 to
/// 0.11, vllm/lora/layers: lora_a_stacked and lora_b_stacked; from general knowledge, not re-read, 2026-11). Routed experts,
/// embeddings and the LM head are not counted.
[[nodiscard]] double lora_bytes(const LlmShape& shape, const StageWeights& weights, int tensor_parallel, const LoraSlots& lora);

/// `type` is the weights' type; embeddings, head, norms and routers stay in 16 bits.
[[nodiscard]] StageWeights stage_weights(const LlmShape& shape, NumberType type, ModelParallelism parallelism,
                                         int stage);

}  // namespace windtunnel
