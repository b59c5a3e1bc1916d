#pragma once
#include "gpu/device_measure.hpp"
#include "models/operator_time.hpp"
#include "reports/calibration.hpp"

#include <cmath>
#include <stdexcept>

namespace windtunnel::lab {

/// An H100 whose every time is known: what a calibration should find is `truth` and `law`. Time stands still
/// but for `slowness` times what a point is expected to take.
class FakeGpu {
public:
    explicit FakeGpu(KvCapacity capacity)
        : m_capacity(std::move(capacity)), truth(step_time_coefficients(gpu())) {
        truth.weight_bandwidth = 0.85, truth.gemm_16bit = 0.6, truth.matrix_16bit_s = 4e-6,
        truth.tile_loss_16bit = 0.3;
        truth.weight_bandwidth_8bit = 0.75, truth.gemm_8bit = 0.5, truth.matrix_8bit_s = 6e-6,
        truth.tile_loss_8bit = 0.5;
        truth.kv_bandwidth = 0.9, truth.kv_bandwidth_8bit = 0.7;
        truth.layer_s = 17e-6, truth.step_s = 120e-6;
        law.fixed_s = 11e-6, law.sequence_head_s = 0.03e-6, law.power = 1;
    }
    [[nodiscard]] const Gpu& gpu() const { return m_capacity.gpu; }
    [[nodiscard]] DeviceIdentity identity() const {
        DeviceIdentity d;
        d.name = "NVIDIA H100 80GB HBM3", d.driver = "CUDA 13.0";
        d.memory_bytes = gpu().memory_bytes, d.free_bytes = gpu().memory_bytes - (std::int64_t{1} << 29);
        return d;
    }
    [[nodiscard]] double elapsed() const { return m_clock; }
    [[nodiscard]] TimePoint measure() {
        return [this](const CalibrationPoint& p) { return one(p); };
    }

    const KvCapacity m_capacity;
    StepTimeCoefficients truth;
    AttentionLaw law;
    double sampled_row_s = 0.5e-6;
    double slowness = 0.5;
    std::size_t measured = 0, break_at = 1000000;  ///< which measurement the user interrupts

private:
    double one(const CalibrationPoint& p) {
        if (++measured == break_at) throw std::logic_error("the power went out");
        m_clock += slowness * expected_seconds(p, gpu());
        switch (p.kind) {
            case CalibrationKind::read:
                return 0.92 * gpu().bytes_per_second;
            case CalibrationKind::copy:
                return 0.88 * gpu().bytes_per_second;
            case CalibrationKind::product: {
                const bool narrow = p.element_bytes == 1;
                return matrix_seconds(
                    gpu(), dense_kernel(truth, narrow ? WeightKernel::eight_bit : WeightKernel::sixteen_bit),
                    narrow ? NumberType::fp8 : NumberType::bf16, static_cast<double>(p.rows),
                    static_cast<double>(p.outputs), static_cast<double>(p.inputs));
            }
            case CalibrationKind::attention: {
                if (p.queries > 1) throw std::runtime_error("this GPU has no room for prefills");
                AttentionLaw of = law;
                of.share = p.element_bytes == 1 ? truth.kv_bandwidth_8bit : truth.kv_bandwidth;
                return law_seconds(of,
                                   {p.rows, p.length, 1, p.stack.heads, p.stack.kv_heads, p.stack.head_dim,
                                    p.element_bytes, 0},
                                   gpu().bytes_per_second);
            }
            case CalibrationKind::sampling:
                return 5e-6 + sampled_row_s * static_cast<double>(p.rows);
            case CalibrationKind::step:
                return predicted_step_seconds(m_capacity, truth, sampled_row_s,
                                              {p.stack.layers, p.rows, p.length, 0});
            case CalibrationKind::kv_blocks:
                return std::floor(static_cast<double>(p.memory.predicted_blocks) * 0.99);
        }
        return 0;
    }

    double m_clock = 0;
};

}  // namespace windtunnel::lab
