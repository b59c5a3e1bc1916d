#include "policies/ca_estimator.hpp"
#include "policies/karpenter_provisioning.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <random>
#include <vector>

/// Node autoscalers' packing on random pods: nothing stands where it does not fit, limits hold, nobody is
/// left out who would still fit, and the estimator equals a second implementation that looks at every node
/// for every pod.
using namespace windtunnel;

namespace {

using Random = std::mt19937_64;
std::int64_t upto(Random& random, std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

ResourceAmounts random_amounts(Random& random, std::int64_t cpu, std::int64_t memory, std::int64_t gpus) {
    ResourceAmounts amounts;
    amounts[resource_cpu_milli] = upto(random, 0, cpu);
    amounts[resource_memory_bytes] = upto(random, 0, memory);
    amounts[resource_pods] = 1;
    amounts[resource_extended] = upto(random, 0, 2) == 0 ? upto(random, 0, gpus) : 0;
    return amounts;
}

bool all_at_least_zero(const ResourceAmounts& amounts) {
    return std::all_of(std::begin(amounts.amount), std::end(amounts.amount),
                       [](std::int64_t amount) { return amount >= 0; });
}

/// Clause 10.4 for groups without spread, pod by pod.
struct SlowEstimate {
    std::int32_t nodes = 0;
    std::vector<std::int32_t> scheduled;
};
SlowEstimate slow_estimate(const std::vector<CaPodGroup>& groups, const CaNode& shape,
                           std::int32_t max_nodes) {
    const auto score = [&](const CaPodGroup& group) {
        double sum = 0.0;
        for (const int kind : {resource_cpu_milli, resource_memory_bytes})
            if (shape.free[kind] > 0)
                sum += static_cast<double>(group.request[kind]) / static_cast<double>(shape.free[kind]);
        return sum;
    };
    std::vector<std::size_t> order(groups.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return score(groups[a]) > score(groups[b]); });
    std::vector<CaNode> open;
    SlowEstimate result;
    result.scheduled.resize(groups.size());
    const auto put = [&](const CaPodGroup& group, CaNode& node) {
        if (!fits(group.request, node.free) || (group.host_ports & node.host_ports) != 0) return false;
        node.free -= group.request;
        node.host_ports |= group.host_ports;
        node.used = true;
        return true;
    };
    bool permitted = true;
    for (const std::size_t g : order) {
        const CaPodGroup& group = groups[g];
        std::int32_t& scheduled = result.scheduled[g];
        const auto on_open = [&] {
            return std::any_of(open.begin(), open.end(), [&](CaNode& node) { return put(group, node); });
        };
        while (scheduled < group.count && on_open()) ++scheduled;
        while (permitted && scheduled < group.count) {
            if (!open.empty() && put(group, open.back())) {
                ++scheduled;
                continue;
            }
            if (!open.empty() && !open.back().used) break;
            permitted = max_nodes == 0 || static_cast<std::int32_t>(open.size()) < max_nodes;
            if (!permitted) break;
            open.push_back(shape);
            open.back().used = false;
            if (!put(group, open.back())) break;
            ++scheduled;
        }
    }
    result.nodes = static_cast<std::int32_t>(
        std::count_if(open.begin(), open.end(), [](const CaNode& node) { return node.used; }));
    return result;
}

}  // namespace

TEST_CASE("cluster autoscaler: the estimate equals a pod-by-pod one and stays within its bounds") {
    Random random(76);
    int limited = 0;
    for (int round = 0; round < 4'000; ++round) {
        CaNode shape;
        shape.free[resource_cpu_milli] = upto(random, 1, 8) * 1000;
        shape.free[resource_memory_bytes] = upto(random, 1, 8) * 1000;
        shape.free[resource_pods] = upto(random, 1, 12);
        shape.free[resource_extended] = upto(random, 0, 8);
        std::vector<CaPodGroup> groups(static_cast<std::size_t>(upto(random, 1, 5)));
        std::int32_t pods = 0;
        for (CaPodGroup& group : groups) {
            group.request = random_amounts(random, 3000, 3000, 4);
            group.count = static_cast<std::int32_t>(upto(random, 0, 12));
            group.label = static_cast<std::int32_t>(&group - groups.data());
            if (upto(random, 0, 4) == 0) group.host_ports = std::uint64_t{1} << upto(random, 0, 2);
            pods += group.count;
        }
        const auto max_nodes = static_cast<std::int32_t>(upto(random, 0, 1) == 0 ? 0 : upto(random, 1, 6));
        const SlowEstimate expected = slow_estimate(groups, shape, max_nodes);
        std::vector<CaPodGroup> sorted = groups;
        std::vector<CaNode> nodes(static_cast<std::size_t>(pods) + 8);
        const CaEstimate got =
            estimate_nodes(sorted.data(), static_cast<std::int32_t>(sorted.size()), shape, nodes.data(), 0,
                           static_cast<std::int32_t>(nodes.size()), max_nodes);
        INFO("round " << round);
        REQUIRE_FALSE(got.node_memory_full);
        REQUIRE(got.nodes == expected.nodes);
        ResourceAmounts asked;
        std::int32_t scheduled = 0;
        for (const CaPodGroup& group : sorted) {
            REQUIRE(group.scheduled == expected.scheduled[static_cast<std::size_t>(group.label)]);
            REQUIRE(group.scheduled <= group.count);
            for (std::int32_t i = 0; i < group.scheduled; ++i) asked += group.request;
            scheduled += group.scheduled;
            limited += group.scheduled < group.count ? 1 : 0;
        }
        REQUIRE(got.scheduled_pods == scheduled);
        // Never more nodes than pods or than permitted, never fewer than the sum of requests needs.
        REQUIRE(got.nodes <= scheduled);
        if (max_nodes > 0) REQUIRE(got.nodes <= max_nodes);
        for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
            REQUIRE(asked[kind] <= shape.free[kind] * got.nodes);
        for (const CaNode& node : nodes)
            if (node.opened) REQUIRE(all_at_least_zero(node.free));
    }
    CHECK(limited > 1000);
}

TEST_CASE(
    "karpenter: a random batch stands only where it fits, keeps the limits and leaves out nobody who fits") {
    Random random(77);
    int refused = 0, shared = 0;
    for (int round = 0; round < 3'000; ++round) {
        std::vector<KarpenterOffering> offerings(static_cast<std::size_t>(upto(random, 1, 12)));
        for (KarpenterOffering& offering : offerings) {
            offering.capacity[resource_cpu_milli] = upto(random, 1, 16) * 1000;
            offering.capacity[resource_memory_bytes] = upto(random, 1, 64) * 1000;
            offering.capacity[resource_pods] = upto(random, 3, 12);
            offering.capacity[resource_extended] = upto(random, 0, 1) * upto(random, 1, 8);
            offering.allocatable = offering.capacity;
            offering.allocatable[resource_cpu_milli] -= 100;
            offering.price_nano_usd_per_hour = upto(random, 1, 1000);
            offering.type = static_cast<std::int32_t>(&offering - offerings.data());
        }
        const auto offering_count = static_cast<std::int32_t>(offerings.size());
        std::vector<KarpenterPool> pools(static_cast<std::size_t>(upto(random, 1, 3)));
        for (KarpenterPool& pool : pools) {
            for (std::int32_t i = 0; i < offering_count; ++i)
                if (upto(random, 0, 2) > 0) pool.offerings.add(i);
            if (upto(random, 0, 1) == 0) {
                pool.limited = 1u << resource_cpu_milli;
                pool.remaining[resource_cpu_milli] = upto(random, 0, 40) * 1000;
            }
            pool.limits_nodes = upto(random, 0, 2) == 0;
            pool.remaining_nodes = upto(random, 0, 4);
        }
        std::vector<KarpenterPodGroup> groups(static_cast<std::size_t>(upto(random, 1, 5)));
        for (KarpenterPodGroup& group : groups) {
            group.request = random_amounts(random, 9000, 30'000, 4);
            for (std::int32_t i = 0; i < offering_count; ++i)
                if (upto(random, 0, 3) > 0) group.allowed.add(i);
            if (upto(random, 0, 3) == 0) group.exclusive = std::uint64_t{1} << upto(random, 0, 1);
        }
        std::vector<KarpenterPod> pods(static_cast<std::size_t>(upto(random, 0, 25)));
        for (KarpenterPod& pod : pods) {
            pod.group =
                static_cast<std::int32_t>(upto(random, 0, static_cast<std::int64_t>(groups.size()) - 1));
            pod.created = upto(random, 0, 5);
            pod.uid = random();
        }
        std::vector<KarpenterNode> nodes(static_cast<std::size_t>(upto(random, 0, 4)));
        for (KarpenterNode& node : nodes) {
            node.offering = static_cast<std::int32_t>(upto(random, 0, offering_count - 1));
            node.free = offerings[static_cast<std::size_t>(node.offering)].allocatable;
            node.free[resource_cpu_milli] -= upto(random, 0, node.free[resource_cpu_milli]);
            node.closed = upto(random, 0, 4) == 0;
        }
        const std::vector<KarpenterPool> pools_before = pools;
        const std::vector<KarpenterNode> nodes_before = nodes;
        std::vector<KarpenterClaim> claims(pods.size());
        ProvisioningBatch batch;
        batch.offerings = offerings.data();
        batch.offering_count = offering_count;
        batch.pools = pools.data();
        batch.pool_count = static_cast<std::int32_t>(pools.size());
        batch.groups = groups.data();
        batch.pods = pods.data();
        batch.pod_count = static_cast<std::int32_t>(pods.size());
        batch.nodes = nodes.data();
        batch.node_count = static_cast<std::int32_t>(nodes.size());
        batch.claims = claims.data();
        batch.claim_capacity = static_cast<std::int32_t>(claims.size());
        const ProvisioningPlan plan = plan_batch(batch);
        INFO("round " << round);
        REQUIRE_FALSE(plan.claim_memory_full);

        // Where everybody stands, added up anew.
        std::vector<ResourceAmounts> on_node(nodes.size()),
            on_claim(static_cast<std::size_t>(plan.claim_count));
        std::vector<std::uint64_t> node_sets(nodes.size()), claim_sets(on_claim.size());
        std::vector<OfferingSet> claim_allowed(on_claim.size(), OfferingSet::first(offering_count));
        std::vector<std::int32_t> claim_pods(on_claim.size());
        std::int32_t unscheduled = 0;
        for (const KarpenterPod& pod : pods) {
            const KarpenterPodGroup& group = groups[static_cast<std::size_t>(pod.group)];
            REQUIRE((pod.node < 0 || pod.claim < 0));
            if (pod.node >= 0) {
                const auto n = static_cast<std::size_t>(pod.node);
                REQUIRE_FALSE(nodes[n].closed);
                REQUIRE(group.allowed.has(nodes[n].offering));
                REQUIRE((node_sets[n] & group.exclusive) == 0);
                node_sets[n] |= group.exclusive;
                on_node[n] += group.request;
            } else if (pod.claim >= 0) {
                const auto c = static_cast<std::size_t>(pod.claim);
                REQUIRE((claim_sets[c] & group.exclusive) == 0);
                claim_sets[c] |= group.exclusive;
                on_claim[c] += group.request;
                claim_allowed[c] &= group.allowed;
                shared += ++claim_pods[c] == 2 ? 1 : 0;
            } else {
                ++unscheduled;
            }
        }
        REQUIRE(plan.unscheduled == unscheduled);
        refused += unscheduled;
        for (std::size_t n = 0; n < nodes.size(); ++n)
            for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
                REQUIRE(on_node[n][kind] <= std::max<std::int64_t>(0, nodes_before[n].free[kind]));
        // Every offering that is left holds all pods of its claim, and no suitable one was dropped.
        std::vector<ResourceAmounts> charged(pools.size());
        std::vector<std::int64_t> planned(pools.size());
        for (std::int32_t c = 0; c < plan.claim_count; ++c) {
            const KarpenterClaim& claim = claims[static_cast<std::size_t>(c)];
            const auto at = static_cast<std::size_t>(c), p = static_cast<std::size_t>(claim.pool);
            REQUIRE_FALSE(claim.offerings.empty());
            REQUIRE(claim.offerings.is_subset_of(claim_allowed[at]));
            REQUIRE(claim.offerings.is_subset_of(pools_before[p].offerings));
            ResourceAmounts largest;
            for (std::int32_t i = claim.offerings.next(0); i >= 0; i = claim.offerings.next(i + 1)) {
                const KarpenterOffering& offering = offerings[static_cast<std::size_t>(i)];
                REQUIRE(fits(on_claim[at], offering.allocatable));
                for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
                    largest[kind] = std::max(largest[kind], offering.capacity[kind]);
            }
            charged[p] += largest;
            ++planned[p];
        }
        // Whatever each claim becomes, the pool's limits hold together (9.3.6).
        for (std::size_t p = 0; p < pools.size(); ++p) {
            if (pools_before[p].limited != 0)
                REQUIRE(charged[p][resource_cpu_milli] <= pools_before[p].remaining[resource_cpu_milli]);
            if (pools_before[p].limits_nodes) REQUIRE(planned[p] <= pools_before[p].remaining_nodes);
        }
        // Nobody is left out who would still fit on a node, beside a planned one, or on a new one.
        for (const KarpenterPod& pod : pods) {
            if (pod.node >= 0 || pod.claim >= 0) continue;
            const KarpenterPodGroup& group = groups[static_cast<std::size_t>(pod.group)];
            for (std::size_t n = 0; n < nodes.size(); ++n)
                REQUIRE((nodes[n].closed || !group.allowed.has(nodes[n].offering) ||
                         (node_sets[n] & group.exclusive) != 0 || !fits(group.request, nodes[n].free)));
            for (std::size_t c = 0; c < on_claim.size(); ++c)
                for (std::int32_t i = 0; i < offering_count; ++i)
                    REQUIRE((!claims[c].offerings.has(i) || !group.allowed.has(i) ||
                             (claim_sets[c] & group.exclusive) != 0 ||
                             !fits(on_claim[c] + group.request,
                                   offerings[static_cast<std::size_t>(i)].allocatable)));
            for (const KarpenterPool& pool : pools)
                for (std::int32_t i = 0; i < offering_count; ++i) {
                    const KarpenterOffering& offering = offerings[static_cast<std::size_t>(i)];
                    const bool within = (!pool.limits_nodes || pool.remaining_nodes > 0) &&
                                        (pool.limited == 0 || offering.capacity[resource_cpu_milli] <=
                                                                  pool.remaining[resource_cpu_milli]);
                    REQUIRE((!pool.offerings.has(i) || !group.allowed.has(i) || !within ||
                             !fits(group.request, offering.allocatable)));
                }
        }
    }
    CHECK(refused > 1000);
    CHECK(shared > 1000);
}
