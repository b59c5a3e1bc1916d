#include "cli/calibrate_device.hpp"

#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "gpu/batch_replay.hpp"
#include "gpu/device_measure.hpp"
#include "reports/atomic_file.hpp"
#include "reports/device_fit.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <ctime>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

namespace windtunnel {

#if !defined(WINDTUNNEL_HAS_CUDA)

int calibrate_device(const DeviceCalibration&) {
    print_error(
        "calibrating on a GPU needs a program with device code (cmake --preset cuda) and an NVIDIA GPU of "
        "sm_80 or later: this "
        "windtunnel was built without");
    print_line(
        "without a GPU it fits results of your own: windtunnel calibrate --from vllm-bench.json ... --gpu "
        "NAME");
    return bad_input;
}

#else

namespace {

using Json = nlohmann::ordered_json;

/// One thing to be measured: its name in the file of measurements, and how.
struct Point {
    std::string name;
    std::function<double()> measure;
    std::function<void(DeviceTimes&, double)> keep;
};

std::vector<Point> points_of(const LlmShape& s) {
    std::vector<Point> out;
    out.push_back({"read", [] { return measure_read(); },
                   [](DeviceTimes& t, double v) { t.read_bytes_per_second = v; }});
    out.push_back({"copy", [] { return measure_copy(); },
                   [](DeviceTimes& t, double v) { t.copy_bytes_per_second = v; }});
    const std::int64_t hidden = s.hidden_size, attention = std::int64_t{s.attention_heads} * s.head_dim,
                       qkv = attention + 2 * std::int64_t{s.kv_heads} * s.head_dim;
    const std::pair<std::int64_t, std::int64_t> products[] = {
        {qkv, hidden}, {hidden, attention}, {2 * s.intermediate_size, hidden}, {hidden, s.intermediate_size}};
    for (const std::int64_t tokens : {1, 8, 32, 128, 256, 512, 1024, 2048, 8192})
        for (const auto& [outputs, inputs] : products) {
            if (outputs <= 0 || inputs <= 0) continue;
            out.push_back({fmt::format("product {}x{}x{}", tokens, outputs, inputs),
                           [tokens, outputs = outputs, inputs = inputs] {
                               return measure_product(tokens, outputs, inputs);
                           },
                           [tokens, outputs = outputs, inputs = inputs](DeviceTimes& t, double v) {
                               t.products.push_back({tokens, outputs, inputs, v});
                           }});
        }
    const auto attention_point = [&](FloatFormat format, int batch, int length, int queries) {
        out.push_back({fmt::format("attention {} {}@{} new {}", format == FloatFormat::e4m3 ? "fp8" : "bf16",
                                   batch, length, queries),
                       [=, &s] {
                           return measure_attention(format, s.attention_heads, s.kv_heads, s.head_dim, batch,
                                                    length, queries);
                       },
                       [=, &s](DeviceTimes& t, double v) {
                           t.attention.push_back({batch, length, queries, s.attention_heads, s.kv_heads,
                                                  s.head_dim, bytes_of(format), v});
                       }});
    };
    for (const FloatFormat format : {FloatFormat::bf16, FloatFormat::e4m3})
        for (const auto& [batch, length] : {std::pair{1, 1024},
                                            {1, 8192},
                                            {1, 65536},
                                            {8, 2048},
                                            {16, 8192},
                                            {32, 8192},
                                            {64, 8192},
                                            {128, 2048},
                                            {256, 1024}})
            attention_point(format, batch, length, 1);
    for (const int length : {512, 2048, 8192}) attention_point(FloatFormat::bf16, 1, length, length);
    return out;
}

/// The file of measurements: a line that names the device, then one per point.
class Measurements {
public:
    Measurements(std::string file, const DeviceIdentity& device)
        : m_file(std::move(file)), m_device(device.name) {
        if (m_file.empty()) return;
        std::ifstream in(m_file);
        std::string line;
        for (int n = 1; std::getline(in, line); ++n) {
            const Json one = Json::parse(line, nullptr, false);
            if (one.is_discarded() || !one.is_object()) {
                if (!in.eof())
                    m_problems.push_back(
                        {{m_file, n, 0},
                         "",
                         "found text that is no JSON, allowed: measurements of `windtunnel calibrate`"});
                continue;  // the last line of an interrupted run
            }
            if (n == 1 && one.value("device", "") != m_device)
                m_problems.push_back(
                    {{m_file, n, 0},
                     "device",
                     fmt::format("found \"{}\", allowed here: \"{}\"", one.value("device", ""), m_device)});
            if (one.contains("point") && one.contains("value") && one.at("value").is_number())
                m_known[one.at("point").get<std::string>()] = one.at("value").get<double>();
        }
        if (m_known.empty())
            std::ofstream(m_file, std::ios::trunc) << Json{{"device", m_device}}.dump() << '\n';
    }
    [[nodiscard]] const Problems& problems() const { return m_problems; }
    [[nodiscard]] const double* find(const std::string& point) const {
        const auto at = m_known.find(point);
        return at == m_known.end() ? nullptr : &at->second;
    }
    void add(const std::string& point, double value) const {
        if (!m_file.empty())
            std::ofstream(m_file, std::ios::app) << Json{{"point", point}, {"value", value}}.dump() << '\n'
                                                 << std::flush;
    }

private:
    std::string m_file, m_device;
    std::map<std::string, double> m_known;
    Problems m_problems;
};

int refuse(Problems problems) {
    print_errors(as_flags(std::move(problems)));
    return bad_input;
}

std::string today() {
    const std::time_t now = std::time(nullptr);
    char text[16] = {};
    std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&now));
    return text;
}

/// Blocks that an engine of this configuration would get, probed and by the model of memory.
std::string probe_table(const KvRequest& base) {
    std::string out = "  KV blocks: probed beside the model's\n";
    for (const double share : {0.9, 0.8, 0.7}) {
        KvRequest request = base;
        request.gpu_memory_utilization = share;
        const Result<KvCapacity> c = kv_capacity(request);
        if (!c || !c->fits) continue;
        const auto bytes = [](double gib) { return static_cast<std::int64_t>(gib * 1073741824.0); };
        const std::int64_t found = probe_kv_blocks(bytes(c->weights_gib), bytes(c->activation_gib),
                                                   bytes(c->cuda_graph_gib), c->bytes_per_block, share);
        out += fmt::format("    utilisation {:.1f}: {:>8} {:>8}  {:+.1f}%\n", share, found, c->num_gpu_blocks,
                           100 * (static_cast<double>(c->num_gpu_blocks) /
                                      static_cast<double>(std::max<std::int64_t>(found, 1)) -
                                  1));
    }
    return out;
}

}  // namespace

int calibrate_device(const DeviceCalibration& what) {
    if (const DeviceAnswer answer = ask_device(); !answer.answers) {
        print_error("calibrating needs an NVIDIA GPU of sm_80 or later: " + answer.words);
        print_line(
            "without a GPU it fits results of your own: windtunnel calibrate --from vllm-bench.json ... "
            "--gpu NAME");
        return bad_input;
    }
    const DeviceIdentity device = identify_device();
    KvRequest request = what.request;
    if (request.model.empty()) request.model = "meta-llama/Llama-3.1-8B-Instruct";
    if (request.gpu.empty()) {
        request.gpu = device.name;
        std::replace(request.gpu.begin(), request.gpu.end(), ' ', '-');
    }
    const Result<ResolvedGpu> gpu = get_gpu(request.gpu);
    if (!gpu) return refuse(gpu.problems());
    const Result<KvCapacity> capacity = kv_capacity(request);
    if (!capacity) return refuse(capacity.problems());
    StepTimeCoefficients other = step_time_coefficients(gpu->gpu);
    if (!what.compare.empty()) {
        std::ifstream in(what.compare, std::ios::binary);
        if (!in) return refuse({{{what.compare}, "", "cannot be read, allowed: a profile"}});
        const Result<StepProfile> profile =
            read_step_profile(std::string{std::istreambuf_iterator<char>(in), {}}, what.compare);
        if (!profile) return refuse(profile.problems());
        const Result<StepTimeCoefficients> theirs = coefficients_of(*profile, gpu->gpu, what.compare);
        if (!theirs) return refuse(theirs.problems());
        other = *theirs;
    }
    if (!what.out.empty())
        if (Problems problems = problems_of_writing(what.out); !problems.empty())
            return refuse(std::move(problems));
    Measurements measurements(what.measurements, device);
    if (!measurements.problems().empty()) return refuse(measurements.problems());

    const std::vector<Point> points = points_of(capacity->shape);
    DeviceTimes times;
    {
        Progress progress("measurements", points.size(), what.quiet);
        const InterruptGuard guard;
        for (std::size_t i = 0; i < points.size(); ++i) {
            if (guard.raised()) return guard.exit_code();
            const double* known = measurements.find(points[i].name);
            try {
                const double value = known ? *known : points[i].measure();
                if (!known) measurements.add(points[i].name, value);
                points[i].keep(times, value);
            } catch (const std::runtime_error& e) {
                print_line(fmt::format("note: {} was not measured: {}", points[i].name, e.what()));
            }
            progress.update(i + 1);
        }
        progress.clear();
    }
    const DeviceFit fit = fit_to_device(times, gpu->gpu);
    StepProfile profile;
    profile.gpu = gpu->gpu.name, profile.device = device.name, profile.driver = device.driver,
    profile.date = today();
    profile.source = fmt::format(
        "calibrated on {} ({}), {}: weights, 16-bit products and the 16-bit cache measured, the rest as "
        "shipped",
        device.name, device.driver, profile.date);
    profile.coefficients = step_time_coefficients_json(gpu->gpu, factors_of(fit, gpu->gpu), profile.source);
    profile.residuals = Json{{"products", fit.product_error},
                             {"decode_attention", fit.decode_error},
                             {"decode_attention_8bit", fit.decode_8bit_error}}
                            .dump();
    if (!what.out.empty())
        if (Problems failed = write_file(what.out, step_profile_json(profile)); !failed.empty())
            return refuse(std::move(failed));
    if (what.json) return print_data(step_profile_json(profile)) ? answered : run_broke;
    const std::string table =
        fmt::format("{}, {}, {:.1f} GiB (free {:.1f}): {}\n\n", device.name, device.driver,
                    static_cast<double>(device.memory_bytes) / 1073741824.0,
                    static_cast<double>(device.free_bytes) / 1073741824.0, gpu->gpu.name) +
        device_fit_table(fit, times, gpu->gpu, what.compare.empty() ? "shipped" : "compared", other) +
        probe_table(request);
    return print_data(table) ? answered : run_broke;
}

#endif

}  // namespace windtunnel
