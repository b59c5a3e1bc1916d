// Node pools as manifests describe them, compiled and run: Karpenter's NodePools, eksctl, GKE, AKS, Cluster API.
#include "tests/support/imported_manifests.hpp"
#include "tests/support/node_pools_lab.hpp"

#include <map>
#include <set>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

TEST_CASE("karpenter: a documented NodePool and a vLLM Deployment run, on the cheapest machine that holds the pod") {
    const Compiled c = good(node_class + node_pool(on_demand + g_five_up) + deployment());
    // g6.xlarge: one L4, 4 vCPU, 16 GiB, 0.8048 USD/h in us-east-1, the cheapest amd64 machine of category g above
    // generation 4.
    REQUIRE(c.scenario.pools.size() == 1);
    CHECK(c.scenario.pools[0].name == "gpu");
    CHECK(c.scenario.pools[0].capacity_type == "on-demand");
    CHECK(c.outcome.tally.pools[0].nodes.value == 1);
    CHECK(c.outcome.tally.pools[0].price.value == 804'800'000);
    CHECK(c.outcome.tally.requests.completed > 300);
    CHECK(c.outcome.tally.requests.failed == 0);
    // L4, A10G, L40S, ...: a server for each, picked by the node.
    CHECK(c.scenario.parts.templates[0].kind_servers.size() >= 3);
    CHECK_THAT(c.scenario.workloads[0].gpu, Contains("l4-24gb") && Contains("a10g-24gb"));
}

TEST_CASE("karpenter: requirements on every label choose among the offerings") {
    const auto types = [](const std::string& requirement) {
        const Compiled c = good(node_class + node_pool(on_demand + requirement) + deployment());
        std::set<std::int64_t> prices;
        for (const ShapePlan& shape : c.scenario.parts.shapes) prices.insert(shape.nano_usd_per_hour);
        return std::pair{c.scenario.pools[0].instance_type, prices.size()};
    };
    CHECK(types("      - {key: karpenter.k8s.aws/instance-family, operator: In, values: [g6]}\n      - {key: karpenter.k8s.aws/instance-size, operator: In, values: [xlarge, 2xlarge]}\n").second == 2);
    CHECK(types("      - {key: node.kubernetes.io/instance-type, operator: In, values: [g5.xlarge]}\n").first == "g5.xlarge");
    CHECK(types("      - {key: karpenter.k8s.aws/instance-gpu-name, operator: In, values: [l40s]}\n      - {key: karpenter.k8s.aws/instance-gpu-count, operator: Lt, values: [\"2\"]}\n      - {key: karpenter.k8s.aws/instance-cpu, operator: Lt, values: [\"9\"]}\n").second == 2);
    CHECK(types("      - {key: karpenter.k8s.aws/instance-gpu-memory, operator: Gt, values: [\"40000\"]}\n      - {key: karpenter.k8s.aws/instance-category, operator: NotIn, values: [p]}\n      - {key: karpenter.k8s.aws/instance-memory, operator: Lt, values: [\"40000\"]}\n").first == "g6e.xlarge");
    CHECK(types("      - {key: karpenter.k8s.aws/instance-local-nvme, operator: Exists}\n      - {key: karpenter.k8s.aws/instance-family, operator: In, values: [g6]}\n      - {key: karpenter.k8s.aws/instance-size, operator: In, values: [xlarge]}\n").first == "g6.xlarge");
}

TEST_CASE("karpenter: shapes are instance types x zones x capacity types, and spot and on demand are billed apart") {
    const Compiled c = good(node_class + node_pool(both + "      - {key: node.kubernetes.io/instance-type, operator: In, values: [g6.xlarge, g5.xlarge]}\n      - {key: topology.kubernetes.io/zone, operator: In, values: [us-east-1a, us-east-1b]}\n") + deployment(),
                            "  cloud: aws\n");  // the region follows from the zones
    CHECK(c.scenario.parts.shapes.size() == 8);
    CHECK(c.scenario.parts.pools[0].shape_count == 8);
    REQUIRE(c.scenario.pools.size() == 2);
    CHECK(c.scenario.pools[0].capacity_type == "on-demand");
    CHECK(c.scenario.pools[1].capacity_type == "spot");
    CHECK(c.outcome.tally.pools[0].nodes.value == 0);  // spot first
    CHECK(c.outcome.tally.pools[1].nodes.value == 1);
    // Every shape has its own zone as a topology domain.
    REQUIRE(c.scenario.parts.zone_key > 0);
    CHECK(c.scenario.parts.topology_domains[static_cast<std::size_t>(c.scenario.parts.zone_key - 1)] == 2);
}

TEST_CASE("karpenter: without spot capacity the pool buys on demand, and limits bound it") {
    const std::string scaling = "events:\n  - {at_s: 300, scale: Deployment/chat, replicas: 4}\n";
    const std::string pool = node_pool(both + "      - {key: node.kubernetes.io/instance-type, operator: In, values: [g6.xlarge]}\n", "  limits: {nvidia.com/gpu: 3}\n");
    Compiled c = good(node_class + pool + deployment(), "  cloud: aws\n  region: us-east-1\n", scaling);
    CHECK(c.outcome.tally.pools[0].nodes.value == 0);
    CHECK(c.outcome.tally.pools[1].nodes.value == 3);
    c = good(node_class + pool + deployment(), "  cloud: aws\n  region: us-east-1\n",
             scaling + "  - {at_s: 200, no_capacity: gpu, capacity_type: spot, duration_s: 1600}\n");
    CHECK(c.outcome.tally.pools[0].nodes.value == 2);
    CHECK(c.outcome.tally.pools[1].nodes.value == 1);
    c = good(node_class + pool + deployment(), "  cloud: aws\n  region: us-east-1\n",
             scaling + "  - {at_s: 200, no_capacity: \"*\", duration_s: 1600}\n");
    CHECK(c.outcome.tally.pools[0].nodes.value + c.outcome.tally.pools[1].nodes.value == 1);
}

TEST_CASE("karpenter: reserved capacity is an offering of its own, used first; beyond it the pool buys, if it may") {
    const auto pool = [](const std::string& ways) {
        return node_class + node_pool("      - {key: karpenter.sh/capacity-type, operator: In, values: [" + ways + "]}\n      - {key: node.kubernetes.io/instance-type, operator: In, values: [g6.xlarge]}\n");
    };
    const std::string reserved = "  cloud: aws\n  region: us-east-1\n  reservations: [{pool: gpu, nodes: 2, usd_per_hour: 0.5}]\n";
    const std::string scaling = "events:\n  - {at_s: 300, scale: Deployment/chat, replicas: 4}\n";
    Compiled c = good(pool("reserved, on-demand") + deployment(), reserved, scaling);
    REQUIRE(c.scenario.parts.shapes.size() == 2);
    const ShapePlan& shape = c.scenario.parts.shapes[c.scenario.parts.shapes[0].reserved > 0 ? 0 : 1];
    CHECK((shape.reserved == 2 && shape.reserved_only == 1 && shape.kind == OfferingKind::reserved));
    const auto by_row = [&] {
        std::map<std::string, std::int64_t> out;
        for (std::size_t p = 0; p < c.scenario.pools.size(); ++p) out[c.scenario.pools[p].capacity_type] += c.outcome.tally.pools[p].nodes.value;
        return out;
    };
    using Rows = std::map<std::string, std::int64_t>;
    CHECK(by_row() == Rows{{"on-demand", 2}, {"reserved", 2}});
    // Reserved alone: two nodes and no more, in one row. Pods that select the label have no others either.
    c = good(pool("reserved") + deployment(), reserved, scaling);
    CHECK(by_row() == Rows{{"reserved", 2}});
    c = good(pool("reserved, on-demand") + deployment("      nodeSelector: {karpenter.sh/capacity-type: reserved}\n"), reserved, scaling);
    CHECK(by_row()["reserved"] == 2);
    CHECK(by_row()["on-demand"] == 0);
    // A pool that does not ask for it launches on demand, into the reservation where that has room.
    c = good(pool("on-demand") + deployment(), reserved, scaling);
    CHECK(by_row() == Rows{{"on-demand", 2}, {"reserved", 2}});
    CHECK_THAT(lines(run(pool("reserved") + deployment()).errors), Contains("cluster.reservations: [{pool: gpu"));
    CHECK_THAT(lines(good(pool("reserved, on-demand") + deployment()).scenario.warnings), Contains("asks for reserved capacity"));
}

TEST_CASE("reservations: when they begin and end, what they cost then, and which nodes go with them") {
    const auto pool = [](const std::string& ways) {
        return node_class + node_pool("      - {key: karpenter.sh/capacity-type, operator: In, values: [" + ways + "]}\n      - {key: node.kubernetes.io/instance-type, operator: In, values: [g6.xlarge]}\n");
    };
    const auto where = [](const std::string& more) { return "  cloud: aws\n  region: us-east-1\n  reservations: [{pool: gpu, nodes: 2" + more + "}]\n"; };
    // A block whose machines go half an hour before its end, drained ten minutes before that: from the run's start.
    Compiled c = good(pool("reserved, on-demand") + deployment(), where(", kind: capacity-block, start_s: -3600, end_s: 3300, upfront_usd: 11.5"));
    const auto events = [&] {
        std::vector<std::pair<ClusterEventKind, double>> out;
        for (const ClusterEventPlan& e : c.scenario.parts.events) out.emplace_back(e.kind, to_seconds(e.at));
        return out;
    };
    using Events = std::vector<std::pair<ClusterEventKind, double>>;
    CHECK(events() == Events{{ClusterEventKind::reservation_closes, 900}, {ClusterEventKind::reservation_ends, 1500}});
    const auto row = [&] { return *std::find_if(c.scenario.pools.begin(), c.scenario.pools.end(), [](const CompiledPool& p) { return p.reserved; }); };
    CHECK(row().committed_nano_usd_per_hour == 3'000'000'000);  // 11.5 USD for 2 nodes and 6,900 s
    CHECK(row().paid_from == Tick{});
    CHECK(row().committed_nodes == 2);
    // One that is there from 600 s to 1,200 s; its nodes go on on demand.
    c = good(pool("on-demand") + deployment(), where(", start_s: 600, end_s: 1200"));
    CHECK(events() == Events{{ClusterEventKind::reservation_opens, 600}, {ClusterEventKind::reservation_ends, 1200}});
    CHECK((row().paid_from == seconds(600) && row().paid_until == seconds(1200)));
    const auto refused = [&](const std::string& more, const std::string& says) { CHECK_THAT(lines(run(pool("on-demand") + deployment(), where(more)).errors), Contains(says)); };
    refused(", kind: capacity-block", "when the block ends");
    refused(", upfront_usd: 100", "start and end");
    refused(", start_s: 600, end_s: 600", "is not after the reservation's start");
    // Dates are of the scenario's time zone, as its start is: 5:30 hours before UTC in Kolkata.
    c = good(pool("on-demand") + deployment(), where(", start: \"2026-03-02T08:10\", end: \"2026-03-02T02:50:00Z\""), "start_time: \"2026-03-02T08:00\"\ntime_zone: Asia/Kolkata\n");
    CHECK(events() == Events{{ClusterEventKind::reservation_opens, 600}, {ClusterEventKind::reservation_ends, 1200}});
    refused(", end: next week", "allowed: a date or time such as");
    refused(", drain_before_s: 60", "kind: capacity-block");
    refused(", usd_per_hour: 1, upfront_usd: 1, start_s: 0, end_s: 1", "allowed: one of them");
}

TEST_CASE("karpenter: weights, taints, disruption settings and budgets reach the plan") {
    const std::string first = node_pool(on_demand + "      - {key: node.kubernetes.io/instance-type, operator: In, values: [g5.xlarge]}\n",
                                        "  weight: 50\n  limits: {cpu: 40, memory: 160Gi, nodes: 9}\n  disruption:\n    consolidationPolicy: WhenEmpty\n    consolidateAfter: 5m\n    budgets:\n    - {nodes: \"1\"}\n    - {nodes: \"0\", schedule: \"@daily\", duration: 10m, reasons: [Empty]}\n",
                                        "heavy", "      taints: [{key: nvidia.com/gpu, effect: NoSchedule}]\n      startupTaints: [{key: example.com/agent, effect: NoSchedule}]\n      expireAfter: 24h\n      terminationGracePeriod: 1h\n");
    const std::string second = node_pool(on_demand + "      - {key: node.kubernetes.io/instance-type, operator: In, values: [g6.xlarge]}\n", "", "light");
    Compiled c = good(node_class + second + first + deployment("      tolerations: [{key: nvidia.com/gpu, operator: Exists}]\n"));
    REQUIRE(c.scenario.parts.karpenter_pools.size() == 2);
    const KarpenterPoolPlan& plan = c.scenario.parts.karpenter_pools[0];
    CHECK(plan.only_when_empty == 1);
    CHECK(plan.consolidate_after == seconds(300));
    CHECK(plan.expire_after == seconds(24 * 3600));
    CHECK(plan.termination_grace == seconds(3600));
    CHECK(plan.limits[resource_cpu_milli] == 40'000);
    CHECK(plan.node_limit == 9);
    CHECK(c.scenario.parts.pools[0].node_slots <= 11);  // and room for replacements
    REQUIRE(plan.budget_count == 2);
    CHECK(c.scenario.parts.karpenter_budgets[0].budget.nodes.resolve(10, true) == 1);
    CHECK(c.scenario.parts.karpenter_budgets[1].scheduled == 1);
    CHECK(c.scenario.parts.karpenter_budgets[1].interval_count == 1);  // the run starts at midnight
    // The pool of the higher weight is used although the other is cheaper; without the toleration it cannot.
    CHECK(c.outcome.tally.pools[0].nodes.value == 1);
    CHECK(c.outcome.tally.pools[1].nodes.value == 0);
    c = good(node_class + second + first + deployment());
    CHECK(c.outcome.tally.pools[0].nodes.value == 0);
    CHECK(c.outcome.tally.pools[1].nodes.value == 1);
}

TEST_CASE("karpenter: a model that some of a pool's GPUs cannot hold is a warning, one that none can an error") {
    const std::string t4_and_l4 = node_pool(on_demand + "      - {key: node.kubernetes.io/instance-type, operator: In, values: [g4dn.xlarge, g6.xlarge]}\n");
    const Compiled c = good(node_class + t4_and_l4 + deployment());
    CHECK_THAT(lines(c.scenario.warnings), Contains("never serve") && Contains("t4-16gb"));
    // Karpenter takes the cheaper g4dn.xlarge (0.526), where the 16-bit 8B model does not fit: nobody serves.
    CHECK(c.outcome.tally.requests.completed == 0);
    CHECK(c.outcome.tally.container_restarts > 3);
    const std::string t4 = node_pool(on_demand + "      - {key: node.kubernetes.io/instance-type, operator: In, values: [g4dn.xlarge]}\n");
    CHECK(!run(node_class + t4 + deployment()).errors.empty());
}

TEST_CASE("karpenter: a label that a requirement gives is what pods may select by") {
    const std::string pool = node_pool(on_demand + "      - {key: node.kubernetes.io/instance-type, operator: In, values: [g6.xlarge]}\n      - {key: example.com/team, operator: In, values: [search, chat]}\n");
    CHECK(good(node_class + pool + deployment("      nodeSelector: {example.com/team: chat}\n")).outcome.tally.requests.completed > 0);
    CHECK_THAT(lines(run(node_class + pool + deployment("      nodeSelector: {example.com/team: ads}\n")).errors), Contains("example.com/team"));
}

TEST_CASE("karpenter: a preferred zone and capacity type decide before the price, a NodeOverlay decides without being billed") {
    const std::string two = both + "      - {key: node.kubernetes.io/instance-type, operator: In, values: [g6.xlarge, g5.xlarge]}\n";
    const Compiled plain = good(deployment() + node_pool(two) + node_class);
    CHECK(plain.outcome.tally.pools[0].nodes.most == 0);  // on demand; spot is cheaper
    CHECK(plain.outcome.tally.pools[1].nodes.value == 1);
    const std::string affinity = "      affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}]}}]}}\n";
    const Compiled preferred = good(deployment(affinity) + node_pool(two) + node_class);
    CHECK(preferred.outcome.tally.pools[1].nodes.most == 0);
    CHECK(preferred.outcome.tally.pools[0].nodes.value == 1);
    CHECK(preferred.outcome.tally.pools[0].price.value == 804'800'000);  // g6.xlarge; g5.xlarge costs 1.006 USD/h
    const std::string overlay = "---\napiVersion: karpenter.sh/v1alpha1\nkind: NodeOverlay\nmetadata: {name: saved}\nspec:\n  requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [g5.xlarge]}]\n  priceAdjustment: \"-50%\"\n";
    const Compiled overlaid = good(deployment(affinity) + node_pool(two) + node_class + overlay);
    CHECK(overlaid.outcome.tally.pools[0].nodes.value == 1);
    CHECK(overlaid.outcome.tally.pools[0].price.value == 1'006'000'000);
}

TEST_CASE("scheduler: with a template's hash among matchLabelKeys a revision spreads by itself") {
    const auto counters = [](const std::string& keys) {
        const Compiled c = good(deployment("      topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: chat}}" + keys + "}]\n") +
                                    node_pool(on_demand + g_five_up) + node_class,
                                "  cloud: aws\n  region: us-east-1\n", "events: [{at_s: 600, rollout: Deployment/chat}]\n");
        REQUIRE(c.scenario.parts.templates.size() == 2);
        return std::pair(c.scenario.parts.templates[0].spread.at(0).counter, c.scenario.parts.templates[1].spread.at(0).counter);
    };
    const auto together = counters(""), apart = counters(", matchLabelKeys: [pod-template-hash]");
    CHECK(together.first == together.second);
    CHECK(apart.first != apart.second);
}

TEST_CASE("karpenter: CPU pods have machines in a NodePool for general use") {
    const std::string pool = node_pool(on_demand + "      - {key: karpenter.k8s.aws/instance-category, operator: In, values: [c, m, r]}\n      - {key: karpenter.k8s.aws/instance-generation, operator: Gt, values: [\"2\"]}\n", "", "general");
    const Compiled c = good(node_class + pool + node_pool(on_demand + g_five_up) + deployment());
    CHECK(c.outcome.tally.requests.completed > 0);
    CHECK(c.scenario.pools.size() == 2);
}

TEST_CASE("eksctl: a mixed group buys both ways, managed spot groups by depth, zones become shapes") {
    const std::string cluster = R"yaml(---
apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: {name: demo, region: us-east-1}
availabilityZones: [us-east-1a, us-east-1b]
managedNodeGroups:
- {name: spot, spot: true, instanceTypes: [g6.xlarge, g5.xlarge], minSize: 0, maxSize: 4, desiredCapacity: 0, maxPodsPerNode: 20, labels: {pool: spot}, taints: [{key: spot, value: "true", effect: NoSchedule}]}
nodeGroups:
- name: mixed
  minSize: 2
  maxSize: 6
  instancesDistribution: {instanceTypes: [g6.xlarge, g6.2xlarge], onDemandBaseCapacity: 1, onDemandPercentageAboveBaseCapacity: 50, spotAllocationStrategy: capacity-optimized}
)yaml";
    const Compiled c = good(cluster + deployment("", "3"));
    REQUIRE(c.scenario.parts.pools.size() == 2);
    CHECK(c.scenario.parts.pools[0].shape_count == 4);
    CHECK(c.scenario.parts.pools[0].choice == ShapeChoice::deep);
    CHECK(c.scenario.parts.shapes[0].allocatable[resource_pods] == 20);
    const PoolPlan& mixed = c.scenario.parts.pools[1];
    CHECK(mixed.shape_count == 8);
    CHECK(mixed.on_demand_base == 1);
    CHECK(mixed.on_demand_percent == 50);
    // Two nodes at the start and a third for the third pod: 1 + half of two, so two on demand and one spot.
    REQUIRE(c.scenario.pools.size() == 3);
    CHECK(c.outcome.tally.pools[1].nodes.value == 2);
    CHECK(c.outcome.tally.pools[2].nodes.value == 1);
}

TEST_CASE("reservations: rows of one pool in two zones are told apart") {
    const std::string zones = "      - {key: node.kubernetes.io/instance-type, operator: In, values: [g6.xlarge]}\n      - {key: topology.kubernetes.io/zone, operator: In, values: [us-east-1a, us-east-1b]}\n";
    const Compiled c = good(node_class + node_pool(zones) + deployment(), "  cloud: aws\n  region: us-east-1\n  zones: [us-east-1a, us-east-1b]\n"
                                                                           "  reservations: [{pool: gpu, nodes: 2, zone: us-east-1a}, {pool: gpu, nodes: 1, zone: us-east-1b}]\n");
    std::set<std::string> rows;
    for (const CompiledPool& p : c.scenario.pools)
        if (p.reserved) rows.insert(p.instance_type);
    CHECK(rows == std::set<std::string>{"g6.xlarge in us-east-1a", "g6.xlarge in us-east-1b"});
}

TEST_CASE("karpenter: a node class that selects no reservations is said, and what its status lists is named") {
    const std::string pool = node_pool("      - {key: karpenter.sh/capacity-type, operator: In, values: [reserved, on-demand]}\n      - {key: node.kubernetes.io/instance-type, operator: In, values: [g6.xlarge]}\n");
    const std::string reserved = "  cloud: aws\n  region: us-east-1\n  reservations: [{pool: gpu, nodes: 2}]\n";
    const std::string terms = "  capacityReservationSelectorTerms: [{id: cr-0123456789abcdef0}]\n";
    CHECK_THAT(lines(good(node_class + pool + deployment(), reserved).scenario.warnings), Contains("selects no reservations (capacityReservationSelectorTerms)"));
    CHECK_THAT(lines(good(node_class + terms + pool + deployment(), reserved).scenario.warnings), !Contains("selects no reservations"));
    const std::string status = "status:\n  capacityReservations: [{id: cr-0123456789abcdef0, instanceType: g6.xlarge, availabilityZone: us-east-1a, reservationType: default, state: active}]\n";
    CHECK_THAT(lines(good(node_class + terms + status + pool + deployment()).scenario.warnings), Contains("nodes: N") && Contains("cr-0123456789abcdef0 (g6.xlarge in us-east-1a)"));
    CHECK_THAT(lines(run(node_class + "  capacityReservationSelectorTerms: [{id: chat}]\n" + pool + deployment(), reserved).errors), Contains("such as cr-0123456789abcdef0"));
}

TEST_CASE("eksctl: a node group aimed at a capacity reservation, or at a block, ends with it") {
    const auto group = [](const std::string& more) {
        return "---\napiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: demo, region: us-east-1}\nmanagedNodeGroups:\n"
               "- {name: gpu, instanceType: g6.xlarge, minSize: 0, maxSize: 4, desiredCapacity: 0" + more + "}\n" + deployment("", "3");
    };
    const std::string place = "  cloud: aws\n  region: us-east-1\n", reserved = place + "  reservations: [{pool: gpu, nodes: 2}]\n";
    const std::string target = ", capacityReservation: {capacityReservationTarget: {capacityReservationID: cr-1}}";
    CHECK(good(group(target), reserved).outcome.tally.nodes.most == 2);
    CHECK(good(group(", instanceMarketOptions: {marketType: capacity-block}" + target), reserved).outcome.tally.nodes.most == 2);
    CHECK(good(group(", capacityReservation: {capacityReservationPreference: open}"), reserved).outcome.tally.nodes.most == 3);
    CHECK_THAT(lines(run(group(target), place).errors), Contains("cluster.reservations: [{pool: gpu"));
    CHECK_THAT(lines(run(group(", instanceMarketOptions: {marketType: spotty}"), place).errors), Contains("capacity-block"));
}

TEST_CASE("cluster autoscaler: which pods keep their node follows from their volumes, annotations and controllers") {
    const std::string group = R"yaml(---
apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: {name: demo, region: us-east-1}
managedNodeGroups:
- {name: gpu, instanceType: g6.xlarge, minSize: 1, maxSize: 4, desiredCapacity: 1}
)yaml";
    const auto blocks = [&](const std::string& pod_spec, const std::string& annotations = "") {
        std::string chat = deployment(pod_spec);
        if (!annotations.empty()) {
            const std::string labels = "metadata: {labels: {app: chat}}";
            chat.replace(chat.find(labels), labels.size(), "metadata: {labels: {app: chat}, annotations: {" + annotations + "}}");
        }
        return good(group + chat).scenario.parts.templates[0].plan.blocks_removal != 0;
    };
    // kubernetes.md 10.7.4: a volume on the node's disk blocks, one in memory does not; annotations overrule.
    CHECK_FALSE(blocks(""));
    CHECK(blocks("      volumes: [{name: cache, emptyDir: {}}]\n"));
    CHECK_FALSE(blocks("      volumes: [{name: shm, emptyDir: {medium: Memory}}]\n"));
    CHECK(blocks("      volumes: [{name: models, hostPath: {path: /models}}]\n"));
    CHECK_FALSE(blocks("      volumes: [{name: cache, emptyDir: {}}]\n", "cluster-autoscaler.kubernetes.io/safe-to-evict: \"true\""));
    CHECK_FALSE(blocks("      volumes: [{name: cache, emptyDir: {}}]\n", "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: cache"));
    CHECK(blocks("", "cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\""));
}

TEST_CASE("eksctl beside Karpenter: node groups without a cluster-autoscaler keep their size") {
    const std::string cluster = R"yaml(---
apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: {name: demo, region: us-east-1}
karpenter: {version: "1.6.0", createServiceAccount: true}
managedNodeGroups:
- {name: system, instanceType: m5.large, minSize: 1, maxSize: 4, desiredCapacity: 2}
)yaml";
    const Compiled c = good(cluster + node_class + node_pool(on_demand + g_five_up) + deployment());
    CHECK(c.scenario.parts.pools[0].provisioner == Provisioner::fixed);
    CHECK(c.scenario.parts.pools[0].initial == 2);
    CHECK(c.outcome.tally.pools[0].nodes.value == 2);
    CHECK(c.outcome.tally.pools[0].price.value == 2 * 96'000'000);  // m5.large
}

TEST_CASE("GKE: Config Connector's pools count by zone, taint their GPU nodes and spread") {
    const std::string pool = R"yaml(---
apiVersion: container.cnrm.cloud.google.com/v1beta1
kind: ContainerNodePool
metadata: {name: l4}
spec:
  location: us-central1
  nodeLocations: [us-central1-a, us-central1-b]
  clusterRef: {name: demo}
  initialNodeCount: 1
  autoscaling: {minNodeCount: 0, maxNodeCount: 2}
  nodeConfig:
    machineType: g2-standard-8
    spot: false
    diskSizeGb: 200
    labels: {team: chat}
    guestAccelerator: [{type: nvidia-l4, count: 1}]
    taint: [{key: team, value: chat, effect: NO_SCHEDULE}]
)yaml";
    const std::string pods = "      nodeSelector: {cloud.google.com/gke-accelerator: nvidia-l4, team: chat}\n      tolerations: [{key: team, operator: Exists}]\n";
    const Compiled c = good(pool + deployment(pods, "3"), "  cloud: gcp\n");
    const PoolSpec& spec = pool_named(c, "l4");
    CHECK(spec.zone_groups);
    CHECK(spec.balances);
    CHECK(spec.max_nodes == 4);
    CHECK(*spec.zone_max == 2);
    CHECK(spec.initial_nodes == 2);
    CHECK(spec.taints.size() == 2);  // GKE's own for GPUs too
    CHECK(c.scenario.parts.pools[0].shape_count == 2);
    CHECK(c.outcome.tally.pools[0].nodes.value == 3);
    CHECK_THAT(lines(run(pool + deployment(), "  cloud: gcp\n").errors), Contains("does not tolerate the nodes' taint team=chat"));
}

TEST_CASE("GKE: a node pool of a specific reservation ends with it") {
    const auto pool = [](const std::string& affinity) {
        return "---\napiVersion: container.cnrm.cloud.google.com/v1beta1\nkind: ContainerNodePool\nmetadata: {name: l4}\nspec:\n  location: us-central1\n  nodeLocations: [us-central1-a]\n"
               "  clusterRef: {name: demo}\n  initialNodeCount: 0\n  autoscaling: {minNodeCount: 0, maxNodeCount: 4}\n  nodeConfig:\n    machineType: g2-standard-8\n"
               "    guestAccelerator: [{type: nvidia-l4, count: 1}]\n    reservationAffinity: {consumeReservationType: " + affinity + "}\n";
    };
    const std::string place = "  cloud: gcp\n", reserved = place + "  reservations: [{pool: l4, nodes: 2}]\n";
    Compiled c = good(pool("SPECIFIC_RESERVATION, key: compute.googleapis.com/reservation-name, values: [chat]") + deployment("", "3"), reserved);
    CHECK(c.outcome.tally.pools[0].nodes.most == 2);
    c = good(pool("ANY_RESERVATION") + deployment("", "3"), reserved);
    CHECK(c.outcome.tally.nodes.most == 3);
    CHECK(c.outcome.tally.pools[1].nodes.most == 2);
    CHECK(c.scenario.pools[1].capacity_type == "reserved");
    CHECK_THAT(lines(run(pool("SPECIFIC_RESERVATION") + deployment(), place).errors), Contains("cluster.reservations: [{pool: l4"));
    CHECK_THAT(lines(run(pool("NO_RESERVATION") + deployment(), reserved).errors), Contains("takes none of a reservation (reservationAffinity NO_RESERVATION)"));
    CHECK(good(pool("NO_RESERVATION") + deployment("", "3"), place).outcome.tally.nodes.most == 3);
    // The run lasts half an hour and what is left then: nodes that the cloud ends later are as any.
    const auto ends = [&](const std::string& more) { return pool("ANY_RESERVATION") + "    " + more + "\n" + deployment(); };
    CHECK(good(ends("maxRunDuration: 604800s"), place).outcome.tally.nodes.most > 0);
    CHECK_THAT(lines(run(ends("maxRunDuration: 600s"), place).errors), Contains("ends its nodes after 600 s (maxRunDuration)"));
    CHECK_THAT(lines(run(ends("maxRunDuration: a week"), place).errors), Contains("seconds such as 604800s"));
    CHECK_THAT(lines(run(ends("flexStart: true"), place).errors), Contains("flex-start"));
    CHECK(good(ends("flexStart: false"), place).outcome.tally.nodes.most > 0);
}

TEST_CASE("GKE: what gcloud prints, as YAML and as JSON") {
    const std::string yaml = R"yaml(---
autoscaling: {enabled: true, maxNodeCount: 3, minNodeCount: 1}
config:
  accelerators: [{acceleratorCount: '1', acceleratorType: nvidia-l4}]
  diskSizeGb: 100
  machineType: g2-standard-8
  spot: true
initialNodeCount: 1
locations: [us-central1-a]
maxPodsConstraint: {maxPodsPerNode: '64'}
name: l4-spot
selfLink: https://container.googleapis.com/v1/projects/p/zones/us-central1-a/clusters/demo/nodePools/l4-spot
status: RUNNING
version: 1.31.4-gke.1
)yaml";
    Compiled c = good(yaml + deployment(), "  cloud: gcp\n");
    CHECK(pool_named(c, "l4-spot").capacity == CapacityType::spot);
    CHECK(pool_named(c, "l4-spot").max_pods == 64);
    CHECK(pool_named(c, "l4-spot").min_nodes == 1);
    const std::string json = R"json([{"name": "l4", "config": {"machineType": "n1-standard-8", "accelerators": [{"acceleratorCount": "1", "acceleratorType": "nvidia-tesla-t4"}]}, "initialNodeCount": 2, "locations": ["us-central1-a"], "autoscaling": {}}])json";
    c = run(json, "  cloud: gcp\n", "", "json", deployment());
    CHECK_THAT(lines(c.errors), Contains("t4"));  // the 8B model does not fit a T4
    CHECK_THAT(lines(run(yaml + deployment("      nodeSelector: {cloud.google.com/gke-spot: \"false\"}\n"), "  cloud: gcp\n").errors), Contains("gke-spot"));
}

TEST_CASE("GKE: node auto-provisioning makes the pool that pods ask for, within the cluster's limits") {
    const std::string cluster = R"yaml(---
apiVersion: container.cnrm.cloud.google.com/v1beta1
kind: ContainerCluster
metadata: {name: demo}
spec:
  location: us-central1-a
  initialNodeCount: 1
  clusterAutoscaling:
    enabled: true
    autoscalingProfile: BALANCED
    resourceLimits:
    - {resourceType: cpu, minimum: 1, maximum: 1000}
    - {resourceType: memory, maximum: 4000}
    - {resourceType: nvidia-l4, maximum: 2}
)yaml";
    const std::string pods = "      nodeSelector: {cloud.google.com/gke-accelerator: nvidia-l4, cloud.google.com/gke-spot: \"true\"}\n";
    const Compiled c = good(cluster + deployment(pods, "3"), "  cloud: gcp\n");
    REQUIRE(c.pools.size() == 1);
    CHECK(c.pools[0].instance_types[0] == "g2-standard-4");
    CHECK(c.pools[0].capacity == CapacityType::spot);
    CHECK(c.pools[0].max_nodes == 2);  // two L4 in all
    CHECK(c.outcome.tally.pools[0].nodes.value == 2);
}

TEST_CASE("GKE: a ComputeClass's rules are tried in their order") {
    const std::string custom = R"yaml(---
apiVersion: cloud.google.com/v1
kind: ComputeClass
metadata: {name: inference}
spec:
  priorities:
  - {machineFamily: g2, spot: true}
  - {machineFamily: g2, spot: false}
  nodePoolAutoCreation: {enabled: true}
)yaml";
    const std::string pods = "      nodeSelector: {cloud.google.com/compute-class: inference}\n";
    const std::string place = "  cloud: gcp\n  region: us-central1\n  zones: [us-central1-a]\n";
    Compiled c = good(custom + deployment(pods, "1"), place, "events:\n  - {at_s: 300, scale: Deployment/chat, replicas: 2}\n");
    REQUIRE(c.scenario.pools.size() == 2);
    CHECK(c.scenario.pools[0].capacity_type == "spot");
    CHECK(c.outcome.tally.pools[0].nodes.value == 2);
    c = good(custom + deployment(pods, "1"), place, "events:\n  - {at_s: 300, scale: Deployment/chat, replicas: 2}\n  - {at_s: 200, no_capacity: \"*\", capacity_type: spot, duration_s: 1600}\n");
    CHECK(c.outcome.tally.pools[0].nodes.value == 1);
    CHECK(c.outcome.tally.pools[1].nodes.value == 1);  // after the first rule's group backed off
    // A rule over reservations is its machines, with a warning of what is not known of them.
    std::string reserved = custom;
    reserved.replace(reserved.find("spot: false"), 11, "spot: false, reservations: {affinity: Specific, specific: [{name: ours}]}");
    CHECK(good(reserved + deployment(pods, "1"), place).scenario.pools.size() == 2);
    CHECK_THAT(lines(import_text(reserved).findings.warnings), Contains("priorities[1].reservations") && Contains("cluster.reservations"));
    // A flex-start rule gives no nodes, which is said; with nothing beside it there are none.
    std::string flexible = custom;
    flexible.replace(flexible.find("spot: true"), 10, "flexStart: {enabled: true}");
    CHECK(good(flexible + deployment(pods, "1"), place).scenario.pools.size() == 1);
    CHECK_THAT(lines(import_text(flexible).findings.warnings), Contains("priorities[0].flexStart") && Contains("this rule gives none"));
    flexible.erase(flexible.find("  - {machineFamily: g2, spot: false}\n"), 37);
    CHECK_THAT(lines(import_text(flexible).findings.errors), Contains("flexStart alone"));
}

TEST_CASE("AKS: the operator's pools and what az prints") {
    const std::string pool = R"yaml(---
apiVersion: containerservice.azure.com/v1api20240901
kind: ManagedClustersAgentPool
metadata: {name: gpupool}
spec:
  azureName: gpu
  owner: {name: demo}
  vmSize: Standard_NC24ads_A100_v4
  mode: User
  enableAutoScaling: true
  minCount: 1
  maxCount: 3
  count: 1
  availabilityZones: ["1", "2"]
  nodeLabels: {sku: gpu}
  nodeTaints: ["sku=gpu:NoSchedule"]
  maxPods: 50
)yaml";
    const std::string azure = "  cloud: azure\n  region: eastus\n";
    const std::string pods = "      nodeSelector: {sku: gpu}\n      tolerations: [{key: sku, operator: Equal, value: gpu, effect: NoSchedule}]\n";
    Compiled c = good(pool + deployment(pods), azure);
    const PoolSpec& spec = pool_named(c, "gpu");
    CHECK(spec.zones == std::vector<std::string>{"eastus-1", "eastus-2"});
    CHECK(spec.min_nodes == 1);
    CHECK(spec.max_nodes == 3);
    CHECK(spec.max_pods == 50);
    CHECK(c.outcome.tally.pools[0].nodes.value == 1);
    CHECK_THAT(lines(run(pool + deployment(), azure).errors), Contains("sku=gpu"));
    const std::string az = R"json([{"name": "gpu", "vmSize": "Standard_NC24ads_A100_v4", "count": 2, "enableAutoScaling": false, "mode": "User", "osType": "Linux", "nodeLabels": {"sku": "gpu"}, "nodeTaints": ["sku=gpu:NoSchedule"], "provisioningState": "Succeeded"}])json";
    c = good(az, azure, "", "json", deployment(pods));
    CHECK(c.scenario.parts.pools[0].provisioner == Provisioner::fixed);
    CHECK(c.outcome.tally.pools[0].nodes.value == 2);
}

TEST_CASE("Cluster API: machine groups get their machines from the provider's object and their bounds from annotations") {
    const std::string machines = R"yaml(---
apiVersion: cluster.x-k8s.io/v1beta1
kind: MachineDeployment
metadata:
  name: l4
  annotations:
    cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size: "1"
    cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size: "5"
spec:
  clusterName: demo
  replicas: 2
  template:
    spec:
      clusterName: demo
      failureDomain: us-east-1b
      bootstrap: {configRef: {kind: KubeadmConfigTemplate, name: l4}}
      infrastructureRef: {apiVersion: infrastructure.cluster.x-k8s.io/v1beta2, kind: AWSMachineTemplate, name: l4}
---
apiVersion: infrastructure.cluster.x-k8s.io/v1beta2
kind: AWSMachineTemplate
metadata: {name: l4}
spec: {template: {spec: {instanceType: g6.xlarge, sshKeyName: default, spotMarketOptions: {maxPrice: ""}}}}
---
apiVersion: cluster.x-k8s.io/v1beta1
kind: MachinePool
metadata: {name: a10g}
spec:
  clusterName: demo
  replicas: 1
  template:
    spec:
      clusterName: demo
      bootstrap: {dataSecretName: ""}
      infrastructureRef: {apiVersion: infrastructure.cluster.x-k8s.io/v1beta2, kind: AWSManagedMachinePool, name: a10g}
---
apiVersion: infrastructure.cluster.x-k8s.io/v1beta2
kind: AWSManagedMachinePool
metadata: {name: a10g}
spec: {eksNodegroupName: a10g, instanceType: g5.xlarge, capacityType: onDemand, scaling: {minSize: 0, maxSize: 3}, labels: {gpu: a10g}, taints: [{key: gpu, value: a10g, effect: no-schedule}]}
)yaml";
    const Compiled c = good(machines + deployment());
    const PoolSpec &l4 = pool_named(c, "l4"), &a10g = pool_named(c, "a10g");
    CHECK(l4.capacity == CapacityType::spot);
    CHECK(l4.min_nodes == 1);
    CHECK(l4.max_nodes == 5);
    CHECK(l4.initial_nodes == 2);
    CHECK(l4.zones == std::vector<std::string>{"us-east-1b"});
    CHECK(a10g.max_nodes == 3);
    CHECK(a10g.labels.at("gpu") == "a10g");
    CHECK(a10g.taints.at(0).key == "gpu");
    CHECK_THAT(lines(run(machines.substr(0, machines.find("---\napiVersion: infrastructure")) + deployment()).errors), Contains("AWSMachineTemplate/l4, which no manifest has"));
}

TEST_CASE("no_capacity: names that no node of the pool answers are refused") {
    CHECK_THAT(lines(run(node_class + node_pool(on_demand + g_five_up) + deployment(), "  cloud: aws\n  region: us-east-1\n", "events:\n  - {at_s: 1, no_capacity: gpu, zone: us-west-2a, duration_s: 60}\n").errors), Contains("never have"));
    CHECK_THAT(lines(run(node_class + node_pool(on_demand + g_five_up) + deployment(), "  cloud: aws\n  region: us-east-1\n", "events:\n  - {at_s: 1, no_capacity: gpus, duration_s: 60}\n").errors), Contains("found \"gpus\", which is no pool") && Contains("gpu"));
}
