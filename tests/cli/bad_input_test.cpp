// What a person sees who gets something wrong: every row spoils one thing of a scenario that works.
#include "tests/support/program_run.hpp"

#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#ifdef WINDTUNNEL_PROGRAM

using namespace windtunnel::program;

namespace {

constexpr const char* scenario = R"(apiVersion: windtunnel/v1
kind: Scenario
name: base
manifests: [k8s/]
workload:
  synthetic:
    preset: azure-conv-2023
    rate_rps: 2
    duration_s: 30
  target: Deployment/chat
cluster:
  cloud: aws
  region: us-east-1
  pools:
    - name: l4
      instance_type: g6.xlarge
      min: 1
      max: 4
thresholds:
  - p99 ttft_ms < 2000
trials: 1
)";

constexpr const char* deployment = R"(apiVersion: apps/v1
kind: Deployment
metadata:
  name: chat
  labels: {app: chat}
spec:
  selector:
    matchLabels: {app: chat}
  template:
    metadata:
      labels: {app: chat}
    spec:
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.10.2
          args:
            - --model=meta-llama/Llama-3.1-8B-Instruct
            - --max-model-len=8192
          ports: [{name: http, containerPort: 8000}]
          resources:
            requests: {cpu: "3", memory: 10Gi}
            limits: {nvidia.com/gpu: 1}
          readinessProbe:
            httpGet: {path: /health, port: http}
---
apiVersion: v1
kind: Service
metadata: {name: chat}
spec:
  selector: {app: chat}
)";

constexpr const char* scaled_object = R"(apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: chat}
spec:
  scaleTargetRef: {name: chat}
  minReplicaCount: 1
  maxReplicaCount: 4
  triggers:
    - type: prometheus
      metadata:
        serverAddress: http://prometheus:9090
        query: sum(vllm:num_requests_waiting)
        threshold: "5"
)";

constexpr const char* hpa = R"(apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: second}
spec:
  scaleTargetRef: {kind: Deployment, name: chat}
  maxReplicas: 4
)";

void write_base(const Folder& f) {
    f.write("scenario.yaml", scenario);
    f.write("k8s/chat.yaml", deployment);
    f.write("k8s/keda.yaml", scaled_object);
}

using Spoil = std::function<void(const Folder&)>;
using Words = std::vector<std::string>;

struct Row {
    std::string name;
    Spoil spoil;
    Words says;                   ///< what standard error must hold, besides "allowed" or a suggestion
    std::string arguments = "";   ///< besides the scenario
};

Spoil replace(std::string file, std::string from, std::string to) {
    return [=](const Folder& f) { f.replace(file, from, to); };
}
Spoil in_scenario(std::string from, std::string to) { return replace("scenario.yaml", std::move(from), std::move(to)); }
Spoil in_chat(std::string from, std::string to) { return replace("k8s/chat.yaml", std::move(from), std::move(to)); }
Spoil in_keda(std::string from, std::string to) { return replace("k8s/keda.yaml", std::move(from), std::move(to)); }
Spoil with_file(std::string name, std::string text) {
    return [=](const Folder& f) { f.write(name, text); };
}
void nothing(const Folder&) {}

std::string noise() {
    std::string bytes = "\x7f\x45LF\x01\x02";
    for (int i = 0; i < 500; ++i) bytes += static_cast<char>(i * 37 % 251);
    return bytes;
}

/// Nine anchors, each nine times the one before it: 9^9 values.
std::string alias_bomb() {
    std::string text = "a: &a [x,x,x,x,x,x,x,x,x]\n";
    for (char c = 'b'; c < 'j'; ++c) {
        const std::string name(1, c), before(1, static_cast<char>(c - 1));
        text += name + ": &" + name + " [";
        for (int i = 0; i < 9; ++i) text += (i ? ",*" : "*") + before;
        text += "]\n";
    }
    return text;
}

const std::string header = "arrival_s,prompt_tokens,output_tokens\n";

/// A gzip file cut off after its header and a few bytes of data: `printf 'arrival_s...' | gzip | head -c 24`.
std::string cut_gzip() {
    return std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x2c\x2a\xca\x2c\x4b\xcc\x89\x2f\xd6\x29\x28\xca\xcf", 24);
}

void check_refused(const Row& row) {
    const Folder f;
    write_base(f);
    row.spoil(f);
    const Ended e = windtunnel_in(f.path(), "run scenario.yaml -q -o json --out results.json " + row.arguments);
    INFO(row.name << "\n" << e.error << e.out);
    CHECK(e.code == 2);
    CHECK(e.out.empty());
    for (const std::string& part : row.says) {
        INFO("missing: " << part);
        CHECK(has(e.error, part));
    }
    CHECK((has(e.error, "allowed") || has(e.error, "did you mean") || has(e.error, "the longest that fits")));
    CHECK_FALSE(has(e.error, "mistake of windtunnel"));
    for (const auto& entry : std::filesystem::directory_iterator(f.path())) CHECK(entry.path().filename().string().find("results.json") == std::string::npos);
    if (!row.arguments.empty()) return;  // a run's alone
    const Ended valid = windtunnel_in(f.path(), "validate scenario.yaml");
    INFO("validate:\n" << valid.out << valid.error);
    CHECK(valid.code == 2);
    for (const std::string& part : row.says) CHECK(has(valid.out + valid.error, part));
}

void check_refused(const std::vector<Row>& rows) {
    for (const Row& row : rows) check_refused(row);
}

/// The run's warnings, as one text; the run must answer.
std::string warnings_of(const Spoil& spoil, const std::string& arguments = "") {
    const Folder f;
    write_base(f);
    spoil(f);
    const Ended e = windtunnel_in(f.path(), "run scenario.yaml -q -o json " + arguments);
    INFO(e.error);
    REQUIRE(e.code == 0);
    return nlohmann::json::parse(e.out)["warnings"].dump();
}

}  // namespace

TEST_CASE("bad input: the scenario that the rows spoil answers, as do its copies from Windows") {
    const auto rewrite = [](const Folder& f, const std::function<std::string(const std::string&)>& change) {
        for (const char* name : {"scenario.yaml", "k8s/chat.yaml", "k8s/keda.yaml"}) f.write(name, change(f.read(name)));
    };
    (void)warnings_of(nothing);
    (void)warnings_of([&](const Folder& f) { rewrite(f, [](const std::string& text) { return "\xEF\xBB\xBF" + text; }); });
    (void)warnings_of([&](const Folder& f) {
        rewrite(f, [](const std::string& text) {
            std::string out;
            for (const char c : text) out += c == '\n' ? "\r\n" : std::string(1, c);
            return out;
        });
    });
}

TEST_CASE("bad input: scenario files") {
    check_refused({
        {"unknown key", in_scenario("trials: 1", "trails: 1"), {"scenario.yaml:21", "trails", "trials"}},
        {"others' word for prompts", in_scenario("rate_rps: 2", "rate_rps: 2\n    input_tokens: 500"), {"scenario.yaml:9", "input_tokens", "prompt_tokens"}},
        {"wrong type", in_scenario("rate_rps: 2", "rate_rps: fast"), {"scenario.yaml:8:15", "workload.synthetic.rate_rps", "\"fast\""}},
        {"negative rate", in_scenario("rate_rps: 2", "rate_rps: -2"), {"scenario.yaml:8:15", "workload.synthetic.rate_rps", "-2"}},
        {"NaN", in_scenario("rate_rps: 2", "rate_rps: .nan"), {"scenario.yaml:8:15: workload.synthetic.rate_rps", ".nan"}},
        {"infinite", in_scenario("rate_rps: 2", "rate_rps: .inf"), {"scenario.yaml:8:15: workload.synthetic.rate_rps", ".inf"}},
        {"NaN in a list", in_scenario("      min: 1", "      min: .nan"), {"scenario.yaml:17:12: cluster.pools[0].min", ".nan"}},
        {"huge number", in_scenario("trials: 1", "trials: 99999999999999999999999"), {"scenario.yaml:21:9", "trials"}},
        {"too many requests", in_scenario("rate_rps: 2", "rate_rps: 1000000"), {"scenario.yaml", "requests", "4294967295"}, "--set workload.synthetic.duration_s=86400"},
        {"duplicate key", in_scenario("trials: 1", "trials: 1\ntrials: 2"), {"scenario.yaml:22:1: trials", "a second time", "line 21"}},
        {"binary file", with_file("scenario.yaml", noise()), {"scenario.yaml:1:1"}},
        {"empty file", with_file("scenario.yaml", ""), {"scenario.yaml", "no document"}},
        {"a list", with_file("scenario.yaml", "- 1\n- 2\n"), {"scenario.yaml:1"}},
        {"another kind", in_scenario("kind: Scenario", "kind: Scenery"), {"scenario.yaml:2", "Scenery"}},
        {"unclosed quote", in_scenario("name: base", "name: \"base"), {"scenario.yaml:"}},
        {"tabs", in_scenario("    rate_rps: 2", "\trate_rps: 2"), {"scenario.yaml:8", "tab"}},
        {"no manifest folder", [](const Folder& f) { std::filesystem::remove_all(f.path() / "k8s"); }, {"k8s", "no such file or folder"}},
        {"manifest folder without manifests", [](const Folder& f) { std::filesystem::remove_all(f.path() / "k8s"); f.write("k8s/notes.txt", "x"); }, {"k8s", "no document"}},
        {"threshold without operator", in_scenario("p99 ttft_ms < 2000", "p99 ttft_ms 2000"), {"scenario.yaml:20:5: thresholds[0]", "p99 ttft_ms 2000"}},
        {"threshold with two operators", in_scenario("p99 ttft_ms < 2000", "p99 ttft_ms << 2000"), {"scenario.yaml:20:5: thresholds[0]", "<<"}},
        {"threshold on no percentile", in_scenario("p99 ttft_ms < 2000", "p101 ttft_ms < 2000"), {"scenario.yaml:20:5: thresholds[0]", "p101"}},
        {"threshold on no metric", in_scenario("p99 ttft_ms < 2000", "p99 latency < 2000"), {"scenario.yaml:20:5: thresholds[0]", "latency"}},
        {"unknown target", in_scenario("target: Deployment/chat", "target: Deployment/chut"), {"scenario.yaml:6", "workload.target", "Deployment/chat"}},
        {"unknown preset", in_scenario("preset: azure-conv-2023", "preset: azure-conv-2032"), {"scenario.yaml:7", "azure-conv-2023"}},
    });
}

TEST_CASE("bad input: nodes and prices") {
    check_refused({
        {"unknown instance type", in_scenario("g6.xlarge", "g6.xlrge"), {"scenario.yaml:15:7: cluster.pools[0].instance_type", "g6.xlrge", "'g6.xlarge'"}},
        {"region without a price", in_scenario("us-east-1", "af-south-1"), {"scenario.yaml:15:7", "no on-demand price", "af-south-1", "'us-west-2'"}},
        {"unknown GPU", in_scenario("instance_type: g6.xlarge", "instance_type: own\n      gpu: l5-24gb\n      gpus_per_node: 1\n      cpu: 8\n      memory: 32Gi\n      price_usd_per_hour: 1"), {"scenario.yaml:15:7: cluster.pools[0].gpu", "l5-24gb", "l4-24gb"}},
        {"no price", in_scenario("instance_type: g6.xlarge", "instance_type: own\n      gpu: l4-24gb\n      gpus_per_node: 1\n      cpu: 8\n      memory: 32Gi"), {"scenario.yaml:15:7", "own"}},
        {"min above max", in_scenario("min: 1", "min: 9"), {"scenario.yaml:1", "cluster.pools[0].min", "max"}},
        {"unknown cloud", in_scenario("cloud: aws", "cloud: awz"), {"scenario.yaml:12", "cluster.cloud", "aws"}},
        {"no pools", [](const Folder& f) { f.write("scenario.yaml", f.read("scenario.yaml").substr(0, f.read("scenario.yaml").find("  pools:"))); }, {"cluster.pools"}},
    });
    // One mistake, one error: what follows from it is not said.
    const Folder f;
    write_base(f);
    f.replace("scenario.yaml", "g6.xlarge", "g6.xlrge");
    CHECK_FALSE(has(windtunnel_in(f.path(), "run scenario.yaml").error, "errors"));
    f.write("scenario.yaml", scenario);
    f.replace("scenario.yaml", "us-east-1", "af-south-1");
    CHECK_FALSE(has(windtunnel_in(f.path(), "run scenario.yaml").error, "errors"));
}

TEST_CASE("bad input: manifests as files") {
    const std::string tabbed = "metadata:\n\tname: chat";
    check_refused({
        {"binary file", with_file("k8s/program.yaml", noise()), {"k8s/program.yaml:1:1"}},
        {"alias bomb", with_file("k8s/bomb.yaml", alias_bomb()), {"k8s/bomb.yaml:", "aliases are expanded"}},
        {"tabs", in_chat("metadata:\n  name: chat", tabbed), {"k8s/chat.yaml:4", "tab"}},
        {"unclosed quote", in_chat("image: vllm/vllm-openai:v0.10.2", "image: \"vllm/vllm-openai:v0.10.2"), {"k8s/chat.yaml:"}},
        {"duplicate key", in_chat("          ports:", "          name: again\n          ports:"), {"k8s/chat.yaml:19:11: name", "a second time"}},
        {"helm value", in_chat("v0.10.2", "{{ .Values.tag }}"), {"k8s/chat.yaml:15:18", "{{ .Values.tag }}", "helm template"}},
        {"helm block", in_chat("kind: Service", "{{- if .Values.service }}\nkind: Service"), {"k8s/chat.yaml:", "helm template"}},
        {"no Kubernetes object", with_file("k8s/values.yaml", "replicas: 3\n"), {"k8s/values.yaml:1", "apiVersion", "helm template"}},
        {"values of a chart", with_file("k8s/prod.yaml", "servingEngineSpec: {modelSpec: []}\n"), {"k8s/prod.yaml:1", "helm template NAME CHART -f prod.yaml"}},
        {"kustomization", with_file("k8s/kustomization.yaml", "resources: [chat.yaml]\nnamePrefix: prod-\n"), {"k8s/kustomization.yaml:2", "kustomize build k8s"}},
        {"Docker Compose", with_file("k8s/compose.yaml", "services: {vllm: {image: x}}\n"), {"k8s/compose.yaml:1", "Docker Compose"}},
        {"Prometheus' own configuration", with_file("k8s/prometheus.yml", "scrape_configs: []\n"), {"k8s/prometheus.yml:1", "scrape_interval_s"}},
        {"rule of nothing", with_file("k8s/rules.yaml", "groups: [{name: a, rules: [{record: x}]}]\n"), {"k8s/rules.yaml:1", "groups[0].rules[0].expr", "PromQL"}},
        {"ScaledJob without triggers", with_file("k8s/j.yaml", "apiVersion: keda.sh/v1alpha1\nkind: ScaledJob\nmetadata: {name: j}\nspec: {jobTargetRef: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}}\n"), {"k8s/j.yaml:4", "spec.triggers", "missing"}},
        {"unknown kind", with_file("k8s/x.yaml", "apiVersion: v1\nkind: Sevice\nmetadata: {name: x}\n"), {"k8s/x.yaml:2:7: kind", "Sevice", "Service"}},
        {"old API version", in_chat("apps/v1", "extensions/v1beta1"), {"k8s/chat.yaml:1:13: apiVersion", "apps/v1"}},
        {"the same object twice", [](const Folder& f) { f.write("k8s/copy.yaml", scaled_object); }, {"k8s/keda.yaml", "k8s/copy.yaml:1", "a second time"}},
    });
    // A template that was not rendered is said once, not again by every object that names it.
    const Folder f;
    write_base(f);
    f.replace("k8s/chat.yaml", "v0.10.2", "{{ .Values.tag }}");
    CHECK_FALSE(has(windtunnel_in(f.path(), "run scenario.yaml").error, "errors"));
}

TEST_CASE("bad input: fields of manifests") {
    check_refused({
        {"unknown field", in_chat("  selector:\n    matchLabels", "  replics: 2\n  selector:\n    matchLabels"), {"k8s/chat.yaml:7:12: spec.replics", "replicas"}},
        {"100mi", in_chat("memory: 10Gi", "memory: 100mi"), {"k8s/chat.yaml:21", "resources.requests.memory", "100mi", "100Mi"}},
        {"request above limit", in_chat("limits: {", "limits: {memory: 9Gi, "), {"k8s/chat.yaml:2", "memory"}},
        {"selector against template", in_chat("matchLabels: {app: chat}", "matchLabels: {app: chut}"), {"k8s/chat.yaml:8:5: spec.selector"}},
        {"service that selects nothing", in_chat("  selector: {app: chat}", "  selector: {app: chut}"), {"k8s/chat.yaml:30:13: spec.selector", "{app: chut}"}},
        {"autoscaler of nothing", in_keda("scaleTargetRef: {name: chat}", "scaleTargetRef: {name: chut}"), {"k8s/keda.yaml:5:19: spec.scaleTargetRef", "Deployment/chat"}},
        {"autoscaler without target", in_keda("  scaleTargetRef: {name: chat}\n", ""), {"k8s/keda.yaml:5:3: spec.scaleTargetRef", "missing"}},
        {"a target in two namespaces", [](const Folder& f) { f.write("k8s/other.yaml", deployment); f.replace("k8s/other.yaml", "name: chat", "name: chat\n  namespace: other"); f.replace("k8s/other.yaml", "metadata: {name: chat}", "metadata: {name: chat, namespace: other}"); }, {"workload.target", "several namespaces"}},
        {"a metric of another system", [](const Folder& f) {
             f.write("k8s/keda.yaml", std::string(hpa) + "  metrics: [{type: External, external: {metric: {name: pubsub.googleapis.com|subscription|num_undelivered_messages, selector: {matchLabels: {resource.labels.subscription_id: s}}}, "
                                                         "target: {type: AverageValue, averageValue: 2}}}]\n");
         }, {"k8s/keda.yaml:7", "is served by a system that is not simulated", "metrics: {\"pubsub.googleapis.com|subscription|num_undelivered_messages\": EXPRESSION}"}},
        {"two autoscalers", with_file("k8s/hpa.yaml", hpa), {"HorizontalPodAutoscaler/second", "k8s/hpa.yaml:1", "one autoscaler"}},
        {"more replicas than can be", in_keda("maxReplicaCount: 4", "maxReplicaCount: 2147483647"), {"k8s/keda.yaml:1:1", "ScaledObject/chat", "2147483647", "10000"}},
        {"min above max", in_keda("minReplicaCount: 1", "minReplicaCount: 9"), {"k8s/keda.yaml:6:20: spec.minReplicaCount", "9", "maxReplicaCount 4"}},
        {"unparsable PromQL", in_keda("sum(vllm:num_requests_waiting)", "sum(vllm:num_requests_waiting) + + by)"), {"k8s/keda.yaml:12:16", "spec.triggers[0].metadata.query", "query column 38", "')'"}},
        {"PromQL without end", in_keda("sum(vllm:num_requests_waiting)", "sum(rate(vllm:num_requests_waiting[5m])"), {"k8s/keda.yaml:12:16", "query column"}},
        {"threshold in words", in_keda("\"5\"", "\"five\""), {"k8s/keda.yaml:13", "metadata.threshold", "five"}},
        {"unknown trigger", in_keda("type: prometheus", "type: prometeus"), {"k8s/keda.yaml:9", "prometheus"}},
        {"port name that is not there", in_chat("port: http", "port: web"), {"k8s/chat.yaml:2", "web"}},
        {"no model", in_chat("            - --model=meta-llama/Llama-3.1-8B-Instruct\n", ""), {"k8s/chat.yaml:17", "Deployment/chat names no model", "windtunnel.dev/model", "workload.server.model"}},
        {"flag and value in one word", in_chat("--max-model-len=8192", "--max-model-len 8192"), {"k8s/chat.yaml:18", "in one word", "--max-model-len=8192"}},
        {"unknown quantization", in_chat("--max-model-len=8192", "--quantization=awk"), {"k8s/chat.yaml:18", "awk", "awq"}},
        {"GPU resource misspelt", in_chat("nvidia.com/gpu: 1", "nvidia.com/gpus: 1"), {"k8s/chat.yaml:22", "nvidia.com/gpu?"}},
        {"object without a name", in_chat("  name: chat\n  labels", "  labels"), {"k8s/chat.yaml:4:3: metadata.name", "missing"}},
        {"name that is none", in_chat("  name: chat\n  labels", "  name: ${NAME}\n  labels"), {"k8s/chat.yaml:4:9: metadata.name", "envsubst"}},
        {"variable left in a count", in_chat("  selector:\n    matchLabels", "  replicas: ${N}\n  selector:\n    matchLabels"), {"k8s/chat.yaml:7:13: spec.replicas", "envsubst"}},
        {"Knative's autoscaler", with_file("k8s/s.yaml", "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: s, annotations: {serving.kserve.io/deploymentMode: Serverless}}\nspec: {predictor: {maxReplicas: 3, model: {modelFormat: {name: huggingface}, args: [--model_id=Qwen/Qwen3-8B], resources: {limits: {nvidia.com/gpu: 1}}}}}\n"), {"k8s/s.yaml:4", "spec.predictor.maxReplicas", "Knative", "RawDeployment"}},
        {"runtime that is not there", with_file("k8s/s.yaml", "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: s}\nspec: {predictor: {model: {modelFormat: {name: vLLM}, runtime: own}}}\n"), {"k8s/s.yaml:4", "spec.predictor.model.runtime", "own", "ServingRuntime"}},
        {"unknown vLLM flag", in_chat("--max-model-len", "--max-modle-len"), {"k8s/chat.yaml:18", "--max-modle-len", "max-model-len"}},
        {"unknown model", in_chat("Llama-3.1-8B", "Lama-3.1-8B"), {"k8s/chat.yaml:17", "meta-llama/Llama-3.1-8B-Instruct"}},
        {"model that does not fit", in_chat("Llama-3.1-8B", "Llama-3.1-70B"), {"k8s/chat.yaml:17", "does not fit", "l4-24gb", "weights 131."}},
        {"context that does not fit", in_chat("--max-model-len=8192", "--max-model-len=131072"), {"k8s/chat.yaml:17", "one request of 131072 tokens", "the longest that fits"}},
        {"tensor parallel beyond the GPUs", in_chat("--max-model-len=8192", "--tensor-parallel-size=2"), {"k8s/chat.yaml:17", "found tensor x pipeline x data parallel = 2 on 1 GPUs"}},
        {"pod that fits no pool", in_chat("cpu: \"3\"", "cpu: \"30\""), {"Deployment/chat", "k8s/chat.yaml:1:1", "l4: a node has 3920 m of CPU to give"}},
        {"pod that tolerates no pool", in_scenario("      max: 4", "      max: 4\n      taints: [{key: gpu, value: l4, effect: NoSchedule}]"), {"l4: it does not tolerate the nodes' taint gpu=l4"}},
        {"pod that selects no pool", in_chat("      containers:", "      nodeSelector: {nvidia.com/gpu.product: NVIDIA-L5}\n      containers:"), {"l4: its nodeSelector asks for nvidia.com/gpu.product: NVIDIA-L5, the nodes have NVIDIA-L4"}},
    });
}

TEST_CASE("bad input: traces") {
    const auto trace = [](std::string text) { return with_file("t.csv", std::move(text)); };
    const std::string use = "-t t.csv";
    check_refused({
        {"no such file", nothing, {"t.csv", "no such file"}, use},
        {"a folder", nothing, {"k8s", "a folder"}, "-t k8s"},
        {"empty", trace(""), {"t.csv", "empty"}, use},
        {"a header alone", trace(header), {"t.csv", "no rows"}, use},
        {"backward", trace(header + "1,10,10\n0.5,10,10\n"), {"t.csv:3", "row 2", "never go backward"}, use},
        {"negative tokens", trace(header + "1,-10,10\n"), {"t.csv:2: prompt_tokens", "-10"}, use},
        {"NaN tokens", trace(header + "1,nan,10\n"), {"t.csv:2: prompt_tokens", "nan"}, use},
        {"huge tokens", trace(header + "1,1,99999999999999999999\n"), {"t.csv:2: output_tokens"}, use},
        {"infinite time", trace(header + "inf,1,1\n"), {"t.csv:2: arrival", "inf"}, use},
        {"huge time", trace(header + "1e300,1,1\n"), {"t.csv:2: arrival", "1e300"}, use},
        {"wrong columns", trace("time,words\n1,2\n"), {"t.csv:1: prompt_tokens", "time, words"}, use},
        {"short row", trace(header + "1,2\n"), {"t.csv:2"}, use},
        {"unclosed quote", trace(header + "1,\"10,10\n"), {"t.csv:", "quote"}, use},
        {"binary", trace(noise()), {"t.csv", "binary"}, use},
        {"truncated gzip", with_file("t.csv.gz", cut_gzip()), {"t.csv.gz", "gzip data ends in the middle"}, "-t t.csv.gz"},
        {"broken JSON lines", trace("{\"timestamp\": 0, \"input_length\": 6, \"output_length\": 5, \"hash_ids\": [0]}\n{\"timestamp\": 0, \"inp"), {"t.csv:2"}, use},
        {"nothing within the duration", trace(header + "50,10,10\n60,10,10\n"), {"no request within the duration"}, use + " --duration 0.001 --set workload.trace=null"},
    });
}

TEST_CASE("bad input: flags") {
    check_refused({
        {"unknown flag", nothing, {"--frobnicate"}, "--frobnicate"},
        {"no trials", nothing, {"--trials", "found 0"}, "--trials 0"},
        {"negative trials", nothing, {"--trials", "'-1'"}, "--trials -1"},
        {"trials in words", nothing, {"--trials", "'many'"}, "--trials many"},
        {"no seed", nothing, {"--seed", "''"}, "--seed ''"},
        {"negative seed", nothing, {"--seed", "'-1'"}, "--seed -1"},
        {"huge seed", nothing, {"--seed", "99999999999999999999999"}, "--seed 99999999999999999999999"},
        {"negative threads", nothing, {"-j"}, "-j -1"},
        {"trials beyond the last", nothing, {"--first-trial"}, "--first-trial 4294967295 --trials 2"},
        {"no duration", nothing, {"--duration", "found 0"}, "--duration 0"},
        {"duration of nothing", nothing, {"--duration", "''"}, "--duration ''"},
        {"negative duration", nothing, {"--duration", "-5"}, "--duration -5"},
        {"NaN duration", nothing, {"--duration", "nan"}, "--duration nan"},
        {"duration with a unit", nothing, {"--duration", "'60s'"}, "--duration 60s"},
        {"duration before the first request", nothing, {"no request within the duration"}, "--duration 0.0000001"},
        {"unknown server", nothing, {"--server"}, "--server slow"},
        {"a set without a path", nothing, {"--set", "PATH=VALUE"}, "--set nothing"},
        {"a set without a value", nothing, {"--set", "trials=", "no value"}, "--set trials="},
        {"a set of an unknown key", nothing, {"workload.synthetic.rat_rps", "rate_rps"}, "--set workload.synthetic.rat_rps=5"},
        {"a set beyond a list", nothing, {"--set", "cluster.pools[3]", "the list has 1"}, "--set 'cluster.pools[3].max=4'"},
        {"a set of an unknown object", nothing, {"--set", "Deployment/chat"}, "--set Deployment/chut:spec.replicas=5"},
        {"a set of an unknown field", nothing, {"k8s/chat.yaml", "spec.replics", "replicas"}, "--set Deployment/chat:spec.replics=5"},
        {"an open bracket", nothing, {"--set", "workload["}, "--set 'workload[=4'"},
    });
    const Folder f;
    write_base(f);
    const Ended out = windtunnel_in(f.path(), "run scenario.yaml -o json --out nosuch/results.json");
    CHECK(out.code == 2);
    CHECK(has(out.error, "nosuch"));
    CHECK(windtunnel_in(f.path(), "run scenario.yaml -o json --out k8s").code == 2);
    CHECK(has(windtunnel_in(f.path(), "run scenario.yaml -o json --out ./scenario.yaml").error, "an input of this run"));
    CHECK(f.read("scenario.yaml") == scenario);
    CHECK(has(windtunnel_in(f.path(), "run scenario.yaml -f /dev/zero").error, "/dev/zero"));  // a file without end
    CHECK(windtunnel_in(f.path(), "run scenario.yaml -q -j 0 -o json --duration 5").code == 0);  // all cores
    CHECK(windtunnel_in(f.path(), "kv --model meta-llama/Llama-3.1-70B-Instruct --gpu l4-24gb").code == 1);
}

TEST_CASE("bad input: what is odd and still runs is warned of") {
    const std::string metric = warnings_of(in_keda("sum(vllm:num_requests_waiting)", "sum(vllm:num_request_waiting)"));
    CHECK(has(metric, "'vllm:num_request_waiting'"));
    CHECK(has(metric, "did you mean 'vllm:num_requests_waiting'"));
    CHECK(has(metric, "\"line\":12"));
    CHECK(has(warnings_of(in_keda("waiting)", "waiting{namespace=\"prod\"})")), "no series passes"));
    CHECK(has(warnings_of(in_chat("memory: 10Gi", "memory: 10")), "was Mi or Gi meant?"));
    const auto second = [](const Folder& f) {
        std::string text = deployment;
        for (std::size_t at = 0; (at = text.find("chat", at)) != std::string::npos; at += 5) text.replace(at, 4, "other");
        f.write("k8s/other.yaml", text);
    };
    CHECK(has(warnings_of(second), "Deployment/other uses GPUs and no workload sends requests to it"));
    const auto eksctl = with_file("k8s/cluster.yaml", "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: c, region: eu-west-1}\n"
                                                      "managedNodeGroups: [{name: more, instanceType: g6.xlarge, minSize: 1, maxSize: 2}]\n");
    CHECK(has(warnings_of(eksctl), "found the region eu-west-1"));
}

TEST_CASE("bad input: a target of no replicas is warned of unless something raises it") {
    const auto empty_with = [](const std::string& scaler) {
        return [scaler](const Folder& f) {
            f.replace("scenario.yaml", "  target: Deployment/chat\n", "  target: Deployment/chat\n  initial_replicas: 0\n  timeout_s: 20\n");
            f.write("k8s/keda.yaml", scaler);
        };
    };
    const std::string raises = std::string(scaled_object), none = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    CHECK(has(warnings_of(empty_with(none)), "starts with 0 replicas and nothing scales it"));
    CHECK(has(warnings_of(empty_with(hpa)), "HorizontalPodAutoscaler/second does not touch a target of 0 replicas"));
    CHECK_FALSE(has(warnings_of(empty_with(raises)), "starts with 0 replicas"));
    std::string paused = raises;
    paused.replace(paused.find("metadata: {name: chat}"), 22, "metadata: {name: chat, annotations: {autoscaling.keda.sh/paused-replicas: \"0\"}}");
    CHECK(has(warnings_of(empty_with(paused)), "ScaledObject/chat is paused at 0 replicas"));
    const auto scaled_later = [&](const Folder& f) {
        empty_with(none)(f);
        f.replace("scenario.yaml", "thresholds:\n", "events:\n  - {at_s: 5, scale: Deployment/chat, replicas: 1}\nthresholds:\n");
    };
    CHECK_FALSE(has(warnings_of(scaled_later), "starts with 0 replicas"));
    // A job that raises the bounds of an HPA raises no replica of a target of none; one that patches replicas does.
    const auto patched = [&](const std::string& what, const std::string& patch) {
        return [=](const Folder& f) {
            empty_with(hpa)(f);
            f.replace("scenario.yaml", "duration_s: 30", "duration_s: 90");
            f.write("k8s/job.yaml", "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: early}\nspec: {schedule: \"* * * * *\", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, "
                                    "containers: [{name: k, image: kubectl, command: [kubectl, patch, " + what + ", --patch, '" + patch + "']}]}}}}}\n");
        };
    };
    CHECK(has(warnings_of(patched("hpa, second", R"({"spec":{"minReplicas":2}})")), "starts with 0 replicas"));
    CHECK_FALSE(has(warnings_of(patched("deployment, chat", R"({"spec":{"replicas":2}})")), "starts with 0 replicas"));
    // A metric that no series is called has its value from the scenario, whatever its selector.
    CHECK_FALSE(has(warnings_of([](const Folder& f) {
                        f.write("k8s/keda.yaml", std::string(hpa) + "  metrics: [{type: External, external: {metric: {name: a|b, selector: {matchLabels: {c: d}}}, target: {type: AverageValue, averageValue: 2}}}]\n");
                        f.replace("scenario.yaml", "thresholds:\n", "metrics: {\"a|b\": sum(vllm:num_requests_waiting)}\nthresholds:\n");
                    }),
                    "a|b"));
    // So does `validate`, over the same time.
    const auto validated = [](const Spoil& spoil) {
        const Folder f;
        write_base(f);
        spoil(f);
        const Ended e = windtunnel_in(f.path(), "validate scenario.yaml");
        CHECK(e.code == 0);
        return e.out + e.error;
    };
    CHECK(has(validated(empty_with(none)), "warning: k8s/chat.yaml:1:1: Deployment/chat: starts with 0 replicas and nothing scales it"));
    CHECK_FALSE(has(validated(empty_with(raises)), "starts with 0 replicas"));
    CHECK_FALSE(has(validated(scaled_later), "starts with 0 replicas"));
    // A manifest that says 0 beside an HPA starts with none, whatever the HPA's minimum.
    const auto said = [&](const Folder& f) {
        f.write("k8s/keda.yaml", hpa);
        f.replace("k8s/chat.yaml", "  selector:\n    matchLabels:", "  replicas: 0\n  selector:\n    matchLabels:");
        f.replace("scenario.yaml", "  target: Deployment/chat\n", "  target: Deployment/chat\n  timeout_s: 20\n");
    };
    CHECK(has(validated(said), "HorizontalPodAutoscaler/second does not touch a target of 0 replicas"));
}

TEST_CASE("bad input: queries on alerts and on kube-state-metrics' pods select what is there") {
    const auto rules = [](const std::string& query, const std::string& keep) {
        return [query, keep](const Folder& f) {
            f.replace("k8s/keda.yaml", "sum(vllm:num_requests_waiting)", query);
            f.write("k8s/rules.yaml", "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: r}\nspec:\n  groups:\n  - name: g\n    labels: {team: llm}\n    rules:\n"
                                      "    - {alert: Busy, expr: 'sum(vllm:num_requests_running) > 0', for: 1m, labels: {severity: page}" + keep + "}\n");
        };
    };
    const std::string firing = "sum(ALERTS{alertname=\"Busy\", alertstate=\"firing\", team=\"llm\"}) or vector(0)";
    CHECK_FALSE(has(warnings_of(rules("'" + firing + "'", "")), "ALERTS"));
    CHECK(has(warnings_of(rules("'sum(ALERTS{alertname=\"Bussy\"}) or vector(0)'", "")), "found matchers on 'ALERTS' that no series passes"));
    CHECK_FALSE(has(warnings_of(rules("'sum(kube_pod_status_ready{job=\"kube-state-metrics\", condition=\"true\"})'", "")), "no series passes"));
}

TEST_CASE("bad input: an earlier result survives a run that is refused") {
    const Folder f;
    write_base(f);
    f.write("results.json", "earlier");
    f.replace("k8s/chat.yaml", "memory: 10Gi", "memory: 10gi");
    CHECK(windtunnel_in(f.path(), "run scenario.yaml -o json --out results.json").code == 2);
    CHECK(f.read("results.json") == "earlier");
}

#endif
