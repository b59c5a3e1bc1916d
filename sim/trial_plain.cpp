#include "sim/trial_engine.hpp"

/// Trials in bulk: nobody watches.
namespace windtunnel {

template <class Layout, class Bank>
TrialOutcome run_trial(const Blueprint& blueprint, WorkloadView workload, TrialKey key, TrialArena& arena,
                       NullObserver& observer) {
    return run_engine<Layout, Bank>(blueprint, workload, key, arena, observer);
}
template TrialOutcome run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(const Blueprint&, WorkloadView, TrialKey, TrialArena&, NullObserver&);
template TrialOutcome run_trial<ContiguousLayout, StepwiseBank>(const Blueprint&, WorkloadView, TrialKey, TrialArena&, NullObserver&);

}  // namespace windtunnel
