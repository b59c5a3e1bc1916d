// Points of a search space: grid, Latin hypercube, Sobol.
#include "models/random.hpp"
#include "scenarios/search/search_space.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <boost/random/sobol.hpp>
#include <cmath>
#include <limits>
#include <set>

namespace windtunnel {

namespace {

/// The choice at a place between 0 and 1.
Choice choice_at(const Dimension& d, double u) {
    if (!d.interval) {
        const auto n = d.choices.size();
        return d.choices[std::min(n - 1, static_cast<std::size_t>(u * static_cast<double>(n)))];
    }
    const ValueRange& r = *d.interval;
    // Every whole number gets an equal part of the interval.
    const double high = r.whole ? r.high + 1 : r.high;
    double v = r.logarithmic ? r.low * std::pow(high / r.low, u) : r.low + (high - r.low) * u;
    if (r.whole) v = std::min(r.high, std::floor(v));
    return d.choice_of(fmt::format("{:.6g}{}", v, r.unit));
}

std::vector<std::vector<double>> latin_hypercube(std::size_t dimensions, std::uint32_t count,
                                                 std::uint64_t seed) {
    std::vector<std::vector<double>> out(count, std::vector<double>(dimensions));
    for (std::size_t d = 0; d < dimensions; ++d) {
        // Among the streams of the bootstrap, whose resamples never get this number.
        RandomStream stream(seed, std::numeric_limits<std::uint32_t>::max(), StreamPurpose::bootstrap,
                            static_cast<std::uint32_t>(d));
        std::vector<std::uint32_t> order(count);
        for (std::uint32_t i = 0; i < count; ++i) order[i] = i;
        for (std::uint32_t i = count; i > 1; --i) std::swap(order[i - 1], order[stream.below(i)]);
        for (std::uint32_t i = 0; i < count; ++i) out[i][d] = (order[i] + stream.uniform_open()) / count;
    }
    return out;
}

std::vector<std::vector<double>> sobol_points(std::size_t dimensions, std::uint32_t count) {
    std::vector<std::vector<double>> out(count, std::vector<double>(dimensions));
    boost::random::sobol sequence(dimensions);
    for (auto& point : out)
        for (double& u : point) u = static_cast<double>(sequence() >> 11) * 0x1p-53;
    return out;
}

}  // namespace

std::vector<std::string> SpacePoint::assignments() const {
    std::vector<std::string> out;
    for (const Choice& c : choices) out.insert(out.end(), c.assignments.begin(), c.assignments.end());
    return out;
}

std::uint64_t grid_size(const std::vector<Dimension>& dimensions) {
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    std::uint64_t size = 1;
    for (const Dimension& d : dimensions) {
        if (d.choices.size() > 0 && size > most / d.choices.size()) return most;
        size *= d.choices.size();
    }
    return size;
}

std::vector<SpacePoint> sample_space(const std::vector<Dimension>& dimensions, SpaceDesign kind,
                                     std::uint32_t count, std::uint64_t seed) {
    std::vector<SpacePoint> out;
    if (kind == SpaceDesign::grid) {
        const std::uint64_t size = grid_size(dimensions);
        for (std::uint64_t i = 0; i < size; ++i) {
            SpacePoint p;
            std::uint64_t rest = i, block = size;
            for (const Dimension& d : dimensions) {
                block /= d.choices.size();
                p.choices.push_back(d.choices[rest / block]);
                rest %= block;
            }
            out.push_back(std::move(p));
        }
        return out;
    }
    const auto places = kind == SpaceDesign::sobol ? sobol_points(dimensions.size(), count)
                                                   : latin_hypercube(dimensions.size(), count, seed);
    std::set<std::vector<std::string>> seen;
    for (const std::vector<double>& place : places) {
        SpacePoint p;
        for (std::size_t d = 0; d < dimensions.size(); ++d)
            p.choices.push_back(choice_at(dimensions[d], place[d]));
        if (seen.insert(p.assignments()).second) out.push_back(std::move(p));
    }
    return out;
}

}  // namespace windtunnel
