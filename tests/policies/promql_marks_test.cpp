#include "tests/policies/promql_bench.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

using namespace windtunnel;

namespace {

constexpr std::int32_t pods = 150;  // three words of marks
constexpr std::int32_t gauge = 0, counter = 1;
constexpr std::int64_t interval_ms = 15'000;

MetricCatalog many_pods() {
    MetricCatalog catalog;
    catalog.add_workload("chat", {{"deployment", "chat"}}, pods);
    catalog.add("vllm:num_requests_waiting", MetricKind::gauge, MetricScope::per_pod);
    catalog.add("vllm:request_success_total", MetricKind::counter, MetricScope::per_pod,
                {{{"finished_reason", "stop"}}, {{"finished_reason", "length"}}});
    return catalog;
}

const char* const queries[] = {
    "sum(rate(vllm:request_success_total[2m]))",
    "sum by (finished_reason) (increase(vllm:request_success_total[5m]))",
    "sum by (pod) (rate(vllm:request_success_total[2m]))",
    "rate(vllm:request_success_total[1m])",
    "max(rate(vllm:request_success_total[2m]))",
    "count(increase(vllm:request_success_total[20s]))",
    "sum(delta(vllm:num_requests_waiting[2m]))",
    "sum(vllm:num_requests_waiting)",
    "avg(vllm:num_requests_waiting)",
    "sum(rate(vllm:request_success_total[2m] offset 40s))",
    "sum_over_time(vllm:num_requests_waiting[1m])",
};

/// The same history in two stores; in the one with marks, a series that repeats itself sleeps.
struct Histories {
    Bench plain, marked;
    std::vector<bool> asleep;
    ScrapeClock clock;

    explicit Histories(PromqlSemantics semantics)
        : plain(many_pods(), options(semantics), false), marked(many_pods(), options(semantics), true) {
        for (Bench* b : {&plain, &marked}) {
            for (const char* query : queries) (void)b->add(query);
            b->open();
        }
        asleep.assign(marked.series.size(), false);
        marked.store.clocks = &clock;
    }
    static PromqlOptions options(PromqlSemantics semantics) {
        PromqlOptions o;
        o.semantics = semantics;
        return o;
    }
    void turn(std::int64_t at_ms) {
        clock.last_ms = at_ms;
        ++clock.turns;
        marked.store.newest_ms = at_ms;
    }
    void put(std::int32_t stream, std::int32_t slot, std::int64_t at_ms, double value) {
        REQUIRE(try_append_at(plain.store, stream, slot, at_ms, value, SampleKind::value));
        const auto series = static_cast<std::size_t>(marked.store.streams[stream].first_series + slot);
        if (asleep[series] && marked.series[series].newest.value == value) return;
        wake(stream, slot, at_ms - 1);
        REQUIRE(try_append_at(marked.store, stream, slot, at_ms, value, SampleKind::value));
        if (!repeats_in_step(marked.store, stream, slot, interval_ms)) return;
        let_sleep(marked.store, stream, slot, 0);
        asleep[series] = true;
    }
    /// Before the clock's turn of now, if there has been one.
    void wake(std::int32_t stream, std::int32_t slot, std::int64_t before_ms) {
        const auto series = static_cast<std::size_t>(marked.store.streams[stream].first_series + slot);
        if (!asleep[series]) return;
        const ScrapeClock now = clock;
        if (clock.last_ms > before_ms) clock = {now.last_ms - interval_ms, now.turns - 1};
        wake_up(marked.store, stream, slot);
        clock = now;
        asleep[series] = false;
    }
    void end(std::int32_t stream, std::int32_t slot, std::int64_t at_ms, bool pod) {
        wake(stream, slot, at_ms - 1);
        for (Bench* b : {&plain, &marked})
            pod ? end_series(b->store, stream, slot, milliseconds(at_ms))
                : mark_stale(b->store, stream, slot, milliseconds(at_ms));
    }
};

bool same(const PromqlResult& a, const PromqlResult& b) {
    if (a.status != b.status || a.count != b.count) return false;
    for (std::int32_t i = 0; i < a.count; ++i) {
        const PromqlElement &x = a.elements[i], &y = b.elements[i];
        if (!same_labels(x, y) || x.time_ms != y.time_ms || std::memcmp(&x.value, &y.value, sizeof x.value) != 0)
            return false;
    }
    return true;
}

}  // namespace

TEST_CASE("promql: a query that walks by marks gives what one gives that looks at every series, to the last bit") {
    std::mt19937_64 random(5);
    const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(random() % n); };
    std::size_t elements = 0, walked_by_marks = 0;
    for (int round = 0; round < 12; ++round) {
        Histories h(round % 2 == 0 ? PromqlSemantics::prometheus_2 : PromqlSemantics::prometheus_3);
        const std::int32_t streams = h.marked.store.stream_count;
        std::vector<double> value(h.marked.series.size());
        std::vector<bool> there(pods);
        std::int64_t at_ms = 15'000;
        for (int turn = 0; turn < 120; ++turn) {
            at_ms += interval_ms;
            if (round > 7 && below(40) == 0) {  // nothing is scraped for a while: everything wakes
                for (std::int32_t s = 0; s < streams; ++s)
                    for (std::int32_t slot = 0; slot < pods; ++slot) h.wake(s, slot, at_ms);
                at_ms += interval_ms * below(30);
            }
            for (std::int32_t slot = 0; slot < pods; ++slot) {
                const bool leaves = there[static_cast<std::size_t>(slot)] && below(round % 4 == 3 ? 40 : 150) == 0;
                if (leaves)
                    for (std::int32_t s = 0; s < streams; ++s) {
                        if (below(2) == 0) h.end(s, slot, at_ms - 3, false);
                        h.end(s, slot, at_ms - 2, true);
                        value[static_cast<std::size_t>(h.marked.store.streams[s].first_series + slot)] = 0;
                    }
                if (leaves || below(turn < 4 ? 3 : 12) == 0)
                    there[static_cast<std::size_t>(slot)] = !leaves && slot % 7 != 0;
            }
            h.turn(at_ms);
            for (std::int32_t s = 0; s < streams; ++s)
                for (std::int32_t slot = 0; slot < pods; ++slot) {
                    if (!there[static_cast<std::size_t>(slot)]) continue;
                    double& v = value[static_cast<std::size_t>(h.marked.store.streams[s].first_series + slot)];
                    const bool gauges = h.marked.store.streams[s].family == gauge;
                    const auto change = static_cast<double>(below(9));
                    if (below(8) == 0) v = gauges ? change * 0.25 - 0.25 : v + change * 0.3;
                    if (below(600) == 0) v = gauges && below(3) == 0 ? promql_infinity : 0;  // a restart
                    if (below(200) == 0)
                        h.end(s, slot, at_ms, false);
                    else
                        h.put(s, slot, at_ms, v);
                }
            for (int ask = 0; ask < 3; ++ask) {
                const Tick now = milliseconds(at_ms + below(interval_ms));
                for (std::size_t q = 0; q < std::size(queries); ++q) {
                    if (below(3) == 0) continue;
                    const PromqlResult a = h.plain.run(q, now), b = h.marked.run(q, now);
                    INFO(queries[q] << ", round " << round << ", turn " << turn);
                    REQUIRE(same(a, b));
                    elements += static_cast<std::size_t>(a.count);
                }
            }
            for (const SlotMarks& m : h.marked.marks) walked_by_marks += (m.live & ~m.stirred) != 0 ? 1 : 0;
        }
    }
    CHECK(elements > 100'000);
    CHECK(walked_by_marks > 1'000);  // some rest
}

TEST_CASE("promql: of a sum over pods that rest, one is looked at") {
    for (const bool marks : {false, true}) {
        Bench bench(many_pods(), {}, marks);
        const std::size_t sum = bench.add("sum(rate(vllm:request_success_total[2m]))");
        bench.open();
        for (int i = 1; i <= 40; ++i)
            for (std::int32_t slot = 0; slot < pods; ++slot) bench.put(counter, 0, 0, slot, seconds(15 * i), slot);
        CHECK(bench.value(sum, seconds(600)) == 0);
        CHECK(bench.value(sum, seconds(601)) == 0);  // by now it is known that they rest
        // The workspace holds what the last sum was made of.
        bench.elements[1] = {};
        const PromqlProgramView view = bench.programs[sum].view();
        const PromqlResult again = evaluate(view, bench.store, seconds(602), bench.workspace);
        CHECK(again.count == 1);
        CHECK((bench.elements[1].pod < 0) == marks);
    }
}
