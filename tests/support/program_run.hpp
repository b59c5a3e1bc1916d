#pragma once
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

/// The built program, run as a person would run it, in a folder of the test's own.
namespace windtunnel::program {

class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "windtunnel_test_XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        m_path = name;
    }
    ~Folder() { std::filesystem::remove_all(m_path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return m_path; }
    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream in(m_path / name, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories((m_path / name).parent_path());
        std::ofstream(m_path / name, std::ios::binary) << text;
    }
    /// Replaces the first `from` in a file, which must be there.
    void replace(const std::string& name, const std::string& from, const std::string& to) const {
        std::string text = read(name);
        const std::size_t at = text.find(from);
        INFO(name << " holds no " << from);
        REQUIRE(at != std::string::npos);
        write(name, text.replace(at, from.size(), to));
    }

private:
    std::filesystem::path m_path;
};

struct Ended {
    int code = -1;
    std::string out, error;
};

/// `PROGRAM ARGUMENTS`, with the folder as the working directory; what it printed stays outside of it.
inline Ended run_in(const std::filesystem::path& folder, const std::string& program, const std::string& arguments) {
    const Folder printed;
    const std::string to = printed.path().string();
    const std::string command = "cd '" + folder.string() + "' && exec " + program + " " + arguments +
                                " >" + to + "/out 2>" + to + "/error </dev/null";
    Ended ended;
    const int status = std::system(command.c_str());
    ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ended.out = printed.read("out");
    ended.error = printed.read("error");
    return ended;
}

inline Ended windtunnel_in(const std::filesystem::path& folder, const std::string& arguments) {
    return run_in(folder, WINDTUNNEL_PROGRAM, arguments);
}

inline bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace windtunnel::program
