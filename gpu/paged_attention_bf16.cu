#include "gpu/paged_attention_kernels.hpp"

namespace windtunnel {

AttentionKernel attention_kernel_bf16(int head_dim, int column_tiles, WarpSharing sharing) {
    return attention_kernel_of<FloatFormat::bf16>(head_dim, column_tiles, sharing);
}

}  // namespace windtunnel
