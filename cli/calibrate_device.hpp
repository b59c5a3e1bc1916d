#pragma once
#include "gpu/device_measure.hpp"
#include "models/kv_capacity.hpp"
#include "reports/calibration.hpp"

#include <string>

namespace windtunnel {

/// What `calibrate` without --from is asked.
struct DeviceCalibration {
    KvRequest request;  ///< model (default Llama-3.1-8B) and engine flags; the GPU names itself unless given
    std::string
        measurements;      ///< JSON lines of what was measured; an interrupted calibration goes on from them
    std::string compare;   ///< a profile to put beside the GPU instead of the shipped one
    std::string out;       ///< where the profile goes
    double limit_s = 600;  ///< of measuring
    bool json = false, quiet = false;
};

/// Measures the GPU at hand, fits and prints; gives the exit code. Where there is none it says what is
/// needed.
[[nodiscard]] int calibrate_device(const DeviceCalibration& what);

/// That with a GPU that says it is `device` and whose points `measure` measures; `elapsed` gives seconds.
[[nodiscard]] int calibrate_with(const DeviceCalibration& what, const DeviceIdentity& device,
                                 const TimePoint& measure, const std::function<double()>& elapsed);

}  // namespace windtunnel
