// What operators' controllers make of their objects (tests/scenarios/published, own words and values): the Deployments,
// autoscalers and servers that they come to, and what is refused with advice.
#include "scenarios/scenario.hpp"
#include "tests/support/imported_manifests.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

std::string service(const std::string& annotations, const std::string& predictor) {
    return "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: s, annotations: {" + annotations + "}}\nspec:\n  predictor:\n" + predictor +
           "    model:\n      modelFormat: {name: huggingface}\n      args: [--model_id=Qwen/Qwen2.5-7B-Instruct]\n      resources: {limits: {nvidia.com/gpu: \"1\"}}\n";
}

}  // namespace

TEST_CASE("operators: objects of nine shapes come to Deployments with their servers") {
    struct Row {
        const char *file, *workload, *made_from, *model;
        std::int32_t replicas;
    };
    const Row rows[] = {
        {"kserve_huggingface.yaml", "summariser-predictor", "InferenceService/summariser", "meta-llama/Meta-Llama-3-8B-Instruct", 1},
        {"kserve_runtime.yaml", "helpdesk-predictor", "InferenceService/helpdesk", "qwen2.5-7b-instruct", 1},
        {"kserve_keda.yaml", "translator-predictor", "InferenceService/translator", "Qwen/Qwen2.5-7B-Instruct", 1},
        {"llm_inference_service.yaml", "chat-qwen-kserve", "LLMInferenceService/chat-qwen", "Qwen/Qwen2.5-7B-Instruct", 3},
        {"vllm_runtime.yaml", "office-llama", "VLLMRuntime/office-llama", "meta-llama/Llama-3.1-8B-Instruct", 2},
        {"kubeai_model.yaml", "model-docs-llama", "Model/docs-llama", "neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8", 1},
        {"aibrix.yaml", "thinker", "", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", 1},
        {"ray_service.yaml", "qwen-on-ray-gpu-group", "RayService/qwen-on-ray", "Qwen/Qwen2.5-7B-Instruct", 1},
    };
    for (const Row& row : rows) {
        INFO(row.file);
        const Imported in = import_file(row.file);
        INFO(lines(in.findings.errors));
        CHECK(in.findings.errors.empty());
        const WorkloadObject& w = workload(in, row.workload);
        CHECK(w.made_from == row.made_from);
        CHECK(w.replicas == row.replicas);
        CHECK(w.pod.gpus() == 1);
        REQUIRE(w.server);
        CHECK(w.server->model == row.model);
    }
    const Imported nim = import_file("nim_service.yaml");
    CHECK(nim.findings.errors.empty());
    REQUIRE(workload(nim, "house-llama").server);  // the image is of one model
    CHECK(workload(nim, "house-llama").server->model == "llama-3.1-8b-instruct");
    CHECK_THAT(lines(nim.findings.warnings), Contains("runs NVIDIA NIM, which is simulated as vLLM's newest profile"));
    REQUIRE(nim.manifests.horizontal_pod_autoscalers.size() == 1);
    CHECK(nim.manifests.horizontal_pod_autoscalers[0].max_replicas == 10);
}

TEST_CASE("operators: KServe's flags, runtime, probes and autoscaler are those that its controller would write") {
    const Imported in = import_file("kserve_runtime.yaml");
    const WorkloadObject& w = workload(in, "helpdesk-predictor");
    // The runtime's arguments first, then the service's; the service's name in the place of {{.Name}}.
    CHECK(w.server->served_model_names == std::vector<std::string>{"helpdesk"});
    CHECK(w.server->max_model_len == 8192);
    CHECK(w.server->dtype == "fp16");
    CHECK(w.server->port == 8080);
    REQUIRE(w.pod.containers.at(0).readiness_probe);
    CHECK(w.pod.containers[0].readiness_probe->action == ProbeAction::tcp_socket);
    CHECK(w.pod.containers[0].readiness_probe->port == "8080");
    CHECK(w.pod.tolerations.size() == 1);
    CHECK_THAT(lines(in.findings.warnings), Contains("is taken to hold qwen2.5-7b-instruct"));
    REQUIRE(in.manifests.horizontal_pod_autoscalers.size() == 1);
    const HorizontalPodAutoscaler& hpa = in.manifests.horizontal_pod_autoscalers[0];
    CHECK(hpa.target.name == "helpdesk-predictor");
    CHECK(hpa.min_replicas == 1);
    CHECK(hpa.max_replicas == 3);
    CHECK(hpa.metrics.at(0).name == "cpu");
    CHECK(hpa.metrics.at(0).utilization_percent == 70);

    // A probe that gives some of its fields is merged into the configuration's, which acts on /health.
    const Imported llm = import_text("apiVersion: serving.kserve.io/v1alpha1\nkind: LLMInferenceService\nmetadata: {name: l}\nspec:\n  model: {uri: hf://Qwen/Qwen2.5-7B-Instruct}\n"
                                     "  template: {containers: [{name: main, image: \"vllm/vllm-openai:v0.10.2\", resources: {limits: {nvidia.com/gpu: 1}},"
                                     " livenessProbe: {initialDelaySeconds: 30, failureThreshold: 5}}]}\n");
    CHECK(lines(llm.findings.errors).empty());
    const auto& liveness = workload(llm, "l-kserve").pod.containers.at(0).liveness_probe;
    REQUIRE(liveness);
    CHECK(liveness->action == ProbeAction::http_get);
    CHECK(liveness->http_path == "/health");
    CHECK(liveness->initial_delay == seconds(30));
    CHECK(liveness->failure_threshold == 5);
    CHECK(liveness->period == seconds(10));

    const Imported keda = import_file("kserve_keda.yaml");
    CHECK(keda.manifests.horizontal_pod_autoscalers.empty());
    REQUIRE(keda.manifests.scaled_objects.size() == 1);
    CHECK(keda.manifests.scaled_objects[0].max_replicas == 5);
    REQUIRE(keda.manifests.scaled_objects[0].triggers.size() == 2);
    CHECK(keda.manifests.scaled_objects[0].triggers[0].query == "vllm:num_requests_running");
    CHECK(keda.manifests.scaled_objects[0].triggers[0].threshold == Approx(2));
    CHECK(workload(keda, "translator-predictor").server->max_model_len == 8192);

    // Without a metric of its own it scales on 80% of the CPU request, 1 core where none is said.
    const Imported plain = import_text(service("serving.kserve.io/deploymentMode: RawDeployment", "    minReplicas: 0\n    maxReplicas: 4\n"));
    REQUIRE(plain.manifests.horizontal_pod_autoscalers.size() == 1);
    CHECK(plain.manifests.horizontal_pod_autoscalers[0].min_replicas == 1);  // an HPA has no zero
    CHECK(plain.manifests.horizontal_pod_autoscalers[0].metrics.at(0).utilization_percent == 80);
    CHECK(workload(plain, "s-predictor").pod.cpu_request_milli() == 1000);
    CHECK(workload(plain, "s-predictor").pod.memory_request_bytes() == std::int64_t{2} << 30);
}

TEST_CASE("operators: autoscalers of their own are refused with what to write, fixed counts are not") {
    const auto errors = [](const std::string& text) { return lines(import_text(text).findings.errors); };
    const std::string knative = "serving.kserve.io/deploymentMode: Serverless";
    CHECK_THAT(errors(service(knative, "    minReplicas: 0\n    maxReplicas: 3\n")), Contains("k8s.yaml:7:18: spec.predictor.maxReplicas") && Contains("Knative") && Contains("RawDeployment"));
    CHECK(errors(service(knative, "    minReplicas: 2\n    maxReplicas: 2\n")).empty());
    const std::string canary = "    canaryTrafficPercent: 10\n    minReplicas: 2\n    maxReplicas: 2\n";
    CHECK_THAT(errors(service(knative, canary)), Contains("two revisions that share the traffic"));
    const Imported standard = import_text(service("serving.kserve.io/deploymentMode: RawDeployment", canary));
    CHECK(standard.findings.errors.empty());
    CHECK_THAT(lines(standard.findings.warnings), Contains("canaryTrafficPercent: is Knative's"));
    CHECK_THAT(errors(service("", "    scaleMetric: concurrency\n    scaleTarget: 5\n    maxReplicas: 3\n")), Contains("Knative"));
    CHECK_THAT(errors(service("serving.kserve.io/autoscalerClass: kedda", "    maxReplicas: 3\n")), Contains("kedda") && Contains("keda"));
    CHECK_THAT(errors(service("", "    minReplicas: 3\n    maxReplicas: 2\n")), Contains("found 2 below minReplicas 3"));
    CHECK_THAT(errors(service("", "    minReplica: 3\n")), Contains("Deployment/s-predictor:spec.template.spec.minReplica: is no known key"));

    auto model = published("kubeai_model.yaml");
    model[0].root.find("spec")->find("maxReplicas")->integer = 4;
    CHECK_THAT(lines(import_documents(model).findings.errors), Contains("scaled by KubeAI") && Contains("autoscalingDisabled"));
    auto scaler = published("aibrix.yaml");
    scaler[1].root.find("spec")->find("scalingStrategy")->text = "APA";
    CHECK_THAT(lines(import_documents(scaler).findings.errors), Contains("found APA, AIBrix' own autoscaler") && Contains("ScaledObject"));
}

TEST_CASE("operators: KServe's autoscaling keeps its behaviour, and a runtime without a namespace is the service's own") {
    const std::string scaled = "    minReplicas: 1\n    maxReplicas: 4\n    autoScaling:\n      behavior: {scaleDown: {stabilizationWindowSeconds: 60}}\n";
    const auto scaled_by = [&](const std::string& autoscaler) {
        const Imported in = import_text(service("serving.kserve.io/deploymentMode: RawDeployment, serving.kserve.io/autoscalerClass: " + autoscaler, scaled));
        INFO(lines(in.findings.errors));
        REQUIRE(in.findings.errors.empty());
        return in.manifests;
    };
    const auto keeps_behavior = [](const auto& scalers) {
        REQUIRE(scalers.size() == 1);
        REQUIRE(scalers[0].behavior);
        CHECK(scalers[0].behavior->scale_down.stabilization_window == seconds(60));
    };
    keeps_behavior(scaled_by("hpa").horizontal_pod_autoscalers);
    keeps_behavior(scaled_by("keda").scaled_objects);
    // The runtime is applied with -n beside a service that says its namespace; one of another namespace is none of its.
    const auto with_runtime = [](const std::string& name_space) {
        return "apiVersion: serving.kserve.io/v1alpha1\nkind: ServingRuntime\nmetadata: {name: own" + name_space +
               "}\nspec:\n  supportedModelFormats: [{name: vLLM, autoSelect: true}]\n  containers:\n  - {name: kserve-container, image: \"vllm/vllm-openai:v0.9.2\", args: [--model=/mnt/models]}\n---\n"
               "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: s, namespace: demo, annotations: {windtunnel.dev/model: Qwen/Qwen2.5-7B-Instruct}}\nspec:\n  predictor:\n"
               "    model: {modelFormat: {name: vLLM}, runtime: own, resources: {limits: {nvidia.com/gpu: \"1\"}}}\n";
    };
    const Imported beside = import_text(with_runtime(""));
    CHECK(lines(beside.findings.errors) == "");
    CHECK(workload(beside, "s-predictor").server->vllm_version == "0.9.2");
    CHECK_THAT(lines(import_text(with_runtime(", namespace: other")).findings.errors), Contains("which no ServingRuntime"));
}

TEST_CASE("operators: in a dump the Deployment that the controller made stands, not one that is derived again") {
    const std::string made = R"(---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: s-predictor
  ownerReferences: [{apiVersion: serving.kserve.io/v1beta1, kind: InferenceService, name: s, controller: true}]
spec:
  replicas: 3
  selector: {matchLabels: {app: isvc.s-predictor}}
  template:
    metadata: {labels: {app: isvc.s-predictor}}
    spec:
      containers:
      - {name: kserve-container, image: "kserve/huggingfaceserver:v0.15.0-gpu", args: [--model_name=s, --model_id=Qwen/Qwen2.5-7B-Instruct], resources: {limits: {nvidia.com/gpu: "1"}}}
)";
    const Imported in = import_text(service("", "") + made);
    CHECK(lines(in.findings.errors).empty());
    REQUIRE(in.manifests.workloads.size() == 1);
    CHECK(in.manifests.workloads[0].replicas == 3);
}

TEST_CASE("operators: KAITO's Workspace makes a Deployment of its preset and the nodes under it") {
    const std::string workspace = "apiVersion: kaito.sh/v1beta1\nkind: Workspace\nmetadata: {name: phi}\nresource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {apps: phi}}}\n"
                                  "inference: {preset: {name: phi-4-mini-instruct}}\n";
    const Imported in = import_text(workspace);
    INFO(lines(in.findings.errors));
    CHECK(in.findings.errors.empty());
    const WorkloadObject& phi = workload(in, "phi");
    REQUIRE(phi.server);
    CHECK(phi.server->model == "microsoft/Phi-4-mini-instruct");
    CHECK(phi.pod.gpus() == 1);
    REQUIRE(in.manifests.node_groups.size() == 1);
    const NodeGroup& nodes = in.manifests.node_groups[0];
    CHECK(nodes.instance_types == std::vector<std::string>{"Standard_NC24ads_A100_v4"});
    CHECK(nodes.max_size == 1);
    CHECK(nodes.labels.at("apps") == "phi");
    std::string wrong = workspace;
    wrong.replace(wrong.find("phi-4-mini-instruct"), 19, "phi-4-mini-instrct");
    CHECK_THAT(lines(import_text(wrong).findings.errors), Contains("k8s.yaml:5") && Contains("did you mean phi-4-mini-instruct?"));
}

TEST_CASE("operators: Argo's Rollout is a workload that HPAs scale, with its strategy's bounds and a warning about its steps") {
    const std::string rollout = R"(apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: chat}
spec:
  replicas: 2
  selector: {matchLabels: {app: chat}}
  strategy:
    canary: {maxSurge: 1, maxUnavailable: 0, steps: [{setWeight: 20}, {pause: {duration: 10m}}]}
  template:
    metadata: {labels: {app: chat}}
    spec:
      containers: [{name: vllm, image: "vllm/vllm-openai:v0.10.1", args: [--model=Qwen/Qwen2.5-3B-Instruct], resources: {requests: {cpu: 4}, limits: {nvidia.com/gpu: 1}}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: chat}
spec: {scaleTargetRef: {apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: chat}, maxReplicas: 4}
)";
    const Imported in = import_text(rollout);
    CHECK(lines(in.findings.errors) == "");
    const WorkloadObject& chat = workload(in, "chat");
    CHECK(chat.max_surge.value == 1);
    CHECK(chat.max_unavailable.value == 0);
    CHECK(chat.server->model == "Qwen/Qwen2.5-3B-Instruct");
    CHECK_THAT(lines(in.findings.warnings), Contains("spec.strategy.canary: its steps"));
    std::string twice = rollout;
    twice.replace(twice.find("    canary:"), 11, "    blueGreen: {activeService: a}\n    canary:");
    CHECK_THAT(lines(import_text(twice).findings.errors), Contains("has both of canary and blueGreen"));
}
