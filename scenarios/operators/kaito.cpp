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

void derive_kaito_workspace(Derivation& d) {
    Decoder object = d.decoder();
    object.unsupported({"tuning"}, "fine-tuning");
    Decoder resource = object.child("resource");
    const std::string type = resource.text("instanceType").value_or("Standard_NC24ads_A100_v4");  // its default
    const std::int64_t count = resource.int32("count", 1).value_or(1);
    if (count > 1) resource.error("count", "found " + std::to_string(count) + " nodes, over which KAITO splits the model, allowed: 1, or the LeaderWorkerSet that you mean");
    Decoder selector = resource.child("labelSelector");
    const Node* labels = selector.node().find("matchLabels");
    (void)selector.text_map("matchLabels");
    selector.unsupported({"matchExpressions"}, "nodes by expressions; use matchLabels");
    selector.finish();
    resource.unsupported({"preferredNodes"}, "nodes by name");
    resource.finish();
    if (!object.has("inference")) return object.missing("inference", "preset.name");
    Decoder inference = object.child("inference");
    inference.unsupported({"template"}, "a pod template of the workspace's own; write the Deployment");
    inference.unsupported({"adapters"}, "LoRA adapters take memory and time");
    if (inference.has("config")) inference.warn("config", "is not read: vLLM's settings in that ConfigMap are taken as KAITO's own");
    if (!inference.has("preset")) return inference.missing("preset", "name, a model that KAITO knows");
    Decoder preset = inference.child("preset");
    const std::string model = model_of(preset);
    preset.quiet({"accessMode", "presetOptions"});
    preset.finish();
    inference.finish();
    const auto known = get_instance_type("azure", type);
    if (!known) return resource.error("instanceType", known.problems().front().message);
    const int gpus = (*known)->gpu_count;
    if (gpus == 0) return resource.error("instanceType", "found " + type + ", which has no GPU, allowed: a type with one");
    if (model.empty()) return;
    Node container = make_map(d.root());
    put(container, "name", make_text(d.name(), d.root()));
    put(container, "image", make_text("vllm/vllm-openai", d.root()));
    put(container, "command", make_texts({"vllm", "serve", model, "--tensor-parallel-size", std::to_string(gpus), "--gpu-memory-utilization", "0.9", "--port", "5000"}, d.root()));
    Node& resources = map_at(container, "resources");
    for (const char* key : {"requests", "limits"}) put(map_at(resources, key), "nvidia.com/gpu", make_integer(gpus, d.root()));
    Node& probe = map_at(container, "readinessProbe");
    Node& get = map_at(probe, "httpGet");
    put(get, "path", make_text("/health", d.root()));
    put(get, "port", make_integer(5000, d.root()));
    put(probe, "initialDelaySeconds", make_integer(30, d.root()));
    Node pod = make_map(d.root());
    if (labels != nullptr) put(pod, "nodeSelector", *labels);
    Node toleration = make_map(d.root());
    put(toleration, "key", make_text("sku", d.root()));
    put(toleration, "operator", make_text("Equal", d.root()));
    put(toleration, "value", make_text("gpu", d.root()));
    put(toleration, "effect", make_text("NoSchedule", d.root()));
    list_at(pod, "tolerations").children.push_back(std::move(toleration));
    list_at(pod, "containers").children.push_back(std::move(container));
    d.add_deployment(d.name(), std::move(pod), {{"kaito.sh/workspace", d.name()}}, 1);
    add_nodes(d, type, count, labels);
}

}  // namespace windtunnel
