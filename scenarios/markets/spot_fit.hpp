#pragma once
#include "scenarios/markets/spot_history.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace windtunnel {

/// The share of nodes that are still there at an age: a step function, with who left of his own accord or outlived
/// the record counted as long as he was seen (Kaplan and Meier, 1958).
struct SurvivalCurve {
    std::vector<double> hours;     ///< ages at which somebody was taken, ascending
    std::vector<double> survival;  ///< from there on
    std::size_t taken = 0, lived_on = 0;
    double longest = 0;            ///< the oldest age that was seen

    [[nodiscard]] double at(double age_hours) const;
};
[[nodiscard]] SurvivalCurve survival_of(const std::vector<SpotLifetime>& lives);

/// A stochastic market fitted to a recorded one. What took several nodes of a market at once is told apart from what
/// took one: the first is a process of its own, and ends lives that are then counted as cut short by something else.
struct SpotFit {
    SurvivalCurve lives;                 ///< of single nodes, reclaims left out
    double interruptions_per_hour = 0;   ///< the same as one rate: who was taken alone, by node hours
    bool ages_matter = false;            ///< lifetimes are drawn from `lives`; else the rate stands for them
    std::vector<double> hour_factors;    ///< of the 24 hours of the day; empty where the record cannot tell
    double reclaims_per_day = 0;         ///< of a zone
    double reclaim_share = 0;            ///< mean share of its nodes that one takes
    std::vector<double> plenty_hours, drought_hours;  ///< lengths of whiles with and without any capacity
    bool ages_known = false;             ///< the record says which node went
    double distance = 0;                 ///< Kolmogorov-Smirnov: fitted survival against the recorded one, with reclaims
    std::size_t markets = 0;

    /// The fitted share of nodes that are still there at an age, by all causes.
    [[nodiscard]] double survival(double age_hours) const;
};

/// Fits one market to all markets of a history. A history of prices has nothing to fit.
[[nodiscard]] Result<SpotFit> fit_spot_market(const SpotHistory& history, const std::string& name);

/// The largest difference between the fitted survival and a recorded curve, at the ages that the record has seen.
[[nodiscard]] double ks_distance(const SpotFit& fit, const SurvivalCurve& recorded);

/// The record up to, and from, a share of its span. What lives across the cut is cut short in the first half, and left
/// out of the second, which has seen its births only. Of a study of machines that started together: that share of the
/// machines of each market, and the others.
[[nodiscard]] SpotHistory first_part(const SpotHistory& history, double share);
[[nodiscard]] SpotHistory last_part(const SpotHistory& history, double share);

[[nodiscard]] nlohmann::ordered_json spot_fit_json(const SpotFit& fit);

}  // namespace windtunnel
