// Starts as scenarios and manifests describe them: the graph, its longest path, what volumes keep, faults.
#include "scenarios/compile/compile.hpp"
#include "scenarios/compile/compile_start.hpp"
#include "scenarios/compile/feasibility.hpp"
#include "scenarios/compile/workload_source.hpp"
#include "tests/support/problem_lines.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace windtunnel;
using namespace windtunnel::lab;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

StartStage stage(const std::string& name, double s, std::optional<std::vector<std::string>> after = {}) {
    StartStage out;
    out.name = name;
    out.median_s = s;
    out.after = std::move(after);
    return out;
}
std::vector<std::string> names(const StartGraph& graph, const std::vector<std::size_t>& path) {
    std::vector<std::string> out;
    for (const std::size_t i : path) out.push_back(graph.stages[i].name);
    return out;
}

const std::string chat_service =
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: chat}\nspec:\n  selector: {matchLabels: {app: chat}}\n  template:\n"
    "    metadata: {labels: {app: chat}}\n    spec:\n";
std::string server(const std::string& model, const std::string& more = "", const std::string& args = "") {
    return "      containers:\n      - name: vllm\n        image: vllm/vllm-openai:v0.10.2\n        command: [vllm, serve, " + model + "]\n        args: [--max-model-len=4096" + args +
           "]\n        resources: {limits: {nvidia.com/gpu: 1, cpu: 3, memory: 12Gi}}\n" + more;
}

struct StartRead {
    Problems errors;
    Scenario scenario;
    CompiledScenario compiled;
};

/// Reads and compiles manifests with a scenario around them.
StartRead compile(const std::string& manifests, const std::string& workload = "", const std::string& cluster = "", const std::string& more = "") {
    static int number = 0;
    const fs::path folder = fs::temp_directory_path() / ("windtunnel_start_" + std::to_string(::getpid()) + "_" + std::to_string(number++));
    fs::create_directories(folder);
    std::ofstream(folder / "k8s.yaml") << manifests;
    std::ofstream(folder / "scenario.yaml") << "apiVersion: windtunnel/v1\nkind: Scenario\nname: starts\nmanifests: [k8s.yaml]\nstart_time: 2026-03-03T08:00\nworkload:\n"
                                               "  synthetic: {preset: azure-conv-2023, rate_rps: 0.2, duration_s: 14400}\n  server: {model: meta-llama/Llama-3.1-8B-Instruct}\n"
                                            << workload << "cluster:\n  cloud: aws\n  region: us-east-1\n" << cluster
                                            << "  pools:\n  - {name: l4, instance_type: g6.xlarge, zones: [us-east-1a, us-east-1b], max: 4}\n" << more;
    ScenarioInputs inputs;
    inputs.scenario_file = (folder / "scenario.yaml").string();
    std::istringstream nothing;
    StartRead out;
    auto scenario = read_scenario(inputs, nothing);
    fs::remove_all(folder);
    if (!scenario) {
        out.errors = scenario.problems();
        return out;
    }
    out.scenario = std::move(*scenario);
    auto source = WorkloadSource::make(out.scenario, 1);
    REQUIRE(source);
    auto compiled = compile_scenario(out.scenario, *source);
    if (!compiled) {
        out.errors = compiled.problems();
        return out;
    }
    out.compiled = std::move(*compiled);
    return out;
}

const StartStage* find(const StartGraph& graph, const std::string& name) {
    for (const StartStage& s : graph.stages)
        if (s.name == name) return &s;
    return nullptr;
}

}  // namespace

TEST_CASE("start graph: the longest path, in the order that the stages need") {
    // image 50 -> start 10 -> {weights 80, compile 60} -> capture 5 after both; weights come first by name only.
    const auto made = make_start_graph({stage("capture", 5, {{"weights", "compile"}}), stage("weights", 80, {{"start"}}),
                                        stage("compile", 60, {{"start"}}), stage("start", 10, {{"image_pull"}}), stage("image_pull", 50, {{}})},
                                       {}, "cold_start");
    REQUIRE(made);
    CHECK(made->stages.front().name == "image_pull");
    CHECK(made->before_container == 1);
    CHECK(names(*made, made->critical) == std::vector<std::string>{"image_pull", "start", "weights", "capture"});
    CHECK(made->total_s == 145);
    for (std::size_t i = 0; i < made->stages.size(); ++i) CHECK(made->needs[i] >> i == 0);
    // Where the weights stay on the node, the other branch is the longer one for later pods: 0 + 10 + 60 + 5.
    std::vector<StartStage> kept = made->stages;
    for (StartStage& s : kept)
        if (s.name == "weights" || s.name == "image_pull") s.kept = Kept::node;
    CHECK(make_start_graph(kept, {}, "")->again_total_s == 75);
    CHECK(start_text(*made) == "image_pull 50 s -> start 10 s -> weights 80 s -> capture 5 s = 145 s; on a node that has been through it 95 s");
}

TEST_CASE("start graph: circles, unknown names and images behind the container are refused") {
    const auto refusal = [](std::vector<StartStage> stages) {
        const auto made = make_start_graph(std::move(stages), {"s.yaml", 7, 3}, "workload.cold_start");
        REQUIRE(!made);
        return lines(made.problems());
    };
    CHECK_THAT(refusal({stage("a", 1, {{"b"}}), stage("b", 1, {{"a"}})}), Contains("circle") && Contains("s.yaml:7"));
    CHECK_THAT(refusal({stage("load", 1, {{"wieghts"}}), stage("weights", 1)}), Contains("\"wieghts\"") && Contains("weights"));
    CHECK_THAT(refusal({stage("load", 1, {{}}), stage("image_pull", 1, {{"load"}})}), Contains("image_pull comes after load"));
}

TEST_CASE("start: where volumes keep the weights follows from the manifests") {
    struct Case {
        std::string volumes, model, init;
        WeightStorage storage;
        Kept kept;
        bool downloads;
    };
    const std::string mount = "        volumeMounts: [{name: m, mountPath: /models}]\n";
    const std::string cache = "        volumeMounts: [{name: m, mountPath: /root/.cache/huggingface}]\n";
    const std::string sync = "      initContainers:\n      - {name: fetch, image: amazon/aws-cli, command: [sh, -c, 'aws s3 sync s3://b/m /models'], volumeMounts: [{name: m, mountPath: /models}]}\n";
    const std::string host = "      volumes: [{name: m, hostPath: {path: /mnt/models}}]\n", empty = "      volumes: [{name: m, emptyDir: {}}]\n",
                      claim = "      volumes: [{name: m, persistentVolumeClaim: {claimName: models}}]\n";
    const std::string id = "meta-llama/Llama-3.1-8B-Instruct";
    const std::vector<std::tuple<std::string, std::string, WeightStorage, Kept, bool>> cases = {
        {"hub, nothing kept", chat_service + server(id), WeightStorage::hub, Kept::nowhere, true},
        {"hub into a path of the node", chat_service + host + server(id, cache), WeightStorage::hub, Kept::node, true},
        {"hub into an emptyDir", chat_service + empty + server(id, cache), WeightStorage::hub, Kept::pod, true},
        {"hub into a shared volume", chat_service + claim + server(id, cache), WeightStorage::hub, Kept::cluster, true},
        {"in the image", chat_service + server("/models/llama"), WeightStorage::in_image, Kept::nowhere, true},
        {"a shared volume that has them", chat_service + claim + server("/models/llama", mount), WeightStorage::file_server, Kept::cluster, false},
        {"an init container fills a path of the node", chat_service + host + sync + server("/models/llama", mount), WeightStorage::object_store, Kept::node, true},
    };
    for (const auto& [what, manifest, storage, kept, downloads] : cases) {
        INFO(what);
        const StartRead r = compile(manifest);
        INFO(lines(r.errors));
        REQUIRE(r.errors.empty());
        const WorkloadObject& object = r.scenario.manifests.workloads.at(0);
        const ManifestStart start = read_manifest_start(r.scenario, object, *r.scenario.server_of(r.scenario.workloads[0]));
        CHECK(start.storage == storage);
        CHECK(start.kept == kept);
        CHECK(start.downloads == downloads);
        const StartGraph& graph = r.compiled.workloads.at(0).start;
        const StartStage* download = find(graph, "weights_download");
        CHECK((download != nullptr) == (storage == WeightStorage::hub || storage == WeightStorage::object_store));
        if (download != nullptr) {
            CHECK(download->kept == kept);
            CHECK(download->init == (storage == WeightStorage::object_store));
        }
        CHECK(find(graph, "image_pull")->bytes == Approx(storage == WeightStorage::in_image ? 26e9 : 10e9).epsilon(0.01));
    }
}

TEST_CASE("start: the scenario adds what manifests do not say") {
    const std::string deployment = chat_service + server("meta-llama/Llama-3.1-8B-Instruct");
    const StartRead r = compile(deployment, "  cold_start: {image_gb: 5, weights: object_store, from: bucket, kept: node, compile_cache: cluster, host_factor: 2}\n",
                           "  sources: [{name: bucket, gb_per_s: 2}]\n");
    INFO(lines(r.errors));
    REQUIRE(r.errors.empty());
    const StartGraph& graph = r.compiled.workloads.at(0).start;
    CHECK(find(graph, "image_pull")->bytes == 5e9);
    CHECK(find(graph, "weights_download")->from == "bucket");
    CHECK(find(graph, "weights_download")->kept == Kept::node);
    CHECK(find(graph, "compile")->kept == Kept::cluster);
    REQUIRE(r.compiled.parts.sources.size() == 1);
    CHECK(r.compiled.parts.sources[0].bytes_per_second == 2'000'000'000);
    CHECK(r.compiled.parts.shapes[0].network_bytes_per_s == 1'250'000'000);  // g6.xlarge: 10 Gbit/s

    const auto refusal = [&](const std::string& workload, const std::string& cluster = "") { return lines(compile(deployment, workload, cluster).errors); };
    CHECK_THAT(refusal("  cold_start: {from: bukcet}\n", "  sources: [{name: bucket, gb_per_s: 2}]\n"), Contains("\"bukcet\"") && Contains("bucket"));
    CHECK_THAT(refusal("  cold_start: {weights: somewhere}\n"), Contains("object_store"));
    CHECK_THAT(refusal("  cold_start: [{name: a, median_s: 1, after: [a]}]\n"), Contains("circle"));
    CHECK_THAT(refusal("  cold_start: [{name: a, median_s: 1, from: bucket}]\n"), Contains("gb"));
    CHECK_THAT(refusal("  cold_start: [{name: a, median_s: 1, again_s: 1}]\n"), Contains("kept"));
}

TEST_CASE("events: faults are lines of the scenario, at seconds or at a time of day") {
    const std::string deployment = chat_service + server("meta-llama/Llama-3.1-8B-Instruct");
    const StartRead r = compile(deployment, "", "  sources: [{name: bucket, gb_per_s: 2}]\n",
                           "events:\n"
                           "  - {at: '10:00', rollout: Deployment/chat, error_share: 0.2, output_factor: 1.5}\n"
                           "  - {at: '11:00', load_test: Deployment/chat, synthetic: {rate_rps: 5, duration_s: 600, prompt_tokens: 100, output_tokens: 10}}\n"
                           "  - {at_s: 60, slow_source: bucket, factor: 0.1, duration_s: 600}\n"
                           "  - {at_s: 61, lose_zone: us-east-1b, duration_s: 600}\n"
                           "  - {at_s: 62, lose_gpu: l4}\n"
                           "  - {at_s: 63, driver_fault: l4, duration_s: 600, servers: run_on_cpu, slowdown: 20}\n");
    INFO(lines(r.errors));
    REQUIRE(r.errors.empty());
    const auto find_event = [&](ClusterEventKind kind) {
        for (const ClusterEventPlan& e : r.compiled.parts.events)
            if (e.kind == kind) return e;
        FAIL("no such event");
        return ClusterEventPlan{};
    };
    const ClusterEventPlan rollout = find_event(ClusterEventKind::rollout);
    CHECK(rollout.at == seconds(7200));  // it starts at 08:00
    const std::uint8_t ill = r.compiled.parts.templates[rollout.revision].plan.degradation;
    REQUIRE(ill > 0);
    CHECK(r.compiled.parts.degradations[ill - 1u].output_milli == 1500);
    CHECK(find_event(ClusterEventKind::source_changes).value == 200'000'000);
    CHECK(find_event(ClusterEventKind::lose_zone).target == 1);
    CHECK(find_event(ClusterEventKind::no_capacity).until == seconds(661));
    CHECK(r.compiled.parts.degradations[find_event(ClusterEventKind::driver_breaks).revision - 1].slowdown_milli == 20'000);
    CHECK(r.scenario.load_tests.at(0).offset == seconds(10'800));
    CHECK(r.compiled.parts.workload_of_model == std::vector<std::uint32_t>{0, 0});
    auto source = WorkloadSource::make(r.scenario, 1);
    const auto requests = source->trial(0)->requests;
    const auto extra = std::count_if(requests.begin(), requests.end(), [](const Request& q) { return q.model == 1; });
    CHECK(extra > 2800);  // 3000 are expected
    CHECK(extra < 3200);
    for (const Request& q : requests)
        if (q.model == 1) REQUIRE((q.arrival >= seconds(10'800) && q.arrival < seconds(11'400)));

    const auto refusal = [&](const std::string& event) { return lines(compile(deployment, "", "", "events:\n  - " + event + "\n").errors); };
    CHECK_THAT(refusal("{at_s: 1, lose_zone: us-east-1f}"), Contains("us-east-1f") && Contains("us-east-1a"));
    CHECK_THAT(refusal("{at_s: 1, slow_source: bucket, factor: 0.5, duration_s: 1}"), Contains("cluster.sources"));
    CHECK_THAT(refusal("{at: 'noon', lose_gpu: l4}"), Contains("time of day"));
    CHECK_THAT(refusal("{at_s: 1, lose_gpu: l5}"), Contains("l4"));
    CHECK_THAT(refusal("{at_s: 1, driver_fault: l4, duration_s: 5, slowdown: 9}"), Contains("run_on_cpu"));
}

TEST_CASE("feasibility: a maximum flow says what cannot be placed, and which limit is full") {
    const auto flow = [](const std::string& replicas, const std::string& gpus, const std::string& more = "") {
        std::string deployment = chat_service + server("meta-llama/Llama-3.1-8B-Instruct");
        deployment.replace(deployment.find("spec:\n"), 6, "spec:\n  replicas: " + replicas + "\n");
        const std::size_t at = deployment.find("nvidia.com/gpu: 1");
        deployment.replace(at, 17, "nvidia.com/gpu: " + gpus);
        const StartRead r = compile(deployment + more);
        INFO(lines(r.errors));
        REQUIRE(r.errors.empty());
        return find_shortages(r.compiled);
    };
    CHECK(flow("4", "1").empty());
    const auto six = flow("6", "1");  // four nodes of one GPU
    REQUIRE(six.size() == 1);
    CHECK(six[0].wanted == 6);
    CHECK(six[0].placed == 4);
    CHECK(six[0].workloads == std::vector<std::string>{"Deployment/chat"});
    CHECK(six[0].limits == std::vector<std::string>{"pool l4 (at most 4 nodes)"});
    const auto quota = flow("4", "1", "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: gpus}\nspec: {hard: {requests.nvidia.com/gpu: 3}}\n");
    REQUIRE(quota.size() == 1);
    CHECK(quota[0].placed == 3);
    CHECK(quota[0].limits == std::vector<std::string>{"ResourceQuota/gpus"});
    // Scopes of priority classes: a pod without one is in NotIn, and in the class that is the global default.
    const auto of_class = [](const std::string& scope) {
        return "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: gpus}\nspec: {hard: {requests.nvidia.com/gpu: 3}, scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: " + scope + "}]}}\n";
    };
    const std::string by_default = "---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: std}\nvalue: 10\nglobalDefault: true\n";
    CHECK(flow("4", "1", of_class("NotIn, values: [high]")).size() == 1);
    CHECK(flow("4", "1", of_class("In, values: [std]")).empty());
    CHECK(flow("4", "1", of_class("In, values: [std]") + by_default).size() == 1);
    CHECK(flow("4", "1", of_class("NotIn, values: [std]") + by_default).empty());
}

TEST_CASE("images: layers of the scenario or of a registry's manifest replace the pull of a whole image") {
    const std::string images = "  images:\n  - image: pytorch/pytorch\n    layers: [{name: cuda, gb: 4.5}, {name: torch, gb: 1.8, unpacked_gb: 4}]\n"
                               "  - image: vllm/vllm-openai\n    base: pytorch/pytorch\n    layers: [{name: vllm, gb: 0.9}]\n"
                               "  image_pulls: {downloads: 2, download_gb_per_s: 0.09, unpack_gb_per_s: 0.18, sigma: 0}\n";
    // Down 0-50 and 0-20, the third from 20 to 30; unpacked 50-75, 75-85, 85-90.
    StartRead read = compile(chat_service + server("meta-llama/Llama-3.1-8B-Instruct"), "", images);
    INFO(lines(read.errors));
    REQUIRE(read.errors.empty());
    const StartStage* pull = find(read.compiled.workloads[0].start, "image_pull");
    REQUIRE(pull != nullptr);
    CHECK(pull->median_s == Approx(90));
    CHECK(pull->layers.size() == 3);
    CHECK(pull->layers[0].name == "cuda");
    CHECK(pull->bytes == Approx(7.2e9));
    REQUIRE(read.compiled.parts.layers.size() == 3);
    CHECK(read.compiled.parts.layers[1].unpacked == 4'000'000'000);
    CHECK(read.compiled.parts.layers[0].unpacked == 9'000'000'000);
    // Typical: 2.8 : 1.4 : 1.0.
    read = compile(chat_service + server("meta-llama/Llama-3.1-8B-Instruct"), "", "  images: [{image: \"docker.io/vllm/vllm-openai:v0.10.2\", layers: typical, gb: 10.4}]\n");
    INFO(lines(read.errors));
    REQUIRE(read.errors.empty());
    CHECK(find(read.compiled.workloads[0].start, "image_pull")->layers[0].bytes == Approx(5.6e9));
    // The image of the source, whose rates these are: 20.2 GB in 480 to 600 s there.
    std::vector<ImageLayer> bento;
    for (const double gb : {2.8, 1.4, 1.0, 15.0}) bento.push_back({"", gb * 1e9, 0, gb * 1e9 / ImagePullSpec{}.download_bytes_per_s, gb * 1e9 / ImagePullSpec{}.unpack_bytes_per_s});
    CHECK(pull_seconds(bento, 3) > 480);
    CHECK(pull_seconds(bento, 3) < 600);
}

TEST_CASE("images: what cannot be is refused with what to write") {
    const auto refusal = [](const std::string& images, const std::string& workload = "") {
        return lines(compile(chat_service + server("meta-llama/Llama-3.1-8B-Instruct"), workload, images).errors);
    };
    CHECK_THAT(refusal("  images: [{image: vllm/vllm-opnai, layers: [{name: a, gb: 1}]}]\n"), Contains("no container") && Contains("vllm/vllm-openai:v0.10.2"));
    CHECK_THAT(refusal("  images: [{image: vllm/vllm-openai}]\n"), Contains("layers") && Contains("manifest: FILE"));
    CHECK_THAT(refusal("  images: [{image: vllm/vllm-openai, base: cuda, layers: [{name: a, gb: 1}]}]\n"), Contains("\"cuda\"") && Contains("no entry"));
    CHECK_THAT(refusal("  images: [{image: vllm/vllm-openai, base: vllm/vllm-openai, layers: [{name: a, gb: 1}]}]\n"), Contains("circle"));
    CHECK_THAT(refusal("  images: [{image: vllm/vllm-openai, layers: [{name: a, gb: 1}, {name: a, gb: 2}]}]\n"), Contains("one size"));
    CHECK_THAT(refusal("  images: [{image: vllm/vllm-openai, manifest: there.json}]\n"), Contains("there.json") && Contains("cannot be read"));
    CHECK_THAT(refusal("  images: [{image: vllm/vllm-openai, layers: [{name: a, gb: 1}]}]\n", "  cold_start: {image_gb: 9}\n"), Contains("image_gb"));
    CHECK_THAT(refusal("  image_pulls: {downloads: 9}\n"), Contains("downloads"));
}
