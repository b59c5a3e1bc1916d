#include "reports/race.hpp"

#include "reports/human.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace windtunnel {

namespace {

/// Those of the first `n` trials that have a value in both.
struct Paired {
    std::vector<double> a, b;
};
Paired paired(const std::vector<std::optional<double>>& a, const std::vector<std::optional<double>>& b,
              std::size_t n) {
    Paired out;
    for (std::size_t t = 0; t < n; ++t) {
        if (t >= a.size() || t >= b.size() || !a[t] || !b[t]) continue;
        out.a.push_back(*a[t]);
        out.b.push_back(*b[t]);
    }
    return out;
}

/// Chance of a mean so far on the wrong (or, `right`, on the good) side of the limit, were it at the limit.
std::optional<double> p_of_side(const Threshold& threshold, const std::vector<std::optional<double>>& values,
                                std::size_t n, bool right) {
    std::vector<double> known;
    for (std::size_t t = 0; t < n && t < values.size(); ++t)
        if (values[t]) known.push_back(*values[t]);
    if (known.size() < n) return std::nullopt;  // what has no value is nothing to be sure about
    const std::vector<double> limits(known.size(), threshold.limit);
    Difference beyond = paired_difference(limits, known);
    const bool less =
        threshold.comparison == Comparison::less || threshold.comparison == Comparison::less_or_equal;
    if (less == right) beyond.value = -beyond.value;
    return beyond.p_above(0);
}

std::string shown_p(double p) { return p < 0.001 ? "p < 0.001" : fmt::format("p = {}", short_number(p)); }

}  // namespace

std::vector<Loser> losers_of(const std::vector<const Configuration*>& entries, std::size_t of_all,
                             const std::vector<Threshold>& thresholds, const RaceRule& rule) {
    std::size_t n = entries.empty() ? 0 : entries.front()->trials.count();
    for (const Configuration* c : entries) n = std::min(n, c->trials.count());
    if (n < 2 || entries.size() < 2) return {};
    // An entry is compared with every other of the race, those that left it included, and with every
    // threshold.
    const double level = rule.level / static_cast<double>((of_all - 1 + thresholds.size()) * rule.looks);

    std::vector<std::string> fails(entries.size());
    std::vector<bool> passes(entries.size(), true);
    for (std::size_t e = 0; e < entries.size(); ++e)
        for (std::size_t i = 0; i < thresholds.size(); ++i) {
            const auto& values = entries[e]->trials.thresholds[i];
            const auto wrong = p_of_side(thresholds[i], values, n, false),
                       good = p_of_side(thresholds[i], values, n, true);
            passes[e] = passes[e] && good && *good <= level;
            if (!wrong || *wrong > level || !fails[e].empty()) continue;
            const Estimate mean = estimate(values);
            fails[e] = fmt::format("fails {} ({}, {})", thresholds[i].expression,
                                   in_unit_of(thresholds[i].metric, *mean.value), shown_p(*wrong));
        }
    const bool some_may_pass =
        std::any_of(fails.begin(), fails.end(), [](const std::string& f) { return f.empty(); });

    std::vector<Loser> out;
    for (std::size_t e = 0; e < entries.size(); ++e) {
        if (!fails[e].empty()) {
            if (some_may_pass) out.push_back({e, fails[e]});
            continue;
        }
        // The first that is surely better is reason enough; the strongest reason is given.
        std::optional<Difference> worst;
        std::size_t by = 0;
        for (std::size_t o = 0; o < entries.size(); ++o) {
            if (o == e || !passes[o]) continue;
            const Paired values = paired(rule.by.of(entries[o]->trials), rule.by.of(entries[e]->trials), n);
            if (values.a.size() < n) continue;
            Difference worse = paired_difference(values.a, values.b);
            if (rule.by.better == Better::higher) worse.value = -worse.value;
            const auto p = worse.p_above(0);
            if (!p || *p > level || worse.value <= 0 || (worst && worse.value <= worst->value)) continue;
            worst = worse;
            by = o;
        }
        if (worst)
            out.push_back({e, fmt::format("{} worse by {} than #{} ({})", rule.by.name,
                                          in_unit_of(rule.by.unit, worst->value), entries[by]->index,
                                          shown_p(*worst->p_above(0)))});
    }
    return out;
}

std::vector<std::uint32_t> looks_of(std::uint32_t trials) {
    std::vector<std::uint32_t> out;
    for (std::uint32_t n = std::max(4u, trials / 4); n < trials; n *= 2) out.push_back(n);
    return out;
}

}  // namespace windtunnel
