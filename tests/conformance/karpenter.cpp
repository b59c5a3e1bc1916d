#include "conformance/conformance.hpp"
#include "policies/karpenter_budget.hpp"
#include "policies/karpenter_launch.hpp"
#include "policies/karpenter_schedule.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <vector>

namespace windtunnel::conformance {
namespace {

UtcSeconds read_time(const std::string& text) {
    UtcSeconds time;
    std::istringstream stream(text);
    stream >> date::parse("%FT%TZ", time);
    if (!stream) throw std::runtime_error("found time '" + text + "', allowed: YYYY-MM-DDTHH:MM:SSZ");
    return time;
}

DisruptionReason read_reason(const std::string& name) {
    if (name == "Underutilized") return DisruptionReason::underutilized;
    if (name == "Empty") return DisruptionReason::empty;
    if (name == "Drifted") return DisruptionReason::drifted;
    throw std::runtime_error("found reason '" + name + "', allowed: Underutilized, Empty, Drifted");
}

KarpenterBudget read_budget(const Json& json, UtcSeconds now) {
    KarpenterBudget budget;
    const Json& limit = field(json, "nodes");
    const std::string nodes = limit.is_string() ? limit.get<std::string>() : limit.dump();
    std::int32_t number = 0;
    const auto [end, error] = std::from_chars(nodes.data(), nodes.data() + nodes.size(), number);
    const std::string_view unit(end, static_cast<std::size_t>(nodes.data() + nodes.size() - end));
    budget.valid = error == std::errc{} && number >= 0 && (unit.empty() || unit == "%");
    budget.nodes = unit == "%" ? percent(number) : integer(number);
    std::optional<std::string> schedule;
    std::optional<std::chrono::seconds> duration;
    if (given(json, "schedule")) schedule = required<std::string>(json, "schedule");
    if (given(json, "duration_s"))
        duration = std::chrono::seconds(std::llround(required<double>(json, "duration_s")));
    const auto parsed = parse_budget_schedule(schedule, duration);
    budget.valid = budget.valid && parsed.ok();
    budget.active = parsed.ok() && is_active(*parsed, now);
    for (const Json& reason : list(json, "reasons"))
        budget.reasons = static_cast<std::uint8_t>(
            budget.reasons | static_cast<std::uint8_t>(read_reason(reason.get<std::string>())));
    return budget;
}

std::int64_t milli(double cores) { return std::llround(cores * 1000.0); }

/// Cpu in cores, the rest in its own unit; `extended` gives every other resource its place.
ResourceAmounts read_resources(const Json& json, std::map<std::string, std::int32_t>& extended) {
    ResourceAmounts result;
    result[resource_cpu_milli] = milli(value_or(json, "cpu", 0.0));
    result[resource_memory_bytes] = std::llround(value_or(json, "memory", 0.0));
    result[resource_pods] = value_or<std::int64_t>(json, "pods", 0);
    const auto put = [&](const std::string& name, double amount) {
        const auto place =
            extended.try_emplace(name, resource_extended + static_cast<std::int32_t>(extended.size()))
                .first->second;
        if (place >= resource_kinds)
            throw std::runtime_error("more extended resources than there are places");
        result[place] = std::llround(amount);
    };
    for (const char* name : {"gpu_a", "gpu_b"})
        if (given(json, name)) put(name, required<double>(json, name));
    const Json& others = field(json, "other");
    for (const auto& item : others.items()) put(item.key(), value_or(others, item.key().c_str(), 0.0));
    return result;
}

/// A catalogue as offerings, with the names and architectures that the policy does not need.
struct Catalog {
    std::vector<KarpenterOffering> offerings;
    std::vector<std::string> names, arches;
};

Catalog read_catalog(const Json& file, const std::string& name,
                     std::map<std::string, std::int32_t>& extended) {
    Catalog catalog;
    std::vector<Json> types = file.at("catalogs").at(name).get<std::vector<Json>>();
    std::sort(types.begin(), types.end(), [](const Json& a, const Json& b) { return a["name"] < b["name"]; });
    const ResourceAmounts overhead =
        read_resources(file.value("overhead_per_node", Json::object()), extended);
    for (const Json& type : types) {
        KarpenterOffering offering;
        offering.capacity = read_resources(type, extended);
        offering.allocatable = offering.capacity - overhead;
        offering.price_nano_usd_per_hour = std::llround(required<double>(type, "price") * 1e9);
        offering.type = static_cast<std::int32_t>(catalog.offerings.size());
        catalog.offerings.push_back(offering);
        catalog.names.push_back(required<std::string>(type, "name"));
        catalog.arches.push_back(value_or<std::string>(type, "arch", "amd64"));
    }
    return catalog;
}

/// Pending pods, and the groups of alike ones that they belong to.
struct Pending {
    std::vector<KarpenterPodGroup> groups;
    std::vector<KarpenterPod> pods;
};

Pending read_pods(const Json& input, const Catalog& catalog, std::map<std::string, std::int32_t>& extended) {
    Pending pending;
    const bool alone = value_or(input, "hostname_anti_affinity", false);
    for (const Json& json : list(input, "pod_groups")) {
        skip(json, {"note"});
        KarpenterPodGroup group;
        group.request = read_resources(json, extended);
        group.request[resource_pods] = 1;
        if (alone) group.exclusive = 1;
        const auto arch = value_or<std::string>(json, "arch", "");
        for (std::size_t i = 0; i < catalog.offerings.size(); ++i)
            if (arch.empty() || arch == catalog.arches[i]) group.allowed.add(static_cast<std::int32_t>(i));
        KarpenterPod pod;
        pod.group = static_cast<std::int32_t>(pending.groups.size());
        pending.groups.push_back(group);
        for (int i = 0; i < required<int>(json, "count"); ++i) {
            pod.created = static_cast<std::int64_t>(pending.pods.size());
            pending.pods.push_back(pod);
        }
    }
    return pending;
}

KarpenterPool read_pool(const Json& input, std::size_t offerings) {
    KarpenterPool pool;
    pool.offerings = OfferingSet::first(static_cast<std::int32_t>(offerings));
    const Json& limits = field(input, "nodepool_limits");
    const Json& used = field(input, "existing_nodepool_capacity");
    // What the pool already has: cores, or amounts by name.
    const auto have = [&](const char* name) {
        if (used.is_number()) return std::string_view(name) == "cpu" ? used.get<double>() : 0.0;
        return value_or(used, name, 0.0);
    };
    const auto limit = [&](const char* name, ResourceKind kind, double unit) {
        if (!given(limits, name)) return;
        pool.limited |= 1u << kind;
        pool.remaining[kind] = std::llround((required<double>(limits, name) - have(name)) * unit);
    };
    limit("cpu", resource_cpu_milli, 1000.0);
    limit("memory", resource_memory_bytes, 1.0);
    limit("pods", resource_pods, 1.0);
    pool.limits_nodes = given(limits, "nodes");
    pool.remaining_nodes = std::llround(value_or(limits, "nodes", 0.0) - have("nodes"));
    return pool;
}

Json run_provision(const Case& c) {
    std::map<std::string, std::int32_t> extended;
    const Catalog catalog =
        read_catalog(c.file, value_or<std::string>(c.input, "catalog", "default"), extended);
    Pending pending = read_pods(c.input, catalog, extended);
    std::vector<KarpenterPod>& pods = pending.pods;
    KarpenterPool pool = read_pool(c.input, catalog.offerings.size());
    std::vector<KarpenterNode> nodes;
    std::vector<KarpenterClaim> claims(pods.size());
    std::int32_t unscheduled = 0;
    const std::size_t batch_size =
        value_or(c.input, "one_pod_per_round", false) ? 1 : std::max<std::size_t>(pods.size(), 1);
    for (std::size_t first = 0; first < pods.size(); first += batch_size) {
        // What planning charges is only planned; launched nodes count as they are.
        KarpenterPool planned = pool;
        ProvisioningBatch batch;
        batch.offerings = catalog.offerings.data();
        batch.offering_count = static_cast<std::int32_t>(catalog.offerings.size());
        batch.pools = &planned;
        batch.pool_count = 1;
        batch.groups = pending.groups.data();
        batch.pods = &pods[first];
        batch.pod_count = static_cast<std::int32_t>(batch_size);
        batch.nodes = nodes.data();
        batch.node_count = static_cast<std::int32_t>(nodes.size());
        batch.claims = claims.data();
        batch.claim_capacity = static_cast<std::int32_t>(claims.size());
        const ProvisioningPlan plan = plan_batch(batch);
        unscheduled += plan.unscheduled;
        for (std::int32_t i = 0; i < plan.claim_count; ++i) {
            const KarpenterClaim& claim = claims[static_cast<std::size_t>(i)];
            const std::int32_t chosen =
                launch_claim(catalog.offerings.data(), claim.offerings, {}, {}).offering;
            const KarpenterOffering& offering = catalog.offerings[static_cast<std::size_t>(chosen)];
            KarpenterNode node;
            node.free = offering.allocatable - claim.request;
            node.exclusive = claim.exclusive;
            node.offering = chosen;
            nodes.push_back(node);
            pool.remaining -= offering.capacity;
            --pool.remaining_nodes;
        }
    }
    std::set<std::string> types;
    for (const KarpenterNode& node : nodes)
        types.insert(catalog.names[static_cast<std::size_t>(node.offering)]);
    return {{"nodes", nodes.size()},
            {"unscheduled", unscheduled},
            {"instance_types", types},
            {"instance_types_differ", types.size() == nodes.size() && nodes.size() > 1}};
}

}  // namespace

std::optional<Json> run_karpenter_budgets(const Case& c) {
    const UtcSeconds now = read_time(value_or<std::string>(c.input, "now", "2000-06-15T12:30:30Z"));
    std::vector<KarpenterBudget> budgets;
    for (const Json& json : list(c.input, "budgets")) budgets.push_back(read_budget(json, now));
    const auto count = static_cast<std::int32_t>(budgets.size());
    const auto nodes = value_or(c.input, "num_nodes", 0);
    const auto reason = read_reason(value_or<std::string>(c.input, "reason", "Underutilized"));
    // A pool's budgets do not count these: not Karpenter's, not up yet, already going.
    skip(c.input, {"unmanaged_nodes", "uninitialized_nodes", "instance_terminating_nodes"});
    if (c.kind == "allowed_by_reason")
        return Json{{"allowed", allowed_disruptions(budgets.data(), count, reason, nodes)}};
    if (c.kind == "budget_mapping")
        return Json{{"allowed", remaining_disruptions(
                                    budgets.data(), count, reason,
                                    required<std::int32_t>(c.input, "managed_initialized_nodes"),
                                    value_or(c.input, "of_which_not_ready_or_marked_for_deletion", 0))}};
    if (c.kind == "single_budget")
        return Json{{"allowed", allowed_disruptions(budgets.at(0), nodes)}, {"error", !budgets.at(0).valid}};
    if (c.kind == "is_active") return Json{{"active", budgets.at(0).active}, {"error", !budgets.at(0).valid}};
    return std::nullopt;
}

std::optional<Json> run_karpenter_provisioning(const Case& c) {
    if (c.kind != "provision") return std::nullopt;
    return run_provision(c);
}

}  // namespace windtunnel::conformance
