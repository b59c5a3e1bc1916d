#pragma once
#include "reports/cluster_log.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// A line of the summary: a label, and what stands behind it.
struct ClusterLine {
    std::string label, text;
    bool alarming = false;
};

/// What is worth saying of a trial's cluster in a summary: conditions that held something up, pods without a
/// node and why, restarts, rollouts, evictions. `all`: what went well, too.
[[nodiscard]] std::vector<ClusterLine> cluster_lines(const ClusterLog& log, bool all);

/// The events, as `kubectl get events` prints them: when (since t = 0), type, reason, object, message.
[[nodiscard]] std::string events_table(const ClusterLog& log);

/// "01:02:03", with days in front from a day on.
[[nodiscard]] std::string clock_text(double seconds);

}  // namespace windtunnel
