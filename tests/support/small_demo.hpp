#pragma once
#include "tests/support/program_run.hpp"

#include <filesystem>
#include <string>

namespace windtunnel::program {

/// Twenty minutes of the shipped demo at an even rate, in a folder of the test's own, from so many replicas on.
inline void small_demo(const Folder& folder, int replicas = 5) {
    std::filesystem::copy(WINDTUNNEL_SOURCE_DIR "/scenarios/gallery/chat-on-l4", folder.path(),
                          std::filesystem::copy_options::recursive);
    folder.replace("scenario.yaml", "duration_s: 86400", "duration_s: 1200");
    folder.replace("scenario.yaml", "profile: daily", "profile: flat");
    folder.replace("scenario.yaml", "initial_replicas: 8", "initial_replicas: " + std::to_string(replicas));
}

}  // namespace windtunnel::program
