#include "scenarios/compile/alert_series.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace windtunnel {

namespace {

/// A label's value in PromQL's quotes.
std::string in_quotes(const std::string& value) {
    std::string out = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

std::int64_t whole_milliseconds(Tick t) { return t.count / ticks_per_millisecond; }

}  // namespace

std::string with_rule_labels(std::string expression, const LabelSet& labels) {
    for (const auto& [label, value] : labels)
        if (value.find("{{") == std::string::npos)
            expression = fmt::format("label_replace({}, {}, {}, \"\", \"\")", expression, in_quotes(label), in_quotes(value));
    return expression;
}

std::vector<PromqlMetricPart> alert_series(const std::vector<AlertingRule>& rules, Tick interval) {
    std::vector<PromqlMetricPart> out;
    for (const AlertingRule& rule : rules) {
        const std::int64_t every = std::max<std::int64_t>(whole_milliseconds(rule.interval.value_or(interval)), 1);
        const std::int64_t hold = whole_milliseconds(rule.hold_for);
        // The expression may end in a comment.
        const std::string present = fmt::format("(group without () ({}\n))", rule.expression);
        // Just under an interval holds one evaluation, the last, whichever of its ends counts.
        const auto as_evaluated = [&](const std::string& expression) { return fmt::format("last_over_time(({})[{}ms:{}ms])", expression, std::max<std::int64_t>(every - 1, 1), every); };
        LabelSet labels(rule.labels.begin(), rule.labels.end());
        std::erase_if(labels, [](const auto& label) { return label.second.find("{{") != std::string::npos; });
        labels["alertname"] = rule.name;
        const auto add = [&](const char* state, const std::string& expression) {
            PromqlMetricPart part;
            part.labels = labels;
            part.labels["alertstate"] = state;
            part.expression = with_rule_labels(expression, part.labels);
            if (rule.keep_firing_for.count > 0)
                part.refused = fmt::format("the alert {} with keep_firing_for, whose series is not simulated, allowed: rules without", rule.name);
            out.push_back(std::move(part));
        };
        if (hold == 0) {  // it fires at once
            add("firing", as_evaluated(present));
            continue;
        }
        // There at this evaluation and at all before it, for so long: half an interval keeps clear of both ends.
        const std::int64_t steps = (hold + every - 1) / every;
        const std::string firing = fmt::format("group without () (count_over_time({}[{}ms:{}ms]) >= {})", present, steps * every + every / 2, every, steps + 1);
        add("firing", as_evaluated(firing));
        add("pending", as_evaluated(fmt::format("{} unless ({})", present, firing)));
    }
    return out;
}

}  // namespace windtunnel
