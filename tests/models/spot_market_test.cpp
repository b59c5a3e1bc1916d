#include "models/spot_facts.hpp"
#include "models/spot_market.hpp"
#include "models/wide_sum.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <vector>

using namespace windtunnel;

namespace {

/// A market's plan and what it refers to, in one block as in a blueprint.
struct Lab {
    struct Block {
        BlobSpan<QuantileTable> tables;
        BlobSpan<SpotCapacityChange> capacities;
        BlobSpan<SpotPriceChange> prices;
        BlobSpan<SpotNodeLife> lives;
        QuantileTable table[4];
        SpotCapacityChange capacity[8];
        SpotPriceChange price[8];
        SpotNodeLife life[8];
    };
    std::unique_ptr<Block> block = std::make_unique<Block>();
    SpotMarketPlan plan;

    Lab() {
        link(block->tables, block->table, 4);
        link(block->capacities, block->capacity, 8);
        link(block->prices, block->price, 8);
        link(block->lives, block->life, 8);
        block->table[0] = exponential_table(static_cast<double>(seconds(3600).count));
        plan.entity = 7;
        plan.zone_entity = 8;
    }
    template <class T>
    static void link(BlobSpan<T>& span, const T* first, std::uint64_t count) {
        span.distance = reinterpret_cast<const unsigned char*>(first) - reinterpret_cast<const unsigned char*>(&span);
        span.count = count;
    }
    [[nodiscard]] SpotMarketData data(std::uint32_t trial = 0) const {
        return {&block->tables, &block->capacities, &block->prices, &block->lives, 1, trial};
    }
    void rate(double per_hour) {
        plan.exponential_table = 0;
        for (std::uint32_t& r : plan.hourly_rate) r = static_cast<std::uint32_t>(per_hour * 1e6);
    }
};

constexpr Tick far_away = seconds(3600 * 10'000);

}  // namespace

TEST_CASE("spot hazard: lifetimes at a constant rate are exponential, whenever a node starts") {
    Lab lab;
    lab.rate(0.2);
    for (const double start_h : {0.0, 0.37, 5.9}) {
        const Tick start = from_seconds(start_h * 3600);
        std::vector<double> lives;
        double sum = 0;
        for (std::uint32_t i = 0; i < 4000; ++i) {
            const Tick at = next_interruption(lab.plan, lab.data(i / 40), i % 40, start, far_away);
            lives.push_back(to_seconds(at - start) / 3600);
            sum += lives.back();
        }
        // Mean 5 h; its standard error is 5/sqrt(4000) = 0.08. KS at 1%: 1.63/sqrt(4000) = 0.026.
        CHECK(sum / 4000 == Approx(5).margin(0.25));
        std::sort(lives.begin(), lives.end());
        double distance = 0;
        for (std::size_t i = 0; i < lives.size(); ++i)
            distance = std::max(distance, std::abs((static_cast<double>(i) + 0.5) / 4000 - (1 - std::exp(-lives[i] / 5))));
        CHECK(distance < 0.026);
    }
}

TEST_CASE("spot hazard: a seat's interruptions stand at fixed times, whoever sits there since when") {
    Lab lab;
    lab.rate(3);
    Tick at{};
    std::vector<Tick> points;
    for (int i = 0; i < 30; ++i) points.push_back(at = next_interruption(lab.plan, lab.data(), 4, at, far_away));
    for (const Tick start : {seconds(10), seconds(5000), seconds(20'000)}) {
        const auto next = std::upper_bound(points.begin(), points.end(), start, [](Tick a, Tick b) { return a < b; });
        REQUIRE(next != points.end());
        CHECK(next_interruption(lab.plan, lab.data(), 4, start, far_away) == *next);
    }
    CHECK(next_interruption(lab.plan, lab.data(), 5, Tick{}, far_away) != points[0]);
    CHECK(next_interruption(lab.plan, lab.data(1), 4, Tick{}, far_away) != points[0]);
    CHECK(next_interruption(lab.plan, lab.data(), 4, Tick{}, seconds(1)) == never);
}

TEST_CASE("spot hazard: an hour of the day without a rate has no interruption") {
    Lab lab;
    lab.plan.exponential_table = 0;
    lab.plan.day_phase = seconds(22 * 3600 + 1800);  // t = 0 is half past ten at night
    lab.plan.hourly_rate[3] = 5'000'000;
    for (std::uint32_t seat = 0; seat < 50; ++seat) {
        Tick at{};
        for (int i = 0; i < 4; ++i) {
            at = next_interruption(lab.plan, lab.data(), seat, at, far_away);
            const std::int64_t second = (at + lab.plan.day_phase).count / ticks_per_second % 86400;
            CHECK((second >= 3 * 3600 && second < 4 * 3600));
        }
    }
}

TEST_CASE("spot hazard: a lifetime table is an age, the earlier of both causes counts") {
    Lab lab;
    lab.block->table[1] = constant_table(seconds(7200).count);
    lab.plan.lifetime_table = 1;
    CHECK(interruption_of(lab.plan, lab.data(), 0, seconds(100), far_away) == seconds(7300));
    lab.rate(2);
    int sooner = 0;
    for (std::uint32_t seat = 0; seat < 1000; ++seat) {
        const Tick at = interruption_of(lab.plan, lab.data(), seat, Tick{}, far_away);
        CHECK(at <= seconds(7200));
        sooner += at < seconds(7200) ? 1 : 0;
    }
    CHECK(sooner == Approx(1000 * (1 - std::exp(-4.0))).margin(25));
}

TEST_CASE("spot market: recorded capacity and prices are what the record says, to the tick") {
    Lab lab;
    lab.block->capacity[0] = {Tick{}, 3, 0};
    lab.block->capacity[1] = {seconds(50), 0, 0};
    lab.block->price[0] = {Tick{}, 1'000};
    lab.block->price[1] = {seconds(50), 3'000};
    lab.plan.capacity_count = lab.plan.price_count = 2;
    SpotMarket market;
    market.start(lab.plan, lab.data());
    CHECK(market.capacity() == 3);
    CHECK(market.price(lab.plan, lab.data(), 5) == 1'000);
    CHECK(market.next_change(lab.plan, lab.data()) == seconds(50));
    CHECK(market.advance_to(lab.plan, lab.data(), seconds(50)).price);
    CHECK(market.price(lab.plan, lab.data(), 5) == 3'000);
    CHECK(market.capacity() == 3);
    CHECK(market.advance_to(lab.plan, lab.data(), seconds(50)).capacity);
    CHECK(market.capacity() == 0);
    CHECK(market.next_change(lab.plan, lab.data()) == never);
    WideSum cost;  // 20 s at 1000 and 30 s at 3000
    add_recorded_cost(lab.plan, lab.data(), seconds(30), seconds(80), cost);
    CHECK(cost.low == static_cast<std::uint64_t>(ticks_per_second) * (20 * 1'000 + 30 * 3'000));
}

TEST_CASE("spot market: droughts take their share of the time, reclaims come at their rate, zones share them") {
    Lab lab;
    lab.block->table[1] = exponential_table(static_cast<double>(seconds(9000).count));
    lab.block->table[2] = exponential_table(static_cast<double>(seconds(1000).count));
    lab.plan.plenty_table = 1;
    lab.plan.drought_table = 2;
    lab.plan.drought_at_start = spot_share_one / 10;
    lab.plan.reclaim_gap_table = 1;
    SpotMarketPlan other = lab.plan;
    other.entity = 99;
    double dry = 0, all = 0;
    int reclaims = 0, dry_starts = 0;
    for (std::uint32_t trial = 0; trial < 400; ++trial) {
        SpotMarket market, neighbour;
        market.start(lab.plan, lab.data(trial));
        neighbour.start(other, lab.data(trial));
        dry_starts += market.capacity() == 0 ? 1 : 0;
        std::vector<Tick> mine, theirs;
        Tick now{};
        for (;;) {
            const Tick next = min(market.next_change(lab.plan, lab.data(trial)), seconds(100'000));
            (market.capacity() == 0 ? dry : all) += to_seconds(next - now);
            if (next == seconds(100'000)) break;
            now = next;
            if (market.advance_to(lab.plan, lab.data(trial), now).taking % 2 == 1) mine.push_back(now);
        }
        for (Tick t{}; (t = neighbour.next_change(other, lab.data(trial))) < seconds(100'000);)
            if (neighbour.advance_to(other, lab.data(trial), t).taking % 2 == 1) theirs.push_back(t);
        CHECK(mine.size() == theirs.size());
        CHECK(std::equal(mine.begin(), mine.end(), theirs.begin(), theirs.end()));
        reclaims += static_cast<int>(mine.size());
    }
    // A tenth of 400 x 1e5 s; about 4000 cycles. 4.44e3 reclaims, +- 3%.
    CHECK(dry / (dry + all) == Approx(0.1).margin(0.008));
    CHECK(reclaims == Approx(4444).margin(260));
    CHECK(dry_starts == Approx(40).margin(20));
}

TEST_CASE("spot facts: every cloud has a rate, a notice and words for where they are from") {
    // 30% of nodes in a month of 730 h: -ln(0.7)/730.
    CHECK(spot_facts("aws", "g5.xlarge", "us-east-1a").interruptions_per_hour == Approx(4.886e-4).epsilon(1e-3));
    for (const char* cloud : {"aws", "gcp", "azure", ""}) {
        const SpotFacts f = spot_facts(cloud, "nosuch", "nowhere");
        CHECK(f.interruptions_per_hour > 0);
        CHECK_FALSE(f.says.empty());
    }
    CHECK(spot_facts("aws", "g5.xlarge", "us-east-1").notice_s == 120);
    CHECK(spot_facts("gcp", "g2-standard-8", "us-central1-a").notice_s == 30);
    CHECK(spot_facts("azure", "Standard_NC24ads_A100_v4", "eastus").handler == SpotHandler::evictions);
}
