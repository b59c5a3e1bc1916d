#include "sim/laws.hpp"

#include <fmt/format.h>

namespace windtunnel {

std::vector<std::string> broken_laws(const Blueprint& b, const TrialOutcome& o) {
    std::vector<std::string> broken;
    const auto expect = [&](bool holds, std::string text) {
        if (!holds) broken.push_back(std::move(text));
    };
    const Tally& t = o.tally;
    const RequestCounts& r = t.requests;
    expect(t.status == TrialStatus::complete, "L0: the trial did not end as complete");
    expect(r.arrived == r.completed + r.rejected + r.timed_out + r.failed + r.unfinished,
           fmt::format("L1: {} arrived but {} + {} + {} + {} + {} ended", r.arrived, r.completed, r.rejected,
                       r.timed_out, r.failed, r.unfinished));
    expect(t.ttft.count == r.completed && t.e2el.count == r.completed,
           "L1: a latency was not recorded once per completed request");
    expect(t.tpot.count <= r.completed && t.good <= r.completed,
           "L1: more good or multi-token requests than completed ones");
    expect(t.itl.count + r.completed >= t.output_tokens,
           "L1: fewer token gaps than tokens of completed requests");
    for (const Distribution* d : {&o.ttft, &o.tpot, &o.itl, &o.e2el}) {
        std::uint64_t sum = 0;
        for (const std::uint64_t n : d->buckets) sum += n;
        expect(sum == d->totals.count, "L9: a sketch's buckets do not add up to its count");
        expect(d->totals.count == 0 || (d->totals.least.count >= 0 && d->totals.least <= d->totals.most),
               "L3: a negative duration");
    }
    const auto at_most = [](const WideSum& a, const WideSum& c) {
        return a.high != c.high ? a.high < c.high : a.low <= c.low;
    };
    WideSum pods_span, pool_nodes;
    pods_span.add_product(static_cast<std::uint64_t>(b.span.count), b.pod_slots);
    expect(at_most(t.ready_replicas.ticks, pods_span), "L7: more replica-time than pod slots allow");
    if (b.pools.size() > 0)
        expect(at_most(t.gpu_busy, t.gpus.ticks), "L7: GPUs were busy longer than they were rented");
    for (std::uint32_t row = 0; row < max_pools; ++row) {
        pool_nodes.merge(t.pools[row].nodes.ticks);
        expect(t.pools[row].nodes.value >= 0, "L6: a pool has fewer than no nodes");
    }
    for (const ShapePlan& shape : b.shapes)
        expect(t.pools[shape.bill].nodes.most <= static_cast<std::int64_t>(b.pools[shape.pool].node_slots),
               "L6: a pool outgrew its limit");
    const std::size_t cells = (b.workloads.size() + std::size_t{1}) * node_uses;
    for (std::uint32_t p = 0; p < b.bills && !o.node_use.empty(); ++p) {
        WideSum parts, bill;
        for (std::size_t i = p * cells; i < (p + 1) * cells; ++i) parts.merge(o.node_use[i]);
        bill.add_product(t.pools[p].price.ticks.low, node_shares);
        bill.high += t.pools[p].price.ticks.high * node_shares;
        expect(parts == bill, "L8: what a pool's nodes were used for does not add up to their bill");
    }
    if (!o.node_use.empty()) {
        WideSum tokens, all;
        for (std::size_t i = o.node_use.size() - 2 * std::size_t{payer_count(b)}; i < o.node_use.size(); ++i) tokens.merge(o.node_use[i]);
        all.add(t.prompt_tokens);
        all.add(t.output_tokens);
        expect(tokens == all, "L8: the tokens of those who pay for traffic do not add up to all");
    }
    expect(pool_nodes == t.nodes.ticks, "L8: the pools' node-time does not add up to the cluster's");
    return broken;
}

LawObserver::LawObserver(const Blueprint& b)
    : m_blueprint(b), m_pods(b.pod_slots), m_used(b.node_slots), m_nodes(b.node_slots, NodeState::none), m_shapes(b.node_slots), m_charged(b.quotas.size()), m_clients(std::size_t{64} * b.node_slots), m_pools(b.karpenter_pools.size()), m_replaces(b.node_slots, no_index) {
    for (const WorkloadPlan& w : b.workloads) m_desired.push_back(w.initial_replicas);
}

void LawObserver::expect(bool holds, const char* law, Tick now) {
    if (!holds && broken.size() < 20) broken.push_back(fmt::format("{} at {:.6f} s", law, to_seconds(now)));
}

void LawObserver::request_ended(const RequestRecord& r) {
    if (r.request >= ends.size()) ends.resize(r.request + 1);
    expect(++ends[r.request] == 1, "L1: a request ended twice", r.finish);
    expect(r.arrival <= r.finish, "L3: a request ended before it arrived", r.finish);
    if (r.end == RequestEnd::completed)
        expect(r.arrival <= r.first_token && r.first_token <= r.finish,
               "L3: arrival <= first token <= finish", r.finish);
}

void LawObserver::pod_changed(std::uint32_t p, const Pod& pod, Tick now) {
    expect(now >= m_last, "L4: the clock went back", now);
    m_last = now;
    const TemplatePlan& plan = m_blueprint.templates[pod.revision];
    const bool had = m_pods[p].state != PodState::none && m_pods[p].node != no_index;
    const bool has = pod.state != PodState::none && pod.node != no_index;
    if (had && (!has || m_pods[p].node != pod.node))
        m_used[m_pods[p].node] -= m_blueprint.templates[m_pods[p].revision].needs;
    if (has && (!had || m_pods[p].node != pod.node)) {
        ResourceAmounts& used = m_used[pod.node];
        used += plan.needs;
        const std::uint16_t shape = m_shapes[pod.node];
        expect(fits(used, m_blueprint.shapes[shape].room()), "L5: a node holds more than it has", now);
        expect(m_nodes[pod.node] == NodeState::ready, "L5: a pod was bound to a node that is not Ready", now);
        expect(plan.shapes.has(shape), "L5: a pod runs on a kind of node that its selectors exclude", now);
    }
    if (had) count_devices(m_pods[p], -1, now);
    if (has) count_devices(pod, 1, now);
    if (m_pods[p].exists() != pod.exists())
        for (std::uint32_t q = 0; q < m_blueprint.quotas.size(); ++q) {
            const QuotaPlan& quota = m_blueprint.quotas[q];
            if (!quota.covers(pod.workload)) continue;
            if (pod.exists())
                m_charged[q] += quota.charge(plan);
            else
                m_charged[q] -= quota.charge(plan);
            for (std::int32_t kind = 0; kind < resource_kinds && pod.exists(); ++kind)
                expect((quota.limited >> kind & 1) == 0 || m_charged[q][kind] <= quota.hard[kind],
                       "L13: the pods of a namespace hold more than its quota", now);
        }
    m_pods[p] = pod;
}

/// Each device of a node has as many clients as it may.
void LawObserver::count_devices(const Pod& pod, std::int32_t by, Tick now) {
    if (pod.devices == 0) return;
    for (const DeviceRange& range : m_blueprint.shapes[m_shapes[pod.node]].devices)
        for (std::uint32_t d = range.first; d < std::uint32_t{range.first} + range.count; ++d) {
            if ((pod.devices >> d & 1) == 0) continue;
            std::int32_t& clients = m_clients[std::size_t{pod.node} * 64 + d];
            clients += by;
            expect(clients <= range.clients, "L5: a GPU is given to more pods than it has room for", now);
        }
}

void LawObserver::node_changed(std::uint32_t n, const ClusterNode& node, Tick now) {
    expect(now >= m_last, "L4: the clock went back", now);
    m_last = now;
    // Within one instant a replacement comes before what it replaces is marked.
    if (now > m_nodes_changed) {
        check_limits(now);
        m_launched.clear();
    }
    m_nodes_changed = now;
    if (node.state == NodeState::none)
        expect(m_used[n] == ResourceAmounts{}, "L5: a node left with pods on it", now);
    ClusterNode before = node;
    before.state = m_nodes[n];
    before.shape = m_shapes[n];
    count_in_pool(n, before, -1);
    count_in_pool(n, node, 1);
    note_replacements(n, node);
    m_nodes[n] = node.state;
    m_shapes[n] = node.shape;
}

/// What is launched in the instant in which another of its pool is cordoned is there to replace it.
void LawObserver::note_replacements(std::uint32_t n, const ClusterNode& node) {
    if (node.state == NodeState::provisioning) m_launched.push_back(n);
    const PoolPlan& pool = m_blueprint.pools[node.pool];
    if (node.state == NodeState::cordoned)
        for (const std::uint32_t launched : m_launched)
            if (launched >= pool.first_node && launched < pool.first_node + pool.node_slots) m_replaces[launched] = n;
    if (node.state != NodeState::none) return;
    m_replaces[n] = no_index;
    for (std::uint32_t& replaced : m_replaces)
        if (replaced == n) replaced = no_index;
}

void LawObserver::count_in_pool(std::uint32_t, const ClusterNode& node, int by) {
    const std::int32_t k = m_blueprint.pools[node.pool].karpenter;
    if (k < 0 || node.state == NodeState::none) return;
    PoolUse& use = m_pools[static_cast<std::size_t>(k)];
    const ResourceAmounts& capacity = m_blueprint.shapes[node.shape].capacity;
    if (by > 0)
        use.capacity += capacity;
    else
        use.capacity -= capacity;
    use.nodes += by;
    use.leaving += node.state == NodeState::cordoned || node.state == NodeState::draining ? by : 0;
}

void LawObserver::check_limits(Tick now) {
    for (std::size_t k = 0; k < m_pools.size(); ++k) {
        const KarpenterPoolPlan& plan = m_blueprint.karpenter_pools[static_cast<std::uint32_t>(k)];
        PoolUse use = m_pools[k];
        if (use.leaving > 0) continue;  // a replacement may stand beside what it replaces
        // Also after the latter has been given back, because the replacement was too long in coming.
        const PoolPlan& pool = m_blueprint.pools[plan.pool];
        for (std::uint32_t n = pool.first_node; n < pool.first_node + pool.node_slots; ++n) {
            if (m_replaces[n] == no_index) continue;
            use.capacity -= m_blueprint.shapes[m_shapes[n]].capacity;
            --use.nodes;
        }
        bool within = plan.node_limit < 0 || use.nodes <= plan.node_limit;
        for (std::int32_t kind = 0; kind < resource_kinds; ++kind)
            within = within && ((plan.limited >> kind & 1) == 0 || use.capacity[kind] <= plan.limits[kind]);
        expect(within, "L6: a NodePool outgrew its limits", now);
    }
}

void LawObserver::scaled(const ScaleRecord& r) { m_desired[r.workload] = r.to; }

void LawObserver::occurred(const OccurrenceRecord& r) {
    if (r.what != Occurrence::evicted || m_pods[r.subject].state != PodState::ready) return;
    const Pod& pod = m_pods[r.subject];
    int covering = 0;
    for (const DisruptionBudgetPlan& budget : m_blueprint.budgets) {
        if (!budget.covers(pod.workload)) continue;
        ++covering;
        // What stands, counted one by one; the evicted pod is still among it.
        DisruptionBudgetInput seen;
        for (std::uint32_t w = budget.next_covered(0); w < m_blueprint.workloads.size(); w = budget.next_covered(w + 1)) {
            const WorkloadPlan& plan = m_blueprint.workloads[w];
            if (plan.controller == WorkloadController::batch_job || plan.controller == WorkloadController::bare_pod)
                return;  // their scale is not for an observer to see
            seen.controller_scale += static_cast<std::int32_t>(m_desired[w]);
            for (std::uint32_t i = 0; i < plan.pod_slots; ++i) {
                const Pod& one = m_pods[plan.first_pod + i];
                if (!one.active() || !plan.is_replica(i)) continue;
                ++seen.matching_pods;
                seen.healthy_pods += one.state == PodState::ready ? 1 : 0;
            }
        }
        const DisruptionBudgetStatus status = budget_status(budget.spec, seen);
        expect(status.current_healthy > status.desired_healthy, "L14: an eviction broke a disruption budget", r.at);
    }
    expect(covering <= 1, "L14: a pod was evicted that two budgets cover", r.at);
}

}  // namespace windtunnel
