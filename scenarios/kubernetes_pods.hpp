#pragma once
#include "models/problem.hpp"
#include "models/time.hpp"
#include "scenarios/decoder.hpp"
#include "scenarios/model_server.hpp"
#include "scenarios/quantity.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

using Labels = std::map<std::string, std::string>;

/// Who an object is and where it stands.
struct ObjectMeta {
    std::string kind;
    std::string name;
    std::string name_space = "default";
    Labels labels;
    std::map<std::string, std::string> annotations;
    SourcePosition where;
    std::size_t document = 0;  ///< index into Manifests::documents

    [[nodiscard]] std::string title() const { return kind + "/" + name; }
};

enum class SelectorOperator : std::uint8_t { in, not_in, exists, does_not_exist, greater_than, less_than };

struct SelectorExpression {
    std::string key;
    SelectorOperator op = SelectorOperator::in;
    std::vector<std::string> values;

    [[nodiscard]] bool matches(const Labels& labels) const;
};

/// All labels and expressions must hold. One without any matches everything.
struct LabelSelector {
    Labels match_labels;
    std::vector<SelectorExpression> match_expressions;

    [[nodiscard]] bool empty() const { return match_labels.empty() && match_expressions.empty(); }
    [[nodiscard]] bool matches(const Labels& labels) const;
};

enum class TaintEffect : std::uint8_t { no_schedule, prefer_no_schedule, no_execute };

struct Taint {
    std::string key;
    std::string value;
    TaintEffect effect = TaintEffect::no_schedule;
};

struct Toleration {
    std::string key;                       ///< "" with `exists` = every taint
    bool exists = false;                   ///< operator Exists; else Equal
    std::string value;
    std::optional<TaintEffect> effect;     ///< empty = every effect
    std::optional<Tick> toleration_time;   ///< tolerationSeconds, for NoExecute

    [[nodiscard]] bool tolerates(const Taint& taint) const;
};

enum class ProbeAction : std::uint8_t { http_get, exec, tcp_socket, grpc };

struct Probe {
    ProbeAction action = ProbeAction::http_get;
    std::string http_path = "/";
    std::string port;                      ///< number or name, as written
    std::vector<std::string> command;      ///< of exec
    Tick initial_delay{0};
    Tick period = seconds(10);
    Tick timeout = seconds(1);
    std::int32_t success_threshold = 1;
    std::int32_t failure_threshold = 3;
    std::optional<Tick> termination_grace; ///< the probe's own, when it kills
    SourcePosition where;
};

/// What a container asks for; a missing request takes the limit's value, as the API server does.
struct Resources {
    std::optional<std::int64_t> cpu_request_milli;
    std::optional<std::int64_t> cpu_limit_milli;
    std::optional<std::int64_t> memory_request_bytes;
    std::optional<std::int64_t> memory_limit_bytes;
    std::optional<std::int64_t> ephemeral_storage_bytes;
    std::map<std::string, std::int64_t> extended;  ///< nvidia.com/gpu, nvidia.com/mig-1g.10gb, ...

    /// GPUs or slices of GPUs of any vendor's name (`nvidia.com/...`, `amd.com/gpu`).
    [[nodiscard]] std::int64_t gpus() const;
    /// The name of the GPU resource it asks for, "" when none.
    [[nodiscard]] std::string gpu_resource() const;
};

struct EnvironmentVariable {
    std::string name;
    std::string value;
    bool known = true;       ///< false: it comes from a Secret, a field, or a ConfigMap that is not among the manifests
    std::string config_map;  ///< the ConfigMap and key that it comes from
    std::string config_key;
};

/// A word of a container's command or args, and where it stands.
struct WordPlace {
    SourcePosition where;
    std::string path;
};

struct Container {
    std::string name;
    std::string image;
    std::vector<std::string> command;
    std::vector<std::string> args;
    std::vector<WordPlace> word_places;         ///< of the words of command, then args
    std::vector<EnvironmentVariable> environment;
    std::vector<std::string> config_maps;       ///< envFrom
    Resources resources;
    std::map<std::string, std::int32_t> ports;  ///< named ports
    std::optional<Probe> startup_probe;
    std::optional<Probe> readiness_probe;
    std::optional<Probe> liveness_probe;
    std::optional<Tick> pre_stop_sleep;         ///< lifecycle.preStop: sleep.seconds or exec `sleep N`
    bool restartable_init = false;              ///< a sidecar: init container with restartPolicy Always
    std::string image_pull_policy;              ///< "" = IfNotPresent, or Always for :latest
    SourcePosition where;
    std::string path;
};

/// One of a pod's required node-affinity terms: all expressions hold. Terms are OR-ed.
struct NodeAffinityTerm {
    std::vector<SelectorExpression> expressions;
};

struct PodAntiAffinityTerm {
    LabelSelector selector;
    std::string topology_key;
    bool required = true;
};

struct TopologySpread {
    std::int32_t max_skew = 1;
    std::string topology_key;
    bool do_not_schedule = true;
    LabelSelector selector;
    std::int32_t min_domains = 1;
};

struct PodTemplate {
    Labels labels;
    std::map<std::string, std::string> annotations;
    std::vector<Container> containers;
    std::vector<Container> init_containers;
    Labels node_selector;
    std::vector<NodeAffinityTerm> required_node_affinity;
    std::vector<PodAntiAffinityTerm> pod_anti_affinity;
    std::vector<TopologySpread> topology_spread;
    std::vector<Toleration> tolerations;
    std::string priority_class;
    Tick termination_grace = seconds(30);
    std::string runtime_class;
    SourcePosition where;

    /// Sums over the containers (sidecars included); a missing request counts as 0.
    [[nodiscard]] std::int64_t cpu_request_milli() const;
    [[nodiscard]] std::int64_t memory_request_bytes() const;
    [[nodiscard]] std::int64_t gpus() const;
    [[nodiscard]] std::string gpu_resource() const;
};

enum class WorkloadKind : std::uint8_t { deployment, stateful_set, replica_set };

/// A Deployment, or what is treated as one.
struct WorkloadObject {
    ObjectMeta meta;
    WorkloadKind kind = WorkloadKind::deployment;
    std::int32_t replicas = 1;
    bool replicas_given = false;
    LabelSelector selector;
    PodTemplate pod;
    bool recreate = false;                 ///< strategy Recreate; else RollingUpdate
    IntOrPercent max_surge{25, true};
    IntOrPercent max_unavailable{25, true};
    Tick min_ready{0};
    Tick progress_deadline = seconds(600);
    bool paused = false;
    std::optional<ModelServer> server;     ///< what its pods serve, where one of its containers is recognised
    std::size_t server_container = 0;      ///< index into pod.containers, when `server` is set
};

struct Service {
    ObjectMeta meta;
    Labels selector;                       ///< empty: no selector, never matches
    bool client_ip_affinity = false;
    bool headless = false;
    bool publish_not_ready = false;
};

/// Decodes the `template:` of a workload.
[[nodiscard]] PodTemplate decode_pod_template(Decoder pod_template);
[[nodiscard]] LabelSelector decode_label_selector(Decoder selector);
/// A taint effect's name, as Kubernetes and eksctl write it.
[[nodiscard]] std::optional<TaintEffect> decode_taint_effect(Decoder& map, const std::string& key);

}  // namespace windtunnel
