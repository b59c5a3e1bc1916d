#include "scenarios/markets/spot_fit.hpp"
#include "scenarios/markets/spot_history.hpp"
#include "scenarios/markets/spot_stats.hpp"
#include "tests/models/shared_data.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace windtunnel;

namespace {

Result<SpotHistory> read_text(const std::string& text, const SpotReadOptions& options = {}) {
    std::istringstream in(text);
    return read_spot_history(in, "h", options);
}
SpotHistory history_accepted(const std::string& text, const SpotReadOptions& options = {}) {
    Result<SpotHistory> result = read_text(text, options);
    if (!result) FAIL(to_string(result.problems().front()));
    return std::move(*result);
}
std::string history_refusal(const std::string& text) {
    const Result<SpotHistory> result = read_text(text);
    REQUIRE_FALSE(result.ok());
    return to_string(result.problems().front());
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

SpotCounts counts(const SpotHistory& history) {
    std::vector<const SpotMarketRecord*> all;
    for (const SpotMarketRecord& m : history.markets) all.push_back(&m);
    return count_nodes(all, history.span_ms);
}

}  // namespace

TEST_CASE("spot history: adds and removes by node") {
    // a lives 0..3600 s, b 0..7200, c 1800..7200 (the last row is the end): 1 + 2 + 1.5 node hours.
    const SpotHistory h = history_accepted("0,add,a\n0,add,b\n1800000,add,c\n3600000,remove,a\r\n7200000,remove,b");
    const SpotCounts c = counts(h);
    CHECK(h.format == SpotFormat::node_events);
    CHECK(c.adds == 3);
    CHECK(c.removes == 2);
    CHECK(c.nodes_start == 2);
    CHECK(c.nodes_end == 1);
    CHECK(c.nodes_max == 3);
    CHECK(c.nodes_min == 1);
    CHECK(c.node_ms == 4'500 * 3600);
    CHECK(c.span_ms == 7'200'000);
    const auto lives = lifetimes_of(h.markets[0]);
    REQUIRE(lives.size() == 3);
    CHECK(lives[0].hours == Approx(1));
    CHECK(lives[2].hours == Approx(1.5));
    CHECK_FALSE(lives[2].taken);
}

TEST_CASE("spot history: counts hold until the next row") {
    const SpotHistory h =
        history_accepted("2021-12-11, 11:00:00, 2\n2021-12-11, 11:30:00, 5\n2021-12-11, 12:30:00, 4\n");
    const SpotCounts c = counts(h);
    CHECK(c.adds == 5);
    CHECK(c.removes == 1);
    CHECK(c.nodes_end == 4);
    CHECK(c.node_ms == (2 * 1800 + 5 * 3600) * 1000);  // the last row ends the history
    CHECK_FALSE(h.names_nodes);
}

TEST_CASE("spot history: a log of created instances recycles names, and a failed creation is no removal") {
    const SpotHistory h = history_accepted(
        "[2020-03-01T10:00:00.000Z] Created instance i0 with 1 GPU(s) of type v100 in zone w1\n"
        "[2020-03-01T10:00:01.000Z] Instance i0 running in zone w1\n"
        "[2020-03-01T10:00:02.000Z] Instance i1 creation failed\n"
        "[2020-03-01T10:00:03.000Z] Instance i1 not running in zone w1\n"
        "[2020-03-01T10:15:00.000Z] Instance i0 not running in zone w1\n"
        "[2020-03-01T10:15:05.000Z] Successfully deleted instance i0\n"
        "[2020-03-01T10:30:00.000Z] Created instance i0 with 1 GPU(s) of type v100 in zone w1\n"
        "[2020-03-01T11:00:00.000Z] Instance i0 running in zone w1\n");
    REQUIRE(h.markets.size() == 1);
    CHECK(h.markets[0].zone == "w1");
    const SpotCounts c = counts(h);
    CHECK(c.adds == 2);
    CHECK(c.removes == 1);
    CHECK(c.nodes_end == 1);
    CHECK(c.node_ms == (900 + 1800) * 1000);
}

TEST_CASE("spot history: arrays of availability say their step and which value is capacity, or are refused") {
    const SpotHistory h =
        history_accepted(R"({"metadata": {"gap_seconds": 600, "polarity": "preempted"}, "data": [0, 1, 0, 0]})");
    const SpotCounts c = counts(h);
    CHECK(c.adds == 2);
    CHECK(c.removes == 1);
    CHECK(c.node_ms == 3 * 600'000);
    CHECK(c.span_ms == 4 * 600'000);
    CHECK(
        has(history_refusal(R"({"metadata": {"gap_seconds": 600}, "data": [0, 1]})"), "--ones available|preempted"));
    CHECK(has(history_refusal(R"({"data": [0, 2]})"), "--step"));
    // More than one node cannot be "preempted yes or no": it is a count of what is there.
    CHECK(counts(history_accepted(R"({"gap_seconds": 60, "data": [0, 2]})")).adds == 2);
    CHECK(
        has(history_refusal(R"({"gap_seconds": 60, "preempted": [0, 2]})"), "among what is said to be preemptions"));
    CHECK(has(history_refusal(R"({"gap_seconds": 60, "data": [0, -1]})"), "data[1]"));
    SpotReadOptions said;
    said.ones_are_available = true;
    said.step_s = 60;
    CHECK(counts(history_accepted("[1, 1, 0]", said)).node_ms == 120'000);
}

TEST_CASE("spot history: zones of unequal length count over their own, and it is said") {
    const SpotHistory h =
        history_accepted(R"({"metadata": {"gap_seconds": 60}, "availability": {"a": [1, 1, 1], "b": [2]}})");
    REQUIRE(h.warnings.size() == 1);
    CHECK(has(h.warnings[0].message, "1 to 3 samples"));
    CHECK(counts(h).node_ms == (3 + 2) * 60'000);
}

TEST_CASE("spot history: a price history of any order, the price before its window included") {
    const SpotHistory h = history_accepted(R"({"NextToken": "", "SpotPriceHistory": [
        {"AvailabilityZone": "a", "InstanceType": "p3.2xlarge", "ProductDescription": "Linux/UNIX", "SpotPrice": "2.0", "Timestamp": "2020-01-01T02:00:00.000Z"},
        {"AvailabilityZone": "a", "InstanceType": "p3.2xlarge", "ProductDescription": "Linux/UNIX", "SpotPrice": "1.000100", "Timestamp": "2020-01-01T00:00:00.000Z"},
        {"AvailabilityZone": "b", "InstanceType": "p3.2xlarge", "ProductDescription": "Linux/UNIX", "SpotPrice": "3", "Timestamp": "2020-01-01T04:00:00.000Z"}]})");
    REQUIRE(h.prices.size() == 2);
    CHECK(h.span_ms == 4 * 3'600'000);
    CHECK(h.prices[0].points[0].nano_usd_per_hour == 1'000'100'000);
    // One hour at 1.0001 and half an hour at 2.
    CHECK(nano_usd_between(h.prices[0], 3'600'000, 9'000'000) == 2'000'100'000);
    CHECK(summarise_prices(h.prices[0], h.span_ms).mean == Approx(1.50005));
}

TEST_CASE("spot history: what cannot be told is refused, with the row") {
    CHECK(has(history_refusal("0,add,a\n5,add,b\n4,remove,a\n"), "h:3: goes back in time"));
    CHECK(has(history_refusal("0,add,a\n5,add,a\n"), "h:2: adds a, which is there already"));
    CHECK(has(history_refusal("0,remove,a\n"), "h:1: removes a"));
    CHECK(has(history_refusal("0,add,a\n1,grow,b\n"), "h:2: found"));
    CHECK(has(history_refusal("hello world 1\n"), "allowed: ms,add|remove,node"));
    CHECK(has(history_refusal("\n"), "found no rows"));
    CHECK(has(history_refusal(""), "is empty"));
    CHECK(has(history_refusal("{\"spot_advisor\": {}}"), "interruption bands"));
    CHECK(has(history_refusal("{"), "no JSON"));
    CHECK(has(history_refusal("{\"a\": 1}\n\n\n{\"a\": tru\n}\n"), "h:4: found text that is no JSON"));
}

TEST_CASE("spot history: the recorded traces, by their own sums") {
    const std::string file = shared_data_file("spot/bamboo/p3-trace.csv");
    if (file.empty()) {
        WARN("../shared/data/spot is not there: skipped");
        return;
    }
    const Result<SpotHistory> p3 = read_spot_history(std::filesystem::path(file));
    REQUIRE(p3.ok());
    // By awk over the file: 177 rows say add, 167 remove.
    const SpotCounts c = counts(*p3);
    CHECK(c.adds == 177);
    CHECK(c.removes == 167);
    CHECK(c.node_ms == 983'220'000);
    CHECK(c.span_ms == 40'920'000);
    const Result<SpotHistory> log =
        read_spot_history(std::filesystem::path(shared_data_file("spot/dime/gcp_persistent_2020-03-01.out")));
    REQUIRE(log.ok());
    CHECK(counts(*log).adds == 423);  // lines "Created instance"
    CHECK(log->markets.size() == 8);  // of its nine instances one was never created
    const Result<SpotHistory> study =
        read_spot_history(std::filesystem::path(shared_data_file("spot/gcp_preemption_2019.json.gz")));
    REQUIRE(study.ok());
    CHECK(counts(*study).adds == 1442);
    CHECK(counts(*study).taken == 717);
}

TEST_CASE("spot fit: the distance to a record that the fit has not seen, by hand") {
    SpotFit fit;
    fit.ages_matter = true;
    fit.lives = survival_of({{1, true}, {2, true}, {3, true}, {4, true}});
    CHECK(fit.survival(2.5) == 0.5);
    CHECK(ks_distance(fit, survival_of({{1, true}, {2, true}, {3, true}, {4, true}})) == 0);
    // Those that live twice as long: just before 4 h a quarter is left by the fit, three quarters by the record.
    CHECK(ks_distance(fit, survival_of({{2, true}, {4, true}, {6, true}, {8, true}})) == 0.5);
    // Half of them outlived a record of 2 h: what is not seen is not compared.
    CHECK(ks_distance(fit, survival_of({{1, true}, {2, true}, {2, false}, {2, false}})) == 0);
}

TEST_CASE("spot fit: half of a study's machines say how the other half fares, and a month's first half its second") {
    const std::string study = shared_data_file("spot/gcp_preemption_2019.json.gz"), month = shared_data_file("spot/bamboo/p3-trace.csv");
    if (study.empty() || month.empty()) {
        WARN("no recorded markets at hand: skipped");
        return;
    }
    const auto unseen = [](const std::string& file) {
        const auto history = read_spot_history(file, {});
        REQUIRE(history);
        const auto fit = fit_spot_market(first_part(*history, 0.5), file);
        REQUIRE(fit);
        std::vector<SpotLifetime> lives;
        const SpotHistory rest = last_part(*history, 0.5);
        for (const SpotMarketRecord& m : rest.markets)
            for (const SpotLifetime& life : lifetimes_of(m)) lives.push_back(life);
        REQUIRE(lives.size() > 50);
        return ks_distance(*fit, survival_of(lives));
    };
    CHECK(unseen(study) < 0.0717);  // two samples of 720 from one law are closer 19 times in 20: 1.36 x sqrt(2 / 720)
    CHECK(unseen(month) < 0.12);
}

TEST_CASE("spot history: nodes that come and go by other clocks and words") {
    SpotHistory h = history_accepted("\xef\xbb\xbftimestamp,event,node\r\n2025-10-01T08:00:00+02:00,created,a\r\n2025-10-01T06:30:00Z,Preempted,a\r\n2025-10-01T06:30:00Z,launched,b\r\n2025-10-01T07:00:00Z,deleted,b\r\n");
    CHECK(h.span_ms == 3'600'000);
    CHECK(h.start_unix_ms == 1'759'298'400'000);
    REQUIRE(h.markets[0].changes.size() == 4);
    CHECK((h.markets[0].changes[1].by == -1 && h.markets[0].changes[1].taken));
    CHECK_FALSE(h.markets[0].changes[3].taken);  // its owner deleted it
    CHECK(history_accepted("time_s,event,node\n0.5,add,a\n60.25,remove,a\n").span_ms == 59'750);
    CHECK(history_accepted("1700000000000,add,a\n1700000060000,remove,a\n").span_ms == 60'000);
    // 1.7e9 may be milliseconds of a long record, or seconds since 1970.
    CHECK(has(history_refusal("1700000000,add,a\n1700000060,remove,a\n"), "time_s,event,node"));
    CHECK(history_accepted("ms,event,node\n1700000000,add,a\n1700000060,remove,a\n").span_ms == 60);
}

TEST_CASE("spot history: tables of nodes by time, a column for each zone") {
    SpotHistory h = history_accepted("timestamp,us-east-1a,us-east-1b\n2025-10-01 08:30,4,1\n2025-10-01 08:40,2,0\n2025-10-01 08:50,2,0\n");
    REQUIRE(h.markets.size() == 2);
    CHECK(h.markets[1].zone == "us-east-1b");
    CHECK(counts(h).node_ms == (5 * 600 + 2 * 600) * 1000);
    CHECK(counts(history_accepted("time_s,nodes\n0,1\n600,0\n1200,0\n")).node_ms == 600'000);
    CHECK(counts(history_accepted("timestamp,nodes\n1700000000,4\n1700000600,2\n")).node_ms == 4 * 600'000);
    CHECK(counts(history_accepted("time_s,preempted\n0,1\n600,0\n1200,1\n")).node_ms == 600'000);
    CHECK(has(history_refusal("timestamp,us-east-1a,us-east-1b\n2025-10-01 08:30,1,1\n2025-10-01 08:40,1,0\n"), "which of both is capacity"));
    CHECK(has(history_refusal("time_s,nodes\n600,1\n0,2\n"), "goes back in time by 600.000 s"));
    CHECK(has(history_refusal("time_s,nodes\n0,1.5\n"), "nodes: found \"1.5\""));
    CHECK(has(history_refusal("timestamp,nodes\n0,1\n600,2\n"), "under a column time_s or ms"));
}

TEST_CASE("spot history: prices as text, CSV, pages, lines, and by numbers of seconds") {
    const auto points = [](const std::string& text) {
        const SpotHistory h = history_accepted(text);
        REQUIRE(h.prices.size() == 1);
        CHECK(h.prices[0].zone == "us-east-1a");
        std::vector<std::pair<std::int64_t, std::int64_t>> out;
        for (const SpotPricePoint& p : h.prices[0].points) out.emplace_back(p.at_ms, p.nano_usd_per_hour);
        return out;
    };
    const std::vector<std::pair<std::int64_t, std::int64_t>> expected = {{0, 290'000'000}, {3'600'000, 301'000'000}};
    CHECK(points("SPOTPRICEHISTORY\tus-east-1a\tg6.xlarge\tLinux/UNIX\t0.301000\t2025-11-19T11:00:00+00:00\r\nSPOTPRICEHISTORY\tus-east-1a\tg6.xlarge\tLinux/UNIX\t0.29\t2025-11-19T10:00:00+00:00\r\n") == expected);
    CHECK(points("Timestamp,InstanceType,ProductDescription,AvailabilityZone,SpotPrice\n2025-11-19T12:00:00+01:00,g6.xlarge,Linux/UNIX,us-east-1a,0.301\n2025-11-19T10:00:00Z,g6.xlarge,Linux/UNIX,us-east-1a,0.29\n") == expected);
    const auto entry = [](const std::string& price, const std::string& at) {
        return R"({"AvailabilityZone":"us-east-1a","InstanceType":"g6.xlarge","ProductDescription":"Linux/UNIX","SpotPrice":")" + price + R"(","Timestamp":)" + at + "}";
    };
    CHECK(points(entry("0.301", "1700003600") + "\n" + entry("0.29", "1700000000") + "\n") == expected);
    CHECK(points("[" + entry("0.301", "1700003600000") + "," + entry("0.29", "1700000000000") + "]") == expected);
    CHECK(points(R"([{"SpotPriceHistory":[)" + entry("0.301", "\"2025-11-19T11:00:00Z\"") + R"(]},{"SpotPriceHistory":[)" + entry("0.29", "\"2025-11-19T10:00:00Z\"") + "]}]") == expected);
    CHECK(has(history_refusal("Timestamp,InstanceType,AvailabilityZone,SpotPrice\n2025-11-20T10:00:00Z,g6.xlarge,us-east-1a,cheap\n"), "h:2"));
    CHECK(has(history_refusal("Timestamp,InstanceType,AvailabilityZone,SpotPrice\nyesterday,g6.xlarge,us-east-1a,0.3\n"), "Timestamp: found \"yesterday\""));
}

TEST_CASE("spot: prices in other currencies, by the month and with a decimal comma") {
    const auto read = [](const std::string& price_header, const std::string& cells, const char* more_header = "", const char* more = "") {
        std::istringstream in("timestamp;instance_type;availability_zone;" + price_header + more_header + "\n2026-11-02T01:00:00Z;g6.xlarge;us-east-1a;" + cells + more + "\n");
        return read_spot_history(in, "prices.csv", {});
    };
    const auto first = [&](const std::string& header, const std::string& cell) {
        const auto history = read(header, cell);
        if (!history) FAIL(to_string(history.problems().front()));
        return history->prices.at(0).points.at(0).nano_usd_per_hour;
    };
    CHECK(first("spot_price", "0,35") == 350'000'000);
    CHECK(first("Spot Price (USD/hour)", "$0.35") == 350'000'000);
    CHECK(first("spot_price_per_month", "219") == 300'000'000);  // 730 hours
    const auto refused = [](const Result<SpotHistory>& history) { return history ? std::string() : to_string(history.problems().front()); };
    CHECK_THAT(refused(read("spot_price_eur", "0.35")), Catch::Matchers::Contains("found \"EUR\", allowed: USD"));
    CHECK_THAT(refused(read("Spot price (€)", "0.35")), Catch::Matchers::Contains("found \"EUR\", allowed: USD"));
    CHECK_THAT(refused(read("spot_price", "0.35", ";currency", ";GBP")), Catch::Matchers::Contains("currency: found \"GBP\", allowed: USD"));
    CHECK_THAT(refused(read("spot_price", "-0.35")), Catch::Matchers::Contains("allowed: USD per hour"));
}
