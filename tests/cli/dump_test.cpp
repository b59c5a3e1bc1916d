// A dump of a live cluster (`kubectl get ... -o yaml`, status included) is where a run starts from.
#include "tests/support/program_run.hpp"

#include <nlohmann/json.hpp>

#ifdef WINDTUNNEL_PROGRAM

using namespace windtunnel::program;
using Catch::Matchers::Contains;

namespace {

std::string node(const std::string& name, const std::string& zone, const std::string& more = "", const std::string& ready = "True") {
    return "- apiVersion: v1\n  kind: Node\n  metadata:\n    name: " + name +
           "\n    labels: {kubernetes.io/hostname: " + name + ", node.kubernetes.io/instance-type: g6.xlarge, topology.kubernetes.io/region: us-east-1, topology.kubernetes.io/zone: " + zone +
           ", eks.amazonaws.com/nodegroup: gpus, nvidia.com/gpu.product: NVIDIA-L4}\n  spec: {providerID: 'aws:///" + zone + "/i-" + name + "'" + more +
           "}\n  status:\n    capacity: {cpu: '4', memory: 16Gi, nvidia.com/gpu: '1', pods: '58'}\n    allocatable: {cpu: 3920m, memory: 15Gi, nvidia.com/gpu: '1', pods: '58'}\n"
           "    conditions: [{type: Ready, status: '" + ready + "'}]\n";
}

std::string pod(const std::string& name, const std::string& where, bool ready) {
    return "- apiVersion: v1\n  kind: Pod\n  metadata: {name: " + name + ", labels: {app: chat}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: chat-6d4, controller: true}]}\n  spec: {nodeName: " + where +
           ", containers: [{name: vllm, image: x}]}\n  status: {phase: Running, conditions: [{type: Ready, status: '" + (ready ? "True" : "False") + "'}], containerStatuses: [{name: vllm, restartCount: 4}]}\n";
}

const char* const dumped_deployment = R"(- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: chat}
  spec:
    replicas: 3
    selector: {matchLabels: {app: chat}}
    template:
      metadata: {labels: {app: chat}}
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.10.2
          args: [--model=meta-llama/Llama-3.1-8B-Instruct, --max-model-len=8192]
          resources: {requests: {cpu: "3", memory: 10Gi}, limits: {nvidia.com/gpu: 1}}
          readinessProbe: {httpGet: {path: /health, port: 8000}}
  status: {observedGeneration: 4, replicas: 3, readyReplicas: 2}
- apiVersion: autoscaling/v2
  kind: HorizontalPodAutoscaler
  metadata: {name: chat}
  spec:
    scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: chat}
    minReplicas: 1
    maxReplicas: 3
    metrics: [{type: Pods, pods: {metric: {name: vllm:num_requests_running}, target: {type: AverageValue, averageValue: "1"}}}]
  status: {currentReplicas: 3, desiredReplicas: 3}
)";

const char* const dump_scenario = R"(apiVersion: windtunnel/v1
kind: Scenario
manifests: [dump.yaml]
workload:
  cold_start: [{name: weights_load, median_s: 60}]
  synthetic: {rate_rps: 8, duration_s: 300, arrival: constant, prompt_tokens: 512, output_tokens: 128}
)";

nlohmann::json run(const Folder& f, const std::string& arguments = "") {
    const Ended ended = windtunnel_in(f.path(), "run scenario.yaml -o json " + arguments);
    INFO(ended.error);
    REQUIRE(ended.code == 0);
    return nlohmann::json::parse(ended.out);
}

}  // namespace

TEST_CASE("dump: nodes, replicas and readiness are those of the cluster") {
    const Folder f;
    const std::string head = "apiVersion: v1\nkind: List\nitems:\n";
    f.write("scenario.yaml", dump_scenario);
    f.write("dump.yaml", head + node("a", "us-east-1a") + node("b", "us-east-1a") + node("c", "us-east-1b") + dumped_deployment + pod("chat-6d4-1", "a", true) + pod("chat-6d4-2", "b", true) + pod("chat-6d4-3", "c", false));
    const nlohmann::json out = run(f);
    // Three nodes that stay; two replicas are Ready, the third begins its start at t = 0.
    CHECK(out["capacity"]["nodes_mean"] == 3.0);
    CHECK(out["capacity"]["nodes_max"] == 3);
    CHECK(out["capacity"]["replicas_max"] == 3);
    CHECK(out["capacity"]["cold_starts"] == 1);
    // All three are paid for the span: 300 s x 3 x g6.xlarge in us-east-1.
    const double hours = out["cost"]["by_pool"][0]["node_hours"].get<double>() + out["cost"]["by_pool"][1]["node_hours"].get<double>();
    CHECK(hours == Approx(0.25).epsilon(0.001));
    // The scenario's own count of replicas stands over the dump's.
    CHECK(run(f, "--set workload.initial_replicas=3")["capacity"]["cold_starts"] == 0);
}

TEST_CASE("dump: nodes of a pool that is named are its nodes at t = 0; broken and cordoned ones are left out") {
    const Folder f;
    const std::string head = "apiVersion: v1\nkind: List\nitems:\n";
    f.write("scenario.yaml", std::string(dump_scenario) + "cluster: {cloud: aws, region: us-east-1, pools: [{name: gpus, instance_type: g6.xlarge, min: 0, max: 8, initial: 5}]}\n");
    f.write("dump.yaml", head + node("a", "us-east-1a") + node("b", "us-east-1a") + node("c", "us-east-1b", ", unschedulable: true") + node("d", "us-east-1b", "", "Unknown") + dumped_deployment + pod("chat-6d4-1", "a", true) +
                             pod("chat-6d4-2", "b", true) + pod("chat-6d4-3", "c", false));
    const Ended said = windtunnel_in(f.path(), "validate scenario.yaml");
    CHECK(said.code == 0);
    CHECK_THAT(said.out, Contains("Node/c is cordoned and is left out") && Contains("Node/d is not Ready and is left out"));
    const nlohmann::json out = run(f);
    CHECK(out["cost"]["by_pool"].size() == 1);
    CHECK(out["capacity"]["nodes_max"] == 3);  // a and b, and one more for the third replica
}

#endif
