#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace windtunnel::house {

/// The floors, lowest first. A file of one may include files of its own floor and of those below.
inline const std::vector<std::string> floors = {"models",    "policies", "sim", "gpu",
                                                "scenarios", "reports",  "cli"};
/// No source file is longer.
inline constexpr int most_lines = 600;

/// Each rule walks the source tree under `root` and returns one line per violation, "FILE:LINE: what is
/// wrong"; none when the house is in order.

/// Includes go down: never to a floor above, always by the path from the root ("models/time.hpp"); files
/// of tests/ may name each other by the path from there ("conformance/conformance.hpp").
std::vector<std::string> includes_that_climb(const std::filesystem::path& root);
/// No header reaches itself by its own includes.
std::vector<std::string> includes_in_a_circle(const std::filesystem::path& root);
/// The rooms of a floor (its folders, and what stands beside them as one more) do not include each other in a circle.
std::vector<std::string> rooms_in_a_circle(const std::filesystem::path& root);
/// A header begins with #pragma once (or a comment before it); no file has more than `most_lines` lines or
/// says what is still to be done.
std::vector<std::string> untidy_files(const std::filesystem::path& root);
/// Every floor, every room of one that holds sources, the tests and the gallery have a README.md of at most a screen (60 lines).
std::vector<std::string> missing_readmes(const std::filesystem::path& root);
/// Every folder of scenarios/gallery/ has a README.md and a scenario.yaml.
std::vector<std::string> unfinished_gallery(const std::filesystem::path& root);

}  // namespace windtunnel::house
