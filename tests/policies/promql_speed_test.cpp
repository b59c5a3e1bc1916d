#include "policies/promql_pods.hpp"
#include "tests/policies/promql_bench.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

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
            const MetricSample& sample = sample_from_newest(bench.store.view(), stream, slot, back);
            if (sample.time_ms() < start || sample.time_ms() > end) continue;
            if (sample.kind() == SampleKind::gone) flush();
            if (sample.kind() == SampleKind::value) points.push_back({sample.time_ms(), sample.value});
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
