#include "reports/device_fit.hpp"

#include "reports/human.hpp"

#include <fmt/format.h>
#include <Eigen/Dense>
#include <nlohmann/json.hpp>

#include <cmath>
#include <functional>

namespace windtunnel {
namespace {

/// Levenberg-Marquardt over logarithms of positive unknowns: the least squares of `errors`.
Eigen::VectorXd least_squares(Eigen::VectorXd at,
                              const std::function<Eigen::VectorXd(const Eigen::VectorXd&)>& errors) {
    double damping = 1e-2;
    Eigen::VectorXd now = errors(at);
    for (int step = 0; step < 200 && damping < 1e9; ++step) {
        Eigen::MatrixXd slopes(now.size(), at.size());
        for (Eigen::Index i = 0; i < at.size(); ++i) {
            Eigen::VectorXd beside = at;
            beside[i] += 1e-4;
            slopes.col(i) = (errors(beside) - now) / 1e-4;
        }
        const Eigen::MatrixXd normal = slopes.transpose() * slopes;
        const Eigen::MatrixXd damped = normal + damping * Eigen::MatrixXd::Identity(at.size(), at.size());
        const Eigen::VectorXd move = -damped.ldlt().solve(slopes.transpose() * now);
        const Eigen::VectorXd next = errors(at + move);
        if (next.squaredNorm() < now.squaredNorm()) {
            const double gain = now.squaredNorm() - next.squaredNorm();
            at += move, now = next, damping /= 4;
            if (gain < 1e-12 * (1 + now.squaredNorm())) break;
        } else {
            damping *= 4;
        }
    }
    return at;
}

double overlapped(double a, double b) { return std::pow(std::pow(a, 4) + std::pow(b, 4), 0.25); }

template <class Times, class Predict>
double mean_error(const Times& times, Predict predict) {
    double sum = 0;
    for (const auto& t : times) sum += std::abs(predict(t) / t.seconds - 1);
    return times.empty() ? 0 : sum / static_cast<double>(times.size());
}

double cache_bytes(const AttentionTime& t) {
    return 2.0 * static_cast<double>(t.batch * t.length) * t.kv_heads * t.head_dim * t.element_bytes;
}

/// Share of the bandwidth, fixed seconds and error of the decodes with elements of that size.
struct DecodeFit {
    double share = 0, fixed = 0, error = 0;
};
DecodeFit fit_decodes(const DeviceTimes& times, const Gpu& gpu, int element_bytes) {
    std::vector<AttentionTime> decodes;
    for (const AttentionTime& t : times.attention)
        if (t.queries == 1 && t.element_bytes == element_bytes) decodes.push_back(t);
    if (decodes.size() < 2) return {};
    const auto predict = [&](const AttentionTime& t, const Eigen::VectorXd& at) {
        return std::exp(at[1]) + cache_bytes(t) / (gpu.bytes_per_second * std::exp(at[0]));
    };
    const Eigen::VectorXd at =
        least_squares(Eigen::Vector2d(std::log(0.8), std::log(10e-6)), [&](const Eigen::VectorXd& x) {
            Eigen::VectorXd out(static_cast<Eigen::Index>(decodes.size()));
            for (std::size_t i = 0; i < decodes.size(); ++i)
                out[static_cast<Eigen::Index>(i)] = std::log(predict(decodes[i], x) / decodes[i].seconds);
            return out;
        });
    return {std::exp(at[0]), std::exp(at[1]),
            mean_error(decodes, [&](const AttentionTime& t) { return predict(t, at); })};
}

double shipped(const Gpu& gpu, const char* key) {
    const nlohmann::json all = nlohmann::json::parse(step_time_coefficients_json(gpu, as_shipped, ""));
    return all.value(key, 0.0);
}

}  // namespace

DeviceFit fit_to_device(const DeviceTimes& times, const Gpu& gpu) {
    DeviceFit out;
    if (times.products.size() >= 3) {
        const auto predict = [&](const ProductTime& t, const Eigen::VectorXd& at) {
            const double read =
                2.0 * static_cast<double>(t.outputs * t.inputs) / (gpu.bytes_per_second * std::exp(at[0]));
            const double multiply = 2.0 * static_cast<double>(t.tokens) * static_cast<double>(t.outputs) *
                                    static_cast<double>(t.inputs) /
                                    (gpu.flops(NumberType::bf16) * std::exp(at[1]));
            return overlapped(read, multiply) + std::exp(at[2]);
        };
        const Eigen::VectorXd at = least_squares(
            Eigen::Vector3d(std::log(0.8), std::log(0.7), std::log(3e-6)), [&](const Eigen::VectorXd& x) {
                Eigen::VectorXd errors(static_cast<Eigen::Index>(times.products.size()));
                for (std::size_t i = 0; i < times.products.size(); ++i)
                    errors[static_cast<Eigen::Index>(i)] =
                        std::log(predict(times.products[i], x) / times.products[i].seconds);
                return errors;
            });
        out.weight_bandwidth = std::exp(at[0]), out.gemm_16bit = std::exp(at[1]),
        out.product_s = std::exp(at[2]);
        out.product_error = mean_error(times.products, [&](const ProductTime& t) { return predict(t, at); });
    }
    const DecodeFit wide = fit_decodes(times, gpu, 2), narrow = fit_decodes(times, gpu, 1);
    out.kv_bandwidth = wide.share, out.decode_s = wide.fixed, out.decode_error = wide.error;
    out.kv_bandwidth_8bit = narrow.share, out.decode_8bit_error = narrow.error;
    double flops = 0, seconds = 0;
    for (const AttentionTime& t : times.attention)
        if (t.queries > 1) {
            const double pairs = static_cast<double>(t.queries) * (static_cast<double>(t.length - t.queries) +
                                                                   (static_cast<double>(t.queries) + 1) / 2);
            flops += 4.0 * static_cast<double>(t.batch) * pairs * t.heads * t.head_dim;
            seconds += t.seconds;
        }
    if (seconds > 0) out.prefill_flops = flops / seconds / gpu.flops(NumberType::bf16);
    return out;
}

CostFactors factors_of(const DeviceFit& fit, const Gpu& gpu) {
    CostFactors out = as_shipped;
    const auto set = [&](CostGroup group, const char* key, double found) {
        if (found > 0) out[static_cast<std::size_t>(group)] = shipped(gpu, key) / found;
    };
    set(CostGroup::weight_reading, "weight_bandwidth", fit.weight_bandwidth);
    set(CostGroup::products, "gemm_16bit", fit.gemm_16bit);
    set(CostGroup::cache_reading, "kv_bandwidth", fit.kv_bandwidth);
    return out;
}

std::string device_fit_table(const DeviceFit& fit, const DeviceTimes& times, const Gpu& gpu,
                             const std::string& other_name, const StepTimeCoefficients& other) {
    const auto percent = [](double share) {
        return share > 0 ? fmt::format("{:.1f}%", 100 * share) : std::string("–");
    };
    const auto row = [](const std::string& what, const std::string& found, const std::string& beside,
                        const std::string& note) {
        std::string line = "  " + padded_right(what, 46) + padded_left(found, 10) + padded_left(beside, 12);
        return note.empty() ? line + "\n" : line + "   " + note + "\n";
    };
    const auto error = [](std::size_t points, double e) {
        return points > 0 ? fmt::format("mean error {:.1f}%", 100 * e) : std::string();
    };
    std::string out = row("share of the data sheet", "measured", other_name, "");
    out += row("plain read", percent(times.read_bytes_per_second / gpu.bytes_per_second), "", "");
    out += row("copy", percent(times.copy_bytes_per_second / gpu.bytes_per_second), "", "");
    out += row("reading weights (16-bit products, few tokens)", percent(fit.weight_bandwidth),
               percent(other.weight_bandwidth), error(times.products.size(), fit.product_error));
    out += row("16-bit products, many tokens", percent(fit.gemm_16bit), percent(other.gemm_16bit), "");
    out += row("decode attention, 16-bit cache", percent(fit.kv_bandwidth), percent(other.kv_bandwidth),
               error(times.attention.size(), fit.decode_error));
    out += row("decode attention, fp8 cache", percent(fit.kv_bandwidth_8bit), "",
               error(times.attention.size(), fit.decode_8bit_error));
    out += row("prefill attention (our kernel; not in the profile)", percent(fit.prefill_flops),
               percent(other.attention_flops), "");
    out += fmt::format("  fixed time: a product {:.1f} us, a decode's attention {:.1f} us\n",
                       fit.product_s * 1e6, fit.decode_s * 1e6);
    return out;
}

}  // namespace windtunnel
