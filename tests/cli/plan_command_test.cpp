// plan, run as a person would run it, against sweeps that try everything.
#include "tests/support/small_demo.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace windtunnel;
using Json = nlohmann::ordered_json;
using program::has;

namespace {

/// The demo at three requests a second.
void planned_scenario(const program::Folder& folder) {
    program::small_demo(folder, 6);
    folder.replace("scenario.yaml", "rate_rps: 5", "rate_rps: 3");
}

const std::string two =
    "--vary ScaledObject/chat:spec.minReplicaCount=1:10:1 --vary "
    "'ScaledObject/chat:spec.triggers[0].metadata.threshold=4:26:2' ";
const std::string goals = "--set 'thresholds=[p99 ttft_ms < 1500, mean tpot_ms < 95]' ";

}  // namespace

TEST_CASE("plan: the optimum of a grid of 120 that a sweep tries to the last, from a tenth of it") {
    const program::Folder folder;
    planned_scenario(folder);
    for (const std::string& limits : {goals, std::string("--set 'thresholds=[p99 ttft_ms < 1400]' ")}) {
        const auto plan = program::windtunnel_in(
            folder.path(), "plan scenario.yaml -q --trials 8 --search-trials 2 -o json " + limits + two);
        INFO(plan.error);
        REQUIRE(plan.code == 0);
        const Json found = Json::parse(plan.out);
        CHECK(found["search"]["configurations"].get<int>() <= 12);
        // The finalists' futures are those behind the search's: trials 2 to 9.
        const auto sweep = program::windtunnel_in(
            folder.path(), "sweep scenario.yaml -q --first-trial 2 --trials 8 -o json " + limits + two);
        REQUIRE(sweep.code == 0);
        double optimum = 0, own = 0;
        const Json all = Json::parse(sweep.out);
        REQUIRE(all["results"].size() == 120);
        for (const Json& row : all["results"]) {
            const double cost = row["metrics"]["cost_per_month"]["value"];
            if (row["met_all"]["probability"].get<double>() >= 0.9 && (optimum == 0 || cost < optimum))
                optimum = cost;
            if (row["set"] == found["answer"]["set"]) own = cost;
        }
        CHECK(found["answer"]["metrics"]["cost_per_month"]["value"] == own);  // run again, exactly
        CHECK(own == optimum);
    }
}

TEST_CASE("plan: the changed manifests and the patch reproduce what the plan says") {
    const program::Folder folder;
    planned_scenario(folder);
    const std::string command = "plan scenario.yaml -q --trials 6 --search-trials 2 " + goals + two;
    const auto plan = program::windtunnel_in(folder.path(),
                                             command + "-o json -j1 --manifests-out changed --out plan.json");
    INFO(plan.error);
    REQUIRE(plan.code == 0);
    CHECK(folder.read("plan.json") == plan.out);
    CHECK(program::windtunnel_in(folder.path(), command + "-o json -j2").out == plan.out);
    const Json answer = Json::parse(plan.out)["answer"];
    const auto run = program::windtunnel_in(
        folder.path(), "run scenario.yaml -f changed -q -o json --first-trial 2 --trials 6 " + goals);
    INFO(run.error);
    REQUIRE(run.code == 0);
    const Json again = Json::parse(run.out);
    CHECK(again["latency"]["p99_ttft_ms"] == answer["metrics"]["p99_ttft_ms"]["value"]);
    CHECK(again["thresholds"][1]["value"] == answer["thresholds"][1]["value"]);
    CHECK(again["scenario"]["hash"] == answer["hash"]);
    CHECK(has(folder.read("changed/scaledobject.yaml"), "# Requests in the engines"));  // comments stay
    const auto patch = program::windtunnel_in(folder.path(), command + "-o patch");
    CHECK(patch.code == 0);
    CHECK(has(patch.out, "kind: Kustomization\n"));
    CHECK(has(patch.out, "path: \"/spec/minReplicaCount\""));
    const auto yaml = program::windtunnel_in(folder.path(), command + "-o yaml");
    CHECK(has(yaml.out, "# scaledobject.yaml\n"));
    CHECK_FALSE(has(yaml.out, "kind: Deployment"));  // unchanged
}

TEST_CASE("plan: no step from the answer is cheaper and holds, however little was searched; what is as cheap stays, what is asked twice counts once") {
    const program::Folder folder;
    planned_scenario(folder);
    const auto plan = program::windtunnel_in(
        folder.path(), "plan scenario.yaml -q --trials 6 --search-trials 2 -o json --budget 2 --set ScaledObject/chat:spec.minReplicaCount=9 --slo 'p99 ttft_ms<1500' --slo "
                       "'p99_ttft_ms < 1.5s' " +
                           goals + two);
    INFO(plan.error);
    REQUIRE(plan.code == 0);
    const Json found = Json::parse(plan.out);
    CHECK(found["objectives"].size() == 2);
    CHECK(found["search"]["configurations"] == 2);
    CHECK(found["finalists"].size() > 1);  // it went on from what there is
    CHECK(found["answer"]["metrics"]["cost_per_month"]["value"] < found["now"]["metrics"]["cost_per_month"]["value"]);
    std::size_t dearer = 0;
    for (const Json& step : found["sensitivity"]) {
        if (!step["feasible"]) continue;
        CHECK(step["change"] >= 0);
        ++dearer;
    }
    CHECK(dearer > 0);
    // Any threshold from 12 to 18 costs the same with six replicas: it stays at 12.
    REQUIRE(found["changes"].size() == 1);
    CHECK(found["changes"][0]["path"] == "spec.minReplicaCount");
}

TEST_CASE("plan: what it says to people, and of a clairvoyant") {
    const program::Folder folder;
    planned_scenario(folder);
    const auto plan = program::windtunnel_in(
        folder.path(),
        "plan scenario.yaml --no-progress --color never --trials 6 --search-trials 2 --slo 'p99 ttft_ms < "
        "1500' --set 'thresholds=[]' --over floor,threshold --out plan.json");
    INFO(plan.out << plan.error);
    REQUIRE(plan.code == 0);
    for (const char* part : {" Plan       chat-on-l4", " Searched   ", "USD/month", "in 6 of 6 futures",
                             " Binds      p99 ttft_ms < 1500", " Sensitive  ",
                             " Perfect    an autoscaler that knows the future", "-o patch"})
        CHECK(has(plan.out, part));
    const Json json = Json::parse(folder.read("plan.json"));
    const Json& perfect = json["perfect_autoscaler"];
    // Nobody does with less: neither the answer nor any replica count that holds when it is fixed.
    CHECK(perfect["usd"].get<double>() / 1200 * 3600 * 730 <=
          json["answer"]["metrics"]["cost_per_month"]["value"].get<double>());
    CHECK(perfect["gpus_mean"].get<double>() > 0.5);
    CHECK(perfect["gpus"].size() == 4);
    for (int replicas = 1; replicas <= 8; ++replicas) {
        const std::string n = std::to_string(replicas);
        const auto fixed =
            program::windtunnel_in(folder.path(),
                                   "run scenario.yaml -q -o json --set 'thresholds=[p99 ttft_ms < 1500]' "
                                   "--set workload.initial_replicas=" +
                                       n + " --set ScaledObject/chat:spec.minReplicaCount=" + n +
                                       " --set ScaledObject/chat:spec.maxReplicaCount=" + n);
        INFO(fixed.error);
        REQUIRE(fixed.code == 0);
        if (Json::parse(fixed.out)["thresholds"][0]["verdict"] != "pass") continue;
        CHECK(perfect["gpus_mean"].get<double>() <= replicas);
        break;
    }
}

TEST_CASE(
    "plan: without a feasible configuration it says so, shows the nearest and ends with 1; interrupted with "
    "130") {
    const program::Folder folder;
    planned_scenario(folder);
    const auto none = program::windtunnel_in(folder.path(),
                                             "plan scenario.yaml -q --color never --trials 4 --search-trials "
                                             "2 --set 'thresholds=[p99 ttft_ms < 1]' " +
                                                 two);
    INFO(none.out << none.error);
    CHECK(none.code == 1);
    CHECK(has(none.out, "✗ none of the configurations tried meets the objectives"));
    CHECK(has(none.out, "nearest: "));
    CHECK(has(none.out, "no number of replicas meets p99 ttft_ms < 1"));
    const std::string stopped = "cd '" + folder.path().string() +
                                "' && timeout --preserve-status -s INT 1 " WINDTUNNEL_PROGRAM
                                " plan scenario.yaml -q --search-trials 200 " +
                                goals + two + "--out kept.json >out 2>error; echo $? >code";
    REQUIRE(std::system(stopped.c_str()) == 0);
    CHECK(folder.read("code") == "130\n");
    CHECK(has(folder.read("error"), "interrupted: "));
    CHECK(Json::parse(folder.read("kept.json"))["complete"] == false);
}

TEST_CASE("plan: killed or interrupted it goes on from its checkpoint, and says the same bytes") {
    const program::Folder folder;
    planned_scenario(folder);
    const std::string plan = "plan scenario.yaml -q --trials 6 --search-trials 2 -o json " + goals + two;
    const auto whole = program::windtunnel_in(folder.path(), plan);
    REQUIRE(whole.code == 0);
    // Killed as soon as three configurations are kept.
    folder.write("kill.sh", WINDTUNNEL_PROGRAM " " + plan +
                                "--checkpoint kept >/dev/null 2>&1 & job=$!\n"
                                "for i in $(seq 3000); do [ \"$(cat kept 2>/dev/null | wc -l)\" -ge 4 ] && "
                                "break; sleep 0.01; done\n"
                                "kill -KILL $job\n"
                                "wait $job\n");
    CHECK(std::system(("cd '" + folder.path().string() + "' && bash kill.sh 2>/dev/null").c_str()) != 0);
    const std::string kept = folder.read("kept");
    REQUIRE(std::count(kept.begin(), kept.end(), '\n') >= 4);
    folder.write("kept", kept + "{\"stage\": \"sea");  // a line that was being written
    const auto again = program::windtunnel_in(folder.path(), plan + "--checkpoint kept");
    INFO(again.error);
    CHECK(again.code == 0);
    CHECK(again.out == whole.out);
    CHECK(folder.read("kept").starts_with(kept));
    // Asked once more it runs nothing.
    const std::string all = folder.read("kept");
    CHECK(program::windtunnel_in(folder.path(), plan + "--checkpoint kept").out == whole.out);
    CHECK(folder.read("kept") == all);
    const auto other = program::windtunnel_in(folder.path(), plan + "--seed 5 --checkpoint kept");
    CHECK(other.code == 2);
    CHECK(has(other.error, "kept:1: found a plan with another seed, allowed: another file"));
    CHECK(has(program::windtunnel_in(folder.path(), plan + "--checkpoint scenario.yaml").error,
              "scenario.yaml"));
}

TEST_CASE("plan: bad input is one clear error") {
    const program::Folder folder;
    planned_scenario(folder);
    const auto error_of = [&](const std::string& flags) {
        const auto ended = program::windtunnel_in(folder.path(), "plan scenario.yaml -q --trials 2 " + flags);
        INFO(flags << ": " << ended.error);
        CHECK(ended.code == 2);
        CHECK(std::count(ended.error.begin(), ended.error.end(), '\n') == 1);
        return ended.error;
    };
    CHECK(has(error_of("--set 'thresholds=[]'"), "--slo EXPR"));
    CHECK(has(error_of("--over floors"), "did you mean floor?"));
    CHECK(has(error_of("--over replicas"), "found nothing of replicas"));
    CHECK(has(error_of("--vary Deployment/chat:spec.replicas=0.5..2"), "LOW:HIGH:STEP"));
    CHECK(has(error_of("--slo 'p99 tft < 1'"), "--threshold"));
    CHECK(has(error_of("--manifests-out k8s"), "a folder that is empty"));
    CHECK(has(error_of("--budget 1"), "2 to 10000"));
    CHECK(has(error_of("--vary ScaledObject/chat:spec.minReplicaCoun=1,2"), "did you mean minReplicaCount?"));
}
