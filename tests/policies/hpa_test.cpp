#include "policies/hpa_reconcile.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace windtunnel;

namespace {

/// Pods that are Running and were Ready for a long time, with one sample each.
struct Fleet {
    std::vector<HpaPod> pods;
    std::vector<HpaPodSample> samples;

    explicit Fleet(const std::vector<std::int64_t>& values, std::int64_t request = 1000) {
        for (const std::int64_t value : values) {
            pods.push_back(
                {PodPhase::running, false, true, ReadyCondition::yes, seconds(-10'000), seconds(-9'000)});
            samples.push_back({true, true, value, request, seconds(0), seconds(30)});
        }
    }
    [[nodiscard]] HpaSnapshot snapshot(std::int32_t replicas) const {
        HpaSnapshot result;
        result.spec_replicas = result.status_replicas = replicas;
        result.pods = pods.data();
        result.pod_count = static_cast<std::int32_t>(pods.size());
        result.ready_pods = count_ready_pods(pods.data(), result.pod_count);
        for (HpaMetricInput& metric : result.metrics) metric.samples = samples.data();
        return result;
    }
};

HpaSpec spec_with(HpaMetricSpec metric, std::int32_t minimum = 1, std::int32_t maximum = 100) {
    HpaSpec spec;
    spec.min_replicas = minimum;
    spec.max_replicas = maximum;
    spec.metrics[spec.metric_count++] = metric;
    return spec;
}

constexpr HpaMetricSpec cpu_60{HpaMetricKind::resource, HpaTargetKind::utilization, true, 60};
constexpr HpaMetricSpec queue_10{HpaMetricKind::pods, HpaTargetKind::average_value, false, 10'000};
constexpr HpaMetricSpec external_5{HpaMetricKind::external, HpaTargetKind::average_value, false, 5'000};

/// A state over its own memory, sized as the specification asks.
struct OwnedState {
    std::vector<HpaRecommendation> recommendations;
    std::vector<HpaScaleEvent> ups, downs;
    HpaState state;

    explicit OwnedState(const HpaSpec& spec) {
        const HpaLogCapacity capacity = hpa_log_capacity(spec);
        recommendations.resize(static_cast<std::size_t>(capacity.recommendations));
        ups.resize(static_cast<std::size_t>(capacity.scale_ups));
        downs.resize(static_cast<std::size_t>(capacity.scale_downs));
        state.recommendations = {recommendations.data(), capacity.recommendations, 0};
        state.scale_ups = {ups.data(), capacity.scale_ups, 0};
        state.scale_downs = {downs.data(), capacity.scale_downs, 0};
    }
};

/// One sync on an external metric.
HpaDecision sync(const HpaSpec& spec, HpaState& state, std::int32_t replicas, std::int64_t value, Tick now) {
    HpaSnapshot snapshot;
    snapshot.spec_replicas = snapshot.status_replicas = replicas;
    snapshot.metrics[0].values_milli = &value;
    snapshot.metrics[0].value_count = 1;
    return reconcile_hpa(spec, state, snapshot, now);
}

}  // namespace

TEST_CASE("hpa: the ratio is the truncated integer percentage over the target") {
    // 2000 m used of 3000 m requested is 66.7 %, cut to 66; 66/60 = 1.1 is just within the tolerance, while
    // the exact quotient 1.111 would ask for ceil(3.33) = 4.
    const Fleet fleet({600, 700, 700});
    const HpaProposal proposal =
        propose_replicas(spec_with(cpu_60), cpu_60, fleet.snapshot(3).metrics[0], fleet.snapshot(3), Tick{0});
    CHECK(proposal.utilization_percent == 66);
    CHECK(proposal.usage_milli == 666);
    CHECK(proposal.replicas == 3);
}

TEST_CASE("hpa: a missing pod damps a scale-up and counts at its full request on the way down") {
    Fleet fleet({900, 900, 0});
    fleet.samples[2].present = false;
    // Up: 90 % of 60 is 1.5; with the missing pod idle 1800/3000 = 60 % -> ratio 1, within: stays.
    CHECK(
        propose_replicas(spec_with(cpu_60), cpu_60, fleet.snapshot(3).metrics[0], fleet.snapshot(3), Tick{0})
            .replicas == 3);
    // Down: 10 % -> 0.167; the missing pod at 100 %: 1200/3000 = 40 % -> 0.667, ceil(0.667 * 3) = 2.
    fleet.samples[0].value_milli = fleet.samples[1].value_milli = 100;
    CHECK(
        propose_replicas(spec_with(cpu_60), cpu_60, fleet.snapshot(3).metrics[0], fleet.snapshot(3), Tick{0})
            .replicas == 2);
}

TEST_CASE("hpa: a Pending pod is idle for a Pods metric, an unready Running one counts fully") {
    Fleet fleet({30'000, 30'000});
    fleet.pods[1].ready = ReadyCondition::no;
    // Both count: 30/10 = 3 per pod, 2 pods: 6.
    CHECK(propose_replicas(spec_with(queue_10), queue_10, fleet.snapshot(2).metrics[0], fleet.snapshot(2),
                           Tick{0})
              .replicas == 6);
    // One Pending: (30 + 0)/2 = 15 -> 1.5 * 2 samples = 3.
    fleet.pods[1].phase = PodPhase::pending;
    CHECK(propose_replicas(spec_with(queue_10), queue_10, fleet.snapshot(2).metrics[0], fleet.snapshot(2),
                           Tick{0})
              .replicas == 3);
}

TEST_CASE("hpa: a young pod's cpu sample is trusted only a full window after readiness") {
    HpaPod pod{PodPhase::running, false, true, ReadyCondition::yes, seconds(0), seconds(100)};
    HpaPodSample sample{true, true, 500, 1000, seconds(129), seconds(30)};
    const auto group = [&](bool cpu) {
        return group_pod(pod, sample, cpu, seconds(140), seconds(300), seconds(30));
    };
    CHECK(group(true) == HpaPodGroup::unready);
    CHECK(group(false) == HpaPodGroup::ready);
    sample.timestamp = seconds(130);
    CHECK(group(true) == HpaPodGroup::ready);
    pod.deleting = true;
    CHECK(group(true) == HpaPodGroup::ignored);
}

TEST_CASE("hpa: an external value multiplies the Ready pods, an average value does not") {
    const HpaMetricSpec value{HpaMetricKind::external, HpaTargetKind::value, false, 10'000};
    Fleet fleet({0, 0, 0, 0});
    fleet.pods[3].ready = ReadyCondition::no;
    HpaSnapshot snapshot = fleet.snapshot(4);
    const std::int64_t series[] = {12'000, 8'000};
    snapshot.metrics[0].values_milli = series;
    snapshot.metrics[0].value_count = 2;
    // Sum 20 over 10 = 2, times 3 Ready pods = 6.
    CHECK(propose_replicas(spec_with(value), value, snapshot.metrics[0], snapshot, Tick{0}).replicas == 6);
    // 20 / 5 = 4 = ceil: ratio 20/(5*4) = 1, so status.replicas.
    CHECK(propose_replicas(spec_with(external_5), external_5, snapshot.metrics[0], snapshot, Tick{0})
              .replicas == 4);
    snapshot.status_replicas = 2;
    CHECK(propose_replicas(spec_with(external_5), external_5, snapshot.metrics[0], snapshot, Tick{0})
              .replicas == 4);
    snapshot.metrics[0].value_count = 0;
    CHECK(propose_replicas(spec_with(external_5), external_5, snapshot.metrics[0], snapshot, Tick{0}).error ==
          HpaMetricError::no_metrics);
}

TEST_CASE("hpa: one failed metric forbids scaling down but not up") {
    HpaSpec spec = spec_with(external_5);
    spec.metrics[spec.metric_count++] = queue_10;
    OwnedState owned(spec);
    HpaSnapshot snapshot;
    snapshot.spec_replicas = snapshot.status_replicas = 4;
    snapshot.metrics[1].failed = true;
    std::int64_t value = 5'000;  // one replica would do
    snapshot.metrics[0].values_milli = &value;
    snapshot.metrics[0].value_count = 1;
    HpaDecision decision = reconcile_hpa(spec, owned.state, snapshot, seconds(0));
    CHECK(decision.error);
    CHECK_FALSE(decision.rescale);
    CHECK(decision.scaling_active == HpaScalingActive::failed_get_pods_metric);
    value = 30'000;
    decision = reconcile_hpa(spec, owned.state, snapshot, seconds(15));
    CHECK(decision.error);
    CHECK(decision.rescale);
    CHECK(decision.desired_replicas == 6);
}

TEST_CASE("hpa: without behavior a burst doubles per sync and the peak holds for 300 seconds") {
    const HpaSpec spec = spec_with(external_5, 1, 50);
    OwnedState owned(spec);
    std::int32_t replicas = 1;
    std::vector<std::int32_t> seen;
    Tick now = seconds(0);
    for (int i = 0; i < 5; ++i, now += seconds(15)) {
        replicas = sync(spec, owned.state, replicas, 150'000, now).desired_replicas;  // wants 30
        seen.push_back(replicas);
    }
    CHECK(seen == std::vector<std::int32_t>{4, 8, 16, 30, 30});
    // The last wish for 30 was logged at 60 s; age 300 s still counts, 315 s does not.
    Tick dropped_at{-1};
    for (; now <= seconds(600) && dropped_at < Tick{0}; now += seconds(15)) {
        const HpaDecision decision = sync(spec, owned.state, replicas, 5'000, now);
        CHECK_FALSE(decision.log_full);
        if (decision.desired_replicas < 30) dropped_at = now;
    }
    CHECK(dropped_at == seconds(375));
}

TEST_CASE("hpa: default behavior adds four or doubles per fifteen seconds and starts from the present size") {
    HpaSpec spec = spec_with(external_5, 1, 1000);
    spec.has_behavior = true;
    OwnedState owned(spec);
    std::int32_t replicas = 3;
    std::vector<std::int32_t> seen;
    for (int i = 0; i < 3; ++i) {
        replicas = sync(spec, owned.state, replicas, 5'000'000, seconds(15 * i)).desired_replicas;
        seen.push_back(replicas);
    }
    // max(3 + 4, 6) = 7; events of age 15 s are no longer younger than the period, so 14, then 28.
    CHECK(seen == std::vector<std::int32_t>{7, 14, 28});
    // A second sync within the period counts from the period's start: 28 again.
    CHECK_FALSE(sync(spec, owned.state, 28, 5'000'000, seconds(37)).rescale);
}

TEST_CASE("hpa: zero replicas switch it off and bounds bypass the metrics") {
    const HpaSpec spec = spec_with(external_5, 2, 5);
    OwnedState owned(spec);
    CHECK(sync(spec, owned.state, 0, 50'000, seconds(0)).scaling_active ==
          HpaScalingActive::scaling_disabled);
    CHECK(sync(spec, owned.state, 9, 50'000, seconds(15)).desired_replicas == 5);
    CHECK(sync(spec, owned.state, 1, 0, seconds(30)).desired_replicas == 2);
}

TEST_CASE("hpa: only a zero that it wrote itself may be left again") {
    HpaSpec spec = spec_with(external_5, 0, 5);
    spec.scale_to_zero = true;
    spec.downscale_stabilization = seconds(0);
    OwnedState owned(spec);
    CHECK_FALSE(sync(spec, owned.state, 0, 50'000, seconds(0)).rescale);
    CHECK(sync(spec, owned.state, 1, 0, seconds(15)).desired_replicas == 0);
    CHECK(sync(spec, owned.state, 0, 10'000, seconds(30)).desired_replicas == 2);
}

TEST_CASE("hpa: a log without room says so instead of forgetting") {
    const HpaSpec spec = spec_with(external_5);
    HpaRecommendation entries[2];
    HpaState state;
    state.recommendations = {entries, 2, 0};
    CHECK_FALSE(sync(spec, state, 1, 5'000, seconds(0)).log_full);
    CHECK(sync(spec, state, 1, 5'000, seconds(15)).log_full);
    CHECK(state.recommendations.count == 2);
}

TEST_CASE("hpa: the computed log capacities are reached and never exceeded") {
    HpaSpec spec = spec_with(external_5, 1, 100'000);
    spec.has_behavior = true;
    spec.tolerance.up = 0.0;
    spec.scale_down.stabilization_window = seconds(45);
    spec.scale_up.policies[0] = {HpaPolicyType::pods, 1'000'000, seconds(60)};
    const HpaLogCapacity capacity = hpa_log_capacity(spec);
    // 45 s hold syncs at ages 0, 15, 30, 45 and the start-up entry; 60 s hold events at 0, 15 ... 60.
    CHECK(capacity.recommendations == 5);
    CHECK(capacity.scale_ups == 5);
    OwnedState owned(spec);
    std::int32_t replicas = 1;
    for (int i = 0; i < 40; ++i) {
        const HpaDecision decision =
            sync(spec, owned.state, replicas, 5'000LL * (replicas + 1), seconds(15 * i));
        REQUIRE_FALSE(decision.log_full);
        replicas = decision.desired_replicas;
    }
    CHECK(owned.state.recommendations.count == 5);
    CHECK(owned.state.scale_ups.count == 5);
}
