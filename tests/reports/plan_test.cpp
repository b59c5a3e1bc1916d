// The surrogate and the search of a plan against lattices that are searched to the last place; excesses by
// hand.
#include "reports/plan.hpp"

#include "models/random.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

using namespace windtunnel;

namespace {

struct Lattice {
    std::vector<LatticeDimension> dimensions;
    std::function<PlaceResult(const Place&)> ask;

    [[nodiscard]] std::size_t size() const {
        std::size_t n = 1;
        for (const LatticeDimension& d : dimensions) n *= d.values;
        return n;
    }
    /// Cost of the cheapest feasible place, by asking all; 0 when there is none.
    [[nodiscard]] double optimum() const {
        double best = 0;
        Place p(dimensions.size(), 0);
        for (std::size_t i = 0; i < size(); ++i) {
            const PlaceResult r = ask(p);
            if (r.runs && r.feasible && (best == 0 || r.cost < best)) best = r.cost;
            for (std::size_t d = dimensions.size(); d-- > 0;) {
                if (++p[d] < dimensions[d].values) break;
                p[d] = 0;
            }
        }
        return best;
    }
};

PlaceResult result(double cost, std::vector<double> excess) {
    PlaceResult r;
    r.cost = cost;
    r.feasible = std::all_of(excess.begin(), excess.end(), [](double e) { return e <= 0; });
    r.excess = std::move(excess);
    return r;
}

/// A floor, a threshold and a window of an autoscaler: cost by what it holds ready, latency as 1 / (1 - load)
/// and the lag of scaling up, both with a little noise.
Lattice autoscaler(std::uint32_t number) {
    RandomStream s(1, number, StreamPurpose::bootstrap, 1);
    const auto between = [&](double a, double b) { return a + (b - a) * s.uniform_open(); };
    const double load = between(2, 6), peak = between(1.2, 2.5), price = between(300, 3000),
                 limit = between(1.05, 1.6), cold = between(0.05, 0.5), wobble = between(0, 0.02);
    return {{{8, true}, {6, true}, {5, true}}, [=](const Place& x) {
                RandomStream own(2, number, StreamPurpose::bootstrap,
                                 static_cast<std::uint32_t>(x[0] * 100 + x[1] * 10 + x[2]));
                const double noise = 1 + wobble * (own.uniform_open() - 0.5);
                const double floor = 1 + x[0], want = load * 12 / (4 * std::pow(1.35, x[1])),
                             window = 60 * std::pow(2.0, x[2]);
                const double mean = std::max(floor, want * (1 + 0.05 * x[2])),
                             most = std::max(floor, want * peak * 0.9);
                const double busy = std::min(load * peak / (most * 1.4), 0.97);
                const double lag =
                    std::max(0.0, (want * peak - floor) / (want * peak)) * cold * (1 + 60 / window);
                return result(price * mean * noise, {std::log((0.3 / (1 - busy) + lag) * noise / limit)});
            }};
}

/// Replicas and batch size of a fixed deployment: a queue that must not fill, and a step that must not be
/// long.
Lattice batches(std::uint32_t number) {
    RandomStream s(3, number, StreamPurpose::bootstrap, 1);
    const auto between = [&](double a, double b) { return a + (b - a) * s.uniform_open(); };
    const double load = between(3, 9), gain = between(0.3, 0.9), first = between(0.8, 1.5),
                 each = between(0.8, 1.4);
    return {{{12, true}, {12, true}}, [=](const Place& x) {
                const double n = 1 + x[0], batch = 8 * std::pow(1.4, x[1]),
                             busy = load / (n * std::pow(batch / 100, gain) * 2);
                return result(100 * n + batch * 0.01,
                              {std::log((busy < 1 ? 0.2 / (1 - busy) : 20 + 50 * (busy - 1)) / first),
                               std::log((0.4 + 0.6 * batch / 150) / each)});
            }};
}

/// Kind of GPU, tensor parallelism, replicas, spot or not; some models do not fit the smallest.
Lattice gpus(std::uint32_t number) {
    RandomStream s(4, number, StreamPurpose::bootstrap, 1);
    const auto between = [&](double a, double b) { return a + (b - a) * s.uniform_open(); };
    const std::vector<double> price{between(.8, 1.2), between(1.5, 2.5), between(3, 5), between(8, 14)},
        speed{1, between(1.8, 2.6), between(3, 6), between(8, 13)};
    const double load = between(3, 12), first = between(.2, 1), each = between(.25, 1.2),
                 spot = between(.3, .6), evictions = between(0, .3);
    const bool tight = s.uniform_open() > 0.5;
    return {{{4, false}, {3, true}, {10, true}, {2, false}}, [=](const Place& x) {
                const double tp = std::pow(2, x[1]), n = 1 + x[2],
                             busy = load / (n * std::pow(tp, 0.85) * speed[x[0]]);
                const double ttft =
                    (busy < 1 ? 0.15 / (1 - busy) : 10 * busy) * (x[3] != 0 ? 1 + evictions * 4 / n : 1);
                PlaceResult r = result(n * tp * price[x[0]] * (x[3] != 0 ? spot : 1),
                                       {std::log(ttft / first),
                                        std::log(1 / (std::pow(tp, .8) * std::sqrt(speed[x[0]])) / each)});
                r.runs = !(tight && x[0] == 0 && x[1] == 0);
                return r;
            }};
}

struct Score {
    int feasible = 0, optimal = 0, close = 0, missed = 0;
};

Score score(Lattice (*family)(std::uint32_t), std::uint32_t problems) {
    Score out;
    for (std::uint32_t i = 0; i < problems; ++i) {
        const Lattice lattice = family(i);
        Place middle;
        for (const LatticeDimension& d : lattice.dimensions)
            middle.push_back(static_cast<std::uint16_t>(d.values / 2));
        SearchRules rules;
        rules.most_places = lattice.size() / 10;
        PlanSearch search(lattice.dimensions, {middle}, rules);
        while (const auto place = search.next()) search.tell(*place, lattice.ask(*place));
        CHECK(search.tried() <= lattice.size() / 10);
        const double optimum = lattice.optimum();
        const auto best = search.best();
        if (optimum == 0) {
            CHECK_FALSE(best.has_value());
            continue;
        }
        ++out.feasible;
        if (!best) {
            ++out.missed;
            continue;
        }
        const double cost = lattice.ask(*best).cost;
        CHECK(cost >= optimum);
        out.optimal += cost <= optimum * 1.001 ? 1 : 0;
        out.close += cost <= optimum * 1.05 ? 1 : 0;
    }
    return out;
}

}  // namespace

TEST_CASE("surrogate: a quadratic is found from a few places, and what was measured is believed") {
    const auto f = [](double x, double y) {
        return 3 + 2 * x - y + 4 * (x - 0.5) * (x - 0.5) + 2 * (x - 0.5) * (y - 0.5);
    };
    std::vector<std::vector<double>> places;
    std::vector<double> values;
    for (const auto& [x, y] : {std::pair{0.0, 0.0},
                               {1.0, 0.0},
                               {0.0, 1.0},
                               {1.0, 1.0},
                               {0.5, 0.5},
                               {0.25, 0.75},
                               {0.75, 0.25},
                               {0.0, 0.5},
                               {0.5, 1.0}}) {
        places.push_back({x, y});
        values.push_back(f(x, y));
    }
    Surrogate s({0, 1});
    s.fit(places, values);
    for (std::size_t i = 0; i < places.size(); ++i) {
        CHECK(s.at(places[i]).mean == Approx(values[i]).margin(0.05));
        CHECK(s.at(places[i]).deviation < 0.1);
    }
    CHECK(s.at({0.9, 0.6}).mean == Approx(f(0.9, 0.6)).margin(0.1));
    // Nothing was measured there: it says that it does not know.
    CHECK(s.at({3, 3}).deviation > 5 * s.at({0.5, 0.5}).deviation);
}

TEST_CASE(
    "plan search: the optimum of lattices searched exhaustively, with at most a tenth of the evaluations") {
    // 120 problems of three families; none is left without an answer that has one.
    const Score a = score(&autoscaler, 40), b = score(&batches, 40), c = score(&gpus, 40);
    INFO("autoscaler " << a.optimal << ", batches " << b.optimal << ", gpus " << c.optimal << "; close "
                       << a.close << ", " << b.close << ", " << c.close << " of " << a.feasible << ", "
                       << b.feasible << ", " << c.feasible);
    CHECK(a.missed + b.missed + c.missed == 0);
    CHECK(a.optimal + b.optimal + c.optimal >= (a.feasible + b.feasible + c.feasible) * 85 / 100);
    CHECK(a.close >= a.feasible * 95 / 100);
    CHECK(b.close >= b.feasible * 95 / 100);
    CHECK(c.close >= c.feasible * 85 / 100);
}

TEST_CASE(
    "plan search: a lattice without a feasible place ends without one, and a small one is asked to the end") {
    SearchRules rules;
    rules.most_places = 30;
    PlanSearch search({{10, true}, {10, true}}, {}, rules);
    while (const auto place = search.next())
        search.tell(*place, result(1 + (*place)[0], {1.0 + (*place)[1] * 0.1}));
    CHECK_FALSE(search.best());
    CHECK(search.tried() >= 12);
    CHECK(search.settled());
    rules.most_places = usual_places({{2, true}, {3, false}});
    CHECK(rules.most_places == 6);
    PlanSearch small({{2, true}, {3, false}}, {{1, 1}}, rules);
    while (const auto place = small.next())
        small.tell(*place, result(10 - (*place)[0] - (*place)[1],
                                  {(*place)[0] == 1 && (*place)[1] == 2 ? 0.5 : -0.5}));
    REQUIRE(small.best());
    CHECK((*small.best() == Place{1, 1} ||
           *small.best() == Place{0, 2}));  // both cost 8; only (1, 2) at 7 is not feasible
}

TEST_CASE("plan: how many configurations are tried: a tenth, but enough to begin with") {
    CHECK(usual_places({{10, true}, {10, true}, {10, true}}) == 100);
    CHECK(usual_places({{10, true}, {10, true}}) == 12);
    CHECK(usual_places({{3, true}}) == 3);
    CHECK(usual_places({{100, true}, {100, true}, {100, true}}) == 120);
}

TEST_CASE("plan: excesses, and the share of futures that decides, by hand") {
    const Threshold ttft = *parse_threshold("p99 ttft_ms < 1000"), good = *parse_threshold("goodput > 99%");
    CHECK(excess_of(ttft, 500) == Approx(std::log(0.5)));
    CHECK(excess_of(ttft, 2000) == Approx(std::log(2.0)));
    CHECK(excess_of(ttft, std::nullopt) > 1);
    CHECK(excess_of(ttft, 1000) > 0);  // not below
    CHECK(excess_of(good, 0.98) == Approx(std::log(2.0)));
    CHECK(excess_of(good, 0.995) == Approx(std::log(0.5)));
    CHECK(excess_of(good, 1) < -1);
    CHECK(enough(9, 10, 0.9));
    CHECK_FALSE(enough(8, 10, 0.9));
    CHECK_FALSE(enough(0, 0, 0.9));

    Configuration c;
    c.trials.series.trials = 4;
    for (const ComparedMetric& m : compared_metrics()) c.trials.series.values[m.name].assign(4, std::nullopt);
    c.trials.series.values["cost_per_month"] = {100, 110, 90, 100};
    c.trials.thresholds = {{500, 500, 500, 2000}};
    const std::vector<Measure> measures = measures_of({ttft});
    const Measure& cost = *find_measure(measures, "cost_per_month");
    const PlaceResult strict = place_result(c, {ttft}, cost, 0.9),
                      loose = place_result(c, {ttft}, cost, 0.75);
    CHECK(strict.cost == 100);
    CHECK_FALSE(strict.feasible);
    CHECK(strict.excess[0] == Approx(std::log(2.0)));  // nine of ten of four are all four
    CHECK(loose.feasible);
    CHECK(loose.excess[0] == Approx(std::log(0.5)));
}
