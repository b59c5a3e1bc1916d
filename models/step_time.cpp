#include "models/step_time.hpp"

#include "models/llm_weights.hpp"
#include "models/operator_time.hpp"

#include <algorithm>
#include <cmath>

namespace windtunnel {
namespace {

/// Windows up to this are taken as filled; longer ones as full attention (see step_cost_table).
constexpr int filled_window = 1024;

/// Batches up to this are computed one by one (captured sizes make steps among them), larger ones on a grid
/// with straight lines between.
constexpr int every_size = 512, size_grid = 32;

/// One product of every layer that has it.
struct Product {
    double outputs = 0, inputs = 0;
    NumberType type = NumberType::bf16;
    int layers = 0;
};

/// The products of one rank of one stage. Latent attention: queries and keys go through their compressed
/// rows.
std::vector<Product> products_of(const LlmShape& s, const StageWeights& w, NumberType linear, int tp) {
    std::vector<Product> out;
    const double h = s.hidden_size, heads = static_cast<double>(s.attention_heads) / tp;
    const NumberType attention = s.sixteen_bit_attention ? NumberType::bf16 : linear;
    const auto add = [&](double outputs, double inputs, NumberType type, int layers) {
        if (layers > 0 && outputs > 0) out.push_back({outputs, inputs, type, layers});
    };
    if (s.mla) {
        const LatentAttention& a = *s.mla;
        const double query = a.nope_head_dim + a.rope_head_dim, latent = a.kv_lora_rank + a.rope_head_dim;
        add(a.q_lora_rank + latent, h, attention, w.attention_layers);
        add(heads * query, a.q_lora_rank > 0 ? a.q_lora_rank : h, attention, w.attention_layers);
        add(heads * (a.nope_head_dim + a.value_head_dim), a.kv_lora_rank, attention, w.attention_layers);
        add(h, heads * a.value_head_dim, attention, w.attention_layers);
    } else {
        const double query = heads * s.head_dim;
        add((s.gated_attention ? 2 : 1) * query + 2.0 * kv_heads_per_rank(s.kv_heads, tp) * s.head_dim, h, attention,
            w.attention_layers);
        add(h, query, attention, w.attention_layers);
    }
    // Of a recurrent layer all projections as one product.
    if (s.recurrent) add(s.recurrent->parameters / tp / h, h, linear, w.recurrent_layers);
    const double up = s.gated_mlp ? 2 : 1;
    const double dense = static_cast<double>(s.intermediate_size) / tp;
    add(up * dense, h, linear, w.dense_layers);
    add(h, dense, linear, w.dense_layers);
    if (s.moe) {
        const double shared = s.moe->shared_width() / tp;
        add(up * shared, h, linear, w.routed_layers);
        if (shared > 0) add(h, shared, linear, w.routed_layers);
        add(s.moe->experts, h, NumberType::bf16, w.routed_layers);
    }
    return out;
}

/// What one rank of each stage spends, in seconds, before anything is rounded.
class RankCost {
public:
    RankCost(const KvCapacity& c, const StepTimeOptions& o)
        : m_c(c), m_k(o.coefficients ? *o.coefficients : step_time_coefficients(c.gpu)) {
        const ModelParallelism parallelism{c.tensor_parallel, c.pipeline_parallel, c.expert_groups};
        for (int stage = 0; stage < c.pipeline_parallel; ++stage) {
            const StageWeights w = stage_weights(c.shape, c.weights_type, parallelism, stage);
            m_stages.push_back({w, products_of(c.shape, w, linear_type(), c.tensor_parallel)});
        }
        // Beside pipeline stages from 0.15 on (vllm.md 0.1).
        m_async = o.asynchronous_scheduling.value_or(c.profile.asynchronous_scheduling) &&
                  (c.pipeline_parallel == 1 || c.profile.version.minor >= 15);
        m_eager = o.enforce_eager;
        m_full_graphs = o.full_graphs.value_or(c.profile.full_graphs);
        if (!m_eager) m_captured = captured_batch_sizes(c.profile, c.limits, o.max_cudagraph_capture_size);
        m_dense = dense_kernel(m_k, weight_kernel(linear_type(), c.gpu));
        m_sixteen = dense_kernel(m_k, WeightKernel::sixteen_bit);
        m_experts = expert_kernel(m_k, weight_kernel(c.weights_type, c.gpu));
    }

    /// Seconds of a step of n tokens, of which `rows` are decodes and sampled; nothing that depends on
    /// context.
    [[nodiscard]] double step(int tokens, int rows, bool decodes_only) const {
        double gpu = 0;
        for (const Stage& s : m_stages) gpu += stage_seconds(s, tokens, rows, decodes_only);
        gpu += (m_c.pipeline_parallel - 1) *
               (m_k.all_reduce_s + activation_bytes(tokens) / link_bytes_per_second(m_c.gpu, m_k));
        gpu += m_k.step_s;
        const double host = m_k.host_step_s + m_k.host_row_s * rows;
        return m_async ? std::max(gpu, host * m_k.host_bound_share) + m_k.host_overlapped_s : gpu + host;
    }

    /// Seconds per decode token of context in layers of full attention.
    [[nodiscard]] double seconds_per_context_token() const {
        const double bytes = static_cast<double>(m_c.layout.bytes_per_token());
        double seconds = (m_c.layout.index_bytes > 0 ? m_c.layout.index_bytes : bytes) / kv_bytes_per_second();
        if (m_c.shape.mla && !m_c.shape.indexer) {
            // All heads of a rank attend to the same compressed row: arithmetic can outweigh reading it.
            const LatentAttention& a = *m_c.shape.mla;
            const double flops = 2.0 * (2.0 * a.kv_lora_rank + a.rope_head_dim) * m_c.shape.attention_heads /
                                 m_c.tensor_parallel;
            seconds = std::max(seconds, flops / attention_flops());
        }
        return layers_of_full_attention() * seconds;
    }
    /// Seconds per query-key pair of a prefill chunk, over all layers of full attention.
    [[nodiscard]] double seconds_per_pair() const {
        return pair_seconds() * layers_of_full_attention();
    }
    [[nodiscard]] double seconds_per_sampled_row() const { return m_k.row_s + logits_seconds(); }

private:
    struct Stage {
        StageWeights weights;
        std::vector<Product> products;
    };

    [[nodiscard]] NumberType linear_type() const {
        return quantises_experts_only(m_c.shape, m_c.weights_type) ? NumberType::bf16 : m_c.weights_type;
    }
    [[nodiscard]] double kv_bytes_per_second() const {
        return m_c.gpu.bytes_per_second *
               (m_c.kv_type == NumberType::fp8 ? m_k.kv_bandwidth_8bit : m_k.kv_bandwidth);
    }
    [[nodiscard]] double attention_flops() const {
        return m_c.gpu.flops(NumberType::bf16) * m_k.attention_flops;
    }
    /// Of one layer.
    [[nodiscard]] double pair_seconds() const {
        const LlmShape& s = m_c.shape;
        const double width =
            s.mla ? s.mla->nope_head_dim + s.mla->rope_head_dim + s.mla->value_head_dim : 2.0 * s.head_dim;
        return 2.0 * width * s.attention_heads / m_c.tensor_parallel / attention_flops();
    }
    [[nodiscard]] bool has_filled_windows() const {
        return m_c.shape.sliding_window && m_c.shape.sliding_window->tokens <= filled_window;
    }
    [[nodiscard]] double layers_of_full_attention() const {
        return attention_layers(m_c.shape) - (has_filled_windows() ? m_c.shape.sliding_window->layers : 0);
    }
    /// Small windows: every decode row reads one window in each windowed layer.
    [[nodiscard]] double window_seconds(const StageWeights& w, int rows) const {
        if (m_c.shape.indexer)  // of all that the indexer looked at, its choice is read
            return static_cast<double>(rows) * w.attention_layers * m_c.shape.indexer->chosen_tokens *
                   static_cast<double>(m_c.layout.bytes_per_token()) / kv_bytes_per_second();
        if (!has_filled_windows()) return 0;
        const auto& window = *m_c.shape.sliding_window;
        const double layers = static_cast<double>(window.layers) * w.layers / m_c.shape.layers;
        return rows * layers * window.tokens * static_cast<double>(m_c.layout.bytes_per_token()) /
               kv_bytes_per_second();
    }
    /// What prefill attention costs per token whatever its position: whole tiles, and filled windows.
    [[nodiscard]] double chunk_seconds(const StageWeights& w, int tokens) const {
        double keys = m_k.attention_tile_tokens * w.attention_layers;
        if (has_filled_windows()) {
            const auto& window = *m_c.shape.sliding_window;
            keys += static_cast<double>(window.tokens) * window.layers * w.layers / m_c.shape.layers;
        }
        return tokens * keys * pair_seconds();
    }
    /// The fp32 logits of one row pass through memory about ten times (copy, softmax, sort or argmax).
    [[nodiscard]] double logits_seconds() const {
        return 40.0 * m_c.shape.vocabulary_size / m_c.gpu.bytes_per_second;
    }
    [[nodiscard]] double activation_bytes(double n) const { return 2.0 * n * m_c.shape.hidden_size; }

    [[nodiscard]] double stage_seconds(const Stage& stage, int tokens, int rows, bool decodes_only) const {
        const StageWeights& w = stage.weights;
        const auto captured = std::lower_bound(m_captured.begin(), m_captured.end(), tokens);
        const bool graph = captured != m_captured.end();
        const bool full = graph && decodes_only && m_full_graphs && *captured <= padded_limit();
        const int n = graph ? *captured : tokens;
        const double layer = full    ? m_k.layer_s
                             : graph ? m_k.layer_piecewise_s
                                     : m_k.layer_uncaptured_s * (m_eager ? 2 : 1);
        // The uncaptured time of an expert layer is that of prefills. Eager decodes pay the launches in it,
        // about a third: 94 eager layers of Qwen3-235B take 34 to 59 ms (H200, vLLM 0.12; aiconfigurator's
        // silicon sample, 2026-06).
        const double experts =
            graph ? m_k.expert_layer_s : m_k.expert_layer_uncaptured_s * (decodes_only ? 0.3 : 1);
        double seconds = w.layers * layer + w.routed_layers * experts;
        if (dense_is_narrow()) seconds += w.layers * m_k.narrow_layer_s;
        for (const Product& p : stage.products)
            seconds += p.layers * matrix_seconds(m_c.gpu, p.type == linear_type() ? m_dense : m_sixteen,
                                                 p.type, n, p.outputs, p.inputs);
        seconds += elementwise_seconds(w, n) + expert_seconds(w, n);
        seconds += decodes_only ? window_seconds(w, rows) : chunk_seconds(w, tokens);
        seconds += (w.other + w.absorbed) / (m_c.gpu.bytes_per_second * m_k.weight_bandwidth);
        seconds +=
            2.0 * w.layers * all_reduce_seconds(m_c.gpu, m_k, m_c.tensor_parallel, activation_bytes(n));
        if (&stage == &m_stages.back())
            seconds +=
                (w.head > 0 ? w.head : w.embedding) / (m_c.gpu.bytes_per_second * m_k.weight_bandwidth) +
                rows * seconds_per_sampled_row();
        return seconds;
    }
    [[nodiscard]] bool dense_is_narrow() const {
        const WeightKernel kernel = weight_kernel(linear_type(), m_c.gpu);
        return kernel == WeightKernel::eight_bit || kernel == WeightKernel::four_bit;
    }
    [[nodiscard]] int padded_limit() const {
        const auto at = std::lower_bound(m_captured.begin(), m_captured.end(), m_c.limits.max_num_seqs);
        return at == m_captured.end() ? m_c.limits.max_num_seqs : *at;
    }

    /// Norms with their residuals (8 widths read and written, twice), positions and the cache's rows, the
    /// MLP's activation; narrow kernels first write their inputs in the narrow type.
    [[nodiscard]] double elementwise_seconds(const StageWeights& w, double n) const {
        const LlmShape& s = m_c.shape;
        const double tp = m_c.tensor_parallel, query = s.attention_heads / tp * s.head_dim;
        const double mlp = s.intermediate_size / tp * w.dense_layers / w.layers;
        double bytes = 16.0 * s.hidden_size + 6 * query + 6 * mlp;
        if (dense_is_narrow()) bytes += 3 * (2.0 * s.hidden_size + query + mlp);
        return w.layers * n * bytes / (m_c.gpu.bytes_per_second * m_k.weight_bandwidth);
    }

    [[nodiscard]] double expert_seconds(const StageWeights& w, double n) const {
        if (w.routed_layers == 0) return 0;
        const MixtureOfExperts& moe = *m_c.shape.moe;
        const double groups = m_c.expert_groups;
        ExpertLayer layer;
        layer.hidden = m_c.shape.hidden_size;
        layer.matrices = m_c.shape.gated_mlp ? 3 : 2;
        const bool own_groups = m_c.weights_type == NumberType::int4 && m_c.shape.int4_bytes > 0;
        const double weight = own_groups ? m_c.shape.int4_bytes : bytes_per_weight(m_c.weights_type);
        layer.intermediate = w.one_expert / weight / layer.hidden / layer.matrices;
        layer.experts = moe.experts / groups;
        layer.chosen = static_cast<double>(moe.experts_per_token) / moe.experts;
        // Engines that share their experts step together: each meets the others' tokens.
        double seconds = experts_seconds(m_c.gpu, m_experts, m_c.weights_type, layer, n * groups,
                                         n * moe.experts_per_token);
        if (groups > 1)
            seconds += 2 * (all_reduce_seconds(m_c.gpu, m_k, 2, 0) +
                            (groups - 1) * activation_bytes(n) / link_bytes_per_second(m_c.gpu, m_k));
        return w.routed_layers * seconds;
    }

    const KvCapacity& m_c;
    StepTimeCoefficients m_k;
    KernelCoefficients m_dense, m_sixteen, m_experts;
    std::vector<Stage> m_stages;
    std::vector<int> m_captured;
    bool m_async = true;
    bool m_eager = false;
    bool m_full_graphs = true;
};

}  // namespace

StepCostTable step_cost_table(const KvCapacity& capacity, const StepTimeOptions& options) {
    const RankCost cost(capacity, options);
    StepCostTable table;
    table.decode_step.reserve(static_cast<std::size_t>(capacity.limits.max_num_seqs) + 1);
    for (int rows = 0; rows <= capacity.limits.max_num_seqs; ++rows)
        table.decode_step.push_back(rows == 0 ? Tick{} : from_seconds(cost.step(rows, rows, true)));
    table.mixed_step.reserve(static_cast<std::size_t>(capacity.limits.max_num_batched_tokens) + 1);
    const int most = capacity.limits.max_num_batched_tokens;
    table.mixed_step.push_back({});
    double before = 0;
    for (int tokens = 1; tokens <= most;) {
        const int next = tokens <= every_size ? tokens : std::min(tokens + size_grid - 1, most);
        const double seconds = cost.step(next, 0, false);
        for (const int from = tokens - 1; tokens <= next; ++tokens)
            table.mixed_step.push_back(
                from_seconds(before + (seconds - before) * (tokens - from) / (next - from)));
        before = seconds;
    }
    table.per_sampled_row = from_seconds(cost.seconds_per_sampled_row());
    const Tick per_token = from_seconds(cost.seconds_per_context_token());
    table.attention.push_back({0, Tick{}, per_token.count});
    table.prefill_ticks_per_pair_q16 =
        std::llround(cost.seconds_per_pair() * static_cast<double>(ticks_per_second) * 65536.0);
    return table;
}

}  // namespace windtunnel
