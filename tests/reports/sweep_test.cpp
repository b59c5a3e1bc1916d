// Races, Pareto fronts, heatmaps and effects of configurations whose numbers are made up.
#include "reports/sweep.hpp"
#include "models/random.hpp"
#include "reports/race.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

using namespace windtunnel;

namespace {

/// A standard normal draw by Box and Muller.
double normal(RandomStream& s) {
    const double u = s.uniform_open(), v = s.uniform_open();
    return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
}

Configuration configuration(std::uint32_t index, const std::vector<double>& cost,
                            const std::vector<double>& ttft = {}) {
    Configuration c;
    c.index = index;
    c.state = ConfigurationState::finished;
    c.trials.series.trials = cost.size();
    for (const ComparedMetric& m : compared_metrics())
        c.trials.series.values[m.name].assign(cost.size(), std::nullopt);
    for (std::size_t t = 0; t < cost.size(); ++t) {
        c.trials.series.values["cost_per_month"][t] = cost[t];
        if (!ttft.empty()) c.trials.series.values["p99_ttft_ms"][t] = ttft[t];
    }
    return c;
}

RaceRule by_cost(std::uint32_t looks = 1) {
    static const std::vector<Measure> measures = measures_of({});
    return {*find_measure(measures, "cost_per_month"), 0.05, looks};
}

std::vector<const Configuration*> pointers(const std::vector<Configuration>& list) {
    std::vector<const Configuration*> out;
    for (const Configuration& c : list) out.push_back(&c);
    return out;
}

/// 2 x 2: a in {1, 2}, b in {x, y}; cost 10 a + (y: 1), p99 TTFT 100 / a.
SweepReport small_sweep() {
    SweepReport r;
    r.dimensions = {*parse_dimension("a=1,2"), *parse_dimension("b=x,y")};
    REQUIRE(finish_space(r.dimensions, "").empty());
    r.thresholds = {*parse_threshold("p99 ttft_ms < 75")};
    r.measures = measures_of(r.thresholds);
    r.against = "p99 ttft_ms";
    r.trials = 2;
    for (const SpacePoint& p : sample_space(r.dimensions, SpaceDesign::grid, 0, 0)) {
        const double a = *p.choices[0].number, cost = 10 * a + (p.choices[1].label == "y" ? 1 : 0),
                     ttft = 100 / a;
        Configuration c =
            configuration(static_cast<std::uint32_t>(r.configurations.size()), {cost, cost}, {ttft, ttft});
        c.trials.thresholds = {{ttft, ttft}};
        c.point = p;
        r.configurations.push_back(std::move(c));
    }
    return r;
}

}  // namespace

TEST_CASE("race: what is worse in every pair loses, what shares the weather's noise alone does not") {
    // Noise that both share cancels: a difference of 1 under a spread of 100 is sure.
    std::vector<double> weather, dearer, other;
    RandomStream stream(5, 0, StreamPurpose::bootstrap, 0);
    for (int t = 0; t < 8; ++t) {
        weather.push_back(1000 + 100 * normal(stream));
        dearer.push_back(weather.back() + 1 + 0.01 * normal(stream));
        other.push_back(1000 + 100 * normal(stream));
    }
    const std::vector<Configuration> list{configuration(0, weather), configuration(1, dearer),
                                          configuration(2, other)};
    const auto losers = losers_of(pointers(list), 3, {}, by_cost());
    REQUIRE(losers.size() == 1);
    CHECK(losers[0].entry == 1);
    CHECK(losers[0].reason.find("cost_per_month worse by") == 0);
    CHECK(losers[0].reason.find("#0") != std::string::npos);
}

TEST_CASE(
    "race: one that fails a threshold for sure loses, unless all do; only one that surely meets all makes "
    "others lose") {
    const std::vector<Threshold> thresholds{*parse_threshold("p99 ttft_ms < 100")};
    std::vector<Configuration> list{configuration(0, {5, 5, 5, 5}), configuration(1, {9, 9, 9, 9})};
    list[0].trials.thresholds = {{150, 151, 152, 149}};  // cheap and too slow
    list[1].trials.thresholds = {{50, 51, 52, 49}};
    auto losers = losers_of(pointers(list), 2, thresholds, by_cost());
    REQUIRE(losers.size() == 1);
    CHECK(losers[0].entry == 0);
    list[1].trials.thresholds = {{250, 251, 252, 249}};
    CHECK(losers_of(pointers(list), 2, thresholds, by_cost()).empty());
    list[0].trials.thresholds = {{60, 140, 90, 120}};  // nobody knows: it is no reason to drop the dearer one
    list[1].trials.thresholds = {{50, 51, 52, 49}};
    CHECK(losers_of(pointers(list), 2, thresholds, by_cost()).empty());
    list[0].trials.thresholds = {{60, 61, 62, 60}};
    losers = losers_of(pointers(list), 2, thresholds, by_cost());
    REQUIRE(losers.size() == 1);
    CHECK(losers[0].entry == 1);
}

TEST_CASE("race: the best is dropped in at most 5 of 100 races, though ten others are as good") {
    // All means are equal, so that whichever is called the best would be lost by chance alone: by
    // Bonferroni's bound at most 5 % of the races drop configuration 0.
    int lost = 0, any = 0;
    constexpr int races = 400;
    for (std::uint32_t race = 0; race < races; ++race) {
        RandomStream stream(11, race, StreamPurpose::bootstrap, 1);
        const std::vector<std::uint32_t> looks = looks_of(32);
        REQUIRE(looks == std::vector<std::uint32_t>{8, 16});
        std::vector<std::vector<double>> costs(11);
        for (auto& c : costs)
            for (int t = 0; t < 32; ++t) c.push_back(100 + normal(stream));
        bool first_lost = false, any_lost = false;
        for (const std::uint32_t n : looks) {
            std::vector<Configuration> list;
            for (std::uint32_t i = 0; i < costs.size(); ++i)
                list.push_back(configuration(i, std::vector<double>(costs[i].begin(), costs[i].begin() + n)));
            for (const Loser& l : losers_of(pointers(list), 11, {}, by_cost(2))) {
                first_lost = first_lost || l.entry == 0;
                any_lost = true;
            }
        }
        lost += first_lost ? 1 : 0;
        any += any_lost ? 1 : 0;
    }
    CHECK(lost <= races * 5 / 100);
    CHECK(any > 0);  // the test has teeth: it is not that nothing is ever dropped
}

TEST_CASE("sweep: front, heatmap, effects and the cheapest, by hand") {
    const SweepReport r = small_sweep();
    const auto front = pareto_front(r);
    REQUIRE(front.size() == 2);  // b = y only costs
    CHECK(front[0]->index == 0);
    CHECK(front[1]->index == 2);
    REQUIRE(cheapest_that_meets(r) != nullptr);
    CHECK(cheapest_that_meets(r)->index == 2);  // 50 ms at 20 USD
    const auto maps = heatmaps(r);
    REQUIRE(maps.size() == 2);
    CHECK(maps[0].measure->name == "p99 ttft_ms");
    CHECK(maps[0].means == std::vector<std::vector<std::optional<double>>>{{100, 100}, {50, 50}});
    CHECK(maps[0].marks == std::vector<std::vector<std::string>>{{"✗", "✗"}, {"✓", "✓"}});
    // Cost: 10, 11, 20, 21 about 15.5: of the sum of squares 101 the values of a make 100, those of b 1.
    for (const Effect& e : effects(r)) {
        const bool cost = e.measure->name == "cost_per_month";
        CHECK(e.share == Approx(r.dimensions[e.dimension].name == "a" ? (cost ? 100.0 / 101 : 1.0)
                                                                      : (cost ? 1.0 / 101 : 0.0)));
    }
    const std::string text = sweep_text(r, false, "windtunnel run s.yaml");
    CHECK(text.find("#2 is the cheapest that meets every threshold: 20.00 USD") != std::string::npos);
    CHECK(text.find("windtunnel run s.yaml --set 'a=2' --set 'b=x'") != std::string::npos);
}

TEST_CASE("sweep: a line says all that a configuration knows, and gives it back to the bit") {
    SweepReport r = small_sweep();
    r.configurations[1].trials.series.values["p99_ttft_ms"] = {1.0 / 3, std::nullopt};
    r.configurations[1].state = ConfigurationState::dropped;
    r.configurations[1].reason = "lost";
    const auto line = configuration_json(r.configurations[1], r.dimensions, r.thresholds);
    Configuration back;
    back.index = 1;
    back.point = r.configurations[1].point;
    REQUIRE(take_configuration(nlohmann::ordered_json::parse(line.dump()), 1, back));
    CHECK(configuration_json(back, r.dimensions, r.thresholds).dump() == line.dump());
    Configuration other;
    other.point = r.configurations[2].point;
    CHECK_FALSE(take_configuration(line, 1, other));  // another point's line
    CHECK_FALSE(take_configuration(line, 2, back));   // other thresholds
    const auto json = nlohmann::ordered_json::parse(sweep_json(r));
    CHECK(json["schema"] == "windtunnel.sweep/v1");
    CHECK(json["results"].size() == 4);
    CHECK(json["pareto"]["front"][0]["index"] == 0);
    CHECK(json["cheapest_that_meets_thresholds"] == 2);
}
