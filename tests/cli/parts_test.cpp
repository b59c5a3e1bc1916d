// Parts of a run: --shard, --checkpoint and merge, run as a person or a cluster would run them.
#include "tests/support/small_demo.hpp"

#include <yaml-cpp/yaml.h>
#include <algorithm>

using namespace windtunnel;
using program::has;
using program::small_demo;

namespace {

program::Ended in(const program::Folder& folder, const std::string& arguments) {
    return program::windtunnel_in(folder.path(), arguments);
}

std::string shard(int index, int count, const std::string& more = "") {
    return "run scenario.yaml -q --trials 10 --shard " + std::to_string(index) + "/" + std::to_string(count) + " --out p" +
           std::to_string(index) + " " + more;
}

/// Runs a command in the background and kills it without notice once `file` has `lines` lines.
void kill_after(const program::Folder& folder, const std::string& arguments, const std::string& file, int lines,
                const std::string& signal = "KILL") {
    const std::string command = "cd '" + folder.path().string() + "' && { " WINDTUNNEL_PROGRAM " " + arguments +
                                " >/dev/null 2>&1 & pid=$!; for i in $(seq 3000); do [ \"$(cat " + file +
                                " 2>/dev/null | wc -l)\" -ge " + std::to_string(lines) +
                                " ] && break; sleep 0.01; done; kill -" + signal + " $pid; wait $pid; true; }";
    REQUIRE(std::system(("bash -c '" + [&] {
                            std::string quoted;
                            for (const char c : command) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
                            return quoted;
                        }() + "' 2>/dev/null").c_str()) == 0);
}

}  // namespace

TEST_CASE("merge: the parts of a run give the bytes of the whole, whatever their number, order and threads") {
    const program::Folder folder;
    small_demo(folder);
    const program::Ended whole = in(folder, "run scenario.yaml -q -o json --trials 10 --out whole.json");
    INFO(whole.error);
    REQUIRE(whole.code == 0);
    for (const int count : {1, 3, 7, 12}) {  // of twelve parts of ten trials two are empty
        std::string parts;
        for (int i = 0; i < count; ++i) {
            const program::Ended part = in(folder, shard(i, count, i % 2 == 0 ? "-j 1" : "-j 2"));
            INFO(part.error);
            REQUIRE(part.code == 0);
            CHECK(part.out.empty());
            parts = "p" + std::to_string(i) + " " + parts;
        }
        const program::Ended merged = in(folder, "merge " + parts + "--out merged.json");
        INFO(count << " parts: " << merged.error);
        REQUIRE(merged.code == 0);
        CHECK(folder.read("merged.json") == folder.read("whole.json"));
        CHECK(in(folder, "merge " + parts).out == folder.read("whole.json"));
        for (int i = 0; i < count; ++i) std::filesystem::remove(folder.path() / ("p" + std::to_string(i)));
    }
}

TEST_CASE("merge: a part that is missing, there twice, cut off or of another run is named") {
    const program::Folder folder;
    small_demo(folder);
    for (int i = 0; i < 3; ++i) REQUIRE(in(folder, shard(i, 3)).code == 0);
    const program::Ended missing = in(folder, "merge p0 p2");
    CHECK(missing.code == 2);
    CHECK(has(missing.error, "found no part 1 of 3"));
    const program::Ended twice = in(folder, "merge p0 p1 p1 p2");
    CHECK(twice.code == 2);
    CHECK(has(twice.error, "p1: shard: found part 1 of 3, which is p1 already"));

    // Of another seed, another scenario, another number of trials, parts or version.
    REQUIRE(in(folder, shard(1, 3, "--seed 2 --out seed")).code == 0);
    REQUIRE(in(folder, shard(1, 3, "--set workload.initial_replicas=6 --out scenario")).code == 0);
    REQUIRE(in(folder, shard(1, 3, "--trials 11 --out trials")).code == 0);
    REQUIRE(in(folder, shard(1, 4, "--out count")).code == 0);
    folder.write("older", folder.read("p1"));
    folder.replace("older", "\"version\":\"", "\"version\":\"9.");
    const std::pair<const char*, const char*> foreign[] = {{"seed", "seed: seed: found 2, which is another run's, allowed: 1"},
                                                           {"scenario", "scenario: scenario.hash: found "},
                                                           {"trials", "trials: trials: found 11"},
                                                           {"count", "count: shard.count: found 4 parts"},
                                                           {"older", "older: version: found 9."}};
    for (const auto& [file, message] : foreign) {
        const program::Ended ended = in(folder, std::string("merge p0 p2 ") + file + " --out never.json");
        INFO(ended.error);
        CHECK(ended.code == 2);
        CHECK(has(ended.error, message));
        CHECK_FALSE(std::filesystem::exists(folder.path() / "never.json"));
    }
    // All of another version: made by a program whose results this one does not know.
    for (const char* p : {"p0", "p1", "p2"}) folder.replace(p, "\"version\":\"", "\"version\":\"9.");
    CHECK(in(folder, "merge p0 p1 p2").code == 2);

    std::string text = folder.read("trials");
    folder.write("trials", text.substr(0, text.rfind("{\"end\"")));
    const program::Ended cut = in(folder, "merge trials");
    CHECK(cut.code == 2);
    CHECK(has(cut.error, "it was stopped"));
    folder.write("line", text.replace(text.find("\"completed\""), 11, "\"complete\""));
    CHECK(has(in(folder, "merge line").error, "line:2: found a line that no part of a run holds there"));
    CHECK(has(in(folder, "merge scenario.yaml").error, "found no part of a run"));
    CHECK(has(in(folder, "merge nowhere").error, "cannot be read"));
    CHECK(in(folder, "merge").code == 2);
}

TEST_CASE("shard: what cannot be divided is refused, and a part does not overwrite another run's") {
    const program::Folder folder;
    small_demo(folder);
    for (const char* bad : {"3/3", "1", "a/b", "1/0", "-1/3", "1/3x", ""})
        CHECK(in(folder, "run scenario.yaml --out p --shard '" + std::string(bad) + "'").code == 2);
    CHECK(has(in(folder, "run scenario.yaml --shard 0/2").error, "allowed: with --out FILE"));
    CHECK(in(folder, "run scenario.yaml --shard 0/2 --out p --precision 2%").code == 2);
    CHECK(in(folder, "run scenario.yaml --shard 0/2 --out p --requests r.csv").code == 2);
    CHECK(in(folder, "run scenario.yaml --shard 0/2 --out p --checkpoint c").code == 2);
    REQUIRE(in(folder, shard(0, 2, "--out p")).code == 0);
    const std::string before = folder.read("p");
    const program::Ended other = in(folder, shard(0, 2, "--out p --seed 2"));
    CHECK(other.code == 2);
    CHECK(has(other.error, "holds trials that this run would overwrite"));
    CHECK(in(folder, shard(1, 2, "--out p")).code == 2);
    CHECK(folder.read("p") == before);
    REQUIRE(in(folder, shard(0, 2, "--out p")).code == 0);  // finished already
    CHECK(folder.read("p") == before);
}

TEST_CASE("shard: one that was killed goes on where it was, and gives the same bytes") {
    const program::Folder folder;
    small_demo(folder);
    REQUIRE(in(folder, shard(0, 2, "--trials 40 --out straight")).code == 0);
    kill_after(folder, shard(0, 2, "--trials 40 --out killed"), "killed", 4);
    const std::string torn = folder.read("killed");
    CHECK_FALSE(has(torn, "\"end\""));
    folder.write("killed", torn.substr(0, torn.size() - 20));  // as if it had died within a line
    const program::Ended again = in(folder, "run scenario.yaml --trials 40 --shard 0/2 --out killed");
    INFO(again.error);
    REQUIRE(again.code == 0);
    CHECK(folder.read("killed") == folder.read("straight"));
}

TEST_CASE("checkpoint: a run that was stopped goes on where it was, may grow, and gives the same bytes") {
    const program::Folder folder;
    small_demo(folder);
    const std::string run = "run scenario.yaml -q -o json --trials ";
    REQUIRE(in(folder, run + "40 --out straight.json").code == 0);
    kill_after(folder, run + "40 --checkpoint c --out r.json", "c", 4, "INT");
    CHECK_FALSE(has(folder.read("c"), "\"end\""));
    CHECK(has(folder.read("r.json"), "\"complete\": false"));
    const std::string kept = folder.read("c");
    REQUIRE(in(folder, run + "40 --checkpoint c --out r.json").code == 0);
    CHECK(folder.read("r.json") == folder.read("straight.json"));
    CHECK(in(folder, "merge c").out == folder.read("straight.json"));
    REQUIRE(in(folder, run + "43 --out longer.json").code == 0);
    REQUIRE(in(folder, run + "43 --checkpoint c --out r.json").code == 0);
    CHECK(folder.read("r.json") == folder.read("longer.json"));
    CHECK(std::count(kept.begin(), kept.end(), '\n') >= 4);
    CHECK(in(folder, run + "43 --seed 9 --checkpoint c").code == 2);
}

TEST_CASE("merge: the parts of a sweep give the bytes of the whole") {
    const program::Folder folder;
    small_demo(folder);
    const std::string sweep = "sweep scenario.yaml -q --vary ScaledObject/chat:spec.minReplicaCount=2,4,5,99 --trials 3 --out ";
    REQUIRE(in(folder, sweep + "whole").code == 0);
    for (const int count : {1, 3, 6}) {
        std::string parts;
        for (int i = 0; i < count; ++i) {
            const std::string file = "p" + std::to_string(i) + "of" + std::to_string(count);
            const program::Ended part = in(folder, sweep + file + " --shard " + std::to_string(i) + "/" + std::to_string(count));
            INFO(part.error);
            REQUIRE(part.code == 0);
            CHECK(part.out.empty());
            parts = file + " " + parts;
        }
        CHECK(in(folder, "merge " + parts).out == folder.read("whole"));
    }
    CHECK(has(in(folder, "merge p0of3 p2of3").error, "found no part 1 of 3"));
    CHECK(has(in(folder, "merge p0of3 p1of3 p1of3 p2of3").error, "which is p1of3 already"));
    REQUIRE(in(folder, sweep + "seed --seed 2 --shard 1/3").code == 0);
    CHECK(has(in(folder, "merge p0of3 seed p2of3").error, "is another sweep's"));
    CHECK(in(folder, "merge whole").code == 2);
    folder.replace("p1of3", "\"state\":\"finished\"", "\"state\":\"waiting\"");
    CHECK(has(in(folder, "merge p0of3 p1of3 p2of3").error, "without all of its trials"));
    CHECK(in(folder, sweep + "r --shard 0/2 --race cost_per_month").code == 2);
}

TEST_CASE("export: an Indexed Job's pods run the parts of the run, and our own reader takes both manifests") {
    const program::Folder folder;
    small_demo(folder);
    REQUIRE(in(folder, "run scenario.yaml -q -o json --trials 10 --set trials=3 --out whole.json").code == 0);
    const std::string common = " --trials 10 --set trials=3 -j 2 --image registry/windtunnel:1 --claim 007 -n batch";
    const program::Ended job = in(folder, "export indexed-job scenario.yaml --shards 3" + common);
    INFO(job.out << job.error);
    REQUIRE(job.code == 0);
    const YAML::Node yaml = YAML::Load(job.out);
    CHECK(yaml["apiVersion"].Scalar() + " " + yaml["kind"].Scalar() == "batch/v1 Job");
    CHECK(yaml["spec"]["completionMode"].Scalar() == "Indexed");
    CHECK(yaml["spec"]["completions"].as<int>() == 3);
    CHECK(yaml["spec"]["backoffLimitPerIndex"].IsDefined());  // FailIndex is not allowed without
    const YAML::Node container = yaml["spec"]["template"]["spec"]["containers"][0];
    for (const auto& word : container["args"]) CHECK(word.Tag() == "!");  // texts, also where they look like numbers
    CHECK(yaml["spec"]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"].Tag() == "!");
    std::string parts;
    for (int i = 0; i < 3; ++i) {
        std::string arguments;
        for (const auto& word : container["args"]) {
            std::string text = word.Scalar();
            if (const std::size_t at = text.find("$(JOB_COMPLETION_INDEX)"); at != std::string::npos)
                text.replace(at, 23, std::to_string(i));
            arguments += "'" + text + "' ";
            if (text.ends_with(".jsonl")) parts += text + " ";
        }
        REQUIRE(in(folder, arguments).code == 0);
    }
    CHECK(in(folder, "merge " + parts).out == folder.read("whole.json"));

    const program::Ended mpi = in(folder, "export mpijob scenario.yaml --workers 4" + common + " --out mpi.yaml");
    INFO(mpi.error);
    REQUIRE(mpi.code == 0);
    const YAML::Node mpijob = YAML::LoadFile((folder.path() / "mpi.yaml").string());
    CHECK(mpijob["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"].as<int>() == 4);
    CHECK(mpijob["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]["command"][3].Scalar() == "8");
    // The reader knows a Job's fields strictly; an MPIJob is no kind that a run simulates, and it says so.
    folder.write("job.yaml", job.out);
    const program::Ended valid = in(folder, "validate -f job.yaml");
    INFO(valid.out << valid.error);
    CHECK(valid.code == 0);

    CHECK(in(folder, "export").code == 2);
    CHECK(in(folder, "export indexed-job scenario.yaml --shards 3").code == 2);
    CHECK(in(folder, "export indexed-job scenario.yaml --shards 0" + common).code == 2);
    CHECK(has(in(folder, "export indexed-job ../s.yaml --shards 3" + common).error, "cannot be found by the pods"));
    CHECK(in(folder, "export indexed-job scenario.yaml --shards 3 --set workload.timeout=3" + common).code == 2);
}

#if defined(WINDTUNNEL_MPI_PROGRAM)
namespace {

/// mpirun of `count` ranks. What it puts beside its sockets goes into the test's own folder: others run at the same time, and
/// each cleans up when it ends.
std::string mpirun(const program::Folder& folder, int count) {
    return "env TMPDIR='" + folder.path().string() + "' mpirun --oversubscribe --allow-run-as-root -n " + std::to_string(count) + " ";
}

program::Ended ranks(const program::Folder& folder, int count, const std::string& arguments) {
    const auto run = [&] { return program::run_in(folder.path(), mpirun(folder, count) + WINDTUNNEL_MPI_PROGRAM, arguments); };
    const program::Ended ended = run();
    // On a busy machine mpirun (Open MPI 4.1) was seen, once, to say this of a rank that had ended well, its output whole.
    return ended.code == 1 && has(ended.error, "exiting improperly") ? run() : ended;
}

}  // namespace

TEST_CASE("mpi: one, two and four ranks give the bytes of one process") {
    const program::Folder folder;
    small_demo(folder);
    REQUIRE(in(folder, "run scenario.yaml -q -o json --trials 9 --out whole.json").code == 0);
    const std::string check = "check scenario.yaml -q -o json --threshold 'p99 ttft_ms < 3000' --base scenario.yaml --trials 4";
    const program::Ended alone = in(folder, check);
    for (const int count : {1, 2, 4}) {
        const program::Ended run = ranks(folder, count, "run scenario.yaml -q -o json --trials 9 --out ranks.json");
        INFO(count << " ranks: " << run.out << run.error);
        REQUIRE(run.code == 0);
        CHECK(run.out.empty());
        CHECK(folder.read("ranks.json") == folder.read("whole.json"));
        CHECK(ranks(folder, count, check).out == alone.out);  // asks for more trials where it is close
    }
}

TEST_CASE("mpi: a run that lost a rank goes on from its checkpoint, and gives the same bytes") {
    const program::Folder folder;
    small_demo(folder);
    const std::string run = "run scenario.yaml -q -o json --trials 60 ";
    REQUIRE(in(folder, run + "--out whole.json").code == 0);
    folder.write("lose.sh", mpirun(folder, 3) + WINDTUNNEL_MPI_PROGRAM " " + run +
                                "--checkpoint c --out ranks.json >/dev/null 2>&1 & job=$!\n"
                                "for i in $(seq 3000); do [ \"$(cat c 2>/dev/null | wc -l)\" -ge 5 ] && break; sleep 0.01; done\n"
                                "kill -KILL $(pgrep -P $job | tail -1)\n"
                                "wait $job\n");
    CHECK(std::system(("cd '" + folder.path().string() + "' && bash lose.sh 2>/dev/null").c_str()) != 0);
    CHECK_FALSE(std::filesystem::exists(folder.path() / "ranks.json"));
    CHECK_FALSE(has(folder.read("c"), "\"end\""));
    const program::Ended again = ranks(folder, 2, run + "--checkpoint c --out ranks.json");
    INFO(again.error);
    REQUIRE(again.code == 0);
    CHECK(folder.read("ranks.json") == folder.read("whole.json"));
}

TEST_CASE("mpi: sweep and plan under one, two and four ranks say the bytes of one process, and go on after a lost rank") {
    const program::Folder folder;
    small_demo(folder);
    const std::string vary = "--vary ScaledObject/chat:spec.minReplicaCount=2:8:2 ";
    const std::string sweep = "sweep scenario.yaml -q --trials 4 --race cost_per_month --set 'thresholds=[p99 ttft_ms < 1500]' " + vary;
    const std::string plan = "plan scenario.yaml -q --trials 4 --search-trials 2 -o json --set 'thresholds=[p50 ttft_ms < 60000]' " + vary;
    const program::Ended swept = in(folder, sweep + "-o json --out whole.jsonl"), planned = in(folder, plan);
    REQUIRE(swept.code == 0);
    REQUIRE(planned.code == 0);
    for (const int count : {1, 2, 4}) {
        const std::string file = "ranks" + std::to_string(count) + ".jsonl";
        const program::Ended run = ranks(folder, count, sweep + "-o json --out " + file);
        INFO(count << " ranks: " << run.error);
        CHECK(run.code == 0);
        CHECK(run.out == swept.out);
        CHECK(folder.read(file) == folder.read("whole.jsonl"));
        CHECK(ranks(folder, count, plan).out == planned.out);
    }
    // A rank is killed once the file has something to go on from.
    const auto lose = [&](const std::string& command, const std::string& file) {
        folder.write("lose.sh", mpirun(folder, 3) + WINDTUNNEL_MPI_PROGRAM " " + command +
                                    " >/dev/null 2>&1 & job=$!\n"
                                    "for i in $(seq 3000); do [ \"$(cat " + file + " 2>/dev/null | wc -l)\" -ge 3 ] && break; sleep 0.01; done\n"
                                    "kill -KILL $(pgrep -P $job | tail -1)\n"
                                    "wait $job\n");
        return std::system(("cd '" + folder.path().string() + "' && bash lose.sh 2>/dev/null").c_str());
    };
    const std::string kept = plan + "--checkpoint plan.kept";
    CHECK(lose(kept, "plan.kept") != 0);
    CHECK(ranks(folder, 2, kept).out == planned.out);
    // Enough points that one batch of them is written before the rest.
    const std::string long_sweep = "sweep scenario.yaml -q --trials 2 --vary ScaledObject/chat:spec.minReplicaCount=1:8:1 "
                                   "--vary 'ScaledObject/chat:spec.triggers[0].metadata.threshold=4:12:2' ";
    REQUIRE(in(folder, long_sweep + "-o json --out long.jsonl").code == 0);
    CHECK(lose(long_sweep + "--out lost.jsonl", "lost.jsonl") != 0);
    CHECK(folder.read("lost.jsonl") != folder.read("long.jsonl"));
    const program::Ended again = ranks(folder, 2, long_sweep + "--out lost.jsonl");
    INFO(again.error);
    CHECK(again.code == 0);
    CHECK(folder.read("lost.jsonl") == folder.read("long.jsonl"));
}

TEST_CASE("mpi: an input error is said once and ends all ranks; one that only a single rank meets ends them too") {
    const program::Folder folder;
    small_demo(folder);
    const program::Ended bad = ranks(folder, 3, "run scenario.yaml --set workload.timeot_s=3");
    INFO(bad.error);
    CHECK(bad.code == 2);
    CHECK(bad.error.find("timeot_s") != std::string::npos);
    CHECK(bad.error.find("error: ") == bad.error.rfind("error: "));
    // Rank 1 finds another scenario than the others, or none.
    folder.write("other.yaml", folder.read("scenario.yaml"));
    folder.replace("other.yaml", "initial_replicas: 5", "initial_replicas: 6");
    folder.write("as_rank.sh", "file=$1; shift; [ \"$OMPI_COMM_WORLD_RANK\" = 1 ] || file=scenario.yaml\n"
                               "exec " WINDTUNNEL_MPI_PROGRAM " run $file -q -o json --trials 8\n");
    for (const auto& [file, words] : {std::pair{"other.yaml", "rank 1 runs something else"},
                                      std::pair{"nowhere.yaml", "rank 1 ended before the run did"}}) {
        const program::Ended ended = program::run_in(folder.path(), mpirun(folder, 3) + "bash as_rank.sh", file);
        INFO(ended.error);
        CHECK(ended.code == 3);
        CHECK(has(ended.error, words));
        CHECK(ended.out.empty());
    }
}
#endif
