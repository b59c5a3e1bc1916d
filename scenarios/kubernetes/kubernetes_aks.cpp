#include "scenarios/kubernetes/kubernetes_clouds.hpp"

#include "models/lower_case.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

/// "sku=gpu:NoSchedule", as AKS writes taints.
std::vector<Taint> aks_taints(Decoder& map, const std::string& key) {
    std::vector<Taint> out;
    for (const std::string& text : map.texts(key)) {
        const std::size_t colon = text.rfind(':'), equals = text.find('=');
        const std::string effect = colon == std::string::npos ? "" : text.substr(colon + 1);
        Taint taint;
        taint.key = text.substr(0, std::min(equals, colon));
        if (equals < colon) taint.value = text.substr(equals + 1, colon - equals - 1);
        if (effect == "NoExecute") taint.effect = TaintEffect::no_execute;
        else if (effect == "PreferNoSchedule") taint.effect = TaintEffect::prefer_no_schedule;
        else if (effect != "NoSchedule") map.error(key, "found \"" + text + "\", allowed: KEY=VALUE:NoSchedule, :PreferNoSchedule or :NoExecute");
        out.push_back(std::move(taint));
    }
    return out;
}

/// The fields of an agent pool, which the API, the operator and az share.
void read_agent_pool(Decoder& pool, NodeGroup& out) {
    out.cloud = CloudKind::azure;
    out.instance_types = {pool.text("vmSize").value_or("Standard_DS2_v2")};  // AKS's default size
    if (pool.text("osType").value_or("Linux") == "Windows") pool.error("osType", "names Windows nodes, allowed: Linux ones, which model servers need");
    out.spot = pool.text("scaleSetPriority").value_or("Regular") == "Spot";
    out.labels = pool.text_map("nodeLabels");
    out.taints = aks_taints(pool, "nodeTaints");
    const auto spot_taint = [](const Taint& t) { return t.key == "kubernetes.azure.com/scalesetpriority"; };
    if (out.spot && std::none_of(out.taints.begin(), out.taints.end(), spot_taint))  // AKS sets it on spot pools itself
        out.taints.push_back({"kubernetes.azure.com/scalesetpriority", "spot", TaintEffect::no_schedule});
    out.availability_zones = pool.texts("availabilityZones");
    out.max_pods = pool.integer("maxPods", 10, 250).value_or(0);
    const auto now = pool.int32("count", 0, 5000), least = pool.int32("minCount", 0, 5000), most = pool.int32("maxCount", 0, 5000);
    out.autoscaled = pool.boolean("enableAutoScaling").value_or(false);
    if (*out.autoscaled && (!least || !most)) pool.missing(least ? "maxCount" : "minCount", "minCount and maxCount with enableAutoScaling");
    out.desired_capacity = now.value_or(least.value_or(1));
    out.min_size = *out.autoscaled ? least.value_or(out.desired_capacity) : out.desired_capacity;
    out.max_size = *out.autoscaled ? most.value_or(out.desired_capacity) : out.desired_capacity;
    if (out.min_size > out.max_size)
        pool.error("minCount", "found " + std::to_string(out.min_size) + " above maxCount " + std::to_string(out.max_size) + ", allowed: at most maxCount");
    out.desired_capacity = std::clamp(out.desired_capacity, out.min_size, std::max(out.min_size, out.max_size));
    if (const auto slice = pool.choice<std::string>("gpuInstanceProfile", {{"MIG1g", "1g"}, {"MIG2g", "2g"}, {"MIG3g", "3g"}, {"MIG4g", "4g"}, {"MIG7g", "7g"}})) out.division.mig_profile = *slice;
    pool.quiet({"mode", "type", "typePropertiesType", "osDiskSizeGB", "osDiskSizeGb", "osDiskType", "osSKU", "osSku", "kubeletDiskType", "orchestratorVersion", "currentOrchestratorVersion", "vnetSubnetID", "vnetSubnetId",
                "vnetSubnetReference", "podSubnetID", "podSubnetId", "podSubnetReference", "enableNodePublicIP", "enableNodePublicIp", "enableEncryptionAtHost", "enableFIPS", "enableFips", "enableUltraSSD", "enableUltraSsd", "tags",
                "upgradeSettings", "scaleSetEvictionPolicy", "spotMaxPrice", "powerState", "provisioningState", "kubeletConfig", "linuxOSConfig", "linuxOsConfig", "nodeImageVersion", "nodePublicIPPrefixID", "nodePublicIpPrefixId",
                "proximityPlacementGroupID", "proximityPlacementGroupId", "workloadRuntime", "creationData", "hostGroupID", "hostGroupId", "capacityReservationGroupID", "capacityReservationGroupId", "scaleDownMode", "networkProfile",
                "windowsProfile", "securityProfile", "gpuProfile", "messageOfTheDay", "id", "resourceGroup", "eTag", "virtualMachinesProfile", "virtualMachineNodesStatus", "artifactStreamingProfile", "gatewayProfile", "localDnsProfile",
                "podIpAllocationMode", "status", "systemData", "nodeTaintsInitialization"});
}

/// Zones are numbers in Azure, and "REGION-NUMBER" in node labels.
void name_zones(NodeGroup& group, const std::string& region) {
    group.region = region;
    for (std::string& zone : group.availability_zones)
        if (!region.empty() && zone.size() == 1) zone = region + "-" + zone;
}

std::string as_region(std::string location) {
    std::erase(location, ' ');
    return lower_case(location);  // "East US" and "eastus" are the same place
}

std::vector<NodeGroup> read_profiles(Decoder& cluster, const std::string& location) {
    std::vector<NodeGroup> out;
    for (Decoder& pool : cluster.children("agentPoolProfiles")) {
        NodeGroup group;
        group.where = pool.where();
        group.path = pool.path();
        group.name = pool.required_text("name");
        read_agent_pool(pool, group);
        name_zones(group, as_region(location));
        pool.finish();
        out.push_back(std::move(group));
    }
    return out;
}

}  // namespace

bool is_az_pool(const Node& node) { return node.is_map() && !node.find("kind") && node.find("vmSize") && node.find("name"); }
bool is_az_cluster(const Node& node) { return node.is_map() && node.find("agentPoolProfiles") && !node.find("apiVersion"); }

NodeGroup decode_az_pool(Decoder& pool) {
    NodeGroup out;
    out.where = pool.where();
    out.path = pool.path();
    out.name = pool.required_text("name");
    read_agent_pool(pool, out);
    name_zones(out, "");
    pool.finish();
    return out;
}

std::vector<NodeGroup> decode_az_cluster(Decoder& cluster) {
    auto out = read_profiles(cluster, cluster.text("location").value_or(""));
    for (const Node& member : cluster.node().children) cluster.quiet({member.key});  // control plane and network
    return out;
}

NodeGroup decode_agent_pool(Decoder& object, const ObjectMeta& meta) {
    NodeGroup out;
    out.meta = meta;
    out.where = meta.where;
    out.path = "spec";
    Decoder spec = object.child("spec");
    out.name = spec.text("azureName").value_or(meta.name);
    read_agent_pool(spec, out);
    name_zones(out, "");
    spec.quiet({"owner", "operatorSpec"});
    spec.finish();
    return out;
}

std::vector<NodeGroup> decode_managed_cluster(Decoder& object, const ObjectMeta& meta) {
    Decoder spec = object.child("spec");
    auto out = read_profiles(spec, spec.text("location").value_or(""));
    for (NodeGroup& group : out) group.meta = meta;
    if (const Node* profile = spec.take("autoScalerProfile"))
        if (!profile->children.empty())
            spec.warn("autoScalerProfile", "the autoscaler's settings are not read from here; cluster.scale_down_unneeded_s says the unneeded time");
    for (const Node& member : spec.node().children) spec.quiet({member.key});
    return out;
}

}  // namespace windtunnel
