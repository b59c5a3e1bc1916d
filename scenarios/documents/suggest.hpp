#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// The allowed name nearest to `found` by edit distance (insertions, deletions, replacements, swapped
/// neighbours; case ignored), or "" when none is near enough to have been meant: at most a third of the
/// letters differ, or three quarters of the name begin an allowed one.
[[nodiscard]] std::string nearest_name(std::string_view found, const std::vector<std::string>& allowed);

/// "; did you mean X?" or "".
[[nodiscard]] std::string did_you_mean(std::string_view found, const std::vector<std::string>& allowed);

/// "a, b, c".
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view between = ", ");

}  // namespace windtunnel
