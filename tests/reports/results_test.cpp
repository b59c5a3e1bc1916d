#include "reports/atomic_file.hpp"
#include "reports/cost.hpp"
#include "reports/observed_trial.hpp"
#include "reports/results.hpp"
#include "reports/terminal.hpp"
#include "scenarios/traces/bench_workload.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <filesystem>
#include <unistd.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace windtunnel;
using Json = nlohmann::ordered_json;

namespace {

/// Two pools over one hour.
CompiledScenario two_pools() {
    CompiledScenario s;
    s.name = "chat-on-l4";
    s.hash = 0xabc;
    s.parts.span = seconds(3600);
    s.pools = {{"od", "g6.xlarge", "on-demand", 804'800'000, 1, 0, 4, "list", 0, 0, false, {}, {}, {}},
               {"spot", "g6.12xlarge", "spot", 1'000'000'000, 4, 0, 2, "list", 0, 0, false, {}, {}, {}}};
    s.warnings = {{{"k8s/a.yaml", 18, 3}, "spec.fallback", "is ignored"}};
    s.has_goodput = true;
    CompiledWorkload w;
    w.target = "Deployment/chat";
    w.model = "m";
    w.gpu = "l4-24gb";
    w.capacity.max_model_len = 4096;
    s.workloads = {w};
    return s;
}

Distribution of(const std::vector<Tick>& values) {
    Distribution d;
    d.buckets.resize(SketchBuckets::count);
    for (const Tick v : values) {
        ++d.buckets[SketchBuckets::index_of(v)];
        WideSum sum;
        sum.add(static_cast<std::uint64_t>(v.count));
        d.totals.add(v, v, sum, 1);
    }
    return d;
}

std::int64_t price_of(int pool) { return two_pools().pools[static_cast<std::size_t>(pool)].nano_usd_per_hour; }
std::int64_t gpus_of(int pool) { return two_pools().pools[static_cast<std::size_t>(pool)].gpus_per_node; }

/// 10 requests arrive, 8 complete; one node of each pool for half the hour, and the spot one is billed for 36
/// s more.
TrialOutcome half_an_hour() {
    TrialOutcome o;
    Tally& t = o.tally;
    t.ended_at = seconds(4000);
    t.requests = {10, 8, 1, 0, 1, 0};
    t.prompt_tokens = 8000;
    t.output_tokens = 4000;
    t.good = 6;
    const auto half = static_cast<std::uint64_t>(seconds(1800).count);
    for (int p : {0, 1}) {
        t.pools[p].nodes.ticks.add(half);
        t.pools[p].price.ticks.add_product(half, static_cast<std::uint64_t>(price_of(p)));
        t.pools[p].gpus.ticks.add_product(half, static_cast<std::uint64_t>(gpus_of(p)));
    }
    t.pools[1].bill_extra(seconds(36), price_of(1), gpus_of(1));
    t.nodes.ticks.add(2 * half);
    t.nodes.most = 2;
    t.gpus.ticks.add(5 * half);
    t.gpu_busy.add(half);
    t.ready_replicas.ticks.add(half);
    t.ready_replicas.most = 1;
    t.cold_starts = 3;
    o.ttft = o.e2el = of({milliseconds(100), milliseconds(300)});
    return o;
}

RunResults run_of(const CompiledScenario& s, const std::vector<TrialOutcome>& outcomes,
                  const std::vector<std::string>& expressions = {}) {
    std::vector<Threshold> thresholds;
    for (const std::string& e : expressions) {
        Result<Threshold> t = parse_threshold(e);
        REQUIRE(t.ok());
        thresholds.push_back(*t);
    }
    RunResults r = results_of(s, thresholds, 1, "cpu");
    for (const TrialOutcome& o : outcomes) r.trials.push_back(numbers_of(s, r.thresholds, o));
    return r;
}

std::vector<std::string> keys(const Json& j) {
    std::vector<std::string> out;
    for (const auto& [key, value] : j.items()) out.push_back(key);
    return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("results: one trial's numbers by hand") {
    const Json j = Json::parse(results_json(run_of(two_pools(), {half_an_hour()})));
    CHECK(j["requests"]["arrived"] == 10);
    CHECK(j["tokens"]["output"] == 4000);
    CHECK(j["throughput"]["request_throughput"] == 8.0 / 4000);
    CHECK(j["throughput"]["total_token_throughput"] == 3.0);
    CHECK(j["throughput"]["request_goodput"] == 6.0 / 4000);
    CHECK(j["latency"]["mean_ttft_ms"] == 200.0);
    CHECK(j["latency"]["p50_ttft_ms"].get<double>() == Approx(100).epsilon(0.004));  // rank 0.5 * 1, floored
    CHECK(j["latency"]["p99_tpot_ms"].is_null());
    CHECK(j["capacity"]["replicas_mean"] == 0.5);
    CHECK(j["capacity"]["nodes_mean"] == 1.0);
    CHECK(j["capacity"]["nodes_max"] == 2);
    CHECK(j["capacity"]["nodes_max"].is_number_integer());
    CHECK(j["capacity"]["gpu_busy_ratio"] == 0.2);
    // od: 0.5 h x 0.8048 = 0.4024 USD; spot: 0.51 h x 1 = 0.51 USD; GPU hours 0.5 x 1 + 0.51 x 4 = 2.54.
    CHECK(j["cost"]["by_pool"][0]["usd"] == "0.402400");
    CHECK(j["cost"]["by_pool"][1]["usd"] == "0.510000");
    CHECK(j["cost"]["by_pool"][1]["node_hours"].get<double>() == Approx(0.51));
    CHECK(j["cost"]["total_usd"] == "0.912400");
    CHECK(j["cost"]["gpu_hours"].get<double>() == Approx(2.54));
    CHECK(j["cost"]["usd_per_million_output_tokens"] == "228.100000");  // 0.9124 / 0.004
    CHECK_FALSE(j.contains("ci95"));
}

TEST_CASE("cost: busy time is shared out among tenants by their work, idle time is shared, and the parts are the bill") {
    CompiledScenario s = two_pools();
    s.workloads[0].name_space = "prod";
    s.accounts = {{0, ""}, {0, "acme"}, {0, "beta"}};
    // The on-demand node was busy for 60 % of its half hour and without a pod for 40 %; the spot node had no pod.
    TrialOutcome o = half_an_hour();
    o.node_use.assign(2 * 2 * node_uses + 3 + 2 * 3, WideSum{});
    o.node_use[0].add(6);
    o.node_use[node_uses + 1].add(4);
    o.node_use[2 * node_uses + node_uses + 1].add(1);
    o.node_use[4 * node_uses + 1].add(1'000);  // acme
    o.node_use[4 * node_uses + 2].add(3'000);  // beta
    const RunResults results = run_of(s, {o});
    const CostBreakdown parts = cost_breakdown(results);
    const auto of = [](const CostBreakdown& in, const std::string& tenant, const std::string& pool) {
        std::int64_t sum = 0;
        for (const CostRow& r : in.rows)
            if (r.tenant == tenant && (pool.empty() || r.pool == pool)) sum += r.micro_usd;
        return sum;
    };
    // 0.4024 USD: 0.24144 busy, of which a quarter is acme's and three quarters are beta's.
    CHECK(of(parts, "acme", "od") == 60'360);
    CHECK(of(parts, "beta", "od") == 181'080);
    CHECK(of(parts, "", "od") == 160'960);
    CHECK(of(parts, "", "spot") == 510'000);
    CHECK(parts.micro_usd() == 912'400);
    // Shared out: what is idle goes by what they have of the same pool, or of all.
    const CostBreakdown shared = with_idle_shared(parts);
    CHECK(of(shared, "", "") == 0);
    CHECK(of(shared, "acme", "") == 912'400 / 4);
    CHECK(of(shared, "beta", "") == 912'400 / 4 * 3);
    CHECK(shared.micro_usd() == parts.micro_usd());
    // In a second trial only acme's requests ran: its busy time is acme's. Means: acme (1/4 + 1) / 2 of it.
    TrialOutcome alone = o;
    alone.node_use[4 * node_uses + 2] = WideSum{};
    const CostBreakdown two = cost_breakdown(run_of(s, {o, alone}));
    CHECK(of(two, "acme", "od") == 150'900);
    CHECK(two.micro_usd() == 912'400);
    // Pods labelled with a tenant: what they do besides requests is theirs too.
    s.workloads[0].tenant = "gamma";
    o.node_use[1].add(10);  // as much idle as there was in all
    const CostBreakdown owned = cost_breakdown(run_of(s, {o}));
    CHECK(of(owned, "gamma", "od") == 201'200);
    CHECK(of(owned, "acme", "od") == 30'180);
    const std::string csv = cost_csv(parts, {"tenant", "use"});
    CHECK(csv.find("acme,busy,0.060360,") != std::string::npos);
    CHECK(csv.find("\n,idle,0.160960,") != std::string::npos);  // the spot node's is its billing time beyond its life, lost
    CHECK(cost_table(parts, {"pool"}, false).find("(shared)") != std::string::npos);
}

TEST_CASE("cost: traffic follows the tokens of those who had them, disks follow the nodes that they are on") {
    CompiledScenario s = two_pools();
    s.workloads[0].name_space = "prod";
    s.accounts = {{0, ""}, {0, "acme"}, {0, "beta"}};
    const auto cost = [&](const char* name, CostShares shares) {
        CompiledCost c;
        c.name = name;
        c.shares = shares;
        return c;
    };
    CompiledCost egress = cost("egress", CostShares::output_tokens), balancer = cost("load balancer", CostShares::tokens);
    CompiledCost volumes = cost("volumes", CostShares::nodes), gateway = cost("NAT gateway", CostShares::nobody);
    egress.nano_usd_per_output_token = 25'000;  // 4,000 tokens: 0.1 USD
    balancer.nano_usd_per_hour = 400'000'000;   // the span is an hour: 0.4 USD
    volumes.nano_usd_per_node_hour = 1e8;       // one node-hour: 0.1 USD
    gateway.nano_usd_per_hour = 45'000'000;
    s.other_costs = {egress, balancer, volumes, gateway};
    TrialOutcome o = half_an_hour();
    o.node_use.assign(2 * 2 * node_uses + 3 + 2 * 3, WideSum{});
    o.node_use[0].add(6);
    o.node_use[node_uses + 1].add(4);
    o.node_use[4 * node_uses + 1].add(1'000);  // acme's work
    o.node_use[4 * node_uses + 2].add(3'000);  // beta's
    const std::uint64_t tokens[] = {0, 0, 3'000, 1'000, 5'000, 3'000};
    for (std::size_t i = 0; i < 6; ++i) o.node_use[4 * node_uses + 3 + i].add(tokens[i]);
    const CostBreakdown parts = cost_breakdown(run_of(s, {o}));
    const auto of = [&](const std::string& pool, const std::string& tenant) {
        std::int64_t sum = 0;
        for (const CostRow& r : parts.rows)
            if (r.pool == pool && r.tenant == tenant) {
                sum += r.micro_usd;
                if (!tenant.empty()) CHECK((r.name_space == "prod" && r.workload == s.workloads[0].target && r.model == s.workloads[0].model));
            }
        return sum;
    };
    CHECK(of("egress", "acme") == 25'000);  // 1,000 of 4,000 output tokens
    CHECK(of("egress", "beta") == 75'000);
    CHECK(of("load balancer", "acme") == 133'333);  // 4,000 of 12,000 tokens
    CHECK(of("load balancer", "beta") == 266'667);
    // Of 0.5 + 0.51 billed node-hours the first pool's 0.5 were busy by 60 %, a quarter of it for acme.
    CHECK(of("volumes", "acme") == std::llround(100'000 * 0.5 / 1.01 * 0.6 / 4));
    CHECK(of("volumes", "beta") == std::llround(100'000 * 0.5 / 1.01 * 0.6 * 3 / 4));
    CHECK(of("volumes", "acme") + of("volumes", "beta") + of("volumes", "") == 100'000);
    CHECK(of("NAT gateway", "") == 45'000);
    CHECK(parts.micro_usd() == 912'400 + 100'000 + 400'000 + 100'000 + 45'000);
    // Without tenants it is the workload's.
    s.accounts.clear();
    o.node_use.resize(4 * node_uses);
    o.node_use.push_back({8'000, 0});
    o.node_use.push_back({4'000, 0});
    std::int64_t chat = 0;
    for (const CostRow& r : cost_breakdown(run_of(s, {o})).rows)
        if (r.pool == "egress" && r.workload == s.workloads[0].target) chat += r.micro_usd;
    CHECK(chat == 100'000);
}

TEST_CASE("cost: on random bills every way of dividing adds up to the whole, to the micro-dollar") {
    std::mt19937_64 rng(20261125);
    const auto pick = [&](std::uint64_t low, std::uint64_t high) { return low + rng() % (high - low + 1); };
    for (int round = 0; round < 300; ++round) {
        INFO("round " << round);
        CompiledScenario s = two_pools();
        s.workloads.resize(pick(1, 4), s.workloads[0]);
        for (std::size_t w = 0; w < s.workloads.size(); ++w) {
            s.workloads[w].target = "Deployment/" + std::to_string(w);
            s.workloads[w].name_space = pick(0, 1) == 0 ? "a" : "b";
            s.workloads[w].tenant = pick(0, 2) == 0 ? "own" : "";
        }
        for (std::uint64_t a = pick(0, 5); a > 0; --a)
            s.accounts.push_back({static_cast<std::uint32_t>(pick(0, s.workloads.size() - 1)), "t" + std::to_string(pick(0, 3))});
        for (std::uint64_t c = pick(0, 4); c > 0; --c) {
            CompiledCost cost;
            cost.name = "cost " + std::to_string(c);
            cost.shares = static_cast<CostShares>(pick(0, 3));
            cost.nano_usd_per_hour = static_cast<std::int64_t>(pick(0, 3'000'000'000));
            cost.nano_usd_per_node_hour = static_cast<double>(pick(0, 100'000'000));
            cost.nano_usd_per_output_token = static_cast<double>(pick(0, 5'000));
            s.other_costs.push_back(cost);
        }
        std::vector<TrialOutcome> trials;
        const std::size_t cells = 2 * (s.workloads.size() + 1) * node_uses, payers = s.accounts.empty() ? s.workloads.size() : s.accounts.size();
        for (std::uint64_t t = pick(1, 3); t > 0; --t) {
            TrialOutcome o = half_an_hour();
            o.node_use.assign(cells + s.accounts.size() + 2 * payers, WideSum{});
            for (WideSum& cell : o.node_use)
                if (pick(0, 2) > 0) cell.add(pick(0, 1'000'000));
            trials.push_back(std::move(o));
        }
        const RunResults results = run_of(s, trials);
        const std::int64_t bill = summarise(results).total_micro_usd;
        const CostBreakdown parts = cost_breakdown(results);
        CHECK(parts.micro_usd() == bill);
        CHECK(with_idle_shared(parts).micro_usd() == bill);
        for (const CostRow& r : parts.rows) CHECK(r.micro_usd > 0);
        for (const std::string& by : cost_dimensions()) {
            std::int64_t sum = 0;
            const Json tree = Json::parse(cost_json(parts, {by}));
            for (const Json& part : tree["parts"]) sum += std::llround(std::stod(part["usd"].get<std::string>()) * 1e6);
            CHECK(sum == bill);
            sum = 0;
            std::istringstream csv(cost_csv(parts, {by}));
            std::string line;
            std::getline(csv, line);
            while (std::getline(csv, line)) {
                line.erase(line.rfind(','));
                sum += std::llround(std::stod(line.substr(line.rfind(',') + 1)) * 1e6);
            }
            CHECK(sum == bill);
        }
    }
}

TEST_CASE("cost: what is reserved and not used is a part of its own") {
    CompiledScenario s = two_pools();
    s.pools[0].committed_nodes = 2;  // at 0.5 USD: 1 USD for the hour; one of them was used for half an hour
    s.pools[0].committed_nano_usd_per_hour = 500'000'000;
    TrialOutcome o = half_an_hour();
    o.tally.pools[0].covered.ticks = o.tally.pools[0].nodes.ticks;
    o.tally.pools[0].covered_price.ticks = o.tally.pools[0].price.ticks;
    o.node_use.assign(2 * 2 * node_uses + 2, WideSum{});
    o.node_use[0].add(1);
    const CostBreakdown parts = cost_breakdown(run_of(s, {o}));
    std::int64_t busy = 0, unused = 0;
    for (const CostRow& r : parts.rows)
        if (r.pool == "od") (r.use == "unused" ? unused : busy) += r.micro_usd;
    CHECK(busy == 250'000);
    CHECK(unused == 750'000);
    // A reservation that lasts half of the hour costs half of it, whatever nodes in it would cost on demand.
    s.pools[0].reserved = true;
    s.pools[0].paid_from = seconds(900);
    s.pools[0].paid_until = seconds(2700);
    o.tally.pools[0].covered = o.tally.pools[0].covered_price = TimeIntegral{};
    const RunResults half = run_of(s, {o});
    CHECK(half.trials[0].pools[0].micro_usd == 500'000);
    CHECK(half.trials[0].pools[0].unused_micro_usd == 250'000);
    CHECK(cost_breakdown(half).micro_usd() == half.trials[0].micro_usd());
}

TEST_CASE("spot: the results say how much was spot, what was taken and for how long on demand stood in for it") {
    CompiledScenario s = two_pools();
    TrialOutcome o = half_an_hour();
    o.tally.pools[1].launched = 3;
    o.tally.pools[1].noticed = 2;
    o.tally.pools[1].taken = 1;
    o.tally.pools[1].noticed_gpus.add(static_cast<std::uint64_t>(seconds(480).count));
    o.tally.pools[0].fallback.ticks.add(static_cast<std::uint64_t>(seconds(600).count));
    const Json spot = Json::parse(results_json(run_of(s, {o})))["spot"];
    CHECK(spot["notices"] == 2);
    CHECK(spot["machines_taken"] == 1);
    CHECK(spot["node_hours_share"].get<double>() == Approx(0.51 / 1.01));
    CHECK(spot["gpu_hours_share"].get<double>() == Approx(2.04 / 2.54));
    CHECK(spot["noticed_gpu_s"].get<double>() == Approx(480));
    CHECK(spot["fallback_minutes"].get<double>() == Approx(10));
    REQUIRE(spot["by_pool"].size() == 1);
    CHECK(spot["by_pool"][0]["pool"] == "spot");
    CHECK(spot["by_pool"][0]["launched"] == 3);
    CHECK(spot["by_pool"][0]["node_hours"].get<double>() == Approx(0.51));
    s.pools[1].capacity_type = "on-demand";
    CHECK_FALSE(Json::parse(results_json(run_of(s, {o}))).contains("spot"));
}

TEST_CASE("results: exactly the keys of results/v1, in order") {
    const Json j = Json::parse(results_json(run_of(two_pools(), {half_an_hour()}, {"p99 ttft_ms < 2000"})));
    CHECK(keys(j) == Names{"schema", "scenario", "seed", "trials", "backend", "complete", "requests",
                           "tokens", "latency", "throughput", "thresholds", "capacity", "cost", "warnings",
                           "attempts", "prefix_cache", "spot", "cost_breakdown"});
    CHECK(keys(j["cost_breakdown"]) == Names{"span_s", "rows"});
    CHECK(j["schema"] == "windtunnel.results/v1");
    CHECK(keys(j["scenario"]) == Names{"name", "hash"});
    CHECK(j["scenario"]["hash"] == "0000000000000abc");
    CHECK(keys(j["requests"]) ==
          Names{"arrived", "completed", "rejected", "timed_out", "failed", "unfinished"});
    CHECK(keys(j["tokens"]) == Names{"prompt", "output"});
    CHECK(keys(j["latency"]).size() == 20);
    for (const char* name : {"ttft", "tpot", "itl", "e2el"})
        for (const char* statistic : {"mean", "p50", "p90", "p99", "p99.9"})
            CHECK(j["latency"].contains(std::string(statistic) + "_" + name + "_ms"));
    CHECK(keys(j["throughput"]) ==
          Names{"request_throughput", "output_throughput", "total_token_throughput", "request_goodput"});
    CHECK(keys(j["thresholds"][0]) == Names{"expr", "value", "ci95", "verdict"});
    CHECK(keys(j["capacity"]) == Names{"replicas_mean", "replicas_max", "nodes_mean", "nodes_max",
                                       "cold_starts", "spot_evictions", "kv_preemptions", "gpu_busy_ratio"});
    CHECK(keys(j["attempts"]) ==
          Names{"attempts", "retried", "redelivered", "dead_lettered", "errors", "wrong_answers", "lost",
                "lost_prompt_tokens", "lost_output_tokens", "lost_s", "duplicate_prompt_tokens",
                "duplicate_output_tokens", "duplicate_s", "longest_hold_s"});
    CHECK(keys(j["cost"]) == Names{"total_usd", "gpu_hours", "usd_per_million_output_tokens", "by_pool"});
    CHECK(keys(j["cost"]["by_pool"][0]) == Names{"pool", "capacity_type", "node_hours", "usd"});
    CHECK(j["warnings"][0] ==
          Json{{"file", "k8s/a.yaml"}, {"line", 18}, {"path", "spec.fallback"}, {"message", "is ignored"}});
}

TEST_CASE("results: several trials sum counts, average the rest and give intervals of the same shape") {
    TrialOutcome other = half_an_hour();
    other.tally.requests = {20, 20, 0, 0, 0, 0};
    other.tally.nodes.most = 3;
    const Json j = Json::parse(results_json(run_of(two_pools(), {half_an_hour(), other})));
    CHECK(j["trials"] == 2);
    CHECK(keys(j["over_trials"]) == Names{"thresholds", "quantiles", "ratios"});
    CHECK(j["per_trial"]["availability"] == Json::array({0.8, 1.0}));  // 8 of 10, 20 of 20
    CHECK(j["requests"]["arrived"] == 30);
    CHECK(j["requests"]["completed"] == 28);
    CHECK(j["capacity"]["nodes_max"] == 2.5);
    CHECK(j["throughput"]["request_throughput"] == (8.0 / 4000 + 20.0 / 4000) / 2);
    CHECK(j["cost"]["total_usd"] == "0.912400");
    for (const char* section : {"requests", "tokens", "latency", "throughput", "capacity", "cost", "attempts"})
        CHECK(keys(j["ci95"][section]) == keys(j[section]));
    // Sums of 10 and 20: 2 x (15 -+ 12.706205 x 5).
    CHECK(j["ci95"]["requests"]["arrived"][0].get<double>() == Approx(30 - 127.06205));
    CHECK(j["ci95"]["latency"]["mean_tpot_ms"].is_null());
    CHECK(j["ci95"]["cost"]["total_usd"] == Json::array({"0.912400", "0.912400"}));
}

TEST_CASE("results: the rows of the bill add up to its total, whatever is rounded") {
    // One micro-USD in one trial of two is 0.5 in the mean, which rounds to 0: in each pool, and so in the
    // total.
    CompiledScenario s = two_pools();
    TrialOutcome a, b;
    a.tally.pools[0].price.ticks.add_product(static_cast<std::uint64_t>(seconds(3600).count), 1000);
    b.tally.pools[1].price.ticks.add_product(static_cast<std::uint64_t>(seconds(3600).count), 1000);
    const Json j = Json::parse(results_json(run_of(s, {a, b})));
    CHECK(j["cost"]["by_pool"][0]["usd"] == "0.000000");
    CHECK(j["cost"]["total_usd"] == "0.000000");
}

TEST_CASE("results: a statistic of nothing is null, and nothing divides by zero") {
    CompiledScenario s = two_pools();
    s.parts.span = Tick{};
    s.has_goodput = false;
    const Json j =
        Json::parse(results_json(run_of(s, {TrialOutcome{}}, {"p99 ttft_ms < 2000", "goodput > 99%"})));
    for (const auto& [key, value] : j["latency"].items()) CHECK(value.is_null());
    for (const auto& [key, value] : j["throughput"].items()) CHECK(value.is_null());
    CHECK(j["capacity"]["replicas_mean"].is_null());
    CHECK(j["capacity"]["gpu_busy_ratio"].is_null());
    CHECK(j["cost"]["usd_per_million_output_tokens"].is_null());
    CHECK(j["cost"]["total_usd"] == "0.000000");
    CHECK(j["thresholds"][0]["value"].is_null());
    CHECK(j["thresholds"][0]["verdict"] == "inconclusive");
    CHECK_NOTHROW(results_json(run_of(s, {})));
}

TEST_CASE("results: thresholds look at what they name, in its unit") {
    const Json t =
        Json::parse(results_json(run_of(two_pools(), {half_an_hour()},
                                        {"mean ttft_ms < 201", "goodput > 0.5", "availability > 90%",
                                         "cost_per_hour < 1", "cost_per_month < 1000", "rejected < 1",
                                         "gpu_busy_ratio > 0.1", "p99 tpot_ms < 50"})))["thresholds"];
    const auto value = [&](std::size_t i) { return t[i]["value"].get<double>(); };
    CHECK(value(0) == 200);
    CHECK(value(1) == 0.6);  // 6 good of 10 that arrived
    CHECK(value(2) == 0.8);
    CHECK(value(3) == Approx(0.9124));
    CHECK(value(4) == Approx(0.9124 * 730));
    CHECK(value(5) == 1);
    CHECK(value(6) == 0.2);
    const Names verdicts{"pass", "pass", "fail", "pass",
                         "pass", "fail", "pass", "fail"};  // the last: nothing to judge
    for (std::size_t i = 0; i < verdicts.size(); ++i) CHECK(t[i]["verdict"] == verdicts[i]);
    CHECK(t[0]["ci95"].is_null());
}

TEST_CASE("terminal: lost requests, verdicts and warnings are said in words") {
    const CompiledScenario s = two_pools();
    const RunResults r = run_of(s, {half_an_hour()}, {"mean ttft_ms < 201", "availability > 90%"});
    ObservedTrial first;
    first.losses = {1, 0, 9000};
    const std::string text = terminal_summary(s, r, &first, {false, false, 100, "windtunnel run x.yaml"});
    for (const char* part :
         {"2 of 10 requests did not complete (20.0%)", "allows 4,096; longest 9,000", "no replica was ready",
          "✓ mean ttft_ms < 201", "200 ms", "✗ availability > 90%", "80.0%",
          "k8s/a.yaml:18:3: spec.fallback: is ignored", "✗ 1 of 2 thresholds failed",
          "windtunnel run x.yaml --trials 20", "0.912 USD over 1 h"}) {
        INFO(part << "\n" << text);
        CHECK(text.find(part) != std::string::npos);
    }
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(terminal_summary(s, r, &first, {true, false, 100, ""}).find("\x1b[31m") != std::string::npos);
}

TEST_CASE("observed trial: watching changes nothing, and every request has its row") {
    BenchSpec spec;
    spec.num_prompts = 60;
    spec.input_len = 100;
    spec.output_len = 20;
    spec.random_range_ratio = 0.5;
    const Result<Trace> trace = bench_trace(spec);
    REQUIRE(trace.ok());
    ServerParts server;
    server.max_num_seqs = 8;
    server.max_num_batched_tokens = 256;
    server.max_model_len = 115;  // some are too long
    server.usable_blocks = 64;
    server.cost.decode_step.assign(9, milliseconds(10));
    server.cost.mixed_step.assign(257, milliseconds(20));
    server.cost.attention = {{0, Tick{}, 0}};
    const BlueprintParts parts = bench_parts(server, 1, 4, {milliseconds(5), milliseconds(4)}, trace->span);
    TrialArena arena;
    const BlueprintBlock block = build(parts);
    const TrialOutcome plain = run_trial(block.blueprint(), trace->view(), {1, 0}, arena);
    ObservationPlan plan;
    plan.requests = true;
    plan.slices = 4;
    for (const ServerKind kind : {ServerKind::fast, ServerKind::stepwise}) {
        const ObservedTrial seen = observe_trial([&](std::uint32_t growth) { return build(parts, growth); },
                                                 trace->view(), {1, 0}, kind, plan);
        CHECK(seen.outcome.tally.requests == plain.tally.requests);
        CHECK(seen.outcome.ttft == plain.ttft);
        CHECK(seen.outcome.itl == plain.itl);
        REQUIRE(seen.requests.size() == 60);
        CHECK(seen.requests[59].request == 59);
        CHECK(plain.tally.requests.rejected > 0);
        const std::string csv = requests_csv(seen.requests);
        CHECK(csv.rfind("id,arrival_s,prompt_tokens,output_tokens,first_token_s,finish_s,status\n0,", 0) ==
              0);
        CHECK(std::count(csv.begin(), csv.end(), '\n') == 61);
        CHECK(csv.find(",rejected\n") != std::string::npos);
    }
}

TEST_CASE("bench workload: the last request is sent at exactly N / rate; lengths stay in their range") {
    BenchSpec spec;
    spec.num_prompts = 200;
    spec.request_rate = 8;
    spec.burstiness = 0.5;
    spec.input_len = 1000;
    spec.random_range_ratio = 0.8;
    const Result<Trace> trace = bench_trace(spec);
    REQUIRE(trace.ok());
    CHECK(trace->requests.back().arrival == seconds(25));
    CHECK(trace->requests.front().arrival > Tick{});
    for (const Request& r : trace->requests) {
        CHECK(r.prompt_tokens >= 800);
        CHECK(r.prompt_tokens <= 1000);
    }
    CHECK(bench_trace(spec)->requests[7].arrival == trace->requests[7].arrival);
    spec.burstiness = 1e6;  // equal gaps
    CHECK(bench_trace(spec)->requests[3].arrival == milliseconds(500));
    spec.input_len = 0;
    spec.random_range_ratio = 2;
    CHECK(bench_trace(spec).problems().size() == 2);
}

TEST_CASE("files: written whole or not at all") {
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("windtunnel_atomic_file_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    const auto read = [&] {
        std::ifstream in(folder / "a.json");
        return std::string(std::istreambuf_iterator<char>(in), {});
    };
    CHECK(write_file(folder / "a.json", "one").empty());
    CHECK(write_file(folder / "a.json", "two").empty());
    CHECK(read() == "two");
    CHECK(std::distance(std::filesystem::directory_iterator(folder), {}) == 1);
    CHECK(write_file(folder / "none" / "a.json", "x").size() == 1);
    CHECK(problems_of_writing(folder / "none" / "a.json").size() == 1);
    CHECK(problems_of_writing(folder).size() == 1);
    CHECK(problems_of_writing(folder / "b.json").empty());
    std::filesystem::remove_all(folder);
}
