#include "policies/ca_estimator.hpp"
#include "policies/ca_scale_down.hpp"
#include "policies/karpenter_budget.hpp"
#include "policies/karpenter_disruption.hpp"
#include "policies/karpenter_provisioning.hpp"
#include "policies/karpenter_schedule.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace windtunnel;

namespace {

ResourceAmounts amounts(std::int64_t cpu, std::int64_t memory, std::int64_t pods, std::int64_t gpus = 0) {
    ResourceAmounts result;
    result[resource_cpu_milli] = cpu;
    result[resource_memory_bytes] = memory;
    result[resource_pods] = pods;
    result[resource_extended] = gpus;
    return result;
}

CaNode node_of(const ResourceAmounts& free, std::int32_t zone = 0) {
    CaNode node;
    node.free = free;
    node.zone = zone;
    return node;
}

CaEstimate estimate(std::vector<CaPodGroup>& groups, const CaNode& shape, std::vector<CaNode> existing,
                    std::int32_t max_nodes, std::int32_t room = 50) {
    const auto count = static_cast<std::int32_t>(existing.size());
    existing.resize(static_cast<std::size_t>(count + room));
    return estimate_nodes(groups.data(), static_cast<std::int32_t>(groups.size()), shape, existing.data(),
                          count, count + room, max_nodes);
}

}  // namespace

TEST_CASE("cluster autoscaler: larger groups are packed first and small ones fill their gaps") {
    // Nodes of 1000 m: three pods of 600 m take three nodes; four of 200 m go two each into the 400 m left of
    // two.
    std::vector<CaPodGroup> groups(2);
    groups[0].request = amounts(200, 10, 1);
    groups[0].count = 4;
    groups[1].request = amounts(600, 10, 1);
    groups[1].count = 3;
    const CaEstimate result = estimate(groups, node_of(amounts(1000, 1000, 110)), {}, 0);
    CHECK(result.nodes == 3);
    CHECK(result.scheduled_pods == 7);
    CHECK(groups[0].request[resource_cpu_milli] == 600);
}

TEST_CASE("cluster autoscaler: a pod that fits no empty node opens one in vain and stops its group") {
    std::vector<CaPodGroup> groups(2);
    groups[0].request = amounts(5000, 10, 1);
    groups[0].count = 2;
    groups[1].request = amounts(100, 10, 1);
    groups[1].count = 2;
    const CaEstimate result = estimate(groups, node_of(amounts(1000, 1000, 110)), {}, 0);
    CHECK(result.nodes == 1);
    CHECK(result.scheduled_pods == 2);
}

TEST_CASE("cluster autoscaler: a zone without room holds back a spread over zones") {
    std::vector<CaPodGroup> groups(1);
    groups[0].request = amounts(200, 10, 1);
    groups[0].count = 8;
    groups[0].spread = {SpreadKey::zone, 2, 1};
    const CaNode full_elsewhere = node_of(amounts(100, 100, 10), 1);
    const CaEstimate result = estimate(groups, node_of(amounts(1000, 1000, 10), 0), {full_elsewhere}, 0);
    CHECK(result.scheduled_pods == 2);  // skew 2 against zone 1's zero
    CHECK(result.nodes == 1);
}

TEST_CASE("cluster autoscaler: a spread over hosts may use an old node, which then counts") {
    std::vector<CaPodGroup> groups(1);
    groups[0].request = amounts(200, 10, 1);
    groups[0].count = 3;
    groups[0].spread = {SpreadKey::hostname, 1, 1};
    const CaEstimate result =
        estimate(groups, node_of(amounts(1000, 1000, 10)), {node_of(amounts(1000, 1000, 10))}, 1);
    // One new node takes a pod (1-0 <= 1), the second must go to the old node, the third anywhere again.
    CHECK(result.nodes == 2);
    CHECK(result.scheduled_pods == 3);
}

TEST_CASE("cluster autoscaler: too little memory for nodes is reported") {
    std::vector<CaPodGroup> groups(1);
    groups[0].request = amounts(1000, 10, 1);
    groups[0].count = 3;
    CHECK(estimate(groups, node_of(amounts(1000, 1000, 10)), {}, 0, 2).node_memory_full);
}

TEST_CASE("cluster autoscaler: expanders keep exact ties and priority keeps all when nothing matches") {
    CaOption small{amounts(4000, 4000, 0), 2, amounts(4000, 4000, 0), 4, 200, 0, false};
    CaOption large{amounts(8000, 8000, 0), 1, amounts(4000, 4000, 0), 4, 150, 0, false};
    CaOption wasteful{amounts(64'000, 64'000, 0), 1, amounts(4000, 4000, 0), 5, 900, 0, false};
    const CaOption options[] = {small, large, wasteful};
    CHECK(expand(CaExpander::least_waste, options, 3, 7) == 3);
    CHECK(expand(CaExpander::price, options, 3, 3) == 2);
    CHECK(expand(CaExpander::most_pods, options, 3, 7) == 4);
    CHECK(expand(CaExpander::least_nodes, options, 3, 7) == 6);
    CHECK(expand(CaExpander::priority, options, 3, 7) == 7);
}

TEST_CASE("cluster autoscaler: a GPU node is judged by its GPUs alone") {
    CaPod pods[1];
    pods[0].request = amounts(9000, 9000, 1, 4);
    CaNodeView node;
    node.allocatable = amounts(10'000, 10'000, 110, 8);
    node.pods = pods;
    node.pod_count = 1;
    const CaScaleDownRules rules;
    CHECK(scale_down_eligibility(node, rules, Tick{0}) == CaUnremovable::not_underutilized);  // 90 % cpu
    node.gpu = resource_extended;
    CHECK(scale_down_eligibility(node, rules, Tick{0}) ==
          CaUnremovable::no_reason);          // 4 of 8 is not above one half
    node.allocatable[resource_extended] = 0;  // driver not up: idle
    CHECK(node_utilization(node, rules, Tick{0}).utilization == 0.0);
}

TEST_CASE("cluster autoscaler: timers are strict and any scale-up holds deletions back") {
    const CaScaleDownRules rules;
    CHECK_FALSE(unneeded_long_enough(rules, true, seconds(0), seconds(600)));
    CHECK(unneeded_long_enough(rules, true, seconds(0), seconds(601)));
    CHECK_FALSE(unneeded_long_enough(rules, false, seconds(0), seconds(1200)));
    CHECK_FALSE(scale_down_cooled(rules, seconds(100), seconds(-9000), seconds(-9000), seconds(699)));
    CHECK(scale_down_cooled(rules, seconds(100), seconds(-9000), seconds(-9000), seconds(700)));
}

TEST_CASE("cluster autoscaler: back-off doubles only after it has ended") {
    const CaBackoffRules rules;
    CaBackoff backoff;
    back_off(rules, backoff, seconds(0));    // until 300
    back_off(rules, backoff, seconds(100));  // still resting: 300 again, until 400
    CHECK(is_backed_off(backoff, seconds(400)));
    CHECK_FALSE(is_backed_off(backoff, seconds(401)));
    back_off(rules, backoff, seconds(401));
    CHECK(backoff.duration == seconds(600));
    for (int i = 0; i < 5; ++i) back_off(rules, backoff, backoff.until + seconds(1));
    CHECK(backoff.duration == seconds(1800));
    CHECK_FALSE(is_stale(rules, backoff, backoff.last_failure + seconds(10'800)));
    CHECK(is_stale(rules, backoff, backoff.last_failure + seconds(10'801)));
}

TEST_CASE("karpenter: budgets round up, the smallest active one counts, a broken one allows nothing") {
    KarpenterBudget budgets[] = {
        {percent(10), 0, true, true},
        {integer(5), static_cast<std::uint8_t>(DisruptionReason::drifted), true, true}};
    CHECK(allowed_disruptions(budgets, 2, DisruptionReason::empty, 91) == 10);  // 9.1 up
    CHECK(allowed_disruptions(budgets, 2, DisruptionReason::drifted, 91) == 5);
    CHECK(remaining_disruptions(budgets, 2, DisruptionReason::drifted, 91, 7) == 0);
    budgets[0].active = false;
    CHECK(allowed_disruptions(budgets, 2, DisruptionReason::empty, 91) == max_i32);
    budgets[0].valid = false;
    CHECK(allowed_disruptions(budgets, 2, DisruptionReason::empty, 91) == 0);
}

TEST_CASE("karpenter: a budget's schedule becomes joined intervals in UTC") {
    // 09:00 and 10:00 for 90 minutes each, from 09:30: 0 .. 2 h (11:30).
    const auto schedule = parse_budget_schedule("0 9,10 * * *", std::chrono::seconds(5400));
    REQUIRE(schedule);
    const UtcSeconds origin{date::sys_days{date::year{2026} / 3 / 2} + std::chrono::minutes(570)};
    CHECK(active_intervals(*schedule, origin, Tick{0}, seconds(86'400 / 2)) ==
          std::vector<ActiveInterval>{{Tick{0}, seconds(7200)}});
    CHECK(is_active(*schedule, origin));
    CHECK_FALSE(is_active(*schedule, origin + std::chrono::seconds(7200)));
    CHECK_FALSE(parse_budget_schedule("0 0 * * tue-mon", std::chrono::seconds(60)).ok());
    CHECK_FALSE(parse_budget_schedule(std::nullopt, std::chrono::seconds(60)).ok());
}

namespace {

/// Two GPU types, the larger one with spot capacity too.
std::vector<KarpenterOffering> gpu_offerings() {
    const ResourceAmounts one = amounts(8000, 64'000, 50, 1), four = amounts(48'000, 384'000, 200, 4);
    return {{one, one, 1'000, OfferingKind::on_demand, 0, 0},
            {four, four, 3'500, OfferingKind::on_demand, 0, 1},
            {four, four, 1'200, OfferingKind::spot, 0, 1}};
}

KarpenterPod gpu_pod(std::int64_t gpus, std::int64_t created) {
    KarpenterPod pod;
    pod.request = amounts(4000, 16'000, 1, gpus);
    pod.allowed = OfferingSet::first(3);
    pod.created = created;
    return pod;
}

struct Batch {
    std::vector<KarpenterOffering> offerings = gpu_offerings();
    KarpenterPool pool;
    std::vector<KarpenterPod> pods;
    std::vector<KarpenterNode> nodes;
    std::vector<KarpenterClaim> claims{8};

    ProvisioningPlan run() {
        return plan_batch({offerings.data(), 3, &pool, 1, pods.data(), static_cast<std::int32_t>(pods.size()),
                           nodes.data(), static_cast<std::int32_t>(nodes.size()), claims.data(),
                           static_cast<std::int32_t>(claims.size())});
    }
};

}  // namespace

TEST_CASE("karpenter: pods share a planned node while some offering still holds them all") {
    Batch batch;
    batch.pool.offerings = OfferingSet::first(3);
    for (int i = 0; i < 5; ++i) batch.pods.push_back(gpu_pod(1, i));
    const ProvisioningPlan plan = batch.run();
    // Four GPUs on the large type, the fifth pod on its own node, which may be either type.
    CHECK(plan.claim_count == 2);
    CHECK(plan.unscheduled == 0);
    CHECK_FALSE(batch.claims[0].offerings.has(0));
    CHECK(batch.claims[1].offerings.has(0));
    // Spot comes before a cheaper on-demand offering.
    CHECK(choose_offering(batch.offerings.data(), 3, batch.claims[1].offerings) == 2);
}

TEST_CASE("karpenter: an existing node is filled first and limits charge the largest type that may come") {
    Batch batch;
    batch.pool.offerings = OfferingSet::first(3);
    batch.pool.limited = 1u << resource_extended;
    batch.pool.remaining = amounts(0, 0, 0, 4);
    batch.nodes.push_back({amounts(4000, 64'000, 10, 1), 0, 0});
    for (int i = 0; i < 3; ++i) {
        batch.pods.push_back(gpu_pod(1, i));
        batch.pods.back().exclusive = 1;  // one per node
    }
    const ProvisioningPlan plan = batch.run();
    CHECK(batch.pods[0].node == 0);
    CHECK(plan.claim_count == 1);  // charged 4 GPUs although one would do
    CHECK(plan.unscheduled == 1);
    CHECK(batch.pool.remaining[resource_extended] == 0);
}

TEST_CASE("karpenter: a marked offering is not planned and a full claim array is reported") {
    Batch batch;
    batch.pool.offerings = OfferingSet::first(3);
    batch.pool.offerings.remove(2);  // spot had no capacity
    batch.pods = {gpu_pod(4, 0), gpu_pod(4, 1)};
    batch.claims.resize(1);
    const ProvisioningPlan plan = batch.run();
    CHECK(choose_offering(batch.offerings.data(), 3, batch.claims[0].offerings) == 1);
    CHECK(plan.claim_memory_full);
}

namespace {

/// Nodes with pods on them, and the memory that consolidation needs.
struct Cluster {
    std::vector<KarpenterOffering> offerings = gpu_offerings();
    KarpenterPool pool;
    std::vector<KarpenterNode> nodes, scratch_nodes;
    std::vector<DisruptionNode> views;
    std::vector<KarpenterPod> pods, scratch_pods;
    KarpenterPool scratch_pool;

    Cluster() { pool.offerings = OfferingSet::first(3); }
    void add(std::int32_t offering, std::int32_t pods_of_one_gpu) {
        KarpenterNode node{offerings[static_cast<std::size_t>(offering)].allocatable, 0, offering};
        DisruptionNode view;
        view.first_pod = static_cast<std::int32_t>(pods.size());
        view.pod_count = pods_of_one_gpu;
        for (int i = 0; i < pods_of_one_gpu; ++i) {
            pods.push_back(gpu_pod(1, i));
            node.free -= pods.back().request;
            view.eviction_cost += eviction_cost(0, 0);
        }
        nodes.push_back(node);
        views.push_back(view);
    }
    ConsolidationScene scene() {
        scratch_nodes.resize(nodes.size());
        scratch_pods.resize(pods.size());
        return {offerings.data(),
                3,
                &pool,
                1,
                nodes.data(),
                views.data(),
                static_cast<std::int32_t>(nodes.size()),
                pods.data(),
                &scratch_pool,
                scratch_nodes.data(),
                scratch_pods.data()};
    }
};

}  // namespace

TEST_CASE("karpenter: a node whose pods fit elsewhere is removed, unless the others are not settled") {
    Cluster cluster;
    cluster.add(1, 2);
    cluster.add(1, 2);
    const std::int32_t candidate[] = {0};
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1, seconds(100)).action ==
          ConsolidationAction::remove);
    cluster.views[1].last_pod_event = seconds(95);
    cluster.views[1].consolidate_after = seconds(30);
    cluster.pool.offerings = OfferingSet::first(2);
    // Two GPUs need a large node again, on-demand at the same price: no strict gain.
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1, seconds(100)).action ==
          ConsolidationAction::none);
}

TEST_CASE("karpenter: a replacement must be strictly cheaper and is pinned to spot where that was judged") {
    Cluster cluster;
    cluster.add(1, 1);  // one pod on a large on-demand node at 3500
    const std::int32_t candidate[] = {0};
    const Consolidation found = try_consolidation(cluster.scene(), {}, candidate, 1, seconds(100));
    CHECK(found.action == ConsolidationAction::replace);
    CHECK(found.replacement.has(2));        // large, spot, 1200
    CHECK_FALSE(found.replacement.has(0));  // small, on-demand, 1000: dropped by the pin
    cluster.pool.offerings.remove(2);
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1, seconds(100)).replacement.has(0));
    // A spot node is not exchanged for spot without the gate, nor with fewer than fifteen cheaper types.
    Cluster spot;
    spot.add(2, 1);
    CHECK(try_consolidation(spot.scene(), {}, candidate, 1, seconds(100)).action ==
          ConsolidationAction::none);
    KarpenterDisruptionRules rules;
    rules.spot_to_spot = true;
    CHECK(try_consolidation(spot.scene(), rules, candidate, 1, seconds(100)).action ==
          ConsolidationAction::none);
}

TEST_CASE("karpenter: several small nodes become one large one, the longest prefix that pays") {
    Cluster cluster;
    cluster.pool.offerings = OfferingSet::first(2);  // on-demand only: small 1000, large 3500
    for (int i = 0; i < 4; ++i) cluster.add(0, 1);
    const std::int32_t candidates[] = {0, 1, 2, 3};
    std::int32_t taken = 0;
    // Four small nodes cost 4000 and fit one large node at 3500; three cost 3000 and do not pay, nor do two,
    // so the bisection (it tries three first) finds nothing.
    CHECK(try_consolidation(cluster.scene(), {}, candidates, 4, seconds(100)).action ==
          ConsolidationAction::replace);
    CHECK(consolidate_many(cluster.scene(), {}, candidates, 4, seconds(100), taken).action ==
          ConsolidationAction::none);
    CHECK(taken == 0);
    // At 1500 each three cost 4500 and pay, so the bisection goes on to all four.
    for (KarpenterOffering& offering : cluster.offerings)
        if (offering.type == 0) offering.price_nano_usd_per_hour = 1'500;
    CHECK(consolidate_many(cluster.scene(), {}, candidates, 4, seconds(100), taken).action ==
          ConsolidationAction::replace);
    CHECK(taken == 4);
}

TEST_CASE("karpenter: what may be disrupted, and in which order") {
    DisruptionNode node;
    CHECK(is_candidate(node));
    CHECK(is_empty(node));
    node.nominated = true;
    CHECK_FALSE(is_candidate(node));
    node.consolidate_after = seconds(30);
    node.last_pod_event = seconds(10);
    CHECK_FALSE(is_settled(node, seconds(39)));
    CHECK(is_settled(node, seconds(40)));
    CHECK(eviction_cost(134217728, 0) == 2.0);
    CHECK(eviction_cost(0, -2'000'000'000) == -10.0);
    KarpenterOffering offering;
    offering.price_nano_usd_per_hour = 3'000;
    node.eviction_cost = 2.0;
    CHECK(candidate_value(node, offering) == 1'000.0);
}
