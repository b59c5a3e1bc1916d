#include "gpu/attention_case.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace windtunnel {
namespace {

const char* name_of(FloatFormat f) {
    return f == FloatFormat::f16 ? "fp16" : f == FloatFormat::bf16 ? "bf16" : "e4m3";
}

/// Normal values from two uniform ones: the standard library's distributions differ between libraries.
class Normal {
public:
    explicit Normal(std::uint64_t seed) : m_bits(seed) {}
    float operator()() {
        const double u = uniform(), v = uniform();
        return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v));
    }
    double uniform() { return (static_cast<double>(m_bits() >> 11) + 0.5) * 0x1p-53; }
    int below(int n) { return static_cast<int>(uniform() * n); }
    template <class T>
    T one_of(std::initializer_list<T> values) {
        return *(values.begin() + below(static_cast<int>(values.size())));
    }

private:
    std::mt19937_64 m_bits;
};

void put(std::vector<std::byte>& pool, FloatFormat format, std::int64_t at, std::uint32_t bits) {
    const auto i = static_cast<std::size_t>(at);
    if (format == FloatFormat::e4m3) {
        pool[i] = static_cast<std::byte>(bits);
    } else {
        pool[2 * i] = static_cast<std::byte>(bits & 0xffu);
        pool[2 * i + 1] = static_cast<std::byte>(bits >> 8);
    }
}

}  // namespace

void AttentionCase::build_index() {
    Normal random(seed);
    const KvBlockLayout& l = problem.layout;
    const int sequences = static_cast<int>(problem.sequences.size());
    query_starts = {0};
    lengths.clear();
    int longest = 1;
    std::int64_t own = shared_blocks;
    for (const AttentionSequence& s : problem.sequences) {
        lengths.push_back(s.length);
        query_starts.push_back(query_starts.back() + s.queries);
        longest = std::max(longest, (s.length + l.block_size - 1) / l.block_size);
        own += (s.length + l.block_size - 1) / l.block_size;
    }
    blocks = own + 3;
    table_stride = longest + 2;
    std::vector<std::int32_t> order(static_cast<std::size_t>(blocks));
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = order.size() - 1; i > 0; --i)
        std::swap(order[i], order[static_cast<std::size_t>(random.below(static_cast<int>(i) + 1))]);
    // Behind the end: ids that would be far outside the pool.
    block_table.assign(static_cast<std::size_t>(sequences * table_stride), 1 << 30);
    std::size_t next = static_cast<std::size_t>(shared_blocks);
    for (int s = 0; s < sequences; ++s)
        for (int b = 0; b * l.block_size < lengths[static_cast<std::size_t>(s)]; ++b)
            block_table[static_cast<std::size_t>(s * table_stride + b)] =
                (b + 1) * l.block_size <= lengths[static_cast<std::size_t>(s)] && b < shared_blocks
                    ? order[static_cast<std::size_t>(b)]
                    : order[next++];
    if (problem.kv_format == FloatFormat::e4m3) {
        key_scales.clear(), value_scales.clear();
        for (int h = 0; h < l.kv_heads; ++h) {
            key_scales.push_back(static_cast<float>(0.5 + random.uniform()));
            value_scales.push_back(static_cast<float>(0.5 + random.uniform()));
        }
    }
    queries.assign(out_elements(), 0);
}

void AttentionCase::build() {
    build_index();
    Normal random(seed + 0x9e3779b97f4a7c15u);
    for (std::uint16_t& q : queries)
        q = static_cast<std::uint16_t>(small_floats::from_float(query_format, spread * random()));
    const KvBlockLayout& l = problem.layout;
    const int sequences = static_cast<int>(problem.sequences.size());
    pool.assign(static_cast<std::size_t>(blocks * l.bytes_per_block()), std::byte{0});
    const std::uint32_t nan = problem.kv_format == FloatFormat::e4m3  ? 0x7fu
                              : problem.kv_format == FloatFormat::f16 ? 0x7e00u
                                                                      : 0x7fc0u;
    for (std::int64_t i = 0; i < blocks * l.block_stride(); ++i) put(pool, problem.kv_format, i, nan);
    for (int s = 0; s < sequences; ++s)
        for (int token = 0; token < lengths[static_cast<std::size_t>(s)]; ++token) {
            const std::int64_t block =
                block_table[static_cast<std::size_t>(s * table_stride + token / l.block_size)];
            for (int h = 0; h < l.kv_heads; ++h) {
                const std::int64_t at = l.key_offset(block, token % l.block_size, h);
                for (int d = 0; d < l.head_dim; ++d) {
                    put(pool, problem.kv_format, at + d,
                        small_floats::from_float(problem.kv_format, random()));
                    put(pool, problem.kv_format, at + d + l.value_offset(),
                        small_floats::from_float(problem.kv_format, random()));
                }
            }
        }
}

AttentionArgs AttentionCase::args() const {
    AttentionArgs a;
    a.queries = queries.data();
    a.pool = pool.data();
    a.block_table = block_table.data();
    a.table_stride = table_stride;
    a.lengths = lengths.data();
    a.query_starts = query_starts.data();
    if (!key_scales.empty()) a.key_scales = key_scales.data(), a.value_scales = value_scales.data();
    a.layout = problem.layout;
    a.heads = problem.heads;
    a.window = problem.window;
    a.scale = scale;
    a.soft_cap = soft_cap;
    a.query_format = query_format;
    return a;
}

std::size_t AttentionCase::out_elements() const {
    return static_cast<std::size_t>(query_starts.back()) * static_cast<std::size_t>(problem.heads) *
           static_cast<std::size_t>(problem.layout.head_dim);
}

std::string AttentionCase::words() const {
    const KvBlockLayout& l = problem.layout;
    int longest = 0, most_queries = 0;
    for (const AttentionSequence& s : problem.sequences)
        longest = std::max(longest, s.length), most_queries = std::max(most_queries, s.queries);
    std::string out = std::string(name_of(problem.kv_format)) + " D" + std::to_string(l.head_dim) + " " +
                      std::to_string(problem.heads) + "/" + std::to_string(l.kv_heads) +
                      " heads, blocks of " + std::to_string(l.block_size);
    if (problem.window > 0) out += ", window " + std::to_string(problem.window);
    if (soft_cap > 0) out += ", cap " + std::to_string(soft_cap);
    return out + ", " + std::to_string(problem.sequences.size()) + " sequences of up to " +
           std::to_string(longest) + " tokens, up to " + std::to_string(most_queries) + " new";
}

AttentionCase random_attention_case(std::uint64_t i, int most_tokens) {
    Normal random(i * 7919 + 17);
    AttentionCase c;
    c.seed = i + 1;
    c.problem.kv_format = random.one_of({FloatFormat::f16, FloatFormat::bf16, FloatFormat::e4m3});
    c.query_format = c.problem.kv_format == FloatFormat::e4m3
                         ? random.one_of({FloatFormat::f16, FloatFormat::bf16})
                         : c.problem.kv_format;
    KvBlockLayout& l = c.problem.layout;
    l.block_size = random.one_of({16, 32, 16, 64});
    l.kv_heads = random.one_of({1, 2, 3});
    l.head_dim = random.one_of({64, 96, 128, 256});
    l.element_bytes = bytes_of(c.problem.kv_format);
    c.problem.heads = l.kv_heads * random.one_of({1, 2, 4, 5, 7, 8, 12, 16, 20});
    c.scale = 1 / std::sqrt(static_cast<float>(l.head_dim));
    if (random.below(4) == 0) c.soft_cap = random.one_of({5.0f, 30.0f});
    if (random.below(3) == 0) c.problem.window = random.one_of({1, 16, 33, 100});
    if (random.below(5) == 0) c.spread = 100;  // scores in the hundreds: one token takes all
    if (random.below(4) == 0) c.shared_blocks = 2;
    const bool prefill = random.below(4) == 0;
    const int most_queries = random.one_of({40, 40, 150});
    const int sequences = 1 + random.below(4);
    for (int s = 0; s < sequences; ++s) {
        AttentionSequence one;
        one.length = random.below(3) == 0 ? random.one_of({0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 257})
                                          : random.below(most_tokens + 1);
        one.length = std::min(one.length, most_tokens);
        if (prefill && one.length > 0) one.queries = 1 + random.below(std::min(one.length, most_queries));
        c.problem.sequences.push_back(one);
    }
    c.build();
    return c;
}

}  // namespace windtunnel
