#include "sim/trial_engine.hpp"

/// Trials that somebody watches.
namespace windtunnel {

template <class Layout, class Bank>
TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key, TrialArena& arena,
                       HostObserver& observer) {
    return run_engine<Layout, Bank>(blueprint, workload, key, arena, observer);
}
template TrialOutcome run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(const Blueprint&, WorkloadView, TrialKey, TrialArena&, HostObserver&);
template TrialOutcome run_trial<ContiguousLayout, StepwiseBank>(const Blueprint&, WorkloadView, TrialKey, TrialArena&, HostObserver&);

}  // namespace windtunnel
