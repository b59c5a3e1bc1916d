// Real traces and a shipped scenario, through the built program: sums, bytes, the results' contract.
#include "tests/support/program_run.hpp"

#include <nlohmann/json.hpp>
#include <vector>

#ifdef WINDTUNNEL_PROGRAM

using namespace windtunnel::program;
using Json = nlohmann::ordered_json;

namespace {

const std::filesystem::path source(WINDTUNNEL_SOURCE_DIR);
const std::string chat = (source / "scenarios/gallery/chat-on-l4/scenario.yaml").string();

std::string run(const std::string& arguments) {
    const Folder f;
    const Ended e = windtunnel_in(f.path(), "run -q -o json " + arguments);
    INFO(arguments << "\n" << e.error);
    REQUIRE(e.code == 0);
    return e.out;
}

/// The shipped scenario's manifests on nodes that nothing is too large for, so that every request completes.
std::string roomy(const std::string& trace) {
    const std::string args = " --set 'Deployment/chat:spec.template.spec.containers[0].args";
    return chat + " -t '" + trace + "'" + args + "[0]=--max-model-len=131072'" + args + "[1]=--max-num-seqs=256'" +
           " --set 'ClusterConfig/prod:managedNodeGroups[0].instanceType=p5.48xlarge'"
           " --set ScaledObject/chat:spec.minReplicaCount=16 --set workload.timeout_s=null --set drain_limit_s=20000";
}

void check_sums(const std::string& file, std::int64_t requests, std::int64_t prompt, std::int64_t output) {
    const std::filesystem::path trace = source / "../shared/data/requests" / file;
    if (!std::filesystem::exists(trace)) {
        WARN("not at hand: " << file);
        return;
    }
    const Json results = Json::parse(run(roomy(trace.string())));
    CHECK(results["requests"]["arrived"] == requests);
    CHECK(results["requests"]["completed"] == requests);
    CHECK(results["tokens"]["prompt"] == prompt);
    CHECK(results["tokens"]["output"] == output);
    CHECK(results["complete"] == true);
}

/// More than its nodes can serve: time-outs, preemptions, scaling up to the limit and down again.
const std::string busy = chat + " --set workload.synthetic.rate_rps=14 --set workload.timeout_s=20 --duration 9000";

std::vector<std::string> keys_of(const Json& object) {
    std::vector<std::string> out;
    for (const auto& [key, value] : object.items()) out.push_back(key);
    return out;
}

/// A decimal number as text, as money is printed.
bool is_decimal(const Json& value) {
    if (!value.is_string()) return false;
    const auto text = value.get<std::string>();
    return !text.empty() && text.find_first_not_of("0123456789.-") == std::string::npos;
}

}  // namespace

// The sums were counted over the files (their publishers' data, unaltered).
TEST_CASE("reality: the Azure conversation trace is served to the last token") { check_sums("AzureLLMInferenceTrace_conv.csv", 19366, 22361870, 4088665); }

TEST_CASE("reality: the Mooncake conversation trace is served to the last token") { check_sums("mooncake_conversation_trace.jsonl", 12031, 144793823, 4122048); }

TEST_CASE("reality: fast-forward prints the bytes of the step-by-step reference") {
    const std::string fast = run(busy);
    CHECK(fast == run(busy + " --server stepwise"));
    const Json results = Json::parse(fast);  // what makes the comparison worth something
    CHECK(results["requests"]["timed_out"] > 1000);
    CHECK(results["capacity"]["kv_preemptions"] > 100);
    CHECK(results["capacity"]["cold_starts"] > 5);
    const std::string cold = busy + " --start cold --seed 77";
    CHECK(run(cold) == run(cold + " --server stepwise"));
}

TEST_CASE("reality: the same inputs print the same bytes, on any number of threads and on every run") {
    const std::string trials = chat + " --duration 3600 --trials 5";
    const std::string one = run(trials + " -j 1");
    CHECK(one == run(trials + " -j 2"));
    CHECK(one == run(trials + " -j 2"));
    CHECK(run(busy) == run(busy));
    CHECK(one != run(trials + " -j 2 --seed 2"));
    // Trial 3 alone is trial 3 among others: its arrivals and ends are those that the sums lack without it.
    const auto completed = [](const std::string& results) { return Json::parse(results)["requests"]["completed"].get<std::int64_t>(); };
    const std::string base = chat + " --duration 3600 -j 2 ";
    CHECK(completed(run(base + "--trials 4")) - completed(run(base + "--trials 3")) == completed(run(base + "--first-trial 3 --trials 1")));
}

TEST_CASE("reality: results have the contract's keys and types") {
    const Json r = Json::parse(run(chat + " --duration 1800"));
    CHECK(keys_of(r) == std::vector<std::string>{"schema", "scenario", "seed", "trials", "backend", "complete", "requests", "tokens", "latency", "throughput",
                                              "thresholds", "capacity", "cost", "warnings", "attempts", "prefix_cache", "cost_breakdown",
                                              "observed_trial", "autoscalers", "pods", "nodes", "starts", "fragmentation", "events", "events_omitted"});
    CHECK(r["schema"] == "windtunnel.results/v1");
    CHECK(keys_of(r["scenario"]) == std::vector<std::string>{"name", "hash"});
    CHECK(r["scenario"]["name"] == "chat-on-l4");
    CHECK(r["seed"].is_number_integer());
    CHECK(r["trials"] == 1);
    CHECK(r["complete"].is_boolean());
    CHECK(keys_of(r["requests"]) == std::vector<std::string>{"arrived", "completed", "rejected", "timed_out", "failed", "unfinished"});
    std::int64_t ends = 0;
    for (const auto& [key, value] : r["requests"].items()) {
        REQUIRE(value.is_number_integer());
        if (key != "arrived") ends += value.get<std::int64_t>();
    }
    CHECK(r["requests"]["arrived"] == ends);
    CHECK(keys_of(r["tokens"]) == std::vector<std::string>{"prompt", "output"});
    std::vector<std::string> latency;
    for (const char* metric : {"ttft", "tpot", "itl", "e2el"})
        for (const char* statistic : {"mean", "p50", "p90", "p99", "p99.9"}) latency.push_back(std::string(statistic) + "_" + metric + "_ms");
    CHECK(keys_of(r["latency"]) == latency);
    for (const auto& [key, value] : r["latency"].items()) CHECK(value.is_number());
    CHECK(keys_of(r["throughput"]) == std::vector<std::string>{"request_throughput", "output_throughput", "total_token_throughput", "request_goodput"});
    CHECK(keys_of(r["capacity"]) == std::vector<std::string>{"replicas_mean", "replicas_max", "nodes_mean", "nodes_max", "cold_starts", "spot_evictions", "kv_preemptions", "gpu_busy_ratio"});
    for (const char* key : {"replicas_max", "nodes_max", "cold_starts", "spot_evictions", "kv_preemptions"}) {
        INFO(key);
        CHECK(r["capacity"][key].is_number_integer());
    }
    CHECK(keys_of(r["cost"]) == std::vector<std::string>{"total_usd", "gpu_hours", "usd_per_million_output_tokens", "by_pool"});
    CHECK(is_decimal(r["cost"]["total_usd"]));
    CHECK(is_decimal(r["cost"]["usd_per_million_output_tokens"]));
    CHECK(r["cost"]["gpu_hours"].is_number());
    REQUIRE(r["cost"]["by_pool"].size() == 1);
    CHECK(keys_of(r["cost"]["by_pool"][0]) == std::vector<std::string>{"pool", "capacity_type", "node_hours", "usd"});
    CHECK(is_decimal(r["cost"]["by_pool"][0]["usd"]));
    REQUIRE(r["thresholds"].size() == 4);
    for (const Json& t : r["thresholds"]) {
        CHECK(keys_of(t) == std::vector<std::string>{"expr", "value", "ci95", "verdict"});
        CHECK((t["verdict"] == "pass" || t["verdict"] == "fail" || t["verdict"] == "inconclusive"));
    }
    for (const Json& w : r["warnings"]) CHECK(keys_of(w) == std::vector<std::string>{"file", "line", "path", "message"});
}

TEST_CASE("reality: with several trials one ci95 repeats the shape") {
    const Json r = Json::parse(run(chat + " --duration 1800 --trials 3"));
    REQUIRE(r.contains("ci95"));
    CHECK(r["trials"] == 3);
    CHECK(keys_of(r["ci95"]["latency"]) == keys_of(r["latency"]));
    for (const auto& [key, value] : r["ci95"]["latency"].items()) {
        INFO(key);
        REQUIRE(value.size() == 2);
        CHECK(value[0] <= r["latency"][key]);
        CHECK(r["latency"][key] <= value[1]);
    }
    CHECK(r["requests"]["arrived"].is_number_integer());
}

TEST_CASE("reality: a statistic of nothing is null") {
    const Folder f;
    f.write("t.csv", "arrival_s,prompt_tokens,output_tokens\n1,9000,10\n2,9000,10\n");  // above --max-model-len 8192
    const Json r = Json::parse(run(chat + " -t '" + (f.path() / "t.csv").string() + "'"));
    CHECK(r["requests"]["rejected"] == 2);
    for (const auto& [key, value] : r["latency"].items()) CHECK(value.is_null());
    CHECK(r["cost"]["usd_per_million_output_tokens"].is_null());
}

#endif
