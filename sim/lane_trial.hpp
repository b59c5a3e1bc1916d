#pragma once
#include "models/arena.hpp"
#include "models/host_device.hpp"
#include "models/request.hpp"
#include "models/wide_sum.hpp"
#include "sim/alert_tally.hpp"
#include "sim/blueprint.hpp"
#include "sim/latency_sketch.hpp"
#include "sim/tally.hpp"

#include <cstddef>
#include <cstdint>

namespace windtunnel {

/// Where one trial of many leaves its outcome.
struct LaneOutcome {
    static constexpr std::uint32_t sketches = 4;  ///< ttft, tpot, itl, e2el

    Tally* tally = nullptr;
    std::uint64_t* buckets = nullptr;  ///< [sketch][SketchBuckets::count]
    WideSum* node_use = nullptr;       ///< [LaneSize::node_use_cells]
    AlertTally* alerts = nullptr;      ///< [LaneSize::alerts]
};

/// What a trial needs: bytes of its share of an arena, and cells of TrialOutcome::node_use and ::alerts.
struct LaneSize {
    std::size_t bytes = 0;
    std::uint32_t node_use_cells = 0;
    std::uint32_t alerts = 0;
};
template <class Layout>
[[nodiscard]] LaneSize lane_size(const Blueprint& blueprint);

/// Runs one trial in an arena that Layout::lanes trials share, as lane `lane`. The result is run_trial()'s to the last
/// bit. Defined in sim/lane_engine.hpp; compiled once for the host's InterleavedLayout, and by nvcc for the GPU.
template <class Layout>
WT_HD_CALL void run_lane(const Blueprint& blueprint, WorkloadView workload, TrialKey key, void* arena,
                         std::size_t bytes_per_trial, std::uint32_t lane, const LaneOutcome& outcome);

}  // namespace windtunnel
