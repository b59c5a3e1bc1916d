#pragma once
#include "models/gpu_catalog.hpp"
#include "models/step_time.hpp"
#include "tests/accuracy/measured_case.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace windtunnel::accuracy {

/// Coefficients by their key in models/data/step_time.json, in the file's units.
using Profile = std::map<std::string, double>;

/// How well a formula meets a table after the fit.
struct Residual {
    std::string table;  ///< which operator, of which kernel
    std::size_t rows = 0;
    double median_error = 0, p90_error = 0;  ///< of |ln(predicted / measured)|
};

struct OperatorFit {
    Profile profile;
    std::vector<Residual> residuals;
};
/// Fits models/operator_time.hpp to the operator tables of these cards (of one architecture) under
/// `data`/ops.
[[nodiscard]] OperatorFit fit_operators(const std::filesystem::path& data,
                                        const std::vector<std::string>& gpus,
                                        const StepTimeCoefficients& base);
/// The same from the layers that LLMServingSim timed on one card under `data`/layers/`folder`.
[[nodiscard]] OperatorFit fit_layers(const std::filesystem::path& data, const std::string& folder,
                                     const std::string& gpu, const StepTimeCoefficients& base);

/// A coefficient that served runs decide on: where it starts and how strongly it stays there (the residual
/// that a change by a factor e is charged).
struct FreeCoefficient {
    std::string key;
    double hold = 0;
};
/// Fits coefficients to measured runs, through the prediction that `windtunnel bench` makes.
[[nodiscard]] Profile fit_runs(const std::vector<const MeasuredCase*>& cases,
                               const StepTimeCoefficients& base, const std::vector<FreeCoefficient>& free,
                               int rounds);

/// `base` with the profile's values.
[[nodiscard]] StepTimeCoefficients with_profile(const StepTimeCoefficients& base, const Profile& profile);
/// The value, no larger than what the key can mean: shares of a data sheet end at 1.
[[nodiscard]] double possible(const std::string& key, double value);
/// The value of a key in the file's units.
[[nodiscard]] double coefficient(const StepTimeCoefficients& k, const std::string& key);

/// ln(predicted / measured) of every measured number of the case; empty when it cannot be predicted.
[[nodiscard]] std::vector<double> log_errors(const MeasuredCase& c, const StepTimeCoefficients* coefficients);

}  // namespace windtunnel::accuracy
