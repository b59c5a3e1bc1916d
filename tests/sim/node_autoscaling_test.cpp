#include "tests/support/node_lab.hpp"
#include "tests/support/random_cluster.hpp"

using namespace windtunnel;
using namespace windtunnel::lab;

namespace {

BlueprintParts autoscaled() {
    BlueprintParts parts = up_and_down(5, seconds(3 * 3600));
    PoolPlan pool;
    pool.node_slots = 4;
    parts.add(pool, gpu_nodes(2, 4));
    return parts;
}

BlueprintParts karpenter_pool() {
    BlueprintParts parts = up_and_down(5, seconds(3 * 3600));
    PoolPlan pool;
    pool.node_slots = 8;
    pool.provisioner = Provisioner::karpenter;
    pool.karpenter = 0;
    parts.add(pool, gpu_nodes(2, 4));
    parts.shapes.push_back(gpu_nodes(1, 2));
    parts.shapes[1].type = 1;
    parts.pools[0].shape_count = 2;
    KarpenterPoolPlan plan;
    plan.consolidate_after = seconds(30);
    parts.karpenter_pools = {plan};
    return parts;
}

}  // namespace

TEST_CASE("cluster autoscaler: young pods wait one scan, unneeded nodes ten minutes") {
    Runs runs;
    const TrialOutcome outcome = runs.run(autoscaled());
    // Five pods need three nodes of two GPUs. Pods come at 103 s, wake the loop, are too young, and are
    // helped one scan interval later; 60 s after that the nodes are there.
    const std::vector<double> asked = runs.log->times(NodeState::provisioning);
    REQUIRE(asked.size() == 2);
    CHECK(asked[0] == Approx(113.02));
    CHECK(asked[1] == Approx(113.02));
    CHECK(runs.log->times(NodeState::ready)[0] == Approx(173.02));
    // At 1000 s one pod is left. The empty nodes are seen at the next scan and go strictly after 600 s.
    const std::vector<double> gone = runs.log->times(NodeState::none);
    REQUIRE(gone.size() == 2);
    CHECK(gone[0] > 1600);
    CHECK(gone[0] < 1625);
    // The third node, with a single pod before, was found unremovable less than 5 min earlier and is only
    // looked at again when that time is over.
    CHECK(gone[1] > 1600);
    CHECK(gone[1] < 1625 + 300);
    CHECK(outcome.tally.pools[0].nodes.value == 1);
}

TEST_CASE("cluster autoscaler: the loop is plain before 1.35 and pools keep their limits") {
    Runs runs;
    BlueprintParts parts = autoscaled();
    parts.cluster_autoscaler.loop.frequent_loops = false;  // at 110 s the pods are old enough
    parts.pools[0].node_slots = 2;
    parts.pools[0].minimum = 2;
    const TrialOutcome outcome = runs.run(parts);
    REQUIRE(runs.log->times(NodeState::provisioning).size() == 1);
    CHECK(runs.log->times(NodeState::provisioning)[0] == Approx(110.0));
    CHECK(runs.log->times(NodeState::none).empty());
    CHECK(outcome.tally.pools[0].nodes.most == 2);
}

TEST_CASE("cluster autoscaler: the expander decides which group grows") {
    Runs runs;
    BlueprintParts parts = autoscaled();
    PoolPlan pool;
    pool.node_slots = 4;
    ShapePlan wasteful = gpu_nodes(2, 1);  // cheaper, but with more idle cpu
    wasteful.capacity[resource_cpu_milli] = wasteful.allocatable[resource_cpu_milli] = 64'000;
    parts.add(pool, wasteful);
    CHECK(runs.run(parts).tally.pools[0].launched == 2);
    parts.cluster_autoscaler.expanders[0] = CaExpander::price;
    CHECK(runs.run(parts).tally.pools[0].launched == 0);
}

TEST_CASE("cluster autoscaler: a little used node is drained onto the others") {
    Runs runs;
    BlueprintParts parts = autoscaled();
    parts.schedule = {{seconds(103), 0, 6}, {seconds(1000), 0, 3}};
    parts.workloads[0].pod_slots = 12;
    const TrialOutcome outcome = runs.run(parts);
    CHECK(outcome.tally.pools[0].nodes.value == 2);
    CHECK(outcome.tally.ready_replicas.value == 3);
}

TEST_CASE("karpenter: one second of quiet closes the batch, and empty nodes go after their rest") {
    Runs runs;
    const TrialOutcome outcome = runs.run(karpenter_pool());
    // Four pods share two nodes of two GPUs, planned when the window closes.
    const std::vector<double> asked = runs.log->times(NodeState::provisioning);
    REQUIRE(asked.size() >= 2);
    CHECK(asked[0] == Approx(104.0));
    CHECK(asked[1] == Approx(104.0));
    CHECK(runs.log->changes[2].shape == 0);
    // consolidateAfter 30 s, a poll of 10 s, 15 s of validation.
    double first = 0;
    for (const double at : runs.log->times(NodeState::none))
        if (first == 0) first = at;
    CHECK(first >= 1045);
    CHECK(first <= 1056);
    // In the end one pod is left, on the cheapest node that holds it.
    CHECK(outcome.tally.pools[0].nodes.value == 1);
    CHECK(outcome.tally.pools[0].price.value == 2'000'000'000);
    CHECK(outcome.tally.ready_replicas.value == 1);
}

TEST_CASE("karpenter: consolidateAfter Never keeps every node, a budget of none too") {
    Runs runs;
    BlueprintParts parts = karpenter_pool();
    parts.karpenter_pools[0].consolidate_after = never;
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 3);
    parts = karpenter_pool();
    KarpenterBudgetPlan nothing;
    nothing.budget.nodes = integer(0);
    parts.karpenter_budgets = {nothing};
    parts.karpenter_pools[0].budget_count = 1;
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 3);
}

TEST_CASE("karpenter: limits bound what is launched") {
    Runs runs;
    BlueprintParts parts = karpenter_pool();
    parts.karpenter_pools[0].limited = 1u << resource_gpus;
    parts.karpenter_pools[0].limits = resource_amounts(3, 0, 0, 0);
    const TrialOutcome outcome = runs.run(parts);
    CHECK(outcome.tally.pools[0].gpus.most == 3);
}

TEST_CASE("karpenter: an expired node goes without a replacement first") {
    Runs runs;
    BlueprintParts parts = karpenter_pool();
    parts.schedule.clear();
    parts.karpenter_pools[0].expire_after = seconds(3600);
    const TrialOutcome outcome = runs.run(parts);
    CHECK(runs.log->times(NodeState::none)[0] == Approx(3600).margin(10));
    CHECK(outcome.tally.pools[0].launched == 3);  // at 0, about 3600 and about 7260 s
    CHECK(outcome.tally.ready_replicas.value == 1);
}

TEST_CASE("karpenter: a reserved node is kept although a cheaper one would do") {
    // The pod starts on the reserved node of two GPUs, which costs nothing more. A node of one GPU is cheaper by its
    // price, but to rent it beside the reservation would only add to the bill.
    Runs runs;
    BlueprintParts parts = karpenter_pool();
    parts.schedule.clear();
    parts.shapes[0].reserved = 1;
    CHECK(runs.run(parts).tally.pools[0].launched == 1);
    parts.shapes[0].reserved = 0;
    parts.shapes[1].nano_usd_per_hour = 3'000'000'000;
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 1);
}

TEST_CASE("karpenter: a template's annotation keeps every node, and a cordoned node goes when it is empty") {
    Runs runs;
    BlueprintParts parts = karpenter_pool();
    parts.karpenter_pools[0].do_not_disrupt = 1;
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 3);
    // The only node, cordoned and from 200 s on empty: Emptiness takes it after consolidateAfter (30 s), a poll and the
    // validation.
    parts = karpenter_pool();
    leave_cordoned(parts);
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 0);
    const std::vector<double> gone = runs.log->times(NodeState::none);
    REQUIRE(gone.size() == 1);
    CHECK(gone[0] > 230);
    CHECK(gone[0] < 300);
}

TEST_CASE("node autoscaling: arenas laid out for a GPU give the same trial") {
    for (const BlueprintParts& parts : {autoscaled(), karpenter_pool()}) {
        Runs runs;
        CHECK(lab::differences(runs.run(parts), runs.run<InterleavedLayout>(parts)) == "");
    }
}
