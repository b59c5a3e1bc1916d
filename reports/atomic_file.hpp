#pragma once
#include "models/problem.hpp"

#include <filesystem>
#include <string_view>

namespace windtunnel {

/// Writes a file beside `file` and renames it: `file` is the old one or the new one, never half of one. The
/// problems are empty on success.
[[nodiscard]] Problems write_file(const std::filesystem::path& file, std::string_view content);

/// From now on write_file() writes nothing: of many processes that compute the same, one writes.
void write_no_files();

/// What would stop write_file() from creating a file there: asked before a long run instead of after it.
[[nodiscard]] Problems problems_of_writing(const std::filesystem::path& file);

}  // namespace windtunnel
