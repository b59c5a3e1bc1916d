#include "tests/accuracy/evaluation.hpp"
#include "tests/accuracy/measured_file.hpp"
#include "tests/support/kv_arguments.hpp"

#include "reports/bench_prediction.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <map>

namespace windtunnel::accuracy {

std::optional<double> value_of(const BenchReport& r, const std::string& metric) {
    const BenchLatency& l = metric.ends_with("ttft") ? r.ttft : metric.ends_with("tpot") ? r.tpot : r.e2el;
    return metric.starts_with("p99") ? l.p99 : l.mean;
}

namespace {

std::string load_of(const MeasuredCase& c) {
    if (c.trace) return "open loop";
    const std::int64_t at_once = c.spec.max_concurrency;
    const char* band = at_once <= 8    ? "up to 8"
                       : at_once <= 32 ? "9 to 32"
                       : at_once <= 64 ? "33 to 64"
                                       : "more than 64";
    return fmt::format("{} at once, prompts of {}", band, c.spec.input_len < 3000 ? "1-2 k" : "4-8 k");
}

double quantile(const std::vector<double>& sorted, double q) {
    const double rank = q * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(rank);
    const double high = sorted[std::min(below + 1, sorted.size() - 1)];
    return sorted[below] + (high - sorted[below]) * (rank - static_cast<double>(below));
}

const std::string& key_of(const Comparison& c, GroupBy by) {
    switch (by) {
        case GroupBy::family:
            return c.family;
        case GroupBy::group:
            return c.group;
        case GroupBy::gpu:
            return c.gpu;
        case GroupBy::model:
            return c.model;
        case GroupBy::load:
            return c.load;
    }
    return c.family;
}

}  // namespace

std::vector<Comparison> compare(const std::vector<MeasuredCase>& cases, std::vector<std::string>& problems) {
    std::vector<Comparison> out;
    for (const MeasuredCase& c : cases) {
        const Result<KvCapacity> capacity = kv_capacity(c.server);
        if (!capacity || !capacity->fits) {
            problems.push_back(c.id + ": " +
                               (capacity ? capacity->refusal : to_string(capacity.problems().front())));
            continue;
        }
        StepTimeOptions options = c.options;
        options.enforce_eager = c.server.enforce_eager;
        options.max_cudagraph_capture_size = c.server.max_cudagraph_capture_size;
        BenchLoad load;
        load.engines = static_cast<std::uint32_t>(c.server.data_parallel);
        load.max_concurrency = c.trace ? 0 : c.spec.max_concurrency;
        load.delays = c.delays;
        const auto p = predict_bench(*capacity, options, c.trace ? *c.trace : *bench_trace(c.spec), load);
        if (!p) {
            problems.push_back(c.id + ": " + to_string(p.problems().front()));
            continue;
        }
        const std::string model = c.group.substr(0, c.group.find(' '));
        for (const Measured& m : c.measured)
            out.push_back({c.id, c.source, c.family, c.group, capacity->gpu.name, model, load_of(c), m.metric,
                           m.value, value_of(p->report, m.metric).value_or(NAN), c.not_counted});
    }
    return out;
}

std::vector<Comparison> compare_kv_capacity(const std::filesystem::path& data,
                                            std::vector<std::string>& problems) {
    const nlohmann::json file = read_json(data / "measured" / "kv_capacity_cases.json");
    std::vector<Comparison> out;
    for (const auto& c : file.at("cases")) {
        if (!c.contains("cli") || !c["cli"].contains("end_to_end")) continue;
        const auto& asked = c["cli"]["end_to_end"];
        const Result<KvCapacity> capacity =
            kv_capacity(lab::kv_request_of(asked.at("args").get<std::vector<std::string>>()));
        const std::string id = c.at("id");
        if (!capacity) {
            problems.push_back(id + ": " + to_string(capacity.problems().front()));
            continue;
        }
        const bool judged = asked.value("judged", true);
        const std::string name = capacity->shape.id.substr(capacity->shape.id.find('/') + 1);
        out.push_back({id, c.value("source", ""), "memory", "KV blocks at start-up", capacity->gpu.name, name,
                       "start-up", "kv_blocks", asked.at("num_gpu_blocks").get<double>(),
                       static_cast<double>(capacity->num_gpu_blocks),
                       judged ? "" : "allocator slack of that release is charged and not predictable"});
    }
    return out;
}

std::vector<ErrorSummary> summaries(const std::vector<Comparison>& all, GroupBy by) {
    std::map<std::pair<std::string, std::string>, std::vector<double>> errors;
    for (const Comparison& c : all)
        // Starts are of any card, and of no load.
        if (c.not_counted.empty() && (!c.family.starts_with("cold start") || by == GroupBy::family || by == GroupBy::group)) errors[{key_of(c, by), c.metric}].push_back(c.percent());
    std::vector<ErrorSummary> out;
    for (auto& [key, values] : errors) {
        std::vector<double> absolute;
        for (const double v : values) absolute.push_back(std::abs(v));
        std::sort(values.begin(), values.end());
        std::sort(absolute.begin(), absolute.end());
        out.push_back({key.first, key.second, values.size(), quantile(absolute, 0.5), quantile(values, 0.5),
                       quantile(absolute, 0.9), absolute.back()});
    }
    return out;
}

}  // namespace windtunnel::accuracy
