#include "scenarios/documents/document.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "scenarios/documents/assignment.hpp"

using namespace windtunnel;
using Catch::Matchers::Contains;

namespace {

Node parse_one(const std::string& text) {
    auto documents = parse_documents(text, "a.yaml");
    if (!documents) FAIL(to_string(documents.problems()[0]));
    REQUIRE(documents->size() == 1);
    return documents->front().root;
}

/// The only problem of a text that must be refused.
Problem document_refusal(const std::string& text, const DocumentLimits& limits = {}) {
    auto documents = parse_documents(text, "a.yaml", limits);
    REQUIRE_FALSE(documents.ok());
    CHECK(documents.problems().size() == 1);
    CHECK(documents.problems()[0].where.file == "a.yaml");
    return documents.problems()[0];
}

std::string json_of(const std::string& text) { return to_json(parse_one(text)).dump(); }

}  // namespace

TEST_CASE("document: every value keeps the line and column where it stands") {
    const Node root = parse_one("# comment\nspec:\n  replicas: 3\n  list:\n    - name: a\n    - name: b\n");
    CHECK(root.find("spec")->find("replicas")->line == 3);
    CHECK(root.find("spec")->find("replicas")->column == 13);
    const Node& second = root.find("spec")->find("list")->children[1];
    CHECK(second.line == 6);
    CHECK(second.column == 7);
    CHECK(root.find("spec")->find("replicas")->integer == 3);
}

TEST_CASE("document: scalars mean what they mean to Kubernetes") {
    CHECK(json_of("[08, 010, 0x10, 1e3, .5, 1_000, -3, +4, 0o17, 0b11]") == "[8,8,16,1000.0,0.5,1000,-3,4,15,3]");
    CHECK(json_of("[on, yes, No, off, TRUE, y]") == "[true,true,false,false,true,true]");
    CHECK(json_of("['08', \"on\", '1e3', \"~\", !!str 5]") == R"(["08","on","1e3","~","5"])");
    CHECK(json_of("[null, ~, Null, , 3]") == "[null,null,null,null,3]");
    CHECK(json_of("[1.2.3, 1e, 0xZZ, 2026-01-02, 100m, 25%, 1:30]") == R"(["1.2.3","1e","0xZZ","2026-01-02","100m","25%","1:30"])");
    CHECK(json_of("a: 99999999999999999999") == R"({"a":1e+20})");
    CHECK(json_of("a: |\n  x\n  y\n") == R"({"a":"x\ny\n"})");
    CHECK(parse_one("a: 0.10").find("a")->text == "0.10");  // the digits stay, for exact decimals
}

TEST_CASE("document: a duplicate key is refused with both lines") {
    const Problem p = document_refusal("spec:\n  a: 1\n  b: 2\n  a: 3\n");
    CHECK(p.where.line == 4);
    CHECK_THAT(p.message, Contains("first in line 2"));
    CHECK(p.path == "a");
    document_refusal(R"({"a": 1, "a": 1})");
}

TEST_CASE("document: merge keys and aliases are resolved") {
    CHECK(json_of("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n") == R"({"base":{"x":1,"y":2},"use":{"y":3,"x":1}})");
    CHECK(json_of("a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc: {<<: [*a, *b]}\n") == R"({"a":{"x":1},"b":{"x":2,"z":3},"c":{"x":1,"z":3}})");
    CHECK(json_of("a: &v 5\nb: [*v, *v]\n") == R"({"a":5,"b":[5,5]})");
    CHECK(json_of("'<<': 1") == R"({"<<":1})");
    CHECK_THAT(document_refusal("a: {<<: 3}").message, Contains("allowed: a map or a list of maps"));
}

TEST_CASE("document: an alias bomb is refused before it expands") {
    std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 12; ++i) {
        const std::string name = "a" + std::to_string(i), before = "*a" + std::to_string(i - 1);
        bomb += name + ": &" + name + " [" + before;
        for (int k = 0; k < 9; ++k) bomb += ", " + before;
        bomb += "]\n";
    }
    CHECK_THAT(document_refusal(bomb).message, Contains("once aliases are expanded"));
    CHECK_THAT(document_refusal("a: &a [1, *a]").message, Contains("alias inside the very node"));
}

TEST_CASE("document: what is too deep or too large is refused") {
    CHECK_THAT(document_refusal(std::string(300, '[') + std::string(300, ']')).message, Contains("200 deep"));
    document_refusal(std::string(100'000, '['));
    std::string deep;
    for (int i = 0; i < 199; ++i) deep += '[';
    deep += "1";
    for (int i = 0; i < 199; ++i) deep += ']';
    parse_one(deep);
    DocumentLimits limits;
    limits.bytes = 10;
    CHECK_THAT(document_refusal("abcdefghijklmnop", limits).message, Contains("at most 10"));
    // Each alias adds its own depth: 150 + 150 is over 200.
    const std::string half(150, '['), close(150, ']');
    CHECK_THAT(document_refusal("a: &a " + half + close + "\nb: " + half + "*a" + close).message, Contains("deep"));
}

TEST_CASE("document: what is no text is one clear error") {
    CHECK_THAT(document_refusal(std::string("\x1F\x8B\x08zzz", 6)).message, Contains("gzip"));
    CHECK_THAT(document_refusal(std::string("\xFF\xFE{\0", 4)).message, Contains("UTF-16"));
    CHECK_THAT(document_refusal("a: 1\nb: \xC3(").message, Contains("not UTF-8"));
    CHECK(document_refusal("a: 1\nb: \xC3(").where.line == 2);
    CHECK_THAT(document_refusal(std::string("a: \0b", 5)).message, Contains("control character"));
    CHECK_THAT(document_refusal("\xED\xA0\x80").message, Contains("not UTF-8"));  // a surrogate
    CHECK(json_of("\xEF\xBB\xBF" "a: é") == "{\"a\":\"é\"}");            // a byte-order mark is fine
}

TEST_CASE("document: broken YAML says where, and what may be the cause") {
    CHECK(document_refusal("a: 1\nb: [1, 2\nc: 3\n").where.line >= 2);
    CHECK_THAT(document_refusal("a:\n\tb: 1\n").message, Contains("line 2 is indented with a tab"));
    CHECK_THAT(document_refusal("replicas: {{ .Values.replicas }}\n").message, Contains("helm template"));
    CHECK_THAT(document_refusal("{{- if .Values.on }}\na: 1\n{{- end }}\n").message, Contains("helm template"));
    CHECK_THAT(document_refusal("a: .nan").message, Contains("a finite number"));
    CHECK_THAT(document_refusal("a: [1e999]").message, Contains("a finite number"));
    CHECK_THAT(document_refusal("a: !Ref b").message, Contains("the tag !Ref"));
    CHECK_THAT(document_refusal("a: !!int x").message, Contains("tag"));
    CHECK_THAT(document_refusal("? [1, 2]\n: 3").message, Contains("a list as a key"));
    document_refusal("}");  // yaml-cpp itself would return empty documents for ever
    document_refusal("a: 1\n]\n");
    document_refusal("a: \"x\n");
    CHECK_THAT(document_refusal("- a\nb: 1\n").message, Contains("a second value"));
    CHECK(parse_documents("a: 1\n...\n# note\nb: 2\n", "a.yaml")->size() == 2);
    CHECK(parse_documents("a: 1\n--- # note\nb: 2\n", "a.yaml")->size() == 2);
    document_refusal("a: 'x\n\nb: 1\n");
    document_refusal("a: [1, 2\n");
    CHECK(json_of("a: |+\n  x\n\n") == R"({"a":"x\n\n"})");
    CHECK(json_of("a: |\n  x") == R"({"a":"x\n"})");
}

TEST_CASE("document: JSON is read as it is, tabs and surrogate pairs included") {
    CHECK(json_of("{\n\t\"a\":\t[1,\t{\"b\":\"x\\ty\"}]\n}") == R"({"a":[1,{"b":"x\ty"}]})");
    CHECK(json_of(R"({"smile":"\ud83d\ude00\/"})") == "{\"smile\":\"\xF0\x9F\x98\x80/\"}");
    const Node root = parse_one("{\n\t\"a\": 1,\n\t\"b\": true\n}");
    CHECK(root.find("b")->line == 3);
}

TEST_CASE("document: streams lose their empty documents and lists become their items") {
    auto documents = parse_documents("---\n# nothing\n---\na: 1\n---\nkind: List\nitems:\n- {kind: X}\n- {kind: Z}\n---\n", "a.yaml");
    REQUIRE(documents.ok());
    REQUIRE(documents->size() == 3);
    CHECK((*documents)[2].root.text_at({"kind"}) == "Z");
    CHECK((*documents)[2].root.line == 9);
    CHECK_FALSE(parse_documents("kind: List\nitems: 3\n", "a.yaml").ok());
}

TEST_CASE("document: folders are read recursively in order, and what is missing is named") {
    namespace fs = std::filesystem;
    const fs::path folder = fs::path(WINDTUNNEL_BINARY_DIR) / "document_test";
    fs::remove_all(folder);
    fs::create_directories(folder / "b" / ".git");
    const auto write = [&](const char* name, const char* text) { std::ofstream(folder / name) << text; };
    write("c.yaml", "n: 3");
    write("a.json", "{\"n\": 1}");
    write("b/x.yml", "n: 2");
    write("b/.git/y.yaml", "n: 99");
    write("notes.txt", "not: read");
    std::istringstream in("n: 4\n");
    auto documents = read_documents({folder.string(), "-"}, in);
    REQUIRE(documents.ok());
    std::string order;
    for (const Document& d : *documents) order += std::to_string(d.root.find("n")->integer);
    CHECK(order == "1234");
    CHECK(documents->back().file == "<stdin>");

    write("empty.yaml", "# only a comment\n");
    write("bad.yaml", "a: [\n");
    auto broken = read_documents({(folder / "empty.yaml").string(), (folder / "gone.yaml").string(), (folder / "bad.yaml").string()}, in);
    REQUIRE_FALSE(broken.ok());
    REQUIRE(broken.problems().size() == 3);
    CHECK_THAT(broken.problems()[0].message, Contains("holds no document"));
    CHECK_THAT(broken.problems()[1].message, Contains("no such file"));
}

TEST_CASE("assignment: --set changes scenario paths, objects, and items by name") {
    Node root = parse_one("thresholds: [a, b]\nworkload: {synthetic: {rate_rps: 1}}\nlist:\n- name: one\n  v: 1\n- name: two\n  v: 2\n");
    const auto set = [&](const std::string& text, bool parents = false) {
        auto assignment = parse_assignment(text);
        REQUIRE(assignment.ok());
        return assign(root, *assignment, parents);
    };
    CHECK_FALSE(set("thresholds[1]=p99 ttft_ms < 5"));
    CHECK_FALSE(set("thresholds[2]=c"));
    CHECK_FALSE(set("workload.synthetic.rate_rps=2.5"));
    CHECK_FALSE(set("list[two].v={x: [1]}"));
    CHECK_FALSE(set("goodput.ttft_ms=500", true));
    CHECK(to_json(root).dump() ==
          R"({"thresholds":["a","p99 ttft_ms < 5","c"],"workload":{"synthetic":{"rate_rps":2.5}},"list":[{"name":"one","v":1},{"name":"two","v":{"x":[1]}}],"goodput":{"ttft_ms":500}})");
    CHECK(root.find("workload")->find("synthetic")->find("rate_rps")->line == 2);

    CHECK_THAT(set("workload.sinthetic.x=1")->message, Contains("did you mean synthetic"));
    CHECK_THAT(set("list[three].v=1")->message, Contains("no item list[three]"));
    CHECK_THAT(set("thresholds[9]=x")->message, Contains("the list has 3"));
    CHECK_THAT(set("thresholds.a=x")->message, Contains("found a list at thresholds"));
    CHECK_FALSE(parse_assignment("nothing").ok());
    CHECK_FALSE(parse_assignment("a..b=1").ok());
    CHECK_FALSE(parse_assignment("a[=1").ok());
}

TEST_CASE("assignment: an object is found by kind and name, or the nearest is proposed") {
    auto documents = parse_documents("kind: Deployment\nmetadata: {name: chat}\nspec: {template: {spec: {containers: [{name: vllm, args: [a, b]}]}}}\n", "d.yaml");
    REQUIRE(documents.ok());
    std::vector<Assignment> assignments;
    for (const char* text : {"Deployment/chat:spec.replicas=3", "Deployment/chat:spec.template.spec.containers[vllm].args[1]=--max-num-seqs=8",
                             "Deployment/chat:metadata.annotations.\"windtunnel.dev/model\"=m"})
        assignments.push_back(*parse_assignment(text));
    CHECK(assign_to_objects(*documents, assignments).empty());
    const Node& root = documents->front().root;
    CHECK(root.find("spec")->find("replicas")->integer == 3);
    CHECK(root.find("spec")->find("template")->find("spec")->find("containers")->children[0].find("args")->children[1].text == "--max-num-seqs=8");
    CHECK(root.find("metadata")->find("annotations")->find("windtunnel.dev/model")->text == "m");
    const Problems wrong = assign_to_objects(*documents, {*parse_assignment("Deployment/chta:spec.replicas=3")});
    REQUIRE(wrong.size() == 1);
    CHECK_THAT(wrong[0].message, Contains("did you mean Deployment/chat"));
}
