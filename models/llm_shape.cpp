#include "models/llm_shape.hpp"

#include "models/kv_layout.hpp"

#include <algorithm>

namespace windtunnel {

LayerParameters layer_parameters(const LlmShape& shape, int tensor_parallel) {
    const double h = shape.hidden_size, tp = tensor_parallel;
    LayerParameters p;
    if (shape.mla) {
        const LatentAttention& a = *shape.mla;
        const double heads = shape.attention_heads / tp, query = a.nope_head_dim + a.rope_head_dim;
        p.attention =
            a.q_lora_rank > 0 ? h * a.q_lora_rank + a.q_lora_rank * heads * query : h * heads * query;
        p.attention += h * (a.kv_lora_rank + a.rope_head_dim);
        p.attention += a.kv_lora_rank * heads * (a.nope_head_dim + a.value_head_dim);
        p.attention += heads * a.value_head_dim * h;
    } else {
        const double query = shape.attention_heads / tp * shape.head_dim;
        p.attention =
            h * (2 * query + 2.0 * kv_heads_per_rank(shape.kv_heads, tensor_parallel) * shape.head_dim);
    }
    const double matrices = shape.gated_mlp ? 3 : 2;
    p.mlp = matrices * h * shape.intermediate_size / tp;
    if (shape.moe) {
        p.one_expert = matrices * h * shape.moe->expert_intermediate_size / tp;
        p.experts = p.one_expert * shape.moe->experts;
        p.shared = p.one_expert * shape.moe->shared_experts;
        p.router = h * shape.moe->experts;
    }
    return p;
}

double embedding_parameters(const LlmShape& shape, int tensor_parallel) {
    const int padded = (shape.vocabulary_size + 63) / 64 * 64;
    return static_cast<double>(padded) * shape.hidden_size / tensor_parallel;
}

int expert_layers(const LlmShape& shape) { return shape.moe ? shape.layers - shape.moe->dense_layers : 0; }

double other_parameters(const LlmShape& shape) {
    const LayerParameters p = layer_parameters(shape, 1);
    const int routed = expert_layers(shape);
    const double tables =
        static_cast<double>(shape.vocabulary_size) * shape.hidden_size * (shape.tied_embeddings ? 1 : 2);
    const double layers = p.attention * shape.layers + p.mlp * (shape.layers - routed) +
                          (p.experts + p.shared + p.router) * routed;
    return std::max(0.0, static_cast<double>(shape.parameters) - tables - layers);
}

}  // namespace windtunnel
