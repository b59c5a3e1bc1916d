#include "gpu/replay.hpp"
#include "tests/support/random_cluster.hpp"

#include <catch2/catch.hpp>
#if defined(WINDTUNNEL_HAS_CUDA)
#include "gpu/device_replay.hpp"
#endif

using namespace windtunnel;

namespace {

ReplayPlan plan_for(const BlueprintParts& parts, const std::vector<Request>& requests, std::uint32_t trials,
                    int threads) {
    ReplayPlan plan;
    plan.blueprint = [&parts](std::uint32_t growth) { return build(parts, growth); };
    plan.workload = [&parts, &requests](std::uint32_t) {
        return TrialWorkload{{requests.data(), requests.size(), parts.span}, nullptr};
    };
    plan.seed = 5;
    plan.trials = trials;
    plan.threads = threads;
    return plan;
}

}  // namespace

TEST_CASE("replay: one thread and two give the same outcomes in the order of the trials") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        std::vector<Request> requests;
        const BlueprintParts parts = lab::random_cluster(seed, requests);
        const std::vector<TrialOutcome> one = replay(plan_for(parts, requests, 8, 1)),
                                        two = replay(plan_for(parts, requests, 8, 2));
        REQUIRE(one.size() == 8);
        REQUIRE(two.size() == 8);
        for (std::size_t i = 0; i < one.size(); ++i) CHECK(lab::differences(one[i], two[i]) == "");
    }
}

TEST_CASE("replay: trials differ where something is random, and a trial alone is the trial among others") {
    std::vector<Request> requests;
    BlueprintParts parts = lab::random_cluster(2, requests);
    for (WorkloadPlan& w : parts.workloads) w.routing = Routing::random;
    const std::vector<TrialOutcome> all = replay(plan_for(parts, requests, 6, 2));
    ReplayPlan alone = plan_for(parts, requests, 1, 1);
    alone.first_trial = 4;
    CHECK(lab::differences(replay(alone).front(), all[4]) == "");
}

TEST_CASE("replay: an interrupted replay keeps no trial that did not finish") {
    std::vector<Request> requests;
    const BlueprintParts parts = lab::random_cluster(3, requests);
    ReplayPlan plan = plan_for(parts, requests, 50, 1);
    bool stop = false;
    plan.interrupted = &stop;
    plan.progress = [&](std::uint32_t done) { stop = done == 7; };
    CHECK(replay(plan).size() == 7);
}

TEST_CASE("replay: a grid of configurations gives each what it gets alone, and all meet the same seeds") {
    std::vector<Request> first_requests, second_requests;
    const BlueprintParts first = lab::random_cluster(4, first_requests), second = lab::random_cluster(5, second_requests);
    const ReplayPlan one = plan_for(first, first_requests, 9, 1), two = plan_for(second, second_requests, 9, 1);
    ReplayGrid grid;
    grid.configurations = {{one.blueprint, one.workload}, {two.blueprint, two.workload}};
    grid.seed = one.seed;
    grid.first_trial = 3;
    grid.trials = 6;
    grid.threads = 2;
    std::vector<std::vector<TrialOutcome>> outcomes(2, std::vector<TrialOutcome>(6));
    grid.finished = [&](std::uint32_t c, std::uint32_t index, TrialOutcome&& o) { outcomes[c][index] = std::move(o); };
    REQUIRE(replay_grid(grid) == 6);
    const std::vector<TrialOutcome> alone[] = {replay(one), replay(two)};
    for (std::size_t c = 0; c < 2; ++c)
        for (std::size_t i = 0; i < 6; ++i) CHECK(lab::differences(outcomes[c][i], alone[c][i + 3]) == "");
    // A grid that is stopped counts the trials that every configuration has finished.
    bool stop = false;
    std::uint32_t done = 0;
    grid.threads = 1;
    grid.interrupted = &stop;
    grid.finished = [&](std::uint32_t, std::uint32_t, TrialOutcome&&) { stop = ++done == 5; };
    CHECK(replay_grid(grid) == 2);
}

#if defined(WINDTUNNEL_HAS_CUDA)
TEST_CASE("device replay: a thousand random trials on the GPU equal those on the CPU to the last bit") {
    std::uint32_t compared = 0;
    for (std::uint64_t seed = 1; seed <= 32; ++seed) {
        std::vector<Request> requests;
        const BlueprintParts parts = lab::random_cluster(seed, requests);
        const BlueprintBlock block = build(parts, 16);
        std::vector<TrialOutcome> device;
        try {
            device =
                replay_on_device(block.blueprint(), {requests.data(), requests.size(), parts.span}, 5, 0, 32);
        } catch (const std::runtime_error& e) {
            WARN("no device: " << e.what());
            return;
        }
        TrialArena arena;
        for (std::uint32_t i = 0; i < 32; ++i, ++compared) {
            const TrialOutcome host =
                run_trial(block.blueprint(), {requests.data(), requests.size(), parts.span}, {5, i}, arena);
            INFO("seed " << seed << ", trial " << i);
            REQUIRE(lab::differences(host, device[i]) == "");
        }
    }
    CHECK(compared == 1024);
}
#endif
