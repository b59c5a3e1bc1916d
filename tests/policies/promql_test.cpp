#include "tests/policies/promql_bench.hpp"

#include <cmath>
#include <random>
#include <string>
#include <utility>

using namespace windtunnel;

namespace {

using Catch::Matchers::Contains;

double scalar_of(const std::string& query) {
    Bench bench{small_catalog()};
    const std::size_t q = bench.add(query);
    bench.open();
    return bench.value(q, seconds(90));
}

std::string refusal(const std::string& query, PromqlOptions options = {}) {
    PromqlCompiler compiler(small_catalog(), std::move(options));
    const auto program = compiler.compile(query);
    INFO(query);
    REQUIRE_FALSE(program.ok());
    std::string all;
    for (const Problem& p : program.problems()) all += to_string(p) + "\n";
    return all;
}

std::string first_warning(const std::string& query) {
    PromqlCompiler compiler(small_catalog());
    const auto program = compiler.compile(query);
    INFO(query);
    REQUIRE(program.ok());
    REQUIRE(!program->warnings.empty());
    return to_string(program->warnings[0]);
}

}  // namespace

TEST_CASE("promql: operators bind as in Prometheus") {
    CHECK(scalar_of("1 + 2 * 3") == 7);
    CHECK(scalar_of("-2 ^ 2") == -4);      // the sign binds as * does, below ^
    CHECK(scalar_of("2 ^ 3 ^ 2") == 512);  // from the right: 2^9
    CHECK(scalar_of("2 ^ -1") == 0.5);
    CHECK(scalar_of("7 - 4 - 2") == 1);  // from the left
    CHECK(scalar_of("7 % 4 * 2") == 6);
    CHECK(scalar_of("1 + 1 == bool 2") == 1);
    CHECK(scalar_of("1 < bool 2 == bool 1") == 1);  // comparisons from the left
    CHECK(scalar_of("0x1F + 1e2 + .5 + 1.") == 132.5);
    CHECK(scalar_of("- -3 # a comment") == 3);
    CHECK(scalar_of("scalar(vector(4) or vector(5) and vector(6))") == 4);  // `and` before `or`
    CHECK(std::isinf(scalar_of("+Inf")));
    CHECK(std::isnan(scalar_of("nan")));
    CHECK(scalar_of("time()") == 90);
    CHECK(scalar_of("-7 % 4") == -3);  // the sign of the dividend
}

TEST_CASE("promql: what is not allowed is refused with its column and what is") {
    CHECK_THAT(refusal("sum(rate(x[5m])"),
               Contains("query column 16: found the end of the query, allowed: ',' or ')'"));
    CHECK_THAT(refusal("rate(vllm:num_requests_waiting)"),
               Contains("query column 6") && Contains("vllm:num_requests_waiting[5m]"));
    CHECK_THAT(refusal("vllm:num_requests_waiting[5m]"), Contains("found a range vector"));
    CHECK_THAT(refusal("vllm:num_requests_waiting @ x"),
               Contains("query column 29") && Contains("a Unix time in seconds, start() or end()"));
    CHECK_THAT(refusal("vllm:num_requests_waiting @ 5 @ 6"), Contains("one @"));
    CHECK_THAT(refusal("vllm:num_requests_waiting @ 5 [5m]"), Contains("the offset after the range"));
    CHECK_THAT(refusal("sum(vllm:num_requests_waiting) @ 5"), Contains("@ only after a selector"));
    CHECK_THAT(refusal("1 == 2"), Contains("without bool"));
    CHECK_THAT(refusal("1 and vector(1)"), Contains("query column 3: found a scalar beside and"));
    CHECK_THAT(refusal("rat(vllm:generation_tokens_total[5m])"), Contains("did you mean rate()?"));
    CHECK_THAT(refusal("label_replace(vector(1), \"a\", \"b\", \"c\", \"(\")"), Contains("a regular expression"));
    CHECK_THAT(refusal("label_replace(vector(1), \"1a\", \"b\", \"c\", \"d\")"), Contains("letters, digits and _"));
    CHECK_THAT(refusal("label_replace(vector(1), \"a\", 2, \"c\", \"d\")"), Contains("no string"));
    CHECK_THAT(refusal("label_join(vector(1), \"a\")"), Contains("found 2 arguments"));
    CHECK_THAT(refusal("ln(vector(1))"), Contains("transcendental"));
    CHECK_THAT(refusal("vector(2) ^ vector(2)"), Contains("allowed: a constant integer from -64 to 64"));
    CHECK_THAT(refusal("{}"), Contains("query column 1: found a selector that accepts everything"));
    CHECK_THAT(refusal("{a=~\".*\"}"), Contains("accepts everything"));
    CHECK_THAT(refusal("replica_limit{tier=~\"(\"}"), Contains("query column 15: found the pattern"));
    CHECK_THAT(refusal("replica_limit{tier~\"x\"}"), Contains("query column 19: found '~'"));
    CHECK_THAT(refusal("clamp_min(vector(1))"), Contains("found 1 arguments of clamp_min(), allowed: 2"));
    CHECK_THAT(refusal("sum(1)"),
               Contains("query column 5: found a scalar in sum(), allowed: an instant vector"));
    CHECK_THAT(refusal("quantile(vector(1), vector(1))"),
               Contains("allowed: a scalar (scalar(...) makes one)"));
    CHECK_THAT(refusal("count_values(vector(1), vector(1))"), Contains("found no label name, allowed: count_values"));
    CHECK_THAT(refusal("count_values by (pod) (\"v\", vllm:num_requests_waiting)"), Contains("found count_values() by pod"));
    CHECK_THAT(refusal("1m"), Contains("query column 1: found '1m'"));
    CHECK_THAT(refusal("5x"), Contains("a number (1, 0.5, 1e3, 0x1f) or a duration"));
    CHECK_THAT(refusal("(replica_limit)[5m]"), Contains("a subquery such as"));
    CHECK_THAT(refusal("sum(replica_limit) offset 5m"), Contains("offset only after a selector"));
    CHECK_THAT(refusal("replica_limit + on(tier) group_left(tier) replica_limit"),
               Contains("'tier' is in both"));
    CHECK_THAT(refusal("sum(foo"), Contains("query column 8"));
    CHECK_THAT(refusal("\"text\""), Contains("found a string"));
    CHECK_THAT(refusal("replica_limit{tier=\"x}"), Contains("without its closing"));
    CHECK_THAT(refusal("rate(1) + abs(1)"), Contains("rate()") && Contains("abs()"));  // both at once
}

TEST_CASE("promql: every problem carries the place that the caller named") {
    PromqlCompiler compiler(small_catalog());
    const auto program = compiler.compile("rate(", {"so.yaml", 12, 9}, "spec.triggers[0].metadata.query");
    REQUIRE_FALSE(program.ok());
    CHECK(to_string(program.problems()[0]) ==
          "so.yaml:12:9: spec.triggers[0].metadata.query: query column 6: found the end of the query, "
          "allowed: a metric, a "
          "number, a function or '('");
}

TEST_CASE("promql: a metric or matcher that selects nothing is empty and says so") {
    CHECK_THAT(first_warning("vllm:num_request_waiting"),
               Contains("did you mean 'vllm:num_requests_waiting'?"));
    CHECK_THAT(first_warning("replica_limit{deployment=\"chta\"}"),
               Contains("query column 15") && Contains("\"chat\", \"code\""));
    CHECK_THAT(first_warning("sum by (node) (replica_limit)"), Contains("'node'") && Contains("deployment"));
    CHECK_THAT(first_warning("vllm:time_to_first_token_seconds_bucket{le=\"1\"}"), Contains("\"1.0\""));
    Bench bench{small_catalog()};
    const std::size_t unknown = bench.add("nothing_like_this");
    const std::size_t rescued = bench.add("nothing_like_this or vector(0)");
    bench.open();
    CHECK(bench.values(unknown, seconds(1)).empty());
    CHECK(bench.value(rescued, seconds(1)) == 0);
}

TEST_CASE("promql: an instant selector takes the latest sample of the last five minutes") {
    Bench bench{small_catalog()};
    const std::size_t all = bench.add("vllm:num_requests_waiting");
    const std::size_t earlier = bench.add("vllm:num_requests_waiting offset 1m");
    const std::size_t when = bench.add("timestamp(vllm:num_requests_waiting)");
    bench.open();
    bench.put(waiting, chat, 0, 0, seconds(15), 3);
    bench.put(waiting, chat, 0, 0, seconds(30), 4);
    CHECK(bench.values(all, milliseconds(14'999)).empty());
    CHECK(bench.value(all, seconds(15)) == 3);
    CHECK(bench.value(all, milliseconds(29'999)) == 3);
    CHECK(bench.value(all, seconds(330)) == 4);  // exactly five minutes later it still counts in 2.x
    CHECK(bench.values(all, milliseconds(330'001)).empty());
    CHECK(bench.value(earlier, seconds(80)) == 3);
    CHECK(bench.value(when, seconds(45)) == 30);
}

TEST_CASE("promql: Prometheus 3 leaves out a sample exactly at the start of a range or lookback") {
    PromqlOptions options;
    options.semantics = PromqlSemantics::prometheus_3;
    Bench bench{small_catalog(), options};
    const std::size_t all = bench.add("vllm:num_requests_waiting");
    const std::size_t count = bench.add("count_over_time(vllm:num_requests_waiting[1m])");
    const std::size_t steps = bench.add("count_over_time(vector(1)[1m:15s])");
    bench.open();
    for (int i = 0; i <= 4; ++i) bench.put(waiting, chat, 0, 0, seconds(15 * i), 1);
    CHECK(bench.value(count, seconds(60)) == 4);  // 15, 30, 45, 60; 2.x counts 0 as well
    CHECK(bench.value(steps, seconds(60)) == 4);
    CHECK(bench.values(all, seconds(360)).empty());
}

TEST_CASE("promql: a stale marker ends a series at once, and its ranges skip it") {
    Bench bench{small_catalog()};
    const std::size_t all = bench.add("vllm:num_requests_waiting");
    const std::size_t count = bench.add("count_over_time(vllm:num_requests_waiting[5m])");
    bench.open();
    bench.put(waiting, chat, 0, 0, seconds(15), 3);
    bench.stale(waiting, chat, 0, seconds(30));
    CHECK(bench.value(all, milliseconds(29'999)) == 3);
    CHECK(bench.values(all, seconds(30)).empty());
    CHECK(bench.value(count, seconds(30)) == 1);
    bench.put(waiting, chat, 0, 0, seconds(60), 5);
    CHECK(bench.value(all, seconds(60)) == 5);
    CHECK(bench.value(count, seconds(60)) == 2);  // the same series goes on
}

TEST_CASE("promql: a pod that takes over a slot is another series, not a counter reset") {
    Bench bench{small_catalog()};
    const std::size_t increase = bench.add("increase(vllm:generation_tokens_total[1m])");
    const std::size_t sum = bench.add("sum(increase(vllm:generation_tokens_total[1m]))");
    bench.open();
    for (int i = 0; i < 3; ++i) bench.put(tokens, chat, 0, 0, seconds(15 * i), 1000 + 10 * i);
    bench.leave(chat, 0, seconds(31));
    for (int i = 3; i < 5; ++i) bench.put(tokens, chat, 0, 0, seconds(15 * i), 5 * (i - 3));
    // Window [0, 60]. Old pod: 1000..1020 over 30 s, at the start edge no gap, at the end 30 s > 1.1 * 15 s,
    // so half a distance: 20 * (30 + 0 + 7.5) / 30 = 25. New pod: 0..5 over 15 s; it starts at zero, so
    // nothing is added before it: 5 * 15 / 15 = 5. Seen as one series with a reset it would have been 1020 +
    // ... instead.
    const std::vector<double> values = bench.values(increase, seconds(60));
    REQUIRE(values.size() == 2);
    CHECK(values[0] == 25);
    CHECK(values[1] == 5);
    const PromqlResult result = bench.run(increase, seconds(60));
    CHECK(result.elements[0].pod == result.elements[1].pod);
    CHECK(result.elements[0].generation == 0);
    CHECK(result.elements[1].generation == 1);
    CHECK(bench.value(sum, seconds(60)) == 30);
}

TEST_CASE("promql: rate() extrapolates, adds counter resets and stops at zero") {
    Bench bench{small_catalog()};
    const std::size_t rate = bench.add("rate(vllm:generation_tokens_total{deployment=\"chat\"}[1m])");
    const std::size_t irate = bench.add("irate(vllm:generation_tokens_total{deployment=\"chat\"}[1m])");
    const std::size_t delta = bench.add("delta(vllm:generation_tokens_total{deployment=\"chat\"}[1m])");
    bench.open();
    // Samples at 10, 25, 40, 55 s: 100, 130, 10 (reset), 40. Change = 40 - 100 + 130 = 70 over 45 s. Window
    // [0, 60]: the 10 s before and 5 s after are below 1.1 * 15 s; to zero it is 45 * 100 / 70 = 64.3 s,
    // further than 10. So increase = 70 * (45 + 10 + 5) / 45 and rate = that / 60 = 70 / 45.
    const double values[] = {100, 130, 10, 40};
    for (int i = 0; i < 4; ++i) bench.put(tokens, chat, 0, 0, seconds(10 + 15 * i), values[i]);
    CHECK(bench.value(rate, seconds(60)) == Approx(70.0 / 45).epsilon(1e-14));
    CHECK(bench.value(irate, seconds(60)) == 2);  // (40 - 10) / 15
    CHECK(bench.value(delta, seconds(60)) ==
          Approx(-60 * 60.0 / 45).epsilon(1e-14));  // no resets, no stop at zero
    // At 40.5 s the window holds 100, 130, 10 over 30 s: irate sees the reset and takes the new value.
    CHECK(bench.value(irate, milliseconds(40'500)) == 10.0 / 15);
    CHECK(bench.values(rate, seconds(24)).empty());  // one sample
}

TEST_CASE("promql: histogram_quantile interpolates inside the bucket, per group") {
    Bench bench{small_catalog()};
    const std::string buckets = "vllm:time_to_first_token_seconds_bucket";
    const std::size_t median =
        bench.add("histogram_quantile(0.5, sum by (le, deployment) (" + buckets + "))");
    const std::size_t high = bench.add("histogram_quantile(0.99, sum by (le) (" + buckets + "))");
    const std::size_t per_pod = bench.add("count(histogram_quantile(0.5, " + buckets + "))");
    bench.open();
    const double chat_counts[] = {10, 30, 40, 40}, code_counts[] = {0, 0, 50, 100};
    for (int b = 0; b < 4; ++b) {
        bench.put(bucket, chat, b, 0, seconds(15), chat_counts[b]);
        bench.put(bucket, code, b, 1, seconds(15), code_counts[b]);
    }
    // chat: rank 20 of 40, in (0.1, 0.5] between 10 and 30: 0.1 + 0.4 * 10/20 = 0.3. code: rank 50, in (0.5,
    // 1]: 1.
    const std::vector<double> medians = bench.values(median, seconds(15));
    REQUIRE(medians.size() == 2);
    CHECK(medians[0] == Approx(0.3).epsilon(1e-15));
    CHECK(medians[1] == 1);
    CHECK(bench.value(high, seconds(15)) == 1);  // rank 138.6 lies beyond the last bound: that bound
    CHECK(bench.value(per_pod, seconds(15)) == 2);
}

TEST_CASE("promql: matching, grouping and group_left follow the labels") {
    Bench bench{small_catalog()};
    const std::size_t per_deployment = bench.add("sum by (deployment) (vllm:num_requests_waiting)");
    const std::size_t ratio =
        bench.add("sum by (deployment) (vllm:num_requests_waiting) / on(deployment) replica_limit");
    const std::size_t left =
        bench.add("vllm:num_requests_waiting / on(deployment) group_left(tier) replica_limit");
    const std::size_t pods = bench.add("count(count by (pod) (vllm:num_requests_waiting))");
    const std::size_t many = bench.add("vllm:num_requests_waiting / on(deployment) replica_limit");
    const std::size_t unless =
        bench.add("replica_limit unless on(deployment) (vllm:num_requests_waiting > 6)");
    const std::size_t model = bench.add("vllm:num_requests_waiting{model_name=~\"q.*\",pod=~\"code-.*\"}");
    const std::size_t plus = bench.add("vllm:num_requests_waiting + vllm:num_requests_waiting");
    const std::size_t top = bench.add("topk(2, vllm:num_requests_waiting)");
    const std::size_t bottom = bench.add("bottomk by (deployment) (1, vllm:num_requests_waiting)");
    const std::size_t nothing = bench.add("absent(vllm:num_requests_waiting{deployment=\"chat\"})");
    const std::size_t kinds = bench.add("count_values(\"size\", replica_limit)");
    const std::size_t by_kind = bench.add("count_values by (deployment) (\"v\", vllm:num_requests_waiting > bool 4)");
    const std::size_t joined =
        bench.add("count_values(\"v\", vllm:num_requests_waiting) - on(v) count_values(\"v\", replica_limit + 1)");
    bench.open();
    bench.put(waiting, chat, 0, 0, seconds(15), 3);
    bench.put(waiting, chat, 0, 1, seconds(15), 5);
    bench.put(waiting, code, 0, 0, seconds(15), 7);
    bench.put(size_limit, chat, 0, 0, seconds(15), 2);
    bench.put(size_limit, code, 0, 0, seconds(15), 4);
    const Tick now = seconds(20);
    CHECK(bench.values(per_deployment, now) == std::vector<double>{8, 7});
    CHECK(bench.values(ratio, now) == std::vector<double>{4, 1.75});
    CHECK(bench.values(left, now) == std::vector<double>{1.5, 2.5, 1.75});
    CHECK(bench.value(pods, now) == 3);
    CHECK(bench.run(many, now).status == PromqlStatus::many_to_many);
    CHECK(is_query_error(PromqlStatus::many_to_many));
    CHECK(bench.value(unless, now) == 2);
    CHECK(bench.value(model, now) == 7);
    CHECK(bench.values(plus, now) == std::vector<double>{6, 10, 14});
    CHECK(bench.values(top, now) == std::vector<double>{7, 5});
    CHECK(bench.values(bottom, now) == std::vector<double>{3, 7});
    CHECK(bench.values(nothing, now).empty());
    CHECK(bench.values(kinds, now) == std::vector<double>{1, 1});       // 2 and 4, once each
    CHECK(bench.values(by_kind, now) == std::vector<double>{1, 1, 1});  // chat: 0 and 1; code: 1
    CHECK(bench.values(joined, now) == std::vector<double>{0, 0});      // 3 and 5 are on both sides, 7 is not
    const PromqlResult result = bench.run(ratio, now);
    CHECK(bench.programs[ratio].label_sets[static_cast<std::size_t>(result.elements[0].labels)] ==
          LabelSet{{"deployment", "chat"}});
    // Without any sample, absent() answers with the labels it was asked for.
    const PromqlResult gone = bench.run(nothing, seconds(1000));
    REQUIRE(gone.count == 1);
    CHECK(bench.programs[nothing].label_sets[static_cast<std::size_t>(gone.elements[0].labels)] ==
          LabelSet{{"deployment", "chat"}});
}

TEST_CASE("promql: a pod pattern is decided by workload, or refused") {
    MetricCatalog catalog = small_catalog();
    catalog.add_workload("chat-lora", {{"deployment", "chat-lora"}}, 1);
    PromqlCompiler compiler(catalog);
    auto streams = [&](const std::string& matcher) {
        const auto program = compiler.compile("vllm:num_requests_waiting{" + matcher + "}");
        return program.ok()
                   ? (program->instructions[0].op == PromqlOp::empty ? 0 : program->instructions[0].count)
                   : -1;
    };
    CHECK(streams("pod=~\"chat-.*\"") == 2);  // chat-lora's pods match too
    CHECK(streams("pod=~\"chat-lora-.*\"") == 1);
    CHECK(streams("pod=~\"code-.+|chat-lora-.*\"") == 2);
    CHECK(streams("pod!~\"chat-.*\"") == 1);
    CHECK(streams("pod=~\".+\",instance=~\".*:8000\"") == 3);
    CHECK(streams("pod!=\"\"") == 3);
    CHECK(streams("pod=~\"chat-[a-z0-9]+-[a-z0-9]{5}\"") == 1);
    CHECK(streams("pod=\"chat-5d8f7c9b6d-abcde\"") == -1);
    CHECK(streams("pod=~\"chat-5d8f7c9b6d-.*\"") == -1);
    CHECK(streams("pod=~\"chat-7.*\"") == -1);
    CHECK(streams("pod=~\"chat-0\"") == -1);
    CHECK(streams("pod=~\"vision-.*\"") == 0);
    CHECK_THAT(refusal("vllm:num_requests_waiting{pod=~\"chat-0\"}"), Contains("pod=~\"chat-.*\""));
}

TEST_CASE("promql: recorded metrics stand for their expression; circles are refused") {
    PromqlOptions options;
    options.metrics = {{"job:waiting:sum", "sum by (deployment) (vllm:num_requests_waiting)"},
                       {"twice", "2 * job:waiting:sum"},
                       {"a", "b + 1"},
                       {"b", "a"},
                       {"broken", "sum("}};
    Bench bench{small_catalog(), options};
    const std::size_t one = bench.add("job:waiting:sum{deployment=\"chat\"}");
    const std::size_t twice = bench.add("twice offset 15s");
    const std::size_t range = bench.add("max_over_time(job:waiting:sum[2m])");
    bench.open();
    bench.put(waiting, chat, 0, 0, seconds(45), 3);
    bench.put(waiting, chat, 0, 0, seconds(60), 9);
    bench.put(waiting, chat, 0, 0, seconds(75), 5);
    CHECK(bench.value(one, seconds(75)) == 5);
    CHECK(bench.value(twice, seconds(75)) == 18);
    CHECK(bench.value(range, seconds(130)) == 9);  // evaluated at 60 and 120 s
    CHECK_THAT(refusal("a", options), Contains("a -> b -> a"));
    CHECK_THAT(refusal("broken", options), Contains("in the metric 'broken', query column 5"));
}

TEST_CASE("promql: a subquery runs at multiples of its step in Unix time") {
    Bench bench{small_catalog()};
    bench.epoch_ms = 1'700'000'003'000;  // 3 s past a multiple of 10 s
    const std::size_t count = bench.add("count_over_time(vector(1)[1m:10s])");
    const std::size_t newest = bench.add("max_over_time(timestamp(vector(1))[1m:10s])");
    const std::size_t nested = bench.add("max_over_time(sum_over_time(vector(1)[30s:10s])[1m:30s])");
    const std::size_t hour = bench.add("hour()"), day = bench.add("day_of_week()"),
                      year = bench.add("year() * 100 + month()");
    bench.open();
    CHECK(bench.value(count, seconds(0)) == 6);
    CHECK(bench.value(count, seconds(7)) == 7);  // both ends are multiples
    CHECK(bench.value(newest, seconds(0)) == 1'700'000'000);
    CHECK(bench.value(nested, seconds(0)) == 4);  // at 1,700,000,000 - 20 s the last 30 s hold four multiples
    // 1,700,000,003 is Tuesday, 14 November 2023, 22:13:23 UTC.
    CHECK(bench.value(hour, seconds(0)) == 22);
    CHECK(bench.value(day, seconds(0)) == 2);
    CHECK(bench.value(year, seconds(0)) == 202311);
}

TEST_CASE("promql: NaN is last in sort(), least for topk(), and given up by min() and max()") {
    Bench bench{small_catalog()};
    const std::size_t max = bench.add("max(vllm:num_requests_waiting)"),
                      min = bench.add("min(vllm:num_requests_waiting)");
    const std::size_t up = bench.add("sort(vllm:num_requests_waiting)"),
                      down = bench.add("sort_desc(vllm:num_requests_waiting)");
    const std::size_t top = bench.add("topk(2, vllm:num_requests_waiting)");
    const std::size_t over_time =
        bench.add("max_over_time(vllm:num_requests_waiting{deployment=\"chat\"}[1m])");
    bench.open();
    bench.put(waiting, chat, 0, 0, seconds(15), promql_nan);
    bench.put(waiting, chat, 0, 1, seconds(15), 2);
    bench.put(waiting, code, 0, 0, seconds(15), 1);
    CHECK(bench.value(max, seconds(15)) == 2);
    CHECK(bench.value(min, seconds(15)) == 1);
    for (const auto& [query, first] : {std::pair{up, 1.0}, std::pair{down, 2.0}}) {
        const std::vector<double> sorted = bench.values(query, seconds(15));
        REQUIRE(sorted.size() == 3);
        CHECK(sorted[0] == first);
        CHECK(std::isnan(sorted[2]));
    }
    CHECK(bench.values(top, seconds(15)) == std::vector<double>{2, 1});
    bench.put(waiting, chat, 0, 0, seconds(30), -4);
    CHECK(bench.values(over_time, seconds(30)) == std::vector<double>{-4, 2});
}

TEST_CASE("promql: too little memory or history is said, never hidden") {
    Bench bench{small_catalog()};
    const std::size_t all = bench.add("sum(vllm:num_requests_waiting)");
    const std::size_t longest = bench.add("count_over_time(vllm:num_requests_waiting[10m])");
    bench.open();
    for (int slot = 0; slot < 2; ++slot) bench.put(waiting, chat, 0, slot, seconds(15), 1);
    bench.programs[all].workspace.elements = 1;
    CHECK(bench.run(all, seconds(15)).status == PromqlStatus::workspace_overflow);
    // Scraped every second instead of every 15 s, the ring no longer reaches back ten minutes.
    for (int s = 16; s < 700; ++s) bench.put(waiting, chat, 0, 0, seconds(s), s % 2);
    CHECK(bench.run(longest, seconds(700)).status == PromqlStatus::history_too_short);
    CHECK_FALSE(is_query_error(PromqlStatus::history_too_short));
}

TEST_CASE("promql: the sample store holds what the longest query needs and refuses the past") {
    Bench bench{small_catalog()};
    bench.add("vllm:num_requests_waiting");
    bench.add("rate(vllm:generation_tokens_total[10m] offset 5m)");
    bench.open();
    REQUIRE(bench.layout.streams.size() == 4);
    CHECK(bench.layout.streams[0].capacity == 2);  // of the present the newest is enough
    CHECK(bench.layout.streams[2].capacity == 900 / 15 + 10);  // 60 distances, 4 at the edges, 2 * 3 markers
    CHECK(bench.layout.series_count == 8);
    CHECK(try_append(bench.store, 0, 0, seconds(10), 1));
    CHECK_FALSE(try_append(bench.store, 0, 0, seconds(9), 1));
    CHECK_FALSE(try_append(bench.store, 0, 0, seconds(10), 2));
    CHECK(bench.series[0].count == 1);
}

TEST_CASE("promql: a series that sleeps holds what it would if every scrape wrote it") {
    // A run holds a sample and 4,095 repeats of it; whoever asks only now and then finds more owed than that.
    const int step_s = 15, scrapes = 10'000, asked_every = GENERATE(1, 7, 4094, 4095, 4096, 9'999);
    Bench written{small_catalog()}, asleep{small_catalog()};
    ScrapeClock clock;
    std::vector<std::size_t> queries;
    for (const char* query : {"vllm:num_requests_waiting", "timestamp(vllm:num_requests_waiting)",
                              "delta(vllm:num_requests_waiting[10m])", "delta(vllm:num_requests_waiting[10m] offset 2m)",
                              "count_over_time(vllm:num_requests_waiting[10m])"}) {
        queries.push_back(written.add(query));
        (void)asleep.add(query);
    }
    written.open();
    asleep.open();
    asleep.store.clocks = &clock;
    const auto same = [&](Tick now) {
        for (const std::size_t q : queries) CHECK(asleep.values(q, now) == written.values(q, now));
        catch_up(asleep.store, 0, 0);
        const SeriesState &a = asleep.series[0], &b = written.series[0];
        REQUIRE(a.count == b.count);
        CHECK(a.next == b.next);
        CHECK(a.steady == b.steady);
        CHECK(a.newest_ms == b.newest_ms);
        CHECK(a.step_ms == b.step_ms);
        CHECK(a.repeating == b.repeating);
        CHECK(a.lost == b.lost);
        for (std::uint32_t back = 0; back < a.count; ++back) {
            const SampleRun x = run_from_newest(asleep.store.view(), asleep.layout.streams[0], 0, back);
            const SampleRun y = run_from_newest(written.store.view(), written.layout.streams[0], 0, back);
            CHECK((x.stamp == y.stamp && x.value == y.value));
        }
    };
    for (int i = 1; i <= scrapes; ++i) {
        const Tick now = seconds(step_s * i);
        clock = {to_unix_ms(asleep.store.epoch_ms, now), clock.turns + 1};
        written.put(waiting, chat, 0, 0, now, 3);
        if (i <= 2) {
            CHECK_FALSE(repeats_in_step(asleep.store, 0, 0, step_s * 1000));
            asleep.put(waiting, chat, 0, 0, now, 3);
            if (i == 2) let_sleep(asleep.store, 0, 0, 0);
        }
        if (i > 2 && i % asked_every == 0) same(now);
    }
    CHECK_FALSE(repeats_in_step(asleep.store, 0, 0, step_s * 1000 + 1));
    wake_up(asleep.store, 0, 0);
    // Another value, an outage of ten minutes, and the same one again.
    for (const int i : {1, 2, 42, 43}) {
        const Tick now = seconds(step_s * (scrapes + i));
        ++clock.turns;  // which is no longer its business
        for (Bench* bench : {&written, &asleep}) bench->put(waiting, chat, 0, 0, now, 4);
        same(now);
    }
    CHECK(written.series[0].count == 5);  // 4,096 + 4,096 + 1,808 of 3; of 4 two and, out of step, one and one
}

TEST_CASE("promql: queries out of all proportion are refused") {
    std::string sum = "1";
    for (int i = 0; i < 5000; ++i) sum += " + 1";
    CHECK_THAT(refusal(sum), Contains("found more than 1000 parts"));
    CHECK_THAT(refusal(std::string(200, '(') + "1" + std::string(200, ')')), Contains("at most 100 nested"));
    CHECK_THAT(refusal("replica_limit offset 900y"), Contains("samples of every series"));
    CHECK_THAT(refusal("rate(vllm:generation_tokens_total[9y])"), Contains("samples of every series"));
    CHECK_THAT(refusal("count_over_time(vector(1)[1y:1s])"), Contains("values at once"));
    std::string deep = "1";
    for (int i = 0; i < 30; ++i) deep = "1 + (" + deep + ")";
    CHECK_THAT(refusal(deep), Contains("31 intermediate values"));
}

TEST_CASE("promql: a damaged query is understood or refused with a column, and never worse") {
    const std::string whole =
        "histogram_quantile(0.9, sum by (le, pod) "
        "(rate(vllm:time_to_first_token_seconds_bucket{tier=~\"g.*\"}[5m] "
        "offset 1m))) > bool on(pod) group_left(tier) max_over_time((-replica_limit)[5m:30s]) or "
        "vector(0x1f) "
        "# end";
    std::mt19937 random(7);
    int understood = 0, refused = 0;
    for (int i = 0; i < 3000; ++i) {
        std::string query = whole;
        for (int damage = 0; damage < 1 + i % 4; ++damage) {
            const std::size_t at = random() % query.size(), from = random() % whole.size();
            const std::size_t length = 1 + random() % 5;
            if (random() % 3 == 0)
                query.erase(at, length);
            else if (random() % 2 == 0)
                query.insert(at, whole.substr(from, length));
            else
                query[at] = static_cast<char>(random() % 256);
            if (query.empty()) query = "1";
        }
        Bench bench{small_catalog()};
        const auto program = bench.compiler.compile(query);
        if (program.ok()) {
            ++understood;
            bench.programs.push_back(*program);
            bench.open();
            CHECK(bench.run(0, seconds(600)).status != PromqlStatus::workspace_overflow);
        } else {
            ++refused;
            INFO(query);
            REQUIRE(!program.problems().empty());
            CHECK_THAT(to_string(program.problems()[0]), Contains("query column"));
        }
    }
    CHECK(understood > 100);
    CHECK(refused > 100);
}
