#pragma once
#include "models/problem.hpp"
#include "reports/cluster_log.hpp"
#include "scenarios/compile/compiled_scenario.hpp"
#include "scenarios/threshold.hpp"
#include "sim/run_trial.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace windtunnel {

/// A latency's statistics in milliseconds; all empty when nothing was measured.
struct LatencyNumbers {
    std::optional<double> mean, p50, p90, p99, p999;
};

/// What a pool cost in one trial. Node time is what is billed: lifetimes within the span plus what the
/// minimum billing time adds.
struct PoolNumbers {
    double node_hours = 0;
    std::int64_t micro_usd = 0;
    std::int64_t nodes_most = 0;  ///< at one time
    WideSum minimum_extra;        ///< billed beyond the nodes' lives: ticks x nano-USD per hour
    std::int64_t unused_micro_usd = 0;  ///< of micro_usd: what was reserved or committed and not used
    double gpu_hours = 0;               ///< as node_hours
    std::uint64_t launched = 0;
    std::uint64_t noticed = 0, taken = 0;  ///< spot: notices, machines that the cloud took
    double noticed_gpu_s = 0;              ///< spot: GPU-seconds from the notice to the machine's end
    double fallback_s = 0;                 ///< on demand: how long it stood in for spot
};

/// What became of attempts, and work that served nobody.
struct AttemptNumbers {
    std::uint64_t attempts = 0;  ///< requests, and all that was tried again
    std::uint64_t retried = 0, redelivered = 0, dead_lettered = 0;
    std::uint64_t errors = 0, wrong_answers = 0;  ///< of degraded servers
    std::uint64_t lost = 0, lost_prompt_tokens = 0, lost_output_tokens = 0;
    std::uint64_t duplicate_prompt_tokens = 0, duplicate_output_tokens = 0;
    std::optional<double> lost_s, duplicate_s;  ///< time that these attempts took
    std::optional<double> longest_hold_s;       ///< from arrival until a replica took it
};

/// Prompts that were computed on other servers than those that answered. Empty where no workload has that.
struct PrefillNumbers {
    std::optional<double> remote, local;  ///< requests sent to a prefill server; that stayed where they are answered
    std::optional<double> transfers, failures, bytes;  ///< of KV
    /// Means over first tokens that came so: the prefill server's part, the wait for blocks, the transfer, the first
    /// step of the answering server. Together they are the TTFT from when the prefill server got the request.
    std::optional<double> prefill_ms, wait_ms, transfer_ms, decode_ms;
};

/// One trial, as numbers. Everything that is shown is made from these, so that parts of a run that were
/// computed apart can be put together.
struct TrialNumbers {
    RequestCounts requests;
    std::uint64_t prompt_tokens = 0, output_tokens = 0;  ///< of completed requests
    std::uint64_t good = 0;
    AttemptNumbers attempts;
    LatencyNumbers ttft, tpot, itl, e2el;
    std::optional<double> request_throughput, output_throughput, total_token_throughput;  ///< per second
    std::optional<double> request_goodput;
    std::optional<double> replicas_mean, nodes_mean;  ///< over the span
    std::uint64_t replicas_max = 0, nodes_max = 0;
    std::uint64_t cold_starts = 0, spot_evictions = 0, kv_preemptions = 0;
    std::uint64_t prefix_queries = 0, prefix_hits = 0;  ///< prompt tokens looked up in prefix caches, and found
    PrefillNumbers prefill;
    std::optional<std::uint64_t> degraded_minutes;  ///< empty: no request is called good
    std::optional<double> gpu_busy_ratio;           ///< busy / rented GPU time
    double gpu_hours = 0;                           ///< billed
    std::vector<PoolNumbers> pools;                 ///< [RunResults::pools]
    std::vector<WideSum> node_use;                  ///< as TrialOutcome::node_use
    std::vector<std::optional<double>> thresholds;  ///< [RunResults::thresholds], in the threshold's unit
    std::vector<AlertTally> alerts;                 ///< those that are evaluated: AlertLabel::index

    [[nodiscard]] std::int64_t micro_usd() const;
};

/// Which pool a row of the bill is about.
struct PoolLabel {
    std::string pool, capacity_type, instance_type;
    CostShares shares = CostShares::nobody;  ///< of capacity type `other`
};

/// Which workload a row of the cost breakdown is about.
struct WorkloadLabel {
    std::string target, name_space, model, tenant;
};

/// Whose requests a row of the cost breakdown is about.
struct AccountLabel {
    std::uint32_t workload = 0;  ///< into RunResults::workloads
    std::string tenant;
};

/// An alerting rule of the manifests.
struct AlertLabel {
    std::string name, group, severity;
    std::int32_t index = -1;    ///< into TrialNumbers::alerts; -1 = not evaluated
    std::string not_evaluated;  ///< why not
};

/// A run: what it was made from, and its trials in order. No wall-clock time, host or path of this machine.
struct RunResults {
    std::string scenario;
    std::uint64_t hash = 0;
    std::uint64_t seed = 1;
    std::uint32_t first_trial = 0;  ///< number of trials[0]
    std::string backend;
    bool complete = true;  ///< false: interrupted, `trials` holds what was finished
    double span_s = 0;
    bool has_goodput = false;
    std::vector<PoolLabel> pools;
    std::vector<WorkloadLabel> workloads;
    std::vector<AccountLabel> accounts;  ///< whose work stands behind the bills' cells in TrialNumbers::node_use
    std::vector<Threshold> thresholds;
    std::vector<AlertLabel> alerts;
    Problems warnings;
    std::vector<TrialNumbers> trials;
    std::optional<ClusterLog> cluster;  ///< what the cluster of the first trial said
    std::string cluster_sections;       ///< the same as JSON, where that trial ran elsewhere; "" = it did not
};

/// A run without trials: names, pools, warnings.
[[nodiscard]] RunResults results_of(const CompiledScenario& scenario, std::vector<Threshold> thresholds,
                                    std::uint64_t seed, std::string backend);
/// The numbers of a finished trial.
[[nodiscard]] TrialNumbers numbers_of(const CompiledScenario& scenario,
                                      const std::vector<Threshold>& thresholds, const TrialOutcome& outcome);

/// A mean over trials with its 95 % confidence interval (Student's t); the interval needs two trials.
struct Estimate {
    std::optional<double> value;
    std::optional<std::pair<double, double>> ci95;
};
/// Trials without a value are left out; an estimate of nothing is empty.
[[nodiscard]] Estimate estimate(const std::vector<std::optional<double>>& per_trial);

/// One number of the results: `section` and `key` as in results/v1.
struct SummaryRow {
    const char* section;
    const char* key;
    bool is_count = false;  ///< a sum over the trials, whole; else a mean
    Estimate estimate;      ///< of a count: of the sum
};

/// What became of an alert over all trials.
struct AlertSummary {
    std::uint64_t fired = 0;  ///< times, summed over the trials
    std::uint64_t trials_fired = 0;
    std::uint64_t series_fired = 0, failed_evaluations = 0;
    Estimate first_fired_s;  ///< of the trials in which it fired
    Estimate firing_s;
};
[[nodiscard]] AlertSummary summarise_alert(const RunResults& results, const AlertLabel& alert);

enum class Verdict : std::uint8_t { pass, fail, inconclusive };
[[nodiscard]] const char* to_string(Verdict verdict);

struct ThresholdResult {
    Estimate estimate;  ///< a mean over trials, of counts too
    Verdict verdict = Verdict::inconclusive;
};

struct PoolSummary {
    Estimate node_hours;
    std::int64_t micro_usd = 0;  ///< mean over trials, rounded half to even
    Estimate usd;
};

/// What a run says over all its trials.
struct Summary {
    std::vector<SummaryRow>
        rows;  ///< requests, attempts, tokens, latency, throughput, capacity; in the order of results/v1
    Estimate gpu_hours, usd, usd_per_million_output_tokens;
    std::int64_t total_micro_usd = 0;  ///< sum of the pools': the parts add up
    std::optional<std::int64_t> micro_usd_per_million_output_tokens;
    std::vector<PoolSummary> pools;
    std::vector<ThresholdResult> thresholds;

    /// The estimate of a row; the key must be one of the rows'.
    [[nodiscard]] const Estimate& at(std::string_view key) const;
};
[[nodiscard]] Summary summarise(const RunResults& results);

/// With an interval: pass when all of it holds, fail when none of it does. Without: by the value. A run whose
/// requests gave no value to judge has failed; one without requests is inconclusive.
[[nodiscard]] Verdict verdict_of(const Threshold& threshold, const Estimate& estimate, bool lacks_values,
                                 bool had_requests);

/// The sections of results/v1 that are not made from numbers, as JSON; "" where no trial was watched.
[[nodiscard]] std::string cluster_sections_json(const RunResults& results);

/// windtunnel.results/v1, two spaces of indentation, ends with a newline.
[[nodiscard]] std::string results_json(const RunResults& results);

}  // namespace windtunnel
