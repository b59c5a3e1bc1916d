#pragma once
#include "models/blob_span.hpp"
#include "models/step_cost.hpp"

#include <cstdint>

namespace windtunnel {

/// A vLLM-like engine as the blueprint holds it: scheduler limits, KV pool and step costs, all integers.
struct ServerConfig {
    std::int32_t max_num_seqs = 1;
    std::int32_t max_num_batched_tokens = 1;  ///< at least max_num_seqs (vLLM refuses otherwise)
    std::int32_t block_size = 16;             ///< tokens
    std::int32_t max_model_len = 0;           ///< tokens; its blocks fit the pool (checked when compiled)
    std::int64_t usable_blocks = 0;           ///< of the KV pool, without the null block
    std::int64_t watermark_blocks = 0;  ///< kept free at admission while anything runs (vllm.md 1.14 ii)
    std::uint8_t chunked_prefill = 1;
    std::uint8_t reserve_full_sequence = 0;  ///< admission guard of vLLM 0.19+ (vllm.md 1.14 i)
    std::uint8_t extra_cuts = 0;             ///< tests only: every arrival cuts a jump. Law: changes nothing
    std::uint8_t prefix_caching = 0;         ///< blocks are found again by what they hold (vllm.md, section 2)
    std::uint8_t padding[4] = {};
    Tick per_sampled_row;
    std::int64_t prefill_ticks_per_pair_q16 = 0;
    BlobSpan<Tick> decode_step;          ///< [0 .. max_num_seqs], see StepCostTable
    BlobSpan<Tick> mixed_step;           ///< [0 .. max_num_batched_tokens]
    BlobSpan<ContextSegment> attention;  ///< ascending in from_tokens, the first from 0

    [[nodiscard]] WT_HD std::int64_t blocks_for(std::int64_t tokens) const {
        return static_cast<std::int64_t>(
            (static_cast<std::uint32_t>(tokens) + static_cast<std::uint32_t>(block_size) - 1) /
            static_cast<std::uint32_t>(block_size));
    }
    /// The attention segment that a batch with `context` tokens is in.
    [[nodiscard]] WT_HD std::uint32_t segment_of(std::int64_t context) const {
        std::uint32_t i = 0;
        while (i + 1 < attention.count && attention[i + 1].from_tokens <= context) ++i;
        return i;
    }
    [[nodiscard]] WT_HD Tick attention_time(std::int64_t context) const {
        const ContextSegment& s = attention[segment_of(context)];
        return {s.at_from.count + s.ticks_per_token * (context - s.from_tokens)};
    }
    /// A step that holds prefill chunks: `tokens` scheduled in all, `pairs` query-key pairs of the chunks,
    /// `rows` that sample a token, `context` tokens of the decodes (0 when there are none).
    [[nodiscard]] WT_HD Tick mixed_step_time(std::int64_t tokens, std::int64_t rows, std::int64_t pairs,
                                             std::int64_t context) const {
        Tick t = mixed_step[static_cast<std::size_t>(tokens)];
        t.count += per_sampled_row.count * rows + ((pairs * prefill_ticks_per_pair_q16) >> 16);
        if (context > 0) t += attention_time(context);
        return t;
    }
};

/// What vLLM's gauges and counters show: set at step boundaries, so a reading between two shows the last.
struct ServerGauges {
    std::int64_t running = 0;
    std::int64_t waiting = 0;
    std::int64_t used_blocks = 0;
    std::uint64_t prompt_tokens = 0;  ///< counted when a request's first token is made
    std::uint64_t generation_tokens = 0;
    std::uint64_t preemptions = 0;
    std::uint64_t prefix_queries = 0;  ///< prompt tokens of requests admitted for the first time, with prefix caching
    std::uint64_t prefix_hits = 0;     ///< of these, found in the cache
    Tick busy;  ///< time spent in steps, up to the reading

    bool operator==(const ServerGauges&) const = default;
};

}  // namespace windtunnel
