#pragma once
#include "gpu/calibration_point.hpp"
#include "models/problem.hpp"
#include "reports/device_fit.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace windtunnel {

/// Measures one point, as its kind says; throws std::runtime_error where the GPU cannot.
using TimePoint = std::function<double(const CalibrationPoint&)>;

/// "product 32x6144x4096", "attention fp8 64@8192", "step 32 layers 64@2048": what files and notes call a
/// point.
[[nodiscard]] std::string name_of(const CalibrationPoint& point);

/// Everything that a calibration for this engine measures, what tells most first: a few points of every kind
/// before many of any. `free_bytes` of the GPU's memory bound how many layers a stack has and how long its
/// cache is. Blocks of the cache are probed for this engine's memory and for others' beside it: shares,
/// chunks, an fp8 cache.
[[nodiscard]] std::vector<CalibrationPoint> calibration_points(const KvRequest& request,
                                                               const KvCapacity& capacity,
                                                               std::int64_t free_bytes);
/// What a point is expected to take, set-up and repetitions included, on a GPU like that.
[[nodiscard]] double expected_seconds(const CalibrationPoint& point, const Gpu& gpu);

/// The file of measurements: a line that names the device and the model, then one per point. What an
/// interrupted calibration left there need not be measured again.
class MeasurementFile {
public:
    /// "" = no file.
    [[nodiscard]] Problems open(const std::string& file, const std::string& device, const std::string& model);
    [[nodiscard]] const double* find(const std::string& point) const;
    /// Written at once.
    [[nodiscard]] Problems add(const std::string& point, double value);

private:
    std::string m_file;
    std::map<std::string, double> m_known;
};

struct CalibrationLimits {
    double seconds = 600;             ///< of measuring
    std::function<double()> elapsed;  ///< seconds since the start
    std::function<bool()> interrupted;
    std::function<void(std::size_t)> done;  ///< points that are behind us
};
struct CalibrationResult {
    DeviceTimes times;
    std::size_t measured = 0, known = 0;  ///< now, and from the file
    std::vector<std::string> left_out;    ///< for which no time was left
    std::vector<std::string> failed;      ///< "NAME: why"
    bool interrupted = false;
    Problems problems;  ///< of writing the file
};
/// Goes through the points in order. One that would outlast the limit is left out; expectations follow the
/// pace of the points before.
[[nodiscard]] CalibrationResult run_calibration(const std::vector<CalibrationPoint>& points, const Gpu& gpu,
                                                const TimePoint& measure, MeasurementFile& file,
                                                const CalibrationLimits& limits);

}  // namespace windtunnel
