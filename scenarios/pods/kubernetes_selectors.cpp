// Labels, selectors, taints and tolerations: how they are written and what they match.
#include <algorithm>
#include <charconv>

#include "scenarios/pods/kubernetes_pods.hpp"

namespace windtunnel {
namespace {

const std::vector<std::pair<std::string, TaintEffect>> taint_effects = {{"NoSchedule", TaintEffect::no_schedule},
                                                                        {"PreferNoSchedule", TaintEffect::prefer_no_schedule},
                                                                        {"NoExecute", TaintEffect::no_execute}};

const std::vector<std::pair<std::string, SelectorOperator>> operators = {
    {"In", SelectorOperator::in},         {"NotIn", SelectorOperator::not_in},          {"Exists", SelectorOperator::exists},
    {"DoesNotExist", SelectorOperator::does_not_exist}, {"Gt", SelectorOperator::greater_than}, {"Lt", SelectorOperator::less_than}};

}  // namespace

std::optional<std::int64_t> to_integer(const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::vector<SelectorExpression> decode_expressions(Decoder& map, const std::string& key) {
    std::vector<SelectorExpression> out;
    for (Decoder& item : map.children(key)) {
        SelectorExpression expression;
        expression.key = item.required_text("key");
        if (!item.has("operator")) item.missing("operator", "In, NotIn, Exists or DoesNotExist");
        const auto op = item.choice("operator", operators);
        expression.op = op.value_or(SelectorOperator::exists);
        expression.values = item.texts("values");
        switch (expression.op) {
            case SelectorOperator::in:
            case SelectorOperator::not_in:
                if (expression.values.empty()) item.error("values", "is empty, allowed: at least one value");
                break;
            case SelectorOperator::exists:
            case SelectorOperator::does_not_exist:
                if (op && !expression.values.empty()) item.error("values", "found values with operator Exists or DoesNotExist, allowed: none");
                break;
            case SelectorOperator::greater_than:
            case SelectorOperator::less_than:
                if (expression.values.size() != 1 || !to_integer(expression.values[0]))
                    item.error("values", "found " + (expression.values.empty() ? std::string("none") : join(expression.values)) + ", allowed with Gt and Lt: one integer, in quotes");
                break;
        }
        item.finish();
        out.push_back(std::move(expression));
    }
    return out;
}

std::optional<TaintEffect> decode_taint_effect(Decoder& map, const std::string& key) { return map.choice(key, taint_effects); }

LabelSelector decode_label_selector(Decoder selector) {
    LabelSelector out;
    out.match_labels = selector.text_map("matchLabels");
    out.match_expressions = decode_expressions(selector, "matchExpressions");
    for (const SelectorExpression& e : out.match_expressions)
        if (e.op == SelectorOperator::greater_than || e.op == SelectorOperator::less_than)
            selector.error("matchExpressions", "found Gt or Lt, allowed over labels of pods: In, NotIn, Exists, DoesNotExist");
    selector.finish();
    return out;
}

std::vector<Toleration> decode_tolerations(Decoder& map, const std::string& key) {
    std::vector<Toleration> out;
    for (Decoder& item : map.children(key)) {
        Toleration toleration;
        toleration.key = item.text("key").value_or("");
        toleration.exists = item.choice<bool>("operator", {{"Equal", false}, {"Exists", true}}).value_or(false);
        toleration.value = item.text("value").value_or("");
        if (toleration.exists && !toleration.value.empty()) item.error("value", "found a value with operator Exists, allowed: none");
        if (toleration.key.empty() && !toleration.exists) item.error("", "has no key, allowed without one: operator Exists");
        if (item.text("effect").value_or("") != "") toleration.effect = decode_taint_effect(item, "effect");
        if (const auto time = item.integer("tolerationSeconds")) {
            // 0 and less evict at once.
            toleration.toleration_time = seconds(std::clamp<std::int64_t>(*time, 0, longest_seconds));
            if (toleration.effect != TaintEffect::no_execute) item.error("effect", "found tolerationSeconds without it, allowed with tolerationSeconds: NoExecute");
        }
        item.finish();
        out.push_back(std::move(toleration));
    }
    return out;
}

bool SelectorExpression::matches(const Labels& labels) const {
    const auto found = labels.find(key);
    const bool has = found != labels.end();
    const bool listed = has && std::find(values.begin(), values.end(), found->second) != values.end();
    switch (op) {
        case SelectorOperator::in: return listed;
        case SelectorOperator::not_in: return !listed;
        case SelectorOperator::exists: return has;
        case SelectorOperator::does_not_exist: return !has;
        case SelectorOperator::greater_than:
        case SelectorOperator::less_than: break;
    }
    const auto value = has ? to_integer(found->second) : std::nullopt;
    const auto bound = values.size() == 1 ? to_integer(values[0]) : std::nullopt;
    if (!value || !bound) return false;
    return op == SelectorOperator::greater_than ? *value > *bound : *value < *bound;
}

bool LabelSelector::matches(const Labels& labels) const {
    for (const auto& [key, value] : match_labels) {
        const auto found = labels.find(key);
        if (found == labels.end() || found->second != value) return false;
    }
    return std::all_of(match_expressions.begin(), match_expressions.end(),
                       [&](const SelectorExpression& e) { return e.matches(labels); });
}

bool Toleration::tolerates(const Taint& taint) const {
    if (effect && *effect != taint.effect) return false;
    if (key.empty()) return exists;
    return key == taint.key && (exists || value == taint.value);
}

}  // namespace windtunnel
