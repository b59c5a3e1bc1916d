#pragma once
#include "gpu/prefill_tile.hpp"

#include <cstdint>

namespace windtunnel {

/// One warp of a block that computes an item of a prefill (FlashAttention-2, Dao 2023, over a paged cache).
/// Queries lie in shared memory; a step's keys are multiplied while its values are on their way, and its
/// values while the next keys are. S = Q K^T with the queries as A, 16 rows a time, then O += P V: the
/// weights are A in the very registers in which the scores were C. A row belongs to four lanes.
///
/// `Warp` is the machine: DevicePrefillWarp on a GPU, HostPrefillWarp in the tests. run_prefill says in which
/// order the phases come and where the warps of a block meet.
template <class Machine, class PrefillKind>
class PrefillWarp {
public:
    using Warp = Machine;
    using Kind = PrefillKind;
    template <class T>
    using PerLane = typename Warp::template PerLane<T>;
    static constexpr float minus_infinity = -__builtin_huge_valf();

    WT_HD PrefillWarp(const Warp& warp, const AttentionArgs& args, int number)
        : m_warp(warp), m_args(args), m_number(number) {}

    WT_HD void begin(const AttentionItem& item, int kv_head) {
        clear();
        note_work(item, kv_head);
        if (steps() == 0) return;
        load_queries();
        m_id = block_of(0);
        ask(0, Kind::keys_at, 0);
    }
    /// Of the item; to be asked after begin().
    [[nodiscard]] WT_HD int steps() const {
        const int tokens = noted(Note::end) - noted(Note::first);
        return tokens > 0 ? (tokens + Kind::step_tokens - 1) / Kind::step_tokens : 0;
    }

    /// Afterwards, and once all warps have met, the step's keys may be read.
    WT_HD void keys_arrive() { arrive(Kind::keys_at); }
    WT_HD void ask_values(int step) {
        ask(step, Kind::values_at, m_args.layout.value_offset());
        if (step + 1 < steps()) m_id = block_of(step + 1);
    }
    WT_HD void values_arrive() { arrive(Kind::values_at); }
    WT_HD void ask_keys(int step) {
        if (step < steps()) ask(step, Kind::keys_at, 0);
    }

    WT_HD void multiply_keys(int step) {
        if (!concerns(step)) return;
        m_warp.each([&](int lane) {
            WT_UNROLL for (int m = 0; m < Kind::row_tiles; ++m) {
                WT_UNROLL for (int n = 0; n < Kind::token_tiles; ++n) {
                    WT_UNROLL for (int i = 0; i < 4; ++i) m_scores[lane].c[m][n][i] = 0;
                }
            }
        });
        PerLane<std::uint32_t> queries_at, keys_at;
        m_warp.each([&](int lane) {
            const auto l = static_cast<unsigned>(lane);
            queries_at[lane] = upper_and_lower_rows<Kind>(l) +
                               static_cast<unsigned>(m_number * Kind::warp_rows * Kind::row_bytes);
            keys_at[lane] = left_and_right_halves<Kind>(l) + Kind::keys_at;
        });
        WT_UNROLL for (int k = 0; k < Kind::head_dim / 16; ++k) {
            Warp::afresh(queries_at), Warp::afresh(keys_at);
            PerLane<FragmentA> queries[Kind::row_tiles];
            WT_UNROLL for (int m = 0; m < Kind::row_tiles; ++m) {
                queries[m] = m_warp.template load_matrices<false>(
                    [&](int lane) { return moved<Kind>(queries_at[lane], k, 2 * m); });
            }
            WT_UNROLL for (int n = 0; n < Kind::token_tiles; n += 2) {
                const PerLane<FragmentA> keys = m_warp.template load_matrices<false>(
                    [&](int lane) { return moved<Kind>(keys_at[lane], k, n); });
                WT_UNROLL for (int h = 0; h < 2; ++h) {
                    const PerLane<FragmentB> b = half_of(keys, h);
                    WT_UNROLL for (int m = 0; m < Kind::row_tiles; ++m) {
                        m_warp.template multiply<Kind::bf16>(
                            queries[m], b, [&](int lane) -> float* { return m_scores[lane].c[m][n + h]; });
                    }
                }
            }
        }
    }

    /// Online softmax of a step: scores become weights, what was summed before is rescaled.
    WT_HD void weigh(int step) {
        if (!concerns(step)) return;
        if (m_args.soft_cap > 0) cap();
        if (is_masked(step)) mask(step);
        const float factor = exponent_factor();
        WT_UNROLL for (int m = 0; m < Kind::row_tiles; ++m) {
            PerLane<float> scale[2];
            PerLane<bool> grows;
            m_warp.each([&](int lane) { grows[lane] = false; });
            WT_UNROLL for (int r = 0; r < 2; ++r) {
                PerLane<float> largest;
                m_warp.each([&](int lane) {
                    float most = minus_infinity;
                    WT_UNROLL for (int n = 0; n < Kind::token_tiles; ++n) {
                        const float* const s = m_scores[lane].c[m][n] + 2 * r;
                        most = Warp::larger(most, Warp::larger(s[0], s[1]));
                    }
                    largest[lane] = most;
                });
                for_lanes_of_row(largest, [](float a, float b) { return Warp::larger(a, b); });
                m_warp.each([&](int lane) {
                    float& before = m_softmax[lane].largest[m][r];
                    const float after = Warp::larger(largest[lane] * factor, before);
                    // Nothing seen yet: the sums are zeros, any finite factor will do.
                    scale[r][lane] = after == minus_infinity ? 1.0f : Warp::power_of_2(before - after);
                    grows[lane] = grows[lane] || after > before;
                    before = after;
                    const float from = after == minus_infinity ? 0.0f : after;
                    float sum = m_softmax[lane].sum[m][r] * scale[r][lane];
                    WT_UNROLL for (int n = 0; n < Kind::token_tiles; ++n) {
                        WT_UNROLL for (int i = 0; i < 2; ++i) {
                            float& s = m_scores[lane].c[m][n][2 * r + i];
                            s = Warp::power_of_2(Warp::multiply_add(s, factor, -from));
                            sum += s;
                        }
                    }
                    m_softmax[lane].sum[m][r] = sum;
                });
            }
            if (m_warp.any(grows))
                m_warp.each([&](int lane) {
                    WT_UNROLL for (int d = 0; d < Kind::dim_tiles; ++d) {
                        WT_UNROLL for (int i = 0; i < 4; ++i) m_sums[lane].c[m][d][i] *= scale[i / 2][lane];
                    }
                });
        }
    }

    WT_HD void add_values(int step) {
        if (!concerns(step)) return;
        PerLane<std::uint32_t> values_at;
        m_warp.each([&](int lane) {
            values_at[lane] = upper_and_lower_rows<Kind>(static_cast<unsigned>(lane)) + Kind::values_at;
        });
        WT_UNROLL for (int k = 0; k < Kind::step_tiles; ++k) {
            Warp::afresh(values_at);
            PerLane<FragmentA> weights[Kind::row_tiles];
            m_warp.each([&](int lane) {
                WT_UNROLL for (int m = 0; m < Kind::row_tiles; ++m) {
                    WT_UNROLL for (int i = 0; i < 4; ++i) {
                        const float* const p = m_scores[lane].c[m][2 * k + i / 2] + i % 2 * 2;
                        weights[m][lane].w[i] = Warp::template pack<Kind::bf16>(p[0], p[1]);
                    }
                }
            });
            WT_UNROLL for (int d = 0; d < Kind::dim_tiles; d += 2) {
                const PerLane<FragmentA> values = m_warp.template load_matrices<true>(
                    [&](int lane) { return moved<Kind>(values_at[lane], d / 2, 2 * k); });
                WT_UNROLL for (int h = 0; h < 2; ++h) {
                    const PerLane<FragmentB> b = half_of(values, h);
                    WT_UNROLL for (int m = 0; m < Kind::row_tiles; ++m) {
                        m_warp.template multiply<Kind::bf16>(
                            weights[m], b, [&](int lane) -> float* { return m_sums[lane].c[m][d + h]; });
                    }
                }
            }
        }
    }

    /// Writes what the item gives: the result, or its partial.
    WT_HD void finish() {
        if (column(0) > last_column()) return;
        const float unit = m_args.value_scale(noted(Note::kv_head)) * Warp::unit(Kind::kv_format);
        WT_UNROLL for (int m = 0; m < Kind::row_tiles; ++m) {
            WT_UNROLL for (int r = 0; r < 2; ++r) {
                PerLane<float> total;
                m_warp.each([&](int lane) { total[lane] = m_softmax[lane].sum[m][r]; });
                for_lanes_of_row(total, [](float a, float b) { return a + b; });
                m_warp.each([&](int lane) {
                    const float share = total[lane] > 0 ? unit * Warp::reciprocal(total[lane]) : 0;
                    const int row = m * 16 + r * 8 + lane / 4;
                    if (noted(Note::partial) < 0)
                        stage(m, r, row, lane, share);
                    else
                        write_partial(m, r, row, lane, share, total[lane]);
                });
            }
        }
        if (noted(Note::partial) < 0) {
            m_warp.meet();
            write_staged();
        }
    }

private:
    struct Scores {
        float c[Kind::row_tiles][Kind::token_tiles][4];
    };
    struct Sums {
        float c[Kind::row_tiles][Kind::dim_tiles][4];
    };
    /// Of a lane's rows lane / 4 and lane / 4 + 8 of each 16: the largest score so far, this lane's share of
    /// the sum.
    struct Softmax {
        float largest[Kind::row_tiles][2];
        float sum[Kind::row_tiles][2];
    };

    /// The sequence's column that a row of this warp is, and its last that there is.
    [[nodiscard]] WT_HD int column(int row) const {
        return noted(Note::column) + m_number * Kind::warp_rows + row;
    }
    [[nodiscard]] WT_HD int last_column() const {
        const int columns = m_args.columns_of(noted(Note::sequence)), mine = column(Kind::warp_rows);
        return (mine < columns ? mine : columns) - 1;
    }
    [[nodiscard]] WT_HD VisibleTokens sees(int column) const {
        return visible_tokens(m_args.lengths[noted(Note::sequence)], m_args.queries_of(noted(Note::sequence)),
                              column / m_args.group(), m_args.window);
    }

    /// What a step needs to know a few times lies in shared memory, since sums and scores leave no registers.
    /// first, end: tokens of the item that any of its rows sees lie between; present_from: the first of them.
    /// any: tokens that any row of this warp sees, all: that every row of it sees, from .. to.
    enum class Note : std::uint8_t {
        first,
        end,
        present_from,
        any_from,
        any_to,
        all_from,
        all_to,
        sequence,
        column,
        partial,
        kv_head
    };
    static_assert(static_cast<int>(Note::kv_head) < Kind::warp_notes);
    [[nodiscard]] WT_HD std::uint32_t place_of(Note what) const {
        return Kind::notes_at +
               static_cast<unsigned>(m_number * Kind::warp_notes + static_cast<int>(what)) * 4;
    }
    [[nodiscard]] WT_HD int noted(Note what) const {
        return static_cast<int>(m_warp.load_word(place_of(what)));
    }
    WT_HD void note(int lane, Note what, int value) {
        if (lane == 0) m_warp.store_word(place_of(what), static_cast<std::uint32_t>(value));
    }
    WT_HD void note_work(const AttentionItem& item, int kv_head) {
        m_warp.each([&](int lane) {
            note(lane, Note::sequence, item.sequence);
            note(lane, Note::column, item.column);
            note(lane, Note::partial, item.partial);
            note(lane, Note::kv_head, kv_head);
        });
        m_warp.meet();
        const int columns = m_args.columns_of(item.sequence);
        const int item_end = item.column + Kind::rows < columns ? item.column + Kind::rows : columns;
        const int first = item.first_tile * attention_tile, end = first + item.tiles * attention_tile,
                  seen = sees(item_end - 1).last + 1;
        // A warp without columns sees nothing: it copies for the others.
        const bool works = column(0) < columns;
        const VisibleTokens early = works ? sees(column(0)) : VisibleTokens{},
                            late = works ? sees(last_column()) : VisibleTokens{};
        m_warp.each([&](int lane) {
            note(lane, Note::first, first);
            note(lane, Note::end, end < seen ? end : seen);
            note(lane, Note::present_from, sees(item.column).first);
            note(lane, Note::any_from, early.first);
            note(lane, Note::any_to, late.last);
            note(lane, Note::all_from, late.first);
            note(lane, Note::all_to, early.last);
        });
        m_warp.meet();
    }

    [[nodiscard]] WT_HD int first_token(int step) const {
        return noted(Note::first) + step * Kind::step_tokens;
    }
    /// Whether any of this warp's rows sees a token of the step.
    [[nodiscard]] WT_HD bool concerns(int step) const {
        const int first = first_token(step);
        return first <= noted(Note::any_to) && first + Kind::step_tokens > noted(Note::any_from);
    }
    [[nodiscard]] WT_HD bool is_masked(int step) const {
        const int first = first_token(step), end = first + Kind::step_tokens;
        return first < noted(Note::all_from) || end - 1 > noted(Note::all_to) || end > noted(Note::end);
    }

    WT_HD void clear() {
        m_warp.each([&](int lane) {
            WT_UNROLL for (int m = 0; m < Kind::row_tiles; ++m) {
                WT_UNROLL for (int r = 0; r < 2; ++r) {
                    m_softmax[lane].largest[m][r] = minus_infinity;
                    m_softmax[lane].sum[m][r] = 0;
                }
                WT_UNROLL for (int d = 0; d < Kind::dim_tiles; ++d) {
                    WT_UNROLL for (int i = 0; i < 4; ++i) m_sums[lane].c[m][d][i] = 0;
                }
            }
        });
    }

    /// This warp's rows into its part of the shared memory; rows that do not exist are zeros. They are there
    /// when the first keys are.
    WT_HD void load_queries() {
        m_warp.each([&](int lane) {
            const int last = last_column();
            WT_UNROLL_TWO for (int e = lane; e < Kind::warp_rows * Kind::pieces; e += 32) {
                const int row = e / Kind::pieces, piece = e % Kind::pieces;
                const bool exists = column(row) <= last;
                const auto* const from =
                    static_cast<const std::uint16_t*>(m_args.queries) +
                    m_args.row_of(noted(Note::sequence), noted(Note::kv_head), exists ? column(row) : last) +
                    piece * 8;
                if constexpr (Kind::narrow) {
                    std::uint32_t words[4] = {0, 0, 0, 0};
                    if (exists) Warp::template load<16>(from, words);
                    if (m_args.query_format == FloatFormat::bf16)
                        for (std::uint32_t& w : words) w = Warp::f16_pair_of_bf16(w);
                    m_warp.store_shared(own_row(row, piece), words);
                } else {
                    m_warp.copy_later(own_row(row, piece), reinterpret_cast<const std::byte*>(from), exists);
                }
            }
        });
    }
    [[nodiscard]] WT_HD std::uint32_t own_row(int row, int piece) const {
        return piece_at<Kind>(static_cast<unsigned>(m_number * Kind::warp_rows + row),
                              static_cast<unsigned>(piece));
    }

    /// The first of the tokens that this warp copies in a step; where there is none any longer, the item's
    /// first: ids behind the last that is seen may be anything and are not read.
    [[nodiscard]] WT_HD int copied_token(int step) const {
        const int token = first_token(step) + m_number * Kind::copied_rows;
        return token < noted(Note::end) ? token : noted(Note::first);
    }
    [[nodiscard]] WT_HD std::int32_t block_of(int step) const {
        return m_args.block_table[noted(Note::sequence) * m_args.table_stride +
                                  static_cast<unsigned>(copied_token(step)) /
                                      static_cast<unsigned>(m_args.layout.block_size)];
    }
    /// Where the n-th 16 bytes of the rows that this warp copies lie, as they lie in the cache.
    static constexpr unsigned cache_pieces = Kind::cache_row_bytes / 16;
    [[nodiscard]] WT_HD std::uint32_t cache_piece(unsigned n) const {
        return Kind::cache_at + (static_cast<unsigned>(m_number * Kind::copied_rows) * cache_pieces + n) * 16;
    }
    [[nodiscard]] WT_HD unsigned copied_row(unsigned n) const {
        return static_cast<unsigned>(m_number * Kind::copied_rows) + n / cache_pieces;
    }
    /// Sends for this warp's rows of a step. Rows that no row of the item sees become zeros: their slots may
    /// hold NaN, and 0 * NaN is NaN.
    WT_HD void ask(int step, std::uint32_t into, std::int64_t more) {
        // Blocks are a power of two.
        const int slot = copied_token(step) & (m_args.layout.block_size - 1);
        const std::byte* const from =
            m_args.pool +
            (m_args.layout.key_offset(m_id, slot, noted(Note::kv_head)) + more) * (Kind::narrow ? 1 : 2);
        const int token = first_token(step) + m_number * Kind::copied_rows;
        m_warp.afresh();
        const int from_token = noted(Note::present_from), end = noted(Note::end);
        const bool all = token >= from_token && token + Kind::copied_rows <= end;
        m_warp.each([&](int lane) {
            WT_UNROLL for (unsigned i = 0; i < Kind::lane_pieces; ++i) {
                const unsigned n = i * 32 + static_cast<unsigned>(lane);
                const int at = token + static_cast<int>(n / cache_pieces);
                const bool seen = all || (at >= from_token && at < end);
                const std::uint32_t to =
                    Kind::narrow ? cache_piece(n) : into + piece_at<Kind>(copied_row(n), n % cache_pieces);
                m_warp.copy_later(to, from + n * 16, seen);
            }
        });
    }
    /// Waits for this warp's copies; e4m3 becomes fp16 on the way to where it is multiplied.
    WT_HD void arrive(std::uint32_t into) {
        m_warp.await_copies();
        m_warp.afresh();
        if constexpr (Kind::narrow)
            m_warp.each([&](int lane) {
                WT_UNROLL_TWO for (unsigned i = 0; i < Kind::lane_pieces; ++i) {
                    const unsigned n = i * 32 + static_cast<unsigned>(lane), row = copied_row(n),
                                   piece = n % cache_pieces * 2;
                    std::uint32_t narrow[4], wide[8];
                    m_warp.load_shared(cache_piece(n), narrow);
                    WT_UNROLL for (int w = 0; w < 4; ++w) {
                        wide[2 * w] = Warp::f16_pair_of_low(narrow[w]);
                        wide[2 * w + 1] = Warp::f16_pair_of_high(narrow[w]);
                    }
                    m_warp.store_shared(into + piece_at<Kind>(row, piece), wide);
                    m_warp.store_shared(into + piece_at<Kind>(row, piece + 1), wide + 4);
                }
            });
    }

    [[nodiscard]] WT_HD PerLane<FragmentB> half_of(const PerLane<FragmentA>& four, int half) const {
        PerLane<FragmentB> out;
        m_warp.each([&](int lane) { out[lane] = {{four[lane].w[2 * half], four[lane].w[2 * half + 1]}}; });
        return out;
    }
    template <class Combine>
    WT_HD void for_lanes_of_row(PerLane<float>& value, Combine combine) const {
        WT_UNROLL for (int distance = 1; distance <= 2; distance *= 2) {
            const PerLane<float> other = m_warp.shuffle_xor(value, distance);
            m_warp.each([&](int lane) { value[lane] = combine(value[lane], other[lane]); });
        }
    }

    /// From q k to the score, and from a score to the exponent of 2.
    [[nodiscard]] WT_HD float score_factor() const {
        return m_args.scale * m_args.key_scale(noted(Note::kv_head)) * Warp::unit(Kind::kv_format);
    }
    [[nodiscard]] WT_HD float exponent_factor() const {
        constexpr float log2_e = 1.44269504088896341f;
        return m_args.soft_cap > 0 ? log2_e : score_factor() * log2_e;
    }
    /// f(row tile, token tile, which of the lane's four, score) over what this lane holds.
    template <class F>
    WT_HD void for_each_score(int lane, F f) {
        WT_UNROLL for (int m = 0; m < Kind::row_tiles; ++m) {
            WT_UNROLL for (int n = 0; n < Kind::token_tiles; ++n) {
                WT_UNROLL for (int i = 0; i < 4; ++i) f(m, n, i, m_scores[lane].c[m][n][i]);
            }
        }
    }
    WT_HD void cap() {
        // tanh(x) = 1 - 2 / (1 + 2^(2 log2(e) x)), right at both ends.
        // No division: its rare slow path is a call, around which registers would have to be saved.
        const float outer = m_args.soft_cap,
                    inner = score_factor() * Warp::reciprocal(outer) * 2.8853900817779268f;
        m_warp.each([&](int lane) {
            for_each_score(lane, [&](int, int, int, float& s) {
                s = outer * (1.0f - 2.0f * Warp::reciprocal(1.0f + Warp::power_of_2(s * inner)));
            });
        });
    }
    WT_HD void mask(int step) {
        m_warp.each([&](int lane) {
            const int first = first_token(step) + lane % 4 * 2, end = noted(Note::end), last = last_column();
            WT_UNROLL for (int m = 0; m < Kind::row_tiles; ++m) {
                WT_UNROLL for (int r = 0; r < 2; ++r) {
                    const int row = m * 16 + r * 8 + lane / 4;
                    const VisibleTokens own = sees(column(row) < last ? column(row) : last);
                    const int to = own.last < end ? own.last : end - 1;
                    WT_UNROLL for (int n = 0; n < Kind::token_tiles; ++n) {
                        WT_UNROLL for (int i = 0; i < 2; ++i) {
                            const int token = first + n * 8 + i;
                            if (token < own.first || token > to)
                                m_scores[lane].c[m][n][2 * r + i] = minus_infinity;
                        }
                    }
                }
            }
        });
    }

    /// Results take the place of the warp's queries, so that they go out 16 bytes at a time.
    WT_HD void stage(int m, int r, int row, int lane, float share) {
        WT_UNROLL for (int d = 0; d < Kind::dim_tiles; ++d) {
            const float* const sum = m_sums[lane].c[m][d] + 2 * r;
            const float even = sum[0] * share, odd = sum[1] * share;
            const bool bf16 = Kind::narrow ? m_args.query_format == FloatFormat::bf16 : Kind::bf16;
            m_warp.store_word(
                own_row(row, d) + static_cast<std::uint32_t>(lane % 4 * 4),
                bf16 ? Warp::template pack<true>(even, odd) : Warp::template pack<false>(even, odd));
        }
    }
    WT_HD void write_staged() {
        m_warp.each([&](int lane) {
            for (int e = lane; e < Kind::warp_rows * Kind::pieces; e += 32) {
                const int row = e / Kind::pieces, piece = e % Kind::pieces;
                if (column(row) > last_column()) continue;
                std::uint32_t words[4];
                m_warp.load_shared(own_row(row, piece), words);
                Warp::store(static_cast<std::uint16_t*>(m_args.out) +
                                m_args.row_of(noted(Note::sequence), noted(Note::kv_head), column(row)) +
                                piece * 8,
                            words);
            }
        });
    }
    WT_HD void write_partial(int m, int r, int row, int lane, float share, float total) {
        if (column(row) > last_column()) return;
        const std::int64_t at =
            (std::int64_t{noted(Note::partial)} * m_args.layout.kv_heads + noted(Note::kv_head)) *
                Kind::rows +
            m_number * Kind::warp_rows + row;
        float* const out = m_args.partial_out + at * Kind::head_dim + lane % 4 * 2;
        WT_UNROLL for (int d = 0; d < Kind::dim_tiles; ++d) {
            out[d * 8] = m_sums[lane].c[m][d][2 * r] * share;
            out[d * 8 + 1] = m_sums[lane].c[m][d][2 * r + 1] * share;
        }
        if (lane % 4 == 0)
            m_args.partial_lse[at] =
                total > 0 ? m_softmax[lane].largest[m][r] + Warp::log_2(total) : minus_infinity;
    }

    Warp m_warp;
    const AttentionArgs& m_args;
    const int m_number;
    std::int32_t m_id = 0;  ///< block of the cache to copy from next
    PerLane<Scores> m_scores;
    PerLane<Sums> m_sums;
    PerLane<Softmax> m_softmax;
};

/// A block's work on an item: `warps` has each(f), which calls f with every PrefillWarp that this thread is
/// part of, and meet(), the barrier of the block. Keys are read between the first barrier of a step and the
/// second, values between the second and the next step's first; each is overwritten in the other's time.
template <class Warps>
WT_HD void run_prefill(Warps& warps, const AttentionItem& item, int kv_head) {
    warps.each([&](auto& w) { w.begin(item, kv_head); });
    for (int step = 0; step < warps.steps(); ++step) {
        warps.each([](auto& w) { w.keys_arrive(); });
        warps.meet();
        warps.each([&](auto& w) {
            w.ask_values(step);
            w.multiply_keys(step);
            w.values_arrive();
        });
        warps.meet();
        warps.each([&](auto& w) {
            w.ask_keys(step + 1);
            w.weigh(step);
            w.add_values(step);
        });
    }
    warps.each([](auto& w) { w.finish(); });
}

}  // namespace windtunnel
