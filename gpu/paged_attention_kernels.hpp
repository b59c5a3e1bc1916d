#pragma once
#include "gpu/attention_plan.hpp"
#include "gpu/device_prefill_warp.hpp"
#include "gpu/device_warp.hpp"
#include "gpu/paged_attention.hpp"

#include <cuda_runtime.h>

namespace windtunnel {

/// Resident blocks asked of the compiler, and so its registers: 65,536 / (128 * blocks) per thread.
template <class Kind>
constexpr int least_blocks() {
    return Kind::head_dim == 256 || Kind::column_tiles == 2 ? 2 : 3;
}

/// Block b has item b / kv_heads of KV head b % kv_heads: heads that run at once lie side by side in memory.
template <class Kind>
__global__ void __launch_bounds__(32 * attention_warps, least_blocks<Kind>())
    attention_kernel(const __grid_constant__ AttentionArgs args) {
    extern __shared__ float shared[];
    const int kv_head = static_cast<int>(blockIdx.x) % args.layout.kv_heads,
              thread = static_cast<int>(threadIdx.x), warp = thread / 32;
    const AttentionItem item = args.items[static_cast<int>(blockIdx.x) / args.layout.kv_heads];
    const WarpWork work{item, kv_head, warp, attention_warps};
    walk_and_store<DeviceWarp, Kind>(DeviceWarp{thread % 32}, args, work,
                                     shared + warp * BlockShape<Kind>::warp_floats);
    __syncthreads();
    write_result<DeviceWarp, Kind>(args, item, kv_head, shared, thread);
}

/// The same for prefills.
template <class Kind>
__global__ void __launch_bounds__(32 * attention_warps, 2)
    prefill_kernel(const __grid_constant__ AttentionArgs args) {
    extern __shared__ float shared[];
    const int kv_head = static_cast<int>(blockIdx.x) % args.layout.kv_heads,
              thread = static_cast<int>(threadIdx.x);
    const AttentionItem item = args.items[static_cast<int>(blockIdx.x) / args.layout.kv_heads];
    const DevicePrefillWarp warp{{thread % 32}, static_cast<std::uint32_t>(__cvta_generic_to_shared(shared))};
    DevicePrefillBlock<PrefillWarp<DevicePrefillWarp, Kind>> block{{warp, args, thread / 32}};
    run_prefill(block, item, kv_head);
}

/// A kernel as the host launches it.
struct AttentionKernel {
    void (*function)(AttentionArgs) = nullptr;
    int shared_bytes = 0;
};
template <FloatFormat format, int head_dim, int column_tiles>
AttentionKernel attention_kernel_of(WarpSharing sharing) {
    if (sharing == WarpSharing::rows) {
        using Kind = PrefillKind<format, head_dim>;
        return {&prefill_kernel<Kind>, Kind::shared_bytes};
    }
    // Half as wide elements: twice the tiles under way, the same registers and bytes.
    using Kind = AttentionKind<format, head_dim, column_tiles, format == FloatFormat::e4m3 ? 2 : 1>;
    return {&attention_kernel<Kind>, BlockShape<Kind>::shared_bytes};
}
template <FloatFormat format>
AttentionKernel attention_kernel_of(int head_dim, int column_tiles, WarpSharing sharing) {
    switch (head_dim) {
        case 64:
            return column_tiles == 1 ? attention_kernel_of<format, 64, 1>(sharing)
                                     : attention_kernel_of<format, 64, 2>(sharing);
        case 96:
            return column_tiles == 1 ? attention_kernel_of<format, 96, 1>(sharing)
                                     : attention_kernel_of<format, 96, 2>(sharing);
        case 128:
            return column_tiles == 1 ? attention_kernel_of<format, 128, 1>(sharing)
                                     : attention_kernel_of<format, 128, 2>(sharing);
        case 256:
            return attention_kernel_of<format, 256, 1>(sharing);
        default:
            return {};
    }
}

// One translation unit per format, so that they compile side by side.
AttentionKernel attention_kernel_f16(int head_dim, int column_tiles, WarpSharing sharing);
AttentionKernel attention_kernel_bf16(int head_dim, int column_tiles, WarpSharing sharing);
AttentionKernel attention_kernel_e4m3(int head_dim, int column_tiles, WarpSharing sharing);

}  // namespace windtunnel
