#pragma once
#include "gpu/attention_walk.hpp"

namespace windtunnel {

/// Warps of a thread block.
inline constexpr int attention_warps = 4;

/// How the warps of a block share an item. `split`: all have the same columns and every fourth step of tiles,
/// and are merged at the end (attention_walk.hpp); for decodes, where columns are few. `rows`: each has
/// columns of its own, and keys and values come through shared memory for all (prefill_walk.hpp); for
/// prefills.
enum class WarpSharing : std::uint8_t { split, rows };

/// What a block of the first kind has in shared memory: per warp its sums, and per column the largest score
/// and the sum of exponentials.
template <class Kind>
struct BlockShape {
    static constexpr int warp_floats = Kind::columns * (Kind::head_dim + 2);
    static_assert(warp_floats % 4 == 0, "16-byte alignment");
    static constexpr int shared_bytes = attention_warps * warp_floats * 4;
};

/// First part of a block's work, one warp's: its walk, the result in its part of the shared memory.
template <class Warp, class Kind>
WT_HD void walk_and_store(const Warp& warp, const AttentionArgs& args, const WarpWork& work, float* shared) {
    static_assert(Kind::scratch_words <= Kind::columns * Kind::head_dim);
    AttentionWalk<Warp, Kind> walk(warp, args, work, reinterpret_cast<std::uint32_t*>(shared));
    walk.run();
    walk.store(shared, shared + Kind::columns * Kind::head_dim,
               shared + Kind::columns * (Kind::head_dim + 1));
}

/// Second part, thread by thread: what the warps left in `shared` becomes one result, written where it
/// belongs.
template <class Warp, class Kind>
WT_HD void write_result(const AttentionArgs& args, const AttentionItem& item, int kv_head,
                        const float* shared, int thread) {
    constexpr int pairs = Kind::head_dim / 2, warp_floats = BlockShape<Kind>::warp_floats,
                  threads = 32 * attention_warps;
    const int columns = args.columns_of(item.sequence);
    const float unit = args.value_scale(kv_head) * Warp::unit(Kind::kv_format);
    for (int e = thread; e < Kind::columns * pairs; e += threads) {
        const int c = e / pairs, dim = e % pairs * 2;
        if (item.column + c >= columns) continue;
        float largest = AttentionWalk<Warp, Kind>::minus_infinity;
        for (int part = 0; part < attention_warps; ++part) {
            const float one = shared[part * warp_floats + Kind::columns * Kind::head_dim + c];
            if (one > largest) largest = one;
        }
        float total = 0, even = 0, odd = 0;
        for (int part = 0; part < attention_warps; ++part) {
            const float* const sums = shared + part * warp_floats;
            const float* const stats = sums + Kind::columns * Kind::head_dim + c;
            if (stats[0] == AttentionWalk<Warp, Kind>::minus_infinity) continue;
            const float factor = Warp::power_of_2(stats[0] - largest);
            total = Warp::multiply_add(factor, stats[Kind::columns], total);
            even = Warp::multiply_add(factor, sums[c * Kind::head_dim + dim], even);
            odd = Warp::multiply_add(factor, sums[c * Kind::head_dim + dim + 1], odd);
        }
        const float share = total > 0 ? unit / total : 0;
        if (item.partial < 0) {
            auto* const out = static_cast<std::uint16_t*>(args.out) +
                              args.row_of(item.sequence, kv_head, item.column + c) + dim;
            out[0] = static_cast<std::uint16_t>(Warp::round(args.query_format, even * share));
            out[1] = static_cast<std::uint16_t>(Warp::round(args.query_format, odd * share));
            continue;
        }
        const std::int64_t at =
            (std::int64_t{item.partial} * args.layout.kv_heads + kv_head) * Kind::columns + c;
        float* const out = args.partial_out + at * Kind::head_dim + dim;
        out[0] = even * share;
        out[1] = odd * share;
        if (dim == 0)
            args.partial_lse[at] =
                total > 0 ? largest + Warp::log_2(total) : AttentionWalk<Warp, Kind>::minus_infinity;
    }
}

/// Makes one of the partial results of the same columns: o = sum of 2^(lse_i - largest) o_i over the sum of
/// the weights; zeros where no part saw anything.
template <class Warp>
WT_HD void combine_partials(const AttentionArgs& args, const AttentionCombine& job, int kv_head,
                            int item_columns, int thread, int threads) {
    const int dims = args.layout.head_dim, pairs = dims / 2, columns = args.columns_of(job.sequence);
    const std::int64_t stride = std::int64_t{args.layout.kv_heads} * item_columns;
    const std::int64_t first =
        (std::int64_t{job.first_partial} * args.layout.kv_heads + kv_head) * item_columns;
    for (int e = thread; e < item_columns * pairs; e += threads) {
        const int c = e / pairs, dim = e % pairs * 2;
        if (job.column + c >= columns) continue;
        const float* const lse = args.partial_lse + first + c;
        float largest = -__builtin_huge_valf();
        for (int i = 0; i < job.partials; ++i)
            if (lse[i * stride] > largest) largest = lse[i * stride];
        float total = 0, even = 0, odd = 0;
        for (int i = 0; i < job.partials; ++i) {
            if (lse[i * stride] == -__builtin_huge_valf()) continue;
            const float weight = Warp::power_of_2(lse[i * stride] - largest);
            const float* const part = args.partial_out + (first + c + i * stride) * dims + dim;
            total += weight;
            even = Warp::multiply_add(weight, part[0], even);
            odd = Warp::multiply_add(weight, part[1], odd);
        }
        const float share = total > 0 ? 1.0f / total : 0;
        auto* const out =
            static_cast<std::uint16_t*>(args.out) + args.row_of(job.sequence, kv_head, job.column + c) + dim;
        out[0] = static_cast<std::uint16_t>(Warp::round(args.query_format, even * share));
        out[1] = static_cast<std::uint16_t>(Warp::round(args.query_format, odd * share));
    }
}

}  // namespace windtunnel
