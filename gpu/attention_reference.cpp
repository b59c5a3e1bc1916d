#include "gpu/attention_reference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace windtunnel {
namespace {

std::uint32_t element(const void* from, FloatFormat format, std::int64_t index) {
    if (format == FloatFormat::e4m3) return static_cast<const std::uint8_t*>(from)[index];
    return static_cast<const std::uint16_t*>(from)[index];
}

/// One query row of one head.
class Row {
public:
    Row(const AttentionArgs& a, FloatFormat kv, int sequence, int query, int head)
        : m_a(a), m_kv(kv), m_sequence(sequence), m_kv_head(head / a.group()) {
        const int d = a.layout.head_dim;
        const std::int64_t at = (std::int64_t{a.query_starts[sequence] + query} * a.heads + head) * d;
        for (int i = 0; i < d; ++i)
            m_query.push_back(
                small_floats::to_float(a.query_format, element(a.queries, a.query_format, at + i)));
        m_sees = visible_tokens(a.lengths[sequence], a.queries_of(sequence), query, a.window);
    }

    void attend(double* out, double* weighted) const {
        std::vector<double> scores;
        double largest = -std::numeric_limits<double>::infinity(), total = 0;
        for (int token = m_sees.first; token <= m_sees.last; ++token) {
            scores.push_back(score(token));
            largest = std::max(largest, scores.back());
        }
        for (double& s : scores) total += s = std::exp(s - largest);
        for (std::size_t i = 0; i < scores.size(); ++i)
            for (int dim = 0; dim < m_a.layout.head_dim; ++dim) {
                const double v = value(m_sees.first + static_cast<int>(i), dim), weight = scores[i] / total;
                out[dim] += weight * v;
                weighted[dim] += weight * std::abs(v);
            }
    }

private:
    [[nodiscard]] std::int64_t key_at(int token) const {
        const KvBlockLayout& l = m_a.layout;
        const std::int64_t block = m_a.block_table[m_sequence * m_a.table_stride + token / l.block_size];
        return l.key_offset(block, token % l.block_size, m_kv_head);
    }
    [[nodiscard]] double stored(std::int64_t at) const {
        return small_floats::to_float(m_kv, element(m_a.pool, m_kv, at));
    }
    [[nodiscard]] double score(int token) const {
        double dot = 0;
        for (int i = 0; i < m_a.layout.head_dim; ++i)
            dot += m_query[static_cast<std::size_t>(i)] * stored(key_at(token) + i);
        dot *= static_cast<double>(m_a.scale) * m_a.key_scale(m_kv_head);
        return m_a.soft_cap > 0 ? m_a.soft_cap * std::tanh(dot / m_a.soft_cap) : dot;
    }
    [[nodiscard]] double value(int token, int dim) const {
        return stored(key_at(token) + m_a.layout.value_offset() + dim) * m_a.value_scale(m_kv_head);
    }

    const AttentionArgs& m_a;
    FloatFormat m_kv;
    int m_sequence, m_kv_head;
    std::vector<double> m_query;
    VisibleTokens m_sees;
};

}  // namespace

std::vector<double> reference_attention(const AttentionArgs& a, FloatFormat kv_format, int sequences,
                                        std::vector<double>* weight_of_values) {
    const std::size_t row = static_cast<std::size_t>(a.layout.head_dim),
                      size = static_cast<std::size_t>(a.query_starts[sequences]) *
                             static_cast<std::size_t>(a.heads) * row;
    std::vector<double> out(size), weighted(size);
    for (int s = 0; s < sequences; ++s)
        for (int query = 0; query < a.queries_of(s); ++query)
            for (int head = 0; head < a.heads; ++head) {
                const std::size_t at =
                    static_cast<std::size_t>((a.query_starts[s] + query) * a.heads + head) * row;
                Row(a, kv_format, s, query, head).attend(&out[at], &weighted[at]);
            }
    if (weight_of_values) *weight_of_values = std::move(weighted);
    return out;
}

double attention_tolerance(FloatFormat kv_format, FloatFormat query_format, double weighted_values) {
    const auto half_unit = [](FloatFormat f) { return f == FloatFormat::bf16 ? 0x1p-8 : 0x1p-11; };
    return weighted_values * (half_unit(kv_format) + half_unit(query_format) + 0x1p-14) + 1e-6;
}

}  // namespace windtunnel
