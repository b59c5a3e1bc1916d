#include "reports/fragmentation_watch.hpp"

#include <algorithm>

namespace windtunnel {

namespace {

/// The first extended resource that a pod asks for; -1 = none.
std::int32_t gpu_kind_of(const TemplatePlan& pod) {
    for (std::int32_t kind = resource_extended; kind < resource_kinds; ++kind)
        if (pod.needs[kind] > 0) return kind;
    return -1;
}

}  // namespace

FragmentationWatch::FragmentationWatch(const CompiledScenario& scenario, const Blueprint& blueprint)
    : m_scenario(scenario), m_blueprint(blueprint), m_nodes(blueprint.node_slots), m_pods(blueprint.pod_slots), m_worst(scenario.workloads.size()) {}

void FragmentationWatch::node_changed(std::uint32_t n, const ClusterNode& node) {
    if (node.state == NodeState::provisioning || m_nodes[n].state == NodeState::none) {
        m_nodes[n].shape = node.shape;
        m_nodes[n].free = m_blueprint.shapes[node.shape].room();
    }
    m_nodes[n].state = node.state;
}

void FragmentationWatch::pod_changed(std::uint32_t p, const Pod& pod) {
    const std::uint32_t node = pod.exists() ? pod.node : no_index;
    if (node == m_pods[p].node) return;
    if (m_pods[p].node != no_index) m_nodes[m_pods[p].node].free += m_blueprint.templates[m_pods[p].revision].needs;
    if (node != no_index) m_nodes[node].free -= m_blueprint.templates[pod.revision].needs;
    m_pods[p] = {node, pod.revision};
}

void FragmentationWatch::pod_unschedulable(const Pod& pod, Tick now) {
    const TemplatePlan& plan = m_blueprint.templates[pod.revision];
    const std::int32_t kind = gpu_kind_of(plan);
    if (kind < 0 || pod.workload >= m_worst.size()) return;
    FragmentationLog seen;
    seen.target = m_scenario.workloads[pod.workload].target;
    seen.at_s = to_seconds(now);
    seen.needs = plan.needs[kind];
    const auto count = [&](const char* reason, std::int64_t gpus) {
        const auto known = std::find_if(seen.unusable.begin(), seen.unusable.end(), [&](const auto& u) { return u.reason == reason; });
        auto& entry = known != seen.unusable.end() ? *known : seen.unusable.emplace_back();
        entry.reason = reason;
        entry.gpus += gpus;
        ++entry.nodes;
        seen.free += gpus;
    };
    for (const Node& node : m_nodes) {
        const std::int64_t gpus = node.free[kind];
        if (gpus <= 0 || node.state == NodeState::none || node.state == NodeState::provisioning || node.state == NodeState::lost) continue;
        if (node.state != NodeState::ready)
            count("the node takes no pods", gpus);
        else if (plan.tainted.has(static_cast<std::int32_t>(node.shape)))
            count("a taint that is not tolerated", gpus);
        else if (!plan.shapes.has(static_cast<std::int32_t>(node.shape)))
            count("the pod's selectors", gpus);
        else if (gpus < seen.needs)
            count("too few on one node", gpus);
        else if (node.free[resource_cpu_milli] < plan.needs[resource_cpu_milli])
            count("no CPU left beside them", gpus);
        else if (node.free[resource_memory_bytes] < plan.needs[resource_memory_bytes])
            count("no memory left beside them", gpus);
        else
            count("spread or affinity rules", gpus);
    }
    FragmentationLog& worst = m_worst[pod.workload];
    if (seen.free > worst.free) worst = std::move(seen);
}

std::vector<FragmentationLog> FragmentationWatch::finish() const {
    std::vector<FragmentationLog> out;
    for (const FragmentationLog& log : m_worst)
        if (log.free > 0) out.push_back(log);
    return out;
}

}  // namespace windtunnel
