#pragma once
#include "models/kv_capacity.hpp"
#include "models/problem.hpp"
#include "models/step_cost.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace windtunnel {

/// What a GPU reaches of its data sheet under one engine, and what a step costs besides. Fitted to public
/// measurements (models/data/step_time.json says to which) or measured by calibration on the GPU itself.
struct StepTimeCoefficients {
    double weight_bandwidth = 0.85;   ///< share of the memory bandwidth reached when reading weights
    double kv_bandwidth = 0.6;        ///< ... when decode attention reads the KV cache
    double gemm_16bit = 0.6;          ///< share of the dense 16-bit peak in large matrix products
    double gemm_8bit = 0.5;           ///< share of the dense peak of 8 and 4 bits
    double gemm_experts = 0.25;       ///< ... in the grouped products of experts, 8 and 4 bits
    double gemm_experts_16bit = 0.4;  ///< ... of experts that compute in 16 bits (bf16 and weight-only types)
    double attention_flops = 0.5;     ///< share of the 16-bit peak in prefill attention
    double all_reduce_s = 10e-6;      ///< latency of one all-reduce
    double link_bandwidth = 0.67;     ///< share of the one-way link bandwidth in an all-reduce
    double step_s = 0.5e-3;           ///< fixed GPU time per step: embedding, sampling, gaps
    double layer_s = 10e-6;           ///< fixed GPU time per layer in a fully captured step
    double layer_piecewise_s = 20e-6;   ///< ... when attention is launched on its own (piecewise graphs)
    double layer_uncaptured_s = 40e-6;  ///< ... when every kernel is launched on its own
    double expert_layer_s = 20e-6;      ///< additional, per layer that routes to experts
    double expert_layer_uncaptured_s = 60e-6;  ///< ... when every kernel is launched on its own
    double narrow_layer_s = 5e-6;  ///< additional, per layer that quantises its activations (8 and 4 bits)
    double row_s = 5e-6;           ///< per sampled row: logits, sampling
    double host_step_s = 2e-3;     ///< host time per step
    double host_row_s = 15e-6;     ///< host time per row of a step
    double host_overlapped_s = 0.2e-3;  ///< what is left of it in a step under asynchronous scheduling
    std::string source = "roofline";
};

/// The coefficients for a GPU: those of its own name, else of its architecture, else the file's default.
/// `source` says which and where they come from.
[[nodiscard]] StepTimeCoefficients step_time_coefficients(const Gpu& gpu);
/// Reads one object of the schema of models/data/step_time.json; keys that are missing keep `base`'s value.
/// Unknown keys and values out of range are problems.
[[nodiscard]] Result<StepTimeCoefficients> read_step_time_coefficients(std::string_view json_text,
                                                                       const StepTimeCoefficients& base);

/// Engine flags that change what a step costs; unset = the release's default.
struct StepTimeOptions {
    std::optional<bool> asynchronous_scheduling;
    bool enforce_eager = false;
    std::optional<int> max_cudagraph_capture_size;
    std::optional<bool> full_graphs;  ///< false = piecewise only
    std::optional<StepTimeCoefficients> coefficients;
};

/// The integer cost table of one replica: `capacity` brings model, GPU, parallelism, number types, batch
/// limits and release.
///
/// A step costs, per rank, the larger of reading weights and multiplying (experts: those that n tokens
/// touch, E (1 - (1 - k/E)^n)), plus all-reduces, plus fixed times per step and layer, plus host time (added
/// when scheduling is synchronous, hidden behind the GPU when not). Linear work follows the captured batch
/// size that n is padded to. Windows of up to 1024 tokens are taken as full and cost per row; longer ones
/// cost like full attention. With pipeline parallelism P a step is P micro-batches of a P-th of the rows,
/// each through P stages. Host code; every duration is rounded to ticks once.
[[nodiscard]] StepCostTable step_cost_table(const KvCapacity& capacity, const StepTimeOptions& options = {});

}  // namespace windtunnel
