// ALERTS as queries see it: which alerts are pending and which fire, as of the last evaluation of their group.
#include "scenarios/compile/alert_series.hpp"
#include "tests/policies/promql_bench.hpp"

using namespace windtunnel;
using Catch::Matchers::Contains;

namespace {

AlertingRule rule(const std::string& name, const std::string& expression, Tick hold) {
    AlertingRule out;
    out.name = name;
    out.expression = expression;
    out.hold_for = hold;
    out.interval = seconds(15);
    out.labels = {{"severity", "page"}, {"text", "{{ $value }}"}};
    return out;
}

PromqlOptions with_alerts(const std::vector<AlertingRule>& rules) {
    PromqlOptions options;
    options.parts["ALERTS"] = alert_series(rules, seconds(30));
    return options;
}

}  // namespace

TEST_CASE("alert series: pending for as long as the rule's for says, then firing, and gone with the element") {
    // Queue and Now look every 15 s, at multiples of it. Pod 0 waits with 10 from 0 s on, with 1 from 90 s, with 10 from 105 s.
    Bench bench(small_catalog(), with_alerts({rule("Queue", "vllm:num_requests_waiting > 5 # too many", seconds(60)),
                                              rule("Now", "sum by (namespace) (vllm:num_requests_waiting) > 15", seconds(0))}));
    const std::size_t firing = bench.add("sum(ALERTS{alertname=\"Queue\",alertstate=\"firing\",severity=\"page\"}) or vector(0)");
    const std::size_t pending = bench.add("count(ALERTS{alertname=\"Queue\",alertstate=\"pending\",deployment=\"chat\"}) or vector(0)");
    const std::size_t now = bench.add("count(ALERTS{alertname=~\"N.*\",namespace=\"prod\"}) or vector(0)");
    const std::size_t lately = bench.add("max(max_over_time(ALERTS{alertname=\"Queue\",alertstate=\"firing\"}[1m:15s])) or vector(0)");
    const std::size_t other = bench.add("ALERTS{alertname=\"Queue\",severity=\"ticket\"} or vector(0)");
    bench.open();
    double pod_1 = 0;
    for (int at = 0; at <= 240; at += 15) {
        bench.put(waiting, chat, 0, 0, seconds(at), at == 90 ? 1 : 10);
        pod_1 = at >= 45 ? 10 : 0;
        bench.put(waiting, chat, 0, 1, seconds(at), pod_1);
    }
    const auto value = [&](std::size_t query, std::int64_t at) { return bench.value(query, seconds(at)); };
    CHECK(value(pending, 14) == 1);
    CHECK(value(firing, 59) == 0);   // there at 0, 15, 30 and 45 s: 45 s
    CHECK(value(firing, 60) == 1);   // and at 60 s
    CHECK(value(pending, 60) == 1);  // pod 1, since 45 s
    CHECK(value(firing, 89) == 1);
    CHECK(value(firing, 90) == 0);   // pod 0 has gone, pod 1 has been there for 45 s
    CHECK(value(firing, 105) == 1);  // pod 1
    CHECK(value(pending, 105) == 1);
    CHECK(value(firing, 164) == 1);
    CHECK(value(firing, 165) == 2);  // pod 0 again, 60 s after its return
    CHECK(value(pending, 165) == 0);
    CHECK(value(lately, 100) == 1);  // it fired at 60 and 75 s
    CHECK(value(other, 200) == 0);
    // 10 + 10 from 45 s on; at once, and not while one of them is at 1.
    CHECK(value(now, 44) == 0);
    CHECK(value(now, 45) == 1);
    CHECK(value(now, 90) == 0);
}

TEST_CASE("alert series: other rules' expressions are not looked at, those with keep_firing_for are refused") {
    AlertingRule kept = rule("Kept", "vllm:num_requests_waiting > 5", seconds(60));
    kept.keep_firing_for = seconds(300);
    PromqlCompiler compiler(small_catalog(), with_alerts({rule("Broken", "deriv(((", seconds(0)), kept, rule("Good", "replica_limit > 3", seconds(0))}));
    CHECK(compiler.compile("ALERTS{alertname=\"Good\"}").ok());
    const auto refused = compiler.compile("ALERTS{alertname=\"Kept\",alertstate=\"firing\"}");
    REQUIRE_FALSE(refused.ok());
    CHECK_THAT(to_string(refused.problems()[0]), Contains("keep_firing_for"));
    CHECK_FALSE(compiler.compile("ALERTS").ok());
    const auto nobody = compiler.compile("ALERTS{alertname=\"Nobody\"}");
    REQUIRE(nobody.ok());
    REQUIRE(nobody->warnings.size() == 1);
    CHECK_THAT(to_string(nobody->warnings[0]), Contains("no series passes"));
}
