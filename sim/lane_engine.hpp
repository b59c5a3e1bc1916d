#pragma once
#include "sim/lane_trial.hpp"
#include "sim/server_bank.hpp"
#include "sim/trial.hpp"

/// What run_lane is made from, for the two files that compile it: sim/trial_interleaved.cpp and gpu/device_replay.cu.
namespace windtunnel {

template <class Layout>
LaneSize lane_size(const Blueprint& blueprint) {
    using LaneTrial = Trial<Layout, ArenaBank<Layout>, NullObserver>;
    ArenaBank<Layout> bank;
    NullObserver observer;
    LaneTrial trial(blueprint, {}, {}, bank, observer);
    Arena<Layout> dry;
    trial.take_memory(dry);
    return {dry.used(), NodeTimeUse<Layout, LaneTrial>::cell_count(blueprint),
            static_cast<std::uint32_t>(blueprint.alerts.size())};
}

template <class Layout>
WT_HD_CALL void run_lane(const Blueprint& blueprint, WorkloadView workload, TrialKey key, void* arena,
                         std::size_t bytes_per_trial, std::uint32_t lane, const LaneOutcome& outcome) {
    using LaneTrial = Trial<Layout, ArenaBank<Layout>, NullObserver>;
    ArenaBank<Layout> bank;
    NullObserver observer;
    LaneTrial trial(blueprint, workload, key, bank, observer);
    Arena<Layout> mine(arena, bytes_per_trial, lane);
    trial.take_memory(mine);
    trial.run(*outcome.tally);
    // The next wave uses the arena again: what is left of this trial is copied out.
    const LatencySketch<Layout>* sketches[LaneOutcome::sketches] = {&trial.sketches().ttft, &trial.sketches().tpot,
                                                                    &trial.sketches().itl, &trial.sketches().e2el};
    for (std::uint32_t s = 0; s < LaneOutcome::sketches; ++s)
        for (std::uint32_t i = 0; i < SketchBuckets::count; ++i)
            outcome.buckets[std::size_t{s} * SketchBuckets::count + i] = sketches[s]->bucket(i);
    const std::uint32_t cells = NodeTimeUse<Layout, LaneTrial>::cell_count(blueprint);
    for (std::uint32_t i = 0; i < cells; ++i) outcome.node_use[i] = trial.node_use().cells()[i];
    for (std::uint32_t a = 0; a < blueprint.alerts.size(); ++a) outcome.alerts[a] = trial.alerts().tallies()[a];
}

}  // namespace windtunnel
