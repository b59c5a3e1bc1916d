#include "gpu/device_measure.hpp"

#include "gpu/decode_step.hpp"
#include "gpu/device_attention.hpp"
#include "gpu/device_noise.hpp"
#include "gpu/device_product.hpp"
#include "gpu/device_timing.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace windtunnel {
namespace {

/// How many copies of `bytes` are gone round, so that none is in the L2 cache when its turn comes again.
int copies_of(double bytes) {
    return static_cast<int>(std::clamp(4.0 * attribute(cudaDevAttrL2CacheSize) / bytes + 1, 1.0, 64.0));
}

__global__ void read_kernel(const uint4* from, std::size_t n, std::uint32_t* out) {
    std::uint32_t all = 0;
    const std::size_t step = std::size_t{gridDim.x} * blockDim.x;
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
        const uint4 v = __ldcs(from + i);
        all ^= v.x ^ v.y ^ v.z ^ v.w;
    }
    if (all == 1) *out = all;  // never for zeros; keeps the loads
}

/// A quarter of what is free, at most 4 GiB, in whole MiB.
std::size_t stretch() {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for memory");
    return std::min<std::size_t>(free / 4, std::size_t{4} << 30) >> 20 << 20;
}

}  // namespace

DeviceIdentity identify_device() {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0), "asking for the GPU");
    int version = 0;
    check(cudaDriverGetVersion(&version), "asking for the driver");
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for memory");
    DeviceIdentity out;
    out.name = properties.name;
    out.driver = "CUDA " + std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
    out.memory_bytes = static_cast<std::int64_t>(total), out.free_bytes = static_cast<std::int64_t>(free);
    out.bytes_per_second =
        2e3 * attribute(cudaDevAttrMemoryClockRate) * attribute(cudaDevAttrGlobalMemoryBusWidth) / 8;
    out.multiprocessors = attribute(cudaDevAttrMultiProcessorCount);
    out.l2_bytes = attribute(cudaDevAttrL2CacheSize);
    return out;
}

namespace {

double measure_read() {
    const std::size_t bytes = stretch();
    const DeviceMemory memory(bytes), out(16);
    check(cudaMemset(memory.as<void>(), 0, bytes), "clearing");
    const int blocks = 8 * attribute(cudaDevAttrMultiProcessorCount);
    return static_cast<double>(bytes) / seconds_of(4, [&](int, cudaStream_t stream) {
               read_kernel<<<static_cast<unsigned>(blocks), 256, 0, stream>>>(memory.as<uint4>(), bytes / 16,
                                                                              out.as<std::uint32_t>());
           });
}

double measure_copy() {
    const std::size_t bytes = stretch();
    const DeviceMemory from(bytes), to(bytes);
    return 2 * static_cast<double>(bytes) / seconds_of(4, [&](int, cudaStream_t stream) {
               check(cudaMemcpyAsync(to.as<void>(), from.as<void>(), bytes, cudaMemcpyDeviceToDevice, stream),
                     "copying");
           });
}

double measure_product(std::int64_t tokens, std::int64_t outputs, std::int64_t inputs, int element_bytes) {
    const auto weights = static_cast<std::size_t>(element_bytes * outputs * inputs);
    const int copies = copies_of(static_cast<double>(weights));
    const DeviceMemory w(weights * static_cast<std::size_t>(copies)),
        in(static_cast<std::size_t>(element_bytes * tokens * inputs)),
        out(static_cast<std::size_t>(2 * tokens * outputs)), workspace(DeviceProduct::workspace_bytes);
    const FloatFormat format = element_bytes == 1 ? FloatFormat::e4m3 : FloatFormat::bf16;
    fill_with_noise(w, format, 0.02f), fill_with_noise(in, format, 1);
    const DeviceProduct product(tokens, outputs, inputs, element_bytes);
    return seconds_of(std::max(copies, 8), [&](int i, cudaStream_t stream) {
        product.run(w.as<std::byte>() + static_cast<std::size_t>(i % copies) * weights, in.as<void>(),
                    out.as<void>(), workspace.as<void>(), stream);
    });
}

double measure_attention(FloatFormat format, int heads, int kv_heads, int head_dim, int batch, int length,
                         int queries) {
    AttentionCase c;
    c.problem.kv_format = format;
    c.query_format = format == FloatFormat::e4m3 ? FloatFormat::bf16 : format;
    c.problem.layout = {16, kv_heads, head_dim, 0, bytes_of(format)};
    c.problem.heads = heads;
    c.problem.sequences.assign(static_cast<std::size_t>(batch), AttentionSequence{length, queries});
    c.scale = 1 / std::sqrt(static_cast<float>(head_dim));
    if (const std::string refusal = attention_refusal(c.problem); !refusal.empty())
        throw std::runtime_error(refusal);
    c.build_index();
    const DeviceAttention attention(c, plan_on_device(c));
    const auto slice = static_cast<std::size_t>(c.blocks * c.problem.layout.bytes_per_block());
    const int copies = copies_of(static_cast<double>(slice));
    const DeviceMemory pool(slice * static_cast<std::size_t>(copies)), query(c.queries),
        out(c.out_elements() * 2);
    fill_with_noise(pool, format, 1), fill_with_noise(query, c.query_format, 1);
    return seconds_of(std::max(copies, 8), [&](int i, cudaStream_t stream) {
        attention.launch(query, out, pool.as<std::byte>() + static_cast<std::size_t>(i % copies) * slice,
                         stream);
    });
}

std::int64_t probe_kv_blocks(const StartMemory& m) {
    std::size_t free = 0, total = 0;
    const DeviceMemory model(static_cast<std::size_t>(m.weights));
    { const DeviceMemory peak(static_cast<std::size_t>(m.activations)); }
    const DeviceMemory graphs(static_cast<std::size_t>(m.kept));
    check(cudaMemGetInfo(&free, &total), "asking for memory");
    const double used = static_cast<double>(total - free),
                 pool = m.share * static_cast<double>(total) - used - static_cast<double>(m.activations);
    const auto blocks = static_cast<std::int64_t>(pool / static_cast<double>(m.bytes_per_block));
    if (blocks <= 0) return 0;
    const DeviceMemory cache(static_cast<std::size_t>(blocks * m.bytes_per_block));
    return blocks;
}

double measure_sampling(std::int64_t rows, std::int64_t vocabulary) {
    const auto bytes = static_cast<std::size_t>(2 * rows * vocabulary);
    const int copies = copies_of(static_cast<double>(bytes));
    const DeviceMemory logits(bytes * static_cast<std::size_t>(copies)),
        tokens(static_cast<std::size_t>(4 * rows));
    fill_with_noise(logits, FloatFormat::bf16, 3);
    return seconds_of(std::max(copies, 8), [&](int i, cudaStream_t stream) {
        launch_sampling(logits.as<std::byte>() + static_cast<std::size_t>(i % copies) * bytes,
                        tokens.as<std::int32_t>(), rows, vocabulary, stream);
    });
}

/// The stack's weights pass through the cache between two uses of any.
double measure_step(const CalibrationPoint& p) {
    const DecodeStep step(p.stack, static_cast<int>(p.rows), static_cast<int>(p.length));
    return seconds_of(1, [&](int, cudaStream_t stream) { step.launch(stream); });
}

}  // namespace

double measure_on_device(const CalibrationPoint& p) {
    switch (p.kind) {
        case CalibrationKind::read:
            return measure_read();
        case CalibrationKind::copy:
            return measure_copy();
        case CalibrationKind::product:
            return measure_product(p.rows, p.outputs, p.inputs, p.element_bytes);
        case CalibrationKind::attention:
            return measure_attention(p.element_bytes == 1 ? FloatFormat::e4m3 : FloatFormat::bf16,
                                     p.stack.heads, p.stack.kv_heads, p.stack.head_dim,
                                     static_cast<int>(p.rows), static_cast<int>(p.length),
                                     static_cast<int>(p.queries));
        case CalibrationKind::sampling:
            return measure_sampling(p.rows, p.stack.vocabulary);
        case CalibrationKind::step:
            return measure_step(p);
        case CalibrationKind::kv_blocks:
            return static_cast<double>(probe_kv_blocks(p.memory));
    }
    throw std::runtime_error("nothing that can be measured");
}

}  // namespace windtunnel
