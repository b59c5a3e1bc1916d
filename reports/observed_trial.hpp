#pragma once
#include "reports/cluster_log.hpp"
#include "sim/timeline.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace windtunnel {

struct CompiledScenario;

/// What to keep of a trial while it runs.
struct ObservationPlan {
    bool requests = false;                              ///< a record of every request
    bool starts = false;                                ///< every pod that started
    std::uint32_t slices = 0;                           ///< of a timeline; 0 = none
    const CompiledScenario* cluster = nullptr;          ///< whose names a cluster log is kept with; none without
    std::size_t most_events = 1000;                     ///< of the log; what goes beyond is counted
    std::uint32_t csv_slices = 0;                       ///< of a second, finer timeline; 0 = none
    std::function<void(std::uint64_t ended)> progress;  ///< requests ended so far, now and then; may be empty
    const bool* interrupted = nullptr;                  ///< once true, the trial is given up
};

/// Why requests were lost, as far as their records tell.
struct LossCounts {
    std::uint64_t no_replica = 0;        ///< failed the moment they arrived: nothing to send them to
    std::uint64_t replica_gone = 0;      ///< failed later: their replica was killed
    std::uint32_t longest_rejected = 0;  ///< prompt and output tokens of the longest rejected request
    std::uint64_t refused = 0;           ///< failed at a pod that was Ready and could not serve
};

/// A pod's way to Ready.
struct PodStart {
    std::uint32_t workload = 0;
    Tick created, bound, ready;
};

struct ObservedTrial {
    bool complete = true;  ///< false: interrupted; the rest is empty
    TrialOutcome outcome;
    std::vector<RequestRecord> requests;  ///< in the workload's order
    std::vector<PodStart> starts;         ///< in the order in which they became Ready; not those of t = 0
    std::optional<Timeline> timeline, fine_timeline;
    std::optional<ClusterLog> cluster;
    LossCounts losses;
};

/// Runs one trial on this thread and watches it. The outcome is the same as without watching. `blueprint` is
/// called with 1, and with more where the trial outgrows its arena.
[[nodiscard]] ObservedTrial observe_trial(
    const std::function<BlueprintBlock(std::uint32_t growth)>& blueprint, WorkloadView workload, TrialKey key,
    ServerKind server, const ObservationPlan& plan);

/// id,arrival_s,prompt_tokens,output_tokens,first_token_s,finish_s,status: a header and one row per record.
/// Times are exact; a request without a first token has an empty field.
[[nodiscard]] std::string requests_csv(const std::vector<RequestRecord>& records);

/// A header and one row per slice: requests that arrived in it and how they ended, and means over the slice of
/// requests (waiting for their first token, then running), pods and nodes by state.
[[nodiscard]] std::string timeline_csv(const Timeline& timeline, Tick span);

[[nodiscard]] const char* to_string(RequestEnd end);

}  // namespace windtunnel
