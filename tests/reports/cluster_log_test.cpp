// What is said of a cluster, from records made by hand.
#include "reports/autoscaler_watch.hpp"
#include "reports/cluster_text.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;

namespace {

HpaSyncRecord sync(std::int64_t at_s, std::int32_t current, std::int32_t desired, HpaScalingActive active,
                   HpaScalingLimited limited) {
    HpaSyncRecord r;
    r.at = seconds(at_s);
    r.current = current;
    r.decision.desired_replicas = desired;
    r.decision.rescale = desired != current;
    r.decision.winning_metric = active == HpaScalingActive::valid_metric_found ? 0 : -1;
    r.decision.scaling_active = active;
    r.decision.scaling_limited = limited;
    return r;
}

const HeldCondition& find(const AutoscalerLog& log, const std::string& reason) {
    for (const HeldCondition& c : log.conditions)
        if (c.reason == reason) return c;
    FAIL("no condition " << reason);
    return log.conditions.front();
}

}  // namespace

TEST_CASE("cluster log: conditions hold from the sync that sets them to the one that changes them") {
    CompiledAutoscaler names;
    names.name = "HorizontalPodAutoscaler/chat";
    names.hpa = "chat";
    names.metrics = {"external metric queue"};
    names.maximum_where = {"hpa.yaml", 7, 3};
    AutoscalerPlan plan;
    plan.hpa.max_replicas = 4;
    AutoscalerWatch watch(names, plan);
    EventBook events(100);
    using A = HpaScalingActive;
    using L = HpaScalingLimited;
    // 0 s: no answer; 15 s: none either; 30 s: 2 -> 4, where 6 were wanted; 90 s: within range; the end at 100 s.
    // So ScalingActive was False for 30 s and True for 70; the maximum bound for 60 s.
    watch.synced(sync(0, 2, 2, A::failed_get_external_metric, L::unset), events);
    watch.synced(sync(15, 2, 2, A::failed_get_external_metric, L::unset), events);
    watch.synced(sync(30, 2, 4, A::valid_metric_found, L::too_many_replicas), events);
    watch.synced(sync(90, 4, 4, A::valid_metric_found, L::desired_within_range), events);
    const AutoscalerLog log = watch.finish(seconds(100));
    CHECK(find(log, "FailedGetExternalMetric").status == "False");
    CHECK(find(log, "FailedGetExternalMetric").held_s == 30);
    CHECK(find(log, "FailedGetExternalMetric").times == 1);
    CHECK(find(log, "ValidMetricFound").held_s == 70);
    CHECK(find(log, "TooManyReplicas").held_s == 60);
    REQUIRE(log.limits.size() == 1);
    CHECK(log.limits[0].held_s == 60);
    CHECK(log.limits[0].first_s == 30);
    CHECK(log.limits[0].where.line == 7);
    REQUIRE(log.scalings.size() == 1);
    CHECK(log.scalings[0].reason == "external metric queue above target");

    const std::vector<EventEntry> list = events.take();
    REQUIRE(list.size() == 3);  // two warnings of each failed sync, counted; one rescale
    CHECK(list[0].reason == "FailedGetExternalMetric");
    CHECK(list[0].count == 2);
    CHECK(list[0].last_s == 15);
    CHECK(list[2].message == "New size: 4; reason: external metric queue above target");
}

TEST_CASE("cluster log: events beyond the limit are counted, equal ones are one") {
    EventBook events(1);
    events.normal(seconds(1), "Pod/a", "Scheduled", "x");
    events.normal(seconds(2), "Pod/a", "Scheduled", "x");
    events.normal(seconds(3), "Pod/b", "Scheduled", "x");
    CHECK(events.omitted() == 1);
    const auto list = events.take();
    REQUIRE(list.size() == 1);
    CHECK(list[0].count == 2);
    CHECK(clock_text(90061) == "1d 01:01:01");
}
