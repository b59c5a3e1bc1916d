// Checks and times the attention kernel on the GPU at hand; built by nvcc alone (tools/device_check.sh):
//   attention_check check [CALLS]   random calls against the reference in double precision; exit code 1 if one is off
//   attention_check time [CSV]      microseconds and share of the peak by shape
#include "gpu/attention_reference.hpp"
#include "gpu/device_attention.hpp"
#include "gpu/device_noise.hpp"
#include "gpu/device_timing.hpp"

#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <stdexcept>
#include <thread>

using namespace windtunnel;

namespace {

/// A case and what is right.
struct Judged {
    AttentionCase c;
    std::vector<double> expected, weighted;
    explicit Judged(AttentionCase from) : c(std::move(from)) {
        expected = reference_attention(c.args(), c.problem.kv_format,
                                       static_cast<int>(c.problem.sequences.size()), &weighted);
    }
};
double worst_error(const Judged& of, const AttentionPlan& plan) {
    const AttentionCase& c = of.c;
    const DeviceAttention device(c, plan);
    const DeviceMemory pool(c.pool), queries(c.queries), results(c.out_elements() * 2);
    results.fill(0xff);
    device.launch(queries, results, pool.as<std::byte>(), nullptr);
    std::vector<std::uint16_t> out(c.out_elements());
    check(cudaMemcpy(out.data(), results.as<void>(), out.size() * 2, cudaMemcpyDeviceToHost));
    double worst = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const double error = std::abs(small_floats::to_float(c.query_format, out[i]) - of.expected[i]) /
                             attention_tolerance(c.problem.kv_format, c.query_format, of.weighted[i]);
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

/// Small cases of every kernel: each format and head dim as a prefill, and with one and two column tiles.
constexpr int kernel_cases = 4 * 3 * 3;
AttentionCase kernel_case(int i) {
    AttentionCase c;
    const FloatFormat formats[] = {FloatFormat::f16, FloatFormat::bf16, FloatFormat::e4m3};
    const int dims[] = {64, 96, 128, 256}, kind = i / 12;
    c.seed = 500 + static_cast<std::uint64_t>(i);
    c.problem.kv_format = formats[i % 3];
    c.query_format = i % 3 == 2 ? FloatFormat::bf16 : formats[i % 3];
    c.problem.layout = {i % 2 == 0 ? 16 : 32, 2, dims[i / 3 % 4], 0, bytes_of(c.problem.kv_format)};
    c.problem.heads = 2 * (kind == 2 ? 12 : 4);
    c.scale = 1 / std::sqrt(static_cast<float>(c.problem.layout.head_dim));
    if (i % 5 == 0) c.problem.window = 45;
    if (i % 4 == 0) c.soft_cap = 20;
    if (kind == 0)
        c.problem.sequences = {{150, 150}, {290, 37}, {1, 1}, {0, 1}};
    else
        c.problem.sequences = {{257}, {0}, {1}, {600}, {16}, {2000}};
    c.build();
    return c;
}

/// The KV write and the block copy give on the device, byte for byte, what the same functions give here.
bool writes_agree(FloatFormat kv) {
    KvWriteArgs w;
    w.layout = {16, 8, 128, 0, bytes_of(kv)};
    w.kv_format = kv;
    w.source_format = kv == FloatFormat::e4m3 ? FloatFormat::bf16 : kv;
    w.tokens = 777;
    w.token_stride = 8 * 128;
    std::vector<std::uint16_t> keys(static_cast<std::size_t>(w.tokens * w.token_stride)), values(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
        keys[i] = static_cast<std::uint16_t>(
            small_floats::from_float(w.source_format, std::sin(static_cast<float>(i)) * 9));
        values[i] = static_cast<std::uint16_t>(
            small_floats::from_float(w.source_format, std::cos(static_cast<float>(i)) * 700));
    }
    std::vector<std::int64_t> slots;
    for (std::int64_t i = 0; i < w.tokens; ++i) slots.push_back(i % 13 == 5 ? -1 : (i * 37) % 1024);
    std::vector<float> scales(8, 0.75f);
    std::vector<EightHalves> here(static_cast<std::size_t>(64 * w.layout.bytes_per_block() / 16),
                                  EightHalves{{1, 2, 3, 4}});
    const std::size_t bytes = here.size() * 16;
    const DeviceMemory pool(here), device_keys(keys), device_values(values), device_slots(slots),
        device_scales(scales);
    const std::vector<std::int64_t> pairs = {3, 9, 1, 10};
    const DeviceMemory pools(std::vector<std::byte*>{pool.as<std::byte>()}), device_pairs(pairs);
    KvWriteArgs d = w;
    d.keys = device_keys.as<void>(), d.values = device_values.as<void>(), d.pool = pool.as<std::byte>();
    d.slots = device_slots.as<std::int64_t>();
    d.key_scales = d.value_scales = device_scales.as<float>();
    launch_kv_write(d, nullptr);
    launch_block_copy(
        {pools.as<std::byte*>(), device_pairs.as<std::int64_t>(), 1, 2, w.layout.bytes_per_block()}, nullptr);
    w.keys = keys.data(), w.values = values.data(), w.pool = reinterpret_cast<std::byte*>(here.data()),
    w.slots = slots.data();
    w.key_scales = w.value_scales = scales.data();
    for (std::int64_t piece = 0; piece < w.pieces(); ++piece) write_kv_piece(w, piece);
    std::byte* const one = w.pool;
    const BlockCopyArgs copy{&one, pairs.data(), 1, 2, w.layout.bytes_per_block()};
    for (std::int64_t piece = 0; piece < copy.pieces(); ++piece) copy_block_piece(copy, piece);
    std::vector<std::byte> there(bytes);
    check(cudaMemcpy(there.data(), pool.as<void>(), bytes, cudaMemcpyDeviceToHost));
    return std::memcmp(there.data(), here.data(), bytes) == 0;
}

int run_check(std::uint64_t calls) {
    double worst[3] = {};
    int wrong = 0;
    const std::uint64_t all = kernel_cases + calls;
    // The reference takes most of the time: as many at once as there are cores.
    const std::uint64_t at_once = std::max(1u, std::thread::hardware_concurrency());
    for (std::uint64_t from = 0; from < all; from += at_once) {
        std::vector<std::future<Judged>> judged;
        for (std::uint64_t i = from; i < std::min(all, from + at_once); ++i)
            judged.push_back(std::async(std::launch::async, [i] {
                return Judged(i < kernel_cases ? kernel_case(static_cast<int>(i))
                                               : random_attention_case(i - kernel_cases, 700));
            }));
        for (std::uint64_t i = from; i < from + judged.size(); ++i) {
            const Judged one = judged[i - from].get();
            const AttentionCase& c = one.c;
            for (const int tiles : {0, 1 + static_cast<int>(i % 11)}) {
                const double error =
                    worst_error(one, tiles > 0 ? plan_attention(c.problem, {}, tiles) : plan_on_device(c));
                double& most = worst[static_cast<int>(c.problem.kv_format)];
                most = std::max(most, error);
                if (error <= 1) continue;
                ++wrong;
                std::printf("call %llu is off by %.2f of what rounding allows: %s\n",
                            static_cast<unsigned long long>(i), error, c.words().c_str());
            }
        }
    }
    std::printf("%llu calls, %d off; largest error of what rounding allows: fp16 %.2f, bf16 %.2f, fp8 %.2f\n",
                static_cast<unsigned long long>(all), wrong, worst[0], worst[1], worst[2]);
    for (const FloatFormat kv : {FloatFormat::f16, FloatFormat::bf16, FloatFormat::e4m3})
        if (!writes_agree(kv))
            ++wrong,
                std::printf("the KV write or the block copy differs (format %d)\n", static_cast<int>(kv));
    return wrong > 0 ? 1 : 0;
}

__global__ void read_all(const uint4* from, std::size_t n, std::uint32_t* out) {
    std::uint32_t sum = 0;
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n;
         i += std::size_t{gridDim.x} * blockDim.x) {
        const uint4 v = __ldcs(from + i);
        sum ^= v.x ^ v.y ^ v.z ^ v.w;
    }
    if (sum == 12345) *out = sum;
}

struct Shape {
    int batch, length, heads, kv_heads, head_dim;
    FloatFormat format;
};

/// One row; calls go round slices of the pool that together are four times the L2 cache.
void time_shape(const Shape& s, double peak, int l2, std::FILE* csv, const char* gpu) {
    AttentionCase c;
    c.problem.kv_format = s.format;
    c.query_format = s.format == FloatFormat::f16 ? FloatFormat::f16 : FloatFormat::bf16;
    c.problem.layout = {16, s.kv_heads, s.head_dim, 0, bytes_of(s.format)};
    c.problem.heads = s.heads;
    c.problem.sequences.assign(static_cast<std::size_t>(s.batch), AttentionSequence{s.length});
    c.scale = 1 / std::sqrt(static_cast<float>(s.head_dim));
    c.build_index();
    const double bytes = 2.0 * s.batch * s.length * s.kv_heads * s.head_dim * bytes_of(s.format);
    const std::size_t slice = static_cast<std::size_t>(c.blocks * c.problem.layout.bytes_per_block());
    const int slices = static_cast<int>(std::clamp(4.0 * l2 / bytes + 1, 1.0, 64.0));
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total));
    if (slice * static_cast<std::size_t>(slices) > free / 10 * 9) return;
    const DeviceMemory pool(slice * static_cast<std::size_t>(slices));
    fill_with_noise(pool, s.format, 1);
    const DeviceAttention device(c, plan_on_device(c));
    const DeviceMemory queries(c.queries), out(c.out_elements() * 2);
    fill_with_noise(queries, c.query_format, 1);
    const CallSeconds took = call_seconds_of(20, [&](int i, cudaStream_t stream) {
        device.launch(queries, out, pool.as<std::byte>() + static_cast<std::size_t>(i % slices) * slice, stream);
    });
    const double seconds = took.median;
    std::printf(
        "%5d @ %6d  %2d/%d heads  D %3d  %s  %9.1f us (p95 %9.1f)  %7.1f GB/s  %5.1f %%  %d items, %d "
        "partial\n",
        s.batch, s.length, s.heads, s.kv_heads, s.head_dim,
        s.format == FloatFormat::f16    ? "fp16"
        : s.format == FloatFormat::bf16 ? "bf16"
                                        : "fp8 ",
        seconds * 1e6, took.p95 * 1e6, bytes / seconds / 1e9, 100 * bytes / seconds / peak,
        static_cast<int>(device.plan.items.size()) * s.kv_heads, device.plan.partials * s.kv_heads);
    if (csv) {
        const char* const kv = s.format == FloatFormat::f16    ? "float16"
                               : s.format == FloatFormat::bf16 ? "bfloat16"
                                                               : "fp8";
        std::fprintf(csv, "%s,,windtunnel,%d,%d,%d,%d,%d,bfloat16,%s,%.2f,%.3f,%.1f,%.1f\n", gpu, s.batch,
                     s.length, s.heads, s.kv_heads, s.head_dim, kv, seconds * 1e6, bytes / 1e6,
                     bytes / seconds / 1e9, 100 * bytes / seconds / peak);
    }
}

/// `length` tokens of which the last `queries` are new.
void time_prefill(int batch, int length, int queries, const Shape& s, double peak_flops) {
    AttentionCase c;
    c.problem.kv_format = s.format;
    c.query_format = FloatFormat::bf16;
    c.problem.layout = {16, s.kv_heads, s.head_dim, 0, bytes_of(s.format)};
    c.problem.heads = s.heads;
    c.problem.sequences.assign(static_cast<std::size_t>(batch), AttentionSequence{length, queries});
    c.scale = 1 / std::sqrt(static_cast<float>(s.head_dim));
    c.build_index();
    const DeviceMemory pool(static_cast<std::size_t>(c.blocks * c.problem.layout.bytes_per_block()));
    fill_with_noise(pool, s.format, 1);
    const DeviceAttention device(c, plan_on_device(c));
    const DeviceMemory rows(c.queries), out(c.out_elements() * 2);
    fill_with_noise(rows, c.query_format, 1);
    const CallSeconds took = call_seconds_of(4, [&](int, cudaStream_t stream) {
        device.launch(rows, out, pool.as<std::byte>(), stream);
    });
    const double pairs = batch * (static_cast<double>(queries) * (length - queries) +
                                  0.5 * queries * (queries + 1.0)),
                 flops = 4 * pairs * s.heads * s.head_dim / took.median;
    std::printf(
        "%2d x %5d new of %6d  %2d/%d heads  D %3d  %s  %9.1f us (p95 %9.1f)  %6.1f TFLOP/s  %5.1f %%  %d "
        "items\n",
        batch, queries, length, s.heads, s.kv_heads, s.head_dim,
        s.format == FloatFormat::e4m3 ? "fp8 " : "bf16", took.median * 1e6, took.p95 * 1e6, flops / 1e12,
        100 * flops / peak_flops, static_cast<int>(device.plan.items.size()) * s.kv_heads);
}

int run_time(const char* csv_file) {
    const int l2 = attribute(cudaDevAttrL2CacheSize), processors = attribute(cudaDevAttrMultiProcessorCount);
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0));
    const double peak =
        2e3 * attribute(cudaDevAttrMemoryClockRate) * attribute(cudaDevAttrGlobalMemoryBusWidth) / 8;
    std::FILE* const csv = csv_file ? std::fopen(csv_file, "w") : nullptr;
    if (csv_file && !csv) throw std::runtime_error(std::string("cannot write ") + csv_file);
    if (csv) std::fprintf(csv, "gpu,vllm,kernel,b,kv_len,hq,hkv,d,attn,kv,us,kv_mb,gbs,pct\n");
    {
        const std::size_t bytes = std::size_t{4} << 30;
        const DeviceMemory memory(bytes), out(16);
        memory.fill(0);
        const double seconds = seconds_of(5, [&](int, cudaStream_t stream) {
            read_all<<<processors * 8, 256, 0, stream>>>(memory.as<uint4>(), bytes / 16,
                                                         out.as<std::uint32_t>());
        });
        std::printf("%s: peak %.0f GB/s by its clocks, a plain read reaches %.1f %%\n", properties.name,
                    peak / 1e9, 100 * static_cast<double>(bytes) / seconds / peak);
    }
    for (const FloatFormat format : {FloatFormat::bf16, FloatFormat::e4m3}) {
        for (const auto& [batch, length] : {std::pair{1, 1024},
                                            {1, 8192},
                                            {8, 2048},
                                            {16, 8192},
                                            {32, 8192},
                                            {64, 8192},
                                            {128, 2048},
                                            {256, 1024},
                                            {1, 131072}})
            time_shape({batch, length, 32, 8, 128, format}, peak, l2, csv, properties.name);
        for (const auto& [batch, length] : {std::pair{1, 8192}, {16, 8192}, {64, 8192}})
            time_shape({batch, length, 8, 1, 128, format}, peak, l2, csv, properties.name);
        for (const int head_dim : {64, 96, 256})
            time_shape({64, 8192 * 128 / head_dim, 32, 8, head_dim, format}, peak, l2, csv, properties.name);
        time_shape({64, 4096, 32, 32, 128, format}, peak, l2, csv, properties.name);
        time_shape({64, 8192, 64, 4, 128, format}, peak, l2, csv, properties.name);
    }
    if (csv) std::fclose(csv);
    // Dense 16-bit operations per cycle of a multiprocessor: NVIDIA's data sheets of A100, L40S, H100 and B200.
    const int core_khz = attribute(cudaDevAttrClockRate);
    const double per_cycle = properties.major == 10                           ? 8192
                             : properties.major == 9                          ? 4096
                             : properties.major == 8 && properties.minor == 0 ? 2048
                                                                              : 1024;
    const double peak_flops = per_cycle * processors * 1e3 * core_khz;
    std::printf("prefills; the products' peak is %.0f TFLOP/s at %.0f MHz\n", peak_flops / 1e12,
                core_khz / 1e3);
    for (const int head_dim : {128, 64, 96, 256})
        for (const FloatFormat format : {FloatFormat::bf16, FloatFormat::e4m3}) {
            const Shape s{1, 0, 32, 8, head_dim, format};
            time_prefill(1, 8192, 8192, s, peak_flops);
            if (head_dim != 128) continue;
            time_prefill(1, 512, 512, s, peak_flops);
            time_prefill(1, 2048, 2048, s, peak_flops);
            time_prefill(8, 2048, 2048, s, peak_flops);
            time_prefill(1, 32768, 2048, s, peak_flops);
        }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string verb = argc > 1 ? argv[1] : "";
    try {
        if (verb == "check") return run_check(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 400);
        if (verb == "time") return run_time(argc > 2 ? argv[2] : nullptr);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "error: %s\n", e.what());
        return 3;
    }
    std::fprintf(stderr, "attention_check check [CALLS] | time [CSV]\n");
    return 2;
}
