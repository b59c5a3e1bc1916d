#include "gpu/replay.hpp"
#include "models/random.hpp"
#include "scenarios/compile/compile.hpp"
#include "sim/run_trial.hpp"
#include "tests/bench/control_plane_files.hpp"
#include "tests/bench/conversations.hpp"
#include "tests/support/frozen_day.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

/// `windtunnel_bench [--filter NAME]`: how many requests per second the engine alone simulates, one JSON
/// object per line. Reading, reporting and building the workload are outside the measured time.
/// `--replicas 25` gives the control plane half the pods and nodes under the same requests: what that saves is what grows
/// with the cluster. `--write FOLDER` writes the control plane's manifests, for `windtunnel run FOLDER/scenario.yaml`; `--freeze SCENARIO
/// TRACE FILE` writes a compiled scenario for tools/device_check.sh --replay.
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
    std::vector<std::uint32_t> nodes{};  ///< of the prompts in the prefix tree
    std::uint32_t tokens_per_node = 512;
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

/// A case from a scenario file, the way `windtunnel run` compiles it.
Case from_scenario(const std::string& name, const std::string& file, std::uint64_t stepwise_requests,
                   const std::string& trace = "") {
    ScenarioInputs inputs;
    inputs.scenario_file = file;
    inputs.trace = trace;
    Result<Scenario> scenario = read_scenario(inputs, std::cin);
    if (!scenario) throw InternalError(to_string(scenario.problems().front()));
    Result<WorkloadSource> source = WorkloadSource::make(*scenario, scenario->seed);
    if (!source) throw InternalError(to_string(source.problems().front()));
    Result<CompiledScenario> compiled = compile_scenario(*scenario, *source);
    if (!compiled) throw InternalError(to_string(compiled.problems().front()));
    return {name, std::move(compiled->parts), source->trial(0)->requests, stepwise_requests};
}

/// 64 replicas, least requests, KEDA on a Prometheus query, nodes that come and go: from its manifests.
Case fleet_64() {
    return from_scenario("fleet_64", WINDTUNNEL_SOURCE_DIR "/tests/bench/fleet_64/scenario.yaml", 50'000);
}

Case day_10m() {
    Case c{"day_10m", {}, conversation(10'000'000, 115.7, 300, 60), 100'000};
    c.parts.servers = {small_gpu(256, 8000)};
    c.parts.add(one_workload(16), one_gpu_pods());
    c.parts.add(pool(16), one_gpu_nodes());
    return c;
}

/// Conversations on replicas that cache prefixes: 7 ms a step and 16 us a token of it, 8,192 tokens a step.
Case cached_prefixes(std::string name, std::uint64_t stepwise_requests, const ConversationSpec& spec,
                     ServerParts server, std::uint32_t replicas) {
    Case c{std::move(name), {}, {}, stepwise_requests, {}, 512};
    Conversations made = conversations(spec, c.tokens_per_node);
    c.requests = std::move(made.requests);
    c.nodes = std::move(made.nodes);
    server.max_num_batched_tokens = 8192;
    server.cost.mixed_step.clear();
    for (std::int64_t n = 0; n <= 8192; ++n)
        server.cost.mixed_step.push_back(milliseconds(7) + Tick{n * ticks_per_microsecond * 16});
    server.prefix_caching = c.parts.shared_prefixes = true;
    c.parts.servers = {server};
    c.parts.add(one_workload(replicas), one_gpu_pods());
    c.parts.add(pool(replicas), one_gpu_nodes());
    return c;
}

/// Prompts that have beginnings in common: half of them one of 200 system prompts of 512 tokens.
Case prefix_1k() {
    return cached_prefixes(
        "prefix_1k", 10'000,
        {.requests = 200'000, .rate = 14, .shared_nodes = 1, .groups = 200, .prompt = 1000, .output = 60, .turns = 1},
        small_gpu(128, 12'000), 1);
}

/// Like Mooncake's conversation trace (FAST 2025: 12,000 tokens a prompt, 343 of output, blocks of 512 tokens, 40 % of
/// them found again): conversations whose every prompt repeats all that was said. Eight large replicas.
Case mooncake_like() {
    ServerParts large = small_gpu(256, 60'000);
    large.max_model_len = 131'072;
    return cached_prefixes(
        "mooncake_like", 4'000,
        {.requests = 100'000, .rate = 6.5, .shared_nodes = 2, .groups = 20, .prompt = 4000, .output = 343, .turns = 4},
        large, 8);
}

/// The same conversations on servers whose layers are half of full attention, half with a window of 128 tokens, like
/// gpt-oss.
Case hybrid_like() {
    ServerParts large = small_gpu(256, 60'000);
    large.max_model_len = 131'072;
    large.window_groups = 1;
    large.window_tokens = 128;
    return cached_prefixes(
        "hybrid_like", 2'000,
        {.requests = 50'000, .rate = 6.5, .shared_nodes = 2, .groups = 20, .prompt = 4000, .output = 343, .turns = 4},
        large, 8);
}

/// In seconds of this process's CPU: others may be at work on the machine.
double run_for(const Case& c, std::uint64_t count, ServerKind server, TrialOutcome& outcome) {
    BlueprintParts parts = c.parts;
    parts.span = c.requests[count - 1].arrival;
    parts.drain_limit = seconds(100'000'000 / 10);
    parts.job_capacity = 1 << 20;
    const BlueprintBlock block = build(parts);
    TrialArena arena;
    const std::clock_t from = std::clock();
    const PrefixView prefixes{c.nodes.data(), c.nodes.size(), c.tokens_per_node};
    outcome = run_trial(block.blueprint(), {c.requests.data(), count, parts.span, prefixes}, {1, 0}, arena, server);
    return static_cast<double>(count) * CLOCKS_PER_SEC / static_cast<double>(std::clock() - from);
}

double peak_rss_mib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

void report(Case (*make)(), const std::string& filter, const char* name) {
    if (!filter.empty() && filter != name) return;
    const Case c = make();
    TrialOutcome fast, slow;
    const double rate = run_for(c, c.requests.size(), ServerKind::fast, fast);
    const double peak = peak_rss_mib();  // before the reference runs
    const double stepwise = run_for(c, c.stepwise_requests, ServerKind::stepwise, slow);
    std::uint64_t blocks = 0;
    for (const Request& r : c.requests) blocks += r.prompt_tokens / static_cast<std::uint32_t>(c.parts.servers[0].block_size);
    fmt::print(
        "{{\"name\":\"{}\",\"requests\":{},\"requests_per_second\":{:.0f},\"stepwise_requests_per_second\":{:"
        ".0f},\"prompt_blocks_per_second\":{:.0f},"
        "\"peak_rss_mib\":{:.0f},\"arena_mib\":{:.1f},\"completed\":{},\"kv_preemptions\":{},\"events\":{},"
        "\"mean_ttft_ms\":{:.1f}}}\n",
        c.name, c.requests.size(), rate, stepwise,
        rate * static_cast<double>(blocks) / static_cast<double>(c.requests.size()), peak, static_cast<double>(fast.arena_bytes) / 1048576.0,
        fast.tally.requests.completed, fast.tally.kv_preemptions, fast.tally.events,
        fast.ttft.mean_ticks() / 1e8);
    std::fflush(stdout);
}

// ---- many trials --------------------------------------------------------------------------------------------

struct Spent {
    double wall_s = 0, cpu_s = 0;
    std::uint64_t requests = 0;
};

/// The first trials of a scenario on so many threads, as `windtunnel run` runs them: requests drawn anew for each.
Spent spent_on(const ReplayPlan& plan) {
    const auto cpu = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        const auto seconds_of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
        return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    };
    Spent out;
    const double cpu_from = cpu();
    const auto from = std::chrono::steady_clock::now();
    for (const TrialOutcome& o : replay(plan)) out.requests += o.tally.requests.arrived;
    out.wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
    out.cpu_s = cpu() - cpu_from;
    return out;
}

/// A day of the demo with 100,000 requests: KEDA, nodes that come and go. Two threads should take half the time of one
/// and no more CPU time; where other programs run, the CPU times say more than the clock.
void report_trials(const std::string& filter, const char* name, std::uint32_t trials) {
    if (!filter.empty() && filter != name) return;
    ScenarioInputs inputs;
    inputs.scenario_file = WINDTUNNEL_SOURCE_DIR "/scenarios/gallery/chat-on-l4/scenario.yaml";
    inputs.assignments = {"workload.synthetic.rate_rps=1.1574"};
    Result<Scenario> scenario = read_scenario(inputs, std::cin);
    if (!scenario) throw InternalError(to_string(scenario.problems().front()));
    Result<WorkloadSource> source = WorkloadSource::make(*scenario, scenario->seed);
    if (!source) throw InternalError(to_string(source.problems().front()));
    Result<CompiledScenario> compiled = compile_scenario(*scenario, *source);
    if (!compiled) throw InternalError(to_string(compiled.problems().front()));
    ReplayPlan plan;
    plan.blueprint = [&](std::uint32_t growth) { return build(compiled->parts, growth); };
    plan.workload = [&](std::uint32_t trial) {
        const std::shared_ptr<const Trace> trace = source->trial(trial);
        const WorkloadView view = trace->view();
        return TrialWorkload{view, trace};
    };
    plan.trials = trials;
    plan.threads = 1;
    const Spent one = spent_on(plan);
    plan.threads = 2;
    const Spent two = spent_on(plan);
    fmt::print(
        "{{\"name\":\"{}\",\"trials\":{},\"requests\":{},\"requests_per_second\":{:.0f},\"seconds\":{:.2f},"
        "\"one_thread_seconds\":{:.2f},\"speedup\":{:.2f},\"cpu_seconds\":{:.2f},\"one_thread_cpu_seconds\":{:.2f},"
        "\"seconds_per_1000_trials\":{:.1f},\"peak_rss_mib\":{:.0f}}}\n",
        name, trials, two.requests, static_cast<double>(two.requests) / two.wall_s, two.wall_s, one.wall_s,
        one.wall_s / two.wall_s, two.cpu_s, one.cpu_s, two.wall_s * 1000 / trials, peak_rss_mib());
    std::fflush(stdout);
}

// ---- the control plane ----------------------------------------------------------------------------------

/// A few pods in an otherwise idle large cluster: the fewest and the most of both at any time.
struct ClusterPeaks : HostObserver {
    std::vector<bool> pod_there, node_there;
    std::uint64_t pods = 0, nodes = 0, most_pods = 0, most_nodes = 0, least_pods = UINT64_MAX, pods_made = 0,
                  nodes_made = 0;

    explicit ClusterPeaks(const Blueprint& b) : pod_there(b.pod_slots), node_there(b.node_slots) {}
    static void change(std::vector<bool>& there, std::uint32_t i, bool now, std::uint64_t& count,
                       std::uint64_t& most, std::uint64_t& made) {
        if (there[i] == now) return;
        there[i] = now;
        count += now ? 1 : std::uint64_t{0} - 1;
        made += now ? 1 : 0;
        most = std::max(most, count);
    }
    void pod_changed(std::uint32_t p, const Pod& pod, Tick now) override {
        change(pod_there, p, pod.exists(), pods, most_pods, pods_made);
        if (now > seconds(3600)) least_pods = std::min(least_pods, pods);
    }
    void node_changed(std::uint32_t n, const ClusterNode& node, Tick) override {
        change(node_there, n, node.state != NodeState::none, nodes, most_nodes, nodes_made);
    }
};

/// The same requests to the replicas of the start, with nobody in the control plane: what of the time is the
/// requests'.
BlueprintParts requests_alone(BlueprintParts parts) {
    parts.autoscalers.clear();
    for (WorkloadPlan& w : parts.workloads) w.autoscaler = -1;
    parts.streams.clear();
    parts.stream_sources.clear();
    parts.scrape.series_count = 0;
    parts.scrape.sample_count = 0;
    parts.events.clear();
    parts.cluster_autoscaler.loop.scan_interval = 2 * parts.span;  // its nodes are there at t = 0, then it sleeps
    parts.cluster_autoscaler.loop.frequent_loops = false;
    parts.karpenter.poll = 2 * parts.span;
    return parts;
}

/// In seconds of this process's CPU: others may be at work on the machine.
double time_of(const BlueprintParts& parts, const std::vector<Request>& requests, TrialOutcome& outcome) {
    const BlueprintBlock block = build(parts);
    TrialArena arena;
    const std::clock_t from = std::clock();
    outcome = run_trial(block.blueprint(), {requests.data(), requests.size(), parts.span}, {1, 0}, arena);
    return static_cast<double>(std::clock() - from) / CLOCKS_PER_SEC;
}

void report_control_plane(const std::string& filter, const char* name, const ControlPlaneSize& size) {
    if (!filter.empty() && filter != name) return;
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / fmt::format("windtunnel_bench_{}", getpid());
    Case c = from_scenario(name, write_control_plane(folder, size), 0);
    std::filesystem::remove_all(folder);
    c.parts.job_capacity = 1 << 16;
    TrialOutcome outcome, alone;
    const double took = time_of(c.parts, c.requests, outcome);
    const double request_seconds = time_of(requests_alone(c.parts), c.requests, alone);
    const double peak = peak_rss_mib();
    const BlueprintBlock block = build(c.parts);
    ClusterPeaks peaks(block.blueprint());
    TrialArena arena;
    (void)run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(
        block.blueprint(), WorkloadView{c.requests.data(), c.requests.size(), c.parts.span}, {1, 0}, arena,
        peaks);
    const Tally& t = outcome.tally;
    fmt::print(
        "{{\"name\":\"{}\",\"requests\":{},\"requests_per_second\":{:.0f},\"seconds\":{:.2f},"
        "\"request_seconds\":{:.2f},\"control_plane_seconds\":{:.2f},\"workloads\":{},\"pods\":{},\"nodes\":{"
        "},"
        "\"least_pods\":{},\"pods_created\":{},\"nodes_created\":{},\"scale_ups\":{},\"scale_downs\":{},"
        "\"rollouts\":{},\"evictions\":{},\"peak_rss_mib\":{:.0f},\"arena_mib\":{:.1f},\"completed\":{},"
        "\"kv_preemptions\":{},\"events\":{},\"mean_ttft_ms\":{:.1f}}}\n",
        c.name, c.requests.size(), static_cast<double>(c.requests.size()) / took, took, request_seconds,
        took - request_seconds, c.parts.workloads.size(), peaks.most_pods, peaks.most_nodes, peaks.least_pods,
        peaks.pods_made, peaks.nodes_made, t.scale_ups, t.scale_downs, t.rollouts, t.evictions, peak,
        static_cast<double>(outcome.arena_bytes) / 1048576.0, t.requests.completed, t.kv_preemptions,
        t.events, outcome.ttft.mean_ticks() / 1e8);
    std::fflush(stdout);
}

/// Writes a scenario under a trace for a machine that can read neither (tools/replay_check.cpp).
int freeze(const std::string& scenario, const std::string& trace, const std::string& file) {
    try {
        const Case c = from_scenario("frozen", scenario, 0, trace);
        const BlueprintBlock block = build(c.parts);
        write_frozen(file, block.blueprint(), c.requests, c.parts.span);
        fmt::print("{}: {} requests, {} bytes of blueprint\n", file, c.requests.size(), block.blueprint().bytes);
        return 0;
    } catch (const std::exception& e) {
        fmt::print(stderr, "windtunnel_bench: {}\n", e.what());
        return 2;
    }
}

}  // namespace
}  // namespace windtunnel

int main(int argc, char** argv) {
    std::string filter;
    windtunnel::ControlPlaneSize size;
    std::uint32_t trials = 40;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--filter") == 0 && i + 1 < argc)
            filter = argv[++i];
        else if (std::strcmp(argv[i], "--workloads") == 0 && i + 1 < argc)
            size.workloads = std::atoi(argv[++i]);
        else if (std::strcmp(argv[i], "--replicas") == 0 && i + 1 < argc)
            size.replicas = std::atoi(argv[++i]);
        else if (std::strcmp(argv[i], "--hours") == 0 && i + 1 < argc)
            size.hours = std::atof(argv[++i]);
        else if (std::strcmp(argv[i], "--trials") == 0 && i + 1 < argc)
            trials = static_cast<std::uint32_t>(std::max(1, std::atoi(argv[++i])));
        else if (std::strcmp(argv[i], "--write") == 0 && i + 1 < argc) {
            std::puts(windtunnel::write_control_plane(argv[i + 1], size).c_str());
            return 0;
        } else if (std::strcmp(argv[i], "--freeze") == 0 && i + 3 < argc) {
            return windtunnel::freeze(argv[i + 1], argv[i + 2], argv[i + 3]);
        } else {
            std::fprintf(stderr,
                         "usage: windtunnel_bench [--filter one_replica|prefix_1k|mooncake_like|hybrid_like|fleet_64|day_10m|thousand_trials|control_plane|"
                         "control_plane_karpenter] [--workloads N] [--replicas N] [--hours H] [--trials N] [--write FOLDER] [--freeze SCENARIO TRACE FILE]\n");
            return 2;
        }
    }
    windtunnel::report(windtunnel::one_replica, filter, "one_replica");
    windtunnel::report(windtunnel::prefix_1k, filter, "prefix_1k");
    windtunnel::report(windtunnel::mooncake_like, filter, "mooncake_like");
    windtunnel::report(windtunnel::hybrid_like, filter, "hybrid_like");
    windtunnel::report(windtunnel::fleet_64, filter, "fleet_64");
    windtunnel::report(windtunnel::day_10m, filter, "day_10m");
    windtunnel::report_trials(filter, "thousand_trials", trials);
    windtunnel::report_control_plane(filter, "control_plane", size);
    size.karpenter = true;
    windtunnel::report_control_plane(filter, "control_plane_karpenter", size);
    return 0;
}
