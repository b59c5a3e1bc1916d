// sweep, run as a person would run it.
#include "tests/support/small_demo.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace windtunnel;
using Json = nlohmann::ordered_json;
using program::has;

namespace {

/// The demo with room in its budget.
void small_scenario(const program::Folder& folder) {
    program::small_demo(folder);
    folder.replace("scenario.yaml", "cost_per_month < 5000 USD", "cost_per_month < 9000 USD");
}

const std::string grid =
    "sweep scenario.yaml -q --color never --vary ScaledObject/chat:spec.minReplicaCount=2,4,5 "
    "--vary 'ScaledObject/chat:spec.triggers[0].metadata.threshold=6,12' ";

std::size_t lines_of(const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("sweep: the same bytes for any number of threads, and each configuration as run would have it") {
    const program::Folder folder;
    small_scenario(folder);
    const auto one =
        program::windtunnel_in(folder.path(), grid + "--trials 3 -j1 -o json --out one.jsonl --csv one.csv");
    INFO(one.error);
    REQUIRE(one.code == 0);
    const auto two =
        program::windtunnel_in(folder.path(), grid + "--trials 3 -j2 -o json --out two.jsonl --csv two.csv");
    CHECK(one.out == two.out);
    CHECK(folder.read("one.jsonl") == folder.read("two.jsonl"));
    CHECK(folder.read("one.csv") == folder.read("two.csv"));
    CHECK(lines_of(folder.read("one.jsonl")) == 7);
    CHECK(lines_of(folder.read("one.csv")) == 7);
    const Json sweep = Json::parse(one.out);
    REQUIRE(sweep["results"].size() == 6);
    const auto alone = program::windtunnel_in(
        folder.path(),
        "run scenario.yaml -q -o json --trials 3 --set ScaledObject/chat:spec.minReplicaCount=4 --set "
        "'ScaledObject/chat:spec.triggers[0].metadata.threshold=\"12\"'");
    const Json run = Json::parse(alone.out);
    const Json& row = sweep["results"][3];
    CHECK(row["values"]["minReplicaCount"] == 4);
    CHECK(row["values"]["threshold"] == 12);
    CHECK(row["metrics"]["p99_ttft_ms"]["value"] == run["latency"]["p99_ttft_ms"]);
    CHECK(row["thresholds"][0]["ci95"] == run["thresholds"][0]["ci95"]);
    CHECK(row["hash"] == run["scenario"]["hash"]);
}

TEST_CASE(
    "sweep: interrupted it says so, keeps what ran, and goes on to the bytes of a sweep that never stopped") {
    const program::Folder folder;
    small_scenario(folder);
    for (const std::string race : {"", "--race cost_per_month "}) {
        const std::string command = grid + race + "--trials 40 --out ";
        REQUIRE(program::windtunnel_in(folder.path(), command + "whole.jsonl --fresh").code == 0);
        std::filesystem::remove(folder.path() / "parts.jsonl");
        const std::string stopped = "cd '" + folder.path().string() +
                                    "' && timeout --preserve-status -s INT 0.4 " WINDTUNNEL_PROGRAM " " +
                                    command + "parts.jsonl >out 2>error; echo $? >code";
        REQUIRE(std::system(stopped.c_str()) == 0);
        std::string kept = folder.read("parts.jsonl");
        // On a loaded machine the signal may come before the program is up; then nothing was kept either.
        if (folder.read("code") == "130\n" && !kept.empty()) CHECK(has(folder.read("error"), "interrupted: "));
        // Killed while it wrote a line: the half line does not count.
        if (!kept.empty()) folder.write("parts.jsonl", kept + R"({"index":0,"values":{"minRep)");
        REQUIRE(std::system(stopped.c_str()) == 0);
        const auto rest = program::windtunnel_in(folder.path(), command + "parts.jsonl");
        INFO(rest.error);
        CHECK(rest.code == 0);
        CHECK(folder.read("parts.jsonl") == folder.read("whole.jsonl"));
    }
}

TEST_CASE("sweep: what cannot be run is said, and the others run; samples, tables and maps") {
    const program::Folder folder;
    small_scenario(folder);
    const auto ended = program::windtunnel_in(
        folder.path(),
        "sweep scenario.yaml -q --color never --trials 2 --vary Deployment/chat:--max-num-seqs=16,64 --vary "
        "Deployment/chat:--max-model-len=8192,999999");
    INFO(ended.out << ended.error);
    CHECK(ended.code == 0);
    CHECK(has(ended.out, "2 cannot be run"));
    CHECK(has(ended.out, "max-model-len: found 999999"));
    CHECK(has(ended.out, "--max-num-seqs \\ --max-model-len"));
    const auto sample =
        program::windtunnel_in(folder.path(),
                               "sweep scenario.yaml -q --trials 2 --vary "
                               "workload.synthetic.rate_rps=1.0..4.0 --design sobol --samples 5 -o csv");
    INFO(sample.error);
    CHECK(sample.code == 0);
    CHECK(lines_of(sample.out) == 6);
    CHECK(has(sample.out, "\n0,2.5,finished,2,"));  // the sequence begins in the middle
}

TEST_CASE("sweep: bad input is one clear error") {
    const program::Folder folder;
    small_scenario(folder);
    const auto error_of = [&](const std::string& flags) {
        const auto ended =
            program::windtunnel_in(folder.path(), "sweep scenario.yaml -q --trials 1 " + flags);
        INFO(flags << ": " << ended.error);
        CHECK(ended.code == 2);
        CHECK(lines_of(ended.error) == 1);
        return ended.error;
    };
    CHECK(has(error_of(""), "--vary: found none"));
    CHECK(has(error_of("--vary ScaledObject/chat:spec.minReplicaCoun=1,2"), "did you mean minReplicaCount?"));
    CHECK(has(error_of("--vary Deployment/cat:spec.replicas=1,2"), "did you mean Deployment/chat?"));
    CHECK(has(error_of("--vary seed=1,2"), "allowed: fields of the scenario"));
    CHECK(has(error_of("--vary Deployment/chat:spec.replicas=1.5..2"), "LOW:HIGH:STEP"));
    CHECK(has(error_of("--vary Deployment/chat:spec.replicas=1,2 --race speed"), "allowed: p99 ttft_ms"));
    CHECK(has(error_of("--vary Deployment/chat:spec.replicas=1,2 --samples 4"), "--design lhs"));
    CHECK(has(error_of("--vary Deployment/chat:spec.replicas=1,2 --out scenario.yaml"),
              "an input of this run as its output"));
    folder.write("other.jsonl", "{\"a\":1}\n");
    CHECK(has(error_of("--vary Deployment/chat:spec.replicas=1,2 --out other.jsonl"), "no sweep's"));
    REQUIRE(program::windtunnel_in(
                folder.path(),
                "sweep scenario.yaml -q --trials 1 --vary workload.routing=random,round-robin --out x.jsonl")
                .code == 0);
    CHECK(has(error_of("--vary workload.routing=random,round-robin --seed 2 --out x.jsonl"),
              "another seed: 1 there, 2 here"));
}
