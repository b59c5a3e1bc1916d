#include "policies/rollout.hpp"
#include "policies/disruption_budget.hpp"
#include "policies/replica_set.hpp"
#include "policies/rollout_status.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace windtunnel;

namespace {

struct Deployment {
    RolloutSpec spec;
    ReplicaSetState newest;
    std::vector<ReplicaSetState> old;

    RolloutSets sets() { return {&newest, old.data(), static_cast<std::int32_t>(old.size())}; }
    /// Everything that was asked for has become available.
    void settle() {
        newest.available = newest.replicas;
        for (ReplicaSetState& set : old) set.available = set.replicas;
    }
};

Deployment rolling(std::int32_t replicas, CountOrPercent surge, CountOrPercent unavailable) {
    Deployment result;
    result.spec = {replicas, RolloutStrategy::rolling_update, surge, unavailable};
    result.newest = {0, 0, 2, replicas, replicas};
    result.old = {{replicas, replicas, 1, replicas, replicas}};
    return result;
}

}  // namespace

TEST_CASE("rollout: surge rounds up, unavailability down, and never both to nothing") {
    // 25 % of 3 = 0.75: surge 1, unavailable 0. Of 1: surge 1, unavailable 0. 0/0 resolves to unavailable 1.
    CHECK(resolve_fenceposts(percent(25), percent(25), 3).surge == 1);
    CHECK(resolve_fenceposts(percent(25), percent(25), 3).unavailable == 0);
    CHECK(resolve_fenceposts(integer(0), integer(0), 3).unavailable == 1);
    CHECK(effective_max_unavailable({0, RolloutStrategy::rolling_update, integer(0), integer(3)}) == 0);
    CHECK(effective_max_unavailable({2, RolloutStrategy::rolling_update, integer(0), integer(3)}) == 2);
}

TEST_CASE("rollout: the defaults walk four replicas over with one extra and one missing") {
    Deployment deployment = rolling(4, percent(25), percent(25));
    // cap 5, at least 3 available: +1 new; -1 old (5 - 3 - 1 unavailable new = 1 ...).
    CHECK(sync_rollout(deployment.spec, deployment.sets(), true));
    CHECK(deployment.newest.replicas == 1);
    CHECK(sync_rollout(deployment.spec, deployment.sets(), true));
    CHECK(deployment.old[0].replicas == 3);
    int syncs = 0;
    for (; syncs < 20 && sync_rollout(deployment.spec, deployment.sets(), true); ++syncs) {
        CHECK(total_replicas(deployment.sets()) <= 5);
        deployment.settle();
        CHECK(total_available(deployment.sets()) >= 3);
    }
    CHECK(deployment.newest.replicas == 4);
    CHECK(deployment.old[0].replicas == 0);
    CHECK(rollout_is_complete(4, {4, 4, 4, 4}));
}

TEST_CASE("rollout: one replica without a spare GPU waits for its surge pod") {
    Deployment deployment = rolling(1, percent(25), percent(25));
    CHECK(sync_rollout(deployment.spec, deployment.sets(), true));
    CHECK(deployment.newest.replicas == 1);
    // The new pod stays Pending (not available): the old one may not go.
    CHECK_FALSE(sync_rollout(deployment.spec, deployment.sets(), true));
    CHECK(deployment.old[0].replicas == 1);
}

TEST_CASE("rollout: unhealthy old pods go first and do not need new ones") {
    Deployment deployment = rolling(10, integer(0), integer(2));
    deployment.old[0].available = 7;
    // Total 10 - at least 8 - 0 = 2 may go; 3 are unhealthy, so 2 of them go; 7 available are below 8: no
    // more.
    CHECK(reconcile_old_sets(deployment.spec, deployment.sets()));
    CHECK(deployment.old[0].replicas == 8);
}

TEST_CASE("rollout: pods of a set that wants none any more are not counted as available") {
    Deployment deployment = rolling(10, integer(2), integer(2));
    deployment.newest = {4, 4, 3, 10, 12};
    deployment.old = {{5, 5, 2, 10, 12}, {0, 3, 1, 10, 12}};
    // 9 of the sets that want pods are available and 8 must stay; the 3 of the last set are leaving.
    CHECK(reconcile_old_sets(deployment.spec, deployment.sets()));
    CHECK(deployment.old[0].replicas == 4);
}

TEST_CASE("rollout: Recreate waits until the last old pod is gone") {
    Deployment deployment = rolling(3, integer(0), integer(0));
    deployment.spec.strategy = RolloutStrategy::recreate;
    CHECK(sync_rollout(deployment.spec, deployment.sets(), true));
    CHECK(deployment.old[0].replicas == 0);
    CHECK_FALSE(sync_rollout(deployment.spec, deployment.sets(), true));
    CHECK(sync_rollout(deployment.spec, deployment.sets(), false));
    CHECK(deployment.newest.replicas == 3);
}

TEST_CASE("rollout: a resize in the middle is shared in proportion and the rest goes to the largest") {
    Deployment deployment = rolling(10, integer(2), integer(0));
    deployment.newest = {4, 4, 2, 10, 12};
    deployment.old = {{8, 8, 1, 10, 12}};
    deployment.spec.replicas = 15;
    // Allowed 17, to add 5: old 8 * 17/12 = 11.33 -> 11 (+3), new 4 * 17/12 = 5.67 -> 6 (+2).
    CHECK(sync_rollout(deployment.spec, deployment.sets(), true));
    CHECK(deployment.old[0].replicas == 11);
    CHECK(deployment.newest.replicas == 6);
    CHECK(deployment.newest.annotated_max == 17);
    CHECK_FALSE(is_scaling_event(deployment.spec, deployment.sets()));
}

TEST_CASE("replica set: what is deleted first") {
    ReplicaSetPod base{true, PodPhase::running, true, 0, 1, 0, seconds(0), seconds(0), 5};
    const Tick now = seconds(4000);
    const auto earlier = [&](auto change) {
        ReplicaSetPod other = base;
        change(other);
        CHECK(deleted_before(other, base, now));
        CHECK_FALSE(deleted_before(base, other, now));
    };
    earlier([](auto& pod) { pod.assigned = false; });
    earlier([](auto& pod) { pod.phase = PodPhase::pending; });
    earlier([](auto& pod) { pod.ready = false; });
    earlier([](auto& pod) { pod.deletion_cost = -1; });
    earlier([](auto& pod) { pod.rank = 2; });
    earlier([](auto& pod) { pod.restarts = 3; });
    earlier([](auto& pod) { pod.ready_since = seconds(3900); });
    // Ages of 4000 s and 3000 s: 2^41 ns = 2199 s, 2^42 = 4398 s, one class; the uid decides, not the age.
    ReplicaSetPod younger = base;
    younger.ready_since = seconds(1000);
    younger.uid = 9;
    CHECK(deleted_before(base, younger, now));
    younger.uid = 1;
    CHECK(deleted_before(younger, base, now));
}

TEST_CASE("replica set: refused creations are retried from 5 ms doubling to 1000 s") {
    CHECK(creation_retry_delay(1) == milliseconds(5));
    CHECK(creation_retry_delay(4) == milliseconds(40));
    CHECK(creation_retry_delay(18) == milliseconds(5 << 17));  // 655 s
    CHECK(creation_retry_delay(19) == seconds(1000));
    CHECK(creation_retry_delay(60) == seconds(1000));
    CHECK_FALSE(is_available(true, seconds(0), seconds(10), seconds(10)));
    CHECK(is_available(true, seconds(0), seconds(0), seconds(0)));
}

TEST_CASE("disruption budget: percentages round up for both fields") {
    // 30 % of 7 = 2.1 -> 3 may be missing; desired 4.
    const DisruptionBudgetSpec spec{{}, percent(30), false};
    CHECK(budget_status(spec, {7, 7, 7, false}).disruptions_allowed == 3);
    CHECK(budget_status(spec, {3, 3, 3, false}).disruptions_allowed == 1);
    CHECK(budget_status({percent(28), {}, false}, {11, 11, 11, false}).desired_healthy == 4);  // 3.08
}

TEST_CASE("disruption budget: a pod without controller is left out, or blocks in old releases") {
    const DisruptionBudgetInput input{4, 4, 3, true};
    CHECK(budget_status({percent(34), {}, false}, input).disruptions_allowed == 2);
    CHECK(budget_status({percent(34), {}, true}, input).disruptions_allowed == 0);
    CHECK(budget_status({integer(3), {}, true}, input).disruptions_allowed == 1);  // counts pods, not scales
}

TEST_CASE("disruption budget: an eviction is charged, refused, or free of charge for a sick pod") {
    DisruptionBudgetStatus status{3, 2, 3, 1};
    const auto ask = [&](bool sick, UnhealthyEvictionPolicy policy) {
        return request_eviction(&status, 1, false, sick, policy);
    };
    CHECK(ask(false, UnhealthyEvictionPolicy::if_healthy_budget) == EvictionAnswer::evict_and_count);
    CHECK(ask(false, UnhealthyEvictionPolicy::if_healthy_budget) == EvictionAnswer::too_many_requests);
    CHECK(ask(true, UnhealthyEvictionPolicy::if_healthy_budget) == EvictionAnswer::evict);
    status.current_healthy = 1;
    CHECK(ask(true, UnhealthyEvictionPolicy::if_healthy_budget) == EvictionAnswer::too_many_requests);
    CHECK(ask(true, UnhealthyEvictionPolicy::always_allow) == EvictionAnswer::evict);
    CHECK(request_eviction(&status, 2, false, false, UnhealthyEvictionPolicy::always_allow) ==
          EvictionAnswer::two_budgets);
    CHECK(request_eviction(&status, 2, true, false, UnhealthyEvictionPolicy::always_allow) ==
          EvictionAnswer::evict);
}
