#include "policies/batch_job.hpp"
#include "policies/creation.hpp"
#include "policies/drain.hpp"
#include "policies/node_lifecycle.hpp"
#include "policies/rollout.hpp"
#include "policies/rollout_status.hpp"
#include "policies/stateful_set.hpp"
#include "policies/worker_group.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace windtunnel;

TEST_CASE("creation: batches of 1, 2, 4, ...; a refusal ends the sync after its batch") {
    int tried = 0;
    const auto room = [&](int most) { return [&tried, most] { return tried++ < most; }; };
    CreationResult all = create_in_batches(10, room(100));
    CHECK(all.created == 10);
    CHECK(all.refused == 0);
    // Room for 5: batches 1 and 2 pass, the batch of 4 gives 2 more and 2 refusals; 8 is never tried.
    tried = 0;
    const CreationResult some = create_in_batches(20, room(5));
    CHECK(some.created == 5);
    CHECK(some.refused == 2);
    CHECK(tried == 7);
    tried = 0;
    CHECK(create_in_batches(2000, room(5000)).created == 500);
}

TEST_CASE("creation: the shared bucket holds 100 retries, then lets 10 a second through") {
    RetryBucket bucket;
    for (int i = 0; i < 100; ++i) CHECK(retry_at(bucket, 1, seconds(50)) == seconds(50) + milliseconds(5));
    CHECK(retry_at(bucket, 1, seconds(50)) == seconds(50) + milliseconds(100));
    CHECK(retry_at(bucket, 1, seconds(50)) == seconds(50) + milliseconds(200));
    CHECK(retry_at(bucket, 8, seconds(51)) == seconds(51) + milliseconds(640));  // its own delay is longer
}

TEST_CASE("rollout: the new set is made with what the surge leaves room for") {
    RolloutSpec spec{4, RolloutStrategy::rolling_update, percent(25), percent(25)};
    ReplicaSetState old{4, 4, 1, 4, 5};
    const ReplicaSetState made = new_set_at_creation(spec, {nullptr, &old, 1}, 2);
    CHECK(made.replicas == 1);
    CHECK(made.annotated_desired == 4);
    CHECK(made.annotated_max == 5);
    spec.max_surge = integer(0);
    CHECK(new_set_at_creation(spec, {nullptr, &old, 1}, 2).replicas == 0);
    CHECK(new_set_at_creation(spec, {}, 1).replicas == 4);  // the first revision
}

TEST_CASE("rollout status: the deadline counts from the last progress and is met late, never early") {
    RolloutProgress progress;
    rollout_began(progress, seconds(100));
    CHECK(progress_check_at(progress, seconds(600)) == seconds(701));
    // One updated pod at 110 s is progress; nothing more comes.
    CHECK(sync_rollout_progress(progress, 4, {5, 1, 4, 4}, seconds(600), seconds(110)));
    CHECK(progress.reason == RolloutReason::set_updated);
    CHECK(progress_check_at(progress, seconds(600)) == seconds(711));
    CHECK_FALSE(sync_rollout_progress(progress, 4, {5, 1, 4, 4}, seconds(600), seconds(710)));  // strict
    CHECK(sync_rollout_progress(progress, 4, {5, 1, 4, 4}, seconds(600), seconds(711)));
    CHECK(progress.reason == RolloutReason::deadline_exceeded);
    CHECK(progress_check_at(progress, seconds(600)) == never);
    // Late progress still counts, and completion ends the matter.
    CHECK(sync_rollout_progress(progress, 4, {5, 1, 5, 5}, seconds(600), seconds(800)));
    CHECK(progress.reason == RolloutReason::set_updated);
    CHECK(sync_rollout_progress(progress, 4, {4, 4, 4, 4}, seconds(600), seconds(900)));
    CHECK(progress.reason == RolloutReason::new_set_available);
    // A lost pod of a complete rollout starts no deadline.
    CHECK_FALSE(sync_rollout_progress(progress, 4, {4, 4, 3, 3}, seconds(600), seconds(9000)));
}

TEST_CASE("rollout status: a deadline switched off never passes") {
    RolloutProgress progress;
    rollout_began(progress, seconds(0));
    CHECK_FALSE(sync_rollout_progress(progress, 2, {2, 0, 2, 2}, never, seconds(1'000'000)));
    CHECK(progress_check_at(progress, never) == never);
}

namespace {

/// A StatefulSet on paper: what a sync created (+) and removed (-), with `n` for pods of the newest revision.
struct StatefulLab {
    StatefulSetSpec spec;
    std::vector<StatefulPod> pods;
    bool quota_full = false;

    std::string sync() {
        std::string done;
        sync_stateful_set(
            spec, static_cast<std::int32_t>(pods.size()),
            [&](std::int32_t i) { return pods[static_cast<std::size_t>(i)]; },
            [&](std::int32_t i, bool updated) {
                if (quota_full) return false;
                const auto at = static_cast<std::size_t>(i);
                if (at >= pods.size()) pods.resize(at + 1);
                pods[at] = {true, false, false, false, false, updated};
                done += "+" + std::to_string(i) + (updated ? "n" : "");
                return true;
            },
            [&](std::int32_t i) {
                pods[static_cast<std::size_t>(i)].terminating = true;
                done += "-" + std::to_string(i);
            });
        return done;
    }
    void settle() {
        for (StatefulPod& pod : pods) {
            if (pod.terminating) pod = {};
            if (pod.exists) pod.ready = pod.available = true;
        }
    }
    void new_revision() {
        for (StatefulPod& pod : pods) pod.updated = false;
    }
};

}  // namespace

TEST_CASE("stateful set: ordered pods come up one by one, each waiting for the one before") {
    StatefulLab lab{{3, PodManagement::ordered_ready, false, 0, {}}, {}};
    CHECK(lab.sync() == "+0n");
    CHECK(lab.sync().empty());  // 0 is not ready
    lab.pods[0].ready = true;
    CHECK(lab.sync().empty());  // nor available yet
    lab.settle();
    CHECK(lab.sync() == "+1n");
    lab.settle();
    CHECK(lab.sync() == "+2n");
    lab.settle();
    CHECK(lab.sync().empty());
}

TEST_CASE("stateful set: ordered pods go from the highest, one by one, while the others are healthy") {
    StatefulLab lab{{4, PodManagement::parallel, false, 0, {}}, {}};
    CHECK(lab.sync() == "+0n+1n+2n+3n");
    lab.settle();
    lab.spec.management = PodManagement::ordered_ready;
    lab.spec.replicas = 1;
    CHECK(lab.sync() == "-3");
    CHECK(lab.sync().empty());  // 3 is still terminating
    lab.settle();
    lab.pods[0].ready = false;  // a replica is not ready: nothing moves
    CHECK(lab.sync().empty());
    lab.settle();
    CHECK(lab.sync() == "-2");
    lab.settle();
    CHECK(lab.sync() == "-1");
    lab.settle();
    CHECK(lab.sync().empty());
}

TEST_CASE("stateful set: parallel pods come and go at once") {
    StatefulLab lab{{3, PodManagement::parallel, false, 0, {}}, {}};
    CHECK(lab.sync() == "+0n+1n+2n");
    lab.spec.replicas = 0;
    CHECK(lab.sync() == "-2-1-0");
    lab.quota_full = true;
    lab.settle();
    lab.spec.replicas = 2;
    CHECK(lab.sync().empty());
}

TEST_CASE("stateful set: a rolling update replaces from the top, one healthy pod at a time, down to partition") {
    StatefulLab lab{{3, PodManagement::parallel, false, 1, {}}, {}};
    lab.sync();
    lab.settle();
    lab.new_revision();
    CHECK(lab.sync() == "-2");
    CHECK(lab.sync().empty());  // terminating
    lab.settle();
    CHECK(lab.sync() == "+2n");
    CHECK(lab.sync().empty());  // the new one is not ready yet
    lab.settle();
    CHECK(lab.sync() == "-1");
    lab.settle();
    CHECK(lab.sync() == "+1n");
    lab.settle();
    CHECK(lab.sync().empty());  // ordinal 0 is below the partition
    lab.pods[0] = {};
    CHECK(lab.sync() == "+0");  // made again of the old revision
    lab.spec.on_delete = true;
    lab.settle();
    lab.spec.partition = 0;
    CHECK(lab.sync().empty());
}

TEST_CASE("stateful set: maxUnavailable replaces several, counting those that are missing anyway") {
    StatefulLab lab{{5, PodManagement::parallel, false, 0, percent(50)}, {}};  // floor(2.5) = 2
    lab.sync();
    lab.settle();
    lab.new_revision();
    lab.pods[0].ready = lab.pods[0].available = false;  // one is missing already
    CHECK(lab.sync() == "-4");
    lab.settle();
    CHECK(lab.sync() == "+4n-3");  // the new one is not ready yet: one more may go, in the same sync
    lab.settle();
    lab.sync();
    for (StatefulPod& pod : lab.pods) pod = {true, false, false, true, true, false};
    CHECK(lab.sync() == "-4-3");  // with all healthy, two at once
    CHECK(stateful_max_unavailable({1, PodManagement::parallel, false, 0, percent(50)}) == 1);
}

TEST_CASE("batch job: with restarts in place a limit of 2 is reached by two of them, one of 0 by the first") {
    for (const std::int32_t limit : {0, 1, 2}) {
        const BatchJobSpec spec{1, 1, limit, never, true};
        BatchJobCounts counts;
        counts.active = 1;
        counts.restarts = limit > 0 ? limit - 1 : 0;
        CHECK(sync_batch_job(spec, counts, seconds(1)).outcome == BatchJobOutcome::running);
        ++counts.restarts;
        CHECK(sync_batch_job(spec, counts, seconds(1)).outcome == BatchJobOutcome::failed);
        CHECK(sync_batch_job({1, 1, limit, never}, counts, seconds(1)).outcome == BatchJobOutcome::running);
    }
}

TEST_CASE("batch job: as many at once as are left, a back-off after failures, and a limit to them") {
    BatchJobSpec spec{3, 5, 2, never};
    BatchJobCounts counts;
    CHECK(sync_batch_job(spec, counts, seconds(0)).create == 3);
    counts = {1, 3, 0, 0, {}, {}};
    CHECK(sync_batch_job(spec, counts, seconds(10)).create == 1);  // two are left, one runs
    counts = {2, 4, 0, 0, {}, {}};
    CHECK(sync_batch_job(spec, counts, seconds(10)).remove == 1);
    counts = {0, 3, 2, 2, seconds(100), {}};
    BatchJobDecision decision = sync_batch_job(spec, counts, seconds(110));
    CHECK(decision.create == 0);
    CHECK(decision.look_again == seconds(120));  // 10 s * 2 after the second failure
    CHECK(sync_batch_job(spec, counts, seconds(120)).create == 2);
    counts.failed = 3;
    counts.active = 1;
    decision = sync_batch_job(spec, counts, seconds(120));
    CHECK(decision.outcome == BatchJobOutcome::failed);
    CHECK(decision.remove == 1);
    CHECK(sync_batch_job(spec, {0, 5, 0, 0, {}, {}}, seconds(1)).outcome == BatchJobOutcome::complete);
    spec.active_deadline = seconds(60);
    CHECK(sync_batch_job(spec, {1, 0, 0, 0, {}, seconds(5)}, seconds(64)).look_again == seconds(65));
    CHECK(sync_batch_job(spec, {1, 0, 0, 0, {}, seconds(5)}, seconds(65)).outcome ==
          BatchJobOutcome::deadline_exceeded);
}

TEST_CASE("batch job: without completions one success lets the others end and adds none") {
    const BatchJobSpec spec{4, -1, 6, never};
    CHECK(sync_batch_job(spec, {0, 0, 0, 0, {}, {}}, seconds(0)).create == 4);
    const BatchJobDecision decision = sync_batch_job(spec, {2, 1, 0, 0, {}, {}}, seconds(0));
    CHECK(decision.create == 0);
    CHECK(decision.remove == 0);
    CHECK(sync_batch_job(spec, {0, 2, 0, 0, {}, {}}, seconds(0)).outcome == BatchJobOutcome::complete);
}

TEST_CASE("worker group: it serves when all of its pods do") {
    WorkerGroup group{4, 4, 3, true, true};
    CHECK_FALSE(group_serves(group));
    group.ready = 4;
    CHECK(group_serves(group));
    group = {4, 1, 0, true, false};
    CHECK(workers_to_create(group, GroupStartup::leader_created) == 3);
    CHECK(workers_to_create(group, GroupStartup::leader_ready) == 0);
    group.leader_ready = true;
    CHECK(workers_to_create(group, GroupStartup::leader_ready) == 3);
    group.leader_exists = false;
    CHECK(workers_to_create(group, GroupStartup::leader_created) == 0);
    CHECK(restarts_group(GroupRestart::recreate_group));
    CHECK_FALSE(restarts_group(GroupRestart::none));
}

TEST_CASE("drain: every drainer asks again in its own rhythm") {
    const EvictionAnswer busy = EvictionAnswer::too_many_requests;
    CHECK(eviction_retry(Drainer::kubectl, busy, 9, seconds(0), seconds(100)).at == seconds(105));
    CHECK(eviction_retry(Drainer::kubectl, EvictionAnswer::two_budgets, 1, {}, {}).gives_up);
    CHECK(eviction_retry(Drainer::cluster_autoscaler, busy, 1, seconds(0), seconds(109)).at == seconds(119));
    CHECK(eviction_retry(Drainer::cluster_autoscaler, busy, 1, seconds(0), seconds(110)).gives_up);
    CHECK(eviction_retry(Drainer::karpenter, busy, 1, {}, seconds(1)).at == milliseconds(1100));
    CHECK(eviction_retry(Drainer::karpenter, busy, 4, {}, seconds(1)).at == milliseconds(1800));
    CHECK(eviction_retry(Drainer::karpenter, busy, 40, {}, seconds(1)).at == seconds(11));
    CHECK_FALSE(eviction_retry(Drainer::karpenter, EvictionAnswer::two_budgets, 1, {}, {}).gives_up);
}

TEST_CASE("node loss: found on the controller's grid, more than the grace period after the last renewal") {
    CHECK(last_renewal(seconds(103), seconds(4)) == seconds(94));
    CHECK(last_renewal(seconds(104), seconds(4)) == seconds(104));
    CHECK(last_renewal(seconds(2), seconds(4)) == seconds(-6));
    // Renewed at 94 s: 144 s is not longer than the grace; looks at ..., 141, 146.
    CHECK(loss_detected_at(seconds(94), seconds(1), node_monitor_grace) == seconds(146));
    CHECK(loss_detected_at(seconds(96), seconds(1), node_monitor_grace) == seconds(151));  // strict
}

TEST_CASE("node loss: taints come ten seconds apart per zone, slower or never when many are lost") {
    CHECK(zone_health(10, 2) == ZoneHealth::normal);
    CHECK(zone_health(0, 1) == ZoneHealth::full_disruption);
    CHECK(zone_health(9, 11) == ZoneHealth::partial_disruption);  // 55 %
    CHECK(zone_health(10, 11) == ZoneHealth::normal);             // 52 %
    CHECK(zone_health(1, 2) == ZoneHealth::normal);               // not more than two
    CHECK(taint_interval(ZoneHealth::normal, false, 20) == seconds(10));
    CHECK(taint_interval(ZoneHealth::full_disruption, false, 20) == seconds(10));
    CHECK(taint_interval(ZoneHealth::full_disruption, true, 20) == never);
    CHECK(taint_interval(ZoneHealth::partial_disruption, false, 50) == never);
    CHECK(taint_interval(ZoneHealth::partial_disruption, false, 51) == seconds(100));
    CHECK(next_taint_at(seconds(100), seconds(10), seconds(104)) == seconds(110));
    CHECK(next_taint_at(seconds(100), seconds(10), seconds(130)) == seconds(130));
    CHECK(next_taint_at(seconds(100), never, seconds(130)) == never);
}
