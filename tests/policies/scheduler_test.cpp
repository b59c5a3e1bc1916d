#include "policies/scheduler_message.hpp"
#include "tests/support/scheduler_lab.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

using namespace windtunnel;
using namespace windtunnel::lab;

namespace {

constexpr std::int64_t gib = std::int64_t{1} << 30;

}  // namespace

TEST_CASE("scheduler filters: the first filter that refuses gives the reason, short resources all count") {
    LabCluster c = lab_cluster(4, amounts(1, 4000, 8 * gib, 2));
    const PodRules big = rules_for(amounts(2, 5000, gib));
    c.node_list[0].cordoned = true;
    c.node_list[1].taint = 3;
    const ScheduleResult r = c.schedule(big);
    CHECK(r.node == no_node);
    CHECK(r.rejected.by_reason[static_cast<int>(Rejection::unschedulable)] == 1);
    CHECK(r.rejected.by_taint[3] == 1);
    CHECK(r.rejected.short_of[resource_cpu_milli] == 2);
    CHECK(r.rejected.short_of[resource_extended] == 2);
    CHECK(r.rejected.short_of[resource_memory_bytes] == 0);
    // A request of nothing is not looked at: a node over its memory still takes a pod that asks for none.
    c.node_list[2].free[resource_memory_bytes] = -1;
    CHECK(filter_node(c, rules_for(amounts(0, 100, 0)), {}, 2).passes());
    CHECK_FALSE(filter_node(c, rules_for(amounts(0, 100, 1)), {}, 2).passes());
    // 110 (here: 2) pods are a resource too.
    c.node_list[3].free[resource_pods] = 0;
    CHECK(filter_node(c, rules_for(amounts(0, 0, 0)), {}, 3).detail == 1u << resource_pods);
}

TEST_CASE("scheduler filters: a node too small as a whole is not helped by removing pods") {
    LabCluster c = lab_cluster(1, amounts(1, 4000, gib, 10));
    CHECK_FALSE(filter_node(c, rules_for(amounts(2, 0, 0)), {}, 0).removal_helps);
    c.node_list[0].free = amounts(0, 4000, gib, 10);
    CHECK(filter_node(c, rules_for(amounts(1, 0, 0)), {}, 0).removal_helps);
    CHECK_FALSE(removal_may_help(Rejection::taint));
    CHECK(removal_may_help(Rejection::existing_anti_affinity));
}

TEST_CASE("scheduler filters: nominated pods of equal priority count, of lower priority do not") {
    LabCluster c = lab_cluster(1, amounts(1, 4000, gib, 10));
    const PodRules waiting = rules_for(amounts(1, 0, 0), 5), equal = rules_for(amounts(1, 0, 0), 5),
                   higher = rules_for(amounts(1, 0, 0), 6);
    LabPod nominee;
    nominee.rules = &waiting;
    nominee.nominated = 0;
    c.pods.push_back(nominee);
    CHECK(c.schedule(equal).node == no_node);
    CHECK(c.schedule(higher).node == 0);
    CHECK(c.schedule(waiting, 0, 0).node == 0);
}

TEST_CASE("scheduler filters: required affinity, its first pod, and anti-affinity both ways") {
    LabCluster c = lab_cluster(3, amounts(8, 32000, 64 * gib, 110));
    c.node_list[2].zone = -1;
    c.make_counters(true);
    PodRules plain = rules_for(amounts(1, 100, gib));
    const AffinityRule near{0 * 2 + zone_key, zone_key, 0, AffinityKind::required};
    PodRules friends = plain;
    friends.affinity = &near;
    friends.affinity_count = 1;
    // Nobody matches: only a pod that matches itself may start, and not where the key is missing.
    CHECK(c.schedule(friends).node == no_node);
    friends.starts_affinity = true;
    CHECK(filter_node(c, friends, prefilter(c, friends), 1).passes());
    CHECK(filter_node(c, friends, prefilter(c, friends), 2).reason == Rejection::affinity);
    LabPod first;
    first.rules = &plain;
    first.set = 0;
    c.bind(first, 1);
    CHECK(filter_node(c, friends, prefilter(c, friends), 0).reason == Rejection::affinity);
    CHECK(c.schedule(friends).node == 1);

    const AffinityRule apart{0 * 2 + hostname_key, hostname_key, 0, AffinityKind::anti};
    PodRules loner = plain;
    loner.affinity = &apart;
    loner.affinity_count = 1;
    CHECK(filter_node(c, loner, prefilter(c, loner), 1).reason == Rejection::anti_affinity);
    CHECK(filter_node(c, loner, prefilter(c, loner), 0).passes());
    CHECK(filter_node(c, loner, prefilter(c, loner), 2).passes());
    AffinityRule symmetric = apart;
    symmetric.kind = AffinityKind::existing_anti;
    loner.affinity = &symmetric;
    CHECK(filter_node(c, loner, prefilter(c, loner), 1).reason == Rejection::existing_anti_affinity);
}

TEST_CASE("scheduler filters: DoNotSchedule spread counts empty labelled nodes as domains") {
    LabCluster c = lab_cluster(3, amounts(8, 32000, 64 * gib, 110));
    PodRules plain = rules_for(amounts(1, 100, gib));
    SpreadRule by_zone{0 * 2 + zone_key, zone_key, 1, 1, true, true};
    PodRules spread = plain;
    spread.spread = &by_zone;
    spread.spread_count = 1;
    LabPod pod;
    pod.rules = &plain;
    c.bind(pod, 0);
    c.bind(pod, 1);
    // Counts 1, 1, 0: least 0, so 1 + 1 - 0 > 1 in zones 0 and 1.
    CHECK(filter_node(c, spread, prefilter(c, spread), 0).reason == Rejection::spread);
    CHECK(c.schedule(spread).node == 2);
    // Zone 2's only node is tainted: it still counts as a domain with 0, and blocks everything.
    c.node_list[2].taint = 0;
    const ScheduleResult blocked = c.schedule(spread);
    CHECK(blocked.node == no_node);
    CHECK(blocked.rejected.by_reason[static_cast<int>(Rejection::spread)] == 2);
    c.node_list[2].taint = -1;
    // A pod that does not match its own selector does not count itself: 1 - 0 <= 1.
    by_zone.self = false;
    CHECK(filter_node(c, spread, prefilter(c, spread), 0).passes());
    by_zone.self = true;
    // With fewer domains than minDomains the least is 0: two pods everywhere are too many for skew 2.
    c.bind(pod, 2);
    CHECK(filter_node(c, spread, prefilter(c, spread), 0).passes());
    by_zone.min_domains = 4;
    CHECK_FALSE(filter_node(c, spread, prefilter(c, spread), 0).passes());
    // A node without the key is refused for that.
    c.node_list[1].zone = -1;
    CHECK(filter_node(c, spread, prefilter(c, spread), 1).reason == Rejection::spread_label);
}

TEST_CASE("scheduler: counts kept at every change equal counts made from nothing") {
    std::mt19937_64 rng(11);
    LabCluster c = lab_cluster(12, amounts(8, 32000, 64 * gib, 110), 4);
    c.node_list[5].zone = -1;
    c.make_counters(true);
    const PodRules rules = rules_for(amounts(0, 100, gib));
    for (int step = 0; step < 2000; ++step) {
        if (rng() % 2 == 0 || c.pods.empty()) {
            LabPod pod;
            pod.rules = &rules;
            pod.set = static_cast<int>(rng() % LabCluster::sets);
            c.bind(pod, static_cast<int>(rng() % 12));
        } else {
            const int p = static_cast<int>(rng() % c.pods.size());
            if (c.pods[p].node >= 0) c.erase(p);
        }
        if (step % 100 != 0) continue;
        for (int counter = 0; counter < LabCluster::sets * 2; ++counter)
            for (int d = 0; d < c.domains(counter % 2); ++d)
                REQUIRE(c.counts.pods_in(counter, d) == c.recounted(counter, d));
    }
}

TEST_CASE("scheduler scores: LeastAllocated is an integer mean, 0 where the node would be over") {
    const SchedulerProfile profile;
    // 4000 mCPU, 1000 used, 500 asked: (4000 - 1500) x 100 / 4000 = 62; 10 bytes, 2 + 1 used: 70; mean 66.
    PodRules rules = rules_for(amounts(0, 500, 1));
    const ResourceAmounts all = amounts(0, 4000, 10, 110);
    CHECK(fit_score(profile, rules, all, all, {1000, 2}) == 66);
    CHECK(fit_score(profile, rules, all, all, {3600, 2}) == 35);
    // No request counts 100 mCPU and 200 MiB, for the score only.
    CHECK(PodRules{}.scoring_memory == 200ll << 20);
    CHECK(PodRules{}.scoring_cpu_milli == 100);
}

TEST_CASE("scheduler scores: GPUs count only where a profile names them, and for pods that ask for them") {
    SchedulerProfile packing;
    packing.fit_scoring = FitScoring::most_allocated;
    packing.fit[0] = {resource_extended, 1};
    packing.fit_count = 1;
    const PodRules two = rules_for(amounts(2, 100, 1)), none = rules_for(amounts(0, 100, 1));
    const ResourceAmounts all = amounts(8, 4000, 10, 110), half = amounts(4, 4000, 10, 110);
    CHECK(fit_score(packing, two, all, all, {}) == 25);
    CHECK(fit_score(packing, two, half, all, {}) == 75);
    CHECK(fit_score(packing, none, half, all, {}) == 0);
    const SchedulerProfile plain;
    CHECK(fit_score(plain, two, all, all, {}) == fit_score(plain, two, half, all, {}));
}

TEST_CASE("scheduler scores: RequestedToCapacityRatio walks its broken line in integers") {
    SchedulerProfile p;
    p.fit_scoring = FitScoring::requested_to_capacity_ratio;
    p.ratio[0] = {0, 0};
    p.ratio[1] = {70, 10};
    p.ratio[2] = {100, 5};
    p.ratio_count = 3;
    CHECK(ratio_score(p, 35, 100) == 50);
    CHECK(ratio_score(p, 70, 100) == 100);
    CHECK(ratio_score(p, 85, 100) == 75);   // 100 - 50 x 15 / 30
    CHECK(ratio_score(p, 200, 100) == 50);  // over: as 100 %
}

TEST_CASE("scheduler scores: balanced allocation is 100 x (1 - |cpu - memory| / 2)") {
    SchedulerProfile profile;
    const ResourceAmounts all = amounts(8, 1000, 1000, 110);
    CHECK(balanced_score(profile, rules_for(amounts(0, 500, 500)), all, all) == 100);
    CHECK(balanced_score(profile, rules_for(amounts(0, 900, 100)), all, all) == 60);
    CHECK(balanced_score(profile, rules_for(amounts(0, 2000, 100)), all, all) == 55);  // cut at 1
    // Three resources: 1/2, 1/2, 1/8 have mean 3/8 and standard deviation sqrt(1/32) = 0.17678.
    profile.balanced[2] = resource_extended;
    profile.balanced_count = 3;
    CHECK(balanced_score(profile, rules_for(amounts(1, 500, 500)), all, all) == 82);
    CHECK(balanced_score(profile, rules_for(amounts(0, 500, 500)), all, all) == 100);
}

TEST_CASE("scheduler scores: image locality runs from 23 MiB to 1000 MiB per container") {
    const std::int64_t mib = 1 << 20;
    CHECK(image_score(23 * mib, 1) == 0);
    CHECK(image_score(1000 * mib, 1) == 100);
    CHECK(image_score(15000 * mib, 1) == 100);
    CHECK(image_score(1000 * mib, 2) == 100 * 977 / 1977);
}

TEST_CASE("scheduler scores: normalisation") {
    CHECK(normalized_score(1, 3, false) == 33);
    CHECK(normalized_score(1, 3, true) == 67);
    CHECK(normalized_score(0, 0, true) == 100);
    CHECK(normalized_score(0, 0, false) == 0);
    CHECK(affinity_score(5, 5, 5) == 0);
    CHECK(affinity_score(-10, -10, 20) == 0);
    CHECK(affinity_score(5, -10, 20) == 50);
    CHECK(spread_score(2, 1, 4) == 75);  // 100 x (4 + 1 - 2) / 4
    CHECK(spread_score(0, 0, 0) == 100);
}

TEST_CASE("scheduler scores: logarithm and root without a mathematics library") {
    for (std::int64_t n = 1; n < 6000; ++n)
        REQUIRE(scheduler_log(n) == Approx(std::log(static_cast<double>(n))).epsilon(1e-15).margin(1e-15));
    for (const double x : {0.0, 1e-6, 0.03125, 0.25, 0.7, 1.0, 2.0})
        CHECK(scheduler_sqrt(x) == Approx(std::sqrt(x)).epsilon(1e-15).margin(1e-300));
}

TEST_CASE("scheduler: how many feasible nodes end the search") {
    CHECK(feasible_nodes_to_find(99) == 99);
    CHECK(feasible_nodes_to_find(100) == 100);
    CHECK(feasible_nodes_to_find(500) == 230);
    CHECK(feasible_nodes_to_find(5000) == 500);
    CHECK(feasible_nodes_to_find(20000) == 1000);
    CHECK(feasible_nodes_to_find(500, 30) == 150);
    LabCluster c = lab_cluster(500, amounts(1, 4000, 8 * gib, 110));
    const ScheduleResult r = c.schedule(rules_for(amounts(1, 100, gib)), 0, -1, 490);
    CHECK(r.feasible == 230);
    CHECK(r.next_start == 220);  // round robin
}

TEST_CASE("scheduler: the emptier node wins, ties fall by the seed, soft taints repel") {
    LabCluster c = lab_cluster(3, amounts(8, 4000, 8 * gib, 110));
    const PodRules rules = rules_for(amounts(1, 1000, gib));
    LabPod pod;
    pod.rules = &rules;
    c.bind(pod, 0);
    CHECK(c.schedule(rules, 0).node == 1);
    CHECK(c.schedule(rules, 1).node == 2);
    c.node_list[1].soft_taints = 1;
    c.node_list[2].soft_taints = 1;
    CHECK(c.schedule(rules, 1).node == 0);  // 3 x 100 outweighs what is left of room
}

TEST_CASE("scheduler: replicas of a Service spread over hosts by default") {
    LabCluster c = lab_cluster(4, amounts(8, 64000, 512 * gib, 110), 2);
    const PodRules filler = rules_for(amounts(0, 100, gib));
    SpreadRule defaults[2] = {{hostname_key, hostname_key, 3, 1, false, true},
                              {zone_key, zone_key, 5, 1, false, true}};
    PodRules rules = filler;
    rules.spread = defaults;
    rules.spread_count = 2;
    rules.system_default_spread = true;
    LabPod pod;
    pod.rules = &rules;
    // Nodes 0, 2 are zone 0 and 1, 3 zone 1: after one pod on node 0 the other zone is preferred.
    c.bind(pod, 0);
    const int second = c.schedule(rules).node;
    CHECK((second == 1 || second == 3));
    // Without spreading all nodes are equal: 100 mCPU of 64,000 are less than a point.
    CHECK(c.schedule(filler, 0).node == 0);
}

TEST_CASE("preemption: removes the least, and reprieves the most important") {
    LabCluster c = lab_cluster(1, amounts(4, 32000, 64 * gib, 110));
    const PodRules low = rules_for(amounts(1, 100, gib), 1), lower = rules_for(amounts(2, 100, gib), 0),
                   high = rules_for(amounts(1, 100, gib), 9), mate = rules_for(amounts(1, 100, gib), 9);
    LabPod a, b, d;
    a.rules = &low;
    a.started = seconds(5);
    b.rules = &low;
    b.started = seconds(3);
    d.rules = &lower;
    const int young = c.bind(a, 0);
    const int old = c.bind(b, 0);
    const int least = c.bind(d, 0);
    CHECK(c.schedule(high).node == no_node);
    CHECK(c.victims_on(high, 0) == std::vector<int>{least});
    const ResourceAmounts before = c.free(0);
    const PreemptionResult r = c.preempt(high);
    CHECK(r.chosen.node == 0);
    CHECK(r.chosen.victims == 1);
    CHECK(c.free(0) == before);
    c.erase(least);
    LabPod e;
    e.rules = &mate;
    c.bind(e, 0);
    c.bind(e, 0);
    // Equal priority is never taken; of the two others the one that started later goes.
    CHECK(c.victims_on(high, 0) == std::vector<int>{young});
    (void)old;
    CHECK_FALSE(c.preempt(rules_for(amounts(1, 100, gib), 1)).found());
}

TEST_CASE("preemption: budgets are respected by preference only") {
    LabCluster c = lab_cluster(2, amounts(1, 32000, 64 * gib, 110));
    const PodRules low = rules_for(amounts(1, 100, gib), 0), high = rules_for(amounts(1, 100, gib), 9);
    LabPod a, b;
    a.rules = b.rules = &low;
    a.budget = 0;
    c.allowed = {0};
    c.bind(a, 0);
    const int free_to_go = c.bind(b, 1);
    CHECK(c.preempt(high).chosen.node == 1);
    c.allowed = {1};
    c.pods[free_to_go].started = Tick{-1};
    CHECK(c.preempt(high).chosen.node == 0);  // no violation now: the later start goes
    c.allowed = {0};
    c.node_list[1].cordoned = true;
    const PreemptionResult r = c.preempt(high);
    CHECK(r.chosen.node == 0);
    CHECK(r.chosen.violations == 1);
}

TEST_CASE("preemption: each step of the choice decides where the former ones are equal") {
    const PreemptionCandidate base{0, 1, 5, 100, 2, seconds(10)};
    const auto change = [&](auto set) {
        PreemptionCandidate c = base;
        set(c);
        return compare_candidates(base, c);
    };
    CHECK(change([](auto&) {}) == 0);
    CHECK(change([](auto& c) { c.violations = 0, c.highest_priority = 9; }) == 1);
    CHECK(change([](auto& c) { c.highest_priority = 4, c.priority_sum = 900; }) == 1);
    CHECK(change([](auto& c) { c.priority_sum = 99, c.victims = 9; }) == 1);
    CHECK(change([](auto& c) { c.victims = 1, c.latest_start = seconds(1); }) == 1);
    CHECK(change([](auto& c) { c.latest_start = seconds(11); }) == 1);
    CHECK(change([](auto& c) { c.latest_start = seconds(9); }) == -1);
}

TEST_CASE("preemption: a victim that finds a budget exhausted violates it") {
    LabCluster c = lab_cluster(1, amounts(3, 32000, 64 * gib, 110));
    const PodRules low = rules_for(amounts(1, 100, gib), 0), high = rules_for(amounts(2, 100, gib), 9);
    LabPod a;
    a.rules = &low;
    a.budget = 0;
    c.allowed = {1};
    for (int i = 0; i < 3; ++i) {
        a.started = seconds(i);
        c.bind(a, 0);
    }
    // In order of importance 0, 1, 2: 0 uses what the budget allows, 1 and 2 would violate it. These are
    // reprieved first: 1 stays (two GPUs are left), with 2 only one would be; then 0 does not fit either.
    CHECK(c.victims_on(high, 0) == std::vector<int>{0, 2});
}

TEST_CASE("preemption: on random nodes victims are enough, minimal, and of lower priority") {
    std::mt19937_64 rng(3);
    int found = 0;
    for (int round = 0; round < 300; ++round) {
        LabCluster c = lab_cluster(1 + static_cast<int>(rng() % 4), amounts(4, 4000, 64 * gib, 8));
        std::vector<PodRules> kinds;
        for (int k = 0; k < 6; ++k)
            kinds.push_back(rules_for(amounts(static_cast<std::int64_t>(rng() % 3),
                                              100 + static_cast<std::int64_t>(rng() % 1500), gib),
                                      static_cast<std::int32_t>(rng() % 4)));
        for (int i = 0; i < 20; ++i) {
            LabPod pod;
            pod.rules = &kinds[rng() % kinds.size()];
            pod.started = seconds(static_cast<std::int64_t>(rng() % 50));
            const int node = static_cast<int>(rng() % c.node_list.size());
            if (fits(pod.rules->needs, c.free(node))) c.bind(pod, node);
        }
        const PodRules wanted = rules_for(amounts(2, 1500, gib), 3);
        if (c.schedule(wanted).node != no_node) continue;
        const PreemptionResult r = c.preempt(wanted, rng(), rng());
        if (!r.found()) continue;
        ++found;
        const std::vector<int> victims = c.victims_on(wanted, r.chosen.node);
        REQUIRE(static_cast<int>(victims.size()) == r.chosen.victims);
        for (const int v : victims) {
            REQUIRE(c.priority(v) < wanted.priority);
            c.remove(v);
        }
        REQUIRE(fits(wanted.needs, c.free(r.chosen.node)));
        for (const int v : victims) {  // each of them is needed
            c.restore(v);
            REQUIRE_FALSE(fits(wanted.needs, c.free(r.chosen.node)));
            c.remove(v);
        }
    }
    CHECK(found > 30);
}

TEST_CASE("scheduler message: a pending pod's reasons in the scheduler's own words") {
    SchedulerWords words;
    words.resources = {"cpu", "memory", "pods", "nvidia.com/gpu"};
    words.taints = {"nvidia.com/gpu: present"};
    LabCluster c = lab_cluster(12, amounts(0, 4000, 8 * gib, 110));
    for (int n = 0; n < 9; ++n) c.node_list[n].taint = 0;
    PodRules rules = rules_for(amounts(1, 100, gib));
    const ScheduleResult r = c.schedule(rules);
    const PreemptionResult none = c.preempt(rules);
    CHECK(unschedulable_message(r.rejected, words, PreemptionRefusal::tried, none) ==
          "0/12 nodes are available: 3 Insufficient nvidia.com/gpu, 9 node(s) had untolerated taint "
          "{nvidia.com/gpu: present}. preemption: 0/12 nodes are available: 12 Preemption is not helpful for "
          "scheduling.");
    // GPUs exist but are taken by pods of the same priority.
    LabPod pod;
    pod.rules = &rules;
    for (int n = 9; n < 12; ++n) {
        c.node_list[n].allocatable = c.node_list[n].free = amounts(1, 4000, 8 * gib, 110);
        c.bind(pod, n);
    }
    const ScheduleResult full = c.schedule(rules);
    CHECK(
        unschedulable_message(full.rejected, words, PreemptionRefusal::tried, c.preempt(rules)) ==
        "0/12 nodes are available: 3 Insufficient nvidia.com/gpu, 9 node(s) had untolerated taint "
        "{nvidia.com/gpu: present}. preemption: 0/12 nodes are available: 3 No preemption victims found for "
        "incoming pod, 9 Preemption is not helpful for scheduling.");
    CHECK(unschedulable_message(full.rejected, words, PreemptionRefusal::policy_never) ==
          "0/12 nodes are available: 3 Insufficient nvidia.com/gpu, 9 node(s) had untolerated taint "
          "{nvidia.com/gpu: present}. preemption: not eligible due to preemptionPolicy=Never.");
    CHECK(unschedulable_message({}, words) == "no nodes available to schedule pods");
}

TEST_CASE("scheduler message: reasons are sorted as text, counts included") {
    SchedulerWords words;
    words.resources = {"cpu", "memory"};
    RejectionCounts counts;
    counts.nodes = 12;
    counts.short_of[resource_memory_bytes] = 10;
    counts.by_reason[static_cast<int>(Rejection::node_affinity)] = 2;
    CHECK(unschedulable_message(counts, words) ==
          "0/12 nodes are available: 10 Insufficient memory, 2 node(s) didn't match Pod's node "
          "affinity/selector.");
}
