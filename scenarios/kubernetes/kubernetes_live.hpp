#pragma once
#include "scenarios/documents/decoder.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

// What a dump of a live cluster (`kubectl get deploy,rs,pod,node -o yaml`) says of its present state.

/// A node's resources.
struct NodeAmounts {
    std::int64_t cpu_milli = 0;
    std::int64_t memory_bytes = 0;
    std::int64_t ephemeral_storage_bytes = 0;
    std::int64_t pods = 0;
    std::map<std::string, std::int64_t> extended;  ///< nvidia.com/gpu, nvidia.com/mig-1g.10gb, ...
};

/// A Node.
struct NodeObject {
    ObjectMeta meta;                 ///< labels and annotations
    std::vector<Taint> taints;
    bool unschedulable = false;      ///< cordoned
    bool ready = true;               ///< condition Ready is True; without conditions: true
    NodeAmounts capacity;            ///< what is missing in the dump is 0
    NodeAmounts allocatable;         ///< without it: the capacity
    std::string provider_id;         ///< "aws:///us-east-1a/i-0abc"
    std::optional<std::int64_t> created_unix_s;

    /// The label, or "".
    [[nodiscard]] std::string label(const std::string& key) const;
    [[nodiscard]] std::string instance_type() const;  ///< node.kubernetes.io/instance-type or its beta form
    [[nodiscard]] std::string zone() const;
};

enum class LivePodPhase : std::uint8_t { pending, running, succeeded, failed, unknown };

struct LivePod {
    ObjectMeta meta;
    std::string owner_kind;          ///< the workload that its owners lead to ("Deployment"); "" = a bare pod
    std::string owner_name;
    std::string owner_revision;      ///< its ReplicaSet's name, or the label controller-revision-hash
    std::int32_t revision = 0;       ///< the ReplicaSet's annotation deployment.kubernetes.io/revision; 0 = unknown
    std::string node;                ///< "" = not scheduled
    LivePodPhase phase = LivePodPhase::pending;
    bool ready = false;
    bool terminating = false;        ///< has a deletionTimestamp
    std::int32_t restarts = 0;       ///< the largest of its containers
    std::optional<std::int64_t> created_unix_s;
    std::optional<std::int64_t> started_unix_s;      ///< status.startTime
    std::optional<std::int64_t> ready_since_unix_s;  ///< of the condition Ready, when it is True
    PodTemplate pod;                 ///< what it asks for
};

/// The start state. Empty unless the manifests are a dump.
struct LiveState {
    std::vector<NodeObject> nodes;
    std::vector<LivePod> pods;       ///< all of them, bare ones too

    [[nodiscard]] bool empty() const { return nodes.empty() && pods.empty(); }
    /// The pods of a workload, in the order of the files.
    [[nodiscard]] std::vector<const LivePod*> pods_of(const ObjectMeta& workload) const;
    [[nodiscard]] const NodeObject* find_node(const std::string& name) const;
};

[[nodiscard]] NodeObject decode_node(Decoder& object, ObjectMeta meta);
/// A Pod that a controller made; its owner is filled in by the importer. Fields of its spec are not
/// reported: they follow from the owner's template.
[[nodiscard]] LivePod decode_live_pod(Decoder& object, ObjectMeta meta);

}  // namespace windtunnel
