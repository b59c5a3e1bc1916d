// Karpenter's objects as people write them, and as they break them.
#include "scenarios/compile/node_offerings.hpp"
#include "scenarios/compile/validate_text.hpp"
#include "tests/support/imported_manifests.hpp"

#include <catch2/catch.hpp>
#include <set>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

const std::string class_text = R"yaml(---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: gpu}
spec:
  amiSelectorTerms: [{alias: al2023@v20250701}]
  role: KarpenterNodeRole-prod
  subnetSelectorTerms: [{tags: {karpenter.sh/discovery: prod}}]
  securityGroupSelectorTerms: [{tags: {karpenter.sh/discovery: prod}}]
  instanceStorePolicy: RAID0
  blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {volumeSize: 200Gi, volumeType: gp3, deleteOnTermination: true}}]
  kubelet: {maxPods: 58, systemReserved: {cpu: 100m, memory: 200Mi}}
  userData: |
    echo hello
status:
  subnets: [{id: subnet-1, zone: us-east-1a, zoneID: use1-az1}, {id: subnet-2, zone: us-east-1b}]
)yaml";

const std::string pool_text = R"yaml(apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: gpu}
spec:
  weight: 10
  template:
    metadata: {labels: {team: inference}}
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: gpu}
      requirements:
      - {key: karpenter.sh/capacity-type, operator: In, values: [spot, on-demand]}
      - {key: karpenter.k8s.aws/instance-category, operator: In, values: [g]}
      - {key: karpenter.k8s.aws/instance-generation, operator: Gt, values: ["4"]}
      - {key: karpenter.k8s.aws/instance-gpu-count, operator: Lt, values: ["4"], minValues: 1}
      - {key: kubernetes.io/arch, operator: In, values: [amd64]}
      taints: [{key: nvidia.com/gpu, value: "true", effect: NoSchedule}]
      startupTaints: [{key: node.cilium.io/agent-not-ready, value: "true", effect: NoExecute}]
      expireAfter: Never
      terminationGracePeriod: 1h30m
  disruption:
    consolidationPolicy: WhenEmptyOrUnderutilized
    consolidateAfter: 1m
    budgets:
    - {nodes: 20%, reasons: [Empty, Drifted]}
    - {nodes: "0", schedule: "0 9 * * mon-fri", duration: 8h}
  limits: {cpu: 1000, memory: 4000Gi, nvidia.com/gpu: 16}
)yaml";

std::string errors_with(const std::string& from, const std::string& to) { return lines(import_text(replaced(pool_text, from, to)).findings.errors); }

ClusterSpec virginia() {
    ClusterSpec cluster;
    cluster.cloud = CloudKind::aws;
    cluster.region = "us-east-1";
    return cluster;
}

std::vector<NodeOffering> offerings(const std::string& text, Findings& findings, const ClusterSpec& cluster = virginia()) {
    Imported in = import_text(text);
    if (!in.findings.errors.empty()) FAIL(lines(in.findings.errors));
    return karpenter_offerings(in.manifests.node_pools.at(0), in.manifests, cluster, findings);
}

}  // namespace

TEST_CASE("karpenter: a NodePool of v1 says everything that the provisioner decides by") {
    const Imported in = import_text(pool_text + class_text);
    INFO(lines(in.findings.errors));
    REQUIRE(in.findings.errors.empty());
    const KarpenterNodePool& pool = in.manifests.node_pools.at(0);
    CHECK(pool.weight == 10);
    CHECK(pool.labels.at("team") == "inference");
    CHECK(pool.requirements.size() == 5);
    CHECK(pool.requirements[3].min_values == 1);
    CHECK(pool.taints.at(0).value == "true");
    CHECK(pool.startup_taints.at(0).effect == TaintEffect::no_execute);
    CHECK(!pool.expire_after);
    CHECK(*pool.termination_grace == seconds(5400));
    CHECK(*pool.consolidate_after == seconds(60));
    CHECK(pool.limits.at("memory").ceil() == std::int64_t{4000} << 30);
    CHECK(pool.limits.at("nvidia.com/gpu").ceil() == 16);
    REQUIRE(pool.budgets.size() == 2);
    CHECK(pool.budgets[0].nodes == IntOrPercent{20, true});
    CHECK(pool.budgets[0].reasons == 6);
    CHECK(pool.budgets[1].nodes == IntOrPercent{0, false});
    CHECK(!pool.budgets[1].active.always);
    const KarpenterNodeClass& c = in.manifests.node_classes.at(0);
    CHECK(c.zones == std::vector<std::string>{"us-east-1a", "us-east-1b"});
    CHECK(*c.max_pods == 58);
    CHECK(c.instance_store);
    CHECK(c.root_volume_bytes == std::int64_t{200} << 30);
    CHECK_THAT(lines(in.findings.notes), Contains("userData"));
}

TEST_CASE("karpenter: what a NodePool leaves out has Karpenter's defaults") {
    const Imported in = import_text(
        "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: d}\nspec:\n  template:\n    spec:\n"
        "      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: d}\n      requirements: []\n");
    REQUIRE(in.findings.errors.empty());
    const KarpenterNodePool& pool = in.manifests.node_pools.at(0);
    CHECK(pool.consolidation == ConsolidationPolicy::when_empty_or_underutilized);
    CHECK(*pool.consolidate_after == Tick{0});
    CHECK(*pool.expire_after == seconds(720 * 3600));
    REQUIRE(pool.budgets.size() == 1);
    CHECK(pool.budgets[0].nodes == IntOrPercent{10, true});
    CHECK(!pool.termination_grace);
    CHECK(!pool.replicas);
}

TEST_CASE("karpenter: v1beta1 keeps its own fields, and fields of the other version are named") {
    const std::string beta =
        "apiVersion: karpenter.sh/v1beta1\nkind: NodePool\nmetadata: {name: d}\nspec:\n  template:\n    spec:\n"
        "      nodeClassRef: {apiVersion: karpenter.k8s.aws/v1beta1, kind: EC2NodeClass, name: d}\n      kubelet: {maxPods: 20}\n      requirements: []\n"
        "  disruption: {consolidationPolicy: WhenUnderutilized, expireAfter: 100h}\n";
    const Imported in = import_text(beta);
    INFO(lines(in.findings.errors));
    REQUIRE(in.findings.errors.empty());
    CHECK(*in.manifests.node_pools[0].expire_after == seconds(360000));
    CHECK(*in.manifests.node_pools[0].max_pods == 20);
    CHECK_THAT(lines(import_text(replaced(beta, "expireAfter: 100h", "consolidateAfter: 30s")).findings.errors), Contains("only with WhenEmpty"));
    CHECK_THAT(lines(import_text(replaced(beta, "WhenUnderutilized", "WhenEmpty")).findings.errors), Contains("consolidateAfter") && Contains("is missing"));
    const std::string now_v1 = lines(import_text(replaced(beta, "karpenter.sh/v1beta1", "karpenter.sh/v1")).findings.errors);
    CHECK_THAT(now_v1, Contains("WhenEmptyOrUnderutilized") && Contains("spec.template.spec.expireAfter") && Contains("spec.kubelet of the EC2NodeClass") && Contains("group"));
    CHECK_THAT(lines(import_text("apiVersion: karpenter.sh/v1alpha5\nkind: Provisioner\nmetadata: {name: p}\nspec: {}\n").findings.errors), Contains("NodePool"));
}

TEST_CASE("karpenter: a budget without nodes is one of a tenth, a template's annotation keeps its nodes") {
    const Imported in = import_text(replaced(replaced(pool_text, "{nodes: \"0\", schedule", "{schedule"), "metadata: {labels", "metadata: {annotations: {karpenter.sh/do-not-disrupt: \"true\"}, labels") + class_text);
    INFO(lines(in.findings.errors));
    REQUIRE(in.findings.errors.empty());
    CHECK(in.manifests.node_pools[0].budgets[1].nodes == IntOrPercent{10, true});
    CHECK(in.manifests.node_pools[0].do_not_disrupt);
    CHECK_FALSE(import_text(pool_text + class_text).manifests.node_pools[0].do_not_disrupt);
}

TEST_CASE("karpenter: broken NodePools are refused with what to write") {
    CHECK_THAT(errors_with("consolidateAfter: 1m", "consolidateAfter: 30"), Contains("30s, or Never"));
    CHECK_THAT(errors_with("operator: In, values: [g]", "operator: in, values: [g]"), Contains("did you mean In?") && !Contains("no values with Exists"));
    CHECK_THAT(errors_with("duration: 8h", "duration: 8h30s"), Contains("hours and minutes"));
    CHECK_THAT(errors_with(", duration: 8h", ""), Contains("stands without duration"));
    CHECK_THAT(errors_with("0 9 * * mon-fri", "0 25 * * *"), Contains("budgets[1].schedule"));
    CHECK_THAT(errors_with("nodes: 20%", "nodes: 120%"), Contains("from 0% to 100%"));
    CHECK_THAT(errors_with("nodes: \"0\"", "nodes: 0"), Contains("write \"0\" in quotes"));
    CHECK_THAT(errors_with("[Empty, Drifted]", "[Emty]"), Contains("did you mean Empty?"));
    CHECK_THAT(errors_with("consolidateAfter: 1m", "consolidateAfter: 1.5m"), Contains("found \"1.5m\""));
    CHECK_THAT(errors_with("operator: Gt, values: [\"4\"]", "operator: Gt, values: [\"4\", \"5\"]"), Contains("one whole number"));
    CHECK_THAT(errors_with("weight: 10", "weight: 0"), Contains("from 1 to 100"));
    CHECK_THAT(errors_with("weight: 10", "wieght: 10"), Contains("did you mean weight?"));
    CHECK_THAT(errors_with("kubernetes.io/arch, operator: In, values: [amd64]", "karpenter.sh/capacity-type, operator: NotIn, values: [spot, on-demand]"), Contains("no node can meet"));
    CHECK_THAT(lines(import_text(replaced(pool_text, "EC2NodeClass, name: gpu", "EC2NodeClass, name: gpus") + class_text).findings.errors), Contains("did you mean gpu?"));
}

TEST_CASE("karpenter: requirements choose instance types, zones and capacity types with their prices") {
    Findings findings;
    const auto found = offerings(pool_text + class_text, findings);
    REQUIRE(findings.errors.empty());
    REQUIRE(!found.empty());
    std::set<std::string> types, zones;
    for (const NodeOffering& o : found) {
        types.insert(o.type->name);
        zones.insert(o.zone);
        CHECK(o.labels.at("team") == "inference");
        CHECK(o.labels.at("karpenter.sh/nodepool") == "gpu");
        CHECK(o.labels.at("karpenter.sh/capacity-type") == (o.capacity == CapacityType::spot ? "spot" : "on-demand"));
    }
    CHECK(types.contains("g6.xlarge"));
    CHECK(types.contains("g7e.12xlarge"));  // 2 GPUs
    CHECK(!types.contains("g4dn.xlarge"));   // generation 4
    CHECK(!types.contains("g6.12xlarge"));   // 4 GPUs
    CHECK(!types.contains("gr6.4xlarge"));   // category gr
    CHECK(!types.contains("g5g.xlarge"));    // arm64
    CHECK(zones == std::set<std::string>{"us-east-1a", "us-east-1b"});
    for (std::size_t i = 1; i < found.size(); ++i) CHECK(found[i - 1].nano_usd_per_hour <= found[i].nano_usd_per_hour);
    CHECK(found.front().capacity == CapacityType::spot);
}

TEST_CASE("karpenter: a NodeOverlay changes the price that decides, not the one that is billed") {
    const auto overlay = [](const std::string& name, const std::string& spec) {
        return "---\napiVersion: karpenter.sh/v1alpha1\nkind: NodeOverlay\nmetadata: {name: " + name + "}\nspec:\n" + spec;
    };
    const std::string g6 = "  requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [g6.xlarge]}]\n";
    const std::string on_demand = "  requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}]\n";
    const auto with = [&](const std::string& overlays) {
        Findings findings;
        auto found = offerings(pool_text + class_text + overlays, findings);
        REQUIRE(findings.errors.empty());
        return found;
    };
    for (const NodeOffering& o : with("")) CHECK(o.weighed_nano_usd_per_hour == o.nano_usd_per_hour);
    for (const NodeOffering& o : with(overlay("dear", g6 + "  price: \"99\"\n")))
        CHECK(o.weighed_nano_usd_per_hour == (o.type->name == "g6.xlarge" ? 99'000'000'000 : o.nano_usd_per_hour));
    // A share, a sum; the heavier of two holds; the order of the offerings follows.
    const auto found = with(overlay("half", "  weight: 5\n" + on_demand + "  priceAdjustment: \"-50%\"\n") + overlay("more", g6 + "  priceAdjustment: \"+0.25\"\n"));
    for (const NodeOffering& o : found) {
        const std::int64_t expected = o.capacity == CapacityType::on_demand ? o.nano_usd_per_hour / 2
                                      : o.type->name == "g6.xlarge"         ? o.nano_usd_per_hour + 250'000'000
                                                                            : o.nano_usd_per_hour;
        CHECK(std::abs(o.weighed_nano_usd_per_hour - expected) <= 1);
    }
    for (std::size_t i = 1; i < found.size(); ++i) CHECK(found[i - 1].weighed_nano_usd_per_hour <= found[i].weighed_nano_usd_per_hour);
    const auto errors = [&](const std::string& spec) { return lines(import_text(pool_text + class_text + overlay("x", g6 + spec)).findings.errors); };
    CHECK_THAT(errors("  priceAdjustment: 10%\n"), Contains("found \"10%\", allowed: a sign and USD an hour or a share"));
    CHECK_THAT(errors("  price: \"1\"\n  priceAdjustment: \"+1\"\n"), Contains("stands beside priceAdjustment"));
    CHECK_THAT(errors("  capacity: {example.com/fuse: 1}\n"), Contains("spec.capacity: would change the result"));
}

TEST_CASE("karpenter: podsPerCore and the node classes of other clouds are read") {
    const Imported in = import_text(pool_text + replaced(class_text, "maxPods: 58", "maxPods: 58, podsPerCore: 2"));
    CHECK(lines(in.findings.errors).empty());
    CHECK(*in.manifests.node_classes.at(0).pods_per_core == 2);
    const Imported google = import_text("apiVersion: karpenter.k8s.gcp/v1alpha1\nkind: GCENodeClass\nmetadata: {name: d}\nspec: {imageSelectorTerms: [{alias: ContainerOptimizedOS@latest}],"
                                        " disks: [{category: pd-balanced, sizeGiB: 60, boot: true}], kubeletConfiguration: {maxPods: 40}}\n");
    CHECK(lines(google.findings.errors).empty());
    CHECK(google.manifests.node_classes.at(0).root_volume_bytes == std::int64_t{60} << 30);
    CHECK(*google.manifests.node_classes.at(0).max_pods == 40);
}

TEST_CASE("karpenter: requirements that leave nothing name the one that did it") {
    Findings findings;
    CHECK(offerings(replaced(pool_text, "Gt, values: [\"4\"]", "Gt, values: [\"9\"]"), findings).empty());
    CHECK_THAT(lines(findings.errors), Contains("requirements[2]") && Contains("Gt [9]") && Contains("4, 5, 6, 7"));

    Findings unknown;
    CHECK(offerings(replaced(pool_text, "kubernetes.io/arch, operator: In, values: [amd64]", "node.kubernetes.io/instance-type, operator: In, values: [g6.xlrge]"), unknown).empty());
    CHECK_THAT(lines(unknown.errors), Contains("g6.xlarge"));

    Findings cpu_only;
    CHECK(offerings(replaced(pool_text, "values: [g]", "values: [hpc, x]"), cpu_only).empty());
    CHECK(cpu_only.errors.empty());
    CHECK_THAT(lines(cpu_only.warnings), Contains("without GPUs"));

    Findings few;
    offerings(replaced(pool_text, "minValues: 1", "minValues: 9"), few);
    CHECK_THAT(lines(few.errors), Contains("minValues") && Contains("at most 2"));

    Findings nowhere;
    offerings(pool_text, nowhere, ClusterSpec{});
    CHECK_THAT(lines(nowhere.errors), Contains("cluster.cloud"));
}

TEST_CASE("karpenter: validate says what a pool may launch, at what price, and which workloads run there") {
    const auto shown = [](const std::string& selector, const std::string& tolerations) {
        Imported in = import_text(pool_text + class_text + R"(
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat}
spec:
  selector: {matchLabels: {app: chat}}
  template:
    metadata: {labels: {app: chat}}
    spec:
      nodeSelector: )" + selector + "\n      tolerations: " + tolerations + R"(
      containers: [{name: vllm, image: "vllm/vllm-openai:v0.10.1", args: [--model=Qwen/Qwen2.5-3B-Instruct], resources: {requests: {memory: 20Gi}, limits: {nvidia.com/gpu: 1}}}]
)");
        Scenario scenario;
        scenario.manifests = std::move(in.manifests);
        scenario.cluster = virginia();
        return validate_text(scenario, {}, false);
    };
    const std::string text = shown("{}", "[{operator: Exists}]");
    CHECK_THAT(text, Contains("NodePool/gpu (k8s.yaml:1)") && Contains("launches") && Contains("spot in us-east-1") && Contains("USD/h"));
    // 20 GiB do not fit the smallest type's 16.
    CHECK_THAT(text, Contains("runs on    NodePool/gpu: "));
    const std::string room = text.substr(text.find("runs on"));
    CHECK(room.substr(0, room.find('\n')).find("g6.xlarge") == std::string::npos);
    CHECK_THAT(shown("{disk: fast}", "[{operator: Exists}]"), Contains("runs on    no pool: NodePool/gpu: none of its offerings has what the pod asks for"));
}
