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
        if (shape.indexer && a.q_lora_rank > 0)  // the same on every rank
            p.attention += static_cast<double>(a.q_lora_rank) * shape.indexer->heads * shape.indexer->head_dim +
                           h * (shape.indexer->head_dim + shape.indexer->heads);
    } else {
        const double query = shape.attention_heads / tp * shape.head_dim;
        p.attention =
            h * ((shape.gated_attention ? 3 : 2) * query + 2.0 * kv_heads_per_rank(shape.kv_heads, tensor_parallel) * shape.head_dim);
    }
    const double matrices = shape.gated_mlp ? 3 : 2;
    p.mlp = matrices * h * shape.intermediate_size / tp;
    if (shape.moe) {
        p.one_expert = matrices * h * shape.moe->expert_intermediate_size / tp;
        p.experts = p.one_expert * shape.moe->experts;
        p.shared = matrices * h * shape.moe->shared_width() / tp;
        p.router = h * shape.moe->experts;
    }
    return p;
}

double embedding_parameters(const LlmShape& shape, int tensor_parallel) {
    const int padded = (shape.vocabulary_size + 63) / 64 * 64;
    return static_cast<double>(padded) * shape.hidden_size / tensor_parallel;
}

bool quantises_experts_only(const LlmShape& shape, NumberType type) {
    return shape.moe && (type == NumberType::mxfp4 || (type == NumberType::int4 && shape.mla && !shape.int4_everywhere));
}

int attention_layers(const LlmShape& shape) { return shape.kv_layers > 0 ? shape.kv_layers : shape.layers; }
int expert_layers(const LlmShape& shape) {
    if (!shape.moe) return 0;
    return (shape.mlp_layers > 0 ? shape.mlp_layers : shape.layers) - shape.moe->dense_layers;
}
int dense_layers(const LlmShape& shape) {
    return (shape.mlp_layers > 0 ? shape.mlp_layers : shape.layers) - expert_layers(shape);
}

double layers_parameters(const LlmShape& shape) {
    const LayerParameters p = layer_parameters(shape, 1);
    double sum = p.attention * attention_layers(shape) + p.mlp * dense_layers(shape) +
                 (p.experts + p.shared + p.router) * expert_layers(shape);
    if (shape.recurrent) sum += shape.recurrent->parameters * shape.recurrent->layers;
    return sum;
}

std::int64_t recurrent_state_bytes(const LlmShape& shape, int tensor_parallel) {
    if (!shape.recurrent) return 0;
    const RecurrentLayers& r = *shape.recurrent;
    const double bytes = (2 * r.convolution_elements + r.state_element_bytes * r.state_elements) / tensor_parallel;
    return static_cast<std::int64_t>(std::min(bytes, 1e18));  // absurd shapes must not overflow
}

double other_parameters(const LlmShape& shape) {
    const double tables =
        static_cast<double>(shape.vocabulary_size) * shape.hidden_size * (shape.tied_embeddings ? 1 : 2);
    return std::max(0.0, static_cast<double>(shape.parameters) - tables - layers_parameters(shape));
}

}  // namespace windtunnel
