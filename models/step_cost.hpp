#pragma once
#include "models/time.hpp"

#include <cstdint>
#include <vector>

namespace windtunnel {

/// Decode attention costs `at_from + ticks_per_token * (S - from_tokens)` while the batch holds S context
/// tokens, from_tokens <= S < the next segment's from_tokens.
struct ContextSegment {
    std::int64_t from_tokens = 0;
    Tick at_from;
    std::int64_t ticks_per_token = 0;
};

/// What one engine step costs, in integers; made once per (model, GPU, parallelism, dtypes, engine flags)
/// by the step-time model (models/step_time.hpp) and copied into the blueprint.
///
/// A step that holds only decodes (B rows, S context tokens in all, each row's new token counted):
///     decode_step[B] + attention(S)
/// A step that also holds prefill chunks (n scheduled tokens in all, decodes included; a chunk of c tokens
/// behind p computed ones has c*p + c*(c+1)/2 query-key pairs):
///     mixed_step[n] + sampled_rows * per_sampled_row + attention(S of the decodes)
///                   + (pairs * prefill_ticks_per_pair_q16 >> 16)
/// The tables hold everything that does not depend on context: linear layers (padded to captured graph
/// sizes where graphs are on), all-reduce, sampling, host overhead.
struct StepCostTable {
    std::vector<Tick> decode_step;  ///< [0 .. max_num_seqs]
    std::vector<Tick> mixed_step;   ///< [0 .. max_num_batched_tokens]
    Tick per_sampled_row;
    std::vector<ContextSegment> attention;  ///< at least one, the first from 0, ascending; continuous
    std::int64_t prefill_ticks_per_pair_q16 = 0;
};

}  // namespace windtunnel
