#include "scenarios/traces/bench_results.hpp"

#include "scenarios/documents/json_values.hpp"
#include "scenarios/traces/trace_builder.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <tuple>

namespace windtunnel {
namespace {

constexpr double longest_time_ms = 1e9;  // 11 days

using json = nlohmann::ordered_json;

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

/// What kind of `vllm bench` wrote it.
bool is_of_serve(const json& v) { return v.contains("completed") || v.contains("total_output_tokens"); }
bool is_of_throughput(const json& v) { return v.contains("elapsed_time") && v.contains("num_requests"); }
bool is_of_latency(const json& v) { return v.contains("avg_latency"); }
bool is_result(const json& v) {
    return v.is_object() && (is_of_serve(v) || is_of_throughput(v) || is_of_latency(v));
}

/// Reads one result object; collects what is wrong.
class ResultReader {
public:
    ResultReader(const json& object, std::string file, std::int64_t line, const OfflineLengths& offline)
        : m_in(object), m_offline(offline) {
        m_out.file = std::move(file), m_out.line = line;
    }

    Result<BenchResult> read() {
        if (!is_of_serve(m_in) && is_of_throughput(m_in)) return read_throughput();
        if (!is_of_serve(m_in) && is_of_latency(m_in)) return read_latency();
        return read_serve();
    }

private:
    Result<BenchResult> read_serve() {
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
        m_out.mean_ttft_ms = milliseconds("mean_ttft_ms");
        m_out.mean_tpot_ms = milliseconds("mean_tpot_ms");
        m_out.p99_ttft_ms = milliseconds("p99_ttft_ms");
        m_out.p99_tpot_ms = milliseconds("p99_tpot_ms");
        m_out.output_throughput = positive("output_throughput");
        if (!m_out.mean_ttft_ms && !m_out.mean_tpot_ms)
            problem("mean_tpot_ms",
                    "found neither it nor mean_ttft_ms, allowed: at least one of them (--percentile-metrics "
                    "does not take them away)");
        lengths();
        if (const json* ramp = find("ramp_up_strategy"); ramp && m_out.start_times_s.empty())
            problem("ramp_up_strategy",
                    fmt::format("found {} without start_times, allowed: a constant rate, or --save-detailed "
                                "of a release that writes the times of sending",
                                spoken(*ramp)));
        if (!m_problems.empty()) return {std::move(m_problems)};
        return m_out;
    }

    /// All prompts at once: what is told is how long all of them took.
    Result<BenchResult> read_throughput() {
        std::int64_t requests = 0, tokens = 0;
        count("num_requests", requests, 1);
        count("total_num_tokens", tokens, 1);
        const std::optional<double> seconds = positive("elapsed_time");
        if (!seconds) missing("elapsed_time");
        if (tokens == 0 && m_problems.empty()) missing("total_num_tokens");
        const std::int64_t output = flag("--output-len", m_offline.output_len, "throughput");
        if (!m_problems.empty()) return {std::move(m_problems)};
        if (const std::int64_t input = tokens - requests * output; input < requests)
            problem("total_num_tokens",
                    fmt::format("found {} tokens of {} requests, allowed with --output-len {}: at least {}",
                                tokens, requests, output, requests * (output + 1)));
        else if (m_offline.input_len && std::abs(static_cast<double>(input) / static_cast<double>(requests) -
                                                 static_cast<double>(*m_offline.input_len)) >
                                            0.05 * static_cast<double>(*m_offline.input_len) + 1)
            problem("total_num_tokens",
                    fmt::format("found {} tokens of {} requests, which leave {} of prompt each beside "
                                "--output-len {}, allowed: about --input-len {}",
                                tokens, requests, input / requests, output, *m_offline.input_len));
        if (!m_problems.empty()) return {std::move(m_problems)};
        offline_run(requests, tokens - requests * output, output, *seconds);
        return m_out;
    }
    /// A batch that starts together: its time is one prefill and all its decodes.
    Result<BenchResult> read_latency() {
        const std::optional<double> seconds = positive("avg_latency");
        if (!seconds) missing("avg_latency");
        const std::int64_t input = flag("--input-len", m_offline.input_len, "latency"),
                           output = flag("--output-len", m_offline.output_len, "latency"),
                           batch = flag("--batch-size", m_offline.batch_size, "latency");
        if (!m_problems.empty()) return {std::move(m_problems)};
        offline_run(batch, batch * input, output, *seconds);
        return m_out;
    }
    void offline_run(std::int64_t requests, std::int64_t input_tokens, std::int64_t output, double seconds) {
        text("model_id", m_out.model_id);
        text("date", m_out.date);
        m_out.num_prompts = m_out.completed = requests;
        m_out.total_input_tokens = input_tokens, m_out.total_output_tokens = requests * output;
        m_out.duration_s = seconds;
        m_out.output_throughput = static_cast<double>(requests * output) / seconds;
    }
    std::int64_t flag(const char* name, std::optional<std::int64_t> value, const char* kind) {
        if (!value)
            problem("", fmt::format("is of `vllm bench {0}`, which does not say it, allowed: {1} as it was "
                                    "given there",
                                    kind, name));
        return value.value_or(0);
    }
    void missing(const char* key) {
        problem(key, "found nothing or 0, allowed: what `vllm bench --output-json` writes");
    }

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
    std::optional<double> milliseconds(const char* key) {
        const std::optional<double> v = positive(key);
        if (v && *v > longest_time_ms)
            problem(key, fmt::format("found {:g}, allowed: at most {:g} ms", *v, longest_time_ms));
        return v;
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
    const OfflineLengths& m_offline;
    BenchResult m_out;
    Problems m_problems;
};

/// The results of one file. `anything`: whether JSON that is no result at all is a problem, or nothing.
Result<std::vector<BenchResult>> read_file(const std::string& file, const OfflineLengths& offline,
                                           bool anything) {
    std::ifstream in(file, std::ios::binary);
    if (!in)
        return problem_at(file, 0, "",
                          "cannot be read, allowed: a file that `vllm bench serve --save-result` wrote, or a "
                          "folder of them");
    std::string text = without_nan({std::istreambuf_iterator<char>(in), {}});
    if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
    Result<std::vector<JsonValue>> values =
        json_values(std::move(text), file,
                    "a result of `vllm bench serve --save-result`, or several (--append-result)");
    if (!values) return values.take_problems();
    std::vector<std::pair<json, std::int64_t>> objects;
    for (JsonValue& value : *values) {
        const std::int64_t line = values->size() > 1 ? value.line : 0;
        if (value.json.is_array())
            for (json& each : value.json) objects.emplace_back(std::move(each), line);
        else
            objects.emplace_back(std::move(value.json), line);
    }
    std::vector<BenchResult> out;
    Problems problems;
    for (const auto& [object, line] : objects) {
        if (anything && !is_result(object)) continue;
        if (!object.is_object()) {
            problems.push_back(
                problem_at(file, line, "", fmt::format("found {}, allowed: a JSON object", spoken(object))));
            continue;
        }
        Result<BenchResult> one = ResultReader(object, file, line, offline).read();
        if (one)
            out.push_back(std::move(*one));
        else
            for (Problem& p : one.take_problems()) problems.push_back(std::move(p));
    }
    if (objects.empty() && !anything)
        return problem_at(file, 0, "", "found no result, allowed: at least one JSON object");
    if (!problems.empty()) return problems;
    return out;
}

Result<std::vector<std::string>> files_of(const std::string& folder) {
    std::vector<std::string> files;
    std::error_code failed;
    for (std::filesystem::recursive_directory_iterator at(folder, failed), end; !failed && at != end;
         at.increment(failed))
        if (const std::string ending = at->path().extension().string();
            at->is_regular_file(failed) && (ending == ".json" || ending == ".jsonl"))
            files.push_back(at->path().string());
    if (failed) return problem_at(folder, 0, "", "cannot be read: " + failed.message());
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

std::string BenchResult::words() const {
    std::string out = file.substr(file.find_last_of('/') + 1);
    if (line > 0) out += fmt::format(":{}", line);
    if (request_rate) out += fmt::format(", {:g} requests/s", *request_rate);
    if (max_concurrency) out += fmt::format(", concurrency {}", *max_concurrency);
    if (!request_rate && !max_concurrency) out += ", all at once";
    return out;
}

Result<BenchResults> read_bench_results(const std::string& path, const OfflineLengths& offline) {
    BenchResults out;
    std::error_code failed;
    if (!std::filesystem::is_directory(path, failed)) {
        Result<std::vector<BenchResult>> one = read_file(path, offline, false);
        if (!one) return one.take_problems();
        out.results = std::move(*one);
        return out;
    }
    const Result<std::vector<std::string>> files = files_of(path);
    if (!files) return files.problems();
    Problems problems;
    for (const std::string& file : *files) {
        Result<std::vector<BenchResult>> one = read_file(file, offline, true);
        if (!one) {
            for (Problem& p : one.take_problems()) problems.push_back(std::move(p));
            continue;
        }
        if (one->empty()) out.notes.push_back(file + " holds no result of `vllm bench`: left out");
        for (BenchResult& r : *one) out.results.push_back(std::move(r));
    }
    if (problems.empty() && out.results.empty())
        problems.push_back(
            problem_at(path, 0, "",
                       fmt::format("found no result in {} JSON files of this folder, allowed: at least one",
                                   files->size())));
    if (!problems.empty()) return problems;
    return out;
}

void drop_repeated(BenchResults& all) {
    const auto run = [](const BenchResult& r) {
        return std::tuple(r.date, r.model_id, r.duration_s, r.completed, r.total_input_tokens,
                          r.total_output_tokens, r.request_rate, r.max_concurrency, r.mean_ttft_ms,
                          r.mean_tpot_ms, r.output_throughput, r.tensor_parallel);
    };
    std::vector<BenchResult> kept;
    for (BenchResult& r : all.results) {
        const auto same =
            std::find_if(kept.begin(), kept.end(), [&](const BenchResult& k) { return run(k) == run(r); });
        if (same == kept.end())
            kept.push_back(std::move(r));
        else
            all.notes.push_back(r.words() + " is the same run as " + same->words() + ": counted once");
    }
    all.results = std::move(kept);
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
