#include "policies/alert_rule.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace windtunnel;

namespace {

/// An alerting rule, evaluated every 30 s on elements with these labels.
struct Rule {
    AlertRule rule;
    std::vector<AlertInstance> memory = std::vector<AlertInstance>(8);
    AlertInstances alerts{memory.data(), 8, 0};

    AlertEvaluation at(int seconds_in, const std::vector<std::int32_t>& labels) {
        std::vector<PromqlElement> elements;
        for (const std::int32_t label : labels) {
            PromqlElement e;
            e.labels = label;
            elements.push_back(e);
        }
        return evaluate_alert(rule, alerts, elements.data(), static_cast<std::int32_t>(elements.size()),
                              seconds(seconds_in));
    }
};

}  // namespace

TEST_CASE("alert: without `for` it fires at once, and ends with its element") {
    Rule r;
    CHECK(r.at(0, {1}).firing == 1);
    CHECK(r.at(30, {1}).fired == 0);
    CHECK(r.at(60, {}).resolved == 1);
    CHECK(r.alerts.count == 0);
    CHECK(r.at(90, {1}).fired == 1);  // a new alert
}

TEST_CASE("alert: it is pending for `for`, and one missing evaluation begins that anew") {
    Rule r;
    r.rule.hold_for = seconds(60);
    CHECK(r.at(0, {1}).firing == 0);
    CHECK(r.at(30, {1}).firing == 0);
    CHECK(r.at(60, {}).resolved == 0);  // it was pending: forgotten, not resolved
    CHECK(r.at(90, {1}).firing == 0);
    CHECK(r.at(120, {1}).firing == 0);
    CHECK(r.at(150, {1}).fired == 1);   // 150 - 90 = 60
}

TEST_CASE("alert: keep_firing_for holds a firing alert over a gap, and counts from the gap's beginning") {
    Rule r;
    r.rule.keep_firing_for = seconds(60);
    CHECK(r.at(0, {1}).firing == 1);
    CHECK(r.at(30, {}).firing == 1);
    CHECK(r.at(60, {1}).fired == 0);  // it has fired all along
    CHECK(r.at(90, {}).firing == 1);
    CHECK(r.at(120, {}).firing == 1);
    CHECK(r.at(150, {}).resolved == 1);  // 150 - 90 = 60
}

TEST_CASE("alert: each element has its own, whatever their order, and too many are told") {
    Rule r;
    r.rule.hold_for = seconds(30);
    CHECK(r.at(0, {1, 2, 3}).firing == 0);
    const AlertEvaluation second = r.at(30, {3, 4, 1});
    CHECK(second.fired == 2);  // 1 and 3; 2 is gone, 4 is new
    CHECK(r.alerts.count == 3);
    CHECK(r.at(60, {4, 3}).resolved == 1);
    CHECK_FALSE(r.at(90, {1, 2, 3, 4, 5, 6, 7, 8}).overflowed);
    CHECK(r.at(120, {1, 2, 3, 4, 5, 6, 7, 8, 9}).overflowed);
}
