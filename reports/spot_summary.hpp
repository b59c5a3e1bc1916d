#pragma once
#include "reports/results.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace windtunnel {

/// What buying on spot meant in a run. Counts are sums over the trials, everything else means.
struct SpotSummary {
    struct Pool {
        std::size_t row = 0;  ///< of RunResults::pools
        std::uint64_t launched = 0, notices = 0, taken = 0;
        Estimate node_hours, noticed_gpu_s;
    };
    std::vector<Pool> pools;  ///< empty: nothing was bought on spot
    std::uint64_t notices = 0, taken = 0;
    Estimate node_hours_share, gpu_hours_share;  ///< of all nodes'; empty where there were none
    Estimate noticed_gpu_s;                      ///< GPU-seconds between notices and the machines' ends
    Estimate fallback_minutes;                   ///< in which some pool had on demand what it wanted on spot
};
[[nodiscard]] SpotSummary spot_summary(const RunResults& results);

/// results/v1's `spot`, or the intervals of its means; null where nothing was bought on spot.
[[nodiscard]] nlohmann::ordered_json spot_json(const RunResults& results, bool intervals);

/// "62 % of node-hours, 3 notices, ..."; "" where nothing was bought on spot.
[[nodiscard]] std::string spot_line(const RunResults& results);

}  // namespace windtunnel
