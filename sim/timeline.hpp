#pragma once
#include "sim/observer.hpp"
#include "sim/run_trial.hpp"

#include <vector>

namespace windtunnel {

/// One slice of a trial's span.
struct TimelineSlice {
    std::uint64_t arrivals = 0;     ///< requests that arrived in it
    std::uint64_t ended[5] = {};    ///< of these, by RequestEnd
    std::uint64_t good = 0;         ///< of these, within the goodput objectives
    Distribution ttft, tpot, e2el;  ///< of the completed ones of these
    Tick pods[static_cast<int>(PodState::draining) + 1] = {};  ///< pod-time by PodState
    Tick waiting, running;  ///< request-time before and after the first token
    Tick nodes[static_cast<int>(NodeState::lost) + 1] = {};    ///< node-time by NodeState
};

/// What one trial looked like over time; requests are counted in the slice they arrived in.
struct Timeline {
    Tick slice;  ///< width
    std::vector<TimelineSlice> slices;
    std::vector<ScaleRecord> scalings;
};

/// Makes a Timeline of a trial it observes.
class TimelineObserver : public HostObserver {
public:
    /// `slices` of equal width over the span; at least 1.
    TimelineObserver(const Blueprint& blueprint, std::uint32_t slices);

    void request_ended(const RequestRecord& r) override;
    void pod_changed(std::uint32_t p, const Pod& pod, Tick now) override;
    void node_changed(std::uint32_t n, const ClusterNode& node, Tick now) override;
    void scaled(const ScaleRecord& s) override { m_timeline.scalings.push_back(s); }

    /// Closes what is open at the end of the span. Call once, after the trial.
    [[nodiscard]] Timeline finish();

private:
    template <class Add>
    void spread(Tick from, Tick to, Add add);

    GoodputPlan m_goodput;
    Tick m_span;
    Timeline m_timeline;
    struct Open {
        std::uint8_t state = 0;
        Tick since;
    };
    std::vector<Open> m_pods, m_nodes;
};

}  // namespace windtunnel
