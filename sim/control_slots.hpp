#pragma once
#include "sim/blueprint.hpp"

namespace windtunnel {

/// Order of what happens at one tick in the control plane, first to last; requests and engine steps of the
/// same tick come before all of it (sim/trial.hpp).
///   nodes become ready or leave -> pods go on -> workloads' controllers -> quotas are counted anew -> CronJobs ->
///   transfers are through -> spot nodes are taken -> spot markets change -> node groups replace what was taken ->
///   scheduled scalings -> events -> metrics are scraped -> KEDA polls -> HPAs sync -> nodes are scaled ->
///   Karpenter plans, then disrupts -> the span ends
struct ControlSlots {
    std::uint32_t nodes = 0, pods = 0, workloads = 0, quota = 0, crons = 0, transfers = 0, spot_nodes = 0, spot_markets = 0,
                  spot_pools = 0, schedule = 0, events = 0, scrape = 0, metrics_server = 0, rules = 0, keda = 0, hpa = 0,
                  node_scaling = 0, karpenter_batch = 0, karpenter_disruption = 0, span_end = 0, kv = 0;
    std::uint32_t first_timer = 0;  ///< slots below it are the fleet's: nodes, pods, workloads, quotas, CronJobs, transfers, spot
    std::uint32_t count = 0;

    WT_HD static ControlSlots of(const Blueprint& b, std::uint32_t autoscalers) {
        ControlSlots s;
        s.pods = b.node_slots;
        s.workloads = s.pods + b.pod_slots;
        s.quota = s.workloads + static_cast<std::uint32_t>(b.workloads.size());
        s.crons = s.quota + 1;
        const auto markets = static_cast<std::uint32_t>(b.spot_markets.size());
        s.transfers = s.crons + static_cast<std::uint32_t>(b.crons.size());
        s.spot_nodes = s.transfers + 1;
        s.spot_markets = s.spot_nodes + (markets > 0 ? b.node_slots : 0);
        s.spot_pools = s.spot_markets + markets;
        s.first_timer = s.schedule = s.spot_pools + (markets > 0 ? static_cast<std::uint32_t>(b.pools.size()) : 0);
        s.events = s.schedule + 1;
        s.scrape = s.events + 1;
        s.metrics_server = s.scrape + 1;
        s.rules = s.metrics_server + 1;
        s.keda = s.rules + static_cast<std::uint32_t>(b.alert_groups.size());
        s.hpa = s.keda + autoscalers;
        s.node_scaling = s.hpa + autoscalers;
        s.karpenter_batch = s.node_scaling + 1;
        s.karpenter_disruption = s.karpenter_batch + 1;
        s.span_end = s.karpenter_disruption + 1;
        s.kv = s.span_end + 1;
        s.count = s.kv;
        for (const WorkloadPlan& plan : b.workloads)
            if (plan.prefill.workload >= 0) s.count = s.kv + 1;
        return s;
    }
};

}  // namespace windtunnel
