#pragma once
#include "gpu/calibration_point.hpp"

#include <cstdint>
#include <string>

namespace windtunnel {

/// The GPU as CUDA reports it.
struct DeviceIdentity {
    std::string name, driver;       ///< "NVIDIA H100 80GB HBM3", "13.0"
    std::int64_t memory_bytes = 0;  ///< total
    std::int64_t free_bytes = 0;    ///< with this program's context up
    double bytes_per_second = 0;    ///< peak of the memory's clock and bus
    int multiprocessors = 0;
    int l2_bytes = 0;
};

// Defined where device code is linked (WINDTUNNEL_HAS_CUDA). Times are medians of replayed CUDA graphs, over
// data that together is four times the L2 cache; failures throw std::runtime_error with CUDA's words.

[[nodiscard]] DeviceIdentity identify_device();
/// One point, as its kind says. Blocks of the cache are allocated as an engine does at its start: weights,
/// the peak of activations, freed again, what graphs keep, then the pool, up to the share of the memory.
[[nodiscard]] double measure_on_device(const CalibrationPoint& point);

}  // namespace windtunnel
