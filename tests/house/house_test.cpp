#include "tests/house/house_rules.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <random>

// Keeps the shape of the source tree: the rules of ARCHITECTURE.md that a compiler does not check. Each
// rule is first shown a tree that breaks it.

namespace fs = std::filesystem;
namespace house = windtunnel::house;
using Found = std::vector<std::string>;

namespace {

/// A source tree of its own in a temporary folder, gone with the object.
class PlantedTree {
public:
    PlantedTree()
        : m_root(fs::temp_directory_path() / ("windtunnel-house-" + std::to_string(std::random_device{}()))) {
        fs::create_directories(m_root);
    }
    PlantedTree(const PlantedTree&) = delete;
    PlantedTree& operator=(const PlantedTree&) = delete;
    ~PlantedTree() { fs::remove_all(m_root); }

    void write(const fs::path& file, const std::string& text) const {
        fs::create_directories((m_root / file).parent_path());
        std::ofstream(m_root / file) << text;
    }
    [[nodiscard]] const fs::path& root() const { return m_root; }

private:
    fs::path m_root;
};

const fs::path source_root = WINDTUNNEL_SOURCE_DIR;

}  // namespace

TEST_CASE("an include of a floor above is found, one of a floor below is not") {
    const PlantedTree tree;
    tree.write("models/node.hpp", "#pragma once\n#include \"policies/hpa.hpp\"\n");
    tree.write("policies/hpa.hpp", "#pragma once\n#include \"models/time.hpp\"\n#include <vector>\n");
    tree.write("tests/models/node_test.cpp",
               "  #  include \"sim/trial.hpp\"\n#include \"models/node.hpp\"\n");
    tree.write("tests/golden/all_test.cpp", "#include \"cli/commands.hpp\"\n");
    CHECK(house::includes_that_climb(tree.root()) ==
          Found{"models/node.hpp:2: includes \"policies/hpa.hpp\", models/ is below policies/",
                "tests/models/node_test.cpp:1: includes \"sim/trial.hpp\", models/ is below sim/"});
}

TEST_CASE("an include that does not start at the root is found") {
    const PlantedTree tree;
    tree.write("sim/trial.cpp", "#include \"trial.hpp\"\n#include \"../models/time.hpp\"\n");
    CHECK(house::includes_that_climb(tree.root()).size() == 2);
}

TEST_CASE("test files may include each other by the path from tests/, other files not") {
    const PlantedTree tree;
    tree.write("tests/conformance/cases.hpp", "");
    tree.write("tests/conformance/main.cpp",
               "#include \"conformance/cases.hpp\"\n#include \"conformance/none.hpp\"\n");
    tree.write("sim/trial.cpp", "#include \"conformance/cases.hpp\"\n");
    const Found found = house::includes_that_climb(tree.root());
    REQUIRE(found.size() == 2);
    CHECK(found[0].starts_with("sim/trial.cpp:1: "));
    CHECK(found[1].starts_with("tests/conformance/main.cpp:2: "));
}

TEST_CASE("headers that include each other are found, a diamond is not") {
    const PlantedTree tree;
    tree.write("models/a.hpp", "#include \"models/b.hpp\"\n#include \"models/c.hpp\"\n");
    tree.write("models/b.hpp", "#include \"models/d.hpp\"\n");
    tree.write("models/c.hpp", "#include \"models/d.hpp\"\n");
    tree.write("models/d.hpp", "");
    CHECK(house::includes_in_a_circle(tree.root()).empty());
    tree.write("models/d.hpp", "\n#include \"models/a.hpp\"\n");
    CHECK(house::includes_in_a_circle(tree.root()) ==
          Found{"models/d.hpp:2: includes \"models/a.hpp\", which includes this file in turn"});
}

TEST_CASE("rooms of a floor that include each other are found, though no file does") {
    const PlantedTree tree;
    tree.write("scenarios/traces/row.hpp", "#include \"scenarios/documents/text.hpp\"\n");
    tree.write("scenarios/documents/text.hpp", "#include \"models/time.hpp\"\n");
    tree.write("scenarios/spec.hpp", "#include \"scenarios/documents/text.hpp\"\n");
    CHECK(house::rooms_in_a_circle(tree.root()).empty());
    tree.write("scenarios/documents/tree.cpp", "\n#include \"scenarios/traces/none.hpp\"\n");
    CHECK(house::rooms_in_a_circle(tree.root()) ==
          Found{"scenarios/traces/row.hpp:1: includes \"scenarios/documents/text.hpp\", which leads back to "
                "scenarios/traces/"});
}

TEST_CASE("a file one line too long, a header without a guard and unfinished work are found") {
    const PlantedTree tree;
    tree.write("sim/fits.cpp", std::string(house::most_lines, '\n'));
    tree.write("sim/long.cpp", std::string(house::most_lines + 1, '\n'));
    tree.write("sim/bare.hpp", "struct Bare {};\n");
    tree.write("sim/half.cpp",
               "int answer();\n// TO"
               "DO: the answer\n");
    CHECK(house::untidy_files(tree.root()) ==
          Found{"sim/bare.hpp: has no #pragma once", "sim/half.cpp:2: leaves something to be done",
                "sim/long.cpp: has 601 lines, allowed: at most 600; split it along an idea"});
}

TEST_CASE("a folder without a README and one with a book for a README are found") {
    const PlantedTree tree;
    tree.write("models/time.hpp", "");
    tree.write("sim/README.md", "# sim\n");
    tree.write("cli/README.md", std::string(61, '\n'));
    CHECK(house::missing_readmes(tree.root()) ==
          Found{"models/: has no README.md", "cli/README.md: is longer than a screen (60 lines)"});
}

TEST_CASE("a gallery folder without its scenario is found") {
    const PlantedTree tree;
    tree.write("scenarios/gallery/whole/README.md", "");
    tree.write("scenarios/gallery/whole/scenario.yaml", "");
    tree.write("scenarios/gallery/half/README.md", "");
    CHECK(house::unfinished_gallery(tree.root()) == Found{"scenarios/gallery/half/: has no scenario.yaml"});
}

TEST_CASE("the floors exist, so that the rules below have something to look at") {
    for (const std::string& floor : house::floors) CHECK(fs::is_directory(source_root / floor));
}
TEST_CASE("includes go down the house") { CHECK(house::includes_that_climb(source_root) == Found{}); }
TEST_CASE("no header includes itself by a detour") {
    CHECK(house::includes_in_a_circle(source_root) == Found{});
}
TEST_CASE("no room of a floor includes itself by a detour") { CHECK(house::rooms_in_a_circle(source_root) == Found{}); }
TEST_CASE("files are short and headers guarded") { CHECK(house::untidy_files(source_root) == Found{}); }
TEST_CASE("every folder says what lives in it") { CHECK(house::missing_readmes(source_root) == Found{}); }
TEST_CASE("every gallery scenario is whole") { CHECK(house::unfinished_gallery(source_root) == Found{}); }
