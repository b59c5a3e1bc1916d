#include "reports/bench_prediction.hpp"

#include <catch2/catch.hpp>

using namespace windtunnel;

namespace {

KvCapacity server(int data_parallel = 1, int expert_parallel = 1, const char* model = "Llama-3.1-8B") {
    KvRequest r;
    r.model = model;
    r.gpu = "h200-sxm-141gb";
    r.vllm_version = "0.19.0";
    r.max_model_len = 4096;
    r.data_parallel = data_parallel;
    r.expert_parallel = expert_parallel;
    return *kv_capacity(r);
}

Trace two_requests() {
    Trace t;
    for (const int at : {0, 10}) {
        Request r;
        r.arrival = seconds(at);
        r.prompt_tokens = 1024;
        r.output_tokens = 3;
        t.requests.push_back(r);
    }
    t.span = seconds(10);
    return t;
}

BenchLoad bare() {
    BenchLoad load;
    load.delays = {Tick{}, Tick{}};
    return load;
}

}  // namespace

TEST_CASE("bench: a prompt that was seen before costs only its last block") {
    Trace t = two_requests();
    t.tokens_per_hash = 16;
    for (std::uint64_t block = 1; block <= 64; ++block) t.prefix_hashes.push_back(block);
    for (Request& r : t.requests) {
        r.prefix = 1;
        r.prefix_count = 64;
    }
    const auto p = predict_bench(server(), {}, t, bare());
    REQUIRE(p.ok());
    const auto ttft = [&](std::size_t i) { return p->requests[i].first_token - p->requests[i].arrival; };
    // 1,024 tokens against 16: the second is a step of a few tokens, less than half as long.
    CHECK(ttft(1).count * 2 < ttft(0).count);
    const auto fresh = predict_bench(server(), {}, two_requests(), bare());
    CHECK(fresh->requests[1].first_token - fresh->requests[1].arrival == ttft(0));
}

TEST_CASE("bench: the front end's time is in the latency and not in the arrival") {
    BenchLoad slow = bare();
    slow.delays.front_end = milliseconds(50);
    const auto with = predict_bench(server(), {}, two_requests(), slow),
               without = predict_bench(server(), {}, two_requests(), bare());
    for (std::size_t i = 0; i < 2; ++i) {
        CHECK(with->requests[i].arrival == without->requests[i].arrival);
        CHECK(with->requests[i].first_token - without->requests[i].first_token == milliseconds(50));
    }
}

TEST_CASE("bench: engines that share their experts serve one address together") {
    const KvCapacity c = server(2, 2, "Qwen/Qwen3-30B-A3B");
    BenchSpec spec;
    spec.num_prompts = 8;
    spec.max_concurrency = 4;
    BenchLoad load = bare();
    load.engines = 2;
    load.max_concurrency = 4;
    const auto p = predict_bench(c, {}, *bench_trace(spec), load);
    REQUIRE(p.ok());
    CHECK(p->report.completed == 8);
    CHECK(p->requests[0].pod != p->requests[1].pod);
}
