#pragma once
#include "gpu/attention_case.hpp"
#include "tests/support/host_warp.hpp"

namespace windtunnel::lab {

/// A thread block on the CPU: its warps one after the other, then its threads.
template <class Warp, class Kind, WarpSharing sharing>
void run_block(const AttentionArgs& args, const AttentionItem& item, int kv_head) {
    using Block = BlockShape<Kind, sharing>;
    std::vector<float> shared(Block::shared_bytes / sizeof(float), std::nanf(""));
    for (int warp = 0; warp < attention_warps; ++warp) {
        const WarpWork work = warp_work<Kind, sharing>(args, item, kv_head, warp);
        float* const mine = shared.data() + warp * Block::warp_floats;
        walk_and_store<Warp, Kind>(Warp{}, args, work, mine);
        if (sharing == WarpSharing::rows)
            for (int lane = 0; lane < 32; ++lane)
                write_result<Warp, Kind>(args, item, kv_head, mine, 1, item.column + warp * Kind::columns,
                                         warp * Kind::columns, Block::item_columns, lane, 32);
    }
    if (sharing == WarpSharing::split)
        for (int thread = 0; thread < 32 * attention_warps; ++thread)
            write_result<Warp, Kind>(args, item, kv_head, shared.data(), attention_warps, item.column, 0,
                                     Block::item_columns, thread, 32 * attention_warps);
}

template <class Warp, class Kind>
void run_blocks(const AttentionArgs& args, const AttentionPlan& plan) {
    for (const AttentionItem& item : plan.items)
        for (int head = 0; head < args.layout.kv_heads; ++head) {
            if (plan.sharing == WarpSharing::split)
                run_block<Warp, Kind, WarpSharing::split>(args, item, head);
            else
                run_block<Warp, Kind, WarpSharing::rows>(args, item, head);
        }
    for (const AttentionCombine& job : plan.combines)
        for (int head = 0; head < args.layout.kv_heads; ++head)
            for (int thread = 0; thread < 128; ++thread)
                combine_partials<Warp>(args, job, head, plan.item_columns, thread, 128);
}

template <class Warp, FloatFormat format, int tiles>
void run_kind(const AttentionArgs& args, const AttentionPlan& plan) {
    const bool two = plan.column_tiles == 2;
    switch (args.layout.head_dim) {
        case 64:
            return two ? run_blocks<Warp, AttentionKind<format, 64, 2, tiles>>(args, plan)
                       : run_blocks<Warp, AttentionKind<format, 64, 1, tiles>>(args, plan);
        case 96:
            return two ? run_blocks<Warp, AttentionKind<format, 96, 2, tiles>>(args, plan)
                       : run_blocks<Warp, AttentionKind<format, 96, 1, tiles>>(args, plan);
        case 128:
            return two ? run_blocks<Warp, AttentionKind<format, 128, 2, tiles>>(args, plan)
                       : run_blocks<Warp, AttentionKind<format, 128, 1, tiles>>(args, plan);
        default:
            return run_blocks<Warp, AttentionKind<format, 256, 1, tiles>>(args, plan);
    }
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
            run_kind<HostWarp<false>, FloatFormat::f16, 1>(args, plan);
            break;
        case FloatFormat::bf16:
            run_kind<HostWarp<false>, FloatFormat::bf16, 1>(args, plan);
            break;
        case FloatFormat::e4m3:
            if (moves_bits)
                run_kind<HostWarp<true>, FloatFormat::e4m3, 2>(args, plan);
            else
                run_kind<HostWarp<false>, FloatFormat::e4m3, 2>(args, plan);
            break;
    }
    return out;
}

}  // namespace windtunnel::lab
