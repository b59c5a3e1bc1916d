#include "models/gpu_catalog.hpp"
#include "models/instance_types.hpp"
#include "scenarios/kubernetes/kubernetes_clouds.hpp"
#include "scenarios/pods/kubernetes_taints.hpp"

#include <algorithm>
#include <set>

namespace windtunnel {
namespace {

bool is_zone(const std::string& location) { return region_of_zone("gcp", location) != location; }

/// GKE writes effects as NO_SCHEDULE.
std::vector<Taint> gke_taints(Decoder& map, const std::string& key) {
    std::vector<Taint> out;
    for (Decoder& item : map.children(key)) {
        Taint taint;
        taint.key = item.required_text("key");
        taint.value = item.text("value").value_or("");
        if (!item.has("effect")) item.missing("effect", "NO_SCHEDULE, PREFER_NO_SCHEDULE or NO_EXECUTE");
        taint.effect = item.choice<TaintEffect>("effect", {{"NO_SCHEDULE", TaintEffect::no_schedule}, {"PREFER_NO_SCHEDULE", TaintEffect::prefer_no_schedule},
                                                           {"NO_EXECUTE", TaintEffect::no_execute}, {"NoSchedule", TaintEffect::no_schedule}})
                           .value_or(TaintEffect::no_schedule);
        item.finish();
        out.push_back(std::move(taint));
    }
    return out;
}

/// Numbers that gcloud prints as text.
std::optional<std::int32_t> count_of(Decoder& map, const std::string& key) {
    const Node* node = map.take(key);
    if (node == nullptr) return std::nullopt;
    const auto value = to_integer(node->text);
    if (!value || *value < 0 || *value > 100'000) {
        map.error(key, "found " + describe(*node) + ", allowed: a number from 0 to 100000");
        return std::nullopt;
    }
    return static_cast<std::int32_t>(*value);
}

/// Pods that share each GPU, or slice, of a pool.
void read_sharing(Decoder& sharing, GpuDivision& out) {
    out.mps = sharing.choice<bool>("gpuSharingStrategy", {{"TIME_SHARING", false}, {"MPS", true}}).value_or(false);
    out.clients = std::max(count_of(sharing, "maxSharedClientsPerGpu").value_or(2), 1);
    if (out.clients > 48) sharing.error("maxSharedClientsPerGpu", "found " + std::to_string(out.clients) + ", allowed: from 2 to 48");
    sharing.finish();
}

/// `nodeConfig` of Config Connector, `config` of gcloud.
void read_node_config(Decoder config, NodeGroup& out) {
    out.instance_types = {config.text("machineType").value_or("e2-medium")};  // GKE's default machine
    out.spot = config.boolean("spot").value_or(false) || config.boolean("preemptible").value_or(false);
    out.labels = config.text_map("labels");
    for (const char* key : {"taint", "taints"})
        for (Taint& taint : gke_taints(config, key)) out.taints.push_back(std::move(taint));
    for (const char* key : {"guestAccelerator", "accelerators"})
        for (Decoder& card : config.children(key)) {
            const auto type = card.text("type"), gcloud_type = card.text("acceleratorType");
            out.accelerator = type ? *type : gcloud_type.value_or("");
            out.accelerator_count = count_of(card, card.has("count") ? "count" : "acceleratorCount").value_or(1);
            out.division.mig_profile = card.text("gpuPartitionSize").value_or("");
            // Config Connector has a list of one, gcloud a map.
            for (const char* name : {"gpuSharingConfig", "gpuSharing"}) {
                const Node* given = card.take(name);
                if (given != nullptr && given->is_list())
                    for (Decoder& sharing : card.children(name)) read_sharing(sharing, out.division);
                else if (given != nullptr) {
                    Decoder sharing = card.child(name);
                    read_sharing(sharing, out.division);
                }
            }
            if (!out.division.mig_profile.empty()) out.labels.try_emplace("cloud.google.com/gke-gpu-partition-size", out.division.mig_profile);
            if (out.division.clients > 1) {
                out.labels.try_emplace("cloud.google.com/gke-gpu-sharing-strategy", out.division.mps ? "mps" : "time-sharing");
                out.labels.try_emplace("cloud.google.com/gke-max-shared-clients-per-gpu", std::to_string(out.division.clients));
            }
            card.quiet({"gpuDriverInstallationConfig", "gpuDriverInstallation"});
            card.finish();
        }
    // GKE taints GPU nodes itself, and tolerates that taint for pods that ask for GPUs.
    const bool tainted = std::any_of(out.taints.begin(), out.taints.end(), [](const Taint& t) { return t.key == "nvidia.com/gpu"; });
    if (!out.accelerator.empty() && !tainted) out.taints.push_back({"nvidia.com/gpu", "present", TaintEffect::no_schedule});
    config.harmless({"diskSizeGb", "diskType", "imageType", "localSsdCount", "minCpuPlatform", "ephemeralStorageConfig", "ephemeralStorageLocalSsdConfig", "localNvmeSsdBlockConfig"});
    config.quiet({"oauthScopes", "serviceAccount", "serviceAccountRef", "metadata", "tags", "shieldedInstanceConfig", "workloadMetadataConfig", "gcfsConfig", "gvnic", "bootDiskKMSCryptoKeyRef",
                  "bootDiskKmsKey", "loggingConfig", "loggingVariant", "resourceLabels", "resourceManagerTags", "advancedMachineFeatures", "linuxNodeConfig", "kubeletConfig", "effectiveCgroupMode",
                  "windowsNodeConfig", "fastSocket", "confidentialNodes", "enableConfidentialStorage", "storagePools", "secondaryBootDisks", "containerdConfig", "nodeGroup", "nodeGroupRef", "bootDisk"});
    // ANY: matching reservations are used up first, which the scenario describes (cluster.reservations); SPECIFIC: the pool has
    // no nodes beyond the reservation; NO: none of it (GKE documentation, consuming reserved zonal resources, 2025).
    if (config.has("reservationAffinity")) {
        Decoder affinity = config.child("reservationAffinity");
        const auto use = affinity.choice<int>("consumeReservationType", {{"NO_RESERVATION", 0}, {"ANY_RESERVATION", 1}, {"UNSPECIFIED", 1}, {"SPECIFIC_RESERVATION", 2}}).value_or(1);
        out.never_reserved = use == 0;
        out.only_reserved = use == 2;
        affinity.quiet({"key", "values"});
        affinity.finish();
    }
    // "604800s": the cloud ends a node after that long (Compute Engine, limited run time, 2025). A run that is shorter never sees it.
    if (const auto most = config.text("maxRunDuration")) {
        const std::string number = most->substr(0, most->find('s'));
        const bool whole = !number.empty() && number.size() <= 9 && number.find_first_not_of("0123456789") == std::string::npos && most->size() <= number.size() + 1;
        if (whole)
            out.longest_run = seconds(std::stoll(number));
        else
            config.error("maxRunDuration", "found \"" + *most + "\", allowed: seconds such as 604800s");
    }
    if (config.boolean("flexStart").value_or(false))
        config.error("flexStart", "would change the result and is not simulated: flex-start, whose nodes come when the cloud has them, allowed: standard or spot nodes");
    config.unsupported({"sandboxConfig"}, "sandboxes");
    config.finish();
}

/// Bounds: for each zone, or with `total...` for all together. Without autoscaling the pool keeps its size.
void read_sizes(Decoder& pool, NodeGroup& out, std::optional<std::int32_t> per_zone) {
    Decoder scaling = pool.child("autoscaling");
    // Config Connector has no `enabled`: bounds say it; gcloud prints an empty map where it is off.
    const bool on = scaling.boolean("enabled").value_or(!scaling.node().children.empty());
    const auto zones = static_cast<std::int32_t>(std::max<std::size_t>(out.availability_zones.size(), 1));
    const auto least = count_of(scaling, "minNodeCount"), most = count_of(scaling, "maxNodeCount");
    const auto total_least = count_of(scaling, "totalMinNodeCount"), total_most = count_of(scaling, "totalMaxNodeCount");
    const bool any = scaling.choice<bool>("locationPolicy", {{"BALANCED", false}, {"ANY", true}}).value_or(out.spot);
    scaling.quiet({"autoprovisioned"});
    scaling.finish();
    out.autoscaled = on;
    out.desired_capacity = per_zone.value_or(on ? least.value_or(0) : 1) * zones;
    out.min_size = out.max_size = out.desired_capacity;
    if (!on) return;
    out.zone_groups = true;
    out.balances = !any;
    if (total_most && *total_most > 0) {
        out.min_size = total_least.value_or(0);
        out.max_size = *total_most;
    } else {
        out.zone_min = least.value_or(0);
        out.zone_max = most.value_or(0);
        if (!most) scaling.missing("maxNodeCount", "the most nodes of each zone (or totalMaxNodeCount)");
        out.min_size = out.zone_min * zones;
        out.max_size = *out.zone_max * zones;
    }
    if (out.min_size > out.max_size) scaling.error("minNodeCount", "found " + std::to_string(out.min_size) + " nodes above a maximum of " + std::to_string(out.max_size) + ", allowed: at most the maximum");
    out.desired_capacity = std::clamp(out.desired_capacity, out.min_size, std::max(out.min_size, out.max_size));
}

void read_provisioning(Decoder& scaling, const std::string& location, const std::vector<std::string>& zones, std::optional<NodeAutoProvisioning>& out) {
    NodeAutoProvisioning found;
    found.where = scaling.where();
    found.path = scaling.path();
    found.region = is_zone(location) ? region_of_zone("gcp", location) : location;
    found.zones = zones;
    if (found.zones.empty() && is_zone(location)) found.zones = {location};
    for (Decoder& limit : scaling.children("resourceLimits")) {
        const std::string type = limit.required_text("resourceType");
        (void)count_of(limit, "minimum");
        if (const Node* most = limit.take("maximum"))
            if (const auto value = to_integer(most->text)) found.limits[type] = *value;
        limit.finish();
    }
    if (const auto profile = scaling.text("autoscalingProfile"); profile && *profile == "OPTIMIZE_UTILIZATION")
        scaling.warn("autoscalingProfile", "OPTIMIZE_UTILIZATION removes nodes sooner than is simulated: its times are not published; cluster.scale_down_unneeded_s says them");
    scaling.quiet({"autoProvisioningDefaults", "autoprovisioningNodePoolDefaults", "autoProvisioningLocations", "autoprovisioningLocations", "defaultComputeClassConfig"});
    out = std::move(found);
}

}  // namespace

void fill_zones(NodeGroup& group, const std::string& location) {
    group.cloud = CloudKind::gcp;
    group.region = region_of_zone("gcp", location);
    if (!group.availability_zones.empty() || location.empty()) return;
    if (is_zone(location)) {
        group.availability_zones = {location};
        return;
    }
    // A region: GKE takes three of its zones, for machines with GPUs three that have them.
    const auto type = get_instance_type("gcp", group.instance_types.empty() ? "" : group.instance_types.front());
    if (type && (*type)->zones.contains(location))
        for (const std::string& suffix : (*type)->zones.at(location))
            if (group.availability_zones.size() < 3) group.availability_zones.push_back(location + "-" + suffix);
    if (group.availability_zones.empty()) {
        const bool from_b = location == "us-east1" || location == "europe-west1";  // they have no zone a
        for (const char* suffix : {"a", "b", "c", "d"})
            if (group.availability_zones.size() < 3 && !(from_b && suffix[0] == 'a')) group.availability_zones.push_back(location + "-" + suffix);
    }
}

bool is_gcloud_pool(const Node& node) {
    return node.is_map() && !node.find("kind") && node.find("config") && node.find("name") && (node.find("selfLink") || node.find("locations") || node.find("initialNodeCount"));
}
bool is_gcloud_cluster(const Node& node) {
    return node.is_map() && !node.find("kind") && node.find("nodePools") && node.find("name") && (node.find("location") || node.find("zone"));
}

NodeGroup decode_gcloud_pool(Decoder& pool) {
    NodeGroup out;
    out.where = pool.where();
    out.path = pool.path();
    out.name = pool.required_text("name");
    out.availability_zones = pool.texts("locations");
    read_node_config(pool.child("config"), out);
    std::string location = out.availability_zones.empty() ? "" : out.availability_zones.front();
    if (const auto link = pool.text("selfLink"); location.empty() && link) {
        for (const char* part : {"/zones/", "/locations/"})
            if (const std::size_t at = link->find(part); at != std::string::npos) {
                const std::size_t from = at + std::string(part).size();
                location = link->substr(from, link->find('/', from) - from);
            }
    }
    fill_zones(out, location);
    const auto initial = count_of(pool, "initialNodeCount");
    read_sizes(pool, out, initial);
    if (const Node* pods = pool.take("maxPodsConstraint"))
        if (const auto most = to_integer(pods->text_at({"maxPodsPerNode"}))) out.max_pods = *most;
    if (pool.has("queuedProvisioning")) {
        Decoder queued = pool.child("queuedProvisioning");
        if (queued.boolean("enabled").value_or(false))
            queued.error("enabled", "would change the result and is not simulated: nodes that come all at once for a ProvisioningRequest, allowed: standard or spot nodes");
        queued.finish();
    }
    pool.quiet({"etag", "instanceGroupUrls", "management", "networkConfig", "podIpv4CidrSize", "selfLink", "status", "statusMessage", "upgradeSettings", "version", "conditions", "updateInfo", "placementPolicy", "bestEffortProvisioning", "nodeCount"});
    pool.finish();
    return out;
}

std::vector<NodeGroup> decode_gcloud_cluster(Decoder& cluster, std::optional<NodeAutoProvisioning>& provisioning) {
    std::vector<NodeGroup> out;
    for (Decoder& pool : cluster.children("nodePools")) out.push_back(decode_gcloud_pool(pool));
    const std::string location = cluster.text("location").value_or(cluster.text("zone").value_or(""));
    Decoder scaling = cluster.child("autoscaling");
    if (scaling.boolean("enableNodeAutoprovisioning").value_or(false)) read_provisioning(scaling, location, cluster.texts("locations"), provisioning);
    // The rest of a cluster's description is about its control plane and network.
    for (const Node& member : cluster.node().children) cluster.quiet({member.key});
    return out;
}

NodeGroup decode_container_node_pool(Decoder& object, const ObjectMeta& meta) {
    NodeGroup out;
    out.meta = meta;
    out.name = meta.name;
    out.where = meta.where;
    Decoder spec = object.child("spec");
    out.path = "spec";
    if (const auto id = spec.text("resourceID")) out.name = *id;
    if (!spec.has("location")) spec.missing("location", "a region or a zone, such as us-central1-a");
    out.availability_zones = spec.texts("nodeLocations");
    read_node_config(spec.child("nodeConfig"), out);
    fill_zones(out, spec.text("location").value_or(""));
    const auto initial = spec.int32("initialNodeCount", 0, 100'000), now = spec.int32("nodeCount", 0, 100'000);
    read_sizes(spec, out, now ? now : initial);
    out.max_pods = spec.integer("maxPodsPerNode", 8, 256).value_or(0);
    spec.quiet({"clusterRef", "management", "upgradeSettings", "networkConfig", "version", "namePrefix", "placementPolicy", "maxPodsPerNode"});
    spec.finish();
    return out;
}

std::vector<NodeGroup> decode_container_cluster(Decoder& object, const ObjectMeta& meta, std::optional<NodeAutoProvisioning>& provisioning) {
    std::vector<NodeGroup> out;
    Decoder spec = object.child("spec");
    const std::string location = spec.text("location").value_or("");
    const std::vector<std::string> zones = spec.texts("nodeLocations");
    Decoder scaling = spec.child("clusterAutoscaling");
    if (scaling.boolean("enabled").value_or(false)) read_provisioning(scaling, location, zones, provisioning);
    scaling.quiet({"autoProvisioningDefaults", "autoscalingProfile", "resourceLimits"});
    scaling.finish();
    if (spec.boolean("enableAutopilot").value_or(false))
        spec.error("enableAutopilot", "would change the result and is not simulated: Autopilot's machines and prices, allowed: clusters with node pools");
    const bool keeps = !spec.text("removeDefaultNodePool").has_value() && meta.annotations.find("cnrm.cloud.google.com/remove-default-node-pool") == meta.annotations.end();
    const auto initial = spec.int32("initialNodeCount", 0, 100'000);
    if (keeps && initial && *initial > 0 && spec.has("nodeConfig")) {
        NodeGroup pool;
        pool.meta = meta;
        pool.name = "default-pool";
        pool.where = meta.where;
        pool.path = "spec.nodeConfig";
        pool.availability_zones = zones;
        read_node_config(spec.child("nodeConfig"), pool);
        fill_zones(pool, location);
        pool.autoscaled = false;
        pool.desired_capacity = pool.min_size = pool.max_size = *initial * static_cast<std::int32_t>(std::max<std::size_t>(pool.availability_zones.size(), 1));
        out.push_back(std::move(pool));
    }
    for (const Node& member : spec.node().children) spec.quiet({member.key});  // control plane and network
    return out;
}

ComputeClass decode_compute_class(Decoder& object, ObjectMeta meta) {
    ComputeClass out;
    out.meta = std::move(meta);
    Decoder spec = object.child("spec");
    if (!spec.has("priorities")) spec.missing("priorities", "a list of rules, such as [{machineFamily: g2, spot: true}]");
    for (Decoder& rule : spec.children("priorities")) {
        ComputeClassRule r;
        r.machine_family = rule.text("machineFamily").value_or("");
        r.machine_type = rule.text("machineType").value_or("");
        r.spot = rule.boolean("spot");
        r.min_cores = rule.int32("minCores", 0, 10'000).value_or(0);
        r.min_memory_gb = rule.integer("minMemoryGb", 0, 100'000).value_or(0);
        r.pools = rule.texts("nodepools");
        if (rule.has("gpu")) {
            Decoder gpu = rule.child("gpu");
            r.gpu = gpu.required_text("type");
            r.gpu_count = gpu.int32("count", 1, 16).value_or(1);
            gpu.quiet({"driverVersion"});
            gpu.finish();
        }
        rule.harmless({"storage", "maxPodsPerNode", "location", "nodeSystemConfig", "placement", "serviceAccount", "imageType", "imageStreaming", "maxRunDurationSeconds"});
        if (rule.has("reservations")) rule.warn("reservations", "which reservations there are and how many machines they hold, cluster.reservations says; without it the rule's machines are on demand, as many as are wanted");
        rule.quiet({"reservations"});
        const bool flexible = rule.has("flexStart") && rule.node().find("flexStart")->is_map() && rule.child("flexStart").boolean("enabled").value_or(true);
        if (flexible) rule.warn("flexStart", "nodes that come when Google has some to spare are not simulated: this rule gives none, the others hold");
        rule.quiet({"flexStart"});
        rule.unsupported({"tpu"}, "TPUs, allowed: rules with GPUs");
        rule.unsupported({"podFamily"}, "pod families, whose machines Autopilot chooses, allowed: machineType or machineFamily, with gpu");
        rule.finish();
        if (!flexible) out.rules.push_back(std::move(r));
    }
    if (out.rules.empty() && spec.has("priorities"))
        spec.error("priorities", "found rules with flexStart alone, which is not simulated, allowed: a rule on demand or spot beside it");
    Decoder creation = spec.child("nodePoolAutoCreation");
    out.creates_pools = creation.boolean("enabled").value_or(false);
    creation.finish();
    out.scales_up_anyway = spec.choice<bool>("whenUnsatisfiable", {{"ScaleUpAnyway", true}, {"DoNotScaleUp", false}}).value_or(false);
    if (spec.has("activeMigration")) spec.warn("activeMigration", "pods are not moved to a preferred rule's nodes later");
    if (spec.has("autoscalingPolicy")) spec.warn("autoscalingPolicy", "the class's own consolidation is not simulated, the cluster's holds");
    spec.quiet({"activeMigration", "autoscalingPolicy", "nodePoolConfig", "nodePoolGroup", "priorityDefaults", "description", "autopilot"});
    spec.finish();
    return out;
}

}  // namespace windtunnel
