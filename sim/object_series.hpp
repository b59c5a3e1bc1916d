#pragma once
#include "sim/container_status.hpp"
#include "sim/fleet.hpp"

namespace windtunnel {

/// Over the pods whose engines run, as an endpoint picker sees them.
template <class Host>
[[nodiscard]] WT_HD_COLD double pool_average(const Blueprint& b, const Host& host, const StreamSource& s) {
    const WorkloadPlan& plan = b.workloads[s.workload];
    const auto& existing = host.existing_pods();
    std::int64_t waiting = 0, used = 0, blocks = 0, pods = 0;
    for (std::uint32_t p = existing.next(plan.first_pod); p < plan.first_pod + plan.pod_slots;
         p = existing.next(p + 1)) {
        const std::int32_t server = host.server_of(p);
        if (!host.pod(p).serves() || server < 0) continue;
        const ServerGauges g = host.gauges_of(p, host.now());
        waiting += g.waiting;
        used += g.used_blocks;
        blocks += b.servers[static_cast<std::size_t>(server)].usable_blocks *
                  b.servers[static_cast<std::size_t>(server)].data_parallel;
        ++pods;
    }
    if (pods == 0) return 0;
    return s.source == SeriesKind::pool_average_queue
               ? static_cast<double>(waiting) / static_cast<double>(pods)
               : static_cast<double>(used) / static_cast<double>(blocks);
}

/// A series of a whole workload, some of them sums of the host's readings.
template <class Host>
[[nodiscard]] WT_HD_COLD double workload_value(const Blueprint& b, const Host& host, const StreamSource& s) {
    switch (s.source) {
        case SeriesKind::queue_messages:
            return host.workload_reading(SeriesKind::queue_length, s.workload) +
                   host.workload_reading(SeriesKind::queue_in_flight, s.workload);
        case SeriesKind::replicas_unavailable: {
            const double missing = host.workload_reading(SeriesKind::replicas_desired, s.workload) -
                                   host.workload_reading(SeriesKind::replicas_ready, s.workload);
            return missing > 0 ? missing : 0;
        }
        case SeriesKind::responses_total:
            return host.responses(s.workload, static_cast<std::uint32_t>(s.extra));
        case SeriesKind::pool_average_queue:
        case SeriesKind::pool_average_kv:
            return pool_average(b, host, s);
        case SeriesKind::one:
            return 1;
        default:
            return host.workload_reading(s.source, s.workload);
    }
}

/// What kube-state-metrics says of a pod; -1 where it has no such series now. `extra` counts the label's
/// values in its order.
template <class Host>
[[nodiscard]] WT_HD_COLD double pod_object_value(const Blueprint& b, const Host& host, const StreamSource& s,
                                                 std::uint32_t p, Tick now) {
    const Pod& pod = host.pod(p);
    if (s.source == SeriesKind::one) return 1;
    if (s.source == SeriesKind::pod_scheduled)
        return (pod.node != no_index) == (s.extra == 0) && s.extra < 2 ? 1 : 0;
    if (s.source == SeriesKind::pod_unschedulable)
        return pod.state == PodState::pending && pod.unschedulable ? 1 : -1;
    if (s.source >= SeriesKind::pod_waiting && s.source <= SeriesKind::pod_running) {
        const ContainerStatus status = host.container_status_of(p, now);
        if (status == ContainerStatus::none) return -1;
        if (s.source == SeriesKind::pod_running) return status == ContainerStatus::running ? 1 : 0;
        if (s.source == SeriesKind::pod_waiting) return is_waiting(status) ? 1 : 0;
        return static_cast<std::int64_t>(status) == static_cast<std::int64_t>(s.extra) ? 1 : -1;
    }
    if (s.source == SeriesKind::pod_ready)
        return (pod.state == PodState::ready) == (s.extra == 0) && s.extra < 2 ? 1 : 0;
    if (s.source == SeriesKind::pod_restarts) return static_cast<double>(host.restarts_of(p));
    // Pending until its containers have been made, then Running.
    const bool pending =
        pod.state == PodState::pending ||
        (pod.state == PodState::starting && pod.stage < b.templates[pod.revision].container_stage);
    return s.extra == (pending ? 0 : 1) ? 1 : 0;
}

}  // namespace windtunnel
