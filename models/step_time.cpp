#include "models/step_time.hpp"

#include "models/llm_weights.hpp"

#include <algorithm>
#include <cmath>

namespace windtunnel {
namespace {

/// Windows up to this are taken as filled; longer ones as full attention (see step_cost_table).
constexpr int filled_window = 1024;

/// Two resources used at once: the larger, rounded where they are near each other (tiles that wait for
/// either). The exponent 4 keeps the excess at 19 % where both are equal and below 2 % from twice on.
double overlapped(double a, double b) { return std::pow(std::pow(a, 4) + std::pow(b, 4), 0.25); }

/// What one rank of each stage spends, in seconds, before anything is rounded.
class RankCost {
public:
    RankCost(const KvCapacity& c, const StepTimeOptions& o)
        : m_c(c), m_k(o.coefficients ? *o.coefficients : step_time_coefficients(c.gpu)) {
        const ModelParallelism parallelism{c.tensor_parallel, c.pipeline_parallel};
        for (int stage = 0; stage < c.pipeline_parallel; ++stage)
            m_stages.push_back(stage_weights(c.shape, c.weights_type, parallelism, stage));
        m_async = o.asynchronous_scheduling.value_or(c.profile.asynchronous_scheduling);
        m_eager = o.enforce_eager;
        m_full_graphs = o.full_graphs.value_or(c.profile.full_graphs);
        if (!m_eager) m_captured = captured_batch_sizes(c.profile, c.limits, o.max_cudagraph_capture_size);
    }

    /// Seconds of a step of n tokens, of which `rows` are decodes and sampled; nothing that depends on
    /// context.
    [[nodiscard]] double step(int tokens, int rows, bool decodes_only) const {
        const int pp = m_c.pipeline_parallel;
        const int n = (tokens + pp - 1) / pp, r = (rows + pp - 1) / pp;
        double gpu = 0;
        for (const StageWeights& w : m_stages) gpu += stage_seconds(w, n, r, decodes_only);
        if (pp > 1) gpu += (pp - 1) * (m_k.all_reduce_s + activation_bytes(n) / link());
        gpu += m_k.step_s;
        const double host = m_k.host_step_s + m_k.host_row_s * rows;
        return m_async ? std::max(gpu, host) + m_k.host_overlapped_s : gpu + host;
    }

    /// Seconds per decode token of context in layers of full attention.
    [[nodiscard]] double seconds_per_context_token() const {
        return layers_of_full_attention() * static_cast<double>(m_c.layout.bytes_per_token()) /
               (m_c.gpu.bytes_per_second * m_k.kv_bandwidth) / m_c.pipeline_parallel;
    }
    /// Seconds per query-key pair of a prefill chunk, over all layers.
    [[nodiscard]] double seconds_per_pair() const {
        const LlmShape& s = m_c.shape;
        const double width =
            s.mla ? s.mla->nope_head_dim + s.mla->rope_head_dim + s.mla->value_head_dim : 2.0 * s.head_dim;
        const double flops =
            2.0 * width * s.attention_heads / m_c.tensor_parallel * layers_of_full_attention();
        return flops / (m_c.gpu.flops(NumberType::bf16) * m_k.attention_flops) / m_c.pipeline_parallel;
    }
    [[nodiscard]] double seconds_per_sampled_row() const { return m_k.row_s + logits_seconds(); }

private:
    [[nodiscard]] double layers_of_full_attention() const {
        const auto& window = m_c.shape.sliding_window;
        return m_c.shape.layers - (window && window->tokens <= filled_window ? window->layers : 0);
    }
    /// Small windows: every row reads one window in each windowed layer.
    [[nodiscard]] double window_seconds(const StageWeights& w, int rows) const {
        const auto& window = m_c.shape.sliding_window;
        if (!window || window->tokens > filled_window) return 0;
        const double layers = static_cast<double>(window->layers) * w.layers / m_c.shape.layers;
        return rows * layers * window->tokens * static_cast<double>(m_c.layout.bytes_per_token()) /
               (m_c.gpu.bytes_per_second * m_k.kv_bandwidth);
    }
    /// The fp32 logits of one row pass through memory about ten times (copy, softmax, sort or argmax).
    [[nodiscard]] double logits_seconds() const {
        return 40.0 * m_c.shape.vocabulary_size / m_c.gpu.bytes_per_second;
    }
    [[nodiscard]] double activation_bytes(int n) const { return 2.0 * n * m_c.shape.hidden_size; }
    [[nodiscard]] double link() const {
        // One direction of NVLink; PCIe 3, 4, 5 x16 carry 16, 32, 64 GB/s one way.
        const double one_way = m_c.gpu.link_bytes_per_second > 0
                                   ? m_c.gpu.link_bytes_per_second / 2
                                   : 16e9 * std::pow(2.0, m_c.gpu.pcie_generation - 3);
        return one_way * m_k.link_bandwidth;
    }
    /// Whether products of weights of this type run faster than in 16 bits on this GPU.
    [[nodiscard]] bool narrow_arithmetic(NumberType type) const {
        return is_quantised(type) && m_c.gpu.flops(type) > m_c.gpu.flops(NumberType::bf16);
    }

    [[nodiscard]] double stage_seconds(const StageWeights& w, int tokens, int rows, bool decodes_only) const {
        const auto captured = std::lower_bound(m_captured.begin(), m_captured.end(), tokens);
        const bool graph = captured != m_captured.end();
        const bool full = graph && decodes_only && m_full_graphs && *captured <= padded_limit();
        const int n = graph ? *captured : tokens;
        const double layer = full    ? m_k.layer_s
                             : graph ? m_k.layer_piecewise_s
                                     : m_k.layer_uncaptured_s * (m_eager ? 2 : 1);
        const double experts = graph ? m_k.expert_layer_s : m_k.expert_layer_uncaptured_s * (m_eager ? 2 : 1);
        double seconds = w.layers * layer + w.routed_layers * experts;
        if (narrow_arithmetic(m_c.weights_type)) seconds += w.layers * m_k.narrow_layer_s;
        seconds += linear_seconds(w, n) + expert_seconds(w, n) + window_seconds(w, rows);
        const int tp = m_c.tensor_parallel;
        if (tp > 1) {
            const double one = latency() + 2.0 * (tp - 1) / tp * activation_bytes(n) / link();
            seconds += 2.0 * w.layers * one;
        }
        if (w.head > 0 || &w == &m_stages.back()) seconds += rows * seconds_per_sampled_row();
        return seconds;
    }
    [[nodiscard]] int padded_limit() const {
        const auto at = std::lower_bound(m_captured.begin(), m_captured.end(), m_c.limits.max_num_seqs);
        return at == m_captured.end() ? m_c.limits.max_num_seqs : *at;
    }
    /// Without NVLink there is no custom all-reduce: NCCL over PCIe starts in about three times the time.
    [[nodiscard]] double latency() const {
        return m_k.all_reduce_s * (m_c.gpu.link_bytes_per_second > 0 ? 1 : 3);
    }

    [[nodiscard]] double linear_seconds(const StageWeights& w, int n) const {
        const double read = w.read_every_step / (m_c.gpu.bytes_per_second * m_k.weight_bandwidth);
        const bool experts_only = m_c.shape.moe && (m_c.weights_type == NumberType::mxfp4 ||
                                                    (m_c.weights_type == NumberType::int4 && m_c.shape.mla));
        const NumberType type = experts_only ? NumberType::bf16 : m_c.weights_type;
        const double peak = m_c.gpu.flops(type) * (narrow_arithmetic(type) ? m_k.gemm_8bit : m_k.gemm_16bit);
        const double parameters = (w.attention + w.dense_mlp) / bytes_per_weight(type);
        return overlapped(read, 2.0 * parameters * n / peak);
    }
    [[nodiscard]] double expert_seconds(const StageWeights& w, int n) const {
        if (w.routed_layers == 0) return 0;
        const MixtureOfExperts& moe = *m_c.shape.moe;
        const double chosen = static_cast<double>(moe.experts_per_token) / moe.experts;
        const double touched = moe.experts * (1 - std::pow(1 - chosen, n));
        const double read =
            w.routed_layers * touched * w.one_expert / (m_c.gpu.bytes_per_second * m_k.weight_bandwidth);
        // Each expert's rows are padded to tiles of 64: half a tile is wasted, or at most as much again.
        const double copies = static_cast<double>(n) * moe.experts_per_token;
        const double rows = copies + std::min(32.0 * touched, copies);
        const double share = narrow_arithmetic(m_c.weights_type) ? m_k.gemm_experts : m_k.gemm_experts_16bit;
        const double parameters = w.routed_layers * w.one_expert / bytes_per_weight(m_c.weights_type);
        return overlapped(read, 2.0 * parameters * rows / (m_c.gpu.flops(m_c.weights_type) * share));
    }

    const KvCapacity& m_c;
    StepTimeCoefficients m_k;
    std::vector<StageWeights> m_stages;
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
    for (int tokens = 0; tokens <= capacity.limits.max_num_batched_tokens; ++tokens)
        table.mixed_step.push_back(tokens == 0 ? Tick{} : from_seconds(cost.step(tokens, 0, false)));
    table.per_sampled_row = from_seconds(cost.seconds_per_sampled_row());
    const Tick per_token = from_seconds(cost.seconds_per_context_token());
    table.attention.push_back({0, Tick{}, per_token.count});
    table.prefill_ticks_per_pair_q16 =
        std::llround(cost.seconds_per_pair() * static_cast<double>(ticks_per_second) * 65536.0);
    return table;
}

}  // namespace windtunnel
