#include "scenarios/documents/document.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace windtunnel {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) {
    const std::string name = path.filename().string();
    return name.size() > 1 && name[0] == '.' && name != "..";
}

bool is_manifest_name(const fs::path& path) {
    const std::string extension = path.extension().string();
    return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

/// The manifest files below a folder, sorted by path.
std::vector<std::string> files_below(const fs::path& folder, std::error_code& error) {
    std::vector<std::string> files;
    fs::recursive_directory_iterator it(folder, error);
    for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
        if (is_hidden(it->path())) {
            if (it->is_directory()) it.disable_recursion_pending();
        } else if (it->is_regular_file() && is_manifest_name(it->path())) {
            files.push_back(it->path().string());
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

/// Reads a stream to its end, or to where it is longer than any file may be: `-f /dev/zero` has no end.
bool read_text(std::istream& in, std::string& text) {
    const std::size_t most = DocumentLimits{}.bytes + 1;
    char part[1 << 16];
    while (text.size() < most && (in.read(part, static_cast<std::streamsize>(std::min(sizeof part, most - text.size()))) || in.gcount() > 0))
        text.append(part, static_cast<std::size_t>(in.gcount()));
    return !in.bad();
}

}  // namespace

Result<std::vector<Document>> read_documents(const std::vector<std::string>& paths, std::istream& standard_input) {
    std::vector<Document> documents;
    Problems problems;
    const auto add = [&](const std::string& text, const std::string& file) {
        auto parsed = parse_documents(text, file);
        if (!parsed) {
            for (Problem& p : parsed.take_problems()) problems.push_back(std::move(p));
            return std::size_t{1};
        }
        for (Document& d : *parsed) documents.push_back(std::move(d));
        return parsed->size();
    };
    const auto add_file = [&](const std::string& file) -> std::size_t {
        std::ifstream in(file, std::ios::binary);
        std::string text;
        if (!in || !read_text(in, text)) {
            problems.push_back({{file, 0, 0}, "", "cannot be read, allowed: a readable file"});
            return 1;
        }
        return add(text, file);
    };
    bool stdin_read = false;
    for (const std::string& path : paths) {
        std::size_t found = 0;
        std::error_code error;
        if (path == "-") {
            if (stdin_read) {
                problems.push_back({{"<stdin>", 0, 0}, "", "found - twice, allowed: standard input once"});
                continue;
            }
            stdin_read = true;
            std::string text;
            (void)read_text(standard_input, text);
            found = add(text, "<stdin>");
        } else if (fs::is_directory(path, error)) {
            for (const std::string& file : files_below(path, error)) found += add_file(file);
            if (error) problems.push_back({{path, 0, 0}, "", "cannot be listed: " + error.message()});
        } else if (fs::exists(path, error)) {
            found = add_file(path);
        } else {
            problems.push_back({{path, 0, 0}, "", "found no such file or folder, allowed: an existing one, or - for standard input"});
            continue;
        }
        if (found == 0)
            problems.push_back({{path == "-" ? "<stdin>" : path, 0, 0}, "", "holds no document, allowed: at least one YAML or JSON document"});
    }
    if (!problems.empty()) return problems;
    return documents;
}

}  // namespace windtunnel
