#include "policies/ca_estimator.hpp"
#include "policies/ca_scale_down.hpp"
#include "policies/ca_scale_up.hpp"
#include "tests/support/node_amounts.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace windtunnel;
using lab::node_amounts;

namespace {

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
    groups[0].request = node_amounts(200, 10, 1);
    groups[0].count = 4;
    groups[1].request = node_amounts(600, 10, 1);
    groups[1].count = 3;
    const CaEstimate result = estimate(groups, node_of(node_amounts(1000, 1000, 110)), {}, 0);
    CHECK(result.nodes == 3);
    CHECK(result.scheduled_pods == 7);
    CHECK(groups[0].request[resource_cpu_milli] == 600);
}

TEST_CASE("cluster autoscaler: a pod that fits no empty node opens one in vain and stops its group") {
    std::vector<CaPodGroup> groups(2);
    groups[0].request = node_amounts(5000, 10, 1);
    groups[0].count = 2;
    groups[1].request = node_amounts(100, 10, 1);
    groups[1].count = 2;
    const CaEstimate result = estimate(groups, node_of(node_amounts(1000, 1000, 110)), {}, 0);
    CHECK(result.nodes == 1);
    CHECK(result.scheduled_pods == 2);
}

TEST_CASE("cluster autoscaler: once no node may be opened, later groups still fill what is open") {
    // 10.4.2. Two nodes of 1000 m at most: two of the four 600 m pods, then 400 m free on each for two pods of
    // 200 m, of five.
    std::vector<CaPodGroup> groups(2);
    groups[0].request = node_amounts(600, 10, 1);
    groups[0].count = 4;
    groups[1].request = node_amounts(200, 10, 1);
    groups[1].count = 5;
    const CaEstimate result = estimate(groups, node_of(node_amounts(1000, 1000, 110)), {}, 2);
    CHECK(result.nodes == 2);
    CHECK(groups[0].scheduled == 2);
    CHECK(groups[1].scheduled == 4);
}

TEST_CASE("cluster autoscaler: a zone without room holds back a spread over zones") {
    std::vector<CaPodGroup> groups(1);
    groups[0].request = node_amounts(200, 10, 1);
    groups[0].count = 8;
    groups[0].spread = {SpreadKey::zone, 2, 1};
    const CaNode full_elsewhere = node_of(node_amounts(100, 100, 10), 1);
    const CaEstimate result = estimate(groups, node_of(node_amounts(1000, 1000, 10), 0), {full_elsewhere}, 0);
    CHECK(result.scheduled_pods == 2);  // skew 2 against zone 1's zero
    CHECK(result.nodes == 1);
}

TEST_CASE("cluster autoscaler: a spread over hosts may use an old node, which then counts") {
    std::vector<CaPodGroup> groups(1);
    groups[0].request = node_amounts(200, 10, 1);
    groups[0].count = 3;
    groups[0].spread = {SpreadKey::hostname, 1, 1};
    const CaEstimate result =
        estimate(groups, node_of(node_amounts(1000, 1000, 10)), {node_of(node_amounts(1000, 1000, 10))}, 1);
    // One new node takes a pod (1-0 <= 1), the second must go to the old node, the third anywhere again.
    CHECK(result.nodes == 2);
    CHECK(result.scheduled_pods == 3);
}

TEST_CASE("cluster autoscaler: too little memory for nodes is reported") {
    std::vector<CaPodGroup> groups(1);
    groups[0].request = node_amounts(1000, 10, 1);
    groups[0].count = 3;
    CHECK(estimate(groups, node_of(node_amounts(1000, 1000, 10)), {}, 0, 2).node_memory_full);
}

TEST_CASE("cluster autoscaler: expanders keep exact ties and priority keeps all when nothing matches") {
    CaOption small{node_amounts(4000, 4000, 0), 2, node_amounts(4000, 4000, 0), 4, 200, 0, false};
    CaOption large{node_amounts(8000, 8000, 0), 1, node_amounts(4000, 4000, 0), 4, 150, 0, false};
    CaOption wasteful{node_amounts(64'000, 64'000, 0), 1, node_amounts(4000, 4000, 0), 5, 900, 0, false};
    const CaOption options[] = {small, large, wasteful};
    CHECK(expand(CaExpander::least_waste, options, 3, 7) == 3);
    CHECK(expand(CaExpander::price, options, 3, 3) == 2);
    CHECK(expand(CaExpander::most_pods, options, 3, 7) == 4);
    CHECK(expand(CaExpander::least_nodes, options, 3, 7) == 6);
    CHECK(expand(CaExpander::priority, options, 3, 7) == 7);
}

TEST_CASE("cluster autoscaler: a GPU node is judged by its GPUs alone") {
    CaPod pods[1];
    pods[0].request = node_amounts(9000, 9000, 1, 4);
    CaNodeView node;
    node.allocatable = node_amounts(10'000, 10'000, 110, 8);
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

TEST_CASE("cluster autoscaler: a chain of expanders ends at one option, ties are drawn") {
    CaOption small{node_amounts(4000, 4000, 0), 2, node_amounts(4000, 4000, 0), 4, 200, 0, false};
    CaOption large{node_amounts(8000, 8000, 0), 1, node_amounts(4000, 4000, 0), 4, 150, 0, false};
    CaOption wasteful{node_amounts(64'000, 64'000, 0), 1, node_amounts(4000, 4000, 0), 5, 900, 0, false};
    const CaOption options[] = {small, large, wasteful};
    const CaExpander chain[] = {CaExpander::least_waste, CaExpander::price};
    CHECK(choose_option(chain, 2, options, 3, 12345) == 1);  // equal waste, cheaper
    CHECK(choose_option(chain, 1, options, 3, 0) == 0);
    CHECK(choose_option(chain, 1, options, 3, 1) == 1);
    CHECK(choose_option(chain, 0, options, 3, 5) == 2);  // random
}

TEST_CASE("cluster autoscaler: which groups are options, balancing and overdue nodes") {
    CaBackoff backoff;
    CHECK(skip_group(3, 3, backoff, true, seconds(0)) == CaSkipped::at_max);
    CHECK(skip_group(2, 3, backoff, false, seconds(0)) == CaSkipped::unhealthy);
    back_off({}, backoff, seconds(0));
    CHECK(skip_group(2, 3, backoff, true, seconds(300)) == CaSkipped::backed_off);
    CHECK(skip_group(2, 3, backoff, true, seconds(301)) == CaSkipped::not_skipped);
    CHECK(is_healthy({}, 3, 4));
    CHECK(is_healthy({}, 9, 20));
    CHECK_FALSE(is_healthy({}, 10, 20));
    CaLoopRules strict;
    strict.ok_total_unready = 0;
    strict.max_total_unready_percentage = 20;
    CHECK(is_healthy(strict, 1, 5));
    CHECK_FALSE(is_healthy(strict, 1, 4));
    std::int32_t sizes[] = {5, 1, 1};
    const std::int32_t most[] = {9, 9, 2};
    CHECK(balance_groups(sizes, most, 3, 4) == 4);
    CHECK(sizes[0] == 5);
    CHECK(sizes[1] == 4);
    CHECK(sizes[2] == 2);
    CHECK(balance_groups(sizes, most, 3, 100) == 9);
    CHECK_FALSE(is_overdue({}, seconds(0), seconds(900)));
    CHECK(is_overdue({}, seconds(0), seconds(901)));
    CHECK(pods_that_fit(node_amounts(1000, 10, 1, 2), node_amounts(9000, 1000, 110, 7), 100) == 3);
    CHECK(pods_that_fit(node_amounts(1000, 10, 1), node_amounts(9000, 1000, 110), 2) == 2);
}
