#pragma once
#include <optional>
#include <string>
#include <vector>

#include "scenarios/documents/decoder.hpp"
#include "scenarios/documents/node_tree.hpp"

namespace windtunnel {

/// Whether an operator's controller turns objects of this kind into workloads, and the importer knows how.
[[nodiscard]] bool is_derived_kind(const std::string& kind, const std::string& api_version);

/// The API group of such a kind ("serving.kserve.io"), or "".
[[nodiscard]] std::string group_of_derived_kind(const std::string& kind);

/// Adds the Deployments and autoscalers that operators make of their own objects (KServe's InferenceService and
/// LLMInferenceService, the production stack's VLLMRuntime, KubeAI's Model, NIMService, AIBrix' PodAutoscaler,
/// RayService and RayCluster, KAITO's Workspace and InferenceSet, Knative's Service, HTTPScaledObject, DynamoGraphDeployment) to the documents; Document::made_from names the object. Where the documents hold the made object
/// already, as a dump does, that one stands. Autoscalers of the operators' own are errors that say what to write.
void derive_workloads(std::vector<Document>& documents, Findings& findings);

/// Whole GPUs that pods claim through ResourceClaimTemplates become limits of nvidia.com/gpu. Other claims stay as they are.
void resolve_device_claims(std::vector<Document>& documents, Findings& findings);

/// An object's namespace, "default" where it says none.
[[nodiscard]] std::string namespace_of(const Node& root);

/// What the makers below share: one object of an operator, and the documents that it becomes.
class Derivation {
public:
    Derivation(const std::vector<Document>& given, std::size_t index, std::vector<Document>& made, Findings& findings);

    [[nodiscard]] const std::vector<Document>& given() const { return m_given; }
    [[nodiscard]] const Node& root() const { return m_given[m_index].root; }
    [[nodiscard]] const std::string& name() const { return m_name; }
    [[nodiscard]] std::string title() const { return m_kind + "/" + m_name; }
    [[nodiscard]] std::string annotation(const std::string& key) const;
    [[nodiscard]] Findings& findings() { return *m_findings; }
    [[nodiscard]] Decoder decoder() { return Decoder(root(), "", m_given[m_index].file, *m_findings); }

    /// An object with name, namespace, labels and annotations of the operator's object.
    [[nodiscard]] Node object(const std::string& api_version, const std::string& kind, const std::string& name) const;
    /// An annotation that the pods of the next Deployment get, read like any other declaration of what they serve.
    void declare(const std::string& key, const std::string& value) { m_declared.emplace_back(key, value); }
    /// A Deployment whose pods carry `labels` and are selected by them. `replicas`: empty = not said.
    void add_deployment(const std::string& name, Node pod_spec, const std::vector<std::pair<std::string, std::string>>& labels,
                        std::optional<std::int64_t> replicas, const Node* strategy = nullptr);
    /// A LeaderWorkerSet: `replicas` groups of `size` pods that serve as one, the first of which, `leader`, takes the requests.
    void add_group(const std::string& name, Node leader, Node worker, std::int64_t size,
                   const std::vector<std::pair<std::string, std::string>>& labels, std::optional<std::int64_t> replicas);
    /// An HPA of a Deployment; `metrics` is the list of autoscaling/v2.
    void add_autoscaler(const std::string& deployment, std::int64_t least, std::int64_t most, Node metrics, const Node* behavior = nullptr);
    void add(Node object);

private:
    [[nodiscard]] Node pod_template(Node pod_spec, const std::vector<std::pair<std::string, std::string>>& labels) const;

    const std::vector<Document>& m_given;
    std::size_t m_index;
    std::vector<Document>& m_made;
    Findings* m_findings;
    std::string m_kind, m_name, m_namespace;
    std::vector<std::pair<std::string, std::string>> m_declared;
};

/// The container of that name in a pod's spec, or nullptr.
[[nodiscard]] Node* find_container(Node& pod, const std::string& name);

/// A container without a readiness probe gets one on its first port, 8080 without any.
void default_readiness(Node& container);

/// A container without a readiness or startup probe gets one such as operators of model servers add, which answers once the
/// model is loaded (theirs ask ports of their own; vLLM's path stands in). `failures` end the startup probe.
void default_model_probes(Node& container, std::int64_t failures);

/// A trigger of KEDA on the requests that are at a workload or wait for it, read as the HTTP add-on's scaler counts them, for
/// each `target` a replica.
[[nodiscard]] Node concurrency_trigger(const Node& at, const std::string& name, const std::string& target);

/// Adds a variable to a container, in the place of one of that name.
void set_variable(Node& container, const std::string& name, const std::string& value);

/// The GPUs that a container asks for; 0 = none.
[[nodiscard]] std::int64_t gpus_of(const Node& container);

/// Requests and limits of the same amount.
void ask_for(Node& container, const std::string& resource, const std::string& amount);

/// A v2 metric: the utilization of cpu or memory over all containers.
[[nodiscard]] Node utilization_metric(const std::string& resource, std::int64_t percent, const Node& at);

/// The model that a URI of weights names: `hf://org/name`, or the last part of a path where it is a model's name
/// that is known. "" = it does not say.
[[nodiscard]] std::string model_of_uri(const std::string& uri);

// One for each kind; they report every key that they do not know.
void derive_inference_service(Derivation& d);
void derive_llm_inference_service(Derivation& d);
void derive_vllm_runtime(Derivation& d);
void derive_kubeai_model(Derivation& d);
void derive_nim_service(Derivation& d);
void derive_pod_autoscaler(Derivation& d);
void derive_ray_service(Derivation& d);
void derive_ray_cluster(Derivation& d);
void derive_http_scaled_object(Derivation& d);
void derive_knative_service(Derivation& d);
void derive_kaito_inference_set(Derivation& d);
void derive_kaito_workspace(Derivation& d);
void derive_dynamo_graph(Derivation& d);

}  // namespace windtunnel
