// PromQL against the real thing: the same samples and queries go through `promtool test rules` (Prometheus'
// own engine), which compares every value bit by bit.
#include "tests/policies/promql_bench.hpp"

#include <unistd.h>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

using namespace windtunnel;

namespace {

constexpr int scrapes = 81;  // 20 minutes, one each 15 s

/// One life of a pod in a slot: scraped from `start` on, gone at scrape `end`.
struct Life {
    int start, end;
};

struct Entry {
    SampleKind kind;
    double value;
};

/// Random samples of every series of the catalog, both as promtool's text and as input of our store. Values
/// are such that sums are exact in any order (Prometheus does not fix its own).
class Weather {
public:
    explicit Weather(std::uint64_t seed) : m_random(seed) {
        for (std::int32_t w = 0; w < 2; ++w)
            for (std::int32_t slot = 0; slot < 2; ++slot) {
                int at = pick(0, 12);
                while (at < scrapes) {
                    const int end = at + pick(4, 60);
                    lives[{w, slot}].push_back({at, std::min(end, scrapes)});
                    at = end + pick(1, 6);
                }
            }
    }

    int pick(int low, int high) {
        return low + static_cast<int>(m_random() % static_cast<std::uint64_t>(high - low + 1));
    }

    /// What one series shows at each scrape of a life; `level` is where a bucket's count may not fall below.
    std::map<int, Entry> samples(const MetricFamily& family, Life life) {
        std::map<int, Entry> out;
        double value = family.kind == MetricKind::gauge ? 0 : pick(0, 3) * 50;
        for (int i = life.start; i < life.end; ++i) {
            if (family.kind == MetricKind::gauge)
                value = pick(-8, 40) / 4.0;
            else
                value = pick(0, 19) == 0 ? pick(0, 5) : value + pick(0, 30);
            const int luck = pick(0, 24);
            if (luck == 0) continue;
            if (luck == 1 && i > life.start)
                out[i] = {SampleKind::stale, 0};
            else
                out[i] = {SampleKind::value, value};
        }
        if (life.end < scrapes) out[life.end] = {SampleKind::gone, 0};
        return out;
    }

    std::map<std::pair<std::int32_t, std::int32_t>, std::vector<Life>> lives;

private:
    std::mt19937_64 m_random;
};

/// Random expressions of instant vectors over the catalog.
class Writer {
public:
    explicit Writer(std::uint64_t seed) : m_random(seed) {}

    /// Within an aggregation, because the value that becomes a label is a number here and a text there.
    std::string count_values() {
        return any({"count", "sum", "max"}) + any({"", " by (deployment)", " by (tier)"}) + " (count_values" +
               any({"", " by (deployment)", " by (tier, deployment)", " without (pod, instance, le)"}) + " (\"v\", " +
               any({"", "floor", "2 * "}) + "(" + selector() + ")))";
    }
    std::string vector(int depth) {
        switch (depth <= 0 ? pick(0, 1) : pick(0, 13)) {
            case 0:
                return selector() + offset();
            case 1:
                return range_function(depth);
            case 2:
            case 3:
                return aggregation(depth);
            case 4:
                return "(" + vector(depth - 1) + arithmetic() + constant() + ")";
            case 5:
                return "(" + constant() + arithmetic() + vector(depth - 1) + ")";
            case 6:
                return "(" + vector(depth - 1) + comparison() + constant() + ")";
            case 7:
                return "(" + vector(depth - 1) + arithmetic() + matching() + vector(depth - 1) + ")";
            case 8:
                return "(" + vector(depth - 1) + comparison() + matching() + vector(depth - 1) + ")";
            case 9:
                return "(" + vector(depth - 1) + any({" and ", " or ", " unless "}) + matching() +
                       vector(depth - 1) + ")";
            case 10:
                return function(depth);
            case 11:
                return any({"label_replace(", "label_replace("}) + vector(depth - 1) +
                       any({", \"owner\", \"$1\", \"pod\", \"(.*)\")", ", \"team\", \"x-${1}\", \"deployment\", \"(c.*)\")",
                            ", \"tier\", \"\", \"deployment\", \".*\")"});
            case 12:
                return "label_join(" + vector(depth - 1) + ", \"pair\", \"/\", \"deployment\", \"le\")";
            default:
                return "(" + vector(depth - 1) + any({" * ", " + ", " > "}) + "on(deployment) group_left" +
                       any({"()", "(tier)", ""}) + " replica_limit)";
        }
    }

private:
    std::mt19937_64 m_random;

    int pick(int low, int high) {
        return low + static_cast<int>(m_random() % static_cast<std::uint64_t>(high - low + 1));
    }
    std::string any(std::vector<std::string> choices) { return choices[m_random() % choices.size()]; }

    std::string constant() { return any({"0.731", "3.217", "-1.113", "7", "100.7", "2 ^ 3"}); }
    std::string arithmetic() { return any({" + ", " - ", " * ", " / ", " % "}); }
    std::string comparison() {
        return any({" > ", " < ", " >= ", " <= ", " == ", " != "}) + any({"", "", "bool "});
    }
    std::string matching() {
        return any({"", "", "on(deployment) ", "on(deployment, pod) ",
                    "ignoring(le, finished_reason, pod, instance) ", "ignoring(tier) ", "on() "});
    }
    std::string offset() {
        return any({"", "", "", "", " offset 1m", " offset 130s", " @ 300", " @ end()", " @ 411.5 offset 1m", " offset 30s @ start()"});
    }
    std::string selector() {
        return pick(0, 9) == 0 ? "{__name__=~\"vllm:num.*|replica_limit\"}" : named_selector();
    }
    std::string named_selector() {
        return any({"vllm:num_requests_waiting", "vllm:generation_tokens_total", "vllm:request_success_total",
                    "vllm:time_to_first_token_seconds_bucket", "replica_limit",
                    "vllm:time_to_first_token_seconds_sum"}) +
               any({"", "", "{deployment=\"chat\"}", "{deployment!=\"chat\"}", "{model_name=~\"q.*|ll\"}",
                    "{finished_reason!~\"st.p\",tier=\"gold\"}"});
    }
    std::string range() { return any({"[1m]", "[2m]", "[5m]", "[47s]", "[8m]"}); }
    std::string range_function(int depth) {
        const std::string f =
            any({"rate", "increase", "delta", "irate", "idelta", "deriv", "avg_over_time", "min_over_time",
                 "max_over_time", "sum_over_time", "count_over_time", "last_over_time", "present_over_time",
                 "stddev_over_time", "stdvar_over_time", "changes", "resets", "quantile_over_time(0.37, ",
                 "predict_linear"});
        // In a subquery Prometheus moves the window of predict_linear()'s @ with the steps (promql/engine.go,
        // AtModifierUnsafeFunctions); we do not.
        std::string argument = named_selector() + range() + (f == "predict_linear" ? any({"", " offset 1m"}) : offset());
        if (depth > 1 && pick(0, 2) == 0)
            argument = vector(depth - 2) + any({"[5m:30s]", "[3m:]", "[4m:45s]", "[2m:20s] offset 1m", "[3m:30s] @ 400"});
        if (f == "predict_linear") return f + "(" + argument + ", 90)";
        return f.back() == ' ' ? f + argument + ")" : f + "(" + argument + ")";
    }
    std::string grouping() {
        return any({"", " by (deployment)", " by (pod)", " by (le, tier)", " without (pod, instance)",
                    " without (le)", " by ()", " by (instance, namespace)"});
    }
    std::string aggregation(int depth) {
        const std::string inner = vector(depth - 1);
        switch (pick(0, 3)) {
            case 0:
                return "quantile" + grouping() + " (0.61, " + inner + ")";
            case 1:  // among equal values Prometheus keeps those that come first, in an order of series that
                     // varies
                return "sum(" + any({"topk", "bottomk"}) + grouping() + " (2, " + inner + "))";
            default:
                return any({"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"}) + grouping() +
                       " (" + inner + ")";
        }
    }
    std::string function(int depth) {
        const std::string inner = vector(depth - 1);
        switch (pick(0, 9)) {
            case 0:
                return "abs(" + inner + ")";
            case 1:
                return "clamp(" + inner + ", 1.5, 40)";
            case 2:
                return "clamp_max(" + inner + ", 3)";
            case 3:
                return "ceil(" + inner + ")";
            case 4:
                return "(-" + inner + ")";
            case 5:
                return "vector(scalar(" + inner + "))";
            case 6:
                return "timestamp(" + (pick(0, 1) == 0 ? selector() : inner) + ")";
            case 7:
                return "absent(" + inner + ")";
            case 8:
                return "histogram_quantile(0.83, " + inner + ")";
            default:
                return "histogram_quantile(" + any({"0.5", "0.99"}) + ", sum by (le" +
                       any({"", ", deployment", ", pod"}) +
                       ") (rate(vllm:time_to_first_token_seconds_bucket" + range() + ")))";
        }
    }
};

std::string number_text(double v) {
    if (std::isinf(v)) return v > 0 ? ".inf" : "-.inf";
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%.17g", v);
    return text.data();
}

std::string text_of(const LabelSet& labels, const std::string& pod) {
    std::string name, inside;
    for (const auto& [label, value] : labels) {
        if (label == "__name__") {
            name = value;
            continue;
        }
        const std::string shown = value != "\x01" ? value : (label == "instance" ? "i-" + pod : pod);
        inside += (inside.empty() ? "" : ",") + label + "=\"" + shown + "\"";
    }
    return name + "{" + inside + "}";
}

std::string pod_name(std::int32_t workload, std::int32_t slot, std::size_t generation) {
    return (workload == chat ? "chat-" : "code-") + std::to_string(slot) + "-" + std::to_string(generation);
}

struct Outcome {
    int exit_code = 0;
    std::string output;
};

Outcome promtool(const std::filesystem::path& file) {
    Outcome outcome;
    FILE* pipe = popen(("promtool test rules " + file.string() + " 2>&1").c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> buffer{};
    while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) outcome.output += buffer.data();
    outcome.exit_code = pclose(pipe);
    return outcome;
}

std::size_t occurrences(const std::string& text, const std::string& what) {
    std::size_t n = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
    return n;
}

/// Runs `count` random expressions at three times each through both engines.
void compare_with_promtool(std::uint64_t seed, int count) {
    Bench bench{small_catalog()};
    Writer writer(seed);
    std::vector<std::string> queries;
    while (static_cast<int>(queries.size()) < count) {
        // Rounded to an odd grid: the order in which Prometheus adds is not fixed, so last bits are not
        // either.
        const std::string inner = writer.vector(3);
        const std::string query = inner.find("avg") != std::string::npos ||
                                          inner.find("std") != std::string::npos ||
                                          inner.find("sum") != std::string::npos
                                      ? "round(" + inner + ", 0.00037)"
                                      : inner;
        queries.push_back(query);
        bench.add(query);
    }
    for (Writer counting(seed + 2); static_cast<int>(queries.size()) < count + count / 10;) {
        queries.push_back(counting.count_values());
        bench.add(queries.back());
    }
    bench.open();

    std::ostringstream series;
    Weather weather(seed + 1);
    const MetricCatalog& catalog = bench.compiler.catalog();
    std::vector<std::tuple<int, std::int32_t, std::int32_t, std::int32_t, std::int32_t, Entry>> feed;
    for (std::size_t f = 0; f < catalog.families.size(); ++f) {
        const MetricFamily& family = catalog.families[f];
        const bool per_pod = family.scope == MetricScope::per_pod;
        for (std::int32_t w = 0; w < 2; ++w)
            for (std::size_t x = 0; x < family.extras.size(); ++x)
                for (std::int32_t slot = 0; slot < (per_pod ? 2 : 1); ++slot) {
                    const std::vector<Life> always = {{0, scrapes}};
                    const std::vector<Life>& lives = per_pod ? weather.lives[{w, slot}] : always;
                    for (std::size_t g = 0; g < lives.size(); ++g) {
                        const std::map<int, Entry> samples = weather.samples(family, lives[g]);
                        LabelSet labels = catalog.workloads[static_cast<std::size_t>(w)].labels;
                        if (per_pod) labels["pod"] = labels["instance"] = "\x01";
                        labels["__name__"] = family.name;
                        for (const auto& [name, value] : family.extras[x]) labels[name] = value;
                        series << "      - series: '" << text_of(labels, pod_name(w, slot, g))
                               << "'\n        values: '";
                        for (int i = 0; i < scrapes; ++i) {
                            const auto found = samples.find(i);
                            if (found == samples.end())
                                series << "_ ";
                            else if (found->second.kind != SampleKind::value)
                                series << "stale ";
                            else
                                series << number_text(found->second.value) << " ";
                        }
                        series << "'\n";
                        for (const auto& [i, entry] : samples)
                            feed.emplace_back(i, static_cast<std::int32_t>(f), w,
                                              static_cast<std::int32_t>(x), slot, entry);
                    }
                }
    }

    // Times of evaluation; the store is fed up to each in turn, as a trial would.
    std::stable_sort(feed.begin(), feed.end(),
                     [](const auto& a, const auto& b) { return std::get<0>(a) < std::get<0>(b); });
    const std::array<std::int64_t, 3> times_ms = {427'000, 720'000, 1'100'500};
    std::ostringstream good, bad;
    std::size_t next = 0, good_count = 0, bad_count = 0, skipped = 0, elements = 0;
    for (const std::int64_t time_ms : times_ms) {
        for (; next < feed.size() && std::get<0>(feed[next]) * 15'000 <= time_ms; ++next) {
            const auto& [i, f, w, x, slot, entry] = feed[next];
            for (std::size_t s = 0; s < bench.layout.streams.size(); ++s) {
                const StreamPlan& plan = bench.layout.streams[s];
                if (plan.family == f && plan.workload == w && plan.extra == x)
                    REQUIRE(try_append(bench.store, static_cast<std::int32_t>(s), slot, seconds(15 * i),
                                       entry.value, entry.kind));
            }
        }
        for (std::size_t q = 0; q < queries.size(); ++q) {
            const PromqlResult result = bench.run(q, milliseconds(time_ms));
            INFO(queries[q] << " at " << time_ms << " ms");
            REQUIRE((result.status == PromqlStatus::ok || is_query_error(result.status)));
            std::ostringstream text;
            text << "      - expr: '" << queries[q] << "'\n        eval_time: " << time_ms
                 << "ms\n        exp_samples:\n";
            bool has_nan = false;
            for (std::int32_t e = 0; e < result.count; ++e) {
                const PromqlElement& element = result.elements[e];
                const std::int32_t w = element.pod / 2, slot = element.pod % 2;
                const std::string pod = element.pod < 0 ? "" : pod_name(w, slot, element.generation);
                text << "          - labels: '"
                     << text_of(bench.programs[q].label_sets[static_cast<std::size_t>(element.labels)], pod)
                     << "'\n            value: " << number_text(element.value) << "\n";
                has_nan = has_nan || std::isnan(element.value);
            }
            if (result.status != PromqlStatus::ok) {
                bad << text.str();
                ++bad_count;
            } else if (has_nan) {
                ++skipped;  // promtool finds NaN different from NaN
            } else {
                good << text.str();
                ++good_count;
                elements += static_cast<std::size_t>(result.count);
            }
        }
    }
    const std::string head =
        "rule_files: []\nevaluation_interval: 1m\ntests:\n  - interval: 15s\n    input_series:\n" +
        series.str() +
        "    promql_expr_test:\n"
        // promtool loads samples only up to the last multiple of the evaluation interval that it needs.
        "      - expr: 'vector(1)'\n        eval_time: 20m\n        exp_samples:\n"
        "          - labels: '{}'\n            value: 1\n";
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() /
        ("windtunnel_promql_" + std::to_string(getpid()) + "_" + std::to_string(seed));
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "good.yaml") << head << good.str();
    std::ofstream(folder / "bad.yaml") << head << bad.str();
    const Outcome agreed = promtool(folder / "good.yaml");
    INFO(agreed.output.substr(0, 6000));
    CHECK(agreed.exit_code == 0);
    if (bad_count > 0) {  // what is an error here is an error there
        const Outcome refused = promtool(folder / "bad.yaml");
        INFO(refused.output.substr(0, 6000));
        CHECK(occurrences(refused.output, " err: ") == bad_count);
    }
    CHECK(good_count > static_cast<std::size_t>(count));
    CHECK(elements > good_count / 2);
    CHECK(skipped < static_cast<std::size_t>(count));
    std::filesystem::remove_all(folder);
}

}  // namespace

TEST_CASE("promql: random queries over random series give promtool's values to the last bit") {
    if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
        WARN("promtool (Debian package prometheus) is not on the path; nothing was compared");
        return;
    }
    compare_with_promtool(20240601, 300);
}

TEST_CASE("promql: many more random queries give promtool's values", "[.][long]") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) compare_with_promtool(seed, 400);
}
