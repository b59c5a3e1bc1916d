#pragma once
#include "models/step_profile.hpp"
#include "reports/attention_law.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace windtunnel {

/// Times that were measured on a GPU, kernel by kernel (gpu/calibration_point.hpp).
struct ProductTime {
    std::int64_t tokens = 0, outputs = 0, inputs = 0;
    double seconds = 0;
    int element_bytes = 2;
};
struct SamplingTime {
    std::int64_t rows = 0, vocabulary = 0;
    double seconds = 0;
};
struct StepTimeMeasured {
    std::int64_t layers = 0, rows = 0, length = 0;
    double seconds = 0;
};
struct KvBlocksFound {
    std::string what;  ///< "utilisation 0.9"
    std::int64_t found = 0, predicted = 0;
};
struct DeviceTimes {
    double read_bytes_per_second = 0, copy_bytes_per_second = 0;
    std::vector<ProductTime> products;
    std::vector<AttentionTime> attention;
    std::vector<SamplingTime> sampling;
    std::vector<StepTimeMeasured> steps;
    std::vector<KvBlocksFound> kv_blocks;
};

/// A family of products in the step-time model's terms; points 0 = too few were measured.
struct ProductFit {
    double bandwidth = 0, flops = 0, launch_s = 0, tile_loss = 0;
    double error = 0;  ///< mean |predicted / measured - 1|
    std::size_t points = 0;
};

/// Prefills in the model's terms: every query is charged with its keys and `tile_tokens` more, at a share of
/// the 16-bit peak.
struct PrefillFit {
    double flops = 0, tile_tokens = 0;
    double error = 0;  ///< mean |predicted / measured - 1|
    std::size_t points = 0;
};
/// Whether the engine's prefill kernel there is of the kind of ours. vLLM runs FlashAttention-2 before sm_90,
/// with the instructions and tiles of ours; from sm_90 on kernels of that hardware, which are faster.
[[nodiscard]] bool prefills_like_the_engine(const Gpu& gpu);

/// What the times say in the step-time model's terms. 0 = nothing was measured.
struct DeviceFit {
    ProductFit products, products_8bit;
    AttentionLaw decode, decode_8bit;
    PrefillFit prefill;        ///< our own kernel's
    double sampled_row_s = 0;  ///< of our own sampling
    double layer_s = 0;        ///< what a layer of our stack takes beyond its products and attention
    double stack_s = 0;        ///< what a step takes beyond its layers, the head's product included
    double step_error = 0;     ///< mean |predicted / measured - 1| of whole steps
};
/// Products by the model's own formula (matrix_seconds), decodes by the law of attention_law.hpp. Whole steps
/// are predicted from these; what they lack is given to layers and to the step, by least squares. `capacity`
/// brings the model of the stack.
[[nodiscard]] DeviceFit fit_to_device(const DeviceTimes& times, const KvCapacity& capacity);

/// Seconds of a whole decode step of a dense 16-bit stack as the step-time model has it, without host time,
/// and with `sampled_row_s` a row in place of the engine's sampling.
[[nodiscard]] double predicted_step_seconds(const KvCapacity& capacity, const StepTimeCoefficients& k,
                                            double sampled_row_s, const StepTimeMeasured& step);

/// The shipped coefficients with what was measured in their place. Sampling, what a step costs besides its
/// layers, and prefill attention where the engine's kernel is another stay as shipped.
[[nodiscard]] StepTimeCoefficients coefficients_of(const DeviceFit& fit, const Gpu& gpu);

/// A table of what was measured beside `other`, a shipped or earlier profile's coefficients.
[[nodiscard]] std::string device_fit_table(const DeviceFit& fit, const DeviceTimes& times,
                                           const KvCapacity& capacity, const std::string& other_name,
                                           const StepTimeCoefficients& other);
/// The same numbers as JSON, for a profile's residuals.
[[nodiscard]] std::string device_fit_residuals(const DeviceFit& fit, const DeviceTimes& times,
                                               const KvCapacity& capacity);

}  // namespace windtunnel
