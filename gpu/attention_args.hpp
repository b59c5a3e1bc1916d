#pragma once
#include "gpu/small_floats.hpp"
#include "models/kv_layout.hpp"

#include <cstddef>
#include <cstdint>

namespace windtunnel {

/// Tokens of one tile: what one matrix instruction takes. Block sizes are multiples of it, by a power of two.
inline constexpr int attention_tile = 16;

/// Part of the work: `tiles` tiles of a sequence's keys and values from `first_tile` on, for the columns from
/// `column` on. A column is one query row of one head: of the q new tokens and the G query heads that share a
/// KV head, column c is token c / G, head c % G.
struct AttentionItem {
    std::int32_t sequence = 0;
    std::int32_t column = 0;
    std::int32_t first_tile = 0;
    std::int32_t tiles = 0;
    std::int32_t partial = -1;  ///< where the partial result goes; -1: this is all, the result is written
};
/// Partial results of the same columns, to be made one.
struct AttentionCombine {
    std::int32_t sequence = 0;
    std::int32_t column = 0;
    std::int32_t first_partial = 0;
    std::int32_t partials = 0;
};

/// One call of attention over the paged cache of one layer. All pointers are of the side that computes;
/// queries, out and pool are aligned by 16 bytes.
///
/// Sequence s holds `lengths[s]` tokens, of which the last query_starts[s+1] - query_starts[s] are new: their
/// rows of `queries` and `out` ([query tokens][heads][head_dim]) begin at query_starts[s]. Token t of it lies
/// in block block_table[s * table_stride + t / block_size]. A token sees those up to itself; with `window` >
/// 0 only the last `window` of them, itself included. scores = soft_cap * tanh(q k scale / soft_cap) when
/// soft_cap > 0. e4m3 elements stand for element * scale of their KV head.
struct AttentionArgs {
    const void* queries = nullptr;
    void* out = nullptr;
    const std::byte* pool = nullptr;
    const std::int32_t* block_table = nullptr;
    std::int64_t table_stride = 0;
    const std::int32_t* lengths = nullptr;
    const std::int32_t* query_starts = nullptr;
    const float* key_scales = nullptr;    ///< [kv_heads]; null: 1
    const float* value_scales = nullptr;  ///< [kv_heads]; null: 1
    const AttentionItem* items = nullptr;
    const AttentionCombine* combines = nullptr;
    float* partial_out = nullptr;  ///< [partials][kv_heads][columns of an item][head_dim], normalised
    float* partial_lse =
        nullptr;  ///< [partials][kv_heads][columns of an item]: log2 of the sum of exponentials
    KvBlockLayout layout;
    std::int32_t heads = 0;  ///< a multiple of layout.kv_heads
    std::int32_t window = 0;
    float scale = 1;
    float soft_cap = 0;
    FloatFormat query_format =
        FloatFormat::bf16;  ///< of queries and out; the cache's own unless that is e4m3

    WT_HD int group() const { return heads / layout.kv_heads; }
    WT_HD int tiles_per_block() const { return layout.block_size / attention_tile; }
    WT_HD int queries_of(int sequence) const { return query_starts[sequence + 1] - query_starts[sequence]; }
    WT_HD int columns_of(int sequence) const { return queries_of(sequence) * group(); }
    WT_HD float key_scale(int kv_head) const { return key_scales ? key_scales[kv_head] : 1.0f; }
    WT_HD float value_scale(int kv_head) const { return value_scales ? value_scales[kv_head] : 1.0f; }
    /// Element index of a column's row in `queries` and `out`.
    WT_HD std::int64_t row_of(int sequence, int kv_head, int column) const {
        const int g = group();
        const std::int64_t token = query_starts[sequence] + column / g;
        return (token * heads + kv_head * g + column % g) * layout.head_dim;
    }
};

/// The tokens that one column sees: first to last, both included; none when last < first.
struct VisibleTokens {
    std::int32_t first = 0;
    std::int32_t last = -1;
};
WT_HD inline VisibleTokens visible_tokens(int length, int queries, int query, int window) {
    const int last = length - queries + query;
    const int first = window > 0 && last - window + 1 > 0 ? last - window + 1 : 0;
    return {first, last};
}

}  // namespace windtunnel
