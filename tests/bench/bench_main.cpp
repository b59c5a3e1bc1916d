#include "models/random.hpp"
#include "scenarios/compile.hpp"
#include "sim/run_trial.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

/// `windtunnel_bench [--filter NAME]`: how many requests per second the engine alone simulates, one JSON
/// object per line. Reading, reporting and building the workload are outside the measured time.
namespace windtunnel {
namespace {

/// An 8B model on a 24 GB card: 6 ms per decode step and 0.4 µs per context token, prefill at 4,000 tokens/s.
ServerParts small_gpu(std::int32_t max_num_seqs, std::int64_t blocks) {
    ServerParts s;
    s.max_num_seqs = max_num_seqs;
    s.max_num_batched_tokens = 2048;
    s.max_model_len = 8192;
    s.usable_blocks = blocks;
    for (std::int64_t b = 0; b <= max_num_seqs; ++b)
        s.cost.decode_step.push_back(milliseconds(6) + Tick{b * 2 * ticks_per_microsecond});
    for (std::int64_t n = 0; n <= s.max_num_batched_tokens; ++n)
        s.cost.mixed_step.push_back(milliseconds(7) + Tick{n * 250 * ticks_per_microsecond / 4});
    s.cost.attention = {{0, Tick{}, 400}};
    s.cost.prefill_ticks_per_pair_q16 = 20 << 16;
    return s;
}

WorkloadPlan one_workload(std::uint32_t replicas) {
    WorkloadPlan w;
    w.pod_slots = replicas;
    w.initial_replicas = replicas;
    w.routing = Routing::least_requests;
    w.hold = 1;
    return w;
}

TemplateParts one_gpu_pods() {
    TemplateParts t;
    t.plan.server = 0;
    t.plan.needs = resource_amounts(1, 4000, std::int64_t{16} << 30, 1);
    t.plan.shapes.add(0);
    t.plan.grace = seconds(30);
    return t;
}

PoolPlan pool(std::uint32_t nodes) {
    PoolPlan p;
    p.node_slots = p.initial = p.minimum = nodes;
    return p;
}

ShapePlan one_gpu_nodes() {
    ShapePlan s;
    s.capacity = s.allocatable = resource_amounts(1, 8000, std::int64_t{32} << 30, 110);
    s.gpus = 1;
    return s;
}

/// Poisson arrivals; lengths lognormal around the conversation traces' medians.
std::vector<Request> conversation(std::uint64_t count, double rate, std::uint32_t prompt,
                                  std::uint32_t output) {
    const QuantileTable gap = exponential_table(static_cast<double>(ticks_per_second) / rate);
    const QuantileTable in = lognormal_table(prompt, 0.8, 1, 4096),
                        out = lognormal_table(output, 0.7, 1, 2048);
    RandomStream gaps(1, 0, StreamPurpose::arrivals, 0), ins(1, 0, StreamPurpose::prompt_length, 0),
        outs(1, 0, StreamPurpose::output_length, 0);
    std::vector<Request> requests(count);
    Tick now;
    for (Request& r : requests) {
        now.count += gap.sample(gaps.next_u64());
        r.arrival = now;
        r.prompt_tokens = static_cast<std::uint32_t>(in.sample(ins.next_u64()));
        r.output_tokens = static_cast<std::uint32_t>(out.sample(outs.next_u64()));
    }
    return requests;
}

struct Case {
    std::string name;
    BlueprintParts parts;
    std::vector<Request> requests;
    std::uint64_t stepwise_requests;  ///< of the first so many, for the ratio; 0 = all
};

/// More than the replica can serve for long stretches: a full batch, a queue, and a preemption every few
/// requests.
Case one_replica() {
    Case c{"one_replica", {}, conversation(400'000, 8.6, 600, 180), 20'000};
    c.parts.servers = {small_gpu(128, 2200)};
    c.parts.add(one_workload(1), one_gpu_pods());
    c.parts.add(pool(1), one_gpu_nodes());
    return c;
}

/// 64 replicas, least requests, KEDA on a Prometheus query, nodes that come and go: from its manifests.
Case fleet_64() {
    ScenarioInputs inputs;
    inputs.scenario_file = WINDTUNNEL_SOURCE_DIR "/tests/bench/fleet_64/scenario.yaml";
    Result<Scenario> scenario = read_scenario(inputs, std::cin);
    if (!scenario) throw InternalError(to_string(scenario.problems().front()));
    Result<WorkloadSource> source = WorkloadSource::make(*scenario, scenario->seed);
    if (!source) throw InternalError(to_string(source.problems().front()));
    Result<CompiledScenario> compiled = compile_scenario(*scenario, *source);
    if (!compiled) throw InternalError(to_string(compiled.problems().front()));
    return {"fleet_64", std::move(compiled->parts), source->trial(0)->requests, 50'000};
}

Case day_10m() {
    Case c{"day_10m", {}, conversation(10'000'000, 115.7, 300, 60), 100'000};
    c.parts.servers = {small_gpu(256, 8000)};
    c.parts.add(one_workload(16), one_gpu_pods());
    c.parts.add(pool(16), one_gpu_nodes());
    return c;
}

double run_for(const Case& c, std::uint64_t count, ServerKind server, TrialOutcome& outcome) {
    BlueprintParts parts = c.parts;
    parts.span = c.requests[count - 1].arrival;
    parts.drain_limit = seconds(100'000'000 / 10);
    parts.job_capacity = 1 << 20;
    const BlueprintBlock block = build(parts);
    TrialArena arena;
    const auto from = std::chrono::steady_clock::now();
    outcome = run_trial(block.blueprint(), {c.requests.data(), count, parts.span}, {1, 0}, arena, server);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
    return static_cast<double>(count) / took.count();
}

void report(Case (*make)(), const std::string& filter, const char* name) {
    if (!filter.empty() && filter != name) return;
    const Case c = make();
    TrialOutcome fast, slow;
    const double rate = run_for(c, c.requests.size(), ServerKind::fast, fast);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);  // before the reference runs
    const double stepwise = run_for(c, c.stepwise_requests, ServerKind::stepwise, slow);
    fmt::print(
        "{{\"name\":\"{}\",\"requests\":{},\"requests_per_second\":{:.0f},\"stepwise_requests_per_second\":{:"
        ".0f},"
        "\"peak_rss_mib\":{:.0f},\"completed\":{},\"kv_preemptions\":{},\"events\":{},\"mean_ttft_ms\":{:.1f}"
        "}}\n",
        c.name, c.requests.size(), rate, stepwise, static_cast<double>(usage.ru_maxrss) / 1024.0,
        fast.tally.requests.completed, fast.tally.kv_preemptions, fast.tally.events,
        fast.ttft.mean_ticks() / 1e8);
    std::fflush(stdout);
}

}  // namespace
}  // namespace windtunnel

int main(int argc, char** argv) {
    std::string filter;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--filter") == 0 && i + 1 < argc)
            filter = argv[++i];
        else {
            std::fprintf(stderr, "usage: windtunnel_bench [--filter one_replica|fleet_64|day_10m]\n");
            return 2;
        }
    }
    windtunnel::report(windtunnel::one_replica, filter, "one_replica");
    windtunnel::report(windtunnel::fleet_64, filter, "fleet_64");
    windtunnel::report(windtunnel::day_10m, filter, "day_10m");
    return 0;
}
