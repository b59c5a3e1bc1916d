#include "models/operator_time.hpp"
#include "tests/accuracy/fit.hpp"
#include "tests/accuracy/least_squares.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <functional>

namespace windtunnel::accuracy {

namespace {

/// One row of an operator table: its card, its columns and its seconds.
struct Sample {
    const Gpu* gpu = nullptr;
    double a[8] = {};
    double seconds = 0;
};
using Predict = std::function<double(const StepTimeCoefficients&, const Sample&)>;

constexpr std::size_t most_samples = 3000;

/// Fits `keys` of `k` to the samples and notes what is left.
void fit(OperatorFit& out, StepTimeCoefficients& k, const std::string& table, const std::vector<Sample>& all,
         const std::vector<std::string>& keys, const Predict& predict) {
    if (all.size() < 3 * keys.size()) return;
    std::vector<const Sample*> samples;
    for (std::size_t i = 0; i < all.size(); i += 1 + all.size() / most_samples) samples.push_back(&all[i]);
    const auto profile_of = [&](const Eigen::VectorXd& p) {
        Profile profile;
        for (std::size_t i = 0; i < keys.size(); ++i)
            profile[keys[i]] = possible(keys[i], p[static_cast<Eigen::Index>(i)]);
        return profile;
    };
    const auto residuals = [&](const Eigen::VectorXd& p) -> Eigen::VectorXd {
        const StepTimeCoefficients tried = with_profile(k, profile_of(p));
        Eigen::VectorXd r(static_cast<Eigen::Index>(samples.size()));
        for (std::size_t i = 0; i < samples.size(); ++i)
            r[static_cast<Eigen::Index>(i)] = std::log(predict(tried, *samples[i]) / samples[i]->seconds);
        return r;
    };
    Eigen::VectorXd start(static_cast<Eigen::Index>(keys.size()));
    for (std::size_t i = 0; i < keys.size(); ++i)
        start[static_cast<Eigen::Index>(i)] = coefficient(k, keys[i]);
    LeastSquares solve;
    const Eigen::VectorXd best = solve(residuals, start);
    k = with_profile(k, profile_of(best));
    for (const auto& [key, value] : profile_of(best)) out.profile[key] = value;
    std::vector<double> errors;
    for (const double r : residuals(best)) errors.push_back(std::abs(r));
    std::sort(errors.begin(), errors.end());
    out.residuals.push_back({table, all.size(), errors[errors.size() / 2], errors[errors.size() * 9 / 10]});
}

struct Tables {
    const std::filesystem::path& data;
    const std::vector<Gpu>& gpus;

    /// Rows of `name` of all cards; `take` fills a sample or refuses.
    std::vector<Sample> read(
        const std::string& name,
        const std::function<bool(const std::function<std::string(const char*)>&, Sample&)>& take) const {
        std::vector<Sample> out;
        for (const Gpu& gpu : gpus) {
            const std::filesystem::path file = data / "ops" / gpu.name / (name + ".csv.gz");
            if (!std::filesystem::exists(file)) continue;
            const CsvTable table = read_csv(file);
            std::map<std::string, std::size_t> columns;
            for (std::size_t i = 0; i < table.names.size(); ++i) columns[table.names[i]] = i;
            for (const auto& row : table.rows) {
                Sample s;
                s.gpu = &gpu;
                const auto field = [&](const char* column) {
                    const auto at = columns.find(column);
                    return at == columns.end() ? std::string() : row[at->second];
                };
                s.seconds = std::stod(field("latency_ms")) * 1e-3;
                if (take(field, s)) out.push_back(s);
            }
        }
        return out;
    }
};

double number(const std::string& text) { return text.empty() ? 0 : std::stod(text); }

void fit_matrices(OperatorFit& out, StepTimeCoefficients& k, const Tables& tables) {
    struct Kind {
        std::vector<std::string> tables;
        NumberType type;
        std::string bits;
    };
    const Kind kinds[] = {{{"bfloat16"}, NumberType::bf16, "16bit"},
                          {{"fp8", "fp8_block"}, NumberType::fp8, "8bit"},
                          {{"nvfp4"}, NumberType::nvfp4, "4bit"}};
    for (const Kind& kind : kinds) {
        // Shapes of layers: from a projection of a small model to the gate and up of a large one.
        const auto samples = tables.read("gemm", [&](const auto& field, Sample& s) {
            if (std::find(kind.tables.begin(), kind.tables.end(), field("gemm_dtype")) == kind.tables.end())
                return false;
            if (kind.bits == "8bit" && s.gpu->architecture != "sm90" && field("gemm_dtype") == "fp8_block")
                return false;
            s.a[0] = number(field("m"));
            s.a[1] = number(field("n"));
            s.a[2] = number(field("k"));
            return s.a[0] <= 8192 && s.a[1] >= 512 && s.a[2] >= 512 && s.a[1] * s.a[2] >= 1e6 &&
                   s.a[1] <= 70000 && s.a[2] <= 30000;
        });
        const std::string bandwidth =
            kind.bits == "16bit" ? "weight_bandwidth" : "weight_bandwidth_" + kind.bits;
        fit(out, k, "matrix products, " + kind.tables.front(), samples,
            {bandwidth, "gemm_" + kind.bits, "matrix_" + kind.bits + "_us", "tile_loss_" + kind.bits},
            [&](const StepTimeCoefficients& c, const Sample& s) {
                return matrix_seconds(*s.gpu, dense_kernel(c, weight_kernel(kind.type, *s.gpu)), kind.type,
                                      s.a[0], s.a[1], s.a[2]);
            });
    }
}

void fit_experts(OperatorFit& out, StepTimeCoefficients& k, const Tables& tables) {
    struct Kind {
        std::vector<std::string> tables;
        NumberType type;
        std::string bandwidth, flops;
    };
    const Kind kinds[] = {
        {{"bfloat16"}, NumberType::bf16, "expert_bandwidth_16bit", "gemm_experts_16bit"},
        {{"fp8", "fp8_block"}, NumberType::fp8, "expert_bandwidth_8bit", "gemm_experts"},
        {{"nvfp4"}, NumberType::nvfp4, "expert_bandwidth_4bit", "gemm_experts_4bit"},
        {{"int4_wo"}, NumberType::int4, "expert_bandwidth_weight_only", "gemm_experts_weight_only"}};
    for (const Kind& kind : kinds) {
        // A power law of exponent 1.01 is near a uniform choice; tables with few tokens choose fewer experts.
        const auto samples = tables.read("moe", [&](const auto& field, Sample& s) {
            if (std::find(kind.tables.begin(), kind.tables.end(), field("moe_dtype")) == kind.tables.end())
                return false;
            if (field("distribution") != "power_law_1.01") return false;
            const char* columns[] = {"num_tokens",  "hidden_size", "inter_size", "topk",
                                     "num_experts", "moe_tp_size", "moe_ep_size"};
            for (int i = 0; i < 7; ++i) s.a[i] = number(field(columns[i]));
            return s.a[0] >= 4 && s.a[0] <= 8192 && s.a[2] / s.a[5] >= 256;
        });
        fit(out, k, "experts, " + kind.tables.front(), samples,
            {kind.bandwidth, kind.flops, "expert_layer_us"},
            [&](const StepTimeCoefficients& c, const Sample& s) {
                ExpertLayer layer{s.a[1], s.a[2] / s.a[5], s.a[4] / s.a[6], s.a[3] / s.a[4], 3};
                return c.expert_layer_s + experts_seconds(*s.gpu,
                                                          expert_kernel(c, weight_kernel(kind.type, *s.gpu)),
                                                          kind.type, layer, s.a[0], s.a[0] * s.a[3] / s.a[6]);
            });
    }
    out.profile.erase("expert_layer_us");  // the tables include launches that graphs hide; served runs decide
}

void fit_attention(OperatorFit& out, StepTimeCoefficients& k, const Tables& tables) {
    const auto take = [](const auto& field, Sample& s, const char* kv, bool decode) {
        if (field("kv_cache_dtype") != kv || number(field("window_size")) > 0 ||
            number(field("head_dim")) != 128)
            return false;
        s.a[0] = number(field("batch_size"));
        s.a[1] = number(field("isl")) + (decode ? number(field("step")) : 0);
        s.a[2] = number(field("num_heads"));
        s.a[3] = number(field("num_key_value_heads"));
        if (s.a[3] == 0) s.a[3] = s.a[2];
        return s.a[2] <= 64 && s.a[0] <= 512;
    };
    for (const char* kv : {"bfloat16", "fp8"}) {
        const bool narrow = std::string(kv) == "fp8";
        const double bytes = narrow ? 1 : 2;
        const auto decode = tables.read("decode_attention", [&](const auto& field, Sample& s) {
            // What a step of a busy server reads; less fits a cache, and the kernel's fixed time decides.
            return s.gpu == &tables.gpus.front() && take(field, s, kv, true) && s.a[2] / s.a[3] >= 4 &&
                   s.a[1] <= 32768 && 2 * s.a[0] * s.a[1] * s.a[3] * 128 * bytes >= 2e8;
        });
        fit(out, k, fmt::format("decode attention, {} cache", kv), decode,
            {narrow ? "kv_bandwidth_8bit" : "kv_bandwidth", "layer_us"},
            [&](const StepTimeCoefficients& c, const Sample& s) {
                return c.layer_s +
                       2 * s.a[0] * s.a[1] * s.a[3] * 128 * bytes /
                           (s.gpu->bytes_per_second * (narrow ? c.kv_bandwidth_8bit : c.kv_bandwidth));
            });
    }
    const auto prefill = tables.read("prefill_attention", [&](const auto& field, Sample& s) {
        return s.gpu == &tables.gpus.front() && take(field, s, "bfloat16", false) && s.a[1] >= 128 &&
               s.a[1] * s.a[0] <= 32768;
    });
    fit(out, k, "prefill attention", prefill, {"attention_flops", "attention_tile_tokens", "layer_us"},
        [&](const StepTimeCoefficients& c, const Sample& s) {
            const double pairs = s.a[0] * s.a[1] * (s.a[1] / 2 + c.attention_tile_tokens);
            return c.layer_s +
                   4 * 128 * s.a[2] * pairs / (s.gpu->flops(NumberType::bf16) * c.attention_flops);
        });
    out.profile.erase("layer_us");  // one kernel of several: served runs decide
}

void fit_all_reduce(OperatorFit& out, StepTimeCoefficients& k, const Tables& tables) {
    const auto samples = tables.read("allreduce", [&](const auto& field, Sample& s) {
        s.a[0] = number(field("num_gpus"));
        s.a[1] = 2 * number(field("message_size"));  // elements of two bytes
        return field("backend") == "vllm_graph" && s.a[1] >= 4096 && s.a[1] <= 134217728;
    });
    fit(out, k, "all-reduce", samples, {"all_reduce_us", "link_bandwidth"},
        [](const StepTimeCoefficients& c, const Sample& s) {
            return all_reduce_seconds(*s.gpu, c, static_cast<int>(s.a[0]), s.a[1]);
        });
}

}  // namespace

OperatorFit fit_layers(const std::filesystem::path& data, const std::string& folder, const std::string& gpu,
                       const StepTimeCoefficients& base) {
    const Gpu card = get_gpu(gpu)->gpu;
    // Llama-3.1-8B on one GPU: hidden 4096, 32 query and 8 KV heads of 128, MLP 14336.
    const std::map<std::string, std::pair<double, double>> products = {{"qkv_proj", {6144, 4096}},
                                                                       {"o_proj", {4096, 4096}},
                                                                       {"gate_up_proj", {28672, 4096}},
                                                                       {"down_proj", {4096, 14336}}};
    const std::filesystem::path place =
        data / "layers" / folder / "meta-llama" / "Llama-3.1-8B" / "bf16" / "tp1";
    OperatorFit out;
    StepTimeCoefficients k = base;
    std::vector<Sample> matrices, decode, prefill;
    const CsvTable dense = read_csv(place / "dense.csv.gz"), attention = read_csv(place / "attention.csv.gz");
    for (const auto& row : dense.rows) {
        const auto product = products.find(row[0]);
        if (product == products.end()) continue;
        matrices.push_back(
            {&card, {number(row[1]), product->second.first, product->second.second}, number(row[2]) * 1e-6});
    }
    for (const auto& row : attention.rows) {
        const double chunk = number(row[0]), before = number(row[1]), rows = number(row[2]),
                     context = number(row[3]);
        const Sample s{&card, {chunk, before, rows, context}, number(row[4]) * 1e-6};
        if (chunk == 0 && rows > 0 && rows * context >= 8192) decode.push_back(s);
        if (rows == 0 && chunk >= 128) prefill.push_back(s);
    }
    fit(out, k, "matrix products, layers", matrices,
        {"weight_bandwidth", "gemm_16bit", "matrix_16bit_us", "tile_loss_16bit"},
        [](const StepTimeCoefficients& c, const Sample& s) {
            return matrix_seconds(*s.gpu, dense_kernel(c, WeightKernel::sixteen_bit), NumberType::bf16,
                                  s.a[0], s.a[1], s.a[2]);
        });
    fit(out, k, "decode attention, layers", decode, {"kv_bandwidth", "layer_us"},
        [](const StepTimeCoefficients& c, const Sample& s) {
            return c.layer_s + s.a[2] * s.a[3] * 2 * 8 * 128 * 2 / (s.gpu->bytes_per_second * c.kv_bandwidth);
        });
    fit(out, k, "prefill attention, layers", prefill,
        {"attention_flops", "attention_tile_tokens", "layer_us"},
        [](const StepTimeCoefficients& c, const Sample& s) {
            const double pairs = s.a[0] * (s.a[1] + s.a[0] / 2 + c.attention_tile_tokens);
            return c.layer_s + 4 * 128 * 32 * pairs / (s.gpu->flops(NumberType::bf16) * c.attention_flops);
        });
    out.profile.erase("layer_us");
    // Qwen3-30B-A3B: hidden 2048, 128 experts of 768, 8 of them per token; here with a stated number in use.
    const std::filesystem::path experts =
        data / "layers" / folder / "Qwen" / "Qwen3-30B-A3B-Instruct-2507" / "bf16" / "tp1" / "moe.csv.gz";
    std::vector<Sample> grouped;
    if (std::filesystem::exists(experts)) {
        const CsvTable table = read_csv(experts);
        for (const auto& row : table.rows)
            grouped.push_back({&card, {number(row[0]), number(row[1])}, number(row[2]) * 1e-6});
    }
    fit(out, k, "experts, layers", grouped, {"expert_bandwidth_16bit", "gemm_experts_16bit"},
        [](const StepTimeCoefficients& c, const Sample& s) {
            return experts_seconds(*s.gpu, expert_kernel(c, WeightKernel::sixteen_bit), NumberType::bf16,
                                   {2048, 768, s.a[1], 1, 3}, s.a[0], 8 * s.a[0]);
        });
    return out;
}

OperatorFit fit_operators(const std::filesystem::path& data, const std::vector<std::string>& gpus,
                          const StepTimeCoefficients& base) {
    std::vector<Gpu> cards;
    for (const std::string& name : gpus) cards.push_back(get_gpu(name)->gpu);
    OperatorFit out;
    StepTimeCoefficients k = base;
    const Tables tables{data, cards};
    fit_matrices(out, k, tables);
    fit_experts(out, k, tables);
    fit_attention(out, k, tables);
    fit_all_reduce(out, k, tables);
    return out;
}

}  // namespace windtunnel::accuracy
