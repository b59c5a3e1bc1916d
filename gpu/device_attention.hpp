#pragma once
#include "gpu/attention_case.hpp"
#include "gpu/device_memory.hpp"
#include "gpu/device_timing.hpp"
#include "gpu/paged_attention.hpp"

#include <algorithm>
#include <utility>

/// For nvcc's side only.
namespace windtunnel {

/// The plan of a case for the GPU at hand.
inline AttentionPlan plan_on_device(const AttentionCase& c) {
    AttentionMachine machine;
    machine.multiprocessors = attribute(cudaDevAttrMultiProcessorCount);
    machine.blocks_per_multiprocessor =
        std::max(1, resident_attention_blocks(plan_attention(c.problem, {}, 1 << 20), c.problem.kv_format,
                                              c.problem.layout.head_dim));
    return plan_attention(c.problem, machine);
}

/// What a case's kernels read and write on a GPU beside queries, results and cache, which are the caller's.
/// The case must outlive it.
struct DeviceAttention {
    const AttentionCase& c;
    AttentionPlan plan;
    DeviceMemory table, lengths, starts, key_scales, value_scales, items, combines, partial_out, partial_lse;

    DeviceAttention(const AttentionCase& from, AttentionPlan with)
        : c(from),
          plan(std::move(with)),
          table(c.block_table),
          lengths(c.lengths),
          starts(c.query_starts),
          key_scales(c.key_scales),
          value_scales(c.value_scales),
          items(plan.items),
          combines(plan.combines),
          partial_out(static_cast<std::size_t>(plan.partial_out_floats(c.problem.layout)) * 4),
          partial_lse(static_cast<std::size_t>(plan.partial_lse_floats(c.problem.layout)) * 4) {}

    void launch(const DeviceMemory& queries, const DeviceMemory& out, const std::byte* pool,
                void* stream) const {
        AttentionArgs a = c.args();
        a.queries = queries.as<void>(), a.out = out.as<void>(), a.pool = pool;
        a.block_table = table.as<std::int32_t>(), a.lengths = lengths.as<std::int32_t>(),
        a.query_starts = starts.as<std::int32_t>();
        if (!c.key_scales.empty())
            a.key_scales = key_scales.as<float>(), a.value_scales = value_scales.as<float>();
        a.items = items.as<AttentionItem>(), a.combines = combines.as<AttentionCombine>();
        a.partial_out = partial_out.as<float>(), a.partial_lse = partial_lse.as<float>();
        launch_attention(a, plan, c.problem.kv_format, stream);
    }
};

}  // namespace windtunnel
