#include "scenarios/compile_pools.hpp"

#include "models/cold_start_facts.hpp"
#include "models/instance_types.hpp"
#include "scenarios/compile.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {

namespace {

std::string cloud_name(CloudKind cloud) {
    switch (cloud) {
        case CloudKind::aws:
            return "aws";
        case CloudKind::gcp:
            return "gcp";
        case CloudKind::azure:
            return "azure";
        case CloudKind::none:
            break;
    }
    return "";
}

Problem at(const PoolSpec& pool, const std::string& key, std::string message) {
    return {pool.where, pool.path.empty() ? key : pool.path + "." + key, std::move(message)};
}

/// What the kubelet keeps for itself and the system. CPU: 6% of the first core, 1% of the second, 0.5% of the
/// next two, 0.25% of the rest (GKE and EKS documentation, 2025).
std::int64_t allocatable_cpu(std::int64_t milli) {
    std::int64_t reserved = 0, from = 0;
    const struct {
        std::int64_t to, share;
    } bands[] = {{1000, 600}, {2000, 100}, {4000, 50}, {INT64_MAX, 25}};
    for (const auto& band : bands) {
        if (milli > from) reserved += (std::min(milli, band.to) - from) * band.share / 10000;
        from = band.to;
    }
    return milli - reserved;
}

/// Memory: EKS keeps 255 MiB + 11 MiB a pod slot (58 on mid-size instances) and 100 MiB for eviction; GKE and
/// AKS 25% of the first 4 GiB, 20% of the next 4, 10% of the next 8, 6% up to 128, 2% above, and 100 MiB
/// (docs, 2025).
std::int64_t allocatable_memory(std::int64_t bytes, CloudKind cloud) {
    constexpr std::int64_t mib = 1 << 20, gib = 1 << 30;
    if (cloud == CloudKind::aws) return bytes - (255 + 11 * 58 + 100) * mib;
    std::int64_t reserved = 100 * mib, from = 0;
    const struct {
        std::int64_t to, percent;
    } bands[] = {{4 * gib, 25}, {8 * gib, 20}, {16 * gib, 10}, {128 * gib, 6}, {INT64_MAX, 2}};
    for (const auto& band : bands) {
        if (bytes > from) reserved += (std::min(bytes, band.to) - from) / 100 * band.percent;
        from = band.to;
    }
    return bytes - reserved;
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

/// Instance type, size and GPU of a pool's nodes.
void describe_nodes(const PoolSpec& spec, const ClusterSpec& cluster, PoolDraft& draft, Problems& errors,
                    Problems& warnings) {
    const std::string& type_name = spec.instance_types.front();
    draft.facts.instance_type = type_name;
    if (spec.instance_types.size() > 1)
        warnings.push_back(at(spec, "instance_types",
                              fmt::format("names {} types; all nodes are taken as {}, the first",
                                          spec.instance_types.size(), type_name)));
    std::int64_t gpus = spec.gpus_per_node, cpu = spec.cpu_milli, memory = spec.memory_bytes;
    draft.gpu = spec.gpu;
    const bool described = !spec.gpu.empty() && gpus > 0 && cpu > 0 && memory > 0;
    // Nodes without GPUs are in no catalogue here: they are what the pool says.
    const bool plain = spec.gpu.empty() && gpus == 0 && cpu > 0 && memory > 0 && spec.price_nano_usd_per_hour &&
                       (cluster.cloud == CloudKind::none || !get_instance_type(cloud_name(cluster.cloud), type_name));
    if (cluster.cloud != CloudKind::none && !described && !plain) {
        const auto type = get_instance_type(cloud_name(cluster.cloud), type_name);
        if (!type) {
            for (const Problem& p : type.problems())
                errors.push_back(
                    at(spec, "instance_type",
                       p.message + " (or describe it: gpu, gpus_per_node, cpu, memory, price_usd_per_hour)"));
            return;
        }
        if (gpus == 0) gpus = (*type)->gpu_count;
        if (cpu == 0) cpu = allocatable_cpu((*type)->vcpus * 1000);
        if (memory == 0)
            memory = allocatable_memory(static_cast<std::int64_t>((*type)->memory_gib * 1073741824.0),
                                        cluster.cloud);
        if (draft.gpu.empty() && gpus > 0) draft.gpu = (*type)->gpu;
        draft.facts.instance_type = (*type)->name;
    } else if (!described && !plain) {
        errors.push_back(
            at(spec, "instance_type",
               fmt::format(
                   "found {} without a cloud that knows it, allowed: set cluster.cloud and cluster.region, "
                   "or describe the node: gpu, gpus_per_node, cpu, memory, price_usd_per_hour",
                   type_name)));
        return;
    }
    if (!draft.gpu.empty()) {
        const auto gpu = get_gpu(draft.gpu);
        if (gpu)
            draft.gpu = gpu->gpu.name;
        else
            for (const Problem& p : gpu.problems()) errors.push_back(at(spec, "gpu", p.message));
    }
    draft.shape.gpus = gpus;
    draft.shape.capacity = draft.shape.allocatable = resource_amounts(gpus, cpu, memory, 110);  // kubelet's default of pods per node
}

}  // namespace

Result<PoolPrice> pool_price(const PoolSpec& spec, const ClusterSpec& cluster) {
    if (spec.price_nano_usd_per_hour) return PoolPrice{*spec.price_nano_usd_per_hour, "the scenario"};
    const std::string cloud = cloud_name(cluster.cloud);
    if (cloud.empty())
        return at(spec, "price_usd_per_hour",
                  "found no price and no cluster.cloud, allowed: a price in USD per hour, or cluster.cloud "
                  "and cluster.region");
    const std::string place = !spec.zones.empty()      ? spec.zones.front()
                              : !cluster.zones.empty() ? cluster.zones.front()
                                                       : cluster.region;
    if (place.empty())
        return at(spec, "price_usd_per_hour",
                  "found no price and no region, allowed: a price in USD per hour, or cluster.region");
    const auto type = get_instance_type(cloud, spec.instance_types.front());
    if (!type) return at(spec, "instance_type", type.problems().front().message);
    const auto price = instance_price(**type, place, spec.capacity);
    if (!price) {
        Problem p = price.problems().front();
        return at(spec, "instance_type", p.message + " (or give price_usd_per_hour)");
    }
    return PoolPrice{*price * 1000, get_cloud(cloud) ? (*get_cloud(cloud))->price_source : cloud};
}

std::vector<PoolDraft> compile_pools(const Scenario& scenario, BlueprintParts& parts, Problems& errors,
                                     Problems& warnings) {
    std::vector<PoolDraft> drafts;
    const ClusterSpec& cluster = scenario.cluster;
    const std::string cloud = cloud_name(cluster.cloud);
    for (const PoolSpec& spec : cluster.pools) {
        PoolDraft draft;
        draft.spec = &spec;
        draft.facts.name = spec.name;
        draft.facts.capacity_type = spec.capacity == CapacityType::spot ? "spot" : "on-demand";
        const std::size_t before = errors.size();
        describe_nodes(spec, cluster, draft, errors, warnings);
        draft.refused = errors.size() > before;
        if (draft.refused) {
            drafts.push_back(std::move(draft));
            continue;
        }
        if (const auto price = pool_price(spec, cluster)) {
            draft.facts.nano_usd_per_hour = price->nano_usd_per_hour;
            draft.facts.price_source = price->source;
        } else {
            for (const Problem& p : price.problems())
                if (errors.empty() || errors.back().message != p.message) errors.push_back(p);
        }
        if (spec.interruptions_per_hour)
            errors.push_back(at(spec, "interruptions_per_hour",
                                "spot interruptions are not simulated, allowed: leave it out (the pool then "
                                "runs at its spot price without interruptions)"));
        else if (spec.capacity == CapacityType::spot)
            warnings.push_back(
                at(spec, "capacity_type", "spot nodes are priced as spot but are never interrupted"));

        const bool fixed = cluster.autoscaling == NodeAutoscaling::none;
        PoolPlan& plan = draft.plan;
        plan.provisioner = fixed ? Provisioner::fixed : Provisioner::cluster_autoscaler;
        plan.initial = static_cast<std::uint32_t>(std::max(spec.min_nodes, spec.initial_nodes));
        plan.minimum =
            static_cast<std::uint32_t>(fixed ? static_cast<std::int32_t>(plan.initial) : spec.min_nodes);
        plan.node_slots =
            fixed ? std::max(1u, plan.initial) : static_cast<std::uint32_t>(std::max(spec.max_nodes, 1));
        if (plan.initial > plan.node_slots)
            errors.push_back(at(spec, "initial",
                                fmt::format("found {} nodes at the start, allowed: at most max = {}",
                                            plan.initial, plan.node_slots)));
        ShapePlan& shape = draft.shape;
        shape.nano_usd_per_hour = draft.facts.nano_usd_per_hour;
        shape.spot = spec.capacity == CapacityType::spot ? 1 : 0;
        double median = 0, sigma = spec.provisioning_sigma;
        if (spec.provisioning)
            median = to_seconds(*spec.provisioning);
        else if (const auto facts = default_provisioning(cloud)) {
            median = facts->first;
            sigma = facts->second;
        } else {
            errors.push_back(at(spec, "provisioning_s", facts.problems().front().message));
        }
        shape.provisioning = from_seconds(median);
        if (sigma > 0 && median > 0) {
            shape.provisioning_table = static_cast<std::int32_t>(parts.tables.size());
            parts.tables.push_back(lognormal_table(static_cast<double>(shape.provisioning.count), sigma, 0,
                                                   seconds(7 * 86400).count));
        }
        if (const auto facts = get_cloud(cloud)) shape.minimum_billing = seconds((*facts)->minimum_billing_s);
        draft.facts.gpus_per_node = shape.gpus;
        draft.facts.minimum = plan.minimum;
        draft.facts.maximum = plan.node_slots;
        drafts.push_back(std::move(draft));
    }
    // Karpenter's pools are not filled into the blueprint yet (sim/karpenter.hpp would run them): a run without its nodes would be another cluster's.
    for (const KarpenterNodePool& pool : scenario.manifests.node_pools)
        errors.push_back({pool.where, "",
                          fmt::format("{} would change the result and is not simulated by run, allowed: "
                                      "cluster.pools in the scenario (validate shows what it may launch and at "
                                      "what price)",
                                      pool.meta.title())});
    if (drafts.empty() && scenario.manifests.node_pools.empty())
        errors.push_back({{scenario.file, 0, 0},
                          "cluster.pools",
                          "found no node pool, allowed: node groups of an eksctl ClusterConfig among the "
                          "manifests, or cluster.pools with name, instance_type, min and max"});
    if (drafts.size() > max_pools)
        errors.push_back({{scenario.file, 0, 0},
                          "cluster.pools",
                          fmt::format("found {} pools, allowed: at most {}", drafts.size(), max_pools)});
    return drafts;
}

}  // namespace windtunnel
