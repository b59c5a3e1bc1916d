#include "cli/base_source.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace windtunnel {

namespace fs = std::filesystem;

namespace {

Problem wrong(const std::string& message) { return {{}, "--base", message}; }

std::string shell_word(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

struct Said {
    int code = -1;
    std::string text;
};
/// Runs a shell command; what it prints, on either stream.
Said ask(const std::string& command) {
    Said said;
    std::FILE* pipe = ::popen(("(" + command + ") 2>&1 </dev/null").c_str(), "r");
    if (pipe == nullptr) return said;
    std::array<char, 4096> buffer{};
    for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        said.text.append(buffer.data(), n);
    const int status = ::pclose(pipe);
    said.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    while (!said.text.empty() && said.text.back() == '\n') said.text.pop_back();
    return said;
}

/// Follows from `file` what the working folder is to `root`: the same path below `root`.
fs::path moved(const std::string& file, const fs::path& from, const fs::path& to) {
    const fs::path absolute = fs::weakly_canonical(fs::absolute(file));
    const fs::path relative = absolute.lexically_relative(fs::weakly_canonical(from));
    return relative.empty() || *relative.begin() == ".." ? absolute : to / relative;
}

/// What the base's scenario reads and git does not hold (traces are often too large): from the working tree.
void link_traces(const RunFlags& candidate, const fs::path& repository, const fs::path& extracted) {
    if (candidate.scenario.empty()) return;
    std::error_code none;
    const fs::path folder = fs::weakly_canonical(fs::absolute(candidate.scenario)).parent_path();
    for (fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, none), end;
         it != end; it.increment(none)) {
        if (!it->is_regular_file(none)) continue;
        const std::string extension = it->path().extension().string();
        if (extension == ".yaml" || extension == ".yml") continue;  // what is not in git must not come back
        const fs::path there = moved(it->path().string(), repository, extracted);
        if (fs::exists(there, none)) continue;
        fs::create_directories(there.parent_path(), none);
        fs::create_symlink(it->path(), there, none);
    }
}

Result<fs::path> extract(const std::string& ref, const RunFlags& candidate, fs::path& repository) {
    const Said top = ask("git rev-parse --show-toplevel");
    if (top.code != 0) return wrong("found git:" + ref + " outside of a git repository: " + top.text);
    repository = top.text;
    const Said known = ask("git rev-parse --verify --quiet " + shell_word(ref + "^{commit}"));
    if (known.code != 0)
        return wrong("found git:" + ref + ", which names no commit here, allowed: a branch, tag or commit");
    std::string name = (fs::temp_directory_path() / "windtunnel_base_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) return wrong("no temporary folder could be made for git:" + ref);
    const Said taken = ask("git -C " + shell_word(repository.string()) + " archive --format=tar " +
                           shell_word(known.text) + " | tar -x -C " + shell_word(name));
    if (taken.code != 0) {
        fs::remove_all(name);
        return wrong("git:" + ref + " could not be read: " + taken.text);
    }
    link_traces(candidate, repository, name);
    return fs::path(name);
}

bool is_results_file(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    std::string head(4096, '\0');
    in.read(head.data(), static_cast<std::streamsize>(head.size()));
    return head.find("\"windtunnel.results/v1\"") != std::string::npos;
}

/// The candidate's flags with its files taken from below `root`, which stands in for `from`.
Result<RunFlags> below(const RunFlags& candidate, const fs::path& from, const fs::path& root, const std::string& base) {
    RunFlags flags = candidate;
    std::error_code none;
    for (const std::string& m : candidate.manifests)
        if (m == "-") return wrong("found manifests on standard input, allowed with --base: -f with files or folders");
    bool found = false;
    if (!candidate.scenario.empty()) {
        for (const fs::path& there : {moved(candidate.scenario, from, root), root / fs::path(candidate.scenario).filename()})
            if (!found && there != fs::weakly_canonical(fs::absolute(candidate.scenario)) && fs::is_regular_file(there, none)) {
                flags.scenario = there.string();
                found = true;
            }
    }
    std::vector<std::string> manifests;
    for (const std::string& m : candidate.manifests) {
        const fs::path there = moved(m, from, root);
        if (fs::exists(there, none) && there != fs::weakly_canonical(fs::absolute(m))) manifests.push_back(there.string());
    }
    if (!candidate.manifests.empty() && manifests.size() == candidate.manifests.size()) {
        flags.manifests = manifests;
        found = true;
    } else if (!candidate.manifests.empty() || !found) {
        flags.manifests = {root.string()};  // a folder of manifests
        if (!fs::is_directory(root, none)) return wrong("found " + base + ", which holds neither the scenario nor manifests");
        if (!candidate.scenario.empty() || !candidate.manifests.empty()) found = true;
    }
    if (!found) return wrong("found " + base + ", which holds neither the scenario nor manifests");
    return flags;
}

}  // namespace

BaseSource::BaseSource(BaseSource&& other) noexcept
    : m_flags(std::move(other.m_flags)), m_results(std::move(other.m_results)), m_extracted(std::move(other.m_extracted)) {
    other.m_extracted.clear();
}

BaseSource::~BaseSource() {
    std::error_code none;
    if (!m_extracted.empty()) fs::remove_all(m_extracted, none);
}

Result<BaseSource> BaseSource::open(const std::string& base, const RunFlags& candidate) {
    BaseSource out;
    std::error_code none;
    if (base.rfind("git:", 0) == 0) {
        fs::path repository;
        Result<fs::path> extracted = extract(base.substr(4), candidate, repository);
        if (!extracted) return extracted.take_problems();
        out.m_extracted = *extracted;
        Result<RunFlags> flags = below(candidate, repository, *extracted, base);
        if (!flags) return flags.take_problems();
        out.m_flags = std::move(*flags);
        return out;
    }
    if (fs::is_regular_file(base, none)) {
        out.m_flags = candidate;
        if (is_results_file(base)) {
            out.m_results = base;
            return out;
        }
        out.m_flags.scenario = base;
        out.m_flags.manifests.clear();
        return out;
    }
    if (!fs::is_directory(base, none))
        return wrong("found " + base + ", which is neither a folder nor a file, allowed: a folder, a scenario file, "
                     "results.json or git:REF");
    Result<RunFlags> flags = below(candidate, fs::current_path(), fs::weakly_canonical(base), base);
    if (!flags) return flags.take_problems();
    out.m_flags = std::move(*flags);
    return out;
}

}  // namespace windtunnel
