#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>

namespace windtunnel {

/// A public data file that the repository does not contain: under ../shared/data beside the sources, or
/// under $WINDTUNNEL_SHARED_DATA. Empty when it is not there; the test then warns and returns.
inline std::string shared_data_file(const std::string& name) {
    const char* const elsewhere = std::getenv("WINDTUNNEL_SHARED_DATA");
    const std::string folder = elsewhere ? elsewhere : std::string(WINDTUNNEL_SOURCE_DIR) + "/../shared/data";
    return std::filesystem::exists(folder + "/" + name) ? folder + "/" + name : std::string();
}

}  // namespace windtunnel
