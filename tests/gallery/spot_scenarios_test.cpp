// What spot markets do to the shipped scenarios about them; recorded markets replayed; one weather for two policies.
#include "reports/cost.hpp"
#include "reports/results.hpp"
#include "scenarios/markets/spot_fit.hpp"
#include "scenarios/markets/spot_stats.hpp"
#include "tests/gallery/shipped_scenario.hpp"
#include "tests/models/shared_data.hpp"
#include "tests/support/paired_variance.hpp"

#include <cmath>
#include <map>
#include <numeric>

using namespace gallery;

namespace {

const char* const midflight = "spot-eviction-midflight/scenario.yaml";
const std::string spot_of_pool = "cluster.pools[0].spot=";

std::uint64_t failed_requests(const Shown& shown) { return shown.outcome.tally.requests.failed; }
double usd(const Shown& shown) {
    double sum = 0;
    for (std::size_t p = 0; p < shown.run.scenario.pools.size(); ++p) {
        WideSum price = shown.outcome.tally.pools[p].price.ticks;
        price.subtract(shown.outcome.tally.pools[p].refund);
        sum += price.to_double() / static_cast<double>(ticks_per_second) / 3600 / 1e9;
    }
    return sum;
}

/// What a scenario with these assignments is refused for, or warned of.
std::string said(const std::vector<std::string>& assignments) {
    RunFlags flags;
    flags.scenario = (folder() / midflight).string();
    flags.assignments = assignments;
    const Result<LoadedRun> loaded = load_run(flags);
    std::string out;
    for (const Problem& p : loaded ? loaded->scenario.warnings : loaded.problems()) out += to_string(p) + "\n";
    return out;
}

}  // namespace

TEST_CASE("spot: a market that cannot be is refused with what to write, a default one is named") {
    using Catch::Matchers::Contains;
    CHECK_THAT(said({spot_of_pool + "{nodes: a.csv, interruptions_per_hour: 1}"}), Contains("recorded nodes alone"));
    CHECK_THAT(said({spot_of_pool + "{capacity: nosuch.csv}"}), Contains("nosuch.csv") && Contains("cannot be read"));
    CHECK_THAT(said({spot_of_pool + "{interruption_per_hour: 1}"}), Contains("interruptions_per_hour"));
    CHECK_THAT(said({spot_of_pool + "{interruptions_per_hour: 1, hour_factors: [1, 2]}"}), Contains("24"));
    CHECK_THAT(said({spot_of_pool + "{droughts: {per_day: 12, mean_h: 3}}"}), Contains("less than all day"));
    CHECK_THAT(said({"cluster.spot=[{pool: nosuch, interruptions_per_hour: 1}]"}), Contains("about no spot node"));
    CHECK_THAT(said({"cluster.pools[0].capacity_type=on-demand"}), Contains("only with capacity_type: spot"));
    CHECK_THAT(said({spot_of_pool + "{notice_s: 60}"}), Contains("interrupted 0.00") && Contains("EC2 Spot Instance Advisor, 2025-06"));
    CHECK_THAT(said({"cluster.pools[0].capacity_type=on-demand", spot_of_pool + "null", "events=[{at_s: 1, interrupt_node: spot}]"}), Contains("no spot nodes"));
}

TEST_CASE("spot-eviction-midflight: 2 minutes and a drain save every request, 30 s and nobody at all do not") {
    const Shown none = show(midflight), drained = show("spot-eviction-midflight/drain.yaml"),
                half = show("spot-eviction-midflight/half-minute.yaml"),
                retried = show("spot-eviction-midflight/half-minute-retried.yaml");
    for (const Shown* shown : {&none, &drained, &half, &retried}) {
        CHECK(shown->broken == std::vector<std::string>{});
        CHECK(shown->outcome.tally.spot_evictions == 2);
    }
    CHECK(failed_requests(drained) == 0);
    CHECK(failed_requests(half) > 0);
    CHECK(failed_requests(none) > 2 * failed_requests(half));
    CHECK(failed_requests(retried) == 0);
    CHECK(retried.outcome.tally.retried >= failed_requests(half));
    CHECK(retried.outcome.tally.lost_output_tokens > 0);
    CHECK(drained.outcome.tally.lost_output_tokens == 0);
    // 120 s from the notice the machine is gone, whoever reacts: two nodes less for as long as others take to come.
    std::vector<double> gone;
    for (const Witness::NodeChange& c : none.nodes)
        if (c.state == NodeState::lost) gone.push_back(to_seconds(c.at));
    CHECK(gone == std::vector<double>{1020, 3720});
}

TEST_CASE("diversified-spot: with one type a drought leaves nobody, with four somebody") {
    const std::vector<std::string> shorter = {"workload.synthetic.duration_s=43200", "workload.synthetic.rate_rps=0.2"};
    int together = 0, apart = 0;
    for (std::uint32_t trial = 0; trial < 3; ++trial) {
        const Shown one = show("diversified-spot/scenario.yaml", shorter, trial), four = show("diversified-spot/four-types.yaml", shorter, trial);
        CHECK(one.broken == std::vector<std::string>{});
        CHECK(four.broken == std::vector<std::string>{});
        together += degraded_minutes(one, Tick{}, hours(12), seconds(5));
        apart += degraded_minutes(four, Tick{}, hours(12), seconds(5));
    }
    CHECK(together > 60);
    CHECK(apart < together / 4);
}

TEST_CASE("spot-for-batch: split fails no user, and costs little more than all on spot") {
    const Shown spot = show("spot-for-batch/scenario.yaml"), split = show("spot-for-batch/split.yaml"), demand = show("spot-for-batch/on-demand.yaml");
    CHECK(usd(spot) < usd(split));
    CHECK(usd(split) < usd(demand));
    CHECK(split.outcome.tally.spot_evictions > 0);
    CHECK(demand.outcome.tally.spot_evictions == 0);
    CHECK(failed_requests(split) == 0);
    CHECK(split.outcome.tally.requests.unfinished == 0);
    CHECK(split.outcome.tally.redelivered > 0);
    CHECK(split.outcome.tally.requests.completed == demand.outcome.tally.requests.completed);
}

TEST_CASE("spot: two policies meet the same weather: the variance of their difference falls by far more than five") {
    // Interruptions at random, twice an hour and node. The policies: drained in 2 minutes, or shut down in 30 s.
    const std::string two = spot_of_pool + "{handler: drain, interruptions_per_hour: 2}",
                      half = spot_of_pool + "{handler: shutdown, notice_s: 30, interruptions_per_hour: 2}";
    std::vector<double> a, b;
    for (std::uint32_t trial = 0; trial < 24; ++trial) {
        const auto ready = [&](const std::string& policy) {
            const Shown shown = show(midflight, {policy, "workload.synthetic.rate_rps=0.05"}, trial);
            CHECK(shown.broken == std::vector<std::string>{});
            return shown.outcome.tally.ready_replicas.ticks.to_double() / static_cast<double>(ticks_per_second);
        };
        a.push_back(ready(two));
        b.push_back(ready(half));
    }
    const PairedVariance v = paired_variance(a, b);
    CAPTURE(v.paired, v.apart);
    CHECK(v.first > 0);
    CHECK(v.paired * 5 <= v.apart);
}

TEST_CASE("spot: recorded nodes are replayed to the event, and recorded prices to the micro-dollar") {
    const std::string file = shared_data_file("spot/bamboo/p3-trace.csv");
    if (file.empty()) {
        WARN("../shared/data/spot is not there: skipped");
        return;
    }
    const std::vector<std::string> quiet = {"workload.synthetic.rate_rps=0.01", "events=[]"};
    for (const char* name : {"spot/bamboo/p3-trace.csv", "spot/bamboo/a100x1-east1b.txt", "spot/dime/gcp_persistent_2020-03-01.out"}) {
        const Result<SpotHistory> history = read_spot_history(std::filesystem::path(shared_data_file(name)));
        REQUIRE(history);
        std::vector<const SpotMarketRecord*> all;
        for (const SpotMarketRecord& m : history->markets) all.push_back(&m);
        const SpotCounts counts = count_nodes(all, history->span_ms);
        std::vector<std::string> set = quiet;
        set.push_back("workload.synthetic.duration_s=" + std::to_string(history->span_ms / 1000));
        set.push_back(spot_of_pool + "{nodes: " + shared_data_file(name) + "}");
        const Shown shown = show(midflight, set);
        CHECK(shown.broken == std::vector<std::string>{});
        const PoolTally& pool = shown.outcome.tally.pools[0];
        CAPTURE(name);
        CHECK(pool.launched == counts.adds);
        CHECK(pool.nodes.value == counts.nodes_end);
        CHECK(pool.nodes.most == counts.nodes_max);
        CHECK(pool.nodes.ticks == [&] {
            WideSum sum;
            sum.add_product(static_cast<std::uint64_t>(counts.node_ms), ticks_per_millisecond);
            return sum;
        }());
        std::size_t removed = 0;
        for (const Witness::NodeChange& c : shown.nodes) removed += c.state == NodeState::none ? 1 : 0;
        CHECK(removed == counts.removes);
    }
    // Two nodes for two weeks of February 2020 at the prices of that time.
    const std::string prices = shared_data_file("spot/dime/aws_cost/us-west-2/p3.2xlarge.json");
    const Result<SpotHistory> history = read_spot_history(std::filesystem::path(prices));
    REQUIRE(history);
    const Shown shown = show(midflight, {"workload.synthetic.rate_rps=0.001", "events=[]", "workload.synthetic.duration_s=1209600", "cluster.region=us-west-2", "cluster.pools[0].instance_type=p3.2xlarge",
                                         "cluster.pools[0].zone=us-west-2b", "Deployment/chat:spec.template.spec.containers[vllm].command=[vllm,serve,Qwen/Qwen2.5-3B-Instruct]", spot_of_pool + "{interruptions_per_hour: 0, from_s: 3456000, prices: " + prices + "}"});
    CHECK(shown.broken == std::vector<std::string>{});
    for (const SpotPriceRecord& series : history->prices)
        if (series.zone == "us-west-2b") {
            const std::int64_t nano = 2 * nano_usd_between(series, 3'456'000'000, 3'456'000'000 + 1'209'600'000);
            CHECK(usd(shown) == Approx(static_cast<double>(nano) / 1e9).margin(1e-6));
        }
}

TEST_CASE("spot: a fitted market interrupts nodes at the ages of the record, and of what was left out of it") {
    const std::string file = shared_data_file("spot/gcp_preemption_2019.json.gz");
    if (file.empty()) {
        WARN("../shared/data/spot is not there: skipped");
        return;
    }
    const Result<SpotHistory> history = read_spot_history(std::filesystem::path(file));
    REQUIRE(history);
    // Every other machine is left out of the fit.
    std::vector<SpotLifetime> fitted, held;
    for (const SpotMarketRecord& m : history->markets)
        for (const SpotLifetime& life : lifetimes_of(m)) (fitted.size() <= held.size() ? fitted : held).push_back(life);
    const double between = [&] {
        SpotFit fit;
        fit.ages_matter = true;
        fit.lives = survival_of(fitted);
        return ks_distance(fit, survival_of(held));
    }();
    CHECK(between < 0.1);  // two halves of one population: 1.36 x sqrt(2/360) = 0.10 at 5%
    const Result<SpotFit> fit = fit_spot_market(*history, file);
    REQUIRE(fit);
    CHECK(fit->ages_matter);
    CHECK(fit->distance < 0.02);
    // The engine's own lifetimes: 40 nodes that are replaced as they go, for ten days.
    std::vector<SpotLifetime> lived;
    for (std::uint32_t trial = 0; trial < 2; ++trial) {
        const Shown shown = show(midflight, {"workload.synthetic.rate_rps=0.001", "events=[]", "workload.synthetic.duration_s=864000", "cluster.pools[0].min=40", "cluster.pools[0].max=45",
                                             "cluster.pools[0].provisioning_s=1", spot_of_pool + "{notice_s: 0, fit: " + file + "}"}, trial);
        std::vector<Tick> since(shown.run.scenario.parts.pools[0].node_slots + 1);
        for (const Witness::NodeChange& c : shown.nodes) {
            if (c.state == NodeState::provisioning) since[c.node] = c.at;
            if (c.state == NodeState::none && c.at < seconds(864'000)) lived.push_back({to_seconds(c.at - since[c.node]) / 3600, true});
        }
    }
    std::vector<SpotLifetime> recorded;
    for (const SpotMarketRecord& m : history->markets)
        for (const SpotLifetime& life : lifetimes_of(m)) recorded.push_back(life);
    // Many short lives end in ten days: those that are cut by the end are a small bias.
    SpotFit engine;
    engine.ages_matter = true;
    engine.lives = survival_of(lived);
    CAPTURE(lived.size(), ks_distance(engine, survival_of(recorded)));
    CHECK(lived.size() > 800);
    CHECK(ks_distance(engine, survival_of(recorded)) < 0.08);
}

TEST_CASE("capacity-crunch: one zone waits for its back-off to end, three zones for a node to boot") {
    const Shown one = show("capacity-crunch/scenario.yaml"), three = show("capacity-crunch/three-zones.yaml");
    const auto complete_at = [](const Shown& shown) {
        for (Tick t = seconds(900); t < seconds(5400); t += seconds(10))
            if (shown.count(PodState::ready, t) == 5) return t;
        return Tick{never};
    };
    // The group's requests fail at once and it backs off for 5, 10, 20 and 30 minutes: the last one ends half an hour
    // after there is capacity again, at 3240 s. A node takes minutes to come, a pod 4 to load.
    CHECK(complete_at(one) > seconds(3240 + 1500));
    CHECK(complete_at(three) < seconds(900 + 900));
    CHECK(three.outcome.tally.degraded_minutes * 2 < one.outcome.tally.degraded_minutes);
}

TEST_CASE("consolidation-thrash: every wave boots its nodes anew, unless they outlive the gap") {
    const Shown minute = show("consolidation-thrash/scenario.yaml"), kept = show("consolidation-thrash/kept.yaml");
    CHECK(minute.outcome.tally.pools[0].launched == 1 + 11 * 3);
    CHECK(kept.outcome.tally.pools[0].launched == 1 + 3);
    CHECK(kept.outcome.tally.ready_replicas.ticks.to_double() > 1.4 * minute.outcome.tally.ready_replicas.ticks.to_double());
    CHECK(usd(kept) > usd(minute));
}

TEST_CASE("the-380-dollar-month: office hours and a spot node are less than half of always on, and fail nobody") {
    const Shown always = show("the-380-dollar-month/scenario.yaml"), split = show("the-380-dollar-month/split.yaml");
    constexpr double days_of_month = 730.0 / 24;
    // Two nodes on demand, 0.8048 and 0.526 USD an hour.
    CHECK(usd(always) * days_of_month == Approx(730 * (0.8048 + 0.526)).epsilon(1e-6));
    CHECK(usd(split) * days_of_month > 340);
    CHECK(usd(split) * days_of_month < 430);
    for (const Shown* shown : {&always, &split}) {
        CHECK(shown->broken == std::vector<std::string>{});
        CHECK(shown->outcome.tally.requests.completed == 52'000);
    }
}

TEST_CASE("costs: volumes, load balancers, traffic and commitments stand beside node time, and the parts are the bill") {
    // Two nodes on demand at 0.8048 USD for an hour and a half.
    const std::vector<std::string> demand = {"cluster.pools[0].capacity_type=on-demand", spot_of_pool + "null", "events=[]"};
    const auto bill = [&](const std::string& costs) {
        std::vector<std::string> set = demand;
        set.push_back("cluster.costs=" + costs);
        const Shown shown = show(midflight, set);
        CHECK(shown.broken == std::vector<std::string>{});
        RunResults out = results_of(shown.run.scenario, {}, 1, "cpu");
        out.trials.push_back(numbers_of(shown.run.scenario, {}, shown.outcome));
        const CostBreakdown parts = cost_breakdown(out);
        CHECK(parts.micro_usd() == out.trials[0].micro_usd());
        std::map<std::string, std::int64_t> by_row;
        for (std::size_t p = 0; p < out.pools.size(); ++p) by_row[out.pools[p].pool] = out.trials[0].pools[p].micro_usd;
        by_row["prompts"] = static_cast<std::int64_t>(out.trials[0].prompt_tokens);
        by_row["tokens"] = static_cast<std::int64_t>(out.trials[0].output_tokens);
        return by_row;
    };
    auto b = bill("{volumes: {gib_per_node: 100, usd_per_gib_month: 0.08}, hourly: [{name: load balancer, usd_per_hour: 0.0225}], traffic: {bytes_per_token: 200, egress_usd_per_gb: 0.09}}");
    CHECK(b["spot"] == 2'414'400);
    CHECK(b["volumes"] == 32'877);        // 3 node-hours x 100 x 0.08 / 730
    CHECK(b["load balancer"] == 33'750);
    CHECK(b["egress"] == std::llround(static_cast<double>(b["tokens"]) * 200 * 0.09 / 1e3));
    b = bill("{committed: [{pool: spot, nodes: 1, usd_per_hour: 0.5}]}");
    CHECK(b["spot"] == 750'000 + 1'207'200);
    b = bill("{committed: [{pool: spot, nodes: 3, usd_per_hour: 0.5}]}");
    CHECK(b["spot"] == 2'250'000);  // the third is paid for and not there
    b = bill("{load_balancer: {usd_per_hour: 0.02, usd_per_gb: 0.008}, traffic: {bytes_per_token: 200}}");
    CHECK(b["load balancer"] == std::llround(30'000 + static_cast<double>(b["tokens"] + b["prompts"]) * 200 * 0.008 / 1e3));
    // Three nodes are reserved and two are there: at the price on demand, or at their own.
    const auto reserved = [&](int nodes, const std::string& more, const std::string& besides = "cluster.costs={}") {
        std::vector<std::string> set = demand;
        set.push_back("cluster.reservations=[{pool: spot, nodes: " + std::to_string(nodes) + more + "}]");
        set.push_back(besides);
        const Shown shown = show(midflight, set);
        RunResults out = results_of(shown.run.scenario, {}, 1, "cpu");
        out.trials.push_back(numbers_of(shown.run.scenario, {}, shown.outcome));
        const CostBreakdown parts = cost_breakdown(out);
        CHECK(parts.micro_usd() == out.trials[0].micro_usd());
        std::int64_t unused = 0;
        for (const CostRow& r : parts.rows) unused += r.use == "unused" ? r.micro_usd : 0;
        return std::pair(parts.micro_usd(), unused);
    };
    CHECK(reserved(3, "") == std::pair(std::int64_t{3'621'600}, std::int64_t{1'207'200}));
    CHECK(reserved(3, ", usd_per_hour: 0.5") == std::pair(std::int64_t{2'250'000}, std::int64_t{750'000}));
    // One is reserved, the other is committed to at a price of its own: 1.5 h x (0.5 + 0.4).
    CHECK(reserved(1, ", usd_per_hour: 0.5", "cluster.costs={committed: [{pool: spot, nodes: 1, usd_per_hour: 0.4}]}") == std::pair(std::int64_t{1'350'000}, std::int64_t{0}));
}

TEST_CASE("fixed-fleet-70b: autoscaling with ten-minute starts saves some and degrades minutes, a spare replica none") {
    const Shown scaled = show("fixed-fleet-70b/scenario.yaml"), fixed = show("fixed-fleet-70b/fixed.yaml");
    CHECK(usd(fixed) == Approx(24 * 3 * 10.49264).epsilon(1e-6));
    CHECK(usd(scaled) < usd(fixed));
    CHECK(usd(scaled) > 0.7 * usd(fixed));
    CHECK(fixed.outcome.tally.degraded_minutes == 0);
    CHECK(scaled.outcome.tally.degraded_minutes > 2);
    CHECK(scaled.outcome.tally.cold_starts > 4);
}
