// Whole runs against results kept in the tree. The same files hold for every build (g++ at -O3, clang under
// sanitizers), so that this is also the test that a result's bytes do not depend on the compiler. The laws
// are checked beside them (tests/gallery), so that a golden file cannot freeze a broken one.
#include "tests/support/program_run.hpp"

using namespace windtunnel;

namespace {

/// Compares with tests/golden/NAME.json; WINDTUNNEL_UPDATE_GOLDEN=1 writes it anew, for a change that is
/// meant.
void compare(const std::string& name, const std::string& arguments) {
    const program::Ended run = program::windtunnel_in(WINDTUNNEL_SOURCE_DIR, arguments + " -o json -q");
    INFO(run.error);
    REQUIRE(run.code == 0);
    const std::filesystem::path file =
        std::filesystem::path(WINDTUNNEL_SOURCE_DIR) / "tests/golden" / (name + ".json");
    if (std::getenv("WINDTUNNEL_UPDATE_GOLDEN") != nullptr) std::ofstream(file, std::ios::binary) << run.out;
    std::ifstream in(file, std::ios::binary);
    CHECK(run.out == std::string(std::istreambuf_iterator<char>(in), {}));
}

}  // namespace

TEST_CASE("golden: four hours of the demo, to the byte") {
    compare("chat-on-l4", "run scenarios/gallery/chat-on-l4/scenario.yaml --duration 14400");
}
TEST_CASE("golden: two triggers, one of them a histogram's quantile, with three trials, to the byte") {
    compare("keda-two-triggers", "run scenarios/gallery/keda-two-triggers/scenario.yaml --trials 3 -j 2");
}
