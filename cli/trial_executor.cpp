#include "cli/trial_executor.hpp"

namespace windtunnel {

namespace {

std::unique_ptr<TrialExecutor>& chosen() {
    static std::unique_ptr<TrialExecutor> executor = std::make_unique<LocalExecutor>();
    return executor;
}

}  // namespace

void LocalExecutor::run(const TrialWork& work) {
    ReplayGrid grid = work.grid;
    const std::size_t width = grid.configurations.size();
    grid.finished = [&](std::uint32_t c, std::uint32_t index, TrialOutcome&& outcome) {
        work.keep(work.numbers_of(std::uint64_t{index} * width + c, outcome));
    };
    (void)replay_grid(grid);
}

TrialExecutor& trial_executor() { return *chosen(); }
void set_trial_executor(std::unique_ptr<TrialExecutor> executor) { chosen() = std::move(executor); }

}  // namespace windtunnel
