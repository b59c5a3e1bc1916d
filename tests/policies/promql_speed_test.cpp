#include "policies/promql_pods.hpp"
#include "tests/policies/promql_bench.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <tuple>

using namespace windtunnel;

namespace {

/// rate(), increase() or delta() of every series of a stream, from all its samples one by one.
std::vector<double> rates_by_hand(const Bench& bench, std::size_t stream_index, Tick now,
                                  std::int64_t range_ms, bool is_counter, bool per_second) {
    std::vector<double> out;
    const StreamPlan& stream = bench.layout.streams[stream_index];
    const std::int64_t end = to_unix_ms(bench.epoch_ms, now), start = end - range_ms;
    for (std::int32_t slot = 0; slot < stream.slots; ++slot) {
        const SeriesState& state = bench.series[static_cast<std::size_t>(stream.first_series + slot)];
        std::vector<PromqlPoint> points;
        const auto flush = [&] {
            double value = 0;
            if (extrapolated_rate(points.data(), static_cast<std::int32_t>(points.size()), start, end,
                                  is_counter, per_second, PromqlSemantics::prometheus_2, value))
                out.push_back(value);
            points.clear();
        };
        for (std::uint32_t back = state.count; back-- > 0;) {
            const SampleRun run = run_from_newest(bench.store.view(), stream, slot, back);
            for (std::uint32_t i = 0; i <= run.repeats(); ++i) {
                const std::int64_t time_ms = run.first_ms() + std::int64_t{i} * state.step_ms;
                if (time_ms < start || time_ms > end) continue;
                if (run.kind() == SampleKind::gone) flush();
                if (run.kind() == SampleKind::value) points.push_back({time_ms, run.value});
            }
        }
        flush();
    }
    return out;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

}  // namespace

TEST_CASE("promql: rates that look at a window's ends are those that look at every sample") {
    std::mt19937_64 random(7);
    const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(random() % n); };
    std::size_t compared = 0;
    for (int round = 0; round < 60; ++round) {
        Bench bench{small_catalog()};
        const std::size_t rate = bench.add("rate(vllm:generation_tokens_total{deployment=\"chat\"}[2m])");
        const std::size_t increase =
            bench.add("increase(vllm:generation_tokens_total{deployment=\"chat\"}[2m])");
        const std::size_t delta = bench.add("delta(vllm:generation_tokens_total{deployment=\"chat\"}[2m])");
        bench.open();
        double value[2] = {};
        const bool regular =
            round % 2 == 0;  // scrapes that are never missed, or gaps, jitter, resets, new pods
        std::int64_t at_ms = 0;
        for (int i = 0; i < 80; ++i) {
            at_ms += 15'000 + (regular ? 0 : below(4000) - 2000);
            for (std::int32_t slot = 0; slot < 2; ++slot) {
                if (!regular && below(10) == 0) continue;
                if (!regular && below(15) == 0) value[slot] = 0;
                if (!regular && below(12) == 0) {
                    bench.leave(chat, slot, milliseconds(at_ms - 1));
                    value[slot] = 0;
                }
                if (!regular && below(25) == 0) bench.stale(tokens, chat, slot, milliseconds(at_ms - 1));
                value[slot] += static_cast<double>(below(3)) * 0.7;
                bench.put(tokens, chat, 0, slot, milliseconds(at_ms), value[slot]);
            }
            const Tick now = milliseconds(at_ms + below(15'000));
            CHECK(same_bits(bench.values(rate, now), rates_by_hand(bench, 0, now, 120'000, true, true)));
            CHECK(same_bits(bench.values(increase, now), rates_by_hand(bench, 0, now, 120'000, true, false)));
            CHECK(same_bits(bench.values(delta, now), rates_by_hand(bench, 0, now, 120'000, false, false)));
            compared += bench.values(rate, now).size();
        }
    }
    CHECK(compared > 5000);
}

TEST_CASE("promql: a gauge that stays at infinity has no change to speak of, however long it has stayed") {
    Bench bench{small_catalog()};
    const std::size_t delta = bench.add("delta(vllm:num_requests_waiting{deployment=\"chat\"}[2m])");
    bench.open();
    for (int i = 1; i <= 40; ++i) bench.put(waiting, chat, 0, 0, seconds(15 * i), promql_infinity);
    CHECK(is_nan(bench.value(delta, seconds(600))));  // infinity - infinity, as Prometheus has it
}

TEST_CASE("promql: sums that go through their elements once are the sums of each group by itself") {
    std::mt19937_64 random(11);
    const auto below = [&](std::uint64_t n) { return static_cast<std::int32_t>(random() % n); };
    // Label sets 0..3 become 0 and 1; of the first the pod stays part of the identity, and set 4 is dropped.
    const std::int32_t words[] = {1, 1, 2, 2, -1};
    for (int round = 0; round < 400; ++round) {
        std::vector<PromqlElement> elements(static_cast<std::size_t>(below(60)));
        for (PromqlElement& e : elements) {
            const auto generation = static_cast<std::uint32_t>(below(2));
            e = {below(5), below(12), generation, 0, static_cast<double>(below(1000)) * 0.1, 0};
        }
        if (round % 2 == 0)  // as series come
            std::sort(elements.begin(), elements.end(), [](const PromqlElement& a, const PromqlElement& b) {
                return std::tie(a.labels, a.pod, a.generation) < std::tie(b.labels, b.pod, b.generation);
            });
        for (const PromqlAggregate function :
             {PromqlAggregate::sum, PromqlAggregate::min, PromqlAggregate::max, PromqlAggregate::count}) {
            std::vector<PromqlElement> expected;
            std::vector<std::vector<double>> members;
            for (PromqlElement e : elements) {
                (void)PromqlLabelMap{words}.apply(e);
                std::size_t g = 0;
                while (g < expected.size() && !same_labels(expected[g], e)) ++g;
                if (g == expected.size()) expected.push_back(e), members.emplace_back();
                members[g].push_back(e.value);
            }
            for (std::size_t g = 0; g < expected.size(); ++g) {
                const std::vector<double>& m = members[g];
                CompensatedSum sum;
                for (const double v : m) sum.add(v);
                expected[g].value = function == PromqlAggregate::sum   ? sum.result()
                                    : function == PromqlAggregate::min ? *std::min_element(m.begin(), m.end())
                                    : function == PromqlAggregate::max ? *std::max_element(m.begin(), m.end())
                                                                       : static_cast<double>(m.size());
            }
            std::vector<PromqlElement> found = elements, scratch(elements.size());
            std::vector<PromqlPoint> points(elements.size());
            const std::int32_t count =
                aggregate(function, found.data(), static_cast<std::int32_t>(found.size()), {words}, 0, scratch.data(),
                          points.data(), PromqlSemantics::prometheus_3);
            REQUIRE(static_cast<std::size_t>(count) == expected.size());
            for (std::size_t g = 0; g < expected.size(); ++g) {
                CHECK(same_labels(found[g], expected[g]));
                CHECK(same_bits({found[g].value}, {expected[g].value}));
            }
        }
    }
}

TEST_CASE("promql: a value that is scraped again and again is kept once, with the times of all its samples") {
    Bench bench{small_catalog()};
    const std::size_t count = bench.add("count_over_time(vllm:num_requests_waiting{deployment=\"chat\"}[2m])");
    const std::size_t stamp = bench.add("timestamp(vllm:num_requests_waiting{deployment=\"chat\"} offset 70s)");
    const std::size_t sum = bench.add("sum_over_time(vllm:num_requests_waiting{deployment=\"chat\"}[2m])");
    bench.open();
    // 40 scrapes from 15 s to 600 s: 3 in the first 20, then 5.
    for (int i = 1; i <= 40; ++i) bench.put(waiting, chat, 0, 0, seconds(15 * i), i <= 20 ? 3 : 5);
    const SeriesState& state = bench.series[0];
    CHECK(state.count == 2);
    CHECK(run_from_newest(bench.store.view(), bench.layout.streams[0], 0, 1).repeats() == 19);
    // 2.x counts both ends: at 600 s the window holds 480, 495 ... 600: nine. 70 s before it the latest is 525.
    CHECK(bench.value(count, seconds(600)) == 9);
    CHECK(bench.value(stamp, seconds(600)) == 525);
    // At 607 s: 495 ... 600, eight, of 5 each.
    CHECK(bench.value(sum, seconds(607)) == 40);
    // A scrape that comes late begins a run of its own, and so does -0, which is not 0 to the last bit.
    bench.put(waiting, chat, 0, 0, seconds(617), 5);
    bench.put(waiting, chat, 0, 0, seconds(632), 5);
    CHECK(state.count == 3);
    bench.put(waiting, chat, 0, 0, seconds(647), 0.0);
    bench.put(waiting, chat, 0, 0, seconds(662), -0.0);
    CHECK(state.count == 5);
    CHECK(bench.value(count, seconds(662)) == 8);  // 542: 555, 570, 585, 600, 617, 632, 647, 662
}

TEST_CASE("promql: a value that stays for ever is kept in few runs, and a date far off is a time like others") {
    Bench bench{small_catalog()};
    bench.epoch_ms = 253'370'764'800'000;  // 9999-01-01
    const std::size_t count = bench.add("count_over_time(vllm:num_requests_waiting{deployment=\"chat\"}[2m])");
    const std::size_t rate = bench.add("rate(vllm:generation_tokens_total{deployment=\"chat\"}[2m])");
    bench.open();
    for (int i = 0; i < 10'000; ++i) {
        bench.put(waiting, chat, 0, 0, seconds(15 * i), 2);
        bench.put(tokens, chat, 0, 0, seconds(15 * i), 7);
        bench.put(tokens, chat, 0, 1, seconds(15 * i), 7 + (i == 9'999 ? 60 : 0));
    }
    CHECK(bench.series[0].count == 3);  // of 4096, 4096 and 1808 samples
    const Tick last = seconds(15 * 9'999);
    CHECK(bench.value(count, last) == 9);
    // Nothing in the first series; in the second 60 within the 120 s from the first sample to the last.
    CHECK(bench.values(rate, last) == std::vector<double>{0, 0.5});
}

TEST_CASE("promql: a query that is asked for one workload's pods reads no other's series") {
    const struct {
        const char* query;
        bool done;
    } cases[] = {
        {"rate(vllm:generation_tokens_total[1m])", true},
        {"60 * avg_over_time(vllm:num_requests_waiting[1m]) + 1", true},
        {"sum by (pod) (vllm:num_requests_waiting)", true},
        {"max_over_time(sum by (pod) (vllm:num_requests_waiting)[1m:15s])", true},
        {"sum by (deployment) (vllm:num_requests_waiting)", false},  // no pods in the answer
        {"vllm:num_requests_waiting / scalar(sum(vllm:num_requests_waiting))", false},
        {"vllm:num_requests_waiting - on (pod) vllm:generation_tokens_total", false},
    };
    for (const auto& c : cases) {
        INFO(c.query);
        Bench bench{small_catalog()};
        const std::size_t whole = bench.add(c.query), restricted = bench.add(c.query);
        bench.open();
        REQUIRE(read_only_pods_of(bench.programs[restricted], bench.layout.streams, code) == c.done);
        for (int i = 0; i < 6; ++i)
            for (const std::int32_t workload : {chat, code})
                for (std::int32_t slot = 0; slot < 2; ++slot)
                    for (const std::int32_t family : {waiting, tokens})
                        bench.put(family, workload, 0, slot, seconds(15 * i),
                                  3.0 * i + workload + 0.25 * slot);
        std::vector<double> expected;
        const std::int32_t first = bench.layout.first_pod[code];
        const PromqlResult all = bench.run(whole, seconds(80));
        for (std::int32_t i = 0; i < all.count; ++i)
            if (all.elements[i].pod >= first && all.elements[i].pod < first + 2)
                expected.push_back(all.elements[i].value);
        if (c.done) {
            CHECK(expected.size() == 2);
            CHECK(same_bits(bench.values(restricted, seconds(80)), expected));
        }
    }
}
