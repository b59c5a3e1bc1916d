#pragma once
#include "models/gpu_catalog.hpp"
#include "models/number_type.hpp"
#include "models/step_time.hpp"

namespace windtunnel {

/// The families of kernels that multiply activations with stored weights, each with efficiencies of its own.
enum class WeightKernel { sixteen_bit, eight_bit, four_bit, weight_only, mxfp4 };

/// Which family runs weights of this type on this GPU: narrow types that the GPU cannot multiply are unpacked
/// on the way (Marlin kernels) and computed in 16 bits; mxfp4 experts have kernels of their own.
[[nodiscard]] WeightKernel weight_kernel(NumberType type, const Gpu& gpu);

/// What a family reaches.
struct KernelCoefficients {
    double bandwidth = 0.8;  ///< share of the memory bandwidth
    double flops = 0.6;      ///< share of the dense peak of the type it computes in
    double launch_s = 0;     ///< per product: first tiles, last tiles
    double tile_loss =
        0.5;  ///< exponent of the share of tiles that do useful work; 0 = idle tiles cost nothing
};
[[nodiscard]] KernelCoefficients dense_kernel(const StepTimeCoefficients& k, WeightKernel kernel);
[[nodiscard]] KernelCoefficients expert_kernel(const StepTimeCoefficients& k, WeightKernel kernel);

/// Two resources used at once: the larger, rounded where they are near each other (tiles that wait for
/// either). The exponent 4 keeps the excess at 19 % where both are equal and below 2 % from twice on.
[[nodiscard]] double overlapped(double a, double b);

/// Seconds of [tokens x inputs] times [inputs x outputs] with weights stored as `type`.
[[nodiscard]] double matrix_seconds(const Gpu& gpu, const KernelCoefficients& kernel, NumberType type,
                                    double tokens, double outputs, double inputs);

/// The routed experts of one layer on one rank.
struct ExpertLayer {
    double hidden = 0, intermediate = 0;  ///< intermediate of the rank's share of one expert
    double experts = 0;                   ///< that the rank keeps
    double chosen = 0;                    ///< share of all experts that a token goes to
    double matrices = 3;
};
/// Seconds of the grouped products for `tokens` routed tokens of which `copies` rows land on this rank;
/// experts are chosen uniformly.
[[nodiscard]] double experts_seconds(const Gpu& gpu, const KernelCoefficients& kernel, NumberType type,
                                     const ExpertLayer& layer, double tokens, double copies);

/// Seconds of an all-reduce of `bytes` over `ranks` GPUs of one node.
[[nodiscard]] double all_reduce_seconds(const Gpu& gpu, const StepTimeCoefficients& k, int ranks,
                                        double bytes);
/// One direction of NVLink as far as kernels reach it; PCIe 3, 4, 5 x16 carry 16, 32, 64 GB/s one way.
[[nodiscard]] double link_bytes_per_second(const Gpu& gpu, const StepTimeCoefficients& k);

}  // namespace windtunnel
