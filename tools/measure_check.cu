// Measures on the GPU at hand what `windtunnel calibrate` measures, without the rest of the program; built by nvcc
// alone (tools/device_check.sh): one line a measurement, of a stack like Llama-3.1-8B's. Exit code 1 if one failed.
//   measure_check [steps]   steps: two layers of a decode step alone, for compute-sanitizer
#include "gpu/device_measure.hpp"

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

using namespace windtunnel;

namespace {

constexpr DecodeStack stack = {32, 4096, 32, 8, 128, 14336, 128256, true};

struct Named {
    std::string name;
    CalibrationPoint point;
};
CalibrationPoint of(CalibrationKind kind, std::int64_t rows) {
    CalibrationPoint p;
    p.kind = kind, p.rows = rows, p.stack = stack;
    return p;
}

std::vector<Named> points() {
    std::vector<Named> out = {{"plain read", of(CalibrationKind::read, 1)}, {"copy", of(CalibrationKind::copy, 1)}};
    for (const int bytes : {2, 1})
        for (const int tokens : {1, 64, 256, 4096}) {
            CalibrationPoint p = of(CalibrationKind::product, tokens);
            p.outputs = 28672, p.inputs = 4096, p.element_bytes = bytes;
            out.push_back({std::string(bytes == 1 ? "fp8" : "bf16") + " product " + std::to_string(tokens) +
                               " x 28672 x 4096",
                           p});
        }
    for (const int rows : {1, 64, 256})
        out.push_back({"sampling of " + std::to_string(rows) + " rows", of(CalibrationKind::sampling, rows)});
    for (const int length : {2048, 8192}) {
        CalibrationPoint p = of(CalibrationKind::attention, 1);
        p.length = p.queries = length;
        out.push_back({"prefill attention of " + std::to_string(length), p});
    }
    for (const int layers : {8, 32})
        for (const auto& [rows, length] : {std::pair{1, 512}, {64, 1024}, {256, 512}}) {
            CalibrationPoint p = of(CalibrationKind::step, rows);
            p.length = length, p.stack.layers = layers;
            out.push_back({"decode step, " + std::to_string(layers) + " layers, " + std::to_string(rows) + " @ " +
                               std::to_string(length),
                           p});
        }
    CalibrationPoint p = of(CalibrationKind::kv_blocks, 1);
    p.memory = {std::int64_t{16} << 30, std::int64_t{3} << 29, std::int64_t{1} << 29, 16 * 2 * 8 * 128 * 2 * 32, 0.9, 0};
    out.push_back({"blocks of the KV cache at 90 %", p});
    return out;
}

}  // namespace

int main(int argc, char**) {
    bool failed = false;
    std::vector<Named> all = points();
    if (argc > 1) {
        CalibrationPoint p = of(CalibrationKind::step, 5);
        p.length = 100, p.stack.layers = 2;
        all = {{"decode step, 2 layers, 5 @ 100", p}};
    }
    for (const Named& n : all) try {
            const double value = measure_on_device(n.point);
            const bool rate = n.point.kind == CalibrationKind::read || n.point.kind == CalibrationKind::copy,
                       count = n.point.kind == CalibrationKind::kv_blocks;
            std::printf("%-44s %12.1f %s\n", n.name.c_str(), rate ? value / 1e9 : count ? value : value * 1e6,
                        rate ? "GB/s" : count ? "blocks" : "us");
            std::fflush(stdout);
        } catch (const std::runtime_error& e) {
            std::printf("%-44s failed: %s\n", n.name.c_str(), e.what());
            failed = true;
        }
    return failed ? 1 : 0;
}
