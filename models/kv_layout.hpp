#pragma once
#include "models/host_device.hpp"

#include <cstdint>

namespace windtunnel {

/// The bytes of one paged KV block of one layer on one rank. The paged-attention kernel addresses memory
/// through this header and the KV-capacity model counts with it, so that the capacity is the kernel's.
///
/// Grouped-query attention: a block is [2 (keys, values)][kv_heads][block_size][head_dim] elements, and the
/// cache of a layer is an array of such blocks. The keys (or values) of one head in one block are one run of
/// memory (4 KiB for 16 tokens of 128 16-bit elements), which is what a thread block of the kernel reads at a
/// time. Latent attention (MLA, DeepSeek-V2, 2024) keeps one row per token instead:
/// [block_size][latent_elements], keys and values in one, the same on every rank.
struct KvBlockLayout {
    std::int32_t block_size = 16;      ///< tokens per block
    std::int32_t kv_heads = 0;         ///< on this rank, at least 1; unused when latent
    std::int32_t head_dim = 0;         ///< elements per head; unused when latent
    std::int32_t latent_elements = 0;  ///< kv_lora_rank + rope_head_dim; 0 = not latent
    std::int32_t element_bytes = 2;    ///< 2 for fp16 and bf16, 1 for fp8
    std::int32_t index_bytes = 0;      ///< per token, in a cache of its own beside it: what a sparse indexer keeps

    WT_HD constexpr std::int64_t row_elements() const {
        return latent_elements > 0 ? latent_elements : std::int64_t{kv_heads} * head_dim;
    }
    /// Elements from the keys of a block to its values; 0 when latent.
    WT_HD constexpr std::int64_t value_offset() const {
        return latent_elements > 0 ? 0 : block_size * row_elements();
    }
    /// Elements from one block to the next.
    WT_HD constexpr std::int64_t block_stride() const {
        return block_size * row_elements() * (latent_elements > 0 ? 1 : 2);
    }
    /// Offset in elements of the key of (block, slot in the block, head); add value_offset() for the value.
    WT_HD constexpr std::int64_t key_offset(std::int64_t block, std::int32_t slot, std::int32_t head) const {
        if (latent_elements > 0) return block * block_stride() + std::int64_t{slot} * latent_elements;
        return block * block_stride() + (std::int64_t{head} * block_size + slot) * head_dim;
    }
    WT_HD constexpr std::int64_t bytes_per_token() const {
        return block_stride() / block_size * element_bytes + index_bytes;
    }
    WT_HD constexpr std::int64_t bytes_per_block() const { return bytes_per_token() * block_size; }
};

/// KV heads that one of `tensor_parallel` ranks holds: heads are replicated, never split, so at least 1.
WT_HD constexpr std::int32_t kv_heads_per_rank(std::int32_t kv_heads, std::int32_t tensor_parallel) {
    const std::int32_t share = kv_heads / tensor_parallel;
    return share < 1 ? 1 : share;
}

}  // namespace windtunnel
