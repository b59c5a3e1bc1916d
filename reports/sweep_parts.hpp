#pragma once
#include "models/problem.hpp"

#include <string>
#include <vector>

namespace windtunnel {

/// Whether a file is a sweep's (`windtunnel sweep --out`), by its first line.
[[nodiscard]] bool is_sweep_file(const std::string& file);

/// The file of a whole sweep out of its parts' (`--shard i/N`): the bytes that one process would have written. A part
/// that is missing, there twice, incomplete or of another sweep is a problem; all are named.
[[nodiscard]] Result<std::string> merge_sweep_parts(const std::vector<std::string>& files);

}  // namespace windtunnel
