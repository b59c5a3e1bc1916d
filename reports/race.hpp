#pragma once
#include "reports/configurations.hpp"

#include <optional>
#include <string>
#include <vector>

namespace windtunnel {

/// How configurations race: by one number, among those that meet the thresholds.
struct RaceRule {
    Measure by;               ///< must get better in some direction
    double level = 0.05;      ///< chance, over the whole race, of dropping a configuration that is the best
    std::uint32_t looks = 1;  ///< how often the trials are looked at
};

struct Loser {
    std::size_t entry;   ///< in `entries`
    std::string reason;  ///< "fails p99 ttft_ms < 800 (1.2 s, p < 0.001)", "cost_per_month 12 USD worse than
                         ///< #3 (p < 0.001)"
};

/// Which of the entries are surely not the best, after as many trials as the fewest of them has. Every
/// comparison is paired, trial by trial.
///
/// An entry is dropped when the mean of a threshold's number surely fails it while another entry may still
/// meet all, or when its number is surely worse than that of an entry that surely meets all thresholds.
/// "Surely" is one-sided at level / (comparisons the entry is in x looks), so that by Bonferroni's inequality
/// the best of all is dropped with a chance of at most `level` in the whole race.
[[nodiscard]] std::vector<Loser> losers_of(const std::vector<const Configuration*>& entries,
                                           std::size_t of_all, const std::vector<Threshold>& thresholds,
                                           const RaceRule& rule);

/// After how many trials a race is looked at: from a quarter of them, at least 4, doubling, the last left
/// out.
[[nodiscard]] std::vector<std::uint32_t> looks_of(std::uint32_t trials);

}  // namespace windtunnel
