#include "policies/keda.hpp"
#include "policies/cron_schedule.hpp"
#include "policies/keda_jobs.hpp"
#include "policies/keda_scalers.hpp"

#include <catch2/catch.hpp>
#include <sstream>

using namespace windtunnel;

namespace {

UtcSeconds utc(const std::string& text) {
    UtcSeconds t;
    std::istringstream stream(text);
    stream >> date::parse("%FT%TZ", t);
    REQUIRE(stream);
    return t;
}

CronSchedule cron(const std::string& text) {
    auto parsed = CronSchedule::parse(text, CronDescriptors::allowed);
    REQUIRE(parsed);
    return *parsed;
}

CronTrigger trigger(const std::string& zone, const std::string& start, const std::string& end) {
    auto parsed = parse_cron_trigger({zone, start, end, "10"});
    REQUIRE(parsed);
    return *parsed;
}

}  // namespace

TEST_CASE("keda: zero to one at activity, to zero only after the cooldown") {
    KedaScaledObject object;
    KedaState state;
    KedaDecision decision = request_scale(object, state, 0, true, false, seconds(100));
    CHECK(decision.rescale);
    CHECK(decision.replicas == 1);
    CHECK(state.last_active == seconds(100));
    CHECK_FALSE(
        request_scale(object, state, 7, false, false, seconds(400)).rescale);  // exactly 300 s: still cooling
    decision = request_scale(object, state, 7, false, false, seconds(401));
    CHECK(decision.rescale);
    CHECK(decision.replicas == 0);  // straight from seven
}

TEST_CASE("keda: an error never scales to zero, a fallback of zero replicas does not protect") {
    KedaScaledObject object;
    object.created = seconds(-1);
    KedaState state;
    CHECK(request_scale(object, state, 3, false, true, seconds(0)).ready == KedaCondition::no);
    CHECK_FALSE(request_scale(object, state, 3, false, true, seconds(0)).rescale);
    object.fallback = {true, 3, 0, KedaFallbackBehavior::fixed};
    CHECK(request_scale(object, state, 3, false, true, seconds(0)).rescale);
}

TEST_CASE("keda: an idle count moves between idle and the minimum") {
    KedaScaledObject object;
    object.min_replicas = 5;
    object.has_idle_replicas = true;
    object.created = seconds(-1);
    KedaState state;
    CHECK(request_scale(object, state, 5, false, false, seconds(0)).replicas == 0);
    CHECK(request_scale(object, state, 0, true, false, seconds(0)).replicas == 5);
    object.has_idle_replicas = false;
    CHECK(request_scale(object, state, 2, false, false, seconds(999)).replicas == 5);
    CHECK_FALSE(
        request_scale(object, state, 9, false, false, seconds(999)).rescale);  // above min is the HPA's
}

TEST_CASE("keda: the fallback value makes an AverageValue target ask for the fallback replicas") {
    const KedaFallback fallback{true, 2, 6, KedaFallbackBehavior::fixed};
    KedaHealth health;
    CHECK(metric_with_fallback(fallback, health, false, 0, 5'000, true, 1, 0).error);
    CHECK(metric_with_fallback(fallback, health, false, 0, 5'000, true, 1, 0).error);
    const KedaMetricAnswer third = metric_with_fallback(fallback, health, false, 0, 5'000, true, 1, 0);
    CHECK(third.fell_back);
    CHECK(third.value_milli == 30'000);  // 6 * 5
    CHECK(metric_with_fallback(fallback, health, false, 0, 5'000, false, 1, 4).value_milli ==
          7'500);  // over 4 ready pods
    CHECK(metric_with_fallback(fallback, health, false, 0, 5'000, false, 1, 0).error);
    CHECK(metric_with_fallback(fallback, health, true, 1, 5'000, true, 1, 0).value_milli == 1);
    CHECK(health.failures == 0);
}

TEST_CASE("keda: any trigger wakes the object, cpu alone keeps it awake") {
    KedaTriggerReading triggers[2];
    triggers[0].resource = true;
    triggers[0].active = true;
    CHECK(object_activity(triggers, 1).active);
    CHECK_FALSE(object_activity(triggers, 2).active);  // cpu says nothing beside an external trigger
    triggers[1].fell_back = true;
    CHECK(object_activity(triggers, 2).active);
    triggers[0].error = true;
    CHECK_FALSE(object_activity(triggers, 1).active);
    CHECK_FALSE(object_activity(triggers, 0).active);
    KedaScaledObject object;
    object.has_idle_replicas = true;
    CHECK_FALSE(has_valid_bounds(object));  // idle 0 is not below min 0
    object.min_replicas = 1;
    CHECK(has_valid_bounds(object));
}

TEST_CASE("keda: published values are whole milli-units of at least zero") {
    CHECK(keda_metric_milli(2.0009) == 2000);
    CHECK(keda_metric_milli(-3.0) == 0);
    CHECK(keda_metric_milli(std::numeric_limits<double>::infinity()) == 0);
    CHECK(keda_metric_milli(std::numeric_limits<double>::quiet_NaN()) == 0);
}

TEST_CASE("keda: an empty prometheus result is zero or an error, as ignoreNullValues says") {
    CHECK_FALSE(keda_prometheus(0, 0.0, true, 0.0).error);
    CHECK(keda_prometheus(0, 0.0, false, 0.0).error);
    CHECK(keda_prometheus(2, 1.0, true, 0.0).error);
    CHECK_FALSE(keda_prometheus(1, 50.0, true, 50.0).active);  // strictly above
    CHECK(keda_sqs(3, 2, 9, true, false, 0).value == 5.0);
}

TEST_CASE("keda: kafka never asks for more consumers than partitions") {
    KafkaTrigger kafka;
    const KafkaPartition partitions[] = {{100, 0, -1}, {100, 90, -1}, {7, -1, -1}};
    // 100 + 10 + 1 (no offset, latest) = 111; 111/10 = 11 > 3 partitions -> 30.
    CHECK(keda_kafka(kafka, partitions, 3).value == 30.0);
    kafka.allow_idle_consumers = true;
    CHECK(keda_kafka(kafka, partitions, 3).value == 111.0);
    kafka.reset_to_earliest = true;
    CHECK(keda_kafka(kafka, partitions, 3).value == 117.0);
    kafka.scale_to_zero_on_invalid_offset = true;
    CHECK(keda_kafka(kafka, partitions, 3).value == 110.0);
    // A stuck partition does not scale but keeps the target active.
    kafka.exclude_persistent_lag = true;
    const KafkaPartition stuck[] = {{100, 40, 40}};
    CHECK(keda_kafka(kafka, stuck, 1).value == 0.0);
    CHECK(keda_kafka(kafka, stuck, 1).active);
}

TEST_CASE("keda: the generated HPA never goes below one replica") {
    KedaScaledObject object;
    HpaSpec spec = generated_hpa(object);
    CHECK(spec.min_replicas == 1);
    CHECK(spec.max_replicas == 100);
    CHECK_FALSE(spec.has_behavior);
    for (int i = 0; i < hpa_max_metrics; ++i) CHECK(add_external_metric(spec, 5'000, true));
    CHECK_FALSE(add_external_metric(spec, 5'000, true));
}

TEST_CASE("cron: names, ranges, steps and lists") {
    const auto next = [&](const std::string& text, const std::string& after) {
        return cron(text).next_after(utc(after), nullptr);
    };
    CHECK(next("*/20 * * * *", "2026-01-01T00:20:00Z") == utc("2026-01-01T00:40:00Z"));
    CHECK(next("0 9 * * Mon-Fri", "2026-01-02T09:00:00Z") ==
          utc("2026-01-05T09:00:00Z"));  // Friday to Monday
    CHECK(next("5/25 * * * *", "2026-01-01T00:31:00Z") == utc("2026-01-01T00:55:00Z"));
    CHECK(next("0 0 29 feb *", "2026-01-01T00:00:00Z") == utc("2028-02-29T00:00:00Z"));
    CHECK(next("@yearly", "2026-05-05T05:05:05Z") == utc("2027-01-01T00:00:00Z"));
    // Both day fields given: either matches. 13 January 2026 is a Tuesday, 2 January the first Friday.
    CHECK(next("0 0 13 * Fri", "2026-01-01T00:00:00Z") == utc("2026-01-02T00:00:00Z"));
    CHECK(next("0 0 13 * Fri", "2026-01-09T00:00:00Z") == utc("2026-01-13T00:00:00Z"));
    CHECK(next("0 0 30 2 *", "2026-01-01T00:00:00Z") == std::nullopt);
}

TEST_CASE("cron: a time that clocks skip is skipped, one that they repeat comes twice") {
    const date::time_zone* berlin = *find_time_zone("Europe/Berlin");
    // 29 March 2026: 02:00 CET becomes 03:00 CEST at 01:00 UTC, so 02:30 does not exist that day.
    CHECK(cron("30 2 * * *").next_after(utc("2026-03-28T12:00:00Z"), berlin) == utc("2026-03-30T00:30:00Z"));
    // 25 October 2026: 03:00 CEST becomes 02:00 CET at 01:00 UTC; 02:30 is 00:30 and 01:30 UTC.
    const auto first = cron("30 2 * * *").next_after(utc("2026-10-24T12:00:00Z"), berlin);
    CHECK(first == utc("2026-10-25T00:30:00Z"));
    CHECK(cron("30 2 * * *").next_after(*first, berlin) == utc("2026-10-25T01:30:00Z"));
    // Zones whose midnight is skipped: Beirut, 29 March 2026, 00:00 becomes 01:00 (22:00 UTC the day before).
    const date::time_zone* beirut = *find_time_zone("Asia/Beirut");
    CHECK(cron("0 5 29 3 *").next_after(utc("2026-03-27T12:00:00Z"), beirut) == utc("2026-03-29T02:00:00Z"));
}

TEST_CASE("cron: bad texts are refused with every bad field") {
    for (const char* text :
         {"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7",
          "-5 * * * *", "*/0 * * * *", "5-2 * * * *", "1-2-3 * * * *", "x * * * *", "@daily", ", * * * *"})
        CHECK_FALSE(CronSchedule::parse(text, CronDescriptors::refused).ok());
    auto bad = CronSchedule::parse("61 25 * * *", CronDescriptors::refused);
    REQUIRE_FALSE(bad);
    CHECK(bad.problems().size() == 2);
    auto trigger_problems = parse_cron_trigger({"Mars/Base", "0 9 * * *", "0 9 * * *", "0"});
    REQUIRE_FALSE(trigger_problems);
    CHECK(trigger_problems.problems().size() == 3);  // zone, equal start and end, replicas
}

TEST_CASE("cron: a trigger's active intervals follow local working hours through daylight saving") {
    // 9 to 17 in Berlin: 08:00-16:00 UTC in winter, 07:00-15:00 UTC in summer. From Saturday 28 March 2026,
    // 00:00 UTC.
    const auto intervals = active_intervals(trigger("Europe/Berlin", "0 9 * * *", "0 17 * * *"),
                                            utc("2026-03-28T00:00:00Z"), Tick{0}, seconds(2 * 86'400));
    CHECK(intervals == std::vector<ActiveInterval>{{seconds(8 * 3600), seconds(16 * 3600)},
                                                   {seconds((24 + 7) * 3600), seconds((24 + 15) * 3600)}});
}

TEST_CASE("cron: intervals begin inside an active window and are cut at the span's end") {
    const auto night = trigger("Etc/UTC", "0 22 * * *", "0 6 * * *");
    const auto intervals =
        active_intervals(night, utc("2026-01-01T23:00:00Z"), milliseconds(500), seconds(24 * 3600));
    // 23:00:00.5 lies in the window; it ends at 06:00, seven hours less half a second later; the next begins
    // 22:00.
    CHECK(intervals ==
          std::vector<ActiveInterval>{{Tick{0}, seconds(7 * 3600) - milliseconds(500)},
                                      {seconds(23 * 3600) - milliseconds(500), seconds(24 * 3600)}});
    for (const ActiveInterval& interval : intervals)
        CHECK(is_active(night, utc("2026-01-01T23:00:00Z") +
                                   std::chrono::seconds((interval.to.count - 1) / ticks_per_second)));
}

TEST_CASE("cron: the intervals say at every instant what a look at that instant says") {
    const struct {
        const char *zone, *start, *end, *origin;
    } looks[] = {
        {"Europe/Berlin", "30 2 * * *", "15 4 * * *", "2026-03-27T00:00:00Z"},  // the hour that is skipped
        {"America/New_York", "30 1 * * *", "45 1 * * *",
         "2026-10-31T00:00:00Z"},                                            // the hour that comes twice
        {"Asia/Beirut", "0 0 * * *", "30 0 * * *", "2026-03-27T00:00:00Z"},  // the midnight that is skipped
        {"Australia/Lord_Howe", "*/20 1-3 * * *", "10 2 * * *", "2026-04-03T00:00:00Z"},  // half an hour only
        {"Etc/UTC", "0 0 1 * Mon", "0 12 * * *", "2026-05-30T00:00:00Z"},
        {"Asia/Kolkata", "0 0 30 2 *", "0 6 * * *", "2026-01-01T00:00:00Z"},  // a start that never comes
    };
    for (const auto& look : looks) {
        const CronTrigger one = trigger(look.zone, look.start, look.end);
        const UtcSeconds origin = utc(look.origin);
        const auto intervals = active_intervals(one, origin, Tick{0}, seconds(4 * 86'400));
        for (std::int64_t s = 0; s < 4 * 86'400; s += 299) {
            bool inside = false;
            for (const ActiveInterval& interval : intervals)
                inside = inside || (interval.from <= seconds(s) && seconds(s) < interval.to);
            INFO(look.zone << " " << look.start << " at second " << s);
            REQUIRE(inside == is_active(one, origin + std::chrono::seconds(s)));
        }
    }
}

TEST_CASE("keda: how many Jobs a ScaledJob starts, by strategy") {
    KedaScaledJob object;
    object.max_replicas = 10;
    const KedaJobMetric waiting{true, 12, 2};  // six Jobs for twelve things, two for each
    const KedaJobDemand demand = keda_job_demand(object, &waiting, 1);
    CHECK(demand.active);
    CHECK(demand.queue_length == 12);
    CHECK(demand.max_scale == 6);
    // default: less what runs. custom: less the deduction and the share of what runs. accurate: less what is pending,
    // because a running Job has taken its message. eager: as many as there is room for.
    CHECK(keda_jobs_to_start(object, demand, 4, 1) == 2);
    object.strategy = KedaJobStrategy::custom;
    object.queue_length_deduction = 1;
    object.running_job_percentage = 0.5;
    CHECK(keda_jobs_to_start(object, demand, 4, 1) == 3);  // 6 - 1 - 2
    object.strategy = KedaJobStrategy::accurate;
    CHECK(keda_jobs_to_start(object, demand, 4, 1) == 5);  // 6 + 4 <= 10: 6 - 1
    CHECK(keda_jobs_to_start(object, demand, 5, 1) == 5);  // 6 + 5 > 10: 10 - 5
    object.strategy = KedaJobStrategy::eager;
    CHECK(keda_jobs_to_start(object, demand, 4, 1) == 5);  // 10 - 4 - 1
    object.strategy = KedaJobStrategy::normal;
    CHECK(keda_jobs_to_start(object, demand, 9, 0) == 0);
    const KedaJobMetric idle{false, 12, 2};
    CHECK(keda_jobs_to_start(object, keda_job_demand(object, &idle, 1), 0, 0) == 0);
    object.min_replicas = 3;  // active all the time, and filled up to three
    CHECK(keda_jobs_to_start(object, keda_job_demand(object, &idle, 1), 1, 0) == 2);
    // One more than three things: no more Jobs than things.
    object.min_replicas = 0;
    const KedaJobMetric few{true, 3, 0.5};
    CHECK(keda_jobs_to_start(object, keda_job_demand(object, &few, 1), 0, 0) == 3);
}

TEST_CASE("keda: several triggers of a ScaledJob") {
    KedaScaledJob object;
    object.max_replicas = 10;
    const KedaJobMetric metrics[] = {{true, 12, 2}, {true, 8, 1}, {false, 99, 1}};  // 6 Jobs, 8 Jobs, none
    const auto jobs = [&](KedaJobCalculation how) {
        object.calculation = how;
        const KedaJobDemand d = keda_job_demand(object, metrics, 3);
        return std::pair{d.queue_length, d.max_scale};
    };
    using Pair = std::pair<std::int64_t, std::int64_t>;
    CHECK(jobs(KedaJobCalculation::max) == Pair{12, 6});  // the longest queue, not the most Jobs
    CHECK(jobs(KedaJobCalculation::min) == Pair{8, 8});
    CHECK(jobs(KedaJobCalculation::avg) == Pair{10, 7});
    CHECK(jobs(KedaJobCalculation::sum) == Pair{20, 10});  // 14, at most 10
}
