#pragma once
#include "cli/load_run.hpp"
#include "gpu/replay.hpp"

#include <cstdint>

namespace windtunnel {

/// What trials run on.
struct Backend {
    const char* name = "cpu";     ///< as results say it
    BatchReplay batch = nullptr;  ///< null: this machine's threads
};

/// What --backend means for so many trials. `auto` is a GPU when one answers and there are trials enough to fill it: one
/// of its threads is some fifty times slower than a core, so a few trials are finished sooner by the cores.
[[nodiscard]] Backend backend_for(const RunFlags& flags, std::uint32_t trials);

/// What stands against --backend.
[[nodiscard]] Problems problems_of_backend(const RunFlags& flags);

}  // namespace windtunnel
