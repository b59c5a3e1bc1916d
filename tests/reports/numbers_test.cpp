#include "reports/bench_report.hpp"
#include "reports/human.hpp"
#include "reports/money.hpp"
#include "reports/results.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;

namespace {

WideSum node_hours(std::uint64_t nodes, std::uint64_t hours) {
    WideSum out;
    out.add_product(static_cast<std::uint64_t>(seconds(3600).count) * hours, nodes);
    return out;
}

Threshold threshold(const std::string& text) {
    Result<Threshold> t = parse_threshold(text);
    REQUIRE(t.ok());
    return *t;
}

Estimate between(double low, double high) { return {(low + high) / 2, std::pair(low, high)}; }

}  // namespace

TEST_CASE("money: whole hours cost the price, exactly") {
    CHECK(micro_usd_of(node_hours(1, 1), 804'800'000) == 804'800);
    CHECK(micro_usd_of(node_hours(3, 24), 804'800'000) == 57'945'600);
    // 2,000 nodes for 30 days are 5.2e20 ticks, more than 64 bits hold: 1,440,000 h x 98.32 USD = 141,580,800
    // USD.
    CHECK(micro_usd_of(node_hours(2000, 720), 98'320'000'000) == 141'580'800'000'000);
    CHECK(micro_usd_of(WideSum{}, 804'800'000) == 0);
    CHECK(micro_usd_of(node_hours(5, 5), 0) == 0);
}

TEST_CASE("money: a half micro-dollar goes to the even neighbour, anything above it up") {
    // 1,000 nano-USD per hour are one micro-USD: half an hour is 0.5.
    const auto half_hours = [](std::uint64_t n, std::uint64_t extra_ticks) {
        WideSum out;
        out.add_product(static_cast<std::uint64_t>(seconds(1800).count), n);
        out.add(extra_ticks);
        return out;
    };
    CHECK(micro_usd_of(half_hours(1, 0), 1000) == 0);
    CHECK(micro_usd_of(half_hours(1, 1), 1000) == 1);
    CHECK(micro_usd_of(half_hours(3, 0), 1000) == 2);  // 1.5
    CHECK(micro_usd_of(half_hours(5, 0), 1000) == 2);  // 2.5
    CHECK(micro_usd_of(half_hours(7, 0), 1000) == 4);  // 3.5
    // The same halves, this time out of whole hours: 500 nano-USD per hour.
    CHECK(micro_usd_of(node_hours(1, 1), 500) == 0);
    CHECK(micro_usd_of(node_hours(1, 3), 500) == 2);
    CHECK(micro_usd_of(node_hours(1, 5), 500) == 2);
}

TEST_CASE("money: means, prices per million and decimals") {
    CHECK(divided_half_even(5, 2) == 2);
    CHECK(divided_half_even(7, 2) == 4);
    CHECK(divided_half_even(2, 3) == 1);
    // 1.234567 USD for 2,000,000 tokens: 0.6172835 per million, to the even 0.617284.
    CHECK(micro_usd_per_million(1'234'567, 2'000'000) == 617'284);
    CHECK(decimal_usd(std::int64_t{12'345'678}) == "12.345678");
    CHECK(decimal_usd(std::int64_t{5}) == "0.000005");
    CHECK(decimal_usd(-0.5) == "-0.500000");
}

TEST_CASE("estimate: the mean, and Student's interval around it") {
    // 1..5: mean 3, s = sqrt(2.5), t(0.975; 4) = 2.776445: 3 -+ 2.776445 * sqrt(2.5 / 5) = 1.963243.
    const Estimate five = estimate({1.0, 2.0, 3.0, 4.0, 5.0});
    CHECK(*five.value == 3);
    CHECK(five.ci95->first == Approx(1.036757).epsilon(1e-6));
    CHECK(five.ci95->second == Approx(4.963243).epsilon(1e-6));
    // 1 and 3: s = sqrt(2), t(0.975; 1) = 12.706205: 2 -+ 12.706205.
    const Estimate two = estimate({1.0, std::nullopt, 3.0});
    CHECK(*two.value == 2);
    CHECK(two.ci95->second == Approx(14.706205).epsilon(1e-6));
}

TEST_CASE("estimate: one trial has no interval, none has no value") {
    CHECK(*estimate({7.0, std::nullopt}).value == 7);
    CHECK_FALSE(estimate({7.0, std::nullopt}).ci95);
    CHECK_FALSE(estimate({std::nullopt, std::nullopt}).value);
    CHECK_FALSE(estimate({}).value);
}

TEST_CASE("verdict: one trial is judged by its value, several by their interval") {
    const Threshold t = threshold("p99 ttft_ms < 2000");
    CHECK(verdict_of(t, {1999.0, {}}, false, true) == Verdict::pass);
    CHECK(verdict_of(t, {2000.0, {}}, false, true) == Verdict::fail);
    CHECK(verdict_of(t, between(1800, 1990), false, true) == Verdict::pass);
    CHECK(verdict_of(t, between(1800, 2200), false, true) == Verdict::inconclusive);
    CHECK(verdict_of(t, between(2100, 2200), false, true) == Verdict::fail);
    const Threshold g = threshold("goodput >= 99%");
    CHECK(verdict_of(g, between(0.99, 0.995), false, true) == Verdict::pass);
    CHECK(verdict_of(g, between(0.98, 0.995), false, true) == Verdict::inconclusive);
}

TEST_CASE("verdict: requests without a value to judge are a failure, no requests are no answer") {
    const Threshold t = threshold("p99 ttft_ms < 2000");
    CHECK(verdict_of(t, {}, true, true) == Verdict::fail);
    CHECK(verdict_of(t, {}, true, false) == Verdict::inconclusive);
    CHECK(verdict_of(t, between(10, 20), true, true) == Verdict::inconclusive);
    CHECK(verdict_of(t, between(2100, 2200), true, true) == Verdict::fail);
}

TEST_CASE("bench report: statistics as numpy computes them") {
    // numpy of [1, 2, 3, 4]: mean 2.5, median 2.5, std 1.118034; p90 at rank 2.7, p99 at rank 2.97.
    const BenchLatency l =
        bench_latency({milliseconds(4), milliseconds(1), milliseconds(3), milliseconds(2)});
    CHECK(*l.mean == Approx(2.5));
    CHECK(*l.median == Approx(2.5));
    CHECK(*l.stddev == Approx(1.1180339887));
    CHECK(*l.p90 == Approx(3.7));
    CHECK(*l.p99 == Approx(3.97));
    CHECK_FALSE(bench_latency({}).mean);
    CHECK(*bench_latency({milliseconds(7)}).p99 == 7);
}

TEST_CASE("bench report: single tokens have no TPOT, requests that did not complete count as failed") {
    const auto at = [](std::int64_t ms) { return milliseconds(ms); };
    const std::vector<RequestRecord> records{
        {0, 100, 11, at(0), at(100), at(600), RequestEnd::completed},   // TTFT 100, TPOT 500 / 10 = 50
        {1, 200, 1, at(500), at(800), at(800), RequestEnd::completed},  // TTFT 300
        {2, 9000, 1000, at(900), never, at(900), RequestEnd::rejected},
        {3, 100, 5, at(1000), at(1200), at(2000), RequestEnd::completed}};  // TTFT 200, TPOT 800 / 4 = 200
    const BenchReport r = bench_report(records, {});
    CHECK(r.completed == 3);
    CHECK(r.failed == 1);
    CHECK(r.total_input_tokens == 400);
    CHECK(r.total_output_tokens == 17);
    CHECK(r.duration_s == 2);
    CHECK(*r.request_throughput == 1.5);
    CHECK(*r.output_throughput == 8.5);
    CHECK(*r.total_token_throughput == 208.5);
    CHECK(*r.ttft.mean == Approx(200));
    CHECK(*r.tpot.mean == Approx(125));
    CHECK(*r.e2el.mean == Approx((600 + 300 + 1000) / 3.0));
    CHECK_FALSE(r.itl.mean);
}

TEST_CASE("human numbers: no more digits than mean something") {
    CHECK(thousands(1'204'331) == "1,204,331");
    CHECK(thousands(-1000) == "-1,000");
    CHECK(thousands(999) == "999");
    CHECK(short_number(31.25) == "31.2");
    CHECK(short_number(0.012345) == "0.0123");
    CHECK(short_number(10480.4) == "10,480");
    CHECK(short_number(99.97) == "100");
    CHECK(short_number(2) == "2");
    CHECK(short_number(0.5) == "0.5");
    CHECK(short_number(std::nullopt) == "–");
    CHECK(short_milliseconds(612.3) == "612 ms");
    CHECK(short_milliseconds(999.7) == "1.00 s");
    CHECK(short_milliseconds(2310) == "2.31 s");
    CHECK(short_milliseconds(-2310) == "-2.31 s");
    CHECK(short_milliseconds(281'000) == "4.7 min");
    CHECK(spoken_duration(86400) == "24 h");
    CHECK(spoken_duration(5400) == "1 h 30 min");
    CHECK(spoken_duration(45) == "45.0 s");
    CHECK(spoken_duration(86400 * 7.0) == "7 d");
    CHECK(short_usd(2841.6) == "2,841.60");
    CHECK(short_usd(0.0712) == "0.0712");
    CHECK(short_percent(0.981) == "98.1%");
    CHECK(short_percent(1.0) == "100%");
    CHECK(short_percent(0.0) == "0%");
    CHECK(short_percent(0.00013) == "<0.1%");
    CHECK(short_percent(0.99997) == "99.997%");
}

TEST_CASE("human text: widths count characters, not bytes or colours") {
    CHECK(display_width("✓ é") == 3);
    CHECK(display_width("\x1b[31mred\x1b[0m") == 3);
    CHECK(padded_left("–", 3) == "  –");
    CHECK(wrapped("aaa bbb ccc", 7, 0) == "aaa bbb\nccc");
    CHECK(wrapped("aaa bbb", 6, 2) == "aaa\n  bbb");
    CHECK(sparkline({0.0, 1.0, 8.0, std::nullopt, 64.0}) == "▁▁▄ █");  // 8 of 64: 3.5, so 4 of 7 steps down
    // Seven steps down from 8: 1 stands 6.1 steps down, 4 stands 3.5, so 4.
    CHECK(sparkline({0.0, 1.0, 4.0, 8.0}, BarScale::linear) == "▁▂▄█");
    CHECK(sparkline({1.0}).empty());
    CHECK(Style(false).red("x") == "x");
    CHECK(Style(true).red("x") == "\x1b[31mx\x1b[0m");
}
