#pragma once
#include "models/host_device.hpp"
#include "models/time.hpp"
#include "sim/cluster_state.hpp"
#include "sim/occurrence.hpp"

#include <cstdint>

namespace windtunnel {

struct PreemptionResult;
struct RejectionCounts;

/// How the prompt of a request was computed on another server than the one that answers; `never`, what did not happen.
struct PrefillStory {
    std::uint32_t pod = no_index;  ///< that computed it
    Tick sent = never;             ///< to that pod
    Tick prefilled = never;        ///< it has the prompt, and the decoding server the request
    Tick transfer_began = never;   ///< the decoding server had blocks for it
    Tick received = never;
    std::int64_t bytes = 0;
};

/// How one request went, for those who want it request by request.
struct RequestRecord {
    std::uint32_t request = 0;
    std::uint32_t prompt_tokens = 0, output_tokens = 0;
    Tick arrival;
    Tick first_token;  ///< `never` without one
    Tick finish;       ///< when it ended, however it ended
    RequestEnd end = RequestEnd::completed;
    std::uint32_t pod = no_index;  ///< that it was sent to; `no_index` = it never left the router
    std::uint32_t revision = 0;    ///< index into Blueprint::templates of that pod
    PrefillStory prefill{};        ///< where its prompt was computed elsewhere
};

/// A decision of an autoscaler.
struct ScaleRecord {
    std::uint32_t workload = 0;
    std::uint32_t from = 0, to = 0;
    std::int32_t metric = -1;  ///< which of its metrics won; -1 = none (a minimum, a poll)
    Tick at;
};

/// What runs on a GPU and in bulk: nothing. Results never depend on an observer.
struct NullObserver {
    static constexpr bool enabled = false;
    WT_HD void request_ended(const RequestRecord&) {}
    WT_HD void pod_changed(std::uint32_t, const Pod&, Tick) {}
    WT_HD void node_changed(std::uint32_t, const ClusterNode&, Tick) {}
    /// An attempt to place a pod failed: why each node refused it, and what preemption would do.
    WT_HD void pod_unschedulable(std::uint32_t, const Pod&, const RejectionCounts&, const PreemptionResult&,
                                 Tick) {}
    WT_HD void scaled(const ScaleRecord&) {}
    WT_HD void occurred(const OccurrenceRecord&) {}
    WT_HD void occurred(const HpaSyncRecord&) {}
    WT_HD void occurred(const KedaPollRecord&) {}
};

/// Derive to see a trial's changes, on the host.
class HostObserver {
public:
    static constexpr bool enabled = true;
    HostObserver() = default;
    HostObserver(const HostObserver&) = default;
    HostObserver(HostObserver&&) = default;
    HostObserver& operator=(const HostObserver&) = default;
    HostObserver& operator=(HostObserver&&) = default;
    virtual ~HostObserver() = default;

    virtual void request_ended(const RequestRecord&) {}
    virtual void pod_changed(std::uint32_t, const Pod&, Tick) {}
    virtual void node_changed(std::uint32_t, const ClusterNode&, Tick) {}
    /// An attempt to place a pod failed: why each node refused it, and what preemption would do.
    virtual void pod_unschedulable(std::uint32_t, const Pod&, const RejectionCounts&, const PreemptionResult&, Tick) {}
    virtual void scaled(const ScaleRecord&) {}
    virtual void occurred(const OccurrenceRecord&) {}
    virtual void occurred(const HpaSyncRecord&) {}
    virtual void occurred(const KedaPollRecord&) {}
};

}  // namespace windtunnel
