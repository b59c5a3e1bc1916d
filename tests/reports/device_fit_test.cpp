#include "reports/device_fit.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace windtunnel;

TEST_CASE(
    "device fit: times that follow the model give its numbers back, and the shipped coefficients take them "
    "over") {
    const Gpu gpu = get_gpu("h100-sxm-80gb")->gpu;
    DeviceTimes times;
    times.read_bytes_per_second = 0.92 * gpu.bytes_per_second;
    // Products at 85 % of the bandwidth and 60 % of the peak, 4 us each; reading and multiplying overlap as
    // the fourth-power mean, so the product of 1 token of 4096 x 4096 takes 4 us + 33.6 MB / (0.85 * 3.35
    // TB/s) = 15.8 us.
    for (const std::int64_t tokens : {1, 64, 256, 1024, 8192})
        for (const std::int64_t outputs : {4096, 6144, 28672}) {
            const double read = 2.0 * 4096 * static_cast<double>(outputs) / (0.85 * gpu.bytes_per_second),
                         multiply = 2.0 * 4096 * static_cast<double>(outputs * tokens) /
                                    (0.6 * gpu.flops(NumberType::bf16));
            times.products.push_back(
                {tokens, outputs, 4096, std::pow(std::pow(read, 4) + std::pow(multiply, 4), 0.25) + 4e-6});
        }
    for (const std::int64_t batch : {1, 8, 64})
        for (const int bytes : {1, 2}) {
            const double cache = 2.0 * static_cast<double>(batch) * 8192 * 8 * 128 * bytes;
            times.attention.push_back({batch, 8192, 1, 32, 8, 128, bytes,
                                       11e-6 + cache / ((bytes == 2 ? 0.9 : 0.7) * gpu.bytes_per_second)});
        }
    // 2,048 tokens of prefill: 2,048 * 2,049 / 2 pairs of 4 * 128 flops in 32 heads, at 30 % of the peak.
    times.attention.push_back({1, 2048, 2048, 32, 8, 128, 2,
                               2048.0 * 2049 / 2 * 4 * 128 * 32 / (0.3 * gpu.flops(NumberType::bf16))});
    const DeviceFit fit = fit_to_device(times, gpu);
    CHECK(fit.weight_bandwidth == Approx(0.85).epsilon(1e-3));
    CHECK(fit.gemm_16bit == Approx(0.6).epsilon(1e-3));
    CHECK(fit.product_s == Approx(4e-6).epsilon(1e-2));
    CHECK(fit.product_error < 1e-3);
    CHECK(fit.kv_bandwidth == Approx(0.9).epsilon(1e-3));
    CHECK(fit.decode_s == Approx(11e-6).epsilon(1e-2));
    CHECK(fit.kv_bandwidth_8bit == Approx(0.7).epsilon(1e-3));
    CHECK(fit.prefill_flops == Approx(0.3).epsilon(1e-6));
    const Result<StepTimeCoefficients> k =
        read_step_time_coefficients(step_time_coefficients_json(gpu, factors_of(fit, gpu), "test"), {});
    REQUIRE(k.ok());
    CHECK(k->weight_bandwidth == Approx(0.85).epsilon(1e-3));
    CHECK(k->gemm_16bit == Approx(0.6).epsilon(1e-3));
    CHECK(k->kv_bandwidth == Approx(0.9).epsilon(1e-3));
    CHECK(k->attention_flops == Approx(step_time_coefficients(gpu).attention_flops));
    CHECK(k->source == "test");
}

TEST_CASE(
    "step profile: factors move times and shares the right way, and a profile comes back as it was written") {
    const Gpu gpu = get_gpu("h100-sxm-80gb")->gpu;
    const StepTimeCoefficients shipped = step_time_coefficients(gpu);
    const Result<StepTimeCoefficients> same =
        read_step_time_coefficients(step_time_coefficients_json(gpu, as_shipped, "x"), {});
    REQUIRE(same.ok());
    CHECK(same->layer_s == Approx(shipped.layer_s));
    CHECK(same->kv_bandwidth == Approx(shipped.kv_bandwidth));
    CHECK(same->host_step_s == Approx(shipped.host_step_s));
    CostFactors twice = as_shipped;
    twice[static_cast<std::size_t>(CostGroup::layers)] = 2;
    twice[static_cast<std::size_t>(CostGroup::cache_reading)] = 2;
    const Result<StepTimeCoefficients> slow =
        read_step_time_coefficients(step_time_coefficients_json(gpu, twice, "x"), {});
    REQUIRE(slow.ok());
    CHECK(slow->layer_s == Approx(2 * shipped.layer_s));
    CHECK(slow->kv_bandwidth == Approx(shipped.kv_bandwidth / 2));
    CHECK(slow->host_step_s == Approx(shipped.host_step_s));
    CHECK(slow->weight_bandwidth == Approx(shipped.weight_bandwidth));

    StepProfile profile;
    profile.gpu = gpu.name, profile.date = "2026-06-01", profile.source = "a test";
    profile.coefficients = step_time_coefficients_json(gpu, twice, "a test");
    const Result<StepProfile> read = read_step_profile(step_profile_json(profile), "p.json");
    REQUIRE(read.ok());
    CHECK(read->gpu == gpu.name);
    CHECK(read->device.empty());
    CHECK(coefficients_of(*read, gpu, "p.json")->layer_s == Approx(2 * shipped.layer_s));
    CHECK_FALSE(coefficients_of(*read, get_gpu("l4-24gb")->gpu, "p.json").ok());
    const Result<StepProfile> wrong = read_step_profile(R"({"schema": "windtunnel.results/v1"})", "p.json");
    REQUIRE_FALSE(wrong.ok());
    CHECK(wrong.problems().size() == 3);  // schema, gpu, coefficients
}
