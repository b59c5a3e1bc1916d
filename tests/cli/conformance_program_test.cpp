#include <sys/wait.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <unistd.h>
#include <fstream>
#include <string>

#ifdef WINDTUNNEL_CONFORMANCE_PROGRAM

namespace {

struct Checked {
    int code = -1;
    std::string output;
};

/// Runs the program on one file with this text.
Checked run_on(const std::string& text) {
    const auto path = std::filesystem::temp_directory_path() / ("windtunnel_conformance_" + std::to_string(getpid()) + ".json");
    std::ofstream(path) << text;
    const std::string command = std::string(WINDTUNNEL_CONFORMANCE_PROGRAM) + " " + path.string() + " 2>&1";
    Checked ended;
    FILE* pipe = popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 256> part{};
    while (fgets(part.data(), part.size(), pipe) != nullptr) ended.output += part.data();
    ended.code = WEXITSTATUS(pclose(pipe));
    return ended;
}

std::string clamp_case(const std::string& kind, int expected) {
    return R"({"schema": "hpa_behavior/v1", "cases": [{"id": "X-1", "kind": ")" + kind +
           R"(", "input": {"current": 3, "desired": 1000, "min": 1, "max": 2000}, "expected": {"replicas": )" +
           std::to_string(expected) + R"(, "reason": "ScaleUpLimit"}}]})";
}

}  // namespace

TEST_CASE("conformance program: a right expectation passes") {
    const Checked ended = run_on(clamp_case("clamp_without_behavior", 6));  // at most twice three
    CHECK(ended.code == 0);
    CHECK(ended.output == "1 passed, 0 failed\n");
}

TEST_CASE("conformance program: a wrong expectation is printed with its id and what came instead") {
    const Checked ended = run_on(clamp_case("clamp_without_behavior", 7));
    CHECK(ended.code == 1);
    CHECK(ended.output.find("X-1: ") == 0);
    CHECK(ended.output.find("\"replicas\":6") != std::string::npos);
    CHECK(ended.output.find("0 passed, 1 failed\n") != std::string::npos);
}

TEST_CASE("conformance program: an unknown kind or schema counts as failed") {
    CHECK(run_on(clamp_case("clamp_with_magic", 6)).code == 1);
    CHECK(
        run_on(
            R"({"schema": "unheard/v9", "cases": [{"id": "X-2", "kind": "k", "input": {}, "expected": {}}]})")
            .code == 1);
}

TEST_CASE("conformance program: a key that no runner reads fails its case, a number may stand as text") {
    const auto with = [](const std::string& more) {
        return R"({"schema": "hpa_behavior/v1", "cases": [{"id": "X-3", "kind": "clamp_without_behavior", "input":
            {"current": "3", "desired": 9, "min": 1, "max": 8)" +
               more + R"(}, "expected": {"replicas": 6}}]})";
    };
    CHECK(run_on(with("")).code == 0);
    const Checked ended = run_on(with(R"(, "speed": {"limit": [1]})"));
    CHECK(ended.code == 1);
    CHECK(ended.output.find("input 'speed.limit[0]' is known to no runner") != std::string::npos);
}

TEST_CASE("conformance program: what cannot be read is neither passed nor failed") {
    CHECK(run_on("not json").code == 2);
    CHECK(run_on(R"({"cases": []})").code == 2);
}

#endif
