// Nodes and pods of a dump: the state that a run starts from.
#include "scenarios/kubernetes/kubernetes_live.hpp"

#include "scenarios/pods/kubernetes_taints.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

NodeAmounts decode_node_amounts(Decoder list) {
    NodeAmounts out;
    for (const Node& member : list.node().children) {
        const std::string& name = member.key;
        const auto quantity = list.quantity(name);
        if (!quantity) continue;
        if (name == "cpu") out.cpu_milli = quantity->milli_ceil();
        else if (name == "memory") out.memory_bytes = quantity->ceil();
        else if (name == "ephemeral-storage") out.ephemeral_storage_bytes = quantity->ceil();
        else if (name == "pods") out.pods = quantity->ceil();
        else out.extended[name] = quantity->ceil();
    }
    return out;
}

std::optional<std::int64_t> time_at(const Node* map, const char* key) {
    const Node* node = map ? map->find(key) : nullptr;
    if (!node || node->text.empty()) return std::nullopt;
    const auto time = parse_wall_clock(node->text, "Etc/UTC");
    return time ? std::optional(*time) : std::nullopt;
}

/// The entry of status.conditions of that type, or nullptr.
const Node* condition_of(const Node* status, const char* type) {
    const Node* conditions = status ? status->find("conditions") : nullptr;
    if (!conditions) return nullptr;
    for (const Node& condition : conditions->children)
        if (condition.text_at({"type"}) == type) return &condition;
    return nullptr;
}

}  // namespace

std::string NodeObject::label(const std::string& key) const {
    const auto found = meta.labels.find(key);
    return found == meta.labels.end() ? "" : found->second;
}
std::string NodeObject::instance_type() const {
    const std::string type = label("node.kubernetes.io/instance-type");
    return type.empty() ? label("beta.kubernetes.io/instance-type") : type;
}
std::string NodeObject::zone() const {
    const std::string zone = label("topology.kubernetes.io/zone");
    return zone.empty() ? label("failure-domain.beta.kubernetes.io/zone") : zone;
}

std::vector<const LivePod*> LiveState::pods_of(const ObjectMeta& workload) const {
    std::vector<const LivePod*> out;
    for (const LivePod& p : pods)
        if (p.owner_kind == workload.kind && p.owner_name == workload.name && p.meta.name_space == workload.name_space) out.push_back(&p);
    return out;
}

const NodeObject* LiveState::find_node(const std::string& name) const {
    const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const NodeObject& n) { return n.meta.name == name; });
    return found == nodes.end() ? nullptr : &*found;
}

NodeObject decode_node(Decoder& object, ObjectMeta meta) {
    NodeObject out;
    out.meta = std::move(meta);
    Decoder spec = object.child("spec");
    out.taints = decode_taint_list(spec, "taints");
    out.unschedulable = spec.boolean("unschedulable").value_or(false);
    out.provider_id = spec.text("providerID").value_or("");
    spec.quiet({"podCIDR", "podCIDRs", "externalID", "configSource"});
    spec.finish();
    const Node* status_node = object.node().find("status");
    Decoder status = object.child("status");
    out.capacity = decode_node_amounts(status.child("capacity"));
    out.allocatable = status.has("allocatable") ? decode_node_amounts(status.child("allocatable")) : out.capacity;
    if (const Node* ready = condition_of(status_node, "Ready")) out.ready = ready->text_at({"status"}) == "True";
    out.created_unix_s = time_at(object.node().find("metadata"), "creationTimestamp");
    return out;
}

LivePod decode_live_pod(Decoder& object, ObjectMeta meta) {
    LivePod out;
    out.meta = std::move(meta);
    // What is wrong or left aside in the spec has been said of the template that it was made from.
    Findings aside;
    out.pod = decode_pod_template(Decoder(object.node(), "", object.file(), aside), {RestartPolicy::always, RestartPolicy::on_failure, RestartPolicy::do_not});
    out.node = out.pod.node_name;
    const Node* metadata = object.node().find("metadata");
    out.created_unix_s = time_at(metadata, "creationTimestamp");
    out.terminating = metadata && metadata->find("deletionTimestamp") && !metadata->find("deletionTimestamp")->is_null();
    const auto hash = out.meta.labels.find("controller-revision-hash");
    if (hash != out.meta.labels.end()) out.owner_revision = hash->second;
    const Node* status = object.node().find("status");
    const std::string phase = status ? status->text_at({"phase"}) : "";
    out.phase = phase == "Running"     ? LivePodPhase::running
                : phase == "Succeeded" ? LivePodPhase::succeeded
                : phase == "Failed"    ? LivePodPhase::failed
                : phase == "Unknown"   ? LivePodPhase::unknown
                                       : LivePodPhase::pending;
    out.started_unix_s = time_at(status, "startTime");
    if (const Node* ready = condition_of(status, "Ready"); ready && ready->text_at({"status"}) == "True") {
        out.ready = true;
        out.ready_since_unix_s = time_at(ready, "lastTransitionTime");
    }
    const Node* containers = status ? status->find("containerStatuses") : nullptr;
    if (containers)
        for (const Node& c : containers->children)
            if (const Node* restarts = c.find("restartCount"); restarts && restarts->kind == Node::Kind::integer)
                out.restarts = std::max(out.restarts, static_cast<std::int32_t>(std::min<std::int64_t>(restarts->integer, INT32_MAX)));
    object.quiet({"spec", "status"});
    return out;
}

}  // namespace windtunnel
