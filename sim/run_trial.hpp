#pragma once
#include "models/request.hpp"
#include "sim/alert_tally.hpp"
#include "sim/blueprint_builder.hpp"
#include "sim/observer.hpp"

#include <cstdlib>
#include <memory>
#include <vector>

namespace windtunnel {

template <class Layout>
class ArenaBank;
class StepwiseBank;

/// A distribution of durations outside a trial: exact count, sum and extremes, buckets for the quantiles.
struct Distribution {
    LatencyTotals totals;
    std::vector<std::uint64_t> buckets;

    void merge(const Distribution& other);
    /// The duration at rank q * (count - 1), to the bucket's precision (0.4%) and never outside [least,
    /// most]. Requires totals.count > 0 and 0 <= q <= 1.
    [[nodiscard]] Tick quantile(double q) const;
    [[nodiscard]] double mean_ticks() const;
    bool operator==(const Distribution&) const = default;
};

/// What a trial gives.
struct TrialOutcome {
    Tally tally;
    Distribution ttft, tpot, itl, e2el;
    std::size_t arena_bytes = 0;
    /// [bill][workload, or after the last: none][NodeUse]: node-ticks x nano-USD per hour x node_shares. Then, of each
    /// account (Blueprint::first_account), the work of its requests in ticks. Then, of each payer (payer_of), the prompt and
    /// the output tokens of its completed requests.
    std::vector<WideSum> node_use;
    std::vector<AlertTally> alerts;  ///< [Blueprint::alerts]
};

/// Memory of one trial after another; grows, never shrinks. One per thread.
class TrialArena {
public:
    /// At least so many bytes, aligned to 64, of any content.
    [[nodiscard]] void* memory(std::size_t bytes);
    [[nodiscard]] std::size_t size() const { return m_size; }

private:
    struct Release {
        void operator()(void* memory) const { std::free(memory); }
    };
    std::unique_ptr<void, Release> m_owned;
    void* m_memory = nullptr;  ///< the first aligned byte of it
    std::size_t m_size = 0;
};

enum class ServerKind : std::uint8_t { fast, stepwise };

/// The common case. Without an observer.
[[nodiscard]] TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key,
                                     TrialArena& arena, ServerKind server = ServerKind::fast);
/// The same, watched.
[[nodiscard]] TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key,
                                     TrialArena& arena, HostObserver& observer,
                                     ServerKind server = ServerKind::fast);

/// With an arena layout and a kind of server of the caller's choice. Compiled once, for the pairs
/// (ContiguousLayout, ArenaBank), (ContiguousLayout, StepwiseBank) and (InterleavedLayout, ArenaBank):
/// sim/trial_engine.hpp holds what they are made from.
template <class Layout, class Bank>
[[nodiscard]] TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key,
                                     TrialArena& arena, HostObserver& observer);
template <class Layout, class Bank>
[[nodiscard]] TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key,
                                     TrialArena& arena, NullObserver& observer);

}  // namespace windtunnel
