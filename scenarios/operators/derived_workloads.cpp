// What operators' controllers make of their objects.
#include "scenarios/operators/derived_workloads.hpp"

#include <algorithm>

#include "models/llm_catalog.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

namespace windtunnel {
namespace {

struct Maker {
    const char *kind, *group;
    void (*make)(Derivation&);
};

constexpr Maker makers[] = {{"InferenceService", "serving.kserve.io", derive_inference_service},
                            {"LLMInferenceService", "serving.kserve.io", derive_llm_inference_service},
                            {"VLLMRuntime", "production-stack.vllm.ai", derive_vllm_runtime},
                            {"Model", "kubeai.org", derive_kubeai_model},
                            {"NIMService", "apps.nvidia.com", derive_nim_service},
                            {"PodAutoscaler", "autoscaling.aibrix.ai", derive_pod_autoscaler},
                            {"RayService", "ray.io", derive_ray_service},
                            {"RayCluster", "ray.io", derive_ray_cluster},
                            {"HTTPScaledObject", "http.keda.sh", derive_http_scaled_object},
                            {"Service", "serving.knative.dev", derive_knative_service},
                            {"InferenceSet", "kaito.sh", derive_kaito_inference_set},
                            {"Workspace", "kaito.sh", derive_kaito_workspace},
                            {"DynamoGraphDeployment", "nvidia.com", derive_dynamo_graph}};

bool is_there(const std::vector<Document>& documents, const Node& object) {
    return std::any_of(documents.begin(), documents.end(), [&](const Document& d) {
        return d.root.text_at({"kind"}) == object.text_at({"kind"}) && d.root.text_at({"metadata", "name"}) == object.text_at({"metadata", "name"}) &&
               namespace_of(d.root) == namespace_of(object);
    });
}

}  // namespace

std::string namespace_of(const Node& root) {
    const std::string name = root.text_at({"metadata", "namespace"});
    return name.empty() ? "default" : name;
}

bool is_derived_kind(const std::string& kind, const std::string& api_version) {
    return std::any_of(std::begin(makers), std::end(makers), [&](const Maker& m) { return kind == m.kind && api_version.starts_with(std::string(m.group) + "/"); });
}

std::string group_of_derived_kind(const std::string& kind) {
    for (const Maker& maker : makers)
        if (kind == maker.kind) return maker.group;
    return "";
}

namespace {

/// The ScaledObject that the HTTP add-on made says less than what it was made of, where the target stands.
void leave_to_their_makers(std::vector<Document>& documents) {
    const auto is_made_here = [&](const Document& d) {
        const Node* metadata = d.root.text_at({"kind"}) == "ScaledObject" ? d.root.find("metadata") : nullptr;
        const Node* owners = metadata && metadata->is_map() ? metadata->find("ownerReferences") : nullptr;
        if (!owners || !owners->is_list()) return false;
        return std::any_of(documents.begin(), documents.end(), [&](const Document& maker) {
            return maker.root.text_at({"kind"}) == "HTTPScaledObject" && std::any_of(owners->children.begin(), owners->children.end(), [&](const Node& owner) {
                       return owner.text_at({"kind"}) == "HTTPScaledObject" && owner.text_at({"name"}) == maker.root.text_at({"metadata", "name"});
                   });
        });
    };
    if (std::none_of(documents.begin(), documents.end(), is_made_here)) return;
    std::vector<Document> kept;
    for (const Document& d : documents)
        if (!is_made_here(d)) kept.push_back(d);
    documents = std::move(kept);
}

}  // namespace

void derive_workloads(std::vector<Document>& documents, Findings& findings) {
    leave_to_their_makers(documents);
    resolve_device_claims(documents, findings);
    std::vector<Document> made;
    for (std::size_t i = 0; i < documents.size(); ++i) {
        const Node& root = documents[i].root;
        if (!root.is_map() || root.text_at({"metadata", "name"}).empty()) continue;
        const std::string kind = root.text_at({"kind"});
        if (!is_derived_kind(kind, root.text_at({"apiVersion"}))) continue;
        for (const Maker& maker : makers) {
            if (kind != maker.kind || !root.text_at({"apiVersion"}).starts_with(std::string(maker.group) + "/")) continue;
            Derivation derivation(documents, i, made, findings);
            maker.make(derivation);
        }
    }
    for (Document& d : made) documents.push_back(std::move(d));
}

Derivation::Derivation(const std::vector<Document>& given, std::size_t index, std::vector<Document>& made, Findings& findings)
    : m_given(given), m_index(index), m_made(made), m_findings(&findings), m_kind(root().text_at({"kind"})), m_name(root().text_at({"metadata", "name"})),
      m_namespace(namespace_of(root())) {}

std::string Derivation::annotation(const std::string& key) const {
    const Node* metadata = root().find("metadata");
    const Node* annotations = metadata ? metadata->find("annotations") : nullptr;
    const Node* found = annotations ? annotations->find(key) : nullptr;
    return found ? found->text : "";
}

Node Derivation::object(const std::string& api_version, const std::string& kind, const std::string& name) const {
    const Node& from = root();
    Node out = make_map(from);
    put(out, "apiVersion", make_text(api_version, from));
    put(out, "kind", make_text(kind, from));
    Node metadata = make_map(from);
    put(metadata, "name", make_text(name, from));
    put(metadata, "namespace", make_text(m_namespace, from));
    const Node* given = from.find("metadata");
    for (const char* key : {"labels", "annotations"})
        if (const Node* map = given->find(key)) put(metadata, key, *map);
    put(out, "metadata", std::move(metadata));
    return out;
}

void Derivation::add(Node object) {
    if (is_there(m_given, object)) return;
    m_made.push_back({m_given[m_index].file, std::move(object), title()});
}

/// A pod that carries `labels` and its object's, and what was declared of it.
Node Derivation::pod_template(Node pod_spec, const std::vector<std::pair<std::string, std::string>>& labels) const {
    Node all = make_map(root());
    for (const auto& [key, value] : labels) put(all, key, make_text(value, root()));
    if (const Node* given = root().find("metadata")->find("labels"))
        for (const Node& label : given->children)
            if (!all.find(label.key)) all.children.push_back(label);
    Node metadata = make_map(root());
    put(metadata, "labels", std::move(all));
    for (const auto& [key, value] : m_declared) put(map_at(metadata, "annotations"), key, make_text(value, root()));
    Node pod = make_map(root());
    put(pod, "metadata", std::move(metadata));
    put(pod, "spec", std::move(pod_spec));
    return pod;
}

void Derivation::add_deployment(const std::string& name, Node pod_spec, const std::vector<std::pair<std::string, std::string>>& labels,
                                std::optional<std::int64_t> replicas, const Node* strategy) {
    Node out = object("apps/v1", "Deployment", name);
    Node spec = make_map(root());
    if (replicas) put(spec, "replicas", make_integer(*replicas, root()));
    if (strategy && strategy->is_map()) put(spec, "strategy", *strategy);
    Node& selected = map_at(map_at(spec, "selector"), "matchLabels");
    for (const auto& [key, value] : labels) put(selected, key, make_text(value, root()));
    put(spec, "template", pod_template(std::move(pod_spec), labels));
    put(out, "spec", std::move(spec));
    add(std::move(out));
}

void Derivation::add_group(const std::string& name, Node leader, Node worker, std::int64_t size,
                           const std::vector<std::pair<std::string, std::string>>& labels, std::optional<std::int64_t> replicas) {
    Node out = object("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", name);
    Node spec = make_map(root());
    if (replicas) put(spec, "replicas", make_integer(*replicas, root()));
    Node& group = map_at(spec, "leaderWorkerTemplate");
    put(group, "size", make_integer(size, root()));
    put(group, "leaderTemplate", pod_template(std::move(leader), labels));
    put(group, "workerTemplate", pod_template(std::move(worker), labels));
    put(out, "spec", std::move(spec));
    add(std::move(out));
}

void Derivation::add_autoscaler(const std::string& deployment, std::int64_t least, std::int64_t most, Node metrics, const Node* behavior) {
    Node out = object("autoscaling/v2", "HorizontalPodAutoscaler", deployment);
    Node spec = make_map(root());
    Node target = make_map(root());
    put(target, "apiVersion", make_text("apps/v1", root()));
    put(target, "kind", make_text("Deployment", root()));
    put(target, "name", make_text(deployment, root()));
    put(spec, "scaleTargetRef", std::move(target));
    put(spec, "minReplicas", make_integer(least, root()));
    put(spec, "maxReplicas", make_integer(most, root()));
    put(spec, "metrics", std::move(metrics));
    if (behavior && behavior->is_map()) put(spec, "behavior", *behavior);
    put(out, "spec", std::move(spec));
    add(std::move(out));
}

Node* find_container(Node& pod, const std::string& name) {
    for (Node& c : list_at(pod, "containers").children)
        if (c.text_at({"name"}) == name) return &c;
    return nullptr;
}

void default_readiness(Node& container) {
    if (container.find("readinessProbe")) return;
    const Node* ports = container.find("ports");
    const Node* port = ports && !ports->children.empty() ? ports->children[0].find("containerPort") : nullptr;
    Node probe = make_map(container);
    put(map_at(probe, "tcpSocket"), "port", port ? *port : make_integer(8080, container));
    put(container, "readinessProbe", std::move(probe));
}

void default_model_probes(Node& container, std::int64_t failures) {
    for (const char* key : {"readinessProbe", "startupProbe"}) {
        if (container.find(key)) continue;
        Node probe = make_map(container);
        put(map_at(probe, "httpGet"), "path", make_text("/v1/models", container));
        put(map_at(probe, "httpGet"), "port", make_integer(8000, container));
        if (std::string(key) == "startupProbe") put(probe, "failureThreshold", make_integer(failures, container));
        put(container, key, std::move(probe));
    }
}

void set_variable(Node& container, const std::string& name, const std::string& value) {
    Node variable = make_map(container);
    put(variable, "name", make_text(name, container));
    put(variable, "value", make_text(value, container));
    for (Node& given : list_at(container, "env").children)
        if (given.text_at({"name"}) == name) {
            given = std::move(variable);
            return;
        }
    list_at(container, "env").children.push_back(std::move(variable));
}

std::int64_t gpus_of(const Node& container) {
    const Node* resources = container.find("resources");
    if (!resources) return 0;
    Findings aside;
    return decode_resources(Decoder(*resources, "", "", aside)).gpus();
}

void ask_for(Node& container, const std::string& resource, const std::string& amount) {
    if (amount.empty()) return;
    Node& resources = map_at(container, "resources");
    for (const char* key : {"requests", "limits"}) put(map_at(resources, key), resource, make_text(amount, container));
}

Node utilization_metric(const std::string& resource, std::int64_t percent, const Node& at) {
    Node target = make_map(at);
    put(target, "type", make_text("Utilization", at));
    put(target, "averageUtilization", make_integer(percent, at));
    Node metric = make_map(at);
    put(metric, "name", make_text(resource, at));
    put(metric, "target", std::move(target));
    Node out = make_map(at);
    put(out, "type", make_text("Resource", at));
    put(out, "resource", std::move(metric));
    return out;
}

std::string model_of_uri(const std::string& uri) {
    const std::size_t scheme = uri.find("://");
    std::string path = scheme == std::string::npos ? uri : uri.substr(scheme + 3);
    if (uri.starts_with("hf://") || uri.starts_with("huggingface://")) {
        if (const std::size_t revision = path.find(':'); revision != std::string::npos) path.resize(revision);
        return path;
    }
    // A Hugging Face cache: .../models--org--name/snapshots/HASH.
    if (const std::size_t cached = path.find("models--"); cached != std::string::npos) {
        std::string id = path.substr(cached + 8);
        id = id.substr(0, id.find('/'));
        if (const std::size_t dashes = id.find("--"); dashes != std::string::npos) return id.replace(dashes, 2, "/");
    }
    while (!path.empty() && path.back() == '/') path.pop_back();
    // oci://registry/models:granite-3.1-8b-instruct: the tag is the name.
    for (const char separator : {'/', ':'}) {
        const std::size_t at = path.rfind(separator);
        const std::string last = at == std::string::npos ? path : path.substr(at + 1);
        if (!last.empty() && !last.ends_with(".json") && get_llm(last)) return last;
    }
    return "";
}

}  // namespace windtunnel
