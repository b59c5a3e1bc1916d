#include "gpu/device_measure.hpp"

#include "gpu/attention_case.hpp"
#include "gpu/device_memory.hpp"
#include "gpu/paged_attention.hpp"

#if __has_include(<cublasLt.h>)
#include <cublasLt.h>
#define WINDTUNNEL_HAS_CUBLAS
#endif
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

namespace windtunnel {
namespace {

int attribute(cudaDeviceAttr which) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, which, 0), "asking for an attribute");
    return value;
}

/// Median seconds of one of `launches` calls of f(i, stream), captured once and replayed.
double seconds_of(int launches, const std::function<void(int, cudaStream_t)>& f) {
    cudaStream_t stream = nullptr;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t program = nullptr;
    cudaEvent_t from = nullptr, to = nullptr;
    check(cudaStreamCreate(&stream), "making a stream");
    check(cudaEventCreate(&from), "making an event");
    check(cudaEventCreate(&to), "making an event");
    f(0, stream);  // what a library sets up on its first call cannot be captured
    check(cudaStreamSynchronize(stream), "a first run");
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capturing");
    for (int i = 0; i < launches; ++i) f(i, stream);
    check(cudaStreamEndCapture(stream, &graph), "capturing");
    check(cudaGraphInstantiate(&program, graph, 0), "making a graph");
    std::vector<double> times;
    for (int i = 0; i < 9; ++i) {
        check(cudaEventRecord(from, stream), "timing");
        check(cudaGraphLaunch(program, stream), "replaying a graph");
        check(cudaEventRecord(to, stream), "timing");
        check(cudaEventSynchronize(to), "a timed run");
        float ms = 0;
        check(cudaEventElapsedTime(&ms, from, to), "timing");
        if (i >= 2) times.push_back(static_cast<double>(ms) / 1e3 / launches);
    }
    std::sort(times.begin(), times.end());
    cudaGraphExecDestroy(program);
    cudaGraphDestroy(graph);
    cudaEventDestroy(from);
    cudaEventDestroy(to);
    cudaStreamDestroy(stream);
    return times[times.size() / 2];
}

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

/// Half of what is free, at most 4 GiB, in whole MiB.
std::size_t stretch() {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for memory");
    return std::min<std::size_t>(free / 4, std::size_t{4} << 30) >> 20 << 20;
}

#if defined(WINDTUNNEL_HAS_CUBLAS)
void check(cublasStatus_t status, const char* what) {
    if (status != CUBLAS_STATUS_SUCCESS)
        throw std::runtime_error(std::string(what) + ": " + cublasLtGetStatusString(status));
}

/// cuBLASLt's objects for one product, row-major C = A B seen as column-major C^T = B^T A^T.
class Product {
public:
    Product(std::int64_t tokens, std::int64_t outputs, std::int64_t inputs)
        : m_workspace(std::size_t{32} << 20) {
        check(cublasLtCreate(&m_library), "starting cuBLASLt");
        check(cublasLtMatmulDescCreate(&m_what, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
        // Weights as checkpoints have them: [outputs][inputs].
        const cublasOperation_t turned = CUBLAS_OP_T;
        check(cublasLtMatmulDescSetAttribute(m_what, CUBLASLT_MATMUL_DESC_TRANSA, &turned, sizeof turned),
              "describing a product");
        const auto u = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
        check(cublasLtMatrixLayoutCreate(&m_weights, CUDA_R_16BF, u(inputs), u(outputs), inputs),
              "describing a matrix");
        check(cublasLtMatrixLayoutCreate(&m_in, CUDA_R_16BF, u(inputs), u(tokens), inputs),
              "describing a matrix");
        check(cublasLtMatrixLayoutCreate(&m_out, CUDA_R_16BF, u(outputs), u(tokens), outputs),
              "describing a matrix");
        cublasLtMatmulPreference_t wishes = nullptr;
        check(cublasLtMatmulPreferenceCreate(&wishes), "choosing an algorithm");
        const std::size_t room = std::size_t{32} << 20;
        check(cublasLtMatmulPreferenceSetAttribute(wishes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room,
                                                   sizeof room),
              "choosing an algorithm");
        int found = 0;
        check(cublasLtMatmulAlgoGetHeuristic(m_library, m_what, m_weights, m_in, m_out, m_out, wishes, 1,
                                             &m_how, &found),
              "choosing an algorithm");
        cublasLtMatmulPreferenceDestroy(wishes);
        if (found == 0) throw std::runtime_error("cuBLASLt knows no algorithm for a product");
    }
    ~Product() {
        cublasLtMatrixLayoutDestroy(m_out);
        cublasLtMatrixLayoutDestroy(m_in);
        cublasLtMatrixLayoutDestroy(m_weights);
        cublasLtMatmulDescDestroy(m_what);
        cublasLtDestroy(m_library);
    }
    Product(const Product&) = delete;
    Product& operator=(const Product&) = delete;
    void run(const void* weights, const void* in, void* out, cudaStream_t stream) const {
        const float one = 1, zero = 0;
        check(cublasLtMatmul(m_library, m_what, &one, weights, m_weights, in, m_in, &zero, out, m_out, out,
                             m_out, &m_how.algo, m_workspace.as<void>(), std::size_t{32} << 20, stream),
              "multiplying");
    }

private:
    DeviceMemory m_workspace;
    cublasLtHandle_t m_library = nullptr;
    cublasLtMatmulDesc_t m_what = nullptr;
    cublasLtMatrixLayout_t m_weights = nullptr, m_in = nullptr, m_out = nullptr;
    cublasLtMatmulHeuristicResult_t m_how{};
};

#endif

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

#if defined(WINDTUNNEL_HAS_CUBLAS)
double measure_product(std::int64_t tokens, std::int64_t outputs, std::int64_t inputs) {
    const auto weights = static_cast<std::size_t>(2 * outputs * inputs);
    const int copies = copies_of(static_cast<double>(weights));
    const DeviceMemory w(weights * static_cast<std::size_t>(copies)),
        in(static_cast<std::size_t>(2 * tokens * inputs)),
        out(static_cast<std::size_t>(2 * tokens * outputs));
    check(cudaMemset(w.as<void>(), 0x3c, weights * static_cast<std::size_t>(copies)), "filling");
    check(cudaMemset(in.as<void>(), 0x3c, static_cast<std::size_t>(2 * tokens * inputs)), "filling");
    const Product product(tokens, outputs, inputs);
    return seconds_of(std::max(copies, 8), [&](int i, cudaStream_t stream) {
        product.run(w.as<std::byte>() + static_cast<std::size_t>(i % copies) * weights, in.as<void>(),
                    out.as<void>(), stream);
    });
}
#else
double measure_product(std::int64_t, std::int64_t, std::int64_t) {
    throw std::runtime_error("this program was built without cuBLAS");
}
#endif

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
    AttentionMachine machine;
    machine.multiprocessors = attribute(cudaDevAttrMultiProcessorCount);
    machine.blocks_per_multiprocessor =
        std::max(1, resident_attention_blocks(plan_attention(c.problem, {}, 1 << 20), format, head_dim));
    const AttentionPlan plan = plan_attention(c.problem, machine);
    const auto slice = static_cast<std::size_t>(c.blocks * c.problem.layout.bytes_per_block());
    const int copies = copies_of(static_cast<double>(slice));
    const DeviceMemory pool(slice * static_cast<std::size_t>(copies)), query(c.queries), table(c.block_table),
        lengths(c.lengths), starts(c.query_starts), key_scales(c.key_scales), value_scales(c.value_scales),
        items(plan.items), combines(plan.combines), out(c.out_elements() * 2),
        partial_out(static_cast<std::size_t>(plan.partial_out_floats(c.problem.layout)) * 4),
        partial_lse(static_cast<std::size_t>(plan.partial_lse_floats(c.problem.layout)) * 4);
    check(cudaMemset(pool.as<void>(), 0x3c, slice * static_cast<std::size_t>(copies)), "filling");
    AttentionArgs args = c.args();
    args.queries = query.as<void>(), args.out = out.as<void>();
    args.block_table = table.as<std::int32_t>(), args.lengths = lengths.as<std::int32_t>(),
    args.query_starts = starts.as<std::int32_t>();
    if (!c.key_scales.empty())
        args.key_scales = key_scales.as<float>(), args.value_scales = value_scales.as<float>();
    args.items = items.as<AttentionItem>(), args.combines = combines.as<AttentionCombine>();
    args.partial_out = partial_out.as<float>(), args.partial_lse = partial_lse.as<float>();
    return seconds_of(std::max(copies, 8), [&](int i, cudaStream_t stream) {
        AttentionArgs one = args;
        one.pool = pool.as<std::byte>() + static_cast<std::size_t>(i % copies) * slice;
        launch_attention(one, plan, format, stream);
    });
}

std::int64_t probe_kv_blocks(std::int64_t weights, std::int64_t activations, std::int64_t kept,
                             std::int64_t bytes_per_block, double share) {
    std::size_t free = 0, total = 0;
    const DeviceMemory model(static_cast<std::size_t>(weights));
    { const DeviceMemory peak(static_cast<std::size_t>(activations)); }
    const DeviceMemory graphs(static_cast<std::size_t>(kept));
    check(cudaMemGetInfo(&free, &total), "asking for memory");
    const double used = static_cast<double>(total - free),
                 pool = share * static_cast<double>(total) - used - static_cast<double>(activations);
    const auto blocks = static_cast<std::int64_t>(pool / static_cast<double>(bytes_per_block));
    if (blocks <= 0) return 0;
    const DeviceMemory cache(static_cast<std::size_t>(blocks * bytes_per_block));
    return blocks;
}

}  // namespace windtunnel
