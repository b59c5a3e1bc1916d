// Operators besides KServe: what they make of their objects (fields of their documented custom resources, 2024 to
// 2026, from general knowledge).
#include <algorithm>

#include "scenarios/commands/command_line.hpp"
#include "scenarios/operators/derived_workloads.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

namespace windtunnel {
namespace {

Node container_of(const std::string& name, const std::string& image, const Node& at) {
    Node out = make_map(at);
    put(out, "name", make_text(name, at));
    if (!image.empty()) put(out, "image", make_text(image, at));
    return out;
}

std::string scalar_at(Decoder& map, const std::string& key) {
    const Node* node = map.take(key);
    return node ? scalar_text(*node) : "";
}

}  // namespace

void derive_vllm_runtime(Derivation& d) {
    Decoder object = d.decoder();
    Decoder spec = object.child("spec");
    Decoder model = spec.child("model");
    Decoder engine = spec.child("vllmConfig");
    Decoder deployment = spec.child("deploymentConfig");
    std::vector<std::string> words = {"vllm", "serve", spec.has("model") ? model.required_text("modelURL") : ""};
    if (!spec.has("model")) spec.missing("model", "modelURL, a model's Hugging Face id");
    const auto take = [&](Decoder& from, const char* key, const char* flag) {
        if (const std::string value = scalar_at(from, key); !value.empty() && value != "0") words.insert(words.end(), {flag, value});
    };
    const auto on = [&](Decoder& from, const char* key, const char* flag) {
        if (const auto value = from.boolean(key)) words.push_back(*value ? flag : "--no-" + std::string(flag).substr(2));
    };
    take(model, "maxModelLen", "--max-model-len");
    take(model, "dtype", "--dtype");
    take(model, "maxNumSeqs", "--max-num-seqs");
    const bool adapters = model.boolean("enableLoRA").value_or(false);
    if (adapters) words.push_back("--enable-lora");
    model.quiet({"enableTool", "toolCallParser", "chatTemplate"});
    model.finish();
    on(engine, "enableChunkedPrefill", "--enable-chunked-prefill");
    on(engine, "enablePrefixCaching", "--enable-prefix-caching");
    take(engine, "tensorParallelSize", "--tensor-parallel-size");
    take(engine, "pipelineParallelSize", "--pipeline-parallel-size");
    take(engine, "gpuMemoryUtilization", "--gpu-memory-utilization");
    take(engine, "port", "--port");
    if (adapters) take(engine, "maxLoras", "--max-loras");
    for (std::string& word : engine.texts("extraArgs")) words.push_back(std::move(word));
    const bool v1 = engine.boolean("v1").value_or(true);
    engine.quiet({"maxLoras", "env", "hostIPC"});
    const Node* env = engine.node().find("env");
    engine.finish();

    Decoder image = deployment.child("image");
    const std::string registry = image.text("registry").value_or(""), repository = image.text("name").value_or("");
    Node container = container_of("vllm", registry.empty() ? repository : registry + "/" + repository, d.root());
    image.quiet({"pullPolicy", "pullSecretName"});
    image.finish();
    put(container, "command", make_texts(words, model.node()));
    if (env) put(container, "env", *env);
    if (!v1) {
        Node variable = container_of("VLLM_USE_V1", "", d.root());
        put(variable, "value", make_text("0", d.root()));
        list_at(container, "env").children.push_back(std::move(variable));
    }
    Decoder resources = deployment.child("resources");
    ask_for(container, "cpu", scalar_at(resources, "cpu"));
    ask_for(container, "memory", scalar_at(resources, "memory"));
    ask_for(container, "nvidia.com/gpu", scalar_at(resources, "gpu"));
    resources.finish();
    const auto replicas = deployment.int32("replicas", 0);
    Node strategy = make_map(d.root());
    if (const auto type = deployment.text("deploymentStrategy")) put(strategy, "type", make_text(*type, d.root()));
    else if (deployment.text("deployStrategy")) put(strategy, "type", make_text(*deployment.text("deployStrategy"), d.root()));
    Node pod = make_map(d.root());
    for (const char* key : {"nodeSelector", "tolerations", "affinity"})
        if (const Node* given = deployment.take(key)) put(pod, key, *given);
    if (Decoder cache = spec.child("lmCacheConfig"); cache.boolean("enabled").value_or(false))
        cache.warn("enabled", "keeps KV blocks in host memory, which is not simulated: every prompt is computed where it arrives");
    if (const Node* sidecar = deployment.take("sidecarConfig")) (void)sidecar;
    deployment.finish();
    spec.quiet({"lmCacheConfig", "storageConfig", "hfTokenSecret", "hfTokenName", "pvcStorage"});
    spec.finish();
    list_at(pod, "containers").children.push_back(std::move(container));
    d.add_deployment(d.name(), std::move(pod), {{"app", d.name()}}, replicas, strategy.children.empty() ? nullptr : &strategy);
}

void derive_kubeai_model(Derivation& d) {
    Decoder object = d.decoder();
    Decoder spec = object.child("spec");
    const std::string url = spec.required_text("url");
    const std::string engine = spec.text("engine").value_or("VLLM");
    spec.quiet({"features", "owner", "files", "priorityClassName", "cacheProfile", "targetRequests", "scaleDownDelaySeconds", "env", "envFrom"});
    if (spec.take("loadBalancing")) spec.warn("loadBalancing", "is not read; the scenario's workload says routing");
    if (engine != "VLLM") return spec.error("engine", "found " + engine + ", whose engine is not simulated, allowed: VLLM");
    const std::int64_t least = spec.int32("minReplicas", 0).value_or(0);
    const auto most = spec.int32("maxReplicas", 0);
    const auto replicas = spec.int32("replicas", 0);
    const bool fixed = spec.boolean("autoscalingDisabled").value_or(false);
    if (!fixed && (!most || *most != least))
        spec.error(most ? "maxReplicas" : "minReplicas", "found " + d.title() + " scaled by KubeAI (the mean of active requests over ten minutes, for each targetRequests a replica), which is not simulated, allowed: autoscalingDisabled: true, minReplicas equal to maxReplicas, or a Deployment with a ScaledObject");
    const std::string profile = spec.required_text("resourceProfile");
    const std::size_t colon = profile.rfind(':');
    const auto count = to_integer(colon == std::string::npos ? "1" : profile.substr(colon + 1));
    if (!count || *count < 1) spec.error("resourceProfile", "found \"" + profile + "\", allowed: NAME:COUNT");
    Node container = container_of("server", spec.text("image").value_or("vllm/vllm-openai"), d.root());
    std::vector<std::string> words = {"vllm", "serve", model_of_uri(url), "--served-model-name", d.name(), "--port", "8000"};
    if (spec.take("adapters")) words.push_back("--enable-lora");
    for (std::string& word : spec.texts("args")) words.push_back(std::move(word));
    put(container, "command", make_texts(words, spec.node()));
    Node list = make_list(d.root());
    if (const Node* env = spec.node().find("env"))
        for (const Node& member : env->children) {
            Node variable = container_of(member.key, "", member);
            put(variable, "value", make_text(scalar_text(member), member));
            list.children.push_back(std::move(variable));
        }
    if (!list.children.empty()) put(container, "env", std::move(list));
    if (!profile.starts_with("cpu")) {
        ask_for(container, "nvidia.com/gpu", std::to_string(count.value_or(1)));
        spec.warn("resourceProfile", "is a name of the chart's values: " + profile + " is taken as that many GPUs, without CPU, memory or node selector");
    }
    spec.finish();
    Node pod = make_map(d.root());
    list_at(pod, "containers").children.push_back(std::move(container));
    d.add_deployment("model-" + d.name(), std::move(pod), {{"app.kubernetes.io/name", "vllm"}, {"model", d.name()}}, fixed ? replicas.value_or(1) : least);
}

void derive_nim_service(Derivation& d) {
    Decoder object = d.decoder();
    Decoder spec = object.child("spec");
    Decoder image = spec.child("image");
    const std::string tag = image.text("tag").value_or("");
    Node container = container_of(d.name() + "-ctr", (spec.has("image") ? image.required_text("repository") : "") + (tag.empty() ? "" : ":" + tag), d.root());
    image.quiet({"pullPolicy", "pullSecrets"});
    image.finish();
    if (!spec.has("image")) spec.missing("image", "repository and tag");
    for (const char* key : {"args", "command", "env", "resources", "startupProbe", "readinessProbe", "livenessProbe"})
        if (const Node* given = spec.take(key)) {
            // Its probes are maps of enabled and probe.
            const Node* probe = given->is_map() && (given->find("probe") || given->find("enabled")) ? given->find("probe") : given;
            if (probe) put(container, key, *probe);
        }
    default_model_probes(container, 120);
    Node pod = make_map(d.root());
    for (const char* key : {"nodeSelector", "tolerations", "affinity", "podAffinity", "runtimeClassName", "schedulerName"})
        if (const Node* given = spec.take(key)) put(pod, key, *given);
    const auto replicas = spec.int32("replicas", 0);
    spec.unsupported({"multiNode"}, "a server over several pods; write the LeaderWorkerSet");
    spec.unsupported({"draResources"}, "dynamic resource allocation; use resources.limits nvidia.com/gpu");
    Decoder scale = spec.child("scale");
    const bool scaled = scale.boolean("enabled").value_or(false);
    Decoder hpa = scale.child("hpa");
    spec.quiet({"authSecret", "storage", "expose", "metrics", "groupID", "userID", "labels", "annotations", "router", "proxy", "inferencePlatform"});
    spec.finish();
    list_at(pod, "containers").children.push_back(std::move(container));
    d.add_deployment(d.name(), std::move(pod), {{"app", d.name()}, {"app.kubernetes.io/name", d.name()}}, scaled ? std::nullopt : std::optional<std::int64_t>(replicas.value_or(1)));
    if (!scaled) return;
    if (!hpa.has("maxReplicas")) hpa.missing("maxReplicas", "at least minReplicas");
    const Node* metrics = hpa.node().find("metrics");
    d.add_autoscaler(d.name(), hpa.int32("minReplicas", 1).value_or(1), hpa.int32("maxReplicas", 1).value_or(1), metrics ? *metrics : make_list(d.root()), hpa.node().find("behavior"));
}

void derive_pod_autoscaler(Derivation& d) {
    Decoder object = d.decoder();
    Decoder spec = object.child("spec");
    const std::string strategy = spec.required_text("scalingStrategy");
    if (strategy != "HPA")
        return spec.error("scalingStrategy", "found " + strategy + ", AIBrix' own autoscaler, which is not simulated, allowed: HPA, or a ScaledObject of KEDA");
    Decoder target = spec.child("scaleTargetRef");
    const std::string name = target.required_text("name");
    if (target.text("kind").value_or("Deployment") != "Deployment") target.error("kind", "found " + *target.text("kind") + ", allowed: Deployment");
    target.quiet({"apiVersion"});
    target.finish();
    Node metrics = make_list(d.root());
    for (Decoder& source : spec.children("metricsSources")) {
        const std::string metric = source.required_text("targetMetric"), value = scalar_at(source, "targetValue");
        if (metric == "cpu" || metric == "memory") {
            metrics.children.push_back(utilization_metric(metric, to_integer(value).value_or(80), source.node()));
            continue;
        }
        Node out = make_map(source.node());
        put(out, "type", make_text("Pods", source.node()));
        Node& pods = map_at(out, "pods");
        put(map_at(pods, "metric"), "name", make_text(metric, source.node()));
        Node& aim = map_at(pods, "target");
        put(aim, "type", make_text("AverageValue", source.node()));
        put(aim, "averageValue", make_text(value, source.node()));
        metrics.children.push_back(std::move(out));
    }
    const auto least = spec.int32("minReplicas", 0).value_or(1), most = spec.int32("maxReplicas", 1).value_or(1);
    if (!spec.has("maxReplicas")) spec.missing("maxReplicas", "at least minReplicas");
    spec.finish();
    d.add_autoscaler(name, least, most, std::move(metrics));
}

}  // namespace windtunnel
