#include "reports/plan_search.hpp"

#include "models/expects.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/random/sobol.hpp>
#include <cmath>
#include <set>

namespace windtunnel {

namespace {

/// Places whose promise is weighed; of a larger lattice a spread of so many.
constexpr std::uint64_t most_weighed = 20'000;
/// A saving below this share is none.
constexpr double least_saving = 1e-3;
/// Beyond this a miss is a miss: the guesses near the limit matter.
constexpr double far_off = 1.5;

double normal_cdf(double z) { return boost::math::cdf(boost::math::normal(), std::clamp(z, -30.0, 30.0)); }
double normal_pdf(double z) { return boost::math::pdf(boost::math::normal(), std::clamp(z, -30.0, 30.0)); }

double squashed(double excess) { return far_off * std::tanh(excess / far_off); }

}  // namespace

std::size_t usual_places(const std::vector<LatticeDimension>& lattice) {
    double size = 1;
    for (const LatticeDimension& d : lattice) size *= static_cast<double>(d.values);
    const std::size_t d = lattice.size(), least = 8 + 2 * d, most = 60 + 20 * d;
    const double tenth = std::min(size / 10, 1e6);
    return std::min(static_cast<std::size_t>(std::min(size, 1e9)),
                    std::clamp(static_cast<std::size_t>(tenth), least, most));
}

std::vector<Place> neighbours_of(const Place& place, const std::vector<LatticeDimension>& lattice) {
    std::vector<Place> out;
    for (std::size_t d = 0; d < lattice.size(); ++d)
        for (std::size_t v = 0; v < lattice[d].values; ++v) {
            const std::size_t here = place[d];
            if (v == here || (lattice[d].ordered && v + 1 != here && v != here + 1)) continue;
            Place next = place;
            next[d] = static_cast<std::uint16_t>(v);
            out.push_back(std::move(next));
        }
    return out;
}

PlanSearch::PlanSearch(std::vector<LatticeDimension> lattice, std::vector<Place> first,
                       const SearchRules& rules)
    : m_lattice(std::move(lattice)), m_rules(rules), m_queue(std::move(first)) {
    for (std::size_t d = 0; d < m_lattice.size(); ++d) {
        m_size = m_size > (1ull << 40) ? m_size : m_size * m_lattice[d].values;
        const std::size_t coordinates = m_lattice[d].ordered ? 1 : m_lattice[d].values;
        m_groups.insert(m_groups.end(), coordinates, d);
    }
    // A spread to begin with: as many as a plane through the space needs, and a few.
    const std::size_t begin = std::min<std::uint64_t>(m_size, m_lattice.size() + 3);
    std::set<Place> queued(m_queue.begin(), m_queue.end());
    m_queue.assign(queued.begin(), queued.end());
    for (std::size_t i = 0; m_queue.size() < begin && i < 64 * begin; ++i)
        if (Place p = spread_place(i); queued.insert(p).second) m_queue.push_back(std::move(p));
}

Place PlanSearch::spread_place(std::size_t number) const {
    boost::random::sobol sequence(m_lattice.size());
    sequence.discard(number * m_lattice.size());
    Place out;
    for (const LatticeDimension& d : m_lattice) {
        const double u = static_cast<double>(sequence() >> 11) * 0x1p-53;
        out.push_back(static_cast<std::uint16_t>(
            std::min(d.values - 1, static_cast<std::size_t>(u * static_cast<double>(d.values)))));
    }
    return out;
}

bool PlanSearch::was_tried(const Place& place) const {
    return std::find(m_places.begin(), m_places.end(), place) != m_places.end();
}

std::vector<double> PlanSearch::coordinates(const Place& place) const {
    std::vector<double> out;
    for (std::size_t d = 0; d < m_lattice.size(); ++d) {
        if (m_lattice[d].ordered) {
            out.push_back(m_lattice[d].values > 1 ? place[d] / static_cast<double>(m_lattice[d].values - 1)
                                                  : 0.5);
            continue;
        }
        // Any two values are as far from each other as the ends of an order: 1.
        for (std::size_t v = 0; v < m_lattice[d].values; ++v)
            out.push_back(v == place[d] ? 0.5 + std::sqrt(0.5) : 0.5);
    }
    return out;
}

void PlanSearch::tell(const Place& place, PlaceResult result) {
    WT_EXPECTS(!result.runs || result.cost > 0);
    m_places.push_back(place);
    m_results.push_back(std::move(result));
}

std::optional<std::size_t> PlanSearch::best_index() const {
    std::optional<std::size_t> out;
    for (std::size_t i = 0; i < m_results.size(); ++i)
        if (m_results[i].feasible && (!out || m_results[i].cost < m_results[*out].cost)) out = i;
    return out;
}

std::optional<Place> PlanSearch::best() const {
    const auto i = best_index();
    return i ? std::optional(m_places[*i]) : std::nullopt;
}

bool PlanSearch::learn() {
    std::vector<std::vector<double>> running, all;
    std::vector<double> costs, runs;
    std::vector<std::vector<double>> excess;
    for (std::size_t i = 0; i < m_places.size(); ++i) {
        all.push_back(coordinates(m_places[i]));
        runs.push_back(m_results[i].runs ? -1 : 1);
        if (!m_results[i].runs) continue;
        running.push_back(all.back());
        costs.push_back(std::log(m_results[i].cost));
        excess.resize(m_results[i].excess.size());
        for (std::size_t o = 0; o < excess.size(); ++o) excess[o].push_back(squashed(m_results[i].excess[o]));
    }
    m_runs.reset();
    m_excess.clear();
    if (running.size() < 2) return false;
    m_cost.emplace(m_groups);
    m_cost->fit(running, costs);
    for (const std::vector<double>& values : excess) {
        m_excess.emplace_back(m_groups);
        m_excess.back().fit(running, values);
    }
    if (running.size() < all.size()) {
        m_runs.emplace(m_groups);
        m_runs->fit(all, runs);
    }
    return true;
}

PlanSearch::Promise PlanSearch::promise_of(const Place& place, std::optional<double> best_cost) const {
    Promise out;
    const std::vector<double> at = coordinates(place);
    const Guess cost = m_cost->at(at);
    out.cost = cost.mean;
    for (const Surrogate& s : m_excess) {
        const Guess g = s.at(at);
        out.feasible *= normal_cdf(-g.mean / g.deviation);
    }
    if (m_runs) {
        const Guess g = m_runs->at(at);
        out.feasible *= normal_cdf(-g.mean / g.deviation);
    }
    if (!best_cost) return out;
    const double gain = std::log(*best_cost) - least_saving - cost.mean, z = gain / cost.deviation;
    out.cheaper = normal_cdf(z);
    out.saving = gain * out.cheaper + cost.deviation * normal_pdf(z);
    return out;
}

std::vector<Place> PlanSearch::candidates() const {
    std::vector<Place> out;
    const auto add = [&](const Place& p) {
        if (!was_tried(p)) out.push_back(p);
    };
    if (m_size <= most_weighed) {
        Place p(m_lattice.size(), 0);
        for (std::uint64_t i = 0; i < m_size; ++i) {
            add(p);
            for (std::size_t d = m_lattice.size(); d-- > 0;) {
                if (++p[d] < m_lattice[d].values) break;
                p[d] = 0;
            }
        }
        return out;
    }
    std::set<Place> seen;
    boost::random::sobol sequence(m_lattice.size());
    for (std::uint64_t i = 0; i < most_weighed; ++i) {
        Place p;
        for (const LatticeDimension& d : m_lattice)
            p.push_back(static_cast<std::uint16_t>(
                std::min(d.values - 1, static_cast<std::size_t>(static_cast<double>(sequence() >> 11) *
                                                                0x1p-53 * static_cast<double>(d.values)))));
        seen.insert(std::move(p));
    }
    // And around what is good: two steps away.
    if (const auto centre = best())
        for (const Place& near : neighbours_of(*centre, m_lattice)) {
            seen.insert(near);
            for (const Place& next : neighbours_of(near, m_lattice)) seen.insert(next);
        }
    for (const Place& p : seen) add(p);
    return out;
}

std::optional<Place> PlanSearch::untried_neighbour(const Place& best_place, double best_cost) const {
    std::optional<Place> out;
    double most = 0;
    for (const Place& p : neighbours_of(best_place, m_lattice)) {
        if (was_tried(p)) continue;
        const Promise promise = promise_of(p, best_cost);
        if (promise.cheaper < 0.1 || promise.feasible < 1e-3) continue;
        if (const double worth = promise.saving * promise.feasible; worth > most) {
            most = worth;
            out = p;
        }
    }
    return out;
}

std::optional<Place> PlanSearch::most_promising() {
    const auto best_so_far = best_index();
    const std::optional<double> best_cost =
        best_so_far ? std::optional(m_results[*best_so_far].cost) : std::nullopt;
    std::optional<Place> out;
    double most = -1, most_hope = 0, cheapest = 0;
    for (const Place& p : candidates()) {
        const Promise promise = promise_of(p, best_cost);
        const double worth = best_cost ? promise.saving * promise.feasible : promise.feasible;
        most_hope = std::max(most_hope, best_cost ? promise.cheaper * promise.feasible : promise.feasible);
        if (worth < most || (worth == most && promise.cost >= cheapest)) continue;
        most = worth;
        cheapest = promise.cost;
        out = p;
    }
    if (!out) return std::nullopt;
    // Of a space in which nothing was feasible yet little is known: it is not given up early.
    const std::size_t enough = best_cost ? 0 : 3 * m_lattice.size() + 6;
    if (most_hope >= m_rules.certainty || m_places.size() < enough) return out;
    if (!best_so_far) return std::nullopt;
    return untried_neighbour(m_places[*best_so_far], *best_cost);
}

std::optional<Place> PlanSearch::next() {
    while (!m_queue.empty()) {
        Place p = m_queue.front();
        m_queue.erase(m_queue.begin());
        if (!was_tried(p) && m_places.size() < m_rules.most_places) return p;
    }
    if (m_places.size() >= m_rules.most_places || m_places.size() >= m_size) {
        m_settled = m_places.size() >= m_size;
        return std::nullopt;
    }
    if (!learn()) {  // nothing runs: look elsewhere
        for (std::size_t i = 0; i < 4096; ++i)
            if (Place p = spread_place(i); !was_tried(p)) return p;
        return std::nullopt;
    }
    std::optional<Place> out = most_promising();
    m_settled = !out.has_value();
    return out;
}

}  // namespace windtunnel
