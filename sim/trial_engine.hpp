#pragma once
#include "sim/run_trial.hpp"
#include "sim/server_bank.hpp"
#include "sim/trial.hpp"

#include <vector>

/// What run_trial is made from. Instantiating a trial takes a compiler half a minute, so few files include this:
/// who wants to run one includes sim/run_trial.hpp.
namespace windtunnel {

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
            arena_bytes, {}, {}};
}

/// Runs one trial on this thread.
template <class Layout, class Bank, class Observer>
[[nodiscard]] TrialOutcome run_engine(const Blueprint& blueprint, WorkloadView workload, TrialKey key,
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
    for (std::uint32_t a = 0; a < blueprint.alerts.size(); ++a)
        outcome.alerts.push_back(trial.alerts().tallies()[a]);
    return outcome;
}

}  // namespace windtunnel
