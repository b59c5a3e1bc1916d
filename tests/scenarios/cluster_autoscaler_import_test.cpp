// The cluster-autoscaler's own Deployment, as people install it, says how nodes come and go.
#include "scenarios/kubernetes/kubernetes.hpp"
#include "tests/support/imported_manifests.hpp"
#include "tests/support/node_pools_lab.hpp"

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

const std::string deployed = R"yaml(apiVersion: apps/v1
kind: Deployment
metadata: {name: cluster-autoscaler, namespace: kube-system, labels: {app: cluster-autoscaler}}
spec:
  replicas: 1
  selector: {matchLabels: {app: cluster-autoscaler}}
  template:
    metadata: {labels: {app: cluster-autoscaler}}
    spec:
      containers:
      - name: cluster-autoscaler
        image: registry.k8s.io/autoscaling/cluster-autoscaler:v1.32.1
        command:
        - ./cluster-autoscaler
        - --v=4
        - --cloud-provider=aws
        - --skip-nodes-with-local-storage=false
        - --expander=priority,least-waste
        - --node-group-auto-discovery=asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/prod
        - --nodes=1:10:gpu-asg
        - --balance-similar-node-groups
        - --scale-down-unneeded-time=5m
        - --scale-down-utilization-threshold=0.7
        resources: {limits: {cpu: 100m, memory: 600Mi}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cluster-autoscaler-priority-expander, namespace: kube-system}
data:
  priorities: |-
    10:
      - .*on-demand.*
    50:
      - .*spot.*
)yaml";

struct CaImport {
    Manifests manifests;
    std::string errors;
    std::string warnings;
};

CaImport import_flags(const std::string& text) {
    auto documents = parse_documents(text, "ca.yaml");
    if (!documents) FAIL(to_string(documents.problems()[0]));
    CaImport out;
    Findings findings;
    out.manifests = import_kubernetes(std::move(*documents), findings);
    for (const Problem& p : findings.errors) out.errors += to_string(p) + "\n";
    for (const Problem& p : findings.warnings) out.warnings += to_string(p) + "\n";
    return out;
}

CaImport with(const std::string& from, const std::string& to) {
    std::string text = deployed;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return import_flags(text.replace(at, from.size(), to));
}

}  // namespace

TEST_CASE("cluster-autoscaler: its flags are read, and what is not given has the version's default") {
    const CaImport in = import_flags(deployed);
    INFO(in.errors);
    REQUIRE(in.errors.empty());
    REQUIRE(in.manifests.cluster_autoscaler);
    const ClusterAutoscalerSettings& ca = *in.manifests.cluster_autoscaler;
    CHECK(ca.minor_version == 32);
    CHECK(ca.expanders == std::vector<CaExpander>{CaExpander::priority, CaExpander::least_waste});
    CHECK(ca.scale_down.unneeded_time == seconds(300));
    CHECK(ca.scale_down.utilization_threshold == 0.7);
    CHECK(ca.scale_down.delay_after_add == seconds(600));
    CHECK(ca.balance_similar_groups);
    CHECK(!ca.skip_local_storage);
    CHECK(ca.skip_system_pods);
    CHECK(!ca.loop.frequent_loops);  // since 1.35
    REQUIRE(ca.groups.size() == 1);
    CHECK(ca.groups[0].max == 10);
    CHECK(ca.groups[0].name == "gpu-asg");
    CHECK(in.manifests.expander_priorities.at(50) == std::vector<std::string>{".*spot.*"});

    const CaImport plain = with("        - --expander=priority,least-waste\n", "");
    CHECK(plain.manifests.cluster_autoscaler->expanders == std::vector<CaExpander>{CaExpander::random});
    CHECK(with("v1.32.1", "v1.35.0").manifests.cluster_autoscaler->loop.frequent_loops);
}

TEST_CASE("cluster-autoscaler: wrong flags are refused") {
    CHECK_THAT(with("--nodes=1:10:", "--nodes=11:10:").errors, Contains("at most the maximum"));
    CHECK_THAT(with("--nodes=1:10:gpu-asg", "--nodes=1:gpu-asg").errors, Contains("MIN:MAX:NAME"));
    CHECK_THAT(with("least-waste", "least-wast").errors, Contains("did you mean least-waste?"));
    CHECK_THAT(with("=5m", "=5").errors, Contains("a duration such as"));
    CHECK_THAT(with("=0.7", "=70").errors, Contains("a share from 0 to 1"));
    CHECK_THAT(with("--scale-down-unneeded-time", "--scale-down-uneeded-time").errors, Contains("did you mean scale-down-unneeded-time?"));
    CHECK_THAT(with("--v=4", "--salvo-scale-up").errors, Contains("salvo-scale-up is not simulated"));
    CHECK_THAT(with("--v=4", "--max-node-startup-time=5m").warnings, Contains("is not simulated"));
    CHECK(with("--v=4", "--parallel-scale-up=true").errors == "");
    CHECK_THAT(with("--v=4", "--enforce-node-group-min-size=true").warnings, Contains("is not simulated"));
    CHECK(with("--v=4", "--unremovable-node-recheck-timeout=1m").manifests.cluster_autoscaler->unremovable_recheck == seconds(60));
    CHECK(with("--v=4", "--ok-total-unready-count=7").manifests.cluster_autoscaler->loop.ok_total_unready == 7);
    CHECK(with("--v=4", "--max-total-unready-percentage=20").manifests.cluster_autoscaler->loop.max_total_unready_percentage == 20);
    CHECK_THAT(with("--v=4", "--max-total-unready-percentage=200").errors, Contains("a percentage"));
    CHECK_THAT(with(".*spot.*", "\"[spot\"").errors, Contains("a regular expression"));
}

TEST_CASE("cluster-autoscaler: similar groups are those whose nodes have the same labels, but for their group's and place's names") {
    const std::string autoscaler = R"yaml(---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cluster-autoscaler, namespace: kube-system}
spec:
  selector: {matchLabels: {app: cluster-autoscaler}}
  template:
    metadata: {labels: {app: cluster-autoscaler}}
    spec:
      containers:
      - {name: cluster-autoscaler, image: "registry.k8s.io/autoscaling/cluster-autoscaler:v1.32.1", command: [./cluster-autoscaler, --cloud-provider=aws, --expander=least-nodes, --balance-similar-node-groups]}
)yaml";
    const auto groups = [&](const std::string& second) {
        return autoscaler + "---\napiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: demo, region: us-east-1}\nmanagedNodeGroups:\n"
               "- {name: a, instanceType: g6.xlarge, minSize: 0, maxSize: 4, desiredCapacity: 0, labels: {role: gpu}}\n- {name: b, instanceType: g6.xlarge, minSize: 0, maxSize: 4, desiredCapacity: 0, " + second + "}\n" +
               deployment("", "1");
    };
    const auto spread = [&](const std::string& second) {
        const Compiled c = good(groups(second), "  cloud: aws\n  region: us-east-1\n", "events:\n  - {at_s: 60, scale: Deployment/chat, replicas: 4}\n");
        const std::vector<PoolPlan>& pools = c.scenario.parts.pools;
        return std::pair{pools[0].similar == pools[1].similar ? 1 : 0, std::min(c.outcome.tally.pools[0].nodes.most, c.outcome.tally.pools[1].nodes.most)};
    };
    CHECK(spread("labels: {role: gpu}").first == 1);
    CHECK(spread("labels: {role: gpu}").second == 2);  // the first node and three new ones: two of each
    // Another way of buying, or another label, makes another kind of group: all new nodes are of one of them.
    for (const char* other : {"labels: {role: gpu}, spot: true", "labels: {role: gpu, team: chat}"}) {
        INFO(other);
        CHECK(spread(other).first == 0);
        CHECK(spread(other).second <= 1);
    }
    // Beside two that are alike a third that is not stays out: the six after the first are spread over those two, unless the
    // third is chosen, which then fills up before the two share what is left. Over three groups they would be 2, 2 and 3.
    const Compiled mixed = good(groups("labels: {role: gpu}}\n- {name: c, instanceType: g6.xlarge, minSize: 0, maxSize: 4, desiredCapacity: 0, spot: true, labels: {role: gpu}"),
                                "  cloud: aws\n  region: us-east-1\n", "events:\n  - {at_s: 60, scale: Deployment/chat, replicas: 7}\n");
    const std::vector<PoolPlan>& pools = mixed.scenario.parts.pools;
    CHECK(pools[0].similar == pools[1].similar);
    CHECK(pools[2].similar != pools[0].similar);
    const auto most = [&](std::size_t pool) { return static_cast<int>(mixed.outcome.tally.pools[pool].nodes.most); };
    INFO(most(0) << ' ' << most(1) << ' ' << most(2));
    CHECK(most(0) + most(1) + most(2) == 7);
    CHECK((most(2) <= 1 || most(2) == 4));
    CHECK(std::abs(most(0) - most(1)) <= 1);
}
