#pragma once
#include "policies/scheduler_cycle.hpp"
#include "policies/scheduler_preemption.hpp"
#include "policies/scheduler_topology.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

/// A small cluster for the scheduler's functions: nodes in zones, pods with rules, counters kept as the
/// engine keeps them, and the same counters recomputed from nothing.
namespace windtunnel::lab {

inline constexpr std::int32_t hostname_key = 0, zone_key = 1;

inline ResourceAmounts amounts(std::int64_t gpus, std::int64_t cpu, std::int64_t memory,
                               std::int64_t pods = 1) {
    ResourceAmounts r;
    r[resource_cpu_milli] = cpu;
    r[resource_memory_bytes] = memory;
    r[resource_pods] = pods;
    r[resource_extended] = gpus;
    return r;
}

struct LabNode {
    ResourceAmounts allocatable, free;
    int zone = 0;  ///< -1: no label
    bool cordoned = false;
    int taint = -1;
    int soft_taints = 0;
};

struct LabPod {
    const PodRules* rules = nullptr;
    int set = 0;  ///< which set of pods it belongs to: counter c counts set c / 2, by key c % 2
    int node = -1;
    Tick started;
    int budget = -1;
    bool terminating = false;
    int nominated = -1;
};

/// The View of scheduler_rules.hpp and the cluster of scheduler_preemption.hpp.
struct LabCluster {
    static constexpr int sets = 4;
    std::vector<LabNode> node_list;
    std::vector<LabPod> pods;
    std::vector<int> allowed;  ///< disruptions allowed, by budget
    int zones = 3;
    std::vector<TopologyCounterPlan> plans;
    std::vector<TopologyCell> cells;
    TopologyCounts<TopologyCell*> counts;
    const PodRules* tolerant = nullptr;

    void make_counters(bool counts_terminating) {
        plans.clear();
        std::uint32_t cell = 0;
        for (int c = 0; c < sets * 2; ++c) {
            const auto domains = static_cast<std::uint32_t>(c % 2 == hostname_key ? nodes() : zones);
            plans.push_back({static_cast<std::uint32_t>(c % 2), cell, domains, counts_terminating, {}, {}});
            cell += domains;
        }
        cells.assign(cell, {});
        counts.cells = cells.data();
        counts.plans = plans.data();
        for (int c = 0; c < sets * 2; ++c)
            for (int n = 0; n < nodes(); ++n) counts.change_nodes(c, domain(c % 2, n), 1);
    }
    void move_counts(int p, int by) {
        for (int key = 0; key < 2; ++key)
            counts.change_pods(pods[p].set * 2 + key, domain(key, pods[p].node), by);
    }
    int bind(LabPod pod, int node) {
        pod.node = node;
        pods.push_back(pod);
        restore(static_cast<int>(pods.size()) - 1);
        return static_cast<int>(pods.size()) - 1;
    }
    void erase(int p) {
        remove(p);
        pods[p].node = -1;
    }
    void remove(std::int32_t p) {
        node_list[pods[p].node].free += pods[p].rules->needs;
        move_counts(p, -1);
    }
    void restore(std::int32_t p) {
        node_list[pods[p].node].free -= pods[p].rules->needs;
        move_counts(p, 1);
    }

    [[nodiscard]] std::int32_t nodes() const { return static_cast<std::int32_t>(node_list.size()); }
    [[nodiscard]] NodeVerdict before_fit(const PodRules& rules, std::int32_t n) const {
        if (node_list[n].cordoned) return refuse(Rejection::unschedulable);
        if (node_list[n].taint >= 0 && &rules != tolerant)
            return refuse(Rejection::taint, static_cast<std::uint16_t>(node_list[n].taint));
        return {};
    }
    [[nodiscard]] NodeVerdict volumes(const PodRules&, std::int32_t) const { return {}; }
    [[nodiscard]] const ResourceAmounts& free(std::int32_t n) const { return node_list[n].free; }
    [[nodiscard]] const ResourceAmounts& allocatable(std::int32_t n) const {
        return node_list[n].allocatable;
    }
    [[nodiscard]] ResourceAmounts nominated(const PodRules& rules, std::int32_t n) const {
        ResourceAmounts sum;
        for (const LabPod& p : pods)
            if (p.nominated == n && p.rules != &rules && p.rules->priority >= rules.priority)
                sum += p.rules->needs;
        return sum;
    }
    [[nodiscard]] std::int32_t domain(std::int32_t key, std::int32_t n) const {
        return key == hostname_key ? n : node_list[n].zone;
    }
    [[nodiscard]] std::int32_t domains(std::int32_t key) const {
        return key == hostname_key ? nodes() : zones;
    }
    [[nodiscard]] std::int32_t pods_in(std::int32_t c, std::int32_t d) const { return counts.pods_in(c, d); }
    [[nodiscard]] std::int32_t nodes_in(std::int32_t c, std::int32_t d) const {
        return counts.nodes_in(c, d);
    }
    [[nodiscard]] std::int32_t pods_of(std::int32_t c) const {
        std::int32_t sum = 0;
        for (std::int32_t d = 0; d < domains(c % 2); ++d) sum += pods_in(c, d);
        return sum;
    }
    [[nodiscard]] ScoringUse used(std::int32_t n) const {
        ScoringUse u;
        for (const LabPod& p : pods)
            if (p.node == n) {
                u.cpu_milli += p.rules->scoring_cpu_milli;
                u.memory_bytes += p.rules->scoring_memory;
            }
        return u;
    }
    [[nodiscard]] std::int64_t soft_taints(const PodRules&, std::int32_t n) const {
        return node_list[n].soft_taints;
    }
    [[nodiscard]] std::int64_t preference(const PodRules&, std::int32_t) const { return 0; }
    [[nodiscard]] std::int64_t image_bytes(const PodRules&, std::int32_t) const { return 0; }
    [[nodiscard]] bool is_hostname(std::int32_t key) const { return key == hostname_key; }
    [[nodiscard]] std::int32_t first_pod(std::int32_t n) const { return pod_after(-1, n); }
    [[nodiscard]] std::int32_t next_pod(std::int32_t p) const { return pod_after(p, pods[p].node); }
    [[nodiscard]] std::int32_t pod_after(std::int32_t p, std::int32_t n) const {
        for (++p; p < static_cast<std::int32_t>(pods.size()); ++p)
            if (pods[p].node == n) return p;
        return -1;
    }
    [[nodiscard]] std::int32_t priority(std::int32_t p) const { return pods[p].rules->priority; }
    [[nodiscard]] Tick started(std::int32_t p) const { return pods[p].started; }
    [[nodiscard]] std::int32_t budget(std::int32_t p, std::int32_t i) const {
        return i == 0 ? pods[p].budget : -1;
    }
    [[nodiscard]] std::int32_t disruptions_allowed(std::int32_t b) const { return allowed[b]; }

    /// Pods of a counter's set in a domain, counted one by one.
    [[nodiscard]] int recounted(int counter, int d) const {
        int sum = 0;
        for (const LabPod& p : pods)
            sum += p.node >= 0 && p.set == counter / 2 && domain(counter % 2, p.node) == d ? 1 : 0;
        return sum;
    }

    ScheduleResult schedule(const PodRules& rules, std::uint64_t tie = 0, int nominated_node = -1,
                            int start = 0) {
        std::vector<FeasibleNode> feasible(node_list.size());
        return schedule_one(*this, SchedulerProfile{}, rules, nominated_node, start, tie, feasible.data());
    }
    PreemptionResult preempt(const PodRules& rules, std::uint64_t offset = 0, std::uint64_t tie = 0) {
        std::vector<PreemptionVictim> victims(pods.size() + 1);
        return find_preemption(*this, rules, offset, tie, victims);
    }
    /// The pods that have to go from a node.
    std::vector<int> victims_on(const PodRules& rules, int node) {
        std::vector<PreemptionVictim> victims(pods.size() + 1);
        std::int32_t found = 0;
        NodeVerdict unfit;
        PreemptionCandidate candidate;
        std::vector<int> out;
        if (!dry_run_preemption(*this, rules, node, victims, &found, &unfit, &candidate)) return out;
        for (std::int32_t v = 0; v < found; ++v)
            if (victims[v].out) out.push_back(victims[v].pod);
        std::sort(out.begin(), out.end());
        return out;
    }
};

inline LabCluster lab_cluster(int count, const ResourceAmounts& each, int zones = 3) {
    LabCluster c;
    c.zones = zones;
    for (int n = 0; n < count; ++n) c.node_list.push_back({each, each, n % zones, false, -1, 0});
    c.make_counters(true);
    return c;
}

inline PodRules rules_for(const ResourceAmounts& needs, std::int32_t priority = 0) {
    PodRules r;
    r.needs = needs;
    r.priority = priority;
    if (needs[resource_cpu_milli] > 0) r.scoring_cpu_milli = needs[resource_cpu_milli];
    if (needs[resource_memory_bytes] > 0) r.scoring_memory = needs[resource_memory_bytes];
    return r;
}

}  // namespace windtunnel::lab
