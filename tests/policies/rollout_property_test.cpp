#include "policies/disruption_budget.hpp"
#include "policies/rollout.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

/// Rollouts and disruption budgets on random inputs: second implementations from the clauses, and what must
/// hold whatever happens to the pods.
using namespace windtunnel;

namespace {

using Random = std::mt19937_64;
std::int32_t upto(Random& random, std::int32_t low, std::int32_t high) {
    return std::uniform_int_distribution<std::int32_t>(low, high)(random);
}

/// The smallest k with 100 k >= p n, and the largest with 100 k <= p n, by counting.
std::int32_t share_up(std::int64_t p, std::int64_t n) {
    std::int32_t k = 0;
    while (100 * std::int64_t{k} < p * n) ++k;
    return k;
}
std::int32_t share_down(std::int64_t p, std::int64_t n) {
    std::int32_t k = 0;
    while (100 * std::int64_t{k + 1} <= p * n) ++k;
    return k;
}

struct Limits {
    std::int32_t surge, unavailable;
};
Limits limits_of(const RolloutSpec& spec) {
    const auto number = [&](CountOrPercent v, bool up) {
        if (v.kind == CountOrPercent::Kind::integer) return v.value;
        return up ? share_up(v.value, spec.replicas) : share_down(v.value, spec.replicas);
    };
    Limits limits{number(spec.max_surge, true), number(spec.max_unavailable, false)};
    if (limits.surge == 0 && limits.unavailable == 0) limits.unavailable = 1;
    limits.unavailable = std::min(limits.unavailable, spec.replicas);
    return limits;
}

/// Clauses 3.2.3 and 3.2.4, one pod at a time. sets[0] is the new one, the others from old to new.
bool slow_step(const RolloutSpec& spec, std::vector<ReplicaSetState>& sets) {
    const Limits limits = limits_of(spec);
    const auto sum = [&](auto member) {
        std::int32_t total = 0;
        for (const ReplicaSetState& set : sets) total += set.*member;
        return total;
    };
    ReplicaSetState& fresh = sets[0];
    bool changed = false;
    for (; fresh.replicas > spec.replicas; changed = true) --fresh.replicas;
    if (changed) return true;
    for (; fresh.replicas < spec.replicas && sum(&ReplicaSetState::replicas) < spec.replicas + limits.surge;
         changed = true)
        ++fresh.replicas;
    if (changed) return true;
    const std::int32_t least = spec.replicas - limits.unavailable;
    std::int32_t budget = sum(&ReplicaSetState::replicas) - least - (fresh.replicas - fresh.available);
    if (budget <= 0) return false;
    for (std::size_t i = 1; i < sets.size(); ++i)
        for (; budget > 0 && sets[i].replicas > sets[i].available; --budget, changed = true)
            --sets[i].replicas;
    std::int32_t spare = sum(&ReplicaSetState::available) - least;
    for (std::size_t i = 1; i < sets.size(); ++i)
        for (; spare > 0 && sets[i].replicas > 0; --spare, changed = true) --sets[i].replicas;
    return changed;
}

}  // namespace

TEST_CASE(
    "rollout: never under the minimum, never over the surge, equal to a second implementation, and it ends") {
    Random random(73);
    for (int round = 0; round < 3'000; ++round) {
        RolloutSpec spec;
        spec.replicas = upto(random, 0, 30);
        spec.max_surge = upto(random, 0, 1) ? percent(upto(random, 0, 150)) : integer(upto(random, 0, 8));
        spec.max_unavailable =
            upto(random, 0, 1) ? percent(upto(random, 0, 120)) : integer(upto(random, 0, 8));
        const Limits limits = limits_of(spec);
        const std::int32_t least = spec.replicas - limits.unavailable;
        // What is there at the start: old sets that together have the Deployment's size.
        std::vector<ReplicaSetState> sets(static_cast<std::size_t>(upto(random, 2, 4)));
        for (std::int32_t left = spec.replicas; left > 0; --left)
            ++sets[static_cast<std::size_t>(upto(random, 1, static_cast<std::int32_t>(sets.size()) - 1))]
                  .replicas;
        for (std::size_t i = 0; i < sets.size(); ++i) {
            sets[i].created = i == 0 ? 100 : static_cast<std::int64_t>(i);
            sets[i].annotated_desired = spec.replicas;
            sets[i].available = upto(random, 0, 3) ? sets[i].replicas : upto(random, 0, sets[i].replicas);
        }
        bool done = false;
        for (int step = 0; step < 400 && !done; ++step) {
            std::int32_t available = 0;
            for (const ReplicaSetState& set : sets) available += set.available;
            std::vector<ReplicaSetState> expected = sets;
            const bool slow = slow_step(spec, expected);
            const bool fast = sync_rollout(
                spec, {sets.data(), sets.data() + 1, static_cast<std::int32_t>(sets.size()) - 1}, false);
            INFO("round " << round << " step " << step << " of " << spec.replicas);
            REQUIRE(fast == slow);
            std::int32_t total = 0, still = 0;
            for (std::size_t i = 0; i < sets.size(); ++i) {
                REQUIRE(sets[i].replicas == expected[i].replicas);
                // The ReplicaSet takes unavailable pods first.
                sets[i].available = std::min(sets[i].available, sets[i].replicas);
                total += sets[i].replicas;
                still += sets[i].available;
            }
            REQUIRE(total <= spec.replicas + limits.surge);
            REQUIRE(still >= std::min(available, least));
            done = !fast && sets[0].replicas == spec.replicas && total == spec.replicas;
            // Pods of the new set come up, now and then one anywhere falls ill for a while.
            const bool calm = step > 150;
            for (ReplicaSetState& set : sets) {
                const bool fresh = &set == sets.data();
                if ((fresh || calm) && set.available < set.replicas)
                    set.available =
                        calm ? set.replicas : set.available + upto(random, 0, set.replicas - set.available);
                if (!calm && set.available > 0 && upto(random, 0, 19) == 0) --set.available;
            }
        }
        REQUIRE(done);
    }
}

TEST_CASE("rollout: a resize keeps every share within one pod of its proportion and adds up") {
    Random random(74);
    for (int round = 0; round < 5'000; ++round) {
        const std::int32_t before = upto(random, 2, 60);
        RolloutSpec spec;
        spec.replicas = upto(random, 1, 90);
        spec.max_surge = integer(upto(random, 0, 10));
        spec.max_unavailable = integer(1);
        const std::int32_t max_before = before + upto(random, 0, 10);
        std::vector<ReplicaSetState> sets(static_cast<std::size_t>(upto(random, 2, 4)));
        for (std::int32_t left = max_before; left > 0; --left)
            ++sets[static_cast<std::size_t>(upto(random, 0, static_cast<std::int32_t>(sets.size()) - 1))]
                  .replicas;
        std::int64_t active = 0, largest = 0;
        for (std::size_t i = 0; i < sets.size(); ++i) {
            sets[i].created = static_cast<std::int64_t>(i);
            sets[i].annotated_desired = before;
            sets[i].annotated_max = max_before;
            active += sets[i].replicas > 0 ? 1 : 0;
            largest = std::max<std::int64_t>(largest, sets[i].replicas);
        }
        if (active < 2) continue;
        const std::vector<ReplicaSetState> old = sets;
        const std::int32_t allowed = spec.replicas + spec.max_surge.value;
        scale_proportionally(spec,
                             {sets.data(), sets.data() + 1, static_cast<std::int32_t>(sets.size()) - 1});
        std::int32_t total = 0, off = 0;
        for (std::size_t i = 0; i < sets.size(); ++i) {
            total += sets[i].replicas;
            const double exact = static_cast<double>(old[i].replicas) * allowed / max_before;
            // Rounding moves a share by half a pod at most; what is left over goes to one set (the largest),
            // and a set that came last may get less where the earlier rounded up.
            if (std::abs(sets[i].replicas - exact) > 0.5 + 1e-9) ++off;
            REQUIRE(std::abs(sets[i].replicas - exact) <= static_cast<double>(sets.size()));
        }
        INFO("round " << round);
        REQUIRE(total == allowed);
        REQUIRE(off <= 2);
    }
}

TEST_CASE("disruption budget: equal to a count over pods, for every kind of budget") {
    // 6.1: a pod has a controller, is Ready or not, leaving or not, recorded as disrupted 0..4 minutes ago.
    Random random(75);
    for (int round = 0; round < 20'000; ++round) {
        const std::int32_t controllers = upto(random, 1, 3);
        std::vector<std::int32_t> scale(static_cast<std::size_t>(controllers)), seen(scale.size());
        for (std::int32_t& s : scale) s = upto(random, 0, 12);
        const std::int32_t pods = upto(random, 0, 15);
        DisruptionBudgetInput input;
        std::int32_t expected = 0, healthy = 0;
        for (std::int32_t i = 0; i < pods; ++i) {
            const auto owner = static_cast<std::size_t>(upto(random, 0, controllers - 1));
            if (seen[owner]++ == 0) expected += scale[owner];
            if (upto(random, 0, 4) > 0 && upto(random, 0, 9) > 0) ++healthy;
        }
        input.matching_pods = pods;
        input.healthy_pods = healthy;
        input.controller_scale = expected;
        const std::int32_t p = upto(random, 0, 130), m = upto(random, 0, 14);
        const int kind = upto(random, 0, 3);
        DisruptionBudgetSpec spec;
        std::int32_t desired = 0;
        if (kind == 0) {
            spec.min_available = integer(m);
            expected = pods;
            desired = m;
        } else if (kind == 1) {
            spec.min_available = percent(p);
            desired = share_up(p, expected);
        } else if (kind == 2) {
            spec.max_unavailable = integer(m);
            desired = std::max(0, expected - m);
        } else {
            spec.max_unavailable = percent(p);
            desired = std::max(0, expected - share_up(p, expected));
        }
        const DisruptionBudgetStatus status = budget_status(spec, input);
        REQUIRE(status.expected_pods == expected);
        REQUIRE(status.desired_healthy == desired);
        REQUIRE(status.current_healthy == healthy);
        REQUIRE(status.disruptions_allowed == (expected > 0 ? std::max(0, healthy - desired) : 0));
    }
}

TEST_CASE(
    "disruption budget: a budget that says nothing allows nothing, negative percentages round their way") {
    // 6.1.1 names four kinds; with none of them nothing is expected and so nothing allowed (6.1.3).
    CHECK(budget_status({}, {5, 5, 5, false}).disruptions_allowed == 0);
    CHECK(percent(-25).resolve(10, true) == -2);   // -2.5 up
    CHECK(percent(-25).resolve(10, false) == -3);  // -2.5 down
    CHECK(percent(200).resolve(2'000'000'000, true) == 2'147'483'647);
}
