#include "tests/support/node_lab.hpp"
#include "tests/support/rounds.hpp"
#include "tests/support/three_ways.hpp"

#include <random>

using namespace windtunnel;
using namespace windtunnel::lab;

namespace {

/// Two workloads on three pools of several shapes, in seconds: Karpenter, cluster-autoscaler and fixed ones.
BlueprintParts random_shapes(std::uint64_t seed, std::vector<Request>& requests) {
    std::mt19937_64 rng(seed * 91);
    const auto pick = [&](std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(high - low + 1));
    };
    BlueprintParts parts;
    parts.span = seconds(pick(1500, 5000));
    parts.drain_limit = seconds(100);
    parts.job_capacity = 256;
    for (int i = 0; i < 2; ++i) {
        ServerParts s;
        s.max_num_seqs = 4 * (i + 1);
        s.max_num_batched_tokens = 64;
        s.max_model_len = 4096;
        s.usable_blocks = 256 + 100 * i;
        s.cost.decode_step.assign(static_cast<std::size_t>(s.max_num_seqs) + 1, milliseconds(pick(20, 200)));
        s.cost.mixed_step.assign(65, milliseconds(pick(50, 300)));
        s.cost.attention = {{0, Tick{}, 0}};
        parts.servers.push_back(s);
    }
    const std::uint32_t pools = static_cast<std::uint32_t>(pick(1, 3));
    std::int32_t shapes = 0, karpenter = 0;
    for (std::uint32_t p = 0; p < pools; ++p) {
        PoolPlan pool;
        pool.node_slots = static_cast<std::uint32_t>(pick(2, 10));
        pool.provisioner = static_cast<Provisioner>(pick(p == 0 ? 1 : 0, 2));
        pool.choice = static_cast<ShapeChoice>(pick(0, 2));
        pool.zone_groups = static_cast<std::uint8_t>(pick(0, 1));
        pool.balances = static_cast<std::uint8_t>(pick(0, 1));
        pool.group_maximum = static_cast<std::uint32_t>(pick(1, 6));
        pool.on_demand_base = static_cast<std::uint32_t>(pick(0, 2));
        pool.on_demand_percent = static_cast<std::uint32_t>(pick(0, 4) * 25);
        if (pool.provisioner == Provisioner::fixed) pool.initial = static_cast<std::uint32_t>(pick(0, pool.node_slots));
        std::vector<ShapePlan> of_pool;
        const std::int64_t zones = pick(1, 3), types = pick(1, 3);
        for (std::int64_t zone = 0; zone < zones; ++zone)
            for (std::int64_t type = 0; type < types; ++type) {
                ShapePlan shape = gpu_nodes(std::int64_t{1} << type, pick(1, 9));
                shape.zone = static_cast<std::uint32_t>(zone);
                shape.type = shape.family = static_cast<std::int32_t>(type);
                shape.gpu_kind = static_cast<std::uint32_t>(pick(0, 1));
                shape.spot = static_cast<std::uint8_t>(pick(0, 1));
                shape.kind = shape.spot ? OfferingKind::spot : OfferingKind::on_demand;
                shape.bill = p;
                shape.provisioning = seconds(pick(0, 9) == 0 ? 1000 : pick(10, 200));
                shape.minimum_billing = seconds(pick(0, 60));
                of_pool.push_back(shape);
            }
        shapes += static_cast<std::int32_t>(of_pool.size());
        if (pool.provisioner == Provisioner::karpenter) {
            pool.karpenter = karpenter++;
            KarpenterPoolPlan plan;
            plan.pool = p;
            plan.consolidate_after = seconds(pick(0, 120));
            if (pick(0, 3) == 0) plan.expire_after = seconds(pick(300, 1500));
            if (pick(0, 2) == 0) plan.termination_grace = seconds(pick(30, 300));
            if (pick(0, 1)) {
                plan.limited = 1u << resource_gpus;
                plan.limits[resource_gpus] = pick(2, 12);
            }
            if (pick(0, 3) == 0) plan.node_limit = pick(1, 5);
            plan.only_when_empty = static_cast<std::uint8_t>(pick(0, 1));
            KarpenterBudgetPlan budget;
            budget.budget.nodes = percent(static_cast<std::int32_t>(pick(0, 100)));
            plan.first_budget = static_cast<std::uint32_t>(parts.karpenter_budgets.size());
            plan.budget_count = 1;
            parts.karpenter_budgets.push_back(budget);
            parts.karpenter_pools.push_back(plan);
        }
        parts.add(pool, of_pool);
    }
    // Some pods spread over zones or shun each other on a host: a counter of each for each workload.
    for (const ShapePlan& shape : parts.shapes) parts.shape_domains.push_back(static_cast<std::int32_t>(shape.zone));
    parts.topology_domains = {3};
    parts.zone_key = 1;
    std::mt19937_64 rules(seed * 92);
    for (std::uint32_t w = 0; w < 2; ++w) {
        TopologyCounterPlan by_host, by_zone;
        by_host.shapes = by_zone.shapes = ShapeSet::first(shapes);
        by_zone.key = 1;
        by_zone.counts_terminating = false;
        parts.counters.push_back(by_host);
        parts.counters.push_back(by_zone);
    }
    for (std::uint32_t w = 0; w < 2; ++w) {
        WorkloadPlan workload;
        workload.pod_slots = 24;
        workload.initial_replicas = static_cast<std::uint32_t>(pick(0, 4));
        workload.hold = static_cast<std::uint8_t>(pick(0, 1));
        TemplateParts pods;
        pods.plan.server = 0;
        pods.kind_servers = {0, pick(0, 5) == 0 ? no_fit_server : 1};
        pods.plan.needs = resource_amounts(pick(1, 2), pick(100, 4000), pick(1000, 30'000), 1);
        for (std::int32_t i = 0; i < shapes; ++i)
            if (pick(0, 3) != 0) pods.plan.shapes.add(i);
        pods.plan.grace = seconds(pick(0, 60));
        pods.plan.drains = static_cast<std::uint8_t>(pick(0, 1));
        pods.plan.do_not_disrupt = static_cast<std::uint8_t>(pick(0, 4) == 0);
        pods.stages = {{-1, 1, {}, seconds(pick(1, 60))}, {-1, 0, {}, seconds(pick(1, 60))}};
        pods.counted_by = {2 * w, 2 * w + 1};
        if (rules() % 3 == 0) pods.affinity = {{static_cast<std::int32_t>(2 * w), topology_hostname, 0, AffinityKind::anti}};
        if (rules() % 3 == 0)
            pods.spread = {{static_cast<std::int32_t>(2 * w + 1), 1, static_cast<std::int32_t>(1 + rules() % 2), 1, true, true}};
        const auto some_shapes = [&] {
            ShapeSet some;
            for (std::int32_t i = 0; i < shapes; ++i)
                if (rules() % 2 == 0) some.add(i);
            return some;
        };
        if (rules() % 3 == 0) pods.affinity.push_back({static_cast<std::int32_t>(2 * w), topology_hostname, -50, AffinityKind::preferred, 1});
        if (rules() % 3 == 0) pods.preferred_terms = {some_shapes(), some_shapes()};
        if (rules() % 3 == 0) pods.required_terms = {some_shapes(), some_shapes()};
        pods.plan.blocks_removal = rules() % 8 == 0 ? 1 : 0;
        parts.add(workload, pods);
        for (std::int64_t n = pick(1, 12); n > 0; --n)
            parts.schedule.push_back({Tick{pick(0, parts.span.count)}, w, static_cast<std::uint32_t>(pick(0, 8))});
    }
    std::sort(parts.schedule.begin(), parts.schedule.end(),
              [](const ScheduledScale& a, const ScheduledScale& b) { return a.at < b.at; });
    parts.workload_of_model = {0, 1};
    for (std::int64_t n = pick(0, 3); n > 0; --n) {
        ShapeSet sold;
        for (std::int32_t i = 0; i < shapes; ++i)
            if (pick(0, 1)) sold.add(i);
        const Tick from{pick(0, parts.span.count)};
        sell_out(parts, sold, from, from + seconds(pick(1, 1500)));
    }
    for (std::int64_t n = pick(0, 2); n > 0; --n)
        parts.events.push_back({Tick{pick(0, parts.span.count)},
                                pick(0, 1) ? ClusterEventKind::lose_node : ClusterEventKind::drain_node,
                                {},
                                static_cast<std::uint32_t>(pick(0, pools - 1)),
                                1,
                                0,
                                {}});
    std::stable_sort(parts.events.begin(), parts.events.end(),
                     [](const ClusterEventPlan& a, const ClusterEventPlan& b) { return a.at < b.at; });
    if (pick(0, 1)) {
        DisruptionBudgetPlan budget;
        budget.spec.max_unavailable = integer(static_cast<std::int32_t>(pick(0, 2)));
        budget.workloads[0] = static_cast<std::uint64_t>(pick(1, 3));
        parts.budgets.push_back(budget);
    }
    parts.cold = pick(0, 3) == 0;
    requests.clear();
    for (int i = 0; i < 150; ++i) {
        Request r;
        r.arrival = Tick{pick(0, parts.span.count - 1)};
        r.prompt_tokens = static_cast<std::uint32_t>(pick(1, 500));
        r.output_tokens = static_cast<std::uint32_t>(pick(1, 300));
        r.model = static_cast<std::uint16_t>(pick(0, 1));
        requests.push_back(r);
    }
    std::sort(requests.begin(), requests.end(), [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
    return parts;
}

}  // namespace

TEST_CASE("random pools of several shapes: fast = stepwise = interleaved, the laws and the limits hold") {
    const std::uint64_t trials = lab::rounds(150, 5000);
    std::uint64_t completed = 0, launched = 0, dropped = 0;
    // The last one is a seed that once found a mistake.
    for (std::uint64_t i = 1; i <= trials + 1; ++i) {
        const std::uint64_t seed = i <= trials ? i : 1772;
        INFO("seed " << seed);
        std::vector<Request> requests;
        const BlueprintParts parts = random_shapes(seed, requests);
        const TrialOutcome one = lab::run_three_ways(parts, requests, {seed, 1});
        completed += one.tally.requests.completed;
        for (const PoolTally& pool : one.tally.pools) {
            launched += pool.launched;
            dropped += pool.launched - static_cast<std::uint64_t>(pool.nodes.value);
        }
    }
    CHECK(completed > 1000);
    CHECK(launched > 500);
    CHECK(dropped > 200);
}
