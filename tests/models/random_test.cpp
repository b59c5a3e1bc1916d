#include "models/random.hpp"
#include "models/quantile_table.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>
#include <vector>

using namespace windtunnel;

namespace {

double sample_mean(const QuantileTable& table, int n, std::uint32_t entity, double* cv = nullptr) {
    RandomStream stream(7, 0, StreamPurpose::arrivals, entity);
    double sum = 0, squares = 0;
    for (int i = 0; i < n; ++i) {
        const auto x = static_cast<double>(table.sample(stream.next_u64()));
        sum += x;
        squares += x * x;
    }
    const double mean = sum / n;
    if (cv != nullptr) *cv = std::sqrt(squares / n - mean * mean) / mean;
    return mean;
}

}  // namespace

TEST_CASE("philox: the zero counter and key give Random123's known answer") {
    // Random123's kat_vectors, philox4x32 10: 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
    const philox4x32_ctr_t out = philox4x32_R(10, philox4x32_ctr_t{{0, 0, 0, 0}}, philox4x32_key_t{{0, 0}});
    CHECK(out.v[0] == 0x6627e8d5u);
    CHECK(out.v[1] == 0xe169c58du);
    CHECK(out.v[2] == 0xbc57ac4cu);
    CHECK(out.v[3] == 0x9b00dbd8u);
    RandomStream zero(0, 0, static_cast<StreamPurpose>(0), 0);
    CHECK(zero.next_u64() == 0xe169c58d6627e8d5u);
    CHECK(zero.next_u64() == 0x9b00dbd8bc57ac4cu);
}

TEST_CASE("random stream: seed, trial, purpose and entity each give another stream, the same key the same") {
    std::set<std::uint64_t> first;
    for (const auto& stream :
         {RandomStream(1, 0, StreamPurpose::arrivals, 0), RandomStream(2, 0, StreamPurpose::arrivals, 0),
          RandomStream(std::uint64_t{1} << 32, 0, StreamPurpose::arrivals, 0),
          RandomStream(1, 1, StreamPurpose::arrivals, 0), RandomStream(1, 0, StreamPurpose::routing, 0),
          RandomStream(1, 0, StreamPurpose::arrivals, 1)}) {
        RandomStream copy = stream, again = stream;
        for (int i = 0; i < 4; ++i) {
            const std::uint64_t x = copy.next_u64();
            CHECK(x == again.next_u64());
            CHECK(first.insert(x).second);
        }
    }
}

TEST_CASE("random stream: bounded integers reach every value evenly and never the bound") {
    RandomStream stream(3, 0, StreamPurpose::routing, 0);
    std::vector<int> counts(6);
    for (int i = 0; i < 60'000; ++i) ++counts.at(stream.below(6));
    for (const int count : counts)
        CHECK(std::abs(count - 10'000) < 400);  // 4 sigma of sqrt(60000 * 5/36) = 91
    CHECK(stream.below(1) == 0);
    const std::uint64_t huge = std::uint64_t{3} << 62;  // a quarter of all draws are drawn again
    for (int i = 0; i < 100; ++i) CHECK(stream.below(huge) < huge);
    for (int i = 0; i < 10'000; ++i) {
        const double u = stream.uniform_open();
        CHECK((u > 0 && u < 1));
    }
}

TEST_CASE("multiply high: equals the high word of the 128-bit product") {
    CHECK(multiply_high(~0ull, ~0ull) == ~0ull - 1);  // (2^64-1)^2 = 2^128 - 2^65 + 1
    CHECK(multiply_high(1ull << 32, 1ull << 32) == 1);
    CHECK(multiply_high(0xffffffffull, 0x1'0000'0001ull) == 0);  // 2^64 - 1
    CHECK(multiply_high(1ull << 63, 6) == 3);
}

TEST_CASE("quantile table: probabilities ascend from 0 to 1 and mirror each other") {
    double previous = -1;
    for (int i = 0; i < QuantileTable::size; ++i) {
        const TableProbability at = table_probability(i),
                               mirror = table_probability(QuantileTable::size - 1 - i);
        CHECK(at.p > previous);
        CHECK(at.p == mirror.q);
        previous = at.p;
    }
    CHECK(table_probability(0).p == 0);
    CHECK(table_probability(1).p == std::ldexp(1.0, -25));
    CHECK(table_probability(QuantileTable::size / 2).p == 0.5);
    CHECK(table_probability(QuantileTable::size - 1).p == 1);
}

TEST_CASE("quantile table: a linear quantile function is sampled exactly everywhere") {
    // values = p * 2^40, so sample(bits) must be bits / 2^24 rounded, to within one for the mirrored half.
    QuantileTable table{};
    for (int i = 0; i < QuantileTable::size; ++i)
        table.values[i] = static_cast<std::int64_t>(std::ldexp(table_probability(i).p, 40));
    for (int shift = 0; shift < 64; ++shift) {
        for (const std::uint64_t bits : {std::uint64_t{1} << shift, ~(std::uint64_t{1} << shift),
                                         std::uint64_t{0x9e3779b97f4a7c15} >> shift}) {
            const std::int64_t expected = static_cast<std::int64_t>(bits >> 24);
            CHECK(std::abs(table.sample(bits) - expected) <= 1);
        }
    }
}

TEST_CASE("quantile table: means and variations of the families are those of the formulas") {
    double cv = 0;
    CHECK(table_mean(exponential_table(1e9)) == Approx(1e9).epsilon(2e-3));
    CHECK(sample_mean(exponential_table(1e9), 400'000, 1, &cv) == Approx(1e9).epsilon(0.006));
    CHECK(cv == Approx(1).epsilon(0.01));
    // lognormal: mean = median exp(sigma^2/2), CV = sqrt(exp(sigma^2) - 1)
    CHECK(table_mean(lognormal_table(1e6, 0.8, 0)) == Approx(1e6 * std::exp(0.32)).epsilon(3e-3));
    CHECK(sample_mean(lognormal_table(1e6, 0.8, 0), 400'000, 2, &cv) ==
          Approx(1e6 * std::exp(0.32)).epsilon(0.01));
    CHECK(cv == Approx(std::sqrt(std::exp(0.64) - 1)).epsilon(0.02));
    // gamma: mean = shape scale, CV = 1/sqrt(shape)
    CHECK(table_mean(gamma_table(0.25, 4e9)) == Approx(1e9).epsilon(5e-3));
    CHECK(sample_mean(gamma_table(0.25, 4e9), 400'000, 3, &cv) == Approx(1e9).epsilon(0.015));
    CHECK(cv == Approx(2).epsilon(0.02));
    // Weibull with shape 2: mean = scale sqrt(pi)/2, CV = sqrt(4/pi - 1)
    CHECK(sample_mean(weibull_table(2, 1e9), 400'000, 4, &cv) == Approx(1e9 * 0.886227).epsilon(0.004));
    CHECK(cv == Approx(0.522723).epsilon(0.01));
    CHECK(sample_mean(normal_table(1e9, 1e8), 400'000, 5, &cv) == Approx(1e9).epsilon(0.001));
    CHECK(cv == Approx(0.1).epsilon(0.01));
    CHECK(sample_mean(uniform_table(10, 20), 400'000, 6) == Approx(15).epsilon(0.003));
    CHECK(constant_table(42).sample(12345) == 42);
}

TEST_CASE("quantile table: draws never leave the bounds and follow given points") {
    const QuantileTable table = points_table({{0, 10}, {0.5, 100}, {1, 1000}});
    CHECK(table.sample(0) == 10);
    CHECK(table.sample(~0ull) == 1000);
    CHECK(table.sample(1ull << 62) == 55);   // p = 1/4: half of the way from 10 to 100
    CHECK(table.sample(3ull << 62) == 550);  // p = 3/4
    CHECK(table_mean(table) == Approx(0.5 * 55 + 0.5 * 550).epsilon(1e-3));
    const QuantileTable held = lognormal_table(100, 3, 5, 4000);
    RandomStream stream(1, 1, StreamPurpose::prompt_length, 0);
    for (int i = 0; i < 10'000; ++i) {
        const std::int64_t x = held.sample(stream.next_u64());
        CHECK((x >= 5 && x <= 4000));
    }
}
