#include "models/step_time.hpp"
#include "models/cold_start_facts.hpp"
#include "models/operator_time.hpp"
#include "tests/models/shared_data.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

using namespace windtunnel;

namespace {

KvCapacity replica(const std::string& model, const std::string& gpu, int tp,
                   const std::string& version = "0.12.0", int seqs = 256, int batched = 8192,
                   int length = 4096) {
    KvRequest r;
    r.model = model;
    r.gpu = gpu;
    r.tensor_parallel = tp;
    r.vllm_version = version;
    r.max_num_seqs = seqs;
    r.max_num_batched_tokens = batched;
    r.max_model_len = length;
    Result<KvCapacity> c = kv_capacity(r);
    REQUIRE(c.ok());
    return *c;
}

/// Everything at data-sheet speed and nothing besides: what is left can be worked out by hand.
StepTimeOptions ideal() {
    StepTimeCoefficients k;
    for (double* share : {&k.weight_bandwidth, &k.weight_bandwidth_8bit, &k.weight_bandwidth_4bit, &k.kv_bandwidth,
                          &k.kv_bandwidth_8bit, &k.gemm_16bit, &k.gemm_8bit, &k.gemm_4bit, &k.expert_bandwidth_16bit,
                          &k.expert_bandwidth_8bit, &k.expert_bandwidth_4bit, &k.expert_bandwidth_weight_only,
                          &k.expert_bandwidth_mxfp4, &k.gemm_experts, &k.gemm_experts_16bit, &k.gemm_experts_4bit,
                          &k.gemm_experts_weight_only, &k.gemm_experts_mxfp4, &k.attention_flops, &k.link_bandwidth,
                          &k.host_bound_share})
        *share = 1;
    for (double* nothing : {&k.matrix_16bit_s, &k.matrix_8bit_s, &k.matrix_4bit_s, &k.tile_loss_16bit,
                            &k.tile_loss_8bit, &k.tile_loss_4bit, &k.attention_tile_tokens})
        *nothing = 0;
    for (double* seconds : {&k.all_reduce_s, &k.step_s, &k.layer_s, &k.layer_piecewise_s,
                            &k.layer_uncaptured_s, &k.expert_layer_s, &k.expert_layer_uncaptured_s,
                            &k.narrow_layer_s, &k.row_s, &k.host_step_s, &k.host_row_s, &k.host_overlapped_s})
        *seconds = 0;
    StepTimeOptions options;
    options.coefficients = k;
    options.asynchronous_scheduling = false;
    return options;
}

double seconds_of(Tick t) { return to_seconds(t); }

}  // namespace

TEST_CASE("one decode of Llama-3.1-8B at data-sheet speed reads every weight but the embedding once") {
    const StepCostTable t = step_cost_table(replica("Llama-3.1-8B", "h100-sxm-80gb", 1), ideal());
    // (8,030,261,248 - 128,256 * 4,096) parameters * 2 B = 15.0098 GB at 3,350 GB/s = 4.4805 ms; the products
    // of one token take 0.34 % of that. Logits: 40 B * 128,256 = 5.1 MB, 1.5 us. Beside the products a token moves
    // 32 * (16 * 4,096 + 6 * 4,096 + 6 * 14,336) = 5.64 MB, and 4 B per row or column of a matrix: 32 * 2 * (10,240 +
    // 8,192 + 32,768 + 18,432) = 4.46 MB.
    const double beside = 5.636e6, edges = 4.456e6;
    CHECK(seconds_of(t.decode_step[1]) ==
          Approx((15.0098e9 + 40.0 * 128256 + beside + edges) / 3350e9).epsilon(1e-4));
    // 131,072 B of KV per token: 39.126 ns = 3,913 ticks of 10 ps.
    REQUIRE(t.attention.size() == 1);
    CHECK(t.attention[0].from_tokens == 0);
    CHECK(t.attention[0].ticks_per_token == 3913);
    // 4 * 128 * 32 heads * 32 layers = 524,288 flops per pair at 989.5 TFLOPS: 0.52985 ns = 52.985 ticks.
    CHECK(static_cast<double>(t.prefill_ticks_per_pair_q16) / 65536 == Approx(52.985).epsilon(1e-4));
    // 8,192 tokens: 2 * 6.979e9 parameters of the layers * 8,192 / 989.5e12 = 115.6 ms; reading is hidden.
    // What lies between the products is not: 8,192 * 5.636 MB, 13.8 ms; and the head is read once, 0.3 ms.
    CHECK(seconds_of(t.mixed_step[8192]) ==
          Approx(2 * 6.979e9 * 8192 / 989.5e12 + 8192 * beside / 3350e9 + 1.0507e9 / 3350e9).epsilon(0.002));
}

TEST_CASE("tensor parallelism halves the reading and pays two all-reduces per layer") {
    const StepCostTable one = step_cost_table(replica("Qwen/Qwen3-8B", "h100-sxm-80gb", 1), ideal());
    const StepCostTable two = step_cost_table(replica("Qwen/Qwen3-8B", "h100-sxm-80gb", 2), ideal());
    CHECK(seconds_of(two.decode_step[1]) == Approx(seconds_of(one.decode_step[1]) / 2).epsilon(0.01));
    CHECK(two.attention[0].ticks_per_token * 2 == Approx(one.attention[0].ticks_per_token).margin(2));
    StepTimeOptions slow = ideal();
    slow.coefficients->all_reduce_s = 10e-6;  // 36 layers * 2 * 10 us = 0.72 ms
    const StepCostTable linked = step_cost_table(replica("Qwen/Qwen3-8B", "h100-sxm-80gb", 2), slow);
    CHECK(seconds_of(linked.decode_step[1] - two.decode_step[1]) == Approx(0.72e-3).epsilon(1e-3));
}

TEST_CASE("a decode pays for the captured size it is padded to, and a mixed step for its graph") {
    const KvCapacity c = replica("Llama-3.1-8B", "h100-sxm-80gb", 1);
    const StepCostTable t = step_cost_table(c, ideal());
    const Tick row = t.per_sampled_row;
    CHECK((t.decode_step[16] - t.decode_step[9]).count == Approx(7 * row.count).margin(2));
    CHECK(t.decode_step[17] - t.decode_step[16] > row);
    CHECK(t.mixed_step[290] == t.mixed_step[304]);
    CHECK(t.mixed_step[513] < t.mixed_step[600]);  // above the largest graph every token counts
    StepTimeOptions eager = ideal();
    eager.coefficients->layer_uncaptured_s = 40e-6;
    eager.enforce_eager = true;
    CHECK(step_cost_table(c, eager).decode_step[1] > t.decode_step[1]);
}

TEST_CASE("experts: one token reads k of E, many tokens read all of them") {
    const KvCapacity c = replica("openai/gpt-oss-120b", "h200-sxm-141gb", 1);
    const StepCostTable t = step_cost_table(c, ideal());
    const StageWeights w = stage_weights(c.shape, c.weights_type, {1, 1}, 0);
    // 4 of 128 experts in 36 layers, and what every step reads; the windows of 128 tokens in 18 layers.
    const double window = 18 * 128 * 2.0 * 8 * 64 * 2;
    const double one = (36 * 4 * w.one_expert + w.read_every_step + window) / 4800e9 + 40.0 * 201088 / 4800e9;
    CHECK(seconds_of(t.decode_step[1]) == Approx(one).epsilon(0.01));
    CHECK(seconds_of(t.mixed_step[512]) >= (w.experts + w.read_every_step) / 4800e9);
    // Half of the layers see 128 tokens only: the slope counts 18 layers of 8 heads of 64.
    CHECK(t.attention[0].ticks_per_token == std::llround(18 * 2.0 * 8 * 64 * 2 / 4800e9 * 1e11));
}

TEST_CASE("operators: tiles that do no work cost what the kernel says, and products start in a fixed time") {
    const Gpu gpu = get_gpu("h100-sxm-80gb")->gpu;
    KernelCoefficients k{1, 1, 0, 0};
    // 128 x 128 tiles: 1,024 tokens by 4,096 outputs are 8 * 32 = 256 tiles on 132 processors: two waves of 264, so
    // 97 % of the tiles are useful. 2 * 1024 * 4096 * 4096 flops at 989.5 TFLOPS: 34.72 us.
    const double flops = 2.0 * 1024 * 4096 * 4096 / 989.5e12;
    CHECK(matrix_seconds(gpu, k, NumberType::bf16, 1024, 4096, 4096) == Approx(flops).epsilon(0.02));
    k.tile_loss = 1;
    CHECK(matrix_seconds(gpu, k, NumberType::bf16, 1024, 4096, 4096) == Approx(flops * 264 / 256).epsilon(0.02));
    // 64 tokens fill half of each tile, and 32 tiles a quarter of the processors; reading 33.6 MB takes 10 us.
    const double busy = 32.0 / 132 / 2;
    const double small = 2.0 * 64 * 4096 * 4096 / 989.5e12 / busy, read = (2.0 * 4096 * 4096 + 2 * 64 * 8192.0) / 3350e9;
    CHECK(matrix_seconds(gpu, k, NumberType::bf16, 64, 4096, 4096) == Approx(overlapped(read, small)));
    k.launch_s = 3e-6;
    CHECK(matrix_seconds(gpu, k, NumberType::bf16, 64, 4096, 4096) == Approx(3e-6 + overlapped(read, small)));
}

TEST_CASE("operators: kernels are chosen by what the card multiplies") {
    const Gpu hopper = get_gpu("h100-sxm-80gb")->gpu, ampere = get_gpu("a100-sxm-80gb")->gpu,
              blackwell = get_gpu("b200-sxm-180gb")->gpu;
    CHECK(weight_kernel(NumberType::fp8, hopper) == WeightKernel::eight_bit);
    CHECK(weight_kernel(NumberType::fp8, ampere) == WeightKernel::weight_only);
    CHECK(weight_kernel(NumberType::nvfp4, blackwell) == WeightKernel::four_bit);
    CHECK(weight_kernel(NumberType::nvfp4, hopper) == WeightKernel::weight_only);
    CHECK(weight_kernel(NumberType::mxfp4, hopper) == WeightKernel::mxfp4);
    CHECK(weight_kernel(NumberType::bf16, ampere) == WeightKernel::sixteen_bit);
}

TEST_CASE("experts shared by two engines: each keeps half and meets the tokens of both") {
    KvRequest r;
    r.model = "Qwen/Qwen3-30B-A3B";
    r.gpu = "rtx-pro-6000-96gb";
    r.max_model_len = 4096;
    const KvCapacity alone = *kv_capacity(r);
    r.data_parallel = r.expert_parallel = 2;
    const KvCapacity shared = *kv_capacity(r);
    REQUIRE(shared.expert_groups == 2);
    // 48 layers * 128 experts * 3 * 2048 * 768 parameters * 2 B = 58.0 GB = 54.0 GiB: half of it moves out.
    CHECK(alone.weights_gib - shared.weights_gib == Approx(27.0).margin(0.01));
    // One token per engine: two tokens choose among 128, 15.5 of them are touched, each engine reads its half; alone
    // one token reads 8. Nearly the same.
    const StepCostTable a = step_cost_table(alone, ideal()), b = step_cost_table(shared, ideal());
    CHECK(seconds_of(b.decode_step[1]) == Approx(seconds_of(a.decode_step[1])).epsilon(0.05));
    // Many tokens: all experts are touched, and each engine reads only its own.
    CHECK(seconds_of(a.decode_step[64] - b.decode_step[64]) > 0.4 * 58.0e9 / 2 / 1792e9);
    r.expert_parallel = 3;
    CHECK_FALSE(kv_capacity(r).ok());
    r.expert_parallel = 2;
    r.model = "Qwen/Qwen3-8B";
    CHECK_FALSE(kv_capacity(r).ok());
}

TEST_CASE("every card says whether its step times are calibrated or from its data sheet") {
    for (const char* name : {"a100-sxm-80gb", "h100-sxm-80gb", "h200-sxm-141gb", "l40s-48gb", "b200-sxm-180gb",
                             "rtx-pro-6000-96gb", "rtx-4090-24gb"})
        CHECK(step_time_coefficients(get_gpu(name)->gpu).source.starts_with("calibrated"));
    for (const char* name : {"t4-16gb", "v100-16gb", "a10g-24gb", "l4-24gb", "a40-48gb", "a100-sxm-40gb", "gh200-96gb",
                             "mi300x-192gb", "rtx-3090-24gb"})
        CHECK(step_time_coefficients(get_gpu(name)->gpu).source.starts_with("data-sheet roofline"));
}

TEST_CASE("synchronous scheduling adds the host's time, asynchronous hides it") {
    const KvCapacity c = replica("Llama-3.1-8B", "h100-sxm-80gb", 1);
    StepTimeOptions o = ideal();
    o.coefficients->host_step_s = 2e-3;
    o.coefficients->host_row_s = 10e-6;
    const Tick bare = step_cost_table(c, ideal()).decode_step[64];
    CHECK(seconds_of(step_cost_table(c, o).decode_step[64] - bare) == Approx(2.64e-3).epsilon(1e-4));
    o.asynchronous_scheduling = true;
    CHECK(step_cost_table(c, o).decode_step[64] == bare);
    o.coefficients->host_step_s = 20e-3;  // longer than the GPU's part: the step is as long as the host's
    CHECK(seconds_of(step_cost_table(c, o).decode_step[64]) == Approx(20.64e-3).epsilon(1e-6));
}

TEST_CASE("tables have the sizes of the batch limits, never fall with the batch, and stay within bounds") {
    for (const char* gpu : {"t4-16gb", "a100-sxm-80gb", "h100-sxm-80gb", "b200-sxm-180gb", "mi300x-192gb",
                            "a100-sxm-80gb/3g.40gb"})
        for (const char* model :
             {"Qwen/Qwen2.5-1.5B-Instruct", "deepseek-ai/DeepSeek-V2-Lite", "google/gemma-3-1b-it"}) {
            INFO(gpu << " " << model);
            const KvCapacity c = replica(model, gpu, 1, "0.19.0", 128, 2048);
            const StepCostTable t = step_cost_table(c);
            REQUIRE(t.decode_step.size() == 129);
            REQUIRE(t.mixed_step.size() == 2049);
            CHECK(std::is_sorted(t.decode_step.begin(), t.decode_step.end()));
            CHECK(std::is_sorted(t.mixed_step.begin() + 1, t.mixed_step.begin() + 512));
            CHECK(std::is_sorted(t.mixed_step.begin() + 513, t.mixed_step.end()));
            CHECK(t.decode_step[1] > milliseconds(0));
            CHECK(t.mixed_step[2048] < longest_step);
            CHECK(t.attention[0].ticks_per_token > 0);
            CHECK(t.prefill_ticks_per_pair_q16 > 0);
        }
}

TEST_CASE("a pipeline of two is no faster per token than the whole, and its stages add up") {
    KvRequest r;
    r.model = "Qwen/Qwen3-8B";
    r.gpu = "l4-24gb";
    r.pipeline_parallel = 2;
    r.max_model_len = 4096;
    const KvCapacity two = *kv_capacity(r);
    r.pipeline_parallel = 1;
    const KvCapacity one = *kv_capacity(r);
    CHECK(seconds_of(step_cost_table(two, ideal()).decode_step[1]) ==
          Approx(seconds_of(step_cost_table(one, ideal()).decode_step[1])).epsilon(0.01));
    // A prompt goes through both stages: a lone one is no faster either.
    CHECK(seconds_of(step_cost_table(two, ideal()).mixed_step[2048]) ==
          Approx(seconds_of(step_cost_table(one, ideal()).mixed_step[2048])).epsilon(0.01));
    CHECK(step_cost_table(two, ideal()).prefill_ticks_per_pair_q16 ==
          step_cost_table(one, ideal()).prefill_ticks_per_pair_q16);
}

TEST_CASE("coefficients are read strictly and say where they come from") {
    const StepTimeCoefficients base;
    CHECK(read_step_time_coefficients(R"({"layer_us": 12, "source": "mine"})", base)->layer_s ==
          Approx(12e-6));
    CHECK(read_step_time_coefficients(R"({"layer_us": 12})", base)->gemm_8bit == base.gemm_8bit);
    const auto wrong =
        read_step_time_coefficients(R"({"layer_use": 12, "kv_bandwidth": 0, "step_us": -1})", base);
    REQUIRE_FALSE(wrong.ok());
    CHECK(wrong.problems().size() == 3);
    CHECK_FALSE(step_time_coefficients(get_gpu("h100-sxm-80gb")->gpu).source.empty());
    CHECK(step_time_coefficients(get_gpu("t4-16gb")->gpu).source !=
          step_time_coefficients(get_gpu("h100-sxm-80gb")->gpu).source);
}

TEST_CASE("measured closed loops: the tables explain TPOT of dense models on Hopper") {
    const std::string path = shared_data_file("measured/vllm_closed_loop.csv");
    if (path.empty()) {
        WARN("shared data not found: skipped");
        return;
    }
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);
    std::vector<double> errors;
    while (std::getline(in, line)) {
        // id,vllm_version,model,gpu,precision,isl,osl,concurrency,tp,pp,dp,moe_tp,moe_ep,ttft_mean_ms,tpot_mean_ms
        std::vector<std::string> f;
        std::stringstream cells(line);
        for (std::string cell; std::getline(cells, cell, ',');) f.push_back(cell);
        const bool llama = f[2] == "meta-llama/Llama-3.1-70B", qwen = f[2] == "Qwen/Qwen3-32B";
        if ((!llama && !qwen) || f[3][0] != 'h' || f[4] == "fp4" || f[9] != "1") continue;
        const int isl = std::stoi(f[5]), osl = std::stoi(f[6]), clients = std::stoi(f[7]),
                  tp = std::stoi(f[8]);
        if (osl < 500) continue;  // short outputs: the closed form below knows no queueing
        KvRequest r;
        r.model = llama ? "nvidia/Llama-3.3-70B-Instruct-FP8" : f[2];
        r.gpu = f[3] == "h100_sxm" ? "h100-sxm-80gb" : "h200-sxm-141gb";
        r.tensor_parallel = tp;
        r.vllm_version = llama ? "0.10.2" : "0.12.0";
        if (llama) r.kv_cache_dtype = "fp8";
        r.max_num_batched_tokens = 8192;
        r.max_model_len = isl + osl + 200;
        const KvCapacity c = *kv_capacity(r);
        const double share = llama ? 0.9 : 1.0;  // mean of the lengths over their maximum
        const double prompt = share * isl, output = share * osl;
        if (!c.fits || static_cast<double>(c.kv_cache_tokens) < clients * (prompt + output)) continue;
        StepTimeOptions o;
        if (llama) o.asynchronous_scheduling = true;
        const StepCostTable t = step_cost_table(c, o);
        // A decode step with every client aboard at half its output, and the others' prefills spread over it.
        const double context = clients * (prompt + output / 2);
        const double decode = seconds_of(t.decode_step[static_cast<std::size_t>(clients)]) +
                              1e-11 * static_cast<double>(t.attention[0].ticks_per_token) * context;
        const double prefill =
            seconds_of(t.mixed_step[static_cast<std::size_t>(std::min(8192.0, prompt))]) +
            1e-11 * prompt * prompt / 2 * static_cast<double>(t.prefill_ticks_per_pair_q16) / 65536;
        const double tpot =
            1e3 * (decode + (clients - 1) / output * std::max(0.0, prefill - seconds_of(t.decode_step[1])));
        errors.push_back(std::abs(tpot / std::stod(f[14]) - 1));
    }
    REQUIRE(errors.size() > 40);
    std::sort(errors.begin(), errors.end());
    INFO("median " << errors[errors.size() / 2] << ", p90 " << errors[errors.size() * 9 / 10]);
    CHECK(errors[errors.size() / 2] < 0.07);
    CHECK(errors[errors.size() * 9 / 10] < 0.15);
}

TEST_CASE("a cold start is a list of named stages") {
    const KvCapacity c = replica("Llama-3.1-8B", "l40s-48gb", 1, "0.9.2");
    ColdStartOptions o;
    o.storage = WeightStorage::hub;
    const auto stages = *default_cold_start(c, o);
    std::map<std::string, double> seconds;
    double total = 0;
    for (const ColdStartStage& s : stages) {
        CHECK(s.median_s > 0);
        CHECK_FALSE(s.source.empty());
        seconds[s.name] = s.median_s;
        total += s.median_s;
    }
    CHECK(seconds.at("node_provisioning") == 100);
    // 14.99 GiB at 0.263 GB/s: 61.2 s (61 measured); 10 GB of image at 30 MB/s: 333 s.
    CHECK(seconds.at("weights_download") == Approx(61.2).margin(0.05));
    CHECK(seconds.at("image_pull") == Approx(333.3).margin(0.1));
    // 67 sizes * (0.18 + 0.005 * 32 layers) = 22.8 s.
    CHECK(seconds.at("graph_capture") == Approx(22.78).margin(0.1));
    CHECK(total > 400);
    o.new_node = false;
    o.image_cached = true;
    o.storage = WeightStorage::page_cache;
    o.compile_cached = true;
    double warm = 0;
    const auto warm_stages = *default_cold_start(c, o);
    for (const ColdStartStage& s : warm_stages) warm += s.median_s;
    CHECK(warm < 82);  // the measured warm start of this model on this card, with a slower disk
    o.cloud = "oracle";
    CHECK_FALSE(default_cold_start(c, o).ok());
    CHECK_FALSE(read_weight_storage("tape").ok());
    CHECK(*read_weight_storage("local_nvme") == WeightStorage::local_nvme);
}
