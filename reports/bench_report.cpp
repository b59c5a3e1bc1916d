#include "reports/bench_report.hpp"

#include "reports/json_values.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace windtunnel {

namespace {

/// numpy.percentile's default: linear between the two nearest ranks. `sorted` is not empty.
double percentile(const std::vector<Tick>& sorted, double percent) {
    const double rank = percent / 100 * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(rank);
    const double low = to_milliseconds(sorted[below]),
                 high = to_milliseconds(sorted[std::min(below + 1, sorted.size() - 1)]);
    return low + (high - low) * (rank - static_cast<double>(below));
}

/// The spread of a bucketed distribution around its exact mean, every value taken as its bucket's middle.
double bucketed_stddev(const Distribution& d) {
    const double mean = d.mean_ticks();
    double squares = 0;
    for (std::uint32_t i = 0; i < d.buckets.size(); ++i) {
        if (d.buckets[i] == 0) continue;
        const double middle = (static_cast<double>(SketchBuckets::lower_bound(i).count) +
                               static_cast<double>(SketchBuckets::upper_bound(i).count)) /
                              2;
        const double held = std::clamp(middle, static_cast<double>(d.totals.least.count),
                                       static_cast<double>(d.totals.most.count));
        squares += static_cast<double>(d.buckets[i]) * (held - mean) * (held - mean);
    }
    return std::sqrt(squares / static_cast<double>(d.totals.count));
}

BenchLatency latency_of(const Distribution& d) {
    if (d.totals.count == 0) return {};
    const double ms = static_cast<double>(ticks_per_millisecond);
    return {d.mean_ticks() / ms, to_milliseconds(d.quantile(0.5)), bucketed_stddev(d) / ms,
            to_milliseconds(d.quantile(0.9)), to_milliseconds(d.quantile(0.99))};
}

using Json = nlohmann::ordered_json;

void put(Json& out, const std::string& name, const BenchLatency& l) {
    out["mean_" + name + "_ms"] = number(l.mean);
    out["median_" + name + "_ms"] = number(l.median);
    out["std_" + name + "_ms"] = number(l.stddev);
    out["p90_" + name + "_ms"] = number(l.p90);
    out["p99_" + name + "_ms"] = number(l.p99);
}

}  // namespace

BenchLatency bench_latency(std::vector<Tick> durations) {
    if (durations.empty()) return {};
    std::sort(durations.begin(), durations.end());
    const auto n = static_cast<double>(durations.size());
    double sum = 0, squares = 0;
    for (const Tick t : durations) sum += to_milliseconds(t);
    const double mean = sum / n;
    for (const Tick t : durations) squares += (to_milliseconds(t) - mean) * (to_milliseconds(t) - mean);
    return {mean, percentile(durations, 50), std::sqrt(squares / n), percentile(durations, 90),
            percentile(durations, 99)};
}

BenchReport bench_report(const std::vector<RequestRecord>& records, const Distribution& itl) {
    BenchReport out;
    std::vector<Tick> ttft, tpot, e2el;
    Tick last;
    for (const RequestRecord& r : records) {
        last = max(last, r.finish);
        if (r.end != RequestEnd::completed) {
            ++out.failed;
            continue;
        }
        ++out.completed;
        out.total_input_tokens += r.prompt_tokens;
        out.total_output_tokens += r.output_tokens;
        ttft.push_back(r.first_token - r.arrival);
        e2el.push_back(r.finish - r.arrival);
        if (r.output_tokens > 1) tpot.push_back({(r.finish - r.first_token).count / (r.output_tokens - 1)});
    }
    out.duration_s = to_seconds(last);
    if (out.duration_s > 0) {
        out.request_throughput = static_cast<double>(out.completed) / out.duration_s;
        out.output_throughput = static_cast<double>(out.total_output_tokens) / out.duration_s;
        out.total_token_throughput =
            static_cast<double>(out.total_input_tokens + out.total_output_tokens) / out.duration_s;
    }
    out.ttft = bench_latency(std::move(ttft));
    out.tpot = bench_latency(std::move(tpot));
    out.e2el = bench_latency(std::move(e2el));
    out.itl = latency_of(itl);
    return out;
}

std::string bench_json(const BenchReport& r, const BenchSubject& s) {
    Json out;
    out["duration"] = r.duration_s;
    out["completed"] = r.completed;
    out["failed"] = r.failed;
    out["total_input_tokens"] = r.total_input_tokens;
    out["total_output_tokens"] = r.total_output_tokens;
    out["request_throughput"] = number(r.request_throughput);
    out["output_throughput"] = number(r.output_throughput);
    out["total_token_throughput"] = number(r.total_token_throughput);
    put(out, "ttft", r.ttft);
    put(out, "tpot", r.tpot);
    put(out, "itl", r.itl);
    put(out, "e2el", r.e2el);
    out["max_concurrency"] = s.max_concurrency ? Json(*s.max_concurrency) : Json(nullptr);
    out["request_rate"] = s.request_rate ? Json(*s.request_rate) : Json("inf");
    out["model_id"] = s.model;
    out["gpu"] = s.gpu;
    out["vllm_version"] = s.vllm_version;
    out["tp"] = s.tp;
    out["pp"] = s.pp;
    out["dp"] = s.dp;
    out["step_times"] = s.step_times;
    out["notes"] = s.notes;
    return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string bench_table(const BenchReport& r, const BenchSubject& s) {
    constexpr int width = 50;
    std::string out =
        fmt::format("{} on {}, tp {}, pp {}{}, vLLM {}\nstep times: {}\n", s.model, s.gpu, s.tp, s.pp,
                    s.dp > 1 ? fmt::format(", dp {}", s.dp) : "", s.vllm_version, s.step_times);
    const auto whole = [&](const char* name, std::uint64_t value) {
        out += fmt::format("{:<40} {:<10}\n", name, value);
    };
    const auto real = [&](const std::string& name, const std::optional<double>& value) {
        if (value)
            out += fmt::format("{:<40} {:<10.2f}\n", name, *value);
        else
            out += fmt::format("{:<40} {:<10}\n", name, "n/a");
    };
    const auto latency = [&](const char* title, const char* name, const BenchLatency& l) {
        out += fmt::format("{:-^{}}\n", title, width);
        real(fmt::format("Mean {} (ms):", name), l.mean);
        real(fmt::format("Median {} (ms):", name), l.median);
        real(fmt::format("Std {} (ms):", name), l.stddev);
        real(fmt::format("P90 {} (ms):", name), l.p90);
        real(fmt::format("P99 {} (ms):", name), l.p99);
    };
    out += fmt::format("{:=^{}}\n", " Predicted Serving Benchmark Result ", width);
    whole("Successful requests:", r.completed);
    whole("Failed requests:", r.failed);
    if (s.max_concurrency)
        whole("Maximum request concurrency:", static_cast<std::uint64_t>(*s.max_concurrency));
    if (s.request_rate) real("Request rate configured (RPS):", *s.request_rate);
    real("Benchmark duration (s):", r.duration_s);
    whole("Total input tokens:", r.total_input_tokens);
    whole("Total generated tokens:", r.total_output_tokens);
    real("Request throughput (req/s):", r.request_throughput);
    real("Output token throughput (tok/s):", r.output_throughput);
    real("Total token throughput (tok/s):", r.total_token_throughput);
    latency("Time to First Token", "TTFT", r.ttft);
    latency("Time per Output Token (excl. 1st token)", "TPOT", r.tpot);
    latency("Inter-token Latency (to 0.4%)", "ITL", r.itl);
    latency("End-to-end Latency", "E2EL", r.e2el);
    out += fmt::format("{:=^{}}\n", "", width);
    for (const std::string& note : s.notes) out += "note: " + note + "\n";
    return out;
}

}  // namespace windtunnel
