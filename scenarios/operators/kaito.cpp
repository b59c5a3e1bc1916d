// KAITO's Workspace: a preset model on nodes that the workspace provisions itself (fields of kaito.sh/v1beta1 and its
// list of presets, 2025, from general knowledge, not re-read, 2026-11).
#include <algorithm>

#include "models/instance_types.hpp"
#include "scenarios/documents/suggest.hpp"
#include "scenarios/operators/derived_workloads.hpp"

namespace windtunnel {
namespace {

struct Preset {
    const char* name;
    const char* model;
};
constexpr Preset presets[] = {
    {"falcon-7b", "tiiuae/falcon-7b"},
    {"falcon-7b-instruct", "tiiuae/falcon-7b-instruct"},
    {"falcon-40b", "tiiuae/falcon-40b"},
    {"falcon-40b-instruct", "tiiuae/falcon-40b-instruct"},
    {"mistral-7b", "mistralai/Mistral-7B-v0.3"},
    {"mistral-7b-instruct", "mistralai/Mistral-7B-Instruct-v0.3"},
    {"phi-2", "microsoft/phi-2"},
    {"phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct"},
    {"phi-3-mini-128k-instruct", "microsoft/Phi-3-mini-128k-instruct"},
    {"phi-3-medium-4k-instruct", "microsoft/Phi-3-medium-4k-instruct"},
    {"phi-3-medium-128k-instruct", "microsoft/Phi-3-medium-128k-instruct"},
    {"phi-3.5-mini-instruct", "microsoft/Phi-3.5-mini-instruct"},
    {"phi-4", "microsoft/phi-4"},
    {"phi-4-mini-instruct", "microsoft/Phi-4-mini-instruct"},
    {"qwen2.5-coder-7b-instruct", "Qwen/Qwen2.5-Coder-7B-Instruct"},
    {"qwen2.5-coder-32b-instruct", "Qwen/Qwen2.5-Coder-32B-Instruct"},
    {"deepseek-r1-distill-llama-8b", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"},
    {"deepseek-r1-distill-qwen-14b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B"},
    {"llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"},
    {"llama-3.3-70b-instruct", "meta-llama/Llama-3.3-70B-Instruct"},
    {"gemma-3-4b-instruct", "google/gemma-3-4b-it"},
    {"gemma-3-27b-instruct", "google/gemma-3-27b-it"},
};

/// The id of a preset: its own name may be one, too (presets of later releases are Hugging Face ids).
std::string model_of(Decoder& preset) {
    const std::string name = preset.required_text("name");
    std::vector<std::string> names;
    for (const Preset& p : presets) {
        if (name == p.name) return p.model;
        names.emplace_back(p.name);
    }
    if (name.find('/') != std::string::npos) return name;
    if (!name.empty()) preset.error("name", "found " + name + ", which is no preset that is known" + did_you_mean(name, names) + ", allowed: " + join(names) + ", or a Hugging Face id");
    return "";
}

/// The nodes that the workspace brings, as a pool that AKS would list.
void add_nodes(Derivation& d, const std::string& type, std::int64_t count, const Node* labels) {
    Node pool = d.object("containerservice.azure.com/v1api20240901", "ManagedClustersAgentPool", d.name());
    Node spec = make_map(d.root());
    put(spec, "vmSize", make_text(type, d.root()));
    put(spec, "count", make_integer(count, d.root()));
    if (labels != nullptr) put(spec, "nodeLabels", *labels);
    put(spec, "nodeTaints", make_texts({"sku=gpu:NoSchedule"}, d.root()));
    put(pool, "spec", std::move(spec));
    d.add(std::move(pool));
}

}  // namespace

namespace {

/// What a Workspace, or the template of an InferenceSet, runs on its nodes.
struct WorkspaceSpec {
    std::string type;        ///< of its nodes
    std::int64_t nodes = 1;  ///< over which one server is split
    const Node* labels = nullptr;
    Node pod;
};

/// Reads `resource` and `inference` of `object`; empty: reported.
std::optional<WorkspaceSpec> read_workspace(Derivation& d, Decoder& object, Decoder& selected) {
    object.unsupported({"tuning"}, "fine-tuning");
    WorkspaceSpec out;
    Decoder resource = object.child("resource");
    out.type = resource.text("instanceType").value_or("Standard_NC24ads_A100_v4");  // its default
    out.nodes = resource.int32("count", 1).value_or(1);
    Decoder selector = selected.child("labelSelector");
    out.labels = selector.node().find("matchLabels");
    (void)selector.text_map("matchLabels");
    selector.unsupported({"matchExpressions"}, "nodes by expressions; use matchLabels");
    selector.finish();
    resource.quiet({"labelSelector"});
    resource.unsupported({"preferredNodes"}, "nodes by name");
    resource.finish();
    if (!object.has("inference")) return object.missing("inference", "preset.name"), std::nullopt;
    Decoder inference = object.child("inference");
    inference.unsupported({"template"}, "a pod template of the workspace's own; write the Deployment");
    if (inference.take("adapters"))
        inference.warn("adapters", "a request to an adapter takes as long as one to its base model; memory for adapters is not taken off the KV cache");
    if (inference.take("config")) inference.warn("config", "is not read: vLLM's settings in that ConfigMap are taken as KAITO's own");
    if (!inference.has("preset")) return inference.missing("preset", "name, a model that KAITO knows"), std::nullopt;
    Decoder preset = inference.child("preset");
    const std::string model = model_of(preset);
    preset.quiet({"accessMode", "presetOptions"});
    preset.finish();
    inference.finish();
    const auto known = get_instance_type("azure", out.type);
    if (!known) return resource.error("instanceType", known.problems().front().message), std::nullopt;
    const int gpus = (*known)->gpu_count;
    if (gpus == 0) return resource.error("instanceType", "found " + out.type + ", which has no GPU, allowed: a type with one"), std::nullopt;
    if (model.empty()) return std::nullopt;
    Node container = make_map(d.root());
    put(container, "name", make_text(d.name(), d.root()));
    put(container, "image", make_text("vllm/vllm-openai", d.root()));
    std::vector<std::string> words = {"vllm", "serve", model, "--tensor-parallel-size", std::to_string(gpus), "--gpu-memory-utilization", "0.9", "--port", "5000"};
    if (out.nodes > 1) words.insert(words.end(), {"--pipeline-parallel-size", std::to_string(out.nodes)});
    put(container, "command", make_texts(words, d.root()));
    ask_for(container, "nvidia.com/gpu", std::to_string(gpus));
    Node& probe = map_at(container, "readinessProbe");
    Node& get = map_at(probe, "httpGet");
    put(get, "path", make_text("/health", d.root()));
    put(get, "port", make_integer(5000, d.root()));
    put(probe, "initialDelaySeconds", make_integer(30, d.root()));
    out.pod = make_map(d.root());
    if (out.labels != nullptr) put(out.pod, "nodeSelector", *out.labels);
    Node toleration = make_map(d.root());
    put(toleration, "key", make_text("sku", d.root()));
    put(toleration, "operator", make_text("Equal", d.root()));
    put(toleration, "value", make_text("gpu", d.root()));
    put(toleration, "effect", make_text("NoSchedule", d.root()));
    list_at(out.pod, "tolerations").children.push_back(std::move(toleration));
    list_at(out.pod, "containers").children.push_back(std::move(container));
    return out;
}

/// The servers, each on nodes of its own: one node, or a group of pods that split the model into stages.
void add_servers(Derivation& d, WorkspaceSpec workspace, std::int64_t replicas, const std::string& label) {
    add_nodes(d, workspace.type, replicas * workspace.nodes, workspace.labels);
    if (workspace.nodes == 1) return d.add_deployment(d.name(), std::move(workspace.pod), {{label, d.name()}}, replicas);
    Node worker = workspace.pod;
    erase_key(list_at(worker, "containers").children[0], "readinessProbe");  // the leader answers
    d.add_group(d.name(), std::move(workspace.pod), std::move(worker), workspace.nodes, {{label, d.name()}}, replicas);
}

}  // namespace

void derive_kaito_workspace(Derivation& d) {
    Decoder object = d.decoder();
    Decoder resource = object.child("resource");
    if (auto workspace = read_workspace(d, object, resource)) add_servers(d, std::move(*workspace), 1, "kaito.sh/workspace");
}

/// kaito.sh/v1alpha1 of 2025: `replicas` Workspaces of one template.
void derive_kaito_inference_set(Derivation& d) {
    Decoder object = d.decoder();
    if (!object.has("spec")) return object.missing("spec", "replicas and template");
    Decoder spec = object.child("spec");
    const std::int64_t replicas = spec.int32("replicas", 0).value_or(1);
    if (d.annotation("scaledobject.kaito.sh/auto-provision") == "true")
        object.warn("metadata", "asks KAITO's KEDA scaler for a ScaledObject, which is not made: the replicas stay as they are; write the ScaledObject");
    if (!spec.has("template")) return spec.missing("template", "resource and inference of its Workspaces");
    Decoder workspace = spec.child("template");
    workspace.quiet({"metadata"});
    if (auto made = read_workspace(d, workspace, spec)) add_servers(d, std::move(*made), replicas, "inferenceset.kaito.sh/created-by");
    workspace.finish();
    spec.quiet({"labelSelector", "nodeCountLimit", "updateStrategy"});
    spec.finish();
}

}  // namespace windtunnel
