#include "scenarios/compile/compile_pools.hpp"

#include "models/bytes.hpp"
#include "models/cold_start_facts.hpp"
#include "models/instance_types.hpp"
#include "models/nearest_name.hpp"
#include "scenarios/compile/compile.hpp"
#include "scenarios/compile/compile_cluster_autoscaler.hpp"
#include "scenarios/compile/compile_spot.hpp"
#include "scenarios/node_allocatable.hpp"
#include "scenarios/node_labels.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <regex>
#include <set>

namespace windtunnel {

namespace {

Problem at(const PoolSpec& pool, const std::string& key, std::string message) {
    return {pool.where, pool.path.empty() ? key : pool.path + "." + key, std::move(message)};
}

/// Seconds from the request to a Ready node with its GPU driver, from the cold-start facts.
Result<std::pair<double, double>> default_provisioning(const std::string& cloud) {
    const auto stages = node_start(cloud.empty() ? "aws" : cloud);
    if (!stages) return stages.problems();
    double median = 0, sigma = 0;
    for (const ColdStartStage& s : *stages) {
        median += s.median_s;
        sigma = std::max(sigma, s.sigma);
    }
    return std::pair{median, sigma};
}

/// Name, size and GPU of the nodes of one instance type.
Result<ShapeDraft> describe_type(const PoolSpec& spec, const ClusterSpec& cluster, const std::string& type_name) {
    ShapeDraft out;
    out.instance_type = type_name;
    std::int64_t gpus = spec.gpus_per_node, cpu = spec.cpu_milli, memory = spec.memory_bytes;
    std::int64_t whole_cpu = cpu, whole_memory = memory;
    out.gpu = spec.gpu;
    const bool described = !spec.gpu.empty() && gpus > 0 && cpu > 0 && memory > 0;
    // Nodes without GPUs that the catalogue lacks are what the pool says.
    const bool plain = spec.gpu.empty() && gpus == 0 && cpu > 0 && memory > 0 && spec.price_nano_usd_per_hour &&
                       (cluster.cloud == CloudKind::none || !get_instance_type(cloud_name(cluster.cloud), type_name));
    if (cluster.cloud != CloudKind::none && !described && !plain) {
        const auto type = get_instance_type(cloud_name(cluster.cloud), type_name);
        // What the user's own list says of a machine that the catalogue lacks.
        if (const PriceRow* row = type ? nullptr : cluster.prices.described(type_name); row != nullptr) {
            PoolSpec with = spec;
            with.gpu = row->gpu;
            with.gpus_per_node = static_cast<std::int32_t>(row->gpu_count);
            with.cpu_milli = allocatable_cpu(static_cast<std::int64_t>(row->vcpus * 1000));
            with.memory_bytes = allocatable_memory(static_cast<std::int64_t>(row->memory_gib * gib), cluster.cloud);
            return describe_type(with, cluster, type_name);
        }
        if (!type)
            return at(spec, "instance_type",
                      type.problems().front().message +
                          " (or describe it: gpu, gpus_per_node, cpu, memory, price_usd_per_hour)");
        const auto bytes = static_cast<std::int64_t>((*type)->memory_gib * gib);
        if (gpus == 0) gpus = (*type)->gpu_count;
        if (cpu == 0) cpu = allocatable_cpu(whole_cpu = (*type)->vcpus * 1000);
        if (memory == 0) memory = allocatable_memory(whole_memory = bytes, cluster.cloud);
        if (out.gpu.empty() && gpus > 0) out.gpu = (*type)->gpu;
        out.instance_type = (*type)->name;
    } else if (!described && !plain) {
        return at(spec, "instance_type",
                  fmt::format("found {} without a cloud that knows it, allowed: set cluster.cloud and "
                              "cluster.region, or describe the node: gpu, gpus_per_node, cpu, memory, "
                              "price_usd_per_hour",
                              type_name));
    }
    if (!out.gpu.empty()) {
        const auto gpu = get_gpu(out.gpu);
        if (!gpu) return at(spec, "gpu", gpu.problems().front().message);
        out.gpu = gpu->gpu.name;
    }
    const std::int64_t pods = spec.max_pods > 0 ? spec.max_pods : 110;  // kubelet's default of pods per node
    out.plan.gpus = gpus;
    out.plan.capacity = resource_amounts(0, whole_cpu, whole_memory, pods);
    out.plan.allocatable = resource_amounts(0, cpu, memory, pods);
    return out;
}

/// A card that Google attaches to a general machine, on demand, in micro-USD per hour (Google Cloud GPU pricing,
/// us-central1, 2025 [from general knowledge, not re-read, 2026-11]).
struct CardPrice {
    const char* gpu;
    std::int64_t micro_usd_per_hour;
};
constexpr CardPrice card_prices[] = {{"t4-16gb", 350'000}, {"v100-16gb", 2'480'000}};

Result<PoolPrice> price_of(const PoolSpec& spec, const ClusterSpec& cluster, const std::string& type_name,
                           const std::string& zone, CapacityType capacity) {
    if (spec.price_nano_usd_per_hour) return PoolPrice{*spec.price_nano_usd_per_hour, "the scenario"};
    const std::string cloud = cloud_name(cluster.cloud);
    if (cloud.empty())
        return at(spec, "price_usd_per_hour",
                  "found no price and no cluster.cloud, allowed: a price in USD per hour, or cluster.cloud "
                  "and cluster.region");
    const std::string place = zone.empty() ? cluster.region : zone;
    if (place.empty())
        return at(spec, "price_usd_per_hour",
                  "found no price and no region, allowed: a price in USD per hour, or cluster.region");
    if (const auto own = cluster.prices.find(cloud, type_name, place, capacity)) return PoolPrice{*own, cluster.price_file};
    if (const std::vector<std::string> places = cluster.prices.places_of(type_name); cluster.prices.speaks_of(capacity) && !places.empty())
        return at(spec, "instance_type",
                  fmt::format("found no {} price of {} in '{}' in {}, which has it in {} (or give price_usd_per_hour)", to_string(capacity),
                              type_name, place, cluster.price_file, spoken_list(places)));
    const auto type = get_instance_type(cloud, type_name);
    if (!type) return at(spec, "instance_type", type.problems().front().message);
    const auto price = instance_price(**type, place, capacity);
    if (!price)
        return at(spec, "instance_type", price.problems().front().message + " (or give price_usd_per_hour)");
    std::int64_t cards = 0;
    if (!spec.gpu.empty() && (*type)->gpu_count == 0) {
        const auto gpu = get_gpu(spec.gpu);
        const auto card = std::find_if(std::begin(card_prices), std::end(card_prices), [&](const CardPrice& c) { return gpu && gpu->gpu.name == c.gpu; });
        if (card == std::end(card_prices) || capacity == CapacityType::spot)
            return at(spec, "instance_type",
                      fmt::format("found no {} price of a {} attached to {} (or give price_usd_per_hour)", to_string(capacity), spec.gpu, type_name));
        cards = card->micro_usd_per_hour * spec.gpus_per_node;
    }
    return PoolPrice{(*price + cards) * 1000, get_cloud(cloud) ? (*get_cloud(cloud))->price_source : cloud};
}

std::vector<std::string> zones_of(const PoolSpec& spec, const ClusterSpec& cluster) {
    if (!spec.zones.empty()) return spec.zones;
    if (!cluster.zones.empty()) return cluster.zones;
    return {""};
}

/// The pool's shapes, by zone and then as its types are listed. Where a type is not sold in some zone, or not in
/// one of the two ways, the others stand for it; what is sold nowhere is an error.
void describe_shapes(const PoolSpec& spec, const Scenario& scenario, const ExtendedResources& extended, PoolDraft& draft,
                     Problems& errors) {
    const ClusterSpec& cluster = scenario.cluster;
    std::vector<CapacityType> ways{spec.capacity};
    if (spec.buys_both) ways = {CapacityType::on_demand, CapacityType::spot};
    std::vector<ShapeDraft> types;
    Problems problems;
    const auto note = [&](const Problem& p) {
        const auto same = [&](const Problem& q) { return q.message == p.message; };
        if (std::none_of(problems.begin(), problems.end(), same)) problems.push_back(p);
    };
    for (const std::string& name : spec.instance_types) {
        auto type = describe_type(spec, cluster, name);
        if (type)
            types.push_back(std::move(*type));
        else
            note(type.problems().front());
    }
    if (!problems.empty()) {
        errors.insert(errors.end(), problems.begin(), problems.end());
        draft.refused = true;
        return;
    }
    std::set<std::string> sold;
    for (const std::string& zone : zones_of(spec, cluster))
        for (const ShapeDraft& type : types)
            for (const CapacityType capacity : ways) {
                const auto price = price_of(spec, cluster, type.instance_type, zone, capacity);
                if (!price) {
                    note(price.problems().front());
                    continue;
                }
                sold.insert(type.instance_type);
                ShapeDraft shape = type;
                shape.zone = zone;
                shape.capacity = capacity;
                shape.price_source = price->source;
                shape.plan.nano_usd_per_hour = price->nano_usd_per_hour;
                shape.plan.spot = capacity == CapacityType::spot ? 1 : 0;
                shape.plan.kind = shape.plan.spot ? OfferingKind::spot : OfferingKind::on_demand;
                PoolSpec bought = spec;
                bought.capacity = capacity;
                shape.labels = node_labels(bought, cluster, type.instance_type, zone);
                for (const Problem& p : describe_devices(bought, scenario, extended, shape)) {
                    note(p);
                    draft.refused = true;
                }
                draft.shapes.push_back(std::move(shape));
            }
    if (sold.size() == types.size() && !draft.refused) return;
    draft.refused = true;
    errors.insert(errors.end(), problems.begin(), problems.end());
}

PoolPlan plan_of(const PoolSpec& spec, const ClusterSpec& cluster, Problems& errors) {
    const bool fixed = !spec.autoscaled.value_or(cluster.autoscaling != NodeAutoscaling::none);
    PoolPlan plan;
    plan.provisioner = fixed ? Provisioner::fixed : Provisioner::cluster_autoscaler;
    plan.choice = spec.allocation == AllocationSpec::cheapest ? ShapeChoice::cheapest
                  : spec.allocation == AllocationSpec::deep   ? ShapeChoice::deep
                                                              : ShapeChoice::listed;
    plan.initial = static_cast<std::uint32_t>(std::max(spec.min_nodes, spec.initial_nodes));
    plan.protected_nodes = static_cast<std::uint32_t>(spec.protected_nodes);
    plan.minimum = static_cast<std::uint32_t>(fixed ? static_cast<std::int32_t>(plan.initial) : spec.min_nodes);
    // A fixed pool keeps its initial nodes; beyond them are only those that somebody adds.
    plan.node_slots = std::max(static_cast<std::uint32_t>(std::max(spec.max_nodes, 1)), fixed ? plan.initial : 1);
    plan.zone_groups = spec.zone_groups ? 1 : 0;
    plan.balances = spec.balances ? 1 : 0;
    plan.group_minimum = static_cast<std::uint32_t>(spec.zone_min);
    if (spec.zone_max) plan.group_maximum = static_cast<std::uint32_t>(*spec.zone_max);
    plan.on_demand_base = static_cast<std::uint32_t>(spec.on_demand_base);
    plan.on_demand_percent = static_cast<std::uint32_t>(spec.on_demand_percent);
    if (plan.initial > plan.node_slots)
        errors.push_back(at(spec, "initial",
                            fmt::format("found {} nodes at the start, allowed: at most max = {}", plan.initial,
                                        plan.node_slots)));
    return plan;
}

/// What the priority expander thinks of a pool: the highest number of whose regular expressions one matches its
/// name (10.5), or the rank of its ComputeClass's rule.
void set_priorities(const Scenario& scenario, std::vector<PoolDraft>& drafts) {
    for (PoolDraft& draft : drafts) {
        std::optional<std::int32_t> priority = draft.spec.priority;
        for (const auto& [number, expressions] : scenario.manifests.expander_priorities)
            for (const std::string& text : expressions) try {
                    if (std::regex_search(draft.spec.name, std::regex(text))) priority = number;  // ascending: the last wins
                } catch (const std::regex_error&) {  // reported when it was read
                }
        for (ShapeDraft& shape : draft.shapes) {
            shape.plan.has_priority = priority ? 1 : 0;
            shape.plan.priority = priority.value_or(0);
        }
    }
}

/// Numbers for zones, instance types, families and kinds of GPU, over all pools.
void number_shapes(std::vector<PoolDraft>& drafts, Problems& errors, const std::string& file) {
    std::vector<std::string> zones, gpus;
    std::set<std::string> types, families;
    const auto index_in = [](std::vector<std::string>& all, const std::string& one) {
        const auto known = std::find(all.begin(), all.end(), one);
        if (known != all.end()) return static_cast<std::uint32_t>(known - all.begin());
        all.push_back(one);
        return static_cast<std::uint32_t>(all.size() - 1);
    };
    const auto family_of = [](const std::string& type) { return type.substr(0, type.find('.')); };
    for (const PoolDraft& draft : drafts)
        for (const ShapeDraft& shape : draft.shapes) {
            types.insert(shape.instance_type);
            families.insert(family_of(shape.instance_type));
        }
    std::uint32_t next = 0, groups = 0;
    for (PoolDraft& draft : drafts) {
        draft.first_shape = next;
        for (std::size_t i = 0; i < draft.shapes.size(); ++i) {
            ShapeDraft& shape = draft.shapes[i];
            shape.plan.zone = index_in(zones, shape.zone);
            std::string kind = shape.gpu;
            for (const DeviceUnits& d : shape.devices) kind += fmt::format("|{} {} {}", d.resource, d.device, d.takes_turns ? d.clients : 1);
            shape.plan.gpu_kind = index_in(gpus, kind);
            shape.plan.type = static_cast<std::int32_t>(std::distance(types.begin(), types.find(shape.instance_type)));
            shape.plan.family =
                static_cast<std::int32_t>(std::distance(families.begin(), families.find(family_of(shape.instance_type))));
            groups += i == 0 || (draft.spec.zone_groups && shape.zone != draft.shapes[i - 1].zone) ? 1 : 0;
        }
        next += static_cast<std::uint32_t>(draft.shapes.size());
    }
    if (next > max_shapes)
        errors.push_back({{file, 0, 0}, "cluster.pools",
                          fmt::format("found {} kinds of nodes (instance types x zones x ways of buying), allowed: at "
                                      "most {}; narrow the requirements or the zones",
                                      next, max_shapes)});
    if (zones.size() > static_cast<std::size_t>(karpenter_max_zones) || groups > ca_max_groups)
        errors.push_back({{file, 0, 0}, "cluster.pools",
                          fmt::format("found {} zones and {} node groups, allowed: at most {} and {}", zones.size(),
                                      groups, karpenter_max_zones, ca_max_groups)});
}

}  // namespace

Problems describe_devices(const PoolSpec& spec, const Scenario& scenario, const ExtendedResources& extended, ShapeDraft& shape) {
    if (!shape.gpu.empty() && shape.plan.gpus > 0) {
        const auto gpu = get_gpu(shape.gpu);
        if (!gpu) return {at(spec, "gpu", gpu.problems().front().message)};
        auto devices = pool_devices(gpu->gpu, static_cast<std::int32_t>(shape.plan.gpus), spec.division,
                                    scenario.manifests.gpu_sharing, shape.labels);
        if (!devices) {
            Problem p = devices.problems().front();
            if (p.where.line == 0) p = at(spec, "gpu_sharing", p.message);
            return {p};
        }
        shape.devices = std::move(*devices);
        shape.plan.gpu_labelled = gpu->gpu.vendor == "nvidia" ? 1 : 0;
    }
    extended.put(shape.devices, shape.plan);
    return {};
}

void describe_provisioning(const PoolSpec& spec, const std::string& cloud, PoolDraft& draft, BlueprintParts& parts,
                           Problems& errors) {
    double median = 0, sigma = spec.provisioning_sigma;
    if (spec.provisioning)
        median = to_seconds(*spec.provisioning);
    else if (const auto facts = default_provisioning(cloud)) {
        median = facts->first;
        sigma = facts->second;
    } else {
        errors.push_back(at(spec, "provisioning_s", facts.problems().front().message));
    }
    std::int32_t table = -1;
    if (sigma > 0 && median > 0) {
        table = static_cast<std::int32_t>(parts.tables.size());
        parts.tables.push_back(
            lognormal_table(static_cast<double>(from_seconds(median).count), sigma, 0, seconds(7 * 86400).count));
    }
    for (ShapeDraft& shape : draft.shapes) {
        shape.plan.provisioning = from_seconds(median);
        shape.plan.provisioning_table = table;
        if (const auto facts = get_cloud(cloud))
            shape.plan.minimum_billing = seconds((*facts)->minimum_billing_s);
    }
}

Result<PoolPrice> pool_price(const PoolSpec& spec, const ClusterSpec& cluster) {
    return price_of(spec, cluster, spec.instance_types.front(), zones_of(spec, cluster).front(), spec.capacity);
}

std::vector<PoolDraft> compile_pools(const Scenario& scenario, CompiledScenario& out, Problems& errors) {
    std::vector<PoolDraft> drafts;
    BlueprintParts& parts = out.parts;
    const ClusterSpec& cluster = scenario.cluster;
    for (const PoolSpec& spec : cluster.pools) {
        PoolDraft draft;
        draft.spec = spec;
        describe_shapes(spec, scenario, out.extended, draft, errors);
        draft.plan = plan_of(spec, cluster, errors);
        describe_provisioning(spec, cloud_name(cluster.cloud), draft, parts, errors);
        drafts.push_back(std::move(draft));
    }
    set_priorities(scenario, drafts);
    compile_node_pools(scenario, out, drafts, errors);
    mark_similar_pools(scenario, drafts);
    if (drafts.empty())
        errors.push_back({{scenario.file, 0, 0},
                          "cluster.pools",
                          "found no node pool, allowed: node groups or NodePools among the manifests, or "
                          "cluster.pools with name, instance_type, min and max"});
    if (drafts.size() > max_pools)
        errors.push_back({{scenario.file, 0, 0},
                          "cluster.pools",
                          fmt::format("found {} pools, allowed: at most {}", drafts.size(), max_pools)});
    number_shapes(drafts, errors, scenario.file);
    compile_spot_markets(scenario, out, drafts, errors);
    return drafts;
}

std::size_t gpu_kinds_of(const std::vector<PoolDraft>& pools) {
    std::size_t kinds = 0;
    for (const PoolDraft& pool : pools)
        for (const ShapeDraft& shape : pool.shapes) kinds = std::max<std::size_t>(kinds, shape.plan.gpu_kind + 1);
    return kinds;
}

void add_pools(std::vector<PoolDraft>& drafts, CompiledScenario& out, Problems& errors) {
    for (PoolDraft& draft : drafts) {
        CompiledNodePool bounds{draft.spec.name, {}, draft.spec.where, draft.spec.path};
        if (!draft.by_karpenter) bounds.maximum = draft.plan.node_slots;
        out.node_pools.push_back(std::move(bounds));
        for (const CapacityType way : {CapacityType::on_demand, CapacityType::spot}) {
            CompiledPool row;
            std::vector<std::string> types;
            for (ShapeDraft& shape : draft.shapes) {
                if (shape.capacity != way) continue;
                shape.plan.bill = static_cast<std::uint32_t>(out.pools.size());
                if (types.empty() || shape.plan.nano_usd_per_hour < row.nano_usd_per_hour)
                    row.nano_usd_per_hour = shape.plan.nano_usd_per_hour;
                row.gpus_per_node = std::max(row.gpus_per_node, shape.plan.gpus);
                row.price_source = shape.price_source;
                if (std::find(types.begin(), types.end(), shape.instance_type) == types.end())
                    types.push_back(shape.instance_type);
            }
            if (types.empty()) continue;
            row.name = draft.spec.name;
            row.capacity_type = way == CapacityType::spot ? "spot" : "on-demand";
            row.instance_type = types.size() <= 3 ? fmt::format("{}", fmt::join(types, "|"))
                                                  : fmt::format("{} types", types.size());
            row.minimum = draft.plan.minimum;
            row.maximum = draft.plan.node_slots;
            row.by_karpenter = draft.by_karpenter;
            out.pools.push_back(std::move(row));
        }
        std::vector<ShapePlan> shapes;
        for (const ShapeDraft& shape : draft.shapes) shapes.push_back(shape.plan);
        if (!shapes.empty()) out.parts.add(draft.plan, shapes);
    }
    if (out.pools.size() > max_pools)
        errors.push_back({{}, "cluster.pools",
                          fmt::format("found {} pools, spot and on demand apart, allowed: at most {}",
                                      out.pools.size(), max_pools)});
}

}  // namespace windtunnel
