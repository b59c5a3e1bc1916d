#include "gpu/replay.hpp"

#include "models/problem.hpp"

#include <tbb/enumerable_thread_specific.h>
#include <tbb/global_control.h>
#include <thrust/execution_policy.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace windtunnel {

namespace {

/// What the threads of one replay share.
struct Shared {
    const ReplayGrid& grid;
    std::vector<BlueprintBlock> blueprints;
    tbb::enumerable_thread_specific<TrialArena> arenas;
    std::vector<std::uint8_t> finished;  ///< [trial][configuration]
    std::atomic<std::uint64_t> next{0};
    std::atomic<bool> failed{false};
    std::mutex failure_guard;
    std::exception_ptr failure;
};

/// One trial of one configuration, for Thrust to call once per cell of the grid. Whichever call comes first takes
/// the first cell that nobody has: what is finished is then always an unbroken run from the first trial on, but
/// for what the other threads have in hand. Errors are kept: they must not leave a worker thread.
struct RunNext {
    Shared* shared;

    void operator()(std::uint64_t) const {
        const ReplayGrid& grid = shared->grid;
        if ((grid.interrupted != nullptr && *static_cast<const volatile bool*>(grid.interrupted)) || shared->failed)
            return;
        const std::uint64_t cell = shared->next++;
        try {
            const auto c = static_cast<std::uint32_t>(cell % grid.configurations.size());
            const auto index = static_cast<std::uint32_t>(cell / grid.configurations.size());
            const TrialWorkload workload = grid.configurations[c].workload(grid.first_trial + index);
            grid.finished(c, index, run(c, workload.view, {grid.seed, grid.first_trial + index}));
            shared->finished[cell] = 1;
        } catch (...) {
            const std::lock_guard<std::mutex> lock(shared->failure_guard);
            if (!shared->failure) shared->failure = std::current_exception();
            shared->failed = true;
        }
    }

private:
    /// Again with larger capacities while it outgrows its arena.
    TrialOutcome run(std::uint32_t c, WorkloadView workload, TrialKey key) const {
        const ReplayGrid& grid = shared->grid;
        TrialArena& arena = shared->arenas.local();
        TrialOutcome outcome = run_trial(shared->blueprints[c].blueprint(), workload, key, arena, grid.server);
        for (std::uint32_t growth = 4; outcome.tally.status == TrialStatus::outgrew_arena; growth *= 4) {
            if (growth > (1u << 20)) throw InternalError("a trial outgrew every arena");
            const BlueprintBlock larger = grid.configurations[c].blueprint(growth);
            outcome = run_trial(larger.blueprint(), workload, key, arena, grid.server);
        }
        return outcome;
    }
};

}  // namespace

std::uint32_t replay_grid(const ReplayGrid& grid) {
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    grid.threads > 0 ? static_cast<std::size_t>(grid.threads) : cores);
    const std::uint64_t width = grid.configurations.size(), cells = width * grid.trials;
    Shared shared{grid, {}, {}, std::vector<std::uint8_t>(cells, 0), {}, {}, {}, {}};
    for (const ReplayConfiguration& c : grid.configurations) shared.blueprints.push_back(c.blueprint(1));
    thrust::for_each(thrust::device, thrust::counting_iterator<std::uint64_t>(0),
                     thrust::counting_iterator<std::uint64_t>(cells), RunNext{&shared});
    if (shared.failure) std::rethrow_exception(shared.failure);
    std::uint64_t kept = 0;
    while (kept < cells && shared.finished[kept]) ++kept;
    return width == 0 ? 0 : static_cast<std::uint32_t>(kept / width);
}

std::vector<TrialOutcome> replay(const ReplayPlan& plan) {
    std::vector<TrialOutcome> outcomes(plan.trials);
    std::atomic<std::uint32_t> done{0};
    ReplayGrid grid;
    grid.configurations = {{plan.blueprint, plan.workload}};
    grid.seed = plan.seed;
    grid.first_trial = plan.first_trial;
    grid.trials = plan.trials;
    grid.server = plan.server;
    grid.threads = plan.threads;
    grid.interrupted = plan.interrupted;
    grid.finished = [&](std::uint32_t, std::uint32_t index, TrialOutcome&& outcome) {
        outcomes[index] = std::move(outcome);
        const std::uint32_t count = ++done;
        if (plan.progress) plan.progress(count);
    };
    outcomes.resize(replay_grid(grid));
    return outcomes;
}

const char* replay_backend() { return "cpu"; }

}  // namespace windtunnel
