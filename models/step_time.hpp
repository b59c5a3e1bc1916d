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
    double weight_bandwidth = 0.8;       ///< share of the memory bandwidth when reading 16-bit weights
    double weight_bandwidth_8bit = 0.8;  ///< ... 8-bit weights
    double weight_bandwidth_4bit = 0.6;  ///< ... 4-bit weights of kernels that multiply in 4 bits
    double kv_bandwidth = 0.7;           ///< ... when decode attention reads the KV cache
    double kv_bandwidth_8bit = 0.6;      ///< ... a cache of 8 bits
    double gemm_16bit = 0.7;             ///< share of the dense 16-bit peak in large matrix products
    double gemm_8bit = 0.5;              ///< share of the dense peak of 8 bits
    double gemm_4bit = 0.5;              ///< ... of 4 bits
    double matrix_16bit_s = 4e-6;        ///< fixed time of one product; by kernel as below
    double matrix_8bit_s = 5e-6;
    double matrix_4bit_s = 6e-6;
    double tile_loss_16bit = 0.4;  ///< how far idle tiles cost time (exponent, see KernelCoefficients)
    double tile_loss_8bit = 0.65;
    double tile_loss_4bit = 0.9;
    double expert_bandwidth_16bit = 0.85;  ///< share of the memory bandwidth when reading experts
    double expert_bandwidth_8bit = 0.85;   ///< ... by kernel
    double expert_bandwidth_4bit = 0.8;
    double expert_bandwidth_weight_only = 0.5;
    double expert_bandwidth_mxfp4 = 0.8;
    double gemm_experts = 0.3;        ///< share of the dense peak in grouped products of experts: 8 bits
    double gemm_experts_16bit = 0.4;  ///< ... 16 bits
    double gemm_experts_4bit = 0.3;   ///< ... 4 bits
    double gemm_experts_weight_only = 0.2;  ///< ... narrow weights that compute in 16 bits
    double gemm_experts_mxfp4 = 0.25;       ///< ... mxfp4 weights, against the 16-bit peak
    double attention_flops = 0.6;           ///< share of the 16-bit peak in prefill attention
    double attention_tile_tokens = 300;     ///< keys that every query is charged with beyond its own (tiles)
    double all_reduce_s = 10e-6;            ///< latency of one all-reduce
    double link_bandwidth = 0.67;           ///< share of the one-way link bandwidth in an all-reduce
    double step_s = 0.5e-3;                 ///< fixed GPU time per step: embedding, sampling, gaps
    double layer_s = 10e-6;                 ///< fixed GPU time per layer in a fully captured step
    double layer_piecewise_s = 20e-6;       ///< ... when attention is launched on its own (piecewise graphs)
    double layer_uncaptured_s = 40e-6;      ///< ... when every kernel is launched on its own
    double expert_layer_s = 20e-6;          ///< additional, per layer that routes to experts
    double expert_layer_uncaptured_s = 60e-6;  ///< ... when every kernel is launched on its own
    double narrow_layer_s = 5e-6;  ///< additional, per layer that quantises its activations (8 and 4 bits)
    double row_s = 5e-6;           ///< per sampled row: logits, sampling
    double host_step_s = 2e-3;     ///< host time per step
    double host_row_s = 15e-6;     ///< host time per row of a step
    double host_overlapped_s = 0.2e-3;  ///< what is left of it in a step under asynchronous scheduling
    double host_bound_share = 0.7;      ///< share of the host time that a step cannot be shorter than there
    std::string source = "roofline";
};

/// The coefficients for a GPU: those of its own name, else of its architecture, else the file's default.
/// `source` says which and where they come from.
[[nodiscard]] StepTimeCoefficients step_time_coefficients(const Gpu& gpu);
/// Reads one object of the schema of models/data/step_time.json; keys that are missing keep `base`'s value.
/// Unknown keys and values out of range are problems.
[[nodiscard]] Result<StepTimeCoefficients> read_step_time_coefficients(std::string_view json_text,
                                                                       const StepTimeCoefficients& base);

/// All of them as one JSON object of that schema.
[[nodiscard]] std::string step_time_coefficients_json(const StepTimeCoefficients& coefficients);

/// One coefficient by its key in the file, in the file's unit; the key must be one of the file's.
[[nodiscard]] double step_time_coefficient(const StepTimeCoefficients& coefficients, std::string_view key);
void set_step_time_coefficient(StepTimeCoefficients& coefficients, std::string_view key, double value);

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
/// cost like full attention. With pipeline parallelism a step's time is that of a batch alone, through all
/// stages one after the other; how many are in flight is the engine's business. Host code; every duration is rounded to ticks once.
[[nodiscard]] StepCostTable step_cost_table(const KvCapacity& capacity, const StepTimeOptions& options = {});

}  // namespace windtunnel
