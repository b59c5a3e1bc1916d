#include "reports/device_fit.hpp"

#include "tests/models/shared_data.hpp"
#include "tests/support/fake_gpu.hpp"

#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

using namespace windtunnel;

namespace {

KvRequest request_of(const std::string& model) {
    KvRequest request;
    request.model = model, request.gpu = "h100-sxm-80gb", request.max_model_len = 8192;
    return request;
}
KvCapacity capacity_of(const std::string& model) { return *kv_capacity(request_of(model)); }

CalibrationLimits limits_of(const lab::FakeGpu& gpu, double seconds) {
    return {seconds, [&gpu] { return gpu.elapsed(); }, [] { return false; }, [](std::size_t) {}};
}

}  // namespace

TEST_CASE("calibration: a GPU that follows the model gives its numbers back, within ten minutes") {
    for (const char* model : {"meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-32B"}) {
        lab::FakeGpu gpu(capacity_of(model));
        const std::vector<CalibrationPoint> points =
            calibration_points(request_of(model), gpu.m_capacity, gpu.identity().free_bytes);
        MeasurementFile none;
        CalibrationResult found =
            run_calibration(points, gpu.gpu(), gpu.measure(), none, limits_of(gpu, 600));
        INFO(model);
        CHECK(found.left_out.empty());
        CHECK(gpu.elapsed() < 300);
        REQUIRE(found.failed.size() == 5);  // the prefills
        CHECK_THAT(found.failed[0], Catch::Contains("attention 1@2048 new 2048: this GPU has no room"));
        const DeviceFit fit = fit_to_device(found.times, gpu.m_capacity);
        CHECK(fit.products.error < 1e-3);
        CHECK(fit.step_error < 2e-3);
        CHECK(fit.stack_s == Approx(120e-6).epsilon(0.05));
        CHECK(fit.sampled_row_s == Approx(0.5e-6).epsilon(1e-3));
        CHECK(fit.decode.power == 1);
        CHECK(fit.decode.fixed_s == Approx(11e-6).epsilon(0.01));
        CHECK(fit.decode.sequence_head_s == Approx(0.03e-6).epsilon(0.02));
        CHECK(fit.decode.held_out_error < 0.01);
        const StepTimeCoefficients k = coefficients_of(fit, gpu.gpu());
        CHECK(k.weight_bandwidth == Approx(0.85).epsilon(2e-3));
        CHECK(k.gemm_16bit == Approx(0.6).epsilon(2e-3));
        CHECK(k.matrix_16bit_s == Approx(4e-6).epsilon(0.02));
        CHECK(k.tile_loss_16bit == Approx(0.3).epsilon(0.01));
        CHECK(k.weight_bandwidth_8bit == Approx(0.75).epsilon(2e-3));
        CHECK(k.gemm_8bit == Approx(0.5).epsilon(2e-3));
        CHECK(k.kv_bandwidth == Approx(0.9).epsilon(2e-3));
        CHECK(k.kv_bandwidth_8bit == Approx(0.7).epsilon(2e-3));
        CHECK(k.layer_s == Approx(17e-6).epsilon(0.01));
        // A quarter of the layers: a quarter of the time but for the head's product.
        const double deep = found.times.steps[0].seconds, shallow = found.times.steps[1].seconds;
        CHECK(found.times.steps[1].layers == found.times.steps[0].layers / 4);
        CHECK(shallow > 0.25 * deep);
        CHECK(shallow < 0.36 * deep);
        // What our own kernels do not stand for stays as shipped.
        const StepTimeCoefficients shipped = step_time_coefficients(gpu.gpu());
        CHECK(k.attention_flops == shipped.attention_flops);
        CHECK(k.row_s == shipped.row_s);
        CHECK(k.host_step_s == shipped.host_step_s);
        // Blocks: the GPU gave a hundredth fewer than predicted.
        REQUIRE(found.times.kv_blocks.size() >= 2);
        for (const KvBlocksFound& b : found.times.kv_blocks)
            CHECK(static_cast<double>(b.found) == Approx(0.99 * static_cast<double>(b.predicted)).margin(1));
        const std::string table = device_fit_table(fit, found.times, gpu.m_capacity, "shipped", shipped);
        CHECK_THAT(table, Catch::Contains("decode attention, fp8 cache") && Catch::Contains("70.0%") &&
                              Catch::Contains("whole decode steps, replayed") && Catch::Contains("+1."));
    }
}

TEST_CASE(
    "calibration: prefills give share and tile back, and enter the profile where the engine's kernel is "
    "alike") {
    for (const char* name : {"a100-sxm-80gb", "h100-sxm-80gb"}) {
        KvRequest request = request_of("meta-llama/Llama-3.1-8B-Instruct");
        request.gpu = name;
        const KvCapacity capacity = *kv_capacity(request);
        const StepTimeCoefficients shipped = step_time_coefficients(capacity.gpu);
        DeviceTimes times;
        for (const CalibrationPoint& p :
             calibration_points(request, capacity, capacity.gpu.memory_bytes / 10 * 9))
            if (p.kind == CalibrationKind::attention && p.queries > 1) {
                // 32 heads of 128: 4 x 32 x 128 = 16,384 operations a pair of query and key, at 0.55 of the
                // peak; 100 keys more than its own for each query.
                const double n = static_cast<double>(p.queries), before = static_cast<double>(p.length) - n;
                const double pairs = static_cast<double>(p.rows) * n * (before + (n + 1) / 2 + 100);
                times.attention.push_back({p.rows, p.length, p.queries, 32, 8, 128, 2,
                                           16384 * pairs / (0.55 * capacity.gpu.flops(NumberType::bf16))});
            }
        REQUIRE(times.attention.size() == 5);
        const DeviceFit fit = fit_to_device(times, capacity);
        CHECK(fit.prefill.flops == Approx(0.55));
        CHECK(fit.prefill.tile_tokens == Approx(100));
        CHECK(fit.prefill.error < 1e-9);
        const StepTimeCoefficients k = coefficients_of(fit, capacity.gpu);
        const bool alike = std::string(name) == "a100-sxm-80gb";  // FlashAttention-2 there, 3 on Hopper
        CHECK(k.attention_flops == Approx(alike ? 0.55 : shipped.attention_flops));
        CHECK(k.attention_tile_tokens == Approx(alike ? 100 : shipped.attention_tile_tokens));
        const std::string table = device_fit_table(fit, times, capacity, "shipped", shipped);
        CHECK_THAT(table, Catch::Contains(alike ? "prefill attention  " : "our kernel; not in the profile"));
        CHECK_THAT(table, Catch::Contains("55.0%") && Catch::Contains("of 5 points"));
    }
}

TEST_CASE("calibration: what tells least is left out when time is short, and a second call goes on") {
    const KvRequest request = request_of("meta-llama/Llama-3.1-8B-Instruct");
    lab::FakeGpu gpu(capacity_of(request.model));
    gpu.slowness = 3;  // three times as long as expected
    const std::vector<CalibrationPoint> points =
        calibration_points(request, gpu.m_capacity, gpu.identity().free_bytes);
    std::set<std::string> names;
    for (const CalibrationPoint& p : points) CHECK(names.insert(name_of(p)).second);
    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("windtunnel_measurements_" + std::to_string(::getpid()));
    std::filesystem::remove(path);
    CalibrationResult first;
    {
        MeasurementFile file;
        REQUIRE(file.open(path.string(), "H100", "llama").empty());
        first = run_calibration(points, gpu.gpu(), gpu.measure(), file, limits_of(gpu, 20));
    }
    CHECK(gpu.elapsed() <= 20);
    REQUIRE(!first.left_out.empty());
    REQUIRE(first.measured > 8);
    // A few of every kind come first: each can be fitted.
    CHECK(first.times.products.size() >= 6);
    CHECK(first.times.attention.size() >= 4);
    CHECK(first.times.steps.size() >= 2);
    // Cut off in the middle of a line, as a killed program leaves it.
    std::ofstream(path, std::ios::app) << "{\"point\": \"prod";
    lab::FakeGpu same(gpu.m_capacity);
    MeasurementFile file;
    REQUIRE(file.open(path.string(), "H100", "llama").empty());
    const CalibrationResult second =
        run_calibration(points, same.gpu(), same.measure(), file, limits_of(same, 600));
    CHECK(second.known == first.measured);
    CHECK(second.measured + second.known + second.failed.size() == points.size());
    CHECK(same.measured == second.measured + second.failed.size());
    // The same measurements as without any interruption.
    lab::FakeGpu whole(gpu.m_capacity);
    MeasurementFile none;
    const CalibrationResult all =
        run_calibration(points, whole.gpu(), whole.measure(), none, limits_of(whole, 600));
    CHECK(device_fit_residuals(fit_to_device(second.times, gpu.m_capacity), second.times, gpu.m_capacity) ==
          device_fit_residuals(fit_to_device(all.times, gpu.m_capacity), all.times, gpu.m_capacity));
    // Another GPU's, another model's, or no measurements at all.
    const auto refusal = [&](const std::string& device, const std::string& model) {
        MeasurementFile other;
        const Problems problems = other.open(path.string(), device, model);
        return problems.empty() ? std::string() : to_string(problems.front());
    };
    CHECK_THAT(refusal("A100", "llama"),
               Catch::Contains("found measurements of H100, allowed here: of A100"));
    CHECK_THAT(refusal("H100", "qwen"), Catch::Contains("found measurements of llama"));
    std::ofstream(path, std::ios::trunc) << "name: chat\n";
    CHECK_THAT(refusal("H100", "llama"), Catch::Contains("found another file"));
    std::filesystem::remove(path);
}

TEST_CASE("attention law: public tables of vLLM's kernels, H100 and H200") {
    const std::string table = shared_data_file("measured/decode_attention_kernels.csv.gz");
    if (table.empty()) {
        WARN("skipped: the table is not there");
        return;
    }
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(
        ::popen(("gzip -dc '" + table + "'").c_str(), "r"), ::pclose);
    std::string text;
    for (char part[1 << 16]; const std::size_t n = std::fread(part, 1, sizeof part, pipe.get());)
        text.append(part, n);
    std::istringstream lines(text);
    std::map<std::string, std::size_t> column;
    std::map<std::pair<std::string, int>, std::map<std::vector<std::int64_t>, AttentionTime>> best;
    for (std::string line; std::getline(lines, line);) {
        std::vector<std::string> f;
        std::istringstream fields(line);
        for (std::string one; std::getline(fields, one, ',');) f.push_back(one);
        if (column.empty()) {
            for (std::size_t i = 0; i < f.size(); ++i) column[f[i]] = i;
            continue;
        }
        const auto number = [&](const char* key) { return std::stoll(f[column.at(key)]); };
        AttentionTime t{number("b"),
                        number("kv_len"),
                        1,
                        static_cast<int>(number("hq")),
                        static_cast<int>(number("hkv")),
                        128,
                        f[column.at("kv")].find("8") == std::string::npos ||
                                f[column.at("kv")].find("16") != std::string::npos
                            ? 2
                            : 1,
                        std::stod(f[column.at("us")]) * 1e-6};
        if (t.heads == t.kv_heads) continue;  // GQA alone, as the simulator's models have it
        AttentionTime& known =
            best[{f[column.at("gpu")], t.element_bytes}][{t.batch, t.length, t.heads, t.kv_heads}];
        if (known.seconds == 0 || t.seconds < known.seconds) known = t;
    }
    int fitted = 0;
    for (const auto& [of, times] : best) {
        std::string card = of.first;
        std::transform(card.begin(), card.end(), card.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        const double peak = card.find("h200") != std::string::npos   ? 4.8e12
                            : card.find("h100") != std::string::npos ? 3.35e12
                                                                     : 0;
        if (peak == 0) continue;
        std::vector<AttentionTime> points;
        for (const auto& [shape, t] : times)
            if (cache_bytes(t) > 100e6 || cache_bytes(t) < 20e6) points.push_back(t);
        if (points.size() < 100) continue;
        const AttentionLaw law = fit_attention_law(points, peak);
        WARN(of.first << (of.second == 1 ? " fp8: " : " 16 bits: ") << points.size() << " points, a "
                      << law.fixed_s * 1e6 << " us, c " << law.sequence_head_s * 1e6 << " us, e " << law.share
                      << ", p " << law.power << "; median error " << law.median_error << ", p90 "
                      << law.p90_error << ", held out " << law.held_out_error);
        CHECK(law.median_error < 0.12);
        CHECK(law.held_out_error < 0.15);
        ++fitted;
    }
    CHECK(fitted >= 3);
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
