#include "sim/lane_engine.hpp"
#include "sim/trial_engine.hpp"

/// Trials whose arenas are interleaved as on a GPU, on one thread.
namespace windtunnel {

template <class Layout, class Bank>
TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key, TrialArena& arena,
                       NullObserver& observer) {
    return run_engine<Layout, Bank>(blueprint, workload, key, arena, observer);
}
template <class Layout, class Bank>
TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key, TrialArena& arena,
                       HostObserver& observer) {
    return run_engine<Layout, Bank>(blueprint, workload, key, arena, observer);
}
template TrialOutcome run_trial<InterleavedLayout, ArenaBank<InterleavedLayout>>(const Blueprint&, WorkloadView, TrialKey,
                                                                                 TrialArena&, NullObserver&);
template TrialOutcome run_trial<InterleavedLayout, ArenaBank<InterleavedLayout>>(const Blueprint&, WorkloadView, TrialKey,
                                                                                 TrialArena&, HostObserver&);
template LaneSize lane_size<InterleavedLayout>(const Blueprint&);
template void run_lane<InterleavedLayout>(const Blueprint&, WorkloadView, TrialKey, void*, std::size_t, std::uint32_t,
                                          const LaneOutcome&);

}  // namespace windtunnel
