#include "reports/statistics.hpp"
#include "models/random.hpp"

#include <catch2/catch.hpp>
#include <cmath>

using namespace windtunnel;

namespace {

/// Known distributions, from a stream of their own.
struct Draws {
    RandomStream stream;
    explicit Draws(std::uint32_t experiment) : stream(99, experiment, StreamPurpose::fault, 1) {}
    double uniform() { return stream.uniform_open(); }
    double exponential() { return -std::log(uniform()); }
    double normal() { return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * 3.141592653589793 * uniform()); }
};

/// How often in a hundred the interval that `make` gives of a sample contains the truth.
template <class Make>
double coverage(double truth, Make make) {
    constexpr std::uint32_t experiments = 2000;
    std::uint32_t inside = 0;
    for (std::uint32_t e = 0; e < experiments; ++e) {
        Draws draws(e);
        const std::optional<Interval> i = make(draws, e);
        REQUIRE(i);
        inside += i->first <= truth && truth <= i->second ? 1 : 0;
    }
    return 100.0 * inside / experiments;
}

template <class Draw>
std::vector<double> sample(std::size_t n, Draw draw) {
    std::vector<double> out(n);
    for (double& v : out) v = draw();
    return out;
}

Bootstrap seeded(std::uint32_t e) {
    Bootstrap how;
    how.seed = e;
    how.resamples = 500;
    return how;
}

}  // namespace

TEST_CASE("coverage: 95 % intervals contain the truth 93 to 97 times in 100", "[release]") {
    const auto fair = [](double c) { return c >= 93 && c <= 97; };
    const double normal_mean =
        coverage(7, [](Draws& d, std::uint32_t) { return mean_interval(sample(8, [&] { return 7 + 3 * d.normal(); })); });
    INFO("mean of 8 normal values: " << normal_mean);
    CHECK(fair(normal_mean));
    // The mean wait of many requests is nearly normal, of a skewed single one is not: 40 trials of exponentials.
    const double skewed_mean =
        coverage(1, [](Draws& d, std::uint32_t) { return mean_interval(sample(60, [&] { return d.exponential(); })); });
    INFO("mean of 60 exponential values: " << skewed_mean);
    CHECK(fair(skewed_mean));
    const double median = coverage(std::log(2.0), [](Draws& d, std::uint32_t e) {
        return quantile_interval(sample(60, [&] { return d.exponential(); }), 0.5, seeded(e));
    });
    INFO("median of 60 exponential values: " << median);
    CHECK(fair(median));
    const double ninth = coverage(std::log(10.0), [](Draws& d, std::uint32_t e) {
        return quantile_interval(sample(200, [&] { return d.exponential(); }), 0.9, seeded(e));
    });
    INFO("p90 of 200 exponential values: " << ninth);
    CHECK(fair(ninth));
    // Goodput: each trial has its own number of requests and its own share of good ones; together 0.9.
    const double ratio = coverage(0.9, [](Draws& d, std::uint32_t e) {
        std::vector<double> good, all;
        for (int i = 0; i < 30; ++i) {
            all.push_back(100 + 50 * d.uniform());
            good.push_back(all.back() * (0.9 + 0.05 * d.normal()));
        }
        return ratio_interval(good, all, seeded(e));
    });
    INFO("ratio over 30 trials: " << ratio);
    CHECK(fair(ratio));
    const double probability = coverage(0.9, [](Draws& d, std::uint32_t) {
        std::uint64_t hits = 0;
        for (int i = 0; i < 60; ++i) hits += d.uniform() < 0.9 ? 1 : 0;
        return probability_interval(hits, 60);
    });
    INFO("probability over 60 trials: " << probability);
    CHECK(fair(probability));
    const double paired = coverage(0.5, [](Draws& d, std::uint32_t) {
        std::vector<double> base, candidate;
        for (int i = 0; i < 10; ++i) {
            const double weather = 20 * d.uniform();
            base.push_back(weather + d.normal());
            candidate.push_back(weather + 0.5 + d.normal());
        }
        return paired_difference(base, candidate).ci95;
    });
    INFO("paired difference of 10: " << paired);
    CHECK(fair(paired));
    const double welch = coverage(0.5, [](Draws& d, std::uint32_t) {
        return unpaired_difference(sample(8, [&] { return d.normal(); }), sample(15, [&] { return 0.5 + 3 * d.normal(); })).ci95;
    });
    INFO("Welch's difference of 8 and 15: " << welch);
    CHECK(fair(welch));
}

TEST_CASE("statistics: numbers worked out by hand") {
    // 1 2 3 4: mean 2.5, s = 1.29099, standard error 0.645497, t(3, 0.975) = 3.18245.
    const auto i = mean_interval({1, 2, 3, 4});
    REQUIRE(i);
    CHECK(i->first == Approx(2.5 - 3.18245 * 0.645497).epsilon(1e-5));
    CHECK(i->second == Approx(2.5 + 3.18245 * 0.645497).epsilon(1e-5));
    CHECK(quantile_of({4, 1, 3, 2}, 0.5) == 2.5);
    CHECK(quantile_of({10, 20}, 0.9) == Approx(19));
    // Wilson, 8 of 10: (0.8 + 1.9207/10) / (1 + 3.8415/10) = 0.71674, half 1.95996/1.38415 * sqrt(0.016 + 0.0096036).
    const auto w = probability_interval(8, 10);
    CHECK(w->first == Approx(0.49016).epsilon(1e-4));
    CHECK(w->second == Approx(0.94331).epsilon(1e-4));
    CHECK(probability_interval(20, 20)->second == 1);
    CHECK(probability_interval(20, 20)->first == Approx(0.83887).epsilon(1e-4));
}

TEST_CASE("statistics: pairs take the weather out, equal trials are surely equal, one trial says nothing") {
    const std::vector<double> base{10, 50, 90, 30}, candidate{11, 51, 91.2, 30.8};
    const Difference paired = paired_difference(base, candidate), apart = unpaired_difference(base, candidate);
    CHECK(paired.value == Approx(1));
    CHECK(paired.significant());
    CHECK_FALSE(apart.significant());
    CHECK(*paired_difference(base, base).p == 1);
    CHECK(*paired_difference({1, 2}, {2, 3}).p == 0);  // every pair says the same
    CHECK_FALSE(paired_difference({1}, {2}).p);
    // One old value of 10 against 20 +- 1: t = 10 / (1 * sqrt(1 + 1/5)), 4 degrees: p = 0.0008.
    const Difference one = unpaired_difference({10}, {20 - std::sqrt(2.0), 20 - std::sqrt(0.0), 20 + std::sqrt(2.0), 20, 20});
    CHECK(*one.p == Approx(0.0008).margin(0.0003));
    // t = (2 - 1.5) / 0.5 = 1 with 3 degrees: 0.19550.
    Difference d;
    d.value = 2;
    d.standard_error = 0.5;
    d.degrees = 3;
    d.p = 0.5;
    CHECK(*d.p_above(1.5) == Approx(0.19550).epsilon(1e-4));
}

TEST_CASE("statistics: a bootstrap is the same every time, and another seed's is not") {
    const std::vector<double> values{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
    CHECK(quantile_interval(values, 0.5, seeded(1)) == quantile_interval(values, 0.5, seeded(1)));
    CHECK(ratio_interval(values, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, seeded(1)) !=
          ratio_interval(values, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, seeded(2)));
}

TEST_CASE("warm-up: MSER-5 cuts what differs at the start, and nothing where nothing does") {
    Draws d(1);
    std::vector<double> series;
    for (int i = 0; i < 100; ++i) series.push_back(20 - 0.15 * i + d.normal());  // 20 down to 5
    for (int i = 0; i < 900; ++i) series.push_back(5 + d.normal());
    const WarmUp w = warm_up_of(series);
    CHECK(w.settled);
    CHECK(w.cut >= 70);
    CHECK(w.cut <= 110);
    for (double& v : series) v = 5 + d.normal();
    CHECK(warm_up_of(series).cut <= 100);
    for (std::size_t i = 0; i < series.size(); ++i) series[i] = static_cast<double>(i);  // a queue that only grows
    CHECK_FALSE(warm_up_of(series).settled);
    CHECK_FALSE(warm_up_of({1, 2, 3}).settled);
}
