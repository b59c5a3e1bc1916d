#include "tests/accuracy/measured_case.hpp"
#include "tests/accuracy/measured_file.hpp"

#include "reports/bench_report.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace windtunnel::accuracy {

namespace {

using nlohmann::json;

constexpr std::uint32_t block = 16;  ///< tokens

/// inference-perf's shared-prefix data set: a few system prompts, each with a few users' questions behind it,
/// and requests go through these prompts in turn, so that all but the first of each find theirs cached.
/// Arrivals are a constant rate.
Trace chat_trace(const json& row) {
    const json& chat = row["workload"]["shared_prefix"];
    const double rate = row["load"]["rate_rps"];
    const auto count = static_cast<std::size_t>(rate * row["load"]["duration_s"].get<double>());
    const auto prompt = static_cast<std::uint32_t>(row["input_tokens_mean"].get<double>());
    const auto output = static_cast<std::uint32_t>(row["output_tokens_mean"].get<double>());
    const auto systems = chat["num_unique_system_prompts"].get<std::uint64_t>();
    const auto users = chat["num_users_per_system_prompt"].get<std::uint64_t>();
    const std::uint64_t shared = chat["system_prompt_len"].get<std::uint64_t>() / block,
                        blocks = prompt / block;
    Trace out;
    out.format = "inference-perf";
    out.tokens_per_hash = block;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t which = i % (systems * users), system = which % systems;
        Request r;
        r.arrival = from_seconds(static_cast<double>(i) / rate);
        r.prompt_tokens = prompt;
        r.output_tokens = output;
        r.prefix = static_cast<std::uint32_t>(out.prefix_hashes.size()) + 1;
        r.prefix_count = static_cast<std::uint16_t>(blocks);
        for (std::uint64_t b = 0; b < blocks; ++b)
            out.prefix_hashes.push_back((b < shared ? system : 1'000 + which) * 100'000 + b + 1);
        out.requests.push_back(r);
    }
    out.prefix_nodes = prefix_tree(out);
    out.span = out.requests.empty() ? Tick{} : out.requests.back().arrival;
    return out;
}

std::optional<MeasuredCase> case_of(const json& row, std::size_t number) {
    if (row["kind"] != "measured_serving" || !row.contains("load") || !row["load"].is_object())
        return std::nullopt;
    if (row["load"].value("kind", "") != "constant rate, open loop") return std::nullopt;
    MeasuredCase c;
    c.source = row["source"];
    c.server.model = row["model"];
    c.server.gpu = "h100-sxm-80gb";
    c.server.dtype = row["dtype"] == "fp16" ? "fp16" : "auto";
    c.server.tensor_parallel = row["tp"];
    c.server.max_num_batched_tokens = row["max_num_batched_tokens"].get<int>();
    c.server.max_num_seqs = row["max_num_seqs"].get<int>();
    c.server.max_model_len = row["max_model_len"].get<int>();
    c.server.vllm_version = "0.15.1";  // "V1", run on 17 February 2026: the release then; asynchronous (vllm.md 0.1)
    const std::string name = c.server.model.substr(c.server.model.find('/') + 1);
    c.group = fmt::format("{} tp{}", name, c.server.tensor_parallel);
    c.id = fmt::format("{} {} {}/s #{}", name, row["workload"]["name"].get<std::string>(),
                       row["load"]["rate_rps"].get<double>(), number);
    c.family = "open loop";
    if (row.value("overloaded", false)) c.not_counted = "overloaded: the queue grew until the client gave up";
    c.trace = chat_trace(row);
    c.measured = {{"mean_ttft", row["ttft_ms"]["mean"]},
                  {"mean_tpot", row["tpot_ms_mean_derived"]},
                  {"mean_e2el", row["e2e_ms"]["mean"]}};
    return c;
}

}  // namespace

std::vector<MeasuredCase> open_loop_cases(const std::filesystem::path& data) {
    const json file = read_json(data / "measured" / "serving_latency.json");
    std::vector<MeasuredCase> out;
    for (std::size_t i = 0; i < file["latency"].size(); ++i)
        if (auto c = case_of(file["latency"][i], i)) out.push_back(std::move(*c));
    return out;
}

std::vector<MeasuredCase> per_request_cases(const std::filesystem::path& data) {
    const std::filesystem::path folder = data / "measured" / "lss-rtxpro6000-llama8b";
    MeasuredCase c;
    c.id = "lss-rtxpro6000-llama8b";
    c.source = "LLMServingSim, bench, vLLM 0.19.0, 2026-04";
    c.group = "Llama-3.1-8B bf16 rtx-pro-6000";
    c.family = "per request";
    c.server.model = "meta-llama/Llama-3.1-8B";
    c.server.gpu = "rtx-pro-6000-96gb";
    c.server.vllm_version = "0.19.0";
    c.server.max_num_seqs = 128;
    c.server.max_num_batched_tokens = 2048;
    c.delays = {Tick{}, Tick{}};
    Trace trace;
    trace.format = "llm-serving-sim";
    std::vector<Tick> ttft, tpot, e2el;
    std::ifstream in(folder / "requests.jsonl");
    if (!in) throw std::runtime_error("cannot read " + (folder / "requests.jsonl").string());
    double first = -1, offset = 1e18;
    std::vector<json> rows;
    for (std::string line; std::getline(in, line);)
        if (!line.empty()) rows.push_back(json::parse(line));
    // Engine stamps are of another clock: the smallest distance between arrival and queueing is taken as 1
    // ms.
    for (const json& r : rows)
        offset = std::min(offset, r["queued_ts"].get<double>() - r["arrival_time"].get<double>());
    offset -= 1e-3;
    for (const json& r : rows) {
        const double arrival = r["arrival_time"].get<double>() + offset;
        if (first < 0) first = arrival;
        Request q;
        q.arrival = from_seconds(arrival - first);
        q.prompt_tokens = r["input_toks"];
        q.output_tokens = r["output_toks"];
        const double first_token = r["first_token_ts"], last = r["last_token_ts"];
        ttft.push_back(from_seconds(first_token - arrival));
        e2el.push_back(from_seconds(last - arrival));
        if (q.output_tokens > 1) tpot.push_back(from_seconds((last - first_token) / (q.output_tokens - 1)));
        trace.requests.push_back(q);
    }
    std::sort(trace.requests.begin(), trace.requests.end(),
              [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
    trace.span = trace.requests.back().arrival;
    c.trace = std::move(trace);
    const auto put = [&](const char* name, std::vector<Tick> values) {
        const BenchLatency l = bench_latency(std::move(values));
        c.measured.push_back({std::string("mean_") + name, *l.mean});
        c.measured.push_back({std::string("p99_") + name, *l.p99});
    };
    put("ttft", ttft);
    put("tpot", tpot);
    put("e2el", e2el);
    return {c};
}

}  // namespace windtunnel::accuracy
