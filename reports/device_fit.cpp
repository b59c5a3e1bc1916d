#include "reports/device_fit.hpp"

#include "models/operator_time.hpp"
#include "reports/human.hpp"
#include "reports/least_squares.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {
namespace {

// What the reader of coefficients allows.
constexpr double most_share = 1.2, most_tile_tokens = 1e4;

NumberType type_of(int element_bytes) { return element_bytes == 1 ? NumberType::fp8 : NumberType::bf16; }

/// Fit of the products of one width, from `start`.
ProductFit fit_products(const DeviceTimes& times, const Gpu& gpu, int element_bytes,
                        const KernelCoefficients& start) {
    std::vector<ProductTime> products;
    for (const ProductTime& t : times.products)
        if (t.element_bytes == element_bytes) products.push_back(t);
    if (products.size() < 6) return {};
    const auto kernel = [](const Eigen::VectorXd& x) {
        return KernelCoefficients{std::exp(x[0]), std::exp(x[1]), std::exp(x[2]), std::exp(x[3])};
    };
    const auto predict = [&](const ProductTime& t, const Eigen::VectorXd& x) {
        return matrix_seconds(gpu, kernel(x), type_of(element_bytes), static_cast<double>(t.tokens),
                              static_cast<double>(t.outputs), static_cast<double>(t.inputs));
    };
    const Eigen::VectorXd at = least_squares(
        Eigen::Vector4d(std::log(start.bandwidth), std::log(start.flops),
                        std::log(std::max(start.launch_s, 1e-6)), std::log(std::max(start.tile_loss, 0.05))),
        [&](const Eigen::VectorXd& x) {
            Eigen::VectorXd errors(static_cast<Eigen::Index>(products.size()));
            for (std::size_t i = 0; i < products.size(); ++i)
                errors[static_cast<Eigen::Index>(i)] =
                    std::log(predict(products[i], x) / products[i].seconds);
            return errors;
        });
    const KernelCoefficients k = kernel(at);
    ProductFit out{k.bandwidth, k.flops, k.launch_s, k.tile_loss, 0, products.size()};
    for (const ProductTime& t : products)
        out.error += std::abs(predict(t, at) / t.seconds - 1) / static_cast<double>(products.size());
    return out;
}

std::vector<AttentionTime> decodes_of(const DeviceTimes& times, int element_bytes) {
    std::vector<AttentionTime> out;
    for (const AttentionTime& t : times.attention)
        if (t.queries == 1 && t.element_bytes == element_bytes) out.push_back(t);
    return out;
}

/// seconds = w (pairs + tile_tokens * queries) / share, where w is what a pair costs at the peak: linear in 1
/// / share and tile_tokens / share.
PrefillFit fit_prefills(const DeviceTimes& times, const Gpu& gpu) {
    std::vector<Eigen::Vector2d> terms;  // in units of the measured time
    for (const AttentionTime& t : times.attention) {
        if (t.queries == 1 || t.element_bytes != 2) continue;
        const auto queries = static_cast<double>(t.queries), batch = static_cast<double>(t.batch);
        const double pairs = queries * (static_cast<double>(t.length - t.queries) + (queries + 1) / 2);
        terms.emplace_back(Eigen::Vector2d(pairs, queries) *
                           (4.0 * batch * t.heads * t.head_dim / gpu.flops(NumberType::bf16) / t.seconds));
    }
    PrefillFit out;
    if (terms.empty()) return out;
    Eigen::MatrixXd a(static_cast<Eigen::Index>(terms.size()), 2);
    for (Eigen::Index i = 0; i < a.rows(); ++i) a.row(i) = terms[static_cast<std::size_t>(i)].transpose();
    const Eigen::VectorXd one = Eigen::VectorXd::Ones(a.rows());
    Eigen::Vector2d x(0, -1);
    if (terms.size() >= 3) x = a.colPivHouseholderQr().solve(one);
    if (!(x[0] > 0 && x[1] >= 0)) x = {a.col(0).sum() / a.col(0).squaredNorm(), 0};
    out.flops = 1 / x[0], out.tile_tokens = x[1] / x[0], out.points = terms.size();
    out.error = (a * x - one).cwiseAbs().mean();
    return out;
}

/// Slope of the times over the rows, by least squares.
double row_seconds(const std::vector<SamplingTime>& times) {
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    for (const SamplingTime& t : times) {
        const auto rows = static_cast<double>(t.rows);
        n += 1, x += rows, y += t.seconds, xx += rows * rows, xy += rows * t.seconds;
    }
    const double spread = n * xx - x * x;
    return spread > 0 ? std::max(0.0, (n * xy - x * y) / spread) : 0;
}

/// Layers' and steps' fixed times: what measured steps take beyond the prediction without any.
void fit_steps(const DeviceTimes& times, const KvCapacity& capacity, DeviceFit& fit) {
    if (times.steps.size() < 2) return;
    StepTimeCoefficients bare = coefficients_of(fit, capacity.gpu);
    bare.layer_s = bare.step_s = 0;
    Eigen::MatrixXd a(static_cast<Eigen::Index>(times.steps.size()), 2);
    Eigen::VectorXd b(a.rows());
    for (Eigen::Index i = 0; i < a.rows(); ++i) {
        const StepTimeMeasured& s = times.steps[static_cast<std::size_t>(i)];
        // Relative errors count; both unknowns are at least zero.
        a(i, 0) = static_cast<double>(s.layers) / s.seconds, a(i, 1) = 1 / s.seconds;
        b[i] = 1 - predicted_step_seconds(capacity, bare, fit.sampled_row_s, s) / s.seconds;
    }
    const bool many_depths = std::any_of(times.steps.begin(), times.steps.end(), [&](const auto& s) {
        return s.layers != times.steps.front().layers;
    });
    Eigen::Vector2d x(0, 0);
    if (many_depths) x = a.colPivHouseholderQr().solve(b);
    if (!many_depths || x[1] < 0) x = {a.col(0).dot(b) / a.col(0).squaredNorm(), 0};
    if (x[0] < 0) x = {0, std::max(0.0, a.col(1).dot(b) / a.col(1).squaredNorm())};
    fit.layer_s = x[0], fit.stack_s = x[1];
    bare.layer_s = x[0], bare.step_s = x[1];
    for (const StepTimeMeasured& s : times.steps)
        fit.step_error +=
            std::abs(predicted_step_seconds(capacity, bare, fit.sampled_row_s, s) / s.seconds - 1) /
            static_cast<double>(times.steps.size());
}

void set_share(double& coefficient, double found) {
    if (found > 0) coefficient = std::min(found, most_share);
}

}  // namespace

double predicted_step_seconds(const KvCapacity& capacity, const StepTimeCoefficients& k, double sampled_row_s,
                              const StepTimeMeasured& step) {
    KvCapacity c = capacity;
    // Layers that are not there bring no weights: what is left of the parameters is read in every step.
    const LayerParameters one = layer_parameters(c.shape, 1);
    c.shape.parameters -= static_cast<std::int64_t>(static_cast<double>(c.shape.layers - step.layers) *
                                                    (one.attention + one.mlp));
    c.shape.layers = static_cast<int>(step.layers);
    c.weights_type = NumberType::bf16, c.kv_type = NumberType::bf16;
    c.tensor_parallel = c.pipeline_parallel = 1;
    c.layout = {c.layout.block_size, c.shape.kv_heads, c.shape.head_dim, 0, 2};
    c.limits.max_num_seqs = static_cast<int>(step.rows);
    c.limits.max_num_batched_tokens = c.limits.max_num_seqs;
    StepTimeOptions options;
    options.asynchronous_scheduling = true, options.full_graphs = true;
    options.max_cudagraph_capture_size = c.limits.max_num_seqs;
    options.coefficients = k;
    StepTimeCoefficients& own = *options.coefficients;
    own.host_step_s = own.host_row_s = own.host_overlapped_s = 0;
    const StepCostTable table = step_cost_table(c, options);
    const auto rows = static_cast<double>(step.rows);
    return to_seconds(table.decode_step.back()) - rows * to_seconds(table.per_sampled_row) +
           rows * sampled_row_s +
           rows * static_cast<double>(step.length) *
               to_seconds(Tick{table.attention.front().ticks_per_token});
}

DeviceFit fit_to_device(const DeviceTimes& times, const KvCapacity& capacity) {
    const Gpu& gpu = capacity.gpu;
    const StepTimeCoefficients shipped = step_time_coefficients(gpu);
    DeviceFit out;
    out.products = fit_products(times, gpu, 2, dense_kernel(shipped, WeightKernel::sixteen_bit));
    if (weight_kernel(NumberType::fp8, gpu) == WeightKernel::eight_bit)
        out.products_8bit = fit_products(times, gpu, 1, dense_kernel(shipped, WeightKernel::eight_bit));
    out.decode = fit_attention_law(decodes_of(times, 2), gpu.bytes_per_second);
    out.decode_8bit = fit_attention_law(decodes_of(times, 1), gpu.bytes_per_second);
    out.prefill = fit_prefills(times, gpu);
    out.sampled_row_s = row_seconds(times.sampling);
    fit_steps(times, capacity, out);
    return out;
}

bool prefills_like_the_engine(const Gpu& gpu) { return gpu.compute_capability() < 90; }

StepTimeCoefficients coefficients_of(const DeviceFit& fit, const Gpu& gpu) {
    StepTimeCoefficients k = step_time_coefficients(gpu);
    set_share(k.weight_bandwidth, fit.products.bandwidth);
    set_share(k.gemm_16bit, fit.products.flops);
    set_share(k.tile_loss_16bit, fit.products.tile_loss);
    if (fit.products.points > 0) k.matrix_16bit_s = fit.products.launch_s;
    set_share(k.weight_bandwidth_8bit, fit.products_8bit.bandwidth);
    set_share(k.gemm_8bit, fit.products_8bit.flops);
    set_share(k.tile_loss_8bit, fit.products_8bit.tile_loss);
    if (fit.products_8bit.points > 0) k.matrix_8bit_s = fit.products_8bit.launch_s;
    set_share(k.kv_bandwidth, fit.decode.share);
    set_share(k.kv_bandwidth_8bit, fit.decode_8bit.share);
    if (prefills_like_the_engine(gpu) && fit.prefill.points >= 3) {
        set_share(k.attention_flops, fit.prefill.flops);
        k.attention_tile_tokens = std::clamp(fit.prefill.tile_tokens, 1.0, most_tile_tokens);
    }
    if (fit.layer_s > 0) {
        // Piecewise graphs and none cost a layer more by what the CPU adds, which is not measured here.
        const double more = fit.layer_s - k.layer_s;
        k.layer_s += more;
        k.layer_piecewise_s = std::max(k.layer_piecewise_s + more, k.layer_s);
        k.layer_uncaptured_s = std::max(k.layer_uncaptured_s + more, k.layer_s);
    }
    return k;
}

std::string device_fit_table(const DeviceFit& fit, const DeviceTimes& times, const KvCapacity& capacity,
                             const std::string& other_name, const StepTimeCoefficients& other) {
    const Gpu& gpu = capacity.gpu;
    const auto percent = [](double share) {
        return share > 0 ? fmt::format("{:.1f}%", 100 * share) : std::string("–");
    };
    const auto row = [](const std::string& what, const std::string& found, const std::string& beside,
                        const std::string& note) {
        std::string line = "  " + padded_right(what, 52) + padded_left(found, 10) + padded_left(beside, 12);
        return note.empty() ? line + "\n" : line + "   " + note + "\n";
    };
    const auto error = [](std::size_t points, double e) {
        return points > 0 ? fmt::format("mean error {:.1f}% of {} points", 100 * e, points) : std::string();
    };
    const auto law = [](const AttentionLaw& l) {
        return l.points == 0 ? std::string()
                             : fmt::format("median error {:.1f}%, held out {:.1f}%, {} points",
                                           100 * l.median_error, 100 * l.held_out_error, l.points);
    };
    const auto micro = [](double s) { return s > 0 ? fmt::format("{:.1f} us", s * 1e6) : std::string("–"); };
    std::string out = row("share of the data sheet", "measured", other_name, "");
    out += row("plain read", percent(times.read_bytes_per_second / gpu.bytes_per_second), "", "");
    out += row("copy", percent(times.copy_bytes_per_second / gpu.bytes_per_second), "", "");
    out += row("reading weights (16-bit products, few tokens)", percent(fit.products.bandwidth),
               percent(other.weight_bandwidth), error(fit.products.points, fit.products.error));
    out += row("16-bit products, many tokens", percent(fit.products.flops), percent(other.gemm_16bit), "");
    out +=
        row("reading fp8 weights", percent(fit.products_8bit.bandwidth), percent(other.weight_bandwidth_8bit),
            error(fit.products_8bit.points, fit.products_8bit.error));
    out += row("fp8 products, many tokens", percent(fit.products_8bit.flops), percent(other.gemm_8bit), "");
    out += row("decode attention, 16-bit cache", percent(fit.decode.share), percent(other.kv_bandwidth),
               law(fit.decode));
    out += row("decode attention, fp8 cache", percent(fit.decode_8bit.share),
               percent(other.kv_bandwidth_8bit), law(fit.decode_8bit));
    const bool alike = prefills_like_the_engine(gpu);
    out += row(alike ? "prefill attention" : "prefill attention (our kernel; not in the profile)",
               percent(fit.prefill.flops), percent(other.attention_flops),
               error(fit.prefill.points, fit.prefill.error));
    if (fit.prefill.points > 0)
        out += row("... keys beyond its own that a query is charged with",
                   fmt::format("{:.0f}", fit.prefill.tile_tokens),
                   fmt::format("{:.0f}", other.attention_tile_tokens), "");
    out += row("fixed times", "measured", other_name, "");
    out += row("a 16-bit product", micro(fit.products.launch_s), micro(other.matrix_16bit_s), "");
    out += row("a layer of a captured decode step", micro(fit.layer_s), micro(other.layer_s),
               times.steps.empty() ? "" : error(times.steps.size(), fit.step_error));
    out += row("a call of decode attention (not in the profile)", micro(fit.decode.fixed_s), "", "");
    out += row("a sampled row (our sampling; not in the profile)", micro(fit.sampled_row_s),
               micro(other.row_s), "");
    if (!times.steps.empty()) {
        out += row("whole decode steps, replayed", "measured", "predicted", "");
        StepTimeCoefficients k = coefficients_of(fit, gpu);
        k.layer_s = fit.layer_s, k.step_s = fit.stack_s;
        for (const StepTimeMeasured& s : times.steps)
            out +=
                row(fmt::format("{} layers, {} @ {}", s.layers, s.rows, s.length),
                    fmt::format("{:.2f} ms", s.seconds * 1e3),
                    fmt::format("{:.2f} ms", predicted_step_seconds(capacity, k, fit.sampled_row_s, s) * 1e3),
                    "");
    }
    if (!times.kv_blocks.empty()) {
        out += row("blocks of the KV cache", "found", "predicted", "");
        for (const KvBlocksFound& b : times.kv_blocks)
            out += row(
                b.what, fmt::format("{}", b.found), fmt::format("{}", b.predicted),
                b.found > 0
                    ? fmt::format("{:+.1f}%",
                                  100 * (static_cast<double>(b.predicted) / static_cast<double>(b.found) - 1))
                    : "none fits here");
    }
    return out;
}

std::string device_fit_residuals(const DeviceFit& fit, const DeviceTimes& times, const KvCapacity& capacity) {
    nlohmann::ordered_json out;
    out["products"] = fit.products.error, out["products_8bit"] = fit.products_8bit.error;
    for (const auto& [key, law] :
         {std::pair<const char*, const AttentionLaw&>{"decode_attention", fit.decode},
          {"decode_attention_8bit", fit.decode_8bit}})
        out[key] = {{"points", law.points},
                    {"fixed_us", law.fixed_s * 1e6},
                    {"sequence_head_us", law.sequence_head_s * 1e6},
                    {"share", law.share},
                    {"power", law.power},
                    {"median_error", law.median_error},
                    {"p90_error", law.p90_error},
                    {"held_out_error", law.held_out_error}};
    out["prefill_attention"] = {{"points", fit.prefill.points},
                                {"share", fit.prefill.flops},
                                {"tile_tokens", fit.prefill.tile_tokens},
                                {"error", fit.prefill.error},
                                {"in_profile", prefills_like_the_engine(capacity.gpu)}};
    StepTimeCoefficients k = coefficients_of(fit, capacity.gpu);
    k.layer_s = fit.layer_s, k.step_s = fit.stack_s;
    out["steps"] = nlohmann::ordered_json::array();
    for (const StepTimeMeasured& s : times.steps)
        out["steps"].push_back(
            {{"layers", s.layers},
             {"rows", s.rows},
             {"length", s.length},
             {"measured_ms", s.seconds * 1e3},
             {"predicted_ms", predicted_step_seconds(capacity, k, fit.sampled_row_s, s) * 1e3}});
    out["kv_blocks"] = nlohmann::ordered_json::array();
    for (const KvBlocksFound& b : times.kv_blocks)
        out["kv_blocks"].push_back({{"what", b.what}, {"found", b.found}, {"predicted", b.predicted}});
    return out.dump();
}

}  // namespace windtunnel
