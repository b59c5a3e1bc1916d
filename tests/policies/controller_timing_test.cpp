#include "policies/ca_loop.hpp"
#include "policies/cron_job.hpp"
#include "policies/cron_schedule.hpp"
#include "policies/karpenter_lifecycle.hpp"
#include "policies/resource_quota.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;

namespace {

ResourceAmounts gpus(std::int64_t count) {
    ResourceAmounts result;
    result[resource_pods] = 1;
    result[resource_extended] = count;
    return result;
}

}  // namespace

TEST_CASE("quota: all quotas have room or none is charged") {
    ResourceQuota quotas[2];
    quotas[0].limited = 1u << resource_extended;
    quotas[0].hard = gpus(8);
    quotas[0].used = gpus(4);
    quotas[1] = quotas[0];
    quotas[1].limited = 1u << resource_pods;
    quotas[1].hard = gpus(0);  // one pod, already used
    CHECK(has_room(quotas[0], gpus(4)));
    CHECK_FALSE(has_room(quotas[0], gpus(5)));
    CHECK_FALSE(try_admit(quotas, 2, gpus(4)));
    CHECK(quotas[0].used == gpus(4));
    CHECK(try_admit(quotas, 1, gpus(4)));
    CHECK(quotas[0].used[resource_extended] == 8);
    quotas[0].computed = false;
    CHECK_FALSE(has_room(quotas[0], gpus(0)));
    CHECK(uncharged_at(seconds(100), seconds(30)) == seconds(160));
}

TEST_CASE("cron job: a missed run is started once, and only the latest") {
    const Tick hits[] = {seconds(60), seconds(120), seconds(180)};
    CronJobSpec spec{hits, 3, CronConcurrency::forbid, false, {}};
    CronJobState state;
    CHECK(sync_cron_job(spec, state, false, seconds(0)).next_sync == seconds(60) + milliseconds(100));
    CHECK(sync_cron_job(spec, state, false, seconds(60) + milliseconds(100)).nominal == seconds(60));
    CHECK_FALSE(sync_cron_job(spec, state, true, seconds(120)).start);  // forbidden while one runs
    const CronJobDecision late = sync_cron_job(spec, state, false, seconds(170));
    CHECK(late.start);
    CHECK(late.nominal == seconds(120));
    CHECK_FALSE(sync_cron_job(spec, state, false, seconds(171)).start);
    spec.has_starting_deadline = true;
    spec.starting_deadline = seconds(10);
    CHECK_FALSE(sync_cron_job(spec, state, false, seconds(191)).start);  // 11 s late
    spec.concurrency = CronConcurrency::replace;
    CHECK(sync_cron_job(spec, state, true, seconds(190)).delete_active);
    CHECK(job_retry_delay(3) == seconds(40));
    CHECK(job_retry_delay(30) == seconds(600));
}

TEST_CASE("cron job: hits are those of the local clock, from the start of the simulation on") {
    const auto daily = CronSchedule::parse("45 7 * * *", CronDescriptors::refused);
    REQUIRE(daily);
    const UtcSeconds origin{date::sys_days{date::year{2026} / 7 / 1} +
                            std::chrono::minutes(345)};  // 05:45 UTC
    const auto hits =
        cron_hits(*daily, *find_time_zone("Europe/Berlin"), origin, Tick{0}, seconds(2 * 86'400));
    CHECK(hits == std::vector<Tick>{seconds(0), seconds(86'400)});  // 07:45 CEST = 05:45 UTC
    CHECK(cron_hits(*daily, *find_time_zone("Europe/Berlin"), origin, milliseconds(1), seconds(86'400))
              .size() == 1);
}

TEST_CASE("karpenter: the batch window ends one second after the last new pod, ten after the first") {
    BatchWindow window;
    CHECK(batch_closes_at(window) == never);
    note_pending_pod(window, seconds(100));
    CHECK(batch_closes_at(window) == seconds(101));
    for (int i = 1; i <= 19; ++i) note_pending_pod(window, seconds(100) + milliseconds(500 * i));
    CHECK(batch_closes_at(window) == seconds(110));
    CHECK(drain_tier(false, true) < drain_tier(true, false));
    CHECK(forced_deletion_at(seconds(0), seconds(600), seconds(60)) == seconds(540));
}

TEST_CASE("cluster autoscaler: frequent loops wake at once but pass over pods younger than two seconds") {
    CaLoopRules rules;
    CHECK(next_iteration(rules, seconds(50), false, never) == seconds(60));
    CHECK(next_iteration(rules, seconds(50), true, never) == seconds(50));
    CHECK(next_iteration(rules, seconds(50), false, seconds(53)) == seconds(53));
    CHECK(next_iteration(rules, seconds(50), false, seconds(49)) == seconds(50));
    rules.frequent_loops = false;
    CHECK(next_iteration(rules, seconds(50), true, seconds(53)) == seconds(60));
    CHECK_FALSE(pods_old_enough(rules, seconds(53), seconds(54)));
    CHECK(pods_old_enough(rules, seconds(53), seconds(55)));
    CHECK_FALSE(is_helpable(rules, -11, seconds(0), seconds(9)));
    CHECK(capped_scale_up(rules, 7, 3, 5) == 2);
    CHECK(capped_scale_up(rules, 7, 6, 5) == 0);
}

TEST_CASE("cluster autoscaler: empty nodes go in bulk, occupied ones singly, the group's minimum stays") {
    CaDeletionQuota quota = deletion_quota(4, 3, 20, 1, 0, 0);
    CHECK(quota.empty == 4);
    CHECK(quota.occupied == 1);
    quota = deletion_quota(4, 3, 5, 2, 0, 0);
    CHECK(quota.empty == 3);
    CHECK(quota.occupied == 0);
    CHECK(deletion_quota(12, 1, 50, 0, 0, 0).empty == 10);
    CHECK(deletion_quota(0, 2, 50, 0, 1, 1).occupied == 0);
}
