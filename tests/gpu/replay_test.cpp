#include "gpu/batch_replay.hpp"
#include "gpu/replay.hpp"
#include "tests/support/frozen_day.hpp"
#include "tests/support/random_cluster.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <memory>

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

TEST_CASE("trial: what its arena held before changes nothing") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        INFO("seed " << seed);
        std::vector<Request> requests;
        const BlueprintParts parts = lab::random_cluster(seed, requests);
        const BlueprintBlock block = build(parts, 4);
        const auto run_in = [&](TrialArena& arena) {
            return run_trial(block.blueprint(), {requests.data(), requests.size(), parts.span}, {5, 0}, arena);
        };
        TrialArena fresh, used;
        const TrialOutcome one = run_in(fresh);
        std::memset(used.memory(fresh.size()), 0x5a, fresh.size());
        CHECK(lab::differences(one, run_in(used)) == "");
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

namespace {

/// All outcomes of a grid, [configuration][trial], and how many trials outgrew their arena.
struct GridOutcomes {
    std::vector<std::vector<TrialOutcome>> of;
    std::uint64_t outgrew = 0;
};
GridOutcomes run_grid(ReplayGrid grid, BatchReplay batch, std::size_t memory) {
    GridOutcomes out;
    out.of.resize(grid.configurations.size(), std::vector<TrialOutcome>(grid.trials));
    std::atomic<std::uint64_t> outgrew{0};
    grid.finished = [&](std::uint32_t c, std::uint32_t index, TrialOutcome&& o) { out.of[c][index] = std::move(o); };
    grid.outgrew = [&](std::uint64_t) { ++outgrew; };
    grid.batch = batch;
    grid.batch_memory = memory;
    REQUIRE(replay_grid(grid) == grid.trials);
    out.outgrew = outgrew;
    return out;
}

/// What a device gives is what this machine's threads give: two configurations, the second with requests of its own in
/// every trial, both with so little room for jobs that many trials outgrow it, in waves of a few dozen trials.
void compare_with_threads(BatchReplay batch, std::uint64_t seed, std::uint32_t trials, std::uint64_t& outgrew) {
    std::vector<Request> shared, own;
    BlueprintParts first = lab::random_cluster(seed, shared), second = lab::random_cluster(seed + 1000, own);
    if (seed % 2 == 0) first.job_capacity = 8;
    second.job_capacity = 12;
    const ReplayPlan one = plan_for(first, shared, trials, 2), two = plan_for(second, own, trials, 2);
    ReplayGrid grid;
    grid.configurations = {{one.blueprint, one.workload}, {two.blueprint, two.workload}};
    grid.configurations[1].workload = [&](std::uint32_t trial) {
        const std::uint64_t count = own.size() - std::min<std::size_t>(own.size() / 2, trial);
        const auto copy = std::make_shared<std::vector<Request>>(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(count));
        return TrialWorkload{{copy->data(), copy->size(), second.span}, copy};
    };
    grid.seed = 5;
    grid.first_trial = 3;
    grid.trials = trials;
    const GridOutcomes threads = run_grid(grid, nullptr, 0);
    const GridOutcomes device = run_grid(grid, batch, seed % 3 == 0 ? std::size_t{96} << 20 : 0);
    for (std::size_t c = 0; c < 2; ++c)
        for (std::size_t i = 0; i < trials; ++i) {
            INFO("seed " << seed << ", configuration " << c << ", trial " << i);
            // What it ran in is another layout's size.
            TrialOutcome o = device.of[c][i];
            o.arena_bytes = threads.of[c][i].arena_bytes;
            REQUIRE(lab::differences(threads.of[c][i], o) == "");
        }
    CHECK(device.outgrew == threads.outgrew);
    outgrew += device.outgrew;
}

}  // namespace

TEST_CASE("batch replay: the code that runs on a GPU gives, on threads, what trials one by one give, to the last bit") {
    std::uint64_t outgrew = 0;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) compare_with_threads(&replay_on_threads, seed, 70, outgrew);
    CHECK(outgrew > 0);
}

TEST_CASE("batch replay: an interrupted batch keeps whole waves, and a device too small says so") {
    std::vector<Request> requests;
    const BlueprintParts parts = lab::random_cluster(3, requests);
    const BlueprintBlock block = build(parts);
    bool stop = false;
    std::size_t done = 0;
    BatchPlan plan;
    plan.blueprint = &block.blueprint();
    for (std::uint32_t i = 0; i < 200; ++i) plan.trials.push_back(i);
    plan.workload = plan_for(parts, requests, 200, 1).workload;
    plan.interrupted = &stop;
    plan.memory = std::size_t{64} << 20;
    plan.wave_done = [&](const BatchWave& wave) {
        CHECK(wave.first == done);
        CHECK(wave.count >= 32);
        done += wave.count;
        stop = true;
    };
    replay_on_threads(plan);
    CHECK(done >= 32);
    CHECK(done < 200);
    plan.memory = 4096;
    stop = false;
    CHECK_THROWS_WITH(replay_on_threads(plan), Catch::Contains("bytes of the device"));
}

TEST_CASE("frozen day: read again it gives the same trials, and what is none says so") {
    const std::string file =
        (std::filesystem::temp_directory_path() / ("frozen_day_" + std::to_string(::getpid()))).string();
    std::vector<Request> requests;
    const BlueprintParts parts = lab::random_cluster(5, requests);
    const BlueprintBlock block = build(parts, 4);
    write_frozen(file, block.blueprint(), requests, parts.span);
    {
        const FrozenDay day = read_frozen(file);
        TrialArena arena;
        const WorkloadView workload{requests.data(), requests.size(), parts.span};
        CHECK(lab::differences(run_trial(block.blueprint(), workload, {5, 3}, arena),
                               run_trial(day.block.blueprint(), day.workload(), {5, 3}, arena)) == "");
    }
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
    CHECK_THROWS_WITH(read_frozen(file), Catch::Contains("cut short"));
    std::filesystem::resize_file(file, 20);
    CHECK_THROWS_WITH(read_frozen(file), Catch::Contains("no frozen scenario"));
    std::filesystem::remove(file);
    requests[0].prefix_count = 1;
    CHECK_THROWS_WITH(write_frozen(file, block.blueprint(), requests, parts.span), Catch::Contains("prefix hashes"));
}

#if defined(WINDTUNNEL_HAS_CUDA)
TEST_CASE("device replay: random trials on the GPU equal those on the CPU to the last bit") {
    if (const DeviceAnswer device = ask_device(); !device.answers) {
        WARN("no device: " << device.words);
        return;
    }
    std::uint64_t outgrew = 0;
    for (std::uint64_t seed = 1; seed <= 32; ++seed) compare_with_threads(&replay_on_cuda, seed, 70, outgrew);
    CHECK(outgrew > 0);
}
#endif
