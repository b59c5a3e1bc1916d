#pragma once
#include "reports/surrogate.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace windtunnel {

/// A dimension of the lattice that a plan searches: so many values, neighbours alike where `ordered`.
struct LatticeDimension {
    std::size_t values = 1;
    bool ordered = true;
};

/// A place of the lattice: which value of each dimension.
using Place = std::vector<std::uint16_t>;

/// What trials of a place said.
struct PlaceResult {
    bool runs = true;  ///< false: cannot be run at all
    double cost = 0;   ///< mean; above 0
    std::vector<double>
        excess;  ///< [objective] by how much it misses, as the logarithm of a ratio: at most 0 is met
    bool feasible = false;  ///< met all objectives in a large enough share of the trials
};

struct SearchRules {
    std::size_t most_places = 0;  ///< that may be tried
    double certainty = 0.001;     ///< stops when the chance that any other place is better is below this
    std::uint64_t seed = 1;
};

/// How many places a search may try unless told otherwise: a tenth of the lattice, but enough to begin with,
/// and no more than a person waits for.
[[nodiscard]] std::size_t usual_places(const std::vector<LatticeDimension>& lattice);

/// Searches the cheapest feasible place of a lattice.
///
/// First the places that are given (what is there now), the corners' middle and a spread of others; then
/// again and again the one that promises most: the expected saving against the cheapest feasible one so far
/// times the chance to be feasible (Schonlau, Welch and Jones 1998; Gardner et al. 2014), both guessed from
/// all that was tried (reports/surrogate.hpp). As long as nothing is feasible, the place likeliest to be.
/// Towards the end the cheaper neighbours of the best are tried, whatever the guesses say.
class PlanSearch {
public:
    PlanSearch(std::vector<LatticeDimension> lattice, std::vector<Place> first, const SearchRules& rules);

    /// The place to try next; nothing when the search is over.
    [[nodiscard]] std::optional<Place> next();
    void tell(const Place& place, PlaceResult result);

    /// The cheapest feasible one so far.
    [[nodiscard]] std::optional<Place> best() const;
    [[nodiscard]] std::size_t tried() const { return m_places.size(); }
    [[nodiscard]] const std::vector<Place>& places() const { return m_places; }
    [[nodiscard]] const std::vector<PlaceResult>& results() const { return m_results; }
    /// Whether it ended because nothing better is to be expected, not because `most_places` were tried.
    [[nodiscard]] bool settled() const { return m_settled; }

private:
    /// What is guessed of a place that was not tried.
    struct Promise {
        double saving = 0;    ///< expected, of the logarithm of cost
        double cheaper = 0;   ///< chance to be cheaper than the best
        double feasible = 1;  ///< chance to meet all objectives
        double cost = 0;      ///< logarithm, the mean of the guess
    };
    bool learn();
    [[nodiscard]] Promise promise_of(const Place& place, std::optional<double> best_cost) const;
    [[nodiscard]] std::optional<Place> most_promising();
    [[nodiscard]] std::optional<Place> untried_neighbour(const Place& best, double best_cost) const;
    [[nodiscard]] std::vector<Place> candidates() const;
    [[nodiscard]] Place spread_place(std::size_t number) const;
    [[nodiscard]] bool was_tried(const Place& place) const;
    [[nodiscard]] std::vector<double> coordinates(const Place& place) const;
    [[nodiscard]] std::optional<std::size_t> best_index() const;

    const std::vector<LatticeDimension> m_lattice;
    const SearchRules m_rules;
    std::uint64_t m_size = 1;
    std::vector<std::size_t> m_groups;  ///< [coordinate]: its dimension
    std::vector<Place> m_queue;         ///< to begin with
    std::vector<Place> m_places;
    std::vector<PlaceResult> m_results;
    std::optional<Surrogate> m_cost, m_runs;
    std::vector<Surrogate> m_excess;
    bool m_settled = false;
};

/// The places one step away in one dimension; of a dimension without an order all its other values.
[[nodiscard]] std::vector<Place> neighbours_of(const Place& place,
                                               const std::vector<LatticeDimension>& lattice);

}  // namespace windtunnel
