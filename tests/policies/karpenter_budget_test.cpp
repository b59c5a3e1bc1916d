#include "policies/karpenter_budget.hpp"
#include "policies/karpenter_schedule.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace windtunnel;

TEST_CASE("karpenter: budgets round up, the smallest active one counts, a broken one allows nothing") {
    KarpenterBudget budgets[] = {
        {percent(10), 0, true, true},
        {integer(5), static_cast<std::uint8_t>(DisruptionReason::drifted), true, true}};
    CHECK(allowed_disruptions(budgets, 2, DisruptionReason::empty, 91) == 10);  // 9.1 up
    CHECK(allowed_disruptions(budgets, 2, DisruptionReason::drifted, 91) == 5);
    CHECK(remaining_disruptions(budgets, 2, DisruptionReason::drifted, 91, 7) == 0);
    budgets[0].active = false;
    CHECK(allowed_disruptions(budgets, 2, DisruptionReason::empty, 91) == max_i32);
    budgets[0].valid = false;
    CHECK(allowed_disruptions(budgets, 2, DisruptionReason::empty, 91) == 0);
}

TEST_CASE("karpenter: a budget's schedule becomes joined intervals in UTC") {
    // 09:00 and 10:00 for 90 minutes each, from 09:30: 0 .. 2 h (11:30).
    const auto schedule = parse_budget_schedule("0 9,10 * * *", std::chrono::seconds(5400));
    REQUIRE(schedule);
    const UtcSeconds origin{date::sys_days{date::year{2026} / 3 / 2} + std::chrono::minutes(570)};
    CHECK(active_intervals(*schedule, origin, Tick{0}, seconds(86'400 / 2)) ==
          std::vector<ActiveInterval>{{Tick{0}, seconds(7200)}});
    CHECK(is_active(*schedule, origin));
    CHECK_FALSE(is_active(*schedule, origin + std::chrono::seconds(7200)));
    CHECK_FALSE(parse_budget_schedule("0 0 * * tue-mon", std::chrono::seconds(60)).ok());
    CHECK_FALSE(parse_budget_schedule(std::nullopt, std::chrono::seconds(60)).ok());
}
