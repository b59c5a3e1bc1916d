#include "reports/atomic_file.hpp"

#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

namespace windtunnel {

namespace {

bool writes = true;

Problem cannot(const std::filesystem::path& file, const std::string& why) {
    return {{file.string(), 0, 0}, "", "cannot be written: " + why};
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
    return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

/// Devices and pipes (/dev/stdout, a process substitution) are written to as they are.
bool is_special(const std::filesystem::path& file) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(file, error);
    return !error && std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
           !std::filesystem::is_directory(status);
}

}  // namespace

void write_no_files() { writes = false; }

Problems write_file(const std::filesystem::path& file, std::string_view content) {
    if (!writes) return {};
    const bool special = is_special(file);
    std::filesystem::path beside = file;
    if (!special) beside += ".part" + std::to_string(::getpid());
    std::error_code ignored;
    errno = 0;
    {
        std::ofstream out(beside, std::ios::binary | std::ios::trunc);
        out.write(content.data(), static_cast<std::streamsize>(content.size()));
        out.close();
        if (!out) {
            const Problem problem = cannot(file, std::strerror(errno));
            if (!special) std::filesystem::remove(beside, ignored);
            return {problem};
        }
    }
    if (special) return {};
    std::error_code error;
    std::filesystem::rename(beside, file, error);
    if (!error) return {};
    std::filesystem::remove(beside, ignored);
    return {cannot(file, error.message())};
}

Problems problems_of_writing(const std::filesystem::path& file) {
    std::error_code error;
    if (std::filesystem::is_directory(file, error)) return {cannot(file, "it is a folder")};
    const std::filesystem::path folder = folder_of(file);
    if (!std::filesystem::is_directory(folder, error))
        return {cannot(file, "there is no folder " + folder.string())};
    if (!is_special(file) && ::access(folder.c_str(), W_OK) != 0) return {cannot(file, std::strerror(errno))};
    return {};
}

}  // namespace windtunnel
