#include "scenarios/kubernetes/kubernetes_nodes.hpp"

#include "scenarios/pods/kubernetes_taints.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

NodeGroup decode_node_group(Decoder& group, const ObjectMeta& meta, bool managed) {
    NodeGroup out;
    out.meta = meta;
    out.managed = managed;
    out.where = group.where();
    out.path = group.path();
    out.name = group.required_text("name");
    if (const auto type = group.text("instanceType"); type && *type != "mixed") out.instance_types = {*type};
    for (std::string& type : group.texts("instanceTypes")) out.instance_types.push_back(std::move(type));
    out.spot = group.boolean("spot").value_or(false);
    if (group.has("instancesDistribution")) {
        Decoder distribution = group.child("instancesDistribution");
        for (std::string& type : distribution.texts("instanceTypes")) out.instance_types.push_back(std::move(type));
        const auto base = distribution.int32("onDemandBaseCapacity", 0).value_or(0);
        const auto above = distribution.int32("onDemandPercentageAboveBaseCapacity", 0, 100).value_or(100);
        // EC2 Auto Scaling: on-demand machines in the order of the list, spot ones by the strategy, of which
        // lowest-price is the default [from general knowledge, not re-read, 2026-11].
        const auto strategy = distribution.choice<AllocationSpec>("spotAllocationStrategy", {{"lowest-price", AllocationSpec::cheapest}, {"capacity-optimized", AllocationSpec::deep},
                                                                                             {"capacity-optimized-prioritized", AllocationSpec::deep}, {"price-capacity-optimized", AllocationSpec::deep}});
        distribution.quiet({"spotInstancePools", "maxPrice", "capacityRebalance"});
        distribution.finish();
        out.spot = above == 0 && base == 0;
        out.buys_both = !out.spot && above < 100;
        out.on_demand_base = base;
        out.on_demand_percent = above;
        if (out.spot || out.buys_both) out.allocation = strategy.value_or(AllocationSpec::cheapest);
    } else if (managed && out.spot) {
        out.allocation = AllocationSpec::deep;  // managed groups buy spot price-capacity-optimized (EKS docs, 2025)
    }
    group.quiet({"instancesDistribution"});
    if (out.instance_types.empty()) {
        if (group.has("instanceSelector")) group.error("instanceSelector", "would change the result and is not simulated, allowed: instanceType or instanceTypes");
        else group.missing("instanceType", "a cloud's instance type, such as g6.xlarge");
    }
    group.quiet({"instanceSelector"});
    // eksctl: two nodes unless a size is given; min and max follow the desired size.
    const auto least = group.int32("minSize", 0, 100'000);
    const auto most = group.int32("maxSize", 0, 100'000);
    const auto desired = group.int32("desiredCapacity", 0, 100'000);
    out.desired_capacity = desired ? *desired : least ? *least : most ? std::min(2, *most) : 2;
    out.min_size = least.value_or(out.desired_capacity);
    out.max_size = most.value_or(std::max(out.desired_capacity, out.min_size));
    if (out.min_size > out.max_size)
        group.error("minSize", "found " + std::to_string(out.min_size) + " above maxSize " + std::to_string(out.max_size) + ", allowed: at most maxSize");
    if (desired && (out.desired_capacity < out.min_size || out.desired_capacity > out.max_size))
        group.error("desiredCapacity", "found " + std::to_string(out.desired_capacity) + ", allowed: from minSize " +
                                           std::to_string(out.min_size) + " to maxSize " + std::to_string(out.max_size));
    out.labels = group.text_map("labels");
    out.taints = decode_taint_list_or_map(group, "taints");
    out.availability_zones = group.texts("availabilityZones");
    out.max_pods = group.integer("maxPodsPerNode", 1, 1000).value_or(0);
    // A group aimed at a reservation, or at a capacity block, has no nodes beyond it; open ones are used up first (eksctl
    // documentation, 2025). How many nodes there are the scenario says (cluster.reservations).
    if (group.has("capacityReservation")) {
        Decoder reservation = group.child("capacityReservation");
        out.only_reserved = reservation.has("capacityReservationTarget");
        reservation.quiet({"capacityReservationTarget", "capacityReservationPreference"});
        reservation.finish();
    }
    if (group.has("instanceMarketOptions")) {
        Decoder market = group.child("instanceMarketOptions");
        const auto block = market.choice<bool>("marketType", {{"capacity-block", true}});
        out.only_reserved = out.only_reserved || block.value_or(false);
        market.finish();
    }
    group.harmless({"amiFamily", "ami", "volumeSize", "volumeType", "volumeIOPS", "volumeThroughput", "volumeEncrypted", "volumeName",
                    "iam", "ssh", "tags", "privateNetworking", "securityGroups", "subnets", "preBootstrapCommands",
                    "overrideBootstrapCommand", "additionalVolumes", "disableIMDSv1", "disablePodIMDS", "ebsOptimized", "launchTemplate",
                    "updateConfig", "bottlerocket", "asgMetricsCollection", "propagateASGTags", "instancePrefix", "instanceName",
                    "enableDetailedMonitoring", "efaEnabled", "placement", "targetGroupARNs", "classicLoadBalancerNames",
                    "containerRuntime", "nodeRepairConfig", "releaseVersion"});
    group.unsupported({"kubeletExtraConfig", "cpuCredits", "clusterDNS"}, "settings of the kubelet and of burstable machines");
    group.finish();
    return out;
}

}  // namespace

std::string cloud_name(CloudKind cloud) {
    switch (cloud) {
        case CloudKind::aws:
            return "aws";
        case CloudKind::gcp:
            return "gcp";
        case CloudKind::azure:
            return "azure";
        case CloudKind::oci:
            return "oci";
        case CloudKind::none:
            break;
    }
    return "";
}

std::vector<NodeGroup> decode_cluster_config(Decoder& object, const ObjectMeta& meta, std::string& region) {
    std::vector<NodeGroup> out;
    Decoder metadata = object.child("metadata");
    region = metadata.text("region").value_or("");
    const std::vector<std::string> zones = object.texts("availabilityZones");
    const auto read = [&](const char* key, bool managed) {
        for (Decoder& group : object.children(key)) {
            NodeGroup decoded = decode_node_group(group, meta, managed);
            const bool twice = std::any_of(out.begin(), out.end(), [&](const NodeGroup& g) { return g.name == decoded.name; });
            if (twice && !decoded.name.empty()) group.error("name", "found \"" + decoded.name + "\" a second time, allowed: each name once");
            if (decoded.availability_zones.empty()) decoded.availability_zones = zones;
            out.push_back(std::move(decoded));
        }
    };
    read("managedNodeGroups", true);
    read("nodeGroups", false);
    object.unsupported({"fargateProfiles"}, "Fargate pods");
    Decoder automatic = object.child("autoModeConfig");
    if (automatic.boolean("enabled").value_or(false) && automatic.has("nodePools"))
        automatic.warn("nodePools", "EKS Auto Mode's built-in node pools are not made, allowed: NodePools among the manifests");
    automatic.quiet({"nodePools", "nodeRoleARN", "permissionsBoundaryARN"});
    automatic.finish();
    object.harmless({"karpenter"});  // installs the controller; its NodePools are objects of their own
    object.harmless({"iam", "vpc", "addons", "cloudWatch", "privateCluster", "secretsEncryption", "identityProviders", "gitops",
                     "kubernetesNetworkConfig", "accessConfig", "iamIdentityMappings", "upgradePolicy", "localZones", "outpost", "addonsConfig", "zonalShiftConfig"});
    return out;
}

PodDisruptionBudget decode_pod_disruption_budget(Decoder& object, ObjectMeta meta) {
    PodDisruptionBudget out;
    out.meta = std::move(meta);
    Decoder spec = object.child("spec");
    if (spec.has("selector")) out.selector = decode_label_selector(spec.child("selector"));
    else spec.warn("", "has no selector, which matches no pod: it guards nothing; write selector: {} for all pods of the namespace");
    out.min_available = spec.int_or_percent("minAvailable");
    out.max_unavailable = spec.int_or_percent("maxUnavailable");
    out.always_allow_unhealthy = spec.choice<bool>("unhealthyPodEvictionPolicy", {{"IfHealthyBudget", false}, {"AlwaysAllow", true}}).value_or(false);
    for (const auto& [key, bound] : {std::pair("minAvailable", out.min_available), std::pair("maxUnavailable", out.max_unavailable)})
        if (bound && bound->percent && bound->value > 100) spec.error(key, "found " + std::to_string(bound->value) + "%, allowed: at most 100%");
    if (spec.has("minAvailable") && spec.has("maxUnavailable")) spec.error("", "has both minAvailable and maxUnavailable, allowed: exactly one");
    if (!spec.has("minAvailable") && !spec.has("maxUnavailable")) {
        // The API server takes it; no disruption is ever allowed (its controller expects no pods).
        spec.warn("", "has neither minAvailable nor maxUnavailable: it lets no pod be evicted; write one of them");
        out.max_unavailable = IntOrPercent{0, false};
    }
    spec.finish();
    return out;
}

PriorityClass decode_priority_class(Decoder& object, ObjectMeta meta) {
    PriorityClass out;
    out.meta = std::move(meta);
    if (!object.has("value")) object.missing("value", "an integer");
    out.value = object.int32("value", INT32_MIN, 2'000'001'000).value_or(0);
    out.global_default = object.boolean("globalDefault").value_or(false);
    const bool of_the_system = out.meta.name == "system-cluster-critical" || out.meta.name == "system-node-critical";
    if (!of_the_system && out.value > 1'000'000'000) object.error("value", "found " + std::to_string(out.value) + ", allowed: at most 1000000000, above which are the system's own");
    out.preempts = object.choice<bool>("preemptionPolicy", {{"PreemptLowerPriority", true}, {"Never", false}}).value_or(true);
    object.quiet({"description"});
    return out;
}

}  // namespace windtunnel
