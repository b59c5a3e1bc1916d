#include "scenarios/compile/feasibility.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/push_relabel_max_flow.hpp>
#include <limits>

namespace windtunnel {

namespace {

using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using Graph = boost::adjacency_list<
    boost::vecS, boost::vecS, boost::directedS, boost::no_property,
    boost::property<boost::edge_capacity_t, std::int64_t,
                    boost::property<boost::edge_residual_capacity_t, std::int64_t,
                                    boost::property<boost::edge_reverse_t, Traits::edge_descriptor>>>>;

constexpr std::int64_t unbounded = std::numeric_limits<std::int64_t>::max() / 4;
/// `each` on every node; a resource that nodes do not count is without bound.
std::int64_t in_all(std::int64_t each, std::int64_t nodes) {
    return nodes > 0 && each > unbounded / nodes ? unbounded : each * nodes;
}

/// A network of pipes: from vertex 0 to vertex 1.
class Network {
public:
    explicit Network(std::size_t vertices) : m_graph(vertices) {}
    Traits::edge_descriptor pipe(std::size_t from, std::size_t to, std::int64_t capacity) {
        const auto there = boost::add_edge(from, to, m_graph).first, back = boost::add_edge(to, from, m_graph).first;
        boost::put(boost::edge_capacity, m_graph, there, capacity);
        boost::put(boost::edge_capacity, m_graph, back, 0);
        boost::put(boost::edge_reverse, m_graph, there, back);
        boost::put(boost::edge_reverse, m_graph, back, there);
        return there;
    }
    std::int64_t most() { return boost::push_relabel_max_flow(m_graph, Traits::vertex_descriptor{0}, Traits::vertex_descriptor{1}); }
    [[nodiscard]] std::int64_t rest(Traits::edge_descriptor e) const { return boost::get(boost::edge_residual_capacity, m_graph, e); }
    /// It carries something, and no more.
    [[nodiscard]] bool is_full(Traits::edge_descriptor e) const { return boost::get(boost::edge_capacity, m_graph, e) > 0 && rest(e) == 0; }

private:
    Graph m_graph;
};

/// A workload's pods at the peak.
struct Demand {
    std::size_t workload = 0;
    std::int32_t kind = 0;      ///< of resource: whole GPUs, a slice, a share
    std::int64_t each = 0, pods = 0;
};

std::vector<Demand> demands_of(const CompiledScenario& scenario) {
    std::vector<Demand> out;
    const BlueprintParts& parts = scenario.parts;
    for (std::size_t w = 0; w < parts.workloads.size() && w < scenario.workloads.size(); ++w) {
        const WorkloadPlan& plan = parts.workloads[w];
        if (plan.controller == WorkloadController::batch_job || parts.templates[plan.first_template].plan.priority < 0) continue;  // those wait or make room
        const TemplatePlan& pod = parts.templates[plan.first_template].plan;
        for (std::int32_t kind = resource_extended; kind < resource_kinds; ++kind)
            if (pod.needs[kind] > 0)
                out.push_back({w, kind, pod.needs[kind],
                               std::int64_t{scenario.workloads[w].maximum_replicas} * plan.ordinals.group_size});
    }
    return out;
}

/// Units of the resource that pods of a demand can use of a node of the shape.
std::int64_t usable(const TemplatePlan& pod, const ShapePlan& shape, const Demand& demand) {
    const ResourceAmounts room = shape.room();
    std::int64_t pods = std::numeric_limits<std::int64_t>::max();
    for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
        if (pod.needs[kind] > 0) pods = std::min(pods, std::max<std::int64_t>(0, room[kind]) / pod.needs[kind]);
    return pods * demand.each;
}

/// The most units of a resource that nodes within a cloud's quota have.
std::int64_t most_within(const CloudQuotaPlan& quota, const std::vector<ShapePlan>& shapes, std::int32_t kind) {
    std::int64_t most = 0;
    for (std::int32_t i = quota.shapes.next(0); i >= 0; i = quota.shapes.next(i + 1)) {
        const ShapePlan& shape = shapes[static_cast<std::size_t>(i)];
        const std::int64_t units = quota.units(shape);
        most = std::max(most, units > 0 ? in_all(shape.room()[kind], quota.limit / units) : unbounded);
    }
    return most;
}

/// Where what a pool places goes through: the first of the cloud's quotas that holds for all of its nodes, or nothing.
std::size_t sink_of(const BlueprintParts& parts, const PoolPlan& pool, std::size_t first_cloud) {
    for (std::size_t q = 0; q < parts.cloud_quotas.size(); ++q) {
        bool all = true;
        for (std::uint32_t s = pool.first_shape; s < pool.first_shape + pool.shape_count; ++s)
            all = all && parts.cloud_quotas[q].shapes.has(static_cast<std::int32_t>(s));
        if (all) return first_cloud + q;
    }
    return 1;
}

PeakDemand peak_of(const CompiledScenario& scenario, const std::vector<Demand>& demands) {
    const BlueprintParts& parts = scenario.parts;
    const std::size_t first_pool = 2 + demands.size(), first_quota = first_pool + parts.pools.size();
    const std::size_t first_cloud = first_quota + parts.quotas.size();
    Network network(first_cloud + parts.cloud_quotas.size());
    PeakDemand out;
    std::vector<Traits::edge_descriptor> sources, sinks, quotas, clouds;
    const std::int32_t kind = demands.front().kind;
    out.resource = scenario.extended.names()[static_cast<std::size_t>(kind - resource_extended)];
    for (std::size_t q = 0; q < parts.cloud_quotas.size(); ++q)
        clouds.push_back(network.pipe(first_cloud + q, 1, most_within(parts.cloud_quotas[q], parts.shapes, kind)));
    for (std::size_t q = 0; q < parts.quotas.size(); ++q)
        quotas.push_back(network.pipe(0, first_quota + q, parts.quotas[q].hard[kind]));
    for (std::size_t d = 0; d < demands.size(); ++d) {
        const std::int64_t wanted = demands[d].each * demands[d].pods;
        out.wanted += wanted;
        out.demands.push_back(fmt::format("{} {} x {}", scenario.workloads[demands[d].workload].target, demands[d].pods, demands[d].each));
        std::size_t from = 0;
        for (std::size_t q = 0; q < parts.quotas.size(); ++q)
            if ((parts.quotas[q].limited >> demands[d].kind & 1) != 0 &&
                parts.quotas[q].covers(static_cast<std::uint32_t>(demands[d].workload)))
                from = first_quota + q;
        sources.push_back(network.pipe(from, 2 + d, wanted));
    }
    for (std::size_t p = 0; p < parts.pools.size(); ++p) {
        const PoolPlan& pool = parts.pools[p];
        const auto nodes = std::int64_t{pool.node_slots};
        std::int64_t all = 0;
        for (std::uint32_t s = pool.first_shape; s < pool.first_shape + pool.shape_count; ++s)
            all = std::max(all, parts.shapes[s].room()[kind]);
        // NodePools have room for what their limits, or the pods, let them: the engine's, no one's limit.
        const bool bounded = p < scenario.node_pools.size() && scenario.node_pools[p].maximum.has_value();
        sinks.push_back(network.pipe(first_pool + p, sink_of(parts, pool, first_cloud), bounded ? in_all(all, nodes) : unbounded));
        for (std::size_t d = 0; d < demands.size(); ++d) {
            const TemplatePlan& pod = parts.templates[parts.workloads[demands[d].workload].first_template].plan;
            std::int64_t most = 0;
            for (std::uint32_t s = pool.first_shape; s < pool.first_shape + pool.shape_count; ++s)
                if (pod.shapes.has(static_cast<std::int32_t>(s))) most = std::max(most, usable(pod, parts.shapes[s], demands[d]));
            if (most > 0) network.pipe(2 + d, first_pool + p, bounded ? in_all(most, nodes) : unbounded);
        }
    }
    out.placed = network.most();
    if (out.placed >= out.wanted) return out;
    for (std::size_t d = 0; d < demands.size(); ++d)
        if (network.rest(sources[d]) > 0) out.workloads.push_back(scenario.workloads[demands[d].workload].target);
    for (std::size_t p = 0; p < sinks.size(); ++p)
        if (network.is_full(sinks[p]))
            out.limits.push_back(fmt::format("pool {} (at most {} nodes)", scenario.node_pools[p].name, parts.pools[p].node_slots));
    for (std::size_t q = 0; q < quotas.size() && q < scenario.quotas.size(); ++q)
        if (network.is_full(quotas[q])) out.limits.push_back(scenario.quotas[q].title);
    for (std::size_t q = 0; q < clouds.size(); ++q)
        if (network.is_full(clouds[q])) out.limits.push_back(fmt::format("the cloud's quota {}", scenario.cloud_quotas[q]));
    return out;
}

}  // namespace

std::vector<PeakDemand> peak_demands(const CompiledScenario& scenario) {
    std::vector<PeakDemand> out;
    const std::vector<Demand> all = demands_of(scenario);
    for (std::int32_t kind = resource_extended; kind < resource_kinds; ++kind) {
        std::vector<Demand> demands;
        std::copy_if(all.begin(), all.end(), std::back_inserter(demands), [&](const Demand& d) { return d.kind == kind; });
        if (!demands.empty()) out.push_back(peak_of(scenario, demands));
    }
    return out;
}

std::vector<PeakDemand> find_shortages(const CompiledScenario& scenario) {
    std::vector<PeakDemand> out = peak_demands(scenario);
    std::erase_if(out, [](const PeakDemand& d) { return !d.is_short(); });
    return out;
}

void warn_of_shortages(CompiledScenario& scenario) {
    for (const PeakDemand& s : find_shortages(scenario))
        scenario.warnings.push_back(
            {{}, "feasibility",
             fmt::format("at its largest the scenario wants {} GPUs at once and at most {} can be placed: {} would wait{}{}",
                         s.wanted, s.placed, fmt::join(s.workloads, ", "), s.limits.empty() ? "" : " for ",
                         fmt::join(s.limits, ", "))});
}

}  // namespace windtunnel
