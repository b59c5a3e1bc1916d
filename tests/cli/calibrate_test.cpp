#include "cli/calibrate_device.hpp"
#include "cli/command_line.hpp"
#include "models/step_profile.hpp"
#include "tests/support/fake_gpu.hpp"
#include "tests/support/program_run.hpp"
#include "tests/support/small_demo.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

using namespace windtunnel;
using nlohmann::json;

namespace {

const std::string windtunnel_program = WINDTUNNEL_PROGRAM;
const std::string server = "--gpu h100-sxm-80gb --max-model-len 4096 --max-num-seqs 64";

/// What a server whose every part takes `times` as long would measure, as `vllm bench serve` would have saved
/// it.
void measure(const program::Folder& folder, const std::string& file, const std::string& profile,
             const std::string& load) {
    const program::Ended bench =
        program::run_in(folder.path(), windtunnel_program,
                        "bench --model meta-llama/Llama-3.1-8B-Instruct " + server + " " + load + " -o json" +
                            (profile.empty() ? "" : " --profile " + profile));
    INFO(bench.error);
    REQUIRE(bench.code == 0);
    json result = json::parse(bench.out);
    result["date"] = "20260601-120000";
    // As the client writes it: NaN where nothing was asked for, and keys that nobody needs here.
    std::string text = result.dump();
    text.insert(1, "\"backend\": \"vllm\", \"request_goodput:\": NaN, ");
    folder.write(file, text);
}

const json& find_run(const json& runs, const std::string& start) {
    for (const json& run : runs)
        if (run.at("what").get<std::string>().starts_with(start)) return run;
    FAIL("no run " << start);
    return runs;
}

}  // namespace

TEST_CASE(
    "calibrate --from: closed and open loops of a server that is slower in known ways are reproduced, held "
    "out ones too") {
    const program::Folder folder;
    // The truth: weights are read more slowly than shipped, layers and the host take longer.
    CostFactors slower = as_shipped;
    slower[static_cast<std::size_t>(CostGroup::weight_reading)] = 1.25;
    slower[static_cast<std::size_t>(CostGroup::layers)] = 1.4;
    slower[static_cast<std::size_t>(CostGroup::host)] = 1.5;
    StepProfile truth_profile;
    truth_profile.gpu = "h100-sxm-80gb";
    truth_profile.coefficients =
        step_time_coefficients_json(get_gpu(truth_profile.gpu)->gpu, slower, "truth");
    folder.write("truth.json", step_profile_json(truth_profile));
    measure(folder, "c1.json", "truth.json",
            "--max-concurrency 1 --num-prompts 10 --input-len 512 --output-len 64");
    measure(folder, "c16.json", "truth.json",
            "--max-concurrency 16 --num-prompts 64 --input-len 1024 --output-len 64");
    measure(folder, "c64.json", "truth.json",
            "--max-concurrency 64 --num-prompts 160 --input-len 1024 --output-len 64");
    measure(folder, "r4.json", "truth.json",
            "--request-rate 4 --num-prompts 80 --input-len 800 --output-len 64");
    const program::Ended fit = program::run_in(
        folder.path(), windtunnel_program,
        "calibrate --from c1.json c16.json c64.json r4.json --model meta-llama/Llama-3.1-8B-Instruct " +
            server + " --out profile.json -o json");
    INFO(fit.error);
    REQUIRE(fit.code == 0);
    const json profile = json::parse(fit.out);
    CHECK(profile == json::parse(folder.read("profile.json")));
    CHECK(profile.at("schema") == "windtunnel.profile/v1");
    CHECK(profile.at("gpu") == "h100-sxm-80gb");
    CHECK(profile.at("date") == "2026-06-01");
    CHECK(profile.at("device").is_null());
    CHECK_THAT(profile.at("source").get<std::string>(),
               Catch::Contains("calibrated to 4 results of vllm bench: ") &&
                   Catch::Contains("Llama-3.1-8B, tp 1"));
    REQUIRE(profile.at("residuals").size() == 4);
    double shipped = 0, fitted = 0, held_out = 0;
    for (const json& run : profile.at("residuals")) {
        const double truth = run.at("measured").at("mean_tpot_ms");
        const auto off = [&](const char* which) {
            return std::abs(run.at(which).at("mean_tpot_ms").get<double>() / truth - 1) / 4;
        };
        shipped += off("shipped"), fitted += off("fitted"), held_out += off("held_out");
    }
    CHECK(shipped > 0.07);
    CHECK(fitted < 0.03);
    CHECK(held_out < 0.5 * shipped);
    CHECK(find_run(profile.at("residuals"), "r4.json, 4 requests/s")
              .at("measured")
              .at("mean_ttft_ms")
              .is_number());
    // The profile is what bench then predicts with, and says so.
    const program::Ended again = program::run_in(folder.path(), windtunnel_program,
                                                 "bench --model meta-llama/Llama-3.1-8B-Instruct " + server +
                                                     " --max-concurrency 16 --num-prompts 64 --input-len "
                                                     "1024 --output-len 64 --profile profile.json -o json");
    INFO(again.error);
    REQUIRE(again.code == 0);
    const json predicted = json::parse(again.out),
               truth = json::parse(
                   "{" + folder.read("c16.json").substr(folder.read("c16.json").find("\"completed\"")));
    CHECK(predicted.at("mean_tpot_ms").get<double>() ==
          Approx(truth.at("mean_tpot_ms").get<double>()).epsilon(0.05));
    CHECK(predicted.at("step_times").get<std::string>().starts_with("calibrated to 4 results"));
}

TEST_CASE(
    "calibrate --from: results in one file (--append-result), lengths request by request, and what a result "
    "says of itself") {
    const program::Folder folder;
    const std::string head =
        R"({"model_id": "meta-llama/Llama-3.1-8B-Instruct", "date": "20260601-1", "tensor_parallel_size": "2", "duration": 10.0, "completed": 3,
        "num_prompts": 4, "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 2, "total_input_tokens": 600, "total_output_tokens": 60, )";
    std::string one =
        head +
        R"("input_lens": [100, 200, 300, 50], "output_lens": [10, 20, 30, 0], "ttfts": [0.1, 0.1, 0.1, 0.0], "errors": ["", "", "", "NaN at -Infinity"],
        "mean_ttft_ms": 40.0, "mean_tpot_ms": 9.0})";
    for (char& c : one)
        if (c == '\n') c = ' ';
    std::string again = one;  // another run, or it would count once
    again.replace(again.find("\"duration\": 10.0"), 16, "\"duration\": 10.1");
    folder.write("both.jsonl", one + "\n" + again + "\n");
    const program::Ended fit =
        program::run_in(folder.path(), windtunnel_program, "calibrate --from both.jsonl " + server + " -q");
    INFO(fit.error);
    REQUIRE(fit.code == 0);
    CHECK(fit.error.empty());
    CHECK(fit.out.find("h100-sxm-80gb: fitted to 2 results") != std::string::npos);
    CHECK(fit.out.find("both.jsonl:2, concurrency 2") != std::string::npos);
    CHECK(fit.out.find("all-reduces") != std::string::npos);
    // One stream of short requests does not tell how fast prefill attention is.
    CHECK(fit.out.find("not told by these results") != std::string::npos);
}

TEST_CASE("calibrate --from: folders, repeated runs, results one after the other, offline benchmarks") {
    const program::Folder folder;
    measure(folder, "c1.json", "", "--max-concurrency 1 --num-prompts 4 --input-len 256 --output-len 64");
    std::string text = folder.read("c1.json");
    text.replace(text.find("NaN"), 3, "null");
    const json one = json::parse(text);
    json other = one;
    other["mean_tpot_ms"] = one.at("mean_tpot_ms").get<double>() * 1.01;
    folder.write("sweep/a/run=0.json", one.dump());
    folder.write("sweep/a/summary.json", json::array({one, other}).dump());
    folder.write("sweep/flags.json", R"({"gpu_memory_utilization": 0.9})");
    folder.write("two.json", one.dump(2) + "\n" + other.dump(2) + "\n");
    const auto calibrated = [&](const std::string& arguments) {
        return program::run_in(folder.path(), windtunnel_program, "calibrate " + arguments + " " + server);
    };
    using Catch::Contains;
    const program::Ended sweep = calibrated("--from sweep");
    INFO(sweep.error);
    REQUIRE(sweep.code == 0);
    CHECK_THAT(sweep.out, Contains("fitted to 2 results"));
    CHECK_THAT(sweep.error, Contains("flags.json holds no result of `vllm bench`: left out") &&
                                Contains("is the same run as run=0.json"));
    CHECK_THAT(calibrated("--from two.json").out, Contains("fitted to 2 results"));

    // 100 prompts of 256 + 64 tokens in what the simulated engine needs for them, and a batch of 8.
    const std::string model = " --model meta-llama/Llama-3.1-8B-Instruct";
    folder.write(
        "throughput.json",
        R"({"elapsed_time": 4, "num_requests": 100, "total_num_tokens": 32000, "requests_per_second": 25})");
    folder.write("latency.json", R"({"avg_latency": 0.6, "latencies": [0.6], "percentiles": {"50": 0.6}})");
    const program::Ended offline = calibrated("--from throughput.json" + model + " --output-len 64 -o json");
    INFO(offline.error);
    REQUIRE(offline.code == 0);
    // 6,400 tokens in 4 s, which the fit comes nearer to.
    const json profile = json::parse(offline.out);
    const json& run = find_run(profile.at("residuals"), "throughput.json, all at once");
    const auto off = [&](const char* which) {
        return std::abs(std::log(run.at(which).at("output_throughput").get<double>() / 1600));
    };
    CHECK(run.at("measured").at("output_throughput") == 1600.0);
    CHECK(off("fitted") < 0.7 * off("shipped"));
    CHECK(
        calibrated("--from latency.json" + model + " --input-len 256 --output-len 64 --batch-size 8").code ==
        0);
    for (const auto& [arguments, said] :
         {std::pair<const char*, const char*>{"--from throughput.json",
                                              "throughput.json: is of `vllm bench throughput`"},
          {"--from throughput.json --output-len 320", "at least 32100"},
          {"--from throughput.json --output-len 64 --input-len 1000", "about --input-len 1000"},
          {"--from latency.json --input-len 256", "--batch-size as it was given there"},
          {"--from sweep/none", "cannot be read"}}) {
        const program::Ended ended = calibrated(std::string(arguments) + model);
        CHECK(ended.code == 2);
        CHECK_THAT(ended.error, Contains(said));
    }
    other["ramp_up_strategy"] = "linear";
    other["mean_ttft_ms"] = 1e300;
    folder.write("ramp.json", other.dump());
    const std::string refused = calibrated("--from ramp.json").error;
    CHECK_THAT(refused, Contains("ramp_up_strategy: found \"linear\" without start_times"));
    CHECK_THAT(refused, Contains("mean_ttft_ms: found 1e+300, allowed: at most"));
}

TEST_CASE("calibrate: what it cannot use is said with file, line and key") {
    const program::Folder folder;
    folder.write("guide.json", R"({"benchmarks": []})");
    folder.write("lines.jsonl",
                 "{\"completed\": 1, \"duration\": 1, \"total_input_tokens\": 5, \"total_output_tokens\": 5, "
                 "\"mean_ttft_ms\": 3}\n{oops\n");
    folder.write(
        "types.json",
        R"({"completed": "3", "duration": 1, "total_input_tokens": 5, "total_output_tokens": 5, "request_rate": "fast", "mean_tpot_ms": 3})");
    folder.write(
        "none.json",
        R"({"completed": 3, "duration": 1, "total_input_tokens": 5, "total_output_tokens": 5, "model_id": "no/such-model", "mean_tpot_ms": 3})");
    folder.write(
        "long.json",
        R"({"completed": 3, "duration": 1, "total_input_tokens": 30000, "total_output_tokens": 5, "model_id": "Llama-3.1-8B-Instruct", "mean_tpot_ms": 3})");
    const auto refused = [&](const std::string& arguments) {
        const program::Ended ended =
            program::run_in(folder.path(), windtunnel_program, "calibrate " + arguments);
        CHECK(ended.code == 2);
        CHECK(ended.out.empty());
        return ended.error;
    };
    using Catch::Contains;
    CHECK_THAT(refused("--from guide.json " + server),
               Contains("guide.json: completed: found nothing, allowed: the result of `vllm bench serve"));
    CHECK_THAT(refused("--from lines.jsonl " + server),
               Contains("lines.jsonl:2: found text that is no JSON"));
    const std::string types = refused("--from types.json " + server);
    CHECK_THAT(types, Contains("types.json: completed: found \"3\", allowed: a whole number of at least 1"));
    CHECK_THAT(types, Contains("types.json: request_rate: found"));
    CHECK_THAT(refused("--from none.json " + server), Contains("no/such-model"));
    CHECK_THAT(refused("--from long.json " + server), Contains("long.json: a request has 10000 prompt and"));
    CHECK_THAT(refused("--from missing.json " + server), Contains("missing.json: cannot be read"));
    CHECK_THAT(refused("--from guide.json"), Contains("--gpu: found nothing"));
    folder.write(
        "other.json",
        R"({"schema": "windtunnel.profile/v1", "gpu": "l4-24gb", "coefficients": {"layer_use": 1}})");
    const program::Ended bench = program::run_in(
        folder.path(), windtunnel_program,
        "bench --model Llama-3.1-8B-Instruct " + server + " --num-prompts 1 --profile other.json");
    CHECK(bench.code == 2);
    CHECK_THAT(bench.error,
               Contains("other.json: gpu: found a profile of l4-24gb, allowed here: one of h100-sxm-80gb"));
}

TEST_CASE("run: a calibrated profile's step times are those of the servers on its GPU") {
    const program::Folder folder;
    program::small_demo(folder);
    const auto profile_of = [&](const char* gpu, double times) {
        StepProfile p;
        p.gpu = gpu, p.date = "2026-06-01", p.source = "a test";
        CostFactors factors;
        factors.fill(times);
        p.coefficients = step_time_coefficients_json(get_gpu(gpu)->gpu, factors, "a test");
        return step_profile_json(p);
    };
    folder.write("same.json", profile_of("l4-24gb", 1));
    folder.write("slow.json", profile_of("l4-24gb", 2));
    folder.write("other.json", profile_of("h100-sxm-80gb", 2));
    const auto run = [&](const std::string& flags) {
        const program::Ended ended =
            program::run_in(folder.path(), windtunnel_program, "run scenario.yaml -q -o json " + flags);
        INFO(ended.error);
        REQUIRE(ended.code == 0);
        return ended.out;
    };
    const auto tpot = [](const std::string& out) {
        return json::parse(out).at("latency").at("mean_tpot_ms").get<double>();
    };
    // The shipped numbers in a file of one's own change no byte; twice as slow in all parts is about twice
    // the time per token (fewer tokens per second leave more requests running, so somewhat more).
    const std::string shipped = run("");
    CHECK(run("--profile same.json") == shipped);
    const std::string slow = run("--profile slow.json");
    CHECK(tpot(slow) > 1.8 * tpot(shipped));
    // The scenario can name it too.
    CHECK(tpot(run("--set cluster.profiles=slow.json")) == tpot(slow));
    const json idle = json::parse(run("--profile other.json --profile same.json"));
    CHECK(idle.at("latency") == json::parse(shipped).at("latency"));
    CHECK_THAT(idle.at("warnings").dump(),
               Catch::Contains("other.json is a profile of h100-sxm-80gb, on which no workload serves"));
    const auto refused = [&](const std::string& flags) {
        const program::Ended ended =
            program::run_in(folder.path(), windtunnel_program, "run scenario.yaml -q " + flags);
        CHECK(ended.code == 2);
        return ended.error;
    };
    CHECK_THAT(refused("--profile same.json --profile slow.json"),
               Catch::Contains("two profiles of l4-24gb"));
    CHECK_THAT(refused("--profile nowhere.json"), Catch::Contains("nowhere.json: cannot be read"));
    CHECK_THAT(refused("--set cluster.profiles=[scenario.yaml]"),
               Catch::Contains("cluster.profiles") && Catch::Contains("found text that is no JSON object"));
}

TEST_CASE("calibrate on a GPU: a profile that bench takes, whatever cut the measuring in two") {
    const program::Folder folder;
    DeviceCalibration what;
    what.request.model = "meta-llama/Llama-3.1-8B-Instruct";
    what.request.max_model_len = 8192;
    what.out = (folder.path() / "gpu.json").string();
    what.measurements = (folder.path() / "times.jsonl").string();
    what.quiet = what.json = true;
    KvRequest request = what.request;
    request.gpu = "h100-sxm-80gb";
    lab::FakeGpu broken(*kv_capacity(request)), gpu(broken.m_capacity);
    broken.break_at = 30;
    const auto calibrate = [&](lab::FakeGpu& on) {
        return calibrate_with(what, on.identity(), on.measure(), [&on] { return on.elapsed(); });
    };
    // The machine dies in the middle.
    CHECK_THROWS(calibrate(broken));
    CHECK_FALSE(std::filesystem::exists(what.out));
    CHECK(calibrate(gpu) == answered);
    CHECK(gpu.measured < 200);
    const json profile = json::parse(folder.read("gpu.json"));
    CHECK(profile.at("gpu") == "h100-sxm-80gb");  // of "NVIDIA H100 80GB HBM3"
    CHECK(profile.at("device") == "NVIDIA H100 80GB HBM3");
    CHECK(profile.at("driver") == "CUDA 13.0");
    CHECK(profile.at("coefficients").at("kv_bandwidth_8bit").get<double>() == Approx(0.7).epsilon(0.01));
    CHECK(profile.at("coefficients").at("layer_us").get<double>() == Approx(17).epsilon(0.01));
    CHECK(profile.at("residuals").at("steps").size() == 10);
    // Everything known: nothing is measured again, but what failed; the same profile.
    lab::FakeGpu idle(gpu.m_capacity);
    CHECK(calibrate(idle) == answered);
    CHECK(idle.measured == 5);  // the prefills
    CHECK(json::parse(folder.read("gpu.json")) == profile);
    const program::Ended bench =
        program::run_in(folder.path(), windtunnel_program,
                        "bench --model meta-llama/Llama-3.1-8B-Instruct --gpu h100-sxm-80gb --max-model-len "
                        "8192 --max-concurrency 4 "
                        "--num-prompts 8 --input-len 256 --output-len 32 --profile gpu.json -o json");
    INFO(bench.error);
    CHECK(bench.code == 0);
    // Beside another profile; one of another GPU is refused.
    what.compare = what.out;
    CHECK(calibrate(idle) == answered);
    what.request.gpu = "a100-sxm-80gb";
    what.measurements.clear();
    CHECK(calibrate(idle) == bad_input);
}
