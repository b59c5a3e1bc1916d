#include "gpu/replay.hpp"

#include "gpu/batch_replay.hpp"
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
    std::vector<std::uint8_t> finished;  ///< [place among the cells to be run]
    std::atomic<std::uint64_t> next{0};
    std::atomic<bool> failed{false};
    std::mutex failure_guard;
    std::exception_ptr failure;

    [[nodiscard]] std::uint64_t cell_at(std::uint64_t place) const { return grid.cells ? (*grid.cells)[place] : place; }
    [[nodiscard]] bool stopped() const {
        return (grid.interrupted != nullptr && *static_cast<const volatile bool*>(grid.interrupted)) || failed;
    }
    /// Errors are kept: they must not leave a worker thread.
    void keep_failure() {
        const std::lock_guard<std::mutex> lock(failure_guard);
        if (!failure) failure = std::current_exception();
        failed = true;
    }

    /// Gives an outcome away; first the trial is run again with larger capacities, as long as it outgrows its arena.
    void finish(std::uint64_t place, TrialOutcome&& outcome) {
        const std::uint64_t cell = cell_at(place), width = grid.configurations.size();
        const auto c = static_cast<std::uint32_t>(cell % width), index = static_cast<std::uint32_t>(cell / width);
        if (outcome.tally.status == TrialStatus::outgrew_arena && grid.outgrew) grid.outgrew(cell);
        const ReplayConfiguration& configuration = grid.configurations[c];
        for (std::uint32_t growth = 4; outcome.tally.status == TrialStatus::outgrew_arena; growth *= 4) {
            if (growth > (1u << 20)) throw InternalError("a trial outgrew every arena");
            const TrialWorkload workload = configuration.workload(grid.first_trial + index);
            const BlueprintBlock larger = configuration.blueprint(growth);
            outcome = run_trial(larger.blueprint(), workload.view, {grid.seed, grid.first_trial + index}, arenas.local(),
                                grid.server);
        }
        grid.finished(c, index, std::move(outcome));
        finished[place] = 1;
    }
};

/// One trial of one configuration, for Thrust to call once per cell of the grid. Whichever call comes first takes
/// the first cell that nobody has: what is finished is then always an unbroken run from the first trial on, but
/// for what the other threads have in hand.
struct RunNext {
    Shared* shared;

    void operator()(std::uint64_t) const {
        const ReplayGrid& grid = shared->grid;
        if (shared->stopped()) return;
        const std::uint64_t place = shared->next++, cell = shared->cell_at(place), width = grid.configurations.size();
        try {
            const std::uint32_t trial = grid.first_trial + static_cast<std::uint32_t>(cell / width);
            const TrialWorkload workload = grid.configurations[cell % width].workload(trial);
            shared->finish(place, run_trial(shared->blueprints[cell % width].blueprint(), workload.view, {grid.seed, trial},
                                            shared->arenas.local(), grid.server));
        } catch (...) {
            shared->keep_failure();
        }
    }
};

/// One trial that a device has run.
struct FinishOne {
    Shared* shared;
    const BatchWave* wave;
    const std::uint64_t* places;  ///< [trial of the batch]

    void operator()(std::uint64_t i) const {
        try {
            if (!shared->failed) shared->finish(places[wave->first + i], wave->outcome(i));
        } catch (...) {
            shared->keep_failure();
        }
    }
};

/// Configuration by configuration, so that a warp of the device has one of them.
void run_batches(Shared& shared, std::uint64_t cells) {
    const ReplayGrid& grid = shared.grid;
    const std::uint64_t width = grid.configurations.size();
    for (std::uint64_t c = 0; c < width && !shared.stopped(); ++c) {
        std::vector<std::uint64_t> places;
        BatchPlan plan;
        for (std::uint64_t place = 0; place < cells; ++place) {
            const std::uint64_t cell = shared.cell_at(place);
            if (cell % width != c) continue;
            places.push_back(place);
            plan.trials.push_back(grid.first_trial + static_cast<std::uint32_t>(cell / width));
        }
        plan.blueprint = &shared.blueprints[c].blueprint();
        plan.seed = grid.seed;
        plan.workload = grid.configurations[c].workload;
        plan.memory = grid.batch_memory;
        plan.interrupted = grid.interrupted;
        plan.wave_done = [&](const BatchWave& wave) {
            thrust::for_each(thrust::device, thrust::counting_iterator<std::uint64_t>(0),
                             thrust::counting_iterator<std::uint64_t>(wave.count),
                             FinishOne{&shared, &wave, places.data()});
        };
        grid.batch(plan);
    }
}

}  // namespace

std::uint32_t replay_grid(const ReplayGrid& grid) {
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    grid.threads > 0 ? static_cast<std::size_t>(grid.threads) : cores);
    const std::uint64_t width = grid.configurations.size(), cells = grid.cells ? grid.cells->size() : width * grid.trials;
    Shared shared{grid, {}, {}, std::vector<std::uint8_t>(cells, 0), {}, {}, {}, {}};
    for (const ReplayConfiguration& c : grid.configurations) shared.blueprints.push_back(c.blueprint(1));
    if (grid.batch != nullptr && grid.server == ServerKind::fast)
        run_batches(shared, cells);
    else
        thrust::for_each(thrust::device, thrust::counting_iterator<std::uint64_t>(0),
                         thrust::counting_iterator<std::uint64_t>(cells), RunNext{&shared});
    if (shared.failure) std::rethrow_exception(shared.failure);
    std::uint64_t kept = 0;
    while (kept < cells && shared.finished[kept]) ++kept;
    if (width == 0 || kept == cells) return width == 0 ? 0 : grid.trials;
    return static_cast<std::uint32_t>(shared.cell_at(kept) / width);
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

}  // namespace windtunnel
