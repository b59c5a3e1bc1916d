#pragma once
#include "gpu/attention_block.hpp"

#include <cstdint>

/// Before a loop of a kernel whose arrays must stay in registers, and before one that must not take more of
/// them than two turns need.
#if defined(__CUDACC__)
#define WT_UNROLL _Pragma("unroll")
#define WT_UNROLL_TWO _Pragma("unroll 2")
#else
#define WT_UNROLL
#define WT_UNROLL_TWO
#endif

namespace windtunnel {

/// Query rows of a prefill's thread block: each of its warps has 32, or 16 of 256 dims, whose sums fill the
/// registers.
WT_HD constexpr int prefill_rows(int head_dim) { return (head_dim == 256 ? 16 : 32) * attention_warps; }

/// The constants of one prefill kernel. A thread block has `rows` query rows (columns of an item: new tokens
/// and the heads that share a KV head), each warp its own 16 or 32; keys and values come in steps of
/// `step_tokens` through shared memory:
/// [rows queries][step keys][step values], 16 bits each, for e4m3 the step as it lies in the cache, and
/// `warp_notes` words of notes per warp.
template <FloatFormat format, int dims>
struct PrefillKind {
    static constexpr FloatFormat kv_format = format;
    static constexpr bool narrow = format == FloatFormat::e4m3, bf16 = format == FloatFormat::bf16;
    static constexpr int head_dim = dims;
    static constexpr int rows = prefill_rows(dims), warp_rows = rows / attention_warps,
                         row_tiles = warp_rows / 16;
    static constexpr int step_tokens = dims == 256 ? 32 : 64, step_tiles = step_tokens / attention_tile,
                         token_tiles = step_tokens / 8, dim_tiles = dims / 8;
    /// Rows of a step that one warp copies: a run of the cache, never across a block's border.
    static constexpr int copied_rows = step_tokens / attention_warps;
    static_assert(attention_tile % copied_rows == 0);
    static constexpr int pieces = dims / 8,  ///< of 16 bytes, in a row of 16-bit elements
        row_bytes = 2 * dims, cache_row_bytes = narrow ? dims : 2 * dims;
    /// ... of 16 bytes, that each lane copies of a step's keys, or values.
    static constexpr int lane_pieces = copied_rows * cache_row_bytes / 16 / 32;
    static_assert(lane_pieces * 32 * 16 == copied_rows * cache_row_bytes);
    static constexpr std::uint32_t keys_at = rows * row_bytes, values_at = keys_at + step_tokens * row_bytes,
                                   cache_at = values_at + step_tokens * row_bytes,
                                   notes_at = cache_at + (narrow ? step_tokens * dims : 0);
    static constexpr int warp_notes = 12;
    static constexpr int shared_bytes = static_cast<int>(notes_at) + attention_warps * warp_notes * 4;
};

/// Where 16 bytes lie in a matrix of shared memory, from its start. Rows follow each other; their pieces are
/// exchanged so that the same piece of 8 neighbouring rows, which one matrix load takes, is in 8 different of
/// the 8 groups of banks. Rows of 192 bytes begin in two of the groups: two bits of the row tell them apart.
template <class Kind>
WT_HD constexpr std::uint32_t piece_at(unsigned row, unsigned piece) {
    const unsigned turn = Kind::pieces % 8 == 0 ? row % 8 : row / 2 % 4;
    return row * Kind::row_bytes + (piece ^ turn) * 16;
}

/// Offsets that the lanes of a warp name for four 8 x 8 matrices at once (`ldmatrix.x4`), elements 0 to 15 of
/// 16 rows; lane l names row l % 8 of matrix l / 8. As A of a product, or to be transposed and be B of two
/// products (elements 0 to 7, and 8 to 15): upper and lower rows, then the next 8 elements of both.
template <class Kind>
WT_HD constexpr std::uint32_t upper_and_lower_rows(unsigned lane) {
    return piece_at<Kind>(lane % 16, lane / 16);
}
/// ... as B of two products (8 rows each): both halves of the elements for the first rows, then for the
/// second.
template <class Kind>
WT_HD constexpr std::uint32_t left_and_right_halves(unsigned lane) {
    return piece_at<Kind>(lane % 8 + lane / 16 * 8, lane / 8 % 2);
}
/// Such an offset for elements 16 k to 16 k + 15, and for rows from 8 n on: one exclusive or, and a constant.
template <class Kind>
WT_HD constexpr std::uint32_t moved(std::uint32_t place, int k, int n) {
    constexpr unsigned span = Kind::pieces % 8 == 0 ? 128 : 64;
    const auto bytes = static_cast<unsigned>(k) * 32;
    return (place ^ bytes % span) + (bytes / span * span + static_cast<unsigned>(n) * 8 * Kind::row_bytes);
}

}  // namespace windtunnel
