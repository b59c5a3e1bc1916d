#include "models/llm_weights.hpp"

#include "models/kv_layout.hpp"

#include "models/expects.hpp"

#include <algorithm>
#include <cmath>

namespace windtunnel {

int layers_of_stage(int layers, int pipeline, int stage) {
    WT_EXPECTS(pipeline >= 1 && pipeline <= layers && stage >= 0 && stage < pipeline);
    const int extra = layers % pipeline;
    // Extra layers go to the stages before the last one, from the right.
    const bool longer = stage >= pipeline - 1 - extra && stage < pipeline - 1;
    return layers / pipeline + (longer ? 1 : 0);
}

StageWeights stage_weights(const LlmShape& shape, NumberType type, ModelParallelism parallelism, int stage) {
    const int tp = parallelism.tensor, pp = parallelism.pipeline;
    LayerParameters p = layer_parameters(shape, tp);
    StageWeights w;
    w.layers = layers_of_stage(shape.layers, pp, stage);
    int before = 0;
    for (int s = 0; s < stage; ++s) before += layers_of_stage(shape.layers, pp, s);
    // Of kinds that alternate, a stage has its share of layers.
    const auto part_of = [&](int of_all) {
        return static_cast<int>(std::lround(static_cast<double>(of_all) * (before + w.layers) / shape.layers) -
                                std::lround(static_cast<double>(of_all) * before / shape.layers));
    };
    const bool alternate = shape.kv_layers > 0 || shape.mlp_layers > 0;
    w.dense_layers = alternate ? part_of(dense_layers(shape)) : std::clamp(dense_layers(shape) - before, 0, w.layers);
    w.routed_layers = alternate ? part_of(expert_layers(shape)) : w.layers - w.dense_layers;
    w.attention_layers = part_of(attention_layers(shape));
    w.recurrent_layers = shape.recurrent ? part_of(shape.recurrent->layers) : 0;

    const double sixteen = type == NumberType::fp32 ? 4.0 : 2.0;
    const double quantised =
        type == NumberType::int4 && shape.int4_bytes > 0 ? shape.int4_bytes : bytes_per_weight(type);
    const double linear = quantises_experts_only(shape, type) ? 2.0 : quantised;
    if (shape.moe && type == NumberType::mxfp4) {
        // The kernels pad each rank's share of an expert to 256 rows: 2880 becomes 3072, which is the
        // 64.4 GiB that gpt-oss-120b logs on an H100 (llm-d-planner, vLLM 0.11.0, 2025-12).
        const double share = static_cast<double>(shape.moe->expert_intermediate_size) / tp;
        const double padded = std::ceil(share / 256) * 256;
        p.one_expert *= padded / share;
        p.experts *= padded / share;
    }
    w.attention = p.attention * (shape.sixteen_bit_attention ? sixteen : linear) * w.attention_layers;
    if (shape.recurrent) w.recurrent = shape.recurrent->parameters / tp * linear * w.recurrent_layers;
    w.dense_mlp = (p.mlp * w.dense_layers + p.shared * w.routed_layers) * linear;
    w.one_expert = p.one_expert * quantised;
    w.experts = p.experts * quantised * w.routed_layers / parallelism.expert_groups;
    w.router = p.router * sixteen * w.routed_layers;
    const bool first = stage == 0, last = stage == pp - 1;
    const double table = embedding_parameters(shape, tp) * sixteen;
    if (first || (last && shape.tied_embeddings)) w.embedding = table;
    if (last && !shape.tied_embeddings) w.head = table;
    w.other = other_parameters(shape) * sixteen * w.layers / shape.layers / (shape.multimodal ? tp : 1);
    const int rotary_width = shape.mla ? shape.mla->rope_head_dim : shape.head_dim;
    // Contexts of millions of tokens compute their angles instead (Llama 4).
    if (shape.max_positions <= 1 << 20) w.rotary = 2.0 * shape.max_positions * rotary_width;
    if (shape.mla)
        w.absorbed = 2.0 * shape.mla->kv_lora_rank * (shape.mla->nope_head_dim + shape.mla->value_head_dim) *
                     shape.attention_heads / tp * w.attention_layers;
    w.read_every_step =
        w.attention + w.recurrent + w.dense_mlp + w.router + (last ? table : 0.0) + (shape.multimodal ? 0.0 : w.other);
    return w;
}

double lora_bytes(const LlmShape& shape, const StageWeights& weights, int tensor_parallel, const LoraSlots& lora) {
    const double tp = tensor_parallel, whole = shape.hidden_size / (lora.fully_sharded ? tp : 1.0);
    double attention = 0;  // rows and columns of each pair of matrices, for one rank of the adapter
    if (shape.mla) {
        const LatentAttention& a = *shape.mla;
        const double heads = shape.attention_heads / tp, query = heads * (a.nope_head_dim + a.rope_head_dim);
        attention = (a.q_lora_rank > 0 ? whole + 2.0 * a.q_lora_rank : whole) + query + whole + 2.0 * a.kv_lora_rank + a.rope_head_dim +
                    heads * (a.nope_head_dim + 2.0 * a.value_head_dim) + whole;
    } else {
        const double query = shape.attention_heads / tp * shape.head_dim;
        attention = 4 * whole + (shape.gated_attention ? 3 : 2) * query + 2.0 * kv_heads_per_rank(shape.kv_heads, tensor_parallel) * shape.head_dim;
    }
    const double matrices = shape.gated_mlp ? 3 : 2;
    const auto mlp = [&](double width) { return matrices * (whole + width / tp); };
    const double shared = shape.moe && shape.moe->shared_width() > 0 ? mlp(shape.moe->shared_width()) : 0;
    const double sum = attention * weights.attention_layers + mlp(shape.intermediate_size) * weights.dense_layers + shared * weights.routed_layers;
    return 2.0 * lora.slots * lora.rank * sum;
}

}  // namespace windtunnel
