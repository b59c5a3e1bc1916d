// What --vary says, and the points of a space; flags in lists of arguments.
#include "scenarios/documents/argument_flags.hpp"
#include "scenarios/documents/assignment.hpp"
#include "scenarios/search/search_space.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

using namespace windtunnel;

namespace {

std::vector<std::string> labels(const std::string& text) {
    const auto d = parse_dimension(text);
    std::vector<std::string> out;
    if (!d) return {"refused: " + d.problems()[0].message};
    for (const Choice& c : d->choices) out.push_back(c.label);
    return out;
}

bool refused(const std::string& text) { return !parse_dimension(text).ok(); }

std::vector<std::string> args_after(const std::string& list, const std::string& flag,
                                    const std::string& value) {
    auto document = parse_documents("args: " + list + "\nvalue: " + value, "test");
    REQUIRE(document.ok());
    Node& root = document->front().root;
    const auto wrong = set_flag(*root.find("args"), flag, *root.find("value"));
    if (wrong) return {"refused"};
    std::vector<std::string> out;
    for (const Node& n : root.find("args")->children) out.push_back(n.text);
    return out;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("vary: lists, steps, ratios and units become values") {
    CHECK(labels("a.b=1,2,4") == Words{"1", "2", "4"});
    CHECK(labels("a.b=2:8:3") == Words{"2", "5", "8"});
    CHECK(labels("a.b=2:4") == Words{"2", "3", "4"});
    CHECK(labels("a.b=8:64:*2") == Words{"8", "16", "32", "64"});
    CHECK(labels("a.b=0.1:0.5:0.1") == Words{"0.1", "0.2", "0.3", "0.4", "0.5"});
    CHECK(labels("a.b=30s:90s:30s") == Words{"30s", "60s", "90s"});
    CHECK(labels("a.b=1,4:8:2,none") == Words{"1", "4", "6", "8", "none"});
    CHECK(labels("a.b={x: 1, y: 2},[1, 2],\"6\"") == Words{"{x: 1, y: 2}", "[1, 2]", "6"});
    // What only looks like steps is text: an image's tag, a time of day.
    CHECK(labels("a.b=vllm:v1,vllm:v2") == Words{"vllm:v1", "vllm:v2"});
    for (const char* wrong : {"a", "a=", "=1", "a=1,1", "a=8:2:1", "a=0:8:*2", "a=1s:5m:1s", "a=1:9:0",
                              "a=2..1", "a=1..4,7", "a..b=1", "a=1,,2", "a=0:1000000000:1"})
        CHECK(refused(wrong));
}

TEST_CASE(
    "vary: one value may go to several paths, and a dimension is named by its last word or its own name") {
    const auto d =
        parse_dimension("HorizontalPodAutoscaler/chat:spec.minReplicas & cluster.pools[0].min=2,3");
    REQUIRE(d.ok());
    CHECK(d->choices[1].assignments ==
          Words{"HorizontalPodAutoscaler/chat:spec.minReplicas=3", "cluster.pools[0].min=3"});
    CHECK(d->ordered());
    std::vector<Dimension> space{*d, *parse_dimension("Deployment/chat:--max-num-seqs=8,16"),
                                 *parse_dimension("floor:=a.b=x,y")};
    REQUIRE(finish_space(space, "--vary").empty());
    CHECK(space[0].name == "minReplicas");
    CHECK(space[1].name == "--max-num-seqs");
    CHECK(space[2].name == "floor");
    CHECK_FALSE(space[2].ordered());
    std::vector<Dimension> same{*parse_dimension("A/x:spec.n=1,2"), *parse_dimension("A/y:spec.n=1,2")};
    REQUIRE(finish_space(same, "--vary").empty());
    CHECK(same[0].name == "A/x:spec.n");
    std::vector<Dimension> twice{*parse_dimension("a=1,2"), *parse_dimension("a=3")};
    CHECK_FALSE(finish_space(twice, "--vary").empty());
}

TEST_CASE("a grid holds every combination once, the last dimension fastest") {
    const std::vector<Dimension> space{*parse_dimension("a=1,2"), *parse_dimension("b=x,y,z")};
    const auto points = sample_space(space, SpaceDesign::grid, 0, 0);
    REQUIRE(points.size() == 6);
    CHECK(grid_size(space) == 6);
    CHECK(points[0].assignments() == Words{"a=1", "b=x"});
    CHECK(points[1].assignments() == Words{"a=1", "b=y"});
    CHECK(points[5].assignments() == Words{"a=2", "b=z"});
}

TEST_CASE("a Latin hypercube has one point in each of its strata, in every dimension") {
    const std::vector<Dimension> space{*parse_dimension("a=0.0..1.0"), *parse_dimension("b=10.0..1000.0:log"),
                                       *parse_dimension("c=1,2,3,4")};
    const auto points = sample_space(space, SpaceDesign::latin_hypercube, 20, 7);
    REQUIRE(points.size() == 20);
    std::set<int> a, b;
    std::map<std::string, int> c;
    for (const SpacePoint& p : points) {
        a.insert(static_cast<int>(*p.choices[0].number * 20));
        b.insert(static_cast<int>(std::log10(*p.choices[1].number / 10) / 2 * 20));
        ++c[p.choices[2].label];
    }
    CHECK(a.size() == 20);
    CHECK(b.size() == 20);
    for (const char* label : {"1", "2", "3", "4"}) CHECK(c[label] == 5);  // 20 strata over 4 values
    // Another seed, another hypercube; the same seed, the same.
    CHECK(sample_space(space, SpaceDesign::latin_hypercube, 20, 7)[3].assignments() ==
          points[3].assignments());
    CHECK(sample_space(space, SpaceDesign::latin_hypercube, 20, 8)[3].assignments() !=
          points[3].assignments());
}

TEST_CASE("Sobol points are those of the literature, and coincide nowhere") {
    // Joe and Kuo's sequence behind its origin: (1/2, 1/2), (3/4, 1/4), (1/4, 3/4), (3/8, 3/8).
    const std::vector<Dimension> space{*parse_dimension("a=0.0..1.0"), *parse_dimension("b=0.0..1.0")};
    const auto points = sample_space(space, SpaceDesign::sobol, 4, 0);
    const double expected[4][2] = {{0.5, 0.5}, {0.75, 0.25}, {0.25, 0.75}, {0.375, 0.375}};
    for (int i = 0; i < 4; ++i)
        for (int d = 0; d < 2; ++d)
            CHECK(*points[static_cast<std::size_t>(i)].choices[static_cast<std::size_t>(d)].number ==
                  expected[i][d]);
    const std::vector<Dimension> few{*parse_dimension("a=1,2"), *parse_dimension("b=1..2")};
    CHECK(sample_space(few, SpaceDesign::sobol, 64, 0).size() == 4);
}

TEST_CASE("a space file names choices that change several fields") {
    const std::string file = "space_test.yaml";
    std::ofstream(file) << "vary:\n- name: gpu\n  choices:\n    l4: {Deployment/chat:--tensor-parallel-size: "
                           "1, 'cluster.pools[0].instance_type': g6.xlarge}\n"
                           "    l40s: {'cluster.pools[0].instance_type': g6e.xlarge}\n- path: a.b\n  values: "
                           "[\"6\", 12, x y]\n- {path: c, values: 1:3:1}\n";
    const auto space = read_space_file(file);
    REQUIRE(space.ok());
    REQUIRE(space->size() == 3);
    CHECK((*space)[0].choices[0].assignments ==
          Words{"Deployment/chat:--tensor-parallel-size=1", "cluster.pools[0].instance_type=g6.xlarge"});
    CHECK((*space)[1].choices[0].assignments == Words{"a.b=\"6\""});
    CHECK((*space)[1].choices[1].assignments == Words{"a.b=12"});
    CHECK((*space)[1].choices[2].label == "x y");
    CHECK((*space)[2].choices.size() == 3);
    for (const char* wrong : {"vary: []", "vary: [{path: a}]", "vary: [{path: a, values: [1], choice: {}}]",
                              "vary: [{choices: {a: {}}}]", "vary: [{path: a, values: [1, 1]}]", "x: 1"}) {
        std::ofstream(file) << wrong;
        CHECK_FALSE(read_space_file(file).ok());
    }
    std::remove(file.c_str());
}

TEST_CASE("a flag in a list of arguments keeps its way of being written") {
    CHECK(args_after("[--a=1, --max-num-seqs=64]", "--max-num-seqs", "32") ==
          Words{"--a=1", "--max-num-seqs=32"});
    CHECK(args_after("[--max-num-seqs, '64', --b]", "--max-num-seqs", "32") ==
          Words{"--max-num-seqs", "32", "--b"});
    CHECK(args_after("[--a]", "--max-num-seqs", "32") == Words{"--a", "--max-num-seqs=32"});
    CHECK(args_after("[--eager, --b]", "--eager", "false") == Words{"--b"});
    CHECK(args_after("[--max-num-seqs, '64', --b]", "--max-num-seqs", "null") == Words{"--b"});
    CHECK(args_after("[--b]", "--eager", "true") == Words{"--b", "--eager"});
    CHECK(args_after("[--b]", "--eager", "false") == Words{"--b"});
    // --max-num-seqs is no part of --max-num-seqs-per-host.
    CHECK(args_after("[--max-num-seqs-per-host=1]", "--max-num-seqs", "2") ==
          Words{"--max-num-seqs-per-host=1", "--max-num-seqs=2"});
    CHECK(args_after("[-c, 'vllm serve x --max-num-seqs 64 --b']", "--max-num-seqs", "32") ==
          Words{"-c", "vllm serve x --max-num-seqs 32 --b"});
    CHECK(args_after("[-c, 'vllm serve x --max-num-seqs=64']", "--max-num-seqs", "32") ==
          Words{"-c", "vllm serve x --max-num-seqs=32"});
    CHECK(args_after("[-c, 'vllm serve x']", "--max-num-seqs", "32") == Words{"refused"});
}

TEST_CASE("an assignment finds the container that a flag is for, and a quoted number stays quoted") {
    auto documents = parse_documents(
        "kind: Deployment\nmetadata: {name: chat}\nspec: {template: {spec: {containers: [{name: proxy, args: "
        "[--x]}, "
        "{name: vllm, resources: {limits: {nvidia.com/gpu: 1}}}]}}, replicas: 2, note: \"12\"}\n",
        "test");
    REQUIRE(documents.ok());
    std::vector<Assignment> assignments;
    for (const char* text : {"Deployment/chat:--max-num-seqs=32", "Deployment/chat.spec.replicas=5",
                             "Deployment/chat:spec.note=6",
                             "Deployment/chat:spec.template.spec.containers[proxy].args[--x]=1"}) {
        auto a = parse_assignment(text);
        REQUIRE(a.ok());
        assignments.push_back(std::move(*a));
    }
    REQUIRE(assign_to_objects(*documents, assignments).empty());
    const auto json = to_json(documents->front().root);
    CHECK(json["spec"]["template"]["spec"]["containers"][1]["args"] ==
          nlohmann::ordered_json::array({"--max-num-seqs=32"}));
    CHECK(json["spec"]["template"]["spec"]["containers"][0]["args"] ==
          nlohmann::ordered_json::array({"--x=1"}));
    CHECK(json["spec"]["replicas"] == 5);
    CHECK(json["spec"]["note"] == "6");
}
