#include "reports/comparison.hpp"
#include "reports/precision.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;

namespace {

TrialSeries series(std::uint64_t seed, std::uint32_t first, std::vector<std::optional<double>> p99,
                   std::vector<std::optional<double>> goodput = {}) {
    TrialSeries s;
    s.seed = seed;
    s.first_trial = first;
    s.trials = p99.size();
    s.values["p99_ttft_ms"] = std::move(p99);
    if (!goodput.empty()) s.values["goodput"] = std::move(goodput);
    return s;
}

}  // namespace

TEST_CASE("comparison: the same trials of the same seed are pairs, others are not") {
    const auto paired = compare(series(1, 0, {100, 200, 300, 400}), series(1, 2, {310, 410, 500}));
    REQUIRE(paired.size() == 1);
    CHECK(paired[0].difference.paired);  // trials 2 and 3
    CHECK(*paired[0].base == 350);
    CHECK(paired[0].difference.value == Approx(10));
    const auto other = compare(series(1, 0, {100, 200, 300, 400}), series(2, 0, {310, 410, 500}));
    CHECK_FALSE(other[0].difference.paired);
    CHECK(*other[0].base == 250);
    CHECK(compare(series(1, 0, {100, std::nullopt, 300}), series(1, 0, {110, 200, 310}))[0].difference.value == Approx(10));
}

TEST_CASE("regressions: only what is surely worse than allowed, and of shares by points") {
    // 10 % worse in every trial, allowed 5 %.
    auto rows = compare(series(1, 0, {100, 200, 300}, {0.99, 0.99, 0.99}), series(1, 0, {110, 220, 330}, {0.97, 0.97, 0.97}));
    auto judged = judge_regressions(rows, {});
    REQUIRE(judged.size() == 2);
    CHECK(judged[0].allowed == Approx(10));  // 5 % of 200
    CHECK_FALSE(judged[0].regressed);        // 10, 20, 30: half the differences' spread, three trials
    CHECK(judged[0].suspect);
    CHECK(judged[1].allowed == Approx(0.005));
    CHECK(judged[1].regressed);  // two points in every trial
    RegressionRule loose;
    loose.metric["goodput"] = 0.03;
    CHECK_FALSE(judge_regressions(rows, loose)[1].suspect);
    rows = compare(series(1, 0, {100, 200, 300, 250, 180, 210}), series(1, 0, {130, 231, 329, 281, 210, 240}));
    CHECK(judge_regressions(rows, {})[0].regressed);
    rows = compare(series(1, 0, {130, 231, 329, 281, 210, 240}), series(1, 0, {100, 200, 300, 250, 180, 210}));
    CHECK_FALSE(judge_regressions(rows, {})[0].suspect);  // better
}

TEST_CASE("precision: the widest interval counts, a threshold's relative to its limit") {
    RunResults r;
    r.thresholds.push_back(*parse_threshold("rejected < 100"));
    for (const double v : {0.0, 2.0, 1.0, 1.0}) {
        TrialNumbers t;
        t.thresholds = {v};
        t.ttft.mean = 100;
        r.trials.push_back(t);
    }
    // mean 1, s = 0.8165, half-width 3.18245 * 0.8165 / 2 = 1.29923, of the limit 100.
    const Imprecision worst = least_precise(r);
    CHECK(worst.what == "rejected < 100");
    CHECK(worst.half_width == Approx(0.0129923).epsilon(1e-4));
}
