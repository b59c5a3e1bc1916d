#include "gpu/attention_plan.hpp"

#include "gpu/prefill_tile.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

/// Of a block's start and end (queries, block table, merging of warps) and of a split more: its partial
/// result is written and read (G * head_dim * 8 bytes against a tile's 64 * head_dim in 16 bits: a tile at G
/// = 8), and the second pass. In tiles; estimates, to be measured.
constexpr double item_overhead = 2, split_overhead = 1.5, combine_overhead = 3;
/// How much faster a block runs that has its multiprocessor alone: four warps with 8 KiB each under way and
/// about 1,250 cycles of latency move 26 bytes per cycle, three blocks share the 21 that HBM gives one
/// multiprocessor.
constexpr double tail_speed = 3;

struct TileRange {
    int first = 0, count = 0;
};
TileRange tiles_of(const AttentionProblem& p, const AttentionSequence& s, int column, int item_columns) {
    const int group = p.heads / p.layout.kv_heads;
    const int last = std::min(column + item_columns, s.queries * group) - 1;
    const VisibleTokens early = visible_tokens(s.length, s.queries, column / group, p.window),
                        late = visible_tokens(s.length, s.queries, last / group, p.window);
    if (late.last < 0) return {};
    const int first = early.first / attention_tile;
    return {first, late.last / attention_tile - first + 1};
}

template <class F>
void for_each_columns(const AttentionProblem& p, int item_columns, F f) {
    const int group = p.heads / p.layout.kv_heads;
    for (std::size_t s = 0; s < p.sequences.size(); ++s)
        for (int column = 0; column < p.sequences[s].queries * group; column += item_columns)
            f(static_cast<std::int32_t>(s), column, tiles_of(p, p.sequences[s], column, item_columns));
}

}  // namespace

std::string attention_refusal(const AttentionProblem& p) {
    const KvBlockLayout& l = p.layout;
    const auto found = [](const char* what, long long value, const char* allowed) {
        return std::string("found ") + what + " " + std::to_string(value) + ", allowed: " + allowed;
    };
    if (l.latent_elements > 0) return "found a latent cache (MLA), allowed: keys and values per head";
    if (l.head_dim != 64 && l.head_dim != 96 && l.head_dim != 128 && l.head_dim != 256)
        return found("head_dim", l.head_dim, "64, 96, 128, 256");
    const int per_block = l.block_size / attention_tile;
    if (l.block_size % attention_tile != 0 || per_block < 1 || (per_block & (per_block - 1)) != 0)
        return found("block_size", l.block_size, "16 times a power of two");
    if (l.kv_heads < 1 || p.heads < 1 || p.heads % l.kv_heads != 0)
        return found("heads", p.heads, "a multiple of the KV heads");
    if (l.element_bytes != bytes_of(p.kv_format))
        return found("element_bytes", l.element_bytes, p.kv_format == FloatFormat::e4m3 ? "1" : "2");
    if (p.window < 0) return found("window", p.window, "0 (none) or more");
    for (const AttentionSequence& s : p.sequences)
        if (s.queries < 1 || s.length < 0)
            return found("queries", s.queries, "at least 1, and lengths of at least 0");
    return "";
}

double attention_cost(const AttentionProblem& p, const AttentionPlan& kernel, const AttentionMachine& m,
                      int tiles) {
    double all = 0, longest = 0;
    bool splits = false;
    for_each_columns(p, kernel.item_columns, [&](std::int32_t, int, TileRange range) {
        const int parts = std::max(1, (range.count + tiles - 1) / tiles);
        all += range.count + parts * item_overhead + (parts > 1 ? parts * split_overhead : 0);
        longest = std::max(longest, static_cast<double>(range.count) / parts + item_overhead);
        splits = splits || parts > 1;
    });
    const double slots = static_cast<double>(m.multiprocessors) * m.blocks_per_multiprocessor;
    return all * p.layout.kv_heads / slots + longest / tail_speed + (splits ? combine_overhead : 0);
}

AttentionPlan plan_attention(const AttentionProblem& p, const AttentionMachine& machine,
                             std::optional<int> tiles_per_item) {
    AttentionPlan plan;
    int most_columns = 0, longest = 0;
    for (const AttentionSequence& s : p.sequences) {
        most_columns = std::max(most_columns, s.queries * (p.heads / p.layout.kv_heads));
        longest = std::max(longest, (s.length + attention_tile - 1) / attention_tile);
    }
    plan.column_tiles = most_columns <= 8 || p.layout.head_dim == 256 ? 1 : 2;
    // A prefill's block computes all its rows, those beyond the last too: worth it where half of them are
    // there, since the other kernel would read keys and values four times.
    const int rows = prefill_rows(p.layout.head_dim);
    plan.sharing = most_columns > rows / 2 ? WarpSharing::rows : WarpSharing::split;
    plan.item_columns = plan.sharing == WarpSharing::rows ? rows : 8 * plan.column_tiles;

    int tiles = tiles_per_item.value_or(std::max(1, longest));
    if (!tiles_per_item) {
        double least = attention_cost(p, plan, machine, tiles);
        for (int parts = 2; parts <= 256; ++parts) {
            const int one = (longest + parts - 1) / parts;
            if (one < machine.least_tiles) break;
            const double cost = attention_cost(p, plan, machine, one);
            if (cost < least) least = cost, tiles = one;
        }
    }
    for_each_columns(p, plan.item_columns, [&](std::int32_t sequence, int column, TileRange range) {
        const int parts = std::max(1, (range.count + tiles - 1) / tiles);
        if (parts > 1) plan.combines.push_back({sequence, column, plan.partials, parts});
        for (int part = 0; part < parts; ++part) {
            const auto border = [&](int i) {
                return static_cast<int>(std::int64_t{range.count} * i / parts);
            };
            plan.items.push_back({sequence, column, range.first + border(part),
                                  border(part + 1) - border(part), parts > 1 ? plan.partials++ : -1});
        }
    });
    std::stable_sort(plan.items.begin(), plan.items.end(),
                     [](const AttentionItem& a, const AttentionItem& b) { return a.tiles > b.tiles; });
    return plan;
}

}  // namespace windtunnel
