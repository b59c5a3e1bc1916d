#include "tests/accuracy/measured_case.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

/// The closed-loop runs of aiconfigurator's silicon sample (2026-06). The flags of each sweep are those of
/// its public scripts (InferenceX; github.com/SemiAnalysisAI/InferenceX, benchmarks/, at the date of the run)
/// and of aiconfigurator's own evaluation tool.
namespace windtunnel::accuracy {

namespace {

struct Row {
    std::string id, version, model, gpu, precision;
    int isl = 0, osl = 0, concurrency = 0, tp = 1, dp = 1;
    double ttft = 0, tpot = 0;
};

std::vector<Row> rows_of(const CsvTable& t) {
    std::vector<Row> out;
    for (const auto& f : t.rows) {
        const auto text = [&](const char* name) { return f[t.column(name)]; };
        const auto whole = [&](const char* name) { return text(name).empty() ? 1 : std::stoi(text(name)); };
        out.push_back({text("id"), text("vllm_version"), text("model"), text("gpu"), text("precision"),
                       whole("isl"), whole("osl"), whole("concurrency"), whole("tp"), whole("dp"),
                       std::stod(text("ttft_mean_ms")), std::stod(text("tpot_mean_ms"))});
    }
    return out;
}

const std::map<std::string, std::string> gpu_names = {{"h100_sxm", "h100-sxm-80gb"},
                                                      {"h200_sxm", "h200-sxm-141gb"},
                                                      {"b200_sxm", "b200-sxm-180gb"},
                                                      {"b300_sxm", "b300-sxm-270gb"}};

bool blackwell(const Row& r) { return r.gpu.starts_with('b'); }

void llama_70b(const Row& r, MeasuredCase& c) {
    c.server.model =
        r.precision == "fp4" ? "nvidia/Llama-3.3-70B-Instruct-FP4" : "nvidia/Llama-3.3-70B-Instruct-FP8";
    c.server.dtype = r.precision == "fp4" ? "nvfp4" : "fp8";
    c.server.vllm_version = "0.10.2";
    c.server.kv_cache_dtype = "fp8";
    c.options.asynchronous_scheduling = true;
    if (blackwell(r)) c.options.full_graphs = true;
    c.server.max_num_seqs = blackwell(r) ? 512 : r.concurrency;
    if (r.gpu == "h100_sxm") c.server.max_model_len = 10240;
}

void gpt_oss(const Row& r, MeasuredCase& c) {
    const bool old = r.version.empty() || r.version.starts_with("0.11");
    c.server.vllm_version = r.version.empty() ? (r.gpu == "h100_sxm" ? "0.11.2" : "0.10.2") : r.version;
    c.server.max_num_seqs = blackwell(r) ? 512 : r.concurrency;
    c.server.max_cudagraph_capture_size = 2048;
    if (old) c.options.asynchronous_scheduling = true;
    if (old && blackwell(r)) c.options.full_graphs = true;
    if (blackwell(r) && !old) c.server.kv_cache_dtype = "fp8";
    if (r.gpu == "h100_sxm") c.server.max_model_len = 10240;
    if (r.gpu == "h100_sxm" && r.concurrency == 512)
        c.not_counted = "the batch limit of this run was lost: 512 was the client's cap only";
    if (r.gpu == "h100_sxm" && r.tp == 4 && r.isl == 1024 && r.osl == 1024 && r.concurrency == 32)
        c.not_counted = "outlier: twice as slow as its neighbours at 16 and 64";
}

void minimax(const Row& r, MeasuredCase& c) {
    c.server.dtype = r.precision == "fp4" ? "nvfp4" : "fp8";
    c.server.vllm_version = r.version.starts_with("nightly") ? "0.19.0" : r.version;
    c.server.max_num_seqs = r.gpu == "h100_sxm" ? 256 : 1024;
    if (r.gpu == "h100_sxm") c.options.full_graphs = false;
    if (r.gpu == "h100_sxm" || r.gpu == "h200_sxm" || r.version.starts_with("0.17"))
        c.server.max_cudagraph_capture_size = 512;
    if (r.gpu == "h200_sxm" || r.version.starts_with("0.17")) c.server.gpu_memory_utilization = 0.95;
    if (blackwell(r) && c.server.vllm_version.starts_with("0.19")) {
        c.server.kv_cache_dtype = "fp8";
        c.server.max_cudagraph_capture_size = 2048;
        c.server.max_num_batched_tokens = r.isl <= 1024 ? 2048 : 16384;
    }
    if (blackwell(r) && r.precision == "fp8") c.server.block_size = 32;
}

void kimi(const Row& r, MeasuredCase& c) {
    c.server.dtype = r.precision == "fp4" ? "nvfp4" : "int4";
    c.server.vllm_version = !r.version.empty() ? r.version : "0.17.0";
    c.server.max_num_seqs = r.concurrency;
    if (r.precision != "fp4") c.server.gpu_memory_utilization = 0.95;
}

/// InferenceX: lengths uniform on [0.8 L, L], 10 C prompts.
void inferencex(const Row& r, MeasuredCase& c) {
    c.spec.random_range_ratio = 0.8;
    c.server.max_model_len = r.isl + r.osl + 256;
    c.server.max_num_batched_tokens = 8192;
    if (r.model == "meta-llama/Llama-3.1-70B") llama_70b(r, c);
    if (r.model == "openai/gpt-oss-120b") gpt_oss(r, c);
    if (r.model == "MiniMaxAI/MiniMax-M2.5") minimax(r, c);
    if (r.model == "moonshotai/Kimi-K2.5") kimi(r, c);
    // Ids of these sweeps name real data-parallel attention over experts that are spread over the same GPUs;
    // everywhere else the column is an artefact and the deployment is `tp` GPUs, tensor and expert parallel.
    const bool attention_dp =
        r.id.ends_with("cfg707") || r.id.ends_with("cfg727") || r.id.ends_with("cfg827");
    if (attention_dp && r.tp > 1) {
        c.server.data_parallel = c.server.expert_parallel = r.tp;
        c.server.tensor_parallel = 1;
    }
}

/// Dynamo's worker with vLLM 0.12 and aiperf: fixed lengths, 10 C requests.
void dynamo(const Row& r, MeasuredCase& c) {
    c.server.vllm_version = "0.12.0";
    c.server.max_model_len = r.isl + r.osl + 1500;
    // The tool's own formula for what it lets a step hold.
    c.server.max_num_batched_tokens = r.concurrency + r.isl + 1500;
    c.server.max_num_seqs = r.concurrency;
    c.spec.input_len += 20;  // the chat template
    if (r.precision == "fp8") c.server.dtype = "fp8";
    if (r.model == "Qwen/Qwen3-235B-A22B-FP8") {
        c.server.model = "Qwen/Qwen3-235B-A22B";
        c.server.enforce_eager = true;
        c.not_counted = "three times the roofline at every load; predicted as a run without CUDA graphs, which is a guess";
        if (r.tp == 1) c.not_counted += "; its parallelism is not known";
    }
    if (r.model == "nvidia/Llama-3.1-8B-Instruct-FP8")
        c.not_counted = "more tokens per second than the GPU's peak allows one engine";
}

MeasuredCase case_of(const Row& r) {
    MeasuredCase c;
    c.id = r.id;
    c.source = "aiconfigurator silicon sample, 2026-06";
    c.server.model = r.model;
    c.server.gpu = gpu_names.at(r.gpu);
    c.server.tensor_parallel = r.tp;
    c.spec.input_len = r.isl;
    c.spec.output_len = r.osl;
    c.spec.max_concurrency = r.concurrency;
    c.spec.num_prompts = 10 * std::int64_t{r.concurrency};
    static const std::set<std::string> sweeps = {"meta-llama/Llama-3.1-70B", "openai/gpt-oss-120b",
                                                 "MiniMaxAI/MiniMax-M2.5", "moonshotai/Kimi-K2.5"};
    if (sweeps.count(r.model) != 0)
        inferencex(r, c);
    else
        dynamo(r, c);
    const std::string name = r.model.substr(r.model.find('/') + 1);
    c.group = fmt::format("{} {} {}", name == "Llama-3.1-70B" ? "Llama-3.3-70B" : name,
                          r.precision.empty() ? "bf16" : r.precision, r.gpu.substr(0, r.gpu.find('_')));
    c.family = r.model.find("Llama") != std::string::npos || r.model == "Qwen/Qwen3-32B" ? "dense" : "moe";
    c.measured = {{"mean_ttft", r.ttft}, {"mean_tpot", r.tpot}};
    return c;
}

}  // namespace

std::vector<MeasuredCase> closed_loop_cases(const std::filesystem::path& data) {
    std::vector<MeasuredCase> out;
    std::set<std::string> seen;
    for (const Row& r : rows_of(read_csv(data / "measured" / "vllm_closed_loop.csv"))) {
        // The same point may have been dumped several times.
        const std::string point = fmt::format("{} {} {} {} {} {} {} {} {}", r.model, r.gpu, r.precision,
                                              r.isl, r.osl, r.concurrency, r.tp, r.ttft, r.tpot);
        if (seen.insert(point).second) out.push_back(case_of(r));
    }
    return out;
}

}  // namespace windtunnel::accuracy
