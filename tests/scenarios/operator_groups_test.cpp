// Servers over several pods and autoscalers on requests that operators make of their objects (tests/scenarios/published,
// own words and values).
#include "scenarios/scenario.hpp"
#include "tests/support/imported_manifests.hpp"
#include "tests/support/node_pools_lab.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <iterator>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

const WorkloadObject& group(const Imported& in, const std::string& name) {
    for (const WorkloadObject& w : in.manifests.workloads)
        if (w.meta.name == name) return w;
    FAIL("no workload " + name + ": " + lines(in.findings.errors));
    return in.manifests.workloads[0];
}

std::string with(const std::string& file, const std::string& from, const std::string& to) {
    std::ifstream in(std::string(WINDTUNNEL_SOURCE_DIR) + "/tests/scenarios/published/" + file);
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const std::size_t at = text.find(from);
    if (at == std::string::npos) FAIL("no " + from + " in " + file);
    return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("operators: a server over several pods is a group that serves as one") {
    struct Row {
        const char *file, *workload, *model;
        std::int32_t pods, tensor, pipeline, data;
        std::int64_t gpus_a_pod;
    };
    const Row rows[] = {
        // The service's two stages stand over its runtime's three; the runtime says two shares.
        {"kserve_multi_node.yaml", "wide-llama-predictor", "meta-llama/Llama-3.1-70B-Instruct", 2, 2, 2, 1, 2},
        {"llm_inference_service_nodes.yaml", "many-experts-kserve-mn", "deepseek-ai/DeepSeek-R1", 2, 1, 1, 16, 8},
        {"llm_d_wide_ep.yaml", "experts-decode", "deepseek-ai/DeepSeek-R1", 2, 1, 1, 16, 8},
        {"ray_cluster.yaml", "coder", "Qwen/Qwen2.5-Coder-32B-Instruct", 3, 2, 3, 1, 2},
    };
    for (const Row& row : rows) {
        INFO(row.file);
        const Imported in = import_file(row.file);
        INFO(lines(in.findings.errors));
        CHECK(in.findings.errors.empty());
        const WorkloadObject& w = group(in, row.workload);
        CHECK(w.meta.kind == "LeaderWorkerSet");
        CHECK(w.group_size == row.pods);
        CHECK(w.pod.gpus() == row.gpus_a_pod);
        REQUIRE(w.server);
        CHECK(w.server->model == row.model);
        CHECK(w.server->tensor_parallel == row.tensor);
        CHECK(w.server->pipeline_parallel == row.pipeline);
        CHECK(w.server->data_parallel == row.data);
    }
    const Imported experts = import_file("llm_d_wide_ep.yaml");
    CHECK_THAT(lines(experts.findings.warnings), Contains("--enable-eplb evens out the load of experts") && Contains("--enable-dbo overlaps halves of a batch") && Contains("behind one front end"));
    CHECK_FALSE(import_file("ray_cluster.yaml").manifests.services.empty());
}

TEST_CASE("operators: flags and servers of a group count the GPUs of all its pods") {
    const auto server = [](const std::string& image, const std::string& words, const std::string& size) {
        return import_text("apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {name: g}\nspec:\n  leaderWorkerTemplate:\n    size: " + size +
                           "\n    workerTemplate: {spec: {containers: [{name: c, image: \"" + image + "\", command: [" + words + "], resources: {limits: {nvidia.com/gpu: 4}}}]}}\n");
    };
    const std::string ranks = "vllm, serve, Qwen/Qwen3-32B, -dp, \"8\", -dpl, \"4\", -dpa, $(LWS_LEADER_ADDRESS), -dpp, \"13345\"";
    const std::string nodes = "vllm, serve, Qwen/Qwen3-32B, -tp, \"4\", -pp, \"2\", --nnodes, $(LWS_GROUP_SIZE), --node-rank, $(LWS_WORKER_INDEX)";
    const std::string sglang = "python3, -m, sglang.launch_server, --model-path, Qwen/Qwen3-32B, --tp, \"8\", --dist-init-addr, \"$(LWS_LEADER_ADDRESS):20000\", --nnodes, $(LWS_GROUP_SIZE)";
    struct Row {
        std::string image, words;
    };
    for (const Row& row : {Row{"vllm/vllm-openai:v0.11.0", ranks}, Row{"vllm/vllm-openai:v0.11.0", nodes}, Row{"lmsysorg/sglang:v0.5.2", sglang}}) {
        INFO(row.words);
        CHECK(lines(server(row.image, row.words, "2").findings.errors) == "");
        CHECK_THAT(lines(server(row.image, row.words, "1").findings.errors), Contains("= 8 on 4 GPUs"));
    }
}

TEST_CASE("operators: a group whose pods cannot hold its server is refused with what to write") {
    const auto errors = [](const std::string& text) { return lines(import_text(text).findings.errors); };
    CHECK_THAT(errors(with("kserve_multi_node.yaml", "limits: {nvidia.com/gpu: \"2\"}, requests: {nvidia.com/gpu: \"2\"}", "limits: {nvidia.com/gpu: \"3\"}, requests: {nvidia.com/gpu: \"3\"}")),
               Contains("found 2 GPUs on the head and 3 on a worker for 4 in all"));
    CHECK(errors(with("kserve_multi_node.yaml", "  predictor:\n", "  predictor:\n    maxReplicas: 4\n")).empty());  // the class none holds them
    std::string scaled = with("kserve_multi_node.yaml", "  predictor:\n", "  predictor:\n    maxReplicas: 4\n");
    scaled.replace(scaled.find("autoscalerClass: none"), 21, "autoscalerClass: hpa");
    CHECK_THAT(errors(scaled), Contains("spec.predictor.workerSpec: stands beside an autoscaler") && Contains("none or external"));
    CHECK_THAT(errors(with("ray_cluster.yaml", "vllm serve Qwen/Qwen2.5-Coder-32B-Instruct --host", "sleep infinity; echo --host")), Contains("whose head starts no vLLM"));
    CHECK_THAT(errors(with("llm_d_wide_ep.yaml", "value: \"8\"}, {name: TP", "value: \"9\"}, {name: TP")), Contains("found tensor x pipeline x data parallel = 18 on 16 GPUs"));
}

TEST_CASE("operators: an HTTPScaledObject is the ScaledObject that its operator makes, on the requests at the gateway") {
    const Imported in = import_file("http_scaled_object.yaml");
    CHECK(lines(in.findings.errors) == "");
    REQUIRE(in.manifests.scaled_objects.size() == 1);
    const ScaledObject& scaled = in.manifests.scaled_objects[0];
    CHECK(scaled.meta.title() == "ScaledObject/front-door");
    CHECK(scaled.target.name == "quiet-llama");
    CHECK(scaled.min_replicas == 0);
    CHECK(scaled.max_replicas == 3);
    CHECK(scaled.cooldown_period == seconds(240));
    REQUIRE(scaled.triggers.size() == 1);
    CHECK(scaled.triggers[0].queue_at_gateway);
    CHECK(scaled.triggers[0].queue_counts_in_flight);
    CHECK(scaled.triggers[0].threshold == Approx(12));

    const std::string rate = with("http_scaled_object.yaml", "concurrency: {targetValue: 12}", "requestRate: {targetValue: 5, window: 2m, granularity: 1s}");
    const Imported by_rate = import_text(rate);
    REQUIRE(by_rate.manifests.scaled_objects.size() == 1);
    CHECK(by_rate.manifests.scaled_objects[0].triggers.at(0).query == "sum(rate(envoy_cluster_upstream_rq_total{envoy_cluster_name=\"outbound|80||quiet-llama.default.svc.cluster.local\"}[2m]))");
    CHECK(by_rate.manifests.scaled_objects[0].triggers.at(0).threshold == Approx(5));
    CHECK_THAT(lines(by_rate.findings.warnings), Contains("at the scrape interval"));
    CHECK_THAT(lines(import_text(with("http_scaled_object.yaml", "max: 3", "max: 0")).findings.errors), Contains("spec.replicas.max"));
    CHECK_THAT(lines(import_text(with("http_scaled_object.yaml", "scaledownPeriod", "scaleDownPeriod")).findings.errors), Contains("scaleDownPeriod") && Contains("did you mean scaledownPeriod"));

    // In a dump the add-on's own ScaledObject, whose target is not in it, gives way.
    const Imported dump = import_text(with("http_scaled_object.yaml", "apiVersion: apps/v1\nkind: Deployment",
                                           "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: front-door, ownerReferences: [{apiVersion: http.keda.sh/v1alpha1, kind: HTTPScaledObject, name: front-door, controller: true}]}\n"
                                           "spec: {scaleTargetRef: {name: quiet-llama}, maxReplicaCount: 9, triggers: [{type: external-push, metadata: {httpScaledObject: front-door, scalerAddress: a}}]}\n---\napiVersion: apps/v1\nkind: Deployment"));
    CHECK(lines(dump.findings.errors) == "");
    REQUIRE(dump.manifests.scaled_objects.size() == 1);
    CHECK(dump.manifests.scaled_objects[0].max_replicas == 3);
}

TEST_CASE("operators: an HTTPScaledObject starts a replica for the first request, and more for those that are at the gateway or the servers") {
    const auto front = [](const std::string& metric, const std::string& least = "0") {
        return "---\napiVersion: http.keda.sh/v1alpha1\nkind: HTTPScaledObject\nmetadata: {name: door}\nspec: {hosts: [a], scaleTargetRef: {name: chat, kind: Deployment, apiVersion: apps/v1, service: chat, port: 80}, "
               "replicas: {min: " + least + ", max: 4}, scalingMetric: {" + metric + "}}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: chat}\nspec: {selector: {app: chat}, ports: [{port: 80}]}\n";
    };
    const std::string nodes = "  cloud: aws\n  region: us-east-1\n  pools: [{name: gpus, instance_type: g6.xlarge, min: 4, max: 4}]\n";
    const auto run_with = [&](const std::string& metric) { return good(deployment("", "0") + front(metric), nodes); };
    const Compiled few = run_with("concurrency: {targetValue: 1000}"), many = run_with("concurrency: {targetValue: 1}");
    CHECK(few.outcome.tally.requests.failed == 0);
    CHECK(few.outcome.tally.requests.completed > 300);
    CHECK(many.outcome.tally.requests.failed == 0);
    // One replica for 1,000 requests; with a target of one, four for the few that are there at a time.
    const auto replicas = [](const Compiled& c) { return c.outcome.tally.ready_replicas.most; };
    CHECK(replicas(few) == 1);
    CHECK(replicas(many) == 4);
    CHECK(run_with("requestRate: {targetValue: 100, window: 1m}").outcome.tally.requests.failed == 0);
}

TEST_CASE("operators: Ray Serve scales on ongoing requests, over workers that hold several replicas") {
    std::string text = with("ray_service.yaml", "max_replicas: 1", "max_replicas: 6");
    text.replace(text.find("target_ongoing_requests: 64"), 27, "target_ongoing_requests: 20\n              downscale_delay_s: 120");
    for (std::size_t at = 0; (at = text.find("nvidia.com/gpu: \"1\"", at)) != std::string::npos; ++at) text.replace(at, 19, "nvidia.com/gpu: \"2\"");
    const Imported in = import_text(text);
    CHECK(lines(in.findings.errors) == "");
    const WorkloadObject& w = group(in, "qwen-on-ray-gpu-group");
    CHECK(w.replicas == 1);
    CHECK(w.pod.gpus() == 1);  // half of a worker's
    CHECK(w.pod.cpu_request_milli() == 16000);
    CHECK(w.pod.memory_request_bytes() == std::int64_t{16} << 30);
    REQUIRE(in.manifests.scaled_objects.size() == 1);
    const ScaledObject& scaled = in.manifests.scaled_objects[0];
    CHECK(scaled.max_replicas == 6);
    CHECK(scaled.triggers.at(0).threshold == Approx(20));
    REQUIRE(scaled.behavior);
    CHECK(scaled.behavior->scale_up.stabilization_window == seconds(30));  // upscale_delay_s
    CHECK(scaled.behavior->scale_down.stabilization_window == seconds(120));
    CHECK(scaled.behavior->scale_up.tolerance == Approx(0));
    CHECK_THAT(lines(in.findings.warnings), Contains("1 to 6 vLLM servers") && Contains("every 15 s"));
    text.replace(text.find("max_replicas: 6"), 15, "max_replicas: 9");
    CHECK_THAT(lines(import_text(text).findings.errors), Contains("found 4 workers for 9 replicas, of which each holds 2"));
}

TEST_CASE("operators: a Ray Serve application of its own code says its model in a variable or an annotation") {
    std::string text = with("ray_service.yaml", "import_path: ray.serve.llm:build_openai_app", "import_path: our.code:model\n      runtime_env: {env_vars: {MODEL_ID: Qwen/Qwen2.5-7B-Instruct, TENSOR_PARALLELISM: \"1\"}}\n      deployments: [{name: m, num_replicas: 2}]");
    const Imported in = import_text(text);
    CHECK(lines(in.findings.errors) == "");
    CHECK(group(in, "qwen-on-ray-gpu-group").server->model == "Qwen/Qwen2.5-7B-Instruct");
    CHECK(group(in, "qwen-on-ray-gpu-group").replicas == 2);
    CHECK_THAT(lines(in.findings.warnings), Contains("our.code:model, Python code of its own"));
    text.replace(text.find("MODEL_ID"), 8, "WHICH_ID");
    CHECK_THAT(lines(import_text(text).findings.errors), Contains("whose replicas and GPUs only its Python code knows") && Contains("windtunnel.dev/model"));
}

TEST_CASE("operators: Knative's Service of a fixed size or with an HPA is a Deployment, another is refused with what to write") {
    const auto service = [](const std::string& annotations) {
        return "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: k}\nspec:\n  template:\n    metadata: {annotations: {" + annotations +
               "}}\n    spec:\n      containerConcurrency: 20\n      containers: [{image: \"vllm/vllm-openai:v0.10.2\", args: [--model=Qwen/Qwen2.5-7B-Instruct], ports: [{containerPort: 8000}], resources: {requests: {cpu: 4}, limits: {nvidia.com/gpu: 1}}}]\n";
    };
    const Imported fixed = import_text(service("autoscaling.knative.dev/min-scale: \"2\", autoscaling.knative.dev/maxScale: \"2\""));
    CHECK(lines(fixed.findings.errors) == "");
    CHECK(group(fixed, "k-00001-deployment").replicas == 2);
    CHECK(group(fixed, "k-00001-deployment").pod.containers.at(0).readiness_probe->port == "8000");
    CHECK_THAT(lines(fixed.findings.warnings), Contains("queue.per_replica_concurrency 20"));
    const Imported hpa = import_text(service("autoscaling.knative.dev/class: hpa.autoscaling.knative.dev, autoscaling.knative.dev/metric: cpu, autoscaling.knative.dev/target: \"60\", autoscaling.knative.dev/max-scale: \"4\""));
    CHECK(lines(hpa.findings.errors) == "");
    REQUIRE(hpa.manifests.horizontal_pod_autoscalers.size() == 1);
    CHECK(hpa.manifests.horizontal_pod_autoscalers[0].metrics.at(0).utilization_percent == 60);
    const auto errors = [&](const std::string& annotations) { return lines(import_text(service(annotations)).findings.errors); };
    CHECK_THAT(errors("autoscaling.knative.dev/target: \"10\""), Contains("k8s.yaml:6") && Contains("found Service/k scaled by Knative on concurrency") && Contains("HTTPScaledObject"));
    const Imported dump = import_text(service("autoscaling.knative.dev/target: \"10\"") + "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: k-00003-deployment, labels: {serving.knative.dev/service: k}}\n"
                                      "spec: {replicas: 2, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}\n");
    CHECK(lines(dump.findings.errors) == "");
    CHECK(dump.manifests.workloads.size() == 1);
    CHECK_THAT(errors("autoscaling.knative.dev/min-scal: \"1\""), Contains("found autoscaling.knative.dev/min-scal") && Contains("did you mean min-scale"));
}

TEST_CASE("operators: KAITO's InferenceSet makes its replicas, each on a node; a Workspace of two nodes splits the model") {
    const std::string resource = "resource: {instanceType: Standard_NC24ads_A100_v4";
    const Imported set = import_text("apiVersion: kaito.sh/v1alpha1\nkind: InferenceSet\nmetadata: {name: phis}\nspec:\n  replicas: 3\n  labelSelector: {matchLabels: {apps: phi}}\n  template:\n    inference: {preset: {name: phi-4}}\n    " + resource + "}\n");
    CHECK(lines(set.findings.errors) == "");
    CHECK(group(set, "phis").replicas == 3);
    CHECK(group(set, "phis").server->model == "microsoft/phi-4");
    REQUIRE(set.manifests.node_groups.size() == 1);
    CHECK(set.manifests.node_groups[0].max_size == 3);
    CHECK(set.manifests.node_groups[0].labels.at("apps") == "phi");
    const Imported wide = import_text("apiVersion: kaito.sh/v1beta1\nkind: Workspace\nmetadata: {name: wide}\n" + resource + ", count: 2, labelSelector: {matchLabels: {apps: w}}}\ninference: {config: mine, preset: {name: llama-3.3-70b-instruct}}\n");
    CHECK(lines(wide.findings.errors) == "");
    CHECK(group(wide, "wide").group_size == 2);
    CHECK(group(wide, "wide").server->pipeline_parallel == 2);
    CHECK(wide.manifests.node_groups.at(0).max_size == 2);
    CHECK_THAT(lines(wide.findings.warnings), Contains("inference.config: is not read"));
}

TEST_CASE("operators: KEDA's scalers of queues and numbers of many services are read") {
    const auto trigger = [](const std::string& text) {
        const Imported in = import_text("apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: s}\nspec:\n  scaleTargetRef: {name: d}\n  triggers:\n  - " + text +
                                        "\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}\n");
        INFO(text << lines(in.findings.errors));
        CHECK(in.findings.errors.empty());
        return in.manifests.scaled_objects.at(0).triggers.at(0);
    };
    struct Row {
        const char* text;
        TriggerKind kind;
        double threshold;
        const char* what;
    };
    const Row rows[] = {
        {"{type: activemq, metadata: {managementEndpoint: a, destinationName: jobs, brokerName: b}}", TriggerKind::queue, 10, "jobs"},
        {"{type: pulsar, metadata: {adminURL: u, topic: t, subscription: s, msgBacklogThreshold: \"7\"}}", TriggerKind::queue, 7, "t"},
        {"{type: solace-event-queue, metadata: {messageVpn: v, queueName: q, messageCountTarget: \"50\"}}", TriggerKind::queue, 50, "q"},
        {"{type: solace-event-queue, metadata: {messageVpn: v, queueName: q, messageReceiveRateTarget: \"9\"}}", TriggerKind::series, 9, "q"},
        {"{type: azure-blob, metadata: {blobContainerName: b}}", TriggerKind::series, 5, "b"},
        {"{type: selenium-grid, metadata: {url: u, browserName: chrome}}", TriggerKind::series, 1, "chrome"},
        {"{type: predictkube, metadata: {query: up, threshold: \"3\"}}", TriggerKind::series, 3, "up"},
        {"{type: temporal, metadata: {endpoint: e, taskQueue: t}}", TriggerKind::queue, 5, "t"},
    };
    for (const Row& row : rows) {
        const Trigger t = trigger(row.text);
        INFO(row.text);
        CHECK(t.kind == row.kind);
        CHECK(t.threshold == Approx(row.threshold));
        CHECK(t.queue == row.what);
    }
}
