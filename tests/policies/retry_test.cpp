#include "policies/retry.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;

TEST_CASE("retry: the back-off doubles up to its maximum, and jitter takes a drawn part of its share away") {
    RetryRules rules;
    rules.backoff = milliseconds(500);
    rules.max_backoff = seconds(3);
    CHECK(retry_delay(rules, 1, 0) == milliseconds(500));
    CHECK(retry_delay(rules, 2, 0) == seconds(1));
    CHECK(retry_delay(rules, 3, 0) == seconds(2));
    CHECK(retry_delay(rules, 4, 0) == seconds(3));
    CHECK(retry_delay(rules, 100, 0) == seconds(3));
    rules.jitter_milli = 250;
    CHECK(retry_delay(rules, 3, 0) == seconds(2));
    CHECK(to_seconds(retry_delay(rules, 3, ~std::uint64_t{0})) == Approx(1.5));
    CHECK(to_seconds(retry_delay(rules, 3, std::uint64_t{1} << 63)) == Approx(1.75));
    rules.backoff = Tick{};
    CHECK(retry_delay(rules, 7, 5) == Tick{});
}
