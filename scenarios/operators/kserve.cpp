// KServe: what its controller makes of an InferenceService and an LLMInferenceService (serving.kserve.io, v0.11 to
// v0.16, from general knowledge of pkg/controller and pkg/apis; default sizes are those of its shipped
// inferenceservice-config).
#include <algorithm>

#include "scenarios/commands/command_line.hpp"
#include "scenarios/operators/derived_workloads.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

namespace windtunnel {
namespace {

constexpr const char* container_name = "kserve-container";

/// Keys of a component that are KServe's own; all others belong to the pod's spec.
const std::vector<std::string> component_keys = {"model", "minReplicas", "maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType", "autoScaling",
                                                 "containerConcurrency", "timeout", "canaryTrafficPercent", "logger", "batcher", "labels", "annotations",
                                                 "deploymentStrategy", "workerSpec"};
/// The older way to say modelFormat: a key of the format's name.
const std::vector<std::string> framework_keys = {"huggingface", "triton", "pytorch", "tensorflow", "onnx", "sklearn", "xgboost", "lightgbm", "pmml", "paddle"};

/// Keys of `model` that are no container's.
const std::vector<std::string> model_keys = {"modelFormat", "runtime", "runtimeVersion", "storageUri", "storage", "protocolVersion"};

struct RuntimeFound {
    const Node* spec = nullptr;  ///< among the documents
    std::string name;            ///< "" = none is named and none supports the format
};

bool supports(const Node& spec, const std::string& format) {
    const Node* formats = spec.find("supportedModelFormats");
    return formats && std::any_of(formats->children.begin(), formats->children.end(), [&](const Node& f) {
        const Node* chosen = f.find("autoSelect");
        return f.text_at({"name"}) == format && chosen && chosen->boolean;
    });
}

/// The ServingRuntime of the namespace, then the ClusterServingRuntime, then a ServingRuntime where one of the two leaves
/// its namespace to `kubectl apply -n`: by name, or the first that supports the format.
RuntimeFound find_runtime(const Derivation& d, const std::string& name, const std::string& format) {
    const std::string own = d.root().text_at({"metadata", "namespace"});
    RuntimeFound beside;
    for (const char* kind : {"ServingRuntime", "ClusterServingRuntime"})
        for (const Document& document : d.given()) {
            const Node* spec = document.root.find("spec");
            if (document.root.text_at({"kind"}) != kind || !spec) continue;
            const std::string its = document.root.text_at({"metadata", "name"});
            const std::string there = document.root.text_at({"metadata", "namespace"});
            const Node* disabled = spec->find("disabled");
            if ((disabled && disabled->boolean) || !(name.empty() ? supports(*spec, format) : its == name)) continue;
            if (kind[0] == 'C' || there == own) return {spec, its};
            if (!beside.spec && (there.empty() || own.empty())) beside = {spec, its};
        }
    if (beside.spec) return beside;
    // What KServe's own chart brings along.
    if (name.empty() && format == "huggingface") return {nullptr, "kserve-huggingfaceserver"};
    return {nullptr, name};
}

/// cpu 1 and memory 2Gi for requests and limits that the service leaves out.
void default_resources(Node& container) {
    Node& resources = map_at(container, "resources");
    for (const auto& [name, amount] : {std::pair{"cpu", "1"}, std::pair{"memory", "2Gi"}}) {
        const auto given = [&](const char* key) {
            const Node* map = resources.find(key);
            return map && map->is_map() && map->find(name);
        };
        if (given("requests") || given("limits")) continue;
        put(map_at(resources, "requests"), name, make_text(amount, container));
        put(map_at(resources, "limits"), name, make_text(amount, container));
    }
}

bool has_word(const Node& container, const std::string& flag) {
    for (const char* key : {"command", "args"})
        if (const Node* words = container.find(key))
            for (const Node& word : words->children) {
                std::string text = word.text.substr(0, word.text.find('='));
                std::replace(text.begin(), text.end(), '_', '-');
                if (text == flag) return true;
            }
    return false;
}

/// The catalogue's name of what `model` serves goes to the pods as an annotation, unless a flag or an annotation names it.
void say_model(Derivation& d, const Decoder& model, const Node& container, const std::string& uri) {
    if (has_word(container, "--model-id") || !d.annotation("windtunnel.dev/model").empty() || uri.empty()) return;
    const std::string name = model_of_uri(uri);
    if (name.empty()) {
        d.findings().warnings.push_back({model.where("storageUri"), model.path_of("storageUri"), "found \"" + uri + "\", which names no model that is known; declare it with the annotation windtunnel.dev/model on " + d.title()});
        return;
    }
    if (!uri.starts_with("hf://"))
        d.findings().warnings.push_back({model.where("storageUri"), model.path_of("storageUri"), "found \"" + uri + "\", which is taken to hold " + name});
}

/// The predictor's pod: the runtime's, over which go the service's own fields and its model's container. `workers`: the
/// runtime's workerSpec, if it has one.
Node predictor_pod(Derivation& d, Decoder& predictor, std::string& model_name, Node& workers) {
    Node pod = make_map(predictor.node());
    Node own = predictor.node();
    own.key.clear();
    std::string model_key = "model";
    for (const std::string& key : framework_keys)
        if (predictor.has(key)) model_key = key;
    for (const std::string& key : component_keys) erase_key(own, key);
    for (const std::string& key : framework_keys) erase_key(own, key);
    if (!predictor.has(model_key)) {
        strategic_merge(pod, own);
        predictor.quiet({"containers"});
        if (!predictor.has("containers")) predictor.missing("model", "model, or containers");
        for (Node& c : list_at(pod, "containers").children)
            if (c.is_map() && !c.find("name")) put(c, "name", make_text(container_name, c));
        return pod;
    }
    Decoder model = predictor.child(model_key);
    const std::string format = model_key == "model" ? model.child("modelFormat").required_text("name") : model_key;
    const std::string wanted = model.text("runtime").value_or("");
    const RuntimeFound runtime = find_runtime(d, wanted, format);
    if (runtime.spec) {
        pod = *runtime.spec;
        pod.key.clear();
        if (const Node* given = pod.find("workerSpec")) workers = *given;
        for (const char* key : {"supportedModelFormats", "multiModel", "protocolVersions", "labels", "annotations", "disabled", "builtInAdapter", "grpcEndpoint",
                                "grpcDataEndpoint", "httpDataEndpoint", "storageHelper", "replicas", "workerSpec"})
            erase_key(pod, key);
    } else if (runtime.name.starts_with("kserve-huggingfaceserver")) {
        Node container = make_map(model.node());
        put(container, "name", make_text(container_name, model.node()));
        put(container, "image", make_text("kserve/huggingfaceserver", model.node()));
        put(container, "args", make_texts({"--model_name={{.Name}}"}, model.node()));
        list_at(pod, "containers").children.push_back(std::move(container));
    } else if (!wanted.empty()) {
        model.error("runtime", "found " + wanted + ", which no ServingRuntime or ClusterServingRuntime of the manifests is, allowed: its manifest beside the service's");
    } else {
        Node container = make_map(model.node());  // its image is the cluster's affair; it serves no language model
        put(container, "name", make_text(container_name, model.node()));
        list_at(pod, "containers").children.push_back(std::move(container));
    }
    strategic_merge(pod, own);
    Node given = model.node();
    given.key.clear();
    for (const std::string& key : model_keys) erase_key(given, key);
    default_resources(given);
    put(given, "name", make_text(container_name, model.node()));
    Node* container = find_container(pod, container_name);
    if (!container) container = &list_at(pod, "containers").children.emplace_back(make_map(model.node()));
    // Arguments add up: first the runtime's, then the service's.
    Node args = list_at(*container, "args");
    if (const Node* more = given.find("args"))
        for (const Node& word : more->children) args.children.push_back(word);
    erase_key(given, "args");
    strategic_merge(*container, given);
    put(*container, "args", std::move(args));
    if (const auto version = model.text("runtimeVersion"))
        if (Node* image = container->find("image")) image->text = image->text.substr(0, image->text.rfind(':')) + ":" + *version;
    std::string uri = model.text("storageUri").value_or("");
    if (const std::string stored = model.child("storage").text("path").value_or(""); uri.empty()) uri = stored;
    say_model(d, model, *container, uri);
    if (!has_word(*container, "--model-id")) model_name = model_of_uri(uri);
    return pod;
}

struct Bounds {
    std::int64_t least, most;
};

/// A metric of `autoScaling.metrics` as a trigger of KEDA.
Node keda_trigger(Decoder& metric) {
    const Node& at = metric.node();
    Node out = make_map(at), metadata = make_map(at);
    const std::string type = metric.required_text("type");
    const char* key = type == "Resource" ? "resource" : type == "PodMetric" ? "podmetric" : "external";
    Decoder source = metric.child(key);
    Decoder target = source.child("target");
    const std::string kind = target.text("type").value_or("");
    std::string value;
    for (const char* amount : {"value", "averageValue", "averageUtilization"})
        if (const Node* found = target.take(amount)) value = scalar_text(*found);
    target.finish();
    if (type == "Resource") {
        put(out, "type", make_text(source.text("name").value_or("cpu"), at));
        put(out, "metricType", make_text(kind.empty() ? "Utilization" : kind, at));
        put(metadata, "value", make_text(value, at));
    } else {
        Decoder measured = source.child("metric");
        const std::string backend = measured.text("backend").value_or("");
        if (type == "External" && backend != "prometheus") measured.error("backend", "found \"" + backend + "\", allowed: prometheus");
        put(out, "type", make_text("prometheus", at));
        if (kind == "Value" || kind == "AverageValue") put(out, "metricType", make_text(kind, at));
        // KEDA's OpenTelemetry add-on keeps the same gauges by their names.
        std::string query = measured.text("query").value_or("");
        for (const std::string& name : measured.texts("metricNames"))
            if (query.empty()) query = name;
        put(metadata, "serverAddress", make_text(measured.text("serverAddress").value_or("http://collector"), at));
        put(metadata, "query", make_text(query, at));
        put(metadata, "threshold", make_text(value, at));
        if (type == "PodMetric") metric.warn("", "reads pod metrics through OpenTelemetry; it is simulated as a Prometheus query at the scrape interval");
        measured.quiet({"operationOverTime", "namespace", "authenticationRef"});
        measured.finish();
    }
    source.quiet({"authenticationRef"});
    source.finish();
    metric.finish();
    put(out, "metadata", std::move(metadata));
    return out;
}

void add_scaled_object(Derivation& d, Decoder& component, const std::string& deployment, Bounds bounds, const std::string& metric, std::int64_t target) {
    Node out = d.object("keda.sh/v1alpha1", "ScaledObject", deployment);
    Node spec = make_map(d.root());
    put(map_at(spec, "scaleTargetRef"), "name", make_text(deployment, d.root()));
    put(spec, "minReplicaCount", make_integer(bounds.least, d.root()));
    put(spec, "maxReplicaCount", make_integer(bounds.most, d.root()));
    Node& triggers = list_at(spec, "triggers");
    Decoder scaling = component.child("autoScaling");
    for (Decoder& item : scaling.children("metrics")) triggers.children.push_back(keda_trigger(item));
    const Node* behavior = scaling.take("behavior");
    scaling.finish();
    if (triggers.children.empty()) {
        Node trigger = make_map(d.root());
        put(trigger, "type", make_text(metric, d.root()));
        put(trigger, "metricType", make_text("Utilization", d.root()));
        put(map_at(trigger, "metadata"), "value", make_text(std::to_string(target), d.root()));
        triggers.children.push_back(std::move(trigger));
    }
    if (behavior && behavior->is_map()) put(map_at(map_at(spec, "advanced"), "horizontalPodAutoscalerConfig"), "behavior", *behavior);
    put(out, "spec", std::move(spec));
    d.add(std::move(out));
}

/// The Deployment mode that holds: the annotation's, else that of inferenceservice-config among the documents.
std::string deployment_mode(const Derivation& d) {
    const std::string own = d.annotation("serving.kserve.io/deploymentMode");
    if (!own.empty()) return own;
    for (const Document& document : d.given()) {
        if (document.root.text_at({"kind"}) != "ConfigMap" || document.root.text_at({"metadata", "name"}) != "inferenceservice-config") continue;
        const std::string deploy = document.root.text_at({"data", "deploy"});
        for (const char* mode : {"RawDeployment", "Standard", "Serverless", "Knative"})
            if (deploy.find(mode) != std::string::npos) return mode;
    }
    return "";
}

/// `workerSpec`: a server over the GPUs of several pods, the head's and those of its workers, which Ray joins (KServe 0.15).
/// The controller makes two Deployments of it; they serve together or not at all, as the group that is written here.
void add_nodes_of_one_server(Derivation& d, Decoder& predictor, const std::string& name, Node head, Node workers, std::optional<std::int64_t> replicas) {
    const Node* given = predictor.node().find("workerSpec");
    if (given && given->is_map()) strategic_merge(workers, *given);
    Decoder sizes(workers, predictor.path_of("workerSpec"), predictor.file(), d.findings());
    // Without one of its own it has those of the runtime that KServe ships.
    const std::int64_t stages = sizes.int32("pipelineParallelSize", 1).value_or(2), shares = sizes.int32("tensorParallelSize", 1).value_or(1);
    erase_key(workers, "pipelineParallelSize");
    erase_key(workers, "tensorParallelSize");
    Node* container = find_container(head, container_name);
    if (!container) return predictor.error("workerSpec", "stands beside no container named kserve-container, allowed: one");
    const bool scripted = container->find("command") != nullptr;  // else the image's own entry point takes flags
    set_variable(*container, "MODEL_DIR", "/mnt/models");
    set_variable(*container, "TENSOR_PARALLEL_SIZE", std::to_string(shares));
    set_variable(*container, "PIPELINE_PARALLEL_SIZE", std::to_string(stages));
    if (!scripted)
        for (const std::string& flag : {"--tensor-parallel-size=" + std::to_string(shares), "--pipeline-parallel-size=" + std::to_string(stages)})
            list_at(*container, "args").children.push_back(make_text(flag, *container));
    if (gpus_of(*container) == 0) ask_for(*container, "nvidia.com/gpu", std::to_string(shares));
    Node& works = list_at(workers, "containers").children.empty() ? list_at(workers, "containers").children.emplace_back(*container) : list_at(workers, "containers").children[0];
    for (const char* key : {"startupProbe", "readinessProbe", "livenessProbe"})
        if (works.text_at({"name"}) == container_name) erase_key(works, key);  // a copy of the head's, which alone answers
    if (const Node* image = container->find("image"); image && !works.find("image")) put(works, "image", *image);
    if (gpus_of(works) == 0) ask_for(works, "nvidia.com/gpu", std::to_string(shares));
    const std::int64_t on_head = gpus_of(*container), on_worker = gpus_of(works), wanted = shares * stages;
    if (on_head != on_worker || wanted % on_head != 0)
        return predictor.error("workerSpec", "found " + std::to_string(on_head) + " GPUs on the head and " + std::to_string(on_worker) + " on a worker for " + std::to_string(wanted) + " in all (tensorParallelSize x pipelineParallelSize), allowed: as many on each, which make up that number");
    d.add_group(name, std::move(head), std::move(workers), wanted / on_head, {{"app", "isvc." + name}, {"serving.kserve.io/inferenceservice", d.name()}}, replicas);
}

}  // namespace

void derive_inference_service(Derivation& d) {
    Decoder object = d.decoder();
    Decoder spec = object.child("spec");
    Decoder predictor = spec.child("predictor");
    if (!spec.has("predictor")) spec.missing("predictor", "what serves the model");
    const std::string mode = deployment_mode(d);
    const bool knative = mode == "Serverless" || mode == "Knative";
    if (mode == "ModelMesh") return object.error("metadata", "found " + d.title() + " in ModelMesh mode, whose pods serve many models: not simulated, allowed: Standard (RawDeployment)");
    const std::int64_t given_least = predictor.int32("minReplicas", 0).value_or(1);
    const std::int64_t given_most = predictor.int32("maxReplicas", 0).value_or(0);
    if (given_most > 0 && given_most < given_least)
        predictor.error("maxReplicas", "found " + std::to_string(given_most) + " below minReplicas " + std::to_string(given_least) + ", allowed: at least minReplicas");
    const std::string metric_key = predictor.text("scaleMetric").value_or(d.annotation("serving.kserve.io/metric"));
    const std::string metric = metric_key.empty() ? "cpu" : metric_key;
    const std::string annotated = d.annotation("serving.kserve.io/targetUtilizationPercentage");
    const std::int64_t target = predictor.int32("scaleTarget", 1).value_or(static_cast<std::int32_t>(to_integer(annotated).value_or(80)));
    const std::string scaler = knative ? "" : d.annotation("serving.kserve.io/autoscalerClass");
    predictor.unsupported({"batcher"}, "requests that wait to be sent together");
    if (knative) predictor.unsupported({"canaryTrafficPercent"}, "two revisions that share the traffic");
    else if (predictor.has("canaryTrafficPercent")) predictor.warn("canaryTrafficPercent", "is Knative's: in Standard mode (RawDeployment) all traffic goes to the newest revision");
    predictor.quiet(component_keys);
    predictor.quiet(framework_keys);
    if (predictor.has("timeout")) predictor.warn("timeout", "is not read; the scenario's workload says timeout_s");
    for (const char* other : {"transformer", "explainer"})
        if (spec.take(other)) spec.warn(other, "is not simulated: its pods take no GPUs and its time is not part of a request's");
    spec.finish();

    const std::string name = d.name() + "-predictor";
    std::string model;
    Node workers = make_map(d.root());
    Node pod = predictor_pod(d, predictor, model, workers);
    replace_in_texts(pod, "{{.Name}}", d.name());
    replace_in_texts(pod, "{{ .Name }}", d.name());
    replace_in_texts(pod, "{{.Namespace}}", d.root().text_at({"metadata", "namespace"}));
    // Knative's queue-proxy asks the port likewise.
    if (Node* container = find_container(pod, container_name)) default_readiness(*container);

    const bool keda = scaler == "keda";
    const Bounds bounds{keda || knative ? given_least : std::max<std::int64_t>(given_least, 1), 0};
    const std::int64_t most = std::max(bounds.least, given_most);
    const bool requests_metric = metric == "concurrency" || metric == "rps";
    // Knative without maxReplicas has no upper bound.
    if ((knative && (given_most == 0 || most != bounds.least)) || (requests_metric && most != bounds.least))
        predictor.error(predictor.has("maxReplicas") ? "maxReplicas" : "", "found " + d.title() + " scaled by Knative (concurrency over windows of 60 and 6 s, with an activator), which is not simulated, allowed: minReplicas equal to maxReplicas, or the annotation serving.kserve.io/deploymentMode: RawDeployment with autoscalerClass hpa or keda");
    if (mode.empty() && most != bounds.least)
        predictor.warn("", "does not say its deployment mode; it is taken as Standard (RawDeployment). With Knative another autoscaler decides: write serving.kserve.io/deploymentMode");
    if (const std::vector<std::string> classes = {"", "hpa", "keda", "external", "none"}; std::find(classes.begin(), classes.end(), scaler) == classes.end())
        object.error("metadata", "found serving.kserve.io/autoscalerClass " + scaler + ", allowed: hpa, keda, external, none" + did_you_mean(scaler, classes));

    const bool fixed = scaler == "none" || most == bounds.least;
    std::optional<std::int64_t> replicas;
    if (fixed && scaler != "external") replicas = bounds.least;
    else if (scaler == "external" && predictor.has("minReplicas")) replicas = given_least;
    if (!model.empty() && d.annotation("windtunnel.dev/model").empty()) d.declare("windtunnel.dev/model", model);
    if (predictor.has("workerSpec")) {
        if (knative) predictor.error("workerSpec", "stands in an InferenceService that Knative runs, allowed: serving.kserve.io/deploymentMode: RawDeployment");
        if (!fixed && scaler != "external")
            predictor.error("workerSpec", "stands beside an autoscaler, allowed: the annotation serving.kserve.io/autoscalerClass: none or external, or minReplicas equal to maxReplicas");
        return add_nodes_of_one_server(d, predictor, name, std::move(pod), std::move(workers), replicas);
    }
    d.add_deployment(name, std::move(pod), {{"app", "isvc." + name}, {"serving.kserve.io/inferenceservice", d.name()}}, replicas, predictor.node().find("deploymentStrategy"));
    if (fixed || knative || scaler == "external") return;
    if (keda) return add_scaled_object(d, predictor, name, {bounds.least, most}, metric, target);
    Node metrics = make_list(predictor.node());
    Decoder scaling = predictor.child("autoScaling");
    for (Decoder& item : scaling.children("metrics")) {
        if (item.text("type").value_or("") != "Resource") {
            item.error("type", "found " + item.text("type").value_or("nothing") + ", allowed with the autoscaler class hpa: Resource; External metrics need serving.kserve.io/autoscalerClass: keda");
            continue;
        }
        Decoder resource = item.child("resource");
        metrics.children.push_back(utilization_metric(resource.text("name").value_or("cpu"), resource.child("target").int32("averageUtilization", 1).value_or(80), item.node()));
    }
    if (metrics.children.empty() && !requests_metric) metrics.children.push_back(utilization_metric(metric, target, predictor.node()));
    const Node* behavior = scaling.take("behavior");
    scaling.finish();
    if (!requests_metric) d.add_autoscaler(name, bounds.least, most, std::move(metrics), behavior);
}

/// What an LLMInferenceService says of its servers: of those that answer (spec), or compute prompts (spec.prefill).
struct LlmServers {
    std::string uri, served, suffix, role;  ///< role: llm-d.ai/role, "" = it has but one kind
    std::string uri_path;
    SourcePosition uri_where;
};

void derive_llm_servers(Derivation& d, Decoder& spec, const Node& model, const LlmServers& what) {
    const auto replicas = spec.int32("replicas", 0);
    Decoder parallelism = spec.child("parallelism");
    std::vector<std::string> flags = {"vllm", "serve"};
    const std::string named = model_of_uri(what.uri);
    flags.push_back(named.empty() ? "/mnt/models" : named);
    flags.insert(flags.end(), {"--served-model-name", what.served, "--port", "8000"});
    const auto count = [&](const char* key, const char* flag) {
        const std::int64_t n = parallelism.int32(key, 1).value_or(1);
        if (n > 1) flags.insert(flags.end(), {flag, std::to_string(n)});
        return n;
    };
    (void)count("tensor", "--tensor-parallel-size");
    const std::int64_t stages = count("pipeline", "--pipeline-parallel-size"), ranks = count("data", "--data-parallel-size");
    if (parallelism.boolean("expert").value_or(false)) flags.emplace_back("--enable-expert-parallel");
    // Pods of a group: its stages, or as many as its ranks need with so many in each.
    const std::int64_t local = parallelism.int32("dataLocal", 1).value_or(1);
    const std::int64_t pods = stages > 1 ? stages : std::max<std::int64_t>(ranks / local, 1);
    parallelism.quiet({"dataRPCPort"});
    parallelism.finish();
    const Node* worker = spec.take("worker");
    Node pod = make_map(d.root());
    if (const Node* given = spec.take("template")) {
        pod = *given;
        pod.key.clear();
    }
    spec.finish();
    Node* container = find_container(pod, "main");
    if (!container) {
        container = &list_at(pod, "containers").children.emplace_back(make_map(d.root()));
        put(*container, "name", make_text("main", d.root()));
    }
    // A container's own command line stands in for the configuration's.
    if (!container->find("command") && !container->find("args")) {
        if (const Node* env = container->find("env"))
            for (const Node& variable : env->children)
                if (variable.text_at({"name"}) == "VLLM_ADDITIONAL_ARGS")
                    for (std::string& word : split_words(variable.text_at({"value"}))) flags.push_back(std::move(word));
        put(*container, "command", make_texts(flags, model));
    }
    // From its default configuration (config-llm-template).
    // What the object gives of a probe is merged into it, field by field.
    const auto probe = [&](const char* key, std::int64_t delay, std::int64_t timeout, std::int64_t failures) {
        Node out = make_map(d.root());
        const Node* given = container->find(key);
        const bool acts = given && (given->find("exec") || given->find("tcpSocket") || given->find("grpc"));
        if (!acts) {
            Node& get = map_at(out, "httpGet");
            put(get, "path", make_text("/health", d.root()));
            put(get, "port", make_integer(8000, d.root()));
        }
        put(out, "initialDelaySeconds", make_integer(delay, d.root()));
        put(out, "periodSeconds", make_integer(10, d.root()));
        put(out, "timeoutSeconds", make_integer(timeout, d.root()));
        put(out, "failureThreshold", make_integer(failures, d.root()));
        if (given && !given->is_null()) strategic_merge(out, *given);
        put(*container, key, std::move(out));
    };
    probe("livenessProbe", 120, 10, 3);
    probe("readinessProbe", 10, 5, 60);
    if (named.empty() && !what.uri.empty() && what.suffix.empty() && d.annotation("windtunnel.dev/model").empty())
        d.findings().warnings.push_back({what.uri_where, what.uri_path, "found \"" + what.uri + "\", which names no model that is known; declare it with the annotation windtunnel.dev/model on " + d.title()});
    std::vector<std::pair<std::string, std::string>> labels = {{"app.kubernetes.io/name", d.name()}, {"app.kubernetes.io/component", "llminferenceservice-workload" + what.suffix}};
    if (!what.role.empty()) labels.emplace_back("llm-d.ai/role", what.role);  // as its controller labels them
    if (!worker || !worker->is_map()) return d.add_deployment(d.name() + "-kserve" + what.suffix, std::move(pod), labels, replicas);
    Node others = *worker;
    others.key.clear();
    d.add_group(d.name() + "-kserve-mn" + what.suffix, std::move(pod), std::move(others), pods, labels, replicas);
}

void derive_llm_inference_service(Derivation& d) {
    Decoder object = d.decoder();
    Decoder spec = object.child("spec");
    Decoder model = spec.child("model");
    if (!spec.has("model")) spec.missing("model", "uri: hf://ORGANISATION/NAME");
    LlmServers what;
    what.uri = spec.has("model") ? model.required_text("uri") : "";
    what.uri_path = model.path_of("uri");
    what.uri_where = model.where("uri");
    what.served = model.text("name").value_or(d.name());
    if (model.take("lora")) model.warn("lora", "a request to an adapter takes as long as one to its base model; slots of memory for adapters are counted where the server's arguments say --enable-lora");
    model.quiet({"criticality", "storage"});
    model.finish();
    if (const Node* router = spec.take("router"); router && router->find("scheduler"))
        spec.warn("router", "its scheduler (the gateway's endpoint picker) is not simulated; the scenario's workload says routing");
    if (spec.take("baseRefs")) spec.warn("baseRefs", "its LLMInferenceServiceConfigs are not read: what they add to the pods is not there");
    if (spec.has("prefill")) {
        what.role = "decode";
        LlmServers prompts = what;
        prompts.suffix = "-prefill";
        prompts.role = "prefill";
        Decoder prefill = spec.child("prefill");
        derive_llm_servers(d, prefill, model.node(), prompts);
    }
    spec.unsupported({"scaling"}, "its controller's own autoscaler; write the HorizontalPodAutoscaler or ScaledObject of its Deployment");
    spec.quiet({"prefill", "storageInitializer"});
    derive_llm_servers(d, spec, model.node(), what);
}

}  // namespace windtunnel
