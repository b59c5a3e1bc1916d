#include "tests/support/node_lab.hpp"
#include "tests/support/random_cluster.hpp"

/// cluster-autoscaler as the engine runs it: which pending pods it helps and by how much, which nodes it lets
/// go, and how it empties them (kubernetes.md 10).
using namespace windtunnel;
using namespace windtunnel::lab;

namespace {

/// One pool of at most `most` nodes of `gpus` GPUs; `pods` of one GPU want to come at 103 s.
BlueprintParts waiting(std::uint32_t pods, std::uint32_t most, std::int64_t gpus) {
    BlueprintParts parts = up_and_down(pods, seconds(2 * 3600));
    parts.templates[0].plan.shapes = ShapeSet::first(1);
    parts.workloads[0].initial_replicas = 0;
    parts.schedule = {{seconds(103), 0, pods}};
    PoolPlan pool;
    pool.node_slots = most;
    parts.add(pool, gpu_nodes(gpus, 4));
    return parts;
}
/// Three nodes of two GPUs for six pods; from `at` on three pods go one by one, and one on each node is left.
BlueprintParts half_empty(Tick at = seconds(1000)) {
    BlueprintParts parts = up_and_down(6, seconds(3 * 3600));
    parts.templates[0].plan.shapes = ShapeSet::first(1);
    parts.schedule = {{seconds(103), 0, 6}, {at, 0, 5}, {at + milliseconds(1), 0, 4}, {at + milliseconds(2), 0, 3}};
    PoolPlan pool;
    pool.node_slots = 4;
    parts.add(pool, gpu_nodes(2, 4));
    return parts;
}
std::vector<NodeChange> of_state(const NodeLog& log, NodeState state) {
    std::vector<NodeChange> found;
    for (const NodeChange& c : log.changes)
        if (c.state == state && c.at > 0) found.push_back(c);
    return found;
}
/// Counts a workload's pods by a topology key, for rules of its own.
void count_pods(BlueprintParts& parts, std::uint32_t key, bool terminating) {
    TopologyCounterPlan counter;
    counter.key = key;
    counter.counts_terminating = terminating;
    counter.shapes = ShapeSet::first(static_cast<std::int32_t>(parts.shapes.size()));
    parts.counters = {counter};
    parts.templates[0].counted_by = {0};
}

}  // namespace

TEST_CASE("cluster autoscaler: pods below the cut-off bring no node, and hold none") {
    Runs runs;
    BlueprintParts parts = waiting(1, 2, 1);
    parts.templates[0].plan.priority = -10;  // --expendable-pods-priority-cutoff
    CHECK(runs.run(parts).tally.pools[0].launched == 1);
    parts.templates[0].plan.priority = -11;
    CHECK(runs.run(parts).tally.pools[0].launched == 0);
    // On a node that was there it does not count: after ten minutes the node goes, and the pod waits for
    // ever.
    parts.pools[0].initial = 1;
    const TrialOutcome outcome = runs.run(parts);
    CHECK(outcome.tally.pools[0].nodes.value == 0);
    REQUIRE(runs.log->times(NodeState::none).size() == 1);
    CHECK(runs.log->times(NodeState::none)[0] > 600);
    CHECK(runs.log->times(NodeState::none)[0] < 640);
    CHECK(outcome.tally.evictions == 1);
}

TEST_CASE("cluster autoscaler: a pod for which another is preempted needs no node of its own") {
    Runs runs;
    BlueprintParts parts = waiting(1, 4, 1);
    parts.pools[0].initial = parts.pools[0].minimum = 1;
    parts.workloads[0].initial_replicas = 1;  // the low one, on the only node
    parts.schedule = {{seconds(103), 1, 1}};
    parts.templates[0].plan.grace = parts.templates[0].plan.pre_stop = seconds(60);
    WorkloadPlan high;
    high.pod_slots = 2;
    TemplateParts pods = parts.templates[0];
    pods.plan.priority = 1000;
    parts.add(high, pods);
    // At 113 s the low one still ends, the high one is nominated to its node, and the low one's successor
    // waits: one node, not two.
    CHECK(runs.run(parts).tally.pools[0].launched == 2);
    CHECK(of_state(*runs.log, NodeState::provisioning).size() == 1);
}

TEST_CASE("cluster autoscaler: pods that shun each other get a node each, in one iteration") {
    Runs runs;
    BlueprintParts parts = waiting(3, 4, 8);
    (void)runs.run(parts);
    CHECK(of_state(*runs.log, NodeState::provisioning).size() == 1);
    parts.templates[0].affinity = {{0, topology_hostname, 0, AffinityKind::anti}};
    count_pods(parts, topology_hostname, true);
    (void)runs.run(parts);
    const std::vector<NodeChange> nodes = of_state(*runs.log, NodeState::provisioning);
    REQUIRE(nodes.size() == 3);
    CHECK(nodes[0].at == nodes[2].at);
    CHECK(runs.log->times(NodeState::none).empty());
}

TEST_CASE("cluster autoscaler: a spread over hosts with skew 1 opens a node for each pod") {
    // Two pods want to come; no node is there. On the first new node the first pod makes a skew of 1 against
    // itself (it is the only host: least = 1, so a second pod has 2 - 1 <= 1 and stays). With a second host
    // that is empty (the pool's initial node, full of nothing) least is 0: one pod per host.
    Runs runs;
    BlueprintParts parts = waiting(3, 6, 8);
    parts.templates[0].spread = {{0, topology_hostname, 1, 3, true, true}};  // minDomains 3: least is 0 below
    count_pods(parts, topology_hostname, false);
    (void)runs.run(parts);
    // Fewer than three hosts count as a least of 0: each takes one pod, so three are opened at once.
    const std::vector<NodeChange> nodes = of_state(*runs.log, NodeState::provisioning);
    REQUIRE(nodes.size() == 3);
    CHECK(nodes[0].at == nodes[2].at);
}

TEST_CASE("cluster autoscaler: only the zone that the spread lacks is grown") {
    // Zone 0 has a node of 8 GPUs, zone 1 a node of one. Pods spread over zones with skew 1: two start, one
    // in each; of two more the first still goes to zone 0 (2 against 1), the second may not (3 against 1),
    // and zone 1 is full. Nodes of zone 0 are cheaper, but would not help.
    Runs runs;
    BlueprintParts parts = up_and_down(4, seconds(3600));
    parts.workloads[0].initial_replicas = 2;
    parts.schedule = {{seconds(103), 0, 4}};
    PoolPlan pool;
    pool.node_slots = 4;
    pool.initial = pool.minimum = 1;
    parts.add(pool, gpu_nodes(8, 1));
    parts.add(pool, gpu_nodes(1, 9));
    parts.shape_domains = {0, 1};
    parts.topology_domains = {2};
    parts.cluster_autoscaler.expanders[0] = CaExpander::price;
    parts.templates[0].spread = {{0, 1, 1, 1, true, true}};
    count_pods(parts, 1, false);
    CHECK(runs.run(parts).tally.ready_replicas.value == 4);
    const std::vector<NodeChange> nodes = of_state(*runs.log, NodeState::provisioning);
    REQUIRE(nodes.size() == 1);
    CHECK(nodes[0].shape == 1);
}

TEST_CASE("cluster autoscaler: --max-nodes-total bounds the nodes of all pools together") {
    Runs runs;
    BlueprintParts parts = waiting(5, 8, 1);
    PoolPlan fixed;
    fixed.node_slots = fixed.initial = 1;
    fixed.provisioner = Provisioner::fixed;
    parts.add(fixed, gpu_nodes(1, 4));
    parts.cluster_autoscaler.max_nodes_total = 4;
    CHECK(runs.run(parts).tally.nodes.most == 4);
    parts.cluster_autoscaler.max_nodes_total = 0;
    CHECK(runs.run(parts).tally.nodes.most == 6);
}

TEST_CASE("cluster autoscaler: pods that may not be moved and budgets without room keep their node") {
    Runs runs;
    BlueprintParts parts = half_empty();
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 2);
    parts.templates[0].plan.blocks_removal = 1;
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 3);
    parts.templates[0].plan.blocks_removal = 0;
    parts.budgets = {holds_all()};
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 3);
    // It does not even try: the budget is looked at before the node is chosen.
    CHECK(runs.run(parts).tally.evictions_refused == 0);
    parts.budgets[0].spec.max_unavailable = integer(1);
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 2);
}

TEST_CASE("cluster autoscaler: pods that shun each other are not moved onto one node") {
    Runs runs;
    BlueprintParts parts = half_empty();
    parts.schedule = {{seconds(1000), 0, 3}};
    parts.pools[0].initial = 3;
    parts.templates[0].affinity = {{0, topology_hostname, 0, AffinityKind::anti}};
    count_pods(parts, topology_hostname, true);
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 3);
}

TEST_CASE("cluster autoscaler: moved pods get ten minutes at most, whatever their grace") {
    Runs runs;
    BlueprintParts parts = half_empty(seconds(4500));  // those that the ReplicaSet ends have the whole hour
    parts.templates[0].plan.pre_stop = seconds(3000);
    parts.templates[0].plan.grace = seconds(3600);
    (void)runs.run(parts);
    const std::vector<NodeChange> draining = of_state(*runs.log, NodeState::draining);
    REQUIRE(draining.size() >= 1);
    double gone = 0;
    for (const NodeChange& c : of_state(*runs.log, NodeState::none))
        if (c.node == draining[0].node && gone == 0 && c.at > draining[0].at) gone = c.at;
    CHECK(gone - draining[0].at == Approx(600));
    parts.cluster_autoscaler.max_graceful_termination = seconds(60);
    (void)runs.run(parts);
    const std::vector<NodeChange> again = of_state(*runs.log, NodeState::draining);
    REQUIRE(again.size() >= 1);
    gone = 0;
    for (const NodeChange& c : of_state(*runs.log, NodeState::none))
        if (c.node == again[0].node && gone == 0 && c.at > again[0].at) gone = c.at;
    CHECK(gone - again[0].at == Approx(60));
}

TEST_CASE("cluster autoscaler: a young pod waits although an older one has a node coming") {
    // The first pod wakes the loop at 103 s, is too young, and is served at 113.02 s; its node comes a minute later. The
    // second, of 130 s, is the oldest that nothing is coming for: the loop that it wakes passes it over, too.
    Runs runs;
    BlueprintParts parts = waiting(2, 2, 1);
    parts.schedule = {{seconds(103), 0, 1}, {seconds(130), 0, 2}};
    (void)runs.run(parts);
    const std::vector<double> asked = runs.log->times(NodeState::provisioning);
    REQUIRE(asked.size() == 2);
    CHECK(asked[0] == Approx(113.02));
    CHECK(asked[1] == Approx(140.02));
}

TEST_CASE("cluster autoscaler: an annotated node stays, a cordoned one goes") {
    Runs runs;
    BlueprintParts parts = waiting(1, 2, 1);
    parts.schedule.clear();
    parts.pools[0].initial = 2;
    parts.pools[0].protected_nodes = 1;
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 1);
    parts.pools[0].protected_nodes = 0;
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 0);
    // Cordoned and, from 200 s on, empty: ten minutes later it goes.
    parts.pools[0].initial = 1;
    parts.workloads[0].initial_replicas = 1;
    leave_cordoned(parts);
    CHECK(runs.run(parts).tally.pools[0].nodes.value == 0);
    CHECK(of_state(*runs.log, NodeState::cordoned).size() == 1);
    REQUIRE(runs.log->times(NodeState::none).size() == 1);
    CHECK(runs.log->times(NodeState::none)[0] > 800);
    CHECK(runs.log->times(NodeState::none)[0] < 1200);
}

TEST_CASE("cluster autoscaler: with too many nodes unready it does nothing") {
    // Four of eight nodes are lost at 500 s and noticed within a minute: 4 > 3 and 4 > 45 % of 8. Until their pods are
    // given up, five minutes later, a pod that wants to come at 600 s gets no node; with five unready ones allowed it does.
    Runs runs;
    BlueprintParts parts = waiting(9, 12, 1);
    parts.workloads[0].initial_replicas = 8;
    parts.pools[0].initial = 8;
    parts.schedule = {{seconds(600), 0, 9}};
    parts.events = {{seconds(500), ClusterEventKind::lose_node, {}, 0, 4, 0, {}}};
    parts.span = seconds(700);
    (void)runs.run(parts);
    CHECK(runs.log->times(NodeState::provisioning).empty());
    parts.cluster_autoscaler.loop.ok_total_unready = 5;
    (void)runs.run(parts);
    CHECK(runs.log->times(NodeState::provisioning).size() == 1);
}

TEST_CASE("drain: kubectl asks every 5 s, and gives up where two budgets cover a pod") {
    Runs runs;
    BlueprintParts parts = half_empty();
    parts.schedule.clear();
    parts.pools[0].initial = parts.pools[0].minimum = 2;
    parts.events = {{seconds(100), ClusterEventKind::drain_node, {}, 0, 1, 0, {}}};
    parts.span = seconds(150);
    parts.budgets = {holds_all()};
    // 100, 105, ..., 150 s.
    CHECK(runs.run(parts).tally.evictions_refused == 11);
    CHECK(of_state(*runs.log, NodeState::draining).size() == 1);
    parts.budgets.push_back(holds_all());
    CHECK(runs.run(parts).tally.evictions_refused == 1);  // an error to it: the node stays cordoned
    CHECK(of_state(*runs.log, NodeState::cordoned).size() == 1);
    CHECK(of_state(*runs.log, NodeState::none).empty());
}

TEST_CASE("drain: Karpenter asks again after 100 ms, then after twice as long each time, up to 10 s") {
    Runs runs;
    BlueprintParts parts = half_empty();
    parts.schedule.clear();
    parts.pools[0].provisioner = Provisioner::karpenter;
    parts.pools[0].karpenter = 0;
    KarpenterPoolPlan pool;
    pool.consolidate_after = never;
    pool.expire_after = seconds(100);
    parts.karpenter_pools = {pool};
    parts.span = seconds(131);
    parts.budgets = {holds_all()};
    // Deleted at 100 s: asked then, and 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 12.7, 22.7 s later; the next would
    // be 32.7 s.
    CHECK(runs.run(parts).tally.evictions_refused == 9);
}
