#pragma once
#include "gpu/attention_block.hpp"

#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// What a call is planned for.
struct AttentionSequence {
    std::int32_t length = 0;   ///< tokens in the cache, the new ones included
    std::int32_t queries = 1;  ///< new tokens: 1 in a decode
};
struct AttentionProblem {
    FloatFormat kv_format = FloatFormat::bf16;
    KvBlockLayout layout;
    std::int32_t heads = 0;
    std::int32_t window = 0;
    std::vector<AttentionSequence> sequences;
};
/// The machine that a plan fills.
struct AttentionMachine {
    int multiprocessors = 132;
    int blocks_per_multiprocessor = 3;  ///< thread blocks of the kernel that are resident at once
    int least_tiles = 16;               ///< of a split: below, its start and end cost more than it spares
};

/// The kernel and the work list of one call.
struct AttentionPlan {
    int column_tiles = 1;  ///< of the kernel: 1 or 2
    WarpSharing sharing = WarpSharing::split;
    int item_columns = 8;
    std::vector<AttentionItem> items;  ///< the longest first
    std::vector<AttentionCombine> combines;
    int partials = 0;

    [[nodiscard]] std::int64_t partial_out_floats(const KvBlockLayout& l) const {
        return std::int64_t{partials} * l.kv_heads * item_columns * l.head_dim;
    }
    [[nodiscard]] std::int64_t partial_lse_floats(const KvBlockLayout& l) const {
        return std::int64_t{partials} * l.kv_heads * item_columns;
    }
};

/// Why the kernel cannot do it: "found head_dim 80, allowed: 64, 96, 128, 256"; empty when it can.
[[nodiscard]] std::string attention_refusal(const AttentionProblem& problem);

/// Splits the sequences' visible tiles into items of about equal length so that the machine is busy to the
/// end. `tiles_per_item` overrides the choice (tests).
[[nodiscard]] AttentionPlan plan_attention(const AttentionProblem& problem, const AttentionMachine& machine,
                                           std::optional<int> tiles_per_item = std::nullopt);

/// What a call is expected to take with items of at most `tiles` tiles, in units of a tile read at a resident
/// block's fair share of the bandwidth.
[[nodiscard]] double attention_cost(const AttentionProblem& problem, const AttentionPlan& kernel,
                                    const AttentionMachine& machine, int tiles);

}  // namespace windtunnel
