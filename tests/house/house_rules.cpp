#include "tests/house/house_rules.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <set>

namespace windtunnel::house {
namespace fs = std::filesystem;
namespace {

struct Include {
    std::string target;  ///< as written between the quotes
    int line;
};

struct SourceFile {
    std::string path;  ///< from the root, with slashes
    std::vector<Include> includes;
    int lines = 0;
    bool guarded = false;  ///< has #pragma once
    int unfinished = 0;    ///< line of the last note of what is still to be done; 0 = none
};

std::string first_folder(const std::string& path) { return path.substr(0, path.find('/')); }

/// "scenarios/traces" of a file in that folder or below it, "scenarios" of one beside it.
std::string room_of(const std::string& path) {
    const std::size_t floor_end = path.find('/');
    if (floor_end == std::string::npos) return path;
    const std::size_t end = path.find('/', floor_end + 1);
    return path.substr(0, end == std::string::npos ? floor_end : end);
}

/// 0 for the lowest floor; nothing for what is no floor.
std::optional<std::ptrdiff_t> floor_of(const std::string& folder) {
    const auto it = std::find(floors.begin(), floors.end(), folder);
    if (it == floors.end()) return std::nullopt;
    return it - floors.begin();
}

/// The target of an include with quotes, or nothing.
std::optional<std::string> quoted_include(std::string_view line) {
    const auto skip_blanks = [&] {
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    };
    skip_blanks();
    if (!line.starts_with('#')) return std::nullopt;
    line.remove_prefix(1);
    skip_blanks();
    if (!line.starts_with("include")) return std::nullopt;
    line.remove_prefix(7);
    skip_blanks();
    if (!line.starts_with('"')) return std::nullopt;
    line.remove_prefix(1);
    return std::string(line.substr(0, line.find('"')));
}

SourceFile read_source(const fs::path& root, const fs::path& path) {
    SourceFile file;
    file.path = fs::relative(path, root).generic_string();
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        ++file.lines;
        if (line.starts_with("#pragma once")) file.guarded = true;
        if (line.find("TO"
                      "DO") != std::string::npos ||
            line.find("FIX"
                      "ME") != std::string::npos)
            file.unfinished = file.lines;
        if (auto target = quoted_include(line)) file.includes.push_back({std::move(*target), file.lines});
    }
    return file;
}

/// All C++ and CUDA files of the floors and the tests, in order of their paths.
std::vector<SourceFile> read_sources(const fs::path& root) {
    static const std::set<std::string> extensions = {".hpp", ".cpp", ".cu", ".cuh"};
    std::vector<SourceFile> files;
    std::vector<std::string> folders = floors;
    folders.emplace_back("tests");
    for (const std::string& folder : folders) {
        if (!fs::is_directory(root / folder)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(root / folder))
            if (entry.is_regular_file() && extensions.contains(entry.path().extension().string()))
                files.push_back(read_source(root, entry.path()));
    }
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return files;
}

bool is_header(const std::string& path) { return path.ends_with(".hpp") || path.ends_with(".cuh"); }

std::string at(const SourceFile& file, const Include& include) {
    return file.path + ':' + std::to_string(include.line) + ": includes \"" + include.target + "\", ";
}

}  // namespace

std::vector<std::string> includes_that_climb(const fs::path& root) {
    std::vector<std::string> found;
    for (const SourceFile& file : read_sources(root)) {
        // tests/FLOOR/ is bound as the floor is; the rest of tests/ (golden, fuzz, ...) sees all floors.
        const bool is_test = first_folder(file.path) == "tests";
        const std::string home = is_test ? first_folder(file.path.substr(6)) : first_folder(file.path);
        const auto level = floor_of(home);
        for (const Include& include : file.includes) {
            const std::string folder = first_folder(include.target);
            const auto target_level = floor_of(folder);
            const bool names_a_test =
                is_test && (folder == "tests" || fs::exists(root / "tests" / include.target));
            if (!target_level && !names_a_test)
                found.push_back(at(file, include) + "allowed: a path from the root that begins with a floor");
            else if (target_level && level && *target_level > *level)
                found.push_back(at(file, include) + home + "/ is below " + folder + "/");
        }
    }
    return found;
}

std::vector<std::string> includes_in_a_circle(const fs::path& root) {
    const std::vector<SourceFile> files = read_sources(root);
    std::map<std::string, const SourceFile*> by_path;
    for (const SourceFile& file : files) by_path[file.path] = &file;

    // Depth-first: an include of a file that is still being visited closes a circle.
    enum class Mark { unseen, open, closed };
    std::map<std::string, Mark> marks;
    std::vector<std::string> found;
    const std::function<void(const SourceFile&)> visit = [&](const SourceFile& file) {
        marks[file.path] = Mark::open;
        for (const Include& include : file.includes) {
            auto it = by_path.find(include.target);
            if (it == by_path.end()) it = by_path.find("tests/" + include.target);
            if (it == by_path.end()) continue;
            const Mark mark = marks[it->first];
            if (mark == Mark::open) found.push_back(at(file, include) + "which includes this file in turn");
            if (mark == Mark::unseen) visit(*it->second);
        }
        marks[file.path] = Mark::closed;
    };
    for (const SourceFile& file : files)
        if (marks[file.path] == Mark::unseen) visit(file);
    return found;
}

std::vector<std::string> rooms_in_a_circle(const fs::path& root) {
    // Room -> the rooms of its floor that it includes, and one include that shows it.
    std::map<std::string, std::map<std::string, std::string>> includes;
    for (const SourceFile& file : read_sources(root)) {
        const std::string floor = first_folder(file.path);
        if (!floor_of(floor)) continue;
        for (const Include& include : file.includes) {
            const std::string from = room_of(file.path), to = room_of(include.target);
            if (from != to && first_folder(include.target) == floor)
                includes[from].emplace(to, at(file, include) + "which leads back to " + from + "/");
        }
    }
    enum class Mark { unseen, open, closed };
    std::map<std::string, Mark> marks;
    std::vector<std::string> found;
    const std::function<void(const std::string&)> visit = [&](const std::string& room) {
        marks[room] = Mark::open;
        for (const auto& [other, example] : includes[room]) {
            if (marks[other] == Mark::open) found.push_back(example);
            if (marks[other] == Mark::unseen) visit(other);
        }
        marks[room] = Mark::closed;
    };
    std::vector<std::string> rooms;
    for (const auto& [room, others] : includes) rooms.push_back(room);
    for (const std::string& room : rooms)
        if (marks[room] == Mark::unseen) visit(room);
    return found;
}

std::vector<std::string> untidy_files(const fs::path& root) {
    std::vector<std::string> found;
    for (const SourceFile& file : read_sources(root)) {
        if (file.lines > most_lines)
            found.push_back(file.path + ": has " + std::to_string(file.lines) + " lines, allowed: at most " +
                            std::to_string(most_lines) + "; split it along an idea");
        if (file.unfinished > 0)
            found.push_back(file.path + ':' + std::to_string(file.unfinished) +
                            ": leaves something to be done");
        if (is_header(file.path) && !file.guarded) found.push_back(file.path + ": has no #pragma once");
    }
    return found;
}

std::vector<std::string> missing_readmes(const fs::path& root) {
    std::vector<std::string> folders = floors;
    std::set<std::string> rooms;
    for (const SourceFile& file : read_sources(root))
        if (floor_of(first_folder(file.path))) rooms.insert(room_of(file.path));
    for (const std::string& floor : floors) rooms.erase(floor);
    folders.insert(folders.end(), {"tests", "tests/fuzz", "scenarios/gallery"});
    folders.insert(folders.end(), rooms.begin(), rooms.end());
    std::vector<std::string> found;
    for (const std::string& folder : folders) {
        if (!fs::is_directory(root / folder)) continue;
        std::ifstream in(root / folder / "README.md");
        const auto lines = std::count(std::istreambuf_iterator<char>(in), {}, '\n');
        if (lines == 0) found.push_back(folder + "/: has no README.md");
        if (lines > 60) found.push_back(folder + "/README.md: is longer than a screen (60 lines)");
    }
    return found;
}

std::vector<std::string> unfinished_gallery(const fs::path& root) {
    std::vector<std::string> found;
    const fs::path gallery = root / "scenarios" / "gallery";
    if (!fs::is_directory(gallery)) return found;
    for (const auto& entry : fs::directory_iterator(gallery)) {
        if (!entry.is_directory()) continue;
        for (const char* name : {"README.md", "scenario.yaml"})
            if (!fs::is_regular_file(entry.path() / name))
                found.push_back(fs::relative(entry.path(), root).generic_string() + "/: has no " + name);
    }
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace windtunnel::house
