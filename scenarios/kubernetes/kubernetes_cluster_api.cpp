#include "scenarios/kubernetes/kubernetes_clouds.hpp"
#include "scenarios/pods/kubernetes_taints.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

const char* const min_size = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size";
const char* const max_size = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size";
const char* const capacity_prefix = "capacity.cluster-autoscaler.kubernetes.io/";

const Document* find_object(const std::vector<Document>& documents, const std::string& kind, const std::string& name) {
    for (const Document& d : documents)
        if (d.root.text_at({"kind"}) == kind && d.root.text_at({"metadata", "name"}) == name) return &d;
    return nullptr;
}

/// {key, value, effect}, the effect as no-schedule or NoSchedule.
std::vector<Taint> provider_taints(Decoder& map, const std::string& key) {
    std::vector<Taint> out;
    for (Decoder& item : map.children(key)) {
        Taint taint;
        taint.key = item.required_text("key");
        taint.value = item.text("value").value_or("");
        taint.effect = item.choice<TaintEffect>("effect", {{"no-schedule", TaintEffect::no_schedule}, {"no-execute", TaintEffect::no_execute}, {"prefer-no-schedule", TaintEffect::prefer_no_schedule},
                                                           {"NoSchedule", TaintEffect::no_schedule}, {"NoExecute", TaintEffect::no_execute}, {"PreferNoSchedule", TaintEffect::prefer_no_schedule}})
                           .value_or(TaintEffect::no_schedule);
        item.finish();
        out.push_back(std::move(taint));
    }
    return out;
}

void read_scaling(Decoder& spec, NodeGroup& out, const char* least, const char* most) {
    if (!spec.has("scaling")) return;
    Decoder scaling = spec.child("scaling");
    const bool on = scaling.boolean("enableAutoscaling").value_or(true);
    out.min_size = scaling.int32(least, 0, 100'000).value_or(out.min_size);
    out.max_size = scaling.int32(most, 0, 100'000).value_or(out.max_size);
    out.balances = scaling.text("locationPolicy").value_or("any") == "balanced";
    scaling.finish();
    out.autoscaled = on;
}

/// The provider's half: what its machines are. False for a kind that is not known.
bool read_infrastructure(const std::string& kind, Decoder& object, NodeGroup& out) {
    object.quiet({"apiVersion", "kind", "metadata", "status"});
    Decoder top = object.child("spec");
    if (kind.ends_with("MachineTemplate")) {
        Decoder machine = top.child("template");
        machine.quiet({"metadata"});
        Decoder spec = machine.child("spec");
        if (kind == "AWSMachineTemplate") {
            out.cloud = CloudKind::aws;
            out.instance_types = {spec.required_text("instanceType")};
            out.spot = spec.take("spotMarketOptions") != nullptr;
        } else if (kind == "AzureMachineTemplate") {
            out.cloud = CloudKind::azure;
            out.instance_types = {spec.required_text("vmSize")};
            out.spot = spec.take("spotVMOptions") != nullptr;
        } else if (kind == "GCPMachineTemplate") {
            out.cloud = CloudKind::gcp;
            out.instance_types = {spec.required_text("instanceType")};
            out.spot = spec.boolean("preemptible").value_or(false) || spec.text("provisioningModel").value_or("") == "Spot";
        } else {
            return false;
        }
        for (const Node& member : spec.node().children) spec.quiet({member.key});  // image, disks, network, keys
        return true;
    }
    Decoder spec = top;
    if (kind == "AWSManagedMachinePool" || kind == "AWSMachinePool") {
        out.cloud = CloudKind::aws;
        if (const auto type = spec.text("instanceType")) out.instance_types = {*type};
        Decoder launch = spec.child(kind == "AWSMachinePool" ? "awsLaunchTemplate" : "awsLaunchTemplate");
        if (const auto type = launch.text("instanceType"); type && out.instance_types.empty()) out.instance_types = {*type};
        if (out.instance_types.empty()) out.instance_types = {"t3.medium"};  // EKS's default
        out.spot = spec.text("capacityType").value_or("onDemand") == "spot" || launch.take("spotMarketOptions") != nullptr;
        out.labels = spec.text_map("labels");
        out.taints = provider_taints(spec, "taints");
        out.availability_zones = spec.texts("availabilityZones");
        read_scaling(spec, out, "minSize", "maxSize");
        if (kind == "AWSMachinePool") {
            out.min_size = spec.int32("minSize", 0, 100'000).value_or(out.min_size);
            out.max_size = spec.int32("maxSize", 0, 100'000).value_or(out.max_size);
        }
    } else if (kind == "AzureManagedMachinePool") {
        out.cloud = CloudKind::azure;
        out.instance_types = {spec.required_text("sku")};
        out.spot = spec.text("scaleSetPriority").value_or("Regular") == "Spot";
        out.labels = spec.text_map("nodeLabels");
        out.taints = provider_taints(spec, "taints");
        out.availability_zones = spec.texts("availabilityZones");
        out.max_pods = spec.integer("maxPods", 10, 250).value_or(0);
        if (const auto name = spec.text("name")) out.name = *name;
        if (out.spot) out.taints.push_back({"kubernetes.azure.com/scalesetpriority", "spot", TaintEffect::no_schedule});
        read_scaling(spec, out, "minSize", "maxSize");
    } else if (kind == "GCPManagedMachinePool") {
        out.cloud = CloudKind::gcp;
        out.instance_types = {spec.text("machineType").value_or("e2-medium")};
        out.spot = spec.boolean("spot").value_or(false);
        out.labels = spec.text_map("kubernetesLabels");
        out.taints = provider_taints(spec, "kubernetesTaints");
        out.availability_zones = spec.texts("nodeLocations");
        out.max_pods = spec.integer("maxPodsPerNode", 8, 256).value_or(0);
        if (const auto name = spec.text("nodePoolName")) out.name = *name;
        read_scaling(spec, out, "minCount", "maxCount");
    } else {
        return false;
    }
    for (const Node& member : spec.node().children) spec.quiet({member.key});  // image, disks, network, roles
    return true;
}

std::optional<std::int32_t> annotated(const ObjectMeta& meta, const std::string& key) {
    const auto found = meta.annotations.find(key);
    if (found == meta.annotations.end()) return std::nullopt;
    const auto value = to_integer(found->second);
    return value ? std::optional(static_cast<std::int32_t>(*value)) : std::nullopt;
}

}  // namespace

std::optional<NodeGroup> decode_machine_group(Decoder& object, const ObjectMeta& meta, const std::vector<Document>& documents) {
    NodeGroup out;
    out.meta = meta;
    out.name = meta.name;
    out.where = meta.where;
    out.path = "spec";
    Decoder spec = object.child("spec");
    const std::int32_t replicas = spec.int32("replicas", 0, 100'000).value_or(1);
    out.desired_capacity = out.min_size = out.max_size = replicas;
    out.availability_zones = spec.texts("failureDomains");
    Decoder machine = spec.child("template");
    Decoder metadata = machine.child("metadata");
    out.labels = metadata.text_map("labels");
    // Of a Machine's labels only these reach its node (the Cluster API's metadata propagation).
    std::erase_if(out.labels, [](const auto& label) {
        return !label.first.starts_with("node-role.kubernetes.io/") && label.first.find("node-restriction.kubernetes.io/") == std::string::npos && label.first.find("node.cluster.x-k8s.io/") == std::string::npos;
    });
    metadata.quiet({"annotations"});
    Decoder inner = machine.child("spec");
    if (const auto zone = inner.text("failureDomain"); zone && out.availability_zones.empty()) out.availability_zones = {*zone};
    Decoder reference = inner.child("infrastructureRef");
    const std::string kind = reference.required_text("kind"), name = reference.required_text("name");
    reference.quiet({"apiVersion", "apiGroup", "namespace"});
    reference.finish();
    inner.quiet({"bootstrap", "clusterName", "version", "nodeDrainTimeout", "nodeDeletionTimeout", "nodeVolumeDetachTimeout", "readinessGates", "providerID", "deletion", "minReadySeconds", "taints"});
    inner.finish();
    machine.finish();
    spec.quiet({"clusterName", "selector", "strategy", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds", "paused", "deletePolicy", "providerIDList", "rolloutAfter", "rollout", "remediation", "deletion", "machineNaming", "machineNamingStrategy"});
    spec.finish();
    if (kind.empty() || name.empty()) return std::nullopt;
    const Document* found = find_object(documents, kind, name);
    if (found == nullptr) {
        object.error("spec.template.spec.infrastructureRef", "found " + kind + "/" + name + ", which no manifest has, allowed: manifests with it, for its machine type");
        return std::nullopt;
    }
    Decoder infrastructure(found->root, "", found->file, object.findings());
    if (!read_infrastructure(kind, infrastructure, out)) {
        object.error("spec.template.spec.infrastructureRef", "found the kind " + kind + ", allowed: AWSMachineTemplate, AzureMachineTemplate, GCPMachineTemplate, AWSManagedMachinePool, AWSMachinePool, AzureManagedMachinePool, GCPManagedMachinePool");
        return std::nullopt;
    }
    // cluster-autoscaler's clusterapi provider takes the groups that carry both annotations.
    const auto least = annotated(meta, min_size), most = annotated(meta, max_size);
    if (least.has_value() != most.has_value())
        object.error("metadata.annotations", std::string("has one of ") + min_size + " and " + max_size + ", allowed: both or neither");
    if (least && most) {
        out.min_size = *least;
        out.max_size = *most;
        out.autoscaled = true;
        if (*least > *most) object.error("metadata.annotations", "found a minimum of " + std::to_string(*least) + " above the maximum " + std::to_string(*most) + ", allowed: at most the maximum");
    } else if (!out.autoscaled) {
        out.autoscaled = false;
    }
    if (const auto pods = annotated(meta, std::string(capacity_prefix) + "maxPods")) out.max_pods = *pods;
    out.desired_capacity = std::clamp(replicas, out.min_size, std::max(out.min_size, out.max_size));
    if (out.cloud == CloudKind::gcp) fill_zones(out, out.availability_zones.empty() ? "" : out.availability_zones.front());
    return out;
}

}  // namespace windtunnel
