#include "gpu/device_memory.hpp"
#include "gpu/paged_attention_kernels.hpp"

#include <stdexcept>
#include <string>

namespace windtunnel {
namespace {

__global__ void __launch_bounds__(128)
    combine_kernel(const __grid_constant__ AttentionArgs args, int item_columns) {
    const int kv_head = static_cast<int>(blockIdx.x) % args.layout.kv_heads,
              job = static_cast<int>(blockIdx.x) / args.layout.kv_heads;
    combine_partials<DeviceWarp>(args, args.combines[job], kv_head, item_columns,
                                 static_cast<int>(threadIdx.x), static_cast<int>(blockDim.x));
}
__global__ void __launch_bounds__(256) kv_write_kernel(const __grid_constant__ KvWriteArgs args) {
    const std::int64_t piece = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
    if (piece < args.pieces()) write_kv_piece(args, piece);
}
__global__ void __launch_bounds__(256) block_copy_kernel(const __grid_constant__ BlockCopyArgs args) {
    const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
    for (std::int64_t piece = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; piece < args.pieces();
         piece += step)
        copy_block_piece(args, piece);
}

AttentionKernel kernel_of(const AttentionPlan& plan, FloatFormat kv_format, int head_dim) {
    const AttentionKernel kernel =
        kv_format == FloatFormat::f16    ? attention_kernel_f16(head_dim, plan.column_tiles, plan.sharing)
        : kv_format == FloatFormat::bf16 ? attention_kernel_bf16(head_dim, plan.column_tiles, plan.sharing)
                                         : attention_kernel_e4m3(head_dim, plan.column_tiles, plan.sharing);
    if (!kernel.function)
        throw std::runtime_error("no attention kernel for head_dim " + std::to_string(head_dim));
    if (kernel.shared_bytes > 48 * 1024) {
        const auto* const function = reinterpret_cast<const void*>(kernel.function);
        check(
            cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, kernel.shared_bytes),
            "asking for shared memory");
        check(cudaFuncSetAttribute(function, cudaFuncAttributePreferredSharedMemoryCarveout,
                                   cudaSharedmemCarveoutMaxShared),
              "preferring shared memory to cache");
    }
    return kernel;
}

}  // namespace

void launch_attention(const AttentionArgs& args, const AttentionPlan& plan, FloatFormat kv_format,
                      void* stream) {
    const auto queue = static_cast<cudaStream_t>(stream);
    const auto blocks = [&](std::size_t n) {
        return static_cast<unsigned>(n * static_cast<std::size_t>(args.layout.kv_heads));
    };
    const AttentionKernel kernel = kernel_of(plan, kv_format, args.layout.head_dim);
    if (!plan.items.empty())
        kernel.function<<<blocks(plan.items.size()), 32 * attention_warps,
                          static_cast<std::size_t>(kernel.shared_bytes), queue>>>(args);
    check(cudaGetLastError(), "launching attention");
    if (!plan.combines.empty())
        combine_kernel<<<blocks(plan.combines.size()), 128, 0, queue>>>(args, plan.item_columns);
    check(cudaGetLastError(), "launching the second pass of attention");
}

void launch_kv_write(const KvWriteArgs& args, void* stream) {
    const std::int64_t pieces = args.pieces();
    if (pieces > 0)
        kv_write_kernel<<<static_cast<unsigned>((pieces + 255) / 256), 256, 0,
                          static_cast<cudaStream_t>(stream)>>>(args);
    check(cudaGetLastError(), "launching the KV write");
}

void launch_block_copy(const BlockCopyArgs& args, void* stream) {
    const std::int64_t pieces = args.pieces(), blocks = (pieces + 255) / 256;
    if (pieces > 0)
        block_copy_kernel<<<static_cast<unsigned>(blocks < 4096 ? blocks : 4096), 256, 0,
                            static_cast<cudaStream_t>(stream)>>>(args);
    check(cudaGetLastError(), "launching the block copy");
}

int resident_attention_blocks(const AttentionPlan& plan, FloatFormat kv_format, int head_dim) {
    const AttentionKernel kernel = kernel_of(plan, kv_format, head_dim);
    int blocks = 0;
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel.function, 32 * attention_warps,
                                                        static_cast<std::size_t>(kernel.shared_bytes)),
          "asking for the occupancy");
    return blocks;
}

}  // namespace windtunnel
