#include "reports/calibration.hpp"

#include "models/bytes.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <tuple>

namespace windtunnel {
namespace {

using Json = nlohmann::ordered_json;

DecodeStack stack_of(const LlmShape& s) {
    return {s.layers,   s.hidden_size,       s.attention_heads, s.kv_heads,
            s.head_dim, s.intermediate_size, s.vocabulary_size, s.gated_mlp};
}
double layer_bytes(const DecodeStack& s) {
    const double query = static_cast<double>(s.heads) * s.head_dim, kv = 2.0 * s.kv_heads * s.head_dim;
    return 2.0 * s.hidden * (2 * query + kv + (s.gated ? 3.0 : 2.0) * s.intermediate);
}
double cache_bytes_of(const CalibrationPoint& p) {
    return 2.0 * static_cast<double>(p.rows * p.length) * p.stack.kv_heads * p.stack.head_dim *
           p.element_bytes;
}

/// The points of one kind, each list from what tells most to what tells least.
class Points {
public:
    Points(const KvRequest& request, const KvCapacity& capacity, std::int64_t free_bytes)
        : m_request(request), m_capacity(capacity), m_stack(stack_of(capacity.shape)), m_free(free_bytes) {}

    /// Round and round the kinds, a few of each at a time.
    [[nodiscard]] std::vector<CalibrationPoint> all() {
        std::vector<CalibrationPoint> bare(2);
        bare[1].kind = CalibrationKind::copy;
        std::vector<std::vector<CalibrationPoint>> kinds = {bare,     products(2), decodes(2), steps(),
                                                            probes(), sampling(),  decodes(1)};
        if (weight_kernel_is_narrow()) kinds.push_back(products(1));
        kinds.push_back(prefills());
        std::vector<CalibrationPoint> out;
        constexpr std::size_t turn = 8;
        for (std::size_t from = 0, most = 0; from <= most; from += turn)
            for (const auto& kind : kinds) {
                most = std::max(most, kind.size());
                for (std::size_t i = from; i < std::min(from + turn, kind.size()); ++i)
                    out.push_back(kind[i]);
            }
        return out;
    }

private:
    [[nodiscard]] bool weight_kernel_is_narrow() const { return m_capacity.gpu.compute_capability() >= 89; }

    [[nodiscard]] std::vector<CalibrationPoint> products(int element_bytes) const {
        const std::int64_t hidden = m_stack.hidden, query = std::int64_t{m_stack.heads} * m_stack.head_dim,
                           qkv = query + 2 * std::int64_t{m_stack.kv_heads} * m_stack.head_dim;
        const std::pair<std::int64_t, std::int64_t> matrices[] = {
            {qkv, hidden},
            {hidden, query},
            {(m_stack.gated ? 2 : 1) * std::int64_t{m_stack.intermediate}, hidden},
            {hidden, m_stack.intermediate}};
        std::vector<CalibrationPoint> out;
        for (const std::int64_t tokens : {1, 256, 4096, 32, 1024, 128, 8192, 8, 512, 2048})
            for (const auto& [outputs, inputs] : matrices)
                if (outputs > 0 && inputs > 0) {
                    CalibrationPoint p;
                    p.kind = CalibrationKind::product;
                    p.rows = tokens, p.outputs = outputs, p.inputs = inputs, p.element_bytes = element_bytes;
                    out.push_back(p);
                }
        return out;
    }
    [[nodiscard]] CalibrationPoint attention(std::int64_t batch, std::int64_t length, std::int64_t queries,
                                             int element_bytes) const {
        CalibrationPoint p;
        p.kind = CalibrationKind::attention;
        p.rows = batch, p.length = length, p.queries = queries, p.element_bytes = element_bytes;
        p.stack = m_stack;
        return p;
    }
    void add_where_it_fits(std::vector<CalibrationPoint>& to, const CalibrationPoint& p) const {
        if (cache_bytes_of(p) * 1.3 < static_cast<double>(m_free)) to.push_back(p);
    }
    [[nodiscard]] std::vector<CalibrationPoint> decodes(int element_bytes) const {
        std::vector<CalibrationPoint> out;
        for (const auto& [batch, length] : {std::pair{64, 8192},
                                            {1, 1024},
                                            {1, 8192},
                                            {16, 8192},
                                            {256, 1024},
                                            {8, 2048},
                                            {512, 128},
                                            {128, 2048},
                                            {1, 65536},
                                            {32, 8192},
                                            {256, 256},
                                            {4, 4096}})
            add_where_it_fits(out, attention(batch, length, 1, element_bytes));
        return out;
    }
    [[nodiscard]] std::vector<CalibrationPoint> prefills() const {
        std::vector<CalibrationPoint> out;
        // Whole prompts, and a chunk behind a long context.
        for (const auto& [batch, length, queries] :
             {std::tuple{1, 2048, 2048}, {1, 512, 512}, {1, 8192, 8192}, {1, 16384, 1024}, {8, 1024, 1024}})
            add_where_it_fits(out, attention(batch, length, queries, 2));
        return out;
    }
    /// Two depths tell what a layer costs from what a step costs besides.
    [[nodiscard]] std::vector<CalibrationPoint> steps() const {
        const double head = 2.0 * m_stack.vocabulary * m_stack.hidden, layer = layer_bytes(m_stack);
        const double room = 0.6 * static_cast<double>(m_free) - head;
        const int deep = std::clamp(static_cast<int>(room / layer), 0, m_stack.layers), shallow = deep / 4;
        std::vector<CalibrationPoint> out;
        if (shallow < 1) return out;
        for (const auto& [batch, length] : {std::pair{1, 512}, {64, 1024}, {256, 512}, {8, 2048}, {32, 4096}})
            for (const int layers : {deep, shallow}) {
                CalibrationPoint p;
                p.kind = CalibrationKind::step;
                p.rows = batch, p.length = length, p.stack = m_stack, p.stack.layers = layers;
                if (layers * layer + head + layers * cache_bytes_of(p) < 0.9 * static_cast<double>(m_free))
                    out.push_back(p);
            }
        return out;
    }
    [[nodiscard]] std::vector<CalibrationPoint> sampling() const {
        std::vector<CalibrationPoint> out;
        for (const int rows : {1, 64, 256, 16}) {
            CalibrationPoint p;
            p.kind = CalibrationKind::sampling;
            p.rows = rows, p.stack = m_stack;
            out.push_back(p);
        }
        return out;
    }
    [[nodiscard]] std::vector<CalibrationPoint> probes() const {
        std::vector<CalibrationPoint> out;
        std::set<std::string> names;
        const auto add = [&](KvRequest request) {
            const Result<KvCapacity> c = kv_capacity(request);
            if (!c || !c->fits) return;
            CalibrationPoint p;
            p.kind = CalibrationKind::kv_blocks;
            const auto bytes = [](double x) { return static_cast<std::int64_t>(x * gib); };
            p.memory = {bytes(c->weights_gib), bytes(c->activation_gib),  bytes(c->cuda_graph_gib),
                        c->bytes_per_block,    c->gpu_memory_utilization, c->num_gpu_blocks};
            if (names.insert(name_of(p)).second) out.push_back(p);
        };
        add(m_request);
        for (const double share : {0.9, 0.8, 0.7}) {
            KvRequest request = m_request;
            request.gpu_memory_utilization = share;
            add(request);
        }
        KvRequest narrow = m_request, long_chunks = m_request;
        narrow.kv_cache_dtype = "fp8";
        add(narrow);
        long_chunks.max_num_batched_tokens = 16384;
        add(long_chunks);
        return out;
    }

    const KvRequest& m_request;
    const KvCapacity& m_capacity;
    const DecodeStack m_stack;
    const std::int64_t m_free;
};

void keep(const CalibrationPoint& p, double value, DeviceTimes& times) {
    const DecodeStack& s = p.stack;
    switch (p.kind) {
        case CalibrationKind::read:
            times.read_bytes_per_second = value;
            return;
        case CalibrationKind::copy:
            times.copy_bytes_per_second = value;
            return;
        case CalibrationKind::product:
            times.products.push_back({p.rows, p.outputs, p.inputs, value, p.element_bytes});
            return;
        case CalibrationKind::attention:
            times.attention.push_back(
                {p.rows, p.length, p.queries, s.heads, s.kv_heads, s.head_dim, p.element_bytes, value});
            return;
        case CalibrationKind::sampling:
            times.sampling.push_back({p.rows, s.vocabulary, value});
            return;
        case CalibrationKind::step:
            times.steps.push_back({s.layers, p.rows, p.length, value});
            return;
        case CalibrationKind::kv_blocks:
            times.kv_blocks.push_back(
                {fmt::format("{:.0f}% of memory, activations {:.1f} GiB, {:.1f} MiB a block",
                             100 * p.memory.share, static_cast<double>(p.memory.activations) / gib,
                             static_cast<double>(p.memory.bytes_per_block) / 1048576.0),
                 static_cast<std::int64_t>(value), p.memory.predicted_blocks});
            return;
    }
}

}  // namespace

std::string name_of(const CalibrationPoint& p) {
    const char* const narrow = p.element_bytes == 1 ? " fp8" : "";
    switch (p.kind) {
        case CalibrationKind::read:
            return "read";
        case CalibrationKind::copy:
            return "copy";
        case CalibrationKind::product:
            return fmt::format("product{} {}x{}x{}", narrow, p.rows, p.outputs, p.inputs);
        case CalibrationKind::attention:
            return fmt::format("attention{} {}@{} new {}", narrow, p.rows, p.length, p.queries);
        case CalibrationKind::sampling:
            return fmt::format("sampling {}x{}", p.rows, p.stack.vocabulary);
        case CalibrationKind::step:
            return fmt::format("step {} layers {}@{}", p.stack.layers, p.rows, p.length);
        case CalibrationKind::kv_blocks:
            return fmt::format("kv_blocks {:.3f} {}+{}+{} by {}", p.memory.share, p.memory.weights,
                               p.memory.activations, p.memory.kept, p.memory.bytes_per_block);
    }
    return "";
}

std::vector<CalibrationPoint> calibration_points(const KvRequest& request, const KvCapacity& capacity,
                                                 std::int64_t free_bytes) {
    return Points(request, capacity, free_bytes).all();
}

double expected_seconds(const CalibrationPoint& p, const Gpu& gpu) {
    // Allocating, filling, a first call, choosing an algorithm.
    constexpr double set_up = 0.15;
    // Nine replays of 8 to 64 calls, and as many bytes as four L2 caches hold at least.
    const auto replays = [&](double bytes, double flops) {
        const double one = std::max(
            {bytes / (0.6 * gpu.bytes_per_second), flops / (0.4 * gpu.flops(NumberType::bf16)), 5e-6});
        const double calls = std::clamp(4.0 * gpu.l2_mib * 1048576.0 / std::max(bytes, 1.0) + 1, 8.0, 64.0);
        return set_up + 11 * calls * one;
    };
    switch (p.kind) {
        case CalibrationKind::read:
        case CalibrationKind::copy:
            return set_up + 60 * 4 * gib / gpu.bytes_per_second;
        case CalibrationKind::product: {
            const double size = static_cast<double>(p.outputs) * static_cast<double>(p.inputs);
            return replays(size * p.element_bytes, 2 * size * static_cast<double>(p.rows));
        }
        case CalibrationKind::attention: {
            const double scores = static_cast<double>(p.rows * p.length * p.queries);
            // Our prefill reaches a quarter of the peak or so: 8 operations a pair at 0.4 of it.
            return replays(cache_bytes_of(p),
                           (p.queries > 1 ? 8.0 : 4.0) * scores * p.stack.heads * p.stack.head_dim) +
                   static_cast<double>(p.rows * p.length) * 1e-8;
        }
        case CalibrationKind::sampling:
            return replays(6.0 * static_cast<double>(p.rows) * p.stack.vocabulary, 0);
        case CalibrationKind::step: {
            const double bytes = p.stack.layers * (layer_bytes(p.stack) + cache_bytes_of(p));
            return set_up + 4 * bytes / gpu.bytes_per_second + 11 * bytes / (0.6 * gpu.bytes_per_second) +
                   p.stack.layers * 5e-3;
        }
        case CalibrationKind::kv_blocks:
            return 0.5;
    }
    return 0;
}

Problems MeasurementFile::open(const std::string& file, const std::string& device, const std::string& model) {
    m_file = file;
    if (m_file.empty()) return {};
    Problems problems;
    const Json header = {{"schema", "windtunnel.measurements/v1"}, {"device", device}, {"model", model}};
    std::ifstream in(m_file);
    std::string line, whole;
    for (int n = 1; std::getline(in, line); ++n) {
        const Json one = Json::parse(line, nullptr, false);
        if (one.is_discarded() && in.eof()) break;  // was being written when the program was ended
        if (n == 1) {
            if (one.is_discarded() || !one.is_object() ||
                one.value("schema", "") != header["schema"].get<std::string>())
                return {
                    {{m_file, 1, 0},
                     "",
                     "found another file, allowed: measurements of `windtunnel calibrate`, or a new file"}};
            for (const char* key : {"device", "model"})
                if (one.value(key, "") != header[key].get<std::string>())
                    problems.push_back(
                        {{m_file, 1, 0},
                         key,
                         fmt::format("found measurements of {}, allowed here: of {}",
                                     one.value(key, "nothing"), header[key].get<std::string>())});
        } else if (one.is_object() && one.contains("point") && one.contains("value") &&
                   one.at("value").is_number() && one.at("point").is_string()) {
            m_known[one.at("point").get<std::string>()] = one.at("value").get<double>();
        } else {
            problems.push_back({{m_file, n, 0}, "", "found a line that is no measurement"});
        }
        whole += line + '\n';
    }
    if (!problems.empty()) return problems;
    if (whole.empty()) whole = header.dump() + '\n';
    in.close();
    // Without what was half written.
    std::ofstream out(m_file, std::ios::trunc | std::ios::binary);
    out << whole << std::flush;
    if (!out) return {{{m_file}, "", "could not be written"}};
    return {};
}

const double* MeasurementFile::find(const std::string& point) const {
    const auto at = m_known.find(point);
    return at == m_known.end() ? nullptr : &at->second;
}

Problems MeasurementFile::add(const std::string& point, double value) {
    m_known[point] = value;
    if (m_file.empty()) return {};
    std::ofstream out(m_file, std::ios::app | std::ios::binary);
    out << Json{{"point", point}, {"value", value}}.dump() << '\n' << std::flush;
    if (!out) return {{{m_file}, "", "could not be written"}};
    return {};
}

CalibrationResult run_calibration(const std::vector<CalibrationPoint>& points, const Gpu& gpu,
                                  const TimePoint& measure, MeasurementFile& file,
                                  const CalibrationLimits& limits) {
    CalibrationResult out;
    double expected = 0, spent = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
        const CalibrationPoint& point = points[i];
        const std::string name = name_of(point);
        if (limits.interrupted()) {
            out.interrupted = true;
            break;
        }
        if (const double* known = file.find(name)) {
            keep(point, *known, out.times);
            ++out.known;
        } else {
            const double from = limits.elapsed(), usual = expected_seconds(point, gpu);
            // The pace of what was measured so far; never better than expected.
            const double pace = expected > 0 ? std::max(1.0, spent / expected) : 1;
            if (from + usual * pace > limits.seconds) {
                out.left_out.push_back(name);
                continue;
            }
            try {
                const double value = measure(point);
                keep(point, value, out.times);
                ++out.measured;
                if (out.problems = file.add(name, value); !out.problems.empty()) break;
            } catch (const std::runtime_error& e) {
                out.failed.push_back(name + ": " + e.what());
            }
            expected += usual, spent += limits.elapsed() - from;
        }
        limits.done(i + 1);
    }
    return out;
}

}  // namespace windtunnel
