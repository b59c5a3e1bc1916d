#pragma once
#include "models/step_time.hpp"

#include <array>
#include <string>
#include <string_view>

namespace windtunnel {

/// The step-time coefficients in groups that measurements of a whole server can tell apart: what one
/// benchmark shows is that all layers are slower, not which of five fixed times is to blame.
enum class CostGroup : std::uint8_t {
    weight_reading,  ///< bandwidth reached when reading weights and experts
    cache_reading,   ///< ... the KV cache in decode attention
    products,        ///< throughput of matrix products
    prefill_attention,
    links,   ///< all-reduces
    layers,  ///< fixed times per layer and product
    steps,   ///< fixed times per step and sampled row
    host,    ///< the engine's time on the CPU
};
inline constexpr int cost_groups = 8;
[[nodiscard]] const char* name_of(CostGroup group);

/// How many times as long each group's work takes as under the shipped coefficients; 1 = as shipped.
using CostFactors = std::array<double, cost_groups>;
inline constexpr CostFactors as_shipped = {1, 1, 1, 1, 1, 1, 1, 1};

/// The shipped coefficients of a GPU with these factors, as one JSON object of the schema of
/// models/data/step_time.json. Shares of a data-sheet value end at 1.2 of it.
[[nodiscard]] std::string step_time_coefficients_json(const Gpu& gpu, const CostFactors& factors,
                                                      const std::string& source);

/// What `calibrate` found on a GPU or in benchmark results: step-time coefficients and where they come from.
struct StepProfile {
    std::string gpu;     ///< name of the catalogue
    std::string device;  ///< as the driver calls it; empty when fitted without a GPU
    std::string driver;
    std::string date;                 ///< of the measurements, "2026-06-01"
    std::string source;               ///< what was measured
    std::string coefficients = "{}";  ///< JSON, as above
    std::string residuals = "[]";     ///< JSON: measured beside predicted
    double front_end_ms = 0;          ///< of the client's stopwatch beside the engine; 0 = not fitted
};

/// "windtunnel.profile/v1"; ends with a newline.
[[nodiscard]] std::string step_profile_json(const StepProfile& profile);
/// The profile in a file's text; problems name keys.
[[nodiscard]] Result<StepProfile> read_step_profile(std::string_view text, const std::string& file);
[[nodiscard]] Result<StepProfile> read_step_profile_file(const std::string& file);
/// Its coefficients, for `gpu`, which must be the profile's.
[[nodiscard]] Result<StepTimeCoefficients> coefficients_of(const StepProfile& profile, const Gpu& gpu,
                                                           const std::string& file);

}  // namespace windtunnel
