#pragma once
#include "models/problem.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// One value that a dimension may take, and what it sets.
struct Choice {
    std::string label;                     ///< as it is shown: "8", "300s", "l4"
    std::vector<std::string> assignments;  ///< PATH=VALUE, as --set takes them
    std::optional<double> number;          ///< of the label, where it is one
};

/// An interval of which any value may be taken.
struct ValueRange {
    double low = 0, high = 0;
    bool whole = false;        ///< whole numbers only
    bool logarithmic = false;  ///< evenly spread by ratio, not by difference
    std::string unit;          ///< stands behind the number: "s", "%"; "" = none
};

/// One thing that is varied: a field, several fields at once, or named choices of several fields.
struct Dimension {
    std::string name;                ///< short, unique in its space: "minReplicaCount"
    std::vector<std::string> paths;  ///< that all get the value; empty: the choices say themselves
    std::vector<Choice> choices;     ///< empty: any value of the interval
    std::optional<ValueRange> interval;
    std::optional<std::size_t> present;  ///< the choice that changes nothing, where that is known

    /// Whether the choices are numbers in increasing order: neighbours are alike.
    [[nodiscard]] bool ordered() const;
    /// The choice that sets all paths to a value.
    [[nodiscard]] Choice choice_of(const std::string& value) const;
};

/// `PATH=VALUES` or `PATH&PATH2=VALUES`; a name may stand before it (`floor:=PATH=VALUES`). VALUES is a list
/// `1,2,4` (YAML values), steps `LOW:HIGH:STEP`, ratios `LOW:HIGH:*RATIO`, or an interval `LOW..HIGH`, with
/// `:log` evenly spread by ratio. Numbers may share a unit (`30s:120s:30s`).
[[nodiscard]] Result<Dimension> parse_dimension(const std::string& text);

/// Reads a file of `vary:` items: `{path | paths, values, name}` or `{name, choices: {LABEL: {PATH: VALUE,
/// ...}}}`.
[[nodiscard]] Result<std::vector<Dimension>> read_space_file(const std::string& file);

/// Gives every dimension a name of its own and refuses what is varied twice.
[[nodiscard]] Problems finish_space(std::vector<Dimension>& dimensions, const std::string& where);

/// Intervals of whole numbers as all of their values: what a grid, and a search that steps, needs. Others are
/// problems.
[[nodiscard]] Problems make_discrete(std::vector<Dimension>& dimensions, const std::string& where);

/// A configuration of a space: one choice for each dimension.
struct SpacePoint {
    std::vector<Choice> choices;  ///< [dimension]

    [[nodiscard]] std::vector<std::string> assignments() const;
};

enum class SpaceDesign : std::uint8_t { grid, latin_hypercube, sobol };

/// A grid's points, the last dimension fastest (`count` and `seed` do not matter); or `count` points of a
/// Latin hypercube drawn from `seed` or of the Sobol sequence (Joe and Kuo's directions, Boost.Random; its
/// origin left out). Where choices are few, points may coincide: each is given once.
[[nodiscard]] std::vector<SpacePoint> sample_space(const std::vector<Dimension>& dimensions, SpaceDesign kind,
                                                   std::uint32_t count, std::uint64_t seed);

/// How many points a grid has; at most 2^63.
[[nodiscard]] std::uint64_t grid_size(const std::vector<Dimension>& dimensions);

}  // namespace windtunnel
