#include "policies/karpenter_disruption.hpp"
#include "policies/karpenter_launch.hpp"
#include "policies/karpenter_lifecycle.hpp"
#include "policies/karpenter_rounds.hpp"
#include "tests/support/node_amounts.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace windtunnel;
using lab::node_amounts;

namespace {

/// Two GPU types, the larger one with spot capacity too.
std::vector<KarpenterOffering> gpu_offerings() {
    const ResourceAmounts one = node_amounts(8000, 64'000, 50, 1), four = node_amounts(48'000, 384'000, 200, 4);
    return {{one, one, 1'000, OfferingKind::on_demand, 0, 0, 0},
            {four, four, 3'500, OfferingKind::on_demand, 0, 1, 0},
            {four, four, 1'200, OfferingKind::spot, 0, 1, 0}};
}

KarpenterPodGroup gpu_group(std::int64_t gpus) {
    KarpenterPodGroup group;
    group.request = node_amounts(4000, 16'000, 1, gpus);
    group.allowed = OfferingSet::first(3);
    return group;
}

struct Batch {
    std::vector<KarpenterOffering> offerings = gpu_offerings();
    std::vector<KarpenterPool> pools{1};
    std::vector<KarpenterPodGroup> groups;
    std::vector<KarpenterPod> pods;
    std::vector<KarpenterNode> nodes;
    std::vector<KarpenterClaim> claims{8};
    KarpenterTopology topology;

    Batch() { pools[0].offerings = OfferingSet::first(3); }
    KarpenterPool& pool() { return pools[0]; }
    KarpenterPodGroup& add(const KarpenterPodGroup& group, int count) {
        groups.push_back(group);
        KarpenterPod pod;
        pod.group = static_cast<std::int32_t>(groups.size()) - 1;
        for (; count > 0; --count) {
            pod.created = static_cast<std::int64_t>(pods.size());
            pods.push_back(pod);
        }
        return groups.back();
    }
    void add_node(const ResourceAmounts& free, std::int32_t offering) {
        KarpenterNode node;
        node.free = free;
        node.offering = offering;
        nodes.push_back(node);
    }
    ProvisioningPlan run() {
        ProvisioningBatch batch;
        batch.offerings = offerings.data();
        batch.offering_count = static_cast<std::int32_t>(offerings.size());
        batch.pools = pools.data();
        batch.pool_count = static_cast<std::int32_t>(pools.size());
        batch.groups = groups.data();
        batch.pods = pods.data();
        batch.pod_count = static_cast<std::int32_t>(pods.size());
        batch.nodes = nodes.data();
        batch.node_count = static_cast<std::int32_t>(nodes.size());
        batch.claims = claims.data();
        batch.claim_capacity = static_cast<std::int32_t>(claims.size());
        batch.topology = &topology;
        return plan_batch(batch);
    }
};

}  // namespace

TEST_CASE("karpenter: pods share a planned node while some offering still holds them all") {
    Batch batch;
    batch.add(gpu_group(1), 5);
    const ProvisioningPlan plan = batch.run();
    // Four GPUs on the large type, the fifth pod on its own node, which may be either type.
    CHECK(plan.claim_count == 2);
    CHECK(plan.unscheduled == 0);
    CHECK_FALSE(batch.claims[0].offerings.has(0));
    CHECK(batch.claims[1].offerings.has(0));
    // Spot comes before a cheaper on-demand offering.
    CHECK(choose_offering(batch.offerings.data(), batch.claims[1].offerings) == 2);
}

TEST_CASE("karpenter: an existing node is filled first and limits charge the largest type that may come") {
    Batch batch;
    batch.pool().limited = 1u << resource_extended;
    batch.pool().remaining = node_amounts(0, 0, 0, 4);
    batch.add_node(node_amounts(4000, 64'000, 10, 1), 0);
    batch.add(gpu_group(1), 3).exclusive = 1;  // one per node
    const ProvisioningPlan plan = batch.run();
    CHECK(batch.pods[0].node == 0);
    CHECK(plan.claim_count == 1);  // charged 4 GPUs although one would do
    CHECK(plan.unscheduled == 1);
    CHECK(batch.pool().remaining[resource_extended] == 0);
}

TEST_CASE("karpenter: a marked offering is not planned and a full claim array is reported") {
    Batch batch;
    batch.pool().offerings.remove(2);  // spot had no capacity
    batch.add(gpu_group(4), 2);
    batch.claims.resize(1);
    const ProvisioningPlan plan = batch.run();
    CHECK(choose_offering(batch.offerings.data(), batch.claims[0].offerings) == 1);
    CHECK(plan.claim_memory_full);
}

namespace {

/// Nodes with pods of one GPU on them, and the memory that consolidation needs.
struct Cluster {
    std::vector<KarpenterOffering> offerings = gpu_offerings();
    std::vector<KarpenterPool> pools{1}, scratch_pools;
    std::vector<KarpenterPodGroup> groups{gpu_group(1)};
    std::vector<KarpenterNode> nodes;
    std::vector<DisruptionNode> views;
    std::vector<KarpenterPod> pods, scratch_pods;
    std::vector<KarpenterClaim> claims{4};
    std::vector<std::int32_t> destinations, candidates, turns, left;
    std::vector<DisruptionAllowance> allowance{{100, 100, 100}};

    Cluster() { pools[0].offerings = OfferingSet::first(3); }
    KarpenterPool& pool() { return pools[0]; }
    void add(std::int32_t offering, std::int32_t pods_of_one_gpu, std::int32_t of_pool = 0) {
        KarpenterNode node;
        node.free = offerings[static_cast<std::size_t>(offering)].allocatable;
        node.offering = offering;
        DisruptionNode view;
        view.pool = of_pool;
        view.first_pod = static_cast<std::int32_t>(pods.size());
        view.pod_count = pods_of_one_gpu;
        for (int i = 0; i < pods_of_one_gpu; ++i) {
            pods.push_back({0, i, 0});
            node.free -= groups[0].request;
            view.eviction_cost += eviction_cost(0, 0);
        }
        nodes.push_back(node);
        views.push_back(view);
    }
    ConsolidationScene scene(Tick now = seconds(100)) {
        scratch_pools.resize(pools.size());
        scratch_pods.resize(pods.size());
        destinations.resize(nodes.size());
        ConsolidationScene s;
        s.offerings = offerings.data();
        s.offering_count = static_cast<std::int32_t>(offerings.size());
        s.pools = pools.data();
        s.pool_count = static_cast<std::int32_t>(pools.size());
        s.groups = groups.data();
        s.group_count = static_cast<std::int32_t>(groups.size());
        s.nodes = nodes.data();
        s.views = views.data();
        s.node_count = static_cast<std::int32_t>(nodes.size());
        s.pods = pods.data();
        s.scratch_pools = scratch_pools.data();
        s.scratch_pods = scratch_pods.data();
        s.claims = claims.data();
        s.claim_capacity = static_cast<std::int32_t>(claims.size());
        s.destinations = destinations.data();
        open_scene(s, now);
        return s;
    }
    DisruptionRound round() {
        candidates.resize(nodes.size());
        turns.resize(nodes.size());
        left.resize(pools.size());
        return {allowance.data(), left.data(), candidates.data(), turns.data(), false};
    }
    DisruptionCommand disrupt() { return find_disruption(scene(), {}, round(), seconds(100)); }
};

}  // namespace

TEST_CASE("karpenter: a node whose pods fit elsewhere is removed, unless the others are not settled") {
    Cluster cluster;
    cluster.add(1, 2);
    cluster.add(1, 2);
    const std::int32_t candidate[] = {0};
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1).action == ConsolidationAction::remove);
    cluster.views[1].last_pod_event = seconds(95);
    cluster.views[1].consolidate_after = seconds(30);
    cluster.pool().offerings = OfferingSet::first(2);
    // Two GPUs need a large node again, on-demand at the same price: no strict gain.
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1).action == ConsolidationAction::none);
}

TEST_CASE("karpenter: a replacement must be strictly cheaper and is pinned to spot where that was judged") {
    Cluster cluster;
    cluster.add(1, 1);  // one pod on a large on-demand node at 3500
    const std::int32_t candidate[] = {0};
    const Consolidation found = try_consolidation(cluster.scene(), {}, candidate, 1);
    CHECK(found.action == ConsolidationAction::replace);
    CHECK(found.replacement.has(2));        // large, spot, 1200
    CHECK_FALSE(found.replacement.has(0));  // small, on-demand, 1000: dropped by the pin
    cluster.pool().offerings.remove(2);
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1).replacement.has(0));
    // A spot node is not exchanged for spot without the gate, nor with fewer than fifteen cheaper types.
    Cluster spot;
    spot.add(2, 1);
    CHECK(try_consolidation(spot.scene(), {}, candidate, 1).action == ConsolidationAction::none);
    KarpenterDisruptionRules rules;
    rules.spot_to_spot = true;
    CHECK(try_consolidation(spot.scene(), rules, candidate, 1).action == ConsolidationAction::none);
}

TEST_CASE("karpenter: several small nodes become one large one, the longest prefix that pays") {
    Cluster cluster;
    cluster.pool().offerings = OfferingSet::first(2);  // on-demand only: small 1000, large 3500
    for (int i = 0; i < 4; ++i) cluster.add(0, 1);
    const std::int32_t candidates[] = {0, 1, 2, 3};
    std::int32_t taken = 0;
    // Four small nodes cost 4000 and fit one large node at 3500; three cost 3000 and do not pay, nor do two,
    // so the bisection (it tries three first) finds nothing.
    CHECK(try_consolidation(cluster.scene(), {}, candidates, 4).action == ConsolidationAction::replace);
    CHECK(consolidate_many(cluster.scene(), {}, candidates, 4, taken).action == ConsolidationAction::none);
    CHECK(taken == 0);
    // At 1500 each three cost 4500 and pay, so the bisection goes on to all four.
    for (KarpenterOffering& offering : cluster.offerings)
        if (offering.type == 0) offering.price_nano_usd_per_hour = 1'500;
    CHECK(consolidate_many(cluster.scene(), {}, candidates, 4, taken).action == ConsolidationAction::replace);
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

TEST_CASE("karpenter: offering sets walk their members") {
    OfferingSet set;
    for (const int i : {0, 63, 64, 200, 511}) set.add(i);
    std::vector<int> members;
    for (std::int32_t i = set.next(0); i >= 0; i = set.next(i + 1)) members.push_back(i);
    CHECK(members == std::vector<int>{0, 63, 64, 200, 511});
    CHECK(set.next(512) == -1);
    CHECK(set.count() == 5);
    OfferingSet part = set;
    part.remove(64);
    CHECK(part.is_subset_of(set));
    CHECK_FALSE(set.is_subset_of(part));
}

TEST_CASE("karpenter: pods are planned by cpu, then memory, then age, whatever their GPUs") {
    Batch batch;
    batch.pool().offerings = {};
    batch.add(gpu_group(4), 1);
    batch.add(gpu_group(1), 1).request[resource_memory_bytes] = 17'000;
    batch.add(gpu_group(0), 1).request[resource_cpu_milli] = 4001;
    batch.add(gpu_group(1), 2);
    batch.pods[3].created = batch.pods[4].created = -1;
    batch.pods[3].uid = 9;
    batch.pods[4].uid = 3;
    CHECK(batch.run().unscheduled == 5);
    std::vector<std::int32_t> order;
    for (const KarpenterPod& pod : batch.pods) order.push_back(pod.group);
    CHECK(order == std::vector<std::int32_t>{2, 1, 3, 3, 0});
    CHECK(batch.pods[2].uid == 3);
}

TEST_CASE("karpenter: among planned nodes the one with the fewest pods comes first") {
    Batch batch;  // two nodes of one large pod each (3 of 4 GPUs), then two small pods: one goes to each
    batch.add(gpu_group(3), 2).request[resource_cpu_milli] = 9000;
    batch.add(gpu_group(1), 2);
    CHECK(batch.run().claim_count == 2);
    CHECK(batch.claims[0].pod_count == 2);
    CHECK(batch.claims[1].pod_count == 2);
}

TEST_CASE("karpenter: pools come in order, and a pool that may not launch passes the pod on") {
    Batch batch;
    batch.pools.push_back(batch.pools[0]);
    batch.pools[0].limits_nodes = true;
    batch.pools[0].remaining_nodes = 1;
    batch.add(gpu_group(4), 2);
    CHECK(batch.run().claim_count == 2);
    CHECK(batch.claims[0].pool == 0);
    CHECK(batch.claims[1].pool == 1);
}

TEST_CASE("karpenter: minValues refuse a planned node that has become too narrow") {
    Batch batch;
    batch.pool().min_types = 2;
    batch.add(gpu_group(1), 2);  // one pod: either type; two: the large type only
    CHECK(batch.run().claim_count == 2);
    batch.pool().min_families = 2;  // both types are of one family
    CHECK(batch.run().unscheduled == 2);
}

TEST_CASE("karpenter: a soft constraint is given up when the pod finds nothing with it") {
    Batch batch;
    KarpenterPodGroup soft = gpu_group(1);
    soft.allowed = {};  // prefers what does not exist
    soft.relaxed = 1;
    batch.add(soft, 2);
    batch.add(gpu_group(1), 1);
    const ProvisioningPlan plan = batch.run();
    CHECK(plan.unscheduled == 0);
    CHECK(plan.claim_count == 1);
    // The two that gave way come behind the one that did not have to.
    CHECK(batch.claims[0].pod_count == 3);
}

TEST_CASE("karpenter: a spread over zones pins planned nodes to the emptier zones in turn") {
    Batch batch;
    for (KarpenterOffering& offering : batch.offerings) offering.zone = 0;
    batch.offerings.push_back(batch.offerings[1]);
    batch.offerings.back().zone = 1;
    batch.pool().offerings = OfferingSet::first(4);
    KarpenterPodGroup spread = gpu_group(4);
    spread.allowed = OfferingSet::first(4);
    spread.labels = 1;
    spread.zone_label = 0;
    spread.zone_skew = 1;
    batch.add(spread, 4);
    batch.topology.in_zone[0][0] = 2;  // two run in zone 0 already
    CHECK(batch.run().claim_count == 4);
    std::vector<bool> in_zone_1;
    for (int i = 0; i < 4; ++i)
        in_zone_1.push_back(batch.claims[static_cast<std::size_t>(i)].offerings.has(3));
    CHECK(in_zone_1 == std::vector<bool>{true, true, false, true});
    // Where zone 1 may not be used any more, its pods hold the others back.
    batch.topology = {};
    batch.pool().offerings.remove(3);
    CHECK(batch.run().unscheduled == 3);
}

TEST_CASE("karpenter: a spread over hosts limits the pods of a node") {
    Batch batch;
    KarpenterPodGroup spread = gpu_group(1);
    spread.labels = 2;
    spread.host_label = 1;
    spread.host_skew = 2;
    batch.add(spread, 5);
    batch.add_node(node_amounts(48'000, 384'000, 200, 4), 1);
    batch.nodes[0].labelled[1] = 1;  // room for one more
    CHECK(batch.run().claim_count == 2);
    CHECK(batch.nodes[0].labelled[1] == 2);
    CHECK(batch.claims[0].pod_count == 2);
}

TEST_CASE("karpenter: like pods remember where they were refused, and it changes nothing") {
    // 300 pods over 40 nodes with changing room, planned as one group and as 300 groups of one.
    const auto build = [](bool alike) {
        Batch batch;
        batch.claims.resize(300);
        for (int n = 0; n < 40; ++n) batch.add_node(node_amounts(48'000, 384'000, 200, n * 7 % 5), 1);
        if (alike)
            batch.add(gpu_group(1), 300);
        else
            for (int i = 0; i < 300; ++i) batch.add(gpu_group(1), 1);
        return batch;
    };
    Batch one = build(true), many = build(false);
    const ProvisioningPlan a = one.run(), b = many.run();
    CHECK(a.claim_count == b.claim_count);
    for (std::size_t i = 0; i < 300; ++i) {
        CHECK(one.pods[i].node == many.pods[i].node);
        CHECK(one.pods[i].claim == many.pods[i].claim);
    }
}

TEST_CASE("karpenter: a launch takes one capacity type and marks what it tried in vain") {
    const std::vector<KarpenterOffering> offerings = gpu_offerings();
    const OfferingSet all = OfferingSet::first(3);
    CHECK(launch_claim(offerings.data(), all, {}, {}).offering == 2);
    OfferingSet empty;
    empty.add(2);
    // Spot has no capacity: the claim fails as a whole and only the spot offering is marked ...
    const LaunchAnswer refused = launch_claim(offerings.data(), all, empty, {});
    CHECK(refused.offering == -1);
    CHECK(refused.failed.has(2));
    CHECK(refused.failed.count() == 1);
    // ... so that the next plan, without it, falls back to on-demand.
    const LaunchAnswer next = launch_claim(offerings.data(), all.without(refused.failed), empty, {});
    CHECK(next.offering == 0);
    CHECK(next.failed.empty());
    CHECK(launch_claim(offerings.data(), {}, {}, {}).offering == -1);
}

TEST_CASE("karpenter: spot goes to the cheapest deep pool, the request to sixty types") {
    std::vector<KarpenterOffering> offerings(70);
    for (int i = 0; i < 70; ++i) {
        offerings[static_cast<std::size_t>(i)].kind = OfferingKind::spot;
        offerings[static_cast<std::size_t>(i)].type = i;
        offerings[static_cast<std::size_t>(i)].price_nano_usd_per_hour = 1000 - i;
    }
    const OfferingSet all = OfferingSet::first(70);
    CHECK(launch_request(offerings.data(), all).count() == 60);
    CHECK_FALSE(launch_request(offerings.data(), all).has(9));
    OfferingSet deep;
    deep.add(5);  // not among the sixty cheapest
    CHECK(launch_claim(offerings.data(), all, {}, deep).offering == 69);
    deep.add(20);
    deep.add(30);
    CHECK(launch_claim(offerings.data(), all, {}, deep).offering == 30);
}

TEST_CASE("karpenter: empty nodes go first and all at once, as far as the budget goes") {
    Cluster cluster;
    cluster.add(1, 0);
    cluster.add(0, 0);
    cluster.add(2, 0);
    cluster.add(1, 2);
    cluster.views[0].only_when_empty = true;
    cluster.allowance[0].empty = 2;
    const DisruptionCommand command = cluster.disrupt();
    CHECK(command.method == DisruptionMethod::emptiness);
    CHECK(command.candidate_count == 2);
    CHECK(cluster.candidates[0] == 0);  // 3500 before 1200 before 1000
    CHECK(cluster.candidates[1] == 2);
    // A node whose pods cost nothing to evict counts as empty; one that had a pod event does not yet.
    cluster.views[1].do_not_disrupt = cluster.views[2].do_not_disrupt = true;
    cluster.views[0].consolidate_after = seconds(60);
    cluster.views[0].last_pod_event = seconds(41);
    cluster.views[3].eviction_cost = 0.0;
    CHECK(cluster.disrupt().candidate_count == 1);
    CHECK(cluster.candidates[0] == 3);
}

TEST_CASE(
    "karpenter: a drifted node is replaced whatever that costs, over objections where there is a grace") {
    Cluster cluster;
    cluster.pool().offerings = OfferingSet::first(2);
    cluster.add(1, 4);
    cluster.add(1, 4);
    cluster.views[1].drifted = cluster.views[0].drifted = true;
    cluster.views[0].drifted_at = seconds(50);
    cluster.views[1].drifted_at = seconds(40);
    const DisruptionCommand command = cluster.disrupt();
    CHECK(command.method == DisruptionMethod::drift);
    CHECK(command.action == ConsolidationAction::replace);
    CHECK(command.replacements == 1);
    CHECK(cluster.candidates[0] == 1);
    cluster.views[1].budget_blocked = true;
    CHECK(cluster.disrupt().candidate_count == 1);
    CHECK(cluster.candidates[0] == 0);
    cluster.views[1].has_termination_grace = true;
    CHECK(cluster.disrupt().candidate_count == 1);
    CHECK(cluster.candidates[0] == 1);
    cluster.allowance[0].drifted = 0;
    CHECK(cluster.disrupt().method == DisruptionMethod::none);
}

TEST_CASE("karpenter: single nodes are tried pool by pool, and trying leaves the cluster as it was") {
    Cluster cluster;
    cluster.pools.push_back(cluster.pools[0]);
    cluster.pools[0].offerings = cluster.pools[1].offerings = {};  // no replacements
    cluster.allowance.push_back({100, 100, 100});
    cluster.add(1, 3, 0);
    cluster.add(1, 3, 0);
    cluster.add(0, 1, 1);
    const std::vector<KarpenterNode> before = cluster.nodes;
    const DisruptionCommand command = cluster.disrupt();
    // The single pod of pool 1 fits beside either of the others; three pods fit nowhere.
    CHECK(command.method == DisruptionMethod::single_node);
    CHECK(command.action == ConsolidationAction::remove);
    CHECK(cluster.candidates[0] == 2);
    for (std::size_t n = 0; n < before.size(); ++n) CHECK(cluster.nodes[n].free == before[n].free);
    // Found, validated, and dropped once a pod has come or the room is gone.
    const std::int32_t found[] = {2};
    CHECK(is_still_valid(cluster.scene(), {}, cluster.round(), command, found, seconds(100)));
    cluster.nodes[0].free[resource_extended] = cluster.nodes[1].free[resource_extended] = 0;
    CHECK_FALSE(is_still_valid(cluster.scene(), {}, cluster.round(), command, found, seconds(100)));
    cluster.nodes = before;
    cluster.views[2].nominated = true;
    CHECK_FALSE(is_still_valid(cluster.scene(), {}, cluster.round(), command, found, seconds(100)));
    cluster.views[2].nominated = false;
    cluster.allowance[1].underutilized = 0;
    CHECK(cluster.disrupt().method == DisruptionMethod::none);
    cluster.allowance[1].underutilized = 1;
    DisruptionRound unchanged = cluster.round();
    unchanged.consolidated = true;
    CHECK(find_disruption(cluster.scene(), {}, unchanged, seconds(100)).method == DisruptionMethod::none);
}

TEST_CASE("karpenter: pods do not move to nodes that are not initialised or are leaving") {
    Cluster cluster;
    cluster.pool().offerings = {};
    cluster.add(1, 1);
    cluster.add(1, 1);
    const std::int32_t candidate[] = {0};
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1).action == ConsolidationAction::remove);
    cluster.views[1].initialized = false;
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1).action == ConsolidationAction::none);
    cluster.views[1].initialized = true;
    cluster.views[1].deleting = true;
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1).action == ConsolidationAction::none);
}

TEST_CASE("karpenter: nobody goes for the sake of a node that is still coming") {
    Cluster cluster;
    cluster.add(1, 1);
    cluster.add(1, 0);
    const std::int32_t candidate[] = {0};
    cluster.views[1].initialized = false;
    // The pod would go to the coming node before a new one is planned: that one may yet fail, so nothing is done.
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1).action == ConsolidationAction::none);
    // Where that node is spoken for, a new one at 1200 takes the place of the one at 3500.
    cluster.nodes[1].free = {};
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1).action == ConsolidationAction::replace);
}

TEST_CASE("karpenter: a node in a reservation saves nothing, so nothing cheaper replaces it") {
    Cluster cluster;
    cluster.add(1, 1);
    const std::int32_t candidate[] = {0};
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1).action == ConsolidationAction::replace);
    cluster.views[0].reserved = true;
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1).action == ConsolidationAction::none);
    CHECK(candidate_value(cluster.views[0], cluster.offerings[1]) == 0.0);
    cluster.add(1, 1);  // its pod still may go where there is room
    CHECK(try_consolidation(cluster.scene(), {}, candidate, 1).action == ConsolidationAction::remove);
}

TEST_CASE("karpenter: what Emptiness' budget keeps is not consolidated, and a dropped command is followed by the next method") {
    Cluster cluster;
    cluster.add(1, 1);
    cluster.add(1, 1);
    cluster.views[0].eviction_cost = 0.0;  // its pod costs nothing: it counts as empty
    const DisruptionCommand first = cluster.disrupt();
    CHECK(first.method == DisruptionMethod::emptiness);
    CHECK(cluster.candidates[0] == 0);
    // Dropped 15 s later: the other's pod fits beside it, which single-node consolidation finds at once.
    const DisruptionCommand next = find_disruption(cluster.scene(), {}, cluster.round(), seconds(100), first.method);
    CHECK(next.method == DisruptionMethod::single_node);
    CHECK(cluster.candidates[0] == 1);
    CHECK(find_disruption(cluster.scene(), {}, cluster.round(), seconds(100), next.method).method == DisruptionMethod::none);
    cluster.allowance[0].empty = 0;
    cluster.views[1].do_not_disrupt = true;
    CHECK(cluster.disrupt().method == DisruptionMethod::none);
}

TEST_CASE("karpenter: a claim's timers, its GPUs, pod events and the tiers of a drain") {
    CHECK(claim_times_out_at(ClaimPhase::launching, seconds(10)) == seconds(310));
    CHECK(claim_times_out_at(ClaimPhase::launched, seconds(10)) == seconds(910));
    CHECK(claim_times_out_at(ClaimPhase::registered, seconds(10)) == never);
    CHECK_FALSE(is_initialized(true, true, 8, 0));  // Ready, but the device plugin is not up
    CHECK(is_initialized(true, true, 8, 8));
    CHECK_FALSE(is_initialized(true, false, 0, 0));
    Tick last;
    bool any = false;
    note_pod_event(last, any, seconds(5));
    note_pod_event(last, any, seconds(14));
    CHECK(last == seconds(5));
    note_pod_event(last, any, seconds(15));
    CHECK(last == seconds(15));
    CHECK(tier_to_drain({0, 2, 1, 0}) == 1);
    CHECK(tier_to_drain({0, 0, 0, 0}) == -1);
    CHECK(forced_termination_at(seconds(5), seconds(60)) == seconds(65));
    CHECK(forced_termination_at(seconds(5), never) == never);
    const ActiveInterval hours[] = {{seconds(10), seconds(20)}, {seconds(30), seconds(40)}};
    CHECK_FALSE(is_active(hours, 2, seconds(9)));
    CHECK(is_active(hours, 2, seconds(10)));
    CHECK_FALSE(is_active(hours, 2, seconds(20)));
    CHECK(is_active(hours, 2, seconds(39)));
    CHECK_FALSE(is_active(hours, 2, seconds(40)));
}
