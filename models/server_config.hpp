#pragma once
#include "models/blob_span.hpp"
#include "models/step_cost.hpp"

#include <cstdint>

namespace windtunnel {

/// How long an engine sleeps that scheduled nothing while it holds requests (vllm.md 1.13.12): by priority, a sequence
/// that gives way to those behind it ends the walk before they have had their turn.
inline constexpr Tick pause_after_nothing{ticks_per_millisecond};

/// What a replica is, from the outside.
enum class ReplicaKind : std::uint8_t {
    continuous,    ///< a vLLM-like engine: who comes joins the sequences that run
    whole_batches  ///< requests in batches that begin and end together
};

/// A vLLM-like engine as the blueprint holds it: scheduler limits, KV pool and step costs, all integers.
struct ServerConfig {
    std::int32_t max_num_seqs = 1;
    std::int32_t max_num_batched_tokens = 1;  ///< at least max_num_seqs (vLLM refuses otherwise)
    std::int32_t block_size = 16;             ///< tokens
    std::int32_t max_model_len = 0;           ///< tokens; its blocks fit the pool (checked when compiled)
    // Layers of one kind share block tables: each group takes a block for the same tokens, and those with a window
    // give back what has left it (vllm.md 2.7, 3.9).
    std::int32_t full_groups = 1, window_groups = 0;
    std::int32_t window_tokens = 0;
    std::int64_t usable_blocks = 0;           ///< of the KV pool, without the null block
    std::int64_t watermark_blocks = 0;  ///< kept free at admission while anything runs (vllm.md 1.14 ii)
    std::uint8_t chunked_prefill = 1;
    std::uint8_t reserve_full_sequence = 0;  ///< admission guard of vLLM 0.19+ (vllm.md 1.14 i)
    std::uint8_t extra_cuts = 0;             ///< tests only: every arrival cuts a jump. Law: changes nothing
    std::uint8_t prefix_caching = 0;         ///< blocks are found again by what they hold (vllm.md, section 2)
    std::uint8_t asynchronous = 0;  ///< a step is scheduled while the one before it runs (vllm.md 1.13)
    std::uint8_t by_priority = 0;   ///< queue and preemption by (priority, arrival) instead of first come, first served
    std::uint8_t prefill_first = 0;  ///< vLLM's V0: a step admits whole prompts, or gives tokens if it can admit none
    ReplicaKind kind = ReplicaKind::continuous;
    std::int32_t long_prefill_threshold = 0;  ///< tokens that a prompt gets in a step at most; 0 = no such limit
    std::int32_t draft_tokens = 0;            ///< speculative decoding: tokens proposed for each sequence and step
    std::uint32_t acceptance_q32 = 0;         ///< that the next of them is accepted when those before it are; 2^32 = 1
    std::int32_t lookahead_tokens = 0;        ///< slots that a running sequence asks for behind its tokens (2.10)
    Tick per_sampled_row;
    std::int64_t prefill_ticks_per_pair_q16 = 0;
    std::int32_t pipeline_stages = 1;  ///< which a batch passes one after the other, each an equal share of its time
    std::int32_t data_parallel = 1;  ///< engines behind one front end, each with all of the above
    // Of whole batches of up to max_num_seqs requests.
    std::int32_t instances = 1;       ///< that take batches at the same time
    std::int32_t capacity_milli = 1000;  ///< of what they share, in thousandths of what one can use
    std::uint8_t delay_from_pick = 0;  ///< the queue's delay counts from when an instance was free, not from the arrival
    std::uint8_t timed = 0;            ///< a batch takes batch_base + size * batch_request + tokens * batch_token
    std::uint8_t swaps = 0;            ///< V0: who gives way keeps its blocks, in up to `swap_blocks` of the host's memory
    std::uint8_t hands_over = 0;  ///< of a prefill server: requests that have ended keep their blocks until they are read
    std::uint8_t receives = 0;    ///< of a decode server: prompts' KV comes from others
    std::uint8_t drops_last_hit = 0;  ///< EAGLE and MTP: the last cached block is computed anew (2.4), but for one's own after a preemption
    std::uint8_t padding[6] = {};
    std::int64_t swap_blocks = 0;
    Tick swap_block_time;              ///< one block over the bus
    std::int64_t kv_block_bytes = 0;  ///< of a block, on all its GPUs together, where KV moves between servers
    Tick queue_delay;                  ///< how long the oldest waits for others
    Tick batch_base, batch_request, batch_token;
    // Of the front end's one thread, where its CPUs are few enough to matter; all zero = they are not.
    Tick front_request, front_prompt_token, front_output_token;
    Tick host_wait;  ///< of each step, how long its GPU waits for that CPU
    BlobSpan<std::int32_t> preferred_sizes;  ///< of batches
    BlobSpan<Tick> decode_step;          ///< [0 .. max_num_seqs], see StepCostTable
    BlobSpan<Tick> mixed_step;           ///< [0 .. max_num_batched_tokens]
    BlobSpan<ContextSegment> attention;  ///< ascending in from_tokens, the first from 0

    [[nodiscard]] WT_HD std::int64_t blocks_for(std::int64_t tokens) const {
        return static_cast<std::int64_t>(
            (static_cast<std::uint32_t>(tokens) + static_cast<std::uint32_t>(block_size) - 1) /
            static_cast<std::uint32_t>(block_size));
    }
    [[nodiscard]] WT_HD std::int32_t groups() const { return full_groups + window_groups; }
    /// Blocks of each windowed group that a sequence has no use for when `computed` of its tokens are.
    [[nodiscard]] WT_HD std::int64_t outside_window(std::int64_t computed) const {
        return computed < window_tokens ? 0 : (computed + 1 - window_tokens) / block_size;
    }
    /// The most blocks of a windowed group that a sequence of `tokens` holds at any time, the first `left` apart.
    [[nodiscard]] WT_HD std::int64_t most_in_window(std::int64_t tokens, std::int64_t left = 0) const {
        const std::int64_t all = blocks_for(tokens) - left;
        const std::int64_t inside = blocks_for(std::int64_t{window_tokens} - 1 + max_num_batched_tokens) + 1;
        return all < inside ? all : inside;
    }
    /// ... over all groups, when `cached` tokens of it are found.
    [[nodiscard]] WT_HD std::int64_t most_blocks(std::int64_t tokens, std::int64_t cached = 0) const {
        return full_groups * blocks_for(tokens) + window_groups * most_in_window(tokens, outside_window(cached));
    }
    /// Whether a running sequence can be left out of a step, so that which one is matters.
    [[nodiscard]] WT_HD bool in_turn() const {
        return by_priority != 0 || long_prefill_threshold > 0 || draft_tokens > 0 || pipeline_stages > 1 ||
               window_groups > 0;
    }
    /// Whether who finds a chain of cached blocks may find blocks of several prompts in it, so that each job lists its own
    /// (models/block_cache.hpp).
    [[nodiscard]] WT_HD bool lists_blocks() const {
        return prefix_caching != 0 && window_groups == 0 && (long_prefill_threshold > 0 || receives != 0 || drops_last_hit != 0);
    }
    /// Whether each block counts by itself (models/group_cache.hpp): windows give some back that are still found.
    [[nodiscard]] WT_HD bool caches_by_block() const { return prefix_caching != 0 && window_groups > 0; }
    [[nodiscard]] WT_HD bool has_front_end() const {
        return front_request.count + front_prompt_token.count + front_output_token.count > 0;
    }
    [[nodiscard]] WT_HD Tick front_end_time(std::uint32_t prompt, std::uint32_t output) const {
        return front_request + std::int64_t{prompt} * front_prompt_token + std::int64_t{output} * front_output_token;
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
    /// Of `size` requests whose longest prompt and output are these, and which have `tokens` prompt tokens in all. A
    /// generation prefills the padded prompts, as many tokens at once as fit, and then makes a token for each request,
    /// finished or not, until the longest has its last.
    [[nodiscard]] WT_HD_COLD Tick batch_time(std::int64_t size, std::int64_t prompt, std::int64_t output,
                                             std::int64_t tokens) const {
        if (timed) return batch_base + size * batch_request + tokens * batch_token;
        Tick time;
        for (std::int64_t left = size * prompt; left > 0; left -= max_num_batched_tokens)
            time += mixed_step[static_cast<std::size_t>(left < max_num_batched_tokens ? left : max_num_batched_tokens)];
        time.count += per_sampled_row.count * size + ((size * (prompt * (prompt + 1) / 2) * prefill_ticks_per_pair_q16) >> 16);
        for (std::int64_t i = 1; i < output;) {
            const std::int64_t context = size * (prompt + i);
            const std::uint32_t segment = segment_of(context);
            std::int64_t steps = output - i;
            if (segment + 1 < attention.count) {
                const std::int64_t inside = (attention[segment + 1].from_tokens - context + size - 1) / size;
                if (inside < steps) steps = inside;
            }
            time += steps * (decode_step[static_cast<std::size_t>(size)] + attention_time(context));
            time.count += attention[segment].ticks_per_token * size * (steps * (steps - 1) / 2);
            i += steps;
        }
        return time;
    }
};

/// What vLLM's gauges and counters show: set at step boundaries, so a reading between two shows the last.
struct ServerGauges {
    std::int64_t running = 0;
    std::int64_t waiting = 0;
    std::int64_t used_blocks = 0;
    std::int64_t swapped = 0, swap_blocks = 0;  ///< V0: requests in the host's memory, and its blocks in use
    std::uint64_t prompt_tokens = 0;  ///< counted when a request's first token is made
    std::uint64_t generation_tokens = 0;
    std::uint64_t preemptions = 0;
    std::uint64_t prefix_queries = 0;  ///< prompt tokens of requests admitted for the first time, with prefix caching
    std::uint64_t prefix_hits = 0;     ///< of these, found in the cache
    Tick busy;  ///< time spent in steps, up to the reading

    /// Of two engines together.
    WT_HD void add(const ServerGauges& other) {
        running += other.running;
        waiting += other.waiting;
        used_blocks += other.used_blocks;
        swapped += other.swapped;
        swap_blocks += other.swap_blocks;
        prompt_tokens += other.prompt_tokens;
        generation_tokens += other.generation_tokens;
        preemptions += other.preemptions;
        prefix_queries += other.prefix_queries;
        prefix_hits += other.prefix_hits;
        busy += other.busy;
    }

    bool operator==(const ServerGauges&) const = default;
};

}  // namespace windtunnel
