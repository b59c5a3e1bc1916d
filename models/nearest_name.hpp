#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// Levenshtein distance: insertions, deletions and replacements of one byte cost 1.
[[nodiscard]] int edit_distance(std::string_view a, std::string_view b);

/// Lower case; '_' and ' ' become '-'. ASCII only, other bytes stay.
[[nodiscard]] std::string folded_name(std::string_view name);

/// Up to `count` of `known`, nearest to `name` first (by edit distance of the folded names; a known name
/// that contains `name`, or is contained in it, counts as half as far; ties in the order of `known`).
[[nodiscard]] std::vector<std::string> nearest_names(std::string_view name,
                                                     const std::vector<std::string>& known,
                                                     std::size_t count = 3);

/// "'a', 'b' or 'c'"; "(nothing)" for no names.
[[nodiscard]] std::string spoken_list(const std::vector<std::string>& names);

}  // namespace windtunnel
