#pragma once
#include "gpu/attention_plan.hpp"
#include "gpu/kv_write.hpp"

namespace windtunnel {

/// `stream` is a cudaStream_t; failures throw std::runtime_error with CUDA's words.

/// Attention as `plan` says: `args` with device pointers, items, combines and partials included. One launch,
/// and a second where something was split. Nothing is allocated: calls may be captured in a CUDA graph.
void launch_attention(const AttentionArgs& args, const AttentionPlan& plan, FloatFormat kv_format,
                      void* stream);

/// Puts new keys and values into their slots.
void launch_kv_write(const KvWriteArgs& args, void* stream);

/// Copies whole blocks within each of the layers' pools.
void launch_block_copy(const BlockCopyArgs& args, void* stream);

/// Thread blocks of the plan's kernel that one multiprocessor holds, as the driver says.
[[nodiscard]] int resident_attention_blocks(const AttentionPlan& plan, FloatFormat kv_format, int head_dim);

}  // namespace windtunnel
