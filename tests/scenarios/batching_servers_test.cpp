#include "scenarios/servers/batching_servers.hpp"

#include <catch2/catch.hpp>

#include "scenarios/compile/compile_batching.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"
#include "scenarios/servers/speculation.hpp"

using namespace windtunnel;

namespace {

/// What a container of that image makes of a file that is mounted into it.
std::optional<ModelServer> read_server(const std::string& image, const std::string& path, const std::string& text) {
    Container container;
    container.image = image;
    ShellContext context;
    context.files[path] = text;
    Findings findings;
    return read_batching_server(container, context, findings);
}

}  // namespace

TEST_CASE("batching servers: Triton's config.pbtxt") {
    const auto server = read_server("nvcr.io/nvidia/tritonserver:24.08-py3", "/models/bert/config.pbtxt", R"(
name: "bert"
max_batch_size: 16
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 2500
}
instance_group [ { count: 2 kind: KIND_GPU } ]
)");
    REQUIRE(server);
    CHECK(server->engine == "batching");
    CHECK(server->batching->max_batch_size == 16);
    CHECK(server->batching->queue_delay_ms == 2.5);
    CHECK(server->batching->preferred_sizes == std::vector<std::int32_t>{4, 8});
    CHECK(server->batching->instances == 2);
    // Without dynamic_batching a request is a batch, whatever the model could take.
    CHECK(read_server("nvcr.io/nvidia/tritonserver:24.08-py3", "/models/bert/config.pbtxt", "max_batch_size: 16")
              ->batching->max_batch_size == 1);
}

TEST_CASE("batching servers: TorchServe's and TensorFlow Serving's files, and no others") {
    const auto torch = read_server("pytorch/torchserve:0.9.0-gpu", "/config/config.properties",
                            R"(inference_address=http://0.0.0.0:8080
models={"bert": {"1.0": {"marName": "bert.mar", "minWorkers": 3, "maxWorkers": 3, "batchSize": 4, "maxBatchDelay": 50}}}
)");
    REQUIRE(torch);
    CHECK(torch->batching->max_batch_size == 4);
    CHECK(torch->batching->queue_delay_ms == 50);
    CHECK(torch->batching->instances == 3);
    CHECK(torch->batching->delay_from_pick);
    const auto tensorflow = read_server("tensorflow/serving:2.16.1-gpu", "/etc/batching.txt",
                                 "max_batch_size { value: 128 }\nbatch_timeout_micros { value: 5000 "
                                 "}\nnum_batch_threads { value: 2 }\n");
    REQUIRE(tensorflow);
    CHECK(tensorflow->batching->max_batch_size == 128);
    CHECK(tensorflow->batching->queue_delay_ms == 5);
    CHECK(tensorflow->batching->instances == 2);
    CHECK_FALSE(read_server("nginx:1", "/models/bert/config.pbtxt", "max_batch_size: 16"));
    CHECK_FALSE(read_server("nvcr.io/nvidia/tritonserver:24.08-py3", "/etc/other.conf", "x"));
}

TEST_CASE(
    "batching servers: what is timed goes on CPUs at their limit, what is not needs a model and a GPU") {
    ModelServer server;
    server.engine = "batching";
    server.batching = BatchServing{};
    server.batching->instances = 4;
    server.batching->batch_ms = 20;
    server.batching->token_us = 50;
    server.cpu_limit_milli = 1500;
    CompiledWorkload facts;
    Problems warnings;
    const auto timed = compile_batching_server(server, "", {}, facts, warnings);
    REQUIRE(timed);
    CHECK(timed->capacity_milli == 1500);
    CHECK(timed->batch_base == milliseconds(20));
    CHECK(timed->batch_token.count == 50 * ticks_per_microsecond);
    CHECK(compile_batching_server(server, "l4-24gb", {}, facts, warnings)->capacity_milli == 1000);
    server.batching->batch_ms.reset();
    server.batching->token_us.reset();
    const auto unknown = compile_batching_server(server, "l4-24gb", {}, facts, warnings);
    REQUIRE_FALSE(unknown);
    CHECK_THAT(unknown.problems().front().message, Catch::Contains("not how long they take"));
    server.model = "Qwen/Qwen2.5-7B-Instruct";
    CHECK(compile_batching_server(server, "l40s-48gb", {}, facts, warnings));
    CHECK_FALSE(compile_batching_server(server, "", {}, facts, warnings));
}

TEST_CASE("speculation: vLLM's JSON, with what is wrong in it") {
    Speculation spec;
    CHECK_FALSE(read_speculative_config(
        R"({"method": "eagle3", "model": "a/b", "num_speculative_tokens": 3})", spec));
    CHECK(spec.method == "eagle3");
    CHECK(spec.tokens == 3);
    CHECK_FALSE(read_speculative_config(R"({"method": "deepseek_mtp"})", spec));  // its model makes one
    CHECK(spec.tokens == 1);
    const auto wrong = [&](const char* json) {
        return read_speculative_config(json, spec).value_or("nothing");
    };
    CHECK_THAT(wrong("method: eagle"), Catch::Contains("a JSON object"));
    CHECK_THAT(wrong(R"({"method": "eagel3", "num_speculative_tokens": 3})"),
               Catch::Contains("did you mean eagle3"));
    CHECK_THAT(wrong(R"({"method": "eagle3", "num_speculative_tokens": 0})"),
               Catch::Contains("from 1 to 64"));
    CHECK_THAT(wrong(R"({"method": "eagle3"})"), Catch::Contains("no num_speculative_tokens"));
}
