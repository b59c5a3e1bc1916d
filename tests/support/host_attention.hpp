#pragma once
#include "gpu/attention_case.hpp"
#include "tests/support/host_prefill.hpp"

#include <catch2/catch.hpp>

namespace windtunnel::lab {

/// A thread block on the CPU: its warps one after the other, then its threads.
template <class Warp, class Kind>
void run_block(const AttentionArgs& args, const AttentionItem& item, int kv_head) {
    std::vector<float> shared(BlockShape<Kind>::shared_bytes / sizeof(float), std::nanf(""));
    for (int warp = 0; warp < attention_warps; ++warp)
        walk_and_store<Warp, Kind>(Warp{}, args, WarpWork{item, kv_head, warp, attention_warps},
                                   shared.data() + warp * BlockShape<Kind>::warp_floats);
    for (int thread = 0; thread < 32 * attention_warps; ++thread)
        write_result<Warp, Kind>(args, item, kv_head, shared.data(), thread);
}

template <class Warp, class Kind>
void run_blocks(const AttentionArgs& args, const AttentionPlan& plan) {
    for (const AttentionItem& item : plan.items)
        for (int head = 0; head < args.layout.kv_heads; ++head) run_block<Warp, Kind>(args, item, head);
}
template <bool moves_bits, class Kind>
void run_prefills(const AttentionArgs& args, const AttentionPlan& plan) {
    REQUIRE(plan.item_columns == Kind::rows);
    for (const AttentionItem& item : plan.items)
        for (int head = 0; head < args.layout.kv_heads; ++head)
            run_prefill_on_host<HostPrefillWarp<moves_bits>, Kind>(args, item, head,
                                                                   (item.column + head) % 3 == 0);
}

template <bool moves_bits, FloatFormat format, int head_dim>
void run_dims(const AttentionArgs& args, const AttentionPlan& plan) {
    using Warp = HostWarp<moves_bits>;
    constexpr int tiles = format == FloatFormat::e4m3 ? 2 : 1;
    if (plan.sharing == WarpSharing::rows)
        return run_prefills<moves_bits, PrefillKind<format, head_dim>>(args, plan);
    if constexpr (head_dim != 256)
        if (plan.column_tiles == 2)
            return run_blocks<Warp, AttentionKind<format, head_dim, 2, tiles>>(args, plan);
    run_blocks<Warp, AttentionKind<format, head_dim, 1, tiles>>(args, plan);
}
template <bool moves_bits, FloatFormat format>
void run_kind(const AttentionArgs& args, const AttentionPlan& plan) {
    switch (args.layout.head_dim) {
        case 64:
            run_dims<moves_bits, format, 64>(args, plan);
            break;
        case 96:
            run_dims<moves_bits, format, 96>(args, plan);
            break;
        case 128:
            run_dims<moves_bits, format, 128>(args, plan);
            break;
        default:
            run_dims<moves_bits, format, 256>(args, plan);
    }
    for (const AttentionCombine& job : plan.combines)
        for (int head = 0; head < args.layout.kv_heads; ++head)
            for (int thread = 0; thread < 128; ++thread)
                combine_partials<HostWarp<moves_bits>>(args, job, head, plan.item_columns, thread, 128);
}

/// The kernel's own body, on the CPU. `moves_bits`: as GPUs before sm_89 convert e4m3.
inline std::vector<std::uint16_t> attention_on_host(const AttentionCase& c, const AttentionPlan& plan,
                                                    bool moves_bits = false) {
    AttentionArgs args = c.args();
    std::vector<std::uint16_t> out(c.out_elements(), 0x7fffu);
    std::vector<float> sums(static_cast<std::size_t>(plan.partial_out_floats(args.layout)), std::nanf("")),
        lse(static_cast<std::size_t>(plan.partial_lse_floats(args.layout)), std::nanf(""));
    args.out = out.data();
    args.items = plan.items.data();
    args.combines = plan.combines.data();
    args.partial_out = sums.data();
    args.partial_lse = lse.data();
    switch (c.problem.kv_format) {
        case FloatFormat::f16:
            run_kind<false, FloatFormat::f16>(args, plan);
            break;
        case FloatFormat::bf16:
            run_kind<false, FloatFormat::bf16>(args, plan);
            break;
        case FloatFormat::e4m3:
            if (moves_bits)
                run_kind<true, FloatFormat::e4m3>(args, plan);
            else
                run_kind<false, FloatFormat::e4m3>(args, plan);
            break;
    }
    return out;
}

}  // namespace windtunnel::lab
