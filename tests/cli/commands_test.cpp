#include "cli/run_command.hpp"
#include "cli/run_trials.hpp"
#include "scenarios/traces/bench_workload.hpp"
#include "tests/support/program_run.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace windtunnel;
using program::Ended;
using program::Folder;
using program::has;
using Json = nlohmann::ordered_json;

namespace {

std::string file(const Folder& folder, const std::string& name) { return (folder.path() / name).string(); }

/// Starts the program as a person would.
Ended windtunnel_with(const std::string& arguments) { return program::windtunnel_in(Folder().path(), arguments); }

std::vector<std::string> keys(const Json& j) {
    std::vector<std::string> out;
    for (const auto& [key, value] : j.items()) out.push_back(key);
    return out;
}

/// A run as load_run() would make it: one replica on one node of 0.8048 USD per hour, 200 requests in a
/// minute.
LoadedRun small_run(std::uint32_t trials) {
    BenchSpec spec;
    spec.num_prompts = 200;
    spec.input_len = 100;
    spec.output_len = 20;
    spec.request_rate = 200.0 / 60;
    ServerParts server;
    server.max_num_seqs = 8;
    server.max_num_batched_tokens = 256;
    server.max_model_len = 512;
    server.usable_blocks = 64;
    server.cost.decode_step.assign(9, milliseconds(10));
    server.cost.mixed_step.assign(257, milliseconds(20));
    server.cost.attention = {{0, Tick{}, 0}};
    LoadedRun run;
    run.scenario.name = "small";
    run.scenario.parts = bench_parts(server, 1, 0, {}, seconds(60));
    run.scenario.pools = {{"l4", "g6.xlarge", "on-demand", 804'800'000, 1, 1, 1, "list", 0, 0, false, {}, {}, {}}};
    run.scenario.parts.shapes[0].nano_usd_per_hour = 804'800'000;
    run.scenario.workloads.resize(1);
    run.workload = [spec](std::uint32_t trial) {
        BenchSpec own = spec;
        own.seed = 1 + trial;
        return std::make_shared<const Trace>(*bench_trace(own));
    };
    run.trials = trials;
    return run;
}

RunFlags json_to(const std::string& file) {
    RunFlags flags;
    flags.output = "json";
    flags.out = file;
    flags.quiet = true;
    return flags;
}

}  // namespace

TEST_CASE("cli: without a command the help goes to standard error, and it is a usage error") {
    const Ended e = windtunnel_with("");
    CHECK(e.code == 2);
    CHECK(e.out.empty());
    CHECK(has(e.error, "Exit codes"));
}

TEST_CASE("cli: help and version answer on standard output") {
    for (const char* arguments : {"--help", "run --help", "kv --help", "bench --help", "trace --help",
                                  "trace synth --help", "validate --help", "--version", "version"}) {
        const Ended e = windtunnel_with(arguments);
        INFO(arguments);
        CHECK(e.code == 0);
        CHECK_FALSE(e.out.empty());
        CHECK(e.error.empty());
    }
    CHECK(has(windtunnel_with("run --help").out, "Examples:"));
}

TEST_CASE("cli: unknown flags and commands are usage errors that name the nearest") {
    const Ended flag = windtunnel_with("run x.yaml --trails 20");
    CHECK(flag.code == 2);
    CHECK(has(flag.error, "'--trials'"));
    const Ended missing =
        windtunnel_with("kv --modle x --gpu l4-24gb");  // --model is missing because it is misspelt
    CHECK(missing.code == 2);
    CHECK(has(missing.error, "'--model'"));
    // What is far from every name was not meant to be one of them.
    for (const char* far : {"run x.yaml --frobnicate 3", "xyzzy"}) CHECK_FALSE(has(windtunnel_with(far).error, "did you mean"));
    const Ended command = windtunnel_with("runn");
    CHECK(command.code == 2);
    CHECK(has(command.error, "'run'"));
    CHECK(windtunnel_with("kv --model x --gpu l4-24gb --tp two").code == 2);
    CHECK(windtunnel_with("run x.yaml -o yaml").code == 2);
}

TEST_CASE("cli: every command takes the flags that scripts give all of them") {
    const std::string demo = WINDTUNNEL_SOURCE_DIR "/scenarios/gallery/chat-on-l4/";
    for (const std::string& command :
         {std::string("version"), std::string("kv --model Qwen/Qwen3-8B --gpu l40s-48gb"),
          std::string("prices --type g6.xlarge"), "validate -f " + demo + "k8s", std::string("gallery list"),
          std::string("bench --model Qwen/Qwen3-8B --gpu l40s-48gb --num-prompts 10")}) {
        const Ended ended = windtunnel_with(command + " --color never -q --no-progress");
        INFO(command << ": " << ended.error);
        CHECK(ended.code == 0);
        CHECK(has(windtunnel_with(command + " --color pink").error, "pink"));
    }
}

TEST_CASE("cli: missing files are input errors that name them") {
    for (const char* arguments :
         {"run nosuch.yaml", "run -f nosuch", "trace stats nosuch.csv", "validate -f nosuch",
          "bench --model Qwen/Qwen3-8B --gpu l40s-48gb -t nosuch.csv"}) {
        const Ended e = windtunnel_with(arguments);
        INFO(arguments << "\n" << e.error);
        CHECK(e.code == 2);
        CHECK(has(e.error, "nosuch"));
        CHECK(e.out.empty());
    }
}

TEST_CASE("cli run: what is not there is said before anything is read") {
    CHECK(has(windtunnel_with("run").error, "nothing to run"));
    const Ended cuda = windtunnel_with("run x.yaml --backend cuda --out /nosuch/results.json");
    CHECK(cuda.code == 2);
    CHECK(has(cuda.error, "--backend: found cuda"));
    CHECK(has(cuda.error, "/nosuch"));
    CHECK(has(cuda.error, "2 errors"));
}

TEST_CASE("cli kv: the contract's keys") {
    const Ended e = windtunnel_with(
        "kv --model meta-llama/Llama-3.1-8B-Instruct --gpu l4-24gb --max-model-len 8192 -o json");
    REQUIRE(e.code == 0);
    CHECK(e.error.empty());
    const Json j = Json::parse(e.out);
    for (const char* key : {"num_gpu_blocks", "kv_cache_tokens", "max_concurrency", "kv_cache_gib",
                            "weights_gib", "activation_gib", "non_torch_gib", "bytes_per_block"}) {
        INFO(key);
        REQUIRE(j.contains(key));
        CHECK(j[key].is_number());
    }
    CHECK(j["bytes_per_block"] == 2097152);  // 32 layers x 2 x 8 heads x 128 x 2 bytes x 16 tokens
}

TEST_CASE("cli kv: what does not fit exits 1 with the arithmetic") {
    const Ended e = windtunnel_with("kv --model meta-llama/Llama-3.1-70B-Instruct --gpu l4-24gb -o json");
    CHECK(e.code == 1);
    CHECK(has(e.error, "less weights"));
    CHECK(Json::parse(e.out)["fits"] == false);
    CHECK(windtunnel_with("kv --model meta-llama/Llama-3.1-70B-Instruct --gpu l4-24gb").code == 1);
}

TEST_CASE("cli kv: unknown names exit 2 with the nearest, all at once") {
    const Ended e = windtunnel_with("kv --model meta-llama/Llama-3.1-9B --gpu l5-24gb");
    CHECK(e.code == 2);
    CHECK(e.out.empty());
    CHECK(has(e.error, "error: --model:"));
    CHECK(has(e.error, "Llama-3.1-8B"));
    CHECK(has(e.error, "error: --gpu:"));
    CHECK(has(e.error, "l4-24gb"));
    CHECK(has(e.error, "2 errors"));
}

TEST_CASE("cli kv: a model may stand without its flag, and is called as it was typed") {
    const Ended e = windtunnel_with("kv Qwen/Qwen2.5-Coder-14B --gpu h100-sxm-80gb");
    REQUIRE(e.code == 0);
    CHECK(has(e.out, " model                     Qwen/Qwen2.5-Coder-14B ("));
    CHECK(has(e.out, "'Qwen/Qwen2.5-Coder-14B' read as 'Qwen/Qwen2.5-14B-Instruct'"));
    CHECK(has(windtunnel_with("kv --model llama-3.1-8b --gpu l4-24gb").out, " model                     meta-llama/Llama-3.1-8B ("));
    CHECK(Json::parse(windtunnel_with("kv meta-llama/Llama-3.1-8B-Instruct --gpu l4-24gb -o json").out)["model"] == "meta-llama/Llama-3.1-8B-Instruct");
}

TEST_CASE("cli kv: a pool of given size and shape") {
    // 2 GiB / (1 layer x 2 x 1 head x 64 x 2 bytes x 16 tokens = 4096) = 524,288 blocks.
    const Ended e =
        windtunnel_with("kv --model Llama-3.1-8B --gpu l4-24gb --kv-cache-gib 2 --kv-shape 1,1,64 -o json");
    REQUIRE(e.code == 0);
    CHECK(Json::parse(e.out)["num_gpu_blocks"] == 524288);
    CHECK(windtunnel_with("kv --model Llama-3.1-8B --gpu l4-24gb --kv-shape 1,1").code == 2);
}

TEST_CASE("cli bench: vLLM's keys, one row per request, the same bytes again and step by step") {
    const Folder folder;
    const std::string arguments =
        "bench --model Llama-3.1-8B-Instruct --gpu l4-24gb --max-model-len 8192 --num-prompts 40 "
        "--max-concurrency 8 --input-len 256 --output-len 32 "
        "--random-range-ratio 0.5 -o json --requests " +
        file(folder, "requests.csv");
    const Ended e = windtunnel_with(arguments);
    REQUIRE(e.code == 0);
    const Json j = Json::parse(e.out);
    for (const char* name : {"ttft", "tpot", "itl", "e2el"})
        for (const char* statistic : {"mean", "median", "std", "p99"})
            CHECK(j[std::string(statistic) + "_" + name + "_ms"].get<double>() >= 0);
    CHECK(j["completed"] == 40);
    CHECK(j["request_throughput"].get<double>() == Approx(40 / j["duration"].get<double>()));
    CHECK(j["total_output_tokens"].get<int>() >= 40 * 16);
    CHECK(j["total_output_tokens"].get<int>() <= 40 * 32);
    const std::string csv = folder.read("requests.csv");
    CHECK(has(csv, "id,arrival_s,prompt_tokens,output_tokens,first_token_s,finish_s,status\n0,0,"));
    CHECK(std::count(csv.begin(), csv.end(), '\n') == 41);
    CHECK(windtunnel_with(arguments).out == e.out);
    CHECK(windtunnel_with(arguments + " --server stepwise").out == e.out);
    CHECK(folder.read("requests.csv") == csv);
}

TEST_CASE("cli bench: a trace is sent as it is") {
    const Folder folder;
    folder.write("t.csv", "arrival_s,prompt_tokens,output_tokens\n0.5,100,4\n2.25,200,1\n");
    const std::string arguments =
        "bench --model Llama-3.1-8B-Instruct --gpu l4-24gb --max-model-len 8192 -o json -t " +
        file(folder, "t.csv") + " --requests " + file(folder, "r.csv");
    const Ended e = windtunnel_with(arguments);
    REQUIRE(e.code == 0);
    CHECK(has(folder.read("r.csv"), "\n0,0.5,100,4,"));
    CHECK(has(folder.read("r.csv"), "\n1,2.25,200,1,"));
    CHECK(Json::parse(e.out)["median_tpot_ms"].get<double>() > 0);
    CHECK(windtunnel_with("bench --model Llama-3.1-8B-Instruct --gpu l4-24gb --num-prompts 1").code ==
          1);  // 131,072 tokens do not fit
    CHECK(
        windtunnel_with("bench --model Qwen/Qwen3-8B --gpu l40s-48gb --num-prompts 0 --random-range-ratio 3")
            .code == 2);
}

TEST_CASE("cli trace: made, read and converted") {
    const Folder folder;
    const std::string csv = file(folder, "t.csv.gz");
    REQUIRE(
        windtunnel_with("trace synth " + csv + " --preset azure-conv-2023 --requests 50 --rate 5 --seed 3")
            .code == 0);
    const Ended stats = windtunnel_with("trace stats " + csv + " -o json");
    REQUIRE(stats.code == 0);
    const Json j = Json::parse(stats.out);
    CHECK(j["requests"] == 50);
    for (const char* key : {"prompt_tokens", "output_tokens", "span_s"}) CHECK(j[key].is_number());
    CHECK(windtunnel_with("trace convert " + csv + " " + file(folder, "half.csv") + " --keep 0.5").code == 0);
    CHECK(Json::parse(windtunnel_with("trace stats " + file(folder, "half.csv") + " -o json").out)["requests"]
              .get<int>() < 50);
    CHECK(windtunnel_with("trace").code == 2);
    CHECK(windtunnel_with("trace convert " + csv + " " + file(folder, "x.csv") + " --from -1").code == 2);
    folder.write("back.csv", "arrival_s,prompt_tokens,output_tokens\n5,1,1\n4,1,1\n");
    CHECK(has(windtunnel_with("trace stats " + file(folder, "back.csv")).error, "back.csv:3"));
}

TEST_CASE("run: results do not depend on threads, server or on being watched") {
    const Folder folder;
    const LoadedRun run = small_run(6);
    RunFlags flags = json_to(file(folder, "a.json"));
    flags.threads = 1;
    REQUIRE(run_loaded(run, flags, "") == 0);
    flags = json_to(file(folder, "b.json"));
    flags.threads = 4;
    flags.server = "stepwise";
    flags.requests = file(folder, "r.csv");
    REQUIRE(run_loaded(run, flags, "") == 0);
    CHECK(folder.read("a.json") == folder.read("b.json"));
    const Json j = Json::parse(folder.read("a.json"));
    CHECK(j["trials"] == 6);
    CHECK(j["complete"] == true);
    CHECK(j["requests"]["completed"] == 1200);
    // One node for 60 s: 0.8048 / 60 = 0.0134133 USD.
    CHECK(j["cost"]["total_usd"] == "0.013413");
    CHECK(keys(j).at(17) == "ci95");  // behind the fixed keys
    CHECK(folder.read("r.csv").substr(0, 3) == "id,");
}

TEST_CASE("run: a trial can be seen again alone") {
    const Folder folder;
    LoadedRun run = small_run(3);
    const InterruptGuard interrupt;
    RunFlags flags = json_to("");
    const TrialRun all = run_trials(run, flags, {}, interrupt);
    run.trials = 1;
    flags.first_trial = 2;
    ObservationPlan watch;
    watch.slices = 4;
    const TrialRun alone = run_trials(run, flags, watch, interrupt);
    REQUIRE(all.results.trials.size() == 3);
    CHECK(alone.results.trials[0].ttft.p99 == all.results.trials[2].ttft.p99);
    CHECK(alone.results.trials[0].ttft.mean != all.results.trials[0].ttft.mean);
    REQUIRE(alone.first);
    CHECK(alone.first->timeline->slices.size() == 4);
    CHECK(alone.broken.empty());
}

TEST_CASE("run: interrupted, it keeps what is finished and says that it is not complete") {
    const LoadedRun run = small_run(8);
    LoadedRun cut = run;
    cut.workload = [&run](std::uint32_t trial) {
        if (trial == 3) std::raise(SIGINT);
        return run.workload(trial);
    };
    const Folder folder;
    RunFlags flags = json_to(file(folder, "cut.json"));
    flags.threads = 1;
    CHECK(run_loaded(cut, flags, "") == 130);
    const Json j = Json::parse(folder.read("cut.json"));
    CHECK(j["complete"] == false);
    CHECK(j["trials"].get<int>() < 8);
    CHECK(j["requests"]["arrived"] == 200 * j["trials"].get<int>());
}

TEST_CASE("gallery: lists its rows, and runs one with its cures beside it") {
    const Ended list = windtunnel_with("gallery list");
    CHECK(list.code == 0);
    CHECK(has(list.out, "grace-too-short"));
    CHECK(has(list.out, "degraded-but-alive"));
    const Json rows = Json::parse(windtunnel_with("gallery list -o json").out);
    CHECK(rows["rows"].size() >= 22);

    const Ended run = windtunnel_with("gallery run grace-too-short -q");
    CHECK(run.code == 0);
    CHECK(has(run.out, "30 s, hook"));
    CHECK(has(run.out, "failed requests"));
    const Ended json = windtunnel_with("gallery run grace-too-short -q -o json");
    const Json shown = Json::parse(json.out);
    CHECK(shown["schema"] == "windtunnel.gallery/v1");
    REQUIRE(shown["variants"].size() == 3);
    CHECK(shown["variants"][0]["metrics"]["requests.failed"] >= 5);
    CHECK(shown["variants"][1]["metrics"]["requests.failed"] == 0);
    CHECK(shown["variants"][2]["metrics"]["requests.failed"] > shown["variants"][0]["metrics"]["requests.failed"]);
    CHECK(windtunnel_with("gallery run grace-too-short -q -o json -j 1").out == json.out);
}

TEST_CASE("gallery: a wrong name, folder or declaration says what is wrong") {
    const Ended wrong = windtunnel_with("gallery run grace-too-shrt");
    CHECK(wrong.code == 2);
    CHECK(has(wrong.error, "did you mean grace-too-short?"));
    CHECK(windtunnel_with("gallery").code == 2);
    CHECK(windtunnel_with("gallery run").code == 2);
    const Ended nowhere = windtunnel_with("gallery list --gallery /nowhere");
    CHECK(nowhere.code == 2);
    CHECK(has(nowhere.error, "/nowhere"));
    const Folder folder;
    std::filesystem::create_directory(file(folder, "row"));
    folder.write("row/gallery.yaml",
                 "about: x\nvariants:\n  - {label: a, scenario: none.yaml}\nmetrics:\n  - {pth: requests.failed}\n");
    const Ended broken = windtunnel_with("gallery list --gallery " + file(folder, ""));
    CHECK(broken.code == 2);
    CHECK(has(broken.error, "none.yaml"));
    CHECK(has(broken.error, "pth"));
}
