#pragma once
#include "models/step_profile.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace windtunnel {

/// Times that were measured on a GPU, kernel by kernel (gpu/device_measure.hpp).
struct ProductTime {
    std::int64_t tokens = 0, outputs = 0, inputs = 0;  ///< in 16 bits
    double seconds = 0;
};
struct AttentionTime {
    std::int64_t batch = 0, length = 0, queries = 1;
    int heads = 0, kv_heads = 0, head_dim = 0, element_bytes = 2;
    double seconds = 0;
};
struct DeviceTimes {
    double read_bytes_per_second = 0, copy_bytes_per_second = 0;
    std::vector<ProductTime> products;
    std::vector<AttentionTime> attention;
};

/// What they say in the step-time model's terms, as shares of the data sheet and seconds, with the mean of
/// |predicted / measured - 1| over the points each was fitted to. 0 = nothing was measured.
struct DeviceFit {
    double weight_bandwidth = 0, gemm_16bit = 0, product_s = 0, product_error = 0;
    double kv_bandwidth = 0, decode_s = 0, decode_error = 0;
    double kv_bandwidth_8bit = 0, decode_8bit_error = 0;
    double prefill_flops = 0;  ///< share of the 16-bit peak that our own prefill kernel reaches
};
/// Products: the fourth-power mean of reading the weights and multiplying, as the step-time model has it, and
/// a fixed time. Decodes: a fixed time and reading the cache.
[[nodiscard]] DeviceFit fit_to_device(const DeviceTimes& times, const Gpu& gpu);

/// The shipped coefficients with what was measured in their place. Prefill attention stays as shipped: our
/// prefill kernel is not the engines'.
[[nodiscard]] CostFactors factors_of(const DeviceFit& fit, const Gpu& gpu);

/// A table of what was measured beside `other`, a shipped or earlier profile's coefficients.
[[nodiscard]] std::string device_fit_table(const DeviceFit& fit, const DeviceTimes& times, const Gpu& gpu,
                                           const std::string& other_name, const StepTimeCoefficients& other);

}  // namespace windtunnel
