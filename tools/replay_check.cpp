// Runs trials on the GPU at hand and on this machine's threads: are they the same, to the last bit, and how
// fast is each. Needs the CUDA toolkit, g++ and Random123's headers alone (tools/device_check.sh --replay
// builds it):
//   replay_check check [CLUSTERS]       random clusters, 70 trials of each
//   replay_check time FILE [TRIALS]     a frozen scenario (windtunnel_bench --freeze)
// Exit code 1 if a trial differs. Without WINDTUNNEL_HAS_CUDA the GPU's code runs on threads, to try the tool
// itself.
#include "gpu/batch_replay.hpp"
#include "tests/support/frozen_day.hpp"
#include "tests/support/random_cluster.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

using namespace windtunnel;

namespace {

#if defined(WINDTUNNEL_HAS_CUDA)
constexpr BatchReplay replay_on_device = &replay_on_cuda;
#else
constexpr BatchReplay replay_on_device = &replay_on_threads;
#endif

template <class Body>
void for_all(std::size_t count, const Body& body) {
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> threads;
    for (unsigned t = std::max(1u, std::thread::hardware_concurrency()); t > 0; --t)
        threads.emplace_back([&] {
            TrialArena arena;
            for (std::size_t i = next++; i < count; i = next++) body(i, arena);
        });
    for (std::thread& t : threads) t.join();
}

double seconds_since(std::chrono::steady_clock::time_point from) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
}

TrialOutcome run_here(const Blueprint& blueprint, WorkloadView workload, TrialKey key, TrialArena& arena) {
    NullObserver observer;
    return run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(blueprint, workload, key, arena,
                                                                    observer);
}

/// What a trial on the device and the same one here may not differ in. Of one that outgrew its arena only
/// that counts.
std::string differences_of(const TrialOutcome& here, const TrialOutcome& there) {
    if (here.tally.status == TrialStatus::outgrew_arena && there.tally.status == here.tally.status) return "";
    std::string out = lab::differences(here, there);
    if (here.alerts != there.alerts) out += " alerts";
    if (here.tally.events != there.tally.events) out += " events";
    return out;
}

BatchPlan plan_of(const Blueprint& blueprint, std::uint32_t trials,
                  std::function<TrialWorkload(std::uint32_t)> workload) {
    BatchPlan plan;
    plan.blueprint = &blueprint;
    plan.seed = 5;
    for (std::uint32_t t = 0; t < trials; ++t) plan.trials.push_back(t);
    plan.workload = std::move(workload);
    return plan;
}

int check(std::uint64_t clusters) {
    std::size_t compared = 0, outgrew = 0, different = 0;
    for (std::uint64_t seed = 1; seed <= clusters; ++seed) {
        std::vector<Request> requests;
        BlueprintParts parts = lab::random_cluster(seed, requests);
        if (seed % 2 == 0) parts.job_capacity = 64;
        const BlueprintBlock block = build(parts);
        // Every third has requests of its own in every trial, in waves of a few dozen trials.
        const auto workload = [&](std::uint32_t trial) {
            const std::size_t count =
                seed % 3 == 0 ? requests.size() - std::min<std::size_t>(requests.size() / 2, trial)
                              : requests.size();
            if (count == requests.size()) return TrialWorkload{{requests.data(), count, parts.span}, nullptr};
            const auto own = std::make_shared<std::vector<Request>>(
                requests.begin(), requests.begin() + static_cast<std::ptrdiff_t>(count));
            return TrialWorkload{{own->data(), own->size(), parts.span}, own};
        };
        BatchPlan plan = plan_of(block.blueprint(), 70, workload);
        if (seed % 3 == 0) plan.memory = std::size_t{96} << 20;
        plan.wave_done = [&](const BatchWave& wave) {
            TrialArena arena;
            for (std::size_t i = 0; i < wave.count; ++i) {
                const std::uint32_t trial = plan.trials[wave.first + i];
                const TrialWorkload w = workload(trial);
                const TrialOutcome here = run_here(block.blueprint(), w.view, {plan.seed, trial}, arena);
                const std::string parts_that_differ = differences_of(here, wave.outcome(i));
                ++compared;
                outgrew += here.tally.status == TrialStatus::outgrew_arena;
                if (parts_that_differ.empty()) continue;
                if (++different <= 5)
                    std::printf("cluster %llu, trial %u:%s\n", static_cast<unsigned long long>(seed), trial,
                                parts_that_differ.c_str());
            }
        };
        replay_on_device(plan);
    }
    std::printf("%zu trials of %llu random clusters: %zu differ (%zu outgrew their arena, here and there)\n",
                compared, static_cast<unsigned long long>(clusters), different, outgrew);
    return different > 0;
}

/// As many trials here as fill the machine's cores for a while; then all on the device, of which so many are
/// compared.
int time(const std::string& file, std::uint32_t trials) {
    const FrozenDay day = read_frozen(file);
    const double requests = static_cast<double>(day.requests.size());
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    const auto seed = std::uint64_t{5};
    std::vector<TrialOutcome> here(std::min<std::size_t>(trials, cores));
    const auto run_all_here = [&] {
        const auto from = std::chrono::steady_clock::now();
        for_all(here.size(), [&](std::size_t t, TrialArena& arena) {
            here[t] =
                run_here(day.block.blueprint(), day.workload(), {seed, static_cast<std::uint32_t>(t)}, arena);
        });
        return seconds_since(from);
    };
    double took_here = run_all_here();
    const auto wanted = static_cast<std::size_t>(20 / took_here) * here.size();  // about 20 seconds' worth
    here.resize(std::min<std::size_t>(trials, std::clamp<std::size_t>(wanted, here.size(), 2000)));
    took_here = run_all_here();
    const double rate_here = static_cast<double>(here.size()) / took_here;
    std::printf("%u threads: %zu trials of %.0f requests in %.2f s, %.2f million requests per second\n",
                cores, here.size(), requests, took_here, requests * rate_here / 1e6);
    std::fflush(stdout);

    std::size_t different = 0, outgrew = 0, waves = 0, each = 0;
    double host_part = 0;
    std::mutex guard;
    BatchPlan plan = plan_of(day.block.blueprint(), trials, [&](std::uint32_t) {
        return TrialWorkload{day.workload(), nullptr};
    });
    plan.wave_done = [&](const BatchWave& wave) {
        const auto from = std::chrono::steady_clock::now();
        for_all(wave.count, [&](std::size_t i, TrialArena&) {
            const TrialOutcome there = wave.outcome(i);
            const std::size_t t = wave.first + i;
            const std::string parts = t < here.size() ? differences_of(here[t], there) : "";
            const std::lock_guard<std::mutex> lock(guard);
            each = there.arena_bytes;
            outgrew += there.tally.status == TrialStatus::outgrew_arena;
            if (!parts.empty() && ++different <= 5) std::printf("trial %zu:%s\n", t, parts.c_str());
        });
        ++waves;
        host_part += seconds_since(from);
    };
    const auto from = std::chrono::steady_clock::now();
    replay_on_device(plan);
    const double took = seconds_since(from), rate = trials / took;
    std::printf(
        "device: %u trials in %.2f s (%zu waves, %.2f s of it the host's reading of outcomes), %.2f million "
        "requests per second\n",
        trials, took, waves, host_part, requests * rate / 1e6);
    std::printf(
        "%zu bytes of arena a trial, %.1f a request; %zu outgrew it and would run again on the host\n", each,
        static_cast<double>(each) / requests, outgrew);
    std::printf("of %zu compared %zu differ; the device is %.2f times the %u threads\n", here.size(),
                different, rate / rate_here, cores);
    return different > 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string what = argc > 1 ? argv[1] : "";
    try {
        const DeviceAnswer device = ask_device();
        std::printf("device: %s\n", device.words.c_str());
        if (device.built && !device.answers) return 3;
        if (what == "check") return check(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 64);
        if (what == "time" && argc > 2)
            return time(argv[2],
                        argc > 3 ? static_cast<std::uint32_t>(std::max(1, std::atoi(argv[3]))) : 100'000);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "replay_check: %s\n", e.what());
        return 1;
    }
    std::fprintf(stderr, "usage: replay_check check [CLUSTERS] | time FILE [TRIALS]\n");
    return 2;
}
