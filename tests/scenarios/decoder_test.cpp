#include "scenarios/documents/decoder.hpp"

#include <catch2/catch.hpp>

#include "scenarios/documents/quantity.hpp"
#include "scenarios/threshold.hpp"

using namespace windtunnel;
using Catch::Matchers::Contains;

namespace {

Quantity quantity(const std::string& text) {
    auto result = parse_quantity(text);
    if (!result) FAIL(result.problems()[0].message);
    return *result;
}

std::string threshold_refusal(const std::string& threshold) {
    auto result = parse_threshold(threshold);
    REQUIRE_FALSE(result.ok());
    return result.problems()[0].message;
}

}  // namespace

TEST_CASE("quantity: Kubernetes' notations are exact") {
    CHECK(quantity("100m") == Quantity{0, 100'000'000});
    CHECK(quantity("1Gi") == Quantity{1073741824, 0});
    CHECK(quantity("1e3") == Quantity{1000, 0});
    CHECK(quantity("1E3") == Quantity{1000, 0});
    CHECK(quantity("5E") == Quantity{5'000'000'000'000'000'000, 0});
    CHECK(quantity("500M") == Quantity{500'000'000, 0});
    CHECK(quantity("0.5") == Quantity{0, 500'000'000});
    CHECK(quantity(".5") == Quantity{0, 500'000'000});
    CHECK(quantity("1.5Gi") == Quantity{1610612736, 0});
    // 0.1 Gi = 107374182.4
    CHECK(quantity("0.1Gi") == Quantity{107374182, 400'000'000});
    CHECK(quantity("0.1Gi").ceil() == 107374183);
    // Finer than a billionth is rounded up in magnitude.
    CHECK(quantity("0.0000000001") == Quantity{0, 1});
    CHECK(quantity("-0.5") == Quantity{-1, 500'000'000});
    CHECK(quantity("-1500m").milli_ceil() == -1500);
    CHECK(quantity("1500m").milli_ceil() == 1500);
    CHECK(quantity("1500u").milli_ceil() == 2);
    CHECK(quantity("7Ei") == Quantity{8070450532247928832, 0});
    CHECK(quantity("250m").to_double() == Approx(0.25));
    CHECK(quantity("12e-1") == Quantity{1, 200'000'000});
}

TEST_CASE("quantity: what is no quantity is refused, the nearest suffix named") {
    for (const char* text : {"", "m", "1mm", "1 Gi 2", "1.2.3", "--1", "1e", "1e1.5", "0x10", "1e99999999999", "8Ei", "1e19", "99999999999999999999999999999999"})
        CHECK_FALSE(parse_quantity(text).ok());
    CHECK_THAT(parse_quantity("100mi").problems()[0].message, Contains("did you mean 100Mi?"));
    CHECK_THAT(parse_quantity("16GiB").problems()[0].message, Contains("did you mean 16Gi?"));
    CHECK_THAT(parse_quantity("4gi").problems()[0].message, Contains("did you mean 4Gi?"));
}

TEST_CASE("quantity: durations, percentages, money and wall clocks") {
    CHECK(*parse_go_duration("1h30m") == seconds(5400));
    CHECK(*parse_go_duration("250ms") == milliseconds(250));
    CHECK(*parse_go_duration("1.5s") == milliseconds(1500));
    CHECK(*parse_go_duration("-2s") == seconds(-2));
    CHECK(*parse_go_duration("0") == seconds(0));
    CHECK(parse_go_duration("10ns")->count == 1000);  // 10 ns = 1000 ticks of 10 ps
    for (const char* text : {"", "5", "s", "1h-3m", "1d", "1e3s", "99999999h", "3..s"}) CHECK_FALSE(parse_go_duration(text).ok());

    CHECK(*parse_percent("25%") == IntOrPercent{25, true});
    for (const char* text : {"25", "%", "2.5%", "25%%"}) CHECK_FALSE(parse_percent(text).ok());

    CHECK(*parse_nano_usd("1.006") == 1'006'000'000);
    CHECK(*parse_nano_usd("0.000000001") == 1);
    CHECK(*parse_nano_usd("98.32") == 98'320'000'000);
    for (const char* text : {"", "-1", "1.0000000001", "1e3", "9999999999999", "1 USD"}) CHECK_FALSE(parse_nano_usd(text).ok());

    CHECK(*parse_wall_clock("1970-01-02", "Etc/UTC") == 86400);
    CHECK(*parse_wall_clock("1970-01-01T05:30:00+05:30", "Etc/UTC") == 0);
    CHECK(*parse_wall_clock("1970-01-01T05:30", "Asia/Kolkata") == 0);
    CHECK(*parse_wall_clock("2026-03-02T08:00:00Z", "Asia/Kolkata") == 1772438400);  // date -d 2026-03-02T08:00:00Z +%s
    for (const char* text : {"", "yesterday", "2026-13-01", "2026-03-02T25:00", "2026-03-02x"}) CHECK_FALSE(parse_wall_clock(text, "Etc/UTC").ok());
    CHECK_FALSE(is_time_zone("Asia/Calcuta2"));
}

TEST_CASE("decoder: all wrong fields are reported at once, with place and what is allowed") {
    auto documents = parse_documents("replicas: -3\nname: 12\nflag: maybe\nrate: \"5\"\nmode: fastt\nspelld: 1\nwindow_s: 0.5\n", "x.yaml");
    REQUIRE(documents.ok());
    Findings findings;
    Decoder decoder(documents->front().root, "spec", "x.yaml", findings);
    CHECK_FALSE(decoder.int32("replicas", 0));
    CHECK_FALSE(decoder.text("name"));
    CHECK_FALSE(decoder.boolean("flag"));
    CHECK_FALSE(decoder.number("rate", 0, 1e9));
    CHECK_FALSE(decoder.choice<int>("mode", {{"fast", 1}, {"slow", 2}}));
    CHECK(*decoder.duration("window_s", 0, 10) == milliseconds(500));
    decoder.text("spelled");
    CHECK(decoder.required_text("title").empty());
    decoder.finish();
    REQUIRE(findings.errors.size() == 7);
    CHECK(to_string(findings.errors[0]) == "x.yaml:1:11: spec.replicas: found -3, allowed: an integer of at least 0");
    CHECK(to_string(findings.errors[1]) == "x.yaml:2:7: spec.name: found 12, allowed: text; write \"12\" in quotes");
    CHECK_THAT(findings.errors[3].message, Contains("found \"5\", allowed: a number from 0 to 1000000000"));
    CHECK_THAT(findings.errors[4].message, Contains("allowed: fast, slow; did you mean fast?"));
    CHECK_THAT(findings.errors[5].message, Contains("is missing"));
    CHECK(to_string(findings.errors[6]) == "x.yaml:6:9: spec.spelld: is no known key; did you mean spelled?");
}

TEST_CASE("decoder: shares, counts or percentages, and prices keep their digits") {
    auto documents = parse_documents("a: 95%\nb: 0.5\nc: 1.5\nsurge: 25%\nnone: 0\nprice: 0.1\nquoted: \"0.30\"\nbad: -1\n", "x.yaml");
    REQUIRE(documents.ok());
    Findings findings;
    Decoder decoder(documents->front().root, "", "x.yaml", findings);
    CHECK(*decoder.ratio("a") == Approx(0.95));
    CHECK(*decoder.ratio("b") == Approx(0.5));
    CHECK_FALSE(decoder.ratio("c"));
    CHECK(*decoder.int_or_percent("surge") == IntOrPercent{25, true});
    CHECK(*decoder.int_or_percent("none") == IntOrPercent{0, false});
    CHECK(*decoder.nano_usd("price") == 100'000'000);
    CHECK(*decoder.nano_usd("quoted") == 300'000'000);
    CHECK_FALSE(decoder.nano_usd("bad"));
    CHECK(findings.errors.size() == 2);
}

TEST_CASE("threshold: expressions become metric, statistic, comparison and limit") {
    auto t = parse_threshold("p99 ttft_ms < 2000");
    REQUIRE(t.ok());
    CHECK(t->metric == ThresholdMetric::ttft_ms);
    CHECK(t->statistic == Statistic::quantile);
    CHECK(t->quantile == 0.99);
    CHECK(t->comparison == Comparison::less);
    CHECK(t->limit == 2000);
    CHECK(t->holds(1999.9));
    CHECK_FALSE(t->holds(2000));

    CHECK(parse_threshold("p99.9_e2el_ms<=30s")->quantile == 0.999);
    CHECK(parse_threshold("p99.9_e2el_ms<=30s")->limit == 30000);
    CHECK(parse_threshold("median itl < 50 ms")->quantile == 0.5);
    CHECK(parse_threshold("mean tpot_ms < 40")->statistic == Statistic::mean);
    CHECK(parse_threshold("goodput > 99%")->limit == Approx(0.99));
    CHECK(parse_threshold("goodput >= 0.99")->limit == Approx(0.99));
    CHECK(parse_threshold("cost_per_hour < 130 USD")->limit == 130);
    CHECK(parse_threshold("cost_per_month < $40000")->limit == 40000);
    CHECK(parse_threshold("failed <= 0")->limit == 0);
    CHECK(metric_name(parse_threshold("replicas_max < 9")->metric) == "replicas_max");
    CHECK(parse_threshold("alerts < 1")->metric == ThresholdMetric::alerts);
    CHECK(parse_threshold("alerts < 1")->alert.empty());
    CHECK(parse_threshold("alert KVCacheFull < 1")->metric == ThresholdMetric::alerts);
    CHECK(parse_threshold("alert KVCacheFull < 1")->alert == "KVCacheFull");
    CHECK(parse_threshold("alert KVCacheFull minutes < 3")->metric == ThresholdMetric::alert_minutes);
    CHECK(parse_threshold("alert KVCacheFull minutes<3 minutes")->alert == "KVCacheFull");
    CHECK(parse_threshold("alert minutes < 3")->alert.empty());
    CHECK(parse_threshold("alerts minutes < 3")->metric == ThresholdMetric::alert_minutes);
}

TEST_CASE("threshold: what cannot be read says why") {
    CHECK_THAT(threshold_refusal("p99 tfft_ms < 5"), Contains("did you mean ttft_ms"));
    CHECK_THAT(threshold_refusal("ttft_ms < 5"), Contains("needs a statistic"));
    CHECK_THAT(threshold_refusal("p99 goodput > 99%"), Contains("takes no statistic"));
    CHECK_THAT(threshold_refusal("goodput > 99"), Contains("a share from 0 to 1"));
    CHECK_THAT(threshold_refusal("p99 ttft_ms = 5"), Contains("allowed: < <= > >="));
    CHECK_THAT(threshold_refusal("p99 ttft_ms < fast"), Contains("is no number"));
    CHECK_THAT(threshold_refusal("p99 ttft_ms < 5 USD"), Contains("the unit"));
    CHECK_THAT(threshold_refusal("p100 ttft_ms < 5"), Contains("no statistic"));
    CHECK_THAT(threshold_refusal(""), Contains("allowed: [STATISTIC]"));
    CHECK_THAT(threshold_refusal("cost_per_hour < -3"), Contains("negative"));
    CHECK_THAT(threshold_refusal("p99 ttft_ms <"), Contains("allowed:"));
}
