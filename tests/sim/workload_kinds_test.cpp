#include "sim/laws.hpp"
#include "tests/support/three_ways.hpp"

#include <catch2/catch.hpp>
#include <algorithm>
#include <vector>

using namespace windtunnel;
using lab::differences;

namespace {

/// Every change of every pod.
struct PodLog : LawObserver {
    using LawObserver::LawObserver;
    struct Change {
        double at;
        std::uint32_t slot;
        Pod pod;
    };
    std::vector<Change> changes;
    std::vector<OccurrenceRecord> occurrences;
    void pod_changed(std::uint32_t p, const Pod& pod, Tick now) override {
        LawObserver::pod_changed(p, pod, now);
        changes.push_back({to_seconds(now), p, pod});
    }
    using LawObserver::occurred;
    void occurred(const OccurrenceRecord& r) override { occurrences.push_back(r); }
    /// When pods of a workload came into a state, in order.
    [[nodiscard]] std::vector<double> times(std::uint32_t workload, PodState state) const {
        std::vector<double> out;
        for (const Change& c : changes)
            if (c.pod.workload == workload && c.pod.state == state) out.push_back(c.at);
        return out;
    }
    [[nodiscard]] std::vector<double> times_of_slot(std::uint32_t slot, PodState state) const {
        std::vector<double> out;
        for (const Change& c : changes)
            if (c.slot == slot && c.pod.state == state) out.push_back(c.at);
        return out;
    }
    [[nodiscard]] std::size_t count(Occurrence what) const {
        return static_cast<std::size_t>(std::count_if(occurrences.begin(), occurrences.end(),
                                                      [&](const OccurrenceRecord& r) { return r.what == what; }));
    }
};

struct LoggedRun {
    TrialOutcome outcome;
    PodLog log;
};
LoggedRun run_logged(const BlueprintParts& parts) {
    const BlueprintBlock block = build(parts);
    PodLog log(block.blueprint());
    TrialArena arena;
    TrialOutcome o = run_trial<ContiguousLayout, ArenaBank<ContiguousLayout>>(
        block.blueprint(), {nullptr, 0, block.blueprint().span}, {1, 0}, arena, log);
    for (const std::string& law : broken_laws(block.blueprint(), o)) FAIL(law);
    for (const std::string& law : log.broken) FAIL(law);
    return {std::move(o), std::move(log)};
}

/// Pods that nobody sends requests to: they start in 60 s and end in 10.
TemplateParts idle_pods(std::int64_t gpus, std::int32_t priority = 0) {
    TemplateParts t;
    t.plan.needs = resource_amounts(gpus, 400, 100, 1);
    t.plan.shapes.add(0);
    t.plan.priority = priority;
    t.stages = {{-1, 0, {}, seconds(60)}};
    t.plan.grace = seconds(30);
    t.plan.exit_takes = seconds(10);
    return t;
}
WorkloadPlan workload(std::uint32_t replicas, WorkloadController controller = WorkloadController::deployment) {
    WorkloadPlan w;
    w.controller = controller;
    w.initial_replicas = replicas;
    w.pod_slots = 24;
    return w;
}
/// `nodes` nodes of one GPU, and room for one more that comes in 100 s where `grows`.
BlueprintParts cluster(std::uint32_t nodes, bool grows = false) {
    BlueprintParts parts;
    PoolPlan p;
    p.node_slots = nodes + (grows ? 1 : 0);
    p.initial = p.minimum = nodes;
    p.provisioner = grows ? Provisioner::cluster_autoscaler : Provisioner::fixed;
    ShapePlan shape = lab::one_gpu_nodes(1000, 1000);
    shape.provisioning = seconds(100);
    parts.add(p, shape);
    parts.workload_of_model.clear();
    parts.span = seconds(3600);
    return parts;
}

}  // namespace

TEST_CASE("pause pods: a pod of higher priority takes their place, and they bring the next node") {
    BlueprintParts parts = cluster(1, true);
    parts.add(workload(1), idle_pods(1, -10));
    parts.add(workload(0), idle_pods(1, 0));
    parts.schedule.push_back({seconds(100), 1, 1});
    const LoggedRun r = run_logged(parts);
    CHECK(r.outcome.tally.pods_preempted == 1);
    CHECK(r.log.count(Occurrence::preempted) == 1);
    // The pause pod needs 10 s to end; the pod then starts in 60 s.
    CHECK(r.log.times(1, PodState::ready) == std::vector<double>{170});
    // Its successor is pending at once and brings a node: the autoscaler's next look (at 110 s: at 100 s the pod is
    // younger than 2 s), 100 s for the node, 60 s to start. The first time is t = 0.
    const std::vector<double> pause = r.log.times(0, PodState::ready);
    REQUIRE(pause.size() == 2);
    CHECK(pause[1] >= 100 + 100 + 60);
    CHECK(pause[1] <= 100 + 12 + 100 + 60);
    CHECK(r.outcome.tally.pools[0].nodes.value == 2);
}

TEST_CASE("preemption: of two nodes the one whose pod no budget protects") {
    BlueprintParts parts = cluster(2);
    parts.add(workload(1), idle_pods(1, -10));
    parts.add(workload(1), idle_pods(1, -5));  // spared for its priority where there is no budget
    parts.templates[1].plan.preempts = 0;
    parts.add(workload(0), idle_pods(1, 0));
    parts.schedule.push_back({seconds(100), 2, 1});
    CHECK(run_logged(parts).log.times(0, PodState::terminating).size() == 1);
    DisruptionBudgetPlan budget;
    budget.spec.min_available = integer(1);
    budget.workloads[0] = 1;  // of the first workload
    parts.budgets.push_back(budget);
    const LoggedRun r = run_logged(parts);
    CHECK(r.log.times(0, PodState::terminating).empty());
    CHECK(r.log.times(1, PodState::terminating).size() == 1);
}

TEST_CASE("replica set: those it deletes together are ranked once, so two on one node go before the youngest on another") {
    BlueprintParts parts = cluster(1, true);
    parts.add(workload(2), idle_pods(0));  // 800 of the node's 1000 mCPU
    parts.schedule.push_back({seconds(100), 0, 3});
    parts.schedule.push_back({seconds(1000), 0, 1});
    parts.span = seconds(1200);
    const LoggedRun r = run_logged(parts);
    REQUIRE(r.log.times_of_slot(2, PodState::ready).size() == 1);  // on the second node
    // Ranked anew after the first, the two that are left would tie, and the youngest would go.
    CHECK(r.log.times_of_slot(0, PodState::terminating) == std::vector<double>{1000});
    CHECK(r.log.times_of_slot(1, PodState::terminating) == std::vector<double>{1000});
    CHECK(r.log.times_of_slot(2, PodState::terminating).empty());
}

TEST_CASE("daemon sets: what their pods take of a node is not there for others") {
    for (const std::int64_t daemons : {0, 300}) {
        BlueprintParts parts = cluster(1);
        parts.shapes[0].daemons = resource_amounts(0, daemons, 0, 2);
        TemplateParts t = idle_pods(0);  // 400 of 1000 mCPU
        parts.add(workload(2), t);
        CHECK(run_logged(parts).log.times(0, PodState::ready).size() == (daemons == 0 ? 2u : 1u));
    }
}

TEST_CASE("quota: pods beyond it are not created, and the set tries again ever later") {
    BlueprintParts parts = cluster(4);
    parts.add(workload(2), idle_pods(1));
    parts.schedule.push_back({seconds(100), 0, 4});
    QuotaPlan quota;
    quota.limited = 1u << resource_gpus;
    quota.hard = resource_amounts(2, 0, 0, 0);
    quota.workloads[0] = 3;
    parts.quotas.push_back(quota);
    const LoggedRun r = run_logged(parts);
    CHECK(r.log.times(0, PodState::pending).size() == 2);
    // The n-th refusal is at 100 s + 5 ms (2^(n-1) - 1), up to the 19th at 1410.7 s; then every 1000 s: 21 in the hour.
    CHECK(r.outcome.tally.creations_refused == 21);
    CHECK(r.log.count(Occurrence::create_refused) == 21);

    // Room that another workload gives back is noticed at the next try only: 2410.7 s, although it is there at 1500 s.
    parts.workloads[0].initial_replicas = 1;
    parts.schedule[0].replicas = 2;
    parts.add(workload(1), idle_pods(1));
    parts.schedule.push_back({seconds(1500), 1, 0});
    const std::vector<double> made = run_logged(parts).log.times(0, PodState::pending);
    REQUIRE(made.size() == 2);
    CHECK(made[1] == Approx(100 + 0.005 * (262144 - 1) + 1000).margin(0.001));
}

TEST_CASE("quota: a terminating pod is charged to its end, so a surge pod needs spare quota") {
    BlueprintParts parts = cluster(3);
    WorkloadPlan w = workload(2);
    w.max_surge = integer(1);
    w.max_unavailable = integer(0);
    parts.add(w, idle_pods(1));
    const std::uint32_t revision = parts.add_revision(0, parts.templates[0]);
    parts.events.push_back({seconds(100), ClusterEventKind::rollout, {}, 0, 1, revision});
    QuotaPlan quota;
    quota.limited = 1u << resource_gpus;
    quota.workloads[0] = 1;
    quota.hard = resource_amounts(2, 0, 0, 0);
    parts.quotas = {quota};
    const LoggedRun stuck = run_logged(parts);
    CHECK(stuck.outcome.tally.rollouts == 0);
    CHECK(stuck.outcome.tally.rollouts_stuck == 1);  // progressDeadlineSeconds 600 pass
    CHECK(stuck.log.count(Occurrence::rollout_deadline) == 1);
    parts.quotas[0].hard = resource_amounts(3, 0, 0, 0);
    CHECK(run_logged(parts).outcome.tally.rollouts == 1);
}

TEST_CASE("stateful set: one ordinal after the other, from the highest down in an update") {
    BlueprintParts parts = cluster(4);
    WorkloadPlan w = workload(3, WorkloadController::ordinals);
    w.max_unavailable = integer(1);
    parts.add(w, idle_pods(1));
    parts.cold = 1;
    CHECK(run_logged(parts).log.times(0, PodState::ready) == std::vector<double>{60, 120, 180});
    parts.workloads[0].ordinals.management = PodManagement::parallel;
    CHECK(run_logged(parts).log.times(0, PodState::ready) == std::vector<double>{60, 60, 60});

    parts.workloads[0].ordinals.management = PodManagement::ordered_ready;
    const std::uint32_t revision = parts.add_revision(0, parts.templates[0]);
    parts.events.push_back({seconds(1000), ClusterEventKind::rollout, {}, 0, 1, revision});
    const LoggedRun rolled = run_logged(parts);
    // Each goes in 10 s and comes back in 60.
    CHECK(rolled.log.times_of_slot(2, PodState::ready) == std::vector<double>{180, 1070});
    CHECK(rolled.log.times_of_slot(1, PodState::ready) == std::vector<double>{120, 1140});
    CHECK(rolled.log.times_of_slot(0, PodState::ready) == std::vector<double>{60, 1210});
    CHECK(rolled.outcome.tally.rollouts == 1);
    parts.workloads[0].ordinals.partition = 2;
    const LoggedRun partly = run_logged(parts);
    CHECK(partly.log.times_of_slot(2, PodState::ready).size() == 2);
    CHECK(partly.log.times_of_slot(1, PodState::ready).size() == 1);
    parts.workloads[0].ordinals.on_delete = 1;
    CHECK(run_logged(parts).log.times_of_slot(2, PodState::ready).size() == 1);
}

TEST_CASE("stateful set: warm replicas are all there at t = 0") {
    BlueprintParts parts = cluster(3);
    parts.add(workload(3, WorkloadController::ordinals), idle_pods(1));
    CHECK(run_logged(parts).log.times(0, PodState::ready) == std::vector<double>{0, 0, 0});
}

TEST_CASE("groups: the leader serves when its last worker does, and one lost pod restarts them all") {
    BlueprintParts parts = cluster(3);
    WorkloadPlan w = workload(1, WorkloadController::ordinals);
    w.ordinals.management = PodManagement::parallel;
    w.ordinals.group_size = 2;
    TemplateParts worker = idle_pods(1);
    worker.stages[0].fixed = seconds(90);
    TemplateParts leader = idle_pods(1);
    leader.plan.server = 0;
    parts.servers = {lab::plain_server()};
    parts.add(w, leader);
    parts.templates[0].plan.worker_template = static_cast<std::int32_t>(parts.add_revision(0, worker));
    parts.cold = 1;
    const LoggedRun started = run_logged(parts);
    CHECK(started.log.times_of_slot(0, PodState::ready) == std::vector<double>{90});  // 60 s by itself
    CHECK(started.log.times_of_slot(1, PodState::ready) == std::vector<double>{90});
    CHECK(started.outcome.tally.ready_replicas.most == 1);

    parts.cold = 0;
    parts.pools[0].initial = 3;
    parts.events.push_back({seconds(100), ClusterEventKind::drain_node, {}, 0, 1, 0});
    const LoggedRun drained = run_logged(parts);
    // One of the two is evicted, the other follows; both are gone after 10 s, then 90 s.
    CHECK(drained.outcome.tally.evictions == 1);
    CHECK(drained.log.times_of_slot(0, PodState::ready) == std::vector<double>{0, 200});
    CHECK(drained.log.times_of_slot(1, PodState::ready) == std::vector<double>{0, 200});
}

TEST_CASE("job: completions in turns of its parallelism, with back-off after failures, up to its limit") {
    BlueprintParts parts = cluster(2);
    WorkloadPlan w = workload(1, WorkloadController::batch_job);
    w.job.parallelism = 2;
    w.job.completions = 4;
    TemplateParts t = idle_pods(1);
    t.plan.run_time = seconds(40);
    parts.add(w, t);
    const LoggedRun done = run_logged(parts);
    // Two at a time, 60 + 40 s each.
    CHECK(done.log.times(0, PodState::none) == std::vector<double>{100, 100, 200, 200});
    CHECK(done.outcome.tally.jobs_complete == 1);
    CHECK(done.outcome.tally.gpus.most == 2);

    parts.workloads[0].job = {1, 1, 6, never};
    parts.templates[0].plan.failing_runs = 2;
    const LoggedRun retried = run_logged(parts);
    // Failures at 100 s and 10 s + 100 s later; then 20 s of back-off.
    CHECK(retried.log.times(0, PodState::none) == std::vector<double>{100, 210, 330});
    CHECK(retried.outcome.tally.jobs_complete == 1);
    parts.workloads[0].job.backoff_limit = 1;
    const LoggedRun failed = run_logged(parts);
    CHECK(failed.log.times(0, PodState::none) == std::vector<double>{100, 210});
    CHECK(failed.outcome.tally.jobs_failed == 1);
    parts.workloads[0].job.active_deadline = seconds(80);
    CHECK(run_logged(parts).log.times(0, PodState::terminating) == std::vector<double>{80});
}

TEST_CASE("job: with restartPolicy Never a failed pod is replaced, with OnFailure restarts in place fail the Job") {
    const auto losing_a_gpu = [](RestartPolicy policy, std::int32_t limit) {
        BlueprintParts parts = cluster(1);
        parts.shapes[0].capacity = parts.shapes[0].allocatable = resource_amounts(2, 8000, 1 << 20, 10);
        parts.shapes[0].gpus = 2;
        parts.shapes[0].devices[0].count = 2;
        WorkloadPlan w = workload(1, WorkloadController::batch_job);
        w.job.parallelism = w.job.completions = 2;
        w.job.backoff_limit = limit;
        w.job.counts_restarts = policy == RestartPolicy::on_failure;
        TemplateParts t = idle_pods(1);
        t.plan.restart_policy = policy;
        t.plan.run_time = seconds(400);
        parts.add(w, t);
        parts.events = {{seconds(100), ClusterEventKind::lose_gpu, {}, 0, 1, 0}};
        return run_logged(parts).outcome.tally;
    };
    // The pod on the dead GPU fails; another takes its place when the other GPU is free.
    const auto never_restarts = losing_a_gpu(RestartPolicy::do_not, 2);
    CHECK(never_restarts.jobs_complete == 1);
    CHECK(never_restarts.container_restarts == 0);
    for (const std::int32_t limit : {0, 2}) {
        const auto restarts = losing_a_gpu(RestartPolicy::on_failure, limit);
        CHECK(restarts.jobs_failed == 1);
        CHECK(restarts.container_restarts == static_cast<std::uint64_t>(limit > 0 ? limit : 1));
    }
}

TEST_CASE("cron job: Forbid starts the missed run at the end of the one before, Replace ends that one, Allow adds") {
    const auto starts = [](CronConcurrency concurrency) {
        BlueprintParts parts = cluster(4);
        WorkloadPlan w = workload(1, WorkloadController::batch_job);
        w.cron = 0;
        TemplateParts t = idle_pods(1);
        t.plan.run_time = seconds(90);  // 150 s with its start
        CronPlan cron;
        cron.concurrency = concurrency;
        cron.hit_count = 2;
        cron.workload_count = 2;
        parts.cron_hits = {seconds(100), seconds(200)};
        parts.crons.push_back(cron);
        parts.add(w, t);
        parts.add(w, t);
        const LoggedRun r = run_logged(parts);
        std::vector<double> created;
        for (const PodLog::Change& c : r.log.changes)
            if (c.pod.state == PodState::pending) created.push_back(c.at);
        created.push_back(static_cast<double>(r.outcome.tally.jobs_complete));
        return created;
    };
    // A Job comes 100 ms after its time.
    CHECK(starts(CronConcurrency::allow) == std::vector<double>{100.1, 200.1, 2});
    CHECK(starts(CronConcurrency::forbid) == std::vector<double>{100.1, 250.1, 2});
    CHECK(starts(CronConcurrency::replace) == std::vector<double>{100.1, 200.1, 1});
}

TEST_CASE("bare pods: made once, and by nobody again") {
    BlueprintParts parts = cluster(2);
    parts.add(workload(1, WorkloadController::bare_pod), idle_pods(1));
    parts.events.push_back({seconds(100), ClusterEventKind::drain_node, {}, 0, 1, 0});
    const LoggedRun r = run_logged(parts);
    CHECK(r.log.times(0, PodState::pending).size() == 1);
    CHECK(r.log.times(0, PodState::none) == std::vector<double>{110});
}

TEST_CASE("image pulls: one after the other on a node, and once for all pods of a workload") {
    BlueprintParts parts = cluster(1);
    parts.shapes[0].capacity = parts.shapes[0].allocatable = resource_amounts(1, 4000, 4000, 10);
    parts.cold = 1;
    TemplateParts t = idle_pods(0);
    t.stages = {{-1, 1, {}, seconds(100)}, {-1, 0, {}, seconds(5)}};
    parts.add(workload(2), t);
    parts.add(workload(1), t);
    const LoggedRun r = run_logged(parts);
    CHECK(r.log.times(0, PodState::ready) == std::vector<double>{105, 105});
    CHECK(r.log.times(1, PodState::ready) == std::vector<double>{205});
}

TEST_CASE("workloads of every kind in random clusters: fast = stepwise = interleaved, and the laws hold") {
    std::uint64_t preempted = 0, refused = 0, complete = 0, failed = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        INFO("seed " << seed);
        std::vector<Request> requests;
        BlueprintParts parts = lab::random_cluster(seed, requests);
        lab::add_other_workloads(parts, seed);
        if (seed % 3 == 0) {
            const auto at = [&](std::int64_t share) { return Tick{parts.span.count * share / 10}; };
            parts.events = {{at(2), ClusterEventKind::drain_node, {}, 0, 1, 0},
                            {at(4), ClusterEventKind::lose_node, {}, 1, 1, 0},
                            {at(5), ClusterEventKind::add_node, {}, 0, 1, 0}};
        }
        const TrialOutcome one = lab::run_three_ways(parts, requests, {seed, 3});
        preempted += one.tally.pods_preempted;
        refused += one.tally.creations_refused;
        complete += one.tally.jobs_complete;
        failed += one.tally.jobs_failed;
    }
    CHECK(preempted > 20);
    CHECK(refused > 20);
    CHECK(complete > 5);
    CHECK(failed > 5);
}
