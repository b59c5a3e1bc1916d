// What a plan may turn, and manifests written back: as YAML, in place, as a kustomization.
#include "scenarios/documents/document_writer.hpp"
#include "scenarios/search/changed_manifests.hpp"
#include "scenarios/search/knobs.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace windtunnel;

namespace {

Scenario demo(const std::vector<std::string>& assignments = {}) {
    ScenarioInputs inputs;
    inputs.scenario_file = WINDTUNNEL_SOURCE_DIR "/scenarios/gallery/chat-on-l4/scenario.yaml";
    inputs.assignments = assignments;
    std::istringstream none;
    auto scenario = read_scenario(inputs, none);
    REQUIRE(scenario.ok());
    return std::move(*scenario);
}

std::vector<const Node*> roots(const std::vector<Document>& documents) {
    std::vector<const Node*> out;
    for (const Document& d : documents) out.push_back(&d.root);
    return out;
}

}  // namespace

TEST_CASE("knobs: the families' fields of the demo, the present values among them") {
    const Scenario s = demo();
    const auto usual = knobs_of(s, usual_knobs());
    REQUIRE(usual.size() == 3);
    CHECK(usual[0].paths[0] == "ScaledObject/chat:spec.minReplicaCount");
    CHECK(usual[1].paths[0] == "ScaledObject/chat:spec.triggers[0].metadata.threshold");
    CHECK(usual[2].name == "scale-down window");
    for (const Dimension& d : usual) {
        REQUIRE(d.present);
        CHECK(d.ordered());
    }
    CHECK(usual[0].choices[*usual[0].present].label == "4");
    CHECK(usual[1].choices[*usual[1].present].label == "12");
    CHECK(usual[2].choices[*usual[2].present].label == "600");
    // g6.xlarge has one L4: the others are the cheapest of each other GPU in us-east-1.
    const auto types = knobs_of(s, {"gpu"});
    REQUIRE(types.size() == 1);
    CHECK(types[0].paths[0] == "ClusterConfig/prod:managedNodeGroups[0].instanceType");
    CHECK(types[0].choices.size() > 3);
    CHECK(knobs_of(s, {"spot"}).size() == 1);
    CHECK(knobs_of(s, {"batch", "tp"}).size() == 2);
}

TEST_CASE("a document written as YAML reads back as the same document") {
    const std::string text =
        "a: \"12\"\nb: 12\nc: \"yes\"\nd: true\ne: null\nf: \"\"\ng: [1, two, {x: \"- no\"}, []]\nh: |\n  "
        "echo one\n  echo two\ni: \"a: b # c\"\n"
        "\"on\": 1\nj: {}\nk: --flag=3\nl: 0.25\nm: \"1e3\"\nn: \"'quoted'\"\no: 0x10\np: \"two\\n\\nlines "
        "\"\nq: '*'\nr: '{\"a\": 1}'\ns: \"~\"\nt: \"2024-01-01\"\n";
    const auto before = parse_documents(text, "before");
    REQUIRE(before.ok());
    const std::string written = to_yaml(before->front().root);
    const auto after = parse_documents(written, "after");
    INFO(written);
    REQUIRE(after.ok());
    CHECK(to_json(after->front().root) == to_json(before->front().root));
}

TEST_CASE("a value is changed where it stands, and comments stay") {
    const std::string text =
        "# top\na: 1 # one\nb:\n  - --max=64   # batch\n  - {c: \"12\", d: 'x'}\n---\ne: text\n";
    const auto before = parse_documents(text, "t");
    auto after = *before;
    after[0].root.find("a")->text = "20";
    after[0].root.find("a")->integer = 20;
    after[0].root.find("b")->children[0].text = "--max=128";
    after[0].root.find("b")->children[1].find("c")->text = "6";
    after[1].root.find("e")->text = "12";
    const auto edited = edited_text(text, roots(*before), roots(after));
    REQUIRE(edited);
    CHECK(*edited ==
          "# top\na: 20 # one\nb:\n  - --max=128   # batch\n  - {c: \"6\", d: 'x'}\n---\ne: \"12\"\n");
    after[0].root.find("b")->children.pop_back();
    CHECK_FALSE(edited_text(text, roots(*before), roots(after)));
}

TEST_CASE("changed manifests: only what changed is edited, and the kustomization says the same") {
    const Scenario before = demo(),
                   after = demo({"ScaledObject/chat:spec.minReplicaCount=2",
                                 "ScaledObject/chat:spec.triggers[0].metadata.threshold=6",
                                 "Deployment/chat:--max-num-seqs=32", "Deployment/chat:spec.replicas=3"});
    const auto files = changed_manifests(before, after);
    REQUIRE(files.ok());
    bool kept = false, added = false;
    for (const ManifestFile& f : *files) {
        if (f.path == "scaledobject.yaml") {
            CHECK(f.changed);
            CHECK(f.text.find("# Requests in the engines, running and waiting") != std::string::npos);
            CHECK(f.text.find("threshold: \"6\"") != std::string::npos);
            CHECK(f.text.find("minReplicaCount: 2\n") != std::string::npos);
            kept = true;
        }
        if (f.text.find("--max-num-seqs=32") != std::string::npos)
            added = f.text.find("replicas: 3") != std::string::npos;
    }
    CHECK(kept);
    CHECK(added);  // a field that was not there: the file is written anew

    // The patches, applied as kustomize would, make the changed documents.
    const std::string text = kustomization(before, after, {"workload.routing random → round-robin"});
    CHECK(text.find("# In the scenario, not in a manifest: workload.routing random → round-robin") !=
          std::string::npos);
    const auto parsed = parse_documents(text, "kustomization.yaml");
    INFO(text);
    REQUIRE(parsed.ok());
    const auto json = to_json(parsed->front().root);
    CHECK(json["kind"] == "Kustomization");
    REQUIRE(json["patches"].size() == 2);
    for (const auto& patch : json["patches"]) {
        const std::string kind = patch["target"]["kind"];
        CHECK(patch["target"]["namespace"] == "inference");
        if (kind == "ScaledObject") CHECK(patch["target"]["group"] == "keda.sh");
        const auto operations =
            to_json(parse_documents(patch["patch"].get<std::string>(), "patch")->front().root);
        for (std::size_t i = 0; i < before.manifests.documents.size(); ++i) {
            const Node& root = before.manifests.documents[i].root;
            if (root.text_at({"kind"}) == kind)
                CHECK(to_json(root).patch(operations) == to_json(after.manifests.documents[i].root));
        }
    }
}
