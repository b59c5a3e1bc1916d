// What the clusters of the gallery say of themselves.
#include "reports/observed_trial.hpp"
#include "tests/gallery/shipped_scenario.hpp"

using namespace gallery;

namespace {

ObservedTrial observe(const std::string& file) {
    RunFlags flags;
    flags.scenario = (folder() / file).string();
    const Result<LoadedRun> run = load_run(flags);
    REQUIRE(run);
    ObservationPlan plan;
    plan.cluster = &run->scenario;
    const auto trace = run->workload(0);
    return observe_trial([&](std::uint32_t growth) { return build(run->scenario.parts, growth); },
                         trace->view(), {run->seed, 0}, ServerKind::fast, plan);
}

}  // namespace

TEST_CASE("cluster log: a Ready pod that cannot serve is told from no pod at all") {
    const ObservedTrial lies = observe("readiness-lies/scenario.yaml");
    CHECK(lies.losses.refused == lies.outcome.tally.requests.failed);
    CHECK(lies.losses.refused > 0);
    CHECK(lies.losses.no_replica == 0);
    const ObservedTrial loop = observe("liveness-restart-loop/scenario.yaml");
    CHECK(loop.losses.no_replica == loop.outcome.tally.requests.failed);
    REQUIRE(loop.cluster->workloads.size() == 1);
    CHECK(loop.cluster->workloads[0].restarts == loop.outcome.tally.container_restarts);
    CHECK(loop.cluster->workloads[0].liveness_kills == loop.cluster->workloads[0].restarts);
    CHECK(loop.cluster->workloads[0].crash_loop_pod_s > 0);
}

TEST_CASE("cluster log: the surge pod's wait is in the scheduler's words") {
    const ObservedTrial stuck = observe("surge-pod-stuck/scenario.yaml");
    REQUIRE(!stuck.cluster->pending.empty());
    CHECK(stuck.cluster->pending[0].message.starts_with("0/4 nodes are available: 4 Insufficient"));
    CHECK(stuck.cluster->pending[0].message.find("4 Insufficient nvidia.com/gpu") != std::string::npos);
    CHECK(stuck.cluster->pending[0].longest_s <= stuck.cluster->pending[0].pod_s);
    REQUIRE(stuck.cluster->workloads[0].rollouts.size() == 1);
    // Both revisions served, and every completed request is in one of them.
    REQUIRE(stuck.cluster->workloads[0].revisions.size() == 2);
    std::uint64_t completed = 0;
    for (const RevisionLog& r : stuck.cluster->workloads[0].revisions) completed += r.completed;
    CHECK(completed == stuck.outcome.tally.requests.completed);
}

TEST_CASE("cluster log: which cap binds, and where it is written") {
    const ObservedTrial replicas = observe("maxed-out-queue/scenario.yaml");
    REQUIRE(replicas.cluster->autoscalers.size() == 1);
    REQUIRE(replicas.cluster->autoscalers[0].limits.size() == 1);
    const BindingLimit& limit = replicas.cluster->autoscalers[0].limits[0];
    CHECK(limit.value == 4);
    CHECK(limit.where.line > 0);
    CHECK(limit.where.file.find("scaledobject.yaml") != std::string::npos);
    CHECK(limit.held_s > 5 * 3600);
    for (const PoolLog& pool : replicas.cluster->pools) CHECK(!pool.limit);
}
