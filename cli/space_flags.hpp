#pragma once
#include "scenarios/search/search_space.hpp"

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace windtunnel {

/// What `sweep` and `plan` vary.
struct SpaceFlags {
    std::vector<std::string> vary;
    std::string file;
};

/// --vary, --space.
void add_space_flags(CLI::App& command, SpaceFlags& flags);

/// The dimensions: the file's, then the command line's. Empty when nothing is named and `required` is false.
[[nodiscard]] Result<std::vector<Dimension>> read_space(const SpaceFlags& flags, bool required = true);

}  // namespace windtunnel
