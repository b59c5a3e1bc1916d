#include "scenarios/compile/node_offerings.hpp"

#include "models/instance_types.hpp"
#include "scenarios/node_labels.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <tuple>

namespace windtunnel {
namespace {

const char* const type_label = "node.kubernetes.io/instance-type";
const char* const zone_label = "topology.kubernetes.io/zone";
constexpr const char* capacity_label = "karpenter.sh/capacity-type";

/// Memory of one GPU in MiB, by EC2 family, as the label has it [from general knowledge, not re-read, 2026-11].
/// Families that are not here have no such label.
struct FamilyRow {
    const char* family;
    int gpu_memory_mib;
};
constexpr FamilyRow families[] = {{"g4dn", 16384}, {"g5", 24576}, {"g5g", 16384}, {"g6", 22888}, {"gr6", 22888}, {"g6e", 45776}, {"p3", 16384}, {"p3dn", 32768},
                                  {"p4d", 40960}, {"p4de", 81920}, {"p5", 81920}, {"p5e", 144384}, {"p5en", 144384}};

std::string family_of(const std::string& name) { return name.substr(0, name.find('.')); }

/// Who made a family's processors. `options` are the letters behind the generation: a = AMD, g = Graviton
/// (EC2's naming, 2025); GPU families have them unnamed.
std::string manufacturer_of(const std::string& family, const std::string& options) {
    const bool gpu = family.starts_with("g") || family.starts_with("p");
    if (options.find('g') != std::string::npos) return "aws";
    if (gpu)
        return family.starts_with("g5") || family.starts_with("g6") || family.starts_with("gr6") || (family.starts_with("p5") && family != "p5en") ? "amd" : "intel";
    return options.find('a') != std::string::npos ? "amd" : "intel";
}

Labels aws_labels(const InstanceType& type) {
    Labels out;
    const std::string prefix = "karpenter.k8s.aws/instance-";
    const std::string family = family_of(type.name);
    const std::size_t digits = std::min(family.find_first_of("0123456789"), family.size());
    const std::size_t end = std::min(family.find_first_not_of("0123456789", digits), family.size());
    const std::string size = family.size() < type.name.size() ? type.name.substr(family.size() + 1) : "";
    const bool metal = size.starts_with("metal");
    out[prefix + "family"] = family;
    out[prefix + "category"] = family.substr(0, digits);
    out[prefix + "generation"] = family.substr(digits, end - digits);
    if (!size.empty()) out[prefix + "size"] = size;
    out[prefix + "cpu"] = std::to_string(type.vcpus);
    out[prefix + "cpu-manufacturer"] = manufacturer_of(family, family.substr(end));
    out[prefix + "memory"] = std::to_string(static_cast<std::int64_t>(type.memory_gib * 1024));  // MiB
    if (type.local_nvme_gb > 0) out[prefix + "local-nvme"] = std::to_string(type.local_nvme_gb);
    // Xen: p3 without p3dn; bare metal has no hypervisor. Encryption in transit:
    // all of these families but p3 and g5g [from general knowledge, not re-read, 2026-11].
    if (!metal) out[prefix + "hypervisor"] = family == "p3" ? "xen" : "nitro";
    out[prefix + "encryption-in-transit-supported"] = family == "p3" || family == "g5g" ? "false" : "true";
    if (type.gpu_count > 0) {
        out[prefix + "gpu-count"] = std::to_string(type.gpu_count);
        out[prefix + "gpu-manufacturer"] = "nvidia";
    }
    for (const FamilyRow& row : families)
        if (family == row.family && type.gpu_count > 0) out[prefix + "gpu-memory"] = std::to_string(row.gpu_memory_mib);
    out["kubernetes.io/arch"] = type.arch;
    return out;
}

Labels azure_labels(const InstanceType& type) {
    Labels out;
    const std::string prefix = "karpenter.azure.com/sku-";
    const std::string name = type.name.starts_with("Standard_") ? type.name.substr(9) : type.name;
    out[prefix + "name"] = type.name;
    out[prefix + "family"] = name.substr(0, 1);
    const std::size_t version = name.rfind("_v");
    out[prefix + "version"] = version == std::string::npos ? "1" : name.substr(version + 2);
    out[prefix + "cpu"] = std::to_string(type.vcpus);
    out[prefix + "memory"] = std::to_string(static_cast<std::int64_t>(type.memory_gib * 1024));
    out[prefix + "gpu-count"] = std::to_string(type.gpu_count);
    if (type.gpu_count > 0) out[prefix + "gpu-manufacturer"] = type.gpu.starts_with("mi") ? "amd" : "nvidia";
    return out;
}

/// The zones a pool's nodes can stand in: its node class's subnets, the cluster's, those that its requirements
/// name, or one without a name.
std::vector<std::string> zones_of(const KarpenterNodePool& pool, const Manifests& manifests, const ClusterSpec& cluster) {
    for (const KarpenterNodeClass& c : manifests.node_classes)
        if (c.meta.kind == pool.node_class_kind && c.meta.name == pool.node_class && !c.zones.empty()) return c.zones;
    if (!cluster.zones.empty()) return cluster.zones;
    for (const NodeRequirement& r : pool.requirements)
        if (r.expression.key == zone_label && r.expression.op == SelectorOperator::in && !r.expression.values.empty()) return r.expression.values;
    return {""};
}

/// Whether a name or a category is of an EC2 family without GPUs ("c5.large", "m"), of which the catalogue has few.
bool is_cpu_family(const std::string& name) {
    static const std::set<std::string> categories = {"a", "c", "d", "h", "hpc", "i", "im", "is", "m", "r", "t", "u", "x", "z"};
    const std::size_t digit = name.find_first_of("0123456789");
    return categories.contains(name.substr(0, digit));
}

/// Whether the requirement asks for CPU machines only.
bool wants_cpu_only(const SelectorExpression& e) {
    const bool by_name = e.key == type_label || e.key == "karpenter.k8s.aws/instance-family" || e.key == "karpenter.k8s.aws/instance-category";
    return by_name && e.op == SelectorOperator::in && !e.values.empty() && std::all_of(e.values.begin(), e.values.end(), is_cpu_family);
}

std::string shown_values(const std::vector<NodeOffering>& offerings, const std::string& key) {
    std::set<std::string> values;
    for (const NodeOffering& o : offerings) {
        const auto found = o.labels.find(key);
        if (found != o.labels.end() && !found->second.empty()) values.insert(found->second);
    }
    std::vector<std::string> first(values.begin(), values.end());
    const bool more = first.size() > 12;
    if (more) first.resize(12);
    return first.empty() ? "no such label" : join(first) + (more ? ", ..." : "");
}

/// What Karpenter takes an offering's price to be: the heaviest overlay that matches says it, of equals the last by name.
std::int64_t weighed_price(const NodeOffering& offering, const KarpenterNodePool& pool, const std::vector<KarpenterOverlay>& overlays) {
    Labels labels = offering.labels;
    labels["karpenter.sh/nodepool"] = pool.meta.name;
    const KarpenterOverlay* held = nullptr;
    for (const KarpenterOverlay& o : overlays)
        if (o.matches(labels) && (held == nullptr || std::tuple(o.weight, o.meta.name) > std::tuple(held->weight, held->meta.name))) held = &o;
    return held == nullptr ? offering.nano_usd_per_hour : held->price(offering.nano_usd_per_hour);
}

/// Whether requirements name the capacity type reserved (Karpenter 1.3 and later, 2025).
bool asks_for_reserved(const KarpenterNodePool& pool) {
    return std::any_of(pool.requirements.begin(), pool.requirements.end(), [](const NodeRequirement& r) {
        return r.expression.key == capacity_label && r.expression.op == SelectorOperator::in &&
               std::find(r.expression.values.begin(), r.expression.values.end(), "reserved") != r.expression.values.end();
    });
}

/// Reservations of a pool that asks for them are offerings of their own, with the label by which pods choose them. Without
/// that, its launches on demand fall into the reservation, as EC2's open ones let them.
void add_reserved(const KarpenterNodePool& pool, const Manifests& manifests, const ClusterSpec& cluster, std::vector<NodeOffering>& offerings, Findings& findings) {
    if (!asks_for_reserved(pool)) return;
    const KarpenterNodeClass* made_of = nullptr;
    for (const KarpenterNodeClass& c : manifests.node_classes)
        if (c.meta.kind == pool.node_class_kind && c.meta.name == pool.node_class) made_of = &c;
    const std::size_t bought = offerings.size();
    bool any = false;
    for (std::size_t c = 0; c < cluster.reservations.size(); ++c) {
        const ReservationSpec& reservation = cluster.reservations[c];
        if (reservation.pool != pool.meta.name) continue;
        any = true;
        for (std::size_t i = 0; i < bought; ++i) {
            const NodeOffering& o = offerings[i];
            if (o.capacity != CapacityType::on_demand || (!reservation.zone.empty() && reservation.zone != o.zone) ||
                (!reservation.instance_type.empty() && reservation.instance_type != o.type->name))
                continue;
            NodeOffering reserved = o;
            reserved.labels[capacity_label] = "reserved";
            reserved.reservation = static_cast<std::int32_t>(c);
            offerings.push_back(std::move(reserved));
        }
    }
    if (any && made_of != nullptr && made_of->meta.kind == "EC2NodeClass" && !made_of->selects_reservations)
        findings.warnings.push_back({pool.where, "spec.template.spec.nodeClassRef", fmt::format("is of {}, which selects no reservations (capacityReservationSelectorTerms): Karpenter would see none, and buy", made_of->meta.title())});
    if (any) return;
    std::string write = fmt::format("cluster.reservations: [{{pool: {}, nodes: N, instance_type: TYPE}}]", pool.meta.name);
    if (made_of != nullptr && !made_of->reservations.empty()) write += fmt::format("; {} has {}", made_of->meta.title(), fmt::join(made_of->reservations, ", "));
    for (const NodeRequirement& r : pool.requirements)
        if (r.expression.key == capacity_label && r.expression.values.size() == 1)
            findings.errors.push_back({r.where, r.path, "asks for reserved capacity alone, and the scenario reserves nothing for this pool, allowed: " + write});
        else if (r.expression.key == capacity_label)
            findings.warnings.push_back({r.where, r.path, "asks for reserved capacity, of which manifests do not say how much there is, and the scenario reserves nothing for this pool (" + write + "): its nodes are bought"});
}

void check_type_names(const KarpenterNodePool& pool, const std::string& cloud, Findings& findings) {
    for (const NodeRequirement& r : pool.requirements) {
        if (r.expression.key != type_label || r.expression.op != SelectorOperator::in) continue;
        for (const std::string& name : r.expression.values) {
            if (is_cpu_family(name) && cloud == "aws") {
                findings.warnings.push_back({r.where, r.path, fmt::format("names {}, a type without GPUs that the catalogue lacks: it is left out", name)});
                continue;
            }
            if (const auto type = get_instance_type(cloud, name); !type) findings.errors.push_back({r.where, r.path, type.problems().front().message});
        }
    }
}

}  // namespace

Labels karpenter_labels(const InstanceType& type) {
    if (type.cloud == "aws") return aws_labels(type);
    if (type.cloud == "azure") return azure_labels(type);
    return {};
}

std::vector<NodeOffering> karpenter_offerings(const KarpenterNodePool& pool, const Manifests& manifests, const ClusterSpec& cluster, Findings& findings) {
    std::vector<NodeOffering> offerings;
    const std::string cloud = cloud_name(cluster.cloud);
    const auto refuse = [&](const std::string& message) { findings.errors.push_back({pool.where, "spec.template.spec.requirements", message}); };
    if (cloud.empty()) {
        refuse(pool.meta.title() + " chooses instance types, for which the scenario must say cluster.cloud and cluster.region");
        return offerings;
    }
    const std::vector<std::string> zones = zones_of(pool, manifests, cluster);
    const std::size_t errors = findings.errors.size();
    check_type_names(pool, cloud, findings);
    if (findings.errors.size() > errors) return offerings;
    for (const InstanceType& type : all_instance_types()) {
        if (type.cloud != cloud) continue;
        for (const std::string& zone : zones)
            for (const CapacityType capacity : {CapacityType::spot, CapacityType::on_demand}) {
                const std::string place = !zone.empty() ? zone : cluster.region;
                const auto own = cluster.prices.find(cloud, type.name, place, capacity);
                const auto price = own ? Result<std::int64_t>(*own / 1000) : instance_price(type, place, capacity);
                if (!price || (!own && cluster.prices.speaks_of(capacity) && !cluster.prices.places_of(type.name).empty())) continue;
                NodeOffering offering{&type, zone, capacity, own ? *own : *price * 1000, 0, {}};
                PoolSpec spec;
                spec.name = pool.meta.name;
                spec.capacity = capacity;
                spec.labels = karpenter_labels(type);
                for (const auto& [key, value] : pool.labels) spec.labels[key] = value;
                spec.path = "cluster.pools";  // a Karpenter node carries Karpenter's labels
                ClusterSpec here = cluster;
                here.region = region_of_zone(cloud, place);
                offering.labels = node_labels(spec, here, type.name, zone);
                // EKS Auto Mode has the same labels under its own name.
                const std::string prefix = "karpenter.k8s.aws/instance-";
                const Labels set = offering.labels;
                for (const auto& [key, value] : set)
                    if (key.starts_with(prefix)) offering.labels.try_emplace("eks.amazonaws.com/instance-" + key.substr(prefix.size()), value);
                for (const char* foreign : {"eks.amazonaws.com/nodegroup", "alpha.eksctl.io/nodegroup-name", "eks.amazonaws.com/capacityType", "kubernetes.azure.com/agentpool", "agentpool"})
                    if (!pool.labels.contains(foreign)) offering.labels.erase(foreign);
                offerings.push_back(std::move(offering));
            }
    }
    add_reserved(pool, manifests, cluster, offerings, findings);
    if (offerings.empty()) {
        refuse(fmt::format("{} finds no price in {}, allowed: cluster.region (or zones) of {} with prices: {}", pool.meta.title(),
                           zones.front().empty() ? (cluster.region.empty() ? "no region" : cluster.region) : join(zones), cloud, join((*get_cloud(cloud))->regions)));
        return offerings;
    }
    for (const NodeRequirement& r : pool.requirements) {
        const SelectorExpression& e = r.expression;
        std::vector<NodeOffering> left;
        // A key that no node template carries is one that pods bring (Exists, In): Karpenter lets the pool's
        // nodes take any such value, so it excludes nothing.
        const bool known = std::any_of(offerings.begin(), offerings.end(), [&](const NodeOffering& o) { return o.labels.contains(e.key); });
        const bool well_known = e.key.find("kubernetes.io/") != std::string::npos || e.key.find("karpenter") != std::string::npos;
        if (!known && !well_known) continue;
        std::copy_if(offerings.begin(), offerings.end(), std::back_inserter(left), [&](const NodeOffering& o) { return e.matches(o.labels); });
        if (left.empty()) {
            if (wants_cpu_only(e) && cluster.cloud == CloudKind::aws)
                findings.warnings.push_back({r.where, r.path, fmt::format("asks for instance types without GPUs, which the catalogue lacks: {} provides no nodes here", pool.meta.title())});
            else
                findings.errors.push_back({r.where, r.path, fmt::format("found {}, which excludes the last of {} offerings of {}; allowed with the requirements before it: {}", r.text(),
                                                                        offerings.size(), pool.meta.title(), shown_values(offerings, e.key))});
            return {};
        }
        offerings = std::move(left);
    }
    for (const NodeRequirement& r : pool.requirements) {
        std::set<std::string> values;
        for (const NodeOffering& o : offerings)
            if (const auto found = o.labels.find(r.expression.key); found != o.labels.end()) values.insert(found->second);
        if (r.min_values > static_cast<std::int32_t>(values.size()))
            findings.errors.push_back({r.where, r.path + ".minValues", fmt::format("found {}, but only {} values of {} can be launched, allowed: at most {}", r.min_values, values.size(), r.expression.key, values.size())});
    }
    for (NodeOffering& o : offerings) o.weighed_nano_usd_per_hour = weighed_price(o, pool, manifests.node_overlays);
    std::sort(offerings.begin(), offerings.end(), [](const NodeOffering& a, const NodeOffering& b) {
        return std::tuple(a.weighed_nano_usd_per_hour, a.type->name, a.zone, a.capacity) < std::tuple(b.weighed_nano_usd_per_hour, b.type->name, b.zone, b.capacity);
    });
    return offerings;
}

}  // namespace windtunnel
