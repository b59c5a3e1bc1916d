#include "scenarios/markets/spot_fit.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {
namespace {

/// Removals within so long of each other are one event: recorders poll, and clouds take a batch over some minutes.
constexpr std::int64_t batch_ms = 60'000;
/// A reclaim takes at least two nodes and at least this share of a market.
constexpr double least_reclaim_share = 0.1;

struct Batch {
    std::int64_t at_ms = 0;
    std::vector<std::uint32_t> nodes;
    std::int64_t before = 0;  ///< nodes that were there
    [[nodiscard]] double share() const { return before > 0 ? static_cast<double>(nodes.size()) / static_cast<double>(before) : 0; }
    [[nodiscard]] bool is_reclaim() const { return nodes.size() >= 2 && share() >= least_reclaim_share; }
};

std::vector<Batch> batches_of(const SpotMarketRecord& market) {
    std::vector<Batch> out;
    std::int64_t there = 0, last = INT64_MIN / 2;
    for (const SpotNodeChange& c : market.changes) {
        if (c.by < 0 && c.taken) {
            if (out.empty() || c.at_ms - last > batch_ms) out.push_back({c.at_ms, {}, there});
            out.back().nodes.push_back(c.node);
            last = c.at_ms;
        }
        there += c.by;
    }
    return out;
}

/// Whiles in which a market of which capacity is known had some, and none; the last, which is not over, is left out.
void find_droughts(const SpotMarketRecord& market, SpotFit& fit) {
    std::int64_t there = 0, since = market.from_ms;
    for (std::size_t i = 0; i < market.changes.size(); ++i) {
        const bool had = there > 0;
        there += market.changes[i].by;
        const std::int64_t at = market.changes[i].at_ms;
        if (i + 1 < market.changes.size() && market.changes[i + 1].at_ms == at) continue;
        if (had == (there > 0)) continue;
        if (at > since) (had ? fit.plenty_hours : fit.drought_hours).push_back(static_cast<double>(at - since) / 3.6e6);
        since = at;
    }
}

/// How often nodes were taken in each hour of the day, beside the mean, drawn towards 1 by as much evidence as five
/// events are: few events must not make a pattern.
std::vector<double> hour_factors_of(const SpotHistory& history) {
    if (!history.start_unix_ms) return {};
    constexpr std::int64_t hour = 3'600'000;
    constexpr double prior = 5;
    double exposure[24] = {}, taken[24] = {}, all_exposure = 0, all_taken = 0;
    for (const SpotMarketRecord& m : history.markets) {
        std::int64_t there = 0, since = 0;
        const auto expose = [&](std::int64_t until) {
            while (there > 0 && since < until) {
                const std::int64_t clock = *history.start_unix_ms + since;
                const std::int64_t end = std::min(until, since + hour - clock % hour);
                const double amount = static_cast<double>(there) * static_cast<double>(end - since) / static_cast<double>(hour);
                exposure[clock / hour % 24] += amount;
                all_exposure += amount;
                since = end;
            }
            since = until;
        };
        for (const SpotNodeChange& c : m.changes) {
            expose(c.at_ms);
            if (c.by < 0 && c.taken) {
                ++taken[(*history.start_unix_ms + c.at_ms) / hour % 24];
                ++all_taken;
            }
            there += c.by;
        }
        expose(m.to_ms);
    }
    if (history.span_ms < 24 * hour || all_taken < 48 || all_exposure <= 0) return {};
    std::vector<double> out;
    double mean = 0;
    for (int h = 0; h < 24; ++h) {
        const double expected = all_taken * exposure[h] / all_exposure;
        out.push_back((taken[h] + prior) / (expected + prior));
        mean += out.back() * exposure[h] / all_exposure;
    }
    for (double& f : out) f /= mean;
    return out;
}

SpotHistory without_changes(const SpotHistory& history) {
    SpotHistory out = history;
    for (SpotMarketRecord& m : out.markets) m.changes.clear();
    return out;
}

}  // namespace

double SurvivalCurve::at(double age_hours) const {
    const auto after = std::upper_bound(hours.begin(), hours.end(), age_hours);
    return after == hours.begin() ? 1 : survival[static_cast<std::size_t>(after - hours.begin()) - 1];
}

SurvivalCurve survival_of(const std::vector<SpotLifetime>& lives) {
    std::vector<SpotLifetime> sorted = lives;
    // At one age who was taken counts before who was last seen then.
    std::sort(sorted.begin(), sorted.end(), [](const SpotLifetime& a, const SpotLifetime& b) { return a.hours != b.hours ? a.hours < b.hours : a.taken > b.taken; });
    SurvivalCurve out;
    double survival = 1;
    for (std::size_t i = 0; i < sorted.size();) {
        std::size_t j = i, taken = 0;
        for (; j < sorted.size() && sorted[j].hours == sorted[i].hours; ++j) taken += sorted[j].taken ? 1 : 0;
        if (taken > 0) {
            survival *= 1 - static_cast<double>(taken) / static_cast<double>(sorted.size() - i);
            out.hours.push_back(sorted[i].hours);
            out.survival.push_back(survival);
        }
        out.taken += taken;
        out.lived_on += j - i - taken;
        i = j;
    }
    if (!sorted.empty()) out.longest = sorted.back().hours;
    return out;
}

double SpotFit::survival(double age_hours) const {
    const double single = ages_matter ? lives.at(age_hours) : std::exp(-interruptions_per_hour * age_hours);
    return single * std::exp(-reclaims_per_day / 24 * reclaim_share * age_hours);
}

double ks_distance(const SpotFit& fit, const SurvivalCurve& recorded) {
    double most = 0, before = 1;
    for (std::size_t i = 0; i < recorded.hours.size(); ++i) {
        const double age = recorded.hours[i];
        most = std::max({most, std::abs(fit.survival(age) - recorded.survival[i]), std::abs(fit.survival(std::nextafter(age, 0.0)) - before)});
        before = recorded.survival[i];
    }
    return most;
}

Result<SpotFit> fit_spot_market(const SpotHistory& history, const std::string& name) {
    SpotFit fit;
    std::vector<SpotLifetime> single, all;
    double node_hours = 0, market_days = 0, shares = 0;
    std::size_t alone = 0, reclaims = 0;
    for (const SpotMarketRecord& m : history.markets) {
        std::vector<SpotLifetime> lives = lifetimes_of(m);
        all.insert(all.end(), lives.begin(), lives.end());
        for (const SpotLifetime& life : lives) node_hours += life.hours;
        for (const Batch& b : batches_of(m)) {
            // Machines of a study are watched one by one: what started together reaches an age together.
            if (history.format == SpotFormat::lifetimes || !b.is_reclaim()) {
                alone += b.nodes.size();
                continue;
            }
            ++reclaims;
            shares += b.share();
            for (const std::uint32_t n : b.nodes) lives[n].taken = false;  // something else ended it
        }
        single.insert(single.end(), lives.begin(), lives.end());
        market_days += static_cast<double>(m.to_ms - m.from_ms) / 8.64e7;
        if (!history.names_nodes) find_droughts(m, fit);
        ++fit.markets;
    }
    if (all.empty() || node_hours <= 0) return Problem{{name, 0, 0}, "", "has no nodes to fit a market to, allowed: a record of nodes that came and went"};
    fit.lives = survival_of(single);
    fit.interruptions_per_hour = static_cast<double>(alone) / node_hours;
    fit.ages_matter = history.names_nodes && fit.lives.taken >= 20;
    fit.hour_factors = hour_factors_of(history);
    if (reclaims > 0 && market_days > 0) {
        fit.reclaims_per_day = static_cast<double>(reclaims) / market_days;
        fit.reclaim_share = shares / static_cast<double>(reclaims);
    }
    if (fit.drought_hours.size() < 2 || fit.plenty_hours.size() < 2) {
        fit.drought_hours.clear();
        fit.plenty_hours.clear();
    } else {
        // Capacity that ends for everyone is a drought, and no interruption besides.
        std::size_t single_zero = 0;
        for (const SpotMarketRecord& m : history.markets)
            for (const Batch& b : batches_of(m)) single_zero += b.share() >= 1 ? b.nodes.size() : 0;
        fit.interruptions_per_hour = static_cast<double>(alone > single_zero ? alone - single_zero : 0) / node_hours;
        std::size_t whole = 0;
        for (const SpotMarketRecord& m : history.markets)
            for (const Batch& b : batches_of(m)) whole += b.is_reclaim() && b.share() >= 1 ? 1 : 0;
        if (reclaims > 0) fit.reclaims_per_day *= static_cast<double>(reclaims - std::min(reclaims, whole)) / static_cast<double>(reclaims);
    }
    fit.ages_known = history.names_nodes;
    fit.distance = ks_distance(fit, survival_of(all));
    return fit;
}

/// Machines of a study started together: a share of them, spread evenly over each market, and the others.
[[nodiscard]] static SpotHistory some_machines(const SpotHistory& history, double share, bool first) {
    SpotHistory out = without_changes(history);
    for (std::size_t i = 0; i < out.markets.size(); ++i) {
        const SpotMarketRecord& from = history.markets[i];
        out.markets[i].nodes = 0;
        std::vector<std::int64_t> number(from.nodes, -1);
        for (std::uint32_t n = 0; n < from.nodes; ++n)
            if ((std::floor(share * (n + 1.0)) > std::floor(share * n)) == first) number[n] = out.markets[i].nodes++;
        for (SpotNodeChange c : from.changes) {
            if (number[c.node] < 0) continue;
            c.node = static_cast<std::uint32_t>(number[c.node]);
            out.markets[i].changes.push_back(c);
        }
    }
    return out;
}

SpotHistory first_part(const SpotHistory& history, double share) {
    if (history.format == SpotFormat::lifetimes) return some_machines(history, share, true);
    SpotHistory out = without_changes(history);
    const auto cut = static_cast<std::int64_t>(share * static_cast<double>(history.span_ms));
    out.span_ms = cut;
    for (std::size_t i = 0; i < out.markets.size(); ++i) {
        out.markets[i].nodes = 0;
        out.markets[i].to_ms = std::min(cut, history.markets[i].to_ms);
        std::vector<std::uint32_t> number(history.markets[i].nodes);
        for (SpotNodeChange c : history.markets[i].changes) {
            if (c.at_ms >= cut) break;
            if (c.by > 0) number[c.node] = out.markets[i].nodes++;
            c.node = number[c.node];
            out.markets[i].changes.push_back(c);
        }
    }
    return out;
}

SpotHistory last_part(const SpotHistory& history, double share) {
    if (history.format == SpotFormat::lifetimes) return some_machines(history, share, false);
    SpotHistory out = without_changes(history);
    const auto cut = static_cast<std::int64_t>(share * static_cast<double>(history.span_ms));
    out.span_ms = history.span_ms - cut;
    if (out.start_unix_ms) *out.start_unix_ms += cut;
    for (std::size_t i = 0; i < out.markets.size(); ++i) {
        out.markets[i].nodes = 0;
        out.markets[i].from_ms = 0;
        out.markets[i].to_ms = std::max<std::int64_t>(history.markets[i].to_ms - cut, 0);
        std::vector<std::int64_t> number(history.markets[i].nodes, -1);
        for (SpotNodeChange c : history.markets[i].changes) {
            if (c.at_ms >= cut && c.by > 0) number[c.node] = out.markets[i].nodes++;
            if (number[c.node] < 0) continue;
            c.node = static_cast<std::uint32_t>(number[c.node]);
            c.at_ms -= cut;
            out.markets[i].changes.push_back(c);
        }
    }
    return out;
}

nlohmann::ordered_json spot_fit_json(const SpotFit& fit) {
    nlohmann::ordered_json out;
    out["markets"] = fit.markets;
    out["interruptions_per_hour"] = fit.interruptions_per_hour;
    out["by_age"] = fit.ages_matter;
    out["taken_alone"] = fit.lives.taken;
    out["lived_on"] = fit.lives.lived_on;
    out["reclaims_per_day"] = fit.reclaims_per_day;
    out["reclaim_share"] = fit.reclaim_share;
    const auto mean = [](const std::vector<double>& v) {
        double sum = 0;
        for (const double x : v) sum += x;
        return v.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(sum / static_cast<double>(v.size()));
    };
    out["plenty_mean_h"] = mean(fit.plenty_hours);
    out["drought_mean_h"] = mean(fit.drought_hours);
    out["hour_factors"] = fit.hour_factors.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(fit.hour_factors);
    out["ks_distance"] = fit.ages_known ? nlohmann::ordered_json(fit.distance) : nlohmann::ordered_json(nullptr);
    return out;
}

}  // namespace windtunnel
