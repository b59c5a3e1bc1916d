#include "scenarios/kubernetes/kubernetes.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "scenarios/compile/validate_text.hpp"
#include "scenarios/scenario.hpp"
#include "tests/support/imported_manifests.hpp"

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

const std::string chat_deployment = R"(apiVersion: apps/v1
kind: Deployment
metadata: {name: chat, labels: {app: chat}}
spec:
  replicas: 2
  selector: {matchLabels: {app: chat}}
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  minReadySeconds: 5
  template:
    metadata: {labels: {app: chat}}
    spec:
      terminationGracePeriodSeconds: 120
      nodeSelector: {gpu: l4}
      tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.8.5.post1
        env: [{name: TP, value: "2"}, {name: HF_TOKEN, valueFrom: {secretKeyRef: {name: hf, key: t}}}]
        args: [--model, meta-llama/Llama-3.1-8B-Instruct, --tensor-parallel-size=$(TP), --max-model-len, 16k, --gpu_memory_utilization, "0.95", --no-enable-prefix-caching, --disable-log-requests]
        ports: [{containerPort: 8000, name: http}]
        resources: {requests: {cpu: 500m, memory: 16Gi}, limits: {nvidia.com/gpu: 2, memory: 24Gi, cpu: "4"}}
        startupProbe: {httpGet: {path: /health, port: http}, periodSeconds: 10, failureThreshold: 60}
        readinessProbe: {httpGet: {path: /v1/models, port: 8000}, initialDelaySeconds: 3}
        lifecycle: {preStop: {exec: {command: [sh, -c, "sleep 15"]}}}
)";

/// All errors of a text as lines.
std::string errors_of(const std::string& text) { return lines(import_text(text).findings.errors); }
std::string warnings_of(const std::string& text) { return lines(import_text(text).findings.warnings); }

std::string notes_of(const std::string& text) {
    std::string out;
    for (const Problem& p : import_text(text).findings.notes) out += to_string(p) + "\n";
    return out;
}

/// A Deployment of one GPU whose container is started as given (YAML of `image`, `command`, `args`, `env`).
std::string server_with(const std::string& lines, int gpus = 1) {
    return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n"
           "    spec:\n      containers:\n      - name: c\n        resources: {limits: {nvidia.com/gpu: " + std::to_string(gpus) + "}}\n" + lines;
}

ModelServer server_of(const std::string& lines, int gpus = 1) {
    Imported imported = import_text(server_with(lines, gpus));
    for (const Problem& p : imported.findings.errors) FAIL(to_string(p));
    REQUIRE(imported.manifests.workloads.at(0).server.has_value());
    return *imported.manifests.workloads[0].server;
}

}  // namespace

TEST_CASE("kubernetes: a Deployment of a vLLM server comes out typed") {
    const Imported imported = import_text(chat_deployment);
    CHECK(errors_of(chat_deployment).empty());
    REQUIRE(imported.manifests.workloads.size() == 1);
    const WorkloadObject& w = imported.manifests.workloads[0];
    CHECK(w.replicas == 2);
    CHECK(w.max_surge == IntOrPercent{1, false});
    CHECK(w.max_unavailable == IntOrPercent{0, false});
    CHECK(w.min_ready == seconds(5));
    CHECK(w.pod.termination_grace == seconds(120));
    CHECK(w.pod.node_selector.at("gpu") == "l4");
    CHECK(w.pod.tolerations[0].tolerates({"nvidia.com/gpu", "present", TaintEffect::no_schedule}));
    CHECK_FALSE(w.pod.tolerations[0].tolerates({"nvidia.com/gpu", "present", TaintEffect::no_execute}));
    CHECK(w.pod.gpus() == 2);
    CHECK(w.pod.gpu_resource() == "nvidia.com/gpu");
    CHECK(w.pod.cpu_request_milli() == 500);
    CHECK(w.pod.memory_request_bytes() == 16LL << 30);
    const Container& c = w.pod.containers[0];
    CHECK(c.startup_probe->failure_threshold == 60);
    CHECK(c.startup_probe->timeout == seconds(1));
    CHECK(c.readiness_probe->http_path == "/v1/models");
    CHECK(c.readiness_probe->initial_delay == seconds(3));
    CHECK(c.readiness_probe->period == seconds(10));
    CHECK_FALSE(c.liveness_probe.has_value());
    CHECK(*c.pre_stop->time == seconds(15));
    REQUIRE(w.server.has_value());
    CHECK(w.server->model == "meta-llama/Llama-3.1-8B-Instruct");
    CHECK(w.server->vllm_version == "0.8.5");
    CHECK(w.server->tensor_parallel == 2);
    CHECK(*w.server->max_model_len == 16000);  // vLLM: k is decimal, K is binary
    CHECK(*w.server->gpu_memory_utilization == 0.95);
    CHECK(*w.server->prefix_caching == false);
    CHECK_THAT(notes_of(chat_deployment), Contains("--disable-log-requests does not change the result"));
    // Positions can be asked for later by path.
    CHECK(imported.manifests.where(w.meta, "spec.replicas").line == 5);
    CHECK(imported.manifests.where(w.meta, "spec.template.spec.containers[0].image").line == 17);
}

TEST_CASE("kubernetes: vLLM is recognised however it is started") {
    const std::string image = "        image: vllm/vllm-openai:v0.11.0\n";
    CHECK(server_of(image + "        args: [\"m\", \"-tp=1\"]\n").model == "m");
    CHECK(server_of(image + "        command: [vllm, serve, org/m, --max-num-seqs, \"64\"]\n").max_num_seqs == 64);
    CHECK(server_of("        image: my.registry:5000/thing\n        command: [python3, -m, vllm.entrypoints.openai.api_server]\n        args: [--model=org/m, --max-model-len=8K]\n").max_model_len == 8192);
    const ModelServer shell = server_of("        image: nvcr.io/x/vllm:25.01-py3\n        command: [/bin/sh, -c]\n        args:\n        - |\n          echo start\n          exec vllm serve org/m \\\n            --kv-cache-dtype fp8 \\\n            --enable-chunked-prefill=False --dtype half --scheduling-policy priority\n"
                                        "        env: [{name: VLLM_USE_V1, value: \"0\"}]\n");
    CHECK(shell.model == "org/m");
    CHECK(shell.kv_cache_dtype == "fp8");
    CHECK(shell.chunked_prefill == false);
    CHECK(shell.dtype == "fp16");
    CHECK(shell.engine_generation == "v0");
    CHECK(shell.priority_scheduling);
    CHECK(server_of(image + "        args: [--model, m, -tp, \"4\", --pipeline_parallel_size, \"2\"]\n", 8).pipeline_parallel == 2);
    CHECK(import_text(server_with("        image: ollama/ollama\n")).manifests.workloads[0].server.has_value() == false);
}

TEST_CASE("kubernetes: --enable-lora sets its slots aside, and a warning says what an adapter's requests cost") {
    const auto manifest = [](const std::string& args) { return server_with("        image: vllm/vllm-openai:v0.9.1\n        args: [--model, m" + args + "]\n"); };
    const Imported adapters = import_text(manifest(", --enable-lora, --max-loras, \"4\", --max-lora-rank=64, --lora-modules, sql=a/b, chat=c/d"));
    CHECK(adapters.findings.errors.empty());
    CHECK_THAT(lines(adapters.findings.warnings), Contains("slots of its adapters are taken off the KV cache"));
    const ModelServer& server = *adapters.manifests.workloads[0].server;
    CHECK(server.enable_lora);
    CHECK(server.lora.slots == 4);
    CHECK(server.lora.rank == 64);
    // vLLM's defaults; without --enable-lora nothing is set aside.
    CHECK(import_text(manifest(", --enable-lora")).manifests.workloads[0].server->lora.slots == 1);
    CHECK_FALSE(import_text(manifest(", --max-loras, \"4\"")).manifests.workloads[0].server->enable_lora);
}

TEST_CASE("kubernetes: flags that vLLM does not know, or whose effect is not simulated, are errors") {
    const auto error = [](const std::string& args) { return errors_of(server_with("        image: vllm/vllm-openai:v0.9.1\n        args: [--model, m, " + args + "]\n")); };
    CHECK_THAT(error("--max-nums-seqs, \"8\""), Contains("--max-nums-seqs is no flag of vLLM; did you mean max-num-seqs?"));
    CHECK_THAT(error("--speculative-config, \"{}\""), Contains("neither method nor model"));
    CHECK_THAT(error("--long-lora-scaling-factors, \"2\""), Contains("LoRA"));
    CHECK_THAT(error("--max-loras, \"0\""), Contains("an integer from 1 to"));
    CHECK_THAT(error("--cpu-offload-gb, \"4\""), Contains("host memory"));
    CHECK(error("--cpu-offload-gb, \"0\"").empty());
    CHECK_THAT(error("--gpu-memory-utilization, \"95\""), Contains("above 0 and at most 1"));
    CHECK_THAT(error("--max-model-len, many"), Contains("found \"many\""));
    CHECK_THAT(error("--tensor-parallel-size, \"2\""), Contains("= 2 on 1 GPUs"));
    CHECK_THAT(error("--port"), Contains("has no value"));
    CHECK_THAT(error("stray"), Contains("found \"stray\""));
    CHECK_THAT(errors_of(server_with("        image: vllm/vllm-openai:v0.9.1\n        args: [--model=$(MODEL)]\n")), Contains("whose variable has no value"));
    CHECK(errors_of(server_with("        image: vllm/vllm-openai\n")).empty());  // an annotation or the scenario may name the model
}

TEST_CASE("kubernetes: a wrong flag is reported where its word stands") {
    const std::string text = server_with("        image: vllm/vllm-openai:v0.9.1\n        args:\n        - --model=m\n        - --max-nums-seqs\n        - \"8\"\n");
    CHECK_THAT(errors_of(text), Contains("k8s.yaml:15:11: spec.template.spec.containers[0].args[1]: --max-nums-seqs"));
    const std::string command = server_with("        image: x\n        command: [vllm, serve]\n        args:\n        - m\n        - --max-nums-seqs=8\n");
    CHECK_THAT(errors_of(command), Contains("k8s.yaml:16:11: spec.template.spec.containers[0].args[1]: --max-nums-seqs"));
}

TEST_CASE("kubernetes: variables are looked up in the ConfigMaps that are there") {
    const std::string config = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {MODEL: org/m, len: \"4096\"}\n";
    const std::string text = server_with("        image: vllm/vllm-openai:v0.9.1\n        args: [--model=$(MODEL), --max-model-len=$(LEN)]\n"
                                         "        envFrom: [{configMapRef: {name: cm}}]\n        env: [{name: LEN, valueFrom: {configMapKeyRef: {name: cm, key: len}}}]\n");
    const Imported imported = import_text(text + config);
    CHECK(imported.findings.errors.empty());
    CHECK(imported.manifests.workloads[0].server->model == "org/m");
    CHECK(imported.manifests.workloads[0].server->max_model_len == 4096);
    CHECK_THAT(errors_of(text), Contains("whose variable has no value"));
}

TEST_CASE("kubernetes: what guides warn of is a warning") {
    CHECK(warnings_of(chat_deployment).empty());
    const std::string server = server_with("        image: vllm/vllm-openai:v0.9.1\n        args: [--model=m]\n        livenessProbe: {httpGet: {path: /health, port: 8000}, initialDelaySeconds: 30}\n");
    CHECK_THAT(warnings_of(server), Contains("has no readinessProbe"));
    CHECK_THAT(warnings_of(server), Contains("about 60 s after its container starts"));  // 30 s + 3 x 10 s
    CHECK_THAT(warnings_of(replaced(server, "v0.9.1", "latest")), Contains("names no vLLM version"));
    CHECK_THAT(warnings_of(replaced(chat_deployment, "sleep 15", "sleep 120")), Contains("without time to drain"));
    const std::string hpa = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {scaleTargetRef: {kind: Deployment, name: chat}, maxReplicas: 3}\n";
    CHECK_THAT(warnings_of(chat_deployment + hpa), Contains("k8s.yaml:5:13: spec.replicas: is set although HorizontalPodAutoscaler/a scales it"));
}

TEST_CASE("kubernetes: a server that is not recognised can be declared by annotations") {
    const std::string text = replaced(server_with("        image: my/server\n        command: [serve]\n"), "metadata: {labels: {a: b}}",
                                      "metadata: {labels: {a: b}, annotations: {windtunnel.dev/model: org/m, windtunnel.dev/tp: \"2\", windtunnel.dev/max-num-seqs: \"32\"}}");
    const Imported imported = import_text(text);
    CHECK(imported.findings.errors.empty());
    REQUIRE(imported.manifests.workloads[0].server.has_value());
    CHECK(imported.manifests.workloads[0].server->tensor_parallel == 2);
    CHECK(imported.manifests.workloads[0].server->max_num_seqs == 32);
    CHECK_THAT(errors_of(replaced(text, "dev/tp", "dev/tq")), Contains("tq"));
}

TEST_CASE("kubernetes: autoscalers of every version come out typed") {
    const std::string hpa = R"(---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: chat}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: chat}
  minReplicas: 2
  maxReplicas: 8
  metrics:
  - type: Resource
    resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}
  - type: Pods
    pods: {metric: {name: vllm_num_requests_waiting}, target: {type: AverageValue, averageValue: "2.5"}}
  - type: External
    external: {metric: {name: q, selector: {matchLabels: {queue: a}}}, target: {type: Value, value: 500m}}
  behavior:
    scaleUp: {stabilizationWindowSeconds: 60, policies: [{type: Pods, value: 2, periodSeconds: 60}]}
    scaleDown: {selectPolicy: Disabled}
)";
    CHECK(errors_of(chat_deployment + hpa).empty());
    const Imported imported = import_text(chat_deployment + hpa);
    const HorizontalPodAutoscaler& h = imported.manifests.horizontal_pod_autoscalers.at(0);
    CHECK(h.max_replicas == 8);
    REQUIRE(h.metrics.size() == 3);
    CHECK(h.metrics[0].utilization_percent == 70);
    CHECK(h.metrics[1].target_milli == 2500);
    CHECK(h.metrics[2].target == MetricTargetType::value);
    CHECK(h.metrics[2].target_milli == 500);
    CHECK(h.metrics[2].selector.match_labels.at("queue") == "a");
    CHECK(*h.behavior->scale_up.stabilization_window == seconds(60));
    CHECK(h.behavior->scale_up.policies->at(0).period == seconds(60));
    CHECK(*h.behavior->scale_down.select_policy == SelectPolicy::disabled);
    CHECK_FALSE(h.behavior->scale_down.policies.has_value());

    const std::string v1 = "---\napiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {scaleTargetRef: {kind: Deployment, name: chat}, maxReplicas: 3, targetCPUUtilizationPercentage: 50}\n";
    CHECK_THAT(errors_of(chat_deployment + replaced(hpa, "autoscaling/v2", "autoscaling/v2alpha1")), Contains("allowed for HorizontalPodAutoscaler: autoscaling/v2"));
    CHECK_THAT(errors_of(chat_deployment + replaced(hpa, "minReplicas: 2", "minReplicas: 9")), Contains("found 9 above maxReplicas 8"));
    CHECK_THAT(errors_of(chat_deployment + replaced(hpa, "minReplicas: 2", "minReplicas: 0")), Contains("KEDA"));
    CHECK_THAT(errors_of(chat_deployment + replaced(hpa, "averageUtilization: 70", "averageUtilisation: 70")), Contains("did you mean averageUtilization"));
    CHECK_THAT(errors_of(chat_deployment + replaced(hpa, "name: cpu", "name: nvidia.com/gpu")), Contains("allowed: cpu or memory"));
    CHECK_THAT(errors_of(replaced(chat_deployment, "cpu: 500m, ", "") + replaced(hpa, "name: chat}\n  minReplicas", "name: chatt}\n  minReplicas")), Contains("did you mean Deployment/chat"));
    CHECK_THAT(errors_of(replaced(replaced(chat_deployment, "cpu: 500m, ", ""), ", cpu: \"4\"", "") + hpa), Contains("requests no cpu"));
    CHECK_THAT(errors_of(chat_deployment + hpa + v1), Contains("scales already"));
    CHECK_THAT(errors_of(chat_deployment + hpa + hpa), Contains("a second time (first in k8s.yaml:26)"));
}

TEST_CASE("kubernetes: KEDA's ScaledObject keeps its triggers typed") {
    const std::string keda = R"y(---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: chat, annotations: {autoscaling.keda.sh/paused-scale-in: "true"}}
spec:
  scaleTargetRef: {name: chat}
  pollingInterval: 15
  cooldownPeriod: 120
  minReplicaCount: 1
  maxReplicaCount: 10
  fallback: {failureThreshold: 3, replicas: 6}
  advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleDown: {stabilizationWindowSeconds: 300}}}}
  triggers:
  - type: prometheus
    metadata: {serverAddress: "http://p:9090", query: "sum(vllm:num_requests_waiting)", threshold: "5", activationThreshold: "1"}
  - type: cron
    metadata: {timezone: Asia/Kolkata, start: 30 7 * * 1-5, end: 0 22 * * 1-5, desiredReplicas: "1"}
  - type: aws-sqs-queue
    authenticationRef: {name: a}
    metadata: {queueURL: "https://sqs/q", queueLength: "50", awsRegion: us-east-1}
  - type: cpu
    metricType: Utilization
    metadata: {value: "60"}
)y";
    CHECK(errors_of(chat_deployment + keda).empty());
    const Imported imported = import_text(chat_deployment + keda);
    const ScaledObject& s = imported.manifests.scaled_objects.at(0);
    CHECK(s.polling_interval == seconds(15));
    CHECK(s.cooldown_period == seconds(120));
    CHECK(s.fallback->replicas == 6);
    CHECK(*s.behavior->scale_down.stabilization_window == seconds(300));
    CHECK(s.paused_scale_in);
    CHECK_FALSE(s.paused);
    REQUIRE(s.triggers.size() == 4);
    CHECK(s.triggers[0].threshold == 5);
    CHECK(s.triggers[0].activation_threshold == 1);
    CHECK(s.triggers[1].kind == TriggerKind::cron);
    CHECK(s.triggers[1].end == "0 22 * * 1-5");
    CHECK(s.triggers[2].kind == TriggerKind::queue);
    CHECK(s.triggers[2].threshold == 50);
    CHECK(s.triggers[2].queue == "https://sqs/q");
    CHECK(s.triggers[3].utilization_percent == 60);

    CHECK_THAT(errors_of(chat_deployment + replaced(keda, "threshold: \"5\"", "threshold: 5")), Contains("write \"5\" in quotes"));
    CHECK_THAT(errors_of(chat_deployment + replaced(keda, "threshold: \"5\", ", "")), Contains("threshold: is missing"));
    CHECK_THAT(errors_of(chat_deployment + replaced(keda, "Asia/Kolkata", "Asia/Bangalore")), Contains("an IANA time zone"));
    CHECK_THAT(errors_of(chat_deployment + replaced(keda, "30 7 * * 1-5", "30 7 * *")), Contains("five cron fields"));
    CHECK_THAT(errors_of(chat_deployment + replaced(keda, "type: prometheus", "type: promethues")), Contains("did you mean prometheus"));
    CHECK_THAT(errors_of(chat_deployment + replaced(keda, "minReplicaCount: 1", "minReplicaCount: 11")), Contains("above maxReplicaCount 10"));
    CHECK_THAT(errors_of(chat_deployment + replaced(keda, "minReplicaCount: 1", "minReplicaCount: 1\n  idleReplicaCount: 1")), Contains("below minReplicaCount"));
    CHECK_THAT(errors_of(chat_deployment + replaced(keda, "maxReplicaCount: 10", "maxReplicas: 10")), Contains("did you mean maxReplicaCount"));
}

TEST_CASE("kubernetes: node groups of an eksctl ClusterConfig") {
    const std::string config = R"(apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: {name: prod, region: us-east-1, version: "1.31"}
availabilityZones: [us-east-1a, us-east-1b]
managedNodeGroups:
- name: spot
  instanceTypes: [g6.xlarge, g5.xlarge]
  spot: true
  minSize: 0
  maxSize: 8
  desiredCapacity: 1
  labels: {gpu: l4}
  taints: [{key: nvidia.com/gpu, value: present, effect: NoSchedule}]
- {name: small, instanceType: m6i.large}
nodeGroups:
- name: mixed
  minSize: 1
  maxSize: 2
  taints: {dedicated: "gpu:NoExecute"}
  instancesDistribution: {instanceTypes: [p4d.24xlarge], onDemandBaseCapacity: 0, onDemandPercentageAboveBaseCapacity: 0}
)";
    CHECK(errors_of(config).empty());
    const Imported imported = import_text(config);
    const auto& groups = imported.manifests.node_groups;
    REQUIRE(groups.size() == 3);
    CHECK(imported.manifests.cluster_region == "us-east-1");
    CHECK(groups[0].spot);
    CHECK(groups[0].instance_types.size() == 2);
    CHECK(groups[0].max_size == 8);
    CHECK(groups[0].availability_zones.size() == 2);
    CHECK(groups[0].taints[0].key == "nvidia.com/gpu");
    CHECK(groups[1].min_size == 2);  // eksctl's default of two nodes
    CHECK(groups[1].max_size == 2);
    CHECK(groups[2].spot);
    CHECK(groups[2].taints[0].effect == TaintEffect::no_execute);
    CHECK_THAT(errors_of(replaced(config, "maxSize: 8", "maxSize: -8")), Contains("found -8, allowed: an integer from 0"));
    CHECK_THAT(errors_of(replaced(config, "desiredCapacity: 1", "desiredCapacity: 9")), Contains("from minSize 0 to maxSize 8"));
    CHECK_THAT(errors_of(replaced(config, "instanceType: m6i.large", "instancetype: m6i.large")), Contains("did you mean instanceType"));
}

TEST_CASE("kubernetes: objects that do not fit together are refused") {
    const std::string service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: chat}\nspec: {selector: {app: chat}, ports: [{port: 80}]}\n";
    CHECK(errors_of(chat_deployment + service).empty());
    CHECK_THAT(warnings_of(chat_deployment + replaced(service, "app: chat", "app: gateway")), Contains("k8s.yaml:29:18: spec.selector: found {app: gateway}"));
    CHECK_THAT(errors_of(replaced(chat_deployment, "selector: {matchLabels: {app: chat}}", "selector: {matchLabels: {app: x}}")), Contains("matches none of the template's labels"));
    CHECK_THAT(errors_of(replaced(chat_deployment, "replicas: 2", "replicas: -2")), Contains("k8s.yaml:5:13: spec.replicas: found -2"));
    CHECK_THAT(errors_of(replaced(chat_deployment, "replicas: 2", "replica: 2")), Contains("did you mean replicas"));
    CHECK_THAT(errors_of(replaced(chat_deployment, "memory: 16Gi", "memory: 16gi")), Contains("did you mean 16Gi?"));
    CHECK_THAT(errors_of(replaced(chat_deployment, "memory: 16Gi", "memory: 64Gi")), Contains("asks for more memory than the limit"));
    CHECK_THAT(errors_of(replaced(chat_deployment, "nvidia.com/gpu: 2", "nvidia.com/gpu: 1.5")), Contains("devices are not divided"));
    CHECK_THAT(errors_of(replaced(chat_deployment, "port: http}", "port: web}")), Contains("port name web"));
    CHECK_THAT(errors_of(replaced(chat_deployment, "maxSurge: 1, maxUnavailable: 0", "maxSurge: 0, maxUnavailable: 0")), Contains("at least one of them above 0"));
    CHECK(errors_of(replaced(chat_deployment, "nodeSelector:", "nodeName: n1\n      nodeSelector:")).empty());  // run refuses it
    CHECK_THAT(errors_of(replaced(chat_deployment, "nodeSelector:", "priorityClassName: high\n      nodeSelector:")), Contains("no PriorityClass"));
    CHECK_THAT(warnings_of(replaced(chat_deployment, "sleep 15", "curl localhost/drain")), Contains("is taken as no time"));
    CHECK_THAT(errors_of(replaced(chat_deployment, "sleep 15", "./drain.sh")), Contains("a command that sleeps"));
}

TEST_CASE("kubernetes: other kinds are notes, refusals or unknown") {
    const std::string quiet = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {t: \"{{ .Values.x }}\"}\n";
    CHECK(errors_of(chat_deployment + quiet).empty());
    CHECK_THAT(notes_of(quiet), Contains("ConfigMap/c does not change the result"));
    CHECK_THAT(errors_of("apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: p}\n"), Contains("spec: is missing"));
    CHECK_THAT(errors_of("apiVersion: karpenter.sh/v1alpha1\nkind: NodeOverlay\nmetadata: {name: p}\n"), Contains("spec: is missing"));
    CHECK_THAT(errors_of("apiVersion: apps/v1\nkind: Deploymnet\nmetadata: {name: p}\n"), Contains("did you mean Deployment?"));
    CHECK_THAT(errors_of("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: p}\n"), Contains("spec: is missing"));
    CHECK_THAT(errors_of("replicaCount: 3\n"), Contains("has no apiVersion and kind"));
    CHECK_THAT(errors_of(replaced(chat_deployment, "gpu: l4", "gpu: \"{{ .Values.gpu }}\"")), Contains("text of a template"));
    CHECK_THAT(errors_of("- 1\n"), Contains("found a list"));

    const std::string monitor = "---\napiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: m}\nspec: {selector: {matchLabels: {app: chat}}, podMetricsEndpoints: [{port: http, interval: 30s}]}\n";
    CHECK(errors_of(chat_deployment + monitor).empty());
    CHECK(*import_text(chat_deployment + monitor).manifests.monitors.at(0).interval == seconds(30));

    const std::string cron = "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: up}\nspec:\n  schedule: 45 8 * * 1-5\n  timeZone: Europe/Berlin\n  jobTemplate: {spec: {template: {spec: {restartPolicy: OnFailure, containers: [{name: k, image: bitnami/kubectl, command: [kubectl, scale, deployment/chat, --replicas=4]}]}}}}\n";
    CHECK(errors_of(chat_deployment + cron).empty());
    CHECK(import_text(chat_deployment + cron).manifests.scaling_cron_jobs.at(0).replicas == 4);
    CHECK_THAT(errors_of(chat_deployment + replaced(cron, "deployment/chat", "deployment/chaat")), Contains("did you mean Deployment/chat"));

    const std::string budget = "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: b}\nspec: {selector: {matchLabels: {app: chat}}, maxUnavailable: 25%}\n";
    CHECK(errors_of(chat_deployment + budget).empty());
    CHECK(*import_text(chat_deployment + budget).manifests.pod_disruption_budgets.at(0).max_unavailable == IntOrPercent{25, true});
    CHECK_THAT(errors_of(chat_deployment + replaced(budget, "maxUnavailable", "minAvailable: 1, maxUnavailable")), Contains("exactly one"));
    CHECK_THAT(errors_of(chat_deployment + replaced(budget, "25%", "125%")), Contains("at most 100%"));
    const std::string unbounded = chat_deployment + replaced(budget, ", maxUnavailable: 25%", "");
    CHECK_THAT(warnings_of(unbounded), Contains("lets no pod be evicted"));
    CHECK(*import_text(unbounded).manifests.pod_disruption_budgets.at(0).max_unavailable == IntOrPercent{0, false});
}

namespace {

/// A folder with a scenario and manifests, and what reading it gives.
struct ScenarioFolder {
    std::filesystem::path folder = std::filesystem::temp_directory_path() / ("windtunnel_" + std::to_string(getpid())) / "scenario_test";

    ScenarioFolder(const std::string& scenario, const std::string& manifests) {
        std::filesystem::remove_all(folder);
        std::filesystem::create_directories(folder / "k8s");
        std::ofstream(folder / "scenario.yaml") << scenario;
        std::ofstream(folder / "k8s" / "all.yaml") << manifests;
    }
    ScenarioFolder(const ScenarioFolder&) = delete;
    ScenarioFolder& operator=(const ScenarioFolder&) = delete;
    ~ScenarioFolder() { std::filesystem::remove_all(folder.parent_path()); }
    [[nodiscard]] Result<Scenario> read(const std::vector<std::string>& assignments = {}) const {
        std::istringstream none;
        ScenarioInputs inputs;
        inputs.scenario_file = (folder / "scenario.yaml").string();
        inputs.assignments = assignments;
        return read_scenario(inputs, none);
    }
    [[nodiscard]] std::string errors(const std::vector<std::string>& assignments = {}) const {
        const auto result = read(assignments);
        std::string out;
        if (!result)
            for (const Problem& p : result.problems()) out += to_string(p) + "\n";
        return out;
    }
};

const std::string scenario_text = R"(apiVersion: windtunnel/v1
kind: Scenario
manifests: [k8s/]
workload:
  synthetic: {preset: azure-conv-2023, rate_rps: 5, duration_s: 86400, arrival: gamma, cv: 2, profile: daily,
              bursts: [{at_s: 3600, duration_s: 60, factor: 4}], output_tokens: {lognormal: {median: 200, p99: 1500, max: 4096}}}
  routing: least-requests
  timeout_s: 60
  cold_start: [{name: image_pull, median_s: 120, sigma: 0.3}]
cluster:
  cloud: aws
  region: us-east-1
  pools: [{name: g6, instance_type: g6.12xlarge, min: 0, max: 8, price_usd_per_hour: 4.6016, labels: {gpu: l4}, taints: [{key: nvidia.com/gpu, effect: NoSchedule}]}]
metrics: {vllm_request_queue_size: "vllm:num_requests_waiting"}
thresholds: ["p99 ttft_ms < 2000", "goodput > 99%"]
goodput: {ttft_ms: 2000, tpot_ms: 100}
start_time: 2026-03-02T08:00
time_zone: Asia/Kolkata
seed: 7
)";

}  // namespace

TEST_CASE("scenario: a file and its manifests become one typed scenario") {
    const ScenarioFolder folder(scenario_text, chat_deployment);
    CHECK(folder.errors().empty());
    const auto result = folder.read();
    REQUIRE(result.ok());
    const Scenario& s = *result;
    CHECK(s.name == "scenario_test");
    CHECK(s.seed == 7);
    CHECK(s.trials == 1);
    REQUIRE(s.workloads.size() == 1);
    const WorkloadSpec& w = s.workloads[0];
    CHECK(w.target_name == "chat");  // left out: the only one
    CHECK(w.routing == RoutingSpec::least_requests);
    CHECK(*w.timeout == seconds(60));
    CHECK(w.synthetic->rate_rps == 5);
    CHECK(w.synthetic->process == ArrivalProcess::gamma);
    CHECK(w.synthetic->profile == RateProfile::daily);
    CHECK(w.synthetic->bursts[0].duration_s == 60);
    CHECK(w.synthetic->output->kind == LengthKind::lognormal);
    CHECK(w.synthetic->output->sigma == Approx(0.86612).epsilon(1e-4));  // ln(1500 / 200) / 2.32635
    CHECK(w.synthetic->output->largest == 4096);
    CHECK_FALSE(w.synthetic->prompt.has_value());  // the preset's
    CHECK(w.cold_start[0].median == seconds(120));
    CHECK(s.cluster.pools[0].price_nano_usd_per_hour == 4'601'600'000);
    CHECK(s.thresholds.size() == 2);
    CHECK(s.goodput.ttft == seconds(2));
    CHECK(*s.start_unix_s == 1772418600);  // 08:00 in India is 02:30 UTC
    CHECK(s.metrics[0].expression == "vllm:num_requests_waiting");
    CHECK(s.prometheus.scrape_interval == seconds(15));

    const auto said_of = [](const ScenarioFolder& files) {
        std::istringstream none;
        Scenario again;
        Findings findings;
        ScenarioInputs inputs;
        inputs.scenario_file = (files.folder / "scenario.yaml").string();
        read_scenario_into(inputs, none, again, findings);
        return validate_text(again, findings, true);
    };
    const std::string text = said_of(folder);
    CHECK_THAT(text, Contains("requests   synthetic azure-conv-2023, routing least-requests"));
    CHECK_THAT(text, Contains("serves     vllm 0.8.5, meta-llama/Llama-3.1-8B-Instruct, tp 2"));
    CHECK_THAT(text, Contains("scaled by  nothing: 2 replicas"));
    CHECK_THAT(text, Contains("runs on    g6 (g6.12xlarge, on-demand, 0 to 8 nodes, 4.6016 USD/h)"));
    const std::string idles = chat_deployment + "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: chat}\n"
                              "spec:\n  scaleTargetRef: {name: chat}\n  minReplicaCount: 1\n  maxReplicaCount: 10\n  idleReplicaCount: 0\n"
                              "  triggers: [{type: prometheus, metadata: {serverAddress: http://p, query: up, threshold: \"5\"}}]\n";
    CHECK_THAT(said_of(ScenarioFolder(scenario_text, idles)), Contains(": 1 to 10 replicas on prometheus: up / 5; 0 while no trigger is active"));
}

TEST_CASE("scenario: --set reaches scenario and manifests") {
    const ScenarioFolder folder(scenario_text, chat_deployment);
    const auto result = folder.read({"thresholds[0]=p50 ttft_ms < 100", "workload.synthetic.rate_rps=0.5", "Deployment/chat:spec.replicas=5",
                                     "Deployment/chat:spec.template.spec.containers[vllm].args[4]=12000", "prometheus.scrape_interval_s=5"});
    REQUIRE_FALSE(result.ok());  // an argument must be text
    CHECK_THAT(result.problems()[0].message, Contains("write \"12000\" in quotes"));
    const auto good = folder.read({"thresholds[0]=p50 ttft_ms < 100", "workload.synthetic.rate_rps=0.5", "Deployment/chat:spec.replicas=5",
                                   "Deployment/chat:spec.template.spec.containers[vllm].args[4]=\"12000\"", "prometheus.scrape_interval_s=5"});
    REQUIRE(good.ok());
    CHECK(good->thresholds[0].quantile == 0.5);
    CHECK(good->manifests.workloads[0].replicas == 5);
    CHECK(*good->manifests.workloads[0].server->max_model_len == 12000);
    CHECK(good->prometheus.scrape_interval == seconds(5));
    CHECK_THAT(folder.errors({"seed=-1"}), Contains("scenario.yaml:19:7: seed: found -1"));
    CHECK_THAT(folder.errors({"sed=1"}), Contains("sed: is no known key; did you mean seed?"));
}

TEST_CASE("scenario: what is wrong is said all at once, each with its line") {
    const auto errors = [](const std::string& from, const std::string& to) { return ScenarioFolder(replaced(scenario_text, from, to), chat_deployment).errors(); };
    CHECK_THAT(errors("windtunnel/v1", "windtunnel/v2"), Contains("allowed: windtunnel/v1"));
    CHECK_THAT(errors("routing: least-requests", "routing: least-request"), Contains("scenario.yaml:7:12: workload.routing") && Contains("did you mean least-requests"));
    CHECK_THAT(errors("rate_rps: 5", "rate_rps: 0"), Contains("found 0, allowed: a number from"));
    CHECK_THAT(errors("  timeout_s: 60", "  timeout_s: 60\n  trace: a.csv"), Contains("both trace and synthetic"));
    CHECK_THAT(errors("  timeout_s: 60", "  target: Deployment/chatt"), Contains("did you mean Deployment/chat"));
    CHECK_THAT(errors("goodput > 99%", "goodput > 99"), Contains("scenario.yaml:15:") && Contains("thresholds[1]"));
    CHECK_THAT(errors("goodput: {ttft_ms: 2000, tpot_ms: 100}", ""), Contains("says of no request when it is good"));
    CHECK_THAT(errors("min: 0, max: 8", "min: 9, max: 8"), Contains("found 9 above max 8"));
    CHECK_THAT(errors("pools: [{", "pools: []\nx: [{"), Contains("cluster.pools: is missing"));
    CHECK_THAT(errors("cv: 2", "cv: 2, arrival: poisson"), Contains("a second time"));
    CHECK_THAT(errors("gamma", "poisson"), Contains("beside arrival poisson"));
    CHECK_THAT(errors("Asia/Kolkata", "Mars/Olympus"), Contains("an IANA time zone"));
    CHECK_THAT(errors("price_usd_per_hour: 4.6016", "price_usd_per_hour: -4"), Contains("an amount of at least 0"));
    const std::string two = errors("routing: least-requests\n  timeout_s: 60", "routing: best\n  timeout_s: soon");
    CHECK_THAT(two, Contains("workload.routing") && Contains("workload.timeout_s"));
}

TEST_CASE("scenario: events name workloads and pools that are there") {
    const auto errors = [](const std::string& events) { return ScenarioFolder(scenario_text + "events: " + events + "\n", chat_deployment).errors(); };
    CHECK(errors("[{at_s: 60, rollout: Deployment/chat}, {at_s: 5, scale: Deployment/chat, replicas: 4}, {at_s: 9, lose_node: g6, count: 2}, {at_s: 1, no_metrics: true, duration_s: 30}]").empty());
    CHECK_THAT(errors("[{at_s: 60, rollout: Deployment/chatt}]"), Contains("did you mean Deployment/chat"));
    CHECK_THAT(errors("[{at_s: 60, lose_node: g5}]"), Contains("which is no pool") && Contains("events[0]"));
    CHECK_THAT(errors("[{at_s: 60, lose_node: g6, rollout: Deployment/chat}]"), Contains("says 2 things"));
    CHECK(errors("[{at_s: 60, degrade: Deployment/chat, count: 1, slowdown: 3}, {at_s: 6, degrade: Deployment/chat, share: 0.5, error_share: 0.3, until_s: 9}]").empty());
    CHECK_THAT(errors("[{at_s: 60, degrade: Deployment/chat, slowdown: 3}]"), Contains("neither count nor share"));
    CHECK_THAT(errors("[{at_s: 60, degrade: Deployment/chat, count: 1, until_s: 60}]"), Contains("degrades nothing") && Contains("not after at_s"));
    CHECK_THAT(errors("[{at_s: 60, degrade: Deployment/chta, count: 1, slowdown: 3}]"), Contains("Deployment/chat"));
    CHECK_THAT(errors("[{at_s: 60, no_capacity: g6}]"), Contains("duration_s: is missing"));
    CHECK_THAT(errors("[{lose_node: g6, cuont: 1}]"), Contains("at_s: is missing") && Contains("did you mean count"));
    const auto synthetic = [](const std::string& keys) { return ScenarioFolder(replaced(scenario_text, "rate_rps: 5, duration_s: 86400", keys), chat_deployment).errors(); };
    CHECK_FALSE(synthetic("rate_rps: 5").empty());
    CHECK(synthetic("requests: 10, duration_s: 60").empty());
    CHECK_FALSE(ScenarioFolder(replaced(scenario_text, "azure-conv-2023", "azure-conv-2099"), chat_deployment).errors().empty());
}

TEST_CASE("scenario: flags stand in for the file's manifests and trace, and no file is needed") {
    const ScenarioFolder folder(scenario_text, chat_deployment);
    std::istringstream manifests(chat_deployment);
    ScenarioInputs inputs;
    inputs.manifests = {"-"};
    inputs.trace = "day.csv";
    inputs.assignments = {"cluster.pools[0]={name: p, instance_type: g6.12xlarge, max: 3}"};
    auto none = read_scenario(inputs, manifests);
    REQUIRE_FALSE(none.ok());  // there is no list of pools to add to
    CHECK_THAT(none.problems()[0].message, Contains("allowed there: a list"));
    inputs.assignments = {"cluster.pools=[{name: p, instance_type: g6.12xlarge, max: 3}]"};
    std::istringstream again(chat_deployment);
    const auto result = read_scenario(inputs, again);
    REQUIRE(result.ok());
    CHECK(result->workloads[0].trace == "day.csv");
    CHECK(result->workloads[0].target_name == "chat");
    CHECK(result->manifests.workloads[0].meta.where.file == "<stdin>");

    inputs.scenario_file = (folder.folder / "scenario.yaml").string();
    inputs.manifests.clear();
    inputs.assignments.clear();
    const auto replaced_trace = read_scenario(inputs, again);
    REQUIRE(replaced_trace.ok());
    CHECK_FALSE(replaced_trace->workloads[0].synthetic.has_value());
    CHECK(replaced_trace->workloads[0].trace == "day.csv");
    CHECK(canonical_json(*replaced_trace).dump() == canonical_json(*read_scenario(inputs, again)).dump());
}

TEST_CASE("scenario: workload.server speaks over what the manifest says") {
    const ScenarioFolder folder(replaced(scenario_text, "  timeout_s: 60", "  server: {gpu: l4, max_num_seqs: 8, kv_shape: \"32,8,128\"}"), chat_deployment);
    const auto result = folder.read();
    REQUIRE(result.ok());
    const ModelServer& server = *result->server_of(result->workloads[0]);
    CHECK(server.gpu == "l4");
    CHECK(server.max_num_seqs == 8);
    CHECK(server.kv_shape->kv_heads == 8);
    CHECK(server.model == "meta-llama/Llama-3.1-8B-Instruct");  // the manifest's
    CHECK(server.tensor_parallel == 2);
    CHECK_THAT(ScenarioFolder(replaced(scenario_text, "  timeout_s: 60", "  server: {gpux: l4, kv_shape: \"32,8\"}"), chat_deployment).errors(),
               Contains("workload.server.gpux") && Contains("LAYERS,KV_HEADS,HEAD_DIM"));
    const std::string plain = replaced(replaced(chat_deployment, "image: vllm/vllm-openai:v0.8.5.post1", "image: mine"), "args:", "args: []\n        command:");
    CHECK_THAT(ScenarioFolder(replaced(scenario_text, "  timeout_s: 60", "  server: {gpu: l4}"), plain).errors(), Contains("workload.server.model: is missing"));
    CHECK_THAT(ScenarioFolder(scenario_text, plain).errors(), Contains("no container of the manifests is a model server that is known (Deployment/chat)"));
}

TEST_CASE("scenario: a monitor that selects the pods sets their scrape interval") {
    const std::string service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: chat, labels: {m: y1}}\nspec: {selector: {app: chat}}\n";
    const std::string monitor = "---\napiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: m}\nspec: {selector: {matchLabels: {m: y1}}, endpoints: [{interval: 5s}]}\n";
    const auto with = ScenarioFolder(scenario_text, chat_deployment + service + monitor).read();
    REQUIRE(with.ok());
    CHECK(with->scrape_interval_of(with->manifests.workloads[0]) == seconds(5));
    const auto other = ScenarioFolder(scenario_text, chat_deployment + service + replaced(monitor, "m: y1", "m: other")).read();
    REQUIRE(other.ok());
    CHECK(other->scrape_interval_of(other->manifests.workloads[0]) == seconds(15));
}
