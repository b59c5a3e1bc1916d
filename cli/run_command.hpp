#pragma once
#include "cli/load_run.hpp"

#include <string>

namespace windtunnel {

/// What `windtunnel run` does once everything is read: replays, checks, prints and writes. `command` is what
/// was typed, for suggestions. Gives the exit code.
[[nodiscard]] int run_loaded(const LoadedRun& run, const RunFlags& flags, const std::string& command);

}  // namespace windtunnel
