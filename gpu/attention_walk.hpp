#pragma once
#include "gpu/attention_args.hpp"

#include <cstdint>
#include <utility>

namespace windtunnel {

/// A number that is part of its type.
template <int i>
struct Constant {
    static constexpr int value = i;
    WT_HD constexpr operator int() const { return i; }
};
/// Calls f(Constant<i>{}) for i = 0 .. n-1: a loop whose counter is a constant, so that arrays it indexes
/// stay in registers.
template <int... i, class F>
WT_HD constexpr void static_for_each(std::integer_sequence<int, i...>, F&& f) {
    (f(Constant<i>{}), ...);
}
template <int n, class F>
WT_HD constexpr void static_for(F&& f) {
    static_for_each(std::make_integer_sequence<int, n>{}, static_cast<F&&>(f));
}

/// How a row of `dims` elements is shared by `lanes` lanes: in chunks of lanes * per_lane(chunk) elements,
/// lane i taking the i-th per_lane(chunk) of each with one load: of 16 bytes (`widest` elements) as long as
/// they fit, then of 8 and 4.
template <int dims, int lanes, int widest>
struct RowChunks {
    static constexpr int full = dims / (lanes * widest), rest = dims % (lanes * widest);
    static_assert(rest % (lanes * widest / 4) == 0 && rest / (lanes * widest / 4) <= 3);
    static constexpr bool half = rest >= lanes * widest / 2, quarter = rest % (lanes * widest / 2) != 0;
    static constexpr int count = full + (half ? 1 : 0) + (quarter ? 1 : 0);
    WT_HD static constexpr int per_lane(int c) {
        return c < full ? widest : half && c == full ? widest / 2 : widest / 4;
    }
    /// First element of the row in chunk c.
    WT_HD static constexpr int base(int c) {
        return c <= full ? c * lanes * widest : full * lanes * widest + lanes * widest / 2;
    }
};

/// What a lane holds of 16-bit pairs: A, B and C of `mma.m16n8k16` (PTX ISA 8.0, "Matrix Fragments for
/// mma.m16n8k16"). With g = lane / 4 and t = lane % 4: A rows g and g + 8, columns 2t, 2t+1 and 2t+8, 2t+9; B
/// rows 2t, 2t+1 and 2t+8, 2t+9, column g; C rows g and g + 8, columns 2t, 2t+1.
struct FragmentA {
    std::uint32_t w[4];
};
struct FragmentB {
    std::uint32_t w[2];
};

/// The constants of one kernel. Columns are taken 8 at a time (`column_tiles` of them), tokens 16 at a time,
/// of which a warp has `step_tiles` tiles under way at once.
template <FloatFormat format, int dims, int columns8, int tiles>
struct AttentionKind {
    static constexpr FloatFormat kv_format = format;
    static constexpr int head_dim = dims, column_tiles = columns8, columns = columns8 * 8, step_tiles = tiles;
    static constexpr bool narrow = format == FloatFormat::e4m3, bf16 = format == FloatFormat::bf16;
    static constexpr int element_bytes = narrow ? 1 : 2, row_bytes = head_dim * element_bytes;
    /// Words of scratch memory that a warp needs: the queries as its lanes take them, four words at a time:
    /// [column_tiles][query_words / 4][32 lanes][4].
    static constexpr int scratch_words = column_tiles * head_dim / 8 * 32;
    using KeyChunks = RowChunks<head_dim, 4, 16 / element_bytes>;
    using ValueChunks = RowChunks<head_dim, 8, 16 / element_bytes>;
    static constexpr int key_words = row_bytes / 16, value_words = row_bytes / 32, query_words = head_dim / 8;
    /// Values of 256 elements come in two halves, one after the other: both at once would not fit the
    /// registers.
    static constexpr int value_parts = head_dim == 256 ? 2 : 1,
                         part_chunks = ValueChunks::count / value_parts,
                         part_words = value_words / value_parts;

    struct Keys {
        std::uint32_t w[step_tiles][2][key_words];  ///< rows g and g + 8
    };
    struct Values {
        std::uint32_t w[step_tiles][4][part_words];  ///< rows 2t, 2t+1, 2t+8, 2t+9
    };
    struct Scores {
        float c[step_tiles][column_tiles][4];
    };
    struct Weights {
        FragmentB p[step_tiles][column_tiles];
    };
    /// Of the columns 2t and 2t+1 of each column tile: the largest score so far and this lane's share of the
    /// sum.
    struct Softmax {
        float largest[column_tiles][2];
        float sum[column_tiles][2];
    };
    struct Sums {
        float c[head_dim / 16][column_tiles][4];
    };
};

/// A warp's part of an item: steps i of `warps` * step_tiles tiles, of which it has the warp-th step_tiles.
struct WarpWork {
    AttentionItem item;
    std::int32_t kv_head = 0;
    std::int32_t warp = 0, warps = 1;

    WT_HD int steps(int step_tiles) const {
        const int mine = item.tiles - warp * step_tiles;
        return mine <= 0 ? 0 : (mine + warps * step_tiles - 1) / (warps * step_tiles);
    }
    /// The n-th tile of this warp, where steps have step_tiles tiles; may lie behind the item's end.
    WT_HD int tile(int n, int step_tiles) const {
        return item.first_tile + ((n / step_tiles) * warps + warp) * step_tiles + n % step_tiles;
    }
    WT_HD int last_tile() const { return item.first_tile + item.tiles - 1; }
};

/// One warp's walk over keys and values with the online softmax. `Warp` is the machine: DeviceWarp on a GPU,
/// HostWarp in the tests, which keeps 32 values where the device keeps one. Nothing is staged in shared
/// memory: every element of the cache is used by one warp alone, and is loaded into the very registers from
/// which the tensor cores read it.
///
/// S^T = K Q^T with the keys as A (16 tokens x 16 elements; which elements is free as long as the queries
/// agree, so a lane takes 16 bytes in a row), and O^T += V^T P^T with the values as A. Its tokens run along
/// registers, so pairs of rows are interleaved by byte permutes; P^T is S^T with each 8 x 8 transposed
/// (movmatrix). In both products a lane has the same two columns, so its factors need no exchange.
template <class Warp, class Kind>
class AttentionWalk {
public:
    template <class T>
    using PerLane = typename Warp::template PerLane<T>;
    using KeyChunks = typename Kind::KeyChunks;
    using ValueChunks = typename Kind::ValueChunks;
    static constexpr float minus_infinity = -__builtin_huge_valf();

    /// `scratch` holds Kind::scratch_words, aligned by 16 bytes, until store().
    WT_HD AttentionWalk(const Warp& warp, const AttentionArgs& args, const WarpWork& work,
                        std::uint32_t* scratch)
        : m_warp(warp), m_args(args), m_work(work), m_scratch(scratch) {
        const int queries = args.queries_of(work.item.sequence), group = args.group();
        const int length = args.lengths[work.item.sequence];
        m_columns = queries * group;
        const int last_column =
            work.item.column + Kind::columns < m_columns ? work.item.column + Kind::columns : m_columns;
        const VisibleTokens early = visible_tokens(length, queries, work.item.column / group, args.window),
                            late = visible_tokens(length, queries, (last_column - 1) / group, args.window);
        m_all_from = late.first, m_all_to = early.last;
        m_any_from = early.first, m_any_to = late.last;
    }

    WT_HD void run() {
        clear();
        const int steps = m_work.steps(Kind::step_tiles);
        if (steps == 0) return;
        load_queries();
        const float raw = m_args.scale * m_args.key_scale(m_work.kv_head) * Warp::unit(Kind::kv_format);
        constexpr float log2_e = 1.44269504088896341f;
        m_factor = m_args.soft_cap > 0 ? log2_e : raw * log2_e;
        m_capped = raw;
        m_next_ids = load_ids(0);
        place(0);
        load_keys();
        load_values<0>();
        for (int step = 0; step < steps; ++step) {
            const bool more = step + 1 < steps;
            multiply_keys();
            const bool masked = step_is_masked(step);
            if (more) {
                place(step + 1);
                load_keys();
            }
            if (m_args.soft_cap > 0) cap();
            if (masked) mask(step);
            weigh();
            static_for<Kind::value_parts>([&](auto part) {
                if (part > 0) load_values<decltype(part)::value>();
                if (masked) blank_values(step);
                add_values<decltype(part)::value>();
            });
            if (more) load_values<0>();
        }
        add_up_sums();
    }

    /// This warp's sums, not normalised, into `sums` [columns][head_dim], and each column's largest score and
    /// sum.
    WT_HD void store(float* sums, float* largest, float* total) const {
        m_warp.meet();  // the scratch may be the same memory
        m_warp.each([&](int lane) {
            const int g = lane / 4, t = lane % 4;
            static_for<ValueChunks::count>([&](auto chunk) {
                constexpr int c = decltype(chunk)::value, n = ValueChunks::per_lane(c);
                static_for<n / 2>([&](auto pair) {
                    constexpr int i = decltype(pair)::value, tile = ValueChunks::base(c) / 16 + i;
                    const int dim = ValueChunks::base(c) + n * g + 2 * i;
                    static_for<Kind::column_tiles>([&](auto column_tile) {
                        constexpr int nt = decltype(column_tile)::value;
                        const float* const v = m_sums[lane].c[tile][nt];
                        float* const at = sums + (nt * 8 + 2 * t) * Kind::head_dim + dim;
                        at[0] = v[0], at[1] = v[2];
                        at[Kind::head_dim] = v[1], at[Kind::head_dim + 1] = v[3];
                    });
                });
            });
            if (g == 0)
                static_for<Kind::column_tiles>([&](auto column_tile) {
                    constexpr int nt = decltype(column_tile)::value;
                    for (int i = 0; i < 2; ++i) {
                        largest[nt * 8 + 2 * t + i] = m_softmax[lane].largest[nt][i];
                        total[nt * 8 + 2 * t + i] = m_softmax[lane].sum[nt][i];
                    }
                });
        });
    }

private:
    WT_HD void clear() {
        m_warp.each([&](int lane) {
            static_for<Kind::column_tiles>([&](auto nt) {
                for (int i = 0; i < 2; ++i) {
                    m_softmax[lane].largest[nt][i] = minus_infinity;
                    m_softmax[lane].sum[nt][i] = 0;
                }
                static_for<Kind::head_dim / 16>([&](auto tile) {
                    for (int i = 0; i < 4; ++i) m_sums[lane].c[tile][nt][i] = 0;
                });
            });
        });
    }

    /// Where four words of a lane's queries lie.
    [[nodiscard]] WT_HD std::uint32_t* query_quad(int column_tile, int quad, int lane) const {
        return m_scratch + ((column_tile * (Kind::query_words / 4) + quad) * 32 + lane) * 4;
    }
    /// Columns that do not exist are zeros; their results are never written.
    WT_HD void load_queries() {
        m_warp.each([&](int lane) {
            const int g = lane / 4, t = lane % 4;
            static_for<Kind::column_tiles>([&](auto column_tile) {
                constexpr int nt = decltype(column_tile)::value;
                const int column = m_work.item.column + nt * 8 + g;
                const bool exists = column < m_columns;
                const auto* const row =
                    static_cast<const std::uint16_t*>(m_args.queries) +
                    m_args.row_of(m_work.item.sequence, m_work.kv_head, exists ? column : 0);
                static_for<KeyChunks::count>([&](auto chunk) {
                    constexpr int c = decltype(chunk)::value, n = KeyChunks::per_lane(c);
                    static_for<n / 8>([&](auto part) {
                        constexpr int i = decltype(part)::value;
                        std::uint32_t words[4];
                        Warp::template load<16>(row + KeyChunks::base(c) + n * t + 8 * i, words);
                        static_for<4>([&](auto w) {
                            if (Kind::narrow && m_args.query_format == FloatFormat::bf16)
                                words[w] = Warp::f16_pair_of_bf16(words[w]);
                            if (!exists) words[w] = 0;
                        });
                        Warp::store_quad(query_quad(nt, KeyChunks::base(c) / 32 + i, lane), words);
                    });
                });
            });
        });
    }

    /// Ids of the blocks of this warp's tiles n .. n + 31, one per lane. Tiles behind the end stand for the
    /// last: ids behind it may be anything and are not read.
    WT_HD PerLane<std::int32_t> load_ids(int n) const {
        PerLane<std::int32_t> ids;
        m_warp.each([&](int lane) {
            const int tile = m_work.tile(n + lane, Kind::step_tiles), last = m_work.last_tile();
            const int block = (tile < last ? tile : last) / m_args.tiles_per_block();
            ids[lane] = m_args.block_table[m_work.item.sequence * m_args.table_stride + block];
        });
        return ids;
    }
    /// Where the tiles of a step lie. Ids are read 32 tiles ahead of their use.
    WT_HD void place(int step) {
        static_assert(32 % Kind::step_tiles == 0);
        const int n = step * Kind::step_tiles;
        if (n % 32 == 0) {
            m_ids = m_next_ids;
            m_next_ids = load_ids(n + 32);
        }
        static_for<Kind::step_tiles>([&](auto j) {
            const int tile = m_work.tile(n + j, Kind::step_tiles), last = m_work.last_tile();
            const int within = (tile < last ? tile : last) % m_args.tiles_per_block();
            const std::int32_t id = m_warp.broadcast(m_ids, (n + j) % 32);
            m_keys_at[j] =
                m_args.pool +
                m_args.layout.key_offset(id, within * attention_tile, m_work.kv_head) * Kind::element_bytes;
        });
    }

    WT_HD void load_keys() {
        m_warp.each([&](int lane) {
            const int g = lane / 4, t = lane % 4;
            static_for<Kind::step_tiles>([&](auto tile) {
                constexpr int j = decltype(tile)::value;
                static_for<2>([&](auto half) {
                    constexpr int r = decltype(half)::value;
                    static_for<KeyChunks::count>([&](auto chunk) {
                        constexpr int c = decltype(chunk)::value,
                                      bytes = KeyChunks::per_lane(c) * Kind::element_bytes,
                                      base = KeyChunks::base(c) * Kind::element_bytes;
                        Warp::template load<bytes>(m_keys_at[j] + (g * Kind::row_bytes + t * bytes) +
                                                       (8 * r * Kind::row_bytes + base),
                                                   &m_keys[lane].w[j][r][base / 16]);
                    });
                });
            });
        });
    }
    template <int part>
    WT_HD void load_values() {
        const std::int64_t values = m_args.layout.value_offset() * Kind::element_bytes;
        if constexpr (part == 0)
            static_for<Kind::step_tiles>([&](auto j) { m_values_at[j] = m_keys_at[j] + values; });
        m_warp.each([&](int lane) {
            const int g = lane / 4, t = lane % 4;
            static_for<Kind::step_tiles>([&](auto tile) {
                constexpr int j = decltype(tile)::value;
                static_for<4>([&](auto quarter) {
                    constexpr int r = decltype(quarter)::value;
                    static_for<Kind::part_chunks>([&](auto chunk) {
                        constexpr int c = part * Kind::part_chunks + decltype(chunk)::value;
                        constexpr int bytes = ValueChunks::per_lane(c) * Kind::element_bytes,
                                      base = ValueChunks::base(c) * Kind::element_bytes;
                        Warp::template load<bytes>(
                            m_values_at[j] + (2 * t * Kind::row_bytes + g * bytes) +
                                ((r % 2 + 8 * (r / 2)) * Kind::row_bytes + base),
                            &m_values[lane].w[j][r][base / 32 - part * Kind::part_words]);
                    });
                });
            });
        });
    }

    /// S^T = K Q^T. Two chains of products, even and odd, halve the wait for one another.
    WT_HD void multiply_keys() {
        PerLane<typename Kind::Scores> odd;
        m_warp.each([&](int lane) {
            static_for<Kind::step_tiles>([&](auto j) {
                static_for<Kind::column_tiles>([&](auto nt) {
                    static_for<4>([&](auto i) { m_scores[lane].c[j][nt][i] = odd[lane].c[j][nt][i] = 0; });
                });
            });
        });
        static_for<Kind::head_dim / 32>([&](auto which) {
            constexpr int quad = decltype(which)::value;
            PerLane<FragmentA> queries[Kind::column_tiles];  // B of two products each
            m_warp.each([&](int lane) {
                static_for<Kind::column_tiles>(
                    [&](auto nt) { Warp::load_quad(query_quad(nt, quad, lane), queries[nt][lane].w); });
            });
            static_for<Kind::step_tiles>([&](auto tile) {
                constexpr int j = decltype(tile)::value;
                static_for<2>([&](auto half) {
                    constexpr int h = decltype(half)::value;
                    PerLane<FragmentA> a;
                    m_warp.each([&](int lane) { a[lane] = key_fragment<j, quad * 2 + h>(m_keys[lane]); });
                    static_for<Kind::column_tiles>([&](auto column_tile) {
                        constexpr int nt = decltype(column_tile)::value;
                        PerLane<FragmentB> b;
                        m_warp.each([&](int lane) {
                            b[lane] = {{queries[nt][lane].w[2 * h], queries[nt][lane].w[2 * h + 1]}};
                        });
                        auto& into = h == 0 ? m_scores : odd;
                        m_warp.template multiply<Kind::bf16>(
                            a, b, [&](int lane) -> float* { return into[lane].c[j][nt]; });
                    });
                });
            });
        });
        m_warp.each([&](int lane) {
            static_for<Kind::step_tiles>([&](auto j) {
                static_for<Kind::column_tiles>([&](auto nt) {
                    static_for<4>([&](auto i) { m_scores[lane].c[j][nt][i] += odd[lane].c[j][nt][i]; });
                });
            });
        });
    }
    /// The k-th 16 elements of tile j's rows, in the lanes' order: 4 of each of a lane's rows.
    template <int j, int k>
    WT_HD static FragmentA key_fragment(const typename Kind::Keys& keys) {
        const auto& rows = keys.w[j];
        if constexpr (Kind::narrow)
            return {{Warp::f16_pair_of_low(rows[0][k]), Warp::f16_pair_of_low(rows[1][k]),
                     Warp::f16_pair_of_high(rows[0][k]), Warp::f16_pair_of_high(rows[1][k])}};
        else
            return {{rows[0][2 * k], rows[1][2 * k], rows[0][2 * k + 1], rows[1][2 * k + 1]}};
    }

    /// f(token row of the tile, column tile, which of the lane's two columns, score) over what this lane
    /// holds.
    template <class F>
    WT_HD void for_each_score(int lane, F f) {
        static_for<Kind::step_tiles>([&](auto j) {
            static_for<Kind::column_tiles>([&](auto nt) {
                static_for<4>(
                    [&](auto i) { f(j, i / 2 * 8 + lane / 4, nt, i % 2, m_scores[lane].c[j][nt][i]); });
            });
        });
    }

    WT_HD void cap() {
        // tanh(x) = 1 - 2 / (1 + 2^(2 log2(e) x)), right at both ends.
        const float inner = m_capped / m_args.soft_cap * 2.8853900817779268f, outer = m_args.soft_cap;
        m_warp.each([&](int lane) {
            for_each_score(lane, [&](auto, int, auto, auto, float& s) {
                s = outer * (1.0f - 2.0f * Warp::reciprocal(1.0f + Warp::power_of_2(s * inner)));
            });
        });
    }

    [[nodiscard]] WT_HD bool step_is_masked(int step) const {
        const int first = m_work.tile(step * Kind::step_tiles, Kind::step_tiles),
                  last = first + Kind::step_tiles - 1;
        return last > m_work.last_tile() || first * attention_tile < m_all_from ||
               last * attention_tile + attention_tile - 1 > m_all_to;
    }
    WT_HD void mask(int step) {
        const int first = m_work.tile(step * Kind::step_tiles, Kind::step_tiles), end = m_work.last_tile();
        const int queries = m_args.queries_of(m_work.item.sequence),
                  length = m_args.lengths[m_work.item.sequence];
        m_warp.each([&](int lane) {
            for_each_score(lane, [&](auto j, int row, auto nt, auto i, float& s) {
                const int column = m_work.item.column + nt * 8 + 2 * (lane % 4) + i;
                const int token = (first + j) * attention_tile + row;
                const VisibleTokens sees = visible_tokens(
                    length, queries, (column < m_columns ? column : m_columns - 1) / m_args.group(),
                    m_args.window);
                if (first + j > end || token < sees.first || token > sees.last) s = minus_infinity;
            });
        });
    }
    /// Slots that hold no token that anyone sees may hold anything, NaN included, and 0 * NaN is NaN.
    WT_HD void blank_values(int step) {
        const int first = m_work.tile(step * Kind::step_tiles, Kind::step_tiles), end = m_work.last_tile();
        m_warp.each([&](int lane) {
            static_for<Kind::step_tiles>([&](auto j) {
                static_for<4>([&](auto r) {
                    const int token = (first + j) * attention_tile + 2 * (lane % 4) + r % 2 + 8 * (r / 2);
                    const bool seen = first + j <= end && token >= m_any_from && token <= m_any_to;
                    static_for<Kind::part_words>([&](auto w) {
                        if (!seen) m_values[lane].w[j][r][w] = 0;
                    });
                });
            });
        });
    }

    /// Online softmax of a step: a column's largest score is agreed upon by the 8 lanes that hold its rows;
    /// what was summed before is rescaled when one has grown. The weights become B of the second product.
    WT_HD void weigh() {
        static_for<Kind::column_tiles>([&](auto column_tile) {
            constexpr int nt = decltype(column_tile)::value;
            PerLane<float> scale[2];
            PerLane<bool> grows;
            m_warp.each([&](int lane) { grows[lane] = false; });
            static_for<2>([&](auto which) {
                constexpr int i = decltype(which)::value;
                PerLane<float> largest;
                m_warp.each([&](int lane) {
                    largest[lane] = minus_infinity;
                    static_for<Kind::step_tiles>([&](auto j) {
                        const float* const s = m_scores[lane].c[j][nt];
                        const float more = s[i] > s[i + 2] ? s[i] : s[i + 2];
                        if (more > largest[lane]) largest[lane] = more;
                    });
                });
                for (int distance = 4; distance <= 16; distance *= 2) {
                    const PerLane<float> other = m_warp.shuffle_xor(largest, distance);
                    m_warp.each([&](int lane) {
                        if (other[lane] > largest[lane]) largest[lane] = other[lane];
                    });
                }
                m_warp.each([&](int lane) {
                    float& before = m_softmax[lane].largest[nt][i];
                    const float now = largest[lane] * m_factor;
                    const float after = now > before ? now : before;
                    // Nothing seen yet: the sums are zeros, any finite factor will do.
                    scale[i][lane] = after == minus_infinity ? 1.0f : Warp::power_of_2(before - after);
                    grows[lane] = grows[lane] || after > before;
                    before = after;
                    m_softmax[lane].sum[nt][i] *= scale[i][lane];
                });
            });
            if (m_warp.any(grows))
                m_warp.each([&](int lane) {
                    static_for<Kind::head_dim / 16>([&](auto tile) {
                        static_for<4>([&](auto i) { m_sums[lane].c[tile][nt][i] *= scale[i % 2][lane]; });
                    });
                });
            static_for<Kind::step_tiles>([&](auto tile) {
                constexpr int j = decltype(tile)::value;
                PerLane<std::uint32_t> pairs[2];
                m_warp.each([&](int lane) {
                    float p[4];
                    static_for<4>([&](auto i) {
                        float& largest = m_softmax[lane].largest[nt][i % 2];
                        const float from = largest == minus_infinity ? 0.0f : largest;
                        p[i] =
                            Warp::power_of_2(Warp::multiply_add(m_scores[lane].c[j][nt][i], m_factor, -from));
                        m_softmax[lane].sum[nt][i % 2] += p[i];
                    });
                    pairs[0][lane] = Warp::template pack<Kind::bf16>(p[0], p[1]);
                    pairs[1][lane] = Warp::template pack<Kind::bf16>(p[2], p[3]);
                });
                static_for<2>([&](auto half) {
                    const PerLane<std::uint32_t> turned = m_warp.transpose(pairs[half]);
                    m_warp.each([&](int lane) { m_weights[lane].p[j][nt].w[half] = turned[lane]; });
                });
            });
        });
    }

    /// O^T += V^T P^T.
    template <int part>
    WT_HD void add_values() {
        static_for<Kind::step_tiles>([&](auto token_tile) {
            constexpr int j = decltype(token_tile)::value;
            static_for<Kind::part_chunks>([&](auto chunk) {
                constexpr int c = part * Kind::part_chunks + decltype(chunk)::value;
                static_for<ValueChunks::per_lane(c) / 2>([&](auto pair) {
                    constexpr int i = decltype(pair)::value, tile = ValueChunks::base(c) / 16 + i;
                    PerLane<FragmentA> a;
                    m_warp.each([&](int lane) { a[lane] = value_fragment<j, c, i>(m_values[lane]); });
                    static_for<Kind::column_tiles>([&](auto column_tile) {
                        constexpr int nt = decltype(column_tile)::value;
                        PerLane<FragmentB> b;
                        m_warp.each([&](int lane) { b[lane] = m_weights[lane].p[j][nt]; });
                        m_warp.template multiply<Kind::bf16>(
                            a, b, [&](int lane) -> float* { return m_sums[lane].c[tile][nt]; });
                    });
                });
            });
        });
    }
    /// The i-th pair of elements of a lane's part of chunk c: element 2i is row g of A, element 2i + 1 row g
    /// + 8; tokens run along its columns.
    template <int j, int c, int i>
    WT_HD static FragmentA value_fragment(const typename Kind::Values& v) {
        if constexpr (Kind::narrow) {
            constexpr int word = (ValueChunks::base(c) / 32 + i / 2) % Kind::part_words;
            // Bytes of two rows, element by element: 0 0' 1 1' or 2 2' 3 3'.
            constexpr std::uint32_t order = i % 2 == 0 ? 0x5140u : 0x7362u;
            const std::uint32_t low = Warp::permute(v.w[j][0][word], v.w[j][1][word], order),
                                high = Warp::permute(v.w[j][2][word], v.w[j][3][word], order);
            return {{Warp::f16_pair_of_low(low), Warp::f16_pair_of_high(low), Warp::f16_pair_of_low(high),
                     Warp::f16_pair_of_high(high)}};
        } else {
            constexpr int word = (ValueChunks::base(c) / 16 + i) % Kind::part_words;
            const auto& rows = v.w[j];
            return {{Warp::permute(rows[0][word], rows[1][word], 0x5410u),
                     Warp::permute(rows[0][word], rows[1][word], 0x7632u),
                     Warp::permute(rows[2][word], rows[3][word], 0x5410u),
                     Warp::permute(rows[2][word], rows[3][word], 0x7632u)}};
        }
    }

    WT_HD void add_up_sums() {
        static_for<Kind::column_tiles>([&](auto nt) {
            static_for<2>([&](auto i) {
                PerLane<float> sum;
                m_warp.each([&](int lane) { sum[lane] = m_softmax[lane].sum[nt][i]; });
                for (int distance = 4; distance <= 16; distance *= 2) {
                    const PerLane<float> other = m_warp.shuffle_xor(sum, distance);
                    m_warp.each([&](int lane) { sum[lane] += other[lane]; });
                }
                m_warp.each([&](int lane) { m_softmax[lane].sum[nt][i] = sum[lane]; });
            });
        });
    }

    const Warp& m_warp;
    const AttentionArgs& m_args;
    const WarpWork& m_work;
    std::uint32_t* const m_scratch;
    int m_columns = 0;
    int m_all_from = 0, m_all_to = 0;  ///< tokens that every column of the item sees
    int m_any_from = 0, m_any_to = 0;  ///< ... that any sees
    float m_factor = 1;                ///< from a score to the exponent of 2
    float m_capped = 1;                ///< from q k to the soft cap's argument
    const std::byte* m_keys_at[Kind::step_tiles];
    const std::byte* m_values_at[Kind::step_tiles];
    PerLane<std::int32_t> m_ids, m_next_ids;
    PerLane<typename Kind::Keys> m_keys;
    PerLane<typename Kind::Values> m_values;
    PerLane<typename Kind::Scores> m_scores;
    PerLane<typename Kind::Weights> m_weights;
    PerLane<typename Kind::Softmax> m_softmax;
    PerLane<typename Kind::Sums> m_sums;
};

}  // namespace windtunnel
