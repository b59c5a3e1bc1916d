#include "gpu/decode_step.hpp"

#include "gpu/device_attention.hpp"
#include "gpu/device_noise.hpp"
#include "gpu/device_product.hpp"
#include "gpu/device_timing.hpp"
#include "gpu/paged_attention.hpp"

#include <cuda_bf16.h>

#include <cmath>
#include <vector>

namespace windtunnel {
namespace {

constexpr int threads = 256;

/// Sum or largest of what all threads of a block hold.
template <class Combine>
__device__ float over_block(float mine, Combine combine) {
    __shared__ float warps[32];
    for (int distance = 16; distance > 0; distance /= 2)
        mine = combine(mine, __shfl_xor_sync(0xffffffffu, mine, distance));
    __syncthreads();
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = mine;
    __syncthreads();
    mine = warps[threadIdx.x % (blockDim.x / 32)];
    for (int distance = 16; distance > 0; distance /= 2)
        mine = combine(mine, __shfl_xor_sync(0xffffffffu, mine, distance));
    return mine;
}
struct Add {
    __device__ float operator()(float a, float b) const { return a + b; }
};
struct Largest {
    __device__ float operator()(float a, float b) const { return a > b ? a : b; }
};

/// residual += x; out = residual / rms(residual) * weights. A row per block.
__global__ void norm_kernel(const __nv_bfloat16* x, __nv_bfloat16* residual, const __nv_bfloat16* weights,
                            __nv_bfloat16* out, int hidden) {
    const std::int64_t row = std::int64_t{blockIdx.x} * hidden;
    float squares = 0;
    for (int i = static_cast<int>(threadIdx.x); i < hidden; i += static_cast<int>(blockDim.x)) {
        const float v = __bfloat162float(x[row + i]) + __bfloat162float(residual[row + i]);
        residual[row + i] = __float2bfloat16(v);
        squares += v * v;
    }
    // The sum of a square counts each warp as often as there are copies of it among the 32 lanes.
    const float all = over_block(squares, Add{}) / (32.0f / static_cast<float>(blockDim.x / 32));
    const float factor = rsqrtf(all / static_cast<float>(hidden) + 1e-6f);
    for (int i = static_cast<int>(threadIdx.x); i < hidden; i += static_cast<int>(blockDim.x))
        out[row + i] =
            __float2bfloat16(__bfloat162float(residual[row + i]) * factor * __bfloat162float(weights[i]));
}

/// Rotary positions: queries go to a buffer of their own, keys stay where they are. A row per block.
__global__ void rotate_kernel(__nv_bfloat16* qkv, __nv_bfloat16* queries, int heads, int kv_heads,
                              int head_dim, int position) {
    const int half = head_dim / 2, width = (heads + 2 * kv_heads) * head_dim;
    __nv_bfloat16* const row = qkv + std::int64_t{blockIdx.x} * width;
    for (int i = static_cast<int>(threadIdx.x); i < (heads + kv_heads) * half;
         i += static_cast<int>(blockDim.x)) {
        const int head = i / half, at = i % half;
        float sine, cosine;
        __sincosf(static_cast<float>(position) *
                      __powf(10000.0f, -static_cast<float>(at) / static_cast<float>(half)),
                  &sine, &cosine);
        const float a = __bfloat162float(row[head * head_dim + at]),
                    b = __bfloat162float(row[head * head_dim + half + at]);
        __nv_bfloat16* const to = head < heads
                                      ? queries + (std::int64_t{blockIdx.x} * heads + head) * head_dim
                                      : row + head * head_dim;
        to[at] = __float2bfloat16(a * cosine - b * sine);
        to[half + at] = __float2bfloat16(b * cosine + a * sine);
    }
}

/// out = silu(gate) * up, or silu alone without a gate.
__global__ void activate_kernel(const __nv_bfloat16* in, __nv_bfloat16* out, int intermediate, bool gated) {
    const std::int64_t row = blockIdx.x, width = gated ? 2 * std::int64_t{intermediate} : intermediate;
    for (int i = static_cast<int>(threadIdx.x + blockIdx.y * blockDim.x); i < intermediate;
         i += static_cast<int>(blockDim.x * gridDim.y)) {
        const float gate = __bfloat162float(in[row * width + i]);
        const float up = gated ? __bfloat162float(in[row * width + intermediate + i]) : 1.0f;
        out[row * intermediate + i] = __float2bfloat16(gate / (1 + __expf(-gate)) * up);
    }
}

/// Noise from a hash of the place: good enough to be drawn by.
__device__ float exponential_noise(std::uint32_t row, std::uint32_t i) {
    std::uint32_t h = row * 0x9e3779b9u ^ i * 0x85ebca6bu;
    h ^= h >> 16, h *= 0x7feb352du, h ^= h >> 15, h *= 0x846ca68bu, h ^= h >> 16;
    return -__logf((static_cast<float>(h >> 8) + 0.5f) * 0x1p-24f);
}
__global__ void sample_kernel(const __nv_bfloat16* logits, std::int32_t* tokens, int vocabulary) {
    const __nv_bfloat16* const row = logits + std::int64_t{blockIdx.x} * vocabulary;
    const int first = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
    float largest = -INFINITY, total = 0;
    for (int i = first; i < vocabulary; i += step) largest = fmaxf(largest, __bfloat162float(row[i]));
    largest = over_block(largest, Largest{});
    for (int i = first; i < vocabulary; i += step) total += __expf(__bfloat162float(row[i]) - largest);
    total = over_block(total, Add{}) / (32.0f / static_cast<float>(blockDim.x / 32));
    float best = -1;
    int token = 0;
    for (int i = first; i < vocabulary; i += step) {
        const float score = __expf(__bfloat162float(row[i]) - largest) / total /
                            exponential_noise(blockIdx.x, static_cast<std::uint32_t>(i));
        if (score > best) best = score, token = i;
    }
    // Scores of two tokens are all but never equal; of those that are, any may win.
    if (over_block(best, Largest{}) == best) tokens[blockIdx.x] = token;
}

unsigned blocks(std::int64_t rows) { return static_cast<unsigned>(rows); }

}  // namespace

void launch_sampling(const void* logits, std::int32_t* tokens, std::int64_t rows, std::int64_t vocabulary,
                     void* stream) {
    sample_kernel<<<blocks(rows), 1024, 0, static_cast<cudaStream_t>(stream)>>>(
        static_cast<const __nv_bfloat16*>(logits), tokens, static_cast<int>(vocabulary));
    check(cudaGetLastError(), "launching sampling");
}

struct DecodeStep::Parts {
    DecodeStack s;
    int rows, length, qkv_width, query_width, mlp_width;
    AttentionCase attention_case;
    DeviceAttention attention;
    std::size_t qkv_bytes, out_bytes, up_bytes, down_bytes, layer_bytes, pool_bytes;
    DeviceProduct qkv_product, out_product, up_product, down_product, head_product;
    DeviceMemory weights, head, norms, pool, x, residual, normed, qkv, queries, attended, up, activated,
        logits, tokens, workspace, slots;

    static AttentionCase case_of(const DecodeStack& s, int rows, int length) {
        AttentionCase c;
        c.problem.layout = {16, s.kv_heads, s.head_dim, 0, 2};
        c.problem.heads = s.heads;
        c.problem.sequences.assign(static_cast<std::size_t>(rows), AttentionSequence{length});
        c.scale = 1 / std::sqrt(static_cast<float>(s.head_dim));
        if (const std::string refusal = attention_refusal(c.problem); !refusal.empty())
            throw std::runtime_error(refusal);
        c.build_index();
        return c;
    }
    static std::vector<std::int64_t> slots_of(const AttentionCase& c) {
        std::vector<std::int64_t> out;
        const int bs = c.problem.layout.block_size;
        for (std::size_t i = 0; i < c.lengths.size(); ++i) {
            const std::int64_t last = c.lengths[i] - 1;
            out.push_back(std::int64_t{c.block_table[i * static_cast<std::size_t>(c.table_stride) +
                                                     static_cast<std::size_t>(last / bs)]} *
                              bs +
                          last % bs);
        }
        return out;
    }
    static std::size_t halves(std::int64_t n) { return static_cast<std::size_t>(2 * n); }

    Parts(const DecodeStack& stack, int n, int tokens_each)
        : s(stack),
          rows(n),
          length(tokens_each),
          qkv_width((s.heads + 2 * s.kv_heads) * s.head_dim),
          query_width(s.heads * s.head_dim),
          mlp_width((s.gated ? 2 : 1) * s.intermediate),
          attention_case(case_of(s, n, tokens_each)),
          attention(attention_case, plan_on_device(attention_case)),
          qkv_bytes(halves(std::int64_t{qkv_width} * s.hidden)),
          out_bytes(halves(std::int64_t{s.hidden} * query_width)),
          up_bytes(halves(std::int64_t{mlp_width} * s.hidden)),
          down_bytes(halves(std::int64_t{s.hidden} * s.intermediate)),
          layer_bytes(qkv_bytes + out_bytes + up_bytes + down_bytes),
          pool_bytes(static_cast<std::size_t>(attention_case.blocks *
                                              attention_case.problem.layout.bytes_per_block())),
          qkv_product(n, qkv_width, s.hidden),
          out_product(n, s.hidden, query_width),
          up_product(n, mlp_width, s.hidden),
          down_product(n, s.hidden, s.intermediate),
          head_product(n, s.vocabulary, s.hidden),
          weights(layer_bytes * static_cast<std::size_t>(s.layers)),
          head(halves(std::int64_t{s.vocabulary} * s.hidden)),
          norms(halves(s.hidden)),
          pool(pool_bytes * static_cast<std::size_t>(s.layers)),
          x(halves(std::int64_t{n} * s.hidden)),
          residual(halves(std::int64_t{n} * s.hidden)),
          normed(halves(std::int64_t{n} * s.hidden)),
          qkv(halves(std::int64_t{n} * qkv_width)),
          queries(halves(std::int64_t{n} * query_width)),
          attended(halves(std::int64_t{n} * query_width)),
          up(halves(std::int64_t{n} * mlp_width)),
          activated(halves(std::int64_t{n} * s.intermediate)),
          logits(halves(std::int64_t{n} * s.vocabulary)),
          tokens(static_cast<std::size_t>(4 * n)),
          workspace(DeviceProduct::workspace_bytes),
          slots(slots_of(attention_case)) {
        // Deviations as in trained models: what a layer adds to the residual stays near 1.
        for (const DeviceMemory* m : {&weights, &head}) fill_with_noise(*m, FloatFormat::bf16, 0.02f);
        for (const DeviceMemory* m : {&pool, &x}) fill_with_noise(*m, FloatFormat::bf16, 1);
        norms.fill(0x3f);  // 0x3f3f is 0.75 in bf16
        residual.fill(0);
    }
    [[nodiscard]] std::byte* layer_pool(int layer) const {
        return pool.as<std::byte>() + static_cast<std::size_t>(layer) * pool_bytes;
    }
    [[nodiscard]] KvWriteArgs write_args(int layer) const {
        KvWriteArgs w;
        w.keys = qkv.as<__nv_bfloat16>() + query_width;
        w.values = qkv.as<__nv_bfloat16>() + query_width + s.kv_heads * s.head_dim;
        w.pool = layer_pool(layer);
        w.slots = slots.as<std::int64_t>();
        w.layout = attention_case.problem.layout;
        w.token_stride = qkv_width;
        w.tokens = rows;
        return w;
    }
};

DecodeStep::DecodeStep(const DecodeStack& stack, int rows, int length)
    : m_parts(std::make_unique<Parts>(stack, rows, length)) {}
DecodeStep::~DecodeStep() = default;

void DecodeStep::launch(void* on) const {
    const Parts& p = *m_parts;
    const DecodeStack& s = p.s;
    const auto stream = static_cast<cudaStream_t>(on);
    const auto norm = [&] {
        norm_kernel<<<blocks(p.rows), threads, 0, stream>>>(
            p.x.as<__nv_bfloat16>(), p.residual.as<__nv_bfloat16>(), p.norms.as<__nv_bfloat16>(),
            p.normed.as<__nv_bfloat16>(), s.hidden);
        check(cudaGetLastError(), "launching a norm");
    };
    const auto multiply = [&](const DeviceProduct& product, const std::byte* weights, const DeviceMemory& in,
                              const DeviceMemory& out) {
        product.run(weights, in.as<void>(), out.as<void>(), p.workspace.as<void>(), stream);
    };
    for (int layer = 0; layer < s.layers; ++layer) {
        const std::byte* at = p.weights.as<std::byte>() + static_cast<std::size_t>(layer) * p.layer_bytes;
        norm();
        multiply(p.qkv_product, at, p.normed, p.qkv);
        rotate_kernel<<<blocks(p.rows), threads, 0, stream>>>(p.qkv.as<__nv_bfloat16>(),
                                                              p.queries.as<__nv_bfloat16>(), s.heads,
                                                              s.kv_heads, s.head_dim, p.length - 1);
        check(cudaGetLastError(), "launching the rotation");
        launch_kv_write(p.write_args(layer), stream);
        p.attention.launch(p.queries, p.attended, p.layer_pool(layer), stream);
        multiply(p.out_product, at += p.qkv_bytes, p.attended, p.x);
        norm();
        multiply(p.up_product, at += p.out_bytes, p.normed, p.up);
        activate_kernel<<<dim3(blocks(p.rows), 8), threads, 0, stream>>>(
            p.up.as<__nv_bfloat16>(), p.activated.as<__nv_bfloat16>(), s.intermediate, s.gated);
        check(cudaGetLastError(), "launching the activation");
        multiply(p.down_product, at += p.up_bytes, p.activated, p.x);
    }
    norm();
    multiply(p.head_product, p.head.as<std::byte>(), p.normed, p.logits);
    launch_sampling(p.logits.as<void>(), p.tokens.as<std::int32_t>(), p.rows, s.vocabulary, stream);
}

}  // namespace windtunnel
