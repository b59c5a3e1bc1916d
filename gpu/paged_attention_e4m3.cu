#include "gpu/paged_attention_kernels.hpp"

namespace windtunnel {

AttentionKernel attention_kernel_e4m3(int head_dim, int column_tiles, WarpSharing sharing) {
    return attention_kernel_of<FloatFormat::e4m3>(head_dim, column_tiles, sharing);
}

}  // namespace windtunnel
