#pragma once
#include "models/step_profile.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// Step times of a GPU that the user calibrated.
struct OwnStepTimes {
    std::string file;
    std::string gpu;  ///< a name of the GPU catalogue
    StepTimeCoefficients coefficients;
    SourcePosition where;  ///< that names it
    std::string path;
};

/// Reads a profile of `windtunnel calibrate`. Its GPU must be one that the catalogue can resolve.
[[nodiscard]] Result<OwnStepTimes> read_own_step_times(const std::string& file);

/// Adds one; a second of the same GPU is a problem.
[[nodiscard]] Problems add_own_step_times(OwnStepTimes one, std::vector<OwnStepTimes>& into);

/// The step times of a GPU: those of its profile, else the shipped ones.
[[nodiscard]] StepTimeCoefficients step_times_of(const Gpu& gpu, const std::vector<OwnStepTimes>& profiles);

}  // namespace windtunnel
