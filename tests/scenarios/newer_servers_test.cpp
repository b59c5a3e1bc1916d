// Servers and objects that came lately: TensorRT-LLM's and LMDeploy's own servers, Dynamo's graphs, claims of devices.
#include "scenarios/scenario.hpp"
#include "tests/support/imported_manifests.hpp"

#include <catch2/catch.hpp>

#include "scenarios/prefill_pairing.hpp"

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

std::string plain_deployment(const std::string& container, const std::string& pod = "") {
    return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: chat}\nspec:\n  selector: {matchLabels: {app: chat}}\n  template:\n    metadata: {labels: {app: chat}}\n    spec:\n" + pod +
           "      containers:\n      - name: server\n" + container;
}

}  // namespace

TEST_CASE("other servers: trtllm-serve, lmdeploy and NIM's images are simulated as vLLM with their limits") {
    const Imported trt = import_text(plain_deployment("        image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0\n        command: [trtllm-serve]\n"
                                                "        args: [Qwen/Qwen2.5-7B-Instruct, --tp_size, \"2\", --max_batch_size, \"64\", --max_num_tokens=4096, --max_seq_len, \"8192\", --kv_cache_free_gpu_memory_fraction, \"0.9\"]\n"
                                                "        resources: {limits: {nvidia.com/gpu: 2}}\n"));
    CHECK(trt.findings.errors.empty());
    const ModelServer& t = *workload(trt, "chat").server;
    CHECK(t.engine == "trtllm");
    CHECK(t.model == "Qwen/Qwen2.5-7B-Instruct");
    CHECK(t.tensor_parallel == 2);
    CHECK(t.max_num_seqs == 64);
    CHECK(t.max_num_batched_tokens == 4096);
    CHECK(t.max_model_len == 8192);
    CHECK_THAT(lines(trt.findings.warnings), Contains("runs TensorRT-LLM, which is simulated as vLLM's newest profile") && Contains("not read: --kv-cache-free-gpu-memory-fraction"));

    const Imported lmd = import_text(plain_deployment("        image: openmmlab/lmdeploy:v0.9.0-cu12\n        command: [/bin/sh, -c, \"lmdeploy serve api_server Qwen/Qwen2.5-7B-Instruct --session-len 8192 --server-port 23000\"]\n"
                                                "        resources: {limits: {nvidia.com/gpu: 1}}\n"));
    CHECK(lmd.findings.errors.empty());
    CHECK(workload(lmd, "chat").server->engine == "lmdeploy");
    CHECK(workload(lmd, "chat").server->max_model_len == 8192);
    CHECK(workload(lmd, "chat").server->port == 23000);

    const Imported nim = import_text(plain_deployment("        image: nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8.0\n        env: [{name: NIM_MAX_MODEL_LEN, value: \"16384\"}, {name: NIM_ENABLE_KV_CACHE_REUSE, value: \"1\"}]\n"
                                                "        resources: {limits: {nvidia.com/gpu: 2}}\n"));
    CHECK(nim.findings.errors.empty());
    CHECK(workload(nim, "chat").server->model == "llama-3.1-8b-instruct");
    CHECK(workload(nim, "chat").server->tensor_parallel == 2);
    CHECK(workload(nim, "chat").server->max_model_len == 16384);
    CHECK_THAT(lines(nim.findings.warnings), Contains("not read: NIM_ENABLE_KV_CACHE_REUSE"));
    CHECK(workload(import_text(plain_deployment("        image: nvcr.io/nim/meta/llama3-8b-instruct:1.0.3\n        resources: {limits: {nvidia.com/gpu: 1}}\n")), "chat").server->model == "llama-3-8b-instruct");
    // An image of a model that is not known is no server that is known.
    const Imported other = import_text(plain_deployment("        image: nvcr.io/nim/nvidia/nv-rerankqa-x:1.0\n        resources: {limits: {nvidia.com/gpu: 1}}\n"));
    CHECK_FALSE(workload(other, "chat").server);
    CHECK_THAT(lines(other.findings.warnings), Contains("runs NVIDIA NIM, whose engine is not simulated"));
}

TEST_CASE("Dynamo: a graph's services come to Deployments, prefill and decode workers to a pair") {
    const Imported in = import_text(R"yaml(apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata: {name: disagg}
spec:
  services:
    Frontend:
      componentType: frontend
      replicas: 1
      extraPodSpec: {mainContainer: {image: nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.0}}
    Planner:
      componentType: planner
      replicas: 1
      extraPodSpec: {mainContainer: {image: nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.0}}
    VllmDecodeWorker:
      componentType: worker
      subComponentType: decode
      envFromSecret: hf-token-secret
      replicas: 2
      resources: {limits: {gpu: "1"}}
      extraPodSpec:
        tolerations: [{key: nvidia.com/gpu, operator: Exists}]
        mainContainer:
          image: nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.0
          workingDir: /workspace
          command: [python3, -m, dynamo.vllm]
          args: [--model, Qwen/Qwen3-0.6B, --max-model-len, "4096", --migration-limit=3]
    VllmPrefillWorker:
      componentType: worker
      replicas: 1
      resources: {limits: {gpu: "1"}}
      extraPodSpec:
        mainContainer:
          image: nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.0
          command: [/bin/sh, -c]
          args: ["python3 -m dynamo.vllm --model Qwen/Qwen3-0.6B --is-prefill-worker 2>&1 | tee /tmp/vllm.log"]
)yaml");
    INFO(lines(in.findings.errors));
    CHECK(in.findings.errors.empty());
    CHECK_THAT(lines(in.findings.warnings), Contains("frontend, router and planner are not simulated") && Contains("Planner"));
    const WorkloadObject &decode = workload(in, "disagg-vllmdecodeworker"), &prefill = workload(in, "disagg-vllmprefillworker");
    CHECK(decode.replicas == 2);
    CHECK(decode.pod.gpus() == 1);
    CHECK(decode.pod.tolerations.size() == 1);
    REQUIRE(decode.server);
    CHECK(decode.server->model == "Qwen/Qwen3-0.6B");
    CHECK(decode.server->max_model_len == 4096);
    CHECK(decode.server->vllm_version.empty());  // 0.6.0 is Dynamo's own release
    CHECK(pair_side_of(decode) == PairSide::decode);
    REQUIRE(prefill.server);
    CHECK(prefill.server->model == "Qwen/Qwen3-0.6B");
    CHECK(pair_side_of(prefill) == PairSide::prefill);
    CHECK_FALSE(workload(in, "disagg-frontend").server);
    CHECK(in.manifests.workloads.size() == 3);
}

TEST_CASE("dynamic resource allocation: whole GPUs from a template are limits, other claims are refused at the pod") {
    const auto claimed = [](const std::string& request) {
        return "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {name: gpu.nvidia.com}\nspec: {}\n---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaimTemplate\nmetadata: {name: gpus}\n"
               "spec: {spec: {devices: {requests: [" + request + "]}}}\n---\n" +
               plain_deployment("        image: vllm/vllm-openai:v0.11.0\n        args: [--model, Qwen/Qwen2.5-7B-Instruct, -tp, \"2\"]\n        resources: {requests: {cpu: 4}, claims: [{name: gpu}]}\n",
                          "      resourceClaims: [{name: gpu, resourceClaimTemplateName: gpus}]\n");
    };
    for (const char* request : {"{name: gpu, exactly: {deviceClassName: gpu.nvidia.com, allocationMode: ExactCount, count: 2}}", "{name: gpu, deviceClassName: gpu.nvidia.com, count: 2}"}) {
        const Imported in = import_text(claimed(request));
        INFO(lines(in.findings.errors));
        CHECK(in.findings.errors.empty());
        CHECK(workload(in, "chat").pod.gpus() == 2);
        CHECK(workload(in, "chat").pod.resource_claims.empty());
        CHECK(workload(in, "chat").server->tensor_parallel == 2);
    }
    const Imported slices = import_text(claimed("{name: gpu, exactly: {deviceClassName: mig.nvidia.com}}"));
    CHECK_FALSE(workload(slices, "chat").pod.resource_claims.empty());
    CHECK_FALSE(slices.findings.errors.empty());
    CHECK_THAT(lines(import_text(claimed("{name: gpu, exactly: {deviceClassName: gpu.nvidia.com, count: 2, selectors: [{cel: {expression: x}}]}}")).findings.warnings), Contains("selectors are not read"));
}
