#include "sim/laws.hpp"
#include "tests/support/random_cluster.hpp"
#include "tests/support/rounds.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <new>

using namespace windtunnel;
using lab::differences;
using lab::random_cluster;

namespace {

/// Engine rates that tests can compute with: every decode step one `step`, prefill `prefill` per step.
ServerParts clockwork(std::int32_t seqs, Tick step, Tick prefill, std::int32_t max_model_len = 1 << 20) {
    ServerParts s;
    s.max_num_seqs = seqs;
    s.max_num_batched_tokens = std::max(seqs, 64);
    s.max_model_len = max_model_len;
    s.usable_blocks = std::int64_t{seqs} * ((max_model_len + 15) / 16);
    s.cost.decode_step.assign(static_cast<std::size_t>(seqs) + 1, step);
    s.cost.mixed_step.assign(static_cast<std::size_t>(s.max_num_batched_tokens) + 1, prefill);
    s.cost.attention = {{0, Tick{}, 0}};
    return s;
}

BlueprintParts cluster(ServerParts server, std::uint32_t replicas) {
    BlueprintParts parts;
    WorkloadPlan w;
    w.pod_slots = w.initial_replicas = replicas;
    w.routing = Routing::least_requests;
    w.hold = 1;
    parts.add(w, lab::one_gpu_pods(1000, 1 << 20));
    PoolPlan p;
    p.node_slots = p.initial = p.minimum = replicas;
    parts.add(p, lab::one_gpu_nodes(2000, 1 << 21));
    parts.servers = {std::move(server)};
    parts.job_capacity = 1 << 16;
    parts.drain_limit = seconds(1'000'000);
    return parts;
}

struct Collector : LawObserver {
    using LawObserver::LawObserver;
    std::map<std::uint32_t, RequestRecord> records;
    void request_ended(const RequestRecord& r) override {
        LawObserver::request_ended(r);
        records[r.request] = r;
    }
};

template <class Layout, class Bank>
TrialOutcome observe(const std::vector<Request>& requests, const std::vector<std::uint32_t>& nodes, Collector& seen,
                     const Blueprint& b) {
    TrialArena arena;
    const WorkloadView view{requests.data(), requests.size(), b.span, {nodes.data(), nodes.size(), 16}};
    return run_trial<Layout, Bank>(b, view, {7, 3}, arena, seen);
}

/// Lets prompts have beginnings in common: each goes on from an earlier one's, or begins anew.
std::vector<std::uint32_t> share_prefixes(std::uint64_t seed, std::vector<Request>& requests) {
    RandomStream draw(seed, 0, StreamPurpose::shared_prefix, 0);
    std::vector<std::uint32_t> nodes;
    std::uint32_t fresh = 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        Request& r = requests[i];
        std::vector<std::uint32_t> own;
        if (i > 0 && draw.below(4) > 0) {
            const Request& other = requests[draw.below(i)];
            const std::uint64_t kept = draw.below(other.prefix_count + 1u);
            for (std::uint64_t n = 0; n < kept; ++n) own.push_back(nodes[other.prefix - 1 + n]);
        }
        const std::uint64_t most = (r.prompt_tokens + 15) / 16;
        for (std::uint64_t n = draw.below(most + 1); n > own.size();) own.push_back(fresh++);
        own.resize(std::min<std::size_t>(own.size(), most));
        r.prefix = static_cast<std::uint32_t>(nodes.size() + 1);
        r.prefix_count = static_cast<std::uint16_t>(own.size());
        nodes.insert(nodes.end(), own.begin(), own.end());
    }
    return nodes;
}

std::vector<Request> poisson(std::uint64_t count, double mean_gap_ticks, const QuantileTable& output,
                             std::uint64_t seed) {
    const QuantileTable gap = exponential_table(mean_gap_ticks);
    RandomStream gaps(seed, 0, StreamPurpose::arrivals, 0), lengths(seed, 0, StreamPurpose::output_length, 0);
    std::vector<Request> requests(count);
    Tick now;
    for (Request& r : requests) {
        r.arrival = now;
        now.count += gap.sample(gaps.next_u64());
        r.prompt_tokens = 1;
        r.output_tokens =
            static_cast<std::uint32_t>(std::max<std::int64_t>(1, output.sample(lengths.next_u64())));
    }
    return requests;
}

/// Mean waiting time over mean service time, from a queue of single-slot servers with one central queue.
/// A service is a prefill of 1 tick and output - 1 steps of 100 ticks.
double waiting_over_service(std::uint32_t servers, double load, const QuantileTable& output,
                            double mean_output, std::uint64_t seed) {
    BlueprintParts parts = cluster(clockwork(1, Tick{100}, Tick{1}), servers);
    parts.workloads[0].per_replica_limit = 1;
    const double service = 100 * (mean_output - 1) + 1;
    const std::vector<Request> requests = poisson(400'000, service / (load * servers), output, seed);
    parts.span = requests.back().arrival;
    const BlueprintBlock block = build(parts);
    TrialArena arena;
    const TrialOutcome o =
        run_trial(block.blueprint(), {requests.data(), requests.size(), parts.span}, {seed, 0}, arena);
    CHECK(broken_laws(block.blueprint(), o).empty());
    return (o.ttft.mean_ticks() - 1) / service;  // first token - arrival = wait + 1 tick of prefill
}

double erlang_c(int c, double load) {  // probability to wait, offered load a = c * load
    const double a = c * load;
    double term = 1, sum = 1;
    for (int k = 1; k < c; ++k) sum += term *= a / k;
    const double last = term * a / c / (1 - load);
    return last / (sum + last);
}

}  // namespace

TEST_CASE(
    "trial: fast and stepwise servers, contiguous and interleaved arenas give the same trial, and the laws "
    "hold") {
    const std::uint64_t trials = lab::rounds(600, 20'000);
    std::uint64_t ends[6] = {}, grown = 0, hits = 0;
    // The last one is a seed that once found a mistake.
    for (std::uint64_t i = 1; i <= trials + 1; ++i) {
        const std::uint64_t seed = i <= trials ? i : 11520;
        INFO("seed " << seed);
        std::vector<Request> requests;
        BlueprintParts parts = random_cluster(seed, requests);
        std::vector<std::uint32_t> nodes;
        if (seed % 3 == 0) {
            parts.shared_prefixes = true;
            nodes = share_prefixes(seed, requests);
        }
        for (ServerParts& server : parts.servers)
            server.prefix_caching = seed % 3 != 1 && !server.prefill_first && (server.window_groups == 0 || server.window_tokens > 1);
        if (seed % 4 == 0) lab::share_gpus(parts, static_cast<std::uint8_t>(2 + seed / 4 % 3));
        std::uint32_t growth = 1;
        for (;; growth *= 4) {
            const BlueprintBlock block = build(parts, growth);
            const Blueprint& b = block.blueprint();
            Collector fast(b), slow(b), laned(b);
            const TrialOutcome one =
                observe<ContiguousLayout, ArenaBank<ContiguousLayout>>(requests, nodes, fast, b);
            if (one.tally.status == TrialStatus::outgrew_arena) {
                ++grown;
                continue;
            }
            const TrialOutcome two = observe<ContiguousLayout, StepwiseBank>(requests, nodes, slow, b);
            const TrialOutcome three =
                observe<InterleavedLayout, ArenaBank<InterleavedLayout>>(requests, nodes, laned, b);
            hits += one.tally.prefix_hits;
            const std::vector<std::string> laws = broken_laws(b, one);
            if (!laws.empty()) FAIL(laws.front());
            if (!fast.broken.empty()) FAIL(fast.broken.front());
            if (!differences(one, two).empty()) FAIL("stepwise servers differ in" << differences(one, two));
            if (!differences(one, three).empty())
                FAIL("an interleaved arena differs in" << differences(one, three));
            if (fast.records.size() != requests.size()) FAIL("a request was not reported");
            for (const auto& [id, r] : fast.records) {
                const RequestRecord& other = slow.records.at(id);
                if (r.first_token != other.first_token || r.finish != other.finish || r.end != other.end)
                    FAIL("request " << id << " differs");
                ++ends[static_cast<int>(r.end)];
            }
            break;
        }
    }
    WARN("completed " << ends[0] << ", rejected " << ends[1] << ", timed out " << ends[2] << ", failed "
                      << ends[3] << ", unfinished " << ends[4] << "; arenas outgrown " << grown);
    for (int i = 0; i < 5; ++i) CHECK(ends[i] > 0);
    CHECK(grown > 0);
    CHECK(hits > 0);
}

TEST_CASE("theory: M/M/1 waits rho/(1-rho) services") {
    const double rho = 0.7;
    const double w = waiting_over_service(1, rho, exponential_table(1000), 1000, 11);
    CHECK(w == Approx(rho / (1 - rho)).epsilon(0.05));
}
TEST_CASE("theory: M/D/1 waits half as long as M/M/1") {
    const double rho = 0.8;
    const double w = waiting_over_service(1, rho, constant_table(1000), 1000, 12);
    CHECK(w == Approx(rho / (2 * (1 - rho))).epsilon(0.05));
}
TEST_CASE("theory: M/M/c waits as Erlang C says") {
    const double rho = 0.85;
    const double w = waiting_over_service(4, rho, exponential_table(1000), 1000, 13);
    CHECK(w == Approx(erlang_c(4, rho) / (4 * (1 - rho))).epsilon(0.05));
}
TEST_CASE("theory: Little's law, requests in the system = rate x time in it, over a batching fleet") {
    // L by integration of what the observer saw, W from the sketch's exact sum: equal to the tick once all
    // ended.
    BlueprintParts parts = cluster(clockwork(16, Tick{1000}, Tick{5000}, 4096), 3);
    const std::vector<Request> requests = poisson(20'000, 3'000, exponential_table(50), 14);
    parts.span = requests.back().arrival;
    const BlueprintBlock block = build(parts);
    Collector seen(block.blueprint());
    const TrialOutcome o =
        observe<ContiguousLayout, ArenaBank<ContiguousLayout>>(requests, {}, seen, block.blueprint());
    std::map<std::int64_t, int> steps;
    for (const auto& [id, r] : seen.records) {
        ++steps[r.arrival.count];
        --steps[r.finish.count];
    }
    WideSum area;
    std::int64_t last = 0, inside = 0;
    for (const auto& [at, by] : steps) {
        area.add_product(static_cast<std::uint64_t>(at - last), static_cast<std::uint64_t>(inside));
        inside += by;
        last = at;
    }
    CHECK(inside == 0);
    CHECK(area == o.e2el.totals.ticks);
}

TEST_CASE("sketch: buckets tile the line, keep 0.4% and merge exactly") {
    for (std::uint32_t i = 0; i + 2 < SketchBuckets::count; ++i) {
        REQUIRE(SketchBuckets::upper_bound(i) == SketchBuckets::lower_bound(i + 1));
        REQUIRE(SketchBuckets::index_of(SketchBuckets::lower_bound(i)) == i);
        REQUIRE(SketchBuckets::index_of(SketchBuckets::upper_bound(i) - Tick{1}) == i);
        if (SketchBuckets::lower_bound(i) > milliseconds(1))
            REQUIRE(to_seconds(SketchBuckets::upper_bound(i)) / to_seconds(SketchBuckets::lower_bound(i)) <
                    1.004);
    }
}
TEST_CASE("sketch: a progression entered at once equals its terms entered one by one") {
    std::mt19937_64 rng(5);
    std::vector<std::uint64_t> memory(2 * SketchBuckets::count + 64);
    for (int round = 0; round < 300; ++round) {
        Arena<ContiguousLayout> arena(memory.data(), memory.size() * 8, 0);
        LatencySketch<ContiguousLayout> at_once, one_by_one;
        at_once.take_memory(arena);
        one_by_one.take_memory(arena);
        at_once.clear();
        one_by_one.clear();
        const Tick first{static_cast<std::int64_t>(rng() % 1'000'000'000'000)},
            increment{static_cast<std::int64_t>(rng() % 10'000'000)};
        const auto n = static_cast<std::int64_t>(1 + rng() % 500);
        at_once.add_progression(first, increment, n, 3);
        for (std::int64_t i = 0; i < n; ++i) one_by_one.add(first + increment * i, 3);
        REQUIRE(at_once.totals() == one_by_one.totals());
        for (std::uint32_t i = 0; i < SketchBuckets::count; ++i)
            REQUIRE(at_once.bucket(i) == one_by_one.bucket(i));
    }
}
TEST_CASE("calendar: the earliest slot comes first and the lower slot wins a tie, as a sorted list says") {
    std::mt19937_64 rng(6);
    for (const std::uint32_t slots : {1u, 2u, 7u, 64u}) {
        std::vector<std::uint64_t> memory(4096);
        Arena<ContiguousLayout> arena(memory.data(), memory.size() * 8, 0);
        Calendar<ContiguousLayout> calendar;
        calendar.take_memory(arena, slots);
        calendar.clear();
        std::vector<Tick> plain(slots, never);
        for (int i = 0; i < 2000; ++i) {
            const auto slot = static_cast<std::uint32_t>(rng() % slots);
            const Tick at = rng() % 5 == 0 ? never : Tick{static_cast<std::int64_t>(rng() % 50)};
            calendar.set(slot, at);
            plain[slot] = at;
            const auto least = std::min_element(plain.begin(), plain.end());
            REQUIRE(calendar.first_time() == *least);
            if (*least != never)
                REQUIRE(calendar.first() == static_cast<std::uint32_t>(least - plain.begin()));
        }
    }
}

TEST_CASE("a blueprint holds step times that servers have alike once, and others apart") {
    BlueprintParts parts = cluster(clockwork(8, milliseconds(10), milliseconds(10)), 1);
    parts.span = seconds(1);
    parts.servers.push_back(parts.servers[0]);
    parts.servers.push_back(clockwork(8, milliseconds(10), milliseconds(20)));
    const BlueprintBlock block = build(parts);
    const auto& servers = block.blueprint().servers;
    CHECK(servers[0].decode_step.data() == servers[1].decode_step.data());
    CHECK(servers[0].mixed_step.data() == servers[1].mixed_step.data());
    for (std::size_t s = 0; s < parts.servers.size(); ++s) {
        CHECK(std::equal(servers[s].decode_step.begin(), servers[s].decode_step.end(), parts.servers[s].cost.decode_step.begin(), parts.servers[s].cost.decode_step.end()));
        CHECK(std::equal(servers[s].mixed_step.begin(), servers[s].mixed_step.end(), parts.servers[s].cost.mixed_step.begin(), parts.servers[s].cost.mixed_step.end()));
    }
    CHECK((servers[0].decode_step.data() != servers[2].decode_step.data() || servers[0].mixed_step.data() != servers[2].mixed_step.data()));
}

TEST_CASE("a blueprint keeps an autoscaler's plan to the last member") {
    BlueprintParts parts = cluster(clockwork(1, milliseconds(10), milliseconds(10)), 1);
    parts.span = seconds(1);
    parts.autoscalers.resize(1);
    AutoscalerPlan& plan = parts.autoscalers[0];
    plan.trigger_count = hpa_max_metrics;
    plan.hpa.metric_count = hpa_max_metrics;
    for (int i = 0; i < hpa_max_metrics; ++i) plan.triggers[i].metric = i;
    for (int i = 0; i < hpa_max_metrics; ++i)
        plan.hpa.metrics[i] = {HpaMetricKind::external, HpaTargetKind::average_value, true, 70'000 + i};
    const BlueprintBlock block = build(parts);
    const HpaSpec& hpa = block.blueprint().autoscalers[0].hpa;
    for (int i = 0; i < hpa_max_metrics; ++i) {
        CHECK(hpa.metrics[i].target == HpaTargetKind::average_value);
        CHECK(hpa.metrics[i].cpu);
        CHECK(hpa.metrics[i].target_milli == 70'000 + i);
    }
    CHECK(hpa.scale_up.policies[1].value == 100);
    CHECK(hpa.scale_up.policies[1].period == seconds(15));
}
