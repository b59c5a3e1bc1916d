#pragma once
#include "sim/blueprint_builder.hpp"
#include "sim/server_bank.hpp"
#include "sim/trial.hpp"

#include <memory>
#include <vector>

namespace windtunnel {

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
    /// [bill][workload, or after the last: none][NodeUse]: node-ticks x nano-USD per hour x node_shares.
    std::vector<WideSum> node_use;
};

/// Memory of one trial after another; grows, never shrinks. One per thread.
class TrialArena {
public:
    [[nodiscard]] void* memory(std::size_t bytes);
    [[nodiscard]] std::size_t size() const { return m_memory.size() * sizeof(Line); }

private:
    struct alignas(64) Line {
        unsigned char bytes[64];
    };
    std::vector<Line> m_memory;
};

enum class ServerKind : std::uint8_t { fast, stepwise };

/// Reads the result of a finished trial out of its arena.
template <class Layout>
[[nodiscard]] TrialOutcome outcome_of(const Tally& tally, const Sketches<Layout>& sketches,
                                      std::size_t arena_bytes) {
    const auto read = [](const LatencySketch<Layout>& s) {
        Distribution d{s.totals(), std::vector<std::uint64_t>(SketchBuckets::count)};
        for (std::uint32_t i = 0; i < SketchBuckets::count; ++i) d.buckets[i] = s.bucket(i);
        return d;
    };
    return {tally,      read(sketches.ttft), read(sketches.tpot), read(sketches.itl), read(sketches.e2el),
            arena_bytes, {}};
}

/// Runs one trial on this thread with an arena layout, a kind of server and an observer of the caller's
/// choice.
template <class Layout, class Bank, class Observer>
[[nodiscard]] TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key,
                                     TrialArena& arena, Observer& observer) {
    Bank bank;
    Trial<Layout, Bank, Observer> trial(blueprint, workload, key, bank, observer);
    Arena<Layout> dry;
    trial.take_memory(dry);
    const std::size_t bytes = dry.used();
    Arena<Layout> real(arena.memory(bytes * Layout::lanes), bytes, 0);
    trial.take_memory(real);
    Tally tally;
    trial.run(tally);
    TrialOutcome outcome = outcome_of(tally, trial.sketches(), bytes);
    for (std::uint32_t i = 0; i < trial.node_use().cell_count(blueprint); ++i)
        outcome.node_use.push_back(trial.node_use().cells()[i]);
    return outcome;
}

/// The common case. Without an observer.
[[nodiscard]] TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key,
                                     TrialArena& arena, ServerKind server = ServerKind::fast);

}  // namespace windtunnel
