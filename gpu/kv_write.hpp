#pragma once
#include "gpu/attention_args.hpp"

namespace windtunnel {

/// New tokens' keys and values, [tokens][kv_heads][head_dim] in 16 bits with `token_stride` elements from one
/// to the next, into the slots of the cache: slot = block * block_size + place in the block; negative slots
/// are skipped. An e4m3 cache holds value / scale, rounded to nearest and saturated.
struct KvWriteArgs {
    const void* keys = nullptr;
    const void* values = nullptr;
    std::byte* pool = nullptr;
    const std::int64_t* slots = nullptr;  ///< [tokens]
    const float* key_scales = nullptr;    ///< [kv_heads]; null: 1
    const float* value_scales = nullptr;  ///< [kv_heads]; null: 1
    KvBlockLayout layout;
    std::int64_t token_stride = 0;  ///< a multiple of 8: pieces are 16 bytes
    std::int32_t tokens = 0;
    FloatFormat source_format = FloatFormat::bf16;
    FloatFormat kv_format = FloatFormat::bf16;  ///< e4m3 or source_format

    /// Each piece is 8 elements of one token and head, keys and values.
    WT_HD std::int64_t pieces() const {
        return std::int64_t{tokens} * layout.kv_heads * (layout.head_dim / 8);
    }
};

/// 8 elements, 16 bytes, as one memory access takes them.
struct alignas(16) EightHalves {
    std::uint32_t w[4];
};
struct alignas(8) EightBytes {
    std::uint32_t w[2];
};

WT_HD inline EightBytes narrowed(const EightHalves& from, FloatFormat format, float scale) {
    EightBytes out{{0, 0}};
    for (int i = 0; i < 8; ++i) {
        const std::uint32_t bits = (from.w[i / 2] >> (i % 2 * 16)) & 0xffffu;
        out.w[i / 4] |= small_floats::to_e4m3(small_floats::to_float(format, bits) / scale) << (i % 4 * 8);
    }
    return out;
}

WT_HD inline void write_kv_piece(const KvWriteArgs& a, std::int64_t piece) {
    const int per_head = a.layout.head_dim / 8, part = static_cast<int>(piece % per_head),
              head = static_cast<int>(piece / per_head % a.layout.kv_heads);
    const std::int64_t token = piece / per_head / a.layout.kv_heads, slot = a.slots[token];
    if (slot < 0) return;
    const std::int64_t from = token * a.token_stride + std::int64_t{head} * a.layout.head_dim + part * 8;
    const std::int64_t to =
        a.layout.key_offset(slot / a.layout.block_size, static_cast<int>(slot % a.layout.block_size), head) +
        part * 8;
    const std::int64_t value_to = to + a.layout.value_offset();
    const EightHalves key = *reinterpret_cast<const EightHalves*>(static_cast<const std::uint16_t*>(a.keys) +
                                                                  from),
                      value = *reinterpret_cast<const EightHalves*>(
                          static_cast<const std::uint16_t*>(a.values) + from);
    if (a.kv_format == FloatFormat::e4m3) {
        *reinterpret_cast<EightBytes*>(a.pool + to) =
            narrowed(key, a.source_format, a.key_scales ? a.key_scales[head] : 1.0f);
        *reinterpret_cast<EightBytes*>(a.pool + value_to) =
            narrowed(value, a.source_format, a.value_scales ? a.value_scales[head] : 1.0f);
    } else {
        *reinterpret_cast<EightHalves*>(a.pool + to * 2) = key;
        *reinterpret_cast<EightHalves*>(a.pool + value_to * 2) = value;
    }
}

/// Copies of blocks within a pool, in several layers at once (beam search, copy on write).
struct BlockCopyArgs {
    std::byte* const* pools = nullptr;    ///< [layers]
    const std::int64_t* pairs = nullptr;  ///< [copies][2]: from, to; no block is both
    std::int32_t layers = 0;
    std::int32_t copies = 0;
    std::int64_t bytes_per_block = 0;  ///< a multiple of 16

    WT_HD std::int64_t pieces() const { return std::int64_t{layers} * copies * (bytes_per_block / 16); }
};
WT_HD inline void copy_block_piece(const BlockCopyArgs& a, std::int64_t piece) {
    const std::int64_t per_block = a.bytes_per_block / 16, at = piece % per_block * 16;
    const std::int64_t copy = piece / per_block % a.copies, layer = piece / per_block / a.copies;
    const std::byte* const from = a.pools[layer] + a.pairs[2 * copy] * a.bytes_per_block + at;
    *reinterpret_cast<EightHalves*>(a.pools[layer] + a.pairs[2 * copy + 1] * a.bytes_per_block + at) =
        *reinterpret_cast<const EightHalves*>(from);
}

}  // namespace windtunnel
