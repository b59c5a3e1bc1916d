#include "scenarios/traces/bench_results.hpp"

#include "scenarios/traces/trace_builder.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace windtunnel {
namespace {

using nlohmann::json;

/// Python's json.dump writes NaN and Infinity, which JSON does not have: outside strings they become null.
std::string without_nan(const std::string& text) {
    std::string out;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string && c == '\\') {
            out += c;
            if (i + 1 < text.size()) out += text[++i];
            continue;
        }
        if (c == '"') in_string = !in_string;
        if (!in_string) {
            const char* found = nullptr;
            for (const char* word : {"-Infinity", "Infinity", "NaN"})
                if (text.compare(i, std::string_view(word).size(), word) == 0) {
                    found = word;
                    break;
                }
            if (found) {
                out += "null";
                i += std::string_view(found).size() - 1;
                continue;
            }
        }
        out += c;
    }
    return out;
}

/// A value as it is quoted in a problem.
std::string spoken(const json& v) {
    return v.is_string() ? shown(v.get<std::string>()) : v.dump().substr(0, 60);
}

/// Reads one result object; collects what is wrong.
class ResultReader {
public:
    ResultReader(const json& object, std::string file, std::int64_t line) : m_in(object) {
        m_out.file = std::move(file), m_out.line = line;
    }

    Result<BenchResult> read() {
        for (const char* key : {"completed", "duration", "total_input_tokens", "total_output_tokens"})
            if (!m_in.contains(key))
                problem(key,
                        "found nothing, allowed: the result of `vllm bench serve --save-result` (or "
                        "--save-detailed), "
                        "which has it");
        if (!m_problems.empty()) return {std::move(m_problems)};
        text("model_id", m_out.model_id);
        text("date", m_out.date);
        count("completed", m_out.completed, 1);
        m_out.num_prompts = m_out.completed;
        count("num_prompts", m_out.num_prompts, 1);
        count("total_input_tokens", m_out.total_input_tokens, 1);
        count("total_output_tokens", m_out.total_output_tokens, 1);
        if (const auto v = positive("duration")) m_out.duration_s = *v;
        load();
        m_out.mean_ttft_ms = positive("mean_ttft_ms");
        m_out.mean_tpot_ms = positive("mean_tpot_ms");
        m_out.p99_ttft_ms = positive("p99_ttft_ms");
        m_out.p99_tpot_ms = positive("p99_tpot_ms");
        m_out.output_throughput = positive("output_throughput");
        if (!m_out.mean_ttft_ms && !m_out.mean_tpot_ms)
            problem("mean_tpot_ms",
                    "found neither it nor mean_ttft_ms, allowed: at least one of them (--percentile-metrics "
                    "does not take them away)");
        lengths();
        if (!m_problems.empty()) return {std::move(m_problems)};
        return m_out;
    }

private:
    void problem(const char* key, std::string message) {
        m_problems.push_back(problem_at(m_out.file, m_out.line, key, std::move(message)));
    }
    const json* find(const char* key) const {
        const auto at = m_in.find(key);
        return at == m_in.end() || at->is_null() ? nullptr : &*at;
    }
    void text(const char* key, std::string& into) {
        if (const json* v = find(key)) {
            if (v->is_string())
                into = v->get<std::string>();
            else
                problem(key, fmt::format("found {}, allowed: a string", spoken(*v)));
        }
    }
    void count(const char* key, std::int64_t& into, std::int64_t least) {
        const json* v = find(key);
        if (!v) return;
        if (!v->is_number_integer() || v->get<std::int64_t>() < least)
            problem(key, fmt::format("found {}, allowed: a whole number of at least {}", spoken(*v), least));
        else
            into = v->get<std::int64_t>();
    }
    /// A number above 0; what was not measured is 0, null or absent.
    std::optional<double> positive(const char* key) {
        const json* v = find(key);
        if (!v) return std::nullopt;
        if (!v->is_number() || v->get<double>() < 0) {
            problem(key, fmt::format("found {}, allowed: a number from 0", spoken(*v)));
            return std::nullopt;
        }
        return v->get<double>() > 0 ? std::optional<double>(v->get<double>()) : std::nullopt;
    }
    void load() {
        if (const json* rate = find("request_rate")) {
            if (rate->is_number() && rate->get<double>() > 0)
                m_out.request_rate = rate->get<double>();
            else if (*rate != "inf")
                problem("request_rate",
                        fmt::format("found {}, allowed: a number above 0, or \"inf\"", spoken(*rate)));
        }
        if (const auto b = positive("burstiness")) m_out.burstiness = *b;
        std::int64_t concurrency = 0;
        count("max_concurrency", concurrency, 1);
        if (concurrency > 0) m_out.max_concurrency = concurrency;
        for (const char* key : {"tp", "tensor_parallel_size"})
            if (const json* v = find(key)) {
                const std::string digits = v->is_string() ? v->get<std::string>() : v->dump();
                if (digits.empty() || digits.size() > 3 ||
                    digits.find_first_not_of("0123456789") != std::string::npos || std::stoi(digits) < 1)
                    problem(key,
                            fmt::format("found {}, allowed: a whole number of at least 1", shown(digits)));
                else
                    m_out.tensor_parallel = std::stoi(digits);
            }
    }
    void lengths() {
        const json *in = find("input_lens"), *out = find("output_lens"), *starts = find("start_times");
        if (!in || !out) return;
        const auto read = [&](const char* key, const json& list, auto& into, const char* allowed, auto fits) {
            if (!list.is_array()) return problem(key, fmt::format("found {}, allowed: a list", spoken(list)));
            for (const json& v : list) {
                if (!fits(v)) return problem(key, fmt::format("found {}, allowed: {}", spoken(v), allowed));
                into.push_back(v.get<typename std::decay_t<decltype(into)>::value_type>());
            }
        };
        const auto tokens = [](const json& v) { return v.is_number_integer() && v.get<std::int64_t>() >= 0; };
        read("input_lens", *in, m_out.input_lens, "whole numbers of tokens", tokens);
        read("output_lens", *out, m_out.output_lens, "whole numbers of tokens", tokens);
        if (m_out.input_lens.size() != m_out.output_lens.size())
            problem("output_lens", fmt::format("found {} entries, allowed: as many as input_lens has, {}",
                                               m_out.output_lens.size(), m_out.input_lens.size()));
        if (starts && starts->is_array() && starts->size() == m_out.input_lens.size())
            read("start_times", *starts, m_out.start_times_s, "seconds",
                 [](const json& v) { return v.is_number(); });
    }

    const json& m_in;
    BenchResult m_out;
    Problems m_problems;
};

}  // namespace

std::string BenchResult::words() const {
    std::string out = file.substr(file.find_last_of('/') + 1);
    if (line > 0) out += fmt::format(":{}", line);
    if (request_rate) out += fmt::format(", {:g} requests/s", *request_rate);
    if (max_concurrency) out += fmt::format(", concurrency {}", *max_concurrency);
    if (!request_rate && !max_concurrency) out += ", all at once";
    return out;
}

Result<std::vector<BenchResult>> read_bench_results(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in)
        return problem_at(file, 0, "",
                          "cannot be read, allowed: a file that `vllm bench serve --save-result` wrote");
    const std::string text = without_nan({std::istreambuf_iterator<char>(in), {}});
    std::vector<std::pair<json, std::int64_t>> objects;
    Problems problems;
    if (json whole = json::parse(text, nullptr, false); !whole.is_discarded()) {
        if (whole.is_array())
            for (json& one : whole) objects.emplace_back(std::move(one), 0);
        else
            objects.emplace_back(std::move(whole), 0);
    } else {
        std::int64_t line = 0;
        for (std::size_t from = 0; from < text.size();) {
            const std::size_t end = std::min(text.find('\n', from), text.size());
            const std::string one = text.substr(from, end - from);
            ++line, from = end + 1;
            if (one.find_first_not_of(" \t\r") == std::string::npos) continue;
            json object = json::parse(one, nullptr, false);
            if (object.is_discarded())
                return problem_at(file, line, "",
                                  "found text that is no JSON, allowed: a result of `vllm bench serve "
                                  "--save-result`, or one per line (--append-result)");
            objects.emplace_back(std::move(object), line);
        }
    }
    if (objects.empty()) return problem_at(file, 0, "", "found no result, allowed: at least one JSON object");
    std::vector<BenchResult> out;
    for (const auto& [object, line] : objects) {
        if (!object.is_object()) {
            problems.push_back(
                problem_at(file, line, "", fmt::format("found {}, allowed: a JSON object", spoken(object))));
            continue;
        }
        Result<BenchResult> one = ResultReader(object, file, line).read();
        if (one)
            out.push_back(std::move(*one));
        else
            for (Problem& p : one.take_problems()) problems.push_back(std::move(p));
    }
    if (!problems.empty()) return problems;
    return out;
}

Result<Trace> trace_of(const BenchResult& r, double range_ratio) {
    BenchSpec spec;
    const auto longest = [&](std::int64_t total) {
        const double mean = static_cast<double>(total) / static_cast<double>(r.completed);
        return std::max<std::int64_t>(1, std::llround(mean * 2 / (1 + range_ratio)));
    };
    spec.input_len = longest(r.total_input_tokens);
    spec.output_len = longest(r.total_output_tokens);
    spec.random_range_ratio = range_ratio;
    // Requests that failed took no tokens: they are left out.
    spec.num_prompts = r.completed;
    spec.request_rate = r.request_rate;
    if (spec.request_rate)
        *spec.request_rate *=
            static_cast<double>(r.completed) / static_cast<double>(std::max(r.num_prompts, r.completed));
    spec.burstiness = std::min(r.burstiness, 1e6);
    spec.max_concurrency = r.max_concurrency.value_or(0);
    if (r.input_lens.empty()) return bench_trace(spec);

    std::vector<std::size_t> done;
    for (std::size_t i = 0; i < r.input_lens.size(); ++i)
        if (r.input_lens[i] > 0 && r.output_lens[i] > 0) done.push_back(i);
    if (done.empty())
        return problem_at(r.file, r.line, "output_lens",
                          "found no request with output, allowed: at least one");
    spec.num_prompts = static_cast<std::int64_t>(done.size());
    Result<Trace> trace = bench_trace(spec);
    if (!trace) return trace;
    const auto start = [&](std::size_t i) { return r.start_times_s[done[i]]; };
    const bool stamped = !r.start_times_s.empty() && !r.max_concurrency;
    double first = 0;
    for (std::size_t i = 0; stamped && i < done.size(); ++i)
        first = i == 0 ? start(0) : std::min(first, start(i));
    for (std::size_t i = 0; i < done.size(); ++i) {
        Request& request = trace->requests[i];
        request.prompt_tokens = static_cast<std::uint32_t>(r.input_lens[done[i]]);
        request.output_tokens = static_cast<std::uint32_t>(r.output_lens[done[i]]);
        if (stamped) request.arrival = from_seconds(start(i) - first);
    }
    if (stamped) {
        std::stable_sort(trace->requests.begin(), trace->requests.end(),
                         [](const Request& a, const Request& b) { return a.arrival < b.arrival; });
        trace->span = trace->requests.back().arrival;
    }
    return trace;
}

}  // namespace windtunnel
