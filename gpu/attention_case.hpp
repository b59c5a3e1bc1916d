#pragma once
#include "gpu/attention_plan.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace windtunnel {

/// A call of attention with everything it needs in host memory, for checks and timings: a shuffled pool whose
/// unused slots and blocks are full of NaN, and a block table that is invalid behind each sequence's end.
struct AttentionCase {
    AttentionProblem problem;
    float scale = 1, soft_cap = 0;
    FloatFormat query_format = FloatFormat::bf16;
    int shared_blocks = 0;  ///< first blocks that all sequences that are long enough have in common
    std::uint64_t seed = 1;
    float spread = 1;  ///< standard deviation of the queries

    std::vector<std::uint16_t> queries;
    std::vector<std::byte> pool;
    std::vector<std::int32_t> block_table, lengths, query_starts;
    std::vector<float> key_scales, value_scales;
    std::int64_t table_stride = 0, blocks = 0;

    /// Fills what lies below `spread`.
    void build();
    /// ... all but the pool and the numbers in the queries, which are zeros (timings make them on the GPU).
    void build_index();
    /// Pointers to the above.
    [[nodiscard]] AttentionArgs args() const;
    [[nodiscard]] std::size_t out_elements() const;
    /// "e4m3 D128 32/8 heads block 16 window 100 cap 30, 3 sequences to 257".
    [[nodiscard]] std::string words() const;
};

/// The i-th of a series of cases that cover formats, head dims, groups, block sizes, windows, caps, scales
/// and the lengths that break kernels (0, 1, 15 to 17, around a split's border), at random. `most_tokens`
/// bounds the work.
[[nodiscard]] AttentionCase random_attention_case(std::uint64_t i, int most_tokens);

}  // namespace windtunnel
