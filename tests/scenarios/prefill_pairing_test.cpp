// Pairs of workloads of which one computes the prompts of the other, as manifests and scenarios write them.
#include "scenarios/compile/compile.hpp"
#include "scenarios/compile/workload_source.hpp"
#include "scenarios/prefill_pairing.hpp"

#include <catch2/catch.hpp>
#include <sstream>

using namespace windtunnel;
using Catch::Matchers::Contains;

namespace {

std::string server(const std::string& name, const std::string& labels, const std::string& more,
                   std::int32_t replicas = 1) {
    return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + name +
           "}\nspec:\n  replicas: " + std::to_string(replicas) + "\n  selector: {matchLabels: {app: " + name +
           "}}\n  template:\n    metadata: {labels: {app: " + name + labels +
           "}}\n    spec:\n      containers:\n      - name: vllm\n" +
           "        image: vllm/vllm-openai:v0.11.0\n        command: [vllm, serve, "
           "meta-llama/Llama-3.1-8B-Instruct]\n        args: [--max-model-len, '8192', --block-size, '16'" +
           more + "]\n" +
           "        resources: {limits: {nvidia.com/gpu: 1}, requests: {cpu: 4, memory: 16Gi}}\n---\n";
}
std::string transfers(const std::string& role, const std::string& more = "") {
    return R"(, --kv-transfer-config, '{"kv_connector":"NixlConnector","kv_role":")" + role + "\"" + more +
           "}'";
}
/// llm-d's ModelService chart: roles by label, both servers kv_both.
const std::string llm_d = server("ms-decode", ", llm-d.ai/role: decode", transfers("kv_both")) +
                          server("ms-prefill", ", llm-d.ai/role: prefill", transfers("kv_both"), 2);

/// A scenario over standard input's manifests.
Result<Scenario> read_pair(const std::string& manifests, const std::vector<std::string>& set = {}) {
    ScenarioInputs inputs;
    inputs.manifests = {"-"};
    inputs.assignments = {"workload.synthetic.rate_rps=2",
                          "workload.synthetic.duration_s=5",
                          "workload.synthetic.prompt_tokens=512",
                          "workload.synthetic.output_tokens=8",
                          "cluster.cloud=aws",
                          "cluster.region=us-east-1",
                          "cluster.pools=[{name: gpus, instance_type: p5.48xlarge, max: 2, initial: 1}]"};
    inputs.assignments.insert(inputs.assignments.end(), set.begin(), set.end());
    std::istringstream in(manifests);
    return read_scenario(inputs, in);
}
std::string text_of(const Problems& problems) {
    std::string out;
    for (const Problem& p : problems) out += to_string(p) + "\n";
    return out;
}
std::string pairing_refusal(const std::string& manifests, const std::vector<std::string>& set = {}) {
    const auto scenario = read_pair(manifests, set);
    return scenario ? "" : text_of(scenario.problems());
}

}  // namespace

TEST_CASE("prefill pairs: llm-d's labels pair two Deployments, and the blocks' bytes follow from the model") {
    const auto scenario = read_pair(llm_d);
    if (!scenario) FAIL(text_of(scenario.problems()));
    REQUIRE(scenario->workloads.size() == 1);
    CHECK(scenario->workloads[0].target_name == "ms-decode");
    REQUIRE(scenario->workloads[0].prefilled_by.size() == 1);
    CHECK(scenario->workloads[0].prefilled_by[0].target_name == "ms-prefill");
    const auto source = WorkloadSource::make(*scenario, 1);
    if (!source) FAIL(text_of(source.problems()));
    const auto compiled = compile_scenario(*scenario, *source);
    if (!compiled) FAIL(text_of(compiled.problems()));
    const BlueprintParts& parts = compiled->parts;
    REQUIRE(parts.workloads.size() == 2);
    CHECK(parts.workloads[0].prefill.workload == 1);
    CHECK(parts.workloads[1].initial_replicas == 2);
    const auto server_of = [&](std::size_t w) {
        return parts.servers[static_cast<std::size_t>(
            parts.templates[parts.workloads[w].first_template].plan.server)];
    };
    CHECK(server_of(0).receives);
    CHECK(server_of(1).hands_over);
    // 32 layers x 8 KV heads x 128 x 2 (K and V) x 2 bytes = 131,072 bytes a token, 16 tokens a block.
    CHECK(server_of(0).kv_block_bytes == 131'072 * 16);
    CHECK(parts.workloads[0].prefill.fails == 0);
    // NVLink of H100: 900e9 both ways, 0.8 of one way.
    CHECK(parts.workloads[0].prefill.local_bytes_per_s == 360'000'000'000);
}

TEST_CASE("prefill pairs: kv_producer and kv_consumer, LMCache's roles and SGLang's modes say the same") {
    const std::string lmcache =
        server("d", "", transfers("kv_consumer", R"(,"kv_load_failure_policy":"fail")")) +
        server("p", "", transfers("kv_producer"));
    const auto roles = read_pair(lmcache);
    if (!roles) FAIL(text_of(roles.problems()));
    CHECK(roles->workloads[0].target_name == "d");
    CHECK(roles->workloads[0].prefilled_by.at(0).target_name == "p");
    CHECK(roles->server_of(roles->workloads[0])->kv_loss_fails);
    std::string sglang;
    for (const std::string mode : {"decode", "prefill"})
        sglang += "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: sg-" + mode +
                  "}\nspec:\n  selector: {matchLabels: {app: sg-" + mode +
                  "}}\n  template:\n    metadata: {labels: {app: sg-" + mode +
                  "}}\n    spec:\n      containers:\n      - name: s\n        image: "
                  "lmsysorg/sglang:v0.4.9\n        command: [python3, -m, sglang.launch_server]\n"
                  "        args: [--model-path, meta-llama/Llama-3.1-8B-Instruct, --disaggregation-mode, " +
                  mode + "]\n        resources: {limits: {nvidia.com/gpu: 1}}\n---\n";
    const auto modes = read_pair(sglang);
    if (!modes) FAIL(text_of(modes.problems()));
    CHECK(modes->workloads[0].target_name == "sg-decode");
    CHECK(modes->workloads[0].prefilled_by.at(0).target_name == "sg-prefill");
}

TEST_CASE("prefill pairs: the production stack's variable LMCACHE_NIXL_ROLE, and LeaderWorkerSets by llm-d's label") {
    // The stack's servers are kv_both by flag; who sends and who receives, the variable says.
    std::string stack;
    for (const std::string role : {"receiver", "sender"}) {
        std::string one = server("lm-" + role, "", transfers("kv_both"));
        const std::string resources = "        resources:";
        one.insert(one.find(resources), "        env: [{name: LMCACHE_NIXL_ROLE, value: " + role + "}]\n");
        stack += one;
    }
    const auto variables = read_pair(stack);
    if (!variables) FAIL(text_of(variables.problems()));
    CHECK(variables->workloads[0].target_name == "lm-receiver");
    CHECK(variables->workloads[0].prefilled_by.at(0).target_name == "lm-sender");

    const auto group = [](const std::string& role) {
        return "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {name: wide-" + role +
               "}\nspec:\n  replicas: 1\n  leaderWorkerTemplate:\n    size: 1\n    workerTemplate:\n"
               "      metadata: {labels: {llm-d.ai/role: " + role + "}}\n      spec:\n        containers:\n"
               "        - name: vllm\n          image: vllm/vllm-openai:v0.11.0\n          command: [vllm, serve, "
               "meta-llama/Llama-3.1-8B-Instruct]\n          args: [--max-model-len, '8192']\n"
               "          resources: {limits: {nvidia.com/gpu: 1}, requests: {cpu: 4, memory: 16Gi}}\n---\n";
    };
    const auto groups = read_pair(group("decode") + group("prefill"));
    if (!groups) FAIL(text_of(groups.problems()));
    CHECK(groups->workloads[0].target_name == "wide-decode");
    CHECK(groups->workloads[0].prefilled_by.at(0).target_name == "wide-prefill");
}

TEST_CASE("prefill pairs: KServe's LLMInferenceService with spec.prefill makes two Deployments") {
    const auto scenario = read_pair(
        "apiVersion: serving.kserve.io/v1alpha1\nkind: LLMInferenceService\nmetadata: {name: chat}\nspec:\n  "
        "model: {uri: hf://meta-llama/Llama-3.1-8B-Instruct}\n  replicas: 1\n"
        "  template: {containers: [{name: main, resources: {limits: {nvidia.com/gpu: 1}}}]}\n  prefill:\n    "
        "replicas: 2\n    template: {containers: [{name: main, resources: {limits: {nvidia.com/gpu: "
        "1}}}]}\n");
    if (!scenario) FAIL(text_of(scenario.problems()));
    CHECK(scenario->workloads[0].target_name == "chat-kserve");
    CHECK(scenario->workloads[0].prefilled_by.at(0).target_name == "chat-kserve-prefill");
    CHECK(scenario->target_of(scenario->workloads[0].prefilled_by[0])->replicas == 2);
}

TEST_CASE("prefill pairs: the scenario's word, and what is ambiguous or cannot be") {
    const std::string plain = server("a", "", "") + server("b", "", "");
    const auto said = read_pair(plain, {"workload.target=Deployment/a", "workload.prefill.target=Deployment/b",
                                   "workload.prefill.threshold_tokens=128", "workload.prefill.gb_per_s=25",
                                   "workload.prefill.latency_ms=5", "workload.prefill.on_kv_loss=fail",
                                   "workload.prefill.routing=least-requests"});
    if (!said) FAIL(text_of(said.problems()));
    const PrefillSpec& spec = said->workloads[0].prefill;
    CHECK(spec.threshold_tokens == 128);
    CHECK(spec.link_bytes_per_s == 25'000'000'000);
    CHECK(spec.latency == milliseconds(5));
    CHECK(spec.fails == true);
    CHECK(said->workloads[0].prefilled_by.at(0).routing == RoutingSpec::least_requests);

    CHECK_THAT(pairing_refusal(llm_d + server("other", ", llm-d.ai/role: prefill", transfers("kv_both"))),
               Contains("workload.prefill.target: is missing") && Contains("Deployment/ms-prefill") &&
                   Contains("Deployment/other"));
    CHECK_THAT(pairing_refusal(llm_d, {"workload.target=Deployment/ms-prefill"}),
               Contains("computes prompts for others only"));
    CHECK_THAT(pairing_refusal(plain, {"workload.target=Deployment/a", "workload.prefill.target=Deployment/c"}),
               Contains("found Deployment/c, which no manifest has"));
    CHECK_THAT(pairing_refusal(plain, {"workload.target=Deployment/a", "workload.prefill.target=Deployment/b",
                               "workload.prefill.sped=1"}),
               Contains("sped"));
    CHECK_THAT(pairing_refusal(server("a", "", transfers("kv_neither"))),
               Contains("found kv_role \"kv_neither\", allowed: kv_producer, kv_consumer or kv_both"));

    const auto compiled = [](const std::string& manifests) {
        const auto scenario =
            read_pair(manifests, {"workload.target=Deployment/a", "workload.prefill.target=Deployment/b"});
        if (!scenario) return text_of(scenario.problems());
        const auto source = WorkloadSource::make(*scenario, 1);
        const auto out = compile_scenario(*scenario, *source);
        return out ? std::string() : text_of(out.problems());
    };
    CHECK_THAT(compiled(server("a", "", "") + server("b", "", ", --kv-cache-dtype, fp8")),
               Contains("another --kv-cache-dtype"));
    CHECK_THAT(compiled(server("a", "", "") + server("b", "", ", --max-model-len, '4096'")),
               Contains("at least as long prompts"));
    CHECK_THAT(compiled(server("a", "", "") + server("b", "", "")), Catch::Equals(""));
}
