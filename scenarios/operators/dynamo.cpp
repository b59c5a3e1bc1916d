// NVIDIA Dynamo: the Deployments of a DynamoGraphDeployment's services (nvidia.com/v1alpha1, releases 0.3 to 0.8, from general
// knowledge, not re-read, 2026-11).
#include <algorithm>

#include "models/lower_case.hpp"
#include "scenarios/operators/derived_workloads.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

namespace windtunnel {
namespace {

bool runs_flag(const Node& container, const char* flag) {
    for (const char* key : {"command", "args"})
        if (const Node* words = container.find(key))
            for (const Node& word : words->children)
                if (word.text.find(flag) != std::string::npos) return true;
    return false;
}

/// What of a graph's prompts the service computes: "prefill", "decode" (beside a service of the other kind) or "" (both).
std::string part_of(const Node& service, const Node& container) {
    const std::string type = service.text_at({"componentType"}), sub = service.text_at({"subComponentType"});
    for (const char* part : {"prefill", "decode"})
        if (type == part || sub == part) return part;
    if (runs_flag(container, "--is-prefill-worker")) return "prefill";
    return runs_flag(container, "--is-decode-worker") ? "decode" : "";
}

/// The first container of a service: mainContainer, with the service's own resources, variables and probes.
Node main_container(Decoder& service, Decoder& pod) {
    Node out = make_map(service.node());
    put(out, "name", make_text("main", service.node()));
    if (const Node* given = pod.take("mainContainer"); given && given->is_map())
        for (const Node& member : given->children)
            if (member.key != "name") put(out, member.key, member);
    for (const char* key : {"limits", "requests"}) {
        const Node* resources = service.node().find("resources");
        const Node* amounts = resources && resources->is_map() ? resources->find(key) : nullptr;
        if (!amounts || !amounts->is_map()) continue;
        Node& to = map_at(map_at(out, "resources"), key);
        for (const Node& amount : amounts->children)
            if (amount.key != "custom") put(to, amount.key == "gpu" ? "nvidia.com/gpu" : amount.key, make_text(scalar_text(amount), amount));
    }
    if (const Node* variables = service.take("envs"); variables && variables->is_list())
        for (const Node& variable : variables->children) list_at(out, "env").children.push_back(variable);
    for (const char* key : {"livenessProbe", "readinessProbe", "startupProbe"})
        if (const Node* probe = service.take(key)) put(out, key, *probe);
    return out;
}

void derive_service(Derivation& d, Decoder& services, const Node& given, bool has_parts) {
    Decoder service = services.child(given.key);
    Decoder pod = service.child("extraPodSpec");
    Node container = main_container(service, pod);
    Node pod_spec = make_map(given);
    if (pod.node().is_map())
        for (const Node& member : pod.node().children)
            if (member.key != "mainContainer" && member.key != "containers") put(pod_spec, member.key, member);
    const bool serves = gpus_of(container) > 0;
    const std::string part = serves && has_parts ? part_of(given, container) : "";
    if (serves && !container.find("readinessProbe")) default_model_probes(container, 720);
    const auto replicas = service.int32("replicas", 0);
    if (Decoder nodes = service.child("multinode"); nodes.int32("nodeCount", 1).value_or(1) > 1)
        service.error("multinode", "found a server over several nodes, which is not simulated, allowed: one node, or a LeaderWorkerSet");
    if (Decoder scaling = service.child("autoscaling"); scaling.boolean("enabled").value_or(false))
        service.error("autoscaling", "found Dynamo's own autoscaling of a service, which is not simulated, allowed: replicas, with a ScaledObject or HorizontalPodAutoscaler of Deployment/" + d.name());
    service.unsupported({"ingress"}, "an ingress of the operator's");
    service.quiet({"componentType", "subComponentType", "dynamoNamespace", "resources", "extraPodSpec", "extraPodMetadata", "envFromSecret", "volumeMounts", "sharedMemory", "labels", "annotations",
                   "serviceName", "multinode", "autoscaling", "scalingAdapter", "globalDynamoNamespace", "modelRef", "pvc"});
    service.finish();
    list_at(pod_spec, "containers").children.push_back(std::move(container));
    std::vector<std::pair<std::string, std::string>> labels = {{"nvidia.com/dynamo-graph-deployment-name", d.name()}, {"nvidia.com/dynamo-component", given.key}};
    if (!part.empty()) labels.emplace_back("llm-d.ai/role", part);
    d.add_deployment(d.name() + "-" + lower_case(given.key), std::move(pod_spec), labels, replicas);
}

}  // namespace

void derive_dynamo_graph(Derivation& d) {
    Decoder object = d.decoder();
    if (!object.has("spec")) return object.missing("spec", "services, a map of them by name");
    Decoder spec = object.child("spec");
    Decoder services = spec.child("services");
    const Node& all = services.node();
    if (!spec.has("services") || !all.is_map()) return spec.missing("services", "a map of services by name, each with replicas, resources and extraPodSpec");
    const bool has_parts = std::any_of(all.children.begin(), all.children.end(), [](const Node& service) {
        const Node* pod = service.find("extraPodSpec");
        const Node* container = pod && pod->is_map() ? pod->find("mainContainer") : nullptr;
        return part_of(service, container ? *container : service) == "prefill";
    });
    spec.warn("", "Dynamo's frontend, router and planner are not simulated: requests reach the workers as the scenario's workload says (routing)");
    for (const Node& service : all.children) {
        if (service.text_at({"componentType"}) == "planner") {
            spec.warn("services", service.key + ", which sets the replicas of the others by its own forecasts, is left out");
            (void)services.take(service.key);
            continue;
        }
        derive_service(d, services, service, has_parts);
    }
    spec.quiet({"services", "envs", "backendFramework", "restart", "pvcs", "annotations", "labels", "dynamoGraph"});
    spec.finish();
}

}  // namespace windtunnel
