#include "models/operator_time.hpp"

#include <algorithm>
#include <cmath>

namespace windtunnel {

namespace {

/// Output tiles of cuBLAS and CUTLASS kernels are mostly 128 x 128.
constexpr double tile = 128;
/// Each touched expert's rows are padded to the kernel's tiles; half of one is wasted on average, and never
/// more than three times the rows themselves (small batches take kernels with small tiles).
constexpr double expert_padding = 48, most_padding = 3;

}  // namespace

double overlapped(double a, double b) {
    const double a2 = a * a, b2 = b * b;
    return std::sqrt(std::sqrt(a2 * a2 + b2 * b2));
}

WeightKernel weight_kernel(NumberType type, const Gpu& gpu) {
    if (!is_quantised(type)) return WeightKernel::sixteen_bit;
    if (type == NumberType::mxfp4) return WeightKernel::mxfp4;
    if (gpu.flops(type) <= gpu.flops(NumberType::bf16)) return WeightKernel::weight_only;
    return bytes_per_weight(type) < 1 ? WeightKernel::four_bit : WeightKernel::eight_bit;
}

KernelCoefficients dense_kernel(const StepTimeCoefficients& k, WeightKernel kernel) {
    switch (kernel) {
        case WeightKernel::eight_bit:
            return {k.weight_bandwidth_8bit, k.gemm_8bit, k.matrix_8bit_s, k.tile_loss_8bit};
        case WeightKernel::four_bit:
            return {k.weight_bandwidth_4bit, k.gemm_4bit, k.matrix_4bit_s, k.tile_loss_4bit};
        case WeightKernel::sixteen_bit:
        case WeightKernel::weight_only:
        case WeightKernel::mxfp4:
            break;
    }
    return {k.weight_bandwidth, k.gemm_16bit, k.matrix_16bit_s, k.tile_loss_16bit};
}

KernelCoefficients expert_kernel(const StepTimeCoefficients& k, WeightKernel kernel) {
    switch (kernel) {
        case WeightKernel::eight_bit:
            return {k.expert_bandwidth_8bit, k.gemm_experts, 0, 0};
        case WeightKernel::four_bit:
            return {k.expert_bandwidth_4bit, k.gemm_experts_4bit, 0, 0};
        case WeightKernel::weight_only:
            return {k.expert_bandwidth_weight_only, k.gemm_experts_weight_only, 0, 0};
        case WeightKernel::mxfp4:
            return {k.expert_bandwidth_mxfp4, k.gemm_experts_mxfp4, 0, 0};
        case WeightKernel::sixteen_bit:
            break;
    }
    return {k.expert_bandwidth_16bit, k.gemm_experts_16bit, 0, 0};
}

double matrix_seconds(const Gpu& gpu, const KernelCoefficients& kernel, NumberType type, double tokens,
                      double outputs, double inputs) {
    const double bytes = outputs * inputs * bytes_per_weight(type) + 2 * tokens * (outputs + inputs);
    const double rows = std::ceil(tokens / tile), tiles = rows * std::ceil(outputs / tile);
    const double sms = std::max(1, gpu.multiprocessors);
    const double useful = tiles / (std::ceil(tiles / sms) * sms) * (tokens / (rows * tile));
    const double flops = 2 * tokens * outputs * inputs / (gpu.flops(type) * kernel.flops);
    return kernel.launch_s + overlapped(bytes / (gpu.bytes_per_second * kernel.bandwidth),
                                        flops / std::pow(useful, kernel.tile_loss));
}

double experts_seconds(const Gpu& gpu, const KernelCoefficients& kernel, NumberType type,
                       const ExpertLayer& layer, double tokens, double copies) {
    const double touched = layer.experts * (1 - std::pow(1 - layer.chosen, tokens));
    const double one = layer.matrices * layer.hidden * layer.intermediate;
    const double read = touched * one * bytes_per_weight(type) / (gpu.bytes_per_second * kernel.bandwidth);
    const double rows = copies + std::min(expert_padding * touched, most_padding * copies);
    // Rows are gathered and scattered once and pass through the activation in between.
    const double moved =
        copies * (4 * layer.hidden + 6 * layer.intermediate) / (gpu.bytes_per_second * kernel.bandwidth);
    return overlapped(read, 2 * one * rows / (gpu.flops(type) * kernel.flops)) + moved;
}

double link_bytes_per_second(const Gpu& gpu, const StepTimeCoefficients& k) {
    return one_way_link_bytes_per_second(gpu) * k.link_bandwidth;
}

double all_reduce_seconds(const Gpu& gpu, const StepTimeCoefficients& k, int ranks, double bytes) {
    if (ranks <= 1) return 0;
    // Without NVLink there is no custom all-reduce: NCCL over PCIe starts in about three times the time.
    const double latency = k.all_reduce_s * (gpu.link_bytes_per_second > 0 ? 1 : 3);
    return latency + 2.0 * (ranks - 1) / ranks * bytes / link_bytes_per_second(gpu, k);
}

}  // namespace windtunnel
