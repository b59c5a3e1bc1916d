#pragma once
#include "reports/results.hpp"

#include <string>

namespace windtunnel {

/// How wide the widest interval of a run is.
struct Imprecision {
    double half_width = 0;  ///< of the 95 % interval, relative to the number; infinite without an interval
    std::string what;       ///< of which number: "p99 ttft_ms < 2000", "mean ttft_ms", "cost"
};

/// The least precise among the run's thresholds, its mean TTFT and its cost. A threshold's half-width is taken
/// relative to its value or its limit, whichever is larger: a count of 0.3 against a limit of 20 is precise enough.
/// Numbers without any value are left out.
[[nodiscard]] Imprecision least_precise(const RunResults& results);

}  // namespace windtunnel
