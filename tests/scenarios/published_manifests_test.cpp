// Manifests in the shapes that charts and tutorials publish (tests/scenarios/published, own words and values):
// they are imported without an error and say what they say.
#include "scenarios/commands/vllm_flags.hpp"
#include "scenarios/documents/document.hpp"
#include "scenarios/kubernetes/kubernetes.hpp"
#include "scenarios/servers/other_servers.hpp"
#include "tests/support/imported_manifests.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;

namespace {

const WorkloadObject& workload(const Manifests& manifests, const std::string& name) {
    for (const WorkloadObject& w : manifests.workloads)
        if (w.meta.name == name) return w;
    FAIL("no workload " + name);
    return manifests.workloads[0];
}

struct Server {
    const char *file, *workload, *model, *version;
    std::int32_t tensor_parallel;
    std::int64_t gpus;
    std::int32_t replicas;
    const char* gpu_resource = "nvidia.com/gpu";
};

}  // namespace

TEST_CASE("published manifests: servers, models, GPUs and replicas") {
    const Server servers[] = {
        {"vllm_production_stack.yaml", "stack-mistral-deployment-vllm", "mistralai/Mistral-7B-Instruct-v0.2", "", 2, 2, 2},
        {"llm_d.yaml", "ms-qwen-decode", "Qwen/Qwen3-32B", "", 2, 2, 4},
        {"gke_vllm.yaml", "vllm-gemma-deployment", "google/gemma-2-9b-it", "", 2, 2, 1},
        {"eks_vllm.yaml", "mistral", "mistralai/Mistral-7B-Instruct-v0.3", "0.11.0", 1, 1, 1},
        {"keda_vllm.yaml", "llama", "meta-llama/Llama-3.1-8B-Instruct", "0.10.2", 1, 1, 1},
        {"leader_worker_set.yaml", "vllm", "meta-llama/Llama-3.1-405B-Instruct", "0.8.5", 8, 8, 1},
        {"tgi_gke.yaml", "tgi-gemma-deployment", "google/gemma-2-9b-it", "", 1, 1, 1},
        {"sglang.yaml", "qwen-sglang", "Qwen/Qwen3-32B", "", 2, 2, 2},
        {"kaito.yaml", "workspace-phi-4-mini", "microsoft/Phi-4-mini-instruct", "", 1, 1, 1},
    };
    for (const Server& s : servers) {
        INFO(s.file);
        const Imported in = import_file(s.file);
        INFO(lines(in.findings.errors));
        CHECK(in.findings.errors.empty());
        const WorkloadObject& w = workload(in.manifests, s.workload);
        CHECK(w.replicas == s.replicas);
        CHECK(w.pod.gpus() == s.gpus);
        CHECK(w.pod.gpu_resource() == s.gpu_resource);
        REQUIRE(w.server);
        CHECK(w.server->model == s.model);
        CHECK(w.server->tensor_parallel == s.tensor_parallel);
        CHECK(w.server->vllm_version == s.version);
    }
}

TEST_CASE("published manifests: the production stack's router serves nothing, its engine is scaled by KEDA") {
    const Imported in = import_file("vllm_production_stack.yaml");
    CHECK_FALSE(workload(in.manifests, "stack-deployment-router").server);
    const WorkloadObject& engine = workload(in.manifests, "stack-mistral-deployment-vllm");
    REQUIRE(engine.server);
    CHECK(engine.server->max_model_len == 16384);
    CHECK(engine.server->max_num_seqs == 64);
    CHECK(engine.server->prefix_caching == false);
    CHECK(engine.server->dtype == "bf16");
    CHECK(engine.max_surge.value == 100);
    REQUIRE(in.manifests.scaled_objects.size() == 1);
    const ScaledObject& scaled = in.manifests.scaled_objects[0];
    CHECK(scaled.target.name == engine.meta.name);
    CHECK(scaled.max_replicas == 4);
    CHECK(scaled.polling_interval == seconds(15));
    REQUIRE(scaled.triggers.size() == 1);
    CHECK(scaled.triggers[0].query == "vllm:num_requests_waiting");
    REQUIRE(in.manifests.monitors.size() == 1);
    CHECK(*in.manifests.monitors[0].interval == seconds(15));
    CHECK(in.manifests.volume_claims.size() == 1);
}

TEST_CASE("published manifests: llm-d's pool warns that its endpoint picker is not simulated") {
    const Imported in = import_file("llm_d.yaml");
    CHECK_THAT(lines(in.findings.warnings), Contains("InferencePool/gaie-pool"));
    const WorkloadObject& decode = workload(in.manifests, "ms-qwen-decode");
    REQUIRE(decode.server);
    CHECK(decode.server->block_size == 64);
    CHECK(decode.server->port == 8200);
    CHECK(decode.pod.init_containers.at(0).restartable_init);
    CHECK_FALSE(workload(in.manifests, "gaie-epp").server);
}

TEST_CASE("published manifests: autoscalers") {
    const Imported gke = import_file("gke_vllm.yaml");
    REQUIRE(gke.manifests.horizontal_pod_autoscalers.size() == 1);
    const HorizontalPodAutoscaler& hpa = gke.manifests.horizontal_pod_autoscalers[0];
    CHECK(hpa.max_replicas == 5);
    CHECK(hpa.target.name == "vllm-gemma-deployment");
    CHECK(hpa.metrics.at(0).name == "prometheus.googleapis.com|vllm:num_requests_waiting|gauge");
    CHECK(workload(gke.manifests, "vllm-gemma-deployment").pod.node_selector.at("cloud.google.com/gke-accelerator") == "nvidia-l4");

    const Imported keda = import_file("keda_vllm.yaml");
    REQUIRE(keda.manifests.scaled_objects.size() == 1);
    CHECK(keda.manifests.scaled_objects[0].triggers.size() == 2);
    CHECK(keda.manifests.scaled_objects[0].fallback->replicas == 2);
    CHECK(workload(keda.manifests, "llama").server->gpu_memory_utilization == Approx(0.92));
}

TEST_CASE("published manifests: a group of a LeaderWorkerSet serves as one, over all its GPUs") {
    const Imported in = import_file("leader_worker_set.yaml");
    const WorkloadObject& w = workload(in.manifests, "vllm");
    CHECK(w.group_size == 2);
    REQUIRE(w.server);
    CHECK(w.server->pipeline_parallel == 2);
    CHECK(w.server->port == 8080);
}

TEST_CASE("published manifests: SGLang and TGI are simulated as vLLM, with a warning") {
    const Imported sglang = import_file("sglang.yaml");
    const ModelServer& s = *workload(sglang.manifests, "qwen-sglang").server;
    CHECK(s.engine == "sglang");
    CHECK(s.max_model_len == 32768);
    CHECK(s.max_num_seqs == 128);
    CHECK(s.gpu_memory_utilization == Approx(0.87));
    CHECK(s.port == 30000);
    CHECK_THAT(lines(sglang.findings.warnings), Contains("runs SGLang, which is simulated as vLLM's newest profile") && Contains("not read: --host, --enable-metrics"));
    const Imported tgi = import_file("tgi_gke.yaml");
    CHECK(workload(tgi.manifests, "tgi-gemma-deployment").server->max_model_len == 4096);
    CHECK_THAT(lines(tgi.findings.warnings), Contains("runs Text Generation Inference"));
}

TEST_CASE("published manifests: servers whose engine is not simulated say what to write") {
    const Imported nim = import_file("nim.yaml");
    CHECK(nim.findings.errors.empty());
    REQUIRE(workload(nim.manifests, "my-nim-nim-llm").server);
    CHECK_THAT(lines(nim.findings.warnings), Contains("runs NVIDIA NIM, which is simulated as vLLM's newest profile"));
    CHECK_THAT(lines(import_file("ollama.yaml").findings.warnings), Contains("runs Ollama"));
}

TEST_CASE("images: the vLLM release that a tag names") {
    CHECK(vllm_version_of_image("vllm/vllm-openai:v0.8.5.post1") == "0.8.5");
    CHECK(vllm_version_of_image("docker.io/vllm/vllm-openai:v0.11.0-x86_64@sha256:abc") == "0.11.0");
    CHECK(vllm_version_of_image("registry:5000/vllm/vllm-openai:0.9.2") == "0.9.2");
    CHECK(vllm_version_of_image("rocm/vllm:rocm6.4.1_vllm_0.9.1_20250715") == "0.9.1");
    CHECK(vllm_version_of_image("public.ecr.aws/deep-learning-containers/vllm:0.11.0-gpu-py312") == "0.11.0");
    for (const char* other : {"nvcr.io/nvidia/vllm:25.09-py3", "lmcache/vllm-openai:v0.3.9", "registry.redhat.io/rhaiis/vllm-cuda-rhel9:3.2.1", "vllm/vllm-openai:latest",
                              "vllm/vllm-openai", "localhost:5000/vllm", "kserve/huggingfaceserver:v0.15.0-gpu"})
        CHECK(vllm_version_of_image(other).empty());
    CHECK(split_image("localhost:5000/vllm").repository == "vllm");
}

TEST_CASE("vLLM flags: older and newer releases' names have a role, each once") {
    std::set<std::string> seen;
    for (const std::string& name : vllm_flag_names()) {
        INFO(name);
        CHECK(seen.insert(name).second);
    }
    for (const char* name : {"ngram-prompt-lookup-max", "prompt-adapters", "data-parallel-external-lb", "scheduler-cls", "long-lora-scaling-factors"}) {
        INFO(name);
        const VllmFlag* flag = find_vllm_flag(name);
        REQUIRE(flag);
        CHECK(flag->role == FlagRole::unsupported);
        CHECK(std::string(flag->why) != "");
    }
    for (const char* name : {"node-rank", "moe-backend", "max-context-len-to-capture", "mm-processor-cache-type", "kv-cache-metrics"}) {
        INFO(name);
        const VllmFlag* flag = find_vllm_flag(name);
        REQUIRE(flag);
        CHECK(flag->role == FlagRole::harmless);
    }
    for (const char* name : {"data-parallel-hybrid-lb", "eplb-config", "enable-dbo"}) {
        INFO(name);
        REQUIRE(find_vllm_flag(name));
        CHECK(find_vllm_flag(name)->role == FlagRole::stood_in);
    }
    std::vector<std::string> rest;
    const auto given = split_flags({"--kv-cache-metrics", "--node-rank", "1", "--prompt-adapters", "a=b", "c=d", "--port=1"}, rest);
    REQUIRE(given.size() == 4);
    CHECK(given[0].values.empty());
    CHECK(given[1].values == std::vector<std::string>{"1"});
    CHECK(given[2].values.size() == 2);
    CHECK(rest.empty());
}
