#include "gpu/attention_reference.hpp"
#include "gpu/kv_write.hpp"
#include "models/kv_capacity.hpp"
#include "tests/support/host_attention.hpp"
#include "tests/support/rounds.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

// The kernel's own body, run on the CPU by an emulated warp, against a reference in double precision that
// walks token by token. What a GPU adds to this is checked there (tools/device_check.sh).

using namespace windtunnel;

namespace {

/// The largest error in units of what rounding allows (attention_tolerance): below 1 is right.
double worst_error(const AttentionCase& c, const std::vector<std::uint16_t>& out) {
    std::vector<double> weighted;
    const std::vector<double> expected = reference_attention(
        c.args(), c.problem.kv_format, static_cast<int>(c.problem.sequences.size()), &weighted);
    REQUIRE(out.size() == expected.size());
    double worst = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const double error = std::abs(small_floats::to_float(c.query_format, out[i]) - expected[i]) /
                             attention_tolerance(c.problem.kv_format, c.query_format, weighted[i]);
        if (!(error <= worst)) worst = error;  // NaN too
    }
    return worst;
}

AttentionCase case_of(FloatFormat format, int head_dim, int heads, int kv_heads,
                      std::vector<AttentionSequence> sequences) {
    AttentionCase c;
    c.problem.kv_format = format;
    c.query_format = format == FloatFormat::e4m3 ? FloatFormat::bf16 : format;
    c.problem.layout.kv_heads = kv_heads;
    c.problem.layout.head_dim = head_dim;
    c.problem.layout.element_bytes = bytes_of(format);
    c.problem.heads = heads;
    c.problem.sequences = std::move(sequences);
    c.scale = 1 / std::sqrt(static_cast<float>(head_dim));
    return c;
}

float at(const AttentionCase& c, const std::vector<std::uint16_t>& out, std::size_t i) {
    return small_floats::to_float(c.query_format, out[i]);
}

}  // namespace

TEST_CASE("small floats: to nearest with ties to even, as the formats say") {
    using namespace small_floats;
    for (std::uint32_t b = 0; b < 65536; ++b) {
        if ((b & 0x7c00u) != 0x7c00u) CHECK(to_f16(from_f16(b)) == b);
        if ((b & 0x7f80u) != 0x7f80u) CHECK(to_bf16(from_bf16(b)) == b);
        if (b < 256 && (b & 0x7fu) != 0x7fu) CHECK(to_e4m3(from_e4m3(b)) == b);
    }
    CHECK(from_e4m3(0x7e) == 448.0f);
    CHECK(from_e4m3(0x01) == 0.001953125f);  // 2^-9, the smallest
    CHECK(from_e4m3(0x08) == 0.015625f);     // 2^-6, the smallest normal
    CHECK(std::isnan(from_e4m3(0xff)));
    // Between 16 and 18 the spacing of e4m3 is 2: 17 is a tie, and 16 is even.
    CHECK(from_e4m3(to_e4m3(17.0f)) == 16.0f);
    CHECK(from_e4m3(to_e4m3(19.0f)) == 20.0f);
    CHECK(from_e4m3(to_e4m3(-1e9f)) == -448.0f);
    CHECK(to_e4m3(0.0009765625f) == 0);  // half of the smallest: a tie, to even
    CHECK(to_e4m3(0.00098f) == 1);
    CHECK(from_f16(to_f16(65519.0f)) == 65504.0f);
    CHECK(std::isinf(from_f16(to_f16(65520.0f))));
    CHECK(to_bf16(1.00390625f) == 0x3f80u);  // 1 + 2^-8: a tie, to even
    CHECK(to_bf16(1.01171875f) == 0x3f82u);  // 1 + 3 * 2^-8
}

TEST_CASE("paged attention: the kernel's body equals the reference on random calls, however they are split") {
    const std::uint64_t calls = lab::rounds(16, 1000);
    for (std::uint64_t i = 0; i < calls; ++i) {
        const AttentionCase c = random_attention_case(i, 300);
        REQUIRE(attention_refusal(c.problem).empty());
        for (const int tiles : {0, 1 + static_cast<int>(i % 7)}) {
            const AttentionPlan plan =
                plan_attention(c.problem, {}, tiles > 0 ? std::optional<int>(tiles) : std::nullopt);
            INFO("call " << i << ": " << c.words() << "; " << plan.items.size() << " items, " << plan.partials
                         << " partial");
            CHECK(worst_error(c, lab::attention_on_host(c, plan, i % 2 == 0)) <= 1);
        }
    }
}

TEST_CASE("paged attention: every head dim, format, block size and grouping that is compiled is right") {
    const auto relative_error = [](const AttentionCase& c, const std::vector<std::uint16_t>& out) {
        const std::vector<double> expected =
            reference_attention(c.args(), c.problem.kv_format, static_cast<int>(c.problem.sequences.size()));
        double off = 0, all = 0;
        for (std::size_t i = 0; i < out.size(); ++i) {
            off += std::pow(small_floats::to_float(c.query_format, out[i]) - expected[i], 2);
            all += expected[i] * expected[i];
        }
        return std::sqrt(off / all);
    };
    std::uint64_t seed = 0;
    for (const int head_dim : {64, 96, 128, 256})
        for (const FloatFormat format : {FloatFormat::f16, FloatFormat::bf16, FloatFormat::e4m3})
            for (const int block_size : {16, 32})
                // One head each (MHA), 4 and 12 query heads that share one of two (GQA; 12 take two column
                // tiles), all 8 share one (MQA).
                for (const auto& [heads, kv_heads] : {std::pair{2, 2}, {8, 2}, {24, 2}, {8, 1}}) {
                    AttentionCase c = case_of(format, head_dim, heads, kv_heads, {{37}, {70}});
                    c.problem.layout.block_size = block_size;
                    c.seed = ++seed;
                    if (seed % 2 == 0) c.problem.window = 40;
                    if (seed % 3 == 0) c.soft_cap = 20;
                    // A prefill's warps have columns of their own, from 33 or 65 columns on.
                    if (seed % 4 == 0) c.problem.sequences[1].queries = 34;
                    c.build();
                    const auto out =
                        lab::attention_on_host(c, plan_attention(c.problem, {}, 3), seed % 5 == 0);
                    INFO(c.words());
                    CHECK(worst_error(c, out) <= 1);
                    CHECK(relative_error(c, out) < (c.query_format == FloatFormat::f16 ? 2e-3 : 1e-2));
                }
}

TEST_CASE("paged attention: the lengths that break kernels, split at every border") {
    for (const FloatFormat format : {FloatFormat::f16, FloatFormat::bf16, FloatFormat::e4m3}) {
        AttentionCase c =
            case_of(format, 64, 8, 2, {{0}, {1}, {15}, {16}, {17}, {47}, {48}, {49}, {127}, {128}, {129}});
        c.build();
        for (int tiles = 1; tiles <= 9; ++tiles)
            CHECK(worst_error(c, lab::attention_on_host(c, plan_attention(c.problem, {}, tiles))) <= 1);
    }
}

TEST_CASE("paged attention: prefills of every head dim, format and block size, whole, in chunks and split") {
    std::uint64_t seed = 0;
    for (const int head_dim : {64, 96, 128, 256})
        for (const FloatFormat format : {FloatFormat::f16, FloatFormat::bf16, FloatFormat::e4m3})
            for (const int block_size : {16, 32}) {
                ++seed;
                // A whole prompt of 5 steps and a piece, a chunk behind a long context, one token, none, and
                // a row tile's border.
                const int group = seed % 4 == 0 ? 7 : seed % 2 == 0 ? 3 : 1;
                const int kv_heads = seed % 7 == 0 ? 2 : 1;
                AttentionCase c =
                    case_of(format, head_dim, kv_heads * group, kv_heads,
                            {{group > 1 ? 40 : 150, group > 1 ? 40 : 150}, {150, 17}, {1, 1}, {0, 1}});
                c.problem.layout.block_size = block_size;
                c.seed = 100 + seed;
                if (seed % 3 == 1) c.problem.window = 45;
                if (seed % 3 == 2) c.soft_cap = 20;
                if (seed % 5 == 0) c.spread = 100;
                c.build();
                const AttentionPlan plan = plan_attention(c.problem, {}, seed % 2 == 0 ? 1 << 20 : 6);
                REQUIRE(plan.sharing == WarpSharing::rows);
                INFO(c.words() << ", " << plan.partials << " partial");
                CHECK(worst_error(c, lab::attention_on_host(c, plan, seed % 2 == 0)) <= 1);
            }
}

TEST_CASE("paged attention: prefills around the borders of steps, tiles and windows") {
    for (const int length : {1, 16, 17, 63, 64, 65, 129}) {
        AttentionCase c =
            case_of(FloatFormat::bf16, 64, 1, 1, {{length, length}, {length + 64, length}, {65, 65}});
        for (const int window : {0, 1, 16, 65}) {
            c.problem.window = window;
            c.build();
            const AttentionPlan plan = plan_attention(c.problem, {}, length % 2 == 0 ? 3 : 1 << 20);
            REQUIRE(plan.sharing == WarpSharing::rows);
            INFO(length << " tokens, window " << window);
            CHECK(worst_error(c, lab::attention_on_host(c, plan)) <= 1);
        }
    }
}

namespace {

template <class Kind>
void check_places() {
    INFO("D " << Kind::head_dim << (Kind::narrow ? " e4m3" : ""));
    std::set<std::uint32_t> places;
    for (unsigned row = 0; row < Kind::rows; ++row)
        for (unsigned piece = 0; piece < Kind::pieces; ++piece) places.insert(piece_at<Kind>(row, piece));
    REQUIRE(places.size() == static_cast<std::size_t>(Kind::rows * Kind::pieces));
    CHECK(*places.rbegin() + 16 == static_cast<std::uint32_t>(Kind::rows * Kind::row_bytes));
    // 32 banks of 4 bytes: the 8 rows of a matrix, 16 bytes each, must lie in different eighths of 128 bytes.
    const auto apart = [](auto place) {
        for (unsigned matrix = 0; matrix < 4; ++matrix) {
            std::set<std::uint32_t> groups;
            for (unsigned row = 0; row < 8; ++row) groups.insert(place(matrix * 8 + row) / 16 % 8);
            if (groups.size() != 8) return false;
        }
        return true;
    };
    for (int k = 0; k < Kind::head_dim / 16; ++k)
        for (int n = 0; n < Kind::step_tokens / 8; n += 2) {
            const auto rows = [&](unsigned lane) {
                return moved<Kind>(upper_and_lower_rows<Kind>(lane), k, n);
            };
            const auto halves = [&](unsigned lane) {
                return moved<Kind>(left_and_right_halves<Kind>(lane), k, n);
            };
            CHECK(apart(rows));
            CHECK(apart(halves));
            for (unsigned lane = 0; lane < 32; ++lane) {
                const auto row = static_cast<unsigned>(n * 8), piece = static_cast<unsigned>(2 * k);
                CHECK(rows(lane) == piece_at<Kind>(row + lane % 16, piece + lane / 16));
                CHECK(halves(lane) == piece_at<Kind>(row + lane % 8 + lane / 16 * 8, piece + lane / 8 % 2));
            }
        }
    // Two blocks on a multiprocessor: 164 KiB on sm_80, 228 on sm_90, of which each block costs 1 more; one
    // block must fit 99 KiB (sm_86, sm_89).
    CHECK(2 * (Kind::shared_bytes + 1024) <= 164 * 1024);
}

}  // namespace

TEST_CASE("prefill: shared memory has a place for every piece, without conflicts, and two blocks fit") {
    check_places<PrefillKind<FloatFormat::bf16, 64>>();
    check_places<PrefillKind<FloatFormat::bf16, 96>>();
    check_places<PrefillKind<FloatFormat::bf16, 128>>();
    check_places<PrefillKind<FloatFormat::bf16, 256>>();
    check_places<PrefillKind<FloatFormat::e4m3, 64>>();
    check_places<PrefillKind<FloatFormat::e4m3, 96>>();
    check_places<PrefillKind<FloatFormat::e4m3, 128>>();
    check_places<PrefillKind<FloatFormat::e4m3, 256>>();
}

TEST_CASE("paged attention: a sequence without tokens gives zeros, split or not") {
    AttentionCase c = case_of(FloatFormat::bf16, 128, 4, 1, {{0}, {33}});
    c.build();
    const std::vector<std::uint16_t> out = lab::attention_on_host(c, plan_attention(c.problem, {}, 1));
    for (std::size_t i = 0; i < 4 * 128; ++i) CHECK(out[i] == 0);
    CHECK(std::any_of(out.begin() + 4 * 128, out.end(), [](std::uint16_t bits) { return bits != 0; }));
}

TEST_CASE("paged attention: equal scores give the mean of the values, a far larger one its own value") {
    AttentionCase c = case_of(FloatFormat::f16, 64, 1, 1, {{24}});
    c.build();
    std::fill(c.queries.begin(), c.queries.end(), std::uint16_t{0});
    const KvBlockLayout& l = c.problem.layout;
    const auto value = [&](int token, int dim) {
        const std::int64_t element =
            l.key_offset(c.block_table[static_cast<std::size_t>(token / 16)], token % 16, 0) +
            l.value_offset() + dim;
        const auto* const bytes = &c.pool[static_cast<std::size_t>(2 * element)];
        return small_floats::from_f16(static_cast<std::uint32_t>(bytes[0]) |
                                      static_cast<std::uint32_t>(bytes[1]) << 8);
    };
    std::vector<std::uint16_t> out = lab::attention_on_host(c, plan_attention(c.problem, {}));
    for (int dim = 0; dim < 64; ++dim) {
        double mean = 0;
        for (int token = 0; token < 24; ++token) mean += value(token, dim) / 24;
        CHECK(at(c, out, static_cast<std::size_t>(dim)) == Approx(mean).margin(0.002));
    }
    // The query is a thousand times the key of token 20: no other product comes near its square.
    for (int dim = 0; dim < 64; ++dim) {
        const std::int64_t element = l.key_offset(c.block_table[1], 4, 0) + dim;
        const auto* const bytes = &c.pool[static_cast<std::size_t>(2 * element)];
        const float key = small_floats::from_f16(static_cast<std::uint32_t>(bytes[0]) |
                                                 static_cast<std::uint32_t>(bytes[1]) << 8);
        c.queries[static_cast<std::size_t>(dim)] =
            static_cast<std::uint16_t>(small_floats::to_f16(1000 * key));
    }
    out = lab::attention_on_host(c, plan_attention(c.problem, {}));
    for (int dim = 0; dim < 64; ++dim) CHECK(at(c, out, static_cast<std::size_t>(dim)) == value(20, dim));
}

TEST_CASE("paged attention: where blocks lie and in which order sequences come changes no bit") {
    AttentionCase c = case_of(FloatFormat::bf16, 128, 8, 2, {{70}, {200}, {33}});
    c.build();
    const AttentionPlan plan = plan_attention(c.problem, {}, 3);
    const std::vector<std::uint16_t> out = lab::attention_on_host(c, plan);
    // Blocks 0 and 1 of the pool change places.
    AttentionCase moved = c;
    const auto bytes = static_cast<std::ptrdiff_t>(c.problem.layout.bytes_per_block());
    std::swap_ranges(moved.pool.begin(), moved.pool.begin() + bytes, moved.pool.begin() + bytes);
    for (std::int32_t& id : moved.block_table) id = id == 0 ? 1 : id == 1 ? 0 : id;
    CHECK(lab::attention_on_host(moved, plan) == out);
    // Sequences 0 and 2 change places.
    AttentionCase turned = c;
    std::swap(turned.problem.sequences[0], turned.problem.sequences[2]);
    std::swap(turned.lengths[0], turned.lengths[2]);
    std::swap_ranges(turned.block_table.begin(), turned.block_table.begin() + c.table_stride,
                     turned.block_table.begin() + 2 * c.table_stride);
    const std::ptrdiff_t row = 8 * 128;
    std::swap_ranges(turned.queries.begin(), turned.queries.begin() + row, turned.queries.begin() + 2 * row);
    std::vector<std::uint16_t> other = lab::attention_on_host(turned, plan_attention(turned.problem, {}, 3));
    std::swap_ranges(other.begin(), other.begin() + row, other.begin() + 2 * row);
    CHECK(other == out);
}

TEST_CASE("paged attention: a token sees itself and what a window leaves of the past") {
    // 10 tokens, the last 3 new: the second of them is token 8.
    CHECK(visible_tokens(10, 3, 1, 0).first == 0);
    CHECK(visible_tokens(10, 3, 1, 0).last == 8);
    CHECK(visible_tokens(10, 3, 1, 4).first == 5);
    CHECK(visible_tokens(10, 3, 1, 9).first == 0);
    CHECK(visible_tokens(0, 1, 0, 0).last == -1);
}

TEST_CASE(
    "attention plan: every visible tile is read once for every column, splits of a sequence differ by one "
    "tile") {
    for (std::uint64_t i = 0; i < 60; ++i) {
        const AttentionCase c = random_attention_case(i, 1000);
        const AttentionPlan plan = plan_attention(
            c.problem, {}, i % 3 == 0 ? std::nullopt : std::optional<int>(1 + static_cast<int>(i % 40)));
        std::set<std::tuple<int, int, int>> read;
        std::set<int> partials;
        for (const AttentionItem& item : plan.items) {
            for (int tile = item.first_tile; tile < item.first_tile + item.tiles; ++tile)
                REQUIRE(read.insert({item.sequence, item.column, tile}).second);
            if (item.partial >= 0) REQUIRE(partials.insert(item.partial).second);
        }
        for (std::size_t s = 0; s < c.problem.sequences.size(); ++s) {
            const AttentionSequence& one = c.problem.sequences[s];
            const int group = c.problem.heads / c.problem.layout.kv_heads;
            for (int column = 0; column < one.queries * group; ++column) {
                const VisibleTokens sees =
                    visible_tokens(one.length, one.queries, column / group, c.problem.window);
                for (int token = sees.first; token <= sees.last; token += 7)
                    REQUIRE(read.count({static_cast<int>(s), column / plan.item_columns * plan.item_columns,
                                        token / 16}) == 1);
            }
        }
        int combined = 0;
        for (const AttentionCombine& job : plan.combines) {
            int least = 1 << 30, most = 0;
            for (const AttentionItem& item : plan.items)
                if (item.partial >= job.first_partial && item.partial < job.first_partial + job.partials) {
                    REQUIRE(item.sequence == job.sequence);
                    REQUIRE(item.column == job.column);
                    least = std::min(least, item.tiles), most = std::max(most, item.tiles);
                }
            CHECK(most - least <= 1);
            combined += job.partials;
        }
        CHECK(combined == plan.partials);
        CHECK(std::is_sorted(plan.items.begin(), plan.items.end(),
                             [](const auto& a, const auto& b) { return a.tiles > b.tiles; }));
    }
}

TEST_CASE("attention plan: a full machine is not split, an empty one is filled") {
    const auto plan = [](std::size_t batch, int length) {
        AttentionCase c = case_of(FloatFormat::bf16, 128, 32, 8,
                                  std::vector<AttentionSequence>(batch, AttentionSequence{length}));
        return plan_attention(c.problem, {});
    };
    // 256 sequences x 8 heads = 2,048 blocks of equal length on 396 places: nothing to gain.
    CHECK(plan(256, 1024).partials == 0);
    // 1 x 8 blocks of 512 tiles: split until a part is no shorter than 16 tiles, 32 parts at most.
    const AttentionPlan one = plan(1, 8192);
    CHECK(one.partials >= 16);
    CHECK(one.partials <= 32);
    // 16 x 8 = 128 blocks leave two thirds of the places empty.
    const AttentionPlan sixteen = plan(16, 8192);
    CHECK(sixteen.items.size() * 8 >= 350);
    // One long sequence among short ones is cut, they are not.
    AttentionCase c =
        case_of(FloatFormat::bf16, 128, 32, 8, std::vector<AttentionSequence>(128, AttentionSequence{500}));
    c.problem.sequences.push_back({100000});
    const AttentionPlan ragged = plan_attention(c.problem, {});
    REQUIRE(ragged.combines.size() == 1);
    CHECK(ragged.combines[0].sequence == 128);
    CHECK(ragged.items[0].tiles < 1000);
}

TEST_CASE("KV layout: elements of a pool are a permutation, and predicted blocks fill the predicted bytes") {
    for (const KvBlockLayout layout :
         {KvBlockLayout{16, 2, 64, 0, 2}, KvBlockLayout{32, 3, 96, 0, 1}, KvBlockLayout{16, 0, 0, 576, 2}}) {
        const int heads = layout.latent_elements > 0 ? 1 : layout.kv_heads,
                  dims = layout.latent_elements > 0 ? layout.latent_elements : layout.head_dim;
        std::vector<int> used(static_cast<std::size_t>(3 * layout.block_stride()));
        for (int block = 0; block < 3; ++block)
            for (int slot = 0; slot < layout.block_size; ++slot)
                for (int head = 0; head < heads; ++head)
                    for (int dim = 0; dim < dims; ++dim)
                        for (int values = 0; values < (layout.latent_elements > 0 ? 1 : 2); ++values)
                            ++used.at(static_cast<std::size_t>(layout.key_offset(block, slot, head) +
                                                               values * layout.value_offset() + dim));
        CHECK(std::all_of(used.begin(), used.end(), [](int n) { return n == 1; }));
        CHECK(static_cast<std::int64_t>(used.size()) * layout.element_bytes == 3 * layout.bytes_per_block());
    }
    // The kernel addresses the pool of a layer with the capacity model's layout: layers * stride is what the
    // model charges for a block, and its number of blocks is what fits the pool, to one block.
    for (const char* model : {"meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-32B", "google/gemma-2-9b-it"})
        for (const char* kv : {"auto", "fp8"}) {
            KvRequest request;
            request.model = model;
            request.gpu = "h200-sxm-141gb";
            request.kv_cache_dtype = kv;
            request.max_model_len = 8192;
            const Result<KvCapacity> c = kv_capacity(request);
            REQUIRE(c.ok());
            const std::int64_t layers = c->shape.layers,
                               stride = c->layout.block_stride() * c->layout.element_bytes;
            INFO(model << ' ' << kv);
            std::int64_t groups = 0;
            for (const KvGroup& group : c->groups) groups += group.count;
            CHECK(c->bytes_per_block * groups == layers * stride);
            const double pool = c->kv_cache_gib * 1073741824.0;
            CHECK(static_cast<double>(c->num_gpu_blocks * c->bytes_per_block) <= pool);
            CHECK(static_cast<double>((c->num_gpu_blocks + 1) * c->bytes_per_block) > pool);
        }
}

TEST_CASE("KV write: new tokens land in their slots, rounded for fp8, and nothing else changes") {
    for (const FloatFormat kv : {FloatFormat::bf16, FloatFormat::f16, FloatFormat::e4m3}) {
        KvWriteArgs w;
        w.layout = {16, 2, 64, 0, bytes_of(kv)};
        w.kv_format = kv;
        w.source_format = kv == FloatFormat::e4m3 ? FloatFormat::bf16 : kv;
        w.tokens = 5;
        w.token_stride = 2 * 64 + 8;  // rows of a wider matrix
        const std::vector<std::int64_t> slots = {37, -1, 0, 15, 16};
        std::vector<EightHalves> keys(5 * 17), values(5 * 17);
        const auto fill = [&](std::vector<EightHalves>& rows, float sign) {
            auto* const bits = reinterpret_cast<std::uint16_t*>(rows.data());
            for (std::size_t i = 0; i < rows.size() * 8; ++i)
                bits[i] = static_cast<std::uint16_t>(
                    small_floats::from_float(w.source_format, sign * static_cast<float>(i) / 16));
        };
        fill(keys, 1);
        fill(values, -1);
        const std::vector<float> scales = {0.5f, 2.0f};
        std::vector<EightHalves> pool(static_cast<std::size_t>(3 * w.layout.bytes_per_block() / 16),
                                      EightHalves{{0x01010101u, 0x01010101u, 0x01010101u, 0x01010101u}});
        w.keys = keys.data();
        w.values = values.data();
        w.pool = reinterpret_cast<std::byte*>(pool.data());
        w.slots = slots.data();
        if (kv == FloatFormat::e4m3) w.key_scales = w.value_scales = scales.data();
        for (std::int64_t piece = 0; piece < w.pieces(); ++piece) write_kv_piece(w, piece);
        const auto stored = [&](std::int64_t element) -> std::uint32_t {
            if (kv == FloatFormat::e4m3) return static_cast<std::uint32_t>(w.pool[element]);
            return reinterpret_cast<const std::uint16_t*>(w.pool)[element];
        };
        std::set<std::int64_t> written;
        for (std::size_t token = 0; token < slots.size(); ++token)
            for (int head = 0; slots[token] >= 0 && head < 2; ++head)
                for (int dim = 0; dim < 64; ++dim) {
                    const std::int64_t at =
                        w.layout.key_offset(slots[token] / 16, static_cast<int>(slots[token] % 16), head) +
                        dim;
                    const auto source = static_cast<std::int64_t>(token) * w.token_stride + head * 64 + dim;
                    const float scale = kv == FloatFormat::e4m3 ? scales[static_cast<std::size_t>(head)] : 1;
                    const float key = small_floats::to_float(
                        w.source_format, reinterpret_cast<const std::uint16_t*>(keys.data())[source]);
                    CHECK(stored(at) == small_floats::from_float(kv, key / scale));
                    CHECK(stored(at + w.layout.value_offset()) == small_floats::from_float(kv, -key / scale));
                    written.insert(at);
                    written.insert(at + w.layout.value_offset());
                }
        for (std::int64_t i = 0; i < 3 * w.layout.block_stride(); ++i)
            if (!written.count(i)) CHECK(stored(i) == (kv == FloatFormat::e4m3 ? 0x01u : 0x0101u));
    }
}

TEST_CASE("block copy: whole blocks in every layer, the others untouched") {
    const KvBlockLayout layout{16, 1, 64, 0, 2};
    const auto pieces = static_cast<std::size_t>(5 * layout.bytes_per_block() / 16), per_block = pieces / 5;
    std::vector<std::vector<EightHalves>> layers(2, std::vector<EightHalves>(pieces));
    for (std::size_t layer = 0; layer < 2; ++layer)
        for (std::size_t i = 0; i < pieces; ++i)
            layers[layer][i].w[0] = static_cast<std::uint32_t>(layer * 100000 + i);
    std::byte* const pools[] = {reinterpret_cast<std::byte*>(layers[0].data()),
                                reinterpret_cast<std::byte*>(layers[1].data())};
    const std::int64_t pairs[] = {0, 3, 2, 4};
    const BlockCopyArgs copy{pools, pairs, 2, 2, layout.bytes_per_block()};
    for (std::int64_t piece = 0; piece < copy.pieces(); ++piece) copy_block_piece(copy, piece);
    const std::size_t holds[] = {0, 1, 2, 0, 2};  // block b now holds what block holds[b] held
    for (std::size_t layer = 0; layer < 2; ++layer)
        for (std::size_t i = 0; i < pieces; ++i)
            CHECK(layers[layer][i].w[0] == layer * 100000 + holds[i / per_block] * per_block + i % per_block);
}
