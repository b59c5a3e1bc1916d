#include "scenarios/servers/own_step_times.hpp"

#include <algorithm>

namespace windtunnel {

Result<OwnStepTimes> read_own_step_times(const std::string& file) {
    const Result<StepProfile> profile = read_step_profile_file(file);
    if (!profile) return profile.problems();
    const Result<ResolvedGpu> gpu = get_gpu(profile->gpu);
    if (!gpu) return Problem{{file}, "gpu", gpu.problems().front().message};
    Result<StepTimeCoefficients> coefficients = coefficients_of(*profile, gpu->gpu, file);
    if (!coefficients) return coefficients.take_problems();
    OwnStepTimes out;
    out.file = file, out.gpu = gpu->gpu.name, out.coefficients = std::move(*coefficients);
    out.coefficients.source = file + ": " + out.coefficients.source;
    return out;
}

Problems add_own_step_times(OwnStepTimes one, std::vector<OwnStepTimes>& into) {
    for (const OwnStepTimes& known : into)
        if (known.gpu == one.gpu)
            return {{one.where, one.path,
                     "found two profiles of " + one.gpu + ", " + known.file + " and " + one.file +
                         ", allowed: one of each GPU"}};
    into.push_back(std::move(one));
    return {};
}

StepTimeCoefficients step_times_of(const Gpu& gpu, const std::vector<OwnStepTimes>& profiles) {
    const auto own = std::find_if(profiles.begin(), profiles.end(),
                                  [&](const OwnStepTimes& p) { return p.gpu == gpu.name; });
    return own != profiles.end() ? own->coefficients : step_time_coefficients(gpu);
}

}  // namespace windtunnel
