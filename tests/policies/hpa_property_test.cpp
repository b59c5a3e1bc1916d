#include "policies/hpa_reconcile.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <vector>

/// The HPA against a second implementation, written from the clauses of its specification and not from the
/// code: maps instead of sums, whole histories instead of logs that overwrite.
using namespace windtunnel;

namespace {

struct Dice {
    std::mt19937_64 engine;
    std::int64_t upto(std::int64_t low, std::int64_t high) {
        return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
    }
    bool chance(int percent) { return upto(1, 100) <= percent; }
};

// --- one metric (clauses 1.5 and 1.6) ------------------------------------------------------------

struct Answer {
    bool error = false;
    std::int64_t replicas = 0, usage = 0, percent = 0;
};

struct SlowMetric {
    bool utilization = false, cpu = false;
    std::int64_t target = 1, current = 0;
    double down = 0.1, up = 0.1;
    std::map<int, HpaPod> pods;  // by number
    std::map<int, std::optional<std::int64_t>> requests;
    std::map<int, HpaPodSample> samples;  // pods without an entry have none

    [[nodiscard]] bool within(double ratio) const { return ratio >= 1.0 - down && ratio <= 1.0 + up; }

    struct Ratio {
        bool error = false;
        double ratio = 0;
        std::int64_t average = 0, percent = 0;
    };
    [[nodiscard]] Ratio ratio_of(const std::map<int, std::int64_t>& values) const {
        std::int64_t usage = 0, request = 0, n = 0;
        for (const auto& [pod, value] : values) {
            if (utilization && !pods.contains(pod)) continue;  // unknown pods have no request
            usage += value;
            request += utilization ? *requests.at(pod) : 0;
            ++n;
        }
        if (!utilization)
            return {false, static_cast<double>(usage / n) / static_cast<double>(target), usage / n, 0};
        if (request == 0) return {true};
        const std::int64_t percent = 100 * usage / request;
        return {false, static_cast<double>(percent) / static_cast<double>(target), usage / n, percent};
    }

    [[nodiscard]] Answer propose(Tick now, Tick initialization, Tick delay) const {
        if (samples.empty() || pods.empty()) return {true};
        std::map<int, std::int64_t> values;
        for (const auto& [pod, sample] : samples) values[pod] = sample.value_milli;
        std::vector<int> unready, missing;
        std::int64_t ready = 0;
        for (const auto& [name, pod] : pods) {
            const bool ignored =
                pod.deleting || pod.phase == PodPhase::failed || pod.phase == PodPhase::succeeded;
            bool cold = pod.phase == PodPhase::pending;
            if (!ignored && !cold && !samples.contains(name)) {
                missing.push_back(name);
                continue;
            }
            if (!ignored && !cold && cpu) {
                const HpaPodSample& sample = samples.at(name);
                if (pod.ready == ReadyCondition::absent || !pod.started)
                    cold = true;
                else if (pod.start + initialization > now)
                    cold = pod.ready == ReadyCondition::no ||
                           sample.timestamp < pod.ready_transition + sample.window;
                else
                    cold = pod.ready == ReadyCondition::no && pod.start + delay > pod.ready_transition;
            }
            if (ignored || cold) values.erase(name);
            if (!ignored && cold) unready.push_back(name);
            if (!ignored && !cold) ++ready;
        }
        if (values.empty()) return {true};
        if (utilization)
            for (const auto& [name, request] : requests)
                if (!request) return {true};
        const Ratio first = ratio_of(values);
        if (first.error) return {true};
        Answer answer{false, current, first.average, first.percent};
        if (missing.empty() && !(first.ratio > 1.0 && !unready.empty())) {
            if (!within(first.ratio))
                answer.replicas =
                    static_cast<std::int64_t>(std::ceil(first.ratio * static_cast<double>(ready)));
            return answer;
        }
        for (const int name : missing) {
            if (first.ratio < 1.0)
                values[name] =
                    utilization ? *requests.at(name) * std::max<std::int64_t>(100, target) / 100 : target;
            if (first.ratio > 1.0) values[name] = 0;
        }
        if (first.ratio > 1.0)
            for (const int name : unready) values[name] = 0;
        const double again = ratio_of(values).ratio;
        if (within(again) || (first.ratio < 1.0 && again > 1.0) || (first.ratio > 1.0 && again < 1.0))
            return answer;
        const auto proposal =
            static_cast<std::int64_t>(std::ceil(again * static_cast<double>(values.size())));
        if ((again < 1.0 && proposal > current) || (again > 1.0 && proposal < current)) return answer;
        answer.replicas = proposal;
        return answer;
    }
};

HpaPod random_pod(Dice& dice) {
    constexpr PodPhase phases[] = {PodPhase::running,  PodPhase::running, PodPhase::running,
                                   PodPhase::running,  PodPhase::pending, PodPhase::failed,
                                   PodPhase::succeeded};
    constexpr ReadyCondition conditions[] = {ReadyCondition::yes, ReadyCondition::yes, ReadyCondition::no,
                                             ReadyCondition::unknown, ReadyCondition::absent};
    HpaPod pod;
    pod.phase = phases[dice.upto(0, 6)];
    pod.deleting = dice.chance(10);
    pod.started = dice.chance(90);
    pod.ready = conditions[dice.upto(0, 4)];
    pod.start = seconds(-dice.upto(0, 40) * 10);
    pod.ready_transition = pod.start + seconds(dice.upto(0, 6) * 10);
    return pod;
}

}  // namespace

TEST_CASE("hpa: proposals of pod metrics equal a second implementation on random pods") {
    Dice dice{std::mt19937_64(71)};
    int errors = 0, changes = 0;
    for (int round = 0; round < 60'000; ++round) {
        SlowMetric slow;
        slow.utilization = dice.chance(60);
        slow.cpu = dice.chance(60);
        slow.target = slow.utilization ? dice.upto(1, 160) : dice.upto(1, 2000);
        slow.current = dice.upto(0, 9);
        if (dice.chance(30)) slow.down = 0.01 * static_cast<double>(dice.upto(0, 60));
        if (dice.chance(30)) slow.up = 0.01 * static_cast<double>(dice.upto(0, 60));
        std::vector<HpaPod> pods(static_cast<std::size_t>(dice.upto(0, 7)));
        std::vector<HpaPodSample> samples(pods.size());
        const bool all_alike = dice.chance(20);  // exact ratios, among them 1
        HpaMetricInput input;
        for (std::size_t i = 0; i < pods.size(); ++i) {
            const int name = static_cast<int>(i);
            pods[i] = random_pod(dice);
            samples[i].present = dice.chance(80);
            samples[i].has_request = dice.chance(97);
            samples[i].request_milli = dice.chance(3) ? 0 : dice.upto(1, 4) * 250;
            samples[i].value_milli = all_alike ? slow.target : dice.upto(0, 2000);
            samples[i].timestamp = seconds(-dice.upto(0, 12) * 10);
            samples[i].window = seconds(dice.upto(0, 6) * 10);
            slow.pods[name] = pods[i];
            slow.requests[name] =
                samples[i].has_request ? std::optional(samples[i].request_milli) : std::nullopt;
            if (samples[i].present) slow.samples[name] = samples[i];
        }
        for (int stray = 0; dice.chance(15); ++stray) {
            HpaPodSample sample;
            sample.value_milli = dice.upto(0, 2000);
            slow.samples[100 + stray] = sample;
            ++input.stray_count;
            input.stray_total_milli += sample.value_milli;
        }
        HpaSpec spec;
        spec.tolerance = {slow.down, slow.up};
        spec.cpu_initialization_period = seconds(120);
        spec.initial_readiness_delay = seconds(10);
        HpaMetricSpec metric{HpaMetricKind::resource,
                             slow.utilization ? HpaTargetKind::utilization : HpaTargetKind::average_value,
                             slow.cpu, slow.target};
        HpaSnapshot snapshot;
        snapshot.spec_replicas = static_cast<std::int32_t>(slow.current);
        snapshot.pod_count = static_cast<std::int32_t>(pods.size());
        snapshot.pods = pods.data();
        input.samples = samples.data();
        const HpaProposal got = propose_replicas(spec, metric, input, snapshot, Tick{0});
        const Answer want = slow.propose(Tick{0}, seconds(120), seconds(10));
        INFO("round " << round);
        REQUIRE((got.error != HpaMetricError::none) == want.error);
        if (want.error) {
            ++errors;
            continue;
        }
        REQUIRE(got.replicas == want.replicas);
        REQUIRE(got.usage_milli == want.usage);
        REQUIRE(got.utilization_percent == want.percent);
        changes += want.replicas != slow.current ? 1 : 0;
    }
    CHECK(errors > 1000);
    CHECK(changes > 10'000);
}

// --- stabilisation and rates (clauses 1.3, 1.7, 1.8) ---------------------------------------------

namespace {

/// All that ever happened; nothing is overwritten.
struct History {
    struct Entry {
        std::int64_t value;
        Tick at;
    };
    std::vector<Entry> recommendations, ups, downs;

    static std::int64_t younger(const std::vector<Entry>& events, Tick period, Tick now) {
        std::int64_t sum = 0;
        for (const Entry& event : events)
            if (now - event.at < period) sum += event.value;
        return sum;
    }
    [[nodiscard]] std::int64_t bound(const HpaScalingRules& rules, bool up, std::int64_t current,
                                     Tick now) const {
        std::vector<std::int64_t> proposals;
        for (int i = 0; i < rules.policy_count; ++i) {
            const HpaScalingPolicy& policy = rules.policies[i];
            const std::int64_t start =
                current - younger(ups, policy.period, now) + younger(downs, policy.period, now);
            const double share = policy.value / 100.0;
            if (policy.type == HpaPolicyType::pods)
                proposals.push_back(up ? start + policy.value : start - policy.value);
            else
                proposals.push_back(
                    static_cast<std::int64_t>(up ? std::ceil(static_cast<double>(start) * (1.0 + share))
                                                 : std::trunc(static_cast<double>(start) * (1.0 - share))));
        }
        if (rules.select == HpaSelectPolicy::disabled) return current;
        const bool largest_change = rules.select == HpaSelectPolicy::max;
        const auto [low, high] = std::minmax_element(proposals.begin(), proposals.end());
        const std::int64_t limit = largest_change == up ? *high : *low;
        return up ? std::max(limit, current) : std::min(limit, current);
    }
    std::int64_t sync(const HpaSpec& spec, std::int64_t current, std::int64_t desired, Tick now) {
        if (recommendations.empty()) recommendations.push_back({current, now});
        std::int64_t next = current;
        if (current > spec.max_replicas) {
            next = spec.max_replicas;
        } else if (current < spec.min_replicas) {
            next = spec.min_replicas;
        } else if (!spec.has_behavior) {
            next = desired;
            for (const Entry& r : recommendations)
                if (now - r.at <= spec.downscale_stabilization) next = std::max(next, r.value);
            const std::int64_t most =
                std::min<std::int64_t>(spec.max_replicas, std::max<std::int64_t>(2 * current, 4));
            next = std::max<std::int64_t>(std::min(next, most), spec.min_replicas);
            recommendations.push_back({desired, now});
        } else {
            std::int64_t low = desired, high = desired;
            for (const Entry& r : recommendations) {
                if (now - r.at < spec.scale_up.stabilization_window) low = std::min(low, r.value);
                if (now - r.at < spec.scale_down.stabilization_window) high = std::max(high, r.value);
            }
            next = std::min(std::max(current, low), high);
            recommendations.push_back({desired, now});
            if (next > current)
                next = std::min(
                    {next, bound(spec.scale_up, true, current, now), std::int64_t{spec.max_replicas}});
            else if (next < current)
                next = std::max(
                    {next, bound(spec.scale_down, false, current, now), std::int64_t{spec.min_replicas}});
        }
        if (next > current) ups.push_back({next - current, now});
        if (next < current) downs.push_back({current - next, now});
        return next;
    }
};

HpaScalingRules random_rules(Dice& dice) {
    HpaScalingRules rules;
    rules.stabilization_window = seconds(dice.upto(0, 8) * 30);
    rules.select = static_cast<HpaSelectPolicy>(dice.chance(5) ? 2 : dice.upto(0, 1));
    rules.policy_count = static_cast<std::int32_t>(dice.upto(1, 3));
    for (int i = 0; i < rules.policy_count; ++i)
        rules.policies[i] = {dice.chance(50) ? HpaPolicyType::pods : HpaPolicyType::percent,
                             static_cast<std::int32_t>(dice.upto(1, dice.chance(50) ? 10 : 120)),
                             seconds(dice.upto(1, 12) * 15)};
    return rules;
}

}  // namespace

TEST_CASE("hpa: what the logs overwrite is never needed again, and their computed capacity suffices") {
    Dice dice{std::mt19937_64(72)};
    int limited = 0;
    for (int round = 0; round < 400; ++round) {
        HpaSpec spec;
        spec.min_replicas = static_cast<std::int32_t>(dice.upto(1, 4));
        spec.max_replicas = static_cast<std::int32_t>(dice.upto(spec.min_replicas, 60));
        spec.has_behavior = dice.chance(70);
        spec.scale_up = random_rules(dice);
        spec.scale_down = random_rules(dice);
        // A log forgets by the longest period of its own direction (1.8.4), so nothing is lost where both
        // have the same; the test below shows what is lost otherwise.
        spec.scale_up.policies[0].period = spec.scale_down.policies[0].period = seconds(180);
        spec.downscale_stabilization = seconds(dice.upto(0, 20) * 15);
        spec.metric_count = 1;
        spec.metrics[0] = {HpaMetricKind::external, HpaTargetKind::average_value, false, 1000};
        spec.tolerance = {0.0, 0.0};
        const HpaLogCapacity room = hpa_log_capacity(spec);
        std::vector<HpaRecommendation> recommendations(static_cast<std::size_t>(room.recommendations));
        std::vector<HpaScaleEvent> ups(static_cast<std::size_t>(room.scale_ups)),
            downs(static_cast<std::size_t>(room.scale_downs));
        HpaState state;
        state.recommendations = {recommendations.data(), room.recommendations, 0};
        state.scale_ups = {ups.data(), room.scale_ups, 0};
        state.scale_downs = {downs.data(), room.scale_downs, 0};
        History history;
        std::int64_t current = dice.upto(1, 70), load = dice.upto(0, 60);
        Tick now{0};
        for (int step = 0; step < 120; ++step) {
            if (dice.chance(40)) load = std::clamp<std::int64_t>(load + dice.upto(-25, 25), 0, 80);
            const std::int64_t value = load * 1000;
            HpaSnapshot snapshot;
            snapshot.spec_replicas = snapshot.status_replicas = static_cast<std::int32_t>(current);
            snapshot.pod_count = snapshot.ready_pods = static_cast<std::int32_t>(current);
            snapshot.metrics[0].values_milli = &value;
            snapshot.metrics[0].value_count = 1;
            const HpaDecision decision = reconcile_hpa(spec, state, snapshot, now);
            const std::int64_t expected = history.sync(spec, current, load, now);
            INFO("round " << round << " step " << step << " load " << load << " current " << current);
            REQUIRE_FALSE(decision.log_full);
            REQUIRE(decision.desired_replicas == expected);
            limited += expected != load ? 1 : 0;
            current = expected;
            now += seconds(15) + Tick{dice.chance(50) ? dice.upto(0, 500'000'000) : 0};
        }
    }
    CHECK(limited > 5000);
}

TEST_CASE("hpa: a direction's log forgets by its own periods, also what the other direction would count") {
    // 1.8.4. Scale-up policies last 15 s, scale-down ones 120 s. Two scale-ups of 4, 60 s apart: the second
    // overwrites the first, which is older than 15 s. Scale-down 30 s later sees 10 + 8 = 18 replicas, counts
    // back only 4 of the 8 that came within its 120 s, and may go down by 5 from 18 - 4 = 14: to 9, not to 5.
    HpaScaleEvent memory[4];
    BoundedLog<HpaScaleEvent> ups{memory, 4, 0}, downs;
    HpaScalingRules up, down;
    up.policy_count = down.policy_count = 1;
    up.policies[0] = {HpaPolicyType::pods, 4, seconds(15)};
    down.policies[0] = {HpaPolicyType::pods, 5, seconds(120)};
    REQUIRE(store_scale_event(ups, up, 4, seconds(0)));
    REQUIRE(store_scale_event(ups, up, 4, seconds(60)));
    CHECK(ups.count == 1);
    CHECK(scale_down_limit(18, ups, downs, down, seconds(90)) == 9);
}
