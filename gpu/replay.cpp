#include "gpu/replay.hpp"

#include "models/problem.hpp"

#include <tbb/enumerable_thread_specific.h>
#include <tbb/global_control.h>
#include <thrust/execution_policy.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace windtunnel {

namespace {

/// One trial, for Thrust to call with its number. Errors are kept: they must not leave a worker thread.
struct RunOne {
    const ReplayPlan* plan;
    const Blueprint* first;
    tbb::enumerable_thread_specific<TrialArena>* arenas;
    std::vector<TrialOutcome>* outcomes;
    std::vector<std::uint8_t>* finished;
    std::atomic<std::uint32_t>* done;
    std::mutex* failure_guard;
    std::exception_ptr* failure;

    void operator()(std::uint32_t index) const {
        if (plan->interrupted != nullptr && *plan->interrupted) return;
        try {
            const TrialWorkload workload = plan->workload(plan->first_trial + index);
            (*outcomes)[index] = run(workload.view, {plan->seed, plan->first_trial + index});
            (*finished)[index] = 1;
            const std::uint32_t count = ++*done;
            if (plan->progress) plan->progress(count);
        } catch (...) {
            const std::lock_guard<std::mutex> lock(*failure_guard);
            if (!*failure) *failure = std::current_exception();
        }
    }

private:
    /// Again with larger capacities while it outgrows its arena.
    TrialOutcome run(WorkloadView workload, TrialKey key) const {
        TrialArena& arena = arenas->local();
        TrialOutcome outcome = run_trial(*first, workload, key, arena, plan->server);
        for (std::uint32_t growth = 4; outcome.tally.status == TrialStatus::outgrew_arena; growth *= 4) {
            if (growth > (1u << 20)) throw InternalError("a trial outgrew every arena");
            const BlueprintBlock larger = plan->blueprint(growth);
            outcome = run_trial(larger.blueprint(), workload, key, arena, plan->server);
        }
        return outcome;
    }
};

}  // namespace

std::vector<TrialOutcome> replay(const ReplayPlan& plan) {
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    plan.threads > 0 ? static_cast<std::size_t>(plan.threads) : cores);
    const BlueprintBlock first = plan.blueprint(1);
    tbb::enumerable_thread_specific<TrialArena> arenas;
    std::vector<TrialOutcome> outcomes(plan.trials);
    std::vector<std::uint8_t> finished(plan.trials, 0);
    std::atomic<std::uint32_t> done{0};
    std::mutex failure_guard;
    std::exception_ptr failure;
    const RunOne one{&plan, &first.blueprint(), &arenas, &outcomes, &finished,
                     &done, &failure_guard,     &failure};
    thrust::for_each(thrust::device, thrust::counting_iterator<std::uint32_t>(0),
                     thrust::counting_iterator<std::uint32_t>(plan.trials), one);
    if (failure) std::rethrow_exception(failure);
    // An interrupted replay keeps the unbroken run of trials from the first on.
    std::size_t kept = 0;
    while (kept < finished.size() && finished[kept]) ++kept;
    outcomes.resize(kept);
    return outcomes;
}

const char* replay_backend() { return "cpu"; }

}  // namespace windtunnel
