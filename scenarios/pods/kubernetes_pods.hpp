#pragma once
#include "models/problem.hpp"
#include "models/time.hpp"
#include "policies/restart_backoff.hpp"
#include "scenarios/documents/decoder.hpp"
#include "scenarios/documents/quantity.hpp"

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
    std::optional<std::int64_t> ephemeral_storage_bytes;        ///< the request
    std::optional<std::int64_t> ephemeral_storage_limit_bytes;
    std::map<std::string, std::int64_t> extended;  ///< nvidia.com/gpu, nvidia.com/mig-1g.10gb, ...; request = limit
    std::map<std::string, std::int64_t> hugepages; ///< hugepages-2Mi, ...: bytes
    std::vector<std::string> claims;               ///< dynamic resource allocation: names of resourceClaims

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

/// What lifecycle.preStop or postStart does, and how long that takes where it can be told.
struct LifecycleHook {
    enum class Action : std::uint8_t { sleep, exec, http_get, tcp_socket };

    Action action = Action::sleep;
    std::optional<Tick> time;          ///< sleep.seconds, the `sleep N` of a command, or a preStop's annotation
    bool waits_until_idle = false;     ///< a loop over the server's gauges of running or waiting requests
    bool calls_only = false;           ///< an HTTP call (curl, wget, httpGet): answers at once unless declared
    std::vector<std::string> command;  ///< of exec
    std::string http_path;
    std::string port;
    SourcePosition where;
};

/// A port that the pod takes on its node: two pods with the same one do not fit together.
struct HostPort {
    std::int32_t port = 0;
    std::string protocol = "TCP";
    std::string ip = "0.0.0.0";
};

struct VolumeMount {
    std::string volume;
    std::string path;
    bool read_only = false;
    std::string sub_path;  ///< "" = the whole volume
    SourcePosition where = {};
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
    std::optional<LifecycleHook> pre_stop;
    std::optional<LifecycleHook> post_start;    ///< the container counts as running when it has returned
    std::vector<HostPort> host_ports;
    std::vector<VolumeMount> volume_mounts;
    bool restartable_init = false;              ///< a sidecar: init container with restartPolicy Always
    std::string image_pull_policy;              ///< "" = IfNotPresent, or Always for :latest
    SourcePosition where;
    std::string path;

    /// The value of an environment variable; "" where there is none or it is not known.
    [[nodiscard]] std::string variable(const std::string& variable_name) const;
};

/// One of a pod's required node-affinity terms: all expressions and fields hold. Terms are OR-ed. A term
/// without either matches no node.
struct NodeAffinityTerm {
    std::vector<SelectorExpression> expressions;  ///< over node labels
    std::vector<SelectorExpression> fields;       ///< matchFields: key metadata.name, In or NotIn one value

    /// Such a term matches no node.
    [[nodiscard]] bool empty() const { return expressions.empty() && fields.empty(); }
};

/// preferredDuringScheduling...: adds `weight` (1 to 100) to the score of the nodes that match.
struct PreferredNodeTerm {
    std::int32_t weight = 1;
    NodeAffinityTerm term;
};

/// A term of podAffinity or podAntiAffinity.
struct PodAffinityTerm {
    LabelSelector selector;
    bool selects = true;                     ///< false: labelSelector is absent, which matches no pod
    std::string topology_key;
    bool required = true;
    std::int32_t weight = 0;                 ///< of a preferred term, 1 to 100
    std::vector<std::string> namespaces;     ///< with no namespace_selector either: the pod's own
    std::optional<LabelSelector> namespace_selector;  ///< over Namespaces' labels; empty = every namespace
    std::vector<std::string> match_label_keys;        ///< also these labels must be as on the pod itself
    std::vector<std::string> mismatch_label_keys;     ///< ... must differ
    SourcePosition where;
};
using PodAntiAffinityTerm = PodAffinityTerm;

struct TopologySpread {
    std::int32_t max_skew = 1;
    std::string topology_key;
    bool do_not_schedule = true;             ///< else ScheduleAnyway
    LabelSelector selector;
    bool selects = true;                     ///< false: labelSelector is absent, which matches no pod
    std::int32_t min_domains = 1;
    std::vector<std::string> match_label_keys;
    bool honors_affinity = true;             ///< nodeAffinityPolicy: Honor; else Ignore
    bool honors_taints = false;              ///< nodeTaintsPolicy: Ignore; else Honor
    SourcePosition where;
};

enum class VolumeKind : std::uint8_t {
    empty_dir, memory, host_path, claim, ephemeral, config_map, secret, projected, downward_api, nfs, csi, image, other
};

/// A ConfigMap in a volume.
struct ConfigMapFiles {
    std::string name;
    std::map<std::string, std::string> items;  ///< key -> path; empty: every key under its own name
};

struct Volume {
    std::string name;
    VolumeKind kind = VolumeKind::other;     ///< memory: emptyDir with medium Memory (or HugePages)
    std::optional<std::int64_t> size_bytes;  ///< emptyDir: sizeLimit; ephemeral: the claim's request
    std::string claim;                       ///< of claim: the PersistentVolumeClaim's name
    std::string storage_class;               ///< of ephemeral; "" = the default class
    std::string source;                      ///< host path, NFS server:path, or CSI driver
    std::vector<ConfigMapFiles> config_maps; ///< of configMap and projected
    SourcePosition where;
};

/// When a container that ended is started again.
/// Of a pod: the seconds that its preStop hooks take whose time is not to be told.
inline constexpr const char* pre_stop_annotation = "windtunnel.dev/pre-stop-s";

struct PodTemplate {
    Labels labels;
    std::map<std::string, std::string> annotations;
    std::vector<Container> containers;
    std::vector<Container> init_containers;         ///< sidecars (restartable_init) among them, in order
    std::optional<Resources> pod_resources;         ///< spec.resources: cpu and memory of the pod as a whole
    Resources overhead;                             ///< of the runtime class, added to the requests
    Labels node_selector;
    std::string node_name;                          ///< bound by name, past the scheduler
    std::vector<NodeAffinityTerm> required_node_affinity;
    std::vector<PreferredNodeTerm> preferred_node_affinity;
    std::vector<PodAffinityTerm> pod_affinity;
    std::vector<PodAffinityTerm> pod_anti_affinity;
    std::vector<TopologySpread> topology_spread;
    std::vector<Toleration> tolerations;
    std::string priority_class;
    std::optional<std::int32_t> priority;           ///< as admission wrote it, in dumps
    std::optional<bool> preempts;                   ///< preemptionPolicy; empty: the class's
    std::string scheduler_name = "default-scheduler";
    std::vector<std::string> scheduling_gates;
    std::vector<std::string> readiness_gates;
    std::vector<std::string> resource_claims;
    std::vector<Volume> volumes;
    RestartPolicy restart_policy = RestartPolicy::always;
    std::optional<Tick> active_deadline;
    Tick termination_grace = seconds(30);
    std::optional<Tick> pre_stop_time;              ///< windtunnel.dev/pre-stop-s: of preStop hooks whose time is not to be told
    std::string runtime_class;
    bool host_network = false;                      ///< every containerPort is a host port
    std::int32_t deletion_cost = 0;                 ///< controller.kubernetes.io/pod-deletion-cost
    std::optional<bool> safe_to_evict;              ///< cluster-autoscaler.kubernetes.io/safe-to-evict
    bool do_not_disrupt = false;                    ///< karpenter.sh/do-not-disrupt (or do-not-evict)
    SourcePosition where;
    std::string path;                               ///< of its spec: "spec.template.spec"

    /// What the scheduler counts: containers and sidecars together, or the peak while init containers run,
    /// whichever is more; pod-level resources in their place; and the overhead (kubernetes.md 7.2.1). A
    /// missing request counts as 0.
    [[nodiscard]] std::int64_t cpu_request_milli() const;
    [[nodiscard]] std::int64_t memory_request_bytes() const;
    [[nodiscard]] std::int64_t ephemeral_storage_bytes() const;
    /// The containers' limits, added up like their requests; overhead counts where there is a limit.
    [[nodiscard]] std::int64_t cpu_limit_milli() const;
    [[nodiscard]] std::int64_t memory_limit_bytes() const;
    [[nodiscard]] std::int64_t ephemeral_storage_limit_bytes() const;
    /// The requests as the scheduler's scores have them: a container without a request counts 100 mCPU and 200 MiB
    /// (kubernetes.md 7.3), one that asks for 0 counts 0.
    [[nodiscard]] std::int64_t scored_cpu_milli() const;
    [[nodiscard]] std::int64_t scored_memory_bytes() const;
    [[nodiscard]] std::int64_t gpus() const;
    [[nodiscard]] std::string gpu_resource() const;
    /// All extended resources by name.
    [[nodiscard]] std::map<std::string, std::int64_t> extended_requests() const;
    /// All ports it takes on its node (with host_network also its containers' ports).
    [[nodiscard]] std::vector<HostPort> host_ports() const;
    /// How long it stays on a node that has become unreachable: the shortest of its tolerations of that taint, for ever
    /// (`never`) where none of them has an end, and what admission gives it where it has none (kubernetes.md 5.7.4).
    [[nodiscard]] Tick lost_toleration() const;
    /// No container requests or limits cpu or memory (quality of service BestEffort).
    [[nodiscard]] bool best_effort() const;
    /// It has a volume that keeps cluster-autoscaler from draining its node: hostPath, or emptyDir on disk.
    [[nodiscard]] bool has_local_storage() const;
};

/// Decodes the `template:` of a workload, or a Pod. `allowed` are the restart policies it may have.
[[nodiscard]] PodTemplate decode_pod_template(Decoder pod_template, const std::vector<RestartPolicy>& allowed = {RestartPolicy::always});
/// Decodes an item of containers or initContainers.
[[nodiscard]] Container decode_container(Decoder& container);
/// Decodes a `resources:` map (requests, limits).
[[nodiscard]] Resources decode_resources(Decoder resources);
/// Decodes one list of quantities by resource name into the requests or the limits of `out`.
void decode_resource_list(Decoder list, bool limits, Resources& out);
[[nodiscard]] std::vector<SelectorExpression> decode_expressions(Decoder& map, const std::string& key);
[[nodiscard]] std::vector<Toleration> decode_tolerations(Decoder& map, const std::string& key);
/// Whether the name is that of GPUs, slices or shares of GPUs.
[[nodiscard]] bool is_gpu_resource(const std::string& name);
/// An annotation's text as a time: a number of seconds from 0 up to longest_seconds; empty where it is none.
[[nodiscard]] std::optional<Tick> declared_seconds(const std::string& text);
/// A whole text as an integer.
[[nodiscard]] std::optional<std::int64_t> to_integer(const std::string& text);
[[nodiscard]] LabelSelector decode_label_selector(Decoder selector);
/// A taint effect's name, as Kubernetes and eksctl write it.
[[nodiscard]] std::optional<TaintEffect> decode_taint_effect(Decoder& map, const std::string& key);

}  // namespace windtunnel
